//! The events model on a stream of spectra.

use super::{Frame, KINDS, LOWEST_DB};
use crate::model::{Runner, embedded};
use crate::processor::Error;
use crate::units::Ms;

/// The model.
pub const MODEL_ID: &str = "events";
/// From one frame to the next.
pub const HOP: Ms = Ms(10.0);
/// Frames by which [`Frame::settled`] is behind.
pub const LATE_FRAMES: usize = 50;
/// Bins of the model, 50 Hz apart.
const BINS: usize = 481;
/// Mean square of a signal over the sum of its bins' powers, for spectra of a square-root Hann window in
/// which a sine of amplitude 1 has magnitude 1 (Parseval: sum w^2 = N/2, sum w = 2 N / pi).
const MEAN_SQUARE: f32 = 4.0 / (std::f32::consts::PI * std::f32::consts::PI);

/// One stream through the model. Made off the audio thread.
#[derive(Debug)]
pub struct Listener {
    runner: Runner,
    power: Vec<f32>,
}

impl Listener {
    /// A stream with its states at zero. Loads the model the first time in a process (under 0.1 s).
    ///
    /// # Errors
    /// [`Error::Model`] when the model does not load or is for something else.
    pub fn new() -> Result<Self, Error> {
        let plan = embedded(MODEL_ID)?.plan()?;
        plan.manifest().fits("events", &[("power", &[1, BINS])], &[("now", &[1, KINDS]), ("late", &[1, KINDS])])?;
        Ok(Self { runner: Runner::new(&plan)?, power: vec![0.0; BINS] })
    }

    /// Zeroes the states.
    pub fn reset(&mut self) {
        self.runner.reset();
    }

    /// True when a step has failed since the last reset.
    pub fn has_failed(&self) -> bool {
        self.runner.has_failed()
    }

    /// What is heard in the next frame. `power[bin]` is that of a window of 20 ms (square root of Hann,
    /// a full-scale sine has magnitude 1 in its bin) in bins of 50 Hz from 0 on, as
    /// [`Analyser`](crate::framing::Analyser) gives it; missing bins count as empty, those over 24 kHz are
    /// left out. On the audio thread call it inside a [`crate::realtime::Scope`].
    pub fn hear(&mut self, power: &[f32]) -> Frame {
        let known = power.len().min(BINS);
        self.power[..known].copy_from_slice(&power[..known]);
        self.power[known..].fill(0.0);
        let sum: f32 = self.power.iter().sum();
        let level_db = (10.0 * (sum * MEAN_SQUARE).max(f32::MIN_POSITIVE).log10()).max(LOWEST_DB);
        let (mut now, mut settled) = ([0.0; KINDS], [0.0; KINDS]);
        if !self.runner.step(&[&self.power], &mut [&mut now, &mut settled]) {
            return Frame { level_db, ..Frame::NOTHING };
        }
        Frame { speech: now[0], music: now[1], noise: now[2], level_db, settled }
    }
}
