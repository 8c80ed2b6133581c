//! What the plugin's work costs: the chain with every stage at work and matched loudness, and Learn.

use crate::groups::Group;
use crate::session::{Orders, Session};
use dsp_core::engines::master::{Master, MasterMoves};
use dsp_core::mastering::Adviser;
use dsp_core::params::{self, FromValues, index_of};
use dsp_core::processor::{Format, Measured, Observer, Processor};
use dsp_core::realtime::processor_seconds;
use dsp_core::units::Hz;
use plainsong_shell::ear::{PIECE, Piece};
use std::collections::BTreeSet;

const RATE: f64 = 48_000.0;
/// Seconds between two proposals, as the learner makes them.
const EVERY: f64 = 2.5;
/// Settings with every stage and all bands at work.
const BUSY: [(&str, &str); 22] = [
    ("mb-on", "on"),
    ("mb-low-threshold", "-30"),
    ("mb-low-ratio", "2"),
    ("mb-lowmid-threshold", "-32"),
    ("mb-lowmid-ratio", "2"),
    ("mb-highmid-threshold", "-36"),
    ("mb-highmid-ratio", "2"),
    ("mb-high-threshold", "-44"),
    ("mb-high-ratio", "2"),
    ("stereo-low", "50"),
    ("stereo-mid", "110"),
    ("stereo-high", "130"),
    ("stereo-mono-below", "90"),
    ("stereo-mono-loss", "3"),
    ("colour-on", "on"),
    ("colour-drive", "6"),
    ("limiter-drive", "8"),
    ("eq1-type", "low-cut"),
    ("eq1-on", "on"),
    ("eq1-freq", "25"),
    ("match", "on"),
    ("input", "1"),
];

/// The editor looks at loudness, so the chain measures it.
struct Looks;

impl Observer for Looks {
    fn frame(&mut self, _: &dsp_core::processor::Frame<'_>) {}

    fn wants_loudness(&self) -> bool {
        true
    }

    fn measured(&mut self, _: &Measured) {}
}

/// Those settings as values.
fn busy() -> Vec<f32> {
    let table = MasterMoves::PARAMS;
    let mut values = params::defaults(table);
    let mut set = |id: &str, text: &str| {
        if let Ok(index) = index_of(table, id) {
            values[index] = table[index].parse(text).unwrap_or(values[index]);
        }
    };
    for band in 2..=12 {
        set(&format!("eq{band}-on"), "on");
        set(&format!("eq{band}-gain"), if band % 2 == 0 { "2.5" } else { "-2.5" });
    }
    BUSY.into_iter().for_each(|(id, text)| set(id, text));
    values
}

/// Pulses over a chord in noise, `[channel][sample]`, at 48 kHz.
pub(crate) fn sound(seconds: f64, gain: f32) -> [Vec<f32>; 2] {
    let mut seed = 5_u32;
    let mut out = [Vec::new(), Vec::new()];
    for index in 0..(seconds * RATE) as usize {
        let t = index as f64 / RATE;
        let beat = (t * 2.0).fract() / 2.0;
        for (channel, samples) in out.iter_mut().enumerate() {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(seed >> 8) / f64::from(1 << 23) - 1.0;
            let kick = 0.5 * (-beat * 18.0).exp() * (beat * 340.0).sin();
            let chord = 0.1 * ((t * 1_380.0).sin() + (t * 2_070.0 + channel as f64).sin());
            samples.push(gain * (kick + chord + 0.02 * noise) as f32);
        }
    }
    out
}

/// Processor time over time of sound of a session that hears a song and proposes as the learner does.
fn learning(mut session: Session, input: &[Vec<f32>; 2], orders: Orders) -> f64 {
    let began = processor_seconds();
    let mut heard = 0.0;
    for (left, right) in input[0].chunks(PIECE).zip(input[1].chunks(PIECE)) {
        let mut piece = Piece { samples: [[0.0; PIECE]; 2], length: left.len(), channels: 2, rate: Hz(RATE) };
        piece.samples[0][..left.len()].copy_from_slice(left);
        piece.samples[1][..right.len()].copy_from_slice(right);
        session.hear(&piece);
        heard += left.len() as f64 / RATE;
        if heard >= EVERY {
            heard = 0.0;
            session.propose(&orders);
        }
    }
    (processor_seconds() - began) / (input[0].len() as f64 / RATE)
}

/// Measures with so many seconds of sound, stereo at 48 kHz: one line of JSON with processor time over time of
/// sound of the chain and of learning.
pub fn measure(seconds: f64) -> String {
    let input = sound(seconds, 0.6);
    let seconds = input[0].len() as f64 / RATE;
    let (mut chain, values) = (Master::new(), busy());
    let moves = MasterMoves::from_values(&values);
    let format = Format { rate: Hz(RATE), channels: 2 };
    let session = || Session::new(Hz(RATE), 2, Adviser::builtin().ok());
    let (Ok(()), Ok(learns), Ok(by_hand)) = (chain.prepare(format), session(), session()) else {
        return r#"{"error":"the chain could not be made"}"#.to_owned();
    };
    let mut audio = input.clone();
    let began = processor_seconds();
    let [left, right] = &mut audio;
    for (left, right) in left.chunks_mut(PIECE).zip(right.chunks_mut(PIECE)) {
        chain.process(&mut [left, right], &moves, &mut Looks);
    }
    let chain = (processor_seconds() - began) / seconds;
    // As it is, and with a hand that has all but the loudness, so that the chain beside is as busy.
    let limiter = Group::find("limiter");
    let all: BTreeSet<Group> = Group::table().into_iter().flatten().filter(|group| Some(*group) != limiter).collect();
    let learn = learning(learns, &input, Orders { values: MasterMoves::default().to_values(), ..Orders::default() });
    let by_hand = learning(by_hand, &input, Orders { values, hand: all.into_iter().collect(), ..Orders::default() });
    serde_json::json!({
        "engine": "master", "channels": 2, "rate_hz": RATE, "seconds": seconds, "chain_with_match_rtf": chain,
        "learn_rtf": learn, "all_rtf": chain + learn, "learn_beside_all_by_hand_rtf": by_hand, "most_rtf": chain + by_hand,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_busy_chain_is_one() {
        for (id, text) in BUSY {
            let index = index_of(MasterMoves::PARAMS, id).unwrap_or_else(|error| panic!("{error}"));
            MasterMoves::PARAMS[index].parse(text).unwrap_or_else(|error| panic!("{id}: {error}"));
        }
        let line = measure(9.0);
        let report: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(["chain_with_match_rtf", "learn_rtf", "most_rtf"].iter().all(|cost| report[cost].as_f64() > Some(0.0)), "{line}");
        println!("{line}");
    }
}
