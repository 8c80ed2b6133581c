//! A model whose last stage gives samples: it runs at its own rate, and what it makes of the sound becomes
//! a mask in frames of the engine, so that all controls work on it as on any other mask.

use super::enhancer::{Enhancer, quotient};
use super::stream::Framing;
use crate::framing::{Analyser, Frame, NamedScale, PASSES, Resampler, Scale, Window, Windows};
use crate::model::{Channels, Manifest, Plan};
use crate::processor::{Error, Format};
use crate::units::Hz;
use realfft::num_complex::Complex32;
use std::collections::VecDeque;
use std::sync::Arc;

/// Frame in which the mask is applied, in hops of the model: short, because its delay comes on top.
const MASK_HOPS: usize = 2;
/// Longest frame of a mask, in milliseconds.
const MAX_MASK_MS: f64 = 40.0;
/// Frames after which counts of samples have shown what they do.
const TRIED: usize = 400;
/// Frames of a tone by which the delay is measured, after as many to settle.
const MEASURED: usize = 120;

/// What the engine frames for such a model: a mask by quotients, late by what the model takes.
///
/// # Errors
/// [`Error::Model`] when the model asks for what such a model cannot have, or resampling fails.
pub fn framing(manifest: &Manifest, frame: &Frame, rate: Hz) -> Result<Framing, Error> {
    if manifest.channels != Channels::Each || manifest.look_ahead != 0 {
        return Err(manifest.refuse("gives a wave; that needs channels = \"each\" and no look_ahead".into()));
    }
    let mask = Frame {
        window: MASK_HOPS * frame.hop,
        synthesis_window: MASK_HOPS * frame.hop,
        analysis: Window::SqrtHann,
        synthesis: Window::SqrtHann,
        scale: Scale::Named(NamedScale::Amplitude),
        ..*frame
    };
    if mask.hop_ms() * MASK_HOPS as f64 > MAX_MASK_MS || mask.window < 4 {
        return Err(manifest.refuse(format!("gives a wave every {} ms; at most {MAX_MASK_MS} / {MASK_HOPS} can be", mask.hop_ms())));
    }
    let (path, times) = Path::measured(frame, &mask, rate).map_err(|reason| manifest.refuse(reason))?;
    let share = if path.resamplers.is_some() { PASSES * (rate.0 / f64::from(frame.rate)).min(1.0) } else { 1.0 };
    let bins = ((mask.bins() - 1) as f64 * share) as usize + usize::from(share == 1.0);
    Ok(Framing { frame: mask, bins: bins.max(1), look_ahead: 0, lag: times.delay.round() as usize, each: true, times: Some(times) })
}

/// What was found out of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// Samples of silence with which a path begins, so that it never runs dry.
    reserve: usize,
    /// Samples at the host's rate from the input to the output, with the model's own delay.
    delay: f64,
}

/// From the host's rate to the model's and back.
struct Path {
    /// There and back.
    resamplers: Option<[Resampler; 2]>,
    /// Samples at the model's rate that wait for a whole hop.
    waiting: Vec<f32>,
    waits: usize,
    /// Samples at the host's rate that wait to be asked for.
    ready: VecDeque<f32>,
    /// Samples of silence that stand in `ready` first.
    reserve: usize,
    hop: usize,
    there: Vec<f32>,
    back: Vec<f32>,
}

impl Path {
    /// A path for which nothing was found out yet, and what was found out.
    fn measured(frame: &Frame, mask: &Frame, rate: Hz) -> Result<(Self, Times), String> {
        let mut path = Self::new(frame, mask, rate, 0)?;
        let mut delay = 0.0;
        if path.resamplers.is_some() {
            path.reserve = path.missing();
            path.ready.reserve(path.reserve);
            delay = path.delay(rate, frame.rate);
        }
        path.reset();
        // A sample is whole when the last frame that it is in has been added.
        delay += (frame.window - frame.hop) as f64 * rate.0 / f64::from(frame.rate);
        let reserve = path.reserve;
        Ok((path, Times { reserve, delay }))
    }

    fn new(frame: &Frame, mask: &Frame, rate: Hz, reserve: usize) -> Result<Self, String> {
        let ratio = f64::from(frame.rate) / rate.0;
        let hop = Windows::new(mask, rate).hop;
        let resamplers = if ratio == 1.0 { None } else { Some([Resampler::new(ratio, hop)?, Resampler::new(1.0 / ratio, frame.hop)?]) };
        let most = resamplers.as_ref().map_or([hop, frame.hop], |pair| [pair[0].most(), pair[1].most()]);
        // Rates far below the model's bring several of its hops at a time.
        let hops = most[0] / frame.hop + 2;
        let mut path = Self {
            resamplers,
            waiting: vec![0.0; frame.hop],
            waits: 0,
            ready: VecDeque::with_capacity(2 * (hops + 1) * most[1] + 4 * hop + reserve),
            reserve,
            hop,
            there: vec![0.0; most[0]],
            back: vec![0.0; most[1]],
        };
        path.reset();
        Ok(path)
    }

    fn reset(&mut self) {
        self.resamplers.iter_mut().flatten().for_each(Resampler::reset);
        self.waits = 0;
        self.ready.clear();
        self.ready.extend(std::iter::repeat_n(0.0, self.reserve));
    }

    /// Takes a hop in, and gives every hop of the model to `model`, which changes it in place.
    fn push(&mut self, input: &[f32], mut model: impl FnMut(&mut [f32])) {
        let count = match &mut self.resamplers {
            Some([there, _]) => there.process(input, &mut self.there),
            None => {
                self.there.copy_from_slice(input);
                input.len()
            }
        };
        let mut at = 0;
        while at < count {
            let take = (self.waiting.len() - self.waits).min(count - at);
            self.waiting[self.waits..self.waits + take].copy_from_slice(&self.there[at..at + take]);
            self.waits += take;
            at += take;
            if self.waits == self.waiting.len() {
                self.waits = 0;
                model(&mut self.waiting);
                match &mut self.resamplers {
                    Some([_, back]) => {
                        let made = back.process(&self.waiting, &mut self.back);
                        // Room was made for more than ever waits; memory is never asked for here.
                        let room = self.ready.capacity() - self.ready.len();
                        self.ready.extend(self.back[..made.min(room)].iter());
                    }
                    None => self.ready.extend(self.waiting.iter()),
                }
            }
        }
    }

    fn pull(&mut self, to: &mut [f32]) {
        to.iter_mut().for_each(|sample| *sample = self.ready.pop_front().unwrap_or(0.0));
    }

    /// How many samples would be missing at worst without a reserve.
    fn missing(&mut self) -> usize {
        let (silence, mut made, mut asked, mut worst) = (vec![0.0; self.hop], 0, 0, 0);
        self.reset();
        for _ in 0..TRIED {
            self.push(&silence, |_| {});
            made += self.ready.len();
            self.ready.clear();
            asked += self.hop;
            worst = worst.max(asked.max(made) - made);
        }
        worst + 2
    }

    /// Delay of both changes of rate and of what waits, by the phase of a low tone.
    fn delay(&mut self, rate: Hz, own: u32) -> f64 {
        self.reset();
        // A hundredth of the lower rate: its period is longer than any error of the first guess.
        let step = std::f64::consts::TAU * 0.01 * rate.0.min(own.into()) / rate.0;
        let mut out = vec![0.0; self.hop];
        let guess = {
            // The first guess: where an impulse comes out.
            let mut best = (0.0_f32, 0);
            let frames = TRIED.min(4 + 4 * 8_192 / self.hop.max(1));
            for frame in 0..frames {
                let mut input = vec![0.0; self.hop];
                if frame == 0 {
                    input[0] = 1.0;
                }
                self.push(&input, |_| {});
                self.pull(&mut out);
                for (n, sample) in out.iter().enumerate() {
                    if sample.abs() > best.0 {
                        best = (sample.abs(), frame * self.hop + n);
                    }
                }
            }
            best.1 as f64
        };
        self.reset();
        let (mut re, mut im) = (0.0, 0.0);
        let settle = MEASURED.max(3 * guess as usize / self.hop.max(1));
        for frame in 0..settle + MEASURED {
            let first = (frame * self.hop) as f64;
            let input: Vec<f32> = (0..self.hop).map(|n| (step * (first + n as f64)).cos() as f32).collect();
            self.push(&input, |_| {});
            self.pull(&mut out);
            if frame >= settle {
                for (n, &sample) in out.iter().enumerate() {
                    let place = frame - settle;
                    let along = (place * self.hop + n) as f64 / (MEASURED * self.hop) as f64;
                    let weight = 0.5 - 0.5 * (std::f64::consts::TAU * along).cos();
                    let phase = step * (first + n as f64 - guess);
                    re += weight * f64::from(sample) * phase.cos();
                    im += weight * f64::from(sample) * phase.sin();
                }
            }
        }
        guess + im.atan2(re) / step
    }
}

/// One channel's stream through such a model.
pub struct Wave {
    enhancer: Enhancer,
    path: Path,
    /// The model's frame: the last samples, and the sum of frames that came out, `[window]`.
    history: Vec<f32>,
    overlap: Vec<f32>,
    analyser: Analyser,
    synthesis: Vec<f32>,
    spectrum: Vec<Complex32>,
    gains: Vec<Complex32>,
    /// What came out at the host's rate, the last samples, `[window of the mask]`.
    made: Vec<f32>,
    mask_analyser: Analyser,
    /// Its spectrum, `[bin]`, and what brings it by a part of a sample to where the input is.
    enhanced: Vec<Complex32>,
    turn: Vec<Complex32>,
    /// Bins below the end of the band whose powers tell the gain above it.
    top: usize,
}

impl std::fmt::Debug for Wave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wave").field("enhancer", &self.enhancer).finish_non_exhaustive()
    }
}

impl Wave {
    /// A stream with its states at zero.
    ///
    /// # Errors
    /// [`Error::Model`] when the manifest does not fit.
    pub fn new(plans: &[Arc<Plan>], frame: &Frame, framing: &Framing, format: Format) -> Result<Self, Error> {
        let own = Windows::new(frame, Hz(frame.rate.into()));
        let mask = Windows::new(&framing.frame, format.rate);
        let manifest = plans[0].manifest();
        let times = framing.times.ok_or_else(|| manifest.refuse("its delay is not known".into()))?;
        let path = Path::new(frame, &framing.frame, format.rate, times.reserve).map_err(|reason| manifest.refuse(reason))?;
        let late = times.delay - times.delay.round();
        let length = mask.analysis.len();
        let angle = |bin: usize| std::f64::consts::TAU * bin as f64 * late / length as f64;
        let unit = |angle: f64| Complex32::new(angle.cos() as f32, angle.sin() as f32);
        Ok(Self {
            enhancer: Enhancer::new(plans, frame, &own.analysis, own.scale)?,
            path,
            history: vec![0.0; frame.window],
            overlap: vec![0.0; frame.window],
            analyser: Analyser::scaled(own.analysis.clone(), own.scale),
            spectrum: vec![Complex32::default(); frame.bins()],
            gains: vec![Complex32::default(); frame.bins()],
            synthesis: own.synthesis,
            made: vec![0.0; length],
            mask_analyser: Analyser::scaled(mask.analysis.clone(), mask.scale),
            enhanced: vec![Complex32::default(); length / 2 + 1],
            turn: (0..=length / 2).map(|bin| unit(angle(bin))).collect(),
            top: super::enhancer::top_bins(&framing.frame, framing.bins),
        })
    }

    pub fn reset(&mut self) {
        self.enhancer.reset();
        self.path.reset();
        self.history.fill(0.0);
        self.overlap.fill(0.0);
        self.made.fill(0.0);
    }

    pub fn enhancer(&mut self) -> &mut Enhancer {
        &mut self.enhancer
    }

    pub fn has_failed(&self) -> bool {
        self.enhancer.has_failed()
    }

    pub fn bad_steps(&self) -> u64 {
        self.enhancer.bad_steps()
    }

    /// The newest hop of a channel, `[sample]`, and the spectrum of the frame that ends `lag` samples earlier in,
    /// and the mask for that frame out, both `[bin]`. Gives the gain above the band.
    pub fn step(&mut self, fresh: &[f32], due: &[Complex32], mask: &mut [Complex32]) -> f32 {
        let Self { enhancer, path, history, overlap, analyser, synthesis, spectrum, gains, made, .. } = self;
        path.push(fresh, |hop| {
            let kept = history.len() - hop.len();
            history.copy_within(hop.len().., 0);
            history[kept..].copy_from_slice(hop);
            analyser.analyse(history, spectrum);
            enhancer.step(spectrum, gains);
            for ((sum, sample), weight) in overlap.iter_mut().zip(enhancer.wave()).zip(synthesis.iter()) {
                *sum += sample * weight;
            }
            hop.copy_from_slice(&overlap[..hop.len()]);
            overlap.copy_within(hop.len().., 0);
            overlap[kept..].fill(0.0);
        });
        let hop = fresh.len();
        let kept = made.len() - hop;
        made.copy_within(hop.., 0);
        path.pull(&mut made[kept..]);
        self.mask_analyser.analyse(&self.made, &mut self.enhanced);
        let bins = mask.len().min(due.len());
        let (mut before, mut after) = (0.0, 0.0);
        for bin in 0..bins {
            let enhanced = self.enhanced[bin] * self.turn[bin];
            mask[bin] = quotient(enhanced, due[bin]);
            if bin + self.top >= bins {
                before += due[bin].norm_sqr();
                after += enhanced.norm_sqr();
            }
        }
        if before > 0.0 { (after / before).sqrt().min(1.0) } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Frame = Frame {
        rate: 16_000,
        window: 512,
        hop: 128,
        analysis: Window::Rectangular,
        synthesis: Window::Sum,
        synthesis_window: 512,
        scale: Scale::Factor(1.0),
        exact: false,
    };

    /// Without a model, what comes back is the input, late by what was measured.
    #[test]
    fn the_measured_delay_is_that_of_any_tone() {
        let mask = Frame { window: 256, synthesis_window: 256, synthesis: Window::SqrtHann, analysis: Window::SqrtHann, ..OWN };
        for rate in [8_000.0, 11_025.0, 16_000.0, 22_050.0, 44_100.0, 48_000.0, 96_000.0, 192_000.0] {
            let (mut path, times) = Path::measured(&OWN, &mask, Hz(rate)).unwrap();
            let late = times.delay - 384.0 * rate / 16_000.0;
            for hz in [220.0, 1_000.0, 3_000.0] {
                path.reset();
                let step = std::f64::consts::TAU * hz / rate;
                let (mut out, mut error, mut power) = (vec![0.0; path.hop], 0.0, 0.0);
                for frame in 0..300 {
                    let at = |n: usize| step * (frame * path.hop + n) as f64;
                    let input: Vec<f32> = (0..path.hop).map(|n| at(n).sin() as f32).collect();
                    let wanted: Vec<f64> = (0..path.hop).map(|n| (at(n) - step * late).sin()).collect();
                    path.push(&input, |_| {});
                    path.pull(&mut out);
                    if frame > 150 {
                        error += out.iter().zip(&wanted).map(|(&got, want)| (f64::from(got) - want).powi(2)).sum::<f64>();
                        power += wanted.iter().map(|want| want * want).sum::<f64>();
                    }
                }
                let db = 10.0 * (error / power).log10();
                assert!(db < -55.0, "{rate} Hz, tone of {hz} Hz, delay {late}: {db} dB");
            }
        }
    }
}
