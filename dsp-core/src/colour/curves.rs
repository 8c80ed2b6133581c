//! The curves: what they add to a sample.

/// Which kind of colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Character {
    /// Uneven: the second harmonic leads, as in a single-ended tube stage.
    #[default]
    Tube,
    /// Even-handed: odd harmonics only, as in magnetic tape.
    Tape,
    /// Odd harmonics of the lows only, as in a transformer's core.
    Transformer,
}

/// Bias of the uneven curve: the second harmonic is 3 times the third at half scale and 6 dB of drive.
const BIAS: f32 = 0.45;

/// The smooth limiter `x / sqrt(1 + x^2)`: analytic, so that its harmonics fall exponentially and few
/// of them reach beyond the oversampled band.
#[inline]
fn round(x: f32) -> f32 {
    x / (1.0 + x * x).sqrt()
}

/// What the curve adds to a sample, at a linear drive of 1 and more. The curve has slope 1 at 0.
#[inline]
pub fn added(character: Character, x: f32, drive: f32) -> f32 {
    let driven = x * drive;
    match character {
        Character::Tube => {
            let at_rest = round(BIAS);
            // The slope at the bias: (1 + b^2)^(-3/2).
            let slope = (1.0 + BIAS * BIAS) * (1.0 + BIAS * BIAS).sqrt();
            ((round(driven + BIAS) - at_rest) * slope - driven) / drive
        }
        Character::Tape | Character::Transformer => (round(driven) - driven) / drive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sounds_are_left_alone() {
        for character in [Character::Tube, Character::Tape, Character::Transformer] {
            for drive in [1.0, 4.0, 8.0] {
                assert_eq!(added(character, 0.0, drive), 0.0);
                let little = added(character, 1e-3, drive).abs();
                assert!(little < 1e-5, "{character:?}, drive {drive}: {little}");
            }
        }
    }

    #[test]
    fn curves_are_bounded_and_rise() {
        for character in [Character::Tube, Character::Tape] {
            for drive in [1.0, 8.0] {
                let mut last = f32::NEG_INFINITY;
                for n in -4000..=4000 {
                    let x = n as f32 * 0.001;
                    let y = x + added(character, x, drive);
                    assert!(y >= last - 1e-5 && y.abs() < 2.5 / drive + 0.01, "{character:?} at {x}: {y}");
                    last = y;
                }
            }
        }
    }
}
