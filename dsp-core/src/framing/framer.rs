//! The clock that cuts a stream into hops, for any block size, and what it keeps of the past.

use crate::sample::usable;
use std::ops::Range;

/// What a channel keeps between blocks.
#[derive(Debug)]
struct Channel {
    /// The last samples in, oldest first, `[history]`.
    history: Vec<f32>,
    /// Samples of the hop that fills up, `[hop]`.
    incoming: Vec<f32>,
    /// Finished samples of one hop, `[hop]`.
    outgoing: Vec<f32>,
}

/// Takes samples in and gives finished ones out, and says when a hop is full. Frames fall on the same
/// samples whatever the lengths of the blocks.
#[derive(Debug)]
pub struct Framer {
    channels: Vec<Channel>,
    hop: usize,
    /// Samples of the present hop that are in.
    filled: usize,
}

impl Framer {
    /// For hops of `hop` samples with the last `history` samples kept.
    pub fn new(hop: usize, history: usize, channels: usize) -> Self {
        let channel = || Channel { history: vec![0.0; history.max(hop)], incoming: vec![0.0; hop], outgoing: vec![0.0; hop] };
        Self { channels: (0..channels).map(|_| channel()).collect(), hop, filled: 0 }
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Zeroes all history.
    pub fn reset(&mut self) {
        self.filled = 0;
        for channel in &mut self.channels {
            channel.history.fill(0.0);
            channel.outgoing.fill(0.0);
        }
    }

    /// Samples that can still be exchanged before a frame is due.
    pub fn until_frame(&self) -> usize {
        self.hop - self.filled
    }

    /// Takes `range` of a block in and, if `write`, puts finished samples in its place. At most
    /// [`Framer::until_frame`] samples. Input that is not a number is taken as silence. True when a
    /// frame is due: call [`Framer::advance`], then fill every channel's [`Framer::outgoing`].
    pub fn exchange<'a>(&mut self, audio: impl Iterator<Item = &'a mut [f32]>, range: Range<usize>, write: bool) -> bool {
        let filled = self.filled;
        for (channel, samples) in self.channels.iter_mut().zip(audio) {
            let samples = &mut samples[range.clone()];
            let slots = filled..filled + samples.len();
            for (kept, &sample) in channel.incoming[slots.clone()].iter_mut().zip(samples.iter()) {
                *kept = usable(sample);
            }
            if write {
                samples.copy_from_slice(&channel.outgoing[slots]);
            }
        }
        self.filled += range.len();
        if self.filled < self.hop {
            return false;
        }
        self.filled = 0;
        true
    }

    /// Moves every channel's history on by one hop.
    pub fn advance(&mut self) {
        for channel in &mut self.channels {
            let kept = channel.history.len() - self.hop;
            channel.history.copy_within(self.hop.., 0);
            channel.history[kept..].copy_from_slice(&channel.incoming);
        }
    }

    /// The last samples of a channel, oldest first, `[history]`.
    pub fn history(&self, channel: usize) -> &[f32] {
        &self.channels[channel].history
    }

    /// Where the next finished hop of a channel goes, and the channel's history, `[hop]` and
    /// `[history]`.
    pub fn outgoing(&mut self, channel: usize) -> (&mut [f32], &[f32]) {
        let channel = &mut self.channels[channel];
        (&mut channel.outgoing, &channel.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_a_hop_later_and_rubbish_is_silence() {
        let input = [0.5, f32::NAN, -0.25, f32::INFINITY, 1e-20, 2e6, 1.0, -1.0, 0.125, 0.0, 0.0, 0.0];
        let clean = [0.5, 0.0, -0.25, 0.0, 0.0, 0.0, 1.0, -1.0, 0.125];
        for cut in [1, 2, 3] {
            let mut framer = Framer::new(3, 7, 1);
            let mut audio = input;
            let mut at = 0;
            while at < audio.len() {
                let end = audio.len().min(at + cut.min(framer.until_frame()));
                if framer.exchange([&mut audio[..]].into_iter(), at..end, true) {
                    framer.advance();
                    let (out, history) = framer.outgoing(0);
                    out.copy_from_slice(&history[4..]);
                }
                at = end;
            }
            assert_eq!(audio[..3], [0.0; 3]);
            assert_eq!(audio[3..], clean, "cut {cut}");
        }
    }
}
