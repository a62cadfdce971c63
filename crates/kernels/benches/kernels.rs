//! Benchmarks of each kernel and of Burn's own operations, with the sizes of the CNN in Keras' MNIST tutorial.
//!
//! Run them with `cargo bench`, whose profile also optimizes Burn's own operations. A group's name contains the minimum number of bytes that a call moves, each
//! tensor counted once. The throughput is in floating-point operations, except for Adam, where it is in bytes.
//! A multiplication with its addition counts as two operations. The forward pass counts all operations of the
//! definition. The gradients count only those that the max-pool does not make zero.

use std::hint::black_box;

use burn::{
    backend::Flex,
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamConfig, Optimizer},
    tensor::{Device, Distribution, Int, Tensor, activation::relu},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mnist_kernels::{
    Activation, Adam, conv_block_of_primitives, cross_entropy, matmul,
    operation::{ConvBlockBackend, ConvBlockTraining, Forward},
};

const BATCH: usize = 64;
const TAPS: usize = 9;
const FLOAT: usize = size_of::<f32>();

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Device::flex())
}

/// Returns the same tensor with its channels adjacent in memory.
fn channels_last(tensor: Tensor<4>) -> Tensor<4> {
    let device = tensor.device();
    let data = tensor.permute([0, 2, 3, 1]).into_data();
    Tensor::from_data(data, &device).permute([0, 3, 1, 2])
}

/// A convolution block of the CNN.
struct Block {
    name: &'static str,
    input: [usize; 4],
    filters: usize,
    output: [usize; 4],
}

const BLOCKS: [Block; 2] = [
    Block { name: "block 1", input: [BATCH, 1, 28, 28], filters: 32, output: [BATCH, 32, 13, 13] },
    Block { name: "block 2", input: [BATCH, 32, 13, 13], filters: 64, output: [BATCH, 64, 5, 5] },
];

impl Block {
    /// Returns the number of operations for one position of every pool window, two per multiplication.
    fn flops(&self) -> usize {
        2 * self.output.iter().product::<usize>() * self.input[1] * TAPS
    }

    fn bytes(&self) -> usize {
        let weights = self.filters * self.input[1] * TAPS;
        FLOAT * (self.input.iter().product::<usize>() + weights + self.output.iter().product::<usize>())
    }
}

fn convolution(criterion: &mut Criterion) {
    for block in &BLOCKS {
        // Like the output of the previous block: no negative values, and adjacent channels.
        let input = channels_last(random(block.input).clamp_min(0.0));
        let weight = random([block.filters, block.input[1], 3, 3]);
        let bias = random([block.filters]);
        // In the layout of the output: a block with more channels than windows feeds a dense layer.
        let gradient = random(block.output);
        let is_last = block.output[2] * block.output[3] < block.filters;
        let gradient = if is_last { gradient } else { channels_last(gradient) };
        let gradient = gradient.try_into_primitive::<Flex>().unwrap();
        let primitive = |tensor: Tensor<4>| tensor.try_into_primitive::<Flex>().unwrap();
        let (x, w) = (primitive(input.clone()), primitive(weight.clone()));
        let b = bias.clone().try_into_primitive::<Flex>().unwrap();
        let (output, winners) = Flex::forward_with_winners(x.clone(), w.clone(), b.clone());
        let forward = Forward { input: x.clone(), weight: w.clone(), bias: b.clone(), output, winners };

        let megabytes = block.bytes() as f64 / 1e6;
        let mut group = criterion.benchmark_group(format!("{} ({megabytes:.1} MB)", block.name));
        group.throughput(Throughput::Elements(4 * block.flops() as u64));
        group.bench_function("forward", |bencher| {
            bencher.iter(|| Flex::conv_block(black_box(x.clone()), w.clone(), b.clone()));
        });
        group.bench_function("forward for training", |bencher| {
            bencher.iter(|| Flex::forward_with_winners(black_box(x.clone()), w.clone(), b.clone()));
        });
        group.bench_function("forward with Burn's operations", |bencher| {
            bencher.iter(|| conv_block_of_primitives(black_box(input.clone()), weight.clone(), bias.clone()));
        });
        group.throughput(Throughput::Elements(block.flops() as u64));
        group.bench_function("gradients of weights and bias", |bencher| {
            bencher.iter(|| Flex::parameter_gradients(black_box(forward.clone()), gradient.clone()));
        });
        group.bench_function("gradient of the input", |bencher| {
            bencher.iter(|| Flex::input_gradient(black_box(forward.clone()), gradient.clone()));
        });
        group.finish();
    }
}

fn product(criterion: &mut Criterion) {
    let (input, weight) = (random([BATCH, 1600]), random([1600, 64]));
    let megabytes = (FLOAT * (BATCH * 1600 + 1600 * 64 + BATCH * 64)) as f64 / 1e6;
    let mut group = criterion.benchmark_group(format!("matrix product 64 × 1600 × 64 ({megabytes:.1} MB)"));
    group.throughput(Throughput::Elements(2 * (BATCH * 1600 * 64) as u64));
    group.bench_function("mnist-kernels", |bencher| {
        bencher.iter(|| matmul(black_box(input.clone()), weight.clone()));
    });
    group.bench_function("Burn", |bencher| {
        bencher.iter(|| black_box(input.clone()).matmul(weight.clone()));
    });
    group.finish();
}

fn dense_layer(criterion: &mut Criterion) {
    let (input, weight, bias) = (random([BATCH, 1600]), random([1600, 64]), random([64]));
    let mut group = criterion.benchmark_group("dense layer 64 × 1600 × 64 with bias and ReLU");
    group.throughput(Throughput::Elements(2 * (BATCH * 1600 * 64) as u64));
    group.bench_function("mnist-kernels", |bencher| {
        bencher.iter(|| {
            let input = black_box(input.clone());
            mnist_kernels::dense(input, weight.clone(), bias.clone(), Activation::Relu)
        });
    });
    group.bench_function("Burn", |bencher| {
        bencher.iter(|| {
            let product = black_box(input.clone()).matmul(weight.clone());
            relu(product + bias.clone().unsqueeze())
        });
    });
    group.finish();
}

/// Times the loss with its gradient, because its cost is mostly that of autodiff nodes.
fn loss(criterion: &mut Criterion) {
    const CLASSES: usize = 10;
    let device = Device::flex().autodiff();
    let logits = Tensor::<2>::from_inner(random([BATCH, CLASSES])).require_grad();
    let targets = Tensor::<1, Int>::zeros([BATCH], &device);
    let burn = CrossEntropyLossConfig::new().init(&device);
    let mut group = criterion.benchmark_group("cross-entropy of 64 × 10 logits and its gradient");
    group.bench_function("mnist-kernels", |bencher| {
        bencher.iter(|| cross_entropy(black_box(logits.clone()), targets.clone()).backward());
    });
    group.bench_function("Burn", |bencher| {
        bencher.iter(|| burn.forward(black_box(logits.clone()), targets.clone()).backward());
    });
    group.finish();
}

fn adam(criterion: &mut Criterion) {
    const PARAMETERS: usize = 121_930;
    // Reads parameter, gradient and two moments; writes all of them except the gradient.
    let bytes = 7 * FLOAT * PARAMETERS;
    let mut group = criterion.benchmark_group(format!("Adam ({:.1} MB)", bytes as f64 / 1e6));
    group.throughput(Throughput::Bytes(bytes as u64));
    let gradient = random([PARAMETERS]);
    let ours = Adam::new(0.9, 0.999, 1e-7);
    let of_burn = AdamConfig::new().with_epsilon(1e-7).build();
    let mut state = Some((random([PARAMETERS]), None));
    group.bench_function("mnist-kernels", |bencher| {
        bencher.iter(|| {
            let (parameter, moments) = state.take().unwrap();
            state = Some(ours.step(1e-3, parameter, gradient.clone(), moments));
        });
    });
    let mut state = Some((random([PARAMETERS]), None));
    group.bench_function("Burn", |bencher| {
        bencher.iter(|| {
            let (parameter, moments) = state.take().unwrap();
            state = Some(of_burn.step(1e-3, parameter, gradient.clone(), moments));
        });
    });
    group.finish();
}

criterion_group!(benches, convolution, product, dense_layer, loss, adam);
criterion_main!(benches);
