//! The de-esser's pictures, and where its controls stand.

use plainsong_shell::widgets::axis::Axis;
use plainsong_shell::widgets::reduction::ReductionMeter;
use plainsong_shell::widgets::sibilants::Sibilants;
use plainsong_shell::widgets::spectrogram::Spectrogram;
use plainsong_shell::widgets::timeline::Timeline;
use plainsong_shell::{Panel, Pictures, egui};

/// Diameter of the knob that matters most, in points.
const LARGE: f32 = 116.0;
/// Diameter of the other knobs, in points.
const SMALL: f32 = 42.0;
/// Diameter of the small knobs that stand alone in a row, in points.
const MEDIUM: f32 = 58.0;
/// Width of a small knob with its name, in points.
const KNOB: f32 = plainsong_shell::widgets::knob::WIDTH;
/// Width of the reduction's meter in points.
const METER: f32 = 44.0;

/// The sound detected where it is, the sounds of the last seconds, and what is taken off now.
pub fn pictures() -> Pictures {
    Pictures {
        main: vec![Box::new(Sibilants::default()), Box::new(Spectrogram::new(Axis::UPPER))],
        strip: Box::new(Timeline::default()),
        strip_height: (0.4, 96.0, 200.0),
        side: Some((Box::new(ReductionMeter::default()), METER)),
    }
}

/// Draws the controls in the space that is left.
pub fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let (amount, listen) = (146.0, 226.0);
    let rest = ui.available_width() - amount - listen - 3.0 * gap;
    let counts = (rest * 0.44).max(3.0 * KNOB + 24.0);
    panel.group(ui, "", amount, |ui, panel| {
        ui.vertical_centered(|ui| {
            ui.add_space(10.0);
            panel.knob(ui, "amount", LARGE);
        });
    });
    panel.group(ui, "What counts", counts, |ui, panel| {
        rows(ui, panel, &[&["s", "sh", "f"], &["breath", "whistle"]], SMALL);
    });
    panel.group(ui, "How much, where, how fast", rest - counts, |ui, panel| {
        rows(ui, panel, &[&["max", "low", "high"], &["speed", "output"]], SMALL);
    });
    panel.group(ui, "", listen, |ui, panel| {
        ui.vertical(|ui| {
            let width = ui.available_width();
            for id in ["mode", "listen", "link"] {
                panel.segmented(ui, id, width);
                ui.add_space(2.0);
            }
            ui.add_space(1.0);
            panel.models(ui, width);
        });
    });
}

/// Rows of knobs, each row evenly over the plate.
fn rows(ui: &mut egui::Ui, panel: &mut Panel, rows: &[&[&str]], diameter: f32) {
    let width = ui.available_width();
    let most = rows.iter().map(|row| row.len()).max().unwrap_or(1);
    let diameter = if rows.len() == 1 { MEDIUM } else { diameter };
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing = egui::vec2(0.0, 2.0);
        for row in rows {
            let each = width / most as f32;
            ui.horizontal(|ui| {
                ui.add_space((width - each * row.len() as f32) / 2.0);
                for id in *row {
                    ui.add_space((each - KNOB) / 2.0);
                    panel.knob(ui, id, diameter);
                    ui.add_space((each - KNOB) / 2.0);
                }
            });
        }
    });
}
