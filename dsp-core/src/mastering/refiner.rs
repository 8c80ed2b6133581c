//! The closed loop for who hears a song only once: aims corrected by what the chain makes of it meanwhile.

use super::chain::Aims;
use super::profile::Profile;
use super::proposal::Proposal;
use crate::analysis::Analyser;
use crate::processor::{Error, Format};

/// Seconds that a chain is heard before it is judged: a few bars.
const SECONDS: f64 = 8.0;
/// Most corrections between two calls of [`Refiner::reset`]: each is four fifths of what is missing.
const MOST: usize = 3;

/// Compares what went into a chain with what came out of it before its limiter, over the same time, and
/// corrects the aims by what is missing. A render does the same with two looks at the whole file
/// ([`Aims::refine`]).
///
/// ```text
/// input ──┬─▶ chain without its limiter ─┬─▶
///         └─▶ before      after ◀────────┘
/// ```
#[derive(Debug)]
pub struct Refiner {
    before: Analyser,
    after: Analyser,
    beyond: Aims,
    corrections: usize,
}

impl Refiner {
    /// For a format. Allocates, as its analysers do.
    ///
    /// # Errors
    /// When the format is out of range.
    pub fn new(format: Format) -> Result<Self, Error> {
        Ok(Self { before: Analyser::new(format)?, after: Analyser::new(format)?, beyond: Aims::default(), corrections: 0 })
    }

    /// Another song: forgets all.
    pub fn reset(&mut self) {
        self.listen_anew();
        (self.beyond, self.corrections) = (Aims::default(), 0);
    }

    /// The chain makes another sound of the song now (a style, a move by hand): what was heard does not
    /// count, what was corrected stays.
    pub fn listen_anew(&mut self) {
        self.before.reset();
        self.after.reset();
    }

    /// Hears a block, `[channel][sample]`: what went into the chain and what came out of it before the
    /// limiter. A delay between them does not matter.
    pub fn hear(&mut self, input: &[&[f32]], output: &[&[f32]]) {
        self.before.process(input);
        self.after.process(output);
    }

    /// Seconds heard since it last listened anew.
    pub fn seconds(&self) -> f64 {
        self.before.seconds()
    }

    /// Judges what was heard against a proposal. True when the aims changed: then the chain needs new moves,
    /// and it listens anew to what they make. False while too little was heard, when all is near enough, or
    /// after three corrections.
    pub fn judge(&mut self, proposal: &Proposal) -> bool {
        if self.seconds() < SECONDS || self.corrections >= MOST {
            return false;
        }
        let (before, after) = (Profile::of(&self.before), Profile::of(&self.after));
        if before.loudness.is_none() || after.loudness.is_none() {
            return false;
        }
        let mut aims = self.aims(proposal);
        if !aims.refine(&before, proposal, &after) {
            return false;
        }
        self.beyond = aims.beyond(proposal);
        self.corrections += 1;
        self.listen_anew();
        true
    }

    /// The aims for a proposal: its shifts, and what the chain was found to take beyond them.
    pub fn aims(&self, proposal: &Proposal) -> Aims {
        Aims::of(proposal).with(&self.beyond, proposal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Stages, Style, Weights, moves};
    use super::*;
    use crate::units::Hz;

    /// A beat over a chord in noise, `[channel][sample]`.
    fn sound(rate: f64, seconds: f64) -> [Vec<f32>; 2] {
        let mut seed = 3_u32;
        let mut out = [Vec::new(), Vec::new()];
        for n in 0..(rate * seconds) as usize {
            let t = n as f64 / rate;
            let beat = (t * 2.0).fract() / 2.0;
            let swell = 0.6 + 0.4 * (t * 1.7).sin();
            for (channel, samples) in out.iter_mut().enumerate() {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = f64::from(seed >> 8) / f64::from(1 << 23) - 1.0;
                let kick = 0.5 * (-beat * 18.0).exp() * (beat * 340.0).sin();
                let chord = 0.06 * swell * ((t * 1_380.0).sin() + (t * 5_070.0 + channel as f64).sin());
                samples.push((kick + chord + 0.02 * swell * noise) as f32);
            }
        }
        out
    }

    /// Dynamics that the first moves miss come nearer with each round, and then it rests.
    #[test]
    fn a_chain_comes_nearer_to_what_is_wanted() {
        let format = Format::new(Hz(48_000.0), 2).unwrap();
        let audio = sound(48_000.0, 10.0);
        let style = Style::find("neutral").unwrap();
        let mut analyser = Analyser::new(format).unwrap();
        analyser.process(&[&audio[0], &audio[1]]);
        let song = Profile::of(&analyser);
        let mut proposal = Proposal::new(&song, None, &[], &Weights::default(), style);
        (proposal.dynamics[1].shift, proposal.dynamics[2].shift) = (-2.5, -2.0);
        (proposal.dynamics[1].present, proposal.dynamics[2].present) = (1.0, 1.0);
        let mut refiner = Refiner::new(format).unwrap();
        assert!(!refiner.judge(&proposal), "nothing was heard");
        let mut misses = Vec::new();
        for _ in 0..5 {
            let moves = moves(&song, &proposal, &refiner.aims(&proposal), style, None, -1.0);
            let mut stages = Stages::new(format, &moves).unwrap();
            let mut after = Analyser::new(format).unwrap();
            for at in (0..audio[0].len()).step_by(4_800) {
                let input: [&[f32]; 2] = [&audio[0][at..at + 4_800], &audio[1][at..at + 4_800]];
                let mut output = input.map(<[f32]>::to_vec);
                let mut slices: Vec<&mut [f32]> = output.iter_mut().map(Vec::as_mut_slice).collect();
                stages.process(&mut slices);
                refiner.hear(&input, &[&output[0], &output[1]]);
                after.process(&[&output[0], &output[1]]);
            }
            let after = Profile::of(&after);
            misses.push(
                [1, 2]
                    .map(|band| (after.dynamics[band] - song.dynamics[band] - proposal.dynamics[band].shift).abs())
                    .into_iter()
                    .sum::<f64>(),
            );
            if !refiner.judge(&proposal) {
                break;
            }
        }
        println!("missing of dynamics, dB: {misses:.2?}");
        let (first, last) = (misses[0], misses[misses.len() - 1]);
        assert!(misses.len() < 5 && last <= first && last < 1.5, "{misses:?}");
        refiner.reset();
        assert_eq!(refiner.aims(&proposal), Aims::of(&proposal));
        assert_eq!(refiner.seconds(), 0.0);
    }
}
