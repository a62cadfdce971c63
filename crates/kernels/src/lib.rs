//! What a training step of the CNN spends its time on, as Burn operations of our own: the convolution
//! block, the matrix product of the dense layers, and Adam.
//!
//! On the CPU backend Flex, our own kernels run, compiled for the vector instructions that the machine has.
//! On every other backend, and for shapes that the kernels do not support, Burn's primitives run. The
//! results agree up to rounding; `tests/` checks that.
//!
//! Where to look: [`conv_block`] and its [`operation`] for Burn, `convolution` for the arithmetic,
//! [`matmul`] and [`Adam`] each in its own file.

// Only what is inlined into an operation is compiled for the instruction set that it runs on.
#![allow(clippy::inline_always)]

mod adam;
#[cfg(feature = "flex")]
mod aligned;
#[cfg(feature = "flex")]
mod convolution;
#[cfg(feature = "flex")]
mod flex;
mod forward;
mod instruction_set;
mod matmul;
pub mod operation;
mod peak;
mod primitives;

use burn::{
    backend::Dispatch,
    tensor::{
        Tensor,
        activation::relu,
        module::{conv2d, max_pool2d},
        ops::{ConvOptions, MaxPoolOptions},
    },
};

pub use adam::Adam;
pub use matmul::matmul;
use operation::ConvBlockBackend;
pub use peak::fma_peak;

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
///
/// # Example
/// ```
/// use burn::tensor::{Device, Tensor};
/// use mnist_kernels::conv_block;
///
/// let device = Device::flex();
/// let images = Tensor::<4>::ones([8, 1, 28, 28], &device);
/// let weight = Tensor::<4>::ones([32, 1, 3, 3], &device);
/// let bias = Tensor::<1>::ones([32], &device);
///
/// // 28 - 3 + 1 = 26 pixels a side after the convolution, half as many after the max-pool.
/// let output = conv_block(images, weight, bias);
/// assert_eq!(output.dims(), [8, 32, 13, 13]);
/// // Nine pixels of 1 with weights of 1, and a bias of 1.
/// assert_eq!(output.max().into_scalar::<f32>(), 10.0);
/// ```
pub fn conv_block(input: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    assert_eq!(input.dims()[1], weight.dims()[1], "the weights are for as many channels as the input has");
    assert_eq!(bias.dims()[0], weight.dims()[0], "there is a bias for each output channel");
    Tensor::from_dispatch(<Dispatch as ConvBlockBackend>::conv_block(
        input.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// The same as [`conv_block`], computed by Burn's own operations one after the other. Tests and benchmarks
/// compare the fused block with it.
///
/// # Panics
/// When the shapes do not fit together.
pub fn conv_block_of_primitives(input: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    let features = relu(conv2d(input, weight, Some(bias), options));
    max_pool2d(features, MaxPoolOptions::new([POOL, POOL]))
}

/// Compiles the README's example with the doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
