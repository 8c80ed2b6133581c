//! The spectrum with the detected sound lit where it is, and the reduction drawn on it.

use super::axis::Axis;
use super::sounds::{color, mark, name};
use super::spectrum::Spectrum;
use crate::live::DisplayFrame;
use crate::pictures::Picture;
use crate::theme;
use dsp_core::detection::{Detection, REDUCTION_BANDS, Sound, band_hz};
use egui::epaint::{Mesh, Vertex};
use egui::{Align2, Color32, Painter, Pos2, Rect, Shape, Stroke, Ui, pos2, vec2};

/// Time in which the light of a sound goes out by 1/e, in seconds: long enough to be seen.
const GLOW: f32 = 0.35;
/// Time in which the reduction's line returns by 1/e, in seconds.
const RETURN: f32 = 0.12;
/// Deepest reduction drawn, in dB.
const DEEPEST: f32 = 18.0;
/// Share of the height from the top over which that is drawn.
const DEPTH: f32 = 0.5;
/// Lines at these reductions, in dB.
const LEVELS: [f32; 3] = [6.0, 12.0, 18.0];
/// Narrowest light, in octaves.
const NARROWEST: f32 = 0.25;

/// The picture.
#[derive(Debug)]
pub struct Sibilants {
    spectrum: Spectrum,
    /// What is lit, and how bright it is, 0 to 1.
    lit: Detection,
    sound: Sound,
    glow: f32,
    /// Reduction as drawn, in dB, by band.
    reduction: [f32; REDUCTION_BANDS],
}

impl Default for Sibilants {
    fn default() -> Self {
        Self {
            spectrum: Spectrum::new(Axis::UPPER),
            lit: Detection::NOTHING,
            sound: Sound::None,
            glow: 0.0,
            reduction: [0.0; REDUCTION_BANDS],
        }
    }
}

impl Sibilants {
    fn fade(&mut self, seconds: f32) {
        self.glow *= (-seconds / GLOW).exp();
        let back = (-seconds / RETURN).exp();
        self.reduction.iter_mut().for_each(|db| *db *= back);
    }

    /// The sound's place in the picture, as a column of light with its shape and name.
    fn light(&self, painter: &Painter, plot: Rect) {
        let axis = self.spectrum.axis();
        let x = |hz: f32| plot.left() + plot.width() * axis.position(hz).clamp(0.0, 1.0);
        let (centre, half) = (self.lit.centre_hz.max(axis.low), self.lit.width_octaves.max(NARROWEST) / 2.0);
        let (left, right) = (x(centre / 2_f32.powf(half)), x(centre * 2_f32.powf(half)));
        let (middle, ink) = (x(centre), color(self.sound));
        let mut mesh = Mesh::default();
        let edge = theme::faded(ink, 0.0);
        for (from, to, a, b) in [(left - (middle - left) * 0.5, middle, edge, ink), (middle, right + (right - middle) * 0.5, ink, edge)] {
            let n = mesh.vertices.len() as u32;
            for (px, color) in [(from, a), (to, b)] {
                for (py, alpha) in [(plot.top(), 0.42), (plot.bottom(), 0.16)] {
                    let color = if color == edge { Color32::TRANSPARENT } else { theme::faded(ink, alpha * self.glow) };
                    mesh.vertices.push(Vertex { pos: pos2(px, py), uv: egui::epaint::WHITE_UV, color });
                }
            }
            mesh.indices.extend([n, n + 1, n + 2, n + 2, n + 1, n + 3]);
        }
        painter.add(Shape::mesh(mesh));
        painter.vline(middle, plot.y_range(), Stroke::new(1.0, theme::faded(ink, 0.7 * self.glow)));
        let label = format!("{}   {:.1} kHz", name(self.sound), self.lit.centre_hz / 1000.0);
        let galley = painter.layout_no_wrap(label, theme::font(12.0), theme::faded(theme::TEXT, self.glow));
        let at = (middle + 12.0).min(plot.right() - galley.size().x - 12.0);
        let plate = Rect::from_min_size(pos2(at - 14.0, plot.bottom() - 28.0), galley.size() + vec2(22.0, 6.0));
        painter.rect_filled(plate, 4.0, theme::faded(theme::PANEL, 0.9 * self.glow));
        mark(painter, self.sound, pos2(plate.left() + 8.0, plate.center().y), 3.8, theme::faded(ink, self.glow));
        painter.galley(plate.min + vec2(16.0, 3.0), galley, theme::TEXT);
    }

    /// The reduction as a line that hangs from the top, over its bands.
    fn curve(&self, painter: &Painter, plot: Rect) {
        let axis = self.spectrum.axis();
        let x = |hz: f64| plot.left() + plot.width() * axis.position(hz as f32).clamp(0.0, 1.0);
        let zero = plot.top() + 40.0;
        let y = |db: f32| zero + plot.height() * DEPTH * (db / DEEPEST).min(1.0);
        let from = x(band_hz(-1));
        for db in LEVELS {
            painter.hline(from..=plot.right() - 34.0, y(db), Stroke::new(1.0, theme::faded(theme::COOL, 0.16)));
            painter.text(
                pos2(from - 4.0, y(db)),
                Align2::RIGHT_CENTER,
                format!("-{db:.0} dB"),
                theme::font(10.0),
                theme::faded(theme::COOL, 0.7),
            );
        }
        let mut points: Vec<Pos2> = vec![pos2(from, zero)];
        points.extend(self.reduction.iter().enumerate().map(|(band, db)| pos2(x(band_hz(band as isize)), y(*db))));
        points.push(pos2(plot.right(), y(self.reduction[REDUCTION_BANDS - 1])));
        let mut mesh = Mesh::default();
        for point in &points {
            let n = mesh.vertices.len() as u32;
            for (pos, alpha) in [(pos2(point.x, zero), 0.12), (*point, 0.4)] {
                mesh.vertices.push(Vertex { pos, uv: egui::epaint::WHITE_UV, color: theme::faded(theme::COOL, alpha) });
            }
            if n >= 2 {
                mesh.indices.extend([n - 2, n - 1, n, n, n - 1, n + 1]);
            }
        }
        painter.add(Shape::mesh(mesh));
        painter.add(Shape::line(points, Stroke::new(2.0, theme::COOL)));
    }
}

impl Picture for Sibilants {
    fn name(&self) -> &'static str {
        "Spectrum"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        self.spectrum.update(frame);
        self.fade(frame.seconds);
        let Some(detection) = &frame.detection else { return };
        let sound = detection.sound();
        let bright = if sound == Sound::None { 0.0 } else { detection.probability(sound) };
        if bright >= self.glow && bright > 0.3 {
            (self.lit, self.sound, self.glow) = (*detection, sound, bright);
        }
        for (drawn, now) in self.reduction.iter_mut().zip(detection.reduction_db) {
            *drawn = drawn.max(now);
        }
    }

    fn idle(&mut self, seconds: f32) {
        self.spectrum.idle(seconds);
        self.fade(seconds);
    }

    fn at_rest(&self) -> bool {
        self.spectrum.at_rest() && self.glow < 0.01
    }

    fn show(&mut self, ui: &mut Ui, rect: Rect) {
        self.spectrum.draw(ui, rect);
        let plot = Spectrum::plot(rect);
        let painter = ui.painter_at(plot);
        if self.glow > 0.02 && self.sound != Sound::None {
            self.light(&painter, plot);
        }
        self.curve(&painter, plot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_is_lit_and_goes_out() {
        let mut picture = Sibilants::default();
        let mut detection = Detection { centre_hz: 6_500.0, ..Detection::NOTHING };
        detection.classes = [0.1, 0.9, 0.0, 0.0, 0.0, 0.0];
        detection.reduction_db[5] = 7.0;
        picture.update(&DisplayFrame { detection: Some(detection), seconds: 0.005, ..DisplayFrame::EMPTY });
        assert_eq!((picture.sound, picture.reduction[5]), (Sound::S, 7.0));
        assert!(picture.glow > 0.8);
        for _ in 0..100 {
            picture.idle(0.033);
        }
        assert!(picture.at_rest() && picture.reduction[5] < 0.01);
    }
}
