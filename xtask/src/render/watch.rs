//! What an engine tells of while it works: gains over time and by octave, and events.

use super::podcast::Tap;
use super::spectra::{Folding, Map, ROWS, octaves};
use dsp_core::detection::{Event, Events};
use dsp_core::engines::podcast::StageFrame;
use dsp_core::processor::{Frame, Observer};

/// Watches an engine's frames.
pub struct Watch {
    rate: f32,
    folding: Option<Folding>,
    rows: Vec<f32>,
    /// The picture, in linear amplitude gain.
    pub map: Map,
    /// Time that a column of the picture lies behind its place, in seconds.
    pub behind: f64,
    octaves: Vec<f64>,
    /// Frames that passed dry.
    pub late: u64,
    joined: Events,
    /// Whether anything is told of it at the end.
    keep: bool,
    events: Option<Vec<Event>>,
    /// What the podcast chain tells, where that is wanted.
    pub tap: Option<Tap>,
}

impl Watch {
    /// For a sample rate in hertz; `keep` when a report or a picture is made.
    pub fn new(rate: u32, keep: bool) -> Self {
        let rate = rate as f32;
        Self {
            rate,
            folding: None,
            rows: vec![0.0; ROWS],
            map: Map::new(),
            behind: 0.0,
            octaves: vec![0.0; octaves(rate).len()],
            late: 0,
            joined: Events::default(),
            keep,
            events: None,
            tap: None,
        }
    }

    /// Mean gain in dB in each of [`octaves`]; none where the engine told nothing or let nothing pass.
    pub fn octave_gains(&self) -> Vec<Option<f64>> {
        let mean = |sum: &f64| sum / self.map.added().max(1) as f64;
        self.octaves.iter().map(mean).map(|gain| (gain > 0.0).then(|| 20.0 * gain.log10())).collect()
    }

    /// The sounds that an engine heard, in order, up to `seconds`; none from engines that do not
    /// listen for sounds.
    pub fn events(&self, seconds: f64) -> Option<Vec<Event>> {
        let mut all = self.events.clone()?;
        all.extend(self.joined.open());
        // The silence behind the end belongs to the engine's delay, not to the file.
        all.retain(|event| event.start < seconds);
        all.iter_mut().for_each(|event| event.end = event.end.min(seconds));
        Some(all)
    }
}

impl Observer for Watch {
    fn wants_frames(&self) -> bool {
        self.keep || self.tap.is_some()
    }

    fn wants_comparison(&self) -> bool {
        false
    }

    fn podcast(&mut self, frame: &StageFrame) {
        if let Some(tap) = &mut self.tap {
            tap.hear(frame);
        }
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        self.late += u64::from(frame.late);
        if let Some(detection) = frame.detection.filter(|_| self.keep) {
            let ended = self.joined.frame(detection, f64::from(frame.seconds));
            self.events.get_or_insert_default().extend(ended);
        }
        if frame.gain.is_empty() || frame.bin_hz <= 0.0 {
            return;
        }
        self.behind = f64::from(frame.age) - f64::from(frame.seconds) / 2.0;
        let folding = self.folding.get_or_insert_with(|| Folding::new(frame.gain.len(), frame.bin_hz, self.rate));
        folding.fold(frame.gain, &mut self.rows);
        self.map.add(&self.rows);
        for (sum, (low, high)) in self.octaves.iter_mut().zip(octaves(self.rate)) {
            let bin = |hz: f32| ((hz / frame.bin_hz).round() as usize).min(frame.gain.len() - 1);
            let gains = &frame.gain[bin(low)..=bin(high).max(bin(low))];
            *sum += gains.iter().map(|&gain| f64::from(gain)).sum::<f64>() / gains.len() as f64;
        }
    }
}
