//! From the input's rate and clock to the output's.

use crate::drift::MOST;
use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Adjustable, Async, FixedAsync, Resampler, SincInterpolationParameters, WindowFunction};

/// Frames that are taken at a time. Small, since what waits for a full chunk adds to the delay.
pub const CHUNK: usize = 32;
/// Taps of the interpolating filter: 1.3 ms of delay at 48 kHz, flat to 20 kHz there.
const TAPS: usize = 128;
/// Points at which the filter is tabulated between two samples.
const POINTS: usize = 256;
/// Most that the ratio may move, with some room.
const ROOM: f64 = 1.0 + 2.0 * MOST;

/// The two rates cannot be brought together.
#[derive(Debug, thiserror::Error)]
#[error("no change of rate from {from} Hz to {to} Hz: {reason}; choose devices, or --rate, nearer to each other")]
pub struct Refused {
    from: f64,
    to: f64,
    reason: String,
}

/// An asynchronous resampler that knows which frame of its input it stands at.
pub struct Converter {
    inner: Async<f32>,
    ratio: f64,
    correction: f64,
    waiting: Vec<Vec<f32>>,
    ready: Vec<Vec<f32>>,
    /// Frames in `waiting`.
    held: usize,
    /// Where the last output frame stood, in input frames.
    last: f64,
}

/// Where the resampler stands before its first frame: a filter's length back, seen from the filter's middle.
const START: f64 = 1.0 - TAPS as f64 + CENTRE;
/// Tap in the middle of the filter.
const CENTRE: f64 = (TAPS / 2 - 1) as f64;

impl Converter {
    /// Between two rates in hertz. Allocates.
    ///
    /// # Errors
    /// When the resampler takes no such rates.
    pub fn new(from: f64, to: f64, channels: usize) -> Result<Self, Refused> {
        let mut parameters = SincInterpolationParameters::new(TAPS, WindowFunction::BlackmanHarris);
        parameters.oversampling_factor = POINTS;
        let ratio = to / from;
        let inner = Async::new_sinc(ratio, ROOM, &parameters, CHUNK, channels, FixedAsync::Input).map_err(|error| Refused {
            from,
            to,
            reason: error.to_string(),
        })?;
        let most = inner.output_frames_max();
        Ok(Self {
            inner,
            ratio,
            correction: 0.0,
            waiting: vec![vec![0.0; CHUNK]; channels],
            ready: vec![vec![0.0; most]; channels],
            held: 0,
            last: START,
        })
    }

    /// Frames of the input that its filter must know of beyond the one it stands at.
    pub const fn lookahead() -> usize {
        TAPS / 2
    }

    /// Forgets all sound.
    pub fn reset(&mut self) {
        self.inner.reset();
        (self.held, self.last, self.correction) = (0, START, 0.0);
    }

    /// Frame of the input, counted from the last reset, that the next frame of the output stands at.
    pub fn position(&self) -> f64 {
        self.last + 1.0 / self.inner.resample_ratio()
    }

    /// From the next chunk on so much more (or less) than the nominal ratio, as a share.
    pub fn correct(&mut self, correction: f64) {
        self.correction = correction.clamp(-MOST, MOST);
    }

    /// Takes frames, `from[channel][frame]` from `start` to `end`, and gives what is made of them to `take`, in
    /// pieces: the same form, with the position of the first frame. Never allocates.
    pub fn push(&mut self, from: &[Vec<f32>], start: usize, end: usize, mut take: impl FnMut(&[Vec<f32>], usize, f64)) {
        let mut at = start;
        while at < end {
            let part = (CHUNK - self.held).min(end - at);
            for (waiting, from) in self.waiting.iter_mut().zip(from) {
                waiting[self.held..self.held + part].copy_from_slice(&from[at..at + part]);
            }
            self.held += part;
            at += part;
            if self.held == CHUNK {
                self.held = 0;
                let (made, begin) = self.chunk();
                take(&self.ready, made, begin);
            }
        }
    }

    fn chunk(&mut self) -> (usize, f64) {
        let stands = self.position();
        let channels = self.waiting.len();
        let before = self.inner.resample_ratio();
        // Out of range is impossible after the clamp; then the ratio would stay what it was.
        let wanted = self.ratio * (1.0 + self.correction);
        let after = if self.inner.set_resample_ratio(wanted, true).is_ok() { wanted } else { before };
        let room = self.ready.first().map_or(0, Vec::len);
        let (Ok(from), Ok(mut to)) =
            (SequentialSliceOfVecs::new(&self.waiting, channels, CHUNK), SequentialSliceOfVecs::new_mut(&mut self.ready, channels, room))
        else {
            return (0, stands);
        };
        let Ok((_, made)) = self.inner.process_into_buffer(&from, &mut to, None) else { return (0, stands) };
        // The step from frame to frame runs along a line from the old ratio to the new one, and is taken after
        // it was moved.
        let (old, new) = (1.0 / before, 1.0 / after);
        let begin = self.last + old + (new - old) / made.max(1) as f64;
        self.last += made as f64 * 0.5 * (old + new) + 0.5 * (new - old);
        (made, begin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// A tone goes through while the ratio moves; each frame must be the tone at the position told.
    #[test]
    fn positions_are_those_of_the_sound() {
        for (from, to) in [(48_000.0, 48_000.0), (44_100.0, 48_000.0), (48_000.0, 44_100.0), (16_000.0, 48_000.0)] {
            let mut converter = Converter::new(from, to, 1).expect("a converter");
            let hz = 997.0;
            let tone = |position: f64| (TAU * hz * position / from).sin();
            let sound: Vec<f32> = (0..(from as usize * 2)).map(|n| tone(n as f64) as f32).collect();
            let (mut worst, mut made_in_all, mut moved) = (0.0_f64, 0, 0);
            let mut lag = 0.0_f64;
            for start in (0..sound.len() - 100).step_by(77) {
                converter.correct(0.001 * (start as f64 / 9_000.0).sin());
                converter.push(std::slice::from_ref(&sound), start, start + 77, |made, frames, begin| {
                    moved += 1;
                    made_in_all += frames;
                    let step = if frames > 0 { from / to } else { 0.0 };
                    if start > from as usize / 4 {
                        for (n, sample) in made[0][..frames].iter().enumerate() {
                            worst = worst.max((f64::from(*sample) - tone(begin + n as f64 * step)).abs());
                        }
                    }
                    lag = lag.max((moved * CHUNK) as f64 - begin);
                });
            }
            // Within a chunk the step differs from the nominal one by up to .001 of it.
            let bound = 0.002 + 0.001 * CHUNK as f64 * TAU * hz / from;
            assert!(worst < bound, "{from} to {to}: {worst}");
            assert!(made_in_all > 0);
            assert!(lag <= (CHUNK + Converter::lookahead() + 2) as f64, "{lag}");
        }
    }
}
