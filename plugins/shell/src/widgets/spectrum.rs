//! The spectrum before and after, with what was taken away between the two lines.

use crate::live::{BINS, DisplayFrame};
use crate::pictures::Picture;
use crate::theme;
use crate::widgets::axis::Axis;
use egui::epaint::{Mesh, Vertex};
use egui::{Align2, Color32, Pos2, Rect, Sense, Shape, Stroke, Ui, pos2, vec2};

/// Points of a line.
pub const POINTS: usize = 240;
/// Level of the lower edge, in dB.
const FLOOR: f32 = -102.0;
/// Level of the upper edge, in dB.
const TOP: f32 = -6.0;
/// Tilt of the picture in dB per octave around 1 kHz: speech and music fall with frequency, and tilted
/// they fill the picture evenly.
const TILT: f32 = 3.0;
/// Time in which a line falls most of the way, in seconds.
const RELEASE: f32 = 0.16;
/// Share of the way that a line rises in [`ATTACK_FRAME`] seconds.
const ATTACK: f32 = 0.55;
/// See [`ATTACK`].
const ATTACK_FRAME: f32 = 0.01;
/// Lines at these levels, in dB.
const LEVELS: [f32; 6] = [-90.0, -75.0, -60.0, -45.0, -30.0, -15.0];
/// Level in dB of each bin; silence is far below the picture.
fn decibels(power: &[f32], into: &mut [f32; BINS]) {
    for (db, power) in into.iter_mut().zip(power) {
        *db = 10.0 * power.max(1e-16).log10();
    }
}

/// The level at the points of a log-frequency axis: between bins where they are far apart, the
/// loudest where a point spans several.
pub fn resample<const N: usize>(axis: Axis, power: &[f32], bin_hz: f32, into: &mut [f32; N]) {
    let mut db = [0.0; BINS];
    decibels(power, &mut db);
    let db = &db[..power.len().min(BINS)];
    let Some(last) = db.len().checked_sub(1) else {
        into.fill(-160.0);
        return;
    };
    let at = |bin: isize| db[bin.clamp(0, last as isize) as usize];
    for (i, level) in into.iter_mut().enumerate() {
        let edge = |offset: f32| axis.hertz((i as f32 + offset) / (N - 1) as f32) / bin_hz;
        let (low, mid, high) = (edge(-0.5), edge(0.0), edge(0.5));
        *level = if mid > last as f32 {
            -160.0
        } else if high - low < 1.0 {
            let (bin, t) = (mid.floor() as isize, mid.fract());
            let (a, b, c, d) = (at(bin - 1), at(bin), at(bin + 1), at(bin + 2));
            // Catmull-Rom: passes through the bins without corners.
            b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
        } else {
            let (from, to) = (low.round() as isize, (high.round() as isize).max(low.round() as isize + 1));
            (from..to).map(at).fold(-160.0, f32::max)
        };
    }
}

/// The lines as they stand, in dB.
#[derive(Clone, Debug)]
pub struct Spectrum {
    axis: Axis,
    input: [f32; POINTS],
    output: [f32; POINTS],
    /// What stands between the lines.
    difference: &'static str,
}

impl Default for Spectrum {
    fn default() -> Self {
        Self::new(Axis::WHOLE)
    }
}

impl Picture for Spectrum {
    fn name(&self) -> &'static str {
        "Spectrum"
    }

    fn update(&mut self, frame: &DisplayFrame) {
        let fall = 1.0 - (-frame.seconds / RELEASE).exp();
        // The same speed whatever the hop.
        let rise = 1.0 - (1.0 - ATTACK).powf(frame.seconds / ATTACK_FRAME);
        let mut now = [0.0; POINTS];
        for (power, line) in [(&frame.input, &mut self.input), (&frame.output, &mut self.output)] {
            resample(self.axis, &power[..frame.bins], frame.bin_hz, &mut now);
            for (line, now) in line.iter_mut().zip(now) {
                *line += (now - *line) * if now > *line { rise } else { fall };
            }
        }
    }

    fn idle(&mut self, seconds: f32) {
        let fall = 1.0 - (-seconds / RELEASE).exp();
        for line in self.input.iter_mut().chain(&mut self.output) {
            *line += (-160.0 - *line) * fall;
        }
    }

    fn at_rest(&self) -> bool {
        self.input.iter().all(|db| *db < FLOOR - 30.0)
    }

    fn show(&mut self, ui: &mut Ui, rect: Rect) {
        self.draw(ui, rect);
    }
}

impl Spectrum {
    /// An empty one over an axis.
    pub fn new(axis: Axis) -> Self {
        Self { axis, input: [-160.0; POINTS], output: [-160.0; POINTS], difference: "Removed" }
    }

    /// Names what stands between the lines.
    #[must_use]
    pub fn with_difference(mut self, name: &'static str) -> Self {
        self.difference = name;
        self
    }

    /// The axis.
    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// The part of the picture in which the lines are.
    pub fn plot(rect: Rect) -> Rect {
        Rect::from_min_max(rect.min, pos2(rect.right(), rect.bottom() - 18.0))
    }

    /// Draws the picture.
    pub fn draw(&self, ui: &mut Ui, rect: Rect) {
        let response = ui.interact(rect, ui.scope_id().with("spectrum"), Sense::hover());
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 6.0, theme::WELL);
        let plot = Self::plot(rect);
        let x = |position: f32| plot.left() + plot.width() * position;
        let y = |db: f32| egui::remap_clamp(db, FLOOR..=TOP, plot.bottom()..=plot.top());
        for (hz, label) in self.axis.marks() {
            let at = x(self.axis.position(hz));
            let shift = if hz >= self.axis.high { -10.0 } else { 0.0 };
            painter.vline(at, plot.y_range(), Stroke::new(1.0, theme::faded(theme::LINE, 0.7)));
            painter.text(pos2(at + shift, rect.bottom() - 9.0), Align2::CENTER_CENTER, label, theme::font(10.5), theme::DIM);
        }
        painter.text(pos2(rect.left() + 6.0, rect.bottom() - 9.0), Align2::LEFT_CENTER, "Hz", theme::font(10.5), theme::DIM);
        for db in LEVELS {
            painter.hline(plot.x_range(), y(db), Stroke::new(1.0, theme::faded(theme::LINE, 0.55)));
        }

        let tilt = |i: usize| TILT * (self.axis.hertz(i as f32 / (POINTS - 1) as f32) / 1000.0).log2();
        let place = |line: &[f32; POINTS]| -> Vec<Pos2> {
            line.iter().enumerate().map(|(i, db)| pos2(x(i as f32 / (POINTS - 1) as f32), y(db + tilt(i)))).collect()
        };
        let (input, output) = (place(&self.input), place(&self.output));
        let floor: Vec<Pos2> = output.iter().map(|p| pos2(p.x, plot.bottom())).collect();
        // The shade follows the height in the picture, not the column's own, or columns would stand out.
        let warm = |p: &Pos2| theme::faded(theme::WARM, 0.03 + 0.36 * (plot.bottom() - p.y) / plot.height());
        painter.add(between(&output, &floor, warm, warm));
        painter.add(between(&input, &output, |_| theme::faded(theme::COOL, 0.38), |_| theme::faded(theme::COOL, 0.26)));
        painter.add(Shape::line(input, Stroke::new(1.2, theme::COOL)));
        painter.add(Shape::line(output, Stroke::new(1.8, theme::WARM)));

        for db in LEVELS {
            painter.text(pos2(plot.right() - 5.0, y(db) - 7.0), Align2::RIGHT_CENTER, format!("{db:.0}"), theme::font(10.0), theme::DIM);
        }
        let mut legend = pos2(plot.left() + 12.0, plot.top() + 14.0);
        for (color, text, filled) in [(theme::COOL, "Input", false), (theme::WARM, "Output", false), (theme::COOL, self.difference, true)] {
            let swatch = Rect::from_center_size(pos2(legend.x + 7.0, legend.y), vec2(14.0, if filled { 10.0 } else { 2.0 }));
            painter.rect_filled(swatch, 1.0, if filled { theme::faded(color, 0.45) } else { color });
            let text = painter.text(pos2(legend.x + 20.0, legend.y), Align2::LEFT_CENTER, text, theme::font(11.5), theme::TEXT);
            legend.x = text.right() + 16.0;
        }

        if let Some(pointer) = response.hover_pos().filter(|p| plot.contains(*p)) {
            self.read_out(ui, plot, pointer);
        }
    }

    /// Frequency and levels under the pointer.
    fn read_out(&self, ui: &Ui, plot: Rect, pointer: Pos2) {
        let t = (pointer.x - plot.left()) / plot.width();
        let i = (t * (POINTS - 1) as f32).round() as usize;
        let (Some(input), Some(output)) = (self.input.get(i), self.output.get(i)) else { return };
        let hz = self.axis.hertz(t);
        let hz = if hz >= 1000.0 { format!("{:.2} kHz", hz / 1000.0) } else { format!("{hz:.0} Hz") };
        let text =
            if *input < -140.0 { hz } else { format!("{hz}    in {input:.0}    out {output:.0}    change {:.1} dB", output - input) };
        let painter = ui.painter_at(plot);
        painter.vline(pointer.x, plot.y_range(), Stroke::new(1.0, theme::faded(theme::TEXT, 0.35)));
        let galley = painter.layout_no_wrap(text, theme::font(11.5), theme::TEXT);
        let left = (pointer.x + 10.0).min(plot.right() - galley.size().x - 34.0);
        let back = Rect::from_min_size(pos2(left, plot.top() + 26.0), galley.size() + vec2(12.0, 8.0));
        painter.rect_filled(back, 4.0, theme::faded(theme::PANEL, 0.94));
        painter.galley(back.min + vec2(6.0, 4.0), galley, theme::TEXT);
    }
}

/// The area between two lines, with a colour at each.
fn between(upper: &[Pos2], lower: &[Pos2], top: impl Fn(&Pos2) -> Color32, bottom: impl Fn(&Pos2) -> Color32) -> Shape {
    let mut mesh = Mesh::default();
    mesh.vertices.reserve(upper.len() * 2);
    for (a, b) in upper.iter().zip(lower) {
        let n = mesh.vertices.len() as u32;
        for (pos, color) in [(*a, top(a)), (*b, bottom(b))] {
            mesh.vertices.push(Vertex { pos, uv: egui::epaint::WHITE_UV, color });
        }
        if n >= 2 {
            mesh.indices.extend([n - 2, n - 1, n, n, n - 1, n + 1]);
        }
    }
    Shape::mesh(mesh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_stands_at_its_frequency_and_level() {
        let mut power = vec![1e-12; 481];
        power[40] = 0.25;
        let mut line = [0.0; POINTS];
        resample(Axis::WHOLE, &power, 50.0, &mut line);
        let loudest = (0..POINTS).max_by(|a, b| line[*a].total_cmp(&line[*b])).unwrap_or(0);
        let hz = Axis::WHOLE.hertz(loudest as f32 / (POINTS - 1) as f32);
        assert!((hz / 2000.0 - 1.0).abs() < 0.03, "{hz}");
        assert!((line[loudest] + 6.02).abs() < 0.5, "{}", line[loudest]);
    }

    #[test]
    fn nothing_in_gives_nothing_out() {
        let mut line = [0.0; POINTS];
        resample(Axis::WHOLE, &[], 0.0, &mut line);
        assert!(line.iter().all(|db| *db == -160.0));
    }
}
