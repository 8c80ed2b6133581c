//! Multiband dynamics: three or four bands, each compressed downwards and upwards.
//!
//! ```text
//! input ─┬─▶ crossover ─▶ side-chain high-pass ─▶ detector ─▶ curve ─▶ ballistics ─▶ gain by band
//!        └─▶ split ──────────────────────────────────────────────────────────▶ × ─▶ output
//! ```
//!
//! The gains reach the sound in one of three ways ([`Split`]). Levels are read and gains computed every
//! [`CONTROL`] samples, which run along straight lines between.

mod settings;

pub use settings::{Band, Count, Detector, Settings, Split};

use crate::dynamics::computer::{Ballistics, Curve, Timing};
use crate::dynamics::crossover::{Corner, Crossover, MAX_BANDS};
use crate::dynamics::detector_split::DetectorSplit;
use crate::dynamics::linear_split::LinearSplit;
use crate::dynamics::shelves::Shelves;
use crate::filters::glide::{Glide, TICK, Ticks, pole};
use crate::filters::matched::Coefficients;
use crate::filters::section::{Lanes, Section, State};
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::FlushDenormals;
use crate::sample::{usable, usable_all};
use crate::units::{Hz, Ms};

/// Samples from one gain to the next: 0.17 ms at 48 kHz.
pub const CONTROL: usize = 8;
/// Time constant of the mean square in seconds.
const RMS_SECONDS: f64 = 0.010;
/// A glide nearer than this (decibels, octaves, shares) is there.
const NEAR: f64 = 1e-4;
/// Least ratio: a decibel over the threshold becomes two.
pub const LEAST_RATIO: f32 = 0.5;
/// Octaves of amplitude in a decibel.
const OCTAVES_A_DB: f64 = std::f64::consts::LOG2_10 / 20.0;
/// Power under which a level reads as silence: -200 dB.
const SILENCE: f32 = 1e-20;

/// What a band is doing, for meters.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Reading {
    /// Level as the detector reads it, dBFS, of the loudest channel.
    pub level: f32,
    /// Gain of the dynamics in decibels, without `gain` and `makeup`: mean over the channels.
    pub gain: f32,
}

/// A detector and a gain: one band of one channel.
#[derive(Clone, Copy, Debug, Default)]
struct Follower {
    square: f32,
    peak: f32,
    mean: f32,
    /// Of the last interval.
    power: f32,
    ballistics: Ballistics,
}

impl Follower {
    /// Ends an interval: takes its power as a sine's peak, and starts the next one.
    fn end(&mut self, detector: Detector, keep: f32) {
        let square = std::mem::take(&mut self.square) / CONTROL as f32;
        let peak = std::mem::take(&mut self.peak);
        self.mean = square + (self.mean - square) * keep;
        // A sine's mean square is half its peak's.
        self.power = if detector == Detector::Rms { 2.0 * self.mean } else { peak * peak };
    }

    /// Hears a channel of a band.
    #[inline]
    fn hear(followers: &mut [Self; 2], samples: &[Lanes]) {
        let [left, right] = followers;
        let (mut square, mut peak) = ([left.square, right.square], [left.peak, right.peak]);
        for sample in samples {
            for lane in 0..2 {
                let x = sample[lane] as f32;
                square[lane] += x * x;
                peak[lane] = if x.abs() > peak[lane] { x.abs() } else { peak[lane] };
            }
        }
        (left.square, right.square) = (square[0], square[1]);
        (left.peak, right.peak) = (peak[0], peak[1]);
    }
}

/// A power in decibels.
fn decibels(power: f32) -> f32 {
    if power > SILENCE { 10.0 * power.log10() } else { f32::NEG_INFINITY }
}

/// What belongs to one pair of channels.
#[derive(Clone, Debug, Default)]
struct Pair {
    crossover: Crossover,
    split: DetectorSplit,
    side_chain: [State; MAX_BANDS],
    shelves: Shelves,
    /// A piece and its bands, where shelves bring the gains.
    piece: [Lanes; TICK],
    bands: [[Lanes; TICK]; MAX_BANDS],
    followers: [[Follower; 2]; MAX_BANDS],
    /// Amplitudes at the start and the end of this interval, `[band]`.
    from: [Lanes; MAX_BANDS],
    to: [Lanes; MAX_BANDS],
}

impl Pair {
    fn reset(&mut self) {
        *self = Self { from: [[1.0; 2]; MAX_BANDS], to: [[1.0; 2]; MAX_BANDS], ..Self::default() };
    }
}

/// The processor.
#[derive(Debug, Default)]
pub struct Multiband {
    pairs: Vec<Pair>,
    linear: Option<LinearSplit>,
    ticks: Ticks,
    rate: Hz,
    channels: usize,
    pole: f64,
    keep: f32,
    corners: [Corner; MAX_BANDS - 1],
    glides: [Glide; MAX_BANDS - 1],
    /// Gain before and after the dynamics, `[band]`.
    gains: [[Glide; 2]; MAX_BANDS],
    presence: Glide,
    /// Presence at the start and the end of this tick.
    mix: [f64; 2],
    timings: [Timing; MAX_BANDS],
    /// What the timings are of.
    times: [(Ms, Ms); MAX_BANDS],
    program: bool,
    high_pass: Option<Section>,
    readings: [Reading; MAX_BANDS],
    structure: (Split, Count),
    fresh: bool,
    /// On, or on its way in or out.
    active: bool,
}

impl Multiband {
    /// A processor, to be prepared.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the bands in use were doing at the last sample.
    pub fn readings(&self) -> &[Reading] {
        &self.readings[..self.structure.1.bands()]
    }

    fn forget(&mut self) {
        self.pairs.iter_mut().for_each(Pair::reset);
        if let Some(linear) = &mut self.linear {
            linear.reset();
        }
        self.readings = [Reading { level: f32::NEG_INFINITY, gain: 0.0 }; MAX_BANDS];
        self.fresh = true;
        self.active = false;
        self.presence = Glide::at(0.0);
        self.mix = [0.0; 2];
    }

    fn tick(&mut self, settings: &Settings) {
        if self.structure != (settings.split, settings.count) {
            self.structure = (settings.split, settings.count);
            self.forget();
        }
        let corners = settings.corners();
        let count = settings.count.bands();
        let bands = settings.bands();
        if !self.active && settings.on {
            self.active = true;
            self.glides = corners.map(Glide::at);
            self.corners = corners.map(|octaves| Corner::at(octaves.exp2() / self.rate.0));
            self.gains = bands.map(|band| [Glide::at(f64::from(band.gain.0)), Glide::at(f64::from(band.makeup.0))]);
            self.pairs.iter_mut().for_each(Pair::reset);
            if self.fresh {
                self.presence = Glide::at(1.0);
                self.mix = [1.0; 2];
            }
        }
        if let (Some(linear), Split::Linear) = (&mut self.linear, settings.split) {
            linear.want(if self.active { &corners[..count - 1] } else { &[] });
        }
        if !self.active {
            self.fresh = false;
            return;
        }
        // Linear-phase bands are late by a partition when they start.
        let ready = settings.split != Split::Linear || self.linear.as_ref().is_some_and(LinearSplit::is_ready);
        let moves = self.presence.follow(if settings.on && ready { 1.0 } else { 0.0 }, self.pole, NEAR);
        self.mix = [self.mix[1], self.presence.now()];
        if !moves && self.mix == [0.0; 2] && !settings.on {
            self.active = false;
            self.fresh = false;
            self.readings = [Reading { level: f32::NEG_INFINITY, gain: 0.0 }; MAX_BANDS];
            return;
        }
        for ((corner, glide), &octaves) in self.corners.iter_mut().zip(&mut self.glides).zip(&corners) {
            // What stands need not be computed again.
            if glide.follow(octaves, self.pole, NEAR) || !corner.stands() {
                corner.head_for(glide.now().exp2() / self.rate.0);
            }
        }
        let seconds = CONTROL as f64 / self.rate.0;
        for (index, band) in bands.iter().enumerate() {
            self.gains[index][0].follow(f64::from(band.gain.0), self.pole, NEAR);
            self.gains[index][1].follow(f64::from(band.makeup.0), self.pole, NEAR);
            if self.times[index] != (band.attack, band.release) || self.program != settings.program || self.fresh {
                self.timings[index] = Timing::new(band.attack.0, band.release.0, settings.program, seconds);
                self.times[index] = (band.attack, band.release);
            }
        }
        self.program = settings.program;
        self.high_pass = (settings.side_chain.0 > 0.0).then(|| {
            let g = (std::f64::consts::PI * (settings.side_chain.0 / self.rate.0).min(0.49)).tan();
            Section::new(Coefficients { g, k: std::f64::consts::SQRT_2, high: 1.0, band: 0.0, low: 0.0 })
        });
        self.fresh = false;
    }

    /// New gains from the levels of the interval that has just ended.
    fn control(&mut self, settings: &Settings) {
        let bands = settings.bands();
        let presence = self.presence.now();
        // What a crossfade does need not be done by the gains as well.
        let share = if settings.split == Split::Crossover { 1.0 } else { presence };
        for (index, band) in bands.iter().enumerate().take(settings.count.bands()) {
            let curve = Curve {
                threshold: band.threshold.0,
                ratio: band.ratio.max(LEAST_RATIO),
                up_threshold: band.up_threshold.0,
                up_ratio: band.up_ratio.max(1.0),
                knee: settings.knee.0,
                range: band.range.0,
            };
            let [before, after] = self.gains[index].map(|glide| glide.now());
            let mut most = 0.0_f32;
            for pair in &mut self.pairs {
                for follower in &mut pair.followers[index] {
                    follower.end(settings.detector, self.keep);
                    most = most.max(follower.power);
                }
            }
            let loudest = decibels(most) + before as f32;
            let mut sum = 0.0;
            // Level, gains before and after it, and amplitude of the channel before: with one level they are the same.
            let mut last: Option<(f32, Ballistics, Ballistics, f32, f64)> = None;
            for channel in 0..self.channels {
                let pair = &mut self.pairs[channel / 2];
                let lane = channel % 2;
                let power = pair.followers[index][lane].power;
                // Silence has no level to share, and infinities must not meet.
                let level = if settings.link >= 1.0 || loudest == f32::NEG_INFINITY {
                    loudest
                } else {
                    let own = decibels(power) + before as f32;
                    if own == f32::NEG_INFINITY && settings.link <= 0.0 {
                        own
                    } else {
                        let own = own.max(-200.0);
                        own + (loudest - own) * settings.link
                    }
                };
                let ballistics = &mut pair.followers[index][lane].ballistics;
                let (gain, amplitude) = match last {
                    Some((same, from, to, gain, amplitude)) if same == level && from == *ballistics => {
                        *ballistics = to;
                        (gain, amplitude)
                    }
                    _ => {
                        let from = *ballistics;
                        let gain = ballistics.step(curve.gain(level), curve.ratio < 1.0, &self.timings[index]);
                        let decibels = (before + f64::from(gain) + after) * share;
                        let amplitude = if decibels == 0.0 { 1.0 } else { (decibels * OCTAVES_A_DB).exp2() };
                        last = Some((level, from, *ballistics, gain, amplitude));
                        (gain, amplitude)
                    }
                };
                sum += gain;
                pair.from[index][lane] = pair.to[index][lane];
                pair.to[index][lane] = amplitude;
            }
            if self.channels % 2 == 1 {
                let pair = &mut self.pairs[self.channels / 2];
                pair.from[index][1] = pair.from[index][0];
                pair.to[index][1] = pair.to[index][0];
            }
            self.readings[index] = Reading { level: loudest, gain: sum / self.channels as f32 };
        }
    }

    /// A piece inside one tick, `done` samples into it, with bands as shelves: what detectors hear does not wait for
    /// gains, so all of the piece is split at once.
    fn shelved(&mut self, audio: &mut [&mut [f32]], range: std::ops::Range<usize>, done: usize, settings: &Settings) {
        let count = settings.count.bands();
        let length = range.len();
        for (pair, channels) in self.pairs.iter_mut().zip(audio.chunks(2)) {
            for (lane, channel) in channels.iter().enumerate() {
                for (slot, &sample) in pair.piece.iter_mut().zip(&channel[range.clone()]) {
                    slot[lane] = f64::from(usable(sample));
                }
            }
            pair.split.run(&pair.piece[..length], &self.corners[..count - 1], done, &mut pair.bands);
            if let Some(section) = &self.high_pass {
                for (band, state) in pair.bands.iter_mut().zip(&mut pair.side_chain).take(count) {
                    section.run(state, &mut band[..length], 0);
                }
            }
        }
        let mut from = 0;
        while from < length {
            let now = done + from;
            let to = length.min(from + CONTROL - now % CONTROL);
            if now.is_multiple_of(CONTROL) {
                self.control(settings);
                self.pairs.iter_mut().for_each(|pair| pair.shelves.head_for(now / CONTROL, &pair.to, count));
            }
            for pair in &mut self.pairs {
                for (followers, band) in pair.followers.iter_mut().zip(&pair.bands).take(count) {
                    Follower::hear(followers, &band[from..to]);
                }
            }
            from = to;
        }
        for (pair, channels) in self.pairs.iter_mut().zip(audio.chunks_mut(2)) {
            pair.shelves.run(&mut pair.piece[..length], &self.corners[..count - 1], done);
            for (lane, channel) in channels.iter_mut().enumerate() {
                for (sample, slot) in channel[range.clone()].iter_mut().zip(&pair.piece) {
                    *sample = slot[lane] as f32;
                }
            }
        }
    }

    /// A piece inside one interval, `done` samples into its tick, with the bands of the crossover.
    fn piece(&mut self, audio: &mut [&mut [f32]], range: std::ops::Range<usize>, done: usize, settings: &Settings) {
        let count = settings.count.bands();
        let length = range.len();
        let begin = done % CONTROL;
        for (pair, channels) in self.pairs.iter_mut().zip(audio.chunks_mut(2)) {
            let mut lanes = [[0.0; 2]; CONTROL];
            for (lane, channel) in channels.iter().enumerate() {
                for (slot, &sample) in lanes.iter_mut().zip(&channel[range.clone()]) {
                    slot[lane] = f64::from(usable(sample));
                }
            }
            let lanes = &mut lanes[..length];
            let mut bands = [[[0.0; 2]; CONTROL]; MAX_BANDS];
            pair.crossover.run(lanes, &self.corners[..count - 1], done, &mut bands[..count]);
            for (band, samples) in bands.iter().enumerate().take(count) {
                let mut heard = *samples;
                if let Some(section) = &self.high_pass {
                    section.run(&mut pair.side_chain[band], &mut heard[..length], 0);
                }
                Follower::hear(&mut pair.followers[band], &heard[..length]);
            }
            for (index, x) in lanes.iter_mut().enumerate() {
                let along = (begin + index + 1) as f64 / CONTROL as f64;
                let share = self.mix[0] + (self.mix[1] - self.mix[0]) * ((done + index + 1) as f64 / TICK as f64);
                for lane in 0..2 {
                    let sum: f64 = (0..count)
                        .map(|band| {
                            let [from, to] = [pair.from[band][lane], pair.to[band][lane]];
                            (from + (to - from) * along) * bands[band][index][lane]
                        })
                        .sum();
                    x[lane] += share * (sum - x[lane]);
                }
            }
            for (lane, channel) in channels.iter_mut().enumerate() {
                for (sample, slot) in channel[range.clone()].iter_mut().zip(lanes.iter()) {
                    *sample = slot[lane] as f32;
                }
            }
        }
    }

    /// As [`Multiband::piece`], with the linear-phase bands: levels are those of the delayed sound.
    fn linear_piece(&mut self, audio: &mut [&mut [f32]], range: std::ops::Range<usize>, done: usize, settings: &Settings) {
        let Some(linear) = &mut self.linear else { return };
        let count = settings.count.bands();
        let begin = done % CONTROL;
        for (index, channel) in audio.iter_mut().enumerate() {
            let piece = &mut channel[range.clone()];
            linear.exchange(index, piece);
            if !self.active {
                continue;
            }
            let pair = &mut self.pairs[index / 2];
            let lane = index % 2;
            let delayed = linear.dry(piece);
            for band in 0..count {
                let samples = linear.band(index, band, count, &delayed[..piece.len()]);
                let mut heard = [[0.0; 2]; CONTROL];
                for (slot, &sample) in heard.iter_mut().zip(&samples) {
                    slot[0] = f64::from(sample);
                }
                if let Some(section) = &self.high_pass {
                    section.run_one(&mut pair.side_chain[band], lane, &mut heard[..piece.len()]);
                }
                let follower = &mut pair.followers[band][lane];
                for sample in &heard[..piece.len()] {
                    let x = sample[0] as f32;
                    follower.square += x * x;
                    follower.peak = follower.peak.max(x.abs());
                }
                let [from, to] = [pair.from[band][lane], pair.to[band][lane]];
                if from == 1.0 && to == 1.0 {
                    continue;
                }
                for (n, (sample, part)) in piece.iter_mut().zip(&samples).enumerate() {
                    let gain = from + (to - from) * ((begin + n + 1) as f64 / CONTROL as f64);
                    *sample += ((gain - 1.0) * f64::from(*part)) as f32;
                }
            }
        }
        linear.advance(range.len());
    }
}

impl Processor for Multiband {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        self.rate = format.rate;
        self.channels = format.channels;
        self.pole = pole(format.rate);
        self.keep = (-(CONTROL as f64) / (format.rate.0 * RMS_SECONDS)).exp() as f32;
        self.pairs = vec![Pair::default(); format.channels.div_ceil(2)];
        self.linear = Some(LinearSplit::new(format));
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.ticks.reset();
        self.forget();
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, _: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        if audio.len() != self.channels {
            return;
        }
        let length = audio.first().map_or(0, |channel| channel.len());
        let mut at = 0;
        while at < length {
            let (due, piece) = self.ticks.take(length - at);
            if due {
                self.tick(settings);
            }
            let done = self.ticks.done(piece);
            if !self.active && settings.split != Split::Linear {
                audio.iter_mut().for_each(|channel| usable_all(&mut channel[at..at + piece]));
                at += piece;
                continue;
            }
            if settings.split == Split::Shelves {
                self.shelved(audio, at..at + piece, done, settings);
                at += piece;
                continue;
            }
            // Intervals lie on the grid of the ticks.
            let mut from = 0;
            while from < piece {
                let now = done + from;
                if now.is_multiple_of(CONTROL) && self.active {
                    self.control(settings);
                }
                let to = piece.min(from + CONTROL - now % CONTROL);
                if settings.split == Split::Linear {
                    self.linear_piece(audio, at + from..at + to, now, settings);
                } else {
                    self.piece(audio, at + from..at + to, now, settings);
                }
                from = to;
            }
            at += piece;
        }
    }

    fn latency(&self, settings: &Settings) -> usize {
        match (&self.linear, settings.split) {
            (Some(linear), Split::Linear) => linear.latency(),
            _ => 0,
        }
    }
}
