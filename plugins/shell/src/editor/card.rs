//! A model's card: as much Markdown as cards use.

use crate::theme;
use egui::{RichText, Ui};

/// Draws headings, lists, tables (in a fixed-width font) and paragraphs.
pub(super) fn show(ui: &mut Ui, text: &str) {
    let mut paragraph = String::new();
    let mut code = false;
    for line in text.lines() {
        let trimmed = line.trim();
        let starts = ["#", "- ", "* ", "|", "```"].iter().any(|mark| trimmed.starts_with(mark));
        if starts || trimmed.is_empty() || code {
            flush(ui, &mut paragraph);
        }
        if trimmed.starts_with("```") {
            code = !code;
        } else if code {
            ui.monospace(line);
        } else if let Some(heading) = trimmed.strip_prefix('#') {
            let level = 1 + heading.len() - heading.trim_start_matches('#').len();
            ui.add_space(if level == 1 { 2.0 } else { 10.0 });
            let size = if level == 1 { 19.0 } else { 15.0 };
            ui.label(RichText::new(heading.trim_start_matches('#').trim()).size(size).color(theme::TEXT).strong());
            ui.add_space(3.0);
        } else if trimmed.starts_with('|') {
            let rule = trimmed.chars().all(|c| "|-: ".contains(c));
            if !rule {
                ui.label(RichText::new(plain(trimmed.trim_matches('|'))).monospace().size(11.5));
            }
        } else if let Some(item) = trimmed.strip_prefix("- ").or_else(|| trimmed.strip_prefix("* ")) {
            paragraph = format!("\u{2022}  {item}");
        } else if !trimmed.is_empty() {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(trimmed);
        }
    }
    flush(ui, &mut paragraph);
}

fn flush(ui: &mut Ui, paragraph: &mut String) {
    if !paragraph.is_empty() {
        ui.label(plain(paragraph));
        ui.add_space(4.0);
        paragraph.clear();
    }
}

/// Text without marks for weight and code; a link becomes its text and address.
fn plain(text: &str) -> String {
    text.replace("**", "").replace('`', "").replace("](", " (").replace('[', "")
}
