//! The one declaration of what the chain is: its stages in their order, each with its controls.

use crate::delay::Delay;
use crate::dynamics::leveller::HOP_SECONDS;
use crate::events;
use crate::processor::Format;
use crate::ramp::Ramp;
use crate::units::Ms;
use std::ops::Range;

/// What a stage does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Takes rumble, thumps and wind away.
    HighPass,
    /// Takes noise away.
    Denoise,
    /// Takes the sharpness off sibilants.
    Deess,
    /// Brings talkers to one loudness.
    Leveller,
    /// Evens out syllables.
    Compressor,
    /// Brings the balance of the bands to that of spoken voices.
    Tone,
    /// Keeps true peaks under the ceiling.
    Limiter,
}

/// A stage as the user meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What it does.
    pub kind: Kind,
    /// Its id: the first part of its parameters' ids.
    pub id: &'static str,
    /// Name shown.
    pub name: &'static str,
    /// Id of the switch that turns it on.
    pub on: &'static str,
    /// Id of its one big control.
    pub main: &'static str,
    /// Ids of its further controls.
    pub more: &'static [&'static str],
    /// Steps back where there is music.
    pub steps_back: bool,
}

/// The stages in the order in which the sound passes them. The engine runs down this list; nothing else says
/// what comes after what.
///
/// Rumble goes first, since the models need not hear it. Noise goes before everything that raises: what comes
/// after would lift it. The de-esser measures a voice's sibilants against the voice itself, so it wants neither
/// noise before it nor need it know the level. The leveller hands the compressor a voice of one loudness, so
/// one threshold fits every talker. The tone comes after the dynamics, which must not react to it, and the
/// limiter last: nothing lifts its ceiling.
pub const STAGES: [Stage; 7] = [
    Stage {
        kind: Kind::HighPass,
        id: "high-pass",
        name: "High-pass",
        on: "high-pass-on",
        main: "high-pass-corner",
        more: &["high-pass-slope"],
        steps_back: true,
    },
    Stage {
        kind: Kind::Denoise,
        id: "denoise",
        name: "Denoise",
        on: "denoise-on",
        main: "denoise-amount",
        more: &["denoise-limit", "denoise-release"],
        steps_back: true,
    },
    Stage { kind: Kind::Deess, id: "deess", name: "De-ess", on: "deess-on", main: "deess-amount", more: &["deess-max"], steps_back: true },
    Stage {
        kind: Kind::Leveller,
        id: "leveller",
        name: "Leveller",
        on: "leveller-on",
        main: "leveller-amount",
        more: &["leveller-target", "leveller-gain", "leveller-range", "leveller-speed"],
        // It holds its gain in music by itself: a jump back would be one more change of level.
        steps_back: false,
    },
    Stage {
        kind: Kind::Compressor,
        id: "compressor",
        name: "Compressor",
        on: "compressor-on",
        main: "compressor-amount",
        more: &["compressor-release"],
        steps_back: true,
    },
    Stage {
        kind: Kind::Tone,
        id: "tone",
        name: "Tone",
        on: "tone-on",
        main: "tone-amount",
        more: &["tone-range", "tone-bright"],
        steps_back: true,
    },
    Stage {
        kind: Kind::Limiter,
        id: "limiter",
        name: "Limiter",
        on: "limiter-on",
        main: "limiter-ceiling",
        more: &["limiter-release"],
        steps_back: false,
    },
];

/// Number of stages.
pub const COUNT: usize = STAGES.len();
/// Bands of the tone.
pub const BANDS: usize = 6;

/// What the stages did in 10 ms, for meters and reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageFrame {
    /// Mean gain of each stage in dB, in the order of [`STAGES`]: power out over power in, and 0 where next to
    /// nothing came in. The limiter's is its deepest.
    pub gain_db: [f32; COUNT],
    /// Gains of the tone's bands in dB, from the lowest.
    pub tone_db: [f32; BANDS],
    /// Loudness of the present talker before the leveller, LUFS; minus infinity before speech was heard.
    pub speech_lufs: f32,
    /// How far the stages have stepped back for music, 0 to 1.
    pub stepped_back: f32,
    /// What was heard.
    pub heard: events::Frame,
    /// Duration in seconds.
    pub seconds: f32,
}

/// Time over which a stage comes and goes with its switch.
const SWITCH: Ms = Ms(20.0);
/// Sums of squares that are taken side by side.
const LANES: usize = 8;
/// Mean square under which the gain of a stage is not told: -90 dBFS.
const SILENCE: f64 = 1e-9;

/// What stands around a stage: its switch, its share beside the sound that came to it, and its meter.
#[derive(Debug)]
pub(super) struct Slot {
    /// Delay of what came to it, as long as its own, `[channel]`.
    delays: Vec<Delay>,
    /// A piece of that, `[channel][sample]`.
    kept: Vec<Vec<f32>>,
    on: Ramp,
    share: Ramp,
    /// The switch as it was last, and samples for which a stage that slept is still filled.
    switched: Option<bool>,
    waits: usize,
    /// Sums of squares before and after it since they were taken, side by side so that none waits for the last.
    powers: [[f64; LANES]; 2],
    samples: usize,
}

impl Slot {
    /// For a stage of this delay in samples and pieces of at most `most` samples.
    pub fn new(latency: usize, most: usize, format: Format) -> Self {
        Self {
            delays: vec![Delay::new(latency); format.channels],
            kept: vec![vec![0.0; most]; format.channels],
            on: Ramp::new(SWITCH, format.rate),
            share: Ramp::new(Ms(HOP_SECONDS * 1_000.0), format.rate),
            switched: None,
            waits: 0,
            powers: [[0.0; LANES]; 2],
            samples: 0,
        }
    }

    pub fn reset(&mut self) {
        self.delays.iter_mut().for_each(Delay::reset);
        self.on.reset();
        self.share.reset();
        (self.switched, self.waits) = (None, 0);
        (self.powers, self.samples) = ([[0.0; LANES]; 2], 0);
    }

    pub fn switch(&mut self, on: bool) {
        if on && self.switched == Some(false) && self.sleeps() {
            // What it gives at first is older than what came while it slept.
            self.waits = self.delays.first().map_or(0, Delay::samples);
        }
        self.switched = Some(on);
        self.on.set(f32::from(u8::from(on)));
    }

    /// Nothing of the stage is heard, so that it need not work.
    pub fn sleeps(&self) -> bool {
        self.switched == Some(false) && self.on.at_rest() == Some(0.0)
    }

    /// The share that the stage is to have in a hop's time, 0 to 1.
    pub fn head_for(&mut self, share: f32) {
        self.share.set(share);
    }

    /// Keeps what comes to the stage.
    pub fn before(&mut self, audio: &[&mut [f32]], range: Range<usize>) {
        for ((kept, delay), channel) in self.kept.iter_mut().zip(&mut self.delays).zip(audio) {
            let kept = &mut kept[..range.len()];
            kept.copy_from_slice(&channel[range.clone()]);
            delay.process(kept);
        }
    }

    /// Mixes what the stage made with what came to it, and writes its share of each sample into `shares`. At
    /// nothing the sound is what came, delayed, bit for bit.
    pub fn after(&mut self, audio: &mut [&mut [f32]], range: Range<usize>, shares: &mut [f32]) {
        let shares = &mut shares[..range.len()];
        match (self.on.at_rest(), self.share.at_rest()) {
            (Some(on), Some(share)) if self.waits == 0 => shares.fill(on * share),
            _ => shares.fill_with(|| {
                let on = if self.waits == 0 { self.on.step() } else { 0.0 };
                self.waits = self.waits.saturating_sub(1);
                on * self.share.step()
            }),
        }
        for (channel, kept) in audio.iter_mut().zip(&self.kept) {
            let places = self.samples..;
            for (((sample, &kept), &share), place) in channel[range.clone()].iter_mut().zip(kept).zip(shares.iter()).zip(places) {
                *sample = if share == 1.0 { *sample } else { kept + (*sample - kept) * share };
                self.powers[0][place % LANES] += f64::from(kept * kept);
                self.powers[1][place % LANES] += f64::from(*sample * *sample);
            }
        }
        self.samples += range.len();
    }

    /// Mean gain in dB since it was taken.
    pub fn take_gain_db(&mut self) -> f32 {
        let [before, after] = std::mem::take(&mut self.powers).map(|lanes| lanes.iter().sum::<f64>());
        let samples = std::mem::take(&mut self.samples) * self.kept.len();
        let least = SILENCE * samples.max(1) as f64;
        if before > least { (10.0 * (after.max(least * 1e-3) / before).log10()) as f32 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Hz;

    /// Each stage stands once, and its parameters carry its id.
    #[test]
    fn ids_belong_to_their_stages() {
        for (index, stage) in STAGES.iter().enumerate() {
            assert_eq!(STAGES.iter().position(|other| other.kind == stage.kind), Some(index));
            assert_eq!(stage.on, format!("{}-on", stage.id));
            for id in stage.more.iter().chain([&stage.main]) {
                assert!(id.starts_with(&format!("{}-", stage.id)), "{id}");
            }
        }
    }

    #[test]
    fn a_slot_gives_the_delayed_input_or_the_stage_to_the_bit() {
        let format = Format::new(Hz(48_000.0), 1).unwrap();
        let mut slot = Slot::new(5, 64, format);
        let input: Vec<f32> = (1..=9_600).map(|n| (n as f32 * 0.37).sin()).collect();
        let mut out = input.clone();
        let mut shares = [0.0; 64];
        for (index, piece) in out.chunks_mut(64).enumerate() {
            slot.switch(index >= 50);
            slot.head_for(1.0);
            slot.before(&[piece], 0..64);
            piece.iter_mut().for_each(|sample| *sample = 3.0);
            slot.after(&mut [piece], 0..64, &mut shares);
        }
        assert!(out[5..3_200].iter().zip(&input).all(|(out, input)| out.to_bits() == input.to_bits()));
        assert!(out[3_200 + 1_000..].iter().all(|&sample| sample == 3.0));
        let steps = out[3_200..4_200].windows(2).zip(input[3_195..].windows(2));
        assert!(steps.into_iter().all(|(out, input)| (out[1] - out[0]).abs() < (input[1] - input[0]).abs() + 0.01), "no click");
    }

    /// A stage that slept gives silence until its delay is filled: none of that is heard.
    #[test]
    fn a_stage_that_slept_comes_back_without_a_hole() {
        let format = Format::new(Hz(48_000.0), 1).unwrap();
        let (mut slot, mut stage) = (Slot::new(40, 64, format), Delay::new(40));
        let input: Vec<f32> = (1..=9_600).map(|n| (n as f32 * 0.37).sin()).collect();
        let mut out = input.clone();
        for (index, piece) in out.chunks_mut(64).enumerate() {
            slot.switch(index >= 50);
            slot.head_for(1.0);
            slot.before(&[piece], 0..64);
            assert_eq!(slot.sleeps(), index < 50);
            if !slot.sleeps() {
                stage.process(piece);
            }
            slot.after(&mut [piece], 0..64, &mut [0.0; 64]);
        }
        // The stage only delays, so that on, off and on its way the sound is the same, but for rounding.
        assert!(out[40..].iter().zip(&input).all(|(out, input)| (out - input).abs() < 1e-6));
    }

    #[test]
    fn the_meter_reads_the_gain() {
        let format = Format::new(Hz(48_000.0), 2).unwrap();
        let mut slot = Slot::new(0, 64, format);
        slot.switch(true);
        slot.head_for(1.0);
        let (mut left, mut right) = ([0.5; 64], [-0.25; 64]);
        slot.before(&[&mut left, &mut right], 0..64);
        let (mut quiet, mut quieter) = ([0.25; 64], [-0.125; 64]);
        slot.after(&mut [&mut quiet, &mut quieter], 0..64, &mut [0.0; 64]);
        assert!((slot.take_gain_db() + 6.02).abs() < 0.01);
        assert_eq!(slot.take_gain_db(), 0.0, "silence has no gain");
    }
}
