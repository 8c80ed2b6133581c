//! How much louder a master is than what came in, and the gain that makes both alike.

use crate::loudness::weighting::{Section, State, channel_weight, k_weighting};
use crate::processor::Format;
use crate::ramp::Ramp;
use crate::units::{Db, Ms};

/// Powers are compared so often.
const STEP: Ms = Ms(10.0);
/// Time over which powers are remembered, in seconds: longer than a phrase, shorter than a verse.
const MEMORY: f64 = 6.0;
/// What is known of older settings counts as so much time once they change, in seconds: the new ones soon
/// speak for themselves.
const KEPT: f64 = 0.1;
/// Weighted mean power under which nothing is compared: the absolute gate of BS.1770, -70 LUFS.
const SILENCE: f64 = 1.172e-7;
/// The most that loudness is matched by, down and up: no master is further from its mix, and more gain up
/// would be a danger when settings change.
const MOST: (Db, Db) = (Db(-40.0), Db(20.0));
/// Time over which the gain moves: it is where it was to be when the next step ends.
const MOVE: Ms = STEP;

/// Compares the delayed input with the master.
#[derive(Debug)]
pub struct Compare {
    weighting: [Section; 2],
    weights: Vec<f64>,
    /// `[input, master][channel]`.
    states: [Vec<[State; 2]>; 2],
    step: usize,
    filled: usize,
    /// Weighted powers since the step began, and those remembered: input, master.
    now: [f64; 2],
    past: [f64; 2],
    /// Time that is remembered, in seconds.
    seconds: f64,
    /// Power of the master over the input's where nothing is remembered.
    guess: f64,
    gain: Ramp,
    matched: bool,
}

impl Compare {
    /// For a format.
    pub fn new(format: Format) -> Self {
        let states = vec![[State::default(); 2]; format.channels];
        Self {
            weighting: k_weighting(format.rate.0),
            weights: (0..format.channels).map(|channel| channel_weight(channel, format.channels)).collect(),
            states: [states.clone(), states],
            step: STEP.to_samples(format.rate).max(1),
            filled: 0,
            now: [0.0; 2],
            past: [0.0; 2],
            seconds: 0.0,
            guess: 1.0,
            gain: Ramp::new(MOVE, format.rate),
            matched: false,
        }
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.states.iter_mut().flatten().for_each(|state| *state = Default::default());
        (self.filled, self.now, self.past, self.seconds, self.guess) = (0, [0.0; 2], [0.0; 2], 0.0, 1.0);
        self.gain.reset();
    }

    /// Power of the master over the input's.
    fn ratio(&self) -> f64 {
        if self.past[0] > 0.0 { self.past[1] / self.past[0] } else { self.guess }
    }

    /// How much louder the master is, in LU.
    pub fn louder(&self) -> f32 {
        (10.0 * self.ratio().max(1e-12).log10()) as f32
    }

    /// Before a piece: whether to match, whether the settings have changed, and by how much the gains that
    /// are known beforehand have.
    pub fn read(&mut self, matched: bool, changed: bool, by: Db) {
        if changed {
            let keep = if self.seconds > KEPT { KEPT / self.seconds } else { 1.0 };
            let change = f64::from(by.to_linear()).powi(2);
            self.guess = self.ratio() * change;
            self.past = [self.past[0] * keep, self.past[1] * keep * change];
            self.seconds *= keep;
        }
        if changed || matched != self.matched {
            self.matched = matched;
            self.aim();
        }
    }

    fn aim(&mut self) {
        let gain = (1.0 / self.ratio().max(1e-12)).sqrt() as f32;
        self.gain.set(if self.matched { gain.clamp(MOST.0.to_linear(), MOST.1.to_linear()) } else { 1.0 });
    }

    /// Compares a piece of the delayed input with the master, and with `count` remembers it; gives the
    /// gain of each sample to `gains`.
    pub fn process(&mut self, dry: &[Vec<f32>], master: &[&mut [f32]], count: bool, gains: &mut [f32]) {
        let [shelf, high_pass] = self.weighting;
        for (index, gain) in gains.iter_mut().enumerate() {
            *gain = self.gain.step();
            for (channel, &weight) in self.weights.iter().enumerate() {
                for (side, sample) in [dry[channel][index], master[channel][index]].into_iter().enumerate() {
                    let [first, second] = &mut self.states[side][channel];
                    let y = high_pass.step(second, shelf.step(first, f64::from(sample)));
                    self.now[side] += weight * y * y;
                }
            }
            self.filled += 1;
            if self.filled == self.step {
                self.end(count);
            }
        }
    }

    /// Ends a step.
    fn end(&mut self, count: bool) {
        self.filled = 0;
        let now = std::mem::take(&mut self.now);
        if count && now[0] > SILENCE * self.step as f64 && now.iter().all(|power| power.is_finite()) {
            let time = f64::from(STEP.0) / 1_000.0;
            let keep = (-time / MEMORY).exp();
            for (past, now) in self.past.iter_mut().zip(now) {
                *past = *past * keep + now;
            }
            self.seconds = self.seconds * keep + time;
            if self.matched {
                self.aim();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Hz;

    const RATE: f64 = 48_000.0;

    fn tone(length: usize, gain: f32) -> Vec<Vec<f32>> {
        (0..2).map(|channel| (0..length).map(|n| gain * ((n + 31 * channel) as f32 * 0.05).sin()).collect()).collect()
    }

    fn run(compare: &mut Compare, length: usize, gain: f32) -> f32 {
        let (dry, mut master) = (tone(length, 0.1), tone(length, 0.1 * gain));
        let mut gains = vec![0.0; length];
        let slices: Vec<&mut [f32]> = master.iter_mut().map(Vec::as_mut_slice).collect();
        compare.process(&dry, &slices, true, &mut gains);
        gains[length - 1]
    }

    #[test]
    fn louder_masters_are_turned_down_by_what_they_are_louder() {
        let mut compare = Compare::new(Format { rate: Hz(RATE), channels: 2 });
        compare.read(false, true, Db(0.0));
        assert_eq!(run(&mut compare, 48_000, 2.0), 1.0, "not asked for");
        assert!((compare.louder() - 6.02).abs() < 0.05, "{}", compare.louder());
        compare.read(true, false, Db(0.0));
        assert!((run(&mut compare, 4_800, 2.0) - 0.5).abs() < 0.005);
    }

    /// At the moment of a change what is known of it counts, and within a second what is heard.
    #[test]
    fn a_change_is_matched_at_once() {
        let mut compare = Compare::new(Format { rate: Hz(RATE), channels: 2 });
        compare.read(true, true, Db(0.0));
        run(&mut compare, 240_000, 2.0);
        compare.read(true, true, Db(6.0206));
        let soon = run(&mut compare, 1_000, 4.0);
        assert!((soon - 0.25).abs() < 0.01, "{soon}");
        // The limiter took what the drive gave.
        compare.read(true, true, Db(6.0206));
        let later = run(&mut compare, 96_000, 4.0);
        assert!((20.0 * (later / 0.25).log10()).abs() < 0.8, "{later}");
    }

    #[test]
    fn silence_says_nothing() {
        let mut compare = Compare::new(Format { rate: Hz(RATE), channels: 2 });
        compare.read(true, true, Db(0.0));
        run(&mut compare, 48_000, 2.0);
        let before = compare.louder();
        let (dry, mut master) = (tone(96_000, 0.0), tone(96_000, 0.1));
        let slices: Vec<&mut [f32]> = master.iter_mut().map(Vec::as_mut_slice).collect();
        compare.process(&dry, &slices, true, &mut vec![0.0; 96_000]);
        assert!((compare.louder() - before).abs() < 0.2);
    }
}
