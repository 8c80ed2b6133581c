//! Cut-outs of a song: what the chain makes of them is what it makes of the song, nearly, in a part of the time.

use crate::render::failure::Failure;
use crate::render::source;
use dsp_core::analysis::Analyser;
use dsp_core::engines::master::MasterMoves;
use dsp_core::mastering::{Profile, Stages};
use dsp_core::processor::Format;
use sound_files::part::{self, BLOCK, Part};
use std::ops::Range;
use std::path::Path;

/// Seconds of a cut-out that count: a bar or two.
const SECONDS: f64 = 2.1;
/// Seconds before them in which the dynamics settle.
const LEAD: f64 = 0.4;
/// There is one for so many seconds of the song, within these numbers.
const EVERY: f64 = 10.0;
const COUNT: (f64, f64) = (4.0, 12.0);

/// Cut-outs, evenly over a song; all of a short one.
pub struct Excerpts {
    spans: Vec<Range<u64>>,
    /// Samples of each that only lead there.
    lead: usize,
    /// One after the other, `[channel][sample]`.
    audio: Vec<Vec<f32>>,
    /// Samples of the song that were heard.
    heard: u64,
}

impl Excerpts {
    /// Of a song of so many samples, empty.
    pub fn of(rate: u32, channels: usize, frames: u64) -> Self {
        let rate = f64::from(rate);
        let count = (frames as f64 / rate / EVERY).ceil().clamp(COUNT.0, COUNT.1);
        let length = (rate * (LEAD + SECONDS)) as u64;
        let whole = frames <= count as u64 * length;
        let start = |index: u64| ((index as f64 + 0.5) / count * frames as f64) as u64 - length / 2;
        let span = |index: u64| if whole { 0..frames } else { start(index)..start(index) + length };
        let spans = (0..if whole { 1 } else { count as u64 }).map(span).collect();
        Self { spans, lead: if whole { 0 } else { (rate * LEAD) as usize }, audio: vec![Vec::new(); channels], heard: 0 }
    }

    /// Reads them from a file; none where it does not tell its length.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path, allow_truncated: bool) -> Result<Option<Self>, Failure> {
        let mut source = source::open(path, allow_truncated)?;
        let Some(frames) = source.info().frames else { return Ok(None) };
        let mut excerpts = Self::of(source.info().rate, source.info().channels, frames);
        part::read(source.as_mut(), Part::WHOLE, |block, _, _| {
            excerpts.add(&block.iter().map(Vec::as_slice).collect::<Vec<_>>());
            true
        })?;
        Ok(Some(excerpts))
    }

    /// Hears the next block of the song.
    pub fn add(&mut self, block: &[&[f32]]) {
        let length = block.first().map_or(0, |samples| samples.len()) as u64;
        let at = |place: u64| place.clamp(self.heard, self.heard + length) - self.heard;
        for span in &self.spans {
            let range = at(span.start) as usize..at(span.end) as usize;
            for (audio, samples) in self.audio.iter_mut().zip(block).filter(|_| !range.is_empty()) {
                audio.extend_from_slice(&samples[range.clone()]);
            }
        }
        self.heard += length;
    }

    /// What they are like, and what the stages before the limiter make of them.
    ///
    /// # Errors
    /// When the format is out of range.
    pub fn look(&self, format: Format, moves: &MasterMoves) -> Result<[Profile; 2], Failure> {
        let mut stages = Stages::new(format, moves)?;
        let delay = stages.latency();
        let mut after: Vec<Vec<f32>> = self.audio.clone();
        after.iter_mut().for_each(|samples| samples.resize(samples.len() + delay, 0.0));
        let length = after.first().map_or(0, Vec::len);
        for at in (0..length).step_by(BLOCK) {
            let range = at..length.min(at + BLOCK);
            let mut audio: Vec<&mut [f32]> = after.iter_mut().map(|samples| &mut samples[range.clone()]).collect();
            stages.process(&mut audio);
        }
        Ok([self.profile(format, &self.audio, 0)?, self.profile(format, &after, delay)?])
    }

    /// Of the parts that count of a sound that comes later by `delay`.
    fn profile(&self, format: Format, audio: &[Vec<f32>], delay: usize) -> Result<Profile, Failure> {
        let mut analyser = Analyser::for_matching(format)?;
        let mut at = 0;
        let whole = audio.first().map_or(0, Vec::len);
        for span in &self.spans {
            let end = at + (span.end - span.start) as usize;
            let range = (at + delay + self.lead).min(whole)..(end + delay).min(whole);
            let pieces: Vec<&[f32]> = audio.iter().map(|samples| &samples[range.clone()]).collect();
            analyser.process(&pieces);
            at = end;
        }
        Ok(Profile::of(&analyser))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::units::Hz;

    #[test]
    fn they_lie_evenly_and_do_not_depend_on_blocks() {
        let (rate, frames) = (1_000, 60_000_u64);
        let song: Vec<f32> = (0..frames).map(|n| n as f32).collect();
        let mut first: Option<Vec<f32>> = None;
        for block in [17, 8_192, 60_000] {
            let mut excerpts = Excerpts::of(rate, 1, frames);
            song.chunks(block).for_each(|samples| excerpts.add(&[samples]));
            assert_eq!(excerpts.spans.len(), 6);
            assert_eq!(excerpts.audio[0].len(), 15_000);
            assert_eq!(excerpts.audio[0][0], 3_750.0);
            assert!(first.replace(excerpts.audio[0].clone()).is_none_or(|first| first == excerpts.audio[0]));
        }
        let mut short = Excerpts::of(rate, 1, 9_000);
        short.add(&[&song[..9_000]]);
        assert_eq!((short.audio[0].len(), short.lead), (9_000, 0));
        let long = Excerpts::of(rate, 1, 3_600_000);
        assert_eq!(long.spans.len(), 12);
        assert!(Excerpts::of(rate, 1, 0).spans.iter().all(Range::is_empty));
    }

    /// A chain that does nothing leaves them as they are; one that lifts the highs is heard to do so.
    #[test]
    fn a_look_tells_what_the_chain_does() {
        let format = Format::new(Hz(48_000.0), 2).unwrap();
        let mut seed = 5_u32;
        let mut noise = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            0.2 * ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0)
        };
        let song: Vec<Vec<f32>> = (0..2).map(|_| (0..48_000 * 20).map(|_| noise()).collect()).collect();
        let mut excerpts = Excerpts::of(48_000, 2, 48_000 * 20);
        excerpts.add(&[&song[0], &song[1]]);
        let [before, after] = excerpts.look(format, &MasterMoves::default()).unwrap();
        assert_eq!(before, after);
        let mut moves = MasterMoves::default();
        moves.equaliser.bands[11].on = true;
        moves.equaliser.bands[11].gain = dsp_core::units::Db(6.0);
        moves.equaliser.bands[11].frequency = Hz(8_000.0);
        let [before, after] = excerpts.look(format, &moves).unwrap();
        let lift = |third: usize| after.thirds[third] - before.thirds[third];
        let lifted = moves.equaliser.analogue_db(Hz(8_063.0)) - moves.equaliser.analogue_db(Hz(200.0));
        assert!((lift(25) - lift(9) - lifted).abs() < 0.3, "{} for {lifted}", lift(25) - lift(9));
    }
}
