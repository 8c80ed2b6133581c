//! Bands without phase: low-passes of linear phase, their differences, and what is left.

use super::crossover::MAX_BANDS;
use super::multiband::CONTROL;
use crate::delay::Delay;
use crate::filters::convolver::Convolver;
use crate::processor::Format;
use crate::sample::usable_all;
use crate::units::Hz;
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner};
use std::sync::Arc;

/// Least length of the low-passes in seconds: at 60 Hz the response is down by 60 dB at its ends.
const LENGTH_SECONDS: f64 = 0.085;
/// Partitions of a low-pass.
const PARTS: usize = 8;

/// Low-passes with the magnitude of Linkwitz-Riley crossovers. Band k is the difference of low-pass k and
/// k - 1, the highest band what is missing to the delayed input: the bands add up to it exactly.
pub struct LinearSplit {
    convolver: Convolver,
    delays: Vec<Delay>,
    rate: Hz,
    inverse: Arc<dyn ComplexToReal<f32>>,
    spectrum: Vec<Complex32>,
    taps: Vec<f32>,
    scratch: Vec<Complex32>,
    window: Vec<f32>,
    /// Corners in octaves over 1 Hz: asked for, and playing.
    wanted: [f64; MAX_BANDS - 1],
    made: [f64; MAX_BANDS - 1],
    corners: usize,
    /// The bands asked for play.
    ready: bool,
}

impl std::fmt::Debug for LinearSplit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinearSplit").field("taps", &self.taps.len()).finish_non_exhaustive()
    }
}

impl LinearSplit {
    /// For a format.
    pub fn new(format: Format) -> Self {
        let length = ((format.rate.0 * LENGTH_SECONDS) as usize).next_power_of_two().max(16 * PARTS);
        let inverse = RealFftPlanner::new().plan_fft_inverse(length);
        let convolver = Convolver::new(format.channels, MAX_BANDS - 1, length, length / PARTS);
        Self {
            delays: vec![Delay::new(length / 2 + convolver.partition()); format.channels],
            convolver,
            rate: format.rate,
            spectrum: vec![Complex32::default(); length / 2 + 1],
            taps: vec![0.0; length],
            scratch: inverse.make_scratch_vec(),
            window: (0..length).map(|n| 0.5 - 0.5 * (std::f32::consts::TAU * n as f32 / length as f32).cos()).collect(),
            inverse,
            wanted: [0.0; MAX_BANDS - 1],
            made: [0.0; MAX_BANDS - 1],
            corners: 0,
            ready: false,
        }
    }

    /// Delay in samples.
    pub fn latency(&self) -> usize {
        self.taps.len() / 2 + self.convolver.partition()
    }

    /// Forgets the signal.
    pub fn reset(&mut self) {
        self.convolver.reset();
        self.delays.iter_mut().for_each(Delay::reset);
        self.corners = 0;
        self.ready = false;
    }

    /// Corners asked for, in octaves over 1 Hz; none when no band is wanted. At a start they hold at
    /// once, else from the next partition on.
    pub fn want(&mut self, corners: &[f64], at_once: bool) {
        let started = self.corners == 0 && !corners.is_empty();
        self.corners = corners.len();
        self.wanted[..corners.len()].copy_from_slice(corners);
        if started {
            self.ready = at_once;
            if at_once {
                self.design();
                self.convolver.jump();
            }
        }
    }

    /// True once the bands asked for play.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    fn design(&mut self) {
        if self.wanted[..self.corners] == self.made[..self.corners] {
            return;
        }
        let length = self.taps.len();
        for filter in 0..self.corners {
            let corner = self.wanted[filter].exp2();
            for (bin, slot) in self.spectrum.iter_mut().enumerate() {
                let relative = bin as f64 * self.rate.0 / length as f64 / corner;
                let gain = (1.0 / (1.0 + relative.powi(4))) as f32 / length as f32;
                // A sign that alternates turns the filter by half its length.
                *slot = Complex32::new(if bin % 2 == 0 { gain } else { -gain }, 0.0);
            }
            // Lengths are those of the plan, so it cannot fail.
            let _ = self.inverse.process_with_scratch(&mut self.spectrum, &mut self.taps, &mut self.scratch);
            self.taps.iter_mut().zip(&self.window).for_each(|(tap, window)| *tap *= window);
            self.convolver.set(filter, &self.taps);
        }
        self.made = self.wanted;
    }

    /// Samples until a partition is due.
    pub fn until_due(&self) -> usize {
        self.convolver.until_due()
    }

    /// Takes a piece of a channel in and puts the delayed input in its place.
    pub fn exchange(&mut self, channel: usize, audio: &mut [f32]) {
        self.convolver.feed(channel, audio);
        usable_all(audio);
        self.delays[channel].process(audio);
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
        let upper = if band + 1 == count { dry } else { self.convolver.output(channel, band, dry.len()) };
        out[..dry.len()].copy_from_slice(upper);
        if band > 0 {
            let lower = self.convolver.output(channel, band - 1, dry.len());
            out.iter_mut().zip(lower).for_each(|(out, lower)| *out -= lower);
        }
        out
    }

    /// All channels had a piece of this length.
    pub fn advance(&mut self, length: usize) {
        let plays = self.corners > 0;
        if plays && self.convolver.is_due_after(length) {
            self.design();
            if !self.ready {
                // Nothing has played, so nothing fades.
                self.convolver.jump();
                self.ready = true;
            }
        }
        self.convolver.advance(length, !plays);
    }
}
