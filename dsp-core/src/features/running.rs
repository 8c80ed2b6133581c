//! Features that are taken relative to their own running mean (H. Schroeter et al., "DeepFilterNet: a low
//! complexity speech enhancement framework for full-band audio based on deep filtering", ICASSP 2022).

use realfft::num_complex::Complex32;

/// What is added to a power before its logarithm: -100 dB.
const LEAST_POWER: f32 = 1e-10;
/// Decibels that become one.
const SPAN_DB: f32 = 40.0;

/// Running means, `mean = decay * mean + (1 - decay) * value`.
#[derive(Clone, Debug)]
pub struct RunningMean {
    decay: f32,
    first: Vec<f32>,
    means: Vec<f32>,
}

impl RunningMean {
    /// From the first means.
    pub fn new(decay: f32, first: Vec<f32>) -> Self {
        Self { decay, means: first.clone(), first }
    }

    /// As at the start.
    pub fn reset(&mut self) {
        self.means.copy_from_slice(&self.first);
    }

    fn next(&mut self, index: usize, value: f32) -> f32 {
        let mean = &mut self.means[index];
        *mean = value * (1.0 - self.decay) + *mean * self.decay;
        *mean
    }

    /// Decibels of the mean power of `spectrum`, `[bin]`, in bands of `widths` bins, less their running
    /// mean, divided by 40, `[band]`.
    pub fn log_bands(&mut self, spectrum: &[Complex32], widths: &[usize], out: &mut [f32]) {
        let mut start = 0;
        for (band, (&width, out)) in widths.iter().zip(out).enumerate() {
            let share = 1.0 / width as f32;
            let power: f32 = spectrum[start..start + width].iter().map(|bin| bin.norm_sqr() * share).sum();
            let level = (power + LEAST_POWER).log10() * 10.0;
            *out = (level - self.next(band, level)) / SPAN_DB;
            start += width;
        }
    }

    /// A bin divided by the root of its running mean magnitude. A bin that has been silent from the start
    /// is 0.
    pub fn unit(&mut self, index: usize, bin: Complex32) -> Complex32 {
        let mean = self.next(index, bin.norm_sqr().sqrt());
        if mean > f32::MIN_POSITIVE { bin / mean.sqrt() } else { Complex32::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_follow_and_a_reset_forgets() {
        let mut running = RunningMean::new(0.5, vec![-60.0, -90.0]);
        let spectrum = [Complex32::new(0.0, 0.1), Complex32::new(0.1, 0.0), Complex32::new(1.0, 0.0)];
        let mut out = [0.0; 2];
        for _ in 0..2 {
            running.reset();
            running.log_bands(&spectrum, &[2, 1], &mut out);
            // -20 dB against a mean of -40, and 0 dB against -45.
            assert!((out[0] - 0.5).abs() < 1e-5 && (out[1] - 1.125).abs() < 1e-5, "{out:?}");
        }
        for _ in 0..40 {
            running.log_bands(&spectrum, &[2, 1], &mut out);
        }
        assert!(out.iter().all(|value| value.abs() < 1e-5));
    }

    #[test]
    fn a_steady_bin_becomes_the_root_of_its_magnitude() {
        let mut running = RunningMean::new(0.9, vec![1e-3]);
        let mut out = Complex32::default();
        for _ in 0..300 {
            out = running.unit(0, Complex32::new(0.0, -0.04));
        }
        assert!((out - Complex32::new(0.0, -0.2)).norm() < 1e-4);
        let mut silent = RunningMean::new(0.9, vec![0.0]);
        assert_eq!(silent.unit(0, Complex32::default()), Complex32::default());
    }
}
