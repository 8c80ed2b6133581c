//! One of many values: a button that opens a list.

use crate::editor::Panel;
use crate::theme;
use dsp_core::params::Kind;
use egui::{Align2, Button, Popup, Rect, Response, Role, ScrollArea, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Height of the button in points.
const HEIGHT: f32 = 26.0;
/// Height of the name above, in points.
const NAME: f32 = 18.0;

/// Draws the choice `index` with a name above.
pub fn menu(ui: &mut Ui, panel: &mut Panel, index: usize, name: &str, width: f32) {
    let param = &panel.table()[index];
    let Kind::Choice { values, .. } = param.kind else { return };
    let now = panel.value(index) as usize;
    let labels: Vec<&str> = values.iter().map(|(_, label)| *label).collect();
    let (response, picked) = dropdown(ui, name, &labels, now, width);
    panel.explain(&response, index);
    if let Some(picked) = picked {
        panel.change(index, picked as f32);
    }
}

/// Draws a button with a name above (if there is one) that shows one of the labels and opens the list of
/// all. Gives the button's response and what was picked.
pub fn dropdown(ui: &mut Ui, name: &str, labels: &[&str], now: usize, width: f32) -> (Response, Option<usize>) {
    let above = if name.is_empty() { 0.0 } else { NAME };
    let (rect, response) = ui.allocate_exact_size(vec2(width, above + HEIGHT), Sense::click());
    let shown = labels.get(now).copied().unwrap_or_default();
    response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, format!("{name} {shown}")));
    let painter = ui.painter();
    painter.text(pos2(rect.left(), rect.top() + 8.0), Align2::LEFT_CENTER, name, theme::font(12.5), theme::DIM);
    let plate = Rect::from_min_max(pos2(rect.left(), rect.top() + above), rect.max);
    painter.rect_filled(plate, 5.0, if response.hovered() { theme::HOVER } else { theme::WELL });
    if response.has_focus() {
        painter.rect_stroke(plate, 5.0, Stroke::new(1.0, theme::COOL), StrokeKind::Inside);
    }
    let text = Rect::from_min_max(plate.min, pos2(plate.right() - 20.0, plate.bottom()));
    let inside = ui.painter_at(text.shrink2(vec2(4.0, 0.0)));
    inside.text(pos2(plate.left() + 9.0, plate.center().y), Align2::LEFT_CENTER, shown, theme::font(13.0), theme::TEXT);
    let tip = pos2(plate.right() - 12.0, plate.center().y + 2.0);
    let arrow = [tip + vec2(-4.0, -4.0), tip, tip + vec2(4.0, -4.0)];
    ui.painter().add(Shape::line(arrow.to_vec(), Stroke::new(1.6, theme::DIM)));
    let mut picked = None;
    Popup::menu(&response).width(width.max(150.0)).show(|ui| {
        ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
            for (index, label) in labels.iter().enumerate() {
                let entry = Button::selectable(index == now, *label).right_text("").min_size(vec2(ui.available_width(), 24.0));
                if ui.add(entry).clicked() {
                    picked = Some(index);
                    ui.close();
                }
            }
        });
    });
    (response, picked.filter(|picked| *picked != now))
}
