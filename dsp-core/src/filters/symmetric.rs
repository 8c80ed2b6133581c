//! Filters of linear phase whose curves move while they play.
//!
//! A curve becomes a symmetric filter by an inverse transform and a window, and that a set of spectra
//! for the [`Convolver`]. Both take far longer than a small block lasts. So a design is cut into steps
//! that are done evenly over one partition: what a block costs does not depend on whether curves move,
//! and what is heard does not depend on the blocks. The curve that is wanted when a partition begins is done when it
//! ends, and fades in over the next one.

use super::convolver::Convolver;
use crate::delay::Delay;
use crate::processor::Format;
use crate::sample::usable_all;
use crate::units::Hz;
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner};
use std::f32::consts::TAU;
use std::sync::Arc;

/// Partitions of a filter.
const PARTS: usize = 8;
/// Bins of a curve in one step of a design: 10 to 50 microseconds.
const SLICE: usize = 256;

/// Gains over frequency of a set of filters.
pub trait Curve: Clone + PartialEq + Default {
    /// Filters that it has gains for, at most those that [`Symmetric`] was made with.
    fn filters(&self) -> usize;

    /// Linear gain of one filter at a frequency.
    fn gain(&self, filter: usize, at: Hz) -> f64;
}

/// Filters of linear phase for channels, with the delayed input beside them.
pub struct Symmetric<C> {
    convolver: Convolver,
    delays: Vec<Delay>,
    rate: Hz,
    inverse: Arc<dyn ComplexToReal<f32>>,
    spectrum: Vec<Complex32>,
    taps: Vec<f32>,
    scratch: Vec<Complex32>,
    window: Vec<f32>,
    /// Asked for, where any filter is.
    wanted: C,
    wants: bool,
    /// In design, and how many of its steps are done.
    design: Option<(C, usize)>,
    /// What the set that plays was made of.
    made: C,
    /// The filters play at the start and at the end of the present partition.
    plays: [bool; 2],
    /// The present partition is the first one: nothing comes out of it.
    first: bool,
    /// Samples of the present partition that are in.
    done: usize,
}

impl<C> std::fmt::Debug for Symmetric<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Symmetric").field("taps", &self.taps.len()).finish_non_exhaustive()
    }
}

impl<C: Curve> Symmetric<C> {
    /// For a format, with at most `filters` filters of at least `seconds`.
    pub fn new(format: Format, filters: usize, seconds: f64) -> Self {
        let length = ((format.rate.0 * seconds) as usize).next_power_of_two().max(16 * PARTS);
        let inverse = RealFftPlanner::new().plan_fft_inverse(length);
        let convolver = Convolver::new(format.channels, filters, length, length / PARTS);
        Self {
            delays: vec![Delay::new(length / 2 + convolver.partition()); format.channels],
            convolver,
            rate: format.rate,
            spectrum: vec![Complex32::default(); length / 2 + 1],
            taps: vec![0.0; length],
            scratch: inverse.make_scratch_vec(),
            window: (0..length).map(|n| 0.5 - 0.5 * (TAU * n as f32 / length as f32).cos()).collect(),
            inverse,
            wanted: C::default(),
            wants: false,
            design: None,
            made: C::default(),
            plays: [false; 2],
            first: true,
            done: 0,
        }
    }

    /// Delay in samples.
    pub fn latency(&self) -> usize {
        self.taps.len() / 2 + self.convolver.partition()
    }

    /// Forgets the signal and what is wanted, not the filters that were made.
    pub fn reset(&mut self) {
        self.convolver.reset();
        self.delays.iter_mut().for_each(Delay::reset);
        self.wants = false;
        self.design = None;
        self.plays = [false; 2];
        self.first = true;
        self.done = 0;
    }

    /// What is wanted from the next sample on. It is looked at where partitions begin; before the first one
    /// it holds at once, as nothing comes out until that is full.
    pub fn want(&mut self, curve: Option<&C>) {
        self.wants = curve.is_some();
        if let Some(curve) = curve.filter(|curve| **curve != self.wanted) {
            self.wanted = curve.clone();
        }
        if self.first && self.done == 0 {
            self.plays = [self.wants; 2];
        }
    }

    /// True when the filters play at the start and at the end of this partition. Where neither holds their
    /// outputs are silent.
    pub fn plays(&self) -> [bool; 2] {
        self.plays
    }

    /// How far this partition is, `samples` further on.
    pub fn along(&self, samples: usize) -> f32 {
        (self.done + samples) as f32 / self.convolver.partition() as f32
    }

    /// Samples that can be exchanged before the next partition begins; at least one.
    pub fn until_due(&self) -> usize {
        self.convolver.until_due()
    }

    /// Takes a piece of a channel in and puts the delayed input in its place.
    pub fn exchange(&mut self, channel: usize, audio: &mut [f32]) {
        self.convolver.feed(channel, audio);
        usable_all(audio);
        self.delays[channel].process(audio);
    }

    /// Output of one filter that belongs to the piece just exchanged.
    pub fn output(&self, channel: usize, filter: usize, length: usize) -> &[f32] {
        self.convolver.output(channel, filter, length)
    }

    /// All channels had a piece of this length.
    pub fn advance(&mut self, length: usize) {
        if self.done == 0 {
            self.design = (self.wants && self.wanted != self.made).then(|| (self.wanted.clone(), 0));
        }
        self.done += length;
        self.work();
        if self.done >= self.convolver.partition() {
            self.done = 0;
            self.end();
        }
        self.convolver.advance(length, self.plays == [false; 2]);
    }

    /// A partition is full: what plays in the next one.
    fn end(&mut self) {
        let played = self.plays[1];
        let mut there = played || self.wanted == self.made;
        if let Some((curve, _)) = self.design.take() {
            self.made = curve;
            self.convolver.commit();
            if std::mem::take(&mut self.first) || !played {
                // Nothing has played, so nothing fades.
                self.convolver.jump();
            }
            there = true;
        }
        self.first = false;
        self.plays = [played, there && self.wants];
    }

    /// Does the share of the steps that belongs to the samples so far.
    fn work(&mut self) {
        let Some((curve, mut step)) = self.design.take() else { return };
        let slices = self.spectrum.len().div_ceil(SLICE);
        let each = slices + 1 + PARTS;
        let due = (each * curve.filters() * self.done).div_ceil(self.convolver.partition());
        while step < due {
            let filter = step / each;
            match step % each {
                slice if slice < slices => self.fill(&curve, filter, slice * SLICE),
                at if at == slices => {
                    // Lengths are those of the plan, so it cannot fail.
                    let _ = self.inverse.process_with_scratch(&mut self.spectrum, &mut self.taps, &mut self.scratch);
                    self.taps.iter_mut().zip(&self.window).for_each(|(tap, window)| *tap *= window);
                }
                at => self.convolver.set_part(filter, at - slices - 1, &self.taps),
            }
            step += 1;
        }
        self.design = Some((curve, step));
    }

    /// A slice of the spectrum of a filter, its middle at half its length.
    fn fill(&mut self, curve: &C, filter: usize, from: usize) {
        let length = self.taps.len() as f64;
        for (bin, slot) in self.spectrum.iter_mut().enumerate().skip(from).take(SLICE) {
            let gain = (curve.gain(filter, Hz(bin as f64 * self.rate.0 / length)) / length) as f32;
            // A sign that alternates turns the filter by half its length.
            *slot = Complex32::new(if bin % 2 == 0 { gain } else { -gain }, 0.0);
        }
    }
}
