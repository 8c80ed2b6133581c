//! From `f32` to what a file stores, with dither.

use super::source::Depth;

/// Turns samples into integers of a depth, with triangular dither of two steps peak to peak
/// (S. P. Lipshitz, R. A. Wannamaker, J. Vanderkooy, "Quantization and Dither: A Theoretical
/// Survey", JAES 40(5), 1992), which makes the error's mean and power independent of the signal.
///
/// A block whose samples all fit the depth exactly (digital silence, a bypassed file) is stored as it
/// is. The dither is the same in each run.
#[derive(Debug)]
pub struct Quantiser {
    depth: Depth,
    /// State of a xorshift generator for each channel.
    states: Vec<u64>,
    clipped: u64,
}

/// The next number of xorshift64* (S. Vigna, 2016), 0 to 1.
fn uniform(state: &mut u64) -> f32 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1_u32 << 24) as f32
}

impl Quantiser {
    /// For a number of channels.
    pub fn new(depth: Depth, channels: usize) -> Self {
        let states = (1..=channels as u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1).collect();
        Self { depth, states, clipped: 0 }
    }

    /// Writes the block, `block[channel][sample]`, interleaved to `integers`. For floats use the block.
    pub fn integers(&mut self, block: &[&[f32]], integers: &mut Vec<i32>) {
        let steps = if self.depth == Depth::I16 { 32_768.0_f32 } else { 8_388_608.0 };
        let (low, high) = (-steps, steps - 1.0);
        let frames = block.first().map_or(0, |samples| samples.len());
        let fits = |sample: &f32| {
            let scaled = sample * steps;
            scaled.fract() == 0.0 && (low..=high).contains(&scaled)
        };
        let exact = block.iter().all(|samples| samples.iter().all(fits));
        integers.clear();
        for frame in 0..frames {
            for (samples, state) in block.iter().zip(&mut self.states) {
                let scaled = f64::from(samples[frame]) * f64::from(steps);
                let dither = if exact { 0.0 } else { f64::from(uniform(state)) - f64::from(uniform(state)) };
                let rounded = (scaled + dither).round();
                let limited = rounded.clamp(f64::from(low), f64::from(high));
                // Dither at full scale is no clipping that anyone hears.
                self.clipped += u64::from((scaled - limited).abs() > 2.0);
                integers.push(limited as i32);
            }
        }
    }

    /// Samples that did not fit and were limited.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean 0 and power 1/4 step squared (1/12 of rounding and 1/6 of dither) at any level within a
    /// step: what triangular dither is for.
    #[test]
    fn the_error_does_not_depend_on_the_signal() {
        for offset in [0.1_f32, 0.25, 0.5, 0.9] {
            let samples = vec![(1000.0 + offset) / 32_768.0; 200_000];
            let mut out = Vec::new();
            Quantiser::new(Depth::I16, 1).integers(&[&samples], &mut out);
            let errors: Vec<f64> = out.iter().map(|&x| f64::from(x) - 1000.0 - f64::from(offset)).collect();
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            let power = errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64;
            assert!(mean.abs() < 0.006, "{offset}: mean {mean}");
            assert!((power - 0.25).abs() < 0.006, "{offset}: power {power}");
        }
    }

    #[test]
    fn channels_have_dither_of_their_own() {
        let samples = vec![0.3 / 32_768.0; 10_000];
        let mut out = Vec::new();
        Quantiser::new(Depth::I16, 2).integers(&[&samples, &samples], &mut out);
        let same = out.chunks(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(same < 6_000, "{same}");
    }

    #[test]
    fn what_fits_is_stored_as_it_is_and_the_rest_is_limited() {
        let mut out = Vec::new();
        let mut quantiser = Quantiser::new(Depth::I16, 1);
        quantiser.integers(&[&[0.0, -1.0, 32_767.0 / 32_768.0, 5.0 / 32_768.0]], &mut out);
        assert_eq!(out, [0, -32_768, 32_767, 5]);
        assert_eq!(quantiser.clipped(), 0);
        quantiser.integers(&[&[1.5, -2.0, 0.123]], &mut out);
        assert_eq!(out[..2], [32_767, -32_768]);
        assert_eq!(quantiser.clipped(), 2);
    }
}
