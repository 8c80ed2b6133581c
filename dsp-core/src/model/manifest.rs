//! What stands beside a model's file: task, inputs, outputs, states, licence, hash.

use crate::processor::Error;
use serde::Deserialize;

/// A tensor of `f32` by name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tensor {
    /// Its name in the graph. That of a state stands there behind `state_` where it goes in and behind
    /// `next_` where it comes out.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl Tensor {
    /// Number of values; none when it is more than an address holds.
    pub fn size(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n))
    }
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
    /// What it is for: what an engine asks for.
    pub task: String,
    /// Who made it.
    pub authors: String,
    /// Licence of the weights, an SPDX expression.
    pub license: String,
    /// The model's file, beside this one.
    pub file: String,
    /// SHA-256 of that file, in hex.
    pub sha256: String,
    /// What goes in at each step, in the graph's order.
    pub inputs: Vec<Tensor>,
    /// What comes out at each step, in the graph's order.
    pub outputs: Vec<Tensor>,
    /// Recurrent states, in the graph's order, behind the inputs and behind the outputs: zero at the
    /// start, and carried from one step to the next.
    #[serde(default)]
    pub states: Vec<Tensor>,
}

/// Most values that go in or come out at a step.
const MAX_VALUES: usize = 1 << 16;
/// Most values that a model may keep from step to step.
const MAX_STATE: usize = 1 << 22;

/// What an engine expects of a tensor: name and shape.
pub type Expected<'a> = (&'a str, &'a [usize]);

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`Error::Model`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let manifest: Self =
            toml::from_str(text).map_err(|e| Error::Model { id: "?".into(), reason: format!("manifest: {}", e.message()) })?;
        let parts =
            [("input", &manifest.inputs, MAX_VALUES), ("output", &manifest.outputs, MAX_VALUES), ("state", &manifest.states, MAX_STATE)];
        for (kind, tensors, most) in parts {
            if tensors.is_empty() && kind != "state" {
                return Err(manifest.refuse(format!("there is no {kind}; name one at least")));
            }
            let mut total = 0_usize;
            for tensor in tensors {
                let size = tensor.size().unwrap_or(usize::MAX);
                total = total.saturating_add(size);
                if size == 0 || total > most {
                    let (name, shape) = (&tensor.name, &tensor.shape);
                    return Err(manifest
                        .refuse(format!("{kind} \"{name}\" has a shape of {shape:?}; all {kind}s together hold 1 to {most} values")));
                }
            }
        }
        Ok(manifest)
    }

    /// All inputs of the graph: those of a step, then the states'.
    pub(super) fn graph_inputs(&self) -> Vec<Tensor> {
        self.with_states(&self.inputs, "state_")
    }

    /// All outputs of the graph: those of a step, then the states'.
    pub(super) fn graph_outputs(&self) -> Vec<Tensor> {
        self.with_states(&self.outputs, "next_")
    }

    fn with_states(&self, first: &[Tensor], prefix: &str) -> Vec<Tensor> {
        let states = self.states.iter().map(|state| Tensor { name: format!("{prefix}{}", state.name), shape: state.shape.clone() });
        first.iter().cloned().chain(states).collect()
    }

    /// Checks that this is a model for `task` with exactly these inputs and outputs.
    ///
    /// # Errors
    /// [`Error::Model`] with what does not fit.
    pub fn fits(&self, task: &str, inputs: &[Expected<'_>], outputs: &[Expected<'_>]) -> Result<(), Error> {
        if self.task != task {
            return Err(self.refuse(format!("is for \"{}\"; a model for \"{task}\" is needed", self.task)));
        }
        for (kind, tensors, expected) in [("inputs", &self.inputs, inputs), ("outputs", &self.outputs, outputs)] {
            let fits = tensors.len() == expected.len()
                && tensors.iter().zip(expected).all(|(t, (name, shape))| t.name == *name && t.shape == *shape);
            if !fits {
                let named = |parts: Vec<(&str, &[usize])>| {
                    parts.iter().map(|(name, shape)| format!("{name} {shape:?}")).collect::<Vec<_>>().join(", ")
                };
                let has = named(tensors.iter().map(|t| (t.name.as_str(), t.shape.as_slice())).collect());
                return Err(self.refuse(format!("its {kind} are {has}; needed are {}", named(expected.to_vec()))));
            }
        }
        Ok(())
    }

    fn refuse(&self, reason: String) -> Error {
        Error::Model { id: self.id.clone(), reason }
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
        file = "model.onnx"
        sha256 = "0"
        [[inputs]]
        name = "spectrum"
        shape = [1, 481, 2]
        [[outputs]]
        name = "mask"
        shape = [1, 481, 2]
        [[states]]
        name = "h"
        shape = [48, 32]
    "#;

    #[test]
    fn what_does_not_fit_is_refused_with_the_reason() {
        assert!(Manifest::parse(GOOD).is_ok());
        for (from, to, word) in [
            ("[[outputs]]", "[[other]]", "outputs"),
            ("\"mask\"\n        shape = [1, 481, 2]", "\"mask\"\n        shape = [1, 0, 2]", "output"),
            ("\"spectrum\"\n        shape = [1, 481, 2]", "\"spectrum\"\n        shape = [481, 481]", "input"),
            ("[48, 32]", "[48, 0]", "state"),
            ("[48, 32]", "[4294967296, 4294967296]", "state"),
            ("name = \"X\"", "", "name"),
        ] {
            assert!(GOOD.contains(from));
            let error = Manifest::parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn an_engine_gets_what_it_expects_or_a_reason() {
        let manifest = Manifest::parse(GOOD).unwrap();
        let fits = |task, input, size: usize| manifest.fits(task, &[(input, &[1, size, 2])], &[("mask", &[1, 481, 2])]);
        assert!(fits("denoise", "spectrum", 481).is_ok());
        for (task, input, size, word) in
            [("deess", "spectrum", 481, "denoise"), ("denoise", "bands", 481, "bands"), ("denoise", "spectrum", 257, "257")]
        {
            let error = fits(task, input, size).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
