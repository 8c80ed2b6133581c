//! Frames in, detections, reductions, and the corrected hop out.

use super::correction::{Bank, Filter, Weights, cross};
use super::edges::{self, Edge, Edges};
use super::models::Listener;
use super::reduction::{Reduction, Request, Tone};
use super::settings::{Link, Listen, Settings};
use crate::detection::{Detection, REDUCTION_BANDS};
use crate::features::{BANDS, Bands};
use crate::framing::{Analyser, Framer, recent};
use crate::processor::{Format, Frame, Observer};
use crate::realtime::{Deadline, Scope};
use crate::units::{Db, Ms};
use realfft::num_complex::Complex32;
use std::ops::Range;

/// From one decision to the next.
const HOP: Ms = Ms(5.0);
/// What a frame looks at.
const WINDOW: Ms = Ms(10.0);
/// The end of that window in which its weight falls.
const FALL: Ms = Ms(2.0);
/// Lowest sample rate at which there is a band to work in, in hertz: sibilants begin at 3 to 4 kHz.
pub const LOWEST_RATE: f64 = 12_000.0;
/// The least change of any band's reduction that is an edge of a sound, in dB. Smaller ones are
/// changes within it and go along a straight line over the hop.
const STEP: f32 = 1.0;
/// Frequencies between which a whistle is looked for, in hertz.
const WHISTLE_HZ: [f32; 2] = [3_000.0, 12_000.0];
/// Bins on each side of a tone, from and to, with which it is compared: 0.3 to 1 kHz away.
const AROUND: [usize; 2] = [3, 10];

/// One decision: for all channels, or for each.
#[derive(Debug)]
struct Stream {
    reduction: Reduction,
    old: Filter,
    new: Filter,
    request: Request,
    ramp: Range<usize>,
}

/// The engine at a format.
#[derive(Debug)]
pub struct Core {
    framer: Framer,
    analyser: Analyser,
    bands: Bands,
    window: usize,
    bank: Bank,
    edges: Vec<Edges>,
    streams: Vec<Stream>,
    works: bool,
    deadline: Deadline,
    seconds: f32,
    bin_hz: f32,
    spectrum: Vec<Complex32>,
    /// Power of the channels, `[channel][bin]`, and their mean, `[bin]`.
    powers: Vec<Vec<f32>>,
    mean: Vec<f32>,
    /// For the observer, `[bin]`.
    gains: Vec<f32>,
    sum: Vec<f32>,
    /// What is added to a hop, `[hop]`.
    added: Vec<f32>,
    scratch: Vec<f32>,
    /// Output gain and share of the delayed input at the end of the last hop.
    level: f32,
    dry: f32,
    listen: Listen,
    /// The first frame takes gains as they are, without a ramp.
    fresh: bool,
}

impl Core {
    pub fn new(format: Format) -> Self {
        let rate = format.rate;
        let [hop, window, fall] = [HOP, WINDOW, FALL].map(|time| time.to_samples(rate));
        let bank = Bank::new(rate, window);
        let analyser = Analyser::new(recent(window - fall, fall));
        let bins = analyser.bins();
        let bin_hz = rate.0 / window as f64;
        let stream = || Stream {
            reduction: Reduction::new(hop, rate),
            old: Filter::new(&bank),
            new: Filter::new(&bank),
            request: Request::NOTHING,
            ramp: 0..hop,
        };
        Self {
            framer: Framer::new(hop, window.max(hop + 2 * bank.half()), format.channels),
            window,
            bands: Bands::new(bins, bin_hz, rate.0 / 2.0),
            edges: (0..format.channels).map(|_| Edges::new(rate)).collect(),
            streams: (0..format.channels).map(|_| stream()).collect(),
            works: rate.0 >= LOWEST_RATE,
            deadline: Deadline::new(hop, rate),
            seconds: Ms::from_samples(hop, rate).0 / 1000.0,
            bin_hz: bin_hz as f32,
            spectrum: vec![Complex32::default(); bins],
            powers: vec![vec![0.0; bins]; format.channels],
            mean: vec![0.0; bins],
            gains: vec![1.0; bins],
            sum: vec![1.0; bins],
            added: vec![0.0; hop],
            scratch: vec![0.0; hop],
            level: 1.0,
            dry: 1.0,
            listen: Listen::Off,
            fresh: true,
            bank,
            analyser,
        }
    }

    pub fn channels(&self) -> usize {
        self.framer.channels()
    }

    /// A whole hop, since a decision is about the hop that has come in, and the half of the filter.
    pub fn latency(&self) -> usize {
        self.framer.hop() + self.bank.half()
    }

    /// True when the rate leaves a band to work in.
    pub fn works(&self) -> bool {
        self.works
    }

    pub fn reset(&mut self) {
        self.framer.reset();
        self.edges.iter_mut().for_each(Edges::reset);
        for stream in &mut self.streams {
            stream.reduction.reset();
            stream.old.set(&self.bank, &[0.0; REDUCTION_BANDS]);
            stream.new.set(&self.bank, &[0.0; REDUCTION_BANDS]);
            stream.request = Request::NOTHING;
        }
        self.fresh = true;
        self.deadline.reset();
    }

    /// Processes a block in place. Gives the number of late frames.
    pub fn process(
        &mut self,
        audio: &mut [&mut [f32]],
        settings: &Settings,
        mut listeners: Option<&mut [Listener]>,
        realtime: bool,
        observer: &mut dyn Observer,
    ) -> u64 {
        let length = audio.first().map_or(0, |channel| channel.len());
        let (mut late, mut at) = (0, 0);
        while at < length {
            let end = length.min(at + self.framer.until_frame());
            if self.framer.exchange(audio.iter_mut().map(|channel| &mut **channel), at..end, true) {
                late += u64::from(self.frame(settings, listeners.as_deref_mut(), realtime, observer));
            }
            at = end;
        }
        late
    }

    /// One frame of all channels. True when a step of the model was late.
    fn frame(&mut self, settings: &Settings, listeners: Option<&mut [Listener]>, realtime: bool, observer: &mut dyn Observer) -> bool {
        self.framer.advance();
        self.analyse();
        // Behind a late step a frame passes dry.
        let listeners = listeners.filter(|_| self.works).filter(|_| self.deadline.wants_step());
        let streams = if settings.link == Link::PerChannel { self.channels() } else { 1 };
        if realtime && listeners.is_some() {
            self.deadline.resume();
        }
        let detection = self.decide(settings, listeners, streams);
        let late = self.deadline.judge();

        let targets = [
            if settings.bypass { 1.0 } else { settings.output.to_linear() },
            if settings.bypass || settings.listen == Listen::Off { 1.0 } else { 0.0 },
        ];
        if std::mem::take(&mut self.fresh) {
            [self.level, self.dry] = targets;
        }
        let starts = [self.level, self.dry];
        let (hop, half) = (self.framer.hop(), self.bank.half());
        for channel in 0..self.channels() {
            let stream = &self.streams[if streams > 1 { channel } else { 0 }];
            let (out, history) = self.framer.outgoing(channel);
            let around = &history[history.len() - hop - 2 * half..];
            cross(&stream.old, &stream.new, stream.ramp.clone(), around, &mut self.added, &mut self.scratch);
            mix(out, &around[half..half + hop], &self.added, starts, targets);
        }
        [self.level, self.dry] = targets;
        self.tell(settings, streams, &detection, late, observer);
        for stream in &mut self.streams {
            std::mem::swap(&mut stream.old, &mut stream.new);
        }
        // Streams that are not in use follow the first, so that a change of link is a ramp like others.
        let (first, others) = self.streams.split_at_mut(1);
        if streams == 1 {
            for other in others {
                other.reduction.follow(&first[0].reduction);
                other.old.set(&self.bank, first[0].old.weights());
                other.request = first[0].request;
            }
        }
        late
    }

    /// Powers of the frame, and the energy of its high band.
    fn analyse(&mut self) {
        let channels = self.channels();
        let hop = self.framer.hop();
        self.mean.fill(0.0);
        for (channel, power) in self.powers.iter_mut().enumerate() {
            let history = self.framer.history(channel);
            self.analyser.analyse(&history[history.len() - self.window..], &mut self.spectrum);
            for ((power, mean), bin) in power.iter_mut().zip(&mut self.mean).zip(&self.spectrum) {
                *power = bin.norm_sqr();
                *mean += *power / channels as f32;
            }
            self.edges[channel].hop(&history[history.len() - hop..]);
        }
    }

    /// Asks the model and sets the streams' filters. Gives the detection of the strongest stream.
    fn decide(&mut self, settings: &Settings, mut listeners: Option<&mut [Listener]>, streams: usize) -> Detection {
        let listen = if settings.bypass { Listen::Off } else { settings.listen };
        let changed = std::mem::replace(&mut self.listen, listen) != listen && !self.fresh;
        let mut strongest = Detection::NOTHING;
        for index in 0..streams {
            let power = if streams > 1 { &self.powers[index] } else { &self.mean };
            let mut heard = Detection::NOTHING;
            let mut request = Request::NOTHING;
            if let Some(listener) = listeners.as_mut().and_then(|listeners| listeners.get_mut(index)) {
                let mut bands = [0.0; BANDS];
                self.bands.fold(power, &mut bands);
                let scope = Scope::enter();
                heard = listener.hear(&bands, settings.mode);
                drop(scope);
            }
            let stream = &mut self.streams[index];
            let tone = if settings.whistle > 0.0 { loudest_tone(power, self.bin_hz) } else { Tone::default() };
            if !settings.bypass {
                request = stream.reduction.frame(&heard, tone, settings);
            }
            stream.new.set(&self.bank, &weights(&request, listen));
            let powers = match (streams, self.edges.as_slice()) {
                (1, [first, others @ ..]) => {
                    let mut sum = *first.powers();
                    others.iter().for_each(|other| sum.iter_mut().zip(other.powers()).for_each(|(sum, power)| *sum += power));
                    sum
                }
                (_, all) => *all[index].powers(),
            };
            stream.ramp =
                if changed { 0..self.framer.hop() } else { ramp(&stream.request, &request, &powers, self.framer.hop(), self.bank.half()) };
            stream.request = request;
            heard.reduction_db = request.reduction_db;
            if index == 0 || heard.reduction() > strongest.reduction() {
                strongest = heard;
            }
        }
        strongest
    }

    /// Tells the observer of the frame.
    fn tell(&mut self, settings: &Settings, streams: usize, detection: &Detection, late: bool, observer: &mut dyn Observer) {
        self.sum.fill(0.0);
        for stream in &self.streams[..streams] {
            let mut added = weights(&stream.request, Listen::Off);
            if settings.bypass {
                added = [0.0; REDUCTION_BANDS];
            }
            self.bank.gains(&added, &mut self.gains);
            self.sum.iter_mut().zip(&self.gains).for_each(|(sum, gain)| *sum += gain / streams as f32);
        }
        observer.frame(&Frame {
            input_power: &self.mean,
            gain: &self.sum,
            bin_hz: self.bin_hz,
            seconds: self.seconds,
            // A decision is about the hop that has just come in.
            age: 0.5 * self.seconds,
            late,
            detection: Some(detection),
        });
    }
}

/// What is added of each band.
fn weights(request: &Request, listen: Listen) -> Weights {
    let less_one = request.reduction_db.map(|reduction| Db(-reduction).to_linear() - 1.0);
    match listen {
        Listen::Off => less_one,
        Listen::Removed => less_one.map(|weight| -weight),
        Listen::Detected => request.detected,
    }
}

/// Where in the hop that goes out the old filter gives way to the new one.
///
/// The hop that goes out begins `half` samples before the one that has come in, so a change at the end
/// of the hop before can still be met.
fn ramp(old: &Request, new: &Request, powers: &edges::Powers, hop: usize, half: usize) -> Range<usize> {
    // The detected share counts as so many dB, so that listening to it has edges as well.
    const DETECTED: f32 = 12.0;
    let depth = |request: &Request, band: usize| request.reduction_db[band].max(DETECTED * request.detected[band]);
    let change = |band: usize| depth(new, band) - depth(old, band);
    let largest = (0..REDUCTION_BANDS).map(change).fold(0.0_f32, |most, change| if change.abs() > most.abs() { change } else { most });
    let length = half.clamp(1, hop);
    let place = |sample: isize| ((sample + half as isize).max(0) as usize).min(hop);
    if largest >= STEP {
        // In place when the sound begins. Without an edge the sound was there before it was heard.
        let end = edges::find(powers, Edge::Rise, hop, -(half as isize)).map_or(length, place).max(length.min(hop));
        end - length..end
    } else if largest <= -STEP {
        // Gone when it ends.
        let start = edges::find(powers, Edge::Fall, hop, -(half as isize)).map_or(0, place).min(hop - length);
        start..start + length
    } else {
        0..hop
    }
}

/// The bin that stands out most between [`WHISTLE_HZ`], `power[bin]`.
fn loudest_tone(power: &[f32], bin_hz: f32) -> Tone {
    let last = power.len().saturating_sub(1 + AROUND[1]);
    let [from, to] = WHISTLE_HZ.map(|hz| ((hz / bin_hz) as usize).clamp(AROUND[1], last.max(AROUND[1])));
    if to > last {
        return Tone::default();
    }
    let loudest = (from..=to).fold(from, |best, bin| if power[bin] > power[best] { bin } else { best });
    let sides = [&power[loudest - AROUND[1]..=loudest - AROUND[0]], &power[loudest + AROUND[0]..=loudest + AROUND[1]]];
    let around = sides.iter().flat_map(|side| side.iter()).sum::<f32>() / (2 * (AROUND[1] - AROUND[0] + 1)) as f32;
    let prominence = if around > 0.0 { Db::from_power(power[loudest] / around).0.max(0.0) } else { 0.0 };
    Tone { hz: loudest as f32 * bin_hz, prominence }
}

/// Delayed input plus what is added, with both gains along straight lines over the hop: output level
/// and share of the delayed input.
fn mix(out: &mut [f32], delayed: &[f32], added: &[f32], starts: [f32; 2], targets: [f32; 2]) {
    if starts == targets && targets == [1.0, 1.0] {
        // Where nothing is added these are the input's own bits.
        return out.iter_mut().zip(delayed).zip(added).for_each(|((out, delayed), added)| *out = delayed + added);
    }
    let step = 1.0 / out.len() as f32;
    for (index, ((out, delayed), added)) in out.iter_mut().zip(delayed).zip(added).enumerate() {
        let along = (index + 1) as f32 * step;
        let [level, dry] = std::array::from_fn(|i| starts[i] + (targets[i] - starts[i]) * along);
        *out = (delayed * dry + added) * level;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Hz;

    #[test]
    fn a_whistle_in_noise_is_found_and_noise_alone_has_none_that_counts() {
        let mut seed = 3_u32;
        let mut power: Vec<f32> = (0..241)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                1e-6 * (0.2 + (seed >> 8) as f32 / (1 << 24) as f32)
            })
            .collect();
        assert!(loudest_tone(&power, 100.0).prominence < 5.0);
        power[72] = 1e-4;
        let tone = loudest_tone(&power, 100.0);
        assert!((tone.hz - 7_200.0).abs() < 1.0 && tone.prominence > 18.0, "{tone:?}");
        assert_eq!(loudest_tone(&power[..8], 100.0), Tone::default());
        assert_eq!(loudest_tone(&[0.0; 241], 100.0).prominence, 0.0);
    }

    #[test]
    fn latency_is_six_milliseconds_at_every_rate_that_sound_has() {
        for rate in [12_000.0, 16_000.0, 22_050.0, 32_000.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0] {
            let core = Core::new(Format::new(Hz(rate), 1).unwrap());
            let ms = core.latency() as f64 / rate * 1000.0;
            assert!(ms <= 6.05 && ms > 5.9, "{rate}: {ms}");
        }
    }
}
