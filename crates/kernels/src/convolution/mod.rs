//! The convolution block on plain slices: 3×3 convolution + bias → ReLU → 2×2 max-pool, and its
//! gradients.
//!
//! The forward pass keeps, for each pooled value, which of its window's four positions won, or that
//! none did ([`DEAD`]). So three of four convolution gradients are known to be zero, and the backward
//! pass walks only the others.
//!
//! # Layouts
//! - images, gradients and winners: `[batch, height, width, channels]` ("channels last"), because a row
//!   of a 3×3 patch is then one run of `3 × channels` values
//! - outputs: the same, or `[batch, channels, height, width]`, see [`Geometry::output_is_channels_last`]
//! - weights and their gradients: `[channels_out, channels_in, 3, 3]`, as everywhere outside
//!
//! # Determinism
//! Images are independent in the forward pass and in the input's gradient. The weights' gradient is a
//! sum over images: it is grouped into [`WEIGHT_GRADIENT_PARTS`] parts by image number, and the parts are
//! added in order. So nothing depends on the number of threads.

// Sums stay in registers only if every loop over them has bounds that the compiler knows and unrolls.
#![expect(clippy::needless_range_loop, reason = "an iterator over an array of registers takes its address")]

mod forward;
mod input_gradient;
mod weight_gradient;

use std::array::from_fn;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    POOL,
    instruction_set::{InstructionSet, multiply_add},
};

pub(crate) use forward::{forward, forward_without_winners};
pub(crate) use input_gradient::input_gradient;
pub(crate) use weight_gradient::weight_gradient;

/// Side of the kernel.
pub(crate) const KERNEL: usize = 3;
/// Taps of the kernel.
const TAPS: usize = KERNEL * KERNEL;
/// Side of the patch of the input that a pool window sees.
const SIDE: usize = KERNEL + POOL - 1;
/// Positions in a pool window.
const POSITIONS: usize = POOL * POOL;
/// The winner of a window in which ReLU let nothing through.
pub(crate) const DEAD: u8 = POSITIONS as u8;
/// Into how many sums over images the weights' gradient is grouped.
const WEIGHT_GRADIENT_PARTS: usize = 8;

/// Sizes of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels_in: usize,
    pub(crate) channels_out: usize,
}

impl Geometry {
    /// Rows of the output. The convolution has `height - 2`; an odd last one meets no window.
    pub(crate) fn output_height(&self) -> usize {
        self.height.saturating_sub(KERNEL - 1) / POOL
    }

    /// Columns of the output.
    pub(crate) fn output_width(&self) -> usize {
        self.width.saturating_sub(KERNEL - 1) / POOL
    }

    /// Pool windows of an image.
    fn windows(&self) -> usize {
        self.output_height() * self.output_width()
    }

    /// Whether outputs have their channels last. Those of a block that makes more channels than windows are
    /// on their way to a dense layer, which wants them `[batch, channels, height, width]`.
    pub(crate) fn output_is_channels_last(&self) -> bool {
        self.windows() >= self.channels_out
    }

    /// Values of an input image.
    pub(crate) fn input_len(&self) -> usize {
        self.height * self.width * self.channels_in
    }

    /// Values of an image's output.
    pub(crate) fn output_len(&self) -> usize {
        self.windows() * self.channels_out
    }

    /// Values of the weights.
    fn weight_len(&self) -> usize {
        self.channels_out * self.channels_in * TAPS
    }

    /// Values of an image row, the distance between a patch's rows.
    fn row(&self) -> usize {
        self.width * self.channels_in
    }

    /// Values in a row of a patch.
    fn patch_row(&self) -> usize {
        KERNEL * self.channels_in
    }

    /// Where each window's first patch starts in an image.
    fn corners(&self) -> Vec<usize> {
        let corner = |row, column| POOL * row * self.row() + POOL * column * self.channels_in;
        let rows = 0..self.output_height();
        rows.flat_map(|row| (0..self.output_width()).map(move |column| corner(row, column))).collect()
    }

    /// How far the patch of each position lies from its window's first. Beyond the four: zeros, so that
    /// any winner can be looked up.
    fn shifts<const N: usize>(&self) -> [usize; N] {
        from_fn(|position| match position {
            0..POSITIONS => position / POOL * self.row() + position % POOL * self.channels_in,
            _ => 0,
        })
    }
}

/// Reads a register from `source`, whatever its alignment.
///
/// # Safety
/// `S::F32_LANES` values can be read there.
#[inline(always)]
#[expect(unsafe_code, reason = "a bounds check per load would cost as much as the arithmetic")]
unsafe fn load<S: Simd>(_simd: S, source: *const f32) -> S::f32s {
    // SAFETY: the caller's; `S::f32s` is plain data, valid for any bits.
    unsafe { source.cast::<S::f32s>().read_unaligned() }
}

/// Writes a register to `target`, whatever its alignment.
///
/// # Safety
/// `S::F32_LANES` values can be written there.
#[inline(always)]
#[expect(unsafe_code, reason = "a bounds check per store would cost as much as the arithmetic")]
unsafe fn store<S: Simd>(_simd: S, target: *mut f32, value: S::f32s) {
    // SAFETY: the caller's.
    unsafe { target.cast::<S::f32s>().write_unaligned(value) }
}

/// Whether no value is NaN or infinite.
pub(crate) fn all_finite(instructions: InstructionSet, values: &[f32]) -> bool {
    struct AllFinite<'a>(&'a [f32]);

    impl WithSimd for AllFinite<'_> {
        type Output = bool;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> bool {
            // Without an early exit, which would keep the compiler from using vectors.
            self.0.iter().fold(true, |all, value| all & value.is_finite())
        }
    }

    values.par_chunks(1 << 14).all(|chunk| instructions.run(AllFinite(chunk)))
}

/// A register of the first values of `values`, or of all of them and zeros.
#[inline(always)]
#[expect(unsafe_code, reason = "pulp's partial load is a call, even when the register is full")]
fn read<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    if values.len() >= S::F32_LANES {
        // SAFETY: so many values are there.
        unsafe { load(simd, values.as_ptr()) }
    } else {
        simd.partial_load_f32s(values)
    }
}

/// Writes a register to the start of `target`, as much of it as there is room for.
#[inline(always)]
#[expect(unsafe_code, reason = "pulp's partial store is a call, even when the register is full")]
fn write<S: Simd>(simd: S, target: &mut [f32], value: S::f32s) {
    if target.len() >= S::F32_LANES {
        // SAFETY: so many values are there.
        unsafe { store(simd, target.as_mut_ptr(), value) }
    } else {
        simd.partial_store_f32s(target, value);
    }
}

#[cfg(test)]
mod tests;
