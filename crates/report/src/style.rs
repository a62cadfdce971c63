//! Colors, fonts and the legend of all figures.

use std::error::Error;

use plotters::{
    coord::Shift,
    prelude::{Circle, DrawingArea, Polygon, SVGBackend, Text},
    style::{
        Color, IntoFont, RGBColor, ShapeStyle, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

/// The color of text and axes. The page replaces it with its own text color.
pub const INK: RGBColor = RGBColor(31, 35, 40);

/// The color of errors, and of zero in a histogram.
pub const ERROR: RGBColor = RGBColor(209, 73, 91);

/// The color of bars.
pub const BAR: RGBColor = RGBColor(125, 160, 205);

/// The color of the highest value in a heat map.
pub const HEAT: RGBColor = RGBColor(0, 114, 178);

/// The colors of the scalings: fixed, so that a scaling has the same color in every figure of every report. Each has a
/// contrast of at least 3:1 on the page's white and on its dark background. The first three are from Okabe and Ito,
/// <https://jfly.uni-koeln.de/color/>. A search chose the others for the largest distance to each other. It also counted
/// the distance that readers see who are blind to red or green.
const COLORS: [(&str, RGBColor); 8] = [
    ("normalize", RGBColor(0, 114, 178)),
    ("center", RGBColor(213, 94, 0)),
    ("standardize", RGBColor(0, 158, 115)),
    ("none", RGBColor(73, 110, 110)),
    ("normalize-center", RGBColor(188, 120, 166)),
    ("sample-center", RGBColor(221, 26, 196)),
    ("sample-standardize", RGBColor(59, 78, 251)),
    ("zca", RGBColor(204, 14, 62)),
];

/// The color of custom scalings.
const CUSTOM: RGBColor = RGBColor(25, 122, 255);

/// How the marks of an arm look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The color of its scaling.
    pub color: RGBColor,
    /// Number of earlier arms with the same color. It decides the shape of the marks.
    pub shape: usize,
}

/// Width of a figure. All sizes here are in pixels. Two figures fit side by side on a screen, and one is legible on
/// a phone.
pub const WIDTH: u32 = 440;

/// Height of the text.
pub const LETTERS: u32 = 12;

/// Height of a line of the legend.
const LEGEND_LINE: i32 = 18;

/// The result of drawing. Each part of plotters has a different error type.
pub type Drawn = Result<(), Box<dyn Error>>;

/// The area of a figure.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Returns the color of a scaling.
pub fn color(scaling: &str) -> RGBColor {
    COLORS.iter().find(|(name, _)| *name == scaling).map_or(CUSTOM, |(_, color)| *color)
}

/// Draws the mark of an arm: a circle, square, triangle or diamond around `center`, with this radius.
pub fn mark(area: &Area, (x, y): (i32, i32), radius: i32, look: Look, style: ShapeStyle) -> Drawn {
    let corners = |corners: &[(i32, i32)]| {
        Polygon::new(corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>(), style)
    };
    let (r, long) = (radius, radius + 1);
    match look.shape % 4 {
        0 => area.draw(&Circle::new((x, y), radius, style))?,
        1 => area.draw(&corners(&[(-r, -r), (r, -r), (r, r), (-r, r)]))?,
        2 => area.draw(&corners(&[(-long, r), (0, -long), (long, r)]))?,
        _ => area.draw(&corners(&[(-long, 0), (0, -long), (long, 0), (0, long)]))?,
    }
    Ok(())
}

/// Formats a color for SVG.
pub fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

/// Estimates the width of a text. The estimate is rather too large than too small.
pub fn text_width(text: &str) -> i32 {
    (text.chars().count() as f64 * f64::from(LETTERS) * 0.6).ceil() as i32
}

/// Returns a text style with this height and color.
pub fn letters(height: u32, color: &impl Color) -> TextStyle<'static> {
    // plotters-svg (<https://docs.rs/plotters-svg>) divides font sizes by 1.24.
    ("sans-serif", f64::from(height) * 1.24).into_font().color(color)
}

/// Returns the default text style with this anchor.
pub fn placed(horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    letters(LETTERS, &INK).pos(Pos::new(horizontal, vertical))
}

/// An entry of a legend: an arm's look and name.
pub type Entry<'a> = (Look, &'a str);

/// Arranges a legend in lines: the index and the left end of each entry.
fn legend_lines(names: &[Entry], width: i32) -> Vec<Vec<(usize, i32)>> {
    let mut lines: Vec<Vec<(usize, i32)>> = vec![Vec::new()];
    let mut left = 0;
    for (index, (_, name)) in names.iter().enumerate() {
        let entry = text_width(name) + 34;
        if left > 0 && left + entry > width {
            lines.push(Vec::new());
            left = 0;
        }
        if let Some(line) = lines.last_mut() {
            line.push((index, left));
        }
        left += entry;
    }
    lines
}

/// Returns the height of the legend of these names.
pub fn legend_height(names: &[Entry]) -> u32 {
    (legend_lines(names, WIDTH as i32 - 20).len() as i32 * LEGEND_LINE + 6) as u32
}

/// Draws one entry of the legend of these names, which has its upper left corner at `(10, top)`.
pub fn legend_entry(area: &Area, names: &[Entry], entry: usize, top: i32) -> Drawn {
    for (number, line) in legend_lines(names, WIDTH as i32 - 20).into_iter().enumerate() {
        let middle = top + number as i32 * LEGEND_LINE + LEGEND_LINE / 2;
        for (_, left) in line.into_iter().filter(|(index, _)| *index == entry) {
            let (left, (look, name)) = (left + 10, names[entry]);
            mark(area, (left + 6, middle), 5, look, look.color.filled())?;
            let text = Text::new(name.to_owned(), (left + 17, middle), placed(HPos::Left, VPos::Center));
            area.draw(&text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance, <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>.
    fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
        let linear = |byte: u8| {
            let value = f64::from(byte) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    #[test]
    fn colors_are_distinct_and_visible_on_both_backgrounds() {
        let (paper, night) = (RGBColor(255, 255, 255), RGBColor(0x14, 0x17, 0x1c));
        let colors: Vec<RGBColor> = COLORS.iter().map(|(_, color)| *color).chain([CUSTOM]).collect();
        for (index, color) in colors.iter().enumerate() {
            assert!(!colors[..index].contains(color), "{color:?} occurs twice");
            assert!((luminance(paper) + 0.05) / (luminance(*color) + 0.05) >= 3.0, "{color:?} on white");
            assert!((luminance(*color) + 0.05) / (luminance(night) + 0.05) >= 3.0, "{color:?} on black");
        }
    }

    #[test]
    fn every_preset_has_a_color_of_its_own() {
        for preset in mnist_data::scaling::preset_names() {
            assert_ne!(color(preset), CUSTOM, "{preset}");
        }
    }
}
