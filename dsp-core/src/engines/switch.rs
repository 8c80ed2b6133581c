//! One path of an engine gives way to another: the old one plays on and fades out, the new one fills
//! unheard, and once it is full it fades in over its next hop.

use crate::processor::Format;
use std::ops::Range;

/// Time over which the old path fades out.
const FADE_MS: f64 = 20.0;
/// Samples at a time while a path changes.
const CHUNK: usize = 32;

/// An engine's change from path to path; paths are numbers of the engine's own.
#[derive(Debug, Default)]
pub(super) struct Switch {
    /// Samples of a whole fade, at least 1.
    length: usize,
    change: Option<Change>,
    /// Samples until the old path is whole again, after a change that was given up.
    rise: usize,
    /// Input of the path that fills, `[channel][sample]`.
    spare: Vec<Vec<f32>>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    /// Path that comes.
    to: usize,
    /// Samples until the old path is silent.
    fade: usize,
    /// Samples until the new one is full; 0 for one that has still to begin.
    fill: usize,
}

impl Switch {
    /// A switch for sound of `format`, at rest.
    pub(super) fn new(format: Format) -> Self {
        Self {
            length: ((format.rate.0 * FADE_MS / 1000.0) as usize).max(1),
            change: None,
            rise: 0,
            spare: vec![vec![0.0; CHUNK]; format.channels],
        }
    }

    /// Forgets a change that is under way.
    pub(super) fn reset(&mut self) {
        self.change = None;
        self.rise = 0;
    }

    /// Gives up a change that is under way: the old path stays, and fades in again from where it is.
    pub(super) fn give_up(&mut self) {
        if let Some(change) = self.change.take() {
            self.rise = self.length - change.fade;
        }
    }

    /// Fades in what the old path gives in `range` of each channel after a change that was given up.
    pub(super) fn rise<'a>(&self, channels: impl Iterator<Item = &'a mut [f32]>, range: &Range<usize>) {
        let level = self.length - self.rise;
        if self.rise > 0 {
            weigh(channels, range, |index| (level + index).min(self.length) as f32 / self.length as f32);
        }
    }

    /// So many samples have risen.
    pub(super) fn risen(&mut self, count: usize) {
        self.rise = self.rise.saturating_sub(count);
    }

    /// The path that comes must begin anew ([`begin`](Self::begin)) before the next sample; the old one goes on fading.
    pub(super) fn restart(&mut self) {
        if let Some(change) = &mut self.change {
            change.fill = 0;
        }
    }

    /// True where a change may begin: none is under way, or one that was told to restart.
    pub(super) fn is_free(&self) -> bool {
        self.change.is_none_or(|change| change.fill == 0)
    }

    /// Begins the change to path `to`, which has just been reset and has this `latency`.
    pub(super) fn begin(&mut self, to: usize, latency: usize) {
        let fade = self.change.map_or(self.length - self.rise, |change| change.fade);
        self.rise = 0;
        self.change = Some(Change { to, fade, fill: self.length.max(latency) });
    }

    /// While a path changes, the one that comes and how many of the next `left` samples to run before asking again.
    pub(super) fn next(&self, left: usize) -> Option<(usize, usize)> {
        self.change.map(|change| (change.to, left.min(change.fill).min(CHUNK)))
    }

    /// Keeps the input of the path that fills, before the old one writes over it.
    pub(super) fn keep(&mut self, audio: &[&mut [f32]], range: Range<usize>) {
        for (spare, channel) in self.spare.iter_mut().zip(audio) {
            spare[..range.len()].copy_from_slice(&channel[range.clone()]);
        }
    }

    /// What was kept, `[channel][sample]`.
    pub(super) fn kept(&mut self) -> &mut [Vec<f32>] {
        &mut self.spare
    }

    /// Fades the old path's output in `range` of each channel; samples that a channel lacks are left out.
    pub(super) fn fade<'a>(&self, channels: impl Iterator<Item = &'a mut [f32]>, range: &Range<usize>) {
        let left = self.change.map_or(0, |change| change.fade);
        weigh(channels, range, |index| left.saturating_sub(index) as f32 / self.length as f32);
    }

    /// Goes on by `count` samples; the path that plays from now on, once it is full.
    pub(super) fn advance(&mut self, count: usize) -> Option<usize> {
        let change = self.change.as_mut()?;
        change.fade = change.fade.saturating_sub(count);
        change.fill -= count;
        let to = (change.fill == 0).then_some(change.to)?;
        self.change = None;
        Some(to)
    }
}

/// Multiplies what is in `range` of each channel by the gain of its place in it.
fn weigh<'a>(channels: impl Iterator<Item = &'a mut [f32]>, range: &Range<usize>, gain: impl Fn(usize) -> f32) {
    for channel in channels {
        let end = range.end.min(channel.len());
        let Some(samples) = channel.get_mut(range.start..end) else { continue };
        samples.iter_mut().enumerate().for_each(|(index, sample)| *sample *= gain(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Hz;

    fn format() -> Format {
        Format { rate: Hz(48_000.0), channels: 2 }
    }

    /// Runs `samples` of ones; what they fade to, and where the change was over.
    fn run(switch: &mut Switch, samples: usize) -> (Vec<f32>, Option<(usize, usize)>) {
        let mut out = Vec::new();
        while out.len() < samples {
            let Some((_, count)) = switch.next(samples - out.len()) else { break };
            let mut ones = vec![1.0; count];
            switch.fade(std::iter::once(&mut ones[..]), &(0..count));
            out.extend(ones);
            if let Some(to) = switch.advance(count) {
                let at = out.len();
                return (out, Some((to, at)));
            }
        }
        (out, None)
    }

    #[test]
    fn fades_in_a_line_and_fills_for_the_latency() {
        let mut switch = Switch::new(format());
        assert!(switch.is_free() && switch.next(100).is_none());
        switch.begin(1, 1200);
        let (faded, over) = run(&mut switch, 5000);
        assert_eq!(over, Some((1, 1200)));
        for (index, sample) in faded.iter().enumerate() {
            assert_eq!(*sample, 960_usize.saturating_sub(index) as f32 / 960.0, "sample {index}");
        }
        assert!(switch.is_free() && switch.next(1).is_none());
    }

    #[test]
    fn a_short_latency_still_has_the_whole_fade() {
        let mut switch = Switch::new(format());
        switch.begin(2, 0);
        assert_eq!(run(&mut switch, 5000).1, Some((2, 960)));
    }

    #[test]
    fn what_restarts_goes_on_with_the_old_fade() {
        let mut switch = Switch::new(format());
        switch.begin(1, 0);
        run(&mut switch, 480);
        assert!(!switch.is_free());
        switch.restart();
        assert!(switch.is_free());
        switch.begin(3, 2000);
        let (faded, over) = run(&mut switch, 5000);
        assert_eq!(over, Some((3, 2000)));
        assert_eq!(faded[0], 0.5);
    }

    #[test]
    fn what_is_given_up_comes_back_from_where_it_was() {
        let mut switch = Switch::new(format());
        switch.begin(1, 2000);
        run(&mut switch, 720);
        switch.restart();
        switch.give_up();
        assert!(switch.is_free() && switch.next(1).is_none());
        let mut out = Vec::new();
        for count in [100, 1, 300, 500] {
            let mut ones = vec![1.0; count];
            switch.rise(std::iter::once(&mut ones[..]), &(0..count));
            switch.risen(count);
            out.extend(ones);
        }
        for (index, sample) in out.iter().enumerate() {
            assert_eq!(*sample, (240 + index).min(960) as f32 / 960.0, "sample {index}");
        }
        // One that is on its way back can go again.
        switch.begin(1, 0);
        run(&mut switch, 480);
        switch.give_up();
        switch.risen(240);
        switch.begin(2, 0);
        assert_eq!(run(&mut switch, 10).0[0], 0.75);
    }

    #[test]
    fn input_is_kept_by_channel() {
        let mut switch = Switch::new(format());
        let (mut left, mut right) = (vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]);
        switch.keep(&[&mut left, &mut right], 1..3);
        assert_eq!(switch.kept()[0][..2], [2.0, 3.0]);
        assert_eq!(switch.kept()[1][..2], [5.0, 6.0]);
    }
}
