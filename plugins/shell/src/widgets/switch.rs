//! On or off.

use crate::editor::Panel;
use crate::theme;
use egui::{Align2, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Draws the switch `index` with a name beside.
pub fn switch(ui: &mut Ui, panel: &mut Panel, index: usize, name: &str, width: f32) {
    let param = &panel.table()[index];
    let on = panel.value(index) >= 0.5;
    let (rect, response) = ui.allocate_exact_size(vec2(width, 24.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, on, param.name));
    if response.clicked() {
        panel.change(index, if on { 0.0 } else { 1.0 });
    }
    panel.explain(&response, index);
    let track = Rect::from_min_size(pos2(rect.left(), rect.center().y - 8.0), vec2(30.0, 16.0));
    let slide = ui.ctx().animate_bool_with_time(response.id, on, 0.08);
    let painter = ui.painter();
    painter.rect_filled(track, 8.0, if on { theme::WARM } else { theme::RAISED });
    let knob = pos2(egui::lerp(track.left() + 8.0..=track.right() - 8.0, slide), track.center().y);
    painter.circle_filled(knob, 6.0, if on { theme::WELL } else { theme::DIM });
    if response.has_focus() {
        painter.rect_stroke(track.expand(2.0), 10.0, Stroke::new(1.0, theme::COOL), StrokeKind::Outside);
    }
    let color = if on || response.hovered() { theme::TEXT } else { theme::DIM };
    painter.text(pos2(track.right() + 8.0, rect.center().y), Align2::LEFT_CENTER, name, theme::font(12.5), color);
}
