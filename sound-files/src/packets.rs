//! Compressed files and other containers, through symphonia's demuxers and decoders and a decoder
//! for Opus.

use crate::chapters::{self, Extras};
use crate::failure::{Failure, reading};
use crate::mp4;
use crate::source::{Depth, Info, Source};
use crate::tags::{self, Tags};
use flac_codec::metadata::Block;
use opus_decoder::OpusMultistreamDecoder;
use ropus::DecodeMode;
use std::fs::File;
use std::path::Path;
use symphonia::core::audio::{Channels, sample::SampleFormat};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

/// Longest Opus packet: 120 ms at 48 kHz (RFC 6716, section 2.1.4).
const OPUS_MOST: usize = 5_760;
/// So many damaged packets in a row end the attempt.
const MAX_DAMAGED: u32 = 200;

/// Decoders of Opus: of one stream, and of several, which is slower by far.
enum OpusDecoder {
    One(Box<ropus::Decoder>),
    Many(Box<OpusMultistreamDecoder>),
}

impl OpusDecoder {
    /// Decodes a packet into interleaved samples; returns their number by channel.
    fn decode(&mut self, packet: &[u8], buffer: &mut [f32]) -> Result<usize, String> {
        match self {
            Self::One(decoder) => decoder.decode_float(packet, buffer, DecodeMode::Normal).map_err(|error| error.to_string()),
            Self::Many(decoder) => decoder.decode_float(packet, buffer, false).map_err(|error| error.to_string()),
        }
    }
}

/// What decodes the packets.
enum Decoder {
    Known(Box<dyn AudioDecoder>),
    Opus { decoder: OpusDecoder, gain: f32, buffer: Vec<f32>, skip: usize },
}

/// A file in packets.
pub struct Packets {
    info: Info,
    reader: Box<dyn FormatReader>,
    decoder: Decoder,
    track: u32,
    /// Damaged sound is an error; otherwise silence takes its place.
    lossless: bool,
    /// A file with fewer samples than it declares is an error.
    strict_length: bool,
    allow_truncated: bool,
    /// Decoded and not yet handed out, `[channel][sample]`, from `taken` on.
    pending: Vec<Vec<f32>>,
    taken: usize,
    given: u64,
    /// Samples that are still dropped, and the most that are given, by an MP4 file's edit list.
    skip: u64,
    most: u64,
    damaged: u32,
    in_a_row: u32,
    ended: bool,
    cut: Option<String>,
}

/// Depth that keeps what a decoder gives.
fn depth(params: &AudioCodecParameters, lossless: bool) -> Depth {
    let float = matches!(params.sample_format, Some(SampleFormat::F32 | SampleFormat::F64));
    match params.bits_per_sample {
        // A lossy file has no depth; its decoder's noise lies under 16 bits'.
        _ if !lossless => Depth::I24,
        _ if float => Depth::F32,
        Some(..=16) => Depth::I16,
        Some(25..) => Depth::F32,
        _ => Depth::I24,
    }
}

fn broken(error: &Error) -> Failure {
    match error {
        Error::IoError(error) => reading(std::io::Error::new(error.kind(), error.to_string())),
        Error::Unsupported(what) => Failure::new(format!("uses what cannot be read here ({what}); convert it to WAV first")),
        error => Failure::new(format!("is damaged ({error}); get a whole copy of it or convert it to WAV")),
    }
}

impl Packets {
    /// Opens a file whose first bytes say it is a `container`.
    ///
    /// # Errors
    /// When it cannot be read or decoded.
    pub fn open(path: &Path, container: &'static str, allow_truncated: bool) -> Result<Self, Failure> {
        let file = File::open(path).map_err(reading)?;
        let stream = MediaSourceStream::new(Box::new(file), MediaSourceStreamOptions::default());
        let mut hint = Hint::new();
        hint.with_extension(container);
        let mut reader = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default().seek_index_fill_period_ms(u16::MAX), MetadataOptions::default())
            .map_err(|error| broken(&error))?;
        let silent = || Failure::new("has no sound that can be read; convert it to WAV first");
        let track = reader.default_track(TrackType::Audio).ok_or_else(silent)?.clone();
        let Some(CodecParameters::Audio(params)) = track.codec_params else { return Err(silent()) };
        let opus = params.codec == CODEC_ID_OPUS;
        let decoder = if opus {
            opus_decoder(params.extra_data.as_deref().unwrap_or_default(), track.delay.unwrap_or(0))?
        } else {
            let options = AudioDecoderOptions::default().verify(false);
            Decoder::Known(symphonia::default::get_codecs().make_audio_decoder(&params, &options).map_err(|error| broken(&error))?)
        };
        let container = if opus { "opus" } else { container };
        let lossless = matches!(container, "wav" | "flac" | "aiff" | "caf") || params.bits_per_sample.is_some() && container == "m4a";
        let mut file_tags = Tags::new();
        let mut flac_blocks = Vec::new();
        let mut extras = Extras::default();
        if container == "mp3"
            && let Ok(tag) = id3::Tag::read_from_path(path)
        {
            extras = Extras::of_id3(tag);
        } else if let Some(group) = reader.chapters() {
            extras.add_group(group);
        }
        if container == "flac" {
            for block in flac_codec::metadata::blocks(path).map_err(reading)?.map_while(Result::ok) {
                match block {
                    Block::VorbisComment(comment) => {
                        file_tags = tags::from_comments(&comment.fields);
                        extras.chapters = chapters::from_comments(&file_tags);
                        flac_blocks.push(Block::VorbisComment(comment));
                    }
                    Block::Picture(picture) => {
                        extras.add_flac(&picture);
                        flac_blocks.push(Block::Picture(picture));
                    }
                    Block::Application(_) | Block::Cuesheet(_) => flac_blocks.push(block),
                    _ => {}
                }
            }
        } else if let Some(revision) = reader.metadata().skip_to_latest() {
            file_tags = tags::from_revision(revision);
        }
        let mask = match &params.channels {
            Some(Channels::Positioned(positions)) => u32::try_from(positions.bits()).ok().filter(|bits| *bits < 1 << 18),
            _ => None,
        };
        let frames = track.num_frames;
        let info = Info {
            rate: params.sample_rate.unwrap_or(0),
            channels: params.channels.as_ref().map_or(0, Channels::count),
            frames,
            depth: depth(&params, lossless),
            container,
            mask,
            chunks: None,
            flac_blocks,
            tags: file_tags,
            extras,
            warning: None,
        };
        let mut packets = Self {
            info,
            reader,
            decoder,
            track: track.id,
            lossless,
            strict_length: lossless,
            allow_truncated,
            pending: Vec::new(),
            taken: 0,
            given: 0,
            skip: 0,
            most: u64::MAX,
            damaged: 0,
            in_a_row: 0,
            ended: false,
            cut: None,
        };
        // Some codecs tell rate and channels in their first packet only.
        packets.decode_next()?;
        if packets.info.channels == 0 || packets.info.rate == 0 {
            return Err(silent());
        }
        if container == "m4a"
            && let Some(edit) = mp4::read(path, packets.info.rate)
        {
            (packets.skip, packets.most, packets.info.frames) = (edit.skip, edit.frames, Some(edit.frames));
        }
        Ok(packets)
    }

    /// Fills `pending` from the next packet that has sound, or notes the end.
    fn decode_next(&mut self) -> Result<(), Failure> {
        self.taken = 0;
        self.pending.iter_mut().for_each(Vec::clear);
        while !self.ended && self.pending.first().is_none_or(Vec::is_empty) {
            match self.reader.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => self.decode(&packet)?,
                Ok(Some(_)) => {}
                Ok(None) => self.ended = true,
                Err(Error::ResetRequired) => self.ended = true,
                Err(Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    self.cut = Some("is cut short: it ends within a packet".to_owned());
                    self.ended = true;
                }
                Err(error) if self.allow_truncated => {
                    self.cut = Some(format!("is damaged ({error})"));
                    self.ended = true;
                }
                Err(error @ Error::DecodeError(_)) => {
                    return Err(Failure::new(format!(
                        "is damaged ({error}); get a whole copy of it, or take what is there with --allow-truncated"
                    )));
                }
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(())
    }

    fn decode(&mut self, packet: &Packet) -> Result<(), Failure> {
        let block = usize::try_from(packet.block_dur().get()).unwrap_or(0);
        let channels = self.info.channels;
        let decoded = match &mut self.decoder {
            Decoder::Known(decoder) => match decoder.decode(packet) {
                Ok(buffer) => {
                    let spec = buffer.spec();
                    let (rate, count) = (spec.rate(), spec.channels().count());
                    if self.given == 0 && self.pending.first().is_none_or(Vec::is_empty) {
                        (self.info.rate, self.info.channels) = (rate, count);
                    } else if (rate, count) != (self.info.rate, self.info.channels) {
                        return Err(Failure::new("changes its rate or its channels on the way; convert it to WAV first"));
                    }
                    buffer.copy_to_vecs_planar(&mut self.pending);
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            },
            Decoder::Opus { decoder, gain, buffer, skip } => match decoder.decode(&packet.data, buffer) {
                Ok(frames) => {
                    self.pending.resize_with(channels, Vec::new);
                    let from = (*skip).min(frames);
                    *skip -= from;
                    let end = frames.saturating_sub(usize::try_from(packet.trim_end.get()).unwrap_or(0));
                    let kept = buffer.get(from * channels..end.max(from) * channels).unwrap_or_default();
                    for (channel, samples) in self.pending.iter_mut().enumerate() {
                        samples.extend(kept.iter().skip(channel).step_by(channels).map(|sample| sample * *gain));
                    }
                    Ok(())
                }
                Err(error) => Err(error),
            },
        };
        match decoded {
            Ok(()) => self.in_a_row = 0,
            Err(error) if self.lossless && !self.allow_truncated => {
                return Err(Failure::new(format!(
                    "is damaged ({error}); get a whole copy of it, or take what is there with --allow-truncated"
                )));
            }
            Err(error) if self.lossless => {
                self.cut = Some(format!("is damaged ({error})"));
                self.ended = true;
            }
            Err(error) => {
                (self.damaged, self.in_a_row) = (self.damaged + 1, self.in_a_row + 1);
                if self.in_a_row > MAX_DAMAGED {
                    return Err(Failure::new(format!("is damaged ({error}); get a whole copy of it or convert it to WAV")));
                }
                // Silence of the packet's length keeps what follows in its place.
                if self.given > 0 {
                    self.pending.resize_with(channels, Vec::new);
                    self.pending.iter_mut().for_each(|samples| samples.resize(block.min(1 << 16), 0.0));
                }
            }
        }
        Ok(())
    }
}

/// A decoder from an Ogg Opus identification header (RFC 7845, section 5.1).
fn opus_decoder(head: &[u8], delay: u32) -> Result<Decoder, Failure> {
    let damaged = || Failure::new("has a damaged Opus header; convert it to WAV first");
    let (&channels, &family) = (head.get(9).ok_or_else(damaged)?, head.get(18).ok_or_else(damaged)?);
    let gain = head.get(16..18).and_then(|bytes| bytes.try_into().ok()).map_or(0, i16::from_le_bytes);
    let channels = usize::from(channels);
    let (streams, coupled, mapping) = if family == 0 {
        (1, usize::from(channels == 2), if channels == 2 { vec![0, 1] } else { vec![0] })
    } else {
        let streams = usize::from(*head.get(19).ok_or_else(damaged)?);
        let coupled = usize::from(*head.get(20).ok_or_else(damaged)?);
        (streams, coupled, head.get(21..21 + channels).ok_or_else(damaged)?.to_vec())
    };
    let decoder = if family == 0 {
        let layout = if channels == 2 { ropus::Channels::Stereo } else { ropus::Channels::Mono };
        OpusDecoder::One(Box::new(ropus::Decoder::new(48_000, layout).map_err(|_| damaged())?))
    } else {
        let many = OpusMultistreamDecoder::new(48_000, channels, streams, coupled, &mapping).map_err(|_| damaged())?;
        OpusDecoder::Many(Box::new(many))
    };
    Ok(Decoder::Opus {
        decoder,
        // Gain in dB as Q7.8.
        gain: dsp_core::units::Db(f32::from(gain) / 256.0).to_linear(),
        buffer: vec![0.0; OPUS_MOST * channels],
        skip: delay as usize,
    })
}

impl Source for Packets {
    fn info(&self) -> &Info {
        &self.info
    }

    fn read(&mut self, block: &mut [Vec<f32>], most: usize) -> Result<usize, Failure> {
        let there = loop {
            let there = self.pending.first().map_or(0, Vec::len) - self.taken;
            let skip = usize::try_from(self.skip).unwrap_or(there).min(there);
            (self.taken, self.skip) = (self.taken + skip, self.skip - skip as u64);
            if there > skip || self.ended {
                break there - skip;
            }
            self.decode_next()?;
        };
        let frames = there.min(most).min(usize::try_from(self.most - self.given).unwrap_or(usize::MAX));
        for (samples, pending) in block.iter_mut().zip(&self.pending) {
            samples.clear();
            samples.extend_from_slice(&pending[self.taken..self.taken + frames]);
        }
        self.taken += frames;
        self.given += frames as u64;
        if frames == 0 {
            if self.cut.is_none()
                && self.strict_length
                && let Some(declared) = self.info.frames
                && declared > self.given
            {
                self.cut = Some(format!("is cut short: it declares {declared} samples, {} are there", self.given));
            }
            if let Some(cut) = &self.cut
                && !self.allow_truncated
            {
                return Err(Failure::new(format!("{cut}; get a whole copy of it, or take what is there with --allow-truncated")));
            }
        }
        Ok(frames)
    }

    fn warnings(&self) -> Vec<String> {
        let cut = self.cut.iter().map(|cut| format!("{cut}; what is there was taken"));
        let damaged = (self.damaged > 0).then(|| format!("has {} damaged packets, which became silence", self.damaged));
        cut.chain(damaged).collect()
    }
}
