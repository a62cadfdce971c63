//! The geometry of a histogram, for figures and contact sheets alike.

use plotters::style::RGBColor;

use super::{BINS, ValueHistogram};
use crate::style::{BAR, ERROR};

/// Length of the line at zero beyond the bars, in pixels.
const OVERHANG: i32 = 3;

/// A filled rectangle: its upper left corner (inclusive), its lower right corner (exclusive) and its color.
pub type Filled = ([(i32, i32); 2], RGBColor);

impl ValueHistogram {
    /// Returns the rectangles of a histogram in drawing order: bars of log(1 + count), an axis below them in the
    /// color `ink`, and a red line at zero if zero is in the interval. The bars fit into a box of
    /// `[width, height]` at `[left, top]`, in pixels.
    pub(crate) fn rectangles(
        &self,
        [left, top]: [i32; 2],
        [width, height]: [i32; 2],
        ink: RGBColor,
    ) -> Vec<Filled> {
        let bottom = top + height;
        let x = |position: f64| left + (position * f64::from(width)).round() as i32;
        // Most pixels of a digit are background. On a linear scale, all other bars would be too low to see.
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
