//! The linear-phase equaliser: the analogue curve itself as a symmetric filter, for a bounce.

use super::analogue::Prototype;
use super::settings::{BANDS, SECTIONS, Settings};
use super::symmetric::{Curve, Symmetric};
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::FlushDenormals;
use crate::units::Hz;

/// Least length of the filter in seconds: bins 3 Hz apart, so that curves at 30 Hz hold.
const LENGTH_SECONDS: f64 = 0.33;

/// The bands of an equaliser, ready for many frequencies.
#[derive(Clone, Debug, Default)]
struct Bands {
    settings: Settings,
    /// Bands in use: how many sections they have, and one over their frequency.
    bands: [([Option<Prototype>; SECTIONS], f64); BANDS],
    count: usize,
}

impl Bands {
    fn new(settings: &Settings) -> Self {
        let mut out = Self { settings: *settings, ..Self::default() };
        for band in settings.bands.iter().filter(|band| !band.is_neutral()) {
            let (prototypes, count) = band.prototypes();
            let sections = std::array::from_fn(|index| (index < count).then_some(prototypes[index].0));
            out.bands[out.count] = (sections, 1.0 / band.frequency.0);
            out.count += 1;
        }
        out
    }
}

impl PartialEq for Bands {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl Curve for Bands {
    fn filters(&self) -> usize {
        1
    }

    /// As [`Settings::analogue_db`], without logarithms and powers.
    fn gain(&self, _: usize, at: Hz) -> f64 {
        let mut power = 1.0;
        for (sections, per_hz) in &self.bands[..self.count] {
            let relative = at.0 * per_hz;
            power *= sections.iter().flatten().map(|prototype| prototype.power(relative)).product::<f64>();
        }
        power.sqrt()
    }
}

/// The linear-phase equaliser. With all bands neutral the delayed input passes, bit for bit.
#[derive(Debug, Default)]
pub struct LinearEqualiser {
    filter: Option<Symmetric<Bands>>,
    wanted: Bands,
}

impl LinearEqualiser {
    /// An equaliser, to be prepared.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Processor for LinearEqualiser {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        self.filter = Some(Symmetric::new(Format::new(format.rate, format.channels)?, 1, LENGTH_SECONDS));
        Ok(())
    }

    fn reset(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.reset();
        }
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, _: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        let Some(filter) = &mut self.filter else { return };
        if self.wanted.settings != *settings {
            self.wanted = Bands::new(settings);
        }
        filter.want((self.wanted.count > 0).then_some(&self.wanted));
        let length = audio.first().map_or(0, |channel| channel.len());
        let mut at = 0;
        while at < length {
            let piece = filter.until_due().min(length - at);
            let [from, to] = filter.plays().map(|plays| f32::from(u8::from(plays)));
            for (index, channel) in audio.iter_mut().enumerate() {
                let channel = &mut channel[at..at + piece];
                filter.exchange(index, channel);
                if from == 0.0 && to == 0.0 {
                    continue;
                }
                let wet = filter.output(index, 0, piece);
                if from == 1.0 && to == 1.0 {
                    channel.copy_from_slice(wet);
                    continue;
                }
                for (n, (sample, wet)) in channel.iter_mut().zip(wet).enumerate() {
                    *sample += (from + (to - from) * filter.along(n + 1)) * (wet - *sample);
                }
            }
            filter.advance(piece);
            at += piece;
        }
    }

    fn latency(&self, _: &Settings) -> usize {
        self.filter.as_ref().map_or(0, Symmetric::latency)
    }
}
