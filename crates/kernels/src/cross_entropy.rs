//! Softmax cross-entropy as a Burn operation.
//!
//! Burn's own loss is a dozen operations on tiny tensors, and as many in the backward pass. Each creates a tensor
//! and a node of the autodiff graph, which costs more than the arithmetic. On Flex, this operation is a single pass;
//! on GPUs, a single launch.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{IndexingUpdateOp, Int, Shape, Tensor},
};

/// Computes the softmax cross-entropy of logits with the true classes, averaged over the batch:
/// `mean(log(Σⱼ exp(logitsⱼ)) − logits[target])`.
///
/// # Shapes
/// - `logits`: `[batch, classes]`
/// - `targets`: `[batch]`, from 0 to `classes - 1`
/// - output: `[1]`
///
/// # Panics
/// If the shapes do not match. On Flex, if a target is not a class; on GPUs, the loss is then NaN.
///
/// # Example
/// ```
/// use burn::tensor::{Device, Tensor};
/// use mnist_kernels::cross_entropy;
///
/// let device = Device::flex();
/// let logits = Tensor::<2>::zeros([2, 4], &device);
/// let loss = cross_entropy(logits, Tensor::from_ints([0, 3], &device));
/// // With equal logits, each of the four classes has the probability 1/4.
/// assert!((loss.into_scalar::<f32>() - 4_f32.ln()).abs() < 1e-6);
/// ```
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    assert_eq!(logits.dims()[0], targets.dims()[0], "targets must have one class per row of the logits");
    let (logits, targets) = (logits.into_dispatch(), targets.into_dispatch());
    Tensor::from_dispatch(<Dispatch as CrossEntropyBackend>::cross_entropy(logits, targets))
}

/// A backend's implementation of [`cross_entropy`]. At run time, Burn dispatches to the backend of the tensors.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "wgpu"),
    Autodiff
)]
pub trait CrossEntropyBackend: Backend {
    /// Computes the loss on this backend, see [`cross_entropy`].
    fn cross_entropy(logits: FloatTensor<Self>, targets: IntTensor<Self>) -> FloatTensor<Self> {
        primitives::loss::<Self>(Self::log_softmax(logits, 1), targets)
    }
}

/// A backend's forward and backward passes for training with [`cross_entropy`].
pub trait CrossEntropyTraining: CrossEntropyBackend {
    /// Returns the loss and the softmax probabilities, `[batch, classes]`.
    fn forward_with_probabilities(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        primitives::forward::<Self>(logits, targets)
    }

    /// Returns the gradient of the logits from the gradient of the loss, `[1]`:
    /// `(probabilities − one_hot(targets)) / batch · gradient`.
    fn logits_gradient(
        probabilities: FloatTensor<Self>,
        targets: IntTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        primitives::logits_gradient::<Self>(probabilities, targets, gradient)
    }
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "Burn will drop this backend after 0.22")]
mod ndarray {
    impl super::CrossEntropyBackend for burn::backend::NdArray {}
    impl super::CrossEntropyTraining for burn::backend::NdArray {}
}

impl<B: CrossEntropyTraining, C: CheckpointStrategy> CrossEntropyBackend for Autodiff<B, C> {
    fn cross_entropy(logits: FloatTensor<Self>, targets: IntTensor<Self>) -> FloatTensor<Self> {
        let (node, logits) = (logits.node(), logits.into_primitive());
        match CrossEntropyBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let (loss, probabilities) = B::forward_with_probabilities(logits, targets.clone());
                tracked.finish((probabilities, targets), loss)
            }
            OpsKind::UnTracked(untracked) => untracked.finish(B::cross_entropy(logits, targets)),
        }
    }
}

#[derive(Debug)]
struct CrossEntropyBackward;

impl<B: CrossEntropyTraining> Backward<B, 1> for CrossEntropyBackward {
    /// Probabilities and targets.
    type State = (FloatTensor<B>, IntTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [logits] = ops.parents;
        let (probabilities, targets) = ops.state;
        let gradient = gradients.consume::<B>(&ops.node);
        if let Some(logits) = logits {
            gradients.register::<B>(logits.id, B::logits_gradient(probabilities, targets, gradient));
        }
    }
}

/// The loss as a sequence of Burn's own operations.
pub(crate) mod primitives {
    use super::{Backend, FloatTensor, IndexingUpdateOp, IntTensor, Shape, TensorMetadata};

    /// Returns the loss and the softmax probabilities.
    pub(crate) fn forward<B: Backend>(
        logits: FloatTensor<B>,
        targets: IntTensor<B>,
    ) -> (FloatTensor<B>, FloatTensor<B>) {
        let log_probabilities = B::log_softmax(logits, 1);
        (loss::<B>(log_probabilities.clone(), targets), B::float_exp(log_probabilities))
    }

    /// Returns the loss from the logarithms of the softmax probabilities.
    pub(crate) fn loss<B: Backend>(
        log_probabilities: FloatTensor<B>,
        targets: IntTensor<B>,
    ) -> FloatTensor<B> {
        let of_targets = B::float_gather(1, log_probabilities, column::<B>(targets));
        B::float_neg(B::float_mean(of_targets))
    }

    /// Returns the gradient of the logits.
    pub(crate) fn logits_gradient<B: Backend>(
        probabilities: FloatTensor<B>,
        targets: IntTensor<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        let [batch, _] = probabilities.shape().dims();
        let (device, dtype) = (probabilities.device(), probabilities.dtype().into());
        let minus_one = B::float_neg(B::float_ones(Shape::new([batch, 1]), &device, dtype));
        let difference =
            B::float_scatter(1, probabilities, column::<B>(targets), minus_one, IndexingUpdateOp::Add);
        let gradient = B::float_div_scalar(gradient, (batch as f32).into());
        B::float_mul(difference, B::float_reshape(gradient, Shape::new([1, 1])))
    }

    fn column<B: Backend>(targets: IntTensor<B>) -> IntTensor<B> {
        let [batch] = targets.shape().dims();
        B::int_reshape(targets, Shape::new([batch, 1]))
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::{
        backend::Flex,
        tensor::{Bytes, DType, Shape},
    };
    use burn_flex::{FlexTensor, Layout};

    use super::{CrossEntropyBackend, CrossEntropyTraining, primitives};

    impl CrossEntropyBackend for Flex {
        fn cross_entropy(logits: FlexTensor, targets: FlexTensor) -> FlexTensor {
            Self::forward_with_probabilities(logits, targets).0
        }
    }

    impl CrossEntropyTraining for Flex {
        fn forward_with_probabilities(logits: FlexTensor, targets: FlexTensor) -> (FlexTensor, FlexTensor) {
            let shape @ [batch, classes] = logits.layout().shape().dims();
            let (DType::F32, Some(targets), true) =
                (logits.dtype(), classes_of(&targets), batch * classes > 0)
            else {
                return primitives::forward::<Self>(logits, targets);
            };
            let logits = logits.to_contiguous();
            let mut probabilities: Vec<f32> = contiguous(&logits).to_vec();
            let mut loss = 0.0_f64;
            for (row, target) in probabilities.chunks_exact_mut(classes).zip(targets) {
                // Shifted by the largest logit, no exponential overflows. NaN stays, because `max` ignores it.
                let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let of_target = row[target] - largest;
                for logit in &mut *row {
                    *logit = (*logit - largest).exp();
                }
                let sum: f32 = row.iter().sum();
                for exponential in row {
                    *exponential /= sum;
                }
                loss += f64::from(sum.ln() - of_target);
            }
            let loss = (loss / batch as f64) as f32;
            (tensor(vec![loss], [1]), tensor(probabilities, shape))
        }

        fn logits_gradient(
            probabilities: FlexTensor,
            targets: FlexTensor,
            gradient: FlexTensor,
        ) -> FlexTensor {
            let shape @ [batch, classes] = probabilities.layout().shape().dims();
            let is_f32 = probabilities.dtype() == DType::F32 && gradient.dtype() == DType::F32;
            let (true, Some(targets)) = (is_f32 && batch * classes > 0, classes_of(&targets)) else {
                return primitives::logits_gradient::<Self>(probabilities, targets, gradient);
            };
            let (probabilities, gradient) = (probabilities.to_contiguous(), gradient.to_contiguous());
            let factor = contiguous(&gradient)[0] / batch as f32;
            let mut of_logits: Vec<f32> = contiguous(&probabilities).to_vec();
            for (row, target) in of_logits.chunks_exact_mut(classes).zip(targets) {
                row[target] -= 1.0;
                for value in row {
                    *value *= factor;
                }
            }
            tensor(of_logits, shape)
        }
    }

    /// Returns the targets as indices, or `None` if their type is not one that Burn uses for classes.
    fn classes_of(targets: &FlexTensor) -> Option<Vec<usize>> {
        let targets = targets.to_contiguous();
        match targets.dtype() {
            DType::I32 => Some(targets.as_slice::<i32>()?.iter().map(|&class| class as usize).collect()),
            DType::I64 => Some(targets.as_slice::<i64>()?.iter().map(|&class| class as usize).collect()),
            _ => None,
        }
    }

    fn contiguous(tensor: &FlexTensor) -> &[f32] {
        tensor.as_slice().expect("to_contiguous returns contiguous f32 values")
    }

    fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
        FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::new(shape)), DType::F32)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::backend::Flex;
    use burn_flex::FlexTensor;

    use super::*;

    fn values(tensor: &FlexTensor) -> Vec<f32> {
        tensor.to_contiguous().as_slice::<f32>().unwrap().to_vec()
    }

    /// The other backends run the primitives, so they must agree with the single pass.
    #[test]
    fn primitives_and_single_pass_agree() {
        let device = burn::tensor::Device::flex();
        let logits = Tensor::<2>::from_floats([[0.5, -1.0, 2.0], [3.0, 3.0, -80.0]], &device);
        let logits = logits.try_into_primitive::<Flex>().unwrap();
        let gradient = Tensor::<1>::from_floats([1.5], &device).try_into_primitive::<Flex>().unwrap();
        for targets in [
            Tensor::<1, Int>::from_data(burn::tensor::TensorData::from([2_i32, 0]), &device),
            Tensor::<1, Int>::from_data(burn::tensor::TensorData::from([2_i64, 0]), &device),
        ] {
            let targets = targets.try_into_primitive::<Flex>().unwrap();
            let (loss, probabilities) = Flex::forward_with_probabilities(logits.clone(), targets.clone());
            let (expected_loss, expected) = primitives::forward::<Flex>(logits.clone(), targets.clone());
            let of_logits = Flex::logits_gradient(probabilities.clone(), targets.clone(), gradient.clone());
            let expected_gradient =
                primitives::logits_gradient::<Flex>(expected.clone(), targets, gradient.clone());
            for (ours, expected) in
                [(loss, expected_loss), (probabilities, expected), (of_logits, expected_gradient)]
            {
                for (ours, expected) in values(&ours).into_iter().zip(values(&expected)) {
                    assert!((ours - expected).abs() < 1e-6, "{ours}, {expected}");
                }
            }
        }
    }
}
