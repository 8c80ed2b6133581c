//! Convolution of channels with long filters, in partitions of equal length.
//!
//! Overlap-save with a delay line of spectra (F. Wefers, "Partitioned convolution algorithms for
//! real-time auralization", 2015, chapter 5). Several filters share one input's spectra. New filters
//! fade in over one partition.

use crate::sample::usable;
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// What a channel keeps.
#[derive(Debug)]
struct Channel {
    /// The last two partitions of input, `[2 * partition]`; the second fills up.
    input: Vec<f32>,
    /// Spectra of past inputs, a ring of `[part][bin]`.
    spectra: Vec<Vec<Complex32>>,
    /// Finished output, `[filter][sample]`.
    output: Vec<Vec<f32>>,
}

/// Filters channels; the output is one partition late.
pub struct Convolver {
    partition: usize,
    parts: usize,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    channels: Vec<Channel>,
    /// Spectra of the filters that play and of those to come, `[set][filter][part][bin]`.
    sets: [Vec<Vec<Vec<Complex32>>>; 2],
    playing: usize,
    /// The other set is to come.
    pending: bool,
    /// Newest spectrum of the rings.
    newest: usize,
    filled: usize,
    sum: Vec<Complex32>,
    time: Vec<f32>,
    scratch: Vec<Complex32>,
}

impl std::fmt::Debug for Convolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Convolver").field("partition", &self.partition).field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl Convolver {
    /// For `filters` filters of at most `taps` taps each, all silent at first.
    pub fn new(channels: usize, filters: usize, taps: usize, partition: usize) -> Self {
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(2 * partition);
        let inverse = planner.plan_fft_inverse(2 * partition);
        let parts = taps.div_ceil(partition).max(1);
        let spectra = || vec![vec![Complex32::default(); partition + 1]; parts];
        let channel = || Channel { input: vec![0.0; 2 * partition], spectra: spectra(), output: vec![vec![0.0; partition]; filters] };
        Self {
            channels: (0..channels).map(|_| channel()).collect(),
            sets: std::array::from_fn(|_| vec![spectra(); filters]),
            playing: 0,
            pending: false,
            newest: 0,
            filled: 0,
            sum: vec![Complex32::default(); partition + 1],
            time: vec![0.0; 2 * partition],
            scratch: vec![Complex32::default(); forward.get_scratch_len().max(inverse.get_scratch_len())],
            partition,
            parts,
            forward,
            inverse,
        }
    }

    /// Samples of a partition: the delay beside the filters' own.
    pub fn partition(&self) -> usize {
        self.partition
    }

    /// Forgets the signal, not the filters.
    pub fn reset(&mut self) {
        for channel in &mut self.channels {
            channel.input.fill(0.0);
            channel.spectra.iter_mut().for_each(|spectrum| spectrum.fill(Complex32::default()));
            channel.output.iter_mut().for_each(|output| output.fill(0.0));
        }
        self.filled = 0;
        self.jump();
    }

    /// Samples that can be exchanged before the next partition is due.
    pub fn until_due(&self) -> usize {
        self.partition - self.filled
    }

    /// Sets one part of one of the filters to come; it may be done one by one. All parts of all filters
    /// in use are to be set before [`Convolver::commit`].
    pub fn set_part(&mut self, filter: usize, part: usize, taps: &[f32]) {
        let scale = 1.0 / (2 * self.partition) as f32;
        self.time.fill(0.0);
        let own = taps.iter().skip(part * self.partition).take(self.partition);
        self.time.iter_mut().zip(own).for_each(|(slot, tap)| *slot = tap * scale);
        let spectrum = &mut self.sets[1 - self.playing][filter][part];
        // Lengths are those of the plan, so it cannot fail.
        let _ = self.forward.process_with_scratch(&mut self.time, spectrum, &mut self.scratch);
    }

    /// The filters to come are set: they fade in over the next partition.
    pub fn commit(&mut self) {
        self.pending = true;
    }

    /// The filters to come play at once, without a fade.
    pub fn jump(&mut self) {
        if std::mem::take(&mut self.pending) {
            self.playing = 1 - self.playing;
        }
    }

    /// Takes a piece of a channel in, at most [`Convolver::until_due`] samples.
    pub fn feed(&mut self, channel: usize, audio: &[f32]) {
        let from = self.partition + self.filled;
        let slots = &mut self.channels[channel].input[from..from + audio.len()];
        slots.iter_mut().zip(audio).for_each(|(slot, &sample)| *slot = usable(sample));
    }

    /// Finished samples that belong to the piece just fed.
    pub fn output(&self, channel: usize, filter: usize, length: usize) -> &[f32] {
        &self.channels[channel].output[filter][self.filled..self.filled + length]
    }

    /// True when the partition is full after this many more samples.
    pub fn is_due_after(&self, length: usize) -> bool {
        self.filled + length >= self.partition
    }

    /// All channels were fed this many samples; filters when a partition is full. With `idle` the
    /// outputs are silent and only the past is kept up.
    pub fn advance(&mut self, length: usize, idle: bool) {
        self.filled += length;
        if self.filled < self.partition {
            return;
        }
        self.filled = 0;
        self.newest = (self.newest + 1) % self.parts;
        let fade = std::mem::take(&mut self.pending);
        for index in 0..self.channels.len() {
            let channel = &mut self.channels[index];
            self.time.copy_from_slice(&channel.input);
            let _ = self.forward.process_with_scratch(&mut self.time, &mut channel.spectra[self.newest], &mut self.scratch);
            channel.input.copy_within(self.partition.., 0);
            if idle {
                channel.output.iter_mut().for_each(|output| output.fill(0.0));
                continue;
            }
            for filter in 0..self.sets[0].len() {
                self.filter(index, filter, self.playing);
                let length = self.partition;
                self.channels[index].output[filter].copy_from_slice(&self.time[length..]);
                if fade {
                    self.filter(index, filter, 1 - self.playing);
                    let step = 1.0 / length as f32;
                    let output = &mut self.channels[index].output[filter];
                    for (n, (old, new)) in output.iter_mut().zip(&self.time[length..]).enumerate() {
                        *old += (new - *old) * ((n + 1) as f32 * step);
                    }
                }
            }
        }
        if fade {
            self.playing = 1 - self.playing;
        }
    }

    /// The last two partitions through one filter, into `time`; the second half is right.
    fn filter(&mut self, channel: usize, filter: usize, set: usize) {
        self.sum.fill(Complex32::default());
        for (part, spectrum) in self.sets[set][filter].iter().enumerate() {
            let past = &self.channels[channel].spectra[(self.newest + self.parts - part) % self.parts];
            for ((sum, x), h) in self.sum.iter_mut().zip(past).zip(spectrum) {
                *sum += x * h;
            }
        }
        // The ends of a real signal's spectrum are real; rounding must not say otherwise.
        self.sum[0].im = 0.0;
        self.sum[self.partition].im = 0.0;
        let _ = self.inverse.process_with_scratch(&mut self.sum, &mut self.time, &mut self.scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_convolves() {
        let taps: Vec<f32> = (0..150).map(|n| (n as f32 * 1.3).sin() / (1.0 + n as f32)).collect();
        let input: Vec<f32> = (0..1000).map(|n| ((n * 7919) % 211) as f32 / 105.0 - 1.0).collect();
        let mut convolver = Convolver::new(1, 2, 150, 32);
        for part in 0..convolver.parts {
            convolver.set_part(0, part, &[1.0]);
            convolver.set_part(1, part, &taps);
        }
        convolver.commit();
        convolver.reset();
        let mut out = [Vec::new(), Vec::new()];
        let mut at = 0;
        while at < input.len() {
            let length = (1 + at * 31 % 50).min(convolver.until_due()).min(input.len() - at);
            convolver.feed(0, &input[at..at + length]);
            for (filter, out) in out.iter_mut().enumerate() {
                out.extend_from_slice(convolver.output(0, filter, length));
            }
            convolver.advance(length, false);
            at += length;
        }
        for n in 32..1000 {
            assert!((out[0][n] - input[n - 32]).abs() < 1e-5);
            let truth: f32 = taps.iter().enumerate().filter(|(k, _)| n - 32 >= *k).map(|(k, tap)| tap * input[n - 32 - k]).sum();
            assert!((out[1][n] - truth).abs() < 1e-4, "{n}: {} for {truth}", out[1][n]);
        }
    }
}
