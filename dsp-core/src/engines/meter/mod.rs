//! The meter: passes the sound bit for bit, and tells of its loudness, peaks and image.

mod programme;
mod settings;

pub use programme::Programme;
pub use settings::{PLACES, Settings};

use crate::engines::WithoutModels;
use crate::processor::{Error, Format, Observer, Processor};
use crate::realtime::FlushDenormals;
use crate::sample::usable_all;

/// The meter engine. It has no delay and no model.
#[derive(Debug, Default)]
pub struct Meter {
    inner: Option<Inner>,
}

#[derive(Debug)]
struct Inner {
    programme: Programme,
    channels: usize,
    /// Where the reset switch stood; none before the first block, which is the first of a programme
    /// anyway.
    switch: Option<bool>,
}

impl Meter {
    /// A meter, to be prepared.
    pub fn new() -> Self {
        Self::default()
    }
}

impl WithoutModels for Meter {}

impl Processor for Meter {
    type Settings = Settings;

    const MEASURES: bool = true;

    fn prepare(&mut self, format: Format) -> Result<(), Error> {
        let format = Format::new(format.rate, format.channels)?;
        self.inner = Some(Inner { programme: Programme::new(format)?, channels: format.channels, switch: None });
        Ok(())
    }

    fn reset(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.programme.begin();
            inner.switch = None;
        }
    }

    fn process(&mut self, audio: &mut [&mut [f32]], settings: &Settings, observer: &mut dyn Observer) {
        let _flush = FlushDenormals::on();
        let Some(inner) = &mut self.inner else { return };
        if audio.len() != inner.channels {
            return;
        }
        // What is no sound must not reach what comes after; all else passes with its own bits.
        audio.iter_mut().for_each(|channel| usable_all(channel));
        if inner.switch.replace(settings.reset).is_some_and(|stood| stood != settings.reset) {
            inner.programme.begin();
        }
        if !settings.pause && !settings.bypass {
            inner.programme.measure(audio, observer);
        }
    }

    fn latency(&self, _: &Settings) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loudness;
    use crate::processor::{Frame, Measured};
    use crate::units::Hz;

    #[derive(Default)]
    struct Told(Vec<Measured>, bool);

    impl Observer for Told {
        fn frame(&mut self, _: &Frame<'_>) {}

        fn measure_anew(&mut self) -> bool {
            std::mem::take(&mut self.1)
        }

        fn measured(&mut self, measured: &Measured) {
            self.0.push(*measured);
        }
    }

    const RATE: f64 = 48_000.0;

    fn tone(seconds: f64, gain: f32) -> Vec<Vec<f32>> {
        let side = |hz: f64| {
            (0..(seconds * RATE) as usize).map(|n| gain * (n as f64 * hz * std::f64::consts::TAU / RATE + 0.1).sin() as f32).collect()
        };
        vec![side(997.0), side(440.0)]
    }

    fn meter() -> Meter {
        let mut meter = Meter::new();
        meter.prepare(Format { rate: Hz(RATE), channels: 2 }).unwrap();
        meter
    }

    fn run(meter: &mut Meter, audio: &[Vec<f32>], settings: &Settings, block: usize, told: &mut Told) {
        let mut out = audio.to_vec();
        let length = out[0].len();
        for at in (0..length).step_by(block) {
            let mut pieces: Vec<&mut [f32]> = out.iter_mut().map(|channel| &mut channel[at..(at + block).min(length)]).collect();
            meter.process(&mut pieces, settings, told);
        }
        assert!(out.iter().flatten().zip(audio.iter().flatten()).all(|(a, b)| a.to_bits() == b.to_bits()), "the sound was changed");
    }

    /// What it tells is what the meter itself reads of the same samples, whatever the blocks.
    #[test]
    fn readings_are_the_meters_and_do_not_depend_on_the_block() {
        let audio = tone(4.0, 0.4);
        let mut oracle = loudness::Meter::new(Format { rate: Hz(RATE), channels: 2 }).unwrap();
        oracle.process(&[&audio[0], &audio[1]]);
        let mut first: Option<Vec<Measured>> = None;
        for block in [1, 61, 512, 200_000] {
            let mut told = Told::default();
            run(&mut meter(), &audio, &Settings::default(), block, &mut told);
            assert_eq!(told.0.len(), 80);
            assert_eq!(told.0[79].reading, oracle.reading());
            assert!((told.0[79].peaks[0] - 0.4).abs() < 0.002, "{:?}", told.0[79].peaks);
            assert_eq!(first.get_or_insert_with(|| told.0.clone()), &told.0, "blocks of {block}");
        }
    }

    #[test]
    fn reset_begins_anew_and_pause_stands_still() {
        let (loud, soft) = (tone(1.0, 0.5), tone(1.0, 0.05));
        let mut meter = meter();
        let mut told = Told::default();
        run(&mut meter, &loud, &Settings::default(), 480, &mut told);
        let before = told.0.len();
        for still in [Settings { pause: true, ..Settings::default() }, Settings { bypass: true, ..Settings::default() }] {
            run(&mut meter, &soft, &still, 480, &mut told);
            assert_eq!(told.0.len(), before, "it measured in a pause");
        }
        let first = told.0[before - 1];
        run(&mut meter, &soft, &Settings { reset: true, ..Settings::default() }, 480, &mut told);
        let second = told.0[told.0.len() - 1];
        assert_eq!(second.programme, first.programme + 1);
        assert!((first.reading.integrated.unwrap() - second.reading.integrated.unwrap() - 20.0).abs() < 0.05);
        // The switch goes back: anew again, and an observer may ask for it, too.
        run(&mut meter, &soft, &Settings::default(), 480, &mut told);
        assert_eq!(told.0[told.0.len() - 1].programme, first.programme + 2);
        told.1 = true;
        run(&mut meter, &soft, &Settings::default(), 480, &mut told);
        assert_eq!(told.0[told.0.len() - 1].programme, first.programme + 3);
    }
}
