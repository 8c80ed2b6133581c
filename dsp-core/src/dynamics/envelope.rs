//! The gain of a limiter: how deep it must go, sample by sample, becomes how deep it goes.
//!
//! ```text
//! need ─▶ wait ─▶ hold (maximum) ─▶ release ─▶ two moving averages ─▶ gain
//! ```
//!
//! The need is held as long as the averages look back. So when a peak comes out, all that they see is as
//! deep as the peak needs, and so is the mean, however smooth. Depth is one minus the gain.

use super::sliding::{SlidingMaximum, SlidingMean};

/// Full depth in the whole numbers that holds and averages work with.
const FULL: i64 = 1 << 30;
/// Depths below this, -140 dB of the signal, end: a release would not come to rest by itself.
const END: f64 = 1e-7;

/// A depth as a whole number, rounded up; nothing stays nothing.
#[inline]
fn whole(depth: f64) -> i64 {
    if depth > 0.0 { (depth * FULL as f64) as i64 + 1 } else { 0 }
}

/// How the gain comes back, as factors per sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Return {
    /// Exponentially.
    Steady {
        /// What remains of the depth after a sample.
        keep: f64,
    },
    /// By the programme: quickly after a single peak; slowly down from a depth that has lasted, so that
    /// the gain does not follow the waves of a bass or pump with every beat.
    Programme {
        /// What remains of the depth after a sample.
        fast: f64,
        /// How much of the way to a greater depth the lasting depth goes with a sample.
        gather: f64,
        /// What remains of the lasting depth after a sample.
        slow: f64,
    },
}

/// The gain of one channel.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// Longest look-ahead in samples.
    most: usize,
    /// Needs that wait, a ring: a look-ahead that is shorter than the longest begins later.
    waiting: Vec<i64>,
    /// Samples so far, and needs that were taken out of the ring.
    time: u64,
    taken: u64,
    hold: SlidingMaximum,
    means: [SlidingMean; 2],
    fast: f64,
    lasting: f64,
    /// Samples in a row that need nothing.
    quiet: usize,
    /// Nothing but zeros is left anywhere: as long as nothing is needed, time can stand still.
    resting: bool,
}

impl Envelope {
    /// For look-aheads of at most `most` samples, 1 or more.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            waiting: vec![0; (most + 1).next_power_of_two()],
            time: 0,
            taken: 0,
            hold: SlidingMaximum::new(most + 2),
            means: [SlidingMean::new(most + 2), SlidingMean::new(most + 2)],
            fast: 0.0,
            lasting: 0.0,
            quiet: 0,
            resting: false,
        }
    }

    pub(super) fn reset(&mut self) {
        self.waiting.fill(0);
        (self.time, self.taken) = (0, 0);
        self.hold.reset();
        self.means.iter_mut().for_each(SlidingMean::reset);
        (self.fast, self.lasting) = (0.0, 0.0);
        (self.quiet, self.resting) = (0, false);
    }

    /// Goes on as another one of the same longest look-ahead would. Never allocates.
    pub(super) fn follow(&mut self, other: &Self) {
        self.waiting.copy_from_slice(&other.waiting);
        self.hold.follow(&other.hold);
        self.means.iter_mut().zip(&other.means).for_each(|(own, other)| own.follow(other));
        (self.time, self.taken, self.fast, self.lasting) = (other.time, other.taken, other.fast, other.lasting);
        (self.quiet, self.resting) = (other.quiet, other.resting);
    }

    /// Takes the depth (0 to 1) that is needed from this sample to the next, and gives the gain for the
    /// sample that came [`most`](Self::new) samples ago. `ahead` is the look-ahead, 1 to `most`, and
    /// moves by one sample at most from call to call.
    #[inline]
    pub(super) fn step(&mut self, need: f32, ahead: usize, back: &Return) -> f32 {
        if need > 0.0 {
            (self.quiet, self.resting) = (0, false);
        } else if self.resting {
            return 1.0;
        } else {
            self.quiet += 1;
        }
        let held = if self.quiet > 2 * self.waiting.len() {
            // Nothing but zeros waits or is held: only the depth still comes back.
            self.time += 1;
            while self.taken + ((self.most - ahead) as u64) < self.time {
                self.hold.pass();
                self.taken += 1;
            }
            0.0
        } else {
            let mask = self.waiting.len() as u64 - 1;
            self.waiting[(self.time & mask) as usize] = whole(f64::from(need));
            self.time += 1;
            // All needs up to `ahead` samples ahead of the one that comes out.
            while self.taken + ((self.most - ahead) as u64) < self.time {
                self.hold.push(self.waiting[(self.taken & mask) as usize]);
                self.taken += 1;
            }
            // From the interval before the sample that comes out: it ends at that sample.
            self.hold.since(self.time.saturating_sub(self.most as u64 + 2)) as f64 * (1.0 / FULL as f64)
        };
        let depth = self.release(held, back);
        let first = ahead / 2 + 1;
        let mean = self.means[0].push(whole(depth), first);
        let mean = self.means[1].push(mean, ahead + 2 - first);
        self.resting = mean == 0 && depth == 0.0 && self.quiet > 2 * self.waiting.len() && self.means[0].is_zero();
        (1.0 - mean as f64 * (1.0 / FULL as f64)).max(0.0) as f32
    }

    /// The depth as it comes back from what was held, never less than it.
    fn release(&mut self, held: f64, back: &Return) -> f64 {
        let fall = |depth: f64, keep: f64| {
            let next = held + (depth - held) * keep;
            if next > END { next } else { 0.0 }
        };
        match *back {
            Return::Steady { keep } => {
                self.fast = if held >= self.fast { held } else { fall(self.fast, keep) };
                // Where the other kind of return would go on from.
                self.lasting = self.fast;
                self.fast
            }
            Return::Programme { fast, gather, slow } => {
                self.fast = if held >= self.fast { held } else { fall(self.fast, fast) };
                self.lasting =
                    if self.fast > self.lasting { self.lasting + (self.fast - self.lasting) * gather } else { fall(self.lasting, slow) };
                self.fast.max(self.lasting)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEADY: Return = Return::Steady { keep: 0.99 };
    const PROGRAMME: Return = Return::Programme { fast: 0.99, gather: 0.001, slow: 0.9995 };

    fn needs() -> Vec<f32> {
        let mut seed = 9_u64;
        (0..6_000)
            .map(|n| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let random = (seed >> 40) as f32 / (1 << 24) as f32;
                if random > 0.97 && n % 2_000 < 1_500 { (random * 37.0).fract() * 0.9 } else { 0.0 }
            })
            .collect()
    }

    /// The plainest form: for each sample the whole past, with loops.
    fn plain(needs: &[f32], most: usize, ahead: usize, keep: f64) -> Vec<f64> {
        let need = |n: i64| if n >= 0 { f64::from(needs.get(n as usize).copied().unwrap_or(0.0)) } else { 0.0 };
        let mut depths = Vec::new();
        let mut depth = 0.0_f64;
        for n in 0..needs.len() as i64 {
            let out = n - most as i64;
            let held = (out - 1..=out + ahead as i64).map(need).fold(0.0, f64::max);
            depth = held.max(held + (depth - held) * keep);
            depths.push(depth);
        }
        let average = |input: &[f64], length: usize| -> Vec<f64> {
            (0..input.len()).map(|n| input[(n + 1).saturating_sub(length)..=n].iter().sum::<f64>() / length as f64).collect()
        };
        let first = ahead / 2 + 1;
        average(&average(&depths, first), ahead + 2 - first).into_iter().map(|depth| 1.0 - depth).collect()
    }

    #[test]
    fn it_is_the_plain_form() {
        let needs = needs();
        for (most, ahead) in [(1, 1), (2, 2), (40, 40), (40, 13), (41, 40), (240, 72)] {
            let mut envelope = Envelope::new(most);
            for (n, expected) in plain(&needs, most, ahead, 0.99).into_iter().enumerate() {
                let got = f64::from(envelope.step(needs[n], ahead, &STEADY));
                assert!((got - expected).abs() < 1e-6, "{most}, {ahead}, sample {n}: {got} {expected}");
            }
        }
    }

    /// The promise: the gain is never above what an interval needs, at both of its ends.
    #[test]
    fn every_peak_is_met() {
        let needs = needs();
        for back in [STEADY, PROGRAMME] {
            for (most, ahead) in [(1, 1), (40, 40), (40, 13), (240, 72)] {
                let mut envelope = Envelope::new(most);
                let gains: Vec<f32> = needs.iter().map(|&need| envelope.step(need, ahead, &back)).collect();
                for (n, &need) in needs.iter().enumerate().take(needs.len() - most - 1) {
                    assert!(gains[n + most] <= 1.0 - need + 1e-7 && gains[n + most + 1] <= 1.0 - need + 1e-7, "{most}, {ahead}, {n}");
                }
            }
        }
    }

    /// While the look-ahead moves, a peak may be missed by no more than the sides of the average weigh.
    #[test]
    fn the_look_ahead_moves_smoothly() {
        let needs = needs();
        let most = 240;
        let mut envelope = Envelope::new(most);
        let mut ahead = 72;
        let gains: Vec<f32> = (0..needs.len())
            .map(|n| {
                if n % 16 == 0 {
                    ahead = if n / 3_000 % 2 == 0 { (ahead + 1).min(most) } else { (ahead - 1).max(72) };
                }
                envelope.step(needs[n], ahead, &PROGRAMME)
            })
            .collect();
        for (n, &need) in needs.iter().enumerate().take(needs.len() - most - 1) {
            assert!(gains[n + most] <= 1.0 - need + 0.02, "{n}: {} {need}", gains[n + most]);
        }
        assert!(gains.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.05));
    }

    /// One that follows another in the middle of its work gives the same bits from there on.
    #[test]
    fn it_can_follow_another() {
        let needs = needs();
        let (mut one, mut other) = (Envelope::new(40), Envelope::new(40));
        for (n, &need) in needs.iter().enumerate() {
            let expected = one.step(need, 40, &PROGRAMME);
            if n < 700 {
                other.step(needs[needs.len() - 1 - n], 40, &STEADY);
            } else {
                assert_eq!(other.step(need, 40, &PROGRAMME).to_bits(), expected.to_bits(), "{n}");
            }
            if n == 699 {
                other.follow(&one);
            }
        }
    }

    /// After the last peak the gain comes to rest at exactly one.
    #[test]
    fn it_comes_to_rest() {
        for back in [STEADY, PROGRAMME] {
            let mut envelope = Envelope::new(40);
            for _ in 0..100 {
                envelope.step(0.5, 40, &back);
            }
            assert!(envelope.step(0.0, 40, &back) <= 0.5);
            let last = (0..100_000).map(|_| envelope.step(0.0, 40, &back)).fold(0.0, |_, gain| gain);
            assert_eq!(last.to_bits(), 1.0_f32.to_bits());
        }
    }

    /// After one peak the programme's return is as fast as its fast part; after a long time under it, slow.
    #[test]
    fn the_return_follows_the_programme() {
        let recover = |hits: usize| {
            let mut envelope = Envelope::new(10);
            for _ in 0..hits {
                envelope.step(0.5, 10, &PROGRAMME);
            }
            (0..).find(|_| envelope.step(0.0, 10, &PROGRAMME) > 0.9).unwrap()
        };
        assert!(recover(1) < 200, "{}", recover(1));
        assert!(recover(10_000) > 2_500, "{}", recover(10_000));
    }
}
