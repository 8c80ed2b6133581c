//! What opens over the editor: saving, deleting, the model's card.

use super::card;
use super::panel::{Dialog, Panel};
use crate::theme;
use egui::{Align, Button, Frame, Id, Key, Layout, Margin, Modal, RichText, ScrollArea, TextEdit, Ui};

pub(super) fn show(ui: &Ui, panel: &mut Panel) {
    let Some(mut dialog) = panel.dialog.take() else { return };
    let frame = Frame::window(ui.style()).inner_margin(Margin::same(18));
    let area = ui.ctx().content_rect();
    let mut open = true;
    let modal = Modal::new(Id::unique("plainsong-dialog")).frame(frame).show(ui.ctx(), |ui| match &mut dialog {
        Dialog::Save(name) => {
            ui.set_width(320.0);
            ui.heading("Save a preset");
            ui.add_space(8.0);
            let field = ui.add(TextEdit::singleline(name).hint_text("Name").desired_width(f32::INFINITY).char_limit(80));
            if !field.has_focus() && !field.lost_focus() {
                field.request_focus();
            }
            let replaces = panel.presets.names().iter().any(|known| known == name.trim());
            ui.weak(if replaces { "Replaces the preset of this name." } else { "" });
            let enter = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            buttons(ui, "Save", !name.trim().is_empty(), enter, &mut open, || panel.save(name));
        }
        Dialog::Delete(name) => {
            ui.set_width(320.0);
            ui.heading("Delete a preset");
            ui.add_space(8.0);
            ui.label(format!("\"{name}\" will be gone for good."));
            ui.add_space(4.0);
            buttons(ui, "Delete", true, false, &mut open, || {
                if let Err(error) = panel.presets.delete(name) {
                    panel.say(error);
                }
            });
        }
        Dialog::Card(title, text) => {
            ui.set_width((area.width() - 120.0).min(680.0));
            ui.horizontal(|ui| {
                ui.heading(title.as_str());
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if ui.button("Close").clicked() {
                        open = false;
                    }
                    ui.label(RichText::new(format!("{} {}", panel.name, panel.version)).color(theme::DIM));
                });
            });
            ui.separator();
            let height = area.height() - 200.0;
            ScrollArea::vertical().max_height(height).min_scrolled_height(height).auto_shrink([false, true]).show(ui, |ui| {
                card::show(ui, text);
            });
        }
    });
    if open && !modal.should_close() {
        panel.dialog = Some(dialog);
    }
}

fn buttons(ui: &mut Ui, name: &str, enabled: bool, enter: bool, open: &mut bool, act: impl FnOnce()) {
    ui.add_space(6.0);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let button = Button::new(RichText::new(name).color(theme::WELL)).fill(theme::WARM);
        if ui.add_enabled(enabled, button).clicked() || (enabled && enter) {
            act();
            *open = false;
        }
        if ui.button("Cancel").clicked() {
            *open = false;
        }
    });
}
