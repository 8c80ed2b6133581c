//! `cargo xtask test`: everything that proves the suite, in order, with one table at the end.
//!
//! A step that cannot run because something is missing fails and says how to get it. Three things are
//! optional and only reported: validators, which no package registry has, the list of security
//! advisories, which must be fetched, and a browser.

pub mod command;
mod features;
pub mod setup;

use crate::validate;
use command::{Counts, Run, root};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `test`.
#[derive(clap::Args)]
pub struct Args {
    /// Install what is missing: system packages (as root or by sudo) and a Python environment below target/
    #[arg(long)]
    setup: bool,
    /// Only formatting, lints and the unit tests of the engines
    #[arg(long)]
    quick: bool,
    /// Seconds of the soak; each subject runs that long
    #[arg(long, default_value_t = 15)]
    soak: u32,
}

/// Arguments of `soak`.
#[derive(clap::Args)]
pub struct SoakArgs {
    /// Seconds for each subject: of each product the engine, then the CLAP plugin
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// Hours of programme through each engine as fast as it goes, in place of real time: memory and delay must
    /// stay as they were
    #[arg(long, conflicts_with = "seconds")]
    hours: Option<f64>,
    /// Samples of a block
    #[arg(long, default_value_t = 128)]
    block: u32,
    /// Percent of blocks that may miss their deadline
    #[arg(long, default_value_t = 0.0)]
    allow_missed: f64,
    /// Only this subject: engine or plugin
    #[arg(long)]
    only: Option<String>,
    /// Only this product, by its engine's name: denoise, deess, limiter, master, meter, podcast, stems
    #[arg(long)]
    product: Option<String>,
    /// Seed of the parameter changes
    #[arg(long, default_value_t = 1)]
    seed: u32,
}

/// Percent of missed blocks that the short soak bears: a machine that also compiles has hold-ups
/// that are not the plugin's.
const CI_MISSED_PERCENT: &str = "5";

/// Hours of programme that each engine takes in accelerated time: minutes, enough to see memory that grows.
const CI_HOURS: &str = "0.05";

/// One line of the table.
struct Line {
    name: &'static str,
    counts: Counts,
    seconds: f64,
}

/// The steps run so far.
#[derive(Default)]
struct Table(Vec<Line>);

impl Table {
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Counts) {
        println!("\n== {name}");
        let start = Instant::now();
        let counts = work();
        let seconds = start.elapsed().as_secs_f64();
        for note in &counts.notes {
            println!("   {note}");
        }
        self.0.push(Line { name, counts, seconds });
    }

    /// Prints the table and the closing line.
    fn close(self) -> ExitCode {
        println!("\n{:<26} {:>6} {:>6} {:>8}", "step", "passed", "failed", "seconds");
        let (mut passed, mut failed) = (0, 0);
        for line in &self.0 {
            println!("{:<26} {:>6} {:>6} {:>8.1}", line.name, line.counts.passed, line.counts.failed, line.seconds);
            for note in &line.counts.notes {
                println!("    {note}");
            }
            passed += line.counts.passed;
            failed += line.counts.failed;
        }
        println!("{passed} passed, {failed} failed");
        if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Runs the tests.
pub fn run(args: Args) -> ExitCode {
    let mut table = Table::default();
    if args.setup || !args.quick {
        table.step("what is needed", || setup::check(args.setup));
    }
    table.step("formatting", || Run::cargo(&["fmt", "--all", "--check"]).one());
    table.step("lints", lints);
    if args.quick {
        table.step("engine unit tests", || Run::cargo(&["test", "--release", "-p", "dsp-core", "--lib"]).tests());
        return table.close();
    }
    table.step("one set of features", features::check);
    table.step("licences and sources", deny);
    table.step("tests", || Run::cargo(&["test", "--release", "--workspace", "--no-fail-fast"]).tests());
    table.step("live under JACK", live);
    table.step("documentation", || Run::cargo(&["doc", "--release", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").one());
    table.step("pages in a browser", pages);
    table.step("bundle", bundle);
    table.step("CLAP host", clap_host);
    table.step("editor", editor);
    table.step("pedalboard (VST3)", || python_host("test_pedalboard.py"));
    table.step("DawDreamer (VST3)", || python_host("test_dawdreamer.py"));
    table.step("validators", || validate::external(validate::Format::Both, validate::STRICTNESS));
    table.step("soak", || soak_step(args.soak));
    table.step("training", training);
    table.close()
}

/// Runs the long soak.
pub fn soak(args: SoakArgs) -> ExitCode {
    if !build_soak() {
        return ExitCode::FAILURE;
    }
    let mut run = Run::new(&binary("soak"));
    run = run.args(&["--seconds", &args.seconds.to_string(), "--seed", &args.seed.to_string()]);
    run = run.args(&["--allow-missed", &args.allow_missed.to_string(), "--block", &args.block.to_string()]);
    if let Some(hours) = args.hours {
        run = run.args(&["--hours", &hours.to_string()]);
    }
    for (flag, value) in [("--only", &args.only), ("--product", &args.product)] {
        if let Some(value) = value {
            run = run.args(&[flag, value]);
        }
    }
    if run.one().failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A binary of the workspace. It lies beside this one.
fn binary(name: &str) -> PathBuf {
    command::release_folder().join(name)
}

fn lints() -> Counts {
    // The two tests are named since they do not run by default, and `--all-targets` leaves them out.
    let targets = ["clippy", "--release", "--workspace", "--all-targets", "--test", "clap_host", "--test", "editor"];
    Run::cargo(&targets).args(&["--", "-D", "warnings"]).one()
}

/// Licences, bans and sources need no network; advisories need their database.
fn deny() -> Counts {
    let Some(program) = setup::cargo_deny() else {
        return Counts::missing("cargo-deny", "`cargo xtask test --setup`, or `cargo install cargo-deny --locked`");
    };
    let deny = || Run::new(&program).args(&["--workspace"]);
    let mut counts = deny().args(&["check", "licenses", "bans", "sources"]).one();
    if deny().args(&["fetch", "db"]).quiet().succeeds() {
        counts += deny().args(&["check", "advisories"]).one();
    } else {
        counts.notes.push("advisories not checked: their database could not be fetched".into());
    }
    counts
}

/// Makes the bundles that the hosts load.
fn bundle() -> Counts {
    Run::new(&binary("xtask")).args(&["bundle", "--release"]).one()
}

/// The plugin in this project's CLAP host.
pub fn clap_host() -> Counts {
    // Of the whole workspace, so that the dependencies keep the features they were built with.
    Run::cargo(&["test", "--release", "--workspace", "--test", "clap_host"]).tests()
}

/// The live program with its devices: lints, its screen, and the program itself under a JACK server without a
/// sound card.
fn live() -> Counts {
    if let Err(error) = crate::live::ready() {
        return Counts::failed(error);
    }
    if command::on_path("jackd").is_none() {
        return Counts::missing("jackd", "`cargo xtask test --setup`, or install the package jackd2");
    }
    let package = ["--release", "-p", "plainsong-live", "--features", "devices"];
    let mut counts = Run::cargo(&["clippy"]).args(&package).args(&["--all-targets", "--", "-D", "warnings"]).one();
    counts += Run::cargo(&["test"]).args(&package).args(&["--", "--test-threads", "1"]).tests();
    counts
}

/// The editor on a virtual display.
pub fn editor() -> Counts {
    let Some(display) = command::on_path("xvfb-run") else {
        return Counts::missing("xvfb-run", "`cargo xtask test --setup`, or install the packages xvfb and xauth");
    };
    let cargo = command::cargo();
    Run::new(&display)
        .args(&["-a", "-s", "-screen 0 1920x1200x24 -noreset"])
        .args(&[&cargo.to_string_lossy(), "test", "--release", "--workspace", "--test", "editor", "--", "--test-threads", "1"])
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .tests()
}

/// The VST3 plugin in one of the Python hosts. Each runs in a process of its own, since both bring
/// the same framework.
pub fn python_host(script: &str) -> Counts {
    let Some(python) = setup::python() else {
        return Counts::missing("the Python environment", "`cargo xtask test --setup` (needs python3 with venv)");
    };
    let script = root().join("tests/python").join(script);
    // A test at a time on each core: nothing in them is timed.
    let mut command = vec!["-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "-n", "auto"];
    let script = script.to_string_lossy().into_owned();
    command.push(&script);
    // Without a display: these hosts need none, and one that lacks a window manager can end them.
    Run::new(&python).args(&command).without("DISPLAY").pytest()
}

/// Programs that can open a page without a window.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser is a large package that nothing else needs: pages are opened where there is one.
fn pages() -> Counts {
    if std::env::var_os("BROWSER_PROGRAM").is_none() && BROWSERS.iter().all(|program| command::on_path(program).is_none()) {
        return Counts::note("not run: no Chromium on PATH, BROWSER_PROGRAM not set (optional)");
    }
    Run::cargo(&["test", "--release", "--workspace", "--test", "browser", "--", "--ignored"]).tests()
}

fn build_soak() -> bool {
    Run::cargo(&["build", "--release", "--workspace", "--bin", "soak"]).succeeds()
}

fn soak_step(seconds: u32) -> Counts {
    if !build_soak() {
        return Counts::failed("the soak does not build");
    }
    let mut counts = Run::new(&binary("soak")).args(&["--seconds", &seconds.to_string(), "--allow-missed", CI_MISSED_PERCENT]).plain();
    counts += Run::new(&binary("soak")).args(&["--hours", CI_HOURS]).plain();
    counts
}

/// The trainer's own tests need PyTorch, which the plugins do not: they run where it is installed.
fn training() -> Counts {
    let tests = root().join("training/tests");
    if !tests.is_dir() {
        return Counts::note("training has no tests");
    }
    let own = root().join("training/.venv/bin/python");
    let python = if own.is_file() { own } else { PathBuf::from("python3") };
    if !Run::new(&python).args(&["-c", "import torch, numpy, pytest"]).quiet().succeeds() {
        return Counts::note("not run: PyTorch is not installed (optional; see training/)");
    }
    Run::new(&python).args(&["-m", "pytest", "-q", "-p", "no:cacheprovider", &path(&tests)]).pytest()
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
