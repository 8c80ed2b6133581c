//! A model read, checked against its manifest and planned: what all instances share.

use super::manifest::{Manifest, Part, hex};
use super::onnx::{Graph, Port};
use super::program::{Program, Refusal};
#[cfg(feature = "tract")]
use super::tract::General;
use super::trial;
use crate::processor::Error;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A graph that is ready to run, with its manifest.
#[derive(Debug)]
pub struct Plan {
    manifest: Arc<Manifest>,
    /// Number of the part.
    part: usize,
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
    /// Reads `onnx`, the file of a manifest with one part, checks its hash, names and shapes against the
    /// manifest, and plans it.
    ///
    /// # Errors
    /// [`Error::Model`] with what does not fit, or which operator is not known.
    pub fn load(manifest: Manifest, onnx: &[u8]) -> Result<Self, Error> {
        Self::part_of(&only(manifest)?, 0, onnx)
    }

    /// As [`Plan::load`] for one part of several.
    ///
    /// # Errors
    /// [`Error::Model`] with what does not fit, or which operator is not known.
    pub fn part_of(manifest: &Arc<Manifest>, part: usize, onnx: &[u8]) -> Result<Self, Error> {
        let own = &manifest.parts[part];
        check_hash(manifest, own, onnx)?;
        let place = if manifest.parts.len() > 1 { format!("{}: ", own.file) } else { String::new() };
        let refuse = |reason: String| manifest.refuse(format!("{place}{reason}"));
        let runtime = match program(own, onnx) {
            Ok(program) => Runtime::Own(Box::new(program)),
            Err(Refusal::Invalid(reason)) => return Err(refuse(reason)),
            #[cfg(feature = "tract")]
            Err(Refusal::Unsupported(_)) if !own.sequence => Runtime::General(General::load(own, onnx).map_err(refuse)?),
            #[cfg(feature = "tract")]
            Err(Refusal::Unsupported(reason)) => return Err(refuse(reason)),
            #[cfg(not(feature = "tract"))]
            Err(Refusal::Unsupported(reason)) => {
                return Err(refuse(format!("{reason}; a build with the feature \"tract\" may run it")));
            }
        };
        Ok(Self { manifest: Arc::clone(manifest), part, runtime })
    }

    /// As [`Plan::load`], always with the general runtime: what ours is compared with.
    ///
    /// # Errors
    /// [`Error::Model`] with what does not fit.
    #[cfg(feature = "tract")]
    pub fn load_general(manifest: Manifest, onnx: &[u8]) -> Result<Self, Error> {
        let manifest = only(manifest)?;
        check_hash(&manifest, &manifest.parts[0], onnx)?;
        let general = General::load(&manifest.parts[0], onnx).map_err(|reason| manifest.refuse(reason))?;
        Ok(Self { manifest, part: 0, runtime: Runtime::General(general) })
    }

    /// The model's manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The graph's part of it.
    pub fn part(&self) -> &Part {
        &self.manifest.parts[self.part]
    }

    /// True when our own runtime runs it, which never allocates.
    pub fn is_own(&self) -> bool {
        matches!(self.runtime, Runtime::Own(_))
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

fn only(manifest: Manifest) -> Result<Arc<Manifest>, Error> {
    if manifest.parts.len() == 1 {
        return Ok(Arc::new(manifest));
    }
    Err(manifest.refuse(format!("has {} parts where one is needed", manifest.parts.len())))
}

fn check_hash(manifest: &Manifest, part: &Part, onnx: &[u8]) -> Result<(), Error> {
    let hash = hex(&Sha256::digest(onnx));
    if hash == part.sha256 {
        return Ok(());
    }
    Err(manifest.refuse(format!("{}: the file's hash is {hash}, its manifest says {}; both come from one export", part.file, part.sha256)))
}

fn program(part: &Part, onnx: &[u8]) -> Result<Program, Refusal> {
    let mut graph = Graph::read(onnx).map_err(Refusal::Invalid)?;
    let (inputs, outputs) = (part.graph_inputs(), part.graph_outputs());
    check_names(&graph.inputs, &inputs, "input")?;
    check_names(&graph.outputs, &outputs, "output")?;
    for (port, (name, shape)) in graph.inputs.iter_mut().zip(&inputs) {
        // A dimension that the file leaves open is the manifest's.
        match &port.shape {
            Some(own) if own != shape => return wrong("input", name, own, shape),
            _ => port.shape = Some(shape.clone()),
        }
    }
    let program = if part.sequence { Program::stepwise(&graph)? } else { Program::new(&graph)? };
    for (index, (name, shape)) in outputs.iter().enumerate() {
        if program.output_shape(index) != shape {
            return wrong("output", name, program.output_shape(index), shape);
        }
    }
    if part.sequence {
        trial::check(&graph, &program)?;
    }
    Ok(program)
}

fn wrong<T>(kind: &str, name: &str, own: &[usize], shape: &[usize]) -> Result<T, Refusal> {
    Err(Refusal::Invalid(format!("{kind} \"{name}\" has a shape of {own:?}, its manifest says {shape:?}")))
}

/// Checks that the ports have these names, in order, and hold `f32`.
fn check_names(ports: &[Port], wanted: &[(String, Vec<usize>)], kind: &str) -> Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::Invalid(text));
    if ports.len() != wanted.len() {
        return invalid(format!("the graph has {} {kind}s, its manifest {}", ports.len(), wanted.len()));
    }
    for (port, (name, _)) in ports.iter().zip(wanted) {
        if port.name != *name {
            return invalid(format!("{kind} \"{}\" stands where \"{name}\" is expected", port.name));
        }
        if !port.floats {
            return invalid(format!("{kind} \"{name}\" is not of f32"));
        }
    }
    Ok(())
}
