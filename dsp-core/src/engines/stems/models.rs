//! The models of one instance: a stream for each path and pair of channels.

use super::core::Core;
use super::separator::{PAIR, Separator, masks_of};
use super::settings::{Settings, Task};
use crate::framing::Frame;
use crate::model::{embedded, warm};
use crate::processor::{Error, Format};
use crate::realtime::Reservation;
use realfft::num_complex::Complex32;

/// Steps that fill the runtime's caches before audio flows.
const WARM_UP: usize = 3;

/// A way through the engine: a model and its delay.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Id of the model.
    pub id: &'static str,
    /// What it is for.
    pub task: Task,
    /// Share of a hop over which a step is spread. Half of one keeps the standard delay under 46 ms, a
    /// quarter the short one under 23 ms, and a step costs no block more than about a fifth of its time.
    pub lag: f64,
}

/// All of them.
pub const PATHS: [Path; 3] = [
    Path { id: "stems", task: Task::Stems, lag: 0.5 },
    Path { id: "stems-low", task: Task::Stems, lag: 0.25 },
    Path { id: "dialogue", task: Task::Dialogue, lag: 0.5 },
];

/// The path of songs that are turned round in time, for bounces.
pub const BACKWARD: Path = Path { id: "stems-back", task: Task::Stems, lag: 0.0 };

/// Number of the path for these settings.
pub fn path(settings: &Settings) -> usize {
    match settings.task {
        Task::Stems => usize::from(settings.low_latency),
        Task::Dialogue => 2,
    }
}

impl Path {
    /// How its model is framed, its look-ahead in frames, and for how many stems it gives masks.
    ///
    /// # Errors
    /// [`Error::Model`] when its manifest does not say, or is of a model for something else.
    pub fn model(&self) -> Result<(Frame, usize, usize), Error> {
        let manifest = embedded(self.id)?.manifest()?;
        let Some(frame) = manifest.frame else { return Err(manifest.refuse("its manifest has no [frame]".into())) };
        let shape = manifest.parts.first().and_then(|part| part.outputs.first()).map(|output| output.shape.as_slice());
        let masks = shape.and_then(|shape| shape.first().copied()).unwrap_or(0);
        if masks + 1 != self.task.keys().len() {
            return Err(manifest.refuse(format!("gives {masks} masks; \"{}\" needs {}", self.task.key(), self.task.keys().len() - 1)));
        }
        Ok((frame, manifest.look_ahead, masks))
    }

    /// An empty path for a format.
    ///
    /// # Errors
    /// As [`Path::model`].
    pub fn core(&self, format: Format) -> Result<Core, Error> {
        let (frame, look_ahead, masks) = self.model()?;
        Ok(Core::new(&frame, look_ahead, masks, self.lag, format))
    }

    /// A stream after its first steps, at zero again.
    pub fn stream(&self) -> Result<Separator, Error> {
        let plan = embedded(self.id)?.plan()?;
        let (frame, ..) = self.model()?;
        masks_of(&plan, self.task.key(), &frame)?;
        let mut stream = Separator::new(&plan, self.task.key(), &frame)?;
        let spectrum = vec![Complex32::new(1e-3, 0.0); frame.bins()];
        for _ in 0..WARM_UP {
            stream.begin([&spectrum, &spectrum]);
            stream.end();
        }
        if stream.has_failed() {
            return Err(plan.manifest().refuse("its first steps failed".into()));
        }
        stream.reset();
        Ok(stream)
    }
}

/// The models of one instance, loaded off the audio thread.
#[derive(Debug)]
pub struct Models {
    channels: usize,
    /// `[path][pair]`
    streams: Vec<Vec<Separator>>,
    _reservation: Reservation,
}

impl Models {
    /// See [`crate::engines::Engine::load`].
    pub(super) fn load(format: Format) -> Result<Box<Self>, Error> {
        let pairs = format.channels.div_ceil(PAIR);
        let make = || {
            let mut streams = Vec::new();
            for path in &PATHS {
                streams.push((0..pairs).map(|_| path.stream()).collect::<Result<Vec<_>, Error>>()?);
            }
            Ok(streams)
        };
        let (streams, reservation) = warm(make)?;
        Ok(Box::new(Self { channels: format.channels, streams, _reservation: reservation }))
    }

    /// Channels that these models are for.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Steps that failed or gave numbers that are not finite, since they were loaded.
    pub fn bad_steps(&self) -> u64 {
        self.streams.iter().flatten().map(Separator::bad_steps).sum()
    }

    /// Zeroes all states. On the audio thread call it inside a [`crate::realtime::Scope`].
    pub(super) fn reset(&mut self) {
        self.streams.iter_mut().flatten().for_each(Separator::reset);
    }

    /// The streams of a path.
    pub(super) fn streams(&mut self, path: usize) -> &mut [Separator] {
        &mut self.streams[path]
    }
}
