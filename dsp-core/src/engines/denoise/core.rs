//! One path of the denoiser, at one latency: frames in, masks, frames out.

use super::linking;
use super::mask_runner::MaskRunner;
use super::settings::{Link, Listen, Settings};
use crate::framing::{Shape, Stft, Windows};
use crate::mask::{Shaping, ShapingSettings, magnitude};
use crate::processor::{Format, Frame, Observer, hop_time};
use crate::realtime::Scope;
use crate::units::Ms;
use realfft::num_complex::Complex32;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Models of the standard and the low-latency path.
pub const MODEL_IDS: [&str; 2] = ["denoise", "denoise-low"];
/// Bins of the models' spectrum: 0 to 24 kHz.
pub const MODEL_BINS: usize = 481;
/// Above the models' band the gain is the mean over this many of its top bins (2 kHz).
const TOP_BINS: usize = 40;
const ONE: Complex32 = Complex32::new(1.0, 0.0);

/// A path.
#[derive(Debug)]
pub struct Core {
    stft: Stft,
    rate: f64,
    /// What a hop lasts.
    deadline: Duration,
    seconds: f32,
    shapings: Vec<Shaping>,
    /// What the model sees, `[bin]`.
    joined: Vec<Complex32>,
    /// What the model says, `[bin]`.
    proposed: Vec<Complex32>,
    /// What is applied, `[bin]`, over the host's bins.
    mask: Vec<Complex32>,
    /// For the observer, `[bin]`.
    power: Vec<f32>,
    gains: Vec<f32>,
    /// Output gain and share of the processed signal at the end of the last hop.
    level: f32,
    wet: f32,
    /// Gain over everything, to fade in after a change of path.
    fade: f32,
    /// The first frame takes gains as they are, without a ramp.
    fresh: bool,
    /// The last step was late, so the next frame passes dry.
    skip: bool,
}

impl Core {
    pub fn new(shape: Shape, format: Format) -> Self {
        let windows = Windows::new(shape, format.rate);
        let stft = Stft::new(windows, format.channels);
        let bins = stft.bins();
        let bin_hz = format.rate.0 as f32 / (2 * (bins - 1)) as f32;
        let hop = stft.hop();
        let mut core = Self {
            deadline: hop_time(hop, format.rate),
            seconds: Ms::from_samples(hop, format.rate).0 / 1000.0,
            shapings: (0..format.channels).map(|_| Shaping::new(bins, bin_hz, hop, format.rate)).collect(),
            joined: vec![Complex32::default(); MODEL_BINS],
            proposed: vec![ONE; MODEL_BINS],
            mask: vec![ONE; bins],
            power: vec![0.0; bins],
            gains: vec![1.0; bins],
            level: 1.0,
            wet: 1.0,
            fade: 1.0,
            fresh: true,
            skip: false,
            rate: format.rate.0,
            stft,
        };
        core.reset();
        core
    }

    pub fn channels(&self) -> usize {
        self.shapings.len()
    }

    pub fn latency(&self) -> usize {
        self.stft.latency()
    }

    pub fn reset(&mut self) {
        self.stft.reset();
        self.shapings.iter_mut().for_each(Shaping::reset);
        self.fade = 1.0;
        self.fresh = true;
        self.skip = false;
    }

    /// The next hop fades in from silence.
    pub fn fade_in(&mut self) {
        self.fade = 0.0;
    }

    /// Processes a range of a block in place. Gives the number of late frames.
    pub fn process(
        &mut self,
        audio: &mut [&mut [f32]],
        range: Range<usize>,
        settings: &Settings,
        mut runners: Option<&mut [MaskRunner]>,
        realtime: bool,
        observer: &mut dyn Observer,
    ) -> u64 {
        let mut late = 0;
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + self.stft.until_frame());
            if self.stft.exchange(audio.iter_mut().map(|channel| &mut **channel), at..end, true) {
                late += u64::from(self.frame(settings, runners.as_deref_mut(), realtime, observer));
            }
            at = end;
        }
        late
    }

    /// Takes samples in and gives none out, `input[channel][sample]`. Gives the number of late frames.
    pub fn fill(
        &mut self,
        input: &mut [Vec<f32>],
        length: usize,
        settings: &Settings,
        mut runners: Option<&mut [MaskRunner]>,
        realtime: bool,
    ) -> u64 {
        let mut late = 0;
        let mut at = 0;
        while at < length {
            let end = length.min(at + self.stft.until_frame());
            if self.stft.exchange(input.iter_mut().map(|channel| &mut channel[..]), at..end, false) {
                late += u64::from(self.frame(settings, runners.as_deref_mut(), realtime, &mut ()));
            }
            at = end;
        }
        late
    }

    /// One frame of all channels. True when its model step was late.
    fn frame(&mut self, settings: &Settings, runners: Option<&mut [MaskRunner]>, realtime: bool, observer: &mut dyn Observer) -> bool {
        self.stft.analyse();
        let channels = self.channels();
        self.power.fill(0.0);
        for channel in 0..channels {
            for (power, bin) in self.power.iter_mut().zip(self.stft.spectrum(channel)) {
                *power += bin.norm_sqr() / channels as f32;
            }
        }
        let dry = std::mem::take(&mut self.skip);
        let mut runners = runners.filter(|_| !dry);
        let shaping = ShapingSettings {
            amount: settings.amount,
            shares: [settings.low, settings.mid, settings.high],
            strength: settings.strength,
            release: settings.release,
            limit: settings.limit,
        };
        let ready = runners.is_some();
        let targets = [
            if settings.bypass { 1.0 } else { settings.output.to_linear() },
            if settings.bypass || !ready && settings.listen == Listen::Cleaned { 0.0 } else { 1.0 },
            1.0,
        ];
        if std::mem::take(&mut self.fresh) {
            [self.level, self.wet] = [targets[0], targets[1]];
        }
        let starts = [self.level, self.wet, self.fade];
        self.gains.fill(0.0);
        let mut late = false;
        for channel in 0..channels {
            let own = settings.link == Link::PerChannel;
            if own || channel == 0 {
                let stft = &self.stft;
                if own {
                    linking::join(|_| stft.spectrum(channel), 1, &mut self.joined);
                } else {
                    linking::join(|index| stft.spectrum(index), channels, &mut self.joined);
                }
                match runners.as_mut().and_then(|runners| runners.get_mut(channel)) {
                    Some(runner) => {
                        let started = realtime.then(Instant::now);
                        let _scope = Scope::enter();
                        runner.step(&self.joined, &mut self.proposed);
                        late |= started.is_some_and(|start| start.elapsed() > self.deadline);
                    }
                    None => self.proposed.fill(ONE),
                }
                extend(&self.proposed, &mut self.mask);
                if ready {
                    self.shapings[channel].apply(&shaping, &mut self.mask);
                }
                if settings.listen == Listen::Removed {
                    self.mask.iter_mut().for_each(|gain| *gain = ONE - *gain);
                }
            }
            for (sum, gain) in self.gains.iter_mut().zip(&self.mask) {
                let applied = if settings.listen == Listen::Removed { ONE - *gain } else { *gain };
                *sum += magnitude(applied) / channels as f32;
            }
            let (out, dry) = self.stft.synthesise(channel, &self.mask);
            mix(out, dry, starts, targets);
        }
        [self.level, self.wet, self.fade] = targets;
        self.skip = late;
        if settings.bypass {
            self.gains.fill(1.0);
        }
        observer.frame(&Frame {
            input_power: &self.power,
            gain: &self.gains,
            bin_hz: (self.rate / (2 * (self.mask.len() - 1)) as f64) as f32,
            seconds: self.seconds,
            // The middle of the synthesis window, in which a frame sounds.
            age: 0.5 * self.stft.latency() as f32 / self.rate as f32,
            late,
            detection: None,
        });
        late
    }
}

/// Mixes processed and delayed input into `out` and applies the gains, each along a straight line
/// over the hop: output level, share of the processed signal, fade.
fn mix(out: &mut [f32], dry: &[f32], starts: [f32; 3], targets: [f32; 3]) {
    if starts == targets && targets[2] == 1.0 {
        match targets {
            // Bypass and a missing model give the input's own bits.
            [1.0, 0.0, _] => return out.copy_from_slice(dry),
            [level, 1.0, _] => return out.iter_mut().for_each(|sample| *sample *= level),
            _ => {}
        }
    }
    let step = 1.0 / out.len() as f32;
    for (index, (sample, &dry)) in out.iter_mut().zip(dry).enumerate() {
        let along = (index + 1) as f32 * step;
        let [level, wet, fade] = std::array::from_fn(|i| starts[i] + (targets[i] - starts[i]) * along);
        *sample = (dry + (*sample - dry) * wet) * level * fade;
    }
}

/// Copies a mask of the models' band onto the host's bins; above the band the gain is the mean of
/// its top bins.
fn extend(proposed: &[Complex32], mask: &mut [Complex32]) {
    let shared = proposed.len().min(mask.len());
    mask[..shared].copy_from_slice(&proposed[..shared]);
    if mask.len() > shared {
        let top = proposed[shared - TOP_BINS..].iter().map(|gain| magnitude(*gain)).sum::<f32>() / TOP_BINS as f32;
        mask[shared..].fill(Complex32::new(top, 0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_band_the_gain_follows_the_top() {
        let proposed = vec![Complex32::new(0.25, 0.0); MODEL_BINS];
        let mut mask = vec![ONE; 961];
        extend(&proposed, &mut mask);
        assert!(mask.iter().all(|gain| (gain.re - 0.25).abs() < 1e-6));
        let mut short = vec![ONE; 161];
        extend(&proposed, &mut short);
        assert_eq!(short[160].re, 0.25);
    }
}
