//! Elementary functions in forms that a compiler turns into vector instructions.

/// `a * b + c`, fused where the processor has it.
#[inline(always)]
pub fn fma<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// `2^23 * 1.5`: added and taken off, it rounds to a whole number, which stands in the low bits meanwhile.
const ROUND: f32 = 12_582_912.0;
/// Under this the result is next to the smallest normal number.
const LEAST: f32 = -87.0;
/// Over this it would not be finite.
const MOST: f32 = 88.0;
/// ln 2 in two parts: the first has few bits, so that its products are exact.
const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// `e^x` within 3 units of the last place between -87 and 88, held at these. Range reduction and
/// polynomial of Cephes' `expf` (S. Moshier).
#[inline(always)]
pub fn exp<const FUSED: bool>(x: f32) -> f32 {
    let x = x.clamp(LEAST, MOST);
    let shifted = fma::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let whole = shifted - ROUND;
    let r = fma::<FUSED>(whole, -LN2[0], x);
    let r = fma::<FUSED>(whole, -LN2[1], r);
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = fma::<FUSED>(p, r, c);
    }
    let p = fma::<FUSED>(p * r, r, r + 1.0);
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exp::<FUSED>(-x))
}

/// Under this the exponential form of tanh loses digits.
const TANH_SMALL: f32 = 0.625;

/// Hyperbolic tangent, within 4 units of the last place: the exponential form, and Cephes' polynomial
/// near zero.
#[inline(always)]
pub fn tanh<const FUSED: bool>(x: f32) -> f32 {
    let far = 1.0 - 2.0 / (1.0 + exp::<FUSED>(2.0 * x.clamp(-20.0, 20.0)));
    let z = x * x;
    let mut p = -5.704_988_7e-3;
    for c in [2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1] {
        p = fma::<FUSED>(p, z, c);
    }
    let near = fma::<FUSED>(p * z, x, x);
    if x.abs() < TANH_SMALL { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest error over a fine grid, relative to the result or to `floor`.
    fn worst(from: f32, to: f32, floor: f64, f: impl Fn(f32) -> f32, oracle: impl Fn(f64) -> f64) -> f64 {
        let steps = 200_000;
        (0..=steps).fold(0.0, |worst, i| {
            let x = from + (to - from) * i as f32 / steps as f32;
            let want = oracle(x.into());
            let error = (f64::from(f(x)) - want).abs() / want.abs().max(floor);
            worst.max(error)
        })
    }

    #[test]
    fn functions_are_within_a_few_units_of_the_last_place() {
        let unit = f64::from(f32::EPSILON);
        assert!(worst(-86.9, 87.9, 0.0, exp::<true>, f64::exp) < 3.0 * unit);
        assert!(worst(-86.9, 87.9, 0.0, exp::<false>, f64::exp) < 3.0 * unit);
        assert!(worst(-80.0, 80.0, 0.0, sigmoid::<true>, |x| 1.0 / (1.0 + (-x).exp())) < 5.0 * unit);
        assert!(worst(-30.0, 30.0, 1e-12, tanh::<true>, f64::tanh) < 4.0 * unit);
        assert!(worst(-30.0, 30.0, 1e-12, tanh::<false>, f64::tanh) < 4.0 * unit);
    }

    #[test]
    fn ends_are_finite_and_nan_stays() {
        for x in [f32::NEG_INFINITY, -1e30, -100.0, 100.0, 1e30, f32::INFINITY] {
            for y in [exp::<true>(x), sigmoid::<true>(x), tanh::<true>(x)] {
                assert!(y.is_finite(), "{x}: {y}");
            }
        }
        for y in [exp::<true>(f32::NAN), sigmoid::<true>(f32::NAN), tanh::<true>(f32::NAN)] {
            assert!(y.is_nan());
        }
    }
}
