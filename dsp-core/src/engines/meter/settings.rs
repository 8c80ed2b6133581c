//! What a user can set on the meter, declared once.

use crate::mastering::Platform;
use crate::params::{self, FromValues, Param, Unit};

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
        Param::choice(
            "target",
            "Target",
            "Where the sound goes: its loudness and true peak are drawn as lines. Custom takes the two values beside.",
            PLACES,
            1,
        ),
        Param::float(
            "loudness",
            "Custom loudness",
            "Integrated loudness to reach where the target is Custom.",
            [-36.0, 0.0, -14.0],
            Unit::Lufs,
            1,
        ),
        Param::float("ceiling", "Custom ceiling", "Highest true peak (dBTP) where the target is Custom.", [-12.0, 0.0, -1.0], Unit::Db, 1),
        Param::switch("reset", "Reset", "Begins a new programme whenever it changes, either way."),
        Param::switch("pause", "Pause", "Measuring stands still; the sound passes."),
        Param::switch("bypass", "Bypass", "Measuring stands still, as with Pause. The sound passes unchanged in any case."),
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

    #[test]
    fn parameter_ids_are_the_released_ones() {
        assert_eq!(params::tests::ids::<Settings>(), ["target", "loudness", "ceiling", "reset", "pause", "bypass"]);
    }

    #[test]
    fn the_places_are_those_of_the_table() {
        let table: Vec<_> = Platform::all().iter().map(|platform| (platform.id.as_str(), platform.name.as_str())).collect();
        assert_eq!(table, PLACES[1..]);
    }

    #[test]
    fn values_land_in_their_fields() {
        let of = params::tests::changed::<Settings>;
        assert_eq!(of(&[]).target(), (-14.0, -1.0));
        assert_eq!(of(&[("target", 11.0), ("loudness", -9.0)]).target(), (-23.0, -1.0));
        assert_eq!(of(&[("target", 0.0), ("loudness", -18.0), ("ceiling", -3.0)]).target(), (-18.0, -3.0));
        let on = of(&[("reset", 1.0), ("pause", 1.0), ("bypass", 1.0)]);
        assert!(on.reset && on.pause && on.bypass);
    }
}
