//! Gains that follow the sound.

pub mod compressor;
pub mod computer;
pub mod crossover;
mod detector_split;
mod envelope;
pub mod forecast;
pub mod leveller;
pub mod limiter;
pub mod linear_split;
pub mod multiband;
pub mod shelves;
mod sliding;
