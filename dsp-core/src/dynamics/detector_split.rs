//! The bands that detectors hear: crossovers whose sum nobody needs.

use super::crossover::{Corner, DAMPING, MAX_BANDS};
use crate::filters::abreast::Abreast;
use crate::filters::glide::TICK;
use crate::filters::section::Lanes;

/// Values side by side: left and right of all filters, and six that are always silent.
const LANES: usize = 24;
/// Which corner a lane works at, with four bands: the first filter of the middle crossover; its low and high; the
/// first ones of the outer crossovers; their lows and highs.
const CORNER: [usize; LANES] = [1, 1, 1, 1, 1, 1, 0, 0, 2, 2, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2];
/// The same with three, whose lowest is what the first crossover leaves below.
const CORNER_OF_THREE: [usize; LANES] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];

/// Linkwitz-Riley bands of one pair of channels, in magnitude those of
/// [`Crossover`](super::crossover::Crossover), without the all-passes that make them add up. Each filter works one
/// sample behind the one before it, so that none waits for another: the bands come three samples later. In single
/// precision: nobody hears them, levels are read of them.
#[derive(Clone, Copy, Debug)]
pub struct DetectorSplit {
    s1: [f32; LANES],
    s2: [f32; LANES],
    /// What comes to the filters next.
    x: [f32; LANES],
}

impl Default for DetectorSplit {
    fn default() -> Self {
        Self { s1: [0.0; LANES], s2: [0.0; LANES], x: [0.0; LANES] }
    }
}

impl DetectorSplit {
    /// Splits a piece that begins `done` samples into the tick into `bands[band][sample]`: three bands with two
    /// corners, four with three. Corners rise. By whatever the processor does fastest: the bits are the same.
    pub fn run(&mut self, audio: &[Lanes], corners: &[Corner], done: usize, bands: &mut [[Lanes; TICK]; MAX_BANDS]) {
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx") {
            #[target_feature(enable = "avx")]
            fn with_avx(
                split: &mut DetectorSplit,
                audio: &[Lanes],
                corners: &[Corner],
                done: usize,
                bands: &mut [[Lanes; TICK]; MAX_BANDS],
            ) {
                split.split(audio, corners, done, bands)
            }
            // SAFETY: the processor was asked for AVX.
            return unsafe { with_avx(self, audio, corners, done, bands) };
        }
        self.split(audio, corners, done, bands)
    }

    #[inline(always)]
    fn split(&mut self, audio: &[Lanes], corners: &[Corner], done: usize, bands: &mut [[Lanes; TICK]; MAX_BANDS]) {
        let three = corners.len() < MAX_BANDS - 1;
        let place = if three { CORNER_OF_THREE } else { CORNER };
        if corners.iter().all(Corner::stands) {
            let g = place.map(|corner| corners[corner].g(done));
            self.pass(audio, &g, bands, 0, three);
        } else {
            for (n, sample) in audio.iter().enumerate() {
                let g = place.map(|corner| corners[corner].g(done + n));
                self.pass(std::slice::from_ref(sample), &g, bands, n, three);
            }
        }
        if three {
            // The highest two are those of the outer crossover.
            [bands[1], bands[2]] = [bands[2], bands[3]];
        }
    }

    /// Passes samples through filters that stand and writes what comes out from a place of `bands` on.
    #[inline(always)]
    fn pass(&mut self, audio: &[Lanes], g: &[f64; LANES], bands: &mut [[Lanes; TICK]; MAX_BANDS], from: usize, three: bool) {
        const DAMPED: f32 = DAMPING as f32;
        let filters = Abreast::new(g, &[DAMPING; LANES]);
        let Self { mut s1, mut s2, mut x } = *self;
        let lanes = |values: &[f32; LANES], at: usize| [f64::from(values[at]), f64::from(values[at + 1])];
        for (out, sample) in (from..TICK).zip(audio) {
            [x[0], x[1]] = sample.map(|sample| sample as f32);
            let (mut low, mut high) = ([0.0; LANES], [0.0; LANES]);
            filters.all(&x, &mut s1, &mut s2, |lane, v1, v2| {
                low[lane] = v2;
                high[lane] = x[lane] - DAMPED * v1 - v2;
            });
            bands[0][out] = lanes(&low, if three { 2 } else { 10 });
            bands[1][out] = lanes(&high, 12);
            bands[2][out] = lanes(&low, 14);
            bands[3][out] = lanes(&high, 16);
            // On to the next filters.
            x = [
                0.0, 0.0, low[0], low[1], high[0], high[1], low[2], low[3], high[4], high[5], low[6], low[7], high[6], high[7], low[8],
                low[9], high[8], high[9], 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
            ];
        }
        *self = Self { s1, s2, x };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamics::crossover::Crossover;

    /// Tones have in each band the power that the crossover gives them, with corners that stand and that move, however
    /// the sound is cut.
    #[test]
    fn bands_are_as_strong_as_the_crossovers() {
        for shares in [&[120.0, 800.0, 5_000.0][..], &[150.0, 4_000.0]] {
            for hz in [50.0, 300.0, 2_000.0, 9_000.0] {
                let corners: Vec<Corner> = shares.iter().map(|hz| Corner::at(hz / 48_000.0)).collect();
                let count = shares.len() + 1;
                let (mut split, mut cut, mut crossover) = (DetectorSplit::default(), DetectorSplit::default(), Crossover::default());
                let (mut found, mut truth) = ([0.0; MAX_BANDS], [0.0; MAX_BANDS]);
                for tick in 0..1_500 {
                    let at = |n: usize| f64::from((tick * TICK + n) as u32) * std::f64::consts::TAU * hz / 48_000.0;
                    let audio: [Lanes; TICK] = std::array::from_fn(|n| [at(n).sin(), 0.5 * at(n).cos()]);
                    let mut bands = [[[0.0; 2]; TICK]; MAX_BANDS];
                    split.run(&audio, &corners, 0, &mut bands);
                    for (from, to) in [(0, 1), (1, 4), (4, 21), (21, TICK)] {
                        let mut again = [[[0.0; 2]; TICK]; MAX_BANDS];
                        cut.run(&audio[from..to], &corners, from, &mut again);
                        for band in 0..count {
                            assert_eq!(again[band][..to - from], bands[band][from..to], "{hz} Hz, band {band}");
                        }
                    }
                    let sum = |bands: &[[Lanes; TICK]], sums: &mut [f64; MAX_BANDS]| {
                        if tick >= 500 {
                            bands.iter().zip(sums).for_each(|(band, sum)| *sum += band.iter().map(|x| x[0] * x[0]).sum::<f64>());
                        }
                    };
                    sum(&bands[..count], &mut found);
                    let mut bands = [[[0.0; 2]; TICK]; MAX_BANDS];
                    crossover.run(&audio, &corners, 0, &mut bands[..count]);
                    sum(&bands[..count], &mut truth);
                }
                for band in 0..count {
                    let [found, truth] = [found[band], truth[band]].map(|power| 10.0 * (power / 16_000.0 + 1e-9).log10());
                    assert!((found - truth).abs() < 0.02, "{count} bands, {hz} Hz, band {band}: {found} for {truth} dB");
                }
            }
        }
    }

    #[test]
    fn corners_may_move_wherever_the_sound_is_cut() {
        let mut corners = [0.003, 0.02, 0.1].map(Corner::at);
        corners.iter_mut().zip([0.01, 0.03, 0.2]).for_each(|(corner, share)| corner.head_for(share));
        let audio: [Lanes; TICK] = std::array::from_fn(|n| [f64::from(n as u32 * 7919 % 101) / 50.0 - 1.0, 0.3]);
        let (mut whole, mut cut) = (DetectorSplit::default(), DetectorSplit::default());
        let mut bands = [[[0.0; 2]; TICK]; MAX_BANDS];
        whole.run(&audio, &corners, 0, &mut bands);
        for (from, to) in [(0, 2), (2, 3), (3, TICK)] {
            let mut again = [[[0.0; 2]; TICK]; MAX_BANDS];
            cut.run(&audio[from..to], &corners, from, &mut again);
            (0..MAX_BANDS).for_each(|band| assert_eq!(again[band][..to - from], bands[band][from..to]));
        }
        assert!(bands.iter().flatten().flatten().all(|x| x.is_finite()));
    }
}
