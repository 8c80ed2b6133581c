//! Values that move without a click.

use crate::units::{Hz, Ms};

/// A value that follows its target along a straight line, sample by sample, so that its course does not
/// depend on how the signal is cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ramp {
    value: f32,
    target: f32,
    slope: f32,
    left: usize,
    length: usize,
    /// True until the first target, which is taken at once.
    fresh: bool,
}

impl Ramp {
    /// A ramp that takes `time` to each new target.
    pub fn new(time: Ms, rate: Hz) -> Self {
        Self { length: time.to_samples(rate).max(1), fresh: true, ..Self::default() }
    }

    /// The next target is taken at once.
    pub fn reset(&mut self) {
        self.fresh = true;
    }

    /// Moves towards another target, or takes the first one at once.
    pub fn set(&mut self, target: f32) {
        if std::mem::take(&mut self.fresh) {
            (self.value, self.target, self.left) = (target, target, 0);
        } else if target != self.target {
            self.target = target;
            self.left = self.length;
            self.slope = (target - self.value) / self.length as f32;
        }
    }

    /// The value of the next sample.
    #[inline]
    pub fn step(&mut self) -> f32 {
        if self.left > 0 {
            self.left -= 1;
            // The end is the target itself, not a sum of steps.
            self.value = if self.left == 0 { self.target } else { self.value + self.slope };
        }
        self.value
    }

    /// The value when it rests; none while it moves.
    pub fn at_rest(&self) -> Option<f32> {
        (self.left == 0).then_some(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_the_first_at_once_and_goes_straight_to_the_others() {
        let mut ramp = Ramp::new(Ms(10.0), Hz(1_000.0));
        ramp.set(0.3);
        assert_eq!((ramp.step(), ramp.at_rest()), (0.3, Some(0.3)));
        ramp.set(0.8);
        let course: Vec<f32> = (0..12).map(|_| ramp.step()).collect();
        assert!(course.windows(2).all(|pair| (0.0..0.0501).contains(&(pair[1] - pair[0]))), "{course:?}");
        assert_eq!(course[9..], [0.8; 3]);
        ramp.reset();
        ramp.set(0.1);
        assert_eq!(ramp.step(), 0.1);
    }
}
