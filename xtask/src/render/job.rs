//! One file: read, process, write.

use super::engine::{Driver, Entry, Model};
use super::failure::Failure;
use super::levels::Levels;
use super::master::{Mind, Session, Verdict, page_of};
use super::picture;
use super::place::{self, Draft};
use super::report;
use super::sink::{FileFormat, Sink, Store};
use super::source::{self, Depth, Source};
use super::spectra::Spectra;
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

/// An octave that goes up by so much in the mean, in dB, was lifted.
const LIFT_DB: f64 = 0.5;

/// What is to be done with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What is read.
    pub input: PathBuf,
    /// What is written.
    pub output: PathBuf,
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
    /// Where a page is written, and whether that is a folder for several.
    pub page: Option<(PathBuf, bool)>,
    /// Depth of the output; none keeps the source's.
    pub bits: Option<Depth>,
    /// Dither of the output where it has whole numbers.
    pub dither: Dither,
    /// Replace outputs that exist.
    pub overwrite: bool,
    /// Take what is there of files that are cut short.
    pub allow_truncated: bool,
    /// Put silence in the place of samples that are no numbers.
    pub silence_nan: bool,
    /// Measure what the report tells.
    pub report: bool,
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
            _ => (options.entry.make)(format, &options.values, options.package.as_ref())?,
        };
        Ok(&mut self.engine.insert((format, engine)).1)
    }

    /// Renders one file; `progress` is told the share that is done, 0 to 1, from time to time.
    ///
    /// # Errors
    /// One line; nothing half-written is left.
    pub fn render(&mut self, task: &Task, options: &Options, progress: &dyn Fn(f64)) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let page = options.page.as_ref().map(|(page, batch)| page_of(page, &task.output, *batch));
        let places = || task.picture.iter().chain(&page).chain([&task.output]);
        for place in places() {
            if !options.overwrite && place.symlink_metadata().is_ok() {
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
        for place in places() {
            if let Some(folder) = place.parent() {
                folders.extend(place::make_folders(folder).map_err(|failure| failure.about(place))?);
            }
        }
        let mut render = || {
            loop {
                let values = session.as_ref().map_or(&options.values, Session::values).clone();
                engine.set(&values);
                engine.reset();
                let mut stream = Stream::new(source.as_mut(), engine.as_mut(), task, options, values);
                let passed = stream.pass(session.as_mut(), progress)?;
                let verdict = session.as_mut().map_or(Ok(Verdict::Done), Session::judge)?;
                if verdict == Verdict::Done {
                    break stream.finish(passed, session.as_ref(), page.as_deref(), progress, start);
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

/// A pass that is done.
struct Passed {
    draft: Draft,
    depth: Depth,
    total: u64,
    clipped: u64,
    latency: u64,
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
        let levels = || Levels::new(rate, channels, options.report);
        let fine = task.picture.is_some() && source.info().frames.is_some_and(|frames| frames < LONG * u64::from(rate));
        let spectra = || Spectra::new(rate, channels, fine);
        Self {
            levels: [levels(), levels()],
            spectra: (options.report || task.picture.is_some()).then(|| [spectra(), spectra()]),
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

    /// Renders all of the file into a draft.
    fn pass(&mut self, mut session: Option<&mut Session<'_>>, progress: &dyn Fn(f64)) -> Result<Passed, Failure> {
        if let Some(session) = &mut session {
            session.begin();
        }
        let info = self.source.info().clone();
        let depth = match (self.options.bits.unwrap_or(info.depth), self.task.format) {
            // FLAC holds integers.
            (Depth::F32, FileFormat::Flac) => Depth::I24,
            (depth, _) => depth,
        };
        let output = |failure: Failure| failure.about(&self.task.output);
        let (draft, file) = Draft::new(&self.task.output).map_err(output)?;
        let store = Store { depth, dither: self.options.dither };
        let mut sink = Sink::new(file, self.task.format, store, &info, &self.task.input).map_err(|failure| self.blame(failure))?;
        let mut block: Vec<Vec<f32>> = vec![Vec::with_capacity(BLOCK); info.channels];
        let mut total = 0_u64;
        let latency = self.skip;
        loop {
            let frames = self.source.read(&mut block, BLOCK)?;
            if frames == 0 {
                break;
            }
            self.check(&mut block, total)?;
            total += frames as u64;
            self.add(0, &slices(&block, 0..frames));
            self.process(&mut block, &mut sink, frames, session.as_deref_mut())?;
            if let Some(length) = info.frames.filter(|&length| length > 0) {
                let share = (self.emitted as f64 / length as f64).min(1.0);
                progress(session.as_ref().map_or(share, |session| session.progress(share)));
            }
        }
        while self.emitted < total {
            // Silence pushes out what the engine still holds.
            let frames = usize::try_from(total - self.emitted + self.skip).unwrap_or(BLOCK).min(BLOCK);
            block.iter_mut().for_each(|samples| {
                samples.clear();
                samples.resize(frames, 0.0);
            });
            self.process(&mut block, &mut sink, frames, session.as_deref_mut())?;
        }
        let clipped = sink.finish().map_err(|failure| self.blame(failure))?;
        Ok(Passed { draft, depth, total, clipped, latency })
    }

    /// Draws, publishes and reports what a pass has made.
    fn finish(
        &mut self,
        passed: Passed,
        session: Option<&Session<'_>>,
        page: Option<&Path>,
        progress: &dyn Fn(f64),
        start: Instant,
    ) -> Result<Outcome, Failure> {
        let info = self.source.info().clone();
        let Passed { draft, depth, total, clipped, latency } = passed;
        let took = start.elapsed().as_secs_f64();
        let seconds = total as f64 / f64::from(info.rate);
        let mut warnings = self.source.warnings();
        warnings.extend(self.engine.notice().map(str::to_owned));
        warnings.extend(session.iter().flat_map(|session| session.remarks()));
        if self.silenced > 0 {
            warnings.push(format!("has {} samples that are no numbers; they became silence", self.silenced));
        }
        if clipped > 0 {
            warnings.push(format!("{clipped} samples were limited to full scale; turn the output down or use --bits 32f"));
        }
        if let Some(spectra) = &mut self.spectra {
            spectra.iter_mut().for_each(Spectra::finish);
        }
        let picture = self.task.picture.as_ref().map(|place| self.draw(place, &info, seconds, latency)).transpose()?;
        let title = self.task.input.file_name().unwrap_or_default().to_string_lossy();
        let told = page.zip(session).map(|(place, session)| tell(place, &session.page(&title))).transpose()?;
        draft.publish(self.options.overwrite).map_err(|failure| failure.about(&self.task.output))?;
        for picture in picture.into_iter().chain(told) {
            let place = picture.place().to_owned();
            picture.publish(self.options.overwrite).map_err(|failure| failure.about(&place))?;
        }
        progress(1.0);
        let mut report = Map::new();
        if self.options.report {
            report = report::engine(self.options.entry, &self.values, &self.options.models);
            let text = |path: &Path| path.to_string_lossy().into_owned();
            report.insert("input".into(), text(&self.task.input).into());
            report.insert("output".into(), text(&self.task.output).into());
            report.insert(
                "format".into(),
                json!({
                    "container": info.container,
                    "rate_hz": info.rate,
                    "channels": info.channels,
                    "samples": total,
                    "seconds": seconds,
                    "bits_before": info.depth.name(),
                    "bits_after": depth.name(),
                    "dither": if depth == Depth::F32 { Dither::None } else { self.options.dither }.key(),
                }),
            );
            report.insert("before".into(), report::levels(self.levels[0].reading()));
            report.insert("after".into(), report::levels(self.levels[1].reading()));
            if let Some([before, after]) = &self.spectra {
                let bands = report::bands(info.rate, &before.octave_levels(), &after.octave_levels(), &self.watch.octave_gains());
                report.insert("bands".into(), bands);
            }
            if let Some(session) = session {
                report.insert("master".into(), session.report().into());
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
        Ok(Outcome { seconds, took, warnings, report })
    }

    /// A failure of the output is about the output, but for what is wrong with the source's chunks.
    fn blame(&self, failure: Failure) -> Failure {
        failure.about(&self.task.output)
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

    /// Processes a block in place and writes what lies behind the engine's delay.
    fn process(
        &mut self,
        block: &mut [Vec<f32>],
        sink: &mut Sink,
        frames: usize,
        session: Option<&mut Session<'_>>,
    ) -> Result<(), Failure> {
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
        if let Some(session) = session {
            session.hear(&ready);
        }
        sink.write(&ready).map_err(|failure| self.blame(failure))
    }

    fn draw(&self, place: &Path, info: &source::Info, seconds: f64, latency: u64) -> Result<Draft, Failure> {
        let about = |failure: Failure| failure.about(place);
        let (draft, file) = Draft::new(place).map_err(about)?;
        let Some([before, after]) = &self.spectra else { return Ok(draft) };
        let entry = self.options.entry;
        let changed: Vec<_> = entry
            .params
            .iter()
            .zip(&self.values)
            .filter(|(param, value)| param.default_value() != **value)
            .map(|(param, value)| format!("{} {}", param.name, param.format(*value)))
            .collect();
        let settings = if changed.is_empty() { "default settings".to_owned() } else { changed.join(", ") };
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
