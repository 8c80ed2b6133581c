//! The stereo image: width by band, mono bass, and a guard for the mono sum.
//!
//! ```text
//! L, R ─▶ M = (L + R) / 2 ─────────────────────────────────────▶ L = M + S, R = M - S
//!      └▶ S = (L - R) / 2 ─▶ width by band ─▶ mono bass ─▶ guard ─┘
//! ```
//!
//! Only S is touched, so the mono sum is untouched, sample for sample. Streams with other than two
//! channels pass: for them no pair is known.

use crate::filters::glide::{Glide, TICK, Ticks, pole};
use crate::filters::matched::Coefficients;
use crate::filters::section::{Lanes, Section, State};
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::FlushDenormals;
use crate::sample::{usable, usable_all};
use crate::units::{Db, Hz};

/// Bands of the width.
pub const BANDS: usize = 3;
/// Least width of the middle band that its neighbours are measured by: -60 dB.
const LEAST: f64 = 1e-3;
/// A glide nearer than this is there.
const NEAR: f64 = 1e-5;
/// Windows of the guard's powers in seconds: the worst counts. The short one catches what begins, the
/// long one what a listener hears as one sound (the momentary window of EBU R128).
const GUARD_SECONDS: [f64; 2] = [0.02, 0.4];
/// The guard never takes more than this off the sides of a source, in decibels: of an antiphase
/// recording nothing would be left.
pub const GUARD_MOST_DB: f64 = 12.0;
/// Kept under the loss that is asked for, in decibels, since a running power is never exact.
const GUARD_MARGIN_DB: f64 = 0.1;
/// Time constants of the guard's gain in seconds: down at once, up slowly.
const GUARD_FALL: f64 = 0.001;
const GUARD_RISE: f64 = 0.3;

/// All settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Width of the low, middle and high band: 0 mono, 1 as it is, 2 twice the sides.
    pub width: [f32; BANDS],
    /// Where the bands meet, rising.
    pub crossovers: [Hz; BANDS - 1],
    /// Below it the sides go, 24 dB an octave; 0 for off.
    pub mono_below: Hz,
    /// The most that the mono sum may lose against the stereo signal, `10 log10(1 + S^2 / M^2)` of
    /// running powers: 3 dB is what two unlike channels lose. Infinity for off.
    pub mono_loss: Db,
}

impl Default for Settings {
    fn default() -> Self {
        Self { width: [1.0; BANDS], crossovers: [Hz(250.0), Hz(4_000.0)], mono_below: Hz(0.0), mono_loss: Db(f32::INFINITY) }
    }
}

impl Settings {
    /// True when nothing is to be done.
    pub fn is_neutral(&self) -> bool {
        self.width == [1.0; BANDS] && self.mono_below.0 <= 0.0 && self.mono_loss.0 == f32::INFINITY
    }
}

/// What the guard sees and does, for meters.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Reading {
    /// Loss of the mono sum of the output in decibels, over the long window; infinite without a sum.
    pub mono_loss: f32,
    /// Gain of the guard on the sides in decibels.
    pub guard: f32,
}

/// A shelf `(s^2 + sqrt(2 w) s + w) / (s^2 + sqrt(2) s + 1)` or its mirror: maximally flat between the
/// gain `w` and 1, also for `w = 0`, where it is a Butterworth filter.
fn shelf(g: f64, ratio: f64, high: bool) -> Coefficients {
    let band = (2.0 * ratio).sqrt();
    let (low, high) = if high { (1.0, ratio) } else { (ratio, 1.0) };
    Coefficients { g, k: std::f64::consts::SQRT_2, high, band, low }
}

/// Two sections of a Butterworth high-pass of fourth order, mixed with the dry sides.
const BASS_Q: [f64; 2] = [0.541_196_100_146_197, 1.306_562_964_876_377];

#[derive(Clone, Copy, Debug, Default)]
struct Powers {
    middle: [f64; 2],
    side: [f64; 2],
}

/// The processor.
#[derive(Debug)]
pub struct Stereo {
    ticks: Ticks,
    rate: Hz,
    channels: usize,
    pole: f64,
    widths: [Glide; BANDS],
    corners: [Glide; BANDS - 1],
    bass: Glide,
    bass_presence: Glide,
    bass_mix: [f64; 2],
    /// Width of all bands at the start and the end of the tick.
    level: [f64; 2],
    shelves: [Section; BANDS - 1],
    cuts: [Section; 2],
    states: [State; BANDS + 1],
    /// Powers of M and of S before the guard, by window.
    powers: Powers,
    keep: [f64; 2],
    guard: f64,
    guard_mix: [f64; 2],
    /// Loss of the mono sum that was asked for last, and for it the most of S over M in power and the least gain.
    asked: Db,
    guard_limits: [f64; 2],
    /// `[fall, rise]` poles of the guard for one tick.
    guard_poles: [f64; 2],
    fresh: bool,
    active: bool,
}

impl Default for Stereo {
    fn default() -> Self {
        let flat = Section::new(shelf(0.1, 1.0, false));
        Self {
            ticks: Ticks::default(),
            rate: Hz(48_000.0),
            channels: 0,
            pole: 0.0,
            widths: [Glide::at(1.0); BANDS],
            corners: [Glide::default(); BANDS - 1],
            bass: Glide::default(),
            bass_presence: Glide::default(),
            bass_mix: [0.0; 2],
            level: [1.0; 2],
            shelves: [flat; BANDS - 1],
            cuts: [flat; 2],
            states: [State::default(); BANDS + 1],
            powers: Powers::default(),
            keep: [0.0; 2],
            guard: 1.0,
            guard_mix: [1.0; 2],
            asked: Db(f32::INFINITY),
            guard_limits: [0.0; 2],
            guard_poles: [0.0; 2],
            fresh: true,
            active: false,
        }
    }
}

/// The coefficient of a corner in octaves over 1 Hz.
fn g(rate: Hz, octaves: f64) -> f64 {
    (std::f64::consts::PI * (octaves.exp2() / rate.0).min(0.49)).tan()
}

impl Stereo {
    /// A processor, to be prepared.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the guard sees and does.
    pub fn reading(&self) -> Reading {
        let [middle, side] = [self.powers.middle[1], self.powers.side[1] * self.guard * self.guard];
        let loss = if side <= 0.0 { 0.0 } else { 10.0 * (1.0 + side / middle).log10() };
        Reading { mono_loss: loss as f32, guard: (20.0 * self.guard.log10()) as f32 }
    }

    fn tick(&mut self, settings: &Settings) {
        let corners = settings.crossovers.map(|hz| hz.0.max(10.0).log2());
        let corners = [corners[0], corners[1].max(corners[0])];
        let widths = settings.width.map(|width| f64::from(width.clamp(0.0, 4.0)));
        let bass_on = settings.mono_below.0 > 0.0;
        let starting = !self.active;
        if starting {
            if settings.is_neutral() {
                self.fresh = false;
                return;
            }
            self.active = true;
            self.states = [State::default(); BANDS + 1];
            self.powers = Powers::default();
            self.corners = corners.map(Glide::at);
            self.widths = if self.fresh { widths.map(Glide::at) } else { [Glide::at(1.0); BANDS] };
            self.bass_presence = Glide::at(0.0);
            self.guard = 1.0;
        }
        if self.bass_presence.now() == 0.0 && bass_on {
            self.bass = Glide::at(settings.mono_below.0.max(1.0).log2());
            if self.fresh {
                self.bass_presence = Glide::at(1.0);
            }
        }
        let mut moving = starting;
        for (glide, &width) in self.widths.iter_mut().zip(&widths) {
            moving |= glide.follow(width, self.pole, NEAR);
        }
        for (glide, &corner) in self.corners.iter_mut().zip(&corners) {
            moving |= glide.follow(corner, self.pole, NEAR);
        }
        if bass_on {
            let bass = settings.mono_below.0.max(1.0).log2();
            // A bass that comes in starts where it was set just now.
            moving |= self.bass.follow(bass, self.pole, NEAR) || self.bass_presence.now() == 0.0;
        }
        self.bass_presence.follow(if bass_on { 1.0 } else { 0.0 }, self.pole, NEAR);
        let [low, middle, high] = self.widths.map(|glide| glide.now());
        let by = middle.max(LEAST);
        // With all bands at 0 the middle is 0, too.
        let level = if low == 0.0 && middle == 0.0 && high == 0.0 { 0.0 } else { by };
        self.level = [if starting { level } else { self.level[1] }, level];
        self.bass_mix = [if starting { self.bass_presence.now() } else { self.bass_mix[1] }, self.bass_presence.now()];
        let sections = self.shelves.iter_mut().chain(&mut self.cuts);
        if moving {
            let [first, second] = [0, 1].map(|corner| g(self.rate, self.corners[corner].now()));
            let bass = g(self.rate, self.bass.now());
            let cuts = BASS_Q.map(|q| Coefficients { g: bass, k: 1.0 / q, high: 1.0, band: 0.0, low: 0.0 });
            let shelves = [shelf(first, low / by, false), shelf(second, high / by, true)];
            for (section, to) in sections.zip(shelves.into_iter().chain(cuts)) {
                if starting {
                    *section = Section::new(to);
                } else {
                    section.head_for(to);
                }
            }
        } else {
            // What stands need not be computed again.
            sections.for_each(Section::settle);
        }
        self.guard_mix = [self.guard, self.guard];
        let wanted = self.guard_wanted(settings.mono_loss);
        let [fall, rise] = self.guard_poles;
        self.guard = wanted + (self.guard - wanted) * if wanted < self.guard { fall } else { rise };
        if (self.guard - wanted).abs() < NEAR {
            self.guard = wanted;
        }
        self.guard_mix[1] = self.guard;
        self.fresh = false;
        // At rest and neutral: the next samples pass untouched.
        let rest = settings.is_neutral()
            && self.widths.iter().all(|glide| glide.now() == 1.0)
            && self.bass_mix == [0.0; 2]
            && self.guard_mix == [1.0; 2];
        self.active = !rest;
    }

    /// The gain on S that keeps the loss.
    fn guard_wanted(&mut self, asked: Db) -> f64 {
        if asked.0 == f32::INFINITY {
            return 1.0;
        }
        if self.asked != asked {
            self.asked = asked;
            let most = 10_f64.powf((f64::from(asked.0.max(0.0)) - GUARD_MARGIN_DB).max(0.0) / 10.0) - 1.0;
            self.guard_limits = [most, 10_f64.powf(-GUARD_MOST_DB / 20.0)];
        }
        let [most, least] = self.guard_limits;
        self.powers
            .middle
            .iter()
            .zip(&self.powers.side)
            .fold(1.0_f64, |gain, (&middle, &side)| {
                let wanted = if side > 1e-18 { (most * middle / side).sqrt() } else { 1.0 };
                gain.min(wanted)
            })
            .max(least)
    }

    fn piece(&mut self, left: &mut [f32], right: &mut [f32], done: usize) {
        let length = left.len();
        let mut middle = [0.0; TICK];
        let mut side: [Lanes; TICK] = [[0.0; 2]; TICK];
        for n in 0..length {
            let (l, r) = (f64::from(usable(left[n])), f64::from(usable(right[n])));
            middle[n] = 0.5 * (l + r);
            side[n][0] = 0.5 * (l - r);
        }
        let side = &mut side[..length];
        self.shelves[0].run(&mut self.states[0], side, done);
        self.shelves[1].run(&mut self.states[1], side, done);
        let along = |n: usize| (done + n + 1) as f64 / TICK as f64;
        let mix = |ends: [f64; 2], n: usize| ends[0] + (ends[1] - ends[0]) * along(n);
        for (n, x) in side.iter_mut().enumerate() {
            x[0] *= mix(self.level, n);
        }
        if self.bass_mix != [0.0; 2] {
            let mut cut: [Lanes; TICK] = [[0.0; 2]; TICK];
            cut[..length].copy_from_slice(side);
            self.cuts[0].run(&mut self.states[2], &mut cut[..length], done);
            self.cuts[1].run(&mut self.states[3], &mut cut[..length], done);
            for (n, (x, cut)) in side.iter_mut().zip(&cut).enumerate() {
                x[0] += mix(self.bass_mix, n) * (cut[0] - x[0]);
            }
        }
        for n in 0..length {
            let s = side[n][0];
            for (window, keep) in self.keep.iter().enumerate() {
                let powers = &mut self.powers;
                powers.middle[window] = middle[n] * middle[n] + (powers.middle[window] - middle[n] * middle[n]) * keep;
                powers.side[window] = s * s + (powers.side[window] - s * s) * keep;
            }
            let s = s * mix(self.guard_mix, n);
            left[n] = (middle[n] + s) as f32;
            right[n] = (middle[n] - s) as f32;
        }
    }
}

impl Processor for Stereo {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        self.rate = format.rate;
        self.channels = format.channels;
        self.pole = pole(format.rate);
        self.keep = GUARD_SECONDS.map(|seconds| (-1.0 / (seconds * format.rate.0)).exp());
        self.guard_poles = [GUARD_FALL, GUARD_RISE].map(|seconds| (-(TICK as f64) / (seconds * format.rate.0)).exp());
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.ticks.reset();
        self.fresh = true;
        self.active = false;
        self.guard = 1.0;
        self.powers = Powers::default();
        self.bass_presence = Glide::at(0.0);
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, _: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        let [left, right] = audio else {
            return audio.iter_mut().for_each(|channel| usable_all(channel));
        };
        if self.channels != 2 {
            return;
        }
        let mut at = 0;
        while at < left.len() {
            let (due, piece) = self.ticks.take(left.len() - at);
            if due {
                self.tick(settings);
            }
            let range = at..at + piece;
            if self.active {
                let done = self.ticks.done(piece);
                self.piece(&mut left[range.clone()], &mut right[range], done);
            } else {
                usable_all(&mut left[range.clone()]);
                usable_all(&mut right[range]);
            }
            at += piece;
        }
    }

    fn latency(&self, _: &Settings) -> usize {
        0
    }
}
