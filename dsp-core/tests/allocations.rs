//! `process` and `reset` never reach the system's allocator, model included.

use dsp_core::engines::denoise::{Denoise, Link, Settings};
use dsp_core::engines::limiter::{self, Limiter};
use dsp_core::loudness::Meter;
use dsp_core::processor::{Format, Processor};
use dsp_core::realtime::{PoolAllocator, misses};
use dsp_core::units::{Db, Hz, Ms};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what reaches the system on a thread that watches.
struct Counting;

thread_local! {
    static WATCHED: Cell<Option<u64>> = const { Cell::new(None) };
}

fn count() {
    let _ = WATCHED.try_with(|watched| watched.set(watched.get().map(|n| n + 1)));
}

// SAFETY: passes everything on to the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: PoolAllocator<Counting> = PoolAllocator::over(Counting);

/// Calls to the system's allocator during `work`.
fn calls(work: impl FnOnce()) -> u64 {
    WATCHED.set(Some(0));
    work();
    WATCHED.replace(None).unwrap()
}

#[test]
fn the_counter_counts() {
    assert!(calls(|| drop(std::hint::black_box(vec![1_u8; 100]))) >= 2);
}

#[test]
fn process_and_reset_allocate_nothing() {
    for block in [1, 64, 480, 4096] {
        for channels in [1, 2] {
            let format = Format::new(Hz(48_000.0), channels).unwrap();
            let mut engine = Denoise::with_builtin_models(format).unwrap();
            engine.set_realtime(true);
            let total = if block == 1 { 6_000 } else { 48_000 };
            let input: Vec<f32> = (0..total).map(|n| (n as f32 * 0.05).sin() * 0.3 + (n as f32 * 1.7).sin() * 0.1).collect();
            let mut audio = vec![input; channels];
            let every = [
                Settings::default(),
                Settings { low_latency: true, ..Settings::default() },
                Settings { link: Link::PerChannel, release: Ms(50.0), strength: 1.5, ..Settings::default() },
                Settings { bypass: true, ..Settings::default() },
            ];
            let before = misses();
            let made = calls(|| {
                // On a thread of its own, as a host has it: its caches are cold.
                for settings in every {
                    let mut at = 0;
                    while at < total {
                        let end = total.min(at + block);
                        let mut slices: [&mut [f32]; 2] = [&mut [], &mut []];
                        for (slot, channel) in slices.iter_mut().zip(&mut audio) {
                            *slot = &mut channel[at..end];
                        }
                        engine.process(&mut slices[..channels], &settings, &mut ());
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
fn limiter_and_meter_allocate_nothing() {
    for block in [1, 64, 480, 4096] {
        for channels in [1, 2] {
            let format = Format::new(Hz(44_100.0), channels).unwrap();
            let mut engine = Limiter::new();
            engine.prepare(format).unwrap();
            let mut meter = Meter::new(format).unwrap();
            let total = if block == 1 { 10_000 } else { 200_000 };
            let input: Vec<f32> = (0..total).map(|n| (n as f32 * 0.05).sin() * 0.6 + (n as f32 * 1.7).sin() * 0.5).collect();
            let mut audio = vec![input; channels];
            let drive = limiter::Settings { drive: Db(9.0), ..limiter::Settings::default() };
            let limit = limiter::Limit { ahead: Ms(5.0), link: 0.3, release: limiter::Release::Time(Ms(30.0)), ..drive.limit };
            let every = [drive, limiter::Settings { limit, ..drive }, limiter::Settings { bypass: true, ..drive }];
            let made = calls(|| {
                for settings in every {
                    let mut at = 0;
                    while at < total {
                        let end = total.min(at + block);
                        let mut slices: [&mut [f32]; 2] = [&mut [], &mut []];
                        for (slot, channel) in slices.iter_mut().zip(&mut audio) {
                            *slot = &mut channel[at..end];
                        }
                        engine.process(&mut slices[..channels], &settings, &mut ());
                        let slices = slices.each_ref().map(|slice| &**slice);
                        meter.process(&slices[..channels]);
                        std::hint::black_box(meter.reading());
                        at = end;
                    }
                    engine.reset();
                    meter.reset();
                }
            });
            assert_eq!(made, 0, "block {block}, {channels} channels");
        }
    }
}

/// A host may call from another thread than the one that prepared.
#[test]
fn another_thread_allocates_nothing() {
    let format = Format::new(Hz(44_100.0), 1).unwrap();
    let mut engine = Denoise::with_builtin_models(format).unwrap();
    let before = misses();
    let made = std::thread::spawn(move || {
        let mut audio = vec![0.1_f32; 44_100];
        let made = calls(|| engine.process(&mut [&mut audio[..]], &Settings::default(), &mut ()));
        (made, engine)
    });
    let (made, _engine) = made.join().unwrap();
    assert_eq!((made, misses() - before), (0, 0));
}
