//! `cargo xtask render podcast --multitrack` from outside: tracks to one episode, stems, report, refusals.

mod common;

use common::{Folder, RATE, decoded, done, measured, noise, refused, render, told, voice};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

/// A voice that is somebody else's: lower, and slower.
fn lower(voice: &[f32]) -> Vec<f32> {
    let at = |n: usize| {
        let place = n as f32 * 0.8;
        let (whole, part) = (place as usize, place.fract());
        voice[whole] + (voice[(whole + 1).min(voice.len() - 1)] - voice[whole]) * part
    };
    (0..(voice.len() as f32 / 0.8) as usize - 2).map(at).collect()
}

/// Who is to be heard when, as (first, behind the last) sample.
struct Talk {
    host: Vec<f32>,
    guest: Vec<f32>,
    turns: Vec<(usize, usize, usize)>,
}

/// Two who take turns, each heard in the other's microphone, 18 dB down and 5 ms late; the guest's is set 10 dB lower.
fn talk(rounds: usize) -> Talk {
    let voices = [voice(), lower(&voice())];
    let gap = RATE / 2;
    let mut room = noise(5);
    let (mut alone, mut turns) = ([Vec::new(), Vec::new()], Vec::new());
    for turn in 0..2 * rounds {
        let who = turn % 2;
        let from = alone[0].len();
        alone[who].extend_from_slice(&voices[who]);
        alone[1 - who].resize(from + voices[who].len(), 0.0);
        turns.push((who, from, from + voices[who].len()));
        alone.iter_mut().for_each(|track| track.resize(from + voices[who].len() + gap, 0.0));
    }
    let mut mic = |own: usize, gain: f32| -> Vec<f32> {
        let other = &alone[1 - own];
        let bleed = |n: usize| n.checked_sub(240).map_or(0.0, |n| 0.1 * other[n] + 0.06 * n.checked_sub(900).map_or(0.0, |n| other[n]));
        (0..other.len()).map(|n| gain * (alone[own][n] + bleed(n) + 0.0005 * room())).collect()
    };
    Talk { host: mic(0, 1.0), guest: mic(1, 0.3), turns }
}

/// Chords, two channels.
fn music(seconds: usize) -> Vec<Vec<f32>> {
    let chord = |n: usize, side: f32| {
        let t = n as f32 / RATE as f32;
        let root = [220.0, 174.6, 261.6, 196.0][(t / 2.0) as usize % 4];
        let swell = (-1.5 * (t % 0.5)).exp();
        [1.0, 1.26, 1.5, 2.0, 3.0].iter().map(|k| (std::f32::consts::TAU * root * k * t * (1.0 + 0.001 * side)).sin() / k).sum::<f32>()
            * 0.06
            * swell
    };
    [0.0, 1.0].map(|side| (0..seconds * RATE).map(|n| chord(n, side)).collect()).to_vec()
}

fn seconds(frames: usize) -> f64 {
    frames as f64 / RATE as f64
}

/// A folder with three tracks, and the words that name them.
fn studio(name: &str, rounds: usize) -> (Folder, Talk, Vec<PathBuf>) {
    let folder = Folder::new(name);
    let talk = talk(rounds);
    let length = talk.host.len() / RATE + 4;
    let tracks = vec![
        folder.wav("host.wav", std::slice::from_ref(&talk.host), RATE),
        folder.wav("guest.wav", std::slice::from_ref(&talk.guest), RATE),
        folder.wav("music.wav", &music(length), RATE),
    ];
    (folder, talk, tracks)
}

fn run(folder: &Folder, tracks: &[PathBuf], output: &str, words: &[&str]) -> std::process::Output {
    let output = folder.at(output);
    let mut all: Vec<&dyn AsRef<OsStr>> = tracks.iter().map(|track| track as &dyn AsRef<OsStr>).collect();
    all.extend([&"--multitrack" as &dyn AsRef<OsStr>, &"-o", &output, &"--quiet"]);
    all.extend(words.iter().map(|word| word as &dyn AsRef<OsStr>));
    render("podcast", &all)
}

fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len().max(1) as f64
}

fn db(a: f64, b: f64) -> f64 {
    10.0 * (a.max(1e-20) / b.max(1e-20)).log10()
}

/// The whole way: loudness and peak of the file, turns, cross-talk, ducking, stems that add up, page.
#[test]
fn tracks_make_one_episode() {
    let (folder, talk, tracks) = studio("multitrack", 2);
    let (report, stems, page) = (folder.at("report.json"), folder.at("stems"), folder.at("page.html"));
    let words = [
        "--music",
        tracks[2].to_str().unwrap(),
        "--report",
        report.to_str().unwrap(),
        "--tracks-to",
        stems.to_str().unwrap(),
        "--page",
        page.to_str().unwrap(),
        "--target",
        "apple-podcasts",
    ];
    done(&run(&folder, &tracks, "episode.mp3", &words));
    let (rate, audio) = decoded(&folder, &folder.at("episode.mp3"));
    let (found, peak) = measured(&audio, rate);
    assert!((found + 16.0).abs() <= 0.1 && peak <= -0.95, "{found} LUFS, {peak} dBTP");
    assert_eq!(audio.len(), 2);
    let report = folder.json("report.json");
    let told = &report["podcast"];
    assert!((told["loudness"]["after_lufs"].as_f64().unwrap() - found).abs() < 0.05);
    // Turns: each is there, and nobody else talks in it.
    let turns: Vec<(&str, f64, f64)> = told["turns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| (turn["talker"].as_str().unwrap(), turn["start_seconds"].as_f64().unwrap(), turn["end_seconds"].as_f64().unwrap()))
        .collect();
    for &(who, from, to) in &talk.turns {
        let (from, to) = (seconds(from), seconds(to));
        let said =
            |name: &str| turns.iter().filter(|turn| turn.0 == name).map(|turn| (turn.2.min(to) - turn.1.max(from)).max(0.0)).sum::<f64>();
        let (own, other) = if who == 0 { (said("host"), said("guest")) } else { (said("guest"), said("host")) };
        assert!(own > 0.4 * (to - from) && other < 0.1 * (to - from), "{who}: {own} and {other} of {}", to - from);
    }
    let tracks = told["tracks"].as_array().unwrap();
    for track in &tracks[..2] {
        assert_eq!(track["role"], "talker");
        assert!(track["cross_talk_reduction_db"].as_f64().unwrap() >= 10.0, "{track}");
        assert!((0.3..0.7).contains(&track["share_of_talk"].as_f64().unwrap()));
    }
    let apart = tracks[0]["trim_db"].as_f64().unwrap() - tracks[1]["trim_db"].as_f64().unwrap();
    assert!((apart + 10.5).abs() < 3.0, "the guest's microphone is set lower: {apart}");
    assert!(!tracks[2]["ducked_seconds"].as_array().unwrap().is_empty());
    // Stems: as long as the episode, aligned, music down under words and as it was behind them.
    let stem = |name: &str| decoded(&folder, &stems.join(name)).1;
    let (host, music) = (stem("host.wav"), stem("music.wav"));
    assert_eq!((host[0].len(), music.len()), (audio[0].len(), 2));
    let (_, source) = decoded(&folder, &folder.at("music.wav"));
    let gain = |from: usize, to: usize| db(power(&music[0][from..to]), power(&source[0][from..to]));
    let (_, from, to) = talk.turns[0];
    let last = talk.turns.last().unwrap().2;
    let (under, behind) = (gain(from + RATE, to - RATE), gain(last + 3 * RATE, source[0].len()));
    assert!((behind - under - 15.0).abs() < 1.0, "{under} under words, {behind} behind them");
    // In the other's turn the host's microphone is down: more than 10 dB against their own voice.
    let (own, other) = (talk.turns[0], talk.turns[1]);
    let ratio = |track: &[f32]| db(power(&track[own.1..own.2]), power(&track[other.1 + RATE / 4..other.2]));
    let (before, after) = (ratio(&talk.host), ratio(&host[0]));
    assert!(after - before > 10.0, "{before} before, {after} after");
    let html = fs::read_to_string(&page).unwrap();
    for part in ["Who talks when", "Tracks", "Gains of the tracks", "host", "guest", "music", "Loudness", "Spectrograms"] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(html.matches("<audio").count(), 2);
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("<script"), "nothing comes from outside");
}

/// The stems' sum, one channel at equal power in two, is the mix before its gain and limiter.
#[test]
fn stems_add_up_and_runs_repeat() {
    let (folder, _, tracks) = studio("multitrack-stems", 1);
    let stems = folder.at("stems");
    let words = ["--no-music", "--loudness", "keep", "--set", "limiter-on=off", "--bits", "32f"];
    let with = [&words[..], &["--tracks-to", stems.to_str().unwrap(), "--jobs", "1"]].concat();
    done(&run(&folder, &tracks, "a.wav", &with));
    done(&run(&folder, &tracks, "b.wav", &[&words[..], &["--jobs", "3"]].concat()));
    assert!(fs::read(folder.at("a.wav")).unwrap() == fs::read(folder.at("b.wav")).unwrap(), "runs differ");
    let (_, mix) = decoded(&folder, &folder.at("a.wav"));
    let stem = |name: &str| decoded(&folder, &stems.join(name)).1;
    let (host, guest, music) = (stem("host.wav"), stem("guest.wav"), stem("music.wav"));
    for (side, mix) in mix.iter().enumerate() {
        for (n, &sample) in mix.iter().enumerate().step_by(11) {
            let sum = 0.5_f32.sqrt() * (host[0][n] + guest[0][n]) + music[side][n];
            assert!((sample - sum).abs() < 1e-5, "{side} {n}: {sample} instead of {sum}");
        }
    }
}

/// Other rates, offsets and lengths: everything lies where it belongs.
#[test]
fn tracks_lie_where_they_belong() {
    let (folder, talk, tracks) = studio("multitrack-place", 2);
    // The guest's track at 24 kHz without its first second, which the offset puts back.
    let guest: Vec<f32> = talk.guest[RATE..].chunks_exact(2).map(|two| (two[0] + two[1]) / 2.0).collect();
    let guest = folder.wav("late guest.wav", &[guest], RATE / 2);
    let words = ["--offset", "late guest=1", "--music", "music.wav", "--offset", "3=-2", "--tracks-to"];
    let mut all: Vec<&str> = words.to_vec();
    let stems = folder.at("stems");
    all.push(stems.to_str().unwrap());
    let music = tracks[2].to_str().unwrap().to_owned();
    all[3] = &music;
    done(&run(&folder, &[tracks[0].clone(), guest.clone(), tracks[2].clone()], "a.wav", &all));
    let (rate, late) = decoded(&folder, &stems.join("late guest.wav"));
    done(&run(&folder, &tracks[..2], "b.wav", &["--tracks-to", folder.at("plain").to_str().unwrap()]));
    let (_, plain) = decoded(&folder, &folder.at("plain/guest.wav"));
    assert_eq!(rate, RATE);
    // Chains have to settle before they sound alike.
    let (_, from, to) = talk.turns[3];
    let fits = |shift: usize| {
        let (a, b) = (&late[0][from + shift..to + shift - 8], &plain[0][from + 4..to - 4]);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let best = (0..=8).max_by(|&a, &b| fits(a).total_cmp(&fits(b))).unwrap();
    // What is above 12 kHz in one of the recordings alone moves tone and gains; the place stays.
    assert!((3..=5).contains(&best) && fits(best) > 0.5, "{best}: {}", fits(best));
    // Without its end, a track is told of.
    let short = folder.wav("short.wav", &[talk.guest[..RATE].to_vec()], RATE);
    let output = run(&folder, &[tracks[0].clone(), short], "c.wav", &["--overwrite"]);
    done(&output);
    let quiet = told(&output);
    assert!(quiet.is_empty(), "--quiet tells nothing: {quiet}");
}

/// Music that nobody has named is recognised, and passes undamaged but for its level.
#[test]
fn music_is_recognised() {
    let (folder, _, tracks) = studio("multitrack-music", 1);
    let report = folder.at("report.json");
    done(&run(&folder, &tracks, "a.opus", &["--report", report.to_str().unwrap()]));
    let roles: Vec<Value> =
        folder.json("report.json")["podcast"]["tracks"].as_array().unwrap().iter().map(|track| track["role"].clone()).collect();
    assert_eq!(roles, ["talker", "talker", "music"]);
}

/// One line each, and nothing is left behind.
#[test]
fn what_makes_no_sense_is_refused() {
    let (folder, _, tracks) = studio("multitrack-refused", 1);
    let before = folder.files("");
    let broken = folder.at("broken.wav");
    let all = |extra: &[PathBuf]| [&tracks[..1], extra].concat();
    refused(&run(&folder, &tracks[..1], "a.mp3", &[]), "takes two to 8 tracks, and 1 is named");
    let nine: Vec<PathBuf> = (0..9).map(|n| folder.at(&format!("{n}.wav"))).collect();
    refused(&run(&folder, &nine, "a.mp3", &[]), "takes two to 8 tracks, and 9 are named");
    refused(&run(&folder, &all(&[folder.at("gone.wav")]), "a.mp3", &[]), "gone.wav: there is no such file");
    refused(&run(&folder, &all(&tracks[..1]), "a.mp3", &[]), "is named twice");
    refused(&run(&folder, &all(std::slice::from_ref(&folder.0)), "a.mp3", &[]), "is a folder");
    refused(&run(&folder, &tracks, "a.mp3", &["--offset", "nobody=1"]), "there is no track \"nobody\"; there are: 1 \"host\"");
    refused(&run(&folder, &tracks, "a.mp3", &["--offset", "host"]), "write TRACK=SECONDS");
    refused(&run(&folder, &tracks, "a.mp3", &["--summary", "x.csv"]), "--summary is for many files");
    refused(&run(&folder, &tracks, "a.xyz", &[]), "has no ending that can be written");
    refused(&run(&folder, &tracks, "host.wav", &["--overwrite"]), "host.wav");
    refused(&run(&folder, &tracks, "a.wav", &["--tracks-to", folder.0.to_str().unwrap(), "--overwrite"]), "is an input");
    let quiet: Vec<&str> = tracks.iter().flat_map(|track| ["--music", track.to_str().unwrap()]).collect();
    refused(&run(&folder, &tracks, "a.mp3", &quiet), "needs somebody who talks");
    assert_eq!(folder.files(""), before, "something is left");
    // A file that breaks off in the middle of its sound.
    let bytes = fs::read(&tracks[1]).unwrap();
    fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();
    let output = run(&folder, &all(std::slice::from_ref(&broken)), "new/a.mp3", &["--tracks-to", folder.at("new/stems").to_str().unwrap()]);
    refused(&output, "broken.wav");
    assert_eq!(told(&output).lines().count(), 1, "{}", told(&output));
    assert!(!folder.at("new").exists());
    fs::remove_file(&broken).unwrap();
    assert_eq!(folder.files(""), before);
}

/// With a state file the same command does nothing twice, and never hides that something has changed.
#[test]
fn the_same_command_goes_on() {
    let (folder, _, tracks) = studio("multitrack-state", 1);
    let state = folder.at("state.jsonl");
    let words = ["--state", state.to_str().unwrap()];
    done(&run(&folder, &tracks[..2], "a.flac", &words));
    let made = fs::metadata(folder.at("a.flac")).unwrap().modified().unwrap();
    done(&run(&folder, &tracks[..2], "a.flac", &words));
    assert_eq!(fs::metadata(folder.at("a.flac")).unwrap().modified().unwrap(), made, "made twice");
    refused(&run(&folder, &tracks[..2], "a.flac", &[]), "exists already");
    folder.wav("guest.wav", &[vec![0.1; RATE]], RATE);
    refused(&run(&folder, &tracks[..2], "a.flac", &words), "settings are others");
}
