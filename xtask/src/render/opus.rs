//! Writing Ogg Opus: the encoder, its frames, and Ogg's pages (RFC 6716, RFC 7845, RFC 3533).

use super::failure::{Failure, writing};
use super::resample::Resampler;
use super::source::Info;
use ropus::{Application, Bitrate, Channels, Encoder};
use std::fs::File;
use std::io::{BufWriter, Write};

/// The rate that Opus works at, hertz.
pub const RATE: u32 = 48_000;
/// Samples of a frame: 20 ms.
const FRAME: usize = 960;
/// Most bytes of a packet of one frame (RFC 6716, section 3.2.1, for two channels).
const PACKET: usize = 2 * 1_276;
/// Frames to a page: a second.
const PAGE: usize = 50;
/// Bits a second and channels where nothing is asked for: speech and music pass unharmed.
const BITRATES: [u32; 2] = [64_000, 96_000];
/// Number of the stream in its file; there is one.
const SERIAL: u32 = 1;
/// Care of the encoder, 0 to 10: pitch is looked for; from 8 on stereo angles and attacks are tried twice.
const COMPLEXITY: u8 = 7;

/// Pages of an Ogg file.
struct Pages<W: Write> {
    file: W,
    number: u32,
    packets: Vec<Vec<u8>>,
    /// Position behind the packets that wait, in samples.
    granule: u64,
}

fn crc(bytes: &[u8]) -> u32 {
    static TABLE: std::sync::OnceLock<[u32; 256]> = std::sync::OnceLock::new();
    let table = TABLE.get_or_init(|| {
        std::array::from_fn(|index| {
            (0..8).fold((index as u32) << 24, |rest, _| (rest << 1) ^ if rest >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
        })
    });
    bytes.iter().fold(0, |rest, &byte| (rest << 8) ^ table[((rest >> 24) as u8 ^ byte) as usize])
}

impl<W: Write> Pages<W> {
    /// Writes a page of whole segments.
    fn page(&mut self, kind: u8, granule: u64, segments: &[u8], body: &[u8]) -> Result<(), Failure> {
        let mut page = b"OggS\0".to_vec();
        page.push(kind);
        page.extend_from_slice(&granule.to_le_bytes());
        page.extend_from_slice(&SERIAL.to_le_bytes());
        page.extend_from_slice(&self.number.to_le_bytes());
        page.extend_from_slice(&[0; 4]);
        page.push(segments.len() as u8);
        page.extend_from_slice(segments);
        page.extend_from_slice(body);
        let sum = crc(&page);
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        self.number += 1;
        self.file.write_all(&page).map_err(writing)
    }

    /// Writes a header packet, over as many pages as it needs.
    fn header(&mut self, first: bool, packet: &[u8]) -> Result<(), Failure> {
        let mut segments = vec![255_u8; packet.len() / 255];
        segments.push((packet.len() % 255) as u8);
        let pages: Vec<&[u8]> = segments.chunks(255).collect();
        let mut at = 0;
        for (index, segments) in pages.iter().enumerate() {
            let end = at + segments.iter().map(|&length| usize::from(length)).sum::<usize>();
            let kind = if first { 2 } else { u8::from(index > 0) };
            // A page on which no packet ends has no position.
            let granule = if index + 1 < pages.len() { u64::MAX } else { 0 };
            self.page(kind, granule, segments, &packet[at..end])?;
            at = end;
        }
        Ok(())
    }

    fn packet(&mut self, packet: &[u8], granule: u64) -> Result<(), Failure> {
        if self.packets.len() >= PAGE || self.segments() + packet.len() / 255 + 1 > 255 {
            self.flush(0)?;
        }
        self.packets.push(packet.to_vec());
        self.granule = granule;
        Ok(())
    }

    fn segments(&self) -> usize {
        self.packets.iter().map(|packet| packet.len() / 255 + 1).sum()
    }

    fn flush(&mut self, kind: u8) -> Result<(), Failure> {
        let mut segments = Vec::with_capacity(255);
        for packet in &self.packets {
            segments.extend(std::iter::repeat_n(255, packet.len() / 255));
            segments.push((packet.len() % 255) as u8);
        }
        let body = self.packets.concat();
        self.packets.clear();
        self.page(kind, self.granule, &segments, &body)
    }
}

/// An Opus file being written.
pub struct OpusSink<W: Write = BufWriter<File>> {
    pages: Pages<W>,
    encoder: Encoder,
    resampler: Option<Resampler>,
    /// What waits to be encoded, `[channel][sample]`, at [`RATE`].
    waiting: Vec<Vec<f32>>,
    frame: Vec<f32>,
    packet: Vec<u8>,
    /// Samples that the decoder drops first.
    skip: u64,
    /// Samples taken and encoded, at [`RATE`].
    taken: u64,
    encoded: u64,
    clipped: u64,
}

impl OpusSink {
    /// Begins a file; `bitrate` in bits a second for all channels.
    ///
    /// # Errors
    /// When there are more than two channels, or the disk does not take it.
    pub fn create(file: File, info: &Info, bitrate: Option<u32>) -> Result<Self, Failure> {
        Self::new(BufWriter::with_capacity(1 << 16, file), info, bitrate)
    }
}

impl<W: Write> OpusSink<W> {
    /// As [`OpusSink::create`], to anything.
    ///
    /// # Errors
    /// As there.
    pub fn new(file: W, info: &Info, bitrate: Option<u32>) -> Result<Self, Failure> {
        let (channels, default) = match info.channels {
            1 => (Channels::Mono, BITRATES[0]),
            2 => (Channels::Stereo, BITRATES[1]),
            more => {
                return Err(Failure::new(format!(
                    "has {more} channels and is written as Opus with two at most; write WAV or FLAC instead (-o NAME.flac)"
                )));
            }
        };
        let refused = || Failure::new("made the Opus encoder refuse its format; write FLAC instead and please report this");
        let encoder = Encoder::builder(RATE, channels, Application::Audio).bitrate(Bitrate::Bits(bitrate.unwrap_or(default)));
        let encoder = encoder.complexity(COMPLEXITY).build().map_err(|_| refused())?;
        let skip = encoder.lookahead();
        let mut pages = Pages { file, number: 0, packets: Vec::new(), granule: 0 };
        let mut head = b"OpusHead\x01".to_vec();
        head.push(info.channels as u8);
        head.extend_from_slice(&(skip as u16).to_le_bytes());
        head.extend_from_slice(&info.rate.to_le_bytes());
        // No gain; mapping of one or two channels.
        head.extend_from_slice(&[0, 0, 0]);
        pages.header(true, &head)?;
        pages.header(false, &tags(info))?;
        Ok(Self {
            pages,
            encoder,
            resampler: (info.rate != RATE).then(|| Resampler::new(info.rate, RATE, info.channels)),
            waiting: vec![Vec::new(); info.channels],
            frame: vec![0.0; FRAME * info.channels],
            packet: vec![0; PACKET],
            skip: u64::from(skip),
            taken: 0,
            encoded: 0,
            clipped: 0,
        })
    }

    /// Adds a block, `block[channel][sample]`.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        match &mut self.resampler {
            Some(resampler) => resampler.push(block, &mut self.waiting),
            None => self.waiting.iter_mut().zip(block).for_each(|(waiting, samples)| waiting.extend_from_slice(samples)),
        }
        self.encode(false)
    }

    /// Encodes the frames that are whole; with `last` so many that all is heard behind the decoder's delay.
    fn encode(&mut self, last: bool) -> Result<(), Failure> {
        let channels = self.waiting.len();
        let mut from = 0;
        let there = self.waiting.first().map_or(0, Vec::len);
        if last {
            self.taken += there as u64;
        }
        loop {
            let whole = from + FRAME <= there;
            let owed = last && self.encoded < self.taken + self.skip;
            if !whole && !owed {
                break;
            }
            for (channel, waiting) in self.waiting.iter().enumerate() {
                for (n, sample) in self.frame.iter_mut().skip(channel).step_by(channels).enumerate() {
                    let value = waiting.get(from + n).copied().unwrap_or(0.0);
                    self.clipped += u64::from(value.abs() > 1.0);
                    *sample = value.clamp(-1.0, 1.0);
                }
            }
            let failed = |_| Failure::new("made the Opus encoder fail; write FLAC instead and please report this with the file");
            let length = self.encoder.encode_float(&self.frame, &mut self.packet).map_err(failed)?;
            self.encoded += FRAME as u64;
            let end = if last { self.encoded.min(self.taken + self.skip) } else { self.encoded };
            self.pages.packet(&self.packet[..length], end)?;
            from += FRAME;
        }
        let used = from.min(there);
        self.taken += if last { 0 } else { used as u64 };
        self.waiting.iter_mut().for_each(|waiting| drop(waiting.drain(..used)));
        Ok(())
    }

    /// Completes the file; gives what it was written to and how many samples were limited to full scale.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn finish(mut self) -> Result<(W, u64), Failure> {
        if let Some(resampler) = &mut self.resampler {
            resampler.finish(&mut self.waiting);
        }
        self.encode(true)?;
        // The last page says that it is.
        self.pages.flush(4)?;
        self.pages.file.flush().map_err(writing)?;
        Ok((self.pages.file, self.clipped))
    }
}

/// The comment header.
fn tags(info: &Info) -> Vec<u8> {
    let vendor = concat!("Plainsong ", env!("CARGO_PKG_VERSION"));
    let mut head = b"OpusTags".to_vec();
    let mut put = |text: &str| {
        head.extend_from_slice(&(text.len() as u32).to_le_bytes());
        head.extend_from_slice(text.as_bytes());
    };
    put(vendor);
    let extras = info.extras.comments();
    let fields: Vec<String> = info
        .tags
        .iter()
        // Chapters are written anew, and gains were those of the source.
        .filter(|(name, _)| !name.starts_with("CHAPTER") && !name.starts_with("R128_") && !name.starts_with("REPLAYGAIN_"))
        .chain(&extras)
        .map(|(name, text)| format!("{name}={text}"))
        .collect();
    head.extend_from_slice(&(fields.len() as u32).to_le_bytes());
    for field in &fields {
        head.extend_from_slice(&(field.len() as u32).to_le_bytes());
        head.extend_from_slice(field.as_bytes());
    }
    head
}
