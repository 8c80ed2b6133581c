//! Pages of the editor: a large picture with the controls of one stage each.

use crate::pages::dynamics::Dynamics;
use crate::pages::equaliser::Equaliser;
use crate::pages::limiter::Limiting;
use crate::pages::overview::Overview;
use crate::pages::reference::Comparison;
use crate::pages::stereo::Width;
use crate::pages::{Side, dynamics, equaliser, limiter, overview, reference, stereo};
use plainsong_shell::widgets::loudness::LoudnessHistory;
use plainsong_shell::{Panel, Pictures, egui};

/// Width of the meters in points.
const SIDE: f32 = 190.0;

/// A page for each stage, the loudness of the master below all of them, its meters beside.
pub fn pictures() -> Pictures {
    Pictures {
        main: vec![
            Box::new(Overview::default()),
            Box::new(Equaliser::default()),
            Box::new(Dynamics::default()),
            Box::new(Width::default()),
            Box::new(Limiting::default()),
            Box::new(Comparison::default()),
        ],
        strip: Box::new(LoudnessHistory::default()),
        strip_height: (0.25, 76.0, 150.0),
        side: Some((Box::new(Side::default()), SIDE)),
    }
}

/// Draws the controls of the page that is open.
pub fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
    match panel.page() {
        1 => equaliser::controls(ui, panel),
        2 => dynamics::controls(ui, panel),
        3 => stereo::controls(ui, panel),
        4 => limiter::controls(ui, panel),
        5 => reference::controls(ui, panel),
        _ => overview::controls(ui, panel),
    }
}
