//! `cargo xtask analyse FILE...`: what songs are like, in the features that models see.

use crate::render::failure::Failure;
use crate::render::source;
use clap::Parser;
use dsp_core::analysis::Analyser;
use dsp_core::processor::Format;
use dsp_core::units::Hz;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Samples of one channel that are analysed at a time.
const BLOCK: usize = 8_192;

/// Measure about four hundred features of sound files: balance, dynamics, image, loudness.
#[derive(Parser)]
pub struct Args {
    /// Sound files
    #[arg(value_name = "FILE", required_unless_present = "list")]
    files: Vec<PathBuf>,

    /// Print one line of JSON a file: name, rate, channels, seconds, and the features by name
    #[arg(long)]
    json: bool,

    /// Analyse from this time, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    from: f64,

    /// Analyse this many seconds [default: to the end]
    #[arg(long, value_name = "SECONDS")]
    length: Option<f64>,

    /// Print the names and units of the features, and stop
    #[arg(long)]
    list: bool,

    /// Take what is there of files that are cut short
    #[arg(long)]
    allow_truncated: bool,
}

/// Analyses and prints.
pub fn run(args: Args) -> ExitCode {
    if args.list {
        for feature in Analyser::table() {
            println!("{}\t{}", feature.name, feature.unit);
        }
        return ExitCode::SUCCESS;
    }
    let mut failed = false;
    for file in &args.files {
        match analyse(file, &args) {
            Ok(found) if args.json => println!("{found}"),
            Ok(found) => tell(file, &found),
            Err(failure) => {
                eprintln!("error: {}: {failure}", file.display());
                failed = true;
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn analyse(file: &Path, args: &Args) -> Result<Value, Failure> {
    let mut source = source::open(file, args.allow_truncated)?;
    let (rate, channels) = (source.info().rate, source.info().channels);
    let mut analyser = Analyser::new(Format::new(Hz(f64::from(rate)), channels)?)?;
    let mut took = Duration::ZERO;
    let samples = |seconds: f64| (seconds.max(0.0) * f64::from(rate)) as u64;
    let (from, to) = (samples(args.from), args.length.map_or(u64::MAX, |length| samples(args.from + length)));
    let mut block: Vec<Vec<f32>> = vec![Vec::with_capacity(BLOCK); channels];
    let mut at = 0_u64;
    while at < to {
        let frames = source.read(&mut block, BLOCK)? as u64;
        if frames == 0 {
            break;
        }
        let first = from.saturating_sub(at).min(frames) as usize;
        let end = (to - at).min(frames) as usize;
        let pieces: Vec<&[f32]> = block.iter().map(|channel| channel.get(first..end).unwrap_or_default()).collect();
        let started = Instant::now();
        analyser.process(&pieces);
        took += started.elapsed();
        at += frames;
    }
    let features: Map<String, Value> =
        Analyser::table().iter().zip(analyser.features()).map(|(feature, value)| (feature.name.clone(), json!(value))).collect();
    Ok(json!({
        "file": file.display().to_string(),
        "rate": rate,
        "channels": channels,
        "seconds": analyser.seconds(),
        "speed": analyser.seconds() / took.as_secs_f64().max(1e-9),
        "warnings": source.warnings(),
        "features": features,
    }))
}

/// For people: one feature a line.
fn tell(file: &Path, found: &Value) {
    println!("{}: {:.1} s, {} Hz, {} channels", file.display(), found["seconds"].as_f64().unwrap_or(0.0), found["rate"], found["channels"]);
    for feature in Analyser::table() {
        let value = found["features"][&feature.name].as_f64().unwrap_or(0.0);
        println!("  {:32} {value:10.3} {}", feature.name, feature.unit);
    }
}
