//! The tensors that the convolution block keeps from its forward pass.

use burn::backend::{
    Backend,
    tensor::{FloatTensor, IntTensor},
};

/// The inputs and results of a forward pass that the backward pass needs.
#[derive(Debug, Clone)]
pub struct Forward<B: Backend> {
    /// The block's input, `[batch, channels_in, height, width]`.
    pub input: FloatTensor<B>,
    /// The convolution's weights, `[channels_out, channels_in, kernel_height, kernel_width]`.
    pub weight: FloatTensor<B>,
    /// The convolution's bias, `[channels_out]`.
    pub bias: FloatTensor<B>,
    /// The block's output, `[batch, channels_out, output_height, output_width]`.
    pub output: FloatTensor<B>,
    /// For each output value, the position that won its pool window. The shape is that of the output; the
    /// encoding depends on the backend.
    pub winners: IntTensor<B>,
}
