//! A delay of whole samples for planar blocks.

use crate::realtime::clean;

/// Delays channels by a fixed number of samples, in place or beside the input.
#[derive(Clone, Debug, Default)]
pub struct Delay {
    /// `[channel][sample]`, rings of the delay's length.
    rings: Vec<Vec<f32>>,
    at: usize,
}

impl Delay {
    /// For a number of channels; a delay of 0 passes everything.
    pub fn new(channels: usize, samples: usize) -> Self {
        Self { rings: vec![vec![0.0; samples]; channels], at: 0 }
    }

    /// Length in samples.
    pub fn length(&self) -> usize {
        self.rings.first().map_or(0, Vec::len)
    }

    /// Forgets what is inside.
    pub fn reset(&mut self) {
        self.rings.iter_mut().for_each(|ring| ring.fill(0.0));
        self.at = 0;
    }

    /// Swaps a piece of one channel, cleaned, for what came before. Call it for every channel with
    /// the same length, then [`Delay::advance`].
    pub fn exchange(&mut self, channel: usize, audio: &mut [f32]) {
        let Some(ring) = self.rings.get_mut(channel) else { return };
        if ring.is_empty() {
            return crate::realtime::clean_all(audio);
        }
        let mut at = self.at;
        for sample in audio {
            *sample = std::mem::replace(&mut ring[at], clean(*sample));
            at += 1;
            if at == ring.len() {
                at = 0;
            }
        }
    }

    /// All channels have had a piece of this length.
    pub fn advance(&mut self, length: usize) {
        let ring = self.length();
        if ring > 0 {
            self.at = (self.at + length) % ring;
        }
    }

    /// Delays a whole block in place.
    pub fn process(&mut self, audio: &mut [&mut [f32]]) {
        for (index, channel) in audio.iter_mut().enumerate() {
            self.exchange(index, channel);
        }
        self.advance(audio.first().map_or(0, |channel| channel.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_delays_whatever_the_blocks() {
        for samples in [0, 1, 5, 64] {
            for block in [1, 3, 64, 200] {
                let input: Vec<f32> = (1..=200).map(|n| n as f32).collect();
                let mut out = input.clone();
                let mut delay = Delay::new(1, samples);
                out.chunks_mut(block).for_each(|piece| delay.process(&mut [piece]));
                assert!(out[..samples].iter().all(|&x| x == 0.0));
                assert_eq!(out[samples..], input[..200 - samples]);
            }
        }
    }
}
