//! Comparison of the dense layer with Burn's own operations. Both use the same matrix product and the same order of
//! additions, so the results must have the same bits.

mod difference;

use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use mnist_kernels::{Activation, dense, matmul};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use difference::difference;

/// Batch, input and output features: the CNN's two layers, and a single image.
const SIZES: [[usize; 3]; 3] = [[64, 1600, 64], [64, 64, 10], [1, 5, 3]];

fn fractions<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape.iter().product()).map(|_| generator.random_range(-1.0_f32..1.0)).collect();
    Tensor::from_data(TensorData::new::<f32, _>(values, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// Computes the layer with Burn's own operations after the product.
fn of_primitives(input: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>, activation: Activation) -> Tensor<2> {
    let output = matmul(input, weight) + bias.unsqueeze();
    match activation {
        Activation::Identity => output,
        Activation::Relu => relu(output),
    }
}

fn same_bits(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

#[test]
fn outputs_and_gradients_have_the_bits_of_burns_operations() {
    let device = Device::flex().autodiff();
    for [batch, features_in, features_out] in SIZES {
        for activation in [Activation::Identity, Activation::Relu] {
            let run = |layer: fn(Tensor<2>, Tensor<2>, Tensor<1>, Activation) -> Tensor<2>| {
                let input = fractions([batch, features_in], 1, &device).require_grad();
                let weight = fractions([features_in, features_out], 2, &device).require_grad();
                let bias = fractions([features_out], 3, &device).require_grad();
                let output = layer(input.clone(), weight.clone(), bias.clone(), activation);
                let factors = fractions([batch, features_out], 4, &device);
                let gradients = (output.clone() * factors).sum().backward();
                [
                    values(output),
                    values(input.grad(&gradients).unwrap()),
                    values(weight.grad(&gradients).unwrap()),
                    values(bias.grad(&gradients).unwrap()),
                ]
            };
            let names = ["output", "gradient of the input", "gradient of the weight", "gradient of the bias"];
            for ((name, ours), expected) in names.into_iter().zip(run(dense)).zip(run(of_primitives)) {
                assert_eq!(difference(name, &ours, &expected, same_bits), None, "{activation:?}");
            }
        }
    }
}

#[test]
fn nan_and_infinity_pass_through_as_in_burns_operations() {
    let device = Device::flex();
    let input = fractions([4, 6], 1, &device);
    let weight = fractions([6, 3], 2, &device);
    let bias = Tensor::from_floats([f32::NAN, f32::INFINITY, f32::NEG_INFINITY], &device);
    for activation in [Activation::Identity, Activation::Relu] {
        let ours = values(dense(input.clone(), weight.clone(), bias.clone(), activation));
        let expected = values(of_primitives(input.clone(), weight.clone(), bias.clone(), activation));
        assert_eq!(difference("output", &ours, &expected, same_bits), None, "{activation:?}");
    }
}

/// A sum's gradient is one value, expanded to the shape of the output; a transposed input is not contiguous.
#[test]
fn expanded_gradients_and_transposed_inputs_have_the_bits_of_burns_operations() {
    let device = Device::flex().autodiff();
    let run = |layer: fn(Tensor<2>, Tensor<2>, Tensor<1>, Activation) -> Tensor<2>| {
        let input = fractions([5, 8], 1, &device).transpose();
        let weight = fractions([5, 3], 2, &device).require_grad();
        let bias = fractions([3], 3, &device).require_grad();
        let output = layer(input.clone(), weight.clone(), bias.clone(), Activation::Relu);
        let gradients = output.clone().sum().backward();
        assert!(input.grad(&gradients).is_none());
        [values(output), values(weight.grad(&gradients).unwrap()), values(bias.grad(&gradients).unwrap())]
    };
    assert_eq!(run(dense), run(of_primitives));
}

/// The kernels write in place only into tensors that nobody else has.
#[test]
fn tensors_of_the_caller_stay_as_they_are() {
    let device = Device::flex().autodiff();
    let input = fractions([4, 6], 1, &device).require_grad();
    let (weight, bias) = (fractions([6, 3], 2, &device), fractions([3], 3, &device));
    let output = dense(input.clone(), weight, bias, Activation::Relu);
    let factors = fractions([4, 3], 4, &device);
    let before = [values(input.clone()), values(output.clone()), values(factors.clone())];
    let gradients = (output.clone() * factors.clone()).sum().backward();
    input.grad(&gradients).unwrap();
    assert_eq!([values(input), values(output), values(factors)], before);
}

#[test]
fn empty_batch_has_an_empty_output() {
    let device = Device::flex();
    let (weight, bias) = (fractions([6, 3], 2, &device), fractions([3], 3, &device));
    assert_eq!(dense(Tensor::zeros([0, 6], &device), weight, bias, Activation::Relu).dims(), [0, 3]);
}

#[test]
#[should_panic(expected = "bias must have one value per column of the weight")]
fn mismatched_bias_panics() {
    let device = Device::flex();
    let (input, weight) = (Tensor::zeros([2, 3], &device), Tensor::zeros([3, 4], &device));
    dense(input, weight, Tensor::zeros([3], &device), Activation::Identity);
}
