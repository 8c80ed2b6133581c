//! Whole chains, each an owner of everything between its input and its output.

pub mod denoise;
pub mod limiter;
pub mod master;
