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
use crate::model::Package;
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::{FlushDenormals, Scope};
use core::{Core, With};
use models::{OWN, PATHS, path};
use separator::Separator;

/// The stems engine. Until models are installed the delayed input passes.
#[derive(Debug, Default)]
pub struct Stems {
    format: Option<Format>,
    /// What plays.
    models: Option<Box<Models>>,
    /// What will play when a switch is over.
    next: Option<Box<Models>>,
    /// What has played before.
    retired: Option<Box<Models>>,
    /// The built-in models' paths; none before `prepare`.
    paths: Option<[Core; PATHS.len()]>,
    active: usize,
    /// When task, latency mode or models change.
    switch: Switch,
    /// True until the first block, which takes the path it finds without a fade.
    fresh: bool,
    realtime: bool,
    late: u64,
}

/// The core of a path, and the streams in it where there are models.
fn side<'a>(
    models: Option<&'a mut Models>,
    paths: &'a mut [Core; PATHS.len()],
    path: usize,
) -> (&'a mut Core, Option<&'a mut [Separator]>) {
    let built_in = path.min(PATHS.len() - 1);
    let Some(models) = models else { return (&mut paths[built_in], None) };
    let (streams, core) = models.parts(path);
    (core.unwrap_or(&mut paths[built_in]), Some(streams))
}

impl Stems {
    fn path(models: Option<&Models>, settings: &Settings) -> usize {
        models.map_or_else(|| path(settings), |models| models.path(settings))
    }

    /// Makes the models that come the ones that play.
    fn take_over(&mut self) {
        if let Some(next) = self.next.take() {
            self.retired = self.models.replace(next);
        }
    }

    /// Begins a switch where settings ask for another path or where other models have come.
    fn begin_switch(&mut self, settings: &Settings) {
        if !self.switch.is_free() {
            return;
        }
        let to = Self::path(self.next.as_deref().or(self.models.as_deref()), settings);
        if to == self.active && (to != OWN || self.next.is_none()) {
            // Other models, and the path stays a built-in one: the same weights go on.
            self.take_over();
            self.switch.give_up();
            return;
        }
        let Some(paths) = &mut self.paths else { return };
        let coming = if self.next.is_some() { &mut self.next } else { &mut self.models };
        let (core, streams) = side(coming.as_deref_mut(), paths, to);
        core.reset();
        core.hold();
        self.switch.begin(to, core.latency());
        let _scope = Scope::enter();
        streams.into_iter().flatten().for_each(Separator::reset);
    }

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
        if !known {
            return;
        }
        if std::mem::take(&mut self.fresh) {
            self.active = Self::path(self.models.as_deref(), settings);
        }
        self.begin_switch(settings);
        let Some(paths) = &mut self.paths else { return };
        let length = audio.first().map_or(0, |channel| channel.len());
        for output in outputs.iter_mut() {
            let surplus = output.iter_mut().skip(audio.len());
            surplus.for_each(|channel| channel.fill(0.0));
        }
        let mut with = With { settings, realtime: self.realtime, write: true, observer };
        let mut at = 0;
        while at < length {
            let (core, streams) = side(self.models.as_deref_mut(), paths, self.active);
            let Some((to, count)) = self.switch.next(length - at) else {
                self.late += core.process(audio, outputs, at..length, streams, &mut with);
                let rest = at..length;
                self.switch.rise(audio.iter_mut().map(|channel| &mut **channel), &rest);
                let channels = outputs.iter_mut().flat_map(|output| output.iter_mut().map(|channel| &mut **channel));
                self.switch.rise(channels, &rest);
                self.switch.risen(rest.len());
                break;
            };
            let range = at..at + count;
            self.switch.keep(audio, range.clone());
            self.late += core.process(audio, outputs, range.clone(), streams, &mut with);
            self.switch.fade(audio.iter_mut().map(|channel| &mut **channel), &range);
            let channels = outputs.iter_mut().flat_map(|output| output.iter_mut().map(|channel| &mut **channel));
            self.switch.fade(channels, &range);
            let mut unheard = With { settings, realtime: self.realtime, write: false, observer: &mut () };
            let mut spare: [&mut [f32]; crate::processor::MAX_CHANNELS] = std::array::from_fn(|_| &mut [][..]);
            for (slot, channel) in spare.iter_mut().zip(self.switch.kept()) {
                *slot = channel;
            }
            let coming = if self.next.is_some() { &mut self.next } else { &mut self.models };
            let (core, streams) = side(coming.as_deref_mut(), paths, to);
            self.late += core.process(&mut spare[..audio.len()], &mut [], 0..count, streams, &mut unheard);
            at += count;
            if let Some(to) = self.switch.advance(count) {
                core.fade_in();
                self.active = to;
                if let Some(next) = self.next.take() {
                    self.retired = self.models.replace(next);
                }
            }
        }
    }
}

impl Engine for Stems {
    type Models = Models;

    const TASKS: &'static [&'static str] = &[Task::Stems.key(), Task::Dialogue.key()];

    fn task(settings: &Settings) -> Option<&'static str> {
        Some(settings.task.key())
    }

    fn load(format: Format) -> Result<Box<Models>, Error> {
        Models::load(format)
    }

    fn load_model(format: Format, package: &Package) -> Result<Box<Models>, Error> {
        Models::load_package(format, package)
    }

    fn install(&mut self, models: Box<Models>) -> Option<Box<Models>> {
        let Some(format) = self.format else { return self.models.replace(models) };
        if !models.fit(format) {
            return Some(models);
        }
        let own = |models: Option<&Models>| models.is_some_and(Models::has_own);
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
        self.models.take_if(|models| !models.fit(format));
        self.next.take_if(|models| !models.fit(format));
        self.switch = Switch::new(format);
        self.late = 0;
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        let _scope = Scope::enter();
        self.take_over();
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
        let models = self.next.as_deref().or(self.models.as_deref());
        let path = Self::path(models, settings);
        match models.and_then(|models| models.core(path)) {
            Some(core) => core.latency(),
            None => self.paths.as_ref().map_or(0, |paths| paths[path.min(PATHS.len() - 1)].latency()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Hz;
    use std::ops::Range;

    const FORMAT: Format = Format { rate: Hz(48_000.0), channels: 2 };

    fn package(id: &str) -> Package {
        Package::read(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(id)).unwrap()
    }

    fn models(id: Option<&str>) -> Box<Models> {
        id.map_or_else(|| Stems::load(FORMAT), |id| Stems::load_model(FORMAT, &package(id))).unwrap()
    }

    fn engine(id: Option<&str>) -> Stems {
        let mut engine = Stems::default();
        engine.prepare(FORMAT).unwrap();
        assert!(engine.install(models(id)).is_none() && engine.is_ready());
        engine
    }

    /// The first stem alone.
    fn solo(task: Task) -> Settings {
        let mut settings = Settings { task, ..Settings::default() };
        settings.stems[0].solo = true;
        settings.dialogue[0].solo = true;
        settings
    }

    /// A voice in the middle, and strings to the sides that swell.
    fn sound(samples: usize) -> [Vec<f32>; 2] {
        let at = |n: usize, side: f32| {
            let seconds = n as f32 / 48_000.0;
            let voice = 0.2 * ((seconds * 180.0).fract() - 0.5) * (seconds * 9.0).sin().abs();
            voice + 0.1 * side * (seconds * 440.0 * std::f32::consts::TAU).sin() * (0.5 + 0.5 * (seconds * 3.0).sin())
        };
        [1.0, -0.7].map(|side| (0..samples).map(|n| at(n, side)).collect())
    }

    /// Plays on, and gives the left channel.
    fn play(engine: &mut Stems, sound: &[Vec<f32>; 2], range: Range<usize>, settings: &Settings) -> Vec<f32> {
        let mut out = [0, 1].map(|channel: usize| sound[channel][range.clone()].to_vec());
        let [left, right] = &mut out;
        for (left, right) in left.chunks_mut(256).zip(right.chunks_mut(256)) {
            engine.process(&mut [left, right], settings, &mut ());
        }
        let [left, _] = out;
        left
    }

    #[test]
    fn a_users_model_plays_as_the_built_in_one_does() {
        let sound = sound(24_000);
        for (id, task) in [("stems", Task::Stems), ("dialogue", Task::Dialogue)] {
            let settings = solo(task);
            let wanted = play(&mut engine(None), &sound, 0..24_000, &settings);
            let mut own = engine(Some(id));
            assert_eq!(own.latency(&settings), engine(None).latency(&settings));
            assert!(play(&mut own, &sound, 0..24_000, &settings) == wanted, "{id}: the same weights, the same bits");
            assert!(wanted[4_800..].iter().any(|sample| sample.abs() > 1e-3), "{id} is heard");
        }
        // What its cost was measured with is forgotten.
        let mut measured = models(None);
        assert!(measured.step_cost(3) > std::time::Duration::ZERO);
        let mut playing = Stems::default();
        playing.prepare(FORMAT).unwrap();
        playing.install(measured);
        let settings = solo(Task::Stems);
        assert!(play(&mut playing, &sound, 0..24_000, &settings) == play(&mut engine(None), &sound, 0..24_000, &settings));
        // For the other task the built-in one is there.
        let settings = solo(Task::Stems);
        let wanted = play(&mut engine(None), &sound, 0..24_000, &settings);
        assert!(play(&mut engine(Some("dialogue")), &sound, 0..24_000, &settings) == wanted);
    }

    #[test]
    fn a_switch_while_playing_does_not_click() {
        let (sound, settings) = (sound(96_000), solo(Task::Stems));
        let jump = |out: &[f32]| out.windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs()).fold(0.0_f32, f32::max);
        let mut playing = engine(None);
        let before = playing.latency(&settings);
        let usual = jump(&play(&mut playing, &sound, 0..24_000, &settings)[4_800..]);
        assert!(playing.install(models(Some("stems-low"))).is_none(), "the old ones play on");
        assert_ne!(playing.latency(&settings), before, "the new delay is told at once");
        let out = play(&mut playing, &sound, 24_000..48_000, &settings);
        assert!(jump(&out) <= 1.5 * usual + 1e-3, "{} where {usual} is usual", jump(&out));
        assert!(playing.retired().is_some_and(|old| !old.has_own()));
        // Models for the other task change nothing of what plays; back to the built-in ones.
        for id in [Some("dialogue"), None] {
            assert!(playing.install(models(id)).is_none());
            let out = play(&mut playing, &sound, 48_000..72_000, &settings);
            assert!(jump(&out[1..]) <= 1.5 * usual + 1e-3, "{id:?}");
            assert!(playing.retired().is_some() && playing.latency(&settings) == before);
        }
    }

    #[test]
    fn a_change_of_mind_does_not_click() {
        let (sound, settings) = (sound(48_000), solo(Task::Stems));
        let jump = |out: &[f32]| out.windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs()).fold(0.0_f32, f32::max);
        let mut playing = engine(None);
        let mut out = play(&mut playing, &sound, 0..24_000, &settings);
        let usual = jump(&out[4_800..]);
        assert!(playing.install(models(Some("stems-low"))).is_none());
        out.extend(play(&mut playing, &sound, 24_000..24_512, &settings));
        assert!(playing.install(models(None)).is_some_and(|other| other.has_own()), "those that were to come");
        out.extend(play(&mut playing, &sound, 24_512..48_000, &settings));
        assert!(jump(&out[20_000..]) <= 1.5 * usual + 1e-3, "{} where {usual} is usual", jump(&out[20_000..]));
        let wanted = play(&mut engine(None), &sound, 0..48_000, &settings);
        let level = |range: Range<usize>| out[range.clone()].iter().zip(&wanted[range]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(level(24_100..25_000) > 1e-3, "it had begun to fade");
        assert!(level(40_000..48_000) < 0.05, "and is whole again");
    }

    #[test]
    fn a_model_for_something_else_is_refused() {
        let refused = |package: &Package| Stems::load_model(FORMAT, package).map(drop).unwrap_err().to_string();
        assert!(refused(&package("denoise")).contains("stems or dialogue"));
        let mut other = package("dialogue");
        other.manifest.task = "stems".into();
        assert!(refused(&other).contains("1 masks"));
        let mut other = package("stems");
        other.manifest.frame = None;
        assert!(refused(&other).contains("[frame]"));
    }
}
