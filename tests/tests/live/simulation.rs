//! Devices that exist only on paper: their clocks drift, their callbacks come late, they are pulled out and put
//! back. What is played is compared with what went in, frame by frame.

use dsp_core::processor::Observer;
use plainsong_live::engines::Driver;
use plainsong_live::line::{Hatch, Line, Plan, Plugged};
use plainsong_live::port::{self, Capture, Playback};
use plainsong_live::resample::Converter;
use plainsong_live::status::{Link, Status, Values};
use plainsong_tests::random::Random;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Passes everything on, with a delay of a known number of samples.
struct Through(std::collections::VecDeque<f32>);

impl Through {
    fn new(delay: usize) -> Box<Self> {
        Box::new(Self(std::iter::repeat_n(0.0, delay).collect()))
    }
}

impl Driver for Through {
    fn reset(&mut self) {
        self.0.iter_mut().for_each(|sample| *sample = 0.0);
    }

    fn process(&mut self, audio: &mut [&mut [f32]], _: &mut dyn Observer) {
        for sample in audio[0].iter_mut() {
            self.0.push_back(*sample);
            *sample = self.0.pop_front().unwrap_or(0.0);
        }
    }

    fn latency(&self) -> usize {
        self.0.len()
    }

    fn set(&mut self, _: &[f32]) {}

    fn late_frames(&self) -> u64 {
        0
    }

    fn notice(&self) -> Option<&'static str> {
        None
    }
}

/// A device's habits.
#[derive(Clone, Copy)]
struct Device {
    rate: f64,
    /// How fast its clock is, in parts per million.
    ppm: f64,
    /// Slow swing of that, as a quartz that warms and cools: parts per million, over ten minutes.
    swing: f64,
    block: usize,
    /// Largest lateness of a callback in seconds.
    late: f32,
    /// Share of callbacks that are held up, and for how long in seconds.
    held: (f32, f64),
    /// When it starts, in seconds.
    start: f64,
}

const CARD: Device = Device { rate: 48_000.0, ppm: 0.0, swing: 0.0, block: 256, late: 0.000_5, held: (0.000_5, 0.002), start: 0.0 };

/// A device on its way through time: true time of each frame, lateness of each callback.
struct Running {
    device: Device,
    /// Frames so far, and the true time of the next.
    frames: u64,
    time: f64,
    /// When the next callback is called: never before the one before it.
    call: f64,
}

impl Running {
    fn new(device: Device) -> Self {
        Self { device, frames: 0, time: device.start, call: device.start }
    }

    /// True seconds of a block from now on.
    fn span(&self) -> f64 {
        let ppm = self.device.ppm + self.device.swing * (self.time / 600.0 * std::f64::consts::TAU).sin();
        self.device.block as f64 / (self.device.rate * (1.0 + ppm * 1e-6))
    }

    fn schedule(&mut self, due: f64, random: &mut Random) {
        let held = if random.unit() < self.device.held.0 { self.device.held.1 } else { 0.0 };
        self.call = (due + f64::from(random.unit() * self.device.late) + held).max(self.call);
    }
}

/// Both devices, the line between them, and what was heard.
struct World {
    line: Line,
    status: Arc<Status>,
    hatch: Arc<Hatch>,
    plan: Plan,
    capture: Option<Capture>,
    playback: Option<Playback>,
    from: Running,
    to: Running,
    random: Random,
    /// What the input carries at a true time: the time itself, so that each frame tells its age. Folded so
    /// that single precision holds microseconds.
    now: f64,
    /// True delays in seconds, with the time at which they were heard.
    delays: Vec<(f64, f64)>,
    /// Time that the engine's thread needs to wake up, in seconds.
    wake: f64,
}

/// The carrier: a ramp that starts anew each second, from 0.25 to 0.75. The resampler's filter smears the fold,
/// so its surroundings are not looked at.
fn carrier(time: f64) -> f32 {
    (0.25 + 0.5 * time.rem_euclid(1.0)) as f32
}

/// The age of a sample that is heard at a time; none where it tells nothing.
fn age(sample: f32, heard: f64) -> Option<f64> {
    let folded = (f64::from(sample) - 0.25) / 0.5;
    // The fold is heard within the first 80 ms of each second, and its slope reads as any age.
    if !(0.01..0.99).contains(&folded) || heard.rem_euclid(1.0) < 0.08 {
        return None;
    }
    let age = (heard - folded).rem_euclid(1.0);
    (age < 0.5).then_some(age)
}

impl World {
    fn new(from: Device, to: Device, one_clock: bool, delay: usize, seed: u64) -> Self {
        let plan = Plan { channels: 1, rate: from.rate, safety: 0.004, one_clock };
        let (status, hatch) = (Arc::new(Status::default()), Arc::new(Hatch::default()));
        let line = Line::new(plan, Through::new(delay), &[], Arc::new(Values::new(&[])), status.clone(), hatch.clone(), None);
        let mut world = Self {
            line,
            status,
            hatch,
            plan,
            capture: None,
            playback: None,
            from: Running::new(from),
            to: Running::new(to),
            random: Random::for_test(seed),
            now: 0.0,
            delays: Vec::new(),
            wake: 0.000_3,
        };
        world.plug_input();
        world.plug_output();
        world
    }

    fn plug_input(&mut self) {
        let (capture, input) = port::input(self.plan.rate, 1, self.status.captured.clone(), self.status.input.clone(), None, 0);
        assert!(self.hatch.inputs.push(Box::new(input)).is_ok());
        self.capture = Some(capture);
        self.status.input_link.set(Link::Waiting);
    }

    fn plug_output(&mut self) {
        let rate = self.to.device.rate;
        let (playback, output) = port::output(rate, 1, self.status.played.clone(), 0);
        let converter = (!self.plan.one_clock).then(|| Converter::new(self.plan.rate, rate, 1).expect("a converter"));
        assert!(self.hatch.outputs.push(Box::new(Plugged { output, converter })).is_ok());
        self.playback = Some(playback);
        self.status.output_link.set(Link::Waiting);
    }

    /// Runs until a true time.
    fn run(&mut self, until: f64) {
        while self.now < until {
            let input_next = self.from.time + self.from.span();
            let due = input_next.max(self.from.call);
            if due.min(self.to.call.max(self.to.time)) > until {
                self.now = until;
                return;
            }
            if due <= self.to.call.max(self.to.time) {
                self.input_block();
            } else {
                self.output_block();
            }
        }
    }

    fn input_block(&mut self) {
        let (start, span, block) = (self.from.time, self.from.span(), self.from.device.block);
        let end = start + span;
        self.from.schedule(end, &mut self.random);
        let called = self.from.call;
        if let Some(capture) = &mut self.capture {
            capture.block(block, called, |frame, _| carrier(start + span * frame as f64 / block as f64));
        }
        self.from.time = end;
        self.from.frames += block as u64;
        self.now = called;
        // The engine's thread wakes a little later.
        let at = Cell::new(called + self.wake);
        self.line.poll(&|| at.get());
    }

    fn output_block(&mut self) {
        let (start, span, block) = (self.to.time, self.to.span(), self.to.device.block);
        let called = self.to.call.max(start);
        let delays = &mut self.delays;
        if let Some(playback) = &mut self.playback {
            playback.block(block, called, |frame, samples| {
                // Some frames of each block suffice.
                if frame % 64 == 0 {
                    let heard = start + span * frame as f64 / block as f64;
                    if let Some(age) = age(samples[0], heard) {
                        delays.push((heard, age));
                    }
                }
            });
        }
        self.now = called;
        self.to.time = start + span;
        self.to.frames += block as u64;
        let due = self.to.time;
        self.to.schedule(due, &mut self.random);
    }

    /// Shortest and longest delay heard within a time, in seconds, and how many frames tell of it.
    fn heard(&self, from: f64, until: f64) -> (f64, f64, usize) {
        let within = self.delays.iter().filter(|(time, _)| (from..until).contains(time));
        within.fold((f64::INFINITY, 0.0, 0), |(low, high, count), (_, delay)| (low.min(*delay), f64::max(high, *delay), count + 1))
    }

    fn told(&self) -> f64 {
        // From callback to callback; the age counts from the sound's arrival, a block earlier.
        f64::from(self.status.delay_us.load(Ordering::Relaxed)) * 1e-6 + self.from.device.block as f64 / self.plan.rate
    }

    fn dropouts(&self) -> u64 {
        self.status.played.events.load(Ordering::Relaxed)
    }
}

/// An hour between two cards whose clocks differ by 600 ppm, with jitter and hold-ups; and ten minutes between
/// two rates.
#[test]
fn the_delay_is_constant_over_an_hour_of_drift() {
    // A low rate saves the test's time; clocks and callbacks are as at any.
    let slow = Device { rate: 16_000.0, block: 96, ..CARD };
    for (from, to, delay, until) in [
        (Device { ppm: 300.0, swing: 3.0, ..slow }, Device { ppm: -300.0, swing: -2.0, start: 0.013, ..slow }, 320, 3_600.0),
        (Device { ppm: -300.0, block: 441, rate: 44_100.0, ..CARD }, Device { ppm: 300.0, block: 512, start: 0.1, ..CARD }, 0, 600.0),
    ] {
        let mut world = World::new(from, to, false, delay, 7);
        world.run(until);
        let told = world.told();
        let (low, high, count) = world.heard(60.0, until);
        println!(
            "told {:.3} ms, heard {:.3} to {:.3} ms over {count} frames; {:.1} ppm; in the first minute {:?}",
            told * 1e3,
            low * 1e3,
            high * 1e3,
            world.status.drift_ppm.get(),
            world.heard(1.0, 60.0)
        );
        assert!(count > 100_000);
        assert_eq!(world.dropouts(), 0);
        // Lateness of callbacks is a quarter of a millisecond in the mean and the same on both sides.
        let sample = 1.0 / 48_000.0;
        assert!(high - low < 3.0 * sample, "the delay moved by {} us", (high - low) * 1e6);
        assert!((0.5 * (high + low) - told).abs() < 3.0 * sample, "told {told}, heard {low} to {high}");
        let ppm = (1.0 + to.ppm * 1e-6) / (1.0 + from.ppm * 1e-6) * 1e6 - 1e6;
        assert!((f64::from(world.status.drift_ppm.get()) - ppm).abs() < 15.0);
        let (early_low, early_high, _) = world.heard(3.0, 60.0);
        assert!(early_high - early_low < 0.002_5, "while the clocks are learnt: {early_low} to {early_high}");
        assert_eq!(world.status.started.load(Ordering::Relaxed), 1);
    }
}

/// One clock: no resampling, the very bits, and a delay that is right to the sample.
#[test]
fn with_one_clock_the_delay_is_exact() {
    for block in [64, 256, 512, 1_024] {
        let card = Device { block, late: 0.000_3, ..CARD };
        let mut world = World::new(card, card, true, 480, 11);
        world.run(120.0);
        let told = world.told();
        let (low, high, count) = world.heard(2.0, 120.0);
        assert!(count > 50_000 && world.dropouts() == 0, "{count} frames, {} drop-outs at {block}", world.dropouts());
        assert!((low - told).abs() < 0.5e-6 + 1e-6 && (high - told).abs() < 1.5e-6, "told {told}, heard {low} to {high} at {block}");
        let slack = block as u64 * (0.004 * 48_000.0 / block as f64).ceil() as u64;
        assert_eq!(u64::from(world.status.delay_samples.load(Ordering::Relaxed)), slack + 480);
    }
}

/// Either device is pulled out, and comes back: sound flows again with the same delay.
#[test]
fn a_device_that_comes_back_has_the_same_delay() {
    let (from, to) = (Device { ppm: 100.0, ..CARD }, Device { ppm: -100.0, start: 0.02, ..CARD });
    let mut world = World::new(from, to, false, 0, 3);
    world.run(60.0);
    let told = world.told();
    assert!(told > 0.0);
    let (dropouts, frames) = (world.dropouts(), world.status.frames.load(Ordering::Relaxed));
    assert_eq!(dropouts, 0);
    // The output goes; the engine goes on, as for a recording.
    world.playback = None;
    world.run(70.0);
    assert!(world.status.frames.load(Ordering::Relaxed) > frames + 9 * 48_000);
    assert_eq!(world.status.delay_us.load(Ordering::Relaxed), 0);
    assert_eq!(world.status.output_link.get(), Link::Waiting);
    world.plug_output();
    world.run(140.0);
    let (low, high, _) = world.heard(110.0, 140.0);
    assert!((low - told).abs() < 1e-4 && (high - told).abs() < 1e-4, "{told}: {low} to {high}");
    // The input goes: silence, which is no drop-out.
    world.capture = None;
    world.run(150.0);
    assert_eq!(world.heard(141.0, 150.0).2, 0);
    assert_eq!(world.status.input_link.get(), Link::Waiting);
    world.plug_input();
    world.run(220.0);
    let (low, high, _) = world.heard(190.0, 220.0);
    assert!((low - told).abs() < 1e-4 && (high - told).abs() < 1e-4, "{told}: {low} to {high}");
    assert_eq!(world.status.started.load(Ordering::Relaxed), 3);
    // What was in the ring when the input went ran out once.
    assert!(world.dropouts() <= dropouts + 100, "{}", world.dropouts());
}

/// A device loses blocks without a word: the delay is found out and set right.
#[test]
fn lost_blocks_do_not_stay_in_the_delay() {
    for one_clock in [true, false] {
        let mut world = World::new(CARD, CARD, one_clock, 0, 5);
        world.run(60.0);
        let told = world.told();
        // The input stands still for three blocks, and what came in that time is lost.
        world.from.time += 3.0 * world.from.span();
        world.from.call = world.from.time;
        world.run(120.0);
        let (low, high, _) = world.heard(118.0, 120.0);
        assert!((low - told).abs() < 2e-4 && (high - told).abs() < 2e-4, "{told}: {low} to {high}, one clock: {one_clock}");
        assert!(world.status.realigned.load(Ordering::Relaxed) <= 2);
        assert!((1..=30).contains(&world.dropouts()), "{} drop-outs", world.dropouts());
    }
}

/// The engine's thread is held up: what is late is left out, and the delay stays.
#[test]
fn a_hold_up_of_the_engine_costs_a_drop_out_and_no_delay() {
    let mut world = World::new(CARD, CARD, true, 0, 9);
    world.run(10.0);
    let told = world.told();
    // For 100 ms the input's callbacks come and the engine does not.
    let capture = world.capture.take();
    let (mut held, start) = (capture.expect("an input"), world.from.time);
    for block in 0..19 {
        let at = start + block as f64 * 256.0 / 48_000.0;
        held.block(256, at + 256.0 / 48_000.0, |frame, _| carrier(at + frame as f64 / 48_000.0));
    }
    let until = start + 19.0 * 256.0 / 48_000.0;
    while world.to.time < until {
        world.output_block();
    }
    world.from.time = until;
    world.from.call = until;
    world.capture = Some(held);
    world.run(20.0);
    assert!(world.dropouts() > 0, "the hold-up was counted");
    assert_eq!(world.status.held_up.load(Ordering::Relaxed), world.dropouts(), "the engine had next to nothing to do");
    let (low, high, count) = world.heard(12.0, 20.0);
    assert!(count > 4_000 && (low - told).abs() < 2e-6 && (high - told).abs() < 2e-6, "{told}: {low} to {high}");
    assert!(world.status.realigned.load(Ordering::Relaxed) <= 1);
}
