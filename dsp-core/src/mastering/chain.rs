//! From wishes to the moves of the chain.

use super::profile::{BANDS, Profile};
use super::proposal::{Proposal, Wish, middle};
use super::style::Style;
use super::tone;
use crate::analysis::{DYNAMICS_HZ, IMAGE_HZ, middle_hz};
use crate::colour;
use crate::dynamics::limiter::Limit;
use crate::dynamics::multiband::{Band, Count, Settings};
use crate::engines::master::MasterMoves;
use crate::filters::{self, Shape, Slope};
use crate::params::FromValues;
use crate::units::{Db, Hz, Ms};

/// Loudness that comes to the dynamics, LUFS: what lies outside is brought here by the input gain, so that
/// thresholds and drive stay in their ranges.
const INSIDE_LUFS: (f64, f64) = (-30.0, -8.0);
/// The most that the input gain does, decibels.
const MOST_INPUT_DB: f64 = 24.0;
/// Range of the limiter's drive, decibels.
pub const DRIVE_DB: (Db, Db) = (Db(-12.0), Db(36.0));
/// Room that is left to the drive at both ends, decibels: moves of tone and a limiter change the loudness.
const ROOM_DB: f64 = 6.0;
/// Mean power to the peak of a sine, decibels: what the detectors read.
const SINE_DB: f64 = 3.010_3;
/// Width of the bend of the curves of dynamics, decibels.
const KNEE_DB: f64 = 6.0;
/// Less than this is not worth a band of dynamics or a width, decibels.
const LEAST_DB: f64 = 0.2;
/// Ratios stay within this.
const RATIOS: (f64, f64) = (0.5, 4.0);
/// The dynamics may move a band by so many times what is asked for, and by this at least, decibels.
const RANGE: (f64, f64) = (2.0, 3.0);
/// Share of a change of loud passages that their mean power feels: it is given back as makeup.
const MAKEUP: f64 = 0.5;
/// Attack and release of a band that expands, milliseconds: it opens with the beat and closes with it.
const OPENING_MS: [f32; 2] = [15.0, 80.0];
/// Share of what is missing that is added to an aim.
const SURE: f64 = 0.8;
/// The furthest that an aim goes beyond what is asked for, decibels.
const AGAIN_DB: f64 = 3.0;
/// What may be missing of tone, width and dynamics without another look, decibels.
const NEAR_DB: [f64; 3] = [0.5, 0.4, 0.5];
/// Weight in the fit of thirds in which nothing is.
const ABSENT: f64 = 0.02;
/// Kept under the ceiling, decibels: what multiplication leaves between samples, and what meters of a common
/// library read more than there is (0.1 dB in the lows, from the ripple of their interpolation).
pub const MARGIN_DB: f64 = 0.12;
/// Direct current from which the lowest band becomes a cut, of full scale: -54 dBFS.
pub const DIRECT_CURRENT: f64 = 2e-3;
/// Corner of that cut, hertz: below what is heard.
const CUT_HZ: f64 = 15.0;

/// What the controls are set for, in decibels: the shifts of a proposal and, once the chain's work was
/// measured, what it takes beyond them to get there. Dynamics move the tone, colour fills valleys, shelves
/// reach over their corners.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aims {
    pub(super) tone: [f64; BANDS],
    pub(super) width: [f64; 3],
    pub(super) dynamics: [f64; 4],
}

impl Aims {
    /// The shifts themselves.
    pub fn of(proposal: &Proposal) -> Self {
        Self {
            tone: proposal.tone.map(|wish| wish.shift),
            width: proposal.width.map(|wish| wish.shift),
            dynamics: proposal.dynamics.map(|wish| wish.shift),
        }
    }

    /// What they are beyond the shifts of a proposal.
    pub(super) fn beyond(&self, proposal: &Proposal) -> Self {
        self.each(proposal, |aim, wish, _| aim - wish.shift)
    }

    /// These with what another goes beyond a proposal, where the proposal asks for something.
    pub(super) fn with(&self, beyond: &Self, proposal: &Proposal) -> Self {
        let more = beyond.each(proposal, |more, wish, asks| if wish.shift != 0.0 || !asks { more } else { 0.0 });
        Self {
            tone: std::array::from_fn(|third| self.tone[third] + more.tone[third]),
            width: std::array::from_fn(|region| self.width[region] + more.width[region]),
            dynamics: std::array::from_fn(|band| self.dynamics[band] + more.dynamics[band]),
        }
    }

    /// Changes each by its wish; the last argument tells whether it must be asked for to be moved at all.
    fn each(&self, proposal: &Proposal, change: impl Fn(f64, &Wish, bool) -> f64) -> Self {
        Self {
            tone: std::array::from_fn(|third| change(self.tone[third], &proposal.tone[third], false)),
            width: std::array::from_fn(|region| change(self.width[region], &proposal.width[region], false)),
            dynamics: std::array::from_fn(|band| change(self.dynamics[band], &proposal.dynamics[band], true)),
        }
    }

    /// Corrects the aims by what came of them: `after` is what was measured behind the chain, before its
    /// limiter. True when that is worth another look.
    pub fn refine(&mut self, song: &Profile, proposal: &Proposal, after: &Profile) -> bool {
        let mut worst = 0.0_f64;
        let mut correct = |aim: &mut f64, wish: &Wish, reached: f64, tolerance: f64, most: f64| {
            let missing = wish.present * (wish.shift - reached);
            worst = worst.max(missing.abs() / tolerance);
            *aim = (*aim + SURE * missing).clamp(wish.shift - most, wish.shift + most);
        };
        let lifts: [f64; BANDS] = std::array::from_fn(|third| after.thirds[third] - song.thirds[third]);
        // What is relative to the whole moves with the whole.
        let present = proposal.tone.map(|wish| wish.present);
        let level = middle(&lifts, &present) - middle(&proposal.tone.map(|wish| wish.shift), &present);
        for (third, (aim, wish)) in self.tone.iter_mut().zip(&proposal.tone).enumerate() {
            correct(aim, wish, lifts[third] - level, NEAR_DB[0], AGAIN_DB);
        }
        for (region, (aim, wish)) in self.width.iter_mut().zip(&proposal.width).enumerate() {
            correct(aim, wish, after.width[region] - song.width[region], NEAR_DB[1], AGAIN_DB);
        }
        for (band, (aim, wish)) in self.dynamics.iter_mut().zip(&proposal.dynamics).enumerate() {
            // Where nothing is asked for nothing is to be switched on.
            if wish.shift.abs() >= LEAST_DB {
                correct(aim, wish, after.dynamics[band] - song.dynamics[band], NEAR_DB[2], AGAIN_DB);
            }
        }
        worst > 1.0
    }
}

/// The moves that fulfil a proposal for a song, with a ceiling in dBTP. The drive brings the song near
/// `loudness` (LUFS; none leaves its level); how near is for the solver to find.
pub fn moves(song: &Profile, proposal: &Proposal, aims: &Aims, style: &Style, loudness: Option<f64>, ceiling: f64) -> MasterMoves {
    let limit = Limit { ceiling: Db((ceiling - MARGIN_DB) as f32), ..Limit::default() };
    let mut moves = MasterMoves { limit, ..MasterMoves::default() };
    // Of silence there is nothing to decide.
    let Some(own) = song.loudness else { return MasterMoves::from_values(&moves.to_values()) };
    let whole = loudness.map_or(0.0, |loudness| loudness - own);
    // Soft and loud songs come near the thresholds, and the drive keeps its range.
    let inside = own.clamp(INSIDE_LUFS.0, INSIDE_LUFS.1) - own;
    let most = f64::from(DRIVE_DB.1.0) - ROOM_DB;
    let least = f64::from(DRIVE_DB.0.0) + ROOM_DB;
    let input = inside.clamp(whole - most, whole - least).clamp(-MOST_INPUT_DB, MOST_INPUT_DB);
    moves.input = Db(input as f32);
    let curve: [f64; BANDS] = std::array::from_fn(|third| wanted(proposal, aims, third));
    let weights = proposal.tone.map(|wish| wish.present.max(ABSENT));
    moves.equaliser = filters::Settings { bands: tone::fit(&curve, &weights) };
    if song.direct_current.abs() >= DIRECT_CURRENT {
        moves.equaliser.bands[0] =
            filters::Band { on: true, shape: Shape::LowCut, frequency: Hz(CUT_HZ), slope: Slope::Db12, ..filters::Band::default() };
    }
    moves.dynamics = dynamics(song, aims, &moves.equaliser, input);
    moves.stereo.crossovers = IMAGE_HZ.map(|hz| Hz(hz.round()));
    for (width, &aim) in moves.stereo.width.iter_mut().zip(&aims.width) {
        if aim.abs() >= LEAST_DB {
            *width = 10_f32.powf(aim as f32 / 20.0);
        }
    }
    if let Some(colour) = &style.colour {
        moves.colour = colour::Settings { on: true, character: colour.character(), drive: Db(colour.drive as f32), mix: colour.mix as f32 };
    }
    moves.limiter_drive = Db(((whole - input) as f32).clamp(DRIVE_DB.0.0, DRIVE_DB.1.0));
    // Into the ranges of the controls.
    MasterMoves::from_values(&moves.to_values())
}

/// The shift at a third; where the song has nothing, that of the nearest third where it has.
fn wanted(proposal: &Proposal, aims: &Aims, third: usize) -> f64 {
    let there = |third: &usize| proposal.tone[*third].present > 0.0;
    let nearest = (0..BANDS).filter(there).min_by_key(|other| other.abs_diff(third));
    nearest.map_or(0.0, |nearest| aims.tone[nearest])
}

/// What the equaliser does to the power of a band of dynamics, decibels.
fn lift(song: &Profile, equaliser: &filters::Settings, band: usize) -> f64 {
    let low = band.checked_sub(1).map_or(0.0, |edge| DYNAMICS_HZ[edge]);
    let high = DYNAMICS_HZ.get(band).copied().unwrap_or(f64::INFINITY);
    let (mut before, mut after) = (0.0, 0.0);
    for third in (0..BANDS).filter(|third| (low..high).contains(&middle_hz(*third))) {
        before += 10_f64.powf(song.thirds[third] / 10.0);
        after += 10_f64.powf((song.thirds[third] + equaliser.analogue_db(Hz(middle_hz(third)))) / 10.0);
    }
    if before > 0.0 { 10.0 * (after / before).log10() } else { 0.0 }
}

fn dynamics(song: &Profile, aims: &Aims, equaliser: &filters::Settings, input: f64) -> Settings {
    let mut settings = Settings { count: Count::Four, crossovers: DYNAMICS_HZ.map(Hz), knee: Db(KNEE_DB as f32), ..Settings::default() };
    for (index, (band, &aim)) in settings.bands.iter_mut().zip(&aims.dynamics).enumerate() {
        let Some([_, middle, loud]) = song.levels[index].filter(|_| aim.abs() >= LEAST_DB) else { continue };
        *band = curve(band, middle + SINE_DB + input + lift(song, equaliser, index), loud - middle, aim);
        settings.on = true;
    }
    settings
}

/// A band that moves loud passages, `over` decibels above a middle `level`, by `shift` decibels.
fn curve(band: &Band, level: f64, over: f64, shift: f64) -> Band {
    // At the threshold the knee has begun already: what counts is the difference to there.
    let reach = (over - KNEE_DB / 8.0).max(1.0);
    let slope = (1.0 + shift / reach).clamp(1.0 / RATIOS.1, 1.0 / RATIOS.0);
    let [attack, release] = if shift > 0.0 { OPENING_MS.map(Ms) } else { [band.attack, band.release] };
    Band {
        attack,
        release,
        threshold: Db(level as f32),
        ratio: (1.0 / slope) as f32,
        range: Db((RANGE.0 * shift.abs()).max(RANGE.1) as f32),
        makeup: Db((-MAKEUP * shift) as f32),
        ..*band
    }
}

#[cfg(test)]
mod tests {
    use super::super::proposal::tests::song;
    use super::super::proposal::{Proposal, Weights};
    use super::*;

    fn proposal(song: &Profile) -> Proposal {
        Proposal::new(song, None, &[], &Weights::default(), Style::find("neutral").unwrap())
    }

    #[test]
    fn nothing_asked_for_is_a_gain_alone() {
        let song = song(-20.0);
        let neutral = Style::find("neutral").unwrap();
        let proposal = proposal(&song);
        let moves = moves(&song, &proposal, &Aims::of(&proposal), neutral, Some(-14.0), -1.0);
        assert!(moves.equaliser.is_neutral() && !moves.dynamics.on && moves.stereo.is_neutral() && !moves.colour.on);
        assert_eq!(moves.input, Db(0.0));
        assert!((moves.limiter_drive.0 - 6.0).abs() < 1e-4 && (moves.limit.ceiling.0 + 1.12).abs() < 1e-4);
    }

    #[test]
    fn wishes_become_bands() {
        let song = song(-20.0);
        let mut proposal = proposal(&song);
        proposal.dynamics[1].shift = -2.0;
        proposal.dynamics[3].shift = 2.0;
        proposal.width[2].shift = 6.0;
        proposal.tone.iter_mut().skip(20).for_each(|wish| wish.shift = 2.0);
        let moves = moves(&song, &proposal, &Aims::of(&proposal), Style::find("neutral").unwrap(), None, -1.0);
        assert!(moves.dynamics.on && moves.dynamics.bands[0].ratio == 1.0);
        let [_, down, _, up] = moves.dynamics.bands;
        assert!(down.ratio > 1.4 && down.makeup == Db(1.0) && up.ratio < 0.8 && up.makeup == Db(-1.0), "{down:?} {up:?}");
        assert!((down.threshold.0 + 20.99).abs() < 0.1, "{down:?}");
        // The equaliser lifts the highest band by 2 dB, and its threshold with it.
        assert!((up.threshold.0 + 18.99).abs() < 0.4, "{up:?}");
        assert!((moves.stereo.width[2] - 1.995).abs() < 0.01 && moves.stereo.width[0] == 1.0);
        assert!((moves.equaliser.analogue_db(Hz(8_000.0)) - 2.0).abs() < 0.3);
        assert_eq!(moves.limiter_drive, Db(0.0));
    }

    #[test]
    fn aims_go_where_the_chain_falls_short() {
        let song = song(-20.0);
        let mut proposal = proposal(&song);
        proposal.dynamics[1].shift = 2.0;
        proposal.tone[20].shift = 3.0;
        let mut aims = Aims::of(&proposal);
        // As asked for, and 4 dB less than the whole: nothing is missing.
        let mut after = song.clone();
        after.dynamics[1] += 2.0;
        after.thirds[20] += 3.0;
        after.thirds.iter_mut().for_each(|level| *level -= 4.0);
        assert!(!aims.refine(&song, &proposal, &after));
        assert!(aims.tone.iter().zip(&proposal.tone).all(|(aim, wish)| (aim - wish.shift).abs() < 1e-9));
        after.dynamics[1] -= 1.0;
        after.thirds[20] -= 2.0;
        assert!(aims.refine(&song, &proposal, &after));
        assert!((aims.dynamics[1] - 2.8).abs() < 1e-9 && aims.dynamics[0] == 0.0);
        assert!((4.3..4.7).contains(&aims.tone[20]), "{}", aims.tone[20]);
    }

    #[test]
    fn very_quiet_and_very_loud_songs_come_into_range() {
        for (loudness, target) in [(-60.0, -14.0), (-45.0, -14.0), (-4.0, -23.0), (3.0, -24.0)] {
            let song = song(loudness);
            let proposal = proposal(&song);
            let moves = moves(&song, &proposal, &Aims::of(&proposal), Style::find("neutral").unwrap(), Some(target), -1.0);
            let whole = f64::from(moves.input.0 + moves.limiter_drive.0);
            assert!((-6.01..=30.01).contains(&moves.limiter_drive.0), "{loudness}: {:?}", moves.limiter_drive);
            assert!((whole - (target - loudness)).abs() < 0.01, "{loudness}: {whole}");
        }
    }
}
