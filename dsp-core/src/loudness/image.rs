//! The stereo image: correlation, and width by band.

use super::weighting::{Section, State};

/// Bands in which the width is measured.
pub const BANDS: usize = 5;
/// Frequencies between the bands, in hertz: lows that should stand in the middle, body, voices,
/// presence, air.
pub const EDGES_HZ: [f64; BANDS - 1] = [120.0, 500.0, 2_000.0, 8_000.0];

/// Sums of products over a piece of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    /// Left with left, right with right, left with right.
    pub(super) products: [f64; 3],
    /// Power of middle and side by band, `[band][mid, side]`.
    pub(super) bands: [[f64; 2]; BANDS],
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.products.iter_mut().zip(other.products).for_each(|(sum, more)| *sum += more);
        for (sum, more) in self.bands.iter_mut().flatten().zip(other.bands.iter().flatten()) {
            *sum += more;
        }
    }

    /// Correlation of left and right, -1 to 1; none when either is silent.
    pub(super) fn correlation(&self) -> Option<f32> {
        let [left, right, both] = self.products;
        let power = (left * right).sqrt();
        (power > SILENCE).then(|| (both / power).clamp(-1.0, 1.0) as f32)
    }

    /// Side over mid by band in dB, from -infinity (mono) to infinity (mid cancels); none where both are
    /// silent.
    pub(super) fn width(&self) -> [Option<f32>; BANDS] {
        self.bands.map(|[mid, side]| (mid + side > SILENCE).then(|| 10.0 * (side / mid).log10() as f32))
    }
}

/// Sums of squares below this are silence: -150 dBFS through a second and more.
const SILENCE: f64 = 1e-11;

/// Splits middle and side into bands and sums their powers.
#[derive(Clone, Debug)]
pub(super) struct Image {
    /// Low-pass and high-pass at each edge.
    crossovers: [[Section; 2]; BANDS - 1],
    /// `[mid, side][edge][low, high]`.
    states: [[[State; 2]; BANDS - 1]; 2],
    /// What was seen since the last [`Image::take`].
    sums: Sums,
}

impl Image {
    pub(super) fn new(rate: f64) -> Self {
        Self { crossovers: EDGES_HZ.map(|hz| Section::crossover(hz, rate)), states: Default::default(), sums: Sums::default() }
    }

    pub(super) fn reset(&mut self) {
        self.states = Default::default();
        self.sums = Sums::default();
    }

    /// Adds one sample of left and right.
    #[inline]
    pub(super) fn step(&mut self, left: f32, right: f32) {
        let (left, right) = (f64::from(left), f64::from(right));
        let products = &mut self.sums.products;
        products[0] += left * left;
        products[1] += right * right;
        products[2] += left * right;
        for (side, mut rest) in [(left + right) / 2.0, (left - right) / 2.0].into_iter().enumerate() {
            for (edge, ([low, high], states)) in self.crossovers.iter().zip(&mut self.states[side]).enumerate() {
                let band = low.step(&mut states[0], rest);
                rest = high.step(&mut states[1], rest);
                self.sums.bands[edge][side] += band * band;
            }
            self.sums.bands[BANDS - 1][side] += rest * rest;
        }
    }

    /// The sums so far; they begin again at zero.
    pub(super) fn take(&mut self) -> Sums {
        std::mem::take(&mut self.sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn sums(rate: f64, signal: impl Fn(f64) -> (f64, f64)) -> Sums {
        let mut image = Image::new(rate);
        for n in 0..rate as usize {
            let (left, right) = signal(n as f64 / rate);
            image.step(left as f32, right as f32);
        }
        image.take()
    }

    #[test]
    fn correlation_of_known_signals() {
        let tone = |hz: f64, t: f64| (TAU * hz * t).sin();
        for rate in [44_100.0, 96_000.0] {
            let same = sums(rate, |t| (tone(440.0, t), 0.3 * tone(440.0, t))).correlation();
            assert!((same.unwrap() - 1.0).abs() < 1e-6);
            let opposite = sums(rate, |t| (tone(440.0, t), -tone(440.0, t))).correlation();
            assert!((opposite.unwrap() + 1.0).abs() < 1e-6);
            let apart = sums(rate, |t| (tone(440.0, t), tone(441.0, t))).correlation();
            assert!(apart.unwrap().abs() < 0.01);
            assert_eq!(sums(rate, |t| (tone(440.0, t), 0.0)).correlation(), None);
        }
    }

    /// A side of half the middle's amplitude reads -6 dB in its band.
    #[test]
    fn width_by_band_of_known_signals() {
        for rate in [44_100.0, 192_000.0] {
            for (band, hz) in [60.0, 250.0, 1_000.0, 4_000.0, 14_000.0].into_iter().enumerate() {
                let sums = sums(rate, |t| {
                    let (mid, side) = ((TAU * hz * t).sin(), 0.5 * (TAU * hz * t + 1.0).sin());
                    (mid + side, mid - side)
                });
                let width = sums.width()[band].unwrap();
                assert!((width + 6.02).abs() < 0.05, "{hz} Hz at {rate} Hz: {width}");
                let loudest = (0..BANDS).max_by(|&a, &b| sums.bands[a][0].total_cmp(&sums.bands[b][0]));
                assert_eq!(loudest, Some(band), "{hz} Hz at {rate} Hz");
            }
        }
        assert_eq!(sums(48_000.0, |_| (0.0, 0.0)).width(), [None; BANDS]);
        assert_eq!(sums(48_000.0, |t| ((TAU * 300.0 * t).sin(), (TAU * 300.0 * t).sin())).width()[1], Some(f32::NEG_INFINITY));
    }
}
