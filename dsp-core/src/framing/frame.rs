//! How a model wants sound cut into frames: lengths at its own rate, windows, scaling.

use serde::Deserialize;

/// A window function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// Square root of a periodic Hann window.
    SqrtHann,
    /// Periodic Hann window.
    Hann,
    /// The power-complementary window of Vorbis I, section 4.3.1: `sin(pi/2 sin^2(pi (n + 1/2) / N))`.
    Vorbis,
    /// All ones.
    Rectangular,
    /// For synthesis: all ones, and sums of frames are left as they are, because the model gives samples
    /// that it has weighted itself.
    Sum,
    /// Half a square-root Hann that rises over the window less half the synthesis window, and half a one
    /// that falls over the rest; its synthesis window is what makes the product a Hann window (D. Mauler
    /// and R. Martin, "A low delay, variable resolution, perfect reconstruction spectral
    /// analysis-synthesis system for speech enhancement", EUSIPCO 2007).
    Asymmetric,
}

/// What a spectrum's values mean.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "scale is \"amplitude\" or a number")]
pub enum Scale {
    /// A named one.
    Named(NamedScale),
    /// The transform's sums at the model's own rate times this.
    Factor(f32),
}

/// A scaling with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamedScale {
    /// A full-scale sine reads 1 in its bin.
    Amplitude,
}

/// Lengths are in samples at `rate`. At other rates a frame lasts as long, so that bins are as far apart,
/// and is scaled so that tones and noise densities read the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Sample rate of the lengths below, in hertz. The band ends at half of it.
    pub rate: u32,
    /// Length of the analysis window and of its transform.
    pub window: usize,
    /// From one frame to the next; the windows are whole multiples.
    pub hop: usize,
    /// Analysis window.
    pub analysis: Window,
    /// Synthesis window. Products of both, added up every hop, are divided by their sum.
    pub synthesis: Window,
    /// Length of the synthesis window, for the last samples of the analysis window.
    pub synthesis_window: usize,
    /// What the spectrum's values mean.
    pub scale: Scale,
    /// Spectra are computed in double precision: a model that takes the logarithm of each bin hears the rounding in
    /// those that are empty.
    pub exact: bool,
}

impl Frame {
    /// Number of bins at the frame's own rate.
    pub fn bins(&self) -> usize {
        self.window / 2 + 1
    }

    /// Distance of bins in hertz.
    pub fn bin_hz(&self) -> f64 {
        f64::from(self.rate) / self.window as f64
    }

    /// Hop in milliseconds.
    pub fn hop_ms(&self) -> f64 {
        self.hop as f64 * 1000.0 / f64::from(self.rate)
    }
}
