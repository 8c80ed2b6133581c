//! Into the user's models and out again: a model is there whole, or not at all.

use super::http::writing;
use dsp_core::model::store::{MAX_FILE, Store, read_bounded};
use std::path::{Path, PathBuf};

/// Folders that are being filled.
const NEW: &str = ".new-";
/// Models that are being replaced.
const OLD: &str = ".old-";

/// A folder beside the models in which one is put together. It goes when it is not published.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
}

impl Staging {
    /// An empty one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(store: &Store) -> Result<Self, String> {
        let folder = store.folder().join(format!("{NEW}{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(|error| writing(&folder, &error))?;
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a file into it.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let place = self.folder.join(name);
        let write = || {
            let mut file = std::fs::File::create(&place)?;
            std::io::Write::write_all(&mut file, bytes)?;
            file.sync_all()
        };
        write().map_err(|error| writing(&place, &error))
    }

    /// Puts a copy of a file into it.
    ///
    /// # Errors
    /// When it is not there, too large, or does not fit.
    pub fn copy(&self, from: &Path, name: &str) -> Result<(), String> {
        self.put(name, &read_bounded(from, MAX_FILE)?)
    }

    /// Makes it the model with this id, in the place of what was there.
    ///
    /// # Errors
    /// When that fails; what was there stays.
    pub fn publish(self, store: &Store, id: &str) -> Result<PathBuf, String> {
        let place = store.place(id)?;
        let old = store.folder().join(format!("{OLD}{id}"));
        let there = place.symlink_metadata().is_ok();
        if there {
            std::fs::rename(&place, &old).map_err(|error| writing(&place, &error))?;
        }
        if let Err(error) = std::fs::rename(&self.folder, &place) {
            if there {
                let _ = std::fs::rename(&old, &place);
            }
            return Err(writing(&place, &error));
        }
        let _ = std::fs::remove_dir_all(&old);
        Ok(place)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Puts right what a run that was ended in the middle left behind: a model that was being replaced is
/// there again, and a day later what was being put together is gone.
pub fn heal(store: &Store) {
    for entry in std::fs::read_dir(store.folder()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if let Some(id) = name.strip_prefix(OLD) {
            match store.place(id) {
                Ok(place) if place.symlink_metadata().is_err() => _ = std::fs::rename(entry.path(), place),
                _ => _ = std::fs::remove_dir_all(entry.path()),
            }
        } else if name.starts_with(NEW) {
            let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age.as_secs() > 24 * 3_600) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// Takes a model away, in one step.
///
/// # Errors
/// When there is none, or it cannot be taken away.
pub fn remove(store: &Store, id: &str) -> Result<(), String> {
    let place = store.place(id)?;
    if place.symlink_metadata().is_err() {
        return Err(format!("{id} is not installed"));
    }
    let gone = store.folder().join(format!("{NEW}{}", std::process::id()));
    let failed = |error: std::io::Error| writing(&place, &error);
    std::fs::rename(&place, &gone).map_err(failed)?;
    // What cannot be deleted now goes when `heal` finds it.
    let _ = if gone.is_symlink() { std::fs::remove_file(&gone) } else { std::fs::remove_dir_all(&gone) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store of this test's own.
    fn store(name: &str) -> Store {
        let folder = std::env::temp_dir().join(format!("plainsong-install-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Store::at(folder)
    }

    fn text(store: &Store, id: &str) -> Option<String> {
        std::fs::read_to_string(store.place(id).unwrap().join("a")).ok()
    }

    #[test]
    fn a_model_is_there_whole_or_not_at_all() {
        let store = store("whole");
        let staging = Staging::new(&store).unwrap();
        staging.put("a", b"one").unwrap();
        assert!(store.list().is_empty(), "what is not published is not listed");
        staging.publish(&store, "x").unwrap();
        assert_eq!(text(&store, "x").as_deref(), Some("one"));
        let staging = Staging::new(&store).unwrap();
        staging.put("a", b"two").unwrap();
        drop(staging);
        assert_eq!(text(&store, "x").as_deref(), Some("one"));
        let staging = Staging::new(&store).unwrap();
        staging.put("a", b"two").unwrap();
        staging.publish(&store, "x").unwrap();
        assert_eq!(text(&store, "x").as_deref(), Some("two"));
        assert!(Staging::new(&store).unwrap().publish(&store, "../y").is_err());
        remove(&store, "x").unwrap();
        assert!(remove(&store, "x").unwrap_err().contains("not installed"));
        assert_eq!(std::fs::read_dir(store.folder()).unwrap().count(), 0, "nothing is left");
        std::fs::remove_dir_all(store.folder()).unwrap();
    }

    #[test]
    fn a_run_that_was_ended_in_the_middle_does_no_harm() {
        let store = store("heal");
        for (folder, content) in [(".old-x", "one"), (".old-y", "old"), ("y", "new")] {
            std::fs::create_dir_all(store.folder().join(folder)).unwrap();
            std::fs::write(store.folder().join(folder).join("a"), content).unwrap();
        }
        heal(&store);
        assert_eq!((text(&store, "x").as_deref(), text(&store, "y").as_deref()), (Some("one"), Some("new")));
        assert_eq!(store.list().len(), 2);
        std::fs::remove_dir_all(store.folder()).unwrap();
    }
}
