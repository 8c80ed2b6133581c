//! The engines and plugins that the proofs run over. A new one is an `impl` of [`Subject`] and a line
//! in [`for_engines`](crate::for_engines), or in [`for_subjects`](crate::for_subjects) where it has a
//! plugin; every promise then holds for it.

use crate::audio;
use crate::random::Random;
use dsp_core::engines::Engine;
use dsp_core::engines::deess::Deess;
use dsp_core::engines::denoise::Denoise;
use dsp_core::engines::limiter::Limiter;
use dsp_core::engines::master::Master;
use dsp_core::engines::meter::Meter;
use dsp_core::engines::podcast::Podcast;
use dsp_core::engines::stems::Stems;
use dsp_core::params::{self, FromValues, Param};
use dsp_core::processor::Processor;

/// Settings as ids and texts, as after `--set`.
pub type Set = &'static [(&'static str, &'static str)];

/// An engine, the plugin around it, and what is promised of them.
pub trait Subject: Engine + Processor<Settings: FromValues> {
    /// The name that hosts show, and the bundles' file name without its ending.
    const PRODUCT: &'static str;
    /// The settings that change the latency, with a name: at least the defaults.
    const MODES: &'static [(&'static str, Set)];
    /// What must give the delayed input beside bypass, with a name.
    const DRY: &'static [(&'static str, Set)];
    /// What is dry is the input's own bits and not only below the noise of 20 bits.
    const DRY_IS_EXACT: bool;
    /// What gives a decision to each channel.
    const PER_CHANNEL: Set = &[("link", "per-channel")];
    /// Channels always share their decisions.
    const ALWAYS_LINKED: bool = false;
    /// Each side may be treated as what stands there asks for.
    const MOVES_THE_IMAGE: bool = false;
    /// What gives only what is taken away; empty where nothing ever is.
    const REMOVED: Set = &[("listen", "removed")];
    /// What else keeps the loudness as it came, so that what is kept and what is taken away add up to the input.
    const UNMOVED: Set = &[];
    /// What makes the engine do as much as it can with [`Subject::sound`].
    const BUSY: Set;
    /// Seconds for which an input sample can be heard, beside the latency.
    const TAIL: f64;

    /// Sound that the engine has something to do with, `[channel][sample]`.
    fn sound(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>>;
}

impl Subject for Denoise {
    const PRODUCT: &'static str = "Plainsong Denoise";
    const MODES: &'static [(&'static str, Set)] = &[("standard", &[("low-latency", "off")]), ("low latency", &[("low-latency", "on")])];
    const DRY: &'static [(&'static str, Set)] =
        &[("amount 0", &[("amount", "0")]), ("all bands 0", &[("low", "0"), ("mid", "0"), ("high", "0")])];
    const DRY_IS_EXACT: bool = false;
    const BUSY: Set = &[];
    /// The window that holds a sample.
    const TAIL: f64 = 0.02;

    fn sound(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
        audio::noisy_speech(rate, seconds, channels, seed)
    }
}

impl Subject for Deess {
    const PRODUCT: &'static str = "Plainsong De-esser";
    const MODES: &'static [(&'static str, Set)] = &[("standard", &[])];
    const DRY: &'static [(&'static str, Set)] = &[
        ("amount 0", &[("amount", "0")]),
        ("max 0", &[("max", "0")]),
        ("nothing counts", &[("s", "0"), ("sh", "0"), ("f", "0"), ("breath", "0")]),
        ("empty range", &[("low", "10000"), ("high", "4000")]),
    ];
    const DRY_IS_EXACT: bool = true;
    const BUSY: Set = &[("amount", "200"), ("f", "100"), ("breath", "100"), ("whistle", "100")];
    /// Both halves of the filter.
    const TAIL: f64 = 0.002;

    fn sound(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
        audio::sharp_speech(rate, seconds, channels, seed)
    }
}

impl Subject for Limiter {
    const PRODUCT: &'static str = "Plainsong Limiter";
    const MODES: &'static [(&'static str, Set)] = &[("standard", &[])];
    const DRY: &'static [(&'static str, Set)] = &[("nothing reaches the ceiling", &[("ceiling", "0")])];
    const DRY_IS_EXACT: bool = true;
    const PER_CHANNEL: Set = &[("link", "0")];
    const BUSY: Set = &[("ceiling", "-12")];
    /// Nothing but the delay holds a sample.
    const TAIL: f64 = 0.0;

    fn sound(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
        let sound = audio::noisy_speech(rate, seconds, channels, seed);
        // 6 dB over the busy ceiling, 6 dB under full scale.
        let peak = crate::measure::peak(&sound).max(1e-6);
        audio::scaled(&sound, 0.5 / peak)
    }
}

impl Subject for Master {
    const PRODUCT: &'static str = "Plainsong Master";
    const MODES: &'static [(&'static str, Set)] = &[
        ("standard", &[("eq-phase", "minimum"), ("mb-split", "shelves")]),
        ("linear equaliser", &[("eq-phase", "linear"), ("mb-split", "shelves")]),
        ("linear bands", &[("eq-phase", "minimum"), ("mb-split", "linear")]),
        ("all linear", &[("eq-phase", "linear"), ("mb-split", "linear")]),
    ];
    const DRY: &'static [(&'static str, Set)] = &[("nothing is asked for", &[("limiter-ceiling", "0")])];
    const DRY_IS_EXACT: bool = true;
    const PER_CHANNEL: Set = &[("mb-link", "0"), ("limiter-link", "0")];
    /// No width, which is there to move the image, and no colour, which bends loud channels more than soft
    /// ones.
    const BUSY: Set = &[
        ("eq5-on", "on"),
        ("eq5-gain", "3"),
        ("eq9-on", "on"),
        ("eq9-gain", "-4"),
        ("eq11-on", "on"),
        ("eq11-type", "high-shelf"),
        ("eq11-gain", "2"),
        ("mb-on", "on"),
        ("mb-lowmid-threshold", "-30"),
        ("mb-lowmid-ratio", "2"),
        ("mb-high-threshold", "-40"),
        ("mb-high-ratio", "2"),
        ("limiter-ceiling", "-12"),
    ];
    /// Until filters of the lows have come to rest at nothing.
    const TAIL: f64 = 0.6;

    fn sound(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
        <Limiter as Subject>::sound(rate, seconds, channels, seed)
    }
}

impl Subject for Meter {
    const PRODUCT: &'static str = "Plainsong Meter";
    const MODES: &'static [(&'static str, Set)] = &[("standard", &[])];
    const DRY: &'static [(&'static str, Set)] = &[("it always is", &[]), ("in a pause", &[("pause", "on")])];
    const DRY_IS_EXACT: bool = true;
    const PER_CHANNEL: Set = &[];
    const REMOVED: Set = &[];
    const BUSY: Set = &[];
    /// Nothing holds a sample.
    const TAIL: f64 = 0.0;

    fn sound(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
        audio::noisy_speech(rate, seconds, channels, seed)
    }
}

impl Subject for Podcast {
    const PRODUCT: &'static str = "Plainsong Podcast";
    const MODES: &'static [(&'static str, Set)] = &[("standard", &[])];
    const DRY: &'static [(&'static str, Set)] = &[(
        "all stages off",
        &[
            ("high-pass-on", "off"),
            ("denoise-on", "off"),
            ("deess-on", "off"),
            ("leveller-on", "off"),
            ("compressor-on", "off"),
            ("tone-on", "off"),
            ("limiter-on", "off"),
        ],
    )];
    const DRY_IS_EXACT: bool = true;
    const PER_CHANNEL: Set = &[];
    const ALWAYS_LINKED: bool = true;
    const UNMOVED: Set = &[("leveller-on", "off")];
    const BUSY: Set = &[
        ("deess-amount", "200"),
        ("leveller-speed", "100"),
        ("compressor-amount", "100"),
        ("tone-amount", "100"),
        ("tone-bright", "4"),
        ("limiter-ceiling", "-12"),
    ];
    /// Until the high-pass has come to rest at nothing.
    const TAIL: f64 = 0.6;

    fn sound(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
        audio::noisy_speech(rate, seconds, channels, seed)
    }
}

impl Subject for Stems {
    const PRODUCT: &'static str = "Plainsong Stems";
    const MODES: &'static [(&'static str, Set)] =
        &[("standard", &[("task", "stems"), ("low-latency", "off")]), ("low latency", &[("task", "stems"), ("low-latency", "on")])];
    const DRY: &'static [(&'static str, Set)] = &[
        ("unity", &[]),
        ("unity with focus", &[("focus", "80")]),
        ("faders of the other task", &[("voice-gain", "-20"), ("rest-mute", "on")]),
    ];
    const DRY_IS_EXACT: bool = true;
    const PER_CHANNEL: Set = &[];
    const ALWAYS_LINKED: bool = true;
    const MOVES_THE_IMAGE: bool = true;
    const BUSY: Set = &[("vocals-gain", "-inf"), ("drums-gain", "-9"), ("bass-gain", "-3"), ("focus", "30")];
    /// The window that holds a sample.
    const TAIL: f64 = 0.04;

    fn sound(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
        audio::song(rate, seconds, channels, seed)
    }
}

/// The parameters of a subject.
pub fn table<S: Subject>() -> &'static [Param] {
    <S::Settings as FromValues>::PARAMS
}

/// Settings from ids and texts, the rest at their defaults.
///
/// # Panics
/// When an id or text is not the engine's.
pub fn settings<S: Subject>(sets: &[Set]) -> S::Settings {
    let mut values = params::defaults(table::<S>());
    for (id, text) in sets.iter().flat_map(|set| set.iter()) {
        let index = params::index_of(table::<S>(), id).unwrap_or_else(|e| panic!("{e}"));
        values[index] = table::<S>()[index].parse(text).unwrap_or_else(|e| panic!("{e}"));
    }
    S::Settings::from_values(&values)
}

/// Names (as hosts show them) and texts of a set.
pub fn named<S: Subject>(set: Set) -> Vec<(&'static str, &'static str)> {
    let name = |id: &str| params::index_of(table::<S>(), id).map_or("", |index| table::<S>()[index].name);
    set.iter().map(|(id, text)| (name(id), *text)).collect()
}

/// Random settings, now and then at the ends of their ranges, where mistakes are. Those of `fixed`
/// stay.
pub fn random_settings<S: Subject>(random: &mut Random, fixed: Set) -> S::Settings {
    let mut values = [0.0_f32; 256];
    let table = table::<S>();
    for (value, param) in values.iter_mut().zip(table) {
        let (low, high) = param.range();
        *value = match random.below(4) {
            0 => low,
            1 => high,
            2 => param.default_value(),
            _ => random.between(low, high),
        };
    }
    for (id, text) in fixed {
        if let Ok(index) = params::index_of(table, id) {
            values[index] = table[index].parse(text).unwrap_or(values[index]);
        }
    }
    S::Settings::from_values(&values[..table.len()])
}

/// Makes a test of each function for each engine: `for_engines!(first, second)` in a file with
/// `fn first<S: Subject>()`.
#[macro_export]
macro_rules! for_engines {
    ($($test:ident),+ $(,)?) => {
        $crate::for_subjects!($($test),+);
    };
}

/// As `for_engines!` for each engine that has a plugin.
#[macro_export]
macro_rules! for_subjects {
    ($($test:ident),+ $(,)?) => {
        $crate::for_subjects!(@ denoise, dsp_core::engines::denoise::Denoise, $($test),+);
        $crate::for_subjects!(@ deess, dsp_core::engines::deess::Deess, $($test),+);
        $crate::for_subjects!(@ limiter, dsp_core::engines::limiter::Limiter, $($test),+);
        $crate::for_subjects!(@ master, dsp_core::engines::master::Master, $($test),+);
        $crate::for_subjects!(@ meter, dsp_core::engines::meter::Meter, $($test),+);
        $crate::for_subjects!(@ podcast, dsp_core::engines::podcast::Podcast, $($test),+);
        $crate::for_subjects!(@ stems, dsp_core::engines::stems::Stems, $($test),+);
    };
    (@ $name:ident, $subject:ty, $($test:ident),+) => {
        mod $name {
            $(
                #[test]
                fn $test() {
                    super::$test::<$subject>();
                }
            )+
        }
    };
}
