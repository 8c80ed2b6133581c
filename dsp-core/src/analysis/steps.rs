//! Features in time: crest and dynamics of eight bands, onsets.

use super::histogram::Histogram;
use super::{Label, Sink, decibels, put};
use crate::dynamics::crossover::DAMPING;
use crate::filters::abreast::Abreast;
use std::f64::consts::PI;

/// Edges of the bands in hertz.
const EDGES: [f64; 7] = [60.0, 150.0, 400.0, 1_000.0, 2_500.0, 6_000.0, 12_000.0];
const BANDS: [&str; 8] = ["sub", "bass", "low-mid", "mid", "high-mid", "presence", "brilliance", "air"];
/// Edges of the four bands of dynamics in hertz: pairs of the bands above.
pub const DYNAMICS_HZ: [f64; 3] = [EDGES[1], EDGES[3], EDGES[5]];
/// Their names.
const DYNAMICS: [&str; 4] = ["low", "low-mid", "high-mid", "high"];
/// Steps in a second.
const STEPS_PER_SECOND: f64 = 100.0;
/// Steps of a block: 100 ms.
const BLOCK: usize = 10;
/// Blocks with less power are silence, decibels.
const GATE_DB: f64 = -100.0;
/// Groups of bands of the onsets.
const GROUPS: [(&str, std::ops::Range<usize>); 3] = [("low", 0..2), ("mid", 2..5), ("high", 5..8)];
/// A rise of a group's level of this many decibels within two steps begins an onset.
const ONSET_DB: f64 = 6.0;
/// Least time between onsets in steps.
const ONSET_GAP: u32 = 6;
/// Level that a rise is counted from, decibels: nothing starts in the noise.
const ONSET_FLOOR_DB: f64 = -60.0;

/// One band.
#[derive(Clone, Debug)]
struct Band {
    /// Sum of squares and peak of this step, of this block; sum of squares and largest peak of all.
    step: f64,
    block: (f64, f64),
    all: (f64, f64),
    /// Levels of blocks; crests of blocks; changes from block to block.
    levels: Histogram,
    crests: Histogram,
    moves: (f64, u64),
    last: Option<f64>,
}

impl Band {
    fn new() -> Self {
        Self {
            step: 0.0,
            block: (0.0, 0.0),
            all: (0.0, 0.0),
            levels: Histogram::levels(),
            crests: Histogram::new(0.0, 40.0),
            moves: (0.0, 0),
            last: None,
        }
    }

    fn reset(&mut self) {
        self.levels.reset();
        self.crests.reset();
        (self.step, self.block, self.all, self.moves, self.last) = (0.0, (0.0, 0.0), (0.0, 0.0), (0.0, 0), None);
    }

    fn end_block(&mut self, samples: f64) {
        let (square, peak) = std::mem::take(&mut self.block);
        let level = decibels(square / samples, -200.0);
        self.all = (self.all.0 + square, self.all.1.max(peak));
        self.last = if level > GATE_DB {
            self.levels.add(level);
            self.crests.add(decibels(peak * peak, -200.0) - level);
            if let Some(last) = self.last {
                self.moves = (self.moves.0 + (level - last).abs(), self.moves.1 + 1);
            }
            Some(level)
        } else {
            None
        };
    }
}

/// Onsets of one group.
#[derive(Clone, Debug)]
struct Onsets {
    /// Levels of the last two steps.
    past: [f64; 2],
    since: u32,
    count: u64,
    strengths: Histogram,
    rises: Histogram,
}

impl Onsets {
    fn new() -> Self {
        Self {
            past: [ONSET_FLOOR_DB; 2],
            since: ONSET_GAP,
            count: 0,
            strengths: Histogram::new(0.0, 60.0),
            rises: Histogram::new(0.0, 60.0),
        }
    }

    fn reset(&mut self) {
        self.strengths.reset();
        self.rises.reset();
        (self.past, self.since, self.count) = ([ONSET_FLOOR_DB; 2], ONSET_GAP, 0);
    }

    fn step(&mut self, power: f64) {
        let level = decibels(power, ONSET_FLOOR_DB).max(ONSET_FLOOR_DB);
        let rise = (level - self.past[1]).max(0.0);
        self.rises.add(rise);
        self.since = self.since.saturating_add(1);
        if rise > ONSET_DB && self.since >= ONSET_GAP {
            self.count += 1;
            self.since = 0;
            self.strengths.add(rise);
        }
        self.past = [level, self.past[0]];
    }
}

/// Left and right of all bands, side by side.
const LANES: usize = 2 * BANDS.len();

/// Sums of a step, `[band][left, right]` in a row.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    squares: [f32; LANES],
    peaks: [f32; LANES],
}

/// Butterworth filters of second order one behind the other: each gives a band, and the next one what lies above it.
/// The last lanes are not filtered: what comes there is the highest band. In single precision: levels and peaks
/// are read of the bands, to a thousandth of a decibel.
#[derive(Clone, Debug)]
struct Split {
    filters: Abreast<f32, LANES>,
    s1: [f32; LANES],
    s2: [f32; LANES],
    /// Since they were taken.
    sums: Sums,
    wide: bool,
}

impl Split {
    fn new(rate: f64) -> Self {
        #[cfg(target_arch = "x86_64")]
        let wide = std::is_x86_feature_detected!("avx");
        #[cfg(not(target_arch = "x86_64"))]
        let wide = false;
        let corner = |lane: usize| EDGES.get(lane / 2).map_or(0.0, |hz| (PI * (hz / rate).min(0.45)).tan());
        let filters = Abreast::new(&std::array::from_fn(corner), &[DAMPING; LANES]);
        Self { filters, s1: [0.0; LANES], s2: [0.0; LANES], sums: Sums::default(), wide }
    }

    fn reset(&mut self) {
        (self.s1, self.s2, self.sums) = ([0.0; LANES], [0.0; LANES], Sums::default());
    }

    fn take(&mut self) -> Sums {
        std::mem::take(&mut self.sums)
    }

    /// Adds a piece, by whatever the processor does fastest: the bits are the same.
    fn run(&mut self, left: &[f32], right: &[f32]) {
        #[cfg(target_arch = "x86_64")]
        if self.wide {
            #[target_feature(enable = "avx")]
            fn with_avx(split: &mut Split, left: &[f32], right: &[f32]) {
                split.sum(left, right)
            }
            // SAFETY: the processor was asked for AVX.
            return unsafe { with_avx(self, left, right) };
        }
        self.sum(left, right)
    }

    /// Each filter works one sample behind the one before it, so that none waits for another. At the ends of a
    /// piece some have nothing to do.
    #[inline(always)]
    fn sum(&mut self, left: &[f32], right: &[f32]) {
        const DAMPED: f32 = DAMPING as f32;
        let length = left.len().min(right.len());
        let steps = if length > 0 { length + EDGES.len() } else { 0 };
        let mut x = [0.0; LANES];
        let mut n = 0;
        while n < steps {
            if n >= EDGES.len() && n < length {
                let (filters, mut s1, mut s2) = (self.filters, self.s1, self.s2);
                let Sums { mut squares, mut peaks } = self.sums;
                for (&left, &right) in left[n..length].iter().zip(&right[n..length]) {
                    [x[0], x[1]] = [left, right];
                    let (mut low, mut high) = ([0.0; LANES], [0.0; LANES]);
                    filters.all(&x, &mut s1, &mut s2, |lane, v1, v2| {
                        low[lane] = if lane < LANES - 2 { v2 } else { x[lane] };
                        high[lane] = x[lane] - DAMPED * v1 - v2;
                    });
                    for lane in 0..LANES {
                        squares[lane] += low[lane] * low[lane];
                        peaks[lane] = if low[lane].abs() > peaks[lane] { low[lane].abs() } else { peaks[lane] };
                    }
                    x = [
                        0.0, 0.0, high[0], high[1], high[2], high[3], high[4], high[5], high[6], high[7], high[8], high[9], high[10],
                        high[11], high[12], high[13],
                    ];
                }
                (self.s1, self.s2, self.sums) = (s1, s2, Sums { squares, peaks });
                n = length;
                continue;
            }
            // Band b is at sample n - b. The last first: each takes what the one before it gave a step ago.
            for band in (0..BANDS.len()).rev().filter(|band| *band <= n && n < length + band) {
                for (channel, side) in [left, right].into_iter().enumerate() {
                    let lane = 2 * band + channel;
                    let x_now = if band == 0 { side[n] } else { x[lane] };
                    let (v1, v2) = self.filters.one(lane, x_now, &mut self.s1[lane], &mut self.s2[lane]);
                    let low = if lane < LANES - 2 { v2 } else { x_now };
                    self.sums.squares[lane] += low * low;
                    self.sums.peaks[lane] = if low.abs() > self.sums.peaks[lane] { low.abs() } else { self.sums.peaks[lane] };
                    if lane + 2 < LANES {
                        x[lane + 2] = x_now - DAMPED * v1 - v2;
                    }
                }
            }
            n += 1;
        }
    }
}

/// The steps.
#[derive(Clone, Debug)]
pub struct Steps {
    rate: f64,
    step: usize,
    filled: usize,
    in_block: usize,
    split: Split,
    bands: Vec<Band>,
    onsets: Vec<Onsets>,
    /// Levels of blocks of the bands of dynamics.
    pairs: Vec<Histogram>,
    samples: u64,
}

impl Steps {
    /// For a rate in hertz.
    pub fn new(rate: f64) -> Self {
        Self {
            rate,
            step: ((rate / STEPS_PER_SECOND) as usize).max(1),
            filled: 0,
            in_block: 0,
            split: Split::new(rate),
            bands: vec![Band::new(); BANDS.len()],
            onsets: vec![Onsets::new(); GROUPS.len()],
            pairs: vec![Histogram::levels(); DYNAMICS.len()],
            samples: 0,
        }
    }

    pub fn reset(&mut self) {
        (self.filled, self.in_block, self.samples) = (0, 0, 0);
        self.split.reset();
        self.bands.iter_mut().for_each(Band::reset);
        self.onsets.iter_mut().for_each(Onsets::reset);
        self.pairs.iter_mut().for_each(Histogram::reset);
    }

    /// Adds a piece of left and right, at most a chunk.
    pub fn add(&mut self, left: &[f32], right: &[f32]) {
        let _flush = crate::realtime::FlushDenormals::on();
        let mut at = 0;
        while at < left.len() {
            let take = (self.step - self.filled).min(left.len() - at);
            self.split.run(&left[at..at + take], &right[at..at + take]);
            self.filled += take;
            self.samples += take as u64;
            at += take;
            if self.filled == self.step {
                self.end_step();
            }
        }
    }

    fn end_step(&mut self) {
        self.filled = 0;
        let sums = self.split.take();
        for (index, band) in self.bands.iter_mut().enumerate() {
            band.step = 0.5 * (f64::from(sums.squares[2 * index]) + f64::from(sums.squares[2 * index + 1]));
            band.block.1 = band.block.1.max(f64::from(sums.peaks[2 * index].max(sums.peaks[2 * index + 1])));
        }
        for (onsets, (_, range)) in self.onsets.iter_mut().zip(GROUPS) {
            onsets.step(self.bands[range].iter().map(|band| band.step).sum::<f64>() / self.step as f64);
        }
        for band in &mut self.bands {
            band.block.0 += std::mem::take(&mut band.step);
        }
        self.in_block += 1;
        if self.in_block == BLOCK {
            self.in_block = 0;
            let samples = (BLOCK * self.step) as f64;
            for (levels, pair) in self.pairs.iter_mut().zip(self.bands.chunks(2)) {
                let level = decibels(pair.iter().map(|band| band.block.0).sum::<f64>() / samples, -200.0);
                if level > GATE_DB {
                    levels.add(level);
                }
            }
            self.bands.iter_mut().for_each(|band| band.end_block(samples));
        }
    }

    pub fn visit(&self, sink: Sink<'_>) {
        let seconds = (self.samples as f64 / self.rate).max(0.01);
        let samples = (self.samples as f64).max(1.0);
        let whole: f64 = self.bands.iter().map(|band| band.all.0).sum::<f64>() / samples;
        for (name, band) in BANDS.into_iter().zip(&self.bands) {
            let mut tell = |field, value| sink(Label { group: "band", band: Some(name), field, unit: "dB" }, value);
            let level = decibels(band.all.0 / samples, -200.0);
            tell("level", if whole > 0.0 { (level - decibels(whole, -200.0)).max(super::FLOOR_DB) } else { super::FLOOR_DB });
            let heard = band.levels.count() > 0;
            tell("crest", if heard { (decibels(band.all.1 * band.all.1, -200.0) - level).clamp(0.0, 60.0) } else { 0.0 });
            tell("crest-p10", band.crests.quantile(0.1, 0.0));
            tell("crest-p50", band.crests.quantile(0.5, 0.0));
            tell("crest-p90", band.crests.quantile(0.9, 0.0));
            let at = |share: f64| band.levels.quantile(share, 0.0);
            tell("above-p50", at(0.95) - at(0.5));
            tell("below-p50", at(0.5) - at(0.1));
            tell("range", at(0.95) - at(0.1));
            tell("movement", band.moves.0 / (band.moves.1 as f64).max(1.0));
        }
        for ((name, _), onsets) in GROUPS.into_iter().zip(&self.onsets) {
            let mut tell = |field, unit, value| sink(Label { group: "onset", band: Some(name), field, unit }, value);
            tell("rate", "1/s", onsets.count as f64 / seconds);
            tell("strength-p50", "dB", onsets.strengths.quantile(0.5, 0.0));
            tell("strength-p90", "dB", onsets.strengths.quantile(0.9, 0.0));
            tell("rise-p50", "dB", onsets.rises.quantile(0.5, 0.0));
            tell("rise-p90", "dB", onsets.rises.quantile(0.9, 0.0));
            tell("rise-p99", "dB", onsets.rises.quantile(0.99, 0.0));
        }
        let level = |range: std::ops::Range<usize>, share: f64| {
            let loudest = self.bands[range].iter().filter(|band| band.levels.count() > 0);
            loudest.map(|band| band.levels.quantile(share, 0.0)).fold(f64::NEG_INFINITY, f64::max)
        };
        // How far hits of the low end stand out, and the low end over the rest in loud blocks.
        let difference = |a: f64, b: f64| if a.is_finite() && b.is_finite() { a - b } else { 0.0 };
        put(
            sink,
            "low-end",
            "dB",
            &[
                ("punch", difference(level(0..2, 0.97), level(0..2, 0.5))),
                ("over-mid-p50", difference(level(0..2, 0.5), level(2..5, 0.5))),
                ("over-mid-p95", difference(level(0..2, 0.95), level(2..5, 0.95))),
            ],
        );
    }
    /// Features of the four bands of dynamics.
    pub fn visit_dynamics(&self, sink: Sink<'_>) {
        for (name, levels) in DYNAMICS.into_iter().zip(&self.pairs) {
            let at = |share: f64| levels.quantile(share, 0.0);
            for (field, value) in [("above-p50", at(0.95) - at(0.5)), ("below-p50", at(0.5) - at(0.1)), ("range", at(0.95) - at(0.1))] {
                sink(Label { group: "dynamics", band: Some(name), field, unit: "dB" }, value);
            }
        }
    }

    /// Levels of the four bands of dynamics: the 10th, 50th and 95th percentile of blocks of 100 ms, mean
    /// power of left and right in decibels over full scale; none of a band that is silent.
    pub fn levels(&self) -> [Option<[f64; 3]>; DYNAMICS.len()] {
        std::array::from_fn(|band| {
            let levels = &self.pairs[band];
            (levels.count() > 0).then(|| [0.1, 0.5, 0.95].map(|share| levels.quantile(share, 0.0)))
        })
    }
}
