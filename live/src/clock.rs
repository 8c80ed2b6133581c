//! A device's clock, seen through the times at which its callbacks come.
//!
//! Callbacks come late by a varying amount; the frames they bring are counted exactly. A delay-locked loop
//! draws a smooth line through the pairs of frame and time (F. Adriaensen, "Using a DLL to filter time",
//! Linux Audio Conference 2005).

use std::f64::consts::{SQRT_2, TAU};

/// Bandwidth of the loop just after its start, in hertz.
const START_HZ: f64 = 1.0;
/// Bandwidth once it has settled, in hertz: callback jitter of half a millisecond moves the line by some
/// microseconds, and a quartz that warms up is still followed.
const SETTLED_HZ: f64 = 0.05;
/// Time over which the bandwidth narrows, in seconds.
const NARROWING: f64 = 10.0;
/// Largest error that one callback may tell, in seconds. Hold-ups of a loaded machine are rare and long, and
/// would pull the line far off.
const BELIEVED: f64 = 0.000_5;
/// An error beyond this, in seconds, may be a jump: the device lost a block, or stood still.
const JUMP: f64 = 0.001;
/// Callbacks in a row that must agree on a jump, and the time that they must span in seconds, before it is
/// believed. A hold-up is over sooner.
const AGREED: u32 = 8;
/// See [`AGREED`].
const AGREED_TIME: f64 = 0.15;
/// A gap without callbacks from which the line starts anew at once, in seconds.
const GAP: f64 = 0.5;
/// Callbacks before the line says anything.
const FEWEST: u32 = 8;
/// Time before the line says anything, in seconds.
const SHORTEST: f64 = 0.25;

/// The line from frames to seconds of one device.
#[derive(Clone, Debug)]
pub struct Clock {
    nominal: f64,
    /// Seconds of a frame.
    period: f64,
    frame: u64,
    time: f64,
    /// When the line began.
    began: f64,
    seen: u32,
    suspects: u32,
    suspected: f64,
    suspected_since: f64,
    jumps: u64,
}

impl Clock {
    /// A clock of a device with this nominal rate in hertz.
    pub fn new(rate: f64) -> Self {
        let nominal = 1.0 / rate;
        Self {
            nominal,
            period: nominal,
            frame: 0,
            time: 0.0,
            began: 0.0,
            seen: 0,
            suspects: 0,
            suspected: 0.0,
            suspected_since: 0.0,
            jumps: 0,
        }
    }

    /// A callback at which the device stood at `frame`, at `time` in seconds of the machine's clock.
    pub fn tick(&mut self, frame: u64, time: f64) {
        if self.seen == 0 {
            self.begin(frame, time);
            return;
        }
        let frames = frame.saturating_sub(self.frame);
        if frames == 0 {
            return;
        }
        let step = frames as f64 * self.period;
        let error = time - (self.time + step);
        if error.abs() > GAP {
            self.jumps += 1;
            self.begin(frame, time);
            return;
        }
        if self.doubt(error, time) {
            // The rate is the device's own and stays; only the line moves.
            self.jumps += 1;
            (self.frame, self.time, self.suspects) = (frame, time, 0);
            return;
        }
        let error = error.clamp(-BELIEVED, BELIEVED);
        let settled = ((time - self.began) / NARROWING).clamp(0.0, 1.0);
        let bandwidth = START_HZ * (SETTLED_HZ / START_HZ).powf(settled);
        let omega = (TAU * bandwidth * step).min(0.5);
        self.time += step + SQRT_2 * omega * error;
        self.period += omega * omega * error / frames as f64;
        // No sound device is off by more than a percent; a loop that thinks so is misled.
        self.period = self.period.clamp(0.99 * self.nominal, 1.01 * self.nominal);
        self.frame = frame;
        self.seen = self.seen.saturating_add(1);
    }

    fn begin(&mut self, frame: u64, time: f64) {
        (self.frame, self.time, self.began, self.seen, self.suspects) = (frame, time, time, 1, 0);
    }

    /// True when so many callbacks have said the same that the device must have jumped.
    fn doubt(&mut self, error: f64, time: f64) -> bool {
        // While the loop is young its own error may be as large.
        if error.abs() < JUMP || !self.is_ready() {
            self.suspects = 0;
            return false;
        }
        if self.suspects == 0 || (error - self.suspected).abs() > 0.5 * error.abs().max(self.suspected.abs()) {
            (self.suspects, self.suspected, self.suspected_since) = (0, error, time);
        }
        self.suspects += 1;
        self.suspects >= AGREED && time - self.suspected_since >= AGREED_TIME
    }

    /// True when enough callbacks have come for [`Clock::time`] to mean something.
    pub fn is_ready(&self) -> bool {
        self.seen >= FEWEST && self.time - self.began >= SHORTEST
    }

    /// Forgets the line, but not the device's rate.
    pub fn restart(&mut self) {
        (self.seen, self.suspects) = (0, 0);
    }

    /// When the device stood, or will stand, at a frame (which may be a fraction), in seconds.
    pub fn time(&self, frame: f64) -> f64 {
        self.time + (frame - self.frame as f64) * self.period
    }

    /// At which frame the device stands at a time.
    pub fn frame(&self, time: f64) -> f64 {
        self.frame as f64 + (time - self.time) / self.period
    }

    /// Rate of the device in hertz, as the machine's clock sees it.
    pub fn rate(&self) -> f64 {
        1.0 / self.period
    }

    /// How often the device jumped.
    pub fn jumps(&self) -> u64 {
        self.jumps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Even numbers from 0 to 1 (Numerical Recipes' linear congruential generator).
    struct Random(u32);

    impl Random {
        fn unit(&mut self) -> f32 {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as f32 / (1 << 24) as f32
        }
    }

    /// Callbacks of a device that is off by `ppm`, late by up to `late` seconds, and held up by 8 ms now and then.
    fn run(clock: &mut Clock, random: &mut Random, from: u64, until: u64, ppm: f64, late: f32) -> f64 {
        let rate = 48_000.0 * (1.0 + ppm * 1e-6);
        let mut worst = 0.0_f64;
        for frame in (from..until).step_by(256) {
            let true_time = frame as f64 / rate;
            let held = if random.unit() < 0.002 { 0.008 } else { 0.0 };
            clock.tick(frame, true_time + f64::from(random.unit() * late + held));
            if frame > from + 60 * 48_000 {
                worst = worst.max((clock.time(frame as f64) - true_time - f64::from(late) / 2.0).abs());
            }
        }
        worst
    }

    #[test]
    fn a_line_is_drawn_through_jitter() {
        let mut random = Random(1);
        for ppm in [-300.0, 0.0, 300.0] {
            let mut clock = Clock::new(48_000.0);
            let worst = run(&mut clock, &mut random, 0, 300 * 48_000, ppm, 0.001);
            assert!(worst < 60e-6, "{worst} s at {ppm} ppm");
            assert!((clock.rate() / 48_000.0 - 1.0 - ppm * 1e-6).abs() < 15e-6, "{} Hz at {ppm} ppm", clock.rate());
            assert_eq!(clock.jumps(), 0);
            assert!((clock.frame(clock.time(1e6)) - 1e6).abs() < 1e-3);
        }
    }

    #[test]
    fn a_lost_block_is_seen_as_a_jump_and_a_hold_up_is_not() {
        let mut random = Random(2);
        let mut clock = Clock::new(48_000.0);
        run(&mut clock, &mut random, 0, 30 * 48_000, 0.0, 0.000_2);
        // The device lost 512 frames: from now on each frame comes 10.7 ms later.
        for frame in (30 * 48_000..40 * 48_000).step_by(256) {
            clock.tick(frame, (frame + 512) as f64 / 48_000.0);
        }
        assert_eq!(clock.jumps(), 1);
        assert!((clock.time(48_000.0 * 40.0) - 40.0 - 512.0 / 48_000.0).abs() < 100e-6);
        // One callback, half a second late, with the frames that belong to that time.
        clock.tick(41 * 48_000, 41.0 + 512.0 / 48_000.0 + 0.1);
        assert_eq!(clock.jumps(), 1);
    }
}
