//! A picture of what an engine did: the spectrum before and after, the gain, and the sounds that it
//! heard, over time.

use super::failure::{Failure, writing};
use super::spectra::{LOWEST, Map, ROWS, row_of};
use dsp_core::detection::{Event, Sound};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use std::fs::File;
use std::io::BufWriter;

/// Width of a picture in pixels.
pub const WIDTH: usize = 1600;
/// Height of a picture in pixels, without the sounds.
pub const HEIGHT: usize = 1200;

const LEFT: usize = 92;
const RIGHT: usize = 1478;
const TOP: usize = 96;
const PANEL: usize = 320;
const GAP: usize = 40;
/// Panels of a picture without stems.
const PANELS: usize = 3;
/// Levels shown, in dB where a full-scale sine has 0.
const LEVELS: (f32, f32) = (-100.0, -20.0);
/// Gains shown, in dB.
const GAINS: (f32, f32) = (-40.0, 0.0);
/// The same where gains go up as well.
const BOTH_WAYS: (f32, f32) = (-12.0, 12.0);
/// Gains shown of an engine that listens for sounds: it takes less.
const SMALL_GAINS: (f32, f32) = (-16.0, 0.0);
/// Height of a sound's lane in pixels.
const LANE: usize = 20;
/// The lanes from the top, with their colours: apart for every common kind of colour blindness (M. Okabe,
/// K. Ito, "Color Universal Design", 2002).
const LANES: [(Sound, Rgb); 5] = [
    (Sound::S, [230, 159, 0]),
    (Sound::Sh, [86, 180, 233]),
    (Sound::F, [0, 158, 115]),
    (Sound::Breath, [204, 121, 167]),
    (Sound::Plosive, [190, 190, 190]),
];
/// Reduction from which a sound is filled, in dB; others are outlined.
const TOUCHED: f32 = 0.25;

type Rgb = [u8; 3];
const BACKGROUND: Rgb = [16, 15, 22];
const INK: Rgb = [232, 230, 238];
const SOFT: Rgb = [158, 154, 172];
const LINE: Rgb = [74, 71, 88];

/// Points of matplotlib's colour map "magma" (S. van der Walt, N. Smith, CC0), evenly spaced: equal
/// steps look equal, in colour and in grey.
const MAGMA: [Rgb; 17] = [
    [0, 0, 4],
    [11, 9, 36],
    [32, 17, 75],
    [59, 15, 112],
    [87, 21, 126],
    [114, 31, 129],
    [140, 41, 129],
    [168, 50, 125],
    [196, 60, 117],
    [222, 73, 104],
    [241, 96, 93],
    [250, 127, 94],
    [254, 159, 109],
    [254, 191, 132],
    [253, 222, 160],
    [252, 243, 180],
    [252, 253, 191],
];
/// Points of a map for gains: nothing taken is light, all taken is dark.
const GAIN_COLOURS: [Rgb; 5] = [[8, 12, 24], [18, 62, 92], [28, 122, 132], [112, 190, 156], [240, 244, 214]];

/// What a picture shows.
pub struct Contents<'a> {
    /// First line: the file.
    pub title: String,
    /// Second line: engine and settings.
    pub subtitle: String,
    /// Sample rate in hertz.
    pub rate: u32,
    /// Length in seconds.
    pub seconds: f64,
    /// Power before.
    pub before: &'a Map,
    /// Power after.
    pub after: &'a Map,
    /// Amplitude gain, where the engine tells it; with the time that a frame lies behind its place and
    /// the time that all frames cover, in seconds.
    pub mask: Option<(&'a Map, f64, f64)>,
    /// Gains go up as well as down.
    pub lifts: bool,
    /// The sounds that were heard; none where the engine does not listen for any.
    pub events: Option<Vec<Event>>,
    /// Power of each stem, with its name; they stand in the place of what is after.
    pub stems: Vec<(&'static str, &'a Map)>,
}

impl Contents<'_> {
    /// Panels from top to bottom.
    fn panels(&self) -> usize {
        if self.stems.is_empty() { PANELS } else { 1 + self.stems.len() }
    }

    /// Height of the picture in pixels.
    fn height(&self) -> usize {
        let panels = HEIGHT - PANELS * (PANEL + GAP) + self.panels() * (PANEL + GAP);
        panels + if self.events.is_some() { GAP + LANES.len() * LANE } else { 0 }
    }
}

fn colour(map: &[Rgb], value: f32) -> Rgb {
    let at = value.clamp(0.0, 1.0) * (map.len() - 1) as f32;
    let (index, fraction) = (at as usize, at.fract());
    let (low, high) = (map[index], map[(index + 1).min(map.len() - 1)]);
    std::array::from_fn(|n| (f32::from(low[n]) + (f32::from(high[n]) - f32::from(low[n])) * fraction).round() as u8)
}

struct Canvas {
    pixels: Vec<u8>,
    height: usize,
}

impl Canvas {
    fn put(&mut self, x: usize, y: usize, ink: Rgb, cover: u8) {
        if x >= WIDTH || y >= self.height {
            return;
        }
        let at = (y * WIDTH + x) * 3;
        for (pixel, ink) in self.pixels[at..at + 3].iter_mut().zip(ink) {
            let mixed = u32::from(*pixel) * (255 - u32::from(cover)) + u32::from(ink) * u32::from(cover);
            *pixel = (mixed / 255) as u8;
        }
    }

    fn rectangle(&mut self, x: usize, y: usize, width: usize, height: usize, ink: Rgb) {
        for row in y..y + height {
            (x..x + width).for_each(|column| self.put(column, row, ink, 255));
        }
    }

    fn frame(&mut self, x: usize, y: usize, width: usize, height: usize) {
        self.rectangle(x - 1, y - 1, width + 2, 1, LINE);
        self.rectangle(x - 1, y + height, width + 2, 1, LINE);
        self.rectangle(x - 1, y - 1, 1, height + 2, LINE);
        self.rectangle(x + width, y - 1, 1, height + 2, LINE);
    }

    /// Text with its left end at `x` and its middle at `y`.
    fn text(&mut self, text: &str, x: usize, y: usize, style: Style, ink: Rgb) {
        let (weight, height) = style.font();
        let advance = get_raster_width(weight, height);
        let top = y.saturating_sub(height.val() / 2);
        for (index, letter) in text.chars().enumerate() {
            let Some(raster) = get_raster(letter, weight, height).or_else(|| get_raster('?', weight, height)) else { continue };
            for (row, pixels) in raster.rows().enumerate() {
                for (column, &cover) in pixels.iter().enumerate() {
                    self.put(x + index * advance + column, top + row, ink, cover);
                }
            }
        }
    }

    fn text_right(&mut self, text: &str, x: usize, y: usize, style: Style, ink: Rgb) {
        self.text(text, x.saturating_sub(style.width(text)), y, style, ink);
    }

    fn text_middle(&mut self, text: &str, x: usize, y: usize, style: Style, ink: Rgb) {
        self.text(text, x.saturating_sub(style.width(text) / 2), y, style, ink);
    }
}

#[derive(Clone, Copy)]
enum Style {
    Title,
    Head,
    Small,
}

impl Style {
    fn font(self) -> (FontWeight, RasterHeight) {
        match self {
            Self::Title => (FontWeight::Bold, RasterHeight::Size20),
            Self::Head => (FontWeight::Bold, RasterHeight::Size16),
            Self::Small => (FontWeight::Regular, RasterHeight::Size16),
        }
    }

    fn width(self, text: &str) -> usize {
        let (weight, height) = self.font();
        text.chars().count() * get_raster_width(weight, height)
    }
}

/// A text no wider than the picture.
fn fitting(text: &str, style: Style) -> String {
    let most = (WIDTH - LEFT - 60) / style.width("x").max(1);
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most - 3).collect::<String>() + "..." }
}

/// A distance of marks on the time axis in seconds, for at most about 12 marks.
pub(super) fn time_step(seconds: f64) -> f64 {
    let steps =
        [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0];
    steps.into_iter().find(|step| seconds / step <= 12.0).unwrap_or(14_400.0)
}

pub(super) fn time_label(seconds: f64, step: f64, total: f64) -> String {
    let whole = seconds.round() as u64;
    match (total, step) {
        (3600.0.., _) => format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60),
        (120.0.., _) => format!("{}:{:02}", whole / 60, whole % 60),
        (_, ..0.1) => format!("{seconds:.2}"),
        (_, ..1.0) => format!("{seconds:.1}"),
        _ => format!("{whole}"),
    }
}

/// How a panel looks.
struct Look {
    /// Place from the top.
    index: usize,
    head: &'static str,
    unit: &'static str,
    colours: &'static [Rgb],
    range: (f32, f32),
}

/// Draws a panel of values in dB at a time and width of time (shares of the whole) and a row.
fn panel(canvas: &mut Canvas, contents: &Contents<'_>, look: &Look, db: impl Fn(f64, f64, usize) -> Option<f32>) {
    let &Look { index, head, unit, colours, range } = look;
    let top = TOP + index * (PANEL + GAP);
    let (width, rate) = (RIGHT - LEFT, contents.rate as f32);
    let scaled = |value: f32| (value - range.0) / (range.1 - range.0);
    for y in 0..PANEL {
        let row = ((PANEL - 1 - y) as f32 + 0.5) * ROWS as f32 / PANEL as f32 - 0.5;
        let low = row.max(0.0) as usize;
        let high = (low + 1).min(ROWS - 1);
        let fraction = (row - low as f32).clamp(0.0, 1.0);
        for x in 0..width {
            let time = (x as f64 + 0.5) / width as f64;
            let at = |row| db(time, 1.0 / width as f64, row);
            let ink = match (at(low), at(high)) {
                (Some(a), Some(b)) => colour(colours, scaled(a + (b - a) * fraction)),
                _ => colour(colours, 0.0),
            };
            canvas.put(LEFT + x, top + y, ink, 255);
        }
    }
    canvas.frame(LEFT, top, width, PANEL);
    canvas.text(head, LEFT, top - 16, Style::Head, INK);
    // Frequencies.
    for (hz, label) in [
        (50.0, "50"),
        (100.0, "100"),
        (200.0, "200"),
        (500.0, "500"),
        (1_000.0, "1k"),
        (2_000.0, "2k"),
        (4_000.0, "4k"),
        (8_000.0, "8k"),
        (16_000.0, "16k"),
        (32_000.0, "32k"),
        (64_000.0, "64k"),
    ] {
        if hz < LOWEST || hz > rate / 2.0 * 0.97 {
            continue;
        }
        let y = top + PANEL - 1 - (row_of(hz, rate) / ROWS as f32 * PANEL as f32) as usize;
        canvas.rectangle(LEFT - 7, y, 6, 1, SOFT);
        (LEFT..RIGHT).for_each(|x| canvas.put(x, y, [255, 255, 255], 14));
        canvas.text_right(label, LEFT - 11, y, Style::Small, SOFT);
    }
    canvas.text_right("Hz", LEFT - 11, top - 16, Style::Small, SOFT);
    // Times.
    let step = time_step(contents.seconds);
    let marks = if contents.seconds > 0.0 { (contents.seconds / step + 1e-9) as usize } else { 0 };
    for mark in 0..=marks {
        let seconds = mark as f64 * step;
        let x = LEFT + (seconds / contents.seconds.max(f64::MIN_POSITIVE) * (width - 1) as f64) as usize;
        canvas.rectangle(x, top + PANEL + 1, 1, 6, SOFT);
        if index + 1 == contents.panels() {
            canvas.text_middle(&time_label(seconds, step, contents.seconds), x, top + PANEL + 18, Style::Small, SOFT);
        }
    }
    if index + 1 == contents.panels() {
        let unit = if contents.seconds >= 3600.0 {
            "h:min:s"
        } else if contents.seconds >= 120.0 {
            "min:s"
        } else {
            "s"
        };
        canvas.text(unit, RIGHT + 22, top + PANEL + 18, Style::Small, SOFT);
    }
    // The scale.
    let bar = RIGHT + 22;
    for y in 0..PANEL {
        let ink = colour(colours, (PANEL - 1 - y) as f32 / (PANEL - 1) as f32);
        canvas.rectangle(bar, top + y, 18, 1, ink);
    }
    canvas.frame(bar, top, 18, PANEL);
    canvas.text(unit, bar, top - 16, Style::Small, SOFT);
    let marks = 4;
    for mark in 0..=marks {
        let value = range.0 + (range.1 - range.0) * mark as f32 / marks as f32;
        let y = top + ((1.0 - scaled(value)) * (PANEL - 1) as f32) as usize;
        canvas.rectangle(bar + 19, y, 5, 1, SOFT);
        canvas.text(&format!("{value:.0}"), bar + 29, y.clamp(top + 5, top + PANEL - 5), Style::Small, SOFT);
    }
}

/// Draws the sounds in lanes by class, below the panels: filled where something was taken off.
fn lanes(canvas: &mut Canvas, events: &[Event], seconds: f64) {
    let top = TOP + 3 * (PANEL + GAP);
    canvas.text("Sounds heard: filled where something was taken off", LEFT, top - 14 + GAP / 4, Style::Head, INK);
    let top = top + GAP / 2;
    let x = |time: f64| LEFT + (time / seconds.max(f64::MIN_POSITIVE) * (RIGHT - LEFT) as f64).round() as usize;
    for (lane, (sound, ink)) in LANES.into_iter().enumerate() {
        let y = top + lane * LANE;
        canvas.rectangle(LEFT, y, RIGHT - LEFT, LANE, if lane % 2 == 0 { [22, 21, 30] } else { [28, 27, 37] });
        canvas.text_right(sound.name(), LEFT - 11, y + LANE / 2, Style::Small, ink);
        for event in events.iter().filter(|event| event.sound == sound) {
            let (from, to) = (x(event.start).min(RIGHT - 2), x(event.end).min(RIGHT));
            let width = (to - from.min(to)).max(2);
            canvas.rectangle(from, y + 3, width, LANE - 6, ink);
            if event.largest.0 < TOUCHED && width > 4 {
                canvas.rectangle(from + 1, y + 4, width - 2, LANE - 8, BACKGROUND);
            }
        }
    }
    canvas.frame(LEFT, top, RIGHT - LEFT, LANES.len() * LANE);
}

/// Draws the picture, as rows of red, green, blue.
fn draw(contents: &Contents<'_>) -> Vec<u8> {
    let height = contents.height();
    let mut canvas = Canvas { pixels: BACKGROUND.repeat(WIDTH * height), height };
    canvas.text(&fitting(&contents.title, Style::Title), LEFT, 26, Style::Title, INK);
    canvas.text(&fitting(&contents.subtitle, Style::Small), LEFT, 52, Style::Small, SOFT);
    let level = |map: &Map, time, width, row| map.at(time, width, row).map(|power| 10.0 * power.max(1e-20).log10());
    let spectrum = |index, head| Look { index, head, unit: "dBFS", colours: &MAGMA, range: LEVELS };
    let first = if contents.stems.is_empty() { "Before" } else { "Input" };
    panel(&mut canvas, contents, &spectrum(0, first), |time, width, row| level(contents.before, time, width, row));
    if !contents.stems.is_empty() {
        for (index, (name, map)) in contents.stems.iter().enumerate() {
            panel(&mut canvas, contents, &spectrum(1 + index, name), |time, width, row| level(map, time, width, row));
        }
        return canvas.pixels;
    }
    panel(&mut canvas, contents, &spectrum(1, "After"), |time, width, row| level(contents.after, time, width, row));
    let range = match (&contents.events, contents.lifts) {
        (Some(_), _) => SMALL_GAINS,
        (None, true) => BOTH_WAYS,
        (None, false) => GAINS,
    };
    let gain = |head| Look { index: 2, head, unit: "dB", colours: &GAIN_COLOURS, range };
    match contents.mask {
        Some((mask, behind, covered)) if mask.added() > 0 => {
            let (share, behind) = (contents.seconds / covered.max(f64::MIN_POSITIVE), behind / covered.max(f64::MIN_POSITIVE));
            panel(&mut canvas, contents, &gain("Gain: what the engine let through"), |time, width, row| {
                mask.at(time * share + behind, width * share, row).map(|gain| 20.0 * gain.max(1e-10).log10())
            });
        }
        _ => panel(&mut canvas, contents, &gain("Change: after less before"), |time, width, row| {
            Some(level(contents.after, time, width, row)? - level(contents.before, time, width, row)?)
        }),
    }
    if let Some(events) = &contents.events {
        lanes(&mut canvas, events, contents.seconds);
    }
    canvas.pixels
}

/// Draws the picture into a PNG file.
///
/// # Errors
/// When the disk does not take it.
pub fn write(file: File, contents: &Contents<'_>) -> Result<(), Failure> {
    let mut encoder = png::Encoder::new(BufWriter::new(file), WIDTH as u32, contents.height() as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let failed = |error| match error {
        png::EncodingError::IoError(error) => writing(error),
        error => Failure::new(format!("could not be drawn ({error})")),
    };
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&draw(contents)).map_err(failed)?;
    writer.finish().map_err(failed)
}

/// A spectrogram without anything around it, as a PNG file: time goes right, frequency up. Levels in dB are raised
/// by `gain`.
///
/// # Errors
/// When it cannot be encoded.
pub fn spectrogram(map: &Map, width: usize, height: usize, gain: f32) -> Result<Vec<u8>, Failure> {
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = ((height - 1 - y) * ROWS / height).min(ROWS - 1);
        for x in 0..width {
            let power = map.at((x as f64 + 0.5) / width as f64, 1.0 / width as f64, row);
            let db = power.map_or(LEVELS.0, |power| 10.0 * power.max(1e-12).log10() + gain);
            let share = ((db - LEVELS.0) / (LEVELS.1 - LEVELS.0)).clamp(0.0, 1.0);
            pixels.push((share * 255.0).round() as u8);
        }
    }
    // A palette takes a third of the room.
    let palette: Vec<u8> = (0..=255_u8).flat_map(|index| colour(&MAGMA, f32::from(index) / 255.0)).collect();
    let failed = |error| Failure::new(format!("could not be drawn ({error})"));
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_has_a_picture() {
        let map = Map::new();
        for events in [None, Some(Vec::new())] {
            let title = "ä".repeat(400);
            let contents = Contents {
                title,
                subtitle: String::new(),
                rate: 8_000,
                seconds: 0.0,
                before: &map,
                after: &map,
                mask: None,
                lifts: false,
                events,
                stems: Vec::new(),
            };
            assert_eq!(draw(&contents).len(), WIDTH * contents.height() * 3);
        }
    }

    #[test]
    fn a_sound_stands_in_its_lane_at_its_time() {
        let mut canvas = Canvas { pixels: BACKGROUND.repeat(WIDTH * 1400), height: 1400 };
        let db = dsp_core::units::Db;
        let event = Event { sound: Sound::Sh, start: 1.0, end: 2.0, centre_hz: 4e3, largest: db(6.0), mean: db(3.0), whistle: 0.0 };
        lanes(&mut canvas, &[event], 4.0);
        let lane = LANES.iter().position(|(sound, _)| *sound == Sound::Sh).unwrap();
        let at = |time: f64, lane: usize| {
            let x = LEFT + ((RIGHT - LEFT) as f64 * time / 4.0) as usize;
            let y = TOP + 3 * (PANEL + GAP) + GAP / 2 + lane * LANE + LANE / 2;
            canvas.pixels[(y * WIDTH + x) * 3..][..3].to_vec()
        };
        assert_eq!(at(1.5, lane), LANES[lane].1);
        assert_ne!(at(2.5, lane), LANES[lane].1);
        assert_ne!(at(1.5, lane + 1), LANES[lane].1);
    }

    #[test]
    fn times_have_few_marks() {
        for seconds in [0.05, 1.0, 9.0, 59.0, 3_600.0, 36_000.0] {
            let marks = seconds / time_step(seconds);
            assert!((2.0..=12.0).contains(&marks), "{seconds}: {marks}");
        }
        assert_eq!(time_label(3_725.0, 300.0, 7_200.0), "1:02:05");
    }
}
