//! Drives engines over blocks.

use crate::random::Random;
use dsp_core::engines::Engine;
use dsp_core::engines::denoise::{Denoise, Settings};
use dsp_core::processor::{Format, Observer, Processor};
use dsp_core::units::Hz;

/// How a signal is cut into blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// All of this many samples, but the last.
    Of(usize),
    /// Of 0 to 1500 samples, from a seed.
    Mixed(u64),
}

impl Blocks {
    /// The block sizes that every processor must bear.
    pub const ALL: [Self; 8] =
        [Self::Of(1), Self::Of(17), Self::Of(64), Self::Of(480), Self::Of(512), Self::Of(1024), Self::Of(4096), Self::Mixed(0x70_6C_61_69)];

    /// Lengths of the blocks of a signal of `length` samples.
    pub fn lengths(self, length: usize) -> Vec<usize> {
        let mut out = Vec::new();
        let mut left = length;
        let mut random = Random::new(if let Self::Mixed(seed) = self { seed } else { 0 });
        while left > 0 {
            let next = match self {
                Self::Of(size) => size.max(1),
                // Short blocks and empty ones are as likely as long ones.
                Self::Mixed(_) => {
                    let most = random.pick(&[3, 70, 600, 1500]);
                    random.below(most)
                }
            };
            out.push(next.min(left));
            left -= next.min(left);
        }
        out
    }
}

/// A format that must be valid.
///
/// # Panics
/// When it is out of the engine's range.
pub fn format(rate: f64, channels: usize) -> Format {
    Format::new(Hz(rate), channels).expect("a rate and a channel count in range")
}

/// An engine with its built-in models, or an explanation.
///
/// # Panics
/// When the models do not load.
pub fn loaded<E: Engine>(rate: f64, channels: usize) -> E {
    E::with_builtin_models(format(rate, channels)).unwrap_or_else(|e| panic!("the built-in models must load: {e}"))
}

/// A denoiser with its built-in models.
pub fn denoiser(rate: f64, channels: usize) -> Denoise {
    loaded(rate, channels)
}

/// Runs a signal through an engine from where it stands and returns the output, as long as the
/// input and late by the engine's latency.
pub fn run<P: Processor>(engine: &mut P, input: &[Vec<f32>], settings: &P::Settings, blocks: Blocks) -> Vec<Vec<f32>> {
    run_observed(engine, input, settings, blocks, &mut ())
}

/// As [`run`], with an observer.
pub fn run_observed<P: Processor>(
    engine: &mut P,
    input: &[Vec<f32>],
    settings: &P::Settings,
    blocks: Blocks,
    observer: &mut dyn Observer,
) -> Vec<Vec<f32>> {
    let mut out = input.to_vec();
    let mut start = 0;
    for length in blocks.lengths(input.first().map_or(0, Vec::len)) {
        let mut block: Vec<&mut [f32]> = out.iter_mut().map(|channel| &mut channel[start..start + length]).collect();
        engine.process(&mut block, settings, observer);
        start += length;
    }
    out
}

/// As [`run`] after a reset.
pub fn run_fresh<P: Processor>(engine: &mut P, input: &[Vec<f32>], settings: &P::Settings, blocks: Blocks) -> Vec<Vec<f32>> {
    engine.reset();
    run(engine, input, settings, blocks)
}

/// The defaults with the low-latency mode on or off.
pub fn mode(low_latency: bool) -> Settings {
    Settings { low_latency, ..Settings::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_signal() {
        for blocks in Blocks::ALL {
            assert_eq!(blocks.lengths(10_000).iter().sum::<usize>(), 10_000);
        }
        assert!(Blocks::Mixed(1).lengths(10_000).contains(&0));
    }
}
