//! Comparison of the GPU kernels with those of the CPU, and the number of their launches.
//!
//! Where there is no GPU, Mesa's software Vulkan (Debian's mesa-vulkan-drivers) runs these tests. Without either,
//! the tests print so and pass.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::{
    backend::Cube,
    module::{Module, Param},
    optim::{GradientsParams, Optimizer},
    tensor::{Device, DeviceType, Int, Tensor, TensorData},
};
use mnist_kernels::{
    Activation, Adam, conv_block, conv_block_of_primitives, cross_entropy, dense, gather,
    launches::count_launches,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Launches are counted for the whole process, so the tests run one after the other.
static ONE_TEST: Mutex<()> = Mutex::new(());

/// Returns the first GPU, or `None` if there is none.
fn gpu() -> Option<(Device, MutexGuard<'static, ()>)> {
    let guard = ONE_TEST.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::enumerate(DeviceType::Wgpu).into_vec().into_iter().next();
    if device.is_none() {
        println!("skipped: no GPU, and no software Vulkan");
    }
    device.map(|device| (device, guard))
}

/// Random values, the same on each device.
struct Random {
    generator: ChaCha8Rng,
    device: Device,
}

impl Random {
    fn new(device: &Device) -> Self {
        Self { generator: ChaCha8Rng::seed_from_u64(1), device: device.clone().autodiff() }
    }

    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let len = shape.iter().product();
        let values: Vec<f32> = (0..len).map(|_| self.generator.random_range(-1.0..1.0)).collect();
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    fn classes(&mut self, count: usize, classes: i32) -> Tensor<1, Int> {
        let classes: Vec<i32> = (0..count).map(|_| self.generator.random_range(0..classes)).collect();
        Tensor::from_data(TensorData::new(classes, [count]), &self.device)
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// The output of an operation, and its gradients.
struct Results {
    output: Vec<f32>,
    gradients: Vec<Vec<f32>>,
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

/// Asserts that results agree up to rounding: the output to 1e-5 of its largest value, a gradient to 1e-4 of its
/// norm.
fn assert_close(ours: &Results, expected: &Results, what: &str) {
    assert_eq!(ours.output.len(), expected.output.len(), "{what}: output");
    let largest = expected.output.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (index, (ours, expected)) in ours.output.iter().zip(&expected.output).enumerate() {
        assert!((ours - expected).abs() <= 1e-5 * largest, "{what}: output {index}: {ours}, {expected}");
    }
    assert_eq!(ours.gradients.len(), expected.gradients.len(), "{what}: gradients");
    for (index, (ours, expected)) in ours.gradients.iter().zip(&expected.gradients).enumerate() {
        assert_eq!(ours.len(), expected.len(), "{what}: gradient {index}");
        let difference = norm(ours.iter().zip(expected).map(|(ours, expected)| ours - expected));
        let of = norm(expected.iter().copied());
        assert!(difference <= 1e-4 * of, "{what}: gradient {index}: difference {difference} of {of}");
    }
}

/// Asserts that two runs gave the same bits.
fn assert_same_bits(first: &Results, second: &Results, what: &str) {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert!(bits(&first.output) == bits(&second.output), "{what}: the output differs between runs");
    for (index, (first, second)) in first.gradients.iter().zip(&second.gradients).enumerate() {
        assert!(bits(first) == bits(second), "{what}: gradient {index} differs between runs");
    }
}

#[derive(Debug, Clone, Copy)]
struct Block {
    batch: usize,
    channels: [usize; 2],
    image: [usize; 2],
    kernel: [usize; 2],
}

impl Block {
    /// Returns random input, weights and bias.
    fn tensors(self, device: &Device) -> (Tensor<4>, Tensor<4>, Tensor<1>, Random) {
        let Self { batch, channels: [channels_in, channels_out], image, kernel } = self;
        let mut random = Random::new(device);
        let input = random.tensor([batch, channels_in, image[0], image[1]]).require_grad();
        let weight = random.tensor([channels_out, channels_in, kernel[0], kernel[1]]).require_grad();
        let bias = random.tensor([channels_out]).require_grad();
        (input, weight, bias, random)
    }

    fn run(self, device: &Device, apply: fn(Tensor<4>, Tensor<4>, Tensor<1>) -> Tensor<4>) -> Results {
        let (input, weight, bias, mut random) = self.tensors(device);
        let output = apply(input.clone(), weight.clone(), bias.clone());
        let factors = random.tensor(output.dims());
        let gradients = (output.clone() * factors).sum().backward();
        Results {
            output: values(output.inner()),
            gradients: vec![
                values(input.grad(&gradients).unwrap()),
                values(weight.grad(&gradients).unwrap()),
                values(bias.grad(&gradients).unwrap()),
            ],
        }
    }
}

/// The tutorial's blocks, other batch sizes, odd sizes, other numbers of channels, and other kernels.
const BLOCKS: [Block; 12] = [
    Block { batch: 64, channels: [1, 32], image: [28, 28], kernel: [3, 3] },
    Block { batch: 64, channels: [32, 64], image: [13, 13], kernel: [3, 3] },
    Block { batch: 32, channels: [1, 32], image: [28, 28], kernel: [3, 3] },
    Block { batch: 1, channels: [3, 5], image: [9, 12], kernel: [3, 3] },
    Block { batch: 3, channels: [2, 4], image: [4, 4], kernel: [3, 3] },
    Block { batch: 5, channels: [3, 8], image: [11, 10], kernel: [1, 1] },
    Block { batch: 5, channels: [3, 8], image: [11, 10], kernel: [2, 2] },
    Block { batch: 2, channels: [3, 7], image: [12, 9], kernel: [5, 4] },
    Block { batch: 2, channels: [3, 6], image: [8, 9], kernel: [1, 3] },
    Block { batch: 2, channels: [200, 130], image: [6, 7], kernel: [3, 3] },
    Block { batch: 2, channels: [1, 2], image: [12, 12], kernel: [8, 8] },
    Block { batch: 2, channels: [2, 2], image: [3, 25], kernel: [1, 17] },
];

#[test]
fn block_and_its_gradients_match_the_cpu_and_have_the_same_bits_in_each_run() {
    let Some((gpu, _guard)) = gpu() else { return };
    for block in BLOCKS {
        let what = format!("{block:?}");
        let ours = block.run(&gpu, conv_block);
        assert_close(&ours, &block.run(&Device::flex(), conv_block), &what);
        assert_close(&ours, &block.run(&Device::flex(), conv_block_of_primitives), &what);
        assert_same_bits(&ours, &block.run(&gpu, conv_block), &what);
    }
}

#[test]
fn inference_equals_training_bit_for_bit() {
    let Some((gpu, _guard)) = gpu() else { return };
    for block in BLOCKS {
        let (input, weight, bias, _) = block.tensors(&gpu);
        let output = values(conv_block(input.inner(), weight.inner(), bias.inner()));
        assert!(output == block.run(&gpu, conv_block).output, "{block:?}");
    }
}

#[test]
fn tensors_that_are_not_contiguous_are_supported() {
    let Some((gpu, _guard)) = gpu() else { return };
    let run = |device: &Device| {
        let mut random = Random::new(device);
        let input = random.tensor([7, 9, 3, 4]).inner().permute([3, 2, 0, 1]);
        let weight = random.tensor([2, 3, 3, 4]).inner().permute([3, 2, 1, 0]);
        let bias = random.tensor([8]).inner().slice(2..6);
        let block = values(conv_block(input, weight, bias));
        let input = random.tensor([20, 6]).inner().transpose();
        let weight = random.tensor([5, 20]).inner().transpose();
        let bias = random.tensor([5]).inner();
        let dense = values(dense(input, weight, bias, Activation::Relu));
        Results { output: [block, dense].concat(), gradients: vec![] }
    };
    assert_close(&run(&gpu), &run(&Device::flex()), "not contiguous");
}

#[test]
fn the_first_of_equal_values_wins() {
    let Some((gpu, _guard)) = gpu() else { return };
    let run = |device: &Device| {
        let device = device.clone().autodiff();
        let input = Tensor::<4>::ones([2, 1, 6, 6], &device).require_grad();
        let weight = Tensor::<4>::ones([4, 1, 3, 3], &device);
        let bias = Tensor::<1>::ones([4], &device);
        let output = conv_block(input.clone(), weight, bias);
        let gradients = output.clone().sum().backward();
        Results { output: values(output.inner()), gradients: vec![values(input.grad(&gradients).unwrap())] }
    };
    assert_close(&run(&gpu), &run(&Device::flex()), "ties");
}

fn run_dense(device: &Device, shape: [usize; 3], activation: Activation) -> Results {
    let [batch, inputs, outputs] = shape;
    let mut random = Random::new(device);
    let input = random.tensor([batch, inputs]).require_grad();
    let weight = random.tensor([inputs, outputs]).require_grad();
    let bias = random.tensor([outputs]).require_grad();
    let output = dense(input.clone(), weight.clone(), bias.clone(), activation);
    let factors = random.tensor(output.dims());
    let gradients = (output.clone() * factors).sum().backward();
    Results {
        output: values(output.inner()),
        gradients: vec![
            values(input.grad(&gradients).unwrap()),
            values(weight.grad(&gradients).unwrap()),
            values(bias.grad(&gradients).unwrap()),
        ],
    }
}

#[test]
fn dense_layer_and_its_gradients_match_the_cpu_and_have_the_same_bits_in_each_run() {
    let Some((gpu, _guard)) = gpu() else { return };
    for shape in [[64, 1600, 64], [64, 64, 10], [32, 1600, 64], [1, 17, 3], [19, 1, 1], [5, 16, 33]] {
        for activation in [Activation::Identity, Activation::Relu] {
            let what = format!("{shape:?} {activation:?}");
            let ours = run_dense(&gpu, shape, activation);
            assert_close(&ours, &run_dense(&Device::flex(), shape, activation), &what);
            assert_same_bits(&ours, &run_dense(&gpu, shape, activation), &what);
        }
    }
}

fn run_loss(device: &Device, batch: usize, classes: usize) -> Results {
    let mut random = Random::new(device);
    let logits = (random.tensor([batch, classes]) * 5.0).detach().require_grad();
    let targets = random.classes(batch, classes as i32);
    let loss = cross_entropy(logits.clone(), targets);
    let gradients = (loss.clone() * 3.0).backward();
    Results { output: values(loss.inner()), gradients: vec![values(logits.grad(&gradients).unwrap())] }
}

#[test]
fn loss_and_its_gradient_match_the_cpu_and_have_the_same_bits_in_each_run() {
    let Some((gpu, _guard)) = gpu() else { return };
    for [batch, classes] in [[64, 10], [32, 10], [1, 2], [1000, 3], [7, 100]] {
        let what = format!("[{batch}, {classes}]");
        let ours = run_loss(&gpu, batch, classes);
        assert_close(&ours, &run_loss(&Device::flex(), batch, classes), &what);
        assert_same_bits(&ours, &run_loss(&gpu, batch, classes), &what);
    }
}

#[test]
fn a_target_that_is_not_a_class_makes_the_loss_and_its_gradient_nan() {
    let Some((gpu, _guard)) = gpu() else { return };
    let device = gpu.autodiff();
    for target in [-1, 3, i32::MAX, i32::MIN] {
        let logits = Tensor::<2>::zeros([2, 3], &device).require_grad();
        let loss = cross_entropy(logits.clone(), Tensor::from_data([0, target], &device));
        let gradient = values(logits.grad(&loss.backward()).unwrap());
        assert!(values(loss.inner())[0].is_nan(), "target {target}");
        assert!(gradient[..3].iter().all(|value| value.is_finite()), "target {target}: {gradient:?}");
        assert!(gradient[3..].iter().all(|value| value.is_nan()), "target {target}: {gradient:?}");
    }
}

#[test]
fn adam_matches_the_cpu() {
    let Some((gpu, _guard)) = gpu() else { return };
    let run = |device: &Device, keep: bool| {
        let mut random = Random::new(device);
        let adam = Adam::new(0.9, 0.999, 1e-7);
        let mut parameter = random.tensor([161, 7]).inner();
        let (mut state, mut kept) = (None, Vec::new());
        for _ in 0..5 {
            let gradient = random.tensor([161, 7]).inner();
            if keep {
                kept.push((parameter.clone(), values(parameter.clone())));
            }
            (parameter, state) = adam.step(0.1, parameter, gradient, state);
        }
        for (kept, before) in kept {
            assert!(values(kept) == before, "a step wrote into a tensor that is still in use");
        }
        let momentum = state.unwrap().momentum;
        let moments = [momentum.moment_1, momentum.moment_2].map(values).concat();
        Results { output: values(parameter), gradients: vec![moments] }
    };
    let ours = run(&gpu, false);
    assert_close(&ours, &run(&Device::flex(), false), "in place");
    assert_same_bits(&ours, &run(&gpu, true), "in place or not");
}

#[test]
fn adam_writes_in_place() {
    let Some((gpu, _guard)) = gpu() else { return };
    let places = |tensors: [&Tensor<1>; 3]| {
        tensors.map(|tensor| {
            let tensor = tensor.clone().try_into_primitive::<Cube>().unwrap();
            tensor.handle.memory.descriptor().id
        })
    };
    let adam = Adam::new(0.9, 0.999, 1e-7);
    let gradient = Tensor::<1>::ones([1000], &gpu);
    let (parameter, state) = adam.step(0.1, Tensor::ones([1000], &gpu), gradient.clone(), None);
    let momentum = &state.as_ref().unwrap().momentum;
    let before = places([&parameter, &momentum.moment_1, &momentum.moment_2]);
    let (parameter, state) = adam.step(0.1, parameter, gradient, state);
    let momentum = &state.as_ref().unwrap().momentum;
    assert_eq!(places([&parameter, &momentum.moment_1, &momentum.moment_2]), before);
}

/// The tutorial's network.
#[derive(Module, Debug)]
struct Network {
    weights: [Param<Tensor<4>>; 2],
    matrices: [Param<Tensor<2>>; 2],
    biases: [Param<Tensor<1>>; 4],
}

impl Network {
    fn new(random: &mut Random) -> Self {
        Self {
            weights: [[32, 1, 3, 3], [64, 32, 3, 3]].map(|shape| parameter(random.tensor(shape) * 0.1)),
            matrices: [[1600, 64], [64, 10]].map(|shape| parameter(random.tensor(shape) * 0.1)),
            biases: [32, 64, 64, 10].map(|len| parameter(random.tensor([len]) * 0.1)),
        }
    }

    fn values(&self) -> Vec<f32> {
        let weights = self.weights.iter().map(|weight| values(weight.val().inner()));
        let matrices = self.matrices.iter().map(|matrix| values(matrix.val().inner()));
        let biases = self.biases.iter().map(|bias| values(bias.val().inner()));
        weights.chain(matrices).chain(biases).flatten().collect()
    }

    fn loss(&self, images: Tensor<4>, targets: Tensor<1, Int>) -> Tensor<1> {
        let [bias_1, bias_2, bias_3, bias_4] = self.biases.each_ref().map(Param::val);
        let [weight_1, weight_2] = self.weights.each_ref().map(Param::val);
        let [matrix_1, matrix_2] = self.matrices.each_ref().map(Param::val);
        let features = conv_block(conv_block(images, weight_1, bias_1), weight_2, bias_2);
        let features = dense(features.flatten(1, 3), matrix_1, bias_3, Activation::Relu);
        cross_entropy(dense(features, matrix_2, bias_4, Activation::Identity), targets)
    }
}

fn parameter<const D: usize>(tensor: Tensor<D>) -> Param<Tensor<D>> {
    Param::from_tensor(tensor.detach())
}

#[test]
fn rows_are_gathered_from_all_parts_in_few_launches() {
    let Some((gpu, _guard)) = gpu() else { return };
    let on = |device: &Device| {
        let mut random = Random::new(device);
        // Some devices allow 31 arguments per kernel, three of which are not parts. Others allow thousands.
        let lens = [vec![5, 1, 300], vec![3; 2000]];
        lens.map(|lens| {
            let parts: Vec<_> = lens.iter().map(|&rows| random.tensor([rows, 7]).inner()).collect();
            let all: i32 = lens.iter().map(|&rows| rows as i32).sum();
            // Every row of the small matrix, and some of the large one.
            let rows: Vec<i32> = (0..1000).map(|i| i * 7919 % all).collect();
            let rows = Tensor::<1, Int>::from_ints(rows.as_slice(), device);
            let (gathered, launches) = count_launches(|| gather(&parts, rows));
            (values(gathered), launches.values().sum::<usize>())
        })
    };
    let [few, many] = on(&gpu);
    assert_eq!(few.1, 1);
    assert!((1..=2000_usize.div_ceil(28)).contains(&many.1), "{} launches", many.1);
    let expected = on(&Device::flex());
    assert!(few.0 == expected[0].0 && many.0 == expected[1].0);
}

#[test]
fn parameters_updated_together_match_the_cpu() {
    let Some((gpu, _guard)) = gpu() else { return };
    let run = |device: &Device| {
        let mut random = Random::new(device);
        let mut network = Network::new(&mut random);
        let first = network.clone();
        let before = first.values();
        let mut optimizer = Adam::new(0.9, 0.999, 1e-7).init();
        for _ in 0..3 {
            let mut gradients = GradientsParams::new();
            for weight in &network.weights {
                gradients.register(weight.id, random.tensor(weight.dims()).inner());
            }
            for matrix in &network.matrices {
                gradients.register(matrix.id, random.tensor(matrix.dims()).inner());
            }
            // One parameter has no gradient, so it must stay.
            for bias in &network.biases[1..] {
                gradients.register(bias.id, random.tensor(bias.dims()).inner());
            }
            network = optimizer.step(0.1, network, gradients);
        }
        assert!(first.values() == before, "a step wrote into a copy of the network");
        assert_eq!(network.biases[0].val().into_data(), first.biases[0].val().into_data());
        Results { output: network.values(), gradients: vec![] }
    };
    let ours = run(&gpu);
    assert_close(&ours, &run(&Device::flex()), "parameters");
    assert_same_bits(&ours, &run(&gpu), "parameters");
}

#[test]
fn a_step_of_the_tutorials_network_has_16_launches_at_most() {
    let Some((gpu, _guard)) = gpu() else { return };
    let mut random = Random::new(&gpu);
    let mut network = Network::new(&mut random);
    let mut optimizer = Adam::new(0.9, 0.999, 1e-7).init();
    let images = random.tensor([64, 1, 28, 28]);
    let targets = random.classes(64, 10);
    for first in [true, false] {
        let (loss, launches) = count_launches(|| {
            let loss = network.loss(images.clone(), targets.clone());
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(1e-3, network.clone(), gradients);
            loss
        });
        assert!(values(loss.inner())[0].is_finite());
        println!("{launches:#?}");
        if !first {
            // Forward 5, ones for the gradient of the loss 1, backward 8. Adam 1, or 2 on a GPU that allows few arguments.
            assert!([15, 16].contains(&launches.values().sum::<usize>()), "{launches:#?}");
        }
    }
}

#[test]
fn each_operation_is_one_launch() {
    let Some((gpu, _guard)) = gpu() else { return };
    let count = |work: &mut dyn FnMut()| count_launches(work).1.values().sum::<usize>();
    let mut random = Random::new(&gpu);
    let images = random.tensor([8, 3, 12, 12]).inner();
    let weight = random.tensor([8, 3, 3, 3]).inner();
    let bias = random.tensor([8]).inner();
    assert_eq!(count(&mut || drop(conv_block(images.clone(), weight.clone(), bias.clone()))), 1, "block");
    let features = random.tensor([8, 20]).inner();
    let matrix = random.tensor([20, 8]).inner();
    let mut apply = || drop(dense(features.clone(), matrix.clone(), bias.clone(), Activation::Relu));
    assert_eq!(count(&mut apply), 1, "dense");
    let targets = random.classes(8, 20).inner();
    assert_eq!(count(&mut || drop(cross_entropy(features.clone(), targets.clone()))), 1, "loss");

    let (adam, parameter) = (Adam::new(0.9, 0.999, 1e-7), random.tensor([20, 8]).inner());
    let (parameter, state) = adam.step(0.1, parameter, matrix.clone(), None);
    let mut arguments = Some((parameter, state));
    let mut step = || {
        let (parameter, state) = arguments.take().unwrap();
        drop(adam.step(0.1, parameter, matrix.clone(), state));
    };
    assert_eq!(count(&mut step), 1, "Adam");
}

#[test]
fn a_weight_or_pixel_that_is_not_finite_makes_the_loss_not_finite() {
    let Some((gpu, _guard)) = gpu() else { return };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in 0..4 {
            let mut random = Random::new(&gpu);
            let mut images = random.tensor([4, 1, 28, 28]);
            let targets = random.classes(4, 10);
            let mut network = Network::new(&mut random);
            let damage = |values: &mut Vec<f32>| {
                let middle = values.len() / 2;
                values[middle] = value;
            };
            match place {
                0 => images = damaged(images, damage),
                1 | 2 => {
                    let weight = &mut network.weights[place - 1];
                    *weight = parameter(damaged(weight.val(), damage));
                }
                _ => network.matrices[1] = parameter(damaged(network.matrices[1].val(), damage)),
            }
            let loss = values(network.loss(images, targets).inner())[0];
            assert!(!loss.is_finite(), "{value} at {place}: the loss is {loss}");
        }
    }
}

fn damaged<const D: usize>(tensor: Tensor<D>, damage: impl Fn(&mut Vec<f32>)) -> Tensor<D> {
    let (shape, device) = (tensor.dims(), tensor.device());
    let mut values = values(tensor.inner());
    damage(&mut values);
    Tensor::from_data(TensorData::new(values, shape), &device)
}

#[test]
fn nan_spreads_as_on_the_cpu() {
    let Some((gpu, _guard)) = gpu() else { return };
    let run = |device: &Device| {
        let mut random = Random::new(device);
        let weight = random.tensor([4, 2, 3, 3]).inner();
        let bias = random.tensor([4]).inner();
        let images = damaged(random.tensor([3, 2, 12, 12]), |values| values[2 * 144 + 70] = f32::NAN);
        values(conv_block(images, weight, bias))
    };
    let (ours, expected) = (run(&gpu), run(&Device::flex()));
    assert!(expected.iter().any(|value| value.is_nan()) && !expected.iter().all(|value| value.is_nan()));
    for (index, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
        assert_eq!(ours.is_nan(), expected.is_nan(), "output {index}: {ours}, {expected}");
    }
}
