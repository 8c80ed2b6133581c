//! The page of a master: what was measured, wanted and done, in words and pictures, in one file.

use super::chart;
use crate::render::page::{Cell, Page};
use dsp_core::engines::master::MasterMoves;
use dsp_core::mastering::{Explanation, Goal, Preview, Profile, Proposal, Style};

/// What a page tells.
pub struct Story<'a> {
    /// Name of the file.
    pub title: &'a str,
    /// Name of the platform; empty without one.
    pub asked: &'a str,
    /// The style.
    pub style: &'a Style,
    /// Names and profiles of the references.
    pub references: &'a [(String, Profile)],
    /// The song before.
    pub song: &'a Profile,
    /// And after.
    pub after: &'a Profile,
    /// What was to be changed.
    pub proposal: &'a Proposal,
    /// What the chain did.
    pub moves: &'a MasterMoves,
    /// Loudness and ceiling; none of silence, or where the drive was set by hand.
    pub goal: Option<Goal>,
    /// The moves in words.
    pub told: &'a [Explanation],
    /// What a person should know.
    pub remarks: &'a [String],
    /// What platforms will do.
    pub previews: &'a [Preview],
    /// Id and hash of the model.
    pub model: (&'a str, &'a str),
}

/// The page as HTML, with everything in it.
pub fn write(story: &Story<'_>) -> String {
    let mut about = vec![format!("style {}: {}", story.style.name.to_lowercase(), story.style.about)];
    if !story.asked.is_empty() {
        about.insert(0, format!("for {}", story.asked));
    }
    if !story.references.is_empty() {
        let names: Vec<_> = story.references.iter().map(|(name, _)| name.rsplit('/').next().unwrap_or(name)).collect();
        about.push(format!("beside {}", names.join(", ")));
    }
    let mut page = Page::new(&format!("Master of {}", story.title), &about.join(" | "));
    page.notes(story.remarks.iter().map(|line| format!("The song {line}.")));
    loudness(&mut page, story);
    page.heading("Spectrum");
    page.key(&[("before", "--c"), ("wanted", "--b"), ("after", "--a")], "mean by third of an octave, dB relative to the whole");
    page.drawing(&chart::spectrum(story.song, story.proposal, story.after));
    page.heading("Tone");
    page.line("Bars: what is wanted. Line: what the equaliser does, with its bands. dB.");
    page.drawing(&chart::tone(story.proposal, story.moves));
    moves(&mut page, story);
    if !story.previews.is_empty() {
        page.heading("What platforms will do with it");
        let row = |preview: &Preview| vec![Cell::text(&preview.sentence), Cell::number(format!("{:+.1} dB", preview.gain_db))];
        page.table(&[], story.previews.iter().map(row));
    }
    let (model, hash) = story.model;
    page.finish(&format!("Model {model}, SHA-256 {hash}. Every move is a parameter: set it by hand with --set, and the rest stays."))
}

fn loudness(page: &mut Page, story: &Story<'_>) {
    let Some(goal) = story.goal else { return };
    let before = story.song.loudness.map_or("-".to_owned(), |loudness| format!("{loudness:.1}"));
    let rows = [
        ("Integrated loudness, LUFS", before, format!("{:.1}", goal.loudness), format!("{:.2}", goal.reached)),
        ("True peak, dBTP", format!("{:.1}", story.song.true_peak), format!("{:.1}", goal.ceiling), format!("{:.2}", goal.true_peak)),
        ("Loudness range, LU", format!("{:.1}", story.song.range), String::new(), format!("{:.1}", story.after.range)),
        (
            "Limiter where it is loud, mean / deep, dB",
            String::new(),
            String::new(),
            format!("{:.1} / {:.1}", goal.reduction.0, goal.reduction.1),
        ),
    ];
    page.heading("Loudness");
    let row = |(name, before, asked, after): (&str, String, String, String)| {
        vec![Cell::text(name), Cell::number(before), Cell::number(asked), Cell::number(after)]
    };
    let head = [Cell::text(""), Cell::number("before"), Cell::number("asked"), Cell::number("after")];
    page.table(&head, rows.into_iter().map(row));
}

fn moves(page: &mut Page, story: &Story<'_>) {
    page.heading("Moves");
    if story.told.is_empty() {
        page.line("None: the song is left as it is.");
        return;
    }
    let head = ["measured", "target", "move", "confidence"].map(Cell::number);
    let head: Vec<Cell> = [Cell::text("Move")].into_iter().chain(head).chain([Cell::text("In words")]).collect();
    let row = |one: &Explanation| {
        vec![
            Cell::text(&one.id),
            Cell::number(format!("{:.1}", one.measured)),
            Cell::number(format!("{:.1}", one.target)),
            Cell::number(format!("{:+.1} dB", one.move_db)),
            Cell::number(one.confidence.map_or("-".to_owned(), |confidence| format!("{:.0} %", 100.0 * confidence))),
            Cell::text(&one.sentence),
        ]
    };
    page.table(&head, story.told.iter().map(row));
}
