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
    use super::super::{Style, Weights};
    use super::*;
    use crate::units::Hz;

    /// Noise in the middle and, softer, in the sides, `[channel][sample]`.
    fn sound(rate: f64, seconds: f64) -> [Vec<f32>; 2] {
        let mut seed = 3_u32;
        let mut noise = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let mut out = [Vec::new(), Vec::new()];
        for _ in 0..(rate * seconds) as usize {
            let (middle, side) = (0.2 * noise(), 0.06 * noise());
            out[0].push(middle + side);
            out[1].push(middle - side);
        }
        out
    }

    /// A chain that does 60 % of what it is told is told more until what is wanted comes out of it.
    #[test]
    fn what_a_chain_falls_short_of_is_asked_for_again() {
        let format = Format::new(Hz(48_000.0), 2).unwrap();
        let audio = sound(48_000.0, SECONDS + 1.0);
        let mut analyser = Analyser::new(format).unwrap();
        analyser.process(&[&audio[0], &audio[1]]);
        let style = Style::find("neutral").unwrap();
        let mut proposal = Proposal::new(&Profile::of(&analyser), None, &[], &Weights::default(), style);
        proposal.width.iter_mut().for_each(|wish| wish.shift = 3.0);
        let mut refiner = Refiner::new(format).unwrap();
        assert!(!refiner.judge(&proposal), "nothing was heard");
        let mut reached = Vec::new();
        loop {
            let does = 0.6 * refiner.aims(&proposal).width[1];
            reached.push(does);
            let gain = 10_f32.powf(does as f32 / 20.0);
            for (left, right) in audio[0].chunks(4_800).zip(audio[1].chunks(4_800)) {
                assert!(refiner.seconds() >= SECONDS || !refiner.judge(&proposal), "too little was heard");
                let part =
                    |sign: f32| -> Vec<f32> { left.iter().zip(right).map(|(l, r)| 0.5 * (l + r) + sign * gain * 0.5 * (l - r)).collect() };
                refiner.hear(&[left, right], &[&part(1.0), &part(-1.0)]);
            }
            if !refiner.judge(&proposal) {
                break;
            }
            assert_eq!(refiner.seconds(), 0.0, "what was heard before does not count");
        }
        println!("width reached, dB: {reached:.2?}");
        assert!((3..=MOST + 1).contains(&reached.len()) && reached.windows(2).all(|pair| pair[0] < pair[1]), "{reached:?}");
        assert!((2.5..3.0).contains(&reached[reached.len() - 1]), "{reached:?}");
        assert_eq!(refiner.aims(&proposal).dynamics, [0.0; 4], "nobody asked for dynamics");
        refiner.reset();
        assert_eq!(refiner.aims(&proposal), Aims::of(&proposal));
    }
}
