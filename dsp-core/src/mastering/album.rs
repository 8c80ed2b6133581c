//! Songs that belong together: one tone, and the loudness they have to each other.

use super::profile::{BANDS, DYNAMICS, Profile, REGIONS};
use super::proposal::{MOST_DB, Proposal};
use serde::{Deserialize, Serialize};

/// Share of a song's own moves that differ from its album's that is kept: what sets it apart in the mix is
/// meant, what sets it apart from finished music is partly a mistake.
const OWN: f64 = 0.5;
/// Songs this far under the album's loudness do not count for it, LU: the relative gate of BS.1770.
const GATE_LU: f64 = 10.0;

/// A song of an album.
#[derive(Clone, Debug)]
pub struct Song {
    /// What was measured.
    pub profile: Profile,
    /// What is to be changed.
    pub proposal: Proposal,
}

/// What the songs of an album share, to be kept and used for one of them alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Album {
    /// Version of this form.
    version: u32,
    /// Songs that it was made of.
    pub songs: usize,
    /// Their loudness one after the other before mastering, LUFS.
    pub loudness: f64,
    /// Mean of what is to be changed of them, dB, in the order of [`Proposal::wishes_mut`].
    shifts: Vec<f64>,
}

/// The form of [`Album`] that is written.
const VERSION: u32 = 1;

/// Why a text is no album.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlbumError {
    /// It is something else.
    #[error("is no album ({0}); write one with render master --album --album-file")]
    Text(#[from] serde_json::Error),
    /// Of another version.
    #[error("is an album of version {0}, this program has {VERSION}; write it again with render master --album --album-file")]
    Version(u32),
    /// A number that no album has.
    #[error("has a {what} of {value}, which no album has; write it again with render master --album --album-file")]
    Value {
        /// What it is.
        what: &'static str,
        /// The number.
        value: f64,
    },
}

impl Album {
    /// Of songs with their own proposals, by their lengths; none where nothing is heard.
    pub fn of(songs: &mut [Song]) -> Option<Self> {
        let heard: Vec<usize> = (0..songs.len()).filter(|&song| songs[song].profile.loudness.is_some()).collect();
        let total: f64 = heard.iter().map(|&song| songs[song].profile.seconds).sum();
        if total <= 0.0 {
            return None;
        }
        let count = songs[heard[0]].proposal.wishes_mut().count();
        let mut shifts = vec![0.0; count];
        for &song in &heard {
            let share = songs[song].profile.seconds / total;
            shifts.iter_mut().zip(songs[song].proposal.wishes_mut()).for_each(|(mean, wish)| *mean += share * wish.shift);
        }
        let loudness = together(songs.iter().filter_map(|song| Some((song.profile.loudness?, song.profile.seconds))))?;
        Some(Self { version: VERSION, songs: heard.len(), loudness, shifts })
    }

    /// Gives a song's proposal the album's tone.
    pub fn share(&self, proposal: &mut Proposal) {
        for (mean, wish) in self.shifts.iter().zip(proposal.wishes_mut()) {
            // What a song does not have is not moved for the others' sake.
            wish.shift = wish.present * (mean + OWN * (wish.shift - mean));
        }
    }

    /// Loudness in LUFS for a song that has `own`, where the album as a whole is to have `wanted`.
    pub fn target(&self, own: f64, wanted: f64) -> f64 {
        own + wanted - self.loudness
    }

    /// As text.
    pub fn to_json(&self) -> String {
        // Numbers and names have no reason to fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// From text.
    ///
    /// # Errors
    /// [`AlbumError`] with what is wrong, and what to do.
    pub fn from_json(text: &str) -> Result<Self, AlbumError> {
        let album: Self = serde_json::from_str(text)?;
        let within = |what, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) { Ok(()) } else { Err(AlbumError::Value { what, value }) }
        };
        if album.version != VERSION {
            return Err(AlbumError::Version(album.version));
        }
        within("loudness", album.loudness, -70.0, 20.0)?;
        within("number of moves", album.shifts.len() as f64, WISHES as f64, WISHES as f64)?;
        let most = MOST_DB.into_iter().fold(0.0, f64::max) + 1.0;
        album.shifts.iter().try_for_each(|&shift| within("move", shift, -most, most))?;
        Ok(album)
    }
}

/// Number of wishes of a proposal.
const WISHES: usize = BANDS + REGIONS.len() + DYNAMICS.len();

/// Gives the songs a shared tone and returns each one's loudness in LUFS, so that the album as a whole has
/// `loudness` and the songs keep their distances, and what they share; none for silent ones.
pub fn share(songs: &mut [Song], loudness: f64) -> (Vec<Option<f64>>, Option<Album>) {
    let album = Album::of(songs);
    if let Some(album) = &album {
        let heard = songs.iter_mut().filter(|song| song.profile.loudness.is_some());
        heard.for_each(|song| album.share(&mut song.proposal));
    }
    let targets = songs.iter().map(|song| Some(album.as_ref()?.target(song.profile.loudness?, loudness))).collect();
    (targets, album)
}

/// Loudness of songs one after the other: each with its loudness in LUFS and length in seconds.
fn together(songs: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let mean = |least: f64| {
        let counted = songs.clone().filter(|song| song.0 >= least);
        let (power, seconds) = counted
            .fold((0.0, 0.0), |(power, seconds), (loudness, length)| (power + length * 10_f64.powf(loudness / 10.0), seconds + length));
        (seconds > 0.0).then(|| 10.0 * (power / seconds).log10())
    };
    mean(mean(f64::NEG_INFINITY)? - GATE_LU)
}

#[cfg(test)]
mod tests {
    use super::super::proposal::tests::song;
    use super::super::{Style, Weights};
    use super::*;

    fn album(loudness: &[f64]) -> Vec<Song> {
        let style = Style::find("neutral").unwrap();
        let made = |&loudness: &f64| {
            let profile = song(loudness);
            let proposal = Proposal::new(&profile, None, &[], &Weights::default(), style);
            Song { profile, proposal }
        };
        loudness.iter().map(made).collect()
    }

    #[test]
    fn distances_are_kept_and_the_whole_has_its_loudness() {
        let mut songs = album(&[-12.0, -15.0, -30.0]);
        let targets: Vec<f64> = share(&mut songs, -14.0).0.into_iter().map(Option::unwrap).collect();
        assert!((targets[0] - targets[1] - 3.0).abs() < 1e-9 && (targets[1] - targets[2] - 15.0).abs() < 1e-9);
        // The soft interlude does not count, as it would not in one long file.
        let whole = 10.0 * ((10_f64.powf(targets[0] / 10.0) + 10_f64.powf(targets[1] / 10.0)) / 2.0).log10();
        assert!((whole + 14.0).abs() < 1e-9, "{whole}");
    }

    #[test]
    fn the_tone_is_shared() {
        let mut songs = album(&[-12.0, -12.0]);
        songs[0].proposal.tone[10].shift = 4.0;
        songs[0].proposal.width[1].shift = 2.0;
        songs[1].proposal.width[1].present = 0.0;
        share(&mut songs, -14.0);
        assert_eq!((songs[0].proposal.tone[10].shift, songs[1].proposal.tone[10].shift), (3.0, 1.0));
        assert_eq!((songs[0].proposal.width[1].shift, songs[1].proposal.width[1].shift), (1.5, 0.0));
        let mut silent = album(&[-12.0]);
        silent[0].profile.loudness = None;
        assert_eq!(share(&mut silent, -14.0), (vec![None], None));
    }

    /// A song alone with the album's file is mastered as within the album.
    #[test]
    fn an_album_can_be_kept() {
        let mut songs = album(&[-12.0, -18.0]);
        songs[0].proposal.tone[10].shift = 4.0;
        let (mut alone, own) = (songs[0].proposal.clone(), -12.0);
        let (targets, kept) = share(&mut songs, -14.0);
        let kept = Album::from_json(&kept.unwrap().to_json()).unwrap();
        kept.share(&mut alone);
        assert_eq!((alone, Some(kept.target(own, -14.0))), (songs[0].proposal.clone(), targets[0]));
        assert_eq!(kept.songs, 2);
        let text = kept.to_json();
        for wrong in [
            "{}".to_owned(),
            text.replace("\"version\": 1", "\"version\": 7"),
            text.replace("\"songs\"", "\"sons\""),
            text.replacen("0.0", "99.0", 1),
            text.replacen("0.0,", "", 1),
        ] {
            let told = Album::from_json(&wrong).unwrap_err().to_string();
            assert!(told.contains("--album-file"), "{told}");
        }
    }
}
