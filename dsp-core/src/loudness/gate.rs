//! Histograms of loudness that do not grow: gated means and percentiles of any length of programme.

/// Loudness below which a block does not count, in LUFS (BS.1770-5: absolute gate).
pub(crate) const ABSOLUTE_GATE: f64 = -70.0;
/// Top of the histogram in LUFS: 30 dB over full scale. Louder blocks fall into the last bin.
const TOP: f64 = 30.0;
/// Width of a bin in LU. Each bin keeps the sum of its blocks' powers, so a mean is exact but for the
/// blocks of the one bin in which a relative gate lies.
const BIN: f64 = 0.02;
/// Number of bins.
const BINS: usize = ((TOP - ABSOLUTE_GATE) / BIN) as usize;

/// Loudness in LUFS of a weighted mean power (BS.1770-5, equation 2). Minus infinity for silence.
pub(crate) fn loudness(power: f64) -> f64 {
    -0.691 + 10.0 * power.log10()
}

/// The blocks of a programme by loudness.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    /// How many blocks, and the sum of their powers, by bin.
    bins: Vec<(u32, f64)>,
    count: u64,
    power: f64,
}

impl Blocks {
    pub(crate) fn new() -> Self {
        Self { bins: vec![(0, 0.0); BINS], count: 0, power: 0.0 }
    }

    pub(crate) fn reset(&mut self) {
        self.bins.fill((0, 0.0));
        self.count = 0;
        self.power = 0.0;
    }

    /// Adds a block by its weighted mean power, if it passes the absolute gate.
    pub(crate) fn add(&mut self, power: f64) {
        let level = loudness(power);
        // False for what is not a number.
        if level >= ABSOLUTE_GATE {
            let bin = &mut self.bins[(((level - ABSOLUTE_GATE) / BIN) as usize).min(BINS - 1)];
            bin.0 = bin.0.saturating_add(1);
            bin.1 += power;
            self.count += 1;
            self.power += power;
        }
    }

    /// First bin at or above a gate `below` LU under the mean of all blocks; none without blocks.
    fn gate(&self, below: f64) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        let gate = loudness(self.power / self.count as f64) - below;
        // The bin whose middle is nearest to the gate is the first that counts.
        Some((((gate - ABSOLUTE_GATE) / BIN).round().max(0.0) as usize).min(BINS - 1))
    }

    /// Loudness in LUFS of the mean of the blocks that pass a gate `below` LU under the mean of all.
    pub(crate) fn gated_mean(&self, below: f64) -> Option<f64> {
        let bins = &self.bins[self.gate(below)?..];
        let (count, power) = bins.iter().fold((0_u64, 0.0), |(count, power), bin| (count + u64::from(bin.0), power + bin.1));
        (count > 0).then(|| loudness(power / count as f64))
    }

    /// Distance in LU of two percentiles, 0 to 1, of the blocks that pass a gate `below` LU under the
    /// mean of all.
    pub(crate) fn spread(&self, below: f64, low: f64, high: f64) -> Option<f64> {
        let first = self.gate(below)?;
        let count: u64 = self.bins[first..].iter().map(|bin| u64::from(bin.0)).sum();
        let last = count.checked_sub(1)?;
        // The nearest rank, as in the listing of EBU Tech 3342.
        let ranks = [low, high].map(|share| (last as f64 * share).round() as u64);
        let mut levels = [0.0; 2];
        let mut passed = 0;
        for (offset, bin) in self.bins[first..].iter().enumerate().filter(|(_, bin)| bin.0 > 0) {
            let next = passed + u64::from(bin.0);
            for (level, rank) in levels.iter_mut().zip(ranks) {
                if (passed..next).contains(&rank) {
                    // The mean of a bin says more than its middle.
                    *level = loudness(bin.1 / f64::from(bin.0)).clamp(self.edge(first + offset), self.edge(first + offset + 1));
                }
            }
            passed = next;
        }
        Some(levels[1] - levels[0])
    }

    fn edge(&self, bin: usize) -> f64 {
        // The last bin is open.
        if bin >= BINS { f64::MAX } else { ABSOLUTE_GATE + bin as f64 * BIN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(lufs: f64) -> f64 {
        10_f64.powf((lufs + 0.691) / 10.0)
    }

    /// Blocks whose levels wander, and are silent at times.
    fn blocks() -> Vec<f64> {
        let mut seed = 3_u64;
        let mut level = -30.0;
        (0..5_000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                level += ((seed >> 40) as f64 / f64::from(1 << 24) - 0.5) * 3.0;
                level = f64::clamp(level, -80.0, 5.0);
                power(level)
            })
            .collect()
    }

    /// The standards' text, straight: lists, two passes, a sort.
    #[test]
    fn histograms_agree_with_lists() {
        let all = blocks();
        let mut histogram = Blocks::new();
        all.iter().for_each(|&p| histogram.add(p));
        let mean = |list: &[f64]| loudness(list.iter().sum::<f64>() / list.len() as f64);
        let above = |gate: f64| -> Vec<f64> { all.iter().copied().filter(|&p| loudness(p) >= gate.max(ABSOLUTE_GATE)).collect() };
        let audible = above(ABSOLUTE_GATE);
        assert!(audible.len() < all.len());
        let expected = mean(&above(mean(&audible) - 10.0));
        assert!((histogram.gated_mean(10.0).unwrap() - expected).abs() < 0.005);
        let mut levels: Vec<f64> = above(mean(&audible) - 20.0).into_iter().map(loudness).collect();
        levels.sort_by(f64::total_cmp);
        let at = |share: f64| levels[((levels.len() - 1) as f64 * share).round() as usize];
        let spread = histogram.spread(20.0, 0.10, 0.95).unwrap();
        assert!((spread - (at(0.95) - at(0.10))).abs() < 0.03, "{spread}");
    }

    #[test]
    fn nothing_gives_none_and_extremes_have_a_place() {
        let mut histogram = Blocks::new();
        histogram.add(0.0);
        histogram.add(f64::NAN);
        assert_eq!((histogram.gated_mean(10.0), histogram.spread(20.0, 0.1, 0.95)), (None, None));
        histogram.add(power(60.0));
        assert!((histogram.gated_mean(10.0).unwrap() - 60.0).abs() < 1e-9);
        assert_eq!(histogram.spread(20.0, 0.1, 0.95), Some(0.0));
        histogram.reset();
        assert_eq!(histogram.gated_mean(10.0), None);
    }
}
