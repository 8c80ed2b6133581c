//! Bands as shelves: the gains of neighbours meet in a shelf of their ratio.

use super::crossover::{Corner, MAX_BANDS};
use super::multiband::CONTROL;
use crate::filters::abreast::Abreast;
use crate::filters::glide::TICK;
use crate::filters::section::Lanes;

/// Q of the two halves of a shelf: those of a Butterworth filter of fourth order.
const HALVES: [f64; 2] = [0.541_196_100_146_197, 1.306_562_964_876_377];
/// Filters one behind the other: two halves at each corner.
const DEEP: usize = 2 * (MAX_BANDS - 1);
/// Left and right of all of them, side by side.
const LANES: usize = 2 * DEEP;
/// Intervals of gains in a tick.
const INTERVALS: usize = TICK / CONTROL;

/// What is added of band-pass and low-pass by each filter, at the start of an interval and for each sample more, and
/// the gain for all.
#[derive(Clone, Copy, Debug)]
struct Way {
    band: [[f64; LANES]; 2],
    low: [[f64; LANES]; 2],
    top: [Lanes; 2],
}

impl Way {
    const FLAT: Self = Self { band: [[0.0; LANES]; 2], low: [[0.0; LANES]; 2], top: [[1.0; 2], [0.0; 2]] };
}

/// Shelves in a row, one at each corner, over one gain for all: with gains `g1 .. gn` from the lowest
/// band, the highest band's gain for everything and at each corner a low shelf of the ratio of the
/// gains on its two sides.
///
/// A shelf has the squared magnitude `(w^2 + f^8) / (1 + f^8)`, the maximally flat way from `w` to 1
/// with the slopes of a Linkwitz-Riley crossover: two sections
/// `(s^2 + s w^(1/4) / Q + w^(1/2)) / (s^2 + s / Q + 1)`, exactly 1 where `w` is 1. Only the shares of
/// the three outputs of the filters move, so moving gains cannot make them unstable. Each section works one sample
/// behind the one before it, so that none waits for another.
#[derive(Clone, Copy, Debug)]
pub struct Shelves {
    s1: [f64; LANES],
    s2: [f64; LANES],
    /// Shares at the end of the last interval, and the highest band's gain.
    last: ([f64; LANES], [f64; LANES], Lanes),
    /// Of the intervals of the tick.
    ways: [Way; INTERVALS],
}

impl Default for Shelves {
    fn default() -> Self {
        Self { s1: [0.0; LANES], s2: [0.0; LANES], last: ([0.0; LANES], [0.0; LANES], [1.0; 2]), ways: [Way::FLAT; INTERVALS] }
    }
}

impl Shelves {
    /// At the beginning of an interval of the tick: goes to amplitudes `to[band]` until its end.
    pub fn head_for(&mut self, interval: usize, to: &[Lanes; MAX_BANDS], count: usize) {
        let mut shares = ([0.0; LANES], [0.0; LANES], to[count - 1]);
        for corner in 0..count - 1 {
            let ratio: Lanes = std::array::from_fn(|channel| to[corner][channel] / to[corner + 1][channel]);
            if ratio == [1.0; 2] {
                continue;
            }
            for (channel, ratio) in ratio.into_iter().enumerate() {
                let low = ratio.sqrt();
                let band = low.sqrt() - 1.0;
                for (half, q) in HALVES.into_iter().enumerate() {
                    let lane = 4 * corner + 2 * half + channel;
                    (shares.0[lane], shares.1[lane]) = (band / q, low - 1.0);
                }
            }
        }
        let way = &mut self.ways[interval % INTERVALS];
        let last = std::mem::replace(&mut self.last, shares);
        (way.band[0], way.low[0], way.top[0]) = last;
        for lane in 0..LANES {
            way.band[1][lane] = (shares.0[lane] - last.0[lane]) / CONTROL as f64;
            way.low[1][lane] = (shares.1[lane] - last.1[lane]) / CONTROL as f64;
        }
        way.top[1] = std::array::from_fn(|channel| (shares.2[channel] - last.2[channel]) / CONTROL as f64);
    }

    /// Filters a piece in place that begins `done` samples into its tick, by whatever the processor does fastest: the
    /// bits are the same.
    pub fn run(&mut self, audio: &mut [Lanes], corners: &[Corner], done: usize) {
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx") {
            #[target_feature(enable = "avx")]
            fn with_avx(shelves: &mut Shelves, audio: &mut [Lanes], corners: &[Corner], done: usize) {
                shelves.filter(audio, corners, done)
            }
            // SAFETY: the processor was asked for AVX.
            return unsafe { with_avx(self, audio, corners, done) };
        }
        self.filter(audio, corners, done)
    }

    /// Filter k is at sample n - k, so `piece` samples take `deep - 1` steps more.
    #[inline(always)]
    fn filter(&mut self, audio: &mut [Lanes], corners: &[Corner], done: usize) {
        let length = audio.len().min(TICK);
        if length == 0 || corners.is_empty() {
            return;
        }
        let deep = 2 * corners.len();
        let damping: [f64; LANES] = std::array::from_fn(|lane| 1.0 / HALVES[lane / 2 % 2]);
        let g_of = |n: usize| -> [f64; LANES] {
            std::array::from_fn(|lane| {
                let sample = n.saturating_sub(lane / 2).min(length - 1);
                corners.get(lane / 4).map_or(0.0, |corner| corner.g(done + sample))
            })
        };
        // What the filters of a stage add: their way, and how far along it they are.
        let way = |sample: usize| (&self.ways[(done + sample) / CONTROL % INTERVALS], ((done + sample) % CONTROL + 1) as f64);
        let standing = corners.iter().all(Corner::stands);
        let (mut g, mut x) = (g_of(0), [0.0; LANES]);
        let mut filters = Abreast::new(&g, &damping);
        let steps = length + deep - 1;
        let mut n = 0;
        while n < steps {
            if standing && n + 1 >= deep && n < length {
                // All have something to do, until the piece ends.
                let (mut s1, mut s2) = (self.s1, self.s2);
                let (mut here, mut along) = (Way::FLAT, [0.0; LANES]);
                let enter = |here: &mut Way, along: &mut [f64; LANES], stage: usize, sample: usize| {
                    let (way, from) = way(sample);
                    let lanes = 2 * stage..2 * stage + 2;
                    for part in 0..2 {
                        here.band[part][lanes.clone()].copy_from_slice(&way.band[part][lanes.clone()]);
                        here.low[part][lanes.clone()].copy_from_slice(&way.low[part][lanes.clone()]);
                    }
                    along[lanes].fill(from);
                };
                (0..deep).for_each(|stage| enter(&mut here, &mut along, stage, n - stage));
                for n in n..length {
                    // One stage at most comes to its next interval.
                    let stage = (done + n) % CONTROL;
                    if stage < deep {
                        enter(&mut here, &mut along, stage, n - stage);
                    }
                    [x[0], x[1]] = audio[n];
                    let mut y = [0.0; LANES];
                    filters.all(&x, &mut s1, &mut s2, |lane, v1, v2| {
                        let band = here.band[0][lane] + here.band[1][lane] * along[lane];
                        let low = here.low[0][lane] + here.low[1][lane] * along[lane];
                        y[lane] = x[lane] + (band * v1 + low * v2);
                        along[lane] += 1.0;
                    });
                    audio[n + 1 - deep] = if deep == DEEP { [y[10], y[11]] } else { [y[6], y[7]] };
                    x = [0.0, 0.0, y[0], y[1], y[2], y[3], y[4], y[5], y[6], y[7], y[8], y[9]];
                }
                (self.s1, self.s2) = (s1, s2);
                n = length;
                continue;
            }
            if !standing {
                g = g_of(n);
                filters = Abreast::new(&g, &damping);
            }
            // The last first: each takes what the one before it gave a step ago.
            for stage in (0..deep).rev().filter(|&stage| stage <= n && n < length + stage) {
                let mut y = [0.0; 2];
                for (channel, y) in y.iter_mut().enumerate() {
                    let lane = 2 * stage + channel;
                    let x = if stage == 0 { audio[n][channel] } else { x[lane] };
                    let (v1, v2) = filters.one(lane, x, &mut self.s1[lane], &mut self.s2[lane]);
                    let (way, along) = way(n - stage);
                    let [band, low] = [&way.band, &way.low].map(|share| share[0][lane] + share[1][lane] * along);
                    *y = x + (band * v1 + low * v2);
                }
                if stage + 1 == deep {
                    audio[n - stage] = y;
                } else {
                    x[2 * stage + 2..2 * stage + 4].copy_from_slice(&y);
                }
            }
            n += 1;
        }
        for (sample, x) in audio.iter_mut().enumerate().take(length) {
            let top = &self.ways[(done + sample) / CONTROL % INTERVALS].top;
            let along = ((done + sample) % CONTROL + 1) as f64;
            for channel in 0..2 {
                x[channel] *= top[0][channel] + top[1][channel] * along;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: section after section, sample by sample.
    fn plain(audio: &mut [Lanes], corners: &[Corner], gains: &[Vec<Lanes>]) {
        for (band, corner) in corners.iter().enumerate() {
            for q in HALVES {
                let (g, k) = (corner.g(0), 1.0 / q);
                let a = 1.0 / (1.0 + g * (g + k));
                for channel in 0..2 {
                    let [mut s1, mut s2] = [0.0; 2];
                    for (n, x) in audio.iter_mut().enumerate() {
                        let shares = |at: usize| {
                            let half = (gains[at][band][channel] / gains[at][band + 1][channel]).sqrt();
                            [half.sqrt() - 1.0, half - 1.0]
                        };
                        let ([from, to], along) = ([n / CONTROL, n / CONTROL + 1].map(shares), (n % CONTROL + 1) as f64 / CONTROL as f64);
                        let v1 = a * (s1 + g * (x[channel] - s2));
                        let v2 = s2 + g * v1;
                        (s1, s2) = (2.0 * v1 - s1, 2.0 * v2 - s2);
                        let [band, low] = [0, 1].map(|part| from[part] + (to[part] - from[part]) * along);
                        x[channel] += band * k * v1 + low * v2;
                    }
                }
            }
        }
        for (n, x) in audio.iter_mut().enumerate() {
            let [from, to] = [n / CONTROL, n / CONTROL + 1].map(|at| gains[at][corners.len()]);
            (0..2).for_each(|lane| x[lane] *= from[lane] + (to[lane] - from[lane]) * (n % CONTROL + 1) as f64 / CONTROL as f64);
        }
    }

    #[test]
    fn they_are_sections_one_after_the_other_however_the_sound_is_cut() {
        let mut seed = 11_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 40) as f64 / f64::from(1 << 24)
        };
        let ticks = 40;
        for count in [3, MAX_BANDS] {
            let corners: Vec<Corner> = [0.0025, 0.02, 0.11][..count - 1].iter().map(|&share| Corner::at(share)).collect();
            let input: Vec<Lanes> = (0..ticks * TICK).map(|_| [random() - 0.5, random() - 0.5]).collect();
            let mut gains = vec![vec![[1.0; 2]; count]];
            for _ in 0..ticks * INTERVALS {
                gains.push((0..count).map(|_| [0.5 + random(), 0.5 + random()]).collect());
            }
            let mut expected = input.clone();
            plain(&mut expected, &corners, &gains);
            let mut before: Option<Vec<Lanes>> = None;
            for piece in [TICK, 1, 5, 13] {
                let (mut shelves, mut audio) = (Shelves::default(), input.clone());
                for (tick, audio) in audio.chunks_mut(TICK).enumerate() {
                    for (index, audio) in audio.chunks_mut(piece).enumerate() {
                        let done = index * piece;
                        for at in (done..done + audio.len()).filter(|at| at.is_multiple_of(CONTROL)) {
                            let mut to = [[1.0; 2]; MAX_BANDS];
                            to[..count].copy_from_slice(&gains[tick * INTERVALS + at / CONTROL + 1]);
                            shelves.head_for(at / CONTROL, &to, count);
                        }
                        shelves.run(audio, &corners, done);
                    }
                }
                for (n, (found, truth)) in audio.iter().zip(&expected).enumerate() {
                    assert!((0..2).all(|lane| (found[lane] - truth[lane]).abs() < 1e-9), "{count} bands, sample {n}: {found:?} {truth:?}");
                }
                assert!(before.replace(audio.clone()).is_none_or(|before| before == audio), "{count} bands in pieces of {piece}");
            }
        }
    }

    /// Without gains the input passes bit for bit, and the memories run.
    #[test]
    fn at_rest_they_do_nothing() {
        let corners = [0.003, 0.02, 0.1].map(Corner::at);
        let input: [Lanes; TICK] = std::array::from_fn(|n| [f64::from(n as u32 * 7919 % 101) / 50.0 - 1.0, 0.3]);
        let (mut shelves, mut audio) = (Shelves::default(), input);
        (0..INTERVALS).for_each(|interval| shelves.head_for(interval, &[[1.0; 2]; MAX_BANDS], MAX_BANDS));
        shelves.run(&mut audio, &corners, 0);
        assert_eq!(audio, input);
        assert!(shelves.s2.iter().all(|state| *state != 0.0));
    }
}
