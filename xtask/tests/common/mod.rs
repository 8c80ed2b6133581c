//! What tests from outside share: a folder, sound, and the program.
#![allow(dead_code, reason = "each test uses its part")]

use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_xtask");
pub const RATE: usize = 48_000;

/// A folder that goes when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("plainsong-{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes floats as WAV, `[channel][sample]`.
    pub fn wav(&self, name: &str, audio: &[Vec<f32>], rate: usize) -> PathBuf {
        let (channels, frames) = (audio.len(), audio[0].len());
        let bytes = (channels * frames * 4) as u32;
        let mut file = Vec::new();
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&(36 + bytes).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x03\0");
        file.extend_from_slice(&(channels as u16).to_le_bytes());
        file.extend_from_slice(&(rate as u32).to_le_bytes());
        file.extend_from_slice(&((rate * channels * 4) as u32).to_le_bytes());
        file.extend_from_slice(&((channels * 4) as u16).to_le_bytes());
        file.extend_from_slice(b"\x20\0data");
        file.extend_from_slice(&bytes.to_le_bytes());
        (0..frames).for_each(|n| audio.iter().for_each(|channel| file.extend_from_slice(&channel[n].to_le_bytes())));
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, file).unwrap();
        path
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.at(name)).unwrap()).unwrap()
    }

    /// All files below a folder, hidden ones too, as relative paths in order.
    pub fn files(&self, below: &str) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, list: &mut Vec<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, root, list);
                } else {
                    list.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let mut list = Vec::new();
        walk(&self.at(below), &self.at(below), &mut list);
        list.sort();
        list
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `render ENGINE` with words.
pub fn render(engine: &str, words: &[&dyn AsRef<OsStr>]) -> Output {
    command(engine, words).output().unwrap()
}

/// The command, not started yet.
pub fn command(engine: &str, words: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["render", engine]).args(words.iter().map(|word| word.as_ref()));
    command
}

pub fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
pub fn done(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", told(output));
}

/// Asserts that the command line was refused in a line that holds this.
#[track_caller]
pub fn refused(output: &Output, part: &str) {
    assert_ne!(output.status.code(), Some(0));
    assert!(told(output).contains(part), "\"{part}\" is missing in: {}", told(output));
}

/// Sound of any file that the program reads: rendered to floats by a limiter that has nothing to do.
pub fn decoded(folder: &Folder, path: &Path) -> (usize, Vec<Vec<f32>>) {
    let wav = folder.at("decoded.wav");
    done(&render("limiter", &[&path, &"-o", &wav, &"--bits", &"32f", &"--set", &"bypass=on", &"--overwrite", &"--quiet"]));
    let bytes = fs::read(&wav).unwrap();
    let find = |id: &[u8]| {
        let mut at = 12;
        loop {
            let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
            if &bytes[at..at + 4] == id {
                return &bytes[at + 8..at + 8 + length];
            }
            at += 8 + length + length % 2;
        }
    };
    let format = find(b"fmt ");
    let channels = usize::from(u16::from_le_bytes(format[2..4].try_into().unwrap()));
    let rate = u32::from_le_bytes(format[4..8].try_into().unwrap()) as usize;
    let mut audio = vec![Vec::new(); channels];
    for (index, sample) in find(b"data").chunks_exact(4).enumerate() {
        audio[index % channels].push(f32::from_le_bytes(sample.try_into().unwrap()));
    }
    (rate, audio)
}

/// The repository's sample of a voice in a room.
pub fn voice() -> Vec<f32> {
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/noisy.wav")).unwrap();
    let at = bytes.windows(4).position(|id| id == b"data").unwrap() + 8;
    bytes[at..].chunks_exact(2).map(|sample| f32::from(i16::from_le_bytes(sample.try_into().unwrap())) / 32_768.0).collect()
}

/// Repeatable noise from -1 to 1.
pub fn noise(seed: u32) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Integrated loudness in LUFS and true peak in dBTP, by a meter of another hand.
pub fn measured(audio: &[Vec<f32>], rate: usize) -> (f64, f64) {
    let mut meter = ebur128::EbuR128::new(audio.len() as u32, rate as u32, ebur128::Mode::I | ebur128::Mode::TRUE_PEAK).unwrap();
    meter.add_frames_planar_f32(&audio.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    let peak = (0..audio.len() as u32).map(|channel| meter.true_peak(channel).unwrap()).fold(0.0, f64::max);
    (meter.loudness_global().unwrap(), 20.0 * peak.log10())
}
