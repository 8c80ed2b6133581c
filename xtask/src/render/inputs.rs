//! From what was named on the command line to files and where they go.

use super::failure::Failure;
use super::job::Task;
use super::sink::FileFormat;
use sound_files::source::is_sound;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 64;

/// What is to be rendered.
#[derive(Debug, Default)]
pub struct Plan {
    /// Files to render.
    pub tasks: Vec<Task>,
    /// Files that cannot be rendered, and why.
    pub failures: Vec<(PathBuf, Failure)>,
    /// The output is a folder, the report a list.
    pub batch: bool,
}

/// How outputs are named.
#[derive(Clone, Copy, Debug, Default)]
pub struct Naming<'a> {
    /// Format of the files in a folder; where nothing is said WAV.
    pub format: Option<FileFormat>,
    /// FLAC stays FLAC where nothing is said.
    pub keep_flac: bool,
    /// Several files are made of each, with these words behind its name, always in a folder; the last stands for
    /// them.
    pub parts: &'a [&'a str],
}

/// A file and its place below the output folder.
type Found = (PathBuf, PathBuf);

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Files below a folder, in order. Links to folders are not followed, hidden files are left out, and so is
/// the folder that is written to.
fn walk(folder: &Path, below: &Path, output: Option<&Path>, depth: usize, found: &mut Vec<Found>, failures: &mut Vec<(PathBuf, Failure)>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            failures.push((folder.to_owned(), super::failure::reading(error)));
            return;
        }
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| !hidden(path)).collect();
    paths.sort();
    for path in paths {
        let place = below.join(path.file_name().unwrap_or_default());
        let link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        if path.is_dir() {
            if !link && depth < MAX_DEPTH && output.is_none_or(|output| path.canonicalize().ok().as_deref() != Some(output)) {
                walk(&path, &place, output, depth + 1, found, failures);
            }
        } else if is_sound(&path) {
            found.push((path, place));
        }
    }
}

/// The folders of a pattern before its first special letter.
fn fixed_part(pattern: &str) -> PathBuf {
    let special = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    Path::new(pattern).components().take_while(|part| !special(part)).collect()
}

/// The deepest folder that all of these files are in.
fn common_folder(files: &[PathBuf]) -> PathBuf {
    let mut folders = files.iter().map(|file| file.parent().unwrap_or(Path::new("")).to_owned());
    let first = folders.next().unwrap_or_default();
    folders.fold(first, |common, folder| common.components().zip(folder.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect())
}

/// Files that a list names, one a line; `-` is standard input. Empty lines and those that begin with # are left out.
fn listed(list: &Path) -> Result<Vec<Found>, Failure> {
    let text = if list == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { fs::read_to_string(list) };
    let text = text.map_err(|error| super::failure::reading(error).about(list))?;
    let files: Vec<PathBuf> =
        text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(PathBuf::from).collect();
    if files.is_empty() {
        return Err(Failure::new("names no files; write one a line").about(list));
    }
    let common = common_folder(&files);
    Ok(files.into_iter().map(|file| (file.clone(), file.strip_prefix(&common).unwrap_or(&file).to_owned())).collect())
}

/// What tells that two paths lead to one file.
#[derive(Default)]
struct Known {
    paths: HashSet<PathBuf>,
    #[cfg(unix)]
    nodes: HashSet<(u64, u64)>,
}

impl Known {
    fn add(&mut self, path: &Path) {
        self.paths.extend(path.canonicalize());
        #[cfg(unix)]
        if let Ok(metadata) = fs::metadata(path) {
            use std::os::unix::fs::MetadataExt;
            self.nodes.insert((metadata.dev(), metadata.ino()));
        }
    }

    fn has(&self, path: &Path) -> bool {
        #[cfg(unix)]
        if let Ok(metadata) = fs::metadata(path) {
            use std::os::unix::fs::MetadataExt;
            if self.nodes.contains(&(metadata.dev(), metadata.ino())) {
                return true;
            }
        }
        path.canonicalize().is_ok_and(|path| self.paths.contains(&path))
    }
}

fn same(a: &Path, b: &Path) -> bool {
    let mut known = Known::default();
    known.add(a);
    known.has(b)
}

/// Finds the files and plans their outputs.
///
/// # Errors
/// One line when the command line makes no sense.
pub fn plan(
    inputs: &[PathBuf],
    list: Option<&Path>,
    output: &Path,
    naming: &Naming<'_>,
    picture: Option<&Path>,
    report: Option<&Path>,
) -> Result<Plan, Failure> {
    let Naming { format, keep_flac, parts } = *naming;
    let mut plan = Plan { batch: inputs.len() > 1 || list.is_some(), ..Plan::default() };
    let mut found: Vec<Found> = match list {
        Some(list) => listed(list)?,
        None => Vec::new(),
    };
    let output_folder = output.canonicalize().ok();
    for input in inputs {
        let pattern = input.to_string_lossy();
        if input.is_dir() {
            plan.batch = true;
            let before = found.len() + plan.failures.len();
            walk(input, Path::new(""), output_folder.as_deref(), 0, &mut found, &mut plan.failures);
            if found.len() + plan.failures.len() == before {
                return Err(Failure::new("holds no sound files").about(input));
            }
        } else if input.symlink_metadata().is_err() && pattern.contains(['*', '?', '[']) {
            plan.batch = true;
            let matches = glob::glob(&pattern).map_err(|error| Failure::new(format!("is no pattern: {error}")).about(input))?;
            let base = fixed_part(&pattern);
            let before = found.len();
            for path in matches.flatten().filter(|path| path.is_file() && !hidden(path)) {
                let place = path.strip_prefix(&base).unwrap_or(&path).to_owned();
                found.push((path, place));
            }
            if found.len() == before {
                return Err(Failure::new("matches no file").about(input));
            }
        } else {
            found.push((input.clone(), input.file_name().unwrap_or_default().into()));
        }
    }
    let mut seen = HashSet::new();
    found.retain(|(path, _)| seen.insert(path.clone()));
    let mut known = Known::default();
    found.iter().for_each(|(path, _)| known.add(path));

    let named = FileFormat::of(output);
    if !parts.is_empty() && named.is_some() && !output.is_dir() {
        return Err(Failure::new("is a file's name, and several files are made; name a folder with -o").about(output));
    }
    let into_folder =
        plan.batch || !parts.is_empty() || output.is_dir() || output.to_string_lossy().ends_with(['/', std::path::MAIN_SEPARATOR]);
    if into_folder && output.exists() && !output.is_dir() {
        return Err(Failure::new("is a file, and several files need a folder; name a folder with -o").about(output));
    }
    if plan.batch && named.is_some() && !output.is_dir() {
        return Err(Failure::new("is a file's name, and several files need a folder; name a folder with -o").about(output));
    }
    if !into_folder {
        let Some(named) = named else {
            return Err(Failure::new(
                if output
                    .extension()
                    .is_some_and(|ending| ["m4a", "m4b", "mp4", "aac"].iter().any(|known| ending.eq_ignore_ascii_case(known)))
                {
                    "cannot be written: there is no AAC encoder that is free, settled and well kept; use .mp3 or .opus, or write .flac and convert that"
                } else {
                    "has no ending that can be written; use .wav, .flac, .mp3 or .opus"
                },
            )
            .about(output));
        };
        if format.is_some_and(|format| format != named) {
            return Err(Failure::new("has another ending than --format says; leave one of them out").about(output));
        }
    }
    if let Some(picture) = picture {
        let png = picture.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        if !plan.batch && !png && !picture.is_dir() {
            return Err(Failure::new("has no ending that can be drawn; use .png").about(picture));
        }
        if plan.batch && (png || picture.is_file()) {
            return Err(
                Failure::new("is a file, and several files need a folder for their pictures; name a folder with --picture").about(picture)
            );
        }
    }
    if let Some(report) = report
        && (known.has(report) || report == output)
    {
        return Err(Failure::new("is an input or output already; choose another name for the report").about(report));
    }
    let mut taken: HashMap<PathBuf, PathBuf> = HashMap::new();
    for (input, place) in found {
        let (target, format) = if into_folder {
            let as_it_was = FileFormat::of(&input).filter(|format| keep_flac && *format == FileFormat::Flac);
            let format = format.or(as_it_was).unwrap_or(FileFormat::Wav);
            (output.join(&place).with_extension(format.extension()), format)
        } else {
            (output.to_owned(), named.unwrap_or(FileFormat::Wav))
        };
        let targets: Vec<PathBuf> = if parts.is_empty() {
            vec![target.clone()]
        } else {
            parts.iter().map(|part| super::stems::named(&target, &place, part)).collect()
        };
        let target = targets.last().cloned().unwrap_or(target);
        let drawn = picture
            .map(|picture| if plan.batch || picture.is_dir() { picture.join(&place).with_extension("png") } else { picture.to_owned() });
        let refusal = if targets.iter().any(|target| same(&input, target)) {
            Some(Failure::new("is input and output at once; choose another output with -o"))
        } else if let Some(target) = targets.iter().find(|target| known.has(target)) {
            Some(Failure::new("would be overwritten, though it is an input too; choose another folder with -o").about(target))
        } else if drawn.as_deref().is_some_and(|drawn| known.has(drawn)) {
            Some(Failure::new("has a picture's name that is an input; choose another with --picture"))
        } else {
            taken.insert(target.clone(), input.clone()).map(|first| {
                Failure::new(format!("would be written to {}, as {} is; rename one of them", target.display(), first.display()))
            })
        };
        match refusal {
            Some(failure) => plan.failures.push((input, failure)),
            None => {
                let below = if into_folder { place } else { target.file_name().unwrap_or_default().into() };
                plan.tasks.push(Task { input, output: target, below, picture: drawn, format });
            }
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_part_of_a_pattern_ends_before_a_star() {
        assert_eq!(fixed_part("a/b/*/c*.wav"), Path::new("a/b"));
        assert_eq!(fixed_part("*.wav"), Path::new(""));
        assert_eq!(fixed_part("/a/b.wav"), Path::new("/a/b.wav"));
    }

    #[test]
    fn listed_files_keep_their_folders_below_the_common_one() {
        let folder = |files: &[&str]| common_folder(&files.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(folder(&["/a/b/c/1.wav", "/a/b/2.wav", "/a/b/d/3.wav"]), Path::new("/a/b"));
        assert_eq!(folder(&["1.wav", "x/2.wav"]), Path::new(""));
        assert_eq!(folder(&["x/2.wav"]), Path::new("x"));
    }

    #[test]
    fn sound_is_known_by_its_ending() {
        assert!(is_sound(Path::new("A.WAV")) && is_sound(Path::new("b.caf")));
        assert!(!is_sound(Path::new("wav")) && !is_sound(Path::new("c.txt")));
    }
}
