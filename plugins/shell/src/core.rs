//! What runs on the audio thread: an engine, its models and its latency, free of any plugin format.

use crate::live::{Live, Tap};
use crate::loader::{Handoff, Loader};
use crate::models;
use crate::pace::Pace;
use crate::params::TableParams;
use crossbeam::queue::ArrayQueue;
use dsp_core::engines::Engine;
use dsp_core::params::FromValues;
use dsp_core::processor::{Format, Observer, Processor};
use dsp_core::units::Hz;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Longest wait for models when a live plugin is activated. Loading takes up to about 0.2 s once per
/// process and a few milliseconds after that, so that the first block is cleaned already and a
/// session of many instances does not freeze; on a machine that is slower than that the models come
/// while audio passes dry.
const WAIT_LIVE: Duration = Duration::from_millis(400);
/// Longest wait for models in an offline bounce.
const WAIT_OFFLINE: Duration = Duration::from_secs(30);
/// The format for which models are loaded before the host has named one, to fill the process-wide
/// cache.
const WARM: Format = Format { rate: Hz(48_000.0), channels: 2 };

/// Old models that wait to be dropped; each load empties this.
const TRASH: usize = 4;

type Settings<E> = <E as Processor>::Settings;

/// An engine with everything a plugin needs around it.
pub struct Core<E: Engine> {
    params: Arc<TableParams>,
    live: Arc<Live>,
    loader: Arc<Loader>,
    engine: E,
    format: Option<Format>,
    models: Arc<Handoff<E::Models>>,
    /// Old models that the audio thread may not drop.
    trash: Arc<ArrayQueue<Box<E::Models>>>,
    values: Box<[f32]>,
    tap: Tap,
    pace: Pace,
    offline: bool,
    ready: bool,
    latency: usize,
}

impl<E: Engine> std::fmt::Debug for Core<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("format", &self.format).field("ready", &self.ready).field("latency", &self.latency).finish()
    }
}

impl<E: Engine> Default for Core<E> {
    fn default() -> Self {
        Self::hiding(&[])
    }
}

impl<E: Engine> Core<E> {
    /// A new one whose parameters of these ids hosts do not show.
    pub fn hiding(hidden: &[&str]) -> Self {
        let loader = Loader::shared();
        // Fills the process-wide cache while the host still sets up.
        loader.warm::<E>(|| drop(E::load(WARM)));
        let params = TableParams::hiding(Settings::<E>::PARAMS, hidden);
        Self {
            values: vec![0.0; params.len()].into(),
            params,
            live: Arc::new(Live::new(E::MEASURES)),
            loader,
            engine: E::default(),
            format: None,
            models: Arc::default(),
            trash: Arc::new(ArrayQueue::new(TRASH)),
            tap: Tap::new(WARM.rate.0 as f32),
            pace: Pace::default(),
            offline: false,
            ready: false,
            latency: 0,
        }
    }

    /// The parameters.
    pub fn params(&self) -> &Arc<TableParams> {
        &self.params
    }

    /// What the editor shows.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Latency in samples with the present settings.
    pub fn latency(&self) -> usize {
        self.latency
    }

    /// True when models are installed.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    fn settings(&mut self) -> Settings<E> {
        self.params.values(&mut self.values);
        FromValues::from_values(&self.values)
    }

    /// Prepares for a sample rate in hertz and a channel count; loads models when they are not there
    /// for this format. Gives the latency in samples, or nothing when the format is refused. Not for
    /// the audio thread.
    pub fn activate(&mut self, rate: f32, channels: usize, offline: bool) -> Option<usize> {
        while self.trash.pop().is_some() {}
        self.offline = offline;
        self.live.rate.store(rate, Ordering::Relaxed);
        self.live.channels.store(channels as u32, Ordering::Relaxed);
        let format = match Format::new(Hz(f64::from(rate)), channels) {
            Ok(format) => format,
            Err(error) => {
                *self.live.error.lock() = Some(format!("{error}."));
                self.format = None;
                return None;
            }
        };
        if self.format != Some(format) || !self.ready {
            self.format = None;
            // A new engine has no models of another format.
            self.engine = E::default();
            if let Err(error) = self.engine.prepare(format) {
                *self.live.error.lock() = Some(format!("{error}."));
                return None;
            }
            self.format = Some(format);
            self.ready = false;
            // Older loads that still run deliver into their own hand-off, which nobody reads any more.
            self.models = Arc::default();
            let reload = models::reload::<E>(format, &self.params, &self.live, &self.loader, &self.models, &self.trash);
            self.params.set_reload(reload.clone());
            reload();
        } else if !E::TASKS.is_empty() && self.live.playing.lock().wanted != self.params.persisted().model && !self.models.is_coming() {
            self.params.reload();
        }
        self.models.wait(if offline { WAIT_OFFLINE } else { WAIT_LIVE });
        if let Some(models) = self.models.take() {
            drop(self.engine.install(models));
            drop(self.engine.retired());
            self.ready = true;
        }
        *self.live.notice.lock() = self.engine.notice();
        self.live.ready.store(self.ready, Ordering::Relaxed);
        self.tap = Tap::new(rate);
        let settings = self.settings();
        self.latency = self.engine.latency(&settings);
        self.live.latency.store(self.latency as u32, Ordering::Relaxed);
        Some(self.latency)
    }

    /// Gives models to who may drop them. For the audio thread.
    fn discard(&self, old: Box<E::Models>) {
        if let Err(old) = self.trash.push(old) {
            // Freeing memory here could make the audio thread wait; a leak cannot.
            std::mem::forget(old);
        }
    }

    /// Forgets all history. For the audio thread.
    pub fn reset(&mut self) {
        if self.format.is_some() {
            self.engine.reset();
        }
        self.pace.reset();
    }

    /// Processes a block in place, planar. Gives the latency in samples when it changed. For the
    /// audio thread.
    pub fn process(&mut self, audio: &mut [&mut [f32]]) -> Option<usize> {
        self.process_with(audio, |engine, audio, settings, observer| engine.process(audio, settings, observer))
    }

    /// As [`Core::process`], with what the engine does in the middle. For the audio thread.
    pub fn process_with(
        &mut self,
        audio: &mut [&mut [f32]],
        run: impl FnOnce(&mut E, &mut [&mut [f32]], &Settings<E>, &mut dyn Observer),
    ) -> Option<usize> {
        let format = self.format?;
        if audio.len() != format.channels {
            return None;
        }
        if self.offline && self.models.is_coming() {
            // A bounce has all the time that it needs, and must not depend on it.
            self.models.wait(WAIT_OFFLINE);
        }
        if let Some(models) = self.models.take() {
            if let Some(old) = self.engine.install(models) {
                self.discard(old);
            }
            self.ready = true;
            self.live.ready.store(true, Ordering::Relaxed);
        }
        let samples = audio.first().map_or(0, |channel| channel.len());
        let start = Instant::now();
        let live_pace = self.pace.block(samples as f64 / format.rate.0, start);
        self.engine.set_realtime(live_pace && !self.offline);
        let settings = self.settings();
        self.live.ear.hear(audio, format.rate);
        let watched = self.tap.block(&self.live, samples);
        if watched {
            let peak = self.live.input.block(audio);
            self.live.wake(peak);
        }
        run(&mut self.engine, audio, &settings, &mut self.tap.observer(&self.live, watched));
        if watched {
            self.live.load(start.elapsed().as_secs_f64(), samples as f64 / format.rate.0);
            self.live.output.block(audio);
            self.live.late.store(self.engine.late_frames(), Ordering::Relaxed);
            self.live.standing.store(self.engine.standing().unwrap_or_default().number(), Ordering::Relaxed);
        }
        if let Some(old) = self.engine.retired() {
            self.discard(old);
        }
        let latency = self.engine.latency(&settings);
        (latency != self.latency).then(|| {
            self.latency = latency;
            self.live.latency.store(latency as u32, Ordering::Relaxed);
            latency
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::engines::deess::Deess;
    use dsp_core::engines::denoise::Denoise;

    fn blocks_pass_and_latency_is_told_once<E: Engine>() {
        let mut core = Core::<E>::default();
        assert_eq!(core.process(&mut [&mut [0.0; 64]]), None, "not activated: nothing happens");
        let latency = core.activate(48_000.0, 1, true);
        assert!(latency.is_some_and(|samples| samples > 0));
        core.reset();
        assert!(core.is_ready(), "an offline bounce starts with its models");
        for _ in 0..50 {
            assert_eq!(core.process(&mut [&mut [0.1; 480]]), None);
        }
        assert!(core.activate(1.0, 1, false).is_none(), "a format out of range is refused");
        assert!(core.live().error.lock().as_ref().is_some_and(|text| text.contains("sample rate")));
    }

    fn many_instances_come_and_go<E: Engine>() {
        let start = Instant::now();
        for _ in 0..20 {
            let mut core = Core::<E>::default();
            assert!(core.activate(44_100.0, 2, false).is_some());
            core.reset();
            core.process(&mut [&mut [0.1; 100], &mut [0.1; 100]]);
        }
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn every_engine_runs() {
        blocks_pass_and_latency_is_told_once::<Denoise>();
        blocks_pass_and_latency_is_told_once::<Deess>();
        many_instances_come_and_go::<Denoise>();
        many_instances_come_and_go::<Deess>();
    }

    #[test]
    fn a_format_in_which_nothing_can_be_done_is_told() {
        let mut core = Core::<Deess>::default();
        assert!(core.activate(8_000.0, 1, true).is_some());
        assert!(core.live().notice.lock().is_some_and(|text| text.contains("12 kHz")));
        assert!(core.activate(48_000.0, 1, true).is_some());
        assert!(core.live().notice.lock().is_none());
    }
}
