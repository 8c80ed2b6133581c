//! What an engine costs: in a tight loop, and paced as a host paces it.

mod models;

use crate::render::engine::{self, Driver, ENGINES};
use crate::render::source;
use crate::spent::spent;
use crate::test::command::Run;
use clap::Parser;
use dsp_core::model::Package;
use dsp_core::model::store::Verdict;
use dsp_core::params::{self, ParamError};
use dsp_core::processor::{Error, Format, Frame, Observer};
use dsp_core::units::Hz;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Measure an engine's cost on one thread. Prints one line of JSON.
#[derive(Clone, Parser)]
pub struct Args {
    /// The engine, as in `render`.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(ENGINES.iter().map(|entry| entry.name)))]
    engine: String,
    /// Seconds of audio in the tight loop.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Seconds of the paced run, one hop at a time in real time; 0 leaves it out.
    #[arg(long, default_value_t = 20.0)]
    paced: f64,
    /// Channels.
    #[arg(long, default_value_t = 1)]
    channels: usize,
    /// Sample rate in hertz.
    #[arg(long, default_value_t = 48_000.0)]
    rate: f64,
    /// A sound file to play, its first channel, over and over [default: generated voice and hiss]
    #[arg(long, value_name = "FILE")]
    sound: Option<PathBuf>,
    /// Compare models in quality and cost, ours and installed ones: "all", or ids with commas between. Needs the training's Python
    #[arg(long, value_name = "all|ID,...", conflicts_with_all = ["sound", "set"])]
    models: Option<String>,
    /// Where the comparison is written: models.md, models.png, models.json
    #[arg(long, value_name = "FOLDER", default_value = "out/models", requires = "models")]
    to: PathBuf,
    /// Held-out mixtures to compare with [default: all 80]
    #[arg(long, value_name = "N", requires = "models")]
    mixtures: Option<usize>,
    /// Set a parameter; may be given many times.
    #[arg(long, value_name = "ID=VALUE")]
    set: Vec<String>,
    /// Master alone: the plugin's whole work, every stage of the chain with matched loudness and Learn beside it,
    /// in stereo; the other options but --seconds do not count
    #[arg(long)]
    learn: bool,
}

/// Measures and prints.
pub fn run(args: Args) -> ExitCode {
    if let Some(which) = &args.models {
        return match models::run(&args, which) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("error: {e}");
                ExitCode::FAILURE
            }
        };
    }
    if args.learn {
        if args.engine != "master" {
            eprintln!("error: {} does not learn; --learn is for master", args.engine);
            return ExitCode::from(2);
        }
        // Learning is the plugin's, which this program does without.
        let build = ["run", "--quiet", "--release", "-p", "master", "--example", "master-cost", "--", &args.seconds.to_string()];
        return if Run::cargo(&build).succeeds() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match measure(&args, None).map(|report| report.to_string()) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Level of the sibilants in [`signal`], linear: as loud as the vowels.
const SIBILANT: f32 = 0.3;

/// Voiced sound with strong sibilants and pauses in noise: neither silence nor a steady tone, and
/// something to do for every engine.
fn signal(samples: usize, rate: f64) -> Vec<f32> {
    let mut seed = 7_u32;
    let (mut phase, mut last) = (0.0_f32, 0.0);
    (0..samples)
        .map(|n| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let seconds = n as f32 / rate as f32;
            phase = (phase + (120.0 + 30.0 * (seconds * 2.0).sin()) / rate as f32).fract();
            let voiced = if (seconds * 1.3).fract() < 0.7 { (phase - 0.5) * 0.3 } else { 0.0 };
            // White noise less its last sample rises with frequency, as an s does.
            let hiss = if (seconds * 2.1).fract() < 0.25 { SIBILANT * (noise - last) } else { 0.0 };
            last = noise;
            voiced + hiss + 0.02 * noise
        })
        .collect()
}

/// The first channel of a file, over and over.
fn played(path: &Path, samples: usize, rate: f64) -> Result<Vec<f32>, String> {
    let told = |failure| format!("{}: {failure}", path.display());
    let mut file = source::open(path, false).map_err(told)?;
    if f64::from(file.info().rate) != rate {
        return Err(format!("{}: is at {} Hz; name that with --rate", path.display(), file.info().rate));
    }
    let (mut block, mut all) = (vec![Vec::new(); file.info().channels], Vec::new());
    while file.read(&mut block, 8_192).map_err(told)? > 0 {
        all.extend_from_slice(&block[0]);
    }
    if all.is_empty() {
        return Err(format!("{}: holds no sound", path.display()));
    }
    Ok(all.iter().copied().cycle().take(samples).collect())
}

/// What the engine's frames tell.
#[derive(Default)]
struct Frames {
    /// Of one, in seconds.
    seconds: f32,
    count: usize,
    /// Of them, those in which something was turned down by 0.1 dB or more.
    reduced: usize,
}

impl Observer for Frames {
    fn frame(&mut self, frame: &Frame<'_>) {
        self.seconds = frame.seconds;
        self.count += 1;
        self.reduced += usize::from(frame.gain.iter().any(|gain| *gain < 0.99));
    }
}

fn values(args: &Args, entry: &engine::Entry) -> Result<Vec<f32>, ParamError> {
    let mut values = params::defaults(entry.params);
    for pair in &args.set {
        let (id, text) = pair.split_once('=').unwrap_or((pair, ""));
        let index = params::index_of(entry.params, id)?;
        values[index] = entry.params[index].parse(text)?;
    }
    Ok(values)
}

/// Of each block, by the clock and of the processor.
type Times = (Vec<Duration>, Vec<Duration>);

fn measure(args: &Args, package: Option<&Package>) -> Result<serde_json::Value, String> {
    let told = |error: Error| error.to_string();
    let entry = engine::find(&args.engine).ok_or_else(|| format!("there is no engine \"{}\"", args.engine))?;
    let values = values(args, entry).map_err(|error| error.to_string())?;
    let format = Format::new(Hz(args.rate), args.channels).map_err(told)?;
    let latency = (entry.make)(format, &values, package).map_err(told)?.latency();
    // On this thread, where its steps can be counted, also what has one of its own.
    let here = package.map(|package| Package { verdict: Verdict::Inline, ..package.clone() });
    let mut engine = (entry.make)(format, &values, here.as_ref()).map_err(told)?;
    let samples = (args.seconds.max(args.paced).max(1.0) * args.rate) as usize;
    let input = args.sound.as_ref().map_or_else(|| Ok(signal(samples, args.rate)), |path| played(path, samples, args.rate))?;
    let run = |engine: &mut dyn Driver, block: usize, seconds: f64, frames: &mut Frames, before: &mut dyn FnMut(usize)| -> Times {
        let mut audio = vec![vec![0.0_f32; block]; args.channels];
        let blocks = ((seconds * args.rate) as usize / block).min(input.len() / block);
        let one = |index: usize| {
            before(index);
            audio.iter_mut().for_each(|channel| channel.copy_from_slice(&input[index * block..(index + 1) * block]));
            let mut slices: Vec<&mut [f32]> = audio.iter_mut().map(|channel| &mut channel[..]).collect();
            let (started, before) = (Instant::now(), spent());
            engine.process(&mut slices, frames);
            (started.elapsed(), spent().saturating_sub(before))
        };
        (0..blocks).map(one).unzip()
    };
    // A second to warm up, which also tells the hop.
    let mut frames = Frames::default();
    run(engine.as_mut(), 480, 1.0, &mut frames, &mut |_| {});
    let hop_seconds = if frames.seconds > 0.0 { f64::from(frames.seconds) } else { 0.01 };
    let hop = ((hop_seconds * args.rate).round() as usize).max(1);
    engine.reset();
    frames = Frames::default();
    let sum = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64();
    let (times, own) = run(engine.as_mut(), hop, args.seconds, &mut frames, &mut |_| {});
    let mut report = serde_json::json!({
        "engine": entry.name, "channels": args.channels, "rate_hz": args.rate, "set": args.set,
        "hop_ms": hop_seconds * 1e3,
        "latency_ms": latency as f64 / args.rate * 1e3,
        "loop_seconds": args.seconds, "loop_rtf": sum(&times) / args.seconds, "loop_processor_rtf": sum(&own) / args.seconds,
        "frames_reduced": frames.reduced as f64 / frames.count.max(1) as f64,
    });
    if args.paced > 0.0 {
        let began = Instant::now();
        let mut wait = |index: usize| {
            if let Some(wait) = Duration::from_secs_f64(hop_seconds * index as f64).checked_sub(began.elapsed()) {
                std::thread::sleep(wait);
            }
        };
        let (mut times, mut own) = run(engine.as_mut(), hop, args.paced, &mut frames, &mut wait);
        report["paced_processor_rtf"] = (sum(&own) / args.paced).into();
        report["paced_rtf"] = (sum(&times) / args.paced).into();
        times.sort();
        own.sort();
        let at = |times: &[Duration], share: f64| {
            times.get(((times.len().max(1) - 1) as f64 * share) as usize).map_or(0.0, Duration::as_secs_f64)
        };
        report["paced_p50_us"] = (at(&times, 0.5) * 1e6).into();
        report["paced_p99_us"] = (at(&times, 0.99) * 1e6).into();
        report["p99_share_of_hop"] = (at(&times, 0.99) / hop_seconds).into();
        // What the same steps cost, without what held them up.
        report["paced_p50_processor_us"] = (at(&own, 0.5) * 1e6).into();
        report["paced_p99_processor_us"] = (at(&own, 0.99) * 1e6).into();
    }
    Ok(report)
}
