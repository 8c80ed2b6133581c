//! The chain up to its limiter, for who wants to know what will come to it.

use crate::colour::Colour;
use crate::dynamics::multiband::{Multiband, Split};
use crate::engines::master::MasterMoves;
use crate::filters::{Equaliser, LinearEqualiser, Phase};
use crate::processor::{Error, Format, Processor};
use crate::sample::usable_all;
use crate::stereo::Stereo;

/// Gain, equaliser, dynamics, stereo and colour of the chain, with moves that stand: to the bit what comes to
/// the limiter of [`Master`](crate::engines::master::Master) before the drive.
#[derive(Debug)]
pub struct Stages {
    moves: MasterMoves,
    minimum: Equaliser,
    linear: LinearEqualiser,
    dynamics: Multiband,
    stereo: Stereo,
    colour: Colour,
}

impl Stages {
    /// For a format and moves.
    ///
    /// # Errors
    /// When the format is out of range.
    pub fn new(format: Format, moves: &MasterMoves) -> Result<Self, Error> {
        let mut stages = Self {
            moves: *moves,
            minimum: Equaliser::new(),
            linear: LinearEqualiser::new(),
            dynamics: Multiband::new(),
            stereo: Stereo::new(),
            colour: Colour::new(),
        };
        stages.minimum.prepare(format)?;
        stages.linear.prepare(format)?;
        stages.dynamics.prepare(format)?;
        stages.stereo.prepare(format)?;
        stages.colour.prepare(format)?;
        Ok(stages)
    }

    /// Other moves from the next block on. Another phase or split begins with silence behind it.
    pub fn set(&mut self, moves: &MasterMoves) {
        let structure = |moves: &MasterMoves| (moves.equaliser_phase, moves.dynamics.split, moves.dynamics.count);
        if structure(moves) != structure(&self.moves) {
            self.minimum.reset();
            self.linear.reset();
            self.dynamics.reset();
            self.stereo.reset();
            self.colour.reset();
        }
        self.moves = *moves;
    }

    /// True when moves do nothing before the limiter but their gain.
    pub fn are_neutral(moves: &MasterMoves) -> bool {
        let equaliser = !moves.equaliser_on || moves.equaliser.is_neutral();
        let stereo = !moves.stereo_on || moves.stereo.is_neutral();
        equaliser && stereo && !moves.dynamics.on && !moves.colour.on
    }

    /// Processes a block in place, `audio[channel][sample]`, with the channels of the format.
    pub fn process(&mut self, audio: &mut [&mut [f32]]) {
        let moves = &self.moves;
        let gain = moves.input.to_linear();
        for channel in audio.iter_mut() {
            usable_all(channel);
            if gain != 1.0 {
                channel.iter_mut().for_each(|sample| *sample *= gain);
            }
        }
        let equaliser = if moves.equaliser_on { moves.equaliser } else { Default::default() };
        match moves.equaliser_phase {
            Phase::Minimum => self.minimum.process(audio, &equaliser, &mut ()),
            Phase::Linear => self.linear.process(audio, &equaliser, &mut ()),
        }
        self.dynamics.process(audio, &moves.dynamics, &mut ());
        let stereo = if moves.stereo_on { moves.stereo } else { Default::default() };
        self.stereo.process(audio, &stereo, &mut ());
        self.colour.process(audio, &moves.colour, &mut ());
        audio.iter_mut().for_each(|channel| usable_all(channel));
    }

    /// Delay in samples.
    pub fn latency(&self) -> usize {
        let equaliser = if self.moves.equaliser_phase == Phase::Linear { self.linear.latency(&self.moves.equaliser) } else { 0 };
        let dynamics = if self.moves.dynamics.split == Split::Linear { self.dynamics.latency(&self.moves.dynamics) } else { 0 };
        equaliser + dynamics + self.colour.latency(&self.moves.colour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamics::limiter::TruePeakLimiter;
    use crate::engines::master::Master;
    use crate::units::{Db, Hz};

    /// With the limiter off the chain gives just this, later by the limiter's delay.
    #[test]
    fn they_are_the_chain_without_its_limiter() {
        let format = Format::new(Hz(48_000.0), 2).unwrap();
        let mut moves = MasterMoves { input: Db(-3.0), limiter_on: false, ..MasterMoves::default() };
        assert!(Stages::are_neutral(&moves));
        moves.equaliser.bands[3].on = true;
        moves.equaliser.bands[3].gain = Db(4.0);
        moves.dynamics.on = true;
        moves.dynamics.bands[1].threshold = Db(-30.0);
        moves.dynamics.bands[1].ratio = 2.0;
        moves.stereo.width[2] = 1.4;
        moves.colour = crate::colour::Settings { on: true, drive: Db(6.0), mix: 0.5, ..Default::default() };
        assert!(!Stages::are_neutral(&moves));
        let input: Vec<Vec<f32>> = (0..2)
            .map(|channel| (0..24_000).map(|n| 0.4 * (n as f32 * (0.03 + 0.01 * channel as f32)).sin() * (n as f32 * 1e-3).sin()).collect())
            .collect();
        let run = |process: &mut dyn FnMut(&mut [&mut [f32]])| {
            let mut audio = input.clone();
            for at in (0..24_000).step_by(600) {
                let mut slices: Vec<&mut [f32]> = audio.iter_mut().map(|channel| &mut channel[at..at + 600]).collect();
                process(&mut slices);
            }
            audio
        };
        let mut master = Master::new();
        master.prepare(format).unwrap();
        let mut stages = Stages::new(format, &moves).unwrap();
        let whole = run(&mut |audio| master.process(audio, &moves, &mut ()));
        let part = run(&mut |audio| stages.process(audio));
        let later = TruePeakLimiter::new(format).latency();
        assert_eq!(stages.latency() + later, master.latency(&moves));
        for (whole, part) in whole.iter().zip(&part) {
            assert!(whole[later..].iter().zip(part).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}
