//! A fader: drag, wheel, keys, double-click for the default, a click on the value or Enter to type.

use crate::editor::Panel;
use crate::theme;
use egui::{Align2, Color32, Rect, Response, Sense, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

/// Height of the value's plate below, in points.
const VALUE: f32 = 24.0;
/// Height of the cap in points.
const CAP: f32 = 22.0;
/// Width of the groove in points.
const GROOVE: f32 = 6.0;
/// Width of the cap in points.
const CAP_WIDTH: f32 = 34.0;
/// Values that have a mark, in dB, where the range holds them.
const MARKS: [f32; 8] = [12.0, 6.0, 0.0, -6.0, -12.0, -24.0, -36.0, -48.0];

/// Draws the parameter `index` as a fader of a size in points, with its value below.
pub fn fader(ui: &mut Ui, panel: &mut Panel, index: usize, color: Color32, size: Vec2) -> Response {
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let plate = Rect::from_min_max(pos2(rect.left(), rect.bottom() - VALUE), rect.max);
    let slot = Rect::from_min_max(rect.min, pos2(rect.right(), plate.top() - 6.0));
    let param = &panel.table()[index];
    let response = ui.interact(slot, ui.scope_id().with((param.id, "fader")), Sense::click_and_drag());
    // The cap's middle goes from end to end of this.
    let travel = slot.shrink2(vec2(0.0, CAP / 2.0));
    let moved = -response.drag_delta().y / travel.height().max(1.0);
    panel.handle_moved(ui, index, &response, moved);

    let value = panel.value(index);
    let y = |panel: &Panel, value: f32| egui::lerp(travel.bottom()..=travel.top(), panel.params().normalized(index, value));
    let lit = response.hovered() || response.dragged() || response.has_focus();
    // The marks are left of the groove.
    let x = slot.right() - CAP_WIDTH / 2.0 - 3.0;
    let painter = ui.painter();
    let (min, max) = param.range();
    for mark in MARKS.into_iter().filter(|mark| (min..=max).contains(mark)) {
        let at = y(panel, mark);
        let (shade, from) = if mark == 0.0 { (theme::TEXT, 16.0) } else { (theme::DIM, 12.0) };
        painter.hline(x - from..=x - GROOVE, at, Stroke::new(1.0, theme::faded(shade, 0.6)));
        painter.text(pos2(x - 20.0, at), Align2::RIGHT_CENTER, format!("{mark:+.0}").replace("+0", "0"), theme::font(10.0), shade);
    }
    let groove = Rect::from_center_size(pos2(x, slot.center().y), vec2(GROOVE, slot.height() - 4.0));
    painter.rect_filled(groove, 3.0, theme::WELL);
    let shown = if panel.is_bypassed() { theme::DIM } else { color };
    let top = y(panel, value);
    painter.rect_filled(Rect::from_min_max(pos2(groove.left(), top), groove.max), 3.0, theme::faded(shown, 0.75));
    if let Some(modulated) = panel.modulated(index) {
        // Where the host's modulation has the value now.
        painter.circle_filled(pos2(x, y(panel, modulated)), 3.0, theme::TEXT);
    }
    let cap = Rect::from_center_size(pos2(x, top), vec2(CAP_WIDTH, CAP));
    painter.rect_filled(cap.translate(vec2(0.0, 2.0)), 4.0, Color32::from_black_alpha(110));
    painter.rect_filled(cap, 4.0, if lit { theme::HOVER } else { theme::RAISED });
    painter.rect_stroke(cap, 4.0, Stroke::new(1.0, if lit { theme::DIM } else { theme::LINE }), StrokeKind::Inside);
    painter.rect_filled(Rect::from_center_size(cap.center(), vec2(26.0, 2.5)), 1.0, shown);
    if response.has_focus() {
        painter.rect_stroke(cap.expand(2.0), 5.0, Stroke::new(1.0, theme::COOL), StrokeKind::Outside);
    }

    let typed = ui.interact(plate, ui.scope_id().with((param.id, "value")), Sense::click());
    if typed.clicked() || typed.secondary_clicked() {
        panel.begin_typing(index);
    }
    if !panel.type_value(ui, index, plate.shrink2(vec2(6.0, 3.0))) {
        let painter = ui.painter();
        painter.rect_filled(plate, 4.0, if typed.hovered() { theme::HOVER } else { theme::WELL });
        painter.text(plate.center(), Align2::CENTER_CENTER, param.format(value), theme::font(13.0), theme::TEXT);
    }
    typed.on_hover_text("Click to type a value.");
    response
}
