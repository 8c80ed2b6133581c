//! The two ends at which devices call: rings and nothing else.
//!
//! A device's callback has a deadline and may not allocate, lock, wait or log. It moves frames between the
//! device and a ring, leaves a [`Stamp`] of when it came, and wakes the engine's thread, which costs it one
//! system call that does not wait.

use crate::status::Meter;
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::Thread;

/// Stamps that wait for the engine's thread. At the smallest blocks of 16 frames this is a third of a second;
/// what does not fit is left out, which no clock minds.
const STAMPS: usize = 1_024;
/// Sound that a ring holds, in seconds. The engine's thread may be held up that long before sound is lost.
const RING_SECONDS: f64 = 2.0;
/// The frame at which an output that shall be silent begins.
const NEVER: u64 = u64::MAX;
/// Blocks in a row that lack sound before the output stops waiting for it. One or two are a hold-up; more mean
/// that the input's device lost sound and all that follows comes later.
const STARVED: u32 = 3;
/// Frames over which sound fades in where it begins and out where it is missing.
const FADE: u32 = 96;

/// When a callback came, and where its device and its ring stood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamp {
    /// Frames that the device has counted: with this block at an input, before it at an output.
    pub device: u64,
    /// Frames that went through the ring by then. At an input it falls behind `device` by what was lost.
    pub ring: u64,
    /// The machine's clock in seconds.
    pub time: f64,
    /// Frames of the block.
    pub block: u32,
}

/// What a callback counts, for the engine's thread and the screen.
#[derive(Debug, Default)]
pub struct Counters {
    /// Callbacks.
    pub callbacks: AtomicU64,
    /// Times that sound was missing at an output, or that none could be stored at an input.
    pub events: AtomicU64,
    /// Frames that were missing or lost.
    pub frames: AtomicU64,
    /// Losses that the device itself told of.
    pub xruns: AtomicU64,
    /// Microseconds between the device and its callback, as the device tells.
    pub device_us: AtomicU32,
}

/// The callback's side of an input.
pub struct Capture {
    frames: Producer<f32>,
    stamps: Producer<Stamp>,
    channels: usize,
    device: u64,
    ring: u64,
    counters: Arc<Counters>,
    meter: Arc<Meter>,
    wake: Option<Thread>,
}

/// The engine's side of an input.
pub struct Input {
    /// Interleaved frames.
    pub frames: Consumer<f32>,
    /// Callbacks.
    pub stamps: Consumer<Stamp>,
    /// Sample rate in hertz.
    pub rate: f64,
    /// Number of this port among those that came and went.
    pub generation: u64,
}

/// Both sides of an input with so many engine channels. `wake` is the engine's thread.
pub fn input(
    rate: f64,
    channels: usize,
    counters: Arc<Counters>,
    meter: Arc<Meter>,
    wake: Option<Thread>,
    generation: u64,
) -> (Capture, Input) {
    let (frames, from) = RingBuffer::new(capacity(rate) * channels);
    let (stamps, stamps_from) = RingBuffer::new(STAMPS);
    let capture = Capture { frames, stamps, channels, device: 0, ring: 0, counters, meter, wake };
    (capture, Input { frames: from, stamps: stamps_from, rate, generation })
}

fn capacity(rate: f64) -> usize {
    (rate * RING_SECONDS) as usize
}

impl Capture {
    /// A block of `frames` frames came at `time`; `sample(frame, channel)` reads it. For the callback.
    pub fn block(&mut self, frames: usize, time: f64, sample: impl Fn(usize, usize) -> f32) {
        let room = self.frames.slots() / self.channels;
        let taken = frames.min(room);
        if let Ok(chunk) = self.frames.write_chunk_uninit(taken * self.channels) {
            let mut peak = 0.0_f32;
            let channels = self.channels;
            chunk.fill_from_iter((0..taken * channels).map(|index| {
                let value = sample(index / channels, index % channels);
                peak = peak.max(value.abs());
                value
            }));
            self.meter.note(peak);
        }
        if taken < frames {
            self.counters.events.fetch_add(1, Ordering::Relaxed);
            self.counters.frames.fetch_add((frames - taken) as u64, Ordering::Relaxed);
        }
        self.device += frames as u64;
        self.ring += taken as u64;
        self.counters.callbacks.fetch_add(1, Ordering::Relaxed);
        let _ = self.stamps.push(Stamp { device: self.device, ring: self.ring, time, block: frames as u32 });
        if let Some(thread) = &self.wake {
            thread.unpark();
        }
    }
}

/// The callback's side of an output.
pub struct Playback {
    frames: Consumer<f32>,
    stamps: Producer<Stamp>,
    begin: Arc<AtomicU64>,
    slipped: Arc<AtomicU64>,
    channels: usize,
    device: u64,
    /// Device frame of the first frame of the ring.
    begun: u64,
    /// Frames that should have been played already: they are thrown away when they come, so that the delay
    /// stays what it was.
    owed: u64,
    /// Blocks in a row that lacked sound.
    starved: u32,
    last: Vec<f32>,
    /// Share of the sound, in steps of [`FADE`].
    fade: u32,
    counters: Arc<Counters>,
}

/// The engine's side of an output.
pub struct Output {
    /// Interleaved frames.
    pub frames: Producer<f32>,
    /// Callbacks.
    pub stamps: Consumer<Stamp>,
    /// Sample rate in hertz.
    pub rate: f64,
    /// Number of this port among those that came and went.
    pub generation: u64,
    begin: Arc<AtomicU64>,
    slipped: Arc<AtomicU64>,
}

/// Both sides of an output with so many engine channels.
pub fn output(rate: f64, channels: usize, counters: Arc<Counters>, generation: u64) -> (Playback, Output) {
    let (frames, from) = RingBuffer::new(capacity(rate) * channels);
    let (stamps, stamps_from) = RingBuffer::new(STAMPS);
    let begin = Arc::new(AtomicU64::new(NEVER));
    let slipped = Arc::new(AtomicU64::new(0));
    let playback = Playback {
        frames: from,
        stamps,
        begin: begin.clone(),
        slipped: slipped.clone(),
        channels,
        device: 0,
        begun: NEVER,
        owed: 0,
        starved: 0,
        last: vec![0.0; channels],
        fade: 0,
        counters,
    };
    (playback, Output { frames, stamps: stamps_from, rate, generation, begin, slipped })
}

impl Output {
    /// The first frame that is pushed from now on is played at this frame of the device.
    pub fn begin(&self, frame: u64) {
        self.begin.store(frame, Ordering::Release);
    }

    /// Frames by which the output has ever moved what it plays to a later time, because sound was missing for
    /// several blocks.
    pub fn slipped(&self) -> u64 {
        self.slipped.load(Ordering::Acquire)
    }

    /// Silence; what is in the ring is thrown away.
    pub fn silence(&self) {
        self.begin.store(NEVER, Ordering::Release);
    }
}

impl Playback {
    /// Fills a block of `frames` frames that is wanted at `time`; `write(frame, samples of the channels)` takes
    /// each. For the callback.
    pub fn block(&mut self, frames: usize, time: f64, mut write: impl FnMut(usize, &[f32])) {
        self.counters.callbacks.fetch_add(1, Ordering::Relaxed);
        let begin = self.begin.load(Ordering::Acquire);
        if begin != self.begun {
            (self.begun, self.fade, self.starved) = (begin, 0, 0);
            self.owed = if begin == NEVER { 0 } else { self.device.saturating_sub(begin) };
        }
        let _ = self.stamps.push(Stamp { device: self.device, ring: self.device.saturating_sub(begin), time, block: frames as u32 });
        let first = usize::try_from(begin.saturating_sub(self.device)).unwrap_or(usize::MAX).min(frames);
        for frame in 0..first {
            self.decay();
            write(frame, &self.last);
        }
        self.device += frames as u64;
        if begin == NEVER {
            let stale = self.frames.slots();
            if let Ok(chunk) = self.frames.read_chunk(stale) {
                chunk.commit_all();
            }
            return;
        }
        self.pay();
        let wanted = frames - first;
        let there = wanted.min(self.frames.slots() / self.channels);
        if let Ok(chunk) = self.frames.read_chunk(there * self.channels) {
            let (one, two) = chunk.as_slices();
            let mut values = one.iter().chain(two);
            for frame in first..first + there {
                self.fade = (self.fade + 1).min(FADE);
                let share = self.fade as f32 / FADE as f32;
                for last in &mut self.last {
                    *last = values.next().map_or(0.0, |value| value * share);
                }
                write(frame, &self.last);
            }
            chunk.commit_all();
        }
        let missing = wanted - there;
        if missing == 0 {
            self.starved = 0;
        } else {
            self.counters.events.fetch_add(1, Ordering::Relaxed);
            self.counters.frames.fetch_add(missing as u64, Ordering::Relaxed);
            self.owed += missing as u64;
            self.fade = 0;
            self.starved += 1;
            if self.starved >= STARVED {
                self.slipped.fetch_add(std::mem::take(&mut self.owed), Ordering::Release);
                self.starved = 0;
            }
            for frame in first + there..frames {
                self.decay();
                write(frame, &self.last);
            }
        }
    }

    /// Throws away what came too late.
    fn pay(&mut self) {
        let late = usize::try_from(self.owed).unwrap_or(usize::MAX).min(self.frames.slots() / self.channels);
        if let Ok(chunk) = self.frames.read_chunk(late * self.channels) {
            chunk.commit_all();
            self.owed -= late as u64;
        }
    }

    /// What is missing dies away from the last sample instead of breaking off.
    fn decay(&mut self) {
        for last in &mut self.last {
            *last = if last.abs() < 1e-6 { 0.0 } else { *last * (1.0 - 4.0 / FADE as f32) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(playback: &mut Playback, frames: usize) -> Vec<f32> {
        let mut heard = Vec::new();
        playback.block(frames, 0.0, |_, samples| heard.push(samples[0]));
        heard
    }

    #[test]
    fn sound_begins_at_its_frame_and_late_frames_do_not_move_the_delay() {
        let counters = Arc::new(Counters::default());
        let (mut playback, mut output) = output(48_000.0, 1, counters.clone(), 0);
        assert_eq!(play(&mut playback, 100), vec![0.0; 100]);
        output.begin(250);
        for value in 0..400 {
            output.frames.push(value as f32).expect("room");
        }
        assert_eq!(play(&mut playback, 100), vec![0.0; 100]);
        let heard = play(&mut playback, 300);
        assert_eq!(heard[..51], [0.0; 51], "50 frames of silence, then frame 0");
        // Frame 200 of the ring belongs to frame 450 of the device, here index 250; the fade is over.
        assert_eq!(heard[250], 200.0);
        // 150 frames are there for 400: the rest is missing.
        play(&mut playback, 400);
        assert_eq!((counters.events.load(Ordering::Relaxed), counters.frames.load(Ordering::Relaxed)), (1, 250));
        // They come late, with more: what is heard next stands where it belongs.
        for value in 400..1_500 {
            output.frames.push(value as f32).expect("room");
        }
        let heard = play(&mut playback, 500);
        assert_eq!(heard[300], 900_f32 + 50.0, "device frame 1200 is ring frame 950");
        let mut stamps = Vec::new();
        while let Ok(stamp) = output.stamps.pop() {
            stamps.push((stamp.device, stamp.ring));
        }
        assert_eq!(stamps, [(0, 0), (100, 0), (200, 0), (500, 250), (900, 650)]);
    }

    #[test]
    fn an_output_that_starves_stops_waiting() {
        let (mut playback, mut output) = output(48_000.0, 1, Arc::default(), 0);
        output.begin(0);
        for _ in 0..2 {
            play(&mut playback, 100);
        }
        assert_eq!(output.slipped(), 0);
        play(&mut playback, 100);
        assert_eq!(output.slipped(), 300);
        for value in 0..200 {
            output.frames.push(value as f32).expect("room");
        }
        play(&mut playback, 100);
        assert_eq!(play(&mut playback, 100)[99], 199.0, "nothing was thrown away");
    }

    #[test]
    fn a_full_ring_loses_frames_and_says_so() {
        let counters = Arc::new(Counters::default());
        let (mut capture, mut input) = input(100.0, 2, counters.clone(), Arc::default(), None, 0);
        capture.block(150, 1.0, |frame, channel| (2 * frame + channel) as f32);
        capture.block(100, 2.0, |_, _| 0.0);
        assert_eq!(counters.frames.load(Ordering::Relaxed), 50);
        assert_eq!(input.frames.slots(), 400);
        assert_eq!((input.frames.pop(), input.frames.pop(), input.frames.pop()), (Ok(0.0), Ok(1.0), Ok(2.0)));
        assert_eq!(input.stamps.pop(), Ok(Stamp { device: 150, ring: 150, time: 1.0, block: 150 }));
        assert_eq!(input.stamps.pop(), Ok(Stamp { device: 250, ring: 200, time: 2.0, block: 100 }));
    }

    #[test]
    fn silence_empties_the_ring() {
        let (mut playback, mut output) = output(48_000.0, 1, Arc::default(), 0);
        output.begin(0);
        for _ in 0..1_000 {
            output.frames.push(1.0).expect("room");
        }
        play(&mut playback, 500);
        output.silence();
        let heard = play(&mut playback, 500);
        assert!(heard[499] == 0.0 && heard.windows(2).all(|pair| pair[1] <= pair[0]), "it dies away");
        assert_eq!(output.frames.slots(), output.frames.buffer().capacity());
    }
}
