//! The page of references: files that the master is to come near to, the part of each that counts, how much
//! their sides count, and how the song stands beside them.

use super::AXIS;
use super::overview::{learning, listening};
use crate::mind::{Mind, Sought};
use crate::references::{Choice, Found, Heard, LEAST_PART, MOST, MOST_WEIGHT, Member, OVERVIEW, Reference, Weighing};
use crate::session::Learned;
use dsp_core::analysis::middle_hz;
use dsp_core::mastering::{BANDS, Profile, level};
use plainsong_shell::egui::{
    Align, Align2, Button, Checkbox, CursorIcon, Id, Layout, Pos2, Rect, RichText, ScrollArea, Sense, Shape, Stroke, Ui, UiBuilder, pos2,
    remap_clamp, vec2,
};
use plainsong_shell::live::DisplayFrame;
use plainsong_shell::widgets::files::{self, Chooser};
use plainsong_shell::widgets::slider::slider;
use plainsong_shell::{Panel, Picture, theme};
use sound_files::source::is_sound;
use std::path::Path;
use std::sync::Arc;

/// Share of the width that the files take; the rest is the comparison.
const FILES: f32 = 0.54;
/// Height of a file's overview in points, and how near to an end of the part it is taken hold of.
const STRIP: f32 = 44.0;
const NEAR: f32 = 9.0;
/// Levels under the highest that are shown, dB, and thirds that are not drawn.
const DEPTH: f64 = 54.0;
const ABSENT_DB: f64 = -85.0;
/// Height of the table of numbers under the spectra, in points.
const TABLE: f32 = 108.0;
/// Lowest sample that the overview shows, dBFS.
const FLOOR_DB: f32 = -48.0;

/// The picture.
#[derive(Default)]
pub struct Comparison {
    /// The file whose part is moved, with the part so far.
    held: Option<(usize, Reference, bool)>,
}

impl Picture for Comparison {
    fn name(&self) -> &'static str {
        "Reference"
    }

    fn update(&mut self, _: &DisplayFrame) {}

    fn closed(&mut self) {
        self.held = None;
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        let split = rect.left() + rect.width() * FILES;
        let left = Rect::from_min_max(rect.min, pos2(split - 4.0, rect.bottom()));
        let right = Rect::from_min_max(pos2(split + 4.0, rect.top()), rect.max);
        self.files(ui, left, panel);
        comparison(ui, right, panel);
        choose(ui, panel);
    }
}

impl Comparison {
    /// All files, each with its overview and the part of it that counts.
    fn files(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        ui.painter().rect_filled(rect, 6.0, theme::WELL);
        let Some(choice) = panel.with(|mind: &mut Mind, _| mind.choice().clone()) else { return };
        let mut new = choice.clone();
        ui.scope_builder(UiBuilder::new().max_rect(rect.shrink2(vec2(12.0, 8.0))).layout(Layout::top_down(Align::Min)), |ui| {
            ui.set_clip_rect(rect);
            ScrollArea::vertical().id_salt("plainsong-references").auto_shrink([false, false]).show(ui, |ui| {
                if choice.files.is_empty() {
                    hint(ui);
                }
                let mut gone = None;
                for (index, file) in choice.files.iter().enumerate() {
                    let found = panel.with(|mind: &mut Mind, _| mind.found(file)).flatten();
                    if head(ui, panel, file, &mut new.files[index], found.as_ref()) {
                        gone = Some(index);
                    }
                    match &found {
                        Some(Found::Heard(heard)) => {
                            if let Some(part) = self.part(ui, index, file, heard) {
                                new.files[index] = part;
                            }
                        }
                        Some(Found::Failed(why)) if file.on => {
                            ui.label(RichText::new(format!("The file {why}.")).size(11.5).color(theme::ALERT));
                            ui.label(RichText::new(&file.path).size(11.0).color(theme::DIM));
                        }
                        _ => {}
                    }
                    ui.add_space(8.0);
                }
                if let Some(index) = gone {
                    new.files.remove(index);
                    self.held = None;
                }
                let room = choice.files.len() < MOST;
                let add = ui.add_enabled(room, Button::new("Add a file"));
                let add =
                    add.on_hover_text("WAV, FLAC, MP3, Ogg Vorbis, Opus, AAC, AIFF or CAF: finished music that yours is to stand beside.");
                if add.on_disabled_hover_text(format!("{MOST} files are all that are kept: remove one first.")).clicked() {
                    let near = choice.files.last().map(|file| file.path.clone());
                    let chooser = Chooser::new("Choose a reference", near.as_deref().map(Path::new), is_sound);
                    panel.with(|mind: &mut Mind, _| mind.chooser = Some((chooser, Sought::Reference)));
                }
                ui.add_space(12.0);
                album(ui, panel, &mut new.album);
            });
        });
        if new != choice {
            panel.with(|mind: &mut Mind, panel| mind.refer(panel, new));
        }
    }

    /// The overview of a file with the ends of its part, which can be dragged; where it was let go.
    fn part(&mut self, ui: &mut Ui, index: usize, file: &Reference, heard: &Arc<Heard>) -> Option<Reference> {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), STRIP), Sense::hover());
        let shown = self.held.as_ref().filter(|held| held.0 == index).map_or_else(|| file.clone(), |held| held.1.clone());
        let whole = heard.seconds.max(1e-3);
        let x = |seconds: f64| rect.left() + rect.width() * (seconds / whole).clamp(0.0, 1.0) as f32;
        let (from, to) = (shown.from, shown.to.unwrap_or(whole).min(whole));
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 4.0, theme::PANEL);
        painter.rect_filled(Rect::from_min_max(pos2(x(from), rect.top()), pos2(x(to), rect.bottom())), 0.0, theme::RAISED);
        for (point, level) in heard.overview.iter().enumerate() {
            let at = (point as f64 + 0.5) * OVERVIEW;
            let db = 20.0 * level.max(1e-6).log10();
            let half = remap_clamp(db, FLOOR_DB..=0.0, 0.5..=STRIP / 2.0 - 3.0);
            let color = if (from..to).contains(&at) { theme::COOL } else { theme::faded(theme::DIM, 0.45) };
            let width = (x(at + OVERVIEW) - x(at)).max(1.0);
            painter.vline(x(at), rect.center().y - half..=rect.center().y + half, Stroke::new((width - 0.5).max(1.0), color));
        }
        let response = ui.interact(rect, Id::unique(("plainsong-part", index)), Sense::click_and_drag());
        let response = response.on_hover_text("Drag an end to choose the part that counts; double-click for all of it.");
        for end in [from, to] {
            painter.vline(x(end), rect.y_range(), Stroke::new(2.0, theme::TEXT));
        }
        let pointer = response.interact_pointer_pos().or(response.hover_pos());
        let near_end = |at: Pos2| {
            ((at.x - x(from)).abs() <= NEAR || (at.x - x(to)).abs() <= NEAR).then_some((at.x - x(to)).abs() < (at.x - x(from)).abs())
        };
        if pointer.and_then(near_end).is_some() {
            ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
        }
        if response.double_clicked() {
            self.held = None;
            return Some(Reference { from: 0.0, to: None, ..file.clone() });
        }
        if response.drag_started()
            && let Some(last) = ui.input(|input| input.pointer.press_origin()).and_then(near_end)
        {
            self.held = Some((index, file.clone(), last));
        }
        if response.dragged()
            && let (Some(held), Some(at)) = (self.held.as_mut().filter(|held| held.0 == index), pointer)
        {
            let seconds = f64::from((at.x - rect.left()) / rect.width()).clamp(0.0, 1.0) * whole;
            let least = LEAST_PART.min(whole);
            if held.2 {
                let end = seconds.max(from + least);
                held.1.to = (end < whole - 0.5).then_some(end);
            } else {
                held.1.from = if seconds < 0.5 { 0.0 } else { seconds.min(to - least).max(0.0) };
            }
        }
        if response.drag_stopped() {
            return self.held.take().filter(|held| held.0 == index).map(|held| held.1);
        }
        None
    }
}

/// The line of a file. True when it is to be removed.
fn head(ui: &mut Ui, panel: &mut Panel, file: &Reference, new: &mut Reference, found: Option<&Found>) -> bool {
    let mut gone = false;
    ui.horizontal(|ui| {
        let mut on = file.on;
        ui.add(Checkbox::without_text(&mut on)).on_hover_text("Counts, or is kept aside.");
        new.on = on;
        let state = match found {
            _ if !file.on => "kept aside".to_owned(),
            Some(Found::Hearing(Some(share))) => format!("is heard: {:.0} %", 100.0 * share),
            Some(Found::Heard(heard)) => {
                let part = if file.from > 0.0 || file.to.is_some() {
                    format!("{} to {} of ", time(file.from), time(file.to.unwrap_or(heard.seconds)))
                } else {
                    String::new()
                };
                let loudness = heard.profile.loudness.map_or(String::new(), |loudness| format!(", {loudness:.1} LUFS"));
                format!("{part}{}{loudness}", time(heard.seconds))
            }
            Some(Found::Failed(_)) => "cannot be used".to_owned(),
            _ => "is heard".to_owned(),
        };
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let small = |text: &str, color| Button::new(RichText::new(text).size(11.0).color(color)).small().frame_when_inactive(false);
            gone = ui.add(small("Remove", theme::DIM)).on_hover_text("The file stays where it is.").clicked();
            if matches!(found, Some(Found::Failed(_)))
                && file.on
                && ui.add(small("Look again", theme::COOL)).on_hover_text("For when the file is back in its place.").clicked()
            {
                panel.with(|mind: &mut Mind, _| mind.retry(file));
            }
            ui.label(RichText::new(state).size(11.5).color(theme::DIM));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let color = if file.on { theme::TEXT } else { theme::DIM };
                ui.add(plainsong_shell::egui::Label::new(RichText::new(file.name()).size(12.5).color(color)).truncate())
                    .on_hover_text(&file.path);
            });
        });
    });
    gone
}

fn time(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    format!("{}:{:02}", whole / 60, whole % 60)
}

fn hint(ui: &mut Ui) {
    for (head, text) in [
        ("Music that yours is to stand beside", "Add one or several finished songs. They are only listened to, and stay where they are."),
        ("The part that counts", "Drag the ends of the overview: a chorus says more of a chorus than a whole song does."),
        ("What counts of it", "Below: tone, dynamics, width and loudness each have a weight. 0 leaves that side out."),
    ] {
        ui.label(RichText::new(head).size(13.0).color(theme::TEXT));
        ui.label(RichText::new(text).size(12.0).color(theme::DIM));
        ui.add_space(7.0);
    }
}

/// The album that the song belongs to.
fn album(ui: &mut Ui, panel: &mut Panel, member: &mut Option<Member>) {
    let about = "A file of render master --album --album-file: the song gets the tone that its album shares, and keeps its \
                 loudness to the other songs. Open the same file for each of them.";
    let Some(known) = member.clone() else {
        if ui.add(Button::new("Open an album")).on_hover_text(about).clicked() {
            let chooser = Chooser::new("Open an album", None, Member::is_album);
            panel.with(|mind: &mut Mind, _| mind.chooser = Some((chooser, Sought::Album)));
        }
        return;
    };
    ui.horizontal(|ui| {
        ui.label(RichText::new("Album").size(12.5).color(theme::COOL));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let close = Button::new(RichText::new("Leave").size(11.0).color(theme::DIM)).small().frame_when_inactive(false);
            if ui.add(close).on_hover_text("The song is mastered by itself again.").clicked() {
                *member = None;
            }
            let state = format!("{} songs, {:.1} LUFS before", known.album.songs, known.album.loudness);
            ui.label(RichText::new(state).size(11.5).color(theme::DIM));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(plainsong_shell::egui::Label::new(RichText::new(&known.name).size(12.5).color(theme::TEXT)).truncate())
                    .on_hover_text(about);
            });
        });
    });
}

/// The chooser, where it is open.
fn choose(ui: &Ui, panel: &mut Panel) {
    let Some((mut chooser, sought)) = panel.with(|mind: &mut Mind, _| mind.chooser.take()).flatten() else { return };
    match chooser.show(ui) {
        files::Choice::Open => {
            panel.with(|mind: &mut Mind, _| mind.chooser = Some((chooser, sought)));
        }
        files::Choice::Cancelled => {}
        files::Choice::Chosen(path) => {
            panel.with(|mind: &mut Mind, panel| {
                let mut choice = mind.choice().clone();
                match sought {
                    Sought::Reference => choice.files.push(Reference::new(&path)),
                    Sought::Album => match Member::read(&path) {
                        Ok(member) => choice.album = Some(member),
                        Err(failure) => panel.say(failure.about(&path).to_string()),
                    },
                }
                mind.refer(panel, choice);
            });
        }
    }
}

/// Song and references by thirds of an octave, and in numbers.
fn comparison(ui: &Ui, rect: Rect, panel: &mut Panel) {
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 6.0, theme::WELL);
    let known = panel.with(|mind: &mut Mind, _| (mind.learned().cloned(), mind.references().to_vec()));
    let (learned, references) = known.unwrap_or_default();
    let plot = Rect::from_min_max(rect.min + vec2(0.0, 28.0), pos2(rect.right(), rect.bottom() - TABLE - 22.0));
    for (hz, label) in AXIS.marks() {
        let x = plot.left() + plot.width() * AXIS.position(hz);
        painter.vline(x, plot.y_range(), Stroke::new(1.0, theme::faded(theme::LINE, 0.6)));
        let shift = if hz >= AXIS.high { -10.0 } else { 0.0 };
        painter.text(pos2(x + shift, plot.bottom() + 10.0), Align2::CENTER_CENTER, label, theme::font(10.5), theme::DIM);
    }
    let song = learned.as_ref().map(|learned| learned.thirds.as_slice()).unwrap_or_default();
    let wanted: Vec<f64> =
        learned.iter().flat_map(|learned| learned.thirds.iter().zip(&learned.wanted)).map(|(level, move_db)| level + move_db).collect();
    let mean: Vec<f64> = (0..BANDS).filter_map(|third| mean(&references, |reference| reference.thirds[third])).collect();
    let highest = song.iter().chain(&mean).chain(&wanted).fold(f64::NEG_INFINITY, |most, &db| most.max(db));
    let top = if highest.is_finite() { (highest / 6.0).ceil() * 6.0 } else { 0.0 };
    let place = |(third, &db): (usize, &f64)| {
        let x = plot.left() + plot.width() * AXIS.position(middle_hz(third) as f32);
        (db > ABSENT_DB && plot.x_range().contains(x))
            .then(|| pos2(x, remap_clamp((db - top) as f32, -DEPTH as f32..=0.0, plot.bottom()..=plot.top())))
    };
    let line = |levels: &[f64]| levels.iter().enumerate().filter_map(place).collect::<Vec<Pos2>>();
    let inside = ui.painter_at(plot);
    inside.add(Shape::line(line(song), Stroke::new(1.5, theme::DIM)));
    inside.add(Shape::line(line(&mean), Stroke::new(2.0, theme::COOL)));
    inside.add(Shape::dashed_line(&line(&wanted), Stroke::new(1.5, theme::WARM), 5.0, 4.0));
    let mut at = rect.left_top() + vec2(12.0, 14.0);
    for (color, text) in [(theme::DIM, "Song"), (theme::COOL, "References"), (theme::WARM, "Wanted")] {
        painter.rect_filled(Rect::from_center_size(pos2(at.x + 7.0, at.y), vec2(14.0, 2.0)), 1.0, color);
        let text = painter.text(pos2(at.x + 20.0, at.y), Align2::LEFT_CENTER, text, theme::font(11.5), theme::TEXT);
        at.x = text.right() + 16.0;
    }
    if learned.is_none() {
        painter.text(plot.center(), Align2::CENTER_CENTER, "Learn the song to see it beside them", theme::font(12.5), theme::DIM);
    }
    table(
        ui,
        Rect::from_min_max(pos2(rect.left() + 12.0, rect.bottom() - TABLE), rect.max - vec2(12.0, 8.0)),
        learned.as_ref(),
        &references,
    );
}

fn mean(references: &[Profile], of: impl Fn(&Profile) -> f64) -> Option<f64> {
    (!references.is_empty()).then(|| references.iter().map(of).sum::<f64>() / references.len() as f64)
}

/// Loudness, sides and dynamics: of the song, of the references, and what is wanted.
fn table(ui: &Ui, rect: Rect, learned: Option<&Learned>, references: &[Profile]) {
    let painter = ui.painter_at(rect);
    let pair = |all: Option<&Vec<[f64; 2]>>, index: usize| all.and_then(|all| all.get(index)).copied();
    let mut columns: Vec<(&str, [Option<f64>; 3])> = Vec::new();
    let groups = [("", 1), ("Sides over middle, dB", 3), ("Loud over middle passages, dB", 4)];
    columns.push(("LUFS", [learned.and_then(|learned| learned.loudness), level::theirs(references), None]));
    for (index, name) in ["low", "mid", "high"].into_iter().enumerate() {
        let own = pair(learned.map(|learned| &learned.width), index);
        columns.push((name, [own.map(|own| own[0]), mean(references, |known| known.width[index]), own.map(|own| own[0] + own[1])]));
    }
    for (index, name) in ["low", "low-mid", "high-mid", "high"].into_iter().enumerate() {
        let own = pair(learned.map(|learned| &learned.dynamics), index);
        columns.push((name, [own.map(|own| own[0]), mean(references, |known| known.dynamics[index]), own.map(|own| own[0] + own[1])]));
    }
    let first = 66.0;
    let each = (rect.width() - first) / columns.len() as f32;
    let row = |line: usize| rect.top() + 24.0 + 20.0 * line as f32;
    let mut done = 0;
    for (name, count) in groups {
        done += count;
        let right = rect.left() + first + each * done as f32;
        painter.text(pos2(right, row(0) - 16.0), Align2::RIGHT_CENTER, name, theme::font(10.5), theme::TEXT);
    }
    for (line, (name, color)) in [("Song", theme::TEXT), ("References", theme::COOL), ("Wanted", theme::WARM)].into_iter().enumerate() {
        painter.text(pos2(rect.left(), row(line + 1)), Align2::LEFT_CENTER, name, theme::font(11.0), color);
    }
    for (index, (name, values)) in columns.into_iter().enumerate() {
        let right = rect.left() + first + each * (index + 1) as f32;
        painter.text(pos2(right, row(0)), Align2::RIGHT_CENTER, name, theme::font(10.5), theme::DIM);
        for (line, value) in values.into_iter().enumerate() {
            let text = value.map_or("-".to_owned(), |value| format!("{value:.1}"));
            painter.text(pos2(right, row(line + 1)), Align2::RIGHT_CENTER, text, theme::font(11.5), theme::TEXT);
        }
    }
}

/// A weight's place on its slider: 1 in the middle, 10 at the end.
fn position(weight: f64) -> f32 {
    (weight / MOST_WEIGHT).powf(MOST_WEIGHT.log10().recip() * 2_f64.log10()) as f32
}

/// The weight at a place.
fn weight(position: f32) -> f64 {
    let weight = MOST_WEIGHT * f64::from(position).powf(MOST_WEIGHT.log10() / 2_f64.log10());
    // What can be read is what is kept.
    (weight * 100.0).round() / 100.0
}

/// What counts, learning, and what is heard.
pub fn controls(ui: &mut Ui, panel: &mut Panel) {
    let gap = ui.spacing().item_spacing.x;
    let (learn, listen) = (200.0, 230.0);
    let rest = ui.available_width() - learn - listen - 2.0 * gap;
    panel.group(ui, "", learn, learning);
    panel.group(ui, "What counts of the references", rest, weights);
    panel.group(ui, "", listen, listening);
}

fn weights(ui: &mut Ui, panel: &mut Panel) {
    let Some(choice) = panel.with(|mind: &mut Mind, _| mind.choice().clone()) else { return };
    let mut new = choice.weights;
    let default = Weighing::default();
    ui.vertical(|ui| {
        let width = (ui.available_width() - 28.0) / 2.0;
        let near = "1 weighs it against what is known of finished music, 0 leaves it out, 10 follows it closely.";
        let one = |ui: &mut Ui, name: &str, about: &str, value: &mut f64, default: f64| {
            let text = if *value == 0.0 { "left out".to_owned() } else { format!("{value:.2}") };
            let (response, moved) = slider(ui, name, &text, position(*value), position(default), width);
            response.on_hover_text(format!("{about} {near}"));
            if let Some(moved) = moved {
                *value = weight(moved);
            }
        };
        ui.spacing_mut().item_spacing.x = 28.0;
        ui.add_space(8.0);
        ui.horizontal(|ui| {
            one(ui, "Tone", "The balance of lows, mids and highs.", &mut new.tone, default.tone);
            one(ui, "Dynamics", "How far loud passages stand out, by band.", &mut new.dynamics, default.dynamics);
        });
        ui.add_space(16.0);
        ui.horizontal(|ui| {
            one(ui, "Width", "Sides against the middle, by region.", &mut new.width, default.width);
            let text = if new.loudness == 0.0 { "the place's".to_owned() } else { format!("{:.0} % theirs", 100.0 * new.loudness) };
            let (response, moved) = slider(ui, "Loudness", &text, new.loudness as f32, default.loudness as f32, width);
            response.on_hover_text("0 is the loudness of the place that the master goes to, 100 % that of the references.");
            if let Some(moved) = moved {
                new.loudness = (f64::from(moved) * 100.0).round() / 100.0;
            }
        });
        ui.add_space(14.0);
        let about = "Several files are taken as one: their mean, and the more of them, the closer it is held to.";
        ui.label(RichText::new(about).size(11.5).color(theme::DIM));
    });
    if new != choice.weights {
        let choice = Choice { weights: new, ..choice };
        panel.with(|mind: &mut Mind, panel| mind.refer(panel, choice));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_places_on_the_slider_are_each_others_inverse() {
        assert!((position(1.0) - 0.5).abs() < 1e-6 && position(0.0) == 0.0 && position(MOST_WEIGHT) == 1.0);
        for step in 0..=40 {
            let value = weight(step as f32 / 40.0);
            assert!((weight(position(value)) - value).abs() < 0.011, "{value}");
        }
        assert_eq!((time(59.7), time(125.0)), ("1:00".to_owned(), "2:05".to_owned()));
    }
}
