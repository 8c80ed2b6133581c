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

/// The mask for several channels that is nearest to each one's own: the mean weighted by power, which has
/// the least error in the sum of squares over the channels.
#[derive(Debug)]
pub struct Mean {
    /// `[bin]`.
    masks: Vec<Complex32>,
    powers: Vec<f32>,
    above: f32,
    weight: f32,
}

/// Added to every power, so that silent bins have a mean too: -200 dB.
const LEAST_POWER: f32 = 1e-20;

impl Mean {
    pub fn new(bins: usize) -> Self {
        Self { masks: vec![Complex32::default(); bins], powers: vec![0.0; bins], above: 0.0, weight: 0.0 }
    }

    pub fn begin(&mut self) {
        self.masks.fill(Complex32::default());
        self.powers.fill(0.0);
        [self.above, self.weight] = [0.0; 2];
    }

    /// A channel's spectrum, its mask, both `[bin]`, and its gain above the band.
    pub fn add(&mut self, spectrum: &[Complex32], mask: &[Complex32], above: f32) {
        let mut sum = LEAST_POWER;
        for (((to, power), bin), gain) in self.masks.iter_mut().zip(&mut self.powers).zip(spectrum).zip(mask) {
            let own = bin.norm_sqr() + LEAST_POWER;
            *to += gain * own;
            *power += own;
            sum += own;
        }
        self.above += above * sum;
        self.weight += sum;
    }

    /// The mean into `mask`, `[bin]`; gives that of the gains above the band.
    pub fn end(&self, mask: &mut [Complex32]) -> f32 {
        for ((mask, sum), power) in mask.iter_mut().zip(&self.masks).zip(&self.powers) {
            *mask = if *power > 0.0 { sum / *power } else { Complex32::new(1.0, 0.0) };
        }
        if self.weight > 0.0 { self.above / self.weight } else { 1.0 }
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

    #[test]
    fn the_mean_is_that_of_the_loud_channel() {
        let mut mean = Mean::new(2);
        mean.begin();
        mean.add(&[Complex32::new(0.0, 1.0), Complex32::default()], &[Complex32::new(0.2, 0.1); 2], 0.2);
        mean.add(&[Complex32::default(); 2], &[Complex32::new(0.8, 0.3); 2], 0.8);
        let mut mask = [Complex32::default(); 2];
        assert!((mean.end(&mut mask) - 0.2).abs() < 1e-6);
        assert!((mask[0] - Complex32::new(0.2, 0.1)).norm() < 1e-6 && (mask[1] - Complex32::new(0.5, 0.2)).norm() < 1e-6);
    }
}
