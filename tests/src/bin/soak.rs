//! Soaks the engines and plugins:
//! `soak --seconds N [--block SAMPLES] [--allow-missed PERCENT] [--seed N] [--only engine|plugin] [--product NAME]`. Each
//! subject runs for that long. With `--hours N` each engine takes so many hours of programme as fast as it can
//! instead, and memory and delay are looked at. Usually called as `cargo xtask soak`.

use dsp_core::engines::deess::Deess;
use dsp_core::engines::denoise::Denoise;
use dsp_core::engines::limiter::Limiter;
use dsp_core::engines::master::Master;
use dsp_core::engines::meter::Meter;
use dsp_core::engines::podcast::Podcast;
use dsp_core::engines::stems::Stems;
use dsp_core::realtime::PoolAllocator;
use plainsong_tests::allocations::Counting;
use plainsong_tests::long;
use plainsong_tests::soak::{self, Plan, Report};
use std::alloc::System;
use std::process::ExitCode;

/// As in the plugin, with a count of what the pool lets through.
#[global_allocator]
static ALLOCATOR: PoolAllocator<Counting<System>> = PoolAllocator::over(Counting(System));

/// A soak of one subject.
type Soak = fn(Plan) -> Report;

/// An accelerated run of one engine: hours of programme and seed.
type Long = fn(f64, u64) -> long::Report;

/// The value after a flag.
fn value(args: &[String], flag: &str) -> Option<String> {
    args.iter().position(|a| a == flag).and_then(|i| args.get(i + 1).cloned())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |flag: &str, default: f64| match value(&args, flag).map(|text| text.parse::<f64>()) {
        None => Some(default),
        Some(Ok(number)) => Some(number),
        Some(Err(_)) => None,
    };
    let block = number("--block", soak::BLOCK as f64).filter(|block| (1.0..=65_536.0).contains(block));
    let (Some(seconds), Some(percent), Some(seed), Some(hours), Some(block)) =
        (number("--seconds", 60.0), number("--allow-missed", 0.0), number("--seed", 1.0), number("--hours", 0.0), block)
    else {
        eprintln!(
            "usage: soak [--seconds N | --hours N] [--block SAMPLES] [--allow-missed PERCENT] [--seed N] [--only engine|plugin] [--product NAME]"
        );
        return ExitCode::from(2);
    };
    let (only, product) = (value(&args, "--only"), value(&args, "--product"));
    if hours > 0.0 {
        return accelerated(hours, seed as u64, product.as_deref());
    }
    let subjects: [(&str, &str, Soak); 14] = [
        ("denoise", "engine", soak::engine::<Denoise>),
        ("denoise", "plugin", soak::plugin::<Denoise>),
        ("deess", "engine", soak::engine::<Deess>),
        ("deess", "plugin", soak::plugin::<Deess>),
        ("limiter", "engine", soak::engine::<Limiter>),
        ("limiter", "plugin", soak::plugin::<Limiter>),
        ("master", "engine", soak::engine::<Master>),
        ("master", "plugin", soak::plugin::<Master>),
        ("meter", "engine", soak::engine::<Meter>),
        ("meter", "plugin", soak::plugin::<Meter>),
        ("podcast", "engine", soak::engine::<Podcast>),
        ("podcast", "plugin", soak::plugin::<Podcast>),
        ("stems", "engine", soak::engine::<Stems>),
        ("stems", "plugin", soak::plugin::<Stems>),
    ];
    let (mut passed, mut failed) = (0, 0);
    for (engine, name, run) in subjects {
        if only.as_deref().is_some_and(|only| only != name) || product.as_deref().is_some_and(|product| product != engine) {
            continue;
        }
        // A thread of its own, so that real-time priority ends with the subject.
        let plan = Plan { seconds, seed: seed as u64, block: block as usize };
        let report = std::thread::spawn(move || run(plan)).join();
        let Ok(report) = report else {
            failed += 1;
            continue;
        };
        println!("{report}");
        match report.verdict(percent / 100.0) {
            Ok(()) => passed += 1,
            Err(why) => {
                println!("  FAILED: {why}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Hours of programme through each engine, as fast as it goes.
fn accelerated(hours: f64, seed: u64, product: Option<&str>) -> ExitCode {
    let engines: [(&str, Long); 7] = [
        ("denoise", long::run::<Denoise>),
        ("deess", long::run::<Deess>),
        ("limiter", long::run::<Limiter>),
        ("master", long::run::<Master>),
        ("meter", long::run::<Meter>),
        ("podcast", long::run::<Podcast>),
        ("stems", long::run::<Stems>),
    ];
    let (mut passed, mut failed) = (0, 0);
    for (_, run) in engines.into_iter().filter(|(name, _)| product.is_none_or(|product| product == *name)) {
        let report = run(hours, seed);
        println!("{report}");
        match report.verdict() {
            Ok(()) => passed += 1,
            Err(why) => {
                println!("  FAILED: {why}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
