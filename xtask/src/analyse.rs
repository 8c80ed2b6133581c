//! `cargo xtask analyse FILE...`: what songs are like, in the features that models see.

use crate::render::failure::Failure;
use crate::render::master::listen::{Heed, listen};
use clap::Parser;
use dsp_core::analysis::Analyser;
use serde_json::{Map, Value, json};
use sound_files::part::Part;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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
    let part = Part { from: args.from, to: args.length.map(|length| args.from + length) };
    let heard = listen(file, part, Heed::All, args.allow_truncated, &|_| {})?;
    let analyser = &heard.analyser;
    let features: Map<String, Value> =
        Analyser::table().iter().zip(analyser.features()).map(|(feature, value)| (feature.name.clone(), json!(value))).collect();
    Ok(json!({
        "file": file.display().to_string(),
        "rate": heard.info.rate,
        "channels": heard.info.channels,
        "seconds": analyser.seconds(),
        "speed": analyser.seconds() / heard.took.as_secs_f64().max(1e-9),
        "warnings": heard.warnings,
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
