//! Checks that a backend computes the same values as another, up to rounding.
//!
//! Each kernel gets the same random values on both backends. Then both train the tutorial's network on the same images.

use std::{num::NonZeroU32, ops::ControlFlow, sync::Arc};

use burn::{
    module::Module,
    nn::loss::CrossEntropyLossConfig,
    optim::Optimizer,
    tensor::{Device, Int, Tensor, TensorData, activation::relu},
};
use mnist_data::FittedScaling;
use mnist_kernels::{Activation, Adam, conv_block, conv_block_of_primitives, cross_entropy, dense};
use mnist_model::{Kernels, ModelConfig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::{
    ExperimentData, Observer, RunSettings, TrainingError, TrainingLoop, TrainingSettings, TrainingState,
    curve::CurvePoint,
    progress::TrainingProgress,
    training_loop::{Ending, Watch, adam},
    transfers::read,
};

/// Difference between two backends in one value or one group of values.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// The values that were compared.
    pub name: String,
    /// The relative difference; NaN if a value is NaN.
    pub error: f64,
    /// The largest relative difference that rounding explains.
    pub tolerance: f64,
    /// Whether the difference is within the tolerance.
    pub ok: bool,
}

/// A device with an implementation of the layers.
#[derive(Debug, Clone)]
pub struct Implementation {
    /// The device, without autodiff.
    pub device: Device,
    /// The implementation of the layers.
    pub kernels: Kernels,
}

/// Number of images in a full and in a short batch.
const BATCHES: [usize; 2] = [64, 7];

/// Tolerance of values, relative to the largest one.
const VALUES: f64 = 1e-5;

/// Tolerance of gradients: the norm of the difference, relative to the norm of the gradient.
const GRADIENTS: f64 = 1e-4;

/// Tolerance of the loss over the first 20 steps, relative.
const LOSS_OF_STEPS: f64 = 1e-4;

/// Tolerance of the test loss after the training, relative. Rounding grows from step to step.
const TEST_LOSS: f64 = 3e-2;

/// Tolerance of the test accuracy after the training, a fraction of the images.
const ACCURACY: f64 = 0.01;

/// Compares all kernels and a training. `data` are the images to train on, in one epoch.
///
/// # Errors
/// When images cannot be read, a device fails, or the observer asks to stop.
pub fn check(
    tested: &Implementation,
    reference: &Implementation,
    data: &ExperimentData,
    fitted: &Arc<FittedScaling>,
    observer: &dyn Observer,
) -> Result<Vec<Check>, TrainingError> {
    let mut checks = Vec::new();
    for block in BLOCKS {
        for batch in BATCHES {
            let outputs = both(tested, reference, observer, |on| run_block(on, block, batch))?;
            checks.extend(of_layer(&format!("{}, {batch} images", block.name), outputs));
        }
    }
    checks.extend(of_layer("dense layer", both(tested, reference, observer, run_dense)?));
    let [ours, theirs] = both(tested, reference, observer, run_loss)?;
    checks.extend([
        of_values("cross-entropy: loss", &ours[0], &theirs[0]),
        of_gradients("cross-entropy: gradient of the logits", &ours[1], &theirs[1]),
    ]);
    let [ours, theirs] = both(tested, reference, observer, run_adam)?;
    checks.push(of_values("Adam: parameters after 3 steps", &ours[0], &theirs[0]));
    checks.push(nan_weight(tested)?);
    if observer.wants_stop() {
        return Err(TrainingError::Interrupted);
    }

    let ours = train(tested, data, fitted, observer)?;
    let theirs = train(reference, data, fitted, observer)?;
    checks.extend([
        check_of("training: loss of the first 20 steps", relative(ours.early, theirs.early), LOSS_OF_STEPS),
        check_of("training: test loss", relative(ours.loss, theirs.loss), TEST_LOSS),
        check_of("training: test accuracy", (ours.accuracy - theirs.accuracy).abs(), ACCURACY),
    ]);
    Ok(checks)
}

fn both<T>(
    tested: &Implementation,
    reference: &Implementation,
    observer: &dyn Observer,
    mut run: impl FnMut(&Implementation) -> Result<T, TrainingError>,
) -> Result<[T; 2], TrainingError> {
    if observer.wants_stop() {
        return Err(TrainingError::Interrupted);
    }
    Ok([run(tested)?, run(reference)?])
}

/// Compares the output of a layer, and the gradients of its input, weights and bias.
fn of_layer(name: &str, [ours, theirs]: [Vec<Vec<f32>>; 2]) -> Vec<Check> {
    let of = |index: usize, what: &str| {
        let compare = if index == 0 { of_values } else { of_gradients };
        compare(&format!("{name}: {what}"), &ours[index], &theirs[index])
    };
    vec![
        of(0, "output"),
        of(1, "gradient of the input"),
        of(2, "gradient of the weights"),
        of(3, "gradient of the bias"),
    ]
}

fn check_of(name: &str, error: f64, tolerance: f64) -> Check {
    // A comparison with NaN is false.
    Check { name: name.to_owned(), error, tolerance, ok: error <= tolerance }
}

fn of_values(name: &str, ours: &[f32], theirs: &[f32]) -> Check {
    let largest = |values: &mut dyn Iterator<Item = f64>| {
        // `f64::max` ignores NaN.
        values.fold(0.0, |largest: f64, value| match value.abs() {
            value if largest.is_nan() || value.is_nan() => f64::NAN,
            value => largest.max(value),
        })
    };
    let difference = largest(&mut differences(ours, theirs));
    check_of(name, difference / largest(&mut theirs.iter().copied().map(f64::from)), VALUES)
}

fn of_gradients(name: &str, ours: &[f32], theirs: &[f32]) -> Check {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let difference = norm(&mut differences(ours, theirs));
    check_of(name, difference / norm(&mut theirs.iter().copied().map(f64::from)), GRADIENTS)
}

fn differences(ours: &[f32], theirs: &[f32]) -> impl Iterator<Item = f64> {
    let missing = (ours.len() != theirs.len()).then_some(f64::NAN);
    ours.iter().zip(theirs).map(|(&ours, &theirs)| f64::from(ours) - f64::from(theirs)).chain(missing)
}

fn relative(ours: f64, theirs: f64) -> f64 {
    (ours - theirs).abs() / theirs.abs()
}

/// Sizes of a convolution block.
#[derive(Debug, Clone, Copy)]
struct Block {
    name: &'static str,
    channels: [usize; 2],
    side: usize,
}

/// The two blocks of the tutorial's network.
const BLOCKS: [Block; 2] = [
    Block { name: "block 1", channels: [1, 32], side: 28 },
    Block { name: "block 2", channels: [32, 64], side: 13 },
];

/// Random values, the same for each backend.
struct Random {
    generator: ChaCha8Rng,
    device: Device,
}

impl Random {
    fn new(on: &Implementation, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        generator.set_stream(stream);
        Self { generator, device: on.device.clone().autodiff() }
    }

    /// Returns values between −1 and 1. None of the sums of their products are equal, so no max-pool has a tie.
    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| self.generator.random_range(-1.0..1.0)).collect();
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    fn classes(&mut self, count: usize) -> Tensor<1, Int> {
        let classes: Vec<i32> = (0..count).map(|_| self.generator.random_range(0..CLASSES as i32)).collect();
        Tensor::from_data(TensorData::new(classes, [count]), &self.device)
    }
}

const CLASSES: usize = 10;

/// Reads tensors on an autodiff device.
fn values<const N: usize>(tensors: [Tensor<1>; N]) -> Result<Vec<Vec<f32>>, TrainingError> {
    read(tensors.into_iter().collect())
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count: usize = tensor.dims().iter().product();
    tensor.reshape([count])
}

/// Returns the gradient of a tensor that requires one.
fn gradient<const D: usize>(
    of: &Tensor<D>,
    gradients: &burn::tensor::Gradients,
) -> Result<Tensor<1>, TrainingError> {
    of.grad(gradients).map(flat).ok_or_else(|| TrainingError::Device("a gradient is missing".into()))
}

/// Returns the output of a layer, and the gradients of its input, weights and bias, for the loss `sum(output · factors)`.
fn layer_results<const D: usize, const W: usize>(
    output: Tensor<D>,
    factors: Tensor<D>,
    input: &Tensor<D>,
    weight: &Tensor<W>,
    bias: &Tensor<1>,
) -> Result<Vec<Vec<f32>>, TrainingError> {
    let gradients = (output.clone() * factors).sum().backward();
    values([
        flat(output.inner()),
        gradient(input, &gradients)?,
        gradient(weight, &gradients)?,
        gradient(bias, &gradients)?,
    ])
}

/// Returns the output of a block, and the gradients of its input, weights and bias.
fn run_block(on: &Implementation, block: Block, batch: usize) -> Result<Vec<Vec<f32>>, TrainingError> {
    let Block { channels: [channels_in, channels_out], side, .. } = block;
    let mut random = Random::new(on, channels_in as u64);
    let input = random.tensor([batch, channels_in, side, side]).require_grad();
    let weight = random.tensor([channels_out, channels_in, 3, 3]).require_grad();
    let bias = random.tensor([channels_out]).require_grad();
    let apply = match on.kernels {
        Kernels::Fused => conv_block,
        Kernels::Primitives => conv_block_of_primitives,
    };
    let output = apply(input.clone(), weight.clone(), bias.clone());
    let factors = random.tensor(output.dims());
    layer_results(output, factors, &input, &weight, &bias)
}

/// Returns the output of the hidden dense layer, and the gradients of its input, weights and bias.
fn run_dense(on: &Implementation) -> Result<Vec<Vec<f32>>, TrainingError> {
    let mut random = Random::new(on, 100);
    let input = random.tensor([BATCHES[0], 1600]).require_grad();
    let weight = random.tensor([1600, 64]).require_grad();
    let bias = random.tensor([64]).require_grad();
    let output = match on.kernels {
        Kernels::Fused => dense(input.clone(), weight.clone(), bias.clone(), Activation::Relu),
        Kernels::Primitives => relu(input.clone().matmul(weight.clone()) + bias.clone().unsqueeze()),
    };
    let factors = random.tensor(output.dims());
    layer_results(output, factors, &input, &weight, &bias)
}

/// Returns the loss, and the gradient of the logits.
fn run_loss(on: &Implementation) -> Result<Vec<Vec<f32>>, TrainingError> {
    let mut random = Random::new(on, 200);
    let logits = (random.tensor([BATCHES[0], CLASSES]) * 5.0).detach().require_grad();
    let targets = random.classes(BATCHES[0]);
    let loss = loss(on.kernels, logits.clone(), targets);
    let gradients = loss.backward();
    values([loss.inner(), gradient(&logits, &gradients)?])
}

fn loss(kernels: Kernels, logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    match kernels {
        Kernels::Fused => cross_entropy(logits, targets),
        Kernels::Primitives => CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, targets),
    }
}

/// Returns parameters after three steps of Adam.
fn run_adam(on: &Implementation) -> Result<Vec<Vec<f32>>, TrainingError> {
    const SHAPE: [usize; 2] = [1600, 64];
    // So large that the steps are as large as the parameters.
    const LEARNING_RATE: f64 = 0.1;
    let mut random = Random::new(on, 300);
    let mut parameter = random.tensor(SHAPE).inner();
    let gradients = [random.tensor(SHAPE), random.tensor(SHAPE), random.tensor(SHAPE)].map(Tensor::inner);
    let [beta_1, beta_2, epsilon] = [0.9, 0.999, 1e-7];
    match on.kernels {
        Kernels::Fused => {
            let (adam, mut state) = (Adam::new(beta_1, beta_2, epsilon), None);
            for gradient in gradients {
                (parameter, state) = adam.step(LEARNING_RATE, parameter, gradient, state);
            }
        }
        Kernels::Primitives => {
            let config = burn::optim::AdamConfig::new().with_beta_1(beta_1).with_beta_2(beta_2);
            let (adam, mut state) = (config.with_epsilon(epsilon).build(), None);
            for gradient in gradients {
                (parameter, state) = adam.step(LEARNING_RATE, parameter, gradient, state);
            }
        }
    }
    values([flat(parameter)])
}

/// Checks that a weight that is NaN makes the loss infinite or NaN, so that the training notices. A max-pool must not
/// hide it.
fn nan_weight(on: &Implementation) -> Result<Check, TrainingError> {
    let mut random = Random::new(on, 400);
    let images = random.tensor([BATCHES[1], 1, 28, 28]);
    let mut weight = vec![0.1_f32; 32 * 9];
    weight[100] = f32::NAN;
    let weight = Tensor::from_data(TensorData::new(weight, [32, 1, 3, 3]), &random.device);
    let features = match on.kernels {
        Kernels::Fused => conv_block(images, weight, random.tensor([32])),
        Kernels::Primitives => conv_block_of_primitives(images, weight, random.tensor([32])),
    };
    let logits = features.flatten::<2>(1, 3).matmul(random.tensor([32 * 13 * 13, CLASSES]));
    let targets = random.classes(BATCHES[1]);
    let loss = values([loss(on.kernels, logits, targets).inner()])?[0][0];
    Ok(check_of("a NaN weight makes the loss infinite or NaN", f64::from(loss.is_finite()), 0.0))
}

/// Results of a short training.
struct Trained {
    /// Mean loss over the first 20 steps.
    early: f64,
    loss: f64,
    accuracy: f64,
}

/// Stops on request.
struct Stop<'a>(&'a dyn Observer);

impl<M> Watch<M> for Stop<'_> {
    fn step(&mut self, _state: &TrainingState<M>) -> Result<ControlFlow<()>, TrainingError> {
        Ok(if self.0.wants_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

/// Trains the tutorial's network for an epoch, and evaluates it.
fn train(
    on: &Implementation,
    data: &ExperimentData,
    fitted: &Arc<FittedScaling>,
    observer: &dyn Observer,
) -> Result<Trained, TrainingError> {
    let mut settings =
        RunSettings { seed: 1, training: TrainingSettings::default(), scaling: fitted.scaling().clone() };
    settings.training.epochs = NonZeroU32::MIN;
    let config = ModelConfig::new().with_image(data.image()).with_classes(data.classes);
    let model = config.with_kernels(on.kernels).init(settings.seed, &on.device.clone().autodiff());
    let model = model.map_err(|error| TrainingError::Network(error.into()))?;
    let state = TrainingState { model, optimizer: adam(on.kernels), progress: TrainingProgress::default() };
    let training = TrainingLoop::new(&settings, data, fitted.clone(), on.device.clone(), observer);
    let (ending, state) = training.run(state, &mut Stop(observer))?;
    if ending == Ending::Stopped {
        return Err(TrainingError::Interrupted);
    }
    let test = training.evaluate(&state.model.valid(), &data.test)?;
    let points: &[CurvePoint] = &state.progress.curve.points;
    let early = &points[..points.len().min(2)];
    let images: usize = early.iter().map(|point| point.images).sum();
    let early = early.iter().map(|point| point.loss * point.images as f64).sum::<f64>() / images as f64;
    Ok(Trained { early, loss: test.loss, accuracy: test.accuracy })
}

#[cfg(test)]
mod tests {
    use super::{of_gradients, of_values};

    #[test]
    fn differences_beyond_the_tolerance_and_values_that_are_not_numbers_are_not_ok() {
        let reference = [3.0, -4.0];
        for compare in [of_values, of_gradients] {
            assert!(compare("same", &reference, &reference).ok);
            assert!(compare("rounding", &[3.0 + 1e-5, -4.0], &reference).ok);
            for wrong in [
                &[3.01, -4.0][..],
                &[f32::NAN, -4.0],
                &[f32::NAN, f32::NAN],
                &[3.0, f32::INFINITY],
                &[3.0],
                &[],
            ] {
                let check = compare("wrong", wrong, &reference);
                assert!(!check.ok, "{check:?}");
            }
        }
    }
}
