//! What happens to each track by itself: first it is only heard, then it goes through the chain.

use super::tracks::Reader;
use crate::render::failure::Failure;
use crate::render::levels::Levels;
use crate::render::podcast::Tap;
use crate::render::podcast::health::{Findings, Health};
use crate::render::podcast::silence::Heard;
use crate::render::podcast::spool::Spool;
use dsp_core::engines::Engine;
use dsp_core::engines::podcast::{Podcast, Settings, StageFrame};
use dsp_core::multitrack::{BANDS, Ear, Hop, hop_of};
use dsp_core::processor::{Format, Frame, Observer, Processor};
use dsp_core::realtime::FlushDenormals;
use dsp_core::units::Hz;
use std::path::Path;

/// Hops that are handled at a time.
const HOPS: usize = 20;
/// A hop as it is put aside: its bands, then its loudness.
pub const WIDE: usize = BANDS + 1;

/// Puts aside what an ear hears, hop by hop.
struct Listening {
    ear: Ear,
    spool: Spool,
}

impl Listening {
    fn new(rate: u32, channels: usize, beside: &Path) -> Result<Self, Failure> {
        Ok(Self { ear: Ear::new(Hz(f64::from(rate)), channels), spool: Spool::new(beside, WIDE)? })
    }

    fn hear(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        let length = block.first().map_or(0, |samples| samples.len());
        let mut at = 0;
        while at < length {
            let end = length.min(at + self.ear.until_due());
            let parts: Vec<&[f32]> = block.iter().map(|samples| &samples[at..end]).collect();
            if let Some(Hop { bands, loud }) = self.ear.hear(&parts) {
                let values: Vec<&[f32]> = bands.iter().chain([&loud]).map(std::slice::from_ref).collect();
                self.spool.write(&values)?;
            }
            at = end;
        }
        Ok(())
    }
}

/// A track as it was recorded.
pub struct Raw {
    /// What an ear hears of it, a frame a hop.
    pub ears: Spool,
    /// Its length in samples, the silence before it included.
    pub frames: u64,
    /// What is wrong with it.
    pub findings: Findings,
    /// Levels of its hops in dBFS.
    pub levels: Vec<f32>,
    /// One line each.
    pub warnings: Vec<String>,
}

/// Listens to a track as it was recorded.
///
/// # Errors
/// When it cannot be read, or the disk does not take what is heard.
pub fn hear(mut reader: Reader, rate: u32, beside: &Path, progress: &dyn Fn(u64)) -> Result<Raw, Failure> {
    let _flush = FlushDenormals::on();
    let channels = reader.channels();
    let mut listening = Listening::new(rate, channels, beside)?;
    let mut health = Health::new(rate, channels);
    let most = hop_of(f64::from(rate)) * HOPS;
    let mut block: Vec<Vec<f32>> = vec![Vec::with_capacity(most); channels];
    let mut frames = 0;
    loop {
        let got = reader.read(&mut block, most)?;
        if got == 0 {
            break;
        }
        let slices = slices(&block);
        health.hear(&slices);
        listening.hear(&slices)?;
        frames += got as u64;
        progress(frames);
    }
    let mut ears = listening.spool;
    ears.close()?;
    Ok(Raw { ears, frames, findings: health.findings(), levels: health.levels().to_vec(), warnings: reader.warnings() })
}

/// A track behind its chain.
pub struct Clean {
    /// Its sound, in the episode's time.
    pub sound: Spool,
    /// What an ear hears of it, a frame a hop.
    pub ears: Spool,
    /// What was heard in each hop; levels are those before and behind the chain.
    pub heard: Vec<Heard>,
    /// Mean and deepest gain of each stage in dB; none without a chain.
    pub stages: Vec<(&'static str, f32, f32)>,
    /// Loudness of all of it, LUFS.
    pub loudness: Option<f64>,
}

/// Listens to the chain.
struct Tapped(Tap);

impl Observer for Tapped {
    fn frame(&mut self, _: &Frame<'_>) {}

    fn podcast(&mut self, frame: &StageFrame) {
        self.0.hear(frame);
    }
}

/// Sends a track through its chain. `own` tells of each hop whether what is said there is said into this track. Without
/// `settings` the track is put aside as it is.
///
/// # Errors
/// When it cannot be read, or the disk does not take it.
pub fn clean(
    mut reader: Reader,
    rate: u32,
    raw: &Raw,
    settings: Option<&Settings>,
    own: &dyn Fn(usize) -> bool,
    beside: &Path,
    progress: &dyn Fn(u64),
) -> Result<Clean, Failure> {
    let _flush = FlushDenormals::on();
    let channels = reader.channels();
    let format = Format::new(Hz(f64::from(rate)), channels)?;
    let mut engine = None;
    if let Some(settings) = settings {
        let mut podcast = Podcast::default();
        podcast.prepare(format)?;
        podcast.install(Podcast::load(format)?);
        engine = Some((podcast, *settings));
    }
    let mut skip = engine.as_ref().map_or(0, |(engine, settings)| engine.latency(settings));
    let mut listening = Listening::new(rate, channels, beside)?;
    let mut sound = Spool::new(beside, channels)?;
    let mut levels = Levels::new(rate, channels, true);
    let mut tapped = Tapped(Tap::default());
    let mut after = Vec::with_capacity(raw.levels.len());
    let (mut power, mut filled) = (0.0, 0);
    let hop = hop_of(f64::from(rate));
    let most = hop * HOPS;
    let mut block: Vec<Vec<f32>> = vec![Vec::with_capacity(most); channels];
    let (mut read, mut hops, mut ended) = (0_u64, 0, false);
    while sound.frames() < raw.frames {
        let mut got = if ended { 0 } else { reader.read(&mut block, most)? };
        ended |= got == 0;
        read += got as u64;
        if ended {
            // Silence pushes out what the chain still holds.
            got = most.min((raw.frames - sound.frames()) as usize + skip);
            block.iter_mut().for_each(|samples| {
                samples.clear();
                samples.resize(got, 0.0);
            });
        }
        if let Some((engine, settings)) = &mut engine {
            for at in (0..got).step_by(hop) {
                let end = got.min(at + hop);
                settings.others = !own(hops);
                hops += 1;
                let mut parts: Vec<&mut [f32]> = block.iter_mut().map(|samples| &mut samples[at..end]).collect();
                engine.process(&mut parts, settings, &mut tapped);
            }
        }
        let first = skip.min(got);
        skip -= first;
        let left = (raw.frames - sound.frames()) as usize;
        let ready: Vec<&[f32]> = block.iter().map(|samples| &samples[first..got.min(first + left)]).collect();
        if ready.iter().any(|samples| samples.iter().any(|sample| !sample.is_finite())) {
            return Err(Failure::new("made the engine give samples that are no numbers; please report this with the file"));
        }
        sound.write(&ready)?;
        listening.hear(&ready)?;
        levels.add(&ready);
        for n in 0..ready.first().map_or(0, |samples| samples.len()) {
            power += ready.iter().map(|samples| f64::from(samples[n]).powi(2)).sum::<f64>();
            filled += 1;
            if filled == hop {
                after.push((10.0 * (power / (hop * channels) as f64).max(1e-12).log10()) as f32);
                (power, filled) = (0.0, 0);
            }
        }
        progress(read);
    }
    sound.close()?;
    let mut ears = listening.spool;
    ears.close()?;
    let heard = tapped.0.frames(&raw.levels, &after, &[]);
    let stages = if engine.is_some() { tapped.0.totals() } else { Vec::new() };
    Ok(Clean { sound, ears, heard, stages, loudness: levels.reading().loudness_lufs })
}

/// Blocks as slices.
pub fn slices(block: &[Vec<f32>]) -> Vec<&[f32]> {
    block.iter().map(Vec::as_slice).collect()
}
