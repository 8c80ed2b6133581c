//! Whose voice is it? A track has a voice of its own where it holds more than its noise and the others' voices
//! explain, band by band.

use super::ear::{BANDS, Hop};
use super::learn::{DECAY_DB, FLOOR_DB, Knowledge};
use super::{MOST, db};

/// Hops over which powers are averaged before they are compared: 30 ms.
const SHORT: usize = 3;
/// Hops over which the evidence is averaged: 70 ms, three before and three behind.
pub(super) const LONG: usize = 7;
/// Hops that the answer lies behind what was heard last.
pub(super) const BEHIND: usize = LONG / 2 + SHORT / 2;
/// Evidence of one band, dB, is cut off here: one loud band alone is no voice.
const CAP: (f32, f32) = (-6.0, 18.0);
/// Evidence from which a voice begins, and down to which it goes on, dB.
const BEGIN: f32 = 6.0;
const GO_ON: f32 = 3.0;
/// So much more is asked where nobody's speech is heard: chairs, cups and keyboards stay closed, laughter opens.
const NO_SPEECH: f32 = 5.0;
/// Probability of speech under which nobody's is heard.
const SPEECH: f32 = 0.3;
/// A voice's own level is at most so far under the track's loud level, dB: under it lies what nobody hears.
const QUIET: f32 = 45.0;
/// Noise is followed upwards by so much a hop, dB: 3 dB a second, slower than any word.
const RISE_DB: f32 = 0.03;
/// The lowest of smoothed powers lies so far under their mean, dB.
const UNDER_MEAN: f32 = 3.0;

/// Tells the owners of voices.
#[derive(Clone, Debug)]
pub struct Owners {
    talkers: usize,
    /// The last hops of each talker, `[talker][SHORT]`.
    last: [[Hop; SHORT]; MOST],
    noise: [[f32; BANDS]; MOST],
    tails: [[f32; BANDS]; MOST],
    /// The last evidence of each talker, `[talker][LONG]`, dB.
    evidence: [[f32; LONG]; MOST],
    levels: [[f32; LONG]; MOST],
    owns: [bool; MOST],
    heard: u64,
}

impl Owners {
    /// For so many talkers, at most [`MOST`].
    pub fn new(talkers: usize) -> Self {
        Self {
            talkers: talkers.min(MOST),
            last: [[Hop::default(); SHORT]; MOST],
            noise: [[f32::INFINITY; BANDS]; MOST],
            tails: [[0.0; BANDS]; MOST],
            evidence: [[CAP.0; LONG]; MOST],
            levels: [[FLOOR_DB; LONG]; MOST],
            owns: [false; MOST],
            heard: 0,
        }
    }

    /// Forgets all sound.
    pub fn reset(&mut self) {
        *self = Self::new(self.talkers);
    }

    /// Hops that the answer lies behind what is heard.
    pub const fn behind() -> usize {
        BEHIND
    }

    /// Hears a hop of each talker with the probability of speech in it (1 where that is not known), and tells who
    /// had a voice of their own [`Owners::behind`] hops before. Never allocates.
    #[expect(clippy::needless_range_loop, reason = "arrays of all talkers share the index")]
    pub fn hear(&mut self, hops: &[Hop], speech: &[f32], known: &Knowledge) -> [bool; MOST] {
        let fade = 10_f32.powf(-DECAY_DB / 10.0);
        let (rise, under) = (10_f32.powf(RISE_DB / 10.0), 10_f32.powf(UNDER_MEAN / 10.0));
        let slot = (self.heard % SHORT as u64) as usize;
        let mut powers = [[0.0_f32; BANDS]; MOST];
        for talker in 0..self.talkers {
            self.last[talker][slot] = hops.get(talker).copied().unwrap_or_default();
            for band in 0..BANDS {
                let power = self.last[talker].iter().map(|hop| hop.bands[band]).sum::<f32>() / SHORT as f32;
                powers[talker][band] = power;
                // Digital silence is no noise floor.
                self.noise[talker][band] = (self.noise[talker][band] * rise).min(power.max(1e-11));
                self.tails[talker][band] = power.max(self.tails[talker][band] * fade);
            }
        }
        let place = (self.heard % LONG as u64) as usize;
        for talker in 0..self.talkers {
            let (mut sum, mut bands) = (0.0, 0.0);
            for band in 0..BANDS {
                let mut explained = self.noise[talker][band] * under;
                for other in (0..self.talkers).filter(|&other| other != talker) {
                    explained += 10_f32.powf(known.bleed[talker][other][band] / 10.0) * self.tails[other][band];
                }
                if powers[talker][band] > 0.0 {
                    sum += (db(powers[talker][band], FLOOR_DB) - db(explained, FLOOR_DB)).clamp(CAP.0, CAP.1);
                    bands += 1.0;
                }
            }
            self.evidence[talker][place] = if bands > 0.0 { sum / bands } else { CAP.0 };
            self.levels[talker][place] = db(self.last[talker].iter().map(|hop| hop.loud).sum::<f32>() / SHORT as f32, FLOOR_DB);
        }
        self.heard += 1;
        for talker in 0..self.talkers {
            let mean = self.evidence[talker].iter().sum::<f32>() / LONG as f32;
            let level = self.levels[talker].iter().copied().fold(FLOOR_DB, f32::max);
            let silent = speech.get(talker).is_some_and(|&speech| speech < SPEECH);
            let asked = if self.owns[talker] { GO_ON } else { BEGIN } + if silent { NO_SPEECH } else { 0.0 };
            self.owns[talker] = mean > asked && level > known.loud[talker] - QUIET;
        }
        self.owns
    }
}
