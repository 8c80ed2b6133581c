//! The gain computer: from a level to a gain, and how gains move in time.

/// Curve of one band. Levels are decibels relative to full scale, of a sine's peak or of its root mean
/// square times the square root of 2, so that both detectors read a sine alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve {
    /// Above it levels are brought down.
    pub threshold: f32,
    /// How many decibels of input make one of output above the threshold; 1 does nothing, less expands.
    pub ratio: f32,
    /// Below it levels are brought up.
    pub up_threshold: f32,
    /// How many decibels of input make one of output below; 1 does nothing.
    pub up_ratio: f32,
    /// Width of the bend at each threshold, decibels.
    pub knee: f32,
    /// The most that the gain moves, down or up, decibels.
    pub range: f32,
}

/// Levels below this are not brought up at all: what is there is the noise of a recording.
const FLOOR_DB: f32 = -72.0;
/// Over this many decibels above the floor, upward gain comes in.
const FLOOR_FADE_DB: f32 = 18.0;

/// How far a level is over a threshold, bent by the knee: the quadratic knee of D. Giannoulis,
/// M. Massberg and J. D. Reiss, "Digital dynamic range compressor design" (JAES 60, 2012).
fn over(level: f32, threshold: f32, knee: f32) -> f32 {
    let x = level - threshold;
    if x <= -knee / 2.0 {
        0.0
    } else if x >= knee / 2.0 {
        x
    } else {
        (x + knee / 2.0).powi(2) / (2.0 * knee)
    }
}

impl Curve {
    /// Gain in decibels at a level in decibels.
    pub fn gain(&self, level: f32) -> f32 {
        let down = (1.0 - 1.0 / self.ratio) * over(level, self.threshold, self.knee);
        let up = (1.0 - 1.0 / self.up_ratio) * over(-level, -self.up_threshold, self.knee);
        let heard = ((level - FLOOR_DB) / FLOOR_FADE_DB).clamp(0.0, 1.0);
        up.min(self.range) * heard - down.clamp(-self.range, self.range)
    }

    /// True when no level has a gain.
    pub fn is_flat(&self) -> bool {
        self.range <= 0.0 || self.ratio == 1.0 && self.up_ratio <= 1.0
    }
}

/// How fast gains move, as the pole of each exponential for one step.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Timing {
    attack: f32,
    release: f32,
    slow_attack: f32,
    slow_release: f32,
    program: bool,
}

/// The slow branch of program-dependent timing: a reduction that has lasted this long stays.
const SLOW_ATTACK_SECONDS: f64 = 0.4;
/// How much longer than the release asked for the slow branch takes to let go.
const SLOW_RELEASE: f64 = 6.0;

impl Timing {
    /// Attack and release in milliseconds, to 63 % of a step, for steps of `seconds`.
    pub fn new(attack: f32, release: f32, program: bool, seconds: f64) -> Self {
        let pole = |time: f64| (-seconds / time.max(1e-6)).exp() as f32;
        let (attack, release) = (f64::from(attack) / 1000.0, f64::from(release) / 1000.0);
        Self {
            attack: pole(attack),
            release: pole(release),
            slow_attack: pole(SLOW_ATTACK_SECONDS.max(attack)),
            slow_release: pole(release * SLOW_RELEASE),
            program,
        }
    }
}

/// A gain in decibels that follows the curve's.
///
/// Falling gains take the attack's time, rising ones the release's. With program-dependent timing a
/// second, slow branch runs beside and the lower gain counts: after a short peak the gain comes back
/// fast, after a long loud passage slowly, as in the two time constants of analogue compressors. A gain that
/// opens above a threshold does the same upside down: it rises in the attack's time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ballistics {
    fast: f32,
    slow: f32,
    opens: bool,
}

impl Ballistics {
    /// The next gain; `opens` for curves that expand.
    #[inline]
    pub fn step(&mut self, wanted: f32, opens: bool, timing: &Timing) -> f32 {
        let sign = if opens { -1.0 } else { 1.0 };
        if opens != self.opens {
            // The other way on from the gain that there is.
            let now = -if timing.program { self.fast.min(self.slow) } else { self.fast };
            *self = Self { fast: now, slow: now, opens };
        }
        let wanted = sign * wanted;
        let follow = |now: f32, fall: f32, rise: f32| {
            let next = wanted + (now - wanted) * if wanted < now { fall } else { rise };
            // The last hundred-thousandth of a decibel would take forever.
            if (next - wanted).abs() < 1e-5 { wanted } else { next }
        };
        self.fast = follow(self.fast, timing.attack, timing.release);
        self.slow = follow(self.slow, timing.slow_attack, timing.slow_release);
        sign * if timing.program { self.fast.min(self.slow) } else { self.fast }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURVE: Curve = Curve { threshold: -20.0, ratio: 4.0, up_threshold: -40.0, up_ratio: 2.0, knee: 6.0, range: 12.0 };

    /// Outside the knees the output level is the straight line of the ratio.
    #[test]
    fn the_curve_is_the_textbook_one() {
        assert_eq!(CURVE.gain(-30.0), 0.0);
        assert!((CURVE.gain(-8.0) - (12.0 / 4.0 - 12.0)).abs() < 1e-5);
        assert!((CURVE.gain(-50.0) - 5.0).abs() < 1e-5);
        assert_eq!(CURVE.gain(6.0), -12.0, "the range holds");
        assert!((CURVE.gain(-20.0) + 0.75 * 9.0 / 12.0).abs() < 1e-5, "in the middle of the knee");
        assert_eq!(CURVE.gain(-72.0), 0.0);
        assert_eq!(CURVE.gain(f32::NEG_INFINITY), 0.0, "silence stays silence");
    }

    /// Under 1 a ratio expands, within the range, and the gain opens as fast as it would close.
    #[test]
    fn ratios_under_one_expand() {
        let curve = Curve { ratio: 0.5, up_ratio: 1.0, range: 6.0, ..CURVE };
        assert!(!curve.is_flat() && curve.gain(-30.0) == 0.0);
        assert!((curve.gain(-16.0) - 4.0).abs() < 1e-5 && curve.gain(0.0) == 6.0);
        let timing = Timing::new(10.0, 100.0, true, 0.001);
        let (mut down, mut up) = (Ballistics::default(), Ballistics::default());
        for n in 0..600 {
            let wanted = if n % 200 < 90 { 4.0 } else { 0.0 };
            assert_eq!(up.step(wanted, true, &timing), -down.step(-wanted, false, &timing));
        }
        let (now, next) = (up.step(4.0, true, &timing), up.step(4.0, false, &timing));
        assert!((now - next).abs() < 0.5, "no jump where a curve turns over: {now} {next}");
    }

    #[test]
    fn the_curve_has_no_steps() {
        for n in 0..12_000 {
            let level = -90.0 + n as f32 * 0.01;
            assert!((CURVE.gain(level + 0.01) - CURVE.gain(level)).abs() < 0.012, "at {level} dB");
        }
        let hard = Curve { knee: 0.0, ..CURVE };
        assert!((-2000..500).all(|n| hard.gain(n as f32 * 0.05).is_finite()));
    }

    #[test]
    fn attack_and_release_take_their_time() {
        let timing = Timing::new(10.0, 100.0, false, 0.001);
        let mut ballistics = Ballistics::default();
        let mut gains: Vec<f32> = (0..10).map(|_| ballistics.step(-10.0, false, &timing)).collect();
        assert!((gains.pop().unwrap() + 10.0 * (1.0 - (-1.0_f32).exp())).abs() < 0.01);
        let start = ballistics.step(-10.0, false, &timing);
        let mut end = 0.0;
        (0..100).for_each(|_| end = ballistics.step(0.0, false, &timing));
        assert!((end - start * (-1.0_f32).exp()).abs() < 0.01, "{start} to {end}");
    }

    /// After a short peak the gain is back soon, after a long one later; never above what is wanted.
    #[test]
    fn program_dependent_release_remembers() {
        let timing = Timing::new(5.0, 60.0, true, 0.001);
        let after = |loud: usize| {
            let mut ballistics = Ballistics::default();
            (0..loud).for_each(|_| {
                ballistics.step(-12.0, false, &timing);
            });
            let mut gain = 0.0;
            (0..180).for_each(|_| gain = ballistics.step(0.0, false, &timing));
            gain
        };
        assert!(after(30) > -1.5, "{}", after(30));
        assert!(after(2_000) < -5.0, "{}", after(2_000));
    }
}
