//! A multichannel Wiener filter over stems that have been told apart: who is where in the stereo image, and how loud
//! when, once more from all of some seconds at a time.
//!
//! One step of expectation maximisation (N. Duong, E. Vincent and R. Gribonval, "Under-determined reverberant audio source
//! separation using a full-rank spatial covariance model", 2010; A. Nugraha, A. Liutkus and E. Vincent, "Multichannel audio
//! source separation with deep neural networks", 2016). In each bin, with v the mean power of a stem's sides in a frame and
//! R its covariance over a stretch relative to v, a stem is v R (sum of v R)^-1 x of the mix x.

use crate::engines::stems::overlap::Overlap;
use crate::engines::stems::separator::PAIR;
use crate::engines::stems::settings::STEMS;
use crate::framing::{Analyser, Frame, Framer, NamedScale, Scale, Window, Windows};
use crate::units::Hz;
use realfft::num_complex::{Complex32, Complex64};
use std::f64::consts::TAU;

/// Frames of 80 ms, longer than a net's: stems have been told apart, now partials may be.
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
/// Frames of a stretch, 4 s, whose covariances are one. Stretches overlap by half.
const STRETCH: usize = 200;
const HALF: usize = STRETCH / 2;
/// Of what is filtered in the result: all of it takes more of the stem with what leaks.
const SHARE: f64 = 0.5;
/// Power that each side has of its own, relative to both: sides that are the same can be told from nothing then.
const APART: f64 = 1e-7;
/// Power under which there is nothing to be told apart, -200 dB.
const NOTHING: f64 = 1e-20;

/// Spectra of the sounds of a frame, `[sound][bin]`.
type Spectra = Vec<Vec<Complex32>>;

/// The filter, for all channels of a programme.
#[derive(Debug)]
pub struct Wiener {
    framer: Framer,
    analyser: Analyser,
    overlap: Overlap,
    channels: usize,
    /// Stems but the last, which is what they leave of the mix.
    masks: usize,
    latency: usize,
    /// Frames since the beginning.
    frames: usize,
    /// Of the last stretch, as a ring, `[frame]`; sounds are the mix by channel and then each stem by channel.
    spectra: Vec<Spectra>,
    /// What comes of it, `[frame]`, of the stems' sounds alone.
    filtered: Vec<Spectra>,
    /// The part of each frame in a stretch; overlapping parts add up to one.
    part: Vec<f64>,
    /// Where the mix goes in.
    mix: Vec<Vec<f32>>,
}

/// A covariance of two sides, which is Hermitian.
#[derive(Clone, Copy, Debug, Default)]
struct Covariance {
    left: f64,
    right: f64,
    cross: Complex64,
}

impl Covariance {
    fn of([left, right]: [Complex64; PAIR]) -> Self {
        Self { left: left.norm_sqr(), right: right.norm_sqr(), cross: left * right.conj() }
    }

    /// Adds another, so much of it.
    fn add(&mut self, other: Self, share: f64) {
        self.left += share * other.left;
        self.right += share * other.right;
        self.cross += other.cross * share;
    }

    fn times(&self, [left, right]: [Complex64; PAIR]) -> [Complex64; PAIR] {
        [left * self.left + self.cross * right, self.cross.conj() * left + right * self.right]
    }

    /// What `times` of this one gives `sides`; none where there is nothing.
    fn solve(&self, [left, right]: [Complex64; PAIR]) -> Option<[Complex64; PAIR]> {
        let trace = self.left + self.right;
        if trace <= NOTHING {
            return None;
        }
        let (a, d) = (self.left + APART * trace, self.right + APART * trace);
        let scale = 1.0 / (a * d - self.cross.norm_sqr());
        Some([(left * d - self.cross * right) * scale, (right * a - self.cross.conj() * left) * scale])
    }
}

impl Wiener {
    /// For sound of `channels` at a rate, and so many stems but the last.
    pub fn new(rate: Hz, channels: usize, masks: usize) -> Self {
        let windows = Windows::new(&FRAME, rate);
        let analyser = Analyser::scaled(windows.analysis.clone(), windows.scale);
        let ring = |sounds: usize| vec![vec![vec![Complex32::default(); analyser.bins()]; sounds]; STRETCH];
        Self {
            framer: Framer::new(windows.hop, windows.analysis.len(), channels * (1 + masks)),
            overlap: Overlap::new(&windows, channels * masks),
            channels,
            masks,
            latency: (STRETCH - 1) * windows.hop + windows.latency(),
            frames: 0,
            spectra: ring(channels * (1 + masks)),
            filtered: ring(channels * masks),
            part: (0..STRETCH).map(|n| 0.5 - 0.5 * (TAU * (n as f64 + 0.5) / STRETCH as f64).cos()).collect(),
            mix: vec![Vec::new(); channels],
            analyser,
        }
    }

    /// Delay in samples.
    pub fn latency(&self) -> usize {
        self.latency
    }

    /// Forgets all sound.
    pub fn reset(&mut self) {
        self.framer.reset();
        self.overlap.reset();
        self.frames = 0;
        let all = self.spectra.iter_mut().chain(&mut self.filtered);
        all.flatten().for_each(|spectrum| spectrum.fill(Complex32::default()));
    }

    /// Filters a block of `stems` in place, `[stem][channel][sample]`, of all but the last stem of the mix `[channel][sample]`.
    pub fn process(&mut self, mix: &[&mut [f32]], stems: &mut [Vec<Vec<f32>>]) {
        let length = mix.first().map_or(0, |channel| channel.len());
        for (own, channel) in self.mix.iter_mut().zip(mix) {
            own.clear();
            own.extend_from_slice(channel);
        }
        let mut at = 0;
        while at < length {
            let end = length.min(at + self.framer.until_frame());
            let stems = stems.iter_mut().take(self.masks).flatten();
            let sounds = self.mix.iter_mut().chain(stems).map(Vec::as_mut_slice);
            if self.framer.exchange(sounds, at..end, true) {
                self.framer.advance();
                self.frame();
            }
            at = end;
        }
    }

    /// A frame is complete: keeps it, and finishes the one a stretch before it.
    fn frame(&mut self) {
        let newest = self.frames % STRETCH;
        for (sound, spectrum) in self.spectra[newest].iter_mut().enumerate() {
            self.analyser.analyse(self.framer.history(sound), spectrum);
        }
        self.frames += 1;
        if self.frames.is_multiple_of(HALF) {
            for pair in 0..self.channels.div_ceil(PAIR) {
                self.stretch(pair * PAIR);
            }
        }
        let oldest = self.frames % STRETCH;
        for (sound, spectrum) in self.filtered[oldest].iter_mut().enumerate() {
            let (out, _) = self.framer.outgoing(self.channels + sound);
            self.overlap.add(sound, spectrum.iter().copied(), out);
            spectrum.fill(Complex32::default());
        }
    }

    /// Adds to what is filtered the part of the last stretch, of the pair of channels from `first` on.
    fn stretch(&mut self, first: usize) {
        let sides: [usize; PAIR] = std::array::from_fn(|side| (first + side).min(self.channels - 1));
        let bins = self.analyser.bins();
        for bin in 0..bins {
            // [stem] with the rest behind the others, of frames in the order of the ring.
            let mut of_all = [Covariance::default(); STEMS];
            let mut power_of_all = [0.0; STEMS];
            for frame in &self.spectra {
                let (_, stems) = self.told(frame, sides, bin);
                for (stem, sound) in stems.iter().enumerate().take(self.masks + 1) {
                    let covariance = Covariance::of(*sound);
                    power_of_all[stem] += 0.5 * (covariance.left + covariance.right);
                    of_all[stem].add(covariance, 1.0);
                }
            }
            for (covariance, power) in of_all.iter_mut().zip(power_of_all) {
                let sum = std::mem::take(covariance);
                covariance.add(sum, 1.0 / (power + NOTHING));
            }
            for step in 0..STRETCH {
                let place = (self.frames + step) % STRETCH;
                let (mix, stems) = self.told(&self.spectra[place], sides, bin);
                let powers = stems.map(|[left, right]| 0.5 * (left.norm_sqr() + right.norm_sqr()));
                let mut whole = Covariance::default();
                for (covariance, power) in of_all.iter().zip(powers).take(self.masks + 1) {
                    whole.add(*covariance, power);
                }
                let Some(white) = whole.solve(mix) else { continue };
                for stem in 0..self.masks {
                    let filtered = of_all[stem].times(white).map(|side| side * powers[stem]);
                    for side in 0..PAIR.min(self.channels - first) {
                        let blend = filtered[side] * SHARE + stems[stem][side] * (1.0 - SHARE);
                        let blend = blend * self.part[step];
                        self.filtered[place][stem * self.channels + first + side][bin] += Complex32::new(blend.re as f32, blend.im as f32);
                    }
                }
            }
        }
    }

    /// The mix of a pair's sides in a bin of a frame, and all stems, the rest behind the others.
    fn told(&self, frame: &Spectra, sides: [usize; PAIR], bin: usize) -> ([Complex64; PAIR], [[Complex64; PAIR]; STEMS]) {
        let at = |sound: usize| Complex64::new(f64::from(frame[sound][bin].re), f64::from(frame[sound][bin].im));
        let mix = sides.map(at);
        let mut rest = mix;
        let mut stems = [[Complex64::default(); PAIR]; STEMS];
        for (stem, sound) in stems.iter_mut().enumerate().take(self.masks) {
            *sound = sides.map(|side| at((1 + stem) * self.channels + side));
            rest.iter_mut().zip(sound).for_each(|(rest, side)| *rest -= *side);
        }
        stems[self.masks] = rest;
        (mix, stems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 16_000.0;

    /// Noise from a seed.
    fn noise(length: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..length).map(|_| next()).collect()
    }

    /// Runs to the end; stems with the delay taken off.
    fn run(filter: &mut Wiener, mix: &[Vec<f32>], stems: &[Vec<Vec<f32>>], block: usize) -> Vec<Vec<Vec<f32>>> {
        let late = filter.latency();
        let padded = |x: &Vec<f32>| x.iter().copied().chain(vec![0.0; late]).collect::<Vec<f32>>();
        let mix: Vec<_> = mix.iter().map(padded).collect();
        let stems: Vec<Vec<_>> = stems.iter().map(|stem| stem.iter().map(padded).collect()).collect();
        let mut out = vec![vec![Vec::new(); mix.len()]; stems.len()];
        let mut at = 0;
        while at < mix[0].len() {
            let end = mix[0].len().min(at + block);
            let mut part: Vec<Vec<f32>> = mix.iter().map(|x| x[at..end].to_vec()).collect();
            let part: Vec<&mut [f32]> = part.iter_mut().map(Vec::as_mut_slice).collect();
            let mut told: Vec<Vec<Vec<f32>>> = stems.iter().map(|stem| stem.iter().map(|x| x[at..end].to_vec()).collect()).collect();
            filter.process(&part, &mut told);
            out.iter_mut().flatten().zip(told.iter().flatten()).for_each(|(out, x)| out.extend_from_slice(x));
            at = end;
        }
        out.iter_mut().flatten().for_each(|x| drop(x.drain(..late)));
        out
    }

    fn error_db(got: &[Vec<f32>], want: &[Vec<f32>]) -> f64 {
        let sum = |f: &dyn Fn(f32, f32) -> f32| -> f64 {
            got.iter().flatten().zip(want.iter().flatten()).map(|(&g, &w)| f64::from(f(g, w))).sum()
        };
        10.0 * (sum(&|g, w| (g - w).powi(2)) / sum(&|_, w| w * w)).log10()
    }

    /// Two sounds at different places in the image, alternately loud, each with a third of the other leaked in.
    #[test]
    fn what_leaks_from_another_place_goes_down() {
        let length = 10 * RATE as usize;
        let swell = |n: usize, shift: f64| (0.55 + 0.45 * (n as f64 / 4_000.0 + shift).sin()) as f32;
        let one: Vec<f32> = noise(length, 1).iter().enumerate().map(|(n, x)| x * swell(n, 0.0)).collect();
        let two: Vec<f32> = noise(length, 2).iter().enumerate().map(|(n, x)| x * swell(n, 2.5)).collect();
        let place = |x: &[f32], left: f32, right: f32| -> Vec<Vec<f32>> {
            [left, right].iter().map(|gain| x.iter().map(|x| x * gain).collect()).collect()
        };
        let (true_one, true_two) = (place(&one, 0.9, 0.3), place(&two, 0.2, 0.8));
        let sum = |a: &[Vec<f32>], b: &[Vec<f32>], share: f32| -> Vec<Vec<f32>> {
            a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + share * b).collect()).collect()
        };
        let mix = sum(&true_one, &true_two, 1.0);
        let leaky = sum(&true_one.iter().map(|x| x.iter().map(|x| 0.67 * x).collect()).collect::<Vec<_>>(), &true_two, 0.33);
        let mut filter = Wiener::new(Hz(RATE), 2, 1);
        let before = error_db(&leaky, &true_one);
        let got = run(&mut filter, &mix, &[leaky], 700);
        let after = error_db(&got[0], &true_one);
        assert!(after < before - 2.0, "{before:.1} dB became {after:.1} dB");
    }

    /// Stems that are the mix or nothing stay so, in their places, for one channel and for two that are the same.
    #[test]
    fn what_is_clear_stays() {
        let x = noise(5 * RATE as usize, 3);
        for mix in [vec![x.clone()], vec![x.clone(), x.clone()], vec![x.clone(), vec![0.0; x.len()], noise(x.len(), 4)]] {
            let silence: Vec<Vec<f32>> = mix.iter().map(|x| vec![0.0; x.len()]).collect();
            let mut filter = Wiener::new(Hz(RATE), mix.len(), 2);
            let got = run(&mut filter, &mix, &[mix.clone(), silence], 333);
            for (channel, (got, want)) in got[0].iter().zip(&mix).enumerate() {
                let most = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f32::max);
                assert!(most < 1e-4, "{} channels, {channel}: {most}", mix.len());
            }
            assert!(got[1].iter().flatten().all(|x| x.abs() < 1e-6));
        }
    }

    #[test]
    fn blocks_make_no_difference_and_a_reset_forgets() {
        let (x, y) = (noise(6 * RATE as usize, 5), noise(6 * RATE as usize, 6));
        let (mix, stem) = (vec![x.clone(), y], vec![x.iter().map(|x| 0.4 * x).collect(), vec![0.0; x.len()]]);
        let mut filter = Wiener::new(Hz(RATE), 2, 1);
        let all = run(&mut filter, &mix, std::slice::from_ref(&stem), 512);
        filter.reset();
        assert!(run(&mut filter, &mix, &[stem], 1_999) == all);
    }
}
