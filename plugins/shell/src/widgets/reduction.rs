//! A meter of what is taken off now, hanging from the top, with hold and the most so far.

use crate::live::DisplayFrame;
use crate::pictures::Picture;
use crate::theme;
use egui::{Align2, Rect, Sense, Ui, pos2, vec2};

/// Deepest reduction shown, in dB.
const DEEPEST: f32 = 18.0;
/// Fall of the bar, in dB per second.
const FALL: f32 = 60.0;
/// Time for which the deepest reduction is held, in seconds.
const HOLD: f32 = 1.5;
/// Marks beside the bar, in dB.
const TICKS: [f32; 7] = [0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0];

/// The meter, in dB, positive.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReductionMeter {
    now: f32,
    hold: f32,
    held: f32,
    most: f32,
}

impl ReductionMeter {
    fn pass(&mut self, reduction: f32, seconds: f32) {
        self.now = reduction.max(self.now - FALL * seconds).max(0.0);
        self.held += seconds;
        if reduction >= self.hold {
            (self.hold, self.held) = (reduction, 0.0);
        } else if self.held > HOLD {
            self.hold = (self.hold - FALL * seconds).max(0.0);
        }
        self.most = self.most.max(reduction);
    }
}

impl Picture for ReductionMeter {
    fn name(&self) -> &'static str {
        "Reduction"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        let reduction = match (&frame.detection, &frame.stages) {
            (Some(detection), _) => detection.reduction().0,
            (None, Some(stages)) => -stages.limiter,
            // Without a detector: what the whole signal lost.
            (None, None) if frame.output_power > 0.0 => 10.0 * (frame.input_power / frame.output_power).log10(),
            (None, None) => 0.0,
        };
        self.pass(reduction, frame.seconds);
    }

    fn idle(&mut self, seconds: f32) {
        self.pass(0.0, seconds);
    }

    fn at_rest(&self) -> bool {
        self.now <= 0.0 && self.hold <= 0.0
    }

    fn show(&mut self, ui: &mut Ui, rect: Rect) {
        let response = ui.interact(rect, ui.scope_id().with("reduction"), Sense::click());
        if response.clicked() {
            (self.most, self.hold) = (0.0, self.now);
        }
        let painter = ui.painter();
        painter.text(pos2(rect.center().x, rect.top() + 8.0), Align2::CENTER_CENTER, "Off", theme::font(11.5), theme::DIM);
        let plate = Rect::from_min_size(pos2(rect.left(), rect.top() + 18.0), vec2(rect.width(), 18.0));
        painter.rect_filled(plate, 3.0, theme::WELL);
        painter.text(plate.center(), Align2::CENTER_CENTER, format!("{:.1}", self.most), theme::font(11.5), theme::TEXT);
        let bar = Rect::from_min_max(pos2(rect.left(), plate.bottom() + 6.0), pos2(rect.right() - 20.0, rect.bottom()));
        let y = |db: f32| egui::remap_clamp(db, 0.0..=DEEPEST, bar.top()..=bar.bottom());
        painter.rect_filled(bar, 2.0, theme::WELL);
        painter.rect_filled(Rect::from_min_max(bar.min, pos2(bar.right(), y(self.now))), 2.0, theme::COOL);
        if self.hold > 0.0 {
            let line = Rect::from_min_size(pos2(bar.left(), y(self.hold) - 1.0), vec2(bar.width(), 2.0));
            painter.rect_filled(line, 0.0, theme::TEXT);
        }
        for tick in TICKS {
            let at = pos2(rect.right(), y(tick).clamp(bar.top() + 5.0, bar.bottom() - 5.0));
            painter.text(at, Align2::RIGHT_CENTER, format!("{tick:.0}"), theme::font(10.0), theme::DIM);
        }
        response.on_hover_text("Taken off now, in dB; above it the most so far. Click to clear.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_then_falls_and_remembers_the_most() {
        let mut meter = ReductionMeter::default();
        meter.pass(9.0, 0.005);
        meter.pass(0.0, 0.1);
        assert!(meter.now < 4.0 && meter.hold == 9.0);
        (0..400).for_each(|_| meter.pass(0.0, 0.01));
        assert!(meter.at_rest() && meter.most == 9.0);
    }
}
