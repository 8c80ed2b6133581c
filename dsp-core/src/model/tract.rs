//! The general runtime, for graphs whose operators ours does not have: tract, with its state outside.

use super::manifest::Part;
use std::panic::catch_unwind;
use std::sync::Arc;
use tract_onnx::prelude::Tensor as Values;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{bail, ensure};
use tract_onnx::tract_core::ops::gru_seq::GruSeq;
use tract_onnx::tract_core::ops::scan::Scan;

/// An optimised graph.
#[derive(Debug)]
pub(super) struct General(Arc<TypedRunnableModel>);

/// One stream through it.
pub(super) struct Session {
    state: TypedSimpleState,
    /// The states that go into the next step, in the manifest's order.
    states: Vec<TValue>,
}

impl General {
    /// Reads, checks and optimises `onnx`.
    pub(super) fn load(part: &Part, onnx: &[u8]) -> Result<Self, String> {
        // tract panics at some graphs that make no sense, such as a slice with steps of 0.
        match catch_unwind(|| build(part, onnx)) {
            Ok(built) => built.map(Self).map_err(|e| format!("{e:#}")),
            Err(_) => Err("tract panics at this graph; what it says stands on standard error".into()),
        }
    }

    /// A stream with its states at zero.
    pub(super) fn session(&self, part: &Part) -> Result<Session, String> {
        let state = self.0.spawn().map_err(|e| format!("{e:#}"))?;
        let mut session = Session { state, states: Vec::new() };
        session.reset(part);
        Ok(session)
    }
}

fn build(part: &Part, onnx: &[u8]) -> TractResult<Arc<TypedRunnableModel>> {
    let mut source = onnx;
    let mut reader = tract_onnx::onnx().model_for_read(&mut source)?;
    for (index, (_, shape)) in part.graph_inputs().iter().enumerate() {
        reader.set_input_fact(index, f32::fact(shape.as_slice()).into())?;
    }
    let mut model = reader.into_typed()?;
    // A recurrence inside a step begins anew at every step; what is kept is outside, in the states.
    for node in model.nodes_mut() {
        if let Some(scan) = node.op_as_mut::<Scan>() {
            scan.reset_every_turn = true;
        } else if let Some(gru) = node.op_as_mut::<GruSeq>() {
            gru.reset_every_turn = true;
        }
    }
    check(&model, model.input_outlets()?, &part.graph_inputs(), "input")?;
    check(&model, model.output_outlets()?, &part.graph_outputs(), "output")?;
    model.into_optimized()?.into_runnable()
}

/// Checks that the outlets have these names, in order, with these shapes, as `f32`.
fn check(model: &TypedModel, outlets: &[OutletId], wanted: &[(String, Vec<usize>)], kind: &str) -> TractResult<()> {
    ensure!(outlets.len() == wanted.len(), "the graph has {} {kind}s, its manifest {}", outlets.len(), wanted.len());
    for (outlet, (name, shape)) in outlets.iter().zip(wanted) {
        let label = model.outlet_label(*outlet).unwrap_or(&model.node(outlet.node).name);
        if label != name {
            bail!("{kind} \"{label}\" stands where \"{name}\" is expected");
        }
        let fact = model.outlet_fact(*outlet)?;
        ensure!(fact.datum_type == f32::datum_type(), "{kind} \"{name}\" is {:?}, expected f32", fact.datum_type);
        let dims = fact.shape.as_concrete();
        ensure!(dims == Some(shape.as_slice()), "{kind} \"{name}\" has a shape of {:?}, its manifest says {shape:?}", fact.shape);
    }
    Ok(())
}

impl Session {
    /// Zeroes the states. Makes small tensors: on the audio thread call it inside a
    /// [`crate::realtime::Scope`].
    pub(super) fn reset(&mut self, part: &Part) {
        self.states.clear();
        for state in &part.states {
            // Fails for types without a zero only; `f32` has one.
            if let Ok(zero) = Values::zero::<f32>(&state.shape) {
                self.states.push(zero.into_tvalue());
            }
        }
    }

    /// One step; false when the runtime reports an error.
    pub(super) fn run(&mut self, part: &Part, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> bool {
        self.try_run(part, inputs, outputs).is_ok()
    }

    fn try_run(&mut self, part: &Part, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> TractResult<()> {
        let mut tensors: TVec<TValue> = tvec![];
        for (described, values) in part.inputs.iter().zip(inputs) {
            let mut tensor = Values::zero::<f32>(&described.shape)?;
            tensor.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?.copy_from_slice(values);
            tensors.push(tensor.into_tvalue());
        }
        tensors.extend(self.states.drain(..));
        let mut results = self.state.run(tensors)?.into_iter();
        for (values, result) in outputs.iter_mut().zip(results.by_ref()) {
            values.copy_from_slice(result.try_as_plain_ram()?.as_slice::<f32>()?);
        }
        self.states.extend(results);
        Ok(())
    }
}
