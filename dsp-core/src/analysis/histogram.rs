//! Distributions in constant memory.

/// Cells of a histogram.
const CELLS: usize = 320;

/// Counts values in even cells over a range; what lies outside counts at the ends.
#[derive(Clone, Debug)]
pub struct Histogram {
    low: f64,
    width: f64,
    cells: Vec<u32>,
    count: u64,
}

impl Histogram {
    /// Over a range.
    pub fn new(low: f64, high: f64) -> Self {
        Self { low, width: (high - low) / CELLS as f64, cells: vec![0; CELLS], count: 0 }
    }

    /// For levels in decibels: -140 to 20 in cells of half a decibel.
    pub fn levels() -> Self {
        Self::new(-140.0, 20.0)
    }

    /// Forgets all values.
    pub fn reset(&mut self) {
        self.cells.fill(0);
        self.count = 0;
    }

    /// Counts a value.
    pub fn add(&mut self, value: f64) {
        let cell = ((value - self.low) / self.width).clamp(0.0, (CELLS - 1) as f64) as usize;
        self.cells[cell] = self.cells[cell].saturating_add(1);
        self.count += 1;
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The value below which a share of the values lies, even inside a cell; `none` without values.
    pub fn quantile(&self, share: f64, none: f64) -> f64 {
        if self.count == 0 {
            return none;
        }
        let wanted = share * self.count as f64;
        let mut below = 0.0;
        for (index, &cell) in self.cells.iter().enumerate() {
            let cell = f64::from(cell);
            if cell > 0.0 && below + cell >= wanted {
                return self.low + self.width * (index as f64 + ((wanted - below) / cell).clamp(0.0, 1.0));
            }
            below += cell;
        }
        self.low + self.width * CELLS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::levels();
        let mut values: Vec<f64> = (0..5_000).map(|n| -60.0 + 40.0 * (n as f64 * 0.618).fract().powi(2)).collect();
        values.iter().for_each(|&value| histogram.add(value));
        values.sort_by(f64::total_cmp);
        for share in [0.01, 0.1, 0.5, 0.9, 0.97] {
            let truth = values[(share * 4_999.0) as usize];
            assert!((histogram.quantile(share, 0.0) - truth).abs() < 0.5, "{share}");
        }
        assert_eq!(Histogram::levels().quantile(0.5, -7.0), -7.0);
    }
}
