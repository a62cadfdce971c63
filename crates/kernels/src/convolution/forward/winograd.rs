//! Winograd's minimal filtering algorithm F(2×2, 3×3). It computes the four results of a pool window with 16
//! multiplications per pair of channels instead of 36. The names, such as `A`, `B` and `G`, are those of [Lavin
//! and Gray, 2016](https://arxiv.org/abs/1509.09308).
//!
//! For each window, with its 4×4 patch `d` and each filter `g`:
//! ```text
//! U = G g Gᵀ     V = Bᵀ d B     M = Σ over channels of U ∘ V     Y = Aᵀ M A
//! ```
//! The sums `M` are computed as 16 small matrix products, one for each element of `U ∘ V`.
//!
//! # Rounding
//! The transforms only add and halve. Their error is a few roundings of the largest values in the patch and
//! filter, where a direct sum has a few roundings of its largest products.
//!
//! If a patch is constant along its rows or its columns, equal results stay equal to the bit, so ties in the
//! max-pool stay ties. If it is constant along a diagonal, equal results may differ by rounding.

use pulp::Simd;

use super::{Image, Results, pool, relu};
use crate::{
    aligned::{self, Line},
    convolution::{Geometry, KERNEL, POOL, POSITIONS, SIDE, TAPS, load, multiply_add, read, store},
};

/// Number of elements in a patch.
const ELEMENTS: usize = SIDE * SIDE;
/// Number of windows computed together. With four registers of channels, they have 20 sums.
const WINDOWS: usize = 5;
/// Maximum number of windows whose results are stored together.
pub(super) const STORED: usize = 5 * WINDOWS;

/// Returns the transformed weights, `U = G g Gᵀ`, as `[4, 4, stride / 16, channels_in, 16]`. The loop transforms one
/// cache line of filters at a time.
pub(super) fn pack(geometry: &Geometry, stride: usize, weight: &[f32]) -> Vec<Line> {
    let channels_in = geometry.channels_in;
    let mut weights = aligned::zeros(ELEMENTS * channels_in * stride);
    let packed = aligned::floats_mut(&mut weights);
    for (group, filters) in weight.chunks(Line::FLOATS * channels_in * TAPS).enumerate() {
        for channel in 0..channels_in {
            let mut taps = [[0.0; Line::FLOATS]; TAPS];
            for (lane, filter) in filters.chunks_exact(channels_in * TAPS).enumerate() {
                for (tap, &value) in filter[channel * TAPS..][..TAPS].iter().enumerate() {
                    taps[tap][lane] = value;
                }
            }
            let column = |x| transform_filter(&taps[x], &taps[KERNEL + x], &taps[2 * KERNEL + x]);
            let columns = [column(0), column(1), column(2)];
            for y in 0..SIDE {
                let row = transform_filter(&columns[0][y], &columns[1][y], &columns[2][y]);
                for x in 0..SIDE {
                    let block = (y * SIDE + x) * (stride / Line::FLOATS) + group;
                    let start = (block * channels_in + channel) * Line::FLOATS;
                    packed[start..][..Line::FLOATS].copy_from_slice(&row[x]);
                }
            }
        }
    }
    weights
}

/// Returns `G g` for a column `g` of each filter in a cache line of filters.
fn transform_filter(
    a: &[f32; Line::FLOATS],
    b: &[f32; Line::FLOATS],
    c: &[f32; Line::FLOATS],
) -> [[f32; Line::FLOATS]; SIDE] {
    let (mut sum, mut alternating) = (*a, *a);
    for lane in 0..Line::FLOATS {
        sum[lane] = 0.5 * (a[lane] + b[lane] + c[lane]);
        alternating[lane] = 0.5 * (a[lane] - b[lane] + c[lane]);
    }
    [*a, sum, alternating, *c]
}

impl Image<'_> {
    /// Computes all windows with Winograd's algorithm.
    #[inline(always)]
    pub(super) fn winograd<S: Simd, const WINNERS: bool>(
        &self,
        simd: S,
        weights: &[f32],
        results: &mut Results<'_, WINNERS>,
    ) {
        let channels = self.geometry.channels_in.next_multiple_of(Line::FLOATS);
        let mut patches = aligned::zeros(ELEMENTS * WINDOWS * channels);
        let stride = self.convolution.stride;
        let mut products = aligned::zeros(ELEMENTS * WINDOWS * stride);
        let (patches, products) = (aligned::floats_mut(&mut patches), aligned::floats_mut(&mut products));
        for stored in self.corners.chunks(STORED) {
            for (group, windows) in stored.chunks(WINDOWS).enumerate() {
                for (index, &corner) in windows.iter().enumerate() {
                    self.transform_patch(simd, corner, &mut patches[index * channels..], WINDOWS * channels);
                }
                multiply(simd, self.geometry.channels_in, patches, weights, products);
                for index in 0..windows.len() {
                    let products = &products[index * stride..];
                    let window = group * WINDOWS + index;
                    self.transform_products(simd, products, WINDOWS * stride, window, results);
                }
            }
            results.store(stored.len());
        }
    }

    /// Writes `V = Bᵀ d B` of a window to `target`, with its elements `distance` apart.
    #[inline(always)]
    fn transform_patch<S: Simd>(&self, simd: S, corner: usize, target: &mut [f32], distance: usize) {
        let channels_in = self.geometry.channels_in;
        for channel in (0..channels_in).step_by(S::F32_LANES) {
            // The compiler omits the code for partial registers only where it knows that they are full.
            if channels_in - channel >= S::F32_LANES {
                self.transform_lanes(simd, corner + channel, S::F32_LANES, &mut target[channel..], distance);
            } else {
                self.transform_lanes(
                    simd,
                    corner + channel,
                    channels_in - channel,
                    &mut target[channel..],
                    distance,
                );
            }
        }
    }

    /// Transforms the patch of `lanes` channels whose first value is at `start`.
    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds checks would cost as much as the arithmetic")]
    fn transform_lanes<S: Simd>(
        &self,
        simd: S,
        start: usize,
        lanes: usize,
        target: &mut [f32],
        distance: usize,
    ) {
        let (row, channels_in) = (self.geometry.row(), self.geometry.channels_in);
        assert!(start + (SIDE - 1) * (row + channels_in) + lanes <= self.input.len());
        assert!((ELEMENTS - 1) * distance + S::F32_LANES <= target.len());
        let mut rows = [[simd.splat_f32s(0.0); SIDE]; SIDE];
        for y in 0..SIDE {
            let mut d = [simd.splat_f32s(0.0); SIDE];
            for x in 0..SIDE {
                // SAFETY: by the first assertion, the patch ends inside the image.
                let pixels = unsafe { self.input.get_unchecked(start + y * row + x * channels_in..) };
                // SAFETY: as above.
                d[x] = read(simd, unsafe { pixels.get_unchecked(..lanes) });
            }
            rows[y] = transform_input(simd, d);
        }
        for x in 0..SIDE {
            let column = transform_input(simd, [rows[0][x], rows[1][x], rows[2][x], rows[3][x]]);
            for y in 0..SIDE {
                // SAFETY: by the second assertion, all elements end inside `target`.
                unsafe { store(simd, target.as_mut_ptr().add((y * SIDE + x) * distance), column[y]) };
            }
        }
    }

    /// Computes `Y = Aᵀ M A` of a window, then applies bias, ReLU and max-pool. In `products`, the elements of `M`
    /// are `distance` apart.
    #[inline(always)]
    #[expect(unsafe_code, reason = "bounds checks would cost as much as the arithmetic")]
    fn transform_products<S: Simd, const WINNERS: bool>(
        &self,
        simd: S,
        products: &[f32],
        distance: usize,
        window: usize,
        results: &mut Results<'_, WINNERS>,
    ) {
        let stride = self.convolution.stride;
        let bias = aligned::floats(&self.convolution.bias);
        assert!(bias.len() == stride && (ELEMENTS - 1) * distance + stride <= products.len());
        let mut channel = 0;
        while channel < self.geometry.channels_out {
            let mut rows = [[simd.splat_f32s(0.0); POOL]; SIDE];
            for y in 0..SIDE {
                let mut m = [simd.splat_f32s(0.0); SIDE];
                for x in 0..SIDE {
                    // SAFETY: by the assertion, each element has `stride` products, which holds full registers.
                    m[x] = unsafe { load(simd, products.as_ptr().add((y * SIDE + x) * distance + channel)) };
                }
                rows[y] = transform_output(simd, m);
            }
            let mut values = [simd.splat_f32s(0.0); POSITIONS];
            for x in 0..POOL {
                let column = transform_output(simd, [rows[0][x], rows[1][x], rows[2][x], rows[3][x]]);
                for y in 0..POOL {
                    values[y * POOL + x] = column[y];
                }
            }
            // Adding the bias cannot reverse the order of two values. It can make them equal by rounding; the winner is
            // then the one that was larger before.
            let bias = read(simd, &bias[channel..][..S::F32_LANES]);
            let (largest, winner) = pool::<S, false>(simd, values);
            let (largest, winner) = relu(simd, simd.add_f32s(largest, bias), winner);
            // SAFETY: the window is one of the group, and `stride` holds full registers.
            unsafe { results.keep(simd, window, channel, largest, winner) };
            channel += S::F32_LANES;
        }
    }
}

/// Returns `Bᵀ d` for a column `d`.
#[inline(always)]
fn transform_input<S: Simd>(simd: S, d: [S::f32s; SIDE]) -> [S::f32s; SIDE] {
    [
        simd.sub_f32s(d[0], d[2]),
        simd.add_f32s(d[1], d[2]),
        simd.sub_f32s(d[2], d[1]),
        simd.sub_f32s(d[1], d[3]),
    ]
}

/// Returns `Aᵀ m` for a column `m`.
#[inline(always)]
fn transform_output<S: Simd>(simd: S, m: [S::f32s; SIDE]) -> [S::f32s; POOL] {
    [simd.add_f32s(simd.add_f32s(m[0], m[1]), m[2]), simd.sub_f32s(simd.sub_f32s(m[1], m[2]), m[3])]
}

/// Computes the 16 matrix products `[windows, channels_in] × [channels_in, channels_out]`.
#[inline(always)]
fn multiply<S: Simd>(simd: S, channels_in: usize, patches: &[f32], weights: &[f32], products: &mut [f32]) {
    let stride = products.len() / (ELEMENTS * WINDOWS);
    for element in 0..ELEMENTS {
        let patches = part(patches, element);
        let weights = part(weights, element);
        let products = &mut products[element * WINDOWS * stride..][..WINDOWS * stride];
        let mut line = 0;
        while line < stride / Line::FLOATS {
            line += match (S::F32_LANES, stride / Line::FLOATS - line) {
                // Twenty sums.
                (16, 4..) => multiply_lines::<S, 4, 1>(simd, line, channels_in, patches, weights, products),
                (16, 2..) => multiply_lines::<S, 2, 1>(simd, line, channels_in, patches, weights, products),
                (16, _) => multiply_lines::<S, 1, 1>(simd, line, channels_in, patches, weights, products),
                // Ten sums.
                (8, _) => multiply_lines::<S, 1, 2>(simd, line, channels_in, patches, weights, products),
                // Twenty sums: too many for 16 registers, but the portable instruction set is not tuned.
                _ => multiply_lines::<S, 1, 4>(simd, line, channels_in, patches, weights, products),
            };
        }
    }
}

/// Returns the values of one element.
#[inline(always)]
fn part(values: &[f32], element: usize) -> &[f32] {
    let len = values.len() / ELEMENTS;
    &values[element * len..][..len]
}

/// Computes `LINES` cache lines of output channels, from `line` on, of one product. Each has `REGISTERS` registers.
#[inline(always)]
#[expect(unsafe_code, reason = "an innermost loop, see `load`")]
fn multiply_lines<S: Simd, const LINES: usize, const REGISTERS: usize>(
    simd: S,
    line: usize,
    channels_in: usize,
    patches: &[f32],
    weights: &[f32],
    products: &mut [f32],
) -> usize {
    let patch_stride = patches.len() / WINDOWS;
    let stride = products.len() / WINDOWS;
    assert!(channels_in <= patch_stride && weights.len() == channels_in * stride);
    assert!((line + LINES) * Line::FLOATS <= stride && REGISTERS * S::F32_LANES == Line::FLOATS);
    let mut sums = [[[simd.splat_f32s(0.0); REGISTERS]; LINES]; WINDOWS];
    // SAFETY: by the assertions, each window has `channels_in` patch values, each line has that many rows of weights,
    // and each window has a row of `stride` products. The lines end inside a row.
    unsafe {
        let first = weights.as_ptr().add(line * channels_in * Line::FLOATS);
        for input in 0..channels_in {
            let mut weight = [[simd.splat_f32s(0.0); REGISTERS]; LINES];
            for line in 0..LINES {
                let row = first.add((line * channels_in + input) * Line::FLOATS);
                for register in 0..REGISTERS {
                    weight[line][register] = load(simd, row.add(register * S::F32_LANES));
                }
            }
            for window in 0..WINDOWS {
                let value = simd.splat_f32s(*patches.as_ptr().add(window * patch_stride + input));
                for line in 0..LINES {
                    for register in 0..REGISTERS {
                        let sum = &mut sums[window][line][register];
                        *sum = multiply_add(simd, weight[line][register], value, *sum);
                    }
                }
            }
        }
        for window in 0..WINDOWS {
            for lines in 0..LINES {
                for register in 0..REGISTERS {
                    let start = (line + lines) * Line::FLOATS + register * S::F32_LANES;
                    store(
                        simd,
                        products.as_mut_ptr().add(window * stride + start),
                        sums[window][lines][register],
                    );
                }
            }
        }
    }
    LINES
}
