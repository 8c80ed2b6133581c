//! The mix: all tracks together through the mixer, block by block, to stems and to the episode.

use super::chain::{Clean, slices};
use super::tracks::Tracks;
use crate::render::failure::Failure;
use crate::render::job::Ears;
use crate::render::podcast::Episode;
use crate::render::sink::Sink;
use crate::render::spectra::Spectra;
use dsp_core::dynamics::limiter::{Limit, TruePeakLimiter};
use dsp_core::multitrack::{self, Knowledge, MOST, Multitrack, Role, Settings, Track, Watch, Watched, hop_of};
use dsp_core::processor::Format;
use dsp_core::realtime::FlushDenormals;
use dsp_core::units::{Db, Hz, Ms};

/// Look-ahead of the mixer: what sharing uses of it, and what it takes to be sure.
const AHEAD: Ms = Ms(220.0);
/// What ducking needs beside its own look-ahead.
const SURE: f32 = 40.0;
/// Hops that are read at a time.
const HOPS: usize = 50;
/// Hops over which gains are told: half a second.
pub const JOIN: usize = 50;
/// Hops of silence within a turn: a pause of one breath is no turn's end.
const PAUSE: u64 = 80;
/// Shorter turns are not told of, hops.
const SHORTEST: u64 = 12;

/// Gains of a track over half a second, dB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// Mean of sharing or ducking.
    pub gain: f32,
    /// Trim and leveller at the end.
    pub level: f32,
}

/// A stretch of talk, in hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// First hop.
    pub from: u64,
    /// The one behind the last.
    pub to: u64,
}

/// What the mixer did to a track.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// By half second.
    pub moments: Vec<Moment>,
    /// When somebody talks there.
    pub turns: Vec<Turn>,
    /// Hops in which somebody talks there.
    pub own_hops: u64,
    /// Energy while others talk and nobody does there, before and behind sharing.
    pub bleed: (f64, f64),
    sum: f32,
    count: usize,
}

impl Course {
    /// How far cross-talk went down in the mean, dB; none where there was none.
    pub fn reduction(&self) -> Option<f64> {
        (self.bleed.1 > 0.0).then(|| 10.0 * (self.bleed.0 / self.bleed.1).log10())
    }

    fn hop(&mut self, number: u64, own: bool, gain: f32, level: f32) {
        self.sum += gain * gain;
        self.count += 1;
        if self.count == JOIN {
            let mean = self.sum / JOIN as f32;
            self.moments.push(Moment { gain: 10.0 * mean.max(1e-9).log10(), level });
            (self.sum, self.count) = (0.0, 0);
        }
        if !own {
            return;
        }
        self.own_hops += 1;
        match self.turns.last_mut() {
            Some(turn) if number <= turn.to + PAUSE => turn.to = number + 1,
            _ => {
                self.short();
                self.turns.push(Turn { from: number, to: number + 1 });
            }
        }
    }

    /// Takes the last turn back where it is too short to be one.
    fn short(&mut self) {
        if self.turns.last().is_some_and(|turn| turn.to - turn.from < SHORTEST) {
            self.turns.pop();
        }
    }
}

/// The last hop that came out.
#[derive(Default)]
struct Last(Option<Watched>);

impl Watch for Last {
    fn hop(&mut self, watched: &Watched) {
        self.0 = Some(*watched);
    }
}

/// What is asked of the mixer.
pub struct Asked<'a> {
    /// The tracks.
    pub tracks: &'a Tracks,
    /// What they are.
    pub roles: &'a [Role],
    /// Settings of the mixer.
    pub settings: Settings,
    /// What is known of the microphones.
    pub rooms: &'a Knowledge,
    /// Gains of the tracks before everything.
    pub trims: &'a [Db],
    /// A limiter behind the mix, where nothing comes behind it.
    pub limit: Option<Limit>,
}

/// Mixes: `stems` are written where they are wanted, `spectra` hear the tracks as they were recorded and the mix.
///
/// # Errors
/// When tracks cannot be read again, or the disk does not take what is made.
pub fn mix(
    asked: &Asked<'_>,
    clean: &mut [Clean],
    stems: &mut [(Sink, std::path::PathBuf)],
    episode: &mut Episode<'_>,
    mut spectra: Option<&mut [Spectra; 2]>,
    progress: &dyn Fn(f64),
) -> Result<Vec<Course>, Failure> {
    let _flush = FlushDenormals::on();
    let Asked { tracks, roles, settings, .. } = asked;
    let rate = Hz(f64::from(tracks.rate));
    let widths: Vec<usize> = clean.iter().map(|clean| clean.sound.channels()).collect();
    let kinds: Vec<Track> = roles.iter().zip(&widths).map(|(&role, &channels)| Track { role, channels }).collect();
    let ahead = Ms(AHEAD.0.max(settings.ducking.ahead.0 + SURE));
    let mut engine = Multitrack::new(rate, &kinds, ahead)?;
    engine.know(asked.rooms, asked.trims);
    let hop = hop_of(rate.0);
    let latency = engine.latency();
    let total = clean.iter().map(|clean| clean.sound.frames()).max().unwrap_or(0);
    let outputs = tracks.channels();
    let mut limiter = match asked.limit {
        Some(limit) => Some((TruePeakLimiter::new(Format::new(rate, outputs)?), limit)),
        None => None,
    };
    let mut held = limiter.as_ref().map_or(0, |(limiter, _)| limiter.latency());
    let mut readers = (0..tracks.all.len()).map(|index| tracks.open(index)).collect::<Result<Vec<_>, _>>()?;
    let mut courses = vec![Course::default(); clean.len()];
    let mut last = Last::default();
    let mut block: Vec<Vec<f32>> = vec![Vec::new(); widths.iter().sum()];
    let mut raw: Vec<Vec<f32>> = Vec::new();
    let mut mixed = vec![Vec::new(); outputs];
    let mut before = vec![Vec::new(); outputs];
    let (mut at, mut skip, mut written, mut given) = (0_u64, latency, 0_u64, 0_u64);
    while given < total {
        // Behind the end silence pushes out what is still held.
        let frames = hop * HOPS;
        let mut first = 0;
        for (clean, &width) in clean.iter_mut().zip(&widths) {
            clean.sound.read(at as i64, frames, &mut block[first..first + width])?;
            first += width;
        }
        if at < total {
            let there = (total - at).min(frames as u64) as usize;
            before.iter_mut().for_each(|samples| {
                samples.clear();
                samples.resize(there, 0.0);
            });
            for reader in &mut readers {
                raw.resize(reader.channels(), Vec::new());
                reader.read(&mut raw, there)?;
                multitrack::add(&slices(&raw), &mut before);
            }
            episode.before(&slices(&before));
            if let Some([spectra, _]) = &mut spectra {
                spectra.add(&slices(&before));
            }
        }
        for from in (0..frames).step_by(hop) {
            let number = at as usize / hop + from / hop;
            let mut speech = [1.0_f32; MOST];
            for (speech, clean) in speech.iter_mut().zip(clean.iter()) {
                *speech = clean.heard.get(number).map_or(0.0, |heard| heard.speech);
            }
            let mut parts: Vec<&mut [f32]> = block.iter_mut().map(|samples| &mut samples[from..from + hop]).collect();
            last.0 = None;
            engine.process(&mut parts, &speech[..clean.len()], settings, &mut last);
            let Some(watched) = last.0.filter(|watched| (watched.hop * hop as u64) < total) else { continue };
            let talked = (0..clean.len()).any(|track| watched.owns[track]);
            let mut first = 0;
            for (track, course) in courses.iter_mut().enumerate() {
                let (own, gain) = (watched.owns[track], watched.gains[track]);
                course.hop(watched.hop, own, gain, watched.levels_db[track]);
                if talked && !own && roles[track] == Role::Talker {
                    let power: f64 = parts[first..first + widths[track]]
                        .iter()
                        .flat_map(|samples| samples.iter())
                        .map(|&sample| f64::from(sample).powi(2))
                        .sum();
                    course.bleed.0 += power / f64::from(gain * gain).max(1e-9);
                    course.bleed.1 += power;
                }
                first += widths[track];
            }
        }
        at += frames as u64;
        let lost = skip.min(frames);
        skip -= lost;
        let ready = (frames - lost).min((total - written) as usize);
        written += ready as u64;
        mixed.iter_mut().for_each(|samples| {
            samples.clear();
            samples.resize(frames - lost, 0.0);
        });
        let mut first = 0;
        for (track, &width) in widths.iter().enumerate() {
            let stem: Vec<&[f32]> = block[first..first + width].iter().map(|samples| &samples[lost..lost + ready]).collect();
            first += width;
            multitrack::add(&stem, &mut mixed);
            if let Some((sink, place)) = stems.get_mut(track) {
                sink.write(&stem).map_err(|failure| failure.about(place))?;
            }
        }
        if let Some((limiter, limit)) = &mut limiter {
            limiter.process(&mut mixed.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>(), limit);
        }
        let lost = held.min(mixed[0].len());
        held -= lost;
        let end = mixed[0].len().min(lost + (total - given) as usize);
        let out: Vec<&[f32]> = mixed.iter().map(|samples| &samples[lost..end]).collect();
        if let Some([_, spectra]) = &mut spectra {
            spectra.add(&out);
        }
        given += (end - lost) as u64;
        episode.after(&out)?;
        progress(given as f64 / total.max(1) as f64);
    }
    courses.iter_mut().for_each(Course::short);
    Ok(courses)
}
