//! The direct algorithm, which follows the definition of the convolution. The four results of a pool window stay
//! in registers until the largest is known.

use std::array::from_fn;

use pulp::Simd;

use super::{Image, Results, pool, relu};
use crate::{
    aligned::{self, Line},
    convolution::{Geometry, KERNEL, POOL, POSITIONS, SIDE, TAPS, load, multiply_add, read},
};

/// Returns the weights in the order in which the kernel reads them, `[3, 3, channels_in, stride]`.
pub(super) fn pack(geometry: &Geometry, stride: usize, weight: &[f32]) -> Vec<Line> {
    let channels_in = geometry.channels_in;
    let mut weights = aligned::zeros(TAPS * channels_in * stride);
    let packed = aligned::floats_mut(&mut weights);
    for (out, filter) in weight.chunks_exact(channels_in * TAPS).enumerate() {
        for (channel, taps) in filter.chunks_exact(TAPS).enumerate() {
            for (tap, &value) in taps.iter().enumerate() {
                packed[(tap * channels_in + channel) * stride + out] = value;
            }
        }
    }
    weights
}

impl Image<'_> {
    /// Computes all windows by the definition. `in_range` says that no result is NaN or infinite.
    #[inline(always)]
    pub(super) fn direct<S: Simd, const WINNERS: bool>(
        &self,
        simd: S,
        weights: &[f32],
        in_range: bool,
        results: &mut Results<'_, WINNERS>,
    ) {
        let columns = self.geometry.output_width();
        for first in (0..self.corners.len()).step_by(columns) {
            let corners = &self.corners[first..first + columns];
            self.row(simd, weights, corners, in_range, results);
            results.store(columns);
        }
    }

    /// Computes a row of windows.
    #[inline(always)]
    fn row<S: Simd, const WINNERS: bool>(
        &self,
        simd: S,
        weights: &[f32],
        corners: &[usize],
        in_range: bool,
        results: &mut Results<'_, WINNERS>,
    ) {
        let channels_out = self.geometry.channels_out;
        let one_channel = self.geometry.channels_in == 1 && in_range;
        let mut channel = 0;
        while channel < channels_out {
            let registers = if channels_out - channel > S::F32_LANES { 2 } else { 1 };
            channel += S::F32_LANES
                * match (one_channel, registers, S::REGISTER_COUNT >= 32) {
                    // Nine weights and four sums for each register of channels.
                    (true, 2, true) => {
                        self.windows_of_one_channel::<S, 2, WINNERS>(simd, weights, channel, corners, results)
                    }
                    (true, _, _) => {
                        self.windows_of_one_channel::<S, 1, WINNERS>(simd, weights, channel, corners, results)
                    }
                    // Two windows × two registers of channels × four positions are 16 sums, one register each.
                    (false, 2, true) => {
                        self.channels::<S, 2, 2, WINNERS>(simd, weights, channel, corners, results)
                    }
                    (false, 2, false) => {
                        self.channels::<S, 1, 2, WINNERS>(simd, weights, channel, corners, results)
                    }
                    (false, _, _) => {
                        self.channels::<S, 2, 1, WINNERS>(simd, weights, channel, corners, results)
                    }
                };
        }
    }

    /// Computes `REGISTERS` registers of output channels from `channel` on, for a single input channel, whose weights
    /// stay in registers. No result may be NaN.
    #[inline(always)]
    #[expect(unsafe_code, reason = "an innermost loop, see `load`")]
    fn windows_of_one_channel<S: Simd, const REGISTERS: usize, const WINNERS: bool>(
        &self,
        simd: S,
        packed: &[f32],
        channel: usize,
        corners: &[usize],
        results: &mut Results<'_, WINNERS>,
    ) -> usize {
        let row = self.geometry.row();
        let stride = self.convolution.stride;
        assert_eq!(packed.len(), TAPS * stride);
        let zero = simd.splat_f32s(0.0);
        let (mut weights, mut bias) = ([[zero; REGISTERS]; TAPS], [zero; REGISTERS]);
        for register in 0..REGISTERS {
            let start = channel + register * S::F32_LANES;
            bias[register] = read(simd, &aligned::floats(&self.convolution.bias)[start..]);
            for tap in 0..TAPS {
                weights[tap][register] = read(simd, &packed[tap * stride + start..]);
            }
        }
        for (window, &corner) in corners.iter().enumerate() {
            let mut sums = [bias; POSITIONS];
            let patch = self.input.as_ptr().wrapping_add(corner);
            for y in 0..SIDE {
                let pixels = patch.wrapping_add(y * row);
                for x in 0..SIDE {
                    // SAFETY: the pixel is in the window's patch, which is inside the image.
                    let pixel = simd.splat_f32s(unsafe { *pixels.add(x) });
                    // The pixel is tap (y − row of the position, x − column of the position) of each position.
                    for position in 0..POSITIONS {
                        let tap_row = y.wrapping_sub(position / POOL);
                        let tap_column = x.wrapping_sub(position % POOL);
                        if tap_row < KERNEL && tap_column < KERNEL {
                            for register in 0..REGISTERS {
                                let weight = weights[tap_row * KERNEL + tap_column][register];
                                let sum = &mut sums[position][register];
                                *sum = multiply_add(simd, weight, pixel, *sum);
                            }
                        }
                    }
                }
            }
            for register in 0..REGISTERS {
                let mut values = [zero; POSITIONS];
                for position in 0..POSITIONS {
                    values[position] = sums[position][register];
                }
                let (largest, winner) = pool::<S, false>(simd, values);
                let (largest, winner) = relu(simd, largest, winner);
                // SAFETY: the window is one of the group, and `stride` holds full registers.
                unsafe { results.keep(simd, window, channel + register * S::F32_LANES, largest, winner) };
            }
        }
        REGISTERS
    }

    /// Computes `REGISTERS` registers of output channels from `channel` on, `WINDOWS` windows at a time.
    #[inline(always)]
    fn channels<S: Simd, const WINDOWS: usize, const REGISTERS: usize, const WINNERS: bool>(
        &self,
        simd: S,
        weights: &[f32],
        channel: usize,
        corners: &[usize],
        results: &mut Results<'_, WINNERS>,
    ) -> usize {
        let windows = corners.len();
        let mut window = 0;
        while window + WINDOWS <= windows {
            self.windows::<S, WINDOWS, REGISTERS, WINNERS>(simd, weights, channel, corners, window, results);
            window += WINDOWS;
        }
        while window < windows {
            self.windows::<S, 1, REGISTERS, WINNERS>(simd, weights, channel, corners, window, results);
            window += 1;
        }
        REGISTERS
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "the innermost loop of the program, see `load`")]
    fn windows<S: Simd, const WINDOWS: usize, const REGISTERS: usize, const WINNERS: bool>(
        &self,
        simd: S,
        packed: &[f32],
        channel: usize,
        corners: &[usize],
        first: usize,
        results: &mut Results<'_, WINNERS>,
    ) {
        let row = self.geometry.row();
        let channels_in = self.geometry.channels_in;
        let stride = self.convolution.stride;
        assert_eq!(packed.len(), TAPS * channels_in * stride);
        let bias = &aligned::floats(&self.convolution.bias)[channel..][..REGISTERS * S::F32_LANES];
        let mut sums = [[[simd.splat_f32s(0.0); REGISTERS]; POSITIONS]; WINDOWS];
        for register in 0..REGISTERS {
            let bias = read(simd, &bias[register * S::F32_LANES..]);
            for window in 0..WINDOWS {
                for position in 0..POSITIONS {
                    sums[window][position][register] = bias;
                }
            }
        }

        // SAFETY: the last value read from the image is the last one in the patch of a window's last position.
        // By its geometry, that patch is inside the image, whose length `with_simd` checked. The packed weights
        // have 9 × channels_in rows of `stride` values. The registers from `channel` on end inside a row: they
        // end inside the bias, which is as long as a row and was sliced above.
        unsafe {
            let corners: [*const f32; WINDOWS] =
                from_fn(|window| self.input.as_ptr().add(corners[first + window]));
            let mut weights = packed.as_ptr().add(channel);
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

        for window in 0..WINDOWS {
            for register in 0..REGISTERS {
                let mut values = [sums[window][0][register]; POSITIONS];
                for position in 1..POSITIONS {
                    values[position] = sums[window][position][register];
                }
                let (largest, winner) = pool::<S, true>(simd, values);
                let (largest, winner) = relu(simd, largest, winner);
                // SAFETY: the window is one of the group, and `stride` holds full registers.
                unsafe {
                    results.keep(simd, first + window, channel + register * S::F32_LANES, largest, winner);
                }
            }
        }
    }
}
