//! The forward pass, with either the direct algorithm or Winograd's.

mod direct;
mod winograd;

use std::{
    mem::MaybeUninit,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{DEAD, Geometry, POSITIONS, store};
use crate::{
    aligned::{self, AlignedVec, Line},
    instruction_set::InstructionSet,
};

/// Minimum number of input channels for which Winograd's savings outweigh its transforms.
const WINOGRAD_CHANNELS: usize = 8;

/// The results of a forward pass for training.
pub(crate) struct Pooled {
    /// The pooled outputs.
    pub(crate) output: AlignedVec,
    /// The position that won each window, or [`DEAD`].
    pub(crate) winners: Vec<u8>,
    /// Whether the absolute values of all inputs are less than 10¹⁵.
    pub(crate) inputs_in_range: bool,
}

/// Returns the pooled outputs with their winners.
#[expect(unsafe_code, reason = "memory is written by the threads that use it, as in `AlignedVec`")]
pub(crate) fn forward(
    instructions: InstructionSet,
    geometry: &Geometry,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> Pooled {
    let convolution = Convolution::new(geometry, weight, bias);
    let inputs_in_range = AtomicBool::new(true);
    let len = geometry.batch * geometry.output_len();
    let mut winners = Vec::<u8>::with_capacity(len);
    let memory = winners.spare_capacity_mut()[..len].par_chunks_exact_mut(geometry.output_len());
    let parts = input.par_chunks_exact(geometry.input_len()).zip_eq(memory);
    let compute = |output: &mut [_], (input, winners): (&[f32], &mut [_])| {
        if !convolution.run(instructions, input, output, winners) {
            inputs_in_range.store(false, Ordering::Relaxed);
        }
    };
    // SAFETY: `run` initializes both chunks, and `zip_eq` ensures that there are as many chunks as images.
    let output = unsafe { AlignedVec::compute(geometry.output_len(), parts, compute) };
    // SAFETY: as above.
    unsafe { winners.set_len(len) };
    Pooled { output, winners, inputs_in_range: inputs_in_range.into_inner() }
}

/// Returns only the pooled outputs.
#[expect(unsafe_code, reason = "as above")]
pub(crate) fn forward_without_winners(
    instructions: InstructionSet,
    geometry: &Geometry,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> AlignedVec {
    let convolution = Convolution::new(geometry, weight, bias);
    let inputs = input.par_chunks_exact(geometry.input_len());
    let compute = |output: &mut [_], input: &[f32]| {
        convolution.run(instructions, input, output, &mut []);
    };
    // SAFETY: `run` initializes the chunk.
    unsafe { AlignedVec::compute(geometry.output_len(), inputs, compute) }
}

/// The data that all images of a batch share.
struct Convolution<'a> {
    geometry: &'a Geometry,
    corners: Vec<usize>,
    weight: &'a [f32],
    /// The number of output channels, padded to full registers.
    stride: usize,
    /// The bias, padded to `[stride]`.
    bias: Vec<Line>,
    /// Whether the weights and the bias are in range. If an image is too, no result is NaN or infinite.
    in_range: bool,
    /// The weights transformed for Winograd's algorithm, if it can be used.
    winograd: Option<Vec<Line>>,
    /// The weights packed for the direct algorithm, from its first use on.
    direct: OnceLock<Vec<Line>>,
}

impl<'a> Convolution<'a> {
    fn new(geometry: &'a Geometry, weight: &'a [f32], bias: &[f32]) -> Self {
        let channels_out = geometry.channels_out;
        assert_eq!((weight.len(), bias.len()), (geometry.weight_len(), channels_out));
        let stride = channels_out.next_multiple_of(Line::FLOATS);
        let mut padded_bias = aligned::zeros(stride);
        aligned::floats_mut(&mut padded_bias)[..channels_out].copy_from_slice(bias);
        let in_range = is_in_range(weight) && is_in_range(bias);
        let winograd = (geometry.channels_in >= WINOGRAD_CHANNELS && in_range)
            .then(|| winograd::pack(geometry, stride, weight));
        let corners = geometry.corners();
        Self {
            geometry,
            corners,
            weight,
            stride,
            bias: padded_bias,
            in_range,
            winograd,
            direct: OnceLock::new(),
        }
    }

    /// Computes an image. Initializes `output`, and `winners` unless it is empty. Returns whether the input is in range.
    fn run(
        &self,
        instructions: InstructionSet,
        input: &[f32],
        output: &mut [MaybeUninit<f32>],
        winners: &mut [MaybeUninit<u8>],
    ) -> bool {
        let image = Image { convolution: self, geometry: self.geometry, corners: &self.corners, input };
        instructions.run(ForwardImage { image, output, winners })
    }
}

/// The computation for one image.
struct ForwardImage<'a> {
    image: Image<'a>,
    output: &'a mut [MaybeUninit<f32>],
    winners: &'a mut [MaybeUninit<u8>],
}

/// An image with the convolution to apply.
struct Image<'a> {
    convolution: &'a Convolution<'a>,
    geometry: &'a Geometry,
    corners: &'a [usize],
    input: &'a [f32],
}

impl WithSimd for ForwardImage<'_> {
    /// Whether the input is in range.
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { image, output, winners } = self;
        assert_eq!(image.input.len(), image.geometry.input_len());
        assert_eq!(output.len(), image.geometry.output_len());
        if winners.is_empty() {
            image.compute::<S, false>(simd, output, winners)
        } else {
            assert_eq!(winners.len(), output.len());
            image.compute::<S, true>(simd, output, winners)
        }
    }
}

impl Image<'_> {
    /// Computes the results. Without `WINNERS`, only the outputs. Returns whether the input is in range.
    #[inline(always)]
    fn compute<S: Simd, const WINNERS: bool>(
        &self,
        simd: S,
        output: &mut [MaybeUninit<f32>],
        winners: &mut [MaybeUninit<u8>],
    ) -> bool {
        let &Convolution { geometry, weight, stride, in_range, ref winograd, ref direct, .. } =
            self.convolution;
        let input_in_range = is_in_range(self.input);
        let in_range = in_range && input_in_range;
        match winograd {
            Some(weights) if in_range => {
                let windows = geometry.windows().min(winograd::STORED);
                let mut results = Results::<WINNERS>::new(geometry, stride, windows, output, winners);
                self.winograd(simd, aligned::floats(weights), &mut results);
            }
            _ => {
                let weights = direct.get_or_init(|| direct::pack(geometry, stride, weight));
                let windows = geometry.output_width();
                let mut results = Results::<WINNERS>::new(geometry, stride, windows, output, winners);
                self.direct(simd, aligned::floats(weights), in_range, &mut results);
            }
        }
        input_in_range
    }
}

/// The results of an image, and buffers for those of some consecutive windows, `[windows, stride]`.
///
/// Full registers fit into the buffers. The winners are 32-bit integers there, as in a register. `store` copies the
/// results to their place, a group of windows at a time.
struct Results<'a, const WINNERS: bool> {
    geometry: &'a Geometry,
    stride: usize,
    /// The number of windows in the buffers.
    windows: usize,
    /// The image's first window in the buffers.
    first: usize,
    outputs: Vec<Line>,
    winners: Vec<Line>,
    /// Whether outputs are written to their place at once, because full registers fit in there too.
    in_place: bool,
    image_outputs: &'a mut [MaybeUninit<f32>],
    image_winners: &'a mut [MaybeUninit<u8>],
}

impl<'a, const WINNERS: bool> Results<'a, WINNERS> {
    fn new(
        geometry: &'a Geometry,
        stride: usize,
        windows: usize,
        image_outputs: &'a mut [MaybeUninit<f32>],
        image_winners: &'a mut [MaybeUninit<u8>],
    ) -> Self {
        let len = windows * stride;
        let in_place = geometry.output_is_channels_last() && geometry.channels_out == stride;
        let outputs = if in_place { Vec::new() } else { aligned::zeros(len) };
        let winners = if WINNERS { aligned::zeros(len) } else { Vec::new() };
        Self { geometry, stride, windows, first: 0, outputs, winners, in_place, image_outputs, image_winners }
    }

    /// Writes a register of results for a window of the group, one output channel per lane, from `channel` on.
    ///
    /// # Safety
    /// `window` must be less than the number of windows in the buffers and in the rest of the image, and the register
    /// must end inside `stride`.
    #[inline(always)]
    #[expect(
        unsafe_code,
        reason = "a bounds check would split the loop over the windows, and registers would spill"
    )]
    unsafe fn keep<S: Simd>(
        &mut self,
        simd: S,
        window: usize,
        channel: usize,
        largest: S::f32s,
        winner: S::u32s,
    ) {
        let start = window * self.stride + channel;
        let outputs = if self.in_place {
            self.image_outputs.as_mut_ptr().cast::<f32>().wrapping_add(self.first * self.stride)
        } else {
            self.outputs.as_mut_ptr().cast()
        };
        let winners = self.winners.as_mut_ptr().cast::<u32>();
        // SAFETY: the caller guarantees that the register ends inside the buffers or the image's outputs.
        unsafe {
            store(simd, outputs.add(start), largest);
            if WINNERS {
                winners.add(start).cast::<S::u32s>().write_unaligned(winner);
            }
        }
    }

    /// Copies the results of a group of windows to their place, and starts the next group.
    #[inline(always)]
    fn store(&mut self, windows: usize) {
        let channels_out = self.geometry.channels_out;
        assert!(windows <= self.windows && self.first + windows <= self.geometry.windows());
        let range = self.first * channels_out..(self.first + windows) * channels_out;
        if !self.in_place {
            self.copy_outputs(windows);
        }
        if WINNERS {
            let winners = aligned::integers(&self.winners).chunks_exact(self.stride);
            for (target, winners) in self.image_winners[range].chunks_exact_mut(channels_out).zip(winners) {
                for (target, &winner) in target.iter_mut().zip(winners) {
                    target.write(winner as u8);
                }
            }
        }
        self.first += windows;
    }

    /// Copies the outputs of a group of windows to their place.
    #[inline(always)]
    fn copy_outputs(&mut self, windows: usize) {
        let channels_out = self.geometry.channels_out;
        let outputs = aligned::floats(&self.outputs);
        if self.geometry.output_is_channels_last() {
            let targets = self.image_outputs[self.first * channels_out..].chunks_exact_mut(channels_out);
            for (target, outputs) in targets.zip(outputs.chunks_exact(self.stride)).take(windows) {
                target.write_copy_of_slice(&outputs[..channels_out]);
            }
        } else {
            let of_channel = self.image_outputs.chunks_exact_mut(self.geometry.windows());
            for (channel, target) in of_channel.enumerate() {
                let outputs = outputs[channel..].iter().step_by(self.stride);
                for (target, &output) in target[self.first..self.first + windows].iter_mut().zip(outputs) {
                    target.write(output);
                }
            }
        }
    }
}

/// Returns whether all values are finite and too small for a sum of products, or Winograd's transforms, to overflow.
/// Where the definition gives ∞, the transforms would compute ∞ − ∞, which is NaN.
#[inline(always)]
fn is_in_range(values: &[f32]) -> bool {
    // An early exit would prevent vectorization.
    values.iter().fold(true, |all, value| all & (value.abs() < 1e15))
}

/// Applies max-pool to the four positions of a window, lane by lane. Returns the largest value and its position.
///
/// As in Burn's primitives, the first of equal values wins. With `NAN`, NaN beats every number. Without it, no value
/// may be NaN.
#[inline(always)]
fn pool<S: Simd, const NAN: bool>(simd: S, values: [S::f32s; POSITIONS]) -> (S::f32s, S::u32s) {
    let mut largest = values[0];
    let mut winner = simd.splat_u32s(0);
    for position in 1..POSITIONS {
        let value = values[position];
        let mut wins = simd.greater_than_f32s(value, largest);
        if NAN {
            wins = simd.or_m32s(wins, simd.not_m32s(simd.equal_f32s(value, value)));
        }
        largest = if NAN { simd.select_f32s(wins, value, largest) } else { simd.max_f32s(value, largest) };
        winner = simd.select_u32s(wins, simd.splat_u32s(position as u32), winner);
    }
    (largest, winner)
}

/// Applies ReLU to the largest value of a window. Returns the result, and the winner or [`DEAD`].
#[inline(always)]
fn relu<S: Simd>(simd: S, largest: S::f32s, winner: S::u32s) -> (S::f32s, S::u32s) {
    let zero = simd.splat_f32s(0.0);
    let dead = simd.less_than_or_equal_f32s(largest, zero);
    let winner = simd.select_u32s(dead, simd.splat_u32s(u32::from(DEAD)), winner);
    (simd.select_f32s(dead, zero, largest), winner)
}
