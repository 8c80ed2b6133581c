//! A table over many files, as CSV and as a page.

use super::failure::Failure;
use super::page::{Cell, Page};
use serde_json::Value;
use std::path::Path;

/// Loudness further from what was asked for than this is told, LU.
const OFF_LU: f64 = 0.1;

/// A column: its name, whether it holds numbers, and where its value stands in a file's report.
struct Column {
    name: &'static str,
    number: bool,
    value: fn(&Value) -> String,
}

fn decimals(value: &Value, decimals: usize) -> String {
    value.as_f64().map(|value| format!("{value:.decimals$}")).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What is told of each file.
const COLUMNS: [Column; 13] = [
    Column { name: "input", number: false, value: |report| text(&report["input"]) },
    Column { name: "output", number: false, value: |report| text(&report["output"]) },
    Column { name: "seconds", number: true, value: |report| decimals(&report["format"]["seconds"], 1) },
    Column { name: "before_lufs", number: true, value: |report| decimals(&report["before"]["loudness_lufs"], 1) },
    Column { name: "asked_lufs", number: true, value: |report| decimals(&asked(report)["asked_lufs"], 1) },
    Column { name: "after_lufs", number: true, value: |report| decimals(&report["after"]["loudness_lufs"], 2) },
    Column { name: "true_peak_dbtp", number: true, value: |report| decimals(&asked(report)["true_peak_after_dbtp"], 2) },
    Column { name: "cuts", number: true, value: |report| cuts(report).map(|cuts| cuts.len().to_string()).unwrap_or_default() },
    Column { name: "removed_seconds", number: true, value: |report| decimals(&report["podcast"]["cuts"]["removed_seconds"], 1) },
    Column { name: "passes", number: true, value: |report| asked(report)["passes"].as_u64().map(|n| n.to_string()).unwrap_or_default() },
    Column { name: "processing_seconds", number: true, value: |report| decimals(&report["processing_seconds"], 1) },
    Column { name: "warnings", number: false, value: |report| lines(&report["warnings"]) },
    Column { name: "error", number: false, value: |report| text(&report["error"]) },
];

/// The loudness of what decides on it.
fn asked(report: &Value) -> &Value {
    if report["podcast"].is_null() { &report["master"]["loudness"] } else { &report["podcast"]["loudness"] }
}

fn cuts(report: &Value) -> Option<&Vec<Value>> {
    report["podcast"]["cuts"]["cuts"].as_array()
}

fn lines(value: &Value) -> String {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

/// How a summary is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Comma-separated values (RFC 4180).
    Csv,
    /// A page.
    Html,
}

impl Form {
    /// Of a file's name.
    ///
    /// # Errors
    /// One line when the ending is another.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("html" | "htm") => Ok(Self::Html),
            _ => Err(Failure::new("has no ending of a summary; use .csv or .html").about(path)),
        }
    }

    /// The summary of these reports.
    pub fn write(self, engine: &str, reports: &[Value]) -> String {
        match self {
            Self::Csv => csv(reports),
            Self::Html => html(engine, reports),
        }
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn csv(reports: &[Value]) -> String {
    let mut text = COLUMNS.map(|column| column.name.to_owned()).join(",") + "\r\n";
    for report in reports {
        text.push_str(&COLUMNS.each_ref().map(|column| quoted(&(column.value)(report))).join(","));
        text.push_str("\r\n");
    }
    text
}

fn html(engine: &str, reports: &[Value]) -> String {
    let failed = reports.iter().filter(|report| !report["error"].is_null()).count();
    let sum = |value: fn(&Value) -> Option<f64>| reports.iter().filter_map(value).sum::<f64>();
    let seconds = sum(|report| report["format"]["seconds"].as_f64());
    let removed = sum(|report| report["podcast"]["cuts"]["removed_seconds"].as_f64());
    let off = |report: &&Value| {
        let (asked, after) = (asked(report)["asked_lufs"].as_f64(), report["after"]["loudness_lufs"].as_f64());
        asked.zip(after).is_some_and(|(asked, after)| (asked - after).abs() > OFF_LU)
    };
    let off = reports.iter().filter(off).count();
    let cut = if removed > 0.0 { format!(" | {removed:.0} s of silence cut") } else { String::new() };
    let sub = format!(
        "{} files, {:.1} hours, {failed} failed, {off} off their loudness by more than {OFF_LU} LU{cut}",
        reports.len(),
        seconds / 3_600.0
    );
    let mut page = Page::new(&format!("Summary of {engine}"), &sub);
    let failures = reports.iter().filter(|report| !report["error"].is_null());
    page.notes(failures.map(|report| format!("{}: {}", text(&report["input"]), text(&report["error"]))));
    let cell = |column: &Column, text: String| if column.number { Cell::number(text) } else { Cell::text(text) };
    // The page is for reading: where outputs stand is in the CSV.
    let shown: Vec<&Column> = COLUMNS.iter().filter(|column| !["output", "passes", "error"].contains(&column.name)).collect();
    let head: Vec<Cell> = shown.iter().map(|column| cell(column, column.name.replace('_', " "))).collect();
    page.table(&head, reports.iter().map(|report| shown.iter().map(|column| cell(column, (column.value)(report))).collect()));
    page.finish("Loudness in LUFS, times in seconds.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_file_has_a_row() {
        let reports = [
            json!({"input": "a, \"b\".wav", "format": {"seconds": 3600.0}, "after": {"loudness_lufs": -16.2}, "warnings": ["x", "y"],
                   "podcast": {"loudness": {"asked_lufs": -16.0, "passes": 1}, "cuts": {"removed_seconds": 12.0, "cuts": [1, 2]}}}),
            json!({"input": "c.wav", "error": "is empty"}),
        ];
        let text = Form::Csv.write("podcast", &reports);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[1], "\"a, \"\"b\"\".wav\",,3600.0,,-16.0,-16.20,,2,12.0,1,,x; y,");
        assert_eq!(lines[2].matches(',').count(), COLUMNS.len() - 1);
        let page = Form::Html.write("podcast", &reports);
        assert!(page.contains("2 files, 1.0 hours, 1 failed, 1 off") && page.contains("c.wav: is empty"));
    }
}
