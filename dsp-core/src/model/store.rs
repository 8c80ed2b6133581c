//! Models of the user: where they live, what was found when they were checked, and what is read of them.
//!
//! A model is a folder `<data>/models/<id>` with `manifest.toml`, its ONNX files, perhaps `CARD.md`, and
//! `stamp.json`, which the check writes. Only what has a stamp is read, and only when its hashes are
//! those of the stamp: a file that nobody checked is never parsed.

use super::manifest::Manifest;
use super::package::Package;
use crate::processor::Error;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A model's manifest.
pub const MANIFEST: &str = "manifest.toml";
/// What a model's author says of it, in Markdown.
pub const CARD: &str = "CARD.md";
/// What the check found.
pub const STAMP: &str = "stamp.json";
/// Number of the rules by which stamps are given. A stamp of other rules does not count.
pub const RULES: u32 = 2;
/// Largest manifest, card or stamp, in bytes.
pub const MAX_TEXT: u64 = 1 << 18;
/// Largest file of weights, in bytes: what the reader takes of constants, and room for the graph.
pub const MAX_FILE: u64 = 80 << 20;
/// Longest id or name of a file, in characters.
const LONGEST_NAME: usize = 64;
/// Most models that are listed.
const MAX_MODELS: usize = 256;

/// How a model keeps up with sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It runs on the audio thread.
    Inline,
    /// It keeps up, but a step may take longer than a short block lasts: it runs on a thread of its own.
    Worker,
    /// It does not keep up on the machine that checked it: for files only.
    TooSlow,
}

impl Verdict {
    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Inline => "runs live",
            Self::Worker => "runs live on a thread of its own, a step later",
            Self::TooSlow => "too slow to run live here",
        }
    }
}

/// What the check of a model found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// [`RULES`] of the check.
    pub rules: u32,
    /// The model's id.
    pub id: String,
    /// Its name as shown.
    pub name: String,
    /// Version of its weights.
    pub version: String,
    /// What it is for.
    pub task: String,
    /// Who made it.
    pub authors: String,
    /// Licence of its weights.
    pub license: String,
    /// SHA-256 of its manifest, which names those of its files: the hash of the whole model.
    pub sha256: String,
    /// SHA-256 of each file of weights.
    pub files: BTreeMap<String, String>,
    /// How it keeps up with sound.
    pub verdict: Verdict,
    /// Time of a step of one channel when steps follow each other, the median, in microseconds.
    pub step_us: f64,
    /// The same when a step comes once a hop and caches are cold, the 99th percentile.
    pub paced_us: f64,
    /// Time from one step to the next, in milliseconds.
    pub hop_ms: f64,
    /// Delay of the engine with this model, in milliseconds, with the step that a thread of its own takes.
    pub latency_ms: f64,
}

/// What a model was measured to cost, for its [`Stamp`], which tells of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// See [`Stamp::verdict`].
    pub verdict: Verdict,
    /// See [`Stamp::step_us`].
    pub step_us: f64,
    /// See [`Stamp::paced_us`].
    pub paced_us: f64,
    /// See [`Stamp::hop_ms`].
    pub hop_ms: f64,
    /// See [`Stamp::latency_ms`].
    pub latency_ms: f64,
}

impl Stamp {
    /// Of a model that has passed its check, by the present rules: the text of its manifest, and what it costs.
    ///
    /// # Errors
    /// [`Error::Model`] with what is wrong in the manifest.
    pub fn of(text: &str, cost: Cost) -> Result<Self, Error> {
        let manifest = Manifest::parse(text)?;
        Ok(Self {
            rules: RULES,
            sha256: sha256(text.as_bytes()),
            files: weights(&manifest).iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect(),
            id: manifest.id,
            name: manifest.name,
            version: manifest.version,
            task: manifest.task,
            authors: manifest.authors,
            license: manifest.license,
            verdict: cost.verdict,
            step_us: cost.step_us,
            paced_us: cost.paced_us,
            hop_ms: cost.hop_ms,
            latency_ms: cost.latency_ms,
        })
    }

    /// Writes it into a model's folder: it is there whole, or as before.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let part = folder.join("stamp.part");
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, folder.join(STAMP)));
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    /// Share of one core that a channel takes, 0 to 1 and more, by the time of steps in a row.
    pub fn load(&self) -> f64 {
        if self.hop_ms > 0.0 { self.step_us / (1e3 * self.hop_ms) } else { f64::INFINITY }
    }
}

/// Names and SHA-256 of a model's files of weights.
pub fn weights(manifest: &Manifest) -> Vec<(&str, &str)> {
    let mut files: Vec<(&str, &str)> = manifest.parts.iter().map(|part| (part.file.as_str(), part.sha256.as_str())).collect();
    files.dedup();
    files
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses what could lead out of a model's folder or is no name on some system.
///
/// # Errors
/// What names can be.
pub fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(plain) && !name.starts_with(['.', '-']);
    if good && !name.ends_with('.') {
        Ok(())
    } else {
        Err(format!("{name:?} is no name for a model or its file; letters, digits, - _ and . can be, {LONGEST_NAME} at most"))
    }
}

/// Reads a plain file that is not larger than `most` bytes.
///
/// # Errors
/// What is wrong, in a sentence.
pub fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let told = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("{name} is not there"),
        _ => format!("{name} cannot be read ({error})"),
    };
    // A pipe or device would wait or never end.
    let data = path.metadata().map_err(told)?;
    if !data.is_file() {
        return Err(format!("{name} is no plain file"));
    }
    let large = || format!("{name} is larger than {most} bytes");
    if data.len() > most {
        return Err(large());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(told)?;
    // It may have grown since.
    if bytes.len() as u64 > most { Err(large()) } else { Ok(bytes) }
}

/// Reads a small text.
///
/// # Errors
/// As [`read_bounded`].
pub fn read_text(path: &Path) -> Result<String, String> {
    let bytes = read_bounded(path, MAX_TEXT)?;
    String::from_utf8(bytes).map_err(|_| format!("{} is no text in UTF-8", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// The user's data folder of the suite: `$XDG_DATA_HOME` or `~/.local/share`, `~/Library/Application
/// Support`, or `%LOCALAPPDATA%`.
pub fn data_folder() -> Option<PathBuf> {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(target_os = "windows") {
        from("LOCALAPPDATA").map(|path| path.join("Plainsong"))
    } else if cfg!(target_os = "macos") {
        from("HOME").map(|path| path.join("Library/Application Support/Plainsong"))
    } else {
        from("XDG_DATA_HOME").or_else(|| from("HOME").map(|path| path.join(".local/share"))).map(|path| path.join("plainsong"))
    }
}

/// The installed models: the folders of one folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

/// A folder of the store: its id, and its stamp or why it does not count.
pub type Entry = (String, Result<Stamp, String>);

impl Store {
    /// The user's. None where the system does not say who the user is.
    pub fn user() -> Option<Self> {
        Some(Self::at(data_folder()?.join("models")))
    }

    /// In a folder of its own.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where it is. It need not exist.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the model with this id is or would be.
    ///
    /// # Errors
    /// As [`check_name`].
    pub fn place(&self, id: &str) -> Result<PathBuf, String> {
        check_name(id).map(|()| self.folder.join(id))
    }

    /// All folders, by id.
    pub fn list(&self) -> Vec<Entry> {
        let folders = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
        let names = folders.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| check_name(name).is_ok());
        let mut ids: Vec<String> = names.take(MAX_MODELS).collect();
        ids.sort_unstable();
        ids.into_iter().map(|id| (id.clone(), self.stamp(&id))).collect()
    }

    /// The stamp of a model, when it is by the present rules and the manifest is still the one that was
    /// checked.
    ///
    /// # Errors
    /// Why the model does not count.
    pub fn stamp(&self, id: &str) -> Result<Stamp, String> {
        self.stamped(id).map(|(stamp, _)| stamp)
    }

    fn stamped(&self, id: &str) -> Result<(Stamp, String), String> {
        let again = format!("check it with: cargo xtask models check {id}");
        let folder = self.place(id)?;
        if !folder.is_dir() {
            return Err("is not installed".into());
        }
        if !folder.join(STAMP).exists() {
            return Err(format!("was not checked; {again}"));
        }
        let text = read_text(&folder.join(STAMP))?;
        let stamp: Stamp = serde_json::from_str(&text).map_err(|_| format!("has a stamp that cannot be read; {again}"))?;
        if stamp.rules != RULES || stamp.id != id {
            return Err(format!("was checked by other rules; {again}"));
        }
        let manifest = read_text(&folder.join(MANIFEST))?;
        if sha256(manifest.as_bytes()) != stamp.sha256 {
            return Err(format!("was changed after it was checked; {again}"));
        }
        Ok((stamp, manifest))
    }

    /// What the author says of a model.
    pub fn card(&self, id: &str) -> Option<String> {
        read_text(&self.place(id).ok()?.join(CARD)).ok()
    }

    /// Reads a model that was checked. Nothing is parsed before its hash was found to be the stamp's. Not
    /// for the audio thread.
    ///
    /// # Errors
    /// [`Error::Model`] with why it cannot be had.
    pub fn open(&self, id: &str) -> Result<Package, Error> {
        let refuse = |reason: String| Error::Model { id: id.to_owned(), reason };
        let (stamp, text) = self.stamped(id).map_err(refuse)?;
        let manifest = Manifest::parse(&text)?;
        let mut files = Vec::new();
        for (name, hash) in weights(&manifest) {
            check_name(name).map_err(refuse)?;
            let bytes = read_bounded(&self.folder.join(id).join(name), MAX_FILE).map_err(refuse)?;
            let known = stamp.files.get(name).is_some_and(|known| known == hash);
            if !known || sha256(&bytes) != hash {
                return Err(refuse(format!("{name} was changed after it was checked; check it with: cargo xtask models check {id}")));
            }
            files.push((name.to_owned(), bytes));
        }
        Ok(Package { manifest, files, verdict: stamp.verdict })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for good in ["gtcrn", "ul-unas", "Model_1.onnx", "a"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", ".hidden", "c:x", "a\0b", "-rf", "x.", "\u{e9}"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_name(&"x".repeat(LONGEST_NAME + 1)).is_err());
    }
}
