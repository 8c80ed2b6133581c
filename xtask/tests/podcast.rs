//! `cargo xtask render podcast` from outside: loudness, cuts, report and page.

mod common;

use common::{Folder, RATE, decoded, done, measured, refused, render, voice};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// At its end the sample has no voice for so long, seconds: a pause that follows begins there.
const TAIL: f64 = 0.7;

/// The voice with pauses of these lengths in seconds before, between and behind; gives where nobody speaks, too.
fn talk(pauses: &[f64]) -> (Vec<f32>, Vec<(f64, f64)>) {
    let voice = voice();
    let mut room = common::noise(3);
    let (mut audio, mut places) = (Vec::new(), Vec::new());
    for (index, &seconds) in pauses.iter().enumerate() {
        let start = audio.len() as f64 / RATE as f64;
        audio.extend((0..(seconds * RATE as f64) as usize).map(|_| 0.002 * room()));
        places.push((if index > 0 { start - TAIL } else { start }, start + seconds));
        if index + 1 < pauses.len() {
            audio.extend_from_slice(&voice);
        }
    }
    (audio, places)
}

fn episode(folder: &Folder, output: &str, words: &[&str], audio: &[Vec<f32>]) -> (PathBuf, Value) {
    let input = folder.wav("in.wav", audio, RATE);
    let (output, report) = (folder.at(output), folder.at("report.json"));
    let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&input, &"-o", &output, &"--report", &report, &"--overwrite", &"--quiet"];
    all.extend(words.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
    done(&render("podcast", &all));
    (output, folder.json("report.json"))
}

/// What a target asks for is in the finished file, lossy ones decoded, by the meter of another hand.
#[test]
fn loudness_and_peaks_of_the_finished_file_are_right() {
    let folder = Folder::new("podcast");
    let (talk, _) = talk(&[0.5, 1.0, 0.5]);
    let quiet: Vec<f32> = talk.iter().map(|x| 0.1 * x).collect();
    let cases = [
        ("a.wav", "apple-podcasts", -16.0, -1.0),
        ("a.mp3", "spotify", -14.0, -1.0),
        ("a.opus", "amazon-music", -14.0, -2.0),
        ("b.mp3", "mono-speakers", -19.0, -1.0),
    ];
    for (output, target, loudness, ceiling) in cases {
        let (output, report) = episode(&folder, output, &["--target", target], std::slice::from_ref(&quiet));
        let (rate, audio) = decoded(&folder, &output);
        let (found, peak) = measured(&audio, rate);
        assert!((found - loudness).abs() <= 0.1, "{target}: {found} LUFS");
        assert!(peak <= ceiling + 0.05, "{target}: {peak} dBTP");
        let told = &report["podcast"]["loudness"];
        assert!((told["after_lufs"].as_f64().unwrap() - found).abs() < 0.05 && told["true_peak_after_dbtp"].as_f64().unwrap() <= ceiling);
        assert_eq!(audio[0].len(), quiet.len(), "{target}");
    }
}

/// With the level left alone it is the chain with its own limiter, and nothing comes behind it.
#[test]
fn a_kept_level_leaves_the_chain_as_it_is() {
    let folder = Folder::new("podcast-keep");
    let (talk, _) = talk(&[0.2, 0.2]);
    let (first, report) = episode(&folder, "a.wav", &["--loudness", "keep", "--bits", "32f"], std::slice::from_ref(&talk));
    assert_eq!(report["podcast"]["loudness"]["gain_db"], 0.0);
    assert_eq!(report["settings"]["limiter-on"], "on");
    assert_eq!(report["podcast"]["loudness"]["asked_lufs"], Value::Null);
    let (_, kept) = decoded(&folder, &first);
    let (_, peak) = measured(&kept, RATE);
    assert!(peak <= -1.0 + 0.05, "the chain's own limiter works: {peak}");
}

#[test]
fn pauses_are_cut_and_words_are_not() {
    let folder = Folder::new("podcast-cuts");
    let (talk, pauses) = talk(&[2.5, 3.0, 0.6, 2.0, 0.4]);
    let list = folder.at("cuts.json");
    let page = folder.at("page.html");
    let words =
        ["--cut-silences", "1.2", "--to", "0.6", "--cut-list", list.to_str().unwrap(), "--page", page.to_str().unwrap(), "--bits", "32f"];
    let (output, report) = episode(&folder, "cut.wav", &words, std::slice::from_ref(&talk));
    let cuts = folder.json("cuts.json");
    assert_eq!(cuts, report["podcast"]["cuts"]);
    let found: Vec<(f64, f64)> = cuts["cuts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cut| (cut["from_seconds"].as_f64().unwrap(), cut["to_seconds"].as_f64().unwrap()))
        .collect();
    assert!(found.len() >= 3, "{found:?}");
    assert!(fs::read_to_string(&page).unwrap().contains(&format!("{} silences", found.len())));
    for &(from, to) in &found {
        assert!(pauses.iter().any(|&(start, end)| from >= start && to <= end), "{from} to {to} s is no pause: {pauses:?}");
    }
    // What is left is as long as was said.
    let removed: f64 = found.iter().map(|(from, to)| to - from).sum();
    let (_, audio) = decoded(&folder, &output);
    assert!((audio[0].len() as f64 / RATE as f64 - (talk.len() as f64 / RATE as f64 - removed)).abs() < 1e-3);
    let before: f64 = [2.5_f64, 3.0, 2.0].iter().sum();
    assert!((removed - (before - 3.0 * 0.6)).abs() < 0.5, "{removed} s went");
    // Only marked: nothing goes, and the list is the same.
    let marked = folder.at("marked.edl");
    let words = ["--cut-silences", "1.2", "--to", "0.6", "--mark-only", "--cut-list", marked.to_str().unwrap()];
    let (output, report) = episode(&folder, "marked.wav", &words, std::slice::from_ref(&talk));
    assert_eq!((report["podcast"]["cuts"]["made"].as_bool(), &report["podcast"]["cuts"]["cuts"]), (Some(false), &cuts["cuts"]));
    assert_eq!(decoded(&folder, &output).1[0].len(), talk.len());
    let edl = fs::read_to_string(&marked).unwrap();
    assert_eq!(edl.lines().filter(|line| line.contains(" AX ")).count(), found.len() + 1);
}

/// The page opens without anything from outside, tells what was done, and has sound in it.
#[test]
fn the_page_is_whole() {
    let folder = Folder::new("podcast-page");
    let (talk, _) = talk(&[1.0, 3.0, 1.0]);
    // Clipped, and with hum.
    let bad: Vec<f32> = talk
        .iter()
        .enumerate()
        .map(|(n, x)| {
            let hum: f32 = (1..6).map(|k| (n as f32 * k as f32 * 50.0 * std::f32::consts::TAU / RATE as f32).sin()).sum();
            (6.0 * x + 0.04 * hum).clamp(-0.9, 0.9)
        })
        .collect();
    let page = folder.at("page.html");
    let words = ["--page", page.to_str().unwrap(), "--cut-silences", "1"];
    let (_, report) = episode(&folder, "a.opus", &words, &[bad.clone(), bad]);
    let html = fs::read_to_string(&page).unwrap();
    for part in ["Loudness over time", "Spectrograms", "Gain by stage", "What was heard", "SHA-256", "is clipped", "mains hum of 50 Hz"] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(html.matches("<audio").count(), 2);
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("<script"), "nothing comes from outside");
    assert!(html.matches("data:image/png;base64,").count() == 2);
    assert!(report["podcast"]["source"]["clipped_tops"].as_u64().unwrap() > 10);
}

#[test]
fn silence_passes_and_nonsense_is_refused() {
    let folder = Folder::new("podcast-odd");
    let (_, report) = episode(&folder, "a.mp3", &["--cut-silences", "1"], &[vec![0.0; 2 * RATE]]);
    assert!(report["warnings"][0].as_str().unwrap().contains("nothing to be heard"));
    assert_eq!(report["podcast"]["cuts"]["cuts"].as_array().unwrap().len(), 0);
    let input = folder.at("in.wav");
    let out = folder.at("b.wav");
    refused(&render("podcast", &[&input, &"-o", &out, &"--target", &"radio"]), "apple-podcasts");
    refused(&render("podcast", &[&input, &"-o", &out, &"--cut-silences", &"1", &"--to", &"2"]), "leaves more");
    refused(&render("podcast", &[&input, &"-o", &out, &"--cut-silences", &"1", &"--cut-list", &folder.at("a.xml")]), ".edl");
    refused(&render("podcast", &[&input, &"-o", &out, &"--to", &"2"]), "--cut-silences");
    assert!(!out.exists());
}
