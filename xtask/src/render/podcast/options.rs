//! What `render podcast` is asked beside what every engine is.

use super::cut_list::Form;
use super::silence::Wish;
use super::target::{DEFAULT, Target};
use crate::render::asked;
use crate::render::failure::Failure;
use crate::render::multitrack::options::MultitrackArgs;
use std::path::PathBuf;

/// Options of `render podcast` beside those of every engine.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Podcast")]
pub struct PodcastArgs {
    /// Where the episode goes: loudness and ceiling are the place's [default: apple-podcasts]
    #[arg(long, value_name = "ID", value_parser = clap::builder::PossibleValuesParser::new(targets()))]
    pub target: Option<String>,

    /// Integrated loudness in LUFS in place of the target's; "keep" leaves what the chain gives
    #[arg(long, value_name = "LUFS|keep", value_parser = asked::loudness, allow_hyphen_values = true)]
    pub loudness: Option<asked::Loudness>,

    /// Highest true peak in dBTP in place of the target's
    #[arg(long, value_name = "DBTP", value_parser = asked::ceiling, allow_hyphen_values = true)]
    pub ceiling: Option<f64>,

    /// Cut silences that last longer than so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = longest)]
    pub cut_silences: Option<f64>,

    /// Seconds that are left of a silence that is cut [default: 0.6]
    #[arg(long, value_name = "SECONDS", value_parser = left, requires = "cut_silences")]
    pub to: Option<f64>,

    /// Cut nothing: only list what would be cut, for an editor
    #[arg(long, requires = "cut_silences", requires = "cut_list")]
    pub mark_only: bool,

    /// Write the cuts: .json, .edl (CMX 3600), .txt (Audacity's labels) or .csv (Reaper's regions); for several inputs name a folder
    #[arg(long, value_name = "FILE", requires = "cut_silences")]
    pub cut_list: Option<PathBuf>,

    /// Form of the cut lists in a folder [default: json]
    #[arg(long, requires = "cut_list")]
    pub cut_form: Option<Form>,

    /// Write what was heard and done as a page with pictures and players; for several inputs name a folder
    #[arg(long, value_name = "FILE.html")]
    pub page: Option<PathBuf>,

    /// Several tracks that make one episode.
    #[command(flatten)]
    pub multitrack: MultitrackArgs,
}

/// What is left of a silence where nothing is said, seconds.
const LEFT: f64 = 0.6;
/// Silences that can be cut, seconds: shorter ones are speech.
const LONGEST: std::ops::RangeInclusive<f64> = 0.5..=3_600.0;
/// What can be left of them, seconds.
const TO: std::ops::RangeInclusive<f64> = 0.1..=60.0;

fn targets() -> Vec<&'static str> {
    Target::all().iter().map(|target| target.id.as_str()).collect()
}

fn longest(text: &str) -> Result<f64, String> {
    asked::number(text, LONGEST, "seconds")
}

fn left(text: &str) -> Result<f64, String> {
    asked::number(text, TO, "seconds")
}

impl PodcastArgs {
    /// The place that is asked for.
    pub fn place(&self) -> Option<&'static Target> {
        Target::find(self.target.as_deref().unwrap_or(DEFAULT))
    }

    /// What silences are to become; none where they stay.
    ///
    /// # Errors
    /// One line when more is to be left than there is.
    pub fn wish(&self) -> Result<Option<Wish>, Failure> {
        let Some(longest) = self.cut_silences else { return Ok(None) };
        let to = self.to.unwrap_or(LEFT.min(longest));
        if to > longest {
            return Err(Failure::new(format!("--to {to} leaves more than the {longest} s from which on silences are cut; give less")));
        }
        Ok(Some(Wish { longest, to }))
    }
}
