//! Statistics of pixels: exact for bytes, in `f64` for scaled values.

use pulp::Arch;
use rayon::prelude::*;

/// Number of pixel positions that one thread sums at a time, over all images.
pub(crate) const POSITIONS: usize = 256;

/// Exact sums over bytes. The mean and standard deviation computed from them are rounded once each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PixelSums {
    /// Number of pixels.
    pub count: u64,
    /// Σx.
    pub sum: u64,
    /// Σx².
    pub sum_of_squares: u64,
}

impl PixelSums {
    /// Returns the sums over a slice of bytes.
    pub fn of(pixels: &[u8]) -> Self {
        // This machine's widest vectors are about twice as fast as portable ones.
        Arch::new().dispatch(
            #[inline(always)]
            || Self::of_run(pixels),
        )
    }

    #[allow(clippy::inline_always)] // Only inlined code uses the vectors.
    #[inline(always)]
    fn of_run(pixels: &[u8]) -> Self {
        // In blocks this small, the sums fit in `u32` (255² · 4096 < 2³²), so the loop vectorises.
        pixels.chunks(4096).fold(Self::default(), |sums, block| {
            let (sum, sum_of_squares) = block.iter().fold((0_u32, 0_u32), |(sum, squares), &pixel| {
                let pixel = u32::from(pixel);
                (sum + pixel, squares + pixel * pixel)
            });
            sums.merge(Self {
                count: block.len() as u64,
                sum: sum.into(),
                sum_of_squares: sum_of_squares.into(),
            })
        })
    }

    /// Adds complete images of `image` bytes each to one sum per group. There is 1 group for all pixels, or C groups
    /// for the channels, or C·H·W groups for the positions.
    pub fn add_grouped(sums: &mut [Self], pixels: &[u8], image: usize) {
        if sums.len() == image {
            return Self::add_per_position(sums, pixels);
        }
        // The sums are integers, so they are the same for every division into parts.
        let part = image * pixels.len().div_ceil(image * rayon::current_num_threads()).max(1);
        let parts: Vec<Vec<Self>> =
            pixels.par_chunks(part).map(|pixels| Self::per_run(pixels, image, sums.len())).collect();
        for part in parts {
            for (sums, part) in sums.iter_mut().zip(part) {
                *sums = sums.merge(part);
            }
        }
    }

    fn per_run(pixels: &[u8], image: usize, groups: usize) -> Vec<Self> {
        if groups == 1 {
            return vec![Self::of(pixels)];
        }
        let mut sums = vec![Self::default(); groups];
        for (index, run) in pixels.chunks_exact(image / groups).enumerate() {
            let sums = &mut sums[index % groups];
            *sums = sums.merge(Self::of(run));
        }
        sums
    }

    fn add_per_position(sums: &mut [Self], pixels: &[u8]) {
        /// Largest number of images whose sums of squares fit in 32 bits: 255² · 66,051 < 2³².
        const IMAGES: usize = 66_051;
        let image = sums.len();
        sums.par_chunks_mut(POSITIONS).enumerate().for_each(|(part, totals)| {
            for images in pixels.chunks(IMAGES * image) {
                let (mut sums, mut squares) = ([0_u32; POSITIONS], [0_u32; POSITIONS]);
                for one in images.chunks_exact(image) {
                    let run = &one[part * POSITIONS..][..totals.len()];
                    for ((sum, square), &pixel) in sums.iter_mut().zip(&mut squares).zip(run) {
                        let pixel = u32::from(pixel);
                        *sum += pixel;
                        *square += pixel * pixel;
                    }
                }
                let count = (images.len() / image) as u64;
                for ((total, sum), square) in totals.iter_mut().zip(sums).zip(squares) {
                    *total = total.merge(Self { count, sum: sum.into(), sum_of_squares: square.into() });
                }
            }
        });
    }

    /// Returns the sums over both parts.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            sum_of_squares: self.sum_of_squares + other.sum_of_squares,
        }
    }

    /// Returns the mean, correctly rounded (count and sum are below 2⁵³ for fewer than 3.5·10¹³ pixels).
    pub fn mean(self) -> f64 {
        self.sum as f64 / self.count as f64
    }

    /// Returns the population standard deviation, correctly rounded: √(n·Σx² − (Σx)²) / n.
    ///
    /// # Panics
    /// When there are no pixels.
    pub fn std(self) -> f64 {
        let (count, sum) = (u128::from(self.count), u128::from(self.sum));
        let dividend = count * u128::from(self.sum_of_squares) - sum * sum;
        let divisor = count * count;
        let (mut quotient, mut remainder) = (dividend / divisor, dividend % divisor);
        if dividend == 0 {
            return 0.0;
        }
        // Continue the long division, bit by bit, until the root has 64 bits. Two bits of the quotient are one bit of
        // its root. Nothing overflows below 2⁶³ pixels.
        let mut fraction_bits = 0;
        while quotient < 1 << 126 {
            for _ in 0..2 {
                remainder <<= 1;
                let bit = remainder >= divisor;
                remainder -= if bit { divisor } else { 0 };
                quotient = quotient << 1 | u128::from(bit);
            }
            fraction_bits += 1;
        }
        let root = quotient.isqrt();
        // The lowest bit is set if any lower bit would be. Without it, the single rounding to 53 bits could mistake a
        // number just above the midpoint of two doubles for the midpoint.
        let is_exact = root * root == quotient && remainder == 0;
        let root = root | u128::from(!is_exact);
        root as f64 / (1_u128 << fraction_bits) as f64
    }
}

/// Count, minimum, maximum, mean and variance of real values. The moments of parts can be merged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    count: f64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    m2: f64,
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { count: 0.0, mean: 0.0, m2: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Moments {
    /// Computes the moments of values, in two passes in `f64`.
    pub fn of(values: impl ExactSizeIterator<Item = f64> + Clone) -> Self {
        let count = values.len() as f64;
        let mean = values.clone().sum::<f64>() / count.max(1.0);
        Self {
            count,
            mean,
            min: values.clone().fold(f64::INFINITY, f64::min),
            max: values.clone().fold(f64::NEG_INFINITY, f64::max),
            m2: values.map(|value| (value - mean).powi(2)).sum(),
        }
    }

    /// Returns the moments of both parts together.
    ///
    /// Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
    /// Variances" (1979), equation 2.1.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let delta = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + delta * other.count / count,
            m2: self.m2 + other.m2 + delta * delta * self.count * other.count / count,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// Returns the arithmetic mean.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Returns the population standard deviation.
    pub fn std(&self) -> f64 {
        (self.m2 / self.count).sqrt()
    }

    /// Returns the smallest value.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// Returns the largest value.
    pub fn max(&self) -> f64 {
        self.max
    }
}
