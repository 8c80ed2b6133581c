//! Plainsong Stems: takes a song apart while it plays. Two plugins in one file: one whose mix comes out of
//! the main output, and one with an output for each stem beside it.

mod editor;
mod lanes;
mod load;
mod mixer;
mod several;

pub use several::{StemsMultiOut, StemsMultiOutProduct};

use dsp_core::engines::Engine as _;
use dsp_core::engines::stems::Stems as Engine;
use dsp_core::processor::Format;
use dsp_core::realtime::PoolAllocator;
use dsp_core::units::Hz;
use plainsong_shell::live::Live;
use plainsong_shell::nice_plug::prelude::*;
use plainsong_shell::{Card, Companion, Panel, Pictures, Product, Shell, built_in_facts, egui};
use std::sync::{Arc, OnceLock};

/// Model steps take their memory from a pool: the system's allocator may wait.
#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator::system();

/// The models' cards.
const CARDS: &[Card] = &[
    Card { name: "Model", text: include_str!("../../../models/stems/CARD.md") },
    Card { name: "Low-latency model", text: include_str!("../../../models/stems-low/CARD.md") },
    Card { name: "Dialogue model", text: include_str!("../../../models/dialogue/CARD.md") },
];
/// What the menu of models tells of them.
const BUILT_IN: (&str, fn() -> String) = ("Plainsong", built_in);

/// Steps over which the built-in model's cost is measured.
const STEPS: usize = 50;
/// The format in which it is measured.
const MEASURED: Format = Format { rate: Hz(48_000.0), channels: 2 };
/// Time from one step to the next, in seconds.
const HOP: f64 = 0.01;

/// Licence, delay and cost of the built-in models. The cost is measured once, in some hundredths of a second.
fn built_in() -> String {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        let share = Engine::load(MEASURED).map(|mut models| models.step_cost(STEPS).as_secs_f64() / HOP);
        built_in_facts("stems", "45 ms, or 22.5 ms with low latency", share.ok())
    });
    text.clone()
}

/// What a late frame means.
const LATE: &str = "Frames that went on with the masks before, because the computer was too slow.";

/// What the plugin with one output says about itself.
#[derive(Debug)]
pub struct StemsProduct;

impl Product for StemsProduct {
    type Engine = Engine;

    const NAME: &'static str = "Plainsong Stems";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DESCRIPTION: &'static str = "Takes a song apart while it plays: vocals, drums, bass, other";
    const CLAP_ID: &'static str = "org.plainsong.stems";
    const CLAP_FEATURES: &'static [ClapFeature] =
        &[ClapFeature::AudioEffect, ClapFeature::Restoration, ClapFeature::Utility, ClapFeature::Mono, ClapFeature::Stereo];
    const VST3_CLASS_ID: [u8; 16] = *b"PlainsongStems__";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = &[Vst3SubCategory::Fx, Vst3SubCategory::Restoration, Vst3SubCategory::Tools];
    const CARDS: &'static [Card] = CARDS;
    /// Of outputs that this one does not have.
    const HIDDEN: &'static [&'static str] = &["outputs"];
    const SIZE: (f32, f32) = editor::SIZE;
    const CONTROLS: f32 = editor::CONTROLS;
    const LOAD: bool = true;
    const LATE: &'static str = LATE;
    const BUILT_IN: (&'static str, fn() -> String) = BUILT_IN;

    fn pictures() -> Pictures {
        editor::pictures()
    }

    fn companion(_: &Arc<Live>) -> Box<dyn Companion> {
        Box::new(mixer::Mixer::default())
    }

    fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
        editor::controls(ui, panel, false);
    }
}

/// The plugin with one output.
pub type Stems = Shell<StemsProduct>;

plainsong_shell::export!(Stems, StemsMultiOut);
