//! The denoiser: spectrum, model, mask, synthesis.

mod settings;

pub use settings::{Link, Listen, Settings};

use crate::processor::{Error, Format, Observer, Processor};

/// The models of one instance, loaded off the audio thread.
pub struct Models;

impl Models {
    /// Loads (or takes from the process-wide cache) the built-in models for a format. Takes up to
    /// 0.2 s the first time in a process; never call it on the audio thread.
    ///
    /// # Errors
    /// [`Error::Model`] when a model does not load.
    pub fn load(_format: Format) -> Result<Box<Self>, Error> {
        Ok(Box::new(Self))
    }
}

/// The denoise engine. Until models are installed the delayed input passes.
pub struct Denoise {}

impl Denoise {
    /// An engine without models, to be prepared.
    pub fn new() -> Self {
        Self {}
    }

    /// An engine with its built-in models, prepared: what offline callers want.
    ///
    /// # Errors
    /// As [`Models::load`] and [`Processor::prepare`].
    pub fn with_builtin_models(format: Format) -> Result<Self, Error> {
        let mut engine = Self::new();
        engine.prepare(format)?;
        engine.install(Models::load(format)?);
        Ok(engine)
    }

    /// Installs models on the audio thread (no allocation, nothing is dropped) and gives the old
    /// ones back, to be dropped elsewhere.
    pub fn install(&mut self, _models: Box<Models>) -> Option<Box<Models>> {
        None
    }

    /// True when models are installed.
    pub fn is_ready(&self) -> bool {
        true
    }

    /// In real time a model step that takes longer than a hop is counted as late and the next frame
    /// passes dry. Offline (the default) nothing is ever late.
    pub fn set_realtime(&mut self, _realtime: bool) {}

    /// Frames that passed dry because a step was late, since `prepare`.
    pub fn late_frames(&self) -> u64 {
        0
    }
}

impl Processor for Denoise {
    type Settings = Settings;

    fn prepare(&mut self, _format: Format) -> Result<(), Error> {
        Ok(())
    }

    fn reset(&mut self) {}

    fn process(&mut self, _audio: &mut [&mut [f32]], _settings: &Settings, _observer: &mut dyn Observer) {}

    fn latency(&self, _settings: &Settings) -> usize {
        960
    }
}
