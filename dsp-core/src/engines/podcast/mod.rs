//! The podcast chain: from a voice as a microphone gives it to one that can be published.
//!
//! ```text
//! input ─▶ high-pass ─▶ denoise ─▶ de-ess ─▶ leveller ─▶ compressor ─▶ tone ─▶ limiter ─▶ output
//!              │           │ spectrum                ▲          ▲        ▲
//!              │           └──▶ events: speech, music ┴──────────┴────────┘
//!              └─ all but leveller and limiter step back where there is music
//! ```
//!
//! [`STAGES`] declares the order. A stage that is off gives its delayed input's own bits; with all of them
//! off the chain gives the delayed input.

mod core;
mod models;
mod music;
mod settings;
mod stages;
mod tone;

pub use models::Models;
pub use settings::{Listen, Settings};
pub use stages::{BANDS, COUNT, Kind, STAGES, Stage, StageFrame};
pub use tone::{Settings as ToneSettings, Tone};

use crate::engines::Engine;
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::{FlushDenormals, Scope};
use core::Core;

/// The podcast chain. Until models are installed the delayed input passes.
#[derive(Debug, Default)]
pub struct Podcast {
    /// None before `prepare`.
    core: Option<Box<Core>>,
    /// The listener, and a place for the stages' models when others come.
    models: Option<Box<Models>>,
}

impl Engine for Podcast {
    type Models = Models;

    fn load(format: Format) -> Result<Box<Models>, Error> {
        Models::load(format)
    }

    fn install(&mut self, mut models: Box<Models>) -> Option<Box<Models>> {
        let Some(core) = self.core.as_mut().filter(|core| models.channels() >= core.channels()) else { return Some(models) };
        let old = core.install(&mut models);
        let before = self.models.replace(models);
        // What the stages held goes back in the box it came in.
        before.map(|mut before| {
            (before.denoise, before.deess) = old;
            before
        })
    }

    fn is_ready(&self) -> bool {
        self.models.is_some()
    }

    fn set_realtime(&mut self, realtime: bool) {
        if let Some(core) = &mut self.core {
            core.set_realtime(realtime);
        }
    }

    fn late_frames(&self) -> u64 {
        self.core.as_ref().map_or(0, |core| core.late_frames())
    }

    fn model_ids(_: &Settings) -> &'static [&'static str] {
        &["denoise", "deess", crate::events::MODEL_ID]
    }
}

impl Processor for Podcast {
    type Settings = Settings;

    const MEASURES: bool = true;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        // Models that are there already stay.
        let parts = self.core.take().map(|core| core.into_parts()).unwrap_or_default();
        let core = Box::new(Core::new(format, parts)?);
        self.core = Some(core);
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        let _scope = Scope::enter();
        if let Some(core) = &mut self.core {
            core.reset();
        }
        if let Some(models) = &mut self.models {
            models.listener.reset();
        }
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, observer: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        let Some(core) = self.core.as_mut().filter(|core| core.channels() == audio.len()) else { return };
        let listener = self.models.as_mut().map(|models| &mut models.listener);
        core.process(audio, settings, listener, observer);
    }

    fn latency(&self, _: &Settings) -> usize {
        self.core.as_ref().map_or(0, |core| core.latency())
    }

    fn notice(&self) -> Option<&'static str> {
        self.core.as_ref().and_then(|core| core.notice())
    }
}
