//! A logarithmic axis of frequency.

/// The ends of an axis, in hertz.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Lowest frequency shown.
    pub low: f32,
    /// Highest frequency shown.
    pub high: f32,
}

/// Where lines may stand, in hertz, with their labels.
const MARKS: [(f32, &str); 11] = [
    (50.0, "50"),
    (100.0, "100"),
    (200.0, "200"),
    (500.0, "500"),
    (1_000.0, "1k"),
    (2_000.0, "2k"),
    (3_000.0, "3k"),
    (5_000.0, "5k"),
    (7_000.0, "7k"),
    (10_000.0, "10k"),
    (20_000.0, "20k"),
];
/// Octaves of an axis from which marks at 3 and 7 kHz would crowd.
const WIDE: f32 = 7.0;

impl Axis {
    /// All that is heard.
    pub const WHOLE: Self = Self { low: 30.0, high: 20_000.0 };
    /// The upper end of voices, in which sibilants are.
    pub const UPPER: Self = Self { low: 400.0, high: 20_000.0 };

    /// Frequency of a position from 0 to 1.
    pub fn hertz(self, position: f32) -> f32 {
        self.low * (self.high / self.low).powf(position)
    }

    /// Position of a frequency, 0 to 1 within the axis.
    pub fn position(self, hertz: f32) -> f32 {
        (hertz.max(1.0) / self.low).ln() / (self.high / self.low).ln()
    }

    /// Frequencies at which lines stand, with their labels.
    pub fn marks(self) -> impl Iterator<Item = (f32, &'static str)> {
        let wide = (self.high / self.low).log2() > WIDE;
        MARKS.into_iter().filter(move |(hz, _)| (self.low..=self.high).contains(hz) && !(wide && [3_000.0, 7_000.0].contains(hz)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_hertz_are_inverse_and_marks_lie_inside() {
        for axis in [Axis::WHOLE, Axis::UPPER] {
            for hz in [500.0, 1_000.0, 8_000.0, 20_000.0] {
                assert!((axis.hertz(axis.position(hz)) / hz - 1.0).abs() < 1e-4);
            }
            assert!(axis.marks().all(|(hz, _)| (0.0..=1.0).contains(&axis.position(hz))));
        }
        assert!(Axis::WHOLE.marks().all(|(hz, _)| hz != 7_000.0) && Axis::UPPER.marks().any(|(hz, _)| hz == 7_000.0));
    }
}
