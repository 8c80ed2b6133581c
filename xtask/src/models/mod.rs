//! `cargo xtask models`: models of other people in Plainsong: list, fetch, add, check, remove.
//!
//! ```text
//! catalogue, folder, archive, address ─▶ source ─▶ staging ─▶ check (a confined process) ─▶ stamp ─▶ store
//! ```
//!
//! What comes from outside is looked into only by a process with limits of time and memory; this one
//! copies bytes and compares hashes.

mod archive;
mod catalogue;
mod check;
mod fuzz;
mod http;
mod install;
mod limits;
mod pip;
mod probe;
mod show;
mod source;

use crate::render::engine;
use crate::render::failure::Failure;
use clap::{Parser, Subcommand};
use dsp_core::model::store::Store;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `models`.
#[derive(Parser)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the models that are built in, installed, and in the catalogue
    List,
    /// Show a model's card: authors, licence, cost, delay, what it was made of
    Info {
        /// Its id, as in the list.
        id: String,
    },
    /// Download a model of the catalogue from where its authors publish it, check and install it
    Fetch {
        /// Its id, as in the list.
        id: String,
    },
    /// Check and install a model: a folder, a manifest.toml, an archive (.zip, .tar.gz), or the address of one of these
    Add {
        /// Where it is.
        #[arg(value_name = "FOLDER|FILE|URL")]
        from: String,
        /// Replace a model that is installed under this id
        #[arg(long)]
        replace: bool,
    },
    /// Check models in a process with limits, measure them, and stamp those that passed: plugins load no others
    Check {
        /// Ids of installed models, or folders that are not installed (these get no stamp) [default: all that are installed]
        #[arg(value_name = "ID|FOLDER")]
        which: Vec<String>,
    },
    /// Remove an installed model
    Remove {
        /// Its id, as in the list.
        id: String,
    },
    /// Put broken and hostile models in front of the check: none may take more than its limits, or crash
    Fuzz(fuzz::Args),
    /// Look into one folder, confined, and answer as JSON: what `check` starts
    #[command(hide = true)]
    Probe {
        /// Measure at the pace of sound as well.
        #[arg(long)]
        pace: bool,
        /// Only read the manifest and say what files it names.
        #[arg(long)]
        names: bool,
        /// The folder.
        folder: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: Args) -> ExitCode {
    if let Command::Probe { pace, names, folder } = &args.command {
        return if *names { probe::names(folder) } else { probe::run(folder, *pace) };
    }
    match act(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            // One line, whatever a library says.
            eprintln!("error: {}", Failure::new(line));
            ExitCode::FAILURE
        }
    }
}

/// The user's models.
fn store() -> Result<Store, String> {
    let store = Store::user().ok_or("there is no folder for models: set XDG_DATA_HOME or HOME (LOCALAPPDATA on Windows)")?;
    install::heal(&store);
    Ok(store)
}

fn act(command: Command) -> Result<(), String> {
    let store = store()?;
    match command {
        Command::List => show::list(&store),
        Command::Info { id } => show::info(&store, &id),
        Command::Fetch { id } => {
            let item = catalogue::find(&id)?;
            println!("{}: {}, {:.1} MB, licence {}", item.id, item.name, item.bytes() as f64 / 1e6, item.license);
            install(&store, true, |staging| source::fetch(&item, staging, &bar()))
        }
        Command::Add { from, replace } => install(&store, replace, |staging| source::add(&from, staging, &bar())),
        Command::Check { which } => check_all(&store, &which),
        Command::Remove { id } => install::remove(&store, &id).map(|()| println!("{id} is removed")),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Probe { .. } => Ok(()),
    }
}

/// Fills a staging folder, checks what is in it, and publishes it.
fn install(store: &Store, replace: bool, fill: impl FnOnce(&install::Staging) -> Result<(), String>) -> Result<(), String> {
    let staging = install::Staging::new(store)?;
    fill(&staging)?;
    let program = check::program()?;
    println!("checking ...");
    let (stamp, found) = check::stamp(&program, staging.folder())?;
    if !replace && store.place(&stamp.id)?.symlink_metadata().is_ok() {
        return Err(format!("{} is installed; add --replace, or remove it first", stamp.id));
    }
    staging.publish(store, &stamp.id)?;
    show::found(&stamp, &found);
    println!(
        "{} is installed: choose it in the plugin's model menu, or with: cargo xtask render {} --model {}",
        stamp.id,
        engine::for_task(&stamp.task).map_or("ENGINE", |entry| entry.name),
        stamp.id
    );
    Ok(())
}

fn check_all(store: &Store, which: &[String]) -> Result<(), String> {
    let program = check::program()?;
    let all: Vec<String> = if which.is_empty() { store.list().into_iter().map(|(id, _)| id).collect() } else { which.to_vec() };
    if all.is_empty() {
        println!("no model is installed");
    }
    let mut refused = 0;
    for one in &all {
        let installed = store.place(one).ok().filter(|place| place.is_dir());
        let outcome = match installed {
            Some(place) => check::stamp(&program, &place).and_then(|(stamp, found)| {
                if stamp.id == *one { Ok((stamp, found)) } else { Err(format!("its manifest says that it is \"{}\"", stamp.id)) }
            }),
            None if PathBuf::from(one).is_dir() => check::report(&program, &PathBuf::from(one)),
            None => Err("is neither installed nor a folder; look at: cargo xtask models list".into()),
        };
        match outcome {
            Ok((stamp, found)) => show::found(&stamp, &found),
            Err(reason) if all.len() == 1 => return Err(format!("{one}: {reason}")),
            Err(reason) => {
                refused += 1;
                eprintln!("error: {one}: {}", Failure::new(reason));
            }
        }
    }
    if refused == 0 { Ok(()) } else { Err(format!("{refused} of {} refused", all.len())) }
}

/// A bar for a download.
fn bar() -> impl Fn(u64, Option<u64>) {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec}") {
        bar.set_style(style);
    }
    move |done, total| {
        bar.set_length(total.unwrap_or(done));
        bar.set_position(done);
        if total == Some(done) {
            bar.finish_and_clear();
        }
    }
}
