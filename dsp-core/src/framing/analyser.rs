//! From windowed samples to a spectrum whose values mean the same at every rate.

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// A window and its transform.
pub struct Analyser {
    window: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    time: Vec<f32>,
    scratch: Vec<Complex32>,
    /// What samples are multiplied with beside the window.
    scale: f32,
}

impl std::fmt::Debug for Analyser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Analyser").field("length", &self.window.len()).finish_non_exhaustive()
    }
}

impl Analyser {
    /// For a window, `[sample]`; a full-scale sine reads 1 in its bin.
    pub fn new(window: Vec<f32>) -> Self {
        let scale = 2.0 / window.iter().sum::<f32>();
        Self::scaled(window, scale)
    }

    /// For a window, `[sample]`, with samples multiplied by `scale` beside it.
    pub fn scaled(window: Vec<f32>, scale: f32) -> Self {
        let forward = RealFftPlanner::new().plan_fft_forward(window.len());
        Self { time: vec![0.0; window.len()], scratch: vec![Complex32::default(); forward.get_scratch_len()], scale, window, forward }
    }

    /// Number of bins of a spectrum.
    pub fn bins(&self) -> usize {
        self.window.len() / 2 + 1
    }

    /// What the samples are multiplied with beside the window.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Spectrum of the window's length of samples, `[sample]`, into `spectrum`, `[bin]`.
    pub fn analyse(&mut self, samples: &[f32], spectrum: &mut [Complex32]) {
        for ((out, &sample), &weight) in self.time.iter_mut().zip(samples).zip(&self.window) {
            *out = sample * weight * self.scale;
        }
        // Lengths fit by construction, which is all that can fail.
        let _ = self.forward.process_with_scratch(&mut self.time, spectrum, &mut self.scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::recent;

    #[test]
    fn a_full_scale_sine_reads_one_at_every_rate() {
        for length in [160, 440, 480, 960, 1920] {
            let mut analyser = Analyser::new(recent(length - length / 5, length / 5));
            let mut spectrum = vec![Complex32::default(); analyser.bins()];
            let sine: Vec<f32> = (0..length).map(|n| (std::f32::consts::TAU * 20.0 * n as f32 / length as f32).sin()).collect();
            analyser.analyse(&sine, &mut spectrum);
            assert!((spectrum[20].norm() - 1.0).abs() < 1e-3, "{length}: {}", spectrum[20].norm());
            assert!(spectrum[60].norm() < 1e-4, "{length}: {}", spectrum[60].norm());
        }
    }
}
