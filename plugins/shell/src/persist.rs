//! What the editor keeps in the host's project, beside the parameters.

use crate::models::Chosen;
use dsp_core::params::Param;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Smallest window in points, at 100 % zoom.
pub const MIN_SIZE: (f32, f32) = (960.0, 560.0);
/// Window of a new instance in points, at 100 % zoom.
pub const DEFAULT_SIZE: (f32, f32) = (1020.0, 660.0);
/// Largest window in points.
pub const MAX_SIZE: (f32, f32) = (4000.0, 2600.0);
/// The zoom steps offered, as factors.
pub const ZOOMS: [f32; 7] = [0.75, 0.9, 1.0, 1.25, 1.5, 1.75, 2.0];

/// The editor's part of the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Persisted {
    /// Width and height of the window in points, before zoom.
    pub size: (f32, f32),
    /// Zoom factor, 0.75 to 2.
    pub zoom: f32,
    /// Name of the preset chosen last; empty for none.
    pub preset: String,
    /// The values of that preset, to show whether they were changed since.
    pub preset_values: Vec<f32>,
    /// True when B is heard.
    pub b: bool,
    /// The values of the side that is not heard; empty when it is as the first side was.
    pub other: Vec<f32>,
    /// Which of the product's large pictures is shown, by index.
    pub picture: usize,
    /// The model of the user's that is chosen; none for the built-in ones.
    pub model: Option<Chosen>,
    /// What else a product's editor keeps, by name.
    pub notes: BTreeMap<String, String>,
}

/// Largest note that is kept, in bytes.
const LONGEST_NOTE: usize = 1 << 16;
/// Most notes that are kept.
const MOST_NOTES: usize = 16;

impl Default for Persisted {
    fn default() -> Self {
        Self {
            size: DEFAULT_SIZE,
            zoom: 1.0,
            preset: String::new(),
            preset_values: Vec::new(),
            b: false,
            other: Vec::new(),
            picture: 0,
            model: None,
            notes: BTreeMap::new(),
        }
    }
}

impl Persisted {
    /// The same with everything in range: a state may come from anywhere.
    pub fn checked(mut self, table: &[Param]) -> Self {
        let within = |value: f32, min: f32, max: f32, default: f32| if value.is_finite() { value.clamp(min, max) } else { default };
        self.size.0 = within(self.size.0, MIN_SIZE.0, MAX_SIZE.0, DEFAULT_SIZE.0);
        self.size.1 = within(self.size.1, MIN_SIZE.1, MAX_SIZE.1, DEFAULT_SIZE.1);
        self.zoom = within(self.zoom, ZOOMS[0], ZOOMS[ZOOMS.len() - 1], 1.0);
        for values in [&mut self.preset_values, &mut self.other] {
            if values.len() != table.len() {
                values.clear();
            }
            for (value, param) in values.iter_mut().zip(table) {
                *value = param.clamp(*value);
            }
        }
        self.preset = self.preset.chars().take(200).collect();
        self.model = self.model.filter(Chosen::is_sane);
        self.notes.retain(|_, note| note.len() <= LONGEST_NOTE);
        while self.notes.len() > MOST_NOTES {
            self.notes.pop_last();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::engines::denoise::Settings;
    use dsp_core::params::FromValues;

    #[test]
    fn everything_is_brought_into_range() {
        let mad = Persisted {
            size: (f32::NAN, 1e9),
            zoom: 40.0,
            preset_values: vec![1.0],
            other: vec![f32::NAN; Settings::PARAMS.len()],
            notes: [("kept".to_owned(), "a".to_owned()), ("long".to_owned(), "b".repeat(LONGEST_NOTE + 1))].into(),
            ..Persisted::default()
        };
        let sane = mad.checked(Settings::PARAMS);
        assert_eq!(sane.size, (DEFAULT_SIZE.0, MAX_SIZE.1));
        assert_eq!(sane.zoom, 2.0);
        assert!(sane.preset_values.is_empty());
        assert_eq!(sane.notes.into_keys().collect::<Vec<_>>(), ["kept"]);
        assert_eq!(sane.other, dsp_core::params::defaults(Settings::PARAMS));
    }
}
