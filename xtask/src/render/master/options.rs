//! What `render master` is asked: platform, style, references.

use crate::render::asked;
pub use crate::render::asked::Loudness;
use crate::render::failure::Failure;
use dsp_core::mastering::{Platform, Style, Weights};
use sound_files::part::Part;
use std::path::PathBuf;

/// Options of `render master` beside those of every engine.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Mastering")]
pub struct MasterArgs {
    /// Where the master goes: loudness and ceiling are the place's [default: none, -1 dBTP; -14 LUFS or down to 3 LU
    /// less where the song's peaks would be cut; with references a loudness near theirs, as its peaks bear it]
    #[arg(long, value_name = "ID", value_parser = clap::builder::PossibleValuesParser::new(platforms()))]
    pub platform: Option<String>,

    /// How it is to sound beside what measurement asks for [default: neutral]
    #[arg(long, value_name = "ID", value_parser = clap::builder::PossibleValuesParser::new(styles()))]
    pub style: Option<String>,

    /// Integrated loudness in LUFS in place of the platform's; "keep" leaves it as it is
    #[arg(long, value_name = "LUFS|keep", value_parser = asked::loudness, allow_hyphen_values = true)]
    pub loudness: Option<Loudness>,

    /// Highest true peak in dBTP in place of the platform's
    #[arg(long, value_name = "DBTP", value_parser = asked::ceiling, allow_hyphen_values = true)]
    pub ceiling: Option<f64>,

    /// Music that it is to come near to, all of a file or a part of it (song.flac:1:05-2:30); may be given many times
    #[arg(long, value_name = "FILE[:FROM-TO]")]
    pub reference: Vec<String>,

    /// How near: 1 weighs it against what the model knows, 0 leaves it out, 10 follows it closely; loudness from 0 (the platform's) to 1 (theirs), without it as the platform says or, where none is named, near theirs
    #[arg(long, value_name = "tone=1,dynamics=1,width=1,loudness=0", value_parser = weights, requires = "reference")]
    pub reference_weight: Option<Pull>,

    /// The inputs are one album: their loudness to each other stays, their tone is shared
    #[arg(long)]
    pub album: bool,

    /// Write what the album's songs share, for the plugin: there it gives one of them the same tone and place
    #[arg(long, value_name = "FILE.json", requires = "album")]
    pub album_file: Option<PathBuf>,

    /// Write what was measured, wanted and done as a page with pictures; for several inputs name a folder
    #[arg(long, value_name = "FILE.html")]
    pub page: Option<PathBuf>,

    /// Decide with the model in this folder (model.onnx and manifest.toml) in place of the built-in one
    #[arg(long, value_name = "FOLDER")]
    pub model: Option<PathBuf>,

    /// Decide nothing: the moves are those of --set and --preset, the level is left alone
    #[arg(long, conflicts_with_all = ["platform", "style", "loudness", "reference", "album", "page", "model"])]
    pub manual: bool,
}

/// How far references are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pull {
    /// As it was given; the loudness counts only where it was.
    pub weights: Weights,
    /// Something was said of the loudness.
    pub told: bool,
}

/// Largest weight of a reference.
const WEIGHT: f64 = 100.0;

fn platforms() -> Vec<&'static str> {
    Platform::all().iter().map(|platform| platform.id.as_str()).collect()
}

fn styles() -> Vec<&'static str> {
    Style::all().iter().map(|style| style.id.as_str()).collect()
}

fn weights(text: &str) -> Result<Pull, String> {
    let Pull { mut weights, mut told } = Pull::default();
    for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("\"{pair}\": write NAME=WEIGHT"))?;
        let most = if name.trim() == "loudness" { 1.0 } else { WEIGHT };
        let number = value.trim().parse::<f64>().ok().filter(|value| (0.0..=most).contains(value));
        let number = number.ok_or_else(|| format!("\"{}\" is no weight; give 0 to {most}", value.trim()))?;
        match name.trim() {
            "tone" => weights.tone = number,
            "dynamics" => weights.dynamics = number,
            "width" => weights.width = number,
            "loudness" => (weights.loudness, told) = (number, true),
            other => return Err(format!("there is no weight \"{other}\"; there are tone, dynamics, width, loudness")),
        }
    }
    Ok(Pull { weights, told })
}

/// Seconds of `1:02:03.5`, `2:03.5` or `3.5`.
fn time(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.is_empty() || parts.len() > 3 {
        return None;
    }
    parts.iter().try_fold(0.0, |sum, part| {
        let plain = !part.is_empty() && part.chars().all(|c| c.is_ascii_digit() || c == '.');
        Some(sum * 60.0 + part.parse::<f64>().ok().filter(|_| plain)?)
    })
}

/// The file of a reference and its part.
///
/// # Errors
/// When the part is empty.
pub fn reference(text: &str) -> Result<(PathBuf, Part), Failure> {
    if !PathBuf::from(text).exists() {
        for (at, _) in text.match_indices(':').filter(|(at, _)| *at > 0) {
            let Some((from, to)) = text[at + 1..].split_once('-') else { continue };
            let end = if to.is_empty() { Some(None) } else { time(to).map(Some) };
            let (Some(from), Some(to)) = (time(from), end) else { continue };
            let path = PathBuf::from(&text[..at]);
            if to.is_some_and(|to| to <= from) {
                return Err(Failure::new("the part of the reference ends before it begins; write FILE:FROM-TO").about(&path));
            }
            return Ok((path, Part { from, to }));
        }
    }
    Ok((PathBuf::from(text), Part::WHOLE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_references_are_read() {
        let of = |text| reference(text).unwrap();
        assert_eq!(of("a/b.flac"), ("a/b.flac".into(), Part::WHOLE));
        assert_eq!(of("b.flac:10-20.5"), ("b.flac".into(), Part { from: 10.0, to: Some(20.5) }));
        assert_eq!(of("b.flac:1:05-2:30"), ("b.flac".into(), Part { from: 65.0, to: Some(150.0) }));
        assert_eq!(of("C:\\b.flac:90-"), ("C:\\b.flac".into(), Part { from: 90.0, to: None }));
        assert_eq!(of("odd:name-x.wav"), ("odd:name-x.wav".into(), Part::WHOLE));
        assert!(reference("b.flac:20-10").is_err());
    }

    #[test]
    fn weights_are_read_or_refused() {
        let read = weights("tone=.5, loudness=1").unwrap();
        assert_eq!((read.weights.tone, read.weights.loudness, read.weights.width, read.told), (0.5, 1.0, 1.0, true));
        assert!(!weights("tone=.5").unwrap().told);
        for bad in ["tone", "tone=x", "tone=-1", "loudness=2", "pitch=1"] {
            assert!(weights(bad).is_err(), "{bad}");
        }
    }
}
