//! Nothing on the audio thread asks the system for memory. A binary of its own, since an allocator
//! belongs to a whole process.

use dsp_core::processor::{Frame, Observer};
use dsp_core::realtime::PoolAllocator;
use plainsong_tests::allocations::{Counting, count};
use plainsong_tests::engine::{Blocks, format, loaded, run};
use plainsong_tests::random::Random;
use plainsong_tests::subject::{Subject, random_settings, settings};
use std::alloc::System;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: PoolAllocator<Counting<System>> = PoolAllocator::over(Counting(System));

#[test]
fn the_counter_counts() {
    assert_eq!(count(|| drop(black_box(vec![1_u8; 100]))), 2);
    assert_eq!(count(|| ()), 0);
}

/// Wants everything that an engine can tell, as an editor does.
struct Everything;

impl Observer for Everything {
    fn frame(&mut self, frame: &Frame<'_>) {
        black_box(frame.seconds);
    }

    fn wants_loudness(&self) -> bool {
        true
    }
}

/// From the very first block: models are loaded, engines prepared, and then nothing is asked for.
fn process_reset_and_latency_do_not_allocate<S: Subject>() {
    let mut random = Random::for_test(0xA110C);
    for rate in [16_000.0, 44_100.0, 48_000.0, 192_000.0] {
        for channels in [1, 2, 6] {
            let mut engine: S = loaded(rate, channels);
            let mut audio = S::sound(rate, 0.5, channels, 3);
            let mut settings = settings::<S>(&[S::BUSY]);
            let mut calls = 0;
            let mut at = 0;
            while at < audio[0].len() {
                let end = (at + 1 + random.below(2000)).min(audio[0].len());
                let mut block: Vec<&mut [f32]> = audio.iter_mut().map(|c| &mut c[at..end]).collect();
                calls += count(|| engine.process(&mut block, &settings, &mut Everything));
                calls += count(|| {
                    black_box(engine.latency(&settings));
                });
                settings = random_settings::<S>(&mut random, &[]);
                at = end;
            }
            calls += count(|| engine.reset());
            assert_eq!(calls, 0, "allocator calls in process at {rate} Hz, {channels} channels");
        }
    }
}

/// A host may call from a thread that never ran a model before: its scratch comes from the pool too.
fn another_thread_does_not_allocate_either<S: Subject>() {
    let mut engine: S = loaded(48_000.0, 2);
    let mut audio = S::sound(48_000.0, 0.5, 2, 4);
    let busy = settings::<S>(&[S::BUSY]);
    run(&mut engine, &audio, &busy, Blocks::Of(512));
    let calls = std::thread::scope(|scope| {
        let handle = scope.spawn(move || {
            let mut calls = 0;
            for start in (0..audio[0].len() - 480).step_by(480) {
                let mut block: Vec<&mut [f32]> = audio.iter_mut().map(|c| &mut c[start..start + 480]).collect();
                calls += count(|| engine.process(&mut block, &busy, &mut ()));
            }
            calls
        });
        handle.join().expect("no panic")
    });
    assert_eq!(calls, 0);
}

/// New models go in on the audio thread without a call of the allocator; the old ones come back.
fn installing_models_does_not_allocate<S: Subject>() {
    let mut engine: S = loaded(48_000.0, 2);
    let models = S::load(format(48_000.0, 2)).expect("the built-in models");
    let mut old = None;
    assert_eq!(count(|| old = engine.install(models)), 0);
    let has_models = !S::model_ids(&settings::<S>(&[])).is_empty();
    assert_eq!(old.is_some(), has_models, "the models that were in use come back to be dropped elsewhere");
}

plainsong_tests::for_foreign!(
    process_reset_and_latency_do_not_allocate,
    another_thread_does_not_allocate_either,
    installing_models_does_not_allocate
);
plainsong_tests::for_engines!(
    process_reset_and_latency_do_not_allocate,
    another_thread_does_not_allocate_either,
    installing_models_does_not_allocate
);
