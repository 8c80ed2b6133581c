//! The chain at a format: pieces down the list of stages, and once in 10 ms what they are told.

use super::models::Models;
use super::music::Music;
use super::settings::{AHEAD, Listen, Settings};
use super::stages::{COUNT, Kind, STAGES, Slot, StageFrame};
use super::tone::Tone;
use crate::delay::Delay;
use crate::dynamics::compressor::Compressor;
use crate::dynamics::leveller::Leveller;
use crate::dynamics::limiter::TruePeakLimiter;
use crate::engines::deess::{self, Deess};
use crate::engines::denoise::{self, Denoise};
use crate::engines::frames::Frames;
use crate::engines::meter::Programme;
use crate::engines::{Engine, part};
use crate::events::{self, Listener};
use crate::filters::Equaliser;
use crate::processor::{Error, Format, Frame, Observer, Processor};
use crate::ramp::Ramp;
use crate::realtime::{Deadline, Scope};
use crate::sample::usable_all;
use crate::units::{Db, Ms};
use std::ops::Range;

/// Samples at a time.
const CHUNK: usize = 256;
/// Time over which bypass and listening move.
const MOVE: Ms = Ms(20.0);
/// From this share stepped back on there is music, for what holds or does not.
const THERE: f32 = 0.5;
/// Probability from which a hop counts as speech for the tone.
const SPEECH: f32 = 0.7;
/// Deepest gain of the limiter that is told, dB.
const DEEPEST: f32 = -60.0;

/// What the denoiser saw in its last hop, kept for those who need a spectrum too.
#[derive(Debug)]
struct Spectrum {
    power: Vec<f32>,
    gain: Vec<f32>,
    bins: usize,
    bin_hz: f32,
    late: bool,
}

impl Observer for Spectrum {
    fn frame(&mut self, frame: &Frame<'_>) {
        self.bins = frame.input_power.len().min(self.power.len());
        self.power[..self.bins].copy_from_slice(&frame.input_power[..self.bins]);
        self.gain[..self.bins].copy_from_slice(&frame.gain[..self.bins]);
        (self.bin_hz, self.late) = (frame.bin_hz, self.late | frame.late);
    }
}

/// The engine at a format.
#[derive(Debug)]
pub struct Core {
    hop: usize,
    /// Samples of the present hop that are done.
    done: usize,
    seconds: f32,
    slots: [Slot; COUNT],
    latency: usize,
    high_pass: Equaliser,
    denoise: Denoise,
    deess: Deess,
    leveller: Leveller,
    compressor: Compressor,
    tone: Tone,
    limiter: TruePeakLimiter,
    /// The limiter has not seen what came last.
    slept: bool,
    spectrum: Spectrum,
    heard: events::Frame,
    music: Music,
    /// The input, delayed as the output is, `[channel]`, and a piece of it.
    whole: Vec<Delay>,
    dry: Vec<Vec<f32>>,
    /// The leveller's gain in what comes out now, `[sample]`: made there, it waits for the stages behind.
    behind: Delay,
    levels: Vec<f32>,
    shares: Vec<f32>,
    wet: Ramp,
    removed: Ramp,
    frames: Frames,
    programme: Programme,
    realtime: bool,
    /// Of the listener's steps, and how many were late.
    deadline: Deadline,
    late: u64,
}

/// Delays of the stages in samples, in the order of [`STAGES`].
fn latencies(denoise: &Denoise, deess: &Deess, limiter: &TruePeakLimiter) -> [usize; COUNT] {
    STAGES.map(|stage| match stage.kind {
        Kind::Denoise => denoise.latency(&denoise::Settings::default()),
        Kind::Deess => deess.latency(&deess::Settings::default()),
        Kind::Limiter => limiter.latency(),
        Kind::HighPass | Kind::Leveller | Kind::Compressor | Kind::Tone => 0,
    })
}

impl Core {
    /// For a format; the engines keep the models that they have.
    pub fn new(format: Format, (mut denoise, mut deess): (Denoise, Deess)) -> Result<Self, Error> {
        denoise.prepare(format)?;
        deess.prepare(format)?;
        let mut high_pass = Equaliser::new();
        high_pass.prepare(format)?;
        let limiter = TruePeakLimiter::with_longest(format, AHEAD);
        let delays = latencies(&denoise, &deess, &limiter);
        let behind = STAGES.iter().zip(delays).skip_while(|(stage, _)| stage.kind != Kind::Leveller).skip(1).map(|(_, delay)| delay).sum();
        let latency = delays.iter().sum();
        // As the denoiser frames: whole samples, rounded down.
        let hop = ((format.rate.0 * f64::from(events::HOP.0) / 1_000.0).floor() as usize).max(1);
        let bins = hop + 1;
        Ok(Self {
            hop,
            done: 0,
            seconds: Ms::from_samples(hop, format.rate).0 / 1_000.0,
            slots: delays.map(|delay| Slot::new(delay, CHUNK, format)),
            latency,
            leveller: Leveller::new(format, hop),
            compressor: Compressor::new(format),
            tone: Tone::new(format)?,
            spectrum: Spectrum { power: vec![0.0; bins], gain: vec![1.0; bins], bins: 0, bin_hz: 50.0, late: false },
            heard: events::Frame::NOTHING,
            music: Music::BEGINNING,
            whole: vec![Delay::new(latency); format.channels],
            dry: vec![vec![0.0; CHUNK]; format.channels],
            behind: Delay::new(behind),
            levels: vec![1.0; CHUNK],
            shares: vec![0.0; CHUNK],
            wet: Ramp::new(MOVE, format.rate),
            removed: Ramp::new(MOVE, format.rate),
            frames: Frames::new(format),
            programme: Programme::new(format)?,
            slept: false,
            realtime: false,
            late: 0,
            deadline: Deadline::new(hop, format.rate),
            high_pass,
            denoise,
            deess,
            limiter,
        })
    }

    /// The engines that hold models.
    pub fn into_parts(self) -> (Denoise, Deess) {
        (self.denoise, self.deess)
    }

    pub fn channels(&self) -> usize {
        self.whole.len()
    }

    pub fn latency(&self) -> usize {
        self.latency
    }

    pub fn set_realtime(&mut self, realtime: bool) {
        self.realtime = realtime;
        self.denoise.set_realtime(realtime);
        self.deess.set_realtime(realtime);
    }

    pub fn late_frames(&self) -> u64 {
        self.denoise.late_frames() + self.deess.late_frames() + self.late
    }

    pub fn notice(&self) -> Option<&'static str> {
        self.deess.notice().map(|_| "there is no band for sibilants at a sample rate under 12 kHz; the de-esser passes the sound on")
    }

    /// Takes the stages' models out of a box; gives the ones they had.
    pub fn install(&mut self, models: &mut Models) -> (Option<Box<denoise::Models>>, Option<Box<deess::Models>>) {
        let denoise = models.denoise.take().and_then(|models| self.denoise.install(models));
        let deess = models.deess.take().and_then(|models| self.deess.install(models));
        (denoise, deess)
    }

    pub fn reset(&mut self) {
        self.high_pass.reset();
        self.denoise.reset();
        self.deess.reset();
        self.leveller.reset();
        self.compressor.reset();
        self.tone.reset();
        self.limiter.reset();
        self.slept = false;
        self.slots.iter_mut().for_each(Slot::reset);
        self.whole.iter_mut().for_each(Delay::reset);
        // Before the first sample the gain was one.
        self.behind.reset();
        self.levels.fill(1.0);
        let mut waiting = self.behind.samples();
        while waiting > 0 {
            let length = waiting.min(CHUNK);
            self.levels[..length].fill(1.0);
            self.behind.process(&mut self.levels[..length]);
            waiting -= length;
        }
        self.wet.reset();
        self.removed.reset();
        self.frames.reset();
        self.programme.begin();
        // Until it is heard what sounds, nothing is done to it.
        (self.done, self.music, self.heard) = (0, Music::BEGINNING, events::Frame::NOTHING);
        (self.spectrum.bins, self.spectrum.late) = (0, false);
        self.deadline.reset();
    }

    /// Processes a block in place, `audio[channel][sample]`.
    pub fn process(
        &mut self,
        audio: &mut [&mut [f32]],
        settings: &Settings,
        mut listener: Option<&mut Listener>,
        observer: &mut dyn Observer,
    ) {
        let length = audio.iter().map(|channel| channel.len()).min().unwrap_or(0);
        self.wet.set(f32::from(u8::from(!settings.bypass && listener.is_some())));
        self.removed.set(f32::from(u8::from(settings.listen == Listen::Removed)));
        for (slot, on) in self.slots.iter_mut().zip(settings.on) {
            slot.switch(on);
        }
        let mut at = 0;
        while at < length {
            if self.done == 0 {
                let keep = 1.0 - settings.keep_music.clamp(0.0, 1.0) * self.music.state();
                for (slot, stage) in self.slots.iter_mut().zip(&STAGES) {
                    slot.head_for(if stage.steps_back { keep } else { 1.0 });
                }
            }
            let end = length.min(at + CHUNK).min(at + self.hop - self.done);
            self.piece(audio, at..end, settings, observer);
            self.done += end - at;
            if self.done == self.hop {
                self.done = 0;
                self.hop(settings, listener.as_deref_mut(), observer);
            }
            at = end;
        }
    }

    /// A piece that lies within a hop.
    fn piece(&mut self, audio: &mut [&mut [f32]], range: Range<usize>, settings: &Settings, observer: &mut dyn Observer) {
        let length = range.len();
        for ((channel, dry), delay) in audio.iter_mut().zip(&mut self.dry).zip(&mut self.whole) {
            let channel = &mut channel[range.clone()];
            usable_all(channel);
            dry[..length].copy_from_slice(channel);
            delay.process(&mut dry[..length]);
        }
        for (slot, stage) in self.slots.iter_mut().zip(&STAGES) {
            slot.before(audio, range.clone());
            match stage.kind {
                Kind::HighPass => self.high_pass.process(&mut part(audio, range.clone())[..self.dry.len()], &settings.high_pass, &mut ()),
                Kind::Denoise => {
                    self.denoise.process(&mut part(audio, range.clone())[..self.dry.len()], &settings.denoise, &mut self.spectrum);
                }
                Kind::Deess => self.deess.process(&mut part(audio, range.clone())[..self.dry.len()], &settings.deess, &mut ()),
                Kind::Leveller => self.leveller.process(audio, range.clone(), &mut self.levels),
                Kind::Compressor => self.compressor.process(audio, range.clone(), &settings.compressor),
                Kind::Tone => self.tone.process(&mut part(audio, range.clone())[..self.dry.len()]),
                // The others' models are heard by more than themselves.
                Kind::Limiter if slot.sleeps() => self.slept = true,
                Kind::Limiter => {
                    if std::mem::take(&mut self.slept) {
                        self.limiter.reset();
                    }
                    // What stages before could make of the loudest sound must not stay in the limiter.
                    audio.iter_mut().for_each(|channel| usable_all(&mut channel[range.clone()]));
                    self.limiter.process_range(audio, range.clone(), &settings.limit);
                }
            }
            slot.after(audio, range.clone(), &mut self.shares);
            if stage.kind == Kind::Leveller {
                // The gain as the slot's share made it.
                for (level, share) in self.levels.iter_mut().zip(&self.shares[..length]) {
                    *level = 1.0 + (*level - 1.0) * share;
                }
                self.behind.process(&mut self.levels[..length]);
            }
        }
        if observer.wants_loudness() {
            self.programme.measure(&part(audio, range.clone())[..self.dry.len()], observer);
        }
        self.heard(audio, range.clone());
        self.frames.add(&self.dry, &part(audio, range)[..self.dry.len()], self.latency, observer);
    }

    /// Puts what was taken away, or the delayed input, in the place of the finished sound.
    fn heard(&mut self, audio: &mut [&mut [f32]], range: Range<usize>) {
        if (self.removed.at_rest(), self.wet.at_rest()) == (Some(0.0), Some(1.0)) {
            return;
        }
        for (index, at) in range.enumerate() {
            let (removed, wet) = (self.removed.step(), self.wet.step());
            for (channel, dry) in audio.iter_mut().zip(&self.dry) {
                let (sample, dry) = (&mut channel[at], dry[index]);
                if removed > 0.0 {
                    let gone = dry * self.levels[index] - *sample;
                    *sample = removed * gone + (1.0 - removed) * *sample;
                }
                // At rest each end gives its own bits.
                if wet < 1.0 {
                    *sample = if wet == 0.0 { dry } else { dry + (*sample - dry) * wet };
                }
            }
        }
    }

    /// The end of a hop: what was heard in it, and what stages make of that.
    fn hop(&mut self, settings: &Settings, listener: Option<&mut Listener>, observer: &mut dyn Observer) {
        let mut late = std::mem::take(&mut self.spectrum.late);
        if let Some(listener) = listener
            && self.deadline.wants_step()
        {
            if self.realtime {
                self.deadline.resume();
            }
            let scope = Scope::enter();
            self.heard = listener.hear(&self.spectrum.power[..self.spectrum.bins]);
            drop(scope);
            let behind = self.deadline.judge();
            self.late += u64::from(behind);
            late |= behind;
        }
        self.music.hear(&self.heard, self.seconds);
        let back = self.music.state() * settings.keep_music.clamp(0.0, 1.0);
        let music = back > THERE;
        // A gain stays where it was brought: what may be sung does not move it.
        let sung = settings.keep_music > THERE && !self.music.sure();
        self.leveller.hop(self.heard.speech, music || sung || settings.others, &settings.leveller);
        let Spectrum { power, gain, bins, bin_hz, .. } = &self.spectrum;
        let speaks = self.heard.speech > SPEECH && !music && !settings.others;
        self.tone.hop(|bin| power[bin] * gain[bin] * gain[bin], *bins, *bin_hz, speaks, &settings.tone);
        if late {
            self.frames.late();
        }
        let mut gain_db = [0.0; COUNT];
        let deepest = Db::from_linear(self.limiter.take_gain()).0.max(DEEPEST);
        for (index, (gain, slot)) in gain_db.iter_mut().zip(&mut self.slots).enumerate() {
            *gain = slot.take_gain_db();
            let on = |gain: f32| if settings.on[index] { gain } else { 0.0 };
            match STAGES[index].kind {
                // It has a gain in silence too.
                Kind::Leveller => *gain = on(self.leveller.gain().0),
                // What counts of it are peaks.
                Kind::Limiter => *gain = on(deepest),
                _ => {}
            }
        }
        observer.podcast(&StageFrame {
            gain_db,
            tone_db: self.tone.moves(),
            speech_lufs: self.leveller.loudness().map_or(f32::NEG_INFINITY, |lufs| lufs as f32),
            stepped_back: back,
            heard: self.heard,
            seconds: self.seconds,
        });
    }
}
