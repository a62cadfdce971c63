//! Comparison of the convolution block with PyTorch (values from scripts/golden_kernels.py), and with the same
//! block made of Burn's own operations (the "primitives").
//!
//! In f32, only small integers are compared with the primitives. Their sums are exact in any order, so the results
//! must be equal, including ties.

mod difference;

use std::{cmp::Ordering, iter, panic::catch_unwind, thread};

use burn::tensor::{DType, Device, Shape, Slice, Tensor, TensorData};
use mnist_kernels::{conv_block, conv_block_of_primitives};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::ThreadPoolBuilder;
use serde::Deserialize;

use difference::difference;

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

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

fn assert_close<const D: usize>(ours: Tensor<D>, theirs: &[f32], what: &str) {
    let ours = values(ours);
    let scale = theirs.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let close = |ours: f32, theirs: f32| (ours - theirs).abs() <= 1e-5 * scale;
    assert_eq!(difference(what, &ours, theirs, close), None);
}

#[test]
fn output_and_gradients_match_pytorch() {
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

/// [`conv_block`] or [`conv_block_of_primitives`].
type Operation = fn(Tensor<4>, Tensor<4>, Tensor<1>) -> Tensor<4>;

#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: usize,
    channels_in: usize,
    channels_out: usize,
    image: [usize; 2],
    kernel: [usize; 2],
}

impl Sizes {
    fn input(&self) -> [usize; 4] {
        [self.batch, self.channels_in, self.image[0], self.image[1]]
    }

    fn weight(&self) -> [usize; 4] {
        [self.channels_out, self.channels_in, self.kernel[0], self.kernel[1]]
    }

    fn output(&self) -> [usize; 4] {
        let pooled = |axis: usize| (self.image[axis] + 1 - self.kernel[axis]) / 2;
        [self.batch, self.channels_out, pooled(0), pooled(1)]
    }
}

/// The memory layout of a tensor.
#[derive(Debug, Clone, Copy)]
enum Layout {
    Contiguous,
    ChannelsLast,
    Transposed,
    Flipped,
    /// Some images of a larger batch.
    PartOfBatch,
    /// Every second value along each axis of a larger tensor. Its other values are NaN.
    EverySecond,
}

const LAYOUTS: [Layout; 6] = [
    Layout::Contiguous,
    Layout::ChannelsLast,
    Layout::Transposed,
    Layout::Flipped,
    Layout::PartOfBatch,
    Layout::EverySecond,
];

impl Layout {
    /// Returns the same tensor in this memory layout.
    fn apply(self, tensor: Tensor<4>) -> Tensor<4> {
        let stored = |tensor: Tensor<4>| Tensor::<4>::from_data(tensor.to_data(), &tensor.device());
        let dims = tensor.dims();
        let nan = |dims: [usize; 4]| Tensor::full(dims, f32::NAN, &tensor.device());
        match self {
            Self::Contiguous => tensor,
            Self::ChannelsLast => stored(tensor.permute([0, 2, 3, 1])).permute([0, 3, 1, 2]),
            Self::Transposed => stored(tensor.swap_dims(2, 3)).swap_dims(2, 3),
            Self::Flipped => stored(tensor.flip([0, 1, 2, 3])).flip([0, 1, 2, 3]),
            Self::PartOfBatch => {
                let others = nan(dims);
                Tensor::cat(vec![others.clone(), tensor, others], 0).narrow(0, dims[0], dims[0])
            }
            Self::EverySecond => {
                let places = dims.map(|size| Slice::new(1, Some((2 * size).cast_signed()), 2));
                nan(dims.map(|size| 2 * size + 1)).slice_assign(places, tensor).slice(places)
            }
        }
    }

    /// Multiplies `output` by `gradient`, so that the gradient of `output` has this memory layout. There is no
    /// such operation for `EverySecond`; the gradient is contiguous then.
    fn apply_to_gradient(self, output: Tensor<4>, gradient: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Contiguous | Self::EverySecond => output * gradient,
            Self::ChannelsLast => output.permute([0, 2, 3, 1]) * gradient.permute([0, 2, 3, 1]),
            Self::Transposed => output.swap_dims(2, 3) * gradient.swap_dims(2, 3),
            Self::Flipped => output.flip([0, 1, 2, 3]) * gradient.flip([0, 1, 2, 3]),
            Self::PartOfBatch => {
                let zeros = gradient.zeros_like();
                let outputs = Tensor::cat(vec![zeros.clone(), output], 0);
                outputs * Tensor::cat(vec![zeros, gradient], 0)
            }
        }
    }
}

/// A block and its values, each tensor in row-major order.
#[derive(Clone)]
struct Block {
    sizes: Sizes,
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    output_gradient: Vec<f32>,
}

/// The results of a forward and a backward pass. Tensors that are not tracked have no gradient.
#[derive(Debug)]
struct Pass {
    output: Vec<f32>,
    gradients: [Option<Vec<f32>>; 3],
}

/// Flags to track input, weight and bias.
const ALL: [bool; 3] = [true; 3];

impl Block {
    fn new(sizes: Sizes, mut value: impl FnMut() -> f32) -> Self {
        let mut values = |shape: &[usize]| (0..shape.iter().product()).map(|_| value()).collect();
        Self {
            sizes,
            input: values(&sizes.input()),
            weight: values(&sizes.weight()),
            bias: values(&[sizes.channels_out]),
            output_gradient: values(&sizes.output()),
        }
    }

    fn of_integers(sizes: Sizes, seed: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        Self::new(sizes, || generator.random_range(-2_i8..=2).into())
    }

    fn random(sizes: Sizes, seed: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        Self::new(sizes, || generator.random_range(-1.0..1.0))
    }

    fn inputs(&self, device: &Device) -> (Tensor<4>, Tensor<4>, Tensor<1>) {
        let Self { sizes, input, weight, bias, .. } = self;
        (
            tensor(input, sizes.input(), device),
            tensor(weight, sizes.weight(), device),
            tensor(bias, [sizes.channels_out], device),
        )
    }

    fn pass(&self, operation: Operation) -> Pass {
        self.pass_with(operation, ALL, [Layout::Contiguous; 3])
    }

    /// Runs the forward and backward pass. `layouts` are those of the input, the weights and the output's
    /// gradient.
    fn pass_with(&self, operation: Operation, tracked: [bool; 3], layouts: [Layout; 3]) -> Pass {
        let device = Device::flex().autodiff();
        let (input, weight, bias) = self.inputs(&device);
        let input = layouts[0].apply(input).set_require_grad(tracked[0]);
        let weight = layouts[1].apply(weight).set_require_grad(tracked[1]);
        let bias = bias.set_require_grad(tracked[2]);
        let output = operation(input.clone(), weight.clone(), bias.clone());
        let gradients = if tracked.contains(&true) {
            let gradient = tensor(&self.output_gradient, self.sizes.output(), &device);
            let gradients = layouts[2].apply_to_gradient(output.clone(), gradient).sum().backward();
            let [input, weight] = [input, weight].map(|tensor| tensor.grad(&gradients).map(values));
            [input, weight, bias.grad(&gradients).map(values)]
        } else {
            [const { None }; 3]
        };
        Pass { output: values(output), gradients }
    }
}

impl Pass {
    /// Returns the results by name, with the gradients of the tracked tensors only.
    fn tensors(&self) -> Vec<(&'static str, &[f32])> {
        let names = ["input gradient", "weight gradient", "bias gradient"];
        let gradients = names.into_iter().zip(&self.gradients);
        let gradients = gradients.filter_map(|(name, values)| Some((name, values.as_deref()?)));
        iter::once(("output", self.output.as_slice())).chain(gradients).collect()
    }

    /// Describes the first tensor that differs from that of another pass.
    fn difference(&self, expected: &Self, same: fn(f32, f32) -> bool) -> Option<String> {
        let [ours, expected] = [self, expected].map(Self::tensors);
        assert_eq!(ours.len(), expected.len(), "both passes must have the same gradients");
        let mut pairs = ours.into_iter().zip(expected);
        pairs.find_map(|((what, ours), (_, expected))| difference(what, ours, expected, same))
    }
}

/// Returns whether two values are equal. NaN equals NaN, and -0 equals 0.
fn same_number(ours: f32, expected: f32) -> bool {
    ours.partial_cmp(&expected).map_or(ours.is_nan() && expected.is_nan(), Ordering::is_eq)
}

fn same_bits(ours: f32, expected: f32) -> bool {
    ours.to_bits() == expected.to_bits()
}

/// Sizes of a block. Most have a 3×3 kernel, the only size with its own implementation.
fn sizes() -> impl Strategy<Value = Sizes> {
    let channels_in = prop::sample::select(vec![1, 2, 3, 5, 8, 9, 16, 33]);
    let channels_out = prop::sample::select(vec![1, 3, 8, 16, 17, 33, 50]);
    let kernel = prop_oneof![
        5 => Just([3, 3]),
        1 => prop::sample::select(vec![[1, 1], [2, 3], [3, 2], [3, 1], [5, 5]]),
    ];
    let image = [6..=13_usize, 6..=13_usize];
    (1..=9_usize, channels_in, channels_out, image, kernel).prop_map(
        |(batch, channels_in, channels_out, image, kernel)| Sizes {
            batch,
            channels_in,
            channels_out,
            image,
            kernel,
        },
    )
}

fn layout() -> impl Strategy<Value = Layout> {
    prop::sample::select(LAYOUTS.as_slice())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn results_equal_the_primitives_for_any_tracked_tensors_and_memory_layouts(
        sizes in sizes(),
        seed: u64,
        tracked: [bool; 3],
        layouts in [layout(), layout(), layout()],
    ) {
        let block = Block::of_integers(sizes, seed);
        let [ours, theirs] = [conv_block as Operation, conv_block_of_primitives]
            .map(|operation| block.pass_with(operation, tracked, layouts));
        prop_assert_eq!(theirs.gradients.each_ref().map(Option::is_some), tracked);
        prop_assert_eq!(ours.gradients.each_ref().map(Option::is_some), tracked);
        prop_assert_eq!(ours.difference(&theirs, same_number), None);
    }

    #[test]
    fn nan_and_infinity_propagate_as_in_the_primitives(
        sizes in sizes(),
        seed: u64,
        places in prop::collection::vec(
            (
                0..4_usize,
                any::<prop::sample::Index>(),
                prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]),
            ),
            1..4,
        ),
    ) {
        let mut block = Block::of_integers(sizes, seed);
        for (tensor, place, value) in places {
            let Block { input, weight, bias, output_gradient, .. } = &mut block;
            *place.get_mut([input, weight, bias, output_gradient][tensor]) = value;
        }
        let [ours, theirs] = [conv_block as Operation, conv_block_of_primitives].map(|operation| block.pass(operation));
        prop_assert_eq!(ours.difference(&theirs, same_number), None);
    }

    #[test]
    fn inference_equals_training_bit_for_bit(sizes in sizes(), seed: u64, layouts in [layout(), layout()]) {
        let block = Block::random(sizes, seed);
        let [of_input, of_weight] = layouts;
        let training = block.pass_with(conv_block, ALL, [of_input, of_weight, Layout::Contiguous]).output;
        for device in [Device::flex(), Device::flex().autodiff()] {
            let (input, weight, bias) = block.inputs(&device);
            let output = conv_block(of_input.apply(input), of_weight.apply(weight), bias);
            prop_assert_eq!(difference("output", &values(output), &training, same_bits), None);
        }
    }
}

/// Returns one block that uses Winograd's algorithm and one that does not.
fn two_blocks() -> [Block; 2] {
    [16, 3].map(|channels_in| {
        let sizes = Sizes { batch: 17, channels_in, channels_out: 40, image: [9, 12], kernel: [3, 3] };
        Block::random(sizes, 1)
    })
}

#[test]
fn gradient_of_a_plain_sum_equals_the_primitives() {
    let device = Device::flex().autodiff();
    for block in two_blocks() {
        let block = Block::of_integers(block.sizes, 1);
        let [ours, theirs] = [conv_block as Operation, conv_block_of_primitives].map(|operation| {
            let (input, weight, bias) = block.inputs(&device);
            let input = input.require_grad();
            values(input.grad(&operation(input.clone(), weight, bias).sum().backward()).unwrap())
        });
        assert_eq!(difference("input gradient", &ours, &theirs, same_number), None);
    }
}

#[test]
fn f64_results_are_bit_identical_to_the_primitives() {
    let device = Device::flex().autodiff();
    let [block, _] = two_blocks();
    let [ours, theirs] = [conv_block as Operation, conv_block_of_primitives].map(|operation| {
        let (input, weight, bias) = block.inputs(&device);
        let input = input.cast(DType::F64).require_grad();
        let weight = weight.cast(DType::F64).require_grad();
        let bias = bias.cast(DType::F64).require_grad();
        let output = operation(input.clone(), weight.clone(), bias.clone());
        let gradients = output.clone().powf_scalar(2.0).sum().backward();
        [
            output.inner().into_data(),
            input.grad(&gradients).unwrap().into_data(),
            weight.grad(&gradients).unwrap().into_data(),
            bias.grad(&gradients).unwrap().into_data(),
        ]
    });
    assert_eq!(ours[0].dtype(), DType::F64);
    assert_eq!(ours, theirs);
}

/// Returns the output's shape and values, followed by the input's gradient if it is tracked. If the operation
/// panics, returns the panic's message.
fn shape_and_values(
    operation: Operation,
    [input, weight]: [[usize; 4]; 2],
    bias: usize,
    tracked: bool,
) -> Result<([usize; 4], Vec<f32>), String> {
    let device = Device::flex().autodiff();
    let result = catch_unwind(|| {
        let input = Tensor::<4>::ones(input, &device).set_require_grad(tracked);
        let output = operation(input.clone(), Tensor::ones(weight, &device), Tensor::ones([bias], &device));
        let gradient = tracked.then(|| values(input.grad(&output.clone().sum().backward()).unwrap()));
        (output.dims(), [values(output), gradient.unwrap_or_default()].concat())
    });
    // The payload of a panic is a `String` if the message has arguments, otherwise a `&str`.
    result.map_err(|panic| match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
    })
}

#[test]
fn blocks_with_an_empty_output_behave_like_the_primitives() {
    for input in [[2, 3, 3, 3], [2, 3, 3, 9], [2, 3, 9, 3], [2, 3, 9, 2], [2, 3, 1, 1], [0, 3, 9, 9]] {
        for tracked in [false, true] {
            let [ours, theirs] = [conv_block as Operation, conv_block_of_primitives]
                .map(|operation| shape_and_values(operation, [input, [4, 3, 3, 3]], 4, tracked).ok());
            assert_eq!(ours, theirs, "{input:?}");
        }
    }
}

#[test]
fn mismatched_channels_panic() {
    const WEIGHTS: &str = "weight must have as many input channels as the input";
    const BIAS: &str = "bias must have one value per output channel";
    for (channels, weight_channels, bias, words) in [
        (3, 2, 4, WEIGHTS),
        (3, 6, 4, WEIGHTS),
        (16, 8, 4, WEIGHTS),
        (16, 32, 4, WEIGHTS),
        (3, 3, 5, BIAS),
        (3, 3, 1, BIAS),
    ] {
        let shapes = [[2, channels, 9, 9], [4, weight_channels, 3, 3]];
        for tracked in [false, true] {
            let message = shape_and_values(conv_block, shapes, bias, tracked).unwrap_err();
            assert!(message.contains(words), "{shapes:?}, bias [{bias}]: {message}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for block in two_blocks() {
        let expected = block.pass(conv_block);
        for threads in [1, 2, 3, 5, 16, 16] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let ours = pool.install(|| block.pass(conv_block));
            assert_eq!(ours.difference(&expected, same_bits), None, "{threads} threads");
        }
    }
}

#[test]
fn concurrent_passes_are_bit_identical_to_a_single_one() {
    let alone = two_blocks().map(|block| block.pass(conv_block));
    thread::scope(|scope| {
        for (block, alone) in two_blocks().into_iter().zip(&alone) {
            scope.spawn(move || {
                for pass in 0..10 {
                    let ours = block.pass(conv_block);
                    assert_eq!(ours.difference(alone, same_bits), None, "pass {pass}");
                }
            });
        }
    });
}
