//! Real-time priority for threads that sound waits for.

/// Priority of callbacks that have none from their system. Callbacks of systems have more: 80 and above under
/// PipeWire, 5 under JACK where nothing else is asked for.
pub const CALLBACK: i32 = 8;
/// Priority of a live program's engine: a callback wakes it, and must not wait until its work is done.
pub const ENGINE: i32 = 4;
/// Priority of a model's thread: whoever waits for its answer comes first, and other programs after it.
pub const MODEL: i32 = 3;

/// How a thread that sound waits for stands beside other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Standing {
    /// As any thread: nothing else was asked for.
    #[default]
    Usual,
    /// Before all threads of usual priority.
    Raised,
    /// As any thread, since the system gives no real-time priority. On Linux that needs a limit (`ulimit -r`) that
    /// distributions give to members of a group, mostly called audio, pipewire or realtime.
    Refused,
}

impl Standing {
    /// All of them, by their numbers.
    const ALL: [Self; 3] = [Self::Usual, Self::Raised, Self::Refused];

    /// As a number, for an atomic.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Of a number; of one that is none's, the usual standing.
    pub fn of(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }
}

/// Asks for first-in-first-out scheduling (sched(7)) at this priority for the thread that calls. True when it was
/// given; the thread goes on as it was where not, as on systems that have none.
pub fn raise(priority: i32) -> bool {
    #[cfg(target_os = "linux")]
    {
        schedule(libc::SCHED_FIFO, priority)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = priority;
        false
    }
}

/// Gives the calling thread the usual priority again.
pub fn lower() {
    #[cfg(target_os = "linux")]
    schedule(libc::SCHED_OTHER, 0);
}

#[cfg(target_os = "linux")]
fn schedule(policy: i32, priority: i32) -> bool {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: it reads one struct that lives on this stack; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) == 0 }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn policy() -> i32 {
        // SAFETY: it takes no pointer; 0 is the calling thread.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn what_is_told_is_what_the_system_says() {
        std::thread::spawn(|| {
            let raised = raise(MODEL);
            assert_eq!(policy() == libc::SCHED_FIFO, raised);
            lower();
            assert_eq!(policy(), libc::SCHED_OTHER);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn numbers_are_of_their_standings() {
        for standing in Standing::ALL {
            assert_eq!(Standing::of(standing.number()), standing);
        }
        assert_eq!(Standing::of(77), Standing::Usual);
    }
}
