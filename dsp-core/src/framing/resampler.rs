//! A change of rate for models that are tied to one (rubato), in pieces of one length.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction};

/// Length of the filter in samples at the lower of both rates. Its half is the delay.
const FILTER: f64 = 128.0;
/// Longest filter: rates far above all sound get a shorter one.
const MAX_FILTER: usize = 4_096;
/// Up to this share of the lower rate's band the filter changes nothing.
pub const PASSES: f64 = 0.84;
/// Where the filter has fallen to its half, as a share of the lower rate's band.
const CUTOFF: f32 = 0.93;
/// Filters between which values are interpolated.
const FILTERS: usize = 256;

/// Turns pieces of one length into ones at another rate; how many samples come out at a time varies by a few.
pub struct Resampler {
    inner: Async<f32>,
    piece: usize,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler").field("piece", &self.piece).finish_non_exhaustive()
    }
}

impl Resampler {
    /// For pieces of `piece` samples, `ratio` samples out for each one in.
    ///
    /// # Errors
    /// What is wrong with the ratio or the length.
    pub fn new(ratio: f64, piece: usize) -> Result<Self, String> {
        let length = (FILTER / ratio.min(1.0)).ceil() as usize;
        let parameters = SincInterpolationParameters {
            sinc_len: length.min(MAX_FILTER),
            f_cutoff: Some(CUTOFF),
            oversampling_factor: FILTERS,
            interpolation: SincInterpolationType::Linear,
            window: WindowFunction::BlackmanHarris2,
        };
        let inner = Async::new_sinc(ratio, 1.0, &parameters, piece, 1, FixedAsync::Input).map_err(|e| e.to_string())?;
        Ok(Self { inner, piece })
    }

    /// Most samples that come out at a time.
    pub fn most(&self) -> usize {
        self.inner.output_frames_max()
    }

    /// As if silence had been before.
    pub fn reset(&mut self) {
        self.inner.reset();
    }

    /// The next piece; `out` holds [`Resampler::most`] samples. Gives how many were written.
    pub fn process(&mut self, input: &[f32], out: &mut [f32]) -> usize {
        let length = out.len();
        let (Ok(from), Ok(mut to)) = (InterleavedSlice::new(input, 1, self.piece), InterleavedSlice::new_mut(out, 1, length)) else {
            return 0;
        };
        // Lengths fit by construction, which is all that can fail.
        self.inner.process_into_buffer(&from, &mut to, None).map_or(0, |(_, written)| written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_level_and_what_is_above_the_band_goes() {
        for (from, to) in [(48_000.0, 16_000.0), (44_100.0, 16_000.0), (16_000.0, 44_100.0), (8_000.0, 16_000.0), (192_000.0, 16_000.0)] {
            let level = |hz: f64| {
                let mut resampler = Resampler::new(to / from, 256).unwrap();
                let mut out = vec![0.0; resampler.most()];
                let (mut at, mut power, mut count) = (0, 0.0, 0);
                for piece in 0..60 {
                    let input: Vec<f32> = (0..256).map(|n| (std::f64::consts::TAU * hz * f64::from(at + n) / from).sin() as f32).collect();
                    at += 256;
                    let n = resampler.process(&input, &mut out);
                    if piece >= 20 {
                        power += out[..n].iter().map(|x| f64::from(x * x)).sum::<f64>();
                        count += n;
                    }
                }
                10.0 * (2.0 * power / f64::from(u32::try_from(count).unwrap())).log10()
            };
            let band = 0.5 * f64::min(from, to);
            for share in [0.1, 0.5, PASSES] {
                assert!(level(share * band).abs() < 0.1, "{from} to {to}, {share}: {}", level(share * band));
            }
            if to < from {
                assert!(level(1.05 * band) < -60.0, "{from} to {to}: {}", level(1.05 * band));
            }
        }
    }
}
