//! Dynamics: gains that follow the level.

pub mod computer;
pub mod crossover;
pub mod linear_split;
pub mod multiband;
pub mod shelves;
