//! The engines that `render` drives. A new one is an [`Offline`] and an entry in [`ENGINES`].

use dsp_core::engines::denoise::Denoise;
use dsp_core::engines::limiter::Limiter;
use dsp_core::engines::master::Master;
use dsp_core::params::{FromValues, Param};
use dsp_core::preset;
use dsp_core::processor::{Error, Format, Observer, Processor};

/// How an engine is made for offline work.
pub trait Offline: Processor<Settings: FromValues> + Sized + 'static {
    /// An engine with its models, prepared.
    ///
    /// # Errors
    /// When the format is out of range or a model does not load.
    fn offline(format: Format) -> Result<Self, Error>;

    /// The models that it uses with these settings.
    fn models(settings: &Self::Settings) -> Vec<Model>;
}

/// A model, for the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// Its id.
    pub id: String,
    /// SHA-256 of its file, in hex.
    pub sha256: String,
}

/// An engine with its settings, whatever its type.
pub trait Driver {
    /// As [`Processor::reset`].
    fn reset(&mut self);
    /// As [`Processor::process`].
    fn process(&mut self, audio: &mut [&mut [f32]], observer: &mut dyn Observer);
    /// As [`Processor::latency`], in samples.
    fn latency(&self) -> usize;
}

struct With<P: Processor> {
    engine: P,
    settings: P::Settings,
}

impl<P: Processor> Driver for With<P> {
    fn reset(&mut self) {
        self.engine.reset();
    }

    fn process(&mut self, audio: &mut [&mut [f32]], observer: &mut dyn Observer) {
        self.engine.process(audio, &self.settings, observer);
    }

    fn latency(&self) -> usize {
        self.engine.latency(&self.settings)
    }
}

/// A factory preset: its name and the values that differ from the defaults, by id.
type Preset = (&'static str, &'static [(&'static str, f32)]);

/// Plain values in the order of an engine's parameters.
pub type Values = Vec<f32>;
/// Reads the name and values from a preset's text.
pub type ReadPreset = fn(&str) -> Result<(String, Values), Error>;
/// Makes an engine with values.
pub type Make = fn(Format, &[f32]) -> Result<Box<dyn Driver>, Error>;

/// An engine's entry: all that `render` knows of it.
pub struct Entry {
    /// The name, as in `render NAME`.
    pub name: &'static str,
    /// One line for the help.
    pub about: &'static str,
    /// Its parameters. Values are plain and stand in this order.
    pub params: &'static [Param],
    /// Its factory presets.
    pub presets: &'static [Preset],
    /// Values of a factory preset, by name.
    pub factory: fn(&str) -> Option<Values>,
    /// Values of a preset's text.
    pub preset: ReadPreset,
    /// Makes one, with values.
    pub make: Make,
    /// The models that it uses with these values.
    pub models: fn(&[f32]) -> Vec<Model>,
}

fn make<P: Offline>(format: Format, values: &[f32]) -> Result<Box<dyn Driver>, Error> {
    Ok(Box::new(With { engine: P::offline(format)?, settings: P::Settings::from_values(values) }))
}

fn models<P: Offline>(values: &[f32]) -> Vec<Model> {
    P::models(&P::Settings::from_values(values))
}

const fn entry<P: Offline>(about: &'static str) -> Entry {
    Entry {
        name: <P::Settings as FromValues>::ENGINE,
        about,
        params: <P::Settings as FromValues>::PARAMS,
        presets: <P::Settings as FromValues>::PRESETS,
        factory: preset::factory::<P::Settings>,
        preset: preset::from_json::<P::Settings>,
        make: make::<P>,
        models: models::<P>,
    }
}

/// All engines.
pub static ENGINES: &[Entry] = &[
    entry::<Denoise>("Take noise out of speech"),
    entry::<Limiter>("Keep true peaks under a ceiling"),
    entry::<Master>("Master a mix with moves set by hand"),
];

/// The engine with this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENGINES.iter().find(|entry| entry.name == name)
}

impl Offline for Denoise {
    fn offline(format: Format) -> Result<Self, Error> {
        Self::with_builtin_models(format)
    }

    fn models(settings: &Self::Settings) -> Vec<Model> {
        embedded(if settings.low_latency { "denoise-low" } else { "denoise" })
    }
}

impl Offline for Limiter {
    fn offline(format: Format) -> Result<Self, Error> {
        let mut engine = Self::new();
        engine.prepare(format)?;
        Ok(engine)
    }

    fn models(_: &Self::Settings) -> Vec<Model> {
        Vec::new()
    }
}

/// Id and hash of a model in the binary; empty when its manifest cannot be read, which a test of the
/// core excludes.
fn embedded(id: &str) -> Vec<Model> {
    let manifest = dsp_core::model::embedded(id).and_then(dsp_core::model::Embedded::manifest);
    manifest.map(|manifest| Model { id: manifest.id, sha256: manifest.sha256 }).into_iter().collect()
}
