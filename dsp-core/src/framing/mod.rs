//! From samples to spectra and back: windows, and the clock that cuts a stream into frames.

mod analyser;
mod framer;
mod stft;
mod windows;

pub use analyser::Analyser;
pub use framer::Framer;
pub use stft::Stft;
pub use windows::{Shape, Windows, recent};
