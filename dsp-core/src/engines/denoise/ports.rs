//! What the engine puts into a model's inputs and makes of its outputs, from what the manifest says.

use crate::features::RunningMean;
use crate::framing::Frame;
use crate::model::{Holds, Manifest, Tensor};
use crate::processor::Error;
use realfft::num_complex::Complex32;

/// How complex values lie in a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Real and imaginary part in turn.
    Pairs,
    /// All real parts, then all imaginary ones.
    Planes,
}

impl Layout {
    /// Number of values and layout of a complex tensor.
    fn of(tensor: &Tensor) -> Option<(usize, Self)> {
        let dims: Vec<usize> = tensor.shape.iter().copied().filter(|&n| n != 1).collect();
        match dims[..] {
            [n, 2] => Some((n, Self::Pairs)),
            [2, n] => Some((n, Self::Planes)),
            _ => None,
        }
    }

    /// Writes complex values.
    pub fn put(self, from: impl Iterator<Item = Complex32>, to: &mut [f32]) {
        match self {
            Self::Pairs => {
                for (pair, bin) in to.as_chunks_mut::<2>().0.iter_mut().zip(from) {
                    *pair = [bin.re, bin.im];
                }
            }
            Self::Planes => {
                let (re, im) = to.split_at_mut(to.len() / 2);
                for ((re, im), bin) in re.iter_mut().zip(im).zip(from) {
                    [*re, *im] = [bin.re, bin.im];
                }
            }
        }
    }

    /// The complex value with this number.
    pub fn get(self, from: &[f32], index: usize) -> Complex32 {
        match self {
            Self::Pairs => Complex32::new(from[2 * index], from[2 * index + 1]),
            Self::Planes => Complex32::new(from[index], from[from.len() / 2 + index]),
        }
    }
}

/// What goes into an input.
#[derive(Debug)]
pub enum Source {
    Spectrum(Layout),
    /// To this power.
    Magnitudes(f32),
    Unit(Layout, RunningMean),
    LogBands(RunningMean),
    Wave,
    /// Of an earlier part: its number, and that of its output.
    Link(usize, usize),
}

/// What is made of an output.
#[derive(Clone, Copy, Debug)]
pub enum Sink {
    /// For a later part, or for nobody.
    Nothing,
    Mask(Layout),
    Gains,
    BandGains,
    Spectrum(Layout),
    /// Bins and taps.
    Taps(usize, usize),
    Wave,
}

/// Sources and sinks of the parts of a model, `[part][port]`.
pub type Ports = (Vec<Vec<Source>>, Vec<Vec<Sink>>);

/// Reads from a manifest what each tensor is for, and checks that sizes fit the frame.
pub fn ports(manifest: &Manifest, frame: &Frame) -> Result<Ports, Error> {
    let (bins, bands) = (frame.bins(), manifest.bands.len());
    let refuse = |tensor: &Tensor, what: String| manifest.refuse(format!("\"{}\" of {:?} {what}", tensor.name, tensor.shape));
    let complex = |tensor: &Tensor, most: bool| match Layout::of(tensor) {
        Some((n, layout)) if n == bins || most && n < bins => Ok((n, layout)),
        _ => Err(refuse(tensor, format!("does not hold complex values for {bins} bins"))),
    };
    let real = |tensor: &Tensor, wanted: usize, of: &str| match tensor.size() {
        Some(n) if n == wanted && n > 0 => Ok(()),
        _ => Err(refuse(tensor, format!("does not hold a value for each of {wanted} {of}"))),
    };
    let mut sources = Vec::new();
    for (number, part) in manifest.parts.iter().enumerate() {
        let mut own = Vec::new();
        for tensor in &part.inputs {
            own.push(match tensor.holds {
                Some(Holds::Spectrum) => Source::Spectrum(complex(tensor, false)?.1),
                Some(Holds::Magnitudes(power)) if power > 0.0 && power <= 2.0 => {
                    real(tensor, bins, "bins")?;
                    Source::Magnitudes(power)
                }
                Some(Holds::UnitSpectrum(running)) => {
                    let (n, layout) = complex(tensor, true)?;
                    Source::Unit(layout, RunningMean::new(running.decay, running.first(n)))
                }
                Some(Holds::LogBands(running)) => {
                    real(tensor, bands, "bands")?;
                    Source::LogBands(RunningMean::new(running.decay, running.first(bands)))
                }
                Some(Holds::Wave) => {
                    real(tensor, frame.window, "samples")?;
                    Source::Wave
                }
                Some(Holds::Link) => {
                    let earlier = manifest.parts[..number].iter().enumerate().rev();
                    let mut found = earlier.filter_map(|(p, part)| Some((p, part.outputs.iter().position(|o| o.name == tensor.name)?)));
                    match found.next() {
                        Some((p, o)) if manifest.parts[p].outputs[o].size() == tensor.size() => Source::Link(p, o),
                        _ => return Err(refuse(tensor, "is given by no earlier part in this size".into())),
                    }
                }
                other => return Err(refuse(tensor, format!("holds {other:?}, which is nothing that goes in"))),
            });
        }
        sources.push(own);
    }
    let mut sinks = Vec::new();
    for part in &manifest.parts {
        let mut own = Vec::new();
        for tensor in &part.outputs {
            own.push(match tensor.holds {
                None | Some(Holds::Link) => Sink::Nothing,
                Some(Holds::Mask) => Sink::Mask(complex(tensor, false)?.1),
                Some(Holds::Spectrum) => Sink::Spectrum(complex(tensor, false)?.1),
                Some(Holds::Gains) => {
                    real(tensor, bins, "bins")?;
                    Sink::Gains
                }
                Some(Holds::BandGains) => {
                    real(tensor, bands, "bands")?;
                    Sink::BandGains
                }
                Some(Holds::Taps) => {
                    let (size, last) = (tensor.size().unwrap_or(0), tensor.last());
                    let (n, taps) = (size / last, last / 2);
                    if !last.is_multiple_of(2) || n > bins || taps <= manifest.look_ahead || taps > MAX_TAPS {
                        let look_ahead = manifest.look_ahead;
                        let what = format!("does not hold taps for up to {bins} bins, more than the look_ahead of {look_ahead} frames and");
                        return Err(refuse(tensor, format!("{what} at most {MAX_TAPS}")));
                    }
                    Sink::Taps(n, taps)
                }
                Some(Holds::Wave) => {
                    real(tensor, frame.window, "samples")?;
                    Sink::Wave
                }
                other => return Err(refuse(tensor, format!("holds {other:?}, which is nothing that comes out"))),
            });
        }
        sinks.push(own);
    }
    if sinks.iter().flatten().all(|sink| matches!(sink, Sink::Nothing)) {
        return Err(manifest.refuse("no output says what it holds: a mask, gains, a spectrum, taps or a wave".into()));
    }
    Ok((sources, sinks))
}

/// Most frames that a filter spans.
const MAX_TAPS: usize = 32;
