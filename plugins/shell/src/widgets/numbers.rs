//! Readings as large figures.

use crate::theme;
use egui::{Align2, Color32, Rect, Response, Sense, Ui, pos2, vec2};

/// How a number stands to what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is wanted of it.
    Plain,
    /// As wanted.
    Good,
    /// Not as wanted.
    Off,
    /// Beyond a limit.
    Over,
}

impl Standing {
    fn color(self) -> Color32 {
        match self {
            Self::Plain => theme::TEXT,
            Self::Good => theme::COOL,
            Self::Off => theme::WARM,
            Self::Over => theme::ALERT,
        }
    }
}

/// A number with one decimal, or a dash where there is none.
pub fn decimal(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => {
            let text = format!("{value:.1}");
            if text == "-0.0" { "0.0".to_owned() } else { text }
        }
        _ => "-".to_owned(),
    }
}

/// Draws a number of a size in points with its name above and its unit below, in a cell of a width and
/// the height that is there.
pub fn number(ui: &mut Ui, name: &str, text: &str, unit: &str, standing: Standing, (width, size): (f32, f32), help: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(width, ui.available_height()), Sense::hover());
    let painter = ui.painter_at(rect);
    let centre = rect.center();
    painter.text(pos2(centre.x, centre.y - size * 0.5 - 11.0), Align2::CENTER_CENTER, name, theme::font(11.5), theme::DIM);
    if standing == Standing::Over {
        let plate = Rect::from_center_size(centre, vec2(width - 8.0, size + 8.0));
        painter.rect_filled(plate, 4.0, theme::ALERT);
    }
    let color = if standing == Standing::Over { theme::WELL } else { standing.color() };
    painter.text(centre, Align2::CENTER_CENTER, text, theme::font(size), color);
    painter.text(pos2(centre.x, centre.y + size * 0.5 + 11.0), Align2::CENTER_CENTER, unit, theme::font(11.0), theme::DIM);
    response.on_hover_text(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_decimal_and_nothing_is_a_dash() {
        assert_eq!(
            [decimal(Some(-14.04)), decimal(Some(-0.01)), decimal(None), decimal(Some(f64::NEG_INFINITY))],
            ["-14.0", "0.0", "-", "-"]
        );
    }
}
