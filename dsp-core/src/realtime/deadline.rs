//! Whether a model's steps are late: each has the time that a hop lasts.

use super::clock::work_time;
use crate::units::Hz;
use std::time::{Duration, Instant};

/// Judges steps, made in one or more spans on one thread, and says after a late one that the next is to be left out.
///
/// A step that works for longer than its hop is late. One that worked for less and yet took longer was held up by the
/// system: another program had its processor, which says nothing of the next step, and what it would cost to leave that
/// one out would be heard for nothing. Only a second one in a row is late too. Where the system does not tell a thread's
/// processor time, the clock alone decides.
#[derive(Debug)]
pub struct Deadline {
    limit: Duration,
    /// When the open span began: on the clock, and in the thread's processor time.
    since: Option<(Instant, Option<Duration>)>,
    /// What the step took so far, and the processor time in it.
    taken: Duration,
    worked: Duration,
    /// What the last step took.
    last: Duration,
    /// The last step took longer than its hop.
    over: bool,
    skip: bool,
}

impl Deadline {
    /// For hops of so many samples.
    pub fn new(hop: usize, rate: Hz) -> Self {
        Self::of(Duration::from_secs_f64(hop as f64 / rate.0))
    }

    /// For steps that have this long.
    pub fn of(limit: Duration) -> Self {
        Self { limit, since: None, taken: Duration::ZERO, worked: Duration::ZERO, last: Duration::ZERO, over: false, skip: false }
    }

    /// Knows of no step.
    pub fn reset(&mut self) {
        *self = Self::of(self.limit);
    }

    /// Whether the step of this hop is to be made: not the one behind a late one. Asked once a hop.
    pub fn wants_step(&mut self) -> bool {
        !std::mem::take(&mut self.skip)
    }

    /// Begins a span of work.
    pub fn resume(&mut self) {
        self.since = Some((Instant::now(), work_time()));
    }

    /// Ends a span of work, if one is open.
    pub fn pause(&mut self) {
        let Some((clock, work)) = self.since.take() else { return };
        let taken = clock.elapsed();
        let worked = work.zip(work_time()).map_or(taken, |(before, after)| after.saturating_sub(before));
        self.taken += taken;
        self.worked += worked;
    }

    /// Ends the step, and an open span with it. True when it was late. Where there was no step, nothing changes.
    pub fn judge(&mut self) -> bool {
        self.pause();
        let [taken, worked] = [std::mem::take(&mut self.taken), std::mem::take(&mut self.worked)];
        self.last = taken;
        if taken.is_zero() {
            return false;
        }
        let before = std::mem::replace(&mut self.over, taken > self.limit);
        self.skip = self.over && (before || worked > self.limit);
        self.skip
    }

    /// What the step took that was judged last, by the clock; zero where there was none.
    pub fn last(&self) -> Duration {
        self.last
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    fn work(time: Duration) {
        let start = work_time().unwrap();
        while work_time().unwrap() - start < time {
            std::hint::spin_loop();
        }
    }

    /// Whether a step is late that works and waits for so many limits, in two spans.
    fn step(deadline: &mut Deadline, working: f64, waiting: f64) -> bool {
        assert!(deadline.wants_step());
        deadline.resume();
        work(LIMIT.mul_f64(working / 2.0));
        deadline.pause();
        deadline.resume();
        work(LIMIT.mul_f64(working / 2.0));
        std::thread::sleep(LIMIT.mul_f64(waiting));
        deadline.judge()
    }

    #[test]
    fn a_step_that_works_too_long_is_late_and_the_next_left_out() {
        let mut deadline = Deadline::of(LIMIT);
        assert!(step(&mut deadline, 1.5, 0.0));
        assert!(!deadline.wants_step());
        assert!(!deadline.judge(), "nothing was done");
        assert!(deadline.wants_step(), "only one is left out");
    }

    #[test]
    fn a_step_that_was_held_up_is_late_only_behind_another() {
        let mut deadline = Deadline::of(LIMIT);
        assert!(!step(&mut deadline, 0.1, 1.5));
        assert!(step(&mut deadline, 0.1, 1.5));
        assert!(!deadline.wants_step() && !deadline.judge());
        assert!(step(&mut deadline, 0.1, 1.5), "a hop without a step does not part two");
        deadline.reset();
        assert!(!step(&mut deadline, 0.1, 1.5));
    }

    #[test]
    fn time_between_spans_does_not_count() {
        let mut deadline = Deadline::of(LIMIT);
        deadline.resume();
        deadline.pause();
        std::thread::sleep(2 * LIMIT);
        deadline.resume();
        deadline.judge();
        assert!(!deadline.over && deadline.last() < LIMIT);
    }
}
