//! `cargo xtask validate`: the bundles in front of the validators that are installed, and in this
//! project's own hosts.

use crate::test::command::{Counts, Run, on_path, root, target_folder};
use crate::test::{clap_host, editor, python_host};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Strictness at which pluginval runs, of 10.
pub const STRICTNESS: u8 = 10;

/// Which bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// CLAP only.
    Clap,
    /// VST3 only.
    Vst3,
    /// Both.
    Both,
}

/// Arguments of `validate`.
#[derive(clap::Args)]
pub struct Args {
    /// Which bundles
    #[arg(long, value_enum, default_value_t = Format::Both)]
    format: Format,
    /// Strictness of pluginval, 1 to 10
    #[arg(long, default_value_t = STRICTNESS, value_parser = clap::value_parser!(u8).range(1..=10))]
    strictness: u8,
}

/// Validates the bundles.
pub fn run(args: Args) -> ExitCode {
    let mut counts = external(args.format, args.strictness);
    if args.format != Format::Vst3 {
        counts += clap_host();
        counts += editor();
    }
    if args.format != Format::Clap {
        counts += python_host("test_pedalboard.py");
        counts += python_host("test_dawdreamer.py");
    }
    println!();
    for note in &counts.notes {
        println!("{note}");
    }
    println!("{} passed, {} failed", counts.passed, counts.failed);
    if counts.failed == 0 && counts.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What one validator said of one bundle.
#[derive(Default)]
struct Verdict {
    passed: usize,
    failures: Vec<Failure>,
}

/// A test that failed, and what the validator said of it, where it says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Failure {
    test: String,
    details: String,
}

impl Failure {
    fn new(test: impl Into<String>) -> Self {
        Self { test: test.into(), details: String::new() }
    }
}

/// A program that validates.
struct Validator {
    name: &'static str,
    /// Variable that holds its path, where it is not on PATH.
    variable: &'static str,
    program: &'static str,
    extension: &'static str,
    run: fn(&Path, &Path, u8) -> Option<Verdict>,
}

/// The validators. None is in a package registry; each is built from its public source.
const VALIDATORS: &[Validator] = &[
    Validator { name: "clap-validator", variable: "CLAP_VALIDATOR", program: "clap-validator", extension: "clap", run: clap_validator },
    Validator { name: "pluginval", variable: "PLUGINVAL", program: "pluginval", extension: "vst3", run: pluginval },
    Validator { name: "VST3 validator", variable: "VST3_VALIDATOR", program: "validator", extension: "vst3", run: vst3_validator },
];

/// Bundles with this extension.
fn bundles(extension: &str) -> Vec<PathBuf> {
    let folder = target_folder().join("bundled");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == extension)).collect())
        .unwrap_or_default();
    found.sort();
    found
}

/// Runs the validators that are installed. Those that are not are named in a note; a missing bundle
/// is a failure.
pub fn external(format: Format, strictness: u8) -> Counts {
    let mut counts = Counts::default();
    let known = match known_failures() {
        Ok(known) => known,
        Err(why) => return Counts::failed(why),
    };
    for validator in VALIDATORS {
        let wanted = match format {
            Format::Both => true,
            Format::Clap => validator.extension == "clap",
            Format::Vst3 => validator.extension == "vst3",
        };
        if !wanted {
            continue;
        }
        let bundles = bundles(validator.extension);
        if bundles.is_empty() {
            let what = format!("a bundle for {}", validator.name);
            counts += Counts::missing(&what, "`cargo xtask bundle denoise --release`");
            continue;
        }
        let Some(program) = std::env::var_os(validator.variable).map(PathBuf::from).or_else(|| on_path(validator.program)) else {
            counts.notes.push(format!("{} not found (not on PATH, {} not set): not run", validator.name, validator.variable));
            continue;
        };
        for bundle in bundles {
            println!("-- {} on {}", validator.name, bundle.display());
            let Some(verdict) = (validator.run)(&program, &bundle, strictness) else {
                counts += Counts::failed(format!("{} at {} did not run to its end", validator.name, program.display()));
                continue;
            };
            counts += judge(validator.name, verdict, &known);
        }
    }
    counts
}

/// A failure that is not the plugin's: which validator, which test, words that its message must have
/// (any message when empty), and why.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    validator: String,
    test: String,
    says: String,
    reason: String,
}

impl Known {
    fn is(&self, failure: &Failure) -> bool {
        self.test == failure.test && failure.details.contains(&self.says)
    }
}

/// The list of failures known to come from elsewhere.
fn known_failures() -> Result<Vec<Known>, String> {
    let path = root().join("tests/known-failures.json");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let list: Value = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let field = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
    list.as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let all = (field(entry, "validator"), field(entry, "test"), field(entry, "reason"));
            let (Some(validator), Some(test), Some(reason)) = all else {
                return Err(format!("{}: each entry has \"validator\", \"test\" and \"reason\"", path.display()));
            };
            Ok(Known { validator, test, reason, says: field(entry, "says").unwrap_or_default() })
        })
        .collect()
}

/// New failures fail; known ones are named; known ones that are gone are named too.
fn judge(name: &str, verdict: Verdict, known: &[Known]) -> Counts {
    let total = verdict.passed + verdict.failures.len();
    let mut counts = Counts { passed: verdict.passed, failed: 0, notes: vec![format!("{name}: {} of {total} passed", verdict.passed)] };
    let of_this = || known.iter().filter(|k| k.validator == name);
    for failure in &verdict.failures {
        let test = &failure.test;
        match of_this().find(|k| k.is(failure)) {
            Some(k) => counts.notes.push(format!("{name}: {test} fails as is known ({})", k.reason)),
            None => counts += Counts::failed(format!("{name}: {test} FAILED {}", failure.details.replace('\n', ": "))),
        }
    }
    for gone in of_this().filter(|k| !verdict.failures.iter().any(|f| k.is(f))) {
        counts.notes.push(format!("{name}: {} no longer fails; take it out of tests/known-failures.json", gone.test));
    }
    counts
}

/// clap-validator tells everything in JSON.
fn clap_validator(program: &Path, bundle: &Path, _: u8) -> Option<Verdict> {
    let (status, text) = Run::new(program).args(&["validate", "--json", "--hide-output"]).args(&[bundle]).quiet().capture();
    status?;
    let mut verdict = Verdict::default();
    collect_clap_results(&serde_json::from_str(&text).ok()?, &mut verdict);
    for failure in &verdict.failures {
        println!("   failed: {}: {}", failure.test, failure.details);
    }
    (verdict.passed > 0).then_some(verdict)
}

/// Every object with a status is a test; warnings and tests that do not apply are no failures.
fn collect_clap_results(value: &Value, verdict: &mut Verdict) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_clap_results(item, verdict)),
        Value::Object(map) => {
            let code = map.get("status").and_then(|s| s.get("code")).and_then(Value::as_str);
            match code {
                Some("failed" | "crashed") => {
                    let details = value.pointer("/status/details").and_then(Value::as_str).unwrap_or_default();
                    verdict.failures.push(Failure { test: test_name(value), details: details.to_owned() });
                }
                Some(_) => verdict.passed += 1,
                None => map.values().for_each(|item| collect_clap_results(item, verdict)),
            }
        }
        _ => {}
    }
}

/// The name of a test: the text under the key "test" or "name", however deep.
fn test_name(value: &Value) -> String {
    fn find(value: &Value) -> Option<&str> {
        let map = value.as_object()?;
        ["test", "name"]
            .iter()
            .find_map(|key| map.get(*key).and_then(Value::as_str))
            .or_else(|| map.iter().filter(|(key, _)| *key != "status").find_map(|(_, inner)| find(inner)))
    }
    find(value).unwrap_or("a test without a name").to_owned()
}

/// pluginval prints groups of tests as they start and end, and `!!!` before a failure.
fn pluginval(program: &Path, bundle: &Path, strictness: u8) -> Option<Verdict> {
    let args = ["--strictness-level".to_owned(), strictness.to_string(), "--validate".to_owned(), bundle.display().to_string()];
    let run = match on_path("xvfb-run") {
        Some(display) if std::env::var_os("DISPLAY").is_none() => Run::new(&display).args(&["-a"]).args(&[program]),
        _ => Run::new(program),
    };
    let (status, text) = run.args(&args).capture();
    let mut verdict = Verdict::default();
    let mut group = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("Starting tests in: ") {
            group = name.trim_end_matches('.').to_owned();
        } else if line.starts_with("Completed tests in ") && verdict.failures.last().is_none_or(|f| f.test != group) {
            verdict.passed += 1;
        } else if line.starts_with("!!!") && verdict.failures.last().is_none_or(|f| f.test != group) {
            verdict.failures.push(Failure { test: group.clone(), details: line.to_owned() });
        }
    }
    if status != Some(0) && verdict.failures.is_empty() {
        verdict.failures.push(Failure::new(if group.is_empty() { "start" } else { &group }));
    }
    (verdict.passed > 0 || !verdict.failures.is_empty()).then_some(verdict)
}

/// Steinberg's validator names each test in brackets and its outcome below.
fn vst3_validator(program: &Path, bundle: &Path, _: u8) -> Option<Verdict> {
    let (status, text) = Run::new(program).args(&[bundle]).quiet().capture();
    let result = text.lines().rev().find_map(|line| line.split_once("Result:").map(|(_, rest)| rest.trim()));
    let number = |word: &str| -> Option<usize> {
        let rest = result?;
        rest[..rest.find(word)?].trim_end().rsplit(' ').next()?.parse().ok()
    };
    let mut verdict = Verdict { passed: number("tests passed")?, failures: Vec::new() };
    let (mut test, mut said) = ("", String::new());
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            match name {
                "Succeeded" => {}
                name if name.ends_with("Failed") => {
                    verdict.failures.push(Failure { test: test.to_owned(), details: std::mem::take(&mut said) })
                }
                name => (test, said) = (name, String::new()),
            }
        }
        if line.starts_with("ERROR") {
            println!("   {test}: {line}");
            said = line.to_owned();
        }
    }
    if status != Some(0) && verdict.failures.is_empty() {
        verdict.failures.push(Failure::new(test));
    }
    Some(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(test: &str) -> Known {
        Known { validator: "v".into(), test: test.into(), says: "late".into(), reason: "upstream".into() }
    }

    #[test]
    fn known_failures_do_not_fail_and_new_ones_do() {
        let failure = |test: &str, details: &str| Failure { test: test.into(), details: details.into() };
        let failures = vec![failure("old", "called late"), failure("new", ""), failure("other", "crashed")];
        let counts = judge("v", Verdict { passed: 3, failures }, &[known("old"), known("gone"), known("other")]);
        assert_eq!((counts.passed, counts.failed), (3, 2), "a known test that fails in another way is a new failure");
        assert!(counts.notes.iter().any(|n| n.contains("old fails as is known (upstream)")));
        assert!(counts.notes.iter().any(|n| n.contains("gone no longer fails")));
        assert!(counts.notes.iter().any(|n| n.contains("new FAILED")));
    }

    #[test]
    fn the_tracked_list_can_be_read() {
        known_failures().expect("tests/known-failures.json");
    }
}
