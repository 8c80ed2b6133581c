//! The models of one instance: a runner for each path and channel.

use super::core::{MODEL_BINS, MODEL_IDS};
use super::mask_runner::MaskRunner;
use crate::model::store::Package;
use crate::model::{Plan, embedded, warm};
use crate::processor::{Error, Format};
use crate::realtime::Reservation;
use realfft::num_complex::Complex32;
use std::sync::Arc;

/// Steps that fill the runtime's caches before audio flows.
const WARM_UP: usize = 3;

/// The models of one instance, loaded off the audio thread.
#[derive(Debug)]
pub struct Models {
    /// `[path][channel]`.
    runners: [Vec<MaskRunner>; 2],
    _reservation: Reservation,
}

impl Models {
    /// See [`crate::engines::Engine::load`].
    pub(super) fn load(format: Format) -> Result<Box<Self>, Error> {
        Self::make(format, [embedded(MODEL_IDS[0])?.plan()?, embedded(MODEL_IDS[1])?.plan()?])
    }

    /// As [`Models::load`], from a package.
    pub(super) fn load_package(format: Format, package: &Package) -> Result<Box<Self>, Error> {
        let plan = Arc::new(Plan::load(package.manifest.clone(), &package.files[0].1)?);
        Self::make(format, [plan.clone(), plan])
    }

    /// Steps that failed.
    pub(super) fn failed_steps(&self) -> u64 {
        self.runners.iter().flatten().filter(|runner| runner.has_failed()).count() as u64
    }

    fn make(format: Format, plans: [Arc<Plan>; 2]) -> Result<Box<Self>, Error> {
        let make = || -> Result<[Vec<MaskRunner>; 2], Error> {
            let mut runners = [Vec::new(), Vec::new()];
            for (plan, runners) in plans.iter().zip(&mut runners) {
                let spectrum = vec![Complex32::new(1e-3, 0.0); MODEL_BINS];
                let mut mask = vec![Complex32::default(); MODEL_BINS];
                for _ in 0..format.channels {
                    let mut runner = MaskRunner::new(plan)?;
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
        let (runners, reservation) = warm(make)?;
        Ok(Box::new(Self { runners, _reservation: reservation }))
    }

    /// Channels that these models are for.
    pub fn channels(&self) -> usize {
        self.runners[0].len()
    }

    /// Zeroes all states. On the audio thread call it inside a [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        self.runners.iter_mut().flatten().for_each(MaskRunner::reset);
    }

    pub(super) fn runners(&mut self, path: usize) -> &mut [MaskRunner] {
        &mut self.runners[path]
    }
}
