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

/// Magnitudes that are compared side by side.
const ABREAST: usize = 8;

/// The largest magnitude of a block, 0 of an empty one; what is not a number does not count.
pub fn largest(samples: &[f32]) -> f32 {
    let mut most = [0.0_f32; ABREAST];
    let rows = samples.chunks_exact(ABREAST);
    let rest = rows.remainder();
    let keep = |most: &mut f32, x: f32| *most = if x.abs() > *most { x.abs() } else { *most };
    for row in rows {
        most.iter_mut().zip(row).for_each(|(most, &x)| keep(most, x));
    }
    most.iter_mut().zip(rest).for_each(|(most, &x)| keep(most, x));
    most.into_iter().fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_found_wherever_it_stands() {
        for length in [0, 1, 7, 8, 9, 40] {
            let mut samples: Vec<f32> = (0..length).map(|n| 0.01 * n as f32).collect();
            for at in 0..length {
                samples[at] = -3.0;
                assert_eq!(largest(&samples), 3.0);
                samples[at] = f32::NAN;
            }
            assert_eq!(largest(&samples), 0.0);
        }
    }

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
