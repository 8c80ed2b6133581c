//! One thread per process that loads models for all instances.
//!
//! nice-plug's own background worker is shared and drops tasks when it is full (its defect 8), so
//! models have their own. The thread ends with the last instance: a host may unload the library
//! after that, and code that still ran would be gone from under it.

use crossbeam::queue::ArrayQueue;
use parking_lot::{Condvar, Mutex};
use std::any::TypeId;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

static SHARED: Mutex<Weak<Loader>> = Mutex::new(Weak::new());

/// The loader thread. Held by every instance.
#[derive(Debug)]
pub struct Loader {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    stop: Arc<AtomicBool>,
    warmed: Mutex<Vec<TypeId>>,
}

impl Loader {
    /// The process's loader, started when there is none. Not for the audio thread.
    pub fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock();
        if let Some(loader) = shared.upgrade() {
            return loader;
        }
        let (sender, receiver) = mpsc::channel::<Job>();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("plainsong-loader".into()).spawn(move || {
            // What still waits when the last instance goes is wanted by nobody.
            for job in receiver.into_iter().take_while(|_| !stopped.load(Ordering::Acquire)) {
                // A model that panics must cost its own instance only.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            }
        });
        let jobs = Mutex::new(thread.is_ok().then_some(sender));
        let loader = Arc::new(Self { jobs, thread: Mutex::new(thread.ok()), stop, warmed: Mutex::default() });
        *shared = Arc::downgrade(&loader);
        loader
    }

    /// Runs a job once per type, to fill a cache of that type. Not for the audio thread.
    pub fn warm<T: 'static>(&self, job: impl FnOnce() + Send + 'static) {
        let mut warmed = self.warmed.lock();
        if !warmed.contains(&TypeId::of::<T>()) {
            warmed.push(TypeId::of::<T>());
            drop(warmed);
            self.run(job);
        }
    }

    /// Runs a job after those that wait. Where no thread could be started it runs here and now. Not
    /// for the audio thread.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        match &*self.jobs.lock() {
            Some(jobs) => {
                if let Err(mpsc::SendError(job)) = jobs.send(Box::new(job)) {
                    job();
                }
            }
            None => job(),
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        *self.jobs.lock() = None;
        if let Some(thread) = self.thread.lock().take() {
            // A job may hold the last reference; a thread cannot join itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Hands boxed values from the loader to the audio thread without locks on that side. The newest counts.
#[derive(Debug)]
pub struct Handoff<T> {
    value: ArrayQueue<Box<T>>,
    /// Values that are on their way.
    coming: AtomicUsize,
    /// Held while `coming` falls, for who waits.
    change: Mutex<()>,
    signal: Condvar,
}

impl<T> Default for Handoff<T> {
    fn default() -> Self {
        Self { value: ArrayQueue::new(1), coming: AtomicUsize::new(0), change: Mutex::new(()), signal: Condvar::new() }
    }
}

impl<T> Handoff<T> {
    /// Promises a value: one call of [`Handoff::deliver`] follows.
    pub fn begin(&self) {
        self.coming.fetch_add(1, Ordering::AcqRel);
    }

    /// Delivers the promised value, or nothing when it could not be made, and wakes who waits.
    pub fn deliver(&self, value: Option<Box<T>>) {
        if let Some(value) = value {
            // One that nobody took is dropped here, on the loader's thread.
            drop(self.value.force_push(value));
        }
        let guard = self.change.lock();
        self.coming.fetch_sub(1, Ordering::AcqRel);
        drop(guard);
        self.signal.notify_all();
    }

    /// True while a value is on its way. Wait-free, for the audio thread.
    pub fn is_coming(&self) -> bool {
        self.coming.load(Ordering::Acquire) > 0
    }

    /// The value, once it is there. Wait-free, for the audio thread.
    pub fn take(&self) -> Option<Box<T>> {
        self.value.pop()
    }

    /// Waits until all that was promised is delivered or `timeout` is over. Not for live sound.
    pub fn wait(&self, timeout: Duration) {
        let mut change = self.change.lock();
        if self.is_coming() {
            self.signal.wait_while_for(&mut change, |()| self.is_coming(), timeout);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_arrive_and_a_job_that_panics_harms_no_other() {
        let handoff = Arc::new(Handoff::default());
        let loader = Loader::shared();
        let to = handoff.clone();
        handoff.begin();
        loader.run(|| panic!("a job that fails"));
        loader.run(move || to.deliver(Some(Box::new(7))));
        handoff.wait(Duration::from_secs(10));
        assert_eq!(handoff.take(), Some(Box::new(7)));
        assert_eq!(handoff.take(), None);
        for value in 1..=3 {
            handoff.begin();
            handoff.deliver(Some(Box::new(value)));
        }
        assert!(!handoff.is_coming());
        assert_eq!((handoff.take(), handoff.take()), (Some(Box::new(3)), None), "the newest counts");
        assert!(Arc::ptr_eq(&loader, &Loader::shared()));
    }
}
