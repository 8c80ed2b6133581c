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
    let graph = Graph::read(onnx).map_err(Refusal::Invalid)?;
    check(&graph.inputs, &manifest.graph_inputs(), "input")?;
    check(&graph.outputs, &manifest.graph_outputs(), "output")?;
    Program::new(&graph)
}

/// Checks that the ports have these names, in order, with these shapes.
fn check(ports: &[Port], wanted: &[Tensor], kind: &str) -> Result<(), Refusal> {
    let wrong = |text: String| Err(Refusal::Invalid(text));
    if ports.len() != wanted.len() {
        return wrong(format!("the graph has {} {kind}s, its manifest {}", ports.len(), wanted.len()));
    }
    for (port, Tensor { name, shape }) in ports.iter().zip(wanted) {
        if port.name != *name {
            return wrong(format!("{kind} \"{}\" stands where \"{name}\" is expected", port.name));
        }
        match &port.shape {
            None => return Err(Refusal::Unsupported(format!("{kind} \"{name}\" has no fixed shape of f32"))),
            Some(own) if own != shape => return wrong(format!("{kind} \"{name}\" has a shape of {own:?}, its manifest says {shape:?}")),
            Some(_) => {}
        }
    }
    Ok(())
}
