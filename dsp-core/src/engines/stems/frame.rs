//! What the engine tells of each frame beside what all engines tell.

use super::settings::{STEMS, Task};
use realfft::num_complex::Complex32;

/// Bands of the spectra of stems.
pub const STEM_BANDS: usize = 64;
/// Frames from one set of band powers to the next: 25 a second.
const BANDS_EVERY: usize = 4;
/// Upper end of the bands in hertz, where the rate has it.
const TOP_HZ: f64 = 20_000.0;
/// Where bands pass from equal widths to equal ratios, in hertz (the corner of the mel scale, S. S. Stevens
/// and J. Volkmann 1940 as fitted by D. O'Shaughnessy 1987).
const CORNER_HZ: f64 = 700.0;

/// One frame of the stems; levels are those of the first one or two channels, a single one on both sides.
#[derive(Clone, Copy, Debug)]
pub struct StemFrame<'a> {
    /// What the mix is taken apart into; stems stand in the order of [`Task::keys`].
    pub task: Task,
    /// Largest magnitude before the faders, `[stem][side]`, linear, of the hop that goes out next.
    pub peaks: [[f32; 2]; STEMS],
    /// The same after the faders.
    pub levels: [[f32; 2]; STEMS],
    /// Mean square after the faders, `[stem][side]`.
    pub powers: [[f32; 2]; STEMS],
    /// Power before the faders, `[stem][band]`, mean over the first two channels, with every fourth frame; a
    /// full-scale sine reads 1.
    pub bands: Option<&'a [[f32; STEM_BANDS]; STEMS]>,
    /// Edges of the bands in hertz.
    pub band_hz: &'a [f32; STEM_BANDS + 1],
    /// Time from one frame to the next, in seconds.
    pub seconds: f32,
    /// Time from the middle of what the frame stands for to the newest sample that is in, in seconds.
    pub age: f32,
    /// The step took too long; the next frame goes on with the last masks.
    pub late: bool,
    /// What the model's step took, in seconds, for all channels together.
    pub step_seconds: f32,
}

/// Folds spectra of stems into bands.
#[derive(Debug)]
pub struct Bands {
    /// Edges in hertz.
    pub hz: [f32; STEM_BANDS + 1],
    /// Bins of each band; neighbours may share one.
    bins: [(usize, usize); STEM_BANDS],
    /// `[stem][band]`
    pub powers: [[f32; STEM_BANDS]; STEMS],
    frames: usize,
}

impl Bands {
    /// For spectra of so many bins at a rate in hertz.
    pub fn new(bins: usize, rate: f64) -> Self {
        let bin_hz = rate / (2 * (bins - 1)) as f64;
        let top = TOP_HZ.min(rate / 2.0);
        let step = (1.0 + top / CORNER_HZ).ln() / STEM_BANDS as f64;
        let edge = |band: usize| CORNER_HZ * ((step * band as f64).exp() - 1.0);
        let range = |band: usize| {
            let first = ((edge(band) / bin_hz).round() as usize).min(bins - 1);
            (first, ((edge(band + 1) / bin_hz).round() as usize).clamp(first + 1, bins))
        };
        Self {
            hz: std::array::from_fn(|band| edge(band) as f32),
            bins: std::array::from_fn(range),
            powers: [[0.0; STEM_BANDS]; STEMS],
            frames: 0,
        }
    }

    /// The next frame is the first.
    pub fn reset(&mut self) {
        self.frames = 0;
    }

    /// True when powers are due with this frame; they are zero then.
    pub fn due(&mut self) -> bool {
        let due = self.frames == 0;
        self.frames = (self.frames + 1) % BANDS_EVERY;
        if due {
            self.powers = [[0.0; STEM_BANDS]; STEMS];
        }
        due
    }

    /// Adds a channel: its spectrum, the masks of all stems but the last, `[stem][bin]`, and what to weigh
    /// powers with.
    pub fn add(&mut self, spectrum: &[Complex32], masks: &[Vec<Complex32>], weight: f32) {
        for (band, &(first, end)) in self.bins.iter().enumerate() {
            for bin in first..end {
                let power = spectrum[bin].norm_sqr() * weight;
                let mut rest = Complex32::new(1.0, 0.0);
                for (mask, powers) in masks.iter().zip(&mut self.powers) {
                    powers[band] += mask[bin].norm_sqr() * power;
                    rest -= mask[bin];
                }
                self.powers[masks.len()][band] += rest.norm_sqr() * power;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_cover_what_is_heard_at_every_rate() {
        for (bins, rate) in [(6, 1_000.0), (161, 8_000.0), (883, 44_100.0), (961, 48_000.0), (3_841, 192_000.0)] {
            let bands = Bands::new(bins, rate);
            assert!(bands.bins.iter().all(|&(first, end)| first < end && end <= bins), "{rate}");
            assert!(bands.bins.windows(2).all(|pair| pair[1].0 <= pair[0].1), "{rate}: a gap");
            assert!((f64::from(bands.hz[STEM_BANDS]) - (rate / 2.0).min(TOP_HZ)).abs() < 1.0);
        }
    }

    #[test]
    fn stems_share_the_power_of_a_bin() {
        let mut bands = Bands::new(961, 48_000.0);
        assert!(bands.due());
        let mut spectrum = vec![Complex32::default(); 961];
        spectrum[40] = Complex32::new(0.0, 1.0);
        let masks = vec![vec![Complex32::new(0.5, 0.0); 961], vec![Complex32::new(0.25, 0.0); 961], vec![Complex32::new(0.25, 0.0); 961]];
        bands.add(&spectrum, &masks, 1.0);
        let sums = bands.powers.map(|powers| powers.iter().sum::<f32>());
        assert_eq!(sums, [0.25, 0.0625, 0.0625, 0.0]);
        let place = bands.powers[0].iter().position(|&power| power > 0.0).unwrap();
        assert!((bands.hz[place]..bands.hz[place + 1] + 25.0).contains(&1_000.0));
        assert!((0..3).all(|_| !bands.due()) && bands.due());
        assert_eq!(bands.powers[0], [0.0; STEM_BANDS]);
    }
}
