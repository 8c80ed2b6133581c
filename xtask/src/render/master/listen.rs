//! A pass over a file that only listens: for the features of a song, a reference, or `analyse`.

use super::excerpts::Excerpts;
use crate::render::failure::Failure;
use crate::render::source::{self, Info};
use dsp_core::analysis::Analyser;
use dsp_core::dynamics::forecast::Probe;
use dsp_core::processor::Format;
use dsp_core::units::Hz;
use sound_files::part::{self, Part};
use std::path::Path;
use std::time::{Duration, Instant};

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
    /// Cut-outs of a song that is to be mastered, where the file tells its length.
    pub excerpts: Option<Excerpts>,
    /// Time that the analysis took, without reading and decoding.
    pub took: Duration,
}

/// What a file is heard for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heed {
    /// All features.
    All,
    /// All features, and what forecasts and first looks are made of.
    Song,
    /// What songs are matched by ([`Analyser::for_matching`]).
    Match,
}

/// Seconds of a long reference that are heard, and then passed over but for their loudness, by turns: half of a song
/// has its spectrum, width and dynamics.
const TURN: f64 = 4.0;
/// A reference or part of one that is no longer, in seconds, is heard whole.
const WHOLE: f64 = 30.0;

/// Hears a part of a file; `progress` is told the share that is done.
///
/// # Errors
/// When the file cannot be read, or its format is out of range.
pub fn listen(path: &Path, part: Part, heed: Heed, allow_truncated: bool, progress: &dyn Fn(f64)) -> Result<Heard, Failure> {
    let mut source = source::open(path, allow_truncated)?;
    let info = source.info().clone();
    let format = Format::new(Hz(f64::from(info.rate)), info.channels)?;
    let mut analyser = if heed == Heed::Match { Analyser::for_matching(format)? } else { Analyser::new(format)? };
    let song = info.frames.filter(|_| heed == Heed::Song);
    let mut excerpts = song.map(|frames| Excerpts::of(info.rate, info.channels, frames));
    let seconds = song.map(|frames| frames as f64 / f64::from(info.rate));
    let mut probe = seconds.map(|seconds| Probe::new(format, seconds)).transpose()?;
    let samples = |seconds: f64| (seconds.max(0.0) * f64::from(info.rate)) as u64;
    let to = part.to.map_or(u64::MAX, samples);
    let length = info.frames.map(|length| length.min(to)).filter(|&length| length > 0);
    let mut took = Duration::ZERO;
    let from = samples(part.from);
    let turns =
        (heed == Heed::Match && length.is_some_and(|length| length.saturating_sub(from) > samples(WHOLE))).then(|| samples(TURN).max(1));
    part::read(source.as_mut(), part, |block, range, at| {
        let pieces: Vec<&[f32]> = block.iter().map(|channel| &channel[range.clone()]).collect();
        let started = Instant::now();
        match turns {
            Some(turn) if (at.saturating_sub(from) / turn) % 2 == 1 => analyser.pass(&pieces),
            _ => analyser.process_probed(&pieces, probe.as_mut()),
        }
        took += started.elapsed();
        if let Some(excerpts) = &mut excerpts {
            excerpts.add(&pieces);
        }
        let done = at + block.first().map_or(0, |channel| channel.len() as u64);
        if let Some(length) = length {
            progress((done as f64 / length as f64).min(1.0));
        }
        done < to
    })?;
    Ok(Heard { analyser, probe, excerpts, info, warnings: source.warnings(), took })
}
