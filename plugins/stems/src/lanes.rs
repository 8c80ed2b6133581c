//! A lane for each stem: its spectrum or its wave over the last ten seconds, before the faders, in its
//! colour.

use crate::mixer::{color, settings};
use dsp_core::engines::stems::{STEM_BANDS, STEMS, Task};
use plainsong_shell::egui::{
    Align2, Color32, ColorImage, Mesh, Rect, Shape, Stroke, TextureHandle, TextureOptions, TextureWrapMode, Ui, epaint, pos2, remap_clamp,
    vec2,
};
use plainsong_shell::live::DisplayFrame;
use plainsong_shell::{Panel, Picture, theme};
use std::collections::VecDeque;

/// Columns kept: ten seconds of the engine's band powers, which come 25 times a second.
pub const COLUMNS: usize = 250;
/// Seconds that these last.
const SECONDS: f32 = 10.0;
/// Levels from dark to bright, in dB.
const RANGE: (f32, f32) = (-78.0, -22.0);
/// Fall of music's spectra that is made up for, in dB over the whole height.
const TILT: f32 = 14.0;
/// Exponent of a wave's height over its amplitude: quiet passages shall be seen, and beats too.
const WAVE_BEND: f32 = 0.6;
/// Power below which a band is silent.
const SILENCE: f32 = 1e-12;
/// Width of the lane's head in points.
const HEAD: f32 = 104.0;
/// Height of the line of times in points.
const TIMES: f32 = 18.0;
/// Height of a lane below which its head has one line, in points.
const LOW: f32 = 42.0;
/// Between lanes, in points.
const GAP: f32 = 4.0;

/// What the lanes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Spectra, low notes below.
    Spectra,
    /// Levels of left (up) and right (down).
    Waves,
}

/// The lanes.
pub struct Lanes {
    show: Show,
    task: Task,
    /// The rows of all lanes below each other, the last 10 s as a ring.
    image: ColorImage,
    texture: Option<TextureHandle>,
    column: usize,
    fresh: Vec<usize>,
    /// Peaks of the columns, `[stem][side]`, newest last.
    waves: VecDeque<[[f32; 2]; STEMS]>,
    open: [[f32; 2]; STEMS],
}

impl Lanes {
    /// Empty ones.
    pub fn new(show: Show) -> Self {
        Self {
            show,
            task: Task::Stems,
            image: ColorImage::filled([COLUMNS, STEMS * STEM_BANDS], theme::WELL),
            texture: None,
            column: 0,
            fresh: Vec::new(),
            waves: VecDeque::new(),
            open: [[0.0; 2]; STEMS],
        }
    }

    fn clear(&mut self) {
        *self = Self { texture: self.texture.take(), ..Self::new(self.show) };
        // The texture is painted anew whole.
        self.fresh = (0..COLUMNS).collect();
    }

    fn paint_column(&mut self, bands: &[[f32; STEM_BANDS]; STEMS]) {
        for (stem, bands) in bands.iter().enumerate() {
            let full = color(self.task, stem);
            for (band, power) in bands.iter().enumerate() {
                let tilt = TILT * band as f32 / (STEM_BANDS - 1) as f32;
                let level = remap_clamp(10.0 * power.max(SILENCE).log10() + tilt, RANGE.0..=RANGE.1, 0.0..=1.0);
                let row = stem * STEM_BANDS + STEM_BANDS - 1 - band;
                self.image.pixels[row * COLUMNS + self.column] = shade(full, level);
            }
        }
        self.fresh.push(self.column);
        self.column = (self.column + 1) % COLUMNS;
    }

    fn upload(&mut self, ui: &Ui) {
        let options = TextureOptions { wrap_mode: TextureWrapMode::ClampToEdge, ..TextureOptions::LINEAR };
        match &mut self.texture {
            // Many columns at once happen when the picture was hidden.
            Some(texture) if self.fresh.len() < 16 => {
                let rows = STEMS * STEM_BANDS;
                for column in self.fresh.drain(..) {
                    let pixels = (0..rows).map(|row| self.image.pixels[row * COLUMNS + column]).collect();
                    texture.set_partial([column, 0], ColorImage::new([1, rows], pixels), options);
                }
            }
            texture => {
                self.fresh.clear();
                *texture = Some(ui.ctx().load_texture("stems", self.image.clone(), options));
            }
        }
    }

    /// The spectrum of a stem, the newest at the right.
    fn spectrum(&self, ui: &Ui, plot: Rect, stem: usize, tint: Color32) {
        let Some(texture) = &self.texture else { return };
        let painter = ui.painter_at(plot);
        // Half a row is left out at the ends, or neighbours would shine in.
        let row = |row: f32| (stem as f32 * STEM_BANDS as f32 + row) / (STEMS * STEM_BANDS) as f32;
        let (top, bottom) = (row(0.5), row(STEM_BANDS as f32 - 0.5));
        // The image is a ring: the older part stands right of the newest column.
        let cut = self.column as f32 / COLUMNS as f32;
        let seam = plot.right() - plot.width() * cut;
        let part = |from: f32, to: f32| Rect::from_min_max(pos2(from, top), pos2(to, bottom));
        painter.image(texture.id(), Rect::from_min_max(plot.min, pos2(seam, plot.bottom())), part(cut, 1.0), tint);
        painter.image(texture.id(), Rect::from_min_max(pos2(seam, plot.top()), plot.max), part(0.0, cut), tint);
    }

    /// The wave of a stem, the newest at the right.
    fn wave(&self, ui: &Ui, plot: Rect, stem: usize, color: Color32) {
        let painter = ui.painter_at(plot);
        let middle = plot.center().y;
        painter.hline(plot.x_range(), middle, Stroke::new(1.0, theme::faded(color, 0.35)));
        let step = plot.width() / COLUMNS as f32;
        let first = plot.right() - step * self.waves.len() as f32;
        let mut mesh = Mesh::default();
        for (index, peaks) in self.waves.iter().enumerate() {
            let height = |peak: f32| peak.clamp(0.0, 1.0).powf(WAVE_BEND) * plot.height() / 2.0;
            let x = first + step * (index as f32 + 0.5);
            let next = mesh.vertices.len() as u32;
            for y in [middle - height(peaks[stem][0]), middle + height(peaks[stem][1])] {
                mesh.vertices.push(epaint::Vertex { pos: pos2(x, y), uv: epaint::WHITE_UV, color });
            }
            if next >= 2 {
                mesh.indices.extend([next - 2, next - 1, next, next, next - 1, next + 1]);
            }
        }
        painter.add(Shape::mesh(mesh));
    }
}

/// A colour from the ground over the full colour towards white, so that level reads without colour.
fn shade(full: Color32, level: f32) -> Color32 {
    let mix = |ground: u8, full: u8| {
        let (ground, full) = (f32::from(ground), f32::from(full));
        let body = ground + (full - ground) * level.powf(1.3);
        (body + (255.0 - body) * (level - 0.75).max(0.0) * 1.6).min(255.0) as u8
    };
    Color32::from_rgb(mix(theme::WELL.r(), full.r()), mix(theme::WELL.g(), full.g()), mix(theme::WELL.b(), full.b()))
}

impl Picture for Lanes {
    fn name(&self) -> &'static str {
        match self.show {
            Show::Spectra => "Spectra",
            Show::Waves => "Waves",
        }
    }

    fn update(&mut self, frame: &DisplayFrame) {
        let Some(stems) = &frame.stems else { return };
        if stems.task != self.task {
            self.clear();
            self.task = stems.task;
        }
        for (peak, new) in self.open.iter_mut().flatten().zip(stems.peaks.iter().flatten()) {
            *peak = peak.max(*new);
        }
        // Spectra come with every fourth frame, and waves keep step with them.
        if let Some(bands) = &stems.bands {
            self.paint_column(bands);
            self.waves.push_back(std::mem::take(&mut self.open));
            if self.waves.len() > COLUMNS {
                self.waves.pop_front();
            }
        }
    }

    fn closed(&mut self) {
        // The texture belonged to the window.
        self.texture = None;
    }

    fn show_with(&mut self, ui: &mut Ui, rect: Rect, panel: &mut Panel) {
        let settings = settings(panel);
        if settings.task != self.task {
            self.clear();
            self.task = settings.task;
        }
        if self.show == Show::Spectra {
            self.upload(ui);
        }
        let names = self.task.names();
        let gains = settings.gains();
        let height = (rect.height() - TIMES + GAP) / names.len() as f32;
        for (stem, name) in names.iter().enumerate() {
            let top = rect.top() + height * stem as f32;
            let lane = Rect::from_min_size(pos2(rect.left(), top), vec2(rect.width(), height - GAP));
            let full = color(self.task, stem);
            let heard = gains[stem] > 0.0;
            let head = Rect::from_min_size(lane.min, vec2(HEAD, lane.height()));
            let painter = ui.painter_at(lane);
            painter.rect_filled(head, 6.0, theme::PANEL);
            painter.rect_filled(
                Rect::from_min_size(head.min, vec2(5.0, head.height())),
                2.0,
                theme::faded(full, if heard { 1.0 } else { 0.4 }),
            );
            let low = lane.height() < LOW;
            let (size, color) = (if low { 13.0 } else { 15.0 }, if heard { theme::TEXT } else { theme::DIM });
            // In a small window name and note stand in one line.
            let up = if low { 0.0 } else { -8.0 };
            painter.text(head.left_center() + vec2(14.0, up), Align2::LEFT_CENTER, *name, theme::font(size), color);
            let strip = &settings.strips()[stem];
            let note = match (heard, strip.mute) {
                (true, _) if strip.gain.0.abs() < 0.05 => "0.0 dB".to_owned(),
                (true, _) => format!("{:+.1} dB", strip.gain.0),
                (false, true) => "muted".to_owned(),
                (false, false) if strip.gain.0.is_finite() => "not in solo".to_owned(),
                (false, false) => "silent".to_owned(),
            };
            let (place, align) = if low {
                (head.right_center() - vec2(6.0, 0.0), Align2::RIGHT_CENTER)
            } else {
                (head.left_center() + vec2(14.0, 10.0), Align2::LEFT_CENTER)
            };
            painter.text(place, align, note, theme::font(if low { 10.0 } else { 11.5 }), theme::DIM);
            let plot = Rect::from_min_max(pos2(head.right() + 4.0, lane.top()), lane.max);
            painter.rect_filled(plot, 4.0, theme::WELL);
            let opacity = if heard { 1.0 } else { 0.35 };
            match self.show {
                Show::Spectra => self.spectrum(ui, plot, stem, Color32::WHITE.gamma_multiply(opacity)),
                Show::Waves => self.wave(ui, plot, stem, theme::faded(full, 0.9 * opacity)),
            }
        }
        let plot = rect.left() + HEAD + 4.0..=rect.right();
        for back in [0.0, 2.0, 4.0, 6.0, 8.0] {
            let x = plot.end() - (plot.end() - plot.start()) * back / SECONDS;
            let (align, text) =
                if back == 0.0 { (Align2::RIGHT_CENTER, "now".to_owned()) } else { (Align2::CENTER_CENTER, format!("-{back:.0} s")) };
            ui.painter().text(pos2(x, rect.bottom() - 7.0), align, text, theme::font(10.5), theme::DIM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plainsong_shell::live::StemsSeen;

    fn frame(task: Task, peak: f32, bands: bool) -> DisplayFrame {
        let stems = StemsSeen {
            task,
            peaks: [[peak; 2]; STEMS],
            levels: [[peak; 2]; STEMS],
            bands: bands.then_some([[1.0; STEM_BANDS]; STEMS]),
            late: false,
            step_seconds: 0.001,
        };
        DisplayFrame { stems: Some(stems), ..DisplayFrame::EMPTY }
    }

    #[test]
    fn columns_come_with_the_bands_and_hold_the_highest_peak_between() {
        let mut lanes = Lanes::new(Show::Spectra);
        for peak in [0.1, 0.7, 0.2] {
            lanes.update(&frame(Task::Stems, peak, false));
        }
        assert!(lanes.waves.is_empty() && lanes.column == 0);
        lanes.update(&frame(Task::Stems, 0.3, true));
        assert_eq!(lanes.waves, [[[0.7; 2]; STEMS]]);
        assert_eq!(lanes.image.pixels[0], shade(color(Task::Stems, 0), 1.0));
        for _ in 0..2 * COLUMNS {
            lanes.update(&frame(Task::Stems, 0.3, true));
        }
        assert_eq!((lanes.waves.len(), lanes.column), (COLUMNS, 1));
        lanes.update(&frame(Task::Dialogue, 0.3, false));
        assert!(lanes.waves.is_empty(), "another task, other lanes");
    }

    #[test]
    fn louder_is_brighter() {
        let light = |level: f32| {
            let color = shade(color(Task::Stems, 1), level);
            u32::from(color.r()) + u32::from(color.g()) + u32::from(color.b())
        };
        assert_eq!(shade(theme::WARM, 0.0), theme::WELL);
        assert!((0..10).all(|step| light(step as f32 / 10.0) < light((step + 1) as f32 / 10.0)));
    }
}
