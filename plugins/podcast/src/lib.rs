//! Plainsong Podcast: the whole chain for a spoken voice, on one page.

mod chain;
mod editor;
mod heard;

use dsp_core::engines::podcast::Podcast as Engine;
use dsp_core::realtime::PoolAllocator;
use plainsong_shell::live::Live;
use plainsong_shell::nice_plug::prelude::*;
use plainsong_shell::{Card, Companion, Panel, Pictures, Product, Shell, egui};
use std::sync::Arc;

/// Model steps take their memory from a pool: the system's allocator may wait.
#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator::system();

/// What the plugin says about itself.
#[derive(Debug)]
pub struct PodcastProduct;

impl Product for PodcastProduct {
    type Engine = Engine;

    const NAME: &'static str = "Plainsong Podcast";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DESCRIPTION: &'static str = "Makes a published voice of a recorded one: cleaned, levelled, toned, limited";
    const CLAP_ID: &'static str = "org.plainsong.podcast";
    const CLAP_FEATURES: &'static [ClapFeature] =
        &[ClapFeature::AudioEffect, ClapFeature::Restoration, ClapFeature::MultiEffects, ClapFeature::Mono, ClapFeature::Stereo];
    const VST3_CLASS_ID: [u8; 16] = *b"PlainsongPodcast";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = &[Vst3SubCategory::Fx, Vst3SubCategory::Restoration, Vst3SubCategory::Dynamics];
    const CARDS: &'static [Card] = &[
        Card { name: "Denoise model", text: include_str!("../../../models/denoise/CARD.md") },
        Card { name: "De-ess model", text: include_str!("../../../models/deess/CARD.md") },
    ];
    /// Loudness and true peak stand there instead.
    const LEVELS: bool = false;
    const SIZE: (f32, f32) = (1_180.0, 780.0);

    fn pictures() -> Pictures {
        editor::pictures()
    }

    fn companion(_: &Arc<Live>) -> Box<dyn Companion> {
        Box::new(heard::Heard::default())
    }

    fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
        editor::controls(ui, panel);
    }
}

/// The plugin.
pub type Podcast = Shell<PodcastProduct>;

nice_export_clap!(Podcast);
nice_export_vst3!(Podcast);
