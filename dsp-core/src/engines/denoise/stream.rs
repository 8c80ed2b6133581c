//! One channel's stream through a model, and the frames that it needs.

use super::enhancer::Enhancer;
use crate::framing::{Frame, Stft, Windows};
use crate::model::{Channels, Manifest, Plan};
use crate::processor::{Error, Format};
use crate::units::Hz;
use realfft::num_complex::Complex32;
use std::sync::Arc;

/// How the engine frames sound for a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Framing {
    pub frame: Frame,
    /// Bins that the model decides on.
    pub bins: usize,
    /// Frames from a spectrum to its mask.
    pub look_ahead: usize,
    /// Samples from the input to the end of a frame.
    pub lag: usize,
    /// Each channel goes through the model, linked ones too.
    pub each: bool,
}

impl Framing {
    /// What a manifest asks for.
    ///
    /// # Errors
    /// [`Error::Model`] when it is for something else, or says nothing of frames.
    pub fn new(manifest: &Manifest) -> Result<Self, Error> {
        manifest.is_for("denoise")?;
        let Some(frame) = manifest.frame else {
            return Err(manifest.refuse("says nothing of its frames; [frame] with window, hop, analysis and synthesis is needed".into()));
        };
        let each = manifest.channels == Channels::Each;
        Ok(Self { frame, bins: frame.bins(), look_ahead: manifest.look_ahead, lag: 0, each })
    }
}

impl Framing {
    /// Delay at a rate in samples.
    pub fn latency(&self, rate: Hz) -> usize {
        let windows = Windows::new(&self.frame, rate);
        windows.latency() + self.look_ahead * windows.hop + self.lag
    }

    /// Samples from one frame to the next at a rate.
    pub fn hop(&self, rate: Hz) -> usize {
        Windows::new(&self.frame, rate).hop
    }
}

/// A stream.
#[derive(Debug)]
pub struct Stream(Enhancer);

impl Stream {
    /// A stream with its states at zero.
    ///
    /// # Errors
    /// [`Error::Model`] when the manifest does not say what the engine must know.
    pub fn new(plans: &[Arc<Plan>], framing: &Framing, format: Format) -> Result<Self, Error> {
        let windows = Windows::new(&framing.frame, format.rate);
        Ok(Self(Enhancer::new(plans, &framing.frame, &windows.analysis)?))
    }

    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// Steps that fill the runtime's caches.
    pub fn warm_up(&mut self, steps: usize, bin: Complex32) {
        let spectrum = vec![bin; self.0.bins()];
        let mut mask = vec![Complex32::default(); self.0.bins()];
        for _ in 0..steps {
            self.0.step(&spectrum, &mut mask);
        }
    }

    pub fn has_failed(&self) -> bool {
        self.0.has_failed()
    }

    pub fn bad_steps(&self) -> u64 {
        self.0.bad_steps()
    }

    /// One step: the newest spectrum, `[bin]`, in; the mask that is due out. Gives the gain above the band.
    pub fn step(&mut self, spectrum: &[Complex32], _: &Stft, _: usize, mask: &mut [Complex32]) -> f32 {
        self.0.step(spectrum, mask)
    }
}
