//! What the engine said last of each stem, for the strips.

use dsp_core::engines::stems::{STEMS, Settings, Task};
use dsp_core::params::FromValues;
use plainsong_shell::egui::Color32;
use plainsong_shell::widgets::meter::Meter;
use plainsong_shell::{Companion, Panel, theme};

/// Colours of the stems. They differ in brightness too and stay apart for the common kinds of colour
/// blindness (after M. Okabe and K. Ito, Color Universal Design, 2008); every use has a name beside it.
const COLORS: [Color32; STEMS] = [theme::WARM, theme::COOL, Color32::from_rgb(0x3d, 0xc8, 0x9b), Color32::from_rgb(0xd9, 0x8c, 0xc4)];

/// Colour of a stem of a task.
pub fn color(task: Task, stem: usize) -> Color32 {
    match task {
        Task::Stems => COLORS[stem.min(STEMS - 1)],
        // The voice as the vocals, the rest as other.
        Task::Dialogue => COLORS[if stem == 0 { 0 } else { STEMS - 1 }],
    }
}

/// The settings that the controls stand at.
pub fn settings(panel: &Panel) -> Settings {
    Settings::from_values(panel.values())
}

/// Meters of the strips, after the faders.
#[derive(Debug, Default)]
pub struct Mixer {
    /// `[stem]`
    pub meters: [Meter; STEMS],
}

impl Companion for Mixer {}
