//! Whole chains, each an owner of everything between its input and its output.

pub mod deess;
pub mod denoise;
pub mod driver;
mod frames;
pub mod limiter;
pub mod master;
pub mod meter;
pub mod podcast;
pub mod stems;
mod switch;

use crate::model::Package;
use crate::params::FromValues;
use crate::processor::{Error, Format, MAX_CHANNELS, Processor};
use crate::realtime::priority::Standing;
use std::ops::Range;

/// An engine as the plugins, the renderer, the benchmark and the tests drive it: a processor with
/// parameters, and with models that are loaded off the audio thread and installed on it. An engine
/// without models has `Models = ()` and is always ready.
pub trait Engine: Processor<Settings: FromValues + Copy + std::fmt::Debug + Send> + Default + Send + 'static {
    /// The models of one instance.
    type Models: Send + 'static;

    /// Tasks of the models of the user's that it can play; none where the built-in ones are all.
    const TASKS: &'static [&'static str] = &[];

    /// A model that is too slow for the audio thread can run on a thread of its own.
    const ASIDE: bool = false;

    /// Loads (or takes from the process-wide cache) the built-in models for a format, reserves their
    /// memory and warms them up. Takes up to 0.5 s the first time in a process; never call it on the
    /// audio thread.
    ///
    /// # Errors
    /// [`Error::Model`] when a model does not load.
    fn load(format: Format) -> Result<Box<Self::Models>, Error>;

    /// As [`Engine::load`], with a model of the user's. Never call it on the audio thread.
    ///
    /// # Errors
    /// [`Error::Model`] when it does not load or is for something else.
    fn load_model(_: Format, package: &Package) -> Result<Box<Self::Models>, Error> {
        let reason = format!("is for \"{}\", and here no model can be chosen", package.manifest.task);
        Err(Error::Model { id: package.manifest.id.clone(), reason })
    }

    /// Installs models made for this engine's format, on the audio thread (no allocation, nothing is
    /// dropped), and gives old ones back, to be dropped elsewhere. Models for fewer channels, or for
    /// another rate where that matters, are given straight back. Models that are still needed, because
    /// others fade in over them, come later, by [`Engine::retired`]. The latency may be another one now.
    fn install(&mut self, models: Box<Self::Models>) -> Option<Box<Self::Models>>;

    /// Models that others have taken over from, to be dropped elsewhere. On the audio thread, after
    /// `process`.
    fn retired(&mut self) -> Option<Box<Self::Models>> {
        None
    }

    /// True when models are installed. Until then the delayed input passes.
    fn is_ready(&self) -> bool;

    /// In real time a model's step that works longer than a hop (see [`crate::realtime::Deadline`]) is counted as late and the next frame
    /// passes dry. Offline (the default) nothing is ever late.
    fn set_realtime(&mut self, realtime: bool);

    /// Frames that passed dry because a step was late, since `prepare`.
    fn late_frames(&self) -> u64;

    /// Steps of the installed models that failed or gave numbers that are not finite, since they were loaded.
    /// Such a step counts as one that heard nothing.
    fn bad_steps(&self) -> u64 {
        0
    }

    /// How the thread of the installed models stands beside other programs; none where they have none.
    fn standing(&self) -> Option<Standing> {
        None
    }

    /// Task of the models that play with these settings; none where no model can be chosen.
    fn task(_: &Self::Settings) -> Option<&'static str> {
        Self::TASKS.first().copied()
    }

    /// Ids of the models that are used with these settings.
    fn model_ids(settings: &Self::Settings) -> &'static [&'static str];

    /// An engine with its built-in models, prepared: what offline callers want.
    ///
    /// # Errors
    /// As [`Engine::load`] and [`Processor::prepare`].
    fn with_builtin_models(format: Format) -> Result<Self, Error> {
        let mut engine = Self::default();
        engine.prepare(format)?;
        engine.install(Self::load(format)?);
        Ok(engine)
    }
}

/// An engine that has no model: ready once it is prepared, and never late. It is an [`Engine`] by this
/// alone.
pub trait WithoutModels: Processor<Settings: FromValues + Copy + std::fmt::Debug + Send> + Default + Send + 'static {}

impl<P: WithoutModels> Engine for P {
    type Models = ();

    fn load(_: Format) -> Result<Box<()>, Error> {
        Ok(Box::new(()))
    }

    fn install(&mut self, _: Box<()>) -> Option<Box<()>> {
        None
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn set_realtime(&mut self, _: bool) {}

    fn late_frames(&self) -> u64 {
        0
    }

    fn model_ids(_: &Self::Settings) -> &'static [&'static str] {
        &[]
    }
}

/// The same range of all channels, without asking for memory.
fn part<'a>(audio: &'a mut [&mut [f32]], range: Range<usize>) -> [&'a mut [f32]; MAX_CHANNELS] {
    let mut out: [&mut [f32]; MAX_CHANNELS] = std::array::from_fn(|_| &mut [][..]);
    for (slot, channel) in out.iter_mut().zip(audio) {
        *slot = &mut channel[range.clone()];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params;

    fn check<S: FromValues>() {
        for (name, changes) in S::PRESETS {
            for (id, value) in *changes {
                let param = &S::PARAMS[params::index_of(S::PARAMS, id).unwrap_or_else(|e| panic!("{}, {name}: {e}", S::ENGINE))];
                assert_eq!(param.clamp(*value), *value, "{}, {name}: {id}", S::ENGINE);
            }
        }
        for param in S::PARAMS {
            let default = param.default_value();
            assert_eq!(param.clamp(default), default, "{}: {}", S::ENGINE, param.id);
        }
    }

    #[test]
    fn presets_and_defaults_are_in_range() {
        check::<denoise::Settings>();
        check::<deess::Settings>();
        check::<limiter::Settings>();
        check::<master::MasterMoves>();
        check::<meter::Settings>();
        check::<podcast::Settings>();
        check::<stems::Settings>();
    }
}
