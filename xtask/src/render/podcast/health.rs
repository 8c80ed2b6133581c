//! What is wrong with a recording before anything is done: clipping, mains hum, a reverberant room.

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// So many samples in a row at one extreme value are clipped: a wave that is not cut off has its top in one or
/// two samples.
const RUN: usize = 4;
/// Samples nearer than this to the one before lie at one value: four steps of 16 bits, since compressed files
/// do not keep flat tops flat.
const FLAT: f32 = 1.2e-4;
/// Clipping is looked for above this: quieter flat tops are no converter's.
const LOUD: f32 = 0.5;
/// Clipped tops a minute from which on it is told.
const MANY_A_MINUTE: f64 = 3.0;

/// Rate at which hum is looked for, hertz, and points of its spectrum: lines 0.5 Hz apart.
const HUM_RATE: f64 = 2_000.0;
const HUM_POINTS: usize = 4_096;
/// Mains frequencies, hertz.
const MAINS: [f64; 2] = [50.0, 60.0];
/// Harmonics that are looked at.
const HARMONICS: usize = 6;
/// How far a line stands out of its surroundings, dB, and how many of the harmonics must.
const STANDS_OUT: f64 = 9.0;
const ENOUGH: usize = 3;

/// A decay is at least so deep, dB, and lasts from so many to so many hops of 10 ms.
const DEPTH: f32 = 18.0;
const DECAY: std::ops::RangeInclusive<usize> = 5..=150;
/// Fewest decays that tell of a room.
const DECAYS: usize = 8;
/// Reverberation time from which on it is told, seconds: living rooms have 0.4 to 0.5.
const REVERBERANT: f64 = 0.6;
/// The share of decays that are faster than the one that tells of the room: voices fade slower than rooms, never
/// faster.
const FASTER: f64 = 0.2;

/// Looks at a recording as it flows by.
pub struct Health {
    rate: f64,
    samples: u64,
    /// Last sample, length of the run at its value, by channel.
    runs: Vec<(f32, usize)>,
    clipped: u64,
    hum: Hum,
    /// Mean square of the hop, samples in it, and levels of hops in dB.
    power: f64,
    filled: usize,
    levels: Vec<f32>,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Findings {
    /// Tops that are cut off.
    pub clipped_tops: u64,
    /// Mains frequency in hertz and how far its lines stand out in the mean, dB.
    pub hum: Option<(f64, f64)>,
    /// Reverberation time of the room in seconds, as far as decays of the voice tell; none where there are too few.
    pub reverberation: Option<f64>,
    /// Length in seconds.
    pub seconds: f64,
}

/// The long-term spectrum up to 1 kHz: a mean of decibels, in which what is always there stands out.
struct Hum {
    plan: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    every: usize,
    sum: f32,
    summed: usize,
    past: Vec<f32>,
    mean_db: Vec<f64>,
    spectra: u64,
}

impl Hum {
    fn new(rate: f64) -> Self {
        let every = ((rate / HUM_RATE).round() as usize).max(1);
        let hann = |n: usize| 0.5 - 0.5 * (std::f32::consts::TAU * n as f32 / HUM_POINTS as f32).cos();
        Self {
            plan: RealFftPlanner::<f32>::new().plan_fft_forward(HUM_POINTS),
            window: (0..HUM_POINTS).map(hann).collect(),
            every,
            sum: 0.0,
            summed: 0,
            past: Vec::with_capacity(HUM_POINTS),
            mean_db: vec![0.0; HUM_POINTS / 2 + 1],
            spectra: 0,
        }
    }

    fn hear(&mut self, sample: f32) {
        // A mean over a few samples keeps what lies above from folding down by more than is there; hum is strong
        // where that is weak.
        self.sum += sample;
        self.summed += 1;
        if self.summed < self.every {
            return;
        }
        self.past.push(self.sum / self.summed as f32);
        (self.sum, self.summed) = (0.0, 0);
        if self.past.len() < HUM_POINTS {
            return;
        }
        let mut input: Vec<f32> = self.past.iter().zip(&self.window).map(|(x, w)| x * w).collect();
        let mut spectrum: Vec<Complex32> = self.plan.make_output_vec();
        if self.plan.process(&mut input, &mut spectrum).is_ok() {
            self.mean_db.iter_mut().zip(&spectrum).for_each(|(mean, bin)| *mean += 10.0 * f64::from(bin.norm_sqr()).max(1e-20).log10());
            self.spectra += 1;
        }
        self.past.drain(..HUM_POINTS / 2);
    }

    fn find(&self, rate: f64) -> Option<(f64, f64)> {
        if self.spectra < 2 {
            return None;
        }
        let bin_hz = rate / self.every as f64 / HUM_POINTS as f64;
        let at = |bin: usize| self.mean_db.get(bin).copied().unwrap_or(-200.0) / self.spectra as f64;
        let stands_out = |hz: f64| {
            let middle = (hz / bin_hz).round() as usize;
            let line = (middle.saturating_sub(2)..=middle + 2).map(at).fold(f64::NEG_INFINITY, f64::max);
            let (near, far) = ((3.0 / bin_hz) as usize, (9.0 / bin_hz) as usize);
            let mut around: Vec<f64> =
                (middle.saturating_sub(far)..middle.saturating_sub(near)).chain(middle + near..middle + far).map(at).collect();
            around.sort_by(f64::total_cmp);
            // Digital silence has no lines.
            if line < -150.0 { 0.0 } else { line - around.get(around.len() / 2).copied().unwrap_or(line) }
        };
        let found = MAINS.map(|mains| {
            let heights: Vec<f64> = (1..=HARMONICS).map(|n| stands_out(mains * n as f64)).filter(|height| *height > STANDS_OUT).collect();
            (mains, heights.len(), heights.iter().sum::<f64>() / heights.len().max(1) as f64)
        });
        let best = found.into_iter().max_by(|a, b| (a.1, a.2).partial_cmp(&(b.1, b.2)).unwrap_or(std::cmp::Ordering::Equal))?;
        (best.1 >= ENOUGH).then_some((best.0, best.2))
    }
}

impl Health {
    /// For a sample rate in hertz and channels.
    pub fn new(rate: u32, channels: usize) -> Self {
        let rate = f64::from(rate);
        Self {
            rate,
            samples: 0,
            runs: vec![(0.0, 0); channels],
            clipped: 0,
            hum: Hum::new(rate),
            power: 0.0,
            filled: 0,
            levels: Vec::new(),
        }
    }

    /// Hears a block, `block[channel][sample]`.
    pub fn hear(&mut self, block: &[&[f32]]) {
        for ((last, run), samples) in self.runs.iter_mut().zip(block) {
            for &sample in *samples {
                if sample.abs() > LOUD && (sample - *last).abs() < FLAT {
                    *run += 1;
                    self.clipped += u64::from(*run == RUN - 1);
                } else {
                    *run = 0;
                }
                *last = sample;
            }
        }
        let hop = (self.rate / 100.0).round().max(1.0) as usize;
        let scale = 1.0 / block.len().max(1) as f32;
        for n in 0..block.first().map_or(0, |samples| samples.len()) {
            let mono = block.iter().map(|samples| samples[n]).sum::<f32>() * scale;
            self.hum.hear(mono);
            self.power += f64::from(mono * mono);
            self.filled += 1;
            if self.filled == hop {
                self.levels.push((10.0 * (self.power / hop as f64).max(1e-12).log10()) as f32);
                (self.power, self.filled) = (0.0, 0);
            }
        }
        self.samples += block.first().map_or(0, |samples| samples.len()) as u64;
    }

    /// Levels of hops of 10 ms in dBFS.
    pub fn levels(&self) -> &[f32] {
        &self.levels
    }

    /// What was found.
    pub fn findings(&self) -> Findings {
        Findings {
            clipped_tops: self.clipped,
            hum: self.hum.find(self.rate),
            reverberation: reverberation(&self.levels),
            seconds: self.samples as f64 / self.rate,
        }
    }
}

/// Reverberation time in seconds from how levels fall after sounds: slopes of all long falls, of which the fast ones
/// are the room's. (After R. Ratnam et al., "Blind estimation of reverberation time", JASA 114, 2003, whose likelihood
/// is a line through decibels here.)
fn reverberation(levels: &[f32]) -> Option<f64> {
    let mut times = Vec::new();
    let mut at = 0;
    while at + 1 < levels.len() {
        // A fall goes on while no hop is louder than the mean of the last two.
        let mut end = at;
        while end + 1 < levels.len() && levels[end + 1] < levels[end] + 0.5 && end - at < *DECAY.end() {
            end += 1;
        }
        let length = end - at;
        if DECAY.contains(&length) && levels[at] - levels[end] >= DEPTH {
            // From 3 dB under the start, over the steepest fall of DEPTH: the end lies in the noise.
            let first = (at..end).find(|&n| levels[n] < levels[at] - 3.0).unwrap_or(at);
            let last = (first..=end).find(|&n| levels[n] <= levels[first] - (DEPTH - 3.0)).unwrap_or(end);
            if last > first + 1 {
                let slope = f64::from(levels[first] - levels[last]) / ((last - first) as f64 * 0.01);
                times.push(60.0 / slope);
            }
        }
        at = end + 1;
    }
    if times.len() < DECAYS {
        return None;
    }
    times.sort_by(f64::total_cmp);
    Some(times[(times.len() as f64 * FASTER) as usize])
}

impl Findings {
    /// One line each of what a person should know.
    pub fn warnings(&self) -> Vec<String> {
        let minutes = (self.seconds / 60.0).max(1.0 / 60.0);
        let clipped = (self.clipped_tops as f64 / minutes >= MANY_A_MINUTE && self.clipped_tops >= 3)
            .then(|| format!("is clipped: {} tops are cut off; record at a lower level", self.clipped_tops));
        let hum = self.hum.map(|(hz, db)| format!("has mains hum of {hz:.0} Hz, {db:.0} dB over what is beside its lines"));
        let room = self
            .reverberation
            .filter(|time| *time >= REVERBERANT)
            .map(|time| format!("was recorded in a reverberant room (about {time:.1} s); go nearer to the microphone"));
        clipped.into_iter().chain(hum).chain(room).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    fn noise(seed: u32) -> impl FnMut() -> f32 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        }
    }

    fn of(audio: &[f32]) -> Findings {
        let mut health = Health::new(RATE, 1);
        audio.chunks(1_000).for_each(|block| health.hear(&[block]));
        health.findings()
    }

    /// Bursts of noise that die away in a room of a reverberation time.
    fn bursts(time: f32) -> Vec<f32> {
        let mut noise = noise(3);
        (0..30 * RATE)
            .map(|n| {
                let t = (n % RATE) as f32 / RATE as f32;
                let envelope = if t < 0.2 { 1.0 } else { 10_f32.powf(-3.0 * (t - 0.2) / time) };
                0.2 * envelope * noise() + 1e-4 * noise()
            })
            .collect()
    }

    #[test]
    fn rooms_are_told_apart() {
        let dry = of(&bursts(0.25));
        assert!(dry.warnings().is_empty(), "{dry:?}");
        for time in [0.7, 1.2] {
            let wet = of(&bursts(time));
            assert!((wet.reverberation.unwrap() / f64::from(time) - 1.0).abs() < 0.25, "{time}: {wet:?}");
            assert_eq!(wet.warnings().len(), 1);
        }
    }

    #[test]
    fn hum_is_found_and_voices_are_none() {
        for mains in [50.0_f32, 60.0] {
            let mut noise = noise(9);
            let hum: Vec<f32> = (0..20 * RATE)
                .map(|n| {
                    let t = n as f32 / RATE as f32;
                    let lines: f32 = (1..=5).map(|k| (mains * k as f32 * t * std::f32::consts::TAU).sin() / k as f32).sum();
                    0.003 * lines + 0.01 * noise()
                })
                .collect();
            assert_eq!(of(&hum).hum.map(|(hz, _)| hz), Some(f64::from(mains)));
        }
        // A voice near 100 Hz, whose pitch moves.
        let mut phase = 0.0_f32;
        let voice: Vec<f32> = (0..20 * RATE)
            .map(|n| {
                let t = n as f32 / RATE as f32;
                phase += (100.0 + 15.0 * (t * 1.7).sin()) / RATE as f32;
                let on = f32::from(u8::from((t * 0.8).fract() < 0.7));
                on * (1..=8).map(|k| (k as f32 * phase * std::f32::consts::TAU).sin()).sum::<f32>() * 0.05
            })
            .collect();
        assert_eq!(of(&voice).hum, None);
        assert_eq!(of(&vec![0.0; 10 * RATE as usize]).hum, None);
    }

    #[test]
    fn cut_off_tops_are_counted() {
        let sine = |gain: f32| (0..10 * RATE).map(|n| (gain * (n as f32 * 0.03).sin()).clamp(-0.98, 0.98)).collect::<Vec<f32>>();
        assert_eq!(of(&sine(0.97)).clipped_tops, 0);
        let clipped = of(&sine(1.5));
        assert!(clipped.clipped_tops > 1_000 && clipped.warnings()[0].contains("clipped"), "{clipped:?}");
    }
}
