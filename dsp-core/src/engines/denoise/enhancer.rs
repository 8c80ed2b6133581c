//! A model, of one part or several, as one step from a spectrum to a mask.

use super::ports::{Ports, Sink, Source, ports};
use crate::framing::{Frame, Window};
use crate::mask::magnitude;
use crate::model::{MAX_PORTS, Plan, Runner};
use crate::processor::Error;
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner};
use std::sync::Arc;

const ONE: Complex32 = Complex32::new(1.0, 0.0);
/// Above a model's band the gain is that of the top of the band, this wide, in hertz.
const TOP_HZ: f64 = 2_000.0;
/// Largest gain that stands for a spectrum: 120 dB. What a model gives beyond is lost in the rounding of
/// the bins beside it.
const MOST_GAIN: f32 = 1e6;

/// One graph's stream with the values at its ports.
#[derive(Debug)]
struct Stage {
    runner: Runner,
    sources: Vec<Source>,
    sinks: Vec<Sink>,
    /// `[port][value]`.
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Vec<f32>>,
}

/// From a frame after the masks so far to its samples.
struct Inverse {
    transform: Arc<dyn ComplexToReal<f32>>,
    frequency: Vec<Complex32>,
    scratch: Vec<Complex32>,
    /// What brings the transform's sums back to samples, over the analysis window.
    weights: Vec<f32>,
    /// Samples of the frame, `[sample]`; then what the model made of them.
    samples: Vec<f32>,
}

/// One stream through a model.
pub struct Enhancer {
    stages: Vec<Stage>,
    /// Widths of the bands.
    bands: Vec<usize>,
    /// Spectra of the last frames, `[frame][bin]`, as a ring.
    spectra: Vec<Vec<Complex32>>,
    newest: usize,
    look_ahead: usize,
    top: usize,
    /// Some output is a spectrum, so that gains are quotients.
    quotients: bool,
    inverse: Option<Inverse>,
}

impl std::fmt::Debug for Enhancer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enhancer").field("stages", &self.stages).finish_non_exhaustive()
    }
}

/// Bins of the top of a band.
pub fn top_bins(frame: &Frame, bins: usize) -> usize {
    ((TOP_HZ / frame.bin_hz()).round() as usize).clamp(1, bins)
}

/// The factor from `from` to `to`; one where there is nothing.
pub fn quotient(to: Complex32, from: Complex32) -> Complex32 {
    let power = f64::from(from.re).powi(2) + f64::from(from.im).powi(2);
    if power == 0.0 {
        return ONE;
    }
    let [a, b, c, d] = [to.re, to.im, from.re, from.im].map(f64::from);
    let gain = Complex32::new(((a * c + b * d) / power) as f32, ((b * c - a * d) / power) as f32);
    let size = f64::from(gain.re).hypot(gain.im.into());
    if size <= f64::from(MOST_GAIN) {
        gain
    } else if size.is_finite() {
        gain * (f64::from(MOST_GAIN) / size) as f32
    } else {
        ONE
    }
}

impl Enhancer {
    /// A stream with its states at zero, through the parts of a model.
    ///
    /// # Errors
    /// [`Error::Model`] when the manifest does not say what its tensors hold, or when they do not fit.
    pub fn new(plans: &[Arc<Plan>], frame: &Frame, analysis: &[f32], scale: f32) -> Result<Self, Error> {
        let manifest = plans[0].manifest();
        let (sources, sinks): Ports = ports(manifest, frame)?;
        let waves = sinks.iter().flatten().any(|sink| matches!(sink, Sink::Wave));
        let taps = sinks.iter().flatten().map(|sink| if let Sink::Taps(_, taps) = sink { *taps } else { 1 }).max().unwrap_or(1);
        let quotients = sinks.iter().flatten().any(|sink| matches!(sink, Sink::Spectrum(_)));
        let mut stages = Vec::new();
        for ((plan, sources), sinks) in plans.iter().zip(sources).zip(sinks) {
            let room = |tensors: &[crate::model::Tensor]| tensors.iter().map(|t| vec![0.0; t.size().unwrap_or(0)]).collect();
            let (inputs, outputs) = (room(&plan.part().inputs), room(&plan.part().outputs));
            stages.push(Stage { runner: Runner::new(plan)?, sources, sinks, inputs, outputs });
        }
        let takes_wave = stages.iter().flat_map(|stage| &stage.sources).any(|source| matches!(source, Source::Wave));
        if takes_wave && (manifest.look_ahead > 0 || frame.analysis != Window::Rectangular) {
            return Err(manifest.refuse("a wave goes in where frames are not rectangular or wait for others".into()));
        }
        let inverse = (waves || takes_wave).then(|| {
            let transform = RealFftPlanner::new().plan_fft_inverse(frame.window);
            Inverse {
                frequency: vec![Complex32::default(); frame.bins()],
                scratch: vec![Complex32::default(); transform.get_scratch_len()],
                weights: analysis.iter().map(|&weight| 1.0 / (weight * scale * frame.window as f32)).collect(),
                samples: vec![0.0; frame.window],
                transform,
            }
        });
        Ok(Self {
            stages,
            bands: manifest.bands.clone(),
            spectra: vec![vec![Complex32::default(); frame.bins()]; taps.max(manifest.look_ahead + 1)],
            newest: 0,
            look_ahead: manifest.look_ahead,
            top: top_bins(frame, frame.bins()),
            quotients,
            inverse,
        })
    }

    /// Zeroes all states. The general runtime makes small tensors: on the audio thread call it inside a
    /// [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        for stage in &mut self.stages {
            stage.runner.reset();
            for source in &mut stage.sources {
                if let Source::Unit(_, means) | Source::LogBands(means) = source {
                    means.reset();
                }
            }
        }
        self.spectra.iter_mut().for_each(|spectrum| spectrum.fill(Complex32::default()));
    }

    /// True when a step has failed; no other is tried then.
    pub fn has_failed(&self) -> bool {
        self.stages.iter().any(|stage| stage.runner.has_failed())
    }

    /// As [`Runner::bad_steps`], of all parts.
    pub fn bad_steps(&self) -> u64 {
        self.stages.iter().map(|stage| stage.runner.bad_steps()).sum()
    }

    /// Number of bins.
    pub fn bins(&self) -> usize {
        self.spectra[0].len()
    }

    /// What the model made of the frame's samples, `[sample]`.
    pub fn wave(&self) -> &[f32] {
        self.inverse.as_ref().map_or(&[], |inverse| &inverse.samples)
    }

    /// One step: the spectrum of the newest frame in, the mask for the one that is `look_ahead` frames
    /// older out, both `[bin]`. Gives the gain for what lies above the band. A step that fails or gives a
    /// number that is not finite leaves a mask of ones, and the samples as they were.
    pub fn step(&mut self, spectrum: &[Complex32], mask: &mut [Complex32]) -> f32 {
        self.newest = (self.newest + 1) % self.spectra.len();
        self.spectra[self.newest].copy_from_slice(spectrum);
        mask.fill(ONE);
        for stage in 0..self.stages.len() {
            if !self.run(stage, mask) {
                self.reset();
                mask.fill(ONE);
                self.samples_of(mask);
                return 1.0;
            }
        }
        self.above(mask)
    }

    /// The spectrum that the mask belongs to.
    fn due(&self) -> &[Complex32] {
        &self.spectra[(self.newest + self.spectra.len() - self.look_ahead) % self.spectra.len()]
    }

    /// The gain above the band.
    fn above(&self, mask: &[Complex32]) -> f32 {
        let first = mask.len() - self.top;
        if !self.quotients {
            return mask[first..].iter().map(|gain| magnitude(*gain)).sum::<f32>() / self.top as f32;
        }
        let due = &self.due()[first..];
        let (before, after) =
            due.iter().zip(&mask[first..]).fold((0.0, 0.0), |(a, b), (bin, gain)| (a + bin.norm_sqr(), b + (bin * gain).norm_sqr()));
        if before > 0.0 { (after / before).sqrt().min(1.0) } else { 1.0 }
    }

    /// Makes samples of the frame with its mask.
    fn samples_of(&mut self, mask: &[Complex32]) {
        let due = (self.newest + self.spectra.len() - self.look_ahead) % self.spectra.len();
        let Some(inverse) = &mut self.inverse else { return };
        for ((out, bin), gain) in inverse.frequency.iter_mut().zip(&self.spectra[due]).zip(mask) {
            *out = bin * gain;
        }
        inverse.frequency[0].im = 0.0;
        if let Some(last) = inverse.frequency.last_mut() {
            last.im = 0.0;
        }
        // Lengths fit by construction, which is all that can fail.
        let _ = inverse.transform.process_with_scratch(&mut inverse.frequency, &mut inverse.samples, &mut inverse.scratch);
        inverse.samples.iter_mut().zip(&inverse.weights).for_each(|(sample, weight)| *sample *= weight);
    }

    /// Runs a part; false when it fails.
    fn run(&mut self, number: usize, mask: &mut [Complex32]) -> bool {
        if self.stages[number].sources.iter().any(|source| matches!(source, Source::Wave)) {
            self.samples_of(mask);
        }
        let newest = &self.spectra[self.newest];
        let (earlier, rest) = self.stages.split_at_mut(number);
        let Some(Stage { runner, sources, sinks, inputs, outputs }) = rest.first_mut() else { return false };
        for (source, input) in sources.iter_mut().zip(inputs.iter_mut()) {
            match source {
                Source::Spectrum(layout) => layout.put(newest.iter().copied(), input),
                Source::Magnitudes(power) => {
                    let plain = *power == 1.0;
                    for (value, bin) in input.iter_mut().zip(newest) {
                        *value = if plain { magnitude(*bin) } else { magnitude(*bin).powf(*power) };
                    }
                }
                Source::Unit(layout, means) => {
                    layout.put(newest.iter().enumerate().take(input.len() / 2).map(|(b, bin)| means.unit(b, *bin)), input)
                }
                Source::LogBands(means) => means.log_bands(newest, &self.bands, input),
                Source::Wave => input.copy_from_slice(self.inverse.as_ref().map_or(&[], |inverse| &inverse.samples)),
                Source::Link(part, output) => input.copy_from_slice(&earlier[*part].outputs[*output]),
            }
        }
        let given: [&[f32]; MAX_PORTS] = std::array::from_fn(|port| inputs.get(port).map_or(&[][..], Vec::as_slice));
        let (count, wanted) = (inputs.len(), outputs.len());
        let mut taken: [&mut [f32]; MAX_PORTS] = std::array::from_fn(|_| &mut [][..]);
        for (to, from) in taken.iter_mut().zip(outputs.iter_mut()) {
            *to = from;
        }
        if !runner.step(&given[..count], &mut taken[..wanted]) {
            return false;
        }
        let frames = self.spectra.len();
        let at = |age: usize| &self.spectra[(self.newest + frames - age) % frames];
        let due = at(self.look_ahead);
        for (sink, output) in sinks.iter().zip(outputs.iter()) {
            match *sink {
                Sink::Nothing => {}
                Sink::Mask(layout) => mask.iter_mut().enumerate().for_each(|(b, gain)| *gain = layout.get(output, b)),
                Sink::Gains => mask.iter_mut().zip(output).for_each(|(gain, &value)| *gain = Complex32::new(value, 0.0)),
                Sink::BandGains => {
                    let mut rest = mask.iter_mut();
                    for (&width, &value) in self.bands.iter().zip(output) {
                        rest.by_ref().take(width).for_each(|gain| *gain = Complex32::new(value, 0.0));
                    }
                }
                Sink::Spectrum(layout) => {
                    mask.iter_mut().zip(due).enumerate().for_each(|(b, (gain, bin))| *gain = quotient(layout.get(output, b), *bin));
                }
                Sink::Taps(bins, taps) => {
                    for (bin, values) in output.chunks_exact(2 * taps).enumerate().take(bins) {
                        let sum = (0..taps).fold(Complex32::default(), |sum, tap| {
                            sum + Complex32::new(values[2 * tap], values[2 * tap + 1]) * at(taps - 1 - tap)[bin]
                        });
                        mask[bin] = quotient(sum, due[bin]);
                    }
                }
                Sink::Wave => {
                    if let Some(inverse) = &mut self.inverse {
                        inverse.samples.copy_from_slice(output);
                    }
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_brings_one_number_to_the_other() {
        for (to, from) in [((0.3, -0.2), (-1e-12, 4e-9)), ((1e-20, 0.0), (0.5, 0.5)), ((0.0, 2.0), (3e-7, -3e-7))] {
            let (to, from) = (Complex32::new(to.0, to.1), Complex32::new(from.0, from.1));
            let gain = quotient(to, from);
            if to.norm() / from.norm() < MOST_GAIN {
                assert!((gain * from - to).norm() <= 1e-6 * to.norm(), "{gain}");
            } else {
                assert!((gain.norm() / MOST_GAIN - 1.0).abs() < 1e-3, "{gain}");
            }
        }
        assert_eq!(quotient(ONE, Complex32::default()), ONE);
        assert!(quotient(Complex32::new(1e38, 1e38), Complex32::new(1e-38, 0.0)).is_finite());
    }
}
