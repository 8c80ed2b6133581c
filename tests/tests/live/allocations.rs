//! Neither the callbacks nor the engine's thread ask for memory. A binary of its own, since an allocator belongs
//! to a whole process.

use dsp_core::params;
use dsp_core::processor::Format;
use dsp_core::realtime::PoolAllocator;
use dsp_core::units::Hz;
use plainsong_live::engines::{ENGINES, Entry};
use plainsong_live::line::{Hatch, Line, Plan, Plugged, Tape};
use plainsong_live::port;
use plainsong_live::resample::Converter;
use plainsong_live::status::{Status, Values};
use plainsong_tests::allocations::{Counting, count};
use plainsong_tests::audio;
use std::alloc::System;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[global_allocator]
static ALLOCATOR: PoolAllocator<Counting<System>> = PoolAllocator::over(Counting(System));

/// Sound through all of it, with settings that change, a device that is replaced, and a recorder that does not
/// come along.
fn quiet(entry: &'static Entry, channels: usize, one_clock: bool) {
    let rate = 48_000.0;
    let defaults = params::defaults(entry.params);
    let mut driver = (entry.make)(Format::new(Hz(rate), channels).expect("a format"), &defaults, None).expect("an engine");
    driver.set_realtime(true);
    let (status, hatch, values) = (Arc::new(Status::default()), Arc::new(Hatch::default()), Arc::new(Values::new(&defaults)));
    let ((raw, _raw), (processed, _processed)) = (rtrb::RingBuffer::new(30_000), rtrb::RingBuffer::new(30_000));
    let plan = Plan { channels, rate, safety: 0.003, one_clock };
    let mut line = Line::new(plan, driver, entry.more, values.clone(), status.clone(), hatch.clone(), Some(Tape { raw, processed }));
    let sound = audio::speech(rate, 3.0, 5);
    let mut calls = 0;
    for round in 0..2 {
        let (mut capture, input) =
            port::input(rate, channels, status.captured.clone(), status.input.clone(), Some(std::thread::current()), round);
        let (mut playback, output) = port::output(rate, channels, status.played.clone(), round);
        let converter = (!one_clock).then(|| Converter::new(rate, rate, channels).expect("a converter"));
        assert!(hatch.inputs.push(Box::new(input)).is_ok() && hatch.outputs.push(Box::new(Plugged { output, converter })).is_ok());
        for (block, sound) in sound.chunks_exact(256).enumerate() {
            let time = round as f64 * 10.0 + block as f64 * 256.0 / rate;
            calls += count(|| capture.block(256, time, |frame, _| sound[frame]));
            calls += count(|| line.poll(&|| time + 1e-4));
            calls += count(|| {
                playback.block(256, time + 2e-4, |frame, samples| {
                    black_box((frame, samples[0]));
                })
            });
            if block % 40 == 7 && !entry.params.is_empty() {
                let index = block % entry.params.len();
                let (low, high) = entry.params[index].range();
                values.set(index, if block % 80 == 7 { low } else { high });
            }
        }
        assert!(status.started.load(Ordering::Relaxed) > round, "sound flowed with {}", entry.name);
    }
    calls += count(|| line.finish());
    assert!(status.unrecorded.load(Ordering::Relaxed) > 0, "the recorder's ring was full, and nothing waited for it");
    assert_eq!(calls, 0, "{} with {channels} channel(s), one clock: {one_clock}", entry.name);
}

#[test]
fn nothing_asks_for_memory() {
    assert_eq!(count(|| drop(black_box(vec![1_u8; 100]))), 2, "the counter counts");
    for entry in ENGINES {
        quiet(entry, 1, true);
        quiet(entry, 2, false);
    }
}
