//! A manifest with its files, before anything is made of them.

use super::manifest::Manifest;
use super::plan::Plan;
use super::store::{MANIFEST, MAX_FILE, MAX_TEXT, Verdict, read_bounded};
use crate::processor::Error;
use std::path::Path;
use std::sync::Arc;

/// A model as it lies in a folder.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its manifest.
    pub manifest: Manifest,
    /// Names and bytes of the files that the manifest names.
    pub files: Vec<(String, Vec<u8>)>,
    /// How it keeps up with sound, which the check found out: where it runs.
    pub verdict: Verdict,
}

impl Package {
    /// Reads `manifest.toml` in a folder and the files that it names. Only the manifest is looked into.
    ///
    /// # Errors
    /// [`Error::Model`] with what cannot be read, or is wrong in the manifest.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let id = || folder.file_name().map_or_else(|| "?".into(), |name| name.to_string_lossy().into_owned());
        let refuse = |reason: String| Error::Model { id: id(), reason };
        let text = String::from_utf8(read_bounded(&folder.join(MANIFEST), MAX_TEXT).map_err(refuse)?);
        let text = text.map_err(|_| refuse(format!("{MANIFEST} is no text")))?;
        let manifest = Manifest::parse(&text)?;
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for part in &manifest.parts {
            if files.iter().all(|(name, _)| *name != part.file) {
                files
                    .push((part.file.clone(), read_bounded(&folder.join(&part.file), MAX_FILE).map_err(|reason| manifest.refuse(reason))?));
            }
        }
        Ok(Self { manifest, files, verdict: Verdict::Inline })
    }

    /// Checks all hashes and plans every part, in order.
    ///
    /// # Errors
    /// [`Error::Model`] with what does not fit, or which operator is not known.
    pub fn plans(&self) -> Result<Vec<Arc<Plan>>, Error> {
        let manifest = Arc::new(self.manifest.clone());
        let plan = |(index, part): (usize, &super::Part)| {
            let file = self.files.iter().find(|(name, _)| *name == part.file);
            let (_, onnx) = file.ok_or_else(|| manifest.refuse(format!("its file {} is missing", part.file)))?;
            Plan::part_of(&manifest, index, onnx).map(Arc::new)
        };
        manifest.parts.iter().enumerate().map(plan).collect()
    }
}
