//! Frames and bands equal those of training, at every rate: against vectors that
//! `python -m training.deess.bands` printed.

use dsp_core::features::{BANDS, Bands};
use dsp_core::framing::{Analyser, recent};
use realfft::num_complex::Complex32;

/// What the two may differ by, relative to the value: single against double precision.
const TOLERANCE: f64 = 1e-4;
/// What they may differ by beside that, relative to the loudest band.
const FLOOR: f64 = 1e-7;

fn samples(ms: f64, rate: f64) -> usize {
    (ms * rate / 1000.0 + 0.5).floor() as usize
}

#[test]
fn bands_equal_those_of_training() {
    let text = include_str!("bands_parity.txt");
    let mut rates = 0;
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<f64>().unwrap());
        let rate = numbers.next().unwrap();
        let wanted: Vec<f64> = numbers.collect();
        assert_eq!(wanted.len(), BANDS);
        let (length, fall) = (samples(10.0, rate), samples(2.0, rate));
        let mut seed = 1_u32;
        let sound: Vec<f32> = (0..4 * length)
            .map(|n| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = f64::from(seed >> 8) / f64::from(1 << 23) - 1.0;
                let tone = |hz: f64| (std::f64::consts::TAU * hz * n as f64 / rate).sin();
                (0.3 * tone(997.0) + 0.05 * tone(6500.0) + 0.02 * noise) as f32
            })
            .collect();
        let mut analyser = Analyser::new(recent(length - fall, fall));
        let mut spectrum = vec![Complex32::default(); analyser.bins()];
        analyser.analyse(&sound[3 * length..], &mut spectrum);
        let power: Vec<f32> = spectrum.iter().map(Complex32::norm_sqr).collect();
        let mut bands = [0.0; BANDS];
        Bands::new(power.len(), rate / length as f64, rate / 2.0).fold(&power, &mut bands);
        let loudest = wanted.iter().copied().fold(0.0, f64::max);
        for (index, (&got, &want)) in bands.iter().zip(&wanted).enumerate() {
            assert!((f64::from(got) - want).abs() <= TOLERANCE * want + FLOOR * loudest, "{rate} Hz, band {index}: {got} {want}");
        }
        rates += 1;
    }
    assert!(rates >= 5, "{rates} rates prove little");
}
