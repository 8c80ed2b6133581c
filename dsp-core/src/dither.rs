//! From `f32` to whole numbers of a depth, with dither.

use crate::units::Hz;
use std::f64::consts::PI;
use std::str::FromStr;

/// What is added before rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Dither {
    /// Nothing: the error follows the signal, and quiet sounds are distorted or vanish.
    None,
    /// Triangular noise of two steps peak to peak, which makes the error's mean and power independent of
    /// the signal (S. P. Lipshitz, R. A. Wannamaker, J. Vanderkooy, "Quantization and Dither: A
    /// Theoretical Survey", JAES 40(5), 1992).
    #[default]
    Tpdf,
    /// The same, with the error moved to where the ear hears least (feedback of the error through a
    /// filter). For the last step of a production: what is processed on should have plain dither.
    Shaped,
}

impl Dither {
    /// All of them with their keys.
    pub const ALL: [(Self, &'static str); 3] = [(Self::None, "none"), (Self::Tpdf, "tpdf"), (Self::Shaped, "shaped")];

    /// The key, as in `--dither`.
    pub fn key(self) -> &'static str {
        Self::ALL.iter().find(|(dither, _)| *dither == self).map_or("", |(_, key)| key)
    }
}

/// A text that is no kind of dither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no dither; use none, tpdf or shaped")]
pub struct UnknownDither(String);

impl FromStr for Dither {
    type Err = UnknownDither;

    fn from_str(text: &str) -> Result<Self, UnknownDither> {
        let found = Self::ALL.iter().find(|(_, key)| key.eq_ignore_ascii_case(text));
        found.map(|(dither, _)| *dither).ok_or_else(|| UnknownDither(text.to_owned()))
    }
}

/// Order of the shaping filter. More brings nothing: the curve is smooth.
const ORDER: usize = 12;
/// Range of the shaping curve in dB. More would take more from where the ear is keen, and pay with so much
/// more where it is not that 16 bits lose their range: at 44.1 kHz, 30 dB make the noise 12 dB quieter to
/// the ear and 8 dB stronger in sum.
const RANGE: f64 = 30.0;
/// Frequencies at which the curve is looked at.
const POINTS: usize = 2_048;

/// Sound pressure in dB at which a tone is just heard in quiet (E. Terhardt, "Calculating virtual pitch",
/// Hearing Research 1, 1979).
fn threshold(hz: f64) -> f64 {
    let khz = hz.max(20.0) / 1_000.0;
    3.64 * khz.powf(-0.8) - 6.5 * (-0.6 * (khz - 3.3).powi(2)).exp() + 1e-3 * khz.powi(4)
}

/// The filter from the white error to the noise in the output, `1 + a[0] z^-1 + ...`, at a sample rate:
/// the minimum-phase filter whose gain follows the threshold of hearing, by linear prediction of its
/// inverse (J. Makhoul, "Linear Prediction: A Tutorial Review", Proc. IEEE 63(4), 1975). Its mean gain in
/// dB over frequency is 0, as any such filter's is (M. A. Gerzon, P. G. Craven, "Optimal noise shaping and
/// dither of digital signals", AES 87th Convention, 1989).
fn shaping(rate: f64) -> [f64; ORDER] {
    let curve: Vec<f64> = (0..POINTS).map(|n| threshold((n as f64 + 0.5) / POINTS as f64 * rate / 2.0)).collect();
    let lowest = curve.iter().copied().fold(f64::INFINITY, f64::min);
    let inverse: Vec<f64> = curve.iter().map(|db| 10_f64.powf(-db.min(lowest + RANGE) / 10.0)).collect();
    let correlation = |lag: usize| -> f64 {
        inverse.iter().enumerate().map(|(n, power)| power * (PI * lag as f64 * (n as f64 + 0.5) / POINTS as f64).cos()).sum()
    };
    let r: Vec<f64> = (0..=ORDER).map(correlation).collect();
    // Levinson and Durbin's recursion.
    let mut a = [0.0; ORDER];
    let mut error = r[0];
    for order in 0..ORDER {
        let reflection = -(r[order + 1] + (0..order).map(|k| a[k] * r[order - k]).sum::<f64>()) / error;
        let before = a;
        for k in 0..order {
            a[k] += reflection * before[order - 1 - k];
        }
        a[order] = reflection;
        error *= 1.0 - reflection * reflection;
    }
    a
}

/// What a channel keeps.
#[derive(Clone, Debug)]
struct Channel {
    /// State of a xorshift generator.
    random: u64,
    /// The last errors in steps, the newest at `at`.
    errors: [f64; ORDER],
    at: usize,
}

/// The next number of xorshift64* (S. Vigna, 2016), 0 to 1.
fn uniform(state: &mut u64) -> f32 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1_u32 << 24) as f32
}

/// Turns samples into integers of a depth.
///
/// A block whose samples all fit the depth exactly (digital silence, a bypassed file) is stored as it
/// is. The same seed gives the same dither.
#[derive(Clone, Debug)]
pub struct Quantiser {
    /// Steps in full scale.
    steps: f64,
    dither: Dither,
    filter: [f64; ORDER],
    channels: Vec<Channel>,
    clipped: u64,
}

impl Quantiser {
    /// For whole numbers of `bits` (2 to 24; others are taken as the nearest of these), a sample rate, a
    /// number of channels, and a seed.
    pub fn new(bits: u16, dither: Dither, rate: Hz, channels: usize, seed: u64) -> Self {
        let random = |n: u64| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ seed) | 1;
        let channel = |n: u64| Channel { random: random(n), errors: [0.0; ORDER], at: 0 };
        Self {
            steps: f64::from(1_u32 << (bits.clamp(2, 24) - 1)),
            dither,
            filter: shaping(rate.0),
            channels: (1..=channels as u64).map(channel).collect(),
            clipped: 0,
        }
    }

    /// Writes the block, `block[channel][sample]`, interleaved to `integers`, and puts away what was there.
    pub fn integers(&mut self, block: &[&[f32]], integers: &mut Vec<i32>) {
        let (low, high) = (-self.steps, self.steps - 1.0);
        let frames = block.first().map_or(0, |samples| samples.len());
        let fits = |sample: &f32| {
            let scaled = f64::from(*sample) * self.steps;
            scaled.fract() == 0.0 && (low..=high).contains(&scaled)
        };
        let exact = block.iter().all(|samples| samples.iter().all(fits));
        if exact {
            // An error from before would be noise in what needs none.
            self.channels.iter_mut().for_each(|channel| channel.errors = [0.0; ORDER]);
        }
        integers.clear();
        for frame in 0..frames {
            for (samples, channel) in block.iter().zip(&mut self.channels) {
                let scaled = f64::from(samples[frame]) * self.steps;
                let rounded = if exact || self.dither == Dither::None {
                    scaled.round()
                } else {
                    let noise = f64::from(uniform(&mut channel.random)) - f64::from(uniform(&mut channel.random));
                    if self.dither == Dither::Shaped { channel.shape(scaled, noise, &self.filter) } else { (scaled + noise).round() }
                };
                let limited = rounded.clamp(low, high);
                // Noise at full scale is no clipping that anyone hears.
                self.clipped += u64::from(scaled - high > 2.0 || low - scaled > 2.0);
                integers.push(limited as i32);
            }
        }
    }

    /// Samples that did not fit and were limited.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }
}

impl Channel {
    /// Rounds a value in steps, less the errors before it through the filter.
    fn shape(&mut self, scaled: f64, noise: f64, filter: &[f64; ORDER]) -> f64 {
        let past: f64 = filter.iter().enumerate().map(|(k, tap)| tap * self.errors[(self.at + k) % ORDER]).sum();
        let wanted = scaled + past;
        let rounded = (wanted + noise).round();
        // The error of rounding alone: a sample beyond full scale must not come back as noise.
        self.at = (self.at + ORDER - 1) % ORDER;
        self.errors[self.at] = rounded - wanted;
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Hz = Hz(44_100.0);

    fn quantise(bits: u16, dither: Dither, samples: &[f32]) -> Vec<i32> {
        let mut out = Vec::new();
        Quantiser::new(bits, dither, RATE, 1, 0).integers(&[samples], &mut out);
        out
    }

    fn errors(bits: u16, dither: Dither, samples: &[f32]) -> Vec<f64> {
        let steps = f64::from(1_u32 << (bits - 1));
        quantise(bits, dither, samples).iter().zip(samples).map(|(&y, &x)| f64::from(y) - f64::from(x) * steps).collect()
    }

    fn power(errors: &[f64]) -> f64 {
        errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64
    }

    /// Power spectrum in `bands` even bands up to half the rate, by plain Fourier sums of short pieces;
    /// a white error of power p has p in each.
    fn spectrum(errors: &[f64], bands: usize) -> Vec<f64> {
        let length = bands * 4;
        let mut out = vec![0.0; bands];
        let mut pieces = 0.0;
        for piece in errors.chunks_exact(length) {
            for (band, sum) in out.iter_mut().enumerate() {
                // The bin in the middle of the band, of a Hann window.
                let w = PI * (band as f64 + 0.5) / bands as f64;
                let (mut re, mut im) = (0.0, 0.0);
                for (n, e) in piece.iter().enumerate() {
                    let x = e * (0.5 - 0.5 * (2.0 * PI * n as f64 / length as f64).cos());
                    re += x * (w * n as f64).cos();
                    im += x * (w * n as f64).sin();
                }
                *sum += (re * re + im * im) / (0.375 * length as f64);
            }
            pieces += 1.0;
        }
        out.iter().map(|sum| sum / pieces).collect()
    }

    /// A quiet tone, off the grid.
    fn tone(length: usize) -> Vec<f32> {
        (0..length).map(|n| 0.01 * (n as f32 * 0.0713).sin() + 0.000_01).collect()
    }

    /// Mean 0 and power 1/4 step squared (1/12 of rounding and 1/6 of dither) at any level within a
    /// step: what triangular dither is for.
    #[test]
    fn the_error_does_not_depend_on_the_signal() {
        for offset in [0.1_f32, 0.25, 0.5, 0.9] {
            let samples = vec![(1000.0 + offset) / 32_768.0; 200_000];
            let errors = errors(16, Dither::Tpdf, &samples);
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            assert!(mean.abs() < 0.006, "{offset}: mean {mean}");
            assert!((power(&errors) - 0.25).abs() < 0.006, "{offset}: power {}", power(&errors));
        }
    }

    #[test]
    fn plain_dither_is_white_at_both_depths() {
        for bits in [16, 24] {
            for (band, power) in spectrum(&errors(bits, Dither::Tpdf, &tone(400_000)), 32).iter().enumerate() {
                assert!((10.0 * (power / 0.25).log10()).abs() < 0.6, "{bits} bits, band {band}: {power}");
            }
        }
    }

    /// The noise has the filter's shape: quiet where the ear is keen, and no more in sum than it must be.
    #[test]
    fn shaped_dither_follows_the_ear_at_both_depths() {
        for bits in [16, 24] {
            let noise = spectrum(&errors(bits, Dither::Shaped, &tone(400_000)), 64);
            let filter = shaping(RATE.0);
            for (band, power) in noise.iter().enumerate() {
                let w = PI * (band as f64 + 0.5) / 64.0;
                let (mut re, mut im) = (1.0, 0.0);
                for (k, tap) in filter.iter().enumerate() {
                    re += tap * (w * (k + 1) as f64).cos();
                    im -= tap * (w * (k + 1) as f64).sin();
                }
                let expected = 10.0 * (0.25 * (re * re + im * im)).log10();
                assert!((10.0 * power.log10() - expected).abs() < 1.0, "{bits} bits, band {band}: {power} {expected} dB");
            }
            let db = |hz: f64| 10.0 * (noise[(hz / RATE.0 * 128.0) as usize] / 0.25).log10();
            assert!(db(3_300.0) < -16.0 && db(1_000.0) < -5.0 && db(20_000.0) > 5.0, "{} {} {}", db(3_300.0), db(1_000.0), db(20_000.0));
            let sum = 10.0 * (noise.iter().sum::<f64>() / 64.0 / 0.25).log10();
            assert!((7.0..9.0).contains(&sum), "{sum} dB in sum");
        }
    }

    /// The mean of the filter's gain in dB is 0 at every rate: it is minimum-phase, so errors die away.
    #[test]
    fn the_filter_is_sound_at_every_rate() {
        for rate in [1_000.0, 8_000.0, 16_000.0, 44_100.0, 48_000.0, 96_000.0, 192_000.0, 2_000_000.0] {
            let filter = shaping(rate);
            let mean: f64 = (0..4_096)
                .map(|n| {
                    let w = PI * (f64::from(n) + 0.5) / 4_096.0;
                    let (mut re, mut im) = (1.0, 0.0);
                    for (k, tap) in filter.iter().enumerate() {
                        re += tap * (w * (k + 1) as f64).cos();
                        im -= tap * (w * (k + 1) as f64).sin();
                    }
                    10.0 * (re * re + im * im).log10() / 4_096.0
                })
                .sum();
            assert!(mean.abs() < 0.05, "{rate} Hz: {mean} dB");
        }
    }

    /// Without dither a sound of less than half a step is gone; with it, it is there.
    #[test]
    fn dither_keeps_what_is_below_a_step() {
        let quiet: Vec<f32> = (0..200_000).map(|n| 0.4 / 32_768.0 * (n as f32 * 0.05).sin()).collect();
        assert!(quantise(16, Dither::None, &quiet).iter().all(|&x| x == 0));
        for dither in [Dither::Tpdf, Dither::Shaped] {
            let out = quantise(16, dither, &quiet);
            let level: f64 =
                out.iter().enumerate().map(|(n, &x)| f64::from(x) * (n as f64 * 0.05).sin()).sum::<f64>() * 2.0 / out.len() as f64;
            assert!((level - 0.4).abs() < 0.02, "{dither:?}: {level}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_and_another_another() {
        let samples = tone(5_000);
        for dither in [Dither::Tpdf, Dither::Shaped] {
            let run = |seed: u64| {
                let mut out = Vec::new();
                Quantiser::new(16, dither, RATE, 1, seed).integers(&[&samples], &mut out);
                out
            };
            assert!(run(3) == run(3) && run(3) != run(4));
        }
    }

    #[test]
    fn channels_have_dither_of_their_own() {
        let samples = vec![0.3 / 32_768.0; 10_000];
        let mut out = Vec::new();
        Quantiser::new(16, Dither::Tpdf, RATE, 2, 0).integers(&[&samples, &samples], &mut out);
        let same = out.chunks(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(same < 6_000, "{same}");
    }

    #[test]
    fn what_fits_is_stored_as_it_is_and_the_rest_is_limited() {
        for dither in [Dither::None, Dither::Tpdf, Dither::Shaped] {
            let mut out = Vec::new();
            let mut quantiser = Quantiser::new(16, dither, RATE, 1, 0);
            quantiser.integers(&[&[0.0, -1.0, 32_767.0 / 32_768.0, 5.0 / 32_768.0]], &mut out);
            assert_eq!(out, [0, -32_768, 32_767, 5]);
            assert_eq!(quantiser.clipped(), 0);
            quantiser.integers(&[&[1.5, -2.0, 0.123]], &mut out);
            assert_eq!(out[..2], [32_767, -32_768]);
            assert_eq!(quantiser.clipped(), 2);
            // What was cut off does not come back as noise.
            quantiser.integers(&[&[0.1; 100]], &mut out);
            assert!(out.iter().all(|&x| (x - 3_277).abs() < 20), "{dither:?}: {out:?}");
        }
    }

    #[test]
    fn keys_read_back() {
        for (dither, key) in Dither::ALL {
            assert_eq!((key.parse(), dither.key()), (Ok(dither), key));
        }
        assert!("loud".parse::<Dither>().unwrap_err().to_string().contains("none, tpdf or shaped"));
    }
}
