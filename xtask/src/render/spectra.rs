//! Spectra of a signal over time at a bounded size, however long the signal is.

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// Rows of a picture of frequency over time.
pub const ROWS: usize = 288;
/// Most columns kept; when there are more, neighbours are joined.
pub const MAX_COLUMNS: usize = 3_072;
/// Lowest frequency shown, in hertz.
pub const LOWEST: f32 = 40.0;
/// Length of a spectrum's window in seconds: harmonics of a low voice are apart.
const WINDOW: f64 = 0.04;

/// Frequency of a row's lower edge, in hertz: rows are evenly spaced in ERB rate (B. R. Glasberg,
/// B. C. J. Moore, "Derivation of auditory filter shapes from notched-noise data", Hearing Research
/// 47, 1990), from [`LOWEST`] to half the sample rate.
pub fn row_edge(row: f32, rate: f32) -> f32 {
    let erb = |hz: f32| 21.4 * (0.004_37 * hz + 1.0).log10();
    let (low, high) = (erb(LOWEST), erb(rate / 2.0));
    let at = low + (high - low) * row / ROWS as f32;
    (10_f32.powf(at / 21.4) - 1.0) / 0.004_37
}

/// The row, with a fraction, at a frequency in hertz; the inverse of [`row_edge`].
pub fn row_of(hz: f32, rate: f32) -> f32 {
    let erb = |hz: f32| 21.4 * (0.004_37 * hz + 1.0).log10();
    let (low, high) = (erb(LOWEST), erb(rate / 2.0));
    (erb(hz) - low) / (high - low) * ROWS as f32
}

/// Means of rows over time. Columns cover equal times; when they are too many, two become one.
#[derive(Clone, Debug)]
pub struct Map {
    /// Sums, `[column][row]`, and how many were added to each column.
    columns: Vec<(Vec<f32>, u32)>,
    /// Spectra to a column.
    per_column: u32,
    added: u64,
}

impl Map {
    /// An empty map.
    pub fn new() -> Self {
        Self { columns: Vec::new(), per_column: 1, added: 0 }
    }

    /// Adds the next spectrum's rows.
    pub fn add(&mut self, rows: &[f32]) {
        if self.columns.last().is_none_or(|(_, count)| *count >= self.per_column) {
            if self.columns.len() >= MAX_COLUMNS {
                self.halve();
            }
            if self.columns.last().is_none_or(|(_, count)| *count >= self.per_column) {
                self.columns.push((vec![0.0; rows.len()], 0));
            }
        }
        if let Some((sums, count)) = self.columns.last_mut() {
            sums.iter_mut().zip(rows).for_each(|(sum, row)| *sum += row);
            *count += 1;
        }
        self.added += 1;
    }

    fn halve(&mut self) {
        let old = std::mem::take(&mut self.columns);
        for (index, (sums, count)) in old.into_iter().enumerate() {
            if index % 2 == 0 {
                self.columns.push((sums, count));
            } else if let Some((into, total)) = self.columns.last_mut() {
                into.iter_mut().zip(&sums).for_each(|(sum, more)| *sum += more);
                *total += count;
            }
        }
        self.per_column *= 2;
    }

    /// Number of spectra added.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// The mean of a row around a point of time, 0 to 1 over all that was added. `width` is the share of
    /// time that the caller shows in one point.
    pub fn at(&self, time: f64, width: f64, row: usize) -> Option<f32> {
        let spectra = self.added as f64;
        let first = ((time - width / 2.0).max(0.0) * spectra / f64::from(self.per_column)) as usize;
        let last = ((time + width / 2.0) * spectra / f64::from(self.per_column)) as usize;
        let last = last.max(first).min(self.columns.len().checked_sub(1)?);
        let (mut sum, mut count) = (0.0, 0);
        for (sums, added) in self.columns.get(first.min(last)..=last)? {
            sum += sums.get(row)?;
            count += added;
        }
        Some(sum / count.max(1) as f32)
    }
}

/// Powers of rows from powers of bins: the mean over the bins of a row, or between the two nearest bins
/// where a row is narrower than a bin.
#[derive(Clone, Debug)]
pub struct Folding {
    rows: Vec<(usize, usize, f32)>,
}

impl Folding {
    /// For bins and a sample rate in hertz.
    pub fn new(bins: usize, bin_hz: f32, rate: f32) -> Self {
        let last = bins.saturating_sub(1);
        let rows = (0..ROWS).map(|row| {
            let (low, high) = (row_edge(row as f32, rate) / bin_hz, row_edge(row as f32 + 1.0, rate) / bin_hz);
            let (first, end) = (low.ceil() as usize, high.floor() as usize);
            if end > first {
                (first.min(last), end.min(last), -1.0)
            } else {
                let middle = ((low + high) / 2.0).max(0.0);
                ((middle as usize).min(last), (middle as usize + 1).min(last), middle.fract())
            }
        });
        Self { rows: rows.collect() }
    }

    /// Folds `bins` into [`ROWS`] rows.
    pub fn fold(&self, bins: &[f32], rows: &mut [f32]) {
        for (row, &(first, last, fraction)) in rows.iter_mut().zip(&self.rows) {
            *row = if fraction < 0.0 {
                bins[first..=last].iter().sum::<f32>() / (last - first + 1) as f32
            } else {
                bins[first] + (bins[last] - bins[first]) * fraction
            };
        }
    }
}

/// Spectra of a signal: means over the channels, as a picture and in octaves.
pub struct Spectra {
    plan: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    hop: usize,
    /// The last samples, `[channel][sample]`, twice a window's length and sliding.
    past: Vec<Vec<f32>>,
    /// Samples until the next spectrum.
    due: usize,
    work: Vec<f32>,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
    power: Vec<f32>,
    rows: Vec<f32>,
    folding: Folding,
    bin_hz: f32,
    rate: f32,
    octaves: Vec<f64>,
    count: u64,
    /// The picture, in power; a full-scale sine has 1.
    pub map: Map,
}

impl Spectra {
    /// For a format; `fine` takes more spectra, for a picture of a short file.
    pub fn new(rate: u32, channels: usize, fine: bool) -> Self {
        let length = ((f64::from(rate) * WINDOW) as usize).next_power_of_two().max(64);
        let plan = RealFftPlanner::<f32>::new().plan_fft_forward(length);
        let hann = |n: usize| 0.5 - 0.5 * (std::f32::consts::TAU * n as f32 / length as f32).cos();
        let bins = length / 2 + 1;
        let bin_hz = rate as f32 / length as f32;
        Self {
            window: (0..length).map(hann).collect(),
            hop: if fine { length / 8 } else { length / 2 },
            // Time 0 is the middle of the first window.
            past: vec![vec![0.0; length / 2]; channels],
            due: length / 2,
            work: vec![0.0; length],
            spectrum: vec![Complex32::default(); bins],
            scratch: plan.make_scratch_vec(),
            power: vec![0.0; bins],
            rows: vec![0.0; ROWS],
            folding: Folding::new(bins, bin_hz, rate as f32),
            bin_hz,
            rate: rate as f32,
            octaves: vec![0.0; octaves(rate as f32).len()],
            count: 0,
            map: Map::new(),
            plan,
        }
    }

    /// Adds a block, `block[channel][sample]`.
    pub fn add(&mut self, block: &[&[f32]]) {
        let mut from = 0;
        let frames = block.first().map_or(0, |samples| samples.len());
        while from < frames {
            let take = self.due.min(frames - from);
            for (past, samples) in self.past.iter_mut().zip(block) {
                past.extend_from_slice(&samples[from..from + take]);
            }
            from += take;
            self.due -= take;
            if self.due == 0 {
                self.analyse();
                self.due = self.hop;
            }
        }
    }

    fn analyse(&mut self) {
        let length = self.window.len();
        // A full-scale sine has the amplitude 1: the window's sum is half its length, and a sine splits
        // in two halves.
        let scale = (4.0 / length as f32).powi(2) / self.past.len().max(1) as f32;
        self.power.fill(0.0);
        for past in &mut self.past {
            let excess = past.len().saturating_sub(length);
            past.drain(..excess);
            self.work.iter_mut().zip(past.iter().zip(&self.window)).for_each(|(out, (x, w))| *out = x * w);
            if self.plan.process_with_scratch(&mut self.work, &mut self.spectrum, &mut self.scratch).is_ok() {
                self.power.iter_mut().zip(&self.spectrum).for_each(|(power, value)| *power += value.norm_sqr() * scale);
            }
        }
        self.folding.fold(&self.power, &mut self.rows);
        self.map.add(&self.rows);
        for (sum, (low, high)) in self.octaves.iter_mut().zip(octaves(self.rate)) {
            let bin = |hz: f32| ((hz / self.bin_hz).round() as usize).min(self.power.len());
            // A Hann window spreads a line over 1.5 bins.
            *sum += self.power[bin(low)..bin(high)].iter().map(|&power| f64::from(power)).sum::<f64>() / 1.5;
        }
        self.count += 1;
    }

    /// Adds the silence behind the end, so that the last samples are seen.
    pub fn finish(&mut self) {
        let silence = vec![0.0; self.window.len() / 2];
        let block: Vec<&[f32]> = self.past.iter().map(|_| silence.as_slice()).collect();
        self.add(&block);
    }

    /// Mean power in each of [`octaves`], in dB where a full-scale sine has 0; none for silence.
    pub fn octave_levels(&self) -> Vec<Option<f64>> {
        let mean = |sum: &f64| sum / self.count.max(1) as f64;
        self.octaves.iter().map(mean).map(|power| (power > 0.0).then(|| 10.0 * power.log10())).collect()
    }
}

/// Edges of the octaves below half the sample rate, in hertz, around the middles of IEC 61260
/// (31.5 Hz to 16 kHz); the outer ones reach to 0 and to half the rate.
pub fn octaves(rate: f32) -> Vec<(f32, f32)> {
    let middle = |n: i32| 1000.0 * 2_f32.powi(n);
    let edge = std::f32::consts::SQRT_2;
    let mut bands: Vec<(f32, f32)> = (-5..=5).map(|n| (middle(n) / edge, middle(n) * edge)).filter(|(low, _)| *low < rate / 2.0).collect();
    if let Some(first) = bands.first_mut() {
        first.0 = 0.0;
    }
    if let Some(last) = bands.last_mut() {
        last.1 = rate / 2.0;
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_hertz_are_inverse() {
        for rate in [8_000.0, 48_000.0, 192_000.0] {
            for row in [0.0, 17.5, 200.0, 288.0] {
                assert!((row_of(row_edge(row, rate), rate) - row).abs() < 0.02, "{rate} {row}");
            }
        }
    }

    #[test]
    fn a_map_stays_small_and_keeps_its_mean() {
        let mut map = Map::new();
        for n in 0..100_000 {
            map.add(&[n as f32; 2]);
        }
        assert!(map.columns.len() <= MAX_COLUMNS);
        let middle = map.at(0.5, 0.01, 1).unwrap();
        assert!((middle - 50_000.0).abs() < 200.0, "{middle}");
        assert!((map.at(0.0, 0.0, 0).unwrap()) < 100.0);
        assert!((map.at(1.0, 0.0, 0).unwrap()) > 99_900.0);
    }

    #[test]
    fn a_full_scale_sine_has_0_db_in_its_octave() {
        let sine: Vec<f32> = (0..48_000).map(|n| (n as f32 * 1000.0 * std::f32::consts::TAU / 48_000.0).sin()).collect();
        let mut spectra = Spectra::new(48_000, 2, false);
        sine.chunks(777).for_each(|block| spectra.add(&[block, block]));
        spectra.finish();
        let at = octaves(48_000.0).iter().position(|(low, high)| (*low..*high).contains(&1000.0)).unwrap();
        let level = spectra.octave_levels()[at].unwrap();
        assert!(level.abs() < 0.3, "{level}");
        let row = row_of(1000.0, 48_000.0) as usize;
        let shown = 10.0 * spectra.map.at(0.5, 0.1, row).unwrap().log10();
        assert!(shown.abs() < 3.0, "{shown}");
    }
}
