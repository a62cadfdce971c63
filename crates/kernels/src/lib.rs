//! Burn operations for the parts of a CNN's training step that take the most time: the convolution block, the
//! dense layers, the loss, and Adam.
//!
//! On the CPU backend Flex, they run kernels compiled for the machine's vector instructions. On GPUs, they run the
//! kernels in `cube`. On every other backend, and for shapes and element types that the kernels do not support, they
//! run Burn's own operations (the "primitives"). The results agree up to rounding; `tests/` checks this.
//!
//! Start with [`conv_block`]. [`operation`] connects it to Burn, and `convolution` contains its arithmetic.
//! [`dense`], [`matmul`], [`cross_entropy`], [`Adam`] and [`gather`] have a file each.

// A function uses the instruction set chosen at run time only if it is inlined into a `pulp` operation.
#![allow(clippy::inline_always)]

mod adam;
#[cfg(any(feature = "flex", feature = "wgpu"))]
mod adam_step;
#[cfg(feature = "flex")]
mod aligned;
#[cfg(feature = "flex")]
mod convolution;
mod cross_entropy;
#[cfg(feature = "wgpu")]
mod cube;
mod dense;
#[cfg(feature = "flex")]
mod flex;
mod forward;
mod gather;
mod gradients;
mod instruction_set;
pub mod launches;
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

pub use adam::{Adam, ModuleAdam};
pub use cross_entropy::cross_entropy;
pub use dense::{Activation, dense};
pub use gather::gather;
pub use instruction_set::instruction_set;
pub use matmul::matmul;
use operation::ConvBlockBackend;
pub use peak::{fma_peak, load_bandwidth, update_bandwidth};

/// Side and stride of the max-pool window.
pub const POOL: usize = 2;

/// Applies a convolution with bias, then ReLU, then a 2×2 max-pool.
///
/// The convolution has stride 1 and no padding. The max-pool has stride 2 and drops an odd last row or column.
///
/// # Shapes
/// - `input`: `[batch, channels_in, height, width]`
/// - `weight`: `[channels_out, channels_in, kernel_height, kernel_width]`
/// - `bias`: `[channels_out]`
/// - output: `[batch, channels_out, (height - kernel_height + 1) / 2, (width - kernel_width + 1) / 2]`
///
/// # Panics
/// If the shapes do not match.
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
/// // Each side has 28 - 3 + 1 = 26 pixels after the convolution, and 13 after the max-pool.
/// let output = conv_block(images, weight, bias);
/// assert_eq!(output.dims(), [8, 32, 13, 13]);
/// // Nine pixels times nine weights, all 1, plus a bias of 1.
/// assert_eq!(output.max().into_scalar::<f32>(), 10.0);
/// ```
pub fn conv_block(input: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    assert_eq!(input.dims()[1], weight.dims()[1], "weight must have as many input channels as the input");
    assert_eq!(bias.dims()[0], weight.dims()[0], "bias must have one value per output channel");
    Tensor::from_dispatch(<Dispatch as ConvBlockBackend>::conv_block(
        input.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// Computes the same as [`conv_block`], but with a sequence of Burn's own operations. Tests and benchmarks
/// compare the fused block with it.
///
/// # Panics
/// If the shapes do not match.
pub fn conv_block_of_primitives(input: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    let features = relu(conv2d(input, weight, Some(bias), options));
    max_pool2d(features, MaxPoolOptions::new([POOL, POOL]))
}

/// Runs the README's example as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
