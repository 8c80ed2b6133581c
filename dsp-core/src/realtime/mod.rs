//! What keeps the audio thread free of the system: an allocator with a pool, and denormals off.

mod denormals;
mod pool;

pub use denormals::FlushDenormals;
pub use pool::{PoolAllocator, Reservation, Scope, misses};
