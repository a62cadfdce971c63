//! The forward pass: a pool window's four convolution results stay in registers until the largest is
//! known.

use std::array::from_fn;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{DEAD, Geometry, KERNEL, POOL, POSITIONS, TAPS, load, multiply_add};
use crate::{
    aligned::{self, Line},
    instruction_set::InstructionSet,
};

/// Pooled outputs, and the position in its window that each comes from (or [`DEAD`]).
pub(crate) fn forward(
    instructions: InstructionSet,
    geometry: &Geometry,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    winners: &mut [u8],
) {
    let weights = PackedWeights::new(geometry, weight, bias);
    let corners = geometry.corners();
    output
        .par_chunks_exact_mut(geometry.output_len())
        .zip(winners.par_chunks_exact_mut(geometry.output_len()))
        .zip(input.par_chunks_exact(geometry.input_len()))
        .for_each(|((output, winners), input)| {
            instructions.run(ForwardImage {
                geometry,
                corners: &corners,
                weights: &weights,
                input,
                output,
                winners,
            });
        });
}

/// Pooled outputs alone.
pub(crate) fn forward_without_winners(
    instructions: InstructionSet,
    geometry: &Geometry,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
) {
    let weights = PackedWeights::new(geometry, weight, bias);
    let corners = geometry.corners();
    output
        .par_chunks_exact_mut(geometry.output_len())
        .zip(input.par_chunks_exact(geometry.input_len()))
        .for_each(|(output, input)| {
            let winners = &mut [];
            instructions.run(ForwardImage {
                geometry,
                corners: &corners,
                weights: &weights,
                input,
                output,
                winners,
            });
        });
}

/// The weights in the order in which the kernel reads them, `[3, 3, channels_in, channels_out]`, with
/// the output channels padded to whole registers.
struct PackedWeights {
    weights: Vec<Line>,
    bias: Vec<Line>,
    stride: usize,
}

impl PackedWeights {
    fn new(geometry: &Geometry, weight: &[f32], bias: &[f32]) -> Self {
        let &Geometry { channels_in, channels_out, .. } = geometry;
        assert_eq!((weight.len(), bias.len()), (geometry.weight_len(), channels_out));
        let stride = channels_out.next_multiple_of(Line::FLOATS);
        let mut weights = aligned::zeros(TAPS * channels_in * stride);
        let packed = aligned::floats_mut(&mut weights);
        for (out, filter) in weight.chunks_exact(channels_in * TAPS).enumerate() {
            for (channel, taps) in filter.chunks_exact(TAPS).enumerate() {
                for (tap, &value) in taps.iter().enumerate() {
                    packed[(tap * channels_in + channel) * stride + out] = value;
                }
            }
        }
        let mut padded_bias = aligned::zeros(stride);
        aligned::floats_mut(&mut padded_bias)[..channels_out].copy_from_slice(bias);
        Self { weights, bias: padded_bias, stride }
    }
}

/// One image; `winners` may be empty, then they are not kept.
struct ForwardImage<'a> {
    geometry: &'a Geometry,
    corners: &'a [usize],
    weights: &'a PackedWeights,
    input: &'a [f32],
    output: &'a mut [f32],
    winners: &'a mut [u8],
}

impl WithSimd for ForwardImage<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let &Geometry { channels_out, .. } = self.geometry;
        assert_eq!(self.input.len(), self.geometry.input_len());
        assert_eq!(self.output.len(), self.geometry.output_len());
        assert!(self.winners.is_empty() || self.winners.len() == self.output.len());
        let mut channel = 0;
        while channel < channels_out {
            // Two windows × two registers of channels × four positions are 16 accumulators.
            let registers = if channels_out - channel > S::F32_LANES { 2 } else { 1 };
            match (registers, S::REGISTER_COUNT >= 32) {
                (2, true) => self.channels::<S, 2, 2>(simd, channel),
                (2, false) => self.channels::<S, 1, 2>(simd, channel),
                _ => self.channels::<S, 2, 1>(simd, channel),
            }
            channel += registers * S::F32_LANES;
        }
    }
}

impl ForwardImage<'_> {
    /// `REGISTERS` registers of output channels from `channel` on, `WINDOWS` windows at a time.
    #[inline(always)]
    fn channels<S: Simd, const WINDOWS: usize, const REGISTERS: usize>(&mut self, simd: S, channel: usize) {
        let windows = self.corners.len();
        let mut window = 0;
        while window + WINDOWS <= windows {
            self.windows::<S, WINDOWS, REGISTERS>(simd, channel, window);
            window += WINDOWS;
        }
        while window < windows {
            self.windows::<S, 1, REGISTERS>(simd, channel, window);
            window += 1;
        }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "the innermost loop of the program, see `load`")]
    fn windows<S: Simd, const WINDOWS: usize, const REGISTERS: usize>(
        &mut self,
        simd: S,
        channel: usize,
        first: usize,
    ) {
        let row = self.geometry.row();
        let channels_in = self.geometry.channels_in;
        let stride = self.weights.stride;
        let bias = &aligned::floats(&self.weights.bias)[channel..][..REGISTERS * S::F32_LANES];
        let mut sums = [[[simd.splat_f32s(0.0); REGISTERS]; POSITIONS]; WINDOWS];
        for register in 0..REGISTERS {
            let bias = simd.partial_load_f32s(&bias[register * S::F32_LANES..]);
            for window in 0..WINDOWS {
                for position in 0..POSITIONS {
                    sums[window][position][register] = bias;
                }
            }
        }

        // SAFETY: the last value read of the image is the last of the patch of a window's last
        // position, which the geometry keeps inside; the length was checked. The packed weights have
        // 9 × channels_in rows of `stride` values, and `channel` plus the registers stay within one,
        // because `stride` is a multiple of every register's width.
        unsafe {
            let corners: [*const f32; WINDOWS] =
                from_fn(|window| self.input.as_ptr().add(*self.corners.get_unchecked(first + window)));
            let mut weights = aligned::floats(&self.weights.weights).as_ptr().add(channel);
            for kernel_row in 0..KERNEL {
                let patches: [*const f32; WINDOWS] = from_fn(|window| corners[window].add(kernel_row * row));
                for tap in 0..KERNEL * channels_in {
                    let mut weight = [simd.splat_f32s(0.0); REGISTERS];
                    for register in 0..REGISTERS {
                        weight[register] = load(simd, weights.add(register * S::F32_LANES));
                    }
                    for window in 0..WINDOWS {
                        for position in 0..POSITIONS {
                            let shift = (position / POOL) * row + (position % POOL) * channels_in;
                            let pixel = simd.splat_f32s(*patches[window].add(tap + shift));
                            for register in 0..REGISTERS {
                                let sum = &mut sums[window][position][register];
                                *sum = multiply_add(simd, weight[register], pixel, *sum);
                            }
                        }
                    }
                    weights = weights.add(stride);
                }
            }
        }

        let mut pooled = [[(simd.splat_f32s(0.0), simd.splat_u32s(0)); REGISTERS]; WINDOWS];
        for window in 0..WINDOWS {
            for register in 0..REGISTERS {
                let mut values = [sums[window][0][register]; POSITIONS];
                for position in 1..POSITIONS {
                    values[position] = sums[window][position][register];
                }
                pooled[window][register] = pool(simd, values);
            }
        }
        for (window, registers) in (first..).zip(pooled) {
            for (register, (largest, winner)) in registers.into_iter().enumerate() {
                self.keep(simd, window, channel + register * S::F32_LANES, largest, winner);
            }
        }
    }

    /// Writes a register of a window's results, from `channel` on.
    #[inline(always)]
    #[expect(unsafe_code, reason = "reads a register's lanes")]
    fn keep<S: Simd>(&mut self, simd: S, window: usize, channel: usize, largest: S::f32s, winner: S::u32s) {
        let start = window * self.geometry.channels_out + channel;
        let lanes = S::F32_LANES.min(self.geometry.channels_out - channel);
        simd.partial_store_f32s(&mut self.output[start..start + lanes], largest);
        if self.winners.is_empty() {
            return;
        }
        let mut positions = [0_u32; Line::FLOATS];
        // SAFETY: no register is wider than the buffer.
        unsafe { positions.as_mut_ptr().cast::<S::u32s>().write_unaligned(winner) };
        let winners = &mut self.winners[start..start + lanes];
        if lanes == S::F32_LANES {
            // The same loop with a length that the compiler knows.
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

/// ReLU and max-pool of a window's four positions, lane by lane: the largest and the position it won in.
///
/// As in Burn's primitives, the first of equal values wins, and a NaN beats every number.
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
