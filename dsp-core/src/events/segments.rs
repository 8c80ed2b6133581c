//! Frames joined into stretches of speech, music, noise and silence.

use super::listener::{HOP, LATE_FRAMES};
use super::{Frame, KINDS, Kind};

/// Frames of a block, over which a decision is taken: half a second.
const BLOCK: usize = 50;
/// Mean probability in a block from which a kind begins, and under which it ends. Apart, so that what
/// is doubtful does not flicker.
const BEGINS: f32 = 0.55;
const ENDS: f32 = 0.4;
/// Level in dB under full scale below which a block is silence, if no kind is in it.
const SILENT_DB: f32 = -60.0;

/// A stretch of one kind. Stretches of different kinds may overlap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// What it holds.
    pub kind: Kind,
    /// Begin in seconds from the first frame.
    pub start_s: f64,
    /// End in seconds from the first frame.
    pub end_s: f64,
}

/// Joins frames into segments by blocks of half a second. What is said of a block has heard half a
/// second more.
#[derive(Clone, Debug)]
pub struct Segments {
    /// Levels of the frames that are not judged yet, a ring of `LATE_FRAMES`, in the order of time.
    levels: Vec<f32>,
    /// Frames pushed.
    frames: usize,
    /// Of the block that is being filled: frames, sums of probabilities, mean square.
    filled: usize,
    sums: [f32; KINDS],
    energy: f32,
    /// The last frame's probabilities as they are now, for the end.
    last: [f32; KINDS],
    blocks: usize,
    /// First block of each kind that goes on.
    open: [Option<usize>; KINDS + 1],
    done: Vec<Segment>,
}

impl Default for Segments {
    fn default() -> Self {
        Self {
            levels: Vec::with_capacity(LATE_FRAMES),
            frames: 0,
            filled: 0,
            sums: [0.0; KINDS],
            energy: 0.0,
            last: [0.0; KINDS],
            blocks: 0,
            open: [None; KINDS + 1],
            done: Vec::new(),
        }
    }
}

impl Segments {
    /// Takes in the next frame.
    pub fn push(&mut self, frame: &Frame) {
        let at = self.frames % LATE_FRAMES;
        if self.frames < LATE_FRAMES {
            self.levels.push(frame.level_db);
        } else {
            let level = std::mem::replace(&mut self.levels[at], frame.level_db);
            self.judge(frame.settled, level);
        }
        self.last = [frame.speech, frame.music, frame.noise];
        self.frames += 1;
    }

    /// Takes one frame into the block.
    fn judge(&mut self, probabilities: [f32; KINDS], level_db: f32) {
        for (sum, probability) in self.sums.iter_mut().zip(probabilities) {
            *sum += probability;
        }
        self.energy += 10f32.powf(level_db / 10.0);
        self.filled += 1;
        if self.filled == BLOCK {
            self.close_block();
        }
    }

    fn close_block(&mut self) {
        let count = self.filled as f32;
        let mut holds = [false; KINDS + 1];
        for (kind, hold) in holds.iter_mut().enumerate().take(KINDS) {
            let limit = if self.open[kind].is_some() { ENDS } else { BEGINS };
            *hold = self.sums[kind] / count > limit;
        }
        holds[KINDS] = !holds[..KINDS].contains(&true) && 10.0 * (self.energy / count).max(1e-12).log10() < SILENT_DB;
        for (kind, hold) in holds.into_iter().enumerate() {
            match (self.open[kind], hold) {
                (None, true) => self.open[kind] = Some(self.blocks),
                (Some(start), false) => {
                    self.open[kind] = None;
                    self.done.push(segment(kind, start, self.blocks as f64 * block_s()));
                }
                _ => {}
            }
        }
        self.blocks += 1;
        (self.filled, self.sums, self.energy) = (0, [0.0; KINDS], 0.0);
    }

    /// Segments that are over and were not taken yet, in the order of their ends.
    pub fn take(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.done)
    }

    /// Ends what goes on, at the last frame, and gives all segments that were not taken, in the order of
    /// their beginnings. The last half second is judged by what was said at its time.
    pub fn finish(mut self) -> Vec<Segment> {
        let end_s = self.frames as f64 * hop_s();
        let waiting = self.levels.len();
        for i in 0..waiting {
            // The ring's oldest frame is the one that would be written over next.
            let level = self.levels[(self.frames + i) % waiting];
            self.judge(self.last, level);
        }
        if self.filled > 0 {
            self.close_block();
        }
        for kind in 0..self.open.len() {
            if let Some(start) = self.open[kind] {
                self.done.push(segment(kind, start, end_s));
            }
        }
        for segment in &mut self.done {
            segment.end_s = segment.end_s.min(end_s);
        }
        self.done.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        self.done
    }
}

fn hop_s() -> f64 {
    f64::from(HOP.0) / 1000.0
}

fn block_s() -> f64 {
    BLOCK as f64 * hop_s()
}

fn segment(kind: usize, start: usize, end_s: f64) -> Segment {
    Segment { kind: Kind::ALL[kind], start_s: start as f64 * block_s(), end_s }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of a programme in which `truth(seconds)` tells probabilities and level.
    fn joined(seconds: f64, truth: impl Fn(f64) -> ([f32; KINDS], f32)) -> Vec<Segment> {
        let mut segments = Segments::default();
        let frames = (seconds / hop_s()).round() as usize;
        for i in 0..frames {
            let (now, level_db) = truth(i as f64 * hop_s());
            let settled = truth((i.saturating_sub(LATE_FRAMES)) as f64 * hop_s()).0;
            segments.push(&Frame { speech: now[0], music: now[1], noise: now[2], level_db, settled });
        }
        segments.finish()
    }

    fn found(segments: &[Segment], kind: Kind) -> Vec<(f64, f64)> {
        segments.iter().filter(|s| s.kind == kind).map(|s| (s.start_s, s.end_s)).collect()
    }

    #[test]
    fn stretches_are_where_they_were() {
        let segments = joined(9.3, |t| {
            let speech = if (2.0..5.0).contains(&t) { 0.9 } else { 0.1 };
            let music = if t >= 4.0 { 0.95 } else { 0.0 };
            ([speech, music, 0.0], if t < 2.0 { -80.0 } else { -20.0 })
        });
        assert_eq!(found(&segments, Kind::Speech), [(2.0, 5.0)]);
        assert_eq!(found(&segments, Kind::Music).len(), 1);
        let (start, end) = found(&segments, Kind::Music)[0];
        assert!((start - 4.0).abs() < 1e-9 && (end - 9.3).abs() < 1e-9, "{start} to {end}");
        assert_eq!(found(&segments, Kind::Silence), [(0.0, 2.0)]);
        assert!(found(&segments, Kind::Noise).is_empty());
    }

    #[test]
    fn a_doubtful_block_does_not_cut_a_stretch() {
        let doubtful = |t: f64| if (3.0..3.5).contains(&t) { 0.45 } else { 0.9 };
        assert_eq!(found(&joined(6.0, |t| ([doubtful(t), 0.0, 0.0], -20.0)), Kind::Speech), [(0.0, 6.0)]);
        let only = |t: f64| if (3.0..3.5).contains(&t) { 0.45 } else { 0.1 };
        assert!(found(&joined(6.0, |t| ([only(t), 0.0, 0.0], -20.0)), Kind::Speech).is_empty());
    }

    #[test]
    fn what_is_taken_is_not_given_again() {
        let mut segments = Segments::default();
        let frame = |speech| Frame { speech, settled: [speech, 0.0, 0.0], level_db: -20.0, ..Frame::NOTHING };
        (0..200).for_each(|_| segments.push(&frame(0.9)));
        (0..200).for_each(|_| segments.push(&frame(0.0)));
        assert_eq!(found(&segments.take(), Kind::Speech).len(), 1);
        assert!(segments.take().is_empty());
        assert!(found(&segments.finish(), Kind::Speech).is_empty());
    }

    #[test]
    fn shorter_than_a_block_is_told_too() {
        assert_eq!(found(&joined(0.2, |_| ([0.0; KINDS], -90.0)), Kind::Silence), [(0.0, 0.2)]);
        assert!(Segments::default().finish().is_empty());
    }
}
