//! What keeps the audio thread free of the system: an allocator with a pool, and denormals off.

mod clean;
mod denormals;
mod pool;

pub use clean::{clean, clean_all};
pub use denormals::FlushDenormals;
pub use pool::{PoolAllocator, Reservation, Scope, misses};
