//! The models of one instance: a stream for each channel.

use super::balance::{Balance, FEATURES};
use super::settings::Mode;
use crate::detection::{CLASSES, Detection, REDUCTION_BANDS};
use crate::features::BANDS;
use crate::model::{Package, Plan, Runner, embedded, warm};
use crate::processor::{Error, Format};
use crate::realtime::Reservation;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What models are for.
const TASK: &str = "deess";
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
        plan.manifest().fits(TASK, &[("features", &[1, FEATURES])], &outputs)?;
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
        Self::new(format, &embedded(MODEL_ID)?.plan()?)
    }

    /// See [`crate::engines::Engine::load_model`].
    pub(super) fn load_package(format: Format, package: &Package) -> Result<Box<Self>, Error> {
        package.manifest.is_for(TASK)?;
        let plans = package.plans()?;
        let [plan] = &plans[..] else {
            return Err(package.manifest.refuse(format!("has {} parts where one is needed", plans.len())));
        };
        Self::new(Format::new(format.rate, format.channels)?, plan)
    }

    fn new(format: Format, plan: &Arc<Plan>) -> Result<Box<Self>, Error> {
        let make = || -> Result<Vec<Listener>, Error> {
            let one = |_| {
                let mut listener = Listener::new(plan)?;
                for _ in 0..WARM_UP {
                    listener.hear(&[1e-6; BANDS], Mode::Voice);
                }
                if listener.runner.has_failed() {
                    return Err(plan.manifest().refuse("its first steps failed".into()));
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

    /// Steps that failed or gave numbers that are not finite, since they were loaded.
    pub fn bad_steps(&self) -> u64 {
        self.listeners.iter().map(|listener| listener.runner.bad_steps()).sum()
    }

    /// Zeroes all states. On the audio thread call it inside a [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        self.listeners.iter_mut().for_each(Listener::reset);
    }

    /// Mean time of a step of one channel over so many steps. States are zero afterwards. Not for the audio thread.
    pub fn step_cost(&mut self, steps: usize) -> Duration {
        let Some(listener) = self.listeners.first_mut() else { return Duration::ZERO };
        let started = Instant::now();
        for step in 0..steps {
            // A power that moves, so that steps are not of silence.
            listener.hear(&[1e-4 * (1 + step % 7) as f32; BANDS], Mode::Voice);
        }
        let spent = started.elapsed();
        self.reset();
        spent / u32::try_from(steps.max(1)).unwrap_or(u32::MAX)
    }

    pub(super) fn listeners(&mut self) -> &mut [Listener] {
        &mut self.listeners
    }
}
