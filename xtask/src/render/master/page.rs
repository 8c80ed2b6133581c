//! The page of a master: what was measured, wanted and done, in words and pictures, in one file.

use super::chart;
use dsp_core::engines::master::MasterMoves;
use dsp_core::mastering::{Explanation, Goal, Preview, Profile, Proposal, Style};
use std::fmt::Write as _;

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

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#66707f;--line:#d9dee6;--paper:#fbfcfd;--a:#1f6f8b;--b:#c2662d;--c:#9aa4b2}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf0;--soft:#98a2b0;--line:#2c3440;--paper:#12161c;--a:#5cb8d6;--b:#e8975e;--c:#68727f}}\
body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2rem}p.sub{color:var(--soft);margin-top:0}\
table{border-collapse:collapse;width:100%;font-size:.92rem}td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}.grid{stroke:var(--line);fill:none}\
.before,.target,.after{fill:none;stroke-width:2}.before{stroke:var(--c)}.target{stroke:var(--b);stroke-dasharray:5 4}.after{stroke:var(--a)}\
.wish{fill:var(--b);opacity:.35}.band{fill:var(--a)}.key span{margin-right:1.2rem}.key i{display:inline-block;width:1.4rem;height:3px;vertical-align:middle;margin-right:.4rem}\
li.note{color:var(--b)}footer{margin-top:3rem;color:var(--soft);font-size:.85rem}";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The page as HTML, with everything in it.
pub fn write(story: &Story<'_>) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Master of {0}</title><style>{STYLE}</style><h1>Master of {0}</h1>",
        escape(story.title)
    );
    let mut about = vec![format!("style {}: {}", story.style.name.to_lowercase(), story.style.about)];
    if !story.asked.is_empty() {
        about.insert(0, format!("for {}", story.asked));
    }
    if !story.references.is_empty() {
        let names: Vec<_> = story.references.iter().map(|(name, _)| name.rsplit('/').next().unwrap_or(name)).collect();
        about.push(format!("beside {}", names.join(", ")));
    }
    let _ = write!(html, "<p class=\"sub\">{}</p>", escape(&about.join(" | ")));
    if !story.remarks.is_empty() {
        html.push_str("<ul>");
        for line in story.remarks {
            let _ = write!(html, "<li class=\"note\">The song {}.</li>", escape(line));
        }
        html.push_str("</ul>");
    }
    loudness(&mut html, story);
    html.push_str("<h2>Spectrum</h2><p class=\"key\">");
    for (name, colour) in [("before", "--c"), ("wanted", "--b"), ("after", "--a")] {
        let _ = write!(html, "<span><i style=\"background:var({colour})\"></i>{name}</span>");
    }
    html.push_str("mean by third of an octave, dB relative to the whole</p>");
    html.push_str(&chart::spectrum(story.song, story.proposal, story.after));
    html.push_str("<h2>Tone</h2><p class=\"sub\">Bars: what is wanted. Line: what the equaliser does, with its bands. dB.</p>");
    html.push_str(&chart::tone(story.proposal, story.moves));
    moves(&mut html, story);
    if !story.previews.is_empty() {
        html.push_str("<h2>What platforms will do with it</h2><table>");
        for preview in story.previews {
            let _ = write!(html, "<tr><td>{}<td class=\"n\">{:+.1} dB", escape(&preview.sentence), preview.gain_db);
        }
        html.push_str("</table>");
    }
    let (model, hash) = story.model;
    let _ = write!(
        html,
        "<footer>Plainsong {}. Model {}, SHA-256 {}. Every move is a parameter: set it by hand with --set, and the rest stays.</footer></html>",
        env!("CARGO_PKG_VERSION"),
        escape(model),
        escape(hash)
    );
    html
}

fn loudness(html: &mut String, story: &Story<'_>) {
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
    html.push_str("<h2>Loudness</h2><table><tr><th><th class=\"n\">before<th class=\"n\">asked<th class=\"n\">after");
    for (name, before, asked, after) in rows {
        let _ = write!(html, "<tr><td>{name}<td class=\"n\">{before}<td class=\"n\">{asked}<td class=\"n\">{after}");
    }
    html.push_str("</table>");
}

fn moves(html: &mut String, story: &Story<'_>) {
    html.push_str("<h2>Moves</h2>");
    if story.told.is_empty() {
        html.push_str("<p>None: the song is left as it is.</p>");
        return;
    }
    html.push_str(
        "<table><tr><th>Move<th class=\"n\">measured<th class=\"n\">target<th class=\"n\">move<th class=\"n\">confidence<th>In words",
    );
    for one in story.told {
        let confidence = one.confidence.map_or("-".to_owned(), |confidence| format!("{:.0} %", 100.0 * confidence));
        let _ = write!(
            html,
            "<tr><td>{}<td class=\"n\">{:.1}<td class=\"n\">{:.1}<td class=\"n\">{:+.1} dB<td class=\"n\">{confidence}<td>{}",
            escape(&one.id),
            one.measured,
            one.target,
            one.move_db,
            escape(&one.sentence)
        );
    }
    html.push_str("</table>");
}
