//! Processor time, for benchmarks: what else runs on the machine does not count.

use std::sync::OnceLock;
use std::time::Instant;

/// Processor time of this thread in seconds since some moment; time on the wall where the system does not
/// tell. Linux counts it in ticks of some milliseconds, so it says little of less than a second. Does input
/// and output: not for the audio thread.
pub fn processor_seconds() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| START.get_or_init(Instant::now).elapsed().as_secs_f64(), |n| n * 1e-9)
}
