//! Generated conversations for tests: talkers with syllables, rooms, cross-talk, and the truth about them.

use super::ear::{Ear, Hop};
use super::hop_of;
use crate::units::Hz;
use std::f32::consts::TAU;

pub const RATE: f64 = 48_000.0;

/// What a conversation is to be.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub talkers: usize,
    /// Cross-talk under the voice at its own microphone.
    pub bleed_db: f32,
    /// What the microphones are set to.
    pub gains_db: [f32; 4],
    pub seconds: f32,
    /// Share of the turns in which a second person talks, too.
    pub overlap: f32,
    /// Noise of each microphone, dBFS.
    pub noise_db: f32,
}

impl Default for Shape {
    fn default() -> Self {
        Self { talkers: 2, bleed_db: -16.0, gains_db: [0.0; 4], seconds: 40.0, overlap: 0.2, noise_db: -66.0 }
    }
}

pub struct Scene {
    /// Each voice at its own microphone, `[talker][sample]`.
    pub voices: Vec<Vec<f32>>,
    /// What the others' voices leave there.
    pub bleeds: Vec<Vec<f32>>,
    /// What is recorded.
    pub tracks: Vec<Vec<f32>>,
    /// Turns: talker, first sample, and the one behind the last.
    pub turns: Vec<(usize, usize, usize)>,
}

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// 0 to 1.
    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.next()
    }
}

/// A resonance in a cascade of two poles.
struct Formant {
    a: [f32; 2],
    y: [f32; 2],
}

impl Formant {
    fn new(hz: f32, width: f32) -> Self {
        let r = (-std::f32::consts::PI * width / RATE as f32).exp();
        Self { a: [2.0 * r * (TAU * hz / RATE as f32).cos(), -r * r], y: [0.0; 2] }
    }

    fn step(&mut self, x: f32) -> f32 {
        let y = (1.0 - self.a[0] - self.a[1]) * x + self.a[0] * self.y[0] + self.a[1] * self.y[1];
        self.y = [y, self.y[0]];
        y
    }
}

/// A stretch of talk: syllables of a buzz through moving formants, some with a hiss before, with gaps and accents.
fn talk(pitch: f32, length: usize, random: &mut Random) -> Vec<f32> {
    let mut out = vec![0.0; length];
    let mut at = 0;
    let mut phase = 0.0_f32;
    while at < length {
        let hiss = if random.next() < 0.35 { random.between(0.04, 0.09) } else { 0.0 };
        let vowel = random.between(0.09, 0.24);
        let gap = if random.next() < 0.12 { random.between(0.1, 0.22) } else { random.between(0.0, 0.05) };
        let accent = 10_f32.powf(random.between(-8.0, 2.0) / 20.0);
        let samples = |seconds: f32| (seconds * RATE as f32) as usize;
        let mut last = 0.0;
        for sample in out[at..length.min(at + samples(hiss))].iter_mut() {
            let white = random.between(-1.0, 1.0);
            *sample = 0.08 * (white - last);
            last = white;
        }
        at += samples(hiss);
        let mut formants = [(random.between(300.0, 750.0), 80.0), (random.between(900.0, 2_200.0), 120.0), (2_600.0, 200.0)]
            .map(|(hz, width)| Formant::new(hz, width));
        let (count, slope) = (samples(vowel), random.between(-0.15, 0.1));
        for n in 0..count.min(length.saturating_sub(at)) {
            let along = n as f32 / count as f32;
            phase = (phase + pitch * (1.0 + slope * along) / RATE as f32).fract();
            let pulse = (1.0 - phase).powi(6) - 1.0 / 7.0 + 0.02 * random.between(-1.0, 1.0);
            let voice: f32 = formants.iter_mut().zip([1.0, 0.6, 0.35]).map(|(formant, level)| level * formant.step(pulse)).sum();
            let swell = (along / 0.12).min(1.0) * ((1.0 - along) / 0.3).min(1.0);
            out[at + n] = accent * swell * voice;
        }
        at += count + samples(gap);
    }
    let rms = (out.iter().map(|x| x * x).sum::<f32>() / length.max(1) as f32).sqrt().max(1e-9);
    out.iter().map(|x| 0.08 * x / rms).collect()
}

/// A way through a room: a delay, and reflections that die away within 0.3 s, sparse so that it is quick.
fn room(input: &[f32], out: &mut [f32], level_db: f32, random: &mut Random) {
    let mut taps = vec![(random.between(0.003, 0.009), 1.0)];
    taps.extend((0..60).map(|_| {
        let t = random.between(0.01, 0.25);
        (t, random.between(-1.0, 1.0) * 0.5 * 10_f32.powf(-3.0 * t / 0.35))
    }));
    let power: f32 = taps.iter().map(|(_, gain)| gain * gain).sum();
    let level = 10_f32.powf(level_db / 20.0) / power.sqrt();
    for (t, gain) in taps {
        let delay = (t * RATE as f32) as usize;
        let gain = gain * level;
        out.iter_mut().skip(delay).zip(input).for_each(|(out, x)| *out += gain * x);
    }
}

impl Scene {
    pub fn new(shape: &Shape, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let length = (f64::from(shape.seconds) * RATE) as usize;
        let mut voices = vec![vec![0.0; length]; shape.talkers];
        let mut turns = Vec::new();
        let mut at = RATE as usize / 2;
        let mut talker = 0;
        let seconds = |seconds: f32| (f64::from(seconds) * RATE) as usize;
        loop {
            let end = at + seconds(random.between(1.5, 4.0));
            if end + seconds(0.5) > length {
                break;
            }
            turns.push((talker, at, end));
            let other = (talker + 1 + (random.next() * (shape.talkers - 1) as f32) as usize) % shape.talkers;
            if random.next() < shape.overlap {
                turns.push((other, at + (end - at) / 4, end));
                talker = (other + 1) % shape.talkers;
            } else {
                talker = other;
            }
            at = end + seconds(random.between(0.15, 1.2));
        }
        let pitches = [105.0, 190.0, 140.0, 225.0];
        for &(talker, from, to) in &turns {
            let said = talk(pitches[talker % 4], to - from, &mut random);
            voices[talker][from..to].copy_from_slice(&said);
        }
        let mut bleeds = vec![vec![0.0; length]; shape.talkers];
        for (track, bleed) in bleeds.iter_mut().enumerate() {
            for talker in (0..shape.talkers).filter(|&talker| talker != track) {
                room(&voices[talker], bleed, shape.bleed_db, &mut random);
            }
        }
        let noise = 10_f32.powf(shape.noise_db / 20.0) * 3_f32.sqrt();
        let mut tracks = Vec::new();
        for track in 0..shape.talkers {
            let gain = 10_f32.powf(shape.gains_db[track % 4] / 20.0);
            voices[track].iter_mut().chain(&mut bleeds[track]).for_each(|x| *x *= gain);
            let sum =
                voices[track].iter().zip(&bleeds[track]).map(|(voice, bleed)| voice + bleed + gain * noise * random.between(-1.0, 1.0));
            tracks.push(sum.collect());
        }
        Self { voices, bleeds, tracks, turns }
    }

    /// What ears hear of the tracks, `[talker][hop]`.
    pub fn hops(&self) -> Vec<Vec<Hop>> {
        let hop = hop_of(RATE);
        let hear = |track: &Vec<f32>| {
            let mut ear = Ear::new(Hz(RATE), 1);
            track.chunks_exact(hop).filter_map(|piece| ear.hear(&[piece])).collect()
        };
        self.tracks.iter().map(hear).collect()
    }
}
