//! The engines that can stand between the devices. A new one is an entry in [`ENGINES`].

use crate::status::{STAGES, Status};
use dsp_core::engines::Engine;
use dsp_core::engines::deess::Deess;
use dsp_core::engines::denoise::Denoise;
use dsp_core::engines::limiter::Limiter;
use dsp_core::engines::master::Master;
use dsp_core::engines::meter::Meter;
use dsp_core::engines::podcast::{self, Podcast, StageFrame};
use dsp_core::engines::stems::Stems;
use dsp_core::params::{FromValues, Param};
use dsp_core::preset;
use dsp_core::processor::{Error, Format, Frame, Observer, Stages};

/// An engine with its settings, whatever its type.
pub trait Driver: Send {
    /// As `Processor::process`.
    fn process(&mut self, audio: &mut [&mut [f32]], observer: &mut dyn Observer);
    /// As `Processor::latency`, in samples.
    fn latency(&self) -> usize;
    /// Other values of the parameters, in the order of the table. Never allocates.
    fn set(&mut self, values: &[f32]);
    /// As [`Engine::late_frames`].
    fn late_frames(&self) -> u64;
    /// As `Processor::notice`.
    fn notice(&self) -> Option<&'static str>;
}

struct With<E: Engine> {
    engine: E,
    settings: E::Settings,
}

impl<E: Engine> Driver for With<E> {
    fn process(&mut self, audio: &mut [&mut [f32]], observer: &mut dyn Observer) {
        self.engine.process(audio, &self.settings, observer);
    }

    fn latency(&self) -> usize {
        self.engine.latency(&self.settings)
    }

    fn set(&mut self, values: &[f32]) {
        self.settings = E::Settings::from_values(values);
    }

    fn late_frames(&self) -> u64 {
        self.engine.late_frames()
    }

    fn notice(&self) -> Option<&'static str> {
        self.engine.notice()
    }
}

/// A factory preset: its name and the values that differ from the defaults, by id.
type Preset = (&'static str, &'static [(&'static str, f32)]);

/// Reads the name and values from a preset's text.
type ReadPreset = fn(&str) -> Result<(String, Vec<f32>), Error>;
/// Makes an engine with values.
type Make = fn(Format, &[f32]) -> Result<Box<dyn Driver>, Error>;

/// An engine's entry.
pub struct Entry {
    /// The name, as on the command line.
    pub name: &'static str,
    /// One line for the help.
    pub about: &'static str,
    /// Its parameters. Values are plain and stand in this order.
    pub params: &'static [Param],
    /// Its factory presets.
    pub presets: &'static [Preset],
    /// Names of the stages whose gain it tells of.
    pub stages: &'static [&'static str],
    /// Values of a factory preset, by name.
    pub factory: fn(&str) -> Option<Vec<f32>>,
    /// Name and values of a preset's text.
    pub preset: ReadPreset,
    /// Makes one, with values.
    pub make: Make,
}

fn make<E: Engine>(format: Format, values: &[f32]) -> Result<Box<dyn Driver>, Error> {
    let mut engine = E::with_builtin_models(format)?;
    engine.set_realtime(true);
    Ok(Box::new(With { engine, settings: E::Settings::from_values(values) }))
}

const fn entry<E: Engine>(about: &'static str, stages: &'static [&'static str]) -> Entry {
    Entry {
        name: <E::Settings as FromValues>::ENGINE,
        about,
        params: <E::Settings as FromValues>::PARAMS,
        presets: <E::Settings as FromValues>::PRESETS,
        stages,
        factory: preset::factory::<E::Settings>,
        preset: preset::from_json::<E::Settings>,
        make: make::<E>,
    }
}

/// What engines without stages of their own tell: how much quieter the frame became.
const WHOLE: &[&str] = &["reduction"];
/// What the mastering chain tells.
const MASTER: &[&str] = &["low band", "low mids", "high mids", "high band", "mono guard", "limiter"];

/// The podcast chain's stages, in its own order.
const PODCAST: &[&str] = &{
    let mut names = [""; podcast::COUNT];
    let mut stage = 0;
    while stage < podcast::COUNT {
        names[stage] = podcast::STAGES[stage].name;
        stage += 1;
    }
    names
};

/// All engines; the first is taken where none is named.
pub static ENGINES: &[Entry] = &[
    entry::<Podcast>("Make a published voice of a microphone's: cleaned, levelled, toned, limited", PODCAST),
    entry::<Denoise>("Take noise out of speech", WHOLE),
    entry::<Deess>("Take the sharpness off sibilants, and nothing else", WHOLE),
    entry::<Limiter>("Keep true peaks under a ceiling", WHOLE),
    entry::<Meter>("Pass the sound on as it is", &[]),
    entry::<Stems>("A song's vocals, drums, bass and other, or a voice and what is under it, at levels of their own", WHOLE),
    entry::<Master>("Equaliser, dynamics, colour and limiter as they are set", MASTER),
];

/// The engine with this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENGINES.iter().find(|entry| entry.name == name)
}

/// Puts what an engine tells where the screen finds it.
pub struct Watch<'a> {
    /// Where.
    pub status: &'a Status,
    /// The engine's stages.
    pub stages: &'static [&'static str],
}

impl Watch<'_> {
    fn show(&self, stage: usize, gain_db: f32) {
        if let Some(place) = self.status.stages.get(stage)
            && gain_db.is_finite()
            && stage < STAGES
        {
            place.set(gain_db);
        }
    }
}

/// Power below which a frame's reduction means nothing: -100 dBFS.
const QUIET: f32 = 1e-10;

impl Observer for Watch<'_> {
    fn frame(&mut self, frame: &Frame<'_>) {
        if self.stages.len() == 1 {
            let (mut before, mut after) = (0.0, 0.0);
            for (power, gain) in frame.input_power.iter().zip(frame.gain) {
                before += power;
                after += power * gain * gain;
            }
            self.show(0, if before > QUIET { 10.0 * ((after + QUIET) / (before + QUIET)).log10() } else { 0.0 });
        }
    }

    fn podcast(&mut self, frame: &StageFrame) {
        for (stage, gain_db) in frame.gain_db.iter().enumerate() {
            self.show(stage, *gain_db);
        }
    }

    fn stages(&mut self, stages: &Stages) {
        if self.stages.len() == MASTER.len() {
            for (band, values) in stages.bands.iter().enumerate() {
                self.show(band, if band < stages.count { values[1] } else { 0.0 });
            }
            self.show(4, stages.guard);
            self.show(5, stages.limiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::units::Hz;

    #[test]
    fn every_engine_runs_and_has_what_the_keys_ask_for() {
        let format = Format::new(Hz(48_000.0), 1).expect("a format");
        for entry in ENGINES {
            let values = dsp_core::params::defaults(entry.params);
            let mut driver = (entry.make)(format, &values).expect("an engine");
            driver.set(&values);
            let mut audio = vec![0.1; 4_800];
            let status = Status::default();
            driver.process(&mut [&mut audio], &mut Watch { status: &status, stages: entry.stages });
            assert!(driver.latency() < 48_000 && driver.notice().is_none());
            assert!(entry.stages.len() <= STAGES);
            assert!(find(entry.name).is_some_and(|found| std::ptr::eq(found, entry)));
            for (name, _) in entry.presets {
                assert_eq!((entry.factory)(name).expect("a preset").len(), entry.params.len());
            }
        }
        assert!(find("nothing").is_none());
    }
}
