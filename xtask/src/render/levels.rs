//! Level of a signal as it flows by: RMS, peak and integrated loudness.

use ebur128::{EbuR128, Mode};

/// Meters of one signal.
pub struct Levels {
    power: f64,
    samples: u64,
    peak: f32,
    loudness: Option<EbuR128>,
}

/// What the meters read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Mean power over all channels, in dB under a full-scale square wave; none for silence.
    pub rms_dbfs: Option<f64>,
    /// Largest sample; none for silence.
    pub peak_dbfs: Option<f64>,
    /// Integrated loudness (ITU-R BS.1770, EBU R 128); none for silence or less than 0.4 s.
    pub loudness_lufs: Option<f64>,
}

impl Levels {
    /// Meters for a format; without `loudness`, which takes some time, that one stays none.
    pub fn new(rate: u32, channels: usize, loudness: bool) -> Self {
        // The histogram keeps the memory constant, however long the signal is.
        let meter = || EbuR128::new(u32::try_from(channels).ok()?, rate, Mode::I | Mode::HISTOGRAM).ok();
        Self { power: 0.0, samples: 0, peak: 0.0, loudness: if loudness { meter() } else { None } }
    }

    /// Adds a block, `block[channel][sample]`.
    pub fn add(&mut self, block: &[&[f32]]) {
        for samples in block {
            self.power += samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
            self.samples += samples.len() as u64;
            self.peak = samples.iter().fold(self.peak, |peak, x| peak.max(x.abs()));
        }
        if let Some(meter) = &mut self.loudness
            && meter.add_frames_planar_f32(block).is_err()
        {
            self.loudness = None;
        }
    }

    /// What they read so far.
    pub fn reading(&self) -> Reading {
        let db = |value: f64, factor: f64| (value > 0.0).then(|| factor * value.log10());
        Reading {
            rms_dbfs: db(self.power / self.samples.max(1) as f64, 10.0),
            peak_dbfs: db(f64::from(self.peak), 20.0),
            loudness_lufs: self.loudness.as_ref().and_then(|meter| meter.loudness_global().ok()).filter(|lufs| lufs.is_finite()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS reads -23 LUFS.
    #[test]
    fn a_sine_reads_what_the_standard_says() {
        let amplitude = 10_f32.powf(-23.0 / 20.0);
        let sine: Vec<f32> = (0..480_000).map(|n| amplitude * (n as f32 * 1000.0 * std::f32::consts::TAU / 48_000.0).sin()).collect();
        let mut levels = Levels::new(48_000, 2, true);
        sine.chunks(4096).for_each(|block| levels.add(&[block, block]));
        let reading = levels.reading();
        assert!((reading.loudness_lufs.unwrap() + 23.0).abs() < 0.1, "{reading:?}");
        assert!((reading.rms_dbfs.unwrap() + 26.01).abs() < 0.02, "{reading:?}");
        assert!((reading.peak_dbfs.unwrap() + 23.0).abs() < 0.02, "{reading:?}");
        assert_eq!(Levels::new(48_000, 2, true).reading(), Reading::default());
    }
}
