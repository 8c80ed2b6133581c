//! A model's card: as much Markdown as cards use.

use crate::theme;
use egui::{Align, Grid, Label, Layout, RichText, Ui, vec2};

/// Draws headings, lists, tables, code and paragraphs.
pub(super) fn show(ui: &mut Ui, text: &str) {
    let mut paragraph = String::new();
    let mut table: Vec<Vec<String>> = Vec::new();
    let mut tables = 0;
    let mut code = false;
    for line in text.lines().chain([""]) {
        let trimmed = line.trim();
        let starts = ["#", "- ", "* ", "|", "```"].iter().any(|mark| trimmed.starts_with(mark));
        if starts || trimmed.is_empty() || code {
            flush(ui, &mut paragraph);
        }
        if !trimmed.starts_with('|') && !table.is_empty() {
            tables += 1;
            grid(ui, tables, &std::mem::take(&mut table));
        }
        if trimmed.starts_with("```") {
            code = !code;
        } else if code {
            ui.monospace(line);
        } else if let Some(heading) = trimmed.strip_prefix('#') {
            let level = 1 + heading.len() - heading.trim_start_matches('#').len();
            ui.add_space(if level == 1 { 2.0 } else { 10.0 });
            let size = if level == 1 { 19.0 } else { 15.0 };
            ui.label(RichText::new(heading.trim_start_matches('#').trim()).size(size).color(theme::WARM));
            ui.add_space(3.0);
        } else if trimmed.starts_with('|') {
            if !trimmed.chars().all(|c| "|-: ".contains(c)) {
                table.push(trimmed.trim_matches('|').split('|').map(|cell| plain(cell.trim())).collect());
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
}

/// A table: columns as wide as their share of the text, within limits.
fn grid(ui: &mut Ui, number: usize, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let longest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(1);
    let weights: Vec<f32> = (0..columns).map(|column| longest(column).clamp(6, 44) as f32).collect();
    let width = ui.available_width() - 10.0 * columns as f32 - 12.0;
    let total: f32 = weights.iter().sum();
    Grid::new(("card", number)).striped(true).spacing(vec2(10.0, 5.0)).show(ui, |ui| {
        for (i, row) in rows.iter().enumerate() {
            for (cell, weight) in row.iter().zip(&weights) {
                ui.allocate_ui_with_layout(vec2(width * weight / total, 0.0), Layout::left_to_right(Align::Min), |ui| {
                    ui.set_width(width * weight / total);
                    let text = RichText::new(cell).size(11.5).color(if i == 0 { theme::DIM } else { theme::TEXT });
                    ui.add(Label::new(text).wrap());
                });
            }
            ui.end_row();
        }
    });
    ui.add_space(6.0);
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
