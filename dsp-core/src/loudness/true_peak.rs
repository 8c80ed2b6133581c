//! Peaks between the samples (ITU-R BS.1770-5, Annex 2), closer than the standard asks for.
//!
//! The standard's filter gives 4 values a sample and reads a tone near half the rate up to 0.7 dB too
//! low. Here there are 8 values a sample from a long windowed sinc, and a parabola through the
//! largest of them and its neighbours: 0.02 dB up to 0.45 of the sample rate.

use std::f64::consts::PI;
use std::sync::Arc;

/// Values that are computed for each sample.
pub const PHASES: usize = 8;
/// Length of the interpolating filter in samples that serves for meters: with `BETA` it passes 0.465 of
/// the rate. A longer one passes more of what lies just below half the rate.
pub const SHORT: usize = 48;
/// Shape of the Kaiser window: 55 dB of stop-band (J. F. Kaiser, 1974), 0.015 dB of ripple.
const BETA: f64 = 5.1;
/// Samples that are computed side by side, so that the processor need not wait for a sum.
const ABREAST: usize = 4;
/// Most samples at a time.
pub const CHUNK: usize = 256;
/// Samples that are left out together where nothing can reach up to what is looked for, a multiple of [`ABREAST`].
const GROUP: usize = 32;
/// How far sums of rounded numbers may lie over the bound of exact ones.
const ROUNDING: f32 = 1.0001;
/// How far a parabola through values may lie over the largest of them: 0.2 dB, and some.
const PARABOLA: f32 = 1.04;

/// `[tap][phase]`, the oldest sample's tap first.
type Kernel<const TAPS: usize> = [[f32; PHASES]; TAPS];

/// The modified Bessel function of the first kind and order zero, by its series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..60 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

fn kernel<const TAPS: usize>() -> Arc<Kernel<TAPS>> {
    let half = (TAPS / 2) as f64;
    let mut kernel = [[0.0_f32; PHASES]; TAPS];
    for phase in 0..PHASES {
        let tap = |tap: usize| {
            // Distance from the value asked for to the tap's sample, in samples.
            let at = phase as f64 / PHASES as f64 - (tap as f64 - (half - 1.0));
            let sinc = if at == 0.0 { 1.0 } else { (PI * at).sin() / (PI * at) };
            let edge = 1.0 - (at / half).powi(2);
            // At the sample itself the others must vanish exactly.
            if phase == 0 { f64::from(u8::from(at == 0.0)) } else { sinc * bessel(BETA * edge.max(0.0).sqrt()) / bessel(BETA) }
        };
        let sum: f64 = (0..TAPS).map(tap).sum();
        for (index, row) in kernel.iter_mut().enumerate() {
            row[phase] = (tap(index) / sum) as f32;
        }
    }
    Arc::new(kernel)
}

/// The largest magnitude that the filter makes of samples up to 1: the largest sum of a phase's taps.
fn reach<const TAPS: usize>(kernel: &Kernel<TAPS>) -> f32 {
    let phase = |phase: usize| kernel.iter().map(|row| row[phase].abs()).sum::<f32>();
    (0..PHASES).map(phase).fold(1.0, f32::max) * ROUNDING
}

/// Largest magnitude of some samples.
fn largest(samples: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    // Side by side, which the processor does at once.
    let (eights, rest) = samples.as_chunks::<8>();
    let lanes = eights.iter().fold([0.0_f32; 8], |most, eight| std::array::from_fn(|lane| larger(eight[lane].abs(), most[lane])));
    lanes.into_iter().chain(rest.iter().map(|sample| sample.abs())).fold(0.0, larger)
}

/// The signal from one sample up to the next.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    values: [f32; PHASES],
    before: f32,
    after: f32,
}

impl Interval {
    /// Largest magnitude of the computed values.
    #[inline]
    pub fn coarse(&self) -> f32 {
        // By halves, which the processor does side by side. Values are finite.
        let larger = |a: f32, b: f32| if a > b { a } else { b };
        let [four @ .., e, f, g, h] = self.values.map(f32::abs);
        let [a, b, c, d]: [f32; 4] = four;
        larger(larger(larger(a, e), larger(b, f)), larger(larger(c, g), larger(d, h)))
    }

    /// Largest magnitude, with a parabola through the largest value and its neighbours.
    pub fn peak(&self) -> f32 {
        let mut at = 0;
        for index in 1..PHASES {
            if self.values[index].abs() > self.values[at].abs() {
                at = index;
            }
        }
        let sign = 1.0_f32.copysign(self.values[at]);
        let middle = self.values[at].abs();
        let left = sign * if at == 0 { self.before } else { self.values[at - 1] };
        let right = sign * self.values.get(at + 1).copied().unwrap_or(self.after);
        let bend = left - 2.0 * middle + right;
        if left <= middle && right <= middle && bend < 0.0 { middle - (left - right) * (left - right) / (8.0 * bend) } else { middle }
    }
}

/// Interpolates one channel as it streams by, with a filter of `TAPS` samples, an even number. A clone
/// shares the filter.
#[derive(Clone, Debug)]
pub struct Interpolator<const TAPS: usize> {
    kernel: Arc<Kernel<TAPS>>,
    /// What the filter makes at most of samples up to 1.
    reach: f32,
    /// The last `TAPS` samples and room for a chunk: the first serves only for the interval before.
    window: Vec<f32>,
    /// The last value of the interval before; none where that was left out.
    last: Option<f32>,
    /// The processor adds and multiplies eight numbers at a time.
    wide: bool,
}

impl<const TAPS: usize> Default for Interpolator<TAPS> {
    fn default() -> Self {
        #[cfg(target_arch = "x86_64")]
        let wide = std::is_x86_feature_detected!("avx");
        #[cfg(not(target_arch = "x86_64"))]
        let wide = false;
        let kernel = kernel();
        Self { reach: reach(&kernel), kernel, window: vec![0.0; TAPS + CHUNK], last: Some(0.0), wide }
    }
}

impl<const TAPS: usize> Interpolator<TAPS> {
    /// Samples by which an interval comes out later than its first sample went in.
    pub const DELAY: usize = TAPS / 2;

    /// As if only silence had been before.
    pub fn reset(&mut self) {
        self.window.fill(0.0);
        self.last = Some(0.0);
    }

    /// Takes at most [`CHUNK`] samples (finite, full scale 1) and gives for each, by its index, the
    /// interval that begins [`DELAY`](Self::DELAY) samples before it.
    #[inline]
    pub fn process(&mut self, input: &[f32], see: impl FnMut(usize, &Interval)) {
        self.process_over(input, -1.0, see);
    }

    /// As [`process`](Self::process), but leaves intervals out whose values and parabolas are sure not to be larger
    /// than `floor`, most of the time where little is. What is given is the same to the bit.
    #[inline]
    pub fn process_over(&mut self, input: &[f32], floor: f32, see: impl FnMut(usize, &Interval)) {
        let length = self.take(input);
        self.see(length, floor, see);
    }

    /// As [`process_over`](Self::process_over) for who only wants the largest of all peaks: with the largest sample
    /// of the intervals as a floor, where that is higher.
    #[inline]
    pub fn process_largest(&mut self, input: &[f32], floor: f32, see: impl FnMut(usize, &Interval)) {
        let length = self.take(input);
        // The interval of the largest sample is looked at, since the filter reaches higher than it.
        let own = largest(&self.window[Self::DELAY..Self::DELAY + length]);
        self.see(length, floor.max(own), see);
    }

    /// Puts samples into the window.
    #[inline]
    fn take(&mut self, input: &[f32]) -> usize {
        let length = input.len().min(CHUNK);
        self.window[TAPS..TAPS + length].copy_from_slice(&input[..length]);
        length
    }

    #[inline]
    fn see(&mut self, length: usize, floor: f32, mut see: impl FnMut(usize, &Interval)) {
        // Samples that are too small for anything over the floor.
        let small = floor / (self.reach * PARABOLA);
        let mut at = 0;
        while at < length {
            let end = length.min(at + GROUP);
            // Those that take part in the group's values.
            if largest(&self.window[at + 1..end + TAPS]) <= small {
                self.last = None;
            } else {
                self.see_group(at..end, &mut see);
            }
            at = end;
        }
        self.window.copy_within(length..length + TAPS, 0);
    }

    #[inline]
    fn see_group(&mut self, range: std::ops::Range<usize>, see: &mut impl FnMut(usize, &Interval)) {
        let mut last = self.last.unwrap_or_else(|| {
            let mut before = [[0.0_f32; PHASES]];
            interpolate::<1, TAPS>(&self.kernel, &self.window[range.start..range.start + TAPS], &mut before);
            before[0][PHASES - 1]
        });
        let mut at = range.start;
        while at < range.end {
            // A short rest is computed with what lies behind it, and not looked at.
            let frame = &self.window[at + 1..(at + TAPS + ABREAST).min(TAPS + CHUNK)];
            let count = ABREAST.min(range.end - at);
            let mut values = [[0.0_f32; PHASES]; ABREAST];
            if frame.len() == TAPS - 1 + ABREAST {
                interpolate_abreast(&self.kernel, frame, &mut values, self.wide);
            } else {
                for (index, value) in values.iter_mut().enumerate().take(count) {
                    interpolate::<1, TAPS>(&self.kernel, &frame[index..index + TAPS], std::slice::from_mut(value));
                }
            }
            for (index, values) in values.iter().enumerate().take(count) {
                let interval = Interval { values: *values, before: last, after: frame[index + Self::DELAY] };
                last = values[PHASES - 1];
                see(at + index, &interval);
            }
            at += count;
        }
        self.last = Some(last);
    }
}

/// `values[sample][phase]` of `N` neighbouring samples. Each value is summed in the order of the taps,
/// whatever `N` is, so its bits do not depend on it.
#[inline(always)]
fn interpolate<const N: usize, const TAPS: usize>(kernel: &Kernel<TAPS>, frame: &[f32], values: &mut [[f32; PHASES]]) {
    let mut sums = [[0.0_f32; PHASES]; N];
    let frame = &frame[..TAPS - 1 + N];
    for (tap, row) in kernel.iter().enumerate() {
        for (sample, sum) in sums.iter_mut().enumerate() {
            let x = frame[tap + sample];
            for (value, weight) in sum.iter_mut().zip(row) {
                *value += x * weight;
            }
        }
    }
    values[..N].copy_from_slice(&sums);
}

/// [`interpolate`] for [`ABREAST`] samples, by whatever the processor does fastest. The bits are the same:
/// the same sums in the same order.
#[inline]
fn interpolate_abreast<const TAPS: usize>(kernel: &Kernel<TAPS>, frame: &[f32], values: &mut [[f32; PHASES]; ABREAST], wide: bool) {
    #[cfg(target_arch = "x86_64")]
    if wide {
        #[target_feature(enable = "avx")]
        fn with_avx<const TAPS: usize>(kernel: &Kernel<TAPS>, frame: &[f32], values: &mut [[f32; PHASES]]) {
            interpolate::<ABREAST, TAPS>(kernel, frame, values);
        }
        // SAFETY: the processor was asked for AVX.
        return unsafe { with_avx(kernel, frame, values) };
    }
    let _ = wide;
    interpolate::<ABREAST, TAPS>(kernel, frame, values);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain sum of windowless sincs over all samples, in double precision.
    fn ideal(samples: &[f32], at: f64) -> f64 {
        let sinc = |d: f64| if d == 0.0 { 1.0 } else { (PI * d).sin() / (PI * d) };
        samples.iter().enumerate().map(|(n, &x)| f64::from(x) * sinc(at - n as f64)).sum()
    }

    fn tone(cycles: f64, phase: f64, length: usize) -> Vec<f32> {
        // Faded, so that the ideal sum sees no edge.
        let fade = |n: usize| 0.5 - 0.5 * (2.0 * PI * n as f64 / length as f64).cos();
        (0..length).map(|n| (fade(n) * (2.0 * PI * cycles * n as f64 + phase).sin()) as f32).collect()
    }

    #[test]
    fn values_are_those_of_the_ideal_sum() {
        for cycles in [0.01, 0.1, 0.25, 0.4, 0.45] {
            let input = tone(cycles, 0.3, 1000);
            let mut interpolator = Interpolator::<SHORT>::default();
            let mut at = 0;
            for chunk in input.chunks(177) {
                let start = at;
                interpolator.process(chunk, |index, interval| {
                    let first = (start + index) as f64 - (SHORT / 2) as f64;
                    for (phase, value) in interval.values.iter().enumerate().filter(|_| first > 100.0) {
                        let expected = ideal(&input, first + phase as f64 / PHASES as f64);
                        assert!((f64::from(*value) - expected).abs() < 3e-3, "{cycles} {first} {phase}: {value} {expected}");
                    }
                });
                at += chunk.len();
            }
        }
    }

    #[test]
    fn a_tone_reads_its_amplitude_wherever_its_samples_fall() {
        for cycles in [0.01, 0.1, 0.1667, 0.25, 0.3333, 0.41, 0.45] {
            for phase in 0..16 {
                let input = tone(cycles, f64::from(phase) * 0.4, 4000);
                let mut interpolator = Interpolator::<SHORT>::default();
                let mut most = 0.0_f32;
                input.chunks(CHUNK).for_each(|chunk| interpolator.process(chunk, |_, interval| most = most.max(interval.peak())));
                let db = 20.0 * most.log10();
                assert!(db.abs() < 0.02, "{cycles} cycles a sample: {db} dB");
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_the_processor() {
        let frame: Vec<f32> = tone(0.21, 0.1, SHORT - 1 + ABREAST);
        let run = |wide: bool| {
            let mut values = [[0.0; PHASES]; ABREAST];
            interpolate_abreast(&kernel::<SHORT>(), &frame, &mut values, wide);
            values.map(|values| values.map(f32::to_bits))
        };
        assert_eq!(run(false), run(Interpolator::<SHORT>::default().wide));
    }

    #[test]
    fn bits_do_not_depend_on_the_blocks() {
        let input = tone(0.2113, 1.0, 1500);
        let run = |block: usize| {
            let mut interpolator = Interpolator::<SHORT>::default();
            let mut out = Vec::new();
            input
                .chunks(block)
                .for_each(|chunk| interpolator.process(chunk, |_, i| out.push((i.peak().to_bits(), i.values.map(f32::to_bits)))));
            out
        };
        let whole = run(CHUNK);
        assert_eq!(whole.len(), input.len());
        for block in [1, 3, 17, 64, 255] {
            assert!(run(block) == whole, "blocks of {block}");
        }
    }

    /// What is left out is not over the floor, and what is given is what all of them are, to the bit, however the signal
    /// is cut.
    #[test]
    fn what_is_left_out_is_small() {
        let seed = 11_u64;
        println!("seed {seed}");
        let mut state = seed;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        // Bursts between near silence.
        let input: Vec<f32> = (0..20_000).map(|n| random() * if n % 1_900 < 300 { 0.8 } else { 0.02 }).collect();
        let bits =
            |interval: &Interval| interval.values.map(f32::to_bits).into_iter().chain([interval.before.to_bits()]).collect::<Vec<_>>();
        let mut all = Vec::new();
        let mut interpolator = Interpolator::<SHORT>::default();
        input.chunks(CHUNK).for_each(|chunk| interpolator.process(chunk, |_, interval| all.push((bits(interval), interval.peak()))));
        let most = all.iter().map(|(_, peak)| *peak).fold(0.0, f32::max);
        for (floor, length) in [(0.1_f32, 256), (0.5, 77), (0.9, 256), (0.5, 1)] {
            let mut interpolator = Interpolator::<SHORT>::default();
            let mut given = vec![false; input.len()];
            for (index, chunk) in input.chunks(length).enumerate() {
                interpolator.process_over(chunk, floor, |at, interval| {
                    given[index * length + at] = true;
                    assert_eq!(bits(interval), all[index * length + at].0);
                });
            }
            let left_out = given.iter().zip(&all).filter(|(given, _)| !**given);
            assert!(left_out.clone().all(|(_, (_, peak))| *peak <= floor), "{floor}");
            assert!(left_out.count() > input.len() / 4, "{floor}, {length}: some are left out");
        }
        let (mut interpolator, mut largest) = (Interpolator::<SHORT>::default(), 0.0_f32);
        for chunk in input.chunks(100) {
            let floor = largest;
            interpolator.process_largest(chunk, floor, |_, interval| largest = largest.max(interval.peak()));
        }
        assert_eq!(largest, most);
    }
}
