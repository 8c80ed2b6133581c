//! One spectrum that stands for several channels.

use crate::mask::magnitude;
use realfft::num_complex::Complex32;

/// Joins the channels' spectra into `joined`, all `[bin]`: the magnitude is the root of the mean
/// power, so that nothing cancels, and the phase is that of the sum with every channel turned to
/// the side of the first. Equal or opposite channels give exactly the first one.
pub fn join<'a>(spectrum: impl Fn(usize) -> &'a [Complex32], channels: usize, joined: &mut [Complex32]) {
    let first = spectrum(0);
    if channels == 1 {
        let bins = first.len().min(joined.len());
        joined[..bins].copy_from_slice(&first[..bins]);
        joined[bins..].fill(Complex32::default());
        return;
    }
    for (bin, out) in joined.iter_mut().enumerate() {
        let Some(&reference) = first.get(bin) else {
            *out = Complex32::default();
            continue;
        };
        let mut power = 0.0;
        let mut sum = Complex32::default();
        for channel in 0..channels {
            let value = spectrum(channel)[bin];
            power += value.norm_sqr();
            let same_side = value.re * reference.re + value.im * reference.im >= 0.0;
            sum += if same_side { value } else { -value };
        }
        let wanted = (power / channels as f32).sqrt();
        let norm = magnitude(sum);
        *out = if norm > f32::MIN_POSITIVE { sum * (wanted / norm) } else { Complex32::new(wanted, 0.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opposite_channels_do_not_cancel() {
        let left = [Complex32::new(0.3, -0.4), Complex32::new(0.0, 1.0)];
        let right = [-left[0], -left[1]];
        let mut joined = [Complex32::default(); 3];
        join(|channel| if channel == 0 { &left } else { &right }, 2, &mut joined);
        assert!((joined[0] - left[0]).norm() < 1e-6 && (joined[1] - left[1]).norm() < 1e-6);
        assert_eq!(joined[2], Complex32::default());
    }

    #[test]
    fn one_loud_channel_keeps_its_phase() {
        let left = [Complex32::new(0.0, 1.0)];
        let right = [Complex32::new(0.0, 0.0)];
        let mut joined = [Complex32::default(); 1];
        join(|channel| if channel == 0 { &left } else { &right }, 2, &mut joined);
        assert!((joined[0] - Complex32::new(0.0, 0.5_f32.sqrt())).norm() < 1e-6);
    }
}
