//! Where sound goes: a WAV, FLAC, MP3 or Opus file.

use super::failure::{Failure, writing};
use super::mp3::{Mp3Sink, Spend};
use super::opus::OpusSink;
use super::source::{Depth, Info};
use dsp_core::dither::{Dither, Quantiser};
use dsp_core::units::Hz;
use flac_codec::encode::{FlacSampleWriter, Options};
use flac_codec::metadata::{Block, VorbisComment};
use sound_files::tags;
use sound_files::wave::Chunk;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A file format that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FileFormat {
    /// WAV, or RF64 beyond 4 GiB.
    Wav,
    /// FLAC.
    Flac,
    /// MP3.
    Mp3,
    /// Ogg Opus.
    Opus,
}

impl FileFormat {
    /// Of a file's name; none when the extension is another or missing.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "wav" | "wave" | "bwf" | "rf64" => Some(Self::Wav),
            "flac" => Some(Self::Flac),
            "mp3" => Some(Self::Mp3),
            "opus" => Some(Self::Opus),
            _ => None,
        }
    }

    /// The usual extension.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Mp3 => "mp3",
            Self::Opus => "opus",
        }
    }

    /// What is read back is not what was written.
    pub const fn is_lossy(self) -> bool {
        matches!(self, Self::Mp3 | Self::Opus)
    }
}

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store {
    /// Depth.
    pub depth: Depth,
    /// What is added before samples are rounded to whole numbers.
    pub dither: Dither,
    /// Bits that a lossy format may spend; none leaves it to the format.
    pub spend: Option<Spend>,
}

impl Store {
    /// The dither is the same in each run.
    fn quantiser(self, info: &Info) -> Quantiser {
        Quantiser::new(self.depth.bits(), self.dither, Hz(f64::from(info.rate)), info.channels, 0)
    }
}

/// A file being written.
pub enum Sink {
    /// WAV.
    Wav(Box<WavSink>),
    /// FLAC.
    Flac(Box<FlacSink>),
    /// MP3.
    Mp3(Box<Mp3Sink>),
    /// Opus.
    Opus(Box<OpusSink>),
}

impl Sink {
    /// Begins a file with what is known of its source, whose chunks are copied from `original`.
    ///
    /// # Errors
    /// When the format does not hold such sound, or the disk does not take it.
    pub fn new(file: File, format: FileFormat, store: Store, info: &Info, original: &Path) -> Result<Self, Failure> {
        Ok(match format {
            FileFormat::Wav => Self::Wav(Box::new(WavSink::new(file, store, info, original, RIFF_MOST)?)),
            FileFormat::Flac => Self::Flac(Box::new(FlacSink::new(file, store, info)?)),
            FileFormat::Mp3 => Self::Mp3(Box::new(Mp3Sink::new(file, info, store.spend)?)),
            FileFormat::Opus => Self::Opus(Box::new(OpusSink::create(file, info, opus_bitrate(store.spend)?)?)),
        })
    }

    /// Adds a block, `block[channel][sample]`.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        match self {
            Self::Wav(sink) => sink.write(block),
            Self::Flac(sink) => sink.write(block),
            Self::Mp3(sink) => sink.write(block),
            Self::Opus(sink) => sink.write(block),
        }
    }

    /// Completes the file, and returns how many samples were limited to full scale.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn finish(self) -> Result<u64, Failure> {
        match self {
            Self::Wav(sink) => sink.finish(),
            Self::Flac(sink) => sink.finish(),
            Self::Mp3(sink) => sink.finish(),
            Self::Opus(sink) => sink.finish().map(|(_, clipped)| clipped),
        }
    }
}

/// Bits a second that Opus is asked for.
fn opus_bitrate(spend: Option<Spend>) -> Result<Option<u32>, Failure> {
    match spend {
        None => Ok(None),
        // RFC 7845, section 5.1, and RFC 6716, section 2.1.1: 6 to 510 kbit/s for two channels.
        Some(Spend::Constant(kbps)) if (6..=510).contains(&kbps) => Ok(Some(kbps * 1_000)),
        Some(Spend::Constant(kbps)) => Err(Failure::new(format!("cannot be Opus of {kbps} kbit/s; give 6 to 510 with --bitrate"))),
        Some(Spend::Variable(_)) => Err(Failure::new("is Opus, whose rate varies anyway; leave --vbr out, or give --bitrate")),
    }
}

/// Most bytes that a RIFF file's 32-bit sizes can tell, with some room for the last chunk's pad byte.
const RIFF_MOST: u64 = u32::MAX as u64 - 16;
/// Length of the body of a `ds64` chunk without a table.
const DS64: u32 = 28;

/// A WAV file being written.
pub struct WavSink {
    file: BufWriter<File>,
    depth: Depth,
    quantiser: Quantiser,
    frame: u64,
    /// Where the body of the data chunk begins, and of `fact` if there is one.
    data_at: u64,
    fact_at: Option<u64>,
    written: u64,
    /// Beyond so many bytes the file becomes RF64.
    most: u64,
    after: Vec<Chunk>,
    original: Option<File>,
    integers: Vec<i32>,
    bytes: Vec<u8>,
}

fn chunk(file: &mut impl Write, id: &[u8; 4], body: &[u8]) -> Result<(), Failure> {
    let length = u32::try_from(body.len()).map_err(|_| Failure::new("has a chunk that is too long; remove it first"))?;
    file.write_all(id).map_err(writing)?;
    file.write_all(&length.to_le_bytes()).map_err(writing)?;
    file.write_all(body).map_err(writing)?;
    if body.len() % 2 == 1 { file.write_all(&[0]).map_err(writing) } else { Ok(()) }
}

fn copy(original: &mut Option<File>, from: &Chunk, to: &mut impl Write) -> Result<(), Failure> {
    let Some(original) = original else { return Ok(()) };
    let length = u32::try_from(from.length).map_err(|_| Failure::new("has a chunk of more than 4 GiB; remove it first"))?;
    to.write_all(&from.id).map_err(writing)?;
    to.write_all(&length.to_le_bytes()).map_err(writing)?;
    original.seek(SeekFrom::Start(from.offset)).map_err(super::failure::reading)?;
    // A copy cannot tell whether reading or writing failed; the source was read before.
    let copied = std::io::copy(&mut original.take(from.length), to).map_err(writing)?;
    if copied < from.length {
        return Err(Failure::new("changed while it was read; try again when nothing writes to it"));
    }
    if copied % 2 == 1 { to.write_all(&[0]).map_err(writing) } else { Ok(()) }
}

impl WavSink {
    fn new(file: File, store: Store, info: &Info, original: &Path, most: u64) -> Result<Self, Failure> {
        let depth = store.depth;
        let channels = u16::try_from(info.channels).map_err(|_| Failure::new("has too many channels for WAV"))?;
        let float = depth == Depth::F32;
        let bytes = depth.bits() / 8;
        let frame = bytes * channels;
        let tag: u16 = if float { 3 } else { 1 };
        let extensible = channels > 2;
        let mut format = Vec::with_capacity(40);
        format.extend_from_slice(&if extensible { 0xFFFE } else { tag }.to_le_bytes());
        format.extend_from_slice(&channels.to_le_bytes());
        format.extend_from_slice(&info.rate.to_le_bytes());
        format.extend_from_slice(&(info.rate.saturating_mul(u32::from(frame))).to_le_bytes());
        format.extend_from_slice(&frame.to_le_bytes());
        format.extend_from_slice(&depth.bits().to_le_bytes());
        if extensible {
            format.extend_from_slice(&22_u16.to_le_bytes());
            format.extend_from_slice(&depth.bits().to_le_bytes());
            format.extend_from_slice(&info.mask.unwrap_or(0).to_le_bytes());
            format.extend_from_slice(&tag.to_le_bytes());
            // The rest of the GUIDs KSDATAFORMAT_SUBTYPE_PCM and _IEEE_FLOAT.
            format.extend_from_slice(&[0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        } else if float {
            format.extend_from_slice(&0_u16.to_le_bytes());
        }
        let mut file = BufWriter::with_capacity(1 << 16, file);
        file.write_all(b"RIFF\0\0\0\0WAVE").map_err(writing)?;
        let (before, after) = info.chunks.clone().unwrap_or_default();
        // Room for ds64, unless the file is sure to stay small (EBU Tech 3306, section 3.2).
        let extra: u64 = before.iter().chain(&after).map(|chunk| chunk.length + 9).sum();
        let expected = info.frames.map(|frames| frames.saturating_mul(u64::from(frame)).saturating_add(extra + 1024));
        if expected.is_none_or(|bytes| bytes > most) {
            chunk(&mut file, b"JUNK", &[0; DS64 as usize])?;
        }
        chunk(&mut file, b"fmt ", &format)?;
        let mut fact_at = None;
        if float || extensible {
            fact_at = Some(file.stream_position().map_err(writing)? + 8);
            chunk(&mut file, b"fact", &[0; 4])?;
        }
        let mut original = if info.chunks.is_some() { Some(File::open(original).map_err(super::failure::reading)?) } else { None };
        for from in &before {
            copy(&mut original, from, &mut file)?;
        }
        if info.chunks.is_none()
            && let Some(list) = tags::to_list(&info.tags)
        {
            chunk(&mut file, b"LIST", &list)?;
        }
        file.write_all(b"data\0\0\0\0").map_err(writing)?;
        let data_at = file.stream_position().map_err(writing)?;
        let quantiser = store.quantiser(info);
        let frame = u64::from(frame);
        Ok(Self {
            file,
            depth,
            quantiser,
            frame,
            data_at,
            fact_at,
            written: 0,
            most,
            after,
            original,
            integers: Vec::new(),
            bytes: Vec::new(),
        })
    }

    fn write(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        self.bytes.clear();
        match self.depth {
            Depth::F32 => {
                for frame in 0..block.first().map_or(0, |samples| samples.len()) {
                    block.iter().for_each(|samples| self.bytes.extend_from_slice(&samples[frame].to_le_bytes()));
                }
            }
            Depth::I16 | Depth::I24 => {
                let bytes = usize::from(self.depth.bits() / 8);
                self.quantiser.integers(block, &mut self.integers);
                self.integers.iter().for_each(|sample| self.bytes.extend_from_slice(&sample.to_le_bytes()[..bytes]));
            }
        }
        self.written += self.bytes.len() as u64;
        self.file.write_all(&self.bytes).map_err(writing)
    }

    fn finish(mut self) -> Result<u64, Failure> {
        if self.written % 2 == 1 {
            self.file.write_all(&[0]).map_err(writing)?;
        }
        for from in std::mem::take(&mut self.after) {
            copy(&mut self.original, &from, &mut self.file)?;
        }
        let end = self.file.stream_position().map_err(writing)?;
        let frames = self.written / self.frame;
        let large = end - 8 > self.most;
        let low = |size: u64| if large { u32::MAX } else { size as u32 }.to_le_bytes();
        let mut put = |at: u64, bytes: &[u8]| self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.write_all(bytes)).map_err(writing);
        if large {
            let mut sizes = b"ds64".to_vec();
            sizes.extend_from_slice(&DS64.to_le_bytes());
            for size in [end - 8, self.written, frames] {
                sizes.extend_from_slice(&size.to_le_bytes());
            }
            sizes.extend_from_slice(&0_u32.to_le_bytes());
            put(0, b"RF64")?;
            put(12, &sizes)?;
        }
        put(4, &low(end - 8))?;
        put(self.data_at - 4, &low(self.written))?;
        if let Some(at) = self.fact_at {
            put(at, &low(frames))?;
        }
        self.file.flush().map_err(writing)?;
        Ok(self.quantiser.clipped())
    }
}

/// A FLAC file being written.
pub struct FlacSink {
    writer: FlacSampleWriter<BufWriter<File>>,
    quantiser: Quantiser,
    integers: Vec<i32>,
}

fn flac(error: flac_codec::Error) -> Failure {
    match error {
        flac_codec::Error::Io(error) => writing(error),
        flac_codec::Error::NoSamples => Failure::new("would have no samples, which FLAC cannot tell; write WAV instead"),
        error => Failure::new(format!("does not fit into FLAC ({error}); write WAV instead")),
    }
}

impl FlacSink {
    fn new(file: File, store: Store, info: &Info) -> Result<Self, Failure> {
        // RFC 9639: at most 8 channels, rates below 2^20 Hz; floats have no place.
        let channels = u8::try_from(info.channels).ok().filter(|&channels| channels <= 8);
        let channels = channels.ok_or_else(|| {
            Failure::new(format!(
                "has {} channels and FLAC holds 8 at most; write WAV instead (-o NAME.wav or --format wav)",
                info.channels
            ))
        })?;
        let depth = if store.depth == Depth::F32 { Depth::I24 } else { store.depth };
        let mut options = Options::default();
        for block in info.flac_blocks.iter().cloned() {
            match block {
                Block::VorbisComment(comment) => options = options.comment(comment),
                Block::Picture(picture) => options = options.picture(picture),
                Block::Application(application) => options = options.application(application),
                Block::Cuesheet(cuesheet) => options = options.cuesheet(cuesheet),
                _ => {}
            }
        }
        if info.flac_blocks.is_empty() && !(info.tags.is_empty() && info.extras.chapters.is_empty()) {
            let chapters = info.extras.chapter_comments();
            let kept = info.tags.iter().filter(|(name, _)| !name.starts_with("CHAPTER"));
            let fields = kept.chain(&chapters).map(|(name, text)| format!("{name}={text}")).collect();
            options = options.comment(VorbisComment { vendor_string: concat!("Plainsong ", env!("CARGO_PKG_VERSION")).to_owned(), fields });
        }
        let file = BufWriter::with_capacity(1 << 16, file);
        let writer = FlacSampleWriter::new(file, options, info.rate, u32::from(depth.bits()), channels, None).map_err(flac)?;
        let quantiser = Store { depth, ..store }.quantiser(info);
        Ok(Self { writer, quantiser, integers: Vec::new() })
    }

    fn write(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        self.quantiser.integers(block, &mut self.integers);
        self.writer.write(&self.integers).map_err(flac)
    }

    fn finish(self) -> Result<u64, Failure> {
        let clipped = self.quantiser.clipped();
        self.writer.finalize().map_err(flac)?;
        Ok(clipped)
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;
    use sound_files::wave::Wave;

    /// The file becomes RF64 when it outgrows RIFF, known beforehand or not, and reads back.
    #[test]
    fn large_files_become_rf64() {
        let folder = std::env::temp_dir().join(format!("plainsong-rf64-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.wav");
        for frames in [None, Some(5000)] {
            let info = Info {
                rate: 48_000,
                channels: 1,
                frames,
                depth: Depth::I16,
                container: "wav",
                mask: None,
                chunks: None,
                flac_blocks: Vec::new(),
                tags: vec![("TITLE".into(), "Long".into())],
                extras: Default::default(),
                warning: None,
            };
            let mut sink = WavSink::new(
                File::create(&path).unwrap(),
                Store { depth: Depth::I16, dither: Dither::Tpdf, spend: None },
                &info,
                &path,
                4_000,
            )
            .unwrap();
            let samples: Vec<f32> = (0..5000).map(|n| n as f32 / 32_768.0).collect();
            sink.write(&[&samples]).unwrap();
            sink.finish().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(&bytes[..8], b"RF64\xff\xff\xff\xff");
            assert_eq!(&bytes[12..16], b"ds64");
            let mut wave = Wave::open(&path, false).unwrap().unwrap();
            assert_eq!(wave.info().frames, Some(5000));
            assert_eq!(wave.info().tags.len(), 1);
            let mut block = vec![Vec::new()];
            assert_eq!(wave.read(&mut block, 8000).unwrap(), 5000);
            assert_eq!(block[0], samples);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
