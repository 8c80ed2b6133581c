//! Long runs over many files: a state file from which a run goes on where another one was stopped, by whatever, and
//! shares of the work for many machines.
//!
//! A line is written for each file just before its output is moved to its place, with size and time of both. So a
//! file is done when its line is there and its output is the one that the line tells of: stopped before the line,
//! nothing of it is there; stopped between line and move, it is done once more; stopped behind, never again.

use super::failure::{Failure, reading, writing};
use super::job::{Outcome, Task};
use super::place::{self, Draft};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

/// One of several shares of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub index: u32,
    /// Shares in all.
    pub count: u32,
}

/// FNV-1a, 64 bits (G. Fowler, L. C. Noll, K.-P. Vo): a number of a text that is the same everywhere.
pub fn number(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

impl Shard {
    /// Of `i/n`.
    ///
    /// # Errors
    /// What is to be given.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.trim().parse().ok()?, count.trim().parse().ok()?)));
        match parts {
            Some((index, count)) if index >= 1 && index <= count => Ok(Self { index, count }),
            _ => Err("give I/N, from 1/N to N/N".into()),
        }
    }

    /// Whether a file is in this share. It depends on the file's place alone, so that files that come or go do not
    /// move others.
    pub fn has(self, task: &Task) -> bool {
        // The upper bits: the lowest of this sum are no better than a sum of the letters'.
        let number = number(&task.below.to_string_lossy());
        (number >> 32 ^ number & 0xFFFF_FFFF) % u64::from(self.count) == u64::from(self.index - 1)
    }

    /// The state file of this share.
    pub fn state(self, path: &Path) -> PathBuf {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{stem}.{}-of-{}", self.index, self.count);
        match path.extension() {
            Some(ending) => path.with_file_name(format!("{name}.{}", ending.to_string_lossy())),
            None => path.with_file_name(name),
        }
    }
}

/// Size in bytes and time in nanoseconds of a file: what tells that it is the same.
type Stamp = (u64, u64);

fn stamp(metadata: &Metadata) -> Stamp {
    let time = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    (metadata.len(), time.map_or(0, |time| time.as_nanos() as u64))
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).ok().as_ref().map(stamp)
}

/// A file that was done.
#[derive(Clone, Debug)]
struct Entry {
    key: String,
    input: Stamp,
    output: Stamp,
    seconds: f64,
    report: Map<String, Value>,
}

/// What is already done, and where it is noted.
pub struct Archive {
    path: PathBuf,
    file: Mutex<File>,
    /// Settings of this run, in a word.
    key: String,
    /// By input and output.
    entries: HashMap<(String, String), Entry>,
}

/// What a state file says of a task.
pub enum Standing {
    /// It is still to be done.
    Open,
    /// It was done before.
    Done(Box<Outcome>),
    /// It was done, but with another input or other settings, or a file that goes with it is gone; its output must not be replaced.
    Other(Failure),
}

fn name(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned()
}

fn parse(line: &str) -> Option<((String, String), Entry)> {
    let value: Value = serde_json::from_str(line).ok()?;
    let stamp = |key: &str| Some((value[key][0].as_u64()?, value[key][1].as_u64()?));
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let entry = Entry {
        key: text("settings")?,
        input: stamp("input_stamp")?,
        output: stamp("output_stamp")?,
        seconds: value["seconds"].as_f64()?,
        report: value["report"].as_object()?.clone(),
    };
    Some(((text("input")?, text("output")?), entry))
}

impl Archive {
    /// Opens or begins a state file; with a share, that share's, and reads those of the others. `settings` is
    /// everything that decides on the outputs.
    ///
    /// # Errors
    /// One line when it is in use or cannot be written.
    pub fn open(path: &Path, shard: Option<Shard>, settings: &str) -> Result<Self, Failure> {
        let own = shard.map_or_else(|| path.to_owned(), |shard| shard.state(path));
        let about = |failure: Failure| failure.about(&own);
        if let Some(folder) = own.parent() {
            place::make_folders(folder).map_err(about)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(&own);
        let mut file = file.map_err(|error| about(writing(error)))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(about(Failure::new("is used by another run; wait for it, or give every run its own --shard or --state")));
            }
            // A file system without locks: who starts two runs on one file there must know.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| about(reading(error)))?;
        if !text.is_empty() && !text.lines().any(|line| line.starts_with('{')) {
            return Err(about(Failure::new("is no state file; choose another name with --state")));
        }
        // A line that was cut off is no line. The next one must not be joined to it.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(|error| about(writing(error)))?;
            text.truncate(whole);
        }
        let mut entries = HashMap::new();
        for other in others(path, &own) {
            let text = std::fs::read_to_string(&other).map_err(|error| reading(error).about(&other))?;
            entries.extend(text.lines().filter_map(parse));
        }
        entries.extend(text.lines().filter_map(parse));
        Ok(Self { path: own, file: Mutex::new(file), key: format!("{:016x}", number(settings)), entries })
    }

    /// What is known of a task. An output that is to be made anew loses what an interrupted run has left of it.
    pub fn standing(&self, task: &Task, overwrite: bool, sides: &[PathBuf]) -> Standing {
        let entry = self.entries.get(&(name(&task.input), name(&task.output)));
        let ours = entry.filter(|entry| stamp_of(&task.output) == Some(entry.output));
        if let Some(entry) = ours {
            let same_input = stamp_of(&task.input) == Some(entry.input);
            let gone = sides.iter().find(|side| !side.exists());
            if same_input && entry.key == self.key && gone.is_none() {
                let (seconds, report) = (entry.seconds, entry.report.clone());
                return Standing::Done(Box::new(Outcome { seconds, took: 0.0, warnings: Vec::new(), report }));
            }
            if !overwrite {
                let what = match gone {
                    _ if !same_input => "the input has changed now".to_owned(),
                    Some(side) if entry.key == self.key => format!("{} is missing now", side.display()),
                    _ => "the settings are others now".to_owned(),
                };
                return Standing::Other(
                    Failure::new(format!("was made before, and {what}; replace it with --overwrite, or choose another folder"))
                        .about(&task.output),
                );
            }
        }
        for place in sides.iter().chain([&task.output]) {
            place::remove_leftovers(place);
        }
        Standing::Open
    }

    /// Notes that a file is finished, just before it is moved to its place.
    ///
    /// # Errors
    /// When it cannot be noted; the file must not be moved then.
    pub fn ready(&self, task: &Task, draft: &Draft, outcome: &Outcome) -> Result<(), Failure> {
        let missing = || Failure::new("cannot be looked at; try again when nothing else changes it");
        let input = stamp_of(&task.input).ok_or_else(missing)?;
        let output = stamp_of(draft.path()).ok_or_else(missing)?;
        let line = json!({
            "input": name(&task.input),
            "output": name(&task.output),
            "settings": self.key,
            "input_stamp": [input.0, input.1],
            "output_stamp": [output.0, output.1],
            "seconds": outcome.seconds,
            "report": outcome.report,
        });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // In one piece: what is cut off is the end of a line.
        let noted = file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_data());
        noted.map_err(|error| writing(error).about(&self.path))
    }
}

/// State files of the whole and of all shares, but for our own.
fn others(path: &Path, own: &Path) -> Vec<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let of_share = |other: &Path| {
        let name = other.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let share = name.strip_prefix(&stem).and_then(|rest| rest.strip_prefix('.')).and_then(|rest| rest.split_once("-of-"));
        other.extension() == path.extension()
            && (name == stem || share.is_some_and(|(index, count)| index.parse::<u32>().is_ok() && count.parse::<u32>().is_ok()))
    };
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|other| of_share(other)).collect();
    found.retain(|other| other.file_name() != own.file_name());
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sink::FileFormat;

    fn task(folder: &Path, name: &str) -> Task {
        Task { input: folder.join(name), output: folder.join("out").join(name), below: name.into(), picture: None, format: FileFormat::Wav }
    }

    /// Opens the state of a run that has ended. A process that another test starts holds the lock for a moment too, from
    /// its fork to its own program.
    fn freed(state: &Path) -> Archive {
        for _ in 0..200 {
            if let Ok(archive) = Archive::open(state, None, "settings") {
                return archive;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Archive::open(state, None, "settings").unwrap()
    }

    /// Between any two steps a kill leaves a state from which the next run goes on; every cut of the state file itself too.
    #[test]
    fn what_is_done_is_known_whatever_was_cut_off() {
        let folder = std::env::temp_dir().join(format!("plainsong-archive-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("out")).unwrap();
        let state = folder.join("state.jsonl");
        let tasks: Vec<Task> = ["a.wav", "b.wav", "c.wav"].iter().map(|name| task(&folder, name)).collect();
        tasks.iter().for_each(|task| std::fs::write(&task.input, "sound").unwrap());
        let outcome = || Outcome { seconds: 1.0, took: 0.1, warnings: Vec::new(), report: Map::new() };
        let is_done = |archive: &Archive, task: &Task| matches!(archive.standing(task, false, &[]), Standing::Done(_));
        {
            let archive = Archive::open(&state, None, "settings").unwrap();
            for (index, task) in tasks.iter().enumerate() {
                assert!(!is_done(&archive, task));
                let (draft, mut file) = Draft::new(&task.output).unwrap();
                file.write_all(b"better sound").unwrap();
                drop(file);
                archive.ready(task, &draft, &outcome()).unwrap();
                if index == 2 {
                    // Killed between the line and the move: the draft stays.
                    std::mem::forget(draft);
                } else {
                    draft.publish(false).unwrap();
                }
            }
            assert!(Archive::open(&state, None, "settings").is_err(), "one run at a time");
        }
        let text = std::fs::read_to_string(&state).unwrap();
        let archive = freed(&state);
        assert_eq!([true, true, false], std::array::from_fn(|n| is_done(&archive, &tasks[n])));
        assert_eq!(std::fs::read_dir(folder.join("out")).unwrap().count(), 2, "the draft that was left is gone");
        drop(archive);
        for cut in 0..text.len() {
            std::fs::write(&state, &text[..cut]).unwrap();
            let archive = freed(&state);
            let lines = text[..cut].matches('\n').count();
            for (index, task) in tasks.iter().take(2).enumerate() {
                assert_eq!(is_done(&archive, task), index < lines);
            }
            drop(archive);
            assert!(std::fs::read_to_string(&state).unwrap().len() <= cut);
        }
        std::fs::write(&state, &text).unwrap();
        let archive = Archive::open(&state, None, "other settings").unwrap();
        assert!(matches!(archive.standing(&tasks[0], false, &[]), Standing::Other(_)));
        assert!(matches!(archive.standing(&tasks[0], true, &[]), Standing::Open));
        drop(archive);
        // A file that goes with an output was thrown away: told, and made again when it may be.
        let archive = freed(&state);
        let side = folder.join("out/a.html");
        let standing = |overwrite: bool| archive.standing(&tasks[0], overwrite, std::slice::from_ref(&side));
        assert!(matches!(standing(false), Standing::Other(failure) if failure.to_string().contains("a.html is missing now")));
        assert!(matches!(standing(true), Standing::Open));
        std::fs::write(&side, "page").unwrap();
        assert!(matches!(standing(false), Standing::Done(_)));
        drop(archive);
        // Another share knows what this one has done.
        let shard = Shard { index: 2, count: 3 };
        let archive = Archive::open(&state, Some(shard), "settings").unwrap();
        assert!(is_done(&archive, &tasks[0]) && folder.join("state.2-of-3.jsonl").is_file());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn shares_are_disjoint_and_whole() {
        let tasks: Vec<Task> = (0..3_000).map(|n| task(Path::new("in"), &format!("show/{}/episode-{n:04}.wav", n % 7))).collect();
        for count in 1..9 {
            let sizes: Vec<usize> = (1..=count).map(|index| tasks.iter().filter(|task| Shard { index, count }.has(task)).count()).collect();
            assert_eq!(sizes.iter().sum::<usize>(), tasks.len());
            let mean = tasks.len() / count as usize;
            assert!(sizes.iter().all(|size| size.abs_diff(mean) < mean / 5 + 20), "{count}: {sizes:?}");
        }
        assert_eq!(Shard::parse("2/8"), Ok(Shard { index: 2, count: 8 }));
        for bad in ["0/3", "4/3", "1", "a/b", ""] {
            assert!(Shard::parse(bad).is_err(), "{bad}");
        }
    }
}
