//! The cuts as files that editors read: JSON, EDL (CMX 3600), Audacity's labels, Reaper's regions.

use super::edit::Edit;
use crate::render::failure::Failure;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// A way of writing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// JSON: everything, in seconds and samples.
    Json,
    /// Edit decision list, CMX 3600: the parts that stay, at 25 frames a second.
    Edl,
    /// Labels of Audacity: the parts that go.
    Audacity,
    /// Regions and markers of Reaper (CSV): the parts that go, and where they were in the result.
    Reaper,
}

/// Frames a second of an edit decision list.
const EDL_RATE: f64 = 25.0;

impl Form {
    /// Of a file's name.
    ///
    /// # Errors
    /// One line when the ending is another.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("json") => Ok(Self::Json),
            Some("edl") => Ok(Self::Edl),
            Some("txt") => Ok(Self::Audacity),
            Some("csv") => Ok(Self::Reaper),
            _ => Err(Failure::new("has no ending of a cut list; use .json, .edl, .txt (Audacity) or .csv (Reaper)").about(path)),
        }
    }

    /// The usual ending.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Edl => "edl",
            Self::Audacity => "txt",
            Self::Reaper => "csv",
        }
    }

    /// The list of a file of this name. `made` says that the output has been cut.
    pub fn write(self, edit: &Edit, rate: u32, name: &str, made: bool) -> String {
        match self {
            Self::Json => format!("{:#}\n", json(edit, rate, name, made)),
            Self::Edl => edl(edit, rate, name),
            Self::Audacity => audacity(edit, rate),
            Self::Reaper => reaper(edit, rate),
        }
    }
}

fn seconds(frames: u64, rate: u32) -> f64 {
    frames as f64 / f64::from(rate)
}

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Everything, for reports too.
pub fn json(edit: &Edit, rate: u32, name: &str, made: bool) -> Value {
    let cuts = edit.cuts.iter().map(|cut| {
        json!({
            "from_seconds": rounded(seconds(cut.from, rate)),
            "to_seconds": rounded(seconds(cut.to, rate)),
            "from_sample": cut.from,
            "to_sample": cut.to,
            "seconds": rounded(seconds(cut.to - cut.from, rate)),
            "output_seconds": rounded(seconds(edit.place_of(cut.from), rate)),
            "silence_seconds": [rounded(cut.silence.start), rounded(cut.silence.end)],
        })
    });
    json!({
        "file": name,
        "rate_hz": rate,
        "made": made,
        "removed_seconds": rounded(seconds(edit.removed(), rate)),
        "cuts": cuts.collect::<Vec<_>>(),
    })
}

fn timecode(frames: u64) -> String {
    let rate = EDL_RATE as u64;
    let whole = frames / rate;
    format!("{:02}:{:02}:{:02}:{:02}", whole / 3_600, whole / 60 % 60, whole % 60, frames % rate)
}

fn edl(edit: &Edit, rate: u32, name: &str) -> String {
    let mut text = format!("TITLE: {}\nFCM: NON-DROP FRAME\n\n", name.chars().take(70).collect::<String>());
    let mut at = 0;
    for (index, (first, last)) in edit.parts().into_iter().enumerate() {
        // Parts begin and end on whole frames; what lies between is silence.
        let frame = |sample: u64| (seconds(sample, rate) * EDL_RATE).round() as u64;
        let (first, last) = (frame(first), frame(last));
        let length = last - first;
        let _ = writeln!(
            text,
            "{:03}  AX       AA    C        {} {} {} {}\n* FROM CLIP NAME: {name}",
            index + 1,
            timecode(first),
            timecode(last),
            timecode(at),
            timecode(at + length)
        );
        at += length;
    }
    text
}

/// Labels have a begin, an end and a name, separated by tabs.
fn audacity(edit: &Edit, rate: u32) -> String {
    let mut text = String::new();
    for (index, cut) in edit.cuts.iter().enumerate() {
        let _ = writeln!(text, "{:.6}\t{:.6}\tcut {}", seconds(cut.from, rate), seconds(cut.to, rate), index + 1);
    }
    text
}

/// What Reaper's region and marker manager writes and reads.
fn reaper(edit: &Edit, rate: u32) -> String {
    let time = |frames: u64| {
        let milliseconds = (seconds(frames, rate) * 1_000.0).round() as u64;
        let (whole, rest) = (milliseconds / 1_000, milliseconds % 1_000);
        format!("{}:{:02}:{:02}.{rest:03}", whole / 3_600, whole / 60 % 60, whole % 60)
    };
    let mut text = String::from("#,Name,Start,End,Length\n");
    for (index, cut) in edit.cuts.iter().enumerate() {
        let number = index + 1;
        let _ = writeln!(text, "R{number},cut {number},{},{},{}", time(cut.from), time(cut.to), time(cut.to - cut.from));
    }
    for (index, cut) in edit.cuts.iter().enumerate() {
        let number = index + 1;
        let _ = writeln!(text, "M{number},join {number} in the result,{},,", time(edit.place_of(cut.from)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour and a half with two cuts.
    fn edit() -> Edit {
        Edit::of(5_400 * 48_000, &[(96_000, 192_000), (3_600 * 48_000 + 24_000, 3_601 * 48_000 + 24_000)])
    }

    #[test]
    fn parts_of_an_edl_add_up() {
        let text = Form::Edl.write(&edit(), 48_000, "a.wav", true);
        let events: Vec<Vec<&str>> =
            text.lines().filter(|line| line.contains(" AX ")).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(events.len(), 3);
        assert_eq!(&events[0][4..], ["00:00:00:00", "00:00:02:00", "00:00:00:00", "00:00:02:00"]);
        assert_eq!(&events[1][4..], ["00:00:04:00", "01:00:00:13", "00:00:02:00", "00:59:58:13"]);
        assert_eq!(
            &events[2][4..],
            ["01:00:01:13", "01:30:00:00", "00:59:58:13", "01:29:56:25".replace(":25", ":00").replace("56", "57").as_str()]
        );
    }

    #[test]
    fn editors_get_the_parts_that_go() {
        assert!(Form::Audacity.write(&edit(), 48_000, "a.wav", true).starts_with("2.000000\t4.000000\tcut 1\n3600.500000\t"));
        let reaper = Form::Reaper.write(&edit(), 48_000, "a.wav", true);
        assert!(
            reaper.contains("R2,cut 2,1:00:00.500,1:00:01.500,0:00:01.000\n") && reaper.contains("M2,join 2 in the result,0:59:58.500,,\n")
        );
        let value: Value = serde_json::from_str(&Form::Json.write(&edit(), 48_000, "a.wav", false)).unwrap();
        assert_eq!((value["cuts"][1]["from_seconds"].as_f64(), value["removed_seconds"].as_f64()), (Some(3_600.5), Some(3.0)));
        assert_eq!(value["made"], false);
    }

    #[test]
    fn forms_are_known_by_their_endings() {
        assert_eq!(Form::of(Path::new("a.EDL")).unwrap(), Form::Edl);
        assert!(Form::of(Path::new("a.xml")).is_err());
    }
}
