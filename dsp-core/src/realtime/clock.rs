//! Processor time: what else runs on the machine does not count.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Processor time that the calling thread has used: what it waited for the system is not in it. None where the system
/// does not tell. Takes a fraction of a microsecond and never waits, so it may be asked on the audio thread.
pub fn work_time() -> Option<Duration> {
    #[cfg(unix)]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: it writes one struct that lives on this stack.
        let told = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } == 0;
        told.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
    #[cfg(not(unix))]
    {
        None
    }
}

/// As [`work_time`], in seconds since some moment, for benchmarks; time on the wall where the system does not tell.
pub fn processor_seconds() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    work_time().unwrap_or_else(|| START.get_or_init(Instant::now).elapsed()).as_secs_f64()
}
