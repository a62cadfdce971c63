//! The convolution block as a Burn operation with its own backward pass, and the traits of all operations that have
//! one. A backend's forward and backward passes can be called through these traits, without a graph.

use burn::backend::{
    Autodiff, Backend,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    backend_extension,
    tensor::{FloatTensor, IntTensor},
};

pub use crate::{
    cross_entropy::{CrossEntropyBackend, CrossEntropyTraining},
    dense::{DenseBackend, DenseTraining, Layer},
    forward::Forward,
    matmul::MatmulBackend,
};
use crate::{gradients::register, primitives};

/// A backend's implementation of [`conv_block`](crate::conv_block). At run time, Burn dispatches to the backend
/// of the tensors.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "wgpu"),
    Autodiff
)]
pub trait ConvBlockBackend: Backend {
    /// Computes the block on this backend, see [`conv_block`](crate::conv_block).
    fn conv_block(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        primitives::forward::<Self>(input, weight, bias)
    }
}

/// A backend's forward and backward passes for training the block.
pub trait ConvBlockTraining: ConvBlockBackend {
    /// Returns the block's output and [the winners](Forward::winners) that the backward pass needs.
    fn forward_with_winners(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, IntTensor<Self>) {
        primitives::forward_with_winners::<Self>(input, weight, bias)
    }

    /// Returns the gradient of the input.
    fn input_gradient(forward: Forward<Self>, output_gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        primitives::input_gradient(forward, output_gradient)
    }

    /// Returns the gradients of the weights and the bias.
    fn parameter_gradients(
        forward: Forward<Self>,
        output_gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        primitives::parameter_gradients(forward, output_gradient)
    }

    /// Returns the gradient of the input, and those of the weights and the bias. Backends that can compute both at the
    /// same time override this.
    fn gradients(
        forward: Forward<Self>,
        output_gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, (FloatTensor<Self>, FloatTensor<Self>)) {
        let of_input = Self::input_gradient(forward.clone(), output_gradient.clone());
        (of_input, Self::parameter_gradients(forward, output_gradient))
    }
}

#[cfg(feature = "ndarray")]
#[expect(deprecated, reason = "Burn will drop this backend after 0.22")]
mod ndarray {
    impl super::ConvBlockBackend for burn::backend::NdArray {}
    impl super::ConvBlockTraining for burn::backend::NdArray {}
}

impl<B: ConvBlockTraining, C: CheckpointStrategy> ConvBlockBackend for Autodiff<B, C> {
    fn conv_block(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let parents = [input.node(), weight.node(), bias.node()];
        let (input, weight, bias) = (input.into_primitive(), weight.into_primitive(), bias.into_primitive());
        match ConvBlockBackward.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let (output, winners) = B::forward_with_winners(input.clone(), weight.clone(), bias.clone());
                let forward = Forward { input, weight, bias, output: output.clone(), winners };
                tracked.finish(forward, output)
            }
            OpsKind::UnTracked(untracked) => untracked.finish(B::conv_block(input, weight, bias)),
        }
    }
}

#[derive(Debug)]
struct ConvBlockBackward;

impl<B: ConvBlockTraining> Backward<B, 3> for ConvBlockBackward {
    type State = Forward<B>;

    fn backward(self, ops: Ops<Forward<B>, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input, weight, bias] = ops.parents;
        let output_gradient = gradients.consume::<B>(&ops.node);
        let (of_input, of_parameters) = match (input.is_some(), weight.is_some() || bias.is_some()) {
            (true, true) => {
                let (of_input, of_parameters) = B::gradients(ops.state, output_gradient);
                (Some(of_input), Some(of_parameters))
            }
            (true, false) => (Some(B::input_gradient(ops.state, output_gradient)), None),
            (false, true) => (None, Some(B::parameter_gradients(ops.state, output_gradient))),
            (false, false) => (None, None),
        };
        let nodes = [input, weight, bias].map(|node| node.map(|node| node.id));
        register::<B>(gradients, nodes, of_input, of_parameters);
    }
}
