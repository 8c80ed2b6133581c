//! How far there is music: evidence of each hop becomes a state that does not waver.
//!
//! Music has silences, drums that sound like noise, and voices that sing. So what takes the state back is not that music is not
//! heard for a moment, but that something else is: somebody speaks without music, or there is surely nothing but noise.
//! A programme begins as if it were music, untouched, until it is known what it is.

use crate::events::Frame;

/// Probabilities of music between which the state rises.
const MUSIC: (f32, f32) = (0.7, 0.9);
/// Time constant of the rise, seconds: a jingle's first beat is not to be eaten.
const RISE: f32 = 0.06;
/// Probability from which a hop counts as speech, and that of music under which the speech is no song.
const SPEECH: f32 = 0.7;
const NO_SONG: f32 = 0.5;
/// Hops of such speech, less the others, from which it is believed: a sung vowel passes for it now and then.
const BELIEVED: u32 = 12;
/// Time constant of the fall once somebody speaks, seconds.
const SPOKEN: f32 = 0.25;
/// Probabilities of noise and of music beyond which there is nothing but noise, and the time constant then: longer than
/// an intro's drums.
const NOISE: (f32, f32) = (0.7, 0.3);
const NOISY: f32 = 4.0;
/// Time constant where it is not known what sounds, seconds: the state nearly holds, but not for ever where a voice is
/// so unusual that it is never believed.
const HELD: f32 = 12.0;
/// Nearer to its end than this the state is there, so that stages rest.
const NEAR: f32 = 1e-3;

/// The state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Music {
    /// 0 is none, 1 nothing else.
    state: f32,
    /// Hops of speech that are more than those of anything else, up to [`BELIEVED`].
    spoken: u32,
    /// Speech was believed, and no music was heard since: pauses between words do not hold what it began.
    falls: bool,
}

impl Music {
    /// Nothing was heard.
    pub const BEGINNING: Self = Self { state: 1.0, spoken: 0, falls: false };

    /// How far there is music, 0 to 1.
    pub const fn state(&self) -> f32 {
        self.state
    }

    /// Takes what was heard in a hop of so many seconds.
    pub fn hear(&mut self, heard: &Frame, seconds: f32) {
        let there = ((heard.music - MUSIC.0) / (MUSIC.1 - MUSIC.0)).clamp(0.0, 1.0);
        let speaks = heard.speech > SPEECH && heard.music < NO_SONG;
        self.spoken = if speaks { (self.spoken + 1).min(BELIEVED) } else { self.spoken.saturating_sub(1) };
        self.falls = heard.music < NO_SONG && (self.falls || self.spoken == BELIEVED);
        let time = if there >= self.state {
            RISE
        } else if self.falls {
            SPOKEN
        } else if heard.noise > NOISE.0 && heard.music < NOISE.1 {
            NOISY
        } else {
            HELD
        };
        self.state += (there - self.state) * (seconds / time).min(1.0);
        if (self.state - there).abs() < NEAR {
            self.state = there;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP: f32 = 0.01;
    const SONG: Frame = Frame { speech: 0.1, music: 0.98, noise: 0.1, ..Frame::NOTHING };
    const DRUMS: Frame = Frame { speech: 0.0, music: 0.2, noise: 0.9, ..Frame::NOTHING };
    const SUNG: Frame = Frame { speech: 0.95, music: 0.6, noise: 0.0, ..Frame::NOTHING };
    const TALK: Frame = Frame { speech: 0.95, music: 0.02, noise: 0.1, ..Frame::NOTHING };

    fn after(from: Music, frame: &Frame, seconds: f32) -> Music {
        let mut music = from;
        (0..(seconds / HOP) as usize).for_each(|_| music.hear(frame, HOP));
        music
    }

    #[test]
    fn it_begins_untouched_and_speech_ends_that_soon() {
        let begin = Music::BEGINNING;
        assert!(after(begin, &Frame::NOTHING, 2.0).state() > 0.8);
        assert!(after(begin, &TALK, 0.1).state() > 0.95, "a vowel is no talk");
        assert!(after(begin, &TALK, 0.6).state() < 0.2);
        assert_eq!(after(begin, &TALK, 4.0).state(), 0.0);
        assert!(after(after(begin, &TALK, 0.2), &Frame::NOTHING, 1.0).state() < 0.05, "a word is enough");
    }

    #[test]
    fn music_stays_through_what_it_is_made_of() {
        let song = after(Music::BEGINNING, &SONG, 3.0);
        assert_eq!(song.state(), 1.0);
        for (name, frame, seconds, least) in [("drums", DRUMS, 0.5, 0.85), ("a rest", Frame::NOTHING, 1.0, 0.9), ("a song", SUNG, 2.0, 0.8)]
        {
            assert!(after(song, &frame, seconds).state() > least, "{name}");
        }
        assert!(after(song, &DRUMS, 15.0).state() < 0.05, "nothing but noise is no music");
    }

    #[test]
    fn music_comes_quickly() {
        let talk = after(Music::BEGINNING, &TALK, 4.0);
        assert!(after(talk, &SONG, 0.2).state() > 0.9);
    }
}
