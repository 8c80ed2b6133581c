//! Small ONNX models, one step a frame, with their state outside the graph.

mod embedded;
mod manifest;
mod onnx;
mod package;
mod plan;
mod program;
mod runner;
pub mod store;
#[cfg(feature = "tract")]
mod tract;
mod trial;

pub use embedded::{Embedded, embedded};
pub use manifest::{Channels, Expected, Holds, MAX_PORTS, Manifest, Part, Running, State, Tensor};
pub use package::Package;
pub use plan::Plan;
pub use program::operators;
pub use runner::Runner;

use crate::processor::Error;
use crate::realtime::{Reservation, Scope};

/// This build runs graphs that our own runtime does not know by tract.
pub const HAS_GENERAL: bool = cfg!(feature = "tract");

/// Makes what runs models, twice: once to measure what memory its steps take, and once more so that
/// what it keeps comes from the pool. `make` warms up what it makes. Never on the audio thread.
///
/// # Errors
/// As `make`.
pub fn warm<T>(make: impl Fn() -> Result<T, Error>) -> Result<(T, Reservation), Error> {
    let (measured, reservation) = Reservation::measure(&make);
    drop(measured?);
    let _scope = Scope::enter();
    Ok((make()?, reservation))
}

/// Operators of an ONNX file and how often each stands in it.
///
/// # Errors
/// What is wrong with the file, in a sentence.
pub fn inventory(onnx: &[u8]) -> Result<std::collections::BTreeMap<String, usize>, String> {
    let mut counts = std::collections::BTreeMap::new();
    for node in onnx::Graph::read(onnx)?.nodes {
        *counts.entry(node.kind).or_default() += 1;
    }
    Ok(counts)
}
