//! Long runs from outside: killed at any moment and gone on with, in shares, from lists, with tables.

mod common;

use common::{Folder, RATE, command, done, refused, render, told};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

/// So many files in folders, each of this length in seconds.
fn archive(folder: &Folder, files: usize, seconds: f64) {
    for index in 0..files {
        let mut noise = common::noise(index as u32 + 1);
        let audio = (0..(seconds * RATE as f64) as usize).map(|n| 0.3 * (n as f32 * 0.02).sin() + 0.02 * noise()).collect();
        folder.wav(&format!("in/show {}/{index:02}.wav", index % 3), &[audio], RATE);
    }
}

/// Time and contents of the outputs: what was done twice has another time.
fn outputs(folder: &Folder) -> BTreeMap<String, (SystemTime, Vec<u8>)> {
    let files = folder.files("out").into_iter();
    files
        .map(|name| {
            let path = folder.at("out").join(&name);
            (name, (fs::metadata(&path).unwrap().modified().unwrap(), fs::read(&path).unwrap()))
        })
        .collect()
}

fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(300), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn published(folder: &Folder) -> usize {
    folder.files("out").iter().filter(|name| !name.contains("/.")).count()
}

fn done_in(state: &Path) -> usize {
    fs::read_to_string(state).unwrap_or_default().matches('\n').count()
}

/// Killed again and again, each time a little later in its work, the run ends with everything done once and whole.
#[test]
fn a_killed_run_goes_on_where_it_was() {
    let folder = Folder::new("archive-kill");
    archive(&folder, 12, 1.5);
    let (input, output, state) = (folder.at("in"), folder.at("out"), folder.at("state/run.jsonl"));
    let go = || command("limiter", &[&input, &"-o", &output, &"--format", &"opus", &"--state", &state, &"--jobs", &"2", &"--quiet"]);
    let mut kept: BTreeMap<String, (SystemTime, Vec<u8>)> = BTreeMap::new();
    for round in 0..5_u64 {
        let already = published(&folder);
        let mut child = go().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for("another file", || published(&folder) > already + usize::from(round % 2 == 1) || child.try_wait().unwrap().is_some());
        std::thread::sleep(Duration::from_millis(7 * round));
        // SIGKILL: no handler runs.
        child.kill().unwrap();
        child.wait().unwrap();
        for (name, (time, bytes)) in outputs(&folder).into_iter().filter(|(name, _)| !name.contains("/.")) {
            if let Some((before, same)) = kept.get(&name) {
                assert!(*before == time && *same == bytes, "{name} was done twice");
            }
            kept.insert(name, (time, bytes));
        }
    }
    let last = go().output().unwrap();
    done(&last);
    let all = outputs(&folder);
    assert_eq!(all.len(), 12, "drafts are left: {:?}", all.keys());
    for (name, (time, bytes)) in &kept {
        assert!(all[name] == (*time, bytes.clone()), "{name} was done twice");
    }
    // Whole: what a run that nobody disturbed makes.
    let calm = folder.at("calm");
    done(&render("limiter", &[&input, &"-o", &calm, &"--format", &"opus", &"--quiet"]));
    for (name, (_, bytes)) in &all {
        assert_eq!(fs::read(calm.join(name)).unwrap(), *bytes, "{name}");
    }
    // Once more there is nothing to do.
    let started = done_in(&state);
    done(&go().output().unwrap());
    assert_eq!((done_in(&state), outputs(&folder) == all), (started, true));
}

/// Two workers share the work through `xargs -P`'s own way: one command with the number of the share. One is killed
/// midway and started again.
#[test]
fn shares_do_all_of_it_once() {
    let folder = Folder::new("archive-shards");
    archive(&folder, 14, 1.5);
    let (input, output, state) = (folder.at("in"), folder.at("out"), folder.at("run.jsonl"));
    let share =
        |share: &str| command("limiter", &[&input, &"-o", &output, &"--state", &state, &"--shard", &share, &"--jobs", &"1", &"--quiet"]);
    let quiet = |mut command: std::process::Command| command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (first, mut second) = (quiet(share("1/2")), quiet(share("2/2")));
    wait_for("the second worker", || done_in(&folder.at("run.2-of-2.jsonl")) >= 1 || second.try_wait().unwrap().is_some());
    second.kill().unwrap();
    second.wait().unwrap();
    // The first one's files are its own: it must not be started twice.
    let first = first.wait_with_output().unwrap();
    done(&first);
    done(&share("2/2").output().unwrap());
    let all = outputs(&folder);
    assert_eq!(all.len(), 14);
    let lines = |name: &str| done_in(&folder.at(name));
    // Killed between a file's line and its move, a worker may have noted one file twice.
    assert!((14..=15).contains(&(lines("run.1-of-2.jsonl") + lines("run.2-of-2.jsonl"))));
    assert!(lines("run.1-of-2.jsonl") >= 2 && lines("run.2-of-2.jsonl") >= 2);
    // One command behind them makes the tables of all, and does nothing else.
    let (csv, html, report) = (folder.at("summary.csv"), folder.at("summary.html"), folder.at("report.json"));
    let collect =
        || render("limiter", &[&input, &"-o", &output, &"--state", &state, &"--summary", &csv, &"--summary", &html, &"--report", &report]);
    done(&collect());
    assert!(outputs(&folder) == all, "nothing is done again");
    let table = fs::read_to_string(&csv).unwrap();
    assert_eq!(table.lines().count(), 15);
    assert!(table.contains("show 2/02.wav") && fs::read_to_string(&html).unwrap().contains("14 files"));
    assert_eq!(folder.json("report.json").as_array().unwrap().len(), 14);
    done(&collect());
}

/// The recipe of the guide, as it stands there: GNU xargs starts one process a share.
#[test]
#[cfg(unix)]
fn xargs_runs_the_recipe() {
    let folder = Folder::new("archive-xargs");
    archive(&folder, 6, 0.5);
    let script = format!(
        "seq 3 | xargs -P 2 -I @ {} render limiter in -o out --format flac --state run.jsonl --shard @/3 --jobs 1 --quiet",
        common::PROGRAM
    );
    let output = std::process::Command::new("sh").args(["-c", &script]).current_dir(&folder.0).output().unwrap();
    done(&output);
    assert_eq!(
        folder.files("out"),
        ["show 0/00.flac", "show 0/03.flac", "show 1/01.flac", "show 1/04.flac", "show 2/02.flac", "show 2/05.flac"]
    );
}

#[test]
fn a_run_knows_what_is_not_its_own() {
    let folder = Folder::new("archive-own");
    archive(&folder, 2, 0.4);
    let (input, output, state) = (folder.at("in"), folder.at("out"), folder.at("run.jsonl"));
    let go = |words: &[&str]| {
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&input, &"-o", &output, &"--state", &state, &"--quiet"];
        all.extend(words.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
        render("limiter", &all)
    };
    done(&go(&[]));
    // Other settings: not silently the old result, and not silently a new one.
    let other = go(&["--set", "drive=3"]);
    assert_eq!(other.status.code(), Some(1));
    refused(&other, "the settings are others");
    done(&go(&["--set", "drive=3", "--overwrite"]));
    // An input that has changed.
    folder.wav("in/show 0/00.wav", &[vec![0.1; RATE]], RATE);
    let changed = go(&["--set", "drive=3"]);
    refused(&changed, "the input has changed");
    assert_eq!(told(&changed).lines().count(), 1);
    // A result that was thrown away is made again; one that is not ours stays.
    fs::remove_file(folder.at("out/show 1/01.wav")).unwrap();
    done(&go(&["--set", "drive=3", "--overwrite"]));
    assert!(folder.at("out/show 1/01.wav").is_file());
    fs::write(folder.at("out/show 1/01.wav"), "somebody's").unwrap();
    refused(&go(&["--set", "drive=3"]), "exists already");
    assert_eq!(fs::read(folder.at("out/show 1/01.wav")).unwrap(), b"somebody's");
    // A file that is no state file is not written to.
    fs::write(folder.at("notes.txt"), "my notes\n").unwrap();
    refused(&render("limiter", &[&input, &"-o", &folder.at("x"), &"--state", &folder.at("notes.txt")]), "no state file");
    assert_eq!(fs::read(folder.at("notes.txt")).unwrap(), b"my notes\n");
}

#[test]
fn a_list_names_the_inputs() {
    let folder = Folder::new("archive-list");
    archive(&folder, 5, 0.3);
    let names: Vec<PathBuf> = ["in/show 1/01.wav", "in/show 0/03.wav"].iter().map(|name| folder.at(name)).collect();
    let text = format!("# two of them\n{}\n\n{}\n", names[0].display(), names[1].display());
    fs::write(folder.at("list.txt"), text).unwrap();
    let (list, output) = (folder.at("list.txt"), folder.at("out"));
    done(&render("limiter", &[&"--from-list", &list, &"-o", &output, &"--format", &"flac", &"--quiet"]));
    assert_eq!(folder.files("out"), ["show 0/03.flac", "show 1/01.flac"]);
    fs::write(&list, "\n").unwrap();
    refused(&render("limiter", &[&"--from-list", &list, &"-o", &output]), "one a line");
}
