//! STAND-IN until the model is there: speech is what is 9 dB over a tracked floor. Not to be merged.

use super::{Frame, KINDS, LOWEST_DB};
use crate::processor::Error;
use crate::units::Ms;

/// Stand-in.
pub const MODEL_ID: &str = "denoise";
/// Stand-in.
pub const HOP: Ms = Ms(10.0);
/// Stand-in.
pub const LATE_FRAMES: usize = 50;

/// Stand-in.
#[derive(Debug)]
pub struct Listener {
    floor: f32,
}

impl Listener {
    /// Stand-in.
    ///
    /// # Errors
    /// Never.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { floor: 0.0 })
    }

    /// Stand-in.
    pub fn reset(&mut self) {
        self.floor = 0.0;
    }

    /// Stand-in.
    pub fn has_failed(&self) -> bool {
        false
    }

    /// Stand-in.
    pub fn hear(&mut self, power: &[f32]) -> Frame {
        let level_db = crate::units::Db::from_power(power.iter().sum::<f32>()).0.max(LOWEST_DB);
        self.floor = if level_db < self.floor { level_db } else { self.floor + 0.02 };
        let speech = ((level_db - self.floor - 9.0) / 6.0).clamp(0.0, 1.0) * if level_db > -65.0 { 1.0 } else { 0.0 };
        Frame { speech, music: 0.0, noise: 1.0 - speech, level_db, settled: [0.0; KINDS] }
    }
}
