//! `cargo xtask install`: the bundles into the user's plugin folders.

use crate::bundle;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `install`.
#[derive(clap::Args)]
pub struct Args {
    /// Take the plugins away again
    #[arg(long)]
    remove: bool,
}

/// Copies every bundle to where hosts look, or removes it.
pub fn run(args: Args) -> ExitCode {
    match install(args.remove) {
        Ok(0) => {
            eprintln!("install: there are no bundles; run `cargo xtask bundle --release` first");
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("install: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The user's folder for a format.
fn folder(format: &str) -> Result<PathBuf, String> {
    let from = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute()).ok_or_else(|| format!("{name} is not set"))
    };
    if cfg!(target_os = "windows") {
        Ok(from("LOCALAPPDATA")?.join("Programs/Common").join(format.to_uppercase()))
    } else if cfg!(target_os = "macos") {
        Ok(from("HOME")?.join("Library/Audio/Plug-Ins").join(format.to_uppercase()))
    } else {
        // Hosts look in these two whatever XDG says.
        Ok(from("HOME")?.join(format!(".{format}")))
    }
}

fn install(remove: bool) -> Result<usize, String> {
    let bundles = std::fs::read_dir(bundle::folder()).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut count = 0;
    for from in bundles {
        let Some(format) = from.extension().and_then(|ending| ending.to_str()).filter(|ending| ["clap", "vst3"].contains(ending)) else {
            continue;
        };
        let Some(name) = from.file_name() else { continue };
        let to = folder(format)?.join(name);
        let failed = |e: std::io::Error| format!("{}: {e}", to.display());
        if remove {
            if to.is_dir() { std::fs::remove_dir_all(&to) } else { std::fs::remove_file(&to) }.map_err(failed)?;
            println!("removed {}", to.display());
        } else {
            copy(&from, &to).map_err(failed)?;
            println!("{}", to.display());
        }
        count += 1;
    }
    Ok(count)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return bundle::replace(from, to);
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
