//! Styles: offsets to the moves that a person can read, from the table `styles.toml`.

use crate::colour::Character;
use serde::Deserialize;
use std::sync::OnceLock;

/// A style.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Style {
    /// Permanent id.
    pub id: String,
    /// Name shown.
    pub name: String,
    /// What it is, in a sentence.
    pub about: String,
    /// Share of the measured moves that is made.
    #[serde(default = "all")]
    pub amount: f64,
    /// The same for dynamics; as `amount` where it is not told.
    pub dynamics_amount: Option<f64>,
    /// Points of hertz and decibels.
    #[serde(default)]
    tone: Vec<(f64, f64)>,
    /// Decibels of the sides: low, mid, high.
    #[serde(default)]
    pub width: [f64; 3],
    /// Decibels between loud and middle passages: low, low-mid, high-mid, high.
    #[serde(default)]
    pub dynamics: [f64; 4],
    /// Saturation.
    pub colour: Option<Colour>,
}

/// Saturation of a style.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Colour {
    character: String,
    /// Drive in decibels.
    pub drive: f64,
    /// Share, 0 to 1.
    pub mix: f64,
}

impl Colour {
    /// Which curve.
    pub fn character(&self) -> Character {
        match self.character.as_str() {
            "tape" => Character::Tape,
            "transformer" => Character::Transformer,
            _ => Character::Tube,
        }
    }
}

fn all() -> f64 {
    1.0
}

#[derive(Deserialize)]
struct Table {
    style: Vec<Style>,
}

impl Style {
    /// All of them; the first is neutral.
    pub fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Style>> = OnceLock::new();
        // A test excludes a table that cannot be read.
        ALL.get_or_init(|| toml::from_str::<Table>(include_str!("styles.toml")).map(|table| table.style).unwrap_or_default())
    }

    /// The one with this id; case does not matter.
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::all().iter().find(|style| style.id.eq_ignore_ascii_case(id))
    }

    /// Offset of the tone at a frequency in hertz, decibels.
    pub fn tone_db(&self, hz: f64) -> f64 {
        along(&self.tone, hz)
    }
}

/// Value at a frequency on straight lines over octaves through points of rising frequency, held flat
/// outside; 0 without points.
pub fn along(points: &[(f64, f64)], hz: f64) -> f64 {
    let after = points.iter().position(|point| point.0 >= hz).unwrap_or(points.len());
    match (after.checked_sub(1).and_then(|before| points.get(before)), points.get(after)) {
        (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (hz / a.0).log2() / (b.0 / a.0).log2(),
        (Some(end), None) | (None, Some(end)) => end.1,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let table: Table = toml::from_str(include_str!("styles.toml")).unwrap();
        let ids: Vec<_> = table.style.iter().map(|style| style.id.as_str()).collect();
        assert_eq!(ids, ["neutral", "warm", "bright", "open", "loud", "gentle"]);
        for style in &table.style {
            assert!(style.tone.windows(2).all(|pair| pair[0].0 < pair[1].0), "{}: frequencies rise", style.id);
            assert!(style.tone.iter().all(|point| point.1.abs() <= 3.0), "{}: offsets stay small", style.id);
            assert!(style.colour.as_ref().is_none_or(|colour| ["tube", "tape", "transformer"].contains(&colour.character.as_str())));
        }
        assert_eq!(Style::find("NEUTRAL").unwrap().tone_db(1_000.0), 0.0);
    }

    #[test]
    fn lines_run_over_octaves() {
        let points = [(100.0, 0.0), (400.0, 2.0)];
        assert_eq!([50.0, 100.0, 200.0, 400.0, 900.0].map(|hz| along(&points, hz)), [0.0, 0.0, 1.0, 2.0, 2.0]);
        assert_eq!(along(&[], 3.0), 0.0);
    }
}
