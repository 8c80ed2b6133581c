//! The minimum-phase equaliser: no delay, no cramping, and parameters that can be played.

use super::glide::{Glide, TICK, Ticks, pole};
use super::section::{Lanes, Section, State};
use super::settings::{BANDS, Band, SECTIONS, Settings, Shape, Slope};
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::FlushDenormals;
use crate::sample::{usable, usable_all};
use crate::units::{Db, Hz};

/// A gain (in decibels), octave of frequency or of Q, or presence nearer than this is there.
const NEAR: f64 = 1e-4;

/// One band on its way.
#[derive(Clone, Debug)]
struct Voice {
    shape: Shape,
    slope: Slope,
    /// Share of the band that is there: of the gain, or of the filtered signal for cuts.
    presence: Glide,
    /// Heard, or on its way in or out.
    active: bool,
    gain: Glide,
    /// Logarithms to base 2.
    frequency: Glide,
    q: Glide,
    sections: [Section; SECTIONS],
    count: usize,
    /// `[section][pair of channels]`.
    states: [Vec<State>; SECTIONS],
    /// Presence at the start and the end of this tick.
    mix: [f64; 2],
    /// What it stands at: while that is asked for, a tick changes nothing.
    stands_at: Option<Band>,
}

impl Voice {
    fn new(pairs: usize, rate: Hz) -> Self {
        let band = Band::default();
        let (matched, count) = band.sections(rate);
        Self {
            shape: band.shape,
            slope: band.slope,
            presence: Glide::at(0.0),
            active: false,
            gain: Glide::at(0.0),
            frequency: Glide::at(0.0),
            q: Glide::at(0.0),
            sections: matched.map(|section| Section::new(section.coefficients())),
            count,
            states: std::array::from_fn(|_| vec![State::default(); pairs]),
            mix: [0.0; 2],
            stands_at: None,
        }
    }

    /// Forgets all and stops.
    fn stop(&mut self) {
        self.states.iter_mut().for_each(|states| states.fill(State::default()));
        self.presence = Glide::at(0.0);
        self.active = false;
        self.stands_at = None;
    }

    /// Sets the section coefficients for where the glides stand; at once, or along this tick.
    fn design(&mut self, rate: Hz, at_once: bool) {
        // A cut has no gain to glide, so it is mixed in.
        let share = if self.shape.is_cut() { 1.0 } else { self.presence.now() };
        let now = Band {
            on: true,
            shape: self.shape,
            frequency: Hz(self.frequency.now().exp2()),
            gain: Db((self.gain.now() * share) as f32),
            q: self.q.now().exp2() as f32,
            slope: self.slope,
        };
        let (matched, count) = now.sections(rate);
        self.count = count;
        for (section, matched) in self.sections.iter_mut().zip(matched).take(count) {
            if at_once {
                *section = Section::new(matched.coefficients());
            } else {
                section.head_for(matched.coefficients());
            }
        }
    }

    fn tick(&mut self, band: &Band, rate: Hz, pole: f64, fresh: bool) {
        if self.stands_at.as_ref() == Some(band) {
            return;
        }
        self.stands_at = None;
        let wanted = !band.is_neutral();
        if !self.active && !wanted {
            return;
        }
        let targets = [f64::from(band.gain.0), band.frequency.0.max(1.0).log2(), f64::from(band.q).max(0.01).log2()];
        if !self.active {
            // Nobody hears the band yet, so nothing has to glide but its presence.
            self.active = true;
            self.shape = band.shape;
            self.slope = band.slope;
            [self.gain, self.frequency, self.q] = targets.map(Glide::at);
            self.presence = Glide::at(if fresh { 1.0 } else { 0.0 });
            self.mix = [self.presence.now(); 2];
            self.design(rate, true);
        }
        // Another shape fades out as it was and then comes in as it is.
        let same = self.shape == band.shape && self.slope == band.slope;
        let mut moving = self.presence.follow(if same && wanted { 1.0 } else { 0.0 }, pole, NEAR);
        if same {
            for (glide, target) in [&mut self.gain, &mut self.frequency, &mut self.q].into_iter().zip(targets) {
                moving |= glide.follow(target, pole, NEAR);
            }
        }
        self.mix = if self.shape.is_cut() { [self.mix[1], self.presence.now()] } else { [1.0; 2] };
        if moving {
            self.design(rate, false);
        } else if self.presence.now() == 0.0 {
            self.stop();
        } else {
            self.sections[..self.count].iter_mut().for_each(Section::settle);
            if same && wanted && self.stands() {
                self.stands_at = Some(*band);
            }
        }
    }

    /// True when nothing of it moves.
    fn stands(&self) -> bool {
        self.mix == [1.0, 1.0] && self.sections[..self.count].iter().all(Section::stands)
    }

    fn run(&mut self, pair: usize, audio: &mut [Lanes], done: usize) {
        let dry = if self.mix == [1.0, 1.0] {
            None
        } else {
            let mut dry = [[0.0; 2]; TICK];
            dry[..audio.len()].copy_from_slice(audio);
            Some(dry)
        };
        for (section, states) in self.sections.iter().zip(&mut self.states).take(self.count) {
            section.run(&mut states[pair], audio, done);
        }
        if let Some(dry) = dry {
            for (index, (wet, dry)) in audio.iter_mut().zip(&dry).enumerate() {
                let along = (done + index + 1) as f64 / TICK as f64;
                let share = self.mix[0] + (self.mix[1] - self.mix[0]) * along;
                for lane in 0..2 {
                    wet[lane] = dry[lane] + share * (wet[lane] - dry[lane]);
                }
            }
        }
    }
}

/// Runs voices that stand.
fn run_standing(voices: &mut [Voice], pair: usize, audio: &mut [Lanes]) {
    let active = voices.iter_mut().filter(|voice| voice.active);
    let mut parts = active
        .flat_map(|voice| voice.sections[..voice.count].iter().zip(voice.states.iter_mut().map(move |states| &mut states[pair])))
        .fuse();
    loop {
        match [parts.next(), parts.next(), parts.next(), parts.next()] {
            [Some(a), Some(b), Some(c), Some(d)] => Section::run_row([a, b, c, d], audio),
            [Some(a), Some(b), Some(c), None] => return Section::run_row([a, b, c], audio),
            [Some(a), Some(b), ..] => return Section::run_row([a, b], audio),
            [Some((section, state)), ..] => return section.run(state, audio, 0),
            _ => return,
        }
    }
}

/// The equaliser. Neutral bands cost nothing, and with all bands neutral the samples pass untouched.
#[derive(Debug, Default)]
pub struct Equaliser {
    voices: Vec<Voice>,
    ticks: Ticks,
    rate: Hz,
    pole: f64,
    channels: usize,
    fresh: bool,
}

impl Equaliser {
    /// An equaliser, to be prepared.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Processor for Equaliser {
    type Settings = Settings;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        self.rate = format.rate;
        self.pole = pole(format.rate);
        self.channels = format.channels;
        self.voices = vec![Voice::new(format.channels.div_ceil(2), format.rate); BANDS];
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.voices.iter_mut().for_each(Voice::stop);
        self.ticks.reset();
        self.fresh = true;
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, _: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        if audio.len() != self.channels {
            return;
        }
        let length = audio.first().map_or(0, |channel| channel.len());
        let mut at = 0;
        while at < length {
            let (due, piece) = self.ticks.take(length - at);
            if due {
                for (voice, band) in self.voices.iter_mut().zip(&settings.bands) {
                    voice.tick(band, self.rate, self.pole, self.fresh);
                }
                self.fresh = false;
            }
            let range = at..at + piece;
            let done = self.ticks.done(piece);
            if self.voices.iter().all(|voice| !voice.active) {
                audio.iter_mut().for_each(|channel| usable_all(&mut channel[range.clone()]));
            } else {
                let standing = self.voices.iter().filter(|voice| voice.active).all(Voice::stands);
                for (pair, channels) in audio.chunks_mut(2).enumerate() {
                    let mut lanes = [[0.0; 2]; TICK];
                    for (lane, channel) in channels.iter().enumerate() {
                        for (slot, &sample) in lanes.iter_mut().zip(&channel[range.clone()]) {
                            slot[lane] = f64::from(usable(sample));
                        }
                    }
                    if standing {
                        run_standing(&mut self.voices, pair, &mut lanes[..piece]);
                    } else {
                        for voice in self.voices.iter_mut().filter(|voice| voice.active) {
                            voice.run(pair, &mut lanes[..piece], done);
                        }
                    }
                    for (lane, channel) in channels.iter_mut().enumerate() {
                        for (sample, slot) in channel[range.clone()].iter_mut().zip(&lanes) {
                            *sample = slot[lane] as f32;
                        }
                    }
                }
            }
            at += piece;
        }
    }

    fn latency(&self, _: &Settings) -> usize {
        0
    }
}
