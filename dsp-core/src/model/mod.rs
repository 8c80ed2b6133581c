//! Small ONNX models, one step a frame, with their state outside the graph.

mod embedded;
mod manifest;
mod plan;
mod runner;

pub use embedded::{Embedded, embedded};
pub use manifest::{Manifest, State};
pub use plan::Plan;
pub use runner::Runner;
