//! True peak as common meters read it.

use dsp_core::loudness::true_peak::{CHUNK, Interpolator};

/// Values of a sample that the filter of ITU-R BS.1770-5, Annex 2 sums.
const TAPS: usize = 12;
/// Under this there is no peak, linear.
const LEAST: f32 = 1e-9;

/// The largest true peak by a filter as short as the standard's. Meters with it are what masters are
/// accepted by; where a limiter has cut into sound near half the rate they read up to 0.4 dB more than
/// [`dsp_core::loudness::Meter`], which is nearer to the truth.
pub struct ShortMeter {
    channels: Vec<Interpolator<TAPS>>,
    largest: f32,
}

impl ShortMeter {
    /// For so many channels.
    pub fn new(channels: usize) -> Self {
        Self { channels: vec![Interpolator::default(); channels], largest: 0.0 }
    }

    /// As if nothing had been heard.
    pub fn reset(&mut self) {
        self.channels.iter_mut().for_each(Interpolator::reset);
        self.largest = 0.0;
    }

    /// Hears a block, `[channel][sample]`, finite.
    pub fn process(&mut self, audio: &[&[f32]]) {
        let mut largest = self.largest;
        for (channel, samples) in self.channels.iter_mut().zip(audio) {
            for chunk in samples.chunks(CHUNK) {
                channel.process(chunk, |_, interval| largest = largest.max(interval.coarse()));
            }
        }
        self.largest = largest;
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
