//! What is to be changed of a song: the model's answer, references and style together, in decibels.
//!
//! Each source of knowledge is a mean with a variance; they are joined by their precisions, as
//! independent measurements of one thing are. What is left uncertain shrinks the move.

use super::adviser::{Advice, Subject};
use super::profile::{BANDS, Profile};
use super::style::{Style, along};
use crate::analysis::middle_hz;
use std::ops::Range;

/// Standard deviation of what is asked of a song about which no model says anything, dB.
const PRIOR_DB: [f64; 3] = [3.0, 3.0, 1.5];
/// How far a reference may lie from what is meant by it: tone by region, width, dynamics, dB. Songs of one album
/// lie further apart in the data of the model, but who names a reference has chosen it.
const ALBUM_TONE: [(f64, f64); 4] = [(40.0, 6.0), (100.0, 3.5), (6_000.0, 3.0), (14_000.0, 4.5)];
const ALBUM_DB: [f64; 3] = [0.0, 3.0, 1.5];
/// Evidence (mean of squared moves over their variances) at which a kind of moves is half believed.
const EVIDENCE: f64 = 1.0;
/// A tone that the model would move by no more than this in the mean of its thirds is left alone, and a larger
/// move is smaller by it, dB: finished songs differ so much from each other that so much says nothing. Of
/// finished songs that it never learned from 92 % are moved by no more than 0.3 dB with 0.5, 94 % with 0.8 and 82 %
/// without, at a cost of 0.06 and 0.09 dB of what is mended of damaged ones.
const STILL_DB: f64 = 0.5;
/// The same for width, where finished songs are as narrow as damaged ones are.
const STILL_WIDTH_DB: f64 = 0.5;
/// The most that the model alone makes the sides softer and louder, dB: a narrow song may be meant so, and to
/// narrow one by more mended nothing. Of held-out finished songs none moves by more, and a third of what the model
/// mended of damaged ones is given up for it.
const WIDTH_ALONE_DB: (f64, f64) = (-1.5, 2.0);
/// No bound but the one of all moves.
const ANY_DB: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
/// The most that is asked for: tone, width, dynamics, dB.
pub const MOST_DB: [f64; 3] = [8.0, 6.0, 5.0];
/// The lows are widened by no more than this, dB: they belong in the middle.
const LOW_WIDER_DB: f64 = 2.0;
/// Sides this far under the middle are none, dB: what is mono stays mono.
const MONO_DB: f64 = -40.0;
/// Thirds at or below the first level have nothing to move, those above the second count in full, dB
/// relative to the whole.
const PRESENT_DB: (f64, f64) = (-85.0, -70.0);
/// Deviation of the smoothing of a reference's spectrum over thirds: what is finer is its music.
const SMOOTH_THIRDS: f64 = 1.5;
/// Thirds whose mean stays: moves of tone are no change of level. 100 Hz to 10 kHz.
const MIDDLE: Range<usize> = 6..27;

/// Weights of what references say; 1 trusts them beside the model as a chosen song deserves, more holds to them closer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of their spectrum.
    pub tone: f64,
    /// Of their dynamics.
    pub dynamics: f64,
    /// Of their image.
    pub width: f64,
    /// Of their loudness, 0 (the platform's) to 1 (theirs). Without a platform there is also a loudness that
    /// suits both: [`level::like`](super::level::like).
    pub loudness: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { tone: 1.0, dynamics: 1.0, width: 1.0, loudness: 0.0 }
    }
}

/// One thing that is to be changed, in decibels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wish {
    /// What the song has.
    pub measured: f64,
    /// What the model would change.
    pub model: Option<f64>,
    /// What references would change.
    pub reference: Option<f64>,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
    /// What the style adds.
    pub style: f64,
    /// What is asked for.
    pub shift: f64,
    /// How much the song has of it, 0 to 1: what is not there cannot be moved.
    pub present: f64,
}

impl Wish {
    /// What the song is to have.
    pub fn target(&self) -> f64 {
        self.measured + self.shift
    }
}

/// All that is to be changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// By third of an octave.
    pub tone: [Wish; BANDS],
    /// Sides by region.
    pub width: [Wish; 3],
    /// Loud over middle passages by band.
    pub dynamics: [Wish; 4],
}

/// Mean and variance of what is known before references: the model's answers, or the prior.
struct Known {
    mean: f64,
    variance: f64,
    told: bool,
    album: f64,
}

/// The answers of tone at a frequency: between centres over octaves.
fn tone_known(advice: Option<&Advice>, third: usize) -> Known {
    let hz = middle_hz(third);
    let points = |value: fn(&super::adviser::Answer) -> Option<f64>| -> Vec<(f64, f64)> {
        let answers = advice.map_or(&[][..], |advice| &advice.answers);
        let mut points: Vec<_> = answers
            .iter()
            .filter_map(|answer| match answer.subject {
                Subject::Tone(centre) => Some((centre, value(answer)?)),
                _ => None,
            })
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let means = points(|answer| Some(answer.mean));
    let albums = points(|answer| answer.album);
    let chosen = along(&ALBUM_TONE, hz);
    let album = if albums.is_empty() { chosen } else { along(&albums, hz).min(chosen) };
    if means.is_empty() {
        return Known { mean: 0.0, variance: PRIOR_DB[0].powi(2), told: false, album };
    }
    let spread = along(&points(|answer| Some(answer.spread)), hz);
    Known { mean: along(&means, hz), variance: spread * spread, told: true, album }
}

fn known(advice: Option<&Advice>, subject: Subject, kind: usize) -> Known {
    let answer = advice.and_then(|advice| advice.answers.iter().find(|answer| answer.subject == subject));
    let album = answer.and_then(|answer| answer.album).map_or(ALBUM_DB[kind], |album| album.min(ALBUM_DB[kind]));
    match answer {
        Some(answer) => Known { mean: answer.mean, variance: answer.spread.powi(2), told: true, album },
        None => Known { mean: 0.0, variance: PRIOR_DB[kind].powi(2), told: false, album },
    }
}

/// Mean over references of what `of` reads; none without references.
fn mean_of(references: &[Profile], of: impl Fn(&Profile) -> f64) -> Option<f64> {
    (!references.is_empty()).then(|| references.iter().map(of).sum::<f64>() / references.len() as f64)
}

/// One measurement before it is joined.
struct Evidence {
    known: Known,
    /// Difference to the references, with its weight.
    reference: Option<(f64, f64)>,
    present: f64,
}

/// Joins the sources of one kind of moves. What the model says is shrunk by what all of its answers
/// together prove, and by `still` dB of their mean magnitude, and kept within `alone` dB; a reference is a wish, and
/// counts as far as its precision goes.
fn join<const N: usize>(wishes: &mut [Wish; N], sources: [Evidence; N], half: f64, (still, alone): (f64, (f64, f64)), amount: f64) {
    let (mut evidence, mut moved, mut total) = (0.0, 0.0, 0.0);
    for source in &sources {
        evidence += source.present * source.known.mean.powi(2) / source.known.variance;
        moved += source.present * source.known.mean.abs();
        total += source.present;
    }
    let evidence = if total > 0.0 { evidence / total } else { 0.0 };
    let mut confidence = evidence * evidence / (evidence * evidence + half * half);
    if still > 0.0 {
        let moved = confidence * if total > 0.0 { moved / total } else { 0.0 };
        confidence *= (1.0 - still / moved.max(still)).max(0.0);
    }
    for (wish, source) in wishes.iter_mut().zip(sources) {
        let precision = 1.0 / source.known.variance;
        let mut pull = 0.0;
        let mut own = 0.0;
        if let Some((difference, weight)) = source.reference.filter(|reference| reference.1 > 0.0) {
            own = weight / source.known.album.powi(2);
            pull = own * difference;
            wish.reference = Some(difference);
        }
        wish.model = source.known.told.then_some(source.known.mean);
        wish.present = source.present;
        wish.confidence = (confidence * precision + own) / (precision + own);
        let model = (confidence * source.known.mean).clamp(alone.0, alone.1);
        wish.shift = (model * precision + pull) / (precision + own) * amount * source.present;
    }
}

impl Proposal {
    /// For a song, with what a model says to it, references and a style.
    pub fn new(song: &Profile, advice: Option<&Advice>, references: &[Profile], weights: &Weights, style: &Style) -> Self {
        let half = |kind: usize| advice.and_then(|advice| advice.evidence[kind]).unwrap_or(EVIDENCE);
        // More references lie closer to the album's mean.
        let count = references.len().max(1) as f64;
        let present: [f64; BANDS] = std::array::from_fn(|third| presence(song, third));
        let differences = tone_differences(song, references, &present);
        let mut tone = song.thirds.map(|measured| Wish { measured, ..Wish::default() });
        let mut sources: [Evidence; BANDS] = std::array::from_fn(|third| Evidence {
            known: tone_known(advice, third),
            reference: differences.map(|all| (all[third], weights.tone * count)),
            present: present[third],
        });
        let level = middle(&std::array::from_fn(|third| sources[third].known.mean), &present);
        sources.iter_mut().for_each(|source| source.known.mean -= level);
        join(&mut tone, sources, half(0), (STILL_DB, ANY_DB), style.amount);
        for (third, wish) in tone.iter_mut().enumerate() {
            wish.style = style.tone_db(middle_hz(third)) * wish.present;
            wish.shift = (wish.shift + wish.style).clamp(-MOST_DB[0], MOST_DB[0]);
        }
        let level = middle(&std::array::from_fn(|third| tone[third].shift), &present);
        tone.iter_mut().for_each(|wish| wish.shift -= level * wish.present);

        let mut width = song.width.map(|measured| Wish { measured, ..Wish::default() });
        let sides = |profile: &Profile, region: usize| if profile.width[region] > MONO_DB { 1.0 } else { 0.0 };
        let sources: [Evidence; 3] = std::array::from_fn(|region| Evidence {
            known: known(advice, Subject::Width(region), 1),
            reference: mean_of(references, |reference| reference.width[region].max(MONO_DB) - song.width[region].max(MONO_DB))
                .map(|difference| (difference, weights.width * count)),
            present: if song.channels == 2 { sides(song, region) } else { 0.0 },
        });
        join(&mut width, sources, half(1), (STILL_WIDTH_DB, WIDTH_ALONE_DB), style.amount);
        for (region, wish) in width.iter_mut().enumerate() {
            wish.style = style.width[region] * wish.present;
            let wider = if region == 0 { LOW_WIDER_DB } else { MOST_DB[1] };
            wish.shift = (wish.shift + wish.style).clamp(-MOST_DB[1], wider);
        }

        let mut dynamics = song.dynamics.map(|measured| Wish { measured, ..Wish::default() });
        let sources: [Evidence; 4] = std::array::from_fn(|band| Evidence {
            known: known(advice, Subject::Dynamics(band), 2),
            reference: mean_of(references, |reference| reference.dynamics[band] - song.dynamics[band])
                .map(|difference| (difference, weights.dynamics * count)),
            present: f64::from(u8::from(song.levels[band].is_some() && song.dynamics[band] > 0.0)),
        });
        join(&mut dynamics, sources, half(2), (0.0, ANY_DB), style.dynamics_amount.unwrap_or(style.amount));
        for (band, wish) in dynamics.iter_mut().enumerate() {
            wish.style = style.dynamics[band] * wish.present;
            wish.shift = (wish.shift + wish.style).clamp(-MOST_DB[2], MOST_DB[2]);
        }
        Self { tone, width, dynamics }
    }

    /// All wishes.
    pub fn wishes_mut(&mut self) -> impl Iterator<Item = &mut Wish> {
        self.tone.iter_mut().chain(&mut self.width).chain(&mut self.dynamics)
    }
}

/// How much a song has of a third.
fn presence(song: &Profile, third: usize) -> f64 {
    let (none, all) = PRESENT_DB;
    // What lies beyond the end of a codec or of an earlier rate is not there to be raised.
    let beyond = middle_hz(third) > song.limit_hz.max(1.0);
    if beyond || song.loudness.is_none() { 0.0 } else { ((song.thirds[third] - none) / (all - none)).clamp(0.0, 1.0) }
}

/// Weighted mean over the middle thirds.
pub(super) fn middle(values: &[f64; BANDS], weights: &[f64; BANDS]) -> f64 {
    let (sum, total) = MIDDLE.fold((0.0, 0.0), |(sum, total), third| (sum + weights[third] * values[third], total + weights[third]));
    if total > 0.0 { sum / total } else { 0.0 }
}

/// Smoothed differences of the references' mean spectrum to the song's, without their level.
fn tone_differences(song: &Profile, references: &[Profile], present: &[f64; BANDS]) -> Option<[f64; BANDS]> {
    mean_of(references, |_| 0.0)?;
    let shared: [f64; BANDS] =
        std::array::from_fn(|third| references.iter().map(|reference| presence(reference, third)).fold(present[third], f64::min));
    let raw: [f64; BANDS] =
        std::array::from_fn(|third| mean_of(references, |reference| reference.thirds[third]).unwrap_or(0.0) - song.thirds[third]);
    let smooth: [f64; BANDS] = std::array::from_fn(|third| {
        let kernel = |other: usize| shared[other] * (-0.5 * ((third as f64 - other as f64) / SMOOTH_THIRDS).powi(2)).exp();
        let total: f64 = (0..BANDS).map(kernel).sum();
        if total > 1e-9 { (0..BANDS).map(|other| kernel(other) * raw[other]).sum::<f64>() / total } else { 0.0 }
    });
    let level = middle(&smooth, &shared);
    Some(smooth.map(|difference| difference - level))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mastering::adviser::Answer;

    /// A song with a sloping spectrum, some width and dynamics, at a loudness.
    pub fn song(loudness: f64) -> Profile {
        Profile {
            features: Vec::new(),
            thirds: std::array::from_fn(|third| -8.0 - 0.6 * third as f64),
            width: [-20.0, -10.0, -8.0],
            dynamics: [6.0, 5.0, 5.0, 6.0],
            levels: [Some([-30.0, -24.0, -18.0]); 4],
            loudness: Some(loudness),
            range: 6.0,
            true_peak: -1.0,
            limit_hz: 20_000.0,
            clipped: 0.0,
            direct_current: 0.0,
            seconds: 200.0,
            channels: 2,
        }
    }

    fn advice(tone: f64, spread: f64) -> Advice {
        let answer = |subject, mean| Answer { subject, mean, spread, album: None };
        let answers = vec![
            answer(Subject::Tone(100.0), tone),
            answer(Subject::Tone(1_000.0), 0.0),
            answer(Subject::Tone(10_000.0), -tone),
            answer(Subject::Width(2), 2.0),
            answer(Subject::Dynamics(1), -2.0),
        ];
        Advice { answers, evidence: [None; 3] }
    }

    fn neutral() -> &'static Style {
        Style::find("neutral").unwrap()
    }

    #[test]
    fn clear_findings_are_followed_and_unclear_ones_left() {
        let weights = Weights::default();
        let clear = Proposal::new(&song(-12.0), Some(&advice(4.0, 0.8)), &[], &weights, neutral());
        assert!(clear.tone[6].shift > 2.8 && clear.tone[26].shift < -2.5, "{:?}", clear.tone[6]);
        assert!(clear.tone[16].shift.abs() < 0.2 && clear.tone[6].confidence > 0.7);
        let unclear = Proposal::new(&song(-12.0), Some(&advice(0.4, 1.0)), &[], &weights, neutral());
        assert!(unclear.tone.iter().all(|wish| wish.shift.abs() < 0.05), "{:?}", unclear.tone[6]);
        // However sure the model is: a mean of 0.3 dB is none.
        let small = Proposal::new(&song(-12.0), Some(&advice(0.6, 0.1)), &[], &weights, neutral());
        assert!(small.tone.iter().all(|wish| wish.shift == 0.0 && wish.confidence == 0.0), "{:?}", small.tone[6]);
        let nothing = Proposal::new(&song(-12.0), None, &[], &weights, neutral());
        assert!(nothing.clone().wishes_mut().all(|wish| wish.shift == 0.0));
    }

    #[test]
    fn references_pull_by_their_weight() {
        let mut reference = song(-9.0);
        // Brighter by 6 dB from 2 kHz up, and 4 dB louder as a whole.
        for (third, level) in reference.thirds.iter_mut().enumerate() {
            *level += if third >= 19 { 10.0 } else { 4.0 };
        }
        reference.width[1] += 5.0;
        let at = |tone: f64, width: f64| {
            let weights = Weights { tone, width, ..Weights::default() };
            let proposal = Proposal::new(&song(-12.0), None, std::slice::from_ref(&reference), &weights, neutral());
            (proposal.tone[25].shift - proposal.tone[10].shift, proposal.width[1].shift)
        };
        let (none, half, most) = (at(0.0, 0.0), at(1.0, 1.0), at(20.0, 20.0));
        assert_eq!(none, (0.0, 0.0));
        assert!(half.0 > 1.0 && half.0 < most.0 && (5.0..6.5).contains(&most.0), "{half:?} {most:?}");
        assert!(half.1 > 0.5 && half.1 < most.1 && most.1 > 4.0, "{half:?} {most:?}");
    }

    #[test]
    fn what_is_not_there_is_not_moved() {
        let mut dull = song(-12.0);
        dull.limit_hz = 8_500.0;
        dull.width = [-60.0; 3];
        let proposal = Proposal::new(&dull, Some(&advice(-5.0, 0.5)), &[], &Weights::default(), neutral());
        assert!(proposal.tone[26].shift == 0.0 && proposal.tone[24].shift > 1.0);
        assert_eq!(proposal.width[2].shift, 0.0);
        let mut silent = song(-12.0);
        silent.loudness = None;
        let mut proposal = Proposal::new(&silent, Some(&advice(-5.0, 0.5)), &[], &Weights::default(), Style::find("warm").unwrap());
        assert!(proposal.tone.iter().all(|wish| wish.shift == 0.0));
        assert!(proposal.wishes_mut().all(|wish| wish.shift.is_finite()));
    }

    #[test]
    fn moves_are_bounded_and_styles_add_their_offsets() {
        let proposal = Proposal::new(&song(-12.0), Some(&advice(24.0, 0.1)), &[], &Weights::default(), neutral());
        assert!(proposal.tone.iter().all(|wish| wish.shift.abs() <= 2.0 * MOST_DB[0]));
        let style = Style::find("bright").unwrap();
        let bright = Proposal::new(&song(-12.0), None, &[], &Weights::default(), style);
        let (low, high) = (bright.tone[10].shift, bright.tone[26].shift);
        assert!((high - low - (style.tone_db(10_079.0) - style.tone_db(250.0))).abs() < 0.1, "{low} {high}");
    }
}
