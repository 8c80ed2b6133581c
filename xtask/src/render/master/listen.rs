//! A pass over a file that only listens: for the features of a song, a reference, or `analyse`.

use crate::render::failure::Failure;
use crate::render::source::{self, Info};
use dsp_core::analysis::Analyser;
use dsp_core::dynamics::forecast::Probe;
use dsp_core::processor::Format;
use dsp_core::units::Hz;
use std::path::Path;
use std::time::{Duration, Instant};

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

/// What was heard.
pub struct Heard {
    /// With everything that was measured.
    pub analyser: Analyser,
    /// What the file is.
    pub info: Info,
    /// One line each.
    pub warnings: Vec<String>,
    /// Loudness and peaks for a forecast, where the file tells its length.
    pub probe: Option<Probe>,
    /// Time that the analysis took, without reading and decoding.
    pub took: Duration,
}

/// Hears a part of a file, with a probe where one is wanted; `progress` is told the share that is done.
///
/// # Errors
/// When the file cannot be read, or its format is out of range.
pub fn listen(path: &Path, part: Part, probed: bool, allow_truncated: bool, progress: &dyn Fn(f64)) -> Result<Heard, Failure> {
    let mut source = source::open(path, allow_truncated)?;
    let info = source.info().clone();
    let format = Format::new(Hz(f64::from(info.rate)), info.channels)?;
    let mut analyser = Analyser::new(format)?;
    let length = info.frames.filter(|_| probed).map(|frames| frames as f64 / f64::from(info.rate));
    let mut probe = length.map(|seconds| Probe::new(format, seconds)).transpose()?;
    let samples = |seconds: f64| (seconds.max(0.0) * f64::from(info.rate)) as u64;
    let (from, to) = (samples(part.from), part.to.map_or(u64::MAX, samples));
    let mut block: Vec<Vec<f32>> = vec![Vec::with_capacity(BLOCK); info.channels];
    let mut took = Duration::ZERO;
    let mut at = 0_u64;
    while at < to {
        let frames = source.read(&mut block, BLOCK)? as u64;
        if frames == 0 {
            break;
        }
        let first = from.saturating_sub(at).min(frames) as usize;
        let end = (to - at).min(frames) as usize;
        let pieces: Vec<&[f32]> = block.iter().map(|channel| channel.get(first..end).unwrap_or_default()).collect();
        let started = Instant::now();
        analyser.process(&pieces);
        took += started.elapsed();
        if let Some(probe) = &mut probe {
            probe.process(&pieces);
        }
        at += frames;
        if let Some(length) = info.frames.map(|length| length.min(to)).filter(|&length| length > 0) {
            progress((at as f64 / length as f64).min(1.0));
        }
    }
    Ok(Heard { analyser, probe, info, warnings: source.warnings(), took })
}
