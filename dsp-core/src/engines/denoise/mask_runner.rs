//! The model's step with complex numbers in and out.

use super::core::MODEL_BINS;
use crate::model::{Plan, Runner};
use crate::processor::Error;
use realfft::num_complex::Complex32;
use std::sync::Arc;

/// Shape of the model's spectrum and mask.
const SHAPE: [usize; 3] = [1, MODEL_BINS, 2];

/// One stream through a model that turns spectra into masks.
#[derive(Debug)]
pub struct MaskRunner {
    runner: Runner,
    /// Real and imaginary parts in turn, `[bin][part]`.
    input: Vec<f32>,
    output: Vec<f32>,
}

impl MaskRunner {
    /// A stream with its states at zero.
    ///
    /// # Errors
    /// [`Error::Model`] when the model is for something else.
    pub fn new(plan: &Arc<Plan>) -> Result<Self, Error> {
        plan.manifest().fits("denoise", &[("spectrum", &SHAPE)], &[("mask", &SHAPE)])?;
        Ok(Self { runner: Runner::new(plan)?, input: vec![0.0; 2 * MODEL_BINS], output: vec![0.0; 2 * MODEL_BINS] })
    }

    /// As [`Runner::reset`].
    pub fn reset(&mut self) {
        self.runner.reset();
    }

    /// As [`Runner::has_failed`].
    pub fn has_failed(&self) -> bool {
        self.runner.has_failed()
    }

    /// One step: `spectrum` in, `mask` out, both `[bin]`. A step that fails or gives a number that is
    /// not finite leaves a mask of ones.
    pub fn step(&mut self, spectrum: &[Complex32], mask: &mut [Complex32]) {
        for (pair, bin) in self.input.as_chunks_mut::<2>().0.iter_mut().zip(spectrum) {
            *pair = [bin.re, bin.im];
        }
        if self.runner.step(&[&self.input], &mut [&mut self.output]) {
            for (gain, pair) in mask.iter_mut().zip(self.output.as_chunks::<2>().0) {
                *gain = Complex32::new(pair[0], pair[1]);
            }
        } else {
            mask.fill(Complex32::new(1.0, 0.0));
        }
    }
}
