//! `cargo xtask live`: builds the program between a microphone and another device, and becomes it.
//!
//! It has a package of its own: it alone needs a library for sound to build.

use crate::test::command::{Run, on_path, release_folder};
use std::ffi::OsString;
use std::process::{Command, ExitCode};

/// Arguments of `live`.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// What the program is told; `cargo xtask live --help` lists it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// The package, and the feature that brings the devices.
const BUILD: [&str; 6] = ["build", "--release", "-p", "plainsong-live", "--features", "devices"];

/// Whether all is there that the build needs.
///
/// # Errors
/// What is missing, and how to get it.
pub fn ready() -> Result<(), String> {
    if cfg!(target_os = "linux") {
        if on_path("pkg-config").is_none() {
            return Err("pkg-config is missing: on Debian, `apt-get install pkg-config libasound2-dev libjack-jackd2-dev`".into());
        }
        for (library, package) in [("alsa", "libasound2-dev"), ("jack", "libjack-jackd2-dev")] {
            if !Run::new("pkg-config".as_ref()).args(&["--exists", library]).quiet().succeeds() {
                return Err(format!("{library}'s headers are missing: on Debian, `apt-get install {package}`"));
            }
        }
    }
    Ok(())
}

fn build() -> Result<(), String> {
    ready()?;
    // What a build says is of interest only when it fails or takes long, and cargo shows both.
    if Run::cargo(&BUILD).args(&["--quiet"]).succeeds() { Ok(()) } else { Err("the program does not build; see above".into()) }
}

/// Builds and runs.
pub fn run(args: Args) -> ExitCode {
    if let Err(error) = build() {
        eprintln!("live: {error}");
        return ExitCode::FAILURE;
    }
    let mut program = Command::new(release_folder().join(format!("plainsong-live{}", std::env::consts::EXE_SUFFIX)));
    program.args(args.args);
    // The program takes this one's place where that is possible: it has the terminal and the signals to itself.
    #[cfg(unix)]
    let failure = {
        use std::os::unix::process::CommandExt;
        program.exec()
    };
    #[cfg(not(unix))]
    let failure = match program.status() {
        Ok(status) => return if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        Err(failure) => failure,
    };
    eprintln!("live: the program does not start: {failure}");
    ExitCode::FAILURE
}
