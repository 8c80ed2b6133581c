//! `bench denoise --models`: quality and cost of models side by side, in one run.
//!
//! Cost is measured here. Quality is measured by the training's own metrics on its held-out mixtures,
//! which this program renders (`training/evaluate/models.py`).

use super::{Args, measure};
use crate::test::command::{Run, root};
use dsp_core::model::store::Store;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Task of the models that are compared, and the engine that plays them.
const TASK: &str = "denoise";
/// The built-in models: name, id, and what is set for them.
const BUILT_IN: [(&str, &str, &[&str]); 2] =
    [("Plainsong", "denoise", &[]), ("Plainsong, low latency", "denoise-low", &["low-latency=on"])];

/// The training's interpreter.
fn python() -> Result<PathBuf, String> {
    let own = root().join("training/.venv/bin/python");
    if own.is_file() { Ok(own) } else { Err("quality is measured by the training's Python: make it with training/run.sh".into()) }
}

/// Compares, and writes table, picture and figures.
pub fn run(args: &Args, which: &str) -> Result<(), String> {
    if args.engine != TASK {
        return Err(format!("models are compared by how they clean speech, so for {TASK} alone, not for {}", args.engine));
    }
    let python = python()?;
    let store = Store::user().ok_or("there is no folder for models: set XDG_DATA_HOME or HOME")?;
    let mut ids: Vec<String> = which.split(',').map(|id| id.trim().to_owned()).collect();
    let all = which == "all";
    if all {
        ids =
            store.list().into_iter().filter(|(_, stamp)| stamp.as_ref().is_ok_and(|stamp| stamp.task == TASK)).map(|(id, _)| id).collect();
    }
    let mut systems: Vec<Value> = Vec::new();
    let mut add = |name: &str, id: &str, words: Vec<&str>, license: &str, cost: Value| {
        println!(
            "{name}: {:.2} % of a core, {:.1} ms",
            100.0 * cost["loop_processor_rtf"].as_f64().unwrap_or(0.0),
            cost["latency_ms"].as_f64().unwrap_or(0.0)
        );
        systems.push(json!({ "name": name, "id": id, "words": words, "license": license, "cost": cost }));
    };
    for (name, id, set) in BUILT_IN.iter().filter(|(_, id, _)| all || ids.iter().any(|wanted| wanted == id)) {
        let manifest = dsp_core::model::embedded(id).and_then(|model| model.manifest()).map_err(|error| error.to_string())?;
        let own = Args { set: set.iter().map(|pair| (*pair).to_owned()).collect(), ..args.clone() };
        let words = set.iter().flat_map(|pair| ["--set", pair]).collect();
        add(name, id, words, &manifest.license, measure(&own, None)?);
    }
    for id in ids.iter().filter(|id| BUILT_IN.iter().all(|(_, own, _)| own != id)) {
        let package = store.open(id).map_err(|error| error.to_string())?;
        let cost = measure(args, Some(&package))?;
        add(&package.manifest.name, id, vec!["--model", id], &package.manifest.license, cost);
    }
    std::fs::create_dir_all(&args.to).map_err(|error| format!("{}: {error}", args.to.display()))?;
    let to = std::path::absolute(&args.to).map_err(|error| error.to_string())?;
    let costs = to.join("costs.json");
    std::fs::write(&costs, Value::Array(systems).to_string()).map_err(|error| format!("{}: {error}", costs.display()))?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let (program, costs, folder) = (text(&program), text(&costs), text(&to));
    let mixtures = args.mixtures.map(|count| count.to_string());
    let mut words = vec!["-m", "training.evaluate.models", "--engine", &program, "--systems", &costs, "--to", &folder];
    words.extend(mixtures.iter().flat_map(|count| ["--mixtures", count.as_str()]));
    if Run::new(&python).args(&words).succeeds() { Ok(()) } else { Err("the comparison failed; its last lines above say why".into()) }
}
