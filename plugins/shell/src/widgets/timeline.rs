//! The sounds of the last ten seconds in lanes by class, and what was taken off them below.

use super::sounds::{DRAWN, color, mark, name};
use crate::live::DisplayFrame;
use crate::pictures::Picture;
use crate::theme;
use dsp_core::detection::{Event, Events};
use egui::epaint::{Mesh, Vertex};
use egui::{Align2, Pos2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};
use std::collections::VecDeque;

/// Duration of the picture in seconds.
const SECONDS: f64 = 10.0;
/// Duration of a column of the reduction in seconds.
const COLUMN_SECONDS: f64 = 0.01;
/// Deepest reduction shown, in dB.
const DEEPEST: f32 = 15.0;
/// Lines at these reductions, in dB.
const LEVELS: [f32; 2] = [5.0, 10.0];
/// Share of the height that the lanes take.
const LANES: f32 = 0.56;
/// Width of the lanes' names in points.
const NAMES: f32 = 62.0;
/// Reduction from which a sound is filled, in dB; others are outlined.
const TOUCHED: f32 = 0.25;

/// Sounds and reductions.
#[derive(Debug, Default)]
pub struct Timeline {
    joined: Events,
    events: VecDeque<Event>,
    /// Time of each column's end in seconds, its reduction in dB, and whether a frame was late.
    columns: VecDeque<(f64, f32, bool)>,
    open: (f64, f32, bool),
}

impl Picture for Timeline {
    fn name(&self) -> &'static str {
        "Sounds"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        let Some(detection) = frame.detection else { return };
        let seconds = f64::from(frame.seconds);
        self.events.extend(self.joined.frame(&detection, seconds));
        let (filled, reduction, late) = &mut self.open;
        *filled += seconds;
        *reduction = reduction.max(detection.reduction().0);
        *late |= frame.late;
        let now = self.joined.time();
        if *filled + 1e-6 >= COLUMN_SECONDS {
            self.columns.push_back((now, *reduction, *late));
            self.open = (0.0, 0.0, false);
        }
        while self.events.front().is_some_and(|event| event.end < now - SECONDS) {
            self.events.pop_front();
        }
        while self.columns.front().is_some_and(|column| column.0 < now - SECONDS) {
            self.columns.pop_front();
        }
    }

    fn show(&mut self, ui: &mut Ui, rect: Rect) {
        let response = ui.interact(rect, ui.scope_id().with("timeline"), Sense::hover());
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let plot = Rect::from_min_max(pos2(rect.left() + NAMES, rect.top() + 3.0), pos2(rect.right() - 26.0, rect.bottom() - 3.0));
        let lanes = Rect::from_min_max(plot.min, pos2(plot.right(), plot.top() + plot.height() * LANES));
        let below = Rect::from_min_max(pos2(plot.left(), lanes.bottom() + 4.0), plot.max);
        let now = self.joined.time();
        let x = |time: f64| plot.right() - ((now - time) / SECONDS) as f32 * plot.width();
        let height = lanes.height() / DRAWN.len() as f32;
        for back in [2.0, 4.0, 6.0, 8.0] {
            let at = x(now - back);
            painter.vline(at, plot.y_range(), Stroke::new(1.0, theme::faded(theme::LINE, 0.5)));
            painter.text(pos2(at, below.bottom() - 7.0), Align2::CENTER_CENTER, format!("-{back:.0} s"), theme::font(10.0), theme::DIM);
        }
        for (lane, sound) in DRAWN.into_iter().enumerate() {
            let middle = lanes.top() + (lane as f32 + 0.5) * height;
            if lane % 2 == 0 {
                let row = Rect::from_min_max(pos2(plot.left(), middle - height / 2.0), pos2(plot.right(), middle + height / 2.0));
                painter.rect_filled(row, 0.0, theme::faded(theme::PANEL, 0.55));
            }
            mark(&painter, sound, pos2(rect.left() + 11.0, middle), 3.6, color(sound));
            painter.text(pos2(rect.left() + 20.0, middle), Align2::LEFT_CENTER, name(sound), theme::font(10.5), theme::TEXT);
        }
        let painter_in = ui.painter_at(plot);
        let open = self.joined.open();
        for event in self.events.iter().chain(&open) {
            let Some(lane) = DRAWN.iter().position(|sound| *sound == event.sound) else { continue };
            let middle = lanes.top() + (lane as f32 + 0.5) * height;
            let (from, to, ink) = (x(event.start), x(event.end), color(event.sound));
            let bar = Rect::from_min_max(pos2(from, middle - height * 0.3), pos2(to.max(from + 2.0), middle + height * 0.3));
            if event.largest.0 >= TOUCHED {
                painter_in.rect_filled(bar, 2.0, theme::faded(ink, 0.85));
            } else {
                painter_in.rect_filled(bar, 2.0, theme::faded(ink, 0.22));
                painter_in.rect_stroke(bar, 2.0, Stroke::new(1.0, theme::faded(ink, 0.9)), egui::StrokeKind::Inside);
            }
            mark(&painter_in, event.sound, pos2(from, middle), (height * 0.3).clamp(2.5, 4.0), ink);
        }
        self.reduction(ui, below, &x);
        if let Some(pointer) = response.hover_pos().filter(|p| plot.contains(*p)) {
            self.read_out(ui, plot, pointer, now);
        }
    }
}

impl Timeline {
    /// What was taken off, hanging from the top.
    fn reduction(&self, ui: &Ui, rect: Rect, x: &dyn Fn(f64) -> f32) {
        let painter = ui.painter_at(rect.expand2(vec2(NAMES, 4.0)));
        let y = |db: f32| egui::remap_clamp(db, 0.0..=DEEPEST, rect.top()..=rect.bottom());
        painter.hline(rect.x_range(), rect.top(), Stroke::new(1.0, theme::LINE));
        for db in LEVELS {
            painter.hline(rect.x_range(), y(db), Stroke::new(1.0, theme::faded(theme::LINE, 0.6)));
            painter.text(pos2(rect.right() + 4.0, y(db)), Align2::LEFT_CENTER, format!("-{db:.0}"), theme::font(10.0), theme::DIM);
        }
        painter.text(pos2(rect.left() - NAMES + 20.0, rect.center().y), Align2::LEFT_CENTER, "dB off", theme::font(10.5), theme::DIM);
        let inside = ui.painter_at(rect);
        let points: Vec<Pos2> = self.columns.iter().map(|(time, db, _)| pos2(x(*time), y(*db))).collect();
        let mut mesh = Mesh::default();
        for point in &points {
            let n = mesh.vertices.len() as u32;
            for (pos, alpha) in [(pos2(point.x, rect.top()), 0.15), (*point, 0.5)] {
                mesh.vertices.push(Vertex { pos, uv: egui::epaint::WHITE_UV, color: theme::faded(theme::COOL, alpha) });
            }
            if n >= 2 {
                mesh.indices.extend([n - 2, n - 1, n, n, n - 1, n + 1]);
            }
        }
        inside.add(Shape::mesh(mesh));
        inside.add(Shape::line(points, Stroke::new(1.4, theme::COOL)));
        for (time, _, _) in self.columns.iter().filter(|column| column.2) {
            inside.vline(x(*time), rect.bottom() - 6.0..=rect.bottom(), Stroke::new(2.0, theme::ALERT));
        }
    }

    /// What the sound under the pointer is.
    fn read_out(&self, ui: &Ui, plot: Rect, pointer: Pos2, now: f64) {
        let time = now - f64::from((plot.right() - pointer.x) / plot.width()) * SECONDS;
        let reach = 0.02;
        let Some(event) = self.events.iter().find(|event| (event.start - reach..event.end + reach).contains(&time)) else { return };
        let text = format!(
            "{}    {:.0} ms    {:.1} kHz    up to {:.1} dB off, {:.1} in the mean",
            name(event.sound),
            (event.end - event.start) * 1000.0,
            event.centre_hz / 1000.0,
            event.largest.0,
            event.mean.0
        );
        let painter = ui.painter_at(plot);
        let galley = painter.layout_no_wrap(text, theme::font(11.5), theme::TEXT);
        let left = (pointer.x + 10.0).min(plot.right() - galley.size().x - 16.0);
        let back = Rect::from_min_size(pos2(left, plot.top() + 4.0), galley.size() + vec2(12.0, 8.0));
        painter.rect_filled(back, 4.0, theme::faded(theme::PANEL, 0.96));
        painter.galley(back.min + vec2(6.0, 4.0), galley, theme::TEXT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::detection::{Detection, Sound};

    fn frame(sound: Sound, reduction: f32) -> DisplayFrame {
        let mut detection = Detection::NOTHING;
        detection.classes = [0.0; 6];
        detection.classes[sound as usize] = 1.0;
        detection.reduction_db[4] = reduction;
        DisplayFrame { seconds: 0.005, detection: Some(detection), ..DisplayFrame::EMPTY }
    }

    #[test]
    fn sounds_and_reductions_are_kept_for_ten_seconds() {
        let mut timeline = Timeline::default();
        timeline.update(&DisplayFrame::EMPTY);
        for round in 0..4000 {
            timeline.update(&if round % 100 < 20 { frame(Sound::S, 6.0) } else { frame(Sound::None, 0.0) });
        }
        assert!((19..=21).contains(&timeline.events.len()), "{}", timeline.events.len());
        assert!(timeline.events.iter().all(|event| event.sound == Sound::S && event.largest.0 == 6.0));
        assert!((990..=1001).contains(&timeline.columns.len()), "{}", timeline.columns.len());
    }
}
