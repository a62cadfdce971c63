//! Tests of the CNN: its size, its initial weights, and its results compared with PyTorch.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor, TensorData},
};
use mnist_model::{
    Classifier, Model, ModelConfig, ModelError,
    initialization::{conv2d, dense},
};
use serde::Deserialize;

fn model(seed: u64) -> Model {
    ModelConfig::new().init(seed, &Device::flex()).unwrap()
}

/// Returns the values of every parameter in the order of the layers.
fn parameters(model: &Model) -> Vec<Vec<f32>> {
    struct Collect(Vec<Vec<f32>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().try_into_vec_as().unwrap());
        }
    }
    let mut collect = Collect(Vec::new());
    model.visit(&mut collect);
    collect.0
}

#[test]
fn the_tutorials_cnn_has_121930_parameters() {
    assert_eq!(model(1).num_params(), 121_930);
    let sizes: Vec<usize> = parameters(&model(1)).iter().map(Vec::len).collect();
    assert_eq!(sizes, [288, 32, 18_432, 64, 102_400, 64, 640, 10]);
}

#[test]
fn initial_weights_are_glorot_uniform_and_biases_zero() {
    let fans = [(9, 288), (288, 576), (1600, 64), (64, 10)];
    let parameters = parameters(&model(1));
    for (layer, (fan_in, fan_out)) in parameters.chunks(2).zip(fans) {
        let limit = (6.0 / f64::from(fan_in + fan_out)).sqrt();
        let [weights, biases] = layer else { panic!("a layer must have weights and biases") };
        let largest = weights.iter().fold(0.0_f64, |largest, &weight| largest.max(f64::from(weight).abs()));
        assert!(largest <= limit * 1.000_001 && largest > 0.95 * limit, "largest {largest}, limit {limit}");
        let mean = weights.iter().map(|&weight| f64::from(weight)).sum::<f64>() / weights.len() as f64;
        // The mean of n values from a uniform distribution has a standard deviation of limit / √(3n).
        assert!(mean.abs() < 4.0 * limit / (3.0 * weights.len() as f64).sqrt(), "mean {mean}");
        assert!(biases.iter().all(|&bias| bias == 0.0));
    }
}

#[test]
fn initial_weights_depend_on_the_seed_and_the_layer() {
    assert_eq!(parameters(&model(7)), parameters(&model(7)));
    assert_ne!(parameters(&model(7)), parameters(&model(8)));
    let square = ModelConfig::new().with_filters([1, 1]).init(7, &Device::flex()).unwrap();
    let parameters = parameters(&square);
    assert_ne!(parameters[0], parameters[2], "two layers of the same shape must have different weights");
}

#[test]
fn the_image_shape_and_the_number_of_classes_can_be_changed() {
    let config = ModelConfig::new().with_image([3, 32, 24]).with_classes(47);
    let model = config.init(1, &Device::flex()).unwrap();
    let logits = model.forward(Tensor::zeros([5, 3, 32, 24], &Device::flex()));
    assert_eq!(logits.dims(), [5, 47]);
    let smallest = ModelConfig::new().with_image([1, 10, 10]).init(1, &Device::flex()).unwrap();
    assert_eq!(smallest.forward(Tensor::zeros([1, 1, 10, 10], &Device::flex())).dims(), [1, 10]);
}

#[test]
fn images_smaller_than_the_minimum_are_an_error() {
    let config = ModelConfig::new().with_image([1, 28, 9]);
    let error = config.init(1, &Device::flex()).err().unwrap();
    assert!(matches!(error, ModelError::ImageTooSmall { height: 28, width: 9 }));
}

#[derive(Deserialize)]
struct Golden {
    logits: Vec<Vec<f64>>,
    loss: f64,
    gradients: Vec<GoldenGradient>,
}

#[derive(Deserialize)]
struct GoldenGradient {
    name: String,
    shape: Vec<usize>,
    sum: f64,
    sum_abs: f64,
    first: Vec<f64>,
    last: Vec<f64>,
}

/// Sets the parameters with the formula of scripts/golden_model.py.
struct SetByFormula(usize);

impl ModuleMapper for SetByFormula {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        const SCALES: [f64; 8] = [0.3, 0.1, 0.06, 0.1, 0.03, 0.1, 0.2, 0.1];
        let number = self.0;
        self.0 += 1;
        let shape = param.dims();
        let value = |i: usize| {
            let phase = 0.7 * (i % 1000) as f64 + 0.3 * (i / 1000) as f64 + number as f64;
            (SCALES[number] * phase.sin()) as f32
        };
        let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
        Param::from_data(TensorData::new(values, shape), &param.device())
    }
}

/// Collects each parameter's gradient.
struct Gradients<'a>(&'a GradientsParams, Vec<(Vec<usize>, Vec<f64>)>);

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.0.get::<D>(param.id).unwrap();
        self.1.push((gradient.dims().to_vec(), gradient.try_into_vec_as().unwrap()));
    }
}

#[test]
fn logits_loss_and_gradients_match_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("golden/model.json")).unwrap();
    let device = Device::flex().autodiff();
    let model = ModelConfig::new().init(1, &device).unwrap().map(&mut SetByFormula(0));

    let pixel = |i: usize| {
        let i = i as f64;
        (0.5 + 0.5 * (0.05 * i * (1.0 + 0.001 * i)).sin()) as f32
    };
    let pixels: Vec<f32> = (0..3 * 784).map(pixel).collect();
    let images = Tensor::from_data(TensorData::new(pixels, [3, 1, 28, 28]), &device);
    let targets = Tensor::from_data([3, 0, 7], &device);
    let (logits, loss) = model.forward_classification(images, targets);

    let logits: Vec<f64> = logits.try_into_vec_as().unwrap();
    for (ours, theirs) in logits.iter().zip(golden.logits.iter().flatten()) {
        assert!((ours - theirs).abs() < 1e-5, "{ours}, expected {theirs}");
    }
    assert!((loss.clone().into_scalar::<f64>() - golden.loss).abs() < 1e-5);

    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let mut ours = Gradients(&gradients, Vec::new());
    model.visit(&mut ours);
    assert_eq!(ours.1.len(), golden.gradients.len());
    for ((shape, ours), theirs) in ours.1.iter().zip(&golden.gradients) {
        let GoldenGradient { name, sum, sum_abs, first, last, .. } = theirs;
        assert_eq!(shape, &theirs.shape, "{name}");
        // The rounding error of a sum grows with its summands, so the tolerance is relative to the sum of their
        // absolute values.
        assert!((ours.iter().sum::<f64>() - sum).abs() < 1e-5 * sum_abs, "{name}");
        let our_sum_abs: f64 = ours.iter().map(|value| value.abs()).sum();
        assert!((our_sum_abs - sum_abs).abs() < 1e-5 * sum_abs, "{name}");
        let scale = first.iter().chain(last).fold(1e-3_f64, |largest, value| largest.max(value.abs()));
        let ends = ours[..8].iter().zip(first).chain(ours[ours.len() - 8..].iter().zip(last));
        for (ours, theirs) in ends {
            assert!((ours - theirs).abs() < 1e-5 * scale, "{name}: {ours}, expected {theirs}");
        }
    }
}

/// The CNN's blocks do not use `conv2d`, so this checks that it creates the same weights for your own network.
#[test]
fn layers_for_other_networks_have_the_weights_of_the_cnn() {
    let (device, config) = (Device::flex(), ModelConfig::new());
    let cnn = parameters(&config.init(7, &device).unwrap());
    let values = |tensor: Tensor<1>| tensor.try_into_vec_as::<f32>().unwrap();
    let conv = conv2d("conv2", [32, 64], [3, 3], 7, &device);
    assert_eq!(values(conv.weight.val().flatten(0, 3)), cnn[2]);
    let output = dense("dense2", [64, 10], 7, &device);
    assert_eq!(values(output.weight.val().flatten(0, 1)), cnn[6]);
    let features = conv.forward(Tensor::zeros([2, 32, 13, 13], &device));
    assert_eq!(features.dims(), [2, 64, 11, 11], "conv2d must have stride 1 and no padding");
    assert_eq!(features.try_into_vec_as::<f32>().unwrap(), vec![0.0; 2 * 64 * 11 * 11], "biases must be 0");
}
