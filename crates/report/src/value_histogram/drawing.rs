//! Where the parts of a histogram are drawn: the same in a figure and on a contact sheet.

use plotters::style::RGBColor;

use super::{BINS, ValueHistogram};
use crate::style::{BAR, ERROR};

/// How far the line at zero reaches beyond the bars, in pixels.
const OVERHANG: i32 = 3;

/// A filled rectangle's upper left corner and its lower right one, which is outside, and its colour.
pub type Filled = ([(i32, i32); 2], RGBColor);

impl ValueHistogram {
    /// Bars of log(1 + count) in a box of `[width, height]` at `[left, top]`, in pixels; below it an axis in
    /// `ink`; and a red line at zero. To be drawn in this order.
    pub(crate) fn rectangles(
        &self,
        [left, top]: [i32; 2],
        [width, height]: [i32; 2],
        ink: RGBColor,
    ) -> Vec<Filled> {
        let bottom = top + height;
        let x = |position: f64| left + (position * f64::from(width)).round() as i32;
        // Most pixels of a digit are background: by count alone, all other bars would be too low to see.
        let log = |count: u64| (count as f64).ln_1p();
        let highest = self.counts.iter().copied().map(log).fold(f64::MIN_POSITIVE, f64::max);
        let bar = |(bin, &count): (usize, &u64)| {
            let [from, to] = [bin, bin + 1].map(|edge| x(edge as f64 / BINS as f64));
            let bar_height = (log(count) / highest * f64::from(height)).ceil() as i32;
            ([(from, bottom - bar_height), (to, bottom)], BAR)
        };
        let counted = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let mut rectangles: Vec<Filled> = counted.map(bar).collect();
        rectangles.push(([(left, bottom), (left + width, bottom + 1)], ink));
        if self.interval.contains(0.0) {
            let zero = x(self.interval.position(0.0));
            rectangles.push(([(zero - 1, top - OVERHANG), (zero + 1, bottom + OVERHANG)], ERROR));
        }
        rectangles
    }
}
