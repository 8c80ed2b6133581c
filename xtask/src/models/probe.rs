//! The look into a model, in a confined process: `models probe FOLDER`. Says what it found as JSON.

use super::limits;
use crate::render::engine::{self, Driver, ENGINES, Entry};
use crate::spent::spent;
use dsp_core::engines::stems::Task;
use dsp_core::model::inventory;
use dsp_core::model::store::{self, Verdict};
use dsp_core::model::{Manifest, Package};
use dsp_core::params;
use dsp_core::processor::{Format, Frame, Observer};
use dsp_core::units::Hz;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The format in which a model is looked at.
const FORMAT: Format = Format { rate: Hz(48_000.0), channels: 1 };
/// Frames of speech.
const SPEECH: usize = 200;
/// Frames of everything else.
const OTHER: usize = 60;
/// Frames at the pace of sound.
const PACED: usize = 120;
/// Longest that the paced measurement may take.
const PACE_TIME: Duration = Duration::from_secs(4);
/// Loudest output of an input within full scale: a model that makes more of it than 12 dB is broken.
const LOUDEST: f32 = 4.0;
/// Loudest output of digital silence: -80 dBFS.
const SILENT: f32 = 1e-4;
/// Share of a hop that a step may take at the 99th percentile to run on the audio thread.
const INLINE: f64 = 0.3;
/// The same for a thread of its own; above, it does not keep up.
const WORKER: f64 = 0.8;

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Found {
    /// Operators and how often they stand in the graphs.
    pub operators: Vec<(String, usize)>,
    /// What was tried, in order, with what came out where it went wrong.
    pub checks: Vec<(String, Option<String>)>,
    /// How it keeps up with sound.
    pub verdict: Verdict,
    /// As in the stamp.
    pub step_us: f64,
    /// As in the stamp.
    pub paced_us: f64,
    /// As in the stamp.
    pub hop_ms: f64,
    /// As in the stamp.
    pub latency_ms: f64,
}

impl Found {
    /// What went wrong first.
    pub fn wrong(&self) -> Option<(&str, &str)> {
        self.checks.iter().find_map(|(name, wrong)| Some((name.as_str(), wrong.as_deref()?)))
    }
}

/// What the process says.
pub type Answer = Result<Found, String>;

/// The process: confines itself, looks, answers.
pub fn run(folder: &Path, pace: bool) -> ExitCode {
    limits::confine();
    // A panic inside is told as a crash by the exit status; its text is on standard error.
    let answer: Answer = look(folder, pace);
    match serde_json::to_string(&answer) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts frames and remembers how long one is.
#[derive(Default)]
struct Hop(f32);

impl Observer for Hop {
    fn frame(&mut self, frame: &Frame<'_>) {
        self.0 = frame.seconds;
    }
}

fn look(folder: &Path, pace: bool) -> Answer {
    let package = Package::read(folder).map_err(|error| error.to_string())?;
    let mut counted = std::collections::BTreeMap::<String, usize>::new();
    for (name, bytes) in &package.files {
        for (kind, count) in inventory(bytes).map_err(|reason| format!("{name}: {reason}"))? {
            *counted.entry(kind).or_default() += count;
        }
    }
    let task = &package.manifest.task;
    let entry = engine::for_task(task).ok_or_else(|| {
        let tasks: Vec<&str> = ENGINES.iter().flat_map(|entry| entry.tasks).copied().collect();
        format!("it is for \"{task}\"; models can be chosen for: {}", tasks.join(", "))
    })?;
    let mut engine = make(entry, &package)?;
    let mut hop = Hop::default();
    engine.process(&mut [&mut speech(FORMAT.rate.0 as usize / 2)], &mut hop);
    let hop = ((f64::from(hop.0) * FORMAT.rate.0).round() as usize).max(1);
    let mut probe = Probe { engine, hop, checks: Vec::new() };
    let step_us = probe.all();
    let wrong = probe.checks.iter().any(|(_, wrong)| wrong.is_some());
    let hop_us = hop as f64 / FORMAT.rate.0 * 1e6;
    let mut paced_us = if pace && !wrong { probe.paced() } else { step_us };
    if pace && !wrong && paced_us > INLINE * hop_us {
        // A hold-up of the machine is not the model's: it has another try.
        paced_us = paced_us.min(probe.paced());
    }
    let share = paced_us / hop_us;
    let verdict = match share {
        share if share <= INLINE => Verdict::Inline,
        share if share <= WORKER && entry.aside => Verdict::Worker,
        _ => Verdict::TooSlow,
    };
    // On a thread of its own it has another delay.
    let checks = probe.checks;
    let latency = make(entry, &Package { verdict, ..package })?.latency() as f64;
    Ok(Found {
        operators: counted.into_iter().collect(),
        checks,
        verdict,
        step_us,
        paced_us,
        hop_ms: hop_us / 1e3,
        latency_ms: latency / FORMAT.rate.0 * 1e3,
    })
}

/// An engine with the model, set so that what the model says is heard: for the model's task, and of stems the first.
fn make(entry: &Entry, package: &Package) -> Result<Box<dyn Driver>, String> {
    let mut values = params::defaults(entry.params);
    let task = Task::ALL.into_iter().find(|task| task.key() == package.manifest.task);
    if let Some(task) = task {
        let solo = format!("{}-solo", task.keys()[0]);
        for (id, text) in [("task", task.key()), (&solo, "on")] {
            let index = params::index_of(entry.params, id).map_err(|error| error.to_string())?;
            values[index] = entry.params[index].parse(text).map_err(|error| error.to_string())?;
        }
    }
    (entry.make)(FORMAT, &values, Some(package)).map_err(|error| error.to_string())
}

struct Probe {
    engine: Box<dyn Driver>,
    /// In samples.
    hop: usize,
    checks: Vec<(String, Option<String>)>,
}

impl Probe {
    fn tell(&mut self, name: &str, wrong: Option<String>) {
        self.checks.push((name.to_owned(), wrong));
    }

    /// Plays a sound in blocks from a fresh start, or on from where it is.
    fn play(&mut self, sound: &[f32], block: usize, fresh: bool) -> Vec<f32> {
        if fresh {
            self.engine.reset();
        }
        let mut out = sound.to_vec();
        out.chunks_mut(block).for_each(|block| self.engine.process(&mut [block], &mut ()));
        out
    }

    /// All but the paced measurement; gives the median time of a step in microseconds.
    fn all(&mut self) -> f64 {
        let hop = self.hop;
        let voice = speech(SPEECH * hop);
        self.engine.reset();
        let mut first = voice.clone();
        let mut times: Vec<Duration> = first
            .chunks_mut(hop)
            .map(|block| {
                let started = spent();
                self.engine.process(&mut [block], &mut ());
                spent().saturating_sub(started)
            })
            .collect();
        times.sort();
        self.tell("speech", bounds(&first, LOUDEST).or_else(|| failed(&*self.engine)));
        // Cut differently, and from a reset: the same bits.
        let again = self.play(&voice, hop, true);
        let differs = |other: &[f32]| first.iter().zip(other).position(|(a, b)| a.to_bits() != b.to_bits());
        self.tell(
            "the same again after a reset",
            differs(&again).map(|at| format!("sample {at} differs: a state is not kept where the manifest says")),
        );
        let cut = self.play(&voice, hop / 3 + 1, true);
        self.tell("the same in other blocks", differs(&cut).map(|at| format!("sample {at} differs")));
        let silence = self.play(&vec![0.0; OTHER * hop], hop, true);
        self.tell("silence stays silent", bounds(&silence, SILENT));
        let loud: Vec<f32> = noise(OTHER * hop).map(|x| if x < 0.0 { -1.0 } else { 1.0 }).collect();
        let loud = self.play(&loud, hop, true);
        self.tell("full scale", bounds(&loud, LOUDEST).or_else(|| failed(&*self.engine)));
        let mut broken = voice[..OTHER * hop].to_vec();
        broken[hop..2 * hop].fill(f32::NAN);
        broken[4 * hop] = f32::INFINITY;
        let broken = self.play(&broken, hop, true);
        let after = self.play(&voice[..OTHER * hop], hop, false);
        let heard = after.iter().any(|sample| sample.abs() > SILENT);
        let wrong = bounds(&broken, LOUDEST).or_else(|| bounds(&after, LOUDEST)).or_else(|| failed(&*self.engine));
        self.tell("samples that are no numbers", wrong.or_else(|| (!heard).then(|| "nothing comes out after them".to_owned())));
        micros(times.get(times.len() / 2))
    }

    /// Time of a step when one comes a hop, the 99th percentile in microseconds.
    fn paced(&mut self) -> f64 {
        let voice = speech(PACED * self.hop);
        let pause = Duration::from_secs_f64(self.hop as f64 / FORMAT.rate.0);
        self.engine.reset();
        let began = Instant::now();
        let mut times = Vec::with_capacity(PACED);
        for (index, block) in voice.chunks(self.hop).enumerate() {
            if began.elapsed() > PACE_TIME {
                break;
            }
            if let Some(wait) = (pause * index as u32).checked_sub(began.elapsed()) {
                std::thread::sleep(wait);
            }
            let mut block = block.to_vec();
            let started = spent();
            self.engine.process(&mut [&mut block], &mut ());
            times.push(spent().saturating_sub(started));
        }
        times.sort();
        micros(times.get((times.len().saturating_sub(1)) * 99 / 100))
    }
}

fn micros(time: Option<&Duration>) -> f64 {
    time.map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

fn failed(engine: &dyn Driver) -> Option<String> {
    let count = engine.bad_steps();
    (count > 0).then(|| format!("{count} steps failed or gave numbers that are not finite"))
}

fn bounds(sound: &[f32], most: f32) -> Option<String> {
    let at = sound.iter().position(|sample| !sample.is_finite() || sample.abs() > most)?;
    Some(format!("sample {at} of the output is {}, which should be within {most}", sound[at]))
}

/// White noise within full scale.
fn noise(samples: usize) -> impl Iterator<Item = f32> {
    let mut seed = 7_u32;
    (0..samples).map(move |_| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
    })
}

/// What stands for speech: a voice with a moving pitch, formants that come from a falling spectrum,
/// syllables, sibilants and pauses, in soft noise.
fn speech(samples: usize) -> Vec<f32> {
    let rate = FORMAT.rate.0 as f32;
    let (mut phase, mut last) = (0.0_f32, 0.0);
    noise(samples)
        .enumerate()
        .map(|(n, noise)| {
            let seconds = n as f32 / rate;
            phase = (phase + (130.0 + 30.0 * (seconds * 2.0).sin()) / rate).fract();
            let syllable = (std::f32::consts::PI * (seconds * 4.0).fract()).sin();
            let voiced = if (seconds * 1.3).fract() < 0.7 { (phase - 0.5) * 0.5 * syllable } else { 0.0 };
            let hiss = if (seconds * 2.1).fract() < 0.2 { 0.2 * (noise - last) } else { 0.0 };
            last = noise;
            voiced + hiss + 0.01 * noise
        })
        .collect()
}

/// The process that only reads the manifest: names and hashes of the files that it names.
pub fn names(folder: &Path) -> ExitCode {
    limits::confine();
    let read = || -> Result<Vec<(String, String)>, String> {
        let text = store::read_text(&folder.join(store::MANIFEST))?;
        let manifest = Manifest::parse(&text).map_err(|error| error.to_string())?;
        let named: Vec<(String, String)> =
            store::weights(&manifest).iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned())).collect();
        named.iter().try_for_each(|(name, _)| store::check_name(name))?;
        Ok(named)
    };
    match serde_json::to_string(&read()) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}
