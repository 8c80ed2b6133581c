//! Host parameters made from an engine's table.

use crate::models::{Chosen, Reload};
use crate::persist::Persisted;
use dsp_core::params::{Kind, Param};
use nice_plug::params::Param as _;
use nice_plug::params::internals::ParamPtr;
use nice_plug::prelude::{BoolParam, FloatParam, FloatRange, IntParam, IntRange, Params};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Id of the parameter that is the host's bypass.
const BYPASS: &str = "bypass";
/// Key of the editor's part of the state.
const FIELD: &str = "editor";

/// One parameter as the host knows it.
enum Slot {
    Float(FloatParam),
    Choice(IntParam),
    Switch(BoolParam),
}

/// The parameters of a table, with what the editor keeps in the state beside them.
///
/// Values are plain, in the table's units and order. Reading and writing them is lock-free.
pub struct TableParams {
    table: &'static [Param],
    // Boxed: the host keeps pointers to the slots for as long as this lives.
    slots: Box<[Slot]>,
    persisted: Mutex<Persisted>,
    revision: AtomicU32,
    reload: Mutex<Option<Reload>>,
}

impl std::fmt::Debug for TableParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries((0..self.len()).map(|i| (self.table[i].id, self.value(i)))).finish()
    }
}

impl TableParams {
    /// Parameters at their defaults.
    pub fn new(table: &'static [Param]) -> Arc<Self> {
        Self::hiding(table, &[])
    }

    /// As [`TableParams::new`]; hosts do not show those of some ids.
    pub fn hiding(table: &'static [Param], hidden: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            table,
            slots: table.iter().map(|param| slot(param, hidden.contains(&param.id))).collect(),
            persisted: Mutex::new(Persisted::default()),
            revision: AtomicU32::new(0),
            reload: Mutex::new(None),
        })
    }

    /// The table.
    pub fn table(&self) -> &'static [Param] {
        self.table
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True when the table is empty.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Writes the values with the host's modulation to `values`, as many as fit. For the audio
    /// thread.
    pub fn values(&self, values: &mut [f32]) {
        for (value, slot) in values.iter_mut().zip(&self.slots) {
            *value = match slot {
                Slot::Float(p) => p.value(),
                Slot::Choice(p) => p.value() as f32,
                Slot::Switch(p) => f32::from(u8::from(p.value())),
            };
        }
    }

    /// One value without modulation: what the control stands at. The index must be in the table.
    pub fn value(&self, index: usize) -> f32 {
        match &self.slots[index] {
            Slot::Float(p) => p.unmodulated_plain_value(),
            Slot::Choice(p) => p.unmodulated_plain_value() as f32,
            Slot::Switch(p) => f32::from(u8::from(p.unmodulated_plain_value())),
        }
    }

    /// Position of a value on its control's travel, 0 to 1.
    pub fn normalized(&self, index: usize, value: f32) -> f32 {
        let value = self.table[index].clamp(value);
        match &self.slots[index] {
            Slot::Float(p) => p.preview_normalized(value),
            Slot::Choice(p) => p.preview_normalized(value as i32),
            Slot::Switch(_) => value,
        }
    }

    /// Value at a position on its control's travel, 0 to 1.
    pub fn plain(&self, index: usize, normalized: f32) -> f32 {
        let value = match &self.slots[index] {
            Slot::Float(p) => p.preview_plain(normalized),
            Slot::Choice(p) => p.preview_plain(normalized) as f32,
            Slot::Switch(_) => normalized,
        };
        self.table[index].clamp(value)
    }

    /// The host's handle of a parameter.
    pub fn pointer(&self, index: usize) -> ParamPtr {
        match &self.slots[index] {
            Slot::Float(p) => p.as_ptr(),
            Slot::Choice(p) => p.as_ptr(),
            Slot::Switch(p) => p.as_ptr(),
        }
    }

    /// What the editor keeps in the state.
    pub fn persisted(&self) -> Persisted {
        self.persisted.lock().clone()
    }

    /// Changes what the editor keeps in the state.
    pub fn persist(&self, change: impl FnOnce(&mut Persisted)) {
        change(&mut self.persisted.lock());
    }

    /// Keeps what loads the chosen model from now on.
    pub fn set_reload(&self, reload: Reload) {
        *self.reload.lock() = Some(reload);
    }

    /// Loads the chosen model, as soon as the loader comes to it. Before an activation nothing happens, since
    /// that loads it. Not for the audio thread.
    pub fn reload(&self) {
        let reload = self.reload.lock().clone();
        if let Some(reload) = reload {
            reload();
        }
    }

    /// Chooses a model, none for the built-in ones, and loads it. Not for the audio thread.
    pub fn choose(&self, model: Option<Chosen>) {
        self.persist(|state| state.model = model);
        self.reload();
    }

    /// A number that changes when a state was loaded.
    pub fn revision(&self) -> u32 {
        self.revision.load(Ordering::Acquire)
    }
}

// SAFETY: the pointers point into `slots`, which is never replaced or moved while `self` lives, and
// the wrapper keeps the `Arc` of this object for as long as it uses them.
unsafe impl Params for TableParams {
    fn param_map(&self) -> Vec<(String, ParamPtr, String)> {
        (0..self.len()).map(|i| (self.table[i].id.to_owned(), self.pointer(i), String::new())).collect()
    }

    fn serialize_fields(&self) -> BTreeMap<String, String> {
        let text = serde_json::to_string(&*self.persisted.lock());
        text.map(|text| (FIELD.to_owned(), text)).into_iter().collect()
    }

    fn deserialize_fields(&self, serialized: &BTreeMap<String, String>) {
        // A part that cannot be read leaves the editor as it is: sound matters more than a window.
        if let Some(persisted) = serialized.get(FIELD).and_then(|text| serde_json::from_str::<Persisted>(text).ok()) {
            let before = std::mem::replace(&mut *self.persisted.lock(), persisted.checked(self.table));
            if before.model != self.persisted().model {
                // A state may come while the sound plays, and nobody activates after it (defect 8 of nice-plug
                // 0.4.2).
                self.reload();
            }
        }
        self.revision.fetch_add(1, Ordering::Release);
    }
}

/// The host's parameter for one row of the table.
fn slot(param: &'static Param, hidden: bool) -> Slot {
    let slot = made(param);
    match slot {
        slot if !hidden => slot,
        Slot::Float(p) => Slot::Float(p.hide().non_automatable()),
        Slot::Choice(p) => Slot::Choice(p.hide().non_automatable()),
        Slot::Switch(p) => Slot::Switch(p.hide().non_automatable()),
    }
}

fn made(param: &'static Param) -> Slot {
    match param.kind {
        Kind::Float { min, max, default, skew, .. } => {
            let range = if skew == 1.0 { FloatRange::Linear { min, max } } else { FloatRange::Skewed { min, max, factor: skew } };
            // The unit is part of the text: a host that appended it would write "no limit dB".
            Slot::Float(
                FloatParam::new(param.name, default, range)
                    .with_value_to_string(Arc::new(|value| param.format(value)))
                    .with_string_to_value(Arc::new(|text| param.parse(text).ok())),
            )
        }
        Kind::Choice { values, default } => {
            let range = IntRange::Linear { min: 0, max: values.len().saturating_sub(1) as i32 };
            Slot::Choice(
                IntParam::new(param.name, default as i32, range)
                    .with_value_to_string(Arc::new(|value| param.format(value as f32)))
                    .with_string_to_value(Arc::new(|text| param.parse(text).ok().map(|value| value as i32))),
            )
        }
        Kind::Switch { default } => {
            let slot = BoolParam::new(param.name, default)
                .with_value_to_string(Arc::new(|on| param.format(f32::from(u8::from(on)))))
                .with_string_to_value(Arc::new(|text| param.parse(text).ok().map(|value| value >= 0.5)));
            Slot::Switch(if param.id == BYPASS { slot.make_bypass() } else { slot })
        }
    }
}

/// Ids, ranges, defaults and travel of a table as text, for a snapshot that a test compares: hosts
/// and saved projects hold on to every line of it.
pub fn snapshot(table: &'static [Param]) -> String {
    use std::fmt::Write as _;
    let params = TableParams::new(table);
    let mut text = String::new();
    for (i, param) in table.iter().enumerate() {
        // Two decimals: the last digits of a power differ between platforms.
        let half = format!("{:.2}", params.plain(i, 0.5));
        let _ = writeln!(text, "{} | takes {} | default {} | halfway {half}", param.id, param.takes(), param.key(param.default_value()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::engines::denoise::Settings;
    use dsp_core::params::{FromValues, index_of};

    const TABLE: &[Param] = Settings::PARAMS;

    #[test]
    fn text_and_value_go_round() {
        let params = TableParams::new(TABLE);
        for (i, param) in TABLE.iter().enumerate() {
            for step in 0..=20 {
                let normalized = step as f32 / 20.0;
                // SAFETY: `params` lives.
                let (text, back) = unsafe {
                    let text = params.pointer(i).normalized_value_to_string(normalized, true);
                    (text.clone(), params.pointer(i).string_to_normalized_value(&text))
                };
                let again = param.format(params.plain(i, back.unwrap_or(f32::NAN)));
                assert_eq!(text, again, "{} at {normalized}", param.id);
            }
        }
    }

    #[test]
    fn the_host_cannot_type_what_is_out_of_range() {
        let params = TableParams::new(TABLE);
        let limit = index_of(TABLE, "limit").unwrap();
        // SAFETY: `params` lives.
        unsafe {
            assert_eq!(params.pointer(limit).string_to_normalized_value("999 dB"), None);
            assert_eq!(params.pointer(limit).string_to_normalized_value("no limit"), Some(1.0));
        }
    }

    #[test]
    fn travel_ends_at_the_range() {
        let params = TableParams::new(TABLE);
        for (i, param) in TABLE.iter().enumerate() {
            let (min, max) = param.range();
            assert_eq!((params.plain(i, 0.0), params.plain(i, 1.0)), (min, max), "{}", param.id);
            assert_eq!((params.normalized(i, min), params.normalized(i, max)), (0.0, 1.0), "{}", param.id);
        }
    }

    #[test]
    fn only_bypass_is_the_hosts_bypass() {
        use nice_plug::prelude::ParamFlags;
        let params = TableParams::new(TABLE);
        for (i, param) in TABLE.iter().enumerate() {
            // SAFETY: `params` lives.
            let flags = unsafe { params.pointer(i).flags() };
            assert_eq!(flags.contains(ParamFlags::BYPASS), param.id == "bypass");
        }
    }

    #[test]
    fn editor_state_survives_and_rubbish_does_no_harm() {
        let params = TableParams::new(TABLE);
        params.persist(|p| {
            p.zoom = 1.5;
            p.preset = "Podcast".into();
        });
        let fields = params.serialize_fields();
        let other = TableParams::new(TABLE);
        other.deserialize_fields(&fields);
        assert_eq!(other.persisted(), params.persisted());
        let rubbish = BTreeMap::from([(FIELD.to_owned(), "{\"zoom\": \"big\"".to_owned())]);
        other.deserialize_fields(&rubbish);
        assert_eq!(other.persisted(), params.persisted());
    }
}
