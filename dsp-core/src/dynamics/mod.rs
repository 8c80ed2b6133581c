//! Gains that follow the level.

mod envelope;
pub mod limiter;
mod sliding;
