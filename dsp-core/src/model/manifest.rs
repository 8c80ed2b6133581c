//! What stands beside a model's file: framing, states, licence, hash.

use crate::framing::Shape;
use crate::processor::Error;
use serde::Deserialize;

/// A recurrent state: zero at the start, and carried from one step to the next.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct State {
    /// The graph takes it as `state_NAME` and gives it as `next_NAME`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// A model's `manifest.toml`. Fields that are not needed to run it are left to who reads the file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Manifest {
    /// Short permanent name.
    pub id: String,
    /// Name shown.
    pub name: String,
    /// Version of the weights.
    pub version: String,
    /// What it is for.
    pub task: String,
    /// Who made it.
    pub authors: String,
    /// Licence of the weights, an SPDX expression.
    pub license: String,
    /// Windows it was trained with.
    pub window: Shape,
    /// Bins of its spectrum, from 0 Hz.
    pub bins: usize,
    /// Distance of two bins.
    pub bin_hz: f32,
    /// What it takes; `complex-spectrum` is `[1, bins, 2]`.
    pub input: String,
    /// What it gives; `complex-mask` is `[1, bins, 2]`.
    pub output: String,
    /// The model's file, beside this one.
    pub file: String,
    /// SHA-256 of that file, in hex.
    pub sha256: String,
    /// Recurrent states, in the graph's order.
    #[serde(default)]
    pub states: Vec<State>,
}

/// Most values that a model may keep from step to step.
const MAX_STATE: usize = 1 << 22;
/// Most bins of a model's spectrum.
const MAX_BINS: usize = 1 << 14;

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`Error::Model`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let manifest: Self =
            toml::from_str(text).map_err(|e| Error::Model { id: "?".into(), reason: format!("manifest: {}", e.message()) })?;
        let refuse = |reason: String| Err(Error::Model { id: manifest.id.clone(), reason });
        if manifest.input != "complex-spectrum" {
            return refuse(format!("input \"{}\" is not known; use \"complex-spectrum\"", manifest.input));
        }
        if manifest.output != "complex-mask" {
            return refuse(format!("output \"{}\" is not known; use \"complex-mask\"", manifest.output));
        }
        if manifest.bins < 2 || manifest.bins > MAX_BINS {
            return refuse(format!("{} bins are out of range; use 2 to {MAX_BINS}", manifest.bins));
        }
        let mut total = 0_usize;
        for state in &manifest.states {
            let size = state.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n)).unwrap_or(usize::MAX);
            total = total.saturating_add(size);
            if size == 0 || total > MAX_STATE {
                return refuse(format!(
                    "state \"{}\" has a shape of {:?}; all states together hold 1 to {MAX_STATE} values",
                    state.name, state.shape
                ));
            }
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        id = "x"
        name = "X"
        version = "1"
        task = "denoise"
        authors = "a"
        license = "MIT"
        window = "sqrt-hann"
        bins = 481
        bin_hz = 50
        input = "complex-spectrum"
        output = "complex-mask"
        file = "model.onnx"
        sha256 = "0"
        [[states]]
        name = "h"
        shape = [48, 32]
    "#;

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        assert!(Manifest::parse(GOOD).is_ok());
        for (from, to, word) in [
            ("complex-mask", "gains", "complex-mask"),
            ("bins = 481", "bins = 0", "bins"),
            ("[48, 32]", "[48, 0]", "state"),
            ("[48, 32]", "[4294967296, 4294967296]", "state"),
            ("name = \"X\"", "", "name"),
        ] {
            let error = Manifest::parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
