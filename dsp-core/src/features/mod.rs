//! What models see of a spectrum.

mod bands;
mod running;

pub use bands::{BANDS, Bands, centre};
pub use running::RunningMean;
