//! `models/catalogue.toml`: models that others publish, where they do, under what licence, and their hashes.

use crate::test::command::root;
use serde::Deserialize;
use std::path::PathBuf;

/// The catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Its models.
    #[serde(rename = "model")]
    pub models: Vec<Item>,
}

/// A model. Its manifest and card lie in `models/catalogue/<id>`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Its name as shown.
    pub name: String,
    /// Licence of the weights, an SPDX expression.
    pub license: String,
    /// Where its authors tell of it.
    pub homepage: String,
    /// What it is, in a line.
    pub about: String,
    /// The package that carries its files; none when each has an address of its own.
    pub package: Option<Carrier>,
    /// Its files: weights and licence.
    pub files: Vec<Part>,
}

/// A package that its registry's own client downloads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carrier {
    /// The client: `pip`.
    pub client: String,
    /// Name of the package.
    pub name: String,
    /// Version of the package.
    pub version: String,
    /// The archive in it that holds the files.
    pub member: String,
    /// SHA-256 of that archive.
    pub sha256: String,
}

/// A file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name beside the manifest.
    pub name: String,
    /// Its address.
    pub url: Option<String>,
    /// Or its name in the package's archive.
    pub member: Option<String>,
    /// Or its name in the package itself.
    pub beside: Option<String>,
    /// Its SHA-256.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

impl Item {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|part| part.bytes).sum()
    }

    /// Where its manifest and card lie.
    pub fn folder(&self) -> PathBuf {
        root().join("models/catalogue").join(&self.id)
    }
}

/// Reads the catalogue.
///
/// # Errors
/// What is wrong with it.
pub fn read() -> Result<Catalogue, String> {
    let path = root().join("models/catalogue.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {}", path.display(), error.message()))
}

/// The model with this id.
///
/// # Errors
/// When there is none, with those there are.
pub fn find(id: &str) -> Result<Item, String> {
    let catalogue = read()?;
    let known: Vec<&str> = catalogue.models.iter().map(|item| item.id.as_str()).collect();
    let known = known.join(", ");
    catalogue
        .models
        .iter()
        .find(|item| item.id == id)
        .cloned()
        .ok_or_else(|| format!("there is no {id:?} in the catalogue; there are: {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::model::Manifest;
    use dsp_core::model::store::{MANIFEST, check_name, weights};

    #[test]
    fn the_catalogue_agrees_with_its_manifests() {
        let catalogue = read().unwrap();
        assert!(catalogue.models.len() >= 4);
        for item in &catalogue.models {
            check_name(&item.id).unwrap();
            assert!(!item.license.is_empty() && item.homepage.starts_with("https://"), "{}", item.id);
            let manifest = Manifest::parse(&std::fs::read_to_string(item.folder().join(MANIFEST)).unwrap()).unwrap();
            assert_eq!((&manifest.id, &manifest.license), (&item.id, &item.license));
            for (name, hash) in weights(&manifest) {
                let part = item.files.iter().find(|part| part.name == name).unwrap_or_else(|| panic!("{}: {name}", item.id));
                assert_eq!(part.sha256, hash, "{}: {name}", item.id);
            }
            for part in &item.files {
                check_name(&part.name).unwrap();
                let places = [&part.url, &part.member, &part.beside].iter().filter(|place| place.is_some()).count();
                assert_eq!((part.sha256.len(), places), (64, 1), "{}: {}", item.id, part.name);
                assert!(part.url.iter().all(|url| url.starts_with("https://")) && part.bytes > 0);
                assert!(part.url.is_some() || item.package.is_some());
            }
            assert!(item.files.iter().any(|part| part.name.starts_with("LICENSE")), "{}: no licence text", item.id);
        }
    }
}
