//! What was done and why, in sentences.

use super::chain::DIRECT_CURRENT;
use super::profile::{BANDS, Profile};
use super::proposal::{Proposal, Wish};
use super::style::Style;
use crate::analysis::{DYNAMICS_HZ, IMAGE_HZ, middle_hz};
use crate::engines::master::MasterMoves;
use crate::filters::Shape;
use serde::Serialize;

/// A move: what was measured, what is wanted, what is done for it, how sure that is, and all that in a
/// sentence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Stage, and number or band: as the ids of its parameters begin.
    pub id: String,
    /// tone, width, dynamics, colour, loudness.
    pub kind: &'static str,
    /// Frequency in hertz where the move has one.
    pub hz: Option<f64>,
    /// What the song has.
    pub measured: f64,
    /// What it is to have.
    pub target: f64,
    /// Unit of both.
    pub unit: &'static str,
    /// What the control does, dB.
    pub move_db: f64,
    /// How sure measurement is that this is needed, 0 to 1; none for what the style asks for.
    pub confidence: Option<f64>,
    /// In words.
    pub sentence: String,
}

/// What a master was to become and became.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// Loudness asked for, LUFS.
    pub loudness: f64,
    /// Ceiling asked for, dBTP.
    pub ceiling: f64,
    /// Loudness that came out, LUFS.
    pub reached: f64,
    /// True peak that came out, dBTP.
    pub true_peak: f64,
    /// Mean and deep reduction by the limiter where the song is loud, dB.
    pub reduction: (f64, f64),
    /// The usual loudness in LUFS, where nothing was asked and less is given for the peaks' sake.
    pub usual: Option<f64>,
}

/// A mean reduction of loud passages from which a limiter is heard, dB.
const HEARD_DB: f64 = 3.0;
/// The same for the deepest twentieth of them.
const DEEP_DB: f64 = 8.0;
/// Loudness further than this from what was asked for is told as missed, LU.
const MISSED_LU: f64 = 0.1;
/// A reason for less than this is not told, dB.
const LEAST_DB: f64 = 0.15;
/// Share of clipped samples from which a song is told to be clipped: one in ten thousand.
const CLIPPED: f64 = 1e-4;
/// A song shorter than this says little of itself, seconds.
const SHORT_SECONDS: f64 = 10.0;

/// A frequency as people write it.
fn hertz(hz: f64) -> String {
    if hz >= 1_000.0 { format!("{} kHz", (hz / 100.0).round() / 10.0) } else { format!("{} Hz", hz.round()) }
}

/// Where a wish comes from.
fn why(wish: &Wish) -> String {
    let more = |difference: f64| format!("{:.1} dB {}", difference.abs(), if difference >= 0.0 { "more" } else { "less" });
    let mut reasons = Vec::new();
    if let Some(model) = wish.model.filter(|model| model.abs() >= LEAST_DB) {
        reasons.push(format!("finished music like it has {}", more(model)));
    }
    if let Some(reference) = wish.reference.filter(|reference| reference.abs() >= LEAST_DB) {
        reasons.push(format!("the reference has {}", more(reference)));
    }
    if !reasons.is_empty() {
        reasons = vec![format!("{} (confidence {:.0} %)", reasons.join("; "), 100.0 * wish.confidence)];
    }
    if wish.style.abs() >= LEAST_DB {
        reasons.push(format!("the style adds {:+.1} dB", wish.style));
    }
    if reasons.is_empty() { String::new() } else { format!(" Why: {}.", reasons.join("; ")) }
}

fn sure(wish: &Wish) -> Option<f64> {
    // What the style alone asks for needs no proof.
    [wish.model, wish.reference].into_iter().flatten().any(|known| known.abs() >= LEAST_DB).then_some(wish.confidence)
}

/// Every move of the chain that is not at rest, in the order of the stages, but for the limiter's.
pub fn explain(proposal: &Proposal, moves: &MasterMoves, style: &Style) -> Vec<Explanation> {
    let mut all = Vec::new();
    for (number, band) in moves.equaliser.bands.iter().enumerate().filter(|(_, band)| !band.is_neutral()) {
        let hz = band.frequency.0;
        let near = |third: &usize| (middle_hz(*third) / hz).log2().abs();
        let third = (0..BANDS).min_by(|a, b| near(a).total_cmp(&near(b))).unwrap_or(0);
        let wish = &proposal.tone[third];
        let (gain, at) = (f64::from(band.gain.0), hertz(hz));
        if band.shape == Shape::LowCut {
            all.push(Explanation {
                id: format!("eq{}", number + 1),
                kind: "tone",
                hz: Some(hz),
                measured: 0.0,
                target: 0.0,
                unit: "",
                move_db: 0.0,
                confidence: None,
                sentence: format!("The song carries direct current, which is no sound: all below {at} is cut."),
            });
            continue;
        }
        let place = match band.shape {
            Shape::LowShelf => format!("Below {at}"),
            Shape::HighShelf => format!("Above {at}"),
            _ => format!("Around {at}"),
        };
        let sentence = format!(
            "{place} the song has {:.1} dB relative to the whole and is to have {:.1} dB: {gain:+.1} dB.{}",
            wish.measured,
            wish.target(),
            why(wish)
        );
        all.push(Explanation {
            id: format!("eq{}", number + 1),
            kind: "tone",
            hz: Some(hz),
            measured: wish.measured,
            target: wish.target(),
            unit: "dB relative to the whole",
            move_db: gain,
            confidence: sure(wish),
            sentence,
        });
    }
    let [low, mid, high] = DYNAMICS_HZ.map(hertz);
    let bands = [
        ("low", format!("below {low}")),
        ("lowmid", format!("{low} to {mid}")),
        ("highmid", format!("{mid} to {high}")),
        ("high", format!("above {high}")),
    ];
    for (((id, place), band), wish) in bands.iter().zip(&moves.dynamics.bands).zip(&proposal.dynamics) {
        if !moves.dynamics.on || band.ratio == 1.0 {
            continue;
        }
        let does = if band.ratio > 1.0 { "is brought down" } else { "is let out" };
        let sentence = format!(
            "From {place} loud passages stand {:.1} dB over middle ones and are to stand {:.1} dB: what is over {:.1} dB {does}, ratio {:.2}.{}",
            wish.measured,
            wish.target(),
            band.threshold.0,
            band.ratio,
            why(wish)
        );
        all.push(Explanation {
            id: format!("mb-{id}"),
            kind: "dynamics",
            hz: None,
            measured: wish.measured,
            target: wish.target(),
            unit: "dB of loud over middle passages",
            move_db: wish.shift,
            confidence: sure(wish),
            sentence: sentence.replace("From below", "Below").replace("From above", "Above"),
        });
    }
    let [low, high] = IMAGE_HZ.map(hertz);
    let regions = [("low", format!("Below {low}")), ("mid", format!("From {low} to {high}")), ("high", format!("Above {high}"))];
    for (((id, place), &width), wish) in regions.iter().zip(&moves.stereo.width).zip(&proposal.width) {
        if width == 1.0 {
            continue;
        }
        let sentence = format!(
            "{place} the sides are {:.1} dB to the middle and are to be {:.1} dB: width {:.0} %.{}",
            wish.measured,
            wish.target(),
            100.0 * width,
            why(wish)
        );
        all.push(Explanation {
            id: format!("stereo-{id}"),
            kind: "width",
            hz: None,
            measured: wish.measured,
            target: wish.target(),
            unit: "dB of sides to middle",
            move_db: f64::from(20.0 * width.log10()),
            confidence: sure(wish),
            sentence,
        });
    }
    if moves.colour.on {
        let (drive, mix) = (f64::from(moves.colour.drive.0), f64::from(moves.colour.mix));
        let character = format!("{:?}", moves.colour.character).to_lowercase();
        all.push(Explanation {
            id: "colour".into(),
            kind: "colour",
            hz: None,
            measured: 0.0,
            target: drive,
            unit: "dB of drive",
            move_db: drive,
            confidence: None,
            sentence: format!("The style {} asks for {character}: drive {drive:.1} dB, mix {:.0} %.", style.name, 100.0 * mix),
        });
    }
    all
}

impl Goal {
    /// What the limiter did for the loudness.
    pub fn explain(&self, song: &Profile) -> Explanation {
        let before = song.loudness.unwrap_or(f64::NEG_INFINITY);
        let (mean, deep) = self.reduction;
        let mut sentence = format!(
            "The song has {before:.1} LUFS and was to have {:.1} LUFS under {:.1} dBTP: it has {:.2} LUFS and {:.2} dBTP.",
            self.loudness, self.ceiling, self.reached, self.true_peak
        );
        if let Some(usual) = self.usual {
            sentence += &format!(
                " No loudness and no platform was named, so it is kept at {:.1} LUFS in place of {usual:.1} LUFS: its peaks stand so high \
                 that a limiter would cut them for more. Name one and it lands there.",
                self.loudness
            );
        }
        if deep >= 0.1 {
            sentence += &format!(" Where it is loud the limiter takes {mean:.1} dB in the mean and {deep:.1} dB at its deepest.");
        }
        Explanation {
            id: "limiter".into(),
            kind: "loudness",
            hz: None,
            measured: before,
            target: self.loudness,
            unit: "LUFS",
            move_db: self.reached - before,
            confidence: None,
            sentence,
        }
    }

    /// What a person should know of it: a line each.
    pub fn remarks(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let off = self.reached - self.loudness;
        if off.abs() > MISSED_LU {
            lines.push(format!(
                "the loudness is {off:+.1} LU from the {:.1} LUFS asked for, which the chain cannot reach with this song; ask for {:.1} LUFS",
                self.loudness, self.reached
            ));
        }
        let (mean, deep) = self.reduction;
        if mean > HEARD_DB || deep > DEEP_DB {
            lines.push(format!(
                "the limiter takes {mean:.1} dB in the mean of loud passages and up to {deep:.1} dB, which will be heard; ask for less than \
                 {:.1} LUFS, or for denser dynamics (style loud)",
                self.loudness
            ));
        }
        lines
    }
}

/// What a person should know of the song itself: a line each.
pub fn remarks(song: &Profile) -> Vec<String> {
    let mut lines = Vec::new();
    if song.loudness.is_none() {
        lines.push("holds nothing to be heard (silence, or less than 0.4 s); nothing was done but to pass it on".to_owned());
        return lines;
    }
    if song.seconds < SHORT_SECONDS {
        lines.push(format!("lasts {:.1} s only; what such a piece says of a song is little", song.seconds));
    }
    if song.clipped > CLIPPED {
        lines.push(format!("is clipped in {:.2} % of its samples; repair it, or export it with a lower level", 100.0 * song.clipped));
    }
    if song.direct_current.abs() > DIRECT_CURRENT {
        lines.push(format!(
            "carries direct current ({:.1} % of full scale), which took room from the sound; it was cut",
            100.0 * song.direct_current
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::proposal::tests::song;
    use super::super::{Weights, chain};
    use super::*;

    #[test]
    fn every_move_has_a_sentence_with_its_numbers() {
        let song = song(-20.0);
        let style = Style::find("warm").unwrap();
        let mut proposal = Proposal::new(&song, None, &[], &Weights::default(), style);
        proposal.dynamics[1].shift = -2.0;
        proposal.width[2] = Wish { shift: 3.0, model: Some(4.0), confidence: 0.8, ..proposal.width[2] };
        let moves = chain::moves(&song, &proposal, &chain::Aims::of(&proposal), style, Some(-14.0), -1.0);
        let told = explain(&proposal, &moves, style);
        let count = moves.equaliser.bands.iter().filter(|band| !band.is_neutral()).count();
        assert_eq!(told.len(), count + 1 + 1 + 1);
        assert!(told.iter().all(|one| one.sentence.ends_with('.') && one.measured.is_finite() && one.target.is_finite()));
        let width = told.iter().find(|one| one.id == "stereo-high").unwrap();
        assert!(width.sentence.contains("-8.0 dB") && width.sentence.contains("-5.0 dB") && width.sentence.contains("141 %"), "{width:?}");
        assert!(width.sentence.contains("4.0 dB more (confidence 80 %)") && width.confidence == Some(0.8), "{width:?}");
        let tone = told.iter().find(|one| one.kind == "tone").unwrap();
        assert!(tone.sentence.contains("style adds") && tone.confidence.is_none(), "{tone:?}");
    }

    #[test]
    fn songs_and_goals_are_remarked_on() {
        let mut odd = song(-20.0);
        assert!(remarks(&odd).is_empty());
        (odd.clipped, odd.direct_current, odd.seconds) = (0.01, 0.1, 2.0);
        assert_eq!(remarks(&odd).len(), 3);
        odd.loudness = None;
        assert_eq!(remarks(&odd).len(), 1);
        let goal = Goal { loudness: -14.0, ceiling: -1.0, reached: -14.02, true_peak: -1.01, reduction: (0.5, 2.0), usual: None };
        assert!(goal.remarks().is_empty() && goal.explain(&song(-20.0)).sentence.contains("-14.02 LUFS"));
        let spared = Goal { loudness: -16.2, usual: Some(-14.0), ..goal };
        assert!(spared.explain(&song(-20.0)).sentence.contains("kept at -16.2 LUFS in place of -14.0 LUFS"));
        assert_eq!(Goal { reached: -15.0, reduction: (6.0, 12.0), ..goal }.remarks().len(), 2);
    }
}
