//! What a user can set on the denoiser, declared once.

use crate::params::{self, FromValues, Kind, Off, Param, Unit};
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

const fn percent(id: &'static str, name: &'static str, help: &'static str) -> Param {
    let kind = Kind::Float { min: 0.0, max: 100.0, default: 100.0, unit: Unit::Percent, decimals: 0, skew: 1.0, off: None };
    Param { id, name, help, kind }
}

impl FromValues for Settings {
    const ENGINE: &'static str = "denoise";

    const PARAMS: &'static [Param] = &[
        percent("amount", "Amount", "How much of the noise is taken away. At 0 % the sound passes untouched."),
        Param {
            id: "limit",
            name: "Limit",
            help: "The most that any part of the sound is turned down. A limit of 12 to 24 dB leaves some room tone and sounds natural.",
            kind: Kind::Float {
                min: 0.0,
                max: NO_LIMIT_DB,
                default: NO_LIMIT_DB,
                unit: Unit::Db,
                decimals: 1,
                skew: 1.0,
                off: Some(Off::AtMax("no limit")),
            },
        },
        Param {
            id: "strength",
            name: "Strength",
            help: "Below 100 % keeps more of the voice where the model is unsure; above takes more of the noise.",
            kind: Kind::Float { min: 50.0, max: 200.0, default: 100.0, unit: Unit::Percent, decimals: 0, skew: 0.6, off: None },
        },
        Param {
            id: "release",
            name: "Release",
            help: "How slowly the gain falls after a word. Longer keeps word ends and rooms, and lets more noise through.",
            kind: Kind::Float {
                min: 0.0,
                max: 500.0,
                default: 0.0,
                unit: Unit::Ms,
                decimals: 0,
                skew: 0.5,
                off: Some(Off::AtMin("model")),
            },
        },
        percent("low", "Low", "Share of the amount below 300 Hz: rumble, hum and the body of a voice."),
        percent("mid", "Mid", "Share of the amount from 300 Hz to 4 kHz, where words are."),
        percent("high", "High", "Share of the amount above 4 kHz: hiss, and the edge of consonants."),
        Param {
            id: "low-latency",
            name: "Low latency",
            help: "10 ms of delay in place of 20 ms, for live use. Takes twice the CPU.",
            kind: Kind::Switch { default: false },
        },
        Param {
            id: "link",
            name: "Stereo link",
            help: "Linked uses one mask for all channels and keeps the stereo image; per channel suits two microphones on two tracks.",
            kind: Kind::Choice { values: &[("linked", "Linked"), ("per-channel", "Per channel")], default: 0 },
        },
        Param {
            id: "listen",
            name: "Listen",
            help: "Hear the cleaned sound, or only what was taken away.",
            kind: Kind::Choice { values: &[("cleaned", "Cleaned"), ("removed", "Removed")], default: 0 },
        },
        Param {
            id: "output",
            name: "Output",
            help: "Gain after everything else.",
            kind: Kind::Float { min: -24.0, max: 24.0, default: 0.0, unit: Unit::Db, decimals: 1, skew: 1.0, off: None },
        },
        Param {
            id: "bypass",
            name: "Bypass",
            help: "Passes the sound as it came, with the same delay.",
            kind: Kind::Switch { default: false },
        },
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
