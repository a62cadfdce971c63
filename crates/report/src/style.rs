//! Colors, fonts and the legend of all figures.

use std::error::Error;

use plotters::{
    coord::Shift,
    prelude::{DrawingArea, EmptyElement, IntoDrawingArea, Rectangle, SVGBackend, Text},
    style::{
        Color, IntoFont, RGBColor, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::ReportError;

/// The color of text and axes. The page replaces it with its own text color.
pub const INK: RGBColor = RGBColor(31, 35, 40);

/// The color of errors, and of zero in a histogram.
pub const ERROR: RGBColor = RGBColor(209, 73, 91);

/// The color of bars.
pub const BAR: RGBColor = RGBColor(125, 160, 205);

/// The colors of the arms. They are visible on white and on black, and distinct for color-blind readers. Adapted
/// from Okabe and Ito, <https://jfly.uni-koeln.de/color/>.
const PALETTE: [RGBColor; 6] = [
    RGBColor(0, 130, 200),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(206, 142, 0),
    RGBColor(128, 128, 128),
];

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

/// Returns the color of an arm by its position in the ranking, counted from 0.
pub fn color(position: usize) -> RGBColor {
    PALETTE[position % PALETTE.len()]
}

/// Formats a color for SVG.
pub fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

/// Draws an SVG of this width and height.
pub fn svg(size: (u32, u32), draw: impl FnOnce(&Area) -> Drawn) -> Result<String, ReportError> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let drawn = draw(&area).and_then(|()| Ok(area.present()?));
    drop(area);
    drawn.map_err(ReportError::draw("a figure"))?;
    Ok(svg)
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

/// Arranges a legend in lines: the index and the left end of each entry.
fn legend_lines(names: &[(usize, &str)], width: i32) -> Vec<Vec<(usize, i32)>> {
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
pub fn legend_height(names: &[(usize, &str)]) -> u32 {
    (legend_lines(names, WIDTH as i32 - 20).len() as i32 * LEGEND_LINE + 6) as u32
}

/// Draws the legend of these names with its upper left corner at `(10, top)`.
pub fn legend(area: &Area, names: &[(usize, &str)], top: i32) -> Drawn {
    for (number, line) in legend_lines(names, WIDTH as i32 - 20).into_iter().enumerate() {
        let middle = top + number as i32 * LEGEND_LINE + LEGEND_LINE / 2;
        for (index, left) in line {
            let (left, (position, name)) = (left + 10, names[index]);
            let swatch =
                Rectangle::new([(left, middle - 5), (left + 12, middle + 5)], color(position).filled());
            area.draw(&(EmptyElement::at((0, 0)) + swatch))?;
            let text = Text::new(name.to_owned(), (left + 17, middle), placed(HPos::Left, VPos::Center));
            area.draw(&text)?;
        }
    }
    Ok(())
}
