//! What a user can set on the limiter, declared once.

use crate::dynamics::limiter::{LONGEST, Limit, Release, SHORTEST};
use crate::params::{self, FromValues, Off, Param, Unit};
use crate::units::{Db, Ms};

/// What the output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Listen {
    /// The limited signal.
    #[default]
    Limited,
    /// What was taken away: the delayed, driven input less the limited signal.
    Removed,
}

/// All settings of the limiter as plain values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Gain in front of the limiter.
    pub drive: Db,
    /// Ceiling, release, look-ahead and link.
    pub limit: Limit,
    /// The output is turned down by the drive.
    pub matched: bool,
    /// What the output carries.
    pub listen: Listen,
    /// The output is the delayed input.
    pub bypass: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from_values(&[])
    }
}

/// Below this the release control reads "auto", in milliseconds.
const SHORTEST_RELEASE: f32 = 0.5;

impl FromValues for Settings {
    const ENGINE: &'static str = "limiter";

    const PARAMS: &'static [Param] = &[
        Param::float(
            "drive",
            "Drive",
            "Gain in front of the limiter: more drive is louder and more limited.",
            [-12.0, 36.0, 0.0],
            Unit::Db,
            1,
        ),
        Param::float(
            "ceiling",
            "Ceiling",
            "Highest true peak of the output (dBTP), between the samples too. Streaming services ask for -1 dB or -2 dB.",
            [-24.0, 0.0, -1.0],
            Unit::Db,
            1,
        ),
        Param::float(
            "release",
            "Release",
            "How fast the gain comes back after a peak. Auto is fast after single peaks and slow where limiting lasts.",
            [0.0, 1000.0, 0.0],
            Unit::Ms,
            0,
        )
        .shaped(0.4, Some(Off::AtMin("auto"))),
        Param::float(
            "lookahead",
            "Look-ahead",
            "How long before a peak the gain begins to fall: longer is cleaner, shorter keeps more of the punch. The delay stays the same.",
            [SHORTEST.0, LONGEST.0, 3.0],
            Unit::Ms,
            1,
        ),
        Param::float(
            "link",
            "Stereo link",
            "How far the channels share their gain. At 100 % the stereo image stays where it is.",
            [0.0, 100.0, 100.0],
            Unit::Percent,
            0,
        ),
        Param::switch("match", "Match level", "Turns the output down by the drive, to hear what limiting does and not that it is louder."),
        Param::choice(
            "listen",
            "Listen",
            "Hear the limited sound, or only what was taken away.",
            &[("limited", "Limited"), ("removed", "Removed")],
            0,
        ),
        Param::BYPASS,
    ];

    const PRESETS: &'static [(&'static str, &'static [(&'static str, f32)])] = &[
        ("Catch peaks", &[]),
        ("Streaming master", &[("drive", 6.0), ("ceiling", -1.0)]),
        ("Loud master", &[("drive", 10.0), ("ceiling", -1.0), ("lookahead", 2.0)]),
        ("Compact disc", &[("drive", 6.0), ("ceiling", -0.3)]),
        ("For lossy codecs", &[("drive", 4.0), ("ceiling", -2.0)]),
        ("Broadcast speech", &[("drive", 6.0), ("ceiling", -3.0), ("release", 200.0), ("lookahead", 5.0)]),
        ("Drum bus", &[("drive", 6.0), ("release", 40.0), ("lookahead", 1.5), ("link", 60.0)]),
        ("Bass, clean", &[("drive", 4.0), ("release", 500.0), ("lookahead", 5.0)]),
    ];

    fn from_values(values: &[f32]) -> Self {
        let value = |index: usize| params::value(Self::PARAMS, values, index);
        let release = value(2);
        Self {
            drive: Db(value(0)),
            limit: Limit {
                ceiling: Db(value(1)),
                release: if release < SHORTEST_RELEASE { Release::Auto } else { Release::Time(Ms(release)) },
                ahead: Ms(value(3)),
                link: value(4) / 100.0,
            },
            matched: value(5) >= 0.5,
            listen: if value(6) >= 0.5 { Listen::Removed } else { Listen::Limited },
            bypass: value(7) >= 0.5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_ids_are_the_released_ones() {
        let released = ["drive", "ceiling", "release", "lookahead", "link", "match", "listen", "bypass"];
        assert_eq!(params::tests::ids::<Settings>(), released);
    }

    #[test]
    fn values_land_in_their_fields() {
        let of = params::tests::changed::<Settings>;
        assert_eq!(of(&[]).limit, Limit::default());
        let settings = of(&[("drive", 6.0), ("ceiling", -2.0), ("release", 80.0), ("lookahead", 1.5), ("link", 50.0), ("match", 1.0)]);
        assert_eq!((settings.drive, settings.matched), (Db(6.0), true));
        assert_eq!(settings.limit, Limit { ceiling: Db(-2.0), release: Release::Time(Ms(80.0)), ahead: Ms(1.5), link: 0.5 });
        assert_eq!((of(&[("listen", 1.0)]).listen, of(&[("bypass", 1.0)]).bypass), (Listen::Removed, true));
    }
}
