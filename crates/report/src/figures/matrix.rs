//! Matrices of numbers in colored cells: confusion matrices and heat maps of a grid.

use plotters::{
    prelude::{Rectangle, Text},
    style::{
        Color, FontTransform, IntoTextStyle, RGBAColor, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::{
    ReportError,
    style::{Area, Drawn, INK, LETTERS, letters, placed, text_width},
    svg::{Drawing, Mark, Place},
    text,
};

/// Height of a cell and its minimum width, in pixels.
const CELL: i32 = 36;

/// Height of the digits in a cell, in pixels.
const CELL_LETTERS: u32 = 11;

/// Maximum length of a name. Longer names are shortened in the middle, because names often differ at one end.
const LONGEST_NAME: usize = 18;

/// A cell of a matrix.
pub struct Cell {
    /// What stands in the cell.
    pub text: String,
    /// The color of the cell.
    pub fill: RGBAColor,
    /// The numbers that hovering shows; `None` if they add nothing.
    pub details: Option<String>,
}

/// A matrix to draw.
pub struct Matrix {
    /// What the columns are.
    pub columns_are: &'static str,
    /// What the rows are.
    pub rows_are: &'static str,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The names of the rows.
    pub rows: Vec<String>,
    /// The rows of cells.
    pub cells: Vec<Vec<Cell>>,
}

impl Matrix {
    /// Draws the matrix as SVG.
    pub fn draw(&self) -> Result<String, ReportError> {
        let [columns, rows] =
            [&self.columns, &self.rows].map(|names| names.iter().map(|name| shortened(name)).collect());
        let names: [Vec<String>; 2] = [columns, rows];
        let [longest_column, longest_row] =
            [0, 1].map(|side| names[side].iter().map(|name| text_width(name)).max().unwrap_or(0));
        let wide = self.cell_width();
        let is_turned = longest_column > wide - 4;
        let (left, top) = (longest_row + 34, 28 + if is_turned { longest_column } else { LETTERS as i32 });
        let (width, height) = (wide * self.columns.len() as i32, CELL * self.rows.len() as i32);
        let mut drawing = Drawing::new(((left + width + 8) as u32, (top + height + 8) as u32));
        let mut marks = Vec::new();
        drawing.layer(None, |area| {
            let center = left + width / 2;
            area.draw(&Text::new(self.columns_are, (center, 4), placed(HPos::Center, VPos::Top)))?;
            let upwards = FontTransform::Rotate270;
            let turned = |style: TextStyle<'static>| style.transform(upwards.clone());
            let middle = (8, top + height / 2);
            area.draw(&Text::new(self.rows_are, middle, turned(placed(HPos::Center, VPos::Top))))?;
            for (index, name) in names[0].iter().enumerate() {
                let along = left + index as i32 * wide + wide / 2;
                let style = if is_turned {
                    turned(placed(HPos::Left, VPos::Center))
                } else {
                    placed(HPos::Center, VPos::Bottom)
                };
                area.draw(&Text::new(name.clone(), (along, top - 5), style))?;
            }
            for (index, name) in names[1].iter().enumerate() {
                let down = top + index as i32 * CELL + CELL / 2;
                area.draw(&Text::new(name.clone(), (left - 6, down), placed(HPos::Right, VPos::Center)))?;
            }
            for (row, cells) in self.cells.iter().enumerate() {
                for (column, cell) in cells.iter().enumerate() {
                    let corner = (left + column as i32 * wide, top + row as i32 * CELL);
                    let corners = [corner, (corner.0 + wide, corner.1 + CELL)];
                    draw_cell(area, corners, cell)?;
                    let mark = |text: &String| Mark { place: Place::Cell(corners), text: text.clone() };
                    marks.extend(cell.details.as_ref().map(mark));
                }
            }
            Ok(())
        })?;
        drawing.marks(None, &marks);
        Ok(drawing.finish())
    }

    /// Returns a width that fits the longest text. A digit is 0.556 times as wide as high; commas are narrower.
    fn cell_width(&self) -> i32 {
        let texts = self.cells.iter().flatten().map(|cell| cell.text.len());
        let longest = texts.max().unwrap_or(0);
        CELL.max((longest as f64 * f64::from(CELL_LETTERS) * 0.556).ceil() as i32 + 4)
    }
}

fn draw_cell(area: &Area, corners: [(i32, i32); 2], cell: &Cell) -> Drawn {
    if cell.fill.3 > 0.0 {
        area.draw(&Rectangle::new(corners, cell.fill.filled()))?;
    }
    area.draw(&Rectangle::new(corners, INK.mix(0.12).stroke_width(1)))?;
    if !cell.text.is_empty() {
        let [(left, top), (right, bottom)] = corners;
        let middle = (i32::midpoint(left, right), i32::midpoint(top, bottom));
        let centered = Pos::new(HPos::Center, VPos::Center);
        let style = letters(CELL_LETTERS, &INK).pos(centered).into_text_style(area);
        area.draw(&Text::new(cell.text.clone(), middle, style))?;
    }
    Ok(())
}

fn shortened(name: &str) -> String {
    text::shortened(name, LONGEST_NAME)
}
