//! A model that hears the song turned round in time: what follows a sound tells as much of it as what came before.

use crate::engines::stems::core::{Core, With};
use crate::engines::stems::models::Path;
use crate::engines::stems::separator::{PAIR, Separator};
use crate::engines::stems::settings::{STEMS, Settings};
use crate::processor::{Error, Format};

/// Seconds of the song that are turned round at a time.
const CHUNK_SECONDS: f64 = 16.0;
/// Seconds behind them that the model hears first, by which its states settle.
const RUN_IN_SECONDS: f64 = 4.0;
/// Samples that run at a time.
const BLOCK: usize = 8_192;

/// A path over the song turned round in time, chunk by chunk.
#[derive(Debug)]
pub struct Backward {
    core: Core,
    /// `[pair]`
    streams: Vec<Separator>,
    passes: usize,
    chunk: usize,
    run_in: usize,
    hop: usize,
    /// The end of what is in: a little of the chunk before, a chunk, and what follows it, `[channel][sample]`.
    input: Vec<Vec<f32>>,
    /// Samples since the last chunk was done.
    filled: usize,
    /// The chunk that goes out, `[stem][channel][sample]`.
    ready: Vec<Vec<Vec<f32>>>,
}

impl Backward {
    /// For the model of `path`, in the mean of so many passes whose frames lie between each other.
    ///
    /// # Errors
    /// When the model does not load.
    pub fn new(path: &Path, format: Format, passes: usize) -> Result<Self, Error> {
        Self::sized(path, format, passes, [CHUNK_SECONDS, RUN_IN_SECONDS])
    }

    /// With chunks and a run-in of so many seconds.
    fn sized(path: &Path, format: Format, passes: usize, seconds: [f64; 2]) -> Result<Self, Error> {
        let (frame, _, masks) = path.model()?;
        let core = path.core(format)?;
        let [chunk, run_in] = seconds.map(|seconds| (format.rate.0 * seconds) as usize);
        Ok(Self {
            streams: (0..format.channels.div_ceil(PAIR)).map(|_| path.stream()).collect::<Result<_, _>>()?,
            passes,
            chunk,
            run_in,
            hop: crate::framing::Windows::new(&frame, format.rate).hop,
            input: vec![vec![0.0; core.latency() + chunk + run_in]; format.channels],
            filled: 0,
            ready: vec![vec![vec![0.0; chunk]; format.channels]; masks],
            core,
        })
    }

    /// Delay in samples.
    pub fn latency(&self) -> usize {
        self.chunk + self.run_in
    }

    /// Forgets all sound.
    pub fn reset(&mut self) {
        self.filled = 0;
        self.input.iter_mut().chain(self.ready.iter_mut().flatten()).for_each(|channel| channel.fill(0.0));
    }

    /// Takes a block in, `[channel][sample]`, and adds `share` of what has come of it to `sums`, `[stem][channel][sample]`.
    pub fn process(&mut self, audio: &[&mut [f32]], settings: &Settings, share: f32, sums: &mut [Vec<Vec<f32>>]) {
        let length = audio.first().map_or(0, |channel| channel.len());
        let mut at = 0;
        while at < length {
            let count = (length - at).min(self.chunk - self.filled);
            for (sums, ready) in sums.iter_mut().flatten().zip(self.ready.iter().flatten()) {
                let new = &ready[self.filled..self.filled + count];
                sums[at..at + count].iter_mut().zip(new).for_each(|(sum, sample)| *sum += share * sample);
            }
            for (kept, channel) in self.input.iter_mut().zip(audio) {
                let end = kept.len() - self.chunk + self.filled;
                kept[end..end + count].copy_from_slice(&channel[at..at + count]);
            }
            self.filled += count;
            at += count;
            if self.filled == self.chunk {
                self.filled = 0;
                self.run(settings);
                for kept in &mut self.input {
                    kept.copy_within(self.chunk.., 0);
                }
            }
        }
    }

    /// Makes the stems of the chunk that is whole now.
    fn run(&mut self, settings: &Settings) {
        self.ready.iter_mut().flatten().for_each(|channel| channel.fill(0.0));
        // Nothing comes of silence, and a song's end is waited for in it.
        if self.input.iter().flatten().all(|&sample| sample == 0.0) {
            return;
        }
        let masks = self.ready.len();
        let mut turned = vec![vec![0.0; BLOCK]; self.input.len()];
        let mut outs = vec![vec![vec![0.0; BLOCK]; self.input.len()]; masks];
        for pass in 0..self.passes {
            self.core.reset();
            self.streams.iter_mut().for_each(Separator::reset);
            // The frames begin so much later in the turned song.
            let skipped = self.hop * pass / self.passes;
            let (total, wanted) = (self.input[0].len(), self.run_in + self.core.latency());
            let mut at = skipped;
            while at < total {
                let count = BLOCK.min(total - at);
                for (turned, kept) in turned.iter_mut().zip(&self.input) {
                    let part = kept[total - at - count..total - at].iter().rev();
                    turned.iter_mut().zip(part).for_each(|(to, sample)| *to = *sample);
                }
                let mut audio: Vec<&mut [f32]> = turned.iter_mut().map(|channel| &mut channel[..count]).collect();
                let mut slices: Vec<Vec<&mut [f32]>> =
                    outs.iter_mut().map(|stem| stem.iter_mut().map(|channel| &mut channel[..count]).collect()).collect();
                let mut outputs: Vec<&mut [&mut [f32]]> = slices.iter_mut().map(Vec::as_mut_slice).collect();
                debug_assert!(outputs.len() < STEMS);
                let mut with = With { settings, realtime: false, write: true, observer: &mut () };
                self.core.process(&mut audio, &mut outputs, 0..count, Some(&mut self.streams), &mut with);
                for (ready, out) in self.ready.iter_mut().flatten().zip(outs.iter().flatten()) {
                    for (place, sample) in (at..at + count).zip(out) {
                        if place >= wanted {
                            // The first that is wanted is the chunk's last.
                            ready[self.chunk - 1 - (place - wanted)] += sample / self.passes as f32;
                        }
                    }
                }
                at += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::stems::models::BACKWARD;
    use crate::units::Hz;

    const FORMAT: Format = Format { rate: Hz(8_000.0), channels: 2 };

    /// Tones that come and go, other ones on each side.
    fn song(seconds: f64) -> Vec<Vec<f32>> {
        let side = |tone: f64, beat: f64| {
            let at = |n: usize| {
                let t = n as f64 / FORMAT.rate.0;
                (0.3 * (tone * t * (1.0 + 0.1 * t)).sin() * (beat * t).sin().abs()) as f32
            };
            (0..(seconds * FORMAT.rate.0) as usize).map(at).collect()
        };
        vec![side(700.0, 5.0), side(1_900.0, 3.0)]
    }

    /// What the model makes of all that is turned round, in one piece: `[stem][channel][sample]`, turned back.
    fn turned_at_once(part: &[Vec<f32>], settings: &Settings, skipped: usize) -> Vec<Vec<Vec<f32>>> {
        let (mut core, mut streams) = (BACKWARD.core(FORMAT).unwrap(), vec![BACKWARD.stream().unwrap()]);
        let mut sound: Vec<Vec<f32>> = part.iter().map(|side| side.iter().rev().skip(skipped).copied().collect()).collect();
        let length = sound[0].len();
        let mut outs = vec![vec![vec![0.0; length]; 2]; 3];
        let mut slices: Vec<Vec<&mut [f32]>> = outs.iter_mut().map(|stem| stem.iter_mut().map(Vec::as_mut_slice).collect()).collect();
        let mut outputs: Vec<&mut [&mut [f32]]> = slices.iter_mut().map(Vec::as_mut_slice).collect();
        let mut audio: Vec<&mut [f32]> = sound.iter_mut().map(Vec::as_mut_slice).collect();
        let mut with = With { settings, realtime: false, write: true, observer: &mut () };
        core.process(&mut audio, &mut outputs, 0..length, Some(&mut streams), &mut with);
        let late = core.latency();
        outs.iter().map(|stem| stem.iter().map(|side| side[late..].iter().rev().copied().collect()).collect()).collect()
    }

    #[test]
    fn chunks_are_what_the_turned_song_gives() {
        let settings = Settings { outputs: crate::engines::stems::Outputs::Before, ..Settings::default() };
        let input = song(1.2);
        let mut backward = Backward::sized(&BACKWARD, FORMAT, 2, [0.8, 0.2]).unwrap();
        let (late, chunk, run_in) = (backward.latency(), backward.chunk, backward.run_in);
        let length = input[0].len();
        let mut got = vec![vec![Vec::new(); 2]; 3];
        let mut at = 0;
        for block in [1, 500, 2_900, 77].into_iter().cycle() {
            if at == length + late {
                break;
            }
            let end = (at + block).min(length + late);
            let mut part: Vec<Vec<f32>> =
                input.iter().map(|side| (at..end).map(|n| side.get(n).copied().unwrap_or(0.0)).collect()).collect();
            let part: Vec<&mut [f32]> = part.iter_mut().map(Vec::as_mut_slice).collect();
            let mut sums = vec![vec![vec![0.0; end - at]; 2]; 3];
            backward.process(&part, &settings, 0.5, &mut sums);
            got.iter_mut().flatten().zip(sums.iter().flatten()).for_each(|(got, sum)| got.extend_from_slice(sum));
            at = end;
        }
        // The first chunk ends where the song has run for a chunk less the run-in.
        let first = chunk - run_in;
        for (begin, end) in [(0, first), (first, length.min(first + chunk))] {
            let lead = begin.saturating_sub(backward.core.latency());
            let behind = (begin + chunk).max(end) + run_in;
            let behind = if begin == 0 { end + run_in } else { behind };
            let part: Vec<Vec<f32>> =
                input.iter().map(|side| (lead..behind).map(|n| side.get(n).copied().unwrap_or(0.0)).collect()).collect();
            let passes = [0, backward.hop / 2].map(|skipped| turned_at_once(&part, &settings, skipped));
            for stem in 0..3 {
                for side in 0..2 {
                    // What the passes give is cut at its beginning by the delay, which stood before the chunk.
                    let cut = part[0].len() - passes[0][stem][side].len();
                    let whole = |pass: &[Vec<Vec<f32>>], skipped: usize, n: usize| {
                        let place = n as i64 - lead as i64 - (part[0].len() - skipped - pass[stem][side].len()) as i64;
                        usize::try_from(place).ok().and_then(|place| pass[stem][side].get(place)).copied()
                    };
                    for n in begin.max(lead + cut)..end {
                        let mean = [0, 1].map(|pass| whole(&passes[pass], [0, backward.hop / 2][pass], n).unwrap_or(0.0));
                        let want = 0.25 * (mean[0] + mean[1]);
                        let is = got[stem][side][n + late];
                        assert!((is - want).abs() < 1e-5, "stem {stem}, side {side}, sample {n}: {is} for {want}");
                    }
                }
            }
        }
        assert!(got.iter().flatten().flatten().any(|sample| sample.abs() > 1e-3), "something is heard");
    }
}
