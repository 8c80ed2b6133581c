//! What meters and forecasts begin with: samples that are sound, their K-weighted squares, and peaks between them.

use super::true_peak::{CHUNK, Interpolator, Intervals, SHORT};
use super::weighting::{Section, channel_weight, k_weighting};
use crate::processor::Format;
use crate::sample::usable;

/// The two filters of the weighting for two channels, side by side: both filters of both channels.
type States = [[f64; 4]; 2];

/// Computes them for chunks. Nothing is allocated after [`Front::new`].
#[derive(Clone, Debug)]
pub(crate) struct Front {
    weighting: [Section; 2],
    weights: Vec<f64>,
    /// `[pair of channels]`.
    states: Vec<States>,
    interpolators: Vec<Interpolator<SHORT>>,
    /// Of the chunk: `[channel][sample]`, and one silent channel behind them.
    clean: Vec<Vec<f32>>,
    squares: Vec<f64>,
    length: usize,
    peaks: bool,
}

impl Front {
    pub(crate) fn new(format: Format) -> Self {
        let channels = format.channels;
        Self {
            weighting: k_weighting(format.rate.0),
            weights: (0..channels).map(|channel| channel_weight(channel, channels)).chain([0.0]).collect(),
            states: vec![States::default(); channels.div_ceil(2)],
            interpolators: vec![Interpolator::default(); channels],
            clean: vec![vec![0.0; CHUNK]; channels + 1],
            squares: vec![0.0; CHUNK],
            length: 0,
            peaks: true,
        }
    }

    /// Other weights in power of the first channels.
    pub(crate) fn set_weights(&mut self, weights: &[f64]) {
        let channels = self.interpolators.len();
        self.weights[..channels].iter_mut().zip(weights).for_each(|(own, &weight)| *own = weight);
    }

    /// Reads weighted squares alone from now on.
    pub(crate) fn skip_peaks(&mut self) {
        self.peaks = false;
    }

    /// Whether there are intervals to be looked at.
    pub(crate) fn reads_peaks(&self) -> bool {
        self.peaks
    }

    pub(crate) fn channels(&self) -> usize {
        self.interpolators.len()
    }

    pub(crate) fn reset(&mut self) {
        self.states.fill(States::default());
        self.interpolators.iter_mut().for_each(Interpolator::reset);
    }

    /// Takes a range of `audio[channel][sample]` of at most [`CHUNK`] samples.
    pub(crate) fn process(&mut self, audio: &[&[f32]], range: std::ops::Range<usize>) {
        self.length = range.len();
        for ((clean, samples), interpolator) in self.clean.iter_mut().zip(audio).zip(&mut self.interpolators) {
            clean.iter_mut().zip(&samples[range.clone()]).for_each(|(to, &from)| *to = usable(from));
            if self.peaks {
                interpolator.process(&clean[..self.length]);
            }
        }
        let squares = &mut self.squares[..self.length];
        squares.fill(0.0);
        for (pair, states) in self.states.iter_mut().enumerate() {
            let inputs = [&self.clean[2 * pair][..self.length], &self.clean[(2 * pair + 1).min(self.weights.len() - 1)][..self.length]];
            let weights = [self.weights[2 * pair], self.weights[2 * pair + 1]];
            weigh(&self.weighting, states, inputs, weights, squares);
        }
    }

    /// Weighted squares of the chunk, summed over the channels.
    pub(crate) fn squares(&self) -> &[f64] {
        &self.squares[..self.length]
    }

    /// The chunk of a channel without what is no sound.
    pub(crate) fn clean(&self, channel: usize) -> &[f32] {
        &self.clean[channel][..self.length]
    }

    /// What lies between the samples of a channel, late by the interpolator's delay.
    pub(crate) fn intervals(&self, channel: usize) -> Intervals<'_, SHORT> {
        self.interpolators[channel].intervals()
    }
}

/// Adds the weighted squares of two channels, by whatever the processor does fastest: the bits are the same.
fn weigh(weighting: &[Section; 2], states: &mut States, inputs: [&[f32]; 2], weights: [f64; 2], squares: &mut [f64]) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx") {
        #[target_feature(enable = "avx")]
        fn with_avx(weighting: &[Section; 2], states: &mut States, inputs: [&[f32]; 2], weights: [f64; 2], squares: &mut [f64]) {
            weigh_here(weighting, states, inputs, weights, squares)
        }
        // SAFETY: the processor was asked for AVX.
        return unsafe { with_avx(weighting, states, inputs, weights, squares) };
    }
    weigh_here(weighting, states, inputs, weights, squares)
}

/// The second filter works one sample behind the first, so that all four run side by side; at the ends of the chunk
/// each goes alone.
#[inline(always)]
fn weigh_here(weighting: &[Section; 2], states: &mut States, inputs: [&[f32]; 2], weights: [f64; 2], squares: &mut [f64]) {
    let [shelf, high_pass] = weighting;
    let both = |of: fn(&Section) -> f64| [of(shelf), of(shelf), of(high_pass), of(high_pass)];
    let b: [[f64; 4]; 3] = [both(|section| section.b[0]), both(|section| section.b[1]), both(|section| section.b[2])];
    let a: [[f64; 4]; 2] = [both(|section| section.a[0]), both(|section| section.a[1])];
    let [mut s0, mut s1] = *states;
    // Transposed direct form II of the filters in a range of lanes.
    let mut run = |x: &[f64; 4], lanes: std::ops::Range<usize>| {
        let mut y = [0.0; 4];
        for lane in lanes {
            y[lane] = b[0][lane] * x[lane] + s0[lane];
            s0[lane] = b[1][lane] * x[lane] - a[0][lane] * y[lane] + s1[lane];
            s1[lane] = b[2][lane] * x[lane] - a[1][lane] * y[lane];
        }
        y
    };
    let mut samples = inputs[0].iter().zip(inputs[1]).map(|(&left, &right)| [f64::from(left), f64::from(right)]);
    let Some(first) = samples.next() else { return };
    let mut shelved = run(&[first[0], first[1], 0.0, 0.0], 0..2);
    let (behind, last) = squares.split_at_mut(inputs[0].len() - 1);
    let add = |square: &mut f64, y: &[f64; 4]| *square += weights[0] * (y[2] * y[2]) + weights[1] * (y[3] * y[3]);
    for ([left, right], square) in samples.zip(behind) {
        shelved = run(&[left, right, shelved[0], shelved[1]], 0..4);
        add(square, &shelved);
    }
    let y = run(&[0.0, 0.0, shelved[0], shelved[1]], 2..4);
    last.iter_mut().for_each(|square| add(square, &y));
    *states = [s0, s1];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loudness::weighting::State;
    use crate::units::Hz;

    /// Sample by sample, filter after filter.
    #[test]
    fn squares_are_those_of_the_plain_filters() {
        for channels in [1, 2, 3, 6] {
            let format = Format::new(Hz(44_100.0), channels).unwrap();
            let audio: Vec<Vec<f32>> =
                (0..channels).map(|channel| (0..1_000).map(|n| ((n * (channel + 3)) as f32 * 0.1).sin()).collect()).collect();
            let mut expected = vec![0.0; 1_000];
            let [shelf, high_pass] = k_weighting(44_100.0);
            for (channel, samples) in audio.iter().enumerate() {
                let mut states = [State::default(); 2];
                for (sum, &x) in expected.iter_mut().zip(samples) {
                    let y = shelf.step(&mut states[0], f64::from(x));
                    *sum += channel_weight(channel, channels) * high_pass.step(&mut states[1], y).powi(2);
                }
            }
            let slices: Vec<&[f32]> = audio.iter().map(Vec::as_slice).collect();
            for block in [1, 7, 256] {
                let mut front = Front::new(format);
                for at in (0..1_000).step_by(block) {
                    let range = at..(at + block).min(1_000);
                    front.process(&slices, range.clone());
                    for (found, truth) in front.squares().iter().zip(&expected[range]) {
                        assert!((found - truth).abs() < 1e-12, "{channels} channels, {block}: {found} {truth}");
                    }
                }
            }
        }
    }
}
