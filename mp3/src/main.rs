//! `plainsong-mp3 RATE CHANNELS cbr KBPS | vbr QUALITY`: samples in, MP3 out.
//!
//! Standard input holds 32-bit floats, little-endian, channels interleaved, 1 is full scale. Standard
//! output must be a file: when all is encoded, the first frame, which tells length, delay and padding, is
//! written anew. What stands in the file before (an ID3 tag) stays.

use mp3lame_encoder::{Bitrate, Builder, Encoder, FlushGap, InterleavedPcm, Mode, MonoPcm, Quality, VbrMode, max_required_buffer_size};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::process::ExitCode;

/// Samples of one channel that are encoded at a time: eight frames.
const BLOCK: usize = 8 * 1_152;
/// Room for what the encoder still holds at the end (lame.h: at least 7200 bytes).
const FLUSH: usize = 7_200;
/// Speed and care of the search at a constant rate: LAME's own default is 3; 5 takes a third of its time, and what
/// is lost at the rates of speech is not heard.
const SEARCH: Quality = Quality::Good;

/// Constant bit rates of MPEG-1 and MPEG-2 layer III that LAME's binding knows, in kilobits a second.
const RATES: [(u32, Bitrate); 16] = [
    (8, Bitrate::Kbps8),
    (16, Bitrate::Kbps16),
    (24, Bitrate::Kbps24),
    (32, Bitrate::Kbps32),
    (40, Bitrate::Kbps40),
    (48, Bitrate::Kbps48),
    (64, Bitrate::Kbps64),
    (80, Bitrate::Kbps80),
    (96, Bitrate::Kbps96),
    (112, Bitrate::Kbps112),
    (128, Bitrate::Kbps128),
    (160, Bitrate::Kbps160),
    (192, Bitrate::Kbps192),
    (224, Bitrate::Kbps224),
    (256, Bitrate::Kbps256),
    (320, Bitrate::Kbps320),
];

/// Factor by which LAME turns a constant rate's level down, against clipping (presets.c, `abr_switch_map`); taken back
/// here, since whoever writes a file has its level in hand.
fn turned_down(kbps: u32) -> f32 {
    match kbps {
        0..=160 => 0.95,
        161..=192 => 0.97,
        193..=224 => 0.98,
        _ => 1.0,
    }
}

/// Qualities of a variable rate, from V0 (best) to V9.
const QUALITIES: [Quality; 10] = [
    Quality::Best,
    Quality::SecondBest,
    Quality::NearBest,
    Quality::VeryNice,
    Quality::Nice,
    Quality::Good,
    Quality::Decent,
    Quality::Ok,
    Quality::SecondWorst,
    Quality::Worst,
];

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// The encoder that the command line asks for, its channels, and the factor by which it turns the level down.
fn encoder(words: &[String]) -> Result<(Encoder, usize, f32), String> {
    let [rate, channels, mode, value] = words else { return Err("usage: plainsong-mp3 RATE CHANNELS cbr KBPS | vbr QUALITY".into()) };
    let number = |text: &String| text.parse::<u32>().map_err(|_| format!("\"{text}\" is no number"));
    let (rate, channels, value) = (number(rate)?, number(channels)?, number(value)?);
    let channels = u8::try_from(channels).ok().filter(|channels| (1..=2).contains(channels)).ok_or("MP3 has one channel or two")?;
    let refuse = |error: mp3lame_encoder::BuildError| format!("LAME refuses this format: {error}");
    let mut builder = Builder::new().ok_or("LAME has no memory")?;
    builder.set_num_channels(channels).map_err(refuse)?;
    builder.set_sample_rate(rate).map_err(refuse)?;
    builder.set_output_sample_rate(std::num::NonZeroU32::new(rate)).map_err(refuse)?;
    builder.set_mode(if channels == 1 { Mode::Mono } else { Mode::JointStereo }).map_err(refuse)?;
    builder.set_quality(SEARCH).map_err(refuse)?;
    builder.set_to_write_vbr_tag(true).map_err(refuse)?;
    if mode == "vbr" {
        let quality = QUALITIES.get(value as usize).ok_or_else(|| format!("there is no quality V{value}; there are V0 to V9"))?;
        builder.set_vbr_mode(VbrMode::Mtrh).map_err(refuse)?;
        builder.set_vbr_quality(*quality).map_err(refuse)?;
    } else {
        let known = RATES.iter().find(|(known, _)| *known == value);
        let (_, rate) = known.ok_or_else(|| format!("there is no rate of {value} kbit/s in MP3"))?;
        builder.set_vbr_mode(VbrMode::Off).map_err(refuse)?;
        builder.set_brate(*rate).map_err(refuse)?;
    }
    let factor = if mode == "vbr" { 1.0 } else { turned_down(value) };
    Ok((builder.build().map_err(refuse)?, usize::from(channels), factor))
}

/// Standard output as a file.
fn output() -> Result<File, String> {
    let stdout = std::io::stdout();
    #[cfg(unix)]
    let owned = std::os::fd::AsFd::as_fd(&stdout).try_clone_to_owned();
    #[cfg(windows)]
    let owned = std::os::windows::io::AsHandle::as_handle(&stdout).try_clone_to_owned();
    owned.map(File::from).map_err(|error| format!("standard output cannot be used: {error}"))
}

fn run(words: &[String]) -> Result<(), String> {
    let (mut encoder, channels, factor) = encoder(words)?;
    let broken = |error: std::io::Error| format!("cannot be written ({error})");
    let mut file = output()?;
    let begin = file.stream_position().map_err(|_| "standard output must be a file".to_owned())?;
    let mut file = BufWriter::with_capacity(1 << 16, file);
    let mut input = std::io::stdin().lock();
    let mut bytes = vec![0_u8; BLOCK * channels * 4];
    let mut samples: Vec<f32> = Vec::with_capacity(BLOCK * channels);
    let mut encoded: Vec<u8> = Vec::with_capacity(max_required_buffer_size(BLOCK).max(FLUSH));
    loop {
        let mut filled = 0;
        while filled < bytes.len() {
            match input.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("standard input cannot be read: {error}")),
            }
        }
        samples.clear();
        samples.extend(bytes[..filled].as_chunks::<4>().0.iter().map(|sample| f32::from_le_bytes(*sample) / factor));
        if samples.is_empty() {
            break;
        }
        encoded.clear();
        let done = match channels {
            1 => encoder.encode_to_vec(MonoPcm(&samples), &mut encoded),
            _ => encoder.encode_to_vec(InterleavedPcm(&samples), &mut encoded),
        };
        done.map_err(|error| format!("LAME failed: {error}"))?;
        file.write_all(&encoded).map_err(broken)?;
    }
    encoded.clear();
    encoder.flush_to_vec::<FlushGap>(&mut encoded).map_err(|error| format!("LAME failed: {error}"))?;
    file.write_all(&encoded).map_err(broken)?;
    encoded.clear();
    encoded.reserve(encoder.lame_tag_size());
    if encoder.lame_tag_encode_to_vec(&mut encoded).is_some() {
        file.seek(SeekFrom::Start(begin)).map_err(broken)?;
        file.write_all(&encoded).map_err(broken)?;
    }
    file.flush().map_err(broken)
}
