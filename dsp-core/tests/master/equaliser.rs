//! The equalisers against the analogue definition, and under automation.

use crate::support::{Random, prepared, response, run, sine, spectrum};
use dsp_core::filters::{Band, Equaliser, LinearEqualiser, Settings, Shape, Slope};
use dsp_core::processor::Processor;
use dsp_core::units::{Db, Hz};

fn random_settings(random: &mut Random) -> Settings {
    let mut settings = Settings::default();
    for band in &mut settings.bands {
        let shape = [Shape::Bell, Shape::LowShelf, Shape::HighShelf, Shape::Tilt, Shape::LowCut, Shape::HighCut][random.below(6)];
        let [low, high]: [f64; 2] = match shape {
            Shape::LowCut => [20.0, 300.0],
            Shape::HighCut => [8_000.0, 20_000.0],
            _ => [40.0, 17_000.0],
        };
        *band = Band {
            on: random.unit() < 0.4,
            shape,
            frequency: Hz(low * (high / low).powf(random.unit())),
            gain: Db((random.unit() * 18.0 - 9.0) as f32),
            q: if shape == Shape::Bell { (0.3 * 20_f64.powf(random.unit())) as f32 } else { 0.71 },
            slope: Slope::ALL[random.below(4)],
        };
    }
    settings
}

fn impulse(length: usize) -> Vec<Vec<f32>> {
    let mut impulse = vec![0.0; length];
    // Small, so that no boost leaves the range; single precision is relative.
    impulse[0] = 0.25;
    vec![impulse]
}

const PROBES: [f64; 14] =
    [25.0, 60.0, 110.0, 230.0, 480.0, 900.0, 1_700.0, 3_100.0, 5_200.0, 8_000.0, 11_000.0, 14_000.0, 17_000.0, 19_800.0];

/// Impulse responses of random equalisers of many bands: what the editor's curve says is what the sound
/// gets, and both are the analogue curve.
#[test]
fn the_sound_has_the_curve() {
    let mut random = Random(11);
    for round in 0..12 {
        let rate = [44_100.0, 48_000.0, 96_000.0][round % 3];
        let settings = random_settings(&mut random);
        let mut equaliser: Equaliser = prepared(rate, 1);
        let out = run(&mut equaliser, &impulse(rate as usize), &settings, 512);
        for hz in PROBES {
            let curve = settings.response_db(Hz(hz), Hz(rate));
            let truth = settings.analogue_db(Hz(hz));
            if truth < -40.0 {
                continue;
            }
            let made = response(&out[0], hz, rate) + 12.041_2;
            assert!((made - curve).abs() < 0.02, "round {round}, {rate} Hz: {made} for {curve} dB at {hz} Hz, {settings:?}");
            // Errors of several bands add up.
            assert!((curve - truth).abs() < 1.0, "round {round}, {rate} Hz: {curve} for {truth} dB at {hz} Hz, {settings:?}");
        }
    }
}

/// The linear-phase equaliser is the analogue curve itself, symmetric around its latency.
#[test]
fn linear_phase_has_the_curve_and_no_phase() {
    let mut random = Random(12);
    for round in 0..4 {
        let rate = [44_100.0, 48_000.0][round % 2];
        let mut settings = random_settings(&mut random);
        settings.bands[0] = Band { on: true, frequency: Hz(55.0), gain: Db(6.0), q: 1.0, ..Band::default() };
        let mut equaliser: LinearEqualiser = prepared(rate, 1);
        let latency = equaliser.latency(&settings);
        let out = run(&mut equaliser, &impulse(2 * latency + 10), &settings, 700);
        for hz in PROBES.into_iter().filter(|&hz| hz > 50.0) {
            let truth = settings.analogue_db(Hz(hz));
            let made = response(&out[0], hz, rate) + 12.041_2;
            assert!(truth < -40.0 || (made - truth).abs() < 0.1, "round {round}: {made} for {truth} dB at {hz} Hz, {settings:?}");
        }
        for n in 1..latency / 2 {
            let (before, after) = (out[0][latency - n], out[0][latency + n]);
            assert!((before - after).abs() < 1e-6, "round {round}: not symmetric at {n}: {before}, {after}");
        }
    }
}

/// What is heard beside a steady 1 kHz tone of -6 dBFS while parameters jump four times a second, dB:
/// anything more than 150 Hz away.
fn splatter(at: impl Fn(usize) -> Settings) -> f64 {
    let rate = 48_000.0;
    let mut equaliser: Equaliser = prepared(rate, 1);
    let mut audio = sine(1_000.0, 0.5, rate, 4 * 48_000);
    for (block, samples) in audio.chunks_mut(12_000).enumerate() {
        // Settings come in blocks, as hosts send them.
        let settings = at(block);
        samples.chunks_mut(256).for_each(|piece| equaliser.process(&mut [piece], &settings, &mut ()));
    }
    assert!(audio.iter().all(|x| x.abs() < 8.0));
    let bins = spectrum(&audio[48_000..48_000 + 131_072]);
    let bin = rate / 131_072.0;
    bins.iter().enumerate().filter(|(n, _)| (*n as f64 * bin - 1_000.0).abs() > 150.0).fold(-300.0, |most, (_, &level)| most.max(level))
}

/// Jumps of gain, frequency, Q, presence and shape make no click: what they spread beyond 150 Hz from a
/// tone of -6 dBFS stays under these levels in dBFS.
#[test]
fn automation_makes_no_splatter() {
    let band = |band: Band| {
        let mut settings = Settings::default();
        settings.bands[0] = band;
        settings
    };
    let bell = Band { on: true, frequency: Hz(1_000.0), gain: Db(6.0), q: 1.0, ..Band::default() };
    let odd = |block: usize| block % 2 == 1;
    let cases: [(&str, f64, f64); 5] = [
        ("gain -6 to 6 dB", splatter(|n| band(Band { gain: Db(if odd(n) { 6.0 } else { -6.0 }), ..bell })), -84.0),
        ("frequency 300 Hz to 3 kHz", splatter(|n| band(Band { frequency: Hz(if odd(n) { 300.0 } else { 3_000.0 }), ..bell })), -68.0),
        ("Q 0.3 to 10", splatter(|n| band(Band { q: if odd(n) { 0.3 } else { 10.0 }, frequency: Hz(1_300.0), ..bell })), -84.0),
        ("on and off", splatter(|n| band(Band { on: odd(n), ..bell })), -84.0),
        (
            "high cut on and off",
            splatter(|n| band(Band { on: odd(n), shape: Shape::HighCut, slope: Slope::Db24, frequency: Hz(2_000.0), ..bell })),
            -84.0,
        ),
    ];
    for (what, level, _) in cases {
        println!("{what}: {level:.1} dBFS");
    }
    for (what, level, most) in cases {
        assert!(level < most, "{what}: {level:.1} dBFS");
    }
}

/// Parameters that leap wildly at every block never blow up and end in silence.
#[test]
fn wild_automation_stays_bounded() {
    let mut random = Random(13);
    let mut equaliser: Equaliser = prepared(44_100.0, 2);
    for _ in 0..3_000 {
        let mut settings = random_settings(&mut random);
        for band in &mut settings.bands {
            band.gain = Db((random.unit() * 36.0 - 18.0) as f32);
            band.q = (0.1 * 200_f64.powf(random.unit())) as f32;
        }
        let mut audio = [vec![0.1; 64], vec![-0.1; 64]];
        let [left, right] = &mut audio;
        equaliser.process(&mut [left, right], &settings, &mut ());
        assert!(audio.iter().flatten().all(|x| x.abs() < 1e4));
    }
    for _ in 0..3_000 {
        let mut audio = [vec![0.0; 64], vec![0.0; 64]];
        let [left, right] = &mut audio;
        equaliser.process(&mut [left, right], &Settings::default(), &mut ());
        if equaliser_is_silent(&audio) {
            return;
        }
    }
    panic!("does not come to rest");
}

fn equaliser_is_silent(audio: &[Vec<f32>; 2]) -> bool {
    audio.iter().flatten().all(|&x| x == 0.0)
}
