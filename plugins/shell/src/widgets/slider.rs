//! A value of the editor's own, that is no parameter: drag, wheel, keys, double-click for the default.

use crate::theme;
use egui::{Align2, Key, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Height of the name's line and of the bar in points.
const NAME: f32 = 16.0;
const BAR: f32 = 10.0;
/// Travel of an arrow key.
const STEP: f32 = 0.02;

/// Draws `position` (0 to 1) as a bar with its name and text above, and gives where it was moved to.
pub fn slider(ui: &mut Ui, name: &str, text: &str, position: f32, default: f32, width: f32) -> (Response, Option<f32>) {
    let (rect, response) = ui.allocate_exact_size(vec2(width, NAME + BAR + 4.0), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, format!("{name} {text}")));
    let bar = Rect::from_min_max(pos2(rect.left(), rect.top() + NAME + 2.0), pos2(rect.right(), rect.top() + NAME + 2.0 + BAR));
    let lit = response.hovered() || response.dragged() || response.has_focus();
    let painter = ui.painter();
    let line = rect.top() + NAME / 2.0;
    painter.text(pos2(rect.left(), line), Align2::LEFT_CENTER, name, theme::font(12.5), if lit { theme::TEXT } else { theme::DIM });
    painter.text(pos2(rect.right(), line), Align2::RIGHT_CENTER, text, theme::font(12.5), theme::TEXT);
    painter.rect_filled(bar, 3.0, theme::WELL);
    let filled = Rect::from_min_size(bar.min, vec2(bar.width() * position.clamp(0.0, 1.0), bar.height()));
    painter.rect_filled(filled, 3.0, theme::WARM);
    if response.has_focus() {
        painter.rect_stroke(bar, 3.0, Stroke::new(1.0, theme::COOL), StrokeKind::Outside);
    }
    let mut moved = None;
    if response.double_clicked() {
        moved = Some(default);
    } else if (response.dragged() || response.clicked())
        && let Some(pointer) = response.interact_pointer_pos()
    {
        moved = Some((pointer.x - bar.left()) / bar.width().max(1.0));
    } else if response.has_focus() {
        let steps = ui.input(|input| {
            let pressed = |key| input.num_presses(key) as f32;
            pressed(Key::ArrowRight) + pressed(Key::ArrowUp) - pressed(Key::ArrowLeft) - pressed(Key::ArrowDown)
        });
        moved = (steps != 0.0).then_some(position + steps * STEP);
    }
    (response, moved.map(|moved| moved.clamp(0.0, 1.0)).filter(|moved| *moved != position))
}
