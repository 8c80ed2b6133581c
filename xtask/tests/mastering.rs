//! `cargo xtask render master` from outside: what it decides, lands on, tells and refuses.

mod common;

use common::{Folder, PROGRAM, RATE, told};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder() -> Folder {
    Folder::new("master")
}

/// What these tests do in a folder.
trait Mastering {
    fn write(&self, name: &str, audio: &[Vec<f32>]) -> PathBuf;
    fn report(&self) -> Value;
    /// Masters with a report and more words.
    fn master(&self, input: &Path, words: &[&str]) -> (Output, Value);
}

impl Mastering for Folder {
    fn write(&self, name: &str, audio: &[Vec<f32>]) -> PathBuf {
        self.wav(name, audio, RATE)
    }

    fn report(&self) -> Value {
        self.json("report.json")
    }

    fn master(&self, input: &Path, words: &[&str]) -> (Output, Value) {
        let (output, report) = (self.at("master.wav"), self.at("report.json"));
        let output =
            run(&[input.as_os_str(), "-o".as_ref(), output.as_os_str(), "--overwrite".as_ref(), "--report".as_ref(), report.as_os_str()]
                .into_iter()
                .chain(words.iter().map(OsStr::new))
                .collect::<Vec<_>>());
        common::done(&output);
        let report = self.report();
        (output, report)
    }
}

fn run(words: &[&OsStr]) -> Output {
    Command::new(PROGRAM).args(["render", "master"]).args(words).output().unwrap()
}

/// A beat, a chord and noise; `bright` lifts the treble.
fn music(seconds: f32, channels: usize, level: f32, bright: f32) -> Vec<Vec<f32>> {
    (0..channels)
        .map(|channel| {
            let (mut seed, mut last) = (9_u32 + channel as u32, 0.0);
            (0..(seconds * RATE as f32) as usize)
                .map(|n| {
                    let t = n as f32 / RATE as f32;
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let white = (seed >> 8) as f32 / (1 << 23) as f32 - 1.0;
                    let (beat, tick) = ((t * 2.0).fract() / 2.0, (t * 8.0).fract() / 8.0);
                    let kick = (-beat * 18.0).exp() * (330.0 * beat).sin();
                    let chord: f32 =
                        [220.0, 277.2, 329.6, 880.0].iter().map(|hz| (hz * std::f32::consts::TAU * t + channel as f32).sin()).sum();
                    let hat = (-tick * 60.0).exp() * (white - last) * bright;
                    last = white;
                    level * (0.6 * kick + 0.1 * chord + 0.1 * hat + 0.01 * white)
                })
                .collect()
        })
        .collect()
}

fn loudness(report: &Value) -> f64 {
    report["master"]["loudness"]["after_lufs"].as_f64().unwrap()
}

/// The proof as people run it, with short programmes and one target.
#[test]
fn twenty_programmes_land_on_their_loudness() {
    let output = Command::new(PROGRAM).args(["loudness", "--seconds", "6", "--target", "-16"]).output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    println!("{table}");
    assert!(output.status.success() && table.contains("20 right, 0 wrong"), "{table}{}", told(&output));
}

#[test]
fn platforms_and_styles_are_what_the_tables_say() {
    let folder = folder();
    let song = folder.write("song.wav", &music(5.0, 2, 0.5, 1.0));
    let page = folder.at("page.html");
    let (output, report) = folder.master(&song, &["--platform", "ebu-r128", "--style", "bright", "--page", page.to_str().unwrap()]);
    assert!((loudness(&report) + 23.0).abs() <= 0.1 && told(&output).lines().all(|line| line.contains("lasts 5.0 s")), "{}", told(&output));
    let master = &report["master"];
    assert_eq!((&master["asked"]["platform"], &master["asked"]["style"]), (&"ebu-r128".into(), &"bright".into()));
    let moves = master["moves"].as_array().unwrap();
    assert!(moves.iter().any(|one| one["kind"] == "tone" && one["sentence"].as_str().unwrap().contains("style adds")), "{moves:?}");
    assert!(master["platforms"].as_array().unwrap().iter().any(|one| one["platform"] == "youtube" && one["gain_db"] == 0.0));
    let page = fs::read_to_string(page).unwrap();
    assert!(page.matches("<svg").count() == 2 && !page.contains("http") && page.contains("-23.0 LUFS"));
    // The song's own loudness, and a ceiling of one's own.
    let (_, kept) = folder.master(&song, &["--loudness", "keep", "--ceiling", "-3"]);
    let before = kept["master"]["loudness"]["before_lufs"].as_f64().unwrap();
    assert!((loudness(&kept) - before).abs() <= 0.1);
    assert!(kept["master"]["loudness"]["true_peak_after_dbtp"].as_f64().unwrap() <= -3.0);
}

/// What is set by hand stays; with --manual nothing else happens.
#[test]
fn the_hand_goes_before_the_mind() {
    let folder = folder();
    let song = folder.write("song.wav", &music(4.0, 2, 0.3, 1.0));
    let (_, report) = folder.master(&song, &["--set", "eq7-on=on", "--set", "eq7-gain=-4", "--set", "limiter-drive=2"]);
    let settings = &report["settings"];
    assert_eq!((&settings["eq7-gain"], &settings["limiter-drive"]), (&"-4".into(), &"2".into()));
    assert_eq!(report["master"]["loudness"]["asked_lufs"], Value::Null, "the drive was not to be found");
    let (_, manual) = folder.master(&song, &["--manual", "--bits", "32f"]);
    assert!(manual.get("master").is_none());
    let (before, after) = (&manual["before"]["loudness_lufs"], &manual["after"]["loudness_lufs"]);
    assert_eq!(before, after);
}

#[test]
fn references_pull_towards_them() {
    let folder = folder();
    let song = folder.write("song.wav", &music(6.0, 2, 0.3, 0.3));
    let bright = folder.write("bright.wav", &music(6.0, 2, 0.5, 2.0));
    let part = format!("{}:1-5.5", bright.display());
    let (_, report) = folder.master(&song, &["--reference", &part, "--reference-weight", "tone=30,loudness=1"]);
    let thirds = |name: &str| -> Vec<f64> { report["master"][name].as_array().unwrap().iter().map(|db| db.as_f64().unwrap()).collect() };
    // Above 5 kHz against 200 to 1000 Hz.
    let slope = |levels: &[f64]| levels[23..28].iter().sum::<f64>() / 5.0 - levels[9..17].iter().sum::<f64>() / 8.0;
    let gained = slope(&thirds("thirds_after_db")) - slope(&thirds("thirds_before_db"));
    assert!((4.0..16.5).contains(&gained), "{gained} dB brighter");
    let heard = Command::new(PROGRAM).args(["analyse", "--json", "--from", "1", "--length", "4.5"]).arg(&bright).output().unwrap();
    let heard: Value = serde_json::from_slice(&heard.stdout).unwrap();
    assert!((loudness(&report) - heard["features"]["loudness.integrated"].as_f64().unwrap()).abs() <= 0.1);
}

/// Without a word on the loudness a master comes near to that of its reference, as far as its own peaks bear.
#[test]
fn the_loudness_of_a_reference_is_followed_as_far_as_the_song_bears() {
    let folder = folder();
    let song = folder.write("song.wav", &music(6.0, 2, 0.3, 1.0));
    let soft = folder.write("soft.wav", &music(6.0, 2, 0.05, 1.0));
    let dense: Vec<Vec<f32>> = music(6.0, 2, 4.0, 1.0).into_iter().map(|channel| channel.into_iter().map(|x| x.tanh()).collect()).collect();
    let dense = folder.write("dense.wav", &dense);
    let own = {
        let (_, report) = folder.master(&song, &["--loudness", "keep"]);
        let told = &report["master"]["loudness"];
        told["before_lufs"].as_f64().unwrap() - 1.0 - told["true_peak_before_dbtp"].as_f64().unwrap()
    };
    for (reference, least, most) in [(&soft, own - 12.1, own - 2.0), (&dense, own + 0.5, own + 3.1)] {
        let (_, report) = folder.master(&song, &["--reference", reference.to_str().unwrap()]);
        let asked = report["master"]["loudness"]["asked_lufs"].as_f64().unwrap();
        assert!((least..most).contains(&asked) && (loudness(&report) - asked).abs() <= 0.1, "{asked} for {own}");
        assert_eq!(report["master"]["asked"]["reference_weights"]["loudness"], Value::Null);
        // A platform that is named, or a weight, goes before.
        let (_, named) = folder.master(&song, &["--reference", reference.to_str().unwrap(), "--platform", "apple-music"]);
        assert_eq!(named["master"]["loudness"]["asked_lufs"], -16.0);
    }
}

#[test]
fn an_album_keeps_its_distances() {
    let folder = folder();
    fs::create_dir_all(folder.at("mixes")).unwrap();
    folder.write("mixes/1.wav", &music(5.0, 2, 0.4, 1.0));
    folder.write("mixes/2.wav", &music(5.0, 2, 0.2, 1.0));
    let output = run(&[
        folder.at("mixes").as_os_str(),
        "-o".as_ref(),
        folder.at("album").as_os_str(),
        "--album".as_ref(),
        "--platform".as_ref(),
        "ebu-r128".as_ref(),
        "--report".as_ref(),
        folder.at("report.json").as_os_str(),
        "--page".as_ref(),
        folder.at("pages").as_os_str(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let report = folder.report();
    let songs: Vec<f64> = report.as_array().unwrap().iter().map(loudness).collect();
    assert!((songs[0] - songs[1] - 6.02).abs() < 0.2, "{songs:?}");
    let whole = 10.0 * ((10_f64.powf(songs[0] / 10.0) + 10_f64.powf(songs[1] / 10.0)) / 2.0).log10();
    assert!((whole + 23.0).abs() < 0.15, "{whole}");
    assert!(folder.at("pages/1.html").is_file() && folder.at("pages/2.html").is_file());
}

/// Sane results or a clear line, and gains within bounds.
#[test]
fn odd_inputs_do_no_harm() {
    let folder = folder();
    let song = music(5.0, 2, 0.4, 1.0);
    let with = |change: &dyn Fn(f32) -> f32| -> Vec<Vec<f32>> {
        song.iter().map(|channel| channel.iter().map(|&x| change(x)).collect()).collect()
    };
    let cases = [
        ("silence", vec![vec![0.0; RATE]; 2], "nothing to be heard"),
        ("nearly nothing", vec![vec![1e-5; 3 * RATE]; 2], "nothing to be heard"),
        ("a tenth of a second", music(0.1, 2, 0.4, 1.0), "nothing to be heard"),
        ("two seconds", music(2.0, 2, 0.4, 1.0), "lasts 2.0 s only"),
        ("one channel", music(5.0, 1, 0.4, 1.0), ""),
        ("mono in two channels", vec![song[0].clone(), song[0].clone()], ""),
        ("one channel silent", vec![song[0].clone(), vec![0.0; song[0].len()]], ""),
        ("six channels", music(3.0, 6, 0.2, 1.0), ""),
        ("direct current", with(&|x| x + 0.2), "direct current"),
        ("clipped", with(&|x| (8.0 * x).clamp(-1.0, 1.0)), "clipped"),
        ("far over full scale", with(&|x| 30.0 * x), ""),
        ("very quiet", with(&|x| 0.01 * x), ""),
        ("direct current alone", vec![vec![0.3; 3 * RATE]; 2], "direct current"),
        ("one sample", vec![vec![0.5]; 2], "nothing to be heard"),
        (
            "eight channels, one of them heard",
            (0..8).map(|n| if n == 2 { song[0].clone() } else { vec![0.0; song[0].len()] }).collect(),
            "",
        ),
    ];
    let other = folder.write("other.wav", &music(4.0, 2, 0.2, 2.0));
    let words = [["--style", "open"], ["--reference", other.to_str().unwrap()]];
    for ((name, audio, line), words) in cases.iter().flat_map(|case| words.iter().map(move |words| (case, words))) {
        let (name, line) = (format!("{name} {}", words[0]), *line);
        let input = folder.write("in.wav", audio);
        let (output, report) = folder.master(&input, words);
        let lines = told(&output);
        assert!(line.is_empty() || lines.contains(line), "{name}: {lines}");
        assert!(fs::metadata(folder.at("master.wav")).unwrap().len() > 44, "{name}");
        let master = &report["master"]["loudness"];
        if line != "nothing to be heard" {
            let asked = master["asked_lufs"].as_f64().unwrap();
            assert!(words[0] == "--reference" || (-17.0..=-14.0).contains(&asked), "{name}: {asked}");
            assert_eq!(master["usual_lufs"].is_null(), words[0] == "--reference" || asked > -14.05, "{name}: {master}");
            // What is next to nothing but direct current has no loudness to be given, and a line says so.
            let told = name.starts_with("direct current alone") && lines.contains("cannot reach");
            let reached = (loudness(&report) - asked).abs() <= 0.1;
            assert!((-40.0..-5.0).contains(&asked) && (reached || told), "{name}: {} for {asked}: {lines}", loudness(&report));
            assert!(master["true_peak_after_dbtp"].as_f64().unwrap() <= -1.0, "{name}: {master}");
        } else {
            assert!(report["master"]["moves"].as_array().unwrap().is_empty(), "{name}");
        }
        for one in report["master"]["moves"].as_array().unwrap().iter().filter(|one| one["kind"] != "loudness") {
            assert!(one["move_db"].as_f64().unwrap().abs() <= 12.0, "{name}: {one}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_in_a_line() {
    let folder = folder();
    let song = folder.write("song.wav", &music(1.0, 2, 0.4, 1.0));
    let silence = folder.write("silence.wav", &[vec![0.0; RATE]]);
    let out = folder.at("out.wav");
    let refused = |words: &[&str], part: &str| {
        let all: Vec<&OsStr> = [song.as_os_str(), "-o".as_ref(), out.as_os_str()].into_iter().chain(words.iter().map(OsStr::new)).collect();
        let output = run(&all);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", told(&output));
        assert!(told(&output).contains(part) && !out.exists(), "{words:?}: {}", told(&output));
    };
    refused(&["--platform", "radio"], "spotify");
    refused(&["--style", "loudest"], "gentle");
    refused(&["--loudness", "3"], "-40 to -5");
    refused(&["--reference", "missing.flac"], "missing.flac");
    refused(&["--reference", silence.to_str().unwrap()], "nothing to be heard");
    refused(&["--reference-weight", "tone=1"], "--reference");
    refused(&["--reference", song.to_str().unwrap(), "--reference-weight", "pitch=1"], "pitch");
    refused(&["--manual", "--style", "warm"], "--manual");
}
