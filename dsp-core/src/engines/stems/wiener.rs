//! A second look at stems that are already apart: multichannel Wiener filters made of the stems' own powers
//! and of their places between left and right, which change slowly (A. Liutkus and R. Badeau, "Generalized
//! Wiener filtering with fractional power spectrograms", ICASSP 2015; N. Q. K. Duong, E. Vincent and
//! R. Gribonval, "Under-determined reverberant audio source separation using a full-rank spatial covariance
//! model", IEEE TASLP 2010). One step, of a filter that looks back over seconds and ahead over one.

use super::overlap::Overlap;
use super::separator::PAIR;
use super::settings::STEMS;
use crate::framing::{Analyser, Frame, Framer, NamedScale, Scale, Window, Windows};
use crate::units::Hz;
use realfft::num_complex::Complex32;

/// Frames of the filter: 80 ms, long enough to part neighbouring partials. Times are at 48 kHz.
const FRAME: Frame = Frame {
    rate: 48_000,
    window: 3_840,
    hop: 960,
    analysis: Window::SqrtHann,
    synthesis: Window::SqrtHann,
    synthesis_window: 3_840,
    scale: Scale::Named(NamedScale::Amplitude),
    exact: false,
};
/// Frames by which it looks ahead: a second.
const AHEAD: usize = 50;
/// Share of the covariances that stays from frame to frame: a time constant of 3 seconds.
const KEEP: f32 = 0.993_4;
/// Power added to what every stem may have, relative to the mix's, so that the filter stays soft where
/// nothing is sure; and beside that, -140 dB.
const SOFT: f32 = 1e-4;
const LEAST: f32 = 1e-14;

/// Share of what comes out that is filtered; the rest is the stem as it came. Half of each is nearest to the
/// true stems of held-out songs (training/EXPERIMENTS.md): all of it takes the places too literally.
const SHARE: f32 = 0.5;

/// A Hermitian matrix of two channels: powers, and the product of the first with the second's conjugate.
#[derive(Clone, Copy, Debug, Default)]
struct Covariance {
    left: f32,
    right: f32,
    cross: Complex32,
}

impl Covariance {
    fn of([left, right]: [Complex32; PAIR]) -> Self {
        Self { left: left.norm_sqr(), right: right.norm_sqr(), cross: left * right.conj() }
    }

    fn add(&mut self, other: Self, gain: f32) {
        self.left += other.left * gain;
        self.right += other.right * gain;
        self.cross += other.cross * gain;
    }

    fn scale(&mut self, gain: f32) {
        *self = Self { left: self.left * gain, right: self.right * gain, cross: self.cross * gain };
    }

    fn mean(&self) -> f32 {
        0.5 * (self.left + self.right)
    }

    /// The matrix times a vector.
    fn times(&self, [left, right]: [Complex32; PAIR]) -> [Complex32; PAIR] {
        [left * self.left + self.cross * right, self.cross.conj() * left + right * self.right]
    }

    /// Solves `self y = x`.
    fn solve(&self, [left, right]: [Complex32; PAIR]) -> [Complex32; PAIR] {
        let determinant = (self.left * self.right - self.cross.norm_sqr()).max(f32::MIN_POSITIVE);
        let inverse = 1.0 / determinant;
        [(left * self.right - self.cross * right) * inverse, (right * self.left - self.cross.conj() * left) * inverse]
    }
}

/// The filter for one or two channels.
#[derive(Debug)]
pub struct Wiener {
    framer: Framer,
    analyser: Analyser,
    overlap: Overlap,
    masks: usize,
    sides: usize,
    synthesis: usize,
    hop: usize,
    /// Of the last frames, as a ring, `[frame][sound][bin]`: the mix's sides, then those of each stem but the last.
    spectra: Vec<Vec<Vec<Complex32>>>,
    newest: usize,
    /// Sums over frames, `[stem][bin]`.
    places: Vec<Vec<Covariance>>,
    /// What comes out of a frame, `[sound][bin]`, stems but the last.
    filtered: Vec<Vec<Complex32>>,
}

impl Wiener {
    /// For so many stems without the last, and one or two channels.
    pub fn new(masks: usize, sides: usize, rate: Hz) -> Self {
        let windows = Windows::new(&FRAME, rate);
        let (length, hop) = (windows.analysis.len(), windows.hop);
        let bins = length / 2 + 1;
        let sounds = (masks + 1) * sides;
        let spectra = |count: usize| vec![vec![Complex32::default(); bins]; count];
        Self {
            framer: Framer::new(hop, length + AHEAD * hop, sounds),
            analyser: Analyser::scaled(windows.analysis.clone(), windows.scale),
            overlap: Overlap::new(&windows, masks * sides),
            masks,
            sides,
            synthesis: windows.latency(),
            hop,
            spectra: (0..=AHEAD).map(|_| spectra(sounds)).collect(),
            newest: 0,
            places: vec![vec![Covariance::default(); bins]; masks + 1],
            filtered: spectra(masks * sides),
        }
    }

    /// Delay in samples.
    pub fn latency(&self) -> usize {
        self.synthesis + AHEAD * self.hop
    }

    /// As if silence had been before.
    pub fn reset(&mut self) {
        self.framer.reset();
        self.overlap.reset();
        self.spectra.iter_mut().flatten().for_each(|spectrum| spectrum.fill(Complex32::default()));
        self.places.iter_mut().for_each(|places| places.fill(Covariance::default()));
    }

    /// Filters blocks in place: the mix's sides, then those of each stem but the last, `[sound][sample]`. The
    /// mix is delayed alone.
    pub fn process(&mut self, sounds: &mut [&mut [f32]]) {
        let length = sounds.first().map_or(0, |sound| sound.len());
        let mut at = 0;
        while at < length {
            let end = length.min(at + self.framer.until_frame());
            if self.framer.exchange(sounds.iter_mut().map(|sound| &mut **sound), at..end, true) {
                self.frame();
            }
            at = end;
        }
    }

    /// A bin's value of a stem, the last too.
    fn stem(spectra: &[Vec<Complex32>], stem: usize, masks: usize, sides: usize, bin: usize) -> [Complex32; PAIR] {
        std::array::from_fn(|side| {
            let side = side.min(sides - 1);
            if stem < masks {
                return spectra[(stem + 1) * sides + side][bin];
            }
            (0..masks).fold(spectra[side][bin], |rest, other| rest - spectra[(other + 1) * sides + side][bin])
        })
    }

    fn frame(&mut self) {
        self.framer.advance();
        self.newest = (self.newest + 1) % self.spectra.len();
        let (masks, sides) = (self.masks, self.sides);
        for (sound, spectrum) in self.spectra[self.newest].iter_mut().enumerate() {
            self.analyser.analyse(&self.framer.history(sound)[AHEAD * self.hop..], spectrum);
        }
        for (stem, places) in self.places.iter_mut().enumerate() {
            for (bin, place) in places.iter_mut().enumerate() {
                place.scale(KEEP);
                place.add(Covariance::of(Self::stem(&self.spectra[self.newest], stem, masks, sides, bin)), 1.0);
            }
        }
        let due = &self.spectra[(self.newest + 1) % self.spectra.len()];
        for bin in 0..due[0].len() {
            let mix: [Complex32; PAIR] = std::array::from_fn(|side| due[side.min(sides - 1)][bin]);
            let power = Covariance::of(mix).mean();
            let mut models = [Covariance::default(); STEMS];
            let mut sum = Covariance { left: LEAST, right: LEAST, cross: Complex32::default() };
            for (stem, model) in models.iter_mut().enumerate().take(masks + 1) {
                let own = Covariance::of(Self::stem(due, stem, masks, sides, bin)).mean() + SOFT * power;
                let place = self.places[stem][bin];
                // A stem that was never here may come from anywhere.
                model.add(place, own / (place.mean() + LEAST));
                model.add(Covariance { left: 1.0, right: 1.0, cross: Complex32::default() }, SOFT * own);
                sum.add(*model, 1.0);
            }
            let solved = sum.solve(mix);
            for stem in 0..masks {
                let out = models[stem].times(solved);
                for side in 0..sides {
                    let own = due[(stem + 1) * sides + side][bin];
                    self.filtered[stem * sides + side][bin] = own + (out[side] - own) * SHARE;
                }
            }
        }
        for sound in 0..sides {
            let start = self.framer.history(sound).len() - self.synthesis - AHEAD * self.hop;
            let (out, history) = self.framer.outgoing(sound);
            out.copy_from_slice(&history[start..start + out.len()]);
        }
        for (sound, spectrum) in self.filtered.iter().enumerate() {
            let (out, _) = self.framer.outgoing(sides + sound);
            self.overlap.add(sound, spectrum.iter().copied(), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 8_000.0;

    fn noise(length: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..length).map(|_| 0.1 * next()).collect()
    }

    /// Power of the error of `got` against `want`, in dB of `want`.
    fn error_db(got: &[f32], want: &[f32]) -> f64 {
        let power = |samples: &mut dyn Iterator<Item = f32>| samples.map(|x| f64::from(x * x)).sum::<f64>();
        let error = power(&mut got.iter().zip(want).map(|(a, b)| a - b));
        10.0 * (error / power(&mut want.iter().copied())).log10()
    }

    /// Two sounds in places of their own, parted badly: the filter finds out the places and parts them.
    #[test]
    fn places_part_what_powers_do_not() {
        let length = 40_000;
        let (first, second) = (noise(length, 1), noise(length, 2));
        let mix = |gain: [f32; 2]| -> Vec<f32> { first.iter().zip(&second).map(|(a, b)| gain[0] * a + gain[1] * b).collect() };
        // The first stands on the left, the second on the right; a quarter of each bleeds.
        let mut sounds = [mix([1.0, 0.2]), mix([0.2, 1.0]), mix([0.75, 0.05]), mix([0.15, 0.25])];
        let before = error_db(&sounds[2], &first);
        let mut wiener = Wiener::new(1, 2, Hz(RATE));
        let mut blocks = sounds.each_mut().map(Vec::as_mut_slice);
        wiener.process(&mut blocks);
        let late = wiener.latency();
        let from = 20_000;
        let after = error_db(&sounds[2][from..], &first[from - late..length - late]);
        // Half of the error stays with half of what came.
        assert!(after < before - 4.0, "{before:.1} dB before, {after:.1} dB after");
        assert_eq!(sounds[0][from..from + 100], mix([1.0, 0.2])[from - late..from - late + 100]);
    }

    #[test]
    fn blocks_make_no_difference_and_silence_stays() {
        for sides in [1, 2] {
            let input: Vec<Vec<f32>> = (0..4 * sides).map(|seed| noise(6_000, 7 + seed as u32)).collect();
            let run = |cut: usize| {
                let mut wiener = Wiener::new(3, sides, Hz(RATE));
                let mut all = input.clone();
                for at in (0..6_000).step_by(cut) {
                    let end = 6_000.min(at + cut);
                    let mut block: Vec<&mut [f32]> = all.iter_mut().map(|sound| &mut sound[at..end]).collect();
                    wiener.process(&mut block);
                }
                all
            };
            assert_eq!(run(6_000), run(61));
            assert!(run(6_000).iter().flatten().all(|x| x.is_finite()));
        }
        let mut wiener = Wiener::new(3, 2, Hz(RATE));
        let mut silence = vec![vec![0.0_f32; 9_000]; 8];
        let mut blocks: Vec<&mut [f32]> = silence.iter_mut().map(Vec::as_mut_slice).collect();
        wiener.process(&mut blocks);
        assert!(silence.iter().flatten().all(|&x| x == 0.0));
    }
}
