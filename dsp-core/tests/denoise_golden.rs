//! What the denoiser gives with its built-in models, sample by sample, as it stood when it was recorded.
//!
//! Transforms choose their instructions by processor, so a few units of the last place are allowed.
//! `GOLDEN=write cargo test ...` records anew; `GOLDEN=exact` asks for the same bits on the same machine.

use dsp_core::engines::Engine;
use dsp_core::engines::denoise::{Denoise, Link, Listen, Settings};
use dsp_core::processor::{Format, Processor};
use dsp_core::units::{Db, Hz, Ms};
use std::path::PathBuf;

/// Every so many samples one is kept.
const STEP: usize = 23;
/// Differences of single-precision transforms, with a signal of full scale.
const TOLERANCE: f32 = 2e-6;

/// A harmonic tone that comes and goes, in noise, `[channel][sample]`.
fn signal(rate: f64, channels: usize) -> Vec<Vec<f32>> {
    let mut seed = 11_u32;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..channels)
        .map(|channel| {
            (0..(rate * 0.6) as usize)
                .map(|n| {
                    let t = n as f64 / rate;
                    let on = if (t * 5.0).fract() < 0.6 { 0.3 } else { 0.0 };
                    let tone: f64 = (1..12).map(|k| (std::f64::consts::TAU * 140.0 * f64::from(k) * t).sin() / f64::from(k)).sum();
                    (on * tone) as f32 * (1.0 - 0.3 * channel as f32) + 0.05 * noise()
                })
                .collect()
        })
        .collect()
}

/// Rate, channels and settings of each case.
fn cases() -> Vec<(f64, usize, Settings)> {
    let plain = Settings::default();
    let shaped = Settings { amount: 0.8, strength: 1.4, release: Ms(80.0), limit: Db(24.0), high: 0.5, ..plain };
    vec![
        (48_000.0, 1, plain),
        (48_000.0, 2, Settings { low_latency: true, ..plain }),
        (44_100.0, 2, Settings { link: Link::PerChannel, ..shaped }),
        (96_000.0, 1, Settings { listen: Listen::Removed, ..shaped }),
        (16_000.0, 1, Settings { low_latency: true, output: Db(-3.0), ..shaped }),
    ]
}

#[test]
fn built_in_models_give_what_they_gave() {
    let mut got = Vec::new();
    for (rate, channels, settings) in cases() {
        let mut engine = Denoise::with_builtin_models(Format::new(Hz(rate), channels).unwrap()).unwrap();
        let mut audio = signal(rate, channels);
        let mut block: Vec<&mut [f32]> = audio.iter_mut().map(Vec::as_mut_slice).collect();
        engine.process(&mut block, &settings, &mut ());
        got.extend(audio.iter().flat_map(|channel| channel.iter().step_by(STEP).copied()));
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/denoise.f32");
    let mode = std::env::var("GOLDEN").unwrap_or_default();
    if mode == "write" {
        let bytes: Vec<u8> = got.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(&path, bytes).unwrap();
    }
    let bytes = std::fs::read(&path).unwrap();
    let want: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    assert_eq!(got.len(), want.len());
    let most = if mode == "exact" { 0.0 } else { TOLERANCE };
    for (index, (got, want)) in got.iter().zip(&want).enumerate() {
        assert!((got - want).abs() <= most, "value {index}: {got} {want}");
    }
}
