//! Linkwitz-Riley crossovers in three or four bands, and what they add up to.
//!
//! Low and high band of one crossover are each two Butterworth filters of second order in a row, and
//! add up to an all-pass (S. H. Linkwitz, "Active crossover networks for noncoincident drivers", 1976).
//! The bands of the other branch go through the same all-pass, so that all bands together are the
//! input through all-passes: flat at every frequency.

use crate::filters::glide::TICK;
use crate::filters::section::Lanes;

/// Most bands.
pub const MAX_BANDS: usize = 4;
/// Damping of a Butterworth filter of second order.
pub(crate) const DAMPING: f64 = std::f64::consts::SQRT_2;

/// Integrators of a state variable filter, two channels.
type Memory = [Lanes; 2];

/// Coefficient `g` along a tick.
#[derive(Clone, Copy, Debug, Default)]
pub struct Corner {
    from: f64,
    to: f64,
}

impl Corner {
    /// Stands at a frequency given as a share of the rate.
    pub fn at(share: f64) -> Self {
        let g = (std::f64::consts::PI * share.clamp(1e-6, 0.49)).tan();
        Self { from: g, to: g }
    }

    /// At a tick: goes there until the next one.
    pub fn head_for(&mut self, share: f64) {
        self.from = self.to;
        self.to = Self::at(share).to;
    }

    /// True when it stands.
    pub fn stands(&self) -> bool {
        self.from == self.to
    }

    /// The coefficient at a sample of the tick.
    #[inline]
    pub fn g(&self, index: usize) -> f64 {
        if self.from == self.to { self.to } else { self.from + (self.to - self.from) * ((index + 1) as f64 / TICK as f64) }
    }
}

/// Low-pass, band-pass (times the damping) and high-pass of one Butterworth filter.
#[inline]
fn butterworth(memory: &mut Memory, x: Lanes, g: f64, a1: f64) -> [Lanes; 3] {
    let mut out = [[0.0; 2]; 3];
    for lane in 0..2 {
        let [s1, s2] = [memory[0][lane], memory[1][lane]];
        let v3 = x[lane] - s2;
        let v1 = a1 * (s1 + g * v3);
        let v2 = s2 + g * v1;
        memory[0][lane] = 2.0 * v1 - s1;
        memory[1][lane] = 2.0 * v2 - s2;
        let band = DAMPING * v1;
        out[0][lane] = v2;
        out[1][lane] = band;
        out[2][lane] = x[lane] - band - v2;
    }
    out
}

/// The factor that resolves the filter's loop.
#[inline]
pub(crate) fn a1(g: f64) -> f64 {
    1.0 / (1.0 + g * (g + DAMPING))
}

/// Splits one pair of channels in two.
#[derive(Clone, Copy, Debug, Default)]
struct Split {
    first: Memory,
    low: Memory,
    high: Memory,
}

impl Split {
    #[inline]
    fn step(&mut self, x: Lanes, g: f64, a1: f64) -> [Lanes; 2] {
        let [low, _, high] = butterworth(&mut self.first, x, g, a1);
        [butterworth(&mut self.low, low, g, a1)[0], butterworth(&mut self.high, high, g, a1)[2]]
    }
}

/// The all-pass that low and high band add up to.
#[derive(Clone, Copy, Debug, Default)]
struct AllPass(Memory);

impl AllPass {
    #[inline]
    fn step(&mut self, x: Lanes, g: f64, a1: f64) -> Lanes {
        let [low, band, high] = butterworth(&mut self.0, x, g, a1);
        [low[0] - band[0] + high[0], low[1] - band[1] + high[1]]
    }
}

/// The crossovers of one pair of channels: the middle one first, then one in each branch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Crossover {
    splits: [Split; 3],
    passes: [AllPass; 2],
}

impl Crossover {
    /// Splits a piece that begins `done` samples into the tick into `bands[band][sample]`: three bands
    /// with two corners, four with three. Corners rise.
    pub fn run<const MOST: usize>(&mut self, audio: &[Lanes], corners: &[Corner], done: usize, bands: &mut [[Lanes; MOST]]) {
        // A division a sample is dear; corners that stand need one a piece.
        let both = |corner: &Corner, index: usize| {
            let g = corner.g(done + index);
            (g, a1(g))
        };
        let standing = corners.iter().all(Corner::stands);
        let first: [(f64, f64); MAX_BANDS - 1] =
            std::array::from_fn(|index| corners.get(index).map_or((0.0, 0.0), |corner| both(corner, 0)));
        for (index, &x) in audio.iter().enumerate() {
            let at = |corner: usize| if standing { first[corner] } else { both(&corners[corner], index) };
            if corners.len() == 3 {
                let [(gl, al), (gm, am), (gh, ah)] = [at(0), at(1), at(2)];
                let [below, above] = self.splits[1].step(x, gm, am);
                let below = self.passes[0].step(below, gh, ah);
                let above = self.passes[1].step(above, gl, al);
                [bands[0][index], bands[1][index]] = self.splits[0].step(below, gl, al);
                [bands[2][index], bands[3][index]] = self.splits[2].step(above, gh, ah);
            } else if corners.len() == 2 {
                let [(gl, al), (gh, ah)] = [at(0), at(1)];
                let [below, above] = self.splits[0].step(x, gl, al);
                bands[0][index] = self.passes[0].step(below, gh, ah);
                [bands[1][index], bands[2][index]] = self.splits[2].step(above, gh, ah);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{PI, TAU};

    /// Gain of one band, or of all together, in decibels, from the response to an impulse.
    fn gains(corners: &[f64], rate: f64, hz: f64) -> (Vec<f64>, f64) {
        let corners: Vec<Corner> = corners.iter().map(|hz| Corner::at(hz / rate)).collect();
        let mut crossover = Crossover::default();
        let count = corners.len() + 1;
        let mut sums = vec![(0.0, 0.0); count + 1];
        let mut x = [1.0, 0.0];
        let mut bands = [[[0.0; 2]; TICK]; MAX_BANDS];
        for n in 0..(rate * 0.5) as usize {
            crossover.run(&[x], &corners, 0, &mut bands[..count]);
            x = [0.0; 2];
            let (sin, cos) = (TAU * hz / rate * n as f64).sin_cos();
            let all: f64 = bands[..count].iter().map(|band| band[0][0]).sum();
            for (sum, value) in sums.iter_mut().zip(bands[..count].iter().map(|band| band[0][0]).chain([all])) {
                *sum = (sum.0 + value * cos, sum.1 - value * sin);
            }
        }
        let mut levels: Vec<f64> = sums.iter().map(|(re, im)| 20.0 * re.hypot(*im).log10()).collect();
        let all = levels.pop().unwrap_or(f64::NAN);
        (levels, all)
    }

    #[test]
    fn bands_add_up_flat_at_every_rate() {
        for rate in [16_000.0, 44_100.0, 48_000.0, 96_000.0, 192_000.0] {
            for corners in [&[120.0, 1_500.0, 6_000.0][..], &[200.0, 3_000.0][..], &[60.0, 90.0, 130.0][..]] {
                for hz in [30.0, 95.0, 200.0, 1_000.0, 1_500.0, 4_000.0, 7_000.0] {
                    let (_, all) = gains(corners, rate, hz);
                    assert!(all.abs() < 0.01, "{all} dB at {hz} Hz, {rate} Hz, {corners:?}");
                }
            }
        }
    }

    /// Against the analogue definition, its frequencies bent as the bilinear transform bends them.
    #[test]
    fn bands_are_linkwitz_riley() {
        let rate = 48_000.0;
        let bend = |hz: f64| (PI * hz / rate).tan();
        let corners = [120.0, 1_500.0, 6_000.0];
        for hz in [40.0, 120.0, 300.0, 1_500.0, 3_000.0, 6_000.0, 12_000.0] {
            let (levels, _) = gains(&corners, rate, hz);
            let low = |corner: f64| 1.0 / (1.0 + (bend(hz) / bend(corner)).powi(4));
            let truth = [
                low(corners[0]) * low(corners[1]),
                (1.0 - low(corners[0])) * low(corners[1]),
                (1.0 - low(corners[1])) * low(corners[2]),
                (1.0 - low(corners[1])) * (1.0 - low(corners[2])),
            ];
            for (band, (level, truth)) in levels.iter().zip(truth).enumerate() {
                let truth = 20.0 * truth.log10();
                assert!(truth < -90.0 || (level - truth).abs() < 0.1, "band {band} at {hz} Hz: {level} for {truth} dB");
            }
        }
    }
}
