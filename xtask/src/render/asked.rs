//! Numbers on the command line that several engines' options share.

use std::ops::RangeInclusive;

/// A loudness that is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loudness {
    /// That of the input.
    Keep,
    /// In LUFS.
    Of(f64),
}

/// Loudness that can be asked for, LUFS.
const LOUDNESS: RangeInclusive<f64> = -40.0..=-5.0;
/// Ceilings that can be asked for, dBTP.
const CEILING: RangeInclusive<f64> = -20.0..=0.0;

/// A number in a range.
///
/// # Errors
/// What is to be given.
pub fn number(text: &str, range: RangeInclusive<f64>, unit: &str) -> Result<f64, String> {
    let value = text.trim_end_matches(unit).trim().parse().ok().filter(|value| range.contains(value));
    value.ok_or_else(|| format!("give {} to {} {unit}", range.start(), range.end()))
}

/// A loudness or `keep`.
///
/// # Errors
/// As [`number`].
pub fn loudness(text: &str) -> Result<Loudness, String> {
    if text.eq_ignore_ascii_case("keep") {
        return Ok(Loudness::Keep);
    }
    number(text, LOUDNESS, "LUFS").map(Loudness::Of).map_err(|why| format!("{why}, or keep"))
}

/// A ceiling.
///
/// # Errors
/// As [`number`].
pub fn ceiling(text: &str) -> Result<f64, String> {
    number(text, CEILING, "dBTP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_or_refused() {
        assert_eq!(loudness("-14"), Ok(Loudness::Of(-14.0)));
        assert_eq!(loudness("-16 LUFS"), Ok(Loudness::Of(-16.0)));
        assert_eq!(loudness("keep"), Ok(Loudness::Keep));
        assert!(loudness("3").is_err() && ceiling("1").is_err() && ceiling("-1") == Ok(-1.0));
    }
}
