//! What the editor knows of learning: what is asked for, what was learned, what is left to the hand.

use crate::groups::Group;
use crate::learn::Learner;
use crate::references::{Choice, Found, Reference, Shelf};
use crate::session::{Learned, Orders};
use dsp_core::mastering::{Platform, Profile, Style};
use dsp_core::params::Kind;
use plainsong_shell::live::Live;
use plainsong_shell::widgets::files::Chooser;
use plainsong_shell::{Companion, Panel};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Names of the notes in the state.
const STYLE: &str = "style";
const PLACE: &str = "place";
const HAND: &str = "hand";
const LEARNED: &str = "learned";
const REFERENCES: &str = "references";
/// Share of a control's travel that is worth moving it.
const NOTICEABLE: f32 = 5e-4;

/// The companion of the editor.
pub struct Mind {
    live: Arc<Live>,
    learner: Option<Learner>,
    learned: Option<Learned>,
    /// Groups of the parameters.
    groups: Vec<Option<Group>>,
    hand: BTreeSet<Group>,
    /// Files that the master is to come near to, who hears them, and what was heard.
    choice: Choice,
    shelf: Option<Shelf>,
    references: Arc<[Profile]>,
    /// News of the shelf that were seen.
    heard: u32,
    /// A file that is being chosen.
    pub chooser: Option<Chooser>,
    /// Index into [`Style::all`] and [`Platform::all`].
    style: usize,
    place: usize,
    /// The next moves belong to the step of the last ones.
    more: bool,
    /// See [`Orders::asked`].
    asked: u32,
    /// Number of the last replacement of all values that was seen.
    replaced: Option<u32>,
    /// Which band of the equaliser and of the dynamics is open.
    pub band: usize,
    pub zone: usize,
}

impl Mind {
    /// Nothing learned yet.
    pub fn new(live: Arc<Live>) -> Self {
        Self {
            live,
            learner: None,
            learned: None,
            groups: Group::table(),
            hand: BTreeSet::new(),
            choice: Choice::default(),
            shelf: None,
            references: Arc::new([]),
            heard: 0,
            chooser: None,
            style: 0,
            place: 0,
            more: false,
            asked: 0,
            replaced: None,
            band: 0,
            zone: 0,
        }
    }

    /// What was learned.
    pub fn learned(&self) -> Option<&Learned> {
        self.learned.as_ref()
    }

    /// True while it listens.
    pub fn listens(&self) -> bool {
        self.learner.as_ref().is_some_and(Learner::listens)
    }

    /// Seconds heard of the song that is learned.
    pub fn seconds(&self) -> f64 {
        match &self.learner {
            Some(learner) => learner.seconds(),
            None => self.learned.as_ref().map_or(0.0, |learned| learned.seconds),
        }
    }

    /// Why nothing can be learned.
    pub fn error(&self) -> Option<String> {
        self.learner.as_ref().and_then(Learner::error)
    }

    /// Index of the style.
    pub fn style(&self) -> usize {
        self.style
    }

    /// Index of the place that the master goes to.
    pub fn place(&self) -> usize {
        self.place
    }

    /// The place.
    pub fn platform(&self) -> Option<&'static Platform> {
        Platform::all().get(self.place)
    }

    /// Moves that the hand has.
    pub fn by_hand(&self) -> impl Iterator<Item = Group> + '_ {
        self.hand.iter().copied()
    }

    /// Listens, or keeps what was heard.
    pub fn learn_or_hold(&mut self, panel: &Panel) {
        match &self.learner {
            Some(learner) if learner.listens() => {
                learner.hold();
                // Another learning is another step to undo.
                self.more = false;
            }
            Some(learner) => {
                learner.listen_anew();
                self.more = false;
            }
            None => self.learner = Some(Learner::start(self.live.clone(), self.orders(panel))),
        }
    }

    /// Chooses a style and a place. What was heard is answered anew.
    pub fn choose(&mut self, panel: &Panel, style: usize, place: usize) {
        if (style, place) != (self.style, self.place) {
            (self.style, self.place) = (style, place);
            self.more = false;
            self.asked = self.asked.wrapping_add(1);
            self.note(panel);
        }
    }

    /// Files and weights that are chosen.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// What was heard of the files that count.
    pub fn references(&self) -> &[Profile] {
        &self.references
    }

    /// Where the hearing of a file stands.
    pub fn found(&self, file: &Reference) -> Option<Found> {
        self.shelf.as_ref().and_then(|shelf| shelf.found(file))
    }

    /// Chooses other files or weights. What was heard of the song is answered anew.
    pub fn refer(&mut self, panel: &Panel, choice: Choice) {
        let choice = choice.checked();
        if choice != self.choice {
            let weighed = choice.weights != self.choice.weights && !self.references.is_empty();
            self.choice = choice;
            self.gather(weighed);
            self.note(panel);
        }
    }

    /// Tries a file again that could not be used.
    pub fn retry(&mut self, file: &Reference) {
        if let Some(shelf) = &self.shelf {
            shelf.retry(file);
        }
    }

    /// Lets files be heard, and takes what was heard of them. `changed` when an answer is wanted anyway.
    fn gather(&mut self, changed: bool) {
        if self.shelf.is_none() && !self.choice.files.is_empty() {
            self.shelf = Some(Shelf::start(self.live.clone()));
        }
        let Some(shelf) = &self.shelf else { return };
        shelf.ask(&self.choice.files);
        let heard = |file: &Reference| match shelf.found(file) {
            Some(Found::Heard(heard)) => Some(heard.profile.clone()),
            _ => None,
        };
        let references: Arc<[Profile]> = self.choice.files.iter().filter(|file| file.on).filter_map(heard).collect();
        if changed || references != self.references {
            self.references = references;
            self.more = false;
            self.asked = self.asked.wrapping_add(1);
        }
    }

    /// Takes a move over by hand, or gives it back.
    pub fn hand_over(&mut self, panel: &mut Panel, group: Group, to_hand: bool) {
        if to_hand {
            self.hand.insert(group);
        } else {
            self.hand.remove(&group);
            self.asked = self.asked.wrapping_add(1);
            // What was learned last stands at once; an answer to the new order follows.
            self.set(panel, |own| own == group);
        }
        self.note(panel);
    }

    fn orders(&self, panel: &Panel) -> Orders {
        let (values, hand) = (panel.values().to_vec(), self.hand.iter().copied().collect());
        let (references, weights) = (self.references.clone(), self.choice.weights.weights());
        Orders { style: self.style, place: self.place, values, hand, references, weights, asked: self.asked }
    }

    /// Sets the learned values of groups through the host.
    fn set(&mut self, panel: &mut Panel, wanted: impl Fn(Group) -> bool) {
        let Some(learned) = &self.learned else { return };
        let mut changes = Vec::new();
        for (index, (group, &value)) in self.groups.iter().zip(&learned.values).enumerate() {
            if !group.is_some_and(|group| wanted(group) && !self.hand.contains(&group)) {
                continue;
            }
            let now = panel.value(index);
            let far = match panel.table()[index].kind {
                Kind::Float { .. } => (panel.params().normalized(index, value) - panel.params().normalized(index, now)).abs() > NOTICEABLE,
                _ => value != now,
            };
            if far {
                changes.push((index, value));
            }
        }
        if !changes.is_empty() {
            panel.change_all(&changes, self.more);
            self.more = true;
            self.replaced = Some(panel.replaced());
        }
    }

    /// Writes what must outlive the session into the state.
    fn note(&self, panel: &Panel) {
        let style = Style::all().get(self.style).map_or("", |style| style.id.as_str());
        let place = Platform::all().get(self.place).map_or("", |place| place.id.as_str());
        let hand: Vec<&str> = self.hand.iter().map(|group| group.id()).collect();
        let learned = self.learned.as_ref().and_then(|learned| serde_json::to_string(learned).ok());
        let choice = serde_json::to_string(&self.choice).unwrap_or_default();
        panel.params().persist(|state| {
            state.notes.insert(STYLE.into(), style.into());
            state.notes.insert(PLACE.into(), place.into());
            state.notes.insert(HAND.into(), hand.join(" "));
            state.notes.insert(REFERENCES.into(), choice);
            if let Some(learned) = learned {
                state.notes.insert(LEARNED.into(), learned);
            }
        });
    }

    /// Reads it back. What is not known is left out.
    fn read(&mut self, panel: &Panel) {
        let notes = panel.params().persisted().notes;
        let note = |name: &str| notes.get(name).map_or("", String::as_str);
        self.style = Style::all().iter().position(|style| style.id == note(STYLE)).unwrap_or(0);
        self.place = Platform::all().iter().position(|place| place.id == note(PLACE)).unwrap_or(0);
        self.hand = note(HAND).split(' ').filter_map(Group::find).collect();
        self.choice = serde_json::from_str::<Choice>(note(REFERENCES)).unwrap_or_default().checked();
        if self.learner.is_none() {
            let count = panel.table().len();
            self.learned = serde_json::from_str(note(LEARNED))
                .ok()
                .filter(|learned: &Learned| learned.values.len() == count && learned.values.iter().all(|value| value.is_finite()));
        }
    }
}

impl Companion for Mind {
    fn refresh(&mut self, panel: &mut Panel) {
        let replaced = panel.replaced();
        if self.replaced != Some(replaced) {
            self.read(panel);
            self.gather(false);
            let first = self.replaced.replace(replaced).is_none();
            self.more = false;
            if self.listens() && !first {
                // An undone step or another preset must not be learned away again.
                self.learn_or_hold(panel);
                panel.say("Learning holds: all values were replaced. Learn goes on with the song.");
            }
        }
        let before = self.hand.len();
        for index in panel.take_touched() {
            self.hand.extend(self.groups[index]);
        }
        if self.hand.len() != before {
            self.note(panel);
        }
        let news = self.shelf.as_ref().map_or(0, Shelf::news);
        if self.heard != news {
            self.heard = news;
            self.gather(false);
        }
        let Some(learner) = &self.learner else { return };
        learner.order(&self.orders(panel));
        // Not while a hand moves something: that would take it out of the hand.
        if panel.is_held() {
            return;
        }
        if let Some(learned) = learner.news() {
            self.learned = Some(learned);
            self.note(panel);
            self.set(panel, |_| true);
        }
    }

    fn target(&self, _: &[f32]) -> Option<(f64, f64)> {
        let place = self.platform()?;
        let (references, weights) = (self.references.clone(), self.choice.weights.weights());
        let loudness = Orders { place: self.place, references, weights, ..Orders::default() }.loudness()?;
        Some((loudness, place.ceiling))
    }
}
