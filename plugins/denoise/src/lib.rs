//! denoise
