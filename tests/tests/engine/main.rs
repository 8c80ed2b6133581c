//! The denoise engine against its promises. One binary, so that the model runtime is linked once.

mod blocks;
mod input;
mod latency;
mod random;
mod sound;
