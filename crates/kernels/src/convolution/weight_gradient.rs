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
/// The input must be finite, because windows without a winner are skipped, not multiplied by zero.
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
    let shifts = geometry.shifts();
    let patches: Vec<_> = corners.iter().map(|corner| shifts.map(|shift| (corner + shift) as u32)).collect();
    let filter = Filter::new(geometry);
    let per_part = batch.div_ceil(WEIGHT_GRADIENT_PARTS);
    let parts = batch.div_ceil(per_part);
    let groups = channels_out.div_ceil(CHANNELS);

    let sums: Vec<Vec<Line>> = (0..parts * groups)
        .into_par_iter()
        .with_max_len(1)
        .map(|task| {
            let (part, first) = (task / groups, task % groups * CHANNELS);
            let channels = first..channels_out.min(first + CHANNELS);
            let mut sums = aligned::zeros(channels.len() * filter.len);
            for image in part * per_part..batch.min((part + 1) * per_part) {
                let outputs = image * geometry.output_len()..(image + 1) * geometry.output_len();
                instructions.run(WeightGradient {
                    geometry,
                    corners: &corners,
                    patches: &patches,
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
            let mut total = sums[group].clone();
            for part in 1..parts {
                let sums = aligned::floats(&sums[part * groups + group]);
                for (total, sum) in aligned::floats_mut(&mut total).iter_mut().zip(sums) {
                    *total += sum;
                }
            }
            let totals = aligned::floats(&total).chunks_exact(filter.len);
            for ((weight, bias), total) in weight.chunks_exact_mut(filter.taps).zip(bias).zip(totals) {
                *bias = total[filter.bias];
                filter.unpack(weight, total);
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

    /// Writes the sums of a channel as weights, `[channels_in, 3, 3]`.
    fn unpack(&self, weights: &mut [f32], sums: &[f32]) {
        for (tap, run) in
            (0..TAPS).map(|tap| (tap, tap / KERNEL * self.row + tap % KERNEL * self.channels_in))
        {
            for (channel, sum) in sums[run..run + self.channels_in].iter().enumerate() {
                weights[channel * TAPS + tap] = *sum;
            }
        }
    }
}

/// The computation for one image, which adds its gradients to the sums of a task's output channels.
struct WeightGradient<'a> {
    geometry: &'a Geometry,
    corners: &'a [usize],
    /// For each window and position, the index at which the patch starts in the image.
    patches: &'a [[u32; POSITIONS]],
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
        // Every index below is a channel of a window, or a pixel in a window's 4×4 patch.
        assert_eq!(self.input.len(), self.geometry.input_len());
        assert_eq!(self.winners.len(), self.geometry.output_len());
        assert_eq!(self.output_gradient.len(), self.geometry.output_len());
        assert!(self.channels.end <= self.geometry.channels_out);
        assert!(u32::try_from(self.input.len()).is_ok(), "patches are indexed with 32 bits");
        // The same for registers of 8 and 16 lanes, because the choice affects the order of the sums.
        let narrow = if S::F32_LANES >= 8 { Line::FLOATS } else { S::F32_LANES };
        if self.geometry.patch_row() < narrow {
            self.add_across_channels(simd);
        } else {
            self.add_along_rows(simd);
        }
    }
}

/// The gradient of an output channel in a window, and the index at which the winner's patch starts in the image.
#[derive(Debug, Clone, Copy, Default)]
struct Contribution {
    patch: u32,
    gradient: f32,
}

/// Number of windows in a mask.
const MASK: usize = u32::BITS as usize;

impl WeightGradient<'_> {
    /// Adds the gradients of the weights for many input channels. The sums of one output channel stay in
    /// registers while the patches of all its gradients are read.
    #[inline(always)]
    #[expect(unsafe_code, reason = "an inner loop: bounds checks would double its cost")]
    fn add_along_rows<S: Simd>(&mut self, simd: S) {
        let &Geometry { channels_out, .. } = self.geometry;
        let [of_window, of_channel] = self.geometry.output_strides();
        for (chunk, patches) in self.patches.chunks(MASK).enumerate() {
            let first = chunk * MASK;
            let masks = self.masks(simd, first, patches.len());
            for (index, channel) in self.channels.clone().enumerate() {
                let mut contributions = [Contribution::default(); MASK];
                let mut count = 0;
                let mut alive = masks[index];
                let winners = &self.winners[first * channels_out + channel..];
                let gradients = &self.output_gradient[first * of_window + channel * of_channel..];
                while alive != 0 {
                    let window = alive.trailing_zeros() as usize;
                    alive &= alive - 1;
                    // SAFETY: a bit is set only for a window of the chunk whose winner is less than `DEAD`. So the
                    // window is in `winners`, `gradients` and `patches`, and there are at most `MASK` bits.
                    unsafe {
                        let winner = usize::from(*winners.get_unchecked(window * channels_out));
                        let patch = patches.get_unchecked(window).get_unchecked(winner);
                        let gradient = *gradients.get_unchecked(window * of_window);
                        *contributions.get_unchecked_mut(count) = Contribution { patch: *patch, gradient };
                    }
                    count += 1;
                }
                let contributions = &contributions[..count];
                let registers = self.geometry.patch_row() / S::F32_LANES;
                let mut register = 0;
                while register < registers {
                    let start = register * S::F32_LANES;
                    // Three rows of six registers are 18 sums, for 32 registers: on AVX-512, an entire patch of 32
                    // channels. Three rows of four are 12 sums, for 16 registers.
                    register += match registers - register {
                        6.. if S::REGISTER_COUNT >= 32 => {
                            self.add_registers::<S, 6>(simd, index, start, contributions)
                        }
                        4.. => self.add_registers::<S, 4>(simd, index, start, contributions),
                        2 | 3 => self.add_registers::<S, 2>(simd, index, start, contributions),
                        _ => self.add_registers::<S, 1>(simd, index, start, contributions),
                    };
                }
                if !self.geometry.patch_row().is_multiple_of(S::F32_LANES) {
                    self.add_rest(simd, index, registers * S::F32_LANES, contributions);
                }
            }
        }
    }

    /// Returns for each of the task's channels which of `windows` windows from `first` on have a winner.
    #[inline(always)]
    #[expect(unsafe_code, reason = "reads a register's lanes")]
    fn masks<S: Simd>(&self, simd: S, first: usize, windows: usize) -> [u32; CHANNELS] {
        let mut masks = [0; CHANNELS];
        for start in (0..self.channels.len()).step_by(S::F32_LANES) {
            let lanes = S::F32_LANES.min(self.channels.len() - start);
            let mut mask = simd.splat_u32s(0);
            for window in 0..windows {
                let output = (first + window) * self.geometry.channels_out + self.channels.start + start;
                let winner = widen(simd, &self.winners[output..output + lanes]);
                let alive = simd.less_than_u32s(winner, simd.splat_u32s(u32::from(DEAD)));
                let bit = simd.select_u32s(alive, simd.splat_u32s(1 << window), simd.splat_u32s(0));
                mask = simd.or_u32s(mask, bit);
            }
            let mut bits = [0_u32; CHANNELS];
            // SAFETY: no register is wider than the buffer.
            unsafe { bits.as_mut_ptr().cast::<S::u32s>().write_unaligned(mask) };
            masks[start..start + lanes].copy_from_slice(&bits[..lanes]);
        }
        masks
    }

    /// Adds `REGISTERS` full registers of each of the three patch rows, from value `start` of a row on. With the first
    /// registers, adds the gradient of the bias.
    #[inline(always)]
    #[expect(unsafe_code, reason = "an innermost loop, see `load`")]
    fn add_registers<S: Simd, const REGISTERS: usize>(
        &mut self,
        simd: S,
        index: usize,
        start: usize,
        contributions: &[Contribution],
    ) -> usize {
        let row = self.geometry.row();
        let stride = self.filter.row;
        let filter = &mut self.sums[index * self.filter.len..][..self.filter.len];
        assert!(start + REGISTERS * S::F32_LANES <= self.geometry.patch_row().min(stride));
        let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; KERNEL];
        let mut bias = simd.splat_f32s(filter[self.filter.bias]);
        // SAFETY: each patch is that of a window and a position, so it is inside the image. By the assertion, the
        // registers end inside a patch row and inside a filter row.
        unsafe {
            for kernel_row in 0..KERNEL {
                for register in 0..REGISTERS {
                    let source = kernel_row * stride + start + register * S::F32_LANES;
                    sums[kernel_row][register] = load(simd, filter.as_ptr().add(source));
                }
            }
            for &Contribution { patch, gradient } in contributions {
                let gradient = simd.splat_f32s(gradient);
                bias = simd.add_f32s(bias, gradient);
                let patch = self.input.as_ptr().add(patch as usize + start);
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
        if start == 0 {
            write(simd, &mut filter[self.filter.bias..], bias);
        }
        REGISTERS
    }

    /// Adds the rest of the patch rows, from value `start` on. The rest is shorter than a register.
    #[inline(always)]
    fn add_rest<S: Simd>(&mut self, simd: S, index: usize, start: usize, contributions: &[Contribution]) {
        let row = self.geometry.row();
        let left = self.geometry.patch_row() - start;
        let filter = &mut self.sums[index * self.filter.len..][..self.filter.len];
        let mut sums = [simd.splat_f32s(0.0); KERNEL];
        for kernel_row in 0..KERNEL {
            sums[kernel_row] = read(simd, &filter[kernel_row * self.filter.row + start..][..left]);
        }
        for &Contribution { patch, gradient } in contributions {
            let gradient = simd.splat_f32s(gradient);
            for kernel_row in 0..KERNEL {
                let pixels = read(simd, &self.input[patch as usize + kernel_row * row + start..][..left]);
                sums[kernel_row] = multiply_add(simd, gradient, pixels, sums[kernel_row]);
            }
        }
        for kernel_row in 0..KERNEL {
            write(simd, &mut filter[kernel_row * self.filter.row + start..][..left], sums[kernel_row]);
        }
    }

    /// Adds the gradients for few input channels, whose patch rows would leave most of a register empty. A register
    /// contains a value for each of several output channels instead.
    #[inline(always)]
    fn add_across_channels<S: Simd>(&mut self, simd: S) {
        let gradients = self.geometry.by_window(self.output_gradient);
        for channel in self.channels.clone().step_by(S::F32_LANES) {
            let lanes = S::F32_LANES.min(self.channels.end - channel);
            for channel_in in 0..self.geometry.channels_in {
                // The compiler omits the code for partial registers only where it knows that they are full.
                let (sums, bias) = match (self.geometry.channels_in, lanes == S::F32_LANES) {
                    (1, true) => {
                        self.sum_windows::<S, true>(simd, &gradients, channel, S::F32_LANES, channel_in)
                    }
                    (_, true) => {
                        self.sum_windows::<S, false>(simd, &gradients, channel, S::F32_LANES, channel_in)
                    }
                    (_, false) => self.sum_windows::<S, false>(simd, &gradients, channel, lanes, channel_in),
                };
                for tap in 0..TAPS {
                    let tap_row = tap / KERNEL * self.filter.row;
                    let tap_column = tap % KERNEL * self.geometry.channels_in;
                    self.add_lanes(simd, channel, tap_row + tap_column + channel_in, sums[tap]);
                }
                if channel_in == 0 {
                    self.add_lanes(simd, channel, self.filter.bias, bias);
                }
            }
        }
    }

    /// Adds the lanes of `values`, one per output channel from `channel` on, to the sums at `index`.
    #[inline(always)]
    fn add_lanes<S: Simd>(&mut self, simd: S, channel: usize, index: usize, values: S::f32s) {
        let mut lanes = [0.0; Line::FLOATS];
        write(simd, &mut lanes[..S::F32_LANES], values);
        let filters = self.sums.chunks_exact_mut(self.filter.len).skip(channel - self.channels.start);
        for (filter, value) in filters.zip(&lanes[..S::F32_LANES]) {
            filter[index] += value;
        }
    }

    /// Returns the gradients of an input channel's nine weights, and of the bias, for `lanes` output channels from
    /// `channel` on.
    #[inline(always)]
    #[expect(unsafe_code, reason = "an innermost loop, see `load`")]
    fn sum_windows<S: Simd, const ONE: bool>(
        &self,
        simd: S,
        output_gradients: &[f32],
        channel: usize,
        lanes: usize,
        channel_in: usize,
    ) -> ([S::f32s; TAPS], S::f32s) {
        let &Geometry { channels_in, channels_out, .. } = self.geometry;
        let row = self.geometry.row();
        let zero = simd.splat_f32s(0.0);
        let (mut sums, mut bias) = ([zero; TAPS], zero);
        assert!(channel + lanes <= channels_out && channel_in < channels_in);
        assert_eq!(output_gradients.len(), self.geometry.output_len());
        for (window, &corner) in self.corners.iter().enumerate() {
            let outputs = window * channels_out + channel..window * channels_out + channel + lanes;
            // SAFETY: there is a corner for each window, and `with_simd` checked that there are as many winners and
            // gradients as windows times channels.
            let (gradient, winner) = unsafe {
                let gradients = output_gradients.get_unchecked(outputs.clone());
                (read(simd, gradients), widen(simd, self.winners.get_unchecked(outputs)))
            };
            // Each lane has its gradient at the position that won, and zeros at the others.
            let mut gradients = [zero; POSITIONS];
            for position in 0..POSITIONS {
                let won = simd.equal_u32s(winner, simd.splat_u32s(position as u32));
                gradients[position] = simd.select_f32s(won, gradient, zero);
            }
            let dead = simd.equal_u32s(winner, simd.splat_u32s(u32::from(DEAD)));
            bias = simd.add_f32s(bias, simd.select_f32s(dead, zero, gradient));
            let patch = self.input.as_ptr().wrapping_add(corner + channel_in);
            for y in 0..SIDE {
                let pixels = patch.wrapping_add(y * row);
                for x in 0..SIDE {
                    let column = if ONE { x } else { x * channels_in };
                    // SAFETY: the pixel is in the window's patch, which is inside the image.
                    let pixel = simd.splat_f32s(unsafe { *pixels.add(column) });
                    // The pixel is tap (y − row of the position, x − column of the position) of each position.
                    for position in 0..POSITIONS {
                        let tap_row = y.wrapping_sub(position / POOL);
                        let tap_column = x.wrapping_sub(position % POOL);
                        if tap_row < KERNEL && tap_column < KERNEL {
                            let sum = &mut sums[tap_row * KERNEL + tap_column];
                            *sum = multiply_add(simd, gradients[position], pixel, *sum);
                        }
                    }
                }
            }
        }
        (sums, bias)
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
