//! What `render podcast --multitrack` is asked.

use crate::render::asked;
use dsp_core::multitrack::{Ducking, Sharing};
use dsp_core::units::{Db, Ms};
use std::path::PathBuf;

/// Options of an episode of several tracks.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Multitrack")]
pub struct MultitrackArgs {
    /// Two to eight inputs are tracks of one episode, one microphone or music each: every talker is cleaned and levelled, microphones of those who are silent go down, music steps back
    #[arg(long)]
    pub multitrack: bool,

    /// This track is music; may be given many times [default: tracks in which the model hears little but music]
    #[arg(long, value_name = "FILE", requires = "multitrack")]
    pub music: Vec<PathBuf>,

    /// No track is music
    #[arg(long, requires = "multitrack", conflicts_with = "music")]
    pub no_music: bool,

    /// Let a track begin later, or with a negative number earlier, than the episode; TRACK is its number, name or file
    #[arg(long, value_name = "TRACK=SECONDS", requires = "multitrack")]
    pub offset: Vec<String>,

    /// Write each processed track, all of the episode's length before cuts; their sum is the mix before its last gain and limiter
    #[arg(long, value_name = "FOLDER", requires = "multitrack")]
    pub tracks_to: Option<PathBuf>,

    /// How far microphones go down while others talk, in dB; 0 leaves all open [default: 18]
    #[arg(long, value_name = "DB", value_parser = depth, requires = "multitrack")]
    pub crosstalk: Option<f64>,

    /// How far music goes down under speech, in dB [default: 15]
    #[arg(long, value_name = "DB", value_parser = depth, requires = "multitrack")]
    pub duck: Option<f64>,

    /// Milliseconds in which music goes down [default: 300]
    #[arg(long, value_name = "MS", value_parser = time, requires = "multitrack")]
    pub duck_attack: Option<f64>,

    /// Milliseconds that music stays down behind the last word [default: 1000]
    #[arg(long, value_name = "MS", value_parser = time, requires = "multitrack")]
    pub duck_hold: Option<f64>,

    /// Milliseconds in which music comes back [default: 1500]
    #[arg(long, value_name = "MS", value_parser = time, requires = "multitrack")]
    pub duck_release: Option<f64>,

    /// Milliseconds before the first word at which music begins to go down [default: 300]
    #[arg(long, value_name = "MS", value_parser = ahead, requires = "multitrack")]
    pub duck_ahead: Option<f64>,
}

fn depth(text: &str) -> Result<f64, String> {
    asked::number(text, 0.0..=60.0, "dB")
}

fn time(text: &str) -> Result<f64, String> {
    asked::number(text, 0.0..=20_000.0, "ms")
}

fn ahead(text: &str) -> Result<f64, String> {
    asked::number(text, 0.0..=5_000.0, "ms")
}

impl MultitrackArgs {
    /// How microphones share their gain.
    pub fn sharing(&self) -> Sharing {
        let usual = Sharing::default();
        Sharing { depth: self.crosstalk.map_or(usual.depth, |db| Db(db as f32)) }
    }

    /// How music steps back.
    pub fn ducking(&self) -> Ducking {
        let usual = Ducking::default();
        let time = |asked: Option<f64>, usual: Ms| asked.map_or(usual, |ms| Ms(ms as f32));
        Ducking {
            depth: self.duck.map_or(usual.depth, |db| Db(db as f32)),
            attack: time(self.duck_attack, usual.attack),
            hold: time(self.duck_hold, usual.hold),
            release: time(self.duck_release, usual.release),
            ahead: time(self.duck_ahead, usual.ahead),
        }
    }
}
