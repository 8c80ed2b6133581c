//! The tracks: what is named, where they lie in the episode, and their sound at its rate.

use super::options::MultitrackArgs;
use crate::render::failure::Failure;
use crate::render::resample::Resampler;
use crate::render::source::{self, Info, Source};
use dsp_core::multitrack::MOST;
use std::path::{Path, PathBuf};

/// Highest rate of an episode, unless all tracks have a higher one: that of programmes.
const RATE: u32 = 48_000;
/// Most channels of a track.
const CHANNELS: usize = 2;
/// A track may begin so many seconds before or behind the episode.
const OFFSETS: std::ops::RangeInclusive<f64> = -36_000.0..=36_000.0;
/// A track that ends so much before the longest, as a share of it, is told of.
const SHORT: f64 = 0.5;

/// A track as it was named.
#[derive(Clone, Debug)]
pub struct Track {
    /// Its file.
    pub path: PathBuf,
    /// Its name: the file's without the ending.
    pub name: String,
    /// It was named as music.
    pub music: bool,
    /// Begin in the episode, in seconds.
    pub offset: f64,
    /// What is known of its file.
    pub info: Info,
}

/// All tracks and what they have in common.
#[derive(Clone, Debug)]
pub struct Tracks {
    /// The tracks, in the order in which they were named.
    pub all: Vec<Track>,
    /// Rate of the episode in hertz.
    pub rate: u32,
    /// Take what is there of files that are cut short.
    pub allow_truncated: bool,
    /// Put silence in the place of samples that are no numbers.
    pub silence_nan: bool,
}

/// Two paths lead to one file.
pub fn same(a: &Path, b: &Path) -> bool {
    a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

impl Tracks {
    /// Opens what is named.
    ///
    /// # Errors
    /// One line when the command line makes no sense, or a file cannot be read.
    pub fn new(inputs: &[PathBuf], args: &MultitrackArgs, allow_truncated: bool, silence_nan: bool) -> Result<Self, Failure> {
        let mut paths: Vec<PathBuf> = inputs.to_vec();
        for music in &args.music {
            if !paths.iter().any(|path| same(path, music)) {
                paths.push(music.clone());
            }
        }
        if !(2..=MOST).contains(&paths.len()) {
            let verb = if paths.len() == 1 { "is" } else { "are" };
            return Err(Failure::new(format!("--multitrack takes two to {MOST} tracks, and {} {verb} named", paths.len())));
        }
        if let Some((_, twice)) = paths.iter().enumerate().find(|(index, path)| paths[..*index].iter().any(|other| same(other, path))) {
            return Err(Failure::new("is named twice; name each track once").about(twice));
        }
        let mut all: Vec<Track> = Vec::with_capacity(paths.len());
        for path in paths {
            let about = |failure: Failure| failure.about(&path);
            let info = source::open(&path, allow_truncated).map_err(about)?.info().clone();
            if info.channels > CHANNELS {
                return Err(about(Failure::new(format!("has {} channels, and a track has one or two; split it first", info.channels))));
            }
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let name = (1..)
                .map(|n| if n == 1 { stem.clone() } else { format!("{stem} {n}") })
                .find(|name| all.iter().all(|track| track.name != *name))
                .unwrap_or_default();
            let music = args.music.iter().any(|music| same(music, &path));
            all.push(Track { path, name, music, offset: 0.0, info });
        }
        if all.iter().all(|track| track.music) {
            return Err(Failure::new("all tracks are music, and an episode needs somebody who talks; name fewer with --music"));
        }
        for pair in &args.offset {
            let (track, seconds) = pair.rsplit_once('=').ok_or_else(|| Failure::new(format!("--offset {pair}: write TRACK=SECONDS")))?;
            let index = place(&all, track)?;
            let seconds = seconds.trim().trim_end_matches('s').trim_end().parse::<f64>().ok().filter(|seconds| OFFSETS.contains(seconds));
            all[index].offset =
                seconds.ok_or_else(|| Failure::new(format!("--offset {pair}: give {} to {} seconds", OFFSETS.start(), OFFSETS.end())))?;
        }
        let rates = || all.iter().map(|track| track.info.rate);
        let (least, most) = (rates().min().unwrap_or(RATE), rates().max().unwrap_or(RATE));
        let rate = if most > RATE { least.max(RATE) } else { most };
        Ok(Self { all, rate, allow_truncated, silence_nan })
    }

    /// A number of channels of the episode: that of the widest track.
    pub fn channels(&self) -> usize {
        self.all.iter().map(|track| track.info.channels).max().unwrap_or(1)
    }

    /// Opens the sound of a track.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(&self, index: usize) -> Result<Reader, Failure> {
        Reader::new(&self.all[index], self)
    }

    /// One line for each track that is much shorter than the longest, `lengths` in samples.
    pub fn remarks(&self, lengths: &[u64]) -> Vec<String> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let seconds = |frames: u64| frames as f64 / f64::from(self.rate);
        let short = |(track, &length): (&Track, &u64)| {
            ((length as f64) < SHORT * longest as f64 && !track.music).then(|| {
                let name = &track.name;
                format!("track \"{name}\" ends at {:.1} s of {:.1} s; silence stands behind it", seconds(length), seconds(longest))
            })
        };
        self.all.iter().zip(lengths).filter_map(short).collect()
    }
}

/// The track of this number, name or file.
fn place(tracks: &[Track], asked: &str) -> Result<usize, Failure> {
    let asked = asked.trim();
    let named =
        |track: &Track| track.name == asked || track.path == Path::new(asked) || track.path.file_name().is_some_and(|name| name == asked);
    let by_number = || asked.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|&index| index < tracks.len());
    tracks.iter().position(named).or_else(by_number).ok_or_else(|| {
        let names: Vec<String> = tracks.iter().enumerate().map(|(index, track)| format!("{} \"{}\"", index + 1, track.name)).collect();
        Failure::new(format!("--offset: there is no track \"{asked}\"; there are: {}", names.join(", ")))
    })
}

/// The sound of a track at the episode's rate and in its time: silence before it begins.
pub struct Reader {
    path: PathBuf,
    source: Box<dyn Source>,
    resampler: Option<Resampler>,
    block: Vec<Vec<f32>>,
    /// What is decoded and not yet handed out, `[channel]`, from `at` on.
    ready: Vec<Vec<f32>>,
    at: usize,
    /// Silence before it, and what is left out of its beginning, in samples.
    wait: u64,
    leave: u64,
    ended: bool,
    rate: f64,
    read: u64,
    silence_nan: bool,
    silenced: u64,
}

/// Samples of one channel that are decoded at a time.
const BLOCK: usize = 8_192;

impl Reader {
    fn new(track: &Track, tracks: &Tracks) -> Result<Self, Failure> {
        let source = source::open(&track.path, tracks.allow_truncated).map_err(|failure| failure.about(&track.path))?;
        let info = source.info();
        let resampler = (info.rate != tracks.rate).then(|| Resampler::new(info.rate, tracks.rate, info.channels));
        let offset = (track.offset * f64::from(tracks.rate)).round() as i64;
        Ok(Self {
            path: track.path.clone(),
            block: vec![Vec::with_capacity(BLOCK); info.channels],
            ready: vec![Vec::new(); info.channels],
            at: 0,
            wait: offset.max(0) as u64,
            leave: (-offset).max(0) as u64,
            ended: false,
            rate: f64::from(info.rate),
            read: 0,
            resampler,
            source,
            silence_nan: tracks.silence_nan,
            silenced: 0,
        })
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.ready.len()
    }

    /// What a user should know, after the end.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = self.source.warnings();
        if self.silenced > 0 {
            lines.push(format!("has {} samples that are no numbers; they became silence", self.silenced));
        }
        lines
    }

    /// Replaces the contents of `block[channel]` by the next samples, at most `most`; gives how many, 0 at the end.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn read(&mut self, block: &mut [Vec<f32>], most: usize) -> Result<usize, Failure> {
        block.iter_mut().for_each(Vec::clear);
        let silence = self.wait.min(most as u64) as usize;
        self.wait -= silence as u64;
        block.iter_mut().for_each(|samples| samples.resize(silence, 0.0));
        let mut filled = silence;
        while filled < most {
            let there = self.ready.first().map_or(0, Vec::len) - self.at;
            if there == 0 {
                if self.ended {
                    break;
                }
                self.decode().map_err(|failure| failure.about(&self.path))?;
                continue;
            }
            let skip = (self.leave.min(there as u64)) as usize;
            self.leave -= skip as u64;
            self.at += skip;
            let take = (there - skip).min(most - filled);
            for (samples, ready) in block.iter_mut().zip(&self.ready) {
                samples.extend_from_slice(&ready[self.at..self.at + take]);
            }
            self.at += take;
            filled += take;
        }
        Ok(filled)
    }

    fn decode(&mut self) -> Result<(), Failure> {
        self.ready.iter_mut().for_each(Vec::clear);
        self.at = 0;
        let frames = self.source.read(&mut self.block, BLOCK)?;
        self.ended = frames == 0;
        for (channel, samples) in self.block.iter_mut().enumerate() {
            let Some(first) = samples.iter().position(|sample| !sample.is_finite()) else { continue };
            if !self.silence_nan {
                let at = self.read + first as u64;
                return Err(Failure::new(format!(
                    "sample {at} of channel {} ({:.3} s) is no finite number; repair the file, or put silence there with --silence-nan",
                    channel + 1,
                    at as f64 / self.rate
                )));
            }
            for sample in samples.iter_mut().filter(|sample| !sample.is_finite()) {
                *sample = 0.0;
                self.silenced += 1;
            }
        }
        self.read += frames as u64;
        match (&mut self.resampler, frames) {
            (Some(resampler), 0) => resampler.finish(&mut self.ready),
            (Some(resampler), _) => resampler.push(&self.block.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut self.ready),
            (None, 0) => {}
            (None, _) => std::mem::swap(&mut self.ready, &mut self.block),
        }
        Ok(())
    }
}
