//! Single peaks that an encoder makes: found in the decoded file, and turned down before it is encoded again.
//!
//! ```text
//! gain 1 ────╲        ╱────     as deep as the peak was too high, and some:
//!             ╲______╱          a few hundredths of a second, with soft shoulders
//! ```
//!
//! Turning the whole programme down for them, or limiting all of it lower, changes what is loud everywhere, and the
//! encoder makes other peaks then. A dip leaves all else as it was, and most of what the encoder makes of it.

use dsp_core::loudness::Meter;
use dsp_core::loudness::true_peak::{Interpolator, SHORT};
use std::f64::consts::PI;

/// Half of the time that a dip stays at its depth, seconds: the peak's own place, and a pitch period's doubt.
const HOLD: f64 = 0.003;
/// Time in which it gets there, and comes back, seconds.
const FALL: f64 = 0.017;
/// A dip is deeper than its peak was too high by this, dB: the encoder makes a slightly other peak the next time.
const DEEPER_DB: f64 = 0.2;
/// Peaks that come so near to the ceiling are turned down with those over it, dB: the next time they might be.
const NEAR_DB: f64 = 0.2;
/// More of the time than this in dips is no matter of single peaks.
const MOST: f64 = 0.02;

/// A true peak.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Peak {
    /// Where, seconds.
    at: f64,
    /// How far over the ceiling or, less than nothing, under it, dB.
    over_db: f64,
}

/// Looks for peaks near a ceiling and over it.
pub struct Finder {
    rate: f64,
    ceiling: f64,
    /// Samples of each channel so far.
    heard: Vec<u64>,
    peaks: Vec<Peak>,
}

impl Finder {
    /// For a rate in hertz, channels and a ceiling in dBTP.
    pub fn new(rate: f64, channels: usize, ceiling: f64) -> Self {
        Self { rate, ceiling, heard: vec![0; channels], peaks: Vec::new() }
    }

    /// Hears a block, `block[channel][sample]`, through a meter that wants to hear it, too.
    pub fn hear(&mut self, block: &[&[f32]], meter: &mut Meter) {
        let near = 10_f64.powf((self.ceiling - NEAR_DB) / 20.0) as f32;
        meter.process_peaks(block, &mut |channel, intervals| {
            let start = self.heard[channel];
            for (index, &coarse) in intervals.coarse().iter().enumerate() {
                if coarse <= near {
                    continue;
                }
                let at = (start + index as u64) as f64 - Interpolator::<SHORT>::DELAY as f64;
                let over_db = 20.0 * f64::from(intervals.peak(index)).log10() - self.ceiling;
                let peak = Peak { at: at.max(0.0) / self.rate, over_db };
                match self.peaks.last_mut() {
                    // One dip does for what lies under its floor.
                    Some(last) if (last.at - peak.at).abs() < HOLD => last.over_db = last.over_db.max(peak.over_db),
                    _ => self.peaks.push(peak),
                }
            }
            self.heard[channel] += intervals.coarse().len() as u64;
        });
    }
}

/// A place that is turned down.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dip {
    /// Its middle, seconds.
    at: f64,
    /// Its depth, dB.
    depth_db: f64,
}

/// All of a programme's, in order.
#[derive(Clone, Debug, Default)]
pub struct Dips {
    dips: Vec<Dip>,
}

impl Dips {
    /// Number of dips.
    pub fn count(&self) -> usize {
        self.dips.len()
    }

    /// The deepest, dB.
    pub fn deepest_db(&self) -> f64 {
        self.dips.iter().map(|dip| dip.depth_db).fold(0.0, f64::max)
    }

    /// Depth at a time, dB.
    fn depth_db(&self, at: f64) -> f64 {
        self.around(at, at).map(|dip| dip.depth_db * shape(at - dip.at)).fold(0.0, f64::max)
    }

    /// Dips that reach into a stretch of time.
    fn around(&self, from: f64, to: f64) -> impl Iterator<Item = &Dip> {
        let wide = HOLD + FALL;
        let first = self.dips.partition_point(|dip| dip.at < from - wide);
        self.dips[first..].iter().take_while(move |dip| dip.at <= to + wide)
    }

    /// Adds dips for what was found in a file made with the present ones, `seconds` long. False where there is too
    /// much for dips; they stay as they were then.
    pub fn add(&mut self, found: &Finder, seconds: f64) -> bool {
        let new: Vec<Dip> = found
            .peaks
            .iter()
            .map(|peak| Dip { at: peak.at, depth_db: self.depth_db(peak.at) + (peak.over_db + NEAR_DB).max(0.0) + DEEPER_DB })
            .collect();
        if (self.dips.len() + new.len()) as f64 * 2.0 * HOLD > MOST * seconds {
            return false;
        }
        self.dips.extend(new);
        self.dips.sort_by(|a, b| a.at.total_cmp(&b.at));
        true
    }

    /// Turns a block down, `block[channel][sample]`, that begins at `first` samples of `rate` hertz.
    pub fn apply(&self, block: &mut [Vec<f32>], first: u64, rate: f64) {
        let frames = block.first().map_or(0, Vec::len);
        let time = |index: usize| (first + index as u64) as f64 / rate;
        let (from, to) = (time(0), time(frames));
        if self.around(from, to).next().is_none() {
            return;
        }
        for index in 0..frames {
            let depth = self.depth_db(time(index));
            if depth > 0.0 {
                let gain = 10_f64.powf(-depth / 20.0) as f32;
                block.iter_mut().for_each(|samples| samples[index] *= gain);
            }
        }
    }
}

/// Share of a dip's depth so far from its middle, 0 to 1.
fn shape(seconds: f64) -> f64 {
    let beyond = (seconds.abs() - HOLD).max(0.0) / FALL;
    if beyond < 1.0 { 0.5 + 0.5 * (PI * beyond).cos() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsp_core::processor::Format;
    use dsp_core::units::Hz;

    const RATE: f64 = 48_000.0;

    /// A tone with a few loud periods.
    fn sound(loud: &[f64]) -> Vec<f32> {
        (0..(10.0 * RATE) as usize)
            .map(|n| {
                let t = n as f64 / RATE;
                let gain = if loud.iter().any(|at| (t - at).abs() < 0.002) { 1.3 } else { 1.0 };
                (0.7 * gain * (t * 900.0 * 2.0 * PI).sin()) as f32
            })
            .collect()
    }

    fn find(audio: &[f32], ceiling: f64) -> Finder {
        let mut finder = Finder::new(RATE, 1, ceiling);
        let mut meter = Meter::new(Format::new(Hz(RATE), 1).unwrap()).unwrap();
        audio.chunks(1_000).for_each(|block| finder.hear(&[block], &mut meter));
        finder
    }

    /// What is over the ceiling is under it behind the dips, and nothing else has moved, however the sound is cut.
    #[test]
    fn dips_bring_peaks_under_the_ceiling_and_leave_the_rest() {
        let loud = [0.0005, 1.5, 1.512, 7.0];
        let (audio, ceiling) = (sound(&loud), -2.0);
        let found = find(&audio, ceiling);
        assert!(found.peaks.iter().any(|peak| peak.over_db > 0.5));
        let mut dips = Dips::default();
        assert!(dips.add(&found, 10.0) && dips.count() >= loud.len());
        let mut outs = Vec::new();
        for length in [997, 8_192] {
            let mut out = Vec::new();
            for (index, chunk) in audio.chunks(length).enumerate() {
                let mut block = vec![chunk.to_vec()];
                dips.apply(&mut block, (index * length) as u64, RATE);
                out.extend_from_slice(&block[0]);
            }
            outs.push(out);
        }
        assert_eq!(outs[0], outs[1]);
        assert!(find(&outs[0], ceiling).peaks.iter().all(|peak| peak.over_db < -NEAR_DB / 2.0));
        for (n, (before, after)) in audio.iter().zip(&outs[0]).enumerate() {
            let t = n as f64 / RATE;
            // The steps in level ring for some samples.
            let near = loud.iter().any(|at| (t - at).abs() < 0.003 + HOLD + FALL);
            assert!(near || before == after, "{t} s is left as it was");
        }
    }

    #[test]
    fn what_is_loud_everywhere_is_no_matter_of_dips() {
        let mut dips = Dips::default();
        assert!(!dips.add(&find(&sound(&[]), -6.0), 10.0));
        assert_eq!(dips.count(), 0);
    }

    /// A dip that was not deep enough gets deeper.
    #[test]
    fn dips_add_up() {
        let finder = |over_db: f64| Finder { peaks: vec![Peak { at: 3.0, over_db }], ..Finder::new(RATE, 1, -1.0) };
        let mut dips = Dips::default();
        assert!(dips.add(&finder(1.0), 100.0));
        let first = dips.depth_db(3.0);
        assert!(dips.add(&finder(0.1), 100.0) && dips.depth_db(3.0) > first + 0.1 && dips.deepest_db() == dips.depth_db(3.0));
        assert_eq!(dips.depth_db(3.0 + HOLD + FALL), 0.0);
    }
}
