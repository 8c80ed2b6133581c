//! Drawings of a master as SVG: the spectrum before, wanted and after, and the moves.

use dsp_core::analysis::middle_hz;
use dsp_core::engines::master::MasterMoves;
use dsp_core::mastering::{BANDS, Profile, Proposal};
use dsp_core::units::Hz;
use std::fmt::Write as _;

/// Size of a drawing and of its margins, in its own units.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 48.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 12.0;
/// Frequencies shown, hertz.
const LOWEST: f64 = 22.0;
const HIGHEST: f64 = 22_500.0;
/// Levels under the highest that are shown, dB.
const DEPTH: f64 = 60.0;

fn x(hz: f64) -> f64 {
    LEFT + (WIDTH - LEFT) * (hz / LOWEST).ln() / (HIGHEST / LOWEST).ln()
}

/// A frame with marks of frequency and of decibels from `low` to `high`.
fn frame(svg: &mut String, low: f64, high: f64, step: f64) {
    let y = |db: f64| TOP + (HEIGHT - TOP - BOTTOM) * (high - db) / (high - low);
    for hz in [30.0, 60.0, 120.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0] {
        let name = if hz >= 1_000.0 { format!("{}k", hz / 1_000.0) } else { format!("{hz}") };
        let _ = write!(
            svg,
            r#"<path class="grid" d="M{0:.1} {TOP}V{1:.1}"/><text x="{0:.1}" y="{2:.1}" text-anchor="middle">{name}</text>"#,
            x(hz),
            HEIGHT - BOTTOM,
            HEIGHT - 8.0
        );
    }
    let mut db = (low / step).ceil() * step;
    while db <= high {
        let _ = write!(
            svg,
            r#"<path class="grid" d="M{LEFT} {0:.1}H{WIDTH}"/><text x="{1}" y="{2:.1}" text-anchor="end">{db}</text>"#,
            y(db),
            LEFT - 6.0,
            y(db) + 4.0
        );
        db += step;
    }
}

/// A line through points of hertz and decibels.
fn line(svg: &mut String, class: &str, low: f64, high: f64, points: impl Iterator<Item = (f64, f64)>) {
    let y = |db: f64| TOP + (HEIGHT - TOP - BOTTOM) * (high - db.clamp(low, high)) / (high - low);
    let mut path = String::new();
    for (hz, db) in points {
        let _ = write!(path, "{}{:.1} {:.1}", if path.is_empty() { 'M' } else { 'L' }, x(hz), y(db));
    }
    let _ = write!(svg, r#"<path class="{class}" fill="none" d="{path}"/>"#);
}

fn open(label: &str) -> String {
    format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">"#)
}

/// The mean spectrum by third of an octave: before, wanted, after; each relative to its whole.
pub fn spectrum(before: &Profile, proposal: &Proposal, after: &Profile) -> String {
    let high = before.thirds.iter().chain(&after.thirds).fold(f64::NEG_INFINITY, |most, &db| most.max(db));
    let high = (high / 6.0).ceil() * 6.0;
    let low = high - DEPTH;
    let mut svg = open("Spectrum before, wanted and after");
    frame(&mut svg, low, high, 12.0);
    let thirds = |value: &dyn Fn(usize) -> f64| (0..BANDS).map(|third| (middle_hz(third), value(third))).collect::<Vec<_>>();
    line(&mut svg, "before", low, high, thirds(&|third| before.thirds[third]).into_iter());
    line(&mut svg, "target", low, high, thirds(&|third| proposal.tone[third].target()).into_iter());
    line(&mut svg, "after", low, high, thirds(&|third| after.thirds[third]).into_iter());
    svg + "</svg>"
}

/// What is asked for by third of an octave, with what the equaliser does for it and its bands.
pub fn tone(proposal: &Proposal, moves: &MasterMoves) -> String {
    let curve = |hz: f64| moves.equaliser.analogue_db(Hz(hz));
    let most = proposal.tone.iter().map(|wish| wish.shift.abs()).chain((0..BANDS).map(|third| curve(middle_hz(third)).abs()));
    let high = (most.fold(2.0, f64::max) / 2.0).ceil() * 2.0;
    let mut svg = open("Moves of tone");
    frame(&mut svg, -high, high, if high > 4.0 { 2.0 } else { 1.0 });
    let y = |db: f64| TOP + (HEIGHT - TOP - BOTTOM) * (high - db) / (2.0 * high);
    for (third, wish) in proposal.tone.iter().enumerate() {
        let (top, bottom) = (y(wish.shift.max(0.0)), y(wish.shift.min(0.0)));
        let half = (x(2_f64.powf(1.0 / 6.0) * LOWEST) - x(LOWEST)) * 0.8;
        let _ = write!(
            svg,
            r#"<rect class="wish" x="{:.1}" y="{top:.1}" width="{:.1}" height="{:.1}"/>"#,
            x(middle_hz(third)) - half,
            2.0 * half,
            (bottom - top).max(0.5)
        );
    }
    let points = (0..=160).map(|n| LOWEST * (HIGHEST / LOWEST).powf(f64::from(n) / 160.0));
    line(&mut svg, "after", -high, high, points.map(|hz| (hz, curve(hz))));
    for band in moves.equaliser.bands.iter().filter(|band| !band.is_neutral()) {
        let hz = band.frequency.0;
        let _ = write!(svg, r#"<circle class="band" cx="{:.1}" cy="{:.1}" r="4"/>"#, x(hz), y(curve(hz).clamp(-high, high)));
    }
    svg + "</svg>"
}
