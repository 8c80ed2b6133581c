//! What hosts and saved projects hold on to never changes unseen.

use dsp_core::engines::stems::Settings;
use dsp_core::params::FromValues;

/// After a change that is meant: write the text that this test prints into `parameters.txt`.
#[test]
fn the_parameters_are_the_released_ones() {
    let now = plainsong_shell::params::snapshot(Settings::PARAMS);
    let released = include_str!("parameters.txt");
    assert!(now == released, "the parameters changed; they now read:\n{now}");
}
