//! Where nobody speaks, nothing plays and nothing happens for long: found in frames of probabilities.

/// What was heard in a hop.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Heard {
    /// Probability of speech, 0 to 1.
    pub speech: f32,
    /// Probability of music, 0 to 1.
    pub music: f32,
    /// Probability of noise, 0 to 1.
    pub noise: f32,
    /// Probabilities of speech and music by a second listening, behind the chain.
    pub again: [f32; 2],
    /// Level before the chain in dBFS.
    pub before_db: f32,
    /// Level behind the chain in dBFS.
    pub after_db: f32,
}

/// Time of a hop in seconds.
pub const HOP: f64 = 0.01;
/// A hop with more than this of speech or music is no silence: far under the even chance, for a word that is
/// lost is worse than a pause that is kept.
const DOUBT: f32 = 0.25;
/// A hop with more than this of speech tells how loud speech is.
const SURE: f32 = 0.8;
/// Silence is so much quieter than speech, dB: laughter, a door or a cough stay, and so does all that the
/// model overheard.
const UNDER: f32 = 20.0;
/// Silence before the chain is so much quieter than speech there, dB: less, because of noise.
const UNDER_BEFORE: f32 = 6.0;
/// What rises over the floor by more before the chain is a sound, whatever the model says of it, dB: hops of steady
/// noise stay within 5.
const OVER_FLOOR: f32 = 8.0;
/// But what is quieter than speech by more is none, dB: under it lie converters and digital silence.
const INAUDIBLE: f32 = 45.0;
/// Hops of a block whose floor is taken, ten seconds, and the share of them that lie under the floor.
const FLOOR_BLOCK: usize = 1_000;
const FLOOR_SHARE: f64 = 0.1;
/// Where the floor before the chain is no further under speech than this, dB, the recording is noisy: levels before the
/// chain tell nothing then.
const NOISY: f32 = 35.0;
/// But where it is nearer than this, dB, short words are buried, and both listenings miss them.
const BURIED: f32 = 11.0;
/// In a noisy recording both listenings must be sure that nobody speaks, so many hops around too.
const CLEAR: f32 = 0.2;
const AROUND: usize = 10;
/// And the level behind the chain, a mean over so many hops, must stay so near to its own floor, dB, or lie under
/// speech by the third; and under it by the last in any case.
const SMOOTH: usize = 9;
const OVER_FLOOR_BEHIND: f32 = 8.0;
const UNDER_BEHIND: f32 = 17.0;
const UNDER_NOISY: f32 = 10.0;
/// What goes on from a word there, or leads to one, without coming down to the floor behind the chain is still the word, which
/// both listenings have given up: a last consonant. Hops for which that is believed, half a second: rooms and what is
/// left of noise fill whole pauses.
const TAIL: usize = 50;
/// Time behind the last and before the next sound that is never counted as silence, seconds: a breath, the
/// end of a word in a room, the soft beginning of the next.
const BEHIND: f64 = 0.30;
const AHEAD: f64 = 0.20;

/// What silences become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// Longer ones are cut, seconds.
    pub longest: f64,
    /// To this, seconds.
    pub to: f64,
}

/// A stretch in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Begin.
    pub start: f64,
    /// End.
    pub end: f64,
}

/// Middle of a list; none of an empty one.
fn median(mut values: Vec<f32>) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

/// Floor of levels around each block of hops, dBFS: the lowest of the block and its neighbours, so that where the
/// noise changes nothing is taken for silence that is not.
fn floors(levels: &[f32]) -> Vec<f32> {
    let floor = |block: &[f32]| {
        let mut levels = block.to_vec();
        let at = (levels.len() as f64 * FLOOR_SHARE) as usize;
        *levels.select_nth_unstable_by(at, f32::total_cmp).1
    };
    let floors: Vec<f32> = levels.chunks(FLOOR_BLOCK).map(floor).collect();
    let around =
        |block: usize| floors[block.saturating_sub(1)..(block + 2).min(floors.len())].iter().copied().fold(f32::INFINITY, f32::min);
    (0..floors.len()).map(around).collect()
}

/// Values around each index, so many on both sides.
fn around<T>(values: &[T], reach: usize) -> impl Iterator<Item = &[T]> {
    (0..values.len()).map(move |index| &values[index.saturating_sub(reach)..(index + reach + 1).min(values.len())])
}

/// Which hops are silent; none where nobody speaks at all.
fn silent(frames: &[Heard]) -> Option<Vec<bool>> {
    let level = |of: fn(&Heard) -> f32| median(frames.iter().filter(|frame| frame.speech > SURE).map(of).collect());
    let (before, after) = (level(|frame| frame.before_db)?, level(|frame| frame.after_db)?);
    let floors_before = floors(&frames.iter().map(|frame| frame.before_db).collect::<Vec<_>>());
    let power: Vec<f64> = frames.iter().map(|frame| 10_f64.powf(f64::from(frame.after_db) / 10.0)).collect();
    let smooth: Vec<f32> =
        around(&power, SMOOTH / 2).map(|part| (10.0 * (part.iter().sum::<f64>() / part.len() as f64).log10()) as f32).collect();
    let floors_behind = floors(&smooth);
    let most: Vec<f32> = frames.iter().map(|frame| frame.speech.max(frame.again[0])).collect();
    let clear = around(&most, AROUND).map(|part| part.iter().all(|&speech| speech < CLEAR));
    let noisy = |index: usize| (before - NOISY..before - BURIED).contains(&floors_before[index / FLOOR_BLOCK]);
    let over = |index: usize| floors_behind[index / FLOOR_BLOCK] + OVER_FLOOR_BEHIND;
    let silent = |(index, (frame, clear)): (usize, (&Heard, bool))| {
        let floor = floors_before[index / FLOOR_BLOCK];
        let quiet = if clear && noisy(index) {
            let near = (after - UNDER_BEHIND).max(over(index));
            smooth[index] < near.min(after - UNDER_NOISY)
        } else {
            let sound = (floor + OVER_FLOOR).max(before - INAUDIBLE).min(before - UNDER_BEFORE);
            frame.after_db < after - UNDER && frame.before_db < sound
        };
        // Music behind the chain alone: noise may pass for it before.
        quiet && frame.speech.max(frame.again[0]) < DOUBT && frame.again[1] < DOUBT
    };
    let mut silent: Vec<bool> = frames.iter().zip(clear).enumerate().map(silent).collect();
    let rises = |index: usize| noisy(index) && smooth[index] > over(index);
    without_tails(&mut silent, 0..frames.len(), &rises);
    without_tails(&mut silent, (0..frames.len()).rev(), &rises);
    Some(silent)
}

/// Takes from the beginning of each silence what goes on from the sound before it: hops that rise over the floor, at most
/// [`TAIL`]. `hops` are all of them, in the direction of time or against it; at their beginning there is no sound before.
fn without_tails(silent: &mut [bool], hops: impl Iterator<Item = usize>, rises: &dyn Fn(usize) -> bool) {
    let mut left = 0;
    for hop in hops {
        left = if !silent[hop] {
            TAIL
        } else if left > 0 && rises(hop) {
            silent[hop] = false;
            left - 1
        } else {
            0
        };
    }
}

/// Silences longer than is wished, in order, in the time of the frames; and what of each goes: all but `to`, which
/// stays half at its beginning and half at its end. Where nobody speaks at all nothing is found.
pub fn find(frames: &[Heard], wish: &Wish) -> Vec<(Span, Span)> {
    let Some(silent) = silent(frames) else { return Vec::new() };
    let mut found = Vec::new();
    let mut begin = None;
    for (index, quiet) in silent.into_iter().chain([false]).enumerate() {
        match (begin, quiet) {
            (None, true) => begin = Some(index),
            (Some(from), false) => {
                begin = None;
                let (first, last) = (from == 0, index == frames.len());
                let start = from as f64 * HOP + if first { 0.0 } else { BEHIND };
                let end = index as f64 * HOP - if last { 0.0 } else { AHEAD };
                let span = Span { start, end };
                // The pause that one hears has the margins in it.
                let (heard_start, heard_end) = (from as f64 * HOP, index as f64 * HOP);
                let surplus = heard_end - heard_start - wish.to;
                if heard_end - heard_start > wish.longest && surplus > 0.0 && span.end - span.start > 0.0 {
                    // What goes lies in the middle, and inside the margins.
                    let surplus = surplus.min(span.end - span.start);
                    let from = (heard_start + wish.to / 2.0).min(span.end - surplus).max(span.start);
                    found.push((Span { start: heard_start, end: heard_end }, Span { start: from, end: from + surplus }));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEECH: Heard = Heard { speech: 0.98, music: 0.01, noise: 0.1, again: [0.98, 0.01], before_db: -22.0, after_db: -18.0 };
    const PAUSE: Heard = Heard { speech: 0.02, music: 0.02, noise: 0.9, again: [0.02, 0.02], before_db: -62.0, after_db: -70.0 };

    fn frames(parts: &[(Heard, f64)]) -> Vec<Heard> {
        parts.iter().flat_map(|&(frame, seconds)| std::iter::repeat_n(frame, (seconds / HOP).round() as usize)).collect()
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn a_long_pause_becomes_as_long_as_asked_and_a_short_one_stays() {
        let all = frames(&[(SPEECH, 2.0), (PAUSE, 3.0), (SPEECH, 1.0), (PAUSE, 0.9), (SPEECH, 1.0)]);
        let found = find(&all, &Wish { longest: 1.0, to: 0.6 });
        assert_eq!(found.len(), 1);
        let (span, gone) = found[0];
        assert!(close(span.start, 2.0) && close(span.end, 5.0));
        assert!(close(gone.end - gone.start, 2.4) && close(gone.start, 2.3), "{gone:?}");
    }

    #[test]
    fn sounds_that_are_not_words_stay() {
        let laughter = Heard { after_db: -24.0, ..PAUSE };
        let music = Heard { again: [0.02, 0.9], ..PAUSE };
        let doubt = Heard { speech: 0.3, ..PAUSE };
        // Quiet, and taken for noise by model and chain: a word that both have missed.
        let missed = Heard { before_db: -44.0, ..PAUSE };
        let heard_again = Heard { again: [0.3, 0.02], ..PAUSE };
        for sound in [laughter, music, doubt, missed, heard_again] {
            let all = frames(&[(SPEECH, 2.0), (PAUSE, 0.9), (sound, 0.3), (PAUSE, 0.9), (SPEECH, 2.0)]);
            assert_eq!(find(&all, &Wish { longest: 1.0, to: 0.6 }), Vec::new(), "{sound:?}");
        }
    }

    /// Noise that wavers and is hardly under speech: pauses are found by what both listenings say, and what rises behind
    /// the chain, or is speech to one of them, stays.
    #[test]
    fn pauses_in_noise_are_found() {
        let pause = |frame: Heard| -> Vec<Heard> {
            (0..400).map(|n| Heard { before_db: -30.0 + 3.0 * ((n * 7 % 13) as f32 / 6.0 - 1.0), after_db: -36.0, ..frame }).collect()
        };
        let speech = frames(&[(Heard { before_db: -20.0, ..SPEECH }, 2.0)]);
        let wish = Wish { longest: 1.0, to: 0.6 };
        let with = |pause: Vec<Heard>| find(&[speech.clone(), pause, speech.clone()].concat(), &wish);
        assert_eq!(with(pause(PAUSE)).len(), 1);
        let mut word = pause(PAUSE);
        word[190..210].fill(Heard { again: [0.6, 0.02], before_db: -24.0, after_db: -36.0, ..PAUSE });
        assert!(with(word.clone()).iter().all(|(_, gone)| gone.end <= 3.9 || gone.start >= 4.1), "a word the second one hears");
        let mut cough = pause(PAUSE);
        cough[190..210].fill(Heard { before_db: -18.0, after_db: -22.0, ..PAUSE });
        assert!(with(cough).iter().all(|(_, gone)| gone.end <= 3.9 || gone.start >= 4.1), "what rises stays");
    }

    /// A last consonant, 25 to 40 dB under the talker, that both listenings take for nothing: it hangs on the word, and the
    /// first on the word behind the pause.
    #[test]
    fn the_ends_of_words_in_noise_are_kept() {
        let pause = Heard { before_db: -45.0, after_db: -70.0, ..PAUSE };
        let speech = frames(&[(SPEECH, 2.0)]);
        let tail: Vec<Heard> = (0..40).map(|n| Heard { after_db: -43.0 - 15.0 * n as f32 / 40.0, ..pause }).collect();
        let head: Vec<Heard> = tail.iter().rev().copied().collect();
        let silence = frames(&[(pause, 3.0)]);
        let all = [speech.clone(), tail.clone(), silence.clone(), head, speech.clone()].concat();
        let (_, gone) = find(&all, &Wish { longest: 1.0, to: 0.5 })[0];
        assert!(gone.start >= 2.4 + BEHIND - 0.05 && gone.end <= 5.4 - AHEAD + 0.05, "{gone:?}");
        // What fills the whole pause is no word.
        let hiss = frames(&[(Heard { after_db: -55.0, ..pause }, 3.0), (pause, 3.0)]);
        let (_, gone) = find(&[speech.clone(), hiss, speech].concat(), &Wish { longest: 1.0, to: 0.5 })[0];
        assert!(gone.start < 2.9 && gone.end > 7.7, "{gone:?}");
    }

    #[test]
    fn the_margins_of_sounds_are_kept_whatever_is_asked() {
        let all = frames(&[(SPEECH, 2.0), (PAUSE, 2.0), (SPEECH, 2.0)]);
        let (_, gone) = find(&all, &Wish { longest: 0.5, to: 0.1 })[0];
        assert!(gone.start >= 2.0 + BEHIND - 1e-9 && gone.end <= 4.0 - AHEAD + 1e-9, "{gone:?}");
        // At the ends of a file there is nobody to be cut into.
        let all = frames(&[(PAUSE, 2.0), (SPEECH, 2.0), (PAUSE, 2.0)]);
        let found = find(&all, &Wish { longest: 0.5, to: 0.4 });
        assert_eq!(found.len(), 2);
        assert!(found[0].1.start >= 0.0 && found[1].1.end <= 6.0 + 1e-9);
    }

    /// Where the margins are as long as what is wished for, rounding must not matter.
    #[test]
    fn what_is_left_may_be_the_margins() {
        for hops in 101..400 {
            let all = frames(&[(SPEECH, 2.0), (PAUSE, f64::from(hops) * HOP), (SPEECH, 2.0)]);
            let (_, gone) = find(&all, &Wish { longest: 1.0, to: BEHIND + AHEAD })[0];
            assert!(close(gone.start, 2.0 + BEHIND) && close(gone.end, 2.0 + f64::from(hops) * HOP - AHEAD), "{hops}: {gone:?}");
        }
    }

    #[test]
    fn without_speech_nothing_is_cut() {
        assert_eq!(find(&frames(&[(PAUSE, 20.0)]), &Wish { longest: 1.0, to: 0.5 }), Vec::new());
        assert_eq!(find(&[], &Wish { longest: 1.0, to: 0.5 }), Vec::new());
    }

    /// Whatever the frames are: what goes lies in silence, in order, and leaves what was asked for.
    #[test]
    fn random_frames_lose_nothing_but_silence() {
        let seed = 7_u64;
        println!("seed {seed}");
        let mut state = seed;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        };
        for _ in 0..200 {
            let parts: Vec<(Heard, f64)> = (0..20)
                .map(|_| {
                    let frame = Heard {
                        speech: random() as f32,
                        again: [0.0, random() as f32 * 0.3],
                        ..if random() < 0.5 { SPEECH } else { PAUSE }
                    };
                    (frame, 0.05 + 2.0 * random() * random())
                })
                .collect();
            let all = frames(&parts);
            let wish = Wish { longest: 0.3 + random(), to: 0.3 };
            let mut last = 0.0;
            for (span, gone) in find(&all, &wish) {
                assert!(gone.start >= last && gone.end > gone.start && span.end - span.start > wish.longest);
                assert!(span.end - span.start - (gone.end - gone.start) >= wish.to - 1e-9);
                for frame in &all[(gone.start / HOP).round() as usize..(gone.end / HOP).round() as usize] {
                    assert!(frame.speech < DOUBT && frame.again[1] < DOUBT);
                }
                last = gone.end;
            }
        }
    }
}
