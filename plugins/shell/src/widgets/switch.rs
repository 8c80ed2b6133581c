//! On or off.

use crate::editor::Panel;
use crate::theme;
use egui::{Align2, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Draws the switch `index` with a name beside. With a reason against it, it cannot be moved.
pub fn switch(ui: &mut Ui, panel: &mut Panel, index: usize, name: &str, width: f32, against: Option<&str>) {
    let param = &panel.table()[index];
    // What has no effect shows none.
    let on = panel.value(index) >= 0.5 && against.is_none();
    let (rect, response) = ui.allocate_exact_size(vec2(width, 24.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, against.is_none(), on, param.name));
    if let Some(reason) = against {
        response.clone().on_hover_text(reason);
    } else if response.clicked() {
        panel.change(index, if on { 0.0 } else { 1.0 });
    }
    if against.is_none() {
        panel.explain(&response, index);
    }
    let track = Rect::from_min_size(pos2(rect.left(), rect.center().y - 8.0), vec2(30.0, 16.0));
    let slide = ui.ctx().animate_bool_with_time(response.id, on, 0.08);
    let painter = ui.painter();
    painter.rect_filled(track, 8.0, if on { theme::WARM } else { theme::RAISED });
    let knob = pos2(egui::lerp(track.left() + 8.0..=track.right() - 8.0, slide), track.center().y);
    painter.circle_filled(knob, 6.0, if on { theme::WELL } else { theme::DIM });
    if response.has_focus() {
        painter.rect_stroke(track.expand(2.0), 10.0, Stroke::new(1.0, theme::COOL), StrokeKind::Outside);
    }
    let color = if against.is_some() {
        theme::faded(theme::DIM, 0.5)
    } else if on || response.hovered() {
        theme::TEXT
    } else {
        theme::DIM
    };
    painter.text(pos2(track.right() + 8.0, rect.center().y), Align2::LEFT_CENTER, name, theme::font(12.5), color);
}
