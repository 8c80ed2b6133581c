//! Speech, music, noise and silence.

use crate::processor::{Error, Format};
use crate::units::Db;

/// What is heard in a hop of 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Frame {
    /// Probability of speech, 0 to 1.
    pub speech: f32,
    /// Probability of music, 0 to 1.
    pub music: f32,
    /// Probability of noise, 0 to 1.
    pub noise: f32,
    /// Level of the hop in dBFS.
    pub level_db: f32,
}

/// STAND-IN until the model is there: speech is what is 12 dB over a tracked floor. Not to be merged.
#[derive(Debug)]
pub struct Listener {
    floor: f32,
}

impl Listener {
    /// Stand-in.
    pub fn load(_: Format) -> Result<Self, Error> {
        Ok(Self { floor: 0.0 })
    }

    /// Stand-in.
    pub fn reset(&mut self) {
        self.floor = 0.0;
    }

    /// Stand-in.
    pub fn hear(&mut self, power: &[f32]) -> Frame {
        let level_db = Db::from_power(power.iter().sum::<f32>()).0.max(-120.0);
        self.floor = if level_db < self.floor { level_db } else { self.floor + 0.02 };
        let speech = ((level_db - self.floor - 9.0) / 6.0).clamp(0.0, 1.0) * if level_db > -65.0 { 1.0 } else { 0.0 };
        Frame { speech, music: 0.0, noise: 1.0 - speech, level_db }
    }
}
