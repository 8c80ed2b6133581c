//! A programme with parts taken out: where exactly, and what it sounds like.
//!
//! ```text
//! input   ───────a==from==b┄┄┄┄┄┄┄┄c==to==d───────      a..b and c..d are as long as the cross-fade
//! output  ───────a==========b/d───────
//! ```

use super::silence::Span;
use super::spool::Spool;
use crate::render::failure::Failure;

/// Length of a cross-fade in seconds: room tone goes over into room tone.
const FADE: f64 = 0.03;
/// How far from its place a cut may be moved to find a zero crossing that fits, seconds.
const SEARCH: f64 = 0.01;
/// Frames that are handed out at a time.
const BLOCK: usize = 8_192;

/// A cut: what lies from `from` to `to` goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// The silence that it shortens, seconds.
    pub silence: Span,
    /// First frame that goes.
    pub from: u64,
    /// First frame behind that stays.
    pub to: u64,
    /// Correlation of what is faded out with what is faded in, 0 to 1.
    alike: f32,
}

/// Cuts of a programme in order.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// The cuts.
    pub cuts: Vec<Cut>,
    /// Frames of a cross-fade.
    fade: u64,
    /// Frames of the whole programme.
    total: u64,
}

/// Mean of the channels.
fn mono(block: &[Vec<f32>]) -> Vec<f32> {
    let scale = 1.0 / block.len().max(1) as f32;
    (0..block.first().map_or(0, Vec::len)).map(|n| block.iter().map(|samples| samples[n]).sum::<f32>() * scale).collect()
}

/// Places in a signal where it goes up through zero.
fn rises(signal: &[f32]) -> impl Iterator<Item = usize> {
    (1..signal.len()).filter(|&n| signal[n - 1] < 0.0 && signal[n] >= 0.0)
}

fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { (dot(a, b) / norm) as f32 } else { 0.0 }
}

/// Takes a block and the frame of the programme that it begins with.
pub type Hear<'a> = dyn FnMut(&mut [Vec<f32>], u64) -> Result<(), Failure> + 'a;

impl Edit {
    /// From pairs of frames, for tests.
    #[cfg(test)]
    pub fn of(total: u64, cuts: &[(u64, u64)]) -> Self {
        let cut = |&(from, to): &(u64, u64)| Cut { silence: Span { start: 0.0, end: 0.0 }, from, to, alike: 0.0 };
        Self { cuts: cuts.iter().map(cut).collect(), fade: 2, total }
    }

    /// Nothing is cut.
    pub fn none(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    /// Places cuts at zero crossings that fit to each other: `found` are silences and what of them goes.
    ///
    /// # Errors
    /// When the disk does not give the sound back.
    pub fn place(spool: &mut Spool, rate: f64, found: &[(Span, Span)]) -> Result<Self, Failure> {
        let fade = ((FADE * rate) as u64 & !1).max(2);
        let (half, search) = (fade as usize / 2, (SEARCH * rate) as usize);
        let mut edit = Self { cuts: Vec::new(), fade, total: spool.frames() };
        let (mut left, mut right) = (vec![Vec::new(); spool.channels()], vec![Vec::new(); spool.channels()]);
        let around = 2 * (search + half);
        for &(silence, gone) in found {
            let at = |seconds: f64| (seconds * rate).round() as u64;
            let (from, to) = (at(gone.start), at(gone.end).min(edit.total));
            // Both fades must find room, in the programme and beside their neighbours.
            let least = edit.cuts.last().map_or(0, |cut| cut.to + fade) + (half + search) as u64;
            if from < least || to + (half + search) as u64 > edit.total || to < from + 2 * (fade + 2 * search as u64) {
                continue;
            }
            spool.read(from as i64 - (around / 2) as i64, around, &mut left)?;
            spool.read(to as i64 - (around / 2) as i64, around, &mut right)?;
            let (out, into) = (mono(&left), mono(&right));
            let window = |signal: &[f32]| signal[half..signal.len() - half].to_vec();
            // The crossing nearest to the place that was chosen; the middle where there is none (silence).
            let middle = around / 2;
            let nearest = rises(&window(&out)).map(|n| n + half).min_by_key(|n| n.abs_diff(middle)).unwrap_or(middle);
            let fits = |n: usize| correlation(&out[nearest - half..nearest + half], &into[n - half..n + half]);
            let best = rises(&window(&into)).map(|n| n + half).map(|n| (fits(n), n)).max_by(|a, b| a.0.total_cmp(&b.0));
            let (alike, place) = best.unwrap_or_else(|| (fits(middle), middle));
            edit.cuts.push(Cut {
                silence,
                from: from + nearest as u64 - middle as u64,
                to: to + place as u64 - middle as u64,
                alike: alike.clamp(0.0, 1.0),
            });
        }
        Ok(edit)
    }

    /// Frames that are left.
    pub fn length(&self) -> u64 {
        self.total - self.removed()
    }

    /// Frames that go.
    pub fn removed(&self) -> u64 {
        self.cuts.iter().map(|cut| cut.to - cut.from).sum()
    }

    /// Where a frame of the programme lies when parts of it are gone; of what is gone, where the cut is.
    pub fn place_of(&self, frame: u64) -> u64 {
        let gone: u64 = self.cuts.iter().map(|cut| frame.clamp(cut.from, cut.to) - cut.from).sum();
        frame - gone
    }

    /// Parts that stay: first frame and the one behind the last.
    pub fn parts(&self) -> Vec<(u64, u64)> {
        let starts = [0].into_iter().chain(self.cuts.iter().map(|cut| cut.to));
        let ends = self.cuts.iter().map(|cut| cut.from).chain([self.total]);
        starts.zip(ends).collect()
    }

    /// Plays what is left: blocks, each with the frame of the programme that it begins with.
    ///
    /// # Errors
    /// When the disk does not give it, or those of `hear`.
    pub fn play(&self, spool: &mut Spool, hear: &mut Hear<'_>) -> Result<(), Failure> {
        let mut block: Vec<Vec<f32>> = vec![Vec::with_capacity(BLOCK); spool.channels()];
        let mut other = block.clone();
        let half = self.fade / 2;
        let mut at = 0;
        for cut in self.cuts.iter().map(Some).chain([None]) {
            let end = cut.map_or(self.total, |cut| cut.from - half);
            while at < end {
                let frames = (end - at).min(BLOCK as u64) as usize;
                spool.read(at as i64, frames, &mut block)?;
                hear(&mut block, at)?;
                at += frames as u64;
            }
            let Some(cut) = cut else { break };
            let frames = self.fade as usize;
            spool.read((cut.from - half) as i64, frames, &mut block)?;
            spool.read((cut.to - half) as i64, frames, &mut other)?;
            for (samples, other) in block.iter_mut().zip(&other) {
                for (n, (sample, other)) in samples.iter_mut().zip(other).enumerate() {
                    let turn = (n as f32 + 0.5) / frames as f32 * std::f32::consts::FRAC_PI_2;
                    let (into, out) = turn.sin_cos();
                    // The power of the sum stays that of its parts, however alike they are.
                    let scale = 1.0 / (1.0 + 2.0 * out * into * cut.alike).sqrt();
                    *sample = (*sample * out + other * into) * scale;
                }
            }
            hear(&mut block, cut.from - half)?;
            at = cut.to + half;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f64 = 48_000.0;

    fn spool(audio: &[f32]) -> Spool {
        let place = std::env::temp_dir().join(format!("plainsong-edit-{}-{}.wav", std::process::id(), audio.len()));
        let mut spool = Spool::new(&place, 1).unwrap();
        spool.write(&[audio]).unwrap();
        spool
    }

    fn play(edit: &Edit, spool: &mut Spool) -> Vec<f32> {
        let mut out = Vec::new();
        edit.play(spool, &mut |block, _| {
            out.extend_from_slice(&block[0]);
            Ok(())
        })
        .unwrap();
        out
    }

    fn noise(frames: usize, level: f32) -> Vec<f32> {
        let mut state = 5_u32;
        (0..frames)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                level * ((state >> 8) as f32 / (1 << 23) as f32 - 1.0)
            })
            .collect()
    }

    #[test]
    fn without_cuts_everything_plays() {
        let audio = noise(30_000, 0.5);
        let mut spool = spool(&audio);
        assert_eq!(play(&Edit::none(30_000), &mut spool), audio);
    }

    /// Lengths add up, what is not near a cut is untouched, and times map to where the sound went.
    #[test]
    fn a_cut_takes_out_just_what_it_says() {
        let audio = noise(200_000, 0.1);
        let mut spool = spool(&audio);
        let spans = [(0.5, 1.0), (1.5, 3.2)].map(|(start, end)| (Span { start, end }, Span { start: start + 0.1, end: end - 0.1 }));
        let edit = Edit::place(&mut spool, RATE, &spans).unwrap();
        assert_eq!(edit.cuts.len(), 2);
        let out = play(&edit, &mut spool);
        assert_eq!(out.len() as u64, edit.length());
        assert_eq!(edit.length() + edit.removed(), 200_000);
        for (cut, (_, gone)) in edit.cuts.iter().zip(&spans) {
            assert!((cut.from as f64 / RATE - gone.start).abs() <= SEARCH && (cut.to as f64 / RATE - gone.end).abs() <= SEARCH);
            for place in [cut.from, cut.to] {
                assert!(audio[place as usize - 1] < 0.0 && audio[place as usize] >= 0.0, "no zero crossing at {place}");
            }
        }
        let margin = edit.fade / 2;
        for (first, last) in edit.parts() {
            for frame in (first + margin..last - margin).step_by(97) {
                assert_eq!(out[edit.place_of(frame) as usize].to_bits(), audio[frame as usize].to_bits());
            }
        }
    }

    /// Room tone keeps its level through a cut, and a hum its wave.
    #[test]
    fn nothing_is_heard_of_a_cut() {
        let hum = |n: usize| 0.1 * (n as f32 * 100.0 * std::f32::consts::TAU / RATE as f32).sin();
        let humming: Vec<f32> = (0..200_000).map(hum).collect();
        for (audio, most) in [(noise(200_000, 0.1), 1.0_f32), (humming, 0.02)] {
            let mut spool = spool(&audio);
            let edit = Edit::place(&mut spool, RATE, &[(Span { start: 0.5, end: 3.0 }, Span { start: 1.0, end: 2.5 })]).unwrap();
            let out = play(&edit, &mut spool);
            let at = edit.cuts[0].from as usize;
            let power = |signal: &[f32]| signal.iter().map(|x| x * x).sum::<f32>() / signal.len() as f32;
            let (through, whole) = (power(&out[at - 720..at + 720]), power(&audio));
            assert!((10.0 * (through / whole).log10()).abs() < most, "{} dB", 10.0 * (through / whole).log10());
            if most > 0.5 {
                // Noise steps by itself.
                continue;
            }
            let step = |signal: &[f32]| signal.windows(2).map(|two| (two[1] - two[0]).abs()).fold(0.0, f32::max);
            assert!(step(&out) <= 1.05 * step(&audio), "a click");
        }
    }

    #[test]
    fn cuts_without_room_are_left_out() {
        let mut spool = spool(&noise(48_000, 0.1));
        let spans = [(0.0, 0.5), (0.5, 0.52), (0.9, 1.0), (0.6, 5.0)].map(|(start, end)| (Span { start, end }, Span { start, end }));
        assert_eq!(Edit::place(&mut spool, RATE, &spans).unwrap().cuts.len(), 0);
    }
}
