//! What an engine costs: in a tight loop, and paced as a host paces it.

use clap::{Parser, ValueEnum};
use dsp_core::engines::denoise::{Denoise, Settings};
use dsp_core::params::FromValues as _;
use dsp_core::processor::{Format, Processor};
use dsp_core::units::Hz;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Measure an engine's cost at 48 kHz on one thread. Prints one line of JSON.
#[derive(Parser)]
pub struct Args {
    /// The engine.
    engine: Engine,
    /// Seconds of audio in the tight loop.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Seconds of the paced run, one hop at a time in real time; 0 leaves it out.
    #[arg(long, default_value_t = 20.0)]
    paced: f64,
    /// Channels.
    #[arg(long, default_value_t = 1)]
    channels: usize,
    /// The low-latency mode.
    #[arg(long)]
    low_latency: bool,
}

/// Engines that can be measured.
#[derive(Clone, Copy, ValueEnum)]
enum Engine {
    /// The denoiser.
    Denoise,
}

const RATE: f64 = 48_000.0;
const BLOCK: usize = 480;

/// Measures and prints.
pub fn run(args: Args) -> ExitCode {
    match measure(&args) {
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

/// Voiced sound with pauses in noise: neither silence nor a steady tone.
fn signal(samples: usize) -> Vec<f32> {
    let mut seed = 7_u32;
    let mut phase = 0.0_f32;
    (0..samples)
        .map(|n| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let seconds = n as f32 / RATE as f32;
            phase = (phase + (120.0 + 30.0 * (seconds * 2.0).sin()) / RATE as f32).fract();
            let voiced = if (seconds * 1.3).fract() < 0.7 { (phase - 0.5) * 0.3 } else { 0.0 };
            voiced + 0.02 * noise
        })
        .collect()
}

fn measure(args: &Args) -> Result<String, dsp_core::processor::Error> {
    let Engine::Denoise = args.engine;
    let format = Format::new(Hz(RATE), args.channels)?;
    let settings = Settings { low_latency: args.low_latency, ..Settings::default() };
    let mut engine = Denoise::with_builtin_models(format)?;
    let input = signal((args.seconds.max(args.paced) * RATE) as usize + BLOCK);
    let mut audio = vec![vec![0.0_f32; BLOCK]; args.channels];
    let mut one = |start: usize| {
        audio.iter_mut().for_each(|channel| channel.copy_from_slice(&input[start..start + BLOCK]));
        let mut slices: Vec<&mut [f32]> = audio.iter_mut().map(|channel| &mut channel[..]).collect();
        engine.process(&mut slices, &settings, &mut ());
    };
    let starts = |seconds: f64| (0..(seconds * RATE) as usize).step_by(BLOCK);

    let started = Instant::now();
    starts(args.seconds).for_each(&mut one);
    let rtf = started.elapsed().as_secs_f64() / args.seconds;

    let mut report = serde_json::json!({
        "engine": Settings::ENGINE, "channels": args.channels, "low_latency": args.low_latency,
        "loop_seconds": args.seconds, "loop_rtf": rtf,
    });
    if args.paced > 0.0 {
        let hop = Duration::from_secs_f64(BLOCK as f64 / RATE);
        let mut times = Vec::new();
        let began = Instant::now();
        for (index, start) in starts(args.paced).enumerate() {
            if let Some(wait) = (hop * index as u32).checked_sub(began.elapsed()) {
                std::thread::sleep(wait);
            }
            let started = Instant::now();
            one(start);
            times.push(started.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        report["paced_rtf"] = (times.iter().sum::<f64>() / args.paced).into();
        report["paced_p50_us"] = (at(0.5) * 1e6).into();
        report["paced_p99_us"] = (at(0.99) * 1e6).into();
        report["p99_share_of_hop"] = (at(0.99) / hop.as_secs_f64()).into();
    }
    Ok(report.to_string())
}
