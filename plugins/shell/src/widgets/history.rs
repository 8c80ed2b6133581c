//! How much was taken away over the last ten seconds.

use crate::live::DisplayFrame;
use crate::pictures::Picture;
use crate::theme;
use egui::epaint::{Mesh, Vertex};
use egui::{Align2, Pos2, Rect, Shape, Stroke, Ui, pos2};
use std::collections::VecDeque;

/// Duration of the picture in seconds.
const SECONDS: f32 = 10.0;
/// Duration of a column in seconds.
const COLUMN_SECONDS: f32 = 0.04;
/// Deepest reduction shown if nothing else is asked for, in dB.
const DEEPEST: f32 = 42.0;
/// Power below which the input counts as silence: -110 dBFS.
const SILENCE: f32 = 1e-11;

/// Reduction of the whole signal, newest last, in dB (positive), and whether a frame was late.
#[derive(Clone, Debug)]
pub struct History {
    /// Deepest reduction shown, in dB.
    deepest: f32,
    columns: VecDeque<(f32, bool)>,
    input: f32,
    output: f32,
    late: bool,
    filled: f32,
}

impl Default for History {
    fn default() -> Self {
        Self::down_to(DEEPEST)
    }
}

impl History {
    /// A picture down to a reduction in dB.
    pub fn down_to(deepest: f32) -> Self {
        Self { deepest, columns: VecDeque::new(), input: 0.0, output: 0.0, late: false, filled: 0.0 }
    }
}

impl Picture for History {
    fn name(&self) -> &'static str {
        "Reduction"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        self.input += frame.input_power;
        self.output += frame.output_power;
        self.late |= frame.late;
        self.filled += frame.seconds;
        if self.filled + 1e-4 < COLUMN_SECONDS {
            return;
        }
        self.filled = (self.filled - COLUMN_SECONDS).clamp(0.0, COLUMN_SECONDS);
        let reduction = if self.input > SILENCE { 10.0 * (self.input / self.output.max(self.input * 1e-9)).log10() } else { 0.0 };
        self.columns.push_back((reduction.max(0.0), self.late));
        (self.input, self.output, self.late) = (0.0, 0.0, false);
        while self.columns.len() > (SECONDS / COLUMN_SECONDS) as usize {
            self.columns.pop_front();
        }
    }

    /// It hangs from the top.
    fn show(&mut self, ui: &mut Ui, rect: Rect) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let y = |db: f32| egui::remap_clamp(db, 0.0..=self.deepest, rect.top() + 3.0..=rect.bottom() - 2.0);
        for db in [2.0, 4.0, 6.0].map(|part| part / 7.0 * self.deepest) {
            painter.hline(rect.x_range(), y(db), Stroke::new(1.0, theme::faded(theme::LINE, 0.6)));
            painter.text(
                pos2(rect.right() - 5.0, y(db) - 6.5),
                Align2::RIGHT_CENTER,
                format!("-{db:.0}"),
                theme::font(10.0),
                theme::faded(theme::DIM, 0.8),
            );
        }
        let count = SECONDS / COLUMN_SECONDS;
        let step = rect.width() / count;
        let first = rect.right() - self.columns.len() as f32 * step;
        let points: Vec<Pos2> =
            self.columns.iter().enumerate().map(|(i, column)| pos2(first + (i as f32 + 0.5) * step, y(column.0))).collect();
        let mut mesh = Mesh::default();
        for point in &points {
            let n = mesh.vertices.len() as u32;
            for (pos, alpha) in [(pos2(point.x, rect.top() + 3.0), 0.12), (*point, 0.45)] {
                mesh.vertices.push(Vertex { pos, uv: egui::epaint::WHITE_UV, color: theme::faded(theme::COOL, alpha) });
            }
            if n >= 2 {
                mesh.indices.extend([n - 2, n - 1, n, n, n - 1, n + 1]);
            }
        }
        painter.add(Shape::mesh(mesh));
        painter.add(Shape::line(points, Stroke::new(1.4, theme::COOL)));
        for (i, _) in self.columns.iter().enumerate().filter(|(_, column)| column.1) {
            painter.vline(first + (i as f32 + 0.5) * step, rect.bottom() - 6.0..=rect.bottom(), Stroke::new(2.0, theme::ALERT));
        }
        let label = painter.text(
            pos2(rect.left() + 12.0, rect.bottom() - 12.0),
            Align2::LEFT_CENTER,
            "Reduction, 10 s",
            theme::font(11.5),
            theme::DIM,
        );
        let now = format!("-{:.1} dB", self.now());
        painter.text(pos2(label.right() + 10.0, rect.bottom() - 12.0), Align2::LEFT_CENTER, now, theme::font(11.5), theme::TEXT);
    }
}

impl History {
    /// The newest reduction in dB.
    pub fn now(&self) -> f32 {
        self.columns.back().map_or(0.0, |column| column.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reduction_is_the_ratio_of_powers_and_silence_is_none() {
        let mut frame = DisplayFrame { input_power: 1.0, output_power: 0.01, ..DisplayFrame::EMPTY };
        let mut history = History::default();
        for _ in 0..8 {
            history.update(&frame);
        }
        assert_eq!(history.columns.len(), 2);
        assert!((history.now() - 20.0).abs() < 0.01);
        (frame.input_power, frame.output_power) = (0.0, 0.0);
        for _ in 0..4 {
            history.update(&frame);
        }
        assert_eq!(history.now(), 0.0);
        for _ in 0..4000 {
            history.update(&frame);
        }
        assert_eq!(history.columns.len(), 250);
    }
}
