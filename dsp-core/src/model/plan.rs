//! A model read, checked against its manifest and optimised: what all instances share.

use super::manifest::{Manifest, Tensor};
use crate::processor::Error;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tract_onnx::prelude::*;

/// An optimised graph with its manifest. Loading takes 30 to 200 ms.
#[derive(Debug)]
pub struct Plan {
    manifest: Manifest,
    plan: Arc<TypedRunnableModel>,
}

impl Plan {
    /// Reads `onnx`, checks its hash, names and shapes against the manifest, and optimises it.
    ///
    /// # Errors
    /// [`Error::Model`] with what does not fit.
    pub fn load(manifest: Manifest, onnx: &[u8]) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Model { id: manifest.id.clone(), reason };
        let hash: String = Sha256::digest(onnx).iter().map(|byte| format!("{byte:02x}")).collect();
        if hash != manifest.sha256 {
            return Err(refuse(format!("the file's hash is {hash}, its manifest says {}; export both again", manifest.sha256)));
        }
        let plan = build(&manifest, onnx).map_err(|e| refuse(format!("{e:#}")))?;
        Ok(Self { manifest, plan })
    }

    /// The model's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(super) fn runnable(&self) -> &Arc<TypedRunnableModel> {
        &self.plan
    }
}

fn build(manifest: &Manifest, onnx: &[u8]) -> TractResult<Arc<TypedRunnableModel>> {
    let mut source = onnx;
    let model = tract_onnx::onnx().model_for_read(&mut source)?.into_typed()?;
    let named = |first: &[Tensor], prefix: &str| {
        let states = manifest.states.iter().map(|state| Tensor { name: format!("{prefix}{}", state.name), shape: state.shape.clone() });
        first.iter().cloned().chain(states).collect::<Vec<_>>()
    };
    check(&model, model.input_outlets()?, &named(&manifest.inputs, "state_"), "input")?;
    check(&model, model.output_outlets()?, &named(&manifest.outputs, "next_"), "output")?;
    model.into_optimized()?.into_runnable()
}

/// Checks that the outlets have these names, in order, with these shapes, as `f32`.
fn check(model: &TypedModel, outlets: &[OutletId], wanted: &[Tensor], kind: &str) -> TractResult<()> {
    use tract_onnx::tract_core::internal::{bail, ensure};
    ensure!(outlets.len() == wanted.len(), "the graph has {} {kind}s, its manifest {}", outlets.len(), wanted.len());
    for (outlet, Tensor { name, shape }) in outlets.iter().zip(wanted) {
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
