//! How loud a limiter will make a programme, told from two numbers each half millisecond.
//!
//! ```text
//! audio before the limiter ─▶ K-weighted power, true peak, by step ─▶ Probe
//! drive, ceiling ─▶ the limiter's own envelope at 2 kHz ─▶ gains ─▶ gated loudness, reduction
//! ```
//!
//! A pass of the limiter over a song costs seconds; a forecast costs milliseconds and is off by some
//! hundredths of a LU (its test holds it to the limiter itself). So the drive that gives a loudness is
//! found here, and confirmed by one real pass.

use super::envelope::Envelope;
use super::limiter::{LONGEST, Limit, SHORTEST};
use crate::loudness::RELATIVE_GATE;
use crate::loudness::front::Front;
use crate::loudness::gate::Blocks;
use crate::loudness::true_peak::CHUNK;
use crate::processor::{Error, Format};
use crate::realtime::FlushDenormals;
use crate::sample::largest;
use crate::units::Db;

/// Steps in a second.
const STEPS: f64 = 2_000.0;
/// Steps by which the look-ahead is taken shorter: the largest peak of a step stands for all of it, and a
/// hold has two steps at its ends.
const COARSE: usize = 2;
/// Steps of a gating block and from one to the next: 400 and 100 ms (BS.1770-5).
const BLOCK: usize = (0.4 * STEPS) as usize;
const HOP: usize = BLOCK / 4;
/// Loudness is found to this, LU.
const CLOSE_LU: f64 = 0.003;
/// Most forecasts to find a drive.
const TRIES: usize = 40;
/// Least slope of loudness over drive that is believed: a limiter that takes all that is added.
const LEAST_SLOPE: f64 = 0.02;
/// Where a loudness is out of reach, drive is taken back in these steps, decibels, as long as a step costs less than
/// so much, LU.
const BACK_DB: f64 = 1.0;
const AS_NEAR_LU: f64 = 0.02;
/// The share of the time that a large reduction is told for: the deepest twentieth of it.
const DEEP: f64 = 0.95;

/// Half a millisecond.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// Sum of the weighted squares of all channels.
    power: f32,
    /// True peak of all channels, linear.
    peak: f32,
}

/// The steps of a programme, a ring: of what is longer than it was made for the oldest is forgotten.
#[derive(Clone, Debug)]
struct Ring {
    rate: f64,
    /// Samples and steps since the reset.
    position: u64,
    count: u64,
    power: f64,
    peak: f32,
    steps: Vec<Step>,
}

impl Ring {
    fn reset(&mut self) {
        (self.position, self.count, self.power, self.peak) = (0, 0, 0.0, 0.0);
    }

    /// Adds what was computed of a chunk.
    fn add(&mut self, front: &Front) {
        let squares = front.squares();
        let mut at = 0;
        while at < squares.len() {
            let boundary = ((self.count + 1) as f64 * self.rate / STEPS).round() as u64;
            let left = usize::try_from(boundary.saturating_sub(self.position)).unwrap_or(squares.len()).max(1);
            let end = squares.len().min(at + left);
            // One after the other, so that it does not matter where a chunk ends.
            self.power = squares[at..end].iter().fold(self.power, |power, square| power + square);
            for channel in 0..front.channels() {
                let intervals = front.intervals(channel);
                self.peak = self.peak.max(largest(&intervals.coarse()[at..end]));
            }
            self.position += (end - at) as u64;
            if self.position >= boundary {
                let place = (self.count % self.steps.len() as u64) as usize;
                self.steps[place] = Step { power: self.power as f32, peak: self.peak };
                (self.power, self.peak) = (0.0, 0.0);
                self.count += 1;
            }
            at = end;
        }
    }

    /// The steps, the oldest first.
    fn iter(&self) -> impl Iterator<Item = &Step> {
        let length = self.steps.len() as u64;
        let held = self.count.min(length);
        (self.count - held..self.count).map(move |step| &self.steps[(step % length) as usize])
    }
}

/// What comes to the limiter, kept small. Never allocates after [`Probe::new`]; of what is longer than it
/// was made for the oldest is forgotten.
#[derive(Clone, Debug)]
pub struct Probe {
    front: Front,
    ring: Ring,
}

/// What a limiter will do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Integrated loudness behind it, LUFS.
    pub loudness: f64,
    /// Mean reduction in dB where the programme is as loud as its mean or louder.
    pub mean_reduction: f64,
    /// Reduction in dB that is passed in the deepest twentieth of that time.
    pub deep_reduction: f64,
}

/// A drive and what it gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solution {
    /// Gain into the limiter.
    pub drive: Db,
    /// What comes of it.
    pub forecast: Forecast,
    /// The loudness is reached within the range of drives.
    pub reached: bool,
}

impl Probe {
    /// For a format and a length in seconds.
    ///
    /// # Errors
    /// When the format is out of range.
    pub fn new(format: Format, seconds: f64) -> Result<Self, Error> {
        let format = Format::new(format.rate, format.channels)?;
        let steps = vec![Step::default(); ((seconds * STEPS).ceil() as usize).max(BLOCK) + 1];
        let ring = Ring { rate: format.rate.0, position: 0, count: 0, power: 0.0, peak: 0.0, steps };
        Ok(Self { front: Front::new(format), ring })
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        self.front.reset();
        self.ring.reset();
    }

    /// Takes a block of what comes to the limiter, `audio[channel][sample]`, before any drive.
    pub fn process(&mut self, audio: &[&[f32]]) {
        let _flush = FlushDenormals::on();
        if audio.len() != self.front.channels() {
            return;
        }
        let length = audio.iter().map(|samples| samples.len()).min().unwrap_or(0);
        for at in (0..length).step_by(CHUNK) {
            self.front.process(audio, at..length.min(at + CHUNK));
            self.ring.add(&self.front);
        }
    }

    /// Takes a chunk from a meter that has computed the same.
    pub(crate) fn add(&mut self, front: &Front) {
        self.ring.add(front);
    }

    /// What a limiter with this drive will do; none of what is silent or shorter than a gating block.
    pub fn forecast(&self, limit: &Limit, drive: Db) -> Option<Forecast> {
        let gain = f64::from(drive.to_linear());
        let ceiling = f64::from(limit.ceiling.to_linear());
        let most = (f64::from(LONGEST.0) * STEPS / 1_000.0) as usize;
        let ahead = ((f64::from(limit.ahead.0.clamp(SHORTEST.0, LONGEST.0)) * STEPS / 1_000.0).round() as usize)
            .saturating_sub(COARSE)
            .clamp(2, most);
        let back = limit.release.at(STEPS);
        let mut envelope = Envelope::new(most);
        let mut waiting = vec![0.0_f64; most + 1];
        let mut gated = Blocks::new();
        // Sums of power of the last blocks of 100 ms, and loss of power and time by reduction.
        let mut hops = [0.0; BLOCK / HOP];
        let mut levels: Vec<(f32, f32)> = Vec::with_capacity(self.ring.steps.len());
        let samples = self.ring.rate / STEPS * BLOCK as f64;
        let mut done = 0_usize;
        let silence = vec![Step::default(); most];
        for (index, step) in self.ring.iter().chain(&silence).enumerate() {
            let peak = f64::from(step.peak) * gain;
            let need = if peak > ceiling { 1.0 - ceiling / peak } else { 0.0 };
            let limited = f64::from(envelope.step(need as f32, ahead, &back));
            waiting[index % (most + 1)] = f64::from(step.power) * gain * gain;
            let Some(out) = index.checked_sub(most) else { continue };
            let before = waiting[out % (most + 1)];
            hops[done / HOP % hops.len()] += before * limited * limited;
            levels.push((before as f32, limited as f32));
            done += 1;
            if done.is_multiple_of(HOP) {
                if done >= BLOCK {
                    gated.add(hops.iter().sum::<f64>() / samples);
                }
                hops[done / HOP % hops.len()] = 0.0;
            }
        }
        let loudness = gated.gated_mean(RELATIVE_GATE)?;
        let mean = levels.iter().map(|level| f64::from(level.0)).sum::<f64>() / levels.len().max(1) as f64;
        let mut reductions: Vec<f32> =
            levels.iter().filter(|level| f64::from(level.0) >= mean).map(|level| -20.0 * level.1.max(1e-6).log10()).collect();
        let deep = ((reductions.len() as f64 * DEEP) as usize).min(reductions.len().saturating_sub(1));
        let mean_reduction = reductions.iter().map(|&db| f64::from(db)).sum::<f64>() / reductions.len().max(1) as f64;
        let deep_reduction =
            if reductions.is_empty() { 0.0 } else { f64::from(*reductions.select_nth_unstable_by(deep, f32::total_cmp).1) };
        Some(Forecast { loudness, mean_reduction, deep_reduction })
    }

    /// The drive within a range that gives a loudness in LUFS, or comes nearest to it; none of silence.
    pub fn solve(&self, limit: &Limit, target: f64, range: (Db, Db)) -> Option<Solution> {
        let (low, high) = (f64::from(range.0.0), f64::from(range.1.0));
        let at = |drive: f64| self.forecast(limit, Db(drive as f32)).map(|forecast| (forecast.loudness, forecast));
        // Without a limiter loudness and drive go together; with one loudness lags behind.
        let (open, _) = at(low)?;
        let mut drive = (low + target - open).clamp(low, high);
        let mut last: Option<(f64, f64)> = Some((low, open));
        let mut forecast = at(drive)?.1;
        for _ in 0..TRIES {
            let missing = target - forecast.loudness;
            if missing.abs() <= CLOSE_LU || (missing > 0.0 && drive >= high) || (missing < 0.0 && drive <= low) {
                break;
            }
            let slope = match last {
                Some((then, loudness)) if (drive - then).abs() > 1e-6 => (forecast.loudness - loudness) / (drive - then),
                _ => 1.0,
            };
            last = Some((drive, forecast.loudness));
            drive = (drive + missing / slope.clamp(LEAST_SLOPE, 1.0)).clamp(low, high);
            forecast = at(drive)?.1;
        }
        let reached = (target - forecast.loudness).abs() <= 10.0 * CLOSE_LU;
        // What cannot be reached is not worth that a limiter takes all: the least drive that comes as near.
        while !reached && forecast.loudness < target && drive - BACK_DB >= low {
            let less = at(drive - BACK_DB)?.1;
            if less.loudness < forecast.loudness - AS_NEAR_LU {
                break;
            }
            (drive, forecast) = (drive - BACK_DB, less);
        }
        Some(Solution { drive: Db(drive as f32), forecast, reached })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamics::limiter::{Release, TruePeakLimiter};
    use crate::loudness::Meter;
    use crate::units::{Hz, Ms};

    /// Hits over a swelling chord in noise, of a given crest: what limiters work on.
    fn programme(rate: f64, seconds: f64, hit: f64, seed: u64) -> Vec<Vec<f32>> {
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f64 / f64::from(1 << 23) - 1.0
        };
        (0..2)
            .map(|channel| {
                (0..(rate * seconds) as usize)
                    .map(|n| {
                        let t = n as f64 / rate;
                        let beat = (t * 2.3).fract() / 2.3;
                        let kick = hit * (-beat * 25.0).exp() * (330.0 * beat).sin();
                        let chord = 0.1 * (1.0 + (t * 0.7).sin()) * ((t * 1_400.0 + f64::from(channel)).sin() + (t * 3_100.0).sin());
                        (kick + chord + 0.03 * random()) as f32
                    })
                    .collect()
            })
            .collect()
    }

    fn loudness(rate: f64, audio: &[Vec<f32>]) -> f64 {
        let mut meter = Meter::new(Format::new(Hz(rate), audio.len()).unwrap()).unwrap();
        meter.process(&audio.iter().map(Vec::as_slice).collect::<Vec<_>>());
        meter.reading().integrated.unwrap()
    }

    /// What is told beforehand is what the limiter itself does, from none to much of it.
    #[test]
    fn forecasts_come_true() {
        let mut worst = 0.0_f64;
        for (rate, hit, release) in
            [(48_000.0, 0.9, Release::Auto), (44_100.0, 0.4, Release::Auto), (48_000.0, 0.6, Release::Time(Ms(60.0)))]
        {
            let audio = programme(rate, 12.0, hit, 5);
            let limit = Limit { release, ..Limit::default() };
            let format = Format::new(Hz(rate), 2).unwrap();
            let mut probe = Probe::new(format, 12.0).unwrap();
            for chunk in 0..audio[0].len().div_ceil(700) {
                let range = chunk * 700..((chunk + 1) * 700).min(audio[0].len());
                probe.process(&[&audio[0][range.clone()], &audio[1][range]]);
            }
            for drive in [-3.0, 0.0, 4.0, 8.0, 14.0].map(Db) {
                let mut out = audio.clone();
                out.iter_mut().flatten().for_each(|x| *x *= drive.to_linear());
                let mut limiter = TruePeakLimiter::new(format);
                let latency = limiter.latency();
                out.iter_mut().for_each(|channel| channel.resize(channel.len() + latency, 0.0));
                let mut slices: Vec<&mut [f32]> = out.iter_mut().map(Vec::as_mut_slice).collect();
                limiter.process(&mut slices, &limit);
                out.iter_mut().for_each(|channel| drop(channel.drain(..latency)));
                let (truth, told) = (loudness(rate, &out), probe.forecast(&limit, drive).unwrap());
                println!("{rate} Hz, hits {hit}, {drive:?}: {truth:.3} LUFS, told {told:.3?}");
                worst = worst.max((told.loudness - truth).abs());
            }
            for target in [-23.0, -14.0, -10.0] {
                let solution = probe.solve(&limit, target, (Db(-36.0), Db(36.0))).unwrap();
                assert!(solution.reached && (solution.forecast.loudness - target).abs() < 0.01, "{target}: {solution:?}");
            }
            let far = probe.solve(&limit, 3.0, (Db(-36.0), Db(36.0))).unwrap();
            // No step of what is left out would have brought more than 0.02 LU.
            let most = probe.forecast(&limit, Db(36.0)).unwrap().loudness;
            assert!(!far.reached && far.drive <= Db(36.0), "{far:?}");
            assert!(far.forecast.loudness >= most - 0.02 * f64::from(36.0 - far.drive.0) - 0.01, "{far:?} {most}");
        }
        assert!(worst < 0.1, "{worst} LU");
    }

    #[test]
    fn the_oldest_is_forgotten_and_silence_has_no_forecast() {
        let format = Format::new(Hz(48_000.0), 1).unwrap();
        let mut probe = Probe::new(format, 2.0).unwrap();
        assert_eq!(probe.forecast(&Limit::default(), Db(0.0)), None);
        probe.process(&[&vec![0.0; 96_000]]);
        assert_eq!(probe.solve(&Limit::default(), -14.0, (Db(-12.0), Db(12.0))), None);
        let tone: Vec<f32> = (0..144_000).map(|n| (n as f32 * 0.13).sin() * if n < 48_000 { 0.5 } else { 0.05 }).collect();
        probe.process(&[&tone]);
        let quiet = probe.forecast(&Limit::default(), Db(0.0)).unwrap().loudness;
        assert!(quiet < -27.0, "{quiet}: the loud second has gone");
    }
}
