//! What came in and what was made of it, as FLAC files that a crash leaves readable.
//!
//! FLAC frames stand for themselves, and a header may leave the length open. So whole frames go to the system
//! several times a second, and to the disk once a second: after a crash of the program the files hold
//! everything up to the last fraction of a second, after a power cut all but the last second or two. A proper
//! end fills in length and checksum.

use dsp_core::dither::{Dither, Quantiser};
use dsp_core::units::Hz;
use flac_codec::encode::{FlacSampleWriter, Options};
use rtrb::{Consumer, RingBuffer};
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::line::Tape;

/// Sound that waits for the disk, in seconds. A disk that wakes up takes that long.
const PATIENCE: usize = 10;
/// Time between two looks at the rings.
const REST: Duration = Duration::from_millis(50);
/// Time between two orders to the disk.
const SYNC: Duration = Duration::from_secs(1);
/// FLAC frames in a second, at least: what is not a whole frame yet is lost in a crash.
const FRAMES_PER_SECOND: u32 = 12;
/// Bits of a sample: what converters give and more than they hear.
const BITS: u16 = 24;
/// Most samples that are encoded at once.
const PART: usize = 16_384;

/// A recording that cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The name.
    #[error("{0}: only FLAC is written; end the name in .flac")]
    Name(PathBuf),
    /// Something is there already.
    #[error("{0} exists already; take another name, or add --overwrite")]
    Exists(PathBuf),
    /// The disk.
    #[error("{path}: {reason}; choose a folder that can be written, with room for 1 GB in an hour and channel")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

/// A file that its encoder owns and that is flushed from outside.
#[derive(Clone)]
struct Shared(Rc<RefCell<BufWriter<File>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.borrow_mut().seek(to)
    }
}

/// One file.
struct Track {
    path: PathBuf,
    file: Shared,
    writer: FlacSampleWriter<Shared>,
    quantiser: Quantiser,
    channels: usize,
    /// Frames to leave out at the beginning: the engine's delay, so that both files lie side by side.
    skip: usize,
    written: u64,
    planar: Vec<Vec<f32>>,
    integers: Vec<i32>,
}

impl Track {
    fn new(path: &Path, file: File, rate: u32, channels: usize, skip: usize) -> Result<Self, Failure> {
        let failed = |reason: String| Failure::Disk { path: path.to_owned(), reason };
        let block = (rate / FRAMES_PER_SECOND).clamp(192, 4_096) as u16;
        let options = Options::fast().block_size(block).map_err(|e| failed(e.to_string()))?.no_seektable();
        let file = Shared(Rc::new(RefCell::new(BufWriter::with_capacity(1 << 18, file))));
        let width = u8::try_from(channels).map_err(|_| failed(format!("{channels} channels are too many")))?;
        let writer = FlacSampleWriter::new(file.clone(), options, rate, u32::from(BITS), width, None).map_err(|e| failed(e.to_string()))?;
        let mut track = Self {
            path: path.to_owned(),
            file,
            writer,
            quantiser: Quantiser::new(BITS, Dither::None, Hz(f64::from(rate)), channels, 0),
            channels,
            skip,
            written: 0,
            planar: vec![Vec::new(); channels],
            integers: Vec::new(),
        };
        track.flush(true)?;
        Ok(track)
    }

    /// Writes what the ring holds.
    fn drain(&mut self, ring: &mut Consumer<f32>) -> Result<(), Failure> {
        loop {
            let ready = (ring.slots() / self.channels * self.channels).min(PART / self.channels * self.channels);
            let Ok(chunk) = ring.read_chunk(ready) else { return Ok(()) };
            if ready == 0 {
                return Ok(());
            }
            self.planar.iter_mut().for_each(Vec::clear);
            let (one, two) = chunk.as_slices();
            for (index, value) in one.iter().chain(two).enumerate() {
                self.planar[index % self.channels].push(if value.is_finite() { *value } else { 0.0 });
            }
            chunk.commit_all();
            let from = self.skip.min(ready / self.channels);
            self.skip -= from;
            let block: Vec<&[f32]> = self.planar.iter().map(|channel| &channel[from..]).collect();
            self.integers.clear();
            self.quantiser.integers(&block, &mut self.integers);
            self.written += (self.integers.len() / self.channels) as u64;
            self.writer.write(&self.integers).map_err(|e| disk(&self.path, &e))?;
        }
    }

    fn flush(&mut self, to_disk: bool) -> Result<(), Failure> {
        let mut file = self.file.0.borrow_mut();
        file.flush().map_err(|e| disk(&self.path, &e))?;
        if to_disk {
            file.get_ref().sync_data().map_err(|e| disk(&self.path, &e))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Done, Failure> {
        let done = Done { path: self.path.clone(), frames: self.written, clipped: self.quantiser.clipped() };
        if self.written == 0 {
            // FLAC has no files without sound.
            self.integers.clear();
            self.integers.resize(self.channels, 0);
            self.writer.write(&self.integers).map_err(|e| disk(&self.path, &e))?;
        }
        self.writer.finalize().map_err(|e| disk(&self.path, &e))?;
        let mut file = self.file.0.borrow_mut();
        file.flush().and_then(|()| file.get_ref().sync_data()).map_err(|e| disk(&self.path, &e))?;
        Ok(done)
    }
}

fn disk(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Disk { path: path.to_owned(), reason: error.to_string() }
}

/// A file that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Where.
    pub path: PathBuf,
    /// Its length in frames.
    pub frames: u64,
    /// Samples that were above full scale and were limited.
    pub clipped: u64,
}

/// Name of the file for what came in, beside that for what was made of it: `talk.raw.flac` for `talk.flac`.
pub fn raw_path(path: &Path) -> PathBuf {
    path.with_extension("raw.flac")
}

/// The thread that writes both files.
pub struct Recorder {
    thread: JoinHandle<Result<[Done; 2], Failure>>,
    end: Arc<AtomicBool>,
}

impl Recorder {
    /// Begins both files and gives the rings for the engine's thread. `latency` is the engine's delay in
    /// samples, which is left out of the processed file.
    ///
    /// # Errors
    /// When the name is no FLAC file's, something is there already and shall not be overwritten, or the disk
    /// does not take it.
    pub fn start(path: &Path, overwrite: bool, rate: u32, channels: usize, latency: usize) -> Result<(Self, Tape), Failure> {
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("flac")) {
            return Err(Failure::Name(path.to_owned()));
        }
        let paths = [raw_path(path), path.to_owned()];
        if !overwrite && let Some(there) = paths.iter().find(|path| path.exists()) {
            return Err(Failure::Exists(there.clone()));
        }
        let open = |path: &PathBuf| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(true);
            options.open(path).map_err(|e| disk(path, &e))
        };
        let files = [open(&paths[0])?, open(&paths[1])?];
        let ring = || RingBuffer::new(rate as usize * channels * PATIENCE);
        let ((raw, raw_from), (processed, processed_from)) = (ring(), ring());
        let end = Arc::new(AtomicBool::new(false));
        let ended = end.clone();
        let (ready, started) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let [raw_file, file] = files;
            let tracks = Track::new(&paths[0], raw_file, rate, channels, 0)
                .and_then(|raw| Ok([raw, Track::new(&paths[1], file, rate, channels, latency)?]));
            match tracks {
                Ok(tracks) => {
                    let _ = ready.send(Ok(()));
                    write(tracks, [raw_from, processed_from], &ended)
                }
                Err(failure) => {
                    let text = failure.to_string();
                    let _ = ready.send(Err(failure));
                    Err(Failure::Disk { path: paths[1].clone(), reason: text })
                }
            }
        });
        match started.recv() {
            Ok(Ok(())) => Ok((Self { thread, end }, Tape { raw, processed })),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::Disk { path: path.to_owned(), reason: "the recorder's thread ended".into() }),
        }
    }

    /// True when the disk took no more: the thread ended by itself.
    pub fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Writes what is left and completes both files: raw, processed.
    ///
    /// # Errors
    /// When the disk did not take all.
    pub fn finish(self) -> Result<[Done; 2], Failure> {
        self.end.store(true, Ordering::Release);
        self.thread.join().unwrap_or_else(|_| Err(Failure::Disk { path: PathBuf::new(), reason: "the recorder's thread panicked".into() }))
    }
}

fn write(mut tracks: [Track; 2], mut rings: [Consumer<f32>; 2], end: &AtomicBool) -> Result<[Done; 2], Failure> {
    let mut synced = Instant::now();
    loop {
        let last = end.load(Ordering::Acquire);
        let sync = synced.elapsed() >= SYNC;
        if sync {
            synced = Instant::now();
        }
        for (track, ring) in tracks.iter_mut().zip(&mut rings) {
            track.drain(ring)?;
            track.flush(sync)?;
        }
        if last {
            let [raw, processed] = tracks;
            return Ok([raw.finish()?, processed.finish()?]);
        }
        std::thread::sleep(REST);
    }
}
