//! Many files on many threads, and what is told meanwhile.

use super::archive::Standing;
use super::failure::Failure;
use super::job::{Options, Outcome, Task, Worker};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Steps of the progress bar to one byte of input, so that a small file moves it, too.
const STEPS: u64 = 16;

/// What became of a task; a failure comes with the file it is about.
pub type Rendered = Result<Outcome, (PathBuf, Failure)>;
/// What became of the tasks, in their order.
pub type Outcomes = Vec<Rendered>;

/// Where lines go.
pub struct Console {
    bar: Option<ProgressBar>,
    quiet: bool,
}

impl Console {
    /// A console; with a bar when standard error is a terminal.
    pub fn new(total: u64, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total * STEPS), ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} elapsed, {eta} left  {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, quiet }
    }

    /// Shows the share of the work that is done, 0 to 1, of a console made for 1.
    pub fn at(&self, share: f64) {
        if let Some(bar) = &self.bar {
            bar.set_position((share * STEPS as f64) as u64);
        }
    }

    /// A line of what is done.
    pub fn line(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// A line that should not be overlooked.
    pub fn warn(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line on standard output. That nobody reads it (`| head`) is no reason to stop.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Renders the tasks on `jobs` threads.
pub fn run(tasks: &[Task], options: &Options, jobs: usize, quiet: bool) -> Outcomes {
    let sizes: Vec<u64> = tasks.iter().map(|task| std::fs::metadata(&task.input).map_or(0, |metadata| metadata.len())).collect();
    let console = Console::new(sizes.iter().sum(), quiet);
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<(usize, Rendered)>> = Mutex::new(Vec::new());
    // A panic is a mistake of the program, and becomes a line about its file.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, tasks.len().max(1)) {
            scope.spawn(|| {
                let mut worker = Worker::default();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(task) = tasks.get(index) else { break };
                    let outcome = one(&mut worker, task, options, &console, sizes[index]);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((index, outcome));
                }
            });
        }
    });
    std::panic::set_hook(hook);
    drop(console);
    let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn one(worker: &mut Worker, task: &Task, options: &Options, console: &Console, size: u64) -> Rendered {
    let shown = std::cell::Cell::new(0_u64);
    let progress = |share: f64| {
        if let Some(bar) = &console.bar {
            let now = (share * (size * STEPS) as f64) as u64;
            bar.inc(now.saturating_sub(shown.replace(now)));
        }
    };
    if let Some(archive) = &options.archive {
        match archive.standing(task, options.overwrite, &options.sides(task)) {
            Standing::Done(outcome) => {
                progress(1.0);
                return Ok(*outcome);
            }
            Standing::Other(failure) => return Err((failure.path().unwrap_or(&task.input).to_owned(), failure)),
            Standing::Open => {}
        }
    }
    let rendered = catch_unwind(AssertUnwindSafe(|| worker.render(task, options, &progress))).unwrap_or_else(|_| {
        *worker = Worker::default();
        Err(Failure::new("made the program fail; please report this with the file, and convert it to WAV meanwhile"))
    });
    progress(1.0);
    match rendered {
        Ok(outcome) => {
            for warning in &outcome.warnings {
                console.warn(&format!("warning: {}: {warning}", task.input.display()));
            }
            let speed = if outcome.took > 0.0 { outcome.seconds / outcome.took } else { 0.0 };
            console.line(&format!(
                "{} -> {} ({:.1} s, {speed:.0} x real time)",
                task.input.display(),
                task.output.display(),
                outcome.seconds
            ));
            Ok(outcome)
        }
        Err(failure) => Err((failure.path().unwrap_or(&task.input).to_owned(), failure)),
    }
}
