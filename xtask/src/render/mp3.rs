//! Writing MP3: an ID3 tag, and behind it what LAME makes, in a program of its own.
//!
//! LAME is C, under the LGPL. `plainsong-mp3` (the folder `mp3`) is built when the first MP3 is written, so
//! that nobody needs a C compiler who writes none.

use super::failure::{Failure, writing};
use super::resample::Resampler;
use super::source::Info;
use crate::test::command;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Rates that MP3 has, hertz.
const RATES: [u32; 9] = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
/// Rates up to this are MPEG-2 and 2.5, whose bit rates end earlier.
const MPEG2: u32 = 24_000;
/// Kilobits a second where nothing is asked for, by channels: what directories of podcasts recommend.
const BITRATES: [u32; 2] = [96, 128];
/// The same for rates of [`MPEG2`].
const LOW_BITRATES: [u32; 2] = [48, 64];
/// Bit rates of MPEG-1, kilobits a second.
const MPEG1_KBPS: [u32; 13] = [32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
/// Bit rates of MPEG-2.
const MPEG2_KBPS: [u32; 11] = [8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128];

/// How many bits are spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spend {
    /// Kilobits a second, always.
    Constant(u32),
    /// As many as a quality needs, from V0 to V9.
    Variable(u8),
}

/// The rate that a file of this rate is written with.
fn rate_for(rate: u32) -> u32 {
    if RATES.contains(&rate) {
        rate
    } else if rate > 48_000 {
        if rate.is_multiple_of(11_025) { 44_100 } else { 48_000 }
    } else {
        RATES.into_iter().find(|&known| known >= rate).unwrap_or(48_000)
    }
}

/// The encoder, built if it is not there.
fn program() -> Result<PathBuf, Failure> {
    static BUILDING: Mutex<()> = Mutex::new(());
    let path = command::release_folder().join(format!("plainsong-mp3{}", std::env::consts::EXE_SUFFIX));
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if path.is_file() {
        return Ok(path);
    }
    let built = Command::new(command::cargo())
        .args(["build", "--quiet", "--release", "-p", "plainsong-mp3"])
        .current_dir(command::root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    if built.as_ref().is_ok_and(|output| output.status.success()) && path.is_file() {
        return Ok(path);
    }
    let why = built.ok().and_then(|output| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.lines().rev().find(|line| line.contains("error") || line.contains("No such file")).map(str::to_owned)
    });
    Err(Failure::new(format!(
        "is MP3, whose encoder LAME could not be built ({}); it needs a C compiler and make: apt-get install build-essential, or write \
         .opus, .flac or .wav",
        why.unwrap_or_else(|| "cargo did not run".into())
    )))
}

/// An MP3 file being written.
pub struct Mp3Sink {
    child: Child,
    input: Option<BufWriter<ChildStdin>>,
    resampler: Option<Resampler>,
    resampled: Vec<Vec<f32>>,
    clipped: u64,
}

impl Mp3Sink {
    /// Begins a file with its tag.
    ///
    /// # Errors
    /// When the format does not fit into MP3, there is no encoder, or the disk does not take it.
    pub fn new(mut file: File, info: &Info, spend: Option<Spend>) -> Result<Self, Failure> {
        if !(1..=2).contains(&info.channels) {
            return Err(Failure::new(format!(
                "has {} channels and MP3 holds two at most; write WAV or FLAC instead (-o NAME.flac)",
                info.channels
            )));
        }
        let rate = rate_for(info.rate);
        let (default, known) =
            if rate <= MPEG2 { (LOW_BITRATES[info.channels - 1], &MPEG2_KBPS[..]) } else { (BITRATES[info.channels - 1], &MPEG1_KBPS[..]) };
        let (mode, value) = match spend.unwrap_or(Spend::Constant(default)) {
            Spend::Constant(kbps) if known.contains(&kbps) => ("cbr", kbps),
            Spend::Constant(kbps) => {
                return Err(Failure::new(format!("cannot be MP3 of {kbps} kbit/s at {rate} Hz; there are {known:?}")));
            }
            Spend::Variable(quality) => ("vbr", u32::from(quality)),
        };
        let program = program()?;
        let seconds = info.frames.map_or(f64::INFINITY, |frames| frames as f64 / f64::from(info.rate));
        if let Some(tag) = info.extras.id3_bytes(&info.tags, seconds) {
            file.write_all(&tag).map_err(writing)?;
        }
        file.seek(SeekFrom::End(0)).map_err(writing)?;
        let mut child = Command::new(&program)
            .args([rate.to_string(), info.channels.to_string(), mode.to_owned(), value.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::from(file))
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::new(format!("needs {}, which does not start ({error})", program.display())))?;
        let input = child.stdin.take().map(|input| BufWriter::with_capacity(1 << 16, input));
        Ok(Self {
            child,
            input,
            resampler: (rate != info.rate).then(|| Resampler::new(info.rate, rate, info.channels)),
            resampled: vec![Vec::new(); info.channels],
            clipped: 0,
        })
    }

    /// Adds a block, `block[channel][sample]`.
    ///
    /// # Errors
    /// When the encoder or the disk does not take it.
    pub fn write(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        let Some(resampler) = &mut self.resampler else { return self.feed(block) };
        resampler.push(block, &mut self.resampled);
        self.feed_resampled()
    }

    fn feed_resampled(&mut self) -> Result<(), Failure> {
        let mut resampled = std::mem::take(&mut self.resampled);
        let fed = self.feed(&resampled.iter().map(Vec::as_slice).collect::<Vec<_>>());
        resampled.iter_mut().for_each(Vec::clear);
        self.resampled = resampled;
        fed
    }

    fn feed(&mut self, block: &[&[f32]]) -> Result<(), Failure> {
        let Some(input) = &mut self.input else { return Ok(()) };
        let mut broken = false;
        'all: for n in 0..block.first().map_or(0, |samples| samples.len()) {
            for samples in block {
                let value = samples[n];
                self.clipped += u64::from(value.abs() > 1.0);
                if input.write_all(&value.clamp(-1.0, 1.0).to_le_bytes()).is_err() {
                    broken = true;
                    break 'all;
                }
            }
        }
        if broken { Err(self.verdict().err().unwrap_or_else(|| Failure::new("lost its MP3 encoder; try again"))) } else { Ok(()) }
    }

    /// Waits for the encoder.
    fn verdict(&mut self) -> Result<(), Failure> {
        drop(self.input.take().map(BufWriter::into_parts));
        let mut why = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            let _ = errors.read_to_string(&mut why);
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            _ if why.trim().is_empty() => Err(Failure::new("lost its MP3 encoder; try again")),
            _ => Err(Failure::new(format!("could not be encoded as MP3: {why}"))),
        }
    }

    /// Completes the file, and returns how many samples were limited to full scale.
    ///
    /// # Errors
    /// When the encoder or the disk does not take it.
    pub fn finish(mut self) -> Result<u64, Failure> {
        if let Some(resampler) = &mut self.resampler {
            resampler.finish(&mut self.resampled);
            self.feed_resampled()?;
        }
        if let Some(input) = &mut self.input
            && input.flush().is_err()
        {
            return Err(self.verdict().err().unwrap_or_else(|| Failure::new("lost its MP3 encoder; try again")));
        }
        self.verdict().map(|()| self.clipped)
    }
}

impl Drop for Mp3Sink {
    /// An encoder that is not waited for ends with its input; what it wrote goes with the draft.
    fn drop(&mut self) {
        drop(self.input.take().map(BufWriter::into_parts));
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_has_one_that_mp3_knows() {
        assert_eq!(
            [44_100, 96_000, 88_200, 176_400, 10_000, 47_999, 1_000].map(rate_for),
            [44_100, 48_000, 44_100, 44_100, 11_025, 48_000, 8_000]
        );
    }
}
