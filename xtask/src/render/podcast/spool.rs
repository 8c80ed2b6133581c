//! Sound put aside between two passes: raw floats in a file that nobody sees.

use crate::render::failure::{Failure, reading, writing};
use crate::render::place;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Frames of interleaved 32-bit floats.
pub struct Spool {
    file: File,
    writer: Option<BufWriter<File>>,
    channels: usize,
    frames: u64,
    bytes: Vec<u8>,
    /// Removes the file where it could not be unlinked while open.
    _draft: Option<place::Draft>,
}

impl Spool {
    /// An empty one on the disk where `beside` lies.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new(beside: &Path, channels: usize) -> Result<Self, Failure> {
        let (draft, file) = place::Draft::new(beside)?;
        // Unlinked at once, so that not even a killed process leaves it.
        let draft = if cfg!(unix) {
            drop(draft);
            None
        } else {
            Some(draft)
        };
        let writer = BufWriter::with_capacity(1 << 18, file.try_clone().map_err(writing)?);
        Ok(Self { file, writer: Some(writer), channels, frames: 0, bytes: Vec::new(), _draft: draft })
    }

    /// Number of frames written.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Adds a block, `block[channel][sample]`.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        let frames = block.first().map_or(0, |samples| samples.len());
        self.bytes.clear();
        self.bytes.reserve(frames * self.channels * 4);
        for n in 0..frames {
            for samples in block {
                self.bytes.extend_from_slice(&samples[n].to_le_bytes());
            }
        }
        self.frames += frames as u64;
        match &mut self.writer {
            Some(writer) => writer.write_all(&self.bytes).map_err(writing),
            None => Err(Failure::new("was written to after it was read; please report this")),
        }
    }

    /// Ends the writing.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn close(&mut self) -> Result<(), Failure> {
        self.writer.take().map_or(Ok(()), |mut writer| writer.flush().map_err(writing))
    }

    /// Replaces the contents of `block[channel]` by `frames` frames from `from` on; silence stands for what is
    /// not there, before the start and behind the end.
    ///
    /// # Errors
    /// When the disk does not give it.
    pub fn read(&mut self, from: i64, frames: usize, block: &mut [Vec<f32>]) -> Result<(), Failure> {
        self.close()?;
        let first = from.clamp(0, self.frames as i64);
        let last = from.saturating_add(frames as i64).clamp(first, self.frames as i64);
        let wide = 4 * self.channels;
        self.bytes.clear();
        self.bytes.resize((last - first) as usize * wide, 0);
        self.file.seek(SeekFrom::Start(first as u64 * wide as u64)).map_err(reading)?;
        self.file.read_exact(&mut self.bytes).map_err(reading)?;
        let before = (first - from).clamp(0, frames as i64) as usize;
        for (channel, samples) in block.iter_mut().enumerate() {
            samples.clear();
            samples.resize(before, 0.0);
            samples
                .extend(self.bytes.as_chunks::<4>().0.iter().skip(channel).step_by(self.channels).map(|bytes| f32::from_le_bytes(*bytes)));
            samples.resize(frames, 0.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_aside_comes_back() {
        let folder = std::env::temp_dir().join(format!("plainsong-spool-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut spool = Spool::new(&folder.join("a.wav"), 2).unwrap();
        if cfg!(unix) {
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is to be seen");
        }
        let ramp = |from: i32| (from..from + 5).map(|n| n as f32).collect::<Vec<_>>();
        spool.write(&[&ramp(0), &ramp(100)]).unwrap();
        spool.write(&[&ramp(5), &ramp(105)]).unwrap();
        let mut block = vec![Vec::new(), Vec::new()];
        spool.read(3, 4, &mut block).unwrap();
        assert_eq!(block, [vec![3.0, 4.0, 5.0, 6.0], vec![103.0, 104.0, 105.0, 106.0]]);
        spool.read(-2, 4, &mut block).unwrap();
        assert_eq!(block[0], [0.0, 0.0, 0.0, 1.0]);
        spool.read(8, 4, &mut block).unwrap();
        assert_eq!(block[1], [108.0, 109.0, 0.0, 0.0]);
        spool.read(40, 2, &mut block).unwrap();
        assert_eq!(block[1], [0.0, 0.0]);
        drop(spool);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
