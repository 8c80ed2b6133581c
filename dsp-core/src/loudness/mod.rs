//! Loudness, true peak and stereo image.
//!
//! ```text
//! block ─▶ weighting ─▶ steps of 10 ms ─▶ momentary, short-term ─▶ gate ─▶ integrated, range
//!      ├─▶ true_peak
//!      └─▶ image: correlation, width by band
//! ```

pub(crate) mod front;
pub(crate) mod gate;
mod image;
mod meter;
pub mod true_peak;
pub(crate) mod weighting;

pub use image::{BANDS, EDGES_HZ};
pub(crate) use meter::RELATIVE_GATE;
pub use meter::{Meter, Reading};
