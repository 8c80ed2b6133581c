//! Colours, fonts and shapes.
//!
//! Dark and quiet, with one warm colour for what is heard and one cool colour for what goes in or is
//! taken away. Amber and blue stay apart for every common kind of colour blindness; nothing is told
//! by colour alone.

use egui::{Color32, CornerRadius, FontFamily, FontId, Shadow, Stroke, TextStyle, Visuals};

/// Behind everything.
pub const GROUND: Color32 = Color32::from_rgb(0x12, 0x15, 0x1a);
/// Panels and bars.
pub const PANEL: Color32 = Color32::from_rgb(0x1a, 0x1e, 0x25);
/// Pictures and wells.
pub const WELL: Color32 = Color32::from_rgb(0x0d, 0x10, 0x14);
/// Controls at rest.
pub const RAISED: Color32 = Color32::from_rgb(0x26, 0x2c, 0x35);
/// Controls under the pointer.
pub const HOVER: Color32 = Color32::from_rgb(0x31, 0x39, 0x45);
/// Hair lines.
pub const LINE: Color32 = Color32::from_rgb(0x2c, 0x33, 0x3d);
/// Text.
pub const TEXT: Color32 = Color32::from_rgb(0xdd, 0xe2, 0xe9);
/// Text of lesser weight; 5.6:1 on [`PANEL`].
pub const DIM: Color32 = Color32::from_rgb(0x93, 0x9d, 0xab);
/// What is heard.
pub const WARM: Color32 = Color32::from_rgb(0xf2, 0xa5, 0x4f);
/// What goes in, and what is taken away.
pub const COOL: Color32 = Color32::from_rgb(0x5f, 0xae, 0xe3);
/// Something needs the user.
pub const ALERT: Color32 = Color32::from_rgb(0xff, 0x7b, 0x6b);

/// A colour with an opacity from 0 to 1.
pub fn faded(color: Color32, opacity: f32) -> Color32 {
    color.gamma_multiply(opacity)
}

/// Proportional font of a size in points.
pub fn font(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// Sets the theme for a window.
pub fn apply(ctx: &egui::Context) {
    ctx.set_theme(egui::Theme::Dark);
    ctx.options_mut(|options| {
        // Zoom is ours: within limits, and kept in the state. A plugin does not quit.
        options.zoom_with_keyboard = false;
        options.quit_shortcuts.clear();
    });
    ctx.all_styles_mut(|style| {
        style.text_styles = [
            (TextStyle::Small, font(11.0)),
            (TextStyle::Body, font(13.0)),
            (TextStyle::Button, font(13.0)),
            (TextStyle::Heading, font(17.0)),
            (TextStyle::Monospace, FontId::new(12.0, FontFamily::Monospace)),
        ]
        .into();
        style.spacing.item_spacing = egui::vec2(6.0, 4.0);
        style.spacing.button_padding = egui::vec2(9.0, 4.0);
        style.spacing.interact_size.y = 24.0;
        style.spacing.menu_margin = egui::Margin::same(8);
        style.interaction.tooltip_delay = 0.6;
        style.interaction.selectable_labels = false;
        style.visuals = visuals();
    });
}

fn visuals() -> Visuals {
    let mut v = Visuals::dark();
    let radius = CornerRadius::same(5);
    v.override_text_color = Some(TEXT);
    v.weak_text_color = Some(DIM);
    v.panel_fill = GROUND;
    v.window_fill = PANEL;
    v.window_stroke = Stroke::new(1.0, LINE);
    v.window_corner_radius = CornerRadius::same(8);
    v.menu_corner_radius = CornerRadius::same(7);
    v.extreme_bg_color = WELL;
    v.text_edit_bg_color = Some(WELL);
    v.faint_bg_color = RAISED;
    v.hyperlink_color = COOL;
    v.error_fg_color = ALERT;
    v.warn_fg_color = WARM;
    v.selection.bg_fill = faded(WARM, 0.35);
    v.selection.stroke = Stroke::new(1.0, WARM);
    v.popup_shadow = Shadow { offset: [0, 6], blur: 18, spread: 0, color: Color32::from_black_alpha(120) };
    for (widget, fill) in [
        (&mut v.widgets.noninteractive, PANEL),
        (&mut v.widgets.inactive, RAISED),
        (&mut v.widgets.hovered, HOVER),
        (&mut v.widgets.active, HOVER),
        (&mut v.widgets.open, HOVER),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = Stroke::NONE;
        widget.fg_stroke = Stroke::new(1.0, TEXT);
        widget.corner_radius = radius;
        widget.expansion = 0.0;
    }
    v.widgets.noninteractive.bg_stroke = Stroke::new(1.0, LINE);
    v
}
