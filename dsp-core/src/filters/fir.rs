//! Finite impulse responses: windows to make them, a dot product to run them, and changes of rate by
//! two with them.

use std::f64::consts::PI;

/// Sums that run side by side in [`dot`], so that the compiler can use vectors.
const LANES: usize = 8;

/// Sum of products of two slices of equal length, always in the same order.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a8, b8) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest
}

/// Modified Bessel function of order 0, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= (x / (2.0 * n)).powi(2);
        sum += term;
        n += 1.0;
    }
    sum
}

/// Kaiser window of `length`, `beta` its shape (J. F. Kaiser, "Nonrecursive digital filter design using
/// the I0-sinh window function", 1974).
pub fn kaiser(length: usize, beta: f64) -> Vec<f64> {
    let middle = (length as f64 - 1.0) / 2.0;
    let bottom = bessel_i0(beta);
    (0..length).map(|n| bessel_i0(beta * (1.0 - ((n as f64 - middle) / middle.max(1.0)).powi(2)).max(0.0).sqrt()) / bottom).collect()
}

/// Kaiser's beta for an attenuation in decibels over 50.
pub fn kaiser_beta(attenuation: f64) -> f64 {
    0.1102 * (attenuation - 8.7)
}

/// Kaiser's estimate of the length for an attenuation in decibels and a transition as a share of the
/// rate.
pub fn kaiser_length(attenuation: f64, transition: f64) -> usize {
    ((attenuation - 7.95) / (2.285 * 2.0 * PI * transition)).ceil() as usize + 1
}

/// Linear-phase low-pass of odd `length` with half its amplitude at `cutoff`, a share of the rate;
/// gain 1 at 0 Hz.
pub fn low_pass(length: usize, cutoff: f64, beta: f64) -> Vec<f64> {
    let middle = (length as f64 - 1.0) / 2.0;
    let taps: Vec<f64> = kaiser(length, beta)
        .iter()
        .enumerate()
        .map(|(n, window)| {
            let t = n as f64 - middle;
            let ideal = if t == 0.0 { 2.0 * cutoff } else { (2.0 * PI * cutoff * t).sin() / (PI * t) };
            ideal * window
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter().map(|tap| tap / sum).collect()
}

/// The two phases of a filter for changes of rate by two, newest sample last.
#[derive(Clone, Debug)]
pub struct Halves {
    /// Taps 0, 2, 4 and so on, reversed.
    even: Vec<f32>,
    /// Taps 1, 3, 5 and so on, reversed.
    odd: Vec<f32>,
}

impl Halves {
    /// Splits taps; their number is odd and their gain 1.
    pub fn new(taps: &[f64]) -> Self {
        let phase = |from: usize| taps.iter().skip(from).step_by(2).rev().map(|&tap| tap as f32).collect();
        Self { even: phase(0), odd: phase(1) }
    }

    /// The half-band filter whose length is 4 n + 1: every other tap but the middle one is 0, so one
    /// phase is a delay. Down by `attenuation` decibels outside `transition`, a share of the upper rate.
    pub fn half_band(n: usize, attenuation: f64) -> Self {
        let length = 4 * n + 1;
        let mut taps = low_pass(length, 0.25, kaiser_beta(attenuation));
        for (index, tap) in taps.iter_mut().enumerate() {
            if index % 2 == 0 && index != 2 * n {
                *tap = 0.0;
            }
        }
        let odd: f64 = taps.iter().skip(1).step_by(2).sum();
        taps.iter_mut().skip(1).step_by(2).for_each(|tap| *tap *= 0.5 / odd);
        taps[2 * n] = 0.5;
        Self::new(&taps)
    }

    /// Delay in samples of the upper rate.
    pub fn delay(&self) -> usize {
        self.even.len() - 1
    }

    /// Where the only tap of the even phase stands, if there is but one.
    fn single(&self) -> Option<(usize, f32)> {
        let mut taps = self.even.iter().enumerate().filter(|(_, tap)| **tap != 0.0);
        let (at, &tap) = taps.next()?;
        taps.next().is_none().then_some((at, tap))
    }
}

/// Samples of the past before a piece, and the piece.
#[derive(Clone, Debug)]
struct Past {
    buffer: Vec<f32>,
    kept: usize,
}

impl Past {
    fn new(kept: usize, most: usize) -> Self {
        Self { buffer: vec![0.0; kept + most], kept }
    }

    fn fill(&mut self, samples: impl Iterator<Item = f32>) {
        for (slot, sample) in self.buffer[self.kept..].iter_mut().zip(samples) {
            *slot = sample;
        }
    }

    fn keep(&mut self, length: usize) {
        self.buffer.copy_within(length..length + self.kept, 0);
    }
}

/// Doubles the rate of one channel.
#[derive(Clone, Debug)]
pub struct Upsampler {
    halves: Halves,
    single: Option<(usize, f32)>,
    past: Past,
}

impl Upsampler {
    /// For pieces of at most `most` samples.
    pub fn new(halves: Halves, most: usize) -> Self {
        let kept = halves.even.len() - 1;
        Self { single: halves.single(), past: Past::new(kept, most), halves }
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.past.buffer.fill(0.0);
    }

    /// Writes twice as many samples as `input` has to `out`.
    pub fn run(&mut self, input: &[f32], out: &mut [f32]) {
        self.past.fill(input.iter().copied());
        let (even, odd) = (&self.halves.even, &self.halves.odd);
        for (n, pair) in out.chunks_exact_mut(2).take(input.len()).enumerate() {
            let window = &self.past.buffer[n..n + even.len()];
            // Zeros stand between the samples, so half the power is missing.
            pair[0] = 2.0 * self.single.map_or_else(|| dot(even, window), |(at, tap)| tap * window[at]);
            pair[1] = 2.0 * dot(odd, &window[even.len() - odd.len()..]);
        }
        self.past.keep(input.len());
    }
}

/// Halves the rate of one channel.
#[derive(Clone, Debug)]
pub struct Downsampler {
    halves: Halves,
    single: Option<(usize, f32)>,
    even: Past,
    odd: Past,
}

impl Downsampler {
    /// For pieces of at most `most` samples of the lower rate.
    pub fn new(halves: Halves, most: usize) -> Self {
        let even = Past::new(halves.even.len() - 1, most);
        // An odd tap meets the odd sample before.
        let odd = Past::new(halves.odd.len(), most);
        Self { single: halves.single(), even, odd, halves }
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.even.buffer.fill(0.0);
        self.odd.buffer.fill(0.0);
    }

    /// Writes half as many samples as `input` has to `out`.
    pub fn run(&mut self, input: &[f32], out: &mut [f32]) {
        self.even.fill(input.iter().copied().step_by(2));
        self.odd.fill(input.iter().copied().skip(1).step_by(2));
        let (even, odd) = (&self.halves.even, &self.halves.odd);
        let length = input.len() / 2;
        for (n, sample) in out.iter_mut().take(length).enumerate() {
            let window = &self.even.buffer[n..n + even.len()];
            let sum = self.single.map_or_else(|| dot(even, window), |(at, tap)| tap * window[at]);
            *sample = sum + dot(odd, &self.odd.buffer[n..n + odd.len()]);
        }
        self.even.keep(length);
        self.odd.keep(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain(taps: &[f64], share: f64) -> f64 {
        let (re, im) = taps.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, tap)| {
            let phase = 2.0 * PI * share * n as f64;
            (re + tap * phase.cos(), im + tap * phase.sin())
        });
        20.0 * re.hypot(im).log10()
    }

    #[test]
    fn low_pass_passes_and_stops() {
        let length = kaiser_length(110.0, 0.04) | 1;
        let taps = low_pass(length, 0.23, kaiser_beta(110.0));
        assert!((0..=42).all(|n| gain(&taps, 0.005 * f64::from(n)).abs() < 0.001));
        assert!((0..=50).all(|n| gain(&taps, 0.25 + 0.005 * f64::from(n)) < -108.0));
    }

    #[test]
    fn dot_is_the_sum_of_products() {
        for length in [0, 1, 7, 8, 9, 40] {
            let a: Vec<f32> = (0..length).map(|n| (n as f32 * 0.37).sin()).collect();
            let b: Vec<f32> = (0..length).map(|n| (n as f32 * 0.91).cos()).collect();
            let truth: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            assert!((f64::from(dot(&a, &b)) - truth).abs() < 1e-5);
        }
    }

    /// Up and down give the input back, later by both delays, in pieces of any length.
    #[test]
    fn up_and_down_is_a_delay() {
        let length = 8 * 10 + 1;
        for halves in [Halves::half_band(20, 100.0), Halves::new(&low_pass(length, 0.22, kaiser_beta(60.0)))] {
            let delay = halves.delay();
            let input: Vec<f32> = (0..600).map(|n| (n as f32 * 0.2).sin()).collect();
            let (mut up, mut down) = (Upsampler::new(halves.clone(), 32), Downsampler::new(halves, 32));
            let mut out = Vec::new();
            for piece in [7, 32, 1, 20].iter().cycle().scan(0, |at, &n| {
                let from = *at;
                *at = (from + n).min(600);
                (from < 600).then_some(from..*at)
            }) {
                let mut double = [0.0; 64];
                let mut single = [0.0; 32];
                let count = piece.len();
                up.run(&input[piece], &mut double);
                down.run(&double[..2 * count], &mut single);
                out.extend_from_slice(&single[..count]);
            }
            assert_eq!(out.len(), 600);
            for n in 200..600 {
                assert!((out[n] - input[n - delay]).abs() < 2e-3, "{n}: {} for {}", out[n], input[n - delay]);
            }
        }
    }
}
