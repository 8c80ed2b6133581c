//! What sound asks of the system: real-time priority for its threads, and memory that stays in memory.

use dsp_core::realtime::priority;

/// Asks for real-time priority for the engine's thread, which calls it. True when it was given. On Linux that
/// needs a limit (`ulimit -r`) that distributions give to members of a group, mostly called audio, pipewire or
/// realtime. On other systems the callbacks have it from the system, and this thread goes on as it is.
pub fn raise_engine() -> bool {
    priority::raise(priority::ENGINE)
}

/// Asks for it for a callback's thread that has none from its system, as under ALSA. For a callback's first call.
pub fn raise_callback() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: it takes no pointer; 0 is the calling thread.
        let policy = unsafe { libc::sched_getscheduler(0) };
        if policy == libc::SCHED_OTHER {
            priority::raise(priority::CALLBACK);
        }
    }
}

/// Keeps this process's memory from being moved out, so that no callback waits for a disk. Called when the engine is
/// there. True when the system allows it (`ulimit -l`; the groups with real-time priority mostly have that right too).
pub fn keep_in_memory() -> bool {
    #[cfg(target_os = "linux")]
    {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: it writes one struct that lives on this stack.
        let known = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } == 0;
        // Memory asked for later is locked only where there is no limit: elsewhere it would be refused at the limit.
        let later = if known && limit.rlim_cur == libc::RLIM_INFINITY { libc::MCL_FUTURE } else { 0 };
        // SAFETY: it takes no pointer.
        unsafe { libc::mlockall(libc::MCL_CURRENT | later) == 0 }
    }
    #[cfg(not(target_os = "linux"))]
    {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn what_is_kept_in_memory_is_told_by_the_system() {
        let kept = super::keep_in_memory();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
        let kilobytes: u64 = locked.trim().trim_end_matches(" kB").parse().unwrap();
        assert_eq!(kept, kilobytes > 0, "{locked}");
        // SAFETY: it takes no pointer. Other tests of this process go on as they were.
        unsafe { libc::munlockall() };
    }
}
