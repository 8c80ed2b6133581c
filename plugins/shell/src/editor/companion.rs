//! What a product has at work beside its pictures and controls.

use super::panel::Panel;
use std::any::Any;

/// Lives as long as the editor's state, also while no window is open.
pub trait Companion: Any + Send {
    /// Before each drawing.
    fn refresh(&mut self, _panel: &mut Panel) {}

    /// A window was opened.
    fn opened(&mut self) {}

    /// Loudness (LUFS) and highest true peak (dBTP) that are to be reached, given the parameters' values.
    fn target(&self, _values: &[f32]) -> Option<(f64, f64)> {
        None
    }
}

/// Nothing.
impl Companion for () {}
