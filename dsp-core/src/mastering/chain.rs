//! From wishes to the moves of the chain.

use super::profile::{BANDS, Profile};
use super::proposal::Proposal;
use super::style::Style;
use super::tone;
use crate::analysis::{DYNAMICS_HZ, IMAGE_HZ, middle_hz};
use crate::colour;
use crate::dynamics::limiter::Limit;
use crate::dynamics::multiband::{Band, Count, Settings};
use crate::engines::master::MasterMoves;
use crate::filters;
use crate::params::FromValues;
use crate::units::{Db, Hz, Ms};

/// Loudness that comes to the dynamics, LUFS: what lies outside is brought here by the input gain, so that
/// thresholds and drive stay in their ranges.
const INSIDE_LUFS: (f64, f64) = (-30.0, -8.0);
/// The most that the input gain does, decibels.
const MOST_INPUT_DB: f64 = 24.0;
/// Range of the limiter's drive, decibels.
pub const DRIVE_DB: (Db, Db) = (Db(-12.0), Db(36.0));
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
/// Weight in the fit of thirds in which nothing is.
const ABSENT: f64 = 0.02;
/// Kept under the ceiling, decibels: what multiplication leaves between samples, and what other meters
/// read more than ours.
pub const MARGIN_DB: f64 = 0.05;

/// The moves that fulfil a proposal for a song, with a ceiling in dBTP. The drive brings the song near
/// `loudness` (LUFS; none leaves its level); how near is for the solver to find.
pub fn moves(song: &Profile, proposal: &Proposal, style: &Style, loudness: Option<f64>, ceiling: f64) -> MasterMoves {
    let mut moves = MasterMoves::default();
    let own = song.loudness.unwrap_or(INSIDE_LUFS.0);
    let whole = loudness.map_or(0.0, |loudness| loudness - own);
    // Soft and loud songs come near the thresholds, and the drive keeps its range.
    let inside = own.clamp(INSIDE_LUFS.0, INSIDE_LUFS.1) - own;
    let input = inside.clamp(whole - f64::from(DRIVE_DB.1.0), whole - f64::from(DRIVE_DB.0.0)).clamp(-MOST_INPUT_DB, MOST_INPUT_DB);
    moves.input = Db(input as f32);
    let curve: [f64; BANDS] = std::array::from_fn(|third| wanted(proposal, third));
    let weights = proposal.tone.map(|wish| wish.present.max(ABSENT));
    moves.equaliser = filters::Settings { bands: tone::fit(&curve, &weights) };
    moves.dynamics = dynamics(song, proposal, &moves.equaliser, input);
    moves.stereo.crossovers = IMAGE_HZ.map(|hz| Hz(hz.round()));
    for (width, wish) in moves.stereo.width.iter_mut().zip(&proposal.width) {
        if wish.shift.abs() >= LEAST_DB {
            *width = 10_f32.powf(wish.shift as f32 / 20.0);
        }
    }
    if let Some(colour) = &style.colour {
        moves.colour = colour::Settings { on: true, character: colour.character(), drive: Db(colour.drive as f32), mix: colour.mix as f32 };
    }
    moves.limiter_drive = Db(((whole - input) as f32).clamp(DRIVE_DB.0.0, DRIVE_DB.1.0));
    moves.limit = Limit { ceiling: Db((ceiling - MARGIN_DB) as f32), ..Limit::default() };
    // Into the ranges of the controls.
    MasterMoves::from_values(&moves.to_values())
}

/// The shift at a third; where the song has nothing, that of the nearest third where it has.
fn wanted(proposal: &Proposal, third: usize) -> f64 {
    let there = |third: &usize| proposal.tone[*third].present > 0.0;
    let nearest = (0..BANDS).filter(there).min_by_key(|other| other.abs_diff(third));
    nearest.map_or(0.0, |nearest| proposal.tone[nearest].shift)
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

fn dynamics(song: &Profile, proposal: &Proposal, equaliser: &filters::Settings, input: f64) -> Settings {
    let mut settings = Settings { count: Count::Four, crossovers: DYNAMICS_HZ.map(Hz), knee: Db(KNEE_DB as f32), ..Settings::default() };
    for (index, (band, wish)) in settings.bands.iter_mut().zip(&proposal.dynamics).enumerate() {
        let Some([_, middle, loud]) = song.levels[index].filter(|_| wish.shift.abs() >= LEAST_DB) else { continue };
        *band = curve(band, middle + SINE_DB + input + lift(song, equaliser, index), loud - middle, wish.shift);
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
        let moves = moves(&song, &proposal(&song), neutral, Some(-14.0), -1.0);
        assert!(moves.equaliser.is_neutral() && !moves.dynamics.on && moves.stereo.is_neutral() && !moves.colour.on);
        assert_eq!(moves.input, Db(0.0));
        assert!((moves.limiter_drive.0 - 6.0).abs() < 1e-4 && (moves.limit.ceiling.0 + 1.05).abs() < 1e-4);
    }

    #[test]
    fn wishes_become_bands() {
        let song = song(-20.0);
        let mut proposal = proposal(&song);
        proposal.dynamics[1].shift = -2.0;
        proposal.dynamics[3].shift = 2.0;
        proposal.width[2].shift = 6.0;
        proposal.tone.iter_mut().skip(20).for_each(|wish| wish.shift = 2.0);
        let moves = moves(&song, &proposal, Style::find("neutral").unwrap(), None, -1.0);
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
    fn very_quiet_and_very_loud_songs_come_into_range() {
        for (loudness, target) in [(-60.0, -14.0), (-45.0, -14.0), (-4.0, -23.0), (3.0, -24.0)] {
            let song = song(loudness);
            let moves = moves(&song, &proposal(&song), Style::find("neutral").unwrap(), Some(target), -1.0);
            let whole = f64::from(moves.input.0 + moves.limiter_drive.0);
            assert!((whole - (target - loudness)).abs() < 0.01, "{loudness}: {whole}");
        }
    }
}
