//! The filter that takes reductions off: a sum of linear-phase bands, added to the delayed input.
//!
//! With `h` the sum over the bands of (gain - 1) times the band's filter, the output is the delayed
//! input plus `h` convolved with the input. Where nothing is reduced `h` is 0 and the output is the
//! delayed input's own bits; there is no crossover whose sum could colour it.

use crate::detection::{REDUCTION_BANDS, band_hz};
use crate::units::{Hz, Ms};
use realfft::RealFftPlanner;
use std::f64::consts::{FRAC_PI_2, TAU};
use std::ops::Range;

/// Half the length of the filters: bands are about 1 kHz wide at least, and no echo before a sibilant
/// is longer.
const HALF: Ms = Ms(1.0);
/// Most samples of that half, which bounds the cost: all of it up to 384 kHz.
const MOST: usize = 384;

/// Rounds in which the bands are sharpened. Filters of 2 ms smear a band over its neighbours; each
/// round takes the smear out of what is asked for, and two leave a tenth of it.
const ROUNDS: usize = 2;

/// One weight for each reduction band.
pub type Weights = [f32; REDUCTION_BANDS];

/// The bands' filters at a rate.
#[derive(Debug)]
pub struct Bank {
    half: usize,
    /// Taps from the middle on, `[band][tap]`; the other half is the mirror.
    taps: Vec<Vec<f32>>,
    /// Responses, real since the filters are symmetric, `[band][bin]`.
    responses: Vec<Vec<f32>>,
}

/// The integral of a line from `(f0, v0)` to `(f1, v1)` times `cos(TAU f t)`.
fn line([(f0, v0), (f1, v1)]: [(f64, f64); 2], t: f64) -> f64 {
    if f1 <= f0 {
        return 0.0;
    }
    if t == 0.0 {
        return (f1 - f0) * (v0 + v1) / 2.0;
    }
    let (w, slope) = (TAU * t, (v1 - v0) / (f1 - f0));
    let at = |f: f64, v: f64| v * (w * f).sin() / w + slope * (w * f).cos() / (w * w);
    at(f1, v1) - at(f0, v0)
}

/// Corners of band `index`, in hertz and linear gain: a triangle from the centre below over its own to
/// the one above. The last band stays 1 to half the rate, so that all of them add up to a high-pass.
fn corners(index: usize, top: f64) -> [(f64, f64); 3] {
    let centre = |by: isize| band_hz(index as isize + by);
    let last = index + 1 == REDUCTION_BANDS;
    [(centre(-1), 0.0), (centre(0), 1.0), if last { (top.max(centre(0)), 1.0) } else { (centre(1), 0.0) }]
}

/// A line cut off at `top`.
fn cut([(f0, v0), (f1, v1)]: [(f64, f64); 2], top: f64) -> [(f64, f64); 2] {
    if f1 <= top {
        return [(f0, v0), (f1, v1)];
    }
    if f0 >= top {
        return [(f0, v0), (f0, v0)];
    }
    [(f0, v0), (top, v0 + (v1 - v0) * (top - f0) / (f1 - f0))]
}

/// Taps of band `index` from the middle on: its corners through a squared-cosine window.
fn plain(rate: Hz, half: usize, index: usize) -> Vec<f64> {
    let top = rate.0 / 2.0;
    let corners = corners(index, top);
    let sides = [[corners[0], corners[1]], [corners[1], corners[2]]].map(|side| cut(side, top));
    let tap = |m: usize| {
        let ideal: f64 = sides.iter().map(|side| line(*side, m as f64 / rate.0)).sum();
        let window = (FRAC_PI_2 * m as f64 / (half + 1) as f64).cos().powi(2);
        ideal * window * 2.0 / rate.0
    };
    (0..=half).map(tap).collect()
}

/// Response at a frequency of symmetric taps, given from the middle on.
fn response(taps: &[f64], hz: f64, rate: Hz) -> f64 {
    taps.iter().enumerate().map(|(m, tap)| tap * (TAU * hz * m as f64 / rate.0).cos() * if m == 0 { 1.0 } else { 2.0 }).sum()
}

/// Makes of each band's taps a sum of bands whose gain at every centre is nearer to what is asked for:
/// with `D` what is missing there, `1 + D + D^2` (Van Cittert's iteration; P. H. van Cittert, "Zum
/// Einfluss der Spaltbreite auf die Intensitätsverteilung in Spektrallinien II", Z. Physik 69, 1931).
fn sharpen(taps: Vec<Vec<f64>>, rate: Hz) -> Vec<Vec<f32>> {
    let held = taps.iter().enumerate().filter(|(band, _)| band_hz(*band as isize) < rate.0 / 2.0).count();
    let missing = |band: usize, at: usize| f64::from(u8::from(band == at)) - response(&taps[band], band_hz(at as isize), rate);
    let missing: Vec<Vec<f64>> = (0..held).map(|band| (0..held).map(|at| missing(band, at)).collect()).collect();
    let sharpened = |band: usize| {
        let mut weights = vec![0.0; taps.len()];
        weights[band] = 1.0;
        if band < held {
            let mut rest = weights[..held].to_vec();
            for _ in 0..ROUNDS {
                rest = (0..held).map(|at| rest.iter().zip(&missing).map(|(rest, row)| rest * row[at]).sum()).collect();
                weights.iter_mut().zip(&rest).for_each(|(weight, rest)| *weight += rest);
            }
        }
        let sum = |m: usize| weights.iter().zip(&taps).map(|(weight, taps)| weight * taps[m]).sum::<f64>() as f32;
        (0..taps[band].len()).map(sum).collect()
    };
    (0..taps.len()).map(sharpened).collect()
}

impl Bank {
    /// The bands at a rate, with responses in the bins of a transform of `length` samples, which must
    /// hold the filters.
    pub fn new(rate: Hz, length: usize) -> Self {
        let half = HALF.to_samples(rate).min(MOST).min(length.saturating_sub(1) / 2);
        let taps = sharpen((0..REDUCTION_BANDS).map(|index| plain(rate, half, index)).collect(), rate);
        let transform = RealFftPlanner::<f32>::new().plan_fft_forward(length);
        let respond = |taps: &Vec<f32>| {
            let mut time = vec![0.0; length];
            for (m, &tap) in taps.iter().enumerate() {
                time[m] = tap;
                time[(length - m) % length] = tap;
            }
            let mut spectrum = transform.make_output_vec();
            // Lengths fit by construction, which is all that can fail.
            let _ = transform.process(&mut time, &mut spectrum);
            spectrum.iter().map(|bin| bin.re).collect()
        };
        Self { half, responses: taps.iter().map(respond).collect(), taps }
    }

    /// Half the length of the filters in samples.
    pub fn half(&self) -> usize {
        self.half
    }

    /// The gain in each bin when `weights` of the bands are added to the input, into `gains`, `[bin]`.
    pub fn gains(&self, weights: &Weights, gains: &mut [f32]) {
        gains.fill(1.0);
        for (response, &weight) in self.responses.iter().zip(weights) {
            if weight != 0.0 {
                gains.iter_mut().zip(response).for_each(|(gain, response)| *gain += weight * response);
            }
        }
        gains.iter_mut().for_each(|gain| *gain = gain.abs());
    }
}

/// What is added to one stream of audio: a weighted sum of bands.
#[derive(Clone, Debug)]
pub struct Filter {
    weights: Weights,
    taps: Vec<f32>,
}

impl Filter {
    /// A filter that gives nothing.
    pub fn new(bank: &Bank) -> Self {
        Self { weights: [0.0; REDUCTION_BANDS], taps: vec![0.0; bank.half + 1] }
    }

    /// Makes it the sum of the bands with these weights.
    pub fn set(&mut self, bank: &Bank, weights: &Weights) {
        if self.weights == *weights {
            return;
        }
        self.weights = *weights;
        self.taps.fill(0.0);
        for (taps, &weight) in bank.taps.iter().zip(weights) {
            if weight != 0.0 {
                self.taps.iter_mut().zip(taps).for_each(|(sum, tap)| *sum += weight * tap);
            }
        }
    }

    /// The weights of the bands.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// True when it gives something.
    pub fn acts(&self) -> bool {
        self.weights.iter().any(|weight| *weight != 0.0)
    }

    /// Convolves: `out[n]` for the sample `n + half` of `samples`, which is longer than `out` by twice
    /// the half.
    fn convolve(&self, samples: &[f32], out: &mut [f32]) {
        let (half, length) = (self.taps.len() - 1, out.len());
        let middle = self.taps.first().copied().unwrap_or(0.0);
        for (out, sample) in out.iter_mut().zip(&samples[half..]) {
            *out = middle * sample;
        }
        // Symmetric taps: one product for two samples. Four taps a pass, since the sums go through memory.
        let side = &self.taps[1..];
        let (fours, rest) = side.as_chunks::<4>();
        for (index, taps) in fours.iter().enumerate() {
            let m = 4 * index + 1;
            let behind: [&[f32]; 4] = std::array::from_fn(|k| &samples[half - m - k..half - m - k + length]);
            let ahead: [&[f32]; 4] = std::array::from_fn(|k| &samples[half + m + k..half + m + k + length]);
            for (n, out) in out.iter_mut().enumerate() {
                *out += taps[0] * (behind[0][n] + ahead[0][n])
                    + taps[1] * (behind[1][n] + ahead[1][n])
                    + taps[2] * (behind[2][n] + ahead[2][n])
                    + taps[3] * (behind[3][n] + ahead[3][n]);
            }
        }
        for (index, tap) in rest.iter().enumerate() {
            let m = 4 * fours.len() + index + 1;
            let (behind, ahead) = (&samples[half - m..], &samples[half + m..]);
            for ((out, behind), ahead) in out.iter_mut().zip(behind).zip(ahead) {
                *out += tap * (behind + ahead);
            }
        }
    }
}

/// What `old` gives before `ramp`, `new` behind it, and a straight line from the one to the other
/// inside it. `samples` is longer than `out` by twice the filters' half; `scratch` is as long as `out`.
pub fn cross(old: &Filter, new: &Filter, ramp: Range<usize>, samples: &[f32], out: &mut [f32], scratch: &mut [f32]) {
    let both = old.taps.len() * 2 - 2;
    out.fill(0.0);
    if !old.acts() && !new.acts() {
        return;
    }
    if old.acts() {
        let end = ramp.end;
        old.convolve(&samples[..end + both], &mut out[..end]);
    }
    let fresh = &mut scratch[ramp.start..];
    if new.acts() {
        new.convolve(&samples[ramp.start..], fresh);
    } else {
        fresh.fill(0.0);
    }
    let step = 1.0 / (ramp.len() + 1) as f32;
    for index in ramp.clone() {
        let along = (index - ramp.start + 1) as f32 * step;
        out[index] += (scratch[index] - out[index]) * along;
    }
    out[ramp.end..].copy_from_slice(&scratch[ramp.end..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 5_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..length).map(|_| next()).collect()
    }

    /// The slow way: the ideal response summed over many frequencies, the convolution sample by sample.
    #[test]
    fn taps_and_convolution_equal_the_definition() {
        for rate in [16_000.0, 44_100.0, 96_000.0] {
            let bank = Bank::new(Hz(rate), 2 * (rate * 0.005) as usize);
            let half = bank.half();
            let ideal = |band: usize, hz: f64| {
                let c = |by: isize| band_hz(band as isize + by);
                if band == REDUCTION_BANDS - 1 && hz > c(0) {
                    1.0
                } else if hz < c(0) {
                    ((hz - c(-1)) / (c(0) - c(-1))).max(0.0)
                } else {
                    ((c(1) - hz) / (c(1) - c(0))).max(0.0)
                }
            };
            let points = 40_000;
            let mut weights = [0.0; REDUCTION_BANDS];
            for band in [0, 3, 7, 11] {
                for m in [0, 1, half / 2, half] {
                    let mut sum = 0.0;
                    for point in 0..points {
                        let hz = rate / 2.0 * (f64::from(point) + 0.5) / f64::from(points);
                        sum += ideal(band, hz) * (TAU * hz * m as f64 / rate).cos();
                    }
                    let window = (FRAC_PI_2 * m as f64 / (half + 1) as f64).cos().powi(2);
                    let (got, wanted) = (plain(Hz(rate), half, band)[m], sum / f64::from(points) * window);
                    assert!((got - wanted).abs() < 1e-6, "{rate} {band} {m}: {got} {wanted}");
                }
                weights[band] = -0.1 * (band + 1) as f32;
            }
            let mut filter = Filter::new(&bank);
            filter.set(&bank, &weights);
            let samples = noise(300 + 2 * half);
            let mut out = vec![f32::NAN; 300];
            filter.convolve(&samples, &mut out);
            for (n, got) in out.iter().enumerate() {
                let tap = |m: isize| f64::from(filter.taps[m.unsigned_abs()]);
                let wanted: f64 = (-(half as isize)..=half as isize)
                    .map(|m| tap(m) * f64::from(samples[(n as isize + half as isize - m) as usize]))
                    .sum();
                assert!((f64::from(*got) - wanted).abs() < 1e-5, "{rate}, sample {n}: {got} {wanted}");
            }
        }
    }

    /// All bands together leave the low end alone and pass the top, to what filters of 2 ms can hold.
    #[test]
    fn the_bands_add_up_to_a_high_pass() {
        for rate in [16_000.0, 44_100.0, 48_000.0, 192_000.0] {
            let length = 2 * (rate * 0.005) as usize;
            let bank = Bank::new(Hz(rate), length);
            let mut gains = vec![0.0; length / 2 + 1];
            bank.gains(&[-1.0; REDUCTION_BANDS], &mut gains);
            for (bin, gain) in gains.iter().enumerate() {
                let hz = bin as f64 * rate / length as f64;
                assert!(hz > 1_200.0 || (gain - 1.0).abs() < 0.01, "{rate}, {hz} Hz: {gain}");
                // Sharpened bands ripple a little, and one that half the rate cuts off is not sharpened.
                let most = if hz < 0.7 * rate / 2.0 { 0.05 } else { 0.2 };
                assert!(hz < 3_500.0 || *gain < most, "{rate}, {hz} Hz: {gain}");
            }
        }
    }

    /// A dip over a few bands has the depth that is asked for at their centres.
    #[test]
    fn dips_are_as_deep_as_asked() {
        for rate in [16_000.0, 48_000.0] {
            let bank = Bank::new(Hz(rate), 2 * (rate * 0.005) as usize);
            let asked: Weights = std::array::from_fn(|band| if (4..=6).contains(&band) { -0.645 } else { 0.0 });
            let mut filter = Filter::new(&bank);
            filter.set(&bank, &asked);
            let taps: Vec<f64> = filter.taps.iter().map(|tap| f64::from(*tap)).collect();
            for (band, asked) in asked.iter().enumerate().take(7) {
                let got = response(&taps, band_hz(band as isize), Hz(rate));
                assert!((got - f64::from(*asked)).abs() < 0.05, "{rate}, band {band}: {got} {asked}");
            }
        }
    }

    #[test]
    fn a_ramp_goes_from_the_old_to_the_new_and_bits_at_rest_are_none() {
        let bank = Bank::new(Hz(48_000.0), 480);
        let (silent, mut deep) = (Filter::new(&bank), Filter::new(&bank));
        deep.set(&bank, &[-0.5; REDUCTION_BANDS]);
        let samples = noise(240 + 2 * bank.half());
        let (mut out, mut whole, mut scratch) = (vec![f32::NAN; 240], vec![0.0; 240], vec![f32::NAN; 240]);
        deep.convolve(&samples, &mut whole);
        cross(&silent, &deep, 100..148, &samples, &mut out, &mut scratch);
        assert!(out[..100].iter().all(|x| *x == 0.0) && out[148..] == whole[148..]);
        assert!(out[100..148].iter().zip(&whole[100..]).all(|(a, b)| a.abs() < b.abs()));
        cross(&deep, &silent, 0..240, &samples, &mut out, &mut scratch);
        assert!((out[0] / whole[0] - 1.0).abs() < 0.02 && (out[239] / whole[239]).abs() < 0.02);
        cross(&silent, &silent, 0..240, &samples, &mut out, &mut scratch);
        assert!(out.iter().all(|x| x.to_bits() == 0));
    }
}
