//! One file's way from what is heard to a master that is what was asked for.

use super::Mind;
use super::excerpts::Excerpts;
use super::kept::Kept;
use super::listen::Heed;
use super::page::{self, Story};
use super::short::ShortMeter;
use crate::render::engine::Values;
use crate::render::failure::Failure;
use crate::render::source;
use dsp_core::analysis::Analyser;
use dsp_core::dynamics::forecast::{Probe, Solution};
use dsp_core::dynamics::limiter::Limit;
use dsp_core::engines::master::{Listen, MasterMoves};
use dsp_core::loudness::{Meter, Reading};
use dsp_core::mastering::{
    Aims, BANDS, DRIVE_DB, Explanation, Goal, Platform, Preview, Profile, Proposal, Stages, explain, moves, remarks,
};
use dsp_core::params::{FromValues, index_of};
use dsp_core::processor::Format;
use dsp_core::units::Db;
use serde_json::{Map, Value, json};
use sound_files::part::BLOCK;
use std::path::Path;

/// Loudness nearer than this to what was asked for is there, LU: less than the 0.1 that is promised.
const THERE_LU: f64 = 0.07;
/// The ceiling is lowered by the excess of a pass and this, dB.
const STEP_DB: f64 = 0.02;
/// Most passes that render.
const PASSES: usize = 4;
/// Most looks at what the chain makes of cut-outs of a song before its limiter.
const LOOKS: usize = 1;
/// Shares of the work: hearing, probing; the rest is rendering.
const HEARING: f64 = 0.1;
const PROBING: f64 = 0.45;
/// A gain under this is a silent limiter's, dB.
const AT_REST_DB: f64 = 0.01;

/// What is to be done after a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what was asked for, or as near as it gets.
    Done,
    /// Once more, with the values as they are now.
    Again,
}

/// One file.
pub struct Session<'a> {
    mind: &'a Mind,
    song: Profile,
    proposal: Proposal,
    values: Values,
    /// Loudness to reach, LUFS; none leaves the drive as it stands.
    target: Option<f64>,
    /// Added to the target for what forecasts are off by.
    correction: f64,
    probe: Option<Probe>,
    /// What comes to the limiter, where that is known and a pass need not tell of the stages before it.
    kept: Option<Kept>,
    /// Gain between what the probe heard and the drive, dB.
    before: f32,
    solution: Option<Solution>,
    passes: usize,
    meter: Meter,
    short: ShortMeter,
    /// Of the output, where more than loudness is told of it.
    analyser: Option<Analyser>,
    reading: Reading,
}

/// Places of the parameters that are solved for.
fn place(id: &str) -> Result<usize, Failure> {
    index_of(MasterMoves::PARAMS, id).map_err(|error| Failure::new(error.to_string()))
}

impl<'a> Session<'a> {
    /// Hears a file and decides; `progress` is told the share of all work that is done.
    ///
    /// # Errors
    /// When the file cannot be read or the model gives no answer.
    pub fn new(mind: &'a Mind, path: &Path, format: Format, progress: &dyn Fn(f64)) -> Result<Self, Failure> {
        let known = mind.album.as_ref().and_then(|album| album.get(path));
        let (song, raw, excerpts, proposal, target) = match known {
            Some((song, target)) => (song.profile.clone(), None, None, song.proposal.clone(), target.or(song.profile.loudness)),
            None => {
                let heard = mind.hear(path, Heed::Song, &|share| progress(HEARING * share))?;
                let song = Profile::of(&heard.analyser);
                let proposal = mind.propose(&song)?;
                let target = mind.target(&song);
                (song, heard.probe, heard.excerpts, proposal, target)
            }
        };
        // Of silence there is nothing to decide.
        let target = target.filter(|_| song.loudness.is_some());
        let mut aims = Aims::of(&proposal);
        let decide = |aims: &Aims| mind.with_hand(moves(&song, &proposal, aims, mind.style, target, mind.ceiling(&song)).to_values());
        let values = decide(&aims);
        let drive = place("limiter-drive")?;
        let solves = |values: &Values| {
            let moves = MasterMoves::from_values(values);
            moves.limiter_on && !moves.bypass && !mind.by_hand.iter().any(|(place, _)| *place == drive)
        };
        let wanted = target.filter(|_| solves(&values));
        let probed = |share: f64| progress(HEARING + (PROBING - HEARING) * share);
        let (mut values, mut probe, mut before, mut kept) = (values, None, 0.0, None);
        let first = MasterMoves::from_values(&values);
        if let Some(raw) = raw.filter(|_| Stages::are_neutral(&first)) {
            // Nothing but a gain is between the song and the limiter, so it was heard already.
            (probe, before) = (Some(raw), first.input.0);
        } else if target.is_some() && !first.bypass {
            // An equaliser does what is asked of it; what else moves must be heard.
            let surprises = first.dynamics.on || first.colour.on || first.stereo_on && !first.stereo.is_neutral();
            let excerpts = match excerpts {
                None if surprises => Excerpts::read(path, mind.allow_truncated)?,
                given => given.filter(|_| surprises),
            };
            for _ in 0..LOOKS {
                let Some(excerpts) = &excerpts else { break };
                let [before, after] = excerpts.look(format, &MasterMoves::from_values(&values))?;
                if !aims.refine(&before, &proposal, &after) {
                    break;
                }
                values = decide(&aims);
            }
            drop(excerpts);
            let (found, audio) = look_ahead(mind, path, format, &MasterMoves::from_values(&values), song.seconds, &probed)?;
            (probe, kept) = (Some(found), audio);
        }
        let mut session = Self {
            mind,
            song,
            proposal,
            values,
            target: wanted,
            correction: 0.0,
            probe,
            kept,
            before,
            solution: None,
            passes: 0,
            meter: Meter::new(format)?.without_image(),
            short: ShortMeter::new(format.channels),
            analyser: mind.detailed.then(|| Analyser::for_matching(format)).transpose()?,
            reading: Reading::default(),
        };
        session.solve()?;
        Ok(session)
    }

    /// The values to render with.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// What comes to the limiter, where that is kept and a pass of the limiter makes the master of it.
    pub fn kept(&self) -> Option<&Kept> {
        let moves = MasterMoves::from_values(&self.values);
        self.kept.as_ref().filter(|_| moves.listen == Listen::Master && !moves.matched && !moves.bypass)
    }

    /// Share of all work that is done when a pass has done this share of itself.
    pub fn progress(&self, pass: f64) -> f64 {
        // Another pass is seldom, and goes on in what is left.
        let left = (1.0 - PROBING) * 0.05_f64.powi(self.passes as i32);
        1.0 - left + left * if self.passes == 0 { 0.95 } else { 1.0 } * pass
    }

    fn limit(&self) -> Limit {
        MasterMoves::from_values(&self.values).limit
    }

    /// Finds the drive for the target.
    fn solve(&mut self) -> Result<(), Failure> {
        let (Some(probe), Some(target)) = (&self.probe, self.target) else { return Ok(()) };
        let range = (Db(DRIVE_DB.0.0 + self.before), Db(DRIVE_DB.1.0 + self.before));
        self.solution = probe.solve(&self.limit(), target + self.correction, range);
        if let Some(solution) = self.solution {
            self.values[place("limiter-drive")?] = solution.drive.0 - self.before;
        }
        Ok(())
    }

    /// Before a pass.
    pub fn begin(&mut self) {
        self.meter.reset();
        self.short.reset();
        if let Some(analyser) = &mut self.analyser {
            analyser.reset();
        }
    }

    /// Hears what came out.
    pub fn hear(&mut self, audio: &[&[f32]]) {
        self.meter.process(audio);
        self.short.process(audio);
        if let Some(analyser) = &mut self.analyser {
            analyser.process(audio);
        }
    }

    /// After a pass: whether it is what was asked for.
    ///
    /// # Errors
    /// Never but by a mistake of this program.
    pub fn judge(&mut self) -> Result<Verdict, Failure> {
        self.passes += 1;
        self.reading = self.meter.reading();
        let (Some(target), Some(solution)) = (self.target, self.solution) else { return Ok(Verdict::Done) };
        let (Some(reached), Some(peak)) = (self.reading.integrated, self.reading.true_peak) else { return Ok(Verdict::Done) };
        if self.passes >= PASSES {
            return Ok(Verdict::Done);
        }
        let over = peak.max(self.short.peak_db()) - self.mind.ceiling(&self.song);
        let off = target - reached;
        let ceiling = place("limiter-ceiling")?;
        // A ceiling set by hand is the hand's.
        let too_high = over > 0.0 && !self.mind.by_hand.iter().any(|(place, _)| *place == ceiling);
        if !too_high && (off.abs() <= THERE_LU || !solution.reached) {
            return Ok(Verdict::Done);
        }
        if too_high {
            self.values[ceiling] -= (over + STEP_DB) as f32;
        }
        self.correction += off;
        self.solve()?;
        Ok(Verdict::Again)
    }

    /// Loudness of the file and of what came out, LUFS.
    pub fn loudness(&self) -> [Option<f64>; 2] {
        [self.song.loudness, self.reading.integrated]
    }

    /// What the limiter did, as forecast for the drive that was used.
    fn goal(&self) -> Option<Goal> {
        let moves = MasterMoves::from_values(&self.values);
        let forecast = self.probe.as_ref().and_then(|probe| probe.forecast(&moves.limit, Db(moves.limiter_drive.0 + self.before)));
        let reduction = forecast.map_or((0.0, 0.0), |forecast| (forecast.mean_reduction.max(0.0), forecast.deep_reduction.max(0.0)));
        let target = self.target?;
        Some(Goal {
            usual: self.mind.usual(target),
            loudness: target,
            ceiling: self.mind.ceiling(&self.song),
            reached: self.reading.integrated?,
            true_peak: self.reading.true_peak?,
            reduction: if reduction.1 < AT_REST_DB { (0.0, 0.0) } else { reduction },
        })
    }

    /// What a person should know: a line each.
    pub fn remarks(&self) -> Vec<String> {
        let mut lines = remarks(&self.song);
        lines.extend(self.goal().iter().flat_map(Goal::remarks));
        if self.mind.platform.is_some_and(|platform| platform.id == "podcast-mono") && self.song.channels != 1 {
            lines.push(format!("has {} channels; the loudness of podcast-mono is meant for one, use podcast", self.song.channels));
        }
        lines
    }

    fn told(&self) -> Vec<Explanation> {
        let moves = MasterMoves::from_values(&self.values);
        let mut told = explain(&self.proposal, &moves, self.mind.style);
        told.extend(self.goal().map(|goal| goal.explain(&self.song)));
        told
    }

    /// What platforms will do with the master.
    fn previews(&self) -> Vec<Preview> {
        let (Some(loudness), Some(peak)) = (self.reading.integrated, self.reading.true_peak) else { return Vec::new() };
        Platform::all().iter().filter(|platform| platform.plays_at.is_some()).map(|platform| platform.preview(loudness, peak)).collect()
    }

    /// The output as it was measured; none where nobody asked.
    fn after(&self) -> Option<Profile> {
        // What the meter reads need not be measured twice.
        let analyser = self.analyser.as_ref()?;
        let (range, peak) = (self.reading.range.unwrap_or(0.0), self.reading.true_peak.unwrap_or(f64::NEG_INFINITY));
        Some(Profile { range, true_peak: peak, ..Profile::of(analyser) })
    }

    /// The part of the report that is the mind's.
    pub fn report(&self) -> Map<String, Value> {
        let after = self.after();
        let rounded = |value: Option<f64>| value.map(|value| (value * 1_000.0).round() / 1_000.0);
        let goal = self.goal();
        let mut report = Map::new();
        report.insert("asked".into(), self.mind.asked());
        report.insert(
            "loudness".into(),
            json!({
                "before_lufs": rounded(self.song.loudness),
                "asked_lufs": rounded(self.target),
                "usual_lufs": rounded(self.target.and_then(|target| self.mind.usual(target))),
                "after_lufs": rounded(self.reading.integrated),
                "range_before_lu": rounded(Some(self.song.range)),
                "range_after_lu": rounded(self.reading.range),
                "true_peak_before_dbtp": rounded(Some(self.song.true_peak)),
                "ceiling_dbtp": rounded(Some(self.mind.ceiling(&self.song))),
                "true_peak_after_dbtp": rounded(self.reading.true_peak),
                "limiter_mean_reduction_db": rounded(goal.map(|goal| goal.reduction.0)),
                "limiter_deep_reduction_db": rounded(goal.map(|goal| goal.reduction.1)),
                "passes": self.passes,
            }),
        );
        report.insert("moves".into(), json!(self.told()));
        report.insert("platforms".into(), json!(self.previews()));
        if let Some(after) = &after {
            report.insert("spectrum_moved_db".into(), json!(rounded(Some(moved(&self.song, after)))));
            report.insert("thirds_before_db".into(), json!(self.song.thirds.map(|db| rounded(Some(db)))));
            report.insert("thirds_target_db".into(), json!(self.proposal.tone.map(|wish| rounded(Some(wish.target())))));
            report.insert("thirds_after_db".into(), json!(after.thirds.map(|db| rounded(Some(db)))));
        }
        report
    }

    /// The page.
    pub fn page(&self, title: &str) -> String {
        let after = self.after();
        let model = &self.mind.model;
        page::write(&Story {
            title,
            asked: self.mind.platform.map_or("", |platform| platform.name.as_str()),
            style: self.mind.style,
            references: &self.mind.references,
            song: &self.song,
            after: after.as_ref().unwrap_or(&self.song),
            proposal: &self.proposal,
            moves: &MasterMoves::from_values(&self.values),
            goal: self.goal(),
            told: &self.told(),
            remarks: &self.remarks(),
            previews: &self.previews(),
            model: (&model.id, &model.sha256),
        })
    }
}

/// Runs the stages before the limiter over a file of about `seconds`; gives what comes to the limiter, for
/// forecasts and for itself.
fn look_ahead(
    mind: &Mind,
    path: &Path,
    format: Format,
    moves: &MasterMoves,
    seconds: f64,
    progress: &dyn Fn(f64),
) -> Result<(Probe, Option<Kept>), Failure> {
    let mut stages = Stages::new(format, moves)?;
    let mut source = source::open(path, mind.allow_truncated)?;
    let total = source.info().frames;
    let mut probe = Probe::new(format, seconds)?;
    let mut audio_kept = if mind.detailed { None } else { Kept::begin(source.info()) };
    let mut block: Vec<Vec<f32>> = vec![Vec::with_capacity(BLOCK); format.channels];
    let (mut skip, mut read) = (stages.latency(), 0_u64);
    let mut tail = skip;
    loop {
        let mut frames = source.read(&mut block, BLOCK)?;
        read += frames as u64;
        if frames == 0 {
            // Silence pushes out what the stages still hold.
            frames = tail.min(BLOCK);
            tail -= frames;
            block.iter_mut().for_each(|samples| {
                samples.clear();
                samples.resize(frames, 0.0);
            });
        }
        if frames == 0 {
            break;
        }
        // What is no number is for the pass over the file to tell.
        if block.iter().flatten().any(|sample| !sample.is_finite()) {
            audio_kept = None;
        }
        let mut audio: Vec<&mut [f32]> = block.iter_mut().map(Vec::as_mut_slice).collect();
        stages.process(&mut audio);
        let first = skip.min(frames);
        skip -= first;
        let ready: Vec<&[f32]> = block.iter().map(|samples| &samples[first..frames]).collect();
        probe.process(&ready);
        for (kept, ready) in audio_kept.iter_mut().flatten().zip(&ready) {
            kept.extend_from_slice(ready);
        }
        if let Some(length) = total.filter(|&length| length > 0) {
            progress((read as f64 / length as f64).min(1.0));
        }
    }
    let kept = audio_kept.map(|audio| Kept::new(source.as_ref(), audio));
    Ok((probe, kept))
}

/// How far the spectrum was moved: root of the mean square over the thirds that the song has, without the
/// change of level, dB.
fn moved(before: &Profile, after: &Profile) -> f64 {
    let present = |third: &usize| before.thirds[*third] > -70.0;
    let differences: Vec<f64> = (0..BANDS).filter(present).map(|third| after.thirds[third] - before.thirds[third]).collect();
    let count = differences.len().max(1) as f64;
    let mean = differences.iter().sum::<f64>() / count;
    (differences.iter().map(|difference| (difference - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// The file of a page: in a folder it stands where its output stands below the outputs' folder.
pub fn page_of(page: &Path, below: &Path, batch: bool) -> std::path::PathBuf {
    if batch || page.is_dir() { page.join(below).with_extension("html") } else { page.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_stand_where_they_are_named() {
        assert_eq!(page_of(Path::new("p.html"), Path::new("a.wav"), false), Path::new("p.html"));
        assert_eq!(page_of(Path::new("pages"), Path::new("one/a.wav"), true), Path::new("pages/one/a.html"));
    }
}
