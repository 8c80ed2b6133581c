//! Plainsong De-esser: takes the sharpness off sibilants, and nothing else.

mod editor;

use dsp_core::engines::deess::Deess as Engine;
use dsp_core::realtime::PoolAllocator;
use plainsong_shell::nice_plug::prelude::*;
use plainsong_shell::{Card, Panel, Pictures, Product, Shell, egui};

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

    fn pictures() -> Pictures {
        editor::pictures()
    }

    fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
        editor::controls(ui, panel);
    }
}

/// The plugin.
pub type Deesser = Shell<DeesserProduct>;

nice_export_clap!(Deesser);
nice_export_vst3!(Deesser);
