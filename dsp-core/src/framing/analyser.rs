//! From windowed samples to a spectrum whose values mean the same at every rate.

use realfft::num_complex::{Complex32, Complex64};
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
    exact: Option<Exact>,
}

/// The same in double precision.
struct Exact {
    window: Vec<f64>,
    forward: Arc<dyn RealToComplex<f64>>,
    time: Vec<f64>,
    frequency: Vec<Complex64>,
    scratch: Vec<Complex64>,
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
        Self {
            time: vec![0.0; window.len()],
            scratch: vec![Complex32::default(); forward.get_scratch_len()],
            scale,
            window,
            forward,
            exact: None,
        }
    }

    /// As [`Analyser::scaled`], in double precision until the spectrum is there.
    pub fn exact(window: &[f64], scale: f32) -> Self {
        let forward = RealFftPlanner::new().plan_fft_forward(window.len());
        let exact = Exact {
            window: window.iter().map(|weight| weight * f64::from(scale)).collect(),
            time: vec![0.0; window.len()],
            frequency: vec![Complex64::default(); window.len() / 2 + 1],
            scratch: vec![Complex64::default(); forward.get_scratch_len()],
            forward,
        };
        Self { exact: Some(exact), ..Self::scaled(window.iter().map(|&weight| weight as f32).collect(), scale) }
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
        if let Some(exact) = &mut self.exact {
            for ((out, &sample), &weight) in exact.time.iter_mut().zip(samples).zip(&exact.window) {
                *out = f64::from(sample) * weight;
            }
            let _ = exact.forward.process_with_scratch(&mut exact.time, &mut exact.frequency, &mut exact.scratch);
            for (out, bin) in spectrum.iter_mut().zip(&exact.frequency) {
                *out = Complex32::new(bin.re as f32, bin.im as f32);
            }
            return;
        }
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

    /// A sound that repeats every eight samples leaves the bins between its partials empty, but for rounding.
    #[test]
    fn exact_spectra_are_empty_where_nothing_is() {
        let window: Vec<f64> = (0..512).map(|n| 0.5 - 0.5 * (std::f64::consts::TAU * f64::from(n) / 512.0).cos()).collect();
        let plain = window.iter().map(|&weight| weight as f32).collect();
        let tone: Vec<f32> = (0..512).map(|n| (((n * 64) % 512) as f32 / 256.0 - 1.0).abs() * 0.5).collect();
        let empty = |mut analyser: Analyser| {
            let mut spectrum = vec![Complex32::default(); 257];
            analyser.analyse(&tone, &mut spectrum);
            (0..257).filter(|bin| bin % 64 > 4 && bin % 64 < 60).map(|bin| spectrum[bin].norm()).fold(0.0, f32::max)
        };
        let (exact, rounded) = (empty(Analyser::exact(&window, 1.0)), empty(Analyser::scaled(plain, 1.0)));
        assert!(exact < 1e-11 && rounded > 1e-8, "{exact:e} {rounded:e}");
    }

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
