//! The pictures above the controls: what they are is the product's choice, where they stand the
//! shell's.

use crate::editor::Panel;
use crate::live::{DisplayFrame, Point};
use crate::widgets::history::History;
use crate::widgets::spectrogram::Spectrogram;
use crate::widgets::spectrum::Spectrum;
use dsp_core::processor::Measured;
use egui::{Rect, Ui};

/// A picture that follows the engine's frames.
pub trait Picture: Send {
    /// Its name on the button that chooses it.
    fn name(&self) -> &'static str;

    /// Takes in one frame.
    fn update(&mut self, frame: &DisplayFrame);

    /// Takes in one point of the history of loudness, from engines that measure.
    fn point(&mut self, _point: &Point) {}

    /// Takes in the newest readings of an engine that measures.
    fn measured(&mut self, _measured: &Measured) {}

    /// Time passed without a frame, in seconds.
    fn idle(&mut self, _seconds: f32) {}

    /// True when nothing in it moves by itself.
    fn at_rest(&self) -> bool {
        true
    }

    /// The window that it was drawn in is gone.
    fn closed(&mut self) {}

    /// Draws it.
    fn show(&mut self, _ui: &mut Ui, _rect: Rect) {}

    /// Draws it, with controls in it. Pictures without controls have [`Picture::show`] alone.
    fn show_with(&mut self, ui: &mut Ui, rect: Rect, _panel: &mut Panel) {
        self.show(ui, rect);
    }
}

/// Stands in the place of a picture that is being drawn.
struct Nothing;

impl Picture for Nothing {
    fn name(&self) -> &'static str {
        ""
    }

    fn update(&mut self, _: &DisplayFrame) {}
}

/// A product's pictures.
pub struct Pictures {
    /// Large ones, of which the user chooses one; at least one.
    pub main: Vec<Box<dyn Picture>>,
    /// One below, as wide as the large one.
    pub strip: Box<dyn Picture>,
    /// Share of the height that the strip takes, and its least and greatest height in points.
    pub strip_height: (f32, f32, f32),
    /// A narrow one between the large one and the output's meter, with its width in points.
    pub side: Option<(Box<dyn Picture>, f32)>,
}

impl Default for Pictures {
    /// Spectrum or spectrogram, and the history of the reduction.
    fn default() -> Self {
        Self {
            main: vec![Box::new(Spectrum::default()), Box::new(Spectrogram::default())],
            strip: Box::new(History::default()),
            strip_height: (0.24, 40.0, 110.0),
            side: None,
        }
    }
}

impl Pictures {
    /// Takes them out, to be put back: while they are drawn they need the panel that holds them.
    pub(crate) fn take(&mut self) -> Self {
        let nothing = Self { main: Vec::new(), strip: Box::new(Nothing), strip_height: (0.0, 0.0, 0.0), side: None };
        std::mem::replace(self, nothing)
    }

    /// All of them.
    pub(crate) fn each(&mut self) -> impl Iterator<Item = &mut Box<dyn Picture>> {
        self.main.iter_mut().chain([&mut self.strip]).chain(self.side.as_mut().map(|(side, _)| side))
    }

    /// True when nothing moves by itself.
    pub(crate) fn at_rest(&self) -> bool {
        self.main.iter().chain([&self.strip]).all(|picture| picture.at_rest()) && self.side.as_ref().is_none_or(|(side, _)| side.at_rest())
    }
}
