//! The scrolling spectrogram: what stays in the warm colour, what was taken away in the cool one.

use crate::live::DisplayFrame;
use crate::pictures::Picture;
use crate::theme;
use crate::widgets::axis::Axis;
use crate::widgets::spectrum::resample;
use egui::{Align2, Color32, ColorImage, Rect, Stroke, TextureHandle, TextureOptions, Ui, pos2};

/// Columns kept.
const COLUMNS: usize = 500;
/// Rows, from low to high.
const ROWS: usize = 192;
/// Duration of a column in seconds.
const COLUMN_SECONDS: f32 = 0.02;
/// Levels from dark to bright at 1 kHz, in dB.
const RANGE: (f32, f32) = (-92.0, -28.0);
/// As in the spectrum, in dB per octave.
const TILT: f32 = 3.0;

/// The picture and the column that is being filled.
pub struct Spectrogram {
    axis: Axis,
    image: ColorImage,
    texture: Option<TextureHandle>,
    column: usize,
    input: Vec<f32>,
    output: Vec<f32>,
    filled: f32,
    fresh: Vec<usize>,
}

impl std::fmt::Debug for Spectrogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spectrogram").field("column", &self.column).finish_non_exhaustive()
    }
}

impl Default for Spectrogram {
    fn default() -> Self {
        Self::new(Axis::WHOLE)
    }
}

impl Spectrogram {
    /// An empty one over an axis.
    pub fn new(axis: Axis) -> Self {
        Self {
            axis,
            image: ColorImage::filled([COLUMNS, ROWS], theme::WELL),
            texture: None,
            column: 0,
            input: Vec::new(),
            output: Vec::new(),
            filled: 0.0,
            fresh: Vec::new(),
        }
    }
}

impl Picture for Spectrogram {
    fn name(&self) -> &'static str {
        "Spectrogram"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        for (sum, power) in [(&mut self.input, &frame.input), (&mut self.output, &frame.output)] {
            sum.resize(frame.bins, 0.0);
            for (sum, power) in sum.iter_mut().zip(power) {
                *sum = sum.max(*power);
            }
        }
        self.filled += frame.seconds;
        if self.filled + 1e-4 >= COLUMN_SECONDS {
            self.filled = (self.filled - COLUMN_SECONDS).clamp(0.0, COLUMN_SECONDS);
            self.paint_column(frame.bin_hz);
        }
    }

    fn closed(&mut self) {
        // The texture belonged to the window.
        self.texture = None;
    }

    /// The newest is at the right.
    fn show(&mut self, ui: &mut Ui, rect: Rect) {
        let options = TextureOptions { wrap_mode: egui::TextureWrapMode::ClampToEdge, ..TextureOptions::LINEAR };
        match &mut self.texture {
            // Many columns at once happen when the picture was hidden.
            Some(texture) if self.fresh.len() < 16 => {
                for column in self.fresh.drain(..) {
                    let pixels = (0..ROWS).map(|row| self.image.pixels[row * COLUMNS + column]).collect();
                    texture.set_partial([column, 0], ColorImage::new([1, ROWS], pixels), options);
                }
            }
            texture => {
                self.fresh.clear();
                *texture = Some(ui.ctx().load_texture("spectrogram", self.image.clone(), options));
            }
        }
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let plot = Rect::from_min_max(rect.min, pos2(rect.right(), rect.bottom() - 18.0));
        if let Some(texture) = &self.texture {
            // The image is a ring: the older part stands right of the newest column.
            let cut = self.column as f32 / COLUMNS as f32;
            let seam = plot.right() - plot.width() * cut;
            let part = |from: f32, to: f32| Rect::from_min_max(pos2(from, 0.0), pos2(to, 1.0));
            painter.image(texture.id(), Rect::from_min_max(plot.min, pos2(seam, plot.bottom())), part(cut, 1.0), Color32::WHITE);
            painter.image(texture.id(), Rect::from_min_max(pos2(seam, plot.top()), plot.max), part(0.0, cut), Color32::WHITE);
        }
        for (hz, label) in self.axis.marks().filter(|(hz, _)| *hz < 0.9 * self.axis.high) {
            let y = plot.bottom() - plot.height() * self.axis.position(hz);
            painter.hline(plot.x_range(), y, Stroke::new(1.0, theme::faded(theme::LINE, 0.5)));
            // On a plate: the picture behind may be as bright as the text.
            let text = painter.layout_no_wrap(label.to_owned(), theme::font(10.0), theme::TEXT);
            let plate = Rect::from_min_size(pos2(plot.right() - text.size().x - 10.0, y - 7.5), text.size() + egui::vec2(6.0, 2.0));
            painter.rect_filled(plate, 3.0, theme::faded(theme::WELL, 0.75));
            painter.galley(plate.min + egui::vec2(3.0, 1.0), text, theme::TEXT);
        }
        let seconds = COLUMNS as f32 * COLUMN_SECONDS;
        for back in [0.0, 2.0, 4.0, 6.0, 8.0] {
            let x = plot.right() - plot.width() * back / seconds;
            let (align, text) =
                if back == 0.0 { (Align2::RIGHT_CENTER, "now".to_owned()) } else { (Align2::CENTER_CENTER, format!("-{back:.0} s")) };
            painter.text(pos2(x, rect.bottom() - 9.0), align, text, theme::font(10.5), theme::DIM);
        }
        let mut x = plot.left() + 12.0;
        let plate = Rect::from_min_size(pos2(plot.left() + 6.0, plot.top() + 4.0), egui::vec2(158.0, 20.0));
        painter.rect_filled(plate, 4.0, theme::faded(theme::WELL, 0.75));
        for (swatch, text) in [(theme::WARM, "Output"), (theme::COOL, "Removed")] {
            painter.rect_filled(Rect::from_min_size(pos2(x, plot.top() + 9.0), egui::vec2(14.0, 10.0)), 1.0, swatch);
            x = painter.text(pos2(x + 20.0, plot.top() + 14.0), Align2::LEFT_CENTER, text, theme::font(11.5), theme::TEXT).right() + 16.0;
        }
    }
}

impl Spectrogram {
    fn paint_column(&mut self, bin_hz: f32) {
        let (mut before, mut after) = ([0.0; ROWS], [0.0; ROWS]);
        resample(self.axis, &self.input, bin_hz, &mut before);
        resample(self.axis, &self.output, bin_hz, &mut after);
        self.input.fill(0.0);
        self.output.fill(0.0);
        for row in 0..ROWS {
            let tilt = TILT * (self.axis.hertz(row as f32 / (ROWS - 1) as f32) / 1000.0).log2();
            let shade = |db: f32| egui::remap_clamp(db + tilt, RANGE.0..=RANGE.1, 0.0..=1.0);
            let (before, after) = (shade(before[row]), shade(after[row]));
            self.image.pixels[(ROWS - 1 - row) * COLUMNS + self.column] = color(after, (before - after).max(0.0));
        }
        self.fresh.push(self.column);
        self.column = (self.column + 1) % COLUMNS;
    }
}

/// Colour of a pixel from the level that stays and the share that was taken, 0 to 1 each.
fn color(stays: f32, taken: f32) -> Color32 {
    let mix = |ground: u8, warm: u8, cool: u8| {
        let level = f32::from(ground) + f32::from(warm) * stays.powf(1.4) + f32::from(cool) * taken.powf(1.2) * 0.9;
        // The loudest goes towards white, so that level reads without colour.
        (level + 70.0 * (stays - 0.75).max(0.0) * 4.0).min(255.0) as u8
    };
    Color32::from_rgb(
        mix(theme::WELL.r(), theme::WARM.r(), theme::COOL.r()),
        mix(theme::WELL.g(), theme::WARM.g(), theme::COOL.g()),
        mix(theme::WELL.b(), theme::WARM.b(), theme::COOL.b()),
    )
}
