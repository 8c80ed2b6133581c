//! Decibels, hertz, milliseconds and samples, and the only conversions between them.

use serde::{Deserialize, Serialize};

/// A level or gain in decibels of amplitude: `20 log10(linear)`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Db(pub f32);

impl Db {
    /// The linear amplitude factor, `10^(dB/20)`. Minus infinity gives 0.
    pub fn to_linear(self) -> f32 {
        10.0_f32.powf(self.0 / 20.0)
    }

    /// From a linear amplitude factor. Zero and below give minus infinity.
    pub fn from_linear(linear: f32) -> Self {
        if linear > 0.0 { Self(20.0 * linear.log10()) } else { Self(f32::NEG_INFINITY) }
    }

    /// From a power (an amplitude squared). Zero and below give minus infinity.
    pub fn from_power(power: f32) -> Self {
        if power > 0.0 { Self(10.0 * power.log10()) } else { Self(f32::NEG_INFINITY) }
    }
}

/// A duration in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ms(pub f32);

impl Ms {
    /// The nearest whole number of samples at `rate`.
    pub fn to_samples(self, rate: Hz) -> usize {
        (f64::from(self.0) * rate.0 / 1000.0).round().max(0.0) as usize
    }

    /// The duration of `samples` at `rate`.
    pub fn from_samples(samples: usize, rate: Hz) -> Self {
        Self((samples as f64 * 1000.0 / rate.0) as f32)
    }
}

/// A frequency, or a sample rate, in hertz.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hz(pub f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_and_back() {
        for db in [-120.0, -6.0, 0.0, 12.0] {
            assert!((Db::from_linear(Db(db).to_linear()).0 - db).abs() < 1e-4);
        }
        assert_eq!(Db(f32::NEG_INFINITY).to_linear(), 0.0);
        assert_eq!(Db::from_linear(0.0).0, f32::NEG_INFINITY);
        assert_eq!(Db::from_power(0.25), Db::from_linear(0.5));
    }

    #[test]
    fn milliseconds_round_to_the_nearest_sample() {
        assert_eq!(Ms(10.0).to_samples(Hz(44_100.0)), 441);
        assert_eq!(Ms(10.0).to_samples(Hz(22_050.0)), 221);
        assert_eq!(Ms::from_samples(960, Hz(48_000.0)), Ms(20.0));
    }
}
