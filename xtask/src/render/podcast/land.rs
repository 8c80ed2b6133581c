//! The last steps of an episode: cuts, gain, limiter, encoder, until loudness and peaks of the file are right.
//!
//! ```text
//! spool ─▶ cuts ─▶ probe ─▶ gain ─┐
//!   └────▶ cuts ─▶ gain ─▶ limiter ─▶ dips ─▶ encoder ─▶ draft ─▶ decoder ─▶ meter ─▶ right? ─▶ no: other gain, dips
//! ```
//!
//! A lossy encoder changes loudness by hundredths of a LU, and peaks by tenths of a decibel and more. So what is
//! measured is the finished file, decoded; what a lossless format stores is measured on its way. The few peaks that are
//! over the ceiling then are turned down where they are ([`dips`](super::dips)); where there are many the limiter's
//! ceiling is lowered.

use super::dips::{Dips, Finder};
use super::edit::Edit;
use super::spool::Spool;
use crate::render::failure::Failure;
use crate::render::levels::{self, Levels};
use crate::render::place::Draft;
use crate::render::sink::{FileFormat, Sink, Store};
use crate::render::source::{self, Info};
use dsp_core::dynamics::forecast::Probe;
use dsp_core::dynamics::limiter::{Limit, TruePeakLimiter};
use dsp_core::loudness::{Meter, Reading};
use dsp_core::processor::Format;
use dsp_core::realtime::FlushDenormals;
use dsp_core::units::{Db, Hz};
use std::path::Path;

/// Loudness nearer than this to what was asked for is there, LU: less than the 0.1 that is promised by more than
/// meters differ.
const THERE_LU: f64 = 0.085;
/// The limiter's ceiling is lowered by a file's excess and this, dB: an encoder makes other peaks the next time.
const STEP_DB: f64 = 0.15;
/// Most files that are written to find the right one.
const PASSES: usize = 5;
/// Gains that are looked for, dB.
const GAINS: (Db, Db) = (Db(-40.0), Db(40.0));
/// Samples of one channel that are decoded at a time.
const BLOCK: usize = 8_192;
/// Seconds from one value of loudness over time to the next.
pub const STEP: f64 = 0.5;

/// Room that the limiter leaves for what an encoder does to peaks, dB: so one file is mostly enough, and else a
/// second one with some dips.
const fn room(format: FileFormat) -> f64 {
    match format {
        FileFormat::Mp3 => 0.8,
        FileFormat::Opus => 1.2,
        // What is left behind the limiter by rounding.
        FileFormat::Wav | FileFormat::Flac => 0.02,
    }
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// Integrated loudness, LUFS; none leaves the level and its peaks alone.
    pub loudness: Option<f64>,
    /// Highest true peak, dBTP.
    pub ceiling: f64,
}

/// How the file is written.
#[derive(Clone, Copy, Debug)]
pub struct Writing<'a> {
    /// Its place.
    pub place: &'a Path,
    /// What was read.
    pub input: &'a Path,
    /// Its format.
    pub format: FileFormat,
    /// Depth, dither, bits to spend.
    pub store: Store,
}

/// A finished file that is not yet in its place.
pub struct Landed {
    /// The file.
    pub draft: Draft,
    /// What its meter reads; of a lossy file, decoded.
    pub reading: Reading,
    /// Gain behind the chain, dB.
    pub gain_db: f64,
    /// What the limiter takes in the mean and deepest twentieth of the loud time, dB.
    pub reduction: (f64, f64),
    /// Ceiling that the limiter had in the end, dBTP.
    pub limiter_ceiling: f64,
    /// Places that were turned down for the encoder's peaks, and the deepest of them in dB.
    pub dips: (usize, f64),
    /// Loudness in LUFS and true peak in dBTP of each file that was written, the last of which stays.
    pub tries: Vec<(f64, f64)>,
    /// Samples that were limited to full scale.
    pub clipped: u64,
    /// The loudness could not be reached within the gains.
    pub short: bool,
    /// Loudness over time: seconds of the programme before cuts, short-term loudness in LUFS.
    pub curve: Vec<(f32, f32)>,
    /// What is heard on a page: the asked part of the programme without what was cut, `[channel][sample]`.
    pub excerpt: Vec<Vec<f32>>,
    /// RMS and peak of what was stored.
    pub levels: levels::Reading,
    /// Samples of one channel.
    pub length: u64,
}

/// Notes short-term loudness from time to time.
pub struct Curve {
    meter: Meter,
    due: f64,
    rate: f64,
    heard: u64,
    /// Seconds and LUFS.
    pub points: Vec<(f32, f32)>,
}

impl Curve {
    /// For a format.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn new(format: Format) -> Result<Self, Failure> {
        Ok(Self { meter: Meter::new(format)?.without_image(), due: STEP, rate: format.rate.0, heard: 0, points: Vec::new() })
    }

    /// Hears a block that lies at `seconds` of the programme.
    pub fn hear(&mut self, block: &[&[f32]], seconds: f64) {
        self.meter.process(block);
        self.heard += block.first().map_or(0, |samples| samples.len()) as u64;
        let now = self.heard as f64 / self.rate;
        if now >= self.due {
            self.due = now + STEP;
            if let Some(loudness) = self.meter.reading().short_term {
                self.points.push((seconds as f32, loudness as f32));
            }
        }
    }

    /// What the meter reads by now.
    pub fn reading(&self) -> Reading {
        self.meter.reading()
    }
}

/// Finishes a file; `excerpt` is a part of the programme, in seconds, that is kept to be heard.
///
/// # Errors
/// When the disk or the encoder does not take it; nothing is left then.
#[expect(clippy::too_many_arguments, reason = "one step of a pipeline, called once")]
pub fn land(
    spool: &mut Spool,
    edit: &Edit,
    info: &Info,
    goal: &Goal,
    writing: &Writing<'_>,
    heard: Option<Probe>,
    excerpt: Option<(f64, f64)>,
    progress: &dyn Fn(f64),
) -> Result<Landed, Failure> {
    let _flush = FlushDenormals::on();
    let format = Format::new(Hz(f64::from(info.rate)), info.channels)?;
    let probe = match (goal.loudness, heard) {
        (None, _) => None,
        (Some(_), Some(probe)) if edit.cuts.is_empty() => Some(probe),
        (Some(_), _) => {
            let mut probe = Probe::new(format, edit.length() as f64 / format.rate.0)?;
            edit.play(spool, &mut |block, _| {
                probe.process(&slices(block));
                Ok(())
            })?;
            Some(probe)
        }
    };
    let mut ceiling = goal.ceiling - room(writing.format);
    let mut correction = 0.0;
    let mut tries = Vec::new();
    let mut dips = Dips::default();
    loop {
        let limit = Limit { ceiling: Db(ceiling as f32), ..Limit::default() };
        let solution = match (&probe, goal.loudness) {
            (Some(probe), Some(loudness)) => probe.solve(&limit, loudness + correction, GAINS),
            _ => None,
        };
        // Without a goal, and of silence, the chain's own sound is what is stored.
        let gain = solution.map(|solution| solution.drive);
        let pass = Pass { format, limit, gain, info, writing, excerpt, dips: &dips, ceiling: goal.ceiling };
        let share = |share: f64| progress((tries.len() as f64 + share) / (tries.len() as f64 + 1.2));
        let (mut landed, found) = pass.write(spool, edit, &share)?;
        let (reached, peak) = (landed.reading.integrated, landed.reading.true_peak);
        tries.push((reached.unwrap_or(f64::NEG_INFINITY), peak.unwrap_or(f64::NEG_INFINITY)));
        landed.tries.clone_from(&tries);
        landed.reduction = solution.map_or((0.0, 0.0), |solution| (solution.forecast.mean_reduction, solution.forecast.deep_reduction));
        let (Some(target), Some(solution)) = (goal.loudness, solution) else { return Ok(landed) };
        landed.short = !solution.reached;
        let (Some(reached), Some(peak)) = (reached, peak) else { return Ok(landed) };
        let (over, off) = (peak - goal.ceiling, target - reached);
        if tries.len() >= PASSES || over <= 0.0 && (off.abs() <= THERE_LU || !solution.reached) {
            return Ok(landed);
        }
        let seconds = landed.length as f64 / format.rate.0;
        if over > 0.0 && !found.is_some_and(|found| dips.add(&found, seconds)) {
            ceiling -= over + STEP_DB;
        }
        correction += off;
    }
}

/// One file.
struct Pass<'a> {
    format: Format,
    limit: Limit,
    /// None writes what is there, without a limiter.
    gain: Option<Db>,
    info: &'a Info,
    writing: &'a Writing<'a>,
    excerpt: Option<(f64, f64)>,
    dips: &'a Dips,
    /// Of the goal, dBTP.
    ceiling: f64,
}

impl Pass<'_> {
    /// Writes the file; gives with it the peaks near the ceiling where it was decoded.
    fn write(&self, spool: &mut Spool, edit: &Edit, progress: &dyn Fn(f64)) -> Result<(Landed, Option<Finder>), Failure> {
        let output = self.writing.place;
        let about = |failure: Failure| failure.about(output);
        let (draft, file) = Draft::new(output).map_err(about)?;
        let mut sink = Sink::new(file, self.writing.format, self.writing.store, self.info, self.writing.input).map_err(about)?;
        let mut limiter = TruePeakLimiter::new(self.format);
        let latency = if self.gain.is_some() { limiter.latency() } else { 0 };
        let mut skip = latency;
        let lossy = self.writing.format.is_lossy();
        // A lossy file is measured when it is decoded: before it only a page wants to know.
        let mut curve = (!lossy || self.excerpt.is_some()).then(|| Curve::new(self.format)).transpose()?;
        let mut levels = Levels::new(self.info.rate, self.format.channels, false);
        let rate = self.format.rate.0;
        // In the time of the result.
        let place = |seconds: f64| edit.place_of(((seconds * rate) as u64).min(spool.frames()));
        let part = self.excerpt.map_or(0..0, |(from, to)| place(from)..place(to));
        let mut excerpt = vec![Vec::new(); self.format.channels];
        let mut written = 0_u64;
        let total = edit.length().max(1) as f64;
        let mut step = |block: &mut [Vec<f32>], at: u64| -> Result<(), Failure> {
            if let Some(gain) = self.gain {
                let gain = gain.to_linear();
                block.iter_mut().for_each(|samples| samples.iter_mut().for_each(|sample| *sample *= gain));
                limiter.process(&mut block.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>(), &self.limit);
            }
            let first = skip.min(block.first().map_or(0, Vec::len));
            skip -= first;
            if first > 0 {
                block.iter_mut().for_each(|samples| drop(samples.drain(..first)));
            }
            self.dips.apply(block, written, rate);
            let ready = slices(block);
            let frames = ready.first().map_or(0, |samples| samples.len());
            if let Some(curve) = &mut curve {
                curve.hear(&ready, (at as f64 - latency as f64) / rate);
            }
            sink.write(&ready).map_err(about)?;
            levels.add(&ready);
            let within = |at: u64| (at.clamp(written, written + frames as u64) - written) as usize;
            let range = within(part.start)..within(part.end);
            for (kept, samples) in excerpt.iter_mut().zip(&ready) {
                kept.extend_from_slice(&samples[range.clone()]);
            }
            written += frames as u64;
            progress(written as f64 / total * if lossy { 0.8 } else { 1.0 });
            Ok(())
        };
        let total_frames = spool.frames();
        edit.play(spool, &mut step)?;
        // Silence pushes out what the limiter still holds.
        let mut rest = vec![vec![0.0; latency]; self.format.channels];
        if latency > 0 {
            step(&mut rest, total_frames + latency as u64)?;
        }
        let clipped = sink.finish().map_err(about)?;
        let (reading, found) = match &curve {
            Some(curve) if !lossy => (curve.reading(), None),
            _ => decoded(draft.path(), self.info.channels, self.ceiling).map(|(reading, found)| (reading, Some(found)))?,
        };
        let landed = Landed {
            draft,
            reading,
            gain_db: self.gain.map_or(0.0, |gain| f64::from(gain.0)),
            reduction: (0.0, 0.0),
            limiter_ceiling: f64::from(self.limit.ceiling.0),
            dips: (self.dips.count(), self.dips.deepest_db()),
            tries: Vec::new(),
            clipped,
            short: false,
            curve: curve.map(|curve| curve.points).unwrap_or_default(),
            excerpt,
            levels: levels.reading(),
            length: written,
        };
        Ok((landed, found))
    }
}

/// What a meter reads of a finished file, and its peaks near a ceiling in dBTP.
fn decoded(path: &Path, channels: usize, ceiling: f64) -> Result<(Reading, Finder), Failure> {
    let broken = |why: String| Failure::new(format!("was encoded, and its decoder refuses it ({why}); write FLAC and please report this"));
    let mut file = source::open(path, false).map_err(|failure| broken(failure.to_string()))?;
    if file.info().channels != channels {
        return Err(broken("another number of channels".into()));
    }
    let format = Format::new(Hz(f64::from(file.info().rate)), channels)?;
    let mut meter = Meter::new(format)?.without_image();
    let mut finder = Finder::new(format.rate.0, channels, ceiling);
    let mut block: Vec<Vec<f32>> = vec![Vec::with_capacity(BLOCK); channels];
    while file.read(&mut block, BLOCK).map_err(|failure| broken(failure.to_string()))? > 0 {
        finder.hear(&slices(&block), &mut meter);
    }
    Ok((meter.reading(), finder))
}

fn slices(block: &[Vec<f32>]) -> Vec<&[f32]> {
    block.iter().map(Vec::as_slice).collect()
}
