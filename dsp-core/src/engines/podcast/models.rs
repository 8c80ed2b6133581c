//! The models of one instance: those of the denoiser, of the de-esser, and the listener for events.

use crate::engines::Engine;
use crate::engines::{deess, denoise};
use crate::events::{Listener, MODEL_ID};
use crate::model::warm;
use crate::processor::{Error, Format};
use crate::realtime::Reservation;

/// Steps that fill the runtime's caches before audio flows.
const WARM_UP: usize = 3;

/// The models of one instance, loaded off the audio thread.
#[derive(Debug)]
pub struct Models {
    /// None while the engine's stages hold them.
    pub(super) denoise: Option<Box<denoise::Models>>,
    pub(super) deess: Option<Box<deess::Models>>,
    /// One for all channels: what is heard does not depend on the side.
    pub(super) listener: Listener,
    channels: usize,
    _reservation: Reservation,
}

impl Models {
    /// See [`crate::engines::Engine::load`].
    pub(super) fn load(format: Format) -> Result<Box<Self>, Error> {
        let make = || -> Result<Listener, Error> {
            let mut listener = Listener::new()?;
            for _ in 0..WARM_UP {
                listener.hear(&[1e-6]);
            }
            if listener.has_failed() {
                return Err(Error::Model { id: MODEL_ID.into(), reason: "its first steps failed".into() });
            }
            listener.reset();
            Ok(listener)
        };
        let (listener, reservation) = warm(make)?;
        Ok(Box::new(Self {
            denoise: Some(denoise::Denoise::load(format)?),
            deess: Some(deess::Deess::load(format)?),
            listener,
            channels: format.channels,
            _reservation: reservation,
        }))
    }

    /// Channels that these models are for.
    pub fn channels(&self) -> usize {
        self.channels
    }
}
