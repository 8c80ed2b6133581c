//! The history of loudness with the line that is to be reached.

use crate::editor::Panel;
use crate::live::{DisplayFrame, Point};
use crate::pictures::Picture;
use crate::theme;
use dsp_core::processor::Measured;
use egui::epaint::{Mesh, Vertex};
use egui::{Align2, Event, MouseWheelUnit, Pos2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};
use std::collections::VecDeque;

/// Duration of a column that is kept, in seconds.
const COLUMN_SECONDS: f32 = 0.1;
/// Columns kept: four hours.
const KEPT: usize = 144_000;
/// Spans of time that can be shown, in seconds.
const SPANS: [f32; 7] = [15.0, 30.0, 60.0, 180.0, 600.0, 1_800.0, 7_200.0];
/// The one that is shown at first.
const FIRST: usize = 2;
/// Range of loudness shown, in LUFS.
const RANGE: (f32, f32) = (-45.0, 0.0);
/// Lines across, in LUFS.
const LINES: [f32; 7] = [-42.0, -36.0, -30.0, -24.0, -18.0, -12.0, -6.0];
/// Height from which marks of time are drawn, in points.
const TALL: f32 = 140.0;
/// Points of width for a mark of time.
const MARK_WIDTH: f32 = 90.0;

/// A tenth of a second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Column {
    momentary: f32,
    short_term: f32,
    peak: f32,
}

const SILENT: Column = Column { momentary: f32::NEG_INFINITY, short_term: f32::NEG_INFINITY, peak: f32::NEG_INFINITY };

impl Column {
    /// The louder of two.
    fn with(self, other: Self) -> Self {
        Self {
            momentary: self.momentary.max(other.momentary),
            short_term: self.short_term.max(other.short_term),
            peak: self.peak.max(other.peak),
        }
    }
}

/// The history.
#[derive(Clone, Debug)]
pub struct LoudnessHistory {
    columns: VecDeque<Column>,
    now: Column,
    filled: f32,
    programme: Option<u32>,
    integrated: Option<f64>,
    span: usize,
}

impl Default for LoudnessHistory {
    fn default() -> Self {
        Self { columns: VecDeque::new(), now: SILENT, filled: 0.0, programme: None, integrated: None, span: FIRST }
    }
}

/// A time as minutes and seconds.
fn clock(seconds: f32) -> String {
    let whole = seconds.max(0.0).round() as u32;
    if whole >= 3600 {
        format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
    } else {
        format!("{}:{:02}", whole / 60, whole % 60)
    }
}

impl Picture for LoudnessHistory {
    fn name(&self) -> &'static str {
        "Loudness"
    }

    fn update(&mut self, _: &DisplayFrame) {}

    fn measured(&mut self, measured: &Measured) {
        self.integrated = measured.reading.integrated;
    }

    fn point(&mut self, point: &Point) {
        if self.programme.replace(point.programme) != Some(point.programme) {
            self.columns.clear();
            (self.now, self.filled, self.integrated) = (SILENT, 0.0, None);
        }
        self.now = self.now.with(Column { momentary: point.momentary, short_term: point.short_term, peak: point.peak });
        self.filled += point.seconds;
        if self.filled + 1e-4 < COLUMN_SECONDS {
            return;
        }
        self.filled = (self.filled - COLUMN_SECONDS).clamp(0.0, COLUMN_SECONDS);
        self.columns.push_back(std::mem::replace(&mut self.now, SILENT));
        if self.columns.len() > KEPT {
            self.columns.pop_front();
        }
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        let response = ui.interact(rect, ui.scope_id().with("loudness-history"), Sense::click());
        if response.hovered() {
            let turned = |event: &Event| match event {
                Event::MouseWheel { unit: MouseWheelUnit::Line, delta, .. } => delta.y,
                Event::MouseWheel { delta, .. } => delta.y / 40.0,
                _ => 0.0,
            };
            let turned: f32 = ui.input(|input| input.events.iter().map(turned).sum());
            if turned >= 0.5 {
                self.span = self.span.saturating_sub(1);
            } else if turned <= -0.5 {
                self.span = (self.span + 1).min(SPANS.len() - 1);
            }
        }
        if response.double_clicked() {
            self.span = FIRST;
        }
        self.draw(ui, rect, panel.target());
        if let Some(pointer) = response.hover_pos() {
            self.read_out(ui, rect, pointer);
        }
        response.on_hover_text("Turn the wheel to see more or less time.");
    }
}

fn y(rect: Rect, lufs: f32) -> f32 {
    egui::remap_clamp(lufs, RANGE.0..=RANGE.1, rect.bottom()..=rect.top() + 4.0)
}

impl LoudnessHistory {
    /// Seconds of a point of width.
    fn per_point(&self, rect: Rect) -> f32 {
        SPANS[self.span] / rect.width().max(1.0)
    }

    /// What is shown, by the points of width that it has: each the loudest of its columns, from the left.
    fn shown(&self, rect: Rect) -> Vec<(f32, Column)> {
        let per = (self.per_point(rect) / COLUMN_SECONDS).max(1e-3);
        let wanted = (SPANS[self.span] / COLUMN_SECONDS) as usize;
        let first = self.columns.len().saturating_sub(wanted);
        // Groups start at the same columns however the picture moves on, so that it does not flicker.
        let group = per.ceil().max(1.0) as usize;
        let mut out: Vec<(f32, Column)> = Vec::new();
        let mut at = first / group * group;
        while at < self.columns.len() {
            let end = (at + group).min(self.columns.len());
            let loudest = self.columns.range(at..end).fold(SILENT, |loudest, column| loudest.with(*column));
            let back = (self.columns.len() - at) as f32 - group as f32 / 2.0;
            out.push((rect.right() - back / per, loudest));
            at = end;
        }
        out
    }

    fn draw(&self, ui: &Ui, rect: Rect, target: Option<(f64, f64)>) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let tall = rect.height() >= TALL;
        let plot = if tall { Rect::from_min_max(rect.min, pos2(rect.right(), rect.bottom() - 18.0)) } else { rect };
        for lufs in LINES.into_iter().filter(|lufs| tall || (lufs / 12.0).fract() == 0.0) {
            painter.hline(plot.x_range(), y(plot, lufs), Stroke::new(1.0, theme::faded(theme::LINE, 0.6)));
        }
        let shown = self.shown(plot);
        let inside = ui.painter_at(plot);
        let mut mesh = Mesh::default();
        for (x, column) in &shown {
            let n = mesh.vertices.len() as u32;
            let top = y(plot, column.momentary);
            // The shade follows the height in the picture, or columns would stand out.
            let shade = 0.04 + 0.4 * (plot.bottom() - top) / plot.height().max(1.0);
            for (pos, alpha) in [(pos2(*x, top), shade), (pos2(*x, plot.bottom()), 0.04)] {
                mesh.vertices.push(Vertex { pos, uv: egui::epaint::WHITE_UV, color: theme::faded(theme::WARM, alpha) });
            }
            if n >= 2 {
                mesh.indices.extend([n - 2, n - 1, n, n, n - 1, n + 1]);
            }
        }
        inside.add(Shape::mesh(mesh));
        let line = |of: fn(&Column) -> f32| -> Vec<Pos2> { shown.iter().map(|(x, column)| pos2(*x, y(plot, of(column)))).collect() };
        inside.add(Shape::line(line(|column| column.momentary), Stroke::new(1.0, theme::faded(theme::WARM, 0.7))));
        inside.add(Shape::line(line(|column| column.short_term), Stroke::new(2.0, theme::TEXT)));
        if let Some((_, ceiling)) = target {
            for (x, _) in shown.iter().filter(|(_, column)| f64::from(column.peak) > ceiling + 0.005) {
                inside.vline(*x, plot.top()..=plot.top() + 7.0, Stroke::new(2.0, theme::ALERT));
            }
        }
        if let Some(integrated) = self.integrated {
            let at = y(plot, integrated as f32);
            inside.add(Shape::dashed_line(
                &[pos2(plot.left(), at), pos2(plot.right(), at)],
                Stroke::new(1.0, theme::faded(theme::TEXT, 0.55)),
                3.0,
                4.0,
            ));
        }
        if let Some((loudness, _)) = target {
            let at = y(plot, loudness as f32);
            inside.hline(plot.x_range(), at, Stroke::new(1.4, theme::COOL));
            let text = painter.layout_no_wrap(format!("{loudness:.1} LUFS"), theme::font(11.0), theme::WELL);
            let plate = Rect::from_min_size(pos2(plot.left() + 6.0, at - text.size().y - 3.0), text.size() + vec2(8.0, 2.0));
            painter.rect_filled(plate, 3.0, theme::COOL);
            painter.galley(plate.min + vec2(4.0, 1.0), text, theme::WELL);
        }
        for lufs in LINES.into_iter().filter(|lufs| tall || (lufs / 12.0).fract() == 0.0) {
            let place = pos2(plot.right() - 5.0, y(plot, lufs) - 6.5);
            painter.text(place, Align2::RIGHT_CENTER, format!("{lufs:.0}"), theme::font(10.0), theme::DIM);
        }
        if tall {
            self.times(ui, plot, rect);
        }
        self.legend(ui, plot);
    }

    /// Marks of time since measuring began.
    fn times(&self, ui: &Ui, plot: Rect, rect: Rect) {
        let painter = ui.painter_at(rect);
        let least = self.per_point(plot) * MARK_WIDTH;
        let step = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0].into_iter().find(|step| *step >= least);
        let step = step.unwrap_or(1_800.0);
        let end = self.columns.len() as f32 * COLUMN_SECONDS;
        let mut time = (end / step).floor() * step;
        while time >= (end - SPANS[self.span]).max(0.0) {
            let x = plot.right() - (end - time) / self.per_point(plot);
            painter.vline(x, plot.y_range(), Stroke::new(1.0, theme::faded(theme::LINE, 0.5)));
            if (plot.left() + 16.0..plot.right() - 16.0).contains(&x) {
                painter.text(pos2(x, rect.bottom() - 9.0), Align2::CENTER_CENTER, clock(time), theme::font(10.5), theme::DIM);
            }
            time -= step;
        }
    }

    fn legend(&self, ui: &Ui, plot: Rect) {
        let painter = ui.painter_at(plot);
        let mut at = pos2(plot.left() + 12.0, plot.top() + 14.0);
        for (color, text, height) in
            [(theme::faded(theme::WARM, 0.5), "Momentary", 9.0), (theme::TEXT, "Short-term", 2.0), (theme::ALERT, "Over the ceiling", 7.0)]
        {
            painter.rect_filled(Rect::from_center_size(pos2(at.x + 7.0, at.y), vec2(14.0, height)), 1.0, color);
            let text = painter.text(pos2(at.x + 20.0, at.y), Align2::LEFT_CENTER, text, theme::font(11.5), theme::TEXT);
            at.x = text.right() + 16.0;
        }
    }

    /// Time and loudness under the pointer.
    fn read_out(&self, ui: &Ui, rect: Rect, pointer: Pos2) {
        let back = (rect.right() - pointer.x) * self.per_point(rect) / COLUMN_SECONDS;
        let Some(index) = self.columns.len().checked_sub(1 + back as usize) else { return };
        let Some(column) = self.columns.get(index) else { return };
        let number = |value: f32| if value.is_finite() { format!("{value:.1}") } else { "-".to_owned() };
        let text = format!(
            "{}    momentary {}    short-term {}    true peak {}",
            clock(index as f32 * COLUMN_SECONDS),
            number(column.momentary),
            number(column.short_term),
            number(column.peak)
        );
        let painter = ui.painter_at(rect);
        painter.vline(pointer.x, rect.y_range(), Stroke::new(1.0, theme::faded(theme::TEXT, 0.35)));
        let galley = painter.layout_no_wrap(text, theme::font(11.5), theme::TEXT);
        let left = (pointer.x + 10.0).min(rect.right() - galley.size().x - 34.0);
        let back = Rect::from_min_size(pos2(left, rect.top() + 26.0), galley.size() + vec2(12.0, 8.0));
        painter.rect_filled(back, 4.0, theme::faded(theme::PANEL, 0.94));
        painter.galley(back.min + vec2(6.0, 4.0), galley, theme::TEXT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(momentary: f32, programme: u32) -> Point {
        Point { momentary, short_term: momentary - 1.0, peak: momentary + 10.0, programme, seconds: 0.05 }
    }

    #[test]
    fn columns_hold_the_loudest_and_a_new_programme_begins_anew() {
        let mut history = LoudnessHistory::default();
        for lufs in [-20.0, -18.0, -30.0, -31.0] {
            history.point(&point(lufs, 0));
        }
        let wanted = [-18.0, -30.0].map(|lufs| Column { momentary: lufs, short_term: lufs - 1.0, peak: lufs + 10.0 });
        assert_eq!(history.columns, wanted);
        history.point(&point(-12.0, 1));
        assert!(history.columns.is_empty());
        (0..2 * KEPT + 50).for_each(|_| history.point(&point(-12.0, 1)));
        assert_eq!(history.columns.len(), KEPT);
    }

    #[test]
    fn what_is_shown_ends_at_the_right_and_holds_every_peak() {
        let mut history = LoudnessHistory::default();
        for n in 0..4_000 {
            history.point(&point(if n == 3_000 { -3.0 } else { -20.0 }, 0));
        }
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(100.0, 50.0));
        for (span, seconds) in SPANS.into_iter().enumerate() {
            history.span = span;
            let shown = history.shown(rect);
            assert!(shown.windows(2).all(|pair| pair[0].0 < pair[1].0));
            let far = history.columns.len() as f32 * COLUMN_SECONDS - 150.0 < seconds;
            let loudest = shown.iter().map(|(_, column)| column.momentary).fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(loudest == -3.0, far, "{seconds} s");
        }
    }

    #[test]
    fn times_read_as_people_write_them() {
        assert_eq!([clock(0.0), clock(75.4), clock(3_725.0)], ["0:00", "1:15", "1:02:05"]);
    }
}
