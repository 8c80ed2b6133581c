//! What the de-esser does to sound, and what it leaves alone.

use dsp_core::detection::{Detection, Event, Events, Sound};
use dsp_core::engines::deess::{Deess, Listen, Mode, Settings};
use dsp_core::processor::{Frame, Observer, Processor};
use dsp_core::units::Db;
use plainsong_tests::audio::{delayed, drums, scaled, sharp_speech, sibilant_times, soft_speech, white};
use plainsong_tests::engine::{Blocks, loaded, run, run_observed};
use plainsong_tests::measure::{null_db, same_bits};
use std::f32::consts::TAU;

const RATE: f64 = 48_000.0;
/// Least reduction that counts as one, in dB.
const TOUCHED: f32 = 1.0;

/// What the engine told.
#[derive(Default)]
struct Heard {
    frames: Vec<Detection>,
    seconds: f64,
    joined: Events,
    events: Vec<Event>,
    gains: Vec<f32>,
}

impl Observer for Heard {
    fn frame(&mut self, frame: &Frame<'_>) {
        let detection = *frame.detection.expect("a de-esser tells what it heard");
        self.seconds = f64::from(frame.seconds);
        self.events.extend(self.joined.frame(&detection, self.seconds));
        self.gains.push(frame.gain.iter().copied().fold(f32::INFINITY, f32::min));
        self.frames.push(detection);
    }
}

impl Heard {
    /// Largest reduction of any frame in dB.
    fn largest(&self) -> f32 {
        self.frames.iter().map(|frame| frame.reduction().0).fold(0.0, f32::max)
    }

    /// How often the reduction comes or goes.
    fn changes(&self) -> usize {
        let touched: Vec<bool> = self.frames.iter().map(|frame| frame.reduction().0 >= TOUCHED).collect();
        touched.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }
}

fn hear(rate: f64, input: &[Vec<f32>], settings: &Settings) -> (Vec<Vec<f32>>, Heard) {
    let mut heard = Heard::default();
    let mut engine: Deess = loaded(rate, input.len());
    let out = run_observed(&mut engine, input, settings, Blocks::Of(512), &mut heard);
    (out, heard)
}

/// Sibilants that are much too strong are heard where they are and taken down, those that are not are
/// left.
#[test]
fn sharp_sibilants_are_taken_down_and_soft_ones_left() {
    let settings = Settings::default();
    let taken = |input: &[Vec<f32>]| {
        let (_, heard) = hear(RATE, input, &settings);
        let inside = |from: f32, to: f32| {
            let frame = |time: f32| (f64::from(time) / heard.seconds) as usize;
            let frames = &heard.frames[frame(from + 0.02)..frame(to - 0.02)];
            let mean = frames.iter().map(|frame| frame.reduction().0).sum::<f32>() / frames.len() as f32;
            let sibilant = frames.iter().filter(|frame| [Sound::S, Sound::Sh].contains(&frame.sound())).count();
            (mean, sibilant as f32 / frames.len() as f32)
        };
        // The first two seconds are for learning the voice.
        sibilant_times(8.0).filter(|(from, to)| *from > 2.0 && *to < 7.9).map(|(from, to)| inside(from, to)).collect::<Vec<_>>()
    };
    let (sharp, soft) = (taken(&sharp_speech(RATE, 8.0, 1, 3)), taken(&soft_speech(RATE, 8.0, 1, 3)));
    let mean = |of: &[(f32, f32)]| of.iter().map(|(reduction, _)| reduction).sum::<f32>() / of.len() as f32;
    let heard = |of: &[(f32, f32)]| of.iter().filter(|(_, share)| *share > 0.6).count() as f32 / of.len() as f32;
    // How much exactly is measured on real and synthetic speech by the protocol; this voice is cruder.
    assert!(heard(&sharp) >= 0.7 && heard(&soft) >= 0.7, "{sharp:.1?} {soft:.1?}");
    assert!(mean(&sharp) > 2.0 && mean(&soft) < 0.1 * mean(&sharp), "sharp {sharp:.1?}, soft {soft:.1?}");
}

/// Sound in which there is no sibilant is left alone, in the mode that is made for it, and nothing
/// chatters.
#[test]
fn what_has_no_sibilants_is_left_alone() {
    let length = (6.0 * RATE) as usize;
    let tone = |hz: f32| -> Vec<f32> { (0..length).map(|n| 0.3 * (TAU * hz * n as f32 / RATE as f32).sin()).collect() };
    let clipped: Vec<f32> = tone(180.0).iter().map(|x| (x * 20.0).clamp(-0.5, 0.5)).collect();
    let inputs = [
        ("silence", Mode::Voice, vec![0.0; length]),
        ("a tone of 1 kHz", Mode::Voice, tone(1_000.0)),
        ("a tone of 6 kHz", Mode::Voice, tone(6_000.0)),
        ("a clipped vowel", Mode::Voice, clipped),
        ("steady white noise", Mode::Voice, white(length, 0.1, 5)),
        ("drums", Mode::Mix, drums(RATE, 6.0, 9)),
    ];
    for (name, mode, input) in inputs {
        let (_, heard) = hear(RATE, &[input], &Settings { mode, ..Settings::default() });
        // The first half second is for learning what there is.
        let late = Heard { frames: heard.frames[100..].to_vec(), ..Heard::default() };
        assert!(late.largest() <= TOUCHED, "{name}: {:.1} dB off", late.largest());
        assert_eq!(late.changes(), 0, "{name}: it chatters");
    }
}

/// Clipped speech has sharp edges everywhere: no chatter, and what is no sibilant stays.
#[test]
fn clipped_speech_does_not_chatter() {
    let clipped: Vec<f32> = sharp_speech(RATE, 6.0, 1, 11)[0].iter().map(|x| (x * 8.0).clamp(-0.7, 0.7)).collect();
    let (_, heard) = hear(RATE, &[clipped], &Settings::default());
    assert!(heard.frames.iter().all(|frame| frame.probability(Sound::None) < 0.7 || frame.reduction().0 <= TOUCHED));
    // A sibilant comes and goes at most four times a second.
    assert!(heard.changes() <= 2 * 4 * 6, "{} changes in 6 s", heard.changes());
}

/// At telephone rates there is no band to work in: the input passes, bit for bit, and the engine says
/// why.
#[test]
fn at_8_khz_it_does_nothing_and_says_so() {
    for rate in [1_000.0, 8_000.0, 11_025.0] {
        let input = sharp_speech(rate, 2.0, 2, 4);
        let (out, heard) = hear(rate, &input, &Settings { amount: 2.0, ..Settings::default() });
        let engine: Deess = loaded(rate, 2);
        same_bits(&out, &delayed(&input, engine.latency(&Settings::default()))).unwrap_or_else(|e| panic!("{rate} Hz: {e}"));
        assert_eq!(heard.largest(), 0.0);
        assert!(engine.notice().is_some_and(|text| text.contains("12 kHz")));
    }
    assert_eq!(loaded::<Deess>(16_000.0, 1).notice(), None);
}

/// From -30 to +10 dB the same is taken off, to 0.3 dB, event by event.
#[test]
fn level_does_not_change_what_is_taken_off() {
    let input = sharp_speech(RATE, 4.0, 1, 6);
    let taken = |gain: f32| {
        let (_, heard) = hear(RATE, &scaled(&input, Db(gain).to_linear()), &Settings::default());
        heard.frames.iter().map(|frame| frame.reduction().0).collect::<Vec<f32>>()
    };
    let usual = taken(0.0);
    for gain in [-30.0, -12.0, 10.0] {
        let other = taken(gain);
        let worst = usual.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let mean = usual.iter().zip(&other).map(|(a, b)| (a - b).abs()).sum::<f32>() / usual.len() as f32;
        assert!(mean <= 0.1 && worst <= 1.0, "{gain} dB: {worst:.2} dB apart, {mean:.3} in the mean");
    }
}

/// Outside of what was detected the output is the delayed input, bit for bit; the gain is in place
/// where the sound starts and gone where it ends.
#[test]
fn only_detected_sounds_are_touched() {
    let input = sharp_speech(RATE, 6.0, 1, 8);
    let settings = Settings::default();
    let (out, heard) = hear(RATE, &input, &settings);
    let engine: Deess = loaded(RATE, 1);
    let wanted = delayed(&input, engine.latency(&settings));
    let hop = (heard.seconds * RATE).round() as usize;
    let mut differing = vec![false; heard.frames.len()];
    for (n, (a, b)) in out[0].iter().zip(&wanted[0]).enumerate().skip(engine.latency(&settings)) {
        let frame = (n - engine.latency(&settings)) / hop;
        differing[frame.min(heard.frames.len() - 1)] |= a.to_bits() != b.to_bits();
    }
    assert!(differing.iter().any(|x| *x), "nothing was done");
    for (frame, differs) in differing.iter().enumerate() {
        // The hop before may hold the edge of the next decision, the hop behind that of the last.
        let near = frame.saturating_sub(1)..(frame + 2).min(heard.frames.len());
        let reduced = heard.frames[near].iter().any(|detection| detection.reduction().0 > 0.0);
        assert!(reduced || !differs, "frame {frame} changed without a reason");
    }
}

/// What the listener hears: the detected sounds alone, and silence between them.
#[test]
fn listening_to_what_is_detected_gives_the_sounds_alone() {
    let input = sharp_speech(RATE, 6.0, 1, 8);
    let settings = Settings { listen: Listen::Detected, ..Settings::default() };
    let (out, heard) = hear(RATE, &input, &settings);
    assert!(heard.frames.iter().any(|frame| frame.probability(Sound::S) + frame.probability(Sound::Sh) > 0.8), "no sibilant is detected");
    let sounding = out[0].iter().filter(|x| x.abs() > 1e-4).count() as f64 / out[0].len() as f64;
    assert!((0.01..0.6).contains(&sounding), "{:.0} % sound", sounding * 100.0);
}

/// What the frames tell is what was done: the smallest gain of a frame is the reduction.
#[test]
fn frames_tell_the_truth() {
    let (_, heard) = hear(RATE, &sharp_speech(RATE, 4.0, 1, 12), &Settings { amount: 2.0, ..Settings::default() });
    for (frame, gain) in heard.frames.iter().zip(&heard.gains) {
        let (told, done) = (frame.reduction().0, -20.0 * gain.log10());
        // Bands are no wider than the filters resolve, so a narrow dip comes out shallower, and between two that are deep
        // it is deeper by an eighth.
        assert!(done <= 1.13 * told + 1.0 && (told < 1.0 || done > 0.3 * told), "told {told:.2} dB, done {done:.2} dB");
    }
    let mut engine: Deess = loaded(RATE, 1);
    let mut bypassed = Heard::default();
    let input = sharp_speech(RATE, 1.0, 1, 12);
    run_observed(&mut engine, &input, &Settings { bypass: true, ..Settings::default() }, Blocks::Of(512), &mut bypassed);
    assert!(bypassed.gains.iter().all(|gain| *gain == 1.0) && bypassed.largest() == 0.0);
}

/// Turning the link while sound runs is a ramp as others are.
#[test]
fn a_change_of_link_does_not_lose_what_is_held() {
    let input = sharp_speech(RATE, 2.0, 2, 14);
    let mut engine: Deess = loaded(RATE, 2);
    let linked = Settings::default();
    let own = Settings { link: dsp_core::engines::deess::Link::PerChannel, ..linked };
    let mut out = Vec::new();
    for (index, chunk) in (0..input[0].len()).step_by(4_000).enumerate() {
        let end = (chunk + 4_000).min(input[0].len());
        let part: Vec<Vec<f32>> = input.iter().map(|channel| channel[chunk..end].to_vec()).collect();
        out.push(run(&mut engine, &part, if index % 2 == 0 { &linked } else { &own }, Blocks::Of(512)));
    }
    assert!(out.iter().flatten().flatten().all(|x| x.is_finite()));
    let joined: Vec<Vec<f32>> = (0..2).map(|channel| out.iter().flat_map(|part| part[channel].iter().copied()).collect()).collect();
    let dry = delayed(&input, engine.latency(&linked));
    assert!(null_db(&joined, &dry, 0) < 20.0 * f64::from(plainsong_tests::measure::peak(&dry)).log10());
}
