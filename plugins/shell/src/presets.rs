//! Factory presets and the user's own, as files.

use dsp_core::params::FromValues;
use dsp_core::preset;
use std::path::{Path, PathBuf};

/// Ending of a preset's file.
const ENDING: &str = "json";
/// Longest name of a preset, in characters.
const LONGEST: usize = 80;
/// Largest file that is read as a preset, in bytes.
const LARGEST: u64 = 1 << 20;

/// A preset's name and its values in the table's order.
pub type NamedValues = (String, Vec<f32>);

/// How the presets of one engine are read and written, free of the engine's type.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Short name of the engine, also the folder's name.
    pub engine: &'static str,
    /// Names of the factory presets.
    pub factory: &'static [(&'static str, &'static [(&'static str, f32)])],
    /// Values of a factory preset.
    pub values: fn(&str) -> Option<Vec<f32>>,
    /// Text of a preset.
    pub write: fn(&str, &[f32]) -> String,
    /// Name and values from a preset's text.
    pub read: fn(&str) -> Result<NamedValues, dsp_core::processor::Error>,
}

impl Format {
    /// The format of an engine's settings.
    pub fn of<S: FromValues>() -> Self {
        Self {
            engine: S::ENGINE,
            factory: S::PRESETS,
            values: preset::factory::<S>,
            write: preset::to_json::<S>,
            read: preset::from_json::<S>,
        }
    }
}

/// The user's configuration folder: `$XDG_CONFIG_HOME` or `~/.config`, `~/Library/Application
/// Support`, or `%APPDATA%`.
fn config_folder() -> Option<PathBuf> {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(target_os = "windows") {
        from("APPDATA").map(|path| path.join("Plainsong"))
    } else if cfg!(target_os = "macos") {
        from("HOME").map(|path| path.join("Library/Application Support/Plainsong"))
    } else {
        from("XDG_CONFIG_HOME").or_else(|| from("HOME").map(|path| path.join(".config"))).map(|path| path.join("plainsong"))
    }
}

/// A user's presets of one engine: the files of one folder.
#[derive(Clone, Debug)]
pub struct Presets {
    format: Format,
    folder: Option<PathBuf>,
    names: Vec<String>,
}

impl Presets {
    /// The presets in the user's configuration folder, not yet listed.
    pub fn new(format: Format) -> Self {
        Self { format, folder: config_folder().map(|path| path.join("presets").join(format.engine)), names: Vec::new() }
    }

    /// The same in another folder.
    pub fn in_folder(format: Format, folder: &Path) -> Self {
        Self { format, folder: Some(folder.to_owned()), names: Vec::new() }
    }

    /// The format.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The user's presets as last listed, in order of name.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Lists the folder. One that does not exist is empty.
    pub fn refresh(&mut self) {
        let entries = self.folder.as_ref().and_then(|folder| std::fs::read_dir(folder).ok());
        self.names = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                (path.extension()? == ENDING).then(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))?
            })
            .collect();
        self.names.sort_by_key(|name| name.to_lowercase());
    }

    fn path(&self, name: &str) -> Result<PathBuf, String> {
        let folder = self.folder.as_ref().ok_or("There is no folder for presets: neither HOME nor APPDATA is set.")?;
        Ok(folder.join(format!("{name}.{ENDING}")))
    }

    /// Values of a user's preset, in the table's order.
    ///
    /// # Errors
    /// A sentence for the user when the file cannot be read or is no preset of this engine.
    pub fn load(&self, name: &str) -> Result<Vec<f32>, String> {
        let path = self.path(&file_name(name)?)?;
        let size = std::fs::metadata(&path).map_err(|e| format!("\"{name}\" cannot be read: {e}."))?.len();
        if size > LARGEST {
            return Err(format!("\"{name}\" is no preset: {size} bytes are too many."));
        }
        let text = std::fs::read_to_string(&path).map_err(|e| format!("\"{name}\" cannot be read: {e}."))?;
        (self.format.read)(&text).map(|(_, values)| values).map_err(|e| format!("\"{name}\": {e}."))
    }

    /// Saves values as a preset and lists the folder again. Gives the name under which it is found:
    /// that given, without what a file's name cannot hold. The file is written beside and renamed, so
    /// that a full disk does not cost the preset that was there.
    ///
    /// # Errors
    /// A sentence for the user when the name is empty or the file cannot be written.
    pub fn save(&mut self, name: &str, values: &[f32]) -> Result<String, String> {
        let name = file_name(name)?;
        let path = self.path(&name)?;
        let failed = |e: std::io::Error| format!("\"{name}\" cannot be saved in {}: {e}.", path.parent().unwrap_or(&path).display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let beside = path.with_extension(format!("{}.part", std::process::id()));
        let written = std::fs::write(&beside, (self.format.write)(&name, values)).and_then(|()| std::fs::rename(&beside, &path));
        if let Err(e) = written {
            let _ = std::fs::remove_file(&beside);
            return Err(failed(e));
        }
        self.refresh();
        Ok(name)
    }

    /// Deletes a user's preset and lists the folder again.
    ///
    /// # Errors
    /// A sentence for the user when the file cannot be removed.
    pub fn delete(&mut self, name: &str) -> Result<(), String> {
        let path = self.path(&file_name(name)?)?;
        std::fs::remove_file(&path).map_err(|e| format!("\"{name}\" cannot be deleted: {e}."))?;
        self.refresh();
        Ok(())
    }
}

/// A name that every file system takes, and that cannot leave the folder.
fn file_name(name: &str) -> Result<String, String> {
    let kept: String = name.chars().filter(|c| !c.is_control() && !"/\\:*?\"<>|".contains(*c)).take(LONGEST).collect();
    let kept = kept.trim().trim_matches('.').trim();
    if kept.is_empty() { Err("A preset needs a name.".into()) } else { Ok(kept.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::engines::denoise::Settings;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("plainsong-presets-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn presets_are_saved_listed_read_and_deleted() {
        let folder = scratch("round");
        let mut presets = Presets::in_folder(Format::of::<Settings>(), &folder);
        presets.refresh();
        assert!(presets.names().is_empty());
        let mut values = dsp_core::params::defaults(Settings::PARAMS);
        values[0] = 42.0;
        assert_eq!(presets.save(" My / voice ", &values), Ok("My  voice".into()));
        assert_eq!(presets.names(), ["My  voice"]);
        assert_eq!(presets.load("My  voice"), Ok(values));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside");
        presets.delete("My  voice").unwrap();
        assert!(presets.names().is_empty());
        assert!(presets.load("My  voice").unwrap_err().contains("cannot be read"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn names_stay_in_the_folder() {
        assert_eq!(file_name("../../etc/passwd"), Ok("etcpasswd".into()));
        assert!(file_name(" .. ").is_err());
    }

    #[test]
    fn a_file_that_is_no_preset_is_named_in_the_error() {
        let folder = scratch("bad");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("Odd.json"), "{\"plainsong\": 1, \"engine\": \"other\"}").unwrap();
        let presets = Presets::in_folder(Format::of::<Settings>(), &folder);
        let error = presets.load("Odd").unwrap_err();
        assert!(error.contains("Odd") && error.contains("other"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
