//! A gentle compressor for one voice: one band, one amount.

use super::computer::{Ballistics, Curve, Timing};
use crate::processor::Format;
use crate::units::{Hz, Ms};
use std::ops::Range;

/// Samples from one gain to the next; between them it runs along a straight line.
const CONTROL: usize = 16;
/// Time over which squares are averaged, in seconds: about two periods of a deep voice.
const RMS_SECONDS: f64 = 0.01;
/// Time for the gain to fall: slower than a consonant's burst, which keeps its edge, and faster than a
/// syllable.
const ATTACK: Ms = Ms(8.0);
/// Decibels in for one out above the threshold, at the full amount.
const MOST_RATIO: f32 = 3.0;
/// The threshold lies so far over the loudness that speech is levelled to, in dB: half of the syllables
/// reach into the knee.
const THRESHOLD_OVER: f32 = 0.0;
/// Width of the bend, dB: nobody hears where it begins.
const KNEE: f32 = 12.0;
/// The most that it turns down, dB.
const RANGE: f32 = 12.0;
/// What speech at the reference would lose at an infinite ratio, in dB; at others in proportion to the slope of
/// the curve. It is given back. Measured on sentences of ten talkers.
const MAKEUP: f32 = 5.9;
/// Levels are those of a sine's peak: over the root mean square by so much, dB.
const SINE: f32 = 3.01;
/// Square under which there is silence: -120 dBFS.
const SILENCE: f64 = 1e-12;

/// What a compressor is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How much, 0 to 1: 0 does nothing, 1 is a ratio of 3 to 1.
    pub amount: f32,
    /// Time for the gain to rise.
    pub release: Ms,
    /// Loudness of the speech that comes in, LUFS.
    pub reference: f32,
}

/// The compressor of any number of channels, which share their gain.
#[derive(Clone, Debug)]
pub struct Compressor {
    rate: Hz,
    keep: f64,
    /// Mean square of each channel, `[channel]`.
    squares: Vec<f64>,
    ballistics: Ballistics,
    from: f32,
    to: f32,
    /// Samples of the present interval that are done.
    done: usize,
}

impl Compressor {
    /// For a format.
    pub fn new(format: Format) -> Self {
        Self {
            rate: format.rate,
            keep: (-1.0 / (format.rate.0 * RMS_SECONDS)).exp(),
            squares: vec![0.0; format.channels],
            ballistics: Ballistics::default(),
            from: 1.0,
            to: 1.0,
            done: 0,
        }
    }

    /// Forgets all history.
    pub fn reset(&mut self) {
        self.squares.fill(0.0);
        self.ballistics = Ballistics::default();
        (self.from, self.to, self.done) = (1.0, 1.0, 0);
    }

    /// Processes a range of a block in place, `audio[channel][sample]`. Never allocates.
    pub fn process(&mut self, audio: &mut [&mut [f32]], range: Range<usize>, settings: &Settings) {
        let amount = settings.amount.clamp(0.0, 1.0);
        let curve = Curve {
            threshold: settings.reference + THRESHOLD_OVER + SINE,
            ratio: 1.0 + (MOST_RATIO - 1.0) * amount,
            up_threshold: 0.0,
            up_ratio: 1.0,
            knee: KNEE,
            range: RANGE,
        };
        let makeup = MAKEUP * (1.0 - 1.0 / curve.ratio);
        let timing = Timing::new(ATTACK.0, settings.release.0, true, CONTROL as f64 / self.rate.0);
        let mut at = range.start;
        while at < range.end {
            if self.done == 0 {
                let loudest = self.squares.iter().fold(0.0_f64, |most, &square| most.max(square));
                let level = if loudest > SILENCE { 10.0 * loudest.log10() as f32 + SINE } else { f32::NEG_INFINITY };
                let gain = self.ballistics.step(curve.gain(level), false, &timing) + makeup;
                self.from = self.to;
                self.to = if gain == 0.0 { 1.0 } else { 10.0_f32.powf(gain / 20.0) };
            }
            let end = range.end.min(at + CONTROL - self.done);
            for (channel, square) in audio.iter_mut().zip(&mut self.squares) {
                for (index, sample) in channel[at..end].iter_mut().enumerate() {
                    let x = f64::from(*sample);
                    *square = x * x + (*square - x * x) * self.keep;
                    let along = (self.done + index + 1) as f32 / CONTROL as f32;
                    *sample *= self.from + (self.to - self.from) * along;
                }
            }
            self.done = (self.done + end - at) % CONTROL;
            at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 48_000.0;

    fn tone(rms_db: f32, length: usize) -> Vec<f32> {
        let peak = 10_f32.powf((rms_db + SINE) / 20.0);
        (0..length).map(|n| peak * (std::f32::consts::TAU * 300.0 * n as f32 / RATE as f32).sin()).collect()
    }

    fn gain_db(rms_db: f32, amount: f32) -> f32 {
        let mut compressor = Compressor::new(Format::new(Hz(RATE), 1).unwrap());
        let input = tone(rms_db, 48_000);
        let mut out = input.clone();
        compressor.process(&mut [&mut out], 0..48_000, &Settings { amount, release: Ms(150.0), reference: -16.0 });
        let power = |samples: &[f32]| samples[36_000..].iter().map(|x| x * x).sum::<f32>();
        10.0 * (power(&out) / power(&input)).log10()
    }

    /// A steady tone meets the line of the ratio outside the knee, and nothing at an amount of 0.
    #[test]
    fn steady_tones_meet_the_curve() {
        for (level, amount, slope) in [(-30.0, 1.0, 2.0 / 3.0), (-4.0, 1.0, 2.0 / 3.0), (-4.0, 0.5, 0.5)] {
            let over = if level < -16.0 { 0.0 } else { level + 16.0 };
            let wanted = (MAKEUP - over) * slope;
            let gain = gain_db(level, amount);
            assert!((gain - wanted).abs() < 0.1, "{level} dB, {amount}: {gain} dB instead of {wanted}");
        }
        assert_eq!(gain_db(-4.0, 0.0), 0.0);
    }

    #[test]
    fn blocks_do_not_matter() {
        let format = Format::new(Hz(RATE), 1).unwrap();
        let settings = Settings { amount: 0.7, release: Ms(100.0), reference: -20.0 };
        let input: Vec<f32> = tone(-6.0, 9_000).iter().enumerate().map(|(n, x)| x * (n as f32 * 1e-3).sin()).collect();
        let run = |size: usize| {
            let mut out = input.clone();
            let mut compressor = Compressor::new(format);
            for block in out.chunks_mut(size) {
                let length = block.len();
                compressor.process(&mut [block], 0..length, &settings);
            }
            out
        };
        for size in [1, 7, 480] {
            assert!(run(9_000) == run(size), "blocks of {size}");
        }
    }
}
