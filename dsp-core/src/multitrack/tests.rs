//! The engine as a whole, against the truth about generated conversations.

use super::scene::{RATE, Random, Scene, Shape};
use super::*;
use crate::dynamics::{compressor, leveller};
use crate::units::{Db, Hz, Ms};

const AHEAD: Ms = Ms(160.0);

#[derive(Default)]
struct Log(Vec<Watched>);

impl Watch for Log {
    fn hop(&mut self, watched: &Watched) {
        self.0.push(*watched);
    }
}

fn talkers(count: usize) -> Vec<Track> {
    vec![Track { role: Role::Talker, channels: 1 }; count]
}

/// Runs an engine over tracks and takes its delay off.
fn run(engine: &mut Multitrack, tracks: &[Vec<f32>], settings: &Settings, block: usize) -> (Vec<Vec<f32>>, Log) {
    let latency = engine.latency();
    let mut audio: Vec<Vec<f32>> = tracks.iter().map(|track| [track.as_slice(), &vec![0.0; latency]].concat()).collect();
    let mut log = Log::default();
    let length = audio[0].len();
    for at in (0..length).step_by(block) {
        let mut parts: Vec<&mut [f32]> = audio.iter_mut().map(|track| &mut track[at..length.min(at + block)]).collect();
        engine.process(&mut parts, &[], settings, &mut log);
    }
    (audio.into_iter().map(|track| track[latency..].to_vec()).collect(), log)
}

/// What is learned in two passes, as the renderer does.
fn learned(scene: &Scene) -> Knowledge {
    let hops = scene.hops();
    let mut learner = Learner::new(hops.len());
    for turn in 0..2 {
        for n in 0..hops[0].len() {
            learner.hear(&hops.iter().map(|hops| hops[n]).collect::<Vec<_>>());
        }
        if turn == 0 {
            learner.again();
        }
    }
    learner.finish()
}

fn db(power: f64) -> f64 {
    10.0 * power.max(1e-30).log10()
}

/// Figures of a run against the truth.
#[derive(Debug, Default)]
struct Figures {
    /// Least and mean reduction of cross-talk in a track while its talker is silent and another talks, dB.
    bleed: (f64, f64),
    /// Level of voices that talk alone, and of voices that talk at once: worst of all turns, dB.
    alone: f64,
    both: f64,
    /// Worst and mean change of the first 50 ms of a turn, dB.
    onset: (f64, f64),
    /// Turns that are heard at all.
    turns: usize,
}

fn figures(scene: &Scene, log: &Log) -> Figures {
    let hop = hop_of(RATE);
    let talkers = scene.voices.len();
    // In one hop the gain goes along a line.
    let gain = |track: usize, n: usize| {
        let at = n / hop;
        let to = f64::from(log.0[at].gains[track]);
        let from = at.checked_sub(1).map_or(to, |before| f64::from(log.0[before].gains[track]));
        from + (to - from) * ((n % hop + 1) as f64 / hop as f64)
    };
    let change = |signal: &[f32], track: usize, places: &mut dyn Iterator<Item = usize>| {
        let (mut before, mut after) = (0.0, 0.0);
        for n in places {
            let power = f64::from(signal[n]).powi(2);
            before += power;
            after += power * gain(track, n).powi(2);
        }
        db(after) - db(before)
    };
    let talks = |talker: usize, n: usize, margin: usize| {
        scene.turns.iter().any(|&(who, from, to)| who == talker && n + margin >= from && n < to + margin)
    };
    let mut figures = Figures { bleed: (f64::INFINITY, 0.0), ..Figures::default() };
    for track in 0..talkers {
        let length = scene.tracks[track].len();
        let silent: Vec<usize> = (0..length)
            .step_by(7)
            .filter(|&n| !talks(track, n, hop) && (0..talkers).any(|other| other != track && talks(other, n, 0)))
            .collect();
        let reduction = -change(&scene.bleeds[track], track, &mut silent.iter().copied());
        figures.bleed.0 = figures.bleed.0.min(reduction);
        figures.bleed.1 += reduction / talkers as f64;
    }
    for &(talker, from, to) in &scene.turns {
        let voice = &scene.voices[talker];
        let both = |n: usize| (0..talkers).any(|other| other != talker && talks(other, n, 0));
        let first = (from..to).find(|&n| voice[n].abs() > 0.003).unwrap_or(from);
        let onset = change(voice, talker, &mut (first..first + RATE as usize / 20));
        figures.onset.0 = figures.onset.0.min(onset);
        figures.onset.1 += onset / scene.turns.len() as f64;
        let alone = change(voice, talker, &mut (from..to).step_by(3).filter(|&n| !both(n)));
        let both = change(voice, talker, &mut (from..to).step_by(3).filter(|&n| both(n)));
        // A turn that another one covers is alone nowhere.
        figures.alone = figures.alone.min(alone);
        figures.both = figures.both.min(both);
    }
    figures.turns = scene.turns.len();
    figures
}

/// What the mixer promises, for two to four talkers, near and far, equal and unequal microphones.
#[test]
fn cross_talk_goes_and_words_stay() {
    for (talkers_count, bleed_db, spread) in
        [(2, -12.0, 0.0), (2, -18.0, 12.0), (2, -25.0, 0.0), (3, -12.0, 0.0), (3, -18.0, 12.0), (4, -12.0, 6.0), (4, -18.0, 0.0), (4, -25.0, 12.0)]
    {
        let gains_db = [0.0, -spread, spread / 2.0, -spread / 2.0];
        let shape = Shape { talkers: talkers_count, bleed_db, gains_db, seconds: 60.0, ..Shape::default() };
        let scene = Scene::new(&shape, 11 + talkers_count as u64);
        let mut engine = Multitrack::new(Hz(RATE), &talkers(talkers_count), AHEAD).unwrap();
        engine.know(&learned(&scene), &[Db(0.0); MOST]);
        let (_, log) = run(&mut engine, &scene.tracks, &Settings::default(), 1_000);
        let found = figures(&scene, &log);
        println!("{talkers_count} talkers, {bleed_db} dB, microphones {spread} dB apart: {found:.2?}");
        assert!(found.bleed.0 >= 10.0, "{found:?}");
        assert!(found.alone >= -1.0 && found.both >= -1.0, "{found:?}");
        assert!(found.onset.0 >= -3.0 && found.onset.1 >= -0.5, "{found:?}");
    }
}

#[test]
fn one_channel_keeps_its_power_in_two() {
    let mut mix = vec![vec![0.0; 4]; 2];
    add(&[&[1.0; 4]], &mut mix);
    let power: f32 = mix.iter().map(|samples| samples[0] * samples[0]).sum();
    assert!((power - 1.0).abs() < 1e-6);
    add(&[&[1.0; 4], &[0.5; 4]], &mut mix);
    assert!((mix[0][3] - mix[1][3] - 0.5).abs() < 1e-6);
    let mut mono = vec![vec![0.0; 4]];
    add(&[&[0.3; 4]], &mut mono);
    assert_eq!(mono[0], [0.3; 4]);
}
