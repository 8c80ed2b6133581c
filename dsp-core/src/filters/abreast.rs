//! State-variable filters side by side: many of second order, each one sample further in its own stream.
//!
//! The filter is the trapezoidal one of A. Simper ("Linear trapezoidal integrated state variable filter", 2013). Its
//! loop is resolved beforehand, so that from one sample to the next the processor waits for five sums and products
//! and not for eight: the memories go on from band-pass alone, `s2 + 2 g v1` in place of `2 v2 - s2`.

use std::ops::{Add, Mul, Sub};

/// A number that filters are computed in.
pub(crate) trait Real: Copy + Default + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    /// From a coefficient.
    fn of(value: f64) -> Self;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
}

/// Coefficients of `N` filters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abreast<T, const N: usize> {
    a: [T; N],
    /// Times `a`, as it is, twice.
    g: [[T; N]; 3],
}

impl<T: Real, const N: usize> Abreast<T, N> {
    /// For a coefficient `tan(pi f)` and a damping each.
    #[inline(always)]
    pub fn new(g: &[f64; N], damping: &[f64; N]) -> Self {
        let a: [f64; N] = std::array::from_fn(|lane| 1.0 / (1.0 + g[lane] * (g[lane] + damping[lane])));
        let each = |of: &dyn Fn(usize) -> f64| std::array::from_fn(|lane| T::of(of(lane)));
        Self { a: each(&|lane| a[lane]), g: [each(&|lane| a[lane] * g[lane]), each(&|lane| g[lane]), each(&|lane| 2.0 * g[lane])] }
    }

    /// A sample of one of them: band-pass without its damping, and low-pass.
    #[inline(always)]
    pub fn one(&self, lane: usize, x: T, s1: &mut T, s2: &mut T) -> (T, T) {
        let v1 = self.a[lane] * *s1 + self.g[0][lane] * (x - *s2);
        let v2 = *s2 + self.g[1][lane] * v1;
        *s1 = (v1 + v1) - *s1;
        *s2 = *s2 + self.g[2][lane] * v1;
        (v1, v2)
    }

    /// A sample of each; `out` is told of each lane its band-pass without its damping, and its low-pass.
    #[inline(always)]
    pub fn all(&self, x: &[T; N], s1: &mut [T; N], s2: &mut [T; N], mut out: impl FnMut(usize, T, T)) {
        for lane in 0..N {
            let (v1, v2) = self.one(lane, x[lane], &mut s1[lane], &mut s2[lane]);
            out(lane, v1, v2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: the loop solved at each sample, and trapezoids.
    #[test]
    fn it_is_the_filter_sample_by_sample() {
        let (g, k) = ([0.003, 0.05, 0.9, 5.0], [1.414, 0.5, 2.0, 1.0]);
        let (wide, narrow) = (Abreast::<f64, 4>::new(&g, &k), Abreast::<f32, 4>::new(&g, &k));
        let (mut s, mut f, mut p) = ([[0.0; 4]; 2], [[0.0_f32; 4]; 2], [[0.0; 4]; 2]);
        let mut seed = 3_u32;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let x = f64::from(seed >> 8) / f64::from(1 << 23) - 1.0;
            let ([mut v1, mut v2], [mut single, mut low]) = ([[0.0; 4]; 2], [[0.0_f32; 4]; 2]);
            let [s1, s2] = &mut s;
            wide.all(&[x; 4], s1, s2, |lane, band, lower| (v1[lane], v2[lane]) = (band, lower));
            let [s1, s2] = &mut f;
            narrow.all(&[x as f32; 4], s1, s2, |lane, band, lower| (single[lane], low[lane]) = (band, lower));
            for lane in 0..4 {
                let band = (p[0][lane] + g[lane] * (x - p[1][lane])) / (1.0 + g[lane] * (g[lane] + k[lane]));
                let lower = p[1][lane] + g[lane] * band;
                (p[0][lane], p[1][lane]) = (2.0 * band - p[0][lane], 2.0 * lower - p[1][lane]);
                assert!((v1[lane] - band).abs() < 1e-10 && (v2[lane] - lower).abs() < 1e-10, "filter {lane}");
                assert!((f64::from(single[lane]) - band).abs() < 1e-4 && (f64::from(low[lane]) - lower).abs() < 1e-4, "filter {lane}");
            }
        }
    }
}
