//! Buffers that start at a cache line, so that no vector load straddles two lines: on AVX-512, where
//! a register is a whole line, a straddling load costs two.

use bytemuck::{Pod, Zeroable};

/// One cache line of `f32`, which is also the widest register.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; Line::FLOATS]);

impl Line {
    /// Values in a line.
    pub(crate) const FLOATS: usize = 16;
}

/// Zeros, at least `floats` of them.
pub(crate) fn zeros(floats: usize) -> Vec<Line> {
    vec![Line::zeroed(); floats.div_ceil(Line::FLOATS)]
}

/// The values of a buffer.
pub(crate) fn floats(lines: &[Line]) -> &[f32] {
    bytemuck::cast_slice(lines)
}

/// The values of a buffer, to write.
pub(crate) fn floats_mut(lines: &mut [Line]) -> &mut [f32] {
    bytemuck::cast_slice_mut(lines)
}
