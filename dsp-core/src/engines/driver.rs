//! Engines whatever their type, for programs that take them by name: a table entry for each, and what drives
//! one.

use crate::engines::Engine;
use crate::model::store::{Stamp, Store};
use crate::model::{Embedded, Package, embedded};
use crate::params::{FromValues, Param};
use crate::preset;
use crate::processor::{Error, Format, Observer};
use crate::realtime::priority::Standing;
use crate::units::Hz;

/// The format in which a model is tried.
const TRIED: Format = Format { rate: Hz(48_000.0), channels: 1 };

/// A model that an engine uses, for reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// Its id.
    pub id: String,
    /// SHA-256 of its file, in hex.
    pub sha256: String,
}

/// An engine with its settings.
pub trait Driver: Send {
    /// As `Processor::reset`.
    fn reset(&mut self);
    /// As `Processor::process`.
    fn process(&mut self, audio: &mut [&mut [f32]], observer: &mut dyn Observer);
    /// As `Processor::latency`, in samples.
    fn latency(&self) -> usize;
    /// Other values of the parameters, in the order of the table. Never allocates.
    fn set(&mut self, values: &[f32]);
    /// As [`Engine::set_realtime`]; for what knows of no other pace than offline nothing.
    fn set_realtime(&mut self, _realtime: bool) {}
    /// As [`Engine::late_frames`].
    fn late_frames(&self) -> u64 {
        0
    }
    /// As [`Engine::bad_steps`].
    fn bad_steps(&self) -> u64 {
        0
    }
    /// As [`Engine::standing`].
    fn standing(&self) -> Option<Standing> {
        None
    }
    /// As `Processor::notice`.
    fn notice(&self) -> Option<&'static str>;
    /// Stems of the last block, `[stem][channel][sample]`, from what makes some.
    fn stems(&self) -> &[Vec<Vec<f32>>] {
        &[]
    }
}

struct With<E: Engine> {
    engine: E,
    settings: E::Settings,
}

impl<E: Engine> Driver for With<E> {
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
        self.settings = E::Settings::from_values(values);
    }

    fn set_realtime(&mut self, realtime: bool) {
        self.engine.set_realtime(realtime);
    }

    fn late_frames(&self) -> u64 {
        self.engine.late_frames()
    }

    fn bad_steps(&self) -> u64 {
        self.engine.bad_steps()
    }

    fn standing(&self) -> Option<Standing> {
        self.engine.standing()
    }

    fn notice(&self) -> Option<&'static str> {
        self.engine.notice()
    }
}

/// A factory preset: its name and the values that differ from the defaults, by id.
pub type Preset = (&'static str, &'static [(&'static str, f32)]);
/// Plain values in the order of an engine's parameters.
pub type Values = Vec<f32>;
/// Reads the name and values from a preset's text.
pub type ReadPreset = fn(&str) -> Result<(String, Values), Error>;
/// Makes an engine with values, and with a model of the user's or the built-in ones.
pub type Make = fn(Format, &[f32], Option<&Package>) -> Result<Box<dyn Driver>, Error>;

/// An engine's entry in a program's table, with `more` that the program knows of it.
pub struct Entry<M> {
    /// The name, as on the command line.
    pub name: &'static str,
    /// One line for the help.
    pub about: &'static str,
    /// Its parameters. Values are plain and stand in this order.
    pub params: &'static [Param],
    /// Its factory presets.
    pub presets: &'static [Preset],
    /// Values of a factory preset, by name.
    pub factory: fn(&str) -> Option<Values>,
    /// Name and values of a preset's text.
    pub preset: ReadPreset,
    /// Makes one, offline until [`Driver::set_realtime`] says otherwise.
    pub make: Make,
    /// The built-in models that it uses with these values.
    pub models: fn(&[f32]) -> Vec<Model>,
    /// Tasks of the models of the user's that it can play; none where none can be chosen.
    pub tasks: &'static [&'static str],
    /// A model that is too slow for the audio thread can run on a thread of its own.
    pub aside: bool,
    /// What the program knows of it beside that.
    pub more: M,
}

impl<M> std::fmt::Debug for Entry<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<M> Entry<M> {
    /// A model of the user's that was installed and checked, and fits the engine with these values. Never another
    /// in its place.
    ///
    /// # Errors
    /// Why it cannot be had, and which ones can.
    pub fn installed(&self, id: &str, values: &[f32]) -> Result<Package, String> {
        if self.tasks.is_empty() {
            return Err(format!("no model can be chosen for {}", self.name));
        }
        let store = Store::user().ok_or("there is no folder for models: set XDG_DATA_HOME or HOME")?;
        let package = store.open(id).map_err(|error| {
            let fits = |stamp: &Result<Stamp, String>| stamp.as_ref().is_ok_and(|stamp| self.tasks.contains(&stamp.task.as_str()));
            let ids: Vec<String> = store.list().into_iter().filter(|(_, stamp)| fits(stamp)).map(|(id, _)| id).collect();
            let known = if ids.is_empty() { "none is installed".to_owned() } else { format!("installed are: {}", ids.join(", ")) };
            format!("{error}; {known}")
        })?;
        // Loaded once here, so that what does not fit is told before anything else is done.
        (self.make)(TRIED, values, Some(&package)).map_err(|error| error.to_string())?;
        Ok(package)
    }
}

/// The entry of an engine.
pub const fn entry<E: Engine, M>(about: &'static str, more: M) -> Entry<M> {
    Entry {
        name: <E::Settings as FromValues>::ENGINE,
        about,
        params: <E::Settings as FromValues>::PARAMS,
        presets: <E::Settings as FromValues>::PRESETS,
        factory: preset::factory::<E::Settings>,
        preset: preset::from_json::<E::Settings>,
        make: make::<E>,
        models: models::<E>,
        tasks: E::TASKS,
        aside: E::ASIDE,
        more,
    }
}

fn make<E: Engine>(format: Format, values: &[f32], model: Option<&Package>) -> Result<Box<dyn Driver>, Error> {
    let settings = E::Settings::from_values(values);
    if let (Some(package), Some(task)) = (model, E::task(&settings)) {
        // With another one set, a built-in model would play in its place.
        let manifest = &package.manifest;
        if E::TASKS.contains(&manifest.task.as_str()) && manifest.task != task {
            return Err(manifest.refuse(format!("is for \"{}\", and \"{task}\" is set; set task={}", manifest.task, manifest.task)));
        }
    }
    let mut engine = E::default();
    engine.prepare(format)?;
    engine.install(match model {
        Some(package) => E::load_model(format, package)?,
        None => E::load(format)?,
    });
    Ok(Box::new(With { engine, settings }))
}

/// Ids and hashes of the models in the binary; those whose manifest cannot be read, which a test
/// excludes, are left out.
fn models<E: Engine>(values: &[f32]) -> Vec<Model> {
    let manifest = |id: &&str| embedded(id).and_then(Embedded::manifest).ok();
    let used = E::model_ids(&E::Settings::from_values(values)).iter().filter_map(manifest);
    used.map(|manifest| Model { sha256: manifest.sha256(), id: manifest.id }).collect()
}
