//! The limiter: drive, true-peak limiter, listen, bypass.

mod settings;

pub use crate::dynamics::limiter::{Limit, Release};
pub use settings::{Listen, Settings};

use crate::delay::Delay;
use crate::dynamics::limiter::TruePeakLimiter;
use crate::engines::WithoutModels;
use crate::loudness::true_peak::CHUNK;
use crate::processor::{Error, Format, Frame, Observer, Processor};
use crate::ramp::Ramp;
use crate::realtime::FlushDenormals;
use crate::sample::usable;
use crate::units::{Db, Ms};

/// Time over which drive, listen and bypass move.
const MOVE: Ms = Ms(20.0);
/// Frames for meters come so often.
const FRAME: Ms = Ms(10.0);

/// The limiter engine. It has no model: it is ready once it is prepared.
#[derive(Debug, Default)]
pub struct Limiter {
    inner: Option<Inner>,
}

#[derive(Debug)]
struct Inner {
    limiter: TruePeakLimiter,
    /// The input as it came, delayed like the output, `[channel]`.
    dry: Vec<Delay>,
    /// The chunk of that.
    kept: Vec<Vec<f32>>,
    drive: Ramp,
    /// Gain of the output, and the shares of the driven and of the untouched input in it.
    level: Ramp,
    removed: Ramp,
    bypass: Ramp,
    /// Values of drive, output gain and the shares for the samples of a chunk.
    drives: Vec<f32>,
    levels: Vec<f32>,
    shares: [Vec<f32>; 2],
    meter: FrameMeter,
    rate: f64,
}

/// What a frame tells, gathered over its time.
#[derive(Debug)]
struct FrameMeter {
    length: usize,
    filled: usize,
    /// Largest magnitude that came to the limiter, linear.
    peak: f32,
}

impl FrameMeter {
    fn restart(&mut self) {
        self.filled = 0;
        self.peak = 0.0;
    }
}

impl Limiter {
    /// An engine to be prepared.
    pub fn new() -> Self {
        Self::default()
    }
}

impl WithoutModels for Limiter {}

impl Processor for Limiter {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        let limiter = TruePeakLimiter::new(format);
        let ramp = Ramp::new(MOVE, format.rate);
        let line = vec![0.0; CHUNK];
        self.inner = Some(Inner {
            dry: vec![Delay::new(limiter.latency()); format.channels],
            kept: vec![line.clone(); format.channels],
            drive: ramp,
            level: ramp,
            removed: ramp,
            bypass: ramp,
            drives: line.clone(),
            levels: line.clone(),
            shares: [line.clone(), line],
            meter: FrameMeter { length: FRAME.to_samples(format.rate).max(1), filled: 0, peak: 0.0 },
            rate: format.rate.0,
            limiter,
        });
        Ok(())
    }

    fn reset(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.limiter.reset();
            inner.dry.iter_mut().for_each(Delay::reset);
            for ramp in [&mut inner.drive, &mut inner.level, &mut inner.removed, &mut inner.bypass] {
                ramp.reset();
            }
            inner.meter.restart();
        }
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, observer: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        let Some(inner) = &mut self.inner else { return };
        if audio.len() != inner.dry.len() {
            return;
        }
        inner.drive.set(settings.drive.to_linear());
        inner.level.set(if settings.matched { Db(-settings.drive.0).to_linear() } else { 1.0 });
        inner.removed.set(f32::from(u8::from(settings.listen == Listen::Removed)));
        inner.bypass.set(f32::from(u8::from(settings.bypass)));
        let length = audio.iter().map(|samples| samples.len()).min().unwrap_or(0);
        let mut at = 0;
        while at < length {
            let end = length.min(at + CHUNK).min(at + inner.meter.length - inner.meter.filled);
            inner.chunk(audio, at..end, settings);
            inner.frame(end - at, settings, observer);
            at = end;
        }
    }

    fn latency(&self, _: &Settings) -> usize {
        self.inner.as_ref().map_or(0, |inner| inner.limiter.latency())
    }
}

impl Inner {
    fn chunk(&mut self, audio: &mut [&mut [f32]], range: std::ops::Range<usize>, settings: &Settings) {
        let length = range.len();
        for index in 0..length {
            self.drives[index] = self.drive.step();
            self.levels[index] = self.level.step();
            self.shares[0][index] = self.removed.step();
            self.shares[1][index] = self.bypass.step();
        }
        for ((samples, kept), dry) in audio.iter_mut().zip(&mut self.kept).zip(&mut self.dry) {
            let (samples, kept) = (&mut samples[range.clone()], &mut kept[..length]);
            for ((sample, kept), drive) in samples.iter_mut().zip(kept.iter_mut()).zip(&self.drives) {
                let clean = usable(*sample);
                *kept = clean;
                *sample = clean * drive;
            }
            dry.process(kept);
        }
        self.limiter.process_range(audio, range.clone(), &settings.limit);
        for (samples, kept) in audio.iter_mut().zip(&self.kept) {
            for (index, (sample, &dry)) in samples[range.clone()].iter_mut().zip(kept).enumerate() {
                let (drive, removed, bypass) = (self.drives[index], self.shares[0][index], self.shares[1][index]);
                // At rest each end gives its own bits.
                let limited = *sample;
                let heard = if removed == 0.0 { limited } else { removed * (dry * drive - limited) + (1.0 - removed) * limited };
                let wet = heard * self.levels[index];
                *sample = if bypass == 0.0 { wet } else { bypass * dry + (1.0 - bypass) * wet };
                self.meter.peak = self.meter.peak.max((dry * drive).abs());
            }
        }
    }

    /// Tells of a frame when it is full.
    fn frame(&mut self, samples: usize, settings: &Settings, observer: &mut dyn Observer) {
        let meter = &mut self.meter;
        meter.filled += samples;
        if meter.filled < meter.length {
            return;
        }
        // What counts for a limiter are peaks: that of a full-scale sine reads 1, as its power does elsewhere.
        let power = meter.peak * meter.peak;
        let gain = self.limiter.take_gain();
        let gain = if settings.bypass { 1.0 } else { gain };
        // One bin for the whole band.
        let bin_hz = (self.rate / 2.0) as f32;
        let seconds = (meter.length as f64 / self.rate) as f32;
        // The frame is of what comes out now.
        let age = seconds / 2.0 + (self.limiter.latency() as f64 / self.rate) as f32;
        observer.frame(&Frame { input_power: &[power], gain: &[gain], bin_hz, seconds, age, late: false, detection: None });
        meter.restart();
    }
}
