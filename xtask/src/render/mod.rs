//! `cargo xtask render ENGINE INPUT... -o OUTPUT`: an engine over files, exactly as the plugin plays.
//!
//! ```text
//! inputs ─▶ plan ─▶ batch ─▶ job: source ─▶ engine ─▶ sink ─▶ place
//!                                    └─▶ levels, spectra ─▶ report, picture
//! ```

mod archive;
mod asked;
mod batch;
pub mod engine;
mod inputs;
pub mod job;
mod levels;
pub mod master;
mod mp3;
mod multitrack;
mod opus;
mod page;
mod picture;
mod place;
pub mod podcast;
mod report;
mod resample;
pub mod sink;
mod spectra;
pub mod stems;
mod summary;
mod svg;
mod watch;

use archive::{Archive, Shard};
pub use sound_files::{base64, failure, source};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgMatches, Args as _, Command, FromArgMatches, Subcommand};
use dsp_core::dither::Dither;
use dsp_core::params::{self, Param};
use engine::{ENGINES, Entry, More};
use failure::{Failure, reading};
use master::Mind;
use master::options::MasterArgs;
use podcast::Producer;
use podcast::options::PodcastArgs;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use stems::Separation;
use stems::options::StemsArgs;

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
    podcast: PodcastArgs,
    stems: StemsArgs,
    model: ModelArgs,
}

/// What engines have for which models can be chosen.
#[derive(clap::Args, Debug, Default)]
struct ModelArgs {
    /// Play an installed model in the place of the built-in ones; `cargo xtask models list` shows which there are
    #[arg(short, long, value_name = "ID")]
    model: Option<String>,
}

/// What is the same for all engines.
#[derive(clap::Args, Debug)]
struct RenderArgs {
    /// Files, folders (with all sound files below them) or patterns such as "takes/**/*.wav"
    #[arg(value_name = "INPUT", required_unless_present_any = ["list_params", "from_list"])]
    inputs: Vec<PathBuf>,

    /// A file that names inputs, one a line; "-" is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    from_list: Option<PathBuf>,

    /// The file to write (.wav, .flac, .mp3 or .opus); for several inputs, and for stems, the folder, which gets their names and folders
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

    /// Kilobits a second of MP3 and Opus [default: MP3 96 mono and 128 stereo, Opus 64 and 96]
    #[arg(long, value_name = "KBPS", conflicts_with = "vbr")]
    bitrate: Option<u32>,

    /// MP3 with a variable rate, by quality: 0 is the best, 4 is common
    #[arg(long, value_name = "0..9", value_parser = clap::value_parser!(u8).range(0..=9))]
    vbr: Option<u8>,

    /// Format of the files in an output folder [default: wav]
    #[arg(long)]
    format: Option<sink::FileFormat>,

    /// Files rendered at a time [default: the number of cores]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,

    /// Write a report: levels, what was removed by band, the sounds heard, speed; a list for several inputs
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,

    /// Note what is done in a file; the same command goes on from there after whatever stopped it
    #[arg(long, value_name = "FILE.jsonl")]
    state: Option<PathBuf>,

    /// Do one of N shares of the inputs only, as for job arrays; each notes in a state file of its own
    #[arg(long, value_name = "I/N", value_parser = Shard::parse)]
    shard: Option<Shard>,

    /// Write a table over all files (.csv or .html); may be given twice
    #[arg(long, value_name = "FILE")]
    summary: Vec<PathBuf>,

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
        let master = if entry.more == More::Master { MasterArgs::from_arg_matches(matches)? } else { MasterArgs::default() };
        let podcast = if entry.more == More::Podcast { PodcastArgs::from_arg_matches(matches)? } else { PodcastArgs::default() };
        let stems = if entry.more == More::Stems { StemsArgs::from_arg_matches(matches)? } else { StemsArgs::default() };
        let model = if !entry.tasks.is_empty() { ModelArgs::from_arg_matches(matches)? } else { ModelArgs::default() };
        Ok(Self { entry, args: RenderArgs::from_arg_matches(matches)?, master, podcast, stems, model })
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
            let command = match entry.more {
                More::Nothing => command,
                More::Master => MasterArgs::augment_args(command),
                More::Podcast => PodcastArgs::augment_args(command),
                More::Stems => StemsArgs::augment_args(command),
            };
            let command = if !entry.tasks.is_empty() { ModelArgs::augment_args(command) } else { command };
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

/// Writes a report or table beside its place and moves it there.
fn write_text(path: &std::path::Path, text: &str, overwrite: bool) -> Result<(), Failure> {
    let folders = path.parent().map_or(Ok(Vec::new()), place::make_folders)?;
    let write = || {
        let (draft, mut file) = place::Draft::new(path)?;
        file.write_all(text.as_bytes()).map_err(failure::writing)?;
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
    let EngineArgs { entry, args, master, podcast, stems, model } = args.engine;
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
    let (mut values, mut named) = match values(entry, &args) {
        Ok(values) => values,
        Err(failure) => return usage(failure),
    };
    if podcast.multitrack.multitrack {
        return multitrack::run(entry, &args, &podcast, &values, &named, output);
    }
    let separation = match entry.more {
        More::Stems => {
            let asked = stems.apply(&mut values, &mut named).and_then(|()| Separation::new(&stems, &values, &named));
            match asked {
                Ok(separation) => Some(separation),
                Err(failure) => return usage(failure),
            }
        }
        _ => None,
    };
    let list = args.from_list.as_deref();
    let naming = inputs::Naming {
        format: args.format,
        keep_flac: separation.is_some() && args.bits != Some(source::Depth::F32),
        parts: separation.as_ref().map_or(&[], Separation::files),
    };
    let mut plan = match inputs::plan(&args.inputs, list, output, &naming, args.picture.as_deref(), args.report.as_deref()) {
        Ok(plan) => plan,
        Err(failure) => return usage(failure),
    };
    if let Some(shard) = args.shard {
        plan.tasks.retain(|task| shard.has(task));
        // Each failure is told by one share.
        plan.failures.retain(|_| shard.index == 1);
    }
    let flac = plan.tasks.iter().any(|task| task.format == sink::FileFormat::Flac);
    if flac && args.bits == Some(source::Depth::F32) {
        return usage(Failure::new("FLAC holds no floats; use --bits 24 or write WAV"));
    }
    for (index, summary) in args.summary.iter().enumerate() {
        if let Err(failure) = summary::Form::of(summary) {
            return usage(failure);
        }
        if args.summary[..index].contains(summary) || args.report.as_ref() == Some(summary) {
            return usage(Failure::new("is named twice; choose another name").about(summary));
        }
    }
    for report in args.report.iter().chain(&args.summary) {
        if report.is_dir() {
            return usage(Failure::new("is a folder; name a file for the report").about(report));
        }
        // With a state file the command is given again and again.
        if !args.overwrite && args.state.is_none() && report.symlink_metadata().is_ok() {
            return usage(place::exists().about(report));
        }
    }
    // Without a handler the drafts of a stopped run would stay; nothing else depends on it.
    let _ = ctrlc::set_handler(|| {
        place::remove_unfinished();
        std::process::exit(STOPPED);
    });
    let jobs = args.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let package = match model.model.as_deref().map(|id| entry.installed(id, &values)).transpose().map_err(Failure::new) {
        Ok(package) => package,
        Err(failure) => return usage(failure),
    };
    let mut models = match &package {
        Some(package) => vec![engine::Model { id: package.manifest.id.clone(), sha256: package.manifest.sha256() }],
        None => (entry.models)(&values),
    };
    let mut mind = None;
    let spend = args.vbr.map(mp3::Spend::Variable).or(args.bitrate.map(mp3::Spend::Constant));
    let producer = match entry.more {
        More::Podcast => match Producer::new(&podcast, &named, plan.batch) {
            Ok(producer) => Some(producer),
            Err(failure) => return usage(failure),
        },
        _ => None,
    };
    let archive = match &args.state {
        None => None,
        Some(path) => {
            // Nothing where there are none, so that state files of other engines stay theirs.
            let about_stems = separation.as_ref().map_or(String::new(), |_| format!(" {stems:?}"));
            let settings = format!(
                "{} {values:?} {models:?} {:?} {:?} {spend:?} {master:?} {podcast:?}{}",
                entry.name, args.bits, args.dither, about_stems
            );
            match Archive::open(path, args.shard, &settings) {
                Ok(archive) => Some(archive),
                Err(failure) => return usage(failure),
            }
        }
    };
    if entry.more == More::Master && !master.manual {
        if let Some(page) = master.page.as_ref().filter(|page| plan.batch && page.is_file()) {
            return usage(
                Failure::new("is a file, and several files need a folder for their pages; name a folder with --page").about(page),
            );
        }
        let by_hand = named.iter().map(|&index| (index, values[index])).collect();
        let reading =
            master::Reading { allow_truncated: args.allow_truncated, jobs, report: args.report.is_some(), overwrite: args.overwrite };
        match Mind::new(&master, by_hand, &plan.tasks, reading) {
            Ok(made) => mind = Some(made),
            Err(failure) => return usage(failure),
        }
        models.extend(mind.iter().map(|mind| mind.model().clone()));
    }
    let options = job::Options {
        entry,
        package,
        models,
        values,
        mind,
        producer,
        separation,
        archive,
        spend,
        page: master.page.map(|page| (page, plan.batch)),
        bits: args.bits,
        dither: args.dither,
        overwrite: args.overwrite,
        allow_truncated: args.allow_truncated,
        silence_nan: args.silence_nan,
        // Summaries and state files tell what reports tell.
        report: args.report.is_some() || args.state.is_some() || !args.summary.is_empty(),
    };
    let outcomes = batch::run(&plan.tasks, &options, jobs, args.quiet);
    finish(&plan, outcomes, &args, entry.name)
}

/// Writes the report and tells what failed.
fn finish(plan: &inputs::Plan, outcomes: batch::Outcomes, args: &RenderArgs, engine: &str) -> ExitCode {
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
    for path in &args.summary {
        let Ok(form) = summary::Form::of(path) else { continue };
        if let Err(failure) = write_text(path, &form.write(engine, &reports), args.overwrite || args.state.is_some()) {
            failures.push((failure.path().unwrap_or(path).to_owned(), failure));
        }
    }
    if let Some(path) = &args.report {
        let report = if plan.batch { Value::Array(reports) } else { reports.pop().unwrap_or(Value::Null) };
        // A single file that failed has no report.
        if (plan.batch || failed == 0)
            && let Err(failure) = write_text(path, &format!("{report:#}\n"), args.overwrite || args.state.is_some())
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
