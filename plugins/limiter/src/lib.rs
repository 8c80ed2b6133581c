//! Plainsong Limiter: keeps true peaks under a ceiling.

mod editor;

use dsp_core::engines::limiter::Limiter as Engine;
use dsp_core::realtime::PoolAllocator;
use plainsong_shell::nice_plug::prelude::*;
use plainsong_shell::{Card, Panel, Pictures, Product, Shell, egui};

/// As in all plugins of the suite: the shell's memory comes from a pool where it must not wait.
#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator::system();

/// What the plugin says about itself.
#[derive(Debug)]
pub struct LimiterProduct;

impl Product for LimiterProduct {
    type Engine = Engine;

    const NAME: &'static str = "Plainsong Limiter";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DESCRIPTION: &'static str = "Keeps true peaks under a ceiling";
    const CLAP_ID: &'static str = "org.plainsong.limiter";
    const CLAP_FEATURES: &'static [ClapFeature] =
        &[ClapFeature::AudioEffect, ClapFeature::Limiter, ClapFeature::Mastering, ClapFeature::Mono, ClapFeature::Stereo];
    const VST3_CLASS_ID: [u8; 16] = *b"PlainsongLimiter";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = &[Vst3SubCategory::Fx, Vst3SubCategory::Dynamics, Vst3SubCategory::Mastering];
    /// It has no model.
    const CARDS: &'static [Card] = &[];

    fn pictures() -> Pictures {
        editor::pictures()
    }

    fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
        editor::controls(ui, panel);
    }
}

/// The plugin.
pub type Limiter = Shell<LimiterProduct>;

nice_export_clap!(Limiter);
nice_export_vst3!(Limiter);
