//! Pages that tell what was done to a file: HTML with everything in it, so that it opens anywhere, offline.

use super::base64;
use std::fmt::Write as _;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2430;--soft:#66707f;--line:#d9dee6;--paper:#fbfcfd;--a:#1f6f8b;--b:#c2662d;--c:#9aa4b2;--d:#7a5aa6}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf0;--soft:#98a2b0;--line:#2c3440;--paper:#12161c;--a:#5cb8d6;--b:#e8975e;--c:#68727f;--d:#b497dc}}\
body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin-bottom:.2rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:2rem}p.sub{color:var(--soft);margin-top:0}\
table{border-collapse:collapse;width:100%;font-size:.92rem}td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}.grid{stroke:var(--line);fill:none}\
.before,.target,.after{fill:none;stroke-width:2}.before{stroke:var(--c)}.target{stroke:var(--b);stroke-dasharray:5 4}.after{stroke:var(--a)}\
.speech{fill:var(--a)}.music{fill:var(--d)}.noise{fill:var(--c)}.gone{fill:var(--b)}.shade{fill:var(--b);opacity:.25}.gain{fill:var(--a);opacity:.75}\
.wish{fill:var(--b);opacity:.35}.band{fill:var(--a)}.key span{margin-right:1.2rem}.key i{display:inline-block;width:1.4rem;height:3px;vertical-align:middle;margin-right:.4rem}\
.players{display:flex;flex-wrap:wrap;gap:1.5rem}.players figure{margin:0;flex:1 1 18rem}.players audio{width:100%}figcaption{color:var(--soft);font-size:.85rem}\
li.note{color:var(--b)}details{margin-top:.6rem}summary{cursor:pointer;color:var(--soft)}code{font-size:.85em;overflow-wrap:anywhere}\
footer{margin-top:3rem;color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}";

/// A text in which nothing is markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, or what stands in its place.
    Number(String),
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number.
    pub fn number(text: impl Into<String>) -> Self {
        Self::Number(text.into())
    }

    fn write(&self, html: &mut String, tag: &str) {
        let _ = match self {
            Self::Text(text) => write!(html, "<{tag}>{}", escape(text)),
            Self::Number(text) => write!(html, "<{tag} class=\"n\">{}", escape(text)),
        };
    }
}

/// A page being written.
pub struct Page {
    html: String,
}

impl Page {
    /// With a title and a line under it.
    pub fn new(title: &str, sub: &str) -> Self {
        let html = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{0}</title><style>{STYLE}</style><h1>{0}</h1><p class=\"sub\">{1}</p>",
            escape(title),
            escape(sub)
        );
        Self { html }
    }

    /// Lines that should not be overlooked.
    pub fn notes(&mut self, lines: impl Iterator<Item = String>) {
        let mut lines = lines.peekable();
        if lines.peek().is_none() {
            return;
        }
        self.html.push_str("<ul>");
        for line in lines {
            let _ = write!(self.html, "<li class=\"note\">{}</li>", escape(&line));
        }
        self.html.push_str("</ul>");
    }

    /// A heading.
    pub fn heading(&mut self, text: &str) {
        let _ = write!(self.html, "<h2>{}</h2>", escape(text));
    }

    /// A line under a heading.
    pub fn line(&mut self, text: &str) {
        let _ = write!(self.html, "<p class=\"sub\">{}</p>", escape(text));
    }

    /// What colours mean: names and the style's variables; with words behind.
    pub fn key(&mut self, entries: &[(&str, &str)], words: &str) {
        self.html.push_str("<p class=\"key\">");
        for (name, colour) in entries {
            let _ = write!(self.html, "<span><i style=\"background:var({colour})\"></i>{}</span>", escape(name));
        }
        let _ = write!(self.html, "{}</p>", escape(words));
    }

    /// A drawing: SVG or other markup of this program.
    pub fn drawing(&mut self, markup: &str) {
        self.html.push_str(markup);
    }

    /// A table with a head, if that has cells.
    pub fn table(&mut self, head: &[Cell], rows: impl Iterator<Item = Vec<Cell>>) {
        self.html.push_str("<table>");
        if !head.is_empty() {
            self.html.push_str("<tr>");
            head.iter().for_each(|cell| cell.write(&mut self.html, "th"));
        }
        for row in rows {
            self.html.push_str("<tr>");
            row.iter().for_each(|cell| cell.write(&mut self.html, "td"));
        }
        self.html.push_str("</table>");
    }

    /// What is folded away until it is asked for.
    pub fn folded(&mut self, summary: &str, inside: impl FnOnce(&mut Self)) {
        let _ = write!(self.html, "<details><summary>{}</summary>", escape(summary));
        inside(self);
        self.html.push_str("</details>");
    }

    /// Players side by side: captions and Ogg Opus files.
    pub fn players(&mut self, players: &[(&str, Vec<u8>)]) {
        self.html.push_str("<div class=\"players\">");
        for (caption, file) in players {
            let _ = write!(
                self.html,
                "<figure><audio controls preload=\"metadata\" src=\"data:audio/ogg;codecs=opus;base64,{}\"></audio><figcaption>{}</figcaption></figure>",
                base64::encode(file),
                escape(caption)
            );
        }
        self.html.push_str("</div>");
    }

    /// The whole page with its last line.
    pub fn finish(mut self, footer: &str) -> String {
        let _ = write!(self.html, "<footer>Plainsong {}. {}</footer></html>", env!("CARGO_PKG_VERSION"), escape(footer));
        self.html
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_markup() {
        let mut page = Page::new("<b>&\"", "");
        page.table(&[Cell::text("<i>")], [vec![Cell::number("<u>")]].into_iter());
        page.notes(["<s>".to_owned()].into_iter());
        let html = page.finish("<q>");
        for tag in ["<b>", "<i>", "<u>", "<s>", "<q>"] {
            assert!(!html.contains(tag), "{tag}");
        }
    }
}
