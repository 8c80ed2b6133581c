//! Peaks before and after over the last ten seconds.

use crate::live::DisplayFrame;
use crate::pictures::Picture;
use crate::theme;
use egui::epaint::{Mesh, Vertex};
use egui::{Align2, Color32, Pos2, Rect, Shape, Stroke, Ui, pos2};
use std::collections::VecDeque;

/// Duration of the picture in seconds.
const SECONDS: f32 = 10.0;
/// Duration of a column in seconds.
const COLUMN_SECONDS: f32 = 0.02;
/// Range of levels shown, in dB.
const RANGE: (f32, f32) = (-36.0, 12.0);
/// Lines across, in dB.
const LINES: [f32; 5] = [-24.0, -12.0, -6.0, 0.0, 6.0];

/// Largest power of the whole signal before and after, newest last: what a limiter's frames tell are
/// peaks.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    columns: VecDeque<[f32; 2]>,
    now: [f32; 2],
    filled: f32,
}

impl Picture for Levels {
    fn name(&self) -> &'static str {
        "Levels"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        self.now = [self.now[0].max(frame.input_power), self.now[1].max(frame.output_power)];
        self.filled += frame.seconds;
        if self.filled + 1e-4 < COLUMN_SECONDS {
            return;
        }
        self.filled = (self.filled - COLUMN_SECONDS).clamp(0.0, COLUMN_SECONDS);
        self.columns.push_back(std::mem::take(&mut self.now));
        while self.columns.len() > (SECONDS / COLUMN_SECONDS) as usize {
            self.columns.pop_front();
        }
    }

    fn show(&mut self, ui: &mut Ui, rect: Rect) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let (low, high) = RANGE;
        let y = |db: f32| egui::remap_clamp(db, low..=high, rect.bottom() - 2.0..=rect.top() + 3.0);
        for db in LINES {
            let strength = if db == 0.0 { 1.0 } else { 0.6 };
            painter.hline(rect.x_range(), y(db), Stroke::new(1.0, theme::faded(theme::LINE, strength)));
            let place = pos2(rect.right() - 5.0, y(db) - 6.5);
            painter.text(place, Align2::RIGHT_CENTER, format!("{db:+.0} dB"), theme::font(10.0), theme::faded(theme::DIM, 0.8));
        }
        let step = rect.width() / (SECONDS / COLUMN_SECONDS);
        let first = rect.right() - self.columns.len() as f32 * step;
        let line = |side: usize| -> Vec<Pos2> {
            let level = |column: &[f32; 2]| 10.0 * column[side].max(1e-12).log10();
            self.columns.iter().enumerate().map(|(i, column)| pos2(first + (i as f32 + 0.5) * step, y(level(column)))).collect()
        };
        let (before, after) = (line(0), line(1));
        painter.add(area(&after, &after.iter().map(|p| pos2(p.x, rect.bottom())).collect::<Vec<_>>(), theme::WARM, 0.28));
        // What was taken off lies between the two.
        painter.add(area(&before, &after, theme::COOL, 0.45));
        painter.add(Shape::line(before, Stroke::new(1.0, theme::COOL)));
        painter.add(Shape::line(after, Stroke::new(1.4, theme::WARM)));
        let label = pos2(rect.left() + 12.0, rect.top() + 14.0);
        painter.text(label, Align2::LEFT_CENTER, "Peaks going in (blue) and coming out (amber), 10 s", theme::font(11.5), theme::DIM);
    }
}

/// The area between two lines with the same x.
fn area(upper: &[Pos2], lower: &[Pos2], color: Color32, alpha: f32) -> Shape {
    let mut mesh = Mesh::default();
    for (upper, lower) in upper.iter().zip(lower) {
        let n = mesh.vertices.len() as u32;
        for pos in [*upper, *lower] {
            mesh.vertices.push(Vertex { pos, uv: egui::epaint::WHITE_UV, color: theme::faded(color, alpha) });
        }
        if n >= 2 {
            mesh.indices.extend([n - 2, n - 1, n, n, n - 1, n + 1]);
        }
    }
    Shape::mesh(mesh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_the_largest_and_are_bounded() {
        let mut levels = Levels::default();
        for power in [0.1, 0.9, 0.3, 0.2] {
            levels.update(&DisplayFrame { input_power: power, output_power: power / 2.0, ..DisplayFrame::EMPTY });
        }
        assert_eq!(levels.columns, [[0.9, 0.45], [0.3, 0.15]]);
        (0..4_000).for_each(|_| levels.update(&DisplayFrame::EMPTY));
        assert_eq!(levels.columns.len(), 500);
    }
}
