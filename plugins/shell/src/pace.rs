//! Tells a live host from a bounce by the clock.
//!
//! In VST3, nice-plug 0.4.2 hands out the process mode of the `setupProcessing` before the last one
//! (its defect 5), so a bounce may look like live sound. An engine that lets late frames pass dry
//! would then make the bounce depend on the machine's load. The clock cannot be wrong: audio that
//! comes faster than it plays is a bounce, whatever the host says.

use std::time::Instant;

/// Audio per measurement, in seconds.
const WINDOW: f64 = 0.25;
/// Wall-clock time per audio time from which the pace counts as live. Below 1 because hosts run a
/// little ahead of the sound card.
const LIVE: f64 = 0.7;

/// Compares the audio that came with the time that passed.
#[derive(Debug, Default)]
pub struct Pace {
    started: Option<Instant>,
    audio: f64,
    live: bool,
}

impl Pace {
    /// Forgets what was measured; until the first window is full the pace counts as a bounce, in
    /// which nothing is ever late.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Counts a block of `seconds` of audio that came at `now`. True when audio comes at the pace at
    /// which it is heard.
    pub fn block(&mut self, seconds: f64, now: Instant) -> bool {
        let started = *self.started.get_or_insert(now);
        if self.audio >= WINDOW {
            let wall = now.saturating_duration_since(started).as_secs_f64();
            self.live = wall >= LIVE * self.audio;
            self.started = Some(now);
            self.audio = 0.0;
        }
        self.audio += seconds;
        self.live
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn run(pace: &mut Pace, wall_per_audio: f64) -> bool {
        let start = Instant::now();
        let block = 0.01;
        (0..100).map(|i| pace.block(block, start + Duration::from_secs_f64(f64::from(i) * block * wall_per_audio))).last().unwrap_or(false)
    }

    #[test]
    fn a_bounce_is_not_live_and_a_sound_card_is() {
        let mut pace = Pace::default();
        assert!(!run(&mut pace, 0.1));
        pace.reset();
        assert!(run(&mut pace, 1.0));
        pace.reset();
        assert!(run(&mut pace, 1.5), "a struggling machine is still live");
        assert!(!run(&mut pace, 0.2), "a bounce after live sound");
    }
}
