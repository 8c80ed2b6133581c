//! What the proofs share: generated audio, measures, drivers for engines and small hosts.
//!
//! Nothing here reads data from a disk or a network: every signal is generated, and every random
//! choice comes from a seed that a failing test prints.

pub mod allocations;
pub mod audio;
pub mod clap;
pub mod engine;
pub mod foreign;
pub mod long;
pub mod measure;
pub mod pace;
pub mod random;
pub mod soak;
pub mod subject;
#[cfg(target_os = "linux")]
pub mod vst3;
