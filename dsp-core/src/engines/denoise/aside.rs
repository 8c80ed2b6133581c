//! A model that runs on a thread of its own: its answers come a hop later, always.
//!
//! A step has a whole hop of time, however short the host's blocks are. Where the next frame comes within
//! the same block it is done at once by who asks, and offline who asks waits, so that what comes out does not
//! depend on blocks and a bounce does not depend on the machine.

use super::job::{Answers, Job};
use crate::framing::Stft;
use crate::realtime::priority::Standing;
use crate::realtime::{Scope, Work, Worker};

/// Frames by which answers come later.
pub const DELAY: usize = 1;

/// At what pace frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Sound is heard while it is made: nothing waits.
    pub realtime: bool,
    /// The next frame comes within the same block.
    pub burst: bool,
}

/// The thread with its model, and what it said last.
#[derive(Debug)]
pub struct Aside {
    worker: Worker<Job>,
    last: Answers,
    /// Its steps take less than a hop, so that its thread may go before other programs.
    keeps_up: bool,
    /// What the job was asked last is for the next frame.
    asked: bool,
    /// The states are to be zeroed when the job is back.
    stale: bool,
    /// The first frame has come since the start; before it there was nothing to ask.
    begun: bool,
    bad_steps: u64,
}

impl Aside {
    /// Starts the thread. What does not keep up gets no priority: it would take a processor for itself.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(job: Job, last: Answers, keeps_up: bool) -> std::io::Result<Self> {
        let worker = Worker::new("plainsong-model", job)?;
        Ok(Self { worker, last, keeps_up, asked: false, stale: false, begun: false, bad_steps: 0 })
    }

    /// Zeroes all states, at once or when the job is back.
    pub fn reset(&mut self) {
        let _scope = Scope::enter();
        match self.worker.get() {
            Some(job) => {
                job.reset();
                self.stale = false;
            }
            None => self.stale = true,
        }
        self.last.forget();
        [self.asked, self.begun] = [false; 2];
    }

    /// Waits for the thread, and makes every step so much slower, at rest or at work.
    #[cfg(test)]
    pub fn slow_by(&mut self, by: Option<std::time::Duration>, burns: bool) {
        let job = self.worker.wait().expect("the thread runs");
        job.slow = by.unwrap_or(job.slow);
        job.burns |= burns;
    }

    /// How the thread stands beside other programs.
    pub fn standing(&self) -> Standing {
        self.worker.standing()
    }

    /// Steps that failed, as far as is known.
    pub fn bad_steps(&self) -> u64 {
        self.bad_steps
    }

    /// Gives the answers for the frame before the newest one, and asks for the newest. Where the answers are
    /// late, the last gains go on. True where they are.
    pub fn step(&mut self, stft: &Stft, channels: usize, own: bool, pace: Pace) -> (&mut Answers, bool) {
        self.worker.set_urgent(pace.realtime && self.keeps_up);
        let job = if pace.realtime { self.worker.get() } else { self.worker.wait() };
        let Some(job) = job else {
            if self.asked {
                self.last.settle();
            }
            let late = std::mem::replace(&mut self.begun, true);
            self.asked = false;
            return (&mut self.last, late);
        };
        let fresh = std::mem::take(&mut self.stale);
        if fresh {
            let _scope = Scope::enter();
            job.reset();
        }
        self.bad_steps = job.streams().iter().map(|stream| stream.bad_steps()).sum();
        let late = self.begun && !self.asked;
        if !fresh && self.begun {
            std::mem::swap(&mut self.last, &mut job.answers);
            if late {
                // They were for an earlier frame.
                self.last.settle();
            }
        }
        job.ask(stft, channels, own);
        [self.asked, self.begun] = [true; 2];
        if pace.burst {
            job.run()
        } else {
            self.worker.start()
        }
        (&mut self.last, late)
    }
}

#[cfg(test)]
mod tests {
    use crate::engines::Engine;
    use crate::engines::denoise::{Denoise, Models, Settings};
    use crate::model::Package;
    use crate::model::store::Verdict;
    use crate::processor::{Format, Processor};
    use crate::realtime::priority::Standing;
    use crate::units::Hz;
    use std::path::Path;
    use std::time::{Duration, Instant};

    const FORMAT: Format = Format { rate: Hz(48_000.0), channels: 1 };
    const HOP: usize = 480;

    /// The tutorial's model, on a thread of its own or not, each step so much slower.
    fn engine(verdict: Verdict, slow: Duration) -> Denoise {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../training/examples/gate");
        let package = Package { verdict, ..Package::read(&folder).unwrap() };
        let mut models: Box<Models> = Denoise::load_package(FORMAT, &package).unwrap();
        if verdict != Verdict::Inline {
            models.slow_by(Some(slow), false);
        }
        let mut engine = Denoise::default();
        engine.prepare(FORMAT).unwrap();
        assert!(engine.install(models).is_none());
        engine
    }

    /// Chirps in soft noise.
    fn sound(samples: usize) -> Vec<f32> {
        let mut seed = 5_u32;
        (0..samples)
            .map(|n| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
                let along = n as f32 / 48_000.0;
                0.3 * (1_200.0 * along + 900.0 * along * along).sin() * (5.0 * along).sin().abs() + 0.01 * noise
            })
            .collect()
    }

    /// Plays a sound in blocks. With `patience` the thread is done with its step before the next block comes.
    fn play(engine: &mut Denoise, sound: &[f32], blocks: &[usize], patience: bool) -> Vec<f32> {
        let (mut out, mut at) = (sound.to_vec(), 0);
        for length in blocks.iter().cycle() {
            let end = sound.len().min(at + length);
            engine.process(&mut [&mut out[at..end]], &Settings::default(), &mut ());
            if patience && let Some(models) = &mut engine.models {
                models.slow_by(None, false);
            }
            at = end;
            if at == sound.len() {
                return out;
            }
        }
        out
    }

    fn is_the_same(a: &[f32], b: &[f32], what: &str) {
        assert_eq!(a.len(), b.len(), "{what}");
        let at = a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(at, None, "{what}: the first sample that differs");
    }

    #[test]
    fn a_thread_of_its_own_gives_the_same_sound_one_hop_later() {
        let input = sound(40 * HOP);
        let mut inline = engine(Verdict::Inline, Duration::ZERO);
        let mut aside = engine(Verdict::Worker, Duration::from_millis(1));
        let latency = inline.latency(&Settings::default());
        assert_eq!(aside.latency(&Settings::default()), latency + HOP);
        let wanted = play(&mut inline, &input, &[512], false);
        let mut all = Vec::new();
        for blocks in [&[64][..], &[480], &[1], &[4_096], &[7, 0, 900, 33, 480, 2_000]] {
            aside.reset();
            all.push(play(&mut aside, &input, blocks, false));
        }
        assert!(wanted[latency..].iter().any(|sample| sample.abs() > 0.01), "something is heard");
        is_the_same(&all[0][HOP..], &wanted[..input.len() - HOP], "inline");
        all.iter().for_each(|out| is_the_same(out, &all[0], "other blocks"));
        assert_eq!(aside.late_frames(), 0);
    }

    /// By hand, beside eight busy threads: `cargo test --release -p dsp-core --lib -- --ignored --nocapture beside_busy`.
    /// The same model with the thread's priority and without it, in blocks of 64 at their pace.
    #[test]
    #[ignore = "half a minute, and it keeps the machine busy"]
    fn steps_in_time_beside_busy_programs() {
        use std::sync::atomic::{AtomicBool, Ordering};
        const BLOCK: usize = 64;
        const SECONDS: usize = 15;
        /// Two fifths of a hop, within what the check lets run live on a thread of its own.
        const STEP: Duration = Duration::from_millis(4);
        let over = std::sync::Arc::new(AtomicBool::new(false));
        let busy: Vec<_> = (0..8)
            .map(|_| {
                let over = over.clone();
                std::thread::spawn(move || {
                    let mut value = 1.0_f64;
                    while !over.load(Ordering::Relaxed) {
                        value = (value * 1.000_1).sin() + 1.0;
                    }
                    value
                })
            })
            .collect();
        // The audio thread, as a host has it.
        let audio = crate::realtime::priority::raise(crate::realtime::priority::CALLBACK);
        let input = sound(SECONDS * 48_000);
        let late = |verdict| {
            let mut aside = engine(verdict, Duration::ZERO);
            if let Some(models) = &mut aside.models {
                models.slow_by(Some(STEP), true);
            }
            aside.set_realtime(true);
            let (mut out, begun) = (input.clone(), Instant::now());
            for (index, block) in out.chunks_mut(BLOCK).enumerate() {
                let due = Duration::from_secs_f64(index as f64 * BLOCK as f64 / 48_000.0);
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
                aside.process(&mut [block], &Settings::default(), &mut ());
            }
            (aside.late_frames(), aside.standing())
        };
        let (usual, raised) = (late(Verdict::TooSlow), late(Verdict::Worker));
        over.store(true, Ordering::Relaxed);
        busy.into_iter().for_each(|thread| drop(thread.join()));
        crate::realtime::priority::lower();
        let frames = input.len() / HOP;
        println!("audio thread raised: {audio}; late of {frames} frames: {usual:?} without priority, {raised:?} with it");
        assert!(raised.1 != Some(Standing::Raised) || raised.0 <= usual.0);
    }

    /// A step may last longer than a host's block: it is in time as long as it ends within the hop, and `process` never waits for it.
    #[test]
    fn steps_longer_than_a_block_are_in_time() {
        let input = sound(40 * HOP);
        let mut aside = engine(Verdict::Worker, Duration::from_millis(3));
        let wanted = play(&mut aside, &input, &[512], false);
        aside.reset();
        assert_eq!(aside.standing(), Some(Standing::Usual), "a bounce goes beside other programs");
        aside.set_realtime(true);
        is_the_same(&play(&mut aside, &input, &[64], true), &wanted, "live");
        assert_eq!(aside.late_frames(), 0);
        assert_ne!(aside.standing(), Some(Standing::Usual), "live it is raised, or that was refused");
        let mut slow = engine(Verdict::TooSlow, Duration::ZERO);
        slow.set_realtime(true);
        play(&mut slow, &input, &[64], true);
        assert_eq!(slow.standing(), Some(Standing::Usual), "what does not keep up takes no processor for itself");
    }

    #[test]
    fn late_steps_go_on_with_the_last_gains_and_are_counted() {
        let input: Vec<f32> = (0..60 * HOP).map(|n| 0.3 * (0.02 * n as f32).sin()).collect();
        let mut aside = engine(Verdict::Worker, Duration::from_millis(50));
        aside.set_realtime(true);
        // Some frames in time, and then none any more.
        let begun = Instant::now();
        let mut out = play(&mut aside, &input[..10 * HOP], &[64], true);
        assert_eq!(aside.late_frames(), 0);
        let halfway = begun.elapsed();
        out.extend(play(&mut aside, &input[10 * HOP..], &[64], false));
        let rest = begun.elapsed() - halfway;
        assert!(halfway > Duration::from_millis(400) && rest < Duration::from_millis(1_500), "nothing waits: {halfway:?}, {rest:?}");
        let late = aside.late_frames();
        assert!((15..=50).contains(&late), "{late} of 50 frames");
        // No click: the sine moves by .006 a sample at most, and a gain goes from one value to another over a hop.
        let step = out.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.012, "a step of {step}");
        assert!(out.iter().all(|sample| sample.abs() < 0.45), "no gain goes over one");
        assert_eq!(aside.latency(&Settings::default()), 960 + HOP);
        // A bounce right after it is as any other, though a step was under way.
        aside.reset();
        aside.set_realtime(false);
        let bounce = play(&mut aside, &input[..20 * HOP], &[64], false);
        aside.reset();
        is_the_same(&play(&mut aside, &input[..20 * HOP], &[4_800], false), &bounce, "bounces");
    }
}
