//! A second listening, to what the chain has made: behind the denoiser words stand out that the first one took for noise, and
//! noise is told from words where it was not sure.

use crate::render::failure::Failure;
use dsp_core::events::{LATE_FRAMES, Listener};
use dsp_core::framing::Analyser;
use realfft::num_complex::Complex32;
use std::f64::consts::PI;

/// Frames in a second, as the listener wants them.
const FRAMES: f64 = 100.0;

/// Listens to a programme as it flows by.
pub struct Again {
    listener: Listener,
    analyser: Analyser,
    /// The last 20 ms, `[sample]`; the second half is being filled.
    window: Vec<f32>,
    filled: usize,
    spectrum: Vec<Complex32>,
    power: Vec<f32>,
    heard: Vec<[f32; 2]>,
}

impl Again {
    /// For a rate in hertz.
    ///
    /// # Errors
    /// When the model does not load.
    pub fn new(rate: f64) -> Result<Self, Failure> {
        let hop = ((rate / FRAMES).floor() as usize).max(1);
        // The window that the denoiser hears through, whose bins the model knows.
        let length = 2 * hop;
        let analyser = Analyser::new((0..length).map(|n| (PI * n as f64 / length as f64).sin() as f32).collect());
        Ok(Self {
            listener: Listener::new()?,
            window: vec![0.0; length],
            filled: 0,
            spectrum: vec![Complex32::default(); analyser.bins()],
            power: vec![0.0; analyser.bins()],
            heard: Vec::new(),
            analyser,
        })
    }

    /// Hears a block, `block[channel][sample]`.
    pub fn hear(&mut self, block: &[&[f32]]) {
        let (hop, scale) = (self.window.len() / 2, 1.0 / block.len().max(1) as f32);
        for n in 0..block.first().map_or(0, |samples| samples.len()) {
            self.window[hop + self.filled] = block.iter().map(|samples| samples[n]).sum::<f32>() * scale;
            self.filled += 1;
            if self.filled == hop {
                self.frame();
                self.window.copy_within(hop.., 0);
                self.filled = 0;
            }
        }
    }

    fn frame(&mut self) {
        self.analyser.analyse(&self.window, &mut self.spectrum);
        self.power.iter_mut().zip(&self.spectrum).for_each(|(power, bin)| *power = bin.norm_sqr());
        let frame = self.listener.hear(&self.power);
        self.heard.push([frame.speech, frame.music]);
        // Half a second later it is surer of what it heard.
        if let Some(earlier) = self.heard.len().checked_sub(LATE_FRAMES + 1) {
            self.heard[earlier].copy_from_slice(&frame.settled[..2]);
        }
    }

    /// Probabilities of speech and music by hop.
    pub fn heard(&self) -> &[[f32; 2]] {
        &self.heard
    }
}
