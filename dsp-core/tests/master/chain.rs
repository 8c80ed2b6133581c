//! The chain: the stages in their order, its delays, its changes, its cost.

use crate::promises::busy_moves;
use crate::support::{Audio, delayed, format, level, music, prepared, processor_seconds, run, same_bits, sine};
use dsp_core::colour::Colour;
use dsp_core::dynamics::limiter::TruePeakLimiter;
use dsp_core::dynamics::multiband::{Multiband, Split};
use dsp_core::engines::master::{Listen, Master, MasterMoves};
use dsp_core::filters::{Equaliser, LinearEqualiser, Phase};
use dsp_core::loudness::Meter;
use dsp_core::processor::Processor;
use dsp_core::stereo::Stereo;
use dsp_core::units::{Db, Hz};

/// The chain is its stages one after the other, to the bit.
#[test]
fn the_chain_is_its_stages() {
    let rate = 48_000.0;
    for (phase, split) in [(Phase::Minimum, Split::Shelves), (Phase::Linear, Split::Crossover), (Phase::Minimum, Split::Linear)] {
        let moves = busy_moves(phase, split);
        let input = music(rate, 1.0, 2, 31);
        let mut chain: Master = prepared(rate, 2);
        let out = run(&mut chain, &input, &moves, 700);
        let gain = |audio: &mut Vec<Vec<f32>>, db: Db| audio.iter_mut().flatten().for_each(|x| *x *= db.to_linear());
        let mut audio = input.clone();
        gain(&mut audio, moves.input);
        audio = match phase {
            Phase::Minimum => run(&mut prepared::<Equaliser>(rate, 2), &audio, &moves.equaliser, 512),
            Phase::Linear => run(&mut prepared::<LinearEqualiser>(rate, 2), &audio, &moves.equaliser, 512),
        };
        audio = run(&mut prepared::<Multiband>(rate, 2), &audio, &moves.dynamics, 512);
        audio = run(&mut prepared::<Stereo>(rate, 2), &audio, &moves.stereo, 512);
        audio = run(&mut prepared::<Colour>(rate, 2), &audio, &moves.colour, 512);
        gain(&mut audio, moves.limiter_drive);
        audio.iter_mut().for_each(|channel| dsp_core::sample::usable_all(channel));
        let mut slices: Vec<&mut [f32]> = audio.iter_mut().map(Vec::as_mut_slice).collect();
        TruePeakLimiter::new(format(rate, 2)).process(&mut slices, &moves.limit);
        same_bits(&audio, &out).unwrap_or_else(|e| panic!("{phase:?}, {split:?}: {e}"));
    }
}

/// An impulse under the ceiling comes out at the latency that is reported, for every structure.
#[test]
fn latency_is_what_is_reported() {
    for rate in [44_100.0, 48_000.0, 96_000.0, 192_000.0] {
        for phase in [Phase::Minimum, Phase::Linear] {
            for split in [Split::Shelves, Split::Crossover, Split::Linear] {
                let mut moves = MasterMoves { equaliser_phase: phase, ..MasterMoves::default() };
                moves.dynamics.split = split;
                moves.dynamics.on = split != Split::Crossover;
                let mut chain: Master = prepared(rate, 2);
                let latency = chain.latency(&moves);
                let mut input = vec![vec![0.0; latency + 2_000]; 2];
                input[0][123] = 0.5;
                input[1][123] = 0.25;
                let out = run(&mut chain, &input, &moves, 512);
                assert_eq!(out[0].iter().position(|&x| x != 0.0), Some(123 + latency), "{rate} Hz, {phase:?}, {split:?}");
                assert_eq!((out[0][123 + latency], out[1][123 + latency]), (0.5, 0.25));
            }
        }
    }
}

/// A change of structure fades out and in; on the way nothing clicks, and afterwards the chain plays as
/// if it had always been so.
#[test]
fn a_change_of_structure_fades() {
    let rate = 48_000.0;
    let tone = sine(200.0, 0.3, rate, 96_000);
    let first = MasterMoves::default();
    let second = MasterMoves { equaliser_phase: Phase::Linear, ..first };
    let mut outs = Vec::new();
    for block in [64, 480, 48_000] {
        let mut chain: Master = prepared(rate, 1);
        let mut audio = tone.clone();
        for (n, half) in audio.chunks_mut(48_000).enumerate() {
            for piece in half.chunks_mut(block) {
                chain.process(&mut [piece], if n == 0 { &first } else { &second }, &mut ());
            }
        }
        outs.push(vec![audio]);
    }
    same_bits(&outs[0], &outs[1]).expect("blocks of 64 and 480");
    same_bits(&outs[0], &outs[2]).expect("blocks of 64 and 48000");
    let out = &outs[0][0];
    let bend = out[4_800..].windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs()).fold(0.0, f32::max);
    assert!(bend < 0.001, "a bend of {bend}");
    let chain: Master = prepared(rate, 1);
    let latency = chain.latency(&second);
    for n in 90_000..96_000 {
        assert_eq!(out[n], dsp_core::sample::usable(tone[n - latency]), "sample {n}");
    }
}

/// With *match* the master is as loud as what came in, so that bypass and A/B compare sound and not level; what
/// is heard in bypass is the delayed input itself.
#[test]
fn a_matched_master_is_no_louder() {
    let rate = 48_000.0;
    let input = music(rate, 12.0, 2, 6);
    let loudness = |audio: &Audio| {
        let mut meter = Meter::new(format(rate, 2)).expect("a format in range");
        let tail: Vec<&[f32]> = audio.iter().map(|channel| &channel[240_000..]).collect();
        meter.process(&tail);
        meter.reading().integrated.expect("sound")
    };
    for drive in [-6.0, 4.0, 12.0] {
        let mut moves = busy_moves(Phase::Minimum, Split::Shelves);
        moves.limiter_drive = Db(drive);
        let louder = loudness(&run(&mut prepared::<Master>(rate, 2), &input, &moves, 512)) - loudness(&input);
        let matched = MasterMoves { matched: true, ..moves };
        let off = loudness(&run(&mut prepared::<Master>(rate, 2), &input, &matched, 512)) - loudness(&input);
        println!("drive {drive} dB: {louder:+.2} LU, matched {off:+.2} LU");
        assert!(off.abs() < 0.5 && louder.abs() > 2.0, "drive {drive}: {louder:+.2} LU, matched {off:+.2}");
        let mut chain: Master = prepared(rate, 2);
        let out = run(&mut chain, &input, &MasterMoves { bypass: true, ..matched }, 512);
        same_bits(&out, &delayed(&input, chain.latency(&moves))).expect("bypass is the delayed input");
    }
}

/// Bypass and limiter move without a step.
#[test]
fn switches_make_no_click() {
    let rate = 48_000.0;
    let mut audio = sine(200.0, 0.3, rate, 192_000);
    let mut chain: Master = prepared(rate, 1);
    for (n, piece) in audio.chunks_mut(9_600).enumerate() {
        let moves = MasterMoves {
            bypass: n % 4 == 1,
            limiter_on: n % 3 != 0,
            limiter_drive: Db(if n % 5 < 2 { 6.0 } else { 0.0 }),
            input: Db(if n % 2 == 0 { -6.0 } else { 0.0 }),
            stereo_on: n % 2 == 0,
            ..MasterMoves::default()
        };
        chain.process(&mut [piece], &moves, &mut ());
    }
    let bend = audio[4_800..].windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs()).fold(0.0, f32::max);
    assert!(bend < 0.001, "a bend of {bend}");
}

/// The ceiling holds behind everything else (samples; the limiter's own tests hold true peaks).
#[test]
fn the_ceiling_holds() {
    let moves = MasterMoves { limiter_drive: Db(15.0), ..busy_moves(Phase::Minimum, Split::Shelves) };
    let mut chain: Master = prepared(48_000.0, 2);
    let out = run(&mut chain, &music(48_000.0, 2.0, 2, 3), &moves, 512);
    let most = out.iter().flatten().fold(0.0_f32, |most, x| most.max(x.abs()));
    assert!(most <= Db(-0.95).to_linear(), "{most}");
    assert!(level(&out[0]) > -20.0);
}

/// Master and what was changed add up to the delayed input with its gains.
#[test]
fn master_and_removed_add_up() {
    let moves = busy_moves(Phase::Minimum, Split::Shelves);
    let input = music(48_000.0, 1.0, 2, 3);
    let mut chain: Master = prepared(48_000.0, 2);
    let latency = chain.latency(&moves);
    let kept = run(&mut chain, &input, &moves, 512);
    chain.reset();
    let removed = run(&mut chain, &input, &MasterMoves { listen: Listen::Removed, ..moves }, 333);
    let gain = Db(moves.input.0 + moves.limiter_drive.0).to_linear();
    for n in latency..input[0].len() {
        let sum = kept[0][n] + removed[0][n];
        assert!((sum - gain * input[0][n - latency]).abs() < 1e-5, "sample {n}: {sum}");
    }
    // A gain alone changes nothing.
    chain.reset();
    let louder = MasterMoves { input: Db(-6.0), listen: Listen::Removed, ..MasterMoves::default() };
    let nothing = run(&mut chain, &input, &louder, 512);
    assert!(nothing.iter().flatten().all(|x| x.abs() < 1e-6));
}

#[test]
fn readings_tell_what_is_done() {
    let mut moves = busy_moves(Phase::Minimum, Split::Shelves);
    moves.limiter_drive = Db(12.0);
    moves.dynamics.side_chain = Hz(0.0);
    let mut chain: Master = prepared(48_000.0, 2);
    run(&mut chain, &music(48_000.0, 2.0, 2, 3), &moves, 512);
    let readings = chain.readings().expect("prepared");
    assert_eq!(readings.bands.len(), 4);
    assert!(readings.bands.iter().any(|band| band.gain < -1.0), "{readings:?}");
    assert!(readings.limiter < 0.9 && readings.stereo.mono_loss.is_finite(), "{readings:?}");
    assert_eq!(chain.readings().expect("prepared").limiter, 1.0, "read and cleared");
}

/// Processor time over time of sound, stereo at 48 kHz with every stage and band at work, best of five:
/// the chain with the limiter stays under 0.06. Other work on the machine can only make it slower.
#[test]
fn the_whole_chain_costs_little() {
    let input = music(48_000.0, 5.0, 2, 3);
    let cost = |moves: &MasterMoves| {
        let mut chain: Master = prepared(48_000.0, 2);
        (0..5)
            .map(|_| {
                let start = processor_seconds();
                std::hint::black_box(run(&mut chain, &input, moves, 512));
                (processor_seconds() - start) / 5.0
            })
            .fold(f64::INFINITY, f64::min)
    };
    let mut all = busy_moves(Phase::Minimum, Split::Crossover);
    for (index, band) in all.equaliser.bands.iter_mut().enumerate() {
        band.on = true;
        band.gain = Db(if index % 2 == 0 { 3.0 } else { -3.0 });
    }
    let one = |change: fn(&mut MasterMoves)| {
        let mut moves = MasterMoves::default();
        change(&mut moves);
        cost(&moves)
    };
    let equaliser = MasterMoves { equaliser: all.equaliser, ..MasterMoves::default() };
    let costs = [
        ("equaliser alone", cost(&equaliser)),
        ("crossover alone", one(|moves| moves.dynamics = busy_moves(Phase::Minimum, Split::Crossover).dynamics)),
        ("shelves alone", one(|moves| moves.dynamics = busy_moves(Phase::Minimum, Split::Shelves).dynamics)),
        ("stereo alone", one(|moves| moves.stereo = busy_moves(Phase::Minimum, Split::Shelves).stereo)),
        ("colour alone", one(|moves| moves.colour = busy_moves(Phase::Minimum, Split::Shelves).colour)),
        ("twelve bands, crossover, all stages", cost(&all)),
        (
            "shelves",
            cost(&MasterMoves { dynamics: dsp_core::dynamics::multiband::Settings { split: Split::Shelves, ..all.dynamics }, ..all }),
        ),
        ("linear phase", cost(&busy_moves(Phase::Linear, Split::Linear))),
        ("default", cost(&MasterMoves::default())),
    ];
    for (what, rtf) in costs {
        println!("{what}: {rtf:.4} of real time");
    }
    for (what, rtf) in costs {
        assert!(rtf < 0.06, "{what}: {rtf:.4} of real time");
    }
}
