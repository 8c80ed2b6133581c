//! What `render podcast` adds to the chain: silences cut, loudness exact in the finished file, reports.
//!
//! ```text
//! file ─▶ chain without its limiter ─▶ spool ─▶ cuts ─▶ gain, limiter, encoder until it is right ─▶ file
//!   │        ├─▶ tap: events, gains ───────────────┤
//!   │        └─▶ again: events behind the chain ───┤
//!   └─▶ health: clipping, hum, room ───────────────┴─▶ report, page, cut list
//! ```

mod again;
mod cut_list;
mod dips;
mod edit;
pub mod health;
mod land;
pub mod options;
pub mod page;
pub mod silence;
pub mod spool;
pub mod tap;
mod target;

use super::asked::Loudness;
use super::engine::Values;
use super::failure::Failure;
use super::job::{Ears, Task};
use super::levels;
use super::master::page_of;
use super::page::Page;
use super::sink::Store;
use super::source::{self, Info};
use super::spectra::Spectra;
use again::Again;
use cut_list::Form;
use dsp_core::dynamics::forecast::Probe;
use dsp_core::engines::podcast::Settings;
use dsp_core::params::{FromValues, index_of};
use dsp_core::processor::Format;
use dsp_core::units::Hz;
use edit::Edit;
use health::{Findings, Health};
use land::{Curve, Goal, Landed, Writing, land};
use options::PodcastArgs;
use serde_json::{Map, Value, json};
use silence::{HOP, Heard, Wish};
use spool::Spool;
use std::path::{Path, PathBuf};
pub use tap::Tap;
use target::Target;

/// What holds for all files of a run.
pub struct Producer {
    target: Option<&'static Target>,
    loudness: Option<Loudness>,
    ceiling: Option<f64>,
    wish: Option<Wish>,
    mark_only: bool,
    /// File or folder of cut lists, and their form.
    cut_list: Option<(PathBuf, Form)>,
    page: Option<PathBuf>,
    batch: bool,
    /// The limiter's switch was set by hand.
    limiter_by_hand: bool,
}

/// A finished episode that is not yet in its place.
pub struct Finished {
    /// The file.
    pub landed: Landed,
    /// Its meters.
    pub after: levels::Reading,
    /// One line each.
    pub warnings: Vec<String>,
    /// For the report.
    pub report: Map<String, Value>,
    /// Files that go with it.
    pub sides: Vec<(PathBuf, String)>,
}

impl Producer {
    /// From the command line; `batch` says that outputs are folders, `by_hand` which parameters were set.
    ///
    /// # Errors
    /// One line when it makes no sense.
    pub fn new(args: &PodcastArgs, by_hand: &[usize], batch: bool) -> Result<Self, Failure> {
        let limiter = place("limiter-on")?;
        let cut_list = match &args.cut_list {
            None => None,
            Some(path) if batch || path.is_dir() => Some((path.clone(), args.cut_form.unwrap_or(Form::Json))),
            Some(path) => Some((path.clone(), args.cut_form.map_or_else(|| Form::of(path), Ok)?)),
        };
        for path in cut_list.iter().map(|(path, _)| path).chain(&args.page) {
            if batch && path.is_file() {
                return Err(Failure::new("is a file, and several files need a folder; name a folder").about(path));
            }
        }
        Ok(Self {
            target: args.place(),
            loudness: args.loudness,
            ceiling: args.ceiling,
            wish: args.wish()?,
            mark_only: args.mark_only,
            cut_list,
            page: args.page.clone(),
            batch,
            limiter_by_hand: by_hand.contains(&limiter),
        })
    }

    /// Files that go with an output.
    pub fn sides(&self, task: &Task) -> Vec<PathBuf> {
        self.page_of(task).into_iter().chain(self.cut_list_of(task).map(|(path, _)| path)).collect()
    }

    /// A page is asked for.
    pub fn tells(&self) -> bool {
        self.page.is_some()
    }

    fn page_of(&self, task: &Task) -> Option<PathBuf> {
        self.page.as_ref().map(|page| page_of(page, &task.below, self.batch))
    }

    fn cut_list_of(&self, task: &Task) -> Option<(PathBuf, Form)> {
        let (path, form) = self.cut_list.as_ref()?;
        let file = if self.batch || path.is_dir() { path.join(&task.below).with_extension(form.ending()) } else { path.clone() };
        Some((file, *form))
    }

    fn goal(&self, channels: usize) -> Goal {
        let own = self.target.map_or(-16.0, |target| target.loudness_of(channels));
        let loudness = match self.loudness {
            Some(Loudness::Keep) => None,
            Some(Loudness::Of(loudness)) => Some(loudness),
            None => Some(own),
        };
        Goal { loudness, ceiling: self.ceiling.or(self.target.map(|target| target.ceiling)).unwrap_or(-1.0) }
    }

    /// The chain's values: its limiter is off where the last one stands behind gain and cuts.
    ///
    /// # Errors
    /// Never but by a mistake of this program.
    pub fn values(&self, mut values: Values) -> Result<Values, Failure> {
        if self.loudness != Some(Loudness::Keep) && !self.limiter_by_hand {
            values[place("limiter-on")?] = 0.0;
        }
        Ok(values)
    }
}

fn place(id: &str) -> Result<usize, Failure> {
    index_of(Settings::PARAMS, id).map_err(|error| Failure::new(error.to_string()))
}

/// One file on its way.
pub struct Episode<'a> {
    producer: &'a Producer,
    format: Format,
    spool: Spool,
    health: Health,
    before: Option<Curve>,
    probe: Option<Probe>,
    /// Where silences are looked for.
    again: Option<Again>,
    heard: u64,
    /// Levels of hops behind the chain, dBFS.
    levels: Vec<f32>,
    power: f64,
    filled: usize,
    hop: usize,
}

impl Ears for Episode<'_> {
    fn before(&mut self, block: &[&[f32]]) {
        self.health.hear(block);
        self.heard += block.first().map_or(0, |samples| samples.len()) as u64;
        if let Some(curve) = &mut self.before {
            curve.hear(block, self.heard as f64 / self.format.rate.0);
        }
    }

    fn after(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        if let Some(probe) = &mut self.probe {
            probe.process(block);
        }
        if let Some(again) = &mut self.again {
            again.hear(block);
        }
        for n in 0..block.first().map_or(0, |samples| samples.len()) {
            self.power += block.iter().map(|samples| f64::from(samples[n]).powi(2)).sum::<f64>();
            self.filled += 1;
            if self.filled == self.hop {
                let mean = self.power / (self.hop * block.len().max(1)) as f64;
                self.levels.push((10.0 * mean.max(1e-12).log10()) as f32);
                (self.power, self.filled) = (0.0, 0);
            }
        }
        self.spool.write(block)
    }
}

/// What else is known when a file has gone through the chain.
pub struct Known<'a> {
    /// What is rendered.
    pub task: &'a Task,
    /// What was read.
    pub info: &'a Info,
    /// How it is stored.
    pub store: Store,
    /// What the chain told.
    pub tap: &'a Tap,
    /// Spectra before and behind the chain, where there are any.
    pub spectra: Option<&'a [Spectra; 2]>,
    /// Ids and hashes of the models.
    pub models: &'a [super::engine::Model],
    /// Settings that differ from the defaults, in words.
    pub settings: &'a str,
    /// What stands in the place of the one chain where many tracks make the episode.
    pub many: Option<&'a Many<'a>>,
}

/// Reads a part of the tracks as they were recorded: from and to in seconds.
pub type ReadBefore<'a> = dyn Fn((f64, f64)) -> Result<Vec<Vec<f32>>, Failure> + 'a;

/// An episode of many tracks.
pub struct Many<'a> {
    /// Its name.
    pub name: String,
    /// What was heard in all tracks, by hop.
    pub frames: Vec<Heard>,
    /// What is to be known of the recordings, one line each.
    pub warnings: Vec<String>,
    /// For the report.
    pub report: Map<String, Value>,
    /// Reads what is heard as "before".
    pub before: &'a ReadBefore<'a>,
    /// Writes what the page tells of the tracks.
    pub sections: &'a dyn Fn(&mut Page),
}

impl Many<'_> {
    /// What was heard in the tracks, with a second listening to the mix.
    fn frames(&self, again: &[[f32; 2]]) -> Vec<Heard> {
        let both = |(index, frame): (usize, &Heard)| {
            let [speech, music] = again.get(index).copied().unwrap_or_default();
            Heard { again: [speech.max(frame.again[0]), music.max(frame.again[1])], ..*frame }
        };
        self.frames.iter().enumerate().map(both).collect()
    }
}

impl<'a> Episode<'a> {
    /// Before the first sample.
    ///
    /// # Errors
    /// When the disk does not take it, or the format is out of range.
    pub fn new(producer: &'a Producer, info: &Info, output: &Path) -> Result<Self, Failure> {
        let format = Format::new(Hz(f64::from(info.rate)), info.channels)?;
        let wants_probe = producer.goal(info.channels).loudness.is_some() && producer.wish.is_none();
        let seconds = info.frames.map(|frames| frames as f64 / format.rate.0);
        Ok(Self {
            producer,
            format,
            spool: Spool::new(output, info.channels).map_err(|failure| failure.about(output))?,
            health: Health::new(info.rate, info.channels),
            before: producer.page.as_ref().map(|_| Curve::new(format)).transpose()?,
            // Without a known length it listens in a pass of its own.
            probe: seconds.filter(|_| wants_probe).map(|seconds| Probe::new(format, seconds)).transpose()?,
            again: producer.wish.map(|_| Again::new(format.rate.0)).transpose()?,
            heard: 0,
            levels: Vec::new(),
            power: 0.0,
            filled: 0,
            hop: ((format.rate.0 * HOP).round() as usize).max(1),
        })
    }

    /// Behind the last sample: cuts, loudness, encoder, and what is told of it.
    ///
    /// # Errors
    /// When the disk or the encoder does not take it; nothing is left then.
    pub fn finish(mut self, known: &Known<'_>, progress: &dyn Fn(f64)) -> Result<Finished, Failure> {
        self.spool.close()?;
        let Known { task, info, .. } = *known;
        let seconds = self.spool.frames() as f64 / self.format.rate.0;
        let findings = self.health.findings();
        let again = self.again.as_ref().map_or(&[][..], Again::heard);
        let frames = match known.many {
            Some(many) => many.frames(again),
            None => known.tap.frames(self.health.levels(), &self.levels, again),
        };
        let found = self.producer.wish.map(|wish| silence::find(&frames, &wish)).unwrap_or_default();
        let edit = Edit::place(&mut self.spool, self.format.rate.0, &found)?;
        let played = if self.producer.mark_only { Edit::none(self.spool.frames()) } else { edit.clone() };
        let goal = self.producer.goal(info.channels);
        let told = tell_info(info, &played);
        let writing = Writing { place: &task.output, input: &task.input, format: task.format, store: known.store };
        let excerpt = self.producer.page.as_ref().map(|_| page::excerpt(&frames, seconds));
        let (probe, landed) = (self.probe.take(), &mut self.spool);
        let landed = land(landed, &played, &told, &goal, &writing, probe, excerpt, progress)?;
        let recorded = known.many.map_or_else(|| findings.warnings(), |many| many.warnings.clone());
        let warnings = self.warnings(recorded, &goal, &landed, told.chunks != info.chunks);
        let name = known.many.map_or_else(|| task.input.file_name().unwrap_or_default().to_string_lossy(), |many| (&many.name).into());
        let mut report = self.report(known, &goal, &landed, &findings, seconds);
        report.insert(
            "cuts".into(),
            self.producer.wish.map_or(Value::Null, |_| cut_list::json(&edit, info.rate, &name, !self.producer.mark_only)),
        );
        let mut sides = Vec::new();
        if let Some((path, form)) = self.producer.cut_list_of(task) {
            sides.push((path, form.write(&edit, info.rate, &name, !self.producer.mark_only)));
        }
        if let (Some(path), Some(excerpt)) = (self.producer.page_of(task), excerpt) {
            let before = match known.many {
                Some(many) => page::player(&(many.before)(excerpt)?, info.rate)?,
                None => page::before_player(&task.input, info, excerpt)?,
            };
            let story = page::Story {
                title: &name,
                target: self.producer.target.filter(|_| self.producer.loudness.is_none()),
                goal: &goal,
                seconds,
                curve: self.before.as_ref(),
                landed: &landed,
                edit: &edit,
                made: !self.producer.mark_only,
                tap: known.tap,
                spectra: known.spectra,
                models: known.models,
                settings: known.settings,
                warnings: &warnings,
                rate: info.rate,
                before,
                excerpt,
                many: known.many,
            };
            sides.push((path, page::write(&story)?));
        }
        let reading = &landed.reading;
        let after = levels::Reading { rms_dbfs: landed.levels.rms_dbfs, peak_dbfs: reading.sample_peak, loudness_lufs: reading.integrated };
        Ok(Finished { landed, after, warnings, report, sides })
    }

    fn warnings(&self, recorded: Vec<String>, goal: &Goal, landed: &Landed, points_left_out: bool) -> Vec<String> {
        let mut lines = recorded;
        if let Some(asked) = goal.loudness {
            match landed.reading.integrated {
                None => lines.push("holds nothing to be heard; its level is left as it is".into()),
                Some(reached) if landed.short || (reached - asked).abs() > 0.1 => lines.push(format!(
                    "came to {reached:.1} LUFS under {:.1} dBTP where {asked:.1} are asked for; raise the ceiling or ask for less",
                    goal.ceiling
                )),
                Some(_) => {}
            }
            if let Some(peak) = landed.reading.true_peak.filter(|peak| *peak > goal.ceiling) {
                lines.push(format!("has a true peak of {peak:.2} dBTP over the ceiling of {:.1}; ask for a lower one", goal.ceiling));
            }
        }
        if points_left_out {
            lines.push("was cut: its cue points and loops were left out, since they would point elsewhere".into());
        }
        lines
    }

    fn report(&self, known: &Known<'_>, goal: &Goal, landed: &Landed, findings: &Findings, seconds: f64) -> Map<String, Value> {
        let rounded = |value: Option<f64>| value.map(|value| (value * 1_000.0).round() / 1_000.0);
        let db = |value: f32| (f64::from(value) * 100.0).round() / 100.0;
        let mut report = Map::new();
        report.insert("target".into(), json!(self.producer.target.filter(|_| goal.loudness.is_some()).map(|target| &target.id)));
        report.insert(
            "loudness".into(),
            json!({
                "asked_lufs": rounded(goal.loudness),
                "after_lufs": rounded(landed.reading.integrated),
                "range_after_lu": rounded(landed.reading.range),
                "ceiling_dbtp": rounded(goal.loudness.map(|_| goal.ceiling)),
                "true_peak_after_dbtp": rounded(landed.reading.true_peak),
                "measured": if known.task.format.is_lossy() { "decoded file" } else { "stored samples" },
                "gain_db": rounded(Some(landed.gain_db)),
                "limiter_ceiling_dbtp": rounded(goal.loudness.map(|_| landed.limiter_ceiling)),
                "limiter_mean_reduction_db": rounded(Some(landed.reduction.0)),
                "limiter_deep_reduction_db": rounded(Some(landed.reduction.1)),
                "encoder_peaks_turned_down": landed.dips.0,
                "encoder_peaks_deepest_db": rounded(Some(landed.dips.1)),
                "passes": landed.tries.len(),
                "files": landed.tries.iter().map(|(lufs, dbtp)| json!([rounded(Some(*lufs)), rounded(Some(*dbtp))])).collect::<Vec<_>>(),
            }),
        );
        if let Some(many) = known.many {
            report.extend(many.report.clone());
            return report;
        }
        let stages = known
            .tap
            .totals()
            .into_iter()
            .map(|(id, mean, lowest)| json!({"id": id, "mean_gain_db": db(mean), "lowest_gain_db": db(lowest)}));
        report.insert("stages".into(), stages.collect());
        report.insert("stepped_back".into(), json!(rounded(Some(known.tap.stepped_back()))));
        let kinds = ["speech", "music", "noise"];
        let spans = kinds.iter().zip(known.tap.events(seconds)).flat_map(|(kind, spans)| {
            spans
                .into_iter()
                .map(move |span| json!({"kind": kind, "start_seconds": rounded(Some(span.start)), "end_seconds": rounded(Some(span.end))}))
        });
        report.insert("heard".into(), spans.collect());
        report.insert(
            "source".into(),
            json!({
                "clipped_tops": findings.clipped_tops,
                "hum_hz": findings.hum.map(|(hz, _)| hz),
                "hum_over_surroundings_db": rounded(findings.hum.map(|(_, db)| db)),
                "reverberation_seconds": rounded(findings.reverberation),
            }),
        );
        report
    }
}

/// What is told to the writer of the output: chapters where they are when parts are gone.
fn tell_info(info: &Info, edit: &Edit) -> Info {
    let mut info = info.clone();
    info.frames = Some(edit.length());
    if edit.cuts.is_empty() {
        return info;
    }
    let rate = f64::from(info.rate);
    let moved = |seconds: f64| edit.place_of((seconds.max(0.0) * rate).round() as u64) as f64 / rate;
    for chapter in &mut info.extras.chapters {
        (chapter.start, chapter.end) = (moved(chapter.start), chapter.end.map(moved));
    }
    let chapters = info.extras.chapter_comments();
    for block in &mut info.flac_blocks {
        if let flac_codec::metadata::Block::VorbisComment(comment) = block {
            comment.fields.retain(|field| !field.to_ascii_uppercase().starts_with("CHAPTER"));
            comment.fields.extend(chapters.iter().map(|(name, text)| format!("{name}={text}")));
        }
    }
    info.flac_blocks.retain(|block| !matches!(block, flac_codec::metadata::Block::Cuesheet(_)));
    if let Some((before, after)) = &mut info.chunks {
        // Marks, loops and instruments count samples.
        let points = |id: &[u8; 4]| matches!(id, b"cue " | b"smpl" | b"plst" | b"inst");
        before.retain(|chunk| !points(&chunk.id));
        after.retain(|chunk| !points(&chunk.id));
    }
    info
}

/// Reads an excerpt of a file: from and to in seconds.
fn read_part(path: &Path, info: &Info, part: (f64, f64)) -> Result<Vec<Vec<f32>>, Failure> {
    /// Samples of one channel that are decoded at a time.
    const BLOCK: usize = 8_192;
    let mut file = source::open(path, true)?;
    let at = |seconds: f64| (seconds * f64::from(info.rate)) as u64;
    let (from, to) = (at(part.0), at(part.1));
    let mut block = vec![Vec::with_capacity(BLOCK); info.channels];
    let mut kept = vec![Vec::new(); info.channels];
    let mut position = 0_u64;
    while position < to {
        let frames = file.read(&mut block, BLOCK)? as u64;
        if frames == 0 {
            break;
        }
        let first = from.saturating_sub(position).min(frames) as usize;
        let last = (to - position).min(frames) as usize;
        for (kept, samples) in kept.iter_mut().zip(&block) {
            kept.extend(samples[first..last].iter().map(|&sample| if sample.is_finite() { sample } else { 0.0 }));
        }
        position += frames;
    }
    Ok(kept)
}
