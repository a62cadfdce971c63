//! What a training step of the CNN spends its time on, as Burn operations of our own: the convolution
//! block, the matrix product of the dense layers, and Adam.
//!
//! On the CPU backend Flex they have bodies of their own, written for the vector instructions that the
//! machine turns out to have; on every other backend, and for shapes that the bodies do not know, Burn's
//! primitives do the work. The results are equal to rounding, see `tests/`.
//!
//! Where to look: [`conv_block`] and its [`operation`] for Burn, `convolution` for the arithmetic,
//! [`matmul`] and [`Adam`] each in its file.

// Only what is inlined into an operation is compiled for the instruction set that it runs on.
#![allow(clippy::inline_always)]

mod adam;
#[cfg(feature = "flex")]
mod aligned;
#[cfg(feature = "flex")]
mod convolution;
#[cfg(feature = "flex")]
mod flex;
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
pub fn conv_block(input: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    assert_eq!(input.dims()[1], weight.dims()[1], "the weights are for as many channels as the input has");
    assert_eq!(bias.dims()[0], weight.dims()[0], "there is a bias for each output channel");
    Tensor::from_dispatch(<Dispatch as ConvBlockBackend>::conv_block(
        input.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// The same as [`conv_block`], as Burn's own operations one after the other: what the fused block is
/// measured against.
///
/// # Panics
/// When the shapes do not fit together.
pub fn conv_block_of_primitives(input: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    let features = relu(conv2d(input, weight, Some(bias), options));
    max_pool2d(features, MaxPoolOptions::new([POOL, POOL]))
}
