//! The processor's load and late frames over the last ten seconds, and the levels for the strips' meters.

use crate::lanes::COLUMNS;
use crate::mixer::Mixer;
use dsp_core::engines::stems::STEMS;
use plainsong_shell::egui::{Align2, Rect, Stroke, Ui, pos2, vec2};
use plainsong_shell::live::DisplayFrame;
use plainsong_shell::{Panel, Picture, theme};
use std::collections::VecDeque;

/// Duration of a column in seconds.
const COLUMN_SECONDS: f32 = 0.04;
/// Load at the top of the picture.
const MOST: f32 = 1.0;

/// One column.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Column {
    /// Largest share of a hop that a step took.
    load: f32,
    late: bool,
}

/// The picture.
#[derive(Debug, Default)]
pub struct Load {
    columns: VecDeque<Column>,
    open: Column,
    filled: f32,
    /// Peaks after the faders since the last drawing, `[stem][side]`.
    levels: [[f32; 2]; STEMS],
    /// Time since the last drawing, in seconds.
    seconds: f32,
    resting: bool,
}

impl Picture for Load {
    fn name(&self) -> &'static str {
        "Load"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        self.seconds += frame.seconds;
        let Some(stems) = &frame.stems else { return };
        for (level, new) in self.levels.iter_mut().flatten().zip(stems.levels.iter().flatten()) {
            *level = level.max(*new);
        }
        self.open.load = self.open.load.max(stems.step_seconds / frame.seconds.max(1e-3));
        self.open.late |= stems.late;
        self.filled += frame.seconds;
        if self.filled + 1e-4 >= COLUMN_SECONDS {
            self.filled = (self.filled - COLUMN_SECONDS).clamp(0.0, COLUMN_SECONDS);
            self.columns.push_back(std::mem::take(&mut self.open));
            if self.columns.len() > COLUMNS {
                self.columns.pop_front();
            }
        }
    }

    fn idle(&mut self, seconds: f32) {
        self.seconds += seconds;
    }

    fn at_rest(&self) -> bool {
        self.resting
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        let (levels, seconds) = (std::mem::take(&mut self.levels), std::mem::take(&mut self.seconds));
        self.resting = panel
            .with(|mixer: &mut Mixer, _| {
                mixer.meters.iter_mut().zip(levels).for_each(|(meter, peaks)| meter.update(peaks, seconds));
                mixer.meters.iter().all(|meter| meter.at_rest())
            })
            .unwrap_or(true);

        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let plot = Rect::from_min_max(rect.min + vec2(0.0, 4.0), rect.max - vec2(0.0, 3.0));
        let y = |load: f32| plot.bottom() - plot.height() * (load / MOST).clamp(0.0, 1.0);
        painter.hline(plot.x_range(), y(0.5), Stroke::new(1.0, theme::faded(theme::LINE, 0.6)));
        let step = plot.width() / COLUMNS as f32;
        let first = plot.right() - step * self.columns.len() as f32;
        for (index, column) in self.columns.iter().enumerate() {
            let left = first + step * index as f32;
            let bar = Rect::from_min_max(pos2(left, y(column.load)), pos2(left + step, plot.bottom()));
            painter.rect_filled(bar, 0.0, theme::faded(theme::COOL, 0.55));
            if column.late {
                painter.vline(left + step / 2.0, plot.y_range(), Stroke::new(2.0, theme::ALERT));
            }
        }
        let most = self.columns.iter().fold(0.0_f32, |most, column| most.max(column.load));
        let late = self.columns.iter().filter(|column| column.late).count();
        let late_text = match late {
            0 => "none late".to_owned(),
            1 => "late once".to_owned(),
            _ => format!("late {late} times"),
        };
        let text = format!("Model steps: at most {:.0} % of their time, {late_text}", 100.0 * most);
        let galley = painter.layout_no_wrap(text, theme::font(11.0), if late > 0 { theme::ALERT } else { theme::DIM });
        let plate = Rect::from_min_size(rect.min + vec2(8.0, 4.0), galley.size() + vec2(10.0, 2.0));
        painter.rect_filled(plate, 3.0, theme::faded(theme::WELL, 0.8));
        painter.galley(plate.min + vec2(5.0, 1.0), galley, theme::DIM);
        painter.text(pos2(rect.right() - 8.0, y(0.5)), Align2::RIGHT_CENTER, "50 %", theme::font(10.0), theme::DIM);
    }
}
