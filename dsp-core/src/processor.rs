//! The one lifecycle that every engine has: prepare, reset, process, latency.

use crate::detection::Detection;
use crate::engines::podcast::StageFrame;
use crate::engines::stems::StemFrame;
use crate::loudness::Reading;
use crate::units::Hz;

/// Lowest sample rate an engine accepts, in hertz. Hosts' validators go far beyond what sound needs.
pub const MIN_RATE: f64 = 1_000.0;
/// Highest sample rate an engine accepts, in hertz.
pub const MAX_RATE: f64 = 2_000_000.0;
/// Most channels an engine accepts.
pub const MAX_CHANNELS: usize = 64;

/// What an engine must know before audio flows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Format {
    /// Sample rate.
    pub rate: Hz,
    /// Number of channels, at least 1.
    pub channels: usize,
}

impl Format {
    /// A format with the ranges checked.
    ///
    /// # Errors
    /// [`Error::Rate`] or [`Error::Channels`] when a value is out of range.
    pub fn new(rate: Hz, channels: usize) -> Result<Self, Error> {
        if !(MIN_RATE..=MAX_RATE).contains(&rate.0) {
            return Err(Error::Rate(rate.0));
        }
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(Error::Channels(channels));
        }
        Ok(Self { rate, channels })
    }
}

/// What can go wrong before audio flows. `process` itself cannot fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Sample rate out of range.
    #[error("a sample rate of {0} Hz is out of range; use {MIN_RATE} to {MAX_RATE} Hz")]
    Rate(f64),
    /// Channel count out of range.
    #[error("{0} channels are out of range; use 1 to {MAX_CHANNELS}")]
    Channels(usize),
    /// A model could not be loaded or does not fit its manifest.
    #[error("model {id}: {reason}")]
    Model {
        /// The model's id.
        id: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A parameter's id or value is not known to the engine.
    #[error(transparent)]
    Param(#[from] crate::params::ParamError),
    /// A preset could not be read.
    #[error("preset: {0}")]
    Preset(String),
}

/// One frame of what an engine did, for meters, pictures and reports.
///
/// Frames come in order, one per hop. The slices are valid during the call only.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Mean power over the channels, `[bin]`; a full-scale sine reads 1 (0 dBFS) in its bin.
    pub input_power: &'a [f32],
    /// Linear amplitude gain applied, `[bin]`, mean over the channels.
    pub gain: &'a [f32],
    /// Distance of two bins in hertz.
    pub bin_hz: f32,
    /// Time from one frame to the next, in seconds.
    pub seconds: f32,
    /// Time from the middle of what the frame stands for to the newest sample that is in, in seconds.
    pub age: f32,
    /// The model's step did not come in time and this frame, or the next one, passed dry.
    pub late: bool,
    /// What was heard, from engines that listen for sounds.
    pub detection: Option<&'a Detection>,
}

/// What an engine's loudness meter says, some times a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// All readings of the programme so far.
    pub reading: Reading,
    /// Largest true peaks of the first two channels since the last of these, linear; one channel stands
    /// for both.
    pub peaks: [f32; 2],
    /// Number of the programme: it grows when measuring begins anew.
    pub programme: u32,
    /// Time since the last of these, in seconds.
    pub seconds: f32,
}

/// Most bands of dynamics that are told of.
pub const STAGE_BANDS: usize = 4;

/// What the stages of a mastering chain are doing, with each of its frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stages {
    /// Level that each band's detector reads (dBFS) and gain of its dynamics (dB), `[band]`.
    pub bands: [[f32; 2]; STAGE_BANDS],
    /// Bands in use, from the lowest.
    pub count: usize,
    /// Gain of the limiter in dB, the deepest since the last frame.
    pub limiter: f32,
    /// Gain of the mono guard on the sides in dB.
    pub guard: f32,
    /// What the mono sum loses against the stereo sound, in dB; infinite without a sum.
    pub mono_loss: f32,
    /// How much louder the master is than what came in, in LU.
    pub louder: f32,
}

/// Receives the frames of an engine. Called on the audio thread: must not allocate, lock or wait.
pub trait Observer {
    /// One frame was processed.
    fn frame(&mut self, frame: &Frame<'_>);

    /// What the stages of a chain do; comes just before the frame it belongs to.
    fn stages(&mut self, _stages: &Stages) {}

    /// What the stages of a podcast chain do, every 10 ms.
    fn podcast(&mut self, _frame: &StageFrame) {}

    /// What the stems are like; comes just before the frame it belongs to.
    fn stems(&mut self, _frame: &StemFrame<'_>) {}

    /// False when nobody looks at frames, so that engines can do without them. The sound is the same.
    fn wants_frames(&self) -> bool {
        true
    }

    /// True when frames shall tell how much louder the output is than the input, from engines that can do without.
    fn wants_comparison(&self) -> bool {
        self.wants_frames()
    }

    /// True when the loudness of the output is wanted from engines that can do without measuring it.
    fn wants_loudness(&self) -> bool {
        false
    }

    /// True, once, when measuring shall begin anew.
    fn measure_anew(&mut self) -> bool {
        false
    }

    /// What an engine's meter reads.
    fn measured(&mut self, _measured: &Measured) {}
}

/// Looks at nothing.
impl Observer for () {
    fn frame(&mut self, _: &Frame<'_>) {}

    fn wants_frames(&self) -> bool {
        false
    }
}

/// A real-time audio processor.
///
/// `prepare` may allocate and take time. `reset`, `process` and `latency` never allocate, lock,
/// wait, log, do input or output, or panic.
pub trait Processor {
    /// A plain value with everything a user can set.
    type Settings: Clone + PartialEq + Default;

    /// It can tell of its output's loudness ([`Observer::measured`]).
    const MEASURES: bool = false;

    /// Allocates for a format and resets.
    ///
    /// # Errors
    /// When the format is out of range.
    fn prepare(&mut self, format: Format) -> Result<(), Error>;

    /// Forgets all history: the next sample is the first.
    fn reset(&mut self);

    /// Processes a block in place, planar: `audio[channel][sample]`, of any length, with the
    /// channel count of `prepare`. The output does not depend on how the signal is cut into blocks.
    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Self::Settings, observer: &mut dyn Observer);

    /// Delay from input to output in samples, for these settings, after `prepare`.
    fn latency(&self, settings: &Self::Settings) -> usize;

    /// What a user must know of this format: why the engine does nothing in it. None where all is
    /// well.
    fn notice(&self) -> Option<&'static str> {
        None
    }
}
