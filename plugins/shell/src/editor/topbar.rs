//! The bar at the top: presets, undo, A/B, zoom, bypass.

use super::icons::{Icon, icon_button, paint};
use super::panel::{Dialog, Panel};
use crate::compare;
use crate::persist::ZOOMS;
use crate::theme;
use dsp_core::params::index_of;
use egui::{Align, Align2, Button, Layout, Popup, Rect, Role, Sense, Stroke, StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2};

/// Height in points.
pub(super) const HEIGHT: f32 = 46.0;
/// Width of the preset's name in points.
const PRESET_WIDTH: f32 = 210.0;

pub(super) fn show(ui: &mut Ui, panel: &mut Panel, rect: Rect) {
    ui.painter().rect_filled(rect, 0.0, theme::PANEL);
    ui.painter().hline(rect.x_range(), rect.bottom() - 0.5, Stroke::new(1.0, theme::LINE));
    let inside = rect.shrink2(vec2(14.0, 0.0));
    ui.scope_builder(UiBuilder::new().max_rect(inside).layout(Layout::left_to_right(Align::Center)), |ui| {
        ui.spacing_mut().item_spacing.x = 3.0;
        wordmark(ui, panel);
        let used = PRESET_WIDTH + 4.0 * 29.0;
        let space = (inside.center().x - used / 2.0 - 20.0 - ui.cursor().left()).max(12.0);
        ui.add_space(space);
        presets(ui, panel);
        ui.add_space(10.0);
        if icon_button(ui, Icon::Undo, "Undo (Ctrl+Z)", panel.undo.can_undo(), false).clicked() {
            panel.step_back();
        }
        if icon_button(ui, Icon::Redo, "Redo (Ctrl+Y)", panel.undo.can_redo(), false).clicked() {
            panel.step_forth();
        }
    });
    ui.scope_builder(UiBuilder::new().max_rect(inside).layout(Layout::right_to_left(Align::Center)), |ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        if let Ok(index) = index_of(panel.table(), "bypass") {
            let on = panel.value(index) < 0.5;
            let name = if on { "Bypass: hear the sound as it came, with the same delay" } else { "Bypassed. Click to hear the plugin" };
            if icon_button(ui, Icon::Power, name, true, on).clicked() {
                panel.change(index, if on { 1.0 } else { 0.0 });
            }
        }
        ui.add_space(4.0);
        zoom(ui);
        ui.add_space(6.0);
        sides(ui, panel);
    });
}

fn wordmark(ui: &mut Ui, panel: &Panel) {
    let (first, last) = panel.name.split_once(' ').unwrap_or(("", panel.name));
    let painter = ui.painter();
    let left = ui.cursor().left();
    let y = ui.max_rect().center().y;
    // Four lines and a note: plainsong is written on four.
    for i in 0..4 {
        let at = y - 7.5 + 5.0 * i as f32;
        painter.hline(left..=left + 20.0, at, Stroke::new(1.0, theme::faded(theme::DIM, 0.7)));
    }
    painter.rect_filled(Rect::from_center_size(pos2(left + 6.5, y + 2.5), vec2(5.0, 5.0)), 0.0, theme::COOL);
    painter.rect_filled(Rect::from_center_size(pos2(left + 13.5, y - 2.5), vec2(5.0, 5.0)), 0.0, theme::WARM);
    let first = painter.text(pos2(left + 30.0, y), Align2::LEFT_CENTER, first, theme::font(16.0), theme::DIM);
    let last = painter.text(pos2(first.right() + 6.0, y), Align2::LEFT_CENTER, last, theme::font(16.0), theme::TEXT);
    ui.add_space(last.right() - left);
}

fn presets(ui: &mut Ui, panel: &mut Panel) {
    if icon_button(ui, Icon::Left, "Preset before", true, false).clicked() {
        panel.browse(-1);
    }
    let (name, changed) = panel.preset();
    let (rect, response) = ui.allocate_exact_size(vec2(PRESET_WIDTH, 28.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Preset {name}")));
    let painter = ui.painter();
    painter.rect_filled(rect, 5.0, if response.hovered() { theme::HOVER } else { theme::WELL });
    if response.has_focus() {
        painter.rect_stroke(rect, 5.0, Stroke::new(1.0, theme::COOL), StrokeKind::Inside);
    }
    let text = if changed { format!("{name} *") } else { name.clone() };
    ui.painter_at(rect.shrink2(vec2(22.0, 0.0))).text(rect.center(), Align2::CENTER_CENTER, text, theme::font(13.5), theme::TEXT);
    paint(ui, Icon::Down, Rect::from_center_size(pos2(rect.right() - 13.0, rect.center().y), vec2(10.0, 10.0)), theme::DIM);
    if response.clicked() {
        panel.presets.refresh();
    }
    Popup::menu(&response).width(PRESET_WIDTH + 60.0).show(|ui| menu(ui, panel, &name));
    if icon_button(ui, Icon::Right, "Next preset", true, false).clicked() {
        panel.browse(1);
    }
    if icon_button(ui, Icon::Save, "Save as a preset (Ctrl+S)", true, false).clicked() {
        panel.dialog = Some(Dialog::Save(if changed { String::new() } else { name }));
    }
}

fn menu(ui: &mut Ui, panel: &mut Panel, now: &str) {
    ui.set_min_width(PRESET_WIDTH + 60.0);
    ui.weak("Factory");
    for (name, _) in panel.presets.format().factory {
        if entry(ui, name, *name == now) {
            panel.load_factory(name);
            ui.close();
        }
    }
    ui.separator();
    ui.weak("Yours");
    let names = panel.presets.names().to_vec();
    if names.is_empty() {
        ui.weak("  none saved yet");
    }
    egui::ScrollArea::vertical().max_height(220.0).show(ui, |ui| {
        for name in &names {
            ui.horizontal(|ui| {
                if ui.add_sized([PRESET_WIDTH - 8.0, 24.0], Button::selectable(name == now, name.as_str()).right_text("")).clicked() {
                    panel.load_user(name);
                    ui.close();
                }
                if ui.add(Button::new("Delete").small().frame(false)).clicked() {
                    panel.dialog = Some(Dialog::Delete(name.clone()));
                    ui.close();
                }
            });
        }
    });
    ui.separator();
    if ui.add(Button::new("Save as...").frame_when_inactive(false)).clicked() {
        panel.dialog = Some(Dialog::Save(String::new()));
        ui.close();
    }
}

fn entry(ui: &mut Ui, name: &str, chosen: bool) -> bool {
    ui.add(Button::selectable(chosen, name).right_text("").min_size(vec2(ui.available_width(), 24.0))).clicked()
}

fn zoom(ui: &mut Ui) {
    let now = ui.ctx().zoom_factor();
    let response = ui
        .add(Button::new(format!("{:.0} %", now * 100.0)).min_size(vec2(58.0, 26.0)))
        .on_hover_text("Zoom (Ctrl+Page Up, Ctrl+Page Down)");
    Popup::menu(&response).show(|ui| {
        for zoom in ZOOMS {
            if entry(ui, &format!("{:.0} %", zoom * 100.0), (zoom - now).abs() < 0.01) {
                ui.ctx().set_zoom_factor(zoom);
                ui.close();
            }
        }
    });
}

fn sides(ui: &mut Ui, panel: &mut Panel) {
    let state = panel.params().persisted();
    let same = compare::same(&state, panel.values());
    let (from, to) = if state.b { ("B", "A") } else { ("A", "B") };
    let copy = Button::new(format!("{from} to {to}")).min_size(vec2(54.0, 26.0));
    if ui.add_enabled(!same, copy).on_hover_text(format!("Copy {from} over {to}")).clicked() {
        panel.copy_side();
    }
    let (rect, _) = ui.allocate_exact_size(vec2(60.0, 26.0), Sense::hover());
    ui.painter().rect_filled(rect, 5.0, theme::WELL);
    for (i, side) in ["A", "B"].into_iter().enumerate() {
        let chosen = state.b == (i == 1);
        let cell = Rect::from_min_size(pos2(rect.left() + 30.0 * i as f32, rect.top()), vec2(30.0, 26.0)).shrink(2.0);
        let response = ui.interact(cell, ui.scope_id().with(("side", i)), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, chosen, side));
        if chosen || response.hovered() {
            ui.painter().rect_filled(cell, 4.0, theme::HOVER);
        }
        if response.has_focus() {
            ui.painter().rect_stroke(cell, 4.0, Stroke::new(1.0, theme::COOL), StrokeKind::Inside);
        }
        ui.painter().text(cell.center(), Align2::CENTER_CENTER, side, theme::font(13.0), if chosen { theme::WARM } else { theme::DIM });
        if response.clicked() && !chosen {
            panel.switch_side();
        }
        response.on_hover_text("Two sets of values to compare");
    }
}
