//! What the chain tells of itself: the spectrum that came in, and how far each part of it was moved.

use crate::framing::{Analyser, recent};
use crate::processor::{Format, Frame, Observer};
use crate::units::Ms;
use realfft::num_complex::Complex32;

/// Length of a frame's window: bins are 25 Hz apart, so that shelves of the bass are seen.
const WINDOW: Ms = Ms(40.0);
/// Frames to a window.
const OVERLAP: usize = 2;
/// Power under which nothing is there whose gain could be told: -100 dBFS.
const SILENCE: f32 = 1e-10;
/// Half the width in which powers are compared: a sixth of an octave and a bin. Between partials single bins
/// hold little but what leaks into them.
const WIDTH: f32 = 0.122;
/// Largest gain that is told: that of all stages together.
const MOST: f32 = 1_000.0;

/// Gathers input and output and compares them. The input is delayed as the output is.
#[derive(Debug)]
pub struct Frames {
    analyser: Analyser,
    rate: f64,
    hop: usize,
    filled: usize,
    /// The last window of input and output, `[side][channel][sample]`.
    past: [Vec<Vec<f32>>; 2],
    spectrum: Vec<Complex32>,
    /// Mean powers over the channels, `[side][bin]`.
    powers: [Vec<f32>; 2],
    /// Sums of the powers up to each bin, `[side][bin]`.
    sums: [Vec<f64>; 2],
    gains: Vec<f32>,
    late: bool,
}

impl Frames {
    pub fn new(format: Format) -> Self {
        let hop = (WINDOW.to_samples(format.rate) / OVERLAP).max(1);
        let window = OVERLAP * hop;
        let analyser = Analyser::new(recent(window / 2, window - window / 2));
        let (bins, lines) = (analyser.bins(), vec![vec![0.0; window]; format.channels]);
        Self {
            rate: format.rate.0,
            hop,
            filled: 0,
            past: [lines.clone(), lines],
            spectrum: vec![Complex32::default(); bins],
            powers: [vec![0.0; bins], vec![0.0; bins]],
            sums: [vec![0.0; bins + 1], vec![0.0; bins + 1]],
            gains: vec![1.0; bins],
            late: false,
            analyser,
        }
    }

    pub fn reset(&mut self) {
        self.filled = 0;
        self.late = false;
        self.past.iter_mut().flatten().for_each(|past| past.fill(0.0));
    }

    /// A model's step was late in the frame that fills.
    pub fn late(&mut self) {
        self.late = true;
    }

    /// True when so many samples more complete a frame.
    pub fn is_due(&self, samples: usize) -> bool {
        self.filled + samples >= self.hop
    }

    /// Adds a chunk of both, at most `before[channel].len()` samples; `latency` is the chain's in samples.
    pub fn add(&mut self, before: &[Vec<f32>], after: &[&mut [f32]], latency: usize, observer: &mut dyn Observer) {
        let length = after.first().map_or(0, |channel| channel.len());
        let mut at = 0;
        while at < length {
            let take = (self.hop - self.filled).min(length - at);
            // The hop that fills stands at the end of the window.
            let from = (OVERLAP - 1) * self.hop + self.filled;
            for (past, samples) in self.past[0].iter_mut().zip(before) {
                past[from..from + take].copy_from_slice(&samples[at..at + take]);
            }
            for (past, samples) in self.past[1].iter_mut().zip(after) {
                past[from..from + take].copy_from_slice(&samples[at..at + take]);
            }
            self.filled += take;
            at += take;
            if self.filled == self.hop {
                self.filled = 0;
                self.tell(latency, observer);
                let hop = self.hop;
                self.past.iter_mut().flatten().for_each(|past| past.copy_within(hop.., 0));
            }
        }
    }

    fn tell(&mut self, latency: usize, observer: &mut dyn Observer) {
        for (past, powers) in self.past.iter().zip(&mut self.powers) {
            powers.fill(0.0);
            for samples in past {
                self.analyser.analyse(samples, &mut self.spectrum);
                powers.iter_mut().zip(&self.spectrum).for_each(|(power, bin)| *power += bin.norm_sqr());
            }
            let share = 1.0 / past.len().max(1) as f32;
            powers.iter_mut().for_each(|power| *power *= share);
        }
        let [before, after] = &self.powers;
        for (sums, powers) in self.sums.iter_mut().zip([before, after]) {
            let mut sum = 0.0;
            for (total, &power) in sums[1..].iter_mut().zip(powers) {
                sum += f64::from(power);
                *total = sum;
            }
        }
        let bins = before.len();
        for (bin, gain) in self.gains.iter_mut().enumerate() {
            let reach = 1 + (WIDTH * bin as f32) as usize;
            let (low, high) = (bin.saturating_sub(reach), (bin + reach + 1).min(bins));
            let [before, after] = [&self.sums[0], &self.sums[1]].map(|sums| ((sums[high] - sums[low]) / (high - low) as f64) as f32);
            *gain = if before > SILENCE { (after / before).sqrt().min(MOST) } else { 1.0 };
        }
        let window = (OVERLAP * self.hop) as f64;
        observer.frame(&Frame {
            input_power: before,
            gain: &self.gains,
            bin_hz: (self.rate / window) as f32,
            seconds: (self.hop as f64 / self.rate) as f32,
            age: ((latency as f64 + window / 2.0) / self.rate) as f32,
            late: std::mem::take(&mut self.late),
            detection: None,
        });
    }
}
