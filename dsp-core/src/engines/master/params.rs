//! The table of the chain's parameters. Ids are regular: stage, number or band, field.

use crate::dynamics::limiter::{LONGEST, SHORTEST};
use crate::dynamics::multiband::LEAST_RATIO;
use crate::params::{Kind, Off, Param, Unit};

/// The loss of the mono sum at which the guard reads "off", in decibels.
pub const OFF_LOSS_DB: f32 = 12.0;
/// Below this the limiter's release reads "auto", in milliseconds.
pub const LEAST_RELEASE: f32 = 0.5;

const fn db(id: &'static str, name: &'static str, help: &'static str, range: [f32; 3]) -> Param {
    Param::float(id, name, help, range, Unit::Db, 1)
}

const fn hz(id: &'static str, name: &'static str, help: &'static str, range: [f32; 3]) -> Param {
    Param::float(id, name, help, range, Unit::Hz, 0).shaped(0.3, None)
}

/// A frequency whose lowest value reads "off", its default.
const fn hz_off(id: &'static str, name: &'static str, help: &'static str, min: f32, max: f32) -> Param {
    let kind = Kind::Float { min, max, default: min, unit: Unit::Hz, decimals: 0, skew: 0.4, off: Some(Off::AtMin("off")) };
    Param { id, name, help, kind }
}

const fn ms(id: &'static str, name: &'static str, help: &'static str, range: [f32; 3]) -> Param {
    Param::float(id, name, help, range, Unit::Ms, 1).shaped(0.4, None)
}

const fn ratio(id: &'static str, name: &'static str, help: &'static str, least: f32) -> Param {
    Param::float(id, name, help, [least, 10.0, 1.0], Unit::None, 2).shaped(0.4, None)
}

const SHAPES: &[(&str, &str)] = &[
    ("bell", "Bell"),
    ("low-shelf", "Low shelf"),
    ("high-shelf", "High shelf"),
    ("low-cut", "Low cut"),
    ("high-cut", "High cut"),
    ("tilt", "Tilt"),
];
const SLOPES: &[(&str, &str)] =
    &[("6", "6 dB/oct"), ("12", "12 dB/oct"), ("18", "18 dB/oct"), ("24", "24 dB/oct"), ("36", "36 dB/oct"), ("48", "48 dB/oct")];

macro_rules! equaliser_band {
    ($n:literal, $frequency:literal) => {
        [
            Param::switch(concat!("eq", $n, "-on"), concat!("EQ ", $n, " on"), "Switches the band."),
            Param::choice(concat!("eq", $n, "-type"), concat!("EQ ", $n, " type"), "Shape of the band.", SHAPES, 0),
            hz(
                concat!("eq", $n, "-freq"),
                concat!("EQ ", $n, " frequency"),
                "Middle of a bell, corner of a shelf or cut, pivot of a tilt.",
                [10.0, 22_000.0, $frequency],
            ),
            db(
                concat!("eq", $n, "-gain"),
                concat!("EQ ", $n, " gain"),
                "How far the band goes up or down. A tilt goes half of it up above and half down below. Cuts have no gain.",
                [-18.0, 18.0, 0.0],
            ),
            Param::float(
                concat!("eq", $n, "-q"),
                concat!("EQ ", $n, " Q"),
                "Width of a bell (higher is narrower), steepness of a shelf, resonance of a cut (0.71 is flat).",
                [0.1, 20.0, std::f32::consts::FRAC_1_SQRT_2],
                Unit::None,
                2,
            )
            .shaped(0.3, None),
            Param::choice(concat!("eq", $n, "-slope"), concat!("EQ ", $n, " slope"), "Steepness of a cut.", SLOPES, 1),
        ]
    };
}

macro_rules! dynamics_band {
    ($id:literal, $name:literal, $attack:literal, $release:literal) => {
        [
            db(
                concat!("mb-", $id, "-gain"),
                concat!($name, " gain"),
                "Gain of the band into its dynamics: it moves the level against the thresholds.",
                [-12.0, 12.0, 0.0],
            ),
            db(
                concat!("mb-", $id, "-threshold"),
                concat!($name, " threshold"),
                "Above this level the band is turned down.",
                [-60.0, 0.0, -20.0],
            ),
            ratio(
                concat!("mb-", $id, "-ratio"),
                concat!($name, " ratio"),
                "How many dB over the threshold leave one; 1 does nothing, less lets loud parts out further. Mastering seldom needs more than 2.",
                LEAST_RATIO,
            ),
            db(
                concat!("mb-", $id, "-up-threshold"),
                concat!($name, " upward threshold"),
                "Below this level the band is turned up, so that soft detail comes forward.",
                [-80.0, 0.0, -50.0],
            ),
            ratio(
                concat!("mb-", $id, "-up-ratio"),
                concat!($name, " upward ratio"),
                "How many dB under the upward threshold leave one; 1 does nothing.",
                1.0,
            ),
            ms(
                concat!("mb-", $id, "-attack"),
                concat!($name, " attack"),
                "How fast the band is turned down. Slow attacks let drums through.",
                [0.1, 300.0, $attack],
            ),
            ms(concat!("mb-", $id, "-release"), concat!($name, " release"), "How fast the band comes back.", [5.0, 2_000.0, $release]),
            db(
                concat!("mb-", $id, "-range"),
                concat!($name, " range"),
                "The most that the dynamics move the band either way.",
                [0.0, 24.0, 12.0],
            ),
            db(concat!("mb-", $id, "-makeup"), concat!($name, " makeup"), "Gain of the band after its dynamics.", [-12.0, 12.0, 0.0]),
        ]
    };
}

const HEAD: [Param; 3] = [
    db("input", "Input", "Gain before everything else.", [-24.0, 24.0, 0.0]),
    Param::switch("eq-on", "Equaliser", "Switches all bands of the equaliser.").on(),
    Param::choice(
        "eq-phase",
        "EQ phase",
        "Minimum has no delay. Linear keeps the phase of everything, with a long delay and some pre-ringing: for a bounce.",
        &[("minimum", "Minimum"), ("linear", "Linear")],
        0,
    ),
];

const DYNAMICS: [Param; 11] = [
    Param::switch("mb-on", "Dynamics", "Switches the multiband dynamics."),
    Param::choice("mb-bands", "Bands", "Number of bands; with three, high-mid is not used.", &[("3", "3"), ("4", "4")], 1),
    Param::choice(
        "mb-split",
        "Split",
        "Shelves move phase only while they work. Crossover is the classic Linkwitz-Riley. Linear moves no phase, with a fixed delay.",
        &[("shelves", "Shelves"), ("crossover", "Crossover"), ("linear", "Linear phase")],
        0,
    ),
    Param::choice(
        "mb-detector",
        "Detector",
        "RMS follows loudness, peak follows the tips of the wave.",
        &[("rms", "RMS"), ("peak", "Peak")],
        0,
    ),
    hz("mb-x1", "Crossover 1", "Where low and low-mid meet.", [20.0, 1_000.0, 120.0]),
    hz("mb-x2", "Crossover 2", "Where low-mid and high-mid meet; not used with three bands.", [100.0, 8_000.0, 800.0]),
    hz("mb-x3", "Crossover 3", "Where high-mid (low-mid with three bands) and high meet.", [500.0, 16_000.0, 5_000.0]),
    db("mb-knee", "Knee", "How softly the curves bend at their thresholds.", [0.0, 24.0, 6.0]),
    hz_off("mb-sidechain", "Side-chain cut", "Detectors do not hear below this, so sub-bass does not pump.", 20.0, 500.0),
    Param::percent("mb-link", "Stereo link", "How far channels share their gain: 100 % keeps the image still.", 100.0, 100.0),
    Param::switch("mb-auto", "Program release", "After short peaks gains come back fast, after long loud passages slowly.").on(),
];

const STEREO: [Param; 8] = [
    Param::switch("stereo-on", "Stereo", "Switches width, mono bass and guard.").on(),
    Param::percent("stereo-low", "Low width", "Width of the lows: 0 % is mono, 100 % as it is.", 200.0, 100.0),
    Param::percent("stereo-mid", "Mid width", "Width of the mids.", 200.0, 100.0),
    Param::percent("stereo-high", "High width", "Width of the highs.", 200.0, 100.0),
    hz("stereo-x1", "Width crossover 1", "Where lows and mids meet.", [40.0, 2_000.0, 250.0]),
    hz("stereo-x2", "Width crossover 2", "Where mids and highs meet.", [500.0, 16_000.0, 4_000.0]),
    hz_off("stereo-mono-below", "Mono below", "Below this the bass is mono.", 20.0, 500.0),
    Param {
        id: "stereo-mono-loss",
        name: "Mono loss",
        help: "The most that the mono sum may lose against the stereo sound; 3 dB is what two unlike channels lose.",
        kind: Kind::Float {
            min: 0.5,
            max: OFF_LOSS_DB,
            default: OFF_LOSS_DB,
            unit: Unit::Db,
            decimals: 1,
            skew: 1.0,
            off: Some(Off::AtMax("off")),
        },
    },
];

const COLOUR: [Param; 4] = [
    Param::switch("colour-on", "Colour", "Switches the saturation."),
    Param::choice(
        "colour-type",
        "Colour type",
        "Tube adds even harmonics, tape odd ones, a transformer odd ones of the bass.",
        &[("tube", "Tube"), ("tape", "Tape"), ("transformer", "Transformer")],
        0,
    ),
    db("colour-drive", "Colour drive", "How far the sound is driven into the curve. Soft sounds keep their level.", [0.0, 18.0, 6.0]),
    Param::percent("colour-mix", "Colour mix", "How much of what the curve adds is mixed in.", 100.0, 100.0),
];

const LIMITER: [Param; 9] = [
    Param::switch("limiter-on", "Limiter", "Switches the true-peak limiter.").on(),
    db("limiter-drive", "Limiter drive", "Gain into the limiter: more is louder.", [-12.0, 36.0, 0.0]),
    db("limiter-ceiling", "Ceiling", "Highest true peak of the output (dBTP).", [-24.0, 0.0, -1.0]),
    Param {
        id: "limiter-release",
        name: "Limiter release",
        help: "How fast the gain comes back after a peak. Auto is fast after single peaks and slow where limiting lasts.",
        kind: Kind::Float { min: 0.0, max: 1000.0, default: 0.0, unit: Unit::Ms, decimals: 0, skew: 0.4, off: Some(Off::AtMin("auto")) },
    },
    Param::float(
        "limiter-ahead",
        "Look-ahead",
        "How long before a peak the gain begins to fall. The delay stays the same.",
        [SHORTEST.0, LONGEST.0, 3.0],
        Unit::Ms,
        1,
    ),
    Param::percent("limiter-link", "Limiter link", "How far channels share the limiter's gain.", 100.0, 100.0),
    Param::switch(
        "match",
        "Match loudness",
        "Turns the master to the loudness of what came in, so that bypass and A/B compare sound and not level. Off for the bounce.",
    ),
    Param::choice(
        "listen",
        "Listen",
        "Hear the master, or only what was changed: the input with all gain it was given, less the master.",
        &[("master", "Master"), ("removed", "Removed")],
        0,
    ),
    Param::BYPASS,
];

/// All groups in the order of the values.
const GROUPS: [&[Param]; 21] = [
    &HEAD,
    &equaliser_band!("1", 30.0),
    &equaliser_band!("2", 60.0),
    &equaliser_band!("3", 120.0),
    &equaliser_band!("4", 250.0),
    &equaliser_band!("5", 500.0),
    &equaliser_band!("6", 1_000.0),
    &equaliser_band!("7", 2_000.0),
    &equaliser_band!("8", 3_500.0),
    &equaliser_band!("9", 5_000.0),
    &equaliser_band!("10", 8_000.0),
    &equaliser_band!("11", 12_000.0),
    &equaliser_band!("12", 16_000.0),
    &DYNAMICS,
    &dynamics_band!("low", "Low", 30.0, 200.0),
    &dynamics_band!("lowmid", "Low-mid", 20.0, 150.0),
    &dynamics_band!("highmid", "High-mid", 10.0, 120.0),
    &dynamics_band!("high", "High", 5.0, 80.0),
    &STEREO,
    &COLOUR,
    &LIMITER,
];

const fn count(groups: &[&[Param]]) -> usize {
    let (mut total, mut group) = (0, 0);
    while group < groups.len() {
        total += groups[group].len();
        group += 1;
    }
    total
}

const fn join<const N: usize>(groups: &[&[Param]]) -> [Param; N] {
    let mut out = [groups[0][0]; N];
    let (mut at, mut group) = (0, 0);
    while group < groups.len() {
        let mut index = 0;
        while index < groups[group].len() {
            out[at] = groups[group][index];
            at += 1;
            index += 1;
        }
        group += 1;
    }
    out
}

/// The table.
pub const PARAMS: [Param; count(&GROUPS)] = join(&GROUPS);

/// Presets that come with the chain.
pub const PRESETS: &[(&str, &[(&str, f32)])] = &[
    ("Untouched", &[]),
    (
        "Gentle glue",
        &[
            ("mb-on", 1.0),
            ("mb-low-ratio", 1.5),
            ("mb-lowmid-ratio", 1.4),
            ("mb-highmid-ratio", 1.4),
            ("mb-high-ratio", 1.5),
            ("mb-low-range", 4.0),
            ("mb-lowmid-range", 3.0),
            ("mb-highmid-range", 3.0),
            ("mb-high-range", 4.0),
            ("limiter-drive", 3.0),
        ],
    ),
    (
        "Warm",
        &[
            ("eq3-on", 1.0),
            ("eq3-type", 1.0),
            ("eq3-gain", 1.0),
            ("eq11-on", 1.0),
            ("eq11-type", 2.0),
            ("eq11-gain", -1.0),
            ("colour-on", 1.0),
            ("colour-drive", 4.0),
            ("limiter-drive", 3.0),
        ],
    ),
    (
        "Open",
        &[
            ("eq4-on", 1.0),
            ("eq4-gain", -1.0),
            ("eq11-on", 1.0),
            ("eq11-type", 2.0),
            ("eq11-gain", 1.5),
            ("stereo-high", 115.0),
            ("stereo-mono-below", 90.0),
            ("limiter-drive", 2.0),
        ],
    ),
    (
        "Loud",
        &[
            ("eq1-on", 1.0),
            ("eq1-type", 3.0),
            ("eq1-freq", 25.0),
            ("eq1-slope", 3.0),
            ("mb-on", 1.0),
            ("mb-low-ratio", 2.0),
            ("mb-lowmid-ratio", 1.6),
            ("mb-highmid-ratio", 1.6),
            ("mb-high-ratio", 1.8),
            ("mb-highmid-up-ratio", 1.3),
            ("mb-high-up-ratio", 1.3),
            ("limiter-drive", 8.0),
        ],
    ),
];
