//! The menu of models: what can be chosen, with licence, delay, cost and card.

use crate::editor::Panel;
use crate::models::{Chosen, Playing, available};
use crate::theme;
use dsp_core::model::store::{Entry, Stamp, Store, Verdict};
use egui::{Align2, Popup, Rect, Response, Role, ScrollArea, Sense, Shape, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

/// Height of the button in points.
const HEIGHT: f32 = 26.0;
/// Width of the list in points.
const WIDTH: f32 = 430.0;
/// Height of a row in points.
const ROW: f32 = 42.0;
/// Width of the link to a card in points.
const CARD: f32 = 48.0;
/// Seconds between looks at what is installed.
const LOOK: f64 = 2.0;

/// What is installed, as the editor last saw it.
#[derive(Debug)]
pub struct Shelf {
    tasks: &'static [&'static str],
    entries: Vec<Entry>,
    looked: f64,
    /// The chosen model was there at the last look.
    there: bool,
}

impl Shelf {
    /// For models of these tasks.
    pub fn new(tasks: &'static [&'static str]) -> Self {
        Self { tasks, entries: Vec::new(), looked: f64::NEG_INFINITY, there: true }
    }

    /// Looks from time to time. True when a chosen model that was missing has come back.
    pub fn refresh(&mut self, time: f64, store: Option<&Store>, playing: &Playing) -> bool {
        if time - self.looked < LOOK && time >= self.looked {
            return false;
        }
        self.looked = time;
        let Some(store) = store else { return false };
        self.entries = store.list();
        self.entries.retain(|(_, stamp)| stamp.as_ref().map_or(true, |stamp| self.tasks.contains(&stamp.task.as_str())));
        let missing = playing.wanted.as_ref().filter(|_| playing.model.is_none());
        let there = missing.is_none_or(|wanted| available(store, wanted).is_ok());
        let back = missing.is_some() && there && !self.there;
        self.there = there;
        back
    }
}

/// A row of the list.
struct Row {
    name: String,
    facts: String,
    /// Task that it is for; none for the built-in ones, which have one for each.
    task: Option<String>,
    /// What it does when it is clicked; none where it cannot be chosen.
    choice: Option<Option<Chosen>>,
    warns: bool,
    /// Title and text of its card.
    card: Option<(String, Source)>,
}

/// Where a card's text is.
enum Source {
    BuiltIn(&'static str),
    Installed(String),
}

/// Licence, delay and cost in a line.
fn facts(stamp: &Stamp) -> String {
    let cost = 100.0 * stamp.load();
    format!("{}   {:.1} ms   {cost:.1} % of a core, {}", stamp.license, stamp.latency_ms, stamp.verdict.label())
}

fn rows(panel: &Panel) -> Vec<Row> {
    let (name, about) = panel.built_in();
    let card = panel.cards().first().map(|card| (card.name.to_owned(), Source::BuiltIn(card.text)));
    let several = panel.shelf().is_some_and(|shelf| shelf.tasks.len() > 1);
    let mut rows = vec![Row { name: name.to_owned(), facts: about, task: None, choice: Some(None), warns: false, card }];
    for (id, stamp) in panel.shelf().map_or(&[][..], |shelf| &shelf.entries) {
        rows.push(match stamp {
            Ok(stamp) => Row {
                name: format!("{} {}", stamp.name, stamp.version),
                facts: if several { format!("{}   {}", stamp.task, facts(stamp)) } else { facts(stamp) },
                task: Some(stamp.task.clone()),
                choice: Some(Some(Chosen::of(stamp))),
                warns: stamp.verdict == Verdict::TooSlow,
                card: Some((stamp.name.clone(), Source::Installed(id.clone()))),
            },
            Err(reason) => Row { name: id.clone(), facts: reason.clone(), task: None, choice: None, warns: true, card: None },
        });
    }
    rows
}

/// Draws the button that shows the chosen model, and its list.
pub fn models(ui: &mut Ui, panel: &mut Panel, width: f32) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(width, HEIGHT), Sense::click());
    let playing = panel.live().playing.lock().clone();
    let missing = playing.trouble.is_some();
    let wanted = panel.params().persisted().model;
    let built_in = panel.built_in_name();
    let shown = wanted.as_ref().map_or_else(
        || built_in.to_owned(),
        |wanted| {
            let name = if wanted.name.is_empty() { &wanted.id } else { &wanted.name };
            if missing { format!("{name} (not available)") } else { name.clone() }
        },
    );
    response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, format!("Model {shown}")));
    let painter = ui.painter();
    painter.rect_filled(rect, 5.0, if response.hovered() { theme::HOVER } else { theme::WELL });
    if response.has_focus() {
        painter.rect_stroke(rect, 5.0, Stroke::new(1.0, theme::COOL), StrokeKind::Inside);
    }
    let label = painter.text(pos2(rect.left() + 9.0, rect.center().y), Align2::LEFT_CENTER, "Model", theme::font(12.5), theme::DIM);
    let inside = ui.painter_at(Rect::from_min_max(pos2(label.right() + 8.0, rect.top()), pos2(rect.right() - 20.0, rect.bottom())));
    let color = if missing { theme::ALERT } else { theme::TEXT };
    inside.text(pos2(label.right() + 8.0, rect.center().y), Align2::LEFT_CENTER, &shown, theme::font(13.0), color);
    let tip = pos2(rect.right() - 12.0, rect.center().y + 2.0);
    let arrow = [tip + vec2(-4.0, -4.0), tip, tip + vec2(4.0, -4.0)];
    ui.painter().add(Shape::line(arrow.to_vec(), Stroke::new(1.6, theme::DIM)));
    Popup::menu(&response).width(WIDTH).show(|ui| list(ui, panel, wanted.as_ref()));
    response.on_hover_ui(|ui| {
        ui.set_max_width(300.0);
        ui.strong("Model");
        ui.label("The net that listens and decides. Others are installed by cargo xtask models fetch, or add.");
        if let Some(trouble) = &playing.trouble {
            let name = wanted.as_ref().map_or(built_in, |wanted| if wanted.name.is_empty() { &wanted.id } else { &wanted.name });
            ui.colored_label(theme::ALERT, format!("{name} {trouble}."));
            ui.label("Until then the built-in model plays. Your choice is kept, and comes back with the model.");
        }
    })
}

fn list(ui: &mut Ui, panel: &mut Panel, wanted: Option<&Chosen>) {
    ui.set_min_width(WIDTH);
    ScrollArea::vertical().max_height(330.0).show(ui, |ui| {
        for row in rows(panel) {
            let chosen = row.choice.as_ref().is_some_and(|choice| choice.as_ref() == wanted);
            let (rect, response) = ui.allocate_exact_size(vec2(WIDTH, ROW), Sense::click());
            response.widget_info(|| WidgetInfo::selected(Role::RadioButton, row.choice.is_some(), chosen, &row.name));
            let painter = ui.painter();
            if chosen || response.hovered() && row.choice.is_some() {
                painter.rect_filled(rect, 4.0, theme::HOVER);
            }
            if response.has_focus() {
                painter.rect_stroke(rect, 4.0, Stroke::new(1.0, theme::COOL), StrokeKind::Inside);
            }
            let clip = ui.painter_at(Rect::from_min_max(rect.min, pos2(rect.right() - CARD, rect.bottom())));
            let name = if chosen {
                theme::WARM
            } else if row.choice.is_some() {
                theme::TEXT
            } else {
                theme::DIM
            };
            clip.text(pos2(rect.left() + 10.0, rect.top() + 13.0), Align2::LEFT_CENTER, &row.name, theme::font(13.5), name);
            let color = if row.warns { theme::ALERT } else { theme::DIM };
            clip.text(pos2(rect.left() + 10.0, rect.top() + 30.0), Align2::LEFT_CENTER, &row.facts, theme::font(11.5), color);
            let link = Rect::from_min_max(pos2(rect.right() - CARD, rect.top()), rect.max);
            if let Some((title, source)) = row.card {
                let open = ui.interact(link, response.id.with("card"), Sense::click()).on_hover_text("Data, licence, figures and limits");
                open.widget_info(|| WidgetInfo::labeled(Role::Link, true, format!("Card of {title}")));
                let color = if open.hovered() || open.has_focus() { theme::TEXT } else { theme::COOL };
                ui.painter().text(link.center(), Align2::CENTER_CENTER, "Card", theme::font(12.0), color);
                if open.clicked() {
                    match source {
                        Source::BuiltIn(text) => panel.show_card(title, text.to_owned()),
                        Source::Installed(id) => panel.show_installed_card(&id),
                    }
                    ui.close();
                    return;
                }
            }
            if let Some(choice) = row.choice
                && response.clicked()
            {
                if !chosen {
                    panel.choose_model(choice);
                }
                // A model for another task than the one that is set would not be heard.
                if let Some(task) = &row.task {
                    panel.choose_task(task);
                }
                ui.close();
            }
        }
        ui.add_space(2.0);
        ui.weak("Delay, and a step's share of one core for each channel, were measured on this computer.");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_comes_back_is_told_of_once() {
        let folder = std::env::temp_dir().join(format!("plainsong-shelf-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Store::at(&folder);
        let manifest = "anything";
        let stamp = Stamp {
            rules: dsp_core::model::store::RULES,
            id: "x".into(),
            name: "X".into(),
            version: "1".into(),
            task: "denoise".into(),
            authors: "a".into(),
            license: "MIT".into(),
            sha256: dsp_core::model::store::sha256(manifest.as_bytes()),
            files: Default::default(),
            verdict: Verdict::Inline,
            step_us: 100.0,
            paced_us: 300.0,
            hop_ms: 10.0,
            latency_ms: 20.0,
        };
        let playing = Playing { wanted: Some(Chosen::of(&stamp)), model: None, trouble: Some("is not installed".into()) };
        let mut shelf = Shelf::new(&["denoise"]);
        assert!(!shelf.refresh(0.0, Some(&store), &playing));
        std::fs::create_dir_all(folder.join("x")).unwrap();
        std::fs::write(folder.join("x/manifest.toml"), manifest).unwrap();
        std::fs::write(folder.join("x/stamp.json"), serde_json::to_string(&stamp).unwrap()).unwrap();
        assert!(!shelf.refresh(1.0, Some(&store), &playing), "not looked yet");
        assert!(shelf.refresh(3.0, Some(&store), &playing));
        assert!(!shelf.refresh(6.0, Some(&store), &playing), "told once");
        assert_eq!(shelf.entries.len(), 1);
        assert_eq!(facts(&stamp), "MIT   20.0 ms   1.0 % of a core, runs live");
        std::fs::write(folder.join("x/manifest.toml"), "another").unwrap();
        shelf.refresh(9.0, Some(&store), &playing);
        assert!(shelf.entries[0].1.as_ref().is_err_and(|reason| reason.contains("changed")));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
