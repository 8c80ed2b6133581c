//! The models of one instance: a stream for each path and channel.

use super::aside::{self, Aside};
use super::core::Core;
use super::job::{Answers, Job};
use super::stream::{Framing, Stream};
use super::{MODEL_IDS, Settings};
use crate::model::store::Verdict;
use crate::model::{Package, Plan, embedded, warm};
use crate::processor::{Error, Format};
use crate::realtime::Reservation;
use crate::realtime::priority::Standing;
use realfft::num_complex::Complex32;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Steps that fill the runtime's caches before audio flows.
const WARM_UP: usize = 3;

/// Where a path's model runs.
#[derive(Debug)]
pub enum Player {
    /// Where it is asked.
    Here(Job),
    /// On a thread of its own, with answers a hop later.
    Aside(Box<Aside>),
}

impl Player {
    /// Zeroes all states. On the audio thread call it inside a [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        match self {
            Self::Here(job) => job.reset(),
            Self::Aside(aside) => aside.reset(),
        }
    }

    fn bad_steps(&self) -> u64 {
        match self {
            Self::Here(job) => job.streams().iter().map(Stream::bad_steps).sum(),
            Self::Aside(aside) => aside.bad_steps(),
        }
    }
}

/// The models of one instance, loaded off the audio thread.
#[derive(Debug)]
pub struct Models {
    id: String,
    format: Format,
    /// `[path]`; one path where the latency mode makes no difference.
    players: Vec<Player>,
    /// `[path]`
    framings: Vec<Framing>,
    /// `[path]`; none where the engine's own paths fit.
    cores: Vec<Core>,
    _reservation: Reservation,
}

impl Models {
    /// See [`crate::engines::Engine::load`].
    pub(super) fn load(format: Format) -> Result<Box<Self>, Error> {
        let standard = vec![embedded(MODEL_IDS[0])?.plan()?];
        let short = vec![embedded(MODEL_IDS[1])?.plan()?];
        Self::new(format, &[standard, short], None)
    }

    /// See [`super::Denoise::load_package`].
    pub(super) fn load_package(format: Format, package: &Package) -> Result<Box<Self>, Error> {
        Framing::new(&package.manifest, format.rate)?;
        Self::new(Format::new(format.rate, format.channels)?, &[package.plans()?], Some(package.verdict))
    }

    /// A path for each list of parts. A model of the user's comes with a verdict, and has paths of its own.
    fn new(format: Format, paths: &[Vec<Arc<Plan>>], verdict: Option<Verdict>) -> Result<Box<Self>, Error> {
        let mut framings = Vec::new();
        for parts in paths {
            framings.push(Framing::new(parts[0].manifest(), format.rate)?);
        }
        let make = || -> Result<Vec<Vec<Stream>>, Error> {
            let mut streams = Vec::new();
            for (parts, framing) in paths.iter().zip(&framings) {
                let mut own = Vec::new();
                for _ in 0..format.channels {
                    own.push(warmed(parts, framing, format)?);
                }
                streams.push(own);
            }
            Ok(streams)
        };
        let (streams, reservation) = warm(make)?;
        let id = paths[0][0].manifest().id.clone();
        let aside = verdict.is_some_and(|verdict| verdict != Verdict::Inline);
        let mut players = Vec::new();
        for (own, framing) in streams.into_iter().zip(&mut framings) {
            let job = Job::new(own, framing.bins, framing.hop(format.rate), framing.each);
            players.push(if aside {
                framing.look_ahead += aside::DELAY;
                let began = Aside::new(job, Answers::new(framing.bins, format.channels), verdict == Some(Verdict::Worker));
                let refuse = |error| Error::Model { id: id.clone(), reason: format!("the system gives it no thread ({error})") };
                Player::Aside(Box::new(began.map_err(refuse)?))
            } else {
                Player::Here(job)
            });
        }
        let cores = if verdict.is_some() { framings.iter().map(|framing| Core::new(framing, format)).collect() } else { Vec::new() };
        Ok(Box::new(Self { id, format, players, framings, cores, _reservation: reservation }))
    }

    /// The model's id; of several, that of the first.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Channels that these models are for.
    pub fn channels(&self) -> usize {
        self.format.channels
    }

    /// Delay in samples at their format's rate, with the latency mode on or off.
    pub fn latency(&self, low_latency: bool) -> usize {
        self.framings[usize::from(low_latency).min(self.framings.len() - 1)].latency(self.format.rate)
    }

    /// Samples from one frame to the next at their format's rate; of two paths that of the standard one.
    pub fn hop(&self) -> usize {
        self.framings[0].hop(self.format.rate)
    }

    /// Steps that failed or gave numbers that are not finite, since they were loaded.
    pub fn bad_steps(&self) -> u64 {
        self.players.iter().map(Player::bad_steps).sum()
    }

    /// How the thread of their own stands; none where they have none.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.players.iter().find_map(|player| match player {
            Player::Here(_) => None,
            Player::Aside(aside) => Some(aside.standing()),
        })
    }

    /// True when they bring their own paths.
    pub(super) fn has_cores(&self) -> bool {
        !self.cores.is_empty()
    }

    /// True when they are for a format's channels, or more, and for its rate where that makes a difference.
    pub(super) fn fit(&self, format: Format) -> bool {
        if self.cores.is_empty() { self.format.channels >= format.channels } else { self.format == format }
    }

    /// Zeroes all states. On the audio thread call it inside a [`crate::realtime::Scope`].
    pub fn reset(&mut self) {
        self.players.iter_mut().for_each(Player::reset);
        self.cores.iter_mut().for_each(Core::reset);
    }

    /// Waits for threads, and makes every step on them so much slower, at rest or at work.
    #[cfg(test)]
    pub(super) fn slow_by(&mut self, by: Option<Duration>, burns: bool) {
        for player in &mut self.players {
            if let Player::Aside(aside) = player {
                aside.slow_by(by, burns);
            }
        }
    }

    /// The path for a latency mode.
    pub(super) fn path(&self, settings: &Settings) -> usize {
        usize::from(settings.low_latency).min(self.players.len() - 1)
    }

    /// The player and, where the models bring their own, the core of a path.
    pub(super) fn parts(&mut self, path: usize) -> (&mut Player, Option<&mut Core>) {
        (&mut self.players[path], self.cores.get_mut(path))
    }

    /// Core of a path, where the models bring their own.
    pub(super) fn core(&self, path: usize) -> Option<&Core> {
        self.cores.get(path)
    }

    /// Mean time of a frame of one channel over `frames` frames of noise, framing included. States are
    /// zero afterwards. Not for the audio thread.
    pub fn step_cost(&mut self, frames: usize) -> Duration {
        let mut seed = 1_u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let format = Format { channels: 1, ..self.format };
        let mut core = Core::new(&self.framings[0], format);
        let mut audio: Vec<f32> = (0..core.hop()).map(|_| 0.1 * noise()).collect();
        let settings = Settings::default();
        let started = Instant::now();
        for _ in 0..frames {
            let range = 0..audio.len();
            core.process(&mut [&mut audio], (range, 0), &settings, Some(&mut self.players[0]), false, &mut ());
            audio.iter_mut().for_each(|sample| *sample = 0.1 * noise());
        }
        let spent = started.elapsed();
        self.reset();
        spent / u32::try_from(frames.max(1)).unwrap_or(u32::MAX)
    }
}

/// A stream after its first steps, at zero again.
fn warmed(parts: &[Arc<Plan>], framing: &Framing, format: Format) -> Result<Stream, Error> {
    let mut stream = Stream::new(parts, framing, format)?;
    stream.warm_up(WARM_UP, Complex32::new(1e-3, 0.0));
    if stream.has_failed() {
        return Err(parts[0].manifest().refuse("its first steps failed".into()));
    }
    stream.reset();
    Ok(stream)
}
