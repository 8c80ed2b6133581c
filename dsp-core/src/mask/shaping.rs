//! Strength, release, amount by band and the attenuation limit, as one change of a mask.
//!
//! Dry and wet are mixed here, on the gains, and not by adding a delayed dry signal: there is one
//! signal path and so no comb filter.

use crate::units::{Db, Hz, Ms};
use realfft::num_complex::Complex32;

/// Edge between the low and the middle band.
const LOW_EDGE_HZ: f32 = 300.0;
/// Edge between the middle and the high band.
const HIGH_EDGE_HZ: f32 = 4_000.0;
/// Half the width of the cross-fade between bands, in octaves.
const EDGE_OCTAVES: f32 = 0.5;
/// A magnitude under which a gain's phase means nothing.
const NO_PHASE: f32 = 1e-4;

/// Gains over this are neither bent by the strength nor held by the release. They stand where a model that
/// gives spectra finds sound in a bin that holds next to none; such a gain is for its own frame alone.
const MOST_BENT: f32 = 4.0;

/// What to do to a mask. See the denoiser's settings for the meanings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShapingSettings {
    /// 0 to 1.
    pub amount: f32,
    /// Share of the amount in the low, middle and high band, 0 to 1 each.
    pub shares: [f32; 3],
    /// Exponent on the gain's magnitude.
    pub strength: f32,
    /// Time in which a falling gain falls by 1/e.
    pub release: Ms,
    /// Deepest attenuation, positive; infinity for none.
    pub limit: Db,
}

/// Shapes the masks of one channel, frame by frame.
#[derive(Debug)]
pub struct Shaping {
    settings: Option<ShapingSettings>,
    frame_ms: f32,
    bin_hz: f32,
    /// Amount, `[bin]`.
    amounts: Vec<f32>,
    /// Smallest gain, linear.
    floor: f32,
    /// What is left of a gain after one frame of release.
    decay: f32,
    /// Magnitudes of the last frame, `[bin]`.
    held: Vec<f32>,
}

impl Shaping {
    /// For spectra of `bins` that are `bin_hz` apart, with a hop of `hop` samples at `rate`.
    pub fn new(bins: usize, bin_hz: f32, hop: usize, rate: Hz) -> Self {
        Self {
            settings: None,
            frame_ms: Ms::from_samples(hop, rate).0,
            bin_hz,
            amounts: vec![0.0; bins],
            floor: 0.0,
            decay: 0.0,
            held: vec![0.0; bins],
        }
    }

    /// Forgets the last frame.
    pub fn reset(&mut self) {
        self.held.fill(0.0);
    }

    fn take(&mut self, settings: &ShapingSettings) {
        if self.settings.as_ref() == Some(settings) {
            return;
        }
        self.settings = Some(*settings);
        self.floor = if settings.limit.0.is_finite() { Db(-settings.limit.0).to_linear() } else { 0.0 };
        self.decay = if settings.release.0 > 0.0 { (-self.frame_ms / settings.release.0).exp() } else { 0.0 };
        let [low, mid, high] = settings.shares;
        // Share of the upper side of an edge at a frequency, 0 to 1.
        let above = |hz: f32, edge: f32| ((hz.max(1.0) / edge).log2() / (2.0 * EDGE_OCTAVES) + 0.5).clamp(0.0, 1.0);
        for (bin, amount) in self.amounts.iter_mut().enumerate() {
            let hz = bin as f32 * self.bin_hz;
            let to_mid = above(hz, LOW_EDGE_HZ);
            let to_high = above(hz, HIGH_EDGE_HZ);
            let share = (low + (mid - low) * to_mid) * (1.0 - to_high) + high * to_high;
            *amount = settings.amount * share;
        }
    }

    /// Changes `mask`, `[bin]`, in place.
    pub fn apply(&mut self, settings: &ShapingSettings, mask: &mut [Complex32]) {
        self.take(settings);
        let strength = settings.strength;
        let one = Complex32::new(1.0, 0.0);
        for ((gain, &amount), held) in mask.iter_mut().zip(&self.amounts).zip(&mut self.held) {
            let magnitude = super::magnitude(*gain);
            let bounded = magnitude.min(MOST_BENT);
            let mut wanted = if strength == 1.0 { magnitude } else { bounded.powf(strength) * (magnitude / MOST_BENT).max(1.0) };
            wanted = wanted.max(*held * self.decay);
            *held = wanted.min(MOST_BENT);
            let wet = if magnitude > NO_PHASE { *gain * (wanted / magnitude) } else { Complex32::new(wanted, 0.0) };
            // The limit mixes in the input, so that what is left of the noise sounds like the noise.
            let depth = amount * (1.0 - self.floor);
            let mixed = one + (wet - one) * depth;
            let low = 1.0 - amount * (1.0 - self.floor);
            let norm = super::magnitude(mixed);
            // A gain with a phase of its own can come out below the limit.
            *gain = if norm >= low {
                mixed
            } else if norm > NO_PHASE {
                mixed * (low / norm)
            } else {
                Complex32::new(low, 0.0)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: ShapingSettings =
        ShapingSettings { amount: 1.0, shares: [1.0; 3], strength: 1.0, release: Ms(0.0), limit: Db(f32::INFINITY) };

    fn shaped(settings: ShapingSettings, frames: &[Complex32]) -> Vec<Complex32> {
        let mut shaping = Shaping::new(481, 50.0, 480, Hz(48_000.0));
        let mut mask = vec![];
        for &gain in frames {
            mask = vec![gain; 481];
            shaping.apply(&settings, &mut mask);
        }
        mask
    }

    #[test]
    fn defaults_leave_the_mask_alone() {
        let gain = Complex32::new(0.3, -0.2);
        assert!(shaped(PLAIN, &[gain]).iter().all(|g| (g - gain).norm() < 1e-6));
    }

    #[test]
    fn no_amount_is_exactly_one() {
        let mask = shaped(ShapingSettings { amount: 0.0, limit: Db(12.0), ..PLAIN }, &[Complex32::new(-0.3, 0.9)]);
        assert!(mask.iter().all(|g| *g == Complex32::new(1.0, 0.0)));
    }

    #[test]
    fn nothing_goes_below_the_limit() {
        for gain in [Complex32::new(0.0, 0.0), Complex32::new(-0.2, 0.0), Complex32::new(0.0, 0.1)] {
            for g in shaped(ShapingSettings { limit: Db(12.0), ..PLAIN }, &[gain]) {
                assert!(g.norm() >= Db(-12.01).to_linear() && g.norm() <= 0.4, "{g}");
            }
        }
    }

    #[test]
    fn release_holds_a_falling_gain() {
        let frames = [Complex32::new(1.0, 0.0), Complex32::new(0.0, 0.0)];
        let mask = shaped(ShapingSettings { release: Ms(100.0), ..PLAIN }, &frames);
        assert!((mask[40].norm() - (-0.1_f32).exp()).abs() < 1e-3);
    }

    #[test]
    fn a_gain_for_an_empty_bin_is_for_its_frame_alone() {
        let frames = [Complex32::new(1e5, 0.0), Complex32::new(0.1, 0.0)];
        let mask = shaped(ShapingSettings { release: Ms(100.0), strength: 2.0, ..PLAIN }, &frames);
        assert!(mask.iter().all(|g| g.norm() <= MOST_BENT), "{}", mask[3]);
    }

    #[test]
    fn shares_hold_in_their_bands() {
        let mask = shaped(ShapingSettings { shares: [1.0, 0.0, 0.5], ..PLAIN }, &[Complex32::new(0.0, 0.0)]);
        assert!(mask[2].norm() < 1e-3); // 100 Hz
        assert!((mask[20].norm() - 1.0).abs() < 1e-3); // 1 kHz
        assert!((mask[200].norm() - 0.5).abs() < 1e-3); // 10 kHz
    }
}
