//! Time in small steps: parameters are read, and glide, on a grid that does not know of blocks.

use crate::units::Hz;

/// Samples from one reading of the parameters to the next. Coefficients run along straight lines
/// between; 32 samples are 0.7 ms at 48 kHz.
pub const TICK: usize = 32;

/// Time constant of each of a glide's two stages in seconds: a jump is over after about 60 ms, fast
/// enough for a hand and slow enough that its side bands stay at the tone.
const GLIDE_SECONDS: f64 = 0.01;

/// Where the present tick stands. Ticks are counted from the last reset, so a stage does the same at
/// the same sample however the signal is cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticks {
    left: usize,
}

impl Ticks {
    /// The next tick begins with the next sample.
    pub fn reset(&mut self) {
        self.left = 0;
    }

    /// Takes up to `wanted` samples: whether a tick begins with the first of them, and how many there
    /// are before the next.
    pub fn take(&mut self, wanted: usize) -> (bool, usize) {
        let due = self.left == 0;
        if due {
            self.left = TICK;
        }
        let length = self.left.min(wanted);
        self.left -= length;
        (due, length)
    }

    /// Samples of this tick that are done before the piece of `length` samples just taken.
    pub fn done(&self, length: usize) -> usize {
        TICK - self.left - length
    }
}

/// How far a glide goes in one tick at this rate: the pole of each stage.
pub fn pole(rate: Hz) -> f64 {
    (-(TICK as f64) / (rate.0 * GLIDE_SECONDS)).exp()
}

/// A value that follows its target without corners: two equal one-pole stages, and arrives exactly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Glide {
    first: f64,
    now: f64,
    target: f64,
}

impl Glide {
    /// Stands at a value.
    pub fn at(value: f64) -> Self {
        Self { first: value, now: value, target: value }
    }

    /// The value.
    pub fn now(&self) -> f64 {
        self.now
    }

    /// Where it goes.
    pub fn target(&self) -> f64 {
        self.target
    }

    /// Goes on by one tick towards a target; once it is nearer than `near` it is there. True while it
    /// moves, the tick of its arrival included.
    pub fn follow(&mut self, target: f64, pole: f64, near: f64) -> bool {
        self.target = target;
        if self.now == target && self.first == target {
            return false;
        }
        self.first = target + (self.first - target) * pole;
        self.now = self.first + (self.now - self.first) * pole;
        if (self.now - target).abs() < near && (self.first - target).abs() < near {
            *self = Self::at(target);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_fall_on_the_same_samples_whatever_the_blocks() {
        for sizes in [vec![1; 200], vec![17; 12], vec![64, 3, 0, 90, 43], vec![200]] {
            let mut ticks = Ticks::default();
            let (mut at, mut begins) = (0, Vec::new());
            for size in sizes {
                let mut left = size;
                while left > 0 {
                    let (due, length) = ticks.take(left);
                    assert_eq!(ticks.done(length), at % TICK);
                    if due {
                        begins.push(at);
                    }
                    at += length;
                    left -= length;
                }
            }
            assert!(begins.iter().enumerate().all(|(index, &begin)| begin == index * TICK), "{begins:?}");
            assert!(begins.len() >= 6);
        }
    }

    #[test]
    fn a_glide_arrives_and_never_overshoots() {
        let mut glide = Glide::at(0.0);
        let pole = pole(Hz(48_000.0));
        let mut last = 0.0;
        let mut ticks = 0;
        while glide.follow(1.0, pole, 1e-6) {
            assert!(glide.now() >= last && glide.now() <= 1.0);
            last = glide.now();
            ticks += 1;
        }
        assert_eq!(glide.now(), 1.0);
        let seconds = (ticks * TICK) as f64 / 48_000.0;
        assert!((0.1..0.25).contains(&seconds), "{seconds} s to the last millionth");
    }
}
