//! What a detector heard in a frame, and frames joined into events.

use crate::units::Db;

/// Number of classes of sound.
pub const CLASSES: usize = 6;
/// Number of bands in which a sound is measured and reduced.
pub const REDUCTION_BANDS: usize = 12;
/// Centre of the lowest reduction band, in hertz.
const LOWEST_HZ: f64 = 2_500.0;
/// Centre of the highest reduction band, in hertz.
const HIGHEST_HZ: f64 = 16_000.0;

/// Centre of reduction band `index` in hertz; the bands are evenly spaced in log frequency.
pub fn band_hz(index: isize) -> f64 {
    LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ).powf(index as f64 / (REDUCTION_BANDS - 1) as f64)
}

/// Classes of sound, in the order of a model's probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sound {
    /// Nothing of the others: vowels, pauses, music, noise.
    None,
    /// s and z.
    S,
    /// sh, zh, ch and j.
    Sh,
    /// f, th and their like.
    F,
    /// A breath.
    Breath,
    /// The burst of p, t, k.
    Plosive,
}

impl Sound {
    /// All classes in order.
    pub const ALL: [Self; CLASSES] = [Self::None, Self::S, Self::Sh, Self::F, Self::Breath, Self::Plosive];

    /// Short name, in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::S => "s",
            Self::Sh => "sh",
            Self::F => "f",
            Self::Breath => "breath",
            Self::Plosive => "plosive",
        }
    }
}

/// What a detector heard in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Probability of each class, in the order of [`Sound::ALL`]; they sum to 1.
    pub classes: [f32; CLASSES],
    /// Probability that a narrow tone sounds inside the sound.
    pub whistle: f32,
    /// Middle of the sound in hertz.
    pub centre_hz: f32,
    /// Width of the sound in octaves.
    pub width_octaves: f32,
    /// By how much the sound is too strong, in dB, 0 and up, by band ([`band_hz`]).
    pub excess_db: [f32; REDUCTION_BANDS],
    /// What is taken off, in dB, 0 and up, by band.
    pub reduction_db: [f32; REDUCTION_BANDS],
}

impl Detection {
    /// Nothing was heard.
    pub const NOTHING: Self = Self {
        classes: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        whistle: 0.0,
        centre_hz: 0.0,
        width_octaves: 0.0,
        excess_db: [0.0; REDUCTION_BANDS],
        reduction_db: [0.0; REDUCTION_BANDS],
    };

    /// The probability of a class.
    pub fn probability(&self, sound: Sound) -> f32 {
        self.classes[sound as usize]
    }

    /// The likeliest class.
    pub fn sound(&self) -> Sound {
        Sound::ALL.into_iter().fold(Sound::None, |best, sound| if self.probability(sound) > self.probability(best) { sound } else { best })
    }

    /// The largest reduction of all bands.
    pub fn reduction(&self) -> Db {
        Db(self.reduction_db.iter().copied().fold(0.0, f32::max))
    }
}

/// Probability from which a class begins an event.
const BEGINS: f32 = 0.5;
/// Probability under which it ends: lower, so that one doubtful frame does not cut a sound in two.
const ENDS: f32 = 0.3;
/// Shortest event that is told, in seconds; bursts are told however short they are.
const SHORTEST: f64 = 0.012;

/// A sound from its first to its last frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// What it is.
    pub sound: Sound,
    /// First sample, in seconds from the start of the input.
    pub start: f64,
    /// End, in seconds from the start of the input.
    pub end: f64,
    /// Mean of the frames' centres in hertz, weighted by probability.
    pub centre_hz: f32,
    /// Largest reduction of any band and frame.
    pub largest: Db,
    /// Mean over the frames of the largest reduction of any band.
    pub mean: Db,
    /// Highest probability of a whistle.
    pub whistle: f32,
}

/// An event that is not over.
#[derive(Clone, Copy, Debug)]
struct Open {
    sound: Sound,
    start: f64,
    frames: f32,
    weight: f32,
    centre: f32,
    largest: f32,
    sum: f32,
    whistle: f32,
}

/// Joins frames into events. Takes no memory.
#[derive(Clone, Debug, Default)]
pub struct Events {
    time: f64,
    open: Option<Open>,
}

impl Events {
    /// Takes in the next frame, of `seconds`. Gives an event that ended before it.
    pub fn frame(&mut self, detection: &Detection, seconds: f64) -> Option<Event> {
        let ended = match self.open {
            Some(open) if self.goes_on(&open, detection) => None,
            Some(_) => self.finish(),
            None => None,
        };
        let sound = detection.sound();
        if self.open.is_none() && sound != Sound::None && detection.probability(sound) >= BEGINS {
            self.open = Some(Open { sound, start: self.time, frames: 0.0, weight: 0.0, centre: 0.0, largest: 0.0, sum: 0.0, whistle: 0.0 });
        }
        if let Some(open) = &mut self.open {
            let (weight, reduction) = (detection.probability(open.sound), detection.reduction().0);
            open.frames += 1.0;
            open.weight += weight;
            open.centre += weight * detection.centre_hz;
            open.largest = open.largest.max(reduction);
            open.sum += reduction;
            open.whistle = open.whistle.max(detection.whistle);
        }
        self.time += seconds;
        ended
    }

    fn goes_on(&self, open: &Open, detection: &Detection) -> bool {
        let (own, now) = (detection.probability(open.sound), detection.sound());
        own >= ENDS && (now == open.sound || now == Sound::None || detection.probability(now) < BEGINS)
    }

    /// The event that is not over yet, as it stands.
    pub fn open(&self) -> Option<Event> {
        let open = self.open.filter(|open| open.sound == Sound::Plosive || self.time - open.start >= SHORTEST - 1e-9)?;
        Some(Event {
            sound: open.sound,
            start: open.start,
            end: self.time,
            centre_hz: open.centre / open.weight.max(f32::MIN_POSITIVE),
            largest: Db(open.largest),
            mean: Db(open.sum / open.frames.max(1.0)),
            whistle: open.whistle,
        })
    }

    /// Ends the event that is not over yet: the sound is at its end.
    pub fn finish(&mut self) -> Option<Event> {
        let event = self.open();
        self.open = None;
        event
    }

    /// Seconds of the frames taken in.
    pub fn time(&self) -> f64 {
        self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(sound: Sound, probability: f32, reduction: f32) -> Detection {
        let mut detection = Detection { centre_hz: 6_000.0, ..Detection::NOTHING };
        detection.classes = [0.0; CLASSES];
        detection.classes[0] = 1.0 - probability;
        detection.classes[sound as usize] = probability;
        detection.reduction_db[3] = reduction;
        detection
    }

    fn joined(frames: &[Detection]) -> Vec<Event> {
        let mut events = Events::default();
        let mut all: Vec<Event> = frames.iter().filter_map(|detection| events.frame(detection, 0.005)).collect();
        all.extend(events.finish());
        all
    }

    #[test]
    fn a_doubtful_frame_does_not_cut_a_sound_in_two() {
        let mut frames = vec![Detection::NOTHING; 4];
        for (probability, reduction) in [(0.9, 4.0), (0.4, 2.0), (0.9, 6.0)] {
            frames.push(frame(Sound::S, probability, reduction));
        }
        frames.extend([Detection::NOTHING; 3]);
        let events = joined(&frames);
        assert_eq!(events.len(), 1);
        let event = events[0];
        assert_eq!((event.sound, event.largest, event.mean), (Sound::S, Db(6.0), Db(4.0)));
        assert!((event.start - 0.02).abs() < 1e-9 && (event.end - 0.035).abs() < 1e-9 && (event.centre_hz - 6_000.0).abs() < 1.0);
    }

    #[test]
    fn one_frame_is_an_event_for_a_burst_only() {
        let single = |sound| joined(&[Detection::NOTHING, frame(sound, 0.9, 0.0), Detection::NOTHING]).len();
        assert_eq!((single(Sound::Plosive), single(Sound::S)), (1, 0));
    }

    #[test]
    fn another_sound_ends_the_one_before() {
        let mut frames = vec![frame(Sound::S, 0.9, 3.0); 5];
        frames.extend(vec![frame(Sound::Sh, 0.9, 1.0); 5]);
        let sounds: Vec<Sound> = joined(&frames).iter().map(|event| event.sound).collect();
        assert_eq!(sounds, [Sound::S, Sound::Sh]);
    }
}
