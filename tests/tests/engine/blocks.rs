//! The output does not depend on how the signal is cut, at any rate and channel count.

use plainsong_tests::engine::{Blocks, loaded, run_fresh};
use plainsong_tests::measure::same_bits;
use plainsong_tests::subject::{Set, Subject, settings};

/// Sample rates in hertz, from telephone to the highest that hosts offer.
const RATES: [f64; 10] = [8_000.0, 16_000.0, 22_050.0, 32_000.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 176_400.0, 192_000.0];

/// Long enough for 15 frames of speech and noise, the longest block at the lowest rate included.
const SECONDS: f32 = 0.35;

fn matrix<S: Subject>(mode: Set, channels: usize) {
    let settings = settings::<S>(&[S::BUSY, mode]);
    for rate in RATES {
        let mut engine: S = loaded(rate, channels);
        let input = S::sound(rate, SECONDS, channels, 21);
        let whole = run_fresh(&mut engine, &input, &settings, Blocks::Of(input[0].len()));
        assert!(whole.iter().flatten().all(|x| x.is_finite()), "{rate} Hz, {channels} channels: not finite");
        assert!(whole.iter().flatten().any(|&x| x != 0.0), "{rate} Hz, {channels} channels: silent");
        for blocks in Blocks::ALL {
            let cut = run_fresh(&mut engine, &input, &settings, blocks);
            same_bits(&whole, &cut).unwrap_or_else(|e| panic!("{rate} Hz, {channels} channels, {blocks:?}: {e}"));
        }
    }
}

fn mono<S: Subject>() {
    S::MODES.iter().for_each(|(_, mode)| matrix::<S>(mode, 1));
}

fn stereo<S: Subject>() {
    S::MODES.iter().for_each(|(_, mode)| matrix::<S>(mode, 2));
}

fn three_channels<S: Subject>() {
    matrix::<S>(&[], 3);
}

fn six_channels<S: Subject>() {
    matrix::<S>(&[], 6);
}

/// A second pass after a reset, and a second engine, give the same bits: nothing leaks from one
/// signal to the next.
fn reset_forgets_everything<S: Subject>() {
    for (name, mode) in S::MODES {
        let settings = settings::<S>(&[S::BUSY, mode]);
        let mut engine: S = loaded(48_000.0, 2);
        let first = S::sound(48_000.0, 0.6, 2, 5);
        let second = S::sound(48_000.0, 0.6, 2, 6);
        let fresh = run_fresh(&mut engine, &second, &settings, Blocks::Of(512));
        run_fresh(&mut engine, &first, &settings, Blocks::Of(512));
        let again = run_fresh(&mut engine, &second, &settings, Blocks::Of(512));
        same_bits(&fresh, &again).unwrap_or_else(|e| panic!("{name}, after a reset: {e}"));
        let other = run_fresh(&mut loaded::<S>(48_000.0, 2), &second, &settings, Blocks::Of(512));
        same_bits(&fresh, &other).unwrap_or_else(|e| panic!("{name}, another engine: {e}"));
    }
}

/// A channel's output does not depend on its neighbours when each has its own decision.
fn channels_of_their_own_do_not_touch_each_other<S: Subject>() {
    if S::ALWAYS_LINKED {
        return;
    }
    let settings = settings::<S>(&[S::BUSY, S::PER_CHANNEL]);
    let input: Vec<Vec<f32>> = (0..3).flat_map(|channel| S::sound(48_000.0, 0.6, 1, 8 + channel)).collect();
    let together = run_fresh(&mut loaded::<S>(48_000.0, 3), &input, &settings, Blocks::Of(512));
    for (channel, alone) in input.iter().enumerate() {
        let single = run_fresh(&mut loaded::<S>(48_000.0, 1), std::slice::from_ref(alone), &settings, Blocks::Of(512));
        same_bits(&single, &together[channel..=channel]).unwrap_or_else(|e| panic!("channel {channel}: {e}"));
    }
}

plainsong_tests::for_foreign!(mono, stereo, reset_forgets_everything, channels_of_their_own_do_not_touch_each_other);
plainsong_tests::for_engines!(
    mono,
    stereo,
    three_channels,
    six_channels,
    reset_forgets_everything,
    channels_of_their_own_do_not_touch_each_other
);
