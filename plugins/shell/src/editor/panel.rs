//! What the controls work on: values, gestures, undo, presets and the pictures' data.

use super::companion::Companion;
use crate::compare;
use crate::live::Live;
use crate::models::Chosen;
use crate::params::TableParams;
use crate::pictures::Pictures;
use crate::presets::{Format, Presets};
use crate::product::{Card, Product};
use crate::theme;
use crate::undo::{Undo, What};
use crate::widgets::fader::fader;
use crate::widgets::knob::knob;
use crate::widgets::menu::menu;
use crate::widgets::meter::Meter;
use crate::widgets::models::{Shelf, models};
use crate::widgets::segmented::segmented;
use crate::widgets::switch::switch;
use crate::widgets::toggle::toggle;
use dsp_core::engines::Engine;
use dsp_core::params::{Kind, Param, index_of};
use dsp_core::processor::{Measured, Processor};
use egui::{Event, EventFilter, Key, PointerButton, Rect, Response, TextEdit, Ui, WidgetInfo};
use nice_plug::context::gui::GuiContext;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Points of drag from one end of the travel to the other.
const DRAG: f32 = 220.0;
/// How much finer a drag, key or wheel is with shift.
const FINE: f32 = 0.1;
/// Share of the travel of one wheel notch or arrow key.
const STEP: f32 = 0.02;
/// Seconds for which a value that was set is shown before the host has taken it over.
const PENDING: f64 = 0.5;
/// Seconds for which a message stays.
const MESSAGE: f64 = 8.0;
/// Shares of the travel that count as the same value.
const SAME: f32 = 1e-4;

/// Parameters that belong to the session and not to a sound: presets and A/B leave them as they are.
const SESSION: [&str; 5] = ["bypass", "listen", "match", "reset", "pause"];
/// The parameter whose every change begins a new measurement.
const RESET: &str = "reset";

/// Values being moved by hand, together.
struct Gesture {
    indices: Vec<usize>,
    before: Vec<f32>,
    position: f32,
}

/// A value being typed.
struct Typing {
    index: usize,
    text: String,
    fresh: bool,
}

/// What stands over the editor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dialog {
    /// Saving a preset under a name.
    Save(String),
    /// Deleting a preset.
    Delete(String),
    /// The card of a model: its name and text.
    Card(String, String),
}

/// The state of an editor, kept while its window is closed.
pub struct Panel {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) cards: &'static [Card],
    /// The status line shows the load.
    pub(super) load: bool,
    /// What late frames mean.
    pub(super) late: &'static str,
    built_in: (&'static str, fn() -> String),
    /// The models that can be chosen; none where none can.
    shelf: Option<Shelf>,
    params: Arc<TableParams>,
    live: Arc<Live>,
    pub(super) gui: Option<GuiContext>,
    values: Vec<f32>,
    effective: Vec<f32>,
    pending: Vec<Option<(f32, f64)>>,
    gesture: Option<Gesture>,
    typing: Option<Typing>,
    pub(super) undo: Undo,
    pub(super) presets: Presets,
    pub(super) dialog: Option<Dialog>,
    message: Option<(String, f64)>,
    hint: Option<usize>,
    pub(super) input: Meter,
    pub(super) output: Meter,
    pub(super) pictures: Pictures,
    /// Absent while it is at work.
    companion: Option<Box<dyn Companion>>,
    measured: Option<Measured>,
    target: Option<(f64, f64)>,
    /// Parameters that were moved by hand since the companion last asked.
    touched: Vec<usize>,
    /// Grows when all values may have changed at once.
    replaced: u32,
    revision: u32,
    time: f64,
}

impl std::fmt::Debug for Panel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Panel").field("name", &self.name).field("values", &self.values).finish_non_exhaustive()
    }
}

impl Panel {
    /// Of an instance. Without a window, and so without a host, values are set here alone.
    pub fn new<P: Product>(params: Arc<TableParams>, live: Arc<Live>) -> Self {
        let mut presets = Presets::new(Format::of::<<P::Engine as Processor>::Settings>());
        presets.refresh();
        let count = params.len();
        Self {
            name: P::NAME,
            version: P::VERSION,
            cards: P::CARDS,
            load: P::LOAD,
            late: P::LATE,
            built_in: P::BUILT_IN,
            shelf: (!P::Engine::TASKS.is_empty()).then(|| Shelf::new(P::Engine::TASKS)),
            revision: params.revision(),
            params,
            gui: None,
            values: vec![0.0; count],
            effective: vec![0.0; count],
            pending: vec![None; count],
            gesture: None,
            typing: None,
            undo: Undo::default(),
            presets,
            dialog: None,
            message: None,
            hint: None,
            input: Meter::default(),
            output: Meter::default(),
            pictures: P::pictures(),
            companion: Some(P::companion(&live)),
            measured: None,
            target: None,
            touched: Vec::new(),
            replaced: 0,
            live,
            time: 0.0,
        }
    }

    /// A window was opened.
    pub(super) fn opened(&mut self, gui: GuiContext) {
        self.gui = Some(gui);
        self.gesture = None;
        self.typing = None;
        self.dialog = None;
        self.pending.fill(None);
        self.pictures.each().for_each(|picture| picture.closed());
        if let Some(companion) = &mut self.companion {
            companion.opened();
        }
        // What was measured while nobody looked is old.
        self.live.input.take();
        self.live.output.take();
        while self.live.frames.pop().is_some() {}
        self.message = None;
        self.time = 0.0;
    }

    /// Takes in what happened since the last drawing. Gives the seconds that passed.
    pub(super) fn refresh(&mut self, time: f64) -> f32 {
        let seconds = (time - self.time).clamp(0.0, 1.0) as f32;
        self.time = time;
        if self.revision != self.params.revision() {
            self.revision = self.params.revision();
            self.pending.fill(None);
            self.undo = Undo::default();
            self.replaced = self.replaced.wrapping_add(1);
        }
        self.params.values(&mut self.effective);
        for i in 0..self.values.len() {
            let now = self.params.value(i);
            self.values[i] = match self.pending[i] {
                Some((wanted, since)) if time - since < PENDING && now != wanted => wanted,
                _ => {
                    self.pending[i] = None;
                    now
                }
            };
        }
        self.live.ask();
        self.input.update(self.live.input.take(), seconds);
        self.output.update(self.live.output.take(), seconds);
        let mut any = false;
        while let Some(frame) = self.live.frames.pop() {
            self.pictures.each().for_each(|picture| picture.update(&frame));
            any = true;
        }
        if !any {
            self.pictures.each().for_each(|picture| picture.idle(seconds));
        }
        while let Some(point) = self.live.points.pop() {
            self.pictures.each().for_each(|picture| picture.point(&point));
        }
        if let Some(measured) = self.live.measured.pop() {
            self.pictures.each().for_each(|picture| picture.measured(&measured));
            self.measured = Some(measured);
        }
        if self.message.as_ref().is_some_and(|(_, since)| time - since > MESSAGE) {
            self.message = None;
        }
        self.hint = None;
        if let Some(shelf) = &mut self.shelf {
            let (store, playing) = (self.live.store.lock().clone(), self.live.playing.lock().clone());
            if shelf.refresh(time, store.as_ref(), &playing) {
                self.params.reload();
            }
        }
        if let Some(mut companion) = self.companion.take() {
            companion.refresh(self);
            self.target = companion.target(&self.values);
            self.companion = Some(companion);
        }
        seconds
    }

    /// Lets the product's companion work with this panel; none when it is of another type, or at work.
    pub fn with<C: Companion, R>(&mut self, act: impl FnOnce(&mut C, &mut Self) -> R) -> Option<R> {
        let mut companion = self.companion.take()?;
        let any: &mut dyn std::any::Any = &mut *companion;
        let result = any.downcast_mut::<C>().map(|companion| act(companion, self));
        self.companion = Some(companion);
        result
    }

    /// What the engine's loudness meter reads; none before it has told anything.
    pub fn measured(&self) -> Option<&Measured> {
        self.measured.as_ref()
    }

    /// Loudness (LUFS) and highest true peak (dBTP) that are to be reached, where the product has a target.
    pub fn target(&self) -> Option<(f64, f64)> {
        self.target
    }

    /// Seconds since the window was opened.
    pub fn time(&self) -> f64 {
        self.time
    }

    /// Index of the page that is shown.
    pub fn page(&self) -> usize {
        self.params.persisted().picture
    }

    /// Begins measuring anew.
    pub fn measure_anew(&mut self) {
        match index_of(self.table(), RESET) {
            Ok(index) => {
                self.begin(index);
                self.set(index, if self.values[index] >= 0.5 { 0.0 } else { 1.0 });
                // No step to undo: what was measured is gone.
                self.finish();
            }
            Err(_) => self.live.anew.store(true, Ordering::Relaxed),
        }
    }

    /// Parameters that were moved by hand since the last call.
    pub fn take_touched(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.touched)
    }

    /// A number that changes when a state, a preset or another side was loaded, or a step undone.
    pub fn replaced(&self) -> u32 {
        self.replaced
    }

    /// True when nothing on the screen moves by itself.
    pub(super) fn at_rest(&self) -> bool {
        self.input.at_rest() && self.output.at_rest() && self.pictures.at_rest()
    }

    /// The table of parameters.
    pub fn table(&self) -> &'static [Param] {
        self.params.table()
    }

    /// The parameters.
    pub fn params(&self) -> &TableParams {
        &self.params
    }

    /// What the audio thread shows.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The value that the control `index` stands at.
    pub fn value(&self, index: usize) -> f32 {
        self.values[index]
    }

    /// The value with the host's modulation, when there is some.
    pub fn modulated(&self, index: usize) -> Option<f32> {
        let effective = self.effective[index];
        (self.pending[index].is_none() && effective != self.params.value(index)).then_some(effective)
    }

    /// All values, in the table's order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// True when the plugin's bypass is on.
    pub fn is_bypassed(&self) -> bool {
        index_of(self.table(), "bypass").is_ok_and(|index| self.values[index] >= 0.5)
    }

    /// Draws a parameter as a knob of a diameter in points. An id that is not in the table draws
    /// nothing.
    pub fn knob(&mut self, ui: &mut Ui, id: &str, diameter: f32) {
        if let Ok(index) = index_of(self.table(), id) {
            knob(ui, self, index, self.table()[index].name, diameter);
        }
    }

    /// As [`Panel::knob`] under a shorter name, where the place says the rest.
    pub fn knob_as(&mut self, ui: &mut Ui, id: &str, name: &str, diameter: f32) {
        if let Ok(index) = index_of(self.table(), id) {
            knob(ui, self, index, name, diameter);
        }
    }

    /// Draws a parameter as a fader of a size and colour, its value below.
    pub fn fader(&mut self, ui: &mut Ui, id: &str, color: egui::Color32, size: egui::Vec2) {
        if let Ok(index) = index_of(self.table(), id) {
            fader(ui, self, index, color, size);
        }
    }

    /// Draws a switch as a small button with a mark, of a colour while it is on.
    pub fn toggle(&mut self, ui: &mut Ui, id: &str, mark: &str, color: egui::Color32, size: egui::Vec2) {
        if let Ok(index) = index_of(self.table(), id) {
            toggle(ui, self, index, mark, color, size);
        }
    }

    /// Draws a choice as buttons side by side, of a width in points.
    pub fn segmented(&mut self, ui: &mut Ui, id: &str, width: f32) {
        if let Ok(index) = index_of(self.table(), id) {
            segmented(ui, self, index, self.table()[index].name, width);
        }
    }

    /// As [`Panel::segmented`] under a shorter name.
    pub fn segmented_as(&mut self, ui: &mut Ui, id: &str, name: &str, width: f32) {
        if let Ok(index) = index_of(self.table(), id) {
            segmented(ui, self, index, name, width);
        }
    }

    /// Draws a choice as a button that opens a list, of a width in points.
    pub fn menu(&mut self, ui: &mut Ui, id: &str, width: f32) {
        if let Ok(index) = index_of(self.table(), id) {
            menu(ui, self, index, self.table()[index].name, width);
        }
    }

    /// As [`Panel::menu`] under a shorter name.
    pub fn menu_as(&mut self, ui: &mut Ui, id: &str, name: &str, width: f32) {
        if let Ok(index) = index_of(self.table(), id) {
            menu(ui, self, index, name, width);
        }
    }

    /// Draws a switch, of a width in points.
    pub fn switch(&mut self, ui: &mut Ui, id: &str, width: f32) {
        if let Ok(index) = index_of(self.table(), id) {
            switch(ui, self, index, self.table()[index].name, width, None);
        }
    }

    /// As [`Panel::switch`] under a shorter name.
    pub fn switch_as(&mut self, ui: &mut Ui, id: &str, name: &str, width: f32) {
        if let Ok(index) = index_of(self.table(), id) {
            switch(ui, self, index, name, width, None);
        }
    }

    /// As [`Panel::switch`], which cannot be moved while there is a reason.
    pub fn switch_unless(&mut self, ui: &mut Ui, id: &str, width: f32, reason: Option<&str>) {
        if let Ok(index) = index_of(self.table(), id) {
            switch(ui, self, index, self.table()[index].name, width, reason);
        }
    }

    /// Draws the menu of models, of a width in points. Nothing where none can be chosen.
    pub fn models(&mut self, ui: &mut Ui, width: f32) {
        if self.shelf.is_some() {
            models(ui, self, width);
        }
    }

    /// Name of what plays where no other model is chosen.
    pub(crate) fn built_in_name(&self) -> &'static str {
        self.built_in.0
    }

    /// The same with its facts: licence, delay, cost.
    pub(crate) fn built_in(&self) -> (&'static str, String) {
        (self.built_in.0, (self.built_in.1)())
    }

    pub(crate) fn shelf(&self) -> Option<&Shelf> {
        self.shelf.as_ref()
    }

    pub(crate) fn cards(&self) -> &'static [Card] {
        self.cards
    }

    /// Name of the user's model that plays; none while a built-in one does.
    pub fn other_model(&self) -> Option<String> {
        self.live.playing.lock().model.as_ref().map(|stamp| stamp.name.clone())
    }

    /// The same, where it is for this task.
    pub fn other_model_for(&self, task: &str) -> Option<String> {
        self.live.playing.lock().model.as_ref().filter(|stamp| stamp.task == task).map(|stamp| stamp.name.clone())
    }

    /// Sets the task, in a product with a choice of tasks; nothing where it is set, or there is no such choice.
    pub(crate) fn choose_task(&mut self, task: &str) {
        let Ok(index) = index_of(self.table(), "task") else { return };
        let Kind::Choice { values, .. } = self.table()[index].kind else { return };
        if let Some(number) = values.iter().position(|(key, _)| *key == task)
            && self.values[index] as usize != number
        {
            self.change(index, number as f32);
        }
    }

    /// Chooses a model, none for the built-in ones.
    pub(crate) fn choose_model(&mut self, model: Option<Chosen>) {
        self.params.choose(model);
        // nice-plug 0.4.2 cannot tell a host that its project has changed. A value that is set to what it is
        // tells it.
        if !self.values.is_empty() {
            let (index, value) = (0, self.values[0]);
            self.begin(index);
            self.set(index, value);
            self.finish();
        }
    }

    /// Opens a card.
    pub(crate) fn show_card(&mut self, title: String, text: String) {
        self.dialog = Some(Dialog::Card(title, text));
    }

    /// Opens the card of an installed model: what was measured, and what its author says.
    pub(crate) fn show_installed_card(&mut self, id: &str) {
        let Some(store) = self.live.store.lock().clone() else { return };
        match store.stamp(id) {
            Ok(stamp) => {
                let own = store.card(id).unwrap_or_else(|| "Its author wrote no card.".into());
                let facts = format!(
                    "| | |\n|---|---|\n| Version | {} |\n| Authors | {} |\n| Licence | {} |\n| Delay | {:.2} ms |\n| A step, one each {:.1} ms \
                     a channel | {:.0} us in a row, {:.0} us at the pace of sound (99th percentile) |\n| Found by the check | {} |\n| Hash | \
                     {:.16} |\n\n",
                    stamp.version,
                    stamp.authors,
                    stamp.license,
                    stamp.latency_ms,
                    stamp.hop_ms,
                    stamp.step_us,
                    stamp.paced_us,
                    stamp.verdict.label(),
                    stamp.sha256
                );
                self.show_card(stamp.name, facts + &own);
            }
            Err(reason) => self.say(format!("{id} {reason}.")),
        }
    }

    /// Draws controls on a plate of a width in points, with a title.
    pub fn group(&mut self, ui: &mut Ui, title: &str, width: f32, controls: impl FnOnce(&mut Ui, &mut Self)) {
        let (rect, _) = ui.allocate_exact_size(egui::vec2(width, ui.available_height()), egui::Sense::hover());
        ui.painter().rect_filled(rect, 8.0, theme::PANEL);
        let mut inside = rect.shrink2(egui::vec2(12.0, 10.0));
        if !title.is_empty() {
            ui.painter().text(inside.left_top(), egui::Align2::LEFT_TOP, title, theme::font(11.5), theme::DIM);
            inside.min.y += 20.0;
        }
        let builder = egui::UiBuilder::new().max_rect(inside).layout(egui::Layout::left_to_right(egui::Align::Center));
        // A child of its own: what stands inside must not move what stands beside.
        let mut child = ui.new_child(builder);
        child.spacing_mut().item_spacing.x = 4.0;
        controls(&mut child, self);
    }

    /// Says something in the status line for a while.
    pub fn say(&mut self, text: impl Into<String>) {
        self.message = Some((text.into(), self.time));
    }

    pub(super) fn message(&self) -> Option<&str> {
        self.message.as_ref().map(|(text, _)| text.as_str())
    }

    pub(super) fn hint(&self) -> Option<&'static Param> {
        self.hint.map(|index| &self.table()[index])
    }

    /// Shows what a parameter does and takes while the pointer or the focus is on it.
    pub(crate) fn explain(&mut self, response: &Response, index: usize) {
        let param = &self.table()[index];
        if response.hovered() || response.has_focus() {
            self.hint = Some(index);
        }
        if !response.dragged() {
            response.clone().on_hover_ui(|ui| {
                ui.set_max_width(280.0);
                ui.strong(param.name);
                ui.label(param.help);
                ui.weak(format!("Takes {}. Default {}.", param.takes(), param.format(param.default_value())));
            });
        }
    }

    fn begin(&mut self, index: usize) {
        self.grab(&[index]);
    }

    /// Takes hold of values that are moved together by hand, as one step that can be undone.
    pub fn grab(&mut self, indices: &[usize]) {
        self.end();
        for &index in indices {
            if let Some(gui) = &self.gui {
                // SAFETY: the pointer is of a parameter in `self.params`, which lives as long as `self`.
                unsafe { gui.raw_begin_set_parameter(self.params.pointer(index)) };
            }
        }
        let position = indices.first().map_or(0.0, |&index| self.params.normalized(index, self.values[index]));
        self.gesture = Some(Gesture { indices: indices.to_vec(), before: self.values.clone(), position });
    }

    /// Moves a value that is held.
    pub fn pull(&mut self, index: usize, value: f32) {
        if self.gesture.as_ref().is_some_and(|gesture| gesture.indices.contains(&index)) {
            self.set(index, value);
        }
    }

    /// True while something is moved by hand.
    pub fn is_held(&self) -> bool {
        self.gesture.is_some() || self.typing.is_some()
    }

    /// Lets go of what is held.
    pub fn release(&mut self) {
        self.end();
    }

    fn set(&mut self, index: usize, value: f32) {
        let normalized = self.params.normalized(index, value);
        let value = self.params.plain(index, normalized);
        if let Some(gui) = &self.gui {
            // SAFETY: as in `grab`.
            unsafe { gui.raw_set_parameter_normalized(self.params.pointer(index), normalized) };
        }
        self.values[index] = value;
        self.pending[index] = Some((value, self.time));
    }

    /// Tells the host that what was held is let go.
    fn finish(&mut self) -> Option<Gesture> {
        let gesture = self.gesture.take()?;
        for &index in &gesture.indices {
            if let Some(gui) = &self.gui {
                // SAFETY: as in `grab`.
                unsafe { gui.raw_end_set_parameter(self.params.pointer(index)) };
            }
        }
        Some(gesture)
    }

    fn end(&mut self) {
        let Some(gesture) = self.finish() else { return };
        let Some(&first) = gesture.indices.first() else { return };
        self.touched.extend(gesture.indices.iter().filter(|&&index| gesture.before[index] != self.values[index]));
        self.undo.record(What::Param(first), &gesture.before, &self.values, self.time);
    }

    /// Sets one value in one gesture.
    pub fn change(&mut self, index: usize, value: f32) {
        self.begin(index);
        self.set(index, value);
        self.end();
    }

    /// Sets all values that differ, without a step in the undo history.
    pub(super) fn apply(&mut self, values: &[f32]) {
        self.end();
        self.replaced = self.replaced.wrapping_add(1);
        for (index, &value) in values.iter().enumerate().take(self.values.len()) {
            // A switch that begins a measurement is nobody's setting.
            if self.values[index] != value && self.table()[index].id != RESET {
                self.begin(index);
                self.set(index, value);
                self.finish();
            }
        }
    }

    /// Sets all values as one step that can be undone.
    fn replace(&mut self, values: &[f32]) {
        let before = self.values.clone();
        self.apply(values);
        self.undo.record(What::All, &before, &self.values, self.time);
    }

    /// Sets values by index, as one step that can be undone; with `more` it belongs to the step before.
    pub fn change_all(&mut self, changes: &[(usize, f32)], more: bool) {
        let mut values = self.values.clone();
        changes.iter().for_each(|&(index, value)| values[index] = value);
        if more { self.apply(&values) } else { self.replace(&values) }
    }

    /// Undoes the last step.
    pub fn step_back(&mut self) {
        if let Some(values) = self.undo.undo(&self.values) {
            self.apply(&values);
        }
    }

    /// Does an undone step again.
    pub fn step_forth(&mut self) {
        if let Some(values) = self.undo.redo(&self.values) {
            self.apply(&values);
        }
    }

    pub(super) fn switch_side(&mut self) {
        let mut heard = Vec::new();
        let now = self.values.clone();
        self.params.persist(|state| heard = compare::switch(state, &now));
        self.keep_session(&mut heard);
        self.replace(&heard);
    }

    pub(super) fn copy_side(&mut self) {
        let now = self.values.clone();
        self.params.persist(|state| compare::copy(state, &now));
    }

    /// Puts the present values of what belongs to the session into others.
    fn keep_session(&self, values: &mut [f32]) {
        for id in SESSION {
            if let Ok(index) = index_of(self.table(), id) {
                values[index] = self.values[index];
            }
        }
    }

    /// Loads a preset's values, all but those that belong to the session.
    fn load(&mut self, name: &str, mut values: Vec<f32>) {
        self.keep_session(&mut values);
        self.replace(&values);
        let kept = self.values.clone();
        self.params.persist(|state| (state.preset, state.preset_values) = (name.to_owned(), kept));
    }

    pub(super) fn load_factory(&mut self, name: &str) {
        if let Some(values) = (self.presets.format().values)(name) {
            self.load(name, values);
        }
    }

    pub(super) fn load_user(&mut self, name: &str) {
        match self.presets.load(name) {
            Ok(values) => self.load(name, values),
            Err(error) => self.say(error),
        }
    }

    pub(super) fn save(&mut self, name: &str) {
        let values = self.values.clone();
        match self.presets.save(name, &values) {
            Ok(name) => {
                self.say(format!("Saved \"{name}\"."));
                self.params.persist(|state| (state.preset, state.preset_values) = (name, values));
            }
            Err(error) => self.say(error),
        }
    }

    /// Loads the preset `by` places from the present one, factory presets first.
    pub(super) fn browse(&mut self, by: isize) {
        let factory = self.presets.format().factory;
        let count = factory.len() + self.presets.names().len();
        if count == 0 {
            return;
        }
        let now = self.params.persisted().preset;
        let names = factory.iter().map(|(name, _)| *name).chain(self.presets.names().iter().map(String::as_str));
        let at = names.into_iter().position(|name| name == now);
        let next = at.map_or(if by > 0 { 0 } else { count - 1 }, |at| (at as isize + by).rem_euclid(count as isize) as usize);
        match factory.get(next) {
            Some((name, _)) => self.load_factory(name),
            None => {
                let name = self.presets.names()[next - factory.len()].clone();
                self.load_user(&name);
            }
        }
    }

    /// Name of the preset, and whether a value was changed since it was loaded.
    pub(super) fn preset(&self) -> (String, bool) {
        let state = self.params.persisted();
        if state.preset.is_empty() {
            return ("Default".to_owned(), self.differs(&dsp_core::params::defaults(self.table())));
        }
        let changed = state.preset_values.len() == self.values.len() && self.differs(&state.preset_values);
        (state.preset, changed)
    }

    fn differs(&self, from: &[f32]) -> bool {
        let session = |index: usize| SESSION.contains(&self.table()[index].id);
        let far = |index: usize, value: f32| {
            (self.params.normalized(index, value) - self.params.normalized(index, self.values[index])).abs() > SAME
        };
        from.iter().enumerate().any(|(index, &value)| !session(index) && far(index, value))
    }

    /// Everything that a continuous control does: drag, wheel, keys, double-click, typing, tooltip.
    pub(crate) fn handle(&mut self, ui: &mut Ui, index: usize, response: &Response) {
        let delta = response.drag_delta();
        self.handle_moved(ui, index, response, (delta.x - delta.y) / DRAG);
    }

    /// As [`Panel::handle`], where the pointer has moved the control by a share of its travel.
    pub(crate) fn handle_moved(&mut self, ui: &mut Ui, index: usize, response: &Response, moved: f32) {
        let param = &self.table()[index];
        let value = self.values[index];
        response.widget_info(|| WidgetInfo::slider(true, f64::from(value), param.name));
        let shift = ui.input(|input| input.modifiers.shift);
        let scale = if shift { FINE } else { 1.0 };
        if response.drag_started_by(PointerButton::Primary) {
            self.begin(index);
            response.request_focus();
        }
        if response.dragged_by(PointerButton::Primary) {
            let moved = moved * scale;
            if let Some(gesture) = &mut self.gesture
                && moved != 0.0
            {
                gesture.position = (gesture.position + moved).clamp(0.0, 1.0);
                let position = gesture.position;
                self.set(index, self.params.plain(index, position));
            }
        }
        if response.drag_stopped_by(PointerButton::Primary) {
            self.end();
        }
        if response.clicked() {
            response.request_focus();
        }
        if response.double_clicked() {
            self.change(index, param.default_value());
        }
        let mut steps = 0.0;
        if response.hovered() {
            steps += ui.input(|input| {
                let turned = |event: &Event| match event {
                    // With shift some systems turn the wheel sideways.
                    Event::MouseWheel { unit: egui::MouseWheelUnit::Line, delta, .. } => delta.x + delta.y,
                    Event::MouseWheel { delta, .. } => (delta.x + delta.y) / 40.0,
                    _ => 0.0,
                };
                input.events.iter().map(turned).sum::<f32>()
            });
        }
        if response.has_focus() && self.typing.is_none() {
            let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
            let pressed = |key| ui.input(|input| input.key_pressed(key));
            // Quick presses may come in one drawing.
            let times = |key| ui.input(|input| input.num_presses(key)) as f32;
            steps += times(Key::ArrowUp) + times(Key::ArrowRight) - times(Key::ArrowDown) - times(Key::ArrowLeft);
            steps += 5.0 * (times(Key::PageUp) - times(Key::PageDown));
            if pressed(Key::Home) {
                self.change(index, param.range().0);
            }
            if pressed(Key::End) {
                self.change(index, param.range().1);
            }
            if pressed(Key::Delete) || pressed(Key::Backspace) {
                self.change(index, param.default_value());
            }
            if pressed(Key::Enter) {
                self.begin_typing(index);
            }
        }
        if steps != 0.0 {
            let position = self.params.normalized(index, self.values[index]) + steps * STEP * scale;
            self.change(index, self.params.plain(index, position.clamp(0.0, 1.0)));
        }
        if response.secondary_clicked() {
            self.begin_typing(index);
        }
        self.explain(response, index);
    }

    /// Opens the field in which a value is typed.
    pub(crate) fn begin_typing(&mut self, index: usize) {
        self.typing = Some(Typing { index, text: self.table()[index].format(self.values[index]), fresh: true });
    }

    /// The field in which a value is typed, while it is; false when it is not.
    pub(crate) fn type_value(&mut self, ui: &mut Ui, index: usize, rect: Rect) -> bool {
        let Some(typing) = self.typing.as_mut().filter(|typing| typing.index == index) else { return false };
        let field =
            TextEdit::singleline(&mut typing.text).align(egui::Align2::CENTER_CENTER).font(theme::font(13.0)).margin(egui::Margin::same(2));
        let response = ui.put(rect.expand2(egui::vec2(4.0, 3.0)), field);
        if typing.fresh {
            typing.fresh = false;
            response.request_focus();
            let mut state = TextEdit::load_state(ui.ctx(), response.id).unwrap_or_default();
            let all = egui::text::CCursorRange::two(egui::text::CCursor::new(0), egui::text::CCursor::new(typing.text.chars().count()));
            state.cursor.set_char_range(Some(all));
            TextEdit::store_state(ui.ctx(), response.id, state);
        } else if response.lost_focus() {
            let text = std::mem::take(&mut typing.text);
            self.typing = None;
            // Escape and a click elsewhere leave the value as it was.
            if ui.input(|input| input.key_pressed(Key::Enter)) {
                match self.table()[index].parse(&text) {
                    Ok(value) => self.change(index, value),
                    Err(error) => self.say(error.to_string()),
                }
            }
        }
        true
    }

    /// Latency as shown: milliseconds and samples.
    pub(super) fn latency(&self) -> Option<(f32, u32)> {
        let rate = self.live.rate.load(Ordering::Relaxed);
        let samples = self.live.latency.load(Ordering::Relaxed);
        (rate > 0.0).then(|| (samples as f32 * 1000.0 / rate, samples))
    }
}
