//! One channel's stream through a model, and the frames that it needs.

use super::enhancer::Enhancer;
use super::wave::{self, Times, Wave};
use crate::framing::{Frame, Window, Windows};
use crate::model::{Channels, Holds, Manifest, Plan};
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
    /// Of the way to a model's own rate and back, where there is one.
    pub times: Option<Times>,
}

/// True when some output of a model is samples.
fn gives_wave(manifest: &Manifest) -> bool {
    manifest.parts.iter().flat_map(|part| &part.outputs).any(|tensor| tensor.holds == Some(Holds::Wave))
}

/// The frame that a manifest speaks of.
fn frame_of(manifest: &Manifest) -> Result<Frame, Error> {
    let missing = "says nothing of its frames; [frame] with window, hop, analysis and synthesis is needed";
    manifest.frame.ok_or_else(|| manifest.refuse(missing.into()))
}

impl Framing {
    /// What a manifest asks for, at a host's rate.
    ///
    /// # Errors
    /// [`Error::Model`] when it is for something else, or says nothing of frames.
    pub fn new(manifest: &Manifest, rate: Hz) -> Result<Self, Error> {
        manifest.is_for("denoise")?;
        let frame = frame_of(manifest)?;
        if gives_wave(manifest) {
            return wave::framing(manifest, &frame, rate);
        }
        if frame.synthesis == Window::Sum {
            return Err(manifest.refuse("frames are summed as they are, but no output is a wave".into()));
        }
        let each = manifest.channels == Channels::Each;
        Ok(Self { frame, bins: frame.bins(), look_ahead: manifest.look_ahead, lag: 0, each, times: None })
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
pub enum Stream {
    /// The model says what to do with spectra.
    Spectral(Box<Enhancer>),
    /// It gives samples.
    Wave(Box<Wave>),
}

impl Stream {
    /// A stream with its states at zero.
    ///
    /// # Errors
    /// [`Error::Model`] when the manifest does not say what the engine must know.
    pub fn new(plans: &[Arc<Plan>], framing: &Framing, format: Format) -> Result<Self, Error> {
        let manifest = plans[0].manifest();
        if gives_wave(manifest) {
            return Ok(Self::Wave(Box::new(Wave::new(plans, &frame_of(manifest)?, framing, format)?)));
        }
        let windows = Windows::new(&framing.frame, format.rate);
        Ok(Self::Spectral(Box::new(Enhancer::new(plans, &framing.frame, &windows.analysis, windows.scale)?)))
    }

    /// Zeroes all states. On the audio thread call it inside a [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        match self {
            Self::Spectral(enhancer) => enhancer.reset(),
            Self::Wave(wave) => wave.reset(),
        }
    }

    /// Steps that fill the runtime's caches.
    pub fn warm_up(&mut self, steps: usize, bin: Complex32) {
        let enhancer = match self {
            Self::Spectral(enhancer) => enhancer,
            Self::Wave(wave) => wave.enhancer(),
        };
        let spectrum = vec![bin; enhancer.bins()];
        let mut mask = vec![Complex32::default(); enhancer.bins()];
        for _ in 0..steps {
            enhancer.step(&spectrum, &mut mask);
        }
    }

    /// True when a step has failed; no other is tried then.
    pub fn has_failed(&self) -> bool {
        match self {
            Self::Spectral(enhancer) => enhancer.has_failed(),
            Self::Wave(wave) => wave.has_failed(),
        }
    }

    /// Steps that failed or gave numbers that are not finite, since the model was loaded.
    pub fn bad_steps(&self) -> u64 {
        match self {
            Self::Spectral(enhancer) => enhancer.bad_steps(),
            Self::Wave(wave) => wave.bad_steps(),
        }
    }
}
