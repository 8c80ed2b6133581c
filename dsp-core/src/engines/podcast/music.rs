//! How far there is music: evidence of each hop becomes a state that does not waver.
//!
//! Music has silences, drums that sound like noise, and voices that sing. So what takes the state back is not that music is not
//! heard for a moment, but that something else is: somebody speaks without music, or there is surely nothing but noise.
//! The longer music was heard, the more speech that takes, since whole phrases are sung without instruments.
//! A programme begins as if it were music, untouched, until it is known what it is.

use crate::events::Frame;

/// Probabilities of music between which the state rises.
const MUSIC: (f32, f32) = (0.7, 0.9);
/// Time constant of the rise, seconds: a jingle's first beat is not to be eaten.
const RISE: f32 = 0.06;
/// Probability from which a hop counts as speech, and that of music under which the speech is no song.
const SPEECH: f32 = 0.7;
const NO_SONG: f32 = 0.5;
/// Probabilities of speech and of music beyond which it is clear that somebody speaks, and how many hops such a one counts:
/// what is sung alone is hardly ever so clear.
const CLEAR: (f32, f32) = (0.9, 0.1);
const COUNTS: f32 = 2.0;
/// Hops of such speech from which it is believed: a sung vowel passes for it now and then.
const BELIEVED: f32 = 12.0;
/// So many hops more where music has been heard for long: there whole phrases of a song pass for speech.
const SUNG: f32 = 180.0;
/// Music in the time that is remembered between which that becomes so, seconds; from a sting between words to a song.
const LONG: (f32, f32) = (1.0, 3.0);
/// Time constant of what is remembered, seconds: phrases are sung over pauses of the instruments.
const MEMORY: f32 = 20.0;
/// Time constant of forgetting it when somebody speaks, seconds.
const FORGET: f32 = 0.5;
/// Hops of speech that a hop of music takes back: a song's instruments come in between, a talk has none.
const TAKES: f32 = 3.0;
/// Hops of speech, so counted, from which it is no song for what lasts, as a gain does: 1.2 s.
const SURE: f32 = 120.0;
/// Hops of speech from which a programme may begin with a talk: a song that begins with a voice gives fewer until its music is
/// heard. Nothing takes them back, and those with less music than the second count twice.
const BEGUN: f32 = 80.0;
const DOUBT: f32 = 0.2;
/// Time constant of the fall once somebody speaks, seconds.
const SPOKEN: f32 = 0.25;
/// Probabilities of noise and of music beyond which there is nothing but noise, for how long until it is believed, in
/// seconds, and the time constant then: longer than an intro's drums.
const NOISE: (f32, f32) = (0.7, 0.3);
const DRUMMED: f32 = 3.0;
const NOISY: f32 = 4.0;
/// Time constant where it is not known what sounds, seconds: the state nearly holds, but not for ever where a voice is
/// so unusual that it is never believed.
const HELD: f32 = 20.0;
/// Nearer to its end than this the state is there, so that stages rest.
const NEAR: f32 = 1e-3;

/// The state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Music {
    /// 0 is none, 1 nothing else.
    state: f32,
    /// Hops of speech without music, up to what is needed to believe it, and up to [`SURE`].
    spoken: f32,
    sure: f32,
    /// Hops of speech since the beginning, up to [`BEGUN`].
    begun: f32,
    /// Seconds of music that are remembered, and of nothing but noise.
    music: f32,
    noise: f32,
    /// Speech was believed, and no music was heard since: pauses between words do not hold what it began.
    falls: bool,
}

impl Music {
    /// Nothing was heard.
    pub const BEGINNING: Self = Self { state: 1.0, spoken: 0.0, sure: 0.0, begun: 0.0, music: 0.0, noise: 0.0, falls: false };

    /// How far there is music, 0 to 1.
    pub const fn state(&self) -> f32 {
        self.state
    }

    /// What is heard is no song: no music is remembered though somebody has spoken, or speech was heard for so long. In
    /// noise moments of speech pass for music, and a talk must not wait for its level.
    pub fn sure(&self) -> bool {
        self.sure >= SURE || (self.music < LONG.0 && self.begun >= BEGUN)
    }

    /// Takes what was heard in a hop of so many seconds.
    pub fn hear(&mut self, heard: &Frame, seconds: f32) {
        let there = ((heard.music - MUSIC.0) / (MUSIC.1 - MUSIC.0)).clamp(0.0, 1.0);
        let song = heard.music >= NO_SONG;
        self.music += if there > 0.5 { seconds } else { 0.0 } - self.music * seconds / MEMORY;
        let needed = BELIEVED + SUNG * ((self.music - LONG.0) / (LONG.1 - LONG.0)).clamp(0.0, 1.0);
        let speaks = heard.speech > SPEECH && !song;
        let clear = heard.speech > CLEAR.0 && heard.music < CLEAR.1;
        let counts = if !speaks {
            0.0
        } else if clear {
            COUNTS
        } else {
            1.0
        };
        let counted = |hops: f32, most: f32| (hops + counts - if song { TAKES } else { 0.0 }).clamp(0.0, most);
        (self.spoken, self.sure) = (counted(self.spoken, needed), counted(self.sure, SURE));
        let begins = if !speaks {
            0.0
        } else if heard.music < DOUBT {
            2.0
        } else {
            1.0
        };
        self.begun = (self.begun + begins).min(BEGUN);
        self.falls = !song && (self.falls || self.spoken >= needed);
        if self.falls {
            self.music *= 1.0 - seconds / FORGET;
        }
        let noisy = heard.noise > NOISE.0 && heard.music < NOISE.1;
        // What is something else for a moment does not begin it anew.
        self.noise = (self.noise + if noisy { seconds } else { -2.0 * seconds }).clamp(0.0, DRUMMED);
        let time = if there >= self.state {
            RISE
        } else if self.falls {
            SPOKEN
        } else if noisy && self.noise >= DRUMMED {
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

    /// A voice alone in a song: what it sings passes for speech, but never clearly.
    const VOICE: Frame = Frame { speech: 0.8, music: 0.35, noise: 0.1, ..Frame::NOTHING };

    fn after(from: Music, frame: &Frame, seconds: f32) -> Music {
        let mut music = from;
        (0..(seconds / HOP) as usize).for_each(|_| music.hear(frame, HOP));
        music
    }

    #[test]
    fn it_begins_untouched_and_speech_ends_that_soon() {
        let begin = Music::BEGINNING;
        assert!(after(begin, &Frame::NOTHING, 2.0).state() > 0.8);
        assert!(after(begin, &TALK, 0.05).state() > 0.95, "a vowel is no talk");
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
        assert!(after(song, &DRUMS, 2.9).state() > 0.85, "an intro of drums");
        assert!(after(song, &DRUMS, 15.0).state() < 0.05, "nothing but noise is no music");
    }

    /// A phrase without instruments passes for speech; what speaks on behind a jingle does not stay untouched.
    #[test]
    fn a_phrase_of_a_song_is_no_talk() {
        let song = after(Music::BEGINNING, &SONG, 30.0);
        let phrase = after(song, &VOICE, 1.5);
        assert!(phrase.state() > 0.9 && after(song, &TALK, 0.8).state() > 0.9);
        let second = after(after(phrase, &SONG, 1.0), &VOICE, 1.5);
        assert!(second.state() > 0.9, "the first phrase is taken back");
        assert!(after(song, &TALK, 1.6).state() < 0.2, "what is clear is believed sooner");
        let talk = after(after(after(song, &TALK, 0.6), &Frame::NOTHING, 0.5), &TALK, 1.2);
        assert!(talk.state() < 0.05, "a pause takes nothing back: {}", talk.state());
        let sting = after(after(Music::BEGINNING, &TALK, 4.0), &SONG, 0.8);
        assert!(after(sting, &TALK, 0.6).state() < 0.2, "a sting is no song");
    }

    /// A gain lasts longer than a stage that comes and goes, so it waits for more.
    #[test]
    fn what_lasts_waits_until_it_is_sure() {
        let song = after(Music::BEGINNING, &SONG, 6.0);
        assert!(!song.sure() && !after(song, &VOICE, 1.1).sure() && !after(song, &TALK, 0.55).sure());
        assert!(after(song, &VOICE, 1.3).sure());
        let talk = after(song, &TALK, 0.65);
        assert!(talk.sure() && after(talk, &Frame::NOTHING, 5.0).sure());
        assert!(!after(talk, &SONG, 1.5).sure());
        // Nothing was played: a talk in noise, half of whose hops pass for music a little.
        let mut noisy = Music::BEGINNING;
        (0..200).for_each(|_| noisy = after(after(noisy, &TALK, HOP), &SUNG, HOP));
        assert!(noisy.sure());
    }

    /// A song may begin with its singer: until its music is heard, no gain is to be moved that then stays. A talk's is.
    #[test]
    fn a_song_may_begin_with_a_voice() {
        let begin = Music::BEGINNING;
        assert!(!begin.sure() && !after(begin, &VOICE, 0.7).sure());
        assert!(!after(after(begin, &VOICE, 0.7), &SONG, 2.0).sure());
        assert!(after(begin, &TALK, 0.45).sure() && after(after(begin, &TALK, 0.45), &Frame::NOTHING, 9.0).sure());
        assert!(after(begin, &VOICE, 0.9).sure(), "a talk in noise");
    }

    #[test]
    fn music_comes_quickly() {
        let talk = after(Music::BEGINNING, &TALK, 4.0);
        assert!(after(talk, &SONG, 0.2).state() > 0.9);
    }
}
