//! What is learned of all tracks together, before they are mixed: levels, cross-talk, who talks when, how loud.

use super::chain::WIDE;
use crate::render::failure::Failure;
use crate::render::podcast::spool::Spool;
use dsp_core::multitrack::{BANDS, Hop, Knowledge, Learner, MOST, Owners};

/// Hops that are read at a time.
const BLOCK: usize = 1_000;
/// Hops of a block of loudness, 0.4 s (ITU-R BS.1770-5), and those of them that must be the talker's own.
const LOUD_BLOCK: usize = 40;
const LEAST: usize = 16;
/// Gates of BS.1770-5: LUFS, and LU under the mean.
const ABSOLUTE: f64 = -70.0;
const RELATIVE: f64 = -10.0;
/// Bins of the histogram of blocks: from the absolute gate up, tenths of a LU.
const BINS: usize = 900;

/// What is known of the talkers.
pub struct Known {
    /// Of their microphones.
    pub rooms: Knowledge,
    /// Who has a voice in each hop, a bit a talker.
    pub own: Vec<u8>,
}

/// Hands out hops of all talkers, `hear(number, hops)`.
fn each(ears: &mut [&mut Spool], hear: &mut dyn FnMut(usize, &[Hop; MOST])) -> Result<(), Failure> {
    let total = ears.iter().map(|ears| ears.frames()).max().unwrap_or(0);
    let mut blocks = vec![vec![Vec::new(); WIDE]; ears.len()];
    let mut at = 0;
    while at < total {
        let count = (total - at).min(BLOCK as u64) as usize;
        for (ears, block) in ears.iter_mut().zip(&mut blocks) {
            ears.read(at as i64, count, block)?;
        }
        for n in 0..count {
            let mut hops = [Hop::default(); MOST];
            for (hop, block) in hops.iter_mut().zip(&blocks) {
                *hop = Hop { bands: std::array::from_fn(|band| block[band][n]), loud: block[BANDS][n] };
            }
            hear(at as usize + n, &hops);
        }
        at += count as u64;
    }
    Ok(())
}

/// Learns from what ears have heard of the talkers; `speech` is the probability of speech by talker and hop.
///
/// # Errors
/// When the disk does not give it back.
pub fn learn(ears: &mut [&mut Spool], speech: &dyn Fn(usize, usize) -> f32) -> Result<Known, Failure> {
    let talkers = ears.len();
    let mut learner = Learner::new(talkers);
    for turn in 0..2 {
        each(ears, &mut |_, hops| learner.hear(&hops[..talkers]))?;
        if turn == 0 {
            learner.again();
        }
    }
    let rooms = learner.finish();
    let mut owners = Owners::new(talkers);
    let mut own = Vec::new();
    each(ears, &mut |n, hops| {
        let speech: [f32; MOST] = std::array::from_fn(|talker| if talker < talkers { speech(talker, n) } else { 0.0 });
        let owns = owners.hear(&hops[..talkers], &speech[..talkers], &rooms);
        own.push(owns.iter().enumerate().fold(0_u8, |bits, (talker, &owns)| bits | u8::from(owns) << talker));
    })?;
    // The answer lies behind.
    own.drain(..Owners::behind().min(own.len()));
    Ok(Known { rooms, own })
}

/// Gated loudness of each talker's own voice, LUFS; none of those who do not talk.
///
/// # Errors
/// When the disk does not give it back.
pub fn loudness(ears: &mut [&mut Spool], own: &[u8]) -> Result<Vec<Option<f64>>, Failure> {
    let lufs = |power: f64| -0.691 + 10.0 * power.max(1e-20).log10();
    let talkers = ears.len();
    let mut rings = vec![[None::<f64>; LOUD_BLOCK]; talkers];
    let mut blocks = vec![vec![0_u32; BINS]; talkers];
    each(ears, &mut |n, hops| {
        for talker in 0..talkers {
            let owns = own.get(n).is_some_and(|bits| bits >> talker & 1 == 1);
            let ring = &mut rings[talker];
            ring[n % LOUD_BLOCK] = owns.then(|| f64::from(hops[talker].loud));
            let (sum, count) = ring.iter().flatten().fold((0.0, 0_usize), |(sum, count), power| (sum + power, count + 1));
            let level = lufs(sum / count.max(1) as f64);
            if owns && count >= LEAST && level > ABSOLUTE {
                blocks[talker][(((level - ABSOLUTE) * 10.0) as usize).min(BINS - 1)] += 1;
            }
        }
    })?;
    let mean = |bins: &[u32], gate: f64| {
        let level = |bin: usize| ABSOLUTE + (bin as f64 + 0.5) / 10.0;
        let (sum, count) = bins
            .iter()
            .enumerate()
            .filter(|&(bin, _)| level(bin) >= gate)
            .fold((0.0, 0_u64), |(sum, count), (bin, &n)| (sum + f64::from(n) * 10_f64.powf(level(bin) / 10.0), count + u64::from(n)));
        (count > 0).then(|| 10.0 * (sum / count as f64).log10())
    };
    Ok(blocks.iter().map(|bins| mean(bins, mean(bins, ABSOLUTE)? + RELATIVE)).collect())
}
