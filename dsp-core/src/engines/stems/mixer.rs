//! From stems to the main output and the separate ones: gains, mutes, solos, pan, width.

use super::separator::MOST_MASKS;
use super::settings::{Listen, Outputs, STEMS, Settings, Strip};
use std::f32::consts::FRAC_PI_2;

/// From left and right to left and right: `[to][from]`.
type Matrix = [[f32; 2]; 2];

const ONE: Matrix = [[1.0, 0.0], [0.0, 1.0]];
const NOTHING: Matrix = [[0.0; 2]; 2];

fn combine(a: Matrix, b: Matrix, by: impl Fn(f32, f32) -> f32) -> Matrix {
    std::array::from_fn(|to| std::array::from_fn(|from| by(a[to][from], b[to][from])))
}

fn scaled(matrix: Matrix, gain: f32) -> Matrix {
    matrix.map(|row| row.map(|value| value * gain))
}

/// What a strip does to a pair of channels, at unity gain. Width scales what differs between the sides;
/// pan moves one side's sound to the other with constant power (the panner for stereo input of the Web
/// Audio API, section 1.31).
fn place(strip: &Strip) -> Matrix {
    let (same, other) = (0.5 * (1.0 + strip.width), 0.5 * (1.0 - strip.width));
    let wide = if strip.width == 1.0 { ONE } else { [[same, other], [other, same]] };
    if strip.pan == 0.0 {
        return wide;
    }
    let (stay, go) = ((1.0 - strip.pan.abs()) * FRAC_PI_2).sin_cos();
    let [left, right] = wide;
    let sum = |to: [f32; 2], from: [f32; 2]| [to[0] + go * from[0], to[1] + go * from[1]];
    if strip.pan < 0.0 { [sum(left, right), right.map(|value| value * stay)] } else { [left.map(|value| value * stay), sum(right, left)] }
}

/// A sum of the mix and all stems but the last, each through a matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Blend {
    mix: Matrix,
    stems: [Matrix; MOST_MASKS],
}

impl Blend {
    const SILENCE: Self = Self { mix: NOTHING, stems: [NOTHING; MOST_MASKS] };
    const DRY: Self = Self { mix: ONE, ..Self::SILENCE };

    /// The sum of all stems through their matrices, where the last stem is the mix less the others.
    fn sum(matrices: &[Matrix]) -> Self {
        let Some((&last, others)) = matrices.split_last() else { return Self::SILENCE };
        let mut blend = Self { mix: last, ..Self::SILENCE };
        for (to, &matrix) in blend.stems.iter_mut().zip(others) {
            *to = combine(matrix, last, |a, b| a - b);
        }
        blend
    }

    /// What `gain` times the mix has more than this.
    fn removed(self, gain: f32) -> Self {
        let stems = self.stems.map(|matrix| scaled(matrix, -1.0));
        Self { mix: combine(scaled(ONE, gain), self.mix, |a, b| a - b), stems }
    }
}

/// What is played: of the main output, of the last stem's, and of the others'.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Plan {
    main: Blend,
    last: Blend,
    others: [Matrix; MOST_MASKS],
}

impl Plan {
    const SILENCE: Self = Self { main: Blend::SILENCE, last: Blend::SILENCE, others: [NOTHING; MOST_MASKS] };
    const DRY: Self = Self { main: Blend::DRY, last: Blend::DRY, others: [NOTHING; MOST_MASKS] };
}

/// Sound of a pair of channels: `mix[side]` and `stems[stem][side]` without the last stem, `[sample]`. A
/// single channel stands on the left.
#[derive(Debug)]
pub struct Pair<'a> {
    /// The delayed input.
    pub mix: [&'a [f32]; 2],
    /// Without the last stem.
    pub stems: [[&'a [f32]; 2]; MOST_MASKS],
    /// How many stems there are without the last.
    pub masks: usize,
    /// Channels: 1 or 2.
    pub sides: usize,
}

/// Levels of a hop, `[stem][side]`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// Largest magnitude before the faders.
    pub peaks: [[f32; 2]; STEMS],
    /// Largest magnitude after them.
    pub levels: [[f32; 2]; STEMS],
    /// Mean square after them.
    pub powers: [[f32; 2]; STEMS],
}

/// Mixes stems, hop by hop; what is set runs along a straight line over a hop.
#[derive(Clone, Debug)]
pub struct Mixer {
    /// Where the last hop ended, for pairs and for a single channel.
    plans: [Plan; 2],
    /// Where the next one ends.
    targets: [Plan; 2],
    /// Strips at the end of the next hop, for levels.
    strips: [[Matrix; STEMS]; 2],
    fresh: bool,
}

impl Mixer {
    /// A mixer that takes its first settings at once.
    pub fn new() -> Self {
        Self { plans: [Plan::DRY; 2], targets: [Plan::DRY; 2], strips: [[ONE; STEMS]; 2], fresh: true }
    }

    /// The next hop takes its settings at once.
    pub fn reset(&mut self) {
        self.fresh = true;
    }

    /// Sets where the next hop goes. Without stems (`ready`) the mix passes; `held` is silence.
    pub fn aim(&mut self, settings: &Settings, ready: bool, held: bool) {
        for (which, (target, strips)) in self.targets.iter_mut().zip(&mut self.strips).enumerate() {
            let pair = which == 0;
            let output = settings.output.to_linear();
            let gains = settings.gains();
            let count = settings.strips().len();
            *strips = [NOTHING; STEMS];
            for ((matrix, strip), gain) in strips.iter_mut().zip(settings.strips()).zip(gains) {
                *matrix = scaled(if pair { place(strip) } else { ONE }, gain * output);
            }
            *target = if held {
                Plan::SILENCE
            } else if settings.bypass || !ready {
                Plan::DRY
            } else {
                let main = Blend::sum(&strips[..count]);
                let outputs = if settings.outputs == Outputs::After { *strips } else { [ONE; STEMS] };
                let mut others = [NOTHING; MOST_MASKS];
                others[..count - 1].copy_from_slice(&outputs[..count - 1]);
                let mut last = [NOTHING; STEMS];
                last[count - 1] = outputs[count - 1];
                Plan {
                    main: if settings.listen == Listen::Removed { main.removed(output) } else { main },
                    last: Blend::sum(&last[..count]),
                    others,
                }
            };
        }
        if std::mem::take(&mut self.fresh) {
            self.plans = self.targets;
        }
    }

    /// Mixes a hop of a pair of channels into `main[side]`, `[sample]`.
    pub fn main(&self, pair: &Pair<'_>, main: &mut [&mut [f32]]) {
        let which = usize::from(pair.sides == 1);
        for (side, out) in main.iter_mut().enumerate() {
            blend(pair, &self.plans[which].main, &self.targets[which].main, side, out);
        }
    }

    /// As [`Mixer::main`], into `outputs[stem][side]` too.
    pub fn mix(&self, pair: &Pair<'_>, main: &mut [&mut [f32]], outputs: &mut [[&mut [f32]; 2]; STEMS]) {
        self.main(pair, main);
        let which = usize::from(pair.sides == 1);
        let (from, to) = (&self.plans[which], &self.targets[which]);
        for (stem, outputs) in outputs.iter_mut().enumerate() {
            for (side, out) in outputs.iter_mut().enumerate().take(pair.sides) {
                if stem < pair.masks {
                    let stems = pair.stems[stem];
                    through(stems, pair.sides, [from.others[stem][side], to.others[stem][side]], out);
                } else if stem == pair.masks {
                    blend(pair, &from.last, &to.last, side, out);
                } else {
                    out.fill(0.0);
                }
            }
        }
    }

    /// The hop is over for all pairs.
    pub fn done(&mut self) {
        self.plans = self.targets;
    }

    /// Levels of a pair's stems.
    pub fn levels(&self, pair: &Pair<'_>) -> Levels {
        let strips = &self.strips[usize::from(pair.sides == 1)];
        let mut all = Levels::default();
        let length = pair.mix[0].len().max(1) as f32;
        for index in 0..pair.mix[0].len() {
            let mut rest: [f32; 2] = std::array::from_fn(|side| if side < pair.sides { pair.mix[side][index] } else { 0.0 });
            for (stem, strip) in strips.iter().enumerate().take(pair.masks + 1) {
                let mut frame = rest;
                if stem < pair.masks {
                    for side in 0..pair.sides {
                        frame[side] = pair.stems[stem][side][index];
                        rest[side] -= frame[side];
                    }
                }
                for side in 0..pair.sides {
                    let faded = strip[side][0] * frame[0] + strip[side][1] * frame[1];
                    all.peaks[stem][side] = all.peaks[stem][side].max(frame[side].abs());
                    all.levels[stem][side] = all.levels[stem][side].max(faded.abs());
                    all.powers[stem][side] += faded * faded / length;
                }
            }
        }
        if pair.sides == 1 {
            for values in [&mut all.peaks, &mut all.levels, &mut all.powers] {
                values.iter_mut().for_each(|sides| sides[1] = sides[0]);
            }
        }
        all
    }

    /// Gains of the first side's own way to the main output at the end of the last hop: of the mix, and of
    /// each stem beside that.
    pub fn gains(&self, single: bool) -> (f32, [f32; MOST_MASKS]) {
        let main = &self.plans[usize::from(single)].main;
        (main.mix[0][0], main.stems.map(|matrix| matrix[0][0]))
    }
}

/// Adds `source` through a gain that runs from one value to another.
fn add(source: &[f32], [from, to]: [f32; 2], out: &mut [f32]) {
    if from == 0.0 && to == 0.0 {
        return;
    }
    if from == to {
        out.iter_mut().zip(source).for_each(|(out, &sample)| *out += sample * to);
        return;
    }
    let step = (to - from) / out.len() as f32;
    for (index, (out, &sample)) in out.iter_mut().zip(source).enumerate() {
        *out += sample * (from + step * (index + 1) as f32);
    }
}

/// A pair of channels through a row of a matrix.
fn through(sources: [&[f32]; 2], sides: usize, [from, to]: [[f32; 2]; 2], out: &mut [f32]) {
    out.fill(0.0);
    for side in 0..sides {
        add(sources[side], [from[side], to[side]], out);
    }
}

/// One side of a blend. Where it is the mix alone it gives the mix's own bits.
fn blend(pair: &Pair<'_>, from: &Blend, to: &Blend, side: usize, out: &mut [f32]) {
    if from == to && *to == Blend::DRY {
        return out.copy_from_slice(pair.mix[side]);
    }
    through(pair.mix, pair.sides, [from.mix[side], to.mix[side]], out);
    for (stem, sources) in pair.stems.iter().enumerate().take(pair.masks) {
        for (other, source) in sources.iter().enumerate().take(pair.sides) {
            add(source, [from.stems[stem][side][other], to.stems[stem][side][other]], out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Db;

    const HOP: usize = 64;

    fn sound(seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..HOP).map(|_| next()).collect()
    }

    struct Mixed {
        main: [Vec<f32>; 2],
        outputs: [[Vec<f32>; 2]; STEMS],
    }

    fn mix(mixer: &mut Mixer, settings: &Settings, ready: bool, sides: usize) -> (Mixed, [Vec<f32>; 2]) {
        let all: Vec<Vec<f32>> = (1..=8).map(sound).collect();
        let pair = Pair {
            mix: [&all[0], &all[1]],
            stems: [[&all[2], &all[3]], [&all[4], &all[5]], [&all[6], &all[7]]],
            masks: settings.strips().len() - 1,
            sides,
        };
        mixer.aim(settings, ready, false);
        let mut mixed = Mixed { main: [vec![9.0; HOP], vec![9.0; HOP]], outputs: Default::default() };
        mixed.outputs.iter_mut().flatten().for_each(|out| *out = vec![9.0; HOP]);
        let [left, right] = &mut mixed.main;
        let mut outputs = mixed.outputs.each_mut().map(|pair| pair.each_mut().map(Vec::as_mut_slice));
        mixer.mix(&pair, &mut [left.as_mut_slice(), right.as_mut_slice()][..sides], &mut outputs);
        mixer.done();
        (mixed, [all[0].clone(), all[1].clone()])
    }

    #[test]
    fn unity_is_the_mix_bit_for_bit_and_outputs_add_up_to_it() {
        for (settings, sides) in [(Settings::default(), 2), (Settings { task: super::super::Task::Dialogue, ..Settings::default() }, 1)] {
            let (mixed, dry) = mix(&mut Mixer::new(), &settings, true, sides);
            for side in 0..sides {
                assert_eq!(mixed.main[side], dry[side]);
                for (index, wanted) in dry[side].iter().enumerate() {
                    let sum: f32 = mixed.outputs.iter().map(|outputs| outputs[side][index]).sum();
                    assert!((sum - wanted).abs() < 2e-6, "{sum} {wanted}");
                }
            }
        }
    }

    #[test]
    fn bypass_and_missing_stems_leave_the_mix_in_the_last_output() {
        let mut muted = Settings::default();
        muted.stems[0].mute = true;
        for (settings, ready) in [(Settings { bypass: true, ..muted }, true), (muted, false)] {
            let (mixed, dry) = mix(&mut Mixer::new(), &settings, ready, 2);
            assert_eq!((&mixed.main[0], &mixed.outputs[3][1]), (&dry[0], &dry[1]));
            assert!(mixed.outputs[..3].iter().flatten().flatten().all(|&x| x == 0.0));
        }
    }

    #[test]
    fn outputs_after_the_faders_add_up_to_the_main_one_and_to_what_it_lacks() {
        let mut settings = Settings { output: Db(-3.0), ..Settings::default() };
        settings.stems[0] = Strip { gain: Db(6.0), pan: 0.4, width: 0.3, ..Strip::default() };
        settings.stems[1].mute = true;
        settings.stems[3] = Strip { gain: Db(-4.0), pan: -1.0, ..Strip::default() };
        let (mixed, dry) = mix(&mut Mixer::new(), &settings, true, 2);
        let (removed, _) = mix(&mut Mixer::new(), &Settings { listen: Listen::Removed, ..settings }, true, 2);
        for side in 0..2 {
            for index in 0..HOP {
                let sum: f32 = mixed.outputs.iter().map(|outputs| outputs[side][index]).sum();
                assert!((sum - mixed.main[side][index]).abs() < 1e-5);
                let both = removed.main[side][index] + mixed.main[side][index];
                assert!((both - dry[side][index] * Db(-3.0).to_linear()).abs() < 1e-5);
            }
        }
        assert!(mixed.outputs[1].iter().flatten().all(|&x| x == 0.0));
        // All the way to the left: nothing is on the right.
        assert!(mixed.outputs[3][1].iter().all(|x| x.abs() < 1e-6));
    }

    #[test]
    fn settings_run_along_straight_lines() {
        let mut mixer = Mixer::new();
        let settings = Settings::default();
        mix(&mut mixer, &settings, true, 1);
        let mut quiet = settings;
        quiet.stems.iter_mut().for_each(|strip| strip.gain = Db(f32::NEG_INFINITY));
        let (mixed, dry) = mix(&mut mixer, &quiet, true, 1);
        for (index, (out, dry)) in mixed.main[0].iter().zip(&dry[0]).enumerate() {
            let gain = 1.0 - (index + 1) as f32 / HOP as f32;
            assert!((out - dry * gain).abs() < 1e-5, "{index}");
        }
        let (mixed, _) = mix(&mut mixer, &quiet, true, 1);
        assert!(mixed.main[0].iter().all(|&x| x == 0.0));
    }

    #[test]
    fn the_place_of_a_stem_keeps_its_power() {
        for pan in [-1.0, -0.5, 0.25, 1.0] {
            let [left, right] = place(&Strip { pan, ..Strip::default() });
            // The side that is left behind goes over with the same power.
            let side = usize::from(pan < 0.0);
            let power = left[side].powi(2) + right[side].powi(2);
            assert!((power - 1.0).abs() < 1e-6, "{pan}: {power}");
        }
        assert_eq!(place(&Strip { width: 0.0, ..Strip::default() }), [[0.5; 2]; 2]);
        assert_eq!(place(&Strip::default()), ONE);
    }
}
