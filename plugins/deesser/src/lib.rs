//! Plainsong De-esser: takes the sharpness off sibilants, and nothing else.

mod editor;

use dsp_core::engines::Engine as _;
use dsp_core::engines::deess::Deess as Engine;
use dsp_core::processor::Format;
use dsp_core::realtime::PoolAllocator;
use dsp_core::units::Hz;
use plainsong_shell::nice_plug::prelude::*;
use plainsong_shell::{Card, Panel, Pictures, Product, Shell, built_in_facts, egui};
use std::sync::OnceLock;

/// Model steps take their memory from a pool: the system's allocator may wait.
#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator::system();

/// What the plugin says about itself.
#[derive(Debug)]
pub struct DeesserProduct;

impl Product for DeesserProduct {
    type Engine = Engine;

    const NAME: &'static str = "Plainsong De-esser";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DESCRIPTION: &'static str = "Takes the sharpness off sibilants, and nothing else";
    const CLAP_ID: &'static str = "org.plainsong.deesser";
    const CLAP_FEATURES: &'static [ClapFeature] = &[ClapFeature::AudioEffect, ClapFeature::Deesser, ClapFeature::Mono, ClapFeature::Stereo];
    const VST3_CLASS_ID: [u8; 16] = *b"PlainsongDeesser";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = &[Vst3SubCategory::Fx, Vst3SubCategory::Dynamics];
    const CARDS: &'static [Card] = &[Card { name: "Model", text: include_str!("../../../models/deess/CARD.md") }];

    const BUILT_IN: (&'static str, fn() -> String) = ("Plainsong", built_in);

    fn pictures() -> Pictures {
        editor::pictures()
    }

    fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
        editor::controls(ui, panel);
    }
}

/// Steps over which the built-in model's cost is measured.
const STEPS: usize = 100;
/// The format in which it is measured.
const MEASURED: Format = Format { rate: Hz(48_000.0), channels: 1 };
/// Time from one step to the next, in seconds.
const HOP: f64 = 0.005;

/// Licence, delay and cost of the built-in model. The cost is measured once, in some thousandths of a second.
fn built_in() -> String {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        let share = Engine::load(MEASURED).map(|mut models| models.step_cost(STEPS).as_secs_f64() / HOP);
        built_in_facts("deess", "6 ms", share.ok())
    });
    text.clone()
}

/// The plugin.
pub type Deesser = Shell<DeesserProduct>;

nice_export_clap!(Deesser);
nice_export_vst3!(Deesser);
