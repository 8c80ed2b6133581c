//! Real-time priority for the threads that sound passes through.

/// Priority among real-time threads: below what sound servers give themselves and their clients' callbacks (70
/// and more), above everything else.
#[cfg(target_os = "linux")]
const PRIORITY: i32 = 60;

/// Asks for real-time priority for the calling thread. True when it was given. On Linux that needs a limit
/// (`ulimit -r`) that distributions give to members of a group, mostly called audio, pipewire or realtime. On
/// other systems the callbacks have it from the system, and this thread goes on as it is.
pub fn raise() -> bool {
    #[cfg(target_os = "linux")]
    {
        let parameters = libc::sched_param { sched_priority: PRIORITY };
        // SAFETY: it reads one struct that lives on this stack; 0 is the calling thread.
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) == 0 }
    }
    #[cfg(not(target_os = "linux"))]
    {
        false
    }
}

/// As [`raise`], unless the thread has real-time priority already. For a callback's first call.
pub fn raise_if_ordinary() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: it takes no pointer; 0 is the calling thread.
        let policy = unsafe { libc::sched_getscheduler(0) };
        if policy == libc::SCHED_OTHER {
            raise();
        }
    }
}
