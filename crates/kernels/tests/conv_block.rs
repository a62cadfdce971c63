//! The convolution block against PyTorch; values from scripts/golden_kernels.py.

use burn::tensor::{Device, Shape, Tensor, TensorData};
use mnist_kernels::conv_block;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    shapes: Shapes,
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    output: Vec<f32>,
    output_gradient: Vec<f32>,
    input_gradient: Vec<f32>,
    weight_gradient: Vec<f32>,
    bias_gradient: Vec<f32>,
}

#[derive(Deserialize)]
struct Shapes {
    input: [usize; 4],
    weight: [usize; 4],
    bias: [usize; 1],
    output: [usize; 4],
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), Shape::from(shape)), device)
}

fn assert_close<const D: usize>(ours: Tensor<D>, theirs: &[f32], what: &str) {
    let ours: Vec<f32> = ours.try_into_vec_as().unwrap();
    let scale = theirs.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= 1e-5 * scale, "{what}: {ours} and {theirs}");
    }
}

#[test]
fn output_and_gradients_are_those_of_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("golden/conv_block.json")).unwrap();
    assert!(!golden.cases.is_empty());
    let device = Device::flex().autodiff();
    for case in golden.cases {
        let input = tensor(&case.input, case.shapes.input, &device).require_grad();
        let weight = tensor(&case.weight, case.shapes.weight, &device).require_grad();
        let bias = tensor(&case.bias, case.shapes.bias, &device).require_grad();

        let output = conv_block(input.clone(), weight.clone(), bias.clone());
        assert_eq!(output.dims(), case.shapes.output);
        assert_close(output.clone().inner(), &case.output, "output");

        let output_gradient = tensor(&case.output_gradient, case.shapes.output, &device);
        let gradients = (output * output_gradient).sum().backward();
        assert_close(input.grad(&gradients).unwrap(), &case.input_gradient, "input gradient");
        assert_close(weight.grad(&gradients).unwrap(), &case.weight_gradient, "weight gradient");
        assert_close(bias.grad(&gradients).unwrap(), &case.bias_gradient, "bias gradient");
    }
}
