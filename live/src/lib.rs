//! Plainsong between a microphone and another device, while you speak.
//!
//! ```text
//! input's callback ─▶ ring ─▶ engine's thread: engine ─▶ change of rate ─▶ ring ─▶ output's callback
//!                                  │                 ▲
//!                                  ▼                 └─ clocks of both devices, drift
//!                              recorder
//! ```
//!
//! Nothing here knows a device: callbacks, clocks and times are handed in, so tests run an hour of drifting
//! sound cards in seconds. Only `devices` does, behind a feature.

pub mod clock;
#[cfg(feature = "devices")]
pub mod devices;
pub mod drift;
pub mod engines;
pub mod line;
pub mod link;
pub mod names;
pub mod negotiate;
pub mod port;
pub mod priority;
pub mod recorder;
pub mod resample;
#[cfg(feature = "devices")]
pub mod screen;
pub mod status;
