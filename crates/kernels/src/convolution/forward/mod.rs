//! The forward pass, with either the direct algorithm or Winograd's.

mod direct;
mod winograd;

use std::{mem::MaybeUninit, sync::OnceLock};

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{DEAD, Geometry, POSITIONS, write};
use crate::{
    aligned::{self, AlignedVec, Line},
    instruction_set::InstructionSet,
};

/// Minimum number of input channels for which Winograd's savings outweigh its transforms.
const WINOGRAD_CHANNELS: usize = 8;

/// Returns the pooled outputs, and the position that won each window (or [`DEAD`]).
#[expect(unsafe_code, reason = "memory is written by the threads that use it, as in `AlignedVec`")]
pub(crate) fn forward(
    instructions: InstructionSet,
    geometry: &Geometry,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> (AlignedVec, Vec<u8>) {
    let convolution = Convolution::new(geometry, weight, bias);
    let len = geometry.batch * geometry.output_len();
    let mut winners = Vec::<u8>::with_capacity(len);
    let memory = winners.spare_capacity_mut()[..len].par_chunks_exact_mut(geometry.output_len());
    let parts = input.par_chunks_exact(geometry.input_len()).zip_eq(memory);
    let output = AlignedVec::compute(geometry.output_len(), parts, |output, (input, winners)| {
        winners.fill(MaybeUninit::new(DEAD));
        // SAFETY: the line above initialized the entire chunk.
        convolution.run(instructions, input, output, unsafe { winners.assume_init_mut() });
    });
    // SAFETY: every chunk is initialized: `zip_eq` ensures that there are as many chunks as images.
    unsafe { winners.set_len(len) };
    (output, winners)
}

/// Returns only the pooled outputs.
pub(crate) fn forward_without_winners(
    instructions: InstructionSet,
    geometry: &Geometry,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> AlignedVec {
    let convolution = Convolution::new(geometry, weight, bias);
    let inputs = input.par_chunks_exact(geometry.input_len());
    AlignedVec::compute(geometry.output_len(), inputs, |output, input| {
        convolution.run(instructions, input, output, &mut []);
    })
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
        let winograd = (geometry.channels_in >= WINOGRAD_CHANNELS && winograd::is_in_range(weight))
            .then(|| winograd::pack(geometry, stride, weight));
        let corners = geometry.corners();
        Self { geometry, corners, weight, stride, bias: padded_bias, winograd, direct: OnceLock::new() }
    }

    fn run(&self, instructions: InstructionSet, input: &[f32], output: &mut [f32], winners: &mut [u8]) {
        let (geometry, corners) = (self.geometry, self.corners.as_slice());
        instructions.run(ForwardImage { convolution: self, geometry, corners, input, output, winners });
    }
}

/// The computation for one image. If `winners` is empty, the winners are not stored.
struct ForwardImage<'a> {
    convolution: &'a Convolution<'a>,
    geometry: &'a Geometry,
    corners: &'a [usize],
    input: &'a [f32],
    output: &'a mut [f32],
    winners: &'a mut [u8],
}

impl WithSimd for ForwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        assert_eq!(self.input.len(), self.geometry.input_len());
        assert_eq!(self.output.len(), self.geometry.output_len());
        assert!(self.winners.is_empty() || self.winners.len() == self.output.len());
        let &Convolution { geometry, weight, stride, ref winograd, ref direct, .. } = self.convolution;
        match winograd {
            Some(weights) if winograd::is_in_range(self.input) => {
                self.winograd(simd, aligned::floats(weights));
            }
            _ => {
                let weights = direct.get_or_init(|| direct::pack(geometry, stride, weight));
                self.direct(simd, aligned::floats(weights));
            }
        }
    }
}

impl ForwardImage<'_> {
    /// Writes a register of a window's results, one output channel per lane, from `channel` on.
    #[inline(always)]
    #[expect(unsafe_code, reason = "reads a register's lanes")]
    fn keep<S: Simd>(&mut self, simd: S, window: usize, channel: usize, largest: S::f32s, winner: S::u32s) {
        let start = window * self.geometry.channels_out + channel;
        let lanes = S::F32_LANES.min(self.geometry.channels_out - channel);
        let windows = self.corners.len();
        if self.geometry.output_is_channels_last() {
            write(simd, &mut self.output[start..start + lanes], largest);
        } else {
            let mut values = [0.0; Line::FLOATS];
            write(simd, &mut values, largest);
            let outputs = self.output[channel * windows..].iter_mut().skip(window).step_by(windows);
            outputs.zip(&values[..lanes]).for_each(|(output, &value)| *output = value);
        }
        if self.winners.is_empty() {
            return;
        }
        let mut positions = [0_u32; Line::FLOATS];
        // SAFETY: no register is wider than the buffer.
        unsafe { positions.as_mut_ptr().cast::<S::u32s>().write_unaligned(winner) };
        let winners = &mut self.winners[start..start + lanes];
        if lanes == S::F32_LANES {
            // The same loop as below, but the compiler knows its length.
            for lane in 0..S::F32_LANES {
                winners[lane] = positions[lane] as u8;
            }
        } else {
            for (winner, &position) in winners.iter_mut().zip(&positions) {
                *winner = position as u8;
            }
        }
    }
}

/// Applies ReLU and max-pool to the four positions of a window, lane by lane. Returns the largest value and the
/// position that won (or [`DEAD`]).
///
/// As in Burn's primitives, the first of equal values wins, and NaN beats every number.
#[inline(always)]
fn pool<S: Simd>(simd: S, values: [S::f32s; POSITIONS]) -> (S::f32s, S::u32s) {
    let mut largest = values[0];
    let mut winner = simd.splat_u32s(0);
    for position in 1..POSITIONS {
        let value = values[position];
        let is_nan = simd.not_m32s(simd.equal_f32s(value, value));
        let wins = simd.or_m32s(simd.greater_than_f32s(value, largest), is_nan);
        largest = simd.select_f32s(wins, value, largest);
        winner = simd.select_u32s(wins, simd.splat_u32s(position as u32), winner);
    }
    let zero = simd.splat_f32s(0.0);
    let dead = simd.less_than_or_equal_f32s(largest, zero);
    let winner = simd.select_u32s(dead, simd.splat_u32s(u32::from(DEAD)), winner);
    (simd.select_f32s(dead, zero, largest), winner)
}
