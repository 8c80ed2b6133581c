//! A second-order section that bears being moved: a state variable filter in double precision.
//!
//! Its two states are the integrators' of the analogue circuit, joined by the trapezoidal rule
//! (V. Zavalishin, "The art of VA filter design", 2018; A. Simper, "Linear trapezoidal state variable
//! filter", 2013). Without input the energy of the states cannot grow, however the corner and the
//! damping move from sample to sample (A. Wishnick, "Time-varying filters for musical applications",
//! DAFx 2014): automation cannot make it unstable. Two channels share each operation.

use super::glide::TICK;
use super::matched::Coefficients;

/// Two channels side by side.
pub type Lanes = [f64; 2];

/// What a section remembers of a pair of channels.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    s1: Lanes,
    s2: Lanes,
}

/// Coefficients as the sample loop wants them.
#[derive(Clone, Copy, Debug)]
struct Ready {
    a1: f64,
    a2: f64,
    a3: f64,
    m0: f64,
    m1: f64,
    m2: f64,
}

impl Ready {
    #[inline]
    fn new(c: &Coefficients) -> Self {
        let a1 = 1.0 / (1.0 + c.g * (c.g + c.k));
        let a2 = c.g * a1;
        Self { a1, a2, a3: c.g * a2, m0: c.high, m1: c.band - c.high * c.k, m2: c.low - c.high }
    }

    #[inline]
    fn step(&self, state: &mut State, x: Lanes) -> Lanes {
        let mut y = [0.0; 2];
        for lane in 0..2 {
            let v3 = x[lane] - state.s2[lane];
            let v1 = self.a1 * state.s1[lane] + self.a2 * v3;
            let v2 = state.s2[lane] + self.a2 * state.s1[lane] + self.a3 * v3;
            state.s1[lane] = 2.0 * v1 - state.s1[lane];
            state.s2[lane] = 2.0 * v2 - state.s2[lane];
            y[lane] = self.m0 * x[lane] + self.m1 * v1 + self.m2 * v2;
        }
        y
    }
}

/// Coefficients that run along a straight line over a tick, or stand.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    from: Coefficients,
    to: Coefficients,
    ready: Ready,
}

/// A point of the way from one set of coefficients to another; sound wherever both are.
fn between(a: &Coefficients, b: &Coefficients, along: f64) -> Coefficients {
    let mix = |a: f64, b: f64| a + (b - a) * along;
    Coefficients { g: mix(a.g, b.g), k: mix(a.k, b.k), high: mix(a.high, b.high), band: mix(a.band, b.band), low: mix(a.low, b.low) }
}

impl Section {
    /// A section that stands at these coefficients.
    pub fn new(coefficients: Coefficients) -> Self {
        Self { from: coefficients, to: coefficients, ready: Ready::new(&coefficients) }
    }

    /// At a tick: goes to these coefficients until the next one.
    pub fn head_for(&mut self, to: Coefficients) {
        self.from = self.to;
        self.to = to;
        if self.from == to {
            self.ready = Ready::new(&to);
        }
    }

    /// At a tick: stays where it has come to.
    pub fn settle(&mut self) {
        if self.from != self.to {
            self.head_for(self.to);
        }
    }

    /// Filters a piece in place that begins `done` samples into the tick.
    pub fn run(&self, state: &mut State, audio: &mut [Lanes], done: usize) {
        if self.from == self.to {
            for x in audio {
                *x = self.ready.step(state, *x);
            }
            return;
        }
        for (index, x) in audio.iter_mut().enumerate() {
            let along = (done + index + 1) as f64 / TICK as f64;
            *x = Ready::new(&between(&self.from, &self.to, along)).step(state, *x);
        }
    }

    /// True when the coefficients stand.
    pub fn stands(&self) -> bool {
        self.from == self.to
    }

    /// As [`Section::run`] for several sections that stand, one behind the other, to the bit. Each works one
    /// sample behind the one before it, so that none waits for another. By whatever the processor does fastest: the
    /// bits are the same.
    pub fn run_row<const N: usize>(row: [(&Self, &mut State); N], audio: &mut [Lanes]) {
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx") {
            #[target_feature(enable = "avx")]
            fn with_avx<const N: usize>(row: [(&Section, &mut State); N], audio: &mut [Lanes]) {
                Section::row(row, audio)
            }
            // SAFETY: the processor was asked for AVX.
            return unsafe { with_avx(row, audio) };
        }
        Self::row(row, audio)
    }

    #[inline(always)]
    fn row<const N: usize>(mut row: [(&Self, &mut State); N], audio: &mut [Lanes]) {
        let (length, mut x) = (audio.len(), [[0.0; 2]; N]);
        let steps = length + N - 1;
        let mut n = 0;
        while n < steps {
            if n + 1 >= N && n < length {
                // All have something to do, until the piece ends.
                let lanes = |of: fn(&Ready) -> f64| std::array::from_fn::<Lanes, N, _>(|index| [of(&row[index].0.ready); 2]);
                let [a1, a2, a3] = [lanes(|r| r.a1), lanes(|r| r.a2), lanes(|r| r.a3)];
                let [m0, m1, m2] = [lanes(|r| r.m0), lanes(|r| r.m1), lanes(|r| r.m2)];
                let mut s1 = std::array::from_fn::<Lanes, N, _>(|index| row[index].1.s1);
                let mut s2 = std::array::from_fn::<Lanes, N, _>(|index| row[index].1.s2);
                for n in n..length {
                    x[0] = audio[n];
                    let mut y = [[0.0; 2]; N];
                    for index in 0..N {
                        for lane in 0..2 {
                            let v3 = x[index][lane] - s2[index][lane];
                            let v1 = a1[index][lane] * s1[index][lane] + a2[index][lane] * v3;
                            let v2 = s2[index][lane] + a2[index][lane] * s1[index][lane] + a3[index][lane] * v3;
                            s1[index][lane] = 2.0 * v1 - s1[index][lane];
                            s2[index][lane] = 2.0 * v2 - s2[index][lane];
                            y[index][lane] = m0[index][lane] * x[index][lane] + m1[index][lane] * v1 + m2[index][lane] * v2;
                        }
                    }
                    audio[n + 1 - N] = y[N - 1];
                    for index in (1..N).rev() {
                        x[index] = y[index - 1];
                    }
                }
                for (index, (_, state)) in row.iter_mut().enumerate() {
                    **state = State { s1: s1[index], s2: s2[index] };
                }
                n = length;
                continue;
            }
            // Section k is at sample n - k. The last first: each takes what the one before it gave a step ago.
            for index in (0..N).rev().filter(|index| *index <= n && n < length + index) {
                let (section, state) = &mut row[index];
                let y = section.ready.step(state, if index == 0 { audio[n] } else { x[index] });
                if index + 1 == N {
                    audio[n - index] = y;
                } else {
                    x[index + 1] = y;
                }
            }
            n += 1;
        }
    }

    /// As [`Section::run`] for coefficients that stand and one channel alone, the first of each pair
    /// in `audio`, with the memory of one lane.
    pub fn run_one(&self, state: &mut State, lane: usize, audio: &mut [Lanes]) {
        for x in audio {
            let mut one = State { s1: [state.s1[lane], 0.0], s2: [state.s2[lane], 0.0] };
            *x = self.ready.step(&mut one, *x);
            (state.s1[lane], state.s2[lane]) = (one.s1[0], one.s2[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coefficients(g: f64, k: f64) -> Coefficients {
        Coefficients { g, k, high: 0.3, band: 1.7, low: 1.2 }
    }

    /// Against the transfer function, sample by sample in direct form.
    #[test]
    fn it_is_the_filter_of_its_coefficients() {
        let c = coefficients(0.2, 0.9);
        let section = Section::new(c);
        let mut audio: Vec<Lanes> = (0..400).map(|n| [f64::from(n * 7919 % 101) / 50.0 - 1.0, if n == 3 { 1.0 } else { 0.0 }]).collect();
        let input = audio.clone();
        section.run(&mut State::default(), &mut audio, 0);
        // Bilinear: s = (1 - z) / (g (1 + z)), z one sample of delay.
        let gain = 1.0 + c.g * c.k + c.g * c.g;
        let (a1, a2) = (2.0 * (c.g * c.g - 1.0) / gain, (1.0 - c.g * c.k + c.g * c.g) / gain);
        let b0 = (c.high + c.g * c.band + c.g * c.g * c.low) / gain;
        let b1 = (2.0 * c.g * c.g * c.low - 2.0 * c.high) / gain;
        let b2 = (c.high - c.g * c.band + c.g * c.g * c.low) / gain;
        for lane in 0..2 {
            let (mut x, mut y) = ([0.0; 2], [0.0; 2]);
            for (n, (input, out)) in input.iter().zip(&audio).enumerate() {
                let truth = b0 * input[lane] + b1 * x[0] + b2 * x[1] - a1 * y[0] - a2 * y[1];
                assert!((truth - out[lane]).abs() < 1e-10, "sample {n}: {} for {truth}", out[lane]);
                (x, y) = ([input[lane], x[0]], [truth, y[0]]);
            }
        }
    }

    #[test]
    fn a_row_is_one_after_the_other() {
        let sections: [Section; 4] = std::array::from_fn(|index| Section::new(coefficients(0.05 + 0.1 * index as f64, 0.4)));
        for length in [1, 2, 3, 5, TICK] {
            let mut audio: Vec<Lanes> = (0..length).map(|n| [f64::from(n as u32 * 7919 % 101) / 50.0 - 1.0, 0.3]).collect();
            let (mut one, mut other) = ([State::default(); 4], [State::default(); 4]);
            for _ in 0..3 {
                let mut expected = audio.clone();
                sections.iter().zip(&mut one).for_each(|(section, state)| section.run(state, &mut expected, 0));
                let [a, b, c, d] = &mut other;
                Section::run_row([(&sections[0], a), (&sections[1], b), (&sections[2], c), (&sections[3], d)], &mut audio);
                assert_eq!(audio, expected, "{length}");
            }
        }
    }

    /// Random leaps of corner and damping every tick: the states never gain energy without input.
    #[test]
    fn leaping_coefficients_stay_stable() {
        let mut seed = 99_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 40) as f64 / f64::from(1 << 24)
        };
        let mut section = Section::new(coefficients(0.1, 0.1));
        let mut state = State { s1: [1.0, -1.0], s2: [0.5, 0.7] };
        let energy = |state: &State| state.s1[0].powi(2) + state.s2[0].powi(2);
        let mut last = energy(&state);
        for _ in 0..2_000 {
            section.head_for(coefficients(10_f64.powf(4.0 * random() - 3.0), 10_f64.powf(3.0 * random() - 2.5)));
            section.run(&mut state, &mut [[0.0; 2]; TICK], 0);
            assert!(energy(&state) <= last * (1.0 + 1e-12));
            last = energy(&state);
        }
    }
}
