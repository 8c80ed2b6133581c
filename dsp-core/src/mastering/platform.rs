//! Where masters go: loudness and ceiling, and what the place does with the level by itself.

use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// A place that plays masters, from the table `platforms.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Platform {
    /// Permanent id.
    pub id: String,
    /// Name shown.
    pub name: String,
    /// Integrated loudness to deliver, LUFS.
    pub loudness: f64,
    /// Highest true peak to deliver, dBTP.
    pub ceiling: f64,
    /// LUFS that the place turns programmes to; none where it plays what it is given.
    pub plays_at: Option<f64>,
    /// It turns soft programmes up, too.
    pub raises: bool,
    /// True peak in dBTP up to which it raises; none where peaks do not stop it.
    pub peak_room: Option<f64>,
    /// Who says so.
    pub source: String,
}

/// What a place will do with a master.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preview {
    /// The place's id.
    pub platform: String,
    /// Gain that it will apply, dB.
    pub gain_db: f64,
    /// Loudness that is heard, LUFS.
    pub plays_at_lufs: f64,
    /// In words.
    pub sentence: String,
}

#[derive(Deserialize)]
struct Table {
    platform: Vec<Platform>,
}

/// Less gain than this is none, dB.
const NOTHING_DB: f64 = 0.05;

impl Platform {
    /// All of them.
    pub fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Platform>> = OnceLock::new();
        // A test excludes a table that cannot be read.
        ALL.get_or_init(|| toml::from_str::<Table>(include_str!("platforms.toml")).map(|table| table.platform).unwrap_or_default())
    }

    /// The one with this id; case does not matter.
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::all().iter().find(|platform| platform.id.eq_ignore_ascii_case(id))
    }

    /// What it will do with a programme of this loudness (LUFS) and true peak (dBTP).
    pub fn preview(&self, loudness: f64, true_peak: f64) -> Preview {
        let wanted = self.plays_at.map_or(0.0, |level| level - loudness);
        let (gain, why) = if self.plays_at.is_none() {
            (0.0, "plays it as it is")
        } else if wanted < -NOTHING_DB {
            (wanted, "turns it down")
        } else if wanted <= NOTHING_DB {
            (0.0, "has nothing to do")
        } else if !self.raises {
            (0.0, "leaves it as soft as it is")
        } else {
            match self.peak_room.map(|room| (room - true_peak).max(0.0)) {
                Some(room) if room < wanted => (room, "turns it up as far as its peaks allow"),
                _ => (wanted, "turns it up"),
            }
        };
        let sentence = if gain.abs() > NOTHING_DB {
            format!("{} {why}: {gain:+.1} dB, to {:.1} LUFS.", self.name, loudness + gain)
        } else {
            format!("{} {why}: {loudness:.1} LUFS.", self.name)
        };
        Preview { platform: self.id.clone(), gain_db: gain, plays_at_lufs: loudness + gain, sentence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let table: Table = toml::from_str(include_str!("platforms.toml")).unwrap();
        for id in [
            "spotify",
            "spotify-loud",
            "spotify-quiet",
            "apple-music",
            "youtube",
            "tidal",
            "amazon-music",
            "deezer",
            "cd",
            "club",
            "ebu-r128",
            "atsc-a85",
            "podcast",
            "podcast-mono",
        ] {
            assert_eq!(table.platform.iter().filter(|platform| platform.id == id).count(), 1, "{id}");
        }
        for platform in &table.platform {
            assert!((-30.0..=-6.0).contains(&platform.loudness) && (-3.0..=0.0).contains(&platform.ceiling), "{}", platform.id);
            assert!(platform.source.len() > 10 && Platform::find(&platform.id.to_uppercase()).is_some(), "{}", platform.id);
        }
    }

    #[test]
    fn places_turn_down_and_some_turn_up() {
        let gain = |id: &str, loudness, peak| Platform::find(id).unwrap().preview(loudness, peak).gain_db;
        assert!((gain("spotify", -8.0, -1.0) + 6.0).abs() < 1e-9);
        assert!((gain("spotify", -20.0, -9.0) - 6.0).abs() < 1e-9);
        assert!((gain("spotify", -20.0, -4.0) - 3.0).abs() < 1e-9, "as far as its peaks allow");
        assert!((gain("spotify-loud", -20.0, -1.0) - 9.0).abs() < 1e-9);
        assert_eq!(gain("youtube", -20.0, -9.0), 0.0);
        assert_eq!(gain("club", -8.0, -1.0), 0.0);
        assert_eq!(gain("spotify", -20.0, 2.0), 0.0, "never down for a soft programme with high peaks");
    }
}
