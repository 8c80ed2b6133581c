//! What models see of a spectrum.

mod bands;
mod running;

pub use running::RunningMean;
pub use bands::{BANDS, Bands, centre};
