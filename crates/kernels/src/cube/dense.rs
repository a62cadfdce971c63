//! The dense layer: product, bias and activation in one launch, and one launch each for the gradients of the
//! parameters and of the input.

use burn::{backend::Cube, tensor::DType};
use burn_cubecl::tensor::CubeTensor;
use cubecl::{calculate_cube_count_elemwise, prelude::*};

use super::{LARGEST, contiguous, empty, sum_lanes, supported};
use crate::dense::{Activation, DenseBackend, DenseTraining, Layer, primitives};

/// Outputs of a row that a cube of the forward pass computes.
const OUTPUTS: usize = 8;

/// Threads that share each of these outputs: with few outputs and many inputs, one thread each would leave most of
/// a GPU idle.
const LANES: usize = 32;

/// Side of the square of results that a cube of a backward pass computes. The parts of the factors in shared memory have
/// the same side.
const TILE: usize = 16;

/// Computes [`OUTPUTS`] outputs of one row per cube. Each lane adds up every [`LANES`]-th product.
#[cube(launch)]
fn forward(
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    batch: usize,
    #[comptime] inputs: usize,
    #[comptime] outputs: usize,
    #[comptime] relu: bool,
) {
    let parts = comptime!(outputs.div_ceil(OUTPUTS));
    if CUBE_POS >= batch * parts {
        terminate!();
    }
    let row = CUBE_POS / parts;
    // Neighboring threads read neighboring weights.
    let (part, lane) = (UNIT_POS as usize % OUTPUTS, UNIT_POS as usize / OUTPUTS);
    let column = CUBE_POS % parts * OUTPUTS + part;
    let mut sum = 0.0f32;
    if column < outputs {
        let mut i = lane;
        while i < inputs {
            sum += input[row * inputs + i] * weight[i * outputs + column];
            i += LANES;
        }
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(OUTPUTS * LANES));
    shared[lane * OUTPUTS + part] = sum;
    sum_lanes(&mut shared, lane, part, 1usize, LANES, OUTPUTS);
    if lane == 0 && column < outputs {
        let mut value = shared[part] + bias[column];
        if relu && value <= 0.0 && !value.is_nan() {
            value = 0.0;
        }
        output[row * outputs + column] = value;
    }
}

/// Returns the gradient before the activation: zero where ReLU's output is zero.
#[cube]
fn masked(gradient: &[f32], output: &[f32], at: usize, #[comptime] relu: bool) -> f32 {
    let mut value = gradient[at];
    if relu {
        let output = output[at];
        if output <= 0.0 && !output.is_nan() {
            value = 0.0;
        }
    }
    value
}

/// Adds the product of two tiles to `sum`. `left[k][row]` and `right[k][column]` are the factors.
#[cube]
fn tile_product(left: &Shared<[f32]>, right: &Shared<[f32]>, row: usize, column: usize, sum: f32) -> f32 {
    let mut sum = sum;
    #[unroll]
    for k in 0..TILE {
        sum += left[k * PADDED + row] * right[k * PADDED + column];
    }
    sum
}

/// Distance of the rows of a tile in shared memory: odd, so that the threads that write a column of a tile use
/// different memory banks.
const PADDED: usize = TILE + 1;

/// Computes `gradient · weightᵀ`, a tile per cube.
#[cube(launch)]
fn input_gradient(
    gradient: &[f32],
    output: &[f32],
    weight: &[f32],
    of_input: &mut [f32],
    batch: usize,
    #[comptime] inputs: usize,
    #[comptime] outputs: usize,
    #[comptime] relu: bool,
) {
    let tiles = comptime!(inputs.div_ceil(TILE));
    let first_row = CUBE_POS / tiles * TILE;
    let first_column = CUBE_POS % tiles * TILE;
    if first_row >= batch {
        terminate!();
    }
    let (x, y) = (UNIT_POS as usize % TILE, UNIT_POS as usize / TILE);
    let mut left = Shared::<[f32]>::new_slice(comptime!(TILE * PADDED));
    let mut right = Shared::<[f32]>::new_slice(comptime!(TILE * PADDED));
    let mut sum = 0.0f32;
    for step in 0..comptime!(outputs.div_ceil(TILE)) {
        // Neighboring threads read neighboring values, so `x` counts along the rows of both factors.
        let k = step * TILE + x;
        let mut value = 0.0f32;
        if first_row + y < batch && k < outputs {
            value = masked(gradient, output, (first_row + y) * outputs + k, relu);
        }
        left[x * PADDED + y] = value;
        let mut value = 0.0f32;
        if first_column + y < inputs && k < outputs {
            value = weight[(first_column + y) * outputs + k];
        }
        right[x * PADDED + y] = value;
        sync_cube();
        sum = tile_product(&left, &right, y, x, sum);
        sync_cube();
    }
    if first_row + y < batch && first_column + x < inputs {
        of_input[(first_row + y) * inputs + first_column + x] = sum;
    }
}

/// Computes `inputᵀ · gradient`, a tile per cube. The bias acts as the weight of one more input that is always 1,
/// so its gradient is one more row of the product.
#[cube(launch)]
fn parameter_gradients(
    input: &[f32],
    gradient: &[f32],
    output: &[f32],
    of_weight: &mut [f32],
    of_bias: &mut [f32],
    batch: usize,
    #[comptime] inputs: usize,
    #[comptime] outputs: usize,
    #[comptime] relu: bool,
) {
    let tiles = comptime!(outputs.div_ceil(TILE));
    let first_row = CUBE_POS / tiles * TILE;
    let first_column = CUBE_POS % tiles * TILE;
    if first_row > inputs {
        terminate!();
    }
    let (x, y) = (UNIT_POS as usize % TILE, UNIT_POS as usize / TILE);
    let mut left = Shared::<[f32]>::new_slice(comptime!(TILE * PADDED));
    let mut right = Shared::<[f32]>::new_slice(comptime!(TILE * PADDED));
    let mut sum = 0.0f32;
    for step in 0..batch.div_ceil(TILE) {
        let k = step * TILE + y;
        let mut value = 0.0f32;
        if k < batch {
            if first_row + x < inputs {
                value = input[k * inputs + first_row + x];
            } else if first_row + x == inputs {
                value = 1.0;
            }
        }
        left[y * PADDED + x] = value;
        let mut value = 0.0f32;
        if k < batch && first_column + x < outputs {
            value = masked(gradient, output, k * outputs + first_column + x, relu);
        }
        right[y * PADDED + x] = value;
        sync_cube();
        sum = tile_product(&left, &right, y, x, sum);
        sync_cube();
    }
    let (row, column) = (first_row + y, first_column + x);
    if column < outputs {
        if row < inputs {
            of_weight[row * outputs + column] = sum;
        } else if row == inputs {
            of_bias[column] = sum;
        }
    }
}

/// Whether the kernels support a layer of these tensors.
fn fits(input: &CubeTensor, weight: &CubeTensor) -> bool {
    let [batch, inputs] = input.meta.shape().dims();
    let [rows, outputs] = weight.meta.shape().dims();
    supported(&[input, weight]) && rows == inputs && batch * outputs < LARGEST / OUTPUTS
}

/// Whether the kernels support the backward pass of a layer.
fn backward_fits(layer: &Layer<Cube>, gradient: &CubeTensor) -> bool {
    let [batch, _] = layer.input.meta.shape().dims();
    let [_, outputs] = layer.weight.meta.shape().dims();
    let of_batch = |tensor: &CubeTensor| {
        let shape: [usize; 2] = tensor.meta.shape().dims();
        supported(&[tensor]) && shape == [batch, outputs]
    };
    fits(&layer.input, &layer.weight) && of_batch(gradient) && layer.after_relu.as_ref().is_none_or(of_batch)
}

/// Returns a launch of a cube of [`TILE`]² threads for each tile of a matrix.
fn tiles(of: &CubeTensor, rows: usize, columns: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d((TILE * TILE) as u32);
    let threads = rows.div_ceil(TILE) * columns.div_ceil(TILE) * TILE * TILE;
    (calculate_cube_count_elemwise(&of.client, threads, dim), dim)
}

impl DenseBackend for Cube {
    fn dense(input: CubeTensor, weight: CubeTensor, bias: CubeTensor, activation: Activation) -> CubeTensor {
        let [_, outputs] = weight.meta.shape().dims();
        if !fits(&input, &weight) || !supported(&[&bias]) || bias.meta.shape().num_elements() != outputs {
            return primitives::dense::<Self>(input, weight, bias, activation);
        }
        let [input, weight, bias] = contiguous([input, weight, bias]);
        let [batch, inputs] = input.meta.shape().dims();
        let output = empty(&input, [batch, outputs], DType::F32);
        let dim = CubeDim::new_1d((OUTPUTS * LANES) as u32);
        let threads = batch * outputs.div_ceil(OUTPUTS) * OUTPUTS * LANES;
        forward::launch(
            &output.client,
            calculate_cube_count_elemwise(&output.client, threads, dim),
            dim,
            input.into_buffer_arg(),
            weight.into_buffer_arg(),
            bias.into_buffer_arg(),
            output.clone().into_buffer_arg(),
            batch,
            inputs,
            outputs,
            activation == Activation::Relu,
        );
        output
    }
}

impl DenseTraining for Cube {
    /// The kernels apply ReLU's gradient themselves.
    fn before_activation(layer: Layer<Self>, gradient: CubeTensor) -> (Layer<Self>, CubeTensor) {
        (layer, gradient)
    }

    fn input_gradient(layer: Layer<Self>, gradient: CubeTensor) -> CubeTensor {
        if !backward_fits(&layer, &gradient) {
            return primitives::input_gradient(layer, gradient);
        }
        let relu = layer.after_relu.is_some();
        // Without ReLU, the kernel does not read the output, but needs a tensor for the argument.
        let output = layer.after_relu.unwrap_or_else(|| layer.weight.clone());
        let [gradient, output, weight] = contiguous([gradient, output, layer.weight]);
        let [batch, inputs] = layer.input.meta.shape().dims();
        let [_, outputs] = weight.meta.shape().dims();
        let of_input = empty(&weight, [batch, inputs], DType::F32);
        let (count, dim) = tiles(&of_input, batch, inputs);
        input_gradient::launch(
            &of_input.client,
            count,
            dim,
            gradient.into_buffer_arg(),
            output.into_buffer_arg(),
            weight.into_buffer_arg(),
            of_input.clone().into_buffer_arg(),
            batch,
            inputs,
            outputs,
            relu,
        );
        of_input
    }

    fn parameter_gradients(layer: Layer<Self>, gradient: CubeTensor) -> (CubeTensor, CubeTensor) {
        if !backward_fits(&layer, &gradient) {
            return primitives::parameter_gradients(layer, gradient);
        }
        let relu = layer.after_relu.is_some();
        // As in `input_gradient`.
        let output = layer.after_relu.unwrap_or_else(|| layer.input.clone());
        let [input, gradient, output] = contiguous([layer.input, gradient, output]);
        let [batch, inputs] = input.meta.shape().dims();
        let [_, outputs] = gradient.meta.shape().dims();
        let of_weight = empty(&input, [inputs, outputs], DType::F32);
        let of_bias = empty(&input, [outputs], DType::F32);
        let (count, dim) = tiles(&of_weight, inputs + 1, outputs);
        parameter_gradients::launch(
            &of_weight.client,
            count,
            dim,
            input.into_buffer_arg(),
            gradient.into_buffer_arg(),
            output.into_buffer_arg(),
            of_weight.clone().into_buffer_arg(),
            of_bias.clone().into_buffer_arg(),
            batch,
            inputs,
            outputs,
            relu,
        );
        (of_weight, of_bias)
    }
}
