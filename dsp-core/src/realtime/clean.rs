//! What may enter an engine's memory.

/// Samples under this magnitude (-300 dBFS) are zero: nothing denormal enters.
pub const TINY: f32 = 1e-15;
/// Samples over this magnitude (+120 dBFS) are faults and taken as silence: they would stay in the
/// memory of filters, levels and models.
pub const HUGE: f32 = 1e6;

/// The sample, or silence where it is no number, a fault, or too small to matter.
#[inline]
pub fn clean(sample: f32) -> f32 {
    // False for what is not a number, too.
    if (TINY..=HUGE).contains(&sample.abs()) { sample } else { 0.0 }
}

/// Cleans a whole block in place.
pub fn clean_all(samples: &mut [f32]) {
    samples.iter_mut().for_each(|sample| *sample = clean(*sample));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_passes_and_faults_do_not() {
        for sample in [1.0, -0.25, 1e-10, -1e5, TINY, HUGE] {
            assert_eq!(clean(sample), sample);
        }
        for fault in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e7, -1e30, 1e-20, -0.0, f32::MIN_POSITIVE / 2.0] {
            assert_eq!(clean(fault).to_bits(), 0);
        }
    }
}
