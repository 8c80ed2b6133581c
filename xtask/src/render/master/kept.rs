//! What comes to the limiter, kept, so that a pass of the limiter is all that a pass costs.

use crate::render::engine::Values;
use crate::render::failure::Failure;
use crate::render::source::{Info, Source};
use dsp_core::engines::master::MasterMoves;
use dsp_core::params::FromValues;
use std::sync::Arc;

/// Samples of all channels that are kept: 256 MiB, 12 minutes of stereo at 48 kHz. Of what is longer nothing is.
const MOST: u64 = 1 << 26;

/// A file's sound behind the stages before the limiter.
pub struct Kept {
    info: Info,
    warnings: Vec<String>,
    audio: Arc<Vec<Vec<f32>>>,
}

impl Kept {
    /// For a file, where it tells its length and is not too long.
    pub fn begin(info: &Info) -> Option<Vec<Vec<f32>>> {
        let frames = info.frames.filter(|&frames| frames.saturating_mul(info.channels as u64) <= MOST)?;
        Some(vec![Vec::with_capacity(usize::try_from(frames).ok()?); info.channels])
    }

    /// When the file has been heard.
    pub fn new(source: &dyn Source, audio: Vec<Vec<f32>>) -> Self {
        Self { info: source.info().clone(), warnings: source.warnings(), audio: Arc::new(audio) }
    }

    /// To be read like the file.
    pub fn source(&self) -> Box<dyn Source> {
        Box::new(Again { info: self.info.clone(), warnings: self.warnings.clone(), audio: Arc::clone(&self.audio), at: 0 })
    }
}

/// Values of the chain that do to what is kept what is left to be done.
pub fn rest(values: &Values) -> Values {
    let whole = MasterMoves::from_values(values);
    let rest =
        MasterMoves { limiter_on: whole.limiter_on, limiter_drive: whole.limiter_drive, limit: whole.limit, ..MasterMoves::default() };
    rest.to_values()
}

struct Again {
    info: Info,
    warnings: Vec<String>,
    audio: Arc<Vec<Vec<f32>>>,
    at: usize,
}

impl Source for Again {
    fn info(&self) -> &Info {
        &self.info
    }

    fn read(&mut self, block: &mut [Vec<f32>], most: usize) -> Result<usize, Failure> {
        let length = self.audio.first().map_or(0, Vec::len);
        let to = length.min(self.at + most);
        for (block, samples) in block.iter_mut().zip(self.audio.iter()) {
            block.clear();
            block.extend_from_slice(&samples[self.at..to]);
        }
        Ok(to - std::mem::replace(&mut self.at, to))
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}
