//! The output does not depend on how the signal is cut, at any rate and channel count.

use plainsong_tests::audio::noisy_speech;
use plainsong_tests::engine::{Blocks, denoiser, mode, run_fresh};
use plainsong_tests::measure::same_bits;

/// Sample rates in hertz, from telephone to the highest that hosts offer.
const RATES: [f64; 9] = [16_000.0, 22_050.0, 32_000.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 176_400.0, 192_000.0];

/// Long enough for 15 frames of speech and noise, the longest block at the lowest rate included.
const SECONDS: f32 = 0.35;

fn matrix(low_latency: bool, channels: usize) {
    let settings = mode(low_latency);
    for rate in RATES {
        let mut engine = denoiser(rate, channels);
        let input = noisy_speech(rate, SECONDS, channels, 21);
        let whole = run_fresh(&mut engine, &input, &settings, Blocks::Of(input[0].len()));
        assert!(whole.iter().flatten().all(|x| x.is_finite()), "{rate} Hz, {channels} channels: not finite");
        assert!(whole.iter().flatten().any(|&x| x != 0.0), "{rate} Hz, {channels} channels: silent");
        for blocks in Blocks::ALL {
            let cut = run_fresh(&mut engine, &input, &settings, blocks);
            same_bits(&whole, &cut).unwrap_or_else(|e| panic!("{rate} Hz, {channels} channels, {blocks:?}: {e}"));
        }
    }
}

#[test]
fn mono() {
    matrix(false, 1);
}

#[test]
fn stereo() {
    matrix(false, 2);
}

#[test]
fn three_channels() {
    matrix(false, 3);
}

#[test]
fn six_channels() {
    matrix(false, 6);
}

#[test]
fn mono_in_low_latency() {
    matrix(true, 1);
}

#[test]
fn stereo_in_low_latency() {
    matrix(true, 2);
}

/// A second pass after a reset, and a second engine, give the same bits: nothing leaks from one
/// signal to the next.
#[test]
fn reset_forgets_everything() {
    for low_latency in [false, true] {
        let settings = mode(low_latency);
        let mut engine = denoiser(48_000.0, 2);
        let first = noisy_speech(48_000.0, 0.6, 2, 5);
        let second = noisy_speech(48_000.0, 0.6, 2, 6);
        let fresh = run_fresh(&mut engine, &second, &settings, Blocks::Of(512));
        run_fresh(&mut engine, &first, &settings, Blocks::Of(512));
        let again = run_fresh(&mut engine, &second, &settings, Blocks::Of(512));
        same_bits(&fresh, &again).unwrap_or_else(|e| panic!("low latency {low_latency}, after a reset: {e}"));
        let other = run_fresh(&mut denoiser(48_000.0, 2), &second, &settings, Blocks::Of(512));
        same_bits(&fresh, &other).unwrap_or_else(|e| panic!("low latency {low_latency}, another engine: {e}"));
    }
}

/// A channel's output does not depend on its neighbours when each has its own mask.
#[test]
fn channels_of_their_own_do_not_touch_each_other() {
    let settings = dsp_core::engines::denoise::Settings { link: dsp_core::engines::denoise::Link::PerChannel, ..mode(false) };
    let input = noisy_speech(48_000.0, 0.6, 3, 8);
    let together = run_fresh(&mut denoiser(48_000.0, 3), &input, &settings, Blocks::Of(512));
    for (channel, alone) in input.iter().enumerate() {
        let single = run_fresh(&mut denoiser(48_000.0, 1), std::slice::from_ref(alone), &settings, Blocks::Of(512));
        same_bits(&single, &together[channel..=channel]).unwrap_or_else(|e| panic!("channel {channel}: {e}"));
    }
}
