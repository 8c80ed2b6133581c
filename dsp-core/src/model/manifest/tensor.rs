//! Tensors of a graph: names, shapes, and what their values mean.

use serde::Deserialize;

/// What a tensor's values mean to the engine that runs the model. Where nothing is said the engine knows
/// the tensor by its name, or nobody needs it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Holds {
    /// In: the complex spectrum of the newest frame; out: the enhanced one. Either real and imaginary part
    /// stand side by side in the last dimension, of 2, or all real parts come before all imaginary ones,
    /// where the dimension of 2 stands before that of the bins.
    Spectrum,
    /// In: magnitudes to this power: 1 for plain, less for compressed ones.
    Magnitudes(f32),
    /// In: the lowest bins of the complex spectrum, each divided by the root of its running mean magnitude.
    UnitSpectrum(Running),
    /// In: decibels of the mean power in the manifest's bands, less their running mean, divided by 40.
    LogBands(Running),
    /// In: the frame after the masks so far, as samples; out: enhanced samples, which are overlapped and
    /// added.
    Wave,
    /// In: what an earlier part gave under this name.
    Link,
    /// Out: a complex factor for each bin.
    Mask,
    /// Out: a real factor for each bin.
    Gains,
    /// Out: a real factor for each of the manifest's bands.
    BandGains,
    /// Out: complex filters over frames for the lowest bins, `[bin][tap][re, im]`, oldest frame first; the
    /// last tap belongs to the newest frame.
    Taps,
}

/// A running mean: `mean = decay * mean + (1 - decay) * value`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Share of the old mean that stays at each frame, 0 to under 1.
    pub decay: f32,
    /// Means of the lowest and the highest band or bin at the start; straight in between.
    pub start: [f32; 2],
}

impl Running {
    /// The first mean of each of `count` values.
    pub fn first(&self, count: usize) -> Vec<f32> {
        let step = (self.start[1] - self.start[0]) / (count.max(2) - 1) as f32;
        (0..count).map(|index| self.start[0] + index as f32 * step).collect()
    }
}

/// A tensor of `f32` by name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// Its name in the graph.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it holds.
    #[serde(default)]
    pub holds: Option<Holds>,
}

/// A tensor that a step takes from the step before.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its name in the graph where it goes in; `state_` and its name where nothing is said.
    #[serde(default)]
    pub input: Option<String>,
    /// Its name in the graph where it comes out; `next_` and its name where nothing is said.
    #[serde(default)]
    pub output: Option<String>,
}

/// Number of values of a shape; none when it is more than an address holds.
pub(super) fn size(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n))
}

impl Tensor {
    /// Number of values; none when it is more than an address holds.
    pub fn size(&self) -> Option<usize> {
        size(&self.shape)
    }

    /// Its last dimension that is not 1.
    pub(crate) fn last(&self) -> usize {
        self.shape.iter().copied().rfind(|&n| n != 1).unwrap_or(1)
    }
}

/// A graph in a file, and what goes in and out at each step.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Part {
    /// The file, beside the manifest.
    pub file: String,
    /// SHA-256 of that file, in hex.
    pub sha256: String,
    /// The graph takes sequences and begins anew at each: dimensions along them stand as 1 in the shapes.
    /// Padding before a sequence and first states of recurrent cells become states.
    #[serde(default)]
    pub sequence: bool,
    /// What goes in at each step, in the graph's order.
    pub inputs: Vec<Tensor>,
    /// What comes out at each step, in the graph's order.
    pub outputs: Vec<Tensor>,
    /// Recurrent states, in the graph's order, behind the inputs and behind the outputs: zero at the
    /// start, and carried from one step to the next.
    #[serde(default)]
    pub states: Vec<State>,
}

impl Part {
    /// All inputs of the graph: those of a step, then the states'.
    pub(in super::super) fn graph_inputs(&self) -> Vec<(String, Vec<usize>)> {
        let name = |state: &State| state.input.clone().unwrap_or_else(|| format!("state_{}", state.name));
        let states = self.states.iter().map(|s| (name(s), s.shape.clone()));
        self.inputs.iter().map(|t| (t.name.clone(), t.shape.clone())).chain(states).collect()
    }

    /// All outputs of the graph: those of a step, then the states'.
    pub(in super::super) fn graph_outputs(&self) -> Vec<(String, Vec<usize>)> {
        let name = |state: &State| state.output.clone().unwrap_or_else(|| format!("next_{}", state.name));
        let states = self.states.iter().map(|s| (name(s), s.shape.clone()));
        self.outputs.iter().map(|t| (t.name.clone(), t.shape.clone())).chain(states).collect()
    }
}
