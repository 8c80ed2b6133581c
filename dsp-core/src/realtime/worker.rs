//! Work on a thread of its own, for steps that take longer than a short block lasts.
//!
//! The work goes to and fro as a whole: who has it may look into it and change it, so nothing is shared and
//! nothing is locked. A step that is needed at once can be done where it is needed, by whoever has the work.

use super::FlushDenormals;
use super::priority::{self, Standing};
use rtrb::{Consumer, Producer, RingBuffer};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{JoinHandle, park};
use std::time::Duration;

/// How long [`Worker::wait`] sleeps between two looks: a twentieth of a short hop.
const LOOK: Duration = Duration::from_micros(100);

/// What a worker does.
pub trait Work: Send + 'static {
    /// One step. A panic ends the step and nothing else.
    fn run(&mut self);
}

/// What both sides know.
#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    /// Somebody waits for the answers in real time.
    urgent: AtomicBool,
    /// [`Standing`] of the thread.
    standing: AtomicU8,
}

impl Shared {
    /// Brings the thread, which calls this, to the priority that is wanted.
    fn stand(&self) {
        let urgent = self.urgent.load(Ordering::Relaxed);
        let usual = self.standing.load(Ordering::Relaxed) == Standing::Usual.number();
        if urgent == usual {
            let standing = match urgent {
                true if priority::raise(priority::MODEL) => Standing::Raised,
                true => Standing::Refused,
                false => {
                    priority::lower();
                    Standing::Usual
                }
            };
            self.standing.store(standing.number(), Ordering::Relaxed);
        }
    }
}

/// A thread and its work, which is either here or there. Making and dropping it is not for the audio thread.
///
/// The pattern: at each frame [`Worker::get`] the work with the answer to the frame before, put the next
/// question in, and either [`Worker::start`] it, so that the answer is there a hop later, or, where the next
/// frame comes within the same block or nothing is in real time, run it here. Both give the same bits at the
/// same delay of one hop. Where `get` gives nothing, the step is late.
pub struct Worker<W> {
    idle: Option<Box<W>>,
    there: Producer<Box<W>>,
    back: Consumer<Box<W>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl<W> std::fmt::Debug for Worker<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("busy", &self.idle.is_none()).finish_non_exhaustive()
    }
}

impl<W: Work> Worker<W> {
    /// Starts a thread with a name; it rests until there is something to do.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(name: &str, work: W) -> std::io::Result<Self> {
        let (there, mut questions) = RingBuffer::<Box<W>>::new(1);
        let (mut answers, back) = RingBuffer::<Box<W>>::new(1);
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            let _flush = FlushDenormals::on();
            // A thread begins with the priority of who starts it.
            priority::lower();
            while !own.ended.load(Ordering::Acquire) {
                match questions.pop() {
                    Ok(mut work) => {
                        own.stand();
                        let _ = catch_unwind(AssertUnwindSafe(|| work.run()));
                        // There is one work, and room for it.
                        let _ = answers.push(work);
                    }
                    // What is pushed between the look and this wakes it at once.
                    Err(_) => park(),
                }
            }
        })?;
        Ok(Self { idle: Some(Box::new(work)), there, back, shared, thread: Some(thread) })
    }

    /// The work, unless the thread is at it. Wait-free.
    pub fn get(&mut self) -> Option<&mut W> {
        if self.idle.is_none() {
            self.idle = self.back.pop().ok();
        }
        self.idle.as_deref_mut()
    }

    /// Says whether somebody waits for the answers in real time: then the thread asks the system for priority over
    /// other programs, at its next step. Where that is refused it works all the same. Wait-free.
    pub fn set_urgent(&self, urgent: bool) {
        self.shared.urgent.store(urgent, Ordering::Relaxed);
    }

    /// How the thread stands since its last step. Wait-free.
    pub fn standing(&self) -> Standing {
        Standing::of(self.shared.standing.load(Ordering::Relaxed))
    }

    /// Has the thread do a step; nothing where it is at one. Wait-free: waking a thread is one call of the
    /// system that does not wait.
    pub fn start(&mut self) {
        if let Some(work) = self.idle.take() {
            match self.there.push(work) {
                Ok(()) => self.thread.iter().for_each(|thread| thread.thread().unpark()),
                Err(rtrb::PushError::Full(work)) => self.idle = Some(work),
            }
        }
    }

    /// The work, when the thread is done with it. Never on the audio thread of live sound.
    pub fn wait(&mut self) -> Option<&mut W> {
        while self.get().is_none() && self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            std::thread::sleep(LOOK);
        }
        self.get()
    }
}

impl<W> Drop for Worker<W> {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[derive(Default)]
    struct Sum {
        given: u64,
        sum: u64,
        slow: Duration,
    }

    impl Work for Sum {
        fn run(&mut self) {
            assert!(self.given != 13, "a step that fails");
            std::thread::sleep(self.slow);
            self.sum += self.given;
        }
    }

    #[test]
    fn steps_come_back_in_order_here_or_there() {
        let mut worker = Worker::new("test", Sum::default()).unwrap();
        let mut wanted = 0;
        for given in 0..2_000 {
            let work = worker.wait().unwrap();
            assert_eq!(work.sum, wanted, "before {given}");
            work.given = given;
            if given % 3 == 0 {
                catch_unwind(AssertUnwindSafe(|| work.run())).unwrap_or(())
            } else {
                worker.start()
            }
            wanted += if given == 13 { 0 } else { given };
        }
    }

    /// The thread's policy, as the system tells it.
    #[cfg(target_os = "linux")]
    #[derive(Default)]
    struct Policy(i32);

    #[cfg(target_os = "linux")]
    impl Work for Policy {
        fn run(&mut self) {
            // SAFETY: it takes no pointer; 0 is the calling thread.
            self.0 = unsafe { libc::sched_getscheduler(0) };
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_waits_in_real_time_is_served_first_where_the_system_allows_it() {
        let mut worker = Worker::new("test", Policy(-1)).unwrap();
        let mut step = |urgent| {
            worker.set_urgent(urgent);
            worker.start();
            (worker.wait().unwrap().0, worker.standing())
        };
        for _ in 0..3 {
            assert_eq!(step(false), (libc::SCHED_OTHER, Standing::Usual));
            match step(true) {
                (libc::SCHED_FIFO, Standing::Raised) | (libc::SCHED_OTHER, Standing::Refused) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_takes_long_is_away_and_nothing_waits_for_it() {
        let mut worker = Worker::new("test", Sum { given: 1, sum: 0, slow: Duration::from_millis(200) }).unwrap();
        worker.start();
        let asked = Instant::now();
        assert!(worker.get().is_none());
        worker.start();
        assert!(asked.elapsed() < Duration::from_millis(100));
        assert_eq!(worker.wait().unwrap().sum, 1);
        worker.start();
        // Dropped in the middle of a step: the thread ends with it.
        drop(worker);
    }
}
