//! Several values in one register, for each kind of processor.

/// A register of `f32`.
///
/// # Safety
/// The functions may only be called where the processor has the type's instructions.
pub trait Lanes: Copy {
    /// How many values it holds.
    const COUNT: usize;
    /// Tells some first lanes from the rest.
    type Mask: Copy;

    /// The first `n` lanes, fewer than [`Lanes::COUNT`].
    unsafe fn mask(n: usize) -> Self::Mask;
    /// The same value in all lanes.
    unsafe fn splat(value: f32) -> Self;
    /// The first values of a slice.
    unsafe fn load(from: &[f32]) -> Self;
    /// As many as `mask` tells, of a slice that has as many; 0 in the rest.
    unsafe fn load_part(from: &[f32], mask: Self::Mask) -> Self;
    /// Writes all lanes.
    unsafe fn store(self, to: &mut [f32]);
    /// Writes as many as `mask` tells.
    unsafe fn store_part(self, to: &mut [f32], mask: Self::Mask);
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self + a * b`.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// 0 where negative; what is no number stays so.
    unsafe fn rectify(self) -> Self;
}

/// What every processor has: four values, which compilers turn into vectors where there are some.
#[derive(Clone, Copy, Debug)]
pub struct Plain([f32; 4]);

impl Lanes for Plain {
    const COUNT: usize = 4;
    type Mask = usize;

    #[inline(always)]
    unsafe fn mask(n: usize) -> usize {
        n
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: &[f32]) -> Self {
        Self([from[0], from[1], from[2], from[3]])
    }

    #[inline(always)]
    unsafe fn load_part(from: &[f32], mask: usize) -> Self {
        Self(std::array::from_fn(|i| if i < mask { from[i] } else { 0.0 }))
    }

    #[inline(always)]
    unsafe fn store(self, to: &mut [f32]) {
        to[..4].copy_from_slice(&self.0);
    }

    #[inline(always)]
    unsafe fn store_part(self, to: &mut [f32], mask: usize) {
        to[..mask].copy_from_slice(&self.0[..mask]);
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| super::math::fma::<{ super::BASE_FUSED }>(a.0[i], b.0[i], self.0[i])))
    }

    #[inline(always)]
    unsafe fn rectify(self) -> Self {
        Self(self.0.map(|x| if x < 0.0 { 0.0 } else { x }))
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::Avx;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    /// AVX2 with fused products.
    #[derive(Clone, Copy, Debug)]
    pub struct Avx(__m256);

    /// Eight lanes that are on, eight that are off: a mask begins somewhere among them.
    static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    // SAFETY of all: the caller promises the instructions; lengths are asserted before pointers are used.
    impl Lanes for Avx {
        const COUNT: usize = 8;
        type Mask = __m256i;

        #[inline(always)]
        unsafe fn mask(n: usize) -> __m256i {
            let from = &MASKS[8 - n..][..8];
            // SAFETY: see above.
            unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
        }

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm256_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: &[f32]) -> Self {
            let from = &from[..8];
            // SAFETY: see above.
            Self(unsafe { _mm256_loadu_ps(from.as_ptr()) })
        }

        #[inline(always)]
        unsafe fn load_part(from: &[f32], mask: __m256i) -> Self {
            // SAFETY: see above; lanes that the mask leaves out are not read.
            Self(unsafe { _mm256_maskload_ps(from.as_ptr(), mask) })
        }

        #[inline(always)]
        unsafe fn store(self, to: &mut [f32]) {
            let to = &mut to[..8];
            // SAFETY: see above.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), self.0) }
        }

        #[inline(always)]
        unsafe fn store_part(self, to: &mut [f32], mask: __m256i) {
            // SAFETY: see above; lanes that the mask leaves out are not written.
            unsafe { _mm256_maskstore_ps(to.as_mut_ptr(), mask, self.0) }
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm256_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: see above.
            Self(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
        }

        #[inline(always)]
        unsafe fn rectify(self) -> Self {
            // The second operand is what comes out where one is no number.
            // SAFETY: see above.
            Self(unsafe { _mm256_max_ps(_mm256_setzero_ps(), self.0) })
        }
    }
}
