//! What the model sees of a frame: its bands without their level, those of the frames before, and the
//! talker's long-term balance.
//!
//! `training/deess/net.py` (`features`) defines the same; the model's parity vectors hold the two
//! together. It stands here and not in the graph because it is plain arithmetic on forty numbers,
//! which the model runtime pays for by the operator.

use crate::features::{BANDS, centre};

/// From frame to frame, in seconds.
const FRAME: f64 = 0.005;
/// Time constant of the running level, in seconds.
const LEVEL_SECONDS: f64 = 2.0;
/// The level is that of the bands up to this, in hertz.
const LEVEL_TOP_HZ: f64 = 8_000.0;
/// Frames whose fourth root of the power is not above this (-181 dB) are digital silence and do not
/// count.
const LEVEL_FLOOR: f32 = 3e-5;
/// Added to powers relative to the level (-90 dB).
const POWER_FLOOR: f32 = 1e-9;
/// Bands that tell of a voice, in hertz.
const VOICED_HZ: [f64; 2] = [150.0, 3_000.0];
/// Bands that tell of friction, in hertz.
const FRICTION_HZ: [f64; 2] = [3_500.0, 14_000.0];
/// A frame is wholly voiced when its low part is well over this times its high part.
const VOICED_OVER: f32 = 4.0;
/// Friction counts fully from the level divided by this.
const FRICTION_GAIN: f32 = 10.0;
/// Running spectra: voiced frames, the same slowly, frames of friction.
const MEANS: usize = 3;
/// Their time constants, in seconds of frames of that kind.
const MEAN_SECONDS: [f64; MEANS] = [2.0, 20.0, 6.0];
/// Least weight that a running spectrum is divided by.
const WEIGHT_LEAST: f32 = 1e-9;
/// Frames before this one that the model sees.
const PAST: usize = 2;
/// Modes that the model knows.
pub const MODES: usize = 3;
/// Number of features: this frame, those before, each running spectrum with how far it has begun, mode.
pub const FEATURES: usize = BANDS * (1 + PAST + MEANS) + MEANS + MODES;

type Spectrum = [f32; BANDS];

/// Share that a running mean takes in at a step.
fn rate(seconds: f64) -> f32 {
    (1.0 - (-FRAME / seconds).exp()) as f32
}

/// Weights of bands between two frequencies by their width in hertz; they sum to 1.
fn weights(low: f64, high: f64) -> Spectrum {
    let last = BANDS as isize - 1;
    // Half the way to the neighbours, on one side at the ends.
    let width = |band: isize| {
        let (from, to) = ((band - 1).max(0), (band + 1).min(last));
        (centre(to) - centre(from)) / (to - from) as f64
    };
    let kept = |band: usize| if (low..=high).contains(&centre(band as isize)) { width(band as isize) } else { 0.0 };
    let total: f64 = (0..BANDS).map(kept).sum();
    std::array::from_fn(|band| (kept(band) / total) as f32)
}

fn dot(a: &Spectrum, b: &Spectrum) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A running spectrum, and the sum of the weights in it: 0 at the start, nearly 1 when it has seen
/// enough.
#[derive(Clone, Debug)]
struct Mean {
    sums: Spectrum,
    weight: f32,
}

/// The running state of one stream.
#[derive(Clone, Debug)]
pub struct Balance {
    level_weights: Spectrum,
    voiced_weights: Spectrum,
    friction_weights: Spectrum,
    level_rate: f32,
    rates: [f32; MEANS],
    /// Running mean of the fourth root of the power, and the sum of the weights in it.
    level: [f32; 2],
    means: [Mean; MEANS],
    /// The frames before, newest first.
    past: [Spectrum; PAST],
    features: [f32; FEATURES],
}

impl Default for Balance {
    fn default() -> Self {
        Self {
            level_weights: weights(0.0, LEVEL_TOP_HZ),
            voiced_weights: weights(VOICED_HZ[0], VOICED_HZ[1]),
            friction_weights: weights(FRICTION_HZ[0], FRICTION_HZ[1]),
            level_rate: rate(LEVEL_SECONDS),
            rates: MEAN_SECONDS.map(rate),
            level: [0.0; 2],
            means: std::array::from_fn(|_| Mean { sums: [0.0; BANDS], weight: 0.0 }),
            past: [[0.0; BANDS]; PAST],
            features: [0.0; FEATURES],
        }
    }
}

impl Balance {
    /// Forgets all history.
    pub fn reset(&mut self) {
        self.level = [0.0; 2];
        self.means.iter_mut().for_each(|mean| (mean.sums, mean.weight) = ([0.0; BANDS], 0.0));
        self.past = [[0.0; BANDS]; PAST];
    }

    /// Features of the next frame, from its `bands` and the `mode`.
    pub fn frame(&mut self, bands: &Spectrum, mode: usize) -> &[f32; FEATURES] {
        let root = dot(&self.level_weights, bands).sqrt().sqrt();
        if root > LEVEL_FLOOR {
            self.level[0] += self.level_rate * (root - self.level[0]);
            self.level[1] += self.level_rate * (1.0 - self.level[1]);
        }
        let inverse = self.level[1] / self.level[0].max(self.level_rate * LEVEL_FLOOR);
        let scale = (inverse * inverse) * (inverse * inverse);
        let relative = bands.map(|power| power * scale + POWER_FLOOR);
        let logs = relative.map(f32::ln);

        let (low, high) = (dot(&self.voiced_weights, &relative), dot(&self.friction_weights, &relative));
        let voiced = low.min(1.0) * low / (low + VOICED_OVER * high);
        let friction = (FRICTION_GAIN * high).min(1.0) * high / (low + high);
        for ((mean, rate), gate) in self.means.iter_mut().zip(self.rates).zip([voiced, voiced, friction]) {
            let share = rate * gate;
            mean.sums.iter_mut().zip(&logs).for_each(|(sum, log)| *sum += share * (log - *sum));
            mean.weight += share * (1.0 - mean.weight);
        }

        let (spectra, rest) = self.features.split_at_mut(BANDS * (1 + PAST));
        let spectra = spectra.as_chunks_mut::<BANDS>().0;
        spectra[0] = logs;
        spectra[1..].copy_from_slice(&self.past);
        let (means, modes) = rest.split_at_mut(MEANS * (BANDS + 1));
        for (out, mean) in means.as_chunks_mut::<{ BANDS + 1 }>().0.iter_mut().zip(&self.means) {
            // At the very start there is nothing: near 0, and the weight says so.
            let weight = mean.weight.max(WEIGHT_LEAST);
            out.iter_mut().zip(&mean.sums).for_each(|(out, sum)| *out = sum / weight);
            out[BANDS] = mean.weight;
        }
        modes.iter_mut().enumerate().for_each(|(index, value)| *value = f32::from(u8::from(index == mode)));
        self.past.rotate_right(1);
        self.past[0] = logs;
        &self.features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of something like speech, `[frame][band]`.
    fn frames(gain: f32) -> Vec<Spectrum> {
        let mut seed = 9_u32;
        let mut next = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 24) as f32
        };
        let frame = |n: usize| {
            // A sibilant, then a vowel, about as loud.
            let (level, tilt) = if n % 60 < 20 { (1e-5, 0.2_f32) } else { (1e-2, -0.2) };
            std::array::from_fn(|band| gain * level * (tilt * band as f32).exp() * (0.2 + next()))
        };
        (0..400).map(frame).collect()
    }

    /// What the exporter states about its vectors, `[parity]` in the manifest.
    #[derive(serde::Deserialize)]
    struct Parity {
        frames: usize,
        reset: usize,
    }

    #[derive(serde::Deserialize)]
    struct WithParity {
        parity: Parity,
    }

    /// Little-endian `f32`s that the exporter wrote, `[frame][value]`.
    fn vectors(name: &str, size: usize) -> Vec<Vec<f32>> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/deess/parity/").to_owned() + name + ".f32";
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        values.chunks(size).map(<[f32]>::to_vec).collect()
    }

    #[test]
    fn features_equal_those_of_training() {
        let WithParity { parity } = toml::from_str(include_str!("../../../../models/deess/manifest.toml")).unwrap();
        let (bands, modes, wanted) = (vectors("bands", BANDS), vectors("mode", MODES), vectors("features", FEATURES));
        assert_eq!((bands.len(), modes.len(), wanted.len()), (parity.frames, parity.frames, parity.frames));
        let mut balance = Balance::default();
        for (frame, wanted) in wanted.iter().enumerate() {
            if frame == parity.reset {
                balance.reset();
            }
            let mode = modes[frame].iter().position(|on| *on > 0.5).unwrap();
            let got = balance.frame(bands[frame].as_slice().try_into().unwrap(), mode);
            for (index, (got, want)) in got.iter().zip(wanted).enumerate() {
                assert!((got - want).abs() < 2e-3 * want.abs().max(1.0), "frame {frame}, feature {index}: {got} {want}");
            }
        }
    }

    #[test]
    fn level_changes_nothing_but_what_the_floor_explains() {
        let features = |gain: f32| {
            let mut balance = Balance::default();
            frames(gain).iter().map(|bands| balance.frame(bands, 1).to_vec()).collect::<Vec<_>>()
        };
        let usual = features(1.0);
        for db in [-60.0_f32, -24.0, 20.0] {
            for (frame, (a, b)) in features(10_f32.powf(db / 10.0)).iter().zip(&usual).enumerate() {
                for (index, (a, b)) in a.iter().zip(b).enumerate() {
                    assert!((a - b).abs() < 2e-3, "{db} dB, frame {frame}, feature {index}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn silence_is_finite_and_does_not_count() {
        let mut balance = Balance::default();
        for _ in 0..10 {
            assert!(balance.frame(&[0.0; BANDS], 0).iter().all(|x| x.is_finite()));
        }
        assert_eq!(balance.level, [0.0; 2]);
        let loud = frames(1.0);
        loud.iter().for_each(|bands| _ = balance.frame(bands, 0));
        let level = balance.level;
        (0..1000).for_each(|_| _ = balance.frame(&[0.0; BANDS], 0));
        assert_eq!(balance.level, level);
    }

    #[test]
    fn voiced_frames_and_friction_have_means_of_their_own() {
        let mut balance = Balance::default();
        frames(1.0).iter().for_each(|bands| _ = balance.frame(bands, 0));
        let [voiced, slow, friction] = &balance.means;
        assert!(voiced.weight > slow.weight && friction.weight > 0.05);
        let tilt = |mean: &Mean| (mean.sums[34] - mean.sums[10]) / mean.weight;
        assert!(tilt(voiced) < -2.0 && tilt(friction) > 0.0, "{} {}", tilt(voiced), tilt(friction));
    }

    #[test]
    fn a_reset_forgets_everything_and_the_mode_stands_last() {
        let mut balance = Balance::default();
        let first = *balance.frame(&frames(1.0)[0], 2);
        assert_eq!(first[FEATURES - MODES..], [0.0, 0.0, 1.0]);
        frames(0.3).iter().for_each(|bands| _ = balance.frame(bands, 0));
        balance.reset();
        assert_eq!(*balance.frame(&frames(1.0)[0], 2), first);
    }
}
