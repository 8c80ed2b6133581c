//! The latency reported is the latency there is, and everything dry lines up with it.

use dsp_core::engines::denoise::{Denoise, Listen, Settings};
use dsp_core::processor::Processor;
use dsp_core::units::Db;
use plainsong_tests::audio::{delayed, impulse, noisy_speech};
use plainsong_tests::engine::{Blocks, denoiser, format, mode, run_fresh};
use plainsong_tests::measure::{null_db, peak_at};

const RATES: [f64; 10] = [8_000.0, 16_000.0, 22_050.0, 32_000.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0, 384_000.0];

/// What counts as equal: below the noise of 20 bits.
const NULL_DB: f64 = -120.0;

/// The settings that must give the delayed input.
fn dry(low_latency: bool) -> [(&'static str, Settings); 3] {
    let base = mode(low_latency);
    [
        ("bypass", Settings { bypass: true, ..base }),
        ("amount 0", Settings { amount: 0.0, ..base }),
        ("all bands 0", Settings { low: 0.0, mid: 0.0, high: 0.0, ..base }),
    ]
}

#[test]
fn an_impulse_arrives_when_it_is_said_to() {
    for rate in RATES {
        for low_latency in [false, true] {
            let mut engine = denoiser(rate, 1);
            let latency = engine.latency(&mode(low_latency));
            let at = (0.1 * rate) as usize + 13;
            let input = [impulse(at + 2 * latency + 100, at)];
            for (name, settings) in dry(low_latency) {
                let out = run_fresh(&mut engine, &input, &settings, Blocks::Of(100));
                assert_eq!(peak_at(&out[0]), at + latency, "{rate} Hz, low latency {low_latency}, {name}");
                assert!((out[0][at + latency] - 1.0).abs() < 1e-4, "{rate} Hz, {name}: the impulse arrives as {}", out[0][at + latency]);
            }
        }
    }
}

#[test]
fn what_is_dry_nulls_with_the_delayed_input() {
    for rate in RATES {
        for low_latency in [false, true] {
            let mut engine = denoiser(rate, 2);
            let input = noisy_speech(rate, 0.4, 2, 31);
            for (name, settings) in dry(low_latency) {
                let out = run_fresh(&mut engine, &input, &settings, Blocks::Mixed(2));
                let null = null_db(&out, &delayed(&input, engine.latency(&settings)), 0);
                assert!(null < NULL_DB, "{rate} Hz, low latency {low_latency}, {name}: {null:.1} dBFS");
            }
        }
    }
}

/// Bypass is bit for bit the input, not a round trip through a transform.
#[test]
fn bypass_is_exact() {
    let input = noisy_speech(48_000.0, 0.5, 2, 3);
    let mut engine = denoiser(48_000.0, 2);
    let settings = Settings { bypass: true, ..mode(false) };
    let out = run_fresh(&mut engine, &input, &settings, Blocks::Of(64));
    assert_eq!(null_db(&out, &delayed(&input, engine.latency(&settings)), 0), f64::NEG_INFINITY);
}

/// Without models the delayed input passes, so a host hears no gap while they load.
#[test]
fn before_the_models_arrive_the_delayed_input_passes() {
    let input = noisy_speech(48_000.0, 0.5, 2, 4);
    let mut engine = Denoise::new();
    engine.prepare(format(48_000.0, 2)).expect("48 kHz stereo");
    assert!(!engine.is_ready());
    let settings = Settings::default();
    let out = run_fresh(&mut engine, &input, &settings, Blocks::Of(480));
    let null = null_db(&out, &delayed(&input, engine.latency(&settings)), 0);
    assert!(null < NULL_DB, "{null:.1} dBFS");
}

/// The latency follows from format and mode alone: no other setting moves it.
#[test]
fn only_the_mode_changes_the_latency() {
    let engine = denoiser(44_100.0, 1);
    for low_latency in [false, true] {
        let latency = engine.latency(&mode(low_latency));
        for other in [
            Settings { bypass: true, ..mode(low_latency) },
            Settings { amount: 0.2, strength: 1.7, ..mode(low_latency) },
            Settings { listen: Listen::Removed, output: Db(6.0), ..mode(low_latency) },
        ] {
            assert_eq!(engine.latency(&other), latency);
        }
    }
    assert!(engine.latency(&mode(true)) < engine.latency(&mode(false)));
}

/// What is removed and what is kept add up to the delayed input.
#[test]
fn cleaned_and_removed_add_up() {
    for (rate, low_latency) in [(44_100.0, false), (48_000.0, true), (96_000.0, false)] {
        let input = noisy_speech(rate, 1.0, 2, 17);
        let mut engine = denoiser(rate, 2);
        let base = Settings { limit: Db(18.0), ..mode(low_latency) };
        let cleaned = run_fresh(&mut engine, &input, &base, Blocks::Of(256));
        let removed = run_fresh(&mut engine, &input, &Settings { listen: Listen::Removed, ..base }, Blocks::Of(300));
        let sum: Vec<Vec<f32>> = cleaned.iter().zip(&removed).map(|(c, r)| c.iter().zip(r).map(|(c, r)| c + r).collect()).collect();
        let null = null_db(&sum, &delayed(&input, engine.latency(&base)), 0);
        assert!(null < NULL_DB, "{rate} Hz, low latency {low_latency}: {null:.1} dBFS");
        assert!(removed.iter().flatten().any(|x| x.abs() > 1e-4), "something is removed");
    }
}
