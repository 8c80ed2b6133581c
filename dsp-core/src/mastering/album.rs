//! Songs that belong together: one tone, and the loudness they have to each other.

use super::profile::Profile;
use super::proposal::Proposal;

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

/// Gives the songs a shared tone and returns each one's loudness in LUFS, so that the album as a whole has
/// `loudness` and the songs keep their distances; none for silent ones.
pub fn share(songs: &mut [Song], loudness: f64) -> Vec<Option<f64>> {
    let heard: Vec<usize> = (0..songs.len()).filter(|&song| songs[song].profile.loudness.is_some()).collect();
    let total: f64 = heard.iter().map(|&song| songs[song].profile.seconds).sum();
    if total > 0.0 {
        let count = songs[heard[0]].proposal.wishes_mut().count();
        let mut means = vec![0.0; count];
        for &song in &heard {
            let share = songs[song].profile.seconds / total;
            means.iter_mut().zip(songs[song].proposal.wishes_mut()).for_each(|(mean, wish)| *mean += share * wish.shift);
        }
        for &song in &heard {
            for (mean, wish) in means.iter().zip(songs[song].proposal.wishes_mut()) {
                // What a song does not have is not moved for the others' sake.
                wish.shift = wish.present * (mean + OWN * (wish.shift - mean));
            }
        }
    }
    let own = |song: &Song| song.profile.loudness;
    let album = together(songs.iter().filter_map(|song| Some((own(song)?, song.profile.seconds))));
    songs.iter().map(|song| Some(own(song)? + loudness - album?)).collect()
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
        let targets: Vec<f64> = share(&mut songs, -14.0).into_iter().map(Option::unwrap).collect();
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
        assert_eq!(share(&mut silent, -14.0), [None]);
    }
}
