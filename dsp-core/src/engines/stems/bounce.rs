//! Stems of files: the same engine, with more work where time does not press.

use super::mixer::{Mixer, Pair};
use super::models::{PATHS, own_frame, path};
use super::separator::{MOST_MASKS, PAIR};
use super::settings::{Outputs, STEMS, Settings, Strip};
use super::{Listen, Stems};
use crate::delay::Delay;
use crate::engines::Engine;
use crate::framing::Windows;
use crate::model::Package;
use crate::processor::{Error, Format, Observer, Processor};
use crate::sample::usable_all;
use crate::units::Db;

/// How much work is put into a bounce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Quality {
    /// What the plugin plays, to the bit.
    #[default]
    Fast,
    /// The mean of two passes whose frames lie between each other.
    Good,
    /// The mean of four passes.
    Best,
}

impl Quality {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Fast, Self::Good, Self::Best];

    /// Key on command lines.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Good => "good",
            Self::Best => "best",
        }
    }

    /// Passes with shifted frames.
    const fn passes(self) -> usize {
        match self {
            Self::Fast => 1,
            Self::Good => 2,
            Self::Best => 4,
        }
    }
}

/// One pass: an engine that hears the input late, and what brings all passes into time.
struct Pass {
    engine: Stems,
    before: Vec<Delay>,
    after: Vec<Vec<Delay>>,
}

/// An engine for files. Give it blocks of any length; stems are there after each. It allocates.
pub struct Bounce {
    settings: Settings,
    format: Format,
    quality: Quality,
    passes: Vec<Pass>,
    /// The mix as late as the passes.
    dry: Vec<Delay>,
    mixer: Mixer,
    latency: usize,
    /// Stems before the faders, `[stem][channel][sample]`, of the last block.
    stems: Vec<Vec<Vec<f32>>>,
}

impl std::fmt::Debug for Bounce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bounce").field("quality", &self.quality).field("latency", &self.latency).finish_non_exhaustive()
    }
}

impl Bounce {
    /// For a format, settings (whose task, latency mode and focus hold for good) and a quality, with a model of
    /// the user's or the built-in ones.
    ///
    /// # Errors
    /// When the format is out of range, or a model does not load or is for another task.
    pub fn new(format: Format, settings: &Settings, quality: Quality, model: Option<&Package>) -> Result<Self, Error> {
        let count = quality.passes();
        let masks = settings.strips().len() - 1;
        let frame = match model {
            Some(package) => {
                package.manifest.is_for(settings.task.key())?;
                own_frame(&package.manifest)?.1
            }
            None => PATHS[path(settings)].model()?.0,
        };
        let hop = Windows::new(&frame, format.rate).hop;
        let delays = |samples: usize| vec![Delay::new(samples); format.channels];
        let shift = |number: usize| hop * number / count;
        let engine = |_| -> Result<Stems, Error> {
            let mut engine = Stems::default();
            engine.prepare(format)?;
            engine.install(match model {
                Some(package) => Stems::load_model(format, package)?,
                None => Stems::load(format)?,
            });
            Ok(engine)
        };
        let mut engines = (0..count).map(engine).collect::<Result<Vec<_>, _>>()?;
        let own = engines[0].latency(settings);
        let together = own + shift(count - 1);
        let pass =
            |(number, engine)| Pass { engine, before: delays(shift(number)), after: vec![delays(together - own - shift(number)); masks] };
        Ok(Self {
            settings: *settings,
            format,
            quality,
            dry: delays(together),
            latency: together,
            passes: engines.drain(..).enumerate().map(pass).collect(),
            mixer: Mixer::new(),
            stems: vec![vec![Vec::new(); format.channels]; masks + 1],
        })
    }

    /// Delay in samples of main output and stems.
    pub fn latency(&self) -> usize {
        self.latency
    }

    /// Forgets all history.
    pub fn reset(&mut self) {
        for pass in &mut self.passes {
            pass.engine.reset();
            pass.before.iter_mut().chain(pass.after.iter_mut().flatten()).for_each(Delay::reset);
        }
        self.dry.iter_mut().for_each(Delay::reset);
        self.mixer.reset();
    }

    /// Stems before the faders, `[stem][channel][sample]`, of the last block, in time with its main output; they
    /// add up to the delayed input.
    pub fn stems(&self) -> &[Vec<Vec<f32>>] {
        &self.stems
    }

    /// Processes a block in place into the main output, as [`Processor::process`].
    pub fn process(&mut self, audio: &mut [&mut [f32]], observer: &mut dyn Observer) {
        let length = audio.first().map_or(0, |channel| channel.len());
        for channel in self.stems.iter_mut().flatten() {
            channel.clear();
            channel.resize(length, 0.0);
        }
        if self.quality == Quality::Fast {
            let settings = Settings { outputs: Outputs::Before, ..self.settings };
            with_outputs(&mut self.stems, |outputs| self.passes[0].engine.process_outputs(audio, outputs, &settings, observer));
            return;
        }
        audio.iter_mut().for_each(|channel| usable_all(channel));
        self.average(audio, length, observer);
        self.dry.iter_mut().zip(audio.iter_mut()).for_each(|(delay, channel)| delay.process(channel));
        if let Some((last, others)) = self.stems.split_last_mut() {
            for (channel, (rest, mix)) in last.iter_mut().zip(audio.iter()).enumerate() {
                rest.copy_from_slice(mix);
                for stem in others.iter() {
                    rest.iter_mut().zip(&stem[channel]).for_each(|(rest, sample)| *rest -= sample);
                }
            }
        }
        self.mix(audio, length);
    }

    /// The mean of all passes, of all stems but the last.
    fn average(&mut self, audio: &[&mut [f32]], length: usize, observer: &mut dyn Observer) {
        let share = 1.0 / self.passes.len() as f32;
        // The first one tells what the faders do.
        let told = Settings { outputs: Outputs::Before, bypass: false, ..self.settings };
        let neutral =
            Settings { stems: [Strip::default(); 4], dialogue: [Strip::default(); 2], listen: Listen::Mix, output: Db(0.0), ..told };
        let mut parts = self.stems.clone();
        for (number, pass) in self.passes.iter_mut().enumerate() {
            let mut input: Vec<Vec<f32>> = audio.iter().map(|channel| channel.to_vec()).collect();
            for (delay, channel) in pass.before.iter_mut().zip(&mut input) {
                delay.process(channel);
            }
            let mut input: Vec<&mut [f32]> = input.iter_mut().map(Vec::as_mut_slice).collect();
            let (settings, observer) = if number == 0 { (&told, &mut *observer) } else { (&neutral, &mut () as &mut dyn Observer) };
            with_outputs(&mut parts, |outputs| pass.engine.process_outputs(&mut input, outputs, settings, observer));
            for ((delays, part), sums) in pass.after.iter_mut().zip(&mut parts).zip(&mut self.stems) {
                for ((delay, part), sum) in delays.iter_mut().zip(part).zip(sums) {
                    delay.process(&mut part[..length]);
                    sum.iter_mut().zip(&*part).for_each(|(sum, sample)| *sum += share * sample);
                }
            }
        }
    }

    /// The main output of stems and delayed mix.
    fn mix(&mut self, audio: &mut [&mut [f32]], length: usize) {
        self.mixer.aim(&self.settings, true, false);
        let masks = self.stems.len() - 1;
        for pair in 0..self.format.channels.div_ceil(PAIR) {
            let first = pair * PAIR;
            let sides = PAIR.min(self.format.channels - first);
            let mixes: Vec<Vec<f32>> = audio[first..first + sides].iter().map(|channel| channel.to_vec()).collect();
            let sound = Pair {
                mix: std::array::from_fn(|side| mixes[side.min(sides - 1)].as_slice()),
                stems: std::array::from_fn(|stem: usize| {
                    std::array::from_fn(|side| self.stems[stem.min(masks - 1)][first + side.min(sides - 1)].as_slice())
                }),
                masks,
                sides,
            };
            debug_assert!(masks <= MOST_MASKS && mixes.iter().all(|mix| mix.len() == length));
            self.mixer.main(&sound, &mut audio[first..first + sides]);
        }
        self.mixer.done();
    }
}

/// Calls with `outputs[stem][channel][sample]` as the engine takes them.
fn with_outputs(stems: &mut [Vec<Vec<f32>>], call: impl FnOnce(&mut [&mut [&mut [f32]]])) {
    let mut slices: Vec<Vec<&mut [f32]>> = stems.iter_mut().map(|stem| stem.iter_mut().map(Vec::as_mut_slice).collect()).collect();
    let mut outputs: Vec<&mut [&mut [f32]]> = slices.iter_mut().map(Vec::as_mut_slice).collect();
    debug_assert!(outputs.len() <= STEMS);
    call(&mut outputs);
}
