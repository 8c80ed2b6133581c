//! The real editor in a real window, with the real engine fed from a WAV file in real time: what
//! `cargo xtask screenshots` takes pictures of. A plugin's example calls [`main`].

use crate::core::Core;
use crate::editor::ShellEditor;
use crate::models::Chosen;
use crate::product::Product;
use dsp_core::model::store::Store;
use dsp_core::params::{FromValues, Param, index_of};
use dsp_core::processor::Processor;
use nice_plug::prelude::*;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

static SOUND: OnceLock<Vec<[f32; 2]>> = OnceLock::new();
static MODEL: OnceLock<Chosen> = OnceLock::new();
static VALUES: OnceLock<Vec<(usize, f32)>> = OnceLock::new();
static NOTES: OnceLock<Vec<(String, String)>> = OnceLock::new();

/// The plugin with a file in place of its input.
struct Fed<P: Product> {
    core: Core<P::Engine>,
    at: usize,
    product: PhantomData<fn() -> P>,
}

impl<P: Product> Default for Fed<P> {
    fn default() -> Self {
        let core = Core::default();
        core.params().persist(|state| {
            state.size = P::SIZE;
            state.notes.extend(NOTES.get().into_iter().flatten().cloned());
        });
        Self { core, at: 0, product: PhantomData }
    }
}

impl<P: Product> Plugin for Fed<P> {
    const NAME: &'static str = P::NAME;
    const VENDOR: &'static str = "Plainsong";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = P::VERSION;
    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[AudioIOLayout {
        main_input_channels: NonZeroU32::new(2),
        main_output_channels: NonZeroU32::new(2),
        ..AudioIOLayout::const_default()
    }];

    type Editor = ShellEditor<P>;
    type SysExMessage = ();
    type BackgroundTask = ();

    fn params(&self) -> Arc<dyn Params> {
        self.core.params().clone()
    }

    fn editor(&mut self, _: AsyncExecutor<Self>) -> Option<Self::Editor> {
        Some(ShellEditor::new(self.core.params().clone(), self.core.live().clone()))
    }

    fn activate(&mut self, _: &AudioIOLayout, config: &BufferConfig, _: &mut impl ActivateContext<Self>) -> bool {
        let params = self.core.params().clone();
        params.persist(|state| state.model = MODEL.get().cloned());
        let map: Vec<ParamPtr> = params.param_map().into_iter().map(|(_, pointer, _)| pointer).collect();
        for (index, value) in VALUES.get().into_iter().flatten() {
            let pointer = map[*index];
            // SAFETY: `params` lives, and nothing else sets values before the first block.
            unsafe { pointer._internal_set_normalized_value(params.normalized(*index, *value)) };
        }
        self.core.activate(config.sample_rate, 2, false).is_some()
    }

    fn process(&mut self, buffer: &mut Buffer, _: &mut AuxiliaryBuffers, _: &mut impl ProcessContext<Self>) -> ProcessStatus {
        let sound = SOUND.get().map_or(&[][..], Vec::as_slice);
        let audio = buffer.as_slice();
        let length = audio.first().map_or(0, |channel| channel.len());
        for i in 0..length {
            let pair = sound.get((self.at + i) % sound.len().max(1)).copied().unwrap_or_default();
            audio.iter_mut().zip(pair).for_each(|(channel, sample)| channel[i] = sample);
        }
        self.at += length;
        self.core.process(audio);
        ProcessStatus::Normal
    }
}

/// Level of the right channel of a mono file, so that the two differ.
const RIGHT: f32 = 0.86;

/// Left and right of a RIFF file of 16-bit integers or 32-bit floats.
fn wav(path: &str) -> Result<Vec<[f32; 2]>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    let number = |at: usize, length: usize| bytes[at..at + length].iter().rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    let (mut at, mut channels, mut bits) = (12, 1, 16);
    while at + 8 <= bytes.len() {
        let length = number(at + 4, 4);
        match &bytes[at..at + 4] {
            b"fmt " => (channels, bits) = (number(at + 10, 2), number(at + 22, 2)),
            b"data" => {
                let data = &bytes[at + 8..(at + 8 + length).min(bytes.len())];
                let sample = |frame: &[u8], channel: usize| {
                    let s = &frame[channel * bits / 8..];
                    match bits {
                        32 => f32::from_le_bytes([s[0], s[1], s[2], s[3]]),
                        _ => f32::from(i16::from_le_bytes([s[0], s[1]])) / 32768.0,
                    }
                };
                let frames = data.chunks_exact(channels * bits / 8);
                return Ok(frames
                    .map(|frame| {
                        if channels > 1 {
                            [0, 1].map(|channel| sample(frame, channel))
                        } else {
                            [1.0, RIGHT].map(|gain| gain * sample(frame, 0))
                        }
                    })
                    .collect());
            }
            _ => {}
        }
        at += 8 + length + length % 2;
    }
    Err(format!("{path}: no sound in it"))
}

/// Makes a voice sharp, as a bright microphone does: a first-order high shelf of `gain` dB at 5 kHz.
fn brighten(sound: &mut [[f32; 2]], gain: f32) {
    let factor = 10_f32.powf(gain / 20.0) - 1.0;
    let pole = (-std::f32::consts::TAU * 5_000.0 / 48_000.0).exp();
    for channel in 0..2 {
        let mut low = 0.0;
        for pair in sound.iter_mut() {
            let sample = &mut pair[channel];
            low = pole * low + (1.0 - pole) * *sample;
            *sample += factor * (*sample - low);
        }
    }
}

/// `SHOT FILE.wav [--bright DB] [--band] [--model ID] [--note NAME=TEXT ...] [PARAMETER=VALUE ...]`: 16-bit PCM or 32-bit float at 48 kHz,
/// looped, with a band behind it if asked for; notes are
/// those of the state.
///
/// # Errors
/// When an argument makes no sense or the editor does not open.
pub fn main<P: Product>() -> Result<(), String> {
    let table: &'static [Param] = <<P::Engine as Processor>::Settings as FromValues>::PARAMS;
    let mut arguments = std::env::args().skip(1);
    let file =
        arguments.next().ok_or("usage: SHOT FILE.wav [--bright DB] [--band] [--model ID] [--note NAME=TEXT ...] [PARAMETER=VALUE ...]")?;
    let mut sound = wav(&file)?;
    let (mut values, mut notes) = (Vec::new(), Vec::new());
    while let Some(argument) = arguments.next() {
        if argument == "--bright" {
            let gain = arguments.next().and_then(|text| text.parse().ok()).ok_or("--bright takes a number of dB")?;
            brighten(&mut sound, gain);
            continue;
        }
        if argument == "--band" {
            crate::band::play(&mut sound);
            continue;
        }
        if argument == "--model" {
            let id = arguments.next().ok_or("--model takes an id")?;
            // One that is not there is chosen as a state would have it.
            let stamp = Store::user().and_then(|store| store.stamp(&id).ok());
            let missing = || Chosen { name: id.clone(), sha256: "0".into(), id: id.clone() };
            let _ = MODEL.set(stamp.as_ref().map_or_else(missing, Chosen::of));
            continue;
        }
        if argument == "--note" {
            let note = arguments.next().ok_or("--note takes NAME=TEXT")?;
            let (name, text) = note.split_once('=').ok_or("--note takes NAME=TEXT")?;
            notes.push((name.to_owned(), text.to_owned()));
            continue;
        }
        let (id, text) = argument.split_once('=').ok_or_else(|| format!("{argument}: not PARAMETER=VALUE"))?;
        let index = index_of(table, id).map_err(|e| e.to_string())?;
        values.push((index, table[index].parse(text).map_err(|e| e.to_string())?));
    }
    let _ = (SOUND.set(sound), VALUES.set(values), NOTES.set(notes));
    let ran = nice_export_standalone_with_args::<Fed<P>, _>(["shot", "--backend", "dummy"].map(String::from));
    if ran { Ok(()) } else { Err("the editor did not open".into()) }
}
