//! The models of one instance: a runner for each path and channel.

use super::core::MODEL_IDS;
use crate::model::{Runner, embedded};
use crate::processor::{Error, Format};
use crate::realtime::{Reservation, Scope};
use realfft::num_complex::Complex32;

/// Steps that fill the runtime's caches before audio flows.
const WARM_UP: usize = 3;

/// The models of one instance, loaded off the audio thread.
#[derive(Debug)]
pub struct Models {
    /// `[path][channel]`.
    runners: [Vec<Runner>; 2],
    _reservation: Reservation,
}

impl Models {
    /// Loads (or takes from the process-wide cache) the built-in models for a format, reserves their
    /// memory and warms them up. Takes up to 0.5 s the first time in a process; never call it on the
    /// audio thread.
    ///
    /// # Errors
    /// [`Error::Model`] when a model does not load.
    pub fn load(format: Format) -> Result<Box<Self>, Error> {
        let plans = [embedded(MODEL_IDS[0])?.plan()?, embedded(MODEL_IDS[1])?.plan()?];
        let warm = || -> Result<[Vec<Runner>; 2], Error> {
            let mut runners = [Vec::new(), Vec::new()];
            for (plan, runners) in plans.iter().zip(&mut runners) {
                let bins = plan.manifest().bins;
                let spectrum = vec![Complex32::new(1e-3, 0.0); bins];
                let mut mask = vec![Complex32::default(); bins];
                for _ in 0..format.channels {
                    let mut runner = Runner::new(plan)?;
                    for _ in 0..WARM_UP {
                        runner.step(&spectrum, &mut mask);
                    }
                    if runner.has_failed() {
                        let reason = "its first steps failed".to_owned();
                        return Err(Error::Model { id: plan.manifest().id.clone(), reason });
                    }
                    runner.reset();
                    runners.push(runner);
                }
            }
            Ok(runners)
        };
        // Once to measure, once more so that what is kept comes from the pool.
        let (measured, reservation) = Reservation::measure(warm);
        drop(measured?);
        let _scope = Scope::enter();
        Ok(Box::new(Self { runners: warm()?, _reservation: reservation }))
    }

    /// Channels that these models are for.
    pub fn channels(&self) -> usize {
        self.runners[0].len()
    }

    /// Zeroes all states. On the audio thread call it inside a [`Scope`].
    pub fn reset(&mut self) {
        self.runners.iter_mut().flatten().for_each(Runner::reset);
    }

    pub(super) fn runners(&mut self, path: usize) -> &mut [Runner] {
        &mut self.runners[path]
    }
}
