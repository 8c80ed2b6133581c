//! The meter against the test signals of EBU Tech 3341 and 3342, and against another meter.
//!
//! All cases that can be made from their text are here, with the response that the text expects; the
//! others (3341: 7 and 8; 3342: 5 and 6) are recordings. Every case runs at every rate.

use dsp_core::loudness::{Meter, Reading};
use dsp_core::processor::Format;
use dsp_core::units::Hz;
use ebur128::{EbuR128, Mode};
use std::f64::consts::{PI, TAU};

/// Sample rates in hertz.
const RATES: [u32; 4] = [44_100, 48_000, 96_000, 192_000];
/// Tolerance of loudness in LU (EBU Tech 3341).
const LOUDNESS: f64 = 0.1;
/// Tolerance of loudness range in LU (EBU Tech 3342).
const RANGE: f64 = 1.0;
/// Tolerance of true peak in dB, below and above (EBU Tech 3341).
const TRUE_PEAK: (f64, f64) = (-0.4, 0.2);
/// Frequency of the tones in hertz.
const TONE: f64 = 1_000.0;
/// Samples that are given to the meter at a time: not a divisor of anything.
const BLOCK: usize = 1_009;
const SILENCE: f64 = f64::NEG_INFINITY;

fn meter(rate: u32, channels: usize) -> Meter {
    Meter::new(Format::new(Hz(f64::from(rate)), channels).unwrap()).unwrap()
}

/// Tones of seconds and dBFS (peak), one behind the other, as the signal of one channel.
fn tones(rate: u32, parts: &[(f64, f64)]) -> Vec<f32> {
    let mut out = Vec::new();
    let mut time = 0.0;
    for &(seconds, level) in parts {
        time += seconds;
        let amplitude = 10_f64.powf(level / 20.0);
        let end = (time * f64::from(rate)).round() as usize;
        out.extend((out.len()..end).map(|n| (amplitude * (TAU * (TONE * n as f64 / f64::from(rate)).fract()).sin()) as f32));
    }
    out
}

/// Feeds the same signal to both channels of a fresh stereo meter; `look` sees the time in seconds and
/// the meter after each block.
fn stereo(rate: u32, signal: &[f32], mut look: impl FnMut(f64, &Meter)) -> Meter {
    let mut meter = meter(rate, 2);
    let mut at = 0;
    for block in signal.chunks(BLOCK) {
        meter.process(&[block, block]);
        at += block.len();
        look(at as f64 / f64::from(rate), &meter);
    }
    meter
}

fn near(what: &str, rate: u32, value: Option<f64>, expected: f64, tolerance: f64) {
    let value = value.unwrap_or(f64::NAN);
    assert!((value - expected).abs() <= tolerance, "{what} at {rate} Hz: {value}, expected {expected} +-{tolerance}");
}

/// Name, parts, expected loudness; true where momentary and short-term must read it too.
type Case = (&'static str, &'static [(f64, f64)], f64, bool);

const INTEGRATED: [Case; 5] = [
    ("3341 case 1", &[(20.0, -23.0)], -23.0, true),
    ("3341 case 2", &[(20.0, -33.0)], -33.0, true),
    ("3341 case 3", &[(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)], -23.0, false),
    ("3341 case 4", &[(10.0, -72.0), (10.0, -36.0), (60.0, -23.0), (10.0, -36.0), (10.0, -72.0)], -23.0, false),
    ("3341 case 5", &[(20.0, -26.0), (20.1, -20.0), (20.0, -26.0)], -23.0, false),
];

#[test]
fn tech_3341_cases_1_to_5_integrated() {
    for rate in RATES {
        for (case, parts, expected, all) in INTEGRATED {
            let reading = stereo(rate, &tones(rate, parts), |_, _| ()).reading();
            near(case, rate, reading.integrated, expected, LOUDNESS);
            if all {
                near(case, rate, reading.momentary, expected, LOUDNESS);
                near(case, rate, reading.short_term, expected, LOUDNESS);
            }
        }
    }
}

/// Case 6: five channels, 20 s; left and right, centre, surrounds.
#[test]
fn tech_3341_case_6_surround() {
    for rate in RATES {
        let at = |level: f64| tones(rate, &[(20.0, level)]);
        let (front, centre, back) = (at(-28.0), at(-24.0), at(-30.0));
        let mut five = meter(rate, 5);
        five.process(&[&front, &front, &centre, &back, &back]);
        near("3341 case 6", rate, five.reading().integrated, -23.0, LOUDNESS);
        // The same with a low-frequency channel, which does not count.
        let mut six = meter(rate, 6);
        six.process(&[&front, &front, &centre, &front, &back, &back]);
        near("3341 case 6 as 5.1", rate, six.reading().integrated, -23.0, LOUDNESS);
    }
}

/// Cases 9 and 12: a pattern whose loudness is constant once the window is full.
#[test]
fn tech_3341_cases_9_and_12_constant() {
    for rate in RATES {
        let short: Vec<_> = [(1.34, -20.0), (1.66, -30.0)].repeat(5);
        stereo(rate, &tones(rate, &short), |time, meter| {
            if time > 3.0 {
                near("3341 case 9", rate, meter.reading().short_term, -23.0, LOUDNESS);
            }
        });
        let momentary: Vec<_> = [(0.18, -20.0), (0.22, -30.0)].repeat(25);
        stereo(rate, &tones(rate, &momentary), |time, meter| {
            if time > 1.0 {
                near("3341 case 12", rate, meter.reading().momentary, -23.0, LOUDNESS);
            }
        });
    }
}

/// Cases 10 and 13: files with one sound, later from file to file.
#[test]
fn tech_3341_cases_10_and_13_files() {
    for rate in RATES {
        for i in 0..20 {
            let late = f64::from(i);
            let file = tones(rate, &[(late * 0.15, SILENCE), (3.0, -23.0), (1.0, SILENCE)]);
            let reading = stereo(rate, &file, |_, _| ()).reading();
            near("3341 case 10", rate, reading.max_short_term, -23.0, LOUDNESS);
            let file = tones(rate, &[(late * 0.02, SILENCE), (0.4, -23.0), (1.0, SILENCE)]);
            let reading = stereo(rate, &file, |_, _| ()).reading();
            near("3341 case 13", rate, reading.max_momentary, -23.0, LOUDNESS);
        }
    }
}

/// Cases 11 and 14: the same in one stream, louder from sound to sound, so that the largest value so far
/// tells of each.
#[test]
fn tech_3341_cases_11_and_14_live() {
    for rate in RATES {
        let check = |case: &str, length: f64, step: f64, read: fn(&Reading) -> Option<f64>| {
            let parts: Vec<_> = (0..20)
                .flat_map(|i| {
                    let late = f64::from(i) * step;
                    [(late, SILENCE), (length, f64::from(i) - 38.0), (length - late, SILENCE)]
                })
                .collect();
            let mut next = 0;
            stereo(rate, &tones(rate, &parts), |time, meter| {
                // Each sound has twice its length.
                if next < 20 && time >= f64::from(next + 1) * 2.0 * length - 0.01 {
                    near(case, rate, read(&meter.reading()), f64::from(next) - 38.0, LOUDNESS);
                    next += 1;
                }
            });
            assert_eq!(next, 20, "{case}: all sounds were looked at");
        };
        check("3341 case 11", 3.0, 0.15, |reading| reading.max_short_term);
        check("3341 case 14", 0.4, 0.02, |reading| reading.max_momentary);
    }
}

/// Cases 15 to 19: samples of a cycle, amplitude, phase in degrees, true peak in dBTP.
const PEAKS: [(&str, f64, f64, f64, f64); 5] = [
    ("3341 case 15", 4.0, 0.50, 0.0, -6.0),
    ("3341 case 16", 4.0, 0.50, 45.0, -6.0),
    ("3341 case 17", 6.0, 0.50, 60.0, -6.0),
    ("3341 case 18", 8.0, 0.50, 67.5, -6.0),
    ("3341 case 19", 4.0, 1.41, 45.0, 3.0),
];

fn peak(case: &str, rate: u32, reading: &Reading, expected: f64) {
    let error = reading.true_peak.unwrap_or(f64::NAN) - expected;
    assert!((TRUE_PEAK.0..=TRUE_PEAK.1).contains(&error), "{case} at {rate} Hz: {error:+} dB");
}

/// Linear fades of 10 ms at both ends.
fn taper(signal: &mut [f64], fade: usize) {
    let length = signal.len();
    for n in 0..fade {
        signal[n] *= n as f64 / fade as f64;
        signal[length - 1 - n] *= n as f64 / fade as f64;
    }
}

#[test]
fn tech_3341_cases_15_to_19_tone_peaks() {
    for rate in RATES {
        for (case, cycle, amplitude, degrees, expected) in PEAKS {
            let mut tone: Vec<f64> =
                (0..rate as usize / 5).map(|n| amplitude * (TAU * (n as f64 / cycle).fract() + degrees.to_radians()).sin()).collect();
            taper(&mut tone, rate as usize / 100);
            let tone: Vec<f32> = tone.into_iter().map(|x| x as f32).collect();
            peak(case, rate, &stereo(rate, &tone, |_, _| ()).reading(), expected);
        }
    }
}

/// Cases 20 to 23: a tone of fs/6 and amplitude 0.5, in it one period of fs/4 and amplitude 1, continuous
/// in phase; made at 4 fs, filtered, and every fourth sample kept from an offset of 0 to 3.
#[test]
fn tech_3341_cases_20_to_23_peaks_between_samples() {
    // In periods of 24 and 16 samples at 4 fs.
    let (slow, fast) = (24, 16);
    let cycles = 400;
    let mut high: Vec<f64> = Vec::new();
    let add = |high: &mut Vec<f64>, cycles: usize, length: usize, amplitude: f64| {
        high.extend((0..cycles * length).map(|n| amplitude * (TAU * n as f64 / length as f64).sin()));
    };
    add(&mut high, cycles, slow, 0.5);
    add(&mut high, 1, fast, 1.0);
    add(&mut high, cycles, slow, 0.5);
    taper(&mut high, 1_920);
    // A windowed sinc that passes 0.4 fs and stops at 0.5 fs.
    let (half, middle) = (160_i64, 0.45 / 4.0);
    let filter: Vec<f64> = (-half..=half)
        .map(|n| {
            let x = 2.0 * middle * n as f64;
            let sinc = if n == 0 { 1.0 } else { (PI * x).sin() / (PI * x) };
            let window = 0.42 + 0.5 * (PI * n as f64 / half as f64).cos() + 0.08 * (TAU * n as f64 / half as f64).cos();
            2.0 * middle * sinc * window
        })
        .collect();
    let filtered: Vec<f64> = (0..high.len() as i64)
        .map(|n| filter.iter().enumerate().map(|(k, tap)| tap * high.get((n + half - k as i64) as usize).unwrap_or(&0.0)).sum())
        .collect();
    for rate in RATES {
        for offset in 0..4 {
            let tone: Vec<f32> = filtered.iter().skip(offset).step_by(4).map(|&x| x as f32).collect();
            peak(&format!("3341 case {}", 20 + offset), rate, &stereo(rate, &tone, |_, _| ()).reading(), 0.0);
        }
    }
}

/// Cases of Tech 3342: levels of 20 s each in dBFS, loudness range in LU.
const RANGES: [(&str, &[f64], f64); 4] = [
    ("3342 case 1", &[-20.0, -30.0], 10.0),
    ("3342 case 2", &[-20.0, -15.0], 5.0),
    ("3342 case 3", &[-40.0, -20.0], 20.0),
    ("3342 case 4", &[-50.0, -35.0, -20.0, -35.0, -50.0], 15.0),
];

#[test]
fn tech_3342_cases_1_to_4_range() {
    for rate in RATES {
        for (case, levels, expected) in RANGES {
            let parts: Vec<_> = levels.iter().map(|&level| (20.0, level)).collect();
            let signal = tones(rate, &parts);
            let range = stereo(rate, &signal, |_, _| ()).reading().range;
            near(case, rate, range, expected, RANGE);
            let mut theirs = EbuR128::new(2, rate, Mode::LRA).unwrap();
            theirs.add_frames_planar_f32(&[&signal, &signal]).unwrap();
            near("another meter's range", rate, range, theirs.loudness_range().unwrap(), 0.1);
        }
    }
}

/// Something like music: noise that swells and stops, a bass, a little difference between the channels.
fn programme(rate: u32, seconds: usize) -> [Vec<f32>; 2] {
    let mut seed = 11_u64;
    let mut noise = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    let mut low = [0.0; 2];
    std::array::from_fn(|channel| {
        (0..rate as usize * seconds)
            .map(|n| {
                let time = n as f64 / f64::from(rate);
                let swell = 10_f64.powf((-20.0 + 18.0 * (time * 0.4).sin()) / 20.0) * if time % 7.0 < 6.0 { 1.0 } else { 0.003 };
                low[channel] += (noise() - low[channel]) * (2_000.0 / f64::from(rate)).min(1.0);
                let bass = 0.2 * (TAU * 55.0 * time).sin();
                (swell * (bass + 3.0 * low[channel] + 0.3 * noise())) as f32
            })
            .collect()
    })
}

#[test]
fn another_meter_reads_the_same() {
    for rate in [22_050, 44_100, 48_000, 96_000, 192_000] {
        let [left, right] = programme(rate, 30);
        let mut ours = meter(rate, 2);
        let mut theirs = EbuR128::new(2, rate, Mode::all() - Mode::HISTOGRAM).unwrap();
        for (left, right) in left.chunks(BLOCK).zip(right.chunks(BLOCK)) {
            ours.process(&[left, right]);
            theirs.add_frames_planar_f32(&[left, right]).unwrap();
        }
        let reading = ours.reading();
        near("integrated", rate, reading.integrated, theirs.loudness_global().unwrap(), 0.01);
        // Ours ends with the last whole step of 10 ms.
        near("momentary", rate, reading.momentary, theirs.loudness_momentary().unwrap(), 0.1);
        near("short-term", rate, reading.short_term, theirs.loudness_shortterm().unwrap(), 0.02);
        let theirs_peak = (0..2).map(|c| theirs.true_peak(c).unwrap()).fold(0.0, f64::max);
        // Theirs interpolates with fewer taps than ours and reads low near half the rate, where this
        // noise reaches; from 192 kHz on it does not interpolate at all. It never reads higher.
        let above = if rate < 192_000 { 0.5 } else { 1.5 };
        near("true peak", rate, reading.true_peak, 20.0 * theirs_peak.log10() + above / 2.0 - 0.05, above / 2.0 + 0.05);
        let sample_peak = (0..2).map(|c| theirs.sample_peak(c).unwrap()).fold(0.0, f64::max);
        near("sample peak", rate, reading.sample_peak, 20.0 * sample_peak.log10(), 1e-4);
        near("PLR", rate, reading.plr, reading.true_peak.unwrap() - reading.integrated.unwrap(), 1e-9);
    }
}

/// Short-term loudness by the text: filter the whole, square, add up 3 s. The filter is another one:
/// the printed coefficients in direct form I.
#[test]
fn a_plain_reading_of_the_standard_agrees() {
    let [left, right] = programme(48_000, 20);
    let section = |input: &[f64], b: [f64; 3], a: [f64; 2]| -> Vec<f64> {
        let mut out: Vec<f64> = Vec::new();
        for n in 0..input.len() {
            let at = |list: &[f64], back: usize| if n >= back { list[n - back] } else { 0.0 };
            let y = b[0] * input[n] + b[1] * at(input, 1) + b[2] * at(input, 2) - a[0] * at(&out, 1) - a[1] * at(&out, 2);
            out.push(y);
        }
        out
    };
    let weighted = |input: &[f32]| {
        let input: Vec<f64> = input.iter().map(|&x| f64::from(x)).collect();
        let shelf = section(
            &input,
            [1.535_124_859_586_97, -2.691_696_189_406_38, 1.198_392_810_852_85],
            [-1.690_659_293_182_41, 0.732_480_774_215_85],
        );
        section(&shelf, [1.0, -2.0, 1.0], [-1.990_047_454_833_98, 0.990_072_250_366_21])
    };
    let (l, r) = (weighted(&left), weighted(&right));
    let mut meter = meter(48_000, 2);
    let mut most = f64::NEG_INFINITY;
    let mut levels = Vec::new();
    for end in (480..=left.len()).step_by(480) {
        meter.process(&[&left[end - 480..end], &right[end - 480..end]]);
        let level = |samples: usize| {
            let start = end.saturating_sub(samples);
            let sum: f64 = l[start..end].iter().chain(&r[start..end]).map(|y| y * y).sum();
            -0.691 + 10.0 * (sum / samples as f64).log10()
        };
        let reading = meter.reading();
        near("momentary", 48_000, reading.momentary, level(19_200), 1e-6);
        near("short-term", 48_000, reading.short_term, level(144_000), 1e-6);
        most = most.max(level(144_000));
        near("largest short-term", 48_000, reading.max_short_term, most, 1e-6);
        if end >= 144_000 && end % 4_800 == 0 {
            levels.push(level(144_000));
        }
    }
    // Loudness range: absolute gate, relative gate, sort, percentiles.
    levels.retain(|&level| level >= -70.0);
    let gate = 10.0 * (levels.iter().map(|level| 10_f64.powf(level / 10.0)).sum::<f64>() / levels.len() as f64).log10() - 20.0;
    levels.retain(|&level| level >= gate);
    levels.sort_by(f64::total_cmp);
    let at = |share: f64| levels[(share * (levels.len() - 1) as f64).round() as usize];
    near("range", 48_000, meter.reading().range, at(0.95) - at(0.10), 0.03);
}

#[test]
fn blocks_do_not_matter_and_reset_forgets() {
    for (rate, channels) in [(11_025, 1), (44_100, 2), (48_000, 6), (192_000, 2)] {
        let [left, right] = programme(rate, 4);
        let side: Vec<&[f32]> = (0..channels).map(|channel| if channel % 2 == 0 { &left[..] } else { &right[..] }).collect();
        let mut meter = meter(rate, channels);
        meter.process(&side);
        let whole = meter.reading();
        assert!(whole.integrated.is_some() && whole.range.is_some());
        for block in [1, 17, 64, 480, 512, 1024, 4096] {
            meter.reset();
            assert_eq!(meter.reading(), Reading::default(), "after a reset");
            for start in (0..left.len()).step_by(block) {
                let part: Vec<&[f32]> = side.iter().map(|s| &s[start..left.len().min(start + block)]).collect();
                meter.process(&part);
            }
            assert_eq!(meter.reading(), whole, "{rate} Hz, {channels} channels, blocks of {block}");
        }
    }
}

#[test]
fn faults_are_silence_and_silence_reads_nothing() {
    let mut meter = meter(48_000, 2);
    for bad in [f32::NAN, f32::INFINITY, 3e38, 1e-40, 0.0] {
        meter.process(&[&[bad; 48_000], &[bad; 48_000]]);
        assert_eq!(meter.reading(), Reading::default(), "{bad}");
    }
    let tone = tones(48_000, &[(5.0, -23.0)]);
    meter.process(&[&tone, &tone]);
    near("after faults", 48_000, meter.reading().short_term, -23.0, LOUDNESS);
    near("correlation", 48_000, meter.reading().correlation.map(f64::from), 1.0, 1e-6);
    let before = meter.reading();
    meter.process(&[&tone]);
    assert_eq!(meter.reading(), before, "blocks of another channel count are left out");
}

/// A mono programme that two speakers will play is 3 LU louder than on one.
#[test]
fn mono_may_count_twice() {
    let format = Format::new(Hz(48_000.0), 1).unwrap();
    let tone = tones(48_000, &[(5.0, -23.0)]);
    let mut once = Meter::new(format).unwrap();
    let mut twice = Meter::new(format).unwrap().with_weights(&[2.0]);
    once.process(&[&tone]);
    twice.process(&[&tone]);
    near("one speaker", 48_000, once.reading().integrated, -26.0, LOUDNESS);
    near("two speakers", 48_000, twice.reading().integrated, -23.0, LOUDNESS);
    assert_eq!(once.reading().correlation, None);
}
