//! Plainsong Denoise: takes the noise from behind a voice.

mod editor;

use dsp_core::engines::Engine as _;
use dsp_core::engines::denoise::Denoise as Engine;
use dsp_core::processor::Format;
use dsp_core::realtime::PoolAllocator;
use dsp_core::units::Hz;
use plainsong_shell::nice_plug::prelude::*;
use plainsong_shell::{Card, Panel, Product, Shell, built_in_facts, egui};
use std::sync::OnceLock;

/// Model steps take their memory from a pool: the system's allocator may wait.
#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator::system();

/// What the plugin says about itself.
#[derive(Debug)]
pub struct DenoiseProduct;

impl Product for DenoiseProduct {
    type Engine = Engine;

    const NAME: &'static str = "Plainsong Denoise";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DESCRIPTION: &'static str = "Takes the noise from behind a voice";
    const CLAP_ID: &'static str = "org.plainsong.denoise";
    const CLAP_FEATURES: &'static [ClapFeature] =
        &[ClapFeature::AudioEffect, ClapFeature::Restoration, ClapFeature::Mono, ClapFeature::Stereo];
    const VST3_CLASS_ID: [u8; 16] = *b"PlainsongDenoise";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = &[Vst3SubCategory::Fx, Vst3SubCategory::Restoration];
    const CARDS: &'static [Card] = &[
        Card { name: "Model", text: include_str!("../../../models/denoise/CARD.md") },
        Card { name: "Low-latency model", text: include_str!("../../../models/denoise-low/CARD.md") },
    ];

    const BUILT_IN: (&'static str, fn() -> String) = ("Plainsong", built_in);

    fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
        editor::controls(ui, panel);
    }
}

/// Steps over which the built-in model's cost is measured.
const STEPS: usize = 50;
/// The format in which it is measured.
const MEASURED: Format = Format { rate: Hz(48_000.0), channels: 1 };

/// Licence, delay and cost of the built-in models. The cost is measured once, in some hundredths of a second:
/// what takes long of a load was done when the plugin was made.
fn built_in() -> String {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        let share = Engine::load(MEASURED).map(|mut models| {
            let hop = models.hop() as f64 / MEASURED.rate.0;
            models.step_cost(STEPS).as_secs_f64() / hop
        });
        built_in_facts("denoise", "20 ms, or 10 ms with low latency", share.ok())
    });
    text.clone()
}

/// The plugin.
pub type Denoise = Shell<DenoiseProduct>;

nice_export_clap!(Denoise);
nice_export_vst3!(Denoise);
