//! What an engine takes for a sample.

/// Smallest magnitude that is sound, full scale 1: -300 dBFS. Below, recursive filters would only make
/// denormals of it.
pub const TINY: f32 = 1e-15;
/// Largest magnitude that is sound, full scale 1: +120 dBFS. Above, squares and sums would overflow.
pub const HUGE: f32 = 1e6;

/// The sample, or silence in the place of what is no sound: not a number, infinite, absurdly large or
/// small. Without this one bad sample would stay in a filter's state for ever.
#[inline]
pub fn usable(sample: f32) -> f32 {
    // False for what is not a number, too.
    if (TINY..=HUGE).contains(&sample.abs()) { sample } else { 0.0 }
}

/// As [`usable`] for a block in place.
pub fn usable_all(samples: &mut [f32]) {
    samples.iter_mut().for_each(|sample| *sample = usable(*sample));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sound_is_silence() {
        for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -2e6, 1e-20, f32::MIN_POSITIVE] {
            assert_eq!(usable(bad).to_bits(), 0, "{bad}");
        }
        for good in [0.0, 1.0, -0.3, 1e6, -1e6, 1e-14] {
            assert_eq!(usable(good), good);
        }
    }
}
