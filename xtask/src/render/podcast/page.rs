//! The page of an episode: what was heard, done and cut, in pictures and words, with players.

use super::edit::Edit;
use super::land::{Curve, Goal, Landed, STEP};
use super::silence::Heard;
use super::tap::{Gain, Tap};
use super::target::Target;
use super::{Many, read_part};
use crate::render::engine::Model;
use crate::render::failure::Failure;
use crate::render::opus::OpusSink;
use crate::render::page::{Cell, Page};
use crate::render::picture;
use crate::render::source::{Depth, Info};
use crate::render::spectra::Spectra;
use crate::render::svg::{Axis, Drawing, LEFT, WIDTH};
use dsp_core::engines::podcast::{COUNT, STAGES};
use std::path::Path;

/// Files up to so many seconds can be heard whole on the page; of longer ones an excerpt of the other length.
const WHOLE: f64 = 150.0;
const EXCERPT: f64 = 60.0;
/// Bits a second of what is heard on the page, by channels.
const BITRATES: [u32; 2] = [48_000, 80_000];
/// Points of a curve at most: more are not seen.
const POINTS: usize = 900;
/// Size of a spectrogram in pixels.
const SPECTROGRAM: (usize, usize) = (852, 180);
/// Loudness that is shown, LUFS.
const SHOWN: (f64, f64) = (-48.0, -6.0);
/// Gains that a stage shows at least, dB.
const LEAST_GAIN: f64 = 6.0;
/// Cuts that are not folded away.
const UNFOLDED: usize = 12;

/// What a page tells.
pub struct Story<'a> {
    /// Name of the file.
    pub title: &'a str,
    /// Where it goes, where that was not set by hand.
    pub target: Option<&'static Target>,
    /// What was to be reached.
    pub goal: &'a Goal,
    /// Length of the input.
    pub seconds: f64,
    /// Loudness of the input.
    pub curve: Option<&'a Curve>,
    /// What became of it.
    pub landed: &'a Landed,
    /// The cuts, and whether they were made.
    pub edit: &'a Edit,
    /// They were made.
    pub made: bool,
    /// What the chain told.
    pub tap: &'a Tap,
    /// Spectra before and behind the chain.
    pub spectra: Option<&'a [Spectra; 2]>,
    /// Ids and hashes of the models.
    pub models: &'a [Model],
    /// Settings that differ from the defaults.
    pub settings: &'a str,
    /// What should not be overlooked.
    pub warnings: &'a [String],
    /// Sample rate of the input in hertz.
    pub rate: u32,
    /// What is heard of the input, as Opus.
    pub before: Vec<u8>,
    /// From and to in seconds of the input.
    pub excerpt: (f64, f64),
    /// The tracks, where there are many.
    pub many: Option<&'a Many<'a>>,
}

/// The part of a programme that is heard on the page: all of a short one, else where most is said.
pub fn excerpt(frames: &[Heard], seconds: f64) -> (f64, f64) {
    if seconds <= WHOLE {
        return (0.0, seconds);
    }
    let window = (EXCERPT / super::silence::HOP) as usize;
    let step = window / 4;
    let said = |from: usize| frames[from..(from + window).min(frames.len())].iter().map(|frame| frame.speech).sum::<f32>();
    let starts = (0..frames.len().saturating_sub(window) / step.max(1) + 1).map(|n| n * step);
    let best =
        starts.map(|from| (said(from), from)).fold((f32::NEG_INFINITY, 0), |best, next| if next.0 > best.0 + 1.0 { next } else { best });
    let from = best.1 as f64 * super::silence::HOP;
    (from, (from + EXCERPT).min(seconds))
}

/// Sound as Ogg Opus.
///
/// # Errors
/// When it cannot be encoded.
pub fn player(audio: &[Vec<f32>], rate: u32) -> Result<Vec<u8>, Failure> {
    // Browsers play two channels; of more the first two are heard.
    let audio = &audio[..audio.len().min(2)];
    let info = Info {
        rate,
        channels: audio.len(),
        frames: None,
        depth: Depth::F32,
        container: "opus",
        mask: None,
        chunks: None,
        flac_blocks: Vec::new(),
        tags: Vec::new(),
        extras: Default::default(),
        warning: None,
    };
    let mut sink = OpusSink::new(Vec::new(), &info, BITRATES.get(audio.len().wrapping_sub(1)).copied())?;
    sink.write(&audio.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    Ok(sink.finish()?.0)
}

/// What is heard of the input.
///
/// # Errors
/// When it cannot be read again.
pub fn before_player(path: &Path, info: &Info, part: (f64, f64)) -> Result<Vec<u8>, Failure> {
    player(&read_part(path, info, part)?, info.rate)
}

fn level(value: Option<f64>, decimals: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// A time as hours, minutes, seconds.
pub fn clock(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() as u64;
    let (whole, rest) = (tenths / 10, tenths % 10);
    if whole >= 3_600 {
        format!("{}:{:02}:{:02}.{rest}", whole / 3_600, whole / 60 % 60, whole % 60)
    } else {
        format!("{}:{:02}.{rest}", whole / 60, whole % 60)
    }
}

/// Every n-th point, so that few enough are left.
fn thinned(points: &[(f32, f32)]) -> impl Iterator<Item = (f64, f64)> {
    let every = points.len().div_ceil(POINTS).max(1);
    points.chunks(every).map(|chunk| {
        let mean = chunk.iter().map(|point| point.1).sum::<f32>() / chunk.len() as f32;
        (f64::from(chunk[0].0), f64::from(mean))
    })
}

/// The page as HTML, with everything in it.
///
/// # Errors
/// When a picture cannot be encoded.
pub fn write(story: &Story<'_>) -> Result<String, Failure> {
    let target = story.target.map(|target| format!("for {}", target.name));
    let length = format!("{} at {} Hz", clock(story.seconds), story.rate);
    let about: Vec<String> = target.into_iter().chain([length, story.settings.to_owned()]).collect();
    let mut page = Page::new(&format!("Episode {}", story.title), &about.join(" | "));
    page.notes(story.warnings.iter().map(|line| format!("The recording {line}.")));
    listen(&mut page, story)?;
    loudness(&mut page, story);
    match story.many {
        Some(many) => (many.sections)(&mut page),
        None => timeline(&mut page, story),
    }
    spectrograms(&mut page, story)?;
    if story.many.is_none() {
        stages(&mut page, story);
    }
    cuts(&mut page, story);
    let models: Vec<String> = story.models.iter().map(|model| format!("Model {}, SHA-256 {}.", model.id, model.sha256)).collect();
    Ok(page.finish(&models.join(" ")))
}

fn listen(page: &mut Page, story: &Story<'_>) -> Result<(), Failure> {
    let (from, to) = story.excerpt;
    let rate = (f64::from(story.rate)).max(1.0) as u32;
    let after = player(&story.landed.excerpt, rate)?;
    let part = if from == 0.0 && to >= story.seconds { "all of it".to_owned() } else { format!("{} to {}", clock(from), clock(to)) };
    page.heading("Listen");
    let captions = (format!("Before: {part}"), format!("After: {part}, levels as they are"));
    page.players(&[(&captions.0, story.before.clone()), (&captions.1, after)]);
    Ok(())
}

fn loudness(page: &mut Page, story: &Story<'_>) {
    let before = story.curve.map(Curve::reading).unwrap_or_default();
    let after = &story.landed.reading;
    let goal = story.goal;
    let rows = [
        ("Integrated loudness, LUFS", level(before.integrated, 1), level(goal.loudness, 1), level(after.integrated, 2)),
        ("True peak, dBTP", level(before.true_peak, 1), level(goal.loudness.map(|_| goal.ceiling), 1), level(after.true_peak, 2)),
        ("Loudness range, LU", level(before.range, 1), String::new(), level(after.range, 1)),
        (
            "Limiter where it is loud, mean / deep, dB",
            String::new(),
            String::new(),
            format!("{:.1} / {:.1}", story.landed.reduction.0, story.landed.reduction.1),
        ),
    ];
    page.heading("Loudness");
    let head = [Cell::text(""), Cell::number("before"), Cell::number("asked"), Cell::number("after")];
    let row = |(name, before, asked, after): (&str, String, String, String)| {
        vec![Cell::text(name), Cell::number(before), Cell::number(asked), Cell::number(after)]
    };
    page.table(&head, rows.into_iter().map(row));
    page.key(&[("before", "--c"), ("asked", "--b"), ("after", "--a")], "short-term loudness (3 s) in LUFS, in the time of the recording");
    let mut drawing = Drawing::new("Loudness over time", Axis::time(story.seconds), Axis::even(SHOWN.0, SHOWN.1, 6.0), 260.0);
    shade(&mut drawing, story, SHOWN);
    // Points that stand apart by more than this are not joined.
    let gap = (story.seconds / POINTS as f64).max(STEP) * 4.0;
    if let Some(curve) = story.curve {
        drawing.line("before", thinned(&curve.points), gap);
    }
    if let Some(asked) = goal.loudness {
        drawing.line("target", [(0.0, asked), (story.seconds, asked)].into_iter(), f64::INFINITY);
    }
    drawing.line("after", thinned(&story.landed.curve), gap);
    page.drawing(&drawing.finish());
}

/// What goes, as shades.
fn shade(drawing: &mut Drawing, story: &Story<'_>, range: (f64, f64)) {
    let rate = f64::from(story.rate);
    for cut in &story.edit.cuts {
        drawing.bar("shade", cut.from as f64 / rate, cut.to as f64 / rate, range.0, range.1);
    }
}

fn timeline(page: &mut Page, story: &Story<'_>) {
    page.heading("What was heard");
    page.key(
        &[("speech", "--a"), ("music", "--d"), ("noise", "--c"), ("cut", "--b")],
        &format!("the stages stepped back for music for {:.0} % of the time", 100.0 * story.tap.stepped_back()),
    );
    let lanes = ["cut", "noise", "music", "speech"];
    let marks = lanes.iter().enumerate().map(|(lane, name)| (lane as f64 + 0.5, (*name).to_owned())).collect();
    let axis = Axis { low: 0.0, high: lanes.len() as f64, log: false, marks };
    let mut drawing = Drawing::new("Speech, music, noise and cuts over time", Axis::time(story.seconds), axis, 140.0);
    for ((class, lane), spans) in [("speech", 3.0), ("music", 2.0), ("noise", 1.0)].into_iter().zip(story.tap.events(story.seconds)) {
        spans.iter().for_each(|span| drawing.bar(class, span.start, span.end, lane + 0.15, lane + 0.85));
    }
    let rate = f64::from(story.rate);
    for cut in &story.edit.cuts {
        drawing.bar("gone", cut.from as f64 / rate, cut.to as f64 / rate, 0.15, 0.85);
    }
    page.drawing(&drawing.finish());
}

fn spectrograms(page: &mut Page, story: &Story<'_>) -> Result<(), Failure> {
    let Some(spectra) = story.spectra else { return Ok(()) };
    page.heading("Spectrograms");
    // Behind the chain comes only a gain and a limiter: the gain is what is seen.
    let gains = [0.0, story.landed.gain_db as f32];
    for ((name, spectra), gain) in ["Before", "After, before cuts"].into_iter().zip(spectra).zip(gains) {
        page.line(name);
        let rows = |hz: f32| f64::from(crate::render::spectra::row_of(hz, story.rate as f32)) / crate::render::spectra::ROWS as f64;
        let names = [100.0_f32, 300.0, 1_000.0, 3_000.0, 10_000.0].into_iter().filter(|hz| *hz < story.rate as f32 / 2.0);
        let marks = names.map(|hz| (rows(hz), if hz >= 1_000.0 { format!("{}k", hz / 1_000.0) } else { format!("{hz}") })).collect();
        let axis = Axis { low: 0.0, high: 1.0, log: false, marks };
        let mut drawing = Drawing::new(name, Axis::time(story.seconds), axis, SPECTROGRAM.1 as f64 + 40.0);
        drawing.image(&picture::spectrogram(&spectra.map, SPECTROGRAM.0.min((WIDTH - LEFT) as usize), SPECTROGRAM.1, gain)?);
        page.drawing(&drawing.finish());
    }
    Ok(())
}

fn stages(page: &mut Page, story: &Story<'_>) {
    page.heading("Gain by stage");
    page.line(
        "Mean gain of each half second in dB, in the order in which the sound passes them; the leveller raises, the others mostly take.",
    );
    let gains: Vec<(f64, &[Gain; COUNT])> = story.tap.gains().collect();
    let every = gains.len().div_ceil(POINTS).max(1);
    for (stage, total) in story.tap.totals().into_iter().enumerate() {
        let name = STAGES[stage].name;
        let is_limiter = STAGES[stage].id == "limiter";
        if is_limiter && story.goal.loudness.is_some() {
            // The chain's own limiter is off; the last one is told of under loudness.
            continue;
        }
        let value = |gain: &Gain| f64::from(if is_limiter { gain.lowest } else { gain.mean });
        let points: Vec<(f64, f64)> = gains
            .chunks(every)
            .map(|chunk| (chunk[0].0, chunk.iter().map(|(_, gains)| value(&gains[stage])).sum::<f64>() / chunk.len() as f64))
            .collect();
        let (mut low, mut high) = points.iter().fold((0.0_f64, 0.0_f64), |(low, high), &(_, gain)| (low.min(gain), high.max(gain)));
        (low, high) = ((low / LEAST_GAIN).floor() * LEAST_GAIN, (high / LEAST_GAIN).ceil() * LEAST_GAIN);
        if high - low < LEAST_GAIN {
            low = high - LEAST_GAIN;
        }
        page.line(&format!("{name}: mean {:+.1} dB, deepest {:+.1} dB", total.1, total.2));
        let step = if high - low > 18.0 { 12.0 } else { 6.0 };
        let mut drawing = Drawing::new(name, Axis::time(story.seconds), Axis::even(low, high, step), 110.0);
        let width = every as f64 * 0.5;
        for &(at, gain) in &points {
            drawing.bar("gain", at - 0.25, at - 0.25 + width, gain.min(0.0), gain.max(0.0));
        }
        page.drawing(&drawing.finish());
    }
}

fn cuts(page: &mut Page, story: &Story<'_>) {
    let cuts = &story.edit.cuts;
    if cuts.is_empty() {
        return;
    }
    let rate = f64::from(story.rate);
    page.heading("Cuts");
    let removed = story.edit.removed() as f64 / rate;
    let verb = if story.made { "were taken out" } else { "would be taken out (only marked here)" };
    page.line(&format!("{} silences, {} of {} {verb}.", cuts.len(), clock(removed), clock(story.seconds)));
    let head = ["#", "from", "to", "taken out", "silence before", "place in the result"].map(Cell::number);
    let rows = cuts.iter().enumerate().map(|(index, cut)| {
        let silence = cut.silence.end - cut.silence.start;
        [
            format!("{}", index + 1),
            clock(cut.from as f64 / rate),
            clock(cut.to as f64 / rate),
            format!("{:.2} s", (cut.to - cut.from) as f64 / rate),
            format!("{silence:.2} s"),
            clock(story.edit.place_of(cut.from) as f64 / rate),
        ]
        .map(Cell::number)
        .to_vec()
    });
    if cuts.len() > UNFOLDED {
        page.folded(&format!("All {} cuts", cuts.len()), |page| page.table(&head, rows));
    } else {
        page.table(&head, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_is_where_most_is_said() {
        let frame = |speech| Heard { speech, ..Heard::default() };
        let frames: Vec<Heard> = (0..60_000).map(|n| frame(if (30_000..40_000).contains(&n) { 0.9 } else { 0.1 })).collect();
        let (from, to) = excerpt(&frames, 600.0);
        assert!((300.0..=340.0).contains(&from) && (to - from - EXCERPT).abs() < 1e-9, "{from} {to}");
        assert_eq!(excerpt(&frames[..100], 1.0), (0.0, 1.0));
        assert_eq!(excerpt(&[], 600.0), (0.0, 60.0));
    }

    #[test]
    fn times_are_read_by_people() {
        assert_eq!([clock(0.04), clock(75.96), clock(3_725.5)], ["0:00.0", "1:16.0", "1:02:05.5"]);
    }
}
