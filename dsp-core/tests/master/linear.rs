//! Filters of linear phase that are moved while they play.

use crate::promises::busy_moves;
use crate::support::{Audio, BLOCKS, Random, music, prepared, same_bits};
use dsp_core::dynamics::multiband::{self, Split};
use dsp_core::engines::master::{Master, MasterMoves};
use dsp_core::filters::{Band, Phase, Shape, Slope};
use dsp_core::processor::Processor;
use dsp_core::units::{Db, Hz};
use std::time::Instant;

const RATE: f64 = 48_000.0;

/// All linear, with every band at work as steeply as it can be, and everything that moves moved.
fn moved(step: usize) -> MasterMoves {
    let mut random = Random(step as u64);
    let mut moves = busy_moves(Phase::Linear, Split::Linear);
    for (index, band) in moves.equaliser.bands.iter_mut().enumerate() {
        let shape = [Shape::LowCut, Shape::HighCut, Shape::Bell, Shape::Tilt][index % 4];
        let frequency = Hz(if shape == Shape::HighCut { 15_000.0 } else { 20.0 } * (1.0 + random.unit()));
        *band = Band { on: true, shape, frequency, gain: Db(random.unit() as f32 * 6.0 - 3.0), q: 0.8, slope: Slope::Db48 };
    }
    moves.dynamics.crossovers = [90.0, 900.0, 5_000.0].map(|hz| Hz(hz * (1.0 + 0.5 * random.unit())));
    moves
}

/// Runs the chain over blocks of a size, with other settings every `every` samples; `at` sees each block.
fn run(chain: &mut Master, input: &Audio, every: usize, block: usize, of: &dyn Fn(usize) -> MasterMoves, mut at: impl FnMut(f64)) -> Audio {
    let mut out = input.clone();
    let length = out[0].len();
    let mut from = 0;
    while from < length {
        let moves = of(from / every);
        let to = (from + block.max(1)).min(length).min((from / every + 1) * every);
        let mut slices: Vec<&mut [f32]> = out.iter_mut().map(|channel| &mut channel[from..to]).collect();
        let began = Instant::now();
        chain.process(&mut slices, &moves, &mut ());
        at(began.elapsed().as_secs_f64());
        from = to;
    }
    out
}

#[test]
fn moves_do_not_depend_on_blocks_and_arrive() {
    let input = music(RATE, 1.2, 2, 8);
    let rest = 24_000 / 3_001;
    let of = |step: usize| moved(step.min(rest));
    let whole = run(&mut prepared(RATE, 2), &input, 3_001, usize::MAX >> 1, &of, |_| {});
    for block in BLOCKS {
        let cut = run(&mut prepared(RATE, 2), &input, 3_001, block, &of, |_| {});
        same_bits(&whole, &cut).unwrap_or_else(|e| panic!("blocks of {block}: {e}"));
    }
    // The gains of dynamics, the glides of the crossovers and the guard remember; the equaliser alone does not.
    let equaliser = |step: usize| MasterMoves { equaliser_phase: Phase::Linear, equaliser: of(step).equaliser, ..MasterMoves::default() };
    let out = run(&mut prepared(RATE, 2), &input, 3_001, 512, &equaliser, |_| {});
    let truth = run(&mut prepared(RATE, 2), &input, 3_001, 512, &|_| equaliser(rest), |_| {});
    let tail = |audio: &Audio| audio.iter().map(|channel| channel[channel.len() - 4_096..].to_vec()).collect::<Audio>();
    same_bits(&tail(&out), &tail(&truth)).expect("where the last move has arrived");
    assert!(same_bits(&out, &truth).is_err(), "nothing moved");
}

/// At 48 kHz no block of 64 samples takes as long as it lasts, whatever is moved in it; each block's time is
/// the least of some equal runs, as what else runs on the machine can only make it longer.
#[test]
fn no_block_takes_longer_than_it_lasts() {
    const BLOCK: usize = 64;
    // Half a second each: all linear, and between the other structures.
    let structures = [(Phase::Linear, Split::Linear), (Phase::Minimum, Split::Linear), (Phase::Linear, Split::Crossover)];
    let of = |step: usize| {
        let (phase, split) = structures[step * BLOCK / 24_000 % structures.len()];
        let moves = moved(step);
        MasterMoves { equaliser_phase: phase, dynamics: multiband::Settings { split, ..moves.dynamics }, ..moves }
    };
    let input = music(RATE, 2.0, 2, 9);
    let mut least: Vec<f64> = Vec::new();
    for _ in 0..5 {
        let mut times = Vec::new();
        run(&mut prepared(RATE, 2), &input, BLOCK, BLOCK, &of, |seconds| times.push(seconds));
        if least.is_empty() {
            least = times;
        } else {
            least.iter_mut().zip(times).for_each(|(least, time)| *least = least.min(time));
        }
    }
    let (at, longest) = least.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).expect("blocks");
    let mean = least.iter().sum::<f64>() / least.len() as f64;
    let lasts = BLOCK as f64 / RATE;
    println!("a block of {:.0} us: mean {:.0} us, longest {:.0} us (block {at})", 1e6 * lasts, 1e6 * mean, 1e6 * longest);
    assert!(longest < lasts, "block {at} took {:.0} us and lasts {:.0}", 1e6 * longest, 1e6 * lasts);
}
