//! The tone: six broad bands that bring a voice's balance towards that of spoken voices, slowly, from speech
//! alone.
//!
//! The target is the long-term average spectrum of speech that D. Byrne et al. measured over twelve languages
//! ("An international comparison of long-term average speech spectra", JASA 96, 1994, table II, men and women
//! together). Voices differ from it and shall: only what lies outside of the usual spread of voices is moved,
//! and by a few decibels.

use super::stages::BANDS;
use crate::filters::{self, Band, Equaliser, Shape};
use crate::processor::{Error, Format, Processor};
use crate::units::{Db, Hz};

/// Edges of the bands in hertz: body, warmth, vowels, clarity, presence, air.
const EDGES: [f32; BANDS + 1] = [89.0, 178.0, 447.0, 1_122.0, 2_818.0, 7_079.0, 14_130.0];
/// Levels of speech by third of an octave from 100 Hz to 12.5 kHz in dB (Byrne et al.).
const THIRDS: [f32; 22] =
    [54.4, 57.7, 56.8, 60.2, 60.3, 59.0, 62.1, 62.1, 60.5, 56.8, 53.7, 53.0, 52.0, 48.7, 48.1, 46.8, 45.6, 44.5, 44.3, 43.7, 43.4, 41.3];
/// First third of each band, and the end.
const FIRST: [usize; BANDS + 1] = [0, 3, 7, 11, 15, 19, 22];
/// How far the bands of single voices lie from the mean without anything being wrong, dB: in the lowest by
/// the pitch, in the highest by the breath of a voice, between by vowels and the distance of the microphone.
const SPREAD: [f32; BANDS] = [6.0, 3.0, 2.5, 2.5, 3.0, 5.0];
/// Share of what lies outside that is moved: the rest is the voice's own.
const SHARE: f32 = 0.75;
/// A band so far under the target holds no voice (a telephone's top); raising it raises noise, so it is left.
const ABSENT: f32 = -18.0;
/// Over so many dB before that, raising fades.
const ABSENT_FADE: f32 = 6.0;
/// What *bright* adds to the target at its full setting in each band, as a share of its dB.
const BRIGHT: [f32; BANDS] = [-0.5, -0.6, -0.2, 0.2, 0.7, 1.0];
/// How each band is moved: shape, place and width.
const MOVES: [(Shape, f64, f32); BANDS] = [
    (Shape::LowShelf, 150.0, 0.71),
    (Shape::Bell, 290.0, 0.9),
    (Shape::Bell, 700.0, 0.8),
    (Shape::Bell, 1_780.0, 0.8),
    (Shape::Bell, 4_400.0, 0.8),
    (Shape::HighShelf, 8_000.0, 0.71),
];
/// Time over which a voice's balance is taken, in seconds of speech.
const MEMORY: f32 = 6.0;
/// Speech that must be heard before anything moves, in seconds.
const LEAST: f32 = 1.0;
/// Moves are reconsidered so often, in hops of 10 ms, whether anybody speaks or not.
const EVERY: u32 = 50;
/// The most that a band moves each time, dB: 1 dB a second.
const STEP: f32 = 0.5;
/// Moves are whole multiples of this, dB: filters rest most of the time.
const GRAIN: f32 = 0.1;
/// Duration of a hop in seconds.
const HOP: f32 = 0.01;
/// Highest share of half the rate at which a band's edge makes sense.
const TOP: f32 = 0.95;

/// What the tone is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How far towards the target, 0 to 1.
    pub amount: f32,
    /// The most that a band moves, either way.
    pub range: Db,
    /// Brighter or, below 0, darker than the target, in dB at the top.
    pub bright: Db,
}

/// Levels of the target's bands in dB, relative to their own mean.
fn target() -> [f32; BANDS] {
    relative(&std::array::from_fn(|band| {
        let sum: f32 = THIRDS[FIRST[band]..FIRST[band + 1]].iter().map(|db| 10_f32.powf(db / 10.0)).sum();
        10.0 * sum.log10()
    }))
}

/// Levels relative to the mean of the four inner bands, which every voice and every line has.
fn relative(levels: &[f32; BANDS]) -> [f32; BANDS] {
    let mean = levels[1..5].iter().sum::<f32>() / 4.0;
    levels.map(|level| level - mean)
}

/// The tone of one voice.
#[derive(Debug)]
pub struct Tone {
    equaliser: Equaliser,
    target: [f32; BANDS],
    /// Bands that the rate holds.
    held: [bool; BANDS],
    /// Mean power of the voice by band, and the seconds of speech it stands for.
    voice: [f32; BANDS],
    seconds: f32,
    hops: u32,
    moves: [f32; BANDS],
    settings: filters::Settings,
}

impl Tone {
    /// For a format.
    ///
    /// # Errors
    /// When the format is out of range.
    pub fn new(format: Format) -> Result<Self, Error> {
        let mut equaliser = Equaliser::new();
        equaliser.prepare(format)?;
        let mut settings = filters::Settings::default();
        for (band, (shape, hz, q)) in settings.bands.iter_mut().zip(MOVES) {
            *band = Band { on: true, shape, frequency: Hz(hz), q, ..Band::default() };
        }
        let half = format.rate.0 as f32 / 2.0;
        Ok(Self {
            equaliser,
            target: target(),
            held: std::array::from_fn(|band| EDGES[band + 1] < half * TOP),
            voice: [0.0; BANDS],
            seconds: 0.0,
            hops: 0,
            moves: [0.0; BANDS],
            settings,
        })
    }

    /// Forgets the voice and the sound.
    pub fn reset(&mut self) {
        self.equaliser.reset();
        (self.voice, self.seconds, self.hops, self.moves) = ([0.0; BANDS], 0.0, 0, [0.0; BANDS]);
        self.write();
    }

    /// Gains of the bands in dB, from the lowest.
    pub fn moves(&self) -> [f32; BANDS] {
        self.moves
    }

    /// Takes in a hop: powers of the clean voice by bin, `[bin]`, as `powers` gives them, and whether it is speech.
    pub fn hop(&mut self, power: impl Fn(usize) -> f32, bins: usize, bin_hz: f32, speaks: bool, settings: &Settings) {
        if speaks {
            self.seconds = (self.seconds + HOP).min(MEMORY);
            // A plain mean at first, then one that forgets.
            let new = HOP / self.seconds;
            for (band, mean) in self.voice.iter_mut().enumerate() {
                let [from, to] = [EDGES[band], EDGES[band + 1]].map(|hz| ((hz / bin_hz).round() as usize).min(bins));
                let sum: f32 = (from..to).map(&power).sum();
                *mean += (sum - *mean) * new;
            }
        }
        self.hops += 1;
        if self.hops >= EVERY {
            self.hops = 0;
            self.decide(settings);
        }
    }

    /// Moves each band a step towards where it belongs.
    fn decide(&mut self, settings: &Settings) {
        let mut wanted = [0.0; BANDS];
        if self.seconds >= LEAST && self.voice[1..4].iter().all(|&power| power > 0.0) {
            wanted = wanted_moves(&self.voice, &self.target, &self.held, settings);
        }
        for (now, wanted) in self.moves.iter_mut().zip(wanted) {
            let next = *now + (wanted - *now).clamp(-STEP, STEP);
            *now = (next / GRAIN).round() * GRAIN;
        }
        self.write();
    }

    fn write(&mut self) {
        for (band, gain) in self.settings.bands.iter_mut().zip(self.moves) {
            band.gain = Db(gain);
        }
    }

    /// Processes a block in place, `audio[channel][sample]`. Never allocates.
    pub fn process(&mut self, audio: &mut [&mut [f32]]) {
        self.equaliser.process(audio, &self.settings, &mut ());
    }
}

/// Where the bands belong: what of a voice's balance lies outside of the usual, in part and within bounds.
fn wanted_moves(voice: &[f32; BANDS], target: &[f32; BANDS], held: &[bool; BANDS], settings: &Settings) -> [f32; BANDS] {
    let levels = voice.map(|power| 10.0 * power.max(1e-20).log10());
    let has = relative(&levels);
    let range = settings.range.0.max(0.0);
    std::array::from_fn(|band| {
        if !held[band] {
            return 0.0;
        }
        let bright = BRIGHT[band] * settings.bright.0;
        let off = has[band] - target[band];
        let outside = (off.abs() - SPREAD[band]).max(0.0) * off.signum();
        let mut gain = (bright - SHARE * outside).clamp(-range, range) * settings.amount.clamp(0.0, 1.0);
        if gain > 0.0 {
            gain *= ((off - ABSENT) / ABSENT_FADE).clamp(0.0, 1.0);
        }
        gain
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings { amount: 1.0, range: Db(4.0), bright: Db(0.0) };

    /// A voice with the target's balance, changed in dB by band.
    fn voice(changes: [f32; BANDS]) -> [f32; BANDS] {
        let target = target();
        std::array::from_fn(|band| 10_f32.powf((target[band] + changes[band] - 40.0) / 10.0))
    }

    fn moves(changes: [f32; BANDS], settings: &Settings) -> [f32; BANDS] {
        wanted_moves(&voice(changes), &target(), &[true; BANDS], settings)
    }

    /// Byrne's spectrum falls by some 14 dB from the vowels to the presence.
    #[test]
    fn the_target_is_that_of_speech() {
        let target = target();
        assert!((target[2] - target[4] - 14.0).abs() < 1.0, "{target:?}");
        assert!(target[1] > 5.0 && target[5] < -8.0, "{target:?}");
    }

    #[test]
    fn a_usual_voice_is_left_alone_and_an_unusual_one_moved_in_part_and_within_bounds() {
        assert_eq!(moves([0.0; BANDS], &SETTINGS), [0.0; BANDS]);
        assert_eq!(moves([5.0, 1.0, -1.0, 1.0, -1.0, 4.0], &SETTINGS), [0.0; BANDS]);
        let boomy = moves([12.0, 5.0, 0.0, -1.0, -4.0, -6.0], &SETTINGS);
        assert!(boomy[0] < -3.0 && boomy[1] < -0.5 && boomy[4] > 0.3, "{boomy:?}");
        let extreme = moves([30.0, 20.0, -10.0, 0.0, -10.0, -12.0], &SETTINGS);
        assert!(extreme.iter().all(|gain| gain.abs() <= 4.0), "{extreme:?}");
        let half = moves([30.0, 20.0, -10.0, 0.0, -10.0, -12.0], &Settings { amount: 0.5, ..SETTINGS });
        assert!(half.iter().zip(extreme).all(|(half, whole)| (half - whole / 2.0).abs() < 1e-6));
    }

    /// The top of a telephone line holds no voice: raising it would raise noise.
    #[test]
    fn what_is_not_there_is_not_raised() {
        let phone = moves([-25.0, 0.0, 0.0, 0.0, 0.0, -40.0], &SETTINGS);
        assert_eq!((phone[0], phone[5]), (0.0, 0.0));
        let bright = moves([0.0; BANDS], &Settings { bright: Db(3.0), ..SETTINGS });
        assert!(bright[5] == 3.0 && bright[1] < -1.0, "{bright:?}");
        let telephone = Tone::new(Format::new(Hz(8_000.0), 1).unwrap()).unwrap();
        assert_eq!(telephone.held, [true, true, true, true, false, false]);
    }

    /// Only speech teaches it, and it moves by no more than a decibel a second.
    #[test]
    fn it_moves_slowly_and_learns_from_speech_alone() {
        let mut tone = Tone::new(Format::new(Hz(48_000.0), 1).unwrap()).unwrap();
        // As many bins as make 25 Hz wide bands: the power of each bin is its band's share.
        let powers = voice([12.0, 6.0, 0.0, 0.0, -6.0, -6.0]);
        let power = |bin: usize| {
            let hz = bin as f32 * 50.0;
            let band = EDGES.windows(2).position(|edges| (edges[0]..edges[1]).contains(&hz));
            band.map_or(0.0, |band| powers[band] / ((EDGES[band + 1] - EDGES[band]) / 50.0))
        };
        for _ in 0..500 {
            tone.hop(power, 481, 50.0, false, &SETTINGS);
        }
        assert_eq!(tone.moves(), [0.0; BANDS]);
        let mut last = tone.moves();
        for second in 0..12 {
            for _ in 0..100 {
                tone.hop(power, 481, 50.0, true, &SETTINGS);
            }
            let now = tone.moves();
            assert!(now.iter().zip(last).all(|(now, last)| (now - last).abs() <= 1.0 + GRAIN), "second {second}: {now:?}");
            last = now;
        }
        assert!(last[0] < -2.0 && last[4] > 1.0, "{last:?}");
    }
}
