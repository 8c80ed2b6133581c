//! What a person sees and does: meters, gain by stage, delay, counters, and keys.

use crate::engines::Entry;
use crate::status::{Link, STAGES, Status, Values};
use dsp_core::params::{self, Kind, Param};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Lowest level of a meter in dBFS.
const FLOOR: f32 = -60.0;
/// Gain at the end of a stage's bar in dB.
const DEEPEST: f32 = -24.0;
/// How fast a meter falls, in dB per second.
const FALL: f32 = 30.0;
/// Steps over the range of a parameter that is changed by keys.
const STEPS: f32 = 40.0;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Engine on or off, at the same delay.
    Bypass,
    /// Hear what is taken away.
    Listen,
    /// The next preset, or the one before.
    Preset(bool),
    /// The parameter below, or above.
    Select(bool),
    /// More of it, or less.
    Change(bool),
    /// All counters to 0.
    Clear,
    /// End.
    Quit,
}

/// The keys with what is written below the screen.
pub const KEYS: &[(&str, &str)] = &[
    ("b", "bypass"),
    ("l", "listen"),
    ("p P", "preset"),
    ("\u{2191}\u{2193}", "control"),
    ("\u{2190}\u{2192}", "change"),
    ("c", "clear"),
    ("q", "quit"),
];

/// A meter with the fall of a needle.
#[derive(Clone, Copy, Debug)]
struct Needle {
    db: f32,
}

impl Needle {
    fn read(&mut self, peak: f32, elapsed: f32) -> f32 {
        let db = if peak > 0.0 { 20.0 * peak.log10() } else { f32::NEG_INFINITY };
        self.db = db.max(self.db - FALL * elapsed).max(FLOOR - 20.0);
        self.db
    }
}

/// The state of what is shown.
pub struct Screen {
    entry: &'static Entry,
    values: std::sync::Arc<Values>,
    names: [String; 2],
    system: String,
    preset: Option<usize>,
    selected: usize,
    input: Needle,
    output: Needle,
    stages: [f32; STAGES],
    message: String,
    recording: Option<String>,
    since: Duration,
    cleared: Counts,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Times that the output had no sound in time.
    pub dropouts: u64,
    /// Those of them before which the system held the engine's thread up.
    pub held_up: u64,
    /// Frames that were missing then.
    pub missing: u64,
    /// Model steps that came late; the sound passed unprocessed.
    pub late: u64,
    /// Times that the input's ring was full.
    pub overflows: u64,
    /// Losses that the devices told of: input, output.
    pub xruns: [u64; 2],
    /// Times that the delay was set anew.
    pub realigned: u64,
    /// Frames that the recorder did not take.
    pub unrecorded: u64,
}

impl Counts {
    /// Reads the counters.
    pub fn of(status: &Status) -> Self {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            dropouts: read(&status.played.events),
            held_up: read(&status.held_up),
            missing: read(&status.played.frames),
            late: read(&status.late),
            overflows: read(&status.captured.events),
            xruns: [read(&status.captured.xruns), read(&status.played.xruns)],
            realigned: read(&status.realigned),
            unrecorded: read(&status.unrecorded),
        }
    }

    /// What was counted since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            dropouts: self.dropouts.saturating_sub(before.dropouts),
            held_up: self.held_up.saturating_sub(before.held_up),
            missing: self.missing.saturating_sub(before.missing),
            late: self.late.saturating_sub(before.late),
            overflows: self.overflows.saturating_sub(before.overflows),
            xruns: [self.xruns[0].saturating_sub(before.xruns[0]), self.xruns[1].saturating_sub(before.xruns[1])],
            realigned: self.realigned.saturating_sub(before.realigned),
            unrecorded: self.unrecorded.saturating_sub(before.unrecorded),
        }
    }

    /// One line of them.
    pub fn line(&self) -> String {
        let mut text = format!("drop-outs {} ({} frames), late frames {}", self.dropouts, self.missing, self.late);
        for (count, what) in [
            (self.held_up, "drop-outs by hold-ups of the system"),
            (self.overflows, "input overflows"),
            (self.xruns[0], "losses told by the input"),
            (self.xruns[1], "losses told by the output"),
            (self.realigned, "delay set anew"),
            (self.unrecorded, "frames not recorded"),
        ] {
            if count > 0 {
                text.push_str(&format!(", {what} {count}"));
            }
        }
        text
    }
}

/// Delay in words: the sum, and what it is made of.
pub fn delay(status: &Status) -> String {
    let (whole, engine) = (status.delay_us.load(Ordering::Relaxed), status.engine_us.load(Ordering::Relaxed));
    if whole == 0 {
        return "no sound flows yet".to_owned();
    }
    let ms = |us: u32| f64::from(us) / 1_000.0;
    let samples = status.delay_samples.load(Ordering::Relaxed);
    format!("{:.1} ms ({samples} samples): engine {:.1}, buffers {:.1}", ms(whole), ms(engine), ms(whole.saturating_sub(engine)))
}

/// Delay that the devices tell of, in words.
pub fn devices_delay(status: &Status) -> String {
    let ms = |us: u32| f64::from(us) / 1_000.0;
    let (input, output) = (status.captured.device_us.load(Ordering::Relaxed), status.played.device_us.load(Ordering::Relaxed));
    format!("devices tell {:.1} ms before and {:.1} ms after", ms(input), ms(output))
}

/// Level in words.
pub fn level(db: f32) -> String {
    if db < FLOOR - 15.0 { "  -inf".to_owned() } else { format!("{db:6.1}") }
}

fn bar(share: f32, width: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * width as f32 * 8.0).round() as usize;
    const PARTS: [&str; 8] = ["", "\u{258F}", "\u{258E}", "\u{258D}", "\u{258C}", "\u{258B}", "\u{258A}", "\u{2589}"];
    let (whole, rest) = (eighths / 8, eighths % 8);
    let mut text = "\u{2588}".repeat(whole);
    text.push_str(PARTS[rest]);
    let shown = whole + usize::from(rest > 0);
    text.push_str(&" ".repeat(width.saturating_sub(shown)));
    text
}

fn link(link: Link) -> (&'static str, Color) {
    match link {
        Link::Missing => ("missing", Color::Red),
        Link::Waiting => ("waiting", Color::Yellow),
        Link::Running => ("running", Color::Green),
    }
}

impl Screen {
    /// A screen for an engine between two devices.
    pub fn new(entry: &'static Entry, values: std::sync::Arc<Values>, system: &str, names: [String; 2], recording: Option<String>) -> Self {
        let silent = Needle { db: FLOOR - 20.0 };
        Self {
            entry,
            values,
            names,
            system: system.to_owned(),
            preset: None,
            selected: 0,
            input: silent,
            output: silent,
            stages: [0.0; STAGES],
            message: String::new(),
            recording,
            since: Duration::ZERO,
            cleared: Counts::default(),
        }
    }

    /// Something that a person must know.
    pub fn say(&mut self, text: &str) {
        text.clone_into(&mut self.message);
    }

    /// What was said last.
    pub fn message(&self) -> &str {
        &self.message
    }

    fn toggle(&mut self, id: &str) {
        match params::index_of(self.entry.params, id) {
            Ok(index) => {
                let on = self.values.get(index) < 0.5;
                self.values.set(index, f32::from(u8::from(on)));
                self.message = format!("{} {}", self.entry.params[index].name, if on { "on" } else { "off" });
            }
            Err(_) => self.message = format!("{} has no {id}", self.entry.name),
        }
    }

    /// True while a switch of the engine is on.
    pub fn is_on(&self, id: &str) -> bool {
        params::index_of(self.entry.params, id).is_ok_and(|index| self.values.get(index) >= 0.5)
    }

    /// Does what a key asks. True when it is the end.
    pub fn act(&mut self, act: Act, status: &Status) -> bool {
        let controls = self.entry.params.len();
        match act {
            Act::Bypass => self.toggle("bypass"),
            Act::Listen => self.toggle("listen"),
            Act::Preset(forward) => self.next_preset(forward),
            Act::Select(_) if controls == 0 => {}
            Act::Select(down) => {
                self.selected = if down { (self.selected + 1) % controls } else { (self.selected + controls - 1) % controls }
            }
            Act::Change(up) => {
                if let Some(param) = self.entry.params.get(self.selected) {
                    let value = changed(param, self.values.get(self.selected), up);
                    self.values.set(self.selected, value);
                }
            }
            Act::Clear => {
                self.cleared = Counts::of(status);
                status.slowest_us.store(0, Ordering::Relaxed);
                status.worst_error_us.store(0, Ordering::Relaxed);
                self.message = "counters cleared".to_owned();
            }
            Act::Quit => return true,
        }
        false
    }

    fn next_preset(&mut self, forward: bool) {
        let presets = self.entry.presets;
        if presets.is_empty() {
            self.message = format!("{} has no presets", self.entry.name);
            return;
        }
        let next = match (self.preset, forward) {
            (None, true) => 0,
            (None, false) => presets.len() - 1,
            (Some(at), true) => (at + 1) % presets.len(),
            (Some(at), false) => (at + presets.len() - 1) % presets.len(),
        };
        self.preset = Some(next);
        if let Some(mut values) = (self.entry.factory)(presets[next].0) {
            // Bypass and listening are how one hears, not what a preset is about.
            for id in ["bypass", "listen"] {
                if let Ok(index) = params::index_of(self.entry.params, id) {
                    values[index] = self.values.get(index);
                }
            }
            self.values.set_all(&values);
            self.message = format!("preset: {}", presets[next].0);
        }
    }

    /// Takes the readings of the time since the last call. Gives levels of input and output in dBFS.
    pub fn read(&mut self, status: &Status, elapsed: Duration) -> [f32; 2] {
        self.since += elapsed;
        let seconds = elapsed.as_secs_f32();
        for (shown, stage) in self.stages.iter_mut().zip(&status.stages) {
            *shown = stage.get();
        }
        [self.input.read(status.input.take(), seconds), self.output.read(status.output.take(), seconds)]
    }

    /// One line for who has no screen.
    pub fn line(&self, status: &Status, levels: [f32; 2]) -> String {
        let mut text = format!(
            "{:>6.1} s  in {} dB {}  out {} dB {}",
            self.since.as_secs_f32(),
            level(levels[0]),
            link(status.input_link.get()).0,
            level(levels[1]),
            link(status.output_link.get()).0
        );
        for (name, gain) in self.entry.more.iter().zip(&self.stages) {
            text.push_str(&format!("  {name} {gain:.1}"));
        }
        text.push_str(&format!("  delay {:.1} ms", f64::from(status.delay_us.load(Ordering::Relaxed)) / 1_000.0));
        text.push_str(&format!("  {}", Counts::of(status).since(self.cleared).line()));
        text
    }

    /// Draws all.
    pub fn draw(&self, frame: &mut Frame<'_>, status: &Status) {
        let stages = self.entry.more.len() as u16;
        let controls = self.entry.params.len() as u16;
        let rows = [
            Constraint::Length(4),
            Constraint::Length(4),
            Constraint::Length(if stages > 0 { stages + 2 } else { 0 }),
            Constraint::Length(5),
            Constraint::Min((controls + 2).min(6)),
            Constraint::Length(1),
            Constraint::Length(1),
        ];
        let [head, meters, gains, counters, table, message, keys] = Layout::vertical(rows).areas(frame.area());
        self.draw_head(frame, head, status);
        self.draw_meters(frame, meters);
        if stages > 0 {
            self.draw_gains(frame, gains);
        }
        self.draw_counters(frame, counters, status);
        self.draw_controls(frame, table);
        frame.render_widget(Paragraph::new(self.message.as_str()).yellow(), message);
        let mut spans = Vec::new();
        for (key, does) in KEYS {
            spans.push(Span::from(format!(" {key} ")).reversed());
            spans.push(Span::from(format!(" {does}  ")));
        }
        frame.render_widget(Paragraph::new(Line::from(spans)), keys);
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect, status: &Status) {
        let mut title = format!(" Plainsong live: {} ", self.entry.name);
        for (id, word) in [("bypass", "BYPASS "), ("listen", "LISTEN ")] {
            if self.is_on(id) {
                title.push_str(word);
            }
        }
        if self.recording.is_some() {
            title.push_str("\u{25CF} REC ");
        }
        let row = |what: &'static str, name: &str, state: Link| {
            let (word, color) = link(state);
            Line::from(vec![Span::from(format!("{what:<7}")), Span::from(format!("{word:<9}")).fg(color), Span::from(name.to_owned())])
        };
        let lines = vec![row("input", &self.names[0], status.input_link.get()), row("output", &self.names[1], status.output_link.get())];
        let block = Block::bordered().title(title).title_bottom(format!(" {} ", self.system));
        frame.render_widget(Paragraph::new(lines).block(block), area);
    }

    fn draw_meters(&self, frame: &mut Frame<'_>, area: Rect) {
        let width = usize::from(area.width.saturating_sub(20));
        let row = |what: &'static str, db: f32| {
            let share = (db - FLOOR) / -FLOOR;
            let color = if db > -1.0 {
                Color::Red
            } else if db > -12.0 {
                Color::Yellow
            } else {
                Color::Green
            };
            Line::from(vec![
                Span::from(format!("{what:<7}")),
                Span::from(bar(share, width)).fg(color),
                Span::from(format!(" {} dB", level(db))),
            ])
        };
        let lines = vec![row("input", self.input.db), row("output", self.output.db)];
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Level ")), area);
    }

    fn draw_gains(&self, frame: &mut Frame<'_>, area: Rect) {
        let width = usize::from(area.width.saturating_sub(27));
        let row = |(name, gain): (&&'static str, &f32)| {
            let up = *gain > 0.0;
            let share = if up { gain / -DEEPEST } else { gain / DEEPEST };
            let color = if up { Color::Magenta } else { Color::Cyan };
            Line::from(vec![
                Span::from(format!("{name:<14}")),
                Span::from(bar(share, width)).fg(color),
                Span::from(format!(" {gain:6.1} dB")),
            ])
        };
        let lines: Vec<Line<'_>> = self.entry.more.iter().zip(&self.stages).map(row).collect();
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Gain by stage ")), area);
    }

    fn draw_counters(&self, frame: &mut Frame<'_>, area: Rect, status: &Status) {
        let counts = Counts::of(status).since(self.cleared);
        let bad = counts != Counts::default();
        let slowest = f64::from(status.slowest_us.load(Ordering::Relaxed)) / 1_000.0;
        let drift = status.drift_ppm.get();
        let lines = vec![
            Line::from(format!("delay {}; {}", delay(status), devices_delay(status))),
            Line::from(counts.line()).style(if bad { Style::new().fg(Color::Red) } else { Style::new() }),
            Line::from(format!(
                "clocks differ by {drift:.0} ppm, delay off by {} us; slowest work {slowest:.2} ms",
                status.error_us.load(Ordering::Relaxed)
            )),
        ];
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Time ")), area);
    }

    fn draw_controls(&self, frame: &mut Frame<'_>, area: Rect) {
        let rows = usize::from(area.height.saturating_sub(2)).max(1);
        let first = (self.selected + 1).saturating_sub(rows);
        let shown = self.entry.params.iter().enumerate().skip(first).take(rows);
        let lines: Vec<Line<'_>> = shown
            .map(|(index, param)| {
                let text = format!("{:<24} {}", param.name, param.format(self.values.get(index)));
                let style = if index == self.selected { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
                Line::from(text).style(style)
            })
            .collect();
        let title = self.preset.map_or(" Controls ".to_owned(), |at| format!(" Controls: {} ", self.entry.presets[at].0));
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), area);
    }
}

/// One step of a parameter.
fn changed(param: &Param, value: f32, up: bool) -> f32 {
    let (min, max) = param.range();
    let step = match param.kind {
        Kind::Float { .. } => (max - min) / STEPS,
        Kind::Choice { .. } | Kind::Switch { .. } => 1.0,
    };
    param.clamp(if up { value + step } else { value - step })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::sync::Arc;

    fn drawn(screen: &Screen, status: &Status, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| screen.draw(frame, status)).expect("a drawing");
        terminal.backend().to_string()
    }

    fn screen(engine: &str) -> (Screen, Arc<Values>) {
        let entry = engines::find(engine).expect("an engine");
        let values = Arc::new(Values::new(&params::defaults(entry.params)));
        (Screen::new(entry, values.clone(), "JACK", ["Mic".into(), "Speaker".into()], Some("a.flac".into())), values)
    }

    #[test]
    fn everything_asked_for_is_on_the_screen() {
        let (mut screen, _) = screen("denoise");
        let status = Status::default();
        status.input.note(0.5);
        status.output.note(0.25);
        status.stages[0].set(-12.5);
        status.late.store(3, Ordering::Relaxed);
        status.played.events.store(2, Ordering::Relaxed);
        status.delay_us.store(31_000, Ordering::Relaxed);
        status.engine_us.store(20_000, Ordering::Relaxed);
        status.delay_samples.store(1_488, Ordering::Relaxed);
        status.output_link.set(Link::Running);
        screen.read(&status, Duration::from_millis(50));
        screen.act(Act::Bypass, &status);
        let text = drawn(&screen, &status, 110, 36);
        for part in [
            "denoise",
            "Mic",
            "Speaker",
            "missing",
            "running",
            "-6.0 dB",
            "-12.0 dB",
            "-12.5 dB",
            "31.0 ms (1488 samples)",
            "engine 20.0",
            "drop-outs 2",
            "late frames 3",
            "BYPASS",
            "REC",
            "quit",
            "Bypass",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        screen.act(Act::Clear, &status);
        assert!(drawn(&screen, &status, 110, 36).contains("drop-outs 0"));
        // A small window draws what fits.
        for (width, height) in [(1, 1), (20, 5), (40, 10), (300, 100)] {
            drawn(&screen, &status, width, height);
        }
    }

    #[test]
    fn keys_change_the_engine() {
        for entry in engines::ENGINES {
            let (mut screen, values) = screen(entry.name);
            let status = Status::default();
            for _ in 0..2 * entry.params.len() {
                let index = screen.selected;
                let before = values.get(index);
                assert!(!screen.act(Act::Change(true), &status));
                screen.act(Act::Change(false), &status);
                screen.act(Act::Change(false), &status);
                let (min, _) = entry.params[index].range();
                assert!(values.get(index) < before || before == min, "{} {}", entry.name, entry.params[index].id);
                screen.act(Act::Select(true), &status);
            }
            assert_eq!(screen.selected, 0);
            screen.act(Act::Bypass, &status);
            let bypassed = screen.is_on("bypass");
            for (name, _) in entry.presets {
                screen.act(Act::Preset(true), &status);
                assert!(screen.message().contains(name));
                assert_eq!(screen.is_on("bypass"), bypassed, "a preset leaves bypass alone");
            }
            screen.act(Act::Listen, &status);
            assert!(screen.act(Act::Quit, &status));
        }
    }
}
