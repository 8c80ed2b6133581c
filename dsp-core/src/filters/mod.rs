//! Filters: the equaliser, what it is made of, and what other stages share with it.
//!
//! ```text
//! analogue (definition) ─▶ matched (digital, no cramping) ─▶ section (state variables, f64)
//!                     └──▶ linear_phase ─▶ symmetric (FIR, designed while it plays) ─▶ convolver
//! ```

pub(crate) mod abreast;
pub mod analogue;
pub mod convolver;
pub mod equaliser;
pub mod fir;
pub mod glide;
pub mod linear_phase;
pub mod matched;
pub mod section;
pub mod settings;
pub mod symmetric;

pub use equaliser::Equaliser;
pub use linear_phase::LinearEqualiser;
pub use settings::{BANDS, Band, Phase, Settings, Shape, Slope};
