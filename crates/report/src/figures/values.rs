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
    numbers::{count, short},
    previews::Preview,
    style::{INK, placed},
    svg::{Drawing, Mark, Place},
    value_histogram::BINS,
};

/// Sizes in pixels.
const WIDTH: i32 = 340;
const BARS_HEIGHT: i32 = 70;
const MARGIN: i32 = 8;

/// Draws the histogram of the pixel values under a scaling.
pub fn values(row: &Preview) -> Result<Figure, ReportError> {
    let [low, high] = row.histogram.ends();
    let bottom = MARGIN + BARS_HEIGHT;
    let mut drawing = Drawing::new((WIDTH as u32, (bottom + 22) as u32));
    drawing.layer(None, |area| {
        for (corners, color) in row.histogram.rectangles([MARGIN; 2], [WIDTH - 2 * MARGIN, BARS_HEIGHT], INK)
        {
            area.draw(&Rectangle::new(corners, color.filled()))?;
        }
        area.draw_text(&low, &placed(HPos::Left, VPos::Top), (MARGIN, bottom + 5))?;
        area.draw_text(&high, &placed(HPos::Right, VPos::Top), (WIDTH - MARGIN, bottom + 5))?;
        Ok(())
    })?;
    drawing.marks(None, &marks(row));
    Ok(Figure {
        name: format!("values-{}", slug(&row.name)),
        title: format!("Histogram of the pixel values under {}, from {low} to {high}", row.name),
        caption: String::new(),
        is_wide: false,
        arm: None,
        svg: drawing.finish(),
    })
}

/// Returns a mark for each bar, from the top of the figure to its axis.
fn marks(row: &Preview) -> Vec<Mark> {
    let interval = row.histogram.interval();
    let edge = |bin: usize| bin as f64 / BINS as f64;
    let value = |bin: usize| short(interval.low + edge(bin) * (interval.high - interval.low), interval);
    let x = |bin: usize| MARGIN + (edge(bin) * f64::from(WIDTH - 2 * MARGIN)).round() as i32;
    let mark = |(bin, &number): (usize, &u64)| Mark {
        place: Place::Cell([(x(bin), MARGIN), (x(bin + 1), MARGIN + BARS_HEIGHT)]),
        text: format!("{} to {}: {} pixels", value(bin), value(bin + 1), count(number as usize)),
    };
    let counts = row.histogram.counts().iter().enumerate();
    counts.filter(|(_, number)| **number > 0).map(mark).collect()
}
