//! The de-esser: listens for sibilants, measures how much too strong each is for this talker, and
//! takes off just that, in the band where it is.
//!
//! ```text
//! hop ─▶ bands ─▶ model ─▶ classes, excess ─▶ reduction ─▶ filter ─┐
//!  └───────────── delay: one hop and half the filter ─────────────┴─▶ out
//! ```

mod balance;
mod core;
mod correction;
mod edges;
mod models;
mod reduction;
mod settings;

pub use models::Models;
pub use settings::{Link, Listen, Mode, Settings};

use crate::engines::Engine;
use crate::model::Package;
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::{FlushDenormals, Scope};
use core::Core;

/// The de-esser. Until models are installed the delayed input passes.
#[derive(Debug, Default)]
pub struct Deess {
    models: Option<Box<Models>>,
    /// None before `prepare`.
    core: Option<Core>,
    realtime: bool,
    late: u64,
}

impl Engine for Deess {
    type Models = Models;

    const TASKS: &'static [&'static str] = &["deess"];

    fn load_model(format: Format, package: &Package) -> Result<Box<Models>, Error> {
        Models::load_package(format, package)
    }

    fn load(format: Format) -> Result<Box<Models>, Error> {
        Models::load(format)
    }

    fn install(&mut self, models: Box<Models>) -> Option<Box<Models>> {
        if models.channels() < self.core.as_ref().map_or(0, Core::channels) {
            return Some(models);
        }
        self.models.replace(models)
    }

    fn is_ready(&self) -> bool {
        self.models.is_some()
    }

    fn set_realtime(&mut self, realtime: bool) {
        self.realtime = realtime;
    }

    fn late_frames(&self) -> u64 {
        self.late
    }

    fn bad_steps(&self) -> u64 {
        self.models.as_ref().map_or(0, |models| models.bad_steps())
    }

    fn model_ids(_: &Settings) -> &'static [&'static str] {
        &[models::MODEL_ID]
    }
}

impl Processor for Deess {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        self.core = Some(Core::new(format));
        self.late = 0;
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        let _scope = Scope::enter();
        if let Some(core) = &mut self.core {
            core.reset();
        }
        if let Some(models) = &mut self.models {
            models.reset();
        }
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, observer: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        let Some(core) = self.core.as_mut().filter(|core| core.channels() == audio.len()) else { return };
        let listeners = self.models.as_mut().map(|models| models.listeners());
        self.late += core.process(audio, settings, listeners, self.realtime, observer);
    }

    fn latency(&self, _: &Settings) -> usize {
        self.core.as_ref().map_or(0, Core::latency)
    }

    fn notice(&self) -> Option<&'static str> {
        let idle = self.core.as_ref().is_some_and(|core| !core.works());
        idle.then_some("there is no band for sibilants at a sample rate under 12 kHz; the sound passes unchanged")
    }
}
