//! The chain: a column for each stage in the order of the sound, with its switch, its one big control, what
//! it does now, and the way to its further controls.

use crate::heard::Heard;
use dsp_core::engines::podcast::{COUNT, Kind, STAGES, Settings, Stage, StageFrame};
use dsp_core::params::{FromValues, index_of};
use plainsong_shell::egui::{Align, Align2, Id, Layout, Rect, Role, Sense, Stroke, StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2};
use plainsong_shell::live::DisplayFrame;
use plainsong_shell::widgets::gain::GainHistory;
use plainsong_shell::{Panel, Picture, theme};

/// Between columns, in points.
const GAP: f32 = 6.0;
/// Height of a column's head and foot, in points.
const HEAD: f32 = 34.0;
const FOOT: f32 = 26.0;
/// Least height of the pictures of gain, in points.
const METER: f32 = 44.0;
/// What a knob needs beside its diameter, in points.
const AROUND: f32 = 40.0;
/// Diameters of the big knobs, in points.
const KNOBS: (f32, f32) = (56.0, 104.0);

/// Gains shown of each stage, up and down, in dB.
fn scale(kind: Kind) -> (f32, f32) {
    match kind {
        Kind::HighPass | Kind::Limiter => (0.0, -12.0),
        Kind::Denoise => (0.0, -30.0),
        Kind::Deess => (0.0, -6.0),
        Kind::Leveller => (20.0, -20.0),
        Kind::Compressor => (6.0, -12.0),
        Kind::Tone => (6.0, -6.0),
    }
}

/// The columns.
pub struct Chain {
    gains: [GainHistory; COUNT],
    newest: Option<StageFrame>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { gains: STAGES.map(|stage| GainHistory::new(scale(stage.kind))), newest: None }
    }
}

/// The stage whose further controls are shown.
pub fn chosen(panel: &Panel) -> &'static Stage {
    &STAGES[panel.page().min(COUNT - 1)]
}

impl Picture for Chain {
    fn name(&self) -> &'static str {
        "Chain"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        if let Some(stages) = frame.podcast {
            for (history, gain) in self.gains.iter_mut().zip(stages.gain_db) {
                history.push(gain, frame.seconds);
            }
            self.newest = Some(stages);
        }
    }

    fn idle(&mut self, seconds: f32) {
        self.gains.iter_mut().for_each(|history| history.idle(seconds));
    }

    fn at_rest(&self) -> bool {
        self.gains.iter().all(GainHistory::at_rest)
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        let newest = self.newest;
        panel.with(|heard: &mut Heard, _| heard.newest = newest);
        let on = Settings::from_values(panel.values()).on;
        let width = (rect.width() - GAP * (COUNT - 1) as f32) / COUNT as f32;
        let open = chosen(panel);
        for (index, stage) in STAGES.iter().enumerate() {
            let left = rect.left() + index as f32 * (width + GAP);
            let column = Rect::from_min_size(pos2(left, rect.top()), vec2(width, rect.height()));
            self.column(ui, column, panel, index, stage.kind == open.kind, on[index]);
            if index + 1 < COUNT {
                // The way of the sound.
                let at = pos2(column.right() + GAP / 2.0, column.top() + HEAD / 2.0);
                let color = theme::faded(theme::DIM, 0.8);
                let tip = at + vec2(2.5, 0.0);
                ui.painter().line_segment([at + vec2(-2.0, -4.0), tip], Stroke::new(1.4, color));
                ui.painter().line_segment([at + vec2(-2.0, 4.0), tip], Stroke::new(1.4, color));
            }
        }
    }
}

impl Chain {
    fn column(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel, index: usize, open: bool, on: bool) {
        let stage = &STAGES[index];
        ui.painter().rect_filled(rect, 8.0, theme::PANEL);
        let inside = rect.shrink2(vec2(8.0, 5.0));
        ui.scope_builder(UiBuilder::new().id_salt(stage.id).max_rect(inside).layout(Layout::top_down(Align::Min)), |ui| {
            panel.switch_as(ui, stage.on, stage.name, inside.width());
        });
        let knob = (inside.height() - HEAD - FOOT - AROUND - METER).clamp(KNOBS.0, KNOBS.1).min(inside.width() - 12.0);
        let place = Rect::from_min_size(pos2(inside.left(), rect.top() + HEAD), vec2(inside.width(), knob + AROUND));
        ui.scope_builder(UiBuilder::new().id_salt((stage.id, "knob")).max_rect(place).layout(Layout::top_down(Align::Center)), |ui| {
            panel.knob_as(ui, stage.main, main_name(stage.kind), knob);
        });
        let foot = Rect::from_min_max(pos2(inside.left(), rect.bottom() - FOOT), pos2(inside.right(), rect.bottom() - 4.0));
        let picture = Rect::from_min_max(pos2(inside.left(), place.bottom()), pos2(inside.right(), foot.top() - 4.0));
        self.gains[index].show(ui, picture, stage.name);
        more(ui, foot, panel, index, open);
        if open {
            ui.painter().rect_stroke(rect, 8.0, Stroke::new(1.4, theme::WARM), StrokeKind::Inside);
        }
        if !on {
            // What is off stands back.
            let veil = Rect::from_min_max(pos2(rect.left(), rect.top() + HEAD), pos2(rect.right(), foot.top()));
            ui.painter().rect_filled(veil, 0.0, theme::faded(theme::PANEL, 0.6));
        }
    }
}

/// Opens a stage's further controls.
fn more(ui: &Ui, rect: Rect, panel: &Panel, index: usize, open: bool) {
    let response = ui.interact(rect, Id::unique(("plainsong-stage", STAGES[index].id)), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Tab, true, open, STAGES[index].name));
    if response.clicked() {
        panel.params().persist(|state| state.picture = index);
    }
    let fill = if open || response.hovered() || response.has_focus() { theme::HOVER } else { theme::RAISED };
    ui.painter().rect_filled(rect, 5.0, fill);
    let color = if open { theme::WARM } else { theme::DIM };
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, if open { "open below" } else { "more" }, theme::font(11.5), color);
    response.on_hover_text("Shows the further controls of this stage below.");
}

/// What the big control of a stage is called under the stage's name.
fn main_name(kind: Kind) -> &'static str {
    match kind {
        Kind::HighPass => "Corner",
        Kind::Limiter => "Ceiling",
        _ => "Amount",
    }
}

/// The short name of a control that stands under its stage's.
pub fn short_name(stage: &Stage, id: &str) -> String {
    let table = Settings::PARAMS;
    let name = index_of(table, id).map_or(id, |index| table[index].name);
    let rest = name.strip_prefix(stage.name).unwrap_or(name).trim();
    let mut letters = rest.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_have_short_names_under_their_stage() {
        assert_eq!(short_name(&STAGES[3], "leveller-gain"), "Max gain");
        for stage in &STAGES {
            for id in stage.more {
                let name = short_name(stage, id);
                assert!(!name.is_empty() && name.len() < 13, "{name}");
            }
        }
    }
}
