//! Registers the gradients of an operation in Burn's graph.

use burn::backend::{
    Backend,
    autodiff::{NodeId, grads::Gradients},
    tensor::FloatTensor,
};

/// Registers the gradients of an operation's input, weights and bias for the nodes that need them.
pub(crate) fn register<B: Backend>(
    gradients: &mut Gradients,
    nodes: [Option<NodeId>; 3],
    of_input: Option<FloatTensor<B>>,
    of_parameters: Option<(FloatTensor<B>, FloatTensor<B>)>,
) {
    let (of_weight, of_bias) = of_parameters.unzip();
    for (node, gradient) in nodes.into_iter().zip([of_input, of_weight, of_bias]) {
        if let (Some(node), Some(gradient)) = (node, gradient) {
            gradients.register::<B>(node, gradient);
        }
    }
}
