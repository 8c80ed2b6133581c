//! From a curve to the bands of the equaliser.

use super::profile::BANDS;
use crate::analysis::middle_hz;
use crate::filters::{Band, Shape};
use crate::units::{Db, Hz};

/// Bands that are fitted: a shelf at each end and bells between, evenly over octaves.
const COUNT: usize = crate::filters::BANDS;
/// Corner of the low shelf and of the high shelf, hertz.
const SHELVES_HZ: [f64; 2] = [38.0, 12_500.0];
/// First and last bell, hertz.
const BELLS_HZ: [f64; 2] = [60.0, 9_500.0];
/// Q of the shelves: maximally flat.
const FLAT_Q: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// Q of the bells: about 0.8 octaves apart, their sum is smooth.
const BELL_Q: f32 = 1.3;
/// Rounds of the fit: responses are nearly proportional to gains.
const ROUNDS: usize = 4;
/// Step of the numeric derivative, decibels.
const STEP_DB: f32 = 0.25;
/// What a decibel of gain costs against a decibel of error, squared: keeps neighbours from fighting.
const COST: f64 = 0.01;
/// The most that a fitted band moves, decibels.
const MOST_DB: f32 = 9.0;
/// Bands under this gain are left out, decibels: nobody hears them, and a person has less to read.
const LEAST_DB: f32 = 0.15;
/// Gains are rounded to this, decibels.
const GRID_DB: f32 = 0.05;

/// The layout, without gains.
fn layout() -> [Band; COUNT] {
    let bells = COUNT - 2;
    std::array::from_fn(|index| {
        let (shape, hz, q) = match index {
            0 => (Shape::LowShelf, SHELVES_HZ[0], FLAT_Q),
            index if index == COUNT - 1 => (Shape::HighShelf, SHELVES_HZ[1], FLAT_Q),
            _ => {
                let along = (index - 1) as f64 / (bells - 1) as f64;
                (Shape::Bell, BELLS_HZ[0] * (BELLS_HZ[1] / BELLS_HZ[0]).powf(along), BELL_Q)
            }
        };
        // Round figures, as a person would set them.
        let grid = 10_f64.powf(hz.log10().floor() - 1.0);
        Band { shape, frequency: Hz((hz / grid).round() * grid), q, ..Band::default() }
    })
}

/// Gain of bands at a third, decibels.
pub fn response(bands: &[Band; COUNT], third: usize) -> f64 {
    bands.iter().filter(|band| !band.is_neutral()).map(|band| band.analogue_db(Hz(middle_hz(third)))).sum()
}

/// Bands whose sum is nearest to a curve in decibels, each third with its weight (0: does not matter).
pub fn fit(curve: &[f64; BANDS], weights: &[f64; BANDS]) -> [Band; COUNT] {
    let mut bands = layout();
    let mut used = [true; COUNT];
    solve(&mut bands, &used, curve, weights);
    // What is too small to be read is left out, and the rest takes its part.
    for (used, band) in used.iter_mut().zip(&bands) {
        *used = band.gain.0.abs() >= LEAST_DB;
    }
    solve(&mut bands, &used, curve, weights);
    for (band, used) in bands.iter_mut().zip(used) {
        band.gain = Db(if used { (band.gain.0 / GRID_DB).round() * GRID_DB } else { 0.0 });
        band.on = band.gain.0.abs() >= LEAST_DB;
    }
    bands
}

/// Least squares by Gauss and Newton over the gains of the bands in use.
fn solve(bands: &mut [Band; COUNT], used: &[bool; COUNT], curve: &[f64; BANDS], weights: &[f64; BANDS]) {
    for (band, &used) in bands.iter_mut().zip(used) {
        band.on = used;
    }
    for _ in 0..ROUNDS {
        let rest: [f64; BANDS] = std::array::from_fn(|third| curve[third] - response(bands, third));
        let slopes: [[f64; BANDS]; COUNT] = std::array::from_fn(|index| {
            let band = bands[index];
            let stepped = Band { gain: Db(band.gain.0 + STEP_DB), ..band };
            std::array::from_fn(|third| {
                let at = Hz(middle_hz(third));
                (stepped.analogue_db(at) - band.analogue_db(at)) / f64::from(STEP_DB)
            })
        });
        let mut matrix = [[0.0; COUNT]; COUNT];
        let mut right = [0.0; COUNT];
        for row in 0..COUNT {
            if !used[row] {
                matrix[row][row] = 1.0;
                continue;
            }
            for column in (0..COUNT).filter(|&column| used[column]) {
                matrix[row][column] = (0..BANDS).map(|third| weights[third] * slopes[row][third] * slopes[column][third]).sum();
            }
            matrix[row][row] += COST;
            let gain = f64::from(bands[row].gain.0);
            right[row] = (0..BANDS).map(|third| weights[third] * slopes[row][third] * rest[third]).sum::<f64>() - COST * gain;
        }
        let moves = eliminate(matrix, right);
        for (band, step) in bands.iter_mut().zip(moves) {
            band.gain = Db((band.gain.0 + step as f32).clamp(-MOST_DB, MOST_DB));
        }
    }
}

/// Solves a positive definite system by elimination.
fn eliminate<const N: usize>(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> [f64; N] {
    for pivot in 0..N {
        let row = matrix[pivot];
        for below in pivot + 1..N {
            let factor = matrix[below][pivot] / row[pivot];
            matrix[below].iter_mut().zip(&row).for_each(|(value, above)| *value -= factor * above);
            right[below] -= factor * right[pivot];
        }
    }
    let mut out = [0.0; N];
    for row in (0..N).rev() {
        let known: f64 = (row + 1..N).map(|column| matrix[row][column] * out[column]).sum();
        out[row] = (right[row] - known) / matrix[row][row];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [f64; BANDS] = [1.0; BANDS];

    fn error(curve: &[f64; BANDS], bands: &[Band; COUNT]) -> f64 {
        ((0..BANDS).map(|third| (curve[third] - response(bands, third)).powi(2)).sum::<f64>() / BANDS as f64).sqrt()
    }

    /// Curves as songs need them: slopes, humps, shelves.
    #[test]
    fn curves_are_met() {
        for (n, (tilt, hump, at, wide)) in
            [(0.0, 4.0, 300.0, 1.0), (0.6, 0.0, 1.0, 1.0), (-0.5, -3.0, 3_000.0, 0.8), (0.2, 5.0, 70.0, 1.2)].into_iter().enumerate()
        {
            let curve = std::array::from_fn(|third| {
                let octaves = (middle_hz(third) / 1_000.0).log2();
                let off = (middle_hz(third) / at).log2() / wide;
                tilt * octaves + hump * (-off * off).exp()
            });
            let bands = fit(&curve, &ALL);
            assert!(error(&curve, &bands) < 0.25, "curve {n}: {:.2} dB", error(&curve, &bands));
        }
    }

    #[test]
    fn nothing_asked_is_nothing_done() {
        assert!(fit(&[0.0; BANDS], &ALL).iter().all(Band::is_neutral));
        // A single third that is asked for with no weight.
        let mut curve = [0.0; BANDS];
        curve[4] = 8.0;
        let mut weights = ALL;
        weights[4] = 0.0;
        assert!(fit(&curve, &weights).iter().all(Band::is_neutral));
    }

    #[test]
    fn gains_are_bounded() {
        let wild = std::array::from_fn(|third| if third % 2 == 0 { 40.0 } else { -40.0 });
        assert!(fit(&wild, &ALL).iter().all(|band| band.gain.0.abs() <= MOST_DB));
    }
}
