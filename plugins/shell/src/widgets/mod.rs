//! The pictures and controls, one a file.

pub mod axis;
pub mod fader;
pub mod files;
pub mod gain;
pub mod history;
pub mod image;
pub mod knob;
pub mod levels;
pub mod loudness;
pub mod loudness_bars;
pub mod menu;
pub mod meter;
pub mod models;
pub mod numbers;
pub mod reduction;
pub mod segmented;
pub mod sibilants;
pub mod slider;
pub mod sounds;
pub mod spectrogram;
pub mod spectrum;
pub mod switch;
pub mod timeline;
pub mod toggle;
