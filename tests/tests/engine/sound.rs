//! What every engine does to sound, whatever its net has learned.

use dsp_core::params::FromValues;
use dsp_core::params::index_of;
use dsp_core::units::Db;
use plainsong_tests::audio::{delayed, scaled};
use plainsong_tests::engine::{Blocks, loaded, run_fresh};
use plainsong_tests::measure::{level_db, null_db, peak};
use plainsong_tests::subject::{Set, Subject, settings, table};

const RATE: f64 = 48_000.0;

/// Samples of a piece whose level is compared: 100 ms.
const PIECE: usize = 4800;

/// Levels of the pieces of a signal in dBFS.
fn pieces(samples: &[f32]) -> Vec<f64> {
    samples.chunks_exact(PIECE).map(level_db).collect()
}

/// One decision for both channels: in every piece the ratio of their levels stays.
fn linked_channels_keep_the_image<S: Subject>() {
    if S::MOVES_THE_IMAGE {
        return;
    }
    let sound = S::sound(RATE, 3.0, 1, 81);
    let input = vec![sound[0].clone(), sound[0].iter().map(|x| 0.25 * x).collect()];
    let out = run_fresh(&mut loaded::<S>(RATE, 2), &input, &settings::<S>(&[S::BUSY]), Blocks::Of(512));
    for (piece, (left, right)) in pieces(&out[0]).iter().zip(pieces(&out[1])).enumerate() {
        if *left > -80.0 {
            assert!((left - right - 12.04).abs() < 0.05, "piece {piece}: the channels are {:.2} dB apart, not 12.04", left - right);
        }
    }
}

/// A centred mono source is the same on both sides, bit for bit.
fn two_equal_channels_stay_equal<S: Subject>() {
    let sound = S::sound(RATE, 1.0, 1, 82);
    for link in [&[], S::PER_CHANNEL] {
        let input = vec![sound[0].clone(), sound[0].clone()];
        let out = run_fresh(&mut loaded::<S>(RATE, 2), &input, &settings::<S>(&[S::BUSY, link]), Blocks::Of(512));
        assert_eq!(null_db(&out[..1], &out[1..], 0), f64::NEG_INFINITY, "{link:?}");
    }
}

/// The output gain acts on the processed sound, exactly, and not on bypass.
fn output_gain_is_a_gain<S: Subject>() {
    if index_of(table::<S>(), "output").is_err() {
        // A gain behind a limiter would lift its ceiling.
        return;
    }
    let input = S::sound(RATE, 1.0, 1, 91);
    let mut engine: S = loaded(RATE, 1);
    let louder: Set = &[("output", "6")];
    let plain = run_fresh(&mut engine, &input, &settings::<S>(&[S::BUSY]), Blocks::Of(512));
    let loud = run_fresh(&mut engine, &input, &settings::<S>(&[S::BUSY, louder]), Blocks::Of(512));
    // Gains may glide at the start, so the first 200 ms are left out.
    let null = null_db(&scaled(&plain, Db(6.0).to_linear()), &loud, 9600);
    assert!(null < -100.0, "{null:.1} dBFS");
    let settings = settings::<S>(&[S::BUSY, louder, &[("bypass", "on")]]);
    let bypassed = run_fresh(&mut engine, &input, &settings, Blocks::Of(512));
    assert!(null_db(&bypassed, &delayed(&input, engine.latency(&settings)), 9600) < -120.0);
}

/// Parameters that jump from end to end make no clicks: the output has no step that neither end has.
fn switching_makes_no_click<S: Subject>() {
    let tone: Vec<f32> = (0..96_000).map(|i| 0.1 * (std::f32::consts::TAU * 200.0 * i as f32 / RATE as f32).sin()).collect();
    let mut engine: S = loaded(RATE, 1);
    let mode: Vec<&str> = S::MODES.iter().flat_map(|(_, set)| set.iter().map(|(id, _)| *id)).collect();
    let defaults = dsp_core::params::defaults(table::<S>());
    // The latency's modes fade, which is a step of its own kind.
    for param in table::<S>().iter().filter(|param| !mode.contains(&param.id)) {
        let Ok(index) = index_of(table::<S>(), param.id) else { continue };
        let ends = [param.range().0, param.range().1].map(|value| {
            let mut values = defaults.clone();
            // Louder than the tone is a step of the tone's own.
            values[index] = if ["output", "drive", "input", "limiter-drive"].contains(&param.id) { value.min(0.0) } else { value };
            S::Settings::from_values(&values)
        });
        engine.reset();
        let mut out = tone.clone();
        for (index, block) in out.chunks_mut(480).enumerate() {
            engine.process(&mut [block], &ends[(index / 40) % 2], &mut ());
        }
        let step = out.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        // The tone's own steepest step is 0.0026; a click at its crest would be up to 0.1. Gains of parts make both louder.
        let most = 0.01 * (peak(std::slice::from_ref(&out)) / 0.1).max(1.0);
        assert!(step < most, "a step of {step} when {} moves", param.id);
    }
}

plainsong_tests::for_foreign!(
    linked_channels_keep_the_image,
    two_equal_channels_stay_equal,
    output_gain_is_a_gain,
    switching_makes_no_click
);
plainsong_tests::for_engines!(
    linked_channels_keep_the_image,
    two_equal_channels_stay_equal,
    output_gain_is_a_gain,
    switching_makes_no_click
);
