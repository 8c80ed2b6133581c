//! Several microphones and a music track as one programme: who speaks is open, the others wait, music steps back.
//!
//! ```text
//! tracks ─┬─▶ ear: powers by band ─▶ owners: whose voice is it? ─▶ sharing: gains of talkers ─┐
//!         │                            ▲        └───────────────▶ ducking: gain of music ─────┤
//!         │                   learner: levels, cross-talk                                     ▼
//!         └─▶ delay (look-ahead) ─▶ trim, leveller, compressor ───────────────────────────▶ gain ─▶ tracks, mix
//! ```
//!
//! Gains are shared as D. W. Dugan does it ("Automatic Microphone Mixing", J. Audio Eng. Soc. 23(6), 1975): while at
//! most one person talks the powers of all gains add up to one, so the room is always heard once, whoever is open.
//! What is shared by is not the level of a microphone but the evidence for a voice of its own there, beyond what the
//! others' voices explain; so people who talk at once all keep their level.

mod duck;
mod ear;
mod engine;
mod learn;
mod owners;
#[cfg(test)]
mod scene;
mod share;
#[cfg(test)]
mod tests;

pub use duck::Ducking;
pub use ear::{BANDS, Ear, Hop};
pub use engine::{Multitrack, Settings, Watch, Watched};
pub use learn::{Knowledge, Learner};
pub use owners::Owners;
pub use share::Sharing;

/// Most tracks of a programme.
pub const MOST: usize = 8;

/// What a track is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A microphone of somebody who talks.
    Talker,
    /// Music, which steps back for talkers.
    Music,
}

/// A track of a programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// What it is.
    pub role: Role,
    /// Number of its channels.
    pub channels: usize,
}

/// Time from one decision to the next, in seconds.
pub const HOP_SECONDS: f64 = 0.01;

/// Samples of a hop at a rate in hertz: whole ones, rounded down, as the other engines frame.
pub fn hop_of(rate: f64) -> usize {
    ((rate * HOP_SECONDS).floor() as usize).max(1)
}

/// Adds the channels of a track to a mix, `mix[channel][sample]`. One channel goes to all at equal power (-3 dB for
/// two), as in the middle of a desk; several go to those of the same place, and the last one to what is left.
pub fn add(track: &[&[f32]], mix: &mut [Vec<f32>]) {
    let spread = if track.len() == 1 { (mix.len().max(1) as f32).sqrt().recip() } else { 1.0 };
    for (index, out) in mix.iter_mut().enumerate() {
        let Some(channel) = track.get(index.min(track.len().saturating_sub(1))) else { continue };
        out.iter_mut().zip(*channel).for_each(|(out, &sample)| *out += spread * sample);
    }
}

/// Power in dB; `floor` is the least.
fn db(power: f32, floor: f32) -> f32 {
    10.0 * power.max(10_f32.powf(floor / 10.0)).log10()
}
