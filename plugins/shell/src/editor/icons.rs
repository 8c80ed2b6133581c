//! Small buttons with a drawn sign: no font needs to have it.

use crate::theme;
use egui::{Color32, Pos2, Rect, Response, Role, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo, vec2};
use std::f32::consts::TAU;

/// A sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    Left,
    Right,
    Undo,
    Redo,
    Power,
    Save,
    Down,
}

/// A button with a sign, a name for the tooltip, and whether it is lit.
pub(super) fn icon_button(ui: &mut Ui, icon: Icon, name: &str, enabled: bool, lit: bool) -> Response {
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(vec2(26.0, 26.0), sense);
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, lit, name));
    let color = match (enabled, lit) {
        (false, _) => theme::faded(theme::DIM, 0.4),
        (true, true) => theme::WARM,
        (true, false) => theme::TEXT,
    };
    if enabled && response.hovered() {
        ui.painter().rect_filled(rect, 5.0, theme::HOVER);
    }
    if response.has_focus() {
        ui.painter().rect_stroke(rect, 5.0, Stroke::new(1.0, theme::COOL), StrokeKind::Inside);
    }
    paint(ui, icon, rect, color);
    response.on_hover_text(name)
}

/// Draws a sign in the middle of a rectangle.
pub(super) fn paint(ui: &Ui, icon: Icon, rect: Rect, color: Color32) {
    let c = rect.center();
    let stroke = Stroke::new(1.6, color);
    let line = |points: &[(f32, f32)]| {
        ui.painter().add(Shape::line(points.iter().map(|(x, y)| c + vec2(*x, *y)).collect(), stroke));
    };
    match icon {
        Icon::Left => line(&[(2.5, -5.0), (-2.5, 0.0), (2.5, 5.0)]),
        Icon::Right => line(&[(-2.5, -5.0), (2.5, 0.0), (-2.5, 5.0)]),
        Icon::Down => line(&[(-4.0, -2.0), (0.0, 2.0), (4.0, -2.0)]),
        Icon::Undo | Icon::Redo => {
            let side = if icon == Icon::Undo { -1.0 } else { 1.0 };
            let at = |turn: f32| -> Pos2 { c + vec2(side * 5.5 * (turn * TAU).cos(), 1.0 - 5.5 * (turn * TAU).sin()) };
            ui.painter().add(Shape::line((0..=18).map(|i| at(0.06 + 0.036 * i as f32 - 0.06)).collect(), stroke));
            line(&[(side * 2.2, -0.5), (side * 5.5, 2.4), (side * 8.4, -1.2)]);
        }
        Icon::Power => {
            let at = |turn: f32| c + 5.8 * vec2((turn * TAU).sin(), -(turn * TAU).cos());
            ui.painter().add(Shape::line((0..=24).map(|i| at(0.11 + 0.78 * i as f32 / 24.0)).collect(), stroke));
            line(&[(0.0, -7.0), (0.0, -0.5)]);
        }
        Icon::Save => {
            line(&[(0.0, -6.0), (0.0, 2.0)]);
            line(&[(-3.5, -1.5), (0.0, 2.2), (3.5, -1.5)]);
            line(&[(-6.0, 2.5), (-6.0, 6.0), (6.0, 6.0), (6.0, 2.5)]);
        }
    }
}
