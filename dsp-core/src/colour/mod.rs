//! Colour: soft saturation, oversampled so that its harmonics do not fold back.
//!
//! ```text
//! input ─┬─▶ delay ──────────────────────────────────────────────────▶ + ─▶ output
//!        └─▶ up x 8 ─▶ what the curve adds ─▶ down ─▶ no sub-bass ──────┘
//! ```
//!
//! Only what the curve adds to the sound goes through the filters: the sound itself is the delayed
//! input, at every mix and in its whole band.

mod curves;
mod oversampler;

pub use curves::Character;

use crate::delay::Delay;
use crate::filters::glide::{Glide, TICK, Ticks, pole};
use crate::filters::matched::Coefficients;
use crate::filters::section::{Section, State};
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::FlushDenormals;
use crate::sample::usable_all;
use crate::units::{Db, Hz};
use oversampler::Oversampler;

/// Corner of the high-pass behind the curve, in hertz: an uneven curve makes direct current and
/// difference tones, of every swell and beat. Where a song has no sub-bass they would be most of it.
const BASS_HZ: f64 = 50.0;
/// Q of the sections of that high-pass: Butterworth of fourth order. With a section of first order at 20 Hz
/// the region below 44 Hz of music without sub-bass rose by 7 dB.
const BASS_Q: [f64; 2] = [0.541_196_100_146_197, 1.306_562_964_876_377];
/// Below this corner the transformer's core saturates, in hertz.
const CORE_HZ: f64 = 180.0;
/// A glide nearer than this (decibels, shares) is there.
const NEAR: f64 = 1e-4;

/// All settings.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Settings {
    /// The stage does something. Off, the delayed input passes bit for bit.
    pub on: bool,
    /// Which curve.
    pub character: Character,
    /// Gain into the curve, taken back behind it, 0 to 18 dB: soft sounds keep their level, loud ones
    /// are rounded.
    pub drive: Db,
    /// Share of what the curve adds, 0 to 1.
    pub mix: f32,
}

/// One channel.
#[derive(Clone, Debug)]
struct Channel {
    oversampler: Oversampler,
    /// State of the high-pass.
    bass: [State; 2],
    /// State of the core's low-pass, at the upper rate.
    core: f32,
}

/// The processor.
#[derive(Debug, Default)]
pub struct Colour {
    channels: Vec<Channel>,
    delays: Vec<Delay>,
    latency: usize,
    ticks: Ticks,
    pole: f64,
    bass: Option<[Section; 2]>,
    core_pole: f32,
    character: Character,
    drive: Glide,
    mix: Glide,
    /// Linear drive and mix at the start and the end of this tick.
    drives: [f32; 2],
    mixes: [f32; 2],
    fresh: bool,
    active: bool,
}

impl Colour {
    /// A processor, to be prepared.
    pub fn new() -> Self {
        Self::default()
    }

    fn tick(&mut self, settings: &Settings) {
        let wanted = if settings.on { f64::from(settings.mix.clamp(0.0, 1.0)) } else { 0.0 };
        let drive = f64::from(settings.drive.0);
        if !self.active {
            if wanted == 0.0 {
                self.fresh = false;
                return;
            }
            self.active = true;
            self.character = settings.character;
            self.drive = Glide::at(drive);
            self.mix = Glide::at(if self.fresh { wanted } else { 0.0 });
            self.drives = [Db(drive as f32).to_linear(); 2];
            self.mixes = [self.mix.now() as f32; 2];
            for channel in &mut self.channels {
                channel.oversampler.reset();
                channel.bass = [State::default(); 2];
                channel.core = 0.0;
            }
        }
        // Another character comes in when the old one has gone.
        let same = self.character == settings.character;
        let moves = self.mix.follow(if same { wanted } else { 0.0 }, self.pole, NEAR);
        self.drive.follow(drive, self.pole, NEAR);
        self.drives = [self.drives[1], Db(self.drive.now() as f32).to_linear()];
        self.mixes = [self.mixes[1], self.mix.now() as f32];
        if !moves && self.mix.now() == 0.0 {
            self.active = false;
        }
        self.fresh = false;
    }

    fn piece(&mut self, index: usize, audio: &mut [f32], done: usize) {
        let channel = &mut self.channels[index];
        let factor = channel.oversampler.factor();
        let mut added = [0.0; TICK];
        let along = |n: usize| (done + n + 1) as f32 / TICK as f32;
        let (drives, core_pole, character) = (self.drives, self.core_pole, self.character);
        let core = &mut channel.core;
        channel.oversampler.run(audio, &mut added[..audio.len()], |up| {
            for (n, samples) in up.chunks_exact_mut(factor).enumerate() {
                let drive = drives[0] + (drives[1] - drives[0]) * along(n);
                match character {
                    Character::Transformer => {
                        for x in samples {
                            *core += (1.0 - core_pole) * (*x - *core);
                            *x = curves::added(character, *core, drive);
                        }
                    }
                    _ => samples.iter_mut().for_each(|x| *x = curves::added(character, *x, drive)),
                }
            }
        });
        self.delays[index].process(audio);
        let mut lanes = [[0.0; 2]; TICK];
        for (lane, &added) in lanes.iter_mut().zip(&added[..audio.len()]) {
            lane[0] = f64::from(added);
        }
        for (section, state) in self.bass.iter().flatten().zip(&mut channel.bass) {
            section.run_one(state, 0, &mut lanes[..audio.len()]);
        }
        for (n, (sample, lane)) in audio.iter_mut().zip(&lanes).enumerate() {
            let mix = self.mixes[0] + (self.mixes[1] - self.mixes[0]) * along(n);
            *sample += mix * lane[0] as f32;
        }
    }
}

impl Processor for Colour {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        let oversampler = Oversampler::new(format.rate);
        let upper = format.rate.0 * oversampler.factor() as f64;
        self.latency = oversampler.latency();
        self.delays = vec![Delay::new(self.latency); format.channels];
        self.pole = pole(format.rate);
        let g = (std::f64::consts::PI * (BASS_HZ / format.rate.0).min(0.49)).tan();
        self.bass = Some(BASS_Q.map(|q| Section::new(Coefficients { g, k: 1.0 / q, high: 1.0, band: 0.0, low: 0.0 })));
        self.core_pole = (-std::f64::consts::TAU * CORE_HZ / upper).exp() as f32;
        self.channels = vec![Channel { oversampler, bass: [State::default(); 2], core: 0.0 }; format.channels];
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.ticks.reset();
        self.delays.iter_mut().for_each(Delay::reset);
        self.fresh = true;
        self.active = false;
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, _: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        if audio.len() != self.channels.len() {
            return;
        }
        let length = audio.first().map_or(0, |channel| channel.len());
        let mut at = 0;
        while at < length {
            let (due, piece) = self.ticks.take(length - at);
            if due {
                self.tick(settings);
            }
            let done = self.ticks.done(piece);
            for (index, channel) in audio.iter_mut().enumerate() {
                let samples = &mut channel[at..at + piece];
                usable_all(samples);
                if self.active {
                    self.piece(index, samples, done);
                } else {
                    self.delays[index].process(samples);
                }
            }
            at += piece;
        }
    }

    fn latency(&self, _: &Settings) -> usize {
        self.latency
    }
}

/// Rate of the curve for a rate of the sound: what the tests of aliases hold.
pub fn oversampling(rate: Hz) -> usize {
    oversampler::factor(rate)
}
