//! Histograms of the pixel values under a scaling.

use plotters::{
    prelude::Rectangle,
    style::{
        Color,
        text_anchor::{HPos, VPos},
    },
};

use super::{Figure, slug};
use crate::{
    ReportError,
    previews::Preview,
    style::{INK, placed, svg},
};

/// Sizes in pixels.
const WIDTH: i32 = 340;
const BARS_HEIGHT: i32 = 70;
const MARGIN: i32 = 8;

/// Draws the histogram of the pixel values under a scaling.
pub fn values(row: &Preview) -> Result<Figure, ReportError> {
    let [low, high] = row.histogram.ends();
    let bottom = MARGIN + BARS_HEIGHT;
    let drawn = svg((WIDTH as u32, (bottom + 22) as u32), |area| {
        for (corners, color) in row.histogram.rectangles([MARGIN; 2], [WIDTH - 2 * MARGIN, BARS_HEIGHT], INK)
        {
            area.draw(&Rectangle::new(corners, color.filled()))?;
        }
        area.draw_text(&low, &placed(HPos::Left, VPos::Top), (MARGIN, bottom + 5))?;
        area.draw_text(&high, &placed(HPos::Right, VPos::Top), (WIDTH - MARGIN, bottom + 5))?;
        Ok(())
    })?;
    Ok(Figure {
        name: format!("values-{}", slug(&row.name)),
        title: format!("Histogram of the pixel values under {}, from {low} to {high}", row.name),
        caption: String::new(),
        is_wide: false,
        svg: drawn,
    })
}
