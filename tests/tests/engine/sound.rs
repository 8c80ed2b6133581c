//! What the engine does to sound, whatever the net has learned.

use dsp_core::engines::denoise::{Link, Settings};
use dsp_core::processor::Processor;
use dsp_core::units::{Db, Ms};
use plainsong_tests::audio::{delayed, fan, noisy_speech, scaled, speech, white};
use plainsong_tests::engine::{Blocks, denoiser, mode, run_fresh};
use plainsong_tests::measure::{level_db, null_db};

const RATE: f64 = 48_000.0;

/// Samples of a piece whose level is compared: 100 ms.
const PIECE: usize = 4800;

/// Levels of the pieces of a signal in dBFS.
fn pieces(samples: &[f32]) -> Vec<f64> {
    samples.chunks_exact(PIECE).map(level_db).collect()
}

/// What is taken does not depend on how loud the recording is: over 60 dB the reduction of each
/// piece of a second and of the whole stays within 1 dB.
#[test]
fn level_does_not_change_what_is_removed() {
    for low_latency in [false, true] {
        for (name, input) in [("noisy speech", noisy_speech(RATE, 4.0, 1, 71)), ("speech", vec![speech(RATE, 4.0, 72)])] {
            let reduction = |gain_db: f32| -> Vec<f64> {
                let input = scaled(&input, Db(gain_db).to_linear());
                let out = run_fresh(&mut denoiser(RATE, 1), &input, &mode(low_latency), Blocks::Of(480));
                let second = RATE as usize;
                let mut parts: Vec<f64> =
                    out[0].chunks_exact(second).zip(input[0].chunks_exact(second)).map(|(o, i)| level_db(o) - level_db(i)).collect();
                parts.push(level_db(&out[0]) - level_db(&input[0]));
                parts
            };
            let usual = reduction(0.0);
            for gain in [-30.0, -15.0, 15.0, 30.0] {
                for (part, (a, b)) in reduction(gain).iter().zip(&usual).enumerate() {
                    assert!((a - b).abs() <= 1.0, "{name}, {gain} dB, low latency {low_latency}, part {part}: {a:.2} instead of {b:.2} dB");
                }
            }
        }
    }
}

/// One mask for both channels: in every piece the ratio of their levels stays.
#[test]
fn linked_channels_keep_the_image() {
    let noisy = noisy_speech(RATE, 3.0, 1, 81);
    let input = vec![noisy[0].clone(), noisy[0].iter().map(|x| 0.25 * x).collect()];
    let out = run_fresh(&mut denoiser(RATE, 2), &input, &Settings { link: Link::Linked, ..mode(false) }, Blocks::Of(512));
    for (piece, (left, right)) in pieces(&out[0]).iter().zip(pieces(&out[1])).enumerate() {
        if *left > -80.0 {
            assert!((left - right - 12.04).abs() < 0.05, "piece {piece}: the channels are {:.2} dB apart, not 12.04", left - right);
        }
    }
}

/// A centred mono source is the same on both sides, bit for bit.
#[test]
fn two_equal_channels_stay_equal() {
    let noisy = noisy_speech(RATE, 1.0, 1, 82);
    for link in [Link::Linked, Link::PerChannel] {
        let input = vec![noisy[0].clone(), noisy[0].clone()];
        let out = run_fresh(&mut denoiser(RATE, 2), &input, &Settings { link, ..mode(false) }, Blocks::Of(512));
        assert_eq!(null_db(&out[..1], &out[1..], 0), f64::NEG_INFINITY, "{link:?}");
    }
}

/// Noise alone goes down, and by no more than the limit allows.
#[test]
fn noise_goes_down_and_the_limit_holds() {
    for (name, noise) in [("hiss", white(4 * RATE as usize, 0.01, 3)), ("fan", fan(RATE, 4 * RATE as usize, 0.02, 4))] {
        let input = vec![noise];
        let level = |settings: &Settings| {
            let out = run_fresh(&mut denoiser(RATE, 1), &input, settings, Blocks::Of(480));
            level_db(&out[0][RATE as usize..]) - level_db(&input[0][RATE as usize..])
        };
        let free = level(&mode(false));
        let limited = level(&Settings { limit: Db(6.0), ..mode(false) });
        let half = level(&Settings { amount: 0.5, ..mode(false) });
        assert!(free < -1.0, "{name}: {free:.1} dB");
        assert!(limited >= -6.1 && limited >= free - 0.1, "{name}: a limit of 6 dB lets {limited:.1} dB through");
        assert!(half >= free - 0.1 && half < -0.3, "{name}: half the amount takes {half:.1} of {free:.1} dB");
    }
}

/// The output gain acts on the cleaned sound, exactly, and not on bypass.
#[test]
fn output_gain_is_a_gain() {
    let input = noisy_speech(RATE, 1.0, 1, 91);
    let mut engine = denoiser(RATE, 1);
    let plain = run_fresh(&mut engine, &input, &mode(false), Blocks::Of(512));
    let louder = run_fresh(&mut engine, &input, &Settings { output: Db(6.0), ..mode(false) }, Blocks::Of(512));
    // Gains may glide at the start, so the first 200 ms are left out.
    let null = null_db(&scaled(&plain, Db(6.0).to_linear()), &louder, 9600);
    assert!(null < -100.0, "{null:.1} dBFS");
    let settings = Settings { output: Db(6.0), bypass: true, ..mode(false) };
    let bypassed = run_fresh(&mut engine, &input, &settings, Blocks::Of(512));
    assert!(null_db(&bypassed, &delayed(&input, engine.latency(&settings)), 9600) < -120.0);
}

/// A longer release lets a gain fall later: what comes out after a word is louder, never quieter.
#[test]
fn release_holds_on() {
    let input = noisy_speech(RATE, 3.0, 1, 95);
    let level = |release: f32| {
        level_db(&run_fresh(&mut denoiser(RATE, 1), &input, &Settings { release: Ms(release), ..mode(false) }, Blocks::Of(512))[0])
    };
    let levels = [level(0.0), level(100.0), level(500.0)];
    assert!(levels[0] <= levels[1] + 0.01 && levels[1] <= levels[2] + 0.01, "{levels:?}");
}

/// Parameters that jump make no clicks: the output has no step that neither end has.
#[test]
fn switching_makes_no_click() {
    let tone: Vec<f32> = (0..96_000).map(|i| 0.1 * (std::f32::consts::TAU * 200.0 * i as f32 / RATE as f32).sin()).collect();
    let mut engine = denoiser(RATE, 1);
    let base = Settings { strength: 1.0, ..mode(false) };
    for other in [
        Settings { amount: 0.0, ..base },
        Settings { bypass: true, ..base },
        Settings { output: Db(-24.0), ..base },
        Settings { listen: dsp_core::engines::denoise::Listen::Removed, ..base },
    ] {
        engine.reset();
        let mut out = tone.clone();
        for (index, block) in out.chunks_mut(480).enumerate() {
            let settings = if (index / 40) % 2 == 0 { &base } else { &other };
            engine.process(&mut [block], settings, &mut ());
        }
        let step = out.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        // The tone's own steepest step is 0.0026; a click at its crest would be up to 0.1.
        assert!(step < 0.01, "a step of {step} when going to {other:?}");
    }
}
