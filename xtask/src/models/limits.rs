//! A process that may take so much time and memory, and no more.
//!
//! A stranger's file may make a reader loop, or ask for all memory. What looks into it runs in a process
//! of its own that the system ends at its limits; nothing of that reaches who asked.

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Most processor time that a look into a model may take, where the system can limit that.
pub const TIME: Duration = Duration::from_secs(10);
/// Longest that it may take by the clock: a computer that does other things as well is slower.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Most memory that it may take, in bytes.
pub const MEMORY: u64 = 1 << 30;
/// Most that it may say, in bytes; more is cut off.
const ANSWER: u64 = 1 << 20;
/// Between looks at whether it has ended.
const POLL: Duration = Duration::from_millis(2);

/// How a limited process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with what it said on standard output.
    Answer(String),
    /// At the limit of time.
    Time,
    /// Because memory was refused to it.
    Memory,
    /// Because of an error of the program itself, with the last line on standard error.
    Crash(String),
}

/// Sets this process's own limits: called first of all by what looks into strangers' files. Where the
/// system has no such limits, the parent's limit of time is left.
pub fn confine() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let limit = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
        // A limit that cannot be set (a stricter one holds already) is no reason to stop.
        let _ = setrlimit(Resource::As, limit(MEMORY));
        let _ = setrlimit(Resource::Cpu, limit(TIME.as_secs()));
        // No dump of a gigabyte when it goes wrong, and no file of its own.
        let _ = setrlimit(Resource::Core, limit(0));
        let _ = setrlimit(Resource::Fsize, limit(0));
    }
}

/// Words on standard error of a process that memory was refused to: those of Rust's allocator.
const NO_MEMORY: &str = "memory allocation of";

/// Runs this program with arguments and a folder, which confines itself. Comes back at the limits, or when
/// `patience` is over, whatever the process does.
///
/// # Errors
/// When it cannot be started.
pub fn run(program: &Path, arguments: &[&str], folder: &Path, patience: Duration) -> std::io::Result<End> {
    let mut command = Command::new(program);
    command.args(arguments).arg(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn()?;
    // Readers of their own: a process that fills a pipe must not wait for who waits for it.
    let listen = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                let _ = pipe.by_ref().take(ANSWER).read_to_end(&mut bytes);
                let _ = std::io::copy(&mut pipe, &mut std::io::sink());
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let said = listen(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let complained = listen(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let mut status: Option<ExitStatus> = None;
    while started.elapsed() < patience {
        status = child.try_wait()?;
        if status.is_some() {
            break;
        }
        std::thread::sleep(POLL);
    }
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    let (said, complained) = (said.join().unwrap_or_default(), complained.join().unwrap_or_default());
    Ok(match status {
        None => End::Time,
        Some(status) if status.success() => End::Answer(said),
        Some(_) if complained.contains(NO_MEMORY) => End::Memory,
        Some(status) if out_of_time(status) => End::Time,
        Some(status) => {
            let line = complained.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            End::Crash(format!("{status}: {line}"))
        }
    })
}

/// The system ended it at its limit of processor time.
fn out_of_time(status: ExitStatus) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        // The soft and the hard limit are the same, so it is a kill.
        status.signal().is_some_and(|signal| signal == SIGXCPU || signal == SIGKILL)
    }
    #[cfg(not(unix))]
    {
        let _ = status;
        false
    }
}

/// Signal of the limit of processor time, on Linux and macOS.
#[cfg(unix)]
const SIGXCPU: i32 = 24;
/// The signal that cannot be caught.
#[cfg(unix)]
const SIGKILL: i32 = 9;
