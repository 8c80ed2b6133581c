//! What keeps the audio thread free of the system: an allocator with a pool, and denormals off; a clock
//! that says what it costs, and what is late; and a thread for what takes too long, with priority.

mod clock;
mod deadline;
mod denormals;
mod pool;
pub mod priority;
mod worker;

pub use clock::{processor_seconds, work_time};
pub use deadline::Deadline;
pub use denormals::FlushDenormals;
pub use pool::{PoolAllocator, Reservation, Scope, misses};
pub use worker::{Work, Worker};
