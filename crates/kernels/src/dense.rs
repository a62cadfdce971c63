//! A dense layer as a Burn operation: matrix product, bias and activation.
//!
//! Burn's own operations add the bias and apply ReLU in two more passes over memory, each into a new tensor. On
//! Flex, this operation does both in place. Its results have the same bits. On GPUs, it is a single launch.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::Tensor,
};

use crate::{gradients::register, matmul::MatmulBackend};

/// What follows the product and the bias of a [`dense`] layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// max(x, 0). NaN stays NaN.
    Relu,
}

/// Applies a dense layer: `activation(input · weight + bias)`.
///
/// # Shapes
/// - `input`: `[batch, features_in]`
/// - `weight`: `[features_in, features_out]`
/// - `bias`: `[features_out]`
/// - output: `[batch, features_out]`
///
/// # Panics
/// If the shapes do not match.
///
/// # Example
/// ```
/// use burn::tensor::{Device, Tensor};
/// use mnist_kernels::{Activation, dense};
///
/// let device = Device::flex();
/// let images = Tensor::<2>::ones([64, 1600], &device);
/// let weight = Tensor::<2>::ones([1600, 10], &device);
/// let bias = Tensor::<1>::full([10], -1601.0, &device);
///
/// let logits = dense(images.clone(), weight.clone(), bias.clone(), Activation::Identity);
/// assert_eq!(logits.max().into_scalar::<f32>(), -1.0);
/// let features = dense(images, weight, bias, Activation::Relu);
/// assert_eq!(features.max().into_scalar::<f32>(), 0.0);
/// ```
pub fn dense(input: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, activation: Activation) -> Tensor<2> {
    assert_eq!(input.dims()[1], weight.dims()[0], "weight must have as many rows as the input has columns");
    assert_eq!(bias.dims()[0], weight.dims()[1], "bias must have one value per column of the weight");
    let (input, weight, bias) = (input.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(<Dispatch as DenseBackend>::dense(input, weight, bias, activation))
}

/// A backend's implementation of [`dense`]. At run time, Burn dispatches to the backend of the tensors.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "wgpu"),
    Autodiff
)]
pub trait DenseBackend: Backend {
    /// Applies the layer on this backend, see [`dense`].
    fn dense(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        primitives::dense::<Self>(input, weight, bias, activation)
    }
}

/// The tensors of a layer that its backward pass needs.
#[derive(Debug, Clone)]
pub struct Layer<B: Backend> {
    /// The layer's input, `[batch, features_in]`.
    pub input: FloatTensor<B>,
    /// The layer's weights, `[features_in, features_out]`.
    pub weight: FloatTensor<B>,
    /// The layer's output, `[batch, features_out]`, if it went through ReLU.
    pub after_relu: Option<FloatTensor<B>>,
}

/// A backend's backward pass of [`dense`]. Each method gets the gradient of the layer's output.
pub trait DenseTraining: DenseBackend + MatmulBackend {
    /// Returns the gradient before ReLU, and a layer without ReLU. A backend that applies ReLU's gradient in the
    /// other methods returns its arguments.
    fn before_activation(
        layer: Layer<Self>,
        gradient: FloatTensor<Self>,
    ) -> (Layer<Self>, FloatTensor<Self>) {
        primitives::before_activation(layer, gradient)
    }

    /// Returns the gradient of the input.
    fn input_gradient(layer: Layer<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        primitives::input_gradient(layer, gradient)
    }

    /// Returns the gradients of the weights and of the bias. The latter is a sum over the batch, in its order.
    fn parameter_gradients(
        layer: Layer<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        primitives::parameter_gradients(layer, gradient)
    }

    /// Returns the gradient of the input, and those of the weights and the bias. Backends that can compute both at the
    /// same time override this.
    fn gradients(
        layer: Layer<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, (FloatTensor<Self>, FloatTensor<Self>)) {
        let of_input = Self::input_gradient(layer.clone(), gradient.clone());
        (of_input, Self::parameter_gradients(layer, gradient))
    }
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "Burn will drop this backend after 0.22")]
mod ndarray {
    impl super::DenseBackend for burn::backend::NdArray {}
    impl super::DenseTraining for burn::backend::NdArray {}
}

impl<B: DenseTraining, C: CheckpointStrategy> DenseBackend for Autodiff<B, C> {
    fn dense(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let parents = [input.node(), weight.node(), bias.node()];
        let (input, weight, bias) = (input.into_primitive(), weight.into_primitive(), bias.into_primitive());
        match DenseBackward.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let output = B::dense(input.clone(), weight.clone(), bias, activation);
                let after_relu = (activation == Activation::Relu).then(|| output.clone());
                tracked.finish(Layer { input, weight, after_relu }, output)
            }
            OpsKind::UnTracked(untracked) => untracked.finish(B::dense(input, weight, bias, activation)),
        }
    }
}

#[derive(Debug)]
struct DenseBackward;

impl<B: DenseTraining> Backward<B, 3> for DenseBackward {
    type State = Layer<B>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input, weight, bias] = ops.parents;
        let gradient = gradients.consume::<B>(&ops.node);
        let (layer, gradient) = B::before_activation(ops.state, gradient);
        let (of_input, of_parameters) = match (input.is_some(), weight.is_some() || bias.is_some()) {
            (true, true) => {
                let (of_input, of_parameters) = B::gradients(layer, gradient);
                (Some(of_input), Some(of_parameters))
            }
            (true, false) => (Some(B::input_gradient(layer, gradient)), None),
            (false, true) => (None, Some(B::parameter_gradients(layer, gradient))),
            (false, false) => (None, None),
        };
        let nodes = [input, weight, bias].map(|node| node.map(|node| node.id));
        register::<B>(gradients, nodes, of_input, of_parameters);
    }
}

/// The layer as a sequence of Burn's own operations.
pub(crate) mod primitives {
    use burn::{
        backend::{Backend, TensorMetadata, tensor::FloatTensor},
        tensor::Shape,
    };

    use super::{Activation, DenseTraining, Layer};

    /// Returns the layer's output.
    pub(crate) fn dense<B: Backend>(
        input: FloatTensor<B>,
        weight: FloatTensor<B>,
        bias: FloatTensor<B>,
        activation: Activation,
    ) -> FloatTensor<B> {
        let [_, features_out] = weight.shape().dims();
        let bias = B::float_reshape(bias, Shape::new([1, features_out]));
        let output = B::float_add(B::float_matmul(input, weight), bias);
        match activation {
            Activation::Identity => output,
            Activation::Relu => B::relu(output),
        }
    }

    /// Returns the gradient before ReLU, and a layer without ReLU.
    pub(crate) fn before_activation<B: Backend>(
        layer: Layer<B>,
        gradient: FloatTensor<B>,
    ) -> (Layer<B>, FloatTensor<B>) {
        let Layer { input, weight, after_relu } = layer;
        let gradient = match after_relu {
            Some(output) => B::relu_backward(output, gradient),
            None => gradient,
        };
        (Layer { input, weight, after_relu: None }, gradient)
    }

    /// Returns the gradient of the input.
    pub(crate) fn input_gradient<B: DenseTraining>(
        layer: Layer<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        let (layer, gradient) = before_activation(layer, gradient);
        B::matmul(gradient, B::float_transpose(layer.weight))
    }

    /// Returns the gradients of the weights and of the bias.
    pub(crate) fn parameter_gradients<B: DenseTraining>(
        layer: Layer<B>,
        gradient: FloatTensor<B>,
    ) -> (FloatTensor<B>, FloatTensor<B>) {
        let (layer, gradient) = before_activation(layer, gradient);
        let [_, features_out] = gradient.shape().dims();
        let of_bias = B::float_sum_dim(gradient.clone(), 0);
        let of_bias = B::float_reshape(of_bias, Shape::new([features_out]));
        (B::matmul(B::float_transpose(layer.input), gradient), of_bias)
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::{
        backend::{
            Flex,
            ops::{ActivationOps, FloatTensorOps},
        },
        tensor::{Bytes, DType, Shape},
    };
    use burn_flex::{FlexTensor, Layout};

    use super::{Activation, DenseBackend, DenseTraining, Layer};
    use crate::matmul::MatmulBackend;

    impl DenseBackend for Flex {
        fn dense(
            input: FlexTensor,
            weight: FlexTensor,
            bias: FlexTensor,
            activation: Activation,
        ) -> FlexTensor {
            let [_, features_out] = weight.layout().shape().dims();
            let mut output = <Self as MatmulBackend>::matmul(input, weight);
            let bias = bias.to_contiguous();
            let is_f32 = output.dtype() == DType::F32 && bias.dtype() == DType::F32;
            if !is_f32 || !fills_storage(&output) || features_out == 0 {
                let bias = Self::float_reshape(bias, Shape::new([1, features_out]));
                let output = Self::float_add(output, bias);
                return match activation {
                    Activation::Identity => output,
                    Activation::Relu => Self::relu(output),
                };
            }
            let bias: &[f32] = bias.as_slice().expect("to_contiguous returns contiguous values");
            for row in output.storage_mut::<f32>().chunks_exact_mut(features_out) {
                for (value, bias) in row.iter_mut().zip(bias) {
                    *value += bias;
                    // A comparison with NaN is false, so NaN stays.
                    if activation == Activation::Relu && *value <= 0.0 {
                        *value = 0.0;
                    }
                }
            }
            output
        }
    }

    impl DenseTraining for Flex {
        fn before_activation(layer: Layer<Self>, gradient: FlexTensor) -> (Layer<Self>, FlexTensor) {
            let Layer { input, weight, after_relu } = layer;
            let gradient = match after_relu {
                Some(output) => relu_gradient(&output, gradient),
                None => gradient,
            };
            (Layer { input, weight, after_relu: None }, gradient)
        }

        fn parameter_gradients(layer: Layer<Self>, gradient: FlexTensor) -> (FlexTensor, FlexTensor) {
            let (layer, gradient) = Self::before_activation(layer, gradient);
            let of_bias = bias_gradient(gradient.clone());
            (<Self as MatmulBackend>::matmul(Self::float_transpose(layer.input), gradient), of_bias)
        }

        /// Computes both products at the same time, so that no thread waits for work between them.
        fn gradients(layer: Layer<Self>, gradient: FlexTensor) -> (FlexTensor, (FlexTensor, FlexTensor)) {
            let (of_layer, of_gradient) = (layer.clone(), gradient.clone());
            rayon::join(
                || Self::input_gradient(of_layer, of_gradient),
                || Self::parameter_gradients(layer, gradient),
            )
        }
    }

    /// Returns the gradient before ReLU, from the layer's output and the gradient after ReLU.
    fn relu_gradient(output: &FlexTensor, mut gradient: FlexTensor) -> FlexTensor {
        let known = |tensor: &FlexTensor| tensor.dtype() == DType::F32 && fills_storage(tensor);
        if !known(output) || !known(&gradient) {
            return Flex::relu_backward(output.clone(), gradient);
        }
        let output = output.storage::<f32>();
        for (gradient, &output) in gradient.storage_mut::<f32>().iter_mut().zip(output) {
            if output <= 0.0 {
                *gradient = 0.0;
            }
        }
        gradient
    }

    /// Returns the gradient of the bias: the sum over the batch, in its order.
    fn bias_gradient(gradient: FlexTensor) -> FlexTensor {
        let [_, features_out] = gradient.layout().shape().dims();
        if gradient.dtype() != DType::F32 || !fills_storage(&gradient) || features_out == 0 {
            let sum = Flex::float_sum_dim(gradient, 0);
            return Flex::float_reshape(sum, Shape::new([features_out]));
        }
        let mut sum = vec![0.0_f32; features_out];
        for row in gradient.storage::<f32>().chunks_exact(features_out) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
        let layout = Layout::contiguous(Shape::new([features_out]));
        FlexTensor::new(Bytes::from_elems(sum), layout, DType::F32)
    }

    /// Whether the values of a tensor, and no others, are in its storage, row by row.
    fn fills_storage(tensor: &FlexTensor) -> bool {
        let layout = tensor.layout();
        tensor.is_contiguous() && layout.num_elements() * size_of::<f32>() == tensor.bytes().len()
    }
}
