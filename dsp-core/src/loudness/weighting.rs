//! The K-weighting filter and the weights of channels (ITU-R BS.1770-5, Annex 1).

use std::f64::consts::PI;

/// Corner of the shelf that stands for the head, in hertz. These five numbers are the analogue
/// prototypes behind the coefficients that the standard prints for 48 kHz (its tables 1 and 2); from
/// them the bilinear transform gives the filter at every rate.
const SHELF_HZ: f64 = 1_681.974_450_955_533;
/// Gain of the shelf above its corner, in decibels.
const SHELF_DB: f64 = 3.999_843_853_973_347;
/// Quality of the shelf.
const SHELF_Q: f64 = 0.707_175_236_955_419_6;
/// Share of the shelf's gain that is reached at its corner, as an exponent.
const SHELF_MIDDLE: f64 = 0.499_666_774_154_541_6;
/// Corner of the high-pass (the "RLB" curve), in hertz.
const HIGH_PASS_HZ: f64 = 38.135_470_876_024_44;
/// Quality of the high-pass.
const HIGH_PASS_Q: f64 = 0.500_327_037_323_877_3;
/// Highest corner that a filter gets, as a share of the sample rate: at telephone rates and below the
/// shelf's corner lies beyond half the rate.
const HIGHEST_CORNER: f64 = 0.49;

/// A section of second order, `b` over `1 + a`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Section {
    pub(crate) b: [f64; 3],
    pub(crate) a: [f64; 2],
}

/// State of a section in transposed direct form II.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct State([f64; 2]);

impl Section {
    #[inline]
    pub(crate) fn step(&self, state: &mut State, x: f64) -> f64 {
        let y = self.b[0] * x + state.0[0];
        state.0[0] = self.b[1] * x - self.a[0] * y + state.0[1];
        state.0[1] = self.b[2] * x - self.a[1] * y;
        y
    }

    /// A Butterworth low-pass of second order and the high-pass that goes with it.
    pub(crate) fn crossover(hz: f64, rate: f64) -> [Self; 2] {
        let k = (PI * (hz / rate).min(HIGHEST_CORNER)).tan();
        let q = std::f64::consts::FRAC_1_SQRT_2;
        let a0 = 1.0 + k / q + k * k;
        let a = [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0];
        let (low, high) = (k * k / a0, 1.0 / a0);
        [Self { b: [low, 2.0 * low, low], a }, Self { b: [high, -2.0 * high, high], a }]
    }
}

/// The two sections of the K-weighting at a sample rate in hertz.
pub(crate) fn k_weighting(rate: f64) -> [Section; 2] {
    let warped = |hz: f64| (PI * (hz / rate).min(HIGHEST_CORNER)).tan();
    let k = warped(SHELF_HZ);
    let high = 10_f64.powf(SHELF_DB / 20.0);
    let middle = high.powf(SHELF_MIDDLE);
    let a0 = 1.0 + k / SHELF_Q + k * k;
    let shelf = Section {
        b: [(high + middle * k / SHELF_Q + k * k) / a0, 2.0 * (k * k - high) / a0, (high - middle * k / SHELF_Q + k * k) / a0],
        a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / SHELF_Q + k * k) / a0],
    };
    let k = warped(HIGH_PASS_HZ);
    let a0 = 1.0 + k / HIGH_PASS_Q + k * k;
    // The numerator is 1, -2, 1 at every rate, as the standard prints it for 48 kHz and as other meters
    // have it; a scaled one would differ by 0.04 dB at most.
    let high_pass = Section { b: [1.0, -2.0, 1.0], a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / HIGH_PASS_Q + k * k) / a0] };
    [shelf, high_pass]
}

/// Weight in power of a surround channel, about +1.5 dB.
const SURROUND: f64 = 1.41;

/// Weight in power of a channel, by the usual order of files with so many channels. 4: left, right and
/// two surrounds; 5: left, right, centre, two surrounds; 6: the same with the low-frequency channel,
/// which does not count, in the fourth place; 8: as 6, then the sides, where the pair behind (beyond
/// 120 degrees) has weight 1 and the sides 1.41. Other counts: all channels alike.
pub(crate) fn channel_weight(channel: usize, channels: usize) -> f64 {
    match (channels, channel) {
        (4, 2 | 3) | (5, 3 | 4) | (6, 4 | 5) | (8, 6 | 7) => SURROUND,
        (6 | 8, 3) => 0.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BS.1770-5, tables 1 and 2.
    #[test]
    fn the_filter_at_48_khz_is_the_printed_one() {
        let [shelf, high_pass] = k_weighting(48_000.0);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(shelf.b[0], 1.535_124_859_586_97);
        near(shelf.b[1], -2.691_696_189_406_38);
        near(shelf.b[2], 1.198_392_810_852_85);
        near(shelf.a[0], -1.690_659_293_182_41);
        near(shelf.a[1], 0.732_480_774_215_85);
        near(high_pass.a[0], -1.990_047_454_833_98);
        near(high_pass.a[1], 0.990_072_250_366_21);
    }

    /// Impulse responses end at every rate that an engine takes.
    #[test]
    fn the_filters_are_stable_at_every_rate() {
        for rate in [1_000.0, 2_000.0, 3_000.0, 8_000.0, 11_025.0, 44_100.0, 192_000.0, 2_000_000.0] {
            let sections = k_weighting(rate).into_iter().chain([120.0, 8_000.0].into_iter().flat_map(|hz| Section::crossover(hz, rate)));
            for section in sections {
                let mut state = State::default();
                let first = section.step(&mut state, 1.0).abs();
                let last = (0..(rate as usize)).map(|_| section.step(&mut state, 0.0).abs()).fold(0.0, |_, y| y);
                assert!(first.is_finite() && last < 1e-6, "{rate}: {section:?} {last}");
            }
        }
    }
}
