//! The convolution block on plain slices: 3×3 convolution + bias → ReLU → 2×2 max-pool, and its
//! gradients.
//!
//! Each pooled value comes from one of the four positions in its window, the *winner*. The forward pass stores
//! the winners, or [`DEAD`] where ReLU made all four positions zero. The gradients of the other positions are
//! zero, so the backward pass visits only the winners.
//!
//! # Layouts
//! - images, gradients and winners: `[batch, height, width, channels]` ("channels last"), so that a row of a
//!   3×3 patch is one contiguous run of `3 × channels` values
//! - outputs: the same, or `[batch, channels, height, width]`, see [`Geometry::output_is_channels_last`]
//! - weights and their gradients: `[channels_out, channels_in, 3, 3]`, as in Burn
//!
//! # Determinism
//! The results do not depend on the number of threads. In the forward pass and the input's gradient, images are
//! independent. The weights' gradient is a sum over images. It is computed in [`WEIGHT_GRADIENT_PARTS`] parts by
//! image number, and the parts are added in order.

// The sums stay in registers only if the compiler knows the bounds of every loop over them and unrolls it.
#![expect(clippy::needless_range_loop, reason = "an iterator over an array of registers takes its address")]

mod forward;
mod input_gradient;
mod weight_gradient;

use std::{array::from_fn, borrow::Cow};

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    POOL,
    instruction_set::{InstructionSet, multiply_add},
};

pub(crate) use forward::{Pooled, forward, forward_without_winners};
pub(crate) use input_gradient::input_gradient;
pub(crate) use weight_gradient::weight_gradient;

/// Side of the convolution kernel.
pub(crate) const KERNEL: usize = 3;
/// Number of taps in the kernel.
const TAPS: usize = KERNEL * KERNEL;
/// Side of the input patch that a pool window depends on.
const SIDE: usize = KERNEL + POOL - 1;
/// Number of positions in a pool window.
const POSITIONS: usize = POOL * POOL;
/// The "winner" of a window in which ReLU made every position zero.
pub(crate) const DEAD: u8 = POSITIONS as u8;
/// Number of partial sums over images in the weights' gradient.
const WEIGHT_GRADIENT_PARTS: usize = 8;

/// The sizes of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels_in: usize,
    pub(crate) channels_out: usize,
}

impl Geometry {
    /// Returns the number of output rows. The convolution has `height - 2` rows; an odd last one is dropped.
    pub(crate) fn output_height(&self) -> usize {
        self.height.saturating_sub(KERNEL - 1) / POOL
    }

    /// Returns the number of output columns.
    pub(crate) fn output_width(&self) -> usize {
        self.width.saturating_sub(KERNEL - 1) / POOL
    }

    /// Returns the number of pool windows per image.
    fn windows(&self) -> usize {
        self.output_height() * self.output_width()
    }

    /// Returns whether outputs have their channels last. A block with more channels than windows is assumed to
    /// feed a dense layer, which needs `[batch, channels, height, width]`.
    pub(crate) fn output_is_channels_last(&self) -> bool {
        self.windows() >= self.channels_out
    }

    /// Returns the distances between the outputs of two windows, and of two channels.
    fn output_strides(&self) -> [usize; 2] {
        if self.output_is_channels_last() { [self.channels_out, 1] } else { [1, self.windows()] }
    }

    /// Returns the outputs of an image as `[windows, channels]`.
    fn by_window<'a>(&self, outputs: &'a [f32]) -> Cow<'a, [f32]> {
        if self.output_is_channels_last() {
            return Cow::Borrowed(outputs);
        }
        let mut by_window = vec![0.0; outputs.len()];
        for (channel, windows) in outputs.chunks_exact(self.windows()).enumerate() {
            for (output, &value) in by_window[channel..].iter_mut().step_by(self.channels_out).zip(windows) {
                *output = value;
            }
        }
        Cow::Owned(by_window)
    }

    /// Returns the number of values in an input image.
    pub(crate) fn input_len(&self) -> usize {
        self.height * self.width * self.channels_in
    }

    /// Returns the number of values in an image's output.
    pub(crate) fn output_len(&self) -> usize {
        self.windows() * self.channels_out
    }

    /// Returns the number of weights.
    fn weight_len(&self) -> usize {
        self.channels_out * self.channels_in * TAPS
    }

    /// Returns the number of values in an image row, which is also the distance between the rows of a patch.
    fn row(&self) -> usize {
        self.width * self.channels_in
    }

    /// Returns the number of values in a row of a patch.
    fn patch_row(&self) -> usize {
        KERNEL * self.channels_in
    }

    /// Returns the index in an image at which each window's first patch starts.
    fn corners(&self) -> Vec<usize> {
        let corner = |row, column| POOL * row * self.row() + POOL * column * self.channels_in;
        let rows = 0..self.output_height();
        rows.flat_map(|row| (0..self.output_width()).map(move |column| corner(row, column))).collect()
    }

    /// Returns the offset of each position's patch from the first patch of its window.
    fn shifts(&self) -> [usize; POSITIONS] {
        from_fn(|position| position / POOL * self.row() + position % POOL * self.channels_in)
    }
}

/// Reads a register from `source`, which need not be aligned.
///
/// # Safety
/// `source` must be valid for reads of `S::F32_LANES` values.
#[inline(always)]
#[expect(unsafe_code, reason = "a bounds check per load would cost as much as the arithmetic")]
unsafe fn load<S: Simd>(_simd: S, source: *const f32) -> S::f32s {
    // SAFETY: the caller guarantees a valid `source`. `S::f32s` is plain data, so any bits are valid.
    unsafe { source.cast::<S::f32s>().read_unaligned() }
}

/// Writes a register to `target`, which need not be aligned.
///
/// # Safety
/// `target` must be valid for writes of `S::F32_LANES` values.
#[inline(always)]
#[expect(unsafe_code, reason = "a bounds check per store would cost as much as the arithmetic")]
unsafe fn store<S: Simd>(_simd: S, target: *mut f32, value: S::f32s) {
    // SAFETY: the caller guarantees a valid `target`.
    unsafe { target.cast::<S::f32s>().write_unaligned(value) }
}

/// Returns whether no value is NaN or infinite.
pub(crate) fn all_finite(instructions: InstructionSet, values: &[f32]) -> bool {
    struct AllFinite<'a>(&'a [f32]);

    impl WithSimd for AllFinite<'_> {
        type Output = bool;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> bool {
            // An early exit would prevent vectorization.
            self.0.iter().fold(true, |all, value| all & value.is_finite())
        }
    }

    values.par_chunks(1 << 14).all(|chunk| instructions.run(AllFinite(chunk)))
}

/// Reads a register from the start of `values`. If there are too few, zeros fill the rest.
#[inline(always)]
#[expect(unsafe_code, reason = "pulp's partial load is a call, even when the register is full")]
fn read<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    if values.len() >= S::F32_LANES {
        // SAFETY: `values` has at least `S::F32_LANES` values.
        unsafe { load(simd, values.as_ptr()) }
    } else {
        simd.partial_load_f32s(values)
    }
}

/// Writes a register to the start of `target`. Lanes that do not fit are dropped.
#[inline(always)]
#[expect(unsafe_code, reason = "pulp's partial store is a call, even when the register is full")]
fn write<S: Simd>(simd: S, target: &mut [f32], value: S::f32s) {
    if target.len() >= S::F32_LANES {
        // SAFETY: `target` has at least `S::F32_LANES` values.
        unsafe { store(simd, target.as_mut_ptr(), value) }
    } else {
        simd.partial_store_f32s(target, value);
    }
}

#[cfg(test)]
mod tests;
