//! Input that no microphone gives: not-a-number, infinity, silence, denormals, clipping.

use plainsong_tests::audio::{scaled, white};
use plainsong_tests::engine::{Blocks, loaded, run, run_fresh};
use plainsong_tests::measure::{level_db, null_db, peak, same_bits};
use plainsong_tests::pace::thread_time;
use plainsong_tests::random::Random;
use plainsong_tests::subject::{Subject, settings};
use std::time::Duration;

/// Samples for which an input sample can be heard: what holds it, and the delay with which that comes
/// out.
fn tail<S: Subject>(rate: f64, latency: usize) -> usize {
    (S::TAIL * rate).ceil() as usize + latency
}

/// What is no number counts as silence, to the bit: nothing of it stays.
fn what_is_no_number_counts_as_silence<S: Subject>() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (mode_name, mode) in S::MODES {
            let mut broken = S::sound(48_000.0, 1.5, 2, 41);
            let mut silent = broken.clone();
            let range = 30_000..30_200;
            broken[0][range.clone()].fill(bad);
            silent[0][range].fill(0.0);
            let mut engine: S = loaded(48_000.0, 2);
            let expected = run_fresh(&mut engine, &silent, &settings::<S>(&[S::BUSY, mode]), Blocks::Of(128));
            let out = run_fresh(&mut engine, &broken, &settings::<S>(&[S::BUSY, mode]), Blocks::Of(128));
            same_bits(&out, &expected).unwrap_or_else(|e| panic!("{bad}, {mode_name}: {e}"));
        }
    }
}

/// The largest numbers there are: the output stays finite, and a second later the sound is back.
fn absurd_levels_do_no_lasting_harm<S: Subject>() {
    for bad in [f32::MAX, f32::MIN, 1e20] {
        for (mode_name, mode) in S::MODES {
            let settings = settings::<S>(&[S::BUSY, mode]);
            let clean = S::sound(48_000.0, 3.0, 2, 41);
            let mut broken = clean.clone();
            let range = 30_000..30_200;
            broken[0][range.clone()].fill(bad);
            let mut engine: S = loaded(48_000.0, 2);
            let expected = run_fresh(&mut engine, &clean, &settings, Blocks::Of(128));
            let out = run_fresh(&mut engine, &broken, &settings, Blocks::Of(128));
            assert!(out.iter().flatten().all(|x| x.is_finite()), "{bad}: the output is not finite");
            // The window with it is over after this; the net may remember for longer.
            let quiet = range.end + tail::<S>(48_000.0, engine.latency(&settings));
            assert!(peak(&[out[0][quiet..].to_vec()]) < 2.0, "{bad}, {mode_name}: it rings on");
            let later = range.end + 48_000;
            let (heard, wanted) = (level_db(&out[0][later..]), level_db(&expected[0][later..]));
            assert!((heard - wanted).abs() < 3.0, "{bad}, {mode_name}: {heard:.1} instead of {wanted:.1} dBFS");
        }
    }
}

/// A whole signal of not-a-number, then sound: nothing sticks.
fn a_second_of_nothing_but_bad_samples_does_no_lasting_harm<S: Subject>() {
    let settings = settings::<S>(&[S::BUSY]);
    let mut engine: S = loaded(48_000.0, 1);
    let out = run_fresh(&mut engine, &[vec![f32::NAN; 48_000]], &settings, Blocks::Of(512));
    assert!(out[0].iter().all(|x| x.is_finite()));
    let sound = S::sound(48_000.0, 1.0, 1, 9);
    let out = run(&mut engine, &sound, &settings, Blocks::Of(512));
    assert!(out[0].iter().all(|x| x.is_finite()) && level_db(&out[0]) > level_db(&sound[0]) - 12.0);
}

fn silence_stays_silence<S: Subject>() {
    for (mode_name, mode) in S::MODES {
        for rate in [44_100.0, 48_000.0] {
            let mut engine: S = loaded(rate, 2);
            let out = run_fresh(&mut engine, &vec![vec![0.0; 48_000]; 2], &settings::<S>(&[S::BUSY, mode]), Blocks::Of(333));
            assert_eq!(peak(&out), 0.0, "{rate} Hz: silence in, sound out");
            // After sound the tail ends with the last window, in digital silence.
            run(&mut engine, &S::sound(rate, 0.5, 2, 1), &settings::<S>(&[S::BUSY, mode]), Blocks::Of(333));
            let out = run(&mut engine, &vec![vec![0.0; 48_000]; 2], &settings::<S>(&[S::BUSY, mode]), Blocks::Of(333));
            let tail = tail::<S>(rate, engine.latency(&settings::<S>(&[S::BUSY, mode]))) + 1;
            let after: Vec<Vec<f32>> = out.iter().map(|channel| channel[tail..].to_vec()).collect();
            assert_eq!(peak(&after), 0.0, "{rate} Hz, {mode_name}: the tail does not end");
        }
    }
}

/// A signal driven 30 dB over full scale and one that clips stay finite and within reason.
fn clipping_stays_finite<S: Subject>() {
    for gain in [4.0, 32.0, 1e6] {
        let hot = scaled(&S::sound(48_000.0, 1.0, 2, 51), gain);
        let clipped: Vec<Vec<f32>> = hot.iter().map(|channel| channel.iter().map(|x| x.clamp(-1.0, 1.0)).collect()).collect();
        for input in [hot, clipped] {
            for (mode_name, mode) in S::MODES {
                let out = run_fresh(&mut loaded::<S>(48_000.0, 2), &input, &settings::<S>(&[S::BUSY, mode]), Blocks::Of(512));
                // A mask turns parts down; with phases changed the peak can grow a little, not much.
                assert!(
                    out.iter().flatten().all(|x| x.is_finite()) && peak(&out) < 2.0 * peak(&input),
                    "gain {gain}, {mode_name}: {}",
                    peak(&out)
                );
            }
        }
    }
}

/// Processor time for a second of audio, best of five.
fn cost<S: Subject>(input: &[Vec<f32>], prepare: &[Vec<f32>]) -> Duration {
    let settings = settings::<S>(&[S::BUSY]);
    let mut engine: S = loaded(48_000.0, 2);
    (0..5)
        .map(|_| {
            run_fresh(&mut engine, prepare, &settings, Blocks::Of(512));
            let start = thread_time();
            run(&mut engine, input, &settings, Blocks::Of(512));
            thread_time() - start
        })
        .min()
        .unwrap_or_default()
}

/// Denormals: silence after sound, and a signal at the edge of silence, cost no more than sound.
fn quiet_input_costs_no_more_than_sound<S: Subject>() {
    let sound = S::sound(48_000.0, 1.0, 2, 61);
    let usual = cost::<S>(&sound, &sound);
    let inputs = [
        ("silence", vec![vec![0.0; 48_000]; 2]),
        ("denormals", vec![vec![1e-39; 48_000]; 2]),
        ("noise at -380 dBFS", (0..2).map(|seed| white(48_000, 1e-19, seed)).collect()),
        ("noise at -760 dBFS", (0..2).map(|seed| white(48_000, 1e-38, seed)).collect()),
    ];
    for (name, input) in inputs {
        let cost = cost::<S>(&input, &sound);
        // Three times, for caches and cores that other tests use; denormals cost ten times and more.
        assert!(cost.as_secs_f64() < 3.0 * usual.as_secs_f64(), "{name}: {cost:?}, sound: {usual:?}");
    }
}

/// The engine neither needs nor leaves behind a state of the floating-point unit.
fn the_host_finds_its_denormals_as_it_left_them<S: Subject>() {
    let small = || std::hint::black_box(f32::MIN_POSITIVE) * std::hint::black_box(0.5);
    assert!(small() > 0.0);
    run_fresh(&mut loaded::<S>(48_000.0, 1), &S::sound(48_000.0, 0.2, 1, 1), &settings::<S>(&[S::BUSY]), Blocks::Of(64));
    assert!(small() > 0.0, "process left denormals flushed on the host's thread");
}

/// Clean speech, bad input on one channel: the other keeps its sound.
fn a_dead_channel_does_not_kill_its_neighbour<S: Subject>() {
    let voice = S::sound(48_000.0, 1.0, 1, 5).swap_remove(0);
    let mut random = Random::new(77);
    let dead: Vec<f32> = (0..voice.len()).map(|_| if random.unit() < 0.5 { f32::NAN } else { f32::INFINITY }).collect();
    let mut engine: S = loaded(48_000.0, 2);
    let both = run_fresh(&mut engine, &[voice.clone(), dead], &settings::<S>(&[S::BUSY]), Blocks::Of(512));
    let with_silence = run_fresh(&mut engine, &[voice.clone(), vec![0.0; voice.len()]], &settings::<S>(&[S::BUSY]), Blocks::Of(512));
    let null = null_db(&both, &with_silence, 0);
    assert!(null < -120.0, "bad samples must count as silence; {null:.1} dBFS apart");
}

plainsong_tests::for_foreign!(
    what_is_no_number_counts_as_silence,
    absurd_levels_do_no_lasting_harm,
    a_second_of_nothing_but_bad_samples_does_no_lasting_harm,
    silence_stays_silence,
    clipping_stays_finite,
    quiet_input_costs_no_more_than_sound,
    a_dead_channel_does_not_kill_its_neighbour
);
plainsong_tests::for_engines!(
    what_is_no_number_counts_as_silence,
    absurd_levels_do_no_lasting_harm,
    a_second_of_nothing_but_bad_samples_does_no_lasting_harm,
    silence_stays_silence,
    clipping_stays_finite,
    quiet_input_costs_no_more_than_sound,
    the_host_finds_its_denormals_as_it_left_them,
    a_dead_channel_does_not_kill_its_neighbour
);
