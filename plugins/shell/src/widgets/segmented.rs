//! One of several values as buttons side by side.

use crate::editor::Panel;
use crate::theme;
use dsp_core::params::Kind;
use egui::{Align2, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Draws the choice `index` with a name above.
pub fn segmented(ui: &mut Ui, panel: &mut Panel, index: usize, name: &str, width: f32) {
    let param = &panel.table()[index];
    let Kind::Choice { values, .. } = param.kind else { return };
    let (rect, _) = ui.allocate_exact_size(vec2(width, 44.0), Sense::hover());
    ui.painter().text(pos2(rect.left(), rect.top() + 8.0), Align2::LEFT_CENTER, name, theme::font(12.5), theme::DIM);
    let track = Rect::from_min_max(pos2(rect.left(), rect.top() + 18.0), rect.max);
    ui.painter().rect_filled(track, 6.0, theme::WELL);
    let each = track.width() / values.len().max(1) as f32;
    let now = panel.value(index) as usize;
    for (i, (_, label)) in values.iter().enumerate() {
        let cell = Rect::from_min_size(pos2(track.left() + each * i as f32, track.top()), vec2(each, track.height())).shrink(2.0);
        let response = ui.interact(cell, ui.scope_id().with((param.id, i)), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, i == now, label));
        if response.clicked() {
            panel.change(index, i as f32);
        }
        panel.explain(&response, index);
        let fill = match (i == now, response.hovered()) {
            (true, _) => theme::HOVER,
            (false, true) => theme::PANEL,
            _ => theme::WELL,
        };
        let painter = ui.painter();
        painter.rect_filled(cell, 5.0, fill);
        if i == now {
            // A bar as well as a shade, so that it reads without colour.
            let bar = Rect::from_min_max(pos2(cell.left() + 8.0, cell.bottom() - 2.5), pos2(cell.right() - 8.0, cell.bottom() - 0.5));
            painter.rect_filled(bar, 1.0, theme::WARM);
        }
        if response.has_focus() {
            painter.rect_stroke(cell, 5.0, Stroke::new(1.0, theme::COOL), StrokeKind::Inside);
        }
        painter.text(cell.center(), Align2::CENTER_CENTER, *label, theme::font(12.5), if i == now { theme::TEXT } else { theme::DIM });
    }
}
