//! On or off, as a small button with a mark: mute and solo of a channel strip.

use crate::editor::Panel;
use crate::theme;
use egui::{Align2, Color32, Rect, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2};

/// Draws the switch `index` as a button of a size in points; lit, it has the colour.
pub fn toggle(ui: &mut Ui, panel: &mut Panel, index: usize, mark: &str, color: Color32, size: Vec2) {
    let param = &panel.table()[index];
    let on = panel.value(index) >= 0.5;
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, on, param.name));
    if response.clicked() {
        panel.change(index, if on { 0.0 } else { 1.0 });
    }
    panel.explain(&response, index);
    let painter = ui.painter();
    let fill = match (on, response.hovered()) {
        (true, _) => color,
        (false, true) => theme::HOVER,
        (false, false) => theme::RAISED,
    };
    painter.rect_filled(rect, 5.0, fill);
    if response.has_focus() {
        painter.rect_stroke(rect.expand(2.0), 6.0, Stroke::new(1.0, theme::COOL), StrokeKind::Outside);
    }
    painter.text(rect.center(), Align2::CENTER_CENTER, mark, theme::font(12.5), if on { theme::WELL } else { theme::DIM });
    if on {
        // A bar as well as a shade, so that it reads without colour.
        let bar = Rect::from_min_max(pos2(rect.left() + 6.0, rect.bottom() - 4.0), pos2(rect.right() - 6.0, rect.bottom() - 2.0));
        painter.rect_filled(bar, 1.0, theme::WELL);
    }
}
