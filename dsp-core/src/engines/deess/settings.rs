//! What a user can set on the de-esser, declared once.

use crate::detection::Sound;
use crate::params::{self, FromValues, Param, Unit};
use crate::units::{Db, Hz};

/// What the output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Listen {
    /// The de-essed signal.
    #[default]
    Off,
    /// What was removed: the delayed input less the de-essed signal.
    Removed,
    /// The detected sounds that count, in their range, and silence between them.
    Detected,
}

/// How channels share what the model decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Link {
    /// One reduction for all channels: the image stays where it is.
    #[default]
    Linked,
    /// A reduction for each channel.
    PerChannel,
}

/// What sounds around the sibilants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Speech.
    #[default]
    Voice,
    /// A singing voice, with long vowels and effects.
    Singing,
    /// A mix with drums and instruments.
    Mix,
}

/// All settings of the de-esser as plain values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How far towards natural, 0 to 2: 1 takes off the excess, 2 twice as much.
    pub amount: f32,
    /// Deepest reduction of any band, positive.
    pub max: Db,
    /// What counts, 0 to 1, for [`Sound::S`], [`Sound::Sh`], [`Sound::F`] and [`Sound::Breath`].
    pub weights: [f32; 4],
    /// How much of a whistle is taken, 0 to 1.
    pub whistle: f32,
    /// Nothing is reduced below.
    pub low: Hz,
    /// Nothing is reduced above.
    pub high: Hz,
    /// How closely the reduction follows the sound, 0 to 1.
    pub speed: f32,
    /// What sounds around the sibilants.
    pub mode: Mode,
    /// How channels share a reduction.
    pub link: Link,
    /// What the output carries.
    pub listen: Listen,
    /// Gain after everything, not on bypass.
    pub output: Db,
    /// The output is the delayed input.
    pub bypass: bool,
}

/// The sounds that [`Settings::weights`] are of, in order.
pub const WEIGHED: [Sound; 4] = [Sound::S, Sound::Sh, Sound::F, Sound::Breath];

impl Default for Settings {
    fn default() -> Self {
        Self::from_values(&[])
    }
}

impl FromValues for Settings {
    const ENGINE: &'static str = "deess";

    const PARAMS: &'static [Param] = &[
        Param::float(
            "amount",
            "Amount",
            "How far sibilants go towards what is natural for this voice. 100 % takes off just what is too much, more goes darker.",
            [0.0, 200.0, 100.0],
            Unit::Percent,
            0,
        ),
        Param::float(
            "max",
            "Max",
            "The most that any band of a sibilant is turned down. 4 to 6 dB never lisps; 12 dB and more repairs a harsh microphone.",
            [0.0, 24.0, 15.0],
            Unit::Db,
            1,
        ),
        Param::percent("s", "S", "How much s and z count.", 100.0, 100.0),
        Param::percent(
            "sh",
            "Sh",
            "How much sh, zh, ch and j count. Less keeps the body of \"sh\" where only the s is sharp.",
            100.0,
            100.0,
        ),
        Param::percent(
            "f",
            "F",
            "How much f and th count. They are soft by nature: raise this for a microphone that makes all of them hiss.",
            100.0,
            25.0,
        ),
        Param::percent(
            "breath",
            "Breath",
            "Turns breaths down, by 6 dB at 100 %, where they are recognised: the model still misses most breaths of real recordings.",
            100.0,
            0.0,
        ),
        Param::percent("whistle", "Whistle", "Takes a narrow whistle out of an s, beside what the s itself has too much.", 100.0, 0.0),
        Param::float(
            "low",
            "Low",
            "Nothing is reduced below. Raise it to keep the body of sh and ch.",
            [2_000.0, 10_000.0, 2_000.0],
            Unit::Hz,
            0,
        )
        .shaped(0.5, None),
        Param::float("high", "High", "Nothing is reduced above. Lower it to keep the air.", [4_000.0, 20_000.0, 20_000.0], Unit::Hz, 0)
            .shaped(0.5, None),
        Param::percent(
            "speed",
            "Speed",
            "At 100 % the reduction begins and ends with the sound, to the millisecond. Less eases in and out and smooths over quick changes.",
            100.0,
            100.0,
        ),
        Param::choice(
            "mode",
            "Mode",
            "What sounds: speech, a singing voice, or a mix whose cymbals and hi-hats are no sibilants.",
            &[("voice", "Voice"), ("singing", "Singing"), ("mix", "Mix")],
            0,
        ),
        Param::choice(
            "link",
            "Stereo link",
            "Linked reduces all channels alike and keeps the stereo image; per channel suits two microphones on two tracks.",
            &[("linked", "Linked"), ("per-channel", "Per channel")],
            0,
        ),
        Param::choice(
            "listen",
            "Listen",
            "Hear the de-essed sound, only what was removed, or only the detected sounds as they came in.",
            &[("off", "Off"), ("removed", "Removed"), ("detected", "Detected")],
            0,
        ),
        Param::OUTPUT,
        Param::BYPASS,
    ];

    const PRESETS: &'static [(&'static str, &'static [(&'static str, f32)])] = &[
        ("Natural", &[]),
        ("Podcast, male voice", &[("max", 10.0), ("low", 3_000.0), ("whistle", 40.0)]),
        ("Podcast, female voice", &[("max", 10.0), ("low", 4_000.0), ("whistle", 40.0), ("sh", 80.0)]),
        ("Bright singer", &[("mode", 1.0), ("amount", 90.0), ("max", 8.0), ("sh", 70.0), ("speed", 85.0)]),
        ("Dark room", &[("amount", 140.0), ("max", 12.0), ("f", 60.0)]),
        ("Harsh mix bus", &[("mode", 2.0), ("amount", 70.0), ("max", 4.0), ("low", 4_000.0), ("speed", 80.0)]),
        ("Gentle", &[("amount", 60.0), ("max", 5.0), ("speed", 75.0)]),
        ("Close microphone", &[("f", 50.0), ("whistle", 60.0)]),
    ];

    fn from_values(values: &[f32]) -> Self {
        let value = |index: usize| params::value(Self::PARAMS, values, index);
        let share = |index: usize| value(index) / 100.0;
        Self {
            amount: share(0),
            max: Db(value(1)),
            weights: [share(2), share(3), share(4), share(5)],
            whistle: share(6),
            low: Hz(f64::from(value(7))),
            high: Hz(f64::from(value(8))),
            speed: share(9),
            mode: [Mode::Voice, Mode::Singing, Mode::Mix][value(10) as usize % 3],
            link: if value(11) >= 0.5 { Link::PerChannel } else { Link::Linked },
            listen: [Listen::Off, Listen::Removed, Listen::Detected][value(12) as usize % 3],
            output: Db(value(13)),
            bypass: value(14) >= 0.5,
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
        assert_eq!(
            ids,
            ["amount", "max", "s", "sh", "f", "breath", "whistle", "low", "high", "speed", "mode", "link", "listen", "output", "bypass"]
        );
    }

    #[test]
    fn values_land_in_their_fields() {
        let set = |id: &str, value: f32| {
            let mut values = params::defaults(Settings::PARAMS);
            values[params::index_of(Settings::PARAMS, id).unwrap()] = value;
            Settings::from_values(&values)
        };
        let base = Settings::default();
        assert_eq!(set("amount", 50.0), Settings { amount: 0.5, ..base });
        assert_eq!(set("max", 3.0), Settings { max: Db(3.0), ..base });
        assert_eq!(set("sh", 10.0).weights, [1.0, 0.1, 0.25, 0.0]);
        assert_eq!(set("breath", 10.0).weights, [1.0, 1.0, 0.25, 0.1]);
        assert_eq!(set("whistle", 20.0), Settings { whistle: 0.2, ..base });
        assert_eq!(set("low", 5_000.0), Settings { low: Hz(5_000.0), ..base });
        assert_eq!(set("high", 9_000.0), Settings { high: Hz(9_000.0), ..base });
        assert_eq!(set("speed", 0.0), Settings { speed: 0.0, ..base });
        assert_eq!(set("mode", 2.0), Settings { mode: Mode::Mix, ..base });
        assert_eq!(set("link", 1.0), Settings { link: Link::PerChannel, ..base });
        assert_eq!(set("listen", 2.0), Settings { listen: Listen::Detected, ..base });
        assert_eq!(set("output", -3.0), Settings { output: Db(-3.0), ..base });
        assert_eq!(set("bypass", 1.0), Settings { bypass: true, ..base });
    }
}
