//! The limiter: what it takes off, and the peaks that come out, over the last seconds.

use super::{KNOB, row};
use dsp_core::processor::Measured;
use plainsong_shell::egui::epaint::{Mesh, Vertex, WHITE_UV};
use plainsong_shell::egui::{Align2, Pos2, Rect, Shape, Stroke, Ui, pos2, remap_clamp};
use plainsong_shell::live::{DisplayFrame, Point};
use plainsong_shell::{Panel, Picture, theme};
use std::collections::VecDeque;

/// Duration of the picture in seconds.
const SECONDS: f32 = 10.0;
/// Deepest reduction shown, in dB.
const DEEPEST: f32 = 12.0;
/// Range of peaks shown, in dBTP.
const PEAKS: (f32, f32) = (-24.0, 1.0);
/// Share of the picture that the reduction takes.
const SHARE: f32 = 0.5;

/// The picture.
#[derive(Default)]
pub struct Limiting {
    /// Reduction in dB (positive), and its length in seconds, the newest last.
    reductions: VecDeque<(f32, f32)>,
    /// True peaks in dBTP, and their length.
    peaks: VecDeque<(f32, f32)>,
    highest: Option<f64>,
}

/// Adds a column and forgets what is older than the picture.
fn push(columns: &mut VecDeque<(f32, f32)>, column: (f32, f32)) {
    columns.push_back(column);
    let most = (SECONDS / column.1.max(1e-3)).ceil() as usize + 1;
    while columns.len() > most {
        columns.pop_front();
    }
}

/// Columns as points from the right, the newest last.
fn points(columns: &VecDeque<(f32, f32)>, rect: Rect, y: impl Fn(f32) -> f32) -> Vec<Pos2> {
    let mut x = rect.right();
    let mut out: Vec<Pos2> = columns
        .iter()
        .rev()
        .map(|(value, seconds)| {
            let at = pos2(x, y(*value));
            x -= seconds / SECONDS * rect.width();
            at
        })
        .collect();
    out.reverse();
    out
}

impl Picture for Limiting {
    fn name(&self) -> &'static str {
        "Limiter"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        if let Some(stages) = &frame.stages {
            // A gain of one part in a thousand is none that could be read.
            let reduction = if stages.limiter < -0.01 { -stages.limiter } else { 0.0 };
            push(&mut self.reductions, (reduction, frame.seconds));
        }
    }

    fn point(&mut self, point: &Point) {
        push(&mut self.peaks, (point.peak, point.seconds));
    }

    fn measured(&mut self, measured: &Measured) {
        self.highest = measured.reading.true_peak;
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        let split = rect.top() + rect.height() * SHARE;
        let upper = Rect::from_min_max(rect.min, pos2(rect.right(), split - 4.0));
        let lower = Rect::from_min_max(pos2(rect.left(), split + 4.0), rect.max);
        self.reduction(ui, upper);
        self.output(ui, lower, super::moves(panel).limit.ceiling.0);
    }
}

impl Limiting {
    fn reduction(&self, ui: &Ui, rect: Rect) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let y = |db: f32| remap_clamp(db, 0.0..=DEEPEST, rect.top() + 3.0..=rect.bottom() - 2.0);
        for db in [1.0, 3.0, 6.0, 9.0] {
            painter.hline(rect.x_range(), y(db), Stroke::new(1.0, theme::faded(theme::LINE, 0.6)));
            painter.text(pos2(rect.right() - 5.0, y(db) - 6.5), Align2::RIGHT_CENTER, format!("-{db:.0}"), theme::font(10.0), theme::DIM);
        }
        let line = points(&self.reductions, rect, y);
        let mut mesh = Mesh::default();
        for point in &line {
            let n = mesh.vertices.len() as u32;
            for (pos, alpha) in [(pos2(point.x, rect.top() + 3.0), 0.15), (*point, 0.5)] {
                mesh.vertices.push(Vertex { pos, uv: WHITE_UV, color: theme::faded(theme::COOL, alpha) });
            }
            if n >= 2 {
                mesh.indices.extend([n - 2, n - 1, n, n, n - 1, n + 1]);
            }
        }
        painter.add(Shape::mesh(mesh));
        painter.add(Shape::line(line, Stroke::new(1.4, theme::COOL)));
        let now = self.reductions.back().map_or(0.0, |column| column.0);
        let most = self.reductions.iter().fold(0.0_f32, |most, column| most.max(column.0));
        let text = format!("Taken off, 10 s: now {now:.1} dB, most {most:.1} dB");
        painter.text(pos2(rect.left() + 12.0, rect.bottom() - 13.0), Align2::LEFT_CENTER, text, theme::font(11.5), theme::TEXT);
    }

    fn output(&self, ui: &Ui, rect: Rect, ceiling: f32) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let y = |db: f32| remap_clamp(db, PEAKS.0..=PEAKS.1, rect.bottom() - 2.0..=rect.top() + 3.0);
        for db in [-18.0, -12.0, -6.0, 0.0] {
            painter.hline(rect.x_range(), y(db), Stroke::new(1.0, theme::faded(theme::LINE, if db == 0.0 { 1.0 } else { 0.6 })));
            painter.text(pos2(rect.right() - 5.0, y(db) + 6.5), Align2::RIGHT_CENTER, format!("{db:.0}"), theme::font(10.0), theme::DIM);
        }
        let line = points(&self.peaks, rect, y);
        let mut mesh = Mesh::default();
        for point in &line {
            let n = mesh.vertices.len() as u32;
            // The shade follows the height, or columns would stand out.
            let shade = 0.05 + 0.4 * (rect.bottom() - point.y) / rect.height().max(1.0);
            for (pos, alpha) in [(*point, shade), (pos2(point.x, rect.bottom()), 0.05)] {
                mesh.vertices.push(Vertex { pos, uv: WHITE_UV, color: theme::faded(theme::WARM, alpha) });
            }
            if n >= 2 {
                mesh.indices.extend([n - 2, n - 1, n, n, n - 1, n + 1]);
            }
        }
        painter.add(Shape::mesh(mesh));
        painter.add(Shape::line(line, Stroke::new(1.4, theme::WARM)));
        painter.hline(rect.x_range(), y(ceiling), Stroke::new(1.4, theme::ALERT));
        let highest = self.highest.map_or("-".to_owned(), |peak| format!("{peak:.2}"));
        let text = format!("True peaks of the master, 10 s. Ceiling {ceiling:.2} dBTP, highest so far {highest}");
        painter.text(pos2(rect.left() + 12.0, rect.bottom() - 13.0), Align2::LEFT_CENTER, text, theme::font(11.5), theme::TEXT);
    }
}

/// Drive and ceiling first, then how the gain moves, then what is heard.
pub fn controls(ui: &mut Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let (drive, listen) = (156.0, 230.0);
    let rest = ui.available_width() - drive - listen - 2.0 * gap;
    panel.group(ui, "", drive, |ui, panel| {
        ui.vertical_centered(|ui| {
            ui.add_space(6.0);
            panel.knob_as(ui, "limiter-drive", "Drive", 124.0);
        });
    });
    panel.group(ui, "", rest, |ui, panel| {
        ui.vertical(|ui| {
            panel.switch_as(ui, "limiter-on", "Limiter on", 120.0);
            ui.add_space(22.0);
            let knobs =
                [("limiter-ceiling", "Ceiling"), ("limiter-ahead", "Look-ahead"), ("limiter-release", "Release"), ("limiter-link", "Link")];
            row(ui, panel, &knobs, KNOB);
        });
    });
    panel.group(ui, "", listen, super::overview::listening);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_are_kept_and_end_at_the_right() {
        let mut columns = VecDeque::new();
        (0..2_000).for_each(|n| push(&mut columns, (n as f32, 0.02)));
        assert_eq!(columns.len(), 501);
        let rect = Rect::from_min_max(pos2(0.0, 0.0), pos2(500.0, 10.0));
        let points = points(&columns, rect, |value| value);
        assert_eq!(points.last().map(|point| (point.x, point.y)), Some((500.0, 1_999.0)));
        assert!(points[0].x.abs() < 0.5);
    }
}
