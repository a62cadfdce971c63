//! Buffers that start at a cache line, so that vector loads do not cross from one line into the next.
//!
//! On AVX-512, where a register is as wide as a line, a load that crosses lines costs as much as two.

use std::mem::MaybeUninit;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// One cache line of `f32` values. The widest register has the same size.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; Line::FLOATS]);

impl Line {
    /// Number of values in a line.
    pub(crate) const FLOATS: usize = 16;
}

/// Returns a buffer of at least `floats` zeros.
pub(crate) fn zeros(floats: usize) -> Vec<Line> {
    vec![Line::zeroed(); floats.div_ceil(Line::FLOATS)]
}

/// Returns the values of a buffer.
pub(crate) fn floats(lines: &[Line]) -> &[f32] {
    bytemuck::cast_slice(lines)
}

/// Returns the values of a buffer for writing.
pub(crate) fn floats_mut(lines: &mut [Line]) -> &mut [f32] {
    bytemuck::cast_slice_mut(lines)
}

/// Returns the bits of a buffer's values.
pub(crate) fn integers(lines: &[Line]) -> &[u32] {
    bytemuck::cast_slice(lines)
}

/// Computed values whose memory starts at a cache line.
pub(crate) struct AlignedVec {
    /// The values, with padding before and after them.
    pub(crate) storage: Vec<f32>,
    /// Index of the first value in `storage`.
    pub(crate) start: usize,
    /// Number of values.
    pub(crate) len: usize,
}

impl AlignedVec {
    /// Computes a chunk of `chunk_len` values for each of `parts`, on all threads.
    ///
    /// # Safety
    /// `compute` must initialize all values of its chunk.
    #[expect(unsafe_code, reason = "memory is not written twice")]
    pub(crate) unsafe fn compute<Part: Send>(
        chunk_len: usize,
        parts: impl IndexedParallelIterator<Item = Part>,
        compute: impl Fn(&mut [MaybeUninit<f32>], Part) + Send + Sync,
    ) -> Self {
        let len = parts.len() * chunk_len;
        let mut storage = Vec::<f32>::with_capacity(len + Line::FLOATS);
        let start = storage.as_ptr().align_offset(align_of::<Line>()).min(Line::FLOATS);
        let memory = &mut storage.spare_capacity_mut()[..len + Line::FLOATS];
        let (before, rest) = memory.split_at_mut(start);
        let (values, after) = rest.split_at_mut(len);
        before.fill(MaybeUninit::new(0.0));
        after.fill(MaybeUninit::new(0.0));
        // Chunks one by one: no thread waits long for the last of several.
        // One chunk per task, so that no thread waits long for the last one.
        values
            .par_chunks_exact_mut(chunk_len)
            .zip_eq(parts)
            .with_max_len(1)
            .for_each(|(chunk, part)| compute(chunk, part));
        // SAFETY: the padding before and after the values is initialized, and `compute` initializes every chunk:
        // `zip_eq` ensures that there are as many chunks as parts.
        unsafe { storage.set_len(len + Line::FLOATS) };
        Self { storage, start, len }
    }

    /// Returns the values without the padding.
    #[cfg(test)]
    pub(crate) fn values(&self) -> &[f32] {
        &self.storage[self.start..][..self.len]
    }
}
