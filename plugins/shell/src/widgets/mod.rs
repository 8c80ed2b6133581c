//! The pictures and controls, one a file.

pub mod history;
pub mod knob;
pub mod meter;
pub mod segmented;
pub mod spectrogram;
pub mod spectrum;
pub mod switch;
