//! The linear-phase equaliser: the analogue curve itself as a symmetric filter, for a bounce.

use super::convolver::Convolver;
use super::settings::Settings;
use crate::delay::Delay;
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::FlushDenormals;
use crate::sample::usable_all;
use crate::units::Hz;
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner};
use std::f32::consts::TAU;
use std::sync::Arc;

/// Least length of the filter in seconds: bins 3 Hz apart, so that curves at 30 Hz hold.
const LENGTH_SECONDS: f64 = 0.33;
/// Partitions of a filter.
const PARTS: usize = 8;

/// The linear-phase equaliser. With all bands neutral the delayed input passes, bit for bit.
#[derive(Default)]
pub struct LinearEqualiser {
    inner: Option<Inner>,
}

struct Inner {
    convolver: Convolver,
    dry: Vec<Delay>,
    rate: Hz,
    inverse: Arc<dyn ComplexToReal<f32>>,
    spectrum: Vec<Complex32>,
    taps: Vec<f32>,
    scratch: Vec<Complex32>,
    window: Vec<f32>,
    /// What the filter that plays was made from.
    made: Settings,
    /// Share of the filtered signal at the start and the end of the present partition.
    mix: [f32; 2],
    done: usize,
    fresh: bool,
}

impl std::fmt::Debug for LinearEqualiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinearEqualiser").field("latency", &self.inner.as_ref().map(Inner::latency)).finish_non_exhaustive()
    }
}

impl LinearEqualiser {
    /// An equaliser, to be prepared.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Inner {
    fn new(format: Format) -> Self {
        let length = ((format.rate.0 * LENGTH_SECONDS) as usize).next_power_of_two().max(16 * PARTS);
        let inverse = RealFftPlanner::new().plan_fft_inverse(length);
        let convolver = Convolver::new(format.channels, 1, length, length / PARTS);
        Self {
            dry: vec![Delay::new(length / 2 + convolver.partition()); format.channels],
            convolver,
            rate: format.rate,
            spectrum: vec![Complex32::default(); length / 2 + 1],
            taps: vec![0.0; length],
            scratch: inverse.make_scratch_vec(),
            window: (0..length).map(|n| 0.5 - 0.5 * (TAU * n as f32 / length as f32).cos()).collect(),
            inverse,
            made: Settings::default(),
            mix: [0.0; 2],
            done: 0,
            fresh: true,
        }
    }

    fn latency(&self) -> usize {
        self.taps.len() / 2 + self.convolver.partition()
    }

    /// The symmetric filter with the curve of the settings, its middle at half its length.
    fn design(&mut self, settings: &Settings) {
        let length = self.taps.len();
        for (bin, slot) in self.spectrum.iter_mut().enumerate() {
            let hz = bin as f64 * self.rate.0 / length as f64;
            let gain = 10_f64.powf(settings.analogue_db(Hz(hz)) / 20.0) as f32 / length as f32;
            // A sign that alternates turns the filter by half its length.
            *slot = Complex32::new(if bin % 2 == 0 { gain } else { -gain }, 0.0);
        }
        // Lengths are those of the plan, so it cannot fail.
        let _ = self.inverse.process_with_scratch(&mut self.spectrum, &mut self.taps, &mut self.scratch);
        self.taps.iter_mut().zip(&self.window).for_each(|(tap, window)| *tap *= window);
        self.convolver.set(0, &self.taps);
        self.made = *settings;
    }

    /// Before the first sample of a partition.
    fn begin(&mut self, settings: &Settings) {
        self.mix[0] = self.mix[1];
        if std::mem::take(&mut self.fresh) {
            self.mix = [if settings.is_neutral() { 0.0 } else { 1.0 }; 2];
            if !settings.is_neutral() && self.made != *settings {
                self.design(settings);
                // Nothing has played, so nothing fades.
                self.convolver.reset();
            }
        }
    }

    /// Before the last sample of a partition is in: what plays in the next one.
    fn prepare_next(&mut self, settings: &Settings) {
        self.mix[0] = self.mix[1];
        self.mix[1] = if settings.is_neutral() { 0.0 } else { 1.0 };
        if !settings.is_neutral() && self.made != *settings {
            self.design(settings);
            if self.mix[0] == 0.0 {
                self.convolver.jump();
            }
        }
    }
}

impl Processor for LinearEqualiser {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        self.inner = Some(Inner::new(Format::new(format.rate, format.channels)?));
        Ok(())
    }

    fn reset(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.convolver.reset();
            inner.dry.iter_mut().for_each(Delay::reset);
            inner.done = 0;
            inner.fresh = true;
        }
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, _: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        let Some(inner) = &mut self.inner else { return };
        let length = audio.first().map_or(0, |channel| channel.len());
        let mut at = 0;
        while at < length {
            if inner.fresh {
                inner.begin(settings);
            }
            let piece = inner.convolver.until_due().min(length - at);
            let range = at..at + piece;
            let [from, to] = inner.mix;
            let step = 1.0 / inner.convolver.partition() as f32;
            for (index, channel) in audio.iter_mut().enumerate() {
                let channel = &mut channel[range.clone()];
                inner.convolver.feed(index, channel);
                usable_all(channel);
                inner.dry[index].process(channel);
                if from == 0.0 && to == 0.0 {
                    continue;
                }
                let wet = inner.convolver.output(index, 0, piece);
                if from == 1.0 && to == 1.0 {
                    channel.copy_from_slice(wet);
                    continue;
                }
                for (n, (sample, wet)) in channel.iter_mut().zip(wet).enumerate() {
                    let share = from + (to - from) * ((inner.done + n + 1) as f32 * step);
                    *sample += share * (wet - *sample);
                }
            }
            inner.done += piece;
            if inner.convolver.is_due_after(piece) {
                inner.done = 0;
                inner.prepare_next(settings);
            }
            inner.convolver.advance(piece, inner.mix == [0.0; 2]);
            at += piece;
        }
    }

    fn latency(&self, _: &Settings) -> usize {
        self.inner.as_ref().map_or(0, Inner::latency)
    }
}
