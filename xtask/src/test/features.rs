//! Checks that every way to build this workspace compiles the dependencies with the same features.
//!
//! Cargo joins the features that the packages it is asked for ask for. Where `-p xtask` and
//! `--workspace` join other features, they compile crates twice, which takes minutes. The
//! package `features` asks for the union; this says what it lacks.

use super::command::{Counts, Run};
use std::collections::{BTreeMap, BTreeSet};

/// Builds that people and CI ask for by name. The tests are only ever built with the workspace.
const SELECTIONS: [&str; 3] = ["dsp-core", "xtask", "denoise"];

/// Features by package and version. A package that is built twice, for the build and for the target,
/// can have two sets; what a selection builds must be among what the workspace builds.
type Sets = BTreeMap<String, BTreeSet<String>>;

/// Reads `cargo tree`.
fn sets(selection: &[&str]) -> Option<Sets> {
    let tree = ["tree", "--quiet", "-e", "normal,build", "--prefix", "none", "-f", "{p}|{f}"];
    let (status, text) = Run::cargo(&tree).args(selection).quiet().capture();
    (status == Some(0)).then(|| parse(&text))
}

/// One line is `name vVERSION (proc-macro)|feature,feature (*)`; packages of this workspace have a
/// path in brackets and are left out.
fn parse(text: &str) -> Sets {
    let mut sets = Sets::new();
    for (package, features) in text.lines().filter_map(|line| line.split_once('|')) {
        if package.contains("(/") || package.contains(":\\") {
            continue;
        }
        let package = package.trim_end_matches(" (proc-macro)").to_owned();
        sets.entry(package).or_default().insert(features.trim_end_matches(" (*)").to_owned());
    }
    sets
}

/// Compares the selections with the workspace.
pub fn check() -> Counts {
    let Some(workspace) = sets(&["--workspace"]) else { return Counts::failed("cargo tree does not run") };
    let mut counts = Counts::default();
    for selection in SELECTIONS {
        let Some(own) = sets(&["-p", selection]) else {
            counts += Counts::failed(format!("cargo tree -p {selection} does not run"));
            continue;
        };
        let differing: Vec<String> = own
            .iter()
            .filter(|(package, features)| workspace.get(*package).is_some_and(|all| !features.is_subset(all)))
            .map(|(package, _)| format!("{package} with {}", workspace[package].iter().cloned().collect::<Vec<_>>().join(" and ")))
            .collect();
        if differing.is_empty() {
            counts.passed += 1;
        } else {
            counts += Counts::failed(format!(
                "-p {selection} has other features; ask for these in features/Cargo.toml: {}",
                differing.join("; ")
            ));
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read() {
        let sets =
            parse("dsp-core v0.1.0 (/a/b)|\nsyn v2.0.1|full,default\nsyn v2.0.1|full,default (*)\nserde_derive v1.0.2 (proc-macro)|\n");
        assert_eq!(sets.len(), 2);
        assert_eq!(sets["syn v2.0.1"], BTreeSet::from(["full,default".to_owned()]));
    }
}
