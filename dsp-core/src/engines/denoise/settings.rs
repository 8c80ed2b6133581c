//! What a user can set on the denoiser, declared once.

use crate::params::{self, FromValues, Off, Param, Unit};
use crate::units::{Db, Ms};

/// What the output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Listen {
    /// The cleaned signal.
    #[default]
    Cleaned,
    /// What was removed: the delayed input less the cleaned signal.
    Removed,
}

/// How channels share what the model decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Link {
    /// One mask for all channels: the image stays where it is.
    #[default]
    Linked,
    /// A mask for each channel.
    PerChannel,
}

/// All settings of the denoiser as plain values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How much of the noise goes, 0 to 1. At 0 the output is the delayed input.
    pub amount: f32,
    /// Deepest attenuation; infinity for no limit.
    pub limit: Db,
    /// Exponent on the model's gain: below 1 takes less where the model is unsure, above 1 more.
    pub strength: f32,
    /// How slowly a gain falls after speech; 0 follows the model at once.
    pub release: Ms,
    /// Share of the amount under 300 Hz, 0 to 1.
    pub low: f32,
    /// Share of the amount between 300 Hz and 4 kHz, 0 to 1.
    pub mid: f32,
    /// Share of the amount above 4 kHz, 0 to 1.
    pub high: f32,
    /// The low-latency model and windows.
    pub low_latency: bool,
    /// How channels share a mask.
    pub link: Link,
    /// What the output carries.
    pub listen: Listen,
    /// Gain after everything, on the cleaned and the removed signal, not on bypass.
    pub output: Db,
    /// The output is the delayed input.
    pub bypass: bool,
}

/// Attenuation at which the limit control reads "no limit".
const NO_LIMIT_DB: f32 = 60.0;

impl Default for Settings {
    fn default() -> Self {
        Self::from_values(&[])
    }
}

impl FromValues for Settings {
    const ENGINE: &'static str = "denoise";

    const PARAMS: &'static [Param] = &[
        Param::percent("amount", "Amount", "How much of the noise is taken away. At 0 % the sound passes untouched.", 100.0, 100.0),
        Param::float(
            "limit",
            "Limit",
            "The most that any part of the sound is turned down. A limit of 12 to 24 dB leaves some room tone and sounds natural.",
            [0.0, NO_LIMIT_DB, NO_LIMIT_DB],
            Unit::Db,
            1,
        )
        .shaped(1.0, Some(Off::AtMax("no limit"))),
        Param::float(
            "strength",
            "Strength",
            "Below 100 % keeps more of the voice where the model is unsure; above takes more of the noise.",
            [50.0, 200.0, 100.0],
            Unit::Percent,
            0,
        )
        .shaped(0.6, None),
        Param::float(
            "release",
            "Release",
            "How slowly the gain falls after a word. Longer keeps word ends and rooms, and lets more noise through.",
            [0.0, 500.0, 0.0],
            Unit::Ms,
            0,
        )
        .shaped(0.5, Some(Off::AtMin("model"))),
        Param::percent("low", "Low", "Share of the amount below 300 Hz: rumble, hum and the body of a voice.", 100.0, 100.0),
        Param::percent("mid", "Mid", "Share of the amount from 300 Hz to 4 kHz, where words are.", 100.0, 100.0),
        Param::percent("high", "High", "Share of the amount above 4 kHz: hiss, and the edge of consonants.", 100.0, 100.0),
        Param::switch("low-latency", "Low latency", "10 ms of delay in place of 20 ms, for live use. Takes twice the CPU."),
        Param::choice(
            "link",
            "Stereo link",
            "Linked uses one mask for all channels and keeps the stereo image; per channel suits two microphones on two tracks.",
            &[("linked", "Linked"), ("per-channel", "Per channel")],
            0,
        ),
        Param::choice(
            "listen",
            "Listen",
            "Hear the cleaned sound, or only what was taken away.",
            &[("cleaned", "Cleaned"), ("removed", "Removed")],
            0,
        ),
        Param::OUTPUT,
        Param::BYPASS,
    ];

    const PRESETS: &'static [(&'static str, &'static [(&'static str, f32)])] = &[
        ("Clean voice", &[]),
        ("Natural room", &[("limit", 15.0), ("release", 60.0)]),
        ("Podcast", &[("limit", 24.0), ("release", 30.0)]),
        ("Strong", &[("strength", 140.0)]),
        ("Interview, two microphones", &[("link", 1.0), ("limit", 24.0)]),
        ("Keep the air", &[("high", 60.0), ("limit", 18.0)]),
        ("Rumble and hum only", &[("mid", 0.0), ("high", 0.0)]),
        ("Live", &[("low-latency", 1.0), ("limit", 24.0)]),
    ];

    fn from_values(values: &[f32]) -> Self {
        let value = |index: usize| params::value(Self::PARAMS, values, index);
        let share = |index: usize| value(index) / 100.0;
        let limit = value(1);
        Self {
            amount: share(0),
            limit: Db(if limit >= NO_LIMIT_DB { f32::INFINITY } else { limit }),
            strength: share(2),
            release: Ms(value(3)),
            low: share(4),
            mid: share(5),
            high: share(6),
            low_latency: value(7) >= 0.5,
            link: if value(8) >= 0.5 { Link::PerChannel } else { Link::Linked },
            listen: if value(9) >= 0.5 { Listen::Removed } else { Listen::Cleaned },
            output: Db(value(10)),
            bypass: value(11) >= 0.5,
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
            ["amount", "limit", "strength", "release", "low", "mid", "high", "low-latency", "link", "listen", "output", "bypass"]
        );
    }

    #[test]
    fn values_land_in_their_fields() {
        let mut values = params::defaults(Settings::PARAMS);
        values[params::index_of(Settings::PARAMS, "limit").unwrap()] = 12.0;
        values[params::index_of(Settings::PARAMS, "bypass").unwrap()] = 1.0;
        let settings = Settings::from_values(&values);
        assert_eq!(settings.limit, Db(12.0));
        assert!(settings.bypass);
        assert_eq!(Settings::default().limit.0, f32::INFINITY);
    }
}
