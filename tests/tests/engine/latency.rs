//! The latency reported is the latency there is, and everything dry lines up with it.

use plainsong_tests::audio::{delayed, impulse};
use plainsong_tests::engine::{Blocks, format, loaded, run_fresh};
use plainsong_tests::measure::{null_db, peak_at};
use plainsong_tests::random::Random;
use plainsong_tests::subject::{Set, Subject, random_settings, settings};

const RATES: [f64; 10] = [8_000.0, 16_000.0, 22_050.0, 32_000.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0, 384_000.0];

/// What counts as equal: below the noise of 20 bits.
const NULL_DB: f64 = -120.0;
const BYPASS: Set = &[("bypass", "on")];

/// The settings that must give the delayed input.
fn dry<S: Subject>(mode: Set) -> Vec<(&'static str, S::Settings)> {
    let all = [("bypass", BYPASS)].into_iter().chain(S::DRY.iter().copied());
    all.map(|(name, set)| (name, settings::<S>(&[mode, set]))).collect()
}

fn an_impulse_arrives_when_it_is_said_to<S: Subject>() {
    for rate in RATES {
        for (mode_name, mode) in S::MODES {
            let mut engine: S = loaded(rate, 1);
            let latency = engine.latency(&settings::<S>(&[mode]));
            let at = (0.1 * rate) as usize + 13;
            let input = [impulse(at + 2 * latency + 100, at)];
            for (name, settings) in dry::<S>(mode) {
                let out = run_fresh(&mut engine, &input, &settings, Blocks::Of(100));
                assert_eq!(peak_at(&out[0]), at + latency, "{rate} Hz, {mode_name}, {name}");
                assert!((out[0][at + latency] - 1.0).abs() < 1e-4, "{rate} Hz, {name}: the impulse arrives as {}", out[0][at + latency]);
            }
        }
    }
}

fn what_is_dry_nulls_with_the_delayed_input<S: Subject>() {
    let most = if S::DRY_IS_EXACT { f64::NEG_INFINITY } else { NULL_DB };
    for rate in RATES {
        for (mode_name, mode) in S::MODES {
            let mut engine: S = loaded(rate, 2);
            let input = S::sound(rate, 0.4, 2, 31);
            for (name, settings) in dry::<S>(mode) {
                let out = run_fresh(&mut engine, &input, &settings, Blocks::Mixed(2));
                let null = null_db(&out, &delayed(&input, engine.latency(&settings)), 0);
                assert!(null <= most, "{rate} Hz, {mode_name}, {name}: {null:.1} dBFS");
            }
        }
    }
}

/// Bypass is bit for bit the input, not a round trip through a transform.
fn bypass_is_exact<S: Subject>() {
    let input = S::sound(48_000.0, 0.5, 2, 3);
    let mut engine: S = loaded(48_000.0, 2);
    let settings = settings::<S>(&[S::BUSY, BYPASS]);
    let out = run_fresh(&mut engine, &input, &settings, Blocks::Of(64));
    assert_eq!(null_db(&out, &delayed(&input, engine.latency(&settings)), 0), f64::NEG_INFINITY);
}

/// Without models the delayed input passes, so a host hears no gap while they load.
fn before_the_models_arrive_the_delayed_input_passes<S: Subject>() {
    let input = S::sound(48_000.0, 0.5, 2, 4);
    let mut engine = S::default();
    engine.prepare(format(48_000.0, 2)).expect("48 kHz stereo");
    if engine.is_ready() {
        // An engine without a model never waits for one.
        return;
    }
    let settings = settings::<S>(&[S::BUSY]);
    let out = run_fresh(&mut engine, &input, &settings, Blocks::Of(480));
    let null = null_db(&out, &delayed(&input, engine.latency(&settings)), 0);
    assert!(null < NULL_DB, "{null:.1} dBFS");
}

/// The latency follows from format and mode alone: no other setting moves it.
fn only_the_mode_changes_the_latency<S: Subject>() {
    let mut random = Random::for_test(0x1A7E);
    let engine: S = loaded(44_100.0, 1);
    let mut latencies = Vec::new();
    for (name, mode) in S::MODES {
        let latency = engine.latency(&settings::<S>(&[mode]));
        for _ in 0..200 {
            assert_eq!(engine.latency(&random_settings::<S>(&mut random, mode)), latency, "{name}");
        }
        assert!(!latencies.contains(&latency), "{name} is no mode: its latency is another's");
        latencies.push(latency);
    }
}

/// What is removed and what is kept add up to the delayed input.
fn kept_and_removed_add_up<S: Subject>() {
    if S::REMOVED.is_empty() {
        return;
    }
    for rate in [44_100.0, 48_000.0, 96_000.0] {
        for (name, mode) in S::MODES {
            let input = S::sound(rate, 1.0, 2, 17);
            let mut engine: S = loaded(rate, 2);
            let kept = run_fresh(&mut engine, &input, &settings::<S>(&[S::BUSY, S::UNMOVED, mode]), Blocks::Of(256));
            let removed = run_fresh(&mut engine, &input, &settings::<S>(&[S::BUSY, S::UNMOVED, mode, S::REMOVED]), Blocks::Of(300));
            let sum: Vec<Vec<f32>> = kept.iter().zip(&removed).map(|(c, r)| c.iter().zip(r).map(|(c, r)| c + r).collect()).collect();
            let null = null_db(&sum, &delayed(&input, engine.latency(&settings::<S>(&[mode]))), 0);
            assert!(null < NULL_DB, "{rate} Hz, {name}: {null:.1} dBFS");
            assert!(removed.iter().flatten().any(|x| x.abs() > 1e-4), "{rate} Hz, {name}: nothing is removed");
        }
    }
}

plainsong_tests::for_foreign!(
    an_impulse_arrives_when_it_is_said_to,
    what_is_dry_nulls_with_the_delayed_input,
    bypass_is_exact,
    kept_and_removed_add_up
);
plainsong_tests::for_engines!(
    an_impulse_arrives_when_it_is_said_to,
    what_is_dry_nulls_with_the_delayed_input,
    bypass_is_exact,
    before_the_models_arrive_the_delayed_input_passes,
    only_the_mode_changes_the_latency,
    kept_and_removed_add_up
);
