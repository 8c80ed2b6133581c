//! Runs a model's folder in the denoise engine: `enhance FOLDER RATE [CHANNELS] < in.f32 > out.f32`, with
//! interleaved little-endian `f32` on both sides. Writes latency in samples and CPU time in seconds to standard
//! error. What training/evaluate/parity.py measures with.

use dsp_core::engines::Engine;
use dsp_core::engines::denoise::{Denoise, Settings};
use dsp_core::model::Package;
use dsp_core::processor::{Format, Processor};
use dsp_core::realtime::{PoolAllocator, processor_seconds};
use dsp_core::units::Hz;
use std::io::{Read, Write};
use std::path::Path;

#[global_allocator]
static ALLOCATOR: PoolAllocator = PoolAllocator::system();

/// Samples at a time.
const BLOCK: usize = 480;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, rate, rest @ ..] = &args[..] else { return Err("enhance FOLDER RATE [CHANNELS]".into()) };
    let channels: usize = rest.first().map_or(Ok(1), |text| text.parse())?;
    let format = Format::new(Hz(rate.parse()?), channels)?;
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    let samples: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let mut audio: Vec<Vec<f32>> = (0..channels).map(|channel| samples.iter().skip(channel).step_by(channels).copied().collect()).collect();
    let mut engine = Denoise::default();
    engine.prepare(format)?;
    if folder == "builtin" {
        engine.install(Denoise::load(format)?);
    } else {
        engine.install(Denoise::load_package(format, &Package::read(Path::new(folder))?)?);
    }
    let settings = Settings::default();
    let length = audio[0].len();
    let before = processor_seconds();
    for at in (0..length).step_by(BLOCK) {
        let end = length.min(at + BLOCK);
        let mut block: Vec<&mut [f32]> = audio.iter_mut().map(|channel| &mut channel[at..end]).collect();
        engine.process(&mut block, &settings, &mut ());
    }
    eprintln!("{{\"latency\": {}, \"seconds\": {}}}", engine.latency(&settings), processor_seconds() - before);
    let out: Vec<u8> = (0..length).flat_map(|n| audio.iter().map(move |channel| channel[n].to_le_bytes())).flatten().collect();
    std::io::stdout().write_all(&out)?;
    Ok(())
}
