//! From samples to spectra and back: windows, and the clock that cuts a stream into frames.

mod analyser;
mod frame;
mod framer;
mod stft;
mod windows;

pub use analyser::Analyser;
pub use frame::{Frame, NamedScale, Scale, Window};
pub use framer::Framer;
pub use stft::Stft;
pub use windows::{Windows, recent};
#[cfg(test)]
pub(crate) use windows::tests as frames;
