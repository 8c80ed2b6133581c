//! The report: what was done to a file, as JSON.

use super::engine::{Entry, Model};
use super::levels::Reading;
use super::spectra::octaves;
use dsp_core::detection::{Event, Sound};
use dsp_core::params::Param;
use serde_json::{Map, Value, json};

/// Values of an engine's parameters as written after `--set`, by id.
pub fn settings(params: &[Param], values: &[f32]) -> Map<String, Value> {
    params.iter().zip(values).map(|(param, &value)| (param.id.to_owned(), Value::String(param.key(value)))).collect()
}

/// What all files of a run share.
pub fn engine(entry: &Entry, values: &[f32], models: &[Model]) -> Map<String, Value> {
    let models: Vec<_> = models.iter().map(|model| json!({ "id": model.id, "sha256": model.sha256 })).collect();
    let mut report = Map::new();
    report.insert("plainsong".into(), env!("CARGO_PKG_VERSION").into());
    report.insert("engine".into(), entry.name.into());
    report.insert("models".into(), models.into());
    report.insert("settings".into(), settings(entry.params, values).into());
    report
}

/// Rounds to what a person reads; none stays null.
fn rounded(value: Option<f64>) -> Value {
    value.map_or(Value::Null, |value| json!((value * 100.0).round() / 100.0))
}

/// Levels in dB.
pub fn levels(reading: Reading) -> Value {
    json!({
        "rms_dbfs": rounded(reading.rms_dbfs),
        "peak_dbfs": rounded(reading.peak_dbfs),
        "loudness_lufs": rounded(reading.loudness_lufs),
    })
}

/// What was removed, octave by octave.
pub fn bands(rate: u32, before: &[Option<f64>], after: &[Option<f64>], gains: &[Option<f64>]) -> Value {
    let bands = octaves(rate as f32).into_iter().enumerate().map(|(index, (low, high))| {
        let at = |levels: &[Option<f64>]| levels.get(index).copied().flatten();
        let (before, after) = (at(before), at(after));
        json!({
            "from_hz": low.round(),
            "to_hz": high.round(),
            "before_dbfs": rounded(before),
            "after_dbfs": rounded(after),
            "removed_db": rounded(before.zip(after).map(|(before, after)| before - after)),
            "mean_gain_db": rounded(at(gains)),
        })
    });
    bands.collect()
}

/// Each sound that was heard: when, what, where, and what was taken off.
pub fn events(events: &[Event]) -> Value {
    let event = |event: &Event| {
        json!({
            "start_seconds": (event.start * 1000.0).round() / 1000.0,
            "end_seconds": (event.end * 1000.0).round() / 1000.0,
            "class": event.sound.name(),
            "centre_hz": event.centre_hz.round(),
            "largest_reduction_db": rounded(Some(f64::from(event.largest.0))),
            "mean_reduction_db": rounded(Some(f64::from(event.mean.0))),
            "whistle": rounded(Some(f64::from(event.whistle))),
        })
    };
    events.iter().map(event).collect()
}

/// How many sounds of each class were heard, how long they are, and what was taken off them.
pub fn sounds(events: &[Event]) -> Value {
    let class = |sound: Sound| {
        let all: Vec<&Event> = events.iter().filter(|event| event.sound == sound).collect();
        let seconds: f64 = all.iter().map(|event| event.end - event.start).sum();
        let taken: f64 = all.iter().map(|event| (event.end - event.start) * f64::from(event.mean.0)).sum();
        let largest = all.iter().map(|event| f64::from(event.largest.0)).fold(0.0, f64::max);
        let entry = json!({
            "count": all.len(),
            "seconds": rounded(Some(seconds)),
            "largest_reduction_db": rounded(Some(largest)),
            "mean_reduction_db": rounded((seconds > 0.0).then(|| taken / seconds)),
        });
        (sound.name().to_owned(), entry)
    };
    Value::Object(Sound::ALL.into_iter().skip(1).map(class).collect())
}
