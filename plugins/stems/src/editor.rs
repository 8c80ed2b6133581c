//! Where the pictures and controls stand: lanes above, a mixer below.

use crate::lanes::{Lanes, Show};
use crate::load::Load;
use crate::mixer::{Mixer, color, settings};
use dsp_core::engines::stems::Task;
use plainsong_shell::egui::{Align, Color32, Layout, Rect, RichText, Ui, UiBuilder, pos2, vec2};
use plainsong_shell::widgets::knob::WIDTH;
use plainsong_shell::widgets::meter::draw;
use plainsong_shell::{Panel, Pictures, theme};
use std::sync::atomic::Ordering;

/// Window of a new instance in points.
pub const SIZE: (f32, f32) = (1_180.0, 800.0);
/// Height of the mixer in points.
pub const CONTROLS: f32 = 308.0;
/// Widths of the plate at the right in points, and that of the window below which it takes the lesser.
const SIDE: [f32; 2] = [240.0, 268.0];
const NARROW: f32 = 1_060.0;
/// Widths of a fader with its marks, of a meter, and of the column with buttons and knobs, in points; and the width of
/// a strip below which they take the lesser.
const FADER: [f32; 2] = [58.0, 84.0];
const METER: [f32; 2] = [12.0, 22.0];
const KNOBS: [f32; 2] = [68.0, 76.0];
const SLIM: f32 = 182.0;
/// Diameters of knobs in points.
const KNOB: f32 = 46.0;
const LARGE: f32 = 60.0;
/// Height of a strip's name in points.
const NAME: f32 = 24.0;

/// Lanes of two kinds, and the load below.
pub fn pictures() -> Pictures {
    Pictures {
        main: vec![Box::new(Lanes::new(Show::Spectra)), Box::new(Lanes::new(Show::Waves))],
        strip: Box::new(Load::default()),
        strip_height: (0.1, 30.0, 44.0),
        side: None,
    }
}

/// Draws the mixer in the space that is left; with a choice of what the stems' outputs carry, if there are
/// some.
pub fn controls(ui: &mut Ui, panel: &mut Panel, several: bool) {
    let task = settings(panel).task;
    let gap = ui.spacing().item_spacing.x;
    let count = task.keys().len();
    let side_width = SIDE[usize::from(ui.available_width() > NARROW)];
    let rest = ui.available_width() - side_width - gap;
    let width = (rest - gap * (count - 1) as f32) / count as f32;
    for stem in 0..count {
        panel.group(ui, "", width, |ui, panel| strip(ui, panel, task, stem));
    }
    panel.group(ui, "", side_width, |ui, panel| side(ui, panel, task, several));
}

/// One strip: fader, meter, mute and solo, place in the image.
fn strip(ui: &mut Ui, panel: &mut Panel, task: Task, stem: usize) {
    let (key, name, color) = (task.keys()[stem], task.names()[stem], color(task, stem));
    let area = ui.available_rect_before_wrap();
    ui.painter().rect_filled(Rect::from_min_size(area.min + vec2(0.0, 1.0), vec2(5.0, 16.0)), 2.0, color);
    ui.painter().text(area.min + vec2(13.0, 9.0), plainsong_shell::egui::Align2::LEFT_CENTER, name, theme::font(15.0), theme::TEXT);
    let inside = Rect::from_min_max(area.min + vec2(0.0, NAME), area.max);
    let wide = usize::from(inside.width() > SLIM);
    let widths = [FADER[wide], METER[wide], KNOBS[wide]];
    let all = widths.iter().sum::<f32>();
    // Wide plates leave air between, narrow ones stand close.
    let spare = ((inside.width() - all) / 4.0).clamp(0.0, 28.0);
    let used = all + 2.0 * spare;
    let mut left = inside.left() + (inside.width() - used).max(0.0) / 2.0;
    let mut place = |width: f32| {
        let rect = Rect::from_min_size(pos2(left, inside.top()), vec2(width, inside.height()));
        left += width + spare;
        rect
    };
    let (fader, meter, knobs) = (place(widths[0]), place(widths[1]), place(widths[2]));
    let id = |what: &str| format!("{key}-{what}");
    let within =
        |rect: Rect, salt: &'static str| UiBuilder::new().id_salt((key, salt)).max_rect(rect).layout(Layout::top_down(Align::Center));
    ui.scope_builder(within(fader, "fader"), |ui| panel.fader(ui, &id("gain"), color, fader.size()));
    let channels = panel.live().channels.load(Ordering::Relaxed) as usize;
    let shown = panel.with(|mixer: &mut Mixer, _| mixer.meters[stem]).unwrap_or_default();
    draw(ui, &shown, channels, Rect::from_min_max(meter.min, meter.max - vec2(0.0, 30.0)));
    ui.scope_builder(within(knobs, "knobs"), |ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        let button = vec2(widths[2] / 2.0 - 2.0, 26.0);
        ui.allocate_ui_with_layout(vec2(widths[2], 26.0), Layout::left_to_right(Align::Center), |ui| {
            panel.toggle(ui, &id("mute"), "M", theme::ALERT, button);
            panel.toggle(ui, &id("solo"), "S", SOLO, button);
        });
        ui.add_space(8.0);
        panel.knob_as(ui, &id("pan"), "Pan", KNOB);
        ui.add_space(4.0);
        panel.knob_as(ui, &id("width"), "Width", KNOB);
    });
}

/// A lit solo.
const SOLO: Color32 = Color32::from_rgb(0xf0, 0xd8, 0x58);

/// What concerns all stems.
fn side(ui: &mut Ui, panel: &mut Panel, task: Task, several: bool) {
    ui.vertical(|ui| {
        let width = ui.available_width();
        panel.segmented(ui, "task", width);
        ui.add_space(2.0);
        // One more row of buttons leaves less for the knobs.
        let knob = if several { KNOB } else { LARGE };
        let each = (knob + 10.0).max(WIDTH);
        ui.allocate_ui_with_layout(vec2(width, knob + 36.0), Layout::left_to_right(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 24.0;
            ui.add_space((width - 2.0 * each - 24.0).max(0.0) / 2.0 - 24.0);
            panel.knob(ui, "focus", knob);
            panel.knob(ui, "output", knob);
        });
        panel.segmented(ui, "listen", width);
        if several {
            panel.segmented_as(ui, "outputs", "Stems' outputs", width);
        } else {
            ui.add_space(6.0);
        }
        let other = panel.other_model_for(task.key()).map(|name| format!("{name} has one delay; the built-in model has a faster one."));
        let one = (task == Task::Dialogue).then(|| "Dialogue has one model, with one delay.".to_owned());
        panel.switch_unless(ui, "low-latency", width, one.or(other).as_deref());
        ui.add_space(4.0);
        panel.models(ui, width);
        if !several {
            ui.label(RichText::new("Separate outputs: Plainsong Stems Multi-out").size(11.0).color(theme::DIM));
        }
    });
}
