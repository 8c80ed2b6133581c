//! The limiter's pictures, and where its controls stand.

use plainsong_shell::widgets::history::History;
use plainsong_shell::widgets::levels::Levels;
use plainsong_shell::widgets::reduction::ReductionMeter;
use plainsong_shell::{Panel, Pictures, egui};

/// Diameter of the knob that matters most, in points.
const LARGE: f32 = 124.0;
/// Diameter of the other knobs, in points.
const SMALL: f32 = 58.0;
/// Width of such a knob with its name, in points.
const KNOB: f32 = plainsong_shell::widgets::knob::WIDTH;
/// Width of the reduction's meter in points.
const METER: f32 = 44.0;
/// Deepest reduction in the picture, in dB.
const DEEPEST: f32 = 14.0;

/// Peaks before and after over the last seconds, what was taken off, and what is taken off now.
pub fn pictures() -> Pictures {
    Pictures {
        main: vec![Box::new(Levels::default())],
        strip: Box::new(History::down_to(DEEPEST)),
        strip_height: (0.3, 60.0, 150.0),
        side: Some((Box::new(ReductionMeter::default()), METER)),
    }
}

/// Draws the controls in the space that is left.
pub fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let (drive, listen) = (156.0, 200.0);
    let rest = ui.available_width() - drive - listen - 3.0 * gap;
    let ceiling = (rest * 0.28).max(KNOB + 24.0);
    panel.group(ui, "", drive, |ui, panel| {
        ui.vertical_centered(|ui| {
            ui.add_space(6.0);
            panel.knob(ui, "drive", LARGE);
        });
    });
    row(ui, panel, "True peak", ceiling, &["ceiling"]);
    row(ui, panel, "How the gain moves", rest - ceiling, &["lookahead", "release", "link"]);
    panel.group(ui, "", listen, |ui, panel| {
        ui.vertical(|ui| {
            let width = ui.available_width();
            panel.segmented(ui, "listen", width);
            ui.add_space(8.0);
            panel.switch(ui, "match", width);
        });
    });
}

/// Knobs, evenly on a plate.
fn row(ui: &mut egui::Ui, panel: &mut Panel, title: &str, width: f32, ids: &[&str]) {
    panel.group(ui, title, width, |ui, panel| {
        let spare = (ui.available_width() - ids.len() as f32 * KNOB) / (ids.len() + 1) as f32;
        ui.spacing_mut().item_spacing.x = 0.0;
        for id in ids {
            ui.add_space(spare.max(0.0));
            panel.knob(ui, id, SMALL);
        }
    });
}
