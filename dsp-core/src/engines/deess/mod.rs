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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Hz;
    use std::path::Path;

    const FORMAT: Format = Format { rate: Hz(48_000.0), channels: 1 };

    fn package() -> Package {
        Package::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/deess")).unwrap()
    }

    fn engine(models: Box<Models>) -> Deess {
        let mut engine = Deess::default();
        engine.prepare(FORMAT).unwrap();
        assert!(engine.install(models).is_none() && engine.is_ready());
        engine
    }

    /// A voice with sibilants: a saw and, four times a second, noise around 6.5 kHz.
    fn sound(samples: usize) -> Vec<f32> {
        let (mut seed, mut past) = (9_u32, [0.0_f32; 2]);
        let (radius, angle) = (0.93_f32, std::f32::consts::TAU * 6_500.0 / 48_000.0);
        (0..samples)
            .map(|n| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
                let seconds = n as f32 / 48_000.0;
                let ring = noise + 2.0 * radius * angle.cos() * past[0] - radius * radius * past[1];
                past = [ring, past[0]];
                let hiss = (seconds * 4.0).fract() < 0.3;
                if hiss { 0.06 * ring } else { 0.1 * ((seconds * 130.0).fract() - 0.5) }
            })
            .collect()
    }

    fn play(engine: &mut Deess, sound: &[f32]) -> Vec<f32> {
        let mut out = sound.to_vec();
        let settings = Settings { amount: 2.0, ..Settings::default() };
        out.chunks_mut(240).for_each(|block| engine.process(&mut [block], &settings, &mut ()));
        out
    }

    #[test]
    fn a_users_model_plays_as_the_built_in_one_does() {
        let sound = sound(96_000);
        let wanted = play(&mut engine(Deess::load(FORMAT).unwrap()), &sound);
        assert!(wanted[288..] != sound[..sound.len() - 288], "something is taken off");
        let got = play(&mut engine(Deess::load_model(FORMAT, &package()).unwrap()), &sound);
        assert!(got == wanted, "the same weights from a folder give the same bits");
    }

    #[test]
    fn a_model_that_comes_while_sound_plays_makes_no_click() {
        let sound = sound(96_000);
        let mut playing = engine(Deess::load(FORMAT).unwrap());
        // In a vowel: a model that has heard nobody yet may take more of the next hiss than one that has.
        let exchange = 45_600;
        let (latency, mut out) = (playing.latency(&Settings::default()), play(&mut playing, &sound[..exchange]));
        assert!(playing.install(Deess::load_model(FORMAT, &package()).unwrap()).is_some(), "the old ones come back");
        assert_eq!(playing.latency(&Settings::default()), latency);
        out.extend(play(&mut playing, &sound[exchange..]));
        let taken: Vec<f32> = out[latency..].iter().zip(&sound).map(|(out, sound)| (out - sound).abs()).collect();
        let most = |part: &[f32]| part.iter().copied().fold(0.0, f32::max);
        assert!(most(&taken[..exchange - 1_500]) > 1e-3 && most(&taken[exchange + 1_500..]) > 1e-3, "both take something off");
        let there = most(&taken[exchange - 1_500..exchange + 1_500]);
        assert!(there < 1e-4, "{there} is added to a vowel");
    }

    #[test]
    fn a_model_for_something_else_is_refused() {
        let refused = |package: &Package| Deess::load_model(FORMAT, package).map(drop).unwrap_err().to_string();
        let other = Package::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../training/examples/gate")).unwrap();
        assert!(refused(&other).contains("is for \"denoise\""));
        let mut wrong = package();
        wrong.manifest.parts[0].outputs[4].name = "breadth".into();
        assert!(refused(&wrong).contains("breadth"));
    }
}
