//! What a programme is made of, moment by moment: speech, music, noise, silence.
//!
//! [`Listener`] runs a small model on power spectra, one 10 ms frame a call; [`Segments`] joins its
//! answers into stretches of time. Speech over music is both at once.

mod listener;
mod segments;

pub use listener::{HOP, LATE_FRAMES, Listener, MODEL_ID};
pub use segments::{Segment, Segments};

/// Kinds that the model tells, in its order. Silence is what has no level.
pub const KINDS: usize = 3;

/// What a stretch of a programme holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Somebody speaks.
    Speech,
    /// Music sounds, sung or not.
    Music,
    /// Neither: rooms, machines, weather, hiss.
    Noise,
    /// Nothing that could be heard.
    Silence,
}

impl Kind {
    /// All, those of the model first and in its order.
    pub const ALL: [Self; KINDS + 1] = [Self::Speech, Self::Music, Self::Noise, Self::Silence];

    /// Short name, in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Speech => "speech",
            Self::Music => "music",
            Self::Noise => "noise",
            Self::Silence => "silence",
        }
    }
}

/// What was heard in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Probability, 0 to 1, that somebody speaks in this frame, by what has been heard until now.
    pub speech: f32,
    /// The same of music.
    pub music: f32,
    /// The same of noise.
    pub noise: f32,
    /// Level of the frame in dB under full scale (a full-scale sine is at -3), -120 and up.
    pub level_db: f32,
    /// Probabilities of speech, music and noise in the frame [`LATE_FRAMES`] before this one, by what
    /// has been heard since: surer, for whoever can wait.
    pub settled: [f32; KINDS],
}

impl Frame {
    /// Nothing was heard.
    pub const NOTHING: Self = Self { speech: 0.0, music: 0.0, noise: 0.0, level_db: LOWEST_DB, settled: [0.0; KINDS] };
}

/// Level of a frame without any sound, in dB.
const LOWEST_DB: f32 = -120.0;
