//! A global allocator that serves the audio thread from a lock-free pool.
//!
//! The model runtime makes some hundred small allocations a step. Inside a [`Scope`] they come from
//! free lists of blocks in sizes of powers of two, reserved beforehand ([`Reservation`]); outside a
//! scope everything goes to the inner allocator. A block goes back to the pool from any thread,
//! inside a scope or not. What the pool cannot serve goes to the inner allocator and is counted
//! ([`misses`]), so that a test can demand none.
//!
//! The free lists are Treiber stacks (R. K. Treiber, IBM RJ 5118, 1986) whose heads carry a counter
//! against the ABA problem, with the links in a side table, so that no thread reads a block that
//! another one owns.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Smallest block, in bytes: one cache line.
const MIN_SHIFT: u32 = 6;
/// Largest block is `1 << MAX_SHIFT` bytes.
const MAX_SHIFT: u32 = 18;
/// Sets of free lists. A thread uses its own first, so that instances on several threads do not meet.
const SHARDS: usize = 8;
/// Number of block sizes.
const CLASSES: usize = (MAX_SHIFT - MIN_SHIFT + 1) as usize;
/// Bytes of a chunk, and its alignment: an address tells its chunk by its high bits.
const CHUNK: usize = 1 << 20;
/// Most chunks a process can have: 256 MiB in all.
const MAX_CHUNKS: usize = 256;
/// Slots of the address table, a power of two and at least twice the chunks.
const TABLE: usize = 1024;
/// A block's number is `chunk << BLOCK_BITS | index in the chunk`.
const BLOCK_BITS: u32 = 20 - MIN_SHIFT;

/// How much more than the measured need is reserved: the runtime keeps scratch memory per thread,
/// and a host may move the audio to another thread.
const HEADROOM: usize = 2;

struct Chunk {
    base: AtomicUsize,
    class: AtomicUsize,
    /// Link of each block to the next free one, as its number + 1; 0 ends the list.
    links: AtomicPtr<AtomicU32>,
}

/// Free list by class: counter in the high half, block number + 1 in the low half. On cache lines of
/// its own.
#[repr(align(128))]
struct Shard([AtomicU64; CLASSES]);

struct Pool {
    shards: [Shard; SHARDS],
    chunks: [Chunk; MAX_CHUNKS],
    /// Chunk address | chunk index + 1, found by open addressing; 0 is empty. Only ever grows.
    table: [AtomicUsize; TABLE],
    misses: AtomicU64,
    /// What grows the pool, off the audio thread.
    grower: Mutex<Grower>,
}

struct Grower {
    chunks: usize,
    /// Blocks made, by class.
    blocks: [usize; CLASSES],
    /// Blocks promised to reservations, by class.
    promised: [usize; CLASSES],
    /// Chunk and next block index that blocks of a class are cut from.
    cut: [Option<(usize, usize)>; CLASSES],
}

static POOL: Pool = Pool {
    shards: [const { Shard([const { AtomicU64::new(0) }; CLASSES]) }; SHARDS],
    chunks: [const { Chunk { base: AtomicUsize::new(0), class: AtomicUsize::new(0), links: AtomicPtr::new(null_mut()) } }; MAX_CHUNKS],
    table: [const { AtomicUsize::new(0) }; TABLE],
    misses: AtomicU64::new(0),
    grower: Mutex::new(Grower { chunks: 0, blocks: [0; CLASSES], promised: [0; CLASSES], cut: [None; CLASSES] }),
};

/// Live and highest count of blocks by class, as seen by one thread while it measures.
#[derive(Clone, Copy)]
struct Usage {
    live: [isize; CLASSES],
    peak: [isize; CLASSES],
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static METER: Cell<*mut Usage> = const { Cell::new(null_mut()) };
    /// This thread's shard + 1; 0 before the first use.
    static SHARD: Cell<usize> = const { Cell::new(0) };
}

/// The shard that this thread uses first.
fn own_shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let known = SHARD.try_with(Cell::get).unwrap_or(1);
    if known > 0 {
        return known - 1;
    }
    let shard = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    let _ = SHARD.try_with(|own| own.set(shard + 1));
    shard
}

/// Class of a layout, if the pool has blocks that large.
fn class_of(layout: Layout) -> Option<usize> {
    // A block is aligned to its own size.
    let need = layout.size().max(layout.align()).max(1 << MIN_SHIFT);
    let shift = need.next_power_of_two().trailing_zeros();
    (shift <= MAX_SHIFT).then(|| (shift - MIN_SHIFT) as usize)
}

fn slot_of(base: usize) -> usize {
    // Fibonacci hashing of the chunk's number.
    ((base / CHUNK).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as usize) >> 32) & (TABLE - 1)
}

impl Pool {
    /// The chunk that an address lies in, if it is the pool's.
    fn chunk_of(&self, address: usize) -> Option<(usize, &Chunk)> {
        let base = address & !(CHUNK - 1);
        let mut slot = slot_of(base);
        loop {
            let entry = self.table[slot].load(Ordering::Acquire);
            if entry == 0 {
                return None;
            }
            if entry & !(CHUNK - 1) == base {
                let index = (entry & (CHUNK - 1)) - 1;
                return Some((index, &self.chunks[index]));
            }
            slot = (slot + 1) & (TABLE - 1);
        }
    }

    fn link(&self, block: u32) -> &AtomicU32 {
        let links = self.chunks[(block >> BLOCK_BITS) as usize].links.load(Ordering::Acquire);
        // SAFETY: a block's number is only made by `grow`, after its chunk's table of one link per
        // block was stored; tables are never freed.
        unsafe { &*links.add((block & ((1 << BLOCK_BITS) - 1)) as usize) }
    }

    /// A free block, from this thread's shard if it has one.
    fn pop(&self, class: usize) -> Option<*mut u8> {
        let own = own_shard();
        (0..SHARDS).find_map(|step| self.pop_from(&self.shards[(own + step) % SHARDS].0[class], class))
    }

    fn pop_from(&self, head: &AtomicU64, class: usize) -> Option<*mut u8> {
        let mut old = head.load(Ordering::Acquire);
        loop {
            let block = (old as u32).checked_sub(1)?;
            let next = self.link(block).load(Ordering::Relaxed);
            let new = ((old >> 32).wrapping_add(1) << 32) | u64::from(next);
            match head.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let base = self.chunks[(block >> BLOCK_BITS) as usize].base.load(Ordering::Relaxed);
                    let index = (block & ((1 << BLOCK_BITS) - 1)) as usize;
                    return Some((base + (index << (class as u32 + MIN_SHIFT))) as *mut u8);
                }
                Err(seen) => old = seen,
            }
        }
    }

    fn push(&self, class: usize, block: u32) {
        let head = &self.shards[own_shard()].0[class];
        let mut old = head.load(Ordering::Acquire);
        loop {
            self.link(block).store(old as u32, Ordering::Relaxed);
            let new = ((old >> 32).wrapping_add(1) << 32) | u64::from(block + 1);
            match head.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(seen) => old = seen,
            }
        }
    }

    /// Makes `count` more blocks of a class. False when the process has all the chunks it may have.
    fn grow(&self, grower: &mut Grower, class: usize, count: usize) -> bool {
        let per_chunk = CHUNK >> (class as u32 + MIN_SHIFT);
        for _ in 0..count {
            let (chunk, index) = match grower.cut[class] {
                Some((chunk, index)) if index < per_chunk => (chunk, index),
                _ => match self.add_chunk(grower, class, per_chunk) {
                    Some(chunk) => (chunk, 0),
                    None => return false,
                },
            };
            grower.cut[class] = Some((chunk, index + 1));
            grower.blocks[class] += 1;
            self.push(class, (chunk << BLOCK_BITS | index) as u32);
        }
        true
    }

    fn add_chunk(&self, grower: &mut Grower, class: usize, per_chunk: usize) -> Option<usize> {
        let index = grower.chunks;
        let chunk = self.chunks.get(index)?;
        let layout = Layout::from_size_align(CHUNK, CHUNK).ok()?;
        // SAFETY: the layout has a size. Straight from the system: the pool is below the allocator.
        let base = unsafe { System.alloc(layout) } as usize;
        let links_layout = Layout::array::<AtomicU32>(per_chunk).ok()?;
        // SAFETY: the layout has a size; zero is a valid AtomicU32.
        let links = unsafe { System.alloc_zeroed(links_layout) }.cast::<AtomicU32>();
        if base == 0 || links.is_null() {
            return None;
        }
        chunk.base.store(base, Ordering::Relaxed);
        chunk.class.store(class, Ordering::Relaxed);
        chunk.links.store(links, Ordering::Release);
        let mut slot = slot_of(base);
        while self.table[slot].load(Ordering::Relaxed) != 0 {
            slot = (slot + 1) & (TABLE - 1);
        }
        self.table[slot].store(base | (index + 1), Ordering::Release);
        grower.chunks += 1;
        Some(index)
    }

    fn grower(&self) -> std::sync::MutexGuard<'_, Grower> {
        self.grower.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Counts a change of live blocks for a thread that measures.
fn meter(class: usize, change: isize) {
    let usage = METER.try_with(Cell::get).unwrap_or(null_mut());
    if !usage.is_null() {
        // SAFETY: set by `Reservation::measure` on this thread to its own local, and unset before
        // that local goes.
        let usage = unsafe { &mut *usage };
        usage.live[class] += change;
        usage.peak[class] = usage.peak[class].max(usage.live[class]);
    }
}

/// This thread is in [`Reservation::measure`].
fn measuring() -> bool {
    !METER.try_with(Cell::get).unwrap_or(null_mut()).is_null()
}

fn in_scope() -> bool {
    DEPTH.try_with(Cell::get).unwrap_or(0) > 0
}

/// While it lives, this thread's allocations come from the pool.
#[derive(Debug)]
pub struct Scope {
    /// Bound to its thread.
    _thread: std::marker::PhantomData<*mut ()>,
}

impl Scope {
    /// Opens a scope; scopes nest.
    #[must_use]
    pub fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self { _thread: std::marker::PhantomData }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Blocks promised to one user of the pool, given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    blocks: [usize; CLASSES],
}

impl Reservation {
    /// Runs `work` in a scope, measures how many blocks of each size it holds at most, and makes the
    /// pool large enough for as many again and some more. Allocates: never on the audio thread.
    pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Self) {
        struct Unset;
        impl Drop for Unset {
            fn drop(&mut self) {
                METER.set(null_mut());
            }
        }
        let mut usage = Usage { live: [0; CLASSES], peak: [0; CLASSES] };
        let result = {
            METER.set(&raw mut usage);
            let _unset = Unset;
            let _scope = Scope::enter();
            work()
        };
        let blocks = usage.peak.map(|peak| HEADROOM * peak.max(0) as usize);
        let mut grower = POOL.grower();
        for (class, &need) in blocks.iter().enumerate() {
            grower.promised[class] += need;
            let missing = grower.promised[class].saturating_sub(grower.blocks[class]);
            // A pool that is full serves what it can; the rest is counted as misses.
            POOL.grow(&mut grower, class, missing);
        }
        (result, Self { blocks })
    }

    /// Bytes promised.
    pub fn bytes(&self) -> usize {
        self.blocks.iter().enumerate().map(|(class, count)| count << (class as u32 + MIN_SHIFT)).sum()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut grower = POOL.grower();
        for (class, count) in self.blocks.iter().enumerate() {
            grower.promised[class] -= count;
        }
    }
}

/// Allocations inside scopes that the pool could not serve, since the process began. Those of a
/// measurement ([`Reservation::measure`]) do not count.
pub fn misses() -> u64 {
    POOL.misses.load(Ordering::Relaxed)
}

/// The allocator: `#[global_allocator] static A: PoolAllocator = PoolAllocator::system();`.
#[derive(Debug, Default)]
pub struct PoolAllocator<A = System> {
    inner: A,
}

impl PoolAllocator<System> {
    /// Over the system's allocator.
    pub const fn system() -> Self {
        Self { inner: System }
    }
}

impl<A> PoolAllocator<A> {
    /// Over an allocator of one's own, such as one that counts.
    pub const fn over(inner: A) -> Self {
        Self { inner }
    }
}

// SAFETY: every pointer comes from the inner allocator or is a block of the pool that no one else
// holds, large enough and aligned for the layout (`class_of`), and goes back to where it came from,
// which its address tells (`chunk_of`).
unsafe impl<A: GlobalAlloc> GlobalAlloc for PoolAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if in_scope() {
            if let Some(class) = class_of(layout) {
                meter(class, 1);
                // What is measured has no blocks of its own yet: it must not take those that others
                // were promised and may need at this moment.
                if !measuring()
                    && let Some(block) = POOL.pop(class)
                {
                    return block;
                }
            }
            if !measuring() {
                POOL.misses.fetch_add(1, Ordering::Relaxed);
            }
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if in_scope() {
            // SAFETY: the caller's promise is passed on.
            let block = unsafe { self.alloc(layout) };
            if !block.is_null() {
                // SAFETY: the block has at least the layout's size.
                unsafe { block.write_bytes(0, layout.size()) };
            }
            return block;
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some((index, chunk)) = POOL.chunk_of(pointer as usize) {
            let class = chunk.class.load(Ordering::Relaxed);
            let offset = pointer as usize & (CHUNK - 1);
            meter(class, -1);
            POOL.push(class, (index << BLOCK_BITS | offset >> (class as u32 + MIN_SHIFT)) as u32);
            return;
        }
        if in_scope()
            && let Some(class) = class_of(layout)
        {
            meter(class, -1);
        }
        // SAFETY: not the pool's, so it came from the inner allocator.
        unsafe { self.inner.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let owner = POOL.chunk_of(pointer as usize);
        if let Some((_, chunk)) = owner {
            let size = 1 << (chunk.class.load(Ordering::Relaxed) as u32 + MIN_SHIFT);
            if new_size <= size {
                return pointer;
            }
        } else if !in_scope() {
            // SAFETY: not the pool's, so it came from the inner allocator.
            return unsafe { self.inner.realloc(pointer, layout, new_size) };
        }
        // SAFETY: the caller promises that the new size makes a valid layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the new size is not zero, by the caller's promise.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both have at least the copied bytes and are apart; the old one is given up.
            unsafe {
                new.copy_from_nonoverlapping(pointer, layout.size().min(new_size));
                self.dealloc(pointer, layout);
            }
        }
        new
    }
}

#[cfg(test)]
#[expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every block here is allocated, used within its layout and freed once, in plain sight"
)]
mod tests {
    use super::*;

    /// Not the process's allocator here: called by hand.
    static POOLED: PoolAllocator = PoolAllocator::system();

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn classes_cover_their_sizes() {
        assert_eq!(class_of(layout(1)), Some(0));
        assert_eq!(class_of(layout(64)), Some(0));
        assert_eq!(class_of(layout(65)), Some(1));
        assert_eq!(class_of(layout(1 << MAX_SHIFT)), Some(CLASSES - 1));
        assert_eq!(class_of(layout((1 << MAX_SHIFT) + 1)), None);
        assert_eq!(class_of(Layout::from_size_align(8, 4096).unwrap()), Some(6));
    }

    /// Threads take, fill, check and give back blocks, some of them on other threads.
    #[test]
    fn blocks_are_never_shared() {
        let ((), reservation) = Reservation::measure(|| {
            let blocks: Vec<_> = (0..64).map(|_| (unsafe { POOLED.alloc(layout(3000)) }, layout(3000))).collect();
            for (pointer, layout) in blocks {
                unsafe { POOLED.dealloc(pointer, layout) };
            }
        });
        assert!(reservation.bytes() >= 64 * 4096);
        let (sender, receiver) = std::sync::mpsc::channel::<(usize, u8)>();
        let receiver = Mutex::new(receiver);
        std::thread::scope(|threads| {
            for id in 1..=3u8 {
                let sender = sender.clone();
                let receiver = &receiver;
                threads.spawn(move || {
                    for _ in 0..20_000 {
                        let pointer = {
                            let _scope = Scope::enter();
                            unsafe { POOLED.alloc(layout(3000)) }
                        };
                        unsafe { pointer.write_bytes(id, 3000) };
                        sender.send((pointer as usize, id)).unwrap();
                        let (other, owner) = receiver.lock().unwrap().recv().unwrap();
                        let bytes = unsafe { std::slice::from_raw_parts(other as *const u8, 3000) };
                        assert!(bytes.iter().all(|&b| b == owner));
                        unsafe { POOLED.dealloc(other as *mut u8, layout(3000)) };
                    }
                });
            }
        });
    }

    /// Who measures takes nothing of what others were promised.
    #[test]
    fn measuring_leaves_the_pool_alone() {
        let take = |count: usize| -> Vec<*mut u8> { (0..count).map(|_| unsafe { POOLED.alloc(layout(100_000)) }).collect() };
        let give = |blocks: Vec<*mut u8>| blocks.into_iter().for_each(|pointer| unsafe { POOLED.dealloc(pointer, layout(100_000)) });
        let ((), _promised) = Reservation::measure(|| give(take(4)));
        let from_pool = |pointer: &*mut u8| POOL.chunk_of(*pointer as usize).is_some();
        let (others, _more) = Reservation::measure(|| take(4));
        assert!(!others.iter().any(from_pool));
        let own = {
            let _scope = Scope::enter();
            take(4 * HEADROOM)
        };
        assert!(own.iter().all(from_pool));
        give(own);
        give(others);
    }

    #[test]
    fn growing_keeps_what_was_written() {
        let _scope = Scope::enter();
        let mut pointer = unsafe { POOLED.alloc_zeroed(layout(10)) };
        unsafe { pointer.write(7) };
        let mut size = 10;
        for next in [60, 64, 65, 5000, 400_000] {
            pointer = unsafe { POOLED.realloc(pointer, layout(size), next) };
            assert_eq!(unsafe { pointer.read() }, 7);
            size = next;
        }
        unsafe { POOLED.dealloc(pointer, layout(size)) };
    }
}
