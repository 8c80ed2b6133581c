//! The limiter's promises: nothing over the ceiling between the samples, nothing changed below it, exact
//! delay, and the same bits however the signal is cut.

use dsp_core::engines::limiter::{Limit, Limiter, Listen, Release, Settings};
use dsp_core::processor::{Format, Frame, Observer, Processor};
use dsp_core::sample::usable;
use dsp_core::units::{Db, Hz, Ms};
use std::f64::consts::{PI, TAU};

/// Sample rates in hertz, from telephone to the highest that hosts offer.
const RATES: [f64; 7] = [16_000.0, 22_050.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0];
/// Most that a true peak may lie over the ceiling in dB on these signals. Measured: 0.062 on noise that
/// reaches up to half the rate, where a peak between the samples is hardly defined; below 0.02 elsewhere.
const OVER: f64 = 0.08;

/// A linear congruential generator: random enough for test sound.
struct Random(u64);

impl Random {
    /// -1 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

fn limiter(rate: f64, channels: usize) -> Limiter {
    let mut engine = Limiter::new();
    engine.prepare(Format::new(Hz(rate), channels).unwrap()).unwrap();
    engine
}

/// Runs from a reset, in blocks of these sizes in turn.
fn run(engine: &mut Limiter, input: &[Vec<f32>], settings: &Settings, blocks: &[usize]) -> Vec<Vec<f32>> {
    engine.reset();
    go_on(engine, input, settings, blocks)
}

fn go_on(engine: &mut Limiter, input: &[Vec<f32>], settings: &Settings, blocks: &[usize]) -> Vec<Vec<f32>> {
    let mut out = input.to_vec();
    let mut at = 0;
    for size in blocks.iter().cycle() {
        let end = input[0].len().min(at + size);
        let mut block: Vec<&mut [f32]> = out.iter_mut().map(|channel| &mut channel[at..end]).collect();
        engine.process(&mut block, settings, &mut ());
        at = end;
        if at == input[0].len() {
            break;
        }
    }
    out
}

fn driven(drive: f32) -> Settings {
    Settings { drive: Db(drive), ..Settings::default() }
}

/// Drums over a bass and noise: peaks of many heights, sample peak 1, channels different.
fn music(rate: f64, seconds: f64, channels: usize) -> Vec<Vec<f32>> {
    (0..channels)
        .map(|channel| {
            let mut random = Random(channel as u64 + 5);
            let mut low = 0.0;
            let mut out: Vec<f64> = (0..(rate * seconds) as usize)
                .map(|n| {
                    let t = n as f64 / rate;
                    let beat = t % (0.21 + 0.02 * channel as f64);
                    let noise = random.next();
                    low += (noise - low) * (9_000.0 / rate).min(1.0);
                    let drum = (-beat * 30.0).exp() * (0.8 * (TAU * (60.0 + 200.0 * (-beat * 40.0).exp()) * beat).sin() + 0.9 * low);
                    let tones: f64 = [220.0, 554.0, 2_637.0_f64].into_iter().map(|hz| 0.1 * (TAU * hz.min(rate * 0.4) * t).sin()).sum();
                    drum + tones + 0.25 * (TAU * 55.0 * t).sin()
                })
                .collect();
            let most = out.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            out.iter_mut().for_each(|x| *x /= most);
            out.into_iter().map(|x| x as f32).collect()
        })
        .collect()
}

/// Bursts whose peaks lie between the samples: fs/4 at 45 degrees, tones and pairs up to 0.45 of the rate.
fn stress(rate: f64) -> Vec<f32> {
    let mut random = Random(3);
    let length = (0.04 * rate) as usize;
    let fade = (0.001 * rate) as usize;
    let mut out = Vec::new();
    for burst in 0..16 {
        let frequency = |random: &mut Random| if burst == 0 { 0.25 } else { 0.26 + 0.19 * random.next() };
        let (a, b) = (frequency(&mut random), frequency(&mut random));
        let tone = |n: usize| {
            let one = (TAU * a * n as f64 + PI / 4.0).sin();
            if burst % 2 == 0 { one } else { 0.5 * (one + (TAU * b * n as f64 + 1.0).sin()) }
        };
        let edge = |n: usize| (n.min(length - 1 - n) as f64 / fade as f64).min(1.0);
        out.extend((0..length).map(|n| (tone(n) * edge(n)) as f32));
        out.extend(std::iter::repeat_n(0.0, length / 4));
    }
    out
}

/// Largest magnitude at 16 x, by a plain long windowed sinc in double precision.
fn peak16(samples: &[f32]) -> f64 {
    const HALF: i64 = 200;
    let window = |d: f64| {
        let x = PI * d / HALF as f64;
        0.42 + 0.5 * x.cos() + 0.08 * (2.0 * x).cos()
    };
    let sinc = |d: f64| if d == 0.0 { 1.0 } else { (PI * d).sin() / (PI * d) };
    let taps: Vec<Vec<f64>> = (0..16)
        .map(|phase| {
            (1 - HALF..=HALF)
                .map(|k| {
                    let d = k as f64 - f64::from(phase) / 16.0;
                    sinc(d) * window(d)
                })
                .collect()
        })
        .collect();
    let at = |n: i64| usize::try_from(n).ok().and_then(|n| samples.get(n)).map_or(0.0, |&x| f64::from(x));
    let most = samples.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let mut peak = f64::from(most);
    for n in 0..samples.len() as i64 {
        // The slow sum only where the samples around are not small.
        if (-3..=4).all(|k| at(n + k).abs() < 0.3 * f64::from(most)) {
            continue;
        }
        for taps in &taps {
            let value: f64 = (1 - HALF..=HALF).zip(taps).map(|(k, tap)| at(n + k) * tap).sum();
            peak = peak.max(value.abs());
        }
    }
    peak
}

fn over(out: &[Vec<f32>], ceiling: f64) -> f64 {
    out.iter().map(|channel| 20.0 * peak16(channel).log10() - ceiling).fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn true_peaks_stay_under_the_ceiling() {
    for rate in [44_100.0, 48_000.0, 96_000.0] {
        let seconds = 48_000.0 / rate;
        for (name, input) in [("music", music(rate, seconds, 2)), ("stress", vec![stress(rate)])] {
            let mut engine = limiter(rate, input.len());
            for drive in [0.0, 6.0, 12.0] {
                for (ahead, release) in [(1.5, Release::Auto), (3.0, Release::Auto), (5.0, Release::Time(Ms(5.0)))] {
                    let settings = Settings { limit: Limit { ahead: Ms(ahead), release, ..Limit::default() }, ..driven(drive) };
                    let over = over(&run(&mut engine, &input, &settings, &[512]), -1.0);
                    assert!(over <= OVER, "{name} at {rate} Hz, +{drive} dB, {ahead} ms, {release:?}: {over:+.3} dB");
                    // Nor is more taken away than is needed.
                    assert!(name == "stress" && drive == 0.0 || over > -0.3, "{name} at {rate} Hz, +{drive} dB: {over:+.3} dB");
                }
            }
        }
    }
}

/// The samples themselves never pass it, at any rate, count of channels and link.
#[test]
fn samples_stay_under_the_ceiling() {
    for rate in RATES {
        for (channels, link) in [(1, 1.0), (2, 0.0), (6, 0.5)] {
            let settings = Settings { limit: Limit { link, ceiling: Db(-3.0), ..Limit::default() }, ..driven(12.0) };
            let out = run(&mut limiter(rate, channels), &music(rate, 0.5, channels), &settings, &[480]);
            let most = out.iter().flatten().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(most <= Db(-3.0).to_linear() * 1.000_001, "{rate} Hz, {channels} channels: {most}");
        }
    }
}

#[test]
fn below_the_ceiling_the_output_is_the_delayed_input_bit_for_bit() {
    for rate in RATES {
        for channels in [1, 2, 6] {
            let mut engine = limiter(rate, channels);
            let settings = driven(0.0);
            let latency = engine.latency(&settings);
            let quiet: Vec<Vec<f32>> = music(rate, 0.4, channels).iter().map(|c| c.iter().map(|x| usable(x * 0.4)).collect()).collect();
            let loud: Vec<Vec<f32>> = quiet.iter().map(|c| c.iter().map(|x| x * 5.0).collect()).collect();
            let same = |out: &[Vec<f32>]| (0..channels).all(|c| out[c][latency..] == quiet[c][..quiet[c].len() - latency]);
            assert!(same(&run(&mut engine, &quiet, &settings, &[100])), "{rate} Hz, {channels} channels");
            // After loud sound it comes back to the very same, once the release is over.
            run(&mut engine, &loud, &settings, &[480]);
            for _ in 0..(12.0 * rate) as usize / quiet[0].len() + 1 {
                go_on(&mut engine, &quiet, &settings, &[480]);
            }
            let out = go_on(&mut engine, &quiet, &settings, &[480]);
            assert!(same(&out), "{rate} Hz, {channels} channels, after loud sound");
        }
    }
}

#[test]
fn bypass_is_the_delayed_input_bit_for_bit() {
    for rate in [44_100.0, 192_000.0] {
        let mut engine = limiter(rate, 2);
        let input = music(rate, 0.3, 2);
        let settings = Settings { bypass: true, listen: Listen::Removed, matched: true, ..driven(20.0) };
        let latency = engine.latency(&settings);
        let out = run(&mut engine, &input, &settings, &[333]);
        for (out, input) in out.iter().zip(&input) {
            assert!(out[..latency].iter().all(|&x| x == 0.0));
            assert!(out[latency..] == input[..input.len() - latency], "{rate} Hz");
        }
    }
}

#[test]
fn an_impulse_arrives_when_it_is_said_to() {
    for rate in [1_000.0, 8_000.0, 44_100.0, 48_000.0, 96_000.0, 384_000.0, 2_000_000.0] {
        let mut engine = limiter(rate, 1);
        for settings in [driven(0.0), driven(12.0), Settings { limit: Limit { ahead: Ms(1.5), ..Limit::default() }, ..driven(0.0) }] {
            let latency = engine.latency(&settings);
            let mut input = vec![0.0; 1_000 + 2 * latency];
            input[777] = 1.0;
            let out = run(&mut engine, &[input], &settings, &[100]);
            let at = out[0].iter().enumerate().fold((0, 0.0), |best, (n, x)| if x.abs() > best.1 { (n, x.abs()) } else { best }).0;
            assert_eq!(at, 777 + latency, "{rate} Hz");
            assert!((out[0][at] - Db(-1.0).to_linear()).abs() < 1e-3, "{rate} Hz: {}", out[0][at]);
        }
    }
    assert_eq!(limiter(48_000.0, 2).latency(&driven(0.0)), 28 + 240 + 68 + 36, "7.8 ms");
}

#[test]
fn blocks_do_not_matter() {
    for rate in RATES {
        for channels in [1, 2, 6] {
            let mut engine = limiter(rate, channels);
            let input = music(rate, 0.3, channels);
            let settings = Settings { limit: Limit { link: 0.7, ..Limit::default() }, ..driven(9.0) };
            let whole = run(&mut engine, &input, &settings, &[input[0].len()]);
            for blocks in [&[1][..], &[17], &[64], &[480], &[512], &[1024], &[4096], &[3, 700, 1, 0, 250, 1499]] {
                let cut = run(&mut engine, &input, &settings, blocks);
                assert!(whole == cut, "{rate} Hz, {channels} channels, blocks of {blocks:?}");
            }
        }
    }
}

/// The frames for meters, too, are the same for all blocks, and tell of the gain there was.
#[test]
fn frames_tell_of_level_and_gain() {
    #[derive(Default)]
    struct Frames(Vec<(f32, f32)>);
    impl Observer for Frames {
        fn frame(&mut self, frame: &Frame<'_>) {
            self.0.push((frame.input_power[0], frame.gain[0]));
        }
    }
    let rate = 48_000.0;
    let sine: Vec<f32> = (0..96_000).map(|n| (TAU * 997.0 * f64::from(n) / rate).sin() as f32).collect();
    let frames = |block: usize| {
        let mut engine = limiter(rate, 1);
        let mut frames = Frames::default();
        let mut audio = sine.clone();
        audio.chunks_mut(block).for_each(|block| engine.process(&mut [block], &driven(5.0), &mut frames));
        frames.0
    };
    let whole = frames(96_000);
    assert_eq!(whole.len(), 200);
    assert_eq!(frames(77), whole);
    let (power, gain) = whole[150];
    assert!((10.0 * power.log10() - 5.0).abs() < 0.1, "{power}");
    assert!((Db::from_linear(gain).0 + 6.0).abs() < 0.05, "{gain}");
}

#[test]
fn reset_forgets_everything() {
    let mut engine = limiter(48_000.0, 2);
    let (first, second) = (music(48_000.0, 0.5, 2), music(48_000.0, 0.3, 2));
    let fresh = run(&mut limiter(48_000.0, 2), &second, &driven(6.0), &[512]);
    run(&mut engine, &first, &driven(18.0), &[512]);
    assert!(run(&mut engine, &second, &driven(6.0), &[512]) == fresh);
}

#[test]
fn linked_channels_share_a_gain_and_others_do_not() {
    let rate = 48_000.0;
    let loud = music(rate, 0.5, 1).remove(0);
    let quiet: Vec<f32> = (0..loud.len()).map(|n| (0.1 * (TAU * 300.0 * n as f64 / rate).sin()) as f32).collect();
    let input = [loud, quiet];
    let linked = |link: f32| {
        let mut engine = limiter(rate, 2);
        let settings = Settings { limit: Limit { link, ..Limit::default() }, ..driven(10.0) };
        let latency = engine.latency(&settings);
        let out = run(&mut engine, &input, &settings, &[512]);
        let gain = Db(10.0).to_linear();
        (latency..out[0].len()).map(|n| (out[1][n] - input[1][n - latency] * gain).abs()).fold(0.0, f32::max)
    };
    assert!(linked(0.0) < 1e-9, "{}", linked(0.0));
    assert!(linked(1.0) > 0.1 && linked(0.5) < linked(1.0), "{} {}", linked(0.5), linked(1.0));
}

#[test]
fn limited_and_removed_add_up_and_match_turns_down() {
    let rate = 44_100.0;
    let mut engine = limiter(rate, 2);
    let input = music(rate, 0.5, 2);
    let latency = engine.latency(&driven(8.0));
    let limited = run(&mut engine, &input, &driven(8.0), &[256]);
    let removed = run(&mut engine, &input, &Settings { listen: Listen::Removed, ..driven(8.0) }, &[256]);
    let matched = run(&mut engine, &input, &Settings { matched: true, ..driven(8.0) }, &[256]);
    let gain = Db(8.0).to_linear();
    let mut most = 0.0_f32;
    for channel in 0..2 {
        for n in latency..input[0].len() {
            let sum = limited[channel][n] + removed[channel][n];
            most = most.max((sum - input[channel][n - latency] * gain).abs());
            most = most.max((matched[channel][n] * gain - limited[channel][n]).abs());
        }
    }
    assert!(most < 1e-6, "{most}");
    assert!(removed.iter().flatten().any(|x| x.abs() > 0.1));
}

/// What is not a number, infinite or absurd is silence, and nothing of it stays.
#[test]
fn faults_are_silence() {
    let rate = 48_000.0;
    let clean = music(rate, 0.4, 2);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -3e38] {
        let mut faulty = clean.clone();
        let mut silent = clean.clone();
        for n in [100, 101, 5_000, 9_999] {
            faulty[0][n] = bad;
            silent[0][n] = 0.0;
        }
        let settings = driven(6.0);
        let expected = run(&mut limiter(rate, 2), &silent, &settings, &[480]);
        assert!(run(&mut limiter(rate, 2), &faulty, &settings, &[480]) == expected, "{bad}");
    }
    // The loudest that is taken, and drive on top, and denormals.
    for sample in [1e6_f32, -1e6, 1e-40, 1e-14] {
        let out = run(&mut limiter(rate, 1), &[vec![sample; 20_000]], &driven(36.0), &[480]);
        assert!(out[0].iter().all(|x| x.is_finite() && x.abs() <= 0.8913), "{sample}");
    }
}

#[test]
fn silence_stays_silence_and_any_format_runs() {
    for (rate, channels) in [(1_000.0, 1), (3_000.0, 2), (2_000_000.0, 1), (48_000.0, 64)] {
        let mut engine = limiter(rate, channels);
        let zero = vec![vec![0.0; 3_000]; channels];
        assert!(run(&mut engine, &zero, &driven(36.0), &[700]).iter().flatten().all(|x| x.to_bits() == 0));
        let out = run(&mut engine, &music(rate, 3_000.0 / rate, channels), &driven(12.0), &[700]);
        assert!(out.iter().flatten().all(|x| x.abs() <= 0.8913), "{rate} Hz, {channels} channels");
    }
    let mut engine = limiter(48_000.0, 2);
    let mut one = vec![0.5_f32; 64];
    engine.process(&mut [&mut one], &driven(0.0), &mut ());
    assert!(one.iter().all(|&x| x == 0.5), "another count of channels is left alone");
}

/// Knobs that turn while a tone is limited: no step between neighbouring samples that the tone itself
/// does not have, and the ceiling holds but for the way of the look-ahead.
#[test]
fn settings_move_without_clicks() {
    let rate = 48_000.0;
    let tone: Vec<f32> = (0..48_000).map(|n| (0.9 * (TAU * 100.0 * f64::from(n) / rate).sin()) as f32).collect();
    let mut engine = limiter(rate, 1);
    let mut audio = tone;
    let limit = Limit::default();
    for (index, block) in audio.chunks_mut(480).enumerate() {
        let settings = match index / 10 {
            0 => driven(0.0),
            1 => driven(6.0),
            2 => Settings { limit: Limit { ceiling: Db(-9.0), ..limit }, ..driven(6.0) },
            3 => Settings { limit: Limit { ahead: Ms(5.0), ..limit }, ..driven(6.0) },
            4 => Settings { limit: Limit { ahead: Ms(1.5), release: Release::Time(Ms(80.0)), ..limit }, ..driven(6.0) },
            5 => Settings { bypass: true, ..driven(6.0) },
            6 => Settings { listen: Listen::Removed, ..driven(6.0) },
            7 => Settings { matched: true, ..driven(6.0) },
            _ => driven(0.0),
        };
        engine.process(&mut [block], &settings, &mut ());
    }
    // A full-scale tone of 100 Hz moves by 0.013 a sample; twice that with the gains under way.
    let most = audio.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(most < 0.027, "{most}");
}

/// Gain modulation: a bass and a high tone, 6 dB over the ceiling. What is left without the two tones.
#[test]
fn a_bass_does_not_make_a_high_tone_tremble() {
    let rate = 48_000.0;
    let tone = |hz: f64, n: usize| (TAU * hz * n as f64 / rate).sin();
    let input: Vec<f32> = (0..192_000).map(|n| (0.5 * (tone(60.0, n) + tone(3_000.0, n)) * 1.778) as f32).collect();
    let out = run(&mut limiter(rate, 1), &[input], &driven(0.0), &[512]).remove(0);
    let out: Vec<f64> = out[96_000..].iter().map(|&x| f64::from(x)).collect();
    // Whole periods: projections on the tones are least squares.
    let mut rest = out.clone();
    for hz in [60.0, 3_000.0] {
        for phase in [0.0, PI / 2.0] {
            let wave = |n: usize| (TAU * hz * n as f64 / rate + phase).sin();
            let amount = 2.0 * out.iter().enumerate().map(|(n, x)| x * wave(n)).sum::<f64>() / out.len() as f64;
            rest.iter_mut().enumerate().for_each(|(n, x)| *x -= amount * wave(n));
        }
    }
    let power = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    let distortion = 10.0 * (power(&rest) / power(&out)).log10();
    assert!(distortion < -42.0, "{distortion:.1} dB");
}
