//! What one plugin says about itself.

use crate::editor::{Companion, Panel};
use crate::live::Live;
use crate::persist::DEFAULT_SIZE;
use crate::pictures::Pictures;
use dsp_core::engines::Engine;
use nice_plug::prelude::{ClapFeature, PluginState, Vst3SubCategory};
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

    /// Name and facts of the built-in models, in the menu of models. The facts are asked for while the menu is
    /// open, on the window's thread.
    const BUILT_IN: (&'static str, fn() -> String) = ("Built-in", String::new);
    /// The peak meters of input and output stand at the sides of the pictures.
    const LEVELS: bool = true;
    /// Window of a new instance in points, at 100 % zoom.
    const SIZE: (f32, f32) = DEFAULT_SIZE;
    /// Each large picture is a page with controls of its own, chosen by tabs.
    const PAGES: bool = false;

    /// Changes the state that an older version saved, before it is checked and taken over.
    fn migrate(_state: &mut PluginState) {}

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
