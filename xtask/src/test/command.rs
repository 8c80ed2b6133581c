//! Runs a program, shows what it prints, and reads from it how many tests passed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a step found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests, or single checks, that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
    /// What a reader of the table must know.
    pub notes: Vec<String>,
}

impl Counts {
    /// One failure, with the reason.
    pub fn failed(why: impl Into<String>) -> Self {
        Self { passed: 0, failed: 1, notes: vec![why.into()] }
    }

    /// One failure: something is missing.
    pub fn missing(what: &str, how: &str) -> Self {
        Self::failed(format!("{what} is missing: {how}"))
    }

    /// Nothing counted.
    pub fn note(text: impl Into<String>) -> Self {
        Self { notes: vec![text.into()], ..Self::default() }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.notes.extend(other.notes);
    }
}

/// Folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new(".")).to_path_buf()
}

/// Folder of the release binaries: where this one lies.
pub fn release_folder() -> PathBuf {
    let own = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    own.unwrap_or_else(|| root().join("target/release"))
}

/// Folder of build outputs.
pub fn target_folder() -> PathBuf {
    release_folder().parent().map_or_else(|| root().join("target"), Path::to_path_buf)
}

/// The cargo that started this program.
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Full path of a program on PATH.
pub fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A program to run in the workspace's folder.
pub struct Run {
    command: Command,
    name: String,
    quiet: bool,
}

impl Run {
    /// A program by path or name.
    pub fn new(program: &Path) -> Self {
        let mut command = Command::new(program);
        command.current_dir(root()).stdin(Stdio::null());
        // What cargo told this program is about this package only and must not reach another cargo.
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("CARGO_PKG_") || key == "CARGO_MANIFEST_DIR" || key == "CARGO_MANIFEST_PATH" {
                command.env_remove(key);
            }
        }
        Self { command, name: program.display().to_string(), quiet: false }
    }

    /// The cargo that started this program.
    pub fn cargo(args: &[&str]) -> Self {
        Self::new(&cargo()).args(args)
    }

    /// Appends arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: &[S]) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    /// Takes a variable away.
    pub fn without(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    /// Shows nothing.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Runs and returns the exit status, if it could be started, and what it printed. Its standard
    /// output is shown line by line.
    pub fn capture(mut self) -> (Option<i32>, String) {
        self.command.stdout(Stdio::piped());
        if self.quiet {
            self.command.stderr(Stdio::null());
        }
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => {
                if !self.quiet {
                    println!("{} does not start: {error}", self.name);
                }
                return (None, String::new());
            }
        };
        let mut text = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let shown = String::from_utf8_lossy(&line);
                if !self.quiet {
                    print!("{shown}");
                }
                text.push_str(&shown);
                line.clear();
            }
        }
        let status = child.wait().ok().map(|status| status.code().unwrap_or(-1));
        (status, text)
    }

    /// True when it ends with status 0.
    pub fn succeeds(self) -> bool {
        self.capture().0 == Some(0)
    }

    /// Counts as one check.
    pub fn one(self) -> Counts {
        let name = self.name.clone();
        match self.capture().0 {
            Some(0) => Counts { passed: 1, ..Counts::default() },
            Some(code) => Counts::failed(format!("{name} ended with status {code}; see above")),
            None => Counts::failed(format!("{name} could not be started")),
        }
    }

    /// Counts by what a runner's closing lines say. A failure without a count is one failure, and so
    /// is a runner that ran nothing.
    fn counted(self, read: fn(&str) -> Option<(usize, usize)>) -> Counts {
        let name = self.name.clone();
        let (status, text) = self.capture();
        let mut counts = Counts::default();
        for (passed, failed) in text.lines().filter_map(read) {
            counts.passed += passed;
            counts.failed += failed;
        }
        for test in text.lines().filter_map(failed_test) {
            counts.notes.push(format!("FAILED {test}"));
        }
        let ran = counts.passed + counts.failed > 0;
        if counts.failed == 0 && (status != Some(0) || !ran) {
            let status = status.map_or_else(|| "could not be started".into(), |code| format!("ended with status {code}"));
            counts += Counts::failed(format!("{name} {status}; see above"));
        }
        counts
    }

    /// Counts by the closing lines of `cargo test`.
    pub fn tests(self) -> Counts {
        self.counted(libtest_line)
    }

    /// Counts by pytest's closing line.
    pub fn pytest(self) -> Counts {
        self.counted(pytest_line)
    }

    /// Counts by a line `N passed, N failed`.
    pub fn plain(self) -> Counts {
        self.counted(plain_line)
    }
}

/// The number before a word, as in "12 passed".
fn number_before(text: &str, word: &str) -> Option<usize> {
    let end = text.find(word)?;
    text[..end].trim_end().rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// `test result: ok. 12 passed; 0 failed; ...`
fn libtest_line(line: &str) -> Option<(usize, usize)> {
    let rest = line.strip_prefix("test result: ")?;
    Some((number_before(rest, " passed")?, number_before(rest, " failed")?))
}

/// `3 failed, 12 passed in 4.2s`, with or without signs of equality around it. Errors are failures;
/// skipped tests are failures too, since nothing here may be skipped.
fn pytest_line(line: &str) -> Option<(usize, usize)> {
    let line = line.trim_matches(|c| c == '=' || c == ' ');
    if !line.contains(" in ") || !line.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let count = |word| number_before(line, word).unwrap_or(0);
    let failed = count(" failed") + count(" error") + count(" skipped");
    let passed = count(" passed");
    (passed + failed > 0).then_some((passed, failed))
}

/// `12 passed, 0 failed`
fn plain_line(line: &str) -> Option<(usize, usize)> {
    let (passed, failed) = line.trim().split_once(", ")?;
    Some((passed.strip_suffix(" passed")?.parse().ok()?, failed.strip_suffix(" failed")?.parse().ok()?))
}

/// Name of a test that a runner says has failed.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")
        .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        .or_else(|| line.strip_prefix("FAILED ").map(|rest| rest.split(" - ").next().unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        assert_eq!(libtest_line("test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured"), Some((12, 3)));
        assert_eq!(libtest_line("test a::b ... ok"), None);
        assert_eq!(pytest_line("======== 1 failed, 12 passed, 2 skipped in 4.20s ========"), Some((12, 3)));
        assert_eq!(pytest_line("12 passed in 0.10s"), Some((12, 0)));
        assert_eq!(pytest_line("no tests ran in 0.01s"), None);
        assert_eq!(plain_line("2 passed, 0 failed"), Some((2, 0)));
        assert_eq!(plain_line("  missed deadlines 3 of 5, samples not finite 0"), None);
        assert_eq!(failed_test("test blocks::mono ... FAILED"), Some("blocks::mono"));
        assert_eq!(failed_test("FAILED tests/python/a.py::b - AssertionError"), Some("tests/python/a.py::b"));
    }

    #[test]
    fn a_program_that_is_not_there_is_one_failure() {
        let counts = Run::new(Path::new("/no/such/program")).quiet().tests();
        assert_eq!((counts.passed, counts.failed), (0, 1));
    }

    #[test]
    fn a_runner_that_runs_nothing_is_a_failure() {
        let counts = Run::new(Path::new("true")).quiet().tests();
        assert_eq!((counts.passed, counts.failed), (0, 1));
    }
}
