//! The convolution block: convolution, bias, ReLU and 2×2 max-pool in one launch, and one launch per gradient.
//!
//! The sizes are known when a kernel is compiled, so that index arithmetic divides by constants. Only the batch
//! size is not, because the last batch is often smaller.

use burn::{
    backend::Cube,
    tensor::{DType, Shape},
};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{THREADS, contiguous, cubes_for, empty, sum_lanes, supported};
use crate::{
    POOL,
    forward::Forward,
    operation::{ConvBlockBackend, ConvBlockTraining},
    primitives,
};

/// The winner of a window that ReLU makes zero. The others are 0 to 3: the place in the window, row by row.
const NONE: u32 = 4;

/// Largest number of weights per pair of channels: the loops over the weights are unrolled.
const LARGEST_KERNEL: usize = 64;

/// Largest number of columns of a kernel. The gradient of the weights keeps `f32` values for each column and thread
/// in shared memory, and some GPUs have only 16 KiB.
const MOST_COLUMNS: usize = 16;

/// Type of the winners of these kernels. The primitives' winners have another type, so the type shows which ran.
const WINNERS: DType = DType::U32;

/// Sizes of a block without its batch size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Geometry {
    channels_in: usize,
    channels_out: usize,
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
}

impl Geometry {
    /// Returns the sizes, or `None` if the kernels do not support the tensors.
    fn new(input: &CubeTensor, weight: &CubeTensor, bias: &CubeTensor) -> Option<Self> {
        let [batch, channels_in, height, width] = input.meta.shape().dims();
        let [channels_out, weight_channels, rows, columns] = weight.meta.shape().dims();
        let geometry = Self { channels_in, channels_out, height, width, rows, columns };
        let known = supported(&[input, weight, bias])
            && weight_channels == channels_in
            && bias.meta.shape().num_elements() == channels_out
            && rows * columns <= LARGEST_KERNEL
            && columns <= MOST_COLUMNS
            && height > rows
            && width > columns
            && batch * channels_out * geometry.output_len() < super::LARGEST;
        known.then_some(geometry)
    }

    fn output_height(&self) -> usize {
        (self.height + 1 - self.rows) / POOL
    }

    fn output_width(&self) -> usize {
        (self.width + 1 - self.columns) / POOL
    }

    /// Values of a channel of the output.
    fn output_len(&self) -> usize {
        self.output_height() * self.output_width()
    }

    /// Output channels per thread: each reads its patch of the input only once. Few, so that a small layer still
    /// has enough threads for a GPU.
    fn channels_per_thread(&self) -> usize {
        if self.channels_out.is_multiple_of(4) { 4 } else { 1 }
    }

    fn output_shape(&self, batch: usize) -> Shape {
        Shape::new([batch, self.channels_out, self.output_height(), self.output_width()])
    }

    /// Threads per row of a kernel in the gradient of the weights: about one for 32 terms of its sum.
    fn lanes(&self, batch: usize) -> usize {
        (batch * self.output_len() / 32).next_power_of_two().clamp(32, THREADS)
    }
}

/// Returns the convolution with bias for the four places of a window, for each of several output channels:
/// `result[channel * 4 + place]`.
#[cube]
#[expect(clippy::too_many_arguments, reason = "a kernel has no structs of slices")]
fn window(
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    image: usize,
    first_channel: usize,
    y: usize,
    x: usize,
    #[comptime] geometry: Geometry,
    #[comptime] channels: usize,
) -> Array<f32> {
    let Geometry { channels_in, height, width, rows, columns, .. } = comptime!(geometry);
    let patch_columns = comptime!(columns + 1);
    let mut sums = Array::<f32>::new(comptime!(channels * 4));
    #[unroll]
    for i in 0..comptime!(channels * 4) {
        sums[i] = bias[first_channel + comptime!(i / 4)];
    }
    let mut patch = Array::<f32>::new(comptime!((rows + 1) * (columns + 1)));
    for channel in 0..channels_in {
        let corner = ((image * channels_in + channel) * height + y * 2) * width + x * 2;
        #[unroll]
        for row in 0..comptime!(rows + 1) {
            #[unroll]
            for column in 0..patch_columns {
                patch[comptime!(row * patch_columns + column)] = input[corner + row * width + column];
            }
        }
        #[unroll]
        for out in 0..channels {
            let weights = ((first_channel + out) * channels_in + channel) * comptime!(rows * columns);
            #[unroll]
            for row in 0..rows {
                #[unroll]
                for column in 0..columns {
                    let weight = weight[weights + comptime!(row * columns + column)];
                    #[unroll]
                    for place in 0..4usize {
                        let at = comptime!((row + place / 2) * patch_columns + column + place % 2);
                        let sum = comptime!(out * 4 + place);
                        sums[sum] += patch[at] * weight;
                    }
                }
            }
        }
    }
    sums
}

/// Returns the largest value of a window after ReLU, and its place. Of equal values the first wins; NaN wins.
#[cube]
fn pool(sums: Array<f32>, #[comptime] out: usize) -> (f32, u32) {
    let mut largest = sums[comptime!(out * 4)];
    let mut winner = 0u32;
    #[unroll]
    for place in 1..4usize {
        let value = sums[comptime!(out * 4 + place)];
        if value > largest || value.is_nan() {
            largest = value;
            winner = comptime!(place as u32);
        }
    }
    if largest <= 0.0 && !largest.is_nan() {
        largest = 0.0;
        winner = comptime!(NONE);
    }
    (largest, winner)
}

/// Computes the output and the winners. A thread computes one position of several output channels.
#[cube(launch)]
fn training_forward(
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    winners: &mut [u32],
    threads: usize,
    #[comptime] geometry: Geometry,
    #[comptime] channels: usize,
) {
    if ABSOLUTE_POS >= threads {
        terminate!();
    }
    let len = comptime!(geometry.output_len());
    let columns = comptime!(geometry.output_width());
    let groups = comptime!(geometry.channels_out / channels);
    let position = ABSOLUTE_POS % len;
    let group = ABSOLUTE_POS / len % groups;
    let image = ABSOLUTE_POS / len / groups;
    let (y, x) = (position / columns, position % columns);
    let sums = window(input, weight, bias, image, group * channels, y, x, geometry, channels);
    #[unroll]
    for out in 0..channels {
        let (value, winner) = pool(sums, out);
        let at = (image * comptime!(geometry.channels_out) + group * channels + out) * len + position;
        output[at] = value;
        winners[at] = winner;
    }
}

/// Computes the output alone, in the same way as [`training_forward`].
#[cube(launch)]
fn inference_forward(
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    threads: usize,
    #[comptime] geometry: Geometry,
    #[comptime] channels: usize,
) {
    if ABSOLUTE_POS >= threads {
        terminate!();
    }
    let len = comptime!(geometry.output_len());
    let columns = comptime!(geometry.output_width());
    let groups = comptime!(geometry.channels_out / channels);
    let position = ABSOLUTE_POS % len;
    let group = ABSOLUTE_POS / len % groups;
    let image = ABSOLUTE_POS / len / groups;
    let (y, x) = (position / columns, position % columns);
    let sums = window(input, weight, bias, image, group * channels, y, x, geometry, channels);
    #[unroll]
    for out in 0..channels {
        let (value, _winner) = pool(sums, out);
        let at = (image * comptime!(geometry.channels_out) + group * channels + out) * len + position;
        output[at] = value;
    }
}

/// Computes the gradient of the input. A thread computes a 2×2 square of it, aligned with the windows. So it is known
/// when the kernel is compiled which weight connects a place of a window with a pixel of the square.
///
/// Zero gradients are multiplied too, so that an infinite weight makes the result NaN, as in the primitives.
#[cube(launch)]
fn input_gradient(
    weight: &[f32],
    gradient: &[f32],
    winners: &[u32],
    of_input: &mut [f32],
    threads: usize,
    #[comptime] geometry: Geometry,
) {
    if ABSOLUTE_POS >= threads {
        terminate!();
    }
    let Geometry { channels_in, channels_out, height, width, rows, columns } = comptime!(geometry);
    let output_height = comptime!(geometry.output_height());
    let output_width = comptime!(geometry.output_width());
    let square_columns = comptime!(width.div_ceil(2));
    let square_rows = comptime!(height.div_ceil(2));
    let square_x = ABSOLUTE_POS % square_columns;
    let square_y = ABSOLUTE_POS / square_columns % square_rows;
    let channel = ABSOLUTE_POS / comptime!(square_columns * square_rows) % channels_in;
    let image = ABSOLUTE_POS / comptime!(square_columns * square_rows * channels_in);

    let mut sums = Array::<f32>::new(4usize);
    #[unroll]
    for pixel in 0..4usize {
        sums[pixel] = 0.0;
    }
    for out in 0..channels_out {
        let weights = (out * channels_in + channel) * comptime!(rows * columns);
        let plane = (image * channels_out + out) * comptime!(output_height * output_width);
        // The window at (square_y - up, square_x - left) reaches this square.
        #[unroll]
        for up in 0..comptime!(rows / 2 + 1) {
            #[unroll]
            for left in 0..comptime!(columns / 2 + 1) {
                let inside = square_y >= up
                    && square_x >= left
                    && square_y < comptime!(output_height + up)
                    && square_x < comptime!(output_width + left);
                if inside {
                    let at = plane + (square_y - up) * output_width + square_x - left;
                    let (gradient, winner) = (gradient[at], winners[at]);
                    #[unroll]
                    for place in 0..4usize {
                        let mut value = 0.0f32;
                        if winner == comptime!(place as u32) {
                            value = gradient;
                        }
                        #[unroll]
                        for pixel in 0..4usize {
                            // One more than the row and column of the weight, because these may be negative.
                            let row = comptime!(2 * up + pixel / 2 + 1 - place / 2);
                            let column = comptime!(2 * left + pixel % 2 + 1 - place % 2);
                            if comptime!((1..=rows).contains(&row) && (1..=columns).contains(&column)) {
                                let tap = comptime!((row - 1) * columns + column - 1);
                                sums[pixel] += value * weight[weights + tap];
                            }
                        }
                    }
                }
            }
        }
    }
    #[unroll]
    for pixel in 0..4usize {
        let y = square_y * 2 + comptime!(pixel / 2);
        let x = square_x * 2 + comptime!(pixel % 2);
        if y < height && x < width {
            of_input[((image * channels_in + channel) * height + y) * width + x] = sums[pixel];
        }
    }
}

/// Computes the gradients of the weights and the bias. A cube computes one row of a kernel; after the rows of all
/// kernels, a cube computes the bias of one channel. Each thread, a "lane", adds up every `lanes`-th term.
///
/// A window without a winner counts as a zero at its first place, so that infinite inputs still show.
#[cube(launch)]
fn parameter_gradients(
    input: &[f32],
    gradient: &[f32],
    winners: &[u32],
    of_weight: &mut [f32],
    of_bias: &mut [f32],
    terms: usize,
    #[comptime] geometry: Geometry,
    #[comptime] lanes: usize,
) {
    let Geometry { channels_in, channels_out, height, width, rows, columns } = comptime!(geometry);
    let len = comptime!(geometry.output_len());
    let output_width = comptime!(geometry.output_width());
    let kernel_rows = comptime!(channels_out * channels_in * rows);
    let lane = UNIT_POS as usize;
    if CUBE_POS >= comptime!(kernel_rows + channels_out) {
        terminate!();
    }
    let is_bias = CUBE_POS >= kernel_rows;
    let mut out = CUBE_POS / comptime!(channels_in * rows);
    if is_bias {
        out = CUBE_POS - kernel_rows;
    }
    let channel = CUBE_POS / rows % channels_in;
    let row = CUBE_POS % rows;

    let mut sums = Array::<f32>::new(columns);
    #[unroll]
    for column in 0..columns {
        sums[column] = 0.0;
    }
    let mut term = lane;
    while term < terms {
        let (image, position) = (term / len, term % len);
        let at = (image * channels_out + out) * len + position;
        let mut value = gradient[at];
        let mut winner = winners[at] as usize;
        if winner == comptime!(NONE as usize) {
            value = 0.0;
            winner = 0usize;
        }
        if is_bias {
            sums[0] += value;
        } else {
            let y = position / output_width * 2 + winner / 2 + row;
            let x = position % output_width * 2 + winner % 2;
            let first = ((image * channels_in + channel) * height + y) * width + x;
            #[unroll]
            for column in 0..columns {
                sums[column] += value * input[first + column];
            }
        }
        term += lanes;
    }

    let mut shared = Shared::<[f32]>::new_slice(comptime!(lanes * columns));
    #[unroll]
    for column in 0..columns {
        shared[lane * columns + column] = sums[column];
    }
    sum_lanes(&mut shared, lane, 0usize, columns, lanes, columns);
    if is_bias {
        if lane == 0 {
            of_bias[out] = shared[0];
        }
    } else if lane < columns {
        of_weight[CUBE_POS * columns + lane] = shared[lane];
    }
}

impl ConvBlockBackend for Cube {
    fn conv_block(input: CubeTensor, weight: CubeTensor, bias: CubeTensor) -> CubeTensor {
        let Some(geometry) = Geometry::new(&input, &weight, &bias) else {
            return primitives::forward::<Self>(input, weight, bias);
        };
        let [input, weight, bias] = contiguous([input, weight, bias]);
        let output = empty(&input, geometry.output_shape(input.meta.shape()[0]), DType::F32);
        let channels = geometry.channels_per_thread();
        let threads = output.meta.shape().num_elements() / channels;
        let (count, dim) = cubes_for(&output, threads, THREADS);
        inference_forward::launch(
            &output.client,
            count,
            dim,
            input.into_buffer_arg(),
            weight.into_buffer_arg(),
            bias.into_buffer_arg(),
            output.clone().into_buffer_arg(),
            threads,
            geometry,
            channels,
        );
        output
    }
}

impl ConvBlockTraining for Cube {
    fn forward_with_winners(
        input: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
    ) -> (CubeTensor, CubeTensor) {
        let Some(geometry) = Geometry::new(&input, &weight, &bias) else {
            return primitives::forward_with_winners::<Self>(input, weight, bias);
        };
        let [input, weight, bias] = contiguous([input, weight, bias]);
        let shape = geometry.output_shape(input.meta.shape()[0]);
        let output = empty(&input, shape.clone(), DType::F32);
        let winners = empty(&input, shape, WINNERS);
        let channels = geometry.channels_per_thread();
        let threads = output.meta.shape().num_elements() / channels;
        let (count, dim) = cubes_for(&output, threads, THREADS);
        training_forward::launch(
            &output.client,
            count,
            dim,
            input.into_buffer_arg(),
            weight.into_buffer_arg(),
            bias.into_buffer_arg(),
            output.clone().into_buffer_arg(),
            winners.clone().into_buffer_arg(),
            threads,
            geometry,
            channels,
        );
        (output, winners)
    }

    fn input_gradient(forward: Forward<Self>, output_gradient: CubeTensor) -> CubeTensor {
        let Some(geometry) = computed_here(&forward, &output_gradient) else {
            return primitives::input_gradient(forward, output_gradient);
        };
        let shape = forward.input.meta.shape().clone();
        let [weight, gradient] = contiguous([forward.weight, output_gradient]);
        let of_input = empty(&weight, shape.clone(), DType::F32);
        let [batch, channels, height, width] = shape.dims();
        let threads = batch * channels * height.div_ceil(2) * width.div_ceil(2);
        let (count, dim) = cubes_for(&of_input, threads, THREADS);
        input_gradient::launch(
            &of_input.client,
            count,
            dim,
            weight.into_buffer_arg(),
            gradient.into_buffer_arg(),
            forward.winners.into_buffer_arg(),
            of_input.clone().into_buffer_arg(),
            threads,
            geometry,
        );
        of_input
    }

    fn parameter_gradients(forward: Forward<Self>, output_gradient: CubeTensor) -> (CubeTensor, CubeTensor) {
        let Some(geometry) = computed_here(&forward, &output_gradient) else {
            return primitives::parameter_gradients(forward, output_gradient);
        };
        let [input, gradient] = contiguous([forward.input, output_gradient]);
        let batch = input.meta.shape()[0];
        let of_weight = empty(&input, forward.weight.meta.shape().clone(), DType::F32);
        let of_bias = empty(&input, forward.bias.meta.shape().clone(), DType::F32);
        let lanes = geometry.lanes(batch);
        let cubes = geometry.channels_out * (geometry.channels_in * geometry.rows + 1);
        let (count, dim) = cubes_for(&input, cubes * lanes, lanes);
        parameter_gradients::launch(
            &of_weight.client,
            count,
            dim,
            input.into_buffer_arg(),
            gradient.into_buffer_arg(),
            forward.winners.into_buffer_arg(),
            of_weight.clone().into_buffer_arg(),
            of_bias.clone().into_buffer_arg(),
            batch * geometry.output_len(),
            geometry,
            lanes,
        );
        (of_weight, of_bias)
    }
}

/// Returns the sizes of a block, or `None` if its forward pass ran the primitives or the gradient does not fit.
fn computed_here(forward: &Forward<Cube>, gradient: &CubeTensor) -> Option<Geometry> {
    // Only the kernels create winners of this type, so the backward pass can trust them.
    let ours = forward.winners.dtype == WINNERS
        && gradient.dtype == DType::F32
        && gradient.meta.shape() == forward.winners.meta.shape();
    ours.then(|| Geometry::new(&forward.input, &forward.weight, &forward.bias)).flatten()
}
