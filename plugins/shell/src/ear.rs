//! Takes the input along to a thread that learns from it, without locks.

use crossbeam::queue::ArrayQueue;
use dsp_core::units::Hz;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Samples of a piece.
pub const PIECE: usize = 256;
/// Channels that are taken along.
pub const CHANNELS: usize = 2;
/// Pieces that wait; more are dropped and counted. Full pieces hold 2.7 s at 48 kHz, blocks of 32 samples a
/// third of a second, and who listens looks far more often.
const WAITING: usize = 512;

/// A piece of sound.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// `[channel][sample]`.
    pub samples: [[f32; PIECE]; CHANNELS],
    /// Samples in use.
    pub length: usize,
    /// Channels in use.
    pub channels: usize,
    /// Sample rate.
    pub rate: Hz,
}

/// The way from the audio thread to the one that learns.
#[derive(Debug, Default)]
pub struct Ear {
    // Made when somebody listens for the first time: most instances never do.
    pieces: OnceLock<ArrayQueue<Piece>>,
    open: AtomicBool,
    lost: AtomicU64,
}

impl Ear {
    /// Starts to take sound along; what waited from before is thrown away. Not for the audio thread.
    pub fn open(&self) {
        let pieces = self.pieces.get_or_init(|| ArrayQueue::new(WAITING));
        while pieces.pop().is_some() {}
        self.lost.store(0, Ordering::Relaxed);
        self.open.store(true, Ordering::Release);
    }

    /// Stops.
    pub fn close(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// The next piece that waits. For the thread that learns.
    pub fn take(&self) -> Option<Piece> {
        self.pieces.get()?.pop()
    }

    /// Pieces that were dropped since it was opened, because nobody took them in time.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Takes a block along, planar, up to two channels, while somebody listens. Digital silence is not
    /// taken: a host that stands still says nothing of a song. For the audio thread.
    pub fn hear(&self, audio: &[&mut [f32]], rate: Hz) {
        if !self.open.load(Ordering::Acquire) {
            return;
        }
        let Some(pieces) = self.pieces.get() else { return };
        let channels = audio.len().min(CHANNELS);
        let length = audio.iter().map(|channel| channel.len()).min().unwrap_or(0);
        for at in (0..length).step_by(PIECE) {
            let end = length.min(at + PIECE);
            if audio[..channels].iter().all(|channel| channel[at..end].iter().all(|sample| *sample == 0.0)) {
                continue;
            }
            let mut piece = Piece { samples: [[0.0; PIECE]; CHANNELS], length: end - at, channels, rate };
            for (to, from) in piece.samples.iter_mut().zip(audio) {
                to[..end - at].copy_from_slice(&from[at..end]);
            }
            if pieces.push(piece).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_comes_in_order_while_somebody_listens() {
        let ear = Ear::default();
        let sound: Vec<f32> = (1..=600).map(|n| n as f32).collect();
        let (mut left, mut right) = (sound.clone(), sound.iter().map(|x| -x).collect::<Vec<_>>());
        ear.hear(&[&mut left, &mut right], Hz(48_000.0));
        assert!(ear.take().is_none());
        ear.open();
        ear.hear(&[&mut left, &mut right], Hz(48_000.0));
        ear.hear(&[&mut [0.0; 300], &mut [0.0; 300]], Hz(48_000.0));
        let mut heard = Vec::new();
        while let Some(piece) = ear.take() {
            assert_eq!((piece.channels, piece.rate), (2, Hz(48_000.0)));
            assert!(piece.samples[0].iter().zip(&piece.samples[1]).all(|(a, b)| *a == -b));
            heard.extend_from_slice(&piece.samples[0][..piece.length]);
        }
        assert_eq!(heard, sound);
    }

    #[test]
    fn what_nobody_takes_is_dropped_and_counted() {
        let ear = Ear::default();
        ear.open();
        for _ in 0..WAITING + 7 {
            ear.hear(&[&mut [0.5; 32]], Hz(44_100.0));
        }
        assert_eq!(ear.lost(), 7);
        ear.close();
        ear.hear(&[&mut [0.5; 32]], Hz(44_100.0));
        assert_eq!(ear.lost(), 7);
        ear.open();
        assert!(ear.take().is_none() && ear.lost() == 0);
    }
}
