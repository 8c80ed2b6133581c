//! The edit list of an MP4 file: which of the decoded samples are the sound, and which are the
//! encoder's delay and padding (ISO/IEC 14496-12, section 8.6.6).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Longest `moov` box that is read: the tables of about a day.
const MAX_MOOV: u64 = 64 << 20;

/// The part of a track that is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Samples to drop at the start.
    pub skip: u64,
    /// Samples to keep behind them.
    pub frames: u64,
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

/// The boxes in a body: name and body.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::try_from(number(bytes.get(..4)?)).ok()?;
        let name = bytes.get(4..8)?;
        let body = bytes.get(8..length)?;
        bytes = &bytes[length..];
        Some((name, body))
    })
}

fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    let (first, rest) = path.split_first()?;
    let (_, body) = boxes(bytes).find(|(name, _)| name == *first)?;
    if rest.is_empty() { Some(body) } else { find(body, rest) }
}

/// Time scale and duration of an `mvhd` or `mdhd` box, of version 0 or 1.
fn times(header: &[u8]) -> Option<(u64, u64)> {
    if *header.first()? == 1 {
        Some((number(header.get(20..24)?), number(header.get(24..32)?)))
    } else {
        Some((number(header.get(12..16)?), number(header.get(16..20)?)))
    }
}

/// The edit of the first track of sound in the body of a `moov` box, when it has one edit and counts time
/// in samples of this rate.
fn edit(moov: &[u8], rate: u32) -> Option<Edit> {
    let (movie_scale, _) = times(find(moov, &[b"mvhd"])?)?;
    let is_sound = |body: &[u8]| find(body, &[b"mdia", b"hdlr"]).and_then(|handler| handler.get(8..12)) == Some(b"soun");
    let (_, track) = boxes(moov).find(|(name, body)| name == b"trak" && is_sound(body))?;
    let (scale, duration) = times(find(track, &[b"mdia", b"mdhd"])?)?;
    let list = find(track, &[b"edts", b"elst"])?;
    let (segment, start) = match (*list.first()?, number(list.get(4..8)?)) {
        (0, 1) => (number(list.get(8..12)?), number(list.get(12..16)?)),
        (1, 1) => (number(list.get(8..16)?), number(list.get(16..24)?)),
        _ => return None,
    };
    if scale != u64::from(rate) || movie_scale == 0 || start >= duration {
        return None;
    }
    // The segment's length is rounded to the movie's coarse time scale; the media's own length is exact.
    let coarse = (segment + 1).saturating_mul(scale) / movie_scale;
    Some(Edit { skip: start, frames: coarse.min(duration - start) })
}

/// The edit of an MP4 file at a sample rate; none when it has none that is known.
pub fn read(path: &Path, rate: u32) -> Option<Edit> {
    let mut file = File::open(path).ok()?;
    let end = file.seek(SeekFrom::End(0)).ok()?;
    let mut at = 0;
    while at + 8 <= end {
        let mut header = [0_u8; 16];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut header[..8]).ok()?;
        let (mut length, mut begin) = (number(&header[..4]), 8);
        match length {
            0 => length = end - at,
            1 => {
                file.read_exact(&mut header[8..]).ok()?;
                (length, begin) = (number(&header[8..]), 16);
            }
            _ => {}
        }
        if length < begin || length > end - at {
            return None;
        }
        if &header[4..8] == b"moov" {
            if length > MAX_MOOV {
                return None;
            }
            let mut moov = vec![0; usize::try_from(length - begin).ok()?];
            file.seek(SeekFrom::Start(at + begin)).ok()?;
            file.read_exact(&mut moov).ok()?;
            return edit(&moov, rate);
        }
        at += length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
    }

    #[test]
    fn delay_and_padding_are_found() {
        let header = |scale: u32, duration: u32| [&[0; 12][..], &scale.to_be_bytes(), &duration.to_be_bytes()].concat();
        let list = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &500_u32.to_be_bytes(), &1024_u32.to_be_bytes(), &[0, 1, 0, 0]].concat();
        let mdia = [boxed(b"mdhd", &header(48_000, 25_024)), boxed(b"hdlr", b"\0\0\0\0\0\0\0\0soun")].concat();
        let track = [boxed(b"edts", &boxed(b"elst", &list)), boxed(b"mdia", &mdia)].concat();
        let moov = [boxed(b"mvhd", &header(1000, 522)), boxed(b"trak", &track)].concat();
        assert_eq!(edit(&moov, 48_000), Some(Edit { skip: 1024, frames: 24_000 }));
        assert_eq!(edit(&moov, 44_100), None);
        for cut in 0..moov.len() {
            edit(&moov[..cut], 48_000);
        }
    }
}
