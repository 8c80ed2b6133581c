//! From masked spectra back to samples, for many stems.

use crate::framing::Windows;
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner};
use std::sync::Arc;

/// Puts the frames of several sounds together again.
pub struct Overlap {
    inverse: Arc<dyn ComplexToReal<f32>>,
    /// Synthesis window with the transform's scale, `[sample]`.
    window: Vec<f32>,
    hop: usize,
    /// Sums of overlapping frames, `[sound][sample]`.
    sums: Vec<Vec<f32>>,
    frequency: Vec<Complex32>,
    time: Vec<f32>,
    scratch: Vec<Complex32>,
}

impl std::fmt::Debug for Overlap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlap").field("hop", &self.hop).field("sounds", &self.sums.len()).finish_non_exhaustive()
    }
}

impl Overlap {
    /// For so many sounds.
    pub fn new(windows: &Windows, sounds: usize) -> Self {
        let length = windows.analysis.len();
        let inverse = RealFftPlanner::new().plan_fft_inverse(length);
        let scale = 1.0 / (windows.scale * length as f32);
        Self {
            window: windows.synthesis.iter().map(|weight| weight * scale).collect(),
            hop: windows.hop,
            sums: vec![vec![0.0; windows.synthesis.len()]; sounds],
            frequency: vec![Complex32::default(); length / 2 + 1],
            time: vec![0.0; length],
            scratch: vec![Complex32::default(); inverse.get_scratch_len()],
            inverse,
        }
    }

    /// As if silence had been before.
    pub fn reset(&mut self) {
        self.sums.iter_mut().for_each(|sum| sum.fill(0.0));
    }

    /// Adds the frame of a sound, its spectrum by bins, and writes its finished hop.
    pub fn add(&mut self, sound: usize, spectrum: impl Iterator<Item = Complex32>, out: &mut [f32]) {
        self.frequency.iter_mut().zip(spectrum).for_each(|(to, bin)| *to = bin);
        // The lowest and highest bin of a real signal's spectrum are real.
        self.frequency[0].im = 0.0;
        if let Some(last) = self.frequency.last_mut() {
            last.im = 0.0;
        }
        // Lengths fit by construction, which is all that can fail.
        let _ = self.inverse.process_with_scratch(&mut self.frequency, &mut self.time, &mut self.scratch);
        let sum = &mut self.sums[sound];
        let start = self.time.len() - self.window.len();
        for ((sum, &sample), &weight) in sum.iter_mut().zip(&self.time[start..]).zip(&self.window) {
            *sum += sample * weight;
        }
        out.copy_from_slice(&sum[..self.hop]);
        sum.copy_within(self.hop.., 0);
        let kept = sum.len() - self.hop;
        sum[kept..].fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{Analyser, Framer, frames};
    use crate::units::Hz;

    #[test]
    fn masks_of_ones_give_the_sound_back() {
        for frame in frames::FRAMES {
            let windows = Windows::new(&frame, Hz(16_000.0));
            let (length, hop) = (windows.analysis.len(), windows.hop);
            let mut analyser = Analyser::scaled(windows.analysis.clone(), windows.scale);
            let mut overlap = Overlap::new(&windows, 2);
            let mut framer = Framer::new(hop, length, 1);
            let mut spectrum = vec![Complex32::default(); analyser.bins()];
            let masks = [1.0, 0.5].map(|gain| vec![Complex32::new(gain, 0.0); analyser.bins()]);
            let mut input: Vec<f32> = (0..hop * 12).map(|n| ((n * n) as f32 * 0.37).sin()).collect();
            let sound = input.clone();
            let mut out = vec![0.0; hop];
            for frame in 0..12 {
                assert!(framer.exchange([&mut input[..]].into_iter(), frame * hop..(frame + 1) * hop, false));
                framer.advance();
                analyser.analyse(framer.history(0), &mut spectrum);
                for (index, mask) in masks.iter().enumerate() {
                    overlap.add(index, spectrum.iter().zip(mask).map(|(bin, gain)| bin * gain), &mut out);
                    let Some(begin) = ((frame + 1) * hop).checked_sub(windows.latency()) else { continue };
                    for (got, want) in out.iter().zip(&sound[begin..]) {
                        assert!((got - want * mask[0].re).abs() < 1e-5, "{got} {want}");
                    }
                }
            }
        }
    }
}
