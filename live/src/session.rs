//! One run: devices opened and kept, the engine's thread, and what a person sees.

use crate::{Args, engine, pick, values};
use dsp_core::processor::Format;
use dsp_core::units::Hz;
use plainsong_live::devices::{Common, InputOpener, OutputOpener, Side, System, negotiate};
use plainsong_live::engines::Entry;
use plainsong_live::line::{Hatch, Line, Plan};
use plainsong_live::link::{Event, Keeper, Opener};
use plainsong_live::priority;
use plainsong_live::recorder::{Recorder, raw_path};
use plainsong_live::screen::{self, Act, Counts, Screen};
use plainsong_live::status::{Link, Status, Values};
use ratatui::crossterm::event::{self, KeyCode, KeyEventKind, KeyModifiers};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest rest of the engine's thread. The input wakes it earlier; without an input it still keeps its books.
const REST: Duration = Duration::from_millis(5);
/// Time between two looks at devices and keys.
const LOOK: Duration = Duration::from_millis(50);
/// Time between two lines without a screen.
const LINE: Duration = Duration::from_secs(1);

/// Runs until it is ended.
pub fn run(args: &Args) -> Result<(), String> {
    let entry = engine(args.engine.as_deref())?;
    let start = values(entry, args)?;
    let package = args.model.as_deref().map(|id| entry.installed(id, &start)).transpose()?;
    let pick = pick(&args.in_channels)?;
    if !(0.0..=1_000.0).contains(&args.safety) {
        return Err(format!("a safety of {} ms is out of range; use 0 to 1000", args.safety));
    }
    if args.minutes.is_some_and(|minutes| !(minutes > 0.0 && minutes <= 1e6)) {
        return Err("--minutes takes a number above 0".into());
    }
    let channels = pick.len();
    let system = System::open(args.system.as_deref(), !args.no_connect)?;
    let input = system.find(Side::Input, args.input.as_deref())?;
    let output = system.find(Side::Output, args.output.as_deref())?;
    let width = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let needed = width(pick.iter().max().map_or(1, |last| last + 1));
    let (from, from_format) = negotiate(&input, Side::Input, args.rate, None, args.block, needed)?;
    let (to, to_format) = negotiate(&output, Side::Output, args.rate, Some(from.rate), args.block, width(channels.max(2)))
        .or_else(|_| negotiate(&output, Side::Output, args.rate, Some(from.rate), args.block, width(channels)))?;
    let format = Format::new(Hz(f64::from(from.rate)), channels).map_err(|error| error.to_string())?;
    let mut driver = (entry.make)(format, &start, package.as_ref()).map_err(|error| error.to_string())?;
    driver.set_realtime(true);
    let notice = driver.notice();
    let latency = driver.latency();
    let one_clock = system.one_clock() && from.rate == to.rate;
    let recording = match &args.record {
        Some(path) => Some(Recorder::start(path, args.overwrite, from.rate, channels, latency).map_err(|error| error.to_string())?),
        None => None,
    };
    let (recorder, tape) = recording.map_or((None, None), |(recorder, tape)| (Some(recorder), Some(tape)));

    let status = Arc::new(Status::default());
    let shared = Arc::new(Values::new(&start));
    let hatch = Arc::new(Hatch::default());
    let origin = Instant::now();
    let plan = Plan { channels, rate: f64::from(from.rate), safety: args.safety / 1_000.0, one_clock };
    let mut line = Line::new(plan, driver, entry.more, shared.clone(), status.clone(), hatch.clone(), tape);
    let (told, given) = std::sync::mpsc::channel();
    let ended = Arc::new(AtomicBool::new(false));
    let end = ended.clone();
    let thread = std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || {
            let _ = told.send(priority::raise_engine());
            while !end.load(Ordering::Relaxed) {
                line.poll(&|| origin.elapsed().as_secs_f64());
                std::thread::park_timeout(REST);
            }
            line.finish();
        })
        .map_err(|error| format!("no thread for the engine: {error}"))?;
    let raised = given.recv().unwrap_or(false);
    // Where it is refused, sound passes all the same.
    let _ = priority::keep_in_memory();

    let names = [input.to_string(), output.to_string()];
    let key = system.name();
    let system = Arc::new(std::sync::Mutex::new(system));
    let common = |wanted: &Option<String>, choice, format| Common {
        system: system.clone(),
        wanted: wanted.clone(),
        choice,
        format,
        channels,
        status: status.clone(),
        hatch: hatch.clone(),
        origin,
    };
    let opener = InputOpener::new(common(&args.input, from, from_format), pick, thread.thread().clone());
    let mut devices = Devices {
        input: Keeper::new(opener),
        output: Keeper::new(OutputOpener::new(common(&args.output, to, to_format), f64::from(from.rate), one_clock)),
        status: status.clone(),
        origin,
        recorder_failed: false,
    };
    let ending = status.clone();
    // A second one during a slow end is not ours to handle twice.
    let _ = ctrlc::set_handler(move || ending.stop.store(true, Ordering::Relaxed));

    let block = |block: Option<u32>| block.map_or("a block of the device's choice".to_owned(), |block| format!("blocks of {block}"));
    let mut intro = vec![
        format!("{} between {} and {} ({key})", entry.name, names[0], names[1]),
        format!("in: {} Hz, {} channel(s), {}, {from_format}", from.rate, from.channels, block(from.block)),
        format!("out: {} Hz, {} channel(s), {}, {to_format}", to.rate, to.channels, block(to.block)),
    ];
    if !raised && cfg!(target_os = "linux") {
        intro.push("no real-time priority: add yourself to the group that has it (audio, pipewire or realtime) for fewer drop-outs".into());
    }
    intro.extend(notice.map(str::to_owned));
    if let Some(path) = &args.record {
        intro.push(format!("recording {} and {}", path.display(), raw_path(path).display()));
    }
    let mut view = Screen::new(entry, shared, key, names, args.record.as_ref().map(|path| path.display().to_string()));
    let until = args.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let shown = if args.no_tui {
        lines(&mut devices, &mut view, &intro, until, recorder.as_ref());
        Ok(())
    } else {
        if let Some(last) = intro.last() {
            view.say(last);
        }
        terminal(&mut devices, &mut view, until, recorder.as_ref())
    };

    let delays = format!("delay {}; {}", screen::delay(&status), screen::devices_delay(&status));
    // The output first: an end is no drop-out.
    devices.output.close();
    devices.input.close();
    ended.store(true, Ordering::Relaxed);
    thread.thread().unpark();
    let _ = thread.join();
    summary(entry, &status, origin.elapsed(), &delays);
    if let Some(recorder) = recorder {
        for done in recorder.finish().map_err(|error| error.to_string())? {
            let clipped = if done.clipped > 0 { format!(", {} samples limited to full scale", done.clipped) } else { String::new() };
            println!("{}: {:.1} s{clipped}", done.path.display(), done.frames as f64 / f64::from(from.rate));
        }
    }
    shown
}

/// What is printed at the end, for people and for scripts.
fn summary(entry: &Entry, status: &Status, ran: Duration, delays: &str) {
    let us = |value: u32| f64::from(value) / 1_000.0;
    println!("{} ran {:.1} s, {} frames", entry.name, ran.as_secs_f64(), status.frames.load(Ordering::Relaxed));
    println!("{delays}");
    println!(
        "clocks differ by {:.1} ppm; delay off by at most {} us once settled; slowest work {:.2} ms, {:.2} ms of them the processor's; sound began to flow {} time(s)",
        status.drift_ppm.get(),
        status.worst_error_us.load(Ordering::Relaxed),
        us(status.slowest_us.load(Ordering::Relaxed)),
        us(status.hardest_us.load(Ordering::Relaxed)),
        status.started.load(Ordering::Relaxed)
    );
    println!("{}", Counts::of(status).line());
}

/// Both devices, kept open.
struct Devices {
    input: Keeper<InputOpener>,
    output: Keeper<OutputOpener>,
    status: Arc<Status>,
    origin: Instant,
    recorder_failed: bool,
}

impl Devices {
    /// Looks after both, and gives what a person must know.
    fn look(&mut self, recorder: Option<&Recorder>) -> Vec<String> {
        let now = self.origin.elapsed();
        let mut said = Vec::new();
        watch(&mut self.input, "input", now, &mut said);
        watch(&mut self.output, "output", now, &mut said);
        if !self.input.is_open() {
            self.status.input_link.set(Link::Missing);
        }
        if !self.output.is_open() {
            self.status.output_link.set(Link::Missing);
        }
        if !self.recorder_failed && recorder.is_some_and(Recorder::has_failed) {
            self.recorder_failed = true;
            said.push("the recording stopped: the disk takes no more; the sound goes on".into());
        }
        said
    }
}

fn watch<O: Opener>(keeper: &mut Keeper<O>, side: &str, now: Duration, said: &mut Vec<String>) {
    match keeper.look(now) {
        Some(Event::Opened) => said.push(format!("{side} open")),
        Some(Event::Lost(why)) => said.push(format!("{side} lost ({why}); waiting for it")),
        Some(Event::Refused(why)) => said.push(why),
        None => {}
    }
}

/// True when it shall end.
fn over(status: &Status, origin: Instant, until: Option<Duration>) -> bool {
    status.stop.load(Ordering::Relaxed) || until.is_some_and(|until| origin.elapsed() >= until)
}

fn lines(devices: &mut Devices, view: &mut Screen, intro: &[String], until: Option<Duration>, recorder: Option<&Recorder>) {
    let say = |text: &str| {
        // Who reads may be gone; the sound goes on.
        let _ = writeln!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush());
    };
    for line in intro {
        say(line);
    }
    let mut last = Instant::now();
    while !over(&devices.status, devices.origin, until) {
        for text in devices.look(recorder) {
            say(&text);
        }
        if last.elapsed() >= LINE {
            let levels = view.read(&devices.status, last.elapsed());
            last = Instant::now();
            say(&view.line(&devices.status, levels));
        }
        std::thread::sleep(LOOK);
    }
}

fn terminal(devices: &mut Devices, view: &mut Screen, until: Option<Duration>, recorder: Option<&Recorder>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("the terminal: {error}; --no-tui needs none");
    let mut terminal = ratatui::try_init().map_err(failed)?;
    let mut last = Instant::now();
    let result = loop {
        if over(&devices.status, devices.origin, until) {
            break Ok(());
        }
        for text in devices.look(recorder) {
            view.say(&text);
        }
        view.read(&devices.status, last.elapsed());
        last = Instant::now();
        if let Err(error) = terminal.draw(|frame| view.draw(frame, &devices.status)) {
            break Err(failed(error));
        }
        match key() {
            Ok(Some(act)) if view.act(act, &devices.status) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(failed(error)),
        }
    };
    ratatui::restore();
    result
}

/// The key that was pressed within the time of a look.
fn key() -> std::io::Result<Option<Act>> {
    if !event::poll(LOOK)? {
        return Ok(None);
    }
    let event::Event::Key(key) = event::read()? else { return Ok(None) };
    if key.kind == KeyEventKind::Release {
        return Ok(None);
    }
    Ok(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Act::Quit),
        KeyCode::Char('b') => Some(Act::Bypass),
        KeyCode::Char('l') => Some(Act::Listen),
        KeyCode::Char('p') => Some(Act::Preset(true)),
        KeyCode::Char('P') => Some(Act::Preset(false)),
        KeyCode::Char('c') => Some(Act::Clear),
        KeyCode::Char('q') | KeyCode::Esc => Some(Act::Quit),
        KeyCode::Down => Some(Act::Select(true)),
        KeyCode::Up => Some(Act::Select(false)),
        KeyCode::Right => Some(Act::Change(true)),
        KeyCode::Left => Some(Act::Change(false)),
        _ => None,
    })
}
