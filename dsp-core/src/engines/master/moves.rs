//! The moves of a master as one plain value: what a person sets, and what a program fills.

use super::params::{LEAST_RELEASE, OFF_LOSS_DB};
use crate::colour::{self, Character};
use crate::dynamics::limiter::{Limit, Release};
use crate::dynamics::multiband::{self, Count, Detector, Split};
use crate::filters::{self, Phase, Shape, Slope};
use crate::params::{self, FromValues, Kind, Param};
use crate::stereo;
use crate::units::{Db, Hz, Ms};

/// What the output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Listen {
    /// The master.
    #[default]
    Master,
    /// What was changed: the delayed input, with the gain it was given, less the master.
    Removed,
}

/// Everything that the chain does to a song.
///
/// The default is a master left alone: no band on, no dynamics, no width, no colour; the limiter
/// guards a ceiling of -1 dBTP. Values are in the units of a person's controls, so a program that
/// decides (see [`MasterMoves::to_values`]) shows what it decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MasterMoves {
    /// Gain before everything, decibels.
    pub input: Db,
    /// The equaliser plays.
    pub equaliser_on: bool,
    /// Minimum or linear phase. A change alters the delay.
    pub equaliser_phase: Phase,
    /// Twelve bands: shape, frequency in hertz, gain in decibels, Q, slope.
    pub equaliser: filters::Settings,
    /// Three or four bands of dynamics: crossovers in hertz, thresholds and gains in decibels, ratios,
    /// times in milliseconds.
    pub dynamics: multiband::Settings,
    /// The stereo stage plays.
    pub stereo_on: bool,
    /// Width of three bands (1 is as it is), mono bass in hertz, loss of the mono sum in decibels.
    pub stereo: stereo::Settings,
    /// Saturation: character, drive in decibels, mix 0 to 1.
    pub colour: colour::Settings,
    /// The limiter plays.
    pub limiter_on: bool,
    /// Gain into the limiter, decibels: loudness.
    pub limiter_drive: Db,
    /// Ceiling in dBTP, release, look-ahead and link of the limiter.
    pub limit: Limit,
    /// The output has the loudness of the input, so that louder does not win a comparison.
    pub matched: bool,
    /// What the output carries.
    pub listen: Listen,
    /// The output is the delayed input.
    pub bypass: bool,
}

impl Default for MasterMoves {
    fn default() -> Self {
        Self::from_values(&[])
    }
}

impl FromValues for MasterMoves {
    const ENGINE: &'static str = "master";

    const PARAMS: &'static [Param] = &super::params::PARAMS;

    const PRESETS: &'static [(&'static str, &'static [(&'static str, f32)])] = super::params::PRESETS;

    fn from_values(values: &[f32]) -> Self {
        let mut moves = Self::blank();
        moves.walk(&mut Port::Read { values, at: 0 });
        moves
    }
}

/// The way between fields and values, in the order of the table: reading and writing are one walk.
enum Port<'a> {
    /// Values to fields.
    Read { values: &'a [f32], at: usize },
    /// Fields to values.
    Write { values: &'a mut Vec<f32> },
}

impl Port<'_> {
    /// The next value, in and out through `field`, which is in `scale` times the shown unit.
    fn number(&mut self, field: &mut f32, scale: f32) {
        match self {
            Self::Read { values, at } => {
                *field = params::value(MasterMoves::PARAMS, values, *at) * scale;
                *at += 1;
            }
            Self::Write { values } => {
                let param = &MasterMoves::PARAMS[values.len()];
                values.push(param.clamp(*field / scale));
            }
        }
    }

    fn float(&mut self, field: &mut f32) {
        self.number(field, 1.0);
    }

    fn percent(&mut self, field: &mut f32) {
        self.number(field, 0.01);
    }

    /// A frequency; the end of the range that reads "off" is 0.
    fn hertz(&mut self, field: &mut Hz) {
        let off = |at: usize| match MasterMoves::PARAMS[at].kind {
            Kind::Float { min, off: Some(_), .. } => Some(min),
            _ => None,
        };
        let least = match self {
            Self::Read { at, .. } => off(*at),
            Self::Write { values } => off(values.len()),
        };
        let mut value = field.0 as f32;
        self.float(&mut value);
        *field = Hz(if least.is_some_and(|least| value <= least) { 0.0 } else { f64::from(value) });
    }

    fn switch(&mut self, field: &mut bool) {
        let mut value = f32::from(u8::from(*field));
        self.float(&mut value);
        *field = value >= 0.5;
    }

    fn choice<T: Copy + PartialEq>(&mut self, field: &mut T, all: &[T]) {
        let mut value = all.iter().position(|one| one == field).unwrap_or(0) as f32;
        self.float(&mut value);
        if let Some(&one) = all.get(value as usize) {
            *field = one;
        }
    }
}

impl MasterMoves {
    /// A value to be filled.
    fn blank() -> Self {
        Self {
            input: Db(0.0),
            equaliser_on: true,
            equaliser_phase: Phase::Minimum,
            equaliser: filters::Settings::default(),
            dynamics: multiband::Settings::default(),
            stereo_on: true,
            stereo: stereo::Settings::default(),
            colour: colour::Settings::default(),
            limiter_on: true,
            limiter_drive: Db(0.0),
            limit: Limit::default(),
            matched: false,
            listen: Listen::Master,
            bypass: false,
        }
    }

    /// The values of the table for these moves, in its order; what is out of a parameter's range is
    /// taken to its end. The way back is [`FromValues::from_values`].
    pub fn to_values(&self) -> Vec<f32> {
        let mut values = Vec::with_capacity(Self::PARAMS.len());
        let mut moves = *self;
        moves.walk(&mut Port::Write { values: &mut values });
        values
    }

    fn walk(&mut self, port: &mut Port<'_>) {
        port.float(&mut self.input.0);
        port.switch(&mut self.equaliser_on);
        port.choice(&mut self.equaliser_phase, &[Phase::Minimum, Phase::Linear]);
        for band in &mut self.equaliser.bands {
            port.switch(&mut band.on);
            port.choice(&mut band.shape, &[Shape::Bell, Shape::LowShelf, Shape::HighShelf, Shape::LowCut, Shape::HighCut, Shape::Tilt]);
            port.hertz(&mut band.frequency);
            port.float(&mut band.gain.0);
            port.float(&mut band.q);
            port.choice(&mut band.slope, &Slope::ALL);
        }
        let dynamics = &mut self.dynamics;
        port.switch(&mut dynamics.on);
        port.choice(&mut dynamics.count, &[Count::Three, Count::Four]);
        port.choice(&mut dynamics.split, &[Split::Shelves, Split::Crossover, Split::Linear]);
        port.choice(&mut dynamics.detector, &[Detector::Rms, Detector::Peak]);
        dynamics.crossovers.iter_mut().for_each(|corner| port.hertz(corner));
        port.float(&mut dynamics.knee.0);
        port.hertz(&mut dynamics.side_chain);
        port.percent(&mut dynamics.link);
        port.switch(&mut dynamics.program);
        for band in &mut dynamics.bands {
            for field in [&mut band.gain.0, &mut band.threshold.0, &mut band.ratio, &mut band.up_threshold.0, &mut band.up_ratio] {
                port.float(field);
            }
            for field in [&mut band.attack.0, &mut band.release.0, &mut band.range.0, &mut band.makeup.0] {
                port.float(field);
            }
        }
        port.switch(&mut self.stereo_on);
        self.stereo.width.iter_mut().for_each(|width| port.percent(width));
        self.stereo.crossovers.iter_mut().for_each(|corner| port.hertz(corner));
        port.hertz(&mut self.stereo.mono_below);
        let mut loss = self.stereo.mono_loss.0.min(OFF_LOSS_DB);
        port.float(&mut loss);
        self.stereo.mono_loss = Db(if loss >= OFF_LOSS_DB { f32::INFINITY } else { loss });
        port.switch(&mut self.colour.on);
        port.choice(&mut self.colour.character, &[Character::Tube, Character::Tape, Character::Transformer]);
        port.float(&mut self.colour.drive.0);
        port.percent(&mut self.colour.mix);
        port.switch(&mut self.limiter_on);
        port.float(&mut self.limiter_drive.0);
        port.float(&mut self.limit.ceiling.0);
        let mut release = match self.limit.release {
            Release::Auto => 0.0,
            Release::Time(Ms(time)) => time,
        };
        port.float(&mut release);
        self.limit.release = if release < LEAST_RELEASE { Release::Auto } else { Release::Time(Ms(release)) };
        port.float(&mut self.limit.ahead.0);
        port.percent(&mut self.limit.link);
        port.switch(&mut self.matched);
        port.choice(&mut self.listen, &[Listen::Master, Listen::Removed]);
        port.switch(&mut self.bypass);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_land_in_their_fields_and_come_back() {
        let set = |id: &str, value: f32| {
            let mut values = params::defaults(MasterMoves::PARAMS);
            values[params::index_of(MasterMoves::PARAMS, id).unwrap()] = value;
            let moves = MasterMoves::from_values(&values);
            let back = moves.to_values();
            assert!(back.iter().zip(&values).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0)), "{id}: {back:?}");
            moves
        };
        assert_eq!(set("input", -3.0).input, Db(-3.0));
        assert_eq!(set("eq1-type", 3.0).equaliser.bands[0].shape, Shape::LowCut);
        assert_eq!(set("eq12-gain", 4.0).equaliser.bands[11].gain, Db(4.0));
        assert_eq!(set("eq7-slope", 5.0).equaliser.bands[6].slope, Slope::Db48);
        assert_eq!(set("mb-low-threshold", -33.0).dynamics.bands[0].threshold, Db(-33.0));
        assert_eq!(set("mb-highmid-ratio", 3.0).dynamics.bands[2].ratio, 3.0);
        assert_eq!(set("mb-high-makeup", 2.0).dynamics.bands[3].makeup, Db(2.0));
        assert_eq!(set("mb-x3", 6000.0).dynamics.crossovers[2], Hz(6000.0));
        assert_eq!(set("mb-sidechain", 20.0).dynamics.side_chain, Hz(0.0));
        assert_eq!(set("stereo-high", 130.0).stereo.width[2], 1.3);
        assert_eq!(set("stereo-mono-loss", 3.0).stereo.mono_loss, Db(3.0));
        assert_eq!(set("stereo-mono-below", 100.0).stereo.mono_below, Hz(100.0));
        assert_eq!(set("colour-type", 1.0).colour.character, Character::Tape);
        assert_eq!(set("limiter-ceiling", -2.0).limit.ceiling, Db(-2.0));
        assert_eq!(set("limiter-release", 80.0).limit.release, Release::Time(Ms(80.0)));
        assert!(set("match", 1.0).matched && set("bypass", 1.0).bypass);
    }

    #[test]
    fn the_default_leaves_alone() {
        let moves = MasterMoves::default();
        assert!(moves.equaliser.is_neutral() && !moves.dynamics.on && moves.stereo.is_neutral() && !moves.colour.on && !moves.bypass);
        assert_eq!((moves.input, moves.limiter_drive, moves.limit), (Db(0.0), Db(0.0), Limit::default()));
        assert_eq!(moves.dynamics, multiband::Settings { on: false, ..multiband::Settings::default() });
    }

    /// Ids are what hosts, presets and scripts hold on to: they never change.
    #[test]
    fn parameter_ids_are_regular_and_unique() {
        let ids: Vec<_> = MasterMoves::PARAMS.iter().map(|param| param.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), ids.len());
        for n in 1..=filters::BANDS {
            for field in ["on", "type", "freq", "gain", "q", "slope"] {
                assert!(ids.contains(&format!("eq{n}-{field}").as_str()));
            }
        }
        for band in ["low", "lowmid", "highmid", "high"] {
            for field in ["gain", "threshold", "ratio", "up-threshold", "up-ratio", "attack", "release", "range", "makeup"] {
                assert!(ids.contains(&format!("mb-{band}-{field}").as_str()));
            }
        }
        assert_eq!(ids.len(), 143);
    }

    #[test]
    fn what_a_program_sets_beyond_the_range_is_taken_to_its_end() {
        let mut moves = MasterMoves::default();
        moves.equaliser.bands[0].gain = Db(99.0);
        moves.dynamics.bands[1].ratio = 0.2;
        let moves = MasterMoves::from_values(&moves.to_values());
        assert_eq!((moves.equaliser.bands[0].gain, moves.dynamics.bands[1].ratio), (Db(18.0), 0.5));
    }
}
