//! The gradient of the input. For each window and output channel, the output's gradient times the channel's
//! weights is added to the winner's patch.

use std::mem::MaybeUninit;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{DEAD, Geometry, KERNEL, POSITIONS, TAPS, load, multiply_add, read, store, write};
use crate::{
    aligned::{self, AlignedVec, Line},
    instruction_set::InstructionSet,
};

/// Returns the gradient of the input.
///
/// The weights must be finite, because windows without a winner are skipped, not multiplied by zero.
#[expect(unsafe_code, reason = "memory is written by the threads that use it, as in `AlignedVec`")]
pub(crate) fn input_gradient(
    instructions: InstructionSet,
    geometry: &Geometry,
    weight: &[f32],
    winners: &[u8],
    output_gradient: &[f32],
) -> AlignedVec {
    let weights = PackedWeights::new(geometry, weight);
    let corners = geometry.corners();
    let winners = winners.par_chunks_exact(geometry.output_len());
    let parts = winners.zip(output_gradient.par_chunks_exact(geometry.output_len()));
    let compute = |image_gradient: &mut [MaybeUninit<f32>], (winners, output_gradient): (&[u8], &[f32])| {
        image_gradient.fill(MaybeUninit::new(0.0));
        // SAFETY: the line above initialized all values.
        let image_gradient = unsafe { image_gradient.assume_init_mut() };
        instructions.run(InputGradient {
            geometry,
            corners: &corners,
            weights: &weights,
            winners,
            output_gradient,
            image_gradient,
        });
    };
    // SAFETY: `compute` initializes all values of its chunk.
    unsafe { AlignedVec::compute(geometry.input_len(), parts, compute) }
}

/// The weights as `[3, channels_out, 3 × channels_in]`, with each row of taps padded to full registers.
struct PackedWeights {
    weights: Vec<Line>,
    /// The number of values in a padded row of taps.
    row: usize,
}

impl PackedWeights {
    fn new(geometry: &Geometry, weight: &[f32]) -> Self {
        assert_eq!(weight.len(), geometry.weight_len());
        let &Geometry { channels_in, channels_out, .. } = geometry;
        let row = geometry.patch_row().next_multiple_of(Line::FLOATS);
        let mut weights = aligned::zeros(KERNEL * channels_out * row);
        let kernel_rows = aligned::floats_mut(&mut weights).par_chunks_exact_mut(channels_out * row);
        kernel_rows.enumerate().for_each(|(kernel_row, packed)| {
            for (packed, filter) in packed.chunks_exact_mut(row).zip(weight.chunks_exact(channels_in * TAPS))
            {
                for (channel, taps) in filter.chunks_exact(TAPS).enumerate() {
                    for (column, &value) in taps[kernel_row * KERNEL..][..KERNEL].iter().enumerate() {
                        packed[column * channels_in + channel] = value;
                    }
                }
            }
        });
        Self { weights, row }
    }
}

/// The computation for one image.
struct InputGradient<'a> {
    geometry: &'a Geometry,
    corners: &'a [usize],
    weights: &'a PackedWeights,
    winners: &'a [u8],
    output_gradient: &'a [f32],
    /// The gradient of the image, initially zero.
    image_gradient: &'a mut [f32],
}

/// Number of channels in a mask.
const MASK: usize = u64::BITS as usize;

/// Which channels each position of a window won, one bit each, in chunks of [`MASK`] channels.
type Masks = [u64; POSITIONS];

impl WithSimd for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let &Geometry { channels_out, .. } = self.geometry;
        assert_eq!(self.winners.len(), self.geometry.output_len());
        assert_eq!(self.output_gradient.len(), self.geometry.output_len());
        let [of_window, of_channel] = self.geometry.output_strides();
        let masks: Vec<Masks> = self
            .winners
            .chunks_exact(channels_out)
            .flat_map(|winners| winners.chunks(MASK))
            .map(masks)
            .collect();
        let chunks = channels_out.div_ceil(MASK);
        let shifts = self.geometry.shifts();
        let registers = self.geometry.patch_row() / S::F32_LANES;
        // A kernel row of the weights is small enough to stay in the L1 cache.
        for kernel_row in 0..KERNEL {
            for (window, (masks, corner)) in masks.chunks_exact(chunks).zip(self.corners).enumerate() {
                let gradients = &self.output_gradient[window * of_window..];
                for position in 0..POSITIONS {
                    let target = corner + shifts[position] + kernel_row * self.geometry.row();
                    let contributions =
                        Contributions { masks, position, gradients, stride: of_channel, kernel_row };
                    let mut register = 0;
                    while register < registers {
                        let start = register * S::F32_LANES;
                        // More than twelve sums would not fit into 16 registers beside the operands.
                        register += match registers - register {
                            12.. => self.add_registers::<S, 12>(simd, target, start, contributions),
                            6.. => self.add_registers::<S, 6>(simd, target, start, contributions),
                            3.. => self.add_registers::<S, 3>(simd, target, start, contributions),
                            _ => self.add_registers::<S, 1>(simd, target, start, contributions),
                        };
                    }
                    if !self.geometry.patch_row().is_multiple_of(S::F32_LANES) {
                        self.add_rest(simd, target, registers * S::F32_LANES, contributions);
                    }
                }
            }
        }
    }
}

/// Returns which of at most [`MASK`] channels each position won.
#[inline(always)]
fn masks(winners: &[u8]) -> Masks {
    // The bits of the winners' three binary digits: a winner is at most 4, which is `DEAD`.
    let mut digits = [0_u64; 3];
    let mut add = |chunk: usize, bytes: [u8; 8]| {
        let bytes = u64::from_le_bytes(bytes);
        for (digit, bits) in digits.iter_mut().enumerate() {
            // Gathers the lowest bits of the eight bytes in the highest byte.
            let lowest = bytes >> digit & 0x0101_0101_0101_0101;
            *bits |= (lowest.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * chunk);
        }
    };
    let (chunks, rest) = winners.as_chunks();
    chunks.iter().enumerate().for_each(|(chunk, &bytes)| add(chunk, bytes));
    if !rest.is_empty() {
        let mut bytes = [DEAD; 8];
        bytes[..rest.len()].copy_from_slice(rest);
        add(chunks.len(), bytes);
    }
    let [ones, twos, dead] = digits;
    // The channels beyond the end are dead.
    let rest = if winners.len() < MASK { u64::MAX << winners.len() } else { 0 };
    let alive = !(dead | rest);
    [alive & !twos & !ones, alive & !twos & ones, alive & twos & !ones, alive & twos & ones]
}

/// The gradients of a window's position, and the part of the weights to multiply with them.
#[derive(Clone, Copy)]
struct Contributions<'a> {
    masks: &'a [Masks],
    position: usize,
    /// The window's gradients, `stride` apart.
    gradients: &'a [f32],
    stride: usize,
    kernel_row: usize,
}

impl InputGradient<'_> {
    /// Adds `REGISTERS` full registers of a row of taps, from value `start` on, to a row of the image's gradient that
    /// starts at `target`.
    #[inline(always)]
    #[expect(unsafe_code, reason = "an innermost loop, see `load`")]
    fn add_registers<S: Simd, const REGISTERS: usize>(
        &mut self,
        simd: S,
        target: usize,
        start: usize,
        contributions: Contributions,
    ) -> usize {
        let Contributions { masks, position, gradients, stride, kernel_row } = contributions;
        let channels_out = self.geometry.channels_out;
        let row = self.weights.row;
        let weights = &aligned::floats(&self.weights.weights)[kernel_row * channels_out * row..];
        assert!(start + REGISTERS * S::F32_LANES <= row);
        assert!(weights.len() >= channels_out * row && gradients.len() > (channels_out - 1) * stride);
        let target = &mut self.image_gradient[target + start..][..REGISTERS * S::F32_LANES];
        // SAFETY: by the assertions, the registers end inside a row of the weights, and each bit of a mask belongs to a
        // channel, with a gradient and a row.
        unsafe {
            let mut sums = [simd.splat_f32s(0.0); REGISTERS];
            for register in 0..REGISTERS {
                sums[register] = load(simd, target.as_ptr().add(register * S::F32_LANES));
            }
            for (chunk, masks) in masks.iter().enumerate() {
                let mut mask = masks[position];
                while mask != 0 {
                    let channel = chunk * MASK + mask.trailing_zeros() as usize;
                    mask &= mask - 1;
                    let gradient = simd.splat_f32s(*gradients.as_ptr().add(channel * stride));
                    let weights = weights.as_ptr().add(channel * row + start);
                    for register in 0..REGISTERS {
                        let weight = load(simd, weights.add(register * S::F32_LANES));
                        sums[register] = multiply_add(simd, gradient, weight, sums[register]);
                    }
                }
            }
            for register in 0..REGISTERS {
                store(simd, target.as_mut_ptr().add(register * S::F32_LANES), sums[register]);
            }
        }
        REGISTERS
    }

    /// Adds the rest of a row of taps, from value `start` on. The rest is shorter than a register.
    #[inline(always)]
    fn add_rest<S: Simd>(&mut self, simd: S, target: usize, start: usize, contributions: Contributions) {
        let Contributions { masks, position, gradients, stride, kernel_row } = contributions;
        let left = self.geometry.patch_row() - start;
        let row = self.weights.row;
        let weights =
            &aligned::floats(&self.weights.weights)[kernel_row * self.geometry.channels_out * row..];
        let target = &mut self.image_gradient[target + start..][..left];
        let mut sum = read(simd, target);
        for (chunk, masks) in masks.iter().enumerate() {
            let mut mask = masks[position];
            while mask != 0 {
                let channel = chunk * MASK + mask.trailing_zeros() as usize;
                mask &= mask - 1;
                let weight = &weights[channel * row + start..][..left];
                sum =
                    multiply_add(simd, simd.splat_f32s(gradients[channel * stride]), read(simd, weight), sum);
            }
        }
        write(simd, target, sum);
    }
}
