//! Checks a saved state before it is taken over.
//!
//! nice-plug 0.4.2 writes the numbers of a state into the parameters as they are, and leaves a
//! parameter that the state does not name where it stands. Here everything is brought into range,
//! what is not known is left out, and what is missing is the default, so that the same state always
//! gives the same sound. A text that is no state at all never gets here: the wrapper refuses it and
//! nothing changes.

use dsp_core::params::{Kind, Param};
use nice_plug::plugin::ParamValue;
use nice_plug::prelude::PluginState;

/// Makes a state complete and safe for a table.
pub fn sanitize(table: &[Param], state: &mut PluginState) {
    let old = std::mem::take(&mut state.params);
    for param in table {
        let saved = old.get(param.id).and_then(|value| match value {
            ParamValue::F32(value) => Some(*value),
            ParamValue::I32(value) => Some(*value as f32),
            ParamValue::Bool(on) => Some(f32::from(u8::from(*on))),
            ParamValue::String(text) => param.parse(text).ok(),
        });
        let plain = param.clamp(saved.unwrap_or_else(|| param.default_value()));
        let value = match param.kind {
            Kind::Float { .. } => ParamValue::F32(plain),
            Kind::Choice { .. } => ParamValue::I32(plain as i32),
            Kind::Switch { .. } => ParamValue::Bool(plain >= 0.5),
        };
        state.params.insert(param.id.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::engines::denoise::Settings;
    use dsp_core::params::FromValues;

    fn load(json: &str) -> PluginState {
        let mut state = serde_json::from_str(json).unwrap();
        sanitize(Settings::PARAMS, &mut state);
        state
    }

    #[test]
    fn values_are_clamped_converted_and_completed() {
        let state = load(
            r#"{"version":"9","params":{"amount":{"f32":1e30},"limit":{"i32":12},"link":{"string":"per-channel"},
                "bypass":{"f32":1.0},"gone":{"f32":1.0}},"fields":{}}"#,
        );
        let text = format!("{:?}", state.params);
        for part in ["\"amount\": F32(100.0)", "\"limit\": F32(12.0)", "\"link\": I32(1)", "\"bypass\": Bool(true)", "\"high\": F32(100.0)"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(state.params.len(), Settings::PARAMS.len());
    }

    #[test]
    fn what_is_no_state_is_refused() {
        for text in ["", "{", "[]", "{\"params\":3}", r#"{"params":{"amount":{"f32":null}},"fields":{}}"#] {
            assert!(serde_json::from_str::<PluginState>(text).is_err(), "{text}");
        }
    }
}
