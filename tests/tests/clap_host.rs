//! The bundled CLAP plugins in a host. `cargo xtask test` makes the bundle and runs this; by hand:
//! `cargo xtask bundle --release && cargo test --release --workspace --test clap_host`.

use plainsong_tests::audio::{delayed, impulse, white};
use plainsong_tests::clap::{Bundle, Plugin};
use plainsong_tests::engine::{Blocks, loaded, run_fresh};
use plainsong_tests::measure::{level_db, null_db, peak, peak_at};
use plainsong_tests::pace::process_time;
use plainsong_tests::random::Random;
use plainsong_tests::soak::{self, Plan};
use plainsong_tests::subject::{Set, Subject, settings, table};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
#[path = "hosts/outputs.rs"]
mod outputs;

const RATE: f64 = 48_000.0;
const RATES: [f64; 6] = [16_000.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0];
const MAX_BLOCK: u32 = 8192;
const BYPASS: Set = &[("bypass", "on")];

/// One test at a time: some measure time, and all share the process's models.
static ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An offline instance, active: what it plays does not depend on when its models arrive.
fn offline(bundle: &Bundle, rate: f64, channels: u32) -> Plugin {
    let mut plugin = Plugin::new(bundle);
    plugin.select_channels(channels);
    plugin.set_offline(true);
    plugin.activate(rate, MAX_BLOCK);
    plugin
}

/// The same parameters as the engine declares, in its order, by name, with text that reads back.
fn parameters_are_the_engines<S: Subject>() {
    let _alone = alone();
    let mut plugin = Plugin::new(&Bundle::of::<S>());
    let names: Vec<String> = plugin.params().into_iter().map(|p| p.name).collect();
    for param in table::<S>() {
        assert!(names.iter().any(|name| name == param.name), "{} is missing in {names:?}", param.name);
    }
    for param in plugin.params() {
        assert_eq!(plugin.value(param.id), param.default, "{}: default", param.name);
        let Some(declared) = table::<S>().iter().find(|p| p.name == param.name) else { continue };
        let shown = plugin.text(param.id, param.default);
        let read = declared.parse(&shown).unwrap_or_else(|e| panic!("{}: {e}", param.name));
        assert_eq!(declared.format(read), declared.format(declared.default_value()), "{} shows {shown:?}", param.name);
        // A hundred steps: some round to an end of the range that has a word of its own.
        for share in (0..=99).map(|step| f64::from(step) / 99.0) {
            let value = param.min + (param.max - param.min) * share;
            let value = if param.stepped { value.round() } else { value };
            let shown = plugin.text(param.id, value);
            let back = plugin.read_text(param.id, &shown).unwrap_or_else(|| panic!("{} does not read {shown:?}", param.name));
            assert_eq!(plugin.text(param.id, back), shown, "{}", param.name);
        }
        assert_eq!(plugin.read_text(param.id, "nonsense"), None, "{} reads nonsense", param.name);
    }
}

/// Sample for sample what the engine gives, at every rate, in mono and stereo.
fn the_plugin_nulls_with_the_engine<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    for rate in RATES {
        for channels in [1, 2] {
            let input = S::sound(rate, 1.0, channels, 101);
            let mut plugin = offline(&bundle, rate, channels as u32);
            let played = plugin.run(&input, Blocks::Mixed(3), MAX_BLOCK);
            let expected = run_fresh(&mut loaded::<S>(rate, channels), &input, &settings::<S>(&[]), Blocks::Of(512));
            let null = null_db(&played, &expected, 0);
            assert_eq!(null, f64::NEG_INFINITY, "{rate} Hz, {channels} channels: {null:.1} dBFS apart");
        }
    }
}

/// In real time too, once the models are there.
fn in_real_time_the_plugin_nulls_with_the_engine_once_it_is_ready<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    let mut plugin = Plugin::new(&bundle);
    plugin.set_offline(false);
    plugin.activate(RATE, 512);
    let waited = plugin.wait_until_ready::<S>(2);
    assert!(waited < Duration::from_secs(3), "ready after {waited:?}");
    let input = S::sound(RATE, 1.0, 2, 102);
    plugin.reset();
    let played = plugin.run(&input, Blocks::Of(512), 512);
    let expected = run_fresh(&mut loaded::<S>(RATE, 2), &input, &settings::<S>(&[]), Blocks::Of(512));
    // A machine under load may make a step late and that frame dry; one such frame a second is borne.
    let differing = played[0].iter().zip(&expected[0]).filter(|(a, b)| a != b).count();
    assert!(differing <= 2 * 960, "{differing} of {} samples differ", input[0].len());
}

fn the_output_does_not_depend_on_the_block<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    let input = S::sound(RATE, 1.0, 2, 103);
    let mut plugin = offline(&bundle, RATE, 2);
    let whole = plugin.run(&input, Blocks::Of(MAX_BLOCK as usize), MAX_BLOCK);
    for blocks in Blocks::ALL {
        plugin.reset();
        let null = null_db(&plugin.run(&input, blocks, MAX_BLOCK), &whole, 0);
        assert_eq!(null, f64::NEG_INFINITY, "{blocks:?}: {null:.1} dBFS apart");
    }
}

fn latency_reported_is_latency_measured<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    for rate in RATES {
        for dry in [BYPASS, S::DRY[0].1] {
            for (mode_name, mode) in S::MODES {
                let mut plugin = Plugin::new(&bundle);
                plugin.set_offline(true);
                plugin.set_all::<S>(dry);
                plugin.set_all::<S>(mode);
                plugin.activate(rate, MAX_BLOCK);
                let latency = plugin.latency();
                let at = 5000;
                let out = plugin.run(&vec![impulse(at + 2 * latency + 100, at); 2], Blocks::Of(256), MAX_BLOCK);
                assert_eq!(peak_at(&out[0]), at + latency, "{rate} Hz, {dry:?}, {mode_name}");
                assert!((out[0][at + latency] - 1.0).abs() < 1e-4, "{rate} Hz, {dry:?}: {}", out[0][at + latency]);
            }
        }
    }
}

/// A host that obeys a request for a restart when the mode changes ends up with the mode's latency.
fn the_mode_can_change_while_it_runs<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    for (name, mode) in S::MODES {
        let mut plugin = offline(&bundle, RATE, 2);
        let usual = plugin.latency();
        plugin.set_all::<S>(mode);
        let noise = vec![white(4800, 0.1, 1), white(4800, 0.1, 2)];
        plugin.run(&noise, Blocks::Of(480), MAX_BLOCK);
        if plugin.wants_restart() {
            plugin.deactivate();
            plugin.activate(RATE, MAX_BLOCK);
        }
        let now = plugin.latency();
        plugin.set_all::<S>(BYPASS);
        plugin.reset();
        let at = 5000;
        let out = plugin.run(&vec![impulse(at + now + 4000, at); 2], Blocks::Of(256), MAX_BLOCK);
        assert_eq!(peak_at(&out[0]), at + now, "{name}: the latency said to be {now} (before: {usual})");
    }
}

fn activation_can_be_repeated_in_any_format<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    let mut random = Random::for_test(0xAC71);
    let mut plugin = Plugin::new(&bundle);
    for _ in 0..12 {
        let (rate, channels, block) = (random.pick(&RATES), random.pick(&[1, 2]), random.pick(&[1, 32, 500, 8192]));
        plugin.deactivate();
        plugin.select_channels(channels);
        plugin.set_offline(random.unit() < 0.5);
        plugin.activate(rate, block);
        for _ in 0..random.below(3) {
            let noise: Vec<Vec<f32>> = (0..channels).map(|_| white(3000, 0.1, random.bits())).collect();
            let out = plugin.run(&noise, Blocks::Mixed(random.bits()), block);
            assert!(out.iter().flatten().all(|x| x.is_finite()), "{rate} Hz, {channels} channels, blocks of {block}");
            if random.unit() < 0.5 {
                plugin.reset();
            }
        }
    }
}

/// Saved while it runs and loaded into another instance while that runs: the same values, and the
/// same sound.
fn state_goes_round_while_it_runs<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    let mut random = Random::for_test(0x57A7E);
    let noise = S::sound(RATE, 0.5, 2, 104);
    for _ in 0..6 {
        let mut one = offline(&bundle, RATE, 2);
        let values = one.random_values(&mut random, &[]);
        one.flush(&values);
        one.run(&noise, Blocks::Of(512), MAX_BLOCK);
        let state = one.save();
        let mut other = offline(&bundle, RATE, 2);
        other.run(&noise, Blocks::Of(512), MAX_BLOCK);
        assert!(other.load(&state), "its own state is refused");
        other.run(&noise, Blocks::Of(512), MAX_BLOCK);
        for param in one.params() {
            assert_eq!(one.value(param.id), other.value(param.id), "{}", param.name);
        }
        for plugin in [&mut one, &mut other] {
            if plugin.wants_restart() {
                plugin.deactivate();
                plugin.activate(RATE, MAX_BLOCK);
            }
            plugin.reset();
        }
        // Gains glide to their new values; from then on the bits agree.
        let (a, b) = (one.run(&noise, Blocks::Of(512), MAX_BLOCK), other.run(&noise, Blocks::Of(512), MAX_BLOCK));
        let null = null_db(&a, &b, 12_000);
        assert!(null < -120.0, "{null:.1} dBFS apart");
        assert_eq!(other.save(), state, "a state that was loaded is saved as it was");
    }
}

/// A damaged state is refused or read as far as it makes sense; either way the plugin goes on, and
/// a refused one changes nothing.
fn damaged_states_do_no_harm<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    let mut random = Random::for_test(0xBAD);
    let mut plugin = offline(&bundle, RATE, 2);
    let first = &table::<S>()[0];
    let (low, high) = first.range();
    plugin.set(first.name, &first.format(low + 0.37 * (high - low)));
    let good = plugin.save();
    let noise = S::sound(RATE, 0.05, 2, 105);
    let ids: Vec<_> = plugin.params().iter().map(|p| p.id).collect();
    let values = |plugin: &mut Plugin| ids.iter().map(|&id| plugin.value(id)).collect::<Vec<_>>();
    let before = values(&mut plugin);

    let mut bad: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0xFF; 7], b"{}".to_vec(), vec![0xFF; 8], u64::MAX.to_le_bytes().to_vec()];
    bad.extend([1, 4, 8, 9, good.len() / 2, good.len() - 1].map(|length| good[..length.min(good.len() - 1)].to_vec()));
    // A length field that promises more than any memory holds.
    let mut huge = good.clone();
    let field = huge.len().min(8);
    huge[..field].fill(0x7F);
    bad.push(huge);
    for state in &bad {
        let accepted = plugin.load(state);
        assert!(!accepted, "{} of {} bytes were accepted", state.len(), good.len());
        assert_eq!(values(&mut plugin), before, "a refused state changed a parameter");
    }
    for _ in 0..60 {
        let mut state = good.clone();
        for _ in 0..1 + random.below(6) {
            let at = random.below(state.len());
            state[at] = random.bits() as u8;
        }
        plugin.load(&state);
        let out = plugin.run(&noise, Blocks::Of(300), MAX_BLOCK);
        assert!(out.iter().flatten().all(|x| x.is_finite()));
        for param in plugin.params() {
            let value = plugin.value(param.id);
            assert!((param.min..=param.max).contains(&value), "{}: {value}", param.name);
        }
    }
    assert!(plugin.load(&good));
    assert_eq!(values(&mut plugin), before);
}

/// Values that come by flush and values that come with a block have the same effect; all of them may
/// move at every block.
fn automation_of_everything_stays_finite<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    let mut random = Random::for_test(0xA070);
    let mut plugin = offline(&bundle, RATE, 2);
    let mut audio = S::sound(RATE, 3.0, 2, 106);
    let mut at = 0;
    while at < audio[0].len() {
        let end = (at + 1 + random.below(700)).min(audio[0].len());
        let values = plugin.random_values(&mut random, &[]);
        let mut block: Vec<&mut [f32]> = audio.iter_mut().map(|c| &mut c[at..end]).collect();
        if random.unit() < 0.3 {
            plugin.flush(&values);
            plugin.process(&mut block, &[]);
        } else {
            plugin.process(&mut block, &values);
        }
        plugin.idle();
        at = end;
        for (id, value) in values {
            // Near the end of a travel that is not even, single precision has steps that nobody reads.
            let read = plugin.value(id);
            let same = (read - value).abs() < 1e-5 || plugin.text(id, read) == plugin.text(id, value);
            assert!(same, "{value} was sent, {read} is read");
        }
    }
    // Strength, gains of 24 dB and the mode's fades considered: loud is 30 dB over what went in.
    assert!(audio.iter().flatten().all(|x| x.is_finite()) && peak(&audio) < 30.0, "peak {}", peak(&audio));
}

fn bad_input_is_gone_soon<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    for bad in [f32::NAN, f32::INFINITY, f32::MAX] {
        let mut plugin = offline(&bundle, RATE, 2);
        let mut input = S::sound(RATE, 1.0, 2, 107);
        input[1][10_000..10_300].fill(bad);
        let out = plugin.run(&input, Blocks::Of(256), MAX_BLOCK);
        assert!(out.iter().flatten().all(|x| x.is_finite()), "{bad}: not finite");
        assert!(level_db(&out[1][20_000..]) > -60.0, "{bad}: silent afterwards");
    }
}

/// Deactivated and activated again without audio in between, with its bypass on: still the input.
fn bypass_is_the_delayed_input_bit_for_bit<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    let mut plugin = offline(&bundle, 44_100.0, 2);
    plugin.set_all::<S>(BYPASS);
    plugin.deactivate();
    plugin.activate(44_100.0, MAX_BLOCK);
    let input = S::sound(44_100.0, 0.5, 2, 108);
    let out = plugin.run(&input, Blocks::Of(441), MAX_BLOCK);
    let null = null_db(&out, &delayed(&input, plugin.latency()), 0);
    assert_eq!(null, f64::NEG_INFINITY, "{null:.1} dBFS");
}

/// Twenty instances, as in a session that opens: making and activating them holds the host up for
/// less than a second in all, and every one passes audio at once.
fn twenty_instances_do_not_hold_up_the_host<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    let start = Instant::now();
    let mut plugins: Vec<Plugin> = (0..20)
        .map(|_| {
            let mut plugin = Plugin::new(&bundle);
            plugin.set_offline(false);
            plugin.activate(RATE, 512);
            plugin
        })
        .collect();
    let noise = vec![white(512, 0.1, 1), white(512, 0.1, 2)];
    for plugin in &mut plugins {
        plugin.run(&noise, Blocks::Of(512), 512);
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1), "twenty instances took {took:?}");
    println!("twenty instances: {took:?}");
    for plugin in &mut plugins {
        plugin.wait_until_ready::<S>(2);
    }
    println!("all ready after {:?}", start.elapsed());
}

/// Silence costs no more than sound: no denormals, no work for nothing.
fn silence_costs_no_more_than_sound<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    let mut plugin = offline(&bundle, RATE, 2);
    let sound = S::sound(RATE, 2.0, 2, 109);
    let silence = vec![vec![0.0; sound[0].len()]; 2];
    plugin.run(&sound, Blocks::Of(512), MAX_BLOCK);
    let mut time = |input: &[Vec<f32>]| {
        (0..4)
            .map(|_| {
                let start = process_time();
                plugin.run(input, Blocks::Of(512), MAX_BLOCK);
                process_time() - start
            })
            .min()
            .unwrap_or_default()
    };
    let (loud, quiet) = (time(&sound), time(&silence));
    println!("2 s of sound {loud:?}, of silence {quiet:?}");
    assert!(quiet.as_secs_f64() < 1.5 * loud.as_secs_f64(), "silence {quiet:?}, sound {loud:?}");
}

/// Loaded, used and dropped a hundred times: no crash and no thread left behind.
fn instances_come_and_go<S: Subject>() {
    let _alone = alone();
    let bundle = Bundle::of::<S>();
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let noise = vec![white(512, 0.1, 1), white(512, 0.1, 2)];
    let mut after_ten = 0;
    for index in 0..100 {
        let mut plugin = Plugin::new(&bundle);
        if index % 3 > 0 {
            plugin.activate(RATE, 512);
        }
        if index % 3 > 1 {
            plugin.run(&noise, Blocks::Of(100), 512);
        }
        drop(plugin);
        if index == 10 {
            std::thread::sleep(Duration::from_millis(500));
            after_ten = threads();
        }
    }
    std::thread::sleep(Duration::from_millis(500));
    assert!(threads() <= after_ten + 2, "{} threads after ten instances, {} after a hundred", after_ten, threads());
}

/// A short soak; the long one is `cargo xtask soak --seconds 600`.
fn three_seconds_in_real_time_with_moving_parameters<S: Subject>() {
    let _alone = alone();
    let report = std::thread::spawn(|| soak::plugin::<S>(Plan { seconds: 3.0, seed: 5, block: soak::BLOCK })).join().expect("no panic");
    println!("{report}");
    report.verdict(0.05).unwrap_or_else(|e| panic!("{e}"));
}

plainsong_tests::for_subjects!(
    parameters_are_the_engines,
    the_plugin_nulls_with_the_engine,
    in_real_time_the_plugin_nulls_with_the_engine_once_it_is_ready,
    the_output_does_not_depend_on_the_block,
    latency_reported_is_latency_measured,
    the_mode_can_change_while_it_runs,
    activation_can_be_repeated_in_any_format,
    state_goes_round_while_it_runs,
    damaged_states_do_no_harm,
    automation_of_everything_stays_finite,
    bad_input_is_gone_soon,
    bypass_is_the_delayed_input_bit_for_bit,
    twenty_instances_do_not_hold_up_the_host,
    silence_costs_no_more_than_sound,
    instances_come_and_go,
    three_seconds_in_real_time_with_moving_parameters
);
