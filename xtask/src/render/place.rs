//! Files that appear whole or not at all: written beside their place under another name, then moved.

use super::failure::{Failure, writing};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Files to remove when the process is told to stop.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A file that is not yet in its place. Dropped before [`Draft::publish`], it is removed.
#[derive(Debug)]
pub struct Draft {
    draft: PathBuf,
    place: PathBuf,
    published: bool,
}

impl Draft {
    /// Makes an empty file in the folder of `place`, which must exist.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(place: &Path) -> Result<(Self, File), Failure> {
        let stem = stem(place);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let draft = place.with_file_name(format!("{stem}{}-{number}.part", std::process::id()));
            // Locked meanwhile, so that a stop finds every file that was made.
            let mut unfinished = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
            match OpenOptions::new().read(true).write(true).create_new(true).open(&draft) {
                Ok(file) => {
                    unfinished.push(draft.clone());
                    return Ok((Self { draft, place: place.to_owned(), published: false }, file));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(writing(error)),
            }
        }
    }

    /// Where it will stand.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Where it stands meanwhile.
    pub fn path(&self) -> &Path {
        &self.draft
    }

    /// Flushes it to the disk and moves it to its place.
    ///
    /// # Errors
    /// When the disk does not take it, or when its place is taken and `overwrite` is not given.
    pub fn publish(mut self, overwrite: bool) -> Result<(), Failure> {
        File::open(&self.draft).and_then(|file| file.sync_all()).map_err(writing)?;
        if !overwrite && self.place.symlink_metadata().is_ok() {
            return Err(exists());
        }
        fs::rename(&self.draft, &self.place).map_err(writing)?;
        self.published = true;
        forget(&self.draft);
        #[cfg(unix)]
        if let Some(folder) = self.place.parent() {
            // The entry in the folder is flushed too; where that is not possible the file is still whole.
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.draft);
            forget(&self.draft);
        }
    }
}

/// How names of drafts for a place begin. They belong to no other place: what is cut off a long name, since
/// names have 255 bytes at most on most file systems, is in a number.
fn stem(place: &Path) -> String {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    if name.chars().count() <= 60 {
        return format!(".{name}.");
    }
    let short: String = name.chars().take(40).collect();
    format!(".{short}.{:016x}.", super::archive::number(&name))
}

/// Removes drafts of a place that processes have left that were killed. Nobody else may be writing to it.
pub fn remove_leftovers(place: &Path) {
    let stem = stem(place);
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_draft = |name: &str| {
        let numbers = name.strip_prefix(&stem).and_then(|rest| rest.strip_suffix(".part")).and_then(|rest| rest.split_once('-'));
        numbers.is_some_and(|(process, number)| process.parse::<u32>().is_ok() && number.parse::<u64>().is_ok())
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_draft) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The place of an output is taken.
pub fn exists() -> Failure {
    Failure::new("exists already; choose another name, or replace it with --overwrite")
}

fn forget(draft: &Path) {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| known != draft);
}

/// Removes all unfinished files; for the moment before the process ends.
pub fn remove_unfinished() {
    for draft in UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _ = fs::remove_file(draft);
    }
}

/// Makes a folder and those above it, and returns the ones that were made, outermost first.
///
/// # Errors
/// When one cannot be made.
pub fn make_folders(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut missing: Vec<_> =
        folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).map(Path::to_owned).collect();
    missing.reverse();
    for (index, path) in missing.iter().enumerate() {
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => {
                remove_folders(&missing[..index]);
                return Err(writing(error));
            }
        }
    }
    if folder.as_os_str().is_empty() || folder.is_dir() { Ok(missing) } else { Err(writing(io::ErrorKind::NotADirectory.into())) }
}

/// Removes those of these folders that are empty.
pub fn remove_folders(folders: &[PathBuf]) {
    for folder in folders.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("plainsong-place-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_draft_leaves_nothing_unless_published() {
        let folder = folder("draft");
        let place = folder.join("a.wav");
        let (draft, mut file) = Draft::new(&place).unwrap();
        file.write_all(b"half").unwrap();
        drop(draft);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        let (draft, mut file) = Draft::new(&place).unwrap();
        file.write_all(b"whole").unwrap();
        draft.publish(false).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"whole");
        let (draft, _) = Draft::new(&place).unwrap();
        assert_eq!(draft.publish(false), Err(exists()));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
