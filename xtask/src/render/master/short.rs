//! True peak as common meters read it.

use std::f64::consts::PI;

/// Values of a sample that the filter of ITU-R BS.1770-5, Annex 2 sums.
const TAPS: usize = 12;
/// Places between two samples that it reads.
const PHASES: usize = 3;
/// Values that are computed side by side.
const ABREAST: usize = 16;
/// Under this there is no peak, linear.
const LEAST: f32 = 1e-9;

/// The largest true peak by a filter as short as the standard's. Meters with it are what masters are
/// accepted by; where a limiter has cut into sound near half the rate they read up to 0.4 dB more than
/// [`dsp_core::loudness::Meter`], which is nearer to the truth.
pub struct ShortMeter {
    kernel: [[f32; TAPS]; PHASES],
    /// The last samples of each channel and the block behind them.
    channels: Vec<Vec<f32>>,
    largest: f32,
}

/// A sinc under a Hann window, each phase with a sum of 1.
fn kernel() -> [[f32; TAPS]; PHASES] {
    std::array::from_fn(|phase| {
        let weight = |tap: usize| {
            let at = (phase + 1) as f64 / (PHASES + 1) as f64 - (tap as f64 - (TAPS / 2 - 1) as f64);
            (PI * at).sin() / (PI * at) * (0.5 + 0.5 * (2.0 * PI * at / TAPS as f64).cos())
        };
        let sum: f64 = (0..TAPS).map(weight).sum();
        std::array::from_fn(|tap| (weight(tap) / sum) as f32)
    })
}

impl ShortMeter {
    /// For so many channels.
    pub fn new(channels: usize) -> Self {
        Self { kernel: kernel(), channels: vec![vec![0.0; TAPS - 1]; channels], largest: 0.0 }
    }

    /// As if nothing had been heard.
    pub fn reset(&mut self) {
        self.channels.iter_mut().for_each(|samples| {
            samples.clear();
            samples.resize(TAPS - 1, 0.0);
        });
        self.largest = 0.0;
    }

    /// Hears a block, `[channel][sample]`, finite.
    pub fn process(&mut self, audio: &[&[f32]]) {
        for (samples, new) in self.channels.iter_mut().zip(audio) {
            samples.extend_from_slice(new);
            let mut most = [self.largest; ABREAST];
            let count = samples.len() - (TAPS - 1);
            // A rest that fills no row is one with what was looked at already, or alone.
            let rows = (0..count / ABREAST).map(|row| row * ABREAST).chain((count >= ABREAST).then(|| count - ABREAST));
            for at in rows {
                let frame = &samples[at..at + TAPS - 1 + ABREAST];
                for phase in &self.kernel {
                    let mut sum = [0.0_f32; ABREAST];
                    for (tap, &weight) in phase.iter().enumerate() {
                        let row = &frame[tap..tap + ABREAST];
                        for lane in 0..ABREAST {
                            sum[lane] += weight * row[lane];
                        }
                    }
                    for lane in 0..ABREAST {
                        most[lane] = if sum[lane].abs() > most[lane] { sum[lane].abs() } else { most[lane] };
                    }
                }
            }
            if count < ABREAST {
                for frame in samples.windows(TAPS) {
                    for phase in &self.kernel {
                        most[0] = most[0].max(frame.iter().zip(phase).map(|(x, weight)| x * weight).sum::<f32>().abs());
                    }
                }
            }
            self.largest = new.iter().fold(most.into_iter().fold(0.0, f32::max), |most, x| most.max(x.abs()));
            let seen = samples.len() - (TAPS - 1);
            samples.drain(..seen);
        }
    }

    /// The largest so far, dBTP.
    pub fn peak_db(&self) -> f64 {
        20.0 * f64::from(self.largest.max(LEAST)).log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step between samples of full scale overshoots by a known part of it, whatever the blocks.
    #[test]
    fn it_reads_between_the_samples() {
        let tone: Vec<f32> = (0..4_800).map(|n| (std::f32::consts::FRAC_PI_2 * n as f32 + std::f32::consts::FRAC_PI_4).sin()).collect();
        let mut readings = [1, 100, 4_800].map(|block| {
            let mut meter = ShortMeter::new(1);
            tone.chunks(block).for_each(|part| meter.process(&[part]));
            meter.peak_db()
        });
        // Samples lie at -3 dB; the start of the tone rings a little over full scale.
        assert!(readings[0] > -0.1 && readings[0] < 0.8, "{readings:?}");
        assert!(readings.iter().all(|reading| *reading == readings[0]), "{readings:?}");
        readings[0] = ShortMeter::new(2).peak_db();
        assert!(readings[0] < -150.0);
    }
}
