//! A model read, checked against its manifest and planned: what all instances share.

use super::manifest::{Manifest, Tensor};
use super::onnx::{Graph, Port};
use super::program::{Program, Refusal};
#[cfg(feature = "tract")]
use super::tract::General;
use crate::processor::Error;
use sha2::{Digest, Sha256};

/// A graph that is ready to run, with its manifest.
#[derive(Debug)]
pub struct Plan {
    manifest: Manifest,
    runtime: Runtime,
}

/// What runs it.
#[derive(Debug)]
pub(super) enum Runtime {
    /// Ours: a few milliseconds to load, no allocation to run.
    Own(Box<Program>),
    /// tract, for what ours does not have: 30 to 200 ms to load.
    #[cfg(feature = "tract")]
    General(General),
}

impl Plan {
    /// Reads `onnx`, checks its hash, names and shapes against the manifest, and plans it.
    ///
    /// # Errors
    /// [`Error::Model`] with what does not fit, or which operator is not known.
    pub fn load(manifest: Manifest, onnx: &[u8]) -> Result<Self, Error> {
        check_hash(&manifest, onnx)?;
        let refuse = |reason: String| Error::Model { id: manifest.id.clone(), reason };
        let runtime = match program(&manifest, onnx) {
            Ok(program) => Runtime::Own(Box::new(program)),
            Err(Refusal::Invalid(reason)) => return Err(refuse(reason)),
            #[cfg(feature = "tract")]
            Err(Refusal::Unsupported(_)) => Runtime::General(General::load(&manifest, onnx).map_err(refuse)?),
            #[cfg(not(feature = "tract"))]
            Err(Refusal::Unsupported(reason)) => {
                return Err(refuse(format!("{reason}; a build with the feature \"tract\" may run it")));
            }
        };
        Ok(Self { manifest, runtime })
    }

    /// As [`Plan::load`], always with the general runtime: what ours is compared with.
    ///
    /// # Errors
    /// [`Error::Model`] with what does not fit.
    #[cfg(feature = "tract")]
    pub fn load_general(manifest: Manifest, onnx: &[u8]) -> Result<Self, Error> {
        check_hash(&manifest, onnx)?;
        let general = General::load(&manifest, onnx).map_err(|reason| Error::Model { id: manifest.id.clone(), reason })?;
        Ok(Self { manifest, runtime: Runtime::General(general) })
    }

    /// The model's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// True when our own runtime runs it, which never allocates.
    pub fn is_own(&self) -> bool {
        matches!(self.runtime, Runtime::Own(_))
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

fn check_hash(manifest: &Manifest, onnx: &[u8]) -> Result<(), Error> {
    let hash: String = Sha256::digest(onnx).iter().map(|byte| format!("{byte:02x}")).collect();
    if hash == manifest.sha256 {
        return Ok(());
    }
    let reason = format!("the file's hash is {hash}, its manifest says {}; export both again", manifest.sha256);
    Err(Error::Model { id: manifest.id.clone(), reason })
}

fn program(manifest: &Manifest, onnx: &[u8]) -> Result<Program, Refusal> {
    let mut graph = Graph::read(onnx).map_err(Refusal::Invalid)?;
    let (inputs, outputs) = (manifest.graph_inputs(), manifest.graph_outputs());
    check_names(&graph.inputs, &inputs, "input")?;
    check_names(&graph.outputs, &outputs, "output")?;
    for (port, Tensor { name, shape }) in graph.inputs.iter_mut().zip(&inputs) {
        // A dimension that the file leaves open is the manifest's.
        match &port.shape {
            Some(own) if own != shape => return wrong("input", name, own, shape),
            _ => port.shape = Some(shape.clone()),
        }
    }
    let program = Program::new(&graph)?;
    for (index, Tensor { name, shape }) in outputs.iter().enumerate() {
        if program.output_shape(index) != shape {
            return wrong("output", name, program.output_shape(index), shape);
        }
    }
    Ok(program)
}

fn wrong<T>(kind: &str, name: &str, own: &[usize], shape: &[usize]) -> Result<T, Refusal> {
    Err(Refusal::Invalid(format!("{kind} \"{name}\" has a shape of {own:?}, its manifest says {shape:?}")))
}

/// Checks that the ports have these names, in order, and hold `f32`.
fn check_names(ports: &[Port], wanted: &[Tensor], kind: &str) -> Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::Invalid(text));
    if ports.len() != wanted.len() {
        return invalid(format!("the graph has {} {kind}s, its manifest {}", ports.len(), wanted.len()));
    }
    for (port, Tensor { name, .. }) in ports.iter().zip(wanted) {
        if port.name != *name {
            return invalid(format!("{kind} \"{}\" stands where \"{name}\" is expected", port.name));
        }
        if !port.floats {
            return invalid(format!("{kind} \"{name}\" is not of f32"));
        }
    }
    Ok(())
}
