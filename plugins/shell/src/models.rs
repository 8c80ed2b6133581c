//! Which model an instance plays: what was chosen, what plays, and the loads between them.
//!
//! ```text
//! menu, state ─▶ choice ─▶ loader thread: store, hashes, plan ─▶ hand-off ─▶ audio thread
//!                             └─▶ what plays, and why it is not what was chosen ─▶ editor
//! ```

use crate::live::Live;
use crate::loader::{Handoff, Loader};
use crate::params::TableParams;
use crossbeam::queue::ArrayQueue;
use dsp_core::engines::Engine;
use dsp_core::model::store::{Stamp, Store};
use dsp_core::processor::{Error, Format};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Weak};

/// A model of the user's, as the state names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// Its id.
    pub id: String,
    /// Its name, for when it is missing.
    #[serde(default)]
    pub name: String,
    /// SHA-256 of its manifest.
    pub sha256: String,
}

/// Longest part of a choice that is read from a state, in bytes.
const LONGEST: usize = 200;

impl Chosen {
    /// The model that a stamp is of.
    pub fn of(stamp: &Stamp) -> Self {
        Self { id: stamp.id.clone(), name: stamp.name.clone(), sha256: stamp.sha256.clone() }
    }

    /// False for what no menu can have written.
    pub fn is_sane(&self) -> bool {
        [&self.id, &self.name, &self.sha256].iter().all(|text| text.len() <= LONGEST) && !self.id.is_empty()
    }
}

/// What an instance plays, for the editor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Playing {
    /// The choice that was last tried.
    pub wanted: Option<Chosen>,
    /// The model; none for the built-in ones.
    pub model: Option<Stamp>,
    /// Why it is not the chosen one.
    pub trouble: Option<String>,
}

/// Loads what is chosen, whenever it is called. Kept by the parameters, since states come through them.
pub type Reload = Arc<dyn Fn() + Send + Sync>;

/// What a load needs. It holds no owner of itself: an instance can go while a load waits.
struct Load<E: Engine> {
    format: Format,
    params: Weak<TableParams>,
    live: Arc<Live>,
    to: Arc<Handoff<E::Models>>,
    trash: Arc<ArrayQueue<Box<E::Models>>>,
}

/// Makes what loads the chosen model for a format into a hand-off.
pub fn reload<E: Engine>(
    format: Format,
    params: &Arc<TableParams>,
    live: &Arc<Live>,
    loader: &Arc<Loader>,
    to: &Arc<Handoff<E::Models>>,
    trash: &Arc<ArrayQueue<Box<E::Models>>>,
) -> Reload {
    let load =
        Arc::new(Load::<E> { format, params: Arc::downgrade(params), live: live.clone(), to: to.clone(), trash: trash.clone() });
    let loader = Arc::downgrade(loader);
    Arc::new(move || {
        let Some(loader) = loader.upgrade() else { return };
        let load = load.clone();
        load.to.begin();
        loader.run(move || load.run());
    })
}

impl<E: Engine> Load<E> {
    fn run(&self) {
        while self.trash.pop().is_some() {}
        // A panic in here must not leave who waits for it waiting.
        let mut delivery = Delivery { to: &self.to, models: None };
        let Some(params) = self.params.upgrade() else { return };
        let wanted = params.persisted().model.filter(|_| E::TASK.is_some());
        let (model, trouble) = match wanted.as_ref().map(|wanted| self.chosen(wanted)) {
            None => (None, None),
            Some(Ok((stamp, models))) => {
                delivery.models = Some(models);
                (Some(stamp), None)
            }
            Some(Err(reason)) => (None, Some(reason)),
        };
        *self.live.error.lock() = None;
        if delivery.models.is_none() {
            match E::load(self.format) {
                Ok(models) => delivery.models = Some(models),
                Err(error) => *self.live.error.lock() = Some(format!("The sound passes unchanged: {error}.")),
            }
        }
        *self.live.playing.lock() = Playing { wanted, model, trouble };
    }

    /// The chosen model, or why it cannot be had.
    fn chosen(&self, wanted: &Chosen) -> Result<(Stamp, Box<E::Models>), String> {
        let store = self.live.store.lock().clone().ok_or("there is no folder for models")?;
        let stamp = available(&store, wanted)?;
        let told = |error: Error| match error {
            Error::Model { reason, .. } => reason,
            other => other.to_string(),
        };
        let package = store.open(&wanted.id).map_err(told)?;
        let models = E::load_model(self.format, &package).map_err(told)?;
        Ok((stamp, models))
    }
}

/// The stamp of a chosen model, when it is there and still the same.
///
/// # Errors
/// Why it cannot be had.
pub fn available(store: &Store, wanted: &Chosen) -> Result<Stamp, String> {
    let stamp = store.stamp(&wanted.id)?;
    if stamp.sha256 == wanted.sha256 { Ok(stamp) } else { Err("is not the one that was chosen; choose it again to take it as it is now".into()) }
}

/// Delivers whatever has been loaded when it goes.
struct Delivery<'a, T> {
    to: &'a Handoff<T>,
    models: Option<Box<T>>,
}

impl<T> Drop for Delivery<'_, T> {
    fn drop(&mut self) {
        self.to.deliver(self.models.take());
    }
}
