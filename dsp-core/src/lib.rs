//! The engines of Plainsong.
//!
//! The signal path, in the order of the modules:
//!
//! ```text
//! block ─▶ framing ─▶ features ─▶ model ─▶ mask ─▶ framing (synthesis) ─▶ block
//! ```
//!
//! An engine ([`engines`]) owns such a chain and has one lifecycle ([`processor`]). Audio is planar
//! `f32`, `audio[channel][sample]`, full scale at 1. Spectra are `[bin]` or `[channel][bin]`, scaled
//! so that a full-scale sine has magnitude 1 in its bin. Units have types ([`units`]).

pub mod analysis;
pub mod colour;
pub mod delay;
pub mod detection;
pub mod dither;
pub mod dynamics;
pub mod engines;
pub mod events;
pub mod features;
pub mod filters;
pub mod framing;
pub mod loudness;
pub mod mask;
pub mod mastering;
pub mod model;
pub mod multitrack;
pub mod params;
pub mod preset;
pub mod processor;
pub mod ramp;
pub mod realtime;
pub mod sample;
pub mod stereo;
pub mod units;
