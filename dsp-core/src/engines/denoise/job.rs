//! What a model is asked of a frame of all channels, and what it says.

use super::linking::{self, Mean};
use super::stream::Stream;
use crate::framing::Stft;
use crate::realtime::{Scope, Work};
use realfft::num_complex::Complex32;

const ONE: Complex32 = Complex32::new(1.0, 0.0);

/// What a channel's stream is asked.
#[derive(Debug)]
struct Question {
    /// The spectrum, which stands for the channel or for all of them, `[bin]`.
    joined: Vec<Complex32>,
    /// Of a model that gives samples: the newest samples, `[hop]`, and the spectrum that its mask is for, `[bin]`.
    fresh: Vec<f32>,
    due: Vec<Complex32>,
}

/// What it says.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `[bin]`
    pub mask: Vec<Complex32>,
    /// Gain for what lies above the model's band.
    pub above: f32,
}

impl Answer {
    /// Nothing is changed, over so many bins.
    pub fn ones(bins: usize) -> Self {
        Self { mask: vec![ONE; bins], above: 1.0 }
    }
}

/// The answers for a frame.
#[derive(Debug)]
pub struct Answers {
    channels: Vec<Answer>,
    /// How many channels were asked for, one after the other.
    asked: usize,
    /// Each of them has a mask of its own.
    own: bool,
    /// What linked channels share.
    mean: Mean,
}

impl Answers {
    pub fn new(bins: usize, channels: usize) -> Self {
        Self { channels: vec![Answer::ones(bins); channels], asked: 0, own: false, mean: Mean::new(bins) }
    }

    /// As if nothing had been asked.
    pub fn forget(&mut self) {
        self.asked = 0;
    }

    /// Puts the mask of a channel into `mask`, `[bin]`, and gives the gain above the band. Linked channels
    /// share one: what was asked one by one is averaged, weighted by the power of what the masks are for.
    pub fn take(&mut self, channel: usize, channels: usize, stft: &Stft, mask: &mut [Complex32]) -> f32 {
        if self.asked == 0 {
            mask.fill(ONE);
            return 1.0;
        }
        if !self.own && self.asked > 1 {
            self.mean.begin();
            for (channel, answer) in self.channels.iter().enumerate().take(channels.min(self.asked)) {
                self.mean.add(stft.due(channel), &answer.mask, answer.above);
            }
            return self.mean.end(mask);
        }
        let answer = &self.channels[if self.own { channel.min(self.asked - 1) } else { 0 }];
        mask.copy_from_slice(&answer.mask);
        answer.above
    }

    /// Makes plain gains of the masks that turn nothing and raise nothing: what holds for another frame too.
    pub fn settle(&mut self) {
        for answer in &mut self.channels {
            answer.mask.iter_mut().for_each(|gain| *gain = Complex32::new(gain.norm().min(1.0), 0.0));
        }
    }
}

/// The streams of a path, with a question and an answer for each.
#[derive(Debug)]
pub struct Job {
    streams: Vec<Stream>,
    questions: Vec<Question>,
    pub answers: Answers,
    /// Each channel goes through the model, linked ones too.
    each: bool,
    /// Added to each step.
    #[cfg(test)]
    pub slow: std::time::Duration,
    /// That is time of a processor, and not of rest.
    #[cfg(test)]
    pub burns: bool,
}

impl Job {
    /// For streams of a model that decides on so many bins, in frames every `hop` samples.
    pub fn new(streams: Vec<Stream>, bins: usize, hop: usize, each: bool) -> Self {
        let question = |stream: &Stream| {
            let wave = matches!(stream, Stream::Wave(_));
            let room = |wanted: bool, length: usize| if wanted { length } else { 0 };
            Question {
                joined: vec![Complex32::default(); room(!wave, bins)],
                fresh: vec![0.0; room(wave, hop)],
                due: vec![Complex32::default(); room(wave, bins)],
            }
        };
        Self {
            questions: streams.iter().map(question).collect(),
            answers: Answers::new(bins, streams.len()),
            streams,
            each,
            #[cfg(test)]
            slow: std::time::Duration::ZERO,
            #[cfg(test)]
            burns: false,
        }
    }

    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Zeroes all states. On the audio thread call it inside a [`Scope`].
    pub fn reset(&mut self) {
        self.streams.iter_mut().for_each(Stream::reset);
        self.answers.forget();
    }

    /// Takes the newest frame of so many channels in; each gets a mask of its own, or all share one.
    pub fn ask(&mut self, stft: &Stft, channels: usize, own: bool) {
        let apart = own || self.each;
        self.answers.own = own;
        self.answers.asked = if apart { channels.min(self.streams.len()) } else { 1 };
        for (channel, question) in self.questions.iter_mut().enumerate().take(self.answers.asked) {
            if !question.fresh.is_empty() {
                let spectrum = stft.spectrum(channel);
                let bins = question.due.len().min(spectrum.len());
                question.due[..bins].copy_from_slice(&spectrum[..bins]);
                question.fresh.copy_from_slice(stft.fresh(channel));
            } else if apart || channels == 1 {
                linking::join(|_| stft.spectrum(channel), 1, &mut question.joined);
            } else {
                linking::join(|index| stft.spectrum(index), channels, &mut question.joined);
            }
        }
    }
}

impl Work for Job {
    fn run(&mut self) {
        let _scope = Scope::enter();
        #[cfg(test)]
        if self.burns {
            let begun = crate::realtime::processor_seconds();
            while crate::realtime::processor_seconds() - begun < self.slow.as_secs_f64() {}
        } else {
            std::thread::sleep(self.slow);
        }
        let asked = self.answers.asked;
        for ((stream, question), answer) in self.streams.iter_mut().zip(&self.questions).zip(&mut self.answers.channels).take(asked) {
            answer.mask.fill(ONE);
            answer.above = match stream {
                Stream::Spectral(enhancer) => enhancer.step(&question.joined, &mut answer.mask),
                Stream::Wave(wave) => wave.step(&question.fresh, &question.due, &mut answer.mask),
            };
        }
    }
}
