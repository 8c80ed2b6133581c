//! What is particular to the podcast chain: its order, its delay, and that speech comes out right.

use dsp_core::dynamics::compressor::Compressor;
use dsp_core::dynamics::leveller::Leveller;
use dsp_core::dynamics::limiter::TruePeakLimiter;
use dsp_core::engines::Engine;
use dsp_core::engines::deess::Deess;
use dsp_core::engines::denoise::Denoise;
use dsp_core::engines::podcast::{COUNT, Podcast, STAGES, Settings, StageFrame, Tone};
use dsp_core::events;
use dsp_core::filters::Equaliser;
use dsp_core::loudness::Meter;
use dsp_core::params::{self, FromValues};
use dsp_core::processor::{Frame, Observer, Processor};
use dsp_core::units::{Hz, Ms};
use plainsong_tests::audio::{delayed, music, noisy_speech, scaled};
use plainsong_tests::engine::{Blocks, format, loaded, run_fresh, run_observed};
use plainsong_tests::measure::{null_db, same_bits};

const RATE: f64 = 48_000.0;
/// Samples of a hop of 10 ms.
const HOP: usize = 480;

/// Look-ahead of the chain's limiter, written down a second time.
const AHEAD: Ms = Ms(1.05);

/// The order that the chain promises, written down a second time: a swap of two lines in the declaration must
/// not pass.
const ORDER: [&str; COUNT] = ["high-pass", "denoise", "deess", "leveller", "compressor", "tone", "limiter"];

fn with(changes: &[(&str, f32)]) -> Settings {
    let mut values = params::defaults(Settings::PARAMS);
    for (id, value) in changes {
        values[params::index_of(Settings::PARAMS, id).unwrap_or_else(|e| panic!("{e}"))] = *value;
    }
    Settings::from_values(&values)
}

/// Keeps what the stages said.
#[derive(Default)]
struct Said(Vec<StageFrame>);

impl Observer for Said {
    fn frame(&mut self, _: &Frame<'_>) {}

    fn podcast(&mut self, frame: &StageFrame) {
        self.0.push(*frame);
    }
}

/// The denoiser's spectrum of the last hop.
#[derive(Default)]
struct Spectrum(Vec<f32>, Vec<f32>, f32);

impl Observer for Spectrum {
    fn frame(&mut self, frame: &Frame<'_>) {
        *self = Self(frame.input_power.to_vec(), frame.gain.to_vec(), frame.bin_hz);
    }
}

/// The chain put together by hand from its parts, in any order and with any of them: slow, without switches,
/// shares or mixing. `heard` is what the listener said of each hop.
fn by_hand(input: &[f32], order: &[&str], settings: &Settings, heard: &[events::Frame]) -> Vec<f32> {
    let format = format(RATE, 1);
    let mut high_pass = Equaliser::new();
    high_pass.prepare(format).unwrap();
    let (mut denoise, mut deess): (Denoise, Deess) = (loaded(RATE, 1), loaded(RATE, 1));
    let (mut leveller, mut compressor, mut tone) = (Leveller::new(format, HOP), Compressor::new(format), Tone::new(format).unwrap());
    let mut limiter = TruePeakLimiter::with_longest(format, AHEAD);
    let mut spectrum = Spectrum::default();
    let mut out = input.to_vec();
    for (hop, block) in out.chunks_exact_mut(HOP).enumerate() {
        for stage in order {
            match *stage {
                "high-pass" => high_pass.process(&mut [block], &settings.high_pass, &mut ()),
                "denoise" => denoise.process(&mut [block], &settings.denoise, &mut spectrum),
                "deess" => deess.process(&mut [block], &settings.deess, &mut ()),
                "leveller" => leveller.process(&mut [block], 0..HOP, &mut [0.0; HOP]),
                "compressor" => compressor.process(&mut [block], 0..HOP, &settings.compressor),
                "tone" => tone.process(&mut [block]),
                _ => limiter.process(&mut [block], &settings.limit),
            }
        }
        leveller.hop(heard[hop].speech, false, &settings.leveller);
        let Spectrum(power, gain, bin_hz) = &spectrum;
        tone.hop(|bin| power[bin] * gain[bin] * gain[bin], power.len(), *bin_hz, heard[hop].speech > 0.7, &settings.tone);
    }
    out
}

/// Busy enough that every stage has something to do.
fn busy() -> Settings {
    with(&[
        ("high-pass-corner", 150.0),
        ("deess-amount", 200.0),
        ("leveller-target", -14.0),
        ("compressor-amount", 100.0),
        ("tone-amount", 100.0),
        ("tone-bright", 4.0),
        ("limiter-ceiling", -9.0),
        ("keep-music", 0.0),
    ])
}

fn run_said(input: &[f32], settings: &Settings) -> (Vec<f32>, Vec<StageFrame>) {
    let mut engine: Podcast = loaded(RATE, 1);
    let mut said = Said::default();
    let mut out = run_observed(&mut engine, &[input.to_vec()], settings, Blocks::Of(HOP), &mut said);
    (out.swap_remove(0), said.0)
}

/// The chain is its parts in the promised order, bit for bit, and no two neighbours could change places
/// unheard.
#[test]
fn the_order_is_the_promised_one_and_a_swap_is_heard() {
    assert_eq!(STAGES.map(|stage| stage.id), ORDER);
    let input = noisy_speech(RATE, 8.0, 1, 11).swap_remove(0);
    let settings = busy();
    let (out, said) = run_said(&input, &settings);
    let heard: Vec<events::Frame> = said.iter().map(|frame| frame.heard).collect();
    let expected = by_hand(&input, &ORDER, &settings, &heard);
    same_bits(std::slice::from_ref(&expected), std::slice::from_ref(&out)).unwrap_or_else(|e| panic!("the chain is not its parts: {e}"));
    for first in 0..COUNT - 1 {
        let mut swapped = ORDER;
        swapped.swap(first, first + 1);
        let other = by_hand(&input, &swapped, &settings, &heard);
        let difference = null_db(&[other], std::slice::from_ref(&out), 0);
        println!("{} before {}: {difference:.1} dBFS apart", swapped[first], swapped[first + 1]);
        assert!(difference > -70.0, "{} and {} could change places unheard: {difference:.1} dBFS", ORDER[first], ORDER[first + 1]);
    }
}

/// Each stage alone is itself, later by the delays of the others: what is off adds nothing but its delay.
#[test]
fn a_stage_alone_is_itself_and_the_others_are_delays() {
    let input = noisy_speech(RATE, 4.0, 1, 12).swap_remove(0);
    let whole = loaded::<Podcast>(RATE, 1).latency(&Settings::default());
    // The tone follows the denoiser's spectrum, which by hand is not there without it.
    for (index, id) in ORDER.iter().enumerate().filter(|(_, id)| **id != "tone") {
        let mut settings = busy();
        settings.on = std::array::from_fn(|stage| stage == index);
        let (out, said) = run_said(&input, &settings);
        // What comes before it delays its input, and so do the hops of the listener; only stages that do not
        // work hop by hop can be compared at another place.
        let before: usize = ORDER[..index].iter().map(|id| delay(id)).sum();
        let heard: Vec<events::Frame> = said.iter().map(|frame| frame.heard).collect();
        let mut later = vec![0.0; before];
        later.extend_from_slice(&input[..input.len() - before]);
        let mut expected = by_hand(&later, &[id], &settings, &heard);
        let behind = whole - before - delay(id);
        expected.splice(0..0, vec![0.0; behind]);
        expected.truncate(input.len());
        same_bits(&[expected], &[out]).unwrap_or_else(|e| panic!("{id} alone: {e}"));
    }
}

/// Delay of a stage alone in samples at 48 kHz.
fn delay(id: &str) -> usize {
    match id {
        "denoise" => loaded::<Denoise>(RATE, 1).latency(&Default::default()),
        "deess" => loaded::<Deess>(RATE, 1).latency(&Default::default()),
        "limiter" => TruePeakLimiter::with_longest(format(RATE, 1), AHEAD).latency(),
        _ => 0,
    }
}

#[test]
fn the_delay_is_under_thirty_milliseconds_and_never_over_forty() {
    for (rate, most) in [(8_000.0, 40.0), (16_000.0, 34.0), (32_000.0, 31.0), (44_100.0, 30.0), (48_000.0, 30.0), (96_000.0, 29.0)] {
        let mut engine = Podcast::default();
        engine.prepare(format(rate, 1)).unwrap();
        let ms = engine.latency(&Settings::default()) as f64 / rate * 1_000.0;
        println!("{rate} Hz: {ms:.2} ms");
        assert!(ms <= most, "{rate} Hz: {ms:.2} ms");
    }
}

/// Loudness of a signal, LUFS.
fn integrated(samples: &[f32]) -> f64 {
    let mut meter = Meter::new(format(RATE, 1)).unwrap();
    meter.process(&[samples]);
    meter.reading().integrated.expect("sound")
}

/// Quiet and loud recordings come near the target, and peaks stay under the ceiling. The generated voice has
/// higher crests than voices have, which compressor and limiter take; real ones are measured by
/// `training.podcast.measure`.
#[test]
fn speech_comes_near_the_target_under_the_ceiling() {
    let voice = noisy_speech(RATE, 12.0, 1, 21);
    for gain in [0.3, 0.6, 1.0, 3.0] {
        let input = scaled(&voice, gain);
        let out = run_fresh(&mut loaded::<Podcast>(RATE, 1), &input, &Settings::default(), Blocks::Of(512)).swap_remove(0);
        let mut meter = Meter::new(format(RATE, 1)).unwrap();
        meter.process(&[&out]);
        let (lufs, peak) = (integrated(&out[4 * 48_000..]), meter.reading().true_peak.expect("sound"));
        println!("{:.1} LUFS in: {lufs:.1} LUFS, {peak:.2} dBTP out", integrated(&input[0]));
        assert!((lufs + 16.0).abs() < 3.0, "{lufs:.1} LUFS");
        assert!(peak < -0.9, "{peak:.2} dBTP");
    }
}

/// What a stage is said to do is what it does: the meters' gains add up to the change of level.
#[test]
fn the_meters_tell_what_the_stages_do() {
    let input = noisy_speech(RATE, 6.0, 1, 31).swap_remove(0);
    let mut settings = with(&[("leveller-gain", 12.0)]);
    settings.on = [false, false, false, true, false, false, false];
    let (out, said) = run_said(&input, &settings);
    let latency = loaded::<Podcast>(RATE, 1).latency(&settings);
    let mut last = 0.0;
    for (hop, frame) in said.iter().enumerate() {
        let gains: Vec<f32> = frame.gain_db.iter().enumerate().filter(|(index, _)| *index != 3).map(|(_, gain)| *gain).collect();
        assert!(gains.iter().all(|gain| gain.abs() < 1e-3), "hop {hop}: a stage that is off says {gains:?}");
        assert!(frame.gain_db.iter().chain(&frame.tone_db).all(|gain| gain.is_finite()));
        last = frame.gain_db[3];
    }
    let at = out.len() - 20 * HOP;
    let power = |samples: &[f32]| samples.iter().map(|x| f64::from(x * x)).sum::<f64>();
    let change = 10.0 * (power(&out[at..]) / power(&input[at - latency..input.len() - latency])).log10();
    assert!((change - f64::from(last)).abs() < 1.0 && last.abs() > 1.0, "{change:.1} dB, said {last:.1}");
}

/// Distance of two signals in dB: the power of the first over that of their difference.
fn sdr(wanted: &[f32], got: &[f32]) -> f64 {
    let error: f64 = wanted.iter().zip(got).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    10.0 * (wanted.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>() / error.max(1e-20)).log10()
}

/// Music alone passes as it came; with *keep music* at nothing it does not, so the test can fail.
#[test]
fn music_passes_undamaged() {
    for seed in 1..4 {
        let song = vec![music(RATE, 12.0, seed)];
        let latency = loaded::<Podcast>(RATE, 1).latency(&Settings::default());
        let wanted = delayed(&song, latency);
        let run = |settings: &Settings| run_fresh(&mut loaded::<Podcast>(RATE, 1), &song, settings, Blocks::Of(512)).swap_remove(0);
        let (kept, treated) = (run(&Settings::default()), run(&with(&[("keep-music", 0.0)])));
        let (kept, treated) = (sdr(&wanted[0], &kept), sdr(&wanted[0], &treated));
        println!("song {seed}: {kept:.1} dB, treated as speech {treated:.1} dB");
        assert!(kept >= 20.0 && treated < 15.0, "song {seed}: {kept:.1} dB, treated as speech {treated:.1} dB");
    }
}

/// No rate, no channel count is refused, and models that come late do not jump.
#[test]
fn models_that_come_while_sound_plays_are_faded_in() {
    let mut engine = Podcast::default();
    engine.prepare(format(RATE, 1)).unwrap();
    let tone: Vec<f32> = (0..48_000).map(|n| 0.1 * (n as f32 * 0.05).sin()).collect();
    let mut out = tone.clone();
    let (dry, wet) = out.split_at_mut(24_000);
    engine.process(&mut [dry], &Settings::default(), &mut ());
    assert!(!engine.is_ready());
    let models = Podcast::load(format(RATE, 1)).unwrap();
    assert!(engine.install(models).is_none() && engine.is_ready());
    engine.process(&mut [wet], &Settings::default(), &mut ());
    let latency = engine.latency(&Settings::default());
    assert!(out[latency..24_000].iter().zip(&tone).all(|(out, input)| out.to_bits() == input.to_bits()));
    assert!(out[24_000..28_000].windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.02), "a click");
    // Others in their place: the old ones come back whole, to be dropped elsewhere.
    let old = engine.install(Podcast::load(format(RATE, 1)).unwrap());
    assert!(old.is_some());
    let few = Podcast::load(format(RATE, 1)).unwrap();
    let mut wide = Podcast::default();
    wide.prepare(dsp_core::processor::Format::new(Hz(RATE), 2).unwrap()).unwrap();
    assert!(wide.install(few).is_some() && !wide.is_ready(), "models for fewer channels are given back");
}
