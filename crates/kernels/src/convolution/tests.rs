//! Comparison of the kernels with their definition in f64, on every instruction set that this machine supports.
//!
//! Blocks of small integers have no rounding, so their results are compared exactly, including ties and NaN. The
//! results of other blocks are compared up to rounding.

use std::array::from_fn;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::ThreadPoolBuilder;

use super::*;
use crate::aligned::AlignedVec;
use difference::difference;

// The integration tests use this module too.
#[path = "../../tests/difference/mod.rs"]
mod difference;

/// Allowed rounding error, relative to the largest sum of magnitudes in the tensor. It is not relative to the
/// value itself, because summands of opposite sign cancel but their rounding errors do not. The largest observed
/// error is a quarter of this.
const TOLERANCE: f64 = 1e-6;
/// A factor that makes values too large for Winograd's algorithm. A power of two, so the products are exact.
const TOO_LARGE_FOR_WINOGRAD: f32 = (1_u64 << 60) as f32;
const NOT_FINITE: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// A block with its values.
#[derive(Clone)]
struct Block {
    geometry: Geometry,
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    output_gradient: Vec<f32>,
}

/// The results of all kernels for a block.
struct Results {
    output: Vec<f32>,
    winners: Vec<u8>,
    input_gradient: Vec<f32>,
    weight_gradient: Vec<f32>,
    bias_gradient: Vec<f32>,
}

impl Results {
    fn of(
        instructions: InstructionSet,
        geometry: &Geometry,
        input: &[f32],
        weight: &[f32],
        bias: &[f32],
        output_gradient: &[f32],
    ) -> Self {
        let Pooled { output, winners, .. } = forward(instructions, geometry, input, weight, bias);
        let output_gradient = &like_output(geometry, output_gradient);
        let (weight_gradient, bias_gradient) =
            weight_gradient(instructions, geometry, input, &winners, output_gradient);
        let input_gradient = input_gradient(instructions, geometry, weight, &winners, output_gradient);
        Self {
            output: outputs(geometry, &output),
            winners,
            input_gradient: input_gradient.values().to_vec(),
            weight_gradient,
            bias_gradient,
        }
    }

    /// Returns the results of a block if ReLU makes all its windows zero.
    fn nothing(block: &Block) -> Self {
        let Block { input, weight, bias, output_gradient, .. } = block;
        let [output, input_gradient, weight_gradient, bias_gradient] =
            [output_gradient, input, weight, bias].map(|like| vec![0.0; like.len()]);
        let winners = vec![DEAD; output_gradient.len()];
        Self { output, winners, input_gradient, weight_gradient, bias_gradient }
    }

    /// Describes the first tensor that differs in any bit. NaN equals itself, but -0 does not equal 0.
    fn difference_in_bits(&self, expected: &Self) -> Option<String> {
        let same_bits = |a: f32, b: f32| a.to_bits() == b.to_bits();
        [
            ("output", &self.output, &expected.output),
            ("input gradient", &self.input_gradient, &expected.input_gradient),
            ("weight gradient", &self.weight_gradient, &expected.weight_gradient),
            ("bias gradient", &self.bias_gradient, &expected.bias_gradient),
        ]
        .into_iter()
        .find_map(|(what, ours, expected)| difference(what, ours, expected, same_bits))
        .or_else(|| first_winner_other_than(&self.winners, &expected.winners))
    }
}

/// Describes the first winner that differs.
fn first_winner_other_than(ours: &[u8], expected: &[u8]) -> Option<String> {
    assert_eq!(ours.len(), expected.len(), "winners");
    let place = ours.iter().zip(expected).position(|(ours, expected)| ours != expected)?;
    Some(format!("winner {place} is {}, expected {}", ours[place], expected[place]))
}

/// Returns a block's outputs with their channels last.
fn outputs(geometry: &Geometry, outputs: &AlignedVec) -> Vec<f32> {
    let images = outputs.values().chunks_exact(geometry.output_len());
    images.flat_map(|image| geometry.by_window(image).into_owned()).collect()
}

/// Returns values in the layout of the block's output, from values with adjacent channels.
fn like_output(geometry: &Geometry, values: &[f32]) -> Vec<f32> {
    if geometry.output_is_channels_last() {
        return values.to_vec();
    }
    let channels = geometry.channels_out;
    let of_image = |image: &[f32]| -> Vec<f32> {
        (0..channels).flat_map(|channel| image.iter().skip(channel).step_by(channels).copied()).collect()
    };
    values.chunks_exact(geometry.output_len()).flat_map(of_image).collect()
}

/// A sum of products and the sum of their magnitudes, to which the rounding error is proportional.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    magnitude: f64,
}

impl Sum {
    fn add(&mut self, a: f32, b: f32) {
        let product = f64::from(a) * f64::from(b);
        self.value += product;
        self.magnitude += product.abs();
    }
}

/// The gradients of a block by definition.
struct Gradients {
    input: Vec<Sum>,
    weight: Vec<Sum>,
    bias: Vec<Sum>,
}

impl Block {
    fn new(geometry: Geometry, mut value: impl FnMut() -> f32) -> Self {
        let mut values = |count| (0..count).map(|_| value()).collect();
        Self {
            geometry,
            input: values(geometry.batch * geometry.input_len()),
            weight: values(geometry.weight_len()),
            bias: values(geometry.channels_out),
            output_gradient: values(geometry.batch * geometry.output_len()),
        }
    }

    /// Creates a block of values between -1 and 1. A quarter of the output's gradients are zero.
    fn random(geometry: Geometry, seed: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut block = Self::new(geometry, || generator.random_range(-1.0..1.0));
        block
            .output_gradient
            .iter_mut()
            .filter(|_| generator.random_ratio(1, 4))
            .for_each(|value| *value = 0.0);
        block
    }

    /// Creates a block of integers from -2 to 2. Their sums of products are exact and often equal.
    fn of_integers(geometry: Geometry, seed: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        Self::new(geometry, || generator.random_range(-2_i8..=2).into())
    }

    /// Returns the block, and a copy with values that only the direct algorithm can process. With fewer than
    /// eight input channels, both use the direct algorithm.
    fn for_both_algorithms(self) -> [Self; 2] {
        let mut large = self.clone();
        large.input.iter_mut().chain(&mut large.bias).for_each(|value| *value *= TOO_LARGE_FOR_WINOGRAD);
        [self, large]
    }

    fn run(&self, instructions: InstructionSet) -> Results {
        let Self { geometry, input, weight, bias, output_gradient } = self;
        Results::of(instructions, geometry, input, weight, bias, output_gradient)
    }

    /// Returns, for each tap of the convolution at `position` of an output's window, the index of its pixel in
    /// the input and the index of its weight.
    fn taps(&self, output: usize, position: usize) -> impl Iterator<Item = (usize, usize)> {
        let Geometry { height, width, channels_in, channels_out, .. } = self.geometry;
        let [window, channel] = [output / channels_out, output % channels_out];
        let [image, window] = [window / self.geometry.windows(), window % self.geometry.windows()];
        let row = POOL * (window / self.geometry.output_width()) + position / POOL;
        let column = POOL * (window % self.geometry.output_width()) + position % POOL;
        (0..channels_in * TAPS).map(move |tap| {
            let [channel_in, tap] = [tap / TAPS, tap % TAPS];
            let [row, column] = [row + tap / KERNEL, column + tap % KERNEL];
            let pixel = ((image * height + row) * width + column) * channels_in + channel_in;
            (pixel, (channel * channels_in + channel_in) * TAPS + tap)
        })
    }

    /// Returns the convolution's results in each output's window, by definition.
    fn windows(&self) -> Vec<[Sum; POSITIONS]> {
        let window = |output| {
            from_fn(|position| {
                let mut sum = Sum::default();
                sum.add(self.bias[output % self.geometry.channels_out], 1.0);
                for (pixel, weight) in self.taps(output, position) {
                    sum.add(self.input[pixel], self.weight[weight]);
                }
                sum
            })
        };
        (0..self.output_gradient.len()).map(window).collect()
    }

    /// Returns the gradients by definition, if these positions won.
    fn gradients(&self, winners: &[u8]) -> Gradients {
        let zeros = |like: &[f32]| vec![Sum::default(); like.len()];
        let mut gradients =
            Gradients { input: zeros(&self.input), weight: zeros(&self.weight), bias: zeros(&self.bias) };
        for (output, &winner) in winners.iter().enumerate().filter(|&(_, &winner)| winner != DEAD) {
            let gradient = self.output_gradient[output];
            gradients.bias[output % self.geometry.channels_out].add(gradient, 1.0);
            for (pixel, weight) in self.taps(output, winner.into()) {
                gradients.input[pixel].add(gradient, self.weight[weight]);
                gradients.weight[weight].add(gradient, self.input[pixel]);
            }
        }
        gradients
    }
}

/// Applies ReLU and max-pool by definition. Returns the result and the position that won.
fn pooled(window: &[Sum; POSITIONS]) -> (f64, u8) {
    let mut largest = (0.0, DEAD);
    for (position, &Sum { value, .. }) in (0..).zip(window) {
        if value > largest.0 || value.is_nan() {
            largest = (value, position);
        }
    }
    largest
}

/// Returns the rounding error that is allowed for these sums in f32.
fn tolerance<'a>(sums: impl IntoIterator<Item = &'a Sum>) -> f64 {
    TOLERANCE * sums.into_iter().fold(0.0, |largest, sum| sum.magnitude.max(largest))
}

fn assert_close(ours: &[f32], expected: &[Sum], what: &str) {
    let tolerance = tolerance(expected);
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (place, (&ours, expected)) in ours.iter().zip(expected).enumerate() {
        let error = (f64::from(ours) - expected.value).abs();
        assert!(error <= tolerance, "{what} {place}: {ours}, expected {}, error {error:e}", expected.value);
    }
}

/// Asserts that values are equal. NaN equals NaN, and -0 equals 0.
fn assert_equal(ours: &[f32], expected: impl ExactSizeIterator<Item = f64>, what: &str) {
    let number = |value: f64| (!value.is_nan()).then_some(value);
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (place, (&ours, expected)) in ours.iter().zip(expected).enumerate() {
        assert_eq!(number(ours.into()), number(expected), "{what}, value {place}");
    }
}

/// Asserts that a forward pass matches the definition up to rounding. The winner may be any position whose value
/// is the largest up to rounding.
fn assert_forward_close(results: &Results, windows: &[[Sum; POSITIONS]]) {
    let tolerance = tolerance(windows.as_flattened());
    assert_eq!((results.output.len(), results.winners.len()), (windows.len(), windows.len()));
    let ours = results.output.iter().zip(&results.winners);
    for (place, ((&ours, &winner), window)) in ours.zip(windows).enumerate() {
        let (expected, _) = pooled(window);
        let error = (f64::from(ours) - expected).abs();
        assert!(error <= tolerance, "output {place}: {ours}, expected {expected}, error {error:e}");
        let won = if winner == DEAD { 0.0 } else { window[usize::from(winner)].value };
        let error = (won - expected).abs();
        assert!(error <= 2.0 * tolerance, "winner {place} is {winner} with {won}, expected {expected}");
    }
}

fn assert_close_to_definition(block: &Block, instructions: InstructionSet) {
    let results = block.run(instructions);
    assert_forward_close(&results, &block.windows());
    let gradients = block.gradients(&results.winners);
    assert_close(&results.input_gradient, &gradients.input, "input gradient");
    assert_close(&results.weight_gradient, &gradients.weight, "weight gradient");
    assert_close(&results.bias_gradient, &gradients.bias, "bias gradient");
}

fn assert_forward_equal(results: &Results, windows: &[[Sum; POSITIONS]]) {
    assert_equal(&results.output, windows.iter().map(|window| pooled(window).0), "output");
    let winners: Vec<u8> = windows.iter().map(|window| pooled(window).1).collect();
    assert_eq!(first_winner_other_than(&results.winners, &winners), None);
}

/// Sizes that cover every remainder of rows, registers and weight-gradient parts.
fn geometries() -> impl Strategy<Value = Geometry> {
    let batch = prop_oneof![9 => 1..=9_usize, 1 => Just(17_usize)];
    let channels_in = prop::sample::select(vec![1, 2, 3, 5, 7, 8, 16, 17, 32, 33]);
    let channels_out = prop::sample::select(vec![1, 3, 8, 10, 16, 17, 32, 40, 64, 65, 130]);
    (batch, 4..=19_usize, 4..=19_usize, channels_in, channels_out).prop_map(
        |(batch, height, width, channels_in, channels_out)| Geometry {
            batch,
            height,
            width,
            channels_in,
            channels_out,
        },
    )
}

/// Returns sizes with several images per weight-gradient part, and an odd last row that the max-pool drops.
fn geometry(channels_in: usize, channels_out: usize) -> Geometry {
    Geometry { batch: 17, height: 9, width: 12, channels_in, channels_out }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn results_match_the_definition_up_to_rounding(geometry in geometries(), seed: u64) {
        for block in Block::random(geometry, seed).for_both_algorithms() {
            for instructions in InstructionSet::available() {
                assert_close_to_definition(&block, instructions);
            }
        }
    }

    #[test]
    fn integer_results_are_exact_and_the_first_of_equal_values_wins(
        geometry in geometries(),
        seed: u64,
    ) {
        for block in Block::of_integers(geometry, seed).for_both_algorithms() {
            let windows = block.windows();
            let winners: Vec<u8> = windows.iter().map(|window| pooled(window).1).collect();
            let Gradients { input, weight, bias } = block.gradients(&winners);
            for instructions in InstructionSet::available() {
                let results = block.run(instructions);
                assert_forward_equal(&results, &windows);
                let exact = |ours: &[f32], expected: &[Sum], what| {
                    assert_equal(ours, expected.iter().map(|sum| sum.value), what);
                };
                exact(&results.input_gradient, &input, "input gradient");
                exact(&results.weight_gradient, &weight, "weight gradient");
                exact(&results.bias_gradient, &bias, "bias gradient");
            }
        }
    }

    #[test]
    fn nan_and_infinity_propagate_as_in_the_definition(
        geometry in geometries(),
        seed: u64,
        places in prop::collection::vec(
            (any::<bool>(), any::<prop::sample::Index>(), prop::sample::select(NOT_FINITE.as_slice())),
            1..4,
        ),
    ) {
        let mut block = Block::of_integers(geometry, seed);
        for (in_weight, place, value) in places {
            let values = if in_weight { &mut block.weight } else { &mut block.input };
            *place.get_mut(values) = value;
        }
        let windows = block.windows();
        for instructions in InstructionSet::available() {
            assert_forward_equal(&block.run(instructions), &windows);
        }
    }

    #[test]
    fn inference_equals_training_bit_for_bit(geometry in geometries(), seed: u64) {
        for block in Block::random(geometry, seed).for_both_algorithms() {
            let Block { geometry, input, weight, bias, .. } = &block;
            for instructions in InstructionSet::available() {
                let output = forward_without_winners(instructions, geometry, input, weight, bias);
                let training = block.run(instructions).output;
                let same_bits = |a: f32, b: f32| a.to_bits() == b.to_bits();
                assert_eq!(difference("output", &outputs(geometry, &output), &training, same_bits), None);
            }
        }
    }
}

#[test]
fn the_first_of_equal_neighbours_wins() {
    for channels_in in [1, 7, 8, 33] {
        let geometry = geometry(channels_in, 40);
        let Geometry { height, width, .. } = geometry;
        // The axes along which the pixels vary, and the positions that never win because an earlier one is equal.
        for (rows_vary, columns_vary, never) in
            [(false, false, [1, 2, 3].as_slice()), (true, false, &[1, 3]), (false, true, &[2, 3])]
        {
            let mut block = Block::random(geometry, 1);
            let pixels = block.input.clone();
            for (index, pixel) in block.input.iter_mut().enumerate() {
                let [place, channel] = [index / channels_in, index % channels_in];
                let [row, column] = [place / width % height, place % width];
                let source = usize::from(rows_vary) * row * width + usize::from(columns_vary) * column;
                *pixel = pixels[source * channels_in + channel];
            }
            for block in block.for_both_algorithms() {
                for instructions in InstructionSet::available() {
                    let winners = block.run(instructions).winners;
                    assert!(winners.iter().any(|&winner| winner != DEAD), "no window has a winner");
                    let wrong = winners.iter().position(|winner| never.contains(winner));
                    let wrong = wrong.map(|place| (place, winners[place]));
                    assert_eq!(wrong, None, "a later equal position won, {channels_in} input channels");
                }
            }
        }
    }
}

#[test]
fn the_last_nan_of_a_window_wins() {
    for channels_in in [1, 8] {
        let geometry = Geometry { batch: 1, height: 4, width: 4, channels_in, channels_out: 20 };
        let block = Block::random(geometry, 1);
        let winners = |nan_at: usize| {
            let mut block = block.clone();
            block.input[nan_at * channels_in] = f32::NAN;
            InstructionSet::available().into_iter().flat_map(move |instructions| {
                let results = block.run(instructions);
                let number = results.output.iter().find(|value| !value.is_nan());
                assert_eq!(number, None, "every output depends on pixel {nan_at}, so all must be NaN");
                results.winners
            })
        };
        // One position depends on a corner of the patch, all four on its inner pixels.
        for (nan_at, winner) in [(0, 0), (3, 1), (12, 2), (15, 3), (5, 3), (1, 1), (4, 2)] {
            assert_eq!(
                winners(nan_at).find(|&ours| ours != winner),
                None,
                "NaN at pixel {nan_at}: expected winner {winner}"
            );
        }
    }
}

#[test]
fn nan_in_one_image_does_not_change_the_others() {
    let geometry = geometry(16, 40);
    let block = Block::random(geometry, 1);
    let mut damaged = block.clone();
    damaged.input[geometry.input_len() + 500] = f32::NAN;
    for instructions in InstructionSet::available() {
        let [ours, damaged] = [&block, &damaged].map(|block| block.run(instructions).output);
        let images = ours.chunks(geometry.output_len()).zip(damaged.chunks(geometry.output_len()));
        for (image, (ours, damaged)) in images.enumerate() {
            if image == 1 {
                assert!(damaged.iter().any(|value| value.is_nan()), "NaN must reach the output");
                continue;
            }
            let same_bits = |a: f32, b: f32| a.to_bits() == b.to_bits();
            assert_eq!(difference("output", damaged, ours, same_bits), None, "image {image}");
        }
    }
}

#[test]
fn windows_that_relu_makes_zero_have_no_gradient() {
    for (channels_in, value) in [(1, 0.5), (8, 0.5), (1, f32::NAN), (8, f32::INFINITY)] {
        let mut block = Block::random(geometry(channels_in, 17), 1);
        block.bias.fill(-1e4);
        block.output_gradient.fill(value);
        for instructions in InstructionSet::available() {
            let results = block.run(instructions);
            let expected = Results::nothing(&block);
            assert_eq!(
                results.difference_in_bits(&expected),
                None,
                "{channels_in} channels, gradient {value}"
            );
        }
    }
}

#[test]
fn the_largest_values_for_winograd_do_not_overflow() {
    let geometry = geometry(33, 17);
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let block = Block::new(geometry, || if generator.random() { 9.99e14 } else { -9.99e14 });
    for instructions in InstructionSet::available() {
        assert_close_to_definition(&block, instructions);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for channels_in in [3, 16] {
        let block = Block::random(geometry(channels_in, 40), 1);
        for instructions in InstructionSet::available() {
            let expected = block.run(instructions);
            for threads in [1, 2, 3, 5, 16, 16] {
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let results = pool.install(|| block.run(instructions));
                let difference = results.difference_in_bits(&expected);
                assert_eq!(difference, None, "{channels_in} input channels, {threads} threads");
            }
        }
    }
}

/// Runs of a comparison may be trained on either. Without AVX-512, there is nothing to compare.
#[test]
fn avx2_and_avx512_give_the_same_bits() {
    // The blocks of the tutorial's network.
    let first = Geometry { batch: 64, height: 28, width: 28, channels_in: 1, channels_out: 32 };
    let second = Geometry { batch: 64, height: 13, width: 13, channels_in: 32, channels_out: 64 };
    let others = [2, 3, 5, 8, 10, 24].map(|channels_in| geometry(channels_in, 40));
    for geometry in [first, second].into_iter().chain(others) {
        let block = Block::random(geometry, 1);
        let fused = InstructionSet::available().into_iter().filter(|set| set.name().starts_with("avx"));
        let results: Vec<Results> = fused.map(|instructions| block.run(instructions)).collect();
        for [a, b] in results.array_windows() {
            assert_eq!(a.difference_in_bits(b), None, "{} input channels", geometry.channels_in);
        }
    }
}

#[test]
fn results_do_not_depend_on_memory_alignment() {
    for channels_in in [3, 16] {
        let block = Block::random(geometry(channels_in, 40), 1);
        let Block { geometry, input, weight, bias, output_gradient } = &block;
        for instructions in InstructionSet::available() {
            let expected = block.run(instructions);
            for offset in [1, 2, 3, 7] {
                let moved = |values: &[f32]| [&vec![f32::NAN; offset], values].concat();
                let tensors = [input, weight, bias, output_gradient].map(|values| moved(values));
                let [input, weight, bias, output_gradient] =
                    tensors.each_ref().map(|values| &values[offset..]);
                let results = Results::of(instructions, geometry, input, weight, bias, output_gradient);
                let difference = results.difference_in_bits(&expected);
                assert_eq!(difference, None, "{channels_in} input channels, offset {offset}");
            }
        }
    }
}

#[test]
fn all_finite_detects_a_single_nan_or_infinity_at_any_index() {
    let len = (1 << 15) + 5;
    for instructions in InstructionSet::available() {
        assert!(all_finite(instructions, &vec![f32::MAX; len]), "f32::MAX is finite");
        for value in NOT_FINITE {
            for at in [0, 1, 17, (1 << 14) - 1, 1 << 14, len - 1] {
                let mut values = vec![0.0; len];
                values[at] = value;
                assert!(!all_finite(instructions, &values), "{value} at index {at} was not detected");
            }
        }
    }
}
