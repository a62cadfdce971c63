//! Buffers that start at a cache line, so that no vector load straddles two lines: on AVX-512, where
//! a register is a whole line, a straddling load costs two.

use std::mem::MaybeUninit;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

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

/// New values in memory that starts at a cache line.
pub(crate) struct AlignedVec {
    /// The values, with something before and after them.
    pub(crate) storage: Vec<f32>,
    /// Where they start.
    pub(crate) start: usize,
    /// How many there are.
    pub(crate) len: usize,
}

impl AlignedVec {
    /// A chunk of `chunk_len` values for each of `parts`, computed on all threads. `compute` gets a chunk
    /// as zeros, written a moment ago by its own thread: faster than zeros for all by one thread.
    #[expect(unsafe_code, reason = "memory is not written twice")]
    pub(crate) fn compute<Part: Send>(
        chunk_len: usize,
        parts: impl IndexedParallelIterator<Item = Part>,
        compute: impl Fn(&mut [f32], Part) + Send + Sync,
    ) -> Self {
        let len = parts.len() * chunk_len;
        let mut storage = Vec::<f32>::with_capacity(len + Line::FLOATS);
        let start = storage.as_ptr().align_offset(align_of::<Line>()).min(Line::FLOATS);
        let memory = &mut storage.spare_capacity_mut()[..len + Line::FLOATS];
        let (before, rest) = memory.split_at_mut(start);
        let (values, after) = rest.split_at_mut(len);
        before.fill(MaybeUninit::new(0.0));
        after.fill(MaybeUninit::new(0.0));
        values.par_chunks_exact_mut(chunk_len).zip_eq(parts).for_each(|(chunk, part)| {
            chunk.fill(MaybeUninit::new(0.0));
            // SAFETY: the line above wrote all of it.
            compute(unsafe { chunk.assume_init_mut() }, part);
        });
        // SAFETY: written were what comes before and after the values, and every chunk of them: `zip_eq`
        // sees to it that there are as many as parts.
        unsafe { storage.set_len(len + Line::FLOATS) };
        Self { storage, start, len }
    }

    /// The values.
    #[cfg(test)]
    pub(crate) fn values(&self) -> &[f32] {
        &self.storage[self.start..][..self.len]
    }
}
