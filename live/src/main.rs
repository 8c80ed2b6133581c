//! `plainsong-live`: an engine between a microphone and another device. `cargo xtask live` builds and runs it.

use clap::Parser;
use dsp_core::params;
use dsp_core::realtime::PoolAllocator;
use plainsong_live::devices::{Side, System, systems};
use plainsong_live::engines::{self, ENGINES, Entry};
use plainsong_live::line::CHANNELS;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

mod session;

/// Memory for the models comes from a pool, so that the engine's thread asks the system for none.
#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator::system();

/// What is read from the command line.
#[derive(Parser)]
#[command(
    name = "cargo xtask live",
    version,
    about = "An engine between a microphone and another device, while you speak",
    max_term_width = 110
)]
pub struct Args {
    /// The engine: podcast if none is named; --list shows them
    engine: Option<String>,
    /// List sound systems, devices, engines and presets
    #[arg(long)]
    list: bool,
    /// The microphone: a part of its name, its id, or its number in the list; the system's default if not given
    #[arg(long = "in", value_name = "DEVICE")]
    input: Option<String>,
    /// Where the sound goes: the same
    #[arg(long = "out", value_name = "DEVICE")]
    output: Option<String>,
    /// The sound system: pulse (PipeWire's too), jack, alsa, wasapi, coreaudio; the first that answers if not given
    #[arg(long)]
    system: Option<String>,
    /// Sample rate of both devices in hertz; what they have in common if not given, 48000 where they can
    #[arg(long, value_parser = clap::value_parser!(u32).range(8_000..=384_000))]
    rate: Option<u32>,
    /// Frames of a device's block; smaller is faster and needs a quieter machine
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(16..=8_192))]
    block: u32,
    /// Channels of the device that go through the engine, counted from 1: 1 for a microphone, 1,2 for stereo
    #[arg(long, value_delimiter = ',', default_value = "1")]
    in_channels: Vec<usize>,
    /// Milliseconds that the program may be held up without a drop-out; they are added to the delay
    #[arg(long, default_value_t = 3.0, value_name = "MS")]
    safety: f64,
    /// A preset of the engine, by its name or as a file
    #[arg(long, value_name = "NAME|FILE")]
    preset: Option<String>,
    /// A model of your own in place of the engine's; cargo xtask models list shows them
    #[arg(long, value_name = "ID")]
    model: Option<String>,
    /// A parameter's value; may be given several times
    #[arg(long = "set", value_name = "ID=VALUE")]
    set: Vec<String>,
    /// Record to this FLAC file, and what came in beside it (NAME.raw.flac)
    #[arg(long, value_name = "FILE.flac")]
    record: Option<PathBuf>,
    /// Write over recordings that are there
    #[arg(long)]
    overwrite: bool,
    /// Print lines instead of the screen with meters
    #[arg(long)]
    no_tui: bool,
    /// End after so many minutes
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<f64>,
    /// Do not connect to the sound card; under JACK, where connections are made by hand or by another program
    #[arg(long)]
    no_connect: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = if args.list { list(&args) } else { session::run(&args) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The engine that is asked for.
fn engine(name: Option<&str>) -> Result<&'static Entry, String> {
    let name = name.unwrap_or(ENGINES[0].name);
    engines::find(name).ok_or_else(|| {
        let names: Vec<&str> = ENGINES.iter().map(|entry| entry.name).collect();
        format!("there is no engine \"{name}\"; there are: {}", names.join(", "))
    })
}

/// Its values: the preset's, and what was set beside it.
fn values(entry: &Entry, args: &Args) -> Result<Vec<f32>, String> {
    let mut values = match &args.preset {
        None => params::defaults(entry.params),
        Some(name) => match (entry.factory)(name) {
            Some(values) => values,
            None => {
                let text = std::fs::read_to_string(name).map_err(|error| {
                    let names: Vec<&str> = entry.presets.iter().map(|(name, _)| *name).collect();
                    format!("\"{name}\" is no preset of {} and no file ({error}); there are: {}", entry.name, names.join(", "))
                })?;
                (entry.preset)(&text).map_err(|error| format!("{name}: {error}"))?.1
            }
        },
    };
    for pair in &args.set {
        let (id, text) = pair.split_once('=').ok_or_else(|| format!("\"{pair}\" is no setting; write it as --set id=value"))?;
        let index = params::index_of(entry.params, id).map_err(|error| error.to_string())?;
        values[index] = entry.params[index].parse(text).map_err(|error| error.to_string())?;
    }
    Ok(values)
}

/// Channels of the device, counted from 0.
fn pick(channels: &[usize]) -> Result<Vec<usize>, String> {
    if channels.is_empty() || channels.len() > CHANNELS {
        return Err(format!("{} channels are out of range; use 1 to {CHANNELS}", channels.len()));
    }
    channels.iter().map(|channel| channel.checked_sub(1).ok_or_else(|| "channels are counted from 1".to_owned())).collect()
}

fn list(args: &Args) -> Result<(), String> {
    let found = match &args.system {
        Some(name) => vec![System::open(Some(name), true)?],
        None => System::all(),
    };
    let mut told = Vec::new();
    if found.is_empty() {
        told.push(format!("No sound system answers. This build knows: {}.", systems().join(", ")));
    }
    for system in found {
        told.push(format!("{} (--system {})", system.name(), system.key()));
        for side in [Side::Input, Side::Output] {
            told.push(format!("  {}s", side.name()));
            let default = system.default(side).ok();
            for (number, (name, id, device)) in system.devices(side)?.into_iter().enumerate() {
                let mark = if default.as_ref() == Some(&device) { " (default)" } else { "" };
                told.push(format!("    [{}] {name}{mark}  {id}", number + 1));
            }
        }
    }
    told.push("engines".to_owned());
    for entry in ENGINES {
        told.push(format!("  {:<10} {}", entry.name, entry.about));
        let names: Vec<&str> = entry.presets.iter().map(|(name, _)| *name).collect();
        if !names.is_empty() {
            told.push(format!("             presets: {}", names.join(", ")));
        }
    }
    // Who reads may have seen enough, as `head` has.
    let _ = writeln!(std::io::stdout(), "{}", told.join("\n"));
    Ok(())
}
