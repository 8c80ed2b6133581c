//! Where inside a hop a sibilant begins or ends.
//!
//! The model decides once per hop. The gain must change where the sound does, or a vowel loses its end
//! and a sibilant keeps its start. So the energy of the high band is followed in steps of half a
//! millisecond, and a change of gain is laid where that energy rises or falls most.

use crate::units::Hz;
use std::f64::consts::{PI, SQRT_2};

/// Steps of energy in a hop.
pub const STEPS: usize = 10;
/// Hops of energy that are kept.
const HOPS: usize = 3;
/// Steps on each side of an edge over which the energy is compared: 1.5 ms.
const SIDE: usize = 3;
/// Corner of the high-pass in front of the energy.
const CORNER_HZ: f64 = 3_500.0;
/// The least change of energy that is an edge: 4 dB, as a ratio of powers. Noise in half a millisecond
/// changes by less.
const EDGE: f32 = 2.5;
/// Power under which all is silence (-150 dBFS), so that an edge out of digital silence is finite.
const SILENCE: f32 = 1e-15;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The energy goes up.
    Rise,
    /// The energy goes down.
    Fall,
}

/// Least steps behind an edge: fewer are too uncertain.
const LEAST_BEHIND: usize = 2;

/// Second-order high-pass (Butterworth, by the bilinear transform).
#[derive(Clone, Copy, Debug, Default)]
struct HighPass {
    gain: f32,
    a1: f32,
    a2: f32,
    z1: f32,
    z2: f32,
}

impl HighPass {
    fn new(rate: Hz) -> Self {
        let k = (PI * (CORNER_HZ / rate.0).min(0.45)).tan();
        let norm = 1.0 / (1.0 + SQRT_2 * k + k * k);
        Self {
            gain: norm as f32,
            a1: (2.0 * (k * k - 1.0) * norm) as f32,
            a2: ((1.0 - SQRT_2 * k + k * k) * norm) as f32,
            ..Self::default()
        }
    }

    fn step(&mut self, input: f32) -> f32 {
        let x = input * self.gain;
        let out = x + self.z1;
        self.z1 = -2.0 * x - self.a1 * out + self.z2;
        self.z2 = x - self.a2 * out;
        out
    }
}

/// Mean power of the high band by step, oldest first; the last [`STEPS`] are of the newest hop.
pub type Powers = [f32; HOPS * STEPS];

/// Follows the energy of the high band of one channel.
#[derive(Debug)]
pub struct Edges {
    /// Two in a row: the low end of a voice is 100 dB down.
    filters: [HighPass; 2],
    powers: Powers,
}

impl Edges {
    /// At a rate.
    pub fn new(rate: Hz) -> Self {
        Self { filters: [HighPass::new(rate); 2], powers: [0.0; HOPS * STEPS] }
    }

    /// Forgets all history.
    pub fn reset(&mut self) {
        self.powers = [0.0; HOPS * STEPS];
        self.filters.iter_mut().for_each(|filter| (filter.z1, filter.z2) = (0.0, 0.0));
    }

    /// Takes in the newest hop, `[sample]`.
    pub fn hop(&mut self, samples: &[f32]) {
        self.powers.copy_within(STEPS.., 0);
        let hop = samples.len();
        for (step, power) in self.powers[(HOPS - 1) * STEPS..].iter_mut().enumerate() {
            let part = &samples[hop * step / STEPS..hop * (step + 1) / STEPS];
            let filtered = part.iter().map(|&sample| self.filters.iter_mut().fold(sample, |sample, filter| filter.step(sample)));
            *power = filtered.map(|sample| sample * sample).sum::<f32>() / part.len().max(1) as f32;
        }
    }

    /// Powers of the last hops.
    pub fn powers(&self) -> &Powers {
        &self.powers
    }
}

/// The sample, counted from the start of the newest hop of `hop` samples and negative before it, at
/// which the energy rises or falls most, from `earliest` on; none where it does nothing of the kind.
pub fn find(powers: &Powers, edge: Edge, hop: usize, earliest: isize) -> Option<isize> {
    let mean = |steps: &[f32]| steps.iter().sum::<f32>() / steps.len() as f32 + SILENCE;
    let mut best = (EDGE, None);
    for at in SIDE..=powers.len() - LEAST_BEHIND {
        let sample = (hop * (at / STEPS) + hop * (at % STEPS) / STEPS) as isize - (hop * (HOPS - 1)) as isize;
        if sample < earliest {
            continue;
        }
        let before = mean(&powers[at - SIDE..at]);
        let after = mean(&powers[at..(at + SIDE).min(powers.len())]);
        let ratio = if edge == Edge::Rise { after / before } else { before / after };
        if ratio > best.0 {
            best = (ratio, Some(sample));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize, level: f32, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 8) as f32 / (1 << 23) as f32 - 1.0) * level
            })
            .collect()
    }

    #[test]
    fn the_edges_of_a_burst_of_noise_are_found_to_the_millisecond() {
        for rate in [16_000.0, 44_100.0, 48_000.0, 192_000.0] {
            let hop = (rate * 0.005) as usize;
            for seed in 1..20 {
                let at = hop * (seed as usize % 9 + 1) / 10;
                for edge in [Edge::Rise, Edge::Fall] {
                    let mut edges = Edges::new(Hz(rate));
                    let (quiet, loud) = (noise(3 * hop, 0.01, seed), noise(3 * hop, 0.2, seed + 77));
                    let (first, then) = if edge == Edge::Rise { (&quiet, &loud) } else { (&loud, &quiet) };
                    // The change lies in the second of three hops.
                    let all: Vec<f32> = first[..hop + at].iter().chain(&then[hop + at..]).copied().collect();
                    all.chunks(hop).take(3).for_each(|part| edges.hop(part));
                    let found = find(edges.powers(), edge, hop, -(hop as isize)).expect("an edge of 26 dB");
                    let wanted = at as isize - hop as isize;
                    assert!((found - wanted).unsigned_abs() as f64 <= 0.001 * rate, "{rate} {edge:?}: {found} {wanted}");
                }
            }
        }
    }

    #[test]
    fn silence_and_a_low_tone_in_noise_have_no_edges() {
        for (tone, level) in [(0.0, 0.0), (0.5, 1e-3)] {
            let mut edges = Edges::new(Hz(48_000.0));
            let low = |n: usize| tone * (std::f32::consts::TAU * 200.0 * n as f32 / 48_000.0).sin();
            let sound: Vec<f32> = noise(9_600, level, 3).iter().enumerate().map(|(n, x)| x + low(n)).collect();
            for part in sound.chunks(240) {
                edges.hop(part);
            }
            assert_eq!([Edge::Rise, Edge::Fall].map(|edge| find(edges.powers(), edge, 240, -240)), [None; 2], "{level}");
        }
    }
}
