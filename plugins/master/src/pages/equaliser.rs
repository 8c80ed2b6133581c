//! The equaliser: its curve over the spectrum, with bands to take hold of.

use super::{AXIS, KNOB, at, hertz, moves, row, wheel};
use crate::mind::Mind;
use dsp_core::analysis::middle_hz;
use dsp_core::filters::{BANDS, Band, Shape};
use dsp_core::units::Hz;
use plainsong_shell::egui::{
    Align2, Id, Key, Pos2, Rect, Response, Role, Sense, Shape as Drawn, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};
use plainsong_shell::live::DisplayFrame;
use plainsong_shell::widgets::spectrum::Spectrum;
use plainsong_shell::{Panel, Picture, theme};

/// Points of a curve.
const POINTS: usize = 220;
/// Scales of gain, in dB either way.
const SCALES: [f32; 3] = [6.0, 12.0, 18.0];
/// Room above the largest gain before a scale is too small, in dB.
const ROOM: f32 = 1.0;
/// Radius of a band's handle in points.
const RADIUS: f32 = 9.0;
/// Change of Q of a notch of the wheel, as a factor.
const NOTCH: f32 = 1.12;
/// How much finer a drag is with Shift.
const FINE: f32 = 0.1;
/// A band that is made below or above this is a shelf, in hertz.
const SHELVES: (f32, f32) = (40.0, 12_000.0);
/// A band that is made by hand starts so wide.
const FIRST_Q: f32 = 1.0;
/// Fields of a band, as its ids end.
const FIELDS: [&str; 6] = ["on", "type", "freq", "gain", "q", "slope"];

/// Index of a field of a band's parameters.
fn field(band: usize, name: &str) -> usize {
    at(&format!("eq{}-{name}", band + 1))
}

/// The picture.
pub struct Equaliser {
    spectrum: Spectrum,
    /// Where the band that is held has been drawn to.
    held: Option<(usize, Pos2)>,
    scale: f32,
}

impl Default for Equaliser {
    fn default() -> Self {
        Self { spectrum: Spectrum::new(AXIS).with_difference("Changed, at the same loudness"), held: None, scale: SCALES[0] }
    }
}

/// A frame whose output is as loud as its input: what is compared is balance.
pub fn balanced(frame: &DisplayFrame) -> DisplayFrame {
    let mut frame = *frame;
    let louder = frame.stages.map_or(0.0, |stages| stages.louder);
    let share = 10_f32.powf(-louder / 10.0);
    frame.output.iter_mut().for_each(|power| *power *= share);
    frame
}

impl Picture for Equaliser {
    fn name(&self) -> &'static str {
        "Equaliser"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        self.spectrum.update(&balanced(frame));
    }

    fn idle(&mut self, seconds: f32) {
        self.spectrum.idle(seconds);
    }

    fn at_rest(&self) -> bool {
        self.spectrum.at_rest()
    }

    fn closed(&mut self) {
        self.held = None;
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        self.spectrum.draw(ui, rect);
        let plot = Spectrum::plot(rect);
        let now = moves(panel);
        if self.held.is_none() {
            let most = now.equaliser.bands.iter().filter(|band| band.on).map(|band| band.gain.0.abs()).fold(0.0, f32::max);
            self.scale = SCALES.into_iter().find(|scale| most + ROOM <= *scale).unwrap_or(SCALES[2]);
        }
        let known = panel.with(|mind: &mut Mind, _| (mind.band, mind.learned().map(|learned| learned.wanted.clone())));
        let (chosen, wanted) = known.unwrap_or_default();
        let ground = ui.interact(plot, ui.scope_id().with("equaliser"), Sense::click());
        self.curves(ui, plot, &now.equaliser.bands, chosen, wanted.as_deref(), now.equaliser_on);
        if ground.double_clicked()
            && let Some(pointer) = ground.interact_pointer_pos()
        {
            self.make(panel, plot, pointer, &now.equaliser.bands);
        }
        let mut over = None;
        for (index, band) in now.equaliser.bands.iter().enumerate().filter(|(_, band)| band.on) {
            let place = self.place(plot, band);
            let handle = Rect::from_center_size(place, vec2(2.0 * RADIUS, 2.0 * RADIUS));
            let response = ui.interact(handle, Id::unique(("plainsong-eq", index)), Sense::click_and_drag());
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Band {}", index + 1)));
            self.handle(ui, panel, plot, index, band, &response);
            if response.hovered() || response.dragged() {
                over = Some(index);
            }
            let lit = index == chosen || over == Some(index);
            let painter = ui.painter_at(plot.expand(RADIUS));
            let color = if now.equaliser_on { theme::WARM } else { theme::DIM };
            painter.circle_filled(place, RADIUS, if lit { color } else { theme::faded(theme::PANEL, 0.92) });
            painter.circle_stroke(place, RADIUS, Stroke::new(1.5, color));
            let ink = if lit { theme::WELL } else { theme::TEXT };
            painter.text(place, Align2::CENTER_CENTER, format!("{}", index + 1), theme::font(10.5), ink);
        }
        match over {
            Some(index) => told(ui, plot, self.place(plot, &now.equaliser.bands[index]), &now.equaliser.bands[index]),
            None => {
                if let Some(pointer) = ground.hover_pos().filter(|pointer| plot.contains(*pointer)) {
                    self.read_out(ui, plot, pointer, &now.equaliser.bands);
                }
            }
        }
    }
}

impl Equaliser {
    fn y(&self, plot: Rect, db: f32) -> f32 {
        egui_remap(db, self.scale, plot)
    }

    fn db(&self, plot: Rect, y: f32) -> f32 {
        let half = plot.height() / 2.0;
        ((plot.center().y - y) / half * self.scale).clamp(-SCALES[2], SCALES[2])
    }

    /// Where a band's handle stands.
    fn place(&self, plot: Rect, band: &Band) -> Pos2 {
        let x = plot.left() + plot.width() * AXIS.position(band.frequency.0 as f32).clamp(0.0, 1.0);
        let gain = if band.shape.is_cut() { 0.0 } else { band.gain.0 };
        pos2(x, self.y(plot, gain).clamp(plot.top(), plot.bottom()))
    }

    fn curves(&self, ui: &Ui, plot: Rect, bands: &[Band; BANDS], chosen: usize, wanted: Option<&[f64]>, on: bool) {
        let painter = ui.painter_at(plot);
        for db in [-1.0, -0.5, 0.0, 0.5, 1.0].map(|share| share * self.scale) {
            let y = self.y(plot, db);
            if db == 0.0 {
                painter.hline(plot.x_range(), y, Stroke::new(1.0, theme::faded(theme::TEXT, 0.3)));
            }
            let at = pos2(plot.left() + 6.0, y.clamp(plot.top() + 34.0, plot.bottom() - 8.0));
            let text = if db == 0.0 { "0 dB".to_owned() } else { format!("{db:+.0} dB") };
            painter.text(at - vec2(0.0, 7.0), Align2::LEFT_CENTER, text, theme::font(10.0), theme::DIM);
        }
        let point = |i: usize| {
            let share = i as f32 / (POINTS - 1) as f32;
            (plot.left() + plot.width() * share, Hz(f64::from(AXIS.hertz(share))))
        };
        let curve = |gain: &dyn Fn(Hz) -> f64| -> Vec<Pos2> {
            (0..POINTS).map(point).map(|(x, hz)| pos2(x, self.y(plot, gain(hz) as f32))).collect()
        };
        let zero = self.y(plot, 0.0);
        if let Some(band) = bands.get(chosen).filter(|band| band.on) {
            for pair in curve(&|hz| band.analogue_db(hz)).windows(2) {
                let area = Rect::from_two_pos(pos2(pair[0].x, pair[0].y.clamp(plot.top(), plot.bottom())), pos2(pair[1].x, zero));
                painter.rect_filled(area, 0.0, theme::faded(theme::WARM, 0.16));
            }
        }
        if let Some(wanted) = wanted {
            let points: Vec<Pos2> = wanted
                .iter()
                .enumerate()
                .map(|(third, db)| (AXIS.position(middle_hz(third) as f32), *db as f32))
                .filter(|(share, _)| (0.0..=1.0).contains(share))
                .map(|(share, db)| pos2(plot.left() + plot.width() * share, self.y(plot, db)))
                .collect();
            painter.add(Drawn::dashed_line(&points, Stroke::new(1.5, theme::COOL), 5.0, 4.0));
            painter.text(
                pos2(plot.right() - 46.0, plot.top() + 14.0),
                Align2::RIGHT_CENTER,
                "- - wanted by measurement",
                theme::font(11.5),
                theme::COOL,
            );
        }
        let whole = |hz: Hz| bands.iter().filter(|band| !band.is_neutral()).map(|band| band.analogue_db(hz)).sum();
        let color = if on { theme::TEXT } else { theme::faded(theme::DIM, 0.7) };
        painter.add(Drawn::line(curve(&whole), Stroke::new(2.2, color)));
    }

    /// What a hand does to a band.
    fn handle(&mut self, ui: &Ui, panel: &mut Panel, plot: Rect, index: usize, band: &Band, response: &Response) {
        if response.drag_started() || response.clicked() || response.secondary_clicked() {
            panel.with(|mind: &mut Mind, _| mind.band = index);
        }
        let fields = ["freq", "gain", "q"].map(|name| field(index, name));
        if response.drag_started() {
            self.held = Some((index, self.place(plot, band)));
            panel.grab(&fields);
        }
        if response.dragged()
            && let Some((_, held)) = self.held.as_mut().filter(|(held, _)| *held == index)
        {
            *held += response.drag_delta() * if ui.input(|input| input.modifiers.shift) { FINE } else { 1.0 };
            let held = held.clamp(plot.min, plot.max);
            panel.pull(fields[0], AXIS.hertz((held.x - plot.left()) / plot.width()));
            if !band.shape.is_cut() {
                panel.pull(fields[1], self.db(plot, held.y));
            }
        }
        if response.drag_stopped() {
            self.held = None;
            panel.release();
        }
        if response.hovered() || response.dragged() {
            let turned = wheel(ui);
            if turned != 0.0 {
                let q = band.q * NOTCH.powf(turned);
                if self.held.is_some() { panel.pull(fields[2], q) } else { panel.change(fields[2], q) }
            }
            if ui.input(|input| input.key_pressed(Key::Delete) || input.key_pressed(Key::Backspace)) {
                panel.change(field(index, "on"), 0.0);
            }
        }
        if response.double_clicked() {
            panel.change(fields[1], 0.0);
        }
        response.context_menu(|ui| {
            let shapes = ["Bell", "Low shelf", "High shelf", "Low cut", "High cut", "Tilt"];
            for (shape, name) in shapes.into_iter().enumerate() {
                if ui.selectable_label(band.shape as usize == shape, name).clicked() {
                    panel.change(field(index, "type"), shape as f32);
                    ui.close();
                }
            }
            ui.separator();
            if ui.selectable_label(false, "Switch off").clicked() {
                panel.change(field(index, "on"), 0.0);
                ui.close();
            }
        });
    }

    /// Makes a band where a hand wants one: the first that is not in use.
    fn make(&self, panel: &mut Panel, plot: Rect, pointer: Pos2, bands: &[Band; BANDS]) {
        let Some(free) = bands.iter().position(|band| !band.on) else {
            panel.say("All twelve bands are in use.");
            return;
        };
        let hz = AXIS.hertz((pointer.x - plot.left()) / plot.width());
        let (shape, q) = match hz {
            low if low < SHELVES.0 => (Shape::LowShelf, Band::default().q),
            high if high > SHELVES.1 => (Shape::HighShelf, Band::default().q),
            _ => (Shape::Bell, FIRST_Q),
        };
        let values = [1.0, shape as usize as f32, hz, self.db(plot, pointer.y), q, 1.0];
        let fields = FIELDS.map(|name| field(free, name));
        panel.grab(&fields);
        fields.into_iter().zip(values).for_each(|(index, value)| panel.pull(index, value));
        panel.release();
        panel.with(|mind: &mut Mind, _| mind.band = free);
    }

    /// Frequency and gain of the curve under the pointer.
    fn read_out(&self, ui: &Ui, plot: Rect, pointer: Pos2, bands: &[Band; BANDS]) {
        let hz = Hz(f64::from(AXIS.hertz((pointer.x - plot.left()) / plot.width())));
        let gain: f64 = bands.iter().filter(|band| !band.is_neutral()).map(|band| band.analogue_db(hz)).sum();
        ui.painter_at(plot).vline(pointer.x, plot.y_range(), Stroke::new(1.0, theme::faded(theme::TEXT, 0.25)));
        plate(ui, plot, pos2(pointer.x, plot.bottom() - 24.0), &format!("{}    {gain:+.1} dB    double-click makes a band", hertz(hz.0)));
    }
}

fn egui_remap(db: f32, scale: f32, plot: Rect) -> f32 {
    plot.center().y - db / scale * plot.height() / 2.0
}

/// What a band is, beside its handle.
fn told(ui: &Ui, plot: Rect, place: Pos2, band: &Band) {
    let gain = if band.shape.is_cut() { String::new() } else { format!("    {:+.1} dB", band.gain.0) };
    let text = format!("{}{gain}    Q {:.2}    wheel: Q, Shift: finer, right-click: shape", hertz(band.frequency.0), band.q);
    plate(ui, plot, place + vec2(4.0, -26.0), &text);
}

fn plate(ui: &Ui, plot: Rect, place: Pos2, text: &str) {
    let painter = ui.painter_at(plot);
    let galley = painter.layout_no_wrap(text.to_owned(), theme::font(11.5), theme::TEXT);
    let left = (place.x + 8.0).clamp(plot.left() + 4.0, (plot.right() - galley.size().x - 18.0).max(plot.left() + 4.0));
    let top = place.y.clamp(plot.top() + 4.0, plot.bottom() - galley.size().y - 10.0);
    let back = Rect::from_min_size(pos2(left, top), galley.size() + vec2(12.0, 6.0));
    painter.rect_filled(back, 4.0, theme::faded(theme::PANEL, 0.94));
    painter.galley(back.min + vec2(6.0, 3.0), galley, theme::TEXT);
}

/// The bands as buttons, the one that is open, and what holds for all.
pub fn controls(ui: &mut Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let (list, all) = (236.0, 210.0);
    let open = ui.available_width() - list - all - 2.0 * gap;
    let chosen = panel.with(|mind: &mut Mind, _| mind.band).unwrap_or(0);
    panel.group(ui, "Bands", list, |ui, panel| chips(ui, panel, chosen));
    let id = |name: &str| format!("eq{}-{name}", chosen + 1);
    panel.group(ui, "", open, |ui, panel| {
        ui.vertical(|ui| {
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                panel.switch_as(ui, &id("on"), &format!("Band {}", chosen + 1), 110.0);
                ui.add_space(10.0);
                panel.menu_as(ui, &id("type"), "", 130.0);
                let cut = moves(panel).equaliser.bands[chosen].shape.is_cut();
                if cut {
                    ui.add_space(6.0);
                    panel.menu_as(ui, &id("slope"), "", 120.0);
                }
            });
            ui.add_space(12.0);
            let names = [id("freq"), id("gain"), id("q")];
            row(ui, panel, &[(&names[0], "Frequency"), (&names[1], "Gain"), (&names[2], "Q")], KNOB + 8.0);
        });
    });
    panel.group(ui, "", all, |ui, panel| {
        ui.vertical(|ui| {
            let width = ui.available_width();
            panel.switch_as(ui, "eq-on", "Equaliser on", width);
            ui.add_space(6.0);
            panel.segmented_as(ui, "eq-phase", "Phase", width);
            ui.add_space(6.0);
            row(ui, panel, &[("input", "Input")], KNOB);
        });
    });
}

/// Two rows of six: a click opens a band, a second one switches it.
fn chips(ui: &mut Ui, panel: &mut Panel, chosen: usize) {
    let (rect, _) = ui.allocate_exact_size(ui.available_size(), Sense::hover());
    let cell = vec2(rect.width() / 4.0, rect.height() / 3.0);
    for (index, band) in moves(panel).equaliser.bands.iter().enumerate() {
        let corner = rect.min + vec2(cell.x * (index % 4) as f32, cell.y * (index / 4) as f32);
        let chip = Rect::from_min_size(corner, cell).shrink(2.0);
        let response = ui.interact(chip, ui.scope_id().with(("chip", index)), Sense::click());
        response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, index == chosen, format!("Band {}", index + 1)));
        if response.clicked() {
            panel.with(|mind: &mut Mind, _| mind.band = index);
        }
        if response.double_clicked() {
            panel.change(field(index, "on"), f32::from(u8::from(!band.on)));
        }
        let painter = ui.painter();
        painter.rect_filled(chip, 5.0, if index == chosen || response.hovered() { theme::HOVER } else { theme::WELL });
        if index == chosen || response.has_focus() {
            painter.rect_stroke(chip, 5.0, Stroke::new(1.0, if index == chosen { theme::WARM } else { theme::COOL }), StrokeKind::Inside);
        }
        let ink = if band.on { theme::TEXT } else { theme::faded(theme::DIM, 0.6) };
        let top = pos2(chip.center().x, chip.center().y - 8.0);
        let title = format!("{}  {}", index + 1, short(band.frequency.0));
        painter.text(top, Align2::CENTER_CENTER, title, theme::font(11.0), if band.on { theme::DIM } else { ink });
        let gain = if !band.on {
            "off".to_owned()
        } else if band.shape.is_cut() {
            "cut".to_owned()
        } else {
            format!("{:+.1}", band.gain.0)
        };
        painter.text(pos2(top.x, chip.center().y + 8.0), Align2::CENTER_CENTER, gain, theme::font(12.5), ink);
        response.on_hover_text("Click to open, double-click to switch on or off");
    }
}

fn short(hz: f64) -> String {
    if hz >= 1_000.0 { format!("{:.1}k", hz / 1_000.0) } else { format!("{hz:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_stand_on_gain_and_frequency_and_back() {
        let picture = Equaliser { scale: 12.0, ..Equaliser::default() };
        let plot = Rect::from_min_size(pos2(10.0, 20.0), vec2(800.0, 300.0));
        let band = Band { on: true, frequency: Hz(632.0), gain: dsp_core::units::Db(6.0), ..Band::default() };
        let place = picture.place(plot, &band);
        assert!((picture.db(plot, place.y) - 6.0).abs() < 0.01);
        assert!((AXIS.hertz((place.x - plot.left()) / plot.width()) / 632.0 - 1.0).abs() < 1e-3);
        assert_eq!(picture.place(plot, &Band { shape: Shape::LowCut, ..band }).y, plot.center().y);
        assert!((0..BANDS).all(|band| FIELDS.iter().all(|name| field(band, name) > 0)));
    }
}
