//! Saturation: harmonics, aliases, latency.

use crate::support::{Random, delayed, level, music, prepared, response, run, sine, spectrum};
use dsp_core::colour::{Character, Colour, Settings};
use dsp_core::processor::Processor;
use dsp_core::units::Db;

const LENGTH: usize = 65_536;
const ALL: [Character; 3] = [Character::Tube, Character::Tape, Character::Transformer];

fn settings(character: Character, drive: f32) -> Settings {
    Settings { on: true, character, drive: Db(drive), mix: 1.0 }
}

/// Levels of the bins of a tone of -6 dBFS after the curve, and the tone's bin.
fn tone(hz: f64, rate: f64, settings: &Settings) -> (Vec<f64>, usize) {
    // On a bin, so that harmonics and aliases are lines.
    let bin = (hz * LENGTH as f64 / rate).round() as usize | 1;
    let input = vec![sine(bin as f64 * rate / LENGTH as f64, 0.5, rate, LENGTH + 48_000)];
    let mut colour: Colour = prepared(rate, 1);
    let out = run(&mut colour, &input, settings, 512);
    (spectrum(&out[0][48_000..]), bin)
}

/// The promise: all that is no harmonic of a 5 kHz tone of -6 dBFS stays under -90 dBFS, at every drive.
#[test]
fn aliases_are_under_90_db() {
    for rate in [44_100.0, 48_000.0] {
        for character in ALL {
            for drive in [0.0, 6.0, 12.0, 18.0] {
                let (bins, at) = tone(5_000.0, rate, &settings(character, drive));
                let apart = |n: usize| {
                    let near = (n as f64 / at as f64).round().max(0.0);
                    (n as f64 - near * at as f64).abs() > 12.0
                };
                let (most, level) = bins
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| apart(*n))
                    .fold((0, -300.0), |most, (n, &level)| if level > most.1 { (n, level) } else { most });
                println!("{rate} Hz, {character:?}, {drive} dB: {level:.1} dBFS at {:.0} Hz", most as f64 * rate / LENGTH as f64);
                assert!(level < -90.0, "{rate} Hz, {character:?}, {drive} dB: {level:.1} dBFS");
            }
        }
    }
}

/// Tubes are led by the second harmonic, tape has odd ones only, a transformer bends the lows alone.
#[test]
fn characters_have_their_harmonics() {
    let harmonics = |character, hz, drive| {
        let (bins, at) = tone(hz, 48_000.0, &settings(character, drive));
        [1, 2, 3, 4].map(|n: usize| bins[n * at - 2..=n * at + 2].iter().copied().fold(-300.0, f64::max))
    };
    let [_, second, third, _] = harmonics(Character::Tube, 200.0, 6.0);
    assert!(second > -40.0 && second > third + 6.0, "tube: {second:.1}, {third:.1} dB");
    let [_, second, third, fourth] = harmonics(Character::Tape, 200.0, 6.0);
    assert!(third > -45.0 && second < third - 50.0 && fourth < third - 50.0, "tape: {second:.1}, {third:.1} dB");
    let [_, _, low, _] = harmonics(Character::Transformer, 50.0, 6.0);
    let [_, _, high, _] = harmonics(Character::Transformer, 2_000.0, 6.0);
    assert!(low > -45.0 && high < low - 40.0, "transformer: {low:.1} and {high:.1} dB");
}

/// The curve itself, in double precision at 32 times the rate through ideal filters, is what a band-limited
/// tone gets: its harmonics below 15 kHz agree.
#[test]
fn harmonics_are_the_curve() {
    let (rate, hz) = (48_000.0, 1_000.0);
    for drive in [3.0_f32, 12.0] {
        let (bins, at) = tone(hz, rate, &settings(Character::Tape, drive));
        let d = f64::from(Db(drive).to_linear());
        // Fourier sum of x / sqrt(1 + x^2), odd harmonics of a sine.
        let points = 4_096;
        for n in [3_usize, 5, 7, 9] {
            let sum: f64 = (0..points)
                .map(|k| {
                    let phase = std::f64::consts::TAU * k as f64 / points as f64;
                    let x = 0.5 * d * phase.sin();
                    x / (1.0 + x * x).sqrt() / d * (n as f64 * phase).sin()
                })
                .sum();
            let truth = 20.0 * (2.0 * sum.abs() / points as f64).log10();
            let made = bins[n * at];
            assert!(truth < -110.0 || (made - truth).abs() < 0.1, "harmonic {n} at {drive} dB: {made:.2} for {truth:.2} dB");
        }
    }
}

/// Soft sound passes flat and late by exactly the latency, whatever the drive.
#[test]
fn soft_sound_passes() {
    for rate in [44_100.0, 48_000.0, 96_000.0, 192_000.0] {
        for character in ALL {
            let settings = settings(character, 12.0);
            let mut colour: Colour = prepared(rate, 1);
            let latency = colour.latency(&settings);
            let mut impulse = vec![vec![0.0; 8_192]];
            impulse[0][100] = 1e-4;
            let out = run(&mut colour, &impulse, &settings, 64);
            let at = out[0].iter().enumerate().fold((0, 0.0), |best, (n, x)| if x.abs() > best.1 { (n, x.abs()) } else { best }).0;
            assert_eq!(at, 100 + latency, "{rate} Hz, {character:?}");
            for hz in [50.0, 1_000.0, 15_000.0, 20_000.0] {
                let gain = response(&out[0], hz, rate) + 80.0;
                assert!(gain.abs() < 0.02, "{rate} Hz, {character:?}: {gain} dB at {hz} Hz");
            }
        }
    }
}

/// What the mix adds is a share of what the curve adds: half of it is half, on the delayed input.
#[test]
fn the_mix_is_matched_in_delay() {
    let rate = 44_100.0;
    let input = music(rate, 1.0, 2, 8);
    let all = settings(Character::Tape, 12.0);
    let mut colour: Colour = prepared(rate, 2);
    let dry = delayed(&input, colour.latency(&all));
    let whole = run(&mut colour, &input, &all, 512);
    colour.reset();
    let half = run(&mut colour, &input, &Settings { mix: 0.5, ..all }, 512);
    for channel in 0..2 {
        for n in 0..input[0].len() {
            let wanted = 0.5 * (whole[channel][n] + dry[channel][n]);
            assert!((half[channel][n] - wanted).abs() < 1e-6);
        }
    }
}

/// An uneven curve leaves no direct current behind.
#[test]
fn no_direct_current() {
    let rate = 48_000.0;
    let input = vec![sine(100.0, 0.5, rate, 96_000)];
    let mut colour: Colour = prepared(rate, 1);
    let out = run(&mut colour, &input, &settings(Character::Tube, 12.0), 512);
    let mean = out[0][48_000..].iter().map(|&x| f64::from(x)).sum::<f64>() / 48_000.0;
    assert!(mean.abs() < 1e-4, "{mean}");
}

/// Switching, driving and changing the character while a tone plays: no step that the tone has not.
#[test]
fn switching_makes_no_click() {
    let rate = 48_000.0;
    let mut audio = sine(200.0, 0.3, rate, 192_000);
    let mut colour: Colour = prepared(rate, 1);
    let mut random = Random(5);
    for samples in audio.chunks_mut(6_000) {
        let settings = Settings {
            on: random.unit() < 0.7,
            character: ALL[random.below(3)],
            drive: Db(random.unit() as f32 * 12.0),
            mix: random.unit() as f32,
        };
        colour.process(&mut [samples], &settings, &mut ());
    }
    let bend = audio[4_800..].windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs()).fold(0.0, f32::max);
    assert!(bend < 0.002, "a bend of {bend}");
    assert!(level(&audio) > -20.0);
}
