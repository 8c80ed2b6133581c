//! The mind of the mastering chain: from what was measured of a song to moves a person can read.
//!
//! ```text
//! song ─▶ Analyser ─▶ Profile ─┬─▶ Adviser (model) ─┐
//! references ─▶ Profile ───────┼────────────────────┼─▶ Proposal ─▶ moves of the chain ─▶ Probe ─▶ drive
//! style, platform ─────────────┴────────────────────┘        └─▶ Explanation
//! ```
//!
//! Nothing here hears sound itself: profiles come from [`crate::analysis`], which streams and can be read
//! at any time, so a plugin that learns while it plays and a render that analyses first decide alike. The
//! steps are plain functions of plain values: [`Profile::of`], [`Adviser::ask`], [`Proposal::new`],
//! [`moves`], [`Stages`] for what they make of a song, and a [`Probe`](crate::dynamics::forecast::Probe) of that
//! for the drive. None of them belongs on the audio thread; feeding an `Analyser` may be done there.

mod adviser;
mod album;
mod chain;
pub mod level;
mod platform;
mod profile;
mod proposal;
mod refiner;
mod stages;
mod style;
mod tone;
mod words;

pub use adviser::{Advice, Adviser, Answer, MODEL, Subject};
pub use album::{Album, AlbumError, Song, share};
pub use chain::{Aims, DRIVE_DB, MARGIN_DB, moves};
pub use platform::{Platform, Preview};
pub use profile::{BANDS, DYNAMICS, Profile, REGIONS, SILENT_LUFS};
pub use proposal::{MOST_DB, Proposal, Weights, Wish};
pub use refiner::Refiner;
pub use stages::Stages;
pub use style::Style;
pub use tone::response;
pub use words::{Explanation, Goal, explain, remarks};
