//! Bands without phase: low-passes of linear phase, their differences, and what is left.

use super::crossover::MAX_BANDS;
use super::multiband::CONTROL;
use crate::filters::symmetric::{Curve, Symmetric};
use crate::processor::Format;
use crate::units::Hz;

/// Least length of the low-passes in seconds: at 60 Hz the response is down by 60 dB at its ends.
const LENGTH_SECONDS: f64 = 0.085;

/// Corners in hertz, from the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Corners {
    hz: [f64; MAX_BANDS - 1],
    count: usize,
}

impl Curve for Corners {
    fn filters(&self) -> usize {
        self.count
    }

    /// The magnitude of a Linkwitz-Riley low-pass of fourth order.
    fn gain(&self, filter: usize, at: Hz) -> f64 {
        1.0 / (1.0 + (at.0 / self.hz[filter]).powi(4))
    }
}

/// Low-passes with the magnitude of Linkwitz-Riley crossovers. Band k is the difference of low-pass k and
/// k - 1, the highest band what is missing to the delayed input: the bands add up to it exactly.
#[derive(Debug)]
pub struct LinearSplit {
    filters: Symmetric<Corners>,
}

impl LinearSplit {
    /// For a format.
    pub fn new(format: Format) -> Self {
        Self { filters: Symmetric::new(format, MAX_BANDS - 1, LENGTH_SECONDS) }
    }

    /// Delay in samples.
    pub fn latency(&self) -> usize {
        self.filters.latency()
    }

    /// Forgets the signal.
    pub fn reset(&mut self) {
        self.filters.reset();
    }

    /// Corners asked for, in octaves over 1 Hz; none when no band is wanted. At a start they hold at
    /// once, else from the next partition but one on.
    pub fn want(&mut self, octaves: &[f64]) {
        let mut corners = Corners { count: octaves.len(), ..Corners::default() };
        corners.hz.iter_mut().zip(octaves).for_each(|(hz, octaves)| *hz = octaves.exp2());
        self.filters.want((corners.count > 0).then_some(&corners));
    }

    /// True once the bands asked for play.
    pub fn is_ready(&self) -> bool {
        self.filters.plays()[1]
    }

    /// Takes a piece of a channel in and puts the delayed input in its place.
    pub fn exchange(&mut self, channel: usize, audio: &mut [f32]) {
        self.filters.exchange(channel, audio);
    }

    /// A copy of a piece of the delayed input.
    pub fn dry(&self, audio: &[f32]) -> [f32; CONTROL] {
        let mut dry = [0.0; CONTROL];
        dry[..audio.len()].copy_from_slice(audio);
        dry
    }

    /// One band of the delayed input, where this is `dry`.
    pub fn band(&self, channel: usize, band: usize, count: usize, dry: &[f32]) -> [f32; CONTROL] {
        let mut out = [0.0; CONTROL];
        let upper = if band + 1 == count { dry } else { self.filters.output(channel, band, dry.len()) };
        out[..dry.len()].copy_from_slice(upper);
        if band > 0 {
            let lower = self.filters.output(channel, band - 1, dry.len());
            out.iter_mut().zip(lower).for_each(|(out, lower)| *out -= lower);
        }
        out
    }

    /// All channels had a piece of this length.
    pub fn advance(&mut self, length: usize) {
        self.filters.advance(length);
    }
}
