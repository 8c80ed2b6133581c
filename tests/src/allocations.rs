//! Counts what a thread asks of the system's allocator.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

thread_local! {
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// An allocator that passes everything on and counts, on threads that count.
#[derive(Debug)]
pub struct Counting<A>(pub A);

/// A cell that does not allocate to count, also while the thread ends.
fn note() {
    let _ = COUNTING.try_with(|counting| {
        if counting.get() {
            let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        }
    });
}

// SAFETY: every call goes unchanged to the inner allocator; counting neither allocates nor unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's contract is the inner allocator's.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as above.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as above.
        unsafe { self.0.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note();
        // SAFETY: as above.
        unsafe { self.0.dealloc(pointer, layout) }
    }
}

/// How often `work` allocated, grew or freed memory on this thread. Counts only where [`Counting`]
/// is the process's allocator, or is inside it.
pub fn count(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    COUNTING.set(true);
    work();
    COUNTING.set(false);
    COUNT.get() - before
}
