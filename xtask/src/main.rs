//! The project's commands: `cargo xtask COMMAND`.
//!
//! Each command is a module with an `Args` (what clap reads) and a `run(Args) -> ExitCode`. To add
//! one: a `mod`, a variant of [`Command`] and a line in [`main`]. A command with heavy dependencies
//! stands behind a feature of this package, so that `render` builds quickly.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

mod analyse;
mod bench;
mod bundle;
mod install;
mod live;
mod loudness;
mod models;
mod programmes;
mod render;
mod screenshots;
mod spent;
mod test;
mod validate;

// No pool allocator here, unlike in the plugins: nothing is real-time, and threads that render side by
// side would wait for each other at the pool's free lists.

/// What is read from the command line.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about = "Plainsong's commands", max_term_width = 110)]
struct Cli {
    /// The command.
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Subcommand)]
enum Command {
    /// Process audio files with an engine, exactly as the plugin would
    Render(Box<render::Args>),
    /// Measure features of sound files
    Analyse(analyse::Args),
    /// Prove that masters land on their loudness and keep their ceiling
    Loudness(loudness::Args),
    /// Measure what an engine costs
    Bench(bench::Args),
    /// Models of other people: list, fetch, add, check, remove
    Models(models::Args),
    /// Run everything that proves the suite; ends with `N passed, N failed`
    Test(test::Args),
    /// Build plugins and pack them as CLAP and VST3 into target/bundled
    Bundle(bundle::Args),
    /// Copy the bundles to where hosts look
    Install(install::Args),
    /// An engine between a microphone and another device, while you speak
    Live(live::Args),
    /// Take the guide's pictures of the editors
    Screenshots(screenshots::Args),
    /// Put the bundles in front of validators and in our own hosts
    Validate(validate::Args),
    /// Play for minutes or hours in real time under load and count what goes wrong
    Soak(test::SoakArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Render(args) => render::run(*args),
        Command::Analyse(args) => analyse::run(args),
        Command::Loudness(args) => loudness::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Bundle(args) => bundle::run(args),
        Command::Install(args) => install::run(args),
        Command::Live(args) => live::run(args),
        Command::Models(args) => models::run(args),
        Command::Screenshots(args) => screenshots::run(args),
        Command::Test(args) => test::run(args),
        Command::Validate(args) => validate::run(args),
        Command::Soak(args) => test::soak(args),
    }
}
