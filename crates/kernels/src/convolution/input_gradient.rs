//! The gradient of the input. For each window and output channel, the output's gradient times the channel's
//! weights is added to the winner's patch.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{DEAD, Geometry, KERNEL, POSITIONS, TAPS, load, multiply_add, read, store, write};
use crate::{
    aligned::{self, AlignedVec, Line},
    instruction_set::InstructionSet,
};

/// Returns the gradient of the input.
///
/// The weights must be finite, because zero gradients are skipped, not multiplied.
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
    AlignedVec::compute(geometry.input_len(), parts, |input_gradient, (winners, output_gradient)| {
        instructions.run(InputGradient {
            geometry,
            corners: &corners,
            weights: &weights,
            winners,
            output_gradient,
            image_gradient: input_gradient,
        });
    })
}

/// The weights as `[channels_out, 3, 3 × channels_in]`, with each row padded to full registers.
struct PackedWeights {
    weights: Vec<Line>,
    row: usize,
}

impl PackedWeights {
    fn new(geometry: &Geometry, weight: &[f32]) -> Self {
        assert_eq!(weight.len(), geometry.weight_len());
        let channels_in = geometry.channels_in;
        let row = geometry.patch_row().next_multiple_of(Line::FLOATS);
        let mut weights = aligned::zeros(geometry.channels_out * KERNEL * row);
        let filters = aligned::floats_mut(&mut weights).par_chunks_exact_mut(KERNEL * row);
        filters.zip(weight.par_chunks_exact(channels_in * TAPS)).with_min_len(16).for_each(
            |(packed, filter)| {
                for (channel, taps) in filter.chunks_exact(TAPS).enumerate() {
                    for (tap, &value) in taps.iter().enumerate() {
                        packed[tap / KERNEL * row + tap % KERNEL * channels_in + channel] = value;
                    }
                }
            },
        );
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

/// A nonzero output gradient, and the index at which its channel's weights start.
#[derive(Debug, Clone, Copy, Default)]
struct Arrival {
    filter: usize,
    gradient: f32,
}

impl WithSimd for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let channels_out = self.geometry.channels_out;
        let shifts: [usize; POSITIONS] = self.geometry.shifts();
        // One list per position that can win, and one for channels without a winner (`DEAD`).
        let mut arrivals = vec![Arrival::default(); (POSITIONS + 1) * (channels_out + 1)];
        for (window, &corner) in self.corners.iter().enumerate() {
            let mut counts = [0; POSITIONS + 1];
            let outputs = window * channels_out..(window + 1) * channels_out;
            let winners = &self.winners[outputs.clone()];
            for (channel, (&winner, &gradient)) in
                winners.iter().zip(&self.output_gradient[outputs]).enumerate()
            {
                let list = usize::from(winner.min(DEAD));
                // Writes every gradient but counts only nonzero ones: a branch would often be mispredicted.
                arrivals[list * (channels_out + 1) + counts[list]] =
                    Arrival { filter: channel * KERNEL * self.weights.row, gradient };
                counts[list] += usize::from(gradient != 0.0);
            }
            for position in 0..POSITIONS {
                let arrivals = &arrivals[position * (channels_out + 1)..][..counts[position]];
                if !arrivals.is_empty() {
                    self.add_patch(simd, corner + shifts[position], arrivals);
                }
            }
        }
    }
}

impl InputGradient<'_> {
    #[inline(always)]
    fn add_patch<S: Simd>(&mut self, simd: S, patch: usize, arrivals: &[Arrival]) {
        let registers = self.geometry.patch_row() / S::F32_LANES;
        let mut register = 0;
        while register < registers {
            let start = register * S::F32_LANES;
            // Three rows of six registers are 18 sums; three rows of four are 12. More sums would not fit into
            // 32 or 16 registers beside the operands.
            register += match registers - register {
                6.. if S::REGISTER_COUNT >= 32 => self.add_registers::<S, 6>(simd, patch, start, arrivals),
                4.. => self.add_registers::<S, 4>(simd, patch, start, arrivals),
                2 | 3 => self.add_registers::<S, 2>(simd, patch, start, arrivals),
                _ => self.add_registers::<S, 1>(simd, patch, start, arrivals),
            };
        }
        if !self.geometry.patch_row().is_multiple_of(S::F32_LANES) {
            self.add_rest(simd, patch, registers * S::F32_LANES, arrivals);
        }
    }

    /// Adds `REGISTERS` full registers of each of the three patch rows, from value `start` of a row on.
    #[inline(always)]
    #[expect(unsafe_code, reason = "an innermost loop, see `load`")]
    fn add_registers<S: Simd, const REGISTERS: usize>(
        &mut self,
        simd: S,
        patch: usize,
        start: usize,
        arrivals: &[Arrival],
    ) -> usize {
        let row = self.geometry.row();
        let stride = self.weights.row;
        let weights = aligned::floats(&self.weights.weights);
        assert!(start + REGISTERS * S::F32_LANES <= self.geometry.patch_row());
        assert!(patch + (KERNEL - 1) * row + self.geometry.patch_row() <= self.image_gradient.len());
        let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; KERNEL];
        // SAFETY: by the assertions, the registers end inside a patch row, which is no longer than a row of the
        // weights, and the patch ends inside the image. Each arrival's `filter` is the start of a packed filter.
        unsafe {
            for &Arrival { filter, gradient } in arrivals {
                let gradient = simd.splat_f32s(gradient);
                let filter = weights.as_ptr().add(filter + start);
                for kernel_row in 0..KERNEL {
                    for register in 0..REGISTERS {
                        let weight = load(simd, filter.add(kernel_row * stride + register * S::F32_LANES));
                        let sum = &mut sums[kernel_row][register];
                        *sum = multiply_add(simd, gradient, weight, *sum);
                    }
                }
            }
            for kernel_row in 0..KERNEL {
                for register in 0..REGISTERS {
                    let target = patch + kernel_row * row + start + register * S::F32_LANES;
                    let target = self.image_gradient.as_mut_ptr().add(target);
                    store(simd, target, simd.add_f32s(load(simd, target), sums[kernel_row][register]));
                }
            }
        }
        REGISTERS
    }

    /// Adds the rest of the patch rows, from value `start` on. The rest is shorter than a register.
    #[inline(always)]
    fn add_rest<S: Simd>(&mut self, simd: S, patch: usize, start: usize, arrivals: &[Arrival]) {
        let row = self.geometry.row();
        let left = self.geometry.patch_row() - start;
        let weights = aligned::floats(&self.weights.weights);
        let mut sums = [simd.splat_f32s(0.0); KERNEL];
        for &Arrival { filter, gradient } in arrivals {
            let gradient = simd.splat_f32s(gradient);
            for kernel_row in 0..KERNEL {
                let weight = &weights[filter + kernel_row * self.weights.row + start..][..left];
                sums[kernel_row] = multiply_add(simd, gradient, read(simd, weight), sums[kernel_row]);
            }
        }
        for kernel_row in 0..KERNEL {
            let target = &mut self.image_gradient[patch + kernel_row * row + start..][..left];
            let total = simd.add_f32s(read(simd, target), sums[kernel_row]);
            write(simd, target, total);
        }
    }
}
