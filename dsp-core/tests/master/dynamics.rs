//! Multiband dynamics against the definition, sample by sample in double precision.

use crate::support::{Audio, level, music, prepared, response, run, sine, sine_gain};
use dsp_core::dynamics::multiband::{Band, Count, Detector, Multiband, Settings, Split};
use dsp_core::processor::Processor;
use dsp_core::units::{Db, Hz, Ms};
use std::f64::consts::PI;

/// A direct-form biquad.
#[derive(Clone, Default)]
struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
    x: [f64; 2],
    y: [f64; 2],
}

impl Biquad {
    /// Butterworth of second order by the textbook's bilinear transform; `kind` is low, high or all-pass.
    fn new(kind: usize, hz: f64, rate: f64) -> Self {
        let w = (PI * hz / rate).tan();
        let norm = 1.0 / (1.0 + 2_f64.sqrt() * w + w * w);
        let a = [2.0 * (w * w - 1.0) * norm, (1.0 - 2_f64.sqrt() * w + w * w) * norm];
        let b = match kind {
            0 => [w * w * norm, 2.0 * w * w * norm, w * w * norm],
            1 => [norm, -2.0 * norm, norm],
            _ => [a[1], a[0], 1.0],
        };
        Self { b, a, ..Self::default() }
    }

    fn run(mut self, input: &[f64]) -> Vec<f64> {
        input
            .iter()
            .map(|&x| {
                let y = self.b[0] * x + self.b[1] * self.x[0] + self.b[2] * self.x[1] - self.a[0] * self.y[0] - self.a[1] * self.y[1];
                self.x = [x, self.x[0]];
                self.y = [y, self.y[0]];
                y
            })
            .collect()
    }
}

/// Four Linkwitz-Riley bands with all-passes.
fn split(input: &[f64], corners: [f64; 3], rate: f64) -> Vec<Vec<f64>> {
    let twice = |kind: usize, hz: f64, x: &[f64]| Biquad::new(kind, hz, rate).run(&Biquad::new(kind, hz, rate).run(x));
    let all = |hz: f64, x: &[f64]| Biquad::new(2, hz, rate).run(x);
    let below = all(corners[2], &twice(0, corners[1], input));
    let above = all(corners[0], &twice(1, corners[1], input));
    vec![twice(0, corners[0], &below), twice(1, corners[0], &below), twice(0, corners[2], &above), twice(1, corners[2], &above)]
}

/// The gain computer by its lines: hard or bent, ranges, no lift of the noise floor.
fn curve(level: f64, band: &Band, knee: f64) -> f64 {
    let bend = |over: f64| {
        if 2.0 * over <= -knee {
            0.0
        } else if 2.0 * over < knee {
            (over + knee / 2.0).powi(2) / (2.0 * knee)
        } else {
            over
        }
    };
    let slope = |ratio: f32| 1.0 - 1.0 / f64::from(ratio);
    let down = (slope(band.ratio) * bend(level - f64::from(band.threshold.0))).min(f64::from(band.range.0));
    let up = (slope(band.up_ratio) * bend(f64::from(band.up_threshold.0) - level)).min(f64::from(band.range.0));
    up * ((level + 72.0) / 18.0).clamp(0.0, 1.0) - down
}

/// One channel through the definition: a level and a gain for every sample.
fn oracle(input: &[f32], settings: &Settings, rate: f64) -> Vec<f32> {
    let input: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
    let bands = split(&input, settings.crossovers.map(|hz| hz.0), rate);
    let mut out = vec![0.0; input.len()];
    for (samples, band) in bands.iter().zip(&settings.bands) {
        let pole = |seconds: f64| (-1.0 / (seconds * rate)).exp();
        let (attack, release) = (pole(f64::from(band.attack.0) / 1000.0), pole(f64::from(band.release.0) / 1000.0));
        let (slow_attack, slow_release) = (pole(0.4), pole(6.0 * f64::from(band.release.0) / 1000.0));
        let keep = pole(0.010);
        let (mut mean, mut fast, mut slow) = (0.0, 0.0, 0.0);
        for (sample, out) in samples.iter().zip(&mut out) {
            mean = sample * sample + (mean - sample * sample) * keep;
            let level = 10.0 * (2.0 * mean).max(1e-20).log10() + f64::from(band.gain.0);
            let wanted = curve(level, band, f64::from(settings.knee.0));
            fast = wanted + (fast - wanted) * if wanted < fast { attack } else { release };
            slow = wanted + (slow - wanted) * if wanted < slow { slow_attack } else { slow_release };
            let gain = if settings.program { fast.min(slow) } else { fast };
            *out += sample * 10_f64.powf((f64::from(band.gain.0) + gain + f64::from(band.makeup.0)) / 20.0);
        }
    }
    out.iter().map(|&x| x as f32).collect()
}

fn busy(program: bool) -> Settings {
    let mut settings = Settings { on: true, split: Split::Crossover, program, ..Settings::default() };
    for (index, band) in settings.bands.iter_mut().enumerate() {
        *band = Band {
            gain: Db(2.0 - index as f32),
            threshold: Db(-30.0 + index as f32),
            ratio: 2.0 + index as f32,
            up_threshold: Db(-45.0),
            up_ratio: 1.6,
            attack: Ms(8.0),
            release: Ms(90.0),
            range: Db(9.0),
            makeup: Db(1.0),
        };
    }
    settings
}

/// Gains are computed every eight samples, and one such interval late: the difference to the definition
/// stays 45 dB under the signal.
#[test]
fn it_is_the_definition() {
    for rate in [44_100.0, 96_000.0] {
        for program in [false, true] {
            let settings = busy(program);
            let input = music(rate, 3.0, 1, 21);
            let mut multiband: Multiband = prepared(rate, 1);
            let out = run(&mut multiband, &input, &settings, 512);
            let truth = oracle(&input[0], &settings, rate);
            let error: Vec<f32> = out[0].iter().zip(&truth).map(|(a, b)| a - b).collect();
            let under = level(&error) - level(&truth);
            println!("{rate} Hz, program {program}: {under:.1} dB");
            assert!(under < -45.0, "{rate} Hz, program {program}: {under:.1} dB");
        }
    }
}

/// At rest the bands add up flat, at every rate, in every split.
#[test]
fn the_sum_at_rest_is_flat() {
    for rate in [16_000.0, 44_100.0, 48_000.0, 96_000.0, 192_000.0] {
        for split in [Split::Shelves, Split::Crossover, Split::Linear] {
            for count in [Count::Three, Count::Four] {
                let settings = Settings { on: true, split, count, ..Settings::default() };
                let mut multiband: Multiband = prepared(rate, 1);
                let mut impulse = vec![vec![0.0; rate as usize]];
                impulse[0][0] = 1.0;
                let out = run(&mut multiband, &impulse, &settings, 512);
                for hz in [20.0, 60.0, 120.0, 300.0, 800.0, 2_000.0, 5_000.0, 7_500.0] {
                    let gain = response(&out[0], hz, rate);
                    assert!(gain.abs() < 0.05, "{split:?}, {count:?}, {rate} Hz: {gain} dB at {hz} Hz");
                }
            }
        }
    }
}

/// Tones in the middle of a band get the gain that the curve says, in all splits; tones elsewhere none.
#[test]
fn tones_get_the_gain_of_the_curve() {
    let rate = 48_000.0;
    for split in [Split::Shelves, Split::Crossover, Split::Linear] {
        for detector in [Detector::Rms, Detector::Peak] {
            let mut settings = Settings { on: true, split, detector, program: false, ..Settings::default() };
            settings.bands[1] = Band { threshold: Db(-30.0), ratio: 2.0, attack: Ms(5.0), release: Ms(400.0), ..Band::default() };
            settings.bands[3].makeup = Db(-6.0);
            for (hz, wanted) in [(310.0, -6.0), (30.0, 0.0), (15_000.0, -6.0)] {
                let input = vec![sine(hz, 10_f64.powf(-18.0 / 20.0), rate, 96_000)];
                let mut multiband: Multiband = prepared(rate, 1);
                let out = run(&mut multiband, &input, &settings, 512);
                let gain = sine_gain(&out[0], &input[0]);
                // The neighbours reach into the band.
                let near = 0.7;
                assert!((gain - wanted).abs() < near, "{split:?}, {detector:?}: {gain:.2} dB at {hz} Hz, wanted {wanted}");
            }
        }
    }
}

/// Soft sounds come up by the upward ratio, silence and noise at the floor do not.
#[test]
fn soft_sounds_come_up_and_noise_does_not() {
    let rate = 48_000.0;
    let mut settings = Settings { on: true, program: false, ..Settings::default() };
    for band in &mut settings.bands {
        band.up_threshold = Db(-30.0);
        band.up_ratio = 2.0;
        band.release = Ms(50.0);
    }
    for (input_level, wanted) in [(-20.0, 0.0), (-40.0, 5.0), (-48.0, 9.0), (-80.0, 0.0)] {
        let input = vec![sine(310.0, 10_f64.powf(input_level / 20.0), rate, 96_000)];
        let mut multiband: Multiband = prepared(rate, 1);
        let gain = sine_gain(&run(&mut multiband, &input, &settings, 512)[0], &input[0]);
        assert!((gain - wanted).abs() < 0.5, "{gain:.2} dB at {input_level} dBFS, wanted {wanted}");
    }
}

/// Linked channels get one gain; unlinked ones each their own.
#[test]
fn link_keeps_the_image() {
    let rate = 48_000.0;
    let input: Audio = vec![sine(300.0, 0.5, rate, 48_000), sine(300.0, 0.05, rate, 48_000)];
    for (link, together) in [(1.0, true), (0.0, false)] {
        let mut settings = Settings { on: true, link, ..Settings::default() };
        settings.bands[1] = Band { threshold: Db(-20.0), ratio: 4.0, ..Band::default() };
        let mut multiband: Multiband = prepared(rate, 2);
        let out = run(&mut multiband, &input, &settings, 512);
        let gains = [sine_gain(&out[0], &input[0]), sine_gain(&out[1], &input[1])];
        assert!(gains[0] < -3.0);
        assert_eq!((gains[0] - gains[1]).abs() < 0.01, together, "link {link}: {gains:?}");
    }
}

/// With the side chain's cut a loud sub-bass does not pump its band.
#[test]
fn the_side_chain_does_not_hear_the_sub() {
    let rate = 48_000.0;
    let input = vec![sine(25.0, 0.7, rate, 96_000)];
    let gain = |side_chain: f64| {
        let mut settings = Settings { on: true, side_chain: Hz(side_chain), ..Settings::default() };
        settings.bands[0] = Band { threshold: Db(-30.0), ratio: 4.0, ..Band::default() };
        let mut multiband: Multiband = prepared(rate, 1);
        sine_gain(&run(&mut multiband, &input, &settings, 512)[0], &input[0])
    };
    assert!(gain(0.0) < -9.0 && gain(200.0) > -1.0, "{} and {}", gain(0.0), gain(200.0));
}

/// Moving crossovers, switching on and off: no sample leaves the range of the tone by more than the gains.
#[test]
fn moves_make_no_click() {
    let rate = 48_000.0;
    for split in [Split::Shelves, Split::Crossover, Split::Linear] {
        let mut audio = sine(200.0, 0.3, rate, 192_000);
        let mut multiband: Multiband = prepared(rate, 1);
        for (block, samples) in audio.chunks_mut(4_800).enumerate() {
            let mut settings = Settings { on: block / 5 % 2 == 0, split, ..Settings::default() };
            settings.crossovers[0] = Hz(if block % 3 == 0 { 100.0 } else { 300.0 });
            settings.bands[0].makeup = Db(if block % 2 == 0 { -6.0 } else { 0.0 });
            multiband.process(&mut [samples], &settings, &mut ());
        }
        // The second difference of the tone itself is 0.0002.
        let bend = audio[9_600..].windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs()).fold(0.0, f32::max);
        assert!(bend < 0.0015, "{split:?}: a bend of {bend}");
    }
}
