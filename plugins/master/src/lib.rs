//! Plainsong Master: the mastering chain, set by hand or by what is measured of the song.

pub mod cost;
mod editor;
mod groups;
mod learn;
mod mind;
mod pages;
mod references;
mod session;

use dsp_core::engines::master::Master as Engine;
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
pub struct MasterProduct;

impl Product for MasterProduct {
    type Engine = Engine;

    const NAME: &'static str = "Plainsong Master";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DESCRIPTION: &'static str = "Masters a mix: measured, explained, and every move yours to change";
    const CLAP_ID: &'static str = "org.plainsong.master";
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::AudioEffect,
        ClapFeature::Mastering,
        ClapFeature::Equalizer,
        ClapFeature::MultiEffects,
        ClapFeature::Mono,
        ClapFeature::Stereo,
    ];
    const VST3_CLASS_ID: [u8; 16] = *b"PlainsongMaster_";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = &[Vst3SubCategory::Fx, Vst3SubCategory::Mastering, Vst3SubCategory::Eq];
    const CARDS: &'static [Card] = &[Card { name: "Model", text: include_str!("../../../models/master/CARD.md") }];
    /// Loudness and true peak stand there instead.
    const LEVELS: bool = false;
    const PAGES: bool = true;
    const SIZE: (f32, f32) = (1_180.0, 780.0);

    fn pictures() -> Pictures {
        editor::pictures()
    }

    fn companion(live: &Arc<Live>) -> Box<dyn Companion> {
        Box::new(mind::Mind::new(live.clone()))
    }

    fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
        editor::controls(ui, panel);
    }
}

/// The plugin.
pub type Master = Shell<MasterProduct>;

nice_export_clap!(Master);
nice_export_vst3!(Master);
