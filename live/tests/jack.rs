//! The program itself under a JACK server without a sound card: a known signal in, and what comes out.
//!
//! Needs `jackd`. One server at a time: the tests wait for each other.

#![cfg(unix)]

use dsp_core::model::store::{Cost, MANIFEST, Stamp, Verdict};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

/// Sleep of the thread that only sleeps.
const SLEEP: Duration = Duration::from_millis(2);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static NAMED: Once = Once::new();

/// A JACK server of our own, beside any other.
struct Server {
    child: Child,
    _turn: MutexGuard<'static, ()>,
}

/// Words for the server before its driver's, as `-S` or `-P 70`.
const WORDS: &str = "PLAINSONG_LIVE_JACKD";

fn jackd(block: usize) -> Child {
    let words = std::env::var(WORDS).unwrap_or_default();
    let start = |realtime: &[&str]| {
        Command::new("jackd")
            .args(realtime)
            .args(words.split_whitespace())
            .args(["-d", "dummy", "-r", "48000", "-p", &block.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("jackd: install the package jackd2")
    };
    let mut child = start(&[]);
    let patience = Instant::now();
    // Without the right to real-time priority it ends at once.
    while jack::Client::new("knock", jack::ClientOptions::NO_START_SERVER).is_err() {
        assert!(patience.elapsed() < Duration::from_secs(30), "jackd does not answer");
        std::thread::sleep(Duration::from_millis(300));
        if child.try_wait().expect("a process").is_some() {
            child = start(&["--no-realtime"]);
        }
    }
    child
}

impl Server {
    fn start(block: usize) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        NAMED.call_once(|| {
            // SAFETY: the tests take turns, and nothing else in this program reads the environment meanwhile.
            unsafe {
                std::env::set_var("JACK_DEFAULT_SERVER", format!("plainsong-{}", std::process::id()));
                std::env::set_var("JACK_NO_AUDIO_RESERVATION", "1");
            }
        });
        Self { child: jackd(block), _turn: turn }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    /// Asks it to end: one that is killed leaves its name in JACK's register, which has room for eight.
    fn drop(&mut self) {
        let asked = Instant::now();
        // SAFETY: it takes no pointer; the process is our child and not yet waited for, so the number is its own.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGTERM) };
        while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }
}

/// The program, and what it prints.
struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

/// The program with arguments, for a user with this data folder.
fn command(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plainsong-live"));
    command.args(["--system", "jack", "--no-connect", "--no-tui"]).args(args).stdin(Stdio::null());
    command.env("XDG_DATA_HOME", data).env("HOME", data);
    command
}

impl Program {
    fn start(args: &[&str]) -> Self {
        Self::start_for(&std::env::temp_dir(), args)
    }

    /// For a user with models.
    fn start_for(data: &Path, args: &[&str]) -> Self {
        let mut child = command(data, args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (out, to) = (child.stdout.take().expect("its output"), lines.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                println!("  | {line}");
                to.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { child, lines }
    }

    fn printed(&self, part: &str) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|line| line.contains(part)).count()
    }

    fn wait_for(&mut self, part: &str, times: usize, patience: Duration) {
        let start = Instant::now();
        while self.printed(part) < times {
            assert!(start.elapsed() < patience, "\"{part}\" was not printed {times} time(s)");
            assert!(self.child.try_wait().expect("a process").is_none(), "the program ended");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The number before a word, in the last line that has it.
    fn number(&self, before: &str) -> Option<f64> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.iter().rev().find(|line| line.contains(before))?;
        let head = &line[..line.find(before)?];
        head.rsplit(|letter: char| !(letter.is_ascii_digit() || letter == '.')).next()?.parse().ok()
    }

    /// The number after a word, in the last line that has it.
    fn number_after(&self, word: &str) -> Option<f64> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.iter().rev().find(|line| line.contains(word))?;
        let tail = line[line.find(word)? + word.len()..].trim_start();
        tail.split(|letter: char| !(letter.is_ascii_digit() || letter == '.')).next()?.parse().ok()
    }

    /// Asks it to end, as a person would by Ctrl-C.
    fn end(&mut self) {
        // SAFETY: a signal to our own child.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
        let status = self.child.wait().expect("its end");
        assert!(status.success(), "it ended with {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays a signal into the program and keeps what comes back.
struct Tester {
    signal: Arc<Vec<f32>>,
    heard: Vec<f32>,
    at: Arc<AtomicUsize>,
    to: jack::Port<jack::AudioOut>,
    from: jack::Port<jack::AudioIn>,
    done: Arc<Mutex<Option<Vec<f32>>>>,
}

impl jack::ProcessHandler for Tester {
    fn process(&mut self, _: &jack::Client, scope: &jack::ProcessScope) -> jack::Control {
        let at = self.at.load(Ordering::Relaxed);
        let frames = scope.n_frames() as usize;
        let (to, from) = (self.to.as_mut_slice(scope), self.from.as_slice(scope));
        for (frame, to) in to.iter_mut().enumerate() {
            *to = self.signal[(at + frame) % self.signal.len()];
        }
        if at + frames <= self.heard.len() {
            self.heard[at..at + frames].copy_from_slice(from);
            self.at.store(at + frames, Ordering::Relaxed);
        } else if let Ok(mut done) = self.done.try_lock()
            && done.is_none()
        {
            *done = Some(std::mem::take(&mut self.heard));
        }
        jack::Control::Continue
    }
}

/// Seconds of known noise go through the program: what went in, and what came out at the same frames.
fn through(seconds: usize) -> (Arc<Vec<f32>>, Vec<f32>) {
    let (client, _) = jack::Client::new("tester", jack::ClientOptions::NO_START_SERVER).expect("a client");
    // Noise by Numerical Recipes' linear congruential generator.
    let mut state = 21_u32;
    let noise = (0..seconds * 48_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    });
    let signal: Arc<Vec<f32>> = Arc::new(noise.collect());
    let to = client.register_port("to", jack::AudioOut::default()).expect("a port");
    let from = client.register_port("from", jack::AudioIn::default()).expect("a port");
    let (done, at) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
    let tester = Tester { signal: signal.clone(), heard: vec![0.0; seconds * 48_000], at, to, from, done: done.clone() };
    let active = client.activate_async((), tester).expect("an active client");
    active.as_client().connect_ports_by_name("tester:to", "plainsong_in:in_0").expect("a connection");
    active.as_client().connect_ports_by_name("plainsong_out:out_0", "tester:from").expect("a connection");
    let start = Instant::now();
    loop {
        std::thread::sleep(Duration::from_millis(50));
        if let Some(heard) = done.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = active.deactivate();
            return (signal, heard);
        }
        assert!(start.elapsed() < Duration::from_secs(seconds as u64 + 30), "the server stands still");
    }
}

/// Lag of the largest correlation between what came back and what went in, over 4096 frames from `at` on.
fn lag(signal: &[f32], heard: &[f32], at: usize) -> usize {
    let product = |lag: usize| -> f64 { (at..at + 4_096).map(|n| f64::from(heard[n]) * f64::from(signal[n - lag])).sum() };
    (0..9_600).max_by(|a, b| product(*a).total_cmp(&product(*b))).unwrap_or(0)
}

#[test]
fn the_latency_told_is_the_one_measured_and_bypass_is_the_input() {
    for (block, engine) in [(256, "denoise"), (512, "deess"), (128, "meter")] {
        let _server = Server::start(block);
        let mut program = Program::start(&[engine, "--set", "bypass=on"][..if engine == "meter" { 1 } else { 3 }]);
        program.wait_for("input open", 1, Duration::from_secs(10));
        std::thread::sleep(Duration::from_secs(2));
        let (signal, heard) = through(4);
        program.end();
        let told = program.number(" samples): engine").expect("a delay") as usize;
        let measured = lag(&signal, &heard, 100_000);
        println!("{engine} at blocks of {block}: told {told} samples, measured {measured}");
        assert_eq!(told, measured);
        let same = (96_000..190_000).all(|n| heard[n].to_bits() == signal[n - measured].to_bits());
        let dropouts = program.number_after("drop-outs").expect("a count");
        assert!(same || dropouts > 0.0, "bypass changed the sound");
        assert_eq!(program.number_after("sound began to flow"), Some(1.0));
    }
}

/// The tutorial's model with half the delay, installed and checked, in a data folder of a test's own.
struct Shelf {
    data: PathBuf,
    model: PathBuf,
}

impl Shelf {
    fn new() -> Self {
        let data = std::env::temp_dir().join(format!("plainsong-live-models-{}", std::process::id()));
        // The data folder is elsewhere on macOS.
        let own = if cfg!(target_os = "macos") { "Library/Application Support/Plainsong" } else { "plainsong" };
        let model = data.join(own).join("models/mine");
        std::fs::create_dir_all(&model).expect("a folder");
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../training/examples/gate");
        let mut text = std::fs::read_to_string(example.join(MANIFEST)).expect("a manifest");
        for (from, to) in [
            ("\"gate\"", "\"mine\""),
            ("analysis = \"sqrt-hann\"", "analysis = \"asymmetric\""),
            ("synthesis = \"sqrt-hann\"", "synthesis = \"asymmetric\"\nsynthesis_window = 480"),
            ("hop = 480", "hop = 240"),
        ] {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        std::fs::write(model.join(MANIFEST), &text).expect("written");
        std::fs::copy(example.join("model.onnx"), model.join("model.onnx")).expect("copied");
        let shelf = Self { data, model };
        shelf.stamp(Verdict::Inline);
        shelf
    }

    fn stamp(&self, verdict: Verdict) {
        let text = std::fs::read_to_string(self.model.join(MANIFEST)).expect("a manifest");
        let cost = Cost { verdict, step_us: 20.0, paced_us: 70.0, hop_ms: 5.0, latency_ms: 10.0 };
        Stamp::of(&text, cost).expect("a manifest").write(&self.model).expect("a stamp");
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// A model of the user's has its own delay, told as measured, on the engine's thread and on one of its own; the built-in
/// one plays where none is named, and no other in the place of one that is missing or was changed.
#[test]
fn a_model_that_was_chosen_plays_or_the_program_ends_with_a_line() {
    const BLOCK: usize = 256;
    let shelf = Shelf::new();
    let _server = Server::start(BLOCK);
    for (model, verdict, engine_ms) in [("", Verdict::Inline, 20.0), ("mine", Verdict::Inline, 10.0), ("mine", Verdict::Worker, 15.0)] {
        shelf.stamp(verdict);
        let mut words = vec!["denoise", "--set", "bypass=on"];
        if !model.is_empty() {
            words.extend(["--model", model]);
        }
        let mut program = Program::start_for(&shelf.data, &words);
        program.wait_for("input open", 1, Duration::from_secs(20));
        std::thread::sleep(Duration::from_secs(2));
        let (signal, heard) = through(4);
        program.end();
        let told = program.number(" samples): engine").expect("a delay") as usize;
        assert_eq!(program.number_after("samples): engine"), Some(engine_ms), "{model} {verdict:?}");
        assert_eq!(told, lag(&signal, &heard, 100_000), "{model} {verdict:?}");
        println!("{model:?} {verdict:?}: engine {engine_ms} ms, {told} samples told and measured");
    }
    let refused = |model: &str| {
        let output = command(&shelf.data, &["denoise", "--model", model]).output().expect("the program");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && output.stdout.is_empty(), "{model}: {text}");
        assert_eq!(text.trim().lines().count(), 1, "{text}");
        text
    };
    let text = refused("yours");
    assert!(text.contains("not installed") && text.contains("mine"), "{text}");
    std::fs::write(shelf.model.join("model.onnx"), b"rubbish").expect("written");
    let text = refused("mine");
    assert!(text.contains("changed after it was checked"), "{text}");
    let output = command(&shelf.data, &["limiter", "--model", "mine"]).output().expect("the program");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no model can be chosen for limiter"));
}

#[test]
fn a_server_that_goes_and_comes_back_ends_nothing() {
    let mut server = Server::start(256);
    let folder = std::env::temp_dir().join(format!("plainsong-jack-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("talk.flac");
    let mut program = Program::start(&["denoise", "--record", &file.to_string_lossy()]);
    program.wait_for("output open", 1, Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(2));
    server.kill();
    program.wait_for("lost", 2, Duration::from_secs(10));
    std::thread::sleep(Duration::from_secs(1));
    server.child = jackd(256);
    program.wait_for("output open", 2, Duration::from_secs(15));
    program.wait_for("input open", 2, Duration::from_secs(15));
    std::thread::sleep(Duration::from_secs(2));
    program.end();
    assert_eq!(program.number_after("sound began to flow"), Some(2.0));
    for name in ["talk.flac", "talk.raw.flac"] {
        assert!(program.printed(name) > 0 && folder.join(name).metadata().expect("a file").len() > 1_000);
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// Minutes under load, by hand: `PLAINSONG_LIVE_MINUTES=10 PLAINSONG_LIVE_BLOCK=256 PLAINSONG_LIVE_ENGINE=denoise
/// cargo test --release -p plainsong-live --features devices --test jack -- --ignored --nocapture`.
#[test]
#[ignore = "takes as long as it is told to"]
fn minutes_under_load() {
    let ask = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let minutes: f64 = ask("PLAINSONG_LIVE_MINUTES", "1").parse().expect("minutes");
    let block: usize = ask("PLAINSONG_LIVE_BLOCK", "256").parse().expect("frames");
    let engine = ask("PLAINSONG_LIVE_ENGINE", "denoise");
    let load: usize = ask("PLAINSONG_LIVE_LOAD", "2").parse().expect("a number of threads");
    let _server = Server::start(block);
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let burners: Vec<_> = (0..load)
        .map(|_| {
            let over = over.clone();
            std::thread::spawn(move || {
                let mut value = 1.0_f64;
                while !over.load(Ordering::Relaxed) {
                    value = (value * 1.000_1).sin() + 1.0;
                }
                value
            })
        })
        .collect();
    // What the computer does to sound without us: a thread of a callback's priority that only sleeps.
    let period = Duration::from_secs_f64(block as f64 / 48_000.0);
    let ended = over.clone();
    let sleeper = std::thread::spawn(move || {
        plainsong_live::priority::raise_callback();
        let (mut late, mut worst) = (0, Duration::ZERO);
        while !ended.load(Ordering::Relaxed) {
            let due = Instant::now() + SLEEP;
            std::thread::sleep(SLEEP);
            let behind = due.elapsed();
            late += usize::from(behind > period);
            worst = worst.max(behind);
        }
        (late, worst)
    });
    let safety = ask("PLAINSONG_LIVE_SAFETY", "3");
    let mut program = Program::start(&[&engine, "--minutes", &minutes.to_string(), "--safety", &safety]);
    program.wait_for("output open", 1, Duration::from_secs(20));
    std::thread::sleep(Duration::from_secs(2));
    let seconds = (minutes * 60.0) as usize - 6;
    let (signal, heard) = through(seconds.min(30));
    let measured = lag(&signal, &heard, 100_000);
    let status = program.child.wait().expect("its end");
    over.store(true, Ordering::Relaxed);
    burners.into_iter().for_each(|burner| drop(burner.join()));
    let (late, worst) = sleeper.join().expect("its count");
    std::thread::sleep(Duration::from_millis(200));
    println!("{engine}, blocks of {block}, {minutes} min, {load} loads: measured delay {measured} samples");
    println!("a sleeping thread of the same priority woke over a block late {late} times, at most {worst:?}");
    assert!(status.success());
    // What a system does that holds every thread up is not the program's; what its own work makes is.
    let (dropouts, held) = (program.number_after("drop-outs "), program.number_after("drop-outs by hold-ups of the system"));
    let (dropouts, held) = (dropouts.expect("a count"), held.unwrap_or(0.0));
    println!("{dropouts} drop-outs, {held} of them by hold-ups of the system, {} ours", dropouts - held);
    assert_eq!(dropouts, held, "drop-outs of our own");
    if late == 0 {
        assert_eq!(dropouts, 0.0, "nothing was held up");
        assert_eq!(program.number_after("late frames"), Some(0.0));
    }
}
