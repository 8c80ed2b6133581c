//! The stereo stage against its definition.

use crate::support::{Audio, level, music, noise, prepared, run, same_bits, sine};
use dsp_core::processor::Processor;
use dsp_core::stereo::{Settings, Stereo};
use dsp_core::units::{Db, Hz};

const RATE: f64 = 48_000.0;

fn middle(audio: &Audio) -> Vec<f32> {
    audio[0].iter().zip(&audio[1]).map(|(l, r)| 0.5 * (l + r)).collect()
}

fn side(audio: &Audio) -> Vec<f32> {
    audio[0].iter().zip(&audio[1]).map(|(l, r)| 0.5 * (l - r)).collect()
}

fn sides_only(hz: f64) -> Audio {
    let s = sine(hz, 0.3, RATE, 96_000);
    let m = sine(1_234.0, 0.3, RATE, 96_000);
    vec![m.iter().zip(&s).map(|(m, s)| m + s).collect(), m.iter().zip(&s).map(|(m, s)| m - s).collect()]
}

fn side_gain(settings: &Settings, hz: f64) -> f64 {
    let input = sides_only(hz);
    let mut stereo: Stereo = prepared(RATE, 2);
    let out = run(&mut stereo, &input, settings, 512);
    level(&side(&out)[48_000..]) - level(&side(&input)[48_000..])
}

/// Sines in each band get the width of their band.
#[test]
fn each_band_has_its_width() {
    let settings = Settings { width: [0.5, 1.5, 2.0], ..Settings::default() };
    for (hz, wanted) in [(40.0, 0.5_f64), (1_000.0, 1.5), (16_000.0, 2.0)] {
        let gain = side_gain(&settings, hz);
        assert!((gain - 20.0 * wanted.log10()).abs() < 0.35, "{gain:.2} dB at {hz} Hz");
    }
    // Between two bands the way is smooth: the shelf's formula, bent as the bilinear transform bends.
    let bend = |hz: f64| (std::f64::consts::PI * hz / RATE).tan();
    let low = Settings { width: [0.25, 1.0, 1.0], ..Settings::default() };
    for hz in [60.0, 150.0, 250.0, 400.0, 900.0] {
        let f4 = (bend(hz) / bend(250.0)).powi(4);
        let truth = 10.0 * ((0.25_f64.powi(2) + f4) / (1.0 + f4)).log10();
        let gain = side_gain(&low, hz);
        assert!((gain - truth).abs() < 0.05, "{gain:.2} for {truth:.2} dB at {hz} Hz");
    }
}

#[test]
fn no_width_is_mono() {
    let input = music(RATE, 1.0, 2, 3);
    let mut stereo: Stereo = prepared(RATE, 2);
    let out = run(&mut stereo, &input, &Settings { width: [0.0; 3], ..Settings::default() }, 512);
    assert_eq!(out[0], out[1]);
}

/// Whatever is set, the mono sum is that of the input.
#[test]
fn the_mono_sum_is_untouched() {
    let input = music(RATE, 1.0, 2, 4);
    let settings = Settings { width: [0.1, 2.0, 1.7], mono_below: Hz(150.0), mono_loss: Db(1.0), ..Settings::default() };
    let mut stereo: Stereo = prepared(RATE, 2);
    let out = run(&mut stereo, &input, &settings, 512);
    let most = middle(&out).iter().zip(&middle(&input)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(most < 1e-6, "{most}");
}

/// Mono bass is a Butterworth high-pass of 24 dB an octave on the sides.
#[test]
fn bass_is_mono() {
    let settings = Settings { mono_below: Hz(120.0), ..Settings::default() };
    for hz in [30.0, 60.0, 120.0, 240.0, 1_000.0] {
        let truth = -10.0 * (1.0 + (120.0_f64 / hz).powi(8)).log10();
        let gain = side_gain(&settings, hz);
        assert!((gain - truth).abs() < 0.1, "{gain:.2} for {truth:.2} dB at {hz} Hz");
    }
}

/// Loss of the mono sum of each window of 400 ms, every 50 ms, in dB: the power of left and right
/// against twice that of their sum's half.
fn losses(audio: &Audio) -> Vec<f64> {
    let window = (0.4 * RATE) as usize;
    (0..audio[0].len().saturating_sub(window))
        .step_by((0.05 * RATE) as usize)
        .map(|at| {
            let range = at..at + window;
            let power = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            let both = (power(&audio[0][range.clone()]) + power(&audio[1][range.clone()])) / 2.0;
            10.0 * (both / power(&middle(audio)[range]).max(1e-30)).log10()
        })
        .collect()
}

/// The guard's promise: in no window of 400 ms does the mono sum lose more than asked, by more than
/// 0.3 dB, while the width is doubled; for sources of unlike channels, that swing, and that come in at once.
#[test]
fn the_mono_sum_never_loses_more_than_asked() {
    let length = (4.0 * RATE) as usize;
    let unlike: Audio = vec![noise(0.1, length, 1), noise(0.1, length, 2)];
    let swinging: Audio = {
        let (m, s) = (noise(0.1, length, 3), noise(0.1, length, 4));
        let swing = |n: usize| 0.5 + 0.5 * (std::f64::consts::TAU * 0.5 * n as f64 / RATE).sin() as f32;
        vec![(0..length).map(|n| m[n] + swing(n) * s[n]).collect(), (0..length).map(|n| m[n] - swing(n) * s[n]).collect()]
    };
    let late: Audio = {
        let mut late = unlike.clone();
        late.iter_mut().for_each(|channel| channel[..96_000].fill(0.0));
        late
    };
    for (name, input) in [("unlike", unlike), ("swinging", swinging), ("late", late), ("music", music(RATE, 4.0, 2, 5))] {
        for asked in [1.5_f32, 3.0, 4.5] {
            let settings = Settings { width: [2.0; 3], mono_loss: Db(asked), ..Settings::default() };
            let mut stereo: Stereo = prepared(RATE, 2);
            let out = run(&mut stereo, &input, &settings, 512);
            let most = losses(&out).into_iter().filter(|loss| loss.is_finite()).fold(0.0, f64::max);
            assert!(most <= f64::from(asked) + 0.3, "{name}: the sum loses {most:.2} dB, asked for {asked}");
            let reading = stereo.reading();
            assert!(reading.mono_loss <= asked + 0.3 && reading.guard <= 0.0);
        }
    }
}

/// Where the mono sum loses less than asked, the guard does nothing, bit for bit; an antiphase source is
/// narrowed by 12 dB and not silenced.
#[test]
fn the_guard_knows_its_bounds() {
    let input = music(RATE, 1.0, 2, 6);
    let mut stereo: Stereo = prepared(RATE, 2);
    let free = run(&mut stereo, &input, &Settings { width: [1.2; 3], ..Settings::default() }, 512);
    let most = losses(&free).into_iter().fold(0.0, f64::max);
    stereo.reset();
    let guarded = run(&mut stereo, &input, &Settings { width: [1.2; 3], mono_loss: Db(most as f32 + 2.0), ..Settings::default() }, 512);
    assert!(most < 9.0);
    same_bits(&free, &guarded).expect("nothing to guard");
    let anti: Audio = vec![sine(500.0, 0.5, RATE, 96_000), sine(500.0, -0.5, RATE, 96_000)];
    stereo.reset();
    let out = run(&mut stereo, &anti, &Settings { mono_loss: Db(3.0), ..Settings::default() }, 512);
    let gain = level(&out[0][48_000..]) - level(&anti[0][48_000..]);
    assert!((gain + 12.0).abs() < 0.1, "{gain:.2} dB");
}

/// Streams without a pair pass.
#[test]
fn other_channel_counts_pass() {
    for channels in [1, 3, 6] {
        let input = music(RATE, 0.2, channels, 7);
        let mut stereo: Stereo = prepared(RATE, channels);
        let out = run(&mut stereo, &input, &Settings { width: [0.0; 3], ..Settings::default() }, 64);
        same_bits(&input, &out).expect("untouched");
    }
}
