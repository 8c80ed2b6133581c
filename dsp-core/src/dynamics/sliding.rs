//! Maximum and mean over the last values, at a cost that does not depend on how many, and with a number
//! of values that may change by one at each step.

/// Largest of the values that still count (D. Lemire, "Streaming maximum-minimum filter using no more
/// than three comparisons per element", 2006): a queue of the values that can still become the largest.
#[derive(Clone, Debug)]
pub(super) struct SlidingMaximum {
    /// Ring of (index, value), values falling from the front to the back.
    queue: Vec<(u64, i64)>,
    front: usize,
    length: usize,
    /// Index of the next value.
    next: u64,
}

impl SlidingMaximum {
    /// For at most `most` values that count at a time.
    pub(super) fn new(most: usize) -> Self {
        Self { queue: vec![(0, 0); (most + 1).next_power_of_two()], front: 0, length: 0, next: 0 }
    }

    pub(super) fn reset(&mut self) {
        (self.front, self.length, self.next) = (0, 0, 0);
    }

    /// Goes on as another one of the same length would. Never allocates.
    pub(super) fn follow(&mut self, other: &Self) {
        self.queue.copy_from_slice(&other.queue);
        (self.front, self.length, self.next) = (other.front, other.length, other.next);
    }

    fn slot(&self, index: usize) -> usize {
        (self.front + index) & (self.queue.len() - 1)
    }

    /// Takes the next value; the first has index 0.
    #[inline]
    pub(super) fn push(&mut self, value: i64) {
        while self.length > 0 && self.queue[self.slot(self.length - 1)].1 <= value {
            self.length -= 1;
        }
        let slot = self.slot(self.length);
        self.queue[slot] = (self.next, value);
        self.length += 1;
        self.next += 1;
    }

    /// As [`push`](Self::push) of a 0 where all that still counts is 0, too.
    #[inline]
    pub(super) fn pass(&mut self) {
        self.length = 0;
        self.next += 1;
    }

    /// Lets go of values with an index below `first`, and gives the largest of the others; 0 without any.
    #[inline]
    pub(super) fn since(&mut self, first: u64) -> i64 {
        while self.length > 0 && self.queue[self.front].0 < first {
            self.front = self.slot(1);
            self.length -= 1;
        }
        if self.length > 0 { self.queue[self.front].1 } else { 0 }
    }
}

/// Mean of the last values. Sums are of whole numbers, so nothing drifts, and the mean of nothing but
/// zeros is zero.
#[derive(Clone, Debug)]
pub(super) struct SlidingMean {
    ring: Vec<i64>,
    /// Where the next value goes.
    at: usize,
    count: usize,
    sum: i64,
    /// The last window and one over it.
    inverse: (usize, f64),
}

impl SlidingMean {
    /// For windows of at most `most` values. The sum must fit: `most` times the largest value.
    pub(super) fn new(most: usize) -> Self {
        Self { ring: vec![0; (most + 1).next_power_of_two()], at: 0, count: 0, sum: 0, inverse: (1, 1.0) }
    }

    pub(super) fn reset(&mut self) {
        self.ring.fill(0);
        (self.at, self.count, self.sum) = (0, 0, 0);
    }

    /// Goes on as another one of the same length would. Never allocates.
    pub(super) fn follow(&mut self, other: &Self) {
        self.ring.copy_from_slice(&other.ring);
        (self.at, self.count, self.sum, self.inverse) = (other.at, other.count, other.sum, other.inverse);
    }

    /// True when the last mean was of nothing but zeros.
    pub(super) fn is_zero(&self) -> bool {
        self.sum == 0
    }

    /// Takes a value (zero or above) and gives the mean of the last `window`, rounded up. Before the
    /// first value there were zeros. A window may be one longer than the one before, or any shorter.
    #[inline]
    pub(super) fn push(&mut self, value: i64, window: usize) -> i64 {
        let mask = self.ring.len() - 1;
        self.ring[self.at] = value;
        self.at = (self.at + 1) & mask;
        self.sum += value;
        self.count += 1;
        while self.count > window {
            self.sum -= self.ring[(self.at + self.ring.len() - self.count) & mask];
            self.count -= 1;
        }
        if self.inverse.0 != window {
            self.inverse = (window, 1.0 / window as f64);
        }
        // What the product may lack is less than the one that is added.
        if self.sum == 0 { 0 } else { (self.sum as f64 * self.inverse.1) as i64 + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Vec<i64> {
        let mut seed = 5_u64;
        (0..3_000)
            .map(|n| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if n % 400 > 300 { 0 } else { (seed >> 34) as i64 }
            })
            .collect()
    }

    /// Windows that stay, grow by one and shrink, against plain loops.
    #[test]
    fn both_agree_with_plain_loops() {
        let values = values();
        let most = 61;
        let (mut maximum, mut mean) = (SlidingMaximum::new(most), SlidingMean::new(most));
        let mut window = 7;
        // Where the window begins: what has left it does not come back.
        let mut start = 0_usize;
        for end in 1..=values.len() {
            window = match end / 100 % 4 {
                0 => (window + 1).min(most),
                1 => window.saturating_sub(2).max(1),
                _ => window,
            };
            start = start.max(end.saturating_sub(window));
            let seen = &values[start..end];
            maximum.push(values[end - 1]);
            assert_eq!(maximum.since(start as u64), *seen.iter().max().unwrap(), "{end}");
            let expected = seen.iter().sum::<i64>() as f64 / window as f64;
            let got = mean.push(values[end - 1], window) as f64;
            assert!((0.0..=1.001).contains(&(got - expected)), "{end}: {got} {expected}");
        }
    }

    #[test]
    fn zeros_are_zero_and_reset_forgets() {
        let (mut maximum, mut mean) = (SlidingMaximum::new(8), SlidingMean::new(8));
        for (index, value) in values().into_iter().enumerate() {
            maximum.push(value);
            maximum.since(index as u64);
            mean.push(value, 8);
        }
        assert!(maximum.since(2_999) == values()[2_999] && maximum.since(3_000) == 0);
        for n in 0..8 {
            assert!((mean.push(0, 8) == 0) == (n == 7), "{n}");
        }
        maximum.push(1 << 30);
        mean.push(1 << 30, 8);
        maximum.reset();
        mean.reset();
        assert_eq!((maximum.since(0), mean.push(0, 8)), (0, 0));
    }
}
