//! What the shell asks of an engine beyond [`Processor`]: models that come later.

use dsp_core::engines::denoise;
use dsp_core::params::FromValues;
use dsp_core::processor::{Error, Format, Processor};

/// An engine whose models are loaded off the audio thread and installed on it.
pub trait Engine: Processor<Settings: FromValues + Send> + Send + 'static {
    /// The models of one instance.
    type Models: Send + 'static;

    /// An engine without models, to be prepared.
    fn new() -> Self;

    /// Loads the models for a format, or takes them from the process-wide cache. Slow the first time:
    /// never on the audio thread.
    ///
    /// # Errors
    /// When a model does not load.
    fn load(format: Format) -> Result<Box<Self::Models>, Error>;

    /// Installs models without allocating and gives the old ones back, to be dropped elsewhere.
    fn install(&mut self, models: Box<Self::Models>) -> Option<Box<Self::Models>>;

    /// In real time a step that comes too late is counted and its frame passes dry.
    fn set_realtime(&mut self, realtime: bool);

    /// Frames that passed dry because a step was late.
    fn late_frames(&self) -> u64;
}

/// Implements [`Engine`] for an engine whose inherent methods have these names.
macro_rules! engine {
    ($engine:ty, $models:ty) => {
        impl Engine for $engine {
            type Models = $models;

            fn new() -> Self {
                <$engine>::new()
            }

            fn load(format: Format) -> Result<Box<Self::Models>, Error> {
                <$models>::load(format)
            }

            fn install(&mut self, models: Box<Self::Models>) -> Option<Box<Self::Models>> {
                <$engine>::install(self, models)
            }

            fn set_realtime(&mut self, realtime: bool) {
                <$engine>::set_realtime(self, realtime);
            }

            fn late_frames(&self) -> u64 {
                <$engine>::late_frames(self)
            }
        }
    };
}

engine!(denoise::Denoise, denoise::Models);
