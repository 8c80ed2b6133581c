//! The engines that can stand between the devices. A new one is an entry in [`ENGINES`].

use crate::status::{STAGES, Status};
use dsp_core::engines::deess::Deess;
use dsp_core::engines::denoise::Denoise;
use dsp_core::engines::driver::{self, entry};
use dsp_core::engines::limiter::Limiter;
use dsp_core::engines::master::Master;
use dsp_core::engines::meter::Meter;
use dsp_core::engines::podcast::{self, Podcast, StageFrame};
use dsp_core::engines::stems::Stems;
use dsp_core::processor::{Frame, Observer, Stages};

pub use dsp_core::engines::driver::Driver;

/// An engine's entry; beside it stand the names of the stages whose gain it tells of.
pub type Entry = driver::Entry<&'static [&'static str]>;

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
    entry::<Podcast, _>("Make a published voice of a microphone's: cleaned, levelled, toned, limited", PODCAST),
    entry::<Denoise, _>("Take noise out of speech", WHOLE),
    entry::<Deess, _>("Take the sharpness off sibilants, and nothing else", WHOLE),
    entry::<Limiter, _>("Keep true peaks under a ceiling", WHOLE),
    entry::<Meter, _>("Pass the sound on as it is", &[]),
    entry::<Stems, _>("A song's vocals, drums, bass and other, or a voice and what is under it, at levels of their own", WHOLE),
    entry::<Master, _>("Equaliser, dynamics, colour and limiter as they are set", MASTER),
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
    use dsp_core::processor::Format;
    use dsp_core::units::Hz;

    #[test]
    fn every_engine_runs_and_has_what_the_keys_ask_for() {
        let format = Format::new(Hz(48_000.0), 1).expect("a format");
        for entry in ENGINES {
            let values = dsp_core::params::defaults(entry.params);
            let mut driver = (entry.make)(format, &values, None).expect("an engine");
            driver.set(&values);
            let mut audio = vec![0.1; 4_800];
            let status = Status::default();
            driver.process(&mut [&mut audio], &mut Watch { status: &status, stages: entry.more });
            assert!(driver.latency() < 48_000 && driver.notice().is_none());
            assert!(entry.more.len() <= STAGES);
            assert!(find(entry.name).is_some_and(|found| std::ptr::eq(found, entry)));
            for (name, _) in entry.presets {
                assert_eq!((entry.factory)(name).expect("a preset").len(), entry.params.len());
            }
        }
        assert!(find("nothing").is_none());
    }
}
