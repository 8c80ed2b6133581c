//! A model's stream for a pair of channels: two spectra in, masks for all stems but the last out.

use crate::framing::Frame;
use crate::model::{Plan, Runner};
use crate::processor::Error;
use realfft::num_complex::Complex32;
use std::sync::Arc;

/// Channels that a model hears together.
pub const PAIR: usize = 2;
/// Most stems that a model gives masks for; one more is what they leave of the mix.
pub const MOST_MASKS: usize = super::STEMS - 1;
/// Above a model's band gains are those of the top of the band, this wide, in hertz.
const TOP_HZ: f64 = 2_000.0;
/// Magnitudes under this are as good as none, -120 dB.
const LEAST: f32 = 1e-6;
/// The exponent on magnitudes is 2 to the power of this at full focus: from a square root to a square.
const FOCUS_OCTAVES: f32 = 1.0;

/// One stream.
#[derive(Debug)]
pub struct Separator {
    runner: Runner,
    bins: usize,
    top: usize,
    /// `[side][bin][re, im]`
    input: Vec<f32>,
    /// `[stem][side][bin][re, im]`: of the last step that was made.
    output: Vec<f32>,
}

/// Number of stems that a model gives masks for.
///
/// # Errors
/// [`Error::Model`] when its tensors are not those of a model for `task`.
pub fn masks_of(plan: &Plan, task: &str, frame: &Frame) -> Result<usize, Error> {
    let masks = plan.part().outputs.first().and_then(|output| output.shape.first()).copied().unwrap_or(0);
    let (input, output) = ([PAIR, frame.bins(), 2], [masks, PAIR, frame.bins(), 2]);
    plan.manifest().fits(task, &[("spectrum", &input)], &[("mask", &output)])?;
    if masks == 0 || masks > MOST_MASKS {
        return Err(plan.manifest().refuse(format!("gives {masks} masks; 1 to {MOST_MASKS} can be")));
    }
    Ok(masks)
}

impl Separator {
    /// A stream with its states at zero.
    ///
    /// # Errors
    /// [`Error::Model`] when the runtime refuses the graph, or it is for something else.
    pub fn new(plan: &Arc<Plan>, task: &str, frame: &Frame) -> Result<Self, Error> {
        let (masks, bins) = (masks_of(plan, task, frame)?, frame.bins());
        Ok(Self {
            runner: Runner::new(plan)?,
            bins,
            top: ((TOP_HZ / frame.bin_hz()).round() as usize).clamp(1, bins),
            input: vec![0.0; PAIR * bins * 2],
            output: vec![0.0; masks * PAIR * bins * 2],
        })
    }

    /// Bins of a spectrum of the model's own rate.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// True when a step has failed; no other is tried then.
    pub fn has_failed(&self) -> bool {
        self.runner.has_failed()
    }

    /// As [`Runner::bad_steps`].
    pub fn bad_steps(&self) -> u64 {
        self.runner.bad_steps()
    }

    /// Zeroes all states. On the audio thread call it inside a [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        self.runner.reset();
        self.output.fill(0.0);
    }

    /// Begins a step with the spectra of both sides, `[bin]` of the host's rate.
    pub fn begin(&mut self, sides: [&[Complex32]; PAIR]) {
        for (input, spectrum) in self.input.chunks_exact_mut(self.bins * 2).zip(sides) {
            let shared = self.bins.min(spectrum.len());
            for (pair, bin) in input.as_chunks_mut::<2>().0.iter_mut().zip(&spectrum[..shared]) {
                *pair = [bin.re, bin.im];
            }
            input[2 * shared..].fill(0.0);
        }
        self.runner.begin(&[&self.input]);
    }

    /// Goes on with the step until this share of it is done, 0 to 1.
    pub fn advance(&mut self, share: f32) {
        self.runner.advance(share);
    }

    /// Ends the step. One that fails leaves masks of nothing: all of the mix is in the last stem.
    pub fn end(&mut self) {
        if !self.runner.end(&[&self.input], &mut [&mut self.output]) {
            self.output.fill(0.0);
        }
    }

    /// Writes the mask of a stem and side over the host's bins, `[bin]`; with `twins` the mean of both
    /// sides, for sides that are the same.
    pub fn mask(&self, stem: usize, side: usize, twins: bool, mask: &mut [Complex32]) {
        let values = |side: usize| self.output[(stem * PAIR + side) * self.bins * 2..][..self.bins * 2].as_chunks::<2>().0;
        let (first, second) = if twins { (values(0), values(1)) } else { (values(side), values(side)) };
        let mean = |(a, b): (&[f32; 2], &[f32; 2])| Complex32::new(0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1]));
        for (gain, pair) in mask.iter_mut().zip(first.iter().zip(second)) {
            *gain = mean(pair);
        }
        let top = first.iter().zip(second).skip(self.bins - self.top);
        let above = top.map(|pair| mean(pair).re).sum::<f32>() / self.top as f32;
        let shared = self.bins.min(mask.len());
        mask[shared..].fill(Complex32::new(above, 0.0));
    }
}

/// Bends the masks of a side, `[stem][bin]`, towards separation (`focus` 1) or cleanness (-1): magnitudes,
/// that of the rest too, go to a power and are scaled so that their sum stays. A stem that leads a bin
/// gets more of it, or less.
pub fn bend(masks: &mut [Vec<Complex32>], focus: f32) {
    if focus == 0.0 {
        return;
    }
    let power = (focus * FOCUS_OCTAVES).exp2();
    let bins = masks.first().map_or(0, Vec::len);
    for bin in 0..bins {
        let mut rest = Complex32::new(1.0, 0.0);
        let (mut before, mut after) = (0.0, 0.0);
        let mut scales = [0.0_f32; MOST_MASKS];
        for (mask, scale) in masks.iter().zip(&mut scales) {
            rest -= mask[bin];
            let size = mask[bin].norm_sqr().sqrt();
            *scale = size.max(LEAST).powf(power - 1.0);
            before += size;
            after += size * *scale;
        }
        let size = rest.norm_sqr().sqrt();
        before += size;
        after += size * size.max(LEAST).powf(power - 1.0);
        // Masks add up to one, so their magnitudes to one at least.
        let level = before / after.max(LEAST);
        for (mask, scale) in masks.iter_mut().zip(scales) {
            mask[bin] *= scale * level;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(values: [f32; 3]) -> Vec<Vec<Complex32>> {
        values.iter().map(|&value| vec![Complex32::new(value, 0.0)]).collect()
    }

    #[test]
    fn focus_gives_more_to_who_leads() {
        let bent = |focus: f32| {
            let mut all = masks([0.6, 0.2, 0.1]);
            bend(&mut all, focus);
            all.iter().map(|mask| mask[0].re).collect::<Vec<f32>>()
        };
        assert_eq!(bent(0.0), [0.6, 0.2, 0.1]);
        // Squares are .36, .04, .01 and .01 of the rest, together .42.
        for (got, want) in bent(1.0).iter().zip([0.36 / 0.42, 0.04 / 0.42, 0.01 / 0.42]) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
        assert!(bent(-1.0)[0] < 0.6 && bent(-1.0)[2] > 0.1);
        assert!(bent(0.5)[0] > 0.6 && bent(0.5)[0] < bent(1.0)[0]);
    }

    #[test]
    fn a_part_that_is_alone_or_missing_stays_so() {
        for focus in [-1.0, -0.3, 0.7, 1.0] {
            for values in [[0.0; 3], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]] {
                let mut all = masks(values);
                bend(&mut all, focus);
                for (mask, value) in all.iter().zip(values) {
                    assert!((mask[0].re - value).abs() < 1e-4, "{focus} {values:?}: {mask:?}");
                }
            }
        }
    }

    #[test]
    fn phases_stay_and_nothing_grows_without_bound() {
        let mut all = vec![vec![Complex32::new(0.3, 0.4)], vec![Complex32::new(-1.5, 1.9)], vec![Complex32::new(1e-12, -1e-12)]];
        let before = all.clone();
        bend(&mut all, 1.0);
        for (after, before) in all.iter().zip(&before) {
            assert!((after[0] * before[0].conj()).im.abs() < 1e-5 && after[0].norm() < 8.0, "{after:?}");
        }
    }
}
