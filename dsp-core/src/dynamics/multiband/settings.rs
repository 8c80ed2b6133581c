//! What can be set on the multiband dynamics.

use crate::dynamics::crossover::MAX_BANDS;
use crate::units::{Db, Hz, Ms};

/// Corners are at least this ratio apart.
const APART: f64 = 1.2;

/// How the gains of the bands reach the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Split {
    /// Shelves whose heights are the bands' gains: no delay, phase moves only where gains differ, and
    /// at rest the input passes bit for bit.
    #[default]
    Shelves,
    /// Linkwitz-Riley crossovers of 24 dB an octave: no delay, the sum is flat, and its phase is that
    /// of all-passes.
    Crossover,
    /// Linear phase: the same slopes, no phase moved, a fixed delay, and at rest the delayed input
    /// passes bit for bit.
    Linear,
}

/// What a level is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Detector {
    /// Mean square over about 10 ms.
    #[default]
    Rms,
    /// Largest magnitude.
    Peak,
}

/// Number of bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Count {
    /// Three, at the first and the last crossover.
    Three,
    /// Four.
    #[default]
    Four,
}

impl Count {
    /// The number.
    pub const fn bands(self) -> usize {
        match self {
            Self::Three => 3,
            Self::Four => 4,
        }
    }
}

/// One band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Gain before the dynamics: it moves the level against the thresholds.
    pub gain: Db,
    /// Above it the band is brought down, dBFS of a sine's peak.
    pub threshold: Db,
    /// Decibels in for one out above the threshold: over 1 compresses, down to 0.5 expands.
    pub ratio: f32,
    /// Below it the band is brought up.
    pub up_threshold: Db,
    /// Decibels in for one out below it, 1 and more.
    pub up_ratio: f32,
    /// Time for gains to fall.
    pub attack: Ms,
    /// Time for gains to rise.
    pub release: Ms,
    /// The most that the dynamics move the gain either way.
    pub range: Db,
    /// Gain after the dynamics.
    pub makeup: Db,
}

impl Default for Band {
    fn default() -> Self {
        Self {
            gain: Db(0.0),
            threshold: Db(-20.0),
            ratio: 1.0,
            up_threshold: Db(-50.0),
            up_ratio: 1.0,
            attack: Ms(20.0),
            release: Ms(150.0),
            range: Db(12.0),
            makeup: Db(0.0),
        }
    }
}

/// All settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The stage does something.
    pub on: bool,
    /// How many bands.
    pub count: Count,
    /// Crossovers, rising. With three bands the middle one is not used.
    pub crossovers: [Hz; MAX_BANDS - 1],
    /// How gains reach the sound. A change forgets the past, so the caller fades around it.
    pub split: Split,
    /// What levels are.
    pub detector: Detector,
    /// Width of the bends of the curves.
    pub knee: Db,
    /// Detectors do not hear below this; 0 for off.
    pub side_chain: Hz,
    /// How far channels share a level: 0 each its own, 1 all the loudest.
    pub link: f32,
    /// Releases depend on how long a passage was loud.
    pub program: bool,
    /// The bands from the lowest. With three bands the third is not used.
    pub bands: [Band; MAX_BANDS],
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            on: false,
            count: Count::Four,
            crossovers: [Hz(120.0), Hz(800.0), Hz(5_000.0)],
            split: Split::Shelves,
            detector: Detector::Rms,
            knee: Db(6.0),
            side_chain: Hz(0.0),
            link: 1.0,
            program: true,
            // Lower bands have longer waves, which fast gains would bend.
            bands: [(30.0, 200.0), (20.0, 150.0), (10.0, 120.0), (5.0, 80.0)].map(|(attack, release)| Band {
                attack: Ms(attack),
                release: Ms(release),
                ..Band::default()
            }),
        }
    }
}

impl Settings {
    /// The bands in use, from the lowest.
    pub(super) fn bands(&self) -> [Band; MAX_BANDS] {
        let mut bands = self.bands;
        if self.count == Count::Three {
            bands[2] = bands[3];
        }
        bands
    }

    /// The crossovers in use, in octaves over 1 Hz, rising.
    pub(super) fn corners(&self) -> [f64; MAX_BANDS - 1] {
        let mut corners = self.crossovers.map(|hz| hz.0.max(10.0).log2());
        if self.count == Count::Three {
            corners[1] = corners[2];
        }
        for index in 1..corners.len() {
            corners[index] = corners[index].max(corners[index - 1] + APART.log2());
        }
        corners
    }
}
