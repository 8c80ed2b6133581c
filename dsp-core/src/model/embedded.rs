//! The models that come with the suite, inside the binary.

use super::manifest::Manifest;
use super::plan::Plan;
use crate::processor::Error;
use std::sync::{Arc, OnceLock};

/// A model in the binary.
#[derive(Debug)]
pub struct Embedded {
    /// Its id, as in its manifest.
    pub id: &'static str,
    manifest: &'static str,
    onnx: &'static [u8],
    /// Its card, in Markdown: data, licences, figures, limits.
    pub card: &'static str,
    plan: OnceLock<Result<Arc<Plan>, String>>,
}

macro_rules! embed {
    ($id:literal) => {
        Embedded {
            id: $id,
            manifest: include_str!(concat!("../../../models/", $id, "/manifest.toml")),
            onnx: include_bytes!(concat!("../../../models/", $id, "/model.onnx")),
            card: include_str!(concat!("../../../models/", $id, "/CARD.md")),
            plan: OnceLock::new(),
        }
    };
}

static MODELS: [Embedded; 8] = [
    embed!("denoise"),
    embed!("denoise-low"),
    embed!("deess"),
    embed!("events"),
    embed!("master"),
    embed!("stems"),
    embed!("stems-low"),
    embed!("dialogue"),
];

/// The model with this id.
///
/// # Errors
/// [`Error::Model`] when there is none.
pub fn embedded(id: &str) -> Result<&'static Embedded, Error> {
    let known = || MODELS.iter().map(|m| m.id).collect::<Vec<_>>().join(", ");
    MODELS
        .iter()
        .find(|model| model.id == id)
        .ok_or_else(|| Error::Model { id: id.to_owned(), reason: format!("is not in this build; there are: {}", known()) })
}

impl Embedded {
    /// Its manifest.
    ///
    /// # Errors
    /// [`Error::Model`] when the manifest is not valid, which a test excludes.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        Manifest::parse(self.manifest)
    }

    /// The text of its manifest: what a task says beside the usual.
    pub fn manifest_text(&self) -> &'static str {
        self.manifest
    }

    /// The loaded model. Takes up to 0.2 s once in a process; other threads that ask meanwhile wait.
    ///
    /// # Errors
    /// [`Error::Model`] when it does not load, which a test excludes.
    pub fn plan(&self) -> Result<Arc<Plan>, Error> {
        let load = || self.manifest().and_then(|manifest| Plan::load(manifest, self.onnx)).map(Arc::new).map_err(|e| e.to_string());
        self.plan.get_or_init(load).clone().map_err(|reason| Error::Model { id: self.id.to_owned(), reason })
    }

    /// True when [`Embedded::plan`] answers at once.
    pub fn is_loaded(&self) -> bool {
        self.plan.get().is_some()
    }
}
