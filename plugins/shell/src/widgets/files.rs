//! Choosing a file inside of the editor: hosts differ in which dialogs of the system they bear, and some of
//! those stop the host while they are open. Folders are read on a thread, as a disk may sleep.

use crate::theme;
use egui::{Align, Button, Frame, Id, Key, Layout, Margin, Modal, RichText, ScrollArea, TextEdit, Ui, vec2};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Most entries of a folder that are shown.
const MOST: usize = 5_000;

/// What is in a folder: folders first, each by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Names of folders.
    pub folders: Vec<String>,
    /// Names of files that were asked for.
    pub files: Vec<String>,
    /// Why nothing can be shown.
    pub error: Option<String>,
    /// There are more than are shown.
    pub more: bool,
}

/// Reads a folder. Hidden entries, and names that are no Unicode, are left out.
pub fn list(folder: &Path, wanted: fn(&Path) -> bool) -> Listing {
    let mut listing = Listing::default();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            listing.error = Some(format!("This folder cannot be read ({error}); choose another."));
            return listing;
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.starts_with('.')) else { continue };
        if listing.folders.len() + listing.files.len() >= MOST {
            listing.more = true;
            break;
        }
        if path.is_dir() {
            listing.folders.push(name.to_owned());
        } else if wanted(&path) {
            listing.files.push(name.to_owned());
        }
    }
    for names in [&mut listing.folders, &mut listing.files] {
        names.sort_by_cached_key(|name| (name.to_lowercase(), name.clone()));
    }
    listing
}

/// An open choice.
pub struct Chooser {
    title: String,
    wanted: fn(&Path) -> bool,
    folder: PathBuf,
    /// The path as typed.
    text: String,
    listing: Arc<Mutex<Option<Listing>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Drop for Chooser {
    fn drop(&mut self) {
        // A host may unload the library after this.
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
    }
}

/// What became of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is open still.
    Open,
    /// Nothing was chosen.
    Cancelled,
    /// This file was.
    Chosen(PathBuf),
}

impl Chooser {
    /// Opens at the folder of a file, or at home.
    pub fn new(title: &str, near: Option<&Path>, wanted: fn(&Path) -> bool) -> Self {
        let near = near.and_then(Path::parent).filter(|folder| folder.is_absolute()).map(Path::to_owned);
        let home = || std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
        let mut chooser = Self {
            title: title.to_owned(),
            wanted,
            folder: PathBuf::new(),
            text: String::new(),
            listing: Arc::new(Mutex::new(None)),
            readers: Vec::new(),
        };
        chooser.go(near.unwrap_or_else(home));
        chooser
    }

    /// Shows a folder.
    fn go(&mut self, folder: PathBuf) {
        self.text = folder.to_string_lossy().into_owned();
        self.folder = folder.clone();
        // A listing that comes late for an older folder must not show here.
        self.listing = Arc::new(Mutex::new(None));
        let (listing, wanted) = (self.listing.clone(), self.wanted);
        let read = std::thread::Builder::new().name("plainsong-files".into()).spawn(move || {
            *listing.lock() = Some(list(&folder, wanted));
        });
        self.readers.retain(|reader| !reader.is_finished());
        match read {
            Ok(reader) => self.readers.push(reader),
            Err(error) => {
                *self.listing.lock() = Some(Listing { error: Some(format!("Folders cannot be read: {error}.")), ..Listing::default() });
            }
        }
    }

    /// Draws it over the window.
    pub fn show(&mut self, ui: &Ui) -> Choice {
        let mut choice = Choice::Open;
        let area = ui.ctx().content_rect();
        let frame = Frame::window(ui.style()).inner_margin(Margin::same(18));
        let modal = Modal::new(Id::unique("plainsong-files")).frame(frame).show(ui.ctx(), |ui| {
            ui.set_width((area.width() - 120.0).min(620.0));
            ui.heading(&self.title);
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                let up = ui.add_enabled(self.folder.parent().is_some(), Button::new("Up")).on_hover_text("The folder around this one");
                if up.clicked()
                    && let Some(parent) = self.folder.parent()
                {
                    self.go(parent.to_owned());
                }
                let field = ui.add(TextEdit::singleline(&mut self.text).desired_width(f32::INFINITY).hint_text("Path of a folder or file"));
                if field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
                    choice = self.typed();
                }
            });
            ui.add_space(4.0);
            let height = (area.height() - 260.0).clamp(120.0, 420.0);
            let listing = self.listing.lock().clone();
            ScrollArea::vertical().id_salt(&self.folder).max_height(height).min_scrolled_height(height).auto_shrink([false, false]).show(
                ui,
                |ui| match listing {
                    None => {
                        ui.label(RichText::new("Reads the folder").color(theme::DIM));
                        ui.ctx().request_repaint();
                    }
                    Some(listing) => {
                        if let Some(chosen) = self.entries(ui, &listing) {
                            choice = chosen;
                        }
                    }
                },
            );
            ui.add_space(6.0);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if ui.button("Cancel").clicked() {
                    choice = Choice::Cancelled;
                }
            });
        });
        if modal.should_close() && choice == Choice::Open { Choice::Cancelled } else { choice }
    }

    fn typed(&mut self) -> Choice {
        let path = PathBuf::from(self.text.trim());
        if path.is_dir() {
            self.go(path);
            return Choice::Open;
        }
        // A file that is not there is chosen too: who hears it says what is wrong with it.
        if path.is_absolute() { Choice::Chosen(path) } else { Choice::Chosen(self.folder.join(path)) }
    }

    fn entries(&mut self, ui: &mut Ui, listing: &Listing) -> Option<Choice> {
        let entry = |ui: &mut Ui, name: &str, color| {
            let text = RichText::new(name).size(13.0).color(color);
            ui.add(Button::new(text).right_text("").frame_when_inactive(false).min_size(vec2(ui.available_width(), 22.0))).clicked()
        };
        if let Some(error) = &listing.error {
            ui.label(RichText::new(error).color(theme::ALERT));
        }
        for name in &listing.folders {
            if entry(ui, &format!("{name}/"), theme::COOL) {
                self.go(self.folder.join(name));
                return None;
            }
        }
        for name in &listing.files {
            if entry(ui, name, theme::TEXT) {
                return Some(Choice::Chosen(self.folder.join(name)));
            }
        }
        if listing.more {
            ui.label(RichText::new("There is more than is shown: type the name above.").color(theme::DIM));
        }
        if listing.error.is_none() && listing.folders.is_empty() && listing.files.is_empty() {
            ui.label(RichText::new("There is nothing to choose in this folder.").color(theme::DIM));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_in_order_without_what_is_not_wanted() {
        let folder = std::env::temp_dir().join(format!("plainsong-files-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("Sub")).unwrap();
        for name in ["b.wav", "A.wav", "note.txt", ".hidden.wav"] {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        let wanted = |path: &Path| path.extension().is_some_and(|ending| ending == "wav");
        let listing = list(&folder, wanted);
        assert_eq!((listing.folders, listing.files), (vec!["Sub".to_owned()], vec!["A.wav".to_owned(), "b.wav".to_owned()]));
        let missing = list(&folder.join("nowhere"), wanted);
        assert!(missing.error.is_some() && missing.files.is_empty());
        let _ = std::fs::remove_dir_all(folder);
    }
}
