//! Where the denoiser's controls stand.

use plainsong_shell::{Panel, egui};

/// Diameter of the knob that matters most, in points.
const LARGE: f32 = 124.0;
/// Diameter of the other knobs, in points.
const SMALL: f32 = 58.0;
/// Width of such a knob with its name, in points.
const KNOB: f32 = plainsong_shell::widgets::knob::WIDTH;
/// Narrowest plate of three knobs, in points.
const TRIO: f32 = 228.0;

/// Draws the controls in the space that is left.
pub fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let listen = 184.0;
    let amount = 156.0;
    let output = 96.0;
    let trio = ((ui.available_width() - listen - amount - output - 4.0 * gap) / 2.0).max(TRIO);
    panel.group(ui, "", amount, |ui, panel| {
        ui.vertical_centered(|ui| {
            ui.add_space(6.0);
            panel.knob(ui, "amount", LARGE);
        });
    });
    trio_of(ui, panel, "Depth and speed", trio, ["limit", "strength", "release"]);
    trio_of(ui, panel, "Share of the amount, by band", trio, ["low", "mid", "high"]);
    panel.group(ui, "After", output, |ui, panel| {
        ui.vertical_centered(|ui| {
            ui.add_space((ui.available_height() - 92.0) / 2.0);
            panel.knob(ui, "output", SMALL);
        });
    });
    panel.group(ui, "", listen, |ui, panel| {
        ui.vertical(|ui| {
            let width = ui.available_width();
            panel.segmented(ui, "listen", width);
            ui.add_space(6.0);
            panel.segmented(ui, "link", width);
            ui.add_space(8.0);
            let other = panel.other_model().map(|name| format!("{name} has one delay for all; the built-in model has a faster one."));
            panel.switch_unless(ui, "low-latency", width, other.as_deref());
            ui.add_space(8.0);
            panel.models(ui, width);
        });
    });
}

/// Three knobs, evenly on a plate.
fn trio_of(ui: &mut egui::Ui, panel: &mut Panel, title: &str, width: f32, ids: [&str; 3]) {
    panel.group(ui, title, width, |ui, panel| {
        let spare = (ui.available_width() - 3.0 * KNOB) / 4.0;
        ui.spacing_mut().item_spacing.x = 0.0;
        for id in ids {
            ui.add_space(spare.max(0.0));
            panel.knob(ui, id, SMALL);
        }
    });
}
