//! MP3 and Opus from outside: the same sound in its place, tags, covers and chapters.

mod common;

use common::{Folder, RATE, decoded, done, refused, render};
use id3::frame::{Chapter, Picture, PictureType};
use id3::{Frame, Tag, TagLike, Version};
use std::fs;

/// A melody in noise.
fn melody(channels: usize, seconds: f64, rate: usize) -> Vec<Vec<f32>> {
    (0..channels)
        .map(|channel| {
            let mut noise = common::noise(channel as u32 + 1);
            let mut phase = 0.0;
            (0..(seconds * rate as f64) as usize)
                .map(|n| {
                    let t = n as f64 / rate as f64;
                    phase += (220.0 * (1 + (t * 3.0) as usize % 5) as f64) / rate as f64;
                    let envelope = 1.0 - (t * 3.0).fract();
                    (0.3 * envelope * (phase * std::f64::consts::TAU).sin()) as f32 + 0.003 * noise()
                })
                .collect()
        })
        .collect()
}

/// Level of the error over the level of the sound, dB.
fn error_db(a: &[f32], b: &[f32]) -> f64 {
    let power = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x * x)).sum::<f64>();
    10.0 * (power(&mut a.iter().zip(b).map(|(a, b)| a - b)) / power(&mut a.iter().copied())).log10()
}

/// As long as before and in its place, whatever rate and channels are.
#[test]
fn lossy_files_hold_the_same_sound_in_its_place() {
    let folder = Folder::new("encoding");
    // Ending, words, rate in, rate out, error that the codec may make.
    let cases: [(&str, &[&str], usize, usize, f64); 6] = [
        ("mp3", &[], 48_000, 48_000, -18.0),
        ("mp3", &["--bitrate", "192"], 44_100, 44_100, -20.0),
        ("mp3", &["--vbr", "2"], 48_000, 48_000, -18.0),
        ("mp3", &[], 96_000, 48_000, -18.0),
        ("opus", &[], 48_000, 48_000, -14.0),
        ("opus", &["--bitrate", "128"], 44_100, 48_000, -14.0),
    ];
    for (index, &(ending, words, rate, rate_out, most)) in cases.iter().enumerate() {
        let channels = 1 + index % 2;
        let audio = melody(channels, 2.503, rate);
        let input = folder.wav("in.wav", &audio, rate);
        let output = folder.at(&format!("out.{ending}"));
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&input, &"-o", &output, &"--overwrite"];
        all.extend(words.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
        done(&render("limiter", &all));
        let (found, sound) = decoded(&folder, &output);
        assert_eq!((found, sound.len()), (rate_out, channels), "{ending} {words:?} {rate}");
        let expected = (audio[0].len() * rate_out).div_ceil(rate);
        assert_eq!(sound[0].len(), expected, "{ending} {words:?} {rate}");
        if rate == rate_out {
            for (before, after) in audio.iter().zip(&sound) {
                let error = error_db(before, after);
                assert!(error < most, "{ending} {words:?}: error of {error} dB");
            }
        }
        assert!(fs::metadata(&output).unwrap().len() < 120_000);
    }
}

fn tagged() -> Tag {
    let mut tag = Tag::new();
    tag.set_title("Folge 7: Über Öl");
    tag.set_artist("Anna & Bo");
    tag.add_frame(Frame::link("WOAF", "place"));
    tag.add_frame(Picture {
        mime_type: "image/png".into(),
        picture_type: PictureType::CoverFront,
        description: "c".into(),
        data: vec![7; 5_000],
    });
    for (index, start) in [0_u32, 1_000, 2_250].into_iter().enumerate() {
        tag.add_frame(Chapter {
            element_id: format!("x{index}"),
            start_time: start,
            end_time: [1_000, 2_250, 3_000][index],
            start_offset: u32::MAX,
            end_offset: u32::MAX,
            frames: vec![Frame::text("TIT2", format!("Chapter {index}"))],
        });
    }
    tag
}

#[test]
fn tags_covers_and_chapters_are_kept() {
    let folder = Folder::new("tags");
    let input = folder.wav("in.wav", &melody(1, 3.0, RATE), RATE);
    let (plain, first) = (folder.at("plain.mp3"), folder.at("tagged.mp3"));
    done(&render("limiter", &[&input, &"-o", &plain]));
    fs::copy(&plain, &first).unwrap();
    tagged().write_to_path(&first, Version::Id3v24).unwrap();
    // MP3 to MP3: frames that only ID3 has, too.
    let second = folder.at("second.mp3");
    done(&render("limiter", &[&first, &"-o", &second]));
    let tag = Tag::read_from_path(&second).unwrap();
    assert_eq!((tag.title(), tag.artist()), (Some("Folge 7: Über Öl"), Some("Anna & Bo")));
    assert!(tag.get("WOAF").is_some() && tag.pictures().next().unwrap().data == vec![7; 5_000]);
    let chapters = |tag: &Tag| -> Vec<(u32, u32)> { tag.chapters().map(|chapter| (chapter.start_time, chapter.end_time)).collect() };
    assert_eq!(chapters(&tag), [(0, 1_000), (1_000, 2_250), (2_250, 3_000)]);
    assert_eq!(tag.tables_of_contents().next().unwrap().elements.len(), 3);
    // Through Opus and FLAC and back.
    for ending in ["opus", "flac"] {
        let (between, back) = (folder.at(&format!("between.{ending}")), folder.at(&format!("back-{ending}.mp3")));
        done(&render("limiter", &[&first, &"-o", &between]));
        done(&render("limiter", &[&between, &"-o", &back]));
        let tag = Tag::read_from_path(&back).unwrap();
        assert_eq!((tag.title(), tag.artist()), (Some("Folge 7: Über Öl"), Some("Anna & Bo")), "{ending}");
        let starts: Vec<u32> = tag.chapters().map(|chapter| chapter.start_time).collect();
        assert_eq!(starts, [0, 1_000, 2_250], "{ending}");
    }
}

#[test]
fn what_does_not_fit_is_refused_in_a_line() {
    let folder = Folder::new("refused");
    let six = folder.wav("six.wav", &melody(6, 0.5, RATE), RATE);
    let one = folder.wav("one.wav", &melody(1, 0.5, RATE), RATE);
    refused(&render("limiter", &[&six, &"-o", &folder.at("a.mp3")]), "two at most");
    refused(&render("limiter", &[&six, &"-o", &folder.at("a.opus")]), "two at most");
    refused(&render("limiter", &[&one, &"-o", &folder.at("a.m4a")]), "use .mp3 or .opus");
    refused(&render("limiter", &[&one, &"-o", &folder.at("a.mp3"), &"--bitrate", &"100"]), "there are [32, 40");
    refused(&render("limiter", &[&one, &"-o", &folder.at("a.opus"), &"--bitrate", &"1000"]), "6 to 510");
    refused(&render("limiter", &[&one, &"-o", &folder.at("a.opus"), &"--vbr", &"3"]), "--vbr");
    assert_eq!(folder.files(""), ["one.wav", "six.wav"]);
}
