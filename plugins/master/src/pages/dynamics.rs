//! The dynamics: each band's level between its thresholds, and what is done to it.

use super::{AXIS, SMALL, at, hertz, moves, row};
use crate::mind::Mind;
use dsp_core::dynamics::multiband::{Band, Count, Settings};
use dsp_core::processor::{STAGE_BANDS, Stages};
use plainsong_shell::egui::{Align2, CursorIcon, Id, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, remap_clamp, vec2};
use plainsong_shell::live::DisplayFrame;
use plainsong_shell::{Panel, Picture, theme};

/// Range of levels shown, in dBFS.
const LEVELS: (f32, f32) = (-66.0, 0.0);
/// Range of gains shown, in dB either way.
const GAINS: f32 = 12.0;
/// Lines of gain, in dB.
const LINES: [f32; 5] = [-12.0, -6.0, 0.0, 6.0, 12.0];
/// Speed at which a shown level falls, in dB per second.
const FALL: f32 = 40.0;
/// Time for which the deepest gain is held, in seconds.
const HOLD: f32 = 1.5;
/// Height of the line of names, in points.
const FOOT: f32 = 40.0;
/// Width of a level's bar in points.
const BAR: f32 = 12.0;
/// Reach of a handle in points.
const REACH: f32 = 6.0;
/// Crossovers are at least this far apart, as a factor; the engine keeps them so, too.
const APART: f32 = 1.2;

/// Bands by the middle of their ids, and by name.
const IDS: [&str; STAGE_BANDS] = ["low", "lowmid", "highmid", "high"];
const NAMES: [&str; STAGE_BANDS] = ["Low", "Low-mid", "High-mid", "High"];

fn id(band: usize, field: &str) -> String {
    format!("mb-{}-{field}", IDS[band])
}

/// The bands in use, by their index, with the crossovers between them, in hertz.
fn zones(settings: &Settings) -> (Vec<usize>, Vec<(usize, f32)>) {
    let hz = |index: usize| settings.crossovers[index].0 as f32;
    match settings.count {
        Count::Three => (vec![0, 1, 3], vec![(0, hz(0)), (2, hz(2))]),
        Count::Four => (vec![0, 1, 2, 3], vec![(0, hz(0)), (1, hz(1)), (2, hz(2))]),
    }
}

/// What is shown of a band.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    level: f32,
    gain: f32,
    /// The gain furthest from none, and how long ago.
    far: f32,
    held: f32,
}

/// The picture.
#[derive(Default)]
pub struct Dynamics {
    shown: [Shown; STAGE_BANDS],
    /// Where the handle that is held has been drawn to.
    held: Option<f32>,
}

impl Dynamics {
    fn pass(&mut self, stages: Option<&Stages>, seconds: f32) {
        for (index, shown) in self.shown.iter_mut().enumerate() {
            let [level, gain] = stages.map_or([f32::NEG_INFINITY, 0.0], |stages| stages.bands[index]);
            shown.level = level.max(shown.level - FALL * seconds).max(LEVELS.0);
            shown.gain += (gain - shown.gain) * (seconds / 0.03).min(1.0);
            shown.held += seconds;
            if gain.abs() >= shown.far.abs() {
                (shown.far, shown.held) = (gain, 0.0);
            } else if shown.held > HOLD {
                shown.far = gain;
            }
        }
    }
}

impl Picture for Dynamics {
    fn name(&self) -> &'static str {
        "Dynamics"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        let mut stages = frame.stages;
        if let Some(stages) = stages.as_mut().filter(|stages| stages.count == 3) {
            // Of three bands the third is the high one.
            stages.bands[3] = stages.bands[2];
        }
        self.pass(stages.as_ref(), frame.seconds);
    }

    fn idle(&mut self, seconds: f32) {
        self.pass(None, seconds);
    }

    fn at_rest(&self) -> bool {
        self.shown.iter().all(|shown| shown.level <= LEVELS.0 && shown.gain.abs() < 0.05)
    }

    fn closed(&mut self) {
        self.held = None;
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let plot = Rect::from_min_max(rect.min, pos2(rect.right(), rect.bottom() - FOOT));
        let settings = moves(panel).dynamics;
        let (bands, crossovers) = zones(&settings);
        let x = |hz: f32| plot.left() + plot.width() * AXIS.position(hz).clamp(0.0, 1.0);
        let mut edges = vec![plot.left()];
        edges.extend(crossovers.iter().map(|(_, hz)| x(*hz)));
        edges.push(plot.right());
        for db in LINES {
            let y = remap_clamp(db, -GAINS..=GAINS, plot.bottom() - 6.0..=plot.top() + 6.0);
            painter.hline(plot.x_range(), y, Stroke::new(1.0, theme::faded(theme::LINE, if db == 0.0 { 1.0 } else { 0.5 })));
            let label = pos2(plot.right() - 5.0, (y - 6.5).max(plot.top() + 7.0));
            let text = if db == 0.0 { "0 dB".to_owned() } else { format!("{db:+.0}") };
            painter.text(label, Align2::RIGHT_CENTER, text, theme::font(10.0), theme::DIM);
        }
        let chosen = panel.with(|mind: &mut Mind, _| mind.zone).unwrap_or(0);
        for (place, &band) in bands.iter().enumerate() {
            let zone = Rect::from_min_max(pos2(edges[place], rect.top()), pos2(edges[place + 1], rect.bottom()));
            self.zone(ui, panel, zone, plot, band, &settings, chosen);
        }
        for (number, &(index, hz)) in crossovers.iter().enumerate() {
            let below = number.checked_sub(1).map_or(AXIS.low, |before| crossovers[before].1 * APART);
            let above = crossovers.get(number + 1).map_or(AXIS.high, |after| after.1 / APART);
            self.crossover(ui, panel, plot, &format!("mb-x{}", index + 1), hz, (below, above));
        }
        if !settings.on {
            let plate = Rect::from_center_size(plot.center(), vec2(330.0, 34.0));
            painter.rect_filled(plate, 6.0, theme::faded(theme::PANEL, 0.95));
            let response = ui.interact(plate, Id::unique("plainsong-mb-on"), Sense::click());
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Switch the dynamics on"));
            if response.clicked() {
                panel.change(at("mb-on"), 1.0);
            }
            let ink = if response.hovered() { theme::WARM } else { theme::TEXT };
            painter.text(plate.center(), Align2::CENTER_CENTER, "The dynamics are off: click to switch on", theme::font(13.5), ink);
        }
    }
}

impl Dynamics {
    #[expect(clippy::too_many_arguments, reason = "a place, what is shown in it, and what it belongs to")]
    fn zone(&mut self, ui: &Ui, panel: &mut Panel, zone: Rect, plot: Rect, band: usize, settings: &Settings, chosen: usize) {
        let response = ui.interact(zone, Id::unique(("plainsong-zone", band)), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, band == chosen, NAMES[band]));
        if response.clicked() {
            panel.with(|mind: &mut Mind, _| mind.zone = band);
        }
        let painter = ui.painter_at(zone);
        if band == chosen {
            painter.rect_filled(zone.shrink2(vec2(1.0, 1.0)), 4.0, theme::faded(theme::HOVER, 0.4));
        }
        let shown = self.shown[band];
        let values = settings.bands[band];
        let active = settings.on;
        // The gain as a plate between none and where it is, with the furthest of the last moments.
        let y = |db: f32| remap_clamp(db, -GAINS..=GAINS, plot.bottom() - 6.0..=plot.top() + 6.0);
        let total = |gain: f32| gain + values.gain.0 + values.makeup.0;
        let (left, right) = (zone.left() + BAR + 20.0, zone.right() - 8.0);
        if active && right > left {
            let color = if shown.gain < 0.0 { theme::COOL } else { theme::WARM };
            let rest = total(0.0);
            let part = Rect::from_two_pos(pos2(left, y(rest)), pos2(right, y(total(shown.gain))));
            painter.rect_filled(part, 2.0, theme::faded(color, 0.45));
            painter.hline(left..=right, y(total(shown.gain)), Stroke::new(2.0, color));
            painter.hline(left..=right, y(total(shown.far)), Stroke::new(1.0, theme::faded(theme::TEXT, 0.55)));
            if rest != 0.0 {
                painter.hline(left..=right, y(rest), Stroke::new(1.0, theme::faded(theme::TEXT, 0.3)));
            }
        }
        self.level(ui, panel, zone, plot, band, &values);
        let name = if active { format!("{}   {:+.1} dB", NAMES[band], total(shown.gain)) } else { NAMES[band].to_owned() };
        let foot = pos2(zone.center().x, plot.bottom() + 12.0);
        painter.text(foot, Align2::CENTER_CENTER, name, theme::font(12.5), if band == chosen { theme::TEXT } else { theme::DIM });
        painter.text(pos2(foot.x, foot.y + 16.0), Align2::CENTER_CENTER, summary(&values), theme::font(11.0), theme::DIM);
        if response.has_focus() {
            painter.rect_stroke(zone.shrink(1.0), 4.0, Stroke::new(1.0, theme::COOL), StrokeKind::Inside);
        }
    }

    /// The level as the detector reads it, with the thresholds to take hold of.
    fn level(&mut self, ui: &Ui, panel: &mut Panel, zone: Rect, plot: Rect, band: usize, values: &Band) {
        let bar = Rect::from_min_max(pos2(zone.left() + 10.0, plot.top() + 6.0), pos2(zone.left() + 10.0 + BAR, plot.bottom() - 6.0));
        let y = |db: f32| remap_clamp(db, LEVELS.0..=LEVELS.1, bar.bottom()..=bar.top());
        let painter = ui.painter_at(zone);
        painter.rect_filled(bar, 2.0, theme::PANEL);
        let level = self.shown[band].level;
        if level > LEVELS.0 {
            painter.rect_filled(Rect::from_min_max(pos2(bar.left(), y(level)), bar.max), 2.0, theme::faded(theme::WARM, 0.75));
        }
        let handles = [("threshold", values.threshold.0, values.ratio), ("up-threshold", values.up_threshold.0, values.up_ratio)];
        for (field, value, ratio) in handles {
            let works = ratio != 1.0;
            // An upward threshold that does nothing is one line too many.
            if field == "up-threshold" && !works {
                continue;
            }
            let at_y = y(value);
            let grip = Rect::from_min_max(pos2(bar.left() - 6.0, at_y - REACH), pos2(bar.right() + 14.0, at_y + REACH));
            let index = at(&id(band, field));
            let response = ui
                .interact(grip, Id::unique(("plainsong-threshold", index)), Sense::drag())
                .on_hover_and_drag_cursor(CursorIcon::ResizeVertical);
            if response.drag_started() {
                panel.with(|mind: &mut Mind, _| mind.zone = band);
                self.held = Some(value);
                panel.grab(&[index]);
            }
            if response.dragged()
                && let Some(held) = &mut self.held
            {
                *held -= response.drag_delta().y / bar.height() * (LEVELS.1 - LEVELS.0);
                panel.pull(index, *held);
            }
            if response.drag_stopped() {
                self.held = None;
                panel.release();
            }
            let color = if works { theme::COOL } else { theme::DIM };
            let line = Rect::from_min_max(pos2(bar.left() - 3.0, at_y - 1.0), pos2(bar.right() + 3.0, at_y + 1.0));
            painter.rect_filled(line, 0.0, color);
            let tip = pos2(bar.right() + 4.0, at_y);
            let points = vec![tip, tip + vec2(7.0, -5.0), tip + vec2(7.0, 5.0)];
            painter.add(plainsong_shell::egui::Shape::convex_polygon(points, color, Stroke::NONE));
            response.on_hover_text(format!("{}: {value:.1} dB. Drag to move.", panel.table()[index].name));
        }
    }

    fn crossover(&mut self, ui: &Ui, panel: &mut Panel, plot: Rect, id: &str, hz: f32, (below, above): (f32, f32)) {
        let x = plot.left() + plot.width() * AXIS.position(hz).clamp(0.0, 1.0);
        let grip = Rect::from_min_max(pos2(x - REACH, plot.top()), pos2(x + REACH, plot.bottom()));
        let index = at(id);
        let response = ui
            .interact(grip, Id::unique(("plainsong-crossover", index)), Sense::drag())
            .on_hover_and_drag_cursor(CursorIcon::ResizeHorizontal);
        if response.drag_started() {
            self.held = Some(x);
            panel.grab(&[index]);
        }
        if response.dragged()
            && let Some(held) = &mut self.held
        {
            *held += response.drag_delta().x;
            let wanted = AXIS.hertz((*held - plot.left()) / plot.width());
            panel.pull(index, wanted.clamp(below.min(above), above.max(below)));
        }
        if response.drag_stopped() {
            self.held = None;
            panel.release();
        }
        let lit = response.hovered() || response.dragged();
        let painter = ui.painter();
        painter.vline(
            x,
            plot.top()..=plot.bottom() + FOOT,
            Stroke::new(if lit { 2.0 } else { 1.0 }, if lit { theme::TEXT } else { theme::DIM }),
        );
        let text = painter.layout_no_wrap(hertz(f64::from(hz)), theme::font(11.0), theme::TEXT);
        let plate = Rect::from_center_size(pos2(x, plot.top() + 12.0), text.size() + vec2(10.0, 4.0));
        painter.rect_filled(plate, 4.0, theme::RAISED);
        painter.galley(plate.min + vec2(5.0, 2.0), text, theme::TEXT);
    }
}

/// A band in a line.
fn summary(band: &Band) -> String {
    let mut parts = Vec::new();
    if band.ratio != 1.0 {
        parts.push(format!("{:.2}:1 over {:.0}", band.ratio, band.threshold.0));
    }
    if band.up_ratio != 1.0 {
        parts.push(format!("{:.2}:1 under {:.0}", band.up_ratio, band.up_threshold.0));
    }
    if parts.is_empty() { "at rest".to_owned() } else { parts.join(", ") }
}

/// What holds for all bands, and the band that is open.
pub fn controls(ui: &mut Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let (switches, shared) = (220.0, 250.0);
    let open = ui.available_width() - switches - shared - 2.0 * gap;
    panel.group(ui, "", switches, |ui, panel| {
        ui.vertical(|ui| {
            let width = ui.available_width();
            ui.horizontal(|ui| {
                panel.switch_as(ui, "mb-on", "On", width * 0.34);
                panel.switch_as(ui, "mb-auto", "Program release", width * 0.62);
            });
            ui.add_space(5.0);
            ui.horizontal(|ui| {
                panel.segmented_as(ui, "mb-bands", "Bands", width * 0.42);
                ui.add_space(4.0);
                panel.segmented_as(ui, "mb-detector", "Detector", width * 0.54);
            });
            ui.add_space(5.0);
            panel.menu_as(ui, "mb-split", "Split", width);
        });
    });
    panel.group(ui, "", shared, |ui, panel| {
        ui.vertical(|ui| {
            row(ui, panel, &[("mb-x1", "Cross 1"), ("mb-x2", "Cross 2"), ("mb-x3", "Cross 3")], SMALL);
            ui.add_space(4.0);
            row(ui, panel, &[("mb-knee", "Knee"), ("mb-sidechain", "Side-chain"), ("mb-link", "Link")], SMALL);
        });
    });
    let band = panel.with(|mind: &mut Mind, _| mind.zone).unwrap_or(0);
    let ids =
        ["threshold", "ratio", "attack", "release", "range", "up-threshold", "up-ratio", "gain", "makeup"].map(|field| id(band, field));
    panel.group(ui, NAMES[band], open, |ui, panel| {
        ui.vertical(|ui| {
            ui.add_space(-10.0);
            let knobs = |from: usize, names: &[&'static str]| -> Vec<(String, &'static str)> {
                names.iter().enumerate().map(|(n, name)| (ids[from + n].clone(), *name)).collect()
            };
            for line in [
                knobs(0, &["Threshold", "Ratio", "Attack", "Release", "Range"]),
                knobs(5, &["Up thresh.", "Up ratio", "Gain in", "Makeup"]),
            ] {
                let line: Vec<(&str, &str)> = line.iter().map(|(id, name)| (id.as_str(), *name)).collect();
                row(ui, panel, &line, SMALL);
                ui.add_space(2.0);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_and_crossovers_follow_their_number() {
        let four = Settings::default();
        assert_eq!(zones(&four).0, [0, 1, 2, 3]);
        let three = Settings { count: Count::Three, ..four };
        assert_eq!(zones(&three), (vec![0, 1, 3], vec![(0, 120.0), (2, 5_000.0)]));
        assert!((0..STAGE_BANDS).all(|band| at(&id(band, "threshold")) > 0));
    }

    #[test]
    fn the_furthest_gain_is_held() {
        let mut picture = Dynamics::default();
        let stages =
            |gain: f32| Stages { bands: [[-20.0, gain]; STAGE_BANDS], count: 4, limiter: 0.0, guard: 0.0, mono_loss: 0.0, louder: 0.0 };
        picture.pass(Some(&stages(-5.0)), 0.02);
        picture.pass(Some(&stages(-1.0)), 0.02);
        assert_eq!(picture.shown[0].far, -5.0);
        (0..100).for_each(|_| picture.pass(Some(&stages(-1.0)), 0.02));
        assert!(picture.shown[0].far == -1.0 && (picture.shown[0].gain + 1.0).abs() < 0.01);
        (0..200).for_each(|_| picture.pass(None, 0.05));
        assert!(picture.at_rest());
    }

    #[test]
    fn a_band_says_what_it_does() {
        let band = Band { ratio: 2.0, threshold: dsp_core::units::Db(-24.0), ..Band::default() };
        assert_eq!(summary(&band), "2.00:1 over -24");
        assert_eq!(summary(&Band::default()), "at rest");
    }
}
