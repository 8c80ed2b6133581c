//! The models of one instance: those of the denoiser, of the de-esser, and the listener for events.

use crate::engines::{deess, denoise};
use crate::events::Listener;
use crate::processor::{Error, Format};

/// The models of one instance, loaded off the audio thread.
#[derive(Debug)]
pub struct Models {
    /// None while the engine's stages hold them.
    pub(super) denoise: Option<Box<denoise::Models>>,
    pub(super) deess: Option<Box<deess::Models>>,
    pub(super) listener: Listener,
    channels: usize,
}

impl Models {
    /// See [`crate::engines::Engine::load`].
    pub(super) fn load(format: Format) -> Result<Box<Self>, Error> {
        Ok(Box::new(Self {
            denoise: Some(<denoise::Denoise as crate::engines::Engine>::load(format)?),
            deess: Some(<deess::Deess as crate::engines::Engine>::load(format)?),
            listener: Listener::load(format)?,
            channels: format.channels,
        }))
    }

    /// Channels that these models are for.
    pub fn channels(&self) -> usize {
        self.channels
    }
}
