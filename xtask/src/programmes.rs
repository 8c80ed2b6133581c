//! Twenty programmes as unlike as generated sound can be: for proofs that must hold for all of them.

use std::f64::consts::TAU;

/// A programme.
pub struct Programme {
    /// Its name.
    pub name: &'static str,
    /// Its rate in hertz, where it is not the usual one.
    pub rate: Option<u32>,
    /// Its length in seconds, where it is not the one asked for.
    pub seconds: Option<f64>,
    channels: usize,
    make: fn(&mut Voice, f64) -> f64,
}

/// What a channel of a programme is made of.
pub struct Voice {
    seed: u64,
    channel: usize,
    /// Length in seconds.
    length: f64,
    rate: f64,
    /// States of a few filters and phases.
    state: [f64; 8],
}

impl Programme {
    /// Its sound, `[channel][sample]`.
    pub fn audio(&self, rate: u32, seconds: f64) -> Vec<Vec<f32>> {
        let rate = f64::from(rate);
        let one = |channel: usize| {
            let mut voice = Voice { seed: 77 + channel as u64 * 1_001, channel, length: seconds, rate, state: [0.0; 8] };
            (0..(rate * seconds) as usize).map(|n| (self.make)(&mut voice, n as f64 / rate) as f32).collect()
        };
        (0..self.channels).map(one).collect()
    }
}

impl Voice {
    /// White noise, even in -1 to 1.
    fn white(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 40) as f64 / f64::from(1 << 23) - 1.0
    }

    /// A one-pole low-pass in one of the states.
    fn low(&mut self, state: usize, x: f64, hz: f64) -> f64 {
        let keep = (-TAU * hz / self.rate).exp();
        self.state[state] = x + (self.state[state] - x) * keep;
        self.state[state]
    }

    /// Noise that falls with frequency.
    fn soft_noise(&mut self) -> f64 {
        let white = self.white();
        3.0 * self.low(0, white, 400.0) + 0.3 * white
    }

    /// Drums: `hit` is how loud they are beside the rest.
    fn beat(&mut self, t: f64, hit: f64) -> f64 {
        let (beat, tick) = ((t * 2.0).fract() / 2.0, (t * 8.0).fract() / 8.0);
        let kick = (-beat * 18.0).exp() * (TAU * (50.0 * beat + 6.0 * (1.0 - (-beat * 30.0).exp()))).sin();
        let snare_at = ((t + 0.25) * 2.0).fract() / 2.0;
        let white = self.white();
        let snare = (-snare_at * 25.0).exp() * white;
        let bright = white - self.low(1, white, 6_000.0);
        hit * (kick + 0.5 * snare + 0.2 * (-tick * 70.0).exp() * bright)
    }

    /// A chord that moves a little between the channels.
    fn chord(&self, t: f64, root: f64) -> f64 {
        let phase = self.channel as f64 * 0.8;
        [1.0, 1.26, 1.5, 2.0, 3.0]
            .iter()
            .enumerate()
            .map(|(n, ratio)| (TAU * root * ratio * t + phase * n as f64).sin() / (1.0 + n as f64))
            .sum()
    }

    /// Something like speech: voiced and unvoiced syllables, words, pauses.
    fn speech(&mut self, t: f64) -> f64 {
        let word = (t / 1.7).fract();
        let syllable = (t * 4.3).fract();
        if word > 0.82 {
            return 1e-4 * self.white();
        }
        let pitch = 110.0 + 25.0 * (TAU * 0.31 * t).sin();
        self.state[2] = (self.state[2] + pitch / self.rate).fract();
        let pulse = self.state[2].powi(6) - 0.15;
        let hiss = self.white();
        let shape = (std::f64::consts::PI * syllable).sin().powi(2);
        if ((t * 4.3) as u64).is_multiple_of(3) {
            0.25 * shape * (hiss - self.low(3, hiss, 3_000.0))
        } else {
            shape * self.low(4, pulse, 900.0)
        }
    }
}

const fn programme(name: &'static str, channels: usize, make: fn(&mut Voice, f64) -> f64) -> Programme {
    Programme { name, rate: None, seconds: None, channels, make }
}

/// All of them.
pub fn all() -> Vec<Programme> {
    vec![
        programme("band", 2, |v, t| 0.9 * v.beat(t, 0.9).powi(3) + 0.02 * v.chord(t, 220.0)),
        programme("band, dense", 2, |v, t| (3.0 * (v.beat(t, 0.5) + 0.3 * v.chord(t, 110.0))).tanh() * 0.8),
        programme("band, clipped", 2, |v, t| (2.5 * (v.beat(t, 0.8) + 0.2 * v.chord(t, 165.0))).clamp(-1.0, 1.0)),
        programme("band, over full scale", 2, |v, t| 4.0 * v.beat(t, 0.9) + 0.6 * v.chord(t, 196.0)),
        programme("drums alone", 2, |v, t| {
            let hit = v.beat(t, 1.0);
            0.9 * hit * hit.abs()
        }),
        programme("chords", 2, |v, t| 0.12 * v.chord(t, 261.6) * (0.7 + 0.3 * (TAU * 0.2 * t).sin())),
        programme("orchestra, wide", 2, |v, t| {
            let swell = 10_f64.powf((-45.0 + 43.0 * (std::f64::consts::PI * t / v.length).sin().powi(2)) / 20.0);
            swell * (0.25 * v.chord(t, 130.8) + 0.1 * v.soft_noise() + 0.9 * v.beat(t / 4.0, 1.0).powi(3))
        }),
        programme("soft, then loud", 2, |v, t| if t < 0.6 * v.length { 0.004 } else { 0.4 } * (v.chord(t, 174.6) + 0.3 * v.soft_noise())),
        programme("bass alone", 2, |v, t| {
            0.5 * (TAU * 55.0 * t).sin() + 0.1 * (TAU * 110.0 * t).sin() * f64::from(u8::from(v.channel == 0))
        }),
        programme("cymbals alone", 2, |v, t| {
            let white = v.white();
            0.25 * (white - v.low(0, white, 7_000.0)) * (0.3 + 0.7 * (-(t * 4.0).fract() * 6.0).exp())
        }),
        programme("noise", 2, |v, _| 0.1 * v.soft_noise()),
        programme("speech", 1, |v, t| 0.5 * v.speech(t)),
        programme("speech, whispers and shouts", 1, |v, t| [0.6, 0.02, 0.15, 0.9][(t / 2.5) as usize % 4] * v.speech(t)),
        programme("speech over noise", 2, |v, t| 0.3 * v.speech(t) + 0.004 * v.soft_noise()),
        programme("very quiet", 2, |v, t| 0.003 * (v.beat(t, 0.8) + 0.4 * v.chord(t, 220.0))),
        programme("long silences", 2, |v, t| if (t / 3.0).fract() < 0.1 { 0.3 * v.chord(t, 329.6) + v.beat(t, 0.7) } else { 0.0 }),
        programme("one channel silent", 2, |v, t| if v.channel == 0 { 0.3 * v.beat(t, 0.7) + 0.1 * v.chord(t, 220.0) } else { 0.0 }),
        programme("direct current", 2, |v, t| 0.2 + 0.2 * v.beat(t, 0.6) + 0.05 * v.chord(t, 220.0)),
        Programme {
            rate: Some(96_000),
            ..programme("six channels at 96 kHz", 6, |v, t| {
                if v.channel == 3 {
                    0.2 * (TAU * 45.0 * t).sin()
                } else {
                    0.2 * v.beat(t, 0.5) + 0.05 * v.chord(t, 200.0 + 10.0 * v.channel as f64)
                }
            })
        },
        Programme {
            rate: Some(44_100),
            seconds: Some(2.0),
            ..programme("two seconds", 2, |v, t| 0.3 * v.beat(t, 0.8) + 0.1 * v.chord(t, 220.0))
        },
    ]
}
