//! The general runtime, for graphs whose operators ours does not have: tract, with its state outside.

use super::manifest::Manifest;
use std::sync::Arc;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{bail, ensure};

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
    pub(super) fn load(manifest: &Manifest, onnx: &[u8]) -> Result<Self, String> {
        build(manifest, onnx).map(Self).map_err(|e| format!("{e:#}"))
    }

    /// A stream with its states at zero.
    pub(super) fn session(&self, manifest: &Manifest) -> Result<Session, String> {
        let state = self.0.spawn().map_err(|e| format!("{e:#}"))?;
        let mut session = Session { state, states: Vec::new() };
        session.reset(manifest);
        Ok(session)
    }
}

fn build(manifest: &Manifest, onnx: &[u8]) -> TractResult<Arc<TypedRunnableModel>> {
    let mut source = onnx;
    let model = tract_onnx::onnx().model_for_read(&mut source)?.into_typed()?;
    check(&model, model.input_outlets()?, &manifest.graph_inputs(), "input")?;
    check(&model, model.output_outlets()?, &manifest.graph_outputs(), "output")?;
    model.into_optimized()?.into_runnable()
}

/// Checks that the outlets have these names, in order, with these shapes, as `f32`.
fn check(model: &TypedModel, outlets: &[OutletId], wanted: &[super::Tensor], kind: &str) -> TractResult<()> {
    ensure!(outlets.len() == wanted.len(), "the graph has {} {kind}s, its manifest {}", outlets.len(), wanted.len());
    for (outlet, super::Tensor { name, shape }) in outlets.iter().zip(wanted) {
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
    pub(super) fn reset(&mut self, manifest: &Manifest) {
        self.states.clear();
        for state in &manifest.states {
            // Fails for types without a zero only; `f32` has one.
            if let Ok(zero) = Tensor::zero::<f32>(&state.shape) {
                self.states.push(zero.into_tvalue());
            }
        }
    }

    /// One step; false when the runtime reports an error.
    pub(super) fn run(&mut self, manifest: &Manifest, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> bool {
        self.try_run(manifest, inputs, outputs).is_ok()
    }

    fn try_run(&mut self, manifest: &Manifest, inputs: &[&[f32]], outputs: &mut [&mut [f32]]) -> TractResult<()> {
        let mut tensors: TVec<TValue> = tvec![];
        for (described, values) in manifest.inputs.iter().zip(inputs) {
            let mut tensor = Tensor::zero::<f32>(&described.shape)?;
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
