//! The direct algorithm, which follows the definition of the convolution. The four results of a pool window stay
//! in registers until the largest is known.

use std::array::from_fn;

use pulp::Simd;

use super::{ForwardImage, pool};
use crate::{
    aligned::{self, Line},
    convolution::{Geometry, KERNEL, POOL, POSITIONS, TAPS, load, multiply_add, read},
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

impl ForwardImage<'_> {
    /// Computes all windows by the definition.
    #[inline(always)]
    pub(super) fn direct<S: Simd>(&mut self, simd: S, weights: &[f32]) {
        let channels_out = self.geometry.channels_out;
        let mut channel = 0;
        while channel < channels_out {
            // Two windows × two registers of channels × four positions are 16 sums, one register each.
            let registers = if channels_out - channel > S::F32_LANES { 2 } else { 1 };
            match (registers, S::REGISTER_COUNT >= 32) {
                (2, true) => self.channels::<S, 2, 2>(simd, weights, channel),
                (2, false) => self.channels::<S, 1, 2>(simd, weights, channel),
                _ => self.channels::<S, 2, 1>(simd, weights, channel),
            }
            channel += registers * S::F32_LANES;
        }
    }

    /// Computes `REGISTERS` registers of output channels from `channel` on, `WINDOWS` windows at a time.
    #[inline(always)]
    fn channels<S: Simd, const WINDOWS: usize, const REGISTERS: usize>(
        &mut self,
        simd: S,
        weights: &[f32],
        channel: usize,
    ) {
        let windows = self.corners.len();
        let mut window = 0;
        while window + WINDOWS <= windows {
            self.windows::<S, WINDOWS, REGISTERS>(simd, weights, channel, window);
            window += WINDOWS;
        }
        while window < windows {
            self.windows::<S, 1, REGISTERS>(simd, weights, channel, window);
            window += 1;
        }
    }

    #[inline(always)]
    #[expect(unsafe_code, reason = "the innermost loop of the program, see `load`")]
    fn windows<S: Simd, const WINDOWS: usize, const REGISTERS: usize>(
        &mut self,
        simd: S,
        packed: &[f32],
        channel: usize,
        first: usize,
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
                from_fn(|window| self.input.as_ptr().add(self.corners[first + window]));
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
}
