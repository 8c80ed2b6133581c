//! What a song is like, in about four hundred numbers: for models that decide on a master and for
//! reports.
//!
//! ```text
//! channels ─▶ left, right ─┬─▶ meter: loudness, peaks, range
//!                          ├─▶ frames of 0.17 s: thirds of an octave, width, shape
//!                          └─▶ steps of 10 ms in eight bands: crest, dynamics, onsets
//! ```
//!
//! It streams: the features can be read at any time, in constant memory, and do not depend on how the
//! signal is cut. Nothing is asked of the system after [`Analyser::new`]. Levels of the spectrum and of
//! bands are relative to the level of the whole, so that turning a song up changes the features of
//! loudness and peaks alone. More than two channels are mixed to two first. Every feature is a number,
//! also of silence.

mod histogram;
mod programme;
mod shape;
mod spectrum;
mod steps;

use crate::dynamics::forecast::Probe;
use crate::loudness::Meter;
use crate::processor::{Error, Format};
use crate::sample::usable;
use programme::Programme;
use spectrum::Spectrum;
use std::sync::OnceLock;
use steps::Steps;

pub use spectrum::{IMAGE_HZ, THIRDS, middle_hz};
pub use steps::DYNAMICS_HZ;

/// Version of the list of features. Features are only added, at its end; each addition is a new version.
pub const VERSION: u32 = 2;
/// Samples at a time.
const CHUNK: usize = 256;
/// Relative levels are not told below this, decibels: nothing is heard there.
const FLOOR_DB: f64 = -100.0;

/// What a number is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Permanent name: `group.band.field` or `group.field`.
    pub name: String,
    /// Unit of the number; empty for bare ones.
    pub unit: &'static str,
}

/// Name and unit of a feature, before it is put together.
#[derive(Clone, Copy)]
struct Label {
    group: &'static str,
    band: Option<&'static str>,
    field: &'static str,
    unit: &'static str,
}

/// Takes features in their order.
type Sink<'a> = &'a mut dyn FnMut(Label, f64);

/// Features of groups without bands.
fn put(sink: Sink<'_>, group: &'static str, unit: &'static str, fields: &[(&'static str, f64)]) {
    for &(field, value) in fields {
        sink(Label { group, band: None, field, unit }, value);
    }
}

/// Decibels of a power, no less than `floor`.
fn decibels(power: f64, floor: f64) -> f64 {
    if power > 0.0 { (10.0 * power.log10()).max(floor) } else { floor }
}

/// A streaming analysis.
#[derive(Debug)]
pub struct Analyser {
    format: Format,
    meter: Meter,
    programme: Programme,
    spectrum: Spectrum,
    steps: Steps,
    /// Left and right of a chunk.
    pair: [Vec<f32>; 2],
    matching: bool,
}

impl Analyser {
    /// For a format.
    ///
    /// # Errors
    /// When the format is out of range.
    pub fn new(format: Format) -> Result<Self, Error> {
        let format = Format::new(format.rate, format.channels)?;
        let rate = format.rate.0;
        Ok(Self {
            meter: Meter::new(format)?.without_image(),
            programme: Programme::new(rate),
            spectrum: Spectrum::new(rate),
            steps: Steps::new(rate),
            pair: [vec![0.0; CHUNK], vec![0.0; CHUNK]],
            matching: false,
            format,
        })
    }

    /// One that hears only what songs are matched by, in half the time: the means of the thirds, the highest
    /// frequency, width, dynamics and loudness. Of true peaks, distributions of loudness, faults and the shape of
    /// the spectrum it tells nothing, so no model may be asked with its features.
    ///
    /// # Errors
    /// When the format is out of range.
    pub fn for_matching(format: Format) -> Result<Self, Error> {
        let mut analyser = Self::new(format)?;
        analyser.meter = analyser.meter.without_true_peaks();
        analyser.spectrum.skip_shapes();
        analyser.matching = true;
        Ok(analyser)
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.meter.reset();
        self.programme.reset();
        self.spectrum.reset();
        self.steps.reset();
    }

    /// Adds a block of any length, `audio[channel][sample]`, with the channels of the format. What is
    /// no sound counts as silence.
    pub fn process(&mut self, audio: &[&[f32]]) {
        self.process_probed(audio, None);
    }

    /// As [`process`](Self::process), with a probe of the same format that hears the same and costs nothing so.
    pub fn process_probed(&mut self, audio: &[&[f32]], mut probe: Option<&mut Probe>) {
        if audio.len() != self.format.channels {
            return;
        }
        let length = audio.iter().map(|channel| channel.len()).min().unwrap_or(0);
        let mut at = 0;
        while at < length {
            // The programme's steps lie on their own grid, whatever the blocks.
            let end = length.min(at + CHUNK.min(self.programme.until_step()));
            let mut pieces: [&[f32]; crate::processor::MAX_CHANNELS] = [&[]; crate::processor::MAX_CHANNELS];
            for (piece, channel) in pieces.iter_mut().zip(audio) {
                *piece = &channel[at..end];
            }
            let pieces = &pieces[..audio.len()];
            match &mut probe {
                Some(probe) => self.meter.process_shared(pieces, &mut |front| probe.add(front)),
                None => self.meter.process(pieces),
            }
            if self.matching {
                self.programme.pass(end - at);
            } else {
                self.programme.add(pieces, &self.meter);
            }
            mix(pieces, &mut self.pair);
            let [left, right] = &self.pair;
            self.spectrum.add(&left[..end - at], &right[..end - at]);
            self.steps.add(&left[..end - at], &right[..end - at]);
            at = end;
        }
    }

    /// Adds a block as [`process`](Self::process) does, but hears its loudness alone: what else there is to tell is
    /// told of the rest.
    pub fn pass(&mut self, audio: &[&[f32]]) {
        if audio.len() != self.format.channels {
            return;
        }
        self.meter.process(audio);
        self.programme.pass(audio.iter().map(|channel| channel.len()).min().unwrap_or(0));
        self.spectrum.part();
    }

    /// What it was made for.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Seconds heard.
    pub fn seconds(&self) -> f64 {
        self.programme.seconds()
    }

    /// Levels of the four bands of dynamics, which meet at [`DYNAMICS_HZ`]: the 10th, 50th and 95th
    /// percentile of blocks of 100 ms, mean power of left and right in decibels over full scale; none of a
    /// band that is silent.
    pub fn band_levels(&self) -> [Option<[f64; 3]>; 4] {
        self.steps.levels()
    }

    /// The names and units of the features, in their order.
    pub fn table() -> &'static [Feature] {
        static TABLE: OnceLock<Vec<Feature>> = OnceLock::new();
        TABLE.get_or_init(|| {
            let mut table = Vec::new();
            let format = Format { rate: crate::units::Hz(48_000.0), channels: 2 };
            if let Ok(analyser) = Self::new(format) {
                analyser.visit(&mut |label, _| {
                    let band = label.band.map(|band| format!("{band}.")).unwrap_or_default();
                    table.push(Feature { name: format!("{}.{band}{}", label.group, label.field), unit: label.unit });
                });
            }
            table
        })
    }

    /// Writes the features in the order of the table; as many as there are places.
    pub fn write(&self, features: &mut [f32]) {
        let mut places = features.iter_mut();
        self.visit(&mut |_, value| {
            if let Some(place) = places.next() {
                *place = if value.is_finite() { value as f32 } else { 0.0 };
            }
        });
    }

    /// The features in the order of the table.
    pub fn features(&self) -> Vec<f32> {
        let mut features = vec![0.0; Self::table().len()];
        self.write(&mut features);
        features
    }

    fn visit(&self, sink: Sink<'_>) {
        let reading = self.meter.reading();
        self.programme.visit(&reading, sink);
        let mean = self.spectrum.visit(sink);
        shape::visit(&mean, self.spectrum.limit_hz(), sink);
        self.steps.visit(sink);
        self.spectrum.visit_image(sink);
        self.steps.visit_dynamics(sink);
    }
}

/// Left and right of any number of channels. Six are taken as left, right, centre, low effects, left
/// and right surround, and mixed as ITU-R BS.775 does; else even ones are left and odd ones right.
fn mix(audio: &[&[f32]], pair: &mut [Vec<f32>; 2]) {
    const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;
    let [left, right] = pair;
    let length = audio.first().map_or(0, |channel| channel.len());
    for n in 0..length {
        let at = |channel: usize| usable(audio[channel][n]);
        (left[n], right[n]) = match audio.len() {
            1 => (at(0), at(0)),
            2 => (at(0), at(1)),
            6 => (at(0) + HALF_POWER * (at(2) + at(4)), at(1) + HALF_POWER * (at(2) + at(5))),
            count => {
                let sum = |from: usize| (from..count).step_by(2).map(at).sum::<f32>();
                (sum(0), sum(1))
            }
        };
    }
}
