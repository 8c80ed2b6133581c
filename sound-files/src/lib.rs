//! Sound files of all common kinds, decoded in blocks: for the renderer, and for plugins that listen to
//! a file off the audio thread.
//!
//! ```text
//! path ─▶ source (by what the file holds) ─┬─▶ wave (RIFF, RF64) ─┬─▶ blocks of planar f32
//!                                          └─▶ packets (the rest) ─┘
//! ```

pub mod base64;
pub mod chapters;
pub mod failure;
mod mp4;
mod packets;
pub mod part;
pub mod source;
pub mod tags;
pub mod wave;
