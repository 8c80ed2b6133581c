//! Stems: a song taken apart while it plays, or a voice from what is under it.
//!
//! A model gives masks for all stems but the last, which is the mix less the others, so stems add up to
//! the delayed mix whatever the model says. The main output and the separate ones are mixed from the
//! stems and the delayed mix in time (`mixer.rs`): where nothing is asked for, the main output is the
//! delayed input's own bits.

mod bounce;
mod core;
mod frame;
mod mixer;
mod models;
mod overlap;
mod separator;
mod settings;

pub use bounce::{Bounce, Quality};
pub use core::Outs;
pub use frame::{STEM_BANDS, StemFrame};
pub use models::Models;
pub use settings::{Listen, Outputs, STEMS, Settings, Strip, Task};

use crate::engines::Engine;
use crate::engines::switch::Switch;
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::{FlushDenormals, Scope};
use core::{Core, With};
use models::{PATHS, path};
use separator::Separator;

/// The stems engine. Until models are installed the delayed input passes.
#[derive(Debug, Default)]
pub struct Stems {
    format: Option<Format>,
    models: Option<Box<Models>>,
    /// None before `prepare`.
    paths: Option<[Core; PATHS.len()]>,
    active: usize,
    /// When task or latency mode change.
    switch: Switch,
    /// True until the first block, which takes the path it finds without a fade.
    fresh: bool,
    realtime: bool,
    late: u64,
}

/// The streams of a path, where there are models.
fn streams(models: Option<&mut Models>, path: usize) -> Option<&mut [Separator]> {
    models.map(|models| models.streams(path))
}

impl Stems {
    /// As [`Processor::process`], with separate outputs: `outputs[stem][channel][sample]`, in the order of
    /// [`Task::keys`] and in time with the main output, which is the same with and without them. Channels
    /// and samples that an output lacks are left out; outputs beyond the task's stems are silent.
    pub fn process_outputs(
        &mut self,
        audio: &mut [&mut [f32]],
        outputs: &mut [&mut [&mut [f32]]],
        settings: &Settings,
        observer: &mut dyn Observer,
    ) {
        let _flush = FlushDenormals::on();
        let known = self.format.is_some_and(|format| audio.len() == format.channels);
        let Some(paths) = self.paths.as_mut().filter(|_| known) else { return };
        if std::mem::take(&mut self.fresh) {
            self.active = path(settings);
        }
        let to = path(settings);
        if self.switch.is_free() && to != self.active {
            let core = &mut paths[to];
            core.reset();
            core.hold();
            let _scope = Scope::enter();
            streams(self.models.as_deref_mut(), to).into_iter().flatten().for_each(Separator::reset);
            self.switch.begin(to, core.latency());
        }
        let length = audio.first().map_or(0, |channel| channel.len());
        for output in outputs.iter_mut() {
            let surplus = output.iter_mut().skip(audio.len());
            surplus.for_each(|channel| channel.fill(0.0));
        }
        let mut with = With { settings, realtime: self.realtime, write: true, observer };
        let mut at = 0;
        while at < length {
            let models = self.models.as_deref_mut();
            let Some((to, count)) = self.switch.next(length - at) else {
                self.late += paths[self.active].process(audio, outputs, at..length, streams(models, self.active), &mut with);
                break;
            };
            let range = at..at + count;
            self.switch.keep(audio, range.clone());
            self.late += paths[self.active].process(audio, outputs, range.clone(), streams(models, self.active), &mut with);
            self.switch.fade(audio.iter_mut().map(|channel| &mut **channel), &range);
            let channels = outputs.iter_mut().flat_map(|output| output.iter_mut().map(|channel| &mut **channel));
            self.switch.fade(channels, &range);
            let mut unheard = With { settings, realtime: self.realtime, write: false, observer: &mut () };
            let mut spare: [&mut [f32]; crate::processor::MAX_CHANNELS] = std::array::from_fn(|_| &mut [][..]);
            for (slot, channel) in spare.iter_mut().zip(self.switch.kept()) {
                *slot = channel;
            }
            let (spare, models) = (&mut spare[..audio.len()], self.models.as_deref_mut());
            self.late += paths[to].process(spare, &mut [], 0..count, streams(models, to), &mut unheard);
            at += count;
            if let Some(to) = self.switch.advance(count) {
                paths[to].fade_in();
                self.active = to;
            }
        }
    }
}

impl Engine for Stems {
    type Models = Models;

    fn load(format: Format) -> Result<Box<Models>, Error> {
        Models::load(format)
    }

    fn install(&mut self, models: Box<Models>) -> Option<Box<Models>> {
        if self.format.is_some_and(|format| models.channels() < format.channels) {
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

    fn model_ids(settings: &Settings) -> &'static [&'static str] {
        std::slice::from_ref(&PATHS[path(settings)].id)
    }
}

impl Processor for Stems {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        self.paths = Some([PATHS[0].core(format)?, PATHS[1].core(format)?, PATHS[2].core(format)?]);
        self.format = Some(format);
        self.models.take_if(|models| models.channels() < format.channels);
        self.switch = Switch::new(format);
        self.late = 0;
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        let _scope = Scope::enter();
        self.paths.iter_mut().flatten().for_each(Core::reset);
        if let Some(models) = &mut self.models {
            models.reset();
        }
        self.switch.reset();
        self.fresh = true;
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, observer: &mut dyn Observer) {
        self.process_outputs(audio, &mut [], settings, observer);
    }

    fn latency(&self, settings: &Settings) -> usize {
        self.paths.as_ref().map_or(0, |paths| paths[path(settings)].latency())
    }
}
