//! Presets: a small JSON file with an engine's name and its values by id.

use crate::params::{self, FromValues};
use crate::processor::Error;
use serde_json::{Map, Value, json};

/// Version of the preset format.
const VERSION: u64 = 1;

/// Text of a preset of engine `S` with these plain values (in the table's order).
pub fn to_json<S: FromValues>(name: &str, values: &[f32]) -> String {
    let entries: Map<String, Value> =
        S::PARAMS.iter().zip(values).map(|(param, &value)| (param.id.to_owned(), Value::String(param.key(value)))).collect();
    let preset = json!({ "plainsong": VERSION, "engine": S::ENGINE, "name": name, "values": entries });
    format!("{preset:#}\n")
}

/// Name and plain values (in the table's order) from a preset's text. Values that the preset does
/// not name are the defaults; numbers are taken as well as text.
///
/// # Errors
/// [`Error::Preset`] when the text is no preset of this engine, [`Error::Param`] when an id or value
/// is not known.
pub fn from_json<S: FromValues>(text: &str) -> Result<(String, Vec<f32>), Error> {
    let refuse = |what: String| Error::Preset(what);
    let preset: Value = serde_json::from_str(text).map_err(|e| refuse(format!("not readable as JSON ({e})")))?;
    let version =
        preset.get("plainsong").and_then(Value::as_u64).ok_or_else(|| refuse("not a Plainsong preset: \"plainsong\" is missing".into()))?;
    if version > VERSION {
        return Err(refuse(format!("made by a newer version (format {version}, this one reads {VERSION}); update Plainsong")));
    }
    let engine = preset.get("engine").and_then(Value::as_str).unwrap_or("");
    if engine != S::ENGINE {
        return Err(refuse(format!("made for \"{engine}\", not for \"{}\"", S::ENGINE)));
    }
    let mut values = params::defaults(S::PARAMS);
    let entries = preset.get("values").and_then(Value::as_object).ok_or_else(|| refuse("\"values\" is missing".into()))?;
    for (id, entry) in entries {
        let index = params::index_of(S::PARAMS, id)?;
        let text = entry.as_str().map_or_else(|| entry.to_string(), str::to_owned);
        values[index] = S::PARAMS[index].parse(&text)?;
    }
    let name = preset.get("name").and_then(Value::as_str).unwrap_or("").to_owned();
    Ok((name, values))
}

/// Values of a preset that comes with the engine, by name (case does not matter).
pub fn factory<S: FromValues>(name: &str) -> Option<Vec<f32>> {
    let (_, changes) = S::PRESETS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    let mut values = params::defaults(S::PARAMS);
    for (id, value) in *changes {
        if let Ok(index) = params::index_of(S::PARAMS, id) {
            values[index] = S::PARAMS[index].clamp(*value);
        }
    }
    Some(values)
}
