//! Music that the master is to come near to: which files, how much each of their sides counts, and what a
//! thread of its own hears in them.

use dsp_core::analysis::Analyser;
use dsp_core::mastering::{Album, Profile, Weights};
use dsp_core::processor::Format;
use dsp_core::units::Hz;
use parking_lot::Mutex;
use plainsong_shell::live::Live;
use serde::{Deserialize, Deserializer, Serialize};
use sound_files::failure::{self, Failure};
use sound_files::part::{self, Part};
use sound_files::source;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Most files that are kept.
pub const MOST: usize = 8;
/// Largest weight of tone, dynamics and width.
pub const MOST_WEIGHT: f64 = 10.0;
/// Shortest part that is listened to, in seconds: less says nothing of a song.
pub const LEAST_PART: f64 = 5.0;
/// Length of a point of the overview, in seconds.
pub const OVERVIEW: f64 = 1.0;
/// Most points of the overview: four hours.
const MOST_POINTS: usize = 14_400;
/// Most that is read of an album's file, in bytes: it has some forty numbers.
const MOST_BYTES: u64 = 64 * 1024;
/// Between two looks of the thread at what is asked for.
const LOOK: Duration = Duration::from_millis(100);

/// One file, as it is kept in the state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reference {
    /// Its path.
    pub path: String,
    /// Where the part begins that counts, in seconds.
    pub from: f64,
    /// Where it ends; none is the end of the file.
    pub to: Option<f64>,
    /// It counts.
    pub on: bool,
}

impl Default for Reference {
    fn default() -> Self {
        Self { path: String::new(), from: 0.0, to: None, on: true }
    }
}

impl Reference {
    /// All of a file.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_string_lossy().into_owned(), ..Self::default() }
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        Path::new(&self.path).file_name().and_then(|name| name.to_str()).unwrap_or(&self.path)
    }

    fn part(&self) -> Part {
        Part { from: self.from, to: self.to }
    }

    /// True when the same sound of the same file is meant.
    fn same(&self, other: &Self) -> bool {
        (&self.path, self.from, self.to) == (&other.path, other.from, other.to)
    }
}

/// All that is chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// The files.
    pub files: Vec<Reference>,
    /// How much their sides count: see [`Weights`].
    pub weights: Weighing,
    /// The album that the song belongs to. It is kept whole, so that a project needs no file for it.
    #[serde(deserialize_with = "known")]
    pub album: Option<Member>,
}

/// An album that this version knows; another must not cost the files.
fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Member>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(from)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

/// An album and the name of the file that it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The file's name.
    pub name: String,
    /// What its songs share.
    pub album: Album,
}

impl Member {
    /// Reads an album's file.
    ///
    /// # Errors
    /// One line when it cannot be used.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let mut text = String::new();
        File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text)).map_err(failure::reading)?;
        let album = Album::from_json(&text).map_err(|error| Failure::new(error.to_string()))?;
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self { name, album })
    }

    /// True for names that an album may have.
    pub fn is_album(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
    }
}

/// [`Weights`] as they are kept in the state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Weighing {
    /// Of their spectrum.
    pub tone: f64,
    /// Of their dynamics.
    pub dynamics: f64,
    /// Of their image.
    pub width: f64,
    /// Of their loudness, 0 (the place's) to 1 (theirs).
    pub loudness: f64,
}

impl Default for Weighing {
    fn default() -> Self {
        let Weights { tone, dynamics, width, loudness } = Weights::default();
        Self { tone, dynamics, width, loudness }
    }
}

impl Weighing {
    /// As decisions take them.
    pub fn weights(self) -> Weights {
        Weights { tone: self.tone, dynamics: self.dynamics, width: self.width, loudness: self.loudness }
    }
}

impl Choice {
    /// The same with everything in range: a state may come from anywhere.
    pub fn checked(mut self) -> Self {
        let within = |value: f64, most: f64, default: f64| if value.is_finite() { value.clamp(0.0, most) } else { default };
        let default = Weighing::default();
        let weights = &mut self.weights;
        weights.tone = within(weights.tone, MOST_WEIGHT, default.tone);
        weights.dynamics = within(weights.dynamics, MOST_WEIGHT, default.dynamics);
        weights.width = within(weights.width, MOST_WEIGHT, default.width);
        weights.loudness = within(weights.loudness, 1.0, default.loudness);
        self.album = self.album.filter(|member| Album::from_json(&member.album.to_json()).is_ok());
        self.files.retain(|file| !file.path.is_empty());
        self.files.truncate(MOST);
        for file in &mut self.files {
            file.from = within(file.from, 1e6, 0.0);
            file.to = file.to.filter(|to| to.is_finite() && *to > file.from);
        }
        self
    }
}

/// What was heard of a file.
#[derive(Debug, PartialEq)]
pub struct Heard {
    /// Of the part that counts.
    pub profile: Profile,
    /// Highest sample of each second of the whole file, linear.
    pub overview: Vec<f32>,
    /// Length of the whole file in seconds.
    pub seconds: f64,
}

/// Where the hearing of a file stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// It is heard: share that is done, where the file tells its length.
    Hearing(Option<f32>),
    /// It was heard.
    Heard(Arc<Heard>),
    /// It cannot be used, and why.
    Failed(String),
}

/// Hears a part of a file; `told` gets the share that is done and says whether to go on. None where it
/// broke off.
///
/// # Errors
/// One line when the file cannot be used.
pub fn hear(reference: &Reference, mut told: impl FnMut(Option<f32>) -> bool) -> Result<Option<Heard>, Failure> {
    let mut source = source::open(Path::new(&reference.path), true)?;
    let info = source.info().clone();
    let rate = f64::from(info.rate);
    let mut analyser = Analyser::new(Format::new(Hz(rate), info.channels)?)?;
    let (mut overview, mut most, mut filled) = (Vec::new(), 0.0_f32, 0_usize);
    let point = (rate * OVERVIEW) as usize;
    let mut samples = 0_u64;
    let whole = part::read(source.as_mut(), reference.part(), |block, range, before| {
        let length = block.first().map_or(0, Vec::len);
        for index in 0..length {
            most = block.iter().fold(most, |most, channel| most.max(channel[index].abs().min(8.0)));
            filled += 1;
            if filled == point {
                if overview.len() < MOST_POINTS {
                    overview.push(most);
                }
                (most, filled) = (0.0, 0);
            }
        }
        let pieces: Vec<&[f32]> = block.iter().map(|channel| &channel[range.clone()]).collect();
        analyser.process(&pieces);
        samples = before + length as u64;
        told(info.frames.filter(|&frames| frames > 0).map(|frames| (samples as f32 / frames as f32).min(1.0)))
    })?;
    if !whole {
        return Ok(None);
    }
    if filled > 0 && overview.len() < MOST_POINTS {
        overview.push(most);
    }
    let profile = Profile::of(&analyser);
    if profile.loudness.is_none() {
        return Err(Failure::new("holds nothing to be heard; choose another file or part of it"));
    }
    Ok(Some(Heard { profile, overview, seconds: samples as f64 / rate }))
}

struct Shared {
    asked: Mutex<Vec<Reference>>,
    known: Mutex<Vec<(Reference, Found)>>,
    /// Grows when a file was heard or failed.
    news: AtomicU32,
    stop: AtomicBool,
    live: Arc<Live>,
}

/// The files and the thread that hears them; it ends with this.
pub struct Shelf {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Shelf {
    /// Starts a thread that waits for files.
    pub fn start(live: Arc<Live>) -> Self {
        let shared = Arc::new(Shared {
            asked: Mutex::new(Vec::new()),
            known: Mutex::new(Vec::new()),
            news: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            live,
        });
        let own = shared.clone();
        let thread = std::thread::Builder::new().name("plainsong-references".into()).spawn(move || work(&own));
        Self { shared, thread: thread.ok() }
    }

    /// Says which files are wanted; others are forgotten.
    pub fn ask(&self, files: &[Reference]) {
        let wanted: Vec<Reference> = files.iter().filter(|file| file.on).cloned().collect();
        let mut asked = self.shared.asked.lock();
        if *asked != wanted {
            *asked = wanted;
            drop(asked);
            self.wake();
        }
    }

    /// Tries files again that could not be used.
    pub fn retry(&self, file: &Reference) {
        self.shared.known.lock().retain(|(known, found)| !(known.same(file) && matches!(found, Found::Failed(_))));
        self.wake();
    }

    /// What is known of a file.
    pub fn found(&self, file: &Reference) -> Option<Found> {
        if self.thread.is_none() {
            return Some(Found::Failed("cannot be heard: the system gives no thread; close other programs".into()));
        }
        self.shared.known.lock().iter().find(|(known, _)| known.same(file)).map(|(_, found)| found.clone())
    }

    /// Number of files that were heard or failed so far.
    pub fn news(&self) -> u32 {
        self.shared.news.load(Ordering::Acquire)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        // A host may unload the library after this, and code that still ran would be gone from under it.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sets what is known of a file.
fn note(shared: &Shared, file: &Reference, found: Found) {
    let mut known = shared.known.lock();
    match known.iter_mut().find(|(known, _)| known.same(file)) {
        Some((_, slot)) => *slot = found,
        None => known.push((file.clone(), found)),
    }
}

fn work(shared: &Shared) {
    while !shared.stop.load(Ordering::Acquire) {
        let next = {
            let asked = shared.asked.lock();
            let mut known = shared.known.lock();
            known.retain(|(known, _)| asked.iter().any(|asked| asked.same(known)));
            asked.iter().find(|asked| !known.iter().any(|(known, _)| known.same(asked))).cloned()
        };
        let Some(file) = next else {
            std::thread::park_timeout(LOOK);
            continue;
        };
        note(shared, &file, Found::Hearing(None));
        let wanted = |share: Option<f32>| {
            note(shared, &file, Found::Hearing(share));
            !shared.stop.load(Ordering::Acquire) && shared.asked.lock().iter().any(|asked| asked.same(&file))
        };
        // A mistake of a decoder must cost this file only.
        let heard = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hear(&file, wanted)));
        let found = match heard {
            Ok(Ok(Some(heard))) => Found::Heard(Arc::new(heard)),
            Ok(Ok(None)) => {
                shared.known.lock().retain(|(known, _)| !known.same(&file));
                continue;
            }
            Ok(Err(failure)) => Found::Failed(failure.to_string()),
            Err(_) => Found::Failed("is damaged in a way that no decoder expects; convert it to WAV first".into()),
        };
        note(shared, &file, found);
        shared.news.fetch_add(1, Ordering::AcqRel);
        shared.live.repaint.request_repaint();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(name: &str, seconds: f64, sample: impl Fn(f64) -> f64) -> Reference {
        let path = std::env::temp_dir().join(format!("plainsong-reference-{}-{name}.wav", std::process::id()));
        let frames = (seconds * 16_000.0) as u32;
        let mut bytes = b"RIFF".to_vec();
        bytes.extend_from_slice(&(36 + 2 * frames).to_le_bytes());
        bytes.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
        bytes.extend_from_slice(&(2 * frames).to_le_bytes());
        for n in 0..frames {
            bytes.extend_from_slice(&((sample(f64::from(n) / 16_000.0) * 32_767.0) as i16).to_le_bytes());
        }
        std::fs::write(&path, bytes).unwrap();
        Reference::new(&path)
    }

    fn wait(shelf: &Shelf, file: &Reference) -> Found {
        for _ in 0..600 {
            match shelf.found(file) {
                Some(Found::Hearing(_)) | None => std::thread::sleep(Duration::from_millis(25)),
                Some(found) => return found,
            }
        }
        panic!("not heard in 15 s")
    }

    #[test]
    fn files_and_parts_of_them_are_heard() {
        // Ten seconds of a low tone, then ten of a high one, 12 dB softer.
        let file = wav("two", 20.0, |t| if t < 10.0 { 0.4 * (700.0 * t).sin() } else { 0.1 * (12_000.0 * t).sin() });
        let (low, high) = (Reference { to: Some(9.0), ..file.clone() }, Reference { from: 11.0, ..file.clone() });
        let shelf = Shelf::start(Arc::new(Live::default()));
        shelf.ask(&[low.clone(), high.clone()]);
        let (Found::Heard(low), Found::Heard(high)) = (wait(&shelf, &low), wait(&shelf, &high)) else { panic!("not heard") };
        assert!((low.seconds - 20.0).abs() < 1e-6 && low.overview.len() == 20);
        assert!(low.overview[3] > 0.39 && low.overview[15] < 0.11, "the overview is of the whole file");
        let loudest = |heard: &Heard| (0..30).max_by(|a, b| heard.profile.thirds[*a].total_cmp(&heard.profile.thirds[*b])).unwrap();
        assert!(loudest(&low) + 10 < loudest(&high), "{} and {}", loudest(&low), loudest(&high));
        assert!((low.profile.seconds - 9.0).abs() < 0.2 && (high.profile.seconds - 9.0).abs() < 0.2);
        assert_eq!(shelf.news(), 2);
        let _ = std::fs::remove_file(&file.path);
    }

    #[test]
    fn what_cannot_be_used_says_so_and_is_tried_again() {
        let silent = wav("silent", 8.0, |_| 0.0);
        let missing = Reference::new(Path::new("/nowhere/at/all.flac"));
        let late = Reference { from: 100.0, ..wav("short", 8.0, |t| (900.0 * t).sin()) };
        let shelf = Shelf::start(Arc::new(Live::default()));
        shelf.ask(&[silent.clone(), missing.clone(), late.clone()]);
        for file in [&silent, &missing, &late] {
            let Found::Failed(why) = wait(&shelf, file) else { panic!("{} is no reference", file.path) };
            assert!(why.len() > 10 && !why.contains('\n'), "{why}");
        }
        let was_silent = wav("silent", 8.0, |t| 0.3 * (900.0 * t).sin());
        shelf.retry(&was_silent);
        assert!(matches!(wait(&shelf, &was_silent), Found::Heard(_)));
        shelf.ask(&[]);
        for _ in 0..100 {
            if shelf.found(&was_silent).is_none() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(shelf.found(&was_silent), None, "what is not asked for is forgotten");
        for file in [silent, late] {
            let _ = std::fs::remove_file(&file.path);
        }
    }

    #[test]
    fn a_choice_from_anywhere_is_brought_into_range() {
        let text = r#"{"files":[{"path":"/a.wav","from":-3,"to":-5},{"path":""},{"path":"/b.wav","from":10,"to":20,"on":false}],
            "weights":{"tone":1e9,"loudness":7}}"#;
        let choice = serde_json::from_str::<Choice>(text).unwrap().checked();
        assert_eq!(choice.files.len(), 2);
        assert_eq!((choice.files[0].from, choice.files[0].to, choice.files[0].on), (0.0, None, true));
        assert_eq!((choice.files[1].to, choice.files[1].on), (Some(20.0), false));
        assert_eq!((choice.weights.tone, choice.weights.loudness, choice.weights.width), (MOST_WEIGHT, 1.0, 1.0));
        let back: Choice = serde_json::from_str(&serde_json::to_string(&choice).unwrap()).unwrap();
        assert_eq!(back, choice);
    }

    #[test]
    fn an_album_is_kept_and_a_strange_one_costs_nothing() {
        let shifts = vec!["0.5"; 37].join(",");
        let path = std::env::temp_dir().join(format!("plainsong-album-{}.json", std::process::id()));
        std::fs::write(&path, format!(r#"{{"version":1,"songs":9,"loudness":-20.0,"shifts":[{shifts}]}}"#)).unwrap();
        let member = Member::read(&path).unwrap();
        let choice = Choice { files: vec![Reference::new(Path::new("/a.wav"))], album: Some(member), ..Choice::default() };
        let text = serde_json::to_string(&choice).unwrap();
        let back = |text: &str| serde_json::from_str::<Choice>(text).unwrap().checked();
        assert_eq!(back(&text), choice);
        for strange in [text.replace("\"version\":1", "\"version\":9"), text.replace("\"songs\"", "\"tunes\"")] {
            assert_eq!(back(&strange), Choice { album: None, ..choice.clone() }, "{strange}");
        }
        std::fs::write(&path, "no album").unwrap();
        let told = Member::read(&path).unwrap_err().to_string();
        assert!(told.contains("--album-file"), "{told}");
        let _ = std::fs::remove_file(&path);
    }
}
