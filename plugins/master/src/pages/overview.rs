//! The page that decides: learning, where the master goes, and every move in words.

use super::{AXIS, equaliser, moves};
use crate::groups::Group;
use crate::mind::Mind;
use crate::session::{LEAST_SECONDS, Learned, Told};
use dsp_core::analysis::middle_hz;
use dsp_core::mastering::{Platform, Style};
use dsp_core::params::{FromValues, index_of};
use dsp_core::units::Hz;
use plainsong_shell::egui::{
    Align, Align2, Button, Color32, CornerRadius, Layout, Pos2, Rect, Response, RichText, ScrollArea, Sense, Shape, Stroke, StrokeKind, Ui,
    UiBuilder, pos2, vec2,
};
use plainsong_shell::live::DisplayFrame;
use plainsong_shell::widgets::menu::dropdown;
use plainsong_shell::widgets::numbers::{Standing, decimal, number};
use plainsong_shell::widgets::spectrum::Spectrum;
use plainsong_shell::{Panel, Picture, theme};

/// A third of an octave: place, level, what is wanted and what is made, in decibels.
type Third = (f32, f64, f64, f64);

/// Share of the width that the picture takes; the rest is words.
const PICTURE: f32 = 0.55;
/// Levels under the highest that are shown, in dB.
const DEPTH: f64 = 54.0;
/// Thirds under this are not drawn, in dB relative to the whole: nothing is there.
const ABSENT_DB: f64 = -85.0;
/// Height of the bars of moves in points, and their scale in dB either way.
const BARS: f32 = 74.0;
const BARS_DB: f64 = 6.0;
/// Loudness nearer than this to its target is there, LU.
const THERE_LU: f64 = 0.5;
/// A true peak that reads the ceiling is not over it, dB.
const ROUNDING_DB: f64 = 0.005;

/// The picture: the song's spectrum, what is wanted, and what the equaliser makes of it; the moves beside.
pub struct Overview {
    spectrum: Spectrum,
}

impl Default for Overview {
    fn default() -> Self {
        Self { spectrum: Spectrum::new(AXIS).with_difference("Changed, at the same loudness") }
    }
}

impl Picture for Overview {
    fn name(&self) -> &'static str {
        "Master"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        self.spectrum.update(&equaliser::balanced(frame));
    }

    fn idle(&mut self, seconds: f32) {
        self.spectrum.idle(seconds);
    }

    fn at_rest(&self) -> bool {
        self.spectrum.at_rest()
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        let split = rect.left() + rect.width() * PICTURE;
        let left = Rect::from_min_max(rect.min, pos2(split - 4.0, rect.bottom()));
        let right = Rect::from_min_max(pos2(split + 4.0, rect.top()), rect.max);
        match panel.with(|mind: &mut Mind, _| mind.learned().cloned()).flatten() {
            Some(learned) => balance(ui, left, panel, &learned),
            None => self.spectrum.draw(ui, left),
        }
        words(ui, right, panel);
    }
}

/// The song by thirds of an octave: as it is, as it is wanted, as the equaliser makes it.
fn balance(ui: &Ui, rect: Rect, panel: &Panel, learned: &Learned) {
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 6.0, theme::WELL);
    let plot = Rect::from_min_max(rect.min + vec2(0.0, 28.0), pos2(rect.right(), rect.bottom() - 18.0));
    let upper = Rect::from_min_max(plot.min, pos2(plot.right(), plot.bottom() - BARS - 6.0));
    let lower = Rect::from_min_max(pos2(plot.left(), plot.bottom() - BARS), plot.max);
    for (hz, label) in AXIS.marks() {
        let x = plot.left() + plot.width() * AXIS.position(hz);
        painter.vline(x, plot.y_range(), Stroke::new(1.0, theme::faded(theme::LINE, 0.6)));
        let shift = if hz >= AXIS.high { -10.0 } else { 0.0 };
        painter.text(pos2(x + shift, rect.bottom() - 9.0), Align2::CENTER_CENTER, label, theme::font(10.5), theme::DIM);
    }
    let set = moves(panel);
    let thirds: Vec<Third> = learned
        .thirds
        .iter()
        .zip(&learned.wanted)
        .enumerate()
        .map(|(third, (&level, &wanted))| {
            let hz = middle_hz(third);
            let made = if set.equaliser_on { set.equaliser.analogue_db(Hz(hz)) } else { 0.0 };
            (plot.left() + plot.width() * AXIS.position(hz as f32), level, wanted, made)
        })
        .filter(|(x, ..)| plot.x_range().contains(*x))
        .collect();
    let highest = thirds.iter().map(|third| third.1 + third.2.max(third.3)).fold(f64::NEG_INFINITY, f64::max);
    let top = (highest / 6.0).ceil() * 6.0;
    let y = |db: f64| plainsong_shell::egui::remap_clamp((db - top) as f32, -DEPTH as f32..=0.0, upper.bottom()..=upper.top());
    let line = |of: &dyn Fn(&Third) -> f64| -> Vec<Pos2> {
        thirds.iter().filter(|third| third.1 > ABSENT_DB).map(|third| pos2(third.0, y(of(third)))).collect()
    };
    let inside = ui.painter_at(upper);
    inside.add(Shape::line(line(&|third| third.1), Stroke::new(1.5, theme::DIM)));
    inside.add(Shape::line(line(&|third| third.1 + third.3), Stroke::new(2.0, theme::WARM)));
    inside.add(Shape::dashed_line(&line(&|third| third.1 + third.2), Stroke::new(1.5, theme::COOL), 5.0, 4.0));
    // Below: what is wanted as bars, what the equaliser does as a line.
    let zero = lower.center().y;
    let bar_y = |db: f64| zero - (db / BARS_DB).clamp(-1.0, 1.0) as f32 * BARS / 2.0;
    painter.hline(lower.x_range(), zero, Stroke::new(1.0, theme::faded(theme::TEXT, 0.3)));
    let half = plot.width() / 30.0 * 0.32;
    for (x, _, wanted, _) in &thirds {
        let bar = Rect::from_two_pos(pos2(x - half, zero), pos2(x + half, bar_y(*wanted)));
        painter.rect_filled(bar, 1.0, theme::faded(theme::COOL, 0.45));
    }
    let made: Vec<Pos2> = (0..=160)
        .map(|n| {
            let share = n as f32 / 160.0;
            let hz = Hz(f64::from(AXIS.hertz(share)));
            let gain = if set.equaliser_on { set.equaliser.analogue_db(hz) } else { 0.0 };
            pos2(plot.left() + plot.width() * share, bar_y(gain))
        })
        .collect();
    painter.add(Shape::line(made, Stroke::new(1.8, theme::WARM)));
    for db in [-6.0, 6.0] {
        let place = pos2(lower.right() - 5.0, bar_y(db) + if db > 0.0 { 6.0 } else { -6.0 });
        painter.text(place, Align2::RIGHT_CENTER, format!("{db:+.0} dB"), theme::font(10.0), theme::DIM);
    }
    let mut at = rect.left_top() + vec2(12.0, 14.0);
    for (color, text) in [(theme::DIM, "Song"), (theme::COOL, "Wanted"), (theme::WARM, "With the equaliser")] {
        painter.rect_filled(Rect::from_center_size(pos2(at.x + 7.0, at.y), vec2(14.0, 2.0)), 1.0, color);
        let text = painter.text(pos2(at.x + 20.0, at.y), Align2::LEFT_CENTER, text, theme::font(11.5), theme::TEXT);
        at.x = text.right() + 16.0;
    }
    let heard = pos2(rect.right() - 12.0, rect.top() + 14.0);
    painter.text(heard, Align2::RIGHT_CENTER, "mean level by third of an octave", theme::font(11.0), theme::DIM);
}

/// The moves in words, each to be taken over by hand and given back.
fn words(ui: &mut Ui, rect: Rect, panel: &mut Panel) {
    ui.painter().rect_filled(rect, 6.0, theme::WELL);
    let inside = rect.shrink2(vec2(12.0, 8.0));
    ui.scope_builder(UiBuilder::new().max_rect(inside).layout(Layout::top_down(Align::Min)), |ui| {
        ui.set_clip_rect(rect);
        let known = panel.with(|mind: &mut Mind, _| (mind.learned().cloned(), mind.by_hand().collect::<Vec<_>>(), mind.error()));
        let (learned, hand, error) = known.unwrap_or_default();
        if let Some(error) = error {
            ui.label(RichText::new(error).size(12.0).color(theme::ALERT));
        }
        ScrollArea::vertical().id_salt("plainsong-moves").auto_shrink([false, false]).show(ui, |ui| {
            let Some(learned) = learned else {
                hint(ui);
                by_hand(ui, panel, &hand);
                return;
            };
            for remark in &learned.remarks {
                ui.label(RichText::new(format!("The song {remark}.")).size(12.0).color(theme::WARM));
                ui.add_space(2.0);
            }
            let told: Vec<&Told> =
                learned.told.iter().filter(|one| Group::find(&one.id).is_some_and(|group| !hand.contains(&group))).collect();
            if told.is_empty() && hand.is_empty() {
                ui.label(RichText::new("Nothing needs to be moved.").size(12.0).color(theme::TEXT));
            }
            for one in told {
                entry(ui, panel, one);
            }
            by_hand(ui, panel, &hand);
        });
    });
}

fn hint(ui: &mut Ui) {
    for (head, text) in [
        ("Play the song and press Learn.", "A minute of verse and chorus says most; the loudest part should be in it."),
        ("Watch the moves come.", "Each is an ordinary control of its page, set through the host: automate it, change it, undo it."),
        ("What you touch is yours.", "Learning leaves it alone from then on, until you give it back here."),
        ("Press Hold when it sounds right.", "Style and place can still be changed: what was heard is judged anew."),
    ] {
        ui.label(RichText::new(head).size(13.0).color(theme::TEXT));
        ui.label(RichText::new(text).size(12.0).color(theme::DIM));
        ui.add_space(7.0);
    }
}

/// One move: its name, what it does, how sure it is, and why.
fn entry(ui: &mut Ui, panel: &mut Panel, one: &Told) {
    let Some(group) = Group::find(&one.id) else { return };
    ui.horizontal(|ui| {
        ui.label(RichText::new(group.name()).size(12.5).color(theme::TEXT));
        ui.label(RichText::new(format!("{:+.1} dB", one.move_db)).size(12.5).color(theme::WARM));
        if let Some(confidence) = one.confidence {
            sureness(ui, confidence);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let take = Button::new(RichText::new("Take over").size(11.0).color(theme::DIM)).small().frame_when_inactive(false);
            if ui.add(take).on_hover_text("Learning leaves this move to you from now on. Touching its control does the same.").clicked() {
                panel.with(|mind: &mut Mind, panel| mind.hand_over(panel, group, true));
            }
        });
    });
    ui.label(RichText::new(&one.sentence).size(11.5).color(theme::DIM));
    ui.add_space(7.0);
}

/// How sure a move is, as a bar.
fn sureness(ui: &mut Ui, confidence: f64) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(38.0, 8.0), Sense::hover());
    ui.painter().rect_filled(rect, 2.0, theme::RAISED);
    let part = Rect::from_min_size(rect.min, vec2(rect.width() * confidence.clamp(0.0, 1.0) as f32, rect.height()));
    ui.painter().rect_filled(part, 2.0, theme::COOL);
    response.on_hover_text(format!(
        "Confidence {:.0} %: how sure measurement is that this is needed. Moves shrink with it.",
        100.0 * confidence
    ))
}

/// The moves that the hand has.
fn by_hand(ui: &mut Ui, panel: &mut Panel, hand: &[Group]) {
    if hand.is_empty() {
        return;
    }
    ui.add_space(2.0);
    ui.label(RichText::new("By hand: learning leaves these alone").size(11.5).color(theme::DIM));
    for &group in hand {
        ui.horizontal(|ui| {
            ui.label(RichText::new(group.name()).size(12.5).color(theme::TEXT));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let give = Button::new(RichText::new("Give back").size(11.0).color(theme::COOL)).small().frame_when_inactive(false);
                if ui.add(give).on_hover_text("Learning sets this move again.").clicked() {
                    panel.with(|mind: &mut Mind, panel| mind.hand_over(panel, group, false));
                }
            });
        });
    }
}

/// Learning, where the master goes, what it measures, and what is heard.
pub fn controls(ui: &mut Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let (learn, goal, listen) = (200.0, 230.0, 230.0);
    let rest = ui.available_width() - learn - goal - listen - 3.0 * gap;
    panel.group(ui, "", learn, learning);
    panel.group(ui, "", goal, |ui, panel| {
        let Some((style, place)) = panel.with(|mind: &mut Mind, _| (mind.style(), mind.place())) else { return };
        ui.vertical(|ui| {
            let width = ui.available_width();
            let places: Vec<&str> = Platform::all().iter().map(|place| place.name.as_str()).collect();
            let (response, place_picked) = dropdown(ui, "Goes to", &places, place, width);
            if let Some(place) = Platform::all().get(place) {
                response.on_hover_text(format!("{:.1} LUFS, at most {:.1} dBTP. {}", place.loudness, place.ceiling, place.source));
            }
            ui.add_space(10.0);
            let styles: Vec<&str> = Style::all().iter().map(|style| style.name.as_str()).collect();
            let (response, style_picked) = dropdown(ui, "Style", &styles, style, width);
            let about = Style::all().get(style).map_or("", |style| style.about.as_str());
            response.on_hover_text(about);
            ui.add_space(6.0);
            ui.label(RichText::new(about).size(11.5).color(theme::DIM));
            let (style, place) = (style_picked.unwrap_or(style), place_picked.unwrap_or(place));
            panel.with(|mind: &mut Mind, panel| mind.choose(panel, style, place));
        });
    });
    panel.group(ui, "", rest, readings);
    panel.group(ui, "", listen, listening);
}

/// The button, and what was heard.
pub fn learning(ui: &mut Ui, panel: &mut Panel) {
    let Some((listens, seconds, learned)) = panel.with(|mind: &mut Mind, _| (mind.listens(), mind.seconds(), mind.learned().is_some()))
    else {
        return;
    };
    ui.vertical(|ui| {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 62.0), Sense::click());
        let (text, fill, ink) = if listens { ("Hold", theme::WARM, theme::WELL) } else { ("Learn", theme::RAISED, theme::TEXT) };
        let fill: Color32 = if response.hovered() && !listens { theme::HOVER } else { fill };
        ui.painter().rect_filled(rect, CornerRadius::same(8), fill);
        if response.has_focus() {
            ui.painter().rect_stroke(rect, 8.0, Stroke::new(1.0, theme::COOL), StrokeKind::Inside);
        }
        ui.painter().text(rect.center(), Align2::CENTER_CENTER, text, theme::font(22.0), ink);
        let help = if listens {
            "Stops listening and keeps the moves."
        } else {
            "Listens to the song as it plays, from the beginning, and sets the moves it needs."
        };
        if response.on_hover_text(help).clicked() {
            panel.with(|mind: &mut Mind, panel| mind.learn_or_hold(panel));
        }
        ui.add_space(8.0);
        let clock = format!("{}:{:02}", seconds as u64 / 60, seconds as u64 % 60);
        let state = match (listens, seconds) {
            (true, seconds) if seconds < 0.5 => "Waits for sound: play the song".to_owned(),
            (true, seconds) if seconds < LEAST_SECONDS => format!("Listens: {clock} heard"),
            (true, _) => format!("Listens: {clock} heard, moves follow"),
            (false, seconds) if learned => format!("Holds what {:.0} s have taught", seconds),
            _ => "Nothing learned yet".to_owned(),
        };
        ui.label(RichText::new(state).size(12.0).color(if listens { theme::WARM } else { theme::DIM }));
        if listens {
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 5.0), Sense::hover());
            ui.painter().rect_filled(rect, 2.0, theme::WELL);
            // A minute says most of what there is to say.
            let part = vec2(rect.width() * (seconds / 60.0).min(1.0) as f32, rect.height());
            ui.painter().rect_filled(Rect::from_min_size(rect.min, part), 2.0, theme::WARM);
        }
    });
}

/// Song and master in numbers, and what the place will do with it.
fn readings(ui: &mut Ui, panel: &mut Panel) {
    let reading = panel.measured().map(|measured| measured.reading).unwrap_or_default();
    let (loudness, ceiling) = panel.target().unwrap_or((f64::NAN, f64::NAN));
    let known = panel.with(|mind: &mut Mind, _| (mind.learned().and_then(|learned| learned.loudness), mind.platform()));
    let (song, platform) = known.unwrap_or_default();
    ui.vertical(|ui| {
        let width = ui.available_width();
        let standing = match reading.integrated.map(|now| (now - loudness).abs() <= THERE_LU) {
            None => Standing::Plain,
            Some(true) => Standing::Good,
            Some(false) => Standing::Off,
        };
        let over = reading.true_peak.is_some_and(|peak| peak > ceiling + ROUNDING_DB);
        let peak = if over { Standing::Over } else { Standing::Plain };
        let off = reading.integrated.map_or("LUFS".to_owned(), |now| format!("LUFS, {:+.1} to go", loudness - now));
        ui.allocate_ui_with_layout(vec2(width, 96.0), Layout::left_to_right(Align::Center), |ui| {
            ui.set_height(96.0);
            ui.spacing_mut().item_spacing.x = 0.0;
            let size = |share: f32, size: f32| (width * share, size);
            number(ui, "Song", &decimal(song), "LUFS", Standing::Plain, size(0.2, 22.0), "Integrated loudness of what was learned from.");
            let help = "Integrated loudness of the master since measuring began. Play the whole song to read it in full.";
            number(ui, "Master", &decimal(reading.integrated), &off, standing, size(0.34, 36.0), help);
            number(ui, "True peak", &decimal(reading.true_peak), "dBTP", peak, size(0.24, 22.0), "Highest true peak of the master.");
            number(ui, "Range", &decimal(reading.range), "LU", Standing::Plain, size(0.22, 22.0), "Loudness range of the master (LRA).");
        });
        if let (Some(platform), Some(now), Some(peak)) = (platform, reading.integrated, reading.true_peak) {
            ui.label(RichText::new(platform.preview(now, peak).sentence).size(11.5).color(theme::DIM));
        } else {
            ui.label(RichText::new(format!("Wanted: {loudness:.1} LUFS, at most {ceiling:.1} dBTP.")).size(11.5).color(theme::DIM));
        }
    });
}

/// What is heard: the master, at which loudness, or what was changed; and measuring anew.
pub fn listening(ui: &mut Ui, panel: &mut Panel) {
    ui.vertical(|ui| {
        let width = ui.available_width();
        panel.switch(ui, "match", width);
        let on = index_of(dsp_core::engines::master::MasterMoves::PARAMS, "match").is_ok_and(|index| panel.value(index) >= 0.5);
        let (text, color) = if on {
            ("The output has the input's loudness. Off for the bounce.", theme::WARM)
        } else {
            ("For bypass and A/B: louder must not win.", theme::DIM)
        };
        ui.label(RichText::new(text).size(11.0).color(color));
        ui.add_space(5.0);
        panel.segmented(ui, "listen", width);
        ui.add_space(8.0);
        if ui
            .add_sized(vec2(width, 26.0), Button::new("Measure anew"))
            .on_hover_text("Loudness and peaks of the master start from nothing.")
            .clicked()
        {
            panel.measure_anew();
        }
    });
}
