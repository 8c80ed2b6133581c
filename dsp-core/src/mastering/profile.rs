//! What was measured of a song, read out of its features by name.

use crate::analysis::{Analyser, THIRDS};
use std::sync::OnceLock;

/// Number of thirds of an octave.
pub const BANDS: usize = THIRDS.len();
/// Regions of the stereo image.
pub const REGIONS: [&str; 3] = ["low", "mid", "high"];
/// Bands of dynamics, as the multiband stage has them.
pub const DYNAMICS: [&str; 4] = ["low", "low-mid", "high-mid", "high"];
/// Loudness under which there is silence and nothing to be mastered, LUFS: the absolute gate of BS.1770.
pub const SILENT_LUFS: f64 = -70.0;

/// What decisions read of a song.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// All features, in the order of [`Analyser::table`].
    pub features: Vec<f32>,
    /// Mean level by third of an octave, dB relative to the whole.
    pub thirds: [f64; BANDS],
    /// Sides over middle by region, dB.
    pub width: [f64; 3],
    /// Loud over middle passages (95th over 50th percentile of 100 ms) by band, dB.
    pub dynamics: [f64; 4],
    /// Levels of the bands of dynamics: see [`Analyser::band_levels`].
    pub levels: [Option<[f64; 3]>; 4],
    /// Integrated loudness, LUFS; none of what is silent or shorter than 0.4 s.
    pub loudness: Option<f64>,
    /// Loudness range, LU.
    pub range: f64,
    /// True peak, dBTP.
    pub true_peak: f64,
    /// Highest frequency with sound, hertz.
    pub limit_hz: f64,
    /// Share of samples that are clipped.
    pub clipped: f64,
    /// Mean of the samples.
    pub direct_current: f64,
    /// Length in seconds.
    pub seconds: f64,
    /// Channels.
    pub channels: usize,
}

/// Where a feature stands.
fn index(name: &str) -> usize {
    // Names are those of this crate; a test finds one that is not.
    Analyser::table().iter().position(|feature| feature.name == name).unwrap_or(usize::MAX)
}

struct Places {
    thirds: [usize; BANDS],
    width: [usize; 3],
    dynamics: [usize; 4],
    /// Integrated loudness, range, true peak, limit, clipped, direct current, seconds.
    whole: [usize; 7],
}

fn places() -> &'static Places {
    static PLACES: OnceLock<Places> = OnceLock::new();
    PLACES.get_or_init(|| Places {
        thirds: THIRDS.map(|third| index(&format!("third.{third}.mean"))),
        width: REGIONS.map(|region| index(&format!("region.{region}.side-to-mid"))),
        dynamics: DYNAMICS.map(|band| index(&format!("dynamics.{band}.above-p50"))),
        whole: [
            "loudness.integrated",
            "loudness.range",
            "peak.true",
            "limit.highest",
            "fault.clipped",
            "fault.direct-current",
            "length.seconds",
        ]
        .map(index),
    })
}

impl Profile {
    /// Of what an analyser has heard.
    pub fn of(analyser: &Analyser) -> Self {
        Self::new(analyser.features(), analyser.band_levels(), analyser.format().channels)
    }

    /// From features in the order of the table, the levels of the bands and the number of channels.
    pub fn new(features: Vec<f32>, levels: [Option<[f64; 3]>; 4], channels: usize) -> Self {
        let at = |place: usize| features.get(place).map_or(0.0, |&value| f64::from(value));
        let places = places();
        let [integrated, range, true_peak, limit, clipped, direct_current, seconds] = places.whole.map(at);
        Self {
            thirds: places.thirds.map(at),
            width: places.width.map(at),
            dynamics: places.dynamics.map(at),
            levels,
            loudness: (integrated > SILENT_LUFS).then_some(integrated),
            range,
            true_peak,
            limit_hz: limit.exp2(),
            clipped,
            direct_current,
            seconds,
            channels,
            features,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_feature() {
        let places = places();
        let all = places.thirds.iter().chain(&places.width).chain(&places.dynamics).chain(&places.whole);
        assert!(all.copied().all(|place| place < Analyser::table().len()));
    }
}
