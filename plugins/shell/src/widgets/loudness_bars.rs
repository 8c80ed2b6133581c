//! Loudness and true peak now, as bars with the lines that are to be reached.

use crate::editor::Panel;
use crate::live::DisplayFrame;
use crate::pictures::Picture;
use crate::theme;
use crate::widgets::numbers::decimal;
use dsp_core::processor::Measured;
use egui::{Align2, Color32, Rect, Sense, Ui, pos2, vec2};

/// Range of the bars, in LUFS and dBTP.
const RANGE: (f32, f32) = (-48.0, 3.0);
/// Marks beside them.
const TICKS: [f32; 9] = [0.0, -6.0, -12.0, -18.0, -23.0, -30.0, -36.0, -42.0, -48.0];
/// Fall of a bar in dB per second.
const FALL: f32 = 20.0;
/// Time for which a true peak is held, in seconds.
const HOLD: f32 = 1.5;
/// Time after which nothing is measured any more and bars fall, in seconds.
const STALE: f32 = 0.3;
/// Between bars, in points.
const GAP: f32 = 3.0;
/// Width of the scale in points.
const SCALE: f32 = 22.0;

/// The bars: momentary, short-term, and true peak of two channels.
#[derive(Clone, Debug)]
pub struct LoudnessBars {
    level: [f32; 4],
    hold: [f32; 2],
    held: [f32; 2],
    newest: Measured,
    /// Time since the newest readings, in seconds.
    age: f32,
}

impl Default for LoudnessBars {
    fn default() -> Self {
        Self { level: [RANGE.0; 4], hold: [RANGE.0; 2], held: [0.0; 2], newest: Measured::default(), age: 0.0 }
    }
}

impl Picture for LoudnessBars {
    fn name(&self) -> &'static str {
        "Levels"
    }

    fn update(&mut self, _: &DisplayFrame) {}

    fn measured(&mut self, measured: &Measured) {
        let reading = &measured.reading;
        let loudness = |lufs: Option<f64>| lufs.map_or(RANGE.0, |lufs| lufs as f32).max(RANGE.0);
        (self.level[0], self.level[1]) = (loudness(reading.momentary), loudness(reading.short_term));
        for (channel, peak) in measured.peaks.into_iter().enumerate() {
            let db = (20.0 * peak.max(1e-9).log10()).max(RANGE.0);
            let bar = &mut self.level[2 + channel];
            *bar = db.max(*bar - FALL * measured.seconds).max(RANGE.0);
            self.held[channel] += measured.seconds;
            if db >= self.hold[channel] {
                (self.hold[channel], self.held[channel]) = (db, 0.0);
            } else if self.held[channel] > HOLD {
                self.hold[channel] = (self.hold[channel] - FALL * measured.seconds).max(RANGE.0);
            }
        }
        (self.newest, self.age) = (*measured, 0.0);
    }

    fn idle(&mut self, seconds: f32) {
        self.age += seconds;
        if self.age > STALE {
            self.level.iter_mut().chain(&mut self.hold).for_each(|level| *level = (*level - FALL * seconds).max(RANGE.0));
        }
    }

    fn at_rest(&self) -> bool {
        self.level.iter().chain(&self.hold).all(|level| *level <= RANGE.0)
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        let response = ui.interact(rect, ui.scope_id().with("loudness-bars"), Sense::click());
        if response.clicked() {
            panel.measure_anew();
        }
        let target = panel.target();
        let reading = &self.newest.reading;
        let middle = rect.left() + (rect.width() - SCALE) / 2.0;
        let left = Rect::from_min_max(rect.min, pos2(middle - GAP, rect.bottom()));
        let right = Rect::from_min_max(pos2(middle + SCALE + GAP, rect.top()), rect.max);
        let ceiling = target.map(|(_, ceiling)| ceiling);
        let over = reading.true_peak.is_some_and(|peak| peak > ceiling.unwrap_or(0.0) + 0.005);
        plate(ui, left, "LUFS", &decimal(reading.momentary), false);
        plate(ui, right, "True peak", &decimal(reading.true_peak), over);
        let names = ["M", "S", "L", "R"];
        let tops = rect.top() + 42.0;
        for (index, name) in names.into_iter().enumerate() {
            let side = if index < 2 { left } else { right };
            let width = (side.width() - GAP) / 2.0;
            let x = side.left() + (width + GAP) * (index % 2) as f32;
            let bar = Rect::from_min_max(pos2(x, tops), pos2(x + width, rect.bottom() - 16.0));
            let line = if index < 2 { target.map(|(loudness, _)| loudness) } else { ceiling };
            self.bar(ui, index, bar, line.map(|line| line as f32));
            ui.painter().text(pos2(bar.center().x, rect.bottom() - 7.0), Align2::CENTER_CENTER, name, theme::font(10.5), theme::DIM);
        }
        let bars = Rect::from_min_max(pos2(middle, tops), pos2(middle + SCALE, rect.bottom() - 16.0));
        for tick in TICKS {
            let at = pos2(bars.center().x, y(bars, tick).clamp(bars.top() + 5.0, bars.bottom() - 5.0));
            ui.painter().text(at, Align2::CENTER_CENTER, format!("{tick:.0}"), theme::font(10.0), theme::DIM);
        }
        response.on_hover_text(
            "Momentary (0.4 s) and short-term (3 s) loudness in LUFS, true peaks of both channels in dBTP with the highest so far above. \
             Click to measure anew.",
        );
    }
}

fn y(rect: Rect, db: f32) -> f32 {
    egui::remap_clamp(db, RANGE.0..=RANGE.1, rect.bottom()..=rect.top())
}

fn plate(ui: &Ui, side: Rect, name: &str, text: &str, over: bool) {
    let painter = ui.painter();
    painter.text(pos2(side.center().x, side.top() + 8.0), Align2::CENTER_CENTER, name, theme::font(11.0), theme::DIM);
    let plate = Rect::from_min_size(pos2(side.left(), side.top() + 18.0), vec2(side.width(), 18.0));
    painter.rect_filled(plate, 3.0, if over { theme::ALERT } else { theme::WELL });
    painter.text(plate.center(), Align2::CENTER_CENTER, text, theme::font(11.5), if over { theme::WELL } else { theme::TEXT });
}

impl LoudnessBars {
    fn bar(&self, ui: &Ui, index: usize, bar: Rect, line: Option<f32>) {
        let painter = ui.painter();
        painter.rect_filled(bar, 2.0, theme::WELL);
        let level = self.level[index];
        let limit = line.unwrap_or(0.0);
        let calm: Color32 = if index < 2 { theme::WARM } else { theme::faded(theme::WARM, 0.75) };
        // Over its line a bar changes colour: loudness becomes cool, a peak alarming.
        let above = if index < 2 { theme::COOL } else { theme::ALERT };
        for (from, to, color) in [(RANGE.0, limit, calm), (limit, RANGE.1, above)] {
            if level > from {
                let part = Rect::from_min_max(pos2(bar.left(), y(bar, level.min(to))), pos2(bar.right(), y(bar, from)));
                painter.rect_filled(part, 1.0, color);
            }
        }
        if let Some(hold) = index.checked_sub(2).map(|channel| self.hold[channel]).filter(|hold| *hold > RANGE.0) {
            let mark = Rect::from_min_size(pos2(bar.left(), y(bar, hold) - 1.0), vec2(bar.width(), 2.0));
            painter.rect_filled(mark, 0.0, if hold > limit { theme::ALERT } else { theme::TEXT });
        }
        if let Some(line) = line {
            let at = y(bar, line);
            let mark = Rect::from_min_max(pos2(bar.left() - 2.0, at - 1.0), pos2(bar.right() + 2.0, at + 1.0));
            painter.rect_filled(mark, 0.0, theme::COOL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::loudness::Reading;

    #[test]
    fn bars_follow_readings_and_peaks_hold_then_fall() {
        let mut bars = LoudnessBars::default();
        let reading = Reading { momentary: Some(-14.0), short_term: Some(-15.0), ..Reading::default() };
        bars.measured(&Measured { reading, peaks: [1.0, 0.5], seconds: 0.05, ..Measured::default() });
        assert_eq!(bars.level[..2], [-14.0, -15.0]);
        assert!((bars.level[3] + 6.02).abs() < 0.01 && bars.hold[0] == 0.0);
        for _ in 0..20 {
            bars.measured(&Measured { seconds: 0.05, ..Measured::default() });
        }
        assert!(bars.level[2] < -15.0 && bars.hold[0] == 0.0 && bars.level[0] == RANGE.0);
        (0..200).for_each(|_| bars.measured(&Measured { seconds: 0.05, ..Measured::default() }));
        assert_eq!(bars.hold, [RANGE.0; 2]);
    }
}
