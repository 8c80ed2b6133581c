//! A process that may take so much time and memory, and no more.
//!
//! A stranger's file may make a reader loop, or ask for all memory. What looks into it runs in a process
//! of its own that the system ends at its limits; nothing of that reaches who asked.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
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

/// What a process took of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Taken {
    /// Time by the clock.
    pub clock: Duration,
    /// Time of processors, its own and the system's for it; none where the system does not tell.
    pub processor: Duration,
    /// Most memory that was in its use at a time, in bytes; 0 where the system does not tell.
    pub memory: u64,
}

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
pub fn run(program: &Path, arguments: &[&str], folder: &Path, patience: Duration) -> std::io::Result<(End, Taken)> {
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
    let mut ended = None;
    while started.elapsed() < patience {
        ended = reap(&mut child, false)?;
        if ended.is_some() {
            break;
        }
        std::thread::sleep(POLL);
    }
    let (status, mut taken) = match ended {
        Some((status, taken)) => (Some(status), taken),
        None => {
            child.kill()?;
            (None, reap(&mut child, true)?.map_or(Taken::default(), |(_, taken)| taken))
        }
    };
    taken.clock = started.elapsed();
    let (said, complained) = (said.join().unwrap_or_default(), complained.join().unwrap_or_default());
    let end = match status {
        None => End::Time,
        Some(status) if status.success() => End::Answer(said),
        Some(_) if complained.contains(NO_MEMORY) => End::Memory,
        Some(status) if out_of_time(status) => End::Time,
        Some(status) => {
            let line = complained.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            End::Crash(format!("{status}: {line}"))
        }
    };
    Ok((end, taken))
}

/// How a process ended and what it took, once it has; with `wait` it is waited for.
#[cfg(unix)]
fn reap(child: &mut Child, wait: bool) -> std::io::Result<Option<(ExitStatus, Taken)>> {
    use std::os::unix::process::ExitStatusExt;
    /// Bytes of the unit in which the system tells of memory (getrusage(2)).
    const UNIT: u64 = if cfg!(target_os = "macos") { 1 } else { 1_024 };
    let id = i32::try_from(child.id()).map_err(std::io::Error::other)?;
    let mut status = 0;
    // SAFETY: plain numbers, for which zeros are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let gone = loop {
        // SAFETY: both pointers are to variables on this stack; the process is our own child, which nobody else waits for.
        let gone = unsafe { libc::wait4(id, &raw mut status, if wait { 0 } else { libc::WNOHANG }, &raw mut usage) };
        let error = std::io::Error::last_os_error();
        if gone >= 0 {
            break gone;
        }
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    };
    let time =
        |time: libc::timeval| Duration::from_micros(time.tv_sec.unsigned_abs() * 1_000_000 + u64::from(time.tv_usec.unsigned_abs() as u32));
    let processor = time(usage.ru_utime) + time(usage.ru_stime);
    let taken = Taken { clock: Duration::ZERO, processor, memory: usage.ru_maxrss.unsigned_abs() as u64 * UNIT };
    Ok((gone == id).then(|| (ExitStatus::from_raw(status), taken)))
}

/// How a process ended, once it has; with `wait` it is waited for.
#[cfg(not(unix))]
fn reap(child: &mut Child, wait: bool) -> std::io::Result<Option<(ExitStatus, Taken)>> {
    let status = if wait { Some(child.wait()?) } else { child.try_wait()? };
    Ok(status.map(|status| (status, Taken::default())))
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
