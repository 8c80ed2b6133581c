//! The table of places that take episodes.

use serde::Deserialize;
use std::sync::OnceLock;

/// The place where none is named.
pub const DEFAULT: &str = "apple-podcasts";

/// A place, from the table `targets.toml`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Target {
    /// Permanent id.
    pub id: String,
    /// Name shown.
    pub name: String,
    /// Loudness to deliver, LUFS.
    pub loudness: f64,
    /// The same for one channel, where that is another.
    pub mono: Option<f64>,
    /// Highest true peak to deliver, dBTP.
    pub ceiling: f64,
    /// Who says so.
    pub source: String,
}

#[derive(Deserialize)]
struct Table {
    target: Vec<Target>,
}

impl Target {
    /// All of them, in the table's order.
    pub fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Target>> = OnceLock::new();
        // A test excludes a table that cannot be read.
        ALL.get_or_init(|| toml::from_str::<Table>(include_str!("targets.toml")).map(|table| table.target).unwrap_or_default())
    }

    /// The one with this id.
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::all().iter().find(|target| target.id == id)
    }

    /// Loudness to deliver for so many channels, LUFS.
    pub fn loudness_of(&self, channels: usize) -> f64 {
        self.mono.filter(|_| channels == 1).unwrap_or(self.loudness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let table: Table = toml::from_str(include_str!("targets.toml")).unwrap();
        assert!(Target::find(DEFAULT).is_some());
        for (index, target) in table.target.iter().enumerate() {
            assert!(table.target[..index].iter().all(|other| other.id != target.id), "{} stands twice", target.id);
            assert!((-30.0..=-10.0).contains(&target.loudness) && (-3.0..=0.0).contains(&target.ceiling));
            assert!(!target.source.is_empty());
        }
    }
}
