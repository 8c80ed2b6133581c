//! From samples to spectra and back: windows, and the clock that cuts a stream into frames.

mod analyser;
mod frame;
mod framer;
mod resampler;
mod stft;
mod windows;

pub use analyser::Analyser;
pub use frame::{Frame, NamedScale, Scale, Window};
pub use framer::Framer;
pub use resampler::{PASSES, Resampler};
pub use stft::Stft;
#[cfg(test)]
pub(crate) use windows::tests as frames;
pub use windows::{Windows, recent};
