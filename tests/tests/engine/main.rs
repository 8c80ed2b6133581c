//! The engines against their promises, the same for all of them, and what is particular to one. One
//! binary, so that the model runtime is linked once.

mod blocks;
mod deess;
mod denoise;
mod foreign;
mod input;
mod latency;
mod podcast;
mod random;
mod sound;
mod stems;
