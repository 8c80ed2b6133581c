//! The plugin with an output for each stem beside the main one.

use crate::{BUILT_IN, CARDS, LATE, editor, mixer};
use dsp_core::engines::stems::{Settings, Stems as Engine};
use dsp_core::processor::Observer;
use plainsong_shell::live::Live;
use plainsong_shell::nice_plug::prelude::*;
use plainsong_shell::plugin::layout;
use plainsong_shell::{Card, Companion, Panel, Pictures, Product, Shell, egui};
use std::num::NonZeroU32;
use std::sync::Arc;

/// Channels of the stems' outputs beside a stereo and a mono main output.
const STEREO: &[NonZeroU32] = &[new_nonzero_u32(2); 4];
const MONO: &[NonZeroU32] = &[new_nonzero_u32(1); 4];
/// Names of the stems' outputs; the third and the fourth are silent in a dialogue.
const NAMES: &[&str] = &["Vocals / Voice", "Drums / Rest", "Bass", "Other"];

/// Main buses of so many channels with the stems' outputs.
const fn with_stems(channels: u32, stems: &'static [NonZeroU32]) -> AudioIOLayout {
    let names = PortNames { aux_outputs: NAMES, ..PortNames::const_default() };
    AudioIOLayout { aux_output_ports: stems, names, ..layout(channels) }
}

/// What it says about itself.
#[derive(Debug)]
pub struct StemsMultiOutProduct;

impl Product for StemsMultiOutProduct {
    type Engine = Engine;

    const NAME: &'static str = "Plainsong Stems Multi-out";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const DESCRIPTION: &'static str = "Takes a song apart while it plays, with an output for each stem";
    const CLAP_ID: &'static str = "org.plainsong.stems-multi-out";
    const CLAP_FEATURES: &'static [ClapFeature] = crate::StemsProduct::CLAP_FEATURES;
    const VST3_CLASS_ID: [u8; 16] = *b"PlainsongStemsMO";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = crate::StemsProduct::VST3_SUBCATEGORIES;
    const CARDS: &'static [Card] = CARDS;
    const LAYOUTS: &'static [AudioIOLayout] = &[with_stems(2, STEREO), with_stems(1, MONO), layout(2), layout(1)];
    const SIZE: (f32, f32) = editor::SIZE;
    const CONTROLS: f32 = editor::CONTROLS;
    const LOAD: bool = true;
    const LATE: &'static str = LATE;
    const BUILT_IN: (&'static str, fn() -> String) = BUILT_IN;

    fn process(
        engine: &mut Engine,
        audio: &mut [&mut [f32]],
        outputs: &mut [&mut [&mut [f32]]],
        settings: &Settings,
        observer: &mut dyn Observer,
    ) {
        engine.process_outputs(audio, outputs, settings, observer);
    }

    fn pictures() -> Pictures {
        editor::pictures()
    }

    fn companion(_: &Arc<Live>) -> Box<dyn Companion> {
        Box::new(mixer::Mixer::default())
    }

    fn controls(ui: &mut egui::Ui, panel: &mut Panel) {
        editor::controls(ui, panel, true);
    }
}

/// The plugin with an output for each stem.
pub type StemsMultiOut = Shell<StemsMultiOutProduct>;
