//! Gains that follow the sound.

pub mod compressor;
pub mod computer;
pub mod crossover;
mod envelope;
pub mod forecast;
pub mod leveller;
pub mod limiter;
pub mod linear_split;
pub mod multiband;
pub mod shelves;
mod sliding;
