//! `cargo xtask loudness [FILE...]`: masters land on the loudness that is asked for, under their ceiling.
//!
//! Twenty programmes, as unlike as can be made, or files that are given, go through `render master`; what was
//! written is measured by another meter than the one that steers.

use crate::programmes::{self, Programme};
use crate::render::failure::Failure;
use crate::render::job::{Options, Task, Worker};
use crate::render::master::options::{Loudness, MasterArgs};
use crate::render::master::{Mind, Reading};
use crate::render::{engine, sink, source};
use clap::Parser;
use dsp_core::dither::Dither;
use dsp_core::params;
use ebur128::{EbuR128, Mode};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Loudness errors up to this are right, LU.
const MOST_LU: f64 = 0.1;
/// Rate of programmes that do not say otherwise, hertz.
const RATE: u32 = 48_000;

/// Prove that masters land on their loudness and keep their ceiling.
#[derive(Parser)]
pub struct Args {
    /// Sound files in place of the generated programmes
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Loudness to ask for, in LUFS
    #[arg(long, value_name = "LUFS", value_delimiter = ',', default_values_t = [-14.0, -16.0, -23.0], allow_hyphen_values = true)]
    target: Vec<f64>,

    /// Highest true peak, in dBTP
    #[arg(long, value_name = "DBTP", default_value_t = -1.0, allow_hyphen_values = true)]
    ceiling: f64,

    /// Decide with the model in this folder in place of the built-in one
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,

    /// Seconds of a generated programme
    #[arg(long, default_value_t = 12.0)]
    seconds: f64,
}

/// What is mastered.
enum Input<'a> {
    File(&'a Path),
    Generated(&'a Programme),
}

/// One master.
struct Found {
    error: f64,
    over: f64,
    passes: u64,
    reduction: f64,
}

/// Proves and prints; ends with `N right, N wrong`.
pub fn run(args: Args) -> ExitCode {
    match prove(&args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("plainsong-loudness-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(crate::render::failure::writing)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn prove(args: &Args) -> Result<usize, Failure> {
    let folder = Folder::new()?;
    let generated = programmes::all();
    let inputs: Vec<Input<'_>> = if args.files.is_empty() {
        generated.iter().map(Input::Generated).collect()
    } else {
        args.files.iter().map(|file| Input::File(file)).collect()
    };
    let (mut right, mut wrong, mut worst, mut highest) = (0, 0, 0.0_f64, f64::NEG_INFINITY);
    println!("{:28} {:>6} {:>8} {:>8} {:>7} {:>9}", "programme", "asked", "error LU", "over dB", "passes", "limiter dB");
    for input in &inputs {
        let (name, input) = match input {
            Input::File(file) => (file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), file.to_path_buf()),
            Input::Generated(programme) => {
                let place = folder.0.join("programme.wav");
                write(&place, programme, args.seconds)?;
                (programme.name.to_owned(), place)
            }
        };
        for &target in &args.target {
            let found = master(&input, &folder.0.join("master.wav"), target, args).map_err(|failure| failure.about(&input))?;
            let is_right = found.error.abs() <= MOST_LU && found.over <= 0.0;
            if is_right {
                right += 1;
            } else {
                wrong += 1;
            }
            worst = worst.max(found.error.abs());
            highest = highest.max(found.over);
            println!(
                "{name:28.28} {target:6.1} {:+8.3} {:+8.3} {:7} {:9.1}{}",
                found.error,
                found.over,
                found.passes,
                found.reduction,
                if is_right { "" } else { "  wrong" }
            );
        }
    }
    println!("largest error {worst:.3} LU, highest peak {highest:+.3} dB to the ceiling: {right} right, {wrong} wrong");
    Ok(wrong)
}

/// Masters a file and measures what was written.
fn master(input: &Path, output: &Path, target: f64, args: &Args) -> Result<Found, Failure> {
    let entry = engine::find("master").ok_or_else(|| Failure::new("there is no engine \"master\""))?;
    let task = Task {
        input: input.to_owned(),
        output: output.to_owned(),
        below: output.file_name().unwrap_or_default().into(),
        picture: None,
        format: sink::FileFormat::Wav,
    };
    let asked = MasterArgs {
        loudness: Some(Loudness::Of(target)),
        ceiling: Some(args.ceiling),
        model: args.model.clone(),
        ..MasterArgs::default()
    };
    let reading = Reading { allow_truncated: false, jobs: 1, report: true, overwrite: false };
    let options = Options {
        entry,
        values: params::defaults(entry.params),
        package: None,
        models: Vec::new(),
        producer: None,
        separation: None,
        archive: None,
        spend: None,
        mind: Some(Mind::new(&asked, Vec::new(), std::slice::from_ref(&task), reading)?),
        page: None,
        bits: Some(source::Depth::I24),
        dither: Dither::Tpdf,
        overwrite: true,
        allow_truncated: false,
        silence_nan: false,
        report: true,
    };
    let outcome = Worker::default().render(&task, &options, &|_| {})?;
    let told = &outcome.report["master"]["loudness"];
    let (loudness, peak) = measured(output)?;
    Ok(Found {
        error: loudness - target,
        over: peak - args.ceiling,
        passes: told["passes"].as_u64().unwrap_or(0),
        reduction: told["limiter_deep_reduction_db"].as_f64().unwrap_or(0.0),
    })
}

/// Integrated loudness in LUFS and true peak in dBTP of a file, by the meter of another hand.
fn measured(path: &Path) -> Result<(f64, f64), Failure> {
    let mut file = source::open(path, false)?;
    let channels = file.info().channels;
    let refused = |error| Failure::new(format!("the other meter refuses the file ({error:?})"));
    let mut meter = EbuR128::new(channels as u32, file.info().rate, Mode::I | Mode::TRUE_PEAK).map_err(refused)?;
    let mut block: Vec<Vec<f32>> = vec![Vec::new(); channels];
    while file.read(&mut block, 8_192)? > 0 {
        meter.add_frames_planar_f32(&block.iter().map(Vec::as_slice).collect::<Vec<_>>()).map_err(refused)?;
    }
    let peaks = (0..channels as u32).filter_map(|channel| meter.true_peak(channel).ok());
    Ok((meter.loudness_global().map_err(refused)?, 20.0 * peaks.fold(0.0, f64::max).log10()))
}

/// Writes a programme as a WAV file of floats.
fn write(path: &Path, programme: &Programme, seconds: f64) -> Result<(), Failure> {
    let rate = programme.rate.unwrap_or(RATE);
    let audio = programme.audio(rate, programme.seconds.unwrap_or(seconds));
    let channels = audio.len() as u16;
    let frames = audio.first().map_or(0, Vec::len);
    let bytes = (frames * usize::from(channels) * 4) as u32;
    let mut file = Vec::with_capacity(bytes as usize + 44);
    let mut put = |part: &[u8]| file.extend_from_slice(part);
    put(b"RIFF");
    put(&(36 + bytes).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16_u32.to_le_bytes());
    // IEEE floats.
    put(&3_u16.to_le_bytes());
    put(&channels.to_le_bytes());
    put(&rate.to_le_bytes());
    put(&(rate * u32::from(channels) * 4).to_le_bytes());
    put(&(channels * 4).to_le_bytes());
    put(&32_u16.to_le_bytes());
    put(b"data");
    put(&bytes.to_le_bytes());
    for frame in 0..frames {
        audio.iter().for_each(|channel| file.extend_from_slice(&channel[frame].to_le_bytes()));
    }
    std::fs::File::create(path).and_then(|mut to| to.write_all(&file)).map_err(crate::render::failure::writing)
}
