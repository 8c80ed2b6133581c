//! Analysis and synthesis windows, fixed in time so that bins are 50 Hz apart at every rate.

use crate::units::Hz;
use std::f64::consts::PI;

/// Which pair of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// 20 ms of square-root Hann for analysis and synthesis, 10 ms hop: 20 ms of delay.
    SqrtHann,
    /// 20 ms for analysis with a short tail, 10 ms for synthesis, 5 ms hop: 10 ms of delay
    /// (D. Mauler and R. Martin, "A low delay, variable resolution, perfect reconstruction spectral
    /// analysis-synthesis system for speech enhancement", EUSIPCO 2007).
    Asymmetric,
}

/// A pair of windows at a rate. `analysis` times `synthesis`, added up every `hop`, is one.
#[derive(Clone, Debug)]
pub struct Windows {
    /// Analysis window, `[sample]`; its length is the FFT's.
    pub analysis: Vec<f32>,
    /// Synthesis window, `[sample]`, for the last samples of the analysis window. Its length is the
    /// delay.
    pub synthesis: Vec<f32>,
    /// Samples from one frame to the next.
    pub hop: usize,
}

/// Hop in milliseconds of [`Shape::SqrtHann`]; the window is two hops.
const STANDARD_HOP_MS: f64 = 10.0;
/// Hop in milliseconds of [`Shape::Asymmetric`]; the window is four hops.
const SHORT_HOP_MS: f64 = 5.0;

/// Square root of a periodic Hann window of `length`, at `index`.
fn sqrt_hann(index: usize, length: usize) -> f64 {
    (PI * index as f64 / length as f64).sin()
}

/// A window for analysis alone, `[sample]`, that favours what is new: half a Hann that rises over
/// `rise` samples and half a one that falls over `fall` samples (in the manner of Mauler and Martin,
/// above). Smooth at both ends, so that a vowel's low end does not leak into the bands of sibilants.
pub fn recent(rise: usize, fall: usize) -> Vec<f32> {
    let half = |index: usize, length: usize| 0.5 - 0.5 * (PI * index as f64 / length as f64).cos();
    (0..rise).map(|n| half(n, rise)).chain((0..fall).map(|n| half(fall - n, fall))).map(|w| w as f32).collect()
}

impl Windows {
    /// The windows of a shape at a rate. The hop is a whole number of samples, rounded down so that
    /// the delay is never longer than stated.
    pub fn new(shape: Shape, rate: Hz) -> Self {
        let samples = |ms: f64| ((rate.0 * ms / 1000.0).floor() as usize).max(1);
        match shape {
            Shape::SqrtHann => {
                let hop = samples(STANDARD_HOP_MS);
                let window: Vec<f32> = (0..2 * hop).map(|n| sqrt_hann(n, 2 * hop) as f32).collect();
                Self { analysis: window.clone(), synthesis: window, hop }
            }
            Shape::Asymmetric => {
                let hop = samples(SHORT_HOP_MS);
                let length = 4 * hop;
                let rise = length - hop;
                let analysis: Vec<f64> =
                    (0..length).map(|n| if n < rise { sqrt_hann(n, 2 * rise) } else { sqrt_hann(n - rise + hop, 2 * hop) }).collect();
                let synthesis = (0..2 * hop).map(|n| {
                    let whole = sqrt_hann(n, 2 * hop).powi(2);
                    (whole / analysis[length - 2 * hop + n]) as f32
                });
                Self { synthesis: synthesis.collect(), analysis: analysis.iter().map(|&w| w as f32).collect(), hop }
            }
        }
    }

    /// Delay from input to output in samples.
    pub fn latency(&self) -> usize {
        self.synthesis.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapped_products_add_up_to_one() {
        for shape in [Shape::SqrtHann, Shape::Asymmetric] {
            for rate in [1_234.5, 8_000.0, 16_000.0, 22_050.0, 44_100.0, 48_000.0, 96_000.0, 192_000.0, 1_234_567.8] {
                let windows = Windows::new(shape, Hz(rate));
                let offset = windows.analysis.len() - windows.synthesis.len();
                let product: Vec<f32> = windows.synthesis.iter().zip(&windows.analysis[offset..]).map(|(s, a)| s * a).collect();
                for phase in 0..windows.hop {
                    let sum: f32 = product.iter().skip(phase).step_by(windows.hop).sum();
                    assert!((sum - 1.0).abs() < 1e-6, "{shape:?} at {rate}: {sum}");
                }
            }
        }
    }

    #[test]
    fn the_window_of_what_is_new_rises_and_falls_once() {
        for (rise, fall) in [(1, 1), (8, 2), (128, 32), (353, 88), (384, 96), (16_000, 4_000)] {
            let window = recent(rise, fall);
            assert_eq!((window.len(), window[rise], window[0]), (rise + fall, 1.0, 0.0));
            assert!(window[..=rise].is_sorted() && window[rise..].iter().rev().is_sorted());
        }
    }

    #[test]
    fn delay_is_never_longer_than_stated() {
        for rate in [8_000.0, 11_025.0, 16_000.0, 22_050.0, 44_100.0, 48_000.0, 88_200.0, 176_400.0] {
            for (shape, ms) in [(Shape::SqrtHann, 20.0), (Shape::Asymmetric, 10.0)] {
                let seconds = Windows::new(shape, Hz(rate)).latency() as f64 / rate;
                assert!(seconds * 1000.0 <= ms && seconds * 1000.0 > ms - 0.4, "{shape:?} at {rate}: {seconds}");
            }
        }
    }
}
