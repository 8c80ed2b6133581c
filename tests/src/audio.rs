//! Test signals, generated: something like speech, and noises to put behind it.
//!
//! The speech is a pulse train through three formant resonators with fricatives and pauses between
//! the syllables: not intelligible, but with the pitch, formants, onsets, sibilants and silences
//! that a denoiser lives on.

use crate::random::Random;
use std::f32::consts::{PI, TAU};

/// First three formants of some vowels in hertz, as measured for men by Peterson and Barney (1952).
const VOWELS: [[f32; 3]; 6] = [
    [730.0, 1090.0, 2440.0],
    [530.0, 1840.0, 2480.0],
    [270.0, 2290.0, 3010.0],
    [570.0, 840.0, 2410.0],
    [300.0, 870.0, 2240.0],
    [660.0, 1720.0, 2410.0],
];
/// Bandwidths of the formants in hertz.
const BANDWIDTHS: [f32; 3] = [80.0, 100.0, 140.0];
/// Level of the speech, root mean square while it sounds, full scale 1: -20 dBFS.
const SPEECH_LEVEL: f32 = 0.1;

/// A two-pole resonator.
#[derive(Default)]
struct Resonator {
    y1: f32,
    y2: f32,
}

impl Resonator {
    fn step(&mut self, x: f32, frequency: f32, bandwidth: f32, rate: f32) -> f32 {
        let r = (-PI * bandwidth / rate).exp();
        let y = (1.0 - r) * x + 2.0 * r * (TAU * frequency / rate).cos() * self.y1 - r * r * self.y2;
        self.y2 = self.y1;
        self.y1 = y;
        y
    }
}

/// Speech-like sound: `seconds` at `rate` hertz, -20 dBFS while it sounds.
pub fn speech(rate: f64, seconds: f32, seed: u64) -> Vec<f32> {
    let rate = rate as f32;
    let length = (seconds * rate) as usize;
    let mut random = Random::new(seed);
    let mut out = Vec::with_capacity(length);
    let mut formants: [Resonator; 3] = Default::default();
    let mut hiss = Resonator::default();
    let mut phase = 0.0_f32;
    let mut vowel = VOWELS[0];
    let base = random.between(95.0, 210.0);
    // A little silence first, as in a recording.
    out.resize((0.1 * rate) as usize, 0.0);
    while out.len() < length {
        let target = random.pick(&VOWELS);
        let fricative = random.unit() < 0.4;
        let consonant = if fricative { (random.between(0.06, 0.12) * rate) as usize } else { (0.02 * rate) as usize };
        let voiced = (random.between(0.1, 0.28) * rate) as usize;
        let pause = if random.unit() < 0.25 { random.between(0.15, 0.4) } else { 0.02 };
        let pitch = base * random.between(0.85, 1.2);
        let place = random.between(4200.0, 7000.0).min(rate * 0.42);
        for i in 0..consonant {
            let envelope = (PI * i as f32 / consonant as f32).sin();
            let noise = random.normal() * if fricative { 0.5 } else { 0.05 };
            out.push(envelope * hiss.step(noise, place, 1500.0, rate) * 2.0);
        }
        for i in 0..voiced {
            let along = i as f32 / voiced as f32;
            let envelope = (along * 12.0).min(1.0) * ((1.0 - along) * 6.0).min(1.0);
            phase += pitch * (1.0 - 0.15 * along) * (1.0 + 0.01 * random.normal()) / rate;
            let pulse = if phase >= 1.0 {
                phase -= 1.0;
                (rate / 1000.0).sqrt() * 6.0
            } else {
                0.0
            };
            let source = pulse + 0.02 * random.normal();
            let mut sample = 0.0;
            for (k, resonator) in formants.iter_mut().enumerate() {
                vowel[k] += (target[k] - vowel[k]) * 40.0 / rate;
                let gain = [1.0, 0.6, 0.3][k];
                sample += gain * resonator.step(source, vowel[k].min(rate * 0.45), BANDWIDTHS[k], rate);
            }
            out.push(envelope * sample);
        }
        out.resize(out.len() + (pause * rate) as usize, 0.0);
    }
    out.truncate(length);
    scale_to_active_level(&mut out, SPEECH_LEVEL);
    out
}

/// Scales so that the samples that are not silent have this root mean square.
fn scale_to_active_level(samples: &mut [f32], level: f32) {
    let active: Vec<f64> = samples.iter().map(|&x| f64::from(x).powi(2)).filter(|&power| power > 1e-12).collect();
    if active.is_empty() {
        return;
    }
    let rms = (active.iter().sum::<f64>() / active.len() as f64).sqrt() as f32;
    for sample in samples {
        *sample *= level / rms;
    }
}

/// White noise with this root mean square.
pub fn white(length: usize, rms: f32, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..length).map(|_| rms * random.normal()).collect()
}

/// A fan: noise that falls with frequency, and mains hum with three harmonics. Root mean square
/// about `rms`.
pub fn fan(rate: f64, length: usize, rms: f32, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let mut low = 0.0_f32;
    // One pole at 600 Hz, then levelled to unit power.
    let pole = (-TAU * 600.0 / rate as f32).exp();
    let level = (1.0 - pole * pole).sqrt();
    (0..length)
        .map(|i| {
            low = pole * low + level * random.normal();
            let hum: f32 = (1..=3).map(|k| (TAU * ((50.0 * k as f64 * i as f64 / rate).fract() as f32)).sin() / k as f32).sum();
            rms * (0.8 * low + 0.15 * random.normal() + 0.4 * hum)
        })
        .collect()
}

/// Speech with a fan and hiss behind it, one such signal a channel: the same voice at different
/// levels, different noise.
pub fn noisy_speech(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
    let voice = speech(rate, seconds, seed);
    (0..channels)
        .map(|channel| {
            let level = 1.0 - 0.12 * channel as f32;
            let fan = fan(rate, voice.len(), 0.02, seed ^ (channel as u64 + 1) << 8);
            let hiss = white(voice.len(), 0.003, seed ^ (channel as u64 + 1) << 16);
            voice.iter().zip(fan).zip(hiss).map(|((v, f), h)| level * v + f + h).collect()
        })
        .collect()
}

/// Peaks of the noise of an s in hertz (broad, as the small cavity behind the teeth makes it).
const SIBILANT_PEAKS: [f32; 4] = [5_200.0, 6_700.0, 8_300.0, 10_000.0];
/// Level of the s in [`soft_speech`], root mean square: 12 dB under the vowels, as a good microphone
/// gives it.
const SOFT: f32 = 0.25 * SPEECH_LEVEL;
/// What the s of [`sharp_speech`] is raised by, and where, hertz: 14 dB with steep edges, as an equaliser or a harsh
/// microphone does. A voice whose whole s is strong is another voice; one with a step in it is no voice.
const RAISED: f32 = 5.0;
const RAISED_HZ: (f32, f32) = (5_000.0, 10_000.0);
/// Half the length of the filter that gives those edges, in seconds.
const EDGE_SECONDS: f32 = 0.002;
/// From one s to the next, and how long it is, in seconds.
const SIBILANT_EVERY: f32 = 0.55;
const SIBILANT_LENGTH: f32 = 0.12;

/// Times at which the s of [`sharp_speech`] begin and end, in seconds.
pub fn sibilant_times(seconds: f32) -> impl Iterator<Item = (f32, f32)> {
    let count = (seconds / SIBILANT_EVERY) as usize;
    (1..count).map(|n| (n as f32 * SIBILANT_EVERY, n as f32 * SIBILANT_EVERY + SIBILANT_LENGTH))
}

/// What of `x` lies between two frequencies, by a windowed sinc.
fn between(x: &[f32], (low, high): (f32, f32), rate: f32) -> Vec<f32> {
    let half = (EDGE_SECONDS * rate) as isize;
    let sinc = |hz: f32, n: f32| if n == 0.0 { 2.0 * hz / rate } else { (TAU * hz / rate * n).sin() / (PI * n) };
    let taps: Vec<f32> = (-half..=half)
        .map(|n| {
            let window = 0.5 + 0.5 * (PI * n as f32 / (half + 1) as f32).cos();
            window * (sinc(high.min(0.5 * rate), n as f32) - sinc(low.min(0.5 * rate), n as f32))
        })
        .collect();
    let at = |index: isize| usize::try_from(index).ok().and_then(|index| x.get(index)).copied().unwrap_or(0.0);
    (0..x.len() as isize).map(|n| taps.iter().zip(-half..).map(|(tap, k)| tap * at(n - k)).sum()).collect()
}

/// Speech with an s at [`sibilant_times`], raised by this factor in [`RAISED_HZ`], and a little hiss behind it, one
/// such signal a channel: the same voice at different levels.
fn sibilant_speech(rate: f64, seconds: f32, channels: usize, seed: u64, raised: f32) -> Vec<Vec<f32>> {
    let mut voice = speech(rate, seconds, seed);
    let mut random = Random::new(seed ^ 0x5151);
    let rate = rate as f32;
    // Twice as long as the edge of an s: the voice makes room for it.
    let edge = 0.012;
    for (from, to) in sibilant_times(seconds) {
        let mut peaks: [Resonator; 4] = Default::default();
        let range = ((from - edge) * rate) as usize..(((to + edge) * rate) as usize).min(voice.len());
        let mut noise: Vec<f32> = range
            .clone()
            .map(|_| {
                let all = peaks.iter_mut().zip(SIBILANT_PEAKS);
                all.map(|(peak, hz)| peak.step(random.normal(), hz.min(0.45 * rate), 1_600.0, rate)).sum()
            })
            .collect();
        let power = noise.iter().map(|x| x * x).sum::<f32>() / noise.len().max(1) as f32;
        let scale = SOFT / power.sqrt().max(f32::MIN_POSITIVE);
        if raised != 1.0 {
            let part = between(&noise, RAISED_HZ, rate);
            noise.iter_mut().zip(part).for_each(|(sample, part)| *sample += (raised - 1.0) * part);
        }
        for (n, noise) in range.zip(noise) {
            let time = n as f32 / rate;
            let inside = ((time - from).min(to - time) / edge).clamp(-1.0, 1.0);
            let near = 0.5 - 0.5 * (PI * (0.5 * inside + 0.5)).cos();
            voice[n] = voice[n] * (1.0 - near) + scale * noise * near;
        }
    }
    (0..channels)
        .map(|channel| {
            let level = 1.0 - 0.12 * channel as f32;
            let hiss = white(voice.len(), 1e-4, seed ^ (channel as u64 + 1) << 16);
            voice.iter().zip(hiss).map(|(v, h)| level * v + h).collect()
        })
        .collect()
}

/// Speech whose s are much too strong.
pub fn sharp_speech(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
    sibilant_speech(rate, seconds, channels, seed, RAISED)
}

/// The same with s as they should be.
pub fn soft_speech(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
    sibilant_speech(rate, seconds, channels, seed, 1.0)
}

/// A drum kit alone: kick, snare and hi-hats (struck metal as inharmonic squares and noise, after the
/// analogue drum machines), 120 beats a minute, peak about 0.5.
pub fn drums(rate: f64, seconds: f32, seed: u64) -> Vec<f32> {
    let rate = rate as f32;
    let mut random = Random::new(seed);
    let mut last = 0.0;
    (0..(seconds * rate) as usize)
        .map(|n| {
            let time = n as f32 / rate;
            let noise = random.normal() * 0.3;
            let bright = noise - last;
            last = noise;
            // Time since the last eighth, beat and off-beat.
            let (eighth, beat, off) = (time % 0.25, time % 1.0, (time + 0.5) % 1.0);
            let kick = (TAU * (50.0 + 90.0 * (-beat * 40.0).exp()) * beat).sin() * (-beat * 18.0).exp();
            let snare = (noise + 0.5 * (TAU * 190.0 * off).sin()) * (-off * 22.0).exp();
            let metal: f32 = [2.0, 3.0, 4.16, 5.43, 6.79, 8.21].iter().map(|k| (TAU * 1_370.0 * k * time).sin().signum()).sum();
            let hat = (bright * 0.5 + metal * 0.03) * (-eighth * if (time / 0.25) as u32 % 4 == 3 { 9.0 } else { 45.0 }).exp();
            0.45 * kick + 0.3 * snare + 0.3 * hat
        })
        .collect()
}

/// Something like a song: plucked chords with twelve partials, a bass and a beat, 120 beats a minute, about
/// -20 dBFS.
pub fn music(rate: f64, seconds: f32, seed: u64) -> Vec<f32> {
    /// Chords as semitones over A2, the bass first.
    const CHORDS: [[i32; 4]; 4] = [[-12, 0, 4, 7], [-15, -3, 0, 4], [-10, 2, 5, 9], [-5, -1, 2, 7]];
    const BEAT: f32 = 0.5;
    let length = (f64::from(seconds) * rate) as usize;
    let rate = rate as f32;
    let mut random = Random::new(seed);
    let mut out = vec![0.0; length];
    let mut pluck = |start: f32, hz: f32, level: f32, decay: f32, partials: usize| {
        let from = (start * rate) as usize;
        for (index, slot) in out.iter_mut().skip(from).take((4.0 * decay * rate) as usize).enumerate() {
            let t = index as f32 / rate;
            let attack = (t / 0.004).min(1.0);
            let tone: f32 = (1..=partials)
                .filter(|k| hz * (*k as f32) < 0.45 * rate)
                .map(|k| (-t * (1.0 + 0.4 * k as f32) / decay).exp() * (TAU * hz * k as f32 * t).sin() / k as f32)
                .sum();
            *slot += level * attack * tone;
        }
    };
    let note = |semitones: i32| 110.0 * 2_f32.powf(semitones as f32 / 12.0);
    for beat in 0..(seconds / BEAT) as usize {
        let start = beat as f32 * BEAT;
        let chord = CHORDS[beat / 4 % CHORDS.len()];
        pluck(start, note(chord[0]), 0.5, 0.35, 6);
        for half in 0..2 {
            let tone = chord[1 + random.below(3)] + 12 * (random.below(2) as i32);
            pluck(start + half as f32 * BEAT / 2.0, note(tone + 12), 0.3, 0.5, 12);
        }
        if beat % 4 == 0 {
            chord[1..].iter().for_each(|&tone| pluck(start, note(tone + 12), 0.2, 1.2, 12));
        }
    }
    let beat = drums(f64::from(rate), seconds, seed);
    let level = |samples: &[f32]| (samples.iter().map(|x| x * x).sum::<f32>() / samples.len().max(1) as f32).sqrt().max(1e-9);
    let (song, drums) = (level(&out), level(&beat));
    out.iter_mut().zip(&beat).for_each(|(sample, drum)| *sample = 0.09 * *sample / song + 0.04 * drum / drums);
    out
}

/// A song of parts with places of their own: music, drums in the middle, a voice a little to one side.
pub fn song(rate: f64, seconds: f32, channels: usize, seed: u64) -> Vec<Vec<f32>> {
    let (band, voice, beat) = (music(rate, seconds, seed), speech(rate, seconds, seed), drums(rate, seconds, seed));
    let place = |channel: usize| {
        // How far to one side a channel stands.
        let side = if channel.is_multiple_of(2) { 1.0 } else { 0.6 };
        let hiss = white(band.len(), 1e-4, seed ^ (channel as u64 + 1) << 16);
        let parts = band.iter().zip(&voice).zip(&beat).zip(hiss);
        parts.map(|(((band, voice), beat), hiss)| side * band + (1.4 - side) * 0.3 * voice + 0.2 * beat + hiss).collect()
    };
    (0..channels).map(place).collect()
}

/// One sample of 1 at `at`, else silence.
pub fn impulse(length: usize, at: usize) -> Vec<f32> {
    let mut out = vec![0.0; length];
    out[at] = 1.0;
    out
}

/// Every sample times a factor, on all channels.
pub fn scaled(audio: &[Vec<f32>], factor: f32) -> Vec<Vec<f32>> {
    audio.iter().map(|channel| channel.iter().map(|x| x * factor).collect()).collect()
}

/// All channels later by `delay` samples, the length unchanged.
pub fn delayed(audio: &[Vec<f32>], delay: usize) -> Vec<Vec<f32>> {
    audio.iter().map(|channel| std::iter::repeat_n(0.0, delay).chain(channel.iter().copied()).take(channel.len()).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{level_db, peak};

    #[test]
    fn the_same_seed_gives_the_same_speech_and_another_another() {
        assert_eq!(speech(48_000.0, 0.5, 3), speech(48_000.0, 0.5, 3));
        assert_ne!(speech(48_000.0, 0.5, 3), speech(48_000.0, 0.5, 4));
    }

    #[test]
    fn speech_has_sound_and_silence_at_every_rate() {
        for rate in [8_000.0, 16_000.0, 44_100.0, 48_000.0, 192_000.0] {
            let sound = speech(rate, 2.0, 1);
            assert_eq!(sound.len(), (2.0 * rate) as usize);
            assert!(sound.iter().all(|x| x.is_finite()) && peak(std::slice::from_ref(&sound)) < 4.0);
            let quiet = sound.chunks((0.01 * rate) as usize).filter(|c| level_db(c) < -60.0).count();
            let loud = sound.chunks((0.01 * rate) as usize).filter(|c| level_db(c) > -30.0).count();
            assert!(quiet > 8 && loud > 60, "{rate} Hz: {quiet} silent and {loud} sounding pieces of 10 ms in 200");
        }
    }

    #[test]
    fn delay_and_scale_do_what_they_say() {
        let audio = vec![vec![1.0, 2.0, 3.0]];
        assert_eq!(delayed(&audio, 1), [[0.0, 1.0, 2.0]]);
        assert_eq!(delayed(&audio, 9), [[0.0, 0.0, 0.0]]);
        assert_eq!(scaled(&audio, 2.0), [[2.0, 4.0, 6.0]]);
    }
}
