//! The engine as a whole, against the truth about generated conversations.

use super::scene::{RATE, Random, Scene, Shape};
use super::*;
use crate::dynamics::{compressor, leveller};
use crate::units::{Db, Hz, Ms};

const AHEAD: Ms = Ms(220.0);

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
    for (count, bleed_db, spread) in [(2, -12.0, 0.0), (2, -25.0, 12.0), (3, -12.0, 12.0), (4, -12.0, 6.0), (4, -18.0, 0.0)] {
        let gains_db = [0.0, -spread, spread / 2.0, -spread / 2.0];
        let shape = Shape { talkers: count, bleed_db, gains_db, seconds: 40.0, ..Shape::default() };
        let scene = Scene::new(&shape, 11 + count as u64);
        let mut engine = Multitrack::new(Hz(RATE), &talkers(count), AHEAD).unwrap();
        engine.know(&learned(&scene), &[Db(0.0); MOST]);
        let (_, log) = run(&mut engine, &scene.tracks, &Settings::default(), 1_000);
        let found = figures(&scene, &log);
        println!("{count} talkers, {bleed_db} dB, microphones {spread} dB apart: {found:.2?}");
        assert!(found.bleed.0 >= 10.0, "{found:?}");
        assert!(found.alone >= -1.0 && found.both >= -1.0 && found.onset.0 >= -1.0, "{found:?}");
    }
}

/// Live nothing is known before: after the first half minute what was learned on the way does as well.
#[test]
fn what_is_learned_on_the_way_serves() {
    let shape = Shape { bleed_db: -15.0, gains_db: [0.0, -10.0, 0.0, 0.0], seconds: 70.0, overlap: 0.1, ..Shape::default() };
    let scene = Scene::new(&shape, 5);
    let mut engine = Multitrack::new(Hz(RATE), &talkers(2), AHEAD).unwrap();
    let (_, mut log) = run(&mut engine, &scene.tracks, &Settings::default(), 480);
    let skip = 35 * 100;
    let cut = |signals: &[Vec<f32>]| signals.iter().map(|signal| signal[skip * hop_of(RATE)..].to_vec()).collect::<Vec<_>>();
    let from = skip * hop_of(RATE);
    let turns = scene.turns.iter().filter(|turn| turn.1 > from + 48_000).map(|&(who, a, b)| (who, a - from, b - from)).collect();
    let late = Scene { voices: cut(&scene.voices), bleeds: cut(&scene.bleeds), tracks: cut(&scene.tracks), turns };
    log.0.drain(..skip);
    let found = figures(&late, &log);
    println!("{found:?}");
    assert!(found.turns > 5 && found.bleed.0 >= 10.0 && found.alone >= -1.0 && found.onset.0 >= -1.0, "{found:?}");
}

/// The gains of the whole course, from who talks when, written down without any state but the openings.
#[test]
fn gains_are_those_of_the_plain_law() {
    let scene = Scene::new(&Shape { talkers: 3, seconds: 25.0, ..Shape::default() }, 8);
    let mut engine = Multitrack::new(Hz(RATE), &talkers(3), AHEAD).unwrap();
    engine.know(&learned(&scene), &[Db(0.0); MOST]);
    let (_, log) = run(&mut engine, &scene.tracks, &Settings::default(), 512);
    let own =
        |hop: i64, talker: usize| usize::try_from(hop).ok().and_then(|hop| log.0.get(hop)).is_some_and(|watched| watched.owns[talker]);
    let mut open = [0.0_f64; 3];
    let closed = 10_f64.powf(-1.8);
    for hop in 0..log.0.len() as i64 - 30 {
        for (talker, open) in open.iter_mut().enumerate() {
            let other = (0..3).any(|other| other != talker && own(hop, other));
            // Five hops to open, twelve for soft beginnings.
            let soon = (hop..=hop + 17).any(|hop| own(hop, talker));
            let held = (hop - if other { 15 } else { 60 }..=hop).any(|hop| own(hop, talker));
            if soon {
                *open = (*open + 0.2).min(1.0);
            } else if !held {
                *open *= 10_f64.powf(if other { -0.15 } else { -0.015 });
                *open = if *open < 1e-3 { 0.0 } else { *open };
            }
        }
        let sum: f64 = open.iter().sum();
        for (talker, open) in open.iter().enumerate() {
            let wanted = ((open + closed) / (sum + 3.0 * closed) * sum.max(1.0)).sqrt();
            let got = f64::from(log.0[hop as usize].gains[talker]);
            assert!((wanted - got).abs() < 2e-3, "hop {hop}, talker {talker}: {got} instead of {wanted}");
        }
    }
}

/// The room is heard once: while at most one talks the power of equal, independent noises is constant.
#[test]
fn room_tone_does_not_pump() {
    let scene = Scene::new(&Shape { talkers: 4, overlap: 0.0, seconds: 30.0, ..Shape::default() }, 21);
    let mut engine = Multitrack::new(Hz(RATE), &talkers(4), AHEAD).unwrap();
    engine.know(&learned(&scene), &[Db(0.0); MOST]);
    let (_, log) = run(&mut engine, &scene.tracks, &Settings::default(), 960);
    let powers: Vec<f32> = log.0.iter().map(|watched| watched.gains[..4].iter().map(|gain| gain * gain).sum()).collect();
    assert!(powers.iter().all(|&power| power > 0.999), "the room never goes away");
    // Where one hands over to the next both are open for a moment.
    let once = powers.iter().filter(|&&power| power < 1.01).count();
    assert!(once as f32 > 0.8 * powers.len() as f32, "{once} of {}", powers.len());
    assert!(powers.iter().all(|&power| power < 2.05));
}

fn full() -> Settings {
    let leveller = leveller::Settings { amount: 1.0, target: -16.0, most: Db(20.0), range: Db(20.0), speed: 0.4 };
    let compressor = compressor::Settings { amount: 0.5, release: Ms(150.0), reference: -16.0 };
    Settings { leveller: Some(leveller), compressor: Some(compressor), ..Settings::default() }
}

#[test]
fn blocks_do_not_matter() {
    let scene = Scene::new(&Shape { seconds: 6.0, ..Shape::default() }, 2);
    let music: Vec<f32> = (0..scene.tracks[0].len()).map(|n| 0.1 * (n as f32 * 0.03).sin()).collect();
    let inputs = [scene.tracks[0].clone(), music.clone(), music, scene.tracks[1].clone()];
    let kinds =
        [Track { role: Role::Talker, channels: 1 }, Track { role: Role::Music, channels: 2 }, Track { role: Role::Talker, channels: 1 }];
    let out = |block: usize| {
        let mut engine = Multitrack::new(Hz(RATE), &kinds, AHEAD).unwrap();
        let first = run(&mut engine, &inputs, &full(), block);
        engine.reset();
        let again = run(&mut engine, &inputs, &full(), block);
        assert!(first.0 == again.0, "reset leaves something");
        first
    };
    let (reference, log) = out(1_024);
    assert!(log.0.iter().any(|watched| watched.gains[1] < 0.5), "music steps back");
    for block in [1, 17, 64, 480, 4_096] {
        let (other, other_log) = out(block);
        assert!(other == reference && other_log.0 == log.0, "block {block}");
    }
}

/// With nothing to share and nobody to duck for, tracks come out as they went in, later by just the latency.
#[test]
fn latency_is_exact_at_every_rate() {
    for rate in [1_000.0, 8_000.0, 16_000.0, 44_100.0, 48_000.0, 96_000.0, 192_000.0] {
        for ahead in [Ms(0.0), Ms(60.0), Ms(160.0), Ms(500.0)] {
            let kinds = [Track { role: Role::Talker, channels: 1 }, Track { role: Role::Music, channels: 1 }];
            let mut engine = Multitrack::new(Hz(rate), &kinds, ahead).unwrap();
            let settings = Settings { sharing: Sharing { depth: Db(0.0) }, ..Settings::default() };
            let mut random = Random::new(4);
            let noise: Vec<f32> = (0..(2.0 * rate) as usize).map(|_| random.between(-0.1, 0.1)).collect();
            let silence = vec![0.0; noise.len()];
            let (out, _) = run(&mut engine, &[silence, noise.clone()], &settings, 333);
            assert!(out[1] == noise, "{rate} {ahead:?}");
        }
    }
}

#[test]
fn what_is_no_sound_is_silence() {
    let kinds = talkers(2);
    let mut engine = Multitrack::new(Hz(RATE), &kinds, AHEAD).unwrap();
    let bad = [f32::NAN, f32::INFINITY, -f32::MAX, 1e30, 1e-40, 0.3];
    let track: Vec<f32> = (0..20_000).map(|n| bad[n % bad.len()]).collect();
    let (out, _) = run(&mut engine, &[track.clone(), track], &full(), 700);
    assert!(out.iter().flatten().all(|sample| sample.is_finite()));
    engine.reset();
    let scene = Scene::new(&Shape { seconds: 5.0, ..Shape::default() }, 3);
    let fresh = run(&mut Multitrack::new(Hz(RATE), &kinds, AHEAD).unwrap(), &scene.tracks, &full(), 700);
    assert!(run(&mut engine, &scene.tracks, &full(), 700).0 == fresh.0);
}

/// Two voices 12 dB apart come to one loudness, though each is heard in the other's microphone, too.
#[test]
fn voices_come_to_one_loudness() {
    let shape = Shape { bleed_db: -14.0, gains_db: [0.0, -12.0, 0.0, 0.0], seconds: 60.0, overlap: 0.0, ..Shape::default() };
    let scene = Scene::new(&shape, 17);
    let mut engine = Multitrack::new(Hz(RATE), &talkers(2), AHEAD).unwrap();
    engine.know(&learned(&scene), &[Db(0.0); MOST]);
    let (out, log) = run(&mut engine, &scene.tracks, &full(), 1_000);
    let mut levels = Vec::new();
    for (talker, out) in out.iter().enumerate() {
        // Of the second half.
        let turns = scene.turns.iter().filter(|turn| turn.0 == talker && turn.1 > 30 * 48_000);
        let (power, samples) = turns.fold((0.0, 0), |(power, samples), &(_, from, to)| {
            (power + out[from..to].iter().map(|&x| f64::from(x).powi(2)).sum::<f64>(), samples + to - from)
        });
        levels.push(db(power / samples as f64));
    }
    assert!((levels[0] - levels[1]).abs() < 2.0, "{levels:?}");
    // Others' voices move nobody's leveller.
    for hop in 1..log.0.len() {
        for talker in 0..2 {
            let (now, before) = (log.0[hop], log.0[hop - 1]);
            assert!(before.owns[talker] || now.levels_db[talker] == before.levels_db[talker], "{hop} {talker}");
        }
    }
}

/// Music goes down before the first word, by as much as is asked, and for words alone.
#[test]
fn music_steps_back_for_words() {
    let scene = Scene::new(&Shape { seconds: 12.0, overlap: 0.0, ..Shape::default() }, 6);
    let music = vec![0.1; scene.tracks[0].len()];
    let inputs = [scene.tracks[0].clone(), scene.tracks[1].clone(), music];
    let kinds = [Role::Talker, Role::Talker, Role::Music].map(|role| Track { role, channels: 1 });
    let gains = |speech: f32| {
        let mut engine = Multitrack::new(Hz(RATE), &kinds, Ms(400.0)).unwrap();
        engine.know(&learned(&scene), &[Db(0.0); MOST]);
        let latency = engine.latency();
        let mut audio: Vec<Vec<f32>> = inputs.iter().map(|track| [track.as_slice(), &vec![0.0; latency]].concat()).collect();
        let mut parts: Vec<&mut [f32]> = audio.iter_mut().map(Vec::as_mut_slice).collect();
        engine.process(&mut parts, &[speech; 3], &Settings::default(), &mut ());
        audio[2][latency..].iter().map(|sample| sample / 0.1).collect::<Vec<f32>>()
    };
    let (words, noises) = (gains(1.0), gains(0.4));
    assert!(noises.iter().all(|&gain| gain == 1.0), "nobody says a word");
    let (_, first, last) = scene.turns[0];
    assert_eq!(words[1_000], 1.0);
    let under = &words[first + 2_400..last];
    assert!(under.iter().all(|&gain| (Db::from_linear(gain).0 + 15.0).abs() < 1.0), "{} to {}", under[0], under[under.len() - 1]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(Multitrack::new(Hz(RATE), &[], AHEAD).is_err());
    assert!(Multitrack::new(Hz(RATE), &talkers(9), AHEAD).is_err());
    assert!(Multitrack::new(Hz(10.0), &talkers(2), AHEAD).is_err());
    assert!(Multitrack::new(Hz(RATE), &[Track { role: Role::Music, channels: 9 }], AHEAD).is_err());
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
