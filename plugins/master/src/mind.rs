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

/// What a file is chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Music to come near to.
    Reference,
    /// What the songs of an album share.
    Album,
}

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
    /// A file that is being chosen: a reference or an album.
    pub chooser: Option<(Chooser, Sought)>,
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
            let weighed = choice.weights != self.choice.weights && !self.references.is_empty() || choice.album != self.choice.album;
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
        let Some(shelf) = &self.shelf else {
            if changed {
                self.more = false;
                self.asked = self.asked.wrapping_add(1);
            }
            return;
        };
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
        let album = self.choice.album.as_ref().map(|member| member.album.clone());
        Orders { style: self.style, place: self.place, values, hand, references, weights, album, asked: self.asked }
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
        let album = self.choice.album.as_ref().map(|member| member.album.clone());
        let own = self.learned.as_ref().and_then(|learned| learned.loudness);
        let loudness = Orders { place: self.place, references, weights, album, ..Orders::default() }.loudness(own)?;
        Some((loudness, place.ceiling))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MasterProduct;
    use crate::pages::{at, moves};
    use dsp_core::engines::master::MasterMoves;
    use dsp_core::params::FromValues;
    use dsp_core::units::Db;
    use plainsong_shell::params::TableParams;

    fn panel() -> (Panel, Mind) {
        let live = Arc::new(Live::default());
        let mut panel = Panel::new::<MasterProduct>(TableParams::new(MasterMoves::PARAMS), live.clone());
        let defaults: Vec<(usize, f32)> = MasterMoves::default().to_values().into_iter().enumerate().collect();
        panel.change_all(&defaults, false);
        let mut mind = Mind::new(live);
        mind.refresh(&mut panel);
        (panel, mind)
    }

    /// What learning would bring: gains of two bands and a drive.
    fn learned(third: f32, eighth: f32, drive: f32) -> Learned {
        let mut moves = MasterMoves { limiter_drive: Db(drive), ..MasterMoves::default() };
        for (band, gain) in [(2, third), (7, eighth)] {
            moves.equaliser.bands[band].on = true;
            moves.equaliser.bands[band].gain = Db(gain);
        }
        Learned { seconds: 30.0, loudness: Some(-20.0), values: moves.to_values(), ..Learned::default() }
    }

    fn bring(mind: &mut Mind, panel: &mut Panel, learned: Learned) {
        mind.learned = Some(learned);
        mind.note(panel);
        mind.set(panel, |_| true);
    }

    fn gains(panel: &Panel) -> [f32; 3] {
        let moves = moves(panel);
        [moves.equaliser.bands[2].gain.0, moves.equaliser.bands[7].gain.0, moves.limiter_drive.0]
            .map(|value| (value * 100.0).round() / 100.0)
    }

    #[test]
    fn a_touched_move_is_left_alone_until_it_is_given_back() {
        let (mut panel, mut mind) = panel();
        bring(&mut mind, &mut panel, learned(2.0, -3.0, 5.0));
        assert_eq!(gains(&panel), [2.0, -3.0, 5.0]);
        // A person pulls the third band down.
        panel.change(at("eq3-gain"), -1.0);
        mind.refresh(&mut panel);
        assert_eq!(mind.by_hand().map(Group::id).collect::<Vec<_>>(), ["eq3"]);
        bring(&mut mind, &mut panel, learned(4.0, -4.0, 6.0));
        assert_eq!(gains(&panel), [-1.0, -4.0, 6.0], "the hand's stays, the others follow");
        let eighth = Group::find("eq8").unwrap();
        mind.hand_over(&mut panel, eighth, true);
        bring(&mut mind, &mut panel, learned(4.0, 1.0, 7.0));
        assert_eq!(gains(&panel), [-1.0, -4.0, 7.0], "taken over without being moved");
        mind.hand_over(&mut panel, Group::find("eq3").unwrap(), false);
        assert_eq!(gains(&panel), [4.0, -4.0, 7.0], "what was learned last stands at once");
        mind.hand_over(&mut panel, eighth, false);
        assert_eq!((gains(&panel), mind.by_hand().count()), ([4.0, 1.0, 7.0], 0));
    }

    #[test]
    fn every_move_of_learning_can_be_taken_over() {
        let (mut panel, mut mind) = panel();
        let mut other = MasterMoves::default().to_values();
        for (value, param) in other.iter_mut().zip(MasterMoves::PARAMS) {
            let (low, high) = param.range();
            *value = if *value == high { low } else { high };
        }
        for group in Group::table().into_iter().flatten().collect::<BTreeSet<_>>() {
            let before = panel.values().to_vec();
            mind.hand_over(&mut panel, group, true);
            bring(&mut mind, &mut panel, Learned { values: other.clone(), ..Learned::default() });
            for (index, own) in Group::table().into_iter().enumerate() {
                let stays = own.is_none() || own == Some(group);
                assert_eq!(panel.value(index) == before[index], stays, "{} while a hand has {}", MasterMoves::PARAMS[index].id, group.id());
            }
            mind.hand_over(&mut panel, group, false);
            let back: Vec<(usize, f32)> = before.into_iter().enumerate().collect();
            panel.change_all(&back, false);
            mind.refresh(&mut panel);
        }
    }

    #[test]
    fn a_learning_is_one_step_to_undo() {
        let (mut panel, mut mind) = panel();
        let before = panel.values().to_vec();
        bring(&mut mind, &mut panel, learned(2.0, -3.0, 5.0));
        bring(&mut mind, &mut panel, learned(2.5, -3.5, 5.5));
        panel.step_back();
        assert_eq!(panel.values(), before);
        panel.step_forth();
        assert_eq!(gains(&panel), [2.5, -3.5, 5.5]);
    }

    #[test]
    fn choices_outlive_the_window_and_a_missing_file_is_kept() {
        let (mut panel, mut mind) = panel();
        let gone = Reference { from: 12.0, to: Some(40.0), ..Reference::new(std::path::Path::new("/gone/with/the/disk.flac")) };
        let mut choice = Choice { files: vec![gone.clone()], ..Choice::default() };
        choice.weights.tone = 3.0;
        choice.weights.loudness = 0.5;
        mind.refer(&panel, choice.clone());
        mind.choose(&panel, 2, 1);
        panel.change(at("eq3-gain"), -1.0);
        mind.refresh(&mut panel);
        let mut later = Mind::new(Arc::new(Live::default()));
        later.refresh(&mut panel);
        assert_eq!((later.choice(), later.style(), later.place()), (&choice, 2, 1));
        assert_eq!(later.by_hand().map(Group::id).collect::<Vec<_>>(), ["eq3"]);
        for _ in 0..400 {
            if let Some(Found::Failed(why)) = later.found(&gone) {
                assert!(why.contains("no such file"), "{why}");
                later.refresh(&mut panel);
                assert_eq!((later.choice(), later.references().len()), (&choice, 0), "the choice stays");
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("nothing was said of a missing file");
    }

    #[test]
    fn the_target_line_is_the_places_or_towards_the_references() {
        let (panel, mut mind) = panel();
        let place = mind.platform().unwrap();
        assert_eq!(mind.target(panel.values()), Some((place.loudness, place.ceiling)));
        let mut loud = Profile::new(Vec::new(), [None; 4], 2);
        loud.loudness = Some(place.loudness + 6.0);
        mind.references = Arc::new([loud]);
        mind.choice.weights.loudness = 0.5;
        assert_eq!(mind.target(panel.values()), Some((place.loudness + 3.0, place.ceiling)));
    }
}
