//! What the stems promise, whatever the net has learned.

use dsp_core::engines::stems::{Bounce, Outputs, Quality, STEMS, Settings, StemFrame, Stems, Strip, Task};
use dsp_core::processor::{Frame, Observer, Processor};
use dsp_core::units::Db;
use plainsong_tests::audio::{delayed, impulse, music, scaled, song, white};
use plainsong_tests::engine::{Blocks, format, loaded, run_fresh};
use plainsong_tests::measure::{null_db, peak, peak_at, same_bits};

const RATE: f64 = 48_000.0;
/// Sums are right to this, in dBFS.
const SUM_DB: f64 = -100.0;

/// All outputs of a run, `[stem][channel][sample]`.
type Parts = Vec<Vec<Vec<f32>>>;

/// Both paths of songs, and that of dialogue.
fn ways() -> [Settings; 3] {
    let usual = Settings::default();
    [usual, Settings { low_latency: true, ..usual }, Settings { task: Task::Dialogue, ..usual }]
}

/// Runs with separate outputs, from a reset; what outputs held before is rubbish.
fn run_parts(
    engine: &mut Stems,
    input: &[Vec<f32>],
    settings: &Settings,
    blocks: Blocks,
    observer: &mut dyn Observer,
) -> (Vec<Vec<f32>>, Parts) {
    engine.reset();
    let mut main = input.to_vec();
    let mut parts: Parts = vec![vec![vec![9.0; input[0].len()]; input.len()]; STEMS];
    let mut start = 0;
    for length in blocks.lengths(input[0].len()) {
        let range = start..start + length;
        let mut block: Vec<&mut [f32]> = main.iter_mut().map(|channel| &mut channel[range.clone()]).collect();
        let mut slices: Vec<Vec<&mut [f32]>> =
            parts.iter_mut().map(|stem| stem.iter_mut().map(|channel| &mut channel[range.clone()]).collect()).collect();
        let mut outputs: Vec<&mut [&mut [f32]]> = slices.iter_mut().map(Vec::as_mut_slice).collect();
        engine.process_outputs(&mut block, &mut outputs, settings, observer);
        start += length;
    }
    (main, parts)
}

fn sum(parts: &[Vec<Vec<f32>>]) -> Vec<Vec<f32>> {
    let mut all = parts[0].clone();
    for part in &parts[1..] {
        for (sums, channel) in all.iter_mut().zip(part) {
            sums.iter_mut().zip(channel).for_each(|(sum, sample)| *sum += sample);
        }
    }
    all
}

/// Songs that no studio sends, with their names.
fn odd(rate: f64) -> Vec<(&'static str, Vec<Vec<f32>>)> {
    let usual = song(rate, 0.6, 2, 3);
    let one = &usual[0];
    let against: Vec<f32> = one.iter().map(|x| -x).collect();
    let clipped: Vec<Vec<f32>> = scaled(&usual, 20.0).iter().map(|channel| channel.iter().map(|x| x.clamp(-1.0, 1.0)).collect()).collect();
    // A mean of four samples, twice: little is left above a quarter of the band.
    let dull = |channel: &Vec<f32>| -> Vec<f32> {
        let mean = |from: &[f32]| (0..from.len()).map(|n| from[n.saturating_sub(3)..=n].iter().sum::<f32>() / 4.0).collect::<Vec<f32>>();
        mean(&mean(channel))
    };
    let mut broken = usual.clone();
    broken[1][5_000..5_050].fill(f32::NAN);
    vec![
        ("a song", usual.clone()),
        ("mono", vec![one.clone(), one.clone()]),
        ("one side only", vec![vec![0.0; one.len()], one.clone()]),
        ("out of phase", vec![one.clone(), against]),
        ("without highs", usual.iter().map(dull).collect()),
        ("clipped", clipped),
        ("noise", vec![white(one.len(), 0.5, 7), white(one.len(), 0.5, 8)]),
        ("silence", vec![vec![0.0; one.len()]; 2]),
        ("not a number", broken),
    ]
}

/// Whatever goes in: stems before the faders add up to the delayed input, the main output is it bit for
/// bit, and it is the same with outputs as without.
#[test]
fn stems_add_up_whatever_goes_in() {
    for rate in [16_000.0, 44_100.0, RATE, 96_000.0] {
        let mut engine: Stems = loaded(rate, 2);
        for settings in ways() {
            for (name, input) in odd(rate) {
                let settings = Settings { outputs: Outputs::Before, focus: 0.4, ..settings };
                let (main, parts) = run_parts(&mut engine, &input, &settings, Blocks::Mixed(5), &mut ());
                let clean: Vec<Vec<f32>> =
                    input.iter().map(|channel| channel.iter().map(|x| if x.is_finite() { *x } else { 0.0 }).collect()).collect();
                let dry = delayed(&clean, engine.latency(&settings));
                same_bits(&main, &dry).unwrap_or_else(|e| panic!("{rate} Hz, {name}: {e}"));
                let null = null_db(&sum(&parts), &dry, 0);
                assert!(null < SUM_DB, "{rate} Hz, {name}, {:?}: {null:.1} dBFS", settings.task);
                assert!(parts.iter().flatten().flatten().all(|x| x.is_finite()));
                if name == "a song" {
                    let stems = settings.strips().len();
                    let heard = parts.iter().filter(|part| peak(part) > 1e-4).count();
                    assert_eq!(heard, stems, "{rate} Hz: each stem of the task has something, outputs beyond are silent");
                }
                let alone = run_fresh(&mut engine, &input, &settings, Blocks::Of(512));
                same_bits(&main, &alone).unwrap_or_else(|e| panic!("{rate} Hz, {name}, without outputs: {e}"));
            }
        }
    }
}

/// Behind the faders outputs add up to the main one, with one channel and many; blocks make no difference.
#[test]
fn outputs_after_the_faders_add_up_to_the_main_one() {
    for channels in [1, 2, 3, 6] {
        let mut engine: Stems = loaded(44_100.0, channels);
        let input = song(44_100.0, 0.5, channels, 6);
        for settings in ways() {
            let mut settings = Settings { output: Db(-2.0), ..settings };
            settings.stems[0] = Strip { gain: Db(6.0), pan: -0.7, ..Strip::default() };
            settings.stems[2] = Strip { mute: true, ..Strip::default() };
            settings.dialogue[1] = Strip { gain: Db(-9.0), width: 0.2, ..Strip::default() };
            let (main, parts) = run_parts(&mut engine, &input, &settings, Blocks::Of(480), &mut ());
            let null = null_db(&sum(&parts), &main, 0);
            assert!(null < SUM_DB, "{channels} channels: {null:.1} dBFS");
            for blocks in [Blocks::Of(1), Blocks::Of(4096), Blocks::Mixed(9)] {
                let (again, others) = run_parts(&mut engine, &input, &settings, blocks, &mut ());
                same_bits(&main, &again).unwrap_or_else(|e| panic!("{channels} channels, {blocks:?}: {e}"));
                for (part, other) in parts.iter().zip(&others) {
                    same_bits(part, other).unwrap_or_else(|e| panic!("{channels} channels, {blocks:?}: {e}"));
                }
            }
        }
    }
}

/// A host may leave outputs out, or give them fewer channels.
#[test]
fn outputs_that_are_not_there_are_left_out() {
    let input = song(RATE, 0.3, 2, 4);
    let mut engine: Stems = loaded(RATE, 2);
    let settings = Settings { outputs: Outputs::Before, ..Settings::default() };
    let (_, whole) = run_parts(&mut engine, &input, &settings, Blocks::Of(512), &mut ());
    engine.reset();
    let mut main = input.clone();
    let mut drums = vec![0.0_f32; input[0].len()];
    let mut wide = vec![vec![5.0_f32; input[0].len()]; 3];
    for at in (0..main[0].len()).step_by(512) {
        let end = main[0].len().min(at + 512);
        let mut block: Vec<&mut [f32]> = main.iter_mut().map(|channel| &mut channel[at..end]).collect();
        let mut one = [&mut drums[at..end]];
        let mut three: Vec<&mut [f32]> = wide.iter_mut().map(|channel| &mut channel[at..end]).collect();
        let mut empty: [&mut [f32]; 2] = [&mut [], &mut []];
        engine.process_outputs(&mut block, &mut [&mut [], &mut one, &mut empty, &mut three], &settings, &mut ());
    }
    assert_eq!(drums, whole[1][0]);
    assert_eq!(wide[..2], whole[3][..]);
    assert!(wide[2].iter().all(|&x| x == 0.0), "a channel beyond the main output's is silent");
}

#[test]
fn delays_are_those_that_are_stated() {
    for rate in [8_000.0, 22_050.0, 44_100.0, RATE, 96_000.0, 192_000.0] {
        let engine: Stems = loaded(rate, 1);
        for (settings, ms) in ways().iter().zip([45.0, 22.5, 45.0]) {
            let delay = engine.latency(settings) as f64 / rate * 1_000.0;
            assert!(delay <= ms + 1e-9 && delay > ms - 0.5, "{rate} Hz: {delay} ms of {ms}");
        }
    }
}

/// A file of one channel and the same on two give the same stems.
#[test]
fn mono_is_mono() {
    let one = song(RATE, 0.5, 1, 8);
    let both = vec![one[0].clone(), one[0].clone()];
    let settings = Settings { outputs: Outputs::Before, ..Settings::default() };
    let (_, single) = run_parts(&mut loaded(RATE, 1), &one, &settings, Blocks::Of(512), &mut ());
    let (_, pair) = run_parts(&mut loaded(RATE, 2), &both, &settings, Blocks::Of(512), &mut ());
    for (single, pair) in single.iter().zip(&pair) {
        assert!(single[0] == pair[0] && single[0] == pair[1]);
    }
}

/// Task and latency mode change while a tone plays: it fades out and in without a click, and comes back with
/// the other delay.
#[test]
fn a_change_of_path_fades() {
    let tone: Vec<f32> = (0..96_000).map(|n| 0.1 * (std::f32::consts::TAU * 200.0 * n as f32 / RATE as f32).sin()).collect();
    let [standard, low, dialogue] = ways();
    for (from, to) in [(standard, low), (low, dialogue), (dialogue, standard)] {
        let mut engine: Stems = loaded(RATE, 1);
        let mut out = tone.clone();
        for (index, block) in out.chunks_mut(441).enumerate() {
            engine.process(&mut [block], if index < 100 { &from } else { &to }, &mut ());
        }
        let step = out.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.01, "a step of {step}");
        let late = engine.latency(&to);
        let end = 70_000;
        assert_eq!(out[end..], tone[end - late..tone.len() - late]);
    }
}

/// What is heard of a tone in a stem is as smooth at the borders of frames as between them.
#[test]
fn borders_of_frames_do_not_click() {
    let tone: Vec<Vec<f32>> = (0..2)
        .map(|side| (0..96_000).map(|n| 0.3 * (std::f32::consts::TAU * 330.0 * n as f32 / RATE as f32 + side as f32).sin()).collect())
        .collect();
    for settings in ways() {
        let settings = Settings { outputs: Outputs::Before, ..settings };
        let mut engine: Stems = loaded(RATE, 2);
        let (_, parts) = run_parts(&mut engine, &tone, &settings, Blocks::Of(512), &mut ());
        let hop = (RATE * 0.01) as usize;
        for part in &parts[..settings.strips().len()] {
            // Third differences hear a step and not the tone.
            let bends: Vec<f32> = part[0][48_000..].windows(4).map(|x| (x[3] - 3.0 * x[2] + 3.0 * x[1] - x[0]).abs()).collect();
            let border = (engine.latency(&settings) + 1) % hop;
            let worst = |at_border: bool| {
                let near = |n: usize| (n + 48_000 + 2 + hop - border) % hop < 6;
                bends.iter().enumerate().filter(|(n, _)| near(*n) == at_border).map(|(_, bend)| *bend).fold(0.0, f32::max)
            };
            assert!(worst(true) < 2.0 * worst(false) + 1e-5, "{} at borders, {} between", worst(true), worst(false));
        }
    }
}

/// Content over 24 kHz is taken apart too.
#[test]
fn nothing_is_cut_off_above_the_models_band() {
    let rate = 96_000.0;
    let input = vec![white(48_000, 0.2, 1), white(48_000, 0.2, 2)];
    let settings = Settings { outputs: Outputs::Before, ..Settings::default() };
    let (_, parts) = run_parts(&mut loaded(rate, 2), &input, &settings, Blocks::Of(512), &mut ());
    let high = |part: &[f32]| {
        // Every second sample turned: what was above 24 kHz is below, and a mean of eight keeps that.
        let turned: Vec<f32> = part.iter().enumerate().map(|(n, x)| if n % 2 == 0 { *x } else { -x }).collect();
        turned.windows(8).skip(20_000).map(|x| f64::from(x.iter().sum::<f32>() / 8.0).powi(2)).sum::<f64>()
    };
    let all = high(&delayed(&input, 0)[0]);
    for (stem, part) in parts.iter().enumerate() {
        assert!(high(&part[0]) > 1e-7 * all, "stem {stem} has nothing up there");
    }
}

/// Values of each stem's sides.
type Sides = [[f32; 2]; STEMS];

/// What the frames tell is what goes out.
#[derive(Default)]
struct Told {
    frames: Vec<(Sides, Sides)>,
    bands: Vec<[f32; STEMS]>,
    plain: usize,
}

impl Observer for Told {
    fn frame(&mut self, _: &Frame<'_>) {
        self.plain += 1;
        assert_eq!(self.plain, self.frames.len(), "stems come before the frame they belong to");
    }

    fn stems(&mut self, frame: &StemFrame<'_>) {
        self.frames.push((frame.peaks, frame.levels));
        assert!(frame.band_hz.is_sorted() && frame.seconds > 0.0 && frame.age > 0.0 && !frame.late);
        self.bands.extend(frame.bands.map(|bands| bands.map(|powers| powers.iter().sum())));
    }
}

#[test]
fn frames_tell_what_goes_out() {
    let input = song(RATE, 0.6, 2, 5);
    let mut faded = Settings { outputs: Outputs::After, ..Settings::default() };
    faded.stems[1].gain = Db(-6.0);
    let mut engine: Stems = loaded(RATE, 2);
    let mut told = Told::default();
    let (_, after) = run_parts(&mut engine, &input, &faded, Blocks::Of(333), &mut told);
    let (_, before) = run_parts(&mut engine, &input, &Settings { outputs: Outputs::Before, ..faded }, Blocks::Of(333), &mut ());
    let (hop, lag) = (480, 240);
    assert!(told.bands.len() >= told.frames.len() / 4 && told.bands.iter().skip(4).all(|sums| sums.iter().all(|x| *x > 0.0)));
    for (number, (peaks, levels)) in told.frames.iter().enumerate() {
        // The hop that a frame tells of begins where it was told.
        let range = number * hop + lag..((number + 1) * hop + lag).min(input[0].len());
        if range.len() < hop {
            continue;
        }
        for stem in 0..STEMS {
            for side in 0..2 {
                let most = |part: &Parts| part[stem][side][range.clone()].iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                assert!((most(&before) - peaks[stem][side]).abs() < 1e-6, "frame {number}, stem {stem}");
                assert!((most(&after) - levels[stem][side]).abs() < 1e-6, "frame {number}, stem {stem}");
            }
        }
    }
}

/// A bounce, run to its end: main output and stems with the delay taken off.
fn bounce(input: &[Vec<f32>], settings: &Settings, quality: Quality, rate: f64) -> (Vec<Vec<f32>>, Parts) {
    let mut bounce = Bounce::new(format(rate, input.len()), settings, quality, None).expect("the built-in models");
    let (length, late) = (input[0].len(), bounce.latency());
    let mut main = vec![Vec::new(); input.len()];
    let mut parts: Parts = vec![vec![Vec::new(); input.len()]; settings.strips().len()];
    let padded: Vec<Vec<f32>> = input.iter().map(|channel| channel.iter().copied().chain(vec![0.0; late]).collect()).collect();
    let mut start = 0;
    for size in Blocks::Mixed(3).lengths(length + late) {
        let mut block: Vec<Vec<f32>> = padded.iter().map(|channel| channel[start..start + size].to_vec()).collect();
        let mut slices: Vec<&mut [f32]> = block.iter_mut().map(Vec::as_mut_slice).collect();
        bounce.process(&mut slices, &mut ());
        main.iter_mut().zip(&block).for_each(|(all, part)| all.extend_from_slice(part));
        for (all, part) in parts.iter_mut().flatten().zip(bounce.stems().iter().flatten()) {
            all.extend_from_slice(part);
        }
        start += size;
    }
    main.iter_mut().chain(parts.iter_mut().flatten()).for_each(|channel| {
        channel.drain(..late);
    });
    (main, parts)
}

/// Every quality: stems add up to the input, in their places, and unity is the input bit for bit.
#[test]
fn bounces_add_up_and_stand_in_their_places() {
    for (rate, channels) in [(44_100.0, 2), (16_000.0, 1), (RATE, 3)] {
        let input = song(rate, 1.0, channels, 12);
        for settings in ways() {
            for quality in Quality::ALL {
                let (main, parts) = bounce(&input, &settings, quality, rate);
                same_bits(&main, &input).unwrap_or_else(|e| panic!("{rate} Hz, {quality:?}: {e}"));
                let null = null_db(&sum(&parts), &input, 0);
                assert!(null < SUM_DB, "{rate} Hz, {quality:?}: {null:.1} dBFS");
                assert!(parts.iter().all(|part| peak(part) > 1e-4), "{rate} Hz, {quality:?}: a stem is empty");
            }
        }
    }
    let (main, parts) = bounce(&[impulse(20_000, 7_777)], &Settings::default(), Quality::Best, RATE);
    assert_eq!((peak_at(&main[0]), peak_at(&sum(&parts)[0])), (7_777, 7_777));
}

/// A fast bounce is what the plugin plays; the better ones are its mean and not something else.
#[test]
fn a_fast_bounce_is_what_the_plugin_plays() {
    let input = vec![music(RATE, 2.0, 3), song(RATE, 2.0, 1, 4).swap_remove(0)];
    let mut settings = Settings { outputs: Outputs::Before, ..Settings::default() };
    settings.stems[0].gain = Db(-9.0);
    let mut engine: Stems = loaded(RATE, 2);
    let late = engine.latency(&settings);
    let (main, parts) = run_parts(&mut engine, &input, &settings, Blocks::Of(512), &mut ());
    let (fast, stems) = bounce(&input, &settings, Quality::Fast, RATE);
    let cut = |all: &[Vec<f32>], from: usize| -> Vec<Vec<f32>> {
        all.iter().map(|channel| channel[from..from + input[0].len() - late].to_vec()).collect()
    };
    same_bits(&cut(&main, late), &cut(&fast, 0)).expect("the main output");
    for (part, stem) in parts.iter().zip(&stems) {
        same_bits(&cut(part, late), &cut(stem, 0)).expect("a stem");
    }
    settings.task = Task::Dialogue;
    let [(_, stems), (_, good)] = [Quality::Fast, Quality::Good].map(|quality| bounce(&input, &settings, quality, RATE));
    for (stem, good) in stems.iter().zip(&good) {
        let level = 20.0 * f64::from(peak(stem)).log10();
        assert!(null_db(stem, good, 4_800) < level - 3.0, "the mean of two passes is near each of them");
    }
}
