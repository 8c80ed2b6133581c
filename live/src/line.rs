//! The engine's thread: what lies between the two callbacks.
//!
//! It is woken by the input's callback, runs the engine at the input's rate on what came, gives raw and
//! processed sound to the recorder, brings the sound to the output's clock, and keeps the delay where it shall
//! be. It never allocates, locks or does input and output; its only wait is for its next call.

use crate::clock::Clock;
use crate::drift::Drift;
use crate::engines::{Driver, Watch};
use crate::port::{Input, Output, Stamp};
use crate::resample::{CHUNK, Converter};
use crate::status::{Link, Status, Values};
use crossbeam::queue::ArrayQueue;
use dsp_core::realtime::work_time;
use rtrb::{Consumer, Producer};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most channels.
pub const CHANNELS: usize = 8;
/// Most frames that go through the engine at once.
const BLOCK: usize = 512;
/// Time without a callback after which a device counts as standing still, in seconds. Longer than any buffer
/// that a live device is opened with.
const STALL: f64 = 0.4;
/// Error from which the delay is set anew at once, in seconds. The loop would take half a minute for more, and
/// such an error means that a device lost sound.
const REALIGN: f64 = 0.003;
/// Time that the delay must have been so far off before anything is done, in seconds.
const REALIGN_AFTER: f64 = 0.5;
/// The same where the delay is too short, and sound is missing again and again until it is set right.
const STARVING: f64 = 0.05;
/// Frames over which sound fades in after a splice.
const SPLICE: usize = 128;
/// Time from the start in which the clocks' lines are still rough: a large error is then set right at once, in
/// seconds.
const ROUGH: f64 = 2.0;
/// The same error while rough, in seconds.
const REALIGN_ROUGH: f64 = 0.001;

/// What the line is made for.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Channels of the engine.
    pub channels: usize,
    /// Rate of the input and the engine in hertz.
    pub rate: f64,
    /// Time that the engine's thread may be late without a drop-out, in seconds.
    pub safety: f64,
    /// Both devices are driven by one clock, as all ports of a JACK server are, and at one rate: no change of
    /// rate, and sound in bypass is the input's own bits.
    pub one_clock: bool,
}

/// An output that is plugged in, with what brings the sound to its rate.
pub struct Plugged {
    /// The port.
    pub output: Output,
    /// None where both devices have one clock.
    pub converter: Option<Converter>,
}

/// What was unplugged, to be dropped elsewhere.
pub enum Unplugged {
    /// An input.
    Input(Box<Input>),
    /// An output.
    Output(Box<Plugged>),
}

/// Where devices that come are handed to the engine's thread, and those that went are handed back.
pub struct Hatch {
    /// Inputs that came.
    pub inputs: ArrayQueue<Box<Input>>,
    /// Outputs that came.
    pub outputs: ArrayQueue<Box<Plugged>>,
    /// What went.
    pub gone: ArrayQueue<Unplugged>,
}

impl Default for Hatch {
    fn default() -> Self {
        Self { inputs: ArrayQueue::new(4), outputs: ArrayQueue::new(4), gone: ArrayQueue::new(16) }
    }
}

/// The recorder's rings: interleaved frames.
pub struct Tape {
    /// What came in.
    pub raw: Producer<f32>,
    /// What the engine made of it.
    pub processed: Producer<f32>,
}

/// One side's device as the line sees it.
struct Side {
    clock: Clock,
    last: Option<Stamp>,
    /// Callbacks that were seen.
    seen: u64,
    /// Frames of the largest block.
    block: u32,
    /// Greatest common divisor of all blocks: the devices of one clock stand at multiples of it.
    grid: u64,
}

impl Side {
    fn new(rate: f64) -> Self {
        Self { clock: Clock::new(rate), last: None, seen: 0, block: 0, grid: 0 }
    }

    /// Takes what callbacks left. True when the largest block grew.
    fn read(&mut self, stamps: &mut Consumer<Stamp>) -> bool {
        let before = self.block;
        while let Ok(stamp) = stamps.pop() {
            self.clock.tick(stamp.device, stamp.time);
            self.block = self.block.max(stamp.block);
            self.grid = divisor(self.grid, u64::from(stamp.block));
            self.seen += 1;
            self.last = Some(stamp);
        }
        self.block > before
    }

    fn runs(&self, now: f64) -> bool {
        self.last.is_some_and(|stamp| now - stamp.time < STALL)
    }
}

fn divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Sound that flows to the output.
struct Flow {
    /// Device frame of the output at which the first frame pushed is played.
    begin: u64,
    /// What the output had slipped by then.
    slipped: u64,
    /// Frames pushed.
    written: u64,
    /// Frame of the input's ring that the converter's frame 0 is.
    base: u64,
    /// Frames put in (or, below 0, left out) since: they stand in no relation to the input.
    spliced: i64,
    /// Delay that is to be kept, in seconds.
    target: f64,
    /// The same in frames, where there is one clock.
    target_frames: i64,
    since: f64,
    updated: f64,
    /// Frames to leave out.
    skip: usize,
    /// Frames of the fade that are still to come.
    fade: usize,
    /// Since when the delay is far off.
    wrong_since: Option<f64>,
}

/// See the module.
pub struct Line {
    plan: Plan,
    driver: Box<dyn Driver>,
    stages: &'static [&'static str],
    status: Arc<Status>,
    values: Arc<Values>,
    seen: u64,
    copy: Box<[f32]>,
    hatch: Arc<Hatch>,
    tape: Option<Tape>,
    input: Option<Box<Input>>,
    output: Option<Box<Plugged>>,
    from: Side,
    to: Side,
    /// Frames taken from the present input's ring.
    taken: u64,
    flow: Option<Flow>,
    /// The output's callbacks by which its ring is empty: sound may begin after that.
    quiet_at: u64,
    drift: Drift,
    /// Drop-outs that were seen, and processor time of the last two calls that had work, in seconds.
    dropouts: u64,
    worked: [f64; 2],
    audio: Vec<Vec<f32>>,
    mixed: Vec<f32>,
}

impl Line {
    /// A line without devices. Allocates.
    pub fn new(
        plan: Plan,
        driver: Box<dyn Driver>,
        stages: &'static [&'static str],
        values: Arc<Values>,
        status: Arc<Status>,
        hatch: Arc<Hatch>,
        tape: Option<Tape>,
    ) -> Self {
        Self {
            driver,
            stages,
            copy: vec![0.0; values.len()].into(),
            values,
            status,
            seen: 0,
            hatch,
            tape,
            input: None,
            output: None,
            from: Side::new(plan.rate),
            to: Side::new(plan.rate),
            taken: 0,
            flow: None,
            quiet_at: 0,
            drift: Drift::default(),
            dropouts: 0,
            worked: [0.0; 2],
            audio: vec![vec![0.0; BLOCK]; plan.channels],
            mixed: vec![0.0; BLOCK * 8 * plan.channels],
            plan,
        }
    }

    /// Does all that there is to do. `now` gives the machine's clock in seconds. For the engine's thread.
    pub fn poll(&mut self, now: &dyn Fn() -> f64) {
        self.plug();
        let start = now();
        let mut grew = false;
        if let Some(input) = &mut self.input {
            grew |= self.from.read(&mut input.stamps);
        }
        if let Some(plugged) = &mut self.output {
            grew |= self.to.read(&mut plugged.output.stamps);
        }
        if grew {
            // Larger blocks need a longer delay.
            self.stop_flow();
        }
        if self.values.read(&mut self.seen, &mut self.copy) {
            self.driver.set(&self.copy);
        }
        self.links(start);
        let before = work_time();
        let mut worked = false;
        while self.step(start) {
            worked = true;
        }
        if let (true, Some(before), Some(after)) = (worked, before, work_time()) {
            let took = after.saturating_sub(before);
            self.worked = [self.worked[1], took.as_secs_f64()];
            self.status.hardest_us.fetch_max(took.as_micros() as u32, Ordering::Relaxed);
        }
        self.blame();
        if let Some(stamp) = self.from.last.filter(|_| worked) {
            let took = (now() - stamp.time).clamp(0.0, 4_000.0);
            self.status.slowest_us.fetch_max((took * 1e6) as u32, Ordering::Relaxed);
        }
        self.keep(start);
        self.status.late.store(self.driver.late_frames(), Ordering::Relaxed);
        self.tell();
    }

    /// Says of new drop-outs whether they are ours: without a hold-up sound is there in time when work takes no longer than
    /// a block of the output and the safety.
    fn blame(&mut self) {
        let dropouts = self.status.played.events.load(Ordering::Relaxed);
        let new = dropouts.saturating_sub(self.dropouts);
        if new == 0 {
            return;
        }
        self.dropouts = dropouts;
        let had = self.plan.safety + self.output.as_ref().map_or(0.0, |plugged| f64::from(self.to.block) / plugged.output.rate);
        // Nothing is told where the time of work is not known.
        if work_time().is_some() && self.worked.iter().all(|&worked| worked < had) {
            self.status.held_up.fetch_add(new, Ordering::Relaxed);
        }
    }

    /// Plays so much silence into the engine that the recorder has all that came in.
    pub fn finish(&mut self) {
        let mut left = self.driver.latency();
        while left > 0 {
            let frames = left.min(BLOCK);
            for channel in &mut self.audio {
                channel[..frames].fill(0.0);
            }
            self.engine(frames);
            self.record(frames, false);
            left -= frames;
        }
    }

    /// Takes devices that came.
    fn plug(&mut self) {
        while let Some(input) = self.hatch.inputs.pop() {
            self.stop_flow();
            self.from = Side::new(input.rate);
            self.taken = 0;
            if let Some(old) = self.input.replace(input) {
                self.give_back(Unplugged::Input(old));
            }
        }
        while let Some(plugged) = self.hatch.outputs.pop() {
            self.stop_flow();
            self.to = Side::new(plugged.output.rate);
            self.quiet_at = 0;
            if let Some(old) = self.output.replace(plugged) {
                self.give_back(Unplugged::Output(old));
            }
        }
    }

    fn give_back(&self, gone: Unplugged) {
        if let Err(gone) = self.hatch.gone.push(gone) {
            // Freeing memory here could make this thread wait; a leak cannot.
            std::mem::forget(gone);
        }
    }

    fn links(&mut self, now: f64) {
        let runs =
            [(self.input.is_some(), &self.from, &self.status.input_link), (self.output.is_some(), &self.to, &self.status.output_link)];
        let mut both = true;
        for (there, side, link) in runs {
            let running = there && side.runs(now);
            // Whether a device is missing, who opens it knows.
            if link.get() != Link::Missing {
                link.set(if running { Link::Running } else { Link::Waiting });
            }
            both &= running;
        }
        if !both {
            self.stop_flow();
        }
    }

    /// Runs one block through the engine and on. False when there is none.
    fn step(&mut self, now: f64) -> bool {
        let channels = self.plan.channels;
        let Some(input) = &mut self.input else { return false };
        let frames = (input.frames.slots() / channels).min(BLOCK);
        if frames == 0 {
            return false;
        }
        let Ok(chunk) = input.frames.read_chunk(frames * channels) else { return false };
        let (one, two) = chunk.as_slices();
        for (index, value) in one.iter().chain(two).enumerate() {
            self.audio[index % channels][index / channels] = *value;
        }
        chunk.commit_all();
        self.record(frames, true);
        self.engine(frames);
        self.record(frames, false);
        let peak = self.audio.iter().flat_map(|channel| &channel[..frames]).fold(0.0_f32, |peak, value| peak.max(value.abs()));
        self.status.output.note(peak);
        self.status.frames.fetch_add(frames as u64, Ordering::Relaxed);
        if self.flow.is_none() {
            self.start_flow(now);
        }
        self.deliver(frames);
        self.taken += frames as u64;
        true
    }

    fn engine(&mut self, frames: usize) {
        let mut slices: [&mut [f32]; CHANNELS] = Default::default();
        for (slice, channel) in slices.iter_mut().zip(&mut self.audio) {
            *slice = &mut channel[..frames];
        }
        let mut watch = Watch { status: &self.status, stages: self.stages };
        self.driver.process(&mut slices[..self.plan.channels], &mut watch);
    }

    fn record(&mut self, frames: usize, raw: bool) {
        let channels = self.plan.channels;
        let Some(tape) = &mut self.tape else { return };
        let ring = if raw { &mut tape.raw } else { &mut tape.processed };
        match ring.write_chunk_uninit(frames * channels) {
            Ok(chunk) => {
                chunk.fill_from_iter((0..frames * channels).map(|index| self.audio[index % channels][index / channels]));
            }
            Err(_) => {
                self.status.unrecorded.fetch_add(frames as u64, Ordering::Relaxed);
            }
        }
    }

    /// Device frames of the input less those of its ring.
    fn lost(&self) -> u64 {
        self.from.last.map_or(0, |stamp| stamp.device.saturating_sub(stamp.ring))
    }

    /// Frames by which the output's count is ahead of the input's, where both have one clock.
    fn ahead(&self, now: f64) -> i64 {
        let ahead = self.to.clock.frame(now) - self.from.clock.frame(now);
        // Devices of one clock and one block call together, at multiples of the block; the times of the
        // callbacks only say which.
        let grid = if self.from.grid == self.to.grid { self.from.grid.max(1) as f64 } else { 1.0 };
        ((ahead / grid).round() * grid) as i64
    }

    /// Delay that is kept, in seconds, and in frames where there is one clock.
    fn target(&self) -> (f64, i64) {
        let (from, to) = (f64::from(self.from.block), f64::from(self.to.block));
        if self.plan.one_clock {
            // A block that comes in is wanted one block later at the earliest, or the next, or the next ...
            let slack = if self.from.grid == self.to.grid {
                to * (self.plan.safety * self.plan.rate / to.max(1.0)).ceil().max(1.0)
            } else {
                to + (self.plan.safety * self.plan.rate).ceil()
            };
            let frames = from + slack;
            (frames / self.plan.rate, frames as i64)
        } else {
            let output_rate = self.output.as_ref().map_or(self.plan.rate, |plugged| plugged.output.rate);
            let converter = (CHUNK + Converter::lookahead()) as f64;
            ((from + converter) / self.plan.rate + to / output_rate + self.plan.safety, 0)
        }
    }

    /// Lets sound flow when both devices are known well enough. The next frame delivered is the first.
    fn start_flow(&mut self, now: f64) {
        let quiet = self.to.seen >= self.quiet_at;
        if !(quiet && self.from.clock.is_ready() && self.to.clock.is_ready() && self.from.runs(now) && self.to.runs(now)) {
            return;
        }
        let (target, target_frames) = self.target();
        let ahead = self.ahead(now);
        let lost = self.lost();
        let Some(plugged) = &mut self.output else { return };
        let begin = match &mut plugged.converter {
            Some(converter) => {
                converter.reset();
                converter.correct(self.drift.correction());
                let captured = self.from.clock.time((self.taken + lost) as f64 + converter.position());
                self.to.clock.frame(captured + target).round()
            }
            None => (self.taken + lost) as f64 + (ahead + target_frames) as f64,
        };
        // A start in the past would only be thrown away: then later.
        if begin <= self.to.clock.frame(now) {
            return;
        }
        let begin = begin as u64;
        plugged.output.begin(begin);
        self.drift.restart();
        self.flow = Some(Flow {
            begin,
            slipped: plugged.output.slipped(),
            written: 0,
            base: self.taken,
            spliced: 0,
            target,
            target_frames,
            since: now,
            updated: now,
            skip: 0,
            fade: 0,
            wrong_since: None,
        });
        self.status.started.fetch_add(1, Ordering::Relaxed);
        self.status.worst_error_us.store(0, Ordering::Relaxed);
    }

    fn stop_flow(&mut self) {
        if self.flow.take().is_some()
            && let Some(plugged) = &self.output
        {
            plugged.output.silence();
            // The next callback may just be running; the one after it is sure to have emptied the ring.
            self.quiet_at = self.to.seen + 2;
        }
    }

    /// Brings a block to the output.
    fn deliver(&mut self, frames: usize) {
        let channels = self.plan.channels;
        let (Some(flow), Some(plugged)) = (&mut self.flow, &mut self.output) else { return };
        let Plugged { output, converter } = &mut **plugged;
        let mixed = &mut self.mixed;
        let mut full = false;
        let mut push = |audio: &[Vec<f32>], frames: usize| {
            let first = flow.skip.min(frames);
            flow.skip -= first;
            for part in (first..frames).step_by(BLOCK) {
                let end = frames.min(part + BLOCK);
                for (frame, at) in (part..end).enumerate() {
                    let share = if flow.fade > 0 {
                        flow.fade -= 1;
                        1.0 - flow.fade as f32 / SPLICE as f32
                    } else {
                        1.0
                    };
                    for channel in 0..channels {
                        mixed[frame * channels + channel] = audio[channel][at] * share;
                    }
                }
                full |= output.frames.push_entire_slice(&mixed[..(end - part) * channels]).is_err();
                flow.written += (end - part) as u64;
            }
        };
        match converter {
            Some(converter) => converter.push(&self.audio, 0, frames, |made, frames, _| push(made, frames)),
            None => push(&self.audio, frames),
        }
        if full {
            // Nobody takes it: the output stands still.
            self.stop_flow();
        }
    }

    /// Looks at the delay and keeps it.
    fn keep(&mut self, now: f64) {
        let ahead = self.ahead(now);
        let lost = self.lost();
        let (Some(flow), Some(plugged)) = (&mut self.flow, &mut self.output) else { return };
        let played = flow.begin + flow.written + (plugged.output.slipped() - flow.slipped);
        let error = match &plugged.converter {
            Some(converter) => {
                let captured = self.from.clock.time((flow.base + lost) as f64 + converter.position());
                self.to.clock.time(played as f64) - captured - flow.target
            }
            None => {
                let next = (flow.base + lost) as i64 + flow.written as i64 - flow.spliced;
                (played as i64 - ahead - next - flow.target_frames) as f64 / self.plan.rate
            }
        };
        if flow.skip > 0 {
            return;
        }
        let elapsed = now - flow.updated;
        flow.updated = now;
        let age = now - flow.since;
        let limit = if age < ROUGH && plugged.converter.is_some() { REALIGN_ROUGH } else { REALIGN };
        let limit = if plugged.converter.is_some() { limit } else { 0.5 / self.plan.rate };
        if error.abs() <= limit {
            flow.wrong_since = None;
        } else if now - *flow.wrong_since.get_or_insert(now) < if error > 0.0 { REALIGN_AFTER } else { STARVING } {
            // What is far off says nothing of the clocks' difference.
            return;
        } else {
            flow.wrong_since = None;
            let frames = (error * plugged.output.rate).round();
            self.status.realigned.fetch_add(1, Ordering::Relaxed);
            flow.fade = SPLICE;
            if frames > 0.0 {
                flow.skip += frames as usize;
                if plugged.converter.is_none() {
                    flow.spliced -= frames as i64;
                }
            } else {
                let silence = (-frames) as usize;
                let channels = self.plan.channels;
                if let Ok(chunk) = plugged.output.frames.write_chunk_uninit(silence * channels) {
                    chunk.fill_from_iter(std::iter::repeat_n(0.0, silence * channels));
                    flow.written += silence as u64;
                    if plugged.converter.is_none() {
                        flow.spliced += silence as i64;
                    }
                }
            }
            return;
        }
        if let Some(converter) = &mut plugged.converter {
            if flow.skip == 0 {
                converter.correct(self.drift.update(error, elapsed.clamp(0.0, 0.1)));
            }
            self.status.drift_ppm.set((self.drift.difference() * 1e6) as f32);
        }
        self.status.error_us.store((error * 1e6) as i32, Ordering::Relaxed);
        if plugged.converter.is_none() || self.drift.is_settled() {
            self.status.worst_error_us.fetch_max((error.abs() * 1e6) as u32, Ordering::Relaxed);
        }
    }

    fn tell(&self) {
        let engine = self.driver.latency() as f64 / self.plan.rate;
        self.status.engine_us.store((engine * 1e6).round() as u32, Ordering::Relaxed);
        let Some(flow) = &self.flow else {
            self.status.delay_us.store(0, Ordering::Relaxed);
            self.status.delay_samples.store(0, Ordering::Relaxed);
            return;
        };
        let rate = self.output.as_ref().map_or(self.plan.rate, |plugged| plugged.output.rate);
        // The target counts from the sound's arrival at the device; callbacks come when a block is full.
        let delay = flow.target + engine - f64::from(self.from.block) / self.plan.rate;
        self.status.delay_us.store((delay * 1e6).round() as u32, Ordering::Relaxed);
        self.status.delay_samples.store((delay * rate).round() as u32, Ordering::Relaxed);
    }
}
