//! Soak: hours of audio in real time, at a small block, with parameters that move and the other
//! cores busy.

use crate::clap::{Bundle, Plugin};
use crate::pace::{Load, Pacer, request_realtime, thread_time};
use crate::random::Random;
use crate::subject::{Subject, named, random_settings};
use crate::{allocations, engine, measure};
use clack_host::utils::ClapId;
use std::fmt;
use std::time::{Duration, Instant};

/// Sample rate of a soak in hertz.
pub const RATE: f64 = 48_000.0;
/// Samples of a block where none are asked for: 2.67 ms, small for a plugin of this cost.
pub const BLOCK: usize = 128;
/// Channels of a soak.
const CHANNELS: usize = 2;
/// Samples between two changes of parameters: 50 ms.
const CHANGE_EVERY: usize = 2_400;
/// Changes of parameters in one of the subject's modes: 2 s, so that what a mode does once it plays is seen
/// too. The first of them leaves the mode to chance.
const CHANGES_IN_MODE: usize = 40;
/// Samples at the start whose allocations are not counted: 1.1 s, in which models take their scratch.
const WARM_UP: usize = 51_200;

/// How a soak runs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Seconds of each subject.
    pub seconds: f64,
    /// Seed of the settings.
    pub seed: u64,
    /// Samples of a block.
    pub block: usize,
}

/// Which of the modes holds at a change.
fn mode_at(change: usize, modes: usize) -> Option<usize> {
    (!change.is_multiple_of(CHANGES_IN_MODE)).then(|| change / CHANGES_IN_MODE % modes)
}

/// What a soak saw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What ran.
    pub subject: String,
    /// Real-time scheduling was permitted.
    pub realtime: bool,
    /// Busy threads beside it.
    pub load: usize,
    /// Samples of a block.
    pub block: usize,
    /// Blocks processed.
    pub blocks: usize,
    /// Output samples that were not finite.
    pub not_finite: usize,
    /// Blocks that were not done when the next was due.
    pub missed: usize,
    /// Blocks for which the processor itself worked longer than a block lasts.
    pub overrun: usize,
    /// Blocks in which the system held the thread up for more than half a block.
    pub held_up: usize,
    /// Most that the processor worked for a block, microseconds.
    pub longest_work: f64,
    /// Frames that passed dry because a model step was late; none where the subject does not tell.
    pub late_frames: Option<u64>,
    /// Calls of the system's allocator inside `process`; none where they cannot be seen.
    pub allocations: Option<u64>,
    /// Time of a block in microseconds: median, 99th and 99.9th percentile, longest.
    pub micros: [f64; 4],
}

impl Report {
    /// Share of blocks that were missed.
    pub fn missed_share(&self) -> f64 {
        self.missed as f64 / self.blocks.max(1) as f64
    }

    /// Why this soak failed, if it did. `allowed_missed` is a share of the blocks.
    ///
    /// # Errors
    /// With each thing that must not be.
    pub fn verdict(&self, allowed_missed: f64) -> Result<(), String> {
        let mut wrong = Vec::new();
        if self.not_finite > 0 {
            wrong.push(format!("{} output samples are not finite", self.not_finite));
        }
        if self.allocations.is_some_and(|n| n > 0) {
            wrong.push(format!("{} allocator calls in process", self.allocations.unwrap_or(0)));
        }
        // A virtual processor that its host takes away counts as work on some systems.
        if self.overrun as f64 > allowed_missed * self.blocks as f64 {
            wrong.push(format!("{} blocks took more of the processor's time than they last", self.overrun));
        }
        if self.late_frames.is_some_and(|late| late > (self.held_up + self.overrun) as u64) {
            wrong.push(format!("{} late frames, the system held up {} blocks", self.late_frames.unwrap_or(0), self.held_up));
        }
        if self.missed_share() > allowed_missed {
            wrong.push(format!("{} of {} blocks missed their deadline", self.missed, self.blocks));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = self.block as f64 / RATE * 1e6;
        let [median, p99, p999, longest] = self.micros;
        writeln!(
            f,
            "{}: {:.0} s in blocks of {} at {RATE} Hz, {CHANNELS} channels",
            self.subject,
            self.blocks as f64 * self.block as f64 / RATE,
            self.block
        )?;
        let priority = if self.realtime { "real-time priority" } else { "no real-time priority (not permitted)" };
        writeln!(f, "  {priority}, {} busy threads beside it", self.load)?;
        writeln!(f, "  block time of {period:.0} us: median {median:.0}, 99 % {p99:.0}, 99.9 % {p999:.0}, longest {longest:.0}")?;
        writeln!(
            f,
            "  of the processor's own time at most {:.0}; over a block {} times; held up by the system {} times",
            self.longest_work, self.overrun, self.held_up
        )?;
        writeln!(f, "  missed deadlines {} of {}, samples not finite {}", self.missed, self.blocks, self.not_finite)?;
        let tell = |n: Option<u64>| n.map_or_else(|| "not visible from here".to_owned(), |n| n.to_string());
        write!(f, "  late frames {}, allocator calls in process {}", tell(self.late_frames), tell(self.allocations))
    }
}

/// The loop both subjects share. `step` gets the block and the number of the change of parameters that is
/// due, and returns what it allocated.
fn paced<S: Subject>(subject: &str, plan: Plan, mut step: impl FnMut(&mut [&mut [f32]], Option<usize>) -> u64) -> (Report, u64) {
    let block = plan.block;
    let blocks = (plan.seconds * RATE / block as f64) as usize;
    let mut changes = 0;
    let source = S::sound(RATE, 20.0, CHANNELS, 11);
    let mut buffer = vec![vec![0.0_f32; block]; CHANNELS];
    let mut micros = Vec::with_capacity(blocks);
    let load = Load::on_other_cores();
    let mut report = Report { subject: format!("{} {subject}", S::PRODUCT), load: load.threads(), block, ..Report::default() };
    report.realtime = request_realtime();
    let mut allocated = 0;
    let period = Duration::from_secs_f64(block as f64 / RATE);
    let mut pacer = Pacer::new(period);
    for index in 0..blocks {
        let at = index * block % (source[0].len() - block);
        for (channel, from) in buffer.iter_mut().zip(&source) {
            channel.copy_from_slice(&from[at..at + block]);
        }
        let deadline = pacer.wait();
        let mut audio: [&mut [f32]; CHANNELS] = {
            let [left, right] = buffer.as_mut_slice() else { unreachable!("two channels") };
            [left.as_mut_slice(), right.as_mut_slice()]
        };
        let (start, worked) = (Instant::now(), thread_time());
        let change = (index * block >= changes * CHANGE_EVERY).then_some(changes);
        changes += usize::from(change.is_some());
        let calls = step(&mut audio, change);
        let (end, worked) = (Instant::now(), thread_time() - worked);
        report.overrun += usize::from(worked > period);
        report.held_up += usize::from((end - start).saturating_sub(worked) > period / 2 || start > deadline - period / 2);
        report.longest_work = report.longest_work.max(worked.as_secs_f64() * 1e6);
        if index * block >= WARM_UP {
            allocated += calls;
        }
        micros.push((end - start).as_secs_f64() * 1e6);
        report.missed += usize::from(end > deadline);
        report.not_finite += buffer.iter().flatten().filter(|x| !x.is_finite()).count();
    }
    report.blocks = blocks;
    report.micros = [0.5, 0.99, 0.999, 1.0].map(|share| measure::quantile(&mut micros, share));
    (report, allocated)
}

/// Soaks the engine itself. Allocations are seen where [`allocations::Counting`] is installed.
pub fn engine<S: Subject>(plan: Plan) -> Report {
    let mut random = Random::new(plan.seed);
    let mut engine: S = engine::loaded(RATE, CHANNELS);
    engine.set_realtime(true);
    let mut settings = S::Settings::default();
    let (report, allocated) = paced::<S>("engine", plan, |block, change| {
        if let Some(change) = change {
            settings = random_settings::<S>(&mut random, mode_at(change, S::MODES.len()).map_or(&[], |mode| S::MODES[mode].1));
        }
        allocations::count(|| engine.process(block, &settings, &mut ()))
    });
    Report { late_frames: Some(engine.late_frames()), allocations: Some(allocated), ..report }
}

/// Soaks the bundled CLAP plugin, driven as a host does.
pub fn plugin<S: Subject>(plan: Plan) -> Report {
    let mut random = Random::new(plan.seed);
    let bundle = Bundle::of::<S>();
    let mut plugin = Plugin::new(&bundle);
    plugin.set_offline(false);
    plugin.activate(RATE, plan.block as u32);
    plugin.wait_until_ready::<S>(CHANNELS);
    let params = plugin.params();
    let mut value = |(name, text): &(&str, &str)| {
        let param = plugin.param(name);
        plugin.read_text(param.id, text).map(|value| (param.id, value))
    };
    let modes: Vec<Vec<_>> = S::MODES.iter().map(|(_, mode)| named::<S>(mode).iter().filter_map(&mut value).collect()).collect();
    let mut values: Vec<(ClapId, f64)> = Vec::with_capacity(params.len());
    paced::<S>("CLAP", plan, |block, change| {
        values.clear();
        if let Some(change) = change {
            values.extend(params.iter().map(|p| {
                let value = p.min + (p.max - p.min) * f64::from(random.unit());
                (p.id, if p.stepped { value.round() } else { value })
            }));
            // The last value of a parameter counts.
            if let Some(mode) = mode_at(change, modes.len()) {
                values.extend(&modes[mode]);
            }
        }
        plugin.process(block, &values);
        plugin.idle();
        0
    })
    .0
}
