//! What `render stems` adds: a file for each stem, with more passes than the plugin's where that is asked for.
//!
//! ```text
//! file ─▶ bounce ─┬▶ stems before the faders ─▶ song.vocals.flac, ... which add up to the input
//!                 └▶ main output ─────────────▶ song.mix.flac, where a mix is asked for
//! ```

pub mod options;

use super::engine::Driver;
use super::failure::Failure;
use super::job::{Ears, Task};
use super::levels::{Levels, Reading};
use super::place::Draft;
use super::report;
use super::sink::{Sink, Store};
use super::source::Info;
use super::spectra::Spectra;
use dsp_core::engines::stems::{Bounce, Quality, Settings};
use dsp_core::model::Package;
use dsp_core::params::FromValues;
use dsp_core::processor::{Format, Observer};
use options::{MIX, StemsArgs};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// What holds for all files of a run.
pub struct Separation {
    quality: Quality,
    settings: Settings,
    /// Names of the files, in order; the last is what stands for all of them.
    files: Vec<&'static str>,
}

impl Separation {
    /// From the command line, with the engine's values and those that were named.
    ///
    /// # Errors
    /// One line when it makes no sense.
    pub fn new(args: &StemsArgs, values: &[f32], named: &[usize]) -> Result<Self, Failure> {
        Ok(Self { quality: args.quality, settings: Settings::from_values(values), files: args.files(values, named)? })
    }

    /// Names of the files.
    pub fn files(&self) -> &[&'static str] {
        &self.files
    }

    /// What runs a file.
    ///
    /// # Errors
    /// When the format is out of range, or a model does not load.
    pub fn driver(&self, format: Format, model: Option<&Package>) -> Result<Box<dyn Driver>, Failure> {
        Ok(Box::new(Bouncing(Bounce::new(format, &self.settings, self.quality, model)?)))
    }

    /// The place of a file of a task.
    fn place(task: &Task, file: &str) -> PathBuf {
        named(&task.output, &task.below, file)
    }

    /// Files that go with a task's output: all but the last.
    pub fn sides(&self, task: &Task) -> Vec<PathBuf> {
        let others = &self.files[..self.files.len() - 1];
        others.iter().map(|file| Self::place(task, file)).collect()
    }
}

/// Where a stem of an input stands beside `output`, which has the ending; `below` has the input's name.
pub fn named(output: &std::path::Path, below: &std::path::Path, stem: &str) -> PathBuf {
    let ending = output.extension().unwrap_or_default().to_string_lossy();
    let name = below.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{name}.{stem}.{ending}"))
}

/// A bounce as `render` drives engines.
struct Bouncing(Bounce);

impl Driver for Bouncing {
    fn reset(&mut self) {
        self.0.reset();
    }

    fn process(&mut self, audio: &mut [&mut [f32]], observer: &mut dyn Observer) {
        self.0.process(audio, observer);
    }

    fn latency(&self) -> usize {
        self.0.latency()
    }

    /// What is set holds for a run.
    fn set(&mut self, _: &[f32]) {}

    fn notice(&self) -> Option<&'static str> {
        None
    }

    fn stems(&self) -> &[Vec<Vec<f32>>] {
        self.0.stems()
    }
}

/// A file on its way.
struct Written {
    name: &'static str,
    place: PathBuf,
    draft: Draft,
    sink: Sink,
}

/// All files of a task on their way.
pub struct Takes<'a> {
    separation: &'a Separation,
    files: Vec<Written>,
    /// Of all stems of the task, written or not.
    levels: Vec<Levels>,
    spectra: Option<Vec<Spectra>>,
}

/// Files that are done and not yet in their places.
pub struct Taken {
    /// All but the last.
    pub others: Vec<Draft>,
    /// The last.
    pub last: Draft,
    /// Samples that were limited to full scale, in all files.
    pub clipped: u64,
    /// What the stems' meters read, by name.
    pub report: Map<String, Value>,
    /// Spectra of the stems, with their names.
    pub spectra: Vec<(&'static str, Spectra)>,
}

impl<'a> Takes<'a> {
    /// Begins the files of a task; `report` measures loudness, `spectra` says how fine.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn new(
        separation: &'a Separation,
        task: &Task,
        info: &Info,
        store: Store,
        report: bool,
        spectra: Option<bool>,
    ) -> Result<Self, Failure> {
        let begin = |&name: &&'static str| {
            let place = Separation::place(task, name);
            let make = || {
                let (draft, file) = Draft::new(&place)?;
                let sink = Sink::new(file, task.format, store, info, &task.input)?;
                Ok(Written { name, place: place.clone(), draft, sink })
            };
            make().map_err(|failure: Failure| failure.about(&place))
        };
        let stems = separation.settings.task.keys().len();
        Ok(Self {
            separation,
            files: separation.files.iter().map(begin).collect::<Result<_, _>>()?,
            levels: (0..stems).map(|_| Levels::new(info.rate, info.channels, report)).collect(),
            spectra: spectra.map(|fine| (0..stems).map(|_| Spectra::new(info.rate, info.channels, fine)).collect()),
        })
    }

    fn write(&mut self, name: &str, block: &[&[f32]]) -> Result<(), Failure> {
        let Some(file) = self.files.iter_mut().find(|file| file.name == name) else { return Ok(()) };
        file.sink.write(block).map_err(|failure| failure.about(&file.place))
    }

    /// Completes the files.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn finish(self) -> Result<Taken, Failure> {
        let task = self.separation.settings.task;
        let mut clipped = 0;
        let mut drafts = Vec::new();
        let mut entries = Vec::new();
        let readings: Vec<Reading> = self.levels.iter().map(Levels::reading).collect();
        for Written { name, place, draft, sink } in self.files {
            clipped += sink.finish().map_err(|failure| failure.about(&place))?;
            entries.push((name, place));
            drafts.push(draft);
        }
        let file = |name: &str| entries.iter().find(|(known, _)| *known == name).map(|(_, place)| place.to_string_lossy().into_owned());
        let stem = |(key, reading): (&&str, &Reading)| {
            let mut entry = report::levels(*reading);
            entry["stem"] = json!(key);
            entry["file"] = json!(file(key));
            entry
        };
        let mut report = Map::new();
        report.insert("task".into(), task.key().into());
        report.insert("quality".into(), self.separation.quality.key().into());
        report.insert("stems".into(), task.keys().iter().zip(&readings).map(stem).collect());
        report.insert("mix".into(), json!(file(MIX)));
        let spectra = self.spectra.into_iter().flatten().map(|mut spectra| {
            spectra.finish();
            spectra
        });
        let spectra = task.names().iter().copied().zip(spectra).collect();
        // There is always a file: options see to that.
        let last = drafts.pop().ok_or_else(|| Failure::new("has nothing to be written"))?;
        Ok(Taken { others: drafts, last, clipped, report, spectra })
    }
}

impl Ears for Takes<'_> {
    fn after(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        self.write(MIX, block)
    }

    fn stem(&mut self, stem: usize, block: &[&[f32]]) -> Result<(), Failure> {
        self.levels[stem].add(block);
        if let Some(spectra) = &mut self.spectra {
            spectra[stem].add(block);
        }
        self.write(self.separation.settings.task.keys()[stem], block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn stems_are_named_after_their_song() {
        let place = |output: &str, below: &str| named(Path::new(output), Path::new(below), "drums");
        assert_eq!(place("out/a/song.other.flac", "a/song.flac"), Path::new("out/a/song.drums.flac"));
        assert_eq!(place("out/1. Intro.v2.mix.wav", "1. Intro.v2.mp3"), Path::new("out/1. Intro.v2.drums.wav"));
    }
}
