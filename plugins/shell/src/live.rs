//! What the audio thread shows to the editor, without locks: meters, frames and a few numbers.

use crate::ear::Ear;
use crate::models::Playing;
use atomic_float::AtomicF32;
use crossbeam::queue::ArrayQueue;
use dsp_core::detection::Detection;
use dsp_core::engines::podcast::StageFrame;
use dsp_core::engines::stems::{STEM_BANDS, STEMS, StemFrame, Task};
use dsp_core::model::store::Store;
use dsp_core::processor::{Frame, Measured, Observer, Stages};
use nice_plug_egui::RepaintNotifier;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Channels that have a meter.
pub const METERS: usize = 2;
/// Bins of a display frame.
pub const BINS: usize = 512;
/// Highest frequency shown, in hertz.
pub const TOP_HZ: f32 = 24_000.0;
/// Frames that wait for the editor; more are dropped.
const QUEUE: usize = 64;
/// Audio for which frames are made after the editor last asked, in seconds; longer than the editor
/// rests between two drawings. nice-plug 0.4.2 never says that an editor was closed (its defect 8),
/// so asking must be repeated.
const WATCH: f32 = 2.5;
/// Readings of loudness that are kept while no editor takes them: ten minutes of 50 ms each. Older ones
/// are forgotten.
const READINGS: usize = 12_000;
/// Time over which the load is smoothed, in seconds.
const LOAD_SECONDS: f64 = 0.5;
/// Peak from which a resting editor is woken: -80 dBFS.
const WAKE: f32 = 1e-4;

/// One frame as the editor shows it: at most [`BINS`] bins up to [`TOP_HZ`].
#[derive(Clone, Copy, Debug)]
pub struct DisplayFrame {
    /// Mean power over the channels, `[bin]`, of the loudest of the engine's bins that share one.
    pub input: [f32; BINS],
    /// The same after the engine's gain.
    pub output: [f32; BINS],
    /// Bins in use.
    pub bins: usize,
    /// Distance of two bins in hertz.
    pub bin_hz: f32,
    /// Duration of a frame in seconds.
    pub seconds: f32,
    /// Power of the whole input frame.
    pub input_power: f32,
    /// Power of the whole output frame.
    pub output_power: f32,
    /// The frame passed dry because the model's step was late.
    pub late: bool,
    /// What was heard, from engines that listen for sounds.
    pub detection: Option<Detection>,
    /// What the stages did, from mastering chains.
    pub stages: Option<Stages>,
    /// What the stages did, from podcast chains.
    pub podcast: Option<StageFrame>,
    /// What was taken apart, from engines that do.
    pub stems: Option<StemsSeen>,
}

/// A frame of stems as the editor shows it: see [`StemFrame`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StemsSeen {
    /// What the mix is taken apart into.
    pub task: Task,
    /// Largest magnitude before the faders, `[stem][side]`, linear.
    pub peaks: [[f32; 2]; STEMS],
    /// The same after the faders.
    pub levels: [[f32; 2]; STEMS],
    /// Power before the faders, `[stem][band]`, with some of the frames.
    pub bands: Option<[[f32; STEM_BANDS]; STEMS]>,
    /// The step took too long.
    pub late: bool,
    /// What the step took, in seconds.
    pub step_seconds: f32,
}

impl StemsSeen {
    fn of(frame: &StemFrame<'_>) -> Self {
        Self {
            task: frame.task,
            peaks: frame.peaks,
            levels: frame.levels,
            bands: frame.bands.copied(),
            late: frame.late,
            step_seconds: frame.step_seconds,
        }
    }
}

/// One point of the history of loudness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Momentary loudness in LUFS; minus infinity in silence.
    pub momentary: f32,
    /// Short-term loudness in LUFS; minus infinity in silence.
    pub short_term: f32,
    /// True peak of both channels since the last point, in dBTP; minus infinity in silence.
    pub peak: f32,
    /// Number of the programme.
    pub programme: u32,
    /// Time since the last point, in seconds.
    pub seconds: f32,
}

impl Point {
    fn of(measured: &Measured) -> Self {
        let loudness = |lufs: Option<f64>| lufs.map_or(f32::NEG_INFINITY, |lufs| lufs as f32);
        let peak = measured.peaks[0].max(measured.peaks[1]);
        Self {
            momentary: loudness(measured.reading.momentary),
            short_term: loudness(measured.reading.short_term),
            peak: if peak > 0.0 { 20.0 * peak.log10() } else { f32::NEG_INFINITY },
            programme: measured.programme,
            seconds: measured.seconds,
        }
    }
}

impl DisplayFrame {
    /// Silence.
    pub const EMPTY: Self = Self {
        input: [0.0; BINS],
        output: [0.0; BINS],
        bins: 0,
        bin_hz: 0.0,
        seconds: 0.01,
        input_power: 0.0,
        output_power: 0.0,
        late: false,
        detection: None,
        stages: None,
        podcast: None,
        stems: None,
    };
}

/// Peak levels since the editor last looked, linear, `[channel]`.
#[derive(Debug, Default)]
pub struct Meters {
    peaks: [AtomicF32; METERS],
}

impl Meters {
    /// Counts a block, planar, and gives its peak. For the audio thread.
    pub fn block(&self, audio: &[&mut [f32]]) -> f32 {
        let mut loudest = 0.0_f32;
        for (peak, channel) in self.peaks.iter().zip(audio) {
            let block = channel.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            // `max` above passes over not-a-number, so no rubbish sticks in a meter.
            peak.fetch_max(block, Ordering::Relaxed);
            loudest = loudest.max(block);
        }
        loudest
    }

    /// The peaks since the last call, linear.
    pub fn take(&self) -> [f32; METERS] {
        std::array::from_fn(|channel| self.peaks[channel].swap(0.0, Ordering::Relaxed))
    }
}

/// What both threads share.
#[derive(Debug)]
pub struct Live {
    /// Before the engine.
    pub input: Meters,
    /// After the engine.
    pub output: Meters,
    /// Frames for the pictures, oldest first.
    pub frames: ArrayQueue<DisplayFrame>,
    /// Sample rate in hertz; 0 before activation.
    pub rate: AtomicF32,
    /// Channels in use.
    pub channels: AtomicU32,
    /// Latency in samples.
    pub latency: AtomicU32,
    /// Frames that passed dry because a step was late.
    pub late: AtomicU64,
    /// How the model's own thread stands, by [`dsp_core::realtime::priority::Standing::number`]; the usual one too
    /// where it has none.
    pub standing: AtomicU8,
    /// Share of real time that the engine takes, smoothed, 0 to 1 and more.
    pub load: AtomicF32,
    /// The models are installed.
    pub ready: AtomicBool,
    /// Why models are missing, for the user. Never touched on the audio thread.
    pub error: Mutex<Option<String>>,
    /// What model plays. Never touched on the audio thread.
    pub playing: Mutex<Playing>,
    /// The user's models. Never touched on the audio thread.
    pub store: Mutex<Option<Store>>,
    /// Why the engine does nothing in this format, for the user. Never touched on the audio thread.
    pub notice: Mutex<Option<&'static str>>,
    /// Asks the window to draw.
    pub repaint: RepaintNotifier,
    /// The newest readings of an engine that measures.
    pub measured: ArrayQueue<Measured>,
    /// The history of its loudness, oldest first.
    pub points: ArrayQueue<Point>,
    /// Measuring shall begin anew.
    pub anew: AtomicBool,
    /// Takes the input along for who learns from it.
    pub ear: Ear,
    asked: AtomicBool,
    resting: AtomicBool,
}

impl Default for Live {
    fn default() -> Self {
        Self::new(false)
    }
}

impl Live {
    /// With room for the history of an engine that measures, or without.
    pub fn new(measures: bool) -> Self {
        Self {
            input: Meters::default(),
            output: Meters::default(),
            frames: ArrayQueue::new(QUEUE),
            rate: AtomicF32::new(0.0),
            channels: AtomicU32::new(0),
            latency: AtomicU32::new(0),
            late: AtomicU64::new(0),
            load: AtomicF32::new(0.0),
            ready: AtomicBool::new(false),
            error: Mutex::new(None),
            standing: AtomicU8::new(0),
            playing: Mutex::default(),
            store: Mutex::new(Store::user()),
            notice: Mutex::new(None),
            repaint: RepaintNotifier::new(),
            measured: ArrayQueue::new(1),
            points: ArrayQueue::new(if measures { READINGS } else { 1 }),
            anew: AtomicBool::new(false),
            ear: Ear::default(),
            asked: AtomicBool::new(false),
            resting: AtomicBool::new(false),
        }
    }

    /// The editor is there and wants meters and frames for a while.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Counts a block of `audio` seconds that took `spent` seconds. For the audio thread.
    pub fn load(&self, spent: f64, audio: f64) {
        if audio > 0.0 {
            let share = 1.0 - (-audio / LOAD_SECONDS).exp();
            let before = f64::from(self.load.load(Ordering::Relaxed));
            self.load.store((before + share * (spent / audio - before)) as f32, Ordering::Relaxed);
        }
    }

    /// The editor draws rarely until there is sound again.
    pub fn rest(&self, resting: bool) {
        self.resting.store(resting, Ordering::Relaxed);
    }

    /// Wakes a resting editor when there is sound. For the audio thread.
    pub fn wake(&self, peak: f32) {
        if peak > WAKE && self.resting.swap(false, Ordering::Relaxed) {
            self.repaint.request_repaint();
        }
    }
}

/// The audio thread's end: makes display frames while the editor asks for them.
#[derive(Debug)]
pub struct Tap {
    frame: Box<DisplayFrame>,
    watched: f32,
    rate: f32,
}

impl Tap {
    /// A tap for a sample rate in hertz. Allocates.
    pub fn new(rate: f32) -> Self {
        Self { frame: Box::new(DisplayFrame::EMPTY), watched: 0.0, rate }
    }

    /// Starts a block. True when the editor looks.
    pub fn block(&mut self, live: &Live, samples: usize) -> bool {
        if live.asked.swap(false, Ordering::Relaxed) {
            self.watched = WATCH;
        } else {
            self.watched -= samples as f32 / self.rate.max(1.0);
        }
        self.watched > 0.0
    }

    /// The observer of one block; looks only while the editor does.
    pub fn observer<'a>(&'a mut self, live: &'a Live, watched: bool) -> TapObserver<'a> {
        TapObserver { tap: self, live, watched }
    }
}

/// See [`Tap::observer`].
#[derive(Debug)]
pub struct TapObserver<'a> {
    tap: &'a mut Tap,
    live: &'a Live,
    watched: bool,
}

impl Observer for TapObserver<'_> {
    fn frame(&mut self, frame: &Frame<'_>) {
        if !self.watched || self.live.frames.is_full() {
            return;
        }
        let show = &mut *self.tap.frame;
        reduce(frame, show);
        // Full is not an error: the editor misses a frame.
        let _ = self.live.frames.push(*show);
        (show.stages, show.podcast, show.stems) = (None, None, None);
    }

    fn stages(&mut self, stages: &Stages) {
        self.tap.frame.stages = Some(*stages);
    }

    fn podcast(&mut self, frame: &StageFrame) {
        self.tap.frame.podcast = Some(*frame);
    }

    fn stems(&mut self, frame: &StemFrame<'_>) {
        if self.watched {
            self.tap.frame.stems = Some(StemsSeen::of(frame));
        }
    }

    fn wants_loudness(&self) -> bool {
        true
    }

    fn measure_anew(&mut self) -> bool {
        self.live.anew.swap(false, Ordering::Relaxed)
    }

    fn measured(&mut self, measured: &Measured) {
        // Whether an editor looks or not: a programme is measured from its beginning.
        self.live.measured.force_push(*measured);
        self.live.points.force_push(Point::of(measured));
    }
}

/// Makes a display frame: bins above [`TOP_HZ`] are left out of the picture, and where there are
/// more than [`BINS`] neighbours share one.
fn reduce(frame: &Frame<'_>, show: &mut DisplayFrame) {
    let all = frame.input_power.len().min(frame.gain.len());
    let wanted = if frame.bin_hz > 0.0 { ((TOP_HZ / frame.bin_hz) as usize + 1).min(all) } else { all };
    let per = wanted.div_ceil(BINS).max(1);
    show.bins = (wanted / per).min(BINS);
    show.bin_hz = frame.bin_hz * per as f32;
    (show.late, show.seconds, show.detection) = (frame.late, frame.seconds, frame.detection.copied());
    (show.input_power, show.output_power) = (0.0, 0.0);
    for (power, gain) in frame.input_power.iter().zip(frame.gain) {
        show.input_power += power;
        show.output_power += power * gain * gain;
    }
    for (bin, (input, output)) in show.input.iter_mut().zip(&mut show.output).take(show.bins).enumerate() {
        (*input, *output) = (0.0, 0.0);
        let shared = bin * per..((bin + 1) * per).min(all);
        for (power, gain) in frame.input_power[shared.clone()].iter().zip(&frame.gain[shared]) {
            *input = input.max(*power);
            *output = output.max(power * gain * gain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_hold_the_peak_until_it_is_taken() {
        let meters = Meters::default();
        let (mut left, mut right) = ([0.1, -0.5, f32::NAN], [0.2, 0.0, 0.0]);
        meters.block(&[&mut left, &mut right]);
        meters.block(&[&mut [0.3], &mut [0.0]]);
        assert_eq!(meters.take(), [0.5, 0.2]);
        assert_eq!(meters.take(), [0.0, 0.0]);
    }

    #[test]
    fn the_load_settles_at_the_share_of_time_that_is_spent() {
        let live = Live::default();
        for _ in 0..500 {
            live.load(0.0025, 0.01);
        }
        assert!((live.load.load(Ordering::Relaxed) - 0.25).abs() < 1e-3);
        live.load(1.0, 0.0);
        assert!((live.load.load(Ordering::Relaxed) - 0.25).abs() < 1e-3, "a block without samples tells nothing");
    }

    #[test]
    fn readings_are_kept_while_nobody_looks_and_stay_bounded() {
        let (live, mut tap) = (Live::new(true), Tap::new(48_000.0));
        let mut measured = Measured { peaks: [0.5, 0.25], seconds: 0.05, ..Measured::default() };
        for round in 0..READINGS as u32 + 5 {
            measured.programme = round;
            tap.observer(&live, false).measured(&measured);
        }
        assert_eq!((live.points.len(), live.measured.len()), (READINGS, 1));
        assert_eq!(live.measured.pop().unwrap(), measured);
        let first = live.points.pop().unwrap();
        assert_eq!((first.programme, first.momentary), (5, f32::NEG_INFINITY));
        assert!((first.peak + 6.02).abs() < 0.01);
        live.anew.store(true, Ordering::Relaxed);
        let mut observer = tap.observer(&live, false);
        assert!(observer.measure_anew() && !observer.measure_anew());
    }

    #[test]
    fn frames_come_while_they_are_asked_for_and_the_queue_stays_bounded() {
        let (power, gain) = (vec![0.5; 1921], vec![0.5; 1921]);
        let frame = Frame { input_power: &power, gain: &gain, bin_hz: 50.0, seconds: 0.01, age: 0.005, late: false, detection: None };
        let (live, mut tap) = (Live::default(), Tap::new(192_000.0));
        let watched = tap.block(&live, 1920);
        assert!(!watched);
        tap.observer(&live, watched).frame(&frame);
        assert_eq!(live.frames.len(), 0);
        live.ask();
        let watched = tap.block(&live, 1920);
        for _ in 0..2 * QUEUE {
            tap.observer(&live, watched).frame(&frame);
        }
        assert_eq!(live.frames.len(), QUEUE);
        let shown = live.frames.pop().unwrap();
        assert_eq!((shown.bins, shown.bin_hz), (481, 50.0));
        assert_eq!((shown.input[480], shown.output[480]), (0.5, 0.125));
        assert_eq!((0..10).map(|_| tap.block(&live, 192_000)).filter(|watched| *watched).count(), WATCH as usize, "nobody asked again");
    }
}
