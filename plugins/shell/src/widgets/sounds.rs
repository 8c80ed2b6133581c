//! How classes of sound look: a colour and a shape for each, so that nothing is told by colour alone.

use dsp_core::detection::Sound;
use egui::{Color32, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, pos2, vec2};

/// Classes that are drawn, in the order of their lanes.
pub const DRAWN: [Sound; 5] = [Sound::S, Sound::Sh, Sound::F, Sound::Breath, Sound::Plosive];

/// A class's colour: apart for every common kind of colour blindness (M. Okabe, K. Ito, "Color
/// Universal Design", 2002).
pub fn color(sound: Sound) -> Color32 {
    match sound {
        Sound::None => Color32::TRANSPARENT,
        Sound::S => Color32::from_rgb(0xe6, 0x9f, 0x00),
        Sound::Sh => Color32::from_rgb(0x56, 0xb4, 0xe9),
        Sound::F => Color32::from_rgb(0x00, 0xb9, 0x86),
        Sound::Breath => Color32::from_rgb(0xd5, 0x88, 0xb4),
        Sound::Plosive => Color32::from_rgb(0xbe, 0xbe, 0xbe),
    }
}

/// A class's name for people.
pub fn name(sound: Sound) -> &'static str {
    match sound {
        Sound::None => "",
        Sound::S => "s, z",
        Sound::Sh => "sh, ch",
        Sound::F => "f, th",
        Sound::Breath => "breath",
        Sound::Plosive => "t, k, p",
    }
}

/// Draws a class's shape around a point, `radius` points large.
pub fn mark(painter: &Painter, sound: Sound, at: Pos2, radius: f32, color: Color32) {
    let around = |points: &[(f32, f32)]| points.iter().map(|(x, y)| pos2(at.x + x * radius, at.y + y * radius)).collect::<Vec<_>>();
    match sound {
        Sound::None => {}
        Sound::S => drop(painter.circle_filled(at, radius, color)),
        Sound::Sh => drop(painter.rect_filled(Rect::from_center_size(at, vec2(1.8, 1.8) * radius), 0.0, color)),
        Sound::F => {
            let corners = around(&[(0.0, -1.1), (1.1, 0.9), (-1.1, 0.9)]);
            painter.add(Shape::convex_polygon(corners, color, Stroke::NONE));
        }
        Sound::Breath => drop(painter.rect_stroke(
            Rect::from_center_size(at, vec2(1.7, 1.7) * radius),
            radius,
            Stroke::new(radius * 0.45, color),
            StrokeKind::Inside,
        )),
        Sound::Plosive => {
            let corners = around(&[(0.0, -1.2), (0.8, 0.0), (0.0, 1.2), (-0.8, 0.0)]);
            painter.add(Shape::convex_polygon(corners, color, Stroke::NONE));
        }
    }
}
