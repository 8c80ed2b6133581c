//! The mean spectrum as a person would say it: its slope, its bumps, its low end, where it stops.

use super::spectrum::{THIRDS, middle_hz};
use super::{FLOOR_DB, Sink, put};

/// Mean level of the thirds with their middle in a range of hertz: of their powers, relative to the
/// whole.
fn region(mean: &[f64], low: f64, high: f64) -> f64 {
    let power: f64 =
        mean.iter().enumerate().filter(|(third, _)| (low..high).contains(&middle_hz(*third))).map(|(_, db)| 10_f64.powf(db / 10.0)).sum();
    super::decibels(power, FLOOR_DB)
}

/// Slope in decibels an octave and the deviation from it, by least squares over the thirds in a range.
fn slope(mean: &[f64], low: f64, high: f64) -> (f64, f64) {
    let points =
        || mean.iter().enumerate().filter(move |(third, _)| (low..high).contains(&middle_hz(*third))).map(|(n, db)| (n as f64 / 3.0, *db));
    let count = points().count() as f64;
    if count < 2.0 {
        return (0.0, 0.0);
    }
    let (x, y) = points().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (top, bottom) =
        points().fold((0.0, 0.0), |(top, bottom), point| (top + (point.0 - x) * (point.1 - y), bottom + (point.0 - x).powi(2)));
    let slope = top / bottom;
    let error = points().map(|point| (point.1 - y - slope * (point.0 - x)).powi(2)).sum::<f64>() / count;
    (slope, error.sqrt())
}

/// Tells the features of the mean levels of the thirds, dB relative to the whole.
pub fn visit(mean: &[f64; THIRDS.len()], limit_hz: f64, sink: Sink<'_>) {
    let (all, deviation) = slope(mean, 60.0, 12_000.0);
    put(
        sink,
        "balance",
        "dB/octave",
        &[
            ("slope", all),
            ("slope-low", slope(mean, 45.0, 300.0).0),
            ("slope-mid", slope(mean, 300.0, 3_000.0).0),
            ("slope-high", slope(mean, 3_000.0, 13_000.0).0),
        ],
    );
    // Roughness: how far thirds stand out of their two neighbours.
    let rough = |low: usize, high: usize| {
        let steps = (low..high).map(|n| (mean[n] - 0.5 * (mean[n - 1] + mean[n + 1])).powi(2)).sum::<f64>();
        (steps / (high - low) as f64).sqrt()
    };
    put(
        sink,
        "balance",
        "dB",
        &[
            ("deviation", deviation),
            ("roughness-low", rough(2, 11)),
            ("roughness-mid", rough(11, 21)),
            ("roughness-high", rough(21, 28)),
            ("sub", region(mean, 20.0, 45.0)),
            ("bass", region(mean, 45.0, 120.0)),
            ("low-mid", region(mean, 120.0, 450.0)),
            ("mid", region(mean, 450.0, 1_800.0)),
            ("presence", region(mean, 1_800.0, 5_500.0)),
            ("brilliance", region(mean, 5_500.0, 11_000.0)),
            ("air", region(mean, 11_000.0, 22_000.0)),
        ],
    );
    let lowest = mean.iter().take(10).enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(third, _)| third);
    put(sink, "low-end", "octaves over 1 Hz", &[("peak", middle_hz(lowest).log2())]);
    put(
        sink,
        "low-end",
        "dB",
        &[
            ("peak-over-neighbours", mean[lowest] - region(mean, 20.0, 220.0)),
            ("sub-to-bass", region(mean, 20.0, 45.0) - region(mean, 45.0, 120.0)),
            ("bass-to-low-mid", region(mean, 45.0, 120.0) - region(mean, 120.0, 450.0)),
        ],
    );
    put(sink, "limit", "octaves over 1 Hz", &[("highest", limit_hz.max(1.0).log2())]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope_and_no_deviation() {
        let mean: Vec<f64> = (0..THIRDS.len()).map(|n| -10.0 - 1.5 * n as f64).collect();
        let (found, error) = slope(&mean, 60.0, 12_000.0);
        assert!((found + 4.5).abs() < 1e-9 && error < 1e-9);
    }
}
