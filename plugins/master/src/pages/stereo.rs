//! Width by region with mono bass, what the image is, and colour.

use super::{AXIS, KNOB, SMALL, at, hertz, moves, row};
use dsp_core::processor::Measured;
use dsp_core::stereo::Settings;
use plainsong_shell::egui::{Align2, CursorIcon, Id, Rect, Sense, Stroke, Ui, pos2, remap_clamp, vec2};
use plainsong_shell::live::DisplayFrame;
use plainsong_shell::widgets::image::Image;
use plainsong_shell::{Panel, Picture, theme};

/// Widest that is set: 200 %.
const WIDEST: f32 = 2.0;
/// Lines of width.
const LINES: [f32; 5] = [0.0, 0.5, 1.0, 1.5, 2.0];
/// Share of the picture that the regions take.
const SHARE: f32 = 0.56;
/// Reach of a handle in points.
const REACH: f32 = 7.0;
/// Regions by the end of their ids, and by name.
const REGIONS: [(&str, &str); 3] = [("low", "Lows"), ("mid", "Mids"), ("high", "Highs")];

/// The picture: the regions with their widths, below them the image of the master.
#[derive(Default)]
pub struct Width {
    image: Image,
    guard: f32,
    mono_loss: f32,
    /// Where the handle that is held has been drawn to.
    held: Option<f32>,
}

impl Picture for Width {
    fn name(&self) -> &'static str {
        "Stereo and colour"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        if let Some(stages) = &frame.stages {
            (self.guard, self.mono_loss) = (stages.guard, stages.mono_loss);
        }
    }

    fn measured(&mut self, measured: &Measured) {
        self.image.measured(measured);
    }

    fn closed(&mut self) {
        self.held = None;
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        let split = rect.top() + rect.height() * SHARE;
        self.regions(ui, Rect::from_min_max(rect.min, pos2(rect.right(), split - 4.0)), panel);
        self.image.show(ui, Rect::from_min_max(pos2(rect.left(), split + 4.0), rect.max));
    }
}

impl Width {
    fn regions(&mut self, ui: &Ui, rect: Rect, panel: &mut Panel) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let plot = Rect::from_min_max(rect.min, pos2(rect.right() - 40.0, rect.bottom() - 20.0));
        let settings = moves(panel).stereo;
        let on = moves(panel).stereo_on;
        let x = |hz: f64| plot.left() + plot.width() * AXIS.position(hz as f32).clamp(0.0, 1.0);
        let y = |width: f32| remap_clamp(width, 0.0..=WIDEST, plot.bottom() - 4.0..=plot.top() + 22.0);
        for width in LINES {
            painter.hline(plot.x_range(), y(width), Stroke::new(1.0, theme::faded(theme::LINE, if width == 1.0 { 1.0 } else { 0.5 })));
            let text = format!("{:.0} %", width * 100.0);
            painter.text(pos2(rect.right() - 5.0, y(width)), Align2::RIGHT_CENTER, text, theme::font(10.0), theme::DIM);
        }
        let edges = [plot.left(), x(settings.crossovers[0].0), x(settings.crossovers[1].0).max(x(settings.crossovers[0].0)), plot.right()];
        for (region, (id, name)) in REGIONS.into_iter().enumerate() {
            let zone = Rect::from_min_max(pos2(edges[region], plot.top()), pos2(edges[region + 1], plot.bottom()));
            let width = settings.width[region];
            let color = if !on {
                theme::DIM
            } else if width < 1.0 {
                theme::COOL
            } else {
                theme::WARM
            };
            let part = Rect::from_two_pos(pos2(zone.left() + 1.0, y(1.0)), pos2(zone.right() - 1.0, y(width)));
            painter.rect_filled(part, 2.0, theme::faded(color, 0.35));
            painter.hline(zone.left() + 1.0..=zone.right() - 1.0, y(width), Stroke::new(2.5, color));
            let label = pos2(zone.center().x, if width > 1.5 { y(width) + 12.0 } else { y(width) - 10.0 });
            painter.text(label, Align2::CENTER_CENTER, format!("{name}  {:.0} %", width * 100.0), theme::font(12.0), theme::TEXT);
            let grip = Rect::from_min_max(pos2(zone.left() + REACH, y(width) - REACH), pos2(zone.right() - REACH, y(width) + REACH));
            let index = at(&format!("stereo-{id}"));
            let travel = (plot.bottom() - plot.top() - 26.0) / (WIDEST * 100.0);
            self.drag(ui, panel, grip, index, CursorIcon::ResizeVertical, width * 100.0, |held, moved| held - moved.y / travel);
        }
        for (number, hz) in settings.crossovers.into_iter().enumerate() {
            let at_x = x(hz.0);
            painter.vline(at_x, plot.y_range(), Stroke::new(1.0, theme::DIM));
            painter.text(pos2(at_x, rect.bottom() - 10.0), Align2::CENTER_CENTER, hertz(hz.0), theme::font(10.5), theme::DIM);
            let grip = Rect::from_min_max(pos2(at_x - REACH, plot.top()), pos2(at_x + REACH, plot.bottom()));
            let along = |held: f32, moved: plainsong_shell::egui::Vec2| AXIS.hertz(AXIS.position(held) + moved.x / plot.width());
            self.drag(ui, panel, grip, at(&format!("stereo-x{}", number + 1)), CursorIcon::ResizeHorizontal, hz.0 as f32, along);
        }
        self.bass(ui, plot, &settings, on);
        self.mono(ui, rect, on, &settings);
    }

    /// The bass that is made mono.
    fn bass(&self, ui: &Ui, plot: Rect, settings: &Settings, on: bool) {
        if settings.mono_below.0 <= 0.0 || !on {
            return;
        }
        let painter = ui.painter_at(plot);
        let right = plot.left() + plot.width() * AXIS.position(settings.mono_below.0 as f32).clamp(0.0, 1.0);
        let area = Rect::from_min_max(plot.min, pos2(right, plot.bottom()));
        painter.rect_filled(area, 4.0, theme::faded(theme::COOL, 0.14));
        painter.vline(right, plot.y_range(), Stroke::new(1.5, theme::COOL));
        let text = format!("mono below {}", hertz(settings.mono_below.0));
        painter.text(pos2(plot.left() + 8.0, plot.bottom() - 12.0), Align2::LEFT_CENTER, text, theme::font(11.0), theme::COOL);
    }

    /// What a mono sum loses, and what is done against it.
    fn mono(&self, ui: &Ui, rect: Rect, on: bool, settings: &Settings) {
        let loss = if self.mono_loss.is_finite() { format!("{:.1} dB", self.mono_loss.max(0.0)) } else { "-".to_owned() };
        let mut text = format!("Mono sum loses {loss}");
        if on && settings.mono_loss.0.is_finite() {
            text += &format!(", guarded at {:.1} dB: sides {:+.1} dB", settings.mono_loss.0, self.guard);
        }
        ui.painter_at(rect).text(pos2(rect.left() + 12.0, rect.top() + 12.0), Align2::LEFT_CENTER, text, theme::font(11.5), theme::DIM);
    }

    /// A handle of one value; `along` gives where it comes to for a movement.
    #[expect(clippy::too_many_arguments, reason = "a place, a parameter, and how it moves")]
    fn drag(
        &mut self,
        ui: &Ui,
        panel: &mut Panel,
        grip: Rect,
        index: usize,
        cursor: CursorIcon,
        value: f32,
        along: impl Fn(f32, plainsong_shell::egui::Vec2) -> f32,
    ) {
        let response = ui.interact(grip, Id::unique(("plainsong-width", index)), Sense::click_and_drag()).on_hover_and_drag_cursor(cursor);
        if response.drag_started() {
            self.held = Some(value);
            panel.grab(&[index]);
        }
        if response.dragged()
            && let Some(held) = &mut self.held
        {
            *held = along(*held, response.drag_delta());
            panel.pull(index, *held);
        }
        if response.drag_stopped() {
            self.held = None;
            panel.release();
        }
        if response.double_clicked() {
            panel.change(index, panel.table()[index].default_value());
        }
        if response.hovered() {
            ui.painter().rect_stroke(
                grip.shrink2(vec2(0.0, 3.0)),
                2.0,
                Stroke::new(1.0, theme::faded(theme::TEXT, 0.4)),
                plainsong_shell::egui::StrokeKind::Inside,
            );
        }
        let param = &panel.table()[index];
        response.on_hover_text(format!("{}: {}. Drag to move, double-click resets.", param.name, param.format(value)));
    }
}

/// Width, mono bass and guard; colour.
pub fn controls(ui: &mut Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let colour = (ui.available_width() * 0.36).max(300.0);
    let width = ui.available_width() - colour - gap;
    panel.group(ui, "", width, |ui, panel| {
        ui.vertical(|ui| {
            panel.switch_as(ui, "stereo-on", "Stereo on", 120.0);
            row(ui, panel, &[("stereo-low", "Low width"), ("stereo-mid", "Mid width"), ("stereo-high", "High width")], SMALL);
            let below = [
                ("stereo-x1", "Cross 1"),
                ("stereo-x2", "Cross 2"),
                ("stereo-mono-below", "Mono below"),
                ("stereo-mono-loss", "Mono loss"),
            ];
            row(ui, panel, &below, SMALL);
        });
    });
    panel.group(ui, "", colour, |ui, panel| {
        ui.vertical(|ui| {
            let width = ui.available_width();
            panel.switch_as(ui, "colour-on", "Colour on", 120.0);
            ui.add_space(4.0);
            panel.segmented_as(ui, "colour-type", "Kind", width);
            ui.add_space(6.0);
            row(ui, panel, &[("colour-drive", "Drive"), ("colour-mix", "Mix")], KNOB);
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_has_its_parameter() {
        assert!(REGIONS.iter().all(|(id, _)| at(&format!("stereo-{id}")) > 0) && at("stereo-x2") > 0);
    }
}
