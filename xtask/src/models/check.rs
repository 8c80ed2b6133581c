//! `models check`: a look into a model from outside, and the stamp that lets plugins load it.

use super::limits::{self, End};
use super::probe::Found;
use dsp_core::model::store::{self, Cost, MANIFEST, STAMP, Stamp};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Runs the confined process and reads its answer.
fn ask<T: DeserializeOwned>(program: &Path, arguments: &[&str], folder: &Path) -> Result<T, String> {
    let started = limits::run(program, arguments, folder, limits::PATIENCE);
    let (end, _) = started.map_err(|error| format!("the check could not be started ({error})"))?;
    match end {
        End::Answer(text) => {
            let answer: Result<T, String> =
                serde_json::from_str(&text).map_err(|_| "the check said nothing that makes sense".to_owned())?;
            answer
        }
        End::Time => Err(format!(
            "the check did not end within {} s of processor time: the model is too slow, or made to be",
            limits::TIME.as_secs()
        )),
        End::Memory => Err(format!("it needs more than {} MiB of memory", limits::MEMORY >> 20)),
        End::Crash(how) => Err(format!("the check crashed ({how}); please report this with the model")),
    }
}

/// Names and hashes of the files that the manifest in a folder names, read in a confined process.
///
/// # Errors
/// What is wrong with the manifest.
pub fn hashes(program: &Path, folder: &Path) -> Result<Vec<(String, String)>, String> {
    ask(program, &["models", "probe", "--names"], folder)
}

/// As [`hashes`], names alone.
///
/// # Errors
/// What is wrong with the manifest.
pub fn names(program: &Path, folder: &Path) -> Result<Vec<String>, String> {
    Ok(hashes(program, folder)?.into_iter().map(|(name, _)| name).collect())
}

/// Looks into the model in a folder in a confined process. `pace` also measures it at the pace of sound.
///
/// # Errors
/// Why the model is refused, in a sentence.
pub fn look(program: &Path, folder: &Path, pace: bool) -> Result<Found, String> {
    let arguments: &[&str] = if pace { &["models", "probe", "--pace"] } else { &["models", "probe"] };
    let found: Found = ask(program, arguments, folder)?;
    match found.wrong() {
        Some((name, wrong)) => Err(format!("{name}: {wrong}")),
        None => Ok(found),
    }
}

/// The program that looks: this one.
///
/// # Errors
/// When the system does not say where it is.
pub fn program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("this program cannot be found ({error})"))
}

/// Checks the model in a folder and writes its stamp there. A model that is refused loses the stamp that it
/// had.
///
/// # Errors
/// Why the model is refused.
pub fn stamp(program: &Path, folder: &Path) -> Result<(Stamp, Found), String> {
    let place = folder.join(STAMP);
    if let Err(error) = std::fs::remove_file(&place)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(format!("its old stamp cannot be taken away ({error})"));
    }
    let (stamp, found) = report(program, folder)?;
    stamp.write(folder).map_err(|error| format!("its stamp cannot be written ({error})"))?;
    Ok((stamp, found))
}

/// As [`stamp`], without writing anything.
///
/// # Errors
/// Why the model is refused.
pub fn report(program: &Path, folder: &Path) -> Result<(Stamp, Found), String> {
    let found = look(program, folder, true)?;
    // Read here only now that another process has found it harmless.
    let text = store::read_text(&folder.join(MANIFEST))?;
    let Found { verdict, step_us, paced_us, hop_ms, latency_ms, .. } = found;
    let stamp = Stamp::of(&text, Cost { verdict, step_us, paced_us, hop_ms, latency_ms }).map_err(|error| error.to_string())?;
    store::check_name(&stamp.id)?;
    if dsp_core::model::embedded(&stamp.id).is_ok() {
        return Err(format!("its id is \"{}\", which is a built-in model's; give it another", stamp.id));
    }
    Ok((stamp, found))
}
