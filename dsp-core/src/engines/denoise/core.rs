//! One path of the denoiser, at one latency: frames in, masks, frames out.

use super::aside::Pace;
use super::models::Player;
use super::settings::{Link, Listen, Settings};
use super::stream::Framing;
use crate::framing::{Stft, Windows};
use crate::mask::{Shaping, ShapingSettings, magnitude};
use crate::processor::{Format, Frame, Observer};
use crate::realtime::{Deadline, Work};
use crate::units::Ms;
use realfft::num_complex::Complex32;
use std::ops::Range;

const ONE: Complex32 = Complex32::new(1.0, 0.0);

/// A path.
#[derive(Debug)]
pub struct Core {
    stft: Stft,
    /// Brings spectra to amplitude, squared.
    to_power: f32,
    rate: f64,
    deadline: Deadline,
    seconds: f32,
    shapings: Vec<Shaping>,
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
    /// It stays silent.
    held: bool,
    /// The first frame takes gains as they are, without a ramp.
    fresh: bool,
}

impl Core {
    pub fn new(framing: &Framing, format: Format) -> Self {
        let windows = Windows::new(&framing.frame, format.rate);
        let to_power = windows.amplitude * windows.amplitude;
        let stft = Stft::new(windows, format.channels, framing.look_ahead, framing.lag);
        let bins = stft.bins();
        let bin_hz = format.rate.0 as f32 / (2 * (bins - 1)) as f32;
        let hop = stft.hop();
        let mut core = Self {
            deadline: Deadline::new(hop, format.rate),
            seconds: Ms::from_samples(hop, format.rate).0 / 1000.0,
            shapings: (0..format.channels).map(|_| Shaping::new(bins, bin_hz, hop, format.rate)).collect(),
            proposed: vec![ONE; framing.bins],
            to_power,
            mask: vec![ONE; bins],
            power: vec![0.0; bins],
            gains: vec![1.0; bins],
            level: 1.0,
            wet: 1.0,
            fade: 1.0,
            held: false,
            fresh: true,
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
        self.held = false;
        self.fresh = true;
        self.deadline.reset();
    }

    /// What comes is silent until [`Core::fade_in`].
    pub fn hold(&mut self) {
        self.fade = 0.0;
        self.held = true;
    }

    /// The next hop fades in from silence.
    pub fn fade_in(&mut self) {
        self.held = false;
    }

    pub fn hop(&self) -> usize {
        self.stft.hop()
    }

    /// Processes a range of a block in place; `left` samples of the block come after it. Gives the number of
    /// late frames.
    pub fn process(
        &mut self,
        audio: &mut [&mut [f32]],
        (range, left): (Range<usize>, usize),
        settings: &Settings,
        mut player: Option<&mut Player>,
        realtime: bool,
        observer: &mut dyn Observer,
    ) -> u64 {
        let mut late = 0;
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + self.stft.until_frame());
            if self.stft.exchange(audio.iter_mut().map(|channel| &mut **channel), at..end, true) {
                let pace = self.pace(realtime, range.end - end + left);
                late += u64::from(self.frame(settings, player.as_deref_mut(), pace, observer));
            }
            at = end;
        }
        late
    }

    /// The pace at a frame after which so many samples of the block are left.
    fn pace(&self, realtime: bool, left: usize) -> Pace {
        Pace { realtime, burst: left >= self.hop() }
    }

    /// Takes samples in and gives none out, `input[channel][sample]`; as [`Core::process`] else.
    pub fn fill(
        &mut self,
        input: &mut [Vec<f32>],
        (length, left): (usize, usize),
        settings: &Settings,
        mut player: Option<&mut Player>,
        realtime: bool,
    ) -> u64 {
        let mut late = 0;
        let mut at = 0;
        while at < length {
            let end = length.min(at + self.stft.until_frame());
            if self.stft.exchange(input.iter_mut().map(|channel| &mut channel[..]), at..end, false) {
                let pace = self.pace(realtime, length - end + left);
                late += u64::from(self.frame(settings, player.as_deref_mut(), pace, &mut ()));
            }
            at = end;
        }
        late
    }

    /// One frame of all channels. True when its model step was late.
    fn frame(&mut self, settings: &Settings, player: Option<&mut Player>, pace: Pace, observer: &mut dyn Observer) -> bool {
        self.stft.analyse();
        let channels = self.channels();
        self.power.fill(0.0);
        for channel in 0..channels {
            for (power, bin) in self.power.iter_mut().zip(self.stft.due(channel)) {
                *power += bin.norm_sqr() * self.to_power / channels as f32;
            }
        }
        // Behind a late step a frame passes dry.
        let dry = !self.deadline.wants_step();
        let own = settings.link == Link::PerChannel;
        let mut late = false;
        let mut answers = match player {
            Some(Player::Here(job)) if !dry => {
                self.deadline.resume();
                job.ask(&self.stft, channels, own);
                job.run();
                late = pace.realtime && self.deadline.judge();
                Some(&mut job.answers)
            }
            Some(Player::Aside(aside)) => {
                let (answers, behind) = aside.step(&self.stft, channels, own, pace);
                late = behind;
                Some(answers)
            }
            _ => None,
        };
        let shaping = ShapingSettings {
            amount: settings.amount,
            shares: [settings.low, settings.mid, settings.high],
            strength: settings.strength,
            release: settings.release,
            limit: settings.limit,
        };
        let ready = answers.is_some();
        let targets = [
            if settings.bypass { 1.0 } else { settings.output.to_linear() },
            if settings.bypass || !ready && settings.listen == Listen::Cleaned { 0.0 } else { 1.0 },
            if self.held { 0.0 } else { 1.0 },
        ];
        if std::mem::take(&mut self.fresh) {
            [self.level, self.wet] = [targets[0], targets[1]];
        }
        let starts = [self.level, self.wet, self.fade];
        self.gains.fill(0.0);
        for channel in 0..channels {
            if own || channel == 0 {
                self.proposed.fill(ONE);
                let above = answers.as_deref_mut().map_or(1.0, |said| said.take(channel, channels, &self.stft, &mut self.proposed));
                extend(&self.proposed, above, &mut self.mask);
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
        if settings.bypass {
            self.gains.fill(1.0);
        }
        observer.frame(&Frame {
            input_power: &self.power,
            gain: &self.gains,
            bin_hz: (self.rate / (2 * (self.mask.len() - 1)) as f64) as f32,
            seconds: self.seconds,
            age: self.stft.age() / self.rate as f32,
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

/// Copies a mask of the model's band onto the host's bins; above the band the gain is `above`.
fn extend(proposed: &[Complex32], above: f32, mask: &mut [Complex32]) {
    let shared = proposed.len().min(mask.len());
    mask[..shared].copy_from_slice(&proposed[..shared]);
    mask[shared..].fill(Complex32::new(above, 0.0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_band_the_gain_is_the_one_for_there() {
        let proposed = vec![Complex32::new(0.25, 0.0); 481];
        let mut mask = vec![ONE; 961];
        extend(&proposed, 0.5, &mut mask);
        assert!(mask[..481].iter().all(|gain| gain.re == 0.25) && mask[481..].iter().all(|gain| gain.re == 0.5));
        let mut short = vec![ONE; 161];
        extend(&proposed, 0.5, &mut short);
        assert_eq!(short[160].re, 0.25);
    }
}
