//! Real time: a clock to wait on, priority, and load on the other cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Asks for real-time scheduling of this thread, as a host's audio thread has it. False when the
/// system does not permit it.
pub fn request_realtime() -> bool {
    let param = libc::sched_param { sched_priority: 70 };
    // SAFETY: thread 0 is the caller's own; the parameter block is a live local.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const param) == 0 }
}

/// Processor time of this thread, which other threads and programs do not add to.
pub fn thread_time() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Processor time of all threads of this process.
pub fn process_time() -> Duration {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to a live local; both clocks exist on every system that these tests run on.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A deadline every so many samples.
#[derive(Debug)]
pub struct Pacer {
    start: Instant,
    period: Duration,
    ticks: u32,
}

impl Pacer {
    /// Starts now. `period` is the time of a block.
    pub fn new(period: Duration) -> Self {
        Self { start: Instant::now(), period, ticks: 0 }
    }

    /// Sleeps until the next block is due and returns the time by which it must be done. After a
    /// missed deadline the clock starts anew, so that one hold-up is not counted many times.
    pub fn wait(&mut self) -> Instant {
        let now = Instant::now();
        let mut due = self.start + self.period * self.ticks;
        if now > due + self.period {
            (self.start, self.ticks, due) = (now, 0, now);
        }
        self.ticks += 1;
        if let Some(left) = due.checked_duration_since(now) {
            std::thread::sleep(left);
        }
        due + self.period
    }
}

/// Threads that keep the other cores busy until dropped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// One busy thread for each core but one, at least one.
    pub fn on_other_cores() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (1..cores.max(2))
            .map(|seed| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || {
                    // Memory traffic, not only arithmetic: it is the caches that a real host takes away.
                    let mut memory = vec![seed as u64; 1 << 20];
                    let mut at = seed;
                    while !stop.load(Ordering::Relaxed) {
                        for _ in 0..10_000 {
                            memory[at] = memory[at].wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                            at = (memory[at] >> 40) as usize % memory.len();
                        }
                    }
                })
            })
            .collect();
        Self { stop, threads }
    }

    /// Number of busy threads.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
