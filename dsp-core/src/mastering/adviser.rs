//! The model that knows how finished music is balanced: features in, moves with their spread out.

use super::profile::{DYNAMICS, REGIONS};
use crate::analysis::{self, Analyser};
use crate::model::{self, Plan, Runner};
use crate::processor::Error;
use serde::Deserialize;
use std::sync::Arc;

/// Id of the model, and what it is for.
pub const MODEL: &str = "master";
/// Most that an answer is taken for, dB: what is more is an error of the model.
const MOST_DB: f64 = 24.0;
/// Least spread that is believed, dB.
const LEAST_SPREAD_DB: f64 = 0.05;

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Subject {
    /// Gain of the equaliser at a frequency in hertz.
    Tone(f64),
    /// Sides of a region, by its index in [`REGIONS`].
    Width(usize),
    /// Loud over middle passages of a band, by its index in [`DYNAMICS`].
    Dynamics(usize),
}

/// One answer: a difference that is to be attained, in decibels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// What it is about.
    pub subject: Subject,
    /// The difference.
    pub mean: f64,
    /// Its standard deviation.
    pub spread: f64,
    /// Standard deviation between songs of one album, where the manifest tells it.
    pub album: Option<f64>,
}

/// Where a kind of moves has a confidence of one half; see [`super::Confidence`].
pub type Evidence = f64;

/// What a manifest says of one move.
#[derive(Clone, Debug, Deserialize)]
struct Described {
    name: String,
    #[serde(default)]
    album: Option<f64>,
    #[serde(default)]
    evidence: Option<Evidence>,
}

/// What a manifest of this task says beside the usual.
#[derive(Clone, Debug, Deserialize)]
struct Extra {
    features_version: u32,
    moves: Vec<Described>,
}

/// The answers to one song.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advice {
    /// In the model's order.
    pub answers: Vec<Answer>,
    /// Evidence at which a kind of moves (tone, width, dynamics) is half believed, where the model tells.
    pub evidence: [Option<Evidence>; 3],
}

/// A model ready to be asked. Never on the audio thread: it allocates.
#[derive(Debug)]
pub struct Adviser {
    runner: Runner,
    described: Vec<(Subject, Option<f64>)>,
    evidence: [Option<Evidence>; 3],
    id: String,
    sha256: String,
}

impl Subject {
    /// From a name as in the manifest: `tone.63`, `width.low`, `dynamics.highmid`.
    fn parse(name: &str) -> Option<Self> {
        let (kind, of) = name.split_once('.')?;
        let find = |names: &[&str]| names.iter().position(|known| known.replace('-', "") == of.replace('-', ""));
        match kind {
            "tone" => of.parse().ok().filter(|hz: &f64| (1.0..=100_000.0).contains(hz)).map(Self::Tone),
            "width" => find(&REGIONS).map(Self::Width),
            "dynamics" => find(&DYNAMICS).map(Self::Dynamics),
            _ => None,
        }
    }

    /// Index of the kind: tone, width, dynamics.
    fn kind(self) -> usize {
        match self {
            Self::Tone(_) => 0,
            Self::Width(_) => 1,
            Self::Dynamics(_) => 2,
        }
    }
}

impl Adviser {
    /// The model in the binary. Takes some milliseconds.
    ///
    /// # Errors
    /// [`Error::Model`] when there is none or it does not fit.
    pub fn builtin() -> Result<Self, Error> {
        let embedded = model::embedded(MODEL)?;
        Self::new(&embedded.plan()?, embedded.manifest_text())
    }

    /// A model with the text of its manifest.
    ///
    /// # Errors
    /// [`Error::Model`] with what does not fit.
    pub fn new(plan: &Arc<Plan>, manifest: &str) -> Result<Self, Error> {
        let usual = plan.manifest();
        let refuse = |reason: String| Error::Model { id: usual.id.clone(), reason };
        let extra: Extra = toml::from_str(manifest).map_err(|e| refuse(format!("manifest: {}", e.message())))?;
        if extra.features_version != analysis::VERSION {
            let (own, wanted) = (analysis::VERSION, extra.features_version);
            return Err(refuse(format!("it was trained on features of version {wanted}, this program has {own}; train it again")));
        }
        let count = extra.moves.len();
        usual.fits(MODEL, &[("features", &[1, Analyser::table().len()])], &[("moves", &[1, count]), ("spread", &[1, count])])?;
        let mut described = Vec::new();
        let mut evidence = [None; 3];
        for known in &extra.moves {
            let subject = Subject::parse(&known.name).ok_or_else(|| {
                refuse(format!("the move \"{}\" is not known; there are tone.<hertz>, width.<region>, dynamics.<band>", known.name))
            })?;
            let slot = &mut evidence[subject.kind()];
            *slot = slot.or(known.evidence.filter(|evidence| *evidence > 0.0));
            described.push((subject, known.album.filter(|album| *album > 0.0)));
        }
        Ok(Self { runner: Runner::new(plan)?, described, evidence, id: usual.id.clone(), sha256: plan.part().sha256.clone() })
    }

    /// Id and hash of the model, for reports.
    pub fn model(&self) -> (&str, &str) {
        (&self.id, &self.sha256)
    }

    /// What it says to a song's features, in the order of [`Analyser::table`].
    ///
    /// # Errors
    /// [`Error::Model`] when it gives no answer.
    pub fn ask(&mut self, features: &[f32]) -> Result<Advice, Error> {
        let count = self.described.len();
        let (mut moves, mut spreads) = (vec![0.0; count], vec![0.0; count]);
        if features.len() != Analyser::table().len() || !self.runner.step(&[features], &mut [&mut moves, &mut spreads]) {
            let reason = "gave no answer for this song; please report it with the file".into();
            return Err(Error::Model { id: self.id.clone(), reason });
        }
        let answers = self.described.iter().zip(moves.iter().zip(&spreads)).map(|(&(subject, album), (&mean, &spread))| Answer {
            subject,
            mean: f64::from(mean).clamp(-MOST_DB, MOST_DB),
            spread: f64::from(spread).max(LEAST_SPREAD_DB),
            album,
        });
        Ok(Advice { answers: answers.collect(), evidence: self.evidence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_moved() {
        assert_eq!(Subject::parse("tone.1250"), Some(Subject::Tone(1_250.0)));
        assert_eq!(Subject::parse("width.mid"), Some(Subject::Width(1)));
        assert_eq!(Subject::parse("dynamics.highmid"), Some(Subject::Dynamics(2)));
        assert_eq!(Subject::parse("dynamics.low-mid"), Some(Subject::Dynamics(1)));
        for name in ["tone.x", "tone.-5", "width.top", "loudness", "gain.3"] {
            assert_eq!(Subject::parse(name), None, "{name}");
        }
    }
}
