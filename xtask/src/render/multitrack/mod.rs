//! `render podcast --multitrack`: two to eight tracks make one episode.
//!
//! ```text
//! each track ─▶ ear ───────────────┐ whose voice is it?
//!        └────▶ chain ─▶ spool ◀───┘ (tone and levels go by the track's own voice)
//!                          └─▶ ear ─▶ levels, cross-talk, loudness of each voice
//! spools ─▶ mixer (sharing, levelling, ducking) ─▶ stems
//!               └─▶ mix ─▶ cuts, loudness, encoder, report as for one track
//! ```
//!
//! Memory does not grow with the tracks' sound, which waits on the disk of the output: 4 bytes a sample and channel.

mod chain;
mod know;
mod mix;
pub mod options;
mod tell;
mod tracks;

use super::archive::{Archive, Standing};
use super::batch::Console;
use super::engine::Entry;
use super::failure::Failure;
use super::job::{Outcome, Task};
use super::mp3::Spend;
use super::place::{self, Draft};
use super::podcast::options::PodcastArgs;
use super::podcast::silence::Heard;
use super::podcast::{Episode, Known, Many, Producer, Tap};
use super::sink::{FileFormat, Sink, Store};
use super::source::{Depth, Info};
use super::spectra::Spectra;
use super::{DONE, FAILED, RenderArgs, STOPPED, USAGE, complain, inputs, report, write_text};
use chain::{Clean, Raw, slices};
use dsp_core::engines::podcast::{STAGES, Settings};
use dsp_core::multitrack::{self, Role};
use dsp_core::params::FromValues;
use dsp_core::units::Db;
use mix::Asked;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;
use tell::Told;
use tracks::Tracks;

/// A track is music where so much of what can be heard of it is music, and at most so much is speech.
const MUSIC: (f64, f64) = (0.7, 0.25);
/// What is quieter cannot be heard, dBFS.
const AUDIBLE_DB: f32 = -60.0;
/// Probability from which a hop counts.
const LIKELY: f32 = 0.5;
/// A hop with more than this of speech tells how loud speech is.
const SURE: f32 = 0.8;
/// Level that every talker's speech is brought to where silences are looked for, dB.
const SPEECH_DB: f32 = -20.0;
/// The most that a trim raises or lowers music, dB.
const MUSIC_TRIM: f64 = 20.0;
/// Shares of the work: hearing, cleaning, mixing; finishing has the rest.
const PARTS: [f64; 3] = [0.08, 0.62, 0.72];
/// Files longer than this, in seconds, have fewer spectra to their picture.
const LONG: u64 = 600;

/// All that decides on an episode.
struct Job<'a> {
    entry: &'static Entry,
    args: &'a RenderArgs,
    podcast: &'a PodcastArgs,
    values: Vec<f32>,
    producer: &'a Producer,
    tracks: Tracks,
    task: Task,
    archive: Option<Archive>,
    spend: Option<Spend>,
    /// Where stems go, by track.
    stems: Vec<PathBuf>,
    jobs: usize,
}

/// Renders, and returns what the command line's help says.
pub fn run(entry: &'static Entry, args: &RenderArgs, podcast: &PodcastArgs, values: &[f32], named: &[usize], output: &Path) -> ExitCode {
    let usage = |failure: Failure| {
        complain(failure.path(), &failure);
        ExitCode::from(USAGE)
    };
    let other = [
        (args.from_list.is_some(), "--from-list"),
        (args.shard.is_some(), "--shard"),
        (args.picture.is_some(), "--picture"),
        (!args.summary.is_empty(), "--summary"),
    ];
    if let Some((_, option)) = other.iter().find(|(given, _)| *given) {
        return usage(Failure::new(format!("{option} is for many files, and --multitrack makes one; leave it out")));
    }
    if args.format.is_some_and(FileFormat::is_lossy) {
        return usage(Failure::new("--format is that of the tracks in --tracks-to; use wav or flac"));
    }
    if let Some(folder) = args.inputs.iter().find(|input| input.is_dir()) {
        return usage(Failure::new("is a folder; name the tracks themselves").about(folder));
    }
    let producer = match Producer::new(podcast, named, false) {
        Ok(producer) => producer,
        Err(failure) => return usage(failure),
    };
    let tracks = match Tracks::new(&args.inputs, &podcast.multitrack, args.allow_truncated, args.silence_nan) {
        Ok(tracks) => tracks,
        Err(failure) => return usage(failure),
    };
    let first: Vec<PathBuf> = tracks.all.iter().take(1).map(|track| track.path.clone()).collect();
    let task = match inputs::plan(&first, None, output, &inputs::Naming::default(), None, args.report.as_deref()) {
        Ok(mut plan) => match (plan.tasks.pop(), plan.failures.pop()) {
            (Some(task), _) => task,
            (None, Some((path, failure))) => return usage(failure.about(&path)),
            (None, None) => return usage(Failure::new("names no track")),
        },
        Err(failure) => return usage(failure),
    };
    let values = match producer.values(values.to_vec()) {
        Ok(values) => values,
        Err(failure) => return usage(failure),
    };
    let spend = args.vbr.map(Spend::Variable).or(args.bitrate.map(Spend::Constant));
    let archive = match &args.state {
        None => None,
        Some(path) => {
            let stamps: Vec<_> = tracks
                .all
                .iter()
                .map(|track| (&track.path, std::fs::metadata(&track.path).and_then(|data| Ok((data.len(), data.modified()?))).ok()))
                .collect();
            let settings = format!("{} {values:?} {:?} {:?} {spend:?} {podcast:?} {stamps:?}", entry.name, args.bits, args.dither);
            match Archive::open(path, None, &settings) {
                Ok(archive) => Some(archive),
                Err(failure) => return usage(failure),
            }
        }
    };
    let ending = args.format.unwrap_or(FileFormat::Wav).extension();
    let folder = podcast.multitrack.tracks_to.as_deref();
    let stems = folder.map(|folder| tracks.all.iter().map(|track| folder.join(format!("{}.{ending}", track.name))).collect());
    let jobs = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let job =
        Job { entry, args, podcast, values, producer: &producer, tracks, task, archive, spend, stems: stems.unwrap_or_default(), jobs };
    let mut places = job.places();
    places.extend(args.report.clone());
    for (index, place) in places.iter().enumerate() {
        if job.tracks.all.iter().any(|track| tracks::same(&track.path, place)) {
            return usage(Failure::new("is an input; choose another name for what is written").about(place));
        }
        if places[..index].contains(place) {
            return usage(Failure::new("would be written twice; choose another name").about(place));
        }
        if place.is_dir() {
            return usage(Failure::new("is a folder; name a file").about(place));
        }
    }
    // Without a handler the drafts of a stopped run would stay; nothing else depends on it.
    let _ = ctrlc::set_handler(|| {
        place::remove_unfinished();
        std::process::exit(STOPPED);
    });
    let console = Console::new(1, args.quiet);
    match job.episode(&console) {
        Ok(()) => ExitCode::from(DONE),
        Err(failure) => {
            drop(console);
            complain(Some(failure.path().unwrap_or(&job.task.output)), &failure);
            ExitCode::from(FAILED)
        }
    }
}

impl Job<'_> {
    /// What goes with the output.
    fn sides(&self) -> Vec<PathBuf> {
        self.stems.iter().cloned().chain(self.producer.sides(&self.task)).collect()
    }

    /// All that is written, but for the report.
    fn places(&self) -> Vec<PathBuf> {
        self.sides().into_iter().chain([self.task.output.clone()]).collect()
    }

    /// Makes the episode, or tells that it is there, and writes the report.
    fn episode(&self, console: &Console) -> Result<(), Failure> {
        let again = self.archive.is_some();
        let standing = self.archive.as_ref().map(|archive| archive.standing(&self.task, self.args.overwrite, &self.sides()));
        let outcome = match standing {
            Some(Standing::Done(outcome)) => *outcome,
            Some(Standing::Other(failure)) => return Err(failure),
            Some(Standing::Open) | None => {
                let free = |place: &PathBuf, may: bool| {
                    if self.args.overwrite || may || place.symlink_metadata().is_err() { Ok(()) } else { Err(place::exists().about(place)) }
                };
                // What an interrupted run has left of its sides is no result of anybody's.
                self.sides().iter().try_for_each(|side| free(side, again))?;
                free(&self.task.output, false)?;
                self.args.report.iter().try_for_each(|report| free(report, again))?;
                let mut folders = Vec::new();
                for place in self.places() {
                    if let Some(folder) = place.parent() {
                        folders.extend(place::make_folders(folder).map_err(|failure| failure.about(&place))?);
                    }
                }
                // A panic is a mistake of the program, and becomes a line.
                let hook = std::panic::take_hook();
                std::panic::set_hook(Box::new(|_| {}));
                let made = catch_unwind(AssertUnwindSafe(|| self.make(console)));
                std::panic::set_hook(hook);
                let made = made.unwrap_or_else(|_| Err(Failure::new("made the program fail; please report this with the tracks")));
                made.inspect_err(|_| place::remove_folders(&folders))?
            }
        };
        if let Some(path) = &self.args.report {
            write_text(path, &format!("{:#}\n", Value::Object(outcome.report)), self.args.overwrite || again)
                .map_err(|failure| failure.about(path))?;
        }
        Ok(())
    }

    /// Runs work on each of these tracks, on so many threads as there are; the first failure in their order counts.
    fn each<T: Send>(&self, tracks: &[usize], work: &(dyn Fn(usize) -> Result<T, Failure> + Sync)) -> Result<Vec<T>, Failure> {
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Result<T, Failure>)>> = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.clamp(1, tracks.len().max(1)) {
                scope.spawn(|| {
                    while let Some(&track) = tracks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let broken = |_| {
                            Err(Failure::new("made the program fail; please report this with the file, and convert it to WAV meanwhile"))
                        };
                        let result = catch_unwind(AssertUnwindSafe(|| work(track))).unwrap_or_else(broken);
                        let result = result.map_err(|failure| failure.about(&self.tracks.all[track].path));
                        done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((track, result));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.sort_by_key(|(track, _)| tracks.iter().position(|known| known == track));
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// Which of the tracks are music, though nobody said so.
    fn recognised(&self, clean: &[Clean]) -> Vec<bool> {
        let asked = &self.podcast.multitrack;
        let mut recognised: Vec<bool> = clean
            .iter()
            .map(|clean| {
                let heard: Vec<&Heard> = clean.heard.iter().filter(|heard| heard.before_db > AUDIBLE_DB).collect();
                let share =
                    |of: fn(&Heard) -> f32| heard.iter().filter(|heard| of(heard) > LIKELY).count() as f64 / heard.len().max(1) as f64;
                asked.music.is_empty() && !asked.no_music && share(|heard| heard.music) > MUSIC.0 && share(|heard| heard.speech) < MUSIC.1
            })
            .collect();
        // Somebody must talk.
        if recognised.iter().all(|&music| music) {
            recognised.fill(false);
        }
        recognised
    }

    fn make(&self, console: &Console) -> Result<Outcome, Failure> {
        let start = Instant::now();
        let (tracks, output) = (&self.tracks, self.task.output.as_path());
        let all: Vec<usize> = (0..tracks.all.len()).collect();
        let expected: f64 = tracks
            .all
            .iter()
            .filter_map(|track| Some(track.info.frames? as f64 * f64::from(tracks.rate) / f64::from(track.info.rate)))
            .sum();
        let heard_so_far = AtomicU64::new(0);
        let progress = |part: usize| {
            heard_so_far.store(0, Ordering::Relaxed);
            let from = if part == 0 { 0.0 } else { PARTS[part - 1] };
            let heard_so_far = &heard_so_far;
            move |frames: u64, before: &AtomicU64| {
                let now = heard_so_far.fetch_add(frames - before.swap(frames, Ordering::Relaxed), Ordering::Relaxed);
                console.at(from + (PARTS[part] - from) * (now as f64 / expected.max(1.0)).min(1.0));
            }
        };
        // 1. Whose voice is it? Every track is heard as it was recorded.
        let told = progress(0);
        let mut raw = self.each(&all, &|track| {
            let before = AtomicU64::new(0);
            chain::hear(tracks.open(track)?, tracks.rate, output, &|frames| told(frames, &before))
        })?;
        let length = raw.iter().map(|raw| raw.frames).max().unwrap_or(0);
        if length == 0 {
            return Err(Failure::new("has tracks without sound; check the offsets"));
        }
        let named: Vec<usize> = all.iter().copied().filter(|&track| !tracks.all[track].music).collect();
        let mut ears: Vec<_> =
            raw.iter_mut().enumerate().filter(|(track, _)| !tracks.all[*track].music).map(|(_, raw)| &mut raw.ears).collect();
        let first = know::learn(&mut ears, &|_, _| 1.0)?;
        // 2. The chain, which goes by each track's own voice; levels and syllables come behind, in the mixer.
        let settings = Settings::from_values(&self.values);
        let mut alone = settings;
        for (on, stage) in alone.on.iter_mut().zip(&STAGES) {
            *on &= !matches!(stage.id, "leveller" | "compressor" | "limiter");
        }
        let told = progress(1);
        let process = |track: usize, through: bool| {
            let place = named.iter().position(|&named| named == track);
            let own = |hop: usize| place.is_some_and(|place| first.own.get(hop).is_some_and(|bits| bits >> place & 1 == 1));
            let before = AtomicU64::new(0);
            let reader = tracks.open(track)?;
            chain::clean(reader, tracks.rate, &raw[track], through.then_some(&alone), &own, output, &|frames| told(frames, &before))
        };
        let mut clean = self.each(&all, &|track| process(track, !tracks.all[track].music))?;
        let recognised = self.recognised(&clean);
        for track in all.iter().copied().filter(|&track| recognised[track]) {
            // Music passes as it came.
            clean[track] = process(track, false).map_err(|failure| failure.about(&tracks.all[track].path))?;
        }
        let roles: Vec<Role> =
            all.iter().map(|&track| if tracks.all[track].music || recognised[track] { Role::Music } else { Role::Talker }).collect();
        let talkers: Vec<usize> = all.iter().copied().filter(|&track| roles[track] == Role::Talker).collect();
        // 3. Levels and cross-talk behind the chain.
        let (known, loudness) = {
            let heard: Vec<Vec<f32>> = talkers.iter().map(|&track| clean[track].heard.iter().map(|heard| heard.speech).collect()).collect();
            let mut ears: Vec<_> =
                clean.iter_mut().enumerate().filter(|(track, _)| roles[*track] == Role::Talker).map(|(_, clean)| &mut clean.ears).collect();
            let known = know::learn(&mut ears, &|talker, hop| heard[talker].get(hop).copied().unwrap_or(0.0))?;
            let own = know::loudness(&mut ears, &known.own)?;
            let mut own = own.into_iter();
            let of = |(track, clean): (usize, &Clean)| if roles[track] == Role::Talker { own.next().flatten() } else { clean.loudness };
            let loudness: Vec<Option<f64>> = clean.iter().enumerate().map(of).collect();
            (known, loudness)
        };
        let levelled = settings.on[stage("leveller")];
        let leveller = levelled.then_some(settings.leveller);
        let trim = |(track, lufs): (usize, &Option<f64>)| {
            let (Some(lufs), Some(leveller)) = (lufs, &leveller) else { return Db(0.0) };
            let off = f64::from(leveller.target) - lufs;
            let (down, up) = match roles[track] {
                Role::Talker => (f64::from(leveller.range.0), f64::from(leveller.most.0)),
                Role::Music => (MUSIC_TRIM, MUSIC_TRIM),
            };
            Db((off.clamp(-down, up) * f64::from(leveller.amount)) as f32)
        };
        let trims: Vec<Db> = loudness.iter().enumerate().map(trim).collect();
        // 4. The mix.
        let info = self.info();
        let store = Store { depth: self.depth(), dither: self.args.dither, spend: self.spend };
        let mut drafts = Vec::new();
        let mut stems = Vec::new();
        for (track, place) in self.stems.iter().enumerate() {
            let about = |failure: Failure| failure.about(place);
            let (draft, file) = Draft::new(place).map_err(about)?;
            let format = self.args.format.unwrap_or(FileFormat::Wav);
            let depth = if format == FileFormat::Flac { Depth::I24 } else { Depth::F32 };
            let store = Store { depth, dither: self.args.dither, spend: None };
            let info = Info {
                channels: clean[track].sound.channels(),
                frames: Some(length),
                tags: Vec::new(),
                extras: Default::default(),
                ..info.clone()
            };
            stems.push((Sink::new(file, format, store, &info, place).map_err(about)?, place.clone()));
            drafts.push(draft);
        }
        let mut episode = Episode::new(self.producer, &info, output)?;
        let fine = length < LONG * u64::from(tracks.rate);
        let spectra = || Spectra::new(tracks.rate, info.channels, fine);
        let mut spectra = self.producer.tells().then(|| [spectra(), spectra()]);
        let compressor = settings.on[stage("compressor")].then_some(settings.compressor);
        let asked = Asked {
            tracks,
            roles: &roles,
            settings: multitrack::Settings {
                sharing: self.podcast.multitrack.sharing(),
                ducking: self.podcast.multitrack.ducking(),
                leveller,
                compressor,
            },
            rooms: &known.rooms,
            trims: &trims,
            limit: (settings.on[stage("limiter")]).then_some(settings.limit),
        };
        let share = |share: f64| console.at(PARTS[1] + (PARTS[2] - PARTS[1]) * share);
        let courses = mix::mix(&asked, &mut clean, &mut stems, &mut episode, spectra.as_mut(), &share)?;
        if let Some(spectra) = &mut spectra {
            spectra.iter_mut().for_each(Spectra::finish);
        }
        let mut clipped_stems = 0;
        for (sink, place) in stems {
            clipped_stems += sink.finish().map_err(|failure| failure.about(&place))?;
        }
        // 5. What an episode of one track goes through.
        let lengths: Vec<u64> = raw.iter().map(|raw| raw.frames).collect();
        let told = Told {
            tracks,
            roles: &roles,
            recognised: &recognised,
            lengths: &lengths,
            loudness: &loudness,
            trims: &trims,
            rooms: &known.rooms,
            courses: &courses,
            stages: clean.iter().map(|clean| clean.stages.clone()).collect(),
        };
        let mut warnings = self.recorded(&raw, &loudness, &roles);
        if clipped_stems > 0 {
            warnings.push(format!("has {clipped_stems} samples of tracks that were limited to full scale; write them as wav"));
        }
        let seconds = length as f64 / f64::from(tracks.rate);
        let models = (self.entry.models)(&self.values);
        let before = |part: (f64, f64)| self.read_before(part);
        let many = Many {
            name: output.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            frames: together(&raw, &clean, &roles),
            warnings,
            report: told.report(),
            before: &before,
            sections: &|page| told.page(page, seconds),
        };
        let changed = self
            .entry
            .params
            .iter()
            .zip(&self.values)
            .filter(|(param, value)| param.default_value() != **value && param.id != "limiter-on");
        let count = format!("{} tracks", tracks.all.len());
        let words = changed.fold(count, |words, (param, value)| format!("{words}, {} {}", param.name, param.format(*value)));
        let finish = Known {
            task: &self.task,
            info: &info,
            store,
            tap: &Tap::default(),
            spectra: spectra.as_ref(),
            models: &models,
            settings: &words,
            many: Some(&many),
        };
        let finished = episode.finish(&finish, &|share| console.at(PARTS[2] + (1.0 - PARTS[2]) * share))?;
        let landed = finished.landed;
        let mut warnings = finished.warnings;
        if landed.clipped > 0 {
            warnings.push(format!("{} samples were limited to full scale; turn the output down", landed.clipped));
        }
        let took = start.elapsed().as_secs_f64();
        let mut report = report::engine(self.entry, &self.values, &models);
        report.insert("inputs".into(), tracks.all.iter().map(|track| track.path.to_string_lossy().into_owned()).collect());
        report.insert("output".into(), output.to_string_lossy().into());
        report.insert("format".into(), self.format(&info, length, landed.length));
        report.insert("after".into(), report::levels(finished.after));
        report.insert("podcast".into(), finished.report.into());
        report.insert("clipped_samples".into(), landed.clipped.into());
        report.insert("processing_seconds".into(), took.into());
        report.insert("real_time_factor".into(), json!(took / seconds));
        report.insert("warnings".into(), warnings.clone().into());
        let outcome = Outcome { seconds, took, warnings, report };
        self.publish(drafts, &finished.sides, landed.draft, &outcome)?;
        for warning in &outcome.warnings {
            console.warn(&format!("warning: {}: {warning}", output.display()));
        }
        console.line(&format!(
            "{} tracks -> {} ({seconds:.1} s, {:.0} x real time)",
            tracks.all.len(),
            output.display(),
            seconds / took.max(1e-9)
        ));
        Ok(outcome)
    }

    /// Moves everything to its place, the episode last: where it is, all of it is.
    fn publish(&self, stems: Vec<Draft>, sides: &[(PathBuf, String)], episode: Draft, outcome: &Outcome) -> Result<(), Failure> {
        let mut drafts = stems;
        for (place, text) in sides {
            let write = || {
                let (draft, mut file) = Draft::new(place)?;
                std::io::Write::write_all(&mut file, text.as_bytes()).map_err(super::failure::writing)?;
                Ok(draft)
            };
            drafts.push(write().map_err(|failure: Failure| failure.about(place))?);
        }
        let again = self.args.overwrite || self.archive.is_some();
        for draft in drafts {
            let place = draft.place().to_owned();
            draft.publish(again).map_err(|failure| failure.about(&place))?;
        }
        if let Some(archive) = &self.archive {
            archive.ready(&self.task, &episode, outcome)?;
        }
        episode.publish(self.args.overwrite).map_err(|failure| failure.about(&self.task.output))
    }

    /// What the episode is: the first track's tags and chapters, where its time is the episode's.
    fn info(&self) -> Info {
        let first = &self.tracks.all[0];
        let extras = if first.offset == 0.0 { first.info.extras.clone() } else { Default::default() };
        Info {
            rate: self.tracks.rate,
            channels: self.tracks.channels(),
            frames: None,
            depth: self.depth(),
            container: "multitrack",
            mask: None,
            chunks: None,
            flac_blocks: Vec::new(),
            tags: first.info.tags.clone(),
            extras,
            warning: None,
        }
    }

    fn depth(&self) -> Depth {
        let depth = self.args.bits.unwrap_or(Depth::I24);
        if self.task.format == FileFormat::Flac && depth == Depth::F32 { Depth::I24 } else { depth }
    }

    fn format(&self, info: &Info, length: u64, after: u64) -> Value {
        json!({
            "container": info.container,
            "rate_hz": info.rate,
            "channels": info.channels,
            "samples": length,
            "seconds": length as f64 / f64::from(info.rate),
            "written": self.task.format.extension(),
            "samples_after": after,
        })
    }

    /// What should be known of the recordings.
    fn recorded(&self, raw: &[Raw], loudness: &[Option<f64>], roles: &[Role]) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, (track, raw)) in self.tracks.all.iter().zip(raw).enumerate() {
            let about = |line: &String| format!("track \"{}\" {line}", track.name);
            let findings = if roles[index] == Role::Talker { raw.findings.warnings() } else { Vec::new() };
            lines.extend(raw.warnings.iter().chain(&findings).map(about));
            if roles[index] == Role::Talker && loudness[index].is_none() {
                lines.push(about(&"has nobody who talks into it; leave it out, or name it with --music".to_owned()));
            }
        }
        lines.extend(self.tracks.remarks(&raw.iter().map(|raw| raw.frames).collect::<Vec<_>>()));
        lines
    }

    /// Reads a part of the tracks as they were recorded, added up.
    fn read_before(&self, (from, to): (f64, f64)) -> Result<Vec<Vec<f32>>, Failure> {
        let at = |seconds: f64| (seconds * f64::from(self.tracks.rate)) as usize;
        let (from, to) = (at(from), at(to));
        let mut sum = vec![vec![0.0; to - from]; self.tracks.channels()];
        for track in 0..self.tracks.all.len() {
            let mut reader = self.tracks.open(track)?;
            let mut block = vec![Vec::new(); reader.channels()];
            let mut position = 0;
            while position < to {
                // The part begins and ends with blocks.
                let most = if position < from { (from - position).min(8_192) } else { (to - position).min(8_192) };
                let got = reader.read(&mut block, most)?;
                if got == 0 {
                    break;
                }
                if position >= from {
                    let mut part: Vec<Vec<f32>> = vec![vec![0.0; got]; sum.len()];
                    multitrack::add(&slices(&block), &mut part);
                    for (sum, part) in sum.iter_mut().zip(&part) {
                        sum[position - from..].iter_mut().zip(part).for_each(|(sum, sample)| *sum += sample);
                    }
                }
                position += got;
            }
        }
        // Tracks that were recorded loud add up to more than full scale.
        let peak = sum.iter().flatten().fold(1.0_f32, |peak, sample| peak.max(sample.abs()));
        sum.iter_mut().flatten().for_each(|sample| *sample /= peak);
        Ok(sum)
    }
}

/// Place of a stage in the chain.
fn stage(id: &str) -> usize {
    STAGES.iter().position(|stage| stage.id == id).unwrap_or(0)
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

/// What was heard in all tracks as if it were one: speech where anybody speaks, and the level of whoever is nearest to
/// their own speech. So a soft talker's words count as much as a loud one's where silences are looked for.
fn together(raw: &[Raw], clean: &[Clean], roles: &[Role]) -> Vec<Heard> {
    let hops = raw.iter().map(|raw| raw.levels.len()).max().unwrap_or(0);
    let mut all = vec![Heard { before_db: -120.0, after_db: -120.0, ..Heard::default() }; hops];
    for ((raw, clean), role) in raw.iter().zip(clean).zip(roles) {
        if *role == Role::Music {
            for (all, &level) in all.iter_mut().zip(&raw.levels) {
                if level > AUDIBLE_DB {
                    (all.music, all.again[1]) = (1.0, 1.0);
                }
            }
            continue;
        }
        let own = |of: fn(&Heard) -> f32| median(clean.heard.iter().filter(|heard| heard.speech > SURE).map(of).collect());
        let up = [own(|heard| heard.before_db), own(|heard| heard.after_db)].map(|level| level.map_or(0.0, |level| SPEECH_DB - level));
        for (all, heard) in all.iter_mut().zip(&clean.heard) {
            all.speech = all.speech.max(heard.speech);
            all.music = all.music.max(heard.music);
            all.noise = all.noise.max(heard.noise);
            all.before_db = all.before_db.max(heard.before_db + up[0]);
            all.after_db = all.after_db.max(heard.after_db + up[1]);
        }
    }
    all
}
