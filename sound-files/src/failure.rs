//! What goes wrong with a file, in one line that says what to do.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// One line about one file. The file is the one being rendered unless [`Failure::path`] tells another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    line: String,
    path: Option<PathBuf>,
}

/// What is done with a file; chooses the words for an I/O error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Opening or reading it.
    Reading,
    /// Making or writing it.
    Writing,
}

impl Failure {
    /// From one line. Line breaks become spaces, so that a failure stays one line.
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into().split_whitespace().collect::<Vec<_>>().join(" "), path: None }
    }

    /// The same about another file, unless it is about a certain file already.
    pub fn about(mut self, path: &Path) -> Self {
        self.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// The file it is about, when that is not the one being rendered.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// From an I/O error.
    pub fn io(doing: Doing, error: &Error) -> Self {
        let line = match (doing, error.kind()) {
            (Doing::Reading, ErrorKind::NotFound) => "there is no such file; check the path".to_owned(),
            (Doing::Reading, ErrorKind::PermissionDenied) => "may not be read; give yourself read permission".to_owned(),
            (Doing::Reading, ErrorKind::UnexpectedEof) => "ends too early; get a whole copy of it".to_owned(),
            (Doing::Reading, ErrorKind::IsADirectory) => "is a folder where a file is expected".to_owned(),
            (Doing::Reading, _) => format!("cannot be read ({error}); copy it to another disk and try that"),
            (Doing::Writing, ErrorKind::NotFound) => "cannot be made, because its folder does not exist; check the path".to_owned(),
            (Doing::Writing, ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                "may not be written there; choose another folder with -o".to_owned()
            }
            (Doing::Writing, ErrorKind::NotADirectory | ErrorKind::AlreadyExists) => {
                "cannot be made, because a part of its path is a file and no folder; choose another path with -o".to_owned()
            }
            (Doing::Writing, ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge | ErrorKind::WriteZero) => {
                format!("does not fit on the disk ({error}); make room or choose another folder with -o")
            }
            (Doing::Writing, _) => format!("cannot be written ({error}); choose another folder with -o"),
        };
        Self::new(line)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl From<dsp_core::processor::Error> for Failure {
    fn from(error: dsp_core::processor::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// For `map_err` on reading.
pub fn reading(error: Error) -> Failure {
    Failure::io(Doing::Reading, &error)
}

/// For `map_err` on writing.
pub fn writing(error: Error) -> Failure {
    Failure::io(Doing::Writing, &error)
}
