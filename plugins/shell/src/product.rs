//! What one plugin says about itself.

use crate::editor::{Companion, Panel};
use crate::live::Live;
use crate::persist::DEFAULT_SIZE;
use crate::pictures::Pictures;
use crate::plugin::LAYOUTS;
use dsp_core::engines::Engine;
use dsp_core::processor::{Observer, Processor};
use nice_plug::prelude::{AudioIOLayout, ClapFeature, PluginState, Vst3SubCategory};
use std::sync::Arc;

/// A model's card: what it was trained on, its licence, figures and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    /// The model's name as shown.
    pub name: &'static str,
    /// The card's text in Markdown.
    pub text: &'static str,
}

/// A plugin of the suite. [`crate::Shell`] turns it into a real one.
///
/// The parameters, presets and short name come from the engine's settings
/// ([`dsp_core::params::FromValues`]).
pub trait Product: Send + 'static {
    /// The engine.
    type Engine: Engine;

    /// Name that hosts show.
    const NAME: &'static str;
    /// Version, as in the crate.
    const VERSION: &'static str;
    /// One line on what it does.
    const DESCRIPTION: &'static str;
    /// CLAP id. Permanent from the first release.
    const CLAP_ID: &'static str;
    /// What a CLAP host files it under.
    const CLAP_FEATURES: &'static [ClapFeature];
    /// VST3 class id. Permanent from the first release.
    const VST3_CLASS_ID: [u8; 16];
    /// What a VST3 host files it under.
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory];
    /// The cards of the models it carries.
    const CARDS: &'static [Card];

    /// Channels of the inputs and outputs, the usual ones first.
    const LAYOUTS: &'static [AudioIOLayout] = LAYOUTS;
    /// Ids of parameters that have no meaning in this product, which hosts then do not show.
    const HIDDEN: &'static [&'static str] = &[];
    /// Name and facts of the built-in models, in the menu of models. The facts are asked for while the menu is
    /// open, on the window's thread.
    const BUILT_IN: (&'static str, fn() -> String) = ("Built-in", String::new);
    /// The peak meters of input and output stand at the sides of the pictures.
    const LEVELS: bool = true;
    /// Window of a new instance in points, at 100 % zoom.
    const SIZE: (f32, f32) = DEFAULT_SIZE;
    /// Height of the controls below the pictures, in points.
    const CONTROLS: f32 = 196.0;
    /// The status line shows the share of the processor's time that the engine takes.
    const LOAD: bool = false;
    /// What a late frame means to who hears it.
    const LATE: &'static str = "Frames that passed uncleaned, or went on with the gains before them, because the computer was too slow.";
    /// Each large picture is a page with controls of its own, chosen by tabs.
    const PAGES: bool = false;

    /// Changes the state that an older version saved, before it is checked and taken over.
    fn migrate(_state: &mut PluginState) {}

    /// Processes a block in place, `audio[channel][sample]`, and fills the outputs beside the main one,
    /// `outputs[output][channel][sample]`, which hold silence before. For the audio thread.
    fn process(
        engine: &mut Self::Engine,
        audio: &mut [&mut [f32]],
        _outputs: &mut [&mut [&mut [f32]]],
        settings: &<Self::Engine as Processor>::Settings,
        observer: &mut dyn Observer,
    ) {
        engine.process(audio, settings, observer);
    }

    /// The pictures above the controls.
    fn pictures() -> Pictures {
        Pictures::default()
    }

    /// What works beside the pictures and controls.
    fn companion(_live: &Arc<Live>) -> Box<dyn Companion> {
        Box::new(())
    }

    /// Lays out the controls, in the space below the pictures.
    fn controls(ui: &mut egui::Ui, panel: &mut Panel);
}
