//! The mastering chain: equaliser, multiband dynamics, stereo, colour, limiter.
//!
//! ```text
//! input ─▶ gain ─▶ equaliser ─▶ multiband ─▶ stereo ─▶ colour ─▶ drive ─▶ limiter ─▶ match ─▶ output
//! ```
//!
//! Every move is a readable parameter ([`MasterMoves`]). What is not asked for changes nothing: with
//! default settings, and nothing over the ceiling, the output is the delayed input bit for bit.

mod compare;
mod moves;
mod params;

pub use moves::{Listen, MasterMoves};

use crate::colour::Colour;
use crate::delay::Delay;
use crate::dynamics::limiter::TruePeakLimiter;
use crate::dynamics::multiband::{Count, Multiband, Reading as BandReading, Split};
use crate::engines::frames::Frames;
use crate::engines::meter::Programme;
use crate::engines::{WithoutModels, part};
use crate::filters::{Equaliser, LinearEqualiser, Phase};
use crate::processor::{Error, Format, Observer, Processor, STAGE_BANDS, Stages};
use crate::ramp::Ramp;
use crate::realtime::FlushDenormals;
use crate::sample::usable_all;
use crate::stereo::{self, Stereo};
use crate::units::{Db, Ms};
use compare::Compare;

/// Samples at a time.
const CHUNK: usize = 256;
/// Time over which gains, bypass and a change of structure move.
const MOVE: Ms = Ms(20.0);

/// What a change of forgets the past and may change the delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Structure {
    phase: Phase,
    split: Split,
    count: Count,
}

impl Structure {
    fn of(moves: &MasterMoves) -> Self {
        Self { phase: moves.equaliser_phase, split: moves.dynamics.split, count: moves.dynamics.count }
    }

    /// Index of its delay.
    fn index(self) -> usize {
        usize::from(self.phase == Phase::Linear) + 2 * usize::from(self.split == Split::Linear)
    }
}

/// What the chain is doing, for meters and pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Readings<'a> {
    /// The bands of the dynamics, from the lowest.
    pub bands: &'a [BandReading],
    /// The guard of the mono sum.
    pub stereo: stereo::Reading,
    /// Deepest linear gain of the limiter since the last readings.
    pub limiter: f32,
}

/// Where a change of structure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    None,
    /// The old structure fades out.
    Out,
    /// The new one fills, so many samples more.
    Fill(usize),
}

#[derive(Debug)]
struct Inner {
    minimum: Equaliser,
    linear: LinearEqualiser,
    dynamics: Multiband,
    stereo: Stereo,
    colour: Colour,
    limiter: TruePeakLimiter,
    /// Delays of the whole chain by [`Structure::index`], and of the limiter alone, `[channel]`.
    whole: [Vec<Delay>; 4],
    beside: Vec<Delay>,
    /// Chunks of the delayed input and of what came to the limiter, `[channel][sample]`.
    dry: Vec<Vec<f32>>,
    unlimited: Vec<Vec<f32>>,
    input: Ramp,
    drive: Ramp,
    limited: Ramp,
    wet: Ramp,
    /// Share of what was changed in place of the master, and the gain of the input in it.
    removed: Ramp,
    driven: Ramp,
    fade: Ramp,
    structure: Structure,
    change: Change,
    latencies: [usize; 4],
    /// Deepest gain of the limiter since it was read, and since a frame told of it.
    deepest: f32,
    told: f32,
    fresh: bool,
    frames: Frames,
    compare: Compare,
    /// The settings that it knows, without those that only say what is heard.
    compared: Option<MasterMoves>,
    /// Gains of a chunk that match the loudness.
    matching: Vec<f32>,
    /// Loudness of the master, where somebody wants it.
    programme: Programme,
}

/// The mastering chain.
#[derive(Debug, Default)]
pub struct Master {
    inner: Option<Box<Inner>>,
}

impl Master {
    /// A chain, to be prepared.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the stages are doing; none before `prepare`.
    pub fn readings(&mut self) -> Option<Readings<'_>> {
        let inner = self.inner.as_mut()?;
        let limiter = std::mem::replace(&mut inner.deepest, 1.0);
        Some(Readings { bands: inner.dynamics.readings(), stereo: inner.stereo.reading(), limiter })
    }
}

impl Inner {
    fn new(format: Format) -> Result<Self, Error> {
        let (mut minimum, mut linear, mut dynamics) = (Equaliser::new(), LinearEqualiser::new(), Multiband::new());
        let (mut stereo, mut colour) = (Stereo::new(), Colour::new());
        minimum.prepare(format)?;
        linear.prepare(format)?;
        dynamics.prepare(format)?;
        stereo.prepare(format)?;
        colour.prepare(format)?;
        let limiter = TruePeakLimiter::new(format);
        let moves = MasterMoves::default();
        let mut split = moves.dynamics;
        split.split = Split::Linear;
        let fixed = colour.latency(&moves.colour) + limiter.latency();
        let latencies = std::array::from_fn(|index| {
            let equaliser = if index & 1 == 0 { 0 } else { linear.latency(&moves.equaliser) };
            let dynamics = if index & 2 == 0 { 0 } else { dynamics.latency(&split) };
            fixed + equaliser + dynamics
        });
        let lines = |samples: usize| vec![Delay::new(samples); format.channels];
        let chunks = || vec![vec![0.0; CHUNK]; format.channels];
        let ramp = Ramp::new(MOVE, format.rate);
        Ok(Self {
            whole: latencies.map(lines),
            beside: lines(limiter.latency()),
            dry: chunks(),
            unlimited: chunks(),
            input: ramp,
            drive: ramp,
            limited: ramp,
            wet: ramp,
            removed: ramp,
            driven: ramp,
            fade: ramp,
            structure: Structure::default(),
            change: Change::None,
            latencies,
            deepest: 1.0,
            told: 1.0,
            fresh: true,
            frames: Frames::new(format),
            compare: Compare::new(format),
            compared: None,
            matching: vec![1.0; CHUNK],
            programme: Programme::new(format)?,
            minimum,
            linear,
            dynamics,
            stereo,
            colour,
            limiter,
        })
    }

    /// Forgets the sound, not where the ramps stand.
    fn forget(&mut self) {
        self.minimum.reset();
        self.linear.reset();
        self.dynamics.reset();
        self.stereo.reset();
        self.colour.reset();
        self.limiter.reset();
        self.whole.iter_mut().flatten().chain(&mut self.beside).for_each(Delay::reset);
    }

    fn reset(&mut self) {
        self.forget();
        for ramp in
            [&mut self.input, &mut self.drive, &mut self.limited, &mut self.wet, &mut self.removed, &mut self.driven, &mut self.fade]
        {
            ramp.reset();
        }
        self.change = Change::None;
        (self.deepest, self.told) = (1.0, 1.0);
        self.fresh = true;
        self.frames.reset();
        self.compare.reset();
        self.compared = None;
        self.programme.begin();
    }

    /// Reads the settings before a piece. Gives how long it may be at most.
    fn read(&mut self, moves: &MasterMoves) -> usize {
        let wanted = Structure::of(moves);
        if std::mem::take(&mut self.fresh) {
            self.structure = wanted;
        }
        self.input.set(moves.input.to_linear());
        self.drive.set(moves.limiter_drive.to_linear());
        self.removed.set(f32::from(u8::from(moves.listen == Listen::Removed)));
        self.driven.set(moves.input.to_linear() * moves.limiter_drive.to_linear());
        self.limited.set(f32::from(u8::from(moves.limiter_on)));
        self.wet.set(f32::from(u8::from(!moves.bypass)));
        self.read_loudness(moves);
        if self.change == Change::Fill(0) {
            // What was asked for meanwhile is seen below, at this very sample and not at the end of a piece.
            self.change = Change::None;
            self.fade.set(1.0);
        }
        match self.change {
            Change::None if wanted != self.structure => {
                self.change = Change::Out;
                self.fade.set(0.0);
            }
            Change::None => self.fade.set(1.0),
            Change::Out if self.fade.at_rest().is_some() => {
                self.structure = wanted;
                self.forget();
                self.change = Change::Fill(self.latencies[wanted.index()].max(1));
            }
            _ => {}
        }
        match self.change {
            Change::None => CHUNK,
            // The end of a fade is found to the sample.
            Change::Out => 1,
            Change::Fill(left) => left.min(CHUNK),
        }
    }

    /// Tells the comparison of loudness what is set.
    fn read_loudness(&mut self, moves: &MasterMoves) {
        let heard = MasterMoves { listen: Listen::Master, bypass: false, matched: false, ..*moves };
        let gain = |moves: &MasterMoves| moves.input.0 + moves.limiter_drive.0;
        let changed = self.compared != Some(heard);
        let before = self.compared.map_or(0.0, |before| gain(&before));
        self.compare.read(moves.matched, changed, Db(gain(&heard) - before));
        self.compared = Some(heard);
    }

    /// What the stages do, for a frame.
    fn stages(&mut self, moves: &MasterMoves) -> Stages {
        let mut bands = [[f32::NEG_INFINITY, 0.0]; STAGE_BANDS];
        if moves.dynamics.on {
            for (band, reading) in bands.iter_mut().zip(self.dynamics.readings()) {
                *band = [reading.level, reading.gain];
            }
        }
        let stereo = self.stereo.reading();
        Stages {
            bands,
            count: moves.dynamics.count.bands(),
            limiter: 20.0 * std::mem::replace(&mut self.told, 1.0).max(1e-6).log10(),
            guard: if moves.stereo_on { stereo.guard } else { 0.0 },
            mono_loss: stereo.mono_loss,
            louder: self.compare.louder(),
        }
    }

    fn chunk(&mut self, audio: &mut [&mut [f32]], moves: &MasterMoves, observer: &mut dyn Observer) {
        let length = audio.first().map_or(0, |channel| channel.len());
        let structure = self.structure;
        for ((channel, dry), delay) in audio.iter_mut().zip(&mut self.dry).zip(&mut self.whole[structure.index()]) {
            usable_all(channel);
            dry[..length].copy_from_slice(channel);
            delay.process(&mut dry[..length]);
        }
        gain(audio, &mut self.input);
        let equaliser = if moves.equaliser_on { moves.equaliser } else { Default::default() };
        match structure.phase {
            Phase::Minimum => self.minimum.process(audio, &equaliser, observer),
            Phase::Linear => self.linear.process(audio, &equaliser, observer),
        }
        // Another structure is asked for only when this one has faded out.
        let dynamics = crate::dynamics::multiband::Settings { split: structure.split, count: structure.count, ..moves.dynamics };
        self.dynamics.process(audio, &dynamics, observer);
        let stereo = if moves.stereo_on { moves.stereo } else { Default::default() };
        self.stereo.process(audio, &stereo, observer);
        self.colour.process(audio, &moves.colour, observer);
        gain(audio, &mut self.drive);
        self.limit(audio, moves);
        let deepest = self.limiter.take_gain();
        (self.deepest, self.told) = (self.deepest.min(deepest), self.told.min(deepest));
        if observer.wants_loudness() {
            self.programme.measure(audio, observer);
        }
        let watched = observer.wants_frames();
        if observer.wants_comparison() || moves.matched {
            // While a structure fills there is nothing to compare.
            let whole = self.change == Change::None;
            self.compare.process(&self.dry, audio, whole, &mut self.matching[..length]);
        } else {
            self.matching[..length].fill(1.0);
        }
        self.listen(audio);
        if self.matching[..length].iter().any(|&gain| gain != 1.0) {
            for channel in audio.iter_mut() {
                channel.iter_mut().zip(&self.matching).for_each(|(sample, gain)| *sample *= gain);
            }
        }
        mix(audio, &self.dry, &mut self.wet);
        gain(audio, &mut self.fade);
        if watched {
            if self.frames.is_due(length) {
                let stages = self.stages(moves);
                observer.stages(&stages);
            }
            self.frames.add(&self.dry, audio, self.latencies[structure.index()], observer);
        }
        if let Change::Fill(left) = &mut self.change {
            *left -= length;
        }
    }

    /// Puts what was changed in the place of the master, where that is asked for: the delayed input with
    /// all gain it was given, less the master.
    fn listen(&mut self, audio: &mut [&mut [f32]]) {
        if self.removed.at_rest() == Some(0.0) && self.driven.at_rest().is_some() {
            return;
        }
        for index in 0..audio.first().map_or(0, |channel| channel.len()) {
            let (share, gain) = (self.removed.step(), self.driven.step());
            for (channel, dry) in audio.iter_mut().zip(&self.dry) {
                channel[index] += share * (dry[index] * gain - 2.0 * channel[index]);
            }
        }
    }

    fn limit(&mut self, audio: &mut [&mut [f32]], moves: &MasterMoves) {
        for ((channel, kept), delay) in audio.iter_mut().zip(&mut self.unlimited).zip(&mut self.beside) {
            // What stages before could make of the loudest sound must not stay in the limiter.
            usable_all(channel);
            let kept = &mut kept[..channel.len()];
            kept.copy_from_slice(channel);
            delay.process(kept);
        }
        self.limiter.process(audio, &moves.limit);
        mix(audio, &self.unlimited, &mut self.limited);
    }
}

/// Multiplies all channels by a ramp.
fn gain(audio: &mut [&mut [f32]], ramp: &mut Ramp) {
    match ramp.at_rest() {
        Some(1.0) => {}
        Some(gain) => audio.iter_mut().for_each(|channel| channel.iter_mut().for_each(|sample| *sample *= gain)),
        None => {
            for index in 0..audio.first().map_or(0, |channel| channel.len()) {
                let gain = ramp.step();
                audio.iter_mut().for_each(|channel| channel[index] *= gain);
            }
        }
    }
}

/// Mixes: at 1 the audio, at 0 the other, both bit for bit.
fn mix(audio: &mut [&mut [f32]], other: &[Vec<f32>], ramp: &mut Ramp) {
    match ramp.at_rest() {
        Some(1.0) => {}
        Some(0.0) => audio.iter_mut().zip(other).for_each(|(channel, other)| channel.copy_from_slice(&other[..channel.len()])),
        _ => {
            for index in 0..audio.first().map_or(0, |channel| channel.len()) {
                let share = ramp.step();
                // Where the ramp ends within the piece, its end is as exact as at rest.
                if share == 1.0 {
                    continue;
                }
                for (channel, other) in audio.iter_mut().zip(other) {
                    channel[index] = other[index] + (channel[index] - other[index]) * share;
                }
            }
        }
    }
}

impl WithoutModels for Master {}

impl Processor for Master {
    type Settings = MasterMoves;

    const MEASURES: bool = true;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        self.inner = Some(Box::new(Inner::new(Format::new(format.rate, format.channels)?)?));
        Ok(())
    }

    fn reset(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.reset();
        }
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &MasterMoves, observer: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        let Some(inner) = &mut self.inner else { return };
        let channels = inner.dry.len();
        if audio.len() != channels {
            return;
        }
        let length = audio.iter().map(|channel| channel.len()).min().unwrap_or(0);
        let mut at = 0;
        while at < length {
            let end = length.min(at + inner.read(settings));
            let mut piece = part(audio, at..end);
            inner.chunk(&mut piece[..channels], settings, observer);
            at = end;
        }
    }

    fn latency(&self, settings: &MasterMoves) -> usize {
        self.inner.as_ref().map_or(0, |inner| inner.latencies[Structure::of(settings).index()])
    }
}
