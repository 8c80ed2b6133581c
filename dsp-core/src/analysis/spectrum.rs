//! Features of the spectrum: balance in thirds of an octave, width and correlation in octaves, shape.

use super::histogram::Histogram;
use super::{FLOOR_DB, Label, Sink, decibels, put};
use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// Least length of a frame in seconds; frames overlap by half.
const FRAME_SECONDS: f64 = 0.16;
/// Frames with less power are silence, decibels.
const GATE_DB: f64 = -70.0;
/// Octaves with less than this share of the frame's power have no width to tell (-50 dB).
const OCTAVE_GATE: f64 = 1e-5;
/// Thirds of an octave from 25 Hz to 20 kHz: nominal names (IEC 61260-1); the middles are
/// `1000 * 2^(n / 3)`.
pub const THIRDS: [&str; 30] = [
    "25", "31.5", "40", "50", "63", "80", "100", "125", "160", "200", "250", "315", "400", "500", "630", "800", "1k", "1.25k", "1.6k",
    "2k", "2.5k", "3.15k", "4k", "5k", "6.3k", "8k", "10k", "12.5k", "16k", "20k",
];
/// The third that is 1 kHz.
const KILOHERTZ: i32 = 16;
/// Octaves, each of three thirds.
const OCTAVES: [&str; 10] = ["31.5", "63", "125", "250", "500", "1k", "2k", "4k", "8k", "16k"];
/// Regions of the image: names and the octaves in them.
const IMAGE: [(&str, std::ops::Range<usize>); 3] = [("low", 0..3), ("mid", 3..7), ("high", 7..10)];
/// Where they meet in hertz: the edges of those octaves.
pub const IMAGE_HZ: [f64; 2] = [176.776_695_296_636_9, 2_828.427_124_746_19];
/// Shares told of each third's distribution.
const SHARES: [(f64, &str); 6] = [(0.1, "p10"), (0.25, "p25"), (0.5, "p50"), (0.75, "p75"), (0.9, "p90"), (0.97, "p97")];

/// Middle of a third in hertz.
pub fn middle_hz(third: usize) -> f64 {
    1_000.0 * 2_f64.powf(f64::from(third as i32 - KILOHERTZ) / 3.0)
}

/// Powers of left and right and their product, over some bins.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    left: f64,
    right: f64,
    both: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.left += other.left;
        self.right += other.right;
        self.both += other.both;
    }

    /// Power of both channels, of the middle and of the sides.
    fn power(&self) -> f64 {
        self.left + self.right
    }

    /// Sides over middle, dB.
    fn width(&self) -> f64 {
        let (sum, difference) = (self.power() + 2.0 * self.both, self.power() - 2.0 * self.both);
        if self.power() <= 0.0 {
            -60.0
        } else {
            (decibels(difference.max(0.0), -240.0) - decibels(sum.max(0.0), -240.0)).clamp(-60.0, 60.0)
        }
    }

    fn correlation(&self) -> f64 {
        let power = (self.left * self.right).sqrt();
        if power <= 1e-30 { if self.power() <= 1e-30 { 1.0 } else { 0.0 } } else { (self.both / power).clamp(-1.0, 1.0) }
    }

    /// Left over right, dB.
    fn balance(&self) -> f64 {
        if self.power() <= 0.0 { 0.0 } else { (decibels(self.left, -240.0) - decibels(self.right, -240.0)).clamp(-60.0, 60.0) }
    }
}

/// The frames.
pub struct Spectrum {
    plan: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    bin_hz: f64,
    past: [Vec<f32>; 2],
    filled: usize,
    work: Vec<f32>,
    bins: [Vec<Complex32>; 2],
    scratch: Vec<Complex32>,
    /// Brings powers to those of the signal.
    scale: f64,
    /// Edges of the thirds in bins, with fractions.
    edges: Vec<f64>,
    thirds: Vec<(Sums, Histogram)>,
    octaves: Vec<(Sums, Histogram, Histogram)>,
    whole: Sums,
    /// Sums of the powers of all bins: the mean spectrum.
    mean: Vec<f64>,
    frames: u64,
    centroid: Histogram,
    rolloff: Histogram,
    flatness: [Histogram; 3],
    /// Powers of the bins of this frame.
    powers: Vec<Sums>,
    shaped: bool,
}

impl std::fmt::Debug for Spectrum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spectrum").field("frames", &self.frames).finish_non_exhaustive()
    }
}

/// Regions of flatness in hertz.
const REGIONS: [(f64, f64); 3] = [(60.0, 400.0), (400.0, 3_000.0), (3_000.0, 12_000.0)];
/// Added to powers of which the logarithm is taken.
const LEAST_POWER: f64 = 1e-16;
/// Powers whose logarithm is taken at once: so many of the least still have a product.
const TOGETHER: usize = 16;
/// Histograms of frequencies are over octaves from 1 Hz.
const OCTAVE_RANGE: (f64, f64) = (4.0, 15.0);

impl Spectrum {
    /// For a rate in hertz.
    pub fn new(rate: f64) -> Self {
        let length = ((rate * FRAME_SECONDS) as usize).next_power_of_two().max(64);
        let plan = RealFftPlanner::<f32>::new().plan_fft_forward(length);
        let window: Vec<f32> = (0..length).map(|n| 0.5 - 0.5 * (std::f32::consts::TAU * n as f32 / length as f32).cos()).collect();
        let energy: f64 = window.iter().map(|&w| f64::from(w).powi(2)).sum();
        let bin_hz = rate / length as f64;
        let edges = (0..=THIRDS.len()).map(|edge| 1_000.0 * 2_f64.powf((edge as f64 - f64::from(KILOHERTZ) - 0.5) / 3.0) / bin_hz);
        Self {
            bin_hz,
            past: [vec![0.0; length], vec![0.0; length]],
            filled: 0,
            work: vec![0.0; length],
            bins: [plan.make_output_vec(), plan.make_output_vec()],
            scratch: plan.make_scratch_vec(),
            // Bins of one side carry half the power.
            scale: 2.0 / (energy * length as f64),
            edges: edges.collect(),
            thirds: vec![(Sums::default(), Histogram::levels()); THIRDS.len()],
            octaves: vec![(Sums::default(), Histogram::new(-60.0, 60.0), Histogram::new(-1.0, 1.0)); OCTAVES.len()],
            whole: Sums::default(),
            mean: vec![0.0; length / 2 + 1],
            frames: 0,
            centroid: Histogram::new(OCTAVE_RANGE.0, OCTAVE_RANGE.1),
            rolloff: Histogram::new(OCTAVE_RANGE.0, OCTAVE_RANGE.1),
            flatness: std::array::from_fn(|_| Histogram::new(-40.0, 0.0)),
            powers: vec![Sums::default(); length / 2 + 1],
            shaped: true,
            window,
            plan,
        }
    }

    pub fn reset(&mut self) {
        self.filled = 0;
        self.past.iter_mut().for_each(|past| past.fill(0.0));
        for (sums, levels) in &mut self.thirds {
            *sums = Sums::default();
            levels.reset();
        }
        for (sums, widths, correlations) in &mut self.octaves {
            *sums = Sums::default();
            widths.reset();
            correlations.reset();
        }
        self.whole = Sums::default();
        self.mean.fill(0.0);
        self.frames = 0;
        self.centroid.reset();
        self.rolloff.reset();
        self.flatness.iter_mut().for_each(Histogram::reset);
    }

    /// What comes next has nothing to do with what was before: no frame shall hold both.
    pub fn part(&mut self) {
        self.filled = 0;
    }

    /// Tells nothing of centroid, roll-off and flatness from now on.
    pub fn skip_shapes(&mut self) {
        self.shaped = false;
    }

    /// Adds a piece of left and right.
    pub fn add(&mut self, left: &[f32], right: &[f32]) {
        let length = self.window.len();
        let mut at = 0;
        while at < left.len() {
            let take = (length - self.filled).min(left.len() - at);
            for (past, samples) in self.past.iter_mut().zip([left, right]) {
                past[self.filled..self.filled + take].copy_from_slice(&samples[at..at + take]);
            }
            self.filled += take;
            at += take;
            if self.filled == length {
                self.frame();
                for past in &mut self.past {
                    past.copy_within(length / 2.., 0);
                }
                self.filled = length / 2;
            }
        }
    }

    fn frame(&mut self) {
        for (past, bins) in self.past.iter().zip(&mut self.bins) {
            for ((work, &sample), window) in self.work.iter_mut().zip(past).zip(&self.window) {
                *work = sample * window;
            }
            // Lengths are those of the plan, so it cannot fail.
            let _ = self.plan.process_with_scratch(&mut self.work, bins, &mut self.scratch);
        }
        let [left, right] = &self.bins;
        let scale = self.scale;
        for (sums, (l, r)) in self.powers.iter_mut().zip(left.iter().zip(right)) {
            *sums = Sums {
                left: scale * f64::from(l.norm_sqr()),
                right: scale * f64::from(r.norm_sqr()),
                both: scale * f64::from(l.re * r.re + l.im * r.im),
            };
        }
        let last = left.len() - 1;
        // What is left out is the direct current and the window's skirt around it.
        let first = (20.0 / self.bin_hz) as usize;
        let mut whole = Sums::default();
        self.powers[first.min(last)..last].iter().for_each(|own| whole.add(own));
        if decibels(whole.power() / 2.0, -200.0) < GATE_DB {
            return;
        }
        self.frames += 1;
        self.whole.add(&whole);
        let mut octave = Sums::default();
        for third in 0..THIRDS.len() {
            let (low, high) = (self.edges[third], self.edges[third + 1]);
            let mut sums = Sums::default();
            // Bin n reaches from n - 1/2 to n + 1/2; bins at the edges count in part.
            let mut index = (low + 0.5) as usize;
            while index <= last && (index as f64) - 0.5 < high {
                let share = (high.min(index as f64 + 0.5) - low.max(index as f64 - 0.5)).max(0.0);
                let own = self.powers[index];
                sums.left += share * own.left;
                sums.right += share * own.right;
                sums.both += share * own.both;
                index += 1;
            }
            let (total, levels) = &mut self.thirds[third];
            total.add(&sums);
            levels.add(decibels(sums.power() / 2.0, -140.0));
            octave.add(&sums);
            if third % 3 == 2 {
                let (total, widths, correlations) = &mut self.octaves[third / 3];
                total.add(&octave);
                if octave.power() > OCTAVE_GATE * whole.power() {
                    widths.add(octave.width());
                    correlations.add(octave.correlation());
                }
                octave = Sums::default();
            }
        }
        for (mean, own) in self.mean[first.min(last)..last].iter_mut().zip(&self.powers[first.min(last)..last]) {
            *mean += own.power();
        }
        if self.shaped {
            self.shapes(&whole, first);
        }
    }

    /// Centroid, roll-off and flatness of the frame.
    fn shapes(&mut self, whole: &Sums, first: usize) {
        let last = self.powers.len() - 1;
        let (mut weighted, mut sum, mut rolloff) = (0.0, 0.0, 0.0);
        for (index, own) in self.powers.iter().enumerate().take(last).skip(first) {
            let own = own.power();
            weighted += own * index as f64;
            sum += own;
            if sum <= 0.85 * whole.power() {
                rolloff = index as f64;
            }
        }
        let octaves = |bins: f64| (bins * self.bin_hz).max(1.0).log2();
        self.centroid.add(octaves(weighted / sum.max(1e-30)));
        self.rolloff.add(octaves(rolloff));
        for ((low, high), flatness) in REGIONS.iter().zip(&mut self.flatness) {
            let (from, to) = ((low / self.bin_hz) as usize, ((high / self.bin_hz) as usize).min(last));
            let (mut logarithms, mut total) = (0.0, 0.0);
            let count = to.saturating_sub(from).max(1) as f64;
            for powers in self.powers[from.min(to)..to].chunks(TOGETHER) {
                let mut product = 1.0;
                for own in powers {
                    let own = own.power() + LEAST_POWER;
                    product *= own;
                    total += own;
                }
                logarithms += product.ln();
            }
            flatness.add(10.0 / std::f64::consts::LN_10 * (logarithms / count - (total.max(LEAST_POWER) / count).ln()));
        }
    }

    /// Features of the three regions of the image.
    pub fn visit_image(&self, sink: Sink<'_>) {
        for (name, range) in IMAGE {
            let mut sums = Sums::default();
            self.octaves[range].iter().for_each(|(own, ..)| sums.add(own));
            sink(Label { group: "region", band: Some(name), field: "side-to-mid", unit: "dB" }, sums.width());
        }
    }

    /// Highest frequency with sound: where the mean spectrum is last within 70 dB of its level at 1 to 4
    /// kHz. Below the rate's half it is the limit of a codec or of an earlier rate.
    pub fn limit_hz(&self) -> f64 {
        let at = |hz: f64| ((hz / self.bin_hz) as usize).min(self.mean.len() - 1);
        let (from, to) = (at(1_000.0), at(4_000.0));
        let reference = self.mean[from..=to].iter().sum::<f64>() / (to - from + 1) as f64;
        let last = self.mean.iter().rposition(|&power| power > 1e-7 * reference && power > 0.0).unwrap_or(0);
        last as f64 * self.bin_hz
    }

    /// Gives the mean levels of the thirds, dB relative to the whole.
    pub fn visit(&self, sink: Sink<'_>) -> [f64; THIRDS.len()] {
        let per_frame = 1.0 / (self.frames as f64).max(1.0);
        let whole = decibels(self.whole.power() / 2.0 * per_frame, -140.0);
        let mut mean = [FLOOR_DB; THIRDS.len()];
        let relative = |level: f64| (level - whole).max(FLOOR_DB);
        for (third, (sums, levels)) in self.thirds.iter().enumerate() {
            let mut tell = |field, value| sink(Label { group: "third", band: Some(THIRDS[third]), field, unit: "dB" }, value);
            if self.frames > 0 {
                mean[third] = relative(decibels(sums.power() / 2.0 * per_frame, -200.0));
            }
            tell("mean", mean[third]);
            for (share, field) in SHARES {
                tell(field, relative(levels.quantile(share, -200.0)));
            }
        }
        for (octave, (sums, widths, correlations)) in self.octaves.iter().enumerate() {
            let mut tell = |field, unit, value| sink(Label { group: "width", band: Some(OCTAVES[octave]), field, unit }, value);
            let none = sums.width();
            tell("side-to-mid", "dB", none);
            tell("side-to-mid-p50", "dB", widths.quantile(0.5, none));
            tell("side-to-mid-p90", "dB", widths.quantile(0.9, none));
            tell("correlation", "", sums.correlation());
            tell("correlation-p10", "", correlations.quantile(0.1, sums.correlation()));
            tell("balance", "dB", sums.balance());
        }
        put(sink, "stereo", "dB", &[("side-to-mid", self.whole.width()), ("balance", self.whole.balance())]);
        put(sink, "stereo", "", &[("correlation", self.whole.correlation())]);
        let octaves = |histogram: &Histogram, share: f64| histogram.quantile(share, OCTAVE_RANGE.0);
        put(
            sink,
            "spectrum",
            "octaves over 1 Hz",
            &[
                ("centroid-p10", octaves(&self.centroid, 0.1)),
                ("centroid-p50", octaves(&self.centroid, 0.5)),
                ("centroid-p90", octaves(&self.centroid, 0.9)),
                ("rolloff-p10", octaves(&self.rolloff, 0.1)),
                ("rolloff-p50", octaves(&self.rolloff, 0.5)),
                ("rolloff-p90", octaves(&self.rolloff, 0.9)),
            ],
        );
        let flatness = |region: usize, share: f64| self.flatness[region].quantile(share, -40.0);
        put(
            sink,
            "spectrum",
            "dB",
            &[
                ("flatness-low-p50", flatness(0, 0.5)),
                ("flatness-mid-p50", flatness(1, 0.5)),
                ("flatness-high-p50", flatness(2, 0.5)),
                ("flatness-low-p90", flatness(0, 0.9)),
                ("flatness-mid-p90", flatness(1, 0.9)),
                ("flatness-high-p90", flatness(2, 0.9)),
            ],
        );
        mean
    }
}
