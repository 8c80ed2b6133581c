//! What keeps the audio thread free of the system: an allocator with a pool, and denormals off; and a clock
//! that says what it costs.

mod clock;
mod denormals;
mod pool;

pub use clock::processor_seconds;
pub use denormals::FlushDenormals;
pub use pool::{PoolAllocator, Reservation, Scope, misses};
