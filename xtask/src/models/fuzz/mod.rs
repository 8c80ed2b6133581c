//! `models fuzz`: broken and hostile models in front of the check.
//!
//! Every case is a folder that a confined process looks into, as with a model that a user adds. It may
//! refuse it in words or find nothing wrong; it may be ended at its limits; it may not crash, and who
//! started it goes on in any case.

mod bombs;
mod mutate;
mod wire;

use super::limits::{self, End};
use super::{check, probe};
use crate::test::command::root;
use dsp_core::model::HAS_GENERAL;
use dsp_core::model::store::{MANIFEST, sha256};
use mutate::Random;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Arguments of `fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// Models that are changed at random, beside those made by hand
    #[arg(long, default_value_t = 1_000)]
    count: usize,
    /// Seed of the changes; the same seed makes the same models
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cases at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Run this one case only and tell what comes of it
    #[arg(long)]
    only: Option<usize>,
    /// Run this one of those made by hand only and tell what comes of it
    #[arg(long, conflicts_with = "only")]
    bomb: Option<usize>,
}

/// Processor time beyond the limit that a process may have taken when the system ends it.
const GRACE: Duration = Duration::from_secs(1);
/// Cases between two lines of how far it is.
const TOLD: usize = 1_000;

/// What came of the cases.
#[derive(Debug, Default)]
pub struct Counts {
    /// Cases that were run.
    pub cases: usize,
    /// Refused in words.
    pub refused: usize,
    /// Nothing wrong was found.
    pub passed: usize,
    /// Ended at the limit of time.
    pub time: usize,
    /// Ended at the limit of memory.
    pub memory: usize,
    /// Crashes, and cases that took longer than they may: what must not be.
    pub wrong: Vec<String>,
    /// Most that one took, of each kind.
    pub most: limits::Taken,
    /// Names of those that took the most: by the clock, of processors, of memory.
    pub names: [String; 3],
}

/// Manifests and files from which cases are made: those in the repository.
fn seeds() -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut seeds = Vec::new();
    for folder in ["models/denoise", "models/denoise-low", "models/deess", "training/examples/gate"] {
        let folder = root().join(folder);
        let read =
            || -> std::io::Result<_> { Ok((std::fs::read_to_string(folder.join(MANIFEST))?, std::fs::read(folder.join("model.onnx"))?)) };
        seeds.push(read().map_err(|error| format!("{}: {error}", folder.display()))?);
    }
    Ok(seeds)
}

/// A case: its name, and what is written into its folder.
fn case(seeds: &[(String, Vec<u8>)], seed: u64, number: usize) -> (String, Vec<u8>) {
    let mut random = Random::new(seed.wrapping_add(number as u64));
    let (text, file) = random.of(seeds);
    match random.below(4) {
        0 => (mutate::manifest(text, &mut random), file.clone()),
        1 => (mutate::manifest(text, &mut random), mutate::onnx(file, &mut random)),
        _ => (text.clone(), mutate::onnx(file, &mut random)),
    }
}

/// Puts the file's own hash into its manifest, so that what is behind that check is reached.
fn fit(text: &str, file: &[u8]) -> String {
    let line = format!("sha256 = \"{}\"", sha256(file));
    text.lines().map(|own| if own.starts_with("sha256") { &line } else { own }).collect::<Vec<_>>().join("\n")
}

/// Runs cases from all threads until none is left.
pub fn all(program: &Path, count: usize, seed: u64, jobs: usize, scratch: &Path) -> Result<Counts, String> {
    let (seeds, bombs) = (seeds()?, bombs::all());
    let traps = (0..).take_while(|&which| trapped(scratch, which, "probe")).count();
    let total = bombs.len() + traps + count;
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(Counts::default()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= total {
                        break;
                    }
                    let folder = scratch.join(format!("case-{index}"));
                    let name = lay(&folder, index, &bombs, traps, &seeds, seed);
                    let ended = limits::run(program, &["models", "probe"], &folder, limits::PATIENCE);
                    let _ = std::fs::remove_dir_all(&folder);
                    if let Ok(mut counts) = counts.lock() {
                        counts.add(&name, ended);
                    }
                }
            });
        }
    });
    counts.into_inner().map_err(|_| "a thread panicked".into())
}

/// True when there is a trap with this number; it is made and taken away again.
fn trapped(scratch: &Path, which: usize, name: &str) -> bool {
    let folder = scratch.join(name);
    let _ = std::fs::create_dir_all(&folder);
    let there = bombs::trap(&folder, which).unwrap_or(false);
    let _ = std::fs::remove_dir_all(&folder);
    there
}

/// Writes a case into its folder and gives its name.
fn lay(folder: &Path, index: usize, bombs: &[bombs::Bomb], traps: usize, seeds: &[(String, Vec<u8>)], seed: u64) -> String {
    let _ = std::fs::create_dir_all(folder);
    let (name, text, file) = if let Some((name, text, file)) = bombs.get(index) {
        (format!("bomb {index}, {name}"), text.clone(), file.clone())
    } else if index < bombs.len() + traps {
        let _ = bombs::trap(folder, index - bombs.len());
        return format!("trap {}", index - bombs.len());
    } else {
        let number = index - bombs.len() - traps;
        let (text, file) = case(seeds, seed, number);
        (format!("case {number} of seed {seed}"), text, file)
    };
    let _ = std::fs::write(folder.join(MANIFEST), fit(&text, &file));
    let _ = std::fs::write(folder.join("model.onnx"), file);
    name
}

impl Counts {
    fn add(&mut self, name: &str, ended: std::io::Result<(End, limits::Taken)>) {
        self.cases += 1;
        let (end, taken) = match ended {
            Ok(ended) => ended,
            Err(error) => return self.wrong.push(format!("{name}: could not be started: {error}")),
        };
        self.keep(name, taken);
        if taken.processor > limits::TIME + GRACE {
            self.wrong.push(format!("{name}: took {:.1} s of processor time", taken.processor.as_secs_f64()));
        }
        if self.cases.is_multiple_of(TOLD) {
            println!("  {} cases, {} wrong", self.cases, self.wrong.len());
        }
        match end {
            End::Answer(text) => match serde_json::from_str::<probe::Answer>(&text) {
                Ok(Ok(found)) if found.wrong().is_none() => self.passed += 1,
                Ok(_) => self.refused += 1,
                Err(_) => self.wrong.push(format!("{name}: an answer that is none: {text:.80}")),
            },
            End::Time => {
                println!(
                    "  at the limit of time: {name}, {:.1} s of processor time, {:.1} s by the clock",
                    taken.processor.as_secs_f64(),
                    taken.clock.as_secs_f64()
                );
                self.time += 1;
            }
            End::Memory => self.memory += 1,
            End::Crash(how) => self.wrong.push(format!("{name}: {how}")),
        }
    }

    /// Keeps who took the most.
    fn keep(&mut self, name: &str, taken: limits::Taken) {
        let [clock, processor, memory] = &mut self.names;
        if taken.clock > self.most.clock {
            self.most.clock = taken.clock;
            name.clone_into(clock);
        }
        if taken.processor > self.most.processor {
            self.most.processor = taken.processor;
            name.clone_into(processor);
        }
        if taken.memory > self.most.memory {
            self.most.memory = taken.memory;
            name.clone_into(memory);
        }
    }
}

/// A folder of its own for the cases.
fn scratch() -> PathBuf {
    std::env::temp_dir().join(format!("plainsong-fuzz-{}", std::process::id()))
}

/// `models fuzz`.
pub fn run(args: &Args) -> Result<(), String> {
    let (program, scratch) = (check::program()?, scratch());
    let alone = match (args.only, args.bomb) {
        (Some(number), _) => Some(case(&seeds()?, args.seed, number)),
        (_, Some(number)) => {
            let bombs = bombs::all();
            let (_, text, file) = bombs.get(number).ok_or_else(|| format!("there are {} made by hand, from 0", bombs.len()))?;
            Some((text.clone(), file.clone()))
        }
        _ => None,
    };
    if let Some((text, file)) = alone {
        std::fs::create_dir_all(&scratch).map_err(|error| error.to_string())?;
        let _ = std::fs::write(scratch.join(MANIFEST), fit(&text, &file));
        let _ = std::fs::write(scratch.join("model.onnx"), file);
        println!("{}: {:?}", scratch.display(), limits::run(&program, &["models", "probe"], &scratch, limits::PATIENCE));
        return Ok(());
    }
    println!("seed {}, {} the general runtime", args.seed, if HAS_GENERAL { "with" } else { "without" });
    let counts = all(&program, args.count, args.seed, args.jobs, &scratch);
    let _ = std::fs::remove_dir_all(&scratch);
    let counts = counts?;
    println!(
        "{} cases: {} refused in words, {} without fault, {} ended at {} s, {} at {} MiB, {} wrong",
        counts.cases,
        counts.refused,
        counts.passed,
        counts.time,
        limits::TIME.as_secs(),
        counts.memory,
        limits::MEMORY >> 20,
        counts.wrong.len(),
    );
    let (most, [clock, processor, memory]) = (counts.most, &counts.names);
    println!("most by the clock: {:.1} s ({clock})", most.clock.as_secs_f64());
    println!("most of processors: {:.1} s ({processor})", most.processor.as_secs_f64());
    println!("most memory: {} MiB ({memory})", most.memory >> 20);
    counts.wrong.iter().for_each(|line| println!("  {line}"));
    if counts.wrong.is_empty() { Ok(()) } else { Err(format!("{} cases went wrong", counts.wrong.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_come_again_from_their_seed_and_most_are_read_far() {
        let seeds = seeds().unwrap();
        assert_eq!(case(&seeds, 3, 14), case(&seeds, 3, 14));
        assert_ne!(case(&seeds, 3, 14), case(&seeds, 3, 15));
    }
}
