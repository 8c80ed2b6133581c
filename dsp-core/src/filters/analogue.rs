//! Analogue prototypes: what each shape of the equaliser is, exactly, at every frequency.
//!
//! Bell and shelves are those of R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter
//! coefficients": the bell's Q is that of its half-gain points, and a cut is a boost upside down.
//! Cuts are Butterworth filters (S. Butterworth, "On the theory of filter amplifiers", 1930).

/// Transfer function of up to second order, `(n0 + n1 s + n2 s^2) / (d0 + d1 s + d2 s^2)`, with `s`
/// relative to the corner: `s = j f / f0`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prototype {
    /// Numerator, by power of `s`.
    pub n: [f64; 3],
    /// Denominator, by power of `s`.
    pub d: [f64; 3],
}

fn squared(c: [f64; 3], y: f64) -> f64 {
    (c[0] - c[2] * y).powi(2) + c[1] * c[1] * y
}

impl Prototype {
    /// A bell of `gain_db` decibels at the corner.
    pub fn bell(gain_db: f64, q: f64) -> Self {
        let a = 10_f64.powf(gain_db / 40.0);
        Self { n: [1.0, a / q, 1.0], d: [1.0, 1.0 / (a * q), 1.0] }
    }

    /// A shelf below the corner, where it has half its `gain_db` decibels.
    pub fn low_shelf(gain_db: f64, q: f64) -> Self {
        let a = 10_f64.powf(gain_db / 40.0);
        let slope = a.sqrt() / q;
        Self { n: [a * a, a * slope, a], d: [1.0, slope, a] }
    }

    /// A shelf above the corner, where it has half its `gain_db` decibels.
    pub fn high_shelf(gain_db: f64, q: f64) -> Self {
        let a = 10_f64.powf(gain_db / 40.0);
        let slope = a.sqrt() / q;
        Self { n: [a, a * slope, a * a], d: [a, slope, 1.0] }
    }

    /// Half of `gain_db` decibels up above the corner, half down below, at most 6 dB an octave.
    pub fn tilt(gain_db: f64) -> Self {
        let a = 10_f64.powf(gain_db / 40.0);
        Self { n: [1.0, a, 0.0], d: [a, 1.0, 0.0] }
    }

    /// High-pass of second order.
    pub fn high_pass(q: f64) -> Self {
        Self { n: [0.0, 0.0, 1.0], d: [1.0, 1.0 / q, 1.0] }
    }

    /// Low-pass of second order.
    pub fn low_pass(q: f64) -> Self {
        Self { n: [1.0, 0.0, 0.0], d: [1.0, 1.0 / q, 1.0] }
    }

    /// High-pass of first order.
    pub fn high_pass_first() -> Self {
        Self { n: [0.0, 1.0, 0.0], d: [1.0, 1.0, 0.0] }
    }

    /// Low-pass of first order.
    pub fn low_pass_first() -> Self {
        Self { n: [1.0, 0.0, 0.0], d: [1.0, 1.0, 0.0] }
    }

    /// Squared magnitude at a frequency relative to the corner.
    pub fn power(&self, relative: f64) -> f64 {
        let y = relative * relative;
        squared(self.n, y) / squared(self.d, y)
    }

    /// True when it is of first order.
    pub fn is_first_order(&self) -> bool {
        self.n[2] == 0.0 && self.d[2] == 0.0
    }
}

/// Q of the sections of a Butterworth filter of an even order, or of an odd order beside its section
/// of first order: `1 / (2 cos(angle))` of each pair of poles, lowest first.
pub fn butterworth_q(order: usize, pair: usize) -> f64 {
    let from = if order.is_multiple_of(2) { 0.5 } else { 1.0 };
    let angle = std::f64::consts::PI * (from + pair as f64) / order as f64;
    1.0 / (2.0 * angle.cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn db(p: &Prototype, relative: f64) -> f64 {
        10.0 * p.power(relative).log10()
    }

    #[test]
    fn shapes_have_their_gains() {
        for gain in [-18.0, -3.0, 6.0, 12.0] {
            let bell = Prototype::bell(gain, 1.3);
            assert!((db(&bell, 1.0) - gain).abs() < 1e-9 && db(&bell, 1e-4).abs() < 1e-3 && db(&bell, 1e4).abs() < 1e-3);
            let low = Prototype::low_shelf(gain, 0.7);
            assert!((db(&low, 1.0) - gain / 2.0).abs() < 1e-9 && (db(&low, 1e-4) - gain).abs() < 1e-3 && db(&low, 1e4).abs() < 1e-3);
            let high = Prototype::high_shelf(gain, 0.7);
            assert!((db(&high, 1.0) - gain / 2.0).abs() < 1e-9 && (db(&high, 1e4) - gain).abs() < 1e-3 && db(&high, 1e-4).abs() < 1e-3);
            let tilt = Prototype::tilt(gain);
            assert!(
                db(&tilt, 1.0).abs() < 1e-9 && (db(&tilt, 1e5) - gain / 2.0).abs() < 1e-3 && (db(&tilt, 1e-5) + gain / 2.0).abs() < 1e-3
            );
        }
    }

    /// The product of the sections is `1 / (1 + f^(2 order))`.
    #[test]
    fn butterworth_sections_make_the_filter() {
        for order in 1..=8_usize {
            for relative in [0.1, 0.7, 1.0, 1.5, 4.0_f64] {
                let mut power = if order % 2 == 1 { Prototype::low_pass_first().power(relative) } else { 1.0 };
                for pair in 0..order / 2 {
                    power *= Prototype::low_pass(butterworth_q(order, pair)).power(relative);
                }
                let truth = 1.0 / (1.0 + relative.powi(2 * order as i32));
                assert!((power / truth - 1.0).abs() < 1e-9, "order {order} at {relative}: {power} for {truth}");
            }
        }
    }
}
