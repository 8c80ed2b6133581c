//! How loud a master becomes that is to be like others.

use super::profile::Profile;

/// How far a song goes from the loudness that its own peaks allow to that of references. Both are guesses at
/// what suits it, and count by their precision: over 138 songs of 21 albums, each with another one as
/// reference, the first misses by 3.9 LU and the second by 4.8 (root of the mean square).
const SHARE: f64 = 0.4;
/// The most that a song is driven over what its peaks allow, LU: from there on a limiter takes more of the
/// song than a likeness is worth.
const MOST_OVER_LU: f64 = 3.0;
/// The most that a song stays under what its peaks allow, LU.
const MOST_UNDER_LU: f64 = 12.0;

/// The most that a song of which nothing is asked is softer than usual, LU. Over 49 damaged songs the loudness misses
/// the original's by 3.5 LU and the crest by 1.7 dB with 2 to 4 LU; 4.0 LU and 2.1 dB with none, 3.8 and 1.9 with 10.
pub const MOST_SPARED_LU: f64 = 3.0;

/// Loudness in LUFS that a song has when its highest peak lies at a ceiling (dBTP) and nothing is taken
/// from it; none of silence.
pub fn natural(song: &Profile, ceiling: f64) -> Option<f64> {
    song.loudness.map(|loudness| loudness + ceiling - song.true_peak)
}

/// Loudness in LUFS for a song that is to be like references under a ceiling (dBTP): between theirs and its
/// [`natural`] one, and not more over that than a limiter should take. None without references or sound.
pub fn like(song: &Profile, references: &[Profile], ceiling: f64) -> Option<f64> {
    let own = natural(song, ceiling)?;
    let theirs = theirs(references)?;
    Some(own + (SHARE * (theirs - own)).clamp(-MOST_UNDER_LU, MOST_OVER_LU))
}

/// Loudness in LUFS for a song of which nothing is asked, where `usual` (LUFS) is what is: as loud as its peaks allow
/// under a ceiling (dBTP) before a limiter takes anything, but no louder than usual, and softer by
/// [`MOST_SPARED_LU`] at most. None of silence.
pub fn spared(song: &Profile, usual: f64, ceiling: f64) -> Option<f64> {
    Some(natural(song, ceiling)?.clamp(usual - MOST_SPARED_LU, usual))
}

/// Mean loudness of references, LUFS; none without any that is heard.
pub fn theirs(references: &[Profile]) -> Option<f64> {
    let count = references.iter().filter(|reference| reference.loudness.is_some()).count();
    (count > 0).then(|| references.iter().filter_map(|reference| reference.loudness).sum::<f64>() / count as f64)
}

#[cfg(test)]
mod tests {
    use super::super::proposal::tests::song;
    use super::*;

    #[test]
    fn a_song_goes_towards_its_references_as_far_as_its_peaks_bear() {
        // 11 dB from loudness to peak: -12 LUFS under -1 dBTP.
        let mut mix = song(-25.0);
        mix.true_peak = -14.0;
        assert_eq!(natural(&mix, -1.0), Some(-12.0));
        let near = |loudness: Option<f64>, wanted: f64| (loudness.unwrap() - wanted).abs() < 1e-9;
        assert!(near(like(&mix, &[song(-10.0)], -1.0), -11.2));
        assert!(near(like(&mix, &[song(-17.0)], -1.0), -14.0));
        assert!(near(like(&mix, &[song(-6.0), song(-4.0), song(-2.0)], -1.0), -9.0));
        // How loud the mix was handed in does not matter.
        let mut softer = mix.clone();
        (softer.loudness, softer.true_peak) = (Some(-35.0), -24.0);
        assert!(near(like(&softer, &[song(-10.0)], -1.0), -11.2));
        assert_eq!(like(&mix, &[], -1.0), None);
        mix.loudness = None;
        assert_eq!(spared(&mix, -14.0, -1.0), None);
        assert_eq!((natural(&mix, -1.0), like(&mix, &[song(-10.0)], -1.0)), (None, None));
    }

    /// Peaks decide between the usual loudness and 3 LU less.
    #[test]
    fn peaks_are_spared_where_nothing_is_asked() {
        let mut mix = song(-25.0);
        let mut at = |peak: f64| {
            mix.true_peak = peak;
            spared(&mix, -14.0, -1.0).unwrap()
        };
        assert_eq!([at(-14.0), at(-13.0), at(-12.0), at(-10.5), at(-2.0)], [-14.0, -14.0, -14.0, -15.5, -17.0]);
    }
}
