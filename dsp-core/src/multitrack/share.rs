//! Gain sharing: from who has a voice to the gains of all microphones.

use super::MOST;
use crate::units::Db;

/// Time in which a microphone opens, in hops: done before its voice begins, for that is seen ahead.
pub(super) const OPEN: usize = 5;
/// A microphone stays open so long behind its last word while somebody else talks, in hops: closures within words
/// are shorter.
pub(super) const HOLD: usize = 15;
/// The same while nobody talks: longer than a breath, so that a pause keeps its room.
pub(super) const HOLD_ALONE: usize = 60;
/// How fast it closes while somebody else talks, dB a hop, and while nobody does.
const CLOSE: f32 = 1.5;
const CLOSE_ALONE: f32 = 0.15;

/// How gains are shared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sharing {
    /// How far the microphones of those who are silent go down while somebody talks; 0 shares nothing and leaves all
    /// open.
    pub depth: Db,
}

impl Default for Sharing {
    /// 18 dB: cross-talk at -12 dB under a voice comes to -30 and is masked, and a word that opens late is still
    /// heard.
    fn default() -> Self {
        Self { depth: Db(18.0) }
    }
}

/// How open the microphones are, and the gains that follow.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    talkers: usize,
    /// 0 closed, 1 open.
    open: [f32; MOST],
    /// Hops since the last own voice.
    since: [usize; MOST],
}

/// Linear gains of microphones that are so far open (0 to 1). While the openings add up to no more than one the
/// squares of the gains add up to one; beyond, to the sum of the openings.
pub(super) fn gains(open: &[f32], depth: Db) -> [f32; MOST] {
    let mut gains = [1.0; MOST];
    if depth.0 <= 0.0 {
        return gains;
    }
    let closed = 10_f32.powf(-depth.0 / 10.0);
    let sum: f32 = open.iter().sum();
    let all = sum + closed * open.len() as f32;
    for (gain, open) in gains.iter_mut().zip(open) {
        *gain = ((open + closed) / all * sum.max(1.0)).sqrt();
    }
    gains
}

impl Shares {
    pub fn new(talkers: usize) -> Self {
        Self { talkers: talkers.min(MOST), open: [0.0; MOST], since: [usize::MAX; MOST] }
    }

    pub fn reset(&mut self) {
        *self = Self::new(self.talkers);
    }

    /// The gains at the end of a hop: `now` says who has a voice in it, `soon` who has one in it or within the
    /// look-ahead.
    #[expect(clippy::needless_range_loop, reason = "arrays of all talkers share the index")]
    pub fn hop(&mut self, now: &[bool; MOST], soon: &[bool; MOST], sharing: &Sharing) -> [f32; MOST] {
        for talker in 0..self.talkers {
            self.since[talker] = if now[talker] { 0 } else { self.since[talker].saturating_add(1) };
        }
        for talker in 0..self.talkers {
            let other = (0..self.talkers).any(|other| other != talker && now[other]);
            let hold = if other { HOLD } else { HOLD_ALONE };
            let open = &mut self.open[talker];
            if soon[talker] {
                *open = (*open + 1.0 / OPEN as f32).min(1.0);
            } else if self.since[talker] > hold {
                *open *= 10_f32.powf(-if other { CLOSE } else { CLOSE_ALONE } / 10.0);
                if *open < 1e-3 {
                    *open = 0.0;
                }
            }
        }
        gains(&self.open[..self.talkers], sharing.depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn powers(open: &[f32], depth: f32) -> f32 {
        gains(open, Db(depth))[..open.len()].iter().map(|gain| gain * gain).sum()
    }

    /// The law of the sharing: the room is heard once while at most one talks.
    #[test]
    fn powers_of_the_gains_add_up() {
        for talkers in 2..=MOST {
            for depth in [6.0, 18.0, 40.0] {
                let mut open = vec![0.0; talkers];
                assert!((powers(&open, depth) - 1.0).abs() < 1e-5);
                for step in 0..=10 {
                    open[0] = step as f32 / 10.0;
                    assert!((powers(&open, depth) - 1.0).abs() < 1e-5, "{talkers} {depth} {step}");
                }
                open[1] = 1.0;
                assert!((powers(&open, depth) - 2.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn who_talks_is_open_and_who_does_not_is_down() {
        let down = |open: &[f32], talker: usize| 20.0 * gains(open, Db(18.0))[talker].log10();
        assert!(down(&[1.0, 0.0], 0) > -0.2 && down(&[1.0, 0.0], 1) < -17.5);
        assert!(down(&[1.0, 0.0, 0.0, 0.0], 0) > -0.3);
        // Both talk: both as if alone.
        assert!(down(&[1.0, 1.0], 0).abs() < 0.01 && down(&[1.0, 1.0, 0.0, 0.0], 1) > -0.2);
        // Nobody talks: all alike.
        assert!((down(&[0.0, 0.0], 0) + 3.01).abs() < 0.01);
        assert_eq!(gains(&[1.0, 0.0], Db(0.0)), [1.0; MOST]);
    }
}
