//! From what the model heard to what is taken off, band by band.

use super::settings::{Settings, WEIGHED};
use crate::detection::{Detection, REDUCTION_BANDS, Sound, band_hz};
use crate::units::{Db, Hz, Ms};

/// Probability of all sounds together under which nothing is reduced, and from which all of the excess
/// is. In training the same.
const PRESENT: [f32; 2] = [0.2, 0.8];
/// Probability of a burst from which less is reduced, and from which nothing is: t, k and p are never
/// touched.
const BURST: [f32; 2] = [0.35, 0.5];
/// By how much a breath goes down, whatever its strength: a breath has no natural level to return to.
const BREATH: Db = Db(6.0);
/// Width of the cross-fade at the ends of the range, in octaves.
const EDGE_OCTAVES: f64 = 1.0 / 3.0;
/// Time in which the reduction lets go by 1/e at speed 0.
const SLOWEST: Ms = Ms(80.0);
/// How much faster a reduction comes than it goes: a sibilant that begins hurts at once.
const ATTACK: f32 = 5.0;
/// Prominence under which a tone is no whistle, in dB: the loudest of the bins of a noise stands about
/// that far out by chance.
const PROMINENCE: Db = Db(10.0);
/// Most that is taken off a whistle beside its sibilant.
const WHISTLE: Db = Db(12.0);

/// Smooth step from 0 at the first edge to 1 at the second.
fn smoothstep([low, high]: [f32; 2], value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A narrow tone: its frequency in hertz and how far it stands out in dB.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tone {
    pub hz: f32,
    pub prominence: f32,
}

/// What one frame asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// What is taken off, in dB, 0 and up, by band.
    pub reduction_db: [f32; REDUCTION_BANDS],
    /// Share of the sound that was detected and counts, 0 to 1, by band.
    pub detected: [f32; REDUCTION_BANDS],
}

impl Request {
    /// Nothing.
    pub const NOTHING: Self = Self { reduction_db: [0.0; REDUCTION_BANDS], detected: [0.0; REDUCTION_BANDS] };
}

/// Turns detections of one stream into reductions.
#[derive(Debug)]
pub struct Reduction {
    centres: [f64; REDUCTION_BANDS],
    frame_ms: f32,
    range: Option<(Hz, Hz)>,
    /// Share of the range in each band.
    shares: [f32; REDUCTION_BANDS],
    held: [f32; REDUCTION_BANDS],
}

impl Reduction {
    /// For a hop of `hop` samples at `rate`.
    pub fn new(hop: usize, rate: Hz) -> Self {
        Self {
            centres: std::array::from_fn(|index| band_hz(index as isize)),
            frame_ms: Ms::from_samples(hop, rate).0,
            range: None,
            shares: [1.0; REDUCTION_BANDS],
            held: [0.0; REDUCTION_BANDS],
        }
    }

    /// Forgets the last frame.
    pub fn reset(&mut self) {
        self.held = [0.0; REDUCTION_BANDS];
    }

    /// Goes on from where another stream stands.
    pub fn follow(&mut self, other: &Self) {
        self.held = other.held;
    }

    fn take_range(&mut self, low: Hz, high: Hz) {
        if self.range == Some((low, high)) {
            return;
        }
        self.range = Some((low, high));
        for (share, centre) in self.shares.iter_mut().zip(self.centres) {
            let inside = |ratio: f64| (0.5 + ratio.log2() / EDGE_OCTAVES).clamp(0.0, 1.0);
            *share = (inside(centre / low.0) * inside(high.0 / centre)) as f32;
        }
    }

    /// What a frame asks for.
    pub fn frame(&mut self, heard: &Detection, tone: Tone, settings: &Settings) -> Request {
        self.take_range(settings.low, settings.high);
        let probability = WEIGHED.map(|sound| heard.probability(sound));
        let total = probability.iter().sum::<f32>();
        let present = ((total - PRESENT[0]) / (PRESENT[1] - PRESENT[0])).clamp(0.0, 1.0);
        let gate = present * (1.0 - smoothstep(BURST, heard.probability(Sound::Plosive)));
        let weigh = |floors: [f32; 4], excess: f32| -> f32 {
            let part = |index: usize| settings.weights[index] * probability[index] * excess.max(floors[index]);
            (0..WEIGHED.len()).map(part).sum::<f32>() / total.max(f32::MIN_POSITIVE)
        };
        let counts = gate * weigh([1.0; 4], 0.0);
        let extra = gate * settings.whistle * heard.whistle * (tone.prominence - PROMINENCE.0).clamp(0.0, WHISTLE.0);
        let mut request = Request::NOTHING;
        for band in 0..REDUCTION_BANDS {
            let excess = gate * weigh([0.0, 0.0, 0.0, BREATH.0], heard.excess_db[band]);
            let wanted = settings.amount * (excess + extra * self.nearness(band, tone.hz)) * self.shares[band];
            request.reduction_db[band] = wanted.min(settings.max.0);
            request.detected[band] = counts * self.shares[band];
        }
        self.ease(&mut request.reduction_db, settings.speed);
        request
    }

    /// How near a frequency is to a band's centre: 1 there, 0 at those of its neighbours.
    fn nearness(&self, band: usize, hz: f32) -> f32 {
        let step = (self.centres[1] / self.centres[0]).log2();
        (1.0 - ((f64::from(hz.max(1.0)) / self.centres[band]).log2() / step).abs()).max(0.0) as f32
    }

    /// Lets reductions come and go slowly.
    fn ease(&mut self, wanted: &mut [f32; REDUCTION_BANDS], speed: f32) {
        let time = SLOWEST.0 * (1.0 - speed).powi(2);
        let share = |time: f32| if time > 0.0 { 1.0 - (-self.frame_ms / time).exp() } else { 1.0 };
        let (attack, release) = (share(time / ATTACK), share(time));
        for (wanted, held) in wanted.iter_mut().zip(&mut self.held) {
            let step = if *wanted > *held { attack } else { release };
            *held += (*wanted - *held) * step;
            // A tail that nobody hears ends, so that what is at rest is the input's own bits.
            if *wanted == 0.0 && *held < 0.05 {
                *held = 0.0;
            }
            *wanted = *held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(sound: Sound, probability: f32, excess: f32) -> Detection {
        let mut detection = Detection { excess_db: [excess; REDUCTION_BANDS], ..Detection::NOTHING };
        detection.classes = [0.0; 6];
        detection.classes[0] = 1.0 - probability;
        detection.classes[sound as usize] += probability;
        detection
    }

    fn largest(heard: &Detection, settings: &Settings) -> f32 {
        let request = Reduction::new(240, Hz(48_000.0)).frame(heard, Tone::default(), settings);
        request.reduction_db.iter().copied().fold(0.0, f32::max)
    }

    #[test]
    fn an_s_loses_its_excess_and_no_more_than_the_limit() {
        let base = Settings::default();
        assert!((largest(&heard(Sound::S, 0.95, 7.0), &base) - 7.0).abs() < 1e-5);
        assert!((largest(&heard(Sound::S, 0.95, 7.0), &Settings { amount: 2.0, ..base }) - 14.0).abs() < 1e-5);
        assert_eq!(largest(&heard(Sound::S, 0.95, 40.0), &base), base.max.0);
        assert_eq!(largest(&heard(Sound::S, 0.95, 7.0), &Settings { amount: 0.0, ..base }), 0.0);
        assert_eq!(largest(&heard(Sound::S, 0.15, 7.0), &base), 0.0, "nobody is sure of it");
    }

    #[test]
    fn bursts_and_what_is_none_are_never_touched() {
        let all = Settings { weights: [1.0; 4], whistle: 1.0, amount: 2.0, ..Settings::default() };
        for probability in [0.5, 0.7, 1.0] {
            let mut burst = heard(Sound::Plosive, probability, 20.0);
            burst.classes[1] = 1.0 - probability;
            burst.classes[0] = 0.0;
            assert_eq!(largest(&burst, &all), 0.0, "{probability}");
        }
        assert_eq!(largest(&heard(Sound::None, 1.0, 20.0), &all), 0.0);
    }

    #[test]
    fn every_weight_counts_for_its_sound() {
        for (index, sound) in WEIGHED.into_iter().enumerate() {
            let detection = heard(sound, 1.0, 8.0);
            let mut weights = [0.0; 4];
            assert_eq!(largest(&detection, &Settings { weights, ..Settings::default() }), 0.0, "{sound:?}");
            weights[index] = 0.5;
            assert!((largest(&detection, &Settings { weights, ..Settings::default() }) - 4.0).abs() < 1e-5, "{sound:?}");
        }
        let breath = Settings { weights: [0.0, 0.0, 0.0, 1.0], ..Settings::default() };
        assert!((largest(&heard(Sound::Breath, 1.0, 0.0), &breath) - BREATH.0).abs() < 1e-5);
    }

    #[test]
    fn the_range_holds_and_an_empty_one_takes_nothing() {
        let settings = Settings { low: Hz(5_000.0), high: Hz(9_000.0), ..Settings::default() };
        let request = Reduction::new(240, Hz(48_000.0)).frame(&heard(Sound::S, 1.0, 8.0), Tone::default(), &settings);
        for (band, reduction) in request.reduction_db.iter().enumerate() {
            let hz = band_hz(band as isize);
            assert!(hz > 4_400.0 && hz < 10_200.0 || *reduction == 0.0, "{hz}: {reduction}");
            assert!(!(5_700.0..7_900.0).contains(&hz) || *reduction > 7.9, "{hz}: {reduction}");
        }
        assert_eq!(largest(&heard(Sound::S, 1.0, 8.0), &Settings { low: Hz(10_000.0), high: Hz(4_000.0), ..settings }), 0.0);
        let whole = Reduction::new(240, Hz(48_000.0)).frame(&heard(Sound::S, 1.0, 8.0), Tone::default(), &Settings::default());
        assert!(whole.reduction_db.iter().all(|db| (db - 8.0).abs() < 0.35), "{:?}", whole.reduction_db);
    }

    #[test]
    fn a_whistle_goes_where_it_is() {
        let mut detection = heard(Sound::S, 1.0, 0.0);
        detection.whistle = 1.0;
        let settings = Settings { whistle: 1.0, ..Settings::default() };
        let tone = Tone { hz: band_hz(6) as f32, prominence: 18.0 };
        let request = Reduction::new(240, Hz(48_000.0)).frame(&detection, tone, &settings);
        assert!((request.reduction_db[6] - 8.0).abs() < 1e-3 && request.reduction_db[5] < 1e-3 && request.reduction_db[8] == 0.0);
        let quiet = Reduction::new(240, Hz(48_000.0)).frame(&detection, tone, &Settings::default());
        assert_eq!(quiet.reduction_db, [0.0; REDUCTION_BANDS]);
    }

    #[test]
    fn speed_eases_in_and_out_and_ends() {
        let mut slow = Reduction::new(240, Hz(48_000.0));
        let settings = Settings { speed: 0.3, ..Settings::default() };
        let mut at = |detection: &Detection| slow.frame(detection, Tone::default(), &settings).reduction_db[5];
        let rise: Vec<f32> = (0..20).map(|_| at(&heard(Sound::S, 1.0, 8.0))).collect();
        let fall: Vec<f32> = (0..80).map(|_| at(&Detection::NOTHING)).collect();
        assert!(rise[0] < 6.0 && rise.is_sorted() && rise[19] > 7.5, "{rise:?}");
        assert!(fall[0] > 5.0 && fall.iter().rev().is_sorted() && fall[79] == 0.0, "{fall:?}");
    }
}
