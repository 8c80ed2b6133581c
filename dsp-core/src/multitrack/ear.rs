//! What is heard of a track in each hop: powers of octaves of speech, and K-weighted power.

use super::hop_of;
use crate::loudness::weighting::{Section, State, channel_weight, k_weighting};
use crate::units::Hz;
use std::f64::consts::PI;

/// Number of bands.
pub const BANDS: usize = 6;
/// Their centres in hertz, octaves of speech: below rumble, above mostly hiss.
const CENTRES: [f64; BANDS] = [200.0, 400.0, 800.0, 1_600.0, 3_200.0, 6_400.0];
/// Quality of a band-pass of one octave.
const Q: f64 = std::f64::consts::SQRT_2;
/// A band whose centre lies over this share of the rate is left out.
const TOP: f64 = 0.42;

/// What was heard of a track in 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hop {
    /// Mean square by band, full scale 1; 0 in bands that the rate does not hold.
    pub bands: [f32; BANDS],
    /// K-weighted mean square over the channels (ITU-R BS.1770-5), which -0.691 + 10 log10 makes LUFS.
    pub loud: f32,
}

/// A band-pass with 0 dB at its centre (R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter
/// coefficients").
fn band_pass(centre: f64, rate: f64) -> Section {
    let w = 2.0 * PI * centre / rate;
    let alpha = w.sin() / (2.0 * Q);
    let a0 = 1.0 + alpha;
    Section { b: [alpha / a0, 0.0, -alpha / a0], a: [-2.0 * w.cos() / a0, (1.0 - alpha) / a0] }
}

/// Listens to one track.
#[derive(Clone, Debug)]
pub struct Ear {
    hop: usize,
    bands: [Option<Section>; BANDS],
    weighting: [Section; 2],
    /// By channel: its weight, states of the weighting and of the bands.
    channels: Vec<(f64, [State; 2], [State; BANDS])>,
    loud: f64,
    powers: [f64; BANDS],
    done: usize,
}

impl Ear {
    /// For a rate and a number of channels.
    pub fn new(rate: Hz, channels: usize) -> Self {
        Self {
            hop: hop_of(rate.0),
            bands: CENTRES.map(|centre| (centre < TOP * rate.0).then(|| band_pass(centre, rate.0))),
            weighting: k_weighting(rate.0),
            channels: (0..channels).map(|index| (channel_weight(index, channels), Default::default(), Default::default())).collect(),
            loud: 0.0,
            powers: [0.0; BANDS],
            done: 0,
        }
    }

    /// Forgets the sound.
    pub fn reset(&mut self) {
        self.channels.iter_mut().for_each(|(_, weighting, bands)| (*weighting, *bands) = Default::default());
        (self.loud, self.powers, self.done) = (0.0, [0.0; BANDS], 0);
    }

    /// Samples until the present hop is complete, at least 1.
    pub fn until_due(&self) -> usize {
        self.hop - self.done
    }

    /// Hears at most [`Ear::until_due`] samples, `audio[channel][sample]`; gives the hop once it is complete. Never
    /// allocates.
    pub fn hear(&mut self, audio: &[&[f32]]) -> Option<Hop> {
        let length = audio.first().map_or(0, |channel| channel.len());
        let [shelf, high_pass] = self.weighting;
        for ((weight, [first, second], states), channel) in self.channels.iter_mut().zip(audio) {
            for &sample in *channel {
                let y = high_pass.step(second, shelf.step(first, f64::from(sample)));
                self.loud += *weight * y * y;
            }
            for ((band, state), power) in self.bands.iter().zip(states).zip(&mut self.powers) {
                let Some(band) = band else { continue };
                for &sample in *channel {
                    let y = band.step(state, f64::from(sample));
                    *power += y * y;
                }
            }
        }
        self.done += length;
        if self.done < self.hop {
            return None;
        }
        let scale = 1.0 / self.done as f64;
        let hop = Hop { bands: self.powers.map(|power| (power * scale) as f32), loud: (self.loud * scale) as f32 };
        (self.loud, self.powers, self.done) = (0.0, [0.0; BANDS], 0);
        Some(hop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hops(rate: f64, hz: f64, block: usize) -> Vec<Hop> {
        let audio: Vec<f32> = (0..rate as usize).map(|n| (std::f64::consts::TAU * hz * n as f64 / rate).sin() as f32).collect();
        let mut ear = Ear::new(Hz(rate), 1);
        let (mut hops, mut at) = (Vec::new(), 0);
        while at < audio.len() {
            let end = audio.len().min(at + block.min(ear.until_due()));
            hops.extend(ear.hear(&[&audio[at..end]]));
            at = end;
        }
        hops
    }

    /// A full-scale sine in the middle of a band has a mean square of one half there, and less in the others.
    #[test]
    fn a_sine_is_heard_in_its_band_whatever_the_blocks() {
        for rate in [16_000.0, 44_100.0, 48_000.0, 96_000.0] {
            for (band, &centre) in CENTRES.iter().enumerate() {
                let heard = hops(rate, centre, 1_000_000);
                assert_eq!(heard.len(), 100);
                let last = heard[99];
                assert!((last.bands[band] - 0.5).abs() < 0.05, "{rate} {centre}: {last:?}");
                let others = (0..BANDS).filter(|&other| other != band).map(|other| last.bands[other]).fold(0.0, f32::max);
                assert!(others < 0.2, "{rate} {centre}: {last:?}");
                assert_eq!(heard, hops(rate, centre, 17));
            }
        }
        assert_eq!(hops(8_000.0, 400.0, 64)[50].bands[5], 0.0, "there is no such band");
    }
}
