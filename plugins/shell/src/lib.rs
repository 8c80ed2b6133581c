//! What every Plainsong plugin shares, so that a plugin is a table of parameters, an engine and a
//! layout of controls.
//!
//! A plugin implements [`Product`]; [`Shell`] makes it a CLAP, VST3 and stand-alone plugin:
//!
//! ```text
//! host ─▶ plugin (Shell) ─▶ core (engine, models, latency) ─▶ host
//!            │                │ meters, frames (lock-free)
//!            ▼                ▼
//!          params ◀──────▶ editor (theme, widgets, presets, undo, A/B)
//! ```
//!
//! The audio thread runs [`core`] only: it neither allocates nor locks nor waits, except that an
//! offline bounce waits for its models.

#[cfg(feature = "standalone")]
mod band;
pub mod compare;
pub mod core;
pub mod ear;
pub mod editor;
pub mod live;
pub mod loader;
pub mod models;
pub mod outputs;
pub mod pace;
pub mod params;
pub mod persist;
pub mod pictures;
pub mod plugin;
pub mod presets;
pub mod product;
#[cfg(feature = "standalone")]
pub mod shot;
pub mod state;
pub mod theme;
pub mod undo;
pub mod widgets;

pub use editor::{Companion, Panel, ShellEditor};
pub use egui;
pub use models::built_in_facts;
pub use nice_plug;
pub use pictures::{Picture, Pictures};
pub use plugin::Shell;
pub use product::{Card, Product};
