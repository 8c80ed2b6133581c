//! What the user sees of models.

use super::catalogue;
use super::probe::Found;
use dsp_core::model::embedded;
use dsp_core::model::store::{CARD, Stamp, Store};
use std::io::Write;

/// Ids of the built-in models that can be replaced by others.
const BUILT_IN: [&str; 6] = ["denoise", "denoise-low", "deess", "stems", "stems-low", "dialogue"];

/// Prints; a closed pipe (`| head`) is no error.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Rows as columns.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// `models list`.
pub fn list(store: &Store) -> Result<(), String> {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<String>>();
    let mut text = String::from("Built in\n");
    let mut rows = Vec::new();
    for id in BUILT_IN {
        let manifest = embedded(id).and_then(|model| model.manifest()).map_err(|error| error.to_string())?;
        rows.push(row(&[&manifest.id, &manifest.name, &manifest.task, &manifest.license]));
    }
    text += &table(&rows);
    text += &format!("\nInstalled in {}\n", store.folder().display());
    let installed = store.list();
    let rows: Vec<Vec<String>> = installed
        .iter()
        .map(|(id, stamp)| match stamp {
            Ok(stamp) => row(&[
                id,
                &stamp.name,
                &stamp.task,
                &stamp.license,
                &format!("{:.1} ms delay", stamp.latency_ms),
                &format!("{:.1} % of a core", 100.0 * stamp.load()),
                stamp.verdict.label(),
            ]),
            Err(reason) => row(&[id, reason]),
        })
        .collect();
    text += &if rows.is_empty() { "  none yet\n".to_owned() } else { table(&rows) };
    text += "\nIn the catalogue (cargo xtask models fetch ID)\n";
    let catalogue = catalogue::read()?;
    let rows: Vec<Vec<String>> = catalogue
        .models
        .iter()
        .filter(|item| installed.iter().all(|(id, _)| *id != item.id))
        .map(|item| row(&[&item.id, &item.name, &item.license, &format!("{:.1} MB", item.bytes() as f64 / 1e6), &item.about]))
        .collect();
    text += &if rows.is_empty() { "  all are installed\n".to_owned() } else { table(&rows) };
    say(&text);
    Ok(())
}

/// `models info`.
pub fn info(store: &Store, id: &str) -> Result<(), String> {
    if BUILT_IN.contains(&id) {
        say(embedded(id).map_err(|error| error.to_string())?.card);
        return Ok(());
    }
    let installed = store.place(id)?.is_dir();
    if installed {
        match store.stamp(id) {
            Ok(stamp) => say(&facts(&stamp)),
            Err(reason) => say(&format!("{id} {reason}\n")),
        }
        say(&store.card(id).map_or_else(|| format!("\nIts author wrote no {CARD}.\n"), |card| format!("\n{card}\n")));
        return Ok(());
    }
    let item = catalogue::find(id).map_err(|error| format!("{id} is not installed, and {error}"))?;
    say(&format!(
        "{}: {}\n  {}\n  licence   {}\n  homepage  {}\n  download  {:.1} MB: cargo xtask models fetch {id}\n\n",
        item.id,
        item.name,
        item.about,
        item.license,
        item.homepage,
        item.bytes() as f64 / 1e6
    ));
    say(&std::fs::read_to_string(item.folder().join(CARD)).unwrap_or_default());
    Ok(())
}

/// What is known of an installed model.
fn facts(stamp: &Stamp) -> String {
    format!(
        "{}: {} {} by {}\n  licence  {}\n  task     {}\n  delay    {:.2} ms\n  step     {:.0} us in a row, {:.0} us at the pace of sound (99th \
         percentile), one each {:.1} ms a channel: {:.1} % of a core\n  verdict  {}\n  hash     {}\n",
        stamp.id,
        stamp.name,
        stamp.version,
        stamp.authors,
        stamp.license,
        stamp.task,
        stamp.latency_ms,
        stamp.step_us,
        stamp.paced_us,
        stamp.hop_ms,
        100.0 * stamp.load(),
        stamp.verdict.label(),
        stamp.sha256
    )
}

/// What a check found.
pub fn found(stamp: &Stamp, found: &Found) {
    let operators: Vec<String> = found.operators.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let checks: Vec<&str> = found.checks.iter().map(|(name, _)| name.as_str()).collect();
    say(&facts(stamp));
    say(&format!("  passed   {}\n  nodes    {}\n", checks.join(", "), operators.join(", ")));
}
