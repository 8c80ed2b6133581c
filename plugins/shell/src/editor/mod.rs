//! The editor: one window for every plugin, with the plugin's own controls in it.

mod card;
mod companion;
mod dialogs;
mod frame;
mod icons;
mod panel;
mod status;
mod topbar;
mod window;

pub use companion::Companion;
pub use panel::Panel;
pub use window::ShellEditor;
