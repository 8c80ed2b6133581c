//! `cargo xtask screenshots`: pictures of the real editors, for the guide.
//!
//! Linux only: the editor runs on a virtual screen (`Xvfb`, drawn by Mesa's llvmpipe), the pointer is
//! moved by `xdotool` and the picture taken by ImageMagick's `import`.

use crate::bundle::packages;
use crate::test::command::{Run, release_folder, root, target_folder};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// Programs that must be there.
const PROGRAMS: [&str; 3] = ["Xvfb", "xdotool", "import"];
/// Where the pointer shows no tooltip, in points of the window: between the pictures and the controls, which
/// stand lower in the larger window of the Master.
const ASIDE: [&str; 2] = ["500", "421"];
const ASIDE_OF_MASTER: [&str; 2] = ["500", "541"];
/// The virtual screen.
const DISPLAY: &str = ":97";

/// Arguments of `screenshots`.
#[derive(clap::Args)]
pub struct Args {
    /// What plays, as WAV at 48 kHz
    #[arg(long, default_value = "samples/noisy.wav")]
    sound: PathBuf,
    /// Take only the pictures whose name begins so
    #[arg(long)]
    only: Option<String>,
    /// Where the pictures go
    #[arg(long, default_value = "docs/screenshots")]
    to: PathBuf,
}

/// One picture: its file, the plugin with its parameters, and what is done before it is taken.
struct Shot {
    name: &'static str,
    /// Package of bundler.toml.
    package: &'static str,
    /// Which of its editors.
    editor: &'static str,
    parameters: &'static [&'static str],
    /// Sound that plays before, in seconds.
    seconds: u64,
    /// Calls of `xdotool`; `{w}` is the window.
    actions: &'static [&'static str],
    /// Takes the whole screen: menus may stand out of the window.
    zoomed: bool,
}

const fn shot(package: &'static str, name: &'static str, parameters: &'static [&'static str], seconds: u64) -> Shot {
    Shot { name, package, editor: package, parameters, seconds, actions: &[], zoomed: false }
}

/// A voice without noise at a bright microphone: something for a de-esser to do.
const SHARP: &[&str] = &["--bright", "9"];

/// A song, with some of its faders moved.
const SONG: &[&str] = &["--band", "vocals-gain=2", "drums-gain=-4.5", "bass-pan=-20", "other-width=140"];
/// A voice over music that is turned down.
const SPOKEN: &[&str] = &["--band", "task=dialogue", "voice-gain=3", "rest-gain=-9"];

/// A master with something in every stage.
const MASTERED: &[&str] = &[
    "eq2-on=on",
    "eq2-type=low-shelf",
    "eq2-freq=70",
    "eq2-gain=1.5",
    "eq4-on=on",
    "eq4-gain=-2",
    "eq11-on=on",
    "eq11-type=high-shelf",
    "eq11-gain=2",
    "mb-on=on",
    "mb-low-threshold=-30",
    "mb-low-ratio=2",
    "mb-lowmid-threshold=-32",
    "mb-lowmid-ratio=1.6",
    "mb-highmid-threshold=-36",
    "mb-highmid-ratio=1.6",
    "mb-high-threshold=-44",
    "mb-high-ratio=2",
    "stereo-high=130",
    "stereo-mono-below=90",
    "limiter-drive=9",
];

/// Where the pointer shows no tooltip in windows whose pictures are larger.
const AWAY: &str = "sleep 1 mousemove --window {w} 4 300";

/// A master beside a part of another sound.
const REFERRED: &[&str] =
    &["--note", r#"references={"files":[{"path":"samples/noisy.wav","from":2.0}],"weights":{"tone":2.0,"loudness":0.25}}"#];

const SHOTS: &[Shot] = &[
    shot("denoise", "denoise", &["limit=24", "release=30"], 11),
    Shot {
        actions: &["mousemove --window {w} 858 72 click 1"],
        ..shot("denoise", "denoise-spectrogram", &["limit=24", "release=30", "high=80"], 11)
    },
    Shot { actions: &["mousemove --window {w} 460 23 click 1"], ..shot("denoise", "denoise-presets", &[], 5) },
    Shot { actions: &["mousemove --window {w} 918 596 click 1"], ..shot("denoise", "denoise-models", &["limit=24"], 8) },
    // A model that is chosen and not there.
    shot("denoise", "denoise-missing", &["--model", "absent"], 6),
    Shot { actions: &["mousemove --window {w} 875 647 click 1"], ..shot("denoise", "denoise-card", &[], 4) },
    Shot {
        actions: &["mousemove --window {w} 230 533 click 3", "type --delay 80 21.5"],
        ..shot("denoise", "denoise-typing", &["limit=18"], 5)
    },
    Shot {
        actions: &["key ctrl+Page_Up", "key ctrl+Page_Up"],
        zoomed: true,
        ..shot("denoise", "denoise-zoom", &["bypass=off", "listen=removed"], 6)
    },
    shot("deesser", "deesser", SHARP, 11),
    Shot { actions: &["mousemove --window {w} 804 72 click 1"], ..shot("deesser", "deesser-spectrogram", SHARP, 11) },
    shot("limiter", "limiter", &["drive=12"], 11),
    shot("meter", "meter", &[], 24),
    Shot { actions: &[AWAY], ..shot("stems", "stems", SONG, 14) },
    Shot { actions: &["mousemove --window {w} 1034 72 click 1", AWAY], ..shot("stems", "stems-dialogue", SPOKEN, 14) },
    Shot { editor: "stems-multi-out", actions: &[AWAY], ..shot("stems", "stems-outputs", SONG, 14) },
    Shot { actions: &["mousemove --window {w} 490 372 click 1", AWAY], ..shot("podcast", "podcast", &[], 24) },
    Shot { actions: &["mousemove --window {w} 780 372 click 1", AWAY], ..shot("podcast", "podcast-tone", &["tone-bright=1"], 14) },
    Shot { actions: &["mousemove --window {w} 120 610 click 1", "sleep 40"], ..shot("master", "master", MASTERED, 3) },
    Shot { actions: &["mousemove --window {w} 250 73 click 1"], ..shot("master", "master-equaliser", MASTERED, 8) },
    Shot { actions: &["mousemove --window {w} 410 73 click 1"], ..shot("master", "master-dynamics", MASTERED, 8) },
    Shot { actions: &["mousemove --window {w} 570 73 click 1"], ..shot("master", "master-stereo", MASTERED, 8) },
    Shot { actions: &["mousemove --window {w} 730 73 click 1"], ..shot("master", "master-limiter", MASTERED, 11) },
    Shot {
        actions: &["mousemove --window {w} 120 610 click 1", "sleep 12", "mousemove --window {w} 890 73 click 1", "sleep 2"],
        ..shot("master", "master-reference", REFERRED, 3)
    },
];

/// The sound without its noise, rendered below target/.
fn clean(sound: &Path) -> Result<PathBuf, String> {
    let clean = target_folder().join("screenshots/clean.wav");
    let program = std::env::current_exe().map_err(|e| format!("this program: {e}"))?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let run = Run::new(&program).args(&["render", "denoise", &text(sound), "-o", &text(&clean), "--bits", "16", "--overwrite", "--quiet"]);
    if run.succeeds() { Ok(clean) } else { Err("the sound could not be cleaned; see above".into()) }
}

/// Takes the pictures.
pub fn run(args: Args) -> ExitCode {
    match take(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("screenshots: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A program that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str, arguments: &[&str]) -> Result<Running, String> {
    Command::new(program)
        .args(arguments)
        .env("DISPLAY", DISPLAY)
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Running)
        .map_err(|e| format!("{program}: {e}"))
}

fn read(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).env("DISPLAY", DISPLAY).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn take(args: &Args) -> Result<(), String> {
    for program in PROGRAMS {
        if crate::test::command::on_path(program).is_none() {
            return Err(format!("{program} is missing; on Debian: apt-get install xvfb xdotool imagemagick libgl1-mesa-dri"));
        }
    }
    let sound = root().join(&args.sound);
    if !sound.is_file() {
        return Err(format!("{} is missing; name another file with --sound", sound.display()));
    }
    let wanted: Vec<&Shot> = SHOTS.iter().filter(|shot| args.only.as_ref().is_none_or(|only| shot.name.starts_with(only))).collect();
    let packages: Vec<String> = packages()?.into_iter().filter(|package| wanted.iter().any(|shot| shot.package == package)).collect();
    if packages.is_empty() {
        return Err("there is no such picture".into());
    }
    let editors: BTreeSet<&str> = wanted.iter().map(|shot| shot.editor).collect();
    let examples: Vec<String> = editors.iter().map(|editor| format!("{editor}-shot")).collect();
    let features: Vec<String> = packages.iter().map(|package| format!("{package}/standalone")).collect();
    let features = features.join(",");
    let mut build = vec!["build", "--release", "--features", &features];
    packages.iter().for_each(|package| build.extend(["-p", package]));
    examples.iter().for_each(|example| build.extend(["--example", example]));
    if !Run::cargo(&build).succeeds() {
        return Err("the editors do not build; on Debian they need libasound2-dev and libjack-jackd2-dev".into());
    }
    let clean = clean(&sound)?;
    let folder = root().join(&args.to);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let _screen = start("Xvfb", &[DISPLAY, "-screen", "0", "1720x1120x24"])?;
    // No window manager: one that takes the window in its frame can cost the editor its first picture, and with it all.
    pause(2000);
    for shot in wanted {
        let played = if ["denoise", "podcast"].contains(&shot.package) { &sound } else { &clean };
        let program = release_folder().join(format!("examples/{}-shot", shot.editor));
        let mut arguments: Vec<&str> = vec![played.to_str().ok_or("the sound's path is no text")?];
        arguments.extend(shot.parameters);
        let _editor = start(program.to_str().ok_or("the program's path is no text")?, &arguments)?;
        let search = ["search", "--sync", "--onlyvisible", "--name", "Plainsong"];
        let window = read("timeout", &[&["30", "xdotool"], &search[..]].concat()).ok_or("the editor did not open")?;
        let window = window.lines().last().unwrap_or_default().to_owned();
        let _ = read("xdotool", &["windowfocus", "--sync", &window]);
        let aside = if shot.package == "master" { ASIDE_OF_MASTER } else { ASIDE };
        let _ = read("xdotool", &["mousemove", "--window", &window, aside[0], aside[1]]);
        pause(shot.seconds * 1000);
        for action in shot.actions {
            let action = action.replace("{w}", &window);
            let words: Vec<&str> = action.split(' ').collect();
            let _ = read("xdotool", &words);
            pause(900);
            if action.starts_with("mousemove") && !action.contains("click 3") {
                let _ = read("xdotool", &["mousemove", "--window", &window, aside[0], aside[1]]);
                pause(600);
            }
        }
        if shot.zoomed {
            pause(2500);
        }
        let file = folder.join(format!("{}.png", shot.name));
        // The palette and depth keep the files small; nothing of the time or place is written in.
        let to = file.to_str().ok_or("the picture's path is no text")?;
        read("import", &["-window", &window, "-strip", "-define", "png:compression-level=9", to]).ok_or("no picture could be taken")?;
        println!("{}", file.display());
    }
    Ok(())
}
