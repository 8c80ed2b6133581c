//! What can be set on an equaliser, and the curve that follows from it.

use super::analogue::{Prototype, butterworth_q};
use super::matched::Matched;
use crate::units::{Db, Hz};

/// Bands of an equaliser.
pub const BANDS: usize = 12;
/// Most sections of one band: a cut of 48 dB an octave has four of second order.
pub const SECTIONS: usize = 4;
/// The Q of a Butterworth filter of second order.
pub const FLAT_Q: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Shape of a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Shape {
    /// A bell around the frequency.
    #[default]
    Bell,
    /// All below the frequency, which has half the gain.
    LowShelf,
    /// All above the frequency, which has half the gain.
    HighShelf,
    /// Takes away what is below (a high-pass).
    LowCut,
    /// Takes away what is above (a low-pass).
    HighCut,
    /// Half the gain up above the frequency and half down below.
    Tilt,
}

impl Shape {
    /// True for shapes without a gain.
    pub const fn is_cut(self) -> bool {
        matches!(self, Self::LowCut | Self::HighCut)
    }
}

/// Steepness of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Slope {
    /// 6 dB an octave.
    Db6,
    /// 12 dB an octave.
    #[default]
    Db12,
    /// 18 dB an octave.
    Db18,
    /// 24 dB an octave.
    Db24,
    /// 36 dB an octave.
    Db36,
    /// 48 dB an octave.
    Db48,
}

impl Slope {
    /// Order of the filter.
    pub const fn order(self) -> usize {
        match self {
            Self::Db6 => 1,
            Self::Db12 => 2,
            Self::Db18 => 3,
            Self::Db24 => 4,
            Self::Db36 => 6,
            Self::Db48 => 8,
        }
    }

    /// All slopes, gentlest first.
    pub const ALL: [Self; 6] = [Self::Db6, Self::Db12, Self::Db18, Self::Db24, Self::Db36, Self::Db48];
}

/// One band.
///
/// The minimum-phase filter keeps within 0.5 dB of the analogue curve up to 0.45 of the rate, at 44.1
/// and 48 kHz, for: bells of 20 Hz to 20 kHz, -18 to 18 dB, Q 0.1 to 20; shelves and tilts of 20 Hz to
/// 18 kHz, -18 to 18 dB, Q 0.3 to 1.4; low cuts of 20 Hz to 8 kHz, every slope, down to -60 dB; high
/// cuts of 500 Hz to 20 kHz, every slope, down to -20 dB. Further down a high cut is off by 0.6 dB at
/// -40 dB and by 0.8 dB at -60 dB, at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// The band does something.
    pub on: bool,
    /// Its shape.
    pub shape: Shape,
    /// Corner or centre. Above 0.49 of the sample rate it is taken there.
    pub frequency: Hz,
    /// Gain; cuts have none.
    pub gain: Db,
    /// Width of a bell, slope of a shelf, resonance of a cut (0.71 is flat); tilts and cuts of 6 dB
    /// have none.
    pub q: f32,
    /// Steepness of a cut.
    pub slope: Slope,
}

impl Default for Band {
    fn default() -> Self {
        Self { on: false, shape: Shape::Bell, frequency: Hz(1_000.0), gain: Db(0.0), q: FLAT_Q, slope: Slope::Db12 }
    }
}

/// A section's prototype and the Q that places its fit.
pub type Wanted = (Prototype, f64);

impl Band {
    /// True when the band changes nothing.
    pub fn is_neutral(&self) -> bool {
        !self.on || !self.shape.is_cut() && self.gain.0 == 0.0
    }

    /// The analogue sections whose product is the band, and how many there are.
    pub fn prototypes(&self) -> ([Wanted; SECTIONS], usize) {
        let (gain, q) = (f64::from(self.gain.0), f64::from(self.q));
        let flat = f64::from(FLAT_Q);
        let mut out = [(Prototype::bell(0.0, 1.0), 1.0); SECTIONS];
        out[0] = match self.shape {
            Shape::Bell => (Prototype::bell(gain, q), q),
            Shape::LowShelf => (Prototype::low_shelf(gain, q), q),
            Shape::HighShelf => (Prototype::high_shelf(gain, q), q),
            Shape::Tilt => (Prototype::tilt(gain), flat),
            Shape::LowCut | Shape::HighCut => {
                let order = self.slope.order();
                let pairs = order / 2;
                for (pair, wanted) in out.iter_mut().take(pairs).enumerate() {
                    // The sharpest section carries the resonance.
                    let own = butterworth_q(order, pair) * if pair + 1 == pairs { q / flat } else { 1.0 };
                    *wanted = (if self.shape == Shape::LowCut { Prototype::high_pass(own) } else { Prototype::low_pass(own) }, own);
                }
                if order % 2 == 1 {
                    let first = if self.shape == Shape::LowCut { Prototype::high_pass_first() } else { Prototype::low_pass_first() };
                    out[pairs] = (first, flat);
                }
                return (out, pairs + order % 2);
            }
        };
        (out, 1)
    }

    /// The digital sections at a rate, and how many there are.
    pub fn sections(&self, rate: Hz) -> ([Matched; SECTIONS], usize) {
        let (prototypes, count) = self.prototypes();
        let first = Matched::new(&prototypes[0].0, self.frequency, prototypes[0].1, rate);
        let mut made = [(prototypes[0].0, first); SECTIONS];
        for index in 1..count {
            let (prototype, q) = prototypes[index];
            made[index] = (prototype, Matched::after(&made[..index], &prototype, self.frequency, q, rate));
        }
        (made.map(|(_, matched)| matched), count)
    }

    /// Gain of the analogue band in decibels, whatever `on` says: the definition.
    pub fn analogue_db(&self, at: Hz) -> f64 {
        let (prototypes, count) = self.prototypes();
        let power: f64 = prototypes[..count].iter().map(|(prototype, _)| prototype.power(at.0 / self.frequency.0)).product();
        10.0 * power.max(1e-30).log10()
    }
}

/// Phase of an equaliser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Phase {
    /// Minimum phase, no delay.
    #[default]
    Minimum,
    /// Linear phase: no phase is moved, at the price of a long delay and of pre-ringing.
    Linear,
}

/// All bands of an equaliser.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Settings {
    /// The bands, applied one after the other.
    pub bands: [Band; BANDS],
}

impl Settings {
    /// True when no band changes anything.
    pub fn is_neutral(&self) -> bool {
        self.bands.iter().all(Band::is_neutral)
    }

    /// Gain of the minimum-phase equaliser in decibels at a frequency and sample rate, for an editor.
    pub fn response_db(&self, at: Hz, rate: Hz) -> f64 {
        self.bands
            .iter()
            .filter(|band| !band.is_neutral())
            .map(|band| {
                let (sections, count) = band.sections(rate);
                sections[..count].iter().map(|section| section.response_db(at, rate)).sum::<f64>()
            })
            .sum()
    }

    /// Gain of the analogue curve in decibels: what the linear-phase equaliser does.
    pub fn analogue_db(&self, at: Hz) -> f64 {
        self.bands.iter().filter(|band| !band.is_neutral()).map(|band| band.analogue_db(at)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frequencies at which curves are compared: up to 0.45 of the rate, and close around the corner.
    fn probes(corner: f64, rate: f64) -> impl Iterator<Item = f64> {
        let wide = (0..300).map(move |n| 10.0 * (0.045 * rate).powf(f64::from(n) / 299.0));
        let near = (0..200).map(move |n| corner * 0.5 * 4_f64.powf(f64::from(n) / 199.0));
        wide.chain(near).filter(move |&hz| hz <= 0.45 * rate)
    }

    fn worst(band: &Band, rate: f64, least: f64) -> f64 {
        let (sections, count) = band.sections(Hz(rate));
        probes(band.frequency.0, rate).fold(0.0, |worst: f64, hz| {
            let truth = band.analogue_db(Hz(hz));
            let made: f64 = sections[..count].iter().map(|section| section.response_db(Hz(hz), Hz(rate))).sum();
            if truth < least { worst } else { worst.max((made - truth).abs()) }
        })
    }

    /// Levels of the analogue curve down to which each kind of band is compared, decibels.
    const LEAST_DB: [f64; 4] = [-60.0, -60.0, -60.0, -20.0];

    /// The promise of [`Band`], over its whole range.
    #[test]
    fn equaliser_keeps_to_the_analogue_curve() {
        let corners = |low: f64, high: f64| (0..=40).map(move |n| low * (high / low).powf(f64::from(n) / 40.0));
        let mut most: [(f64, String); 4] = Default::default();
        let mut note = |kind: usize, band: Band, rate: f64| {
            // Bells, shelves and low cuts hold further down than high cuts.
            let error = worst(&band, rate, LEAST_DB[kind]);
            if error > most[kind].0 {
                most[kind] = (error, format!("{band:?} at {rate} Hz"));
            }
        };
        for rate in [44_100.0, 48_000.0] {
            for gain in [-18.0, -9.0, -1.0, 0.5, 3.0, 6.0, 12.0, 18.0].map(Db) {
                for frequency in corners(20.0, 20_000.0).map(Hz) {
                    for q in [0.1, 0.2, 0.4, 0.7, 1.0, 1.4, 2.0, 4.0, 8.0, 20.0] {
                        note(0, Band { on: true, frequency, gain, q, ..Band::default() }, rate);
                    }
                }
                for frequency in corners(20.0, 18_000.0).map(Hz) {
                    for shape in [Shape::LowShelf, Shape::HighShelf, Shape::Tilt] {
                        for q in [0.3, 0.5, 0.7, 0.71, 1.0, 1.4] {
                            note(1, Band { on: true, shape, frequency, gain, q, ..Band::default() }, rate);
                        }
                    }
                }
            }
            for slope in Slope::ALL {
                for frequency in corners(20.0, 8_000.0).map(Hz) {
                    note(2, Band { on: true, shape: Shape::LowCut, frequency, slope, ..Band::default() }, rate);
                }
                for frequency in corners(500.0, 20_000.0).map(Hz) {
                    note(3, Band { on: true, shape: Shape::HighCut, frequency, slope, ..Band::default() }, rate);
                }
            }
        }
        for (error, what) in &most {
            println!("{error:.3} dB: {what}");
        }
        for (least, allowed) in [(-40.0, 0.65), (-60.0, 0.85)] {
            let mut deep = 0.0_f64;
            for slope in Slope::ALL {
                for frequency in corners(500.0, 20_000.0).map(Hz) {
                    let band = Band { on: true, shape: Shape::HighCut, frequency, slope, ..Band::default() };
                    deep = deep.max(worst(&band, 44_100.0, least)).max(worst(&band, 48_000.0, least));
                }
            }
            println!("high cuts down to {least} dB: {deep:.3} dB");
            assert!(deep <= allowed, "high cuts down to {least} dB: {deep:.3} dB");
        }
        for (error, what) in &most {
            assert!(*error <= 0.5, "{error:.3} dB: {what}");
        }
    }
}
