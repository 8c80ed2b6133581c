//! The denoiser: spectrum, model, mask, synthesis.

mod core;
mod linking;
mod mask_runner;
mod models;
mod settings;

pub use models::Models;
pub use settings::{Link, Listen, Settings};

use crate::engines::Engine;
use crate::framing::Shape;
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::{FlushDenormals, Scope};
use core::{Core, MODEL_IDS};

/// Time over which the old path fades out when the latency mode changes; the new path fills
/// meanwhile and fades in over its next hop.
const SWITCH_MS: f64 = 20.0;

/// The denoise engine. Until models are installed the delayed input passes.
#[derive(Debug, Default)]
pub struct Denoise {
    models: Option<Box<Models>>,
    /// Standard and low-latency path; none before `prepare`.
    paths: Option<[Core; 2]>,
    active: usize,
    /// Samples of fade-out left, when the mode changes.
    switching: Option<usize>,
    switch_length: usize,
    /// True until the first block, which takes the mode it finds without a fade.
    fresh: bool,
    realtime: bool,
    late: u64,
    /// Where the input of the path that fills goes, `[channel][sample]`.
    spare: Vec<Vec<f32>>,
}

/// Samples at a time while the mode changes.
const SWITCH_CHUNK: usize = 32;

impl Denoise {
    /// As [`Engine::load`], with a model of the user's.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub fn load_package(format: Format, package: &crate::model::store::Package) -> Result<Box<Models>, Error> {
        Models::load_package(format, package)
    }

    /// Steps of the installed models that failed or gave numbers that are not finite.
    pub fn failed_steps(&self) -> u64 {
        self.models.as_ref().map_or(0, |models| models.failed_steps())
    }
}

impl Engine for Denoise {
    type Models = Models;

    const TASK: Option<&'static str> = Some("denoise");

    fn load_model(format: Format, package: &crate::model::store::Package) -> Result<Box<Models>, Error> {
        Self::load_package(format, package)
    }

    fn load(format: Format) -> Result<Box<Models>, Error> {
        Models::load(format)
    }

    fn install(&mut self, models: Box<Models>) -> Option<Box<Models>> {
        let channels = self.paths.as_ref().map_or(0, |paths| paths[0].channels());
        if models.channels() < channels {
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

    fn model_ids(settings: &Settings) -> &'static [&'static str] {
        std::slice::from_ref(&MODEL_IDS[usize::from(settings.low_latency)])
    }
}

impl Processor for Denoise {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        self.paths = Some([Shape::SqrtHann, Shape::Asymmetric].map(|shape| Core::new(shape, format)));
        self.switch_length = (format.rate.0 * SWITCH_MS / 1000.0) as usize;
        self.spare = vec![vec![0.0; SWITCH_CHUNK]; format.channels];
        self.late = 0;
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        let _scope = Scope::enter();
        if let Some(paths) = &mut self.paths {
            paths.iter_mut().for_each(Core::reset);
        }
        if let Some(models) = &mut self.models {
            models.reset();
        }
        self.switching = None;
        self.fresh = true;
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, observer: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        let Some(paths) = &mut self.paths else { return };
        if audio.len() != paths[0].channels() {
            return;
        }
        let wanted = usize::from(settings.low_latency);
        if self.fresh {
            self.active = wanted;
            self.fresh = false;
        }
        if self.switching.is_none() && wanted != self.active {
            paths[wanted].reset();
            if let Some(models) = &mut self.models {
                let _scope = Scope::enter();
                models.runners(wanted).iter_mut().for_each(mask_runner::MaskRunner::reset);
            }
            self.switching = Some(self.switch_length);
        }
        let length = audio.first().map_or(0, |channel| channel.len());
        let mut at = 0;
        while at < length {
            let Some(left) = self.switching else {
                let runners = self.models.as_mut().map(|models| models.runners(self.active));
                self.late += paths[self.active].process(audio, at..length, settings, runners, self.realtime, observer);
                break;
            };
            // The mode changes: the old path plays on and fades, the other one fills unheard.
            let end = length.min(at + left.min(SWITCH_CHUNK));
            let other = 1 - self.active;
            for (spare, channel) in self.spare.iter_mut().zip(audio.iter()) {
                spare[..end - at].copy_from_slice(&channel[at..end]);
            }
            let runners = self.models.as_mut().map(|models| models.runners(self.active));
            self.late += paths[self.active].process(audio, at..end, settings, runners, self.realtime, observer);
            let runners = self.models.as_mut().map(|models| models.runners(other));
            for index in 0..end - at {
                let gain = (left - index) as f32 / self.switch_length as f32;
                audio.iter_mut().for_each(|channel| channel[at + index] *= gain);
            }
            self.late += paths[other].fill(&mut self.spare, end - at, settings, runners, self.realtime);
            self.switching = if left == end - at {
                self.active = other;
                paths[other].fade_in();
                None
            } else {
                Some(left - (end - at))
            };
            at = end;
        }
    }

    fn latency(&self, settings: &Settings) -> usize {
        self.paths.as_ref().map_or(0, |paths| paths[usize::from(settings.low_latency)].latency())
    }
}
