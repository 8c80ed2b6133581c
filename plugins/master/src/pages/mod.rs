//! The pages, and what they share.

pub mod dynamics;
pub mod equaliser;
pub mod limiter;
pub mod overview;
pub mod reference;
pub mod stereo;

use dsp_core::engines::master::MasterMoves;
use dsp_core::params::{FromValues, index_of};
use dsp_core::processor::Measured;
use plainsong_shell::egui::{Event, MouseWheelUnit, Rect, Ui, pos2, vec2};
use plainsong_shell::live::DisplayFrame;
use plainsong_shell::widgets::axis::Axis;
use plainsong_shell::widgets::loudness_bars::LoudnessBars;
use plainsong_shell::widgets::reduction::ReductionMeter;
use plainsong_shell::{Panel, Picture};

/// What is heard of music.
pub const AXIS: Axis = Axis { low: 20.0, high: 20_000.0 };
/// Diameter of a knob, and of one that stands in two rows, in points.
pub const KNOB: f32 = 56.0;
pub const SMALL: f32 = 40.0;
/// Width of a knob with its name, in points.
pub const KNOB_WIDTH: f32 = plainsong_shell::widgets::knob::WIDTH;
/// Width of the limiter's reduction beside the loudness, in points.
const REDUCTION: f32 = 44.0;

/// Index of a parameter of the chain; ids are those of its table.
pub fn at(id: &str) -> usize {
    index_of(MasterMoves::PARAMS, id).unwrap_or(0)
}

/// The moves as the controls stand.
pub fn moves(panel: &Panel) -> MasterMoves {
    MasterMoves::from_values(panel.values())
}

/// Turns of the wheel since the last drawing, in notches.
pub fn wheel(ui: &Ui) -> f32 {
    let turned = |event: &Event| match event {
        Event::MouseWheel { unit: MouseWheelUnit::Line, delta, .. } => delta.x + delta.y,
        Event::MouseWheel { delta, .. } => (delta.x + delta.y) / 40.0,
        _ => 0.0,
    };
    ui.input(|input| input.events.iter().map(turned).sum())
}

/// A frequency as people write it.
pub fn hertz(hz: f64) -> String {
    if hz >= 10_000.0 {
        format!("{:.1} kHz", hz / 1_000.0)
    } else if hz >= 1_000.0 {
        format!("{:.2} kHz", hz / 1_000.0)
    } else {
        format!("{hz:.0} Hz")
    }
}

/// Knobs evenly over the width, by id and short name.
pub fn row(ui: &mut Ui, panel: &mut Panel, knobs: &[(&str, &str)], diameter: f32) {
    let each = ui.available_width() / knobs.len().max(1) as f32;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        for (id, name) in knobs {
            let spare = ((each - KNOB_WIDTH) / 2.0).max(0.0);
            ui.add_space(spare);
            panel.knob_as(ui, id, name, diameter);
            ui.add_space(spare);
        }
    });
}

/// What the limiter takes, and the loudness and true peak of the master.
#[derive(Default)]
pub struct Side {
    reduction: ReductionMeter,
    bars: LoudnessBars,
}

impl Picture for Side {
    fn name(&self) -> &'static str {
        "Meters"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        self.reduction.update(frame);
    }

    fn measured(&mut self, measured: &Measured) {
        self.bars.measured(measured);
    }

    fn idle(&mut self, seconds: f32) {
        self.reduction.idle(seconds);
        self.bars.idle(seconds);
    }

    fn at_rest(&self) -> bool {
        self.reduction.at_rest() && self.bars.at_rest()
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        self.reduction.show(ui, Rect::from_min_size(rect.min, vec2(REDUCTION, rect.height())));
        self.bars.show_with(ui, Rect::from_min_max(pos2(rect.left() + REDUCTION + 10.0, rect.top()), rect.max), panel);
    }
}
