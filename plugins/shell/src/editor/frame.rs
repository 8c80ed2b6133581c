//! Where everything stands in the window.

use super::panel::{Dialog, Panel};
use super::{dialogs, status, topbar};
use crate::persist::{MAX_SIZE, MIN_SIZE, ZOOMS};
use crate::product::Product;
use crate::theme;
use crate::widgets::meter::meter;
use egui::{
    Align, Align2, Id, Key, KeyboardShortcut, Layout, Modifiers, Rect, Role, Sense, Stroke, Ui, UiBuilder, ViewportCommand, WidgetInfo,
    pos2, vec2,
};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Between drawings while something moves: 30 per second.
const MOVING: Duration = Duration::from_millis(33);
/// Between drawings while nothing moves; sound and the host's changes wake the window at once.
const AT_REST: Duration = Duration::from_millis(1000);
/// Width of a meter in points.
const METER: f32 = 58.0;
/// Height of tabs in points.
const TABS: f32 = 30.0;
/// Between parts, in points.
const GAP: f32 = 10.0;

/// Draws the whole window once.
pub(super) fn show<P: Product>(ui: &mut Ui, panel: &mut Panel) {
    let whole = ui.ctx().content_rect();
    panel.refresh(ui.input(|input| input.time));
    keys(ui, panel);
    ui.painter().rect_filled(whole, 0.0, theme::GROUND);

    let top = Rect::from_min_size(whole.min, vec2(whole.width(), topbar::HEIGHT));
    let bottom = Rect::from_min_max(pos2(whole.left(), whole.bottom() - status::HEIGHT), whole.max);
    let middle = Rect::from_min_max(top.left_bottom(), bottom.right_top()).shrink(GAP);
    let controls = Rect::from_min_max(pos2(middle.left(), middle.bottom() - P::CONTROLS), middle.max);
    let pictures = Rect::from_min_max(middle.min, pos2(middle.right(), controls.top() - GAP));

    topbar::show(ui, panel, top);
    if pictures.height() > 80.0 {
        show_pictures::<P>(ui, panel, pictures);
    }
    ui.scope_builder(UiBuilder::new().max_rect(controls).layout(Layout::left_to_right(Align::Min)), |ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        P::controls(ui, panel);
    });
    status::show(ui, panel, bottom);
    dialogs::show(ui, panel);
    corner(ui, whole);
    let resting = panel.at_rest();
    panel.live().rest(resting);
    ui.ctx().request_repaint_after(if resting { AT_REST } else { MOVING });
}

fn show_pictures<P: Product>(ui: &mut Ui, panel: &mut Panel, rect: Rect) {
    let mut between = rect;
    if P::LEVELS {
        let channels = panel.live().channels.load(Ordering::Relaxed) as usize;
        let left = Rect::from_min_size(rect.min, vec2(METER, rect.height()));
        let right = Rect::from_min_max(pos2(rect.right() - METER, rect.top()), rect.max);
        between = Rect::from_min_max(pos2(left.right() + GAP, rect.top()), pos2(right.left() - GAP, rect.bottom()));
        meter(ui, &mut panel.input, "In", channels, left, false);
        meter(ui, &mut panel.output, "Out", channels, right, true);
    }
    // Some have controls in them, and work on the panel while they are drawn.
    let mut pictures = panel.pictures.take();
    if let Some((side, width)) = &mut pictures.side {
        let place = Rect::from_min_max(pos2(between.right() - *width, between.top()), between.max);
        side.show_with(ui, place, panel);
        between.max.x = place.left() - GAP;
    }
    let (share, least, most) = pictures.strip_height;
    let strip = (between.height() * share).clamp(least, most);
    let mut main = Rect::from_min_max(between.min, pos2(between.right(), between.bottom() - strip - 8.0));
    let names: Vec<&'static str> = pictures.main.iter().map(|picture| picture.name()).collect();
    let chosen = panel.page().min(names.len().saturating_sub(1));
    if P::PAGES {
        tabs(ui, panel, Rect::from_min_size(main.min, vec2(main.width(), TABS)), &names, chosen);
        main.min.y += TABS + 6.0;
    }
    if let Some(picture) = pictures.main.get_mut(chosen) {
        picture.show_with(ui, main, panel);
    }
    if !P::PAGES {
        view(ui, panel, main, &names, chosen);
    }
    pictures.strip.show_with(ui, Rect::from_min_max(pos2(between.left(), main.bottom() + 8.0), between.max), panel);
    panel.pictures = pictures;
    if panel.is_bypassed() {
        let plate = Rect::from_center_size(main.center(), vec2(130.0, 32.0));
        ui.painter().rect_filled(plate, 6.0, theme::faded(theme::PANEL, 0.92));
        ui.painter().text(plate.center(), Align2::CENTER_CENTER, "Bypassed", theme::font(16.0), theme::WARM);
    }
}

/// The tabs of a product whose pictures are pages.
fn tabs(ui: &Ui, panel: &Panel, rect: Rect, names: &[&'static str], chosen: usize) {
    ui.painter().rect_filled(rect, 6.0, theme::WELL);
    let each = rect.width() / names.len().max(1) as f32;
    for (index, name) in names.iter().enumerate() {
        let cell = Rect::from_min_size(pos2(rect.left() + each * index as f32, rect.top()), vec2(each, rect.height())).shrink(2.0);
        let response = ui.interact(cell, Id::unique(("plainsong-tab", *name)), Sense::click());
        let on = index == chosen;
        response.widget_info(|| WidgetInfo::selected(Role::Tab, true, on, *name));
        if response.clicked() {
            panel.params().persist(|state| state.picture = index);
        }
        if on || response.hovered() || response.has_focus() {
            ui.painter().rect_filled(cell, 5.0, if on { theme::HOVER } else { theme::PANEL });
        }
        if on {
            let bar = Rect::from_min_max(pos2(cell.left() + 12.0, cell.bottom() - 2.5), pos2(cell.right() - 12.0, cell.bottom() - 0.5));
            ui.painter().rect_filled(bar, 1.0, theme::WARM);
        }
        let color = if on { theme::TEXT } else { theme::DIM };
        ui.painter().text(cell.center(), Align2::CENTER_CENTER, *name, theme::font(13.0), color);
    }
}

/// The buttons that choose the large picture.
fn view(ui: &mut Ui, panel: &mut Panel, main: Rect, names: &[&'static str], chosen: usize) {
    if names.len() < 2 {
        return;
    }
    let mut right = main.right() - 40.0;
    for (index, &name) in names.iter().enumerate().rev() {
        let text = ui.painter().layout_no_wrap(name.to_owned(), theme::font(11.5), theme::TEXT);
        let cell = Rect::from_min_max(pos2(right - text.size().x - 20.0, main.top() + 5.0), pos2(right, main.top() + 25.0));
        right = cell.left() - 2.0;
        let response = ui.interact(cell, Id::unique(("plainsong-view", name)), Sense::click());
        let on = index == chosen;
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, name));
        if response.clicked() {
            panel.params().persist(|state| state.picture = index);
        }
        let fill = if on || response.hovered() || response.has_focus() { theme::HOVER } else { theme::faded(theme::PANEL, 0.85) };
        ui.painter().rect_filled(cell, 4.0, fill);
        ui.painter().text(cell.center(), Align2::CENTER_CENTER, name, theme::font(11.5), if on { theme::TEXT } else { theme::DIM });
    }
}

fn keys(ui: &Ui, panel: &mut Panel) {
    if panel.dialog.is_some() {
        return;
    }
    let consume = |modifiers: Modifiers, key: Key| ui.input_mut(|input| input.consume_shortcut(&KeyboardShortcut::new(modifiers, key)));
    if consume(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z) || consume(Modifiers::COMMAND, Key::Y) {
        panel.step_forth();
    } else if consume(Modifiers::COMMAND, Key::Z) {
        panel.step_back();
    } else if consume(Modifiers::COMMAND, Key::S) {
        panel.dialog = Some(Dialog::Save(String::new()));
    }
    let now = ui.ctx().zoom_factor();
    // egui-baseview 0.9 passes on neither plus nor minus, nor capital letters: so pages zoom, and Ctrl+Y redoes.
    if [Key::PageUp, Key::Plus, Key::Equals].into_iter().any(|key| consume(Modifiers::COMMAND, key)) {
        if let Some(zoom) = ZOOMS.into_iter().find(|zoom| *zoom > now + 0.01) {
            ui.ctx().set_zoom_factor(zoom);
        }
    } else if [Key::PageDown, Key::Minus].into_iter().any(|key| consume(Modifiers::COMMAND, key)) {
        if let Some(zoom) = ZOOMS.into_iter().rev().find(|zoom| *zoom < now - 0.01) {
            ui.ctx().set_zoom_factor(zoom);
        }
    } else if consume(Modifiers::COMMAND, Key::Num0) {
        ui.ctx().set_zoom_factor(1.0);
    }
}

/// The corner by which the window is resized, for hosts that give it no frame.
fn corner(ui: &Ui, whole: Rect) {
    let rect = Rect::from_min_max(whole.max - vec2(16.0, 16.0), whole.max);
    let response = ui.interact(rect, Id::unique("plainsong-corner"), Sense::drag()).on_hover_and_drag_cursor(egui::CursorIcon::ResizeNwSe);
    let start = Id::unique("plainsong-corner-start");
    if response.drag_started() {
        ui.data_mut(|data| data.insert_temp(start, whole.size()));
    }
    if response.dragged()
        && let (Some(size), Some(moved)) = (ui.data(|data| data.get_temp::<egui::Vec2>(start)), response.total_drag_delta())
    {
        let size = (size + moved).clamp(vec2(MIN_SIZE.0, MIN_SIZE.1), vec2(MAX_SIZE.0, MAX_SIZE.1));
        ui.ctx().send_viewport_cmd(ViewportCommand::InnerSize(size));
    }
    let color = if response.hovered() { theme::TEXT } else { theme::faded(theme::DIM, 0.6) };
    for step in [4.0, 8.0, 12.0] {
        ui.painter().line_segment([whole.max - vec2(step + 1.0, 2.0), whole.max - vec2(2.0, step + 1.0)], Stroke::new(1.0, color));
    }
}
