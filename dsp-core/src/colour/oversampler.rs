//! A higher rate for what bends: up, a function, and down by a filter that ends where the band ends.

use crate::filters::fir::{Downsampler, Halves, Upsampler, kaiser_beta, kaiser_length, low_pass};
use crate::filters::glide::TICK;
use crate::units::Hz;

/// Attenuation of images and aliases in decibels.
const ATTENUATION: f64 = 110.0;
/// What lies below this share of the rate passes whole.
const PASS: f64 = 0.42;
/// Rates of at most this get most stages, in hertz: 8 x; each doubling one less.
const BASE_RATE: f64 = 50_000.0;
/// Most stages of doubling.
const STAGES: usize = 3;
/// Half of the taps that count of the half-band filters, by stage; even from the third stage on and any
/// number at the second, so that delays are whole samples of the lowest rate.
const HALF_BANDS: [usize; STAGES] = [24, 8, 6];

fn stages(rate: Hz) -> usize {
    (0..STAGES).find(|&fewer| rate.0 <= BASE_RATE * f64::from(1_u32 << fewer)).map_or(0, |fewer| STAGES - fewer)
}

/// How many times the rate of the sound the curve runs at.
pub fn factor(rate: Hz) -> usize {
    1 << stages(rate)
}

/// Up, a function, and down, for one channel.
#[derive(Clone, Debug)]
pub struct Oversampler {
    up: Vec<Upsampler>,
    down: Vec<Downsampler>,
    latency: usize,
    /// Two buffers that stages read and write in turn.
    buffers: [Vec<f32>; 2],
}

impl Oversampler {
    /// For a rate.
    pub fn new(rate: Hz) -> Self {
        let stages = stages(rate);
        let mut up = Vec::new();
        let mut down = Vec::new();
        // In samples of the highest rate.
        let mut delay = 0;
        for (stage, &n) in HALF_BANDS.iter().enumerate().take(stages) {
            let half = Halves::half_band(n, ATTENUATION);
            let back = if stage == 0 {
                // The last filter on the way down ends at half the rate of the sound: a half-band filter
                // would fold the octave's edge. Its length is 4 n + 1, as the others'.
                let length = kaiser_length(ATTENUATION, (0.5 - PASS) / 2.0).next_multiple_of(4) + 1;
                Halves::new(&low_pass(length, (0.5 + PASS) / 4.0, kaiser_beta(ATTENUATION)))
            } else {
                half.clone()
            };
            delay += (half.delay() + back.delay()) << (stages - 1 - stage);
            up.push(Upsampler::new(half, TICK << stage));
            down.push(Downsampler::new(back, TICK << stage));
        }
        let whole = 1 << stages;
        debug_assert_eq!(delay % whole, 0, "delays are whole samples");
        let most = TICK << stages;
        Self { up, down, latency: delay / whole, buffers: [vec![0.0; most], vec![0.0; most]] }
    }

    /// How many times the rate.
    pub fn factor(&self) -> usize {
        1 << self.up.len()
    }

    /// Delay in samples of the sound.
    pub fn latency(&self) -> usize {
        self.latency
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.up.iter_mut().for_each(Upsampler::reset);
        self.down.iter_mut().for_each(Downsampler::reset);
    }

    /// Takes up to a tick of samples up, lets `work` change them in place, and brings them down.
    pub fn run(&mut self, input: &[f32], out: &mut [f32], work: impl FnOnce(&mut [f32])) {
        let [a, b] = &mut self.buffers;
        let mut length = input.len();
        a[..length].copy_from_slice(input);
        for up in &mut self.up {
            up.run(&a[..length], &mut b[..2 * length]);
            length *= 2;
            std::mem::swap(a, b);
        }
        work(&mut a[..length]);
        for down in self.down.iter_mut().rev() {
            down.run(&a[..length], &mut b[..length / 2]);
            length /= 2;
            std::mem::swap(a, b);
        }
        out[..length].copy_from_slice(&a[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_the_curve_is_about_the_same_everywhere() {
        for (rate, times) in [(16_000.0, 8), (44_100.0, 8), (48_000.0, 8), (88_200.0, 4), (96_000.0, 4), (192_000.0, 2), (384_000.0, 1)] {
            assert_eq!(factor(Hz(rate)), times, "{rate} Hz");
        }
    }

    /// An impulse comes back at the latency, in pieces of any length, at every rate.
    #[test]
    fn the_delay_is_exact() {
        for rate in [44_100.0, 96_000.0, 192_000.0, 384_000.0] {
            let mut oversampler = Oversampler::new(Hz(rate));
            let mut out = Vec::new();
            for (n, size) in [1, 31, 7, 32].iter().cycle().take(24).enumerate() {
                let mut input = vec![0.0; *size];
                if n == 0 {
                    input[0] = 1.0;
                }
                let mut piece = vec![0.0; *size];
                oversampler.run(&input, &mut piece, |_| {});
                out.extend(piece);
            }
            let latency = oversampler.latency();
            let largest = out.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).map(|(at, _)| at);
            assert_eq!(largest, Some(latency), "{rate} Hz");
            for n in 1..40.min(latency) {
                assert!((out[latency - n] - out[latency + n]).abs() < 1e-5, "{rate} Hz: not symmetric at {n}");
            }
        }
    }
}
