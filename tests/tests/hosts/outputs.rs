//! The plugin with several outputs, in hosts that connect all, some or none of those beside the main one.

use super::{BYPASS, MAX_BLOCK, RATE, alone};
use dsp_core::engines::stems::Stems;
use plainsong_tests::audio::{delayed, impulse};
use plainsong_tests::clap::{Bundle, Plugin, Wire};
use plainsong_tests::engine::Blocks;
use plainsong_tests::measure::{level_db, null_db, peak_at};
use plainsong_tests::subject::Subject;
use plainsong_tests::vst3;
use std::ffi::CStr;

const MULTI: &CStr = c"org.plainsong.stems-multi-out";
const NAME: &str = "Plainsong Stems Multi-out";
/// Outputs beside the main one.
const COUNT: usize = 4;
/// Highest difference of the outputs' sum from the delayed input, in dBFS.
const SUM_DB: f64 = -100.0;

fn all(channels: usize) -> Vec<Wire> {
    vec![Wire::of(channels); COUNT]
}

/// Ways in which hosts leave outputs out, with their names. With the list's length a host may end early.
fn wirings(channels: usize) -> Vec<(&'static str, Vec<Wire>)> {
    let (on, null) = (Wire::of(channels), Wire::Null(vec![Vec::new(); channels]));
    vec![
        ("all", all(channels)),
        ("none, listed as empty", vec![Wire::Empty; COUNT]),
        ("none, listed without memory", vec![null.clone(); COUNT]),
        ("none, not listed", Vec::new()),
        ("the second and the fourth", vec![Wire::Empty, on.clone(), null, on.clone()]),
        ("the first, the list ends there", vec![on.clone()]),
        ("the last", vec![Wire::Empty, Wire::Empty, Wire::Empty, on]),
    ]
}

fn sum(outputs: &[Wire]) -> Vec<Vec<f32>> {
    let mut sum = outputs[0].heard().to_vec();
    for output in &outputs[1..] {
        for (sum, channel) in sum.iter_mut().zip(output.heard()) {
            sum.iter_mut().zip(channel).for_each(|(sum, sample)| *sum += sample);
        }
    }
    sum
}

fn song(channels: usize) -> Vec<Vec<f32>> {
    <Stems as Subject>::sound(RATE, 2.0, channels, 401)
}

fn clap(channels: u32) -> Plugin {
    let bundle = Bundle::of::<Stems>();
    let mut plugin = Plugin::of_id(&bundle, MULTI);
    plugin.select_channels(channels);
    plugin.set_offline(true);
    plugin.activate(RATE, MAX_BLOCK);
    plugin
}

/// What each output must give, whoever else is connected: main output and stems.
fn expected(channels: u32, input: &[Vec<f32>]) -> (Vec<Vec<f32>>, Vec<Wire>, usize) {
    let mut plugin = clap(channels);
    let mut outputs = all(channels as usize);
    let main = plugin.run_wired(input, &mut outputs, Blocks::Of(512), MAX_BLOCK);
    (main, outputs, plugin.latency())
}

/// Same bits in what is connected, and nothing but silence was never there.
fn same(what: &str, outputs: &[Wire], expected: &[Wire]) {
    for (index, (output, expected)) in outputs.iter().zip(expected).enumerate() {
        match output {
            Wire::Connected(channels) => {
                assert_eq!(null_db(channels, expected.heard(), 0), f64::NEG_INFINITY, "{what}: output {index}");
            }
            Wire::Null(channels) => assert!(channels.iter().flatten().all(|x| x.is_nan()), "{what}: output {index} was written"),
            Wire::Empty => {}
        }
    }
}

#[test]
fn both_plugins_are_in_both_files() {
    let ids: Vec<_> = Bundle::of::<Stems>().ids().into_iter().map(|id| id.into_string().unwrap_or_default()).collect();
    assert_eq!(ids, ["org.plainsong.stems", "org.plainsong.stems-multi-out"]);
    assert_eq!(vst3::names(Stems::PRODUCT), [Stems::PRODUCT, NAME]);
}

/// With the faders at 0 dB the outputs add up to the delayed input, and each of them holds something.
#[test]
fn the_outputs_add_up_to_the_delayed_input() {
    let _alone = alone();
    for channels in [1, 2] {
        let input = song(channels as usize);
        let (main, outputs, latency) = expected(channels, &input);
        let late = delayed(&input, latency);
        assert_eq!(null_db(&main, &late, 0), f64::NEG_INFINITY, "{channels} channels: the main output");
        let null = null_db(&sum(&outputs), &late, 0);
        assert!(null < SUM_DB, "{channels} channels: the outputs' sum is {null:.1} dBFS apart");
        for (index, output) in outputs.iter().enumerate() {
            let level = level_db(&output.heard()[0]);
            assert!(level > -90.0, "{channels} channels: output {index} is at {level:.1} dBFS");
        }
    }
}

/// Whichever outputs a CLAP host connects: those have the same bits, and the main output too.
#[test]
fn in_clap_any_of_the_outputs_may_be_left_out() {
    let _alone = alone();
    for channels in [1, 2] {
        let input = song(channels as usize);
        let (main, outputs, _) = expected(channels, &input);
        for (name, mut wires) in wirings(channels as usize) {
            let mut plugin = clap(channels);
            let out = plugin.run_wired(&input, &mut wires, Blocks::Of(441), MAX_BLOCK);
            assert_eq!(null_db(&out, &main, 0), f64::NEG_INFINITY, "{channels} channels, {name}: the main output");
            same(name, &wires, &outputs);
        }
    }
}

/// The same in VST3, where nice-plug 0.4.2 alone would let the input pass as soon as one is left out (its
/// defect 2).
#[test]
fn in_vst3_any_of_the_outputs_may_be_left_out() {
    let _alone = alone();
    let input = song(2);
    let (main, outputs, latency) = expected(2, &input);
    for (name, mut wires) in wirings(2) {
        let active: Vec<bool> =
            std::iter::once(true).chain((0..COUNT).map(|index| matches!(wires.get(index), Some(Wire::Connected(_))))).collect();
        let mut plugin = vst3::Plugin::new(Stems::PRODUCT, NAME, RATE, 512, &active);
        assert_eq!(plugin.latency(), latency);
        let out = plugin.run(&input, &mut wires, Blocks::Of(500));
        assert_eq!(null_db(&out, &main, 0), f64::NEG_INFINITY, "{name}: the main output");
        same(name, &wires, &outputs);
    }
}

/// A stem that is turned down is turned down on its own output and on the main one, until the outputs are asked
/// to come before the faders.
#[test]
fn faders_move_the_outputs_unless_they_come_before() {
    let _alone = alone();
    let input = song(2);
    let (_, before, latency) = expected(2, &input);
    for (carries, moved) in [("After faders", true), ("Before faders", false)] {
        let mut plugin = clap(2);
        plugin.set("Drums mute", "on");
        plugin.set("Outputs", carries);
        plugin.reset();
        let mut outputs = all(2);
        // A fader may glide in the first moment.
        let main = plugin.run_wired(&input, &mut outputs, Blocks::Of(512), MAX_BLOCK);
        let late = delayed(&input, latency);
        assert!(null_db(&main, &late, 12_000) > -60.0, "{carries}: the main output has lost the drums");
        let sum = sum(&outputs);
        let drums = level_db(&outputs[1].heard()[0][12_000..]);
        if moved {
            assert_eq!(drums, f64::NEG_INFINITY, "{carries}");
            assert!(null_db(&sum, &main, 12_000) < SUM_DB, "{carries}: the outputs add up to the mix");
        } else {
            assert_eq!(null_db(outputs[1].heard(), before[1].heard(), 12_000), f64::NEG_INFINITY, "{carries}");
            assert!(null_db(&sum, &late, 12_000) < SUM_DB, "{carries}: the outputs add up to the input");
        }
    }
}

/// Bypassed, the sum of the outputs is the delayed input too.
#[test]
fn bypass_is_the_delayed_input_on_the_outputs_together() {
    let _alone = alone();
    let mut plugin = clap(2);
    for (name, text) in plainsong_tests::subject::named::<Stems>(BYPASS) {
        plugin.set(name, text);
    }
    plugin.reset();
    let (at, latency) = (5000, plugin.latency());
    let mut outputs = all(2);
    let input = vec![impulse(at + latency + 3000, at); 2];
    let main = plugin.run_wired(&input, &mut outputs, Blocks::Of(256), MAX_BLOCK);
    assert_eq!(peak_at(&main[0]), at + latency);
    assert_eq!(null_db(&main, &delayed(&input, latency), 0), f64::NEG_INFINITY);
    assert_eq!(null_db(&sum(&outputs), &delayed(&input, latency), 0), f64::NEG_INFINITY);
}

/// Blocks of any length, with some outputs connected.
#[test]
fn the_outputs_do_not_depend_on_the_block() {
    let _alone = alone();
    let input = song(2);
    let (main, outputs, _) = expected(2, &input);
    for blocks in Blocks::ALL {
        let mut plugin = clap(2);
        let mut wires = vec![Wire::of(2), Wire::Empty, Wire::of(2), Wire::Empty];
        let out = plugin.run_wired(&input, &mut wires, blocks, MAX_BLOCK);
        assert_eq!(null_db(&out, &main, 0), f64::NEG_INFINITY, "{blocks:?}");
        same(&format!("{blocks:?}"), &wires, &outputs);
    }
}
