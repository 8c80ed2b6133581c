//! Parameters declared once: the plugin, the renderer and the presets all read the same table.

use std::fmt::Write as _;

/// The unit a value is shown in. The plain value is in this unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Percent, 0 to 100 or more.
    Percent,
    /// Decibels.
    Db,
    /// Loudness units over full scale (BS.1770).
    Lufs,
    /// Milliseconds.
    Ms,
    /// Hertz.
    Hz,
    /// A bare number.
    None,
}

impl Unit {
    /// The unit's symbol, with a leading space where one is written; empty for [`Unit::None`].
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Percent => " %",
            Self::Db => " dB",
            Self::Lufs => " LUFS",
            Self::Ms => " ms",
            Self::Hz => " Hz",
            Self::None => "",
        }
    }
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A continuous value.
    Float {
        /// Lowest value.
        min: f32,
        /// Highest value.
        max: f32,
        /// Value of a new instance and of a double-click.
        default: f32,
        /// Unit shown.
        unit: Unit,
        /// Decimals shown.
        decimals: u8,
        /// Exponent of the control's travel: 1 is even, below 1 gives the low values more room.
        skew: f32,
        /// The lowest or highest value means "none" and is shown by this word.
        off: Option<Off>,
    },
    /// One of several named values; the plain value is the index.
    Choice {
        /// Key (for `--set` and presets, permanent) and label (shown) of each value.
        values: &'static [(&'static str, &'static str)],
        /// Index of the default.
        default: usize,
    },
    /// Off (0) or on (1).
    Switch {
        /// The default.
        default: bool,
    },
}

/// An end of a range that means "none".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// The lowest value, shown as the word.
    AtMin(&'static str),
    /// The highest value, shown as the word.
    AtMax(&'static str),
}

/// One parameter. Ids are permanent from the first release.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// Permanent id, used by hosts, presets and `--set`.
    pub id: &'static str,
    /// Name shown.
    pub name: &'static str,
    /// One sentence for the tooltip and the help text.
    pub help: &'static str,
    /// Range.
    pub kind: Kind,
}

/// A value or id that the table does not take.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamError {
    /// The id is not in the table.
    #[error("there is no parameter \"{id}\"; there are: {known}")]
    Unknown {
        /// The id given.
        id: String,
        /// The ids of the table.
        known: String,
    },
    /// The text is not a value of this parameter.
    #[error("\"{text}\" is no value of \"{id}\"; it takes {takes}")]
    Value {
        /// The parameter.
        id: &'static str,
        /// The text given.
        text: String,
        /// What it takes.
        takes: String,
    },
}

impl Param {
    /// Every engine's bypass.
    pub const BYPASS: Self = Self::switch("bypass", "Bypass", "Passes the sound as it came, with the same delay.");
    /// The gain at the end of an engine.
    pub const OUTPUT: Self = Self::float("output", "Output", "Gain after everything else.", [-24.0, 24.0, 0.0], Unit::Db, 1);

    /// A continuous parameter with an even travel: `range` is the lowest value, the highest and the default.
    pub const fn float(id: &'static str, name: &'static str, help: &'static str, range: [f32; 3], unit: Unit, decimals: u8) -> Self {
        let [min, max, default] = range;
        Self { id, name, help, kind: Kind::Float { min, max, default, unit, decimals, skew: 1.0, off: None } }
    }

    /// This with another travel ([`Kind::Float`]'s `skew`), and with a word for an end that means "none".
    #[must_use]
    pub const fn shaped(mut self, shape: f32, word: Option<Off>) -> Self {
        if let Kind::Float { skew, off, .. } = &mut self.kind {
            (*skew, *off) = (shape, word);
        }
        self
    }

    /// A share in whole percent from nothing to `max`.
    pub const fn percent(id: &'static str, name: &'static str, help: &'static str, max: f32, default: f32) -> Self {
        Self::float(id, name, help, [0.0, max, default], Unit::Percent, 0)
    }

    /// This switch, on in a new instance.
    #[must_use]
    pub const fn on(mut self) -> Self {
        if let Kind::Switch { default } = &mut self.kind {
            *default = true;
        }
        self
    }

    /// A switch that is off in a new instance.
    pub const fn switch(id: &'static str, name: &'static str, help: &'static str) -> Self {
        Self { id, name, help, kind: Kind::Switch { default: false } }
    }

    /// One of several values, the default by its index.
    pub const fn choice(
        id: &'static str,
        name: &'static str,
        help: &'static str,
        values: &'static [(&'static str, &'static str)],
        default: usize,
    ) -> Self {
        Self { id, name, help, kind: Kind::Choice { values, default } }
    }

    /// The default as a plain value.
    pub fn default_value(&self) -> f32 {
        match self.kind {
            Kind::Float { default, .. } => default,
            Kind::Choice { default, .. } => default as f32,
            Kind::Switch { default } => f32::from(u8::from(default)),
        }
    }

    /// Range of the plain value, both ends included.
    pub fn range(&self) -> (f32, f32) {
        match self.kind {
            Kind::Float { min, max, .. } => (min, max),
            Kind::Choice { values, .. } => (0.0, values.len().saturating_sub(1) as f32),
            Kind::Switch { .. } => (0.0, 1.0),
        }
    }

    /// The nearest value the parameter takes; not-a-number gives the default.
    pub fn clamp(&self, value: f32) -> f32 {
        if value.is_nan() {
            return self.default_value();
        }
        let (min, max) = self.range();
        let value = value.clamp(min, max);
        if matches!(self.kind, Kind::Float { .. }) { value } else { value.round() }
    }

    /// The value as shown to a person, with its unit.
    pub fn format(&self, value: f32) -> String {
        let value = self.clamp(value);
        match self.kind {
            Kind::Float { min, max, unit, decimals, off, .. } => {
                let number = |value: f32| {
                    let text = format!("{value:.*}", usize::from(decimals));
                    let is_zero = text.trim_start_matches(['-', '0', '.']).is_empty();
                    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
                };
                let text = number(value);
                // What reads like the end is shown as the end, so that the text reads back as itself.
                match off {
                    Some(Off::AtMin(word)) if text == number(min) => word.to_owned(),
                    Some(Off::AtMax(word)) if text == number(max) => word.to_owned(),
                    _ => text + unit.suffix(),
                }
            }
            Kind::Choice { values, .. } => values.get(value as usize).map_or("", |v| v.1).to_owned(),
            Kind::Switch { .. } => if value >= 0.5 { "on" } else { "off" }.to_owned(),
        }
    }

    /// The value as written in a preset or after `--set id=`.
    pub fn key(&self, value: f32) -> String {
        let value = self.clamp(value);
        match self.kind {
            Kind::Float { .. } => format!("{value}"),
            Kind::Choice { values, .. } => values.get(value as usize).map_or("", |v| v.0).to_owned(),
            Kind::Switch { .. } => self.format(value),
        }
    }

    /// Reads what a person typed, what [`Param::format`] shows or what [`Param::key`] writes: a
    /// number with or without its unit, a key or label, on or off.
    ///
    /// # Errors
    /// [`ParamError::Value`] when the text is no value or out of range.
    pub fn parse(&self, text: &str) -> Result<f32, ParamError> {
        let trimmed = text.trim();
        let same = |word: &str| trimmed.eq_ignore_ascii_case(word);
        let refuse = || ParamError::Value { id: self.id, text: text.to_owned(), takes: self.takes() };
        match self.kind {
            Kind::Float { min, max, unit, off, .. } => {
                match off {
                    Some(Off::AtMin(word)) if same(word) => return Ok(min),
                    Some(Off::AtMax(word)) if same(word) => return Ok(max),
                    _ => {}
                }
                let lower = trimmed.to_ascii_lowercase();
                let number = lower.strip_suffix(&unit.suffix().trim().to_ascii_lowercase()).unwrap_or(&lower);
                let value: f32 = number.trim().parse().map_err(|_| refuse())?;
                if (min..=max).contains(&value) { Ok(value) } else { Err(refuse()) }
            }
            Kind::Choice { values, .. } => {
                values.iter().position(|(key, label)| same(key) || same(label)).map(|index| index as f32).ok_or_else(refuse)
            }
            Kind::Switch { .. } => match trimmed.to_ascii_lowercase().as_str() {
                "on" | "true" | "yes" | "1" => Ok(1.0),
                "off" | "false" | "no" | "0" => Ok(0.0),
                _ => Err(refuse()),
            },
        }
    }

    /// What the parameter takes, in words: "0 to 100 %" or "linked | per-channel".
    pub fn takes(&self) -> String {
        match self.kind {
            Kind::Float { min, max, unit, off, .. } => {
                let mut text = format!("{min} to {max}{}", unit.suffix());
                if let Some(Off::AtMin(word) | Off::AtMax(word)) = off {
                    let _ = write!(text, " or {word}");
                }
                text
            }
            Kind::Choice { values, .. } => values.iter().map(|v| v.0).collect::<Vec<_>>().join(" | "),
            Kind::Switch { .. } => "on | off".to_owned(),
        }
    }
}

/// Index of an id in a table.
///
/// # Errors
/// [`ParamError::Unknown`] with the ids that there are.
pub fn index_of(table: &[Param], id: &str) -> Result<usize, ParamError> {
    table
        .iter()
        .position(|param| param.id == id)
        .ok_or_else(|| ParamError::Unknown { id: id.to_owned(), known: table.iter().map(|param| param.id).collect::<Vec<_>>().join(", ") })
}

/// The value at an index of a table, of values in its order: clamped, and the default where it is
/// missing. Never allocates.
pub fn value(table: &[Param], values: &[f32], index: usize) -> f32 {
    let param = &table[index];
    values.get(index).map_or_else(|| param.default_value(), |&value| param.clamp(value))
}

/// The defaults of a table, in its order.
pub fn defaults(table: &[Param]) -> Vec<f32> {
    table.iter().map(Param::default_value).collect()
}

/// An engine's settings as made from a table of parameters.
pub trait FromValues: Sized {
    /// Short name of the engine, as in `render NAME` and in presets.
    const ENGINE: &'static str;
    /// The table. Its order is the order of the values.
    const PARAMS: &'static [Param];
    /// Presets that come with the engine: name and the values that differ from the defaults.
    const PRESETS: &'static [(&'static str, &'static [(&'static str, f32)])];

    /// Settings from plain values in the table's order. Missing values are the defaults; values out
    /// of range are clamped. Never allocates.
    fn from_values(values: &[f32]) -> Self;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Ids of an engine's parameters: what hosts, presets and scripts hold on to. They never change.
    pub(crate) fn ids<S: FromValues>() -> Vec<&'static str> {
        S::PARAMS.iter().map(|param| param.id).collect()
    }

    /// Settings with some values, by id, in place of the defaults.
    pub(crate) fn changed<S: FromValues>(changes: &[(&str, f32)]) -> S {
        let mut values = defaults(S::PARAMS);
        for (id, value) in changes {
            values[index_of(S::PARAMS, id).unwrap()] = *value;
        }
        S::from_values(&values)
    }

    const LIMIT: Param = Param {
        id: "limit",
        name: "Limit",
        help: "",
        kind: Kind::Float { min: 0.0, max: 60.0, default: 60.0, unit: Unit::Db, decimals: 1, skew: 1.0, off: Some(Off::AtMax("no limit")) },
    };
    const LINK: Param = Param {
        id: "link",
        name: "Link",
        help: "",
        kind: Kind::Choice { values: &[("linked", "Linked"), ("each", "Per channel")], default: 0 },
    };

    #[test]
    fn shown_text_reads_back() {
        for value in [0.0, 12.5, 60.0] {
            assert_eq!(LIMIT.parse(&LIMIT.format(value)), Ok(value));
            assert_eq!(LIMIT.parse(&LIMIT.key(value)), Ok(value));
        }
        assert_eq!(LIMIT.format(59.96), "no limit");
        assert_eq!(LIMIT.format(59.94), "59.9 dB");
        assert_eq!(LINK.parse("per CHANNEL"), Ok(1.0));
        assert_eq!(LINK.parse(&LINK.key(1.0)), Ok(1.0));
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_the_range() {
        let error = LIMIT.parse("61").unwrap_err().to_string();
        assert!(error.contains("0 to 60 dB or no limit"), "{error}");
        assert!(LINK.parse("both").is_err());
        assert!(LIMIT.parse("NaN").is_err());
        assert_eq!(LIMIT.clamp(f32::NAN), 60.0);
    }
}
