//! Bands as shelves: the gains of neighbours meet in a shelf of their ratio.

use super::crossover::{Corner, MAX_BANDS};
use super::multiband::CONTROL;
use crate::filters::section::Lanes;

/// Q of the two halves of a shelf: those of a Butterworth filter of fourth order.
const HALVES: [f64; 2] = [0.541_196_100_146_197, 1.306_562_964_876_377];

/// Shelves in a row, one at each corner, over one gain for all: with gains `g1 .. gn` from the lowest
/// band, the highest band's gain for everything and at each corner a low shelf of the ratio of the
/// gains on its two sides.
///
/// A shelf has the squared magnitude `(w^2 + f^8) / (1 + f^8)`, the maximally flat way from `w` to 1
/// with the slopes of a Linkwitz-Riley crossover: two sections
/// `(s^2 + s w^(1/4) / Q + w^(1/2)) / (s^2 + s / Q + 1)`, exactly 1 where `w` is 1. Only the shares of
/// the three outputs of the filters move, so moving gains cannot make them unstable.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shelves {
    /// `[corner][half][integrator]`.
    memory: [[[Lanes; 2]; 2]; MAX_BANDS - 1],
}

/// What is added of band-pass (over `1 / Q`) and low-pass to make half a shelf of this ratio.
#[inline]
fn shares(ratio: f64) -> [f64; 2] {
    let half = ratio.sqrt();
    [half.sqrt() - 1.0, half - 1.0]
}

impl Shelves {
    /// Filters a piece in place, `done` samples into its tick and `begin` into its interval, with
    /// amplitudes that go from `from[band]` to `to[band]` over the interval.
    pub fn run(
        &mut self,
        audio: &mut [Lanes],
        corners: &[Corner],
        done: usize,
        begin: usize,
        from: &[Lanes; MAX_BANDS],
        to: &[Lanes; MAX_BANDS],
    ) {
        let top = corners.len();
        for (band, (corner, memory)) in corners.iter().zip(&mut self.memory).enumerate() {
            let mut start = [[0.0; 2]; 2];
            let mut step = [[0.0; 2]; 2];
            for lane in 0..2 {
                let [a, b] = [from, to].map(|gains| shares(gains[band][lane] / gains[band + 1][lane]));
                for part in 0..2 {
                    start[part][lane] = a[part];
                    step[part][lane] = (b[part] - a[part]) / CONTROL as f64;
                }
            }
            // A division a sample is dear; a corner that stands needs one a piece.
            let factors = |g: f64| HALVES.map(|q| 1.0 / (1.0 + g * (g + 1.0 / q)));
            let standing = corner.stands().then(|| (corner.g(done), factors(corner.g(done))));
            for (index, x) in audio.iter_mut().enumerate() {
                let (g, a1) = standing.unwrap_or_else(|| {
                    let g = corner.g(done + index);
                    (g, factors(g))
                });
                let along = (begin + index + 1) as f64;
                for ((memory, q), a1) in memory.iter_mut().zip(HALVES).zip(a1) {
                    let k = 1.0 / q;
                    for lane in 0..2 {
                        let [s1, s2] = [memory[0][lane], memory[1][lane]];
                        let v3 = x[lane] - s2;
                        let v1 = a1 * (s1 + g * v3);
                        let v2 = s2 + g * v1;
                        memory[0][lane] = 2.0 * v1 - s1;
                        memory[1][lane] = 2.0 * v2 - s2;
                        let band = start[0][lane] + step[0][lane] * along;
                        let low = start[1][lane] + step[1][lane] * along;
                        x[lane] += band * k * v1 + low * v2;
                    }
                }
            }
        }
        for (index, x) in audio.iter_mut().enumerate() {
            let along = (begin + index + 1) as f64 / CONTROL as f64;
            for lane in 0..2 {
                x[lane] *= from[top][lane] + (to[top][lane] - from[top][lane]) * along;
            }
        }
    }
}
