//! The leveller: brings each talker to one loudness, slowly, and only while somebody talks.
//!
//! ```text
//! sound ─▶ K-weighting ─▶ momentary loudness of speech ─▶ recent loudness of speech ─▶ gain
//! ```
//!
//! Loudness is that of BS.1770 over what is speech alone, so pauses, breaths and noise neither raise nor lower
//! it, and the gain holds in them. The gain's slope is bounded; a change of talker is followed within seconds
//! and no syllable is.

use crate::loudness::gate::loudness;
use crate::loudness::weighting::{Section, State, channel_weight, k_weighting};
use crate::processor::Format;
use crate::units::Db;
use std::ops::Range;

/// From one decision to the next, in seconds.
pub const HOP_SECONDS: f32 = 0.01;
/// Hops of a momentary block: 0.4 s (BS.1770-5), the speech in it alone.
const BLOCK: usize = 40;
/// Hops of speech in such a block from which it counts: below, syllables are cut.
const LEAST: u32 = 16;
/// Blocks, one a hop, over which the loudness of a talker is the gated mean: 2 s of speech, about a sentence.
const RECENT: usize = 200;
/// Blocks that are enough to hear that another talker has begun: 0.7 s of speech.
const TURN: usize = 70;
/// So much softer than the talker before is another one, LU: a talker's own sentences differ by less.
const TURN_LU: f64 = 6.0;
/// Blocks so far under the mean do not count, LU (BS.1770-5): a breath or a murmur between sentences.
const GATE_LU: f64 = 10.0;
/// Loudness of a block under which nothing is speech, LUFS (the absolute gate of BS.1770-5).
const FLOOR: f64 = -70.0;
/// The same of one hop, in which a syllable may begin or end.
const HOP_FLOOR: f64 = -90.0;
/// Time in which the gain goes most of the way to where it belongs, in seconds.
const APPROACH: f32 = 0.5;
/// A gain that is off by less than the first rests, dB, since talkers do not keep their loudness more exactly;
/// once it moves it goes on until it is off by less than the second.
const REST: (f32, f32) = (0.7, 0.1);
/// Slope of a rising gain at the slowest and the fastest speed, dB a second.
const RISE: (f32, f32) = (2.0, 12.0);
/// A gain falls so much faster than it rises: too loud is worse than too soft.
const FALL: f32 = 2.0;
/// Until so many hops of speech were heard gains move faster: a programme must not begin at the wrong
/// loudness. 1.5 s.
const START: u32 = 150;
/// How much faster.
const START_SPEED: f32 = 4.0;
/// Probabilities from which speech is heard, and under which it is not any more.
const HEARD: (f32, f32) = (0.6, 0.4);

/// What a leveller is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How far towards the target, 0 to 1.
    pub amount: f32,
    /// Loudness of speech that is wanted, LUFS.
    pub target: f32,
    /// The most that the gain raises.
    pub most: Db,
    /// The most that the gain lowers, positive.
    pub range: Db,
    /// From slow (0) to fast (1).
    pub speed: f32,
}

impl Settings {
    /// Steepest slopes of the gain in dB a second, up and down, once 1.5 s of speech were heard.
    pub fn slopes(&self) -> (f32, f32) {
        let rise = RISE.0 + (RISE.1 - RISE.0) * self.speed.clamp(0.0, 1.0);
        (rise, rise * FALL)
    }
}

/// A ring of the last values.
#[derive(Clone, Debug)]
struct Ring {
    values: Vec<f64>,
    /// Values in all, and those that count.
    count: u64,
    filled: usize,
}

impl Ring {
    fn new(length: usize) -> Self {
        Self { values: vec![0.0; length], count: 0, filled: 0 }
    }

    fn clear(&mut self) {
        (self.count, self.filled) = (0, 0);
    }

    fn push(&mut self, value: f64) {
        let length = self.values.len() as u64;
        self.values[(self.count % length) as usize] = value;
        self.count += 1;
        self.filled = (self.filled + 1).min(self.values.len());
    }

    /// The last `most` values, the newest first.
    fn last(&self, most: usize) -> impl Iterator<Item = f64> {
        let length = self.values.len() as u64;
        (1..=most.min(self.filled) as u64).map(move |back| self.values[((self.count - back) % length) as usize])
    }

    /// Gated mean of the last `most` powers; none where there is none.
    fn mean(&self, most: usize) -> Option<f64> {
        let mean = |gate: f64| {
            let (sum, count) =
                self.last(most).filter(|&power| power >= gate).fold((0.0, 0_u32), |(sum, count), power| (sum + power, count + 1));
            (count > 0).then(|| sum / f64::from(count))
        };
        mean(mean(0.0)? * 10_f64.powf(-GATE_LU / 10.0))
    }
}

/// The leveller of any number of channels, which share their gain.
#[derive(Clone, Debug)]
pub struct Leveller {
    hop: usize,
    weighting: [Section; 2],
    /// Weight and filters, `[channel]`.
    channels: Vec<(f64, [State; 2])>,
    /// Weighted power since the hop began, and its samples.
    power: f64,
    done: usize,
    /// Power of the last hops; those without speech are negative.
    hops: Ring,
    blocks: Ring,
    speaks: bool,
    moves: bool,
    /// Hops of speech so far.
    spoken: u32,
    /// Gain in dB at the end of the present hop, and as factors at its start and end.
    gain: f32,
    from: f32,
    to: f32,
}

impl Leveller {
    /// For a format and a hop of so many samples, 10 ms.
    pub fn new(format: Format, hop: usize) -> Self {
        Self {
            hop: hop.max(1),
            weighting: k_weighting(format.rate.0),
            channels: (0..format.channels).map(|index| (channel_weight(index, format.channels), Default::default())).collect(),
            power: 0.0,
            done: 0,
            hops: Ring::new(BLOCK),
            blocks: Ring::new(RECENT),
            speaks: false,
            moves: false,
            spoken: 0,
            gain: 0.0,
            from: 1.0,
            to: 1.0,
        }
    }

    /// Forgets all history.
    pub fn reset(&mut self) {
        self.channels.iter_mut().for_each(|(_, states)| *states = Default::default());
        (self.power, self.done, self.spoken) = (0.0, 0, 0);
        (self.speaks, self.moves) = (false, false);
        self.hops.clear();
        self.blocks.clear();
        (self.gain, self.from, self.to) = (0.0, 1.0, 1.0);
    }

    /// Gain at the end of the present hop in dB.
    pub fn gain(&self) -> Db {
        Db(self.gain)
    }

    /// Loudness of the present talker before the gain, LUFS; none before speech was heard.
    pub fn loudness(&self) -> Option<f64> {
        self.blocks.mean(RECENT).map(loudness)
    }

    /// Decides on the gain of the next hop, once a hop is complete: `speech` and `hold` say what was heard in
    /// it, the probability of speech and whether something else, music, asks for a gain that stands.
    pub fn hop(&mut self, speech: f32, hold: bool, settings: &Settings) {
        let power = std::mem::take(&mut self.power) / self.done.max(1) as f64;
        self.done = 0;
        self.from = self.to;
        self.speaks = speech > if self.speaks { HEARD.1 } else { HEARD.0 };
        let speaks = self.speaks && !hold && loudness(power) > HOP_FLOOR;
        self.hops.push(if speaks { power } else { -1.0 });
        if !speaks {
            return;
        }
        let (sum, count) =
            self.hops.last(BLOCK).filter(|&power| power >= 0.0).fold((0.0, 0_u32), |(sum, count), power| (sum + power, count + 1));
        let block = sum / f64::from(count.max(1));
        if count < LEAST || loudness(block) < FLOOR {
            return;
        }
        self.spoken = self.spoken.saturating_add(1);
        self.blocks.push(block);
        let (Some(now), Some(turn)) = (self.loudness(), self.blocks.mean(TURN).map(loudness)) else { return };
        let turned = self.blocks.filled > TURN && turn < now - TURN_LU;
        if turned {
            // Somebody softer talks: what the louder one said does not count any more.
            self.blocks.filled = TURN;
        }
        let wanted = (settings.target - if turned { turn } else { now } as f32).clamp(-settings.range.0.max(0.0), settings.most.0.max(0.0));
        self.approach(wanted * settings.amount.clamp(0.0, 1.0), settings);
    }

    /// Goes on towards a gain for one hop.
    fn approach(&mut self, wanted: f32, settings: &Settings) {
        let off = wanted - self.gain;
        self.moves = off.abs() > if self.moves { REST.1 } else { REST.0 };
        if !self.moves {
            return;
        }
        let (mut rise, mut fall) = settings.slopes();
        if self.spoken < START {
            (rise, fall) = (rise * START_SPEED, fall * START_SPEED);
        }
        self.gain += (off / APPROACH).clamp(-fall, rise) * HOP_SECONDS;
        self.to = Db(self.gain).to_linear();
    }

    /// Processes a range of a block in place, `audio[channel][sample]`, that does not reach beyond the hop,
    /// and writes the gain of each sample into `gains`, `[sample]`. Never allocates.
    pub fn process(&mut self, audio: &mut [&mut [f32]], range: Range<usize>, gains: &mut [f32]) {
        let [shelf, high_pass] = self.weighting;
        let length = self.hop as f32;
        for (index, gain) in gains.iter_mut().enumerate().take(range.len()) {
            let along = (self.done + index + 1) as f32 / length;
            *gain = if self.from == self.to { self.to } else { self.from + (self.to - self.from) * along };
        }
        for ((weight, [first, second]), channel) in self.channels.iter_mut().zip(audio) {
            for (sample, gain) in channel[range.clone()].iter_mut().zip(gains.iter()) {
                let y = high_pass.step(second, shelf.step(first, f64::from(*sample)));
                self.power += *weight * y * y;
                *sample *= gain;
            }
        }
        self.done += range.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loudness::Meter;
    use crate::units::Hz;

    const RATE: f64 = 48_000.0;
    const HOP: usize = 480;
    const SETTINGS: Settings = Settings { amount: 1.0, target: -16.0, most: Db(20.0), range: Db(15.0), speed: 0.4 };

    /// Syllables: a buzz of five a second, with a mean level that the caller gives.
    fn syllables(seconds: f32, rms_db: f32) -> Vec<f32> {
        let length = (f64::from(seconds) * RATE) as usize;
        let raw: Vec<f32> = (0..length)
            .map(|n| {
                let t = n as f32 / RATE as f32;
                let swell = 0.5 - 0.5 * (std::f32::consts::TAU * 5.0 * t).cos();
                let buzz: f32 = (1..20).map(|k| (std::f32::consts::TAU * 130.0 * k as f32 * t).sin() / k as f32).sum();
                swell * swell * buzz
            })
            .collect();
        let rms = (raw.iter().map(|x| x * x).sum::<f32>() / length as f32).sqrt();
        raw.iter().map(|x| x * 10_f32.powf(rms_db / 20.0) / rms).collect()
    }

    /// Runs a leveller; gives output and gains in dB at the end of each hop. `heard` says of a hop whether
    /// there is speech.
    fn run(input: &[f32], settings: &Settings, heard: impl Fn(usize) -> f32) -> (Vec<f32>, Vec<f32>) {
        let mut leveller = Leveller::new(Format::new(Hz(RATE), 1).unwrap(), HOP);
        let (mut out, mut gains, mut each) = (input.to_vec(), Vec::new(), [0.0; HOP]);
        for (hop, block) in out.chunks_exact_mut(HOP).enumerate() {
            leveller.process(&mut [block], 0..HOP, &mut each);
            leveller.hop(heard(hop), false, settings);
            gains.push(leveller.gain().0);
        }
        (out, gains)
    }

    fn integrated(samples: &[f32]) -> f32 {
        let mut meter = Meter::new(Format::new(Hz(RATE), 1).unwrap()).unwrap();
        meter.process(&[samples]);
        meter.reading().integrated.unwrap() as f32
    }

    #[test]
    fn speech_comes_to_the_target_from_either_side() {
        for level in [-34.0, -26.0, -16.0, -8.0] {
            let input = syllables(10.0, level);
            let (out, _) = run(&input, &SETTINGS, |_| 1.0);
            let reached = integrated(&out[5 * 48_000..]);
            assert!((reached + 16.0).abs() < 1.0, "{level} dBFS in: {reached} LUFS out, {} in", integrated(&input));
        }
    }

    #[test]
    fn half_the_amount_goes_half_the_way_and_limits_hold() {
        let input = syllables(8.0, -30.0);
        let whole = run(&input, &SETTINGS, |_| 1.0).1[799];
        let half = run(&input, &Settings { amount: 0.5, ..SETTINGS }, |_| 1.0).1[799];
        assert!((half - whole / 2.0).abs() < 2.0 * REST.0, "{half} of {whole}");
        assert_eq!(run(&input, &Settings { amount: 0.0, ..SETTINGS }, |_| 1.0).1[799], 0.0);
        let little = run(&input, &Settings { most: Db(3.0), ..SETTINGS }, |_| 1.0).1;
        assert!(little.iter().all(|&gain| gain <= 3.0) && little[799] > 3.0 - 2.0 * REST.0);
        let loud = syllables(8.0, -4.0);
        let cut = run(&loud, &Settings { range: Db(2.0), ..SETTINGS }, |_| 1.0).1;
        assert!(cut.iter().all(|&gain| gain >= -2.0) && cut[799] < -2.0 + 2.0 * REST.0);
    }

    /// Nothing but speech moves the gain, to the bit: not noise, not a pause, not a breath.
    #[test]
    fn what_is_no_speech_is_never_raised() {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let noise: Vec<f32> = (0..5 * 48_000).map(|_| 0.003 * next()).collect();
        let (out, gains) = run(&noise, &SETTINGS, |_| 0.1);
        assert!(gains.iter().all(|&gain| gain == 0.0) && out == noise);
        // Four seconds of speech, then noise, then speech.
        let mut input = syllables(4.0, -30.0);
        input.extend_from_slice(&noise);
        input.extend(syllables(4.0, -30.0));
        let (_, gains) = run(&input, &SETTINGS, |hop| if (400..900).contains(&hop) { 0.2 } else { 1.0 });
        assert!(gains[400..900].iter().all(|&gain| gain == gains[399]), "the gain moved in a pause");
        assert!(gains[399] > 8.0);
    }

    /// Two talkers 15 dB apart in turns: each comes to the target within three seconds, and the slope of the
    /// gain is never steeper than said.
    #[test]
    fn turns_of_talkers_are_followed_with_a_bounded_slope() {
        let mut input = Vec::new();
        for turn in 0..6 {
            input.extend(syllables(8.0, if turn % 2 == 0 { -20.0 } else { -35.0 }));
        }
        for speed in [0.0, 0.4, 1.0] {
            let settings = Settings { speed, ..SETTINGS };
            let (out, gains) = run(&input, &settings, |_| 1.0);
            let (rise, fall) = settings.slopes();
            let begin = 200;
            let (mut up, mut down) = (0.0_f32, 0.0_f32);
            for pair in gains[begin..].windows(2) {
                up = up.max((pair[1] - pair[0]) / HOP_SECONDS);
                down = down.max((pair[0] - pair[1]) / HOP_SECONDS);
            }
            assert!(up <= rise * 1.001 && down <= fall * 1.001, "{up} and {down} dB/s for {rise} and {fall}");
            println!("speed {speed}: steepest {up:.2} dB/s up, {down:.2} down");
            if speed == 0.4 {
                for turn in 1..6 {
                    let reached = integrated(&out[(turn * 8 + 4) * 48_000..(turn + 1) * 8 * 48_000]);
                    assert!((reached + 16.0).abs() < 1.5, "turn {turn}: {reached} LUFS");
                }
            }
        }
    }

    /// No pumping: within a talker's steady speech the gain comes to rest and does not follow syllables.
    #[test]
    fn syllables_do_not_move_the_gain() {
        let (_, gains) = run(&syllables(12.0, -28.0), &SETTINGS, |_| 1.0);
        let (low, high) = gains[600..].iter().fold((f32::MAX, f32::MIN), |(low, high), &gain| (low.min(gain), high.max(gain)));
        assert!(high - low < 0.3, "{low} to {high} dB");
    }
}
