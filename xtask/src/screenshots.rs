//! `cargo xtask screenshots`: pictures of the real editors, for the guide.
//!
//! Linux only: the editor runs on a virtual screen (`Xvfb`, drawn by Mesa's llvmpipe), the pointer is
//! moved by `xdotool` and the picture taken by ImageMagick's `import`.

use crate::test::command::{Run, release_folder, root};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// Programs that must be there.
const PROGRAMS: [&str; 4] = ["Xvfb", "xdotool", "import", "openbox"];
/// The virtual screen.
const DISPLAY: &str = ":97";

/// Arguments of `screenshots`.
#[derive(clap::Args)]
pub struct Args {
    /// What plays, as WAV at 48 kHz
    #[arg(long, default_value = "samples/noisy.wav")]
    sound: PathBuf,
    /// Take only the picture of this name
    #[arg(long)]
    only: Option<String>,
}

/// One picture: its file, the parameters, and what is done before it is taken.
struct Shot {
    name: &'static str,
    parameters: &'static [&'static str],
    /// Sound that plays before, in seconds.
    seconds: u64,
    /// Calls of `xdotool`; `{w}` is the window.
    actions: &'static [&'static str],
    /// Takes the whole screen: menus may stand out of the window.
    zoomed: bool,
}

const SHOTS: &[Shot] = &[
    Shot { name: "denoise", parameters: &["limit=24", "release=30"], seconds: 11, actions: &[], zoomed: false },
    Shot {
        name: "denoise-spectrogram",
        parameters: &["limit=24", "release=30", "high=80"],
        seconds: 11,
        actions: &["mousemove --window {w} 858 72 click 1"],
        zoomed: false,
    },
    Shot { name: "denoise-presets", parameters: &[], seconds: 5, actions: &["mousemove --window {w} 460 23 click 1"], zoomed: false },
    Shot { name: "denoise-card", parameters: &[], seconds: 4, actions: &["mousemove --window {w} 875 647 click 1"], zoomed: false },
    Shot {
        name: "denoise-typing",
        parameters: &["limit=18"],
        seconds: 5,
        actions: &["mousemove --window {w} 230 533 click 3", "type --delay 80 21.5"],
        zoomed: false,
    },
    Shot {
        name: "denoise-zoom",
        parameters: &["bypass=off", "listen=removed"],
        seconds: 6,
        actions: &["key ctrl+Page_Up", "key ctrl+Page_Up"],
        zoomed: true,
    },
];

/// Takes the pictures into `docs/screenshots`.
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
            return Err(format!("{program} is missing; on Debian: apt-get install xvfb xdotool imagemagick openbox libgl1-mesa-dri"));
        }
    }
    let sound = root().join(&args.sound);
    if !sound.is_file() {
        return Err(format!("{} is missing; name another file with --sound", sound.display()));
    }
    if !Run::cargo(&["build", "--release", "-p", "denoise", "--features", "standalone", "--example", "editor-shot"]).succeeds() {
        return Err("the editor does not build; on Debian it needs libasound2-dev and libjack-jackd2-dev".into());
    }
    let program = release_folder().join("examples/editor-shot");
    let folder = root().join("docs/screenshots");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let _screen = start("Xvfb", &[DISPLAY, "-screen", "0", "1720x1120x24"])?;
    pause(1500);
    let _manager = start("openbox", &[])?;
    pause(500);
    for shot in SHOTS.iter().filter(|shot| args.only.as_ref().is_none_or(|only| only == shot.name)) {
        let mut arguments: Vec<&str> = vec![sound.to_str().ok_or("the sound's path is no text")?];
        arguments.extend(shot.parameters);
        let _editor = start(program.to_str().ok_or("the program's path is no text")?, &arguments)?;
        let search = ["search", "--sync", "--onlyvisible", "--name", "Plainsong"];
        let window = read("timeout", &[&["30", "xdotool"], &search[..]].concat()).ok_or("the editor did not open")?;
        let window = window.lines().last().unwrap_or_default().to_owned();
        let _ = read("xdotool", &["windowactivate", "--sync", &window]);
        // Where the pointer shows no tooltip.
        let _ = read("xdotool", &["mousemove", "--window", &window, "725", "480"]);
        pause(shot.seconds * 1000);
        for action in shot.actions {
            let action = action.replace("{w}", &window);
            let words: Vec<&str> = action.split(' ').collect();
            let _ = read("xdotool", &words);
            pause(900);
            if action.starts_with("mousemove") && !action.contains("click 3") {
                let _ = read("xdotool", &["mousemove", "--window", &window, "725", "480"]);
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
