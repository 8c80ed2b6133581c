//! The engine: tracks in, the same tracks out, each at the gain that it is to have in the mix.

use super::duck::{Duck, Ducking};
use super::ear::{Ear, Hop};
use super::learn::{Knowledge, Learner};
use super::owners::Owners;
use super::share::{OPEN, Shares, Sharing};
use super::{MOST, Role, Track, hop_of};
use crate::delay::Delay;
use crate::dynamics::compressor::{self, Compressor};
use crate::dynamics::leveller::{self, Leveller};
use crate::processor::{Error, Format};
use crate::realtime::FlushDenormals;
use crate::sample::usable_all;
use crate::units::{Db, Hz, Ms};
use std::ops::Range;

/// Most channels of one track.
const CHANNELS: usize = 8;
/// A word is seen surely only some hops behind its soft beginning; microphones open so much earlier, in hops.
const SOFT: usize = 12;
/// Samples at a time.
const CHUNK: usize = 256;
/// Probability of speech from which a voice makes music step back: a cough does not.
const WORD: f32 = 0.5;
/// Gains nearer to one than this are one: a track at rest keeps its bits.
const UNITY: f32 = 1e-6;

/// What the engine is told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// How microphones share their gain.
    pub sharing: Sharing,
    /// How music steps back.
    pub ducking: Ducking,
    /// Levels each talker by their own voice alone; none leaves levels as they are.
    pub leveller: Option<leveller::Settings>,
    /// Evens out each talker's syllables; none leaves them.
    pub compressor: Option<compressor::Settings>,
}

/// What the engine did in a hop of the programme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watched {
    /// Number of the hop in the programme, from 0.
    pub hop: u64,
    /// By track: somebody talks into it.
    pub owns: [bool; MOST],
    /// By track: linear gain of sharing or ducking at the end of the hop.
    pub gains: [f32; MOST],
    /// By track: gain of trim and leveller in dB.
    pub levels_db: [f32; MOST],
}

/// Is told of each hop. Called on the audio thread: must not allocate, lock or wait.
pub trait Watch {
    /// A hop has come out.
    fn hop(&mut self, watched: &Watched);
}

/// Looks at nothing.
impl Watch for () {
    fn hop(&mut self, _: &Watched) {}
}

/// What happens to one track.
#[derive(Debug)]
struct Strip {
    track: Track,
    /// Its place among the talkers.
    talker: Option<usize>,
    ear: Ear,
    delays: Vec<Delay>,
    leveller: Leveller,
    compressor: Compressor,
    duck: Duck,
    /// Linear gain before everything.
    trim: f32,
    /// Gains at the begin and the end of the present hop.
    from: f32,
    to: f32,
}

/// What is known of the microphones.
#[derive(Debug)]
enum Microphones {
    /// By whoever went through the whole programme before.
    Fixed(Box<Knowledge>),
    /// By what was heard so far.
    Heard(Box<Learner>),
}

impl Microphones {
    /// What is known with the next hop of all talkers.
    fn hear(&mut self, hops: &[Hop]) -> &Knowledge {
        match self {
            Self::Fixed(known) => known,
            Self::Heard(learner) => {
                learner.hear(hops);
                learner.known()
            }
        }
    }
}

/// Tracks of one programme. Latency is constant; the output does not depend on the sizes of blocks.
#[derive(Debug)]
pub struct Multitrack {
    hop: usize,
    hop_ms: f32,
    /// Hops that are seen ahead.
    ahead: usize,
    done: usize,
    /// Hops that are in.
    heard: u64,
    strips: Vec<Strip>,
    talkers: usize,
    owners: Owners,
    shares: Shares,
    microphones: Microphones,
    /// Who has a voice, and the probability of speech, `[hop % length][talker]`.
    own: Vec<[bool; MOST]>,
    speech: Vec<[f32; MOST]>,
    /// Somebody says a word, `[hop % length]`.
    words: Vec<bool>,
    /// Hops of the talkers as they are heard.
    hops: [Hop; MOST],
    scratch: Vec<f32>,
}

impl Multitrack {
    /// For a rate and tracks. With a look-ahead of 210 ms words are whole from their first sound; 40 ms is the least
    /// that is taken, and ducking wants its own.
    ///
    /// # Errors
    /// When the rate is out of range, or there is no track, or there are too many of them or of a track's channels.
    pub fn new(rate: Hz, tracks: &[Track], ahead: Ms) -> Result<Self, Error> {
        if tracks.is_empty() || tracks.len() > MOST {
            return Err(Error::Channels(tracks.len()));
        }
        if let Some(track) = tracks.iter().find(|track| track.channels == 0 || track.channels > CHANNELS) {
            return Err(Error::Channels(track.channels));
        }
        let rate = Format::new(rate, 1)?.rate;
        let hop = hop_of(rate.0);
        let hop_ms = Ms::from_samples(hop, rate).0;
        let ahead = ((ahead.0 / hop_ms).round().max(0.0) as usize).max(Owners::behind());
        let mut talkers = 0;
        let mut strips = Vec::with_capacity(tracks.len());
        for &track in tracks {
            let format = Format::new(rate, track.channels)?;
            let talker = (track.role == Role::Talker).then(|| {
                talkers += 1;
                talkers - 1
            });
            strips.push(Strip {
                track,
                talker,
                ear: Ear::new(rate, track.channels),
                delays: vec![Delay::new((ahead + 1) * hop); track.channels],
                leveller: Leveller::new(format, hop),
                compressor: Compressor::new(format),
                duck: Duck::new(),
                trim: 1.0,
                from: 1.0,
                to: 1.0,
            });
        }
        let mut engine = Self {
            hop,
            hop_ms,
            ahead,
            done: 0,
            heard: 0,
            strips,
            talkers,
            owners: Owners::new(talkers),
            shares: Shares::new(talkers),
            microphones: Microphones::Heard(Box::new(Learner::new(talkers))),
            own: vec![[false; MOST]; ahead + 2],
            speech: vec![[0.0; MOST]; ahead + 2],
            words: vec![false; ahead + 2],
            hops: [Hop::default(); MOST],
            scratch: vec![0.0; CHUNK],
        };
        engine.reset();
        Ok(engine)
    }

    /// Fixes what is known of the microphones, which is else learned on the way; `trims` are gains of the tracks
    /// before everything.
    pub fn know(&mut self, known: &Knowledge, trims: &[Db]) {
        self.microphones = Microphones::Fixed(Box::new(known.clone()));
        for (strip, trim) in self.strips.iter_mut().zip(trims) {
            strip.trim = trim.to_linear();
        }
    }

    /// Delay in samples.
    pub fn latency(&self) -> usize {
        (self.ahead + 1) * self.hop
    }

    /// Forgets all sound, and what was learned on the way.
    pub fn reset(&mut self) {
        (self.done, self.heard) = (0, 0);
        self.owners.reset();
        self.shares.reset();
        self.own.fill([false; MOST]);
        self.speech.fill([0.0; MOST]);
        self.words.fill(false);
        if let Microphones::Heard(learner) = &mut self.microphones {
            learner.reset();
        }
        for strip in &mut self.strips {
            strip.ear.reset();
            strip.delays.iter_mut().for_each(Delay::reset);
            strip.leveller.reset();
            strip.compressor.reset();
            strip.duck = Duck::new();
            (strip.from, strip.to) = (1.0, 1.0);
        }
    }

    /// Processes a block in place: all channels of the first track, then those of the next, `audio[channel][sample]`.
    /// `speech` is the probability, 0 to 1, that speech sounds now, by track: 1 where nobody listens for it. Other
    /// numbers of channels than the tracks have pass untouched. Never allocates.
    pub fn process(&mut self, audio: &mut [&mut [f32]], speech: &[f32], settings: &Settings, watch: &mut dyn Watch) {
        let _flush = FlushDenormals::on();
        if audio.len() != self.strips.iter().map(|strip| strip.track.channels).sum::<usize>() {
            return;
        }
        let length = audio.iter().map(|channel| channel.len()).min().unwrap_or(0);
        let mut at = 0;
        while at < length {
            let end = length.min(at + CHUNK).min(at + self.hop - self.done);
            self.piece(audio, at..end, settings);
            self.done += end - at;
            if self.done == self.hop {
                self.done = 0;
                self.hop(speech, settings, watch);
            }
            at = end;
        }
    }

    fn piece(&mut self, audio: &mut [&mut [f32]], range: Range<usize>, settings: &Settings) {
        let mut first = 0;
        for strip in &mut self.strips {
            let count = strip.track.channels;
            let channels = &mut audio[first..first + count];
            first += count;
            channels.iter_mut().for_each(|channel| usable_all(&mut channel[range.clone()]));
            if let Some(talker) = strip.talker {
                let mut heard: [&[f32]; CHANNELS] = [&[]; CHANNELS];
                heard.iter_mut().zip(channels.iter()).for_each(|(heard, channel)| *heard = &channel[range.clone()]);
                if let Some(hop) = strip.ear.hear(&heard[..count]) {
                    self.hops[talker] = hop;
                }
            }
            for (channel, delay) in channels.iter_mut().zip(&mut strip.delays) {
                delay.process(&mut channel[range.clone()]);
            }
            if strip.trim != 1.0 {
                channels.iter_mut().for_each(|channel| channel[range.clone()].iter_mut().for_each(|sample| *sample *= strip.trim));
            }
            if strip.talker.is_some() {
                if settings.leveller.is_some() {
                    strip.leveller.process(channels, range.clone(), &mut self.scratch);
                }
                if let Some(compressor) = &settings.compressor {
                    strip.compressor.process(channels, range.clone(), compressor);
                }
            }
            if strip.from == 1.0 && strip.to == 1.0 {
                continue;
            }
            let step = (strip.to - strip.from) / self.hop as f32;
            for channel in channels {
                for (index, sample) in channel[range.clone()].iter_mut().enumerate() {
                    *sample *= strip.from + step * (self.done + index + 1) as f32;
                }
            }
        }
    }

    /// Whether a talker has a voice in hops of the programme, as far as is known.
    fn talks(&self, talker: usize, hops: Range<i64>) -> bool {
        let length = self.own.len() as i64;
        hops.into_iter().filter(|&hop| hop >= 0).any(|hop| self.own[(hop % length) as usize][talker])
    }

    /// The end of a hop: who talks, and what follows.
    fn hop(&mut self, speech: &[f32], settings: &Settings, watch: &mut dyn Watch) {
        let newest = self.heard as i64;
        self.heard += 1;
        let length = self.own.len() as i64;
        let mut heard = [1.0; MOST];
        for (index, strip) in self.strips.iter().enumerate() {
            if let Some(talker) = strip.talker {
                heard[talker] = speech.get(index).copied().unwrap_or(1.0);
            }
        }
        let known = self.microphones.hear(&self.hops[..self.talkers]);
        self.speech[(newest % length) as usize] = heard;
        let owns = self.owners.hear(&self.hops[..self.talkers], &heard[..self.talkers], known);
        let told = newest - Owners::behind() as i64;
        if told >= 0 {
            let place = (told % length) as usize;
            self.own[place] = owns;
            self.words[place] = (0..self.talkers).any(|talker| owns[talker] && self.speech[place][talker] >= WORD);
        }
        // The hop that has come out, and the one that comes out next.
        let out = newest - self.ahead as i64 - 1;
        let next = out + 1;
        let mut watched = Watched { hop: out.max(0) as u64, owns: [false; MOST], gains: [1.0; MOST], levels_db: [0.0; MOST] };
        for (index, strip) in self.strips.iter().enumerate() {
            watched.gains[index] = strip.to;
            watched.owns[index] = strip.talker.is_some_and(|talker| out >= 0 && self.talks(talker, out..out + 1));
            let leveller = if settings.leveller.is_some() { strip.leveller.gain().0 } else { 0.0 };
            watched.levels_db[index] = Db::from_linear(strip.trim).0 + leveller;
        }
        if out >= 0 {
            watch.hop(&watched);
        }
        // What was said in the hop that has come out: the leveller is done with it.
        for (index, strip) in self.strips.iter_mut().enumerate() {
            if let (Some(talker), Some(leveller)) = (strip.talker, &settings.leveller) {
                let said = out >= 0 && watched.owns[index];
                let speech = if said { self.speech[(out % length) as usize][talker] } else { 0.0 };
                strip.leveller.hop(speech, false, leveller);
            }
        }
        let (mut now, mut soon) = ([false; MOST], [false; MOST]);
        let known_to = told + 1;
        let duck_ahead = (settings.ducking.ahead.0 / self.hop_ms).round().max(0.0) as i64;
        for talker in 0..self.talkers {
            now[talker] = self.talks(talker, next..(next + 1).min(known_to));
            soon[talker] = self.talks(talker, next..(next + (OPEN + SOFT) as i64 + 1).min(known_to));
        }
        let word = |hops: Range<i64>| hops.into_iter().filter(|&hop| hop >= 0).any(|hop| self.words[(hop % length) as usize]);
        let (talk, duck) = (word(next..(next + 1).min(known_to)), word(next..(next + duck_ahead + 1).min(known_to)));
        let shared = self.shares.hop(&now, &soon, &settings.sharing);
        let hop_ms = self.hop_ms;
        for strip in &mut self.strips {
            let gain = match strip.talker {
                Some(talker) => shared[talker],
                None => strip.duck.hop(talk, duck, hop_ms, &settings.ducking),
            };
            strip.from = strip.to;
            strip.to = if (gain - 1.0).abs() < UNITY { 1.0 } else { gain };
            if next == 0 {
                strip.from = strip.to;
            }
        }
    }
}
