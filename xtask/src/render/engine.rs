//! The engines that the commands drive. A new one is an entry in [`ENGINES`].

use dsp_core::engines::deess::Deess;
use dsp_core::engines::denoise::Denoise;
use dsp_core::engines::driver::{self, entry};
use dsp_core::engines::limiter::Limiter;
use dsp_core::engines::master::Master;
use dsp_core::engines::meter::Meter;
use dsp_core::engines::podcast::Podcast;
use dsp_core::engines::stems::Stems;

pub use dsp_core::engines::driver::{Driver, Model, Values};

/// What `render` does with an engine beside running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// Nothing.
    Nothing,
    /// It decides: the options of [`super::master`].
    Master,
    /// It makes episodes: the options of [`super::podcast`].
    Podcast,
    /// It makes several files of one: the options of [`super::stems`].
    Stems,
}

/// An engine's entry: all that `render` knows of it.
pub type Entry = driver::Entry<More>;

/// All engines.
pub static ENGINES: &[Entry] = &[
    entry::<Denoise, _>("Take noise out of speech", More::Nothing),
    entry::<Deess, _>("Take the sharpness off sibilants, and nothing else", More::Nothing),
    entry::<Limiter, _>("Keep true peaks under a ceiling", More::Nothing),
    entry::<Meter, _>("Measure loudness and pass the sound on", More::Nothing),
    entry::<Podcast, _>("Make an episode of a recorded voice: cleaned, levelled, toned, silences cut, loudness exact", More::Podcast),
    entry::<Stems, _>("Take songs apart into files of their own: vocals, drums, bass, other; or voice and rest", More::Stems),
    entry::<Master, _>("Master a mix: loudness and ceiling exact, balance decided and explained", More::Master),
];

/// The engine that plays models of the user's for a task.
pub fn for_task(task: &str) -> Option<&'static Entry> {
    ENGINES.iter().find(|entry| entry.tasks.contains(&task))
}

/// The engine with this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENGINES.iter().find(|entry| entry.name == name)
}
