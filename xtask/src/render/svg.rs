//! Drawings of curves and stretches as SVG.

use std::fmt::Write as _;

/// Width of a drawing and its margins, in its own units.
pub const WIDTH: f64 = 900.0;
pub const LEFT: f64 = 48.0;
const BOTTOM: f64 = 28.0;
const TOP: f64 = 12.0;

/// One direction of a drawing.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Value at the left or lower end.
    pub low: f64,
    /// Value at the other end.
    pub high: f64,
    /// Equal ratios are equal distances.
    pub log: bool,
    /// Marked values with their names.
    pub marks: Vec<(f64, String)>,
}

impl Axis {
    /// Equal steps from `low` to `high`, marked at multiples of `step`.
    pub fn even(low: f64, high: f64, step: f64) -> Self {
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        let marks = (first..=last).map(|n| (n as f64 * step, format!("{}", n as f64 * step)));
        Self { low, high, log: false, marks: marks.collect() }
    }

    /// Frequencies that are heard, hertz.
    pub fn hertz(low: f64, high: f64) -> Self {
        let names = [30.0, 60.0, 120.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0];
        let name = |hz: f64| if hz >= 1_000.0 { format!("{}k", hz / 1_000.0) } else { format!("{hz}") };
        Self { low, high, log: true, marks: names.map(|hz| (hz, name(hz))).to_vec() }
    }

    /// Time from 0 to `seconds`.
    pub fn time(seconds: f64) -> Self {
        let step = super::picture::time_step(seconds);
        let count = if seconds > 0.0 { (seconds / step).floor() as u32 } else { 0 };
        let mark = |n: u32| (f64::from(n) * step, super::picture::time_label(f64::from(n) * step, step, seconds));
        Self { low: 0.0, high: seconds.max(1e-3), log: false, marks: (0..=count).map(mark).collect() }
    }

    /// 0 to 1 along the axis.
    fn share(&self, value: f64) -> f64 {
        if self.log { (value / self.low).ln() / (self.high / self.low).ln() } else { (value - self.low) / (self.high - self.low) }
    }
}

/// A drawing.
pub struct Drawing {
    x: Axis,
    y: Axis,
    height: f64,
    svg: String,
}

impl Drawing {
    /// With marks, a label for those who do not see it, and a height in its own units.
    pub fn new(label: &str, x: Axis, y: Axis, height: f64) -> Self {
        let svg = format!(r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">"#);
        let mut drawing = Self { x, y, height, svg };
        drawing.marks();
        drawing
    }

    /// Place of a value on the axis of `x`.
    pub fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT) * self.x.share(value).clamp(0.0, 1.0)
    }

    /// Place of a value on the axis of `y`.
    pub fn y(&self, value: f64) -> f64 {
        TOP + (self.height - TOP - BOTTOM) * (1.0 - self.y.share(value).clamp(0.0, 1.0))
    }

    fn marks(&mut self) {
        let mut svg = String::new();
        let foot = self.height - BOTTOM;
        for (value, name) in &self.x.marks {
            let x = self.x(*value);
            let anchor = if x > WIDTH - 20.0 { "end" } else { "middle" };
            let _ = write!(
                svg,
                r#"<path class="grid" d="M{x:.1} {TOP}V{foot:.1}"/><text x="{x:.1}" y="{:.1}" text-anchor="{anchor}">{name}</text>"#,
                self.height - 8.0
            );
        }
        for (value, name) in &self.y.marks {
            let y = self.y(*value);
            let _ = write!(
                svg,
                r#"<path class="grid" d="M{LEFT} {y:.1}H{WIDTH}"/><text x="{}" y="{:.1}" text-anchor="end">{name}</text>"#,
                LEFT - 6.0,
                y + 4.0
            );
        }
        self.svg.push_str(&svg);
    }

    /// A line through points; where they lie further apart than `gap` it is broken.
    pub fn line(&mut self, class: &str, points: impl Iterator<Item = (f64, f64)>, gap: f64) {
        let mut path = String::new();
        let mut last = f64::NEG_INFINITY;
        for (x, y) in points {
            let command = if path.is_empty() || x - last > gap { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", self.x(x), self.y(y));
            last = x;
        }
        let _ = write!(self.svg, r#"<path class="{class}" fill="none" d="{path}"/>"#);
    }

    /// A bar between two places and two values.
    pub fn bar(&mut self, class: &str, from: f64, to: f64, low: f64, high: f64) {
        let (left, right) = (self.x(from), self.x(to));
        self.bar_at(class, left, (right - left).max(0.8), low, high);
    }

    /// A bar at a place and of a width in the drawing's own units.
    pub fn bar_at(&mut self, class: &str, left: f64, width: f64, low: f64, high: f64) {
        let (top, bottom) = (self.y(high), self.y(low));
        let height = (bottom - top).max(0.5);
        let _ = write!(self.svg, r#"<rect class="{class}" x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"/>"#);
    }

    /// A dot.
    pub fn dot(&mut self, class: &str, x: f64, y: f64) {
        let _ = write!(self.svg, r#"<circle class="{class}" cx="{:.1}" cy="{:.1}" r="4"/>"#, self.x(x), self.y(y));
    }

    /// A picture over the whole field, as a PNG file.
    pub fn image(&mut self, png: &[u8]) {
        let _ = write!(
            self.svg,
            r#"<image x="{LEFT}" y="{TOP}" width="{}" height="{}" preserveAspectRatio="none" href="data:image/png;base64,{}"/>"#,
            WIDTH - LEFT,
            self.height - TOP - BOTTOM,
            super::base64::encode(png)
        );
    }

    /// The markup.
    pub fn finish(self) -> String {
        self.svg + "</svg>"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_where_they_begin_and_break_where_nothing_is() {
        let mut drawing = Drawing::new("x", Axis::time(10.0), Axis::even(0.0, 1.0, 1.0), 100.0);
        drawing.line("a", [(0.0, 0.0), (10.0, 1.0)].into_iter(), f64::INFINITY);
        drawing.line("b", [(0.0, 0.0), (1.0, 0.0), (9.0, 0.0)].into_iter(), 2.0);
        let svg = drawing.finish();
        let path =
            |class: &str| svg.split(&format!("class=\"{class}\" fill=\"none\" d=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
        assert_eq!((path("a").matches('M').count(), path("a").matches('L').count()), (1, 1));
        assert_eq!((path("b").matches('M').count(), path("b").matches('L').count()), (2, 1));
        assert!(path("a").starts_with('M'));
    }
}
