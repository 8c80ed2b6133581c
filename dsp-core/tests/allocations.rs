//! `process` and `reset` never reach the system's allocator, model included.

use allocations::{Counting, count as calls};
use dsp_core::engines::{Engine, deess, denoise, limiter, stems};
use dsp_core::loudness::Meter;
use dsp_core::processor::Format;
use dsp_core::realtime::{PoolAllocator, misses};
use dsp_core::units::{Db, Hz, Ms};
use std::alloc::System;

#[path = "../../tests/src/allocations.rs"]
mod allocations;

#[global_allocator]
static ALLOCATOR: PoolAllocator<Counting<System>> = PoolAllocator::over(Counting(System));

#[test]
fn the_counter_counts() {
    assert!(calls(|| drop(std::hint::black_box(vec![1_u8; 100]))) >= 2);
}

/// Blocks of all kinds of sizes with changing settings.
fn process_and_reset<E: Engine>(every: &[E::Settings]) {
    for channels in [1, 2] {
        let format = Format::new(Hz(48_000.0), channels).unwrap();
        let mut engine = E::with_builtin_models(format).unwrap();
        engine.set_realtime(true);
        for block in [1, 17, 480, 512, 4096] {
            let total = if block == 1 { 6_000 } else { 48_000 };
            let input: Vec<f32> = (0..total).map(|n| (n as f32 * 0.05).sin() * 0.3 + (n as f32 * 1.7).sin() * 0.1).collect();
            let mut audio = vec![input; channels];
            let before = misses();
            let made = calls(|| {
                for settings in every {
                    let mut at = 0;
                    while at < total {
                        let end = total.min(at + block);
                        let mut slices: [&mut [f32]; 2] = [&mut [], &mut []];
                        for (slot, channel) in slices.iter_mut().zip(&mut audio) {
                            *slot = &mut channel[at..end];
                        }
                        engine.process(&mut slices[..channels], settings, &mut ());
                        at = end;
                    }
                    engine.reset();
                }
            });
            assert_eq!((made, misses() - before), (0, 0), "block {block}, {channels} channels");
        }
    }
}

#[test]
fn denoise_allocates_nothing() {
    use denoise::{Denoise, Link, Settings};
    let base = Settings::default();
    process_and_reset::<Denoise>(&[
        base,
        Settings { low_latency: true, ..base },
        Settings { link: Link::PerChannel, release: Ms(50.0), strength: 1.5, ..base },
        Settings { bypass: true, ..base },
    ]);
}

#[test]
fn deess_allocates_nothing() {
    use deess::{Deess, Link, Listen, Mode, Settings};
    let base = Settings::default();
    process_and_reset::<Deess>(&[
        base,
        Settings { weights: [1.0; 4], whistle: 1.0, amount: 2.0, mode: Mode::Mix, ..base },
        Settings { link: Link::PerChannel, speed: 0.2, listen: Listen::Detected, ..base },
        Settings { bypass: true, ..base },
    ]);
}

#[test]
fn stems_allocate_nothing() {
    use stems::{Outputs, Settings, Stems, Task};
    let base = Settings::default();
    process_and_reset::<Stems>(&[
        base,
        Settings { low_latency: true, focus: -0.5, ..base },
        Settings { task: Task::Dialogue, outputs: Outputs::Before, focus: 1.0, ..base },
        Settings { bypass: true, ..base },
    ]);
    let mut engine = Stems::with_builtin_models(Format::new(Hz(48_000.0), 1).unwrap()).unwrap();
    let mut parts = [[0.0_f32; 4_800]; 3];
    let mut audio = [0.1_f32; 4_800];
    let made = calls(|| {
        let [first, second, third] = &mut parts;
        engine.process_outputs(&mut [&mut audio], &mut [&mut [first], &mut [second], &mut [], &mut [third]], &base, &mut ());
    });
    assert_eq!(made, 0);
}

#[test]
fn limiter_allocates_nothing() {
    use limiter::{Limit, Limiter, Listen, Release, Settings};
    let base = Settings { drive: Db(12.0), ..Settings::default() };
    process_and_reset::<Limiter>(&[
        base,
        Settings { limit: Limit { ahead: Ms(5.0), link: 0.3, release: Release::Time(Ms(30.0)), ..base.limit }, ..base },
        Settings { listen: Listen::Removed, matched: true, ..base },
        Settings { bypass: true, ..base },
    ]);
}

#[test]
fn meter_allocates_nothing() {
    for channels in [1, 2] {
        let mut meter = Meter::new(Format::new(Hz(44_100.0), channels).unwrap()).unwrap();
        let input: Vec<f32> = (0..200_000).map(|n| (n as f32 * 0.05).sin() * 0.6).collect();
        for block in [1, 480, 4096] {
            let made = calls(|| {
                for part in input.chunks(block).take(20_000) {
                    meter.process(&[part, part][..channels]);
                    if block > 1 {
                        std::hint::black_box(meter.reading());
                    }
                }
                meter.reset();
            });
            assert_eq!(made, 0, "block {block}, {channels} channels");
        }
    }
}

/// A host may call from another thread than the one that prepared.
#[test]
fn multitrack_allocates_nothing() {
    use dsp_core::dynamics::{compressor, leveller};
    use dsp_core::multitrack::{Multitrack, Role, Settings, Track};
    let tracks = [Role::Talker, Role::Talker, Role::Music].map(|role| Track { role, channels: 1 });
    let mut engine = Multitrack::new(Hz(48_000.0), &tracks, Ms(220.0)).unwrap();
    let leveller = leveller::Settings { amount: 1.0, target: -16.0, most: Db(20.0), range: Db(20.0), speed: 0.5 };
    let compressor = compressor::Settings { amount: 0.5, release: Ms(150.0), reference: -16.0 };
    let settings = Settings { leveller: Some(leveller), compressor: Some(compressor), ..Settings::default() };
    for block in [1, 17, 480, 512, 4096] {
        let total = if block == 1 { 6_000 } else { 480_000 };
        let mut audio: Vec<Vec<f32>> = (0..3)
            .map(|track| (0..total).map(|n| ((n * (track + 1)) as f32 * 0.05).sin() * ((n >> 14) % 3) as f32 * 0.2).collect())
            .collect();
        let made = calls(|| {
            for settings in [settings, Settings::default()] {
                let mut at = 0;
                while at < total {
                    let end = total.min(at + block);
                    let mut slices: [&mut [f32]; 3] = [&mut [], &mut [], &mut []];
                    slices.iter_mut().zip(&mut audio).for_each(|(slot, channel)| *slot = &mut channel[at..end]);
                    engine.process(&mut slices, &[1.0; 3], &settings, &mut ());
                    at = end;
                }
                engine.reset();
            }
        });
        assert_eq!(made, 0, "block {block}");
    }
}

#[test]
fn another_thread_allocates_nothing() {
    fn check<E: Engine>() {
        let mut engine = E::with_builtin_models(Format::new(Hz(44_100.0), 1).unwrap()).unwrap();
        let before = misses();
        let made = std::thread::spawn(move || {
            let mut audio = vec![0.1_f32; 44_100];
            let made = calls(|| engine.process(&mut [&mut audio[..]], &E::Settings::default(), &mut ()));
            (made, engine)
        });
        let (made, _engine) = made.join().unwrap();
        assert_eq!((made, misses() - before), (0, 0));
    }
    check::<denoise::Denoise>();
    check::<deess::Deess>();
    check::<limiter::Limiter>();
}
