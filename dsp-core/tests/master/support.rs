//! Signals, spectra, drivers, and an allocator that counts.

use dsp_core::processor::{Format, Processor};
use dsp_core::units::Hz;
use realfft::RealFftPlanner;
use std::f64::consts::TAU;

#[path = "../../../tests/src/allocations.rs"]
mod allocations;

pub use allocations::{Counting, count as calls};
pub use dsp_core::realtime::processor_seconds;

#[test]
fn the_counter_counts() {
    assert!(calls(|| drop(std::hint::black_box(vec![1_u8; 100]))) >= 2);
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    /// Even in 0 to 1.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, deviation 1.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    pub fn below(&mut self, end: usize) -> usize {
        ((self.unit() * end as f64) as usize).min(end - 1)
    }
}

pub type Audio = Vec<Vec<f32>>;

/// A sine of `amplitude`.
pub fn sine(hz: f64, amplitude: f64, rate: f64, length: usize) -> Vec<f32> {
    (0..length).map(|n| (amplitude * (TAU * (hz * n as f64 / rate).fract()).sin()) as f32).collect()
}

/// White noise of this root mean square.
pub fn noise(rms: f64, length: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    (0..length).map(|_| (rms * random.normal()) as f32).collect()
}

/// Something like music: a beat of low hits, a chord that swells, hats; channels alike but not equal.
pub fn music(rate: f64, seconds: f64, channels: usize, seed: u64) -> Audio {
    let length = (rate * seconds) as usize;
    (0..channels)
        .map(|channel| {
            let mut random = Random(seed ^ (channel as u64) << 32);
            let pan = 1.0 - 0.25 * channel as f64 / channels as f64;
            let mut hat = 0.0;
            (0..length)
                .map(|n| {
                    let t = n as f64 / rate;
                    let beat = (t * 2.0).fract() / 2.0;
                    let kick = 0.5 * (-beat * 18.0).exp() * (TAU * (50.0 * beat + 6.0 * (1.0 - (-beat * 30.0).exp()))).sin();
                    let chord: f64 = [220.0, 277.2, 329.6, 880.0].iter().map(|hz| (TAU * hz * t + channel as f64).sin()).sum();
                    let swell = 0.05 * (0.6 + 0.4 * (TAU * 0.7 * t).sin());
                    let white = random.normal();
                    let bright = white - hat;
                    hat = white;
                    let tick = 0.06 * (-((t * 8.0).fract() / 8.0) * 60.0).exp() * bright;
                    (pan * (kick + swell * chord + tick) + 0.002 * white) as f32
                })
                .collect()
        })
        .collect()
}

/// How a signal is cut into blocks.
pub const BLOCKS: [usize; 8] = [1, 17, 64, 480, 512, 1024, 4096, 0];

/// Runs a processor over blocks of a size; 0 is a mixture with empty ones.
pub fn run<P: Processor>(processor: &mut P, input: &Audio, settings: &P::Settings, block: usize) -> Audio {
    let mut out = input.clone();
    let length = input[0].len();
    let mut random = Random(77);
    let mut at = 0;
    while at < length {
        let most = [3, 70, 600, 1500][random.below(4)];
        let size = if block == 0 { random.below(most) } else { block };
        let end = (at + size).min(length);
        let mut slices: Vec<&mut [f32]> = out.iter_mut().map(|channel| &mut channel[at..end]).collect();
        processor.process(&mut slices, settings, &mut ());
        at = end;
    }
    out
}

/// A prepared processor.
pub fn prepared<P: Processor + Default>(rate: f64, channels: usize) -> P {
    let mut processor = P::default();
    processor.prepare(format(rate, channels)).expect("a format in range");
    processor
}

pub fn format(rate: f64, channels: usize) -> Format {
    Format::new(Hz(rate), channels).expect("a format in range")
}

/// Where two signals part, if they do.
pub fn same_bits(a: &Audio, b: &Audio) -> Result<(), String> {
    for (channel, (x, y)) in a.iter().zip(b).enumerate() {
        if let Some(at) = x.iter().zip(y).position(|(x, y)| x.to_bits() != y.to_bits()) {
            return Err(format!("channel {channel}, sample {at}: {} and {}", x[at], y[at]));
        }
    }
    if a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.len() == y.len()) { Ok(()) } else { Err("lengths differ".into()) }
}

/// All channels later by some samples.
pub fn delayed(audio: &Audio, samples: usize) -> Audio {
    audio.iter().map(|channel| std::iter::repeat_n(0.0, samples).chain(channel.iter().copied()).take(channel.len()).collect()).collect()
}

/// Mean power in decibels.
pub fn level(samples: &[f32]) -> f64 {
    10.0 * (samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64).log10()
}

/// Power of each bin in decibels; a sine of amplitude 1 reads 0 dB at its bin. Blackman-Harris window of
/// four terms, side lobes under -92 dB (F. J. Harris 1978), or seven terms, under -180 dB (H. H. Albrecht 2001).
pub fn spectrum(samples: &[f32]) -> Vec<f64> {
    const TERMS: [f64; 7] = [
        2.712_203_605_850_388e-1,
        4.334_446_123_274_422e-1,
        2.180_041_228_929_303e-1,
        6.578_534_329_560_609e-2,
        1.076_186_730_534_183e-2,
        7.700_127_105_808_265e-4,
        1.368_088_305_992_921e-5,
    ];
    let length = samples.len();
    let mut windowed: Vec<f64> = samples
        .iter()
        .enumerate()
        .map(|(n, &x)| {
            let phase = TAU * n as f64 / length as f64;
            let window: f64 = TERMS.iter().enumerate().map(|(k, a)| if k % 2 == 0 { *a } else { -a } * (phase * k as f64).cos()).sum();
            f64::from(x) * window
        })
        .collect();
    let plan = RealFftPlanner::<f64>::new().plan_fft_forward(length);
    let mut bins = plan.make_output_vec();
    plan.process(&mut windowed, &mut bins).expect("lengths fit");
    let scale = 2.0 / (TERMS[0] * length as f64);
    bins.iter().map(|bin| 20.0 * (bin.norm() * scale).max(1e-15).log10()).collect()
}

/// Gain in decibels of an impulse response at a frequency.
pub fn response(samples: &[f32], hz: f64, rate: f64) -> f64 {
    let (re, im) = samples.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, &x)| {
        let (sin, cos) = (TAU * (hz * n as f64 / rate).fract()).sin_cos();
        (re + f64::from(x) * cos, im - f64::from(x) * sin)
    });
    20.0 * re.hypot(im).max(1e-15).log10()
}

/// Gain in decibels of a sine that settles for half a second, over whole periods.
pub fn sine_gain(output: &[f32], input: &[f32]) -> f64 {
    let from = output.len() / 2;
    level(&output[from..]) - level(&input[from..])
}
