//! RIFF, RF64 and BW64: finding the chunks of a WAV file, and reading its samples.
//!
//! Microsoft, "Multimedia Programming Interface and Data Specifications 1.0"; EBU Tech 3306 (RF64);
//! ITU-R BS.2088 (BW64).

use crate::failure::{Failure, reading};
use crate::source::{Depth, Info, Source};
use crate::tags;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// A chunk's four letters.
pub type Id = [u8; 4];

/// Where a chunk's body lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Four letters.
    pub id: Id,
    /// Where the body begins, in bytes from the start of the file.
    pub offset: u64,
    /// Length of the body in bytes, without the pad byte.
    pub length: u64,
}

/// Chunks that are written anew, or that describe samples that have changed: format, data, sizes,
/// sample count, peaks and peak envelope.
const OWN: [&Id; 6] = [b"fmt ", b"data", b"ds64", b"fact", b"PEAK", b"levl"];
/// A size that is not in the chunk's header but in `ds64`, or that was not known when it was written.
const UNKNOWN: u64 = 0xFFFF_FFFF;
/// Most entries read from `ds64`'s table.
const MAX_TABLE: u32 = 4096;
/// Most chunks read.
const MAX_CHUNKS: usize = 65_536;

/// What a WAV file holds.
#[derive(Clone, Debug)]
struct Layout {
    format: Vec<u8>,
    data: Chunk,
    before: Vec<Chunk>,
    after: Vec<Chunk>,
    /// Why the samples that the header declares are not all there.
    shortage: Option<String>,
}

/// How a sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

impl Encoding {
    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn depth(self) -> Depth {
        match self {
            Self::U8 | Self::I16 => Depth::I16,
            Self::I24 => Depth::I24,
            Self::I32 | Self::F32 | Self::F64 => Depth::F32,
        }
    }

    fn decode(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::U8, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Self::I16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (Self::I24, &[a, b, c]) => (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 8_388_608.0,
            (Self::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32 / 2_147_483_648.0,
            (Self::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => 0.0,
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// True when a file begins as a WAV file does.
pub fn is_wave(head: &[u8]) -> bool {
    head.len() >= 12 && matches!(&head[..4], b"RIFF" | b"RF64" | b"BW64") && &head[8..12] == b"WAVE"
}

fn body(file: &mut File, chunk: Chunk, most: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(chunk.offset)).map_err(reading)?;
    file.take(chunk.length.min(most)).read_to_end(&mut bytes).map_err(reading)?;
    Ok(bytes)
}

impl Layout {
    /// Walks the chunks.
    fn read(file: &mut File) -> Result<Self, Failure> {
        let end = file.seek(SeekFrom::End(0)).map_err(reading)?;
        let mut head = [0_u8; 12];
        file.seek(SeekFrom::Start(0)).map_err(reading)?;
        file.read_exact(&mut head).map_err(reading)?;
        let large = &head[..4] != b"RIFF";
        let riff_length = u64::from(u32_at(&head, 4).unwrap_or(0));
        let mut sizes: Vec<(Id, u64)> = Vec::new();
        let mut format = None;
        let mut data: Option<Chunk> = None;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let mut shortage = None;
        let mut at = 12;
        while at + 8 <= end && before.len() + after.len() < MAX_CHUNKS {
            let mut header = [0_u8; 8];
            file.seek(SeekFrom::Start(at)).map_err(reading)?;
            file.read_exact(&mut header).map_err(reading)?;
            let id = [header[0], header[1], header[2], header[3]];
            let mut length = u64::from(u32_at(&header, 4).unwrap_or(0));
            let room = end - at - 8;
            if large && length == UNKNOWN {
                length = sizes.iter().find(|(known, _)| *known == id).map_or(length, |(_, size)| *size);
            }
            let mut chunk = Chunk { id, offset: at + 8, length };
            if &id == b"data" && data.is_none() {
                if (length == 0 || length == UNKNOWN) && (riff_length == 0 || riff_length == UNKNOWN) && !large {
                    // Written to a pipe (all ones), or by a recorder that was cut off (zeros).
                    if length == 0 && room > 0 {
                        shortage = Some("was never finished (its header declares no data)".to_owned());
                    }
                    chunk.length = room;
                } else if length > room {
                    shortage = Some(format!("is cut short: its header declares {length} bytes of sound, {room} are there"));
                    chunk.length = room;
                }
                data = Some(chunk);
            } else if length > room {
                if data.is_none() {
                    return Err(Failure::new(format!(
                        "is damaged: chunk \"{}\" declares {length} bytes where {room} are left; get a whole copy of it",
                        id.escape_ascii()
                    )));
                }
                // What stands behind the sound is cut off; the sound is whole.
                break;
            } else if &id == b"fmt " && format.is_none() {
                format = Some(body(file, chunk, 4096)?);
            } else if &id == b"ds64" {
                let bytes = body(file, chunk, 28 + u64::from(MAX_TABLE) * 12)?;
                if let Some(size) = u64_at(&bytes, 8) {
                    sizes.push((*b"data", size));
                }
                for entry in 0..u32_at(&bytes, 24).unwrap_or(0).min(MAX_TABLE) as usize {
                    let Some(id) = bytes.get(28 + entry * 12..32 + entry * 12).and_then(|b| b.try_into().ok()) else { break };
                    let Some(size) = u64_at(&bytes, 32 + entry * 12) else { break };
                    sizes.push((id, size));
                }
            }
            if !OWN.contains(&&id) {
                if data.is_none() { before.push(chunk) } else { after.push(chunk) }
            }
            // Bodies have even length; a pad byte that a length does not count is skipped.
            at = chunk.offset.saturating_add(chunk.length).saturating_add(chunk.length & 1);
        }
        let missing = |what| Failure::new(format!("is a WAV file without {what}; get a whole copy of it"));
        let format = format.ok_or_else(|| missing("a format"))?;
        let data = data.ok_or_else(|| missing("sound"))?;
        Ok(Self { format, data, before, after, shortage })
    }
}

/// A WAV file with PCM or float samples, read as it is needed.
pub struct Wave {
    info: Info,
    file: BufReader<File>,
    encoding: Encoding,
    left: u64,
    bytes: Vec<u8>,
}

impl Wave {
    /// Opens a file that [`is_wave`]; none when its samples are coded otherwise (ADPCM, A-law), which
    /// other decoders may know.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or is cut short and `allow_truncated` is not given.
    pub fn open(path: &Path, allow_truncated: bool) -> Result<Option<Self>, Failure> {
        let mut file = File::open(path).map_err(reading)?;
        let layout = Layout::read(&mut file)?;
        let format = &layout.format;
        let damaged = || Failure::new("has a format chunk that is too short; get a whole copy of it");
        let field = |at| u16_at(format, at).ok_or_else(damaged);
        let (mut tag, channels, bits) = (field(0)?, usize::from(field(2)?), field(14)?);
        let rate = u32_at(format, 4).ok_or_else(damaged)?;
        let align = usize::from(field(12)?);
        let mut mask = None;
        if tag == 0xFFFE {
            mask = u32_at(format, 20);
            tag = field(24)?;
        }
        let encoding = match (tag, bits) {
            (1, 1..=8) => Encoding::U8,
            (1, 9..=16) => Encoding::I16,
            (1, 17..=24) => Encoding::I24,
            (1, 25..=32) => Encoding::I32,
            (3, 32) => Encoding::F32,
            (3, 64) => Encoding::F64,
            (1 | 3, _) => {
                return Err(Failure::new(format!("has samples of {bits} bits, which is not known; convert it to 24-bit WAV first")));
            }
            _ => return Ok(None),
        };
        if channels == 0 {
            return Err(Failure::new("declares no channels; export it again with at least one"));
        }
        if channels > dsp_core::processor::MAX_CHANNELS {
            return Err(Failure::from(dsp_core::processor::Error::Channels(channels)));
        }
        let frame = encoding.bytes() * channels;
        if align != frame {
            return Err(Failure::new(format!(
                "is damaged: {channels} channels of {bits} bits make {frame} bytes a frame, its header says {align}; export it again"
            )));
        }
        if let Some(shortage) = &layout.shortage
            && !allow_truncated
        {
            return Err(Failure::new(format!("{shortage}; get a whole copy of it, or take what is there with --allow-truncated")));
        }
        let frames = layout.data.length / frame as u64;
        let mut list = Vec::new();
        for chunk in layout.before.iter().chain(&layout.after).filter(|chunk| &chunk.id == b"LIST") {
            list.extend(tags::from_list(&body(&mut file, *chunk, 1 << 20)?));
        }
        file.seek(SeekFrom::Start(layout.data.offset)).map_err(reading)?;
        let info = Info {
            rate,
            channels,
            frames: Some(frames),
            depth: encoding.depth(),
            container: "wav",
            mask,
            chunks: Some((layout.before, layout.after)),
            flac_blocks: Vec::new(),
            tags: list,
            extras: Default::default(),
            warning: layout.shortage.map(|shortage| format!("{shortage}; what is there was taken")),
        };
        Ok(Some(Self { info, file: BufReader::with_capacity(1 << 16, file), encoding, left: frames, bytes: Vec::new() }))
    }
}

impl Source for Wave {
    fn info(&self) -> &Info {
        &self.info
    }

    fn read(&mut self, block: &mut [Vec<f32>], most: usize) -> Result<usize, Failure> {
        let frames = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        let (size, channels) = (self.encoding.bytes(), self.info.channels);
        self.bytes.resize(frames * size * channels, 0);
        self.file.read_exact(&mut self.bytes).map_err(reading)?;
        for (channel, samples) in block.iter_mut().enumerate() {
            samples.clear();
            samples.extend(self.bytes.chunks_exact(size * channels).map(|frame| self.encoding.decode(&frame[channel * size..][..size])));
        }
        self.left -= frames as u64;
        Ok(frames)
    }

    fn warnings(&self) -> Vec<String> {
        self.info.warning.iter().cloned().collect()
    }
}
