//! Features of the whole: loudness and its distribution, peaks, faults.

use super::histogram::Histogram;
use super::{Sink, put};
use crate::loudness::{Meter, Reading};
use crate::processor::MAX_CHANNELS;
use crate::sample::{largest, usable};

/// Loudness is read so often: seconds.
const STEP_SECONDS: f64 = 0.1;
/// Loudness below this is silence (the absolute gate of BS.1770), LUFS.
const GATE_LUFS: f64 = -70.0;
/// Samples of at least this magnitude in a row count as clipped: two or more.
const CLIPPED: f32 = 0.999;
/// Loudness that stands for silence, LUFS.
const SILENT: f64 = -80.0;

/// What is counted over the programme.
#[derive(Clone, Debug)]
pub struct Programme {
    rate: f64,
    step: usize,
    left: usize,
    momentary: Histogram,
    short: Histogram,
    psr: Histogram,
    steps: u64,
    silent: u64,
    samples: u64,
    /// Sums of squares and of samples, `[channel]`: each in its own order, whatever the blocks.
    sums: [(f64, f64); MAX_CHANNELS],
    values: u64,
    clipped: u64,
    /// Samples at full scale in a row, `[channel]`.
    runs: [u32; MAX_CHANNELS],
}

impl Programme {
    /// For a rate in hertz.
    pub fn new(rate: f64) -> Self {
        let step = ((rate * STEP_SECONDS) as usize).max(1);
        Self {
            rate,
            step,
            left: step,
            momentary: Histogram::levels(),
            short: Histogram::levels(),
            psr: Histogram::new(0.0, 40.0),
            steps: 0,
            silent: 0,
            samples: 0,
            sums: [(0.0, 0.0); MAX_CHANNELS],
            values: 0,
            clipped: 0,
            runs: [0; MAX_CHANNELS],
        }
    }

    pub fn reset(&mut self) {
        self.momentary.reset();
        self.short.reset();
        self.psr.reset();
        self.left = self.step;
        (self.steps, self.silent, self.samples, self.values, self.clipped) = (0, 0, 0, 0, 0);
        self.sums.fill((0.0, 0.0));
        self.runs.fill(0);
    }

    pub fn seconds(&self) -> f64 {
        self.samples as f64 / self.rate
    }

    /// Samples before loudness is to be read.
    pub fn until_step(&self) -> usize {
        self.left
    }

    /// As [`Programme::add`], for who only wants the time.
    pub fn pass(&mut self, length: usize) {
        self.samples += length as u64;
        self.left = if length >= self.left { self.step } else { self.left - length };
    }

    /// Adds a piece that the meter has just heard, at most [`Programme::until_step`] samples.
    pub fn add(&mut self, audio: &[&[f32]], meter: &Meter) {
        let length = audio.first().map_or(0, |channel| channel.len());
        for ((channel, run), sums) in audio.iter().zip(&mut self.runs).zip(&mut self.sums) {
            let loudest = largest(channel);
            for &sample in *channel {
                let sample = usable(sample);
                let value = f64::from(sample);
                sums.0 += value * value;
                sums.1 += value;
            }
            // Nothing is at full scale in most pieces.
            if loudest < CLIPPED {
                *run = 0;
            } else {
                for &sample in *channel {
                    *run = if usable(sample).abs() >= CLIPPED { *run + 1 } else { 0 };
                    // The second of a row counts itself and the first.
                    self.clipped += match *run {
                        0 | 1 => 0,
                        2 => 2,
                        _ => 1,
                    };
                }
            }
            self.values += length as u64;
        }
        self.samples += length as u64;
        self.left -= length;
        if self.left > 0 {
            return;
        }
        self.left = self.step;
        self.steps += 1;
        let reading = meter.reading();
        match reading.momentary {
            Some(loudness) if loudness > GATE_LUFS => self.momentary.add(loudness),
            _ => self.silent += 1,
        }
        if let Some(loudness) = reading.short_term.filter(|&loudness| loudness > GATE_LUFS) {
            self.short.add(loudness);
            if let Some(psr) = reading.psr {
                self.psr.add(psr);
            }
        }
    }

    pub fn visit(&self, reading: &Reading, sink: Sink<'_>) {
        let integrated = reading.integrated.unwrap_or(SILENT);
        let per_value = 1.0 / (self.values as f64).max(1.0);
        let (square, sum) = self.sums.iter().fold((0.0, 0.0), |(square, sum), own| (square + own.0, sum + own.1));
        let level = super::decibels(square * per_value, -140.0);
        let peak = reading.sample_peak.unwrap_or(-140.0).max(-140.0);
        put(
            sink,
            "loudness",
            "LUFS",
            &[
                ("integrated", integrated),
                ("momentary-max", reading.max_momentary.unwrap_or(SILENT)),
                ("short-term-max", reading.max_short_term.unwrap_or(SILENT)),
            ],
        );
        put(
            sink,
            "loudness",
            "LU",
            &[
                ("range", reading.range.unwrap_or(0.0)),
                ("peak-to-loudness", reading.plr.unwrap_or(0.0)),
                ("psr-p5", self.psr.quantile(0.05, 0.0)),
                ("psr-p25", self.psr.quantile(0.25, 0.0)),
                ("psr-p50", self.psr.quantile(0.5, 0.0)),
                ("psr-p75", self.psr.quantile(0.75, 0.0)),
            ],
        );
        // Relative to the integrated loudness: the form of the distribution.
        let momentary = |share: f64| self.momentary.quantile(share, integrated) - integrated;
        let short = |share: f64| self.short.quantile(share, integrated) - integrated;
        put(
            sink,
            "momentary",
            "LU",
            &[
                ("p5", momentary(0.05)),
                ("p10", momentary(0.1)),
                ("p25", momentary(0.25)),
                ("p50", momentary(0.5)),
                ("p75", momentary(0.75)),
                ("p90", momentary(0.9)),
                ("p95", momentary(0.95)),
                ("p99", momentary(0.99)),
            ],
        );
        put(
            sink,
            "short-term",
            "LU",
            &[
                ("p5", short(0.05)),
                ("p10", short(0.1)),
                ("p25", short(0.25)),
                ("p50", short(0.5)),
                ("p75", short(0.75)),
                ("p90", short(0.9)),
                ("p95", short(0.95)),
            ],
        );
        put(
            sink,
            "peak",
            "dB",
            &[("true", reading.true_peak.unwrap_or(-140.0).max(-140.0)), ("sample", peak), ("rms", level), ("crest", peak - level)],
        );
        let share = |count: u64, of: u64| count as f64 / (of as f64).max(1.0);
        put(
            sink,
            "fault",
            "",
            &[
                ("clipped", share(self.clipped, self.values)),
                ("silent", share(self.silent, self.steps)),
                ("direct-current", sum * per_value),
            ],
        );
        put(sink, "length", "s", &[("seconds", self.seconds())]);
    }
}
