//! `cargo xtask render`: an engine over files.

use std::process::ExitCode;

/// What `render` reads from the command line.
#[derive(clap::Args)]
pub struct Args {}

/// Renders.
pub fn run(_args: Args) -> ExitCode {
    ExitCode::from(2)
}
