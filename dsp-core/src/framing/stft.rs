//! A streaming short-time Fourier transform with overlap-add, for any block size.

use super::{Analyser, Framer, Windows};
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner};
use std::sync::Arc;

/// What a channel keeps between frames.
#[derive(Debug)]
struct Channel {
    /// Sum of overlapping frames, `[synthesis]`.
    overlap: Vec<f32>,
    /// Spectra of the last frames, `[frame][bin]`, as a ring.
    spectra: Vec<Vec<Complex32>>,
}

/// Cuts channels into frames, gives their spectra, and puts frames together again.
///
/// The output is the input delayed by exactly [`Stft::latency`], whatever the lengths of the blocks.
/// Masks may come some frames after their spectra, and spectra some samples after the input.
pub struct Stft {
    windows: Windows,
    framer: Framer,
    analyser: Analyser,
    inverse: Arc<dyn ComplexToReal<f32>>,
    channels: Vec<Channel>,
    /// Frames from a spectrum to its mask.
    look_ahead: usize,
    /// Samples from the input to the end of a frame.
    lag: usize,
    /// Place of the last frame in the rings.
    newest: usize,
    time: Vec<f32>,
    frequency: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl std::fmt::Debug for Stft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stft").field("windows", &self.windows).field("channels", &self.channels.len()).finish_non_exhaustive()
    }
}

impl Stft {
    /// For a number of channels. A mask belongs to the spectrum `look_ahead` frames before the last, and
    /// a frame ends `lag` samples before the newest sample.
    pub fn new(windows: Windows, channels: usize, look_ahead: usize, lag: usize) -> Self {
        let length = windows.analysis.len();
        let inverse = RealFftPlanner::new().plan_fft_inverse(length);
        let bins = length / 2 + 1;
        let spectra = || vec![vec![Complex32::default(); bins]; look_ahead + 1];
        let channel = || Channel { overlap: vec![0.0; windows.synthesis.len()], spectra: spectra() };
        Self {
            framer: Framer::new(windows.hop, length + look_ahead * windows.hop + lag, channels),
            analyser: match &windows.exact {
                Some(window) => Analyser::exact(window, windows.scale),
                None => Analyser::scaled(windows.analysis.clone(), windows.scale),
            },
            look_ahead,
            lag,
            newest: 0,
            channels: (0..channels).map(|_| channel()).collect(),
            time: vec![0.0; length],
            frequency: vec![Complex32::default(); bins],
            scratch: vec![Complex32::default(); inverse.get_scratch_len()],
            windows,
            inverse,
        }
    }

    /// Number of bins of a spectrum.
    pub fn bins(&self) -> usize {
        self.frequency.len()
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> usize {
        self.windows.hop
    }

    /// Delay from input to output in samples.
    pub fn latency(&self) -> usize {
        self.windows.latency() + self.look_ahead * self.windows.hop + self.lag
    }

    /// Samples from the middle of what a mask stands for to the newest sample.
    pub fn age(&self) -> f32 {
        0.5 * self.windows.latency() as f32 + (self.look_ahead * self.windows.hop + self.lag) as f32
    }

    /// Zeroes all history.
    pub fn reset(&mut self) {
        self.framer.reset();
        for channel in &mut self.channels {
            channel.overlap.fill(0.0);
            channel.spectra.iter_mut().for_each(|spectrum| spectrum.fill(Complex32::default()));
        }
    }

    /// Samples that can still be exchanged before a frame is due.
    pub fn until_frame(&self) -> usize {
        self.framer.until_frame()
    }

    /// As [`Framer::exchange`]. When a frame is due call [`Stft::analyse`], then [`Stft::synthesise`]
    /// for every channel.
    pub fn exchange<'a>(&mut self, audio: impl Iterator<Item = &'a mut [f32]>, range: std::ops::Range<usize>, write: bool) -> bool {
        self.framer.exchange(audio, range, write)
    }

    /// Moves every channel's history on by one hop and computes its spectrum.
    pub fn analyse(&mut self) {
        self.framer.advance();
        self.newest = (self.newest + 1) % (self.look_ahead + 1);
        let length = self.time.len();
        for (index, channel) in self.channels.iter_mut().enumerate() {
            let history = self.framer.history(index);
            let end = history.len() - self.lag;
            self.analyser.analyse(&history[end - length..end], &mut channel.spectra[self.newest]);
        }
    }

    /// The newest samples of a channel, `[hop]`.
    pub fn fresh(&self, channel: usize) -> &[f32] {
        let history = self.framer.history(channel);
        &history[history.len() - self.windows.hop..]
    }

    /// Spectrum of a channel's last frame, `[bin]`.
    pub fn spectrum(&self, channel: usize) -> &[Complex32] {
        &self.channels[channel].spectra[self.newest]
    }

    /// The spectrum of a channel that the next mask belongs to, `[bin]`.
    pub fn due(&self, channel: usize) -> &[Complex32] {
        &self.channels[channel].spectra[(self.newest + 1) % (self.look_ahead + 1)]
    }

    /// Multiplies a channel's spectrum that is due by a mask, `[bin]`, adds the frame to the output, and gives
    /// the finished hop for what comes after.
    pub fn synthesise(&mut self, channel: usize, mask: &[Complex32]) -> (&mut [f32], &[f32]) {
        let hop = self.windows.hop;
        let due = (self.newest + 1) % (self.look_ahead + 1);
        let (outgoing, history) = self.framer.outgoing(channel);
        let channel = &mut self.channels[channel];
        for ((out, &bin), &gain) in self.frequency.iter_mut().zip(&channel.spectra[due]).zip(mask) {
            *out = bin * gain;
        }
        // The lowest and highest bin of a real signal's spectrum are real.
        self.frequency[0].im = 0.0;
        if let Some(last) = self.frequency.last_mut() {
            last.im = 0.0;
        }
        let _ = self.inverse.process_with_scratch(&mut self.frequency, &mut self.time, &mut self.scratch);
        let length = self.time.len();
        let scale = 1.0 / (self.analyser.scale() * length as f32);
        let start = length - channel.overlap.len();
        for ((sum, &sample), &weight) in channel.overlap.iter_mut().zip(&self.time[start..]).zip(&self.windows.synthesis) {
            *sum += sample * weight * scale;
        }
        outgoing.copy_from_slice(&channel.overlap[..hop]);
        channel.overlap.copy_within(hop.., 0);
        let kept = channel.overlap.len() - hop;
        channel.overlap[kept..].fill(0.0);
        let start = history.len() - self.windows.synthesis.len() - self.look_ahead * hop - self.lag;
        (outgoing, &history[start..start + hop])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::frames::{FRAMES, STANDARD};
    use crate::units::Hz;

    fn noise(length: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn a_mask_of_ones_gives_the_input_back_late() {
        for (frame, look_ahead, lag) in FRAMES.into_iter().zip([0, 0, 2, 1, 0]).zip([0, 0, 0, 7, 301]).map(|((a, b), c)| (a, b, c)) {
            for rate in [16_000.0, 22_050.0, 44_100.0, 48_000.0] {
                let mut stft = Stft::new(Windows::new(&frame, Hz(rate)), 1, look_ahead, lag);
                let mask = vec![Complex32::new(1.0, 0.0); stft.bins()];
                let input = noise(8_000);
                let mut output = input.clone();
                let mut at = 0;
                while at < output.len() {
                    let end = output.len().min(at + stft.until_frame().min(177));
                    if stft.exchange([&mut output[..]].into_iter(), at..end, true) {
                        stft.analyse();
                        stft.synthesise(0, &mask);
                    }
                    at = end;
                }
                let latency = stft.latency();
                // Rounding of the transform reaches over the whole window.
                assert!(output[..latency].iter().all(|x| x.abs() < 1e-6));
                for (late, sample) in output[latency..].iter().zip(&input) {
                    assert!((late - sample).abs() < 1e-6, "{late} {sample}");
                }
            }
        }
    }

    #[test]
    fn a_full_scale_sine_reads_one() {
        let mut stft = Stft::new(Windows::new(&STANDARD, Hz(48_000.0)), 1, 0, 0);
        let mut sine: Vec<f32> = (0..960).map(|n| (std::f32::consts::TAU * 1000.0 * n as f32 / 48_000.0).sin()).collect();
        for at in [0, 480] {
            assert!(stft.exchange([&mut sine[..]].into_iter(), at..at + 480, false));
            stft.analyse();
        }
        assert!((stft.spectrum(0)[20].norm() - 1.0).abs() < 0.01);
    }
}
