//! What every processor promises, for all stages and the chain.

use crate::support::{BLOCKS, calls, delayed, format, music, prepared, run, same_bits};
use dsp_core::colour::{self, Character, Colour};
use dsp_core::dynamics::multiband::{self, Count, Detector, Multiband, Split};
use dsp_core::engines::master::{Master, MasterMoves};
use dsp_core::filters::{self, Band, Equaliser, LinearEqualiser, Phase, Shape, Slope};
use dsp_core::processor::Processor;
use dsp_core::stereo::{self, Stereo};
use dsp_core::units::{Db, Hz, Ms};

const RATES: [f64; 9] = [16_000.0, 22_050.0, 32_000.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 176_400.0, 192_000.0];
const CHANNELS: [usize; 3] = [1, 2, 6];

pub fn busy_equaliser() -> filters::Settings {
    let mut settings = filters::Settings::default();
    let shapes = [Shape::LowCut, Shape::LowShelf, Shape::Bell, Shape::Tilt, Shape::Bell, Shape::HighShelf, Shape::HighCut];
    let corners = [30.0, 120.0, 700.0, 1_000.0, 3_300.0, 9_000.0, 18_000.0];
    let slopes = [Slope::Db48, Slope::Db6, Slope::Db12, Slope::Db12, Slope::Db12, Slope::Db12, Slope::Db18];
    for (index, band) in settings.bands.iter_mut().take(7).enumerate() {
        let gain = Db([0.0, 3.0, -6.0, 2.0, 9.0, -3.0, 0.0][index]);
        *band = Band { on: true, shape: shapes[index], frequency: Hz(corners[index]), gain, q: 0.9, slope: slopes[index] };
    }
    settings
}

pub fn busy_dynamics(split: Split, count: Count, detector: Detector) -> multiband::Settings {
    let mut settings = multiband::Settings { on: true, split, count, detector, side_chain: Hz(60.0), link: 0.7, ..Default::default() };
    for (index, band) in settings.bands.iter_mut().enumerate() {
        band.gain = Db(index as f32 - 1.0);
        band.threshold = Db(-30.0);
        band.ratio = 3.0;
        band.up_threshold = Db(-40.0);
        band.up_ratio = 1.5;
        band.makeup = Db(1.5);
        band.release = Ms(60.0);
    }
    settings
}

pub fn busy_stereo() -> stereo::Settings {
    stereo::Settings { width: [0.2, 1.3, 1.8], mono_below: Hz(110.0), mono_loss: Db(2.0), ..Default::default() }
}

pub fn busy_colour(character: Character) -> colour::Settings {
    colour::Settings { on: true, character, drive: Db(9.0), mix: 0.7 }
}

pub fn busy_moves(phase: Phase, split: Split) -> MasterMoves {
    MasterMoves {
        input: Db(2.0),
        equaliser_phase: phase,
        equaliser: busy_equaliser(),
        dynamics: busy_dynamics(split, Count::Four, Detector::Rms),
        stereo: busy_stereo(),
        colour: busy_colour(Character::Tube),
        limiter_drive: Db(8.0),
        ..MasterMoves::default()
    }
}

/// One processor at one format over all blocks; what a reset forgets; bad samples; silence; memory.
fn promise<P: Processor + Default>(name: &str, settings: &P::Settings, rate: f64, channels: usize) {
    let about = format!("{name}, {rate} Hz, {channels} channels");
    let mut processor: P = prepared(rate, channels);
    let input = music(rate, 0.2, channels, 5);
    let whole = run(&mut processor, &input, settings, usize::MAX >> 1);
    assert!(whole.iter().flatten().all(|x| x.is_finite()), "{about}: not finite");
    for block in BLOCKS {
        processor.reset();
        let cut = run(&mut processor, &input, settings, block);
        same_bits(&whole, &cut).unwrap_or_else(|e| panic!("{about}, blocks of {block}: {e}"));
    }
    // What is no sound is silence, to the bit.
    let mut bad = input.clone();
    let mut clean = input.clone();
    for (n, fault) in [f32::NAN, f32::INFINITY, -1e30, 1e-30, f32::NEG_INFINITY].into_iter().enumerate() {
        for channel in 0..channels {
            let at = 200 * (n + 1) + 31 * channel;
            bad[channel][at] = fault;
            clean[channel][at] = 0.0;
        }
    }
    processor.reset();
    let from_bad = run(&mut processor, &bad, settings, 480);
    processor.reset();
    let from_clean = run(&mut processor, &clean, settings, 512);
    same_bits(&from_bad, &from_clean).unwrap_or_else(|e| panic!("{about}, bad samples: {e}"));
    // Silence gives silence, from the start and at last after sound.
    processor.reset();
    let length = (0.1 * rate) as usize;
    let silence = vec![vec![0.0; length]; channels];
    let out = run(&mut processor, &silence, settings, 480);
    assert!(out.iter().flatten().all(|&x| x == 0.0), "{about}: silence sounds");
    // Nothing asks for memory, whatever follows.
    let mut audio = input.clone();
    let mut slices: Vec<&mut [f32]> = audio.iter_mut().map(Vec::as_mut_slice).collect();
    let made = calls(|| {
        processor.process(&mut slices, settings, &mut ());
        std::hint::black_box(processor.latency(settings));
        processor.reset();
    });
    assert_eq!(made, 0, "{about}: calls of the allocator");
}

fn promises<P: Processor + Default>(name: &str, all: &[P::Settings]) {
    for rate in RATES {
        for channels in CHANNELS {
            // All rates in stereo, and all channel counts at one rate.
            if channels == 2 || rate == 48_000.0 {
                all.iter().for_each(|settings| promise::<P>(name, settings, rate, channels));
            }
        }
    }
}

#[test]
fn equaliser() {
    promises::<Equaliser>("equaliser", &[busy_equaliser(), filters::Settings::default()]);
}

#[test]
fn linear_equaliser() {
    promises::<LinearEqualiser>("linear equaliser", &[busy_equaliser(), filters::Settings::default()]);
}

#[test]
fn multiband() {
    promises::<Multiband>(
        "multiband",
        &[
            busy_dynamics(Split::Shelves, Count::Four, Detector::Rms),
            busy_dynamics(Split::Crossover, Count::Three, Detector::Peak),
            busy_dynamics(Split::Linear, Count::Four, Detector::Rms),
            multiband::Settings::default(),
        ],
    );
}

#[test]
fn stereo() {
    promises::<Stereo>("stereo", &[busy_stereo(), stereo::Settings::default()]);
}

#[test]
fn colour() {
    promises::<Colour>(
        "colour",
        &[busy_colour(Character::Tube), busy_colour(Character::Tape), busy_colour(Character::Transformer), colour::Settings::default()],
    );
}

#[test]
fn chain() {
    promises::<Master>(
        "master",
        &[busy_moves(Phase::Minimum, Split::Shelves), busy_moves(Phase::Linear, Split::Linear), MasterMoves::default()],
    );
}

/// Neutral settings give the delayed input bit for bit.
fn neutral<P: Processor + Default>(name: &str, settings: &P::Settings) {
    for rate in [44_100.0, 48_000.0, 96_000.0] {
        for channels in CHANNELS {
            let mut processor: P = prepared(rate, channels);
            let input = music(rate, 0.8, channels, 9);
            let out = run(&mut processor, &input, settings, 0);
            let truth = delayed(&input, processor.latency(settings));
            same_bits(&truth, &out).unwrap_or_else(|e| panic!("{name}, {rate} Hz, {channels} channels: {e}"));
        }
    }
}

#[test]
fn neutral_stages_pass_the_bits() {
    let zero = |shape| Band { on: true, shape, gain: Db(0.0), ..Band::default() };
    let mut flat = filters::Settings::default();
    for (band, shape) in flat.bands.iter_mut().zip([Shape::Bell, Shape::LowShelf, Shape::HighShelf, Shape::Tilt]) {
        *band = zero(shape);
    }
    neutral::<Equaliser>("equaliser with gains of 0", &flat);
    neutral::<LinearEqualiser>("linear equaliser with gains of 0", &flat);
    let at_rest = |split| multiband::Settings { on: true, split, ..Default::default() };
    neutral::<Multiband>("shelves at rest", &at_rest(Split::Shelves));
    neutral::<Multiband>("linear split at rest", &at_rest(Split::Linear));
    neutral::<Multiband>(
        "multiband off",
        &multiband::Settings { on: false, ..busy_dynamics(Split::Crossover, Count::Four, Detector::Rms) },
    );
    neutral::<Stereo>("stereo", &stereo::Settings::default());
    neutral::<Stereo>("stereo with a guard that has nothing to do", &stereo::Settings { mono_loss: Db(11.0), ..Default::default() });
    neutral::<Colour>("colour", &colour::Settings::default());
    neutral::<Colour>("colour without mix", &colour::Settings { on: true, mix: 0.0, drive: Db(18.0), ..Default::default() });
    let quiet = MasterMoves { limiter_on: false, ..MasterMoves::default() };
    neutral::<Master>("chain", &quiet);
    neutral::<Master>("bypassed chain", &MasterMoves { bypass: true, ..busy_moves(Phase::Minimum, Split::Crossover) });
    neutral::<Master>("bypassed linear chain", &MasterMoves { bypass: true, ..busy_moves(Phase::Linear, Split::Linear) });
}

/// Any rate a validator asks for: finite, and no panic.
#[test]
fn absurd_rates_do_not_break() {
    for rate in [1_000.0, 3_000.0, 8_000.0, 384_000.0, 2_000_000.0] {
        let moves = busy_moves(Phase::Linear, Split::Linear);
        let mut processor: Master = prepared(rate, 2);
        let out = run(&mut processor, &music(rate, 0.05, 2, 1), &moves, 333);
        assert!(out.iter().flatten().all(|x| x.is_finite()), "{rate} Hz");
        let moves = busy_moves(Phase::Minimum, Split::Crossover);
        let out = run(&mut processor, &music(rate, 0.05, 2, 1), &moves, 333);
        assert!(out.iter().flatten().all(|x| x.is_finite()), "{rate} Hz");
    }
    assert!(Master::new().prepare(format(48_000.0, 64)).is_ok());
}

/// A tail that decays through the smallest numbers costs no more than sound: after a burst of noise,
/// seconds of silence.
#[test]
fn denormals_cost_nothing() {
    let moves = busy_moves(Phase::Minimum, Split::Crossover);
    let mut processor: Master = prepared(48_000.0, 2);
    let time = |processor: &mut Master, input: &Vec<Vec<f32>>| {
        (0..3)
            .map(|_| {
                let start = std::time::Instant::now();
                std::hint::black_box(run(processor, input, &moves, 512));
                start.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min)
    };
    let sounding = time(&mut processor, &music(48_000.0, 2.0, 2, 4));
    let fading = time(&mut processor, &vec![vec![0.0; 96_000]; 2]);
    assert!(fading < 2.5 * sounding, "{fading} s for a tail, {sounding} s for sound");
}
