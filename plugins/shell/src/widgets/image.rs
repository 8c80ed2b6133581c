//! The stereo image: correlation, and width by band.

use crate::live::DisplayFrame;
use crate::pictures::Picture;
use crate::theme;
use dsp_core::loudness::BANDS;
use dsp_core::processor::Measured;
use egui::{Align2, Rect, Sense, Stroke, Ui, pos2};

/// Names of the bands of [`dsp_core::loudness::EDGES_HZ`].
const NAMES: [&str; BANDS] = ["below 120", "120 - 500", "500 - 2k", "2k - 8k", "above 8k"];
/// Range of widths shown: side over mid in dB.
const RANGE: (f32, f32) = (-36.0, 6.0);
/// Lines across, in dB.
const LINES: [f32; 3] = [-24.0, -12.0, 0.0];
/// Correlation under which a mono sum loses a lot.
const RISKY: f32 = 0.0;
/// Share of the way that a needle goes with each reading.
const SPEED: f32 = 0.35;

/// The picture.
#[derive(Clone, Debug, Default)]
pub struct Image {
    newest: Measured,
    correlation: Option<f32>,
}

impl Picture for Image {
    fn name(&self) -> &'static str {
        "Stereo"
    }

    fn update(&mut self, _: &DisplayFrame) {}

    fn measured(&mut self, measured: &Measured) {
        let now = measured.reading.correlation;
        self.correlation = match (self.correlation, now) {
            (Some(old), Some(now)) => Some(old + (now - old) * SPEED),
            _ => now,
        };
        self.newest = *measured;
    }

    fn show(&mut self, ui: &mut Ui, rect: Rect) {
        let split = rect.left() + rect.width() * 0.34;
        self.show_correlation(ui, Rect::from_min_max(rect.min, pos2(split - 4.0, rect.bottom())));
        self.show_width(ui, Rect::from_min_max(pos2(split + 4.0, rect.top()), rect.max));
    }
}

impl Image {
    fn show_correlation(&self, ui: &mut Ui, rect: Rect) {
        let response = ui.interact(rect, ui.scope_id().with("correlation"), Sense::hover());
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        painter.text(pos2(rect.left() + 12.0, rect.top() + 13.0), Align2::LEFT_CENTER, "Correlation", theme::font(11.5), theme::DIM);
        let scale = Rect::from_min_max(pos2(rect.left() + 18.0, rect.top() + 28.0), pos2(rect.right() - 18.0, rect.bottom() - 20.0));
        let x = |value: f32| egui::remap_clamp(value, -1.0..=1.0, scale.left()..=scale.right());
        let half = Rect::from_min_max(scale.min, pos2(x(0.0), scale.bottom()));
        painter.rect_filled(scale, 3.0, theme::PANEL);
        painter.rect_filled(half, 3.0, theme::faded(theme::ALERT, 0.12));
        for (value, label) in [(-1.0, "-1"), (-0.5, ""), (0.0, "0"), (0.5, ""), (1.0, "+1")] {
            painter.vline(x(value), scale.y_range(), Stroke::new(1.0, theme::LINE));
            painter.text(pos2(x(value), rect.bottom() - 10.0), Align2::CENTER_CENTER, label, theme::font(10.0), theme::DIM);
        }
        if let Some(programme) = self.newest.reading.programme_correlation {
            painter.vline(x(programme), scale.y_range(), Stroke::new(1.5, theme::DIM));
        }
        let text = match self.correlation {
            Some(now) => {
                let color = if now < RISKY { theme::ALERT } else { theme::WARM };
                let from = x(0.0).min(x(now));
                let bar = Rect::from_min_max(
                    pos2(from, scale.center().y - 4.0),
                    pos2(x(0.0).max(x(now)).max(from + 1.0), scale.center().y + 4.0),
                );
                painter.rect_filled(bar, 2.0, theme::faded(color, 0.6));
                painter.circle_filled(pos2(x(now), scale.center().y), 6.0, color);
                format!("{now:+.2}")
            }
            None => "-".to_owned(),
        };
        painter.text(pos2(rect.right() - 12.0, rect.top() + 13.0), Align2::RIGHT_CENTER, text, theme::font(13.0), theme::TEXT);
        response
            .on_hover_text("Correlation of left and right: +1 is mono, under 0 a mono sum loses. The grey line is the whole programme's.");
    }

    fn show_width(&self, ui: &mut Ui, rect: Rect) {
        let response = ui.interact(rect, ui.scope_id().with("width"), Sense::hover());
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        painter.text(
            pos2(rect.left() + 12.0, rect.top() + 13.0),
            Align2::LEFT_CENTER,
            "Width by band: side over mid, dB",
            theme::font(11.5),
            theme::DIM,
        );
        let plot = Rect::from_min_max(pos2(rect.left() + 12.0, rect.top() + 24.0), pos2(rect.right() - 30.0, rect.bottom() - 18.0));
        let y = |db: f32| egui::remap_clamp(db, RANGE.0..=RANGE.1, plot.bottom()..=plot.top());
        for db in LINES {
            painter.hline(plot.x_range(), y(db), Stroke::new(1.0, theme::faded(theme::LINE, if db == 0.0 { 1.0 } else { 0.6 })));
            painter.text(pos2(rect.right() - 6.0, y(db)), Align2::RIGHT_CENTER, format!("{db:.0}"), theme::font(10.0), theme::DIM);
        }
        let each = plot.width() / BANDS as f32;
        let reading = &self.newest.reading;
        for (band, name) in NAMES.into_iter().enumerate() {
            let middle = plot.left() + each * (band as f32 + 0.5);
            painter.text(pos2(middle, rect.bottom() - 9.0), Align2::CENTER_CENTER, name, theme::font(10.0), theme::DIM);
            let well = Rect::from_min_max(pos2(middle - each * 0.3, plot.top()), pos2(middle + each * 0.3, plot.bottom()));
            painter.rect_filled(well, 2.0, theme::faded(theme::PANEL, 0.8));
            if let Some(width) = reading.width[band] {
                // More side than mid is out of phase rather than wide.
                let color = if width > 0.0 { theme::ALERT } else { theme::WARM };
                painter.rect_filled(Rect::from_min_max(pos2(well.left(), y(width)), well.max), 2.0, theme::faded(color, 0.8));
                let text = if width < RANGE.0 { "mono".to_owned() } else { format!("{width:.0}") };
                let at = pos2(middle, (y(width) - 7.0).clamp(plot.top() + 5.0, plot.bottom() - 7.0));
                painter.text(at, Align2::CENTER_CENTER, text, theme::font(10.0), theme::TEXT);
            }
            if let Some(programme) = reading.programme_width[band] {
                painter.hline(well.x_range(), y(programme), Stroke::new(1.5, theme::DIM));
            }
        }
        response.on_hover_text(
            "How much difference of the channels there is against their sum in each band, over 3 s; the grey lines are the whole programme's. \
             0 dB is very wide, above it the channels work against each other.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::loudness::Reading;

    #[test]
    fn the_needle_moves_towards_readings_and_goes_without_them() {
        let mut image = Image::default();
        let with = |correlation| Measured { reading: Reading { correlation, ..Reading::default() }, ..Measured::default() };
        image.measured(&with(Some(1.0)));
        image.measured(&with(Some(0.0)));
        assert!((image.correlation.unwrap() - (1.0 - SPEED)).abs() < 1e-6);
        image.measured(&with(None));
        assert_eq!(image.correlation, None);
    }
}
