//! From samples to spectra and back: windows, and the clock that cuts a stream into frames.

mod stft;
mod windows;

pub use stft::Stft;
pub use windows::{Shape, Windows};
