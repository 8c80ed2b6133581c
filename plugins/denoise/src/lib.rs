//! Plainsong Denoise: takes the noise from behind a voice.

mod editor;

use dsp_core::engines::denoise::Denoise as Engine;
use plainsong_shell::nice_plug::prelude::*;
use plainsong_shell::{Card, Panel, Product, Shell, egui};

/// The model's card, as shown by the editor.
const CARD: &str = "# Denoise\n\nThe card comes with the trained model.";

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
    const CARDS: &'static [Card] = &[Card { name: "Denoise model", text: CARD }];

    fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
        editor::controls(ui, panel);
    }
}

/// The plugin.
pub type Denoise = Shell<DenoiseProduct>;

nice_export_clap!(Denoise);
nice_export_vst3!(Denoise);
