//! Digital sections whose magnitude is that of their analogue prototype, up to the Nyquist frequency.
//!
//! The squared magnitude of a section is a ratio of two quadratics in `x = sin^2(pi f / rate)`, and
//! so linear in its unknowns: M. Vicanek, "Matched second order digital filters" (2016), matches the
//! numerator at three frequencies to poles that are those of the prototype. Here the poles are
//! matched too: the whole ratio goes through the prototype's value at up to five frequencies, which
//! holds where impulse-invariant poles do not (wide or strong curves near the Nyquist frequency). A
//! few choices of the five are tried, and the one with the least error is taken. Both quadratics are
//! then factored into the section of least phase, in the form of [`super::section`].

use super::analogue::Prototype;
use crate::units::Hz;
use std::f64::consts::PI;

/// Corners above this share of the rate are taken here: what lies further up has no digital filter.
const HIGHEST: f64 = 0.49;
/// Up to this share of the rate the curve is held.
const EDGE: f64 = 0.46;
/// Between corner and edge, where a point would lie beyond.
const BEYOND: f64 = 0.47;
/// An error (as a ratio of powers, 0.05 dB) at which no better choice is looked for.
const GOOD: f64 = 1.0116;
/// Values under this power (-80 dB) do not count when choices are compared.
const UNHEARD: f64 = 1e-8;

/// A digital section: squared magnitude, and the coefficients of the state variable filter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matched {
    /// Numerator of the squared magnitude, by power of `x / scale`.
    n: [f64; 3],
    /// Denominator, by power of `x / scale`, the first 1.
    d: [f64; 3],
    scale: f64,
}

/// Coefficients of a state variable filter: `y = high * HP + band * BP + low * LP`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    /// Tangent of half the angle of the corner; over 0.
    pub g: f64,
    /// Damping, `1 / Q`; over 0.
    pub k: f64,
    /// Share of the high-pass: the gain at the Nyquist frequency.
    pub high: f64,
    /// Share of the band-pass `s / (s^2 + k s + 1)`.
    pub band: f64,
    /// Share of the low-pass: the gain at 0 Hz.
    pub low: f64,
}

/// Which frequencies a choice goes through: by the spread `r` around the corner.
#[derive(Clone, Copy)]
enum Form {
    /// Below, at and above the corner, and the edge.
    Around,
    /// Two below the corner, the corner and the edge.
    Below,
    /// One below, one between it and the corner, the corner and the edge.
    Between,
    /// Below, at the corner, between corner and edge, the edge.
    Above,
    /// Below, and three on the way to the edge: between the points of the sections before.
    Lobes,
    /// As these, nearer to the corner.
    Near,
}

/// The spread around the corner.
#[derive(Clone, Copy)]
enum Spread {
    /// This ratio.
    Ratio(f64),
    /// This share of the way from the corner to the half-gain point of its Q.
    Width(f64),
}

/// One way to determine the section.
#[derive(Clone, Copy)]
enum Choice {
    /// Every coefficient that is free.
    Free(Form, Spread),
    /// The prototype's poles, the numerator at corner and edge.
    Poles,
}

use Choice::{Free, Poles};
use Form::{Above, Around, Below, Between, Lobes, Near};
use Spread::{Ratio, Width};

// Chosen by a search over all corners, gains and Q at 44.1 and 48 kHz for the least largest error;
// `equaliser_keeps_to_the_analogue_curve` holds what they reach.
const BELL: &[Choice] = &[
    Free(Between, Width(0.5)),
    Free(Above, Width(1.0)),
    Free(Around, Width(0.5)),
    Free(Between, Width(1.0)),
    Free(Around, Width(1.0)),
    Free(Between, Width(0.25)),
];
const SHELF: &[Choice] = &[Poles, Free(Below, Width(1.0)), Free(Above, Ratio(1.41)), Free(Between, Width(2.0)), Free(Around, Width(0.5))];
const TILT: &[Choice] = &[Free(Between, Width(1.0)), Free(Around, Width(2.0)), Free(Around, Ratio(2.0))];
const LOW_PASS: &[Choice] = &[
    Poles,
    Free(Around, Ratio(5.0)),
    Free(Below, Width(2.0)),
    Free(Above, Width(0.5)),
    Free(Above, Ratio(1.41)),
    Free(Below, Ratio(1.2)),
    Free(Below, Ratio(2.0)),
    Free(Lobes, Ratio(1.2)),
    Free(Lobes, Ratio(1.8)),
    Free(Lobes, Ratio(3.0)),
    Free(Lobes, Ratio(1.05)),
    Free(Around, Ratio(1.41)),
    Free(Near, Ratio(1.1)),
    Free(Near, Ratio(1.4)),
    Free(Near, Ratio(3.0)),
];
const HIGH_PASS: &[Choice] =
    &[Free(Below, Width(2.0)), Free(Below, Ratio(1.41)), Free(Between, Ratio(3.0)), Free(Below, Width(1.0)), Free(Below, Ratio(3.0))];

/// Unknowns of a fit: coefficients of the numerator from the lowest that is not 0, and of the
/// denominator but for its first.
const UNKNOWNS: usize = 5;
/// Frequencies at which choices are compared.
const PROBES: usize = 19;

fn quadratic(c: [f64; 3], u: f64) -> f64 {
    c[0] + u * (c[1] + u * c[2])
}

/// Solves `rows x = right` in place by elimination with row exchange; none when it is singular.
fn solve(rows: &mut [[f64; UNKNOWNS + 1]], unknowns: usize) -> Option<[f64; UNKNOWNS]> {
    for column in 0..unknowns {
        let best = (column..unknowns).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        if rows[best][column].abs() < 1e-13 {
            return None;
        }
        rows.swap(column, best);
        let pivot = rows[column];
        for row in rows[column + 1..unknowns].iter_mut() {
            let factor = row[column] / pivot[column];
            for (value, &above) in row.iter_mut().zip(&pivot).skip(column) {
                *value -= factor * above;
            }
        }
    }
    let mut x = [0.0; UNKNOWNS];
    for row in (0..unknowns).rev() {
        let known: f64 = (row + 1..unknowns).map(|column| rows[row][column] * x[column]).sum();
        x[row] = (rows[row][UNKNOWNS] - known) / rows[row][row];
    }
    Some(x)
}

/// What all choices for one section share.
struct Job<'a> {
    prototype: &'a Prototype,
    /// Corner as a share of the rate.
    corner: f64,
    q: f64,
    scale: f64,
    /// Power of the first numerator coefficient that is not zero.
    first: usize,
    /// Sections before this one, whose errors this one makes good.
    before: &'a [(Prototype, Matched)],
}

impl Job<'_> {
    /// `x / scale` at a share of the rate.
    fn u(&self, share: f64) -> f64 {
        (PI * share.min(0.5)).sin().powi(2) / self.scale
    }

    /// Ratio from the corner to the half-gain point of its Q.
    fn half(&self) -> f64 {
        (1.0 + 1.0 / (4.0 * self.q * self.q)).sqrt() + 1.0 / (2.0 * self.q)
    }

    /// The power wanted at a share of the rate.
    fn power(&self, share: f64) -> f64 {
        let relative = share / self.corner;
        self.before.iter().fold(self.prototype.power(relative), |power, (prototype, made)| {
            let owed = prototype.power(relative) / made.power(share);
            if owed.is_finite() { power * owed } else { power }
        })
    }

    fn points(&self, form: Form, spread: Spread) -> [f64; 4] {
        let r = match spread {
            Ratio(r) => r,
            Width(share) => 1.0 + (self.half() - 1.0) * share,
        };
        let f = self.corner;
        match form {
            Around => [f / r, f, if f * r > EDGE { 0.5 * (f + BEYOND) } else { f * r }, EDGE],
            Below => [f / (r * r), f / r, f, EDGE],
            Between => [f / r, f / r.sqrt(), f, EDGE],
            Above => [f / r, f, (f * EDGE).sqrt(), EDGE],
            Lobes => {
                let way = |share: f64| f * (EDGE / f).powf(share);
                [f / r, way(0.3), way(0.65), way(0.93)]
            }
            Near => {
                let way = |share: f64| f * (EDGE / f).powf(share);
                [f / r, way(0.15), way(0.4), way(0.8)]
            }
        }
    }

    fn matched(&self, choice: Choice) -> Option<Matched> {
        let (n, d) = match choice {
            Free(form, spread) => self.free(form, spread)?,
            Poles => self.poles()?,
        };
        let matched = Matched { n, d, scale: self.scale };
        matched.is_sound().then_some(matched)
    }

    fn free(&self, form: Form, spread: Spread) -> Option<([f64; 3], [f64; 3])> {
        let numerator = 3 - self.first;
        let unknowns = numerator + 2;
        let mut rows = [[0.0; UNKNOWNS + 1]; UNKNOWNS];
        let points = self.points(form, spread);
        // Shelves and low-passes go through 0 Hz, too; high-passes have fewer unknowns.
        let at_zero = usize::from(self.first == 0);
        let skipped = points.len() + at_zero - unknowns;
        let shares = std::iter::repeat_n(0.0, at_zero).chain(points.into_iter().skip(skipped));
        for (row, share) in rows.iter_mut().zip(shares) {
            let u = self.u(share);
            let power = self.power(share);
            let weight = 1.0 / (u.powi(2).max(1.0) * power.max(1.0));
            for (column, value) in row.iter_mut().take(numerator).enumerate() {
                *value = weight * u.powi((column + self.first) as i32);
            }
            row[numerator] = -weight * power * u;
            row[numerator + 1] = -weight * power * u * u;
            row[UNKNOWNS] = weight * power;
        }
        let x = solve(&mut rows, unknowns)?;
        let mut n = [0.0; 3];
        n[self.first..].copy_from_slice(&x[..numerator]);
        Some((n, [1.0, x[numerator], x[numerator + 1]]))
    }

    /// The prototype's poles, or its zeros where these are lower and so hold better.
    fn poles(&self) -> Option<([f64; 3], [f64; 3])> {
        let Prototype { n, d } = *self.prototype;
        let inverse = n[0] != 0.0 && n[2] != 0.0 && n[0] * d[2] < d[0] * n[2];
        let from = if inverse { n } else { d };
        if from[2] == 0.0 {
            return None;
        }
        // Impulse invariance: z = exp(s T), for a pair or for two real poles.
        let angle = 2.0 * PI * self.corner;
        let (middle, product) = (-from[1] / (2.0 * from[2]), from[0] / from[2]);
        let root = (middle * middle - product).abs().sqrt();
        let a2 = (2.0 * middle * angle).exp();
        let a1 = if middle * middle < product {
            -2.0 * (middle * angle).exp() * (root * angle).cos()
        } else {
            -((middle + root) * angle).exp() - ((middle - root) * angle).exp()
        };
        let zero = (1.0 + a1 + a2).powi(2);
        let fixed = [1.0, -4.0 * (a1 + a1 * a2 + 4.0 * a2) * self.scale / zero, 16.0 * a2 * self.scale * self.scale / zero];
        let mut rows = [[0.0; UNKNOWNS + 1]; UNKNOWNS];
        for (row, share) in rows.iter_mut().zip([0.0, self.corner, EDGE]) {
            let u = self.u(share);
            let power = self.power(share);
            let power = if inverse { 1.0 / power } else { power };
            let weight = 1.0 / u.powi(2).max(1.0);
            *row = [weight, weight * u, weight * u * u, 0.0, 0.0, weight * power * quadratic(fixed, u)];
        }
        let x = solve(&mut rows, 3)?;
        let other = [x[0], x[1], x[2]];
        let (n, d) = if inverse { (fixed, other) } else { (other, fixed) };
        Some((n.map(|c| c / d[0]), d.map(|c| c / d[0])))
    }

    /// The bilinear transform: always sound, and right at the corner.
    fn bilinear(&self) -> Matched {
        // s = j tan(pi f / rate) / tan(pi f0 / rate): y = x / (1 - x) / (scale / (1 - scale)).
        let cramp = 1.0 - self.scale;
        let map = |c: [f64; 3]| {
            // |c|^2 = c0^2 + (c1^2 - 2 c0 c2) y + c2^2 y^2, times (1 - x)^2, with y = cramp u / (1 - scale u).
            let [p0, p1, p2] = [c[0] * c[0], c[1] * c[1] - 2.0 * c[0] * c[2], c[2] * c[2]];
            let s = self.scale;
            if self.prototype.is_first_order() {
                // Once (1 - x) less above and below.
                return [p0, -s * p0 + cramp * p1, 0.0];
            }
            [p0, -2.0 * s * p0 + cramp * p1, s * s * p0 - s * cramp * p1 + cramp * cramp * p2]
        };
        let (n, d) = (map(self.prototype.n), map(self.prototype.d));
        Matched { n: n.map(|c| c / d[0]), d: d.map(|c| c / d[0]), scale: self.scale }
    }
}

impl Matched {
    /// The section for a prototype at a corner. `q` is the prototype's, to place the frequencies.
    pub fn new(prototype: &Prototype, corner: Hz, q: f64, rate: Hz) -> Self {
        Self::after(&[], prototype, corner, q, rate)
    }

    /// As [`Matched::new`], for a section that follows others of the same corner and makes good what
    /// these miss of their prototypes.
    pub fn after(before: &[(Prototype, Self)], prototype: &Prototype, corner: Hz, q: f64, rate: Hz) -> Self {
        let share = (corner.0 / rate.0).min(HIGHEST);
        let first = prototype.n.iter().position(|&c| c != 0.0).unwrap_or(0);
        let job = Job { prototype, corner: share, q, scale: (PI * share).sin().powi(2), first, before };
        let choices = match (prototype.is_first_order(), prototype.n, prototype.d) {
            (true, ..) if first == 0 && prototype.n[1] == 0.0 => LOW_PASS,
            (true, ..) => TILT,
            (_, [1.0, _, 1.0], [1.0, _, 1.0]) => BELL,
            (_, [_, 0.0, 0.0], _) => LOW_PASS,
            (_, [0.0, 0.0, _], _) => HIGH_PASS,
            _ => SHELF,
        };
        let mut probes = [(0.0, 0.0); PROBES];
        let half = job.half();
        let relative = [0.25, 0.5, 1.0 / (half * half), 1.0 / half, 1.0 / half.sqrt(), 1.0, half.sqrt(), half, half * half, 2.0, 4.0];
        let fixed = [0.05, 0.1, 0.2, 0.3, 0.35, 0.4, 0.43, 0.45];
        for (probe, at) in probes.iter_mut().zip(relative.into_iter().map(|ratio| ratio * share).chain(fixed)) {
            let at = at.min(0.45);
            *probe = (job.u(at), job.power(at));
        }
        let mut best = job.bilinear();
        let mut least = best.error(&probes);
        for &choice in choices {
            if least < GOOD && before.is_empty() {
                break;
            }
            if let Some(matched) = job.matched(choice) {
                let error = matched.error(&probes);
                if error < least {
                    (best, least) = (matched, error);
                }
            }
        }
        best
    }

    /// Largest ratio of powers, upwards or downwards.
    fn error(&self, probes: &[(f64, f64)]) -> f64 {
        let mut most = 1.0_f64;
        for &(u, wanted) in probes {
            if wanted > UNHEARD {
                let power = quadratic(self.n, u) / quadratic(self.d, u);
                let ratio = power / wanted;
                // What is negative or no number is as wrong as can be.
                most = most.max(if ratio > 0.0 { ratio.max(1.0 / ratio) } else { f64::INFINITY });
            }
        }
        most
    }

    /// Squared magnitudes at the Nyquist frequency: numerator and denominator.
    fn top(&self) -> [f64; 2] {
        let u = 1.0 / self.scale;
        [quadratic(self.n, u), quadratic(self.d, u)]
    }

    /// `(2 c0 + c1 / scale + 2 sqrt(c0 c(1)))`: the square of the difference of the outer coefficients,
    /// times 4.
    fn outer(c: [f64; 3], top: f64, scale: f64) -> f64 {
        2.0 * c[0] + c[1] / scale + 2.0 * (c[0] * top).sqrt()
    }

    /// True when both quadratics can be factored.
    fn is_sound(&self) -> bool {
        let [n, d] = self.top();
        let all = self.n[0] >= 0.0 && n >= 0.0 && d > 0.0;
        all && Self::outer(self.n, n, self.scale) >= 0.0 && Self::outer(self.d, d, self.scale) > 0.0
    }

    /// Squared magnitude at a share of the rate.
    fn power(&self, share: f64) -> f64 {
        let u = (PI * share.min(0.5)).sin().powi(2) / self.scale;
        quadratic(self.n, u) / quadratic(self.d, u)
    }

    /// Gain in decibels at a frequency.
    pub fn response_db(&self, at: Hz, rate: Hz) -> f64 {
        10.0 * self.power(at.0 / rate.0).max(1e-30).log10()
    }

    /// The state variable filter of least phase with this magnitude. From `|A(1)|^2`, `|A(-1)|^2` and
    /// the product of the outer coefficients follow the section's coefficients (Vicanek 2016), and
    /// from these `g` and `k`; written so that nothing cancels at low corners.
    pub fn coefficients(&self) -> Coefficients {
        let [top_n, top_d] = self.top();
        let root = top_d.sqrt();
        // The first of the denominator is 1.
        let g_squared = 1.0 / root;
        let k = (Self::outer(self.d, top_d, self.scale) / root).max(1e-12).sqrt();
        let band = (Self::outer(self.n, top_n, self.scale) / root).max(0.0).sqrt();
        Coefficients { g: g_squared.sqrt(), k, high: (top_n / top_d).max(0.0).sqrt(), band, low: self.n[0].max(0.0).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Magnitude of the filter that coefficients make, from the bilinear state variable form.
    fn power_of(c: &Coefficients, share: f64) -> f64 {
        // s of the bilinear transform over g.
        let w = (PI * share).tan() / c.g;
        let (re, im) = (c.low - c.high * w * w, c.band * w);
        let (dr, di) = (1.0 - w * w, c.k * w);
        (re * re + im * im) / (dr * dr + di * di)
    }

    #[test]
    fn coefficients_have_the_magnitude_of_the_fit() {
        let rate = Hz(48_000.0);
        for corner in [20.0, 350.0, 5_000.0, 15_000.0, 20_000.0] {
            for (name, prototype, q) in [
                ("bell", Prototype::bell(9.0, 1.4), 1.4),
                ("cut bell", Prototype::bell(-12.0, 6.0), 6.0),
                ("low shelf", Prototype::low_shelf(-6.0, 0.7), 0.7),
                ("high shelf", Prototype::high_shelf(12.0, 1.0), 1.0),
                ("tilt", Prototype::tilt(6.0), 0.7),
                ("high-pass", Prototype::high_pass(0.7), 0.7),
                ("low-pass", Prototype::low_pass(1.3), 1.3),
                ("first high-pass", Prototype::high_pass_first(), 0.7),
                ("first low-pass", Prototype::low_pass_first(), 0.7),
            ] {
                let matched = Matched::new(&prototype, Hz(corner), q, rate);
                let c = matched.coefficients();
                assert!(c.g > 0.0 && c.k > 0.0 && c.high >= 0.0 && c.band >= 0.0 && c.low >= 0.0, "{name} at {corner}: {c:?}");
                for hz in [10.0, 100.0, 1_000.0, 5_000.0, 12_000.0, 21_000.0] {
                    let fit = matched.response_db(Hz(hz), rate);
                    let made = 10.0 * power_of(&c, hz / rate.0).log10();
                    assert!(fit < -150.0 || (fit - made).abs() < 1e-3, "{name} at {corner}: {fit} and {made} dB at {hz} Hz");
                }
            }
        }
    }

    /// A cut undoes a boost.
    #[test]
    fn boost_and_cut_are_inverse() {
        for corner in [100.0, 3_000.0, 16_000.0] {
            for q in [0.3, 1.0, 8.0] {
                let at = |gain: f64, hz: f64| {
                    Matched::new(&Prototype::bell(gain, q), Hz(corner), q, Hz(44_100.0)).response_db(Hz(hz), Hz(44_100.0))
                };
                for hz in [50.0, 2_000.0, 15_000.0, 19_000.0] {
                    assert!((at(12.0, hz) + at(-12.0, hz)).abs() < 0.5, "{corner} Hz, Q {q}, at {hz}");
                }
            }
        }
    }
}
