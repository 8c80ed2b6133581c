//! The thread that listens and proposes, off the audio thread.

use crate::session::{LEAST_SECONDS, Learned, Orders, Session};
use dsp_core::mastering::Adviser;
use parking_lot::Mutex;
use plainsong_shell::live::Live;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at what has come.
const LOOK: Duration = Duration::from_millis(25);
/// The same while nothing is listened to.
const REST: Duration = Duration::from_millis(100);
/// Between two proposals while the song plays.
const EVERY: Duration = Duration::from_millis(2_500);

/// What both sides share.
struct Shared {
    orders: Mutex<Orders>,
    news: Mutex<Option<Learned>>,
    /// Seconds heard, and why nothing can be learned.
    state: Mutex<(f64, Option<String>)>,
    listens: AtomicBool,
    /// Begin anew with the next piece.
    anew: AtomicBool,
    stop: AtomicBool,
}

/// The handle of the thread; it ends with this.
pub struct Learner {
    live: Arc<Live>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Learner {
    /// Starts to listen. When no thread can be made, nothing is ever heard, and [`Learner::error`] says why.
    pub fn start(live: Arc<Live>, orders: Orders) -> Self {
        let shared = Arc::new(Shared {
            orders: Mutex::new(orders),
            news: Mutex::new(None),
            state: Mutex::new((0.0, None)),
            listens: AtomicBool::new(true),
            anew: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let (own, ear) = (shared.clone(), live.clone());
        live.ear.open();
        let thread = std::thread::Builder::new().name("plainsong-learn".into()).spawn(move || {
            // A mistake here must cost the learning only.
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&ear, &own)));
            if worked.is_err() {
                own.state.lock().1 = Some("Learning broke off; please report the song.".into());
            }
        });
        if let Err(error) = &thread {
            shared.state.lock().1 = Some(format!("Nothing can be learned: {error}."));
        }
        Self { live, shared, thread: thread.ok() }
    }

    /// Listens again, to another song or part.
    pub fn listen_anew(&self) {
        self.shared.anew.store(true, Ordering::Release);
        self.live.ear.open();
        self.shared.listens.store(true, Ordering::Release);
        self.wake();
    }

    /// Stops listening and keeps what was heard: other orders still have their answer.
    pub fn hold(&self) {
        self.live.ear.close();
        self.shared.listens.store(false, Ordering::Release);
    }

    /// True while it listens.
    pub fn listens(&self) -> bool {
        self.shared.listens.load(Ordering::Acquire)
    }

    /// Says what is asked for now.
    pub fn order(&self, orders: &Orders) {
        let mut known = self.shared.orders.lock();
        if *known != *orders {
            *known = orders.clone();
        }
    }

    /// What was learned since the last call.
    pub fn news(&self) -> Option<Learned> {
        self.shared.news.lock().take()
    }

    /// Seconds heard.
    pub fn seconds(&self) -> f64 {
        self.shared.state.lock().0
    }

    /// Why nothing can be learned.
    pub fn error(&self) -> Option<String> {
        self.shared.state.lock().1.clone()
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Learner {
    fn drop(&mut self) {
        self.live.ear.close();
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        // A host may unload the library after this, and code that still ran would be gone from under it.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(live: &Live, shared: &Shared) {
    let mut adviser = Adviser::builtin().ok();
    let mut session: Option<Session> = None;
    let mut answered: Option<u32> = None;
    let mut last = Instant::now();
    while !shared.stop.load(Ordering::Acquire) {
        if shared.anew.swap(false, Ordering::AcqRel) {
            adviser = session.take().and_then(Session::into_adviser).or(adviser);
            (answered, *shared.state.lock()) = (None, (0.0, None));
        }
        let mut heard = false;
        while let Some(piece) = live.ear.take() {
            if session.as_ref().is_none_or(|known| known.format().rate != piece.rate || known.format().channels != piece.channels) {
                // Another format is another engine: what was heard before cannot go on.
                adviser = session.take().and_then(Session::into_adviser).or(adviser);
                match Session::new(piece.rate, piece.channels, adviser.take()) {
                    Ok(made) => session = Some(made),
                    Err(error) => {
                        shared.state.lock().1 = Some(format!("Nothing can be learned: {error}."));
                        break;
                    }
                }
            }
            if let Some(session) = &mut session {
                session.hear(&piece);
            }
            heard = true;
            if shared.stop.load(Ordering::Acquire) {
                return;
            }
        }
        if let Some(session) = &mut session {
            shared.state.lock().0 = session.seconds();
            let orders = shared.orders.lock().clone();
            let other = answered.is_some_and(|answered| answered != orders.asked);
            let due = heard && last.elapsed() >= EVERY;
            let first = answered.is_none() && session.seconds() >= LEAST_SECONDS;
            if (due || other || first)
                && let Some(learned) = session.propose(&orders)
            {
                *shared.news.lock() = Some(learned);
                live.repaint.request_repaint();
                answered = Some(orders.asked);
                last = Instant::now();
            }
        }
        std::thread::park_timeout(if shared.listens.load(Ordering::Acquire) { LOOK } else { REST });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::engines::master::MasterMoves;
    use dsp_core::units::Hz;

    fn play(live: &Live, seconds: usize) {
        for second in 0..seconds {
            for block in 0..94 {
                let mut tone: Vec<f32> =
                    (0..512).map(|n| 0.2 * ((n + 512 * (block + second)) as f32 * 0.06).sin() + 0.05 * ((n * n) as f32).sin()).collect();
                let mut other = tone.clone();
                live.ear.hear(&[&mut tone, &mut other], Hz(48_000.0));
            }
            std::thread::sleep(Duration::from_millis(150));
        }
    }

    fn wait(learner: &Learner) -> Option<Learned> {
        (0..400).find_map(|_| {
            std::thread::sleep(Duration::from_millis(25));
            learner.news()
        })
    }

    #[test]
    fn it_hears_proposes_holds_and_answers_other_orders() {
        let live = Arc::new(Live::default());
        let mut orders = Orders { style: 0, place: 0, values: MasterMoves::default().to_values(), hand: Vec::new(), ..Orders::default() };
        let learner = Learner::start(live.clone(), orders.clone());
        play(&live, 9);
        let first = wait(&learner).expect("a proposal");
        assert!(learner.seconds() >= LEAST_SECONDS && learner.error().is_none() && first.loudness.is_some());
        learner.hold();
        assert!(!learner.listens());
        std::thread::sleep(Duration::from_millis(300));
        learner.news();
        (orders.style, orders.asked) = (2, 1);
        learner.order(&orders);
        let second = wait(&learner).expect("an answer while it holds");
        assert_ne!(first.values, second.values);
        let heard = learner.seconds();
        play(&live, 1);
        assert_eq!(learner.seconds(), heard, "it listened on");
        learner.listen_anew();
        play(&live, 1);
        assert!(learner.seconds() < heard);
        drop(learner);
        // What came while it was busy waits still.
        while live.ear.take().is_some() {}
        live.ear.hear(&[&mut [0.5; 64]], Hz(48_000.0));
        assert!(live.ear.take().is_none());
    }
}
