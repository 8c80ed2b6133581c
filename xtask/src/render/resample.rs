//! A change of sample rate for encoders that know few rates: a windowed sinc in phases.
//!
//! Output sample n lies at the input's time n * from / to exactly: nothing is shifted, and the length is that
//! of the input, rounded up.

/// Zero crossings of the sinc on each side.
const CROSSINGS: usize = 32;
/// Kaiser's window parameter: side lobes lie 100 dB down (J. F. Kaiser, R. W. Schafer, 1980).
const BETA: f64 = 10.0;
/// The pass band ends at this share of half the lower rate; the window's main lobe fits behind it.
const PASS: f64 = 0.94;

/// Changes the rate of any number of channels.
pub struct Resampler {
    up: u64,
    down: u64,
    /// Taps of each phase, `[phase][tap]`.
    phases: Vec<Vec<f32>>,
    half: u64,
    /// Input from sample `first` on, `[channel]`.
    past: Vec<Vec<f32>>,
    first: u64,
    /// Samples in and out so far.
    taken: u64,
    given: u64,
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Modified Bessel function of the first kind, order 0, by its series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..64 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}

impl Resampler {
    /// From one rate to another, in hertz, both above 0.
    pub fn new(from: u32, to: u32, channels: usize) -> Self {
        let common = gcd(u64::from(from), u64::from(to)).max(1);
        let (up, down) = (u64::from(to) / common, u64::from(from) / common);
        // In samples of the input.
        let cutoff = PASS * (f64::from(to) / f64::from(from)).min(1.0);
        let half = (CROSSINGS as f64 / cutoff).ceil() as u64;
        let tap = |phase: u64, index: u64| {
            let t = index as f64 - (half - 1) as f64 - phase as f64 / up as f64;
            let x = std::f64::consts::PI * cutoff * t;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
            let inside = 1.0 - (t / half as f64).powi(2);
            let window = if inside > 0.0 { bessel(BETA * inside.sqrt()) / bessel(BETA) } else { 0.0 };
            cutoff * sinc * window
        };
        let phase = |phase: u64| {
            let taps: Vec<f64> = (0..2 * half).map(|index| tap(phase, index)).collect();
            // Every phase passes direct current alike, or a constant would ripple.
            let sum: f64 = taps.iter().sum();
            taps.iter().map(|tap| (tap / sum) as f32).collect()
        };
        Self {
            up,
            down,
            phases: (0..up).map(phase).collect(),
            half,
            past: vec![vec![0.0; half as usize - 1]; channels],
            first: 0,
            taken: 0,
            given: 0,
        }
    }

    /// Takes a block, `block[channel][sample]`, and adds what can be told by now to `out[channel]`.
    pub fn push(&mut self, block: &[&[f32]], out: &mut [Vec<f32>]) {
        for (past, samples) in self.past.iter_mut().zip(block) {
            past.extend_from_slice(samples);
        }
        self.taken += block.first().map_or(0, |samples| samples.len()) as u64;
        self.produce(out, u64::MAX);
    }

    /// Adds what is left.
    pub fn finish(&mut self, out: &mut [Vec<f32>]) {
        let total = (self.taken * self.up).div_ceil(self.down);
        self.past.iter_mut().for_each(|past| past.extend(std::iter::repeat_n(0.0, self.half as usize + 1)));
        self.produce(out, total);
    }

    /// `past[0]` is sample `first - (half - 1)` of the input.
    fn produce(&mut self, out: &mut [Vec<f32>], most: u64) {
        let there = self.first + self.past.first().map_or(0, Vec::len) as u64;
        while self.given < most {
            let at = self.given * self.down;
            let (whole, phase) = (at / self.up, at % self.up);
            if whole + 2 * self.half > there {
                break;
            }
            let from = (whole - self.first) as usize;
            let taps = &self.phases[phase as usize];
            for (past, out) in self.past.iter().zip(out.iter_mut()) {
                out.push(past[from..from + taps.len()].iter().zip(taps).map(|(x, tap)| x * tap).sum());
            }
            self.given += 1;
        }
        let keep = (self.given * self.down / self.up).saturating_sub(self.first).min(there - self.first) as usize;
        self.past.iter_mut().for_each(|past| drop(past.drain(..keep)));
        self.first += keep as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(from: u32, to: u32, input: &[f32], block: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to, 1);
        let mut out = vec![Vec::new()];
        input.chunks(block).for_each(|block| resampler.push(&[block], &mut out));
        resampler.finish(&mut out);
        out.remove(0)
    }

    /// A sine comes out as the sine at the other rate, in its place; what the lower rate cannot hold goes.
    #[test]
    fn sines_stay_what_and_where_they_are() {
        for (from, to) in [(44_100, 48_000), (96_000, 48_000), (16_000, 48_000), (48_000, 44_100), (8_000, 11_025), (47_999, 48_000)] {
            let sine = |hz: f64, rate: u32, n: usize| (std::f64::consts::TAU * hz * n as f64 / f64::from(rate)).sin();
            let length = from as usize / 4;
            let pass = 0.4 * f64::from(from.min(to));
            let input: Vec<f32> = (0..length).map(|n| sine(pass, from, n) as f32).collect();
            let output = change(from, to, &input, 1_000);
            assert_eq!(output.len(), (length as u64 * u64::from(to)).div_ceil(u64::from(from)) as usize);
            assert_eq!(output, change(from, to, &input, 77), "{from} to {to}: depends on the blocks");
            for (n, &sample) in output.iter().enumerate().take(output.len() / 2).skip(output.len() / 4) {
                let error = (f64::from(sample) - sine(pass, to, n)).abs();
                assert!(error < 2e-4, "{from} to {to}: {error} at {n}");
            }
            if from > to {
                let input: Vec<f32> = (0..length).map(|n| sine(0.49 * f64::from(from), from, n) as f32).collect();
                let output = change(from, to, &input, 1_000);
                let most = output[output.len() / 4..output.len() / 2].iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                assert!(most < 1e-3, "{from} to {to}: {most}");
            }
        }
    }
}
