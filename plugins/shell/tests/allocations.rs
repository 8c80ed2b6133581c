//! Reading the parameters, the meters and the frames on the audio thread takes no memory.

use dsp_core::detection::Detection;
use dsp_core::engines::denoise::Settings;
use dsp_core::params::FromValues;
use dsp_core::processor::{Frame, Observer};
use plainsong_shell::live::{Live, Tap};
use plainsong_shell::params::TableParams;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// Counts what this thread asks for.
struct Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

#[test]
fn values_meters_and_frames_take_no_memory() {
    assert!(counted(|| drop(std::hint::black_box(vec![1_u8]))) >= 2, "the counter counts");
    let params = TableParams::new(Settings::PARAMS);
    let (live, mut tap) = (Live::default(), Tap::new(48_000.0));
    let mut values = vec![0.0; params.len()];
    let (power, gain) = (vec![0.1; 481], vec![0.5; 481]);
    let heard = Detection::NOTHING;
    let frame = Frame { input_power: &power, gain: &gain, bin_hz: 50.0, seconds: 0.01, age: 0.005, late: false, detection: Some(&heard) };
    let mut block = vec![0.1_f32; 512];
    let taken = counted(|| {
        for _ in 0..300 {
            live.ask();
            params.values(&mut values);
            std::hint::black_box(Settings::from_values(&values));
            let watched = tap.block(&live, 512);
            live.wake(live.input.block(&[&mut block]));
            tap.observer(&live, watched).frame(&frame);
        }
    });
    assert_eq!(taken, 0);
    assert!(live.frames.is_full(), "frames were made");
}
