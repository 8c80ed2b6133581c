//! What a user can set on the chain, declared once.

use super::stages::COUNT;
use super::tone;
use crate::dynamics::limiter::{Limit, Release};
use crate::dynamics::{compressor, leveller};
use crate::engines::{deess, denoise};
use crate::filters::{Band, Settings as Bands, Shape, Slope};
use crate::params::{self, FromValues, Off, Param, Unit};
use crate::units::{Db, Hz, Ms};

/// Look-ahead of the limiter, and with it its delay: as short as leaves the whole chain under 30 ms. Speech has
/// few peaks over the ceiling, and those are short.
pub(super) const AHEAD: Ms = Ms(1.05);
/// Below this the limiter's release reads "auto", in milliseconds.
const SHORTEST_RELEASE: f32 = 0.5;
/// Attenuation at which the limit of the denoiser reads "no limit".
const NO_LIMIT_DB: f32 = 60.0;

/// What the output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Listen {
    /// The finished sound.
    #[default]
    Result,
    /// What was taken away: the delayed input, as loud as the leveller makes it, less the finished sound.
    Removed,
}

/// All settings of the chain as plain values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Which stages are on, in the order of [`STAGES`](super::STAGES).
    pub on: [bool; COUNT],
    /// The high-pass, as bands of an equaliser.
    pub high_pass: Bands,
    /// The denoiser.
    pub denoise: denoise::Settings,
    /// The de-esser.
    pub deess: deess::Settings,
    /// The leveller.
    pub leveller: leveller::Settings,
    /// The compressor.
    pub compressor: compressor::Settings,
    /// The tone.
    pub tone: tone::Settings,
    /// The limiter.
    pub limit: Limit,
    /// How far stages step back where there is music, 0 to 1.
    pub keep_music: f32,
    /// What the output carries.
    pub listen: Listen,
    /// The output is the delayed input.
    pub bypass: bool,
    /// What is said now is said into another microphone: leveller and tone, which go by the voice, hold. No
    /// parameter, for only who hears all microphones knows.
    pub others: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from_values(&[])
    }
}

impl FromValues for Settings {
    const ENGINE: &'static str = "podcast";

    const PARAMS: &'static [Param] = &[
        Param::switch("high-pass-on", "High-pass", "Takes away rumble, thumps on the table and wind, below the voice.").on(),
        Param::float(
            "high-pass-corner",
            "High-pass corner",
            "What lies below is taken away. 60 to 80 Hz keep a deep voice whole; 120 Hz and more are for wind and phones.",
            [20.0, 200.0, 70.0],
            Unit::Hz,
            0,
        ),
        Param::choice(
            "high-pass-slope",
            "High-pass slope",
            "How steeply: 24 dB an octave clears rumble, 12 dB sounds softer.",
            &[("12", "12 dB"), ("24", "24 dB"), ("48", "48 dB")],
            1,
        ),
        Param::switch("denoise-on", "Denoise", "Takes the noise from behind the voice.").on(),
        Param::percent("denoise-amount", "Denoise amount", "How much of the noise is taken away.", 100.0, 100.0),
        Param::float(
            "denoise-limit",
            "Denoise limit",
            "The most that any part of the sound is turned down. 12 to 24 dB leave some room tone and sound natural.",
            [0.0, NO_LIMIT_DB, 24.0],
            Unit::Db,
            1,
        )
        .shaped(1.0, Some(Off::AtMax("no limit"))),
        Param::float(
            "denoise-release",
            "Denoise release",
            "How slowly the gain falls after a word. Longer keeps word ends and rooms, and lets more noise through.",
            [0.0, 500.0, 30.0],
            Unit::Ms,
            0,
        )
        .shaped(0.5, Some(Off::AtMin("model"))),
        Param::switch("deess-on", "De-ess", "Takes the sharpness off sibilants, and nothing else.").on(),
        Param::percent(
            "deess-amount",
            "De-ess amount",
            "100 % takes off just what is too much for this voice, more goes darker.",
            200.0,
            100.0,
        ),
        Param::float("deess-max", "De-ess max", "The most that any band of a sibilant is turned down.", [0.0, 24.0, 10.0], Unit::Db, 1),
        Param::switch("leveller-on", "Leveller", "Brings all talkers to one loudness; holds in pauses, breaths and music.").on(),
        Param::percent(
            "leveller-amount",
            "Leveller amount",
            "How far towards the target. 50 % leaves half of the differences.",
            100.0,
            100.0,
        ),
        Param::float(
            "leveller-target",
            "Leveller target",
            "Loudness that speech is brought to. -16 LUFS is what podcast platforms ask for, -19 the same in mono, -23 broadcast in Europe.",
            [-36.0, -10.0, -16.0],
            Unit::Lufs,
            1,
        ),
        Param::float("leveller-gain", "Leveller max gain", "The most that quiet talkers are raised.", [0.0, 36.0, 20.0], Unit::Db, 1),
        Param::float("leveller-range", "Leveller max cut", "The most that loud talkers are turned down.", [0.0, 36.0, 20.0], Unit::Db, 1),
        Param::percent(
            "leveller-speed",
            "Leveller speed",
            "How fast the gain may move, from 2 to 12 dB a second up and twice that down. Faster follows interruptions, slower keeps emphasis.",
            100.0,
            40.0,
        ),
        Param::switch("compressor-on", "Compressor", "Evens out syllables.").on(),
        Param::percent(
            "compressor-amount",
            "Compressor amount",
            "From nothing to 3:1. 40 % is hardly heard; 80 % sounds like radio.",
            100.0,
            40.0,
        ),
        Param::float(
            "compressor-release",
            "Compressor release",
            "How fast the gain comes back after a syllable.",
            [40.0, 500.0, 140.0],
            Unit::Ms,
            0,
        ),
        Param::switch("tone-on", "Tone", "Brings the balance of the voice towards that of spoken voices, slowly and within bounds.").on(),
        Param::percent("tone-amount", "Tone amount", "How far towards the target.", 100.0, 70.0),
        Param::float("tone-range", "Tone range", "The most that any of the six bands is moved, up or down.", [0.0, 6.0, 4.0], Unit::Db, 1),
        Param::float("tone-bright", "Tone brightness", "Makes the target brighter or darker.", [-4.0, 4.0, 0.0], Unit::Db, 1),
        Param::switch("limiter-on", "Limiter", "Keeps true peaks under the ceiling.").on(),
        Param::float(
            "limiter-ceiling",
            "Ceiling",
            "Highest true peak of the output (dBTP), between the samples too. Podcast platforms ask for -1 dB.",
            [-24.0, 0.0, -1.0],
            Unit::Db,
            1,
        ),
        Param::float(
            "limiter-release",
            "Limiter release",
            "How fast the gain comes back after a peak. Auto is fast after single peaks and slow where limiting lasts.",
            [0.0, 1_000.0, 0.0],
            Unit::Ms,
            0,
        )
        .shaped(0.4, Some(Off::AtMin("auto"))),
        Param::percent(
            "keep-music",
            "Keep music",
            "How far all stages step back where there is music: at 100 % jingles and songs pass as they came, but for the ceiling.",
            100.0,
            100.0,
        ),
        Param::choice(
            "listen",
            "Listen",
            "Hear the finished sound, or only what was taken away.",
            &[("result", "Result"), ("removed", "Removed")],
            0,
        ),
        Param::BYPASS,
    ];

    const PRESETS: &'static [(&'static str, &'static [(&'static str, f32)])] = &[
        ("Podcast", &[]),
        (
            "Cheap microphone",
            &[
                ("high-pass-corner", 90.0),
                ("denoise-limit", 36.0),
                ("deess-amount", 130.0),
                ("deess-max", 12.0),
                ("compressor-amount", 50.0),
                ("tone-amount", 100.0),
                ("tone-range", 5.0),
            ],
        ),
        (
            "Untreated room",
            &[
                ("high-pass-corner", 80.0),
                ("denoise-limit", 30.0),
                ("denoise-release", 0.0),
                ("leveller-speed", 30.0),
                ("compressor-amount", 20.0),
                ("tone-amount", 90.0),
            ],
        ),
        (
            "Phone interview",
            &[
                ("high-pass-corner", 150.0),
                ("denoise-limit", 20.0),
                ("deess-amount", 60.0),
                ("leveller-gain", 26.0),
                ("leveller-speed", 70.0),
                ("compressor-amount", 50.0),
                ("tone-amount", 100.0),
                ("tone-range", 6.0),
            ],
        ),
        (
            "Field recording",
            &[
                ("high-pass-corner", 120.0),
                ("high-pass-slope", 2.0),
                ("denoise-limit", 15.0),
                ("denoise-release", 80.0),
                ("leveller-gain", 24.0),
                ("leveller-speed", 50.0),
                ("compressor-amount", 30.0),
                ("tone-amount", 50.0),
            ],
        ),
        (
            "Broadcast voice",
            &[
                ("high-pass-corner", 60.0),
                ("denoise-limit", 18.0),
                ("deess-amount", 120.0),
                ("compressor-amount", 80.0),
                ("compressor-release", 100.0),
                ("tone-amount", 100.0),
                ("tone-bright", 1.5),
            ],
        ),
        ("Level only", &[("high-pass-on", 0.0), ("denoise-on", 0.0), ("deess-on", 0.0), ("compressor-on", 0.0), ("tone-on", 0.0)]),
    ];

    fn from_values(values: &[f32]) -> Self {
        // One walk down the table.
        let mut next = 0;
        let mut value = || {
            next += 1;
            params::value(Self::PARAMS, values, next - 1)
        };
        let mut on = [false; COUNT];
        let mut band = Band { on: true, shape: Shape::LowCut, ..Band::default() };
        let mut denoise = denoise::Settings::default();
        let mut deess = deess::Settings::default();
        on[0] = value() >= 0.5;
        band.frequency = Hz(f64::from(value()));
        band.slope = [Slope::Db12, Slope::Db24, Slope::Db48][value() as usize % 3];
        on[1] = value() >= 0.5;
        denoise.amount = value() / 100.0;
        let limit = value();
        denoise.limit = Db(if limit >= NO_LIMIT_DB { f32::INFINITY } else { limit });
        denoise.release = Ms(value());
        on[2] = value() >= 0.5;
        deess.amount = value() / 100.0;
        deess.max = Db(value());
        on[3] = value() >= 0.5;
        let leveller =
            leveller::Settings { amount: value() / 100.0, target: value(), most: Db(value()), range: Db(value()), speed: value() / 100.0 };
        on[4] = value() >= 0.5;
        let compressor = compressor::Settings { amount: value() / 100.0, release: Ms(value()), reference: leveller.target };
        on[5] = value() >= 0.5;
        let tone = tone::Settings { amount: value() / 100.0, range: Db(value()), bright: Db(value()) };
        on[6] = value() >= 0.5;
        let ceiling = Db(value());
        let release = value();
        let release = if release < SHORTEST_RELEASE { Release::Auto } else { Release::Time(Ms(release)) };
        let keep_music = value() / 100.0;
        let listen = if value() >= 0.5 { Listen::Removed } else { Listen::Result };
        let bypass = value() >= 0.5;
        let mut high_pass = Bands::default();
        high_pass.bands[0] = band;
        let limit = Limit { ceiling, release, ahead: AHEAD, link: 1.0 };
        Self { on, high_pass, denoise, deess, leveller, compressor, tone, limit, keep_music, listen, bypass, others: false }
    }
}

#[cfg(test)]
mod tests {
    use super::super::STAGES;
    use super::*;

    fn with(id: &str, value: f32) -> Settings {
        let mut values = params::defaults(Settings::PARAMS);
        values[params::index_of(Settings::PARAMS, id).unwrap_or_else(|e| panic!("{e}"))] = value;
        Settings::from_values(&values)
    }

    /// Ids are what hosts, presets and scripts hold on to: they never change. Stages stand in their order.
    #[test]
    fn parameter_ids_are_the_released_ones_in_the_order_of_the_stages() {
        let ids: Vec<&str> = Settings::PARAMS.iter().map(|param| param.id).collect();
        let stages = STAGES.iter().flat_map(|stage| [stage.on, stage.main].into_iter().chain(stage.more.iter().copied()));
        let all: Vec<&str> = stages.chain(["keep-music", "listen", "bypass"]).collect();
        assert_eq!(ids, all);
        assert_eq!(
            ids.join(" "),
            "high-pass-on high-pass-corner high-pass-slope denoise-on denoise-amount denoise-limit denoise-release deess-on \
             deess-amount deess-max leveller-on leveller-amount leveller-target leveller-gain leveller-range leveller-speed \
             compressor-on compressor-amount compressor-release tone-on tone-amount tone-range tone-bright limiter-on \
             limiter-ceiling limiter-release keep-music listen bypass"
        );
    }

    #[test]
    fn values_land_in_their_fields() {
        let base = Settings::default();
        for (index, stage) in STAGES.iter().enumerate() {
            let mut on = base.on;
            on[index] = false;
            assert_eq!(with(stage.on, 0.0), Settings { on, ..base }, "{}", stage.id);
        }
        assert_eq!(with("high-pass-corner", 100.0).high_pass.bands[0].frequency, Hz(100.0));
        assert_eq!(with("high-pass-slope", 0.0).high_pass.bands[0].slope, Slope::Db12);
        assert_eq!(with("denoise-amount", 50.0).denoise, denoise::Settings { amount: 0.5, ..base.denoise });
        assert_eq!(with("denoise-limit", 60.0).denoise.limit.0, f32::INFINITY);
        assert_eq!(with("denoise-release", 80.0).denoise.release, Ms(80.0));
        assert_eq!(with("deess-amount", 150.0).deess, deess::Settings { amount: 1.5, ..base.deess });
        assert_eq!(with("deess-max", 3.0).deess.max, Db(3.0));
        let leveller = base.leveller;
        assert_eq!(with("leveller-amount", 50.0).leveller, leveller::Settings { amount: 0.5, ..leveller });
        assert_eq!(with("leveller-target", -20.0).leveller, leveller::Settings { target: -20.0, ..leveller });
        assert_eq!(with("leveller-target", -20.0).compressor.reference, -20.0);
        assert_eq!(with("leveller-gain", 5.0).leveller, leveller::Settings { most: Db(5.0), ..leveller });
        assert_eq!(with("leveller-range", 6.0).leveller, leveller::Settings { range: Db(6.0), ..leveller });
        assert_eq!(with("leveller-speed", 10.0).leveller, leveller::Settings { speed: 0.1, ..leveller });
        assert_eq!(with("compressor-amount", 10.0).compressor, compressor::Settings { amount: 0.1, ..base.compressor });
        assert_eq!(with("compressor-release", 50.0).compressor, compressor::Settings { release: Ms(50.0), ..base.compressor });
        assert_eq!(with("tone-amount", 10.0).tone, tone::Settings { amount: 0.1, ..base.tone });
        assert_eq!(with("tone-range", 2.0).tone, tone::Settings { range: Db(2.0), ..base.tone });
        assert_eq!(with("tone-bright", -2.0).tone, tone::Settings { bright: Db(-2.0), ..base.tone });
        assert_eq!(with("limiter-ceiling", -2.0).limit, Limit { ceiling: Db(-2.0), ..base.limit });
        assert_eq!(with("limiter-release", 80.0).limit, Limit { release: Release::Time(Ms(80.0)), ..base.limit });
        assert_eq!(with("keep-music", 30.0), Settings { keep_music: 0.3, ..base });
        assert_eq!(with("listen", 1.0), Settings { listen: Listen::Removed, ..base });
        assert_eq!(with("bypass", 1.0), Settings { bypass: true, ..base });
    }
}
