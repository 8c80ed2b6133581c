//! One file: read, process, write.

use super::archive::Archive;
use super::engine::{Driver, Entry, Model};
use super::failure::Failure;
use super::levels::{self, Levels};
use super::master::{Mind, Session, Verdict, page_of, rest};
use super::mp3::Spend;
use super::picture;
use super::place::{self, Draft};
use super::podcast::{Episode, Known, Producer, Tap};
use super::report;
use super::sink::{FileFormat, Sink, Store};
use super::source::{self, Depth, Source};
use super::spectra::Spectra;
use super::stems::{Separation, Taken, Takes};
use super::watch::Watch;
use dsp_core::dither::Dither;
use dsp_core::model::Package;
use dsp_core::processor::Format;
use dsp_core::units::Hz;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Samples of one channel that are processed at a time.
const BLOCK: usize = 8_192;
/// A file that lasts longer, in seconds, has fewer spectra to its picture.
const LONG: u64 = 600;

/// Share of the work that the chain is when an episode is made.
const CHAIN: f64 = 0.75;

/// An octave that goes up by so much in the mean, in dB, was lifted.
const LIFT_DB: f64 = 0.5;

/// What is to be done with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What is read.
    pub input: PathBuf,
    /// What is written.
    pub output: PathBuf,
    /// Its place below the folder of outputs, as the input was named there.
    pub below: PathBuf,
    /// Where a picture is drawn.
    pub picture: Option<PathBuf>,
    /// Format of the output.
    pub format: FileFormat,
}

/// What holds for all files of a run.
pub struct Options {
    /// The engine.
    pub entry: &'static Entry,
    /// Values of its parameters.
    pub values: Vec<f32>,
    /// The model of the user's that it plays; none for the built-in ones.
    pub package: Option<Package>,
    /// The models that it uses.
    pub models: Vec<Model>,
    /// What decides on the values of each file; none leaves them as they are.
    pub mind: Option<Mind>,
    /// What makes episodes; none where nothing comes behind the engine.
    pub producer: Option<Producer>,
    /// What makes several files of one; none where one is made.
    pub separation: Option<Separation>,
    /// Where it is noted what is done.
    pub archive: Option<Archive>,
    /// Where a page is written, and whether that is a folder for several.
    pub page: Option<(PathBuf, bool)>,
    /// Depth of the output; none keeps the source's.
    pub bits: Option<Depth>,
    /// Dither of the output where it has whole numbers.
    pub dither: Dither,
    /// Bits that lossy formats may spend.
    pub spend: Option<Spend>,
    /// Replace outputs that exist.
    pub overwrite: bool,
    /// Take what is there of files that are cut short.
    pub allow_truncated: bool,
    /// Put silence in the place of samples that are no numbers.
    pub silence_nan: bool,
    /// Measure what the report tells.
    pub report: bool,
}

impl Options {
    /// Files that go with a task's output.
    pub fn sides(&self, task: &Task) -> Vec<PathBuf> {
        let page = self.page.iter().map(|(page, batch)| page_of(page, &task.below, *batch));
        let sides = self.producer.iter().flat_map(|producer| producer.sides(task));
        let stems = self.separation.iter().flat_map(|separation| separation.sides(task));
        task.picture.iter().cloned().chain(page).chain(sides).chain(stems).collect()
    }
}

/// What was done.
#[derive(Debug)]
pub struct Outcome {
    /// Length of the file in seconds.
    pub seconds: f64,
    /// Time that it took in seconds.
    pub took: f64,
    /// One line each.
    pub warnings: Vec<String>,
    /// The report; empty without [`Options::report`].
    pub report: Map<String, Value>,
}

/// What one thread keeps from file to file.
#[derive(Default)]
pub struct Worker {
    engine: Option<(Format, Box<dyn Driver>)>,
}

impl Worker {
    fn engine(&mut self, format: Format, options: &Options) -> Result<&mut Box<dyn Driver>, Failure> {
        let engine = match self.engine.take() {
            Some((known, engine)) if known == format => engine,
            _ => match &options.separation {
                Some(separation) => separation.driver(format, options.package.as_ref())?,
                None => (options.entry.make)(format, &options.values, options.package.as_ref())?,
            },
        };
        Ok(&mut self.engine.insert((format, engine)).1)
    }

    /// Renders one file; `progress` is told the share that is done, 0 to 1, from time to time.
    ///
    /// # Errors
    /// One line; nothing half-written is left.
    pub fn render(&mut self, task: &Task, options: &Options, progress: &dyn Fn(f64)) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let page = options.page.as_ref().map(|(page, batch)| page_of(page, &task.below, *batch));
        let places: Vec<PathBuf> = options.sides(task).into_iter().chain([task.output.clone()]).collect();
        // What an interrupted run has left of a file that it had not finished is no result of anybody's.
        let again = options.archive.is_some();
        for place in &places {
            if !options.overwrite && (!again || *place == task.output) && place.symlink_metadata().is_ok() {
                return Err(place::exists().about(place));
            }
            if place.is_dir() {
                return Err(Failure::new("is a folder; name a file").about(place));
            }
        }
        let mut source = source::open(&task.input, options.allow_truncated)?;
        let format = Format::new(Hz(f64::from(source.info().rate)), source.info().channels)?;
        let engine = self.engine(format, options)?;
        let mut session = match &options.mind {
            Some(mind) => Some(Session::new(mind, &task.input, format, progress)?),
            None => None,
        };
        let mut folders = Vec::new();
        for place in &places {
            if let Some(folder) = place.parent() {
                folders.extend(place::make_folders(folder).map_err(|failure| failure.about(place))?);
            }
        }
        let mut render = || {
            if let Some(producer) = &options.producer {
                let values = producer.values(options.values.clone())?;
                engine.set(&values);
                engine.reset();
                let mut stream = Stream::new(source.as_mut(), engine.as_mut(), task, options, values);
                let (passed, told) = stream.produce(producer, progress)?;
                return stream.finish(passed, told, progress, start);
            }
            if let Some(separation) = &options.separation {
                engine.reset();
                let mut stream = Stream::new(source.as_mut(), engine.as_mut(), task, options, options.values.clone());
                let (passed, told) = stream.take_apart(separation, progress)?;
                return stream.finish(passed, told, progress, start);
            }
            loop {
                let values = session.as_ref().map_or(&options.values, Session::values).clone();
                // Where nobody is told of the whole chain, what it has made already is taken.
                let kept = session.as_ref().filter(|_| task.picture.is_none()).and_then(Session::kept);
                if let Some(kept) = kept {
                    source = kept.source();
                }
                engine.set(&if kept.is_some() { rest(&values) } else { values.clone() });
                engine.reset();
                let mut stream = Stream::new(source.as_mut(), engine.as_mut(), task, options, values);
                let passed = stream.pass(session.as_mut(), progress)?;
                let verdict = session.as_mut().map_or(Ok(Verdict::Done), Session::judge)?;
                if verdict == Verdict::Done {
                    let told = session.as_ref().map(|session| tell_master(session, task, page.as_deref())).unwrap_or_default();
                    break stream.finish(passed, told, progress, start);
                }
                source = source::open(&task.input, options.allow_truncated)?;
            }
        };
        let outcome = render();
        if outcome.is_err() {
            place::remove_folders(&folders);
        }
        outcome
    }
}

/// What is told of a file beside what every engine tells.
#[derive(Default)]
struct Told {
    /// One line each.
    warnings: Vec<String>,
    /// Loudness of the file and of what came out in LUFS, where it was measured already.
    loudness: Option<[Option<f64>; 2]>,
    /// Name and value, for the report.
    report: Option<(&'static str, Map<String, Value>)>,
    /// Pages and lists with their places.
    sides: Vec<(PathBuf, String)>,
    /// Other files of sound.
    others: Vec<Draft>,
    /// Spectra of stems, with their names.
    stems: Vec<(&'static str, Spectra)>,
}

/// What the mind behind a master tells.
fn tell_master(session: &Session<'_>, task: &Task, page: Option<&Path>) -> Told {
    let title = task.input.file_name().unwrap_or_default().to_string_lossy();
    Told {
        warnings: session.remarks(),
        loudness: Some(session.loudness()),
        report: Some(("master", session.report())),
        sides: page.map(|page| (page.to_owned(), session.page(&title))).into_iter().collect(),
        ..Told::default()
    }
}

/// Who hears what goes through an engine.
pub trait Ears {
    /// Before it, in the file's time.
    fn before(&mut self, _block: &[&[f32]]) {}

    /// Behind it and its delay.
    ///
    /// # Errors
    /// When what is heard cannot be kept.
    fn after(&mut self, block: &[&[f32]]) -> Result<(), Failure>;

    /// A stem, from engines that make some, in time with what is behind them.
    ///
    /// # Errors
    /// As [`Ears::after`].
    fn stem(&mut self, _stem: usize, _block: &[&[f32]]) -> Result<(), Failure> {
        Ok(())
    }
}

/// A sink, and the mind that listens to what goes there.
struct Stored<'a, 'b> {
    sink: Sink,
    session: Option<&'a mut Session<'b>>,
    output: &'a Path,
}

impl Ears for Stored<'_, '_> {
    fn after(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        if let Some(session) = &mut self.session {
            session.hear(block);
        }
        self.sink.write(block).map_err(|failure| failure.about(self.output))
    }
}

/// A pass that is done.
struct Passed {
    draft: Draft,
    depth: Depth,
    total: u64,
    clipped: u64,
    latency: u64,
    /// What was stored, where that is not what the engine gave.
    after: Option<levels::Reading>,
    /// Samples of one channel in the output.
    length: u64,
}

/// One file on its way.
struct Stream<'a> {
    source: &'a mut dyn Source,
    engine: &'a mut dyn Driver,
    task: &'a Task,
    options: &'a Options,
    values: Vec<f32>,
    levels: [Levels; 2],
    spectra: Option<[Spectra; 2]>,
    watch: Watch,
    /// Samples of the engine's delay that are still to be dropped.
    skip: u64,
    emitted: u64,
    silenced: u64,
}

impl<'a> Stream<'a> {
    fn new(source: &'a mut dyn Source, engine: &'a mut dyn Driver, task: &'a Task, options: &'a Options, values: Vec<f32>) -> Self {
        let (rate, channels) = (source.info().rate, source.info().channels);
        let levels = |loudness: bool| Levels::new(rate, channels, loudness);
        // An episode is told as it was stored.
        // A master's loudness is known to its mind.
        let measured = options.report && options.mind.is_none();
        let behind = measured && options.producer.is_none();
        let paged = options.producer.as_ref().is_some_and(Producer::tells);
        let fine = (task.picture.is_some() || paged) && source.info().frames.is_some_and(|frames| frames < LONG * u64::from(rate));
        let spectra = || Spectra::new(rate, channels, fine);
        Self {
            levels: [levels(measured), levels(behind)],
            spectra: (options.report || task.picture.is_some() || paged).then(|| [spectra(), spectra()]),
            watch: Watch::new(rate, options.report || task.picture.is_some()),
            skip: engine.latency() as u64,
            emitted: 0,
            silenced: 0,
            source,
            engine,
            task,
            options,
            values,
        }
    }

    fn depth(&self) -> Depth {
        match (self.options.bits.unwrap_or(self.source.info().depth), self.task.format) {
            // FLAC holds integers.
            (Depth::F32, FileFormat::Flac) => Depth::I24,
            (depth, _) => depth,
        }
    }

    /// Renders all of the file into a draft.
    fn pass(&mut self, mut session: Option<&mut Session<'_>>, progress: &dyn Fn(f64)) -> Result<Passed, Failure> {
        if let Some(session) = &mut session {
            session.begin();
        }
        let info = self.source.info().clone();
        let (task, depth, latency) = (self.task, self.depth(), self.skip);
        let output = |failure: Failure| failure.about(&task.output);
        let (draft, file) = Draft::new(&task.output).map_err(output)?;
        let store = Store { depth, dither: self.options.dither, spend: self.options.spend };
        let sink = Sink::new(file, task.format, store, &info, &task.input).map_err(output)?;
        // A pass of a master is a part of its work.
        let (from, to) = session.as_ref().map_or((0.0, 1.0), |session| (session.progress(0.0), session.progress(1.0)));
        let share = |share: f64| progress(from + (to - from) * share);
        let mut stored = Stored { sink, session, output: &task.output };
        let total = self.run(&mut stored, &share)?;
        let clipped = stored.sink.finish().map_err(output)?;
        Ok(Passed { draft, depth, total, clipped, latency, after: None, length: total })
    }

    /// Renders all of the file into an episode.
    fn produce(&mut self, producer: &Producer, progress: &dyn Fn(f64)) -> Result<(Passed, Told), Failure> {
        let info = self.source.info().clone();
        let (task, depth, latency) = (self.task, self.depth(), self.skip);
        self.watch.tap = Some(Tap::default());
        let mut episode = Episode::new(producer, &info, &task.output)?;
        let total = self.run(&mut episode, &|share| progress(share * CHAIN))?;
        if let Some(spectra) = &mut self.spectra {
            spectra.iter_mut().for_each(Spectra::finish);
        }
        let tap = self.watch.tap.take().unwrap_or_default();
        let known = Known {
            task,
            info: &info,
            store: Store { depth, dither: self.options.dither, spend: self.options.spend },
            tap: &tap,
            spectra: self.spectra.as_ref(),
            models: &self.options.models,
            settings: &self.settings(&self.options.values),
            many: None,
        };
        let finished = episode.finish(&known, &|share| progress(CHAIN + (1.0 - CHAIN) * share))?;
        let landed = finished.landed;
        let told =
            Told { warnings: finished.warnings, report: Some(("podcast", finished.report)), sides: finished.sides, ..Told::default() };
        let passed = Passed {
            draft: landed.draft,
            depth,
            total,
            clipped: landed.clipped,
            latency,
            after: Some(finished.after),
            length: landed.length,
        };
        Ok((passed, told))
    }

    /// Renders all of the file into a file for each stem.
    fn take_apart(&mut self, separation: &Separation, progress: &dyn Fn(f64)) -> Result<(Passed, Told), Failure> {
        let info = self.source.info().clone();
        let (task, depth, latency) = (self.task, self.depth(), self.skip);
        let store = Store { depth, dither: self.options.dither, spend: self.options.spend };
        let spectra = task.picture.is_some().then(|| info.frames.is_some_and(|frames| frames < LONG * u64::from(info.rate)));
        let mut takes = Takes::new(separation, task, &info, store, self.options.report, spectra)?;
        let total = self.run(&mut takes, progress)?;
        let Taken { others, last, clipped, report, spectra } = takes.finish()?;
        let told = Told { report: Some(("separation", report)), others, stems: spectra, ..Told::default() };
        Ok((Passed { draft: last, depth, total, clipped, latency, after: None, length: total }, told))
    }

    /// Runs the file through the engine; returns its length in samples.
    fn run(&mut self, ears: &mut dyn Ears, progress: &dyn Fn(f64)) -> Result<u64, Failure> {
        let info = self.source.info().clone();
        let mut block: Vec<Vec<f32>> = vec![Vec::with_capacity(BLOCK); info.channels];
        let mut total = 0_u64;
        loop {
            let frames = self.source.read(&mut block, BLOCK)?;
            if frames == 0 {
                break;
            }
            self.check(&mut block, total)?;
            total += frames as u64;
            let heard = slices(&block, 0..frames);
            self.add(0, &heard);
            ears.before(&heard);
            self.process(&mut block, ears, frames)?;
            if let Some(length) = info.frames.filter(|&length| length > 0) {
                progress((self.emitted as f64 / length as f64).min(1.0));
            }
        }
        while self.emitted < total {
            // Silence pushes out what the engine still holds.
            let frames = usize::try_from(total - self.emitted + self.skip).unwrap_or(BLOCK).min(BLOCK);
            block.iter_mut().for_each(|samples| {
                samples.clear();
                samples.resize(frames, 0.0);
            });
            self.process(&mut block, ears, frames)?;
        }
        Ok(total)
    }

    /// Draws, reports and publishes what a pass has made.
    fn finish(&mut self, passed: Passed, told: Told, progress: &dyn Fn(f64), start: Instant) -> Result<Outcome, Failure> {
        let info = self.source.info().clone();
        let Passed { draft, depth, total, clipped, latency, after, length } = passed;
        let took = start.elapsed().as_secs_f64();
        let seconds = total as f64 / f64::from(info.rate);
        let mut warnings = self.source.warnings();
        warnings.extend(self.engine.notice().map(str::to_owned));
        warnings.extend(told.warnings);
        if self.silenced > 0 {
            warnings.push(format!("has {} samples that are no numbers; they became silence", self.silenced));
        }
        if clipped > 0 {
            let cure = if self.task.format.is_lossy() { "turn the output down" } else { "turn the output down or use --bits 32f" };
            warnings.push(format!("{clipped} samples were limited to full scale; {cure}"));
        }
        // Those of an episode are complete since its page was made.
        if let Some(spectra) = self.spectra.as_mut().filter(|_| after.is_none()) {
            spectra.iter_mut().for_each(Spectra::finish);
        }
        let mut report = Map::new();
        if self.options.report {
            report = report::engine(self.options.entry, &self.values, &self.options.models);
            let text = |path: &Path| path.to_string_lossy().into_owned();
            report.insert("input".into(), text(&self.task.input).into());
            report.insert("output".into(), text(&self.task.output).into());
            let lossy = self.task.format.is_lossy();
            report.insert(
                "format".into(),
                json!({
                    "container": info.container,
                    "rate_hz": info.rate,
                    "channels": info.channels,
                    "samples": total,
                    "seconds": seconds,
                    "written": self.task.format.extension(),
                    "samples_after": length,
                    "bits_before": info.depth.name(),
                    "bits_after": (!lossy).then(|| depth.name()),
                    "dither": if depth == Depth::F32 || lossy { Dither::None } else { self.options.dither }.key(),
                }),
            );
            let [mut before, mut behind] = [0, 1].map(|side: usize| self.levels[side].reading());
            if let Some(loudness) = told.loudness {
                [before.loudness_lufs, behind.loudness_lufs] = loudness;
            }
            report.insert("before".into(), report::levels(before));
            report.insert("after".into(), report::levels(after.unwrap_or(behind)));
            if let Some([before, after]) = &self.spectra {
                let bands = report::bands(info.rate, &before.octave_levels(), &after.octave_levels(), &self.watch.octave_gains());
                report.insert("bands".into(), bands);
            }
            if let Some((name, told)) = told.report {
                report.insert(name.into(), told.into());
            }
            if let Some(events) = self.watch.events(seconds) {
                report.insert("events".into(), report::events(&events));
                report.insert("sounds".into(), report::sounds(&events));
            }
            report.insert("clipped_samples".into(), clipped.into());
            report.insert("late_frames".into(), self.watch.late.into());
            report.insert("processing_seconds".into(), took.into());
            report.insert("real_time_factor".into(), json!((seconds > 0.0).then(|| took / seconds)));
            report.insert("warnings".into(), warnings.clone().into());
        }
        let outcome = Outcome { seconds, took, warnings, report };
        // What stands beside the output goes first: where the output is, all of it is.
        let picture = self.task.picture.as_ref().map(|place| self.draw(place, &info, seconds, latency, &told.stems)).transpose()?;
        let sides = told.sides.iter().map(|(place, text)| tell(place, text)).collect::<Result<Vec<_>, _>>()?;
        let again = self.options.overwrite || self.options.archive.is_some();
        for side in picture.into_iter().chain(sides).chain(told.others) {
            let place = side.place().to_owned();
            side.publish(again).map_err(|failure| failure.about(&place))?;
        }
        if let Some(archive) = &self.options.archive {
            archive.ready(self.task, &draft, &outcome)?;
        }
        draft.publish(self.options.overwrite).map_err(|failure| failure.about(&self.task.output))?;
        progress(1.0);
        Ok(outcome)
    }

    /// Refuses or replaces samples that are no numbers.
    fn check(&mut self, block: &mut [Vec<f32>], total: u64) -> Result<(), Failure> {
        for (channel, samples) in block.iter_mut().enumerate() {
            let Some(first) = samples.iter().position(|sample| !sample.is_finite()) else { continue };
            if !self.options.silence_nan {
                let at = total + first as u64;
                return Err(Failure::new(format!(
                    "sample {at} of channel {} ({:.3} s) is no finite number; repair the file, or put silence there with --silence-nan",
                    channel + 1,
                    at as f64 / f64::from(self.source.info().rate)
                )));
            }
            for sample in samples.iter_mut().filter(|sample| !sample.is_finite()) {
                *sample = 0.0;
                self.silenced += 1;
            }
        }
        Ok(())
    }

    fn add(&mut self, side: usize, block: &[&[f32]]) {
        self.levels[side].add(block);
        if let Some(spectra) = &mut self.spectra {
            spectra[side].add(block);
        }
    }

    /// Processes a block in place and hands on what lies behind the engine's delay.
    fn process(&mut self, block: &mut [Vec<f32>], ears: &mut dyn Ears, frames: usize) -> Result<(), Failure> {
        let mut audio: Vec<&mut [f32]> = block.iter_mut().map(Vec::as_mut_slice).collect();
        self.engine.process(&mut audio, &mut self.watch);
        let skip = usize::try_from(self.skip).unwrap_or(frames).min(frames);
        self.skip -= skip as u64;
        self.emitted += (frames - skip) as u64;
        let ready = slices(block, skip..frames);
        if ready.iter().any(|samples| samples.iter().any(|sample| !sample.is_finite())) {
            return Err(Failure::new("made the engine give samples that are no numbers; please report this with the file"));
        }
        self.add(1, &ready);
        ears.after(&ready)?;
        for (number, stem) in self.engine.stems().iter().enumerate() {
            let ready = slices(stem, skip..frames);
            if ready.iter().any(|samples| samples.iter().any(|sample| !sample.is_finite())) {
                return Err(Failure::new("made the engine give samples that are no numbers; please report this with the file"));
            }
            ears.stem(number, &ready)?;
        }
        Ok(())
    }

    /// Settings that differ from the defaults, in words.
    fn settings(&self, values: &[f32]) -> String {
        let changed: Vec<_> = self
            .options
            .entry
            .params
            .iter()
            .zip(values)
            .filter(|(param, value)| param.default_value() != **value)
            .map(|(param, value)| format!("{} {}", param.name, param.format(*value)))
            .collect();
        if changed.is_empty() { "default settings".to_owned() } else { changed.join(", ") }
    }

    fn draw(
        &self,
        place: &Path,
        info: &source::Info,
        seconds: f64,
        latency: u64,
        stems: &[(&'static str, Spectra)],
    ) -> Result<Draft, Failure> {
        let about = |failure: Failure| failure.about(place);
        let (draft, file) = Draft::new(place).map_err(about)?;
        let Some([before, after]) = &self.spectra else { return Ok(draft) };
        let entry = self.options.entry;
        let settings = self.settings(&self.values);
        let delay = latency as f64 / f64::from(info.rate);
        let contents = picture::Contents {
            title: self.task.input.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            subtitle: format!(
                "Plainsong {} | {settings} | {} Hz, {} channel{}, {seconds:.1} s",
                entry.name,
                info.rate,
                info.channels,
                if info.channels == 1 { "" } else { "s" }
            ),
            rate: info.rate,
            seconds,
            before: &before.map,
            after: &after.map,
            mask: Some((&self.watch.map, self.watch.behind, seconds + delay)),
            lifts: self.watch.octave_gains().into_iter().flatten().any(|gain| gain > LIFT_DB),
            events: self.watch.events(seconds),
            stems: stems.iter().map(|(name, spectra)| (*name, &spectra.map)).collect(),
        };
        picture::write(file, &contents).map_err(about)?;
        Ok(draft)
    }
}

/// Writes a text beside its place.
fn tell(place: &Path, text: &str) -> Result<Draft, Failure> {
    let write = || {
        let (draft, mut file) = Draft::new(place)?;
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(super::failure::writing)?;
        Ok(draft)
    };
    write().map_err(|failure: Failure| failure.about(place))
}

fn slices(block: &[Vec<f32>], range: std::ops::Range<usize>) -> Vec<&[f32]> {
    block.iter().map(|samples| samples.get(range.clone()).unwrap_or_default()).collect()
}
