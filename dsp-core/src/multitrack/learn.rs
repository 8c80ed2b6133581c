//! What is to be known of a room and its microphones: how loud each is set, and how much of each voice is heard in
//! the others' microphones. Learned from the tracks themselves, by counting.

use super::ear::{BANDS, Hop};
use super::{MOST, db};

/// Lowest level that is told apart, dB.
pub(super) const FLOOR_DB: f32 = -110.0;
/// Width of the bins that differences of levels are counted in, dB, and their range, either way.
const STEP: f32 = 1.0;
const SPAN: f32 = 70.0;
const BINS: usize = (2.0 * SPAN / STEP) as usize + 1;
/// Share of a smoothed power that the new hop has: about 100 ms.
const SMOOTH: f32 = 0.1;
/// A track sounds when it is within so much of its own loudest twentieth, dB.
const SOUNDS: f32 = 15.0;
/// Quantile that is a track's loud level.
const LOUD: f32 = 0.95;
/// Quantiles of the difference of two tracks that stand for the one's voice and the other's.
const ENDS: (f32, f32) = (0.04, 0.96);
/// Ends nearer to each other than this, dB, are one voice: only one of the two has talked.
const APART: f32 = 14.0;
/// A voice is the only one when it is so much over the middle of each pair, dB.
const ALONE: f32 = 5.0;
/// Hops that must be counted before a number is believed: a second.
const ENOUGH: u32 = 100;
/// Hops from one look at what was counted to the next.
const EVERY: u32 = 100;
/// Cross-talk that is taken until it is learned, in dB under the voice's own microphone.
const USUAL_DB: f32 = -12.0;
/// The strongest cross-talk that is believed, the same: a louder one would be a second microphone of the same
/// person.
const MOST_DB: f32 = -5.0;
/// The weakest.
const LEAST_DB: f32 = -60.0;
/// Quantile of the cross-talk that is taken for it. A denoiser before this lets cross-talk through at times and takes
/// it away at others, so the middle would be far under what is heard; the highest are words of both at once.
const HEARD: f32 = 0.8;
/// A hop goes on sounding in a room, dB a hop: 60 dB in 0.4 s, a living room.
pub(super) const DECAY_DB: f32 = 1.5;

/// What is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Knowledge {
    /// Difference in dB of the levels of two tracks, `[track][other]`, over which the voice is the track's own.
    pub middle: [[f32; MOST]; MOST],
    /// Cross-talk in dB, `[track][talker][band]`: power of the talker's voice in the track over that in the talker's
    /// own.
    pub bleed: [[[f32; BANDS]; MOST]; MOST],
    /// Loud level of each track in dB: K-weighted, of 100 ms.
    pub loud: [f32; MOST],
}

impl Default for Knowledge {
    fn default() -> Self {
        Self { middle: [[0.0; MOST]; MOST], bleed: [[[USUAL_DB; BANDS]; MOST]; MOST], loud: [-40.0; MOST] }
    }
}

impl Knowledge {
    /// Mean cross-talk of a talker in a track over the bands that `held` has, in dB, relative to the voice that the
    /// track itself is set for.
    pub fn bleed_db(&self, track: usize, talker: usize) -> f32 {
        self.bleed[track][talker].iter().sum::<f32>() / BANDS as f32 - self.middle[track][talker]
    }
}

/// Counts of values from `-SPAN` to `SPAN` dB.
#[derive(Clone, Debug)]
struct Counts {
    bins: [u32; BINS],
    total: u32,
}

impl Counts {
    const NONE: Self = Self { bins: [0; BINS], total: 0 };

    fn add(&mut self, value: f32) {
        let bin = ((value + SPAN) / STEP).round().clamp(0.0, (BINS - 1) as f32) as usize;
        self.bins[bin] = self.bins[bin].saturating_add(1);
        self.total = self.total.saturating_add(1);
    }

    /// The value under which this share of them lies; none before there are enough.
    fn quantile(&self, share: f32) -> Option<f32> {
        if self.total < ENOUGH {
            return None;
        }
        let wanted = (f64::from(share) * f64::from(self.total)) as u64;
        let mut sum = 0_u64;
        let bin = self.bins.iter().position(|&count| {
            sum += u64::from(count);
            sum > wanted
        })?;
        Some(bin as f32 * STEP - SPAN)
    }
}

/// Learns while tracks play. Its memory is constant.
#[derive(Clone, Debug)]
pub struct Learner {
    talkers: usize,
    /// Smoothed K-weighted power, and powers of bands as they go on sounding in a room.
    smooth: [f32; MOST],
    tails: [[f32; BANDS]; MOST],
    /// Levels, shifted so that they fit: -110 to 30 dB.
    levels: Vec<Counts>,
    /// `[track * MOST + other]`.
    pairs: Vec<Counts>,
    /// `[(track * MOST + talker) * BANDS + band]`.
    bleeds: Vec<Counts>,
    hops: u32,
    known: Knowledge,
}

/// What levels are shifted by so that they fit into counts, dB.
const SHIFT: f32 = 40.0;

impl Learner {
    /// For so many talkers, at most [`MOST`].
    pub fn new(talkers: usize) -> Self {
        Self {
            talkers: talkers.min(MOST),
            smooth: [0.0; MOST],
            tails: [[0.0; BANDS]; MOST],
            levels: vec![Counts::NONE; MOST],
            pairs: vec![Counts::NONE; MOST * MOST],
            bleeds: vec![Counts::NONE; MOST * MOST * BANDS],
            hops: 0,
            known: Knowledge::default(),
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.forget_sound();
        [&mut self.levels, &mut self.pairs, &mut self.bleeds].into_iter().flatten().for_each(|counts| *counts = Counts::NONE);
        self.known = Knowledge::default();
    }

    fn forget_sound(&mut self) {
        (self.smooth, self.tails, self.hops) = ([0.0; MOST], [[0.0; BANDS]; MOST], 0);
    }

    /// Begins the same programme anew, with what is known of it: cross-talk, which can only be counted once it is
    /// known whose voice is whose, is counted again from the start.
    pub fn again(&mut self) {
        self.look();
        self.forget_sound();
        self.bleeds.iter_mut().for_each(|counts| *counts = Counts::NONE);
    }

    /// What is known by now.
    pub fn known(&self) -> &Knowledge {
        &self.known
    }

    /// Looks at what was counted, and gives what is known.
    pub fn finish(mut self) -> Knowledge {
        self.look();
        self.known
    }

    /// Hears a hop of each talker, `hops[talker]`. Never allocates.
    pub fn hear(&mut self, hops: &[Hop]) {
        let fade = 10_f32.powf(-DECAY_DB / 10.0);
        let mut levels = [FLOOR_DB; MOST];
        for (track, hop) in hops.iter().take(self.talkers).enumerate() {
            self.smooth[track] += (hop.loud - self.smooth[track]) * SMOOTH;
            levels[track] = db(self.smooth[track], FLOOR_DB);
            self.levels[track].add(levels[track] + SHIFT);
            for (tail, &power) in self.tails[track].iter_mut().zip(&hop.bands) {
                *tail = power.max(*tail * fade);
            }
        }
        let sounds = |track: usize| levels[track] > self.known.loud[track] - SOUNDS && levels[track] > FLOOR_DB + 20.0;
        for track in 0..self.talkers {
            for other in track + 1..self.talkers {
                if sounds(track) || sounds(other) {
                    self.pairs[track * MOST + other].add(levels[track] - levels[other]);
                }
            }
        }
        let alone = |talker: usize| {
            sounds(talker)
                && (0..self.talkers)
                    .filter(|&other| other != talker)
                    .all(|other| levels[talker] - levels[other] > self.known.middle[talker][other] + ALONE)
        };
        if let Some(talker) = (0..self.talkers).find(|&talker| alone(talker)) {
            for track in (0..self.talkers).filter(|&track| track != talker) {
                for band in 0..BANDS {
                    let (there, here) = (hops[track].bands[band], self.tails[talker][band]);
                    if here > 1e-9 {
                        self.bleeds[(track * MOST + talker) * BANDS + band].add(db(there, FLOOR_DB) - db(here, FLOOR_DB));
                    }
                }
            }
        }
        self.hops += 1;
        if self.hops.is_multiple_of(EVERY) {
            self.look();
        }
    }

    fn look(&mut self) {
        for track in 0..self.talkers {
            if let Some(loud) = self.levels[track].quantile(LOUD) {
                self.known.loud[track] = loud - SHIFT;
            }
            for other in track + 1..self.talkers {
                let counts = &self.pairs[track * MOST + other];
                let (Some(low), Some(high)) = (counts.quantile(ENDS.0), counts.quantile(ENDS.1)) else { continue };
                let middle = if high - low > APART { (low + high) / 2.0 } else { 0.0 };
                self.known.middle[track][other] = middle;
                self.known.middle[other][track] = -middle;
            }
        }
        for track in 0..self.talkers {
            for talker in (0..self.talkers).filter(|&talker| talker != track) {
                let middle = self.known.middle[track][talker];
                for band in 0..BANDS {
                    let counted = self.bleeds[(track * MOST + talker) * BANDS + band].quantile(HEARD);
                    self.known.bleed[track][talker][band] = counted.unwrap_or(USUAL_DB + middle).clamp(LEAST_DB + middle, MOST_DB + middle);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multitrack::scene::{Scene, Shape};

    #[test]
    fn quantiles_are_those_of_sorted_values() {
        let mut counts = Counts::NONE;
        assert_eq!(counts.quantile(0.5), None);
        (0..1_000).for_each(|n| counts.add((n % 100) as f32 - 50.0));
        for (share, value) in [(0.0, -50.0), (0.5, 0.0), (0.95, 45.0)] {
            assert!((counts.quantile(share).unwrap() - value).abs() <= 1.0);
        }
    }

    /// Microphones set 15 dB apart, cross-talk at a known level: both are found.
    #[test]
    fn rooms_are_learned() {
        let shape = Shape { talkers: 2, bleed_db: -16.0, gains_db: [0.0, -15.0, 0.0, 0.0], seconds: 60.0, ..Shape::default() };
        let scene = Scene::new(&shape, 3);
        let hops = scene.hops();
        let mut learner = Learner::new(2);
        for turn in 0..2 {
            (0..hops[0].len()).for_each(|n| learner.hear(&[hops[0][n], hops[1][n]]));
            if turn == 0 {
                learner.again();
            }
        }
        let known = learner.finish();
        assert!((known.middle[0][1] - 15.0).abs() < 5.0, "{:?}", known.middle[0]);
        for (track, talker) in [(0, 1), (1, 0)] {
            assert!((known.bleed_db(track, talker) + 16.0).abs() < 6.0, "{track}: {}", known.bleed_db(track, talker));
        }
    }
}
