//! The pictures, and below them the further controls of one stage, what is heard, and what comes out.

use crate::chain::{Chain, chosen, short_name};
use crate::heard::Heard;
use dsp_core::engines::podcast::{BANDS, Kind, Settings, Stage, StageFrame};
use dsp_core::events::Frame;
use dsp_core::params::{self, FromValues, index_of};
use plainsong_shell::egui::{Align, Align2, Button, Layout, Rect, RichText, Sense, Stroke, Ui, pos2, vec2};
use plainsong_shell::widgets::knob::WIDTH;
use plainsong_shell::widgets::loudness::LoudnessHistory;
use plainsong_shell::widgets::loudness_bars::LoudnessBars;
use plainsong_shell::widgets::numbers::{Standing, decimal, number};
use plainsong_shell::{Panel, Pictures, theme};

/// Width of the loudness bars in points.
const BARS: f32 = 150.0;
/// Diameter of a knob in points.
const KNOB: f32 = 56.0;
/// Widths of the plates beside the stage's, in points.
const HEARD: f32 = 270.0;
const OUTPUT: f32 = 250.0;
/// Loudness nearer than this to its target is there, LU.
const THERE_LU: f64 = 1.0;
/// Places of the tone's bands, as people call them.
const BAND_NAMES: [&str; BANDS] = ["Body", "Warmth", "Vowels", "Clarity", "Presence", "Air"];

/// The chain, the loudness of what comes out below, its bars beside.
pub fn pictures() -> Pictures {
    Pictures {
        main: vec![Box::new(Chain::default())],
        strip: Box::new(LoudnessHistory::default()),
        strip_height: (0.3, 76.0, 190.0),
        side: Some((Box::new(LoudnessBars::default()), BARS)),
    }
}

/// Draws the controls in the space that is left.
pub fn controls(ui: &mut Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let stage = chosen(panel);
    let newest = panel.with(|heard: &mut Heard, _| heard.newest).flatten();
    let rest = ui.available_width() - HEARD - OUTPUT - 2.0 * gap;
    panel.group(ui, stage.name, rest, |ui, panel| further(ui, panel, stage, newest.as_ref()));
    panel.group(ui, "Heard", HEARD, |ui, panel| heard(ui, panel, newest.as_ref()));
    panel.group(ui, "", OUTPUT, output);
}

/// The further controls of a stage, and what it finds.
fn further(ui: &mut Ui, panel: &mut Panel, stage: &Stage, newest: Option<&StageFrame>) {
    ui.vertical(|ui| {
        let width = ui.available_width();
        let help = index_of(Settings::PARAMS, stage.on).map_or("", |index| Settings::PARAMS[index].help);
        ui.label(RichText::new(help).size(11.5).color(theme::DIM));
        ui.add_space(10.0);
        let (rect, _) = ui.allocate_exact_size(vec2(width, ui.available_height()), Sense::hover());
        let knobs = stage.more.len().max(1) as f32 * (WIDTH + 14.0);
        let left = Rect::from_min_size(rect.min, vec2(knobs.max(200.0).min(width), rect.height()));
        let right = Rect::from_min_max(pos2(left.right() + 14.0, rect.top()), rect.max);
        let builder = plainsong_shell::egui::UiBuilder::new().max_rect(left).layout(Layout::left_to_right(Align::Min));
        ui.scope_builder(builder, |ui| {
            ui.spacing_mut().item_spacing.x = 14.0;
            for id in stage.more {
                let name = short_name(stage, id);
                let Ok(index) = index_of(panel.table(), id) else { continue };
                if matches!(panel.table()[index].kind, params::Kind::Choice { .. }) {
                    panel.segmented_as(ui, id, &name, 190.0);
                } else {
                    panel.knob_as(ui, id, &name, KNOB);
                }
            }
        });
        if right.width() > 90.0 {
            finding(ui, right, panel, stage, newest);
        }
    });
}

/// What a stage finds, beside its controls.
fn finding(ui: &Ui, rect: Rect, panel: &Panel, stage: &Stage, newest: Option<&StageFrame>) {
    match stage.kind {
        Kind::Tone => bands(ui, rect, newest.map_or([0.0; BANDS], |frame| frame.tone_db)),
        Kind::Leveller => {
            let target = Settings::from_values(panel.values()).leveller.target;
            let lufs = newest.map(|frame| frame.speech_lufs).filter(|lufs| lufs.is_finite());
            let gain = newest.map_or(0.0, |frame| frame.gain_db[3]);
            let text = match lufs {
                Some(lufs) => format!("This talker: {lufs:.1} LUFS\nGain now: {gain:+.1} dB\nTarget: {target:.1} LUFS"),
                None => format!("No speech heard yet\nTarget: {target:.1} LUFS"),
            };
            ui.painter().text(rect.left_top() + vec2(0.0, 16.0), Align2::LEFT_TOP, text, theme::font(12.5), theme::TEXT);
        }
        _ => {}
    }
}

/// The tone's bands as bars around zero.
fn bands(ui: &Ui, rect: Rect, gains: [f32; BANDS]) {
    const MOST: f32 = 6.0;
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 6.0, theme::WELL);
    let plot = Rect::from_min_max(rect.min + vec2(6.0, 14.0), rect.max - vec2(6.0, 18.0));
    let zero = plot.center().y;
    painter.hline(plot.x_range(), zero, Stroke::new(1.0, theme::faded(theme::TEXT, 0.3)));
    let each = plot.width() / BANDS as f32;
    for (band, (gain, name)) in gains.into_iter().zip(BAND_NAMES).enumerate() {
        let x = plot.left() + each * (band as f32 + 0.5);
        let y = zero - (gain / MOST).clamp(-1.0, 1.0) * plot.height() / 2.0;
        let bar = Rect::from_two_pos(pos2(x - each * 0.28, zero), pos2(x + each * 0.28, y));
        painter.rect_filled(bar, 2.0, if gain >= 0.0 { theme::WARM } else { theme::COOL });
        let place = if gain >= 0.0 { bar.top() - 7.0 } else { bar.bottom() + 7.0 };
        let text = if gain.abs() < 0.05 { "0".to_owned() } else { format!("{gain:+.1}") };
        painter.text(pos2(x, place), Align2::CENTER_CENTER, text, theme::font(10.5), theme::TEXT);
        painter.text(pos2(x, rect.bottom() - 8.0), Align2::CENTER_CENTER, name, theme::font(10.5), theme::DIM);
    }
}

/// What sounds, and what the stages make of music.
fn heard(ui: &mut Ui, panel: &mut Panel, newest: Option<&StageFrame>) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width() - 84.0, ui.available_height()), Sense::hover());
    let events = newest.map_or(Frame::NOTHING, |frame| frame.heard);
    let painter = ui.painter_at(rect);
    for (row, (name, share)) in [("Speech", events.speech), ("Music", events.music), ("Noise", events.noise)].into_iter().enumerate() {
        let y = rect.top() + 14.0 + row as f32 * 30.0;
        painter.text(pos2(rect.left(), y), Align2::LEFT_CENTER, name, theme::font(12.5), theme::TEXT);
        let bar = Rect::from_min_max(pos2(rect.left() + 58.0, y - 6.0), pos2(rect.right() - 4.0, y + 6.0));
        painter.rect_filled(bar, 3.0, theme::WELL);
        let color = if row == 0 { theme::WARM } else { theme::COOL };
        painter.rect_filled(Rect::from_min_size(bar.min, vec2(bar.width() * share.clamp(0.0, 1.0), bar.height())), 3.0, color);
    }
    let back = newest.map_or(0.0, |frame| frame.stepped_back);
    let (text, color) = if back > 0.5 { ("Music: the stages step back", theme::WARM) } else { ("The stages are at work", theme::DIM) };
    painter.text(pos2(rect.left(), rect.top() + 112.0), Align2::LEFT_CENTER, text, theme::font(11.5), color);
    panel.knob(ui, "keep-music", KNOB);
}

/// How loud it is, and what is heard of it.
fn output(ui: &mut Ui, panel: &mut Panel) {
    let reading = panel.measured().map(|measured| measured.reading).unwrap_or_default();
    let target = panel.target().map_or(f64::NAN, |(target, _)| target);
    ui.vertical(|ui| {
        let width = ui.available_width();
        ui.allocate_ui_with_layout(vec2(width, 84.0), Layout::left_to_right(Align::Center), |ui| {
            ui.set_height(84.0);
            ui.spacing_mut().item_spacing.x = 0.0;
            let (standing, note) = match reading.integrated.map(|now| now - target) {
                None => (Standing::Plain, "LUFS".to_owned()),
                Some(off) if off.abs() <= THERE_LU => (Standing::Good, "LUFS: there".to_owned()),
                Some(off) => (Standing::Off, format!("LUFS, {off:+.1} LU")),
            };
            let help = "Gated loudness of all that came out since measuring began (BS.1770-5).";
            number(ui, "Integrated", &decimal(reading.integrated), &note, standing, (width * 0.55, 32.0), help);
            let help = "Highest true peak of what came out.";
            number(ui, "True peak", &decimal(reading.true_peak), "dBTP", Standing::Plain, (width * 0.45, 21.0), help);
        });
        panel.segmented(ui, "listen", width);
        ui.add_space(8.0);
        let button = ui.add_sized(vec2(width, 24.0), Button::new("Measure anew"));
        if button.on_hover_text("Loudness and peaks start from nothing.").clicked() {
            panel.measure_anew();
        }
    });
}
