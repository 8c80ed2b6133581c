//! Ducking: music goes down before somebody talks, stays down through their pauses, and comes back behind.

use crate::units::{Db, Ms};

/// How music steps back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ducking {
    /// How far it goes down.
    pub depth: Db,
    /// Time in which it goes down by that.
    pub attack: Ms,
    /// Time that it stays down behind the last word.
    pub hold: Ms,
    /// Time in which it comes back.
    pub release: Ms,
    /// How long before the first word it begins to go down, at most the engine's look-ahead.
    pub ahead: Ms,
}

impl Default for Ducking {
    /// As a fader is ridden in broadcast: down by 15 dB within the third of a second before the first word, held
    /// through pauses of a second, back within one and a half. A bed 15 dB under speech of the same loudness lies
    /// beyond the 10 LU or so that listeners ask for to follow words with ease (M. Torcoli et al., "Preferred levels
    /// for background ducking to produce esthetically pleasing audio for TV with clear speech", J. Audio Eng. Soc.
    /// 67(12), 2019).
    fn default() -> Self {
        Self { depth: Db(15.0), attack: Ms(300.0), hold: Ms(1_000.0), release: Ms(1_500.0), ahead: Ms(300.0) }
    }
}

/// The gain of music.
#[derive(Clone, Debug)]
pub(super) struct Duck {
    /// How far down, dB, 0 and up.
    down: f32,
    /// Hops since the last word.
    since: usize,
}

impl Duck {
    pub fn new() -> Self {
        Self { down: 0.0, since: usize::MAX }
    }

    /// The linear gain at the end of a hop: `now` says whether somebody talks in it, `soon` whether somebody does
    /// within the look-ahead.
    pub fn hop(&mut self, now: bool, soon: bool, hop_ms: f32, ducking: &Ducking) -> f32 {
        self.since = if now { 0 } else { self.since.saturating_add(1) };
        let depth = ducking.depth.0.max(0.0);
        let held = (self.since as f32) * hop_ms <= ducking.hold.0;
        if soon || now || held {
            self.down = (self.down + depth * hop_ms / ducking.attack.0.max(hop_ms)).min(depth);
        } else {
            self.down = (self.down - depth * hop_ms / ducking.release.0.max(hop_ms)).clamp(0.0, depth);
        }
        if self.down == 0.0 { 1.0 } else { Db(-self.down).to_linear() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Straight in decibels, whole before the first word, back in time, at rest the sound's own bits.
    #[test]
    fn music_goes_and_comes_as_told() {
        let ducking = Ducking::default();
        let talks = |hop: i32| (100..300).contains(&hop) || (350..400).contains(&hop);
        let mut duck = Duck::new();
        let gains: Vec<f32> = (0..800).map(|hop| duck.hop(talks(hop), (hop..=hop + 30).any(talks), 10.0, &ducking)).collect();
        let db = |hop: usize| 20.0 * gains[hop].log10();
        assert!(gains[..70].iter().all(|&gain| gain == 1.0));
        assert!((db(84) + 7.5).abs() < 0.6 && (db(99) + 15.0).abs() < 0.01, "{} {}", db(84), db(99));
        assert!((99..=499).all(|hop| (db(hop) + 15.0).abs() < 0.01), "held through the pause");
        assert!((db(499 + 75) + 7.5).abs() < 0.2 && gains[499 + 155] == 1.0);
    }
}
