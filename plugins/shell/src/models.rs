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
    let load = Arc::new(Load::<E> { format, params: Arc::downgrade(params), live: live.clone(), to: to.clone(), trash: trash.clone() });
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
        let wanted = params.persisted().model.filter(|_| !E::TASKS.is_empty());
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

/// What a menu tells of a built-in model: licence, `delay`, and what was measured here to be its share of a core.
pub fn built_in_facts(id: &str, delay: &str, share: Option<f64>) -> String {
    let license = dsp_core::model::embedded(id).and_then(|model| model.manifest()).map(|manifest| manifest.license);
    let cost = share.map(|share| format!("   {:.1} % of a core, runs live", 100.0 * share)).unwrap_or_default();
    format!("{}   {delay}{cost}", license.unwrap_or_default())
}

/// The stamp of a chosen model, when it is there and still the same.
///
/// # Errors
/// Why it cannot be had.
pub fn available(store: &Store, wanted: &Chosen) -> Result<Stamp, String> {
    let stamp = store.stamp(&wanted.id)?;
    if stamp.sha256 == wanted.sha256 {
        Ok(stamp)
    } else {
        Err("is not the one that was chosen; choose it again to take it as it is now".into())
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Core;
    use dsp_core::engines::denoise::{Denoise, Settings};
    use dsp_core::model::store::{Cost, MANIFEST, Verdict};
    use dsp_core::processor::Processor;
    use dsp_core::units::Hz;
    use nice_plug::prelude::Params;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    const RATE: f32 = 48_000.0;
    const FORMAT: Format = Format { rate: Hz(48_000.0), channels: 1 };
    const BLOCK: usize = 480;

    /// A store of a test's own.
    struct Shelf(PathBuf);

    impl Shelf {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("plainsong-models-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn store(&self) -> Store {
            Store::at(&self.0)
        }

        /// Installs the tutorial's model under an id, with its manifest changed, and stamps it.
        fn install(&self, id: &str, changes: &[(&str, &str)]) -> Chosen {
            let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../training/examples/gate");
            let mut text = std::fs::read_to_string(example.join(MANIFEST)).unwrap().replace("\"gate\"", &format!("\"{id}\""));
            for (from, to) in changes {
                assert!(text.contains(from), "{from}");
                text = text.replace(from, to);
            }
            let cost = Cost { verdict: Verdict::Inline, step_us: 20.0, paced_us: 70.0, hop_ms: 10.0, latency_ms: 20.0 };
            let stamp = Stamp::of(&text, cost).unwrap();
            let folder = self.0.join(id);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::copy(example.join("model.onnx"), folder.join("model.onnx")).unwrap();
            std::fs::write(folder.join(MANIFEST), text).unwrap();
            stamp.write(&folder).unwrap();
            Chosen::of(&stamp)
        }

        fn core(&self) -> Core<Denoise> {
            let core = Core::<Denoise>::default();
            *core.live().store.lock() = Some(self.store());
            core
        }
    }

    impl Drop for Shelf {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Half the latency of the built-in model's standard path.
    const FAST: &[(&str, &str)] = &[
        ("analysis = \"sqrt-hann\"", "analysis = \"asymmetric\""),
        ("synthesis = \"sqrt-hann\"", "synthesis = \"asymmetric\"\nsynthesis_window = 480"),
        ("hop = 480", "hop = 240"),
    ];

    /// A tone in soft noise, the same for each test.
    fn sound(samples: usize) -> Vec<f32> {
        let mut seed = 3_u32;
        (0..samples)
            .map(|n| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
                0.3 * (n as f32 * 200.0 * std::f32::consts::TAU / RATE).sin() + 0.003 * noise
            })
            .collect()
    }

    fn play(core: &mut Core<Denoise>, sound: &[f32]) -> (Vec<f32>, Vec<usize>) {
        let (mut out, mut latencies) = (sound.to_vec(), Vec::new());
        for block in out.chunks_mut(BLOCK) {
            latencies.extend(core.process(&mut [block]));
        }
        (out, latencies)
    }

    /// Waits for the loader.
    fn until(what: impl Fn() -> bool) {
        let started = Instant::now();
        while !what() {
            assert!(started.elapsed() < Duration::from_secs(60), "the loader does not come to it");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn the_chosen_model_plays_as_the_engine_plays_it() {
        let shelf = Shelf::new("plays");
        let chosen = shelf.install("mine", FAST);
        let mut core = shelf.core();
        core.params().persist(|state| state.model = Some(chosen.clone()));
        assert_eq!(core.activate(RATE, 1, true), Some(480));
        core.reset();
        let sound = sound(24_000);
        let (heard, _) = play(&mut core, &sound);
        let mut engine = Denoise::default();
        engine.prepare(FORMAT).unwrap();
        drop(engine.install(Denoise::load_model(FORMAT, &shelf.store().open("mine").unwrap()).unwrap()));
        engine.reset();
        let mut expected = sound.clone();
        engine.process(&mut [&mut expected], &Settings::default(), &mut ());
        assert_eq!(heard, expected);
        let playing = core.live().playing.lock().clone();
        assert_eq!((playing.wanted.clone(), playing.trouble), (Some(chosen), None));
        assert_eq!(playing.model.map(|stamp| stamp.id).as_deref(), Some("mine"));
    }

    #[test]
    fn a_missing_or_changed_model_falls_back_keeps_the_choice_and_comes_back() {
        let shelf = Shelf::new("missing");
        let chosen = shelf.install("mine", FAST);
        let away = shelf.0.join("away");
        std::fs::rename(shelf.0.join("mine"), &away).unwrap();
        let mut core = shelf.core();
        core.params().persist(|state| state.model = Some(chosen.clone()));
        // The state as a host keeps it.
        let fields = core.params().serialize_fields();
        assert_eq!(core.activate(RATE, 1, true), Some(960), "the built-in model plays");
        assert!(core.is_ready());
        let trouble = || core_trouble(&core);
        assert!(trouble().unwrap().contains("not installed"));
        assert_eq!(core.params().serialize_fields(), fields, "the choice is kept");
        // Another model under its id is not taken for it.
        shelf.install("mine", &[("version = \"1\"", "version = \"2\"")]);
        core.params().reload();
        until(|| core_trouble(&core).is_some_and(|text| text.contains("chosen")));
        // It comes back.
        std::fs::remove_dir_all(shelf.0.join("mine")).unwrap();
        std::fs::rename(away, shelf.0.join("mine")).unwrap();
        core.params().reload();
        until(|| core_trouble(&core).is_none());
        let (_, latencies) = play(&mut core, &sound(9_600));
        assert_eq!(latencies, [480]);
        // A file that was changed after its check is never parsed.
        std::fs::write(shelf.0.join("mine/model.onnx"), b"rubbish").unwrap();
        core.params().reload();
        until(|| core_trouble(&core).is_some_and(|text| text.contains("changed after it was checked")));
    }

    fn core_trouble(core: &Core<Denoise>) -> Option<String> {
        core.live().playing.lock().trouble.clone()
    }

    #[test]
    fn a_switch_while_playing_does_not_click_and_tells_the_latency_once() {
        let shelf = Shelf::new("switch");
        let chosen = shelf.install("mine", FAST);
        let mut core = shelf.core();
        core.activate(RATE, 1, true).unwrap();
        core.reset();
        let sound = sound(96_000);
        // Steps of a tone's second difference are small; a click's is not.
        let jump = |out: &[f32]| out.windows(3).map(|w| (w[2] - 2.0 * w[1] + w[0]).abs()).fold(0.0_f32, f32::max);
        let (before, _) = play(&mut core, &sound[..48_000]);
        core.params().choose(Some(chosen));
        until(|| core.live().playing.lock().model.is_some());
        let (after, latencies) = play(&mut core, &sound[48_000..]);
        assert_eq!(latencies, [480], "told once");
        let (usual, most) = (jump(&before[9_600..]), jump(&after));
        assert!(most <= 1.5 * usual + 1e-3, "{most} where {usual} is usual");
        assert!(after[24_000..].iter().any(|sample| sample.abs() > 1e-3), "it plays on");
        core.params().choose(None);
        until(|| core.live().playing.lock().model.is_none());
        let (back, latencies) = play(&mut core, &sound[..48_000]);
        assert_eq!(latencies, [960]);
        assert!(jump(&back[1..]) <= 1.5 * usual + 1e-3);
    }

    #[test]
    fn a_state_that_comes_in_a_bounce_is_heard_from_the_next_block_on() {
        let shelf = Shelf::new("bounce");
        let chosen = shelf.install("mine", FAST);
        let other = shelf.core();
        other.params().persist(|state| state.model = Some(chosen));
        let fields = other.params().serialize_fields();
        let mut core = shelf.core();
        core.activate(RATE, 1, true).unwrap();
        core.reset();
        core.params().deserialize_fields(&fields);
        let (_, latencies) = play(&mut core, &sound(BLOCK));
        assert_eq!(latencies, [480], "a bounce waits for the model of its state");
    }

    #[test]
    fn many_choices_in_a_row_end_with_the_last() {
        let shelf = Shelf::new("many");
        let models = [Some(shelf.install("one", &[])), Some(shelf.install("two", FAST)), None];
        let mut core = shelf.core();
        core.activate(RATE, 1, false).unwrap();
        core.reset();
        let sound = sound(4_800);
        for round in 0..12 {
            core.params().choose(models[round % 3].clone());
            play(&mut core, &sound);
        }
        core.params().choose(models[1].clone());
        until(|| core.live().playing.lock().model.as_ref().is_some_and(|stamp| stamp.id == "two"));
        play(&mut core, &sound);
        assert_eq!(core.latency(), 480);
    }
}
