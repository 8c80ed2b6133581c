//! The denoiser: spectrum, model, mask, synthesis.

mod aside;
mod core;
mod enhancer;
mod job;
mod linking;
mod models;
mod ports;
mod settings;
mod stream;
mod wave;

pub use models::Models;
pub use settings::{Link, Listen, Settings};

use crate::engines::Engine;
use crate::engines::switch::Switch;
use crate::model::{Package, embedded};
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::priority::Standing;
use crate::realtime::{FlushDenormals, Scope};
use core::Core;
use models::Player;
use stream::Framing;

/// Built-in models of the standard and the low-latency path.
const MODEL_IDS: [&str; 2] = ["denoise", "denoise-low"];

/// The denoise engine. Until models are installed the delayed input passes.
#[derive(Debug, Default)]
pub struct Denoise {
    format: Option<Format>,
    /// What plays.
    models: Option<Box<Models>>,
    /// What will play when a switch is over.
    next: Option<Box<Models>>,
    /// What has played before.
    retired: Option<Box<Models>>,
    /// The built-in models' paths, standard and low latency; none before `prepare`.
    paths: Option<[Core; 2]>,
    active: usize,
    /// When the latency mode or the models change.
    switch: Switch,
    /// True until the first block, which takes the mode it finds without a fade.
    fresh: bool,
    realtime: bool,
    late: u64,
}

/// The core of a path, and what runs in it.
fn side<'a>(models: Option<&'a mut Models>, paths: &'a mut [Core; 2], path: usize) -> (&'a mut Core, Option<&'a mut Player>) {
    let Some(models) = models else { return (&mut paths[path.min(1)], None) };
    let (player, core) = models.parts(path);
    (core.unwrap_or(&mut paths[path.min(1)]), Some(player))
}

impl Denoise {
    /// Loads a model from its manifest and files for a format, reserves its memory and warms it up. Never
    /// on the audio thread.
    ///
    /// # Errors
    /// [`Error::Model`] when the model is for something else, does not fit its manifest, or cannot run.
    pub fn load_package(format: Format, package: &Package) -> Result<Box<Models>, Error> {
        Models::load_package(format, package)
    }

    fn path(models: Option<&Models>, settings: &Settings) -> usize {
        models.map_or(usize::from(settings.low_latency), |models| models.path(settings))
    }

    /// Makes the models that come the ones that play.
    fn take_over(&mut self) {
        if let Some(next) = self.next.take() {
            self.retired = self.models.replace(next);
        }
    }
}

impl Engine for Denoise {
    type Models = Models;

    const TASKS: &'static [&'static str] = &["denoise"];
    const ASIDE: bool = true;

    fn load_model(format: Format, package: &Package) -> Result<Box<Models>, Error> {
        Self::load_package(format, package)
    }

    fn load(format: Format) -> Result<Box<Models>, Error> {
        Models::load(format)
    }

    fn install(&mut self, models: Box<Models>) -> Option<Box<Models>> {
        let Some(format) = self.format else { return self.models.replace(models) };
        if !models.fit(format) {
            return Some(models);
        }
        let own = |models: Option<&Models>| models.is_some_and(Models::has_cores);
        let same_paths = self.next.is_none() && !own(self.models.as_deref()) && !own(Some(&models));
        if self.fresh || same_paths {
            return self.models.replace(models);
        }
        self.switch.restart();
        self.next.replace(models).or_else(|| self.retired.take())
    }

    fn retired(&mut self) -> Option<Box<Models>> {
        self.retired.take()
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

    fn standing(&self) -> Option<Standing> {
        self.models.as_ref().and_then(|models| models.standing())
    }

    fn model_ids(settings: &Settings) -> &'static [&'static str] {
        std::slice::from_ref(&MODEL_IDS[usize::from(settings.low_latency)])
    }
}

impl Processor for Denoise {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        let core = |id: &str| Ok::<_, Error>(Core::new(&Framing::new(&embedded(id)?.manifest()?, format.rate)?, format));
        self.paths = Some([core(MODEL_IDS[0])?, core(MODEL_IDS[1])?]);
        self.format = Some(format);
        self.models.take_if(|models| models.has_cores() && !models.fit(format));
        self.next.take_if(|models| models.has_cores() && !models.fit(format));
        self.switch = Switch::new(format);
        self.late = 0;
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        let _scope = Scope::enter();
        self.take_over();
        if let Some(paths) = &mut self.paths {
            paths.iter_mut().for_each(Core::reset);
        }
        if let Some(models) = &mut self.models {
            models.reset();
        }
        self.switch.reset();
        self.fresh = true;
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, observer: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        if self.format.is_none_or(|format| audio.len() != format.channels) {
            return;
        }
        if self.fresh {
            self.active = Self::path(self.models.as_deref(), settings);
            self.fresh = false;
        }
        self.begin_switch(settings);
        let Some(paths) = &mut self.paths else { return };
        let length = audio.first().map_or(0, |channel| channel.len());
        let mut at = 0;
        while at < length {
            let (core, player) = side(self.models.as_deref_mut(), paths, self.active);
            let Some((to, count)) = self.switch.next(length - at) else {
                self.late += core.process(audio, (at..length, 0), settings, player, self.realtime, observer);
                let rest = at..length;
                self.switch.rise(audio.iter_mut().map(|channel| &mut **channel), &rest);
                self.switch.risen(rest.len());
                break;
            };
            let range = at..at + count;
            self.switch.keep(audio, range.clone());
            self.late += core.process(audio, (range.clone(), length - range.end), settings, player, self.realtime, observer);
            self.switch.fade(audio.iter_mut().map(|channel| &mut **channel), &range);
            let coming = if self.next.is_some() { &mut self.next } else { &mut self.models };
            let (core, player) = side(coming.as_deref_mut(), paths, to);
            self.late += core.fill(self.switch.kept(), (count, length - range.end), settings, player, self.realtime);
            at = range.end;
            if let Some(to) = self.switch.advance(count) {
                core.fade_in();
                self.active = to;
                if let Some(next) = self.next.take() {
                    self.retired = self.models.replace(next);
                }
            }
        }
    }

    fn latency(&self, settings: &Settings) -> usize {
        let models = self.next.as_deref().or(self.models.as_deref());
        let path = Self::path(models, settings);
        match models.and_then(|models| models.core(path)) {
            Some(core) => core.latency(),
            None => self.paths.as_ref().map_or(0, |paths| paths[path.min(1)].latency()),
        }
    }
}

impl Denoise {
    /// Begins a switch where settings ask for another path or where other models have come.
    fn begin_switch(&mut self, settings: &Settings) {
        if !self.switch.is_free() {
            return;
        }
        let core = |models: &Option<Box<Models>>, path: usize| models.as_deref().is_some_and(|models| models.core(path).is_some());
        if self.next.is_some() && Self::path(self.next.as_deref(), settings) == self.active {
            // The built-in models come back before they had gone.
            if !core(&self.next, self.active) && !core(&self.models, self.active) {
                self.take_over();
                self.switch.give_up();
                return;
            }
        }
        let Some(paths) = &mut self.paths else { return };
        let coming = if self.next.is_some() { &mut self.next } else { &mut self.models };
        let to = Self::path(coming.as_deref(), settings);
        if self.next.is_none() && to == self.active {
            return;
        }
        let coming = if self.next.is_some() { &mut self.next } else { &mut self.models };
        let (core, player) = side(coming.as_deref_mut(), paths, to);
        core.reset();
        core.hold();
        self.switch.begin(to, core.latency());
        let _scope = Scope::enter();
        player.into_iter().for_each(Player::reset);
    }
}
