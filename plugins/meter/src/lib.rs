//! Plainsong Meter: loudness, true peak and stereo image.

mod editor;

use dsp_core::engines::meter::Meter as Engine;
use dsp_core::realtime::PoolAllocator;
use plainsong_shell::live::Live;
use plainsong_shell::nice_plug::prelude::*;
use plainsong_shell::{Card, Companion, Panel, Pictures, Product, Shell, egui};
use std::sync::Arc;

/// As in all plugins of the suite: the shell's memory comes from a pool where it must not wait.
#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator::system();

/// What the plugin says about itself.
#[derive(Debug)]
pub struct MeterProduct;

impl Product for MeterProduct {
    type Engine = Engine;

    const NAME: &'static str = "Plainsong Meter";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DESCRIPTION: &'static str = "Loudness, true peak and stereo image";
    const CLAP_ID: &'static str = "org.plainsong.meter";
    const CLAP_FEATURES: &'static [ClapFeature] =
        &[ClapFeature::AudioEffect, ClapFeature::Analyzer, ClapFeature::Mastering, ClapFeature::Mono, ClapFeature::Stereo];
    const VST3_CLASS_ID: [u8; 16] = *b"PlainsongMeter__";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = &[Vst3SubCategory::Fx, Vst3SubCategory::Analyzer, Vst3SubCategory::Mastering];
    /// It has no model.
    const CARDS: &'static [Card] = &[];
    /// It is a meter itself.
    const LEVELS: bool = false;

    fn pictures() -> Pictures {
        editor::pictures()
    }

    fn companion(_: &Arc<Live>) -> Box<dyn Companion> {
        Box::new(editor::Target)
    }

    fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
        editor::controls(ui, panel);
    }
}

/// The plugin.
pub type Meter = Shell<MeterProduct>;

nice_export_clap!(Meter);
nice_export_vst3!(Meter);
