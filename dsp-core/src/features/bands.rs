//! Mean power in triangular bands that are evenly spaced in log frequency.
//!
//! `training/deess/bands.py` computes the same; `tests/bands_parity.txt` holds the two together.

/// Number of bands.
pub const BANDS: usize = 40;
/// Centre of the lowest band, in hertz.
const LOWEST_HZ: f64 = 100.0;
/// Centre of the highest band, in hertz.
const HIGHEST_HZ: f64 = 20_000.0;
/// Centre of band `index` in hertz. Those before the first and after the last are the outer edges.
pub fn centre(index: isize) -> f64 {
    LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ).powf(index as f64 / (BANDS - 1) as f64)
}

/// Weights of bins in one band.
#[derive(Clone, Debug, Default)]
struct Band {
    first: usize,
    /// Sum to 1; none for a band that the rate cannot hold.
    weights: Vec<f32>,
}

/// Folds power spectra into [`BANDS`] bands.
///
/// A band is a triangle in hertz from the centre of the band below over its own to that of the band
/// above, but a bin's distance to either side at least: bands that lie closer than bins read between
/// two bins. A band whose centre is not below half the rate is 0.
#[derive(Clone, Debug)]
pub struct Bands {
    bands: Vec<Band>,
}

impl Bands {
    /// For spectra of `bins`, `bin_hz` apart, of a signal whose rate is twice `top`, in hertz.
    pub fn new(bins: usize, bin_hz: f64, top: f64) -> Self {
        let band = |index: isize| {
            let middle = centre(index);
            let (below, above) = ((middle - centre(index - 1)).max(bin_hz), (centre(index + 1) - middle).max(bin_hz));
            let weight = |bin: usize| {
                let away = bin as f64 * bin_hz - middle;
                (1.0 - if away < 0.0 { -away / below } else { away / above }).max(0.0)
            };
            let total: f64 = (0..bins).map(weight).sum();
            if middle >= top || total <= 0.0 {
                return Band::default();
            }
            let first = (0..bins).position(|bin| weight(bin) > 0.0).unwrap_or(0);
            Band { first, weights: (first..bins).map(weight).take_while(|w| *w > 0.0).map(|w| (w / total) as f32).collect() }
        };
        Self { bands: (0..BANDS as isize).map(band).collect() }
    }

    /// Folds `power`, `[bin]`.
    pub fn fold(&self, power: &[f32], into: &mut [f32; BANDS]) {
        for (out, band) in into.iter_mut().zip(&self.bands) {
            *out = power[band.first..].iter().zip(&band.weights).map(|(power, weight)| power * weight).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_power_is_the_same_in_every_band_that_the_rate_holds() {
        for (bins, bin_hz, top, held) in [(81, 100.0, 8_000.0, 33), (221, 100.0, 22_050.0, 40), (961, 100.0, 96_000.0, 40)] {
            let mut out = [0.0; BANDS];
            Bands::new(bins, bin_hz, top).fold(&vec![0.5; bins], &mut out);
            for (index, power) in out.iter().enumerate() {
                let wanted = if index < held { 0.5 } else { 0.0 };
                assert!((power - wanted).abs() < 1e-6, "{bins} bins, band {index}: {power}");
            }
        }
    }

    /// A low band between two bins reads the straight line between them.
    #[test]
    fn bands_narrower_than_a_bin_read_between_bins() {
        let power: Vec<f32> = (0..241).map(|bin| bin as f32).collect();
        let mut out = [0.0; BANDS];
        Bands::new(241, 100.0, 24_000.0).fold(&power, &mut out);
        for (index, got) in out.iter().enumerate().take(8) {
            let wanted = centre(index as isize) / 100.0;
            assert!((f64::from(*got) - wanted).abs() < 1e-5, "band {index}: {got} {wanted}");
        }
    }

    #[test]
    fn the_lowest_rates_hold_few_bands_or_none() {
        let mut out = [1.0; BANDS];
        Bands::new(6, 100.0, 500.0).fold(&[1.0; 6], &mut out);
        assert!(out[0] > 0.9 && out[39] == 0.0);
        Bands::new(1, 100.0, 50.0).fold(&[1.0], &mut out);
        assert_eq!(out, [0.0; BANDS]);
    }
}
