//! The convolution block of the CNN as one operation.
//!
//! The body is made of Burn's primitives and runs on every backend; it stands in a crate of its own so
//! that a faster body can take its place without the model knowing.

use burn::tensor::{
    Tensor,
    activation::relu,
    module::{conv2d, max_pool2d},
    ops::{ConvOptions, MaxPoolOptions},
};

/// Side of the max-pool window, and its stride.
pub const POOL: usize = 2;

/// Convolution (stride 1, no padding) + bias → ReLU → 2×2 max-pool (stride 2, odd edges dropped).
///
/// # Shapes
/// - `input`: `[batch, channels_in, height, width]`
/// - `weight`: `[channels_out, channels_in, kernel_height, kernel_width]`
/// - `bias`: `[channels_out]`
/// - output: `[batch, channels_out, (height - kernel_height + 1) / 2, (width - kernel_width + 1) / 2]`
///
/// # Panics
/// When the shapes do not fit together.
pub fn conv_block(input: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    let features = relu(conv2d(input, weight, Some(bias), options));
    max_pool2d(features, MaxPoolOptions::new([POOL, POOL]))
}
