//! What a user can set on the meter, declared once.

use crate::mastering::Platform;
use crate::params::{self, FromValues, Kind, Param, Unit};

/// The places of the tracked table ([`Platform::all`]) by id and name, after a target of one's own. A test
/// holds this list to the table. Ids are permanent.
pub const PLACES: &[(&str, &str)] = &[
    ("custom", "Custom"),
    ("spotify", "Spotify"),
    ("spotify-loud", "Spotify, Loud"),
    ("spotify-quiet", "Spotify, Quiet"),
    ("apple-music", "Apple Music"),
    ("youtube", "YouTube"),
    ("tidal", "Tidal"),
    ("amazon-music", "Amazon Music"),
    ("deezer", "Deezer"),
    ("cd", "Compact disc"),
    ("club", "Club"),
    ("ebu-r128", "EBU R 128"),
    ("atsc-a85", "ATSC A/85"),
    ("podcast", "Podcast, stereo"),
    ("podcast-mono", "Podcast, mono"),
];

/// All settings of the meter as plain values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Index into [`PLACES`].
    pub place: usize,
    /// Integrated loudness of a target of one's own, LUFS.
    pub loudness: f32,
    /// True peak of a target of one's own, dBTP.
    pub ceiling: f32,
    /// A change of this, either way, begins a new programme.
    pub reset: bool,
    /// Measuring stands still.
    pub pause: bool,
    /// As `pause`: the sound passes in any case.
    pub bypass: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from_values(&[])
    }
}

impl Settings {
    /// Loudness (LUFS) and highest true peak (dBTP) to reach. Reads the tracked table, which is parsed at
    /// the first call: not for the audio thread.
    pub fn target(&self) -> (f64, f64) {
        match PLACES.get(self.place).and_then(|(id, _)| Platform::find(id)) {
            Some(platform) => (platform.loudness, platform.ceiling),
            None => (f64::from(self.loudness), f64::from(self.ceiling)),
        }
    }
}

impl FromValues for Settings {
    const ENGINE: &'static str = "meter";

    const PARAMS: &'static [Param] = &[
        Param {
            id: "target",
            name: "Target",
            help: "Where the sound goes: its loudness and true peak are drawn as lines. Custom takes the two values beside.",
            kind: Kind::Choice { values: PLACES, default: 1 },
        },
        Param {
            id: "loudness",
            name: "Custom loudness",
            help: "Integrated loudness to reach where the target is Custom.",
            kind: Kind::Float { min: -36.0, max: 0.0, default: -14.0, unit: Unit::Lufs, decimals: 1, skew: 1.0, off: None },
        },
        Param {
            id: "ceiling",
            name: "Custom ceiling",
            help: "Highest true peak (dBTP) where the target is Custom.",
            kind: Kind::Float { min: -12.0, max: 0.0, default: -1.0, unit: Unit::Db, decimals: 1, skew: 1.0, off: None },
        },
        Param {
            id: "reset",
            name: "Reset",
            help: "Begins a new programme whenever it changes, either way.",
            kind: Kind::Switch { default: false },
        },
        Param { id: "pause", name: "Pause", help: "Measuring stands still; the sound passes.", kind: Kind::Switch { default: false } },
        Param {
            id: "bypass",
            name: "Bypass",
            help: "Measuring stands still, as with Pause. The sound passes unchanged in any case.",
            kind: Kind::Switch { default: false },
        },
    ];

    const PRESETS: &'static [(&'static str, &'static [(&'static str, f32)])] = &[
        ("Spotify", &[]),
        ("Apple Music", &[("target", 4.0)]),
        ("YouTube", &[("target", 5.0)]),
        ("Compact disc", &[("target", 9.0)]),
        ("EBU R 128", &[("target", 11.0)]),
        ("ATSC A/85", &[("target", 12.0)]),
        ("Podcast", &[("target", 13.0)]),
    ];

    fn from_values(values: &[f32]) -> Self {
        let value = |index: usize| params::value(Self::PARAMS, values, index);
        Self {
            place: value(0) as usize,
            loudness: value(1),
            ceiling: value(2),
            reset: value(3) >= 0.5,
            pause: value(4) >= 0.5,
            bypass: value(5) >= 0.5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids are what hosts, presets and scripts hold on to: they never change.
    #[test]
    fn parameter_ids_are_the_released_ones() {
        let ids: Vec<_> = Settings::PARAMS.iter().map(|p| p.id).collect();
        assert_eq!(ids, ["target", "loudness", "ceiling", "reset", "pause", "bypass"]);
    }

    #[test]
    fn the_places_are_those_of_the_table() {
        let table: Vec<_> = Platform::all().iter().map(|platform| (platform.id.as_str(), platform.name.as_str())).collect();
        assert_eq!(table, PLACES[1..]);
    }

    #[test]
    fn values_land_in_their_fields() {
        let of = |changes: &[(&str, f32)]| {
            let mut values = params::defaults(Settings::PARAMS);
            for (id, value) in changes {
                values[params::index_of(Settings::PARAMS, id).unwrap()] = *value;
            }
            Settings::from_values(&values)
        };
        assert_eq!(of(&[]).target(), (-14.0, -1.0));
        assert_eq!(of(&[("target", 11.0), ("loudness", -9.0)]).target(), (-23.0, -1.0));
        assert_eq!(of(&[("target", 0.0), ("loudness", -18.0), ("ceiling", -3.0)]).target(), (-18.0, -3.0));
        let on = of(&[("reset", 1.0), ("pause", 1.0), ("bypass", 1.0)]);
        assert!(on.reset && on.pause && on.bypass);
    }
}
