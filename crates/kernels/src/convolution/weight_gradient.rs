//! The gradients of the weights and the bias. For each window and output channel, the winner's 3×3 patch times
//! the output's gradient is added to the channel's weight gradient.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    DEAD, Geometry, KERNEL, POOL, POSITIONS, SIDE, TAPS, WEIGHT_GRADIENT_PARTS, load, multiply_add, read,
    store, write,
};
use crate::{
    aligned::{self, Line},
    instruction_set::InstructionSet,
};

/// Output channels per task: they fill complete registers on every instruction set.
const CHANNELS: usize = Line::FLOATS;

/// Returns the gradients of the weights and the bias.
///
/// The input must be finite, because zero gradients are skipped, not multiplied.
pub(crate) fn weight_gradient(
    instructions: InstructionSet,
    geometry: &Geometry,
    input: &[f32],
    winners: &[u8],
    output_gradient: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    assert_eq!(input.len(), geometry.batch * geometry.input_len());
    assert_eq!(winners.len(), geometry.batch * geometry.output_len());
    assert_eq!(output_gradient.len(), winners.len());
    let &Geometry { batch, channels_out, .. } = geometry;
    let corners = geometry.corners();
    let filter = Filter::new(geometry);
    let per_part = batch.div_ceil(WEIGHT_GRADIENT_PARTS);
    let parts = batch.div_ceil(per_part);
    let groups = channels_out.div_ceil(CHANNELS);

    let sums: Vec<Vec<Line>> = (0..parts * groups)
        .into_par_iter()
        .map(|task| {
            let (part, first) = (task / groups, task % groups * CHANNELS);
            let channels = first..channels_out.min(first + CHANNELS);
            let mut sums = aligned::zeros(channels.len() * filter.len);
            for image in part * per_part..batch.min((part + 1) * per_part) {
                let outputs = image * geometry.output_len()..(image + 1) * geometry.output_len();
                instructions.run(WeightGradient {
                    geometry,
                    corners: &corners,
                    filter,
                    input: &input[image * geometry.input_len()..][..geometry.input_len()],
                    winners: &winners[outputs.clone()],
                    output_gradient: &output_gradient[outputs],
                    channels: channels.clone(),
                    sums: aligned::floats_mut(&mut sums),
                });
            }
            sums
        })
        .collect();

    let mut weight = vec![0.0; geometry.weight_len()];
    let mut bias = vec![0.0; channels_out];
    weight.par_chunks_mut(CHANNELS * filter.taps).zip(bias.par_chunks_mut(CHANNELS)).enumerate().for_each(
        |(group, (weight, bias))| {
            for part in 0..parts {
                let sums = aligned::floats(&sums[part * groups + group]).chunks_exact(filter.len);
                for ((weight, bias), sums) in
                    weight.chunks_exact_mut(filter.taps).zip(bias.iter_mut()).zip(sums)
                {
                    *bias += sums[filter.bias];
                    filter.add_to(weight, sums);
                }
            }
        },
    );
    (weight, bias)
}

/// The memory layout of one output channel's sums: three patch rows, each padded to full registers, then the
/// bias.
#[derive(Debug, Clone, Copy)]
struct Filter {
    channels_in: usize,
    row: usize,
    bias: usize,
    len: usize,
    taps: usize,
}

impl Filter {
    fn new(geometry: &Geometry) -> Self {
        let row = geometry.patch_row().next_multiple_of(Line::FLOATS);
        let bias = KERNEL * row;
        let channels_in = geometry.channels_in;
        Self { channels_in, row, bias, len: bias + Line::FLOATS, taps: channels_in * TAPS }
    }

    /// Adds the sums of a channel to its weights, `[channels_in, 3, 3]`.
    fn add_to(&self, weights: &mut [f32], sums: &[f32]) {
        for (tap, run) in
            (0..TAPS).map(|tap| (tap, tap / KERNEL * self.row + tap % KERNEL * self.channels_in))
        {
            for (channel, sum) in sums[run..run + self.channels_in].iter().enumerate() {
                weights[channel * TAPS + tap] += sum;
            }
        }
    }
}

/// The computation for one image, which adds its gradients to the sums of a task's output channels.
struct WeightGradient<'a> {
    geometry: &'a Geometry,
    corners: &'a [usize],
    filter: Filter,
    input: &'a [f32],
    winners: &'a [u8],
    output_gradient: &'a [f32],
    channels: Range<usize>,
    sums: &'a mut [f32],
}

impl WithSimd for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        self.add_bias();
        if self.geometry.patch_row() < S::F32_LANES {
            self.add_across_channels(simd);
        } else {
            self.add_along_rows(simd);
        }
    }
}

/// A nonzero output gradient, and the index at which its patch starts in the image.
#[derive(Debug, Clone, Copy, Default)]
struct Arrival {
    patch: usize,
    gradient: f32,
}

impl WeightGradient<'_> {
    #[inline(always)]
    fn add_bias(&mut self) {
        let mut sums = [0.0_f32; CHANNELS];
        let channels_out = self.geometry.channels_out;
        for window in 0..self.corners.len() {
            let outputs =
                window * channels_out + self.channels.start..window * channels_out + self.channels.end;
            let arrivals = self.output_gradient[outputs.clone()].iter().zip(&self.winners[outputs]);
            for (sum, (gradient, &winner)) in sums.iter_mut().zip(arrivals) {
                *sum += if winner == DEAD { 0.0 } else { *gradient };
            }
        }
        for (filter, sum) in self.sums.chunks_exact_mut(self.filter.len).zip(sums) {
            filter[self.filter.bias] += sum;
        }
    }

    /// Adds the gradients of the weights for many input channels. The sums of one output channel stay in
    /// registers while the patches of all its gradients are read.
    #[inline(always)]
    fn add_along_rows<S: Simd>(&mut self, simd: S) {
        let shifts: [usize; 8] = self.geometry.shifts();
        let mut arrivals = vec![Arrival::default(); self.corners.len() + 1];
        for (index, channel) in self.channels.clone().enumerate() {
            let mut count = 0;
            for (window, &corner) in self.corners.iter().enumerate() {
                let output = window * self.geometry.channels_out + channel;
                let (winner, gradient) = (self.winners[output], self.output_gradient[output]);
                // Writes every gradient but counts only the winners' nonzero ones: a branch would be
                // mispredicted half the time.
                arrivals[count] = Arrival { patch: corner + shifts[usize::from(winner & 7)], gradient };
                count += usize::from(winner != DEAD && gradient != 0.0);
            }
            let arrivals = &arrivals[..count];

            let registers = self.geometry.patch_row() / S::F32_LANES;
            let mut register = 0;
            while register < registers {
                let start = register * S::F32_LANES;
                // Three rows of six registers are 18 sums; three rows of four are 12. More sums would not fit
                // into 32 or 16 registers beside the operands.
                register += match registers - register {
                    6.. if S::REGISTER_COUNT >= 32 => {
                        self.add_registers::<S, 6>(simd, index, start, arrivals)
                    }
                    4.. => self.add_registers::<S, 4>(simd, index, start, arrivals),
                    2 | 3 => self.add_registers::<S, 2>(simd, index, start, arrivals),
                    _ => self.add_registers::<S, 1>(simd, index, start, arrivals),
                };
            }
            if !self.geometry.patch_row().is_multiple_of(S::F32_LANES) {
                self.add_rest(simd, index, registers * S::F32_LANES, arrivals);
            }
        }
    }

    /// Adds `REGISTERS` full registers of each of the three patch rows, from value `start` of a row on.
    #[inline(always)]
    #[expect(unsafe_code, reason = "an innermost loop, see `load`")]
    fn add_registers<S: Simd, const REGISTERS: usize>(
        &mut self,
        simd: S,
        index: usize,
        start: usize,
        arrivals: &[Arrival],
    ) -> usize {
        let row = self.geometry.row();
        let stride = self.filter.row;
        let filter = &mut self.sums[index * self.filter.len..][..self.filter.len];
        assert!(start + REGISTERS * S::F32_LANES <= self.geometry.patch_row().min(stride));
        let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; KERNEL];
        // SAFETY: the patch of every window and position is inside the image. By the assertion, the registers
        // end inside a patch row and inside a filter row.
        unsafe {
            for kernel_row in 0..KERNEL {
                for register in 0..REGISTERS {
                    let source = kernel_row * stride + start + register * S::F32_LANES;
                    sums[kernel_row][register] = load(simd, filter.as_ptr().add(source));
                }
            }
            for &Arrival { patch, gradient } in arrivals {
                let gradient = simd.splat_f32s(gradient);
                let patch = self.input.as_ptr().add(patch + start);
                for kernel_row in 0..KERNEL {
                    for register in 0..REGISTERS {
                        let pixels = load(simd, patch.add(kernel_row * row + register * S::F32_LANES));
                        let sum = &mut sums[kernel_row][register];
                        *sum = multiply_add(simd, gradient, pixels, *sum);
                    }
                }
            }
            for kernel_row in 0..KERNEL {
                for register in 0..REGISTERS {
                    let target = kernel_row * stride + start + register * S::F32_LANES;
                    store(simd, filter.as_mut_ptr().add(target), sums[kernel_row][register]);
                }
            }
        }
        REGISTERS
    }

    /// Adds the rest of the patch rows, from value `start` on. The rest is shorter than a register.
    #[inline(always)]
    fn add_rest<S: Simd>(&mut self, simd: S, index: usize, start: usize, arrivals: &[Arrival]) {
        let row = self.geometry.row();
        let left = self.geometry.patch_row() - start;
        let filter = &mut self.sums[index * self.filter.len..][..self.filter.len];
        let mut sums = [simd.splat_f32s(0.0); KERNEL];
        for &Arrival { patch, gradient } in arrivals {
            let gradient = simd.splat_f32s(gradient);
            for kernel_row in 0..KERNEL {
                let pixels = read(simd, &self.input[patch + kernel_row * row + start..][..left]);
                sums[kernel_row] = multiply_add(simd, gradient, pixels, sums[kernel_row]);
            }
        }
        for kernel_row in 0..KERNEL {
            let target = &mut filter[kernel_row * self.filter.row + start..][..left];
            let total = simd.add_f32s(read(simd, target), sums[kernel_row]);
            write(simd, target, total);
        }
    }

    /// Adds the gradients of the weights for few input channels, whose patch rows would leave most of a register
    /// empty. A register contains a value for each of several output channels instead. Each position adds the
    /// gradients of the channels in which it won.
    #[inline(always)]
    fn add_across_channels<S: Simd>(&mut self, simd: S) {
        let &Geometry { channels_in, channels_out, .. } = self.geometry;
        let row = self.geometry.row();
        let zero = simd.splat_f32s(0.0);
        for channel in self.channels.clone().step_by(S::F32_LANES) {
            let lanes = S::F32_LANES.min(self.channels.end - channel);
            for channel_in in 0..channels_in {
                let mut sums = [zero; TAPS];
                for (window, &corner) in self.corners.iter().enumerate() {
                    let outputs = window * channels_out + channel..window * channels_out + channel + lanes;
                    let gradient = read(simd, &self.output_gradient[outputs.clone()]);
                    let winner = widen(simd, &self.winners[outputs]);
                    let mut pixels = [[zero; SIDE]; SIDE];
                    for y in 0..SIDE {
                        let pixel_row = &self.input[corner + y * row + channel_in..];
                        assert!(pixel_row.len() > (SIDE - 1) * channels_in);
                        for x in 0..SIDE {
                            pixels[y][x] = simd.splat_f32s(pixel_row[x * channels_in]);
                        }
                    }
                    for position in 0..POSITIONS {
                        let won = simd.equal_u32s(winner, simd.splat_u32s(position as u32));
                        let gradient = simd.select_f32s(won, gradient, zero);
                        for tap in 0..TAPS {
                            let pixel =
                                pixels[position / POOL + tap / KERNEL][position % POOL + tap % KERNEL];
                            sums[tap] = multiply_add(simd, gradient, pixel, sums[tap]);
                        }
                    }
                }
                for tap in 0..TAPS {
                    let mut values = [0.0; Line::FLOATS];
                    write(simd, &mut values[..S::F32_LANES], sums[tap]);
                    let at = tap / KERNEL * self.filter.row + tap % KERNEL * channels_in + channel_in;
                    for (lane, value) in values[..lanes].iter().enumerate() {
                        self.sums[(channel - self.channels.start + lane) * self.filter.len + at] += value;
                    }
                }
            }
        }
    }
}

/// Widens winners to a register. Lanes beyond the end of the slice are [`DEAD`].
#[inline(always)]
#[expect(unsafe_code, reason = "makes a register of lanes")]
fn widen<S: Simd>(_simd: S, winners: &[u8]) -> S::u32s {
    let mut lanes = [u32::from(DEAD); Line::FLOATS];
    if winners.len() == S::F32_LANES {
        // The same loop as below, but the compiler knows its length.
        for lane in 0..S::F32_LANES {
            lanes[lane] = u32::from(winners[lane]);
        }
    } else {
        for (lane, &winner) in lanes.iter_mut().zip(winners) {
            *lane = u32::from(winner);
        }
    }
    // SAFETY: no register is wider than the buffer.
    unsafe { lanes.as_ptr().cast::<S::u32s>().read_unaligned() }
}
