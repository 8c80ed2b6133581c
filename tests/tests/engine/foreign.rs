//! Other people's models in the denoiser: what their authors' programs give, at any rate, and changed while
//! sound plays. Where `../shared/models` is absent, nothing is tested, and the tests say so.

use dsp_core::engines::Engine;
use dsp_core::engines::denoise::{Denoise, Models, Settings};
use dsp_core::model::Manifest;
use dsp_core::processor::Processor;
use plainsong_tests::audio::{delayed, noisy_speech};
use plainsong_tests::engine::{Blocks, denoiser, format, loaded, run, run_fresh};
use plainsong_tests::foreign::{DeepFilterNet3, Dtln, Foreign, Gtcrn, UlUnas, Which, is_there, package};
use plainsong_tests::measure::null_db;
use plainsong_tests::random::Random;
use std::f64::consts::TAU;
use std::path::PathBuf;

/// Least SI-SDR of our output against the authors', in dB.
const LEAST_SI_SDR: f64 = 35.0;

/// An input and what the authors' program makes of it (training/evaluate/parity.py, `--vectors`).
fn vectors(id: &str) -> [Vec<f32>; 2] {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("parity").join(id).with_extension("i16");
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let values: Vec<f32> = bytes.as_chunks::<2>().0.iter().map(|b| f32::from(i16::from_le_bytes(*b)) / 32_768.0).collect();
    let (input, output) = values.split_at(values.len() / 2);
    [input.to_vec(), output.to_vec()]
}

/// Scale-invariant signal-to-distortion ratio in dB.
fn si_sdr(wanted: &[f32], got: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let scale = dot(wanted, got) / dot(wanted, wanted);
    let error: f64 = wanted.iter().zip(got).map(|(&w, &g)| (f64::from(g) - scale * f64::from(w)).powi(2)).sum();
    10.0 * (scale * scale * dot(wanted, wanted) / error).log10()
}

fn equals_its_authors_program<W: Which>() {
    if !is_there::<W>() {
        return;
    }
    let [input, wanted] = vectors(W::ID);
    let rate = package(W::ID).and_then(|package| package.manifest.frame).map_or(0.0, |frame| f64::from(frame.rate));
    let mut engine: Foreign<W> = loaded(rate, 1);
    let latency = engine.latency(&Settings::default());
    let mut longer = input.clone();
    longer.resize(input.len() + latency, 0.0);
    let out = run_fresh(&mut engine, &[longer], &Settings::default(), Blocks::Of(480)).swap_remove(0);
    let found = si_sdr(&wanted, &out[latency..]);
    println!("{}: {found:.1} dB", W::ID);
    assert!(found >= LEAST_SI_SDR, "{}: {found:.1} dB", W::ID);
    for shift in [-1_isize, 1] {
        let other = si_sdr(&wanted[1..wanted.len() - 1], &out[latency.wrapping_add_signed(shift) + 1..][..wanted.len() - 2]);
        assert!(other < found, "{}: {other:.1} dB when shifted by {shift}, {found:.1} dB as it is", W::ID);
    }
}

#[test]
fn gtcrn_equals_its_authors_program() {
    equals_its_authors_program::<Gtcrn>();
}

#[test]
fn ul_unas_equals_its_authors_program() {
    equals_its_authors_program::<UlUnas>();
}

#[test]
fn dtln_equals_its_authors_program() {
    equals_its_authors_program::<Dtln>();
}

#[test]
fn deepfilternet3_equals_its_authors_program() {
    equals_its_authors_program::<DeepFilterNet3>();
}

/// At odd rates, far ones too, each model loads, and the output is finite and late by what is reported.
fn any_rate_works<W: Which>() {
    if !is_there::<W>() {
        return;
    }
    for rate in [1_000.0, 4_321.0, 11_025.0, 37_800.0, 44_056.0, 768_000.0] {
        let mut engine: Foreign<W> = loaded(rate, 2);
        let input = noisy_speech(rate, 0.5, 2, 3);
        let out = run_fresh(&mut engine, &input, &Settings::default(), Blocks::Of(512));
        assert!(out.iter().flatten().all(|x| x.is_finite()), "{}, {rate} Hz", W::ID);
        let dry = Settings { amount: 0.0, ..Settings::default() };
        let out = run_fresh(&mut engine, &input, &dry, Blocks::Of(512));
        let null = null_db(&out, &delayed(&input, engine.latency(&dry)), 0);
        assert!(null < -115.0, "{}, {rate} Hz: {null:.1} dBFS", W::ID);
    }
}

#[test]
fn small_models_work_at_any_rate() {
    any_rate_works::<Gtcrn>();
}

#[test]
fn models_with_a_rate_of_their_own_work_at_any_rate() {
    any_rate_works::<Dtln>();
}

#[test]
fn models_of_sequences_work_at_any_rate() {
    any_rate_works::<DeepFilterNet3>();
}

/// A spectral model of 16 kHz takes noise away at every rate.
#[test]
fn the_rate_does_not_change_that_noise_goes() {
    if !is_there::<Gtcrn>() {
        return;
    }
    let level = |samples: &[f32]| plainsong_tests::measure::level_db(samples);
    let mut found = Vec::new();
    for rate in [16_000.0, 22_050.0, 44_100.0, 48_000.0, 96_000.0] {
        let mut engine: Foreign<Gtcrn> = loaded(rate, 1);
        // Next to nothing above 5 kHz, so that all rates hold the same sound.
        let noise = vec![plainsong_tests::audio::fan(rate, (2.0 * rate) as usize, 0.05, 4)];
        let out = run_fresh(&mut engine, &noise, &Settings::default(), Blocks::Of(512));
        let from = (rate * 1.0) as usize;
        found.push(level(&out[0][from..]) - level(&noise[0][from..]));
    }
    // A fan is all noise: tens of dB go everywhere, and a few more or less of what is left mean nothing.
    assert!(found.iter().all(|db| (-55.0..-25.0).contains(db)), "{found:.1?}");
}

/// A voice's partials in dense noise, both made of sines, so that every rate samples the same sound; nothing from
/// `top` hertz on.
fn sines(rate: f64, seconds: f64, top: f64) -> Vec<f32> {
    let mut random = Random::new(0x51_6E_65_73);
    let noise: Vec<[f64; 2]> =
        (0..1_200).map(|n| [40.0 + 16.0 * f64::from(n) + 16.0 * f64::from(random.unit()), TAU * f64::from(random.unit())]).collect();
    let voice: Vec<[f64; 2]> = (1..=48).map(|k| [145.0 * f64::from(k), TAU * f64::from(random.unit())]).collect();
    let mut out = vec![0.0_f64; (seconds * rate) as usize];
    let mut add = |hz: f64, phase: f64, level: &dyn Fn(f64) -> f64| {
        if hz < top {
            let step = hz / rate;
            out.iter_mut().enumerate().for_each(|(n, sum)| {
                *sum += level(n as f64 / rate) * (TAU * (step * n as f64).fract() + phase).sin();
            });
        }
    };
    noise.iter().for_each(|[hz, phase]| add(*hz, *phase, &|_| 0.001));
    for (k, [hz, phase]) in voice.iter().enumerate() {
        add(*hz, *phase, &|at| 0.12 / (k + 1) as f64 * (0.5 - 0.5 * (TAU * 2.5 * at).cos()));
    }
    out.iter().map(|&sample| sample as f32).collect()
}

/// What a model makes of a sound at a rate, its latency taken off.
fn cleaned<W: Which>(rate: f64, input: &[f32]) -> Vec<f32> {
    let mut engine: Foreign<W> = loaded(rate, 1);
    let latency = engine.latency(&Settings::default());
    let mut longer = input.to_vec();
    longer.resize(input.len() + latency, 0.0);
    run_fresh(&mut engine, &[longer], &Settings::default(), Blocks::Of(480)).swap_remove(0).split_off(latency)
}

/// Levels in dB of 24 bands from 100 Hz to 7 kHz in frames of 40 ms after the first half second, `[frame][band]`.
fn levels(rate: f64, sound: &[f32]) -> Vec<Vec<f64>> {
    const STEP_HZ: f64 = 25.0;
    let length = (0.04 * rate).round() as usize;
    let window: Vec<f64> = (0..length).map(|n| 0.5 - 0.5 * (TAU * n as f64 / length as f64).cos()).collect();
    let power = |frame: &[f32], hz: f64| {
        let turn = |n: usize| TAU * (hz * n as f64 / rate).fract();
        let (mut re, mut im) = (0.0, 0.0);
        for (n, (sample, weight)) in frame.iter().zip(&window).enumerate() {
            re += f64::from(*sample) * weight * turn(n).cos();
            im += f64::from(*sample) * weight * turn(n).sin();
        }
        (re * re + im * im) / (length * length) as f64
    };
    let starts = (0..).map(|frame| ((0.5 + 0.08 * f64::from(frame)) * rate) as usize).take_while(|at| at + length <= sound.len());
    let edges: Vec<usize> = (0..=24).map(|band| (4.0 * 70_f64.powf(f64::from(band) / 24.0)).round() as usize).collect();
    let frame = |at: usize| {
        let band = |pair: &[usize]| {
            let bins = pair[0]..pair[1].max(pair[0] + 1);
            10.0 * (1e-12 + bins.map(|bin| power(&sound[at..at + length], STEP_HZ * bin as f64)).sum::<f64>()).log10()
        };
        edges.windows(2).map(band).collect()
    };
    starts.map(frame).collect()
}

/// A model of 16 kHz does at other rates what it does at its own. UL-UNAS reads the logarithm of each bin, so what a
/// resampler leaves of the last half kilohertz under 8 kHz decides; here the sound has no resampler behind it.
fn the_rate_changes_nothing<W: Which>(nulls: bool, most: f64) {
    if !is_there::<W>() {
        return;
    }
    const OWN: f64 = 16_000.0;
    const SECONDS: f64 = 2.0;
    let own = cleaned::<W>(OWN, &sines(OWN, SECONDS, 7_990.0));
    let wanted = levels(OWN, &own);
    let before = levels(OWN, &sines(OWN, SECONDS, 7_990.0));
    let mean = |a: &[Vec<f64>], b: &[Vec<f64>]| {
        let all: Vec<f64> = a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    let moved = mean(&before, &wanted);
    for rate in [44_100.0, 48_000.0, 96_000.0] {
        // With and without sound above the model's band.
        for top in [7_990.0, 0.49 * rate] {
            let out = cleaned::<W>(rate, &sines(rate, SECONDS, top));
            let apart = mean(&levels(rate, &out), &wanted);
            println!("{}, {rate} Hz, sound up to {top} Hz: {apart:.2} dB apart, moved by {moved:.1} dB", W::ID);
            assert!(moved > 6.0 && apart < most * moved, "{}, {rate} Hz, up to {top} Hz: {apart:.2} dB apart of {moved:.1}", W::ID);
            let times = (rate / OWN) as usize;
            if nulls && rate == OWN * times as f64 && top < OWN / 2.0 {
                let kept: Vec<f32> = out.iter().step_by(times).copied().collect();
                let found = si_sdr(&own, &kept[..own.len()]);
                println!("{}, {rate} Hz against {OWN} Hz: {found:.1} dB", W::ID);
                assert!(found > 30.0, "{}, {rate} Hz: {found:.1} dB", W::ID);
            }
        }
    }
}

#[test]
fn gtcrn_is_the_same_at_every_rate() {
    the_rate_changes_nothing::<Gtcrn>(true, 0.05);
}

#[test]
fn ul_unas_is_the_same_at_every_rate() {
    the_rate_changes_nothing::<UlUnas>(true, 0.1);
}

/// It hears what its resamplers leave, which ends below 8 kHz: there is no null, and levels are as near as that lets them.
#[test]
fn dtln_is_the_same_at_every_rate() {
    the_rate_changes_nothing::<Dtln>(false, 0.25);
}

/// Models that come while sound plays: no click, no silence for longer than the switch takes, the latency
/// at once that of the new ones, and the old ones come back.
#[test]
fn models_change_while_sound_plays() {
    if !is_there::<DeepFilterNet3>() || !is_there::<Gtcrn>() {
        return;
    }
    const RATE: f64 = 48_000.0;
    let format = format(RATE, 1);
    let foreign = |id: &str| Denoise::load_package(format, &package(id).unwrap()).unwrap();
    let own = || Denoise::load(format).unwrap();
    let dry = Settings { amount: 0.0, ..Settings::default() };
    let mut engine = denoiser(RATE, 1);
    let tone = |from: usize, length: usize| -> Vec<f32> {
        (from..from + length).map(|n| 0.1 * (std::f32::consts::TAU * 200.0 * (n % 240) as f32 / 48_000.0).sin()).collect()
    };
    let mut at = 0;
    let mut all = Vec::new();
    let mut play = |engine: &mut Denoise, length: usize| -> Vec<f32> {
        let out = run(engine, &[tone(at, length)], &dry, Blocks::Of(64)).swap_remove(0);
        at += length;
        out
    };
    all.extend(play(&mut engine, 9_600));
    let arrivals: [Box<Models>; 5] = [foreign("deepfilternet3"), foreign("gtcrn"), own(), own(), foreign("gtcrn")];
    for (number, models) in arrivals.into_iter().enumerate() {
        let latency = models.latency(false);
        let early = engine.install(models);
        assert_eq!(engine.latency(&dry), latency, "models {number}");
        let out = play(&mut engine, 9_600);
        // Between two of the engine's own paths there is nothing to fade; all others retire later.
        assert_eq!(early.is_some(), number == 3, "models {number}");
        assert_eq!(engine.retired().is_some(), number != 3, "models {number}");
        let newest = at_after(&out, latency);
        assert!(newest < 1e-4, "models {number}: {newest} apart from the delayed input");
        all.extend(out);
    }
    let step = all[4_800..].windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
    assert!(step < 0.01, "a step of {step}");
    // A second set in the middle of a switch takes the place of the first.
    assert!(engine.install(foreign("deepfilternet3")).is_none());
    play(&mut engine, 300);
    assert!(engine.install(foreign("gtcrn")).is_some());
    let out = play(&mut engine, 9_600);
    assert!(engine.retired().is_some());
    let step = out.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
    assert!(step < 0.01, "a step of {step} after a second change");
    // A reset in the middle of a switch finishes it.
    assert!(engine.install(own()).is_none());
    play(&mut engine, 100);
    engine.reset();
    assert!(engine.retired().is_some());

    /// Largest distance of the last 1000 samples from the tone, which repeats every 240.
    fn at_after(out: &[f32], latency: usize) -> f32 {
        let length = out.len();
        (length - 1_000..length)
            .map(|n| {
                let wanted = 0.1 * (std::f32::consts::TAU * 200.0 * ((n + 240_000 - latency) % 240) as f32 / 48_000.0).sin();
                (out[n] - wanted).abs()
            })
            .fold(0.0, f32::max)
    }
}

/// What a manifest asks for and an engine cannot give is refused with the reason.
#[test]
fn a_manifest_that_does_not_fit_is_refused() {
    let Some(good) = package("gtcrn") else { return };
    let text = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/catalogue/gtcrn/manifest.toml")).unwrap();
    let load = |text: &str| {
        let manifest = Manifest::parse(text)?;
        Denoise::load_package(format(48_000.0, 1), &dsp_core::model::Package { manifest, ..good.clone() }).map(|_| ())
    };
    assert!(load(&text).is_ok());
    for (from, to, word) in [
        ("task = \"denoise\"", "task = \"deess\"", "deess"),
        ("window = 512", "window = 510", "510"),
        ("hop = 256", "hop = 0", "hop"),
        ("rate = 16000", "rate = 1", "rate"),
        ("rate = 16000\n", "", "rate"),
        ("[frame]\nwindow = 512\nhop = 256", "[frame]\nwindow = 256\nhop = 128", "mix"),
        ("holds = \"spectrum\"\n\n[[outputs]]", "holds = \"mask\"\n\n[[outputs]]", "mix"),
        ("holds = \"spectrum\"\n\n[[states]]", "holds = \"link\"\n\n[[states]]", "output"),
        ("holds = \"spectrum\"\n\n[[states]]", "\n[[states]]", "output"),
        ("analysis = \"sqrt-hann\"", "analysis = \"triangle\"", "triangle"),
        ("file = \"gtcrn_simple.onnx\"", "file = \"../gtcrn_simple.onnx\"", "plain name"),
        ("sha256 = \"b", "sha256 = \"c", "hash"),
        ("output = \"tra_cache_out\"", "output = \"tra_cache_in\"", "tra_cache"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = load(&text.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(error.contains(word), "{to}: {error}");
    }
}
