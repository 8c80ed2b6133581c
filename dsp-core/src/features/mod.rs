//! What models see of a spectrum.

mod bands;

pub use bands::{BANDS, Bands, centre};
