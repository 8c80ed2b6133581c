//! Peak meters with hold, for both sides of the engine.

use crate::live::METERS;
use crate::theme;
use dsp_core::units::Db;
use egui::{Align2, Rect, Response, Sense, Ui, pos2, vec2};

/// Lowest level shown, in dBFS.
const FLOOR: f32 = -66.0;
/// Highest level shown, in dBFS.
const TOP: f32 = 6.0;
/// Fall of a level, in dB per second.
const FALL: f32 = 26.0;
/// Time for which a peak is held, in seconds.
const HOLD: f32 = 1.5;
/// Marks beside the meter, in dBFS.
const TICKS: [f32; 8] = [0.0, -6.0, -12.0, -18.0, -24.0, -36.0, -48.0, -60.0];

/// Levels of one meter, `[channel]`, in dBFS.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    level: [f32; METERS],
    hold: [f32; METERS],
    held: [f32; METERS],
    /// Highest level since the user clicked.
    highest: f32,
}

impl Default for Meter {
    fn default() -> Self {
        Self { level: [FLOOR; METERS], hold: [FLOOR; METERS], held: [0.0; METERS], highest: f32::NEG_INFINITY }
    }
}

impl Meter {
    /// Takes the linear peaks since `seconds` ago.
    pub fn update(&mut self, peaks: [f32; METERS], seconds: f32) {
        for (channel, peak) in peaks.into_iter().enumerate() {
            let db = Db::from_linear(peak).0.clamp(FLOOR, 60.0);
            self.level[channel] = db.max(self.level[channel] - FALL * seconds).max(FLOOR);
            self.held[channel] += seconds;
            if db >= self.hold[channel] {
                (self.hold[channel], self.held[channel]) = (db, 0.0);
            } else if self.held[channel] > HOLD {
                self.hold[channel] = (self.hold[channel] - FALL * seconds).max(FLOOR);
            }
            if db > FLOOR {
                self.highest = self.highest.max(db);
            }
        }
    }

    /// True when nothing moves any more.
    pub fn at_rest(&self) -> bool {
        self.level.iter().chain(&self.hold).all(|level| *level <= FLOOR)
    }

    /// Forgets the highest level.
    pub fn clear(&mut self) {
        self.highest = f32::NEG_INFINITY;
        self.hold = self.level;
    }
}

/// Draws a meter with its name; a click clears the highest level. `ticks` are drawn on that side.
pub fn meter(ui: &mut Ui, meter: &mut Meter, name: &str, channels: usize, rect: Rect, ticks_right: bool) -> Response {
    let response = ui.interact(rect, ui.scope_id().with(name), Sense::click());
    if response.clicked() {
        meter.clear();
    }
    let painter = ui.painter();
    painter.text(pos2(rect.center().x, rect.top() + 8.0), Align2::CENTER_CENTER, name, theme::font(11.5), theme::DIM);
    let highest = if meter.highest.is_finite() { format!("{:.1}", meter.highest) } else { "-inf".to_owned() };
    let over = meter.highest > 0.0;
    let plate = Rect::from_min_size(pos2(rect.left(), rect.top() + 18.0), vec2(rect.width(), 18.0));
    painter.rect_filled(plate, 3.0, if over { theme::ALERT } else { theme::WELL });
    painter.text(plate.center(), Align2::CENTER_CENTER, highest, theme::font(11.5), if over { theme::WELL } else { theme::TEXT });

    let bars = Rect::from_min_max(pos2(rect.left(), plate.bottom() + 6.0), rect.max);
    let scale = 24.0;
    let column = if ticks_right {
        Rect::from_min_max(bars.min, pos2(bars.right() - scale, bars.bottom()))
    } else {
        Rect::from_min_max(pos2(bars.left() + scale, bars.top()), bars.max)
    };
    let y = place(bars);
    draw(ui, meter, channels, column);
    for tick in TICKS {
        let (x, align) = if ticks_right { (bars.right(), Align2::RIGHT_CENTER) } else { (bars.left() + scale - 5.0, Align2::RIGHT_CENTER) };
        painter.text(pos2(x, y(tick)), align, format!("{tick:.0}"), theme::font(10.0), theme::DIM);
    }
    response.on_hover_text("Highest peak in dBFS. Click to clear.")
}

/// Where a level in dBFS stands within the height of some bars.
fn place(bars: Rect) -> impl Fn(f32) -> f32 {
    move |db| egui::remap_clamp(db, FLOOR..=TOP, bars.bottom()..=bars.top())
}

/// Draws the bars of a meter alone, one a channel.
pub fn draw(ui: &Ui, meter: &Meter, channels: usize, rect: Rect) {
    let painter = ui.painter();
    let y = place(rect);
    let channels = channels.clamp(1, METERS);
    let gap = 2.0;
    let width = (rect.width() - gap * (channels - 1) as f32) / channels as f32;
    for channel in 0..channels {
        let bar = Rect::from_min_size(pos2(rect.left() + (width + gap) * channel as f32, rect.top()), vec2(width, rect.height()));
        painter.rect_filled(bar, 2.0, theme::WELL);
        let level = meter.level[channel];
        if level > FLOOR {
            // Three zones in brightness too: up to -12, up to 0, over.
            for (from, to, color) in [(FLOOR, -12.0, theme::faded(theme::WARM, 0.62)), (-12.0, 0.0, theme::WARM), (0.0, TOP, theme::ALERT)]
            {
                if level > from {
                    let part = Rect::from_min_max(pos2(bar.left(), y(level.min(to))), pos2(bar.right(), y(from)));
                    painter.rect_filled(part, 1.0, color);
                }
            }
        }
        let hold = meter.hold[channel];
        if hold > FLOOR {
            let line = Rect::from_min_size(pos2(bar.left(), y(hold) - 1.0), vec2(bar.width(), 2.0));
            painter.rect_filled(line, 0.0, if hold > 0.0 { theme::ALERT } else { theme::TEXT });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_hold_then_fall_and_the_highest_stays_until_cleared() {
        let mut meter = Meter::default();
        meter.update([0.5, 0.0], 0.03);
        let peak = meter.hold[0];
        assert!((peak + 6.02).abs() < 0.01);
        for _ in 0..30 {
            meter.update([0.0, 0.0], 0.03);
        }
        assert!(meter.level[0] < -20.0 && meter.hold[0] == peak);
        for _ in 0..200 {
            meter.update([0.0, 0.0], 0.03);
        }
        assert!(meter.at_rest() && meter.highest == peak);
        meter.clear();
        assert_eq!(meter.highest, f32::NEG_INFINITY);
    }
}
