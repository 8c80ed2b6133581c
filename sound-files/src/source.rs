//! Where sound comes from: any file that can be decoded, as planar `f32` in blocks.

use crate::chapters::Extras;
use crate::failure::{Failure, reading};
use crate::packets::Packets;
use crate::tags::Tags;
use crate::wave::{self, Chunk, Wave};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Endings of files that are taken for sound where many are looked through; opening one never asks for it.
const EXTENSIONS: [&str; 18] =
    ["wav", "wave", "bwf", "rf64", "bw64", "flac", "mp3", "ogg", "oga", "opus", "m4a", "m4b", "mp4", "aac", "aif", "aiff", "aifc", "caf"];

/// True when a file's name ends as those of sound do.
pub fn is_sound(path: &Path) -> bool {
    let Some(extension) = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase) else { return false };
    EXTENSIONS.contains(&extension.as_str())
}

/// How a sample is stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 16-bit integers.
    I16,
    /// 24-bit integers.
    I24,
    /// 32-bit floats.
    F32,
}

impl Depth {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::I16, Self::I24, Self::F32];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|depth| depth.name() == name)
    }

    /// Bits of a sample.
    pub const fn bits(self) -> u16 {
        match self {
            Self::I16 => 16,
            Self::I24 => 24,
            Self::F32 => 32,
        }
    }

    /// As in `--bits`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I16 => "16",
            Self::I24 => "24",
            Self::F32 => "32f",
        }
    }
}

/// What is known of a file before its sound is read.
#[derive(Clone, Debug)]
pub struct Info {
    /// Sample rate in hertz.
    pub rate: u32,
    /// Number of channels.
    pub channels: usize,
    /// Length in samples of one channel, where the file tells it.
    pub frames: Option<u64>,
    /// The depth that keeps what the file holds.
    pub depth: Depth,
    /// Container or codec, in a word.
    pub container: &'static str,
    /// Speaker positions as in `WAVEFORMATEXTENSIBLE`.
    pub mask: Option<u32>,
    /// Chunks of a WAV file before and behind its sound.
    pub chunks: Option<(Vec<Chunk>, Vec<Chunk>)>,
    /// Blocks of a FLAC file that are copied to FLAC.
    pub flac_blocks: Vec<flac_codec::metadata::Block>,
    /// Title, artist and so on.
    pub tags: Tags,
    /// Chapters, pictures and an ID3 tag.
    pub extras: Extras,
    /// What a user should know about the file, though it can be read.
    pub warning: Option<String>,
}

/// A file being decoded.
pub trait Source {
    /// What is known of it.
    fn info(&self) -> &Info;

    /// Replaces the contents of `block[channel]` by the next samples, at most `most`, and returns how
    /// many there are; 0 is the end.
    ///
    /// # Errors
    /// When the file cannot be read or decoded on.
    fn read(&mut self, block: &mut [Vec<f32>], most: usize) -> Result<usize, Failure>;

    /// What a user should know, after the end.
    fn warnings(&self) -> Vec<String>;
}

/// Opens a file by what it holds; its name does not matter.
///
/// # Errors
/// When it cannot be read, is empty, is no sound that is known, or is damaged.
pub fn open(path: &Path, allow_truncated: bool) -> Result<Box<dyn Source>, Failure> {
    let mut head = Vec::new();
    let metadata = std::fs::metadata(path).map_err(reading)?;
    if metadata.is_dir() {
        return Err(Failure::new("is a folder where a file is expected"));
    }
    File::open(path).map_err(reading)?.take(4096).read_to_end(&mut head).map_err(reading)?;
    if head.is_empty() {
        return Err(Failure::new("is empty; get a whole copy of it"));
    }
    if wave::is_wave(&head)
        && let Some(source) = Wave::open(path, allow_truncated)?
    {
        return Ok(Box::new(source));
    }
    match container(&head) {
        Some(container) => Ok(Box::new(Packets::open(path, container, allow_truncated)?)),
        None => {
            Err(Failure::new("is not sound that can be read (WAV, FLAC, MP3, Ogg Vorbis, Opus, AAC, AIFF or CAF); convert it to WAV first"))
        }
    }
}

/// What a file's first bytes say it is.
fn container(head: &[u8]) -> Option<&'static str> {
    let at = |from: usize, magic: &[u8]| head.get(from..from + magic.len()) == Some(magic);
    let starts = |magic| at(0, magic);
    if wave::is_wave(head) {
        Some("wav")
    } else if starts(b"fLaC") {
        Some("flac")
    } else if starts(b"OggS") {
        Some("ogg")
    } else if starts(b"ID3") {
        Some("mp3")
    } else if starts(b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) {
        Some("aiff")
    } else if starts(b"caff") {
        Some("caf")
    } else if at(4, b"ftyp") {
        Some("m4a")
    } else if let &[0xFF, second, third, ..] = head {
        // MPEG audio: 11 bits of sync, then version, layer, rate; layer 0 is AAC's ADTS.
        match (second & 0xE0, (second >> 1) & 3, (second >> 3) & 3) {
            (0xE0, 0, _) if second & 0xF6 == 0xF0 => Some("aac"),
            (0xE0, 1, version) if version != 1 && third >> 4 != 15 && (third >> 2) & 3 != 3 => Some("mp3"),
            _ => None,
        }
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::container;

    #[test]
    fn contents_are_known_by_their_first_bytes() {
        assert_eq!(container(b"fLaC\0\0\0\x22"), Some("flac"));
        assert_eq!(container(b"\0\0\0\x20ftypM4A "), Some("m4a"));
        assert_eq!(container(&[0xFF, 0xFB, 0x90, 0x64]), Some("mp3"));
        assert_eq!(container(&[0xFF, 0xF1, 0x50, 0x80]), Some("aac"));
        assert_eq!(container(b"hello, this is text"), None);
        assert_eq!(container(&[0xFF]), None);
    }
}
