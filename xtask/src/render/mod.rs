//! `cargo xtask render ENGINE INPUT... -o OUTPUT`: an engine over files, exactly as the plugin plays.
//!
//! ```text
//! inputs ─▶ plan ─▶ batch ─▶ job: source ─▶ engine ─▶ sink ─▶ place
//!                                    └─▶ levels, spectra ─▶ report, picture
//! ```

mod batch;
pub mod engine;
mod inputs;
pub mod job;
mod levels;
pub mod master;
mod picture;
mod place;
mod report;
pub mod sink;
mod spectra;
mod watch;

pub use sound_files::{failure, source};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgMatches, Args as _, Command, FromArgMatches, Subcommand};
use dsp_core::dither::Dither;
use dsp_core::params::{self, Param};
use engine::{ENGINES, Entry};
use failure::{Failure, reading};
use master::Mind;
use master::options::MasterArgs;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// All files are done.
const DONE: u8 = 0;
/// Some files failed.
const FAILED: u8 = 1;
/// The command line makes no sense; nothing was done.
const USAGE: u8 = 2;
/// Stopped by the user, as shells tell of an interrupt.
const STOPPED: i32 = 130;

/// What `render` reads from the command line.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    engine: EngineArgs,
}

/// An engine's name and what comes behind it. Engines stand in a table, so this is written by hand.
struct EngineArgs {
    entry: &'static Entry,
    args: RenderArgs,
    master: MasterArgs,
}

/// What is the same for all engines.
#[derive(clap::Args, Debug)]
struct RenderArgs {
    /// Files, folders (with all sound files below them) or patterns such as "takes/**/*.wav"
    #[arg(value_name = "INPUT", required_unless_present = "list_params")]
    inputs: Vec<PathBuf>,

    /// The file to write (.wav or .flac); for several inputs the folder, which gets their names and folders
    #[arg(short, long, value_name = "OUTPUT", required_unless_present = "list_params")]
    output: Option<PathBuf>,

    /// Set a parameter; may be given many times
    #[arg(short, long, value_name = "ID=VALUE")]
    set: Vec<String>,

    /// Start from a preset: a file, or the name of one that comes with the engine
    #[arg(short, long, value_name = "FILE|NAME")]
    preset: Option<String>,

    /// Short for --set listen=VALUE: "removed" writes what is taken away
    #[arg(long, value_name = "VALUE")]
    listen: Option<String>,

    /// Show the parameters and presets, and stop
    #[arg(long)]
    list_params: bool,

    /// Bits of a sample in the output [default: as the input; 24 for compressed inputs and float to FLAC]
    #[arg(long, value_name = "BITS", value_parser = depths())]
    bits: Option<source::Depth>,

    /// What is added before samples are rounded to 16 or 24 bits: none, tpdf (triangular), or shaped (quieter to the ear)
    #[arg(long, value_name = "none|tpdf|shaped", default_value = "tpdf")]
    dither: Dither,

    /// Format of the files in an output folder [default: wav]
    #[arg(long)]
    format: Option<sink::FileFormat>,

    /// Files rendered at a time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,

    /// Write a report: levels, what was removed by band, the sounds heard, speed; a list for several inputs
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,

    /// Draw the spectrum before and after and the gain; for several inputs name a folder
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,

    /// Replace outputs that exist
    #[arg(long)]
    overwrite: bool,

    /// Take what is there of files that are cut short, with a warning; without, they are refused
    #[arg(long)]
    allow_truncated: bool,

    /// Put silence in the place of samples that are no numbers, with a warning; without, they are refused
    #[arg(long)]
    silence_nan: bool,

    /// Tell nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

impl FromArgMatches for EngineArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::raw(clap::error::ErrorKind::MissingSubcommand, "name an engine");
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let entry = engine::find(name).ok_or_else(missing)?;
        let master = if entry.decides { MasterArgs::from_arg_matches(matches)? } else { MasterArgs::default() };
        Ok(Self { entry, args: RenderArgs::from_arg_matches(matches)?, master })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for EngineArgs {
    fn augment_subcommands(command: Command) -> Command {
        let engines = ENGINES.iter().map(|entry| {
            let command = RenderArgs::augment_args(Command::new(entry.name));
            let command = if entry.decides { MasterArgs::augment_args(command) } else { command };
            command.about(entry.about).long_about(None).after_help(format!(
                "{}\nExit status: {DONE} all files are done, {FAILED} some failed (one line each on standard error), {USAGE} the command \
                 line makes no sense, {STOPPED} stopped.\nFailed and stopped files leave nothing behind.",
                table(entry)
            ))
        });
        command
            .subcommands(engines)
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand_value_name("ENGINE")
            .subcommand_help_heading("Engines")
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        engine::find(name).is_some()
    }
}

/// Reads a depth by its name.
fn depths() -> impl TypedValueParser<Value = source::Depth> {
    PossibleValuesParser::new(source::Depth::ALL.map(source::Depth::name))
        .try_map(|name| source::Depth::named(&name).ok_or("no such depth"))
}

/// The parameters and presets of an engine, for people.
fn table(entry: &Entry) -> String {
    let mut text = String::from("Parameters (--set ID=VALUE):\n");
    let width = entry.params.iter().map(|param| param.id.len()).max().unwrap_or(0);
    for param in entry.params {
        let default = param.default_value();
        let _ = writeln!(text, "  {:width$}  {} [default: {}]", param.id, param.takes(), param.key(default));
        let _ = writeln!(text, "  {:width$}    {}", "", param.help);
    }
    text.push_str("\nPresets (--preset NAME):\n");
    for (name, changes) in entry.presets {
        let changes: Vec<_> = changes
            .iter()
            .filter_map(|(id, value)| Some(format!("{id}={}", entry.params[params::index_of(entry.params, id).ok()?].key(*value))))
            .collect();
        let _ = writeln!(text, "  {name}: {}", if changes.is_empty() { "the defaults".to_owned() } else { changes.join(", ") });
    }
    text
}

/// Values of the engine's parameters from the command line, and which of them it names.
fn values(entry: &Entry, args: &RenderArgs) -> Result<(Vec<f32>, Vec<usize>), Failure> {
    let refuse = |error: params::ParamError| Failure::new(error.to_string());
    let mut values = match &args.preset {
        None => params::defaults(entry.params),
        Some(name) => match (entry.factory)(name) {
            Some(values) => values,
            None => {
                let path = PathBuf::from(name);
                if !path.exists() {
                    let known: Vec<_> = entry.presets.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                    return Err(Failure::new(format!("there is no preset or file \"{name}\"; there are: {}", known.join(", "))));
                }
                let text = std::fs::read_to_string(&path).map_err(|error| reading(error).about(&path))?;
                (entry.preset)(&text).map_err(|error| Failure::from(error).about(&path))?.1
            }
        },
    };
    let mut named: Vec<usize> = (0..values.len()).filter(|&index| values[index] != entry.params[index].default_value()).collect();
    let mut set = |param: &str, text: &str| -> Result<(), Failure> {
        let index = params::index_of(entry.params, param).map_err(refuse)?;
        named.push(index);
        values[index] = entry.params[index].parse(text).map_err(refuse)?;
        Ok(())
    };
    for pair in &args.set {
        let Some((id, text)) = pair.split_once('=') else {
            let known: Vec<&str> = entry.params.iter().map(|param: &Param| param.id).collect();
            return Err(Failure::new(format!("--set {pair}: write ID=VALUE; there are: {}", known.join(", "))));
        };
        set(id.trim(), text)?;
    }
    if let Some(listen) = &args.listen {
        set("listen", listen)?;
    }
    Ok((values, named))
}

/// Writes the report beside its place and moves it there.
fn write_report(path: &std::path::Path, report: &Value, overwrite: bool) -> Result<(), Failure> {
    let folders = path.parent().map_or(Ok(Vec::new()), place::make_folders)?;
    let write = || {
        let (draft, mut file) = place::Draft::new(path)?;
        file.write_all(format!("{report:#}\n").as_bytes()).map_err(failure::writing)?;
        draft.publish(overwrite)
    };
    write().inspect_err(|_| place::remove_folders(&folders))
}

fn complain(path: Option<&std::path::Path>, failure: &Failure) {
    match path {
        Some(path) => eprintln!("error: {}: {failure}", path.display()),
        None => eprintln!("error: {failure}"),
    }
}

/// Renders, and returns what the command line's help says.
pub fn run(args: Args) -> ExitCode {
    let EngineArgs { entry, args, master } = args.engine;
    if args.list_params {
        // A closed pipe (`| head`) is no error.
        let _ = std::io::stdout().write_all(table(entry).as_bytes());
        return ExitCode::from(DONE);
    }
    let usage = |failure: Failure| {
        complain(failure.path(), &failure);
        ExitCode::from(USAGE)
    };
    let Some(output) = &args.output else { return usage(Failure::new("name the output with -o")) };
    let (values, named) = match values(entry, &args) {
        Ok(values) => values,
        Err(failure) => return usage(failure),
    };
    let plan = match inputs::plan(&args.inputs, output, args.format, args.picture.as_deref(), args.report.as_deref()) {
        Ok(plan) => plan,
        Err(failure) => return usage(failure),
    };
    let flac = plan.tasks.iter().any(|task| task.format == sink::FileFormat::Flac);
    if flac && args.bits == Some(source::Depth::F32) {
        return usage(Failure::new("FLAC holds no floats; use --bits 24 or write WAV"));
    }
    if let Some(report) = &args.report {
        if report.is_dir() {
            return usage(Failure::new("is a folder; name a file for the report").about(report));
        }
        if !args.overwrite && report.symlink_metadata().is_ok() {
            return usage(place::exists().about(report));
        }
    }
    // Without a handler the drafts of a stopped run would stay; nothing else depends on it.
    let _ = ctrlc::set_handler(|| {
        place::remove_unfinished();
        std::process::exit(STOPPED);
    });
    let jobs = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let mut models = (entry.models)(&values);
    let mut mind = None;
    if entry.decides && !master.manual {
        if let Some(page) = master.page.as_ref().filter(|page| plan.batch && page.is_file()) {
            return usage(
                Failure::new("is a file, and several files need a folder for their pages; name a folder with --page").about(page),
            );
        }
        let by_hand = named.iter().map(|&index| (index, values[index])).collect();
        let reading = master::Reading { allow_truncated: args.allow_truncated, jobs, report: args.report.is_some() };
        match Mind::new(&master, by_hand, &plan.tasks, reading) {
            Ok(made) => mind = Some(made),
            Err(failure) => return usage(failure),
        }
        models.extend(mind.iter().map(|mind| mind.model().clone()));
    }
    let options = job::Options {
        entry,
        models,
        values,
        mind,
        page: master.page.map(|page| (page, plan.batch)),
        bits: args.bits,
        dither: args.dither,
        overwrite: args.overwrite,
        allow_truncated: args.allow_truncated,
        silence_nan: args.silence_nan,
        report: args.report.is_some(),
    };
    let outcomes = batch::run(&plan.tasks, &options, jobs, args.quiet);
    finish(&plan, outcomes, &args)
}

/// Writes the report and tells what failed.
fn finish(plan: &inputs::Plan, outcomes: batch::Outcomes, args: &RenderArgs) -> ExitCode {
    let mut failures: Vec<(PathBuf, Failure)> = Vec::new();
    let mut reports = Vec::new();
    let failed = |input: &std::path::Path, failure: &Failure| json!({ "input": input.to_string_lossy(), "error": failure.to_string() });
    let total = outcomes.len() + plan.failures.len();
    for (task, outcome) in plan.tasks.iter().zip(outcomes) {
        match outcome {
            Ok(outcome) => reports.push(Value::Object(outcome.report)),
            Err((path, failure)) => {
                reports.push(failed(&task.input, &failure));
                failures.push((path, failure));
            }
        }
    }
    for (input, failure) in &plan.failures {
        reports.push(failed(input, failure));
        failures.push((failure.path().unwrap_or(input).to_owned(), failure.clone()));
    }
    let failed = failures.len();
    if let Some(path) = &args.report {
        let report = if plan.batch { Value::Array(reports) } else { reports.pop().unwrap_or(Value::Null) };
        // A single file that failed has no report.
        if (plan.batch || failed == 0)
            && let Err(failure) = write_report(path, &report, args.overwrite)
        {
            failures.push((failure.path().unwrap_or(path).to_owned(), failure));
        }
    }
    if plan.batch && !args.quiet {
        batch::say(&format!("{} of {total} files done", total - failed));
    }
    for (path, failure) in &failures {
        complain(Some(path), failure);
    }
    ExitCode::from(if failures.is_empty() { DONE } else { FAILED })
}
