//! A loudness meter that tells an observer what it reads.

use crate::loudness::Meter;
use crate::processor::{Error, Format, MAX_CHANNELS, Measured, Observer};
use crate::units::Ms;

/// Readings come so often: fast enough for a meter that moves.
const EVERY: Ms = Ms(50.0);

/// The meter, and when it tells.
#[derive(Debug)]
pub struct Programme {
    meter: Meter,
    rate: f64,
    length: usize,
    filled: usize,
    number: u32,
}

impl Programme {
    /// For a format.
    ///
    /// # Errors
    /// When the format is out of range.
    pub fn new(format: Format) -> Result<Self, Error> {
        let length = EVERY.to_samples(format.rate).max(1);
        Ok(Self { meter: Meter::new(format)?, rate: format.rate.0, length, filled: 0, number: 0 })
    }

    /// Begins a new programme. Never allocates.
    pub fn begin(&mut self) {
        self.meter.reset();
        self.filled = 0;
        self.number = self.number.wrapping_add(1);
    }

    /// Measures a block of any length, `audio[channel][sample]`. Never allocates.
    pub fn measure(&mut self, audio: &[&mut [f32]], observer: &mut dyn Observer) {
        if observer.measure_anew() {
            self.begin();
        }
        let length = audio.iter().map(|channel| channel.len()).min().unwrap_or(0);
        let channels = audio.len().min(MAX_CHANNELS);
        let mut at = 0;
        while at < length {
            let end = length.min(at + self.length - self.filled);
            let mut pieces: [&[f32]; MAX_CHANNELS] = [&[]; MAX_CHANNELS];
            for (piece, channel) in pieces.iter_mut().zip(audio) {
                *piece = &channel[at..end];
            }
            self.meter.process(&pieces[..channels]);
            self.filled += end - at;
            if self.filled == self.length {
                self.filled = 0;
                observer.measured(&Measured {
                    reading: self.meter.reading(),
                    peaks: self.meter.take_true_peaks(),
                    programme: self.number,
                    seconds: (self.length as f64 / self.rate) as f32,
                });
            }
            at = end;
        }
    }
}
