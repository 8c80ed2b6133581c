//! What is learned of a song while it plays: an analysis, and a chain of its own that is heard by nobody.

use crate::groups::Group;
use dsp_core::analysis::{Analyser, middle_hz};
use dsp_core::dynamics::forecast::Probe;
use dsp_core::engines::master::{Listen, MasterMoves};
use dsp_core::loudness::Meter;
use dsp_core::mastering::{
    Adviser, Album, BANDS, DRIVE_DB, Explanation, Platform, Profile, Proposal, Refiner, Stages, Style, Weights, explain, level, moves,
    remarks,
};
use dsp_core::params::FromValues;
use dsp_core::processor::{Error, Format};
use dsp_core::units::{Db, Hz};
use plainsong_shell::ear::{PIECE, Piece};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Seconds of sound before anything is proposed.
pub const LEAST_SECONDS: f64 = 6.0;
/// Length of sound behind the chain that is kept for the loudness, in seconds; of more the oldest is
/// forgotten.
const KEPT_SECONDS: f64 = 900.0;
/// Seconds behind the chain before the drive is solved with them; until then it is estimated.
const PROBED_SECONDS: f64 = 4.0;
/// Moves further apart than this make another sound of the song, so that its loudness is probed anew: tone
/// and gains in dB, width in percent, ratios.
const APART_DB: f64 = 0.4;
const APART_WIDTH: f32 = 0.04;
const APART_RATIO: f32 = 0.05;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Orders {
    /// Index into [`Style::all`].
    pub style: usize,
    /// Index into [`Platform::all`].
    pub place: usize,
    /// Values of the chain as they stand, in the order of the table.
    pub values: Vec<f32>,
    /// Moves that are left to the hand.
    pub hand: Vec<Group>,
    /// What was heard of references.
    pub references: Arc<[Profile]>,
    /// How much they count.
    pub weights: Weights,
    /// The album that the song belongs to.
    pub album: Option<Album>,
    /// Grows when an answer is wanted although nothing new was heard.
    pub asked: u32,
}

impl Orders {
    /// Loudness that the master of a song with `own` (LUFS) is to have, LUFS: the place's, or towards that of the
    /// references. A song of an album has its place in the album, which has that loudness as a whole.
    pub fn loudness(&self, own: Option<f64>) -> Option<f64> {
        let place = Platform::all().get(self.place)?.loudness;
        let whole = place + (level::theirs(&self.references).unwrap_or(place) - place) * self.weights.loudness;
        Some(self.album.as_ref().zip(own).map_or(whole, |(album, own)| album.target(own, whole)))
    }
}

/// One move in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Id of its group.
    pub id: String,
    /// What is done, dB.
    pub move_db: f64,
    /// How sure measurement is, 0 to 1; none for what a style or a person asked for.
    pub confidence: Option<f64>,
    /// In words.
    pub sentence: String,
}

impl From<Explanation> for Told {
    fn from(one: Explanation) -> Self {
        Self { id: one.id, move_db: one.move_db, confidence: one.confidence, sentence: one.sentence }
    }
}

/// What was learned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learned {
    /// Seconds heard.
    pub seconds: f64,
    /// Integrated loudness of the song, LUFS.
    pub loudness: Option<f64>,
    /// Mean level by third of an octave, dB relative to the whole.
    pub thirds: Vec<f64>,
    /// What is to be changed of it, dB.
    pub wanted: Vec<f64>,
    /// Sides over middle by region, and loud over middle passages by band, dB; what is to be changed of them.
    pub width: Vec<[f64; 2]>,
    pub dynamics: Vec<[f64; 2]>,
    /// The moves, in the order of the chain.
    pub told: Vec<Told>,
    /// What a person should know of the song and of the master.
    pub remarks: Vec<String>,
    /// Values of the chain.
    pub values: Vec<f32>,
}

/// The song so far.
pub struct Session {
    format: Format,
    analyser: Analyser,
    adviser: Option<Adviser>,
    /// The chain up to its limiter, what comes out of it, and the loudness of what went in meanwhile.
    chain: Stages,
    open: MasterMoves,
    probe: Probe,
    span: Meter,
    /// What that chain makes of the song, against what is wanted.
    refiner: Refiner,
    /// Nothing of it is by hand, so it can be judged.
    judged: bool,
    probed: f64,
    running: bool,
    /// What the last solved drive was over its estimate, dB: moves that change a little keep it.
    over: f32,
}

impl Session {
    /// For a format; without an adviser a proposal is the style's alone.
    ///
    /// # Errors
    /// When the format is out of range.
    pub fn new(rate: Hz, channels: usize, adviser: Option<Adviser>) -> Result<Self, Error> {
        let format = Format::new(rate, channels)?;
        Ok(Self {
            format,
            analyser: Analyser::new(format)?,
            adviser,
            chain: Stages::new(format, &MasterMoves::default())?,
            open: MasterMoves::default(),
            probe: Probe::new(format, KEPT_SECONDS)?,
            span: Meter::new(format)?.without_image(),
            refiner: Refiner::new(format)?,
            judged: false,
            probed: 0.0,
            running: false,
            over: 0.0,
        })
    }

    /// Its format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The adviser, for the next session.
    pub fn into_adviser(self) -> Option<Adviser> {
        self.adviser
    }

    /// Seconds heard.
    pub fn seconds(&self) -> f64 {
        self.analyser.seconds()
    }

    /// Hears a piece.
    pub fn hear(&mut self, piece: &Piece) {
        let length = piece.length.min(PIECE);
        let mut samples = piece.samples;
        let [left, right] = &mut samples;
        let whole: [&[f32]; 2] = [&left[..length], &right[..length]];
        let input = &whole[..self.format.channels.min(2)];
        self.analyser.process(input);
        if !self.running {
            return;
        }
        self.span.process(input);
        let mut audio: [&mut [f32]; 2] = [&mut left[..length], &mut right[..length]];
        let audio = &mut audio[..self.format.channels.min(2)];
        self.chain.process(audio);
        let out: [&[f32]; 2] = [audio[0], audio.get(1).map_or(&[][..], |right| right)];
        let out = &out[..audio.len()];
        self.probe.process(out);
        if self.judged {
            let input = piece.samples.each_ref().map(|channel| &channel[..length]);
            self.refiner.hear(&input[..out.len()], out);
        }
        self.probed += length as f64 / self.format.rate.0;
    }

    /// What the song needs as far as it was heard; none while that is too little, or silent.
    pub fn propose(&mut self, orders: &Orders) -> Option<Learned> {
        let song = Profile::of(&self.analyser);
        let own = song.loudness.filter(|_| song.seconds >= LEAST_SECONDS)?;
        let (style, place) = (Style::all().get(orders.style)?, Platform::all().get(orders.place)?);
        let advice = self.adviser.as_mut().and_then(|adviser| adviser.ask(&song.features).ok());
        let mut proposal = Proposal::new(&song, advice.as_ref(), &orders.references, &orders.weights, style);
        if let Some(album) = &orders.album {
            album.share(&mut proposal);
        }
        let loudness = orders.loudness(Some(own))?;
        // What a hand has set is no fault of the moves: they must not work against it.
        let judged = !orders.hand.iter().any(|group| group.shapes());
        if std::mem::replace(&mut self.judged, judged) != judged {
            self.refiner.listen_anew();
        }
        if judged {
            self.refiner.judge(&proposal);
        }
        let decided = moves(&song, &proposal, &self.refiner.aims(&proposal), style, Some(loudness), place.ceiling).to_values();
        // What learning does not touch, and what a hand has taken over, stays.
        let learns = |group: &Option<Group>| group.is_some_and(|group| !orders.hand.contains(&group));
        let mut values: Vec<f32> = orders.values.clone();
        for ((value, decided), group) in values.iter_mut().zip(&decided).zip(Group::table()) {
            if learns(&group) {
                *value = *decided;
            }
        }
        let mut wanted = MasterMoves::from_values(&values);
        self.follow(&wanted);
        let mut lines = remarks(&song);
        let mut told: Vec<Told> = explain(&proposal, &wanted, style).into_iter().map(Told::from).collect();
        told.retain(|one| Group::find(&one.id).is_some_and(|group| !orders.hand.contains(&group)));
        if learns(&Group::find("limiter")) {
            let whose = match &orders.album {
                Some(album) => format!(" and its place among the album's {} songs", album.songs),
                None if (loudness - place.loudness).abs() < 0.05 => String::new(),
                None => " and as the references ask".to_owned(),
            };
            told.push(self.solve(&mut wanted, own, loudness, place, &whose));
        }
        if self.adviser.is_none() {
            lines.push("is judged by its style alone: this build has no model of finished music".to_owned());
        }
        let lift = |third: usize| if proposal.tone[third].present > 0.0 { proposal.tone[third].shift } else { 0.0 };
        Some(Learned {
            seconds: song.seconds,
            loudness: song.loudness,
            thirds: song.thirds.to_vec(),
            wanted: (0..BANDS).map(lift).collect(),
            width: proposal.width.iter().map(|wish| [wish.measured, wish.shift]).collect(),
            dynamics: proposal.dynamics.iter().map(|wish| [wish.measured, wish.shift]).collect(),
            told,
            remarks: lines,
            values: wanted.to_values(),
        })
    }

    /// Lets the chain of its own follow the moves; where they make another sound, its loudness is probed anew.
    fn follow(&mut self, wanted: &MasterMoves) {
        let open =
            MasterMoves { limiter_on: false, limiter_drive: Db(0.0), listen: Listen::Master, matched: false, bypass: false, ..*wanted };
        if !self.running || apart(&self.open, &open) {
            self.probe.reset();
            self.span.reset();
            self.refiner.listen_anew();
            self.probed = 0.0;
        }
        self.chain.set(&open);
        self.open = open;
        self.running = true;
    }

    /// Finds the drive for a loudness, as far as it can be known, and says it.
    fn solve(&mut self, wanted: &mut MasterMoves, own: f64, loudness: f64, place: &Platform, whose: &str) -> Told {
        let span = self.span.reading().integrated.filter(|_| self.probed >= PROBED_SECONDS);
        // What was heard of the chain may be a loud or a soft part of the song: its master may be, too.
        let solution = span.and_then(|span| self.probe.solve(&wanted.limit, loudness + span - own, DRIVE_DB));
        match solution {
            Some(solution) => {
                self.over = solution.drive.0 - wanted.limiter_drive.0;
                wanted.limiter_drive = solution.drive;
            }
            None => wanted.limiter_drive = Db((wanted.limiter_drive.0 + self.over).clamp(DRIVE_DB.0.0, DRIVE_DB.1.0)),
        }
        let ceiling = place.ceiling;
        let mut sentence = format!(
            "What was heard has {own:.1} LUFS and is to have {loudness:.1} LUFS under {ceiling:.1} dBTP for {}{whose}.",
            place.name
        );
        match solution {
            Some(solution) if !solution.reached => {
                sentence += &format!(" The limiter cannot reach that with this song; it stops at {:.1} LUFS.", solution.forecast.loudness);
            }
            Some(solution) if solution.forecast.deep_reduction >= 0.1 => {
                let (mean, deep) = (solution.forecast.mean_reduction, solution.forecast.deep_reduction);
                sentence += &format!(" Where it is loud the limiter takes {mean:.1} dB in the mean and {deep:.1} dB at its deepest.");
            }
            Some(_) => sentence += " The limiter has next to nothing to do.",
            None => sentence += " This is an estimate; it is refined as the song plays on.",
        }
        let move_db = f64::from(wanted.input.0 + wanted.limiter_drive.0);
        Told { id: "limiter".into(), move_db, confidence: None, sentence }
    }
}

/// True when two settings make noticeably another sound of a song.
fn apart(a: &MasterMoves, b: &MasterMoves) -> bool {
    let tone = (0..BANDS).any(|third| {
        let hz = Hz(middle_hz(third));
        (a.equaliser.analogue_db(hz) - b.equaliser.analogue_db(hz)).abs() > APART_DB
    });
    let width = a.stereo.width.iter().zip(&b.stereo.width).any(|(a, b)| (a - b).abs() > APART_WIDTH);
    let bands = a.dynamics.bands.iter().zip(&b.dynamics.bands).any(|(a, b)| {
        (a.ratio - b.ratio).abs() > APART_RATIO
            || f64::from((a.makeup.0 - b.makeup.0).abs()) > APART_DB
            || f64::from((a.threshold.0 - b.threshold.0).abs()) > 3.0 * APART_DB
    });
    let input = f64::from((a.input.0 - b.input.0).abs()) > APART_DB;
    let colour = a.colour != b.colour || a.dynamics.on != b.dynamics.on || a.equaliser_on != b.equaliser_on;
    tone || width || bands || input || colour
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::sound;
    use dsp_core::engines::master::Master;
    use dsp_core::processor::Processor;

    const RATE: f64 = 48_000.0;

    fn song(session: &mut Session, seconds: f64, gain: f32) {
        let [left, right] = sound(seconds, gain);
        play(session, &left, &right);
    }

    fn play(session: &mut Session, left: &[f32], right: &[f32]) {
        for (left, right) in left.chunks(PIECE).zip(right.chunks(PIECE)) {
            let mut piece = Piece { samples: [[0.0; PIECE]; 2], length: left.len(), channels: 2, rate: Hz(RATE) };
            piece.samples[0][..left.len()].copy_from_slice(left);
            piece.samples[1][..right.len()].copy_from_slice(right);
            session.hear(&piece);
        }
    }

    fn orders(style: &str, place: &str) -> Orders {
        Orders {
            style: Style::all().iter().position(|known| known.id == style).unwrap(),
            place: Platform::all().iter().position(|known| known.id == place).unwrap(),
            values: MasterMoves::default().to_values(),
            hand: Vec::new(),
            references: Arc::new([]),
            weights: Weights::default(),
            album: None,
            asked: 0,
        }
    }

    /// The master of the learned values through the real chain: loudness in LUFS and true peak in dBTP.
    fn master(learned: &Learned, seconds: f64, gain: f32) -> (f64, f64) {
        let format = Format::new(Hz(RATE), 2).unwrap();
        let [mut left, mut right] = sound(seconds, gain);
        let mut chain = Master::new();
        chain.prepare(format).unwrap();
        chain.process(&mut [&mut left, &mut right], &MasterMoves::from_values(&learned.values), &mut ());
        let mut meter = Meter::new(format).unwrap();
        meter.process(&[&left, &right]);
        let reading = meter.reading();
        (reading.integrated.unwrap(), reading.true_peak.unwrap())
    }

    #[test]
    fn what_is_learned_while_it_plays_reaches_loudness_and_ceiling() {
        for (style, place, gain) in [("neutral", "spotify", 0.3), ("warm", "apple-music", 0.05)] {
            let mut session = Session::new(Hz(RATE), 2, None).unwrap();
            let orders = orders(style, place);
            song(&mut session, 3.0, gain);
            assert_eq!(session.propose(&orders), None, "too little was heard");
            song(&mut session, 5.0, gain);
            assert!(session.propose(&orders).is_some());
            song(&mut session, 8.0, gain);
            // What the chain makes of the song was judged: where that brings other moves, their drive is an estimate.
            let estimated = session.propose(&orders).unwrap();
            song(&mut session, 6.0, gain);
            let learned = session.propose(&orders).unwrap();
            let own = Platform::find(place).unwrap().loudness;
            let rough = master(&estimated, 12.0, gain).0;
            assert!((rough - own).abs() < 0.6, "{style}: {rough:.2} LUFS for {own:.1} at first");
            let (loudness, peak) = master(&learned, 12.0, gain);
            let place = Platform::find(place).unwrap();
            assert!((loudness - place.loudness).abs() < 0.3, "{style}: {loudness:.2} LUFS for {:.1}", place.loudness);
            assert!(peak <= place.ceiling, "{style}: {peak:.2} dBTP");
            assert!(learned.told.iter().any(|one| one.id == "limiter"));
            let text = serde_json::to_string(&learned).unwrap();
            assert_eq!(serde_json::from_str::<Learned>(&text).unwrap().told, learned.told);
        }
    }

    #[test]
    fn what_a_hand_has_taken_over_stays() {
        let mut session = Session::new(Hz(RATE), 2, None).unwrap();
        let mut orders = orders("warm", "spotify");
        let mut mine = MasterMoves { limiter_drive: Db(1.5), ..MasterMoves::default() };
        mine.equaliser.bands[2].gain = Db(-7.0);
        mine.equaliser.bands[2].on = true;
        orders.values = mine.to_values();
        orders.hand = ["limiter", "eq3"].into_iter().filter_map(Group::find).collect();
        song(&mut session, 8.0, 0.2);
        let learned = session.propose(&orders).unwrap();
        let moves = MasterMoves::from_values(&learned.values);
        assert_eq!((moves.limiter_drive, moves.equaliser.bands[2]), (Db(1.5), mine.equaliser.bands[2]));
        assert!(moves.equaliser.bands.iter().any(|band| !band.is_neutral() && band.gain.0 > 0.0), "warm adds lows elsewhere");
        assert!(learned.told.iter().all(|one| one.id != "limiter" && one.id != "eq3") && !learned.told.is_empty());
    }

    /// A brighter, wider, louder version of the song is the reference: tone goes there, loudness as far as asked.
    #[test]
    fn a_reference_is_come_near_to() {
        let profile = |bright: f32| {
            let [left, right] = sound(10.0, 0.3);
            let mut analyser = Analyser::new(Format::new(Hz(RATE), 2).unwrap()).unwrap();
            let brighter = |samples: &[f32]| {
                let mut last = 0.0;
                samples.iter().map(|&sample| sample + bright * (sample - std::mem::replace(&mut last, sample))).collect::<Vec<f32>>()
            };
            analyser.process(&[&brighter(&left), &brighter(&right)]);
            Profile::of(&analyser)
        };
        let (same, bright) = (profile(0.0), profile(1.5));
        let high = |learned: &Learned| learned.wanted[24..28].iter().sum::<f64>() / 4.0;
        let mut session = Session::new(Hz(RATE), 2, None).unwrap();
        song(&mut session, 8.0, 0.3);
        let alone = orders("neutral", "spotify");
        let own = session.propose(&alone).unwrap();
        let near = session.propose(&Orders { references: Arc::new([bright.clone()]), ..alone.clone() }).unwrap();
        assert!(high(&near) > high(&own) + 1.0, "{:?} after {:?}", near.wanted, own.wanted);
        assert!(near.told.iter().any(|one| one.sentence.contains("reference")), "{:?}", near.told);
        let closer = Weights { tone: 8.0, ..Weights::default() };
        let near_all = session.propose(&Orders { references: Arc::new([bright.clone()]), weights: closer, ..alone.clone() }).unwrap();
        assert!(high(&near_all) > high(&near), "a larger weight comes nearer");
        let without = Weights { tone: 0.0, dynamics: 0.0, width: 0.0, loudness: 0.0 };
        let left_out = session.propose(&Orders { references: Arc::new([bright.clone()]), weights: without, ..alone.clone() }).unwrap();
        assert_eq!(left_out.wanted, own.wanted, "a weight of 0 leaves it out");
        let as_itself = session.propose(&Orders { references: Arc::new([same.clone()]), ..alone.clone() }).unwrap();
        assert!(as_itself.wanted.iter().all(|db| db.abs() < 0.5), "{:?}", as_itself.wanted);
        let loud = Orders { references: Arc::new([bright.clone()]), weights: Weights { loudness: 0.5, ..Weights::default() }, ..alone };
        let expected = (bright.loudness.unwrap() - 14.0) / 2.0;
        assert!((loud.loudness(None).unwrap() - expected).abs() < 1e-9);
    }

    /// What is wanted of the tone is really attained behind the chain, with what its other stages do to it.
    #[test]
    fn what_is_wanted_is_attained() {
        let mut session = Session::new(Hz(RATE), 2, None).unwrap();
        let mut wish = orders("warm", "spotify");
        let format = Format::new(Hz(RATE), 2).unwrap();
        let mut analyser = Analyser::new(format).unwrap();
        // Swells, so that there is something to hold back in every band.
        let swelling = || {
            let mut audio = sound(10.0, 0.4);
            for channel in &mut audio {
                let swell = |n: usize| 0.55 + 0.45 * (n as f32 * 2.5 / RATE as f32).sin();
                channel.iter_mut().enumerate().for_each(|(n, sample)| *sample *= swell(n));
            }
            audio
        };
        let [left, right] = swelling();
        analyser.process(&[&left, &right]);
        let before = Profile::of(&analyser);
        let mut near = before.clone();
        near.dynamics = near.dynamics.map(|db| db - 2.5);
        (wish.references, wish.weights.dynamics) = (Arc::new([near]), 8.0);
        let [left, right] = swelling();
        play(&mut session, &left, &right);
        let mut missed = Vec::new();
        for _ in 0..4 {
            let learned = session.propose(&wish).unwrap();
            wish.values = learned.values.clone();
            let open = MasterMoves { limiter_on: false, ..MasterMoves::from_values(&learned.values) };
            let mut audio = swelling();
            let [left, right] = &mut audio;
            let mut chain = Master::new();
            chain.prepare(format).unwrap();
            chain.process(&mut [left, right], &open, &mut ());
            let mut analyser = Analyser::new(format).unwrap();
            analyser.process(&[&audio[0], &audio[1]]);
            let after = Profile::of(&analyser);
            let sum: f64 = (0..4).map(|band| (after.dynamics[band] - before.dynamics[band] - learned.dynamics[band][1]).abs()).sum();
            missed.push(sum / 4.0);
            let [left, right] = swelling();
            play(&mut session, &left, &right);
        }
        println!("missing of dynamics by band, dB: {missed:.2?}");
        assert!(missed[3] < missed[0] - 0.1, "no nearer: {missed:?}");
    }

    #[test]
    fn silence_has_no_master() {
        let mut session = Session::new(Hz(RATE), 1, None).unwrap();
        let piece = Piece { samples: [[0.0; PIECE]; 2], length: PIECE, channels: 1, rate: Hz(RATE) };
        (0..2_000).for_each(|_| session.hear(&piece));
        assert_eq!(session.propose(&orders("neutral", "spotify")), None);
    }

    /// Alone a song gets the place's loudness; as one of an album the one it has in it.
    #[test]
    fn a_song_of_an_album_keeps_its_place_in_it() {
        let shifts = vec!["0.0"; 37].join(",");
        let album = Album::from_json(&format!(r#"{{"version":1,"songs":9,"loudness":-20.0,"shifts":[{shifts}]}}"#)).unwrap();
        let alone = orders("neutral", "spotify");
        let within = Orders { album: Some(album), ..alone.clone() };
        assert_eq!((alone.loudness(Some(-18.0)), within.loudness(Some(-18.0))), (Some(-14.0), Some(-12.0)));
        // Where nothing is known of the song, the album as a whole.
        assert_eq!(within.loudness(None), Some(-14.0));
        let mut session = Session::new(Hz(RATE), 2, None).unwrap();
        song(&mut session, 10.0, 0.5);
        let learned = session.propose(&within).unwrap();
        let limiter = learned.told.iter().find(|told| told.id == "limiter").unwrap();
        assert!(limiter.sentence.contains("its place among the album's 9 songs"), "{}", limiter.sentence);
    }
}
