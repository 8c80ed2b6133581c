//! The line at the bottom: help, messages, latency, late frames, models.

use super::panel::Panel;
use crate::theme;
use dsp_core::realtime::priority::Standing;
use egui::{Align, Layout, Rect, RichText, Stroke, Ui, UiBuilder, vec2};
use std::sync::atomic::Ordering;

/// Share of real time from which there is danger of drop-outs.
const BUSY: f32 = 0.7;
/// What is told of late frames where the system gives the model's thread no priority.
const NO_PRIORITY: &str = " This system gives the model's thread no real-time priority, so other programs can hold it up; \
                           on Linux the group audio, pipewire or realtime has it.";
/// Height in points.
pub(super) const HEIGHT: f32 = 28.0;

pub(super) fn show(ui: &mut Ui, panel: &mut Panel, rect: Rect) {
    ui.painter().rect_filled(rect, 0.0, theme::PANEL);
    ui.painter().hline(rect.x_range(), rect.top() + 0.5, Stroke::new(1.0, theme::LINE));
    let inside = rect.shrink2(vec2(14.0, 0.0));
    let mut right = inside.right();
    ui.scope_builder(UiBuilder::new().max_rect(inside).layout(Layout::right_to_left(Align::Center)), |ui| {
        ui.spacing_mut().item_spacing.x = 14.0;
        let mut link = |name: &str| {
            ui.link(RichText::new(name).size(11.5).color(theme::COOL))
                .on_hover_text("The model's card: data, licence, figures and limits")
                .clicked()
        };
        let other = panel.live().playing.lock().model.clone();
        if let Some(stamp) = other {
            if link(&stamp.name) {
                panel.show_installed_card(&stamp.id);
            }
        } else {
            for card in panel.cards.iter().rev() {
                if link(card.name) {
                    panel.show_card(card.name.to_owned(), card.text.to_owned());
                }
            }
        }
        let late = panel.live().late.load(Ordering::Relaxed);
        let color = if late > 0 { theme::ALERT } else { theme::DIM };
        let refused = Standing::of(panel.live().standing.load(Ordering::Relaxed)) == Standing::Refused;
        let priority = if refused { NO_PRIORITY } else { "" };
        ui.label(RichText::new(format!("{late} late")).size(11.5).color(color))
            .on_hover_text(format!("{} At 0 all is well; else raise the host's buffer.{priority}", panel.late));
        if panel.load {
            let load = panel.live().load.load(Ordering::Relaxed);
            let color = if load > BUSY { theme::ALERT } else { theme::DIM };
            ui.label(RichText::new(format!("CPU {:.0} %", 100.0 * load)).size(11.5).color(color))
                .on_hover_text("Share of one processor's time that this instance takes");
        }
        match panel.latency() {
            Some((ms, samples)) => ui
                .label(RichText::new(format!("{ms:.1} ms, {samples} samples")).size(11.5).color(theme::DIM))
                .on_hover_text("Latency, which the host makes up for"),
            None => ui.label(RichText::new("not running").size(11.5).color(theme::DIM)),
        };
        right = ui.min_rect().left();
    });
    let rest = Rect::from_min_max(inside.min, egui::pos2(right - 16.0, inside.bottom()));
    let error = panel.live().error.lock().clone();
    let notice = *panel.live().notice.lock();
    let playing = panel.live().playing.lock().clone();
    let missing = playing.trouble.zip(playing.wanted).map(|(reason, wanted)| {
        let name = if wanted.name.is_empty() { wanted.id } else { wanted.name };
        format!("The built-in model plays: {name} {reason}.")
    });
    let (text, color) = match (error, panel.message(), panel.hint()) {
        (Some(error), _, _) => (error, theme::ALERT),
        (None, None, None) if notice.is_some() => (format!("Idle: {}.", notice.unwrap_or_default()), theme::WARM),
        (None, Some(message), _) => (message.to_owned(), theme::WARM),
        (None, None, Some(param)) => (format!("{}: {}", param.name, param.help), theme::TEXT),
        (None, None, None) if missing.is_some() => (missing.unwrap_or_default(), theme::ALERT),
        _ if panel.latency().is_some() && !panel.live().ready.load(Ordering::Relaxed) => {
            ("Loading the model; the sound passes unchanged.".to_owned(), theme::WARM)
        }
        _ => ("Double-click resets, right-click or Enter types, Shift is finer.".to_owned(), theme::faded(theme::DIM, 0.8)),
    };
    ui.scope_builder(UiBuilder::new().max_rect(rest).layout(Layout::left_to_right(Align::Center)), |ui| {
        ui.add(egui::Label::new(RichText::new(text).size(11.5).color(color)).truncate());
    });
}
