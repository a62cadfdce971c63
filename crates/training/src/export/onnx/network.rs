//! The network as nodes, in the order of `forward` in the model crate.

use safetensors::{SafeTensorError, SafeTensors};

use super::graph::{Chain, int, ints};

/// Adds the layers, with weights in PyTorch's layouts. The shapes in the comments are for MNIST.
pub fn add<'a>(chain: &mut Chain<'a>, weights: &SafeTensors<'a>) -> Result<(), SafeTensorError> {
    add_block(chain, weights, ["conv1", "conv1.weight", "conv1.bias"], ["relu1", "pool1"])?; // N×32×13×13
    add_block(chain, weights, ["conv2", "conv2.weight", "conv2.bias"], ["relu2", "pool2"])?; // N×64×5×5
    chain.then("Flatten", "flat", [], [int("axis", 1)]); //                                     N×1600
    add_dense(chain, weights, ["dense1", "dense1.weight", "dense1.bias"])?; //                  N×64
    chain.then("Relu", "relu3", [], []);
    add_dense(chain, weights, ["logits", "dense2.weight", "dense2.bias"])?; //                  N×10
    chain.then("Softmax", "probabilities", [], [int("axis", 1)]);
    Ok(())
}

/// Adds convolution → ReLU → max-pool.
fn add_block<'a>(
    chain: &mut Chain<'a>,
    weights: &SafeTensors<'a>,
    [name, weight, bias]: [&'a str; 3],
    [relu, pool]: [&'a str; 2],
) -> Result<(), SafeTensorError> {
    let operands = [chain.weights(weights, weight)?, chain.weights(weights, bias)?];
    chain.then("Conv", name, operands, [ints("kernel_shape", [3, 3])]);
    chain.then("Relu", relu, [], []);
    chain.then("MaxPool", pool, [], [ints("kernel_shape", [2, 2]), ints("strides", [2, 2])]);
    Ok(())
}

/// Adds a dense layer: × the weights (output × input), + the bias.
fn add_dense<'a>(
    chain: &mut Chain<'a>,
    weights: &SafeTensors<'a>,
    [name, weight, bias]: [&'a str; 3],
) -> Result<(), SafeTensorError> {
    let operands = [chain.weights(weights, weight)?, chain.weights(weights, bias)?];
    chain.then("Gemm", name, operands, [int("transB", 1)]);
    Ok(())
}
