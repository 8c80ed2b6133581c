//! What a stage does to the level over the last seconds, around zero.

use crate::theme;
use egui::epaint::{Mesh, Vertex, WHITE_UV};
use egui::{Align2, Id, Pos2, Rect, Sense, Shape, Stroke, Ui, pos2};
use std::collections::VecDeque;

/// Duration of the picture in seconds.
const SECONDS: f32 = 8.0;
/// A gain of less than this is none that could be read, dB.
const NOTHING: f32 = 0.05;
/// Time after which a picture without frames has run out, in seconds.
const STALE: f32 = 0.3;

/// Gains of the last seconds.
#[derive(Clone, Debug)]
pub struct GainHistory {
    /// Gain in dB and its duration in seconds, the newest last.
    columns: VecDeque<(f32, f32)>,
    scale: (f32, f32),
    age: f32,
}

impl GainHistory {
    /// For gains up to the first and down to the second, in dB; at least one of them is not zero.
    pub fn new(scale: (f32, f32)) -> Self {
        Self { columns: VecDeque::new(), scale, age: 0.0 }
    }

    /// Adds a gain in dB that lasted so many seconds.
    pub fn push(&mut self, gain: f32, seconds: f32) {
        self.age = 0.0;
        self.columns.push_back((gain, seconds));
        let most = (SECONDS / seconds.max(1e-3)).ceil() as usize + 1;
        while self.columns.len() > most {
            self.columns.pop_front();
        }
    }

    /// Time passed without a frame.
    pub fn idle(&mut self, seconds: f32) {
        self.age += seconds;
    }

    /// True when nothing moves.
    pub fn at_rest(&self) -> bool {
        self.age > STALE || self.columns.is_empty()
    }

    /// Gain now and, over the picture, furthest from zero, in dB.
    pub fn readings(&self) -> (f32, f32) {
        let now = self.columns.back().map_or(0.0, |column| column.0);
        (now, self.columns.iter().fold(0.0, |most: f32, column| if column.0.abs() > most.abs() { column.0 } else { most }))
    }

    /// Draws it; `name` tells it from its neighbours.
    pub fn show(&self, ui: &Ui, rect: Rect, name: &str) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 5.0, theme::WELL);
        let (up, down) = self.scale;
        let plot = Rect::from_min_max(pos2(rect.left(), rect.top() + 3.0), pos2(rect.right(), rect.bottom() - 16.0));
        let y = |db: f32| egui::remap_clamp(db, down..=up, plot.bottom()..=plot.top());
        let mut line: Vec<Pos2> = Vec::with_capacity(self.columns.len());
        let mut x = plot.right();
        for (gain, seconds) in self.columns.iter().rev() {
            line.push(pos2(x, y(*gain)));
            x -= seconds / SECONDS * plot.width();
        }
        let zero = y(0.0);
        for (sign, color) in [(1.0_f32, theme::WARM), (-1.0, theme::COOL)] {
            // Raised above the line of nothing, lowered below.
            let mut mesh = Mesh::default();
            for point in &line {
                let n = mesh.vertices.len() as u32;
                let to = if sign > 0.0 { point.y.min(zero) } else { point.y.max(zero) };
                for at in [zero, to] {
                    mesh.vertices.push(Vertex { pos: pos2(point.x, at), uv: WHITE_UV, color: theme::faded(color, 0.5) });
                }
                if n >= 2 {
                    mesh.indices.extend([n - 2, n - 1, n, n, n - 1, n + 1]);
                }
            }
            painter.add(Shape::mesh(mesh));
        }
        painter.hline(plot.x_range(), zero, Stroke::new(1.0, theme::faded(theme::TEXT, 0.3)));
        let (now, most) = self.readings();
        let text = |gain: f32| if gain.abs() < NOTHING { "0.0".to_owned() } else { format!("{gain:+.1}") };
        let bottom = rect.bottom() - 8.0;
        painter.text(pos2(rect.left() + 6.0, bottom), Align2::LEFT_CENTER, format!("{} dB", text(now)), theme::font(11.5), theme::TEXT);
        painter.text(pos2(rect.right() - 6.0, bottom), Align2::RIGHT_CENTER, text(most), theme::font(10.5), theme::DIM);
        let response = ui.interact(rect, Id::unique(("plainsong-gain", name)), Sense::hover());
        response.on_hover_text(format!("{name}: gain now and, at the right, the furthest of the last {SECONDS:.0} s, in dB."));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_eight_seconds_and_the_furthest_of_them() {
        let mut history = GainHistory::new((6.0, -6.0));
        assert!(history.at_rest() && history.readings() == (0.0, 0.0));
        history.push(-9.0, 0.02);
        for _ in 0..399 {
            history.push(2.0, 0.02);
        }
        assert_eq!(history.readings(), (2.0, -9.0));
        history.push(2.0, 0.02);
        history.push(1.0, 0.02);
        assert_eq!(history.readings(), (1.0, 2.0));
        history.idle(1.0);
        assert!(history.at_rest());
    }
}
