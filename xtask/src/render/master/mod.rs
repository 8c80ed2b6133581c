//! The mind behind `render master`: it listens to a file, decides, finds the drive, and judges what came out.
//!
//! ```text
//! analysis ─▶ proposal ─▶ moves ─▶ probe (the chain without its limiter) ─▶ drive ─▶ render ─▶ judge ─┐
//!                                                                             ▲                       │
//!                                                                             └────── not yet there ──┘
//! ```

mod chart;
mod excerpts;
mod kept;
pub mod listen;
pub mod options;
mod page;
mod session;
mod short;

use crate::render::engine::{Model, Values};
use crate::render::failure::{Failure, reading, writing};
use crate::render::job::Task;
use crate::render::place::Draft;
use dsp_core::mastering::{Adviser, Album, Platform, Profile, Proposal, Song, Style, Weights, level, share};
use dsp_core::model::{Manifest, Plan};
use listen::{Heard, Heed};
use options::{Loudness, MasterArgs};
use serde_json::{Value, json};
use sound_files::part::Part;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use kept::rest;
pub use session::{Session, Verdict, page_of};

/// Loudness without a platform, LUFS.
const LOUDNESS: f64 = -14.0;
/// Ceiling without a platform, dBTP.
const CEILING: f64 = -1.0;
/// Where weights of references are given without a platform, their loudness is weighed against this one's.
const PLATFORM: &str = "spotify";

/// Full scale, dBTP, less what meters of other makers may read over it.
const FULL_DBTP: f64 = -0.1;
/// Less than this under the usual loudness is not told, LU.
const TOLD_LU: f64 = 0.05;

/// A model from a folder.
fn adviser_in(folder: &Path) -> Result<Adviser, Failure> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|error| reading(error).about(&path))
    };
    let (text, onnx) = (read("manifest.toml")?, read("model.onnx")?);
    let text = String::from_utf8_lossy(&text);
    let plan = Plan::load(Manifest::parse(&text)?, &onnx)?;
    Ok(Adviser::new(&Arc::new(plan), &text)?)
}

/// Writes a text to a place that is free, or may be replaced.
fn write(place: &Path, text: &str, overwrite: bool) -> Result<(), Failure> {
    let (draft, mut file) = Draft::new(place)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(writing)?;
    draft.publish(overwrite)
}

/// The loudness that songs are to have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Aim {
    /// Their own.
    Keep,
    /// In LUFS.
    Of(f64),
    /// One that suits the song and the references.
    Like,
    /// In LUFS, or as much less as the song's peaks want: nobody asked for any.
    Usual(f64),
}

/// Songs of an album by their files, with the loudness of each that has one.
type Songs = HashMap<PathBuf, (Song, Option<f64>)>;

/// What holds for all files of a run.
pub struct Mind {
    style: &'static Style,
    platform: Option<&'static Platform>,
    loudness: Aim,
    ceiling: f64,
    /// A ceiling or a platform was named.
    ceiling_named: bool,
    references: Vec<(String, Profile)>,
    weights: Weights,
    adviser: Mutex<Adviser>,
    model: Model,
    /// Values that were set by hand, by their place.
    by_hand: Vec<(usize, f32)>,
    /// Songs of the album.
    album: Option<Songs>,
    allow_truncated: bool,
    /// More is measured of the output than loudness.
    detailed: bool,
}

/// How files are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Take what is there of files that are cut short.
    pub allow_truncated: bool,
    /// Files that are analysed at a time.
    pub jobs: usize,
    /// A report is asked for.
    pub report: bool,
    /// Replace files that exist.
    pub overwrite: bool,
}

impl Mind {
    /// Loads the model, hears the references and, for an album, all of it.
    ///
    /// # Errors
    /// One line when a reference cannot be used or the model does not load.
    pub fn new(args: &MasterArgs, by_hand: Vec<(usize, f32)>, tasks: &[Task], reading: Reading) -> Result<Self, Failure> {
        let style = Style::find(args.style.as_deref().unwrap_or("neutral")).ok_or_else(|| Failure::new("there is no such style"))?;
        let adviser = args.model.as_deref().map_or_else(|| Ok(Adviser::builtin()?), adviser_in)?;
        let (id, sha256) = adviser.model();
        let model = Model { id: id.to_owned(), sha256: sha256.to_owned() };
        let mut references = Vec::new();
        for text in &args.reference {
            let (path, part) = options::reference(text)?;
            let heard =
                listen::listen(&path, part, Heed::Match, reading.allow_truncated, &|_| {}).map_err(|failure| failure.about(&path))?;
            let profile = Profile::of(&heard.analyser);
            if profile.loudness.is_none() {
                return Err(Failure::new("holds nothing to be heard; choose another reference or part of it").about(&path));
            }
            references.push((text.clone(), profile));
        }
        let pull = args.reference_weight.unwrap_or_default();
        let weights = pull.weights;
        let platform = args.platform.as_deref().and_then(Platform::find);
        let own = platform.or_else(|| Platform::find(PLATFORM)).map_or(LOUDNESS, |platform| platform.loudness);
        let profiles: Vec<Profile> = references.iter().map(|(_, profile): &(String, Profile)| profile.clone()).collect();
        let loudness = match (args.loudness, level::theirs(&profiles)) {
            (Some(Loudness::Keep), _) => Aim::Keep,
            (Some(Loudness::Of(loudness)), _) => Aim::Of(loudness),
            (None, Some(theirs)) if pull.told => Aim::Of(own + (theirs - own) * weights.loudness),
            (None, Some(_)) if platform.is_none() => Aim::Like,
            (None, None) if platform.is_none() => Aim::Usual(LOUDNESS),
            (None, _) => Aim::Of(own),
        };
        let ceiling = args.ceiling.or(platform.map(|platform| platform.ceiling)).unwrap_or(CEILING);
        let mut mind = Self {
            style,
            platform,
            loudness,
            ceiling,
            ceiling_named: args.ceiling.is_some() || platform.is_some(),
            references,
            weights,
            adviser: Mutex::new(adviser),
            model,
            by_hand,
            album: None,
            allow_truncated: reading.allow_truncated,
            detailed: reading.report || args.page.is_some(),
        };
        if args.album {
            let (songs, shared) = mind.hear_album(tasks, reading.jobs);
            mind.album = Some(songs);
            if let Some(path) = &args.album_file {
                let shared = shared.ok_or_else(|| Failure::new("there is no album: nothing is heard in the inputs").about(path))?;
                write(path, &shared.to_json(), reading.overwrite).map_err(|failure| failure.about(path))?;
            }
        }
        Ok(mind)
    }

    /// The model that decides.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Hears all songs; those that cannot be read are left out, and fail when they are rendered.
    fn hear_album(&self, tasks: &[Task], jobs: usize) -> (Songs, Option<Album>) {
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, tasks.len().max(1)) {
                scope.spawn(|| {
                    while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let song = self.hear(&task.input, Heed::All, &|_| {}).and_then(|heard| {
                            let profile = Profile::of(&heard.analyser);
                            let proposal = self.propose(&profile)?;
                            Ok((task.input.clone(), Song { profile, proposal }))
                        });
                        if let Ok(song) = song {
                            found.lock().unwrap_or_else(PoisonError::into_inner).push(song);
                        }
                    }
                });
            }
        });
        let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Sums do not depend on which thread was first.
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let (paths, mut songs): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        // An album whose loudness is kept has the loudness it has; one that is to be like references has the mean of
        // what suits its songs.
        let wanted: Vec<f64> = songs.iter().filter_map(|song| self.target(&song.profile)).collect();
        let mean = wanted.iter().sum::<f64>() / wanted.len().max(1) as f64;
        let (targets, shared) = share(&mut songs, mean);
        let targets = targets.into_iter().map(|target| target.filter(|_| self.loudness != Aim::Keep));
        (paths.into_iter().zip(songs.into_iter().zip(targets)).collect(), shared)
    }

    fn hear(&self, path: &Path, heed: Heed, progress: &dyn Fn(f64)) -> Result<Heard, Failure> {
        listen::listen(path, Part::WHOLE, heed, self.allow_truncated, progress)
    }

    fn propose(&self, song: &Profile) -> Result<Proposal, Failure> {
        let advice = match song.loudness {
            Some(_) => Some(self.adviser.lock().unwrap_or_else(PoisonError::into_inner).ask(&song.features)?),
            None => None,
        };
        let references: Vec<Profile> = self.references.iter().map(|(_, profile)| profile.clone()).collect();
        Ok(Proposal::new(song, advice.as_ref(), &references, &self.weights, self.style))
    }

    /// Loudness that a song is to have, LUFS; none of silence.
    fn target(&self, song: &Profile) -> Option<f64> {
        let own = song.loudness?;
        match self.loudness {
            Aim::Keep => Some(own),
            Aim::Of(loudness) => Some(loudness),
            Aim::Usual(loudness) => level::spared(song, loudness, self.ceiling),
            Aim::Like => {
                let references: Vec<Profile> = self.references.iter().map(|(_, profile)| profile.clone()).collect();
                level::like(song, &references, self.ceiling)
            }
        }
    }

    /// Highest true peak that a song is to have, dBTP. Where its loudness is kept and no ceiling is named its peaks
    /// are kept, too, up to full scale: a finished song comes out as it is.
    fn ceiling(&self, song: &Profile) -> f64 {
        let keeps = self.loudness == Aim::Keep && !self.ceiling_named && song.loudness.is_some();
        if keeps { song.true_peak.clamp(self.ceiling, FULL_DBTP.max(self.ceiling)) } else { self.ceiling }
    }

    /// The usual loudness in LUFS, where a song is given less for its peaks' sake and `target` is what it is given.
    fn usual(&self, target: f64) -> Option<f64> {
        match self.loudness {
            Aim::Usual(loudness) if self.album.is_none() && target <= loudness - TOLD_LU => Some(loudness),
            _ => None,
        }
    }

    /// What was asked, for reports.
    fn asked(&self) -> Value {
        let weights = json!({
            "tone": self.weights.tone, "dynamics": self.weights.dynamics, "width": self.weights.width,
            "loudness": (self.loudness != Aim::Like).then_some(self.weights.loudness),
        });
        json!({
            "platform": self.platform.map(|platform| &platform.id),
            "style": self.style.id,
            "ceiling_dbtp": self.ceiling,
            "references": self.references.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "reference_weights": (!self.references.is_empty()).then_some(weights),
            "album": self.album.as_ref().map(HashMap::len),
            "set_by_hand": self.by_hand.len(),
        })
    }

    /// The values with what was set by hand in its place.
    fn with_hand(&self, mut values: Values) -> Values {
        for &(place, value) in &self.by_hand {
            values[place] = value;
        }
        values
    }
}
