//! The meter's pictures, and where its numbers and controls stand.

use dsp_core::engines::meter::Settings;
use dsp_core::params::FromValues;
use plainsong_shell::widgets::image::Image;
use plainsong_shell::widgets::loudness::LoudnessHistory;
use plainsong_shell::widgets::loudness_bars::LoudnessBars;
use plainsong_shell::widgets::numbers::{Standing, decimal, number};
use plainsong_shell::{Companion, Panel, Pictures, egui};

/// A number: name, value, what stands under it, how it is shown, help.
type Number<'a> = (&'a str, Option<f64>, String, Standing, &'a str);

/// Width of the bars in points.
const BARS: f32 = 150.0;
/// Width of the plate with the target in points.
const TARGET: f32 = 250.0;
/// Size of the figure that matters most, and of the others, in points.
const LARGE: f32 = 44.0;
const SMALL: f32 = 23.0;
/// Loudness nearer than this to its target is there, LU: what platforms and EBU R 128 allow.
const THERE_LU: f64 = 0.5;
/// A true peak that reads the ceiling is not over it, dB.
const ROUNDING_DB: f64 = 0.005;

/// Loudness over time, the image below, the bars beside.
pub fn pictures() -> Pictures {
    Pictures {
        main: vec![Box::new(LoudnessHistory::default())],
        strip: Box::new(Image::default()),
        strip_height: (0.3, 104.0, 180.0),
        side: Some((Box::new(LoudnessBars::default()), BARS)),
    }
}

/// Tells the pictures what is to be reached.
#[derive(Debug)]
pub struct Target;

impl Companion for Target {
    fn target(&self, values: &[f32]) -> Option<(f64, f64)> {
        Some(Settings::from_values(values).target())
    }
}

/// Draws numbers and controls in the space that is left.
pub fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let whole = ui.available_width() - TARGET - 2.0 * gap;
    let integrated = (whole * 0.3).min(250.0);
    let reading = panel.measured().map(|measured| measured.reading).unwrap_or_default();
    let (loudness, ceiling) = panel.target().unwrap_or((f64::NAN, f64::NAN));
    panel.group(ui, "", integrated, |ui, _| {
        let (standing, note) = match reading.integrated.map(|now| now - loudness) {
            None => (Standing::Plain, "LUFS".to_owned()),
            Some(off) if off.abs() <= THERE_LU => (Standing::Good, format!("LUFS, {off:+.1} LU: on target")),
            Some(off) => (Standing::Off, format!("LUFS, {off:+.1} LU from target")),
        };
        let size = (ui.available_width(), LARGE);
        number(ui, "Integrated", &decimal(reading.integrated), &note, standing, size, "Gated loudness of the whole programme (BS.1770-5).");
    });
    panel.group(ui, "", whole - integrated, |ui, _| {
        ui.spacing_mut().item_spacing = egui::vec2(0.0, 4.0);
        let size = (ui.available_width() / 4.0, SMALL);
        let most = |most: Option<f64>| format!("LUFS, max {}", decimal(most));
        let over = reading.true_peak.is_some_and(|peak| peak > ceiling + ROUNDING_DB);
        let peak = if over { Standing::Over } else { Standing::Plain };
        let clip = if reading.true_peak.is_some_and(|peak| peak > 0.0) { "dBTP: clips" } else { "dBTP" };
        let rows: [[Number<'_>; 4]; 2] = [
            [
                ("Momentary", reading.momentary, most(reading.max_momentary), Standing::Plain, "Loudness of the last 0.4 s."),
                ("Short-term", reading.short_term, most(reading.max_short_term), Standing::Plain, "Loudness of the last 3 s."),
                (
                    "Loudness range",
                    reading.range,
                    "LU".into(),
                    Standing::Plain,
                    "LRA (EBU Tech 3342): how far soft and loud passages are apart.",
                ),
                (
                    "True peak, max",
                    reading.true_peak,
                    clip.into(),
                    peak,
                    "Highest peak between the samples too. Red is over the ceiling; above 0 it clips in a converter.",
                ),
            ],
            [
                ("PSR", reading.psr, "LU".into(), Standing::Plain, "Peak to short-term loudness of the last 3 s: how dense it is now."),
                ("PLR", reading.plr, "LU".into(), Standing::Plain, "True peak over integrated loudness of the programme."),
                ("Sample peak", reading.sample_peak, "dBFS".into(), Standing::Plain, "Highest sample of the programme."),
                (
                    "Correlation",
                    reading.programme_correlation.map(f64::from),
                    "whole programme".into(),
                    Standing::Plain,
                    "Of left and right; +1 is mono, under 0 a mono sum loses.",
                ),
            ],
        ];
        ui.vertical(|ui| {
            let height = (ui.available_height() - 4.0) / 2.0;
            for row in rows {
                ui.allocate_ui_with_layout(
                    egui::vec2(ui.available_width(), height),
                    egui::Layout::left_to_right(egui::Align::Center),
                    |ui| {
                        ui.set_height(height);
                        for (name, value, unit, standing, help) in row {
                            number(ui, name, &decimal(value), &unit, standing, size, help);
                        }
                    },
                );
            }
        });
    });
    panel.group(ui, "", TARGET, |ui, panel| {
        ui.vertical(|ui| {
            let width = ui.available_width();
            panel.menu(ui, "target", width);
            let custom = Settings::from_values(panel.values()).place == 0;
            if custom {
                ui.horizontal(|ui| {
                    panel.knob(ui, "loudness", 44.0);
                    panel.knob(ui, "ceiling", 44.0);
                });
            } else {
                ui.add_space(6.0);
                ui.weak(format!("{loudness:.1} LUFS, at most {ceiling:.1} dBTP"));
                ui.add_space(26.0);
            }
            ui.add_space(4.0);
            ui.horizontal(|ui| {
                let reset = egui::Button::new("Measure anew").min_size(egui::vec2(width * 0.5, 26.0));
                if ui.add(reset).on_hover_text("Begins a new programme: all readings start from nothing.").clicked() {
                    panel.measure_anew();
                }
                ui.add_space(8.0);
                panel.switch(ui, "pause", width * 0.42);
            });
        });
    });
}
