//! A fitted scaling as nodes: the steps of docs/SCALING.md, in `double`.

use mnist_data::{FittedScaling, Granularity, ImageShape, scaling::STD_EPSILON};
use onnx_rs::ast::DataType;

use super::graph::{Chain, int, ints};

/// Adds the steps of the scaling, from `uint8` to `float`, both N×C×H×W.
pub fn add(chain: &mut Chain, fitted: &FittedScaling) {
    let scaling = fitted.scaling();
    chain.then("Cast", "pixels_double", [], [int("to", DataType::Double as i64)]);
    // A factor of 1 needs no node.
    if scaling.rescale.to_bits() != 1.0_f64.to_bits() {
        let factor = chain.constant("rescale", &[], vec![scaling.rescale]);
        chain.then("Mul", "rescaled", [factor], []);
    }
    if scaling.samplewise_center {
        add_sample_center(chain);
    }
    if scaling.samplewise_std_normalization {
        add_sample_standardization(chain);
    }
    add_feature_steps(chain, fitted);
    add_whitening(chain, fitted);
    chain.then("Cast", "scaled", [], [int("to", DataType::Float as i64)]);
}

/// Adds the mean of each image: N×1×1×1.
fn add_image_mean<'a>(chain: &mut Chain<'a>, name: &'a str) {
    chain.then("ReduceMean", name, [], [ints("axes", [1, 2, 3])]);
}

/// Adds: − the mean of the image.
fn add_sample_center(chain: &mut Chain) {
    let input = chain.current();
    add_image_mean(chain, "sample_mean");
    chain.back_to(input);
    chain.then("Sub", "sample_centered", ["sample_mean"], []);
}

/// Adds: ÷ (the standard deviation of the image + ε). The image is already centered.
fn add_sample_standardization(chain: &mut Chain) {
    let centered = chain.current();
    chain.then("Mul", "sample_squares", [centered], []);
    add_image_mean(chain, "sample_variance");
    chain.then("Sqrt", "sample_std", [], []);
    let epsilon = chain.constant("std_epsilon", &[], vec![STD_EPSILON]);
    chain.then("Add", "sample_divisor", [epsilon], []);
    chain.back_to(centered);
    chain.then("Div", "sample_standardized", ["sample_divisor"], []);
}

/// Adds: − the mean and ÷ (the standard deviation + ε) of the training images.
fn add_feature_steps(chain: &mut Chain, fitted: &FittedScaling) {
    let ImageShape { channels, height, width } = fitted.shape();
    let groups = match fitted.scaling().granularity {
        Granularity::Global => [1, 1, 1, 1],
        Granularity::Channel => [1, channels, 1, 1],
        Granularity::Pixel => [1, channels, height, width],
    };
    if let Some(mean) = fitted.mean() {
        let mean = chain.constant("feature_mean", &groups, mean.to_vec());
        chain.then("Sub", "feature_centered", [mean], []);
    }
    if let Some(std) = fitted.std() {
        let divisors = std.iter().map(|std| std + STD_EPSILON).collect();
        let divisor = chain.constant("feature_divisor", &groups, divisors);
        chain.then("Div", "feature_standardized", [divisor], []);
    }
}

/// Adds: × the ZCA matrix, over all values of an image.
fn add_whitening(chain: &mut Chain, fitted: &FittedScaling) {
    let Some(whitening) = fitted.whitening() else { return };
    let shape = fitted.shape();
    let values = shape.pixels();
    let matrix = chain.constant("zca_matrix", &[values, values], whitening.matrix().to_vec());
    let sides = [shape.channels, shape.height, shape.width].map(|side| side as i64);
    let image_shape = chain.shape("image_shape", [&[-1][..], &sides].concat());
    chain.then("Flatten", "zca_input", [], [int("axis", 1)]);
    chain.then("MatMul", "zca_output", [matrix], []);
    chain.then("Reshape", "whitened", [image_shape], []);
}
