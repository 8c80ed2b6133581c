//! The models of one instance: a stream for each channel.

use super::balance::{Balance, FEATURES};
use super::settings::Mode;
use crate::detection::{CLASSES, Detection, REDUCTION_BANDS};
use crate::features::BANDS;
use crate::model::{Plan, Runner, embedded, warm};
use crate::processor::{Error, Format};
use crate::realtime::Reservation;
use std::sync::Arc;

/// The model.
pub const MODEL_ID: &str = "deess";
/// Steps that fill the runtime's caches before audio flows.
const WARM_UP: usize = 3;

/// One stream through the model.
#[derive(Debug)]
pub struct Listener {
    balance: Balance,
    runner: Runner,
}

impl Listener {
    fn new(plan: &Arc<Plan>) -> Result<Self, Error> {
        let outputs: [(&str, &[usize]); 5] =
            [("classes", &[1, CLASSES]), ("whistle", &[1, 1]), ("excess", &[1, REDUCTION_BANDS]), ("centre", &[1, 1]), ("width", &[1, 1])];
        plan.manifest().fits("deess", &[("features", &[1, FEATURES])], &outputs)?;
        Ok(Self { balance: Balance::default(), runner: Runner::new(plan)? })
    }

    /// Zeroes the states.
    pub fn reset(&mut self) {
        self.balance.reset();
        self.runner.reset();
    }

    /// What is heard in the next frame, from its `bands`. Nothing when the step fails.
    pub fn hear(&mut self, bands: &[f32; BANDS], mode: Mode) -> Detection {
        let features = self.balance.frame(bands, mode as usize);
        let (mut heard, mut whistle, mut centre, mut width) = (Detection::NOTHING, [0.0], [0.0], [0.0]);
        let mut outputs: [&mut [f32]; 5] = [&mut heard.classes, &mut whistle, &mut heard.excess_db, &mut centre, &mut width];
        if !self.runner.step(&[features], &mut outputs) {
            return Detection::NOTHING;
        }
        [heard.whistle, heard.centre_hz, heard.width_octaves] = [whistle[0], centre[0], width[0]];
        heard.excess_db.iter_mut().for_each(|excess| *excess = excess.max(0.0));
        heard
    }
}

/// The models of one instance, loaded off the audio thread.
#[derive(Debug)]
pub struct Models {
    /// `[channel]`.
    listeners: Vec<Listener>,
    _reservation: Reservation,
}

impl Models {
    /// See [`crate::engines::Engine::load`].
    pub(super) fn load(format: Format) -> Result<Box<Self>, Error> {
        let plan = embedded(MODEL_ID)?.plan()?;
        let make = || -> Result<Vec<Listener>, Error> {
            let one = |_| {
                let mut listener = Listener::new(&plan)?;
                for _ in 0..WARM_UP {
                    listener.hear(&[1e-6; BANDS], Mode::Voice);
                }
                if listener.runner.has_failed() {
                    return Err(Error::Model { id: MODEL_ID.into(), reason: "its first steps failed".into() });
                }
                listener.reset();
                Ok(listener)
            };
            (0..format.channels).map(one).collect()
        };
        let (listeners, reservation) = warm(make)?;
        Ok(Box::new(Self { listeners, _reservation: reservation }))
    }

    /// Channels that these models are for.
    pub fn channels(&self) -> usize {
        self.listeners.len()
    }

    /// Zeroes all states. On the audio thread call it inside a [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        self.listeners.iter_mut().for_each(Listener::reset);
    }

    pub(super) fn listeners(&mut self) -> &mut [Listener] {
        &mut self.listeners
    }
}
