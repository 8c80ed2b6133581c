//! What the chain said last, for controls and pictures, and what loudness is to be reached.

use dsp_core::engines::podcast::{Settings, StageFrame};
use dsp_core::params::FromValues;
use plainsong_shell::Companion;

/// The newest frame of the stages.
#[derive(Debug, Default)]
pub struct Heard {
    /// None before sound came.
    pub newest: Option<StageFrame>,
}

impl Companion for Heard {
    fn target(&self, values: &[f32]) -> Option<(f64, f64)> {
        let settings = Settings::from_values(values);
        Some((f64::from(settings.leveller.target), f64::from(settings.limit.ceiling.0)))
    }
}
