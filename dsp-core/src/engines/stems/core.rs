//! One path of the stems, at one latency: frames in, masks, stems out.
//!
//! A frame is complete with a hop's last sample. The model's step is then spread over the samples of the
//! `lag` that follow, so that no single block has to bear all of it, and the hop it was for begins to go
//! out behind them. So the delay is a synthesis window and the lag, whatever the blocks.

use super::frame::{Bands, StemFrame};
use super::mixer::{Mixer, Pair};
use super::overlap::Overlap;
use super::separator::{MOST_MASKS, PAIR, Separator, bend};
use super::settings::{STEMS, Settings};
use crate::framing::{Analyser, Frame as Framing, Framer, Windows};
use crate::processor::{Format, Frame, Observer};
use crate::realtime::{Deadline, Scope};
use realfft::num_complex::Complex32;
use std::ops::Range;

/// Separate outputs of a call, `[stem][channel][sample]`.
pub type Outs<'a, 'b, 'c> = &'a mut [&'b mut [&'c mut [f32]]];

/// A path.
#[derive(Debug)]
pub struct Core {
    framer: Framer,
    analyser: Analyser,
    overlap: Overlap,
    mixer: Mixer,
    bands: Bands,
    masks: usize,
    synthesis: usize,
    /// Samples from the end of a frame to the begin of the hop that it finishes.
    lag: usize,
    /// Frames by which masks come later than their spectra.
    look_ahead: usize,
    /// Place of the newest spectra in the ring.
    newest: usize,
    deadline: Deadline,
    seconds: f32,
    bin_hz: f32,
    /// Brings spectra to amplitude, squared.
    to_power: f32,
    /// A step is on its way.
    stepping: bool,
    /// The output stays silent.
    held: bool,
    /// Both sides of a pair are the same, or there is one side only; `[pair]` of the spectra that are due.
    twins: Vec<bool>,
    /// Of the last frames, as a ring, `[frame][channel][bin]`.
    spectra: Vec<Vec<Vec<Complex32>>>,
    /// Of a side that is in work, `[stem][bin]`.
    side: Vec<Vec<Complex32>>,
    /// `[stem][channel][sample]` of a hop.
    stems: Vec<Vec<Vec<f32>>>,
    /// What goes out, `[channel][sample]` of a hop, and of separate outputs, `[stem][channel][sample]`.
    main: Vec<Vec<f32>>,
    outs: Vec<Vec<Vec<f32>>>,
    /// For the observer, `[bin]`.
    power: Vec<f32>,
    gains: Vec<f32>,
}

impl Core {
    /// For a model's frames, its look-ahead in frames, and so many masks; the step is spread over this share of
    /// a hop.
    pub fn new(framing: &Framing, look_ahead: usize, masks: usize, lag: f64, format: Format) -> Self {
        let windows = Windows::new(framing, format.rate);
        let (length, hop, channels) = (windows.analysis.len(), windows.hop, format.channels);
        let bins = length / 2 + 1;
        let hops = |count: usize| vec![vec![vec![0.0; hop]; channels]; count];
        let spectrum = || vec![Complex32::default(); bins];
        Self {
            framer: Framer::new(hop, length + look_ahead * hop, channels),
            analyser: Analyser::scaled(windows.analysis.clone(), windows.scale),
            overlap: Overlap::new(&windows, masks * channels),
            mixer: Mixer::new(),
            bands: Bands::new(bins, format.rate.0),
            masks,
            synthesis: windows.latency(),
            lag: (hop as f64 * lag) as usize,
            look_ahead,
            newest: 0,
            deadline: Deadline::new(hop, format.rate),
            seconds: (hop as f64 / format.rate.0) as f32,
            bin_hz: (format.rate.0 / length as f64) as f32,
            to_power: windows.amplitude * windows.amplitude,
            stepping: false,
            held: false,
            twins: vec![true; channels.div_ceil(PAIR)],
            spectra: (0..=look_ahead).map(|_| (0..channels).map(|_| spectrum()).collect()).collect(),
            side: (0..masks).map(|_| spectrum()).collect(),
            stems: hops(masks),
            main: vec![vec![0.0; hop]; channels],
            outs: hops(STEMS),
            power: vec![0.0; bins],
            gains: vec![1.0; bins],
        }
    }

    /// Delay in samples.
    pub fn latency(&self) -> usize {
        self.synthesis + self.look_ahead * self.framer.hop() + self.lag
    }

    /// Forgets all history.
    pub fn reset(&mut self) {
        self.framer.reset();
        self.overlap.reset();
        self.mixer.reset();
        self.bands.reset();
        let hops = self.stems.iter_mut().chain(&mut self.outs).flatten().chain(&mut self.main);
        hops.for_each(|hop| hop.fill(0.0));
        self.spectra.iter_mut().flatten().for_each(|spectrum| spectrum.fill(Complex32::default()));
        self.stepping = false;
        self.deadline.reset();
        self.held = false;
    }

    /// What comes is silent until [`Core::fade_in`].
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// The next hop fades in from silence.
    pub fn fade_in(&mut self) {
        self.held = false;
    }

    fn channels(&self) -> usize {
        self.main.len()
    }

    /// Place in the ring of the spectra that the next masks belong to.
    fn due(&self) -> usize {
        (self.newest + 1) % self.spectra.len()
    }

    /// Samples of the present hop that are in.
    fn place(&self) -> usize {
        self.framer.hop() - self.framer.until_frame()
    }

    /// Processes a range of a block, in place where `write`, and writes `outs` there. Gives the number of
    /// late frames.
    pub fn process(
        &mut self,
        audio: &mut [&mut [f32]],
        outs: Outs<'_, '_, '_>,
        range: Range<usize>,
        mut streams: Option<&mut [Separator]>,
        with: &mut With<'_>,
    ) -> u64 {
        let hop = self.framer.hop();
        let mut late = 0;
        let mut at = range.start;
        while at < range.end {
            let place = self.place();
            let next = if place < self.lag { self.lag - place } else { hop - place };
            let end = range.end.min(at + next);
            let due = self.framer.exchange(audio.iter_mut().map(|channel| &mut **channel), at..end, false);
            if with.write {
                // The hop on its way out began when the lag was over.
                let from = (place + hop - self.lag) % hop;
                self.write(audio, outs, at..end, from);
            }
            at = end;
            if due {
                self.begin(streams.as_deref_mut(), with);
            }
            let place = self.place();
            if self.stepping && place < self.lag {
                self.advance(streams.as_deref_mut(), place as f32 / self.lag as f32);
            }
            if place == self.lag && (due || self.lag > 0) {
                late += u64::from(self.finish(streams.as_deref_mut(), with));
            }
        }
        late
    }

    /// Copies what is finished to where it goes.
    fn write(&self, audio: &mut [&mut [f32]], outs: Outs<'_, '_, '_>, range: Range<usize>, from: usize) {
        let source = from..from + range.len();
        for (channel, hop) in audio.iter_mut().zip(&self.main) {
            channel[range.clone()].copy_from_slice(&hop[source.clone()]);
        }
        for (out, hops) in outs.iter_mut().zip(&self.outs) {
            for (channel, hop) in out.iter_mut().zip(hops) {
                let end = range.end.min(channel.len());
                if let Some(to) = channel.get_mut(range.start..end) {
                    to.copy_from_slice(&hop[source.clone()][..to.len()]);
                }
            }
        }
    }

    /// A frame is complete: spectra, and the begin of the step.
    fn begin(&mut self, streams: Option<&mut [Separator]>, with: &With<'_>) {
        self.framer.advance();
        self.newest = (self.newest + 1) % self.spectra.len();
        for (channel, spectrum) in self.spectra[self.newest].iter_mut().enumerate() {
            let history = self.framer.history(channel);
            self.analyser.analyse(&history[self.look_ahead * self.framer.hop()..], spectrum);
        }
        let due = self.due();
        for (twins, pair) in self.twins.iter_mut().zip(self.spectra[due].chunks(PAIR)) {
            *twins = pair[0] == pair[pair.len() - 1];
        }
        self.stepping = false;
        // Behind a late step a frame goes on with its masks.
        if !self.deadline.wants_step() && with.realtime {
            return;
        }
        let Some(streams) = streams else { return };
        self.stepping = true;
        for (stream, pair) in streams.iter_mut().zip(self.spectra[self.newest].chunks(PAIR)) {
            // A single channel is heard as both sides.
            stream.begin([&pair[0], &pair[pair.len() - 1]]);
        }
    }

    /// Goes on with the step until this share of it is done.
    fn advance(&mut self, streams: Option<&mut [Separator]>, share: f32) {
        let Some(streams) = streams else { return };
        self.deadline.resume();
        let _scope = Scope::enter();
        let pairs = self.channels().div_ceil(PAIR);
        let done = share * pairs as f32;
        for (index, stream) in streams.iter_mut().enumerate().take(pairs) {
            let own = (done - index as f32).clamp(0.0, 1.0);
            if own > 0.0 {
                stream.advance(own);
            }
        }
        self.deadline.pause();
    }

    /// Ends the step, and makes the hop that goes out now. True when the step was late.
    fn finish(&mut self, mut streams: Option<&mut [Separator]>, with: &mut With<'_>) -> bool {
        let pairs = self.channels().div_ceil(PAIR);
        if let Some(streams) = streams.as_deref_mut().filter(|_| self.stepping) {
            self.deadline.resume();
            let _scope = Scope::enter();
            streams.iter_mut().take(pairs).for_each(Separator::end);
            self.deadline.pause();
        }
        self.stepping = false;
        let late = self.deadline.judge() && with.realtime;
        let settings = with.settings;
        self.mixer.aim(settings, streams.is_some(), self.held);
        // Nobody looks in a bounce, and nobody can while the path fills: the sound is the same.
        let watched = with.observer.wants_frames();
        let bands = self.bands.due() && watched;
        if watched {
            self.power.fill(0.0);
            self.gains.fill(0.0);
        }
        let mut levels = None;
        for pair in 0..pairs {
            let sides = PAIR.min(self.channels() - pair * PAIR);
            let stream = streams.as_deref().and_then(|streams| streams.get(pair));
            for side in 0..sides {
                self.separate(pair * PAIR + side, side, stream, settings.focus);
                if bands && pair == 0 {
                    self.bands.add(&self.spectra[self.due()][side], &self.side, self.to_power / sides as f32);
                }
                if watched {
                    self.watch(pair * PAIR + side, sides, settings.bypass || stream.is_none());
                }
            }
            let told = self.mix(pair, sides, watched && pair == 0);
            levels.get_or_insert(told);
        }
        self.mixer.done();
        if watched {
            self.tell(late, bands, levels.unwrap_or_default(), with);
        }
        late
    }

    /// Takes a channel's frame apart.
    fn separate(&mut self, channel: usize, side: usize, stream: Option<&Separator>, focus: f32) {
        let (twins, due) = (self.twins[channel / PAIR], self.due());
        match stream {
            Some(stream) => {
                for (stem, mask) in self.side.iter_mut().enumerate() {
                    stream.mask(stem, side, twins, mask);
                }
                bend(&mut self.side, focus);
            }
            // What overlaps from earlier frames runs out.
            None => self.side.iter_mut().for_each(|mask| mask.fill(Complex32::default())),
        }
        for (stem, mask) in self.side.iter().enumerate() {
            let sound = stem * self.main.len() + channel;
            let frame = self.spectra[due][channel].iter().zip(mask).map(|(bin, gain)| bin * gain);
            self.overlap.add(sound, frame, &mut self.stems[stem][channel]);
        }
    }

    /// Adds a channel to what the observer gets to see.
    fn watch(&mut self, channel: usize, sides: usize, dry: bool) {
        let share = 1.0 / self.channels() as f32;
        let due = self.due();
        for (power, bin) in self.power.iter_mut().zip(&self.spectra[due][channel]) {
            *power += bin.norm_sqr() * self.to_power * share;
        }
        if dry {
            self.gains.iter_mut().for_each(|gain| *gain += share);
            return;
        }
        let (mix, stems) = self.mixer.gains(sides == 1);
        for (bin, gain) in self.gains.iter_mut().enumerate() {
            let sum = self.side.iter().zip(stems).fold(Complex32::new(mix, 0.0), |sum, (mask, gain)| sum + mask[bin] * gain);
            *gain += sum.norm_sqr().sqrt() * share;
        }
    }

    /// Mixes the hop of a pair, and gives its levels where they are `watched`.
    fn mix(&mut self, pair: usize, sides: usize, watched: bool) -> super::mixer::Levels {
        let (hop, first) = (self.framer.hop(), pair * PAIR);
        let start = self.framer.history(first).len() - self.synthesis - self.look_ahead * hop;
        let mixes: [&[f32]; PAIR] = std::array::from_fn(|side| &self.framer.history(first + side.min(sides - 1))[start..start + hop]);
        let stems = std::array::from_fn(|stem| {
            std::array::from_fn(|side| {
                let hops = self.stems.get(stem);
                hops.map_or(&[][..], |hops: &Vec<Vec<f32>>| hops[first + side.min(sides - 1)].as_slice())
            })
        });
        let sound = Pair { mix: mixes, stems, masks: self.masks, sides };
        let mut main = self.main[first..first + sides].iter_mut();
        let mut mains: [&mut [f32]; PAIR] = std::array::from_fn(|_| main.next().map_or(&mut [][..], Vec::as_mut_slice));
        let mut all = self.outs.iter_mut();
        let mut outs: [[&mut [f32]; PAIR]; STEMS] = std::array::from_fn(|_| {
            let mut channels = all.next().map(|hops| hops[first..first + sides].iter_mut());
            std::array::from_fn(|_| channels.as_mut().and_then(Iterator::next).map_or(&mut [][..], Vec::as_mut_slice))
        });
        self.mixer.mix(&sound, &mut mains[..sides], &mut outs);
        if watched { self.mixer.levels(&sound) } else { super::mixer::Levels::default() }
    }

    fn tell(&self, late: bool, bands: bool, levels: super::mixer::Levels, with: &mut With<'_>) {
        let age = (self.latency() as f32 - 0.5 * self.synthesis as f32) * self.seconds / self.framer.hop() as f32;
        with.observer.stems(&StemFrame {
            task: with.settings.task,
            peaks: levels.peaks,
            levels: levels.levels,
            powers: levels.powers,
            bands: bands.then_some(&self.bands.powers),
            band_hz: &self.bands.hz,
            seconds: self.seconds,
            age,
            late,
            step_seconds: self.deadline.last().as_secs_f32(),
        });
        with.observer.frame(&Frame {
            input_power: &self.power,
            gain: &self.gains,
            bin_hz: self.bin_hz,
            seconds: self.seconds,
            age,
            late,
            detection: None,
        });
    }
}

/// What holds for a call.
pub struct With<'a> {
    /// What is set.
    pub settings: &'a Settings,
    /// Steps can be late.
    pub realtime: bool,
    /// Finished samples go out.
    pub write: bool,
    /// Who is told.
    pub observer: &'a mut dyn Observer,
}

const _: () = assert!(MOST_MASKS < STEMS);

#[cfg(test)]
mod tests {
    use super::super::models::PATHS;
    use super::*;
    use crate::units::{Db, Hz};
    use std::time::Duration;

    /// Frames that were late, and nothing else.
    struct Late(u64);

    impl Observer for Late {
        fn frame(&mut self, frame: &Frame<'_>) {
            self.0 += u64::from(frame.late);
        }
    }

    /// A step that takes too long is counted, and the frame behind it goes on with its masks: sums stay right.
    #[test]
    fn late_steps_go_on_with_the_last_masks() {
        let format = Format::new(Hz(16_000.0), 2).unwrap();
        let input: Vec<f32> = (0..16_000).map(|n| 0.3 * ((n * n % 977) as f32 * 0.01 - 5.0).sin()).collect();
        let mut settings = Settings { outputs: super::super::Outputs::Before, ..Settings::default() };
        settings.stems[1].gain = Db(-6.0);
        let run = |realtime: bool, deadline: Option<Duration>| {
            let mut core = PATHS[0].core(format).unwrap();
            if let Some(limit) = deadline {
                core.deadline = Deadline::of(limit);
            }
            let mut streams = [PATHS[0].stream().unwrap()];
            let (mut left, mut right) = (input.clone(), input.iter().rev().copied().collect::<Vec<f32>>());
            let mut told = Late(0);
            let mut outs = vec![vec![vec![0.0_f32; input.len()]; 2]; STEMS];
            let mut slices: Vec<Vec<&mut [f32]>> = outs.iter_mut().map(|out| out.iter_mut().map(Vec::as_mut_slice).collect()).collect();
            let mut slices: Vec<&mut [&mut [f32]]> = slices.iter_mut().map(Vec::as_mut_slice).collect();
            let mut with = With { settings: &settings, realtime, write: true, observer: &mut told };
            let all = 0..input.len();
            let late = core.process(&mut [&mut left, &mut right], &mut slices, all, Some(&mut streams), &mut with);
            assert_eq!(late, told.0);
            for (n, sample) in input.iter().enumerate().take(input.len() - core.latency()) {
                let sum: f32 = outs.iter().map(|out| out[0][n + core.latency()]).sum();
                assert!((sum - sample).abs() < 1e-5, "sample {n}: {sum} {sample}");
            }
            (late, outs)
        };
        let (late, usual) = run(false, Some(Duration::ZERO));
        assert_eq!(late, 0, "offline nothing is late");
        assert_eq!(run(true, Some(Duration::from_secs(9))), (0, usual.clone()));
        let (late, outs) = run(true, Some(Duration::ZERO));
        assert_eq!(late, 50, "every step is late, and every second frame makes none");
        assert_ne!(outs, usual);
        let power = |outs: &[Vec<Vec<f32>>]| outs[0][0].iter().map(|x| x * x).sum::<f32>();
        assert!((power(&outs) / power(&usual) - 1.0).abs() < 0.5, "the last masks are near the ones that are missing");
    }
}
