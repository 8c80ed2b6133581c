//! Analysis and synthesis windows, fixed in time so that bins are as far apart at every rate.

use super::frame::{Frame, NamedScale, Scale, Window};
use crate::units::Hz;
use std::f64::consts::PI;

/// A pair of windows at a rate. `analysis` times `synthesis`, added up every `hop`, is one.
#[derive(Clone, Debug)]
pub struct Windows {
    /// Analysis window, `[sample]`; its length is the FFT's.
    pub analysis: Vec<f32>,
    /// The analysis window in double precision, where spectra are to be exact.
    pub exact: Option<Vec<f64>>,
    /// Synthesis window, `[sample]`, for the last samples of the analysis window. Its length is the
    /// delay.
    pub synthesis: Vec<f32>,
    /// Samples from one frame to the next.
    pub hop: usize,
    /// What samples are multiplied with beside the analysis window.
    pub scale: f32,
    /// Brings a spectrum's values to amplitude: a full-scale sine then reads 1 in its bin.
    pub amplitude: f32,
}

/// Overlapping products whose sum is nearer to one than this are left as they are.
const SUMS_TO_ONE: f64 = 1e-9;
/// Overlapping products that add up to less than this cannot be made whole again.
const LEAST_SUM: f64 = 1e-6;

/// Square root of a periodic Hann window of `length`, at `index`.
fn sqrt_hann(index: usize, length: usize) -> f64 {
    (PI * index as f64 / length as f64).sin()
}

/// A window's value at `index` of `length`, where half a synthesis window is `half`.
fn value(window: Window, index: usize, length: usize, half: usize) -> f64 {
    match window {
        Window::SqrtHann => sqrt_hann(index, length),
        Window::Hann => sqrt_hann(index, length).powi(2),
        Window::Vorbis => (0.5 * PI * (PI * (index as f64 + 0.5) / length as f64).sin().powi(2)).sin(),
        Window::Rectangular | Window::Sum => 1.0,
        Window::Asymmetric => {
            let rise = length - half;
            if index < rise { sqrt_hann(index, 2 * rise) } else { sqrt_hann(index - rise + half, 2 * half) }
        }
    }
}

/// A window for analysis alone, `[sample]`, that favours what is new: half a Hann that rises over
/// `rise` samples and half a one that falls over `fall` samples (in the manner of Mauler and Martin,
/// above). Smooth at both ends, so that a vowel's low end does not leak into the bands of sibilants.
pub fn recent(rise: usize, fall: usize) -> Vec<f32> {
    let half = |index: usize, length: usize| 0.5 - 0.5 * (PI * index as f64 / length as f64).cos();
    (0..rise).map(|n| half(n, rise)).chain((0..fall).map(|n| half(fall - n, fall))).map(|w| w as f32).collect()
}

impl Windows {
    /// The windows of a frame at a rate. The hop is a whole number of samples, rounded down so that
    /// the delay is never longer than stated.
    pub fn new(frame: &Frame, rate: Hz) -> Self {
        let hop = ((rate.0 * frame.hop_ms() / 1000.0).floor() as usize).max(1);
        let (length, short) = (hop * (frame.window / frame.hop), hop * (frame.synthesis_window / frame.hop));
        let half = short / 2;
        let analysis: Vec<f64> = (0..length).map(|n| value(frame.analysis, n, length, half)).collect();
        let mut synthesis: Vec<f64> = (0..short)
            .map(|n| match frame.synthesis {
                Window::Asymmetric => sqrt_hann(n, short).powi(2) / analysis[length - short + n],
                other => value(other, n, short, half),
            })
            .collect();
        for phase in (0..hop).filter(|_| frame.synthesis != Window::Sum) {
            let places = (phase..short).step_by(hop);
            let sum: f64 = places.clone().map(|n| synthesis[n] * analysis[length - short + n]).sum();
            if (sum - 1.0).abs() > SUMS_TO_ONE && sum > LEAST_SUM {
                places.for_each(|n| synthesis[n] /= sum);
            }
        }
        let exact = frame.exact.then(|| analysis.clone());
        let analysis: Vec<f32> = analysis.iter().map(|&w| w as f32).collect();
        let to_amplitude = 2.0 / analysis.iter().sum::<f32>();
        let scale = match frame.scale {
            Scale::Named(NamedScale::Amplitude) => to_amplitude,
            Scale::Factor(factor) => factor * frame.window as f32 / length as f32,
        };
        Self { synthesis: synthesis.iter().map(|&w| w as f32).collect(), analysis, exact, hop, scale, amplitude: to_amplitude / scale }
    }

    /// Delay from input to output in samples.
    pub fn latency(&self) -> usize {
        self.synthesis.len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// 20 ms, 10 ms from frame to frame.
    pub const STANDARD: Frame = Frame {
        rate: 48_000,
        window: 960,
        hop: 480,
        analysis: Window::SqrtHann,
        synthesis: Window::SqrtHann,
        synthesis_window: 960,
        scale: Scale::Named(NamedScale::Amplitude),
        exact: false,
    };
    /// As long, with a short end.
    pub const SHORT: Frame =
        Frame { hop: 240, analysis: Window::Asymmetric, synthesis: Window::Asymmetric, synthesis_window: 480, ..STANDARD };
    /// One of each kind.
    pub const FRAMES: [Frame; 5] = [
        STANDARD,
        SHORT,
        Frame { analysis: Window::Vorbis, synthesis: Window::Vorbis, ..STANDARD },
        Frame { rate: 16_000, window: 512, hop: 256, synthesis_window: 512, analysis: Window::Hann, synthesis: Window::Hann, ..STANDARD },
        Frame {
            rate: 16_000,
            window: 512,
            hop: 128,
            synthesis_window: 512,
            analysis: Window::Rectangular,
            synthesis: Window::Hann,
            ..STANDARD
        },
    ];

    #[test]
    fn overlapped_products_add_up_to_one() {
        for frame in FRAMES {
            for rate in [1_234.5, 8_000.0, 16_000.0, 22_050.0, 44_100.0, 48_000.0, 96_000.0, 192_000.0, 1_234_567.8] {
                let windows = Windows::new(&frame, Hz(rate));
                let offset = windows.analysis.len() - windows.synthesis.len();
                let product: Vec<f32> = windows.synthesis.iter().zip(&windows.analysis[offset..]).map(|(s, a)| s * a).collect();
                for phase in 0..windows.hop {
                    let sum: f32 = product.iter().skip(phase).step_by(windows.hop).sum();
                    assert!((sum - 1.0).abs() < 1e-6, "{frame:?} at {rate}: {sum}");
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
            for (frame, ms) in [(STANDARD, 20.0), (SHORT, 10.0)] {
                let seconds = Windows::new(&frame, Hz(rate)).latency() as f64 / rate;
                assert!(seconds * 1000.0 <= ms && seconds * 1000.0 > ms - 0.4, "{frame:?} at {rate}: {seconds}");
            }
        }
    }
}
