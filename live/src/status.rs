//! What the threads tell each other without waiting: meters, counters, settings.

use crate::port::Counters;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Most stages whose gain is shown.
pub const STAGES: usize = 8;

/// The largest magnitude since somebody looked.
#[derive(Debug, Default)]
pub struct Meter(AtomicU32);

impl Meter {
    /// Takes a magnitude along; not-a-number is passed over.
    pub fn note(&self, magnitude: f32) {
        if magnitude > 0.0 {
            // Positive floats are ordered as their bits are.
            self.0.fetch_max(magnitude.to_bits(), Ordering::Relaxed);
        }
    }

    /// The largest magnitude since the last call, linear.
    pub fn take(&self) -> f32 {
        f32::from_bits(self.0.swap(0, Ordering::Relaxed))
    }
}

/// A float that threads share.
#[derive(Debug, Default)]
pub struct Shown(AtomicU32);

impl Shown {
    /// Another value.
    pub fn set(&self, value: f32) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// How a device stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Not there; it is looked for again and again.
    #[default]
    Missing,
    /// Open, but it has not called yet, or no longer calls.
    Waiting,
    /// Sound flows.
    Running,
}

/// A [`Link`] that threads share.
#[derive(Debug, Default)]
pub struct SharedLink(AtomicU8);

impl SharedLink {
    /// Another state.
    pub fn set(&self, link: Link) {
        self.0.store(link as u8, Ordering::Relaxed);
    }

    /// The state.
    pub fn get(&self) -> Link {
        match self.0.load(Ordering::Relaxed) {
            1 => Link::Waiting,
            2 => Link::Running,
            _ => Link::Missing,
        }
    }
}

/// The engine's values, which the interface sets and the engine's thread reads.
#[derive(Debug)]
pub struct Values {
    values: Box<[AtomicU32]>,
    version: AtomicU64,
}

impl Values {
    /// With these values, in the order of the engine's table.
    pub fn new(values: &[f32]) -> Self {
        Self { values: values.iter().map(|value| AtomicU32::new(value.to_bits())).collect(), version: AtomicU64::new(1) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True when the engine has no parameters.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// One value.
    pub fn get(&self, index: usize) -> f32 {
        self.values.get(index).map_or(0.0, |value| f32::from_bits(value.load(Ordering::Relaxed)))
    }

    /// Sets one value.
    pub fn set(&self, index: usize, value: f32) {
        if let Some(place) = self.values.get(index) {
            place.store(value.to_bits(), Ordering::Relaxed);
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// Sets all.
    pub fn set_all(&self, values: &[f32]) {
        for (place, value) in self.values.iter().zip(values) {
            place.store(value.to_bits(), Ordering::Relaxed);
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Copies them when they changed since version `seen`. For the engine's thread.
    pub fn read(&self, seen: &mut u64, to: &mut [f32]) -> bool {
        let version = self.version.load(Ordering::Acquire);
        if version == *seen {
            return false;
        }
        *seen = version;
        for (to, from) in to.iter_mut().zip(&self.values) {
            *to = f32::from_bits(from.load(Ordering::Relaxed));
        }
        true
    }
}

/// All that the screen shows.
#[derive(Debug, Default)]
pub struct Status {
    /// Level of the input.
    pub input: Arc<Meter>,
    /// Level after the engine.
    pub output: Arc<Meter>,
    /// The input device's counters.
    pub captured: Arc<Counters>,
    /// The output device's counters.
    pub played: Arc<Counters>,
    /// How the input stands.
    pub input_link: SharedLink,
    /// How the output stands.
    pub output_link: SharedLink,
    /// Gain of each stage in dB, the lowest since the last look.
    pub stages: [Shown; STAGES],
    /// Frames that passed dry because a model was late.
    pub late: AtomicU64,
    /// Times that the engine's thread took longer over sound than the sound lasts.
    pub overruns: AtomicU64,
    /// Drop-outs before which the engine's thread worked for less time than it had: the system held it up.
    pub held_up: AtomicU64,
    /// Longest processor time that the engine's thread worked at a time, in microseconds.
    pub hardest_us: AtomicU32,
    /// Longest time from a callback of the input to the end of the engine's work on it, in microseconds.
    pub slowest_us: AtomicU32,
    /// Times that the delay had to be set anew, after a device lost sound.
    pub realigned: AtomicU64,
    /// Times that sound began to flow.
    pub started: AtomicU64,
    /// Delay from the input's callback to the output's in microseconds: what the rings, the change of rate and
    /// the engine take. 0 until sound flows.
    pub delay_us: AtomicU32,
    /// Delay of the engine alone in microseconds.
    pub engine_us: AtomicU32,
    /// The same from callback to callback in samples of the output.
    pub delay_samples: AtomicU32,
    /// How far the delay is from where it shall be, in microseconds.
    pub error_us: AtomicI32,
    /// Largest such distance since sound began to flow and settled, in microseconds.
    pub worst_error_us: AtomicU32,
    /// How much faster the output's clock is than the input's, in parts per million.
    pub drift_ppm: Shown,
    /// Frames that the engine has processed.
    pub frames: AtomicU64,
    /// Frames that the recorder could not take.
    pub unrecorded: AtomicU64,
    /// Everybody shall end.
    pub stop: AtomicBool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_keep_the_peak_and_values_come_once() {
        let meter = Meter::default();
        for magnitude in [0.25, 0.5, f32::NAN, 0.125] {
            meter.note(magnitude);
        }
        assert_eq!((meter.take(), meter.take()), (0.5, 0.0));
        let values = Values::new(&[1.0, 2.0]);
        let (mut seen, mut copy) = (0, [0.0; 2]);
        assert!(values.read(&mut seen, &mut copy) && copy == [1.0, 2.0]);
        assert!(!values.read(&mut seen, &mut copy));
        values.set(1, -3.0);
        assert!(values.read(&mut seen, &mut copy) && copy == [1.0, -3.0]);
        values.set(7, 0.0);
        assert_eq!(values.get(7), 0.0);
    }
}
