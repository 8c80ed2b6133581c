//! A knob: drag, wheel, keys, double-click for the default, right-click or Enter to type.

use crate::editor::Panel;
use crate::theme;
use dsp_core::params::Kind;
use egui::{Align2, Pos2, Rect, Response, Sense, Shape, Stroke, Ui, Vec2, pos2, vec2};
use std::f32::consts::TAU;

/// Angle of the lowest value, clockwise from straight down, in turns.
const START: f32 = 0.125;
/// Travel in turns.
const SWEEP: f32 = 0.75;
/// Height of a line of text beside a knob, in points.
const LINE: f32 = 17.0;
/// Narrowest knob with its name and value, in points.
pub const WIDTH: f32 = 68.0;
/// Diameter in points from which the value stands in the middle.
const LARGE: f32 = 90.0;

/// Draws the parameter `index` under a name as a knob of a diameter in points.
pub fn knob(ui: &mut Ui, panel: &mut Panel, index: usize, name: &str, diameter: f32) -> Response {
    let large = diameter >= LARGE;
    let width = (diameter + 10.0).max(WIDTH);
    let height = LINE + 4.0 + diameter + if large { 0.0 } else { LINE - 4.0 };
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click_and_drag());
    panel.handle(ui, index, &response);
    let param = &panel.table()[index];
    let value = panel.value(index);
    let normalized = panel.params().normalized(index, value);
    let center = pos2(rect.center().x, rect.top() + LINE + 4.0 + diameter / 2.0);
    let lit = response.hovered() || response.dragged() || response.has_focus();
    let painter = ui.painter();

    let name_color = if lit { theme::TEXT } else { theme::DIM };
    painter.text(
        pos2(center.x, rect.top() + LINE / 2.0),
        Align2::CENTER_CENTER,
        name,
        theme::font(if large { 14.0 } else { 12.5 }),
        name_color,
    );

    let thickness = if large { 7.0 } else { 4.0 };
    let radius = diameter / 2.0 - thickness / 2.0;
    painter.add(arc(center, radius, 0.0, 1.0, Stroke::new(thickness, theme::RAISED)));
    let (min, max) = param.range();
    // A range around zero fills from zero: the arc shows how far from neutral.
    let origin = if min < 0.0 && max > 0.0 { panel.params().normalized(index, 0.0) } else { 0.0 };
    let color = if panel.is_bypassed() { theme::DIM } else { theme::WARM };
    if (normalized - origin).abs() > 1e-3 {
        painter.add(arc(center, radius, origin.min(normalized), origin.max(normalized), Stroke::new(thickness, color)));
    }
    let body = radius - thickness / 2.0 - if large { 6.0 } else { 4.0 };
    painter.circle_filled(center, body, if lit { theme::HOVER } else { theme::RAISED });
    let direction = point(normalized);
    let inner = if large { 0.72 } else { 0.35 };
    painter.line_segment(
        [center + direction * body * inner, center + direction * (body - 2.0)],
        Stroke::new(if large { 3.0 } else { 2.0 }, theme::TEXT),
    );
    if let Some(modulated) = panel.modulated(index) {
        // Where the host's modulation has the value now.
        let at = panel.params().normalized(index, modulated);
        painter.circle_filled(center + point(at) * (radius + thickness), 2.0, theme::COOL);
    }
    if response.has_focus() {
        painter.circle_stroke(center, diameter / 2.0 + 2.5, Stroke::new(1.0, theme::COOL));
    }

    let text = param.format(value);
    let value_rect = if large {
        Rect::from_center_size(center, vec2(body * 1.35, 26.0))
    } else {
        Rect::from_center_size(pos2(center.x, center.y + diameter / 2.0 + LINE / 2.0 - 3.0), vec2(width, LINE))
    };
    if !panel.type_value(ui, index, value_rect) {
        ui.painter().text(value_rect.center(), Align2::CENTER_CENTER, text, theme::font(if large { 21.0 } else { 12.5 }), theme::TEXT);
    }
    if large && matches!(param.kind, Kind::Float { .. }) {
        for (at, align, end) in [(0.0, Align2::LEFT_CENTER, min), (1.0, Align2::RIGHT_CENTER, max)] {
            let foot = center + point(at) * (radius + 2.0);
            let x = if at == 0.0 { foot.x + 9.0 } else { foot.x - 9.0 };
            ui.painter().text(pos2(x, foot.y + 7.0), align, format!("{end}"), theme::font(10.5), theme::DIM);
        }
    }
    response
}

/// Direction of a position on the travel.
fn point(normalized: f32) -> Vec2 {
    let angle = (START + SWEEP * normalized) * TAU;
    vec2(-angle.sin(), angle.cos())
}

/// Part of the travel as a line.
fn arc(center: Pos2, radius: f32, from: f32, to: f32, stroke: Stroke) -> Shape {
    let steps = ((to - from).abs() * 56.0).ceil().max(2.0) as usize;
    let points = (0..=steps).map(|i| center + point(from + (to - from) * i as f32 / steps as f32) * radius).collect();
    Shape::line(points, stroke)
}
