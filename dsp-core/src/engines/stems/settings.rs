//! What a user can set on the stems, declared once.

use crate::params::{self, FromValues, Off, Param, Unit};
use crate::units::Db;

/// Most stems of a task.
pub const STEMS: usize = 4;

/// What a mix is taken apart into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Task {
    /// A song: vocals, drums, bass, and everything else.
    #[default]
    Stems,
    /// A voice, and what is under it.
    Dialogue,
}

impl Task {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Stems, Self::Dialogue];

    /// Key on command lines.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Stems => "stems",
            Self::Dialogue => "dialogue",
        }
    }

    /// Keys of its stems, in order, as in parameters and file names. The last is the mix less the others.
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Stems => &["vocals", "drums", "bass", "other"],
            Self::Dialogue => &["voice", "rest"],
        }
    }

    /// Names of its stems, in order, for people.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Stems => &["Vocals", "Drums", "Bass", "Other"],
            Self::Dialogue => &["Voice", "Rest"],
        }
    }
}

/// What the separate outputs carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Outputs {
    /// Stems after gain, mute, solo, pan and width: they add up to the main output.
    #[default]
    After,
    /// Stems as they were found: they add up to the delayed input.
    Before,
}

/// What the main output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Listen {
    /// The mix of the stems.
    #[default]
    Mix,
    /// What the mix lacks against the delayed input.
    Removed,
}

/// What can be done to a stem.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strip {
    /// Gain; minus infinity for nothing.
    pub gain: Db,
    /// It is silent.
    pub mute: bool,
    /// Stems that are not soloed are silent.
    pub solo: bool,
    /// Place between left (-1) and right (1); 0 leaves it where it is. Not for a single channel.
    pub pan: f32,
    /// Share of what differs between left and right, 0 (mono) to 2; 1 leaves it. Not for a single channel.
    pub width: f32,
}

impl Default for Strip {
    fn default() -> Self {
        Self { gain: Db(0.0), mute: false, solo: false, pan: 0.0, width: 1.0 }
    }
}

/// All settings of the stems as plain values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What the mix is taken apart into.
    pub task: Task,
    /// The low-latency model and windows, where the task has them.
    pub low_latency: bool,
    /// Strips of a song, in the order of [`Task::keys`].
    pub stems: [Strip; 4],
    /// Strips of a dialogue, in the order of [`Task::keys`].
    pub dialogue: [Strip; 2],
    /// From cleanness (-1: parts bleed more and sound whole) over the model as it is (0) to separation (1).
    pub focus: f32,
    /// What the separate outputs carry.
    pub outputs: Outputs,
    /// What the main output carries.
    pub listen: Listen,
    /// Gain after everything, on the main output and on outputs after the faders, not on bypass.
    pub output: Db,
    /// The output is the delayed input.
    pub bypass: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self::from_values(&[])
    }
}

impl Settings {
    /// The strips of the task.
    pub fn strips(&self) -> &[Strip] {
        match self.task {
            Task::Stems => &self.stems,
            Task::Dialogue => &self.dialogue,
        }
    }

    /// Linear gain of each of the task's stems with mutes and solos, the rest 0.
    pub fn gains(&self) -> [f32; STEMS] {
        let strips = self.strips();
        let solo = strips.iter().any(|strip| strip.solo);
        let heard = |strip: &Strip| !strip.mute && (strip.solo || !solo);
        std::array::from_fn(|stem| strips.get(stem).filter(|strip| heard(strip)).map_or(0.0, |strip| strip.gain.to_linear()))
    }
}

/// Gain at which a fader reads "nothing".
const NOTHING_DB: f32 = -60.0;
/// Parameters of a strip.
const STRIP: usize = 5;
/// Place of the first strip in the table.
const FIRST_STRIP: usize = 2;
/// Strips in the table.
const STRIPS: usize = 6;
/// Place of what comes behind the strips.
const BEHIND: usize = FIRST_STRIP + STRIP * STRIPS;

/// Parameters of a strip.
macro_rules! strip {
    ($key:literal, $name:literal, $what:literal) => {
        [
            Param::float(
                concat!($key, "-gain"),
                concat!($name, " gain"),
                concat!("Gain of ", $what, "; 0 dB leaves it as it is in the mix."),
                [NOTHING_DB, 12.0, 0.0],
                Unit::Db,
                1,
            )
            .shaped(1.0, Some(Off::AtMin("-inf"))),
            Param::switch(concat!($key, "-mute"), concat!($name, " mute"), concat!("Silences ", $what, ".")),
            Param::switch(
                concat!($key, "-solo"),
                concat!($name, " solo"),
                concat!("Silences all but ", $what, " and what else is soloed."),
            ),
            Param::float(
                concat!($key, "-pan"),
                concat!($name, " pan"),
                concat!("Moves ", $what, " to the left (below 0) or right; nothing is lost. Needs two channels."),
                [-100.0, 100.0, 0.0],
                Unit::Percent,
                0,
            ),
            Param::float(
                concat!($key, "-width"),
                concat!($name, " width"),
                concat!("Makes ", $what, " narrower (0 % is mono) or wider. Needs two channels."),
                [0.0, 200.0, 100.0],
                Unit::Percent,
                0,
            ),
        ]
    };
}

const HEAD: [Param; FIRST_STRIP] = [
    Param::choice(
        "task",
        "Task",
        "A song into vocals, drums, bass and other, or speech from what is under it.",
        &[("stems", "Song"), ("dialogue", "Dialogue")],
        0,
    ),
    Param::switch("low-latency", "Low latency", "Half the delay, with somewhat more bleed. Songs only; dialogue has one mode."),
];

const STRIP_PARAMS: [[Param; STRIP]; STRIPS] = [
    strip!("vocals", "Vocals", "the vocals"),
    strip!("drums", "Drums", "the drums"),
    strip!("bass", "Bass", "the bass"),
    strip!("other", "Other", "all other instruments"),
    strip!("voice", "Voice", "the voice"),
    strip!("rest", "Rest", "what is under the voice"),
];

const TAIL: [Param; 5] = [
    Param::float(
        "focus",
        "Focus",
        "To the right stems are taken apart harder, with more artefacts; to the left they bleed more and sound cleaner.",
        [-100.0, 100.0, 0.0],
        Unit::Percent,
        0,
    ),
    Param::choice(
        "outputs",
        "Outputs",
        "Separate outputs carry the stems after the faders, or before them.",
        &[("after", "After faders"), ("before", "Before faders")],
        0,
    ),
    Param::choice("listen", "Listen", "Hear the mix, or only what it lacks.", &[("mix", "Mix"), ("removed", "Removed")], 0),
    Param::OUTPUT,
    Param::BYPASS,
];

const TABLE: [Param; BEHIND + TAIL.len()] = {
    let mut table = [HEAD[0]; BEHIND + TAIL.len()];
    table[1] = HEAD[1];
    let mut at = 0;
    while at < STRIP * STRIPS {
        table[FIRST_STRIP + at] = STRIP_PARAMS[at / STRIP][at % STRIP];
        at += 1;
    }
    at = 0;
    while at < TAIL.len() {
        table[BEHIND + at] = TAIL[at];
        at += 1;
    }
    table
};

impl FromValues for Settings {
    const ENGINE: &'static str = "stems";

    const PARAMS: &'static [Param] = &TABLE;

    const PRESETS: &'static [(&'static str, &'static [(&'static str, f32)])] = &[
        ("Unchanged", &[]),
        ("Karaoke", &[("vocals-mute", 1.0)]),
        ("A cappella", &[("vocals-solo", 1.0)]),
        ("Drumless", &[("drums-mute", 1.0)]),
        ("Drums only", &[("drums-solo", 1.0)]),
        ("Bass boost", &[("bass-gain", 4.0)]),
        ("Bassless", &[("bass-mute", 1.0)]),
        ("Practice: vocals as a guide", &[("vocals-gain", -12.0)]),
        ("Dialogue up", &[("task", 1.0), ("voice-gain", 3.0), ("rest-gain", -6.0)]),
        ("Dialogue only", &[("task", 1.0), ("voice-solo", 1.0)]),
        ("Music under speech down", &[("task", 1.0), ("rest-gain", -12.0)]),
    ];

    fn from_values(values: &[f32]) -> Self {
        let value = |index: usize| params::value(Self::PARAMS, values, index);
        let on = |index: usize| value(index) >= 0.5;
        let strip = |number: usize| {
            let first = FIRST_STRIP + STRIP * number;
            let gain = value(first);
            Strip {
                gain: Db(if gain <= NOTHING_DB { f32::NEG_INFINITY } else { gain }),
                mute: on(first + 1),
                solo: on(first + 2),
                pan: value(first + 3) / 100.0,
                width: value(first + 4) / 100.0,
            }
        };
        Self {
            task: if on(0) { Task::Dialogue } else { Task::Stems },
            low_latency: on(1),
            stems: std::array::from_fn(strip),
            dialogue: std::array::from_fn(|number| strip(STEMS + number)),
            focus: value(BEHIND) / 100.0,
            outputs: if on(BEHIND + 1) { Outputs::Before } else { Outputs::After },
            listen: if on(BEHIND + 2) { Listen::Removed } else { Listen::Mix },
            output: Db(value(BEHIND + 3)),
            bypass: on(BEHIND + 4),
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
        let strips = ["vocals", "drums", "bass", "other", "voice", "rest"];
        let of = |strip: &str| ["gain", "mute", "solo", "pan", "width"].map(|what| format!("{strip}-{what}"));
        let mut wanted = vec!["task".to_owned(), "low-latency".to_owned()];
        wanted.extend(strips.iter().flat_map(|strip| of(strip)));
        wanted.extend(["focus", "outputs", "listen", "output", "bypass"].map(str::to_owned));
        assert_eq!(ids, wanted);
    }

    #[test]
    fn values_land_in_their_fields() {
        let with = |sets: &[(&str, f32)]| {
            let mut values = params::defaults(Settings::PARAMS);
            for (id, value) in sets {
                values[params::index_of(Settings::PARAMS, id).unwrap()] = *value;
            }
            Settings::from_values(&values)
        };
        assert_eq!(with(&[]), Settings::default());
        assert_eq!(Settings::default().gains(), [1.0; 4]);
        let settings = with(&[("bass-gain", 6.0), ("rest-width", 50.0), ("focus", -25.0), ("bypass", 1.0), ("drums-pan", -100.0)]);
        assert_eq!(settings.stems[2].gain, Db(6.0));
        assert_eq!((settings.dialogue[1].width, settings.focus, settings.bypass, settings.stems[1].pan), (0.5, -0.25, true, -1.0));
        assert_eq!(with(&[("vocals-gain", -60.0)]).gains()[0], 0.0);
    }

    #[test]
    fn solo_silences_the_others_of_its_task_and_mute_is_stronger() {
        let mut settings = Settings::default();
        settings.stems[1].solo = true;
        assert_eq!(settings.gains(), [0.0, 1.0, 0.0, 0.0]);
        settings.stems[3].solo = true;
        settings.stems[1].mute = true;
        assert_eq!(settings.gains(), [0.0, 0.0, 0.0, 1.0]);
        settings.task = Task::Dialogue;
        assert_eq!(settings.gains(), [1.0, 1.0, 0.0, 0.0]);
    }
}
