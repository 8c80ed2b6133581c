//! From what a model proposes to what a user asked for.

mod shaping;

pub use shaping::{Shaping, ShapingSettings};

/// Magnitude of a gain or a bin. Faster than `norm`, whose care for overflow values in range do not
/// need.
pub fn magnitude(value: realfft::num_complex::Complex32) -> f32 {
    value.norm_sqr().sqrt()
}
