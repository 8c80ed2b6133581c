//! Measures. Levels are dBFS of root mean square, minus infinity for digital silence.

/// Largest magnitude of all channels.
pub fn peak(audio: &[Vec<f32>]) -> f32 {
    audio.iter().flatten().fold(0.0, |most, x| most.max(x.abs()))
}

/// Mean power, added up in double precision.
pub fn power(samples: &[f32]) -> f64 {
    if samples.is_empty() { 0.0 } else { samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64 }
}

/// Level in dBFS.
pub fn level_db(samples: &[f32]) -> f64 {
    10.0 * power(samples).log10()
}

/// Largest difference of two signals in dBFS, the first `skip` samples left out; minus infinity when
/// they are equal. A difference in shape, or anything that is not finite, gives plus infinity.
pub fn null_db(a: &[Vec<f32>], b: &[Vec<f32>], skip: usize) -> f64 {
    if a.len() != b.len() || a.iter().zip(b).any(|(x, y)| x.len() != y.len()) {
        return f64::INFINITY;
    }
    let mut most = 0.0_f64;
    for (x, y) in a.iter().zip(b).flat_map(|(x, y)| x.iter().zip(y).skip(skip)) {
        let difference = (f64::from(*x) - f64::from(*y)).abs();
        if !difference.is_finite() {
            return f64::INFINITY;
        }
        most = most.max(difference);
    }
    20.0 * most.log10()
}

/// True when two signals have the same bits; says where they part otherwise.
///
/// # Errors
/// The first channel and sample that differ, with both values.
pub fn same_bits(a: &[Vec<f32>], b: &[Vec<f32>]) -> Result<(), String> {
    if a.len() != b.len() {
        return Err(format!("{} and {} channels", a.len(), b.len()));
    }
    for (channel, (x, y)) in a.iter().zip(b).enumerate() {
        if x.len() != y.len() {
            return Err(format!("channel {channel}: {} and {} samples", x.len(), y.len()));
        }
        if let Some(at) = x.iter().zip(y).position(|(x, y)| x.to_bits() != y.to_bits()) {
            return Err(format!("channel {channel}, sample {at}: {} and {}", x[at], y[at]));
        }
    }
    Ok(())
}

/// First sample with a magnitude above `threshold`.
pub fn onset(samples: &[f32], threshold: f32) -> Option<usize> {
    samples.iter().position(|x| x.abs() > threshold)
}

/// Sample of the largest magnitude.
pub fn peak_at(samples: &[f32]) -> usize {
    samples.iter().enumerate().fold((0, 0.0), |best, (i, x)| if x.abs() > best.1 { (i, x.abs()) } else { best }).0
}

/// The value below which a share of the values lies; `share` in 0 to 1. Sorts the values.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((share * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_of_known_signals() {
        assert_eq!(level_db(&[1.0, -1.0]), 0.0);
        assert_eq!(level_db(&[0.0; 4]), f64::NEG_INFINITY);
        let (a, b) = (vec![vec![0.5, 0.25]], vec![vec![0.5, 0.125]]);
        assert_eq!(null_db(&a, &a, 0), f64::NEG_INFINITY);
        assert!((null_db(&a, &b, 0) - -18.06).abs() < 0.01);
        assert_eq!(null_db(&a, &[vec![f32::NAN, 0.0]], 0), f64::INFINITY);
        assert_eq!(null_db(&a, &[vec![0.5]], 0), f64::INFINITY);
        assert!(same_bits(&a, &b).unwrap_err().contains("sample 1"));
        assert_eq!((onset(&a[0], 0.3), peak_at(&a[0])), (Some(0), 0));
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0], 0.5), 2.0);
    }
}
