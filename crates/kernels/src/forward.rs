//! A forward pass of the convolution block, as its backward pass needs it.

use burn::backend::{
    Backend,
    tensor::{FloatTensor, IntTensor},
};

/// The inputs and results of a forward pass that its backward pass needs.
#[derive(Debug, Clone)]
pub struct Forward<B: Backend> {
    /// The block's input, `[batch, channels_in, height, width]`.
    pub input: FloatTensor<B>,
    /// `[channels_out, channels_in, kernel_height, kernel_width]`
    pub weight: FloatTensor<B>,
    /// `[channels_out]`
    pub bias: FloatTensor<B>,
    /// The block's output, `[batch, channels_out, output_height, output_width]`.
    pub output: FloatTensor<B>,
    /// Where each output comes from, in the backend's own form; of the output's shape.
    pub winners: IntTensor<B>,
}
