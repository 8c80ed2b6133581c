//! A day of audio in accelerated time: memory, delay and sound at its end are those of its beginning.

use crate::audio::{delayed, white};
use crate::engine::{self, Blocks};
use crate::random::Random;
use crate::subject::{Set, Subject, random_settings, settings};
use crate::{allocations, measure};
use std::fmt;
use std::time::Instant;

/// Sample rate of the run in hertz; one channel.
pub const RATE: f64 = 48_000.0;
/// Length of the sound that is played again and again, in seconds: no multiple of anything in an engine.
const LOOP: f32 = 61.7;
/// Programme between two looks, in seconds.
const EVERY: f64 = 600.0;
/// Between two changes of the settings, in seconds of programme.
const CHANGE: f64 = 7.3;
/// Growth of the process that is none, in bytes: pages that the system hands out late.
const SLACK: u64 = 1 << 20;
/// Programme after which memory is taken for settled, in seconds.
const SETTLED: f64 = 60.0;

/// What such a run saw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What ran.
    pub subject: String,
    /// Programme in hours.
    pub hours: f64,
    /// Time that it took, in seconds.
    pub took: f64,
    /// Resident memory of the process once settled and at the end, in bytes; none where the system does not tell.
    pub memory: Option<[u64; 2]>,
    /// Looks at the delay, and those at which the bypassed sound was not the input delayed by it, bit for bit.
    pub looks: usize,
    /// Looks that failed.
    pub moved: usize,
    /// Calls of the system's allocator inside `process`.
    pub allocations: u64,
    /// Output samples that were not finite.
    pub not_finite: usize,
    /// After a reset at the end the engine gives the bits of its first minute.
    pub same_after_reset: bool,
}

impl Report {
    /// Why this run failed, if it did.
    ///
    /// # Errors
    /// With each thing that must not be.
    pub fn verdict(&self) -> Result<(), String> {
        let mut wrong = Vec::new();
        if let Some([begin, end]) = self.memory.filter(|[begin, end]| *end > begin + SLACK) {
            wrong.push(format!("memory grew by {} KiB", (end - begin) / 1024));
        }
        if self.moved > 0 {
            wrong.push(format!("the delay was another at {} of {} looks", self.moved, self.looks));
        }
        if self.allocations > 0 {
            wrong.push(format!("{} allocator calls in process", self.allocations));
        }
        if self.not_finite > 0 {
            wrong.push(format!("{} output samples are not finite", self.not_finite));
        }
        if !self.same_after_reset {
            wrong.push("a reset does not bring back the beginning".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = self.hours * 3_600.0 / self.took.max(1e-9);
        writeln!(f, "{}: {:.2} h of programme in {:.0} s, {times:.0} times real time", self.subject, self.hours, self.took)?;
        let memory = self.memory.map_or("not told by the system".to_owned(), |[begin, end]| {
            format!("{} KiB after a minute, {} KiB at the end", begin / 1024, end / 1024)
        });
        writeln!(f, "  memory {memory}; allocator calls in process {}", self.allocations)?;
        write!(
            f,
            "  delay looked at {} times, another {} times; samples not finite {}; the same after a reset: {}",
            self.looks, self.moved, self.not_finite, self.same_after_reset
        )
    }
}

/// Resident memory of this process in bytes, where the system tells.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    // Pages of 4 KiB, as on every system that has this file and runs here.
    Some(pages * 4096)
}

const BYPASS: Set = &[("bypass", "on")];

/// Runs so many hours of programme through an engine. Allocations are seen where
/// [`allocations::Counting`] is installed.
pub fn run<S: Subject>(hours: f64, seed: u64) -> Report {
    let mut random = Random::new(seed);
    let mut engine: S = engine::loaded(RATE, 1);
    let source = S::sound(RATE, LOOP, 1, seed).swap_remove(0);
    let plain = settings::<S>(&[S::BUSY]);
    let bypass = settings::<S>(&[S::BUSY, BYPASS]);
    let first_input = vec![source[..(5.0 * RATE) as usize].to_vec()];
    let first = engine::run_fresh(&mut engine, &first_input, &plain, Blocks::Of(512));
    engine.reset();
    let mut report = Report { subject: S::PRODUCT.to_owned(), hours, ..Report::default() };
    let started = Instant::now();
    let total = (hours * 3_600.0 * RATE) as u64;
    let mut block = vec![0.0_f32; 2_048];
    let (mut done, mut at, mut settled) = (0_u64, 0_usize, None);
    let (mut look, mut change) = ((SETTLED * RATE) as u64, 0_u64);
    let mut current = plain;
    let probe = vec![white((0.2 * RATE) as usize, 0.1, seed)];
    while done < total {
        if done >= change {
            current = random_settings::<S>(&mut random, S::MODES[0].1);
            change += (CHANGE * RATE) as u64;
        }
        let length = 1 + random.below(block.len());
        for sample in &mut block[..length] {
            *sample = source[at];
            at = (at + 1) % source.len();
        }
        let piece = &mut block[..length];
        report.allocations += allocations::count(|| engine.process(&mut [piece], &current, &mut ()));
        report.not_finite += block[..length].iter().filter(|sample| !sample.is_finite()).count();
        done += length as u64;
        if done >= look {
            look += (EVERY * RATE) as u64;
            // Until bypass has faded in and what is in the delay has come out.
            let quiet = vec![vec![0.0; (0.5 * RATE) as usize]];
            engine::run(&mut engine, &quiet, &bypass, Blocks::Of(480));
            let out = engine::run(&mut engine, &probe, &bypass, Blocks::Mixed(done));
            let same = measure::same_bits(&out, &delayed(&probe, engine.latency(&bypass)));
            report.looks += 1;
            report.moved += usize::from(same.is_err());
            settled = settled.or_else(memory);
        }
    }
    report.memory = settled.or_else(memory).zip(memory()).map(|(begin, end)| [begin, end]);
    let again = engine::run_fresh(&mut engine, &first_input, &plain, Blocks::Of(512));
    report.same_after_reset = measure::same_bits(&first, &again).is_ok();
    report.took = started.elapsed().as_secs_f64();
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_be_is_told() {
        let good = Report { same_after_reset: true, memory: Some([1 << 20, 1 << 20]), ..Report::default() };
        assert!(good.verdict().is_ok());
        for bad in [
            Report { memory: Some([1 << 20, 3 << 20]), ..good.clone() },
            Report { moved: 1, ..good.clone() },
            Report { allocations: 1, ..good.clone() },
            Report { not_finite: 1, ..good.clone() },
            Report { same_after_reset: false, ..good.clone() },
        ] {
            assert!(bad.verdict().is_err(), "{bad}");
        }
    }
}
