//! The convolution block as a sequence of Burn's own operations.
//!
//! Backends without kernels always run these. Flex and GPUs run them for shapes and element types that their kernels
//! do not support. Flex also runs them in a training if an input is NaN or its absolute value is not below 10¹⁵. If a
//! weight is not finite, it runs them for the gradient of the input.

use burn::{
    backend::{
        Backend, TensorMetadata,
        ops::{ConvOptions, MaxPool2dWithIndices},
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{IntDType, Shape},
};

use crate::{POOL, forward::Forward};

const STRIDE: [usize; 2] = [POOL; 2];
const PADDING: [usize; 2] = [0; 2];
const DILATION: [usize; 2] = [1; 2];

/// Returns only the block's output.
pub(crate) fn forward<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    B::max_pool2d(features::<B>(input, weight, bias), [POOL; 2], STRIDE, PADDING, DILATION, false)
}

/// Returns the block's output and, for each value, its index in the channel before the max-pool.
pub(crate) fn forward_with_winners<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> (FloatTensor<B>, IntTensor<B>) {
    let features = features::<B>(input, weight, bias);
    let MaxPool2dWithIndices { output, indices } =
        B::max_pool2d_with_indices(features, [POOL; 2], STRIDE, PADDING, DILATION, false, IntDType::I32);
    (output, indices)
}

/// Returns the gradient of the input.
pub(crate) fn input_gradient<B: Backend>(
    forward: Forward<B>,
    output_gradient: FloatTensor<B>,
) -> FloatTensor<B> {
    let gradient = features_gradient(&forward, output_gradient);
    B::conv2d_x_backward(forward.input, forward.weight, gradient, convolution())
}

/// Returns the gradients of the weights and the bias.
pub(crate) fn parameter_gradients<B: Backend>(
    forward: Forward<B>,
    output_gradient: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let gradient = features_gradient(&forward, output_gradient);
    let Forward { input, weight, bias, .. } = forward;
    let bias = B::conv2d_bias_backward(input.clone(), bias, gradient.clone());
    (B::conv2d_weight_backward(input, weight, gradient, convolution()), bias)
}

fn convolution() -> ConvOptions<2> {
    ConvOptions::new([1, 1], [0, 0], [1, 1], 1)
}

/// Applies the convolution and ReLU.
fn features<B: Backend>(
    input: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    B::relu(B::conv2d(input, weight, Some(bias), convolution()))
}

/// Returns the gradient of the convolution's output.
///
/// ReLU passes a gradient only where its output is positive. For the winner of a window, that output is the
/// pooled value. So ReLU's backward pass can run before the max-pool's, on the smaller tensor.
fn features_gradient<B: Backend>(forward: &Forward<B>, output_gradient: FloatTensor<B>) -> FloatTensor<B> {
    let (input, weight) = (forward.input.shape(), forward.weight.shape());
    let shape = Shape::new([input[0], weight[0], input[2] + 1 - weight[2], input[3] + 1 - weight[3]]);
    let features = B::float_zeros(shape, &forward.input.device(), forward.input.dtype().into());
    let gradient = B::relu_backward(forward.output.clone(), output_gradient);
    let winners = forward.winners.clone();
    B::max_pool2d_with_indices_backward(
        features, [POOL; 2], STRIDE, PADDING, DILATION, false, gradient, winners,
    )
    .x_grad
}
