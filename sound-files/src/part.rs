//! A piece of a file, and who hears it.

use crate::failure::Failure;
use crate::source::Source;

/// Samples of one channel that are read at a time.
pub const BLOCK: usize = 8_192;

/// A piece of a file in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// From here.
    pub from: f64,
    /// To here; none is the end.
    pub to: Option<f64>,
}

impl Part {
    /// All of it.
    pub const WHOLE: Self = Self { from: 0.0, to: None };
}

/// Reads a file to its end. `each` gets every block whole, the range of it that belongs to the part, and how
/// many samples came before; it says whether to go on. True at the end, false where `each` broke off.
///
/// # Errors
/// When the file cannot be read or decoded on.
pub fn read(
    source: &mut dyn Source,
    part: Part,
    mut each: impl FnMut(&[Vec<f32>], std::ops::Range<usize>, u64) -> bool,
) -> Result<bool, Failure> {
    let rate = f64::from(source.info().rate);
    let samples = |seconds: f64| (seconds.max(0.0) * rate) as u64;
    let (from, to) = (samples(part.from), part.to.map_or(u64::MAX, samples));
    let mut block: Vec<Vec<f32>> = vec![Vec::with_capacity(BLOCK); source.info().channels];
    let mut at = 0_u64;
    loop {
        let frames = source.read(&mut block, BLOCK)? as u64;
        if frames == 0 {
            return Ok(true);
        }
        let first = from.saturating_sub(at).min(frames);
        let end = to.saturating_sub(at).min(frames).max(first);
        if !each(&block, first as usize..end as usize, at) {
            return Ok(false);
        }
        at += frames;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source;

    /// A WAV file of 16 bits with the numbers of its samples.
    fn ramp(path: &std::path::Path, rate: u32, frames: u32) {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(b"RIFF");
        bytes.extend_from_slice(&(36 + 2 * frames).to_le_bytes());
        bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        bytes.extend_from_slice(&rate.to_le_bytes());
        bytes.extend_from_slice(&(2 * rate).to_le_bytes());
        bytes.extend_from_slice(b"\x02\0\x10\0data");
        bytes.extend_from_slice(&(2 * frames).to_le_bytes());
        (0..frames).for_each(|n| bytes.extend_from_slice(&(n as i16).to_le_bytes()));
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_part_is_cut_to_the_sample() {
        let path = std::env::temp_dir().join(format!("plainsong-part-{}.wav", std::process::id()));
        ramp(&path, 1_000, 20_000);
        for (part, expected) in [
            (Part::WHOLE, 0..20_000),
            (Part { from: 1.5, to: Some(2.0) }, 1_500..2_000),
            (Part { from: 8.0, to: None }, 8_000..20_000),
            (Part { from: 30.0, to: Some(40.0) }, 0..0),
        ] {
            let mut heard = Vec::new();
            let mut opened = source::open(&path, false).unwrap();
            let whole = read(opened.as_mut(), part, |block, range, _| {
                heard.extend(block[0][range].iter().map(|x| (x * 32_768.0) as usize));
                true
            });
            assert_eq!(whole, Ok(true));
            assert_eq!(heard, expected.collect::<Vec<_>>());
        }
        let mut opened = source::open(&path, false).unwrap();
        assert_eq!(read(opened.as_mut(), Part::WHOLE, |_, _, at| at < 8_192), Ok(false));
        let _ = std::fs::remove_file(path);
    }
}
