//! Two clocks that are not the same, and a delay that stays the same.
//!
//! The input's device gives frames at its pace and the output's takes them at its own. The resampler between
//! them runs at a ratio that a second-order loop finds from the delay itself, so neither a constant difference
//! of the clocks nor a slow change of it leaves an error.

use std::f64::consts::TAU;

/// Bandwidth of the loop at its start, in hertz: the difference of the clocks is found within seconds.
const START_HZ: f64 = 0.15;
/// Bandwidth once it has settled, in hertz. It lies well below that of the clocks' lines, whose noise it takes
/// away.
const SETTLED_HZ: f64 = 0.02;
/// Time at the start's bandwidth, in seconds.
const HOLD: f64 = 12.0;
/// Time over which it narrows after that, in seconds.
const NARROWING: f64 = 20.0;
/// Damping of the loop: no overshoot to speak of.
const DAMPING: f64 = 1.0;
/// Largest correction, as a share of the ratio: 2 per mille are 3.5 cents, which nobody hears in speech, and
/// more than any two working devices differ by.
pub const MOST: f64 = 0.002;
/// Time after which the delay counts as settled, in seconds.
pub const SETTLED_AFTER: f64 = HOLD + NARROWING;

/// The loop from the delay's error to the resampler's ratio.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    age: f64,
    integral: f64,
    correction: f64,
}

impl Drift {
    /// Begins anew with what is known of the clocks' difference.
    pub fn restart(&mut self) {
        self.age = 0.0;
    }

    /// The delay was `error` seconds too long for `elapsed` seconds. Gives the correction: the share by which
    /// the resampler shall make more frames than its nominal ratio says.
    pub fn update(&mut self, error: f64, elapsed: f64) -> f64 {
        self.age += elapsed;
        let settled = ((self.age - HOLD) / NARROWING).clamp(0.0, 1.0);
        let omega = TAU * START_HZ * (SETTLED_HZ / START_HZ).powf(settled);
        // More frames make the delay grow, so the sign is against the error.
        self.integral = (self.integral - omega * omega * error * elapsed).clamp(-MOST, MOST);
        self.correction = (self.integral - 2.0 * DAMPING * omega * error).clamp(-MOST, MOST);
        self.correction
    }

    /// The correction now.
    pub fn correction(&self) -> f64 {
        self.correction
    }

    /// Difference of the clocks as a share, without what the loop does about the error of the moment.
    pub fn difference(&self) -> f64 {
        self.integral
    }

    /// True when the loop has had its time.
    pub fn is_settled(&self) -> bool {
        self.age >= SETTLED_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_clocks_is_found_and_leaves_no_error() {
        for share in [-600e-6, 600e-6] {
            let (mut drift, mut error, mut worst) = (Drift::default(), 0.0_f64, 0.0_f64);
            for step in 0..60_000 {
                let correction = drift.update(error, 0.01);
                // The output takes `share` more than the nominal ratio gives.
                error += (correction - share) * 0.01;
                worst = worst.max(error.abs());
                if step > 6_000 {
                    assert!(error.abs() < 2e-6, "{error} s after {} s", step as f64 * 0.01);
                }
            }
            assert!(worst < 0.000_6, "{worst}");
            assert!((drift.difference() - share).abs() < 1e-6);
            assert!(drift.is_settled());
        }
    }
}
