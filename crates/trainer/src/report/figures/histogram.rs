//! How often which value occurs after a scaling.

use anyhow::Result;
use plotters::{
    prelude::{PathElement, Rectangle, Text},
    style::{
        Color,
        text_anchor::{HPos, VPos},
    },
};

use super::{
    Figure,
    canvas::{BAR, ERROR, INK, placed, svg},
    slug,
};
use crate::report::{
    contact_sheet::{Row, short},
    numbers::with_minus,
};

/// In pixels.
const WIDTH: i32 = 340;
const BARS_HEIGHT: i32 = 70;
const MARGIN: i32 = 8;

/// Bars of log(1 + count): most pixels of a digit are background, which would let nothing else be seen. A
/// red line is at zero.
pub fn values(row: &Row) -> Result<Figure> {
    let interval = row.histogram.interval();
    let counts = row.histogram.counts();
    let log = |count: u64| (count as f64).ln_1p();
    let highest = counts.iter().copied().map(log).fold(f64::MIN_POSITIVE, f64::max);
    let bottom = MARGIN + BARS_HEIGHT;
    let place = |part: f64| MARGIN + (part * f64::from(WIDTH - 2 * MARGIN)).round() as i32;
    let drawn = svg((WIDTH as u32, (bottom + 22) as u32), |area| {
        for (bin, &count) in counts.iter().enumerate() {
            let [left, right] = [bin, bin + 1].map(|edge| place(edge as f64 / counts.len() as f64));
            let top = bottom - (log(count) / highest * f64::from(BARS_HEIGHT)).ceil() as i32;
            if count > 0 {
                area.draw(&Rectangle::new([(left, top), (right, bottom)], BAR.filled()))?;
            }
        }
        let axis = vec![(MARGIN, bottom), (WIDTH - MARGIN, bottom)];
        area.draw(&PathElement::new(axis, INK.mix(0.5)))?;
        if interval.contains(0.0) {
            let zero = place(interval.position(0.0));
            let line = vec![(zero, MARGIN - 4), (zero, bottom + 3)];
            area.draw(&PathElement::new(line, ERROR.stroke_width(2)))?;
        }
        let [low, high] = [interval.low, interval.high].map(|end| with_minus(&short(end, interval)));
        area.draw(&Text::new(low, (MARGIN, bottom + 5), placed(HPos::Left, VPos::Top)))?;
        area.draw(&Text::new(high, (WIDTH - MARGIN, bottom + 5), placed(HPos::Right, VPos::Top)))?;
        Ok(())
    })?;
    let [low, high] = [interval.low, interval.high].map(|end| with_minus(&short(end, interval)));
    Ok(Figure {
        name: format!("values-{}", slug(&row.name)),
        title: format!("Histogram of the values under {}, from {low} to {high}", row.name),
        caption: String::new(),
        is_wide: false,
        svg: drawn,
    })
}
