//! The engines that the commands drive. A new one is an entry in [`ENGINES`].

use dsp_core::engines::Engine;
use dsp_core::engines::deess::Deess;
use dsp_core::engines::denoise::Denoise;
use dsp_core::engines::limiter::Limiter;
use dsp_core::engines::master::Master;
use dsp_core::engines::meter::Meter;
use dsp_core::engines::podcast::Podcast;
use dsp_core::engines::stems::Stems;
use dsp_core::model::Package;
use dsp_core::params::{FromValues, Param};
use dsp_core::preset;
use dsp_core::processor::{Error, Format, Observer, Processor};

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
    /// Other values of the parameters, in the order of the table.
    fn set(&mut self, values: &[f32]);
    /// As [`Processor::notice`].
    fn notice(&self) -> Option<&'static str>;
    /// Stems of the last block, `[stem][channel][sample]`, from what makes some.
    fn stems(&self) -> &[Vec<Vec<f32>>] {
        &[]
    }
}

struct With<P: Processor> {
    engine: P,
    settings: P::Settings,
}

impl<P: Processor<Settings: FromValues>> Driver for With<P> {
    fn reset(&mut self) {
        self.engine.reset();
    }

    fn process(&mut self, audio: &mut [&mut [f32]], observer: &mut dyn Observer) {
        self.engine.process(audio, &self.settings, observer);
    }

    fn latency(&self) -> usize {
        self.engine.latency(&self.settings)
    }

    fn set(&mut self, values: &[f32]) {
        self.settings = P::Settings::from_values(values);
    }

    fn notice(&self) -> Option<&'static str> {
        self.engine.notice()
    }
}

/// A factory preset: its name and the values that differ from the defaults, by id.
type Preset = (&'static str, &'static [(&'static str, f32)]);

/// Plain values in the order of an engine's parameters.
pub type Values = Vec<f32>;
/// Reads the name and values from a preset's text.
pub type ReadPreset = fn(&str) -> Result<(String, Values), Error>;
/// Makes an engine with values, and with a model of the user's or the built-in ones.
pub type Make = fn(Format, &[f32], Option<&Package>) -> Result<Box<dyn Driver>, Error>;

/// What `render` does with an engine beside running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// Nothing.
    Nothing,
    /// It decides: the options of [`super::master`].
    Master,
    /// It makes episodes: the options of [`super::podcast`].
    Podcast,
    /// It makes several files of one: the options of [`super::stems`].
    Stems,
}

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
    /// What `render` does with it beside running it.
    pub more: More,
    /// Task of the models of the user's that it can play; none where none can be chosen.
    pub task: Option<&'static str>,
}

fn make<E: Engine>(format: Format, values: &[f32], model: Option<&Package>) -> Result<Box<dyn Driver>, Error> {
    let mut engine = E::default();
    engine.prepare(format)?;
    engine.install(match model {
        Some(package) => E::load_model(format, package)?,
        None => E::load(format)?,
    });
    Ok(Box::new(With { engine, settings: E::Settings::from_values(values) }))
}

/// Ids and hashes of the models in the binary; those whose manifest cannot be read, which a test of
/// the core excludes, are left out.
fn models<E: Engine>(values: &[f32]) -> Vec<Model> {
    let manifest = |id: &&str| dsp_core::model::embedded(id).and_then(dsp_core::model::Embedded::manifest).ok();
    let used = E::model_ids(&E::Settings::from_values(values)).iter().filter_map(manifest);
    used.map(|manifest| Model { sha256: manifest.sha256(), id: manifest.id }).collect()
}

const fn entry<E: Engine>(about: &'static str) -> Entry {
    Entry {
        name: <E::Settings as FromValues>::ENGINE,
        about,
        params: <E::Settings as FromValues>::PARAMS,
        presets: <E::Settings as FromValues>::PRESETS,
        factory: preset::factory::<E::Settings>,
        preset: preset::from_json::<E::Settings>,
        make: make::<E>,
        models: models::<E>,
        more: More::Nothing,
        task: E::TASK,
    }
}

/// All engines.
pub static ENGINES: &[Entry] = &[
    entry::<Denoise>("Take noise out of speech"),
    entry::<Deess>("Take the sharpness off sibilants, and nothing else"),
    entry::<Limiter>("Keep true peaks under a ceiling"),
    entry::<Meter>("Measure loudness and pass the sound on"),
    Entry {
        more: More::Podcast,
        ..entry::<Podcast>("Make an episode of a recorded voice: cleaned, levelled, toned, silences cut, loudness exact")
    },
    Entry {
        more: More::Stems,
        ..entry::<Stems>("Take songs apart into files of their own: vocals, drums, bass, other; or voice and rest")
    },
    Entry { more: More::Master, ..entry::<Master>("Master a mix: loudness and ceiling exact, balance decided and explained") },
];

/// The engine with this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENGINES.iter().find(|entry| entry.name == name)
}
