//! Loudness, true peak and stereo image.
//!
//! ```text
//! block ─▶ weighting ─▶ steps of 10 ms ─▶ momentary, short-term ─▶ gate ─▶ integrated, range
//!      ├─▶ true_peak
//!      └─▶ image: correlation, width by band
//! ```

mod gate;
mod image;
mod meter;
pub mod true_peak;
mod weighting;

pub use image::{BANDS, EDGES_HZ};
pub use meter::{Meter, Reading};
