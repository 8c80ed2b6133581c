//! A true-peak limiter: what comes out stays under a ceiling between the samples, too.
//!
//! ```text
//! audio ─┬─▶ delay ──────────────────────▶ × ─▶ the same again, small and quick ─▶ out
//!        └─▶ true peak ─▶ need ─▶ envelope ─┘
//! ```
//!
//! The gain of the first stage is right at each moment of the waveform as it comes in. Multiplying the
//! samples with a gain that moves is not quite the same as multiplying the waveform: a few hundredths of
//! a decibel appear between the samples, more where there is much sound near half the rate. The second
//! stage meets those; what it leaves is of second order.

use super::envelope::{Envelope, Return};
use crate::delay::Delay;
use crate::loudness::true_peak::{CHUNK, Interpolator, SHORT};
use crate::processor::Format;
use crate::ramp::Ramp;
use crate::units::{Db, Hz, Ms};
use std::ops::Range;

/// Shortest look-ahead.
pub const SHORTEST: Ms = Ms(1.5);
/// Longest look-ahead, which the delay is made for.
pub const LONGEST: Ms = Ms(5.0);
/// Length of the second stage's interpolating filter in samples: it passes 0.487 of the rate. With the
/// first stage's the peaks of cymbals that reach up to half the rate would be off by 0.2 dB.
const LONG: usize = 128;
/// Look-ahead of the second stage.
const SECOND_AHEAD: Ms = Ms(0.75);
/// Release of the second stage: it must not linger, and its depths are too small to be heard.
const SECOND_RELEASE: Ms = Ms(15.0);
/// Time over which the ceiling moves to a new value.
const CEILING_TIME: Ms = Ms(20.0);
/// Samples in which the look-ahead moves by one: from one end to the other in a tenth of a second, slow
/// enough for the gain to stay right on its way.
const SAMPLES_A_STEP: u64 = 16;
/// From this share of the ceiling on peaks are looked at closely: the parabola adds 0.2 dB at most.
const NEAR: f32 = 0.97;

// The programme's own return, found by measuring music and tones: half as long is 0.3 LU louder and has
// 4 dB more distortion on a bass, twice as long the other way round (training/master/limiter.py).
/// A single peak is forgotten before it is missed.
const FAST: Ms = Ms(20.0);
/// How long a depth must last to count as lasting.
const GATHER: Ms = Ms(200.0);
/// The return from a depth that has lasted.
const SLOW: Ms = Ms(350.0);

/// How the gain comes back after a peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Release {
    /// By the programme: fast after single peaks, slow where limiting lasts.
    Auto,
    /// Always in this time: depth falls to a third (1/e) in it.
    Time(Ms),
}

impl Release {
    /// As factors per sample at a rate.
    pub(super) fn at(self, rate: f64) -> Return {
        match self {
            Self::Auto => Return::Programme { fast: keep(FAST, rate), gather: 1.0 - keep(GATHER, rate), slow: keep(SLOW, rate) },
            Self::Time(time) => Return::Steady { keep: keep(time, rate) },
        }
    }
}

/// What a limiter is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Highest true peak that comes out, in dB over full scale (dBTP).
    pub ceiling: Db,
    /// How the gain comes back.
    pub release: Release,
    /// How long before a peak the gain begins to fall, from [`SHORTEST`] to [`LONGEST`].
    pub ahead: Ms,
    /// How far channels share their gain, 0 to 1: at 1 the image stays where it is.
    pub link: f32,
}

impl Default for Limit {
    fn default() -> Self {
        Self { ceiling: Db(-1.0), release: Release::Auto, ahead: Ms(3.0), link: 1.0 }
    }
}

/// What remains after a sample of what falls to 1/e in `time`.
fn keep(time: Ms, rate: f64) -> f64 {
    (-1000.0 / (f64::from(time.0.max(0.01)) * rate)).exp()
}

/// Detection, envelope and gain, once.
#[derive(Clone, Debug)]
struct Stage<const TAPS: usize> {
    most: usize,
    ahead: usize,
    channels: Vec<Channel<TAPS>>,
    /// Deepest gain since it was taken.
    gain: f32,
    /// Gains of the chunk that all channels share.
    gains: Vec<f32>,
    /// All channels have shared their gains since the reset: the first one's envelope stands for all.
    shared: bool,
}

#[derive(Clone, Debug)]
struct Channel<const TAPS: usize> {
    interpolator: Interpolator<TAPS>,
    envelope: Envelope,
    delay: Delay,
    /// Depths that are needed in the chunk.
    needs: Vec<f32>,
}

impl<const TAPS: usize> Stage<TAPS> {
    fn new(most: usize, channels: usize) -> Self {
        let channel = Channel {
            interpolator: Interpolator::default(),
            envelope: Envelope::new(most),
            delay: Delay::new(Interpolator::<TAPS>::DELAY + most),
            needs: vec![0.0; CHUNK],
        };
        Self { most, ahead: most, channels: vec![channel; channels], gain: 1.0, gains: vec![1.0; CHUNK], shared: true }
    }

    fn latency(&self) -> usize {
        Interpolator::<TAPS>::DELAY + self.most
    }

    fn reset(&mut self) {
        for channel in &mut self.channels {
            channel.interpolator.reset();
            channel.envelope.reset();
            channel.delay.reset();
        }
        self.gain = 1.0;
        self.shared = true;
    }

    /// The gains of a chunk by an envelope, for as many needs as there are places; returns the look-ahead that it ends with.
    fn follow(envelope: &mut Envelope, needs: &[f32], gains: &mut [f32], time: u64, from: usize, ahead: usize, back: &Return) -> usize {
        let mut now = from;
        for (index, (gain, &need)) in gains.iter_mut().zip(needs).enumerate() {
            if now != ahead && (time + index as u64).is_multiple_of(SAMPLES_A_STEP) {
                now = if ahead > now { now + 1 } else { now - 1 };
            }
            *gain = envelope.step(need, now, back);
        }
        now
    }

    /// Limits a chunk in place, the range of `audio[channel][sample]`, to the ceilings of its samples,
    /// linear. `time` counts the samples up to the chunk.
    fn process(&mut self, audio: &mut [&mut [f32]], range: Range<usize>, ceilings: &[f32], time: u64, ahead: usize, how: (&Return, f32)) {
        let (back, link) = how;
        for (channel, samples) in self.channels.iter_mut().zip(audio.iter()) {
            let needs = &mut channel.needs;
            let intervals = channel.interpolator.process(&samples[range.clone()]);
            for (index, (need, (&coarse, &ceiling))) in needs.iter_mut().zip(intervals.coarse().iter().zip(ceilings)).enumerate() {
                *need = 0.0;
                if coarse > ceiling * NEAR {
                    let peak = intervals.peak(index);
                    if peak > ceiling {
                        *need = 1.0 - ceiling / peak;
                    }
                }
            }
        }
        let length = range.len();
        let linked = link >= 1.0 || self.channels.len() < 2;
        if link > 0.0 && self.channels.len() > 1 {
            for index in 0..length {
                let most = self.channels.iter().fold(0.0, |most: f32, channel| most.max(channel.needs[index]));
                for channel in &mut self.channels {
                    let need = &mut channel.needs[index];
                    *need = if linked { most } else { *need + (most - *need) * link };
                }
            }
        }
        let gains = &mut self.gains[..length];
        if let Some((first, others)) = self.channels.split_first_mut() {
            if self.shared && !linked {
                others.iter_mut().for_each(|other| other.envelope.follow(&first.envelope));
                self.shared = false;
            }
            let from = self.ahead;
            self.ahead = Self::follow(&mut first.envelope, &first.needs, gains, time, from, ahead, back);
            let mut apply = |channel: &mut Channel<TAPS>, samples: &mut [f32], gains: &[f32]| {
                channel.delay.process(samples);
                for (sample, &gain) in samples.iter_mut().zip(gains) {
                    self.gain = if gain < self.gain { gain } else { self.gain };
                    *sample *= gain;
                }
            };
            let mut audio = audio.iter_mut();
            if let Some(samples) = audio.next() {
                apply(first, &mut samples[range.clone()], gains);
            }
            for (channel, samples) in others.iter_mut().zip(audio) {
                if !self.shared {
                    // Each channel goes the same way from the same look-ahead.
                    Self::follow(&mut channel.envelope, &channel.needs, gains, time, from, ahead, back);
                }
                apply(channel, &mut samples[range.clone()], gains);
            }
        }
    }
}

/// The limiter of any number of channels.
#[derive(Clone, Debug)]
pub struct TruePeakLimiter {
    rate: f64,
    first: Stage<SHORT>,
    second: Stage<LONG>,
    ceiling: Ramp,
    ceilings: Vec<f32>,
    second_back: Return,
    /// Samples since the reset.
    time: u64,
    /// True until the first block, whose look-ahead is taken at once.
    fresh: bool,
}

impl TruePeakLimiter {
    /// A limiter for a format.
    pub fn new(format: Format) -> Self {
        Self::with_longest(format, LONGEST)
    }

    /// A limiter that can look ahead for no longer than `longest`, for who needs a shorter delay.
    pub fn with_longest(format: Format, longest: Ms) -> Self {
        let Hz(rate) = format.rate;
        // Two samples are the least that a smooth gain takes.
        let samples = |ahead: Ms| ahead.to_samples(format.rate).max(2);
        Self {
            rate,
            first: Stage::new(samples(longest), format.channels),
            second: Stage::new(samples(SECOND_AHEAD), format.channels),
            ceiling: Ramp::new(CEILING_TIME, format.rate),
            ceilings: vec![0.0; CHUNK],
            second_back: Return::Steady { keep: keep(SECOND_RELEASE, rate) },
            time: 0,
            fresh: true,
        }
    }

    /// Delay from input to output in samples: the same for all settings.
    pub fn latency(&self) -> usize {
        self.first.latency() + self.second.latency()
    }

    /// Forgets all history.
    pub fn reset(&mut self) {
        self.first.reset();
        self.second.reset();
        self.ceiling.reset();
        self.time = 0;
        self.fresh = true;
    }

    /// Limits a block in place, `audio[channel][sample]`, of any length, finite samples only
    /// ([`usable`](crate::sample::usable)). Where nothing reaches the ceiling the output is the delayed
    /// input, bit for bit. Never allocates.
    pub fn process(&mut self, audio: &mut [&mut [f32]], limit: &Limit) {
        let length = audio.iter().map(|samples| samples.len()).min().unwrap_or(0);
        self.process_range(audio, 0..length, limit);
    }

    /// As [`process`](Self::process) for a range of the block, which every channel must have.
    pub fn process_range(&mut self, audio: &mut [&mut [f32]], range: Range<usize>, limit: &Limit) {
        if audio.len() != self.first.channels.len() {
            return;
        }
        self.ceiling.set(limit.ceiling.to_linear());
        let ahead = limit.ahead.to_samples(Hz(self.rate)).clamp(2.min(self.first.most), self.first.most);
        if std::mem::take(&mut self.fresh) {
            self.first.ahead = ahead;
        }
        let back = limit.release.at(self.rate);
        let link = limit.link.clamp(0.0, 1.0);
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + CHUNK);
            let ceilings = &mut self.ceilings[..end - at];
            ceilings.fill_with(|| self.ceiling.step());
            self.first.process(audio, at..end, ceilings, self.time, ahead, (&back, link));
            let whole = self.second.most;
            self.second.process(audio, at..end, ceilings, self.time, whole, (&self.second_back, link));
            self.time += (end - at) as u64;
            at = end;
        }
    }

    /// Deepest gain of all channels, linear, since the last call.
    pub fn take_gain(&mut self) -> f32 {
        std::mem::replace(&mut self.first.gain, 1.0) * std::mem::replace(&mut self.second.gain, 1.0)
    }
}
