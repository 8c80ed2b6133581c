//! Drawings of a master: the spectrum before, wanted and after, and the moves.

use crate::render::svg::{Axis, Drawing};
use dsp_core::analysis::middle_hz;
use dsp_core::engines::master::MasterMoves;
use dsp_core::mastering::{BANDS, Profile, Proposal};
use dsp_core::units::Hz;

/// Height of a drawing, in its own units.
const HEIGHT: f64 = 300.0;
/// Frequencies shown, hertz.
const LOWEST: f64 = 22.0;
const HIGHEST: f64 = 22_500.0;
/// Levels under the highest that are shown, dB.
const DEPTH: f64 = 60.0;

/// The mean spectrum by third of an octave: before, wanted, after; each relative to its whole.
pub fn spectrum(before: &Profile, proposal: &Proposal, after: &Profile) -> String {
    let high = before.thirds.iter().chain(&after.thirds).fold(f64::NEG_INFINITY, |most, &db| most.max(db));
    let high = (high / 6.0).ceil() * 6.0;
    let axes = (Axis::hertz(LOWEST, HIGHEST), Axis::even(high - DEPTH, high, 12.0));
    let mut drawing = Drawing::new("Spectrum before, wanted and after", axes.0, axes.1, HEIGHT);
    let thirds = |value: &dyn Fn(usize) -> f64| (0..BANDS).map(|third| (middle_hz(third), value(third))).collect::<Vec<_>>().into_iter();
    drawing.line("before", thirds(&|third| before.thirds[third]), f64::INFINITY);
    drawing.line("target", thirds(&|third| proposal.tone[third].target()), f64::INFINITY);
    drawing.line("after", thirds(&|third| after.thirds[third]), f64::INFINITY);
    drawing.finish()
}

/// What is asked for by third of an octave, with what the equaliser does for it and its bands.
pub fn tone(proposal: &Proposal, moves: &MasterMoves) -> String {
    let curve = |hz: f64| moves.equaliser.analogue_db(Hz(hz));
    let most = proposal.tone.iter().map(|wish| wish.shift.abs()).chain((0..BANDS).map(|third| curve(middle_hz(third)).abs()));
    let high = (most.fold(2.0, f64::max) / 2.0).ceil() * 2.0;
    let axes = (Axis::hertz(LOWEST, HIGHEST), Axis::even(-high, high, if high > 4.0 { 2.0 } else { 1.0 }));
    let mut drawing = Drawing::new("Moves of tone", axes.0, axes.1, HEIGHT);
    let half = (drawing.x(2_f64.powf(1.0 / 6.0) * LOWEST) - drawing.x(LOWEST)) * 0.8;
    for (third, wish) in proposal.tone.iter().enumerate() {
        let middle = drawing.x(middle_hz(third));
        drawing.bar_at("wish", middle - half, 2.0 * half, wish.shift.min(0.0), wish.shift.max(0.0));
    }
    let points = (0..=160).map(|n| LOWEST * (HIGHEST / LOWEST).powf(f64::from(n) / 160.0));
    drawing.line("after", points.map(|hz| (hz, curve(hz))), f64::INFINITY);
    for band in moves.equaliser.bands.iter().filter(|band| !band.is_neutral()) {
        drawing.dot("band", band.frequency.0, curve(band.frequency.0));
    }
    drawing.finish()
}
