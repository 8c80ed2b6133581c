//! What the denoiser does to sound, whatever the net has learned.

use dsp_core::engines::denoise::Settings;
use dsp_core::units::{Db, Ms};
use plainsong_tests::audio::{fan, noisy_speech, scaled, speech, white};
use plainsong_tests::engine::{Blocks, denoiser, mode, run_fresh};
use plainsong_tests::measure::level_db;

const RATE: f64 = 48_000.0;

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
