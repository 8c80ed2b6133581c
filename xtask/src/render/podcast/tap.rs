//! What the chain tells while it works, kept: probabilities by hop, gains of its stages by half second.

use super::silence::{HOP, Heard, Span};
use dsp_core::engines::podcast::{COUNT, STAGES, StageFrame};
use dsp_core::events::{KINDS, LATE_FRAMES};

/// Hops over which gains are joined: half a second.
const JOIN: usize = 50;
/// Mean probability over half a second from which a kind is shown.
const SHOWN: f32 = 0.5;
/// Speech quieter than this counts for no gain: the gain of a pause is nobody's, dBFS.
const AUDIBLE_DB: f32 = -60.0;

/// Gains of one stage over half a second, dB.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gain {
    /// Mean over the hops that could be heard.
    pub mean: f32,
    /// The lowest of them.
    pub lowest: f32,
}

/// Keeps what the chain tells.
#[derive(Clone, Debug, Default)]
pub struct Tap {
    /// Probabilities of speech, music and noise, level in dB, by hop.
    heard: Vec<[f32; 4]>,
    /// By half second.
    gains: Vec<[Gain; COUNT]>,
    sums: [f32; COUNT],
    lowest: [f32; COUNT],
    counted: usize,
    hops: usize,
    stepped_back: f64,
}

impl Tap {
    /// Takes what the chain tells.
    pub fn hear(&mut self, frame: &StageFrame) {
        let heard = &frame.heard;
        self.heard.push([heard.speech, heard.music, heard.noise, heard.level_db]);
        // Half a second later the listener is surer of what it heard.
        if let Some(earlier) = self.heard.len().checked_sub(LATE_FRAMES + 1) {
            self.heard[earlier][..KINDS].copy_from_slice(&heard.settled);
        }
        self.stepped_back += f64::from(frame.stepped_back);
        if heard.level_db > AUDIBLE_DB {
            for ((sum, lowest), &gain) in self.sums.iter_mut().zip(&mut self.lowest).zip(&frame.gain_db) {
                *sum += gain;
                *lowest = lowest.min(gain);
            }
            self.counted += 1;
        }
        self.hops += 1;
        if self.hops == JOIN {
            let count = self.counted.max(1) as f32;
            self.gains.push(std::array::from_fn(|stage| Gain { mean: self.sums[stage] / count, lowest: self.lowest[stage] }));
            (self.sums, self.lowest, self.counted, self.hops) = ([0.0; COUNT], [0.0; COUNT], 0, 0);
        }
    }

    /// Hops with levels before and behind the chain, and what a second listening heard behind it, of which there is one
    /// a hop each; without a second listening the first stands for it.
    pub fn frames(&self, before: &[f32], after: &[f32], again: &[[f32; 2]]) -> Vec<Heard> {
        let level = |levels: &[f32], index: usize| levels.get(index).copied().unwrap_or(-120.0);
        let frame = |(index, &[speech, music, noise, _]): (usize, &[f32; 4])| Heard {
            speech,
            music,
            noise,
            again: again.get(index).copied().unwrap_or([speech, music]),
            before_db: level(before, index),
            after_db: level(after, index),
        };
        // What the engine says of the silence behind the end is nobody's.
        self.heard.iter().enumerate().take(before.len()).map(frame).collect()
    }

    /// Gains by half second: seconds of its middle, and the stages' gains.
    pub fn gains(&self) -> impl Iterator<Item = (f64, &[Gain; COUNT])> {
        self.gains.iter().enumerate().map(|(index, gains)| ((index as f64 + 0.5) * JOIN as f64 * HOP, gains))
    }

    /// The mean gain of each stage over all of it, and its deepest, dB.
    pub fn totals(&self) -> Vec<(&'static str, f32, f32)> {
        let count = self.gains.len().max(1) as f32;
        let stage = |stage: usize| {
            let mean = self.gains.iter().map(|gains| gains[stage].mean).sum::<f32>() / count;
            (STAGES[stage].id, mean, self.gains.iter().map(|gains| gains[stage].lowest).fold(0.0, f32::min))
        };
        (0..COUNT).map(stage).collect()
    }

    /// How much of the time the stages have stepped back for music, 0 to 1.
    pub fn stepped_back(&self) -> f64 {
        self.stepped_back / self.heard.len().max(1) as f64
    }

    /// Where there is speech, music and noise: stretches of half seconds, up to `seconds`.
    pub fn events(&self, seconds: f64) -> [Vec<Span>; 3] {
        let mut events: [Vec<Span>; 3] = Default::default();
        for (block, hops) in self.heard.chunks(JOIN).enumerate() {
            let start = block as f64 * JOIN as f64 * HOP;
            let end = (start + hops.len() as f64 * HOP).min(seconds);
            for (kind, spans) in events.iter_mut().enumerate() {
                let mean = hops.iter().map(|hop| hop[kind]).sum::<f32>() / hops.len() as f32;
                if mean < SHOWN || end <= start {
                    continue;
                }
                match spans.last_mut() {
                    Some(last) if last.end >= start - 1e-9 => last.end = end,
                    _ => spans.push(Span { start, end }),
                }
            }
        }
        events
    }
}
