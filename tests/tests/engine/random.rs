//! Random formats, signals, blocks and settings.

use dsp_core::preset;
use dsp_core::processor::{Format, MAX_CHANNELS, MAX_RATE, MIN_RATE};
use dsp_core::units::Hz;
use plainsong_tests::audio::white;
use plainsong_tests::engine::loaded;
use plainsong_tests::random::Random;
use plainsong_tests::subject::{Subject, random_settings, table};

/// Whatever is set, whenever: the output is finite and does not depend on the blocks, as long as the
/// settings change at the same samples.
fn moving_settings_do_not_break_block_independence<S: Subject>() {
    let mut random = Random::for_test(0xB10C);
    for round in 0..6 {
        let rate = random.pick(&[16_000.0, 44_100.0, 48_000.0, 96_000.0]);
        let channels = 1 + random.below(3);
        let input = S::sound(rate, 0.6, channels, random.bits());
        let (_, mode) = random.pick(S::MODES);
        let length = input[0].len();
        // Segments of the signal with settings of their own; the mode stays, since it is a format.
        let mut segments = Vec::new();
        let mut start = 0;
        while start < length {
            let end = (start + 1 + random.below(6000)).min(length);
            segments.push((start..end, random_settings::<S>(&mut random, mode)));
            start = end;
        }
        let mut outputs = Vec::new();
        for cut in [usize::MAX, 61, 700] {
            let mut engine: S = loaded(rate, channels);
            let mut out = input.clone();
            for (range, settings) in &segments {
                let mut at = range.start;
                while at < range.end {
                    let end = at.saturating_add(cut).min(range.end);
                    let mut block: Vec<&mut [f32]> = out.iter_mut().map(|c| &mut c[at..end]).collect();
                    engine.process(&mut block, settings, &mut ());
                    at = end;
                }
            }
            assert!(out.iter().flatten().all(|x| x.is_finite()), "round {round}: not finite");
            outputs.push(out);
        }
        for out in &outputs[1..] {
            plainsong_tests::measure::same_bits(&outputs[0], out).unwrap_or_else(|e| panic!("round {round}, {rate} Hz: {e}"));
        }
    }
}

/// Any format in range prepares and processes, prepared again and again.
fn any_format_works_and_formats_can_follow_each_other<S: Subject>() {
    let mut random = Random::for_test(0xF0F0);
    let mut engine: S = loaded(48_000.0, 1);
    for _ in 0..8 {
        let rate = f64::from(random.between(MIN_RATE as f32, 200_000.0)).round();
        let channels = 1 + random.below(4);
        let format = Format::new(Hz(rate), channels).expect("in range");
        engine.prepare(format).unwrap_or_else(|e| panic!("{rate} Hz, {channels} channels: {e}"));
        let mut audio = vec![white(2000, 0.1, random.bits()); channels];
        let mut block: Vec<&mut [f32]> = audio.iter_mut().map(Vec::as_mut_slice).collect();
        engine.process(&mut block, &S::Settings::default(), &mut ());
        assert!(audio.iter().flatten().all(|x| x.is_finite()), "{rate} Hz, {channels} channels");
    }
}

#[test]
fn formats_out_of_range_are_refused_with_their_value() {
    for rate in [0.0, -1.0, MIN_RATE - 1.0, MAX_RATE + 1.0, f64::NAN, f64::INFINITY] {
        let error = Format::new(Hz(rate), 2).expect_err("out of range").to_string();
        assert!(error.contains(&rate.to_string()), "{error}");
    }
    for channels in [0, MAX_CHANNELS + 1, usize::MAX] {
        let error = Format::new(Hz(48_000.0), channels).expect_err("out of range").to_string();
        assert!(error.contains(&channels.to_string()), "{error}");
    }
}

/// Presets come back as they were written, and no damaged text is taken or panics.
fn presets_survive_a_round_trip_and_damage<S: Subject>() {
    let mut random = Random::for_test(0x9E5E7);
    for _ in 0..50 {
        let values: Vec<f32> = table::<S>().iter().map(|p| p.clamp(random.between(p.range().0, p.range().1))).collect();
        let text = preset::to_json::<S::Settings>("a \"name\"", &values);
        let (name, read) = preset::from_json::<S::Settings>(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!((name.as_str(), &read), ("a \"name\"", &values));
        let mut bytes = text.into_bytes();
        for _ in 0..1 + random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = (random.bits() % 128) as u8;
        }
        bytes.truncate(1 + random.below(bytes.len()));
        if let Ok((_, values)) = preset::from_json::<S::Settings>(&String::from_utf8_lossy(&bytes)) {
            assert_eq!(values.len(), table::<S>().len());
            assert!(values.iter().zip(table::<S>()).all(|(v, p)| p.clamp(*v) == *v));
        }
    }
}

plainsong_tests::for_foreign!(moving_settings_do_not_break_block_independence);
plainsong_tests::for_engines!(
    moving_settings_do_not_break_block_independence,
    any_format_works_and_formats_can_follow_each_other,
    presets_survive_a_round_trip_and_damage
);
