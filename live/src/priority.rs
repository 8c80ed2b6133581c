//! Real-time priority for the threads that sound passes through.

/// Priority among real-time threads of the engine's thread. Below that of callbacks everywhere (JACK gives its
/// clients 5 where nothing else is asked for, PipeWire 80 and more): a callback wakes the engine, and must not
/// wait until its work is done.
#[cfg(target_os = "linux")]
const ENGINE: i32 = 4;
/// Priority of callbacks that have none from their system.
#[cfg(target_os = "linux")]
const CALLBACK: i32 = 8;

#[cfg(target_os = "linux")]
fn raise(priority: i32) -> bool {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: it reads one struct that lives on this stack; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) == 0 }
}

/// Asks for real-time priority for the engine's thread, which calls it. True when it was given. On Linux that
/// needs a limit (`ulimit -r`) that distributions give to members of a group, mostly called audio, pipewire or
/// realtime. On other systems the callbacks have it from the system, and this thread goes on as it is.
pub fn raise_engine() -> bool {
    #[cfg(target_os = "linux")]
    {
        raise(ENGINE)
    }
    #[cfg(not(target_os = "linux"))]
    {
        false
    }
}

/// Asks for it for a callback's thread that has none from its system, as under ALSA. For a callback's first call.
pub fn raise_callback() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: it takes no pointer; 0 is the calling thread.
        let policy = unsafe { libc::sched_getscheduler(0) };
        if policy == libc::SCHED_OTHER {
            raise(CALLBACK);
        }
    }
}
