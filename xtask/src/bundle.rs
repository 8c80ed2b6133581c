//! `cargo xtask bundle`: plugins as hosts expect them, in `target/bundled`.

use crate::test::command::{Run, root, target_folder};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `bundle`.
#[derive(clap::Args)]
pub struct Args {
    /// Packages of bundler.toml; all when none is named
    packages: Vec<String>,
    /// Taken for habit: bundles are always release builds, others are too slow for live sound
    #[arg(long)]
    release: bool,
    /// Build the stand-alone programs too; on Linux they need the headers of ALSA and JACK
    #[arg(long)]
    standalone: bool,
    /// Build for another platform, by Rust's name for it
    #[arg(long)]
    target: Option<String>,
}

/// A plugin to pack: the package and the name that hosts show.
struct Plugin {
    package: String,
    name: String,
}

/// The platform that is built for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum System {
    Linux,
    Mac,
    Windows,
}

/// Where the bundles are put.
pub fn folder() -> PathBuf {
    target_folder().join("bundled")
}

/// Builds and packs.
pub fn run(args: Args) -> ExitCode {
    let _ = args.release;
    match pack(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bundle: {error}");
            ExitCode::FAILURE
        }
    }
}

fn pack(args: &Args) -> Result<(), String> {
    let plugins = plugins(&args.packages)?;
    let mut build: Vec<&str> = vec!["build", "--release"];
    let mut standalone: Vec<&str> = vec!["build", "--release", "--bins"];
    for plugin in &plugins {
        build.extend(["-p", &plugin.package]);
        standalone.extend(["-p", &plugin.package]);
    }
    let features: Vec<String> = plugins.iter().map(|plugin| format!("{}/standalone", plugin.package)).collect();
    let features = features.join(",");
    standalone.extend(["--features", &features]);
    if let Some(target) = &args.target {
        build.extend(["--target", target]);
        standalone.extend(["--target", target]);
    }
    // The programs first: they build the same library with more in it, and the plugin must not have that.
    if args.standalone && !Run::cargo(&standalone).succeeds() {
        return Err("the stand-alone programs do not build; on Debian they need libasound2-dev and libjack-jackd2-dev".into());
    }
    if !Run::cargo(&build).succeeds() {
        return Err("the plugins do not build; see above".into());
    }
    let triple = args.target.as_deref().unwrap_or("");
    let system = match triple {
        "" if cfg!(target_os = "macos") => System::Mac,
        "" if cfg!(target_os = "windows") => System::Windows,
        "" => System::Linux,
        _ if triple.contains("apple") => System::Mac,
        _ if triple.contains("windows") => System::Windows,
        _ => System::Linux,
    };
    let machine = triple.split('-').next().filter(|machine| !machine.is_empty()).unwrap_or(std::env::consts::ARCH);
    let built = args.target.as_ref().map_or_else(target_folder, |target| target_folder().join(target)).join("release");
    for plugin in &plugins {
        let library = plugin.package.replace('-', "_");
        let library = built.join(match system {
            System::Linux => format!("lib{library}.so"),
            System::Mac => format!("lib{library}.dylib"),
            System::Windows => format!("{library}.dll"),
        });
        for format in ["clap", "vst3"] {
            let bundle = pack_plugin(&library, &plugin.name, format, system, machine).map_err(|e| format!("{}: {e}", plugin.name))?;
            println!("{}", bundle.display());
        }
        if args.standalone {
            let ending = if system == System::Windows { ".exe" } else { "" };
            let program = format!("plainsong-{}{ending}", plugin.package);
            let to = folder().join(&program);
            replace(&built.join(&program), &to).map_err(|e| format!("{program}: {e}"))?;
            println!("{}", to.display());
        }
    }
    Ok(())
}

/// Packages of bundler.toml.
///
/// # Errors
/// When that file cannot be read.
pub fn packages() -> Result<Vec<String>, String> {
    Ok(plugins(&[])?.into_iter().map(|plugin| plugin.package).collect())
}

/// Plugins of bundler.toml, all or those named.
fn plugins(wanted: &[String]) -> Result<Vec<Plugin>, String> {
    let path = root().join("bundler.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let table: toml::Table = text.parse().map_err(|e| format!("{}: {e}", path.display()))?;
    let known: Vec<Plugin> = table
        .iter()
        .map(|(package, entry)| {
            let name = entry.get("name").and_then(toml::Value::as_str).unwrap_or(package);
            Plugin { package: package.clone(), name: name.to_owned() }
        })
        .collect();
    if let Some(strange) = wanted.iter().find(|package| known.iter().all(|plugin| plugin.package != **package)) {
        let names: Vec<&str> = known.iter().map(|plugin| plugin.package.as_str()).collect();
        return Err(format!("there is no plugin \"{strange}\"; there are: {}", names.join(", ")));
    }
    Ok(known.into_iter().filter(|plugin| wanted.is_empty() || wanted.contains(&plugin.package)).collect())
}

/// Puts a library where the format wants it and gives the bundle's path.
fn pack_plugin(library: &Path, name: &str, format: &str, system: System, machine: &str) -> std::io::Result<PathBuf> {
    let bundle = folder().join(format!("{name}.{format}"));
    let inside = match (system, format) {
        (System::Mac, _) => bundle.join("Contents/MacOS").join(name),
        (_, "clap") => bundle.clone(),
        (System::Windows, _) => bundle.join(format!("Contents/{machine}-win")).join(format!("{name}.{format}")),
        (System::Linux, _) => bundle.join(format!("Contents/{machine}-linux")).join(format!("{name}.so")),
    };
    replace(library, &inside)?;
    if system == System::Mac {
        std::fs::write(bundle.join("Contents/Info.plist"), info_plist(name))?;
        std::fs::write(bundle.join("Contents/PkgInfo"), "BNDL????")?;
        // An ad-hoc signature: without one Apple's processors load nothing.
        if cfg!(target_os = "macos") {
            let _ = std::process::Command::new("codesign").args(["-f", "-s", "-"]).arg(&bundle).status();
        }
    }
    Ok(bundle)
}

/// Copies beside and renames: a host that has the old file open keeps it.
pub fn replace(from: &Path, to: &Path) -> std::io::Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let beside = to.with_extension("part");
    std::fs::copy(from, &beside)?;
    std::fs::rename(&beside, to)
}

fn info_plist(name: &str) -> String {
    let id = name.to_lowercase().replace(' ', ".");
    let version = env!("CARGO_PKG_VERSION");
    let entries = [
        ("CFBundleExecutable", name),
        ("CFBundleIdentifier", &format!("org.{id}")),
        ("CFBundleName", name),
        ("CFBundlePackageType", "BNDL"),
        ("CFBundleSignature", "????"),
        ("CFBundleShortVersionString", version),
        ("CFBundleVersion", version),
        ("CFBundleInfoDictionaryVersion", "6.0"),
    ]
    .map(|(key, value)| format!("    <key>{key}</key>\n    <string>{value}</string>\n"))
    .concat();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n  <dict>\n{entries}    \
         <key>NSHighResolutionCapable</key>\n    <true/>\n  </dict>\n</plist>\n"
    )
}
