//! What is told of the tracks: for the report as JSON, for the page as pictures and tables.

use super::mix::{Course, JOIN, Turn};
use super::tracks::Tracks;
use crate::render::page::{Cell, Page};
use crate::render::podcast::page::clock;
use crate::render::podcast::silence::HOP;
use crate::render::svg::{Axis, Drawing};
use dsp_core::multitrack::{Knowledge, Role};
use dsp_core::units::Db;
use serde_json::{Map, Value, json};

/// Points of a curve at most: more are not seen.
const POINTS: usize = 900;
/// Lowest gain that is shown, dB.
const LOWEST: f64 = -24.0;
/// Music is down where its gain is lower, dB.
const DOWN: f32 = -1.0;
/// Turns that are told of in the page's table.
const TURNS: usize = 400;

/// What is known of the tracks in the end.
pub struct Told<'a> {
    /// The tracks.
    pub tracks: &'a Tracks,
    /// What they are.
    pub roles: &'a [Role],
    /// What was recognised as music, though nobody said so.
    pub recognised: &'a [bool],
    /// Lengths in samples.
    pub lengths: &'a [u64],
    /// Loudness before the mixer, LUFS: of a talker's own voice, of all of music.
    pub loudness: &'a [Option<f64>],
    /// Gains before everything.
    pub trims: &'a [Db],
    /// What is known of the microphones, by talker.
    pub rooms: &'a Knowledge,
    /// What the mixer did.
    pub courses: &'a [Course],
    /// Mean and deepest gain of each track's stages.
    pub stages: Vec<Vec<(&'static str, f32, f32)>>,
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

impl Told<'_> {
    /// Places of the talkers among the tracks.
    fn talkers(&self) -> Vec<usize> {
        (0..self.roles.len()).filter(|&track| self.roles[track] == Role::Talker).collect()
    }

    fn share(&self, track: usize) -> f64 {
        let all: u64 = self.courses.iter().map(|course| course.own_hops).sum();
        self.courses[track].own_hops as f64 / all.max(1) as f64
    }

    fn seconds(turn: &Turn) -> (f64, f64) {
        (turn.from as f64 * HOP, turn.to as f64 * HOP)
    }

    /// Stretches in which a track of music is down, seconds.
    fn ducked(&self, track: usize) -> Vec<(f64, f64)> {
        let step = JOIN as f64 * HOP;
        let mut spans: Vec<(f64, f64)> = Vec::new();
        for (index, _) in self.courses[track].moments.iter().enumerate().filter(|(_, moment)| moment.gain < DOWN) {
            let (start, end) = (index as f64 * step, (index + 1) as f64 * step);
            match spans.last_mut() {
                Some(last) if last.1 >= start - 1e-9 => last.1 = end,
                _ => spans.push((start, end)),
            }
        }
        spans
    }

    /// For the report.
    pub fn report(&self) -> Map<String, Value> {
        let talkers = self.talkers();
        let track = |index: usize| {
            let (track, course) = (&self.tracks.all[index], &self.courses[index]);
            let talker = talkers.iter().position(|&talker| talker == index);
            let stages = self.stages[index]
                .iter()
                .map(|(id, mean, lowest)| json!({"id": id, "mean_gain_db": rounded(f64::from(*mean), 2), "lowest_gain_db": rounded(f64::from(*lowest), 2)}));
            let bleeds = talker.map(|place| {
                let other = |(other, &from): (usize, &usize)| {
                    (self.tracks.all[from].name.clone(), json!(rounded(f64::from(self.rooms.bleed_db(place, other)), 1)))
                };
                Value::Object(talkers.iter().enumerate().filter(|&(other, _)| other != place).map(other).collect())
            });
            json!({
                "name": track.name,
                "input": track.path.to_string_lossy(),
                "role": if talker.is_some() { "talker" } else { "music" },
                "recognised": self.recognised[index],
                "rate_hz": track.info.rate,
                "channels": track.info.channels,
                "offset_seconds": track.offset,
                "ends_at_seconds": rounded(self.lengths[index] as f64 / f64::from(self.tracks.rate), 3),
                "loudness_before_lufs": self.loudness[index].map(|lufs| rounded(lufs, 2)),
                "trim_db": rounded(f64::from(self.trims[index].0), 2),
                "share_of_talk": talker.map(|_| rounded(self.share(index), 3)),
                "talk_seconds": talker.map(|_| rounded(course.own_hops as f64 * HOP, 2)),
                "cross_talk_from_db": bleeds,
                "cross_talk_reduction_db": talker.and_then(|_| course.reduction()).map(|db| rounded(db, 1)),
                "ducked_seconds": talker.is_none().then(|| self.ducked(index).into_iter().map(|(from, to)| json!([rounded(from, 1), rounded(to, 1)])).collect::<Vec<_>>()),
                "stages": stages.collect::<Vec<_>>(),
                "gain_db": course.moments.iter().map(|moment| rounded(f64::from(moment.gain), 1)).collect::<Vec<_>>(),
                "level_db": course.moments.iter().map(|moment| rounded(f64::from(moment.level), 1)).collect::<Vec<_>>(),
            })
        };
        let mut turns: Vec<(Turn, usize)> =
            self.courses.iter().enumerate().flat_map(|(index, course)| course.turns.iter().map(move |turn| (*turn, index))).collect();
        turns.sort_by_key(|(turn, index)| (turn.from, *index));
        let turn = |(turn, index): &(Turn, usize)| {
            let (from, to) = Self::seconds(turn);
            json!({"talker": self.tracks.all[*index].name, "start_seconds": rounded(from, 2), "end_seconds": rounded(to, 2)})
        };
        let mut report = Map::new();
        report.insert("rate_hz".into(), self.tracks.rate.into());
        report.insert("gain_step_seconds".into(), json!(JOIN as f64 * HOP));
        report.insert("tracks".into(), (0..self.roles.len()).map(track).collect());
        report.insert("turns".into(), turns.iter().map(turn).collect());
        report
    }

    /// For the page; `seconds` is the length of the episode before cuts, `cuts` what goes.
    pub fn page(&self, page: &mut Page, seconds: f64) {
        self.timeline(page, seconds);
        self.table(page);
        self.gains(page, seconds);
        self.turns(page);
    }

    fn timeline(&self, page: &mut Page, seconds: f64) {
        page.heading("Who talks when");
        page.key(&[("talks", "--a"), ("music", "--d"), ("music, down", "--c")], "in the time of the recording");
        let count = self.roles.len();
        let lane = |index: usize| (count - 1 - index) as f64;
        let marks = (0..count).map(|index| (lane(index) + 0.5, format!("{}", index + 1))).collect();
        let axis = Axis { low: 0.0, high: count as f64, log: false, marks };
        let mut drawing = Drawing::new("Turns of the talkers and music over time", Axis::time(seconds), axis, 40.0 + 28.0 * count as f64);
        for (index, course) in self.courses.iter().enumerate() {
            let (low, high) = (lane(index) + 0.15, lane(index) + 0.85);
            if self.roles[index] == Role::Talker {
                for (from, to) in course.turns.iter().map(Self::seconds) {
                    drawing.bar("speech", from, to.min(seconds), low, high);
                }
            } else {
                let begin = self.tracks.all[index].offset.max(0.0);
                drawing.bar("music", begin, self.lengths[index] as f64 / f64::from(self.tracks.rate), low, high);
                for (from, to) in self.ducked(index) {
                    drawing.bar("noise", from, to.min(seconds), low, high);
                }
            }
        }
        page.drawing(&drawing.finish());
    }

    fn table(&self, page: &mut Page) {
        page.heading("Tracks");
        let head = ["track", "what", "share of talk", "before, LUFS", "trim, dB", "cross-talk heard from", "taken down by, dB"];
        let head: Vec<Cell> =
            head.iter().enumerate().map(|(column, name)| if column < 2 { Cell::text(*name) } else { Cell::number(*name) }).collect();
        let talkers = self.talkers();
        let rows = (0..self.roles.len()).map(|index| {
            let (track, course) = (&self.tracks.all[index], &self.courses[index]);
            let place = talkers.iter().position(|&talker| talker == index);
            let what = match (place, self.recognised[index]) {
                (Some(_), _) => "talker",
                (None, true) => "music (recognised)",
                (None, false) => "music",
            };
            let heard = place.map_or(String::new(), |place| {
                let from = |other: usize| format!("{} {:.0} dB", talkers[other] + 1, self.rooms.bleed_db(place, other));
                (0..talkers.len()).filter(|&other| other != place).map(from).collect::<Vec<_>>().join(", ")
            });
            vec![
                Cell::text(format!("{} {}", index + 1, track.name)),
                Cell::text(what),
                Cell::number(place.map_or(String::new(), |_| format!("{:.0} %", 100.0 * self.share(index)))),
                Cell::number(self.loudness[index].map_or("-".to_owned(), |lufs| format!("{lufs:.1}"))),
                Cell::number(format!("{:+.1}", self.trims[index].0)),
                Cell::number(heard),
                Cell::number(place.and_then(|_| course.reduction()).map_or(String::new(), |db| format!("{db:.1}"))),
            ]
        });
        page.table(&head, rows);
    }

    fn gains(&self, page: &mut Page, seconds: f64) {
        page.heading("Gains of the tracks");
        page.line("Mean gain of each half second in dB: microphones of those who are silent go down, music goes down under speech.");
        for (index, course) in self.courses.iter().enumerate() {
            let every = course.moments.len().div_ceil(POINTS).max(1);
            let width = every as f64 * JOIN as f64 * HOP;
            page.line(&format!("{} {}", index + 1, self.tracks.all[index].name));
            let mut drawing = Drawing::new("Gain over time", Axis::time(seconds), Axis::even(LOWEST, 0.0, 12.0), 84.0);
            for (place, moments) in course.moments.chunks(every).enumerate() {
                let mean = moments.iter().map(|moment| f64::from(moment.gain)).sum::<f64>() / moments.len() as f64;
                let from = place as f64 * width;
                drawing.bar("gain", from, (from + width).min(seconds), mean.max(LOWEST), 0.0);
            }
            page.drawing(&drawing.finish());
        }
    }

    fn turns(&self, page: &mut Page) {
        let mut turns: Vec<(Turn, usize)> =
            self.courses.iter().enumerate().flat_map(|(index, course)| course.turns.iter().map(move |turn| (*turn, index))).collect();
        turns.sort_by_key(|(turn, index)| (turn.from, *index));
        let count = turns.len();
        page.folded(&format!("All {count} turns"), |page| {
            let head = [Cell::text("talker"), Cell::number("from"), Cell::number("to"), Cell::number("seconds")];
            let rows = turns.iter().take(TURNS).map(|(turn, index)| {
                let (from, to) = Self::seconds(turn);
                vec![
                    Cell::text(self.tracks.all[*index].name.clone()),
                    Cell::number(clock(from)),
                    Cell::number(clock(to)),
                    Cell::number(format!("{:.1}", to - from)),
                ]
            });
            page.table(&head, rows);
            if count > TURNS {
                page.line(&format!("The first {TURNS}; the report as JSON has all."));
            }
        });
    }
}
