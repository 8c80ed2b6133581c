//! The meter: everything that is read of a programme, as it streams by.

use super::front::Front;
use super::gate::{Blocks, loudness};
use super::image::{BANDS, Image, Sums};
use super::true_peak::{CHUNK, Intervals, SHORT};
use crate::processor::{Error, Format};
use crate::realtime::FlushDenormals;
use crate::sample::largest;

/// Steps in a second. Momentary and short-term loudness move on with each, ten times as often as EBU
/// Tech 3341 asks for, so that a short sound is met in full wherever it lies.
const STEPS_A_SECOND: u64 = 100;
/// Steps of momentary loudness and of a gating block: 400 ms (BS.1770-5, EBU Tech 3341).
const MOMENTARY: usize = 40;
/// Steps of short-term loudness: 3 s (EBU Tech 3341).
const SHORT_TERM: usize = 300;
/// Steps from one gating block to the next: 100 ms, an overlap of 75 % (BS.1770-5). The blocks of
/// loudness range follow each other as fast (EBU Tech 3342 asks for an overlap of two thirds or more).
const BLOCK_EVERY: u64 = 10;
/// From this share of the largest peak on peaks are looked at closely: the parabola adds 0.2 dB at most.
const NEAR: f32 = 0.97;
/// Relative gate of integrated loudness, in LU under the mean (BS.1770-5).
pub(crate) const RELATIVE_GATE: f64 = 10.0;
/// Relative gate of loudness range, in LU under the mean (EBU Tech 3342).
const RANGE_GATE: f64 = 20.0;
/// Percentiles of loudness range (EBU Tech 3342).
const RANGE_SHARES: [f64; 2] = [0.10, 0.95];

/// What a meter reads. None where there is nothing to read yet, as in silence. A programme is what came
/// since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Momentary loudness, the last 0.4 s, in LUFS.
    pub momentary: Option<f64>,
    /// Short-term loudness, the last 3 s, in LUFS.
    pub short_term: Option<f64>,
    /// Integrated loudness of the programme, gated, in LUFS. From 0.4 s on.
    pub integrated: Option<f64>,
    /// Loudness range (LRA) of the programme in LU. From 3 s on.
    pub range: Option<f64>,
    /// Largest momentary loudness of the programme in LUFS.
    pub max_momentary: Option<f64>,
    /// Largest short-term loudness of the programme in LUFS.
    pub max_short_term: Option<f64>,
    /// Largest true peak of the programme, of all channels, in dBTP.
    pub true_peak: Option<f64>,
    /// Largest true peak of the last 3 s in dBTP.
    pub recent_true_peak: Option<f64>,
    /// Largest sample of the programme in dBFS.
    pub sample_peak: Option<f64>,
    /// Peak to short-term loudness ratio (PSR) in LU: true peak of the last 3 s over their loudness.
    pub psr: Option<f64>,
    /// Peak to loudness ratio (PLR) of the programme in LU: true peak over integrated loudness.
    pub plr: Option<f64>,
    /// Correlation of the first two channels in the last 0.4 s, -1 to 1; none for one channel.
    pub correlation: Option<f32>,
    /// Correlation of the first two channels over the programme.
    pub programme_correlation: Option<f32>,
    /// Side over mid of the first two channels by band ([`EDGES_HZ`](super::EDGES_HZ)) in the last 3 s,
    /// in dB; -infinity is mono.
    pub width: [Option<f32>; BANDS],
    /// The same over the programme.
    pub programme_width: [Option<f32>; BANDS],
}

/// What is kept of one step of time.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// Sum of the weighted squares of all channels.
    power: f64,
    /// Samples of a channel.
    samples: u64,
    true_peak: f32,
    image: Sums,
}

/// Loudness, peaks and image of a signal (ITU-R BS.1770-5, EBU R 128, EBU Tech 3341 and 3342).
///
/// It never allocates after [`Meter::new`], takes the same memory for any length, and reads the same
/// however the signal is cut.
#[derive(Clone, Debug)]
pub struct Meter {
    rate: f64,
    front: Front,
    /// Sum of weighted squares since the step began.
    power: f64,
    /// Largest true peak of each channel since it was taken.
    peaks: Vec<f32>,
    image: Option<Image>,
    /// True peak since the step began.
    true_peak: f32,
    sample_peak: f32,
    /// Samples since the reset, and steps.
    position: u64,
    count: u64,
    /// The last [`SHORT_TERM`] steps, a ring.
    steps: Vec<Step>,
    gated: Blocks,
    ranged: Blocks,
    programme: Sums,
    most_true_peak: f32,
    most: [f64; 2],
}

impl Meter {
    /// A meter for a format. The weights of the channels follow from their number: left, right, centre,
    /// low frequency (not counted), surrounds (+1.5 dB) for six, as usual in files.
    ///
    /// # Errors
    /// When the format is out of range.
    pub fn new(format: Format) -> Result<Self, Error> {
        let format = Format::new(format.rate, format.channels)?;
        Ok(Self {
            rate: format.rate.0,
            front: Front::new(format),
            power: 0.0,
            peaks: vec![0.0; format.channels],
            image: (format.channels > 1).then(|| Image::new(format.rate.0)),
            true_peak: 0.0,
            sample_peak: 0.0,
            position: 0,
            count: 0,
            steps: vec![Step::default(); SHORT_TERM],
            gated: Blocks::new(),
            ranged: Blocks::new(),
            programme: Sums::default(),
            most_true_peak: 0.0,
            most: [0.0; 2],
        })
    }

    /// Weights in power of the channels in place of the usual ones: 0 leaves a channel out, 1.41 is for
    /// surrounds, and 2 reads a mono channel as the two speakers that will play it.
    #[must_use]
    pub fn with_weights(mut self, weights: &[f64]) -> Self {
        self.front.set_weights(weights);
        self
    }

    /// A meter that does not look at the image, for who only wants loudness and peaks: correlation and
    /// width read none.
    #[must_use]
    pub fn without_image(mut self) -> Self {
        self.image = None;
        self
    }

    /// A meter that does not look between the samples, for who only wants loudness: true peaks read none, and its
    /// chunks have none to share.
    #[must_use]
    pub(crate) fn without_true_peaks(mut self) -> Self {
        self.front.skip_peaks();
        self
    }

    /// Begins a new programme. Never allocates.
    pub fn reset(&mut self) {
        self.front.reset();
        self.power = 0.0;
        self.peaks.fill(0.0);
        if let Some(image) = &mut self.image {
            image.reset();
        }
        (self.true_peak, self.sample_peak, self.most_true_peak) = (0.0, 0.0, 0.0);
        (self.position, self.count) = (0, 0);
        self.steps.fill(Step::default());
        self.gated.reset();
        self.ranged.reset();
        self.programme = Sums::default();
        self.most = [0.0; 2];
    }

    /// Samples of a channel since the reset at which a step ends.
    fn boundary(&self, step: u64) -> u64 {
        // Whole samples, spread evenly where a step is no whole number of them.
        (step as f64 * self.rate / STEPS_A_SECOND as f64).round() as u64
    }

    /// Takes a block, `audio[channel][sample]`, of any length. Never allocates. Blocks with another
    /// number of channels than the format's are left out.
    pub fn process(&mut self, audio: &[&[f32]]) {
        self.process_shared(audio, &mut |_| {});
    }

    /// As [`process`](Self::process), for who looks for peaks, too: `each` gets the number of a channel and what
    /// lies between its next samples, late by the interpolator's delay.
    pub fn process_peaks(&mut self, audio: &[&[f32]], each: &mut dyn FnMut(usize, &Intervals<'_, SHORT>)) {
        self.process_shared(audio, &mut |front| (0..front.channels()).for_each(|channel| each(channel, &front.intervals(channel))));
    }

    /// As [`process`](Self::process), for who needs the same weighted squares and peaks.
    pub(crate) fn process_shared(&mut self, audio: &[&[f32]], share: &mut dyn FnMut(&Front)) {
        let _flush = FlushDenormals::on();
        if audio.len() != self.peaks.len() {
            return;
        }
        let length = audio.iter().map(|samples| samples.len()).min().unwrap_or(0);
        let mut at = 0;
        while at < length {
            let left = self.boundary(self.count + 1).saturating_sub(self.position).max(1);
            let end = length.min(at + CHUNK).min(at + usize::try_from(left).unwrap_or(CHUNK));
            self.chunk(audio, at..end);
            share(&self.front);
            self.position += (end - at) as u64;
            if self.position >= self.boundary(self.count + 1) {
                self.step();
            }
            at = end;
        }
    }

    /// Takes what lies within a chunk and a step.
    fn chunk(&mut self, audio: &[&[f32]], range: std::ops::Range<usize>) {
        self.front.process(audio, range);
        // One after the other, so that it does not matter where a chunk ends.
        self.power = self.front.squares().iter().fold(self.power, |power, square| power + square);
        for (channel, own) in self.peaks.iter_mut().enumerate() {
            self.sample_peak = self.sample_peak.max(largest(self.front.clean(channel)));
            if !self.front.reads_peaks() {
                continue;
            }
            let intervals = self.front.intervals(channel);
            if largest(intervals.coarse()) <= self.true_peak.min(*own) * NEAR {
                continue;
            }
            for (index, &coarse) in intervals.coarse().iter().enumerate() {
                if coarse > self.true_peak.min(*own) * NEAR {
                    let peak = intervals.peak(index);
                    (self.true_peak, *own) = (self.true_peak.max(peak), own.max(peak));
                }
            }
        }
        if let (Some(image), true) = (&mut self.image, self.peaks.len() > 1) {
            self.front.clean(0).iter().zip(self.front.clean(1)).for_each(|(&left, &right)| image.step(left, right));
        }
    }

    /// Ends a step.
    fn step(&mut self) {
        let step = Step {
            power: std::mem::take(&mut self.power),
            samples: self.boundary(self.count + 1) - self.boundary(self.count),
            true_peak: std::mem::take(&mut self.true_peak),
            image: self.image.as_mut().map(Image::take).unwrap_or_default(),
        };
        self.programme.add(&step.image);
        self.most_true_peak = self.most_true_peak.max(step.true_peak);
        self.steps[(self.count % SHORT_TERM as u64) as usize] = step;
        self.count += 1;
        let (momentary, short_term) = (self.power(MOMENTARY), self.power(SHORT_TERM));
        self.most[0] = self.most[0].max(momentary);
        self.most[1] = self.most[1].max(short_term);
        let full = |steps: usize| self.count >= steps as u64 && (self.count - steps as u64).is_multiple_of(BLOCK_EVERY);
        let (gated, ranged) = (full(MOMENTARY), full(SHORT_TERM));
        if gated {
            self.gated.add(momentary);
        }
        if ranged {
            self.ranged.add(short_term);
        }
    }

    /// The last steps, the newest first.
    fn last(&self, steps: usize) -> impl Iterator<Item = &Step> {
        let newest = (self.count + SHORT_TERM as u64 - 1) % SHORT_TERM as u64;
        let (newer, older) = self.steps.split_at(newest as usize + 1);
        newer.iter().rev().chain(older.iter().rev()).take(steps.min(SHORT_TERM))
    }

    /// Weighted mean power of the last steps; before the first of them there was silence.
    fn power(&self, steps: usize) -> f64 {
        let samples = self.rate * steps as f64 / STEPS_A_SECOND as f64;
        // Where steps are no whole numbers of samples, as many as there really were.
        let (sum, counted) = self.last(steps).fold((0.0, 0), |(sum, counted), step| (sum + step.power, counted + step.samples));
        sum / if self.count >= steps as u64 { counted as f64 } else { samples }
    }

    /// Largest true peaks of the first two channels since the last call, linear; one channel stands for
    /// both.
    pub fn take_true_peaks(&mut self) -> [f32; 2] {
        let mut peaks = [0.0; 2];
        for (place, peak) in peaks.iter_mut().zip(&mut self.peaks) {
            *place = std::mem::take(peak);
        }
        if self.peaks.len() == 1 { [peaks[0]; 2] } else { peaks }
    }

    /// What the meter reads now. Never allocates; takes some microseconds.
    pub fn reading(&self) -> Reading {
        let level = |power: f64| Some(loudness(power)).filter(|lufs| lufs.is_finite());
        let db = |peak: f32| (peak > 0.0).then(|| 20.0 * f64::from(peak).log10());
        // The step that is under way counts at once for peaks.
        let recent = self.last(SHORT_TERM).fold(self.true_peak, |most, step| most.max(step.true_peak));
        let (short_term, integrated) = (level(self.power(SHORT_TERM)), self.gated.gated_mean(RELATIVE_GATE));
        let (true_peak, recent_true_peak) = (db(self.most_true_peak.max(self.true_peak)), db(recent));
        let difference = |peak: Option<f64>, level: Option<f64>| Some(peak? - level?);
        let window = |steps: usize| {
            let mut sums = Sums::default();
            self.last(steps).for_each(|step| sums.add(&step.image));
            sums
        };
        Reading {
            momentary: level(self.power(MOMENTARY)),
            short_term,
            integrated,
            range: self.ranged.spread(RANGE_GATE, RANGE_SHARES[0], RANGE_SHARES[1]),
            max_momentary: level(self.most[0]),
            max_short_term: level(self.most[1]),
            true_peak,
            recent_true_peak,
            sample_peak: db(self.sample_peak),
            psr: difference(recent_true_peak, short_term),
            plr: difference(true_peak, integrated),
            correlation: window(MOMENTARY).correlation(),
            programme_correlation: self.programme.correlation(),
            width: window(SHORT_TERM).width(),
            programme_width: self.programme.width(),
        }
    }
}
