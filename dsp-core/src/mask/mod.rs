//! From what a model proposes to what a user asked for.

mod shaping;

pub use shaping::{Shaping, ShapingSettings};
