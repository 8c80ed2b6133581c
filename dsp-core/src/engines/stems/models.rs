//! The models of one instance: a stream for each path and pair of channels.

use super::core::Core;
use super::separator::{PAIR, Separator, masks_of};
use super::settings::{Settings, Task};
use crate::framing::{Frame, Window};
use crate::model::{Manifest, Package, Plan, embedded, warm};
use crate::processor::{Error, Format};
use crate::realtime::Reservation;
use realfft::num_complex::Complex32;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
/// Number of the path of a user's model.
pub const OWN: usize = PATHS.len();
/// The same as [`Path::lag`] for a user's model.
const OWN_LAG: f64 = 0.5;

/// Number of the built-in path for these settings.
pub fn path(settings: &Settings) -> usize {
    match settings.task {
        Task::Stems => usize::from(settings.low_latency),
        Task::Dialogue => 2,
    }
}

/// How a model for a task is framed, its look-ahead in frames, and for how many stems it gives masks.
///
/// # Errors
/// [`Error::Model`] when its manifest does not say, or is of a model for something else.
fn fitting(manifest: &Manifest, task: Task) -> Result<(Frame, usize, usize), Error> {
    manifest.is_for(task.key())?;
    let Some(frame) = manifest.frame else { return Err(manifest.refuse("its manifest has no [frame]".into())) };
    if frame.synthesis == Window::Sum || frame.exact {
        return Err(manifest.refuse("its [frame] has synthesis = \"sum\" or exact = true, which models for stems do not have".into()));
    }
    let shape = manifest.parts.first().and_then(|part| part.outputs.first()).map(|output| output.shape.as_slice());
    let masks = shape.and_then(|shape| shape.first().copied()).unwrap_or(0);
    if masks + 1 != task.keys().len() {
        return Err(manifest.refuse(format!("gives {masks} masks; \"{}\" needs {}", task.key(), task.keys().len() - 1)));
    }
    Ok((frame, manifest.look_ahead, masks))
}

/// A stream after its first steps, at zero again.
fn stream(plan: &Arc<Plan>, task: Task) -> Result<Separator, Error> {
    let (frame, ..) = fitting(plan.manifest(), task)?;
    masks_of(plan, task.key(), &frame)?;
    let mut stream = Separator::new(plan, task.key(), &frame)?;
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

impl Path {
    /// How its model is framed, its look-ahead in frames, and for how many stems it gives masks.
    ///
    /// # Errors
    /// [`Error::Model`] when its manifest does not say, or is of a model for something else.
    pub fn model(&self) -> Result<(Frame, usize, usize), Error> {
        fitting(&embedded(self.id)?.manifest()?, self.task)
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
    #[cfg(test)]
    pub fn stream(&self) -> Result<Separator, Error> {
        stream(&embedded(self.id)?.plan()?, self.task)
    }
}

/// A user's model.
#[derive(Debug)]
struct Own {
    task: Task,
    core: Core,
}

/// The task of a user's model, and how it is framed.
///
/// # Errors
/// [`Error::Model`] when it is for something else, or its manifest does not say.
pub fn own_frame(manifest: &Manifest) -> Result<(Task, Frame), Error> {
    let task = Task::ALL.into_iter().find(|task| task.key() == manifest.task);
    let tasks = || Task::ALL.map(Task::key).join(" or ");
    let task = task.ok_or_else(|| manifest.refuse(format!("is for \"{}\"; a model for {} is needed", manifest.task, tasks())))?;
    fitting(manifest, task).map(|(frame, ..)| (task, frame))
}

/// The models of one instance, loaded off the audio thread.
#[derive(Debug)]
pub struct Models {
    format: Format,
    /// `[path][pair]`; the last is of a user's model, where there is one.
    streams: Vec<Vec<Separator>>,
    own: Option<Own>,
    _reservation: Reservation,
}

impl Models {
    /// See [`crate::engines::Engine::load`].
    pub(super) fn load(format: Format) -> Result<Box<Self>, Error> {
        Self::new(format, None)
    }

    /// See [`crate::engines::Engine::load_model`]. The built-in ones are there for the other task.
    pub(super) fn load_package(format: Format, package: &Package) -> Result<Box<Self>, Error> {
        let (task, _) = own_frame(&package.manifest)?;
        let plans = package.plans()?;
        let [plan] = &plans[..] else {
            return Err(package.manifest.refuse(format!("has {} parts where one is needed", plans.len())));
        };
        Self::new(Format::new(format.rate, format.channels)?, Some((plan, task)))
    }

    fn new(format: Format, own: Option<(&Arc<Plan>, Task)>) -> Result<Box<Self>, Error> {
        let mut all = Vec::new();
        for path in &PATHS {
            all.push((embedded(path.id)?.plan()?, path.task));
        }
        all.extend(own.map(|(plan, task)| (plan.clone(), task)));
        let pairs = format.channels.div_ceil(PAIR);
        let make = || -> Result<Vec<Vec<Separator>>, Error> {
            let streams = |(plan, task): &(Arc<Plan>, Task)| (0..pairs).map(|_| stream(plan, *task)).collect();
            all.iter().map(streams).collect()
        };
        let (streams, reservation) = warm(make)?;
        let own = own.map(|(plan, task)| -> Result<Own, Error> {
            let (frame, look_ahead, masks) = fitting(plan.manifest(), task)?;
            Ok(Own { task, core: Core::new(&frame, look_ahead, masks, OWN_LAG, format) })
        });
        Ok(Box::new(Self { format, streams, own: own.transpose()?, _reservation: reservation }))
    }

    /// True when they are for a format's channels, or more, and for its rate where that makes a difference.
    pub(super) fn fit(&self, format: Format) -> bool {
        if self.own.is_some() { self.format == format } else { self.format.channels >= format.channels }
    }

    /// True when one of them is the user's.
    pub(super) fn has_own(&self) -> bool {
        self.own.is_some()
    }

    /// Number of the path for these settings.
    pub(super) fn path(&self, settings: &Settings) -> usize {
        if self.own.as_ref().is_some_and(|own| own.task == settings.task) { OWN } else { path(settings) }
    }

    /// Steps that failed or gave numbers that are not finite, since they were loaded.
    pub fn bad_steps(&self) -> u64 {
        self.streams.iter().flatten().map(Separator::bad_steps).sum()
    }

    /// Mean time of so many steps of the standard model for songs, which hears a pair of channels. States are zero
    /// afterwards. Not for the audio thread.
    pub fn step_cost(&mut self, steps: usize) -> Duration {
        let Some(stream) = self.streams.first_mut().and_then(|pairs| pairs.first_mut()) else { return Duration::ZERO };
        let started = Instant::now();
        for step in 0..steps {
            // A sound that moves, so that steps are not of silence.
            let spectrum = vec![Complex32::new(1e-3 * (1 + step % 7) as f32, 0.0); stream.bins()];
            stream.begin([&spectrum, &spectrum]);
            stream.end();
        }
        let spent = started.elapsed();
        self.reset();
        spent / u32::try_from(steps.max(1)).unwrap_or(u32::MAX)
    }

    /// Zeroes all states. On the audio thread call it inside a [`crate::realtime::Scope`].
    pub(super) fn reset(&mut self) {
        self.streams.iter_mut().flatten().for_each(Separator::reset);
        if let Some(own) = &mut self.own {
            own.core.reset();
        }
    }

    /// The streams of a path and, of a user's model, its core.
    pub(super) fn parts(&mut self, path: usize) -> (&mut [Separator], Option<&mut Core>) {
        (&mut self.streams[path], self.own.as_mut().filter(|_| path == OWN).map(|own| &mut own.core))
    }

    /// Core of a path, where the models bring their own.
    pub(super) fn core(&self, path: usize) -> Option<&Core> {
        self.own.as_ref().filter(|_| path == OWN).map(|own| &own.core)
    }
}
